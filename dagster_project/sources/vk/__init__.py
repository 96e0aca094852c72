"""VK: how many members the company's communities have.

Belongs here: all of the source. The number is exact, and there is no past. A service token is enough. One call a community
and day. Errors come with status 200.

https://dev.vk.com/method/groups.getById
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pyarrow as pa
import requests
from pydantic import SecretStr, field_validator

from dagster_project.wire.contract import (
    AuthError,
    ConfigError,
    DriftError,
    Page,
    QuotaError,
    Tally,
    VendorError,
    Window,
)
from dagster_project.wire.followers import followers_stream, looked_at
from dagster_project.wire.http import Http, Json, Verdict
from dagster_project.wire.pacing import shared_pacer
from dagster_project.wire.source import Source
from dagster_project.wire.variables import CommaList, HostAddress, SourceSettings, variable

NAME, STREAM = "vk", "communities"
WHERE = {"source": NAME, "stream": STREAM}
CALLS_A_SECOND = 2  # service and user tokens may make 3
UNKNOWN, TOO_FAST, FLOOD, INTERNAL, DAY_LIMIT = 1, 6, 9, 10, 29
NO_LOGIN, NO_ACCESS, WRONG_COMMUNITY, WRONG_VERSION = {4, 5, 27, 28, 1116}, {7, 15, 203}, {100, 125}, {8, 21, 34}


class VkSettings(SourceSettings):
    token: SecretStr = variable("VK_ACCESS_TOKEN", "the service token of an app, or a user's")
    groups: CommaList = variable(
        "VK_GROUP_IDS", "names or numeric ids of communities, separated by commas", example="example_club"
    )
    api_version: str = variable("VK_API_VERSION", "", "5.199", pattern=r"^5\.\d+$")
    base_url: HostAddress = variable("VK_BASE_URL", "", "https://api.vk.com")

    @field_validator("groups")
    @classmethod
    def _are_names(cls, groups: list[str]) -> list[str]:
        for group in groups:
            if not re.fullmatch(r"[\w.]+", group):
                raise ValueError(
                    f"{group!r} is no community; allowed are its name or id, such as example_club or 1000001"
                )
        return groups


def read_communities(settings: VkSettings, window: Window, tally: Tally) -> Iterator[Page]:
    """Grain: day, community."""
    token = settings.token.get_secret_value()
    headers = {"Authorization": f"Bearer {token}"}  # in the query it would come back in the text of errors
    with Http(NAME, settings.base_url, tally, headers=headers, judge=_judge) as http:
        pacer = shared_pacer((NAME, settings.base_url, token), CALLS_A_SECOND, 1.0)

        def look(group: str) -> dict[str, Json]:
            asked = {"group_ids": group, "fields": "members_count", "v": settings.api_version}
            return _community(group, http.get_json("/method/groups.getById", params=asked, pacer=pacer))

        yield from looked_at(COMMUNITIES, settings.groups, look, window, tally, count="members_count")


def _community(group: str, answer: Json) -> dict[str, Json]:
    found = answer.get("response") if isinstance(answer, dict) else None
    if found is None:
        raise VendorError("the answer has no response in it; is VK_BASE_URL right?", **WHERE)
    groups = found.get("groups") if isinstance(found, dict) else found  # before version 5.139 a bare list
    if not isinstance(groups, list) or not all(isinstance(each, dict) for each in groups):
        raise DriftError(f"{group}: the answer has no list of communities", **WHERE)
    if not groups:
        raise ConfigError(f"there is no community {group}; correct VK_GROUP_IDS", **WHERE)
    if state := groups[0].get("deactivated"):
        raise ConfigError(
            f"VK says that {group} is {state}: nobody counts its members; take it out of VK_GROUP_IDS", **WHERE
        )
    return {name: groups[0].get(name) for name in ("id", "name", "screen_name", "type", "members_count")}


def _judge(response: requests.Response) -> Verdict | None:
    """What an answer means: the status is always 200."""
    try:
        error = response.json()["error"]
        code, said = int(error["error_code"]), str(error["error_msg"])[:200]
    except (ValueError, KeyError, TypeError):
        return None
    said = f"{said} (code {code})"
    if code in (UNKNOWN, INTERNAL, TOO_FAST, FLOOD):
        return Verdict(wait_seconds=1.0 if code == TOO_FAST else None)
    if code == DAY_LIMIT:
        again = "run again tomorrow (what was loaded before is untouched)"
        return Verdict(
            error=QuotaError(f"the quota of the day is used up: {said}; {again}", retry_after_seconds=None, **WHERE)
        )
    if code in NO_LOGIN:
        return Verdict(error=AuthError(f"VK refuses: {said}; put an app's service token in VK_ACCESS_TOKEN", **WHERE))
    if code in NO_ACCESS:
        mend = "a closed community needs the token of a user who is in it"
        return Verdict(error=AuthError(f"VK refuses: {said}; {mend}", **WHERE))
    if code in WRONG_COMMUNITY:
        return Verdict(error=ConfigError(f"{said}; correct VK_GROUP_IDS", **WHERE))
    if code in WRONG_VERSION:
        return Verdict(error=ConfigError(f"{said}; set VK_API_VERSION to one that is served", **WHERE))
    return Verdict(error=VendorError(said, **WHERE))


COMMUNITIES = followers_stream(
    NAME,
    STREAM,
    [
        ("id", pa.string()),
        ("name", pa.string()),
        ("screen_name", pa.string()),
        ("type", pa.string()),
        ("members_count", pa.int64()),
    ],
    read_communities,
    "Members of communities on the day itself.",
)

SOURCE = Source(
    name=NAME,
    title="VK",
    gives="members of communities by day, from the day on which it is switched on",
    settings=VkSettings,
    streams=(COMMUNITIES,),
    about="VK API: what is true at the moment of reading.",
    columns={
        "date": "Day on which it was looked.",
        "id": "Id that stays when the community gets another name.",
        "name": "Title of the community.",
        "screen_name": "Its name in addresses.",
        "type": "group, page or event.",
        "members_count": "Members at that moment, exact.",
        "account_id": "The community as the settings name it.",
    },
    creates="an app (dev.vk.com), whose service token is taken",
    least_right="the service token: it sees what everybody sees",
)
