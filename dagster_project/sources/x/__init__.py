"""X: how many follow the company's accounts. Each look costs money.

Belongs here: all of the source. The number is exact, and there is no past. X has no free use: an account that is looked
at costs PRICE_DOLLARS, once a UTC day however often it is asked (prices of August 2026). So accounts are all that is read:
no posts, whose price is by the piece.

https://docs.x.com/x-api/users/user-lookup-by-usernames and https://docs.x.com/x-api/getting-started/pricing
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
from dagster_project.wire.http import Http, Json, Verdict, redact
from dagster_project.wire.pacing import in_words, quota_of, seconds_until
from dagster_project.wire.source import Source
from dagster_project.wire.variables import CommaList, HostAddress, SourceSettings, variable

NAME, STREAM = "x", "accounts"
WHERE = {"source": NAME, "stream": STREAM}
PRICE_DOLLARS = 0.01  # of a user that is returned
QUOTAS = {"x-rate-limit-remaining": "calls_left_of_15_minutes"}


class XSettings(SourceSettings):
    token: SecretStr = variable("X_BEARER_TOKEN", "of an app with credits; each account costs about $0.010 a day")
    usernames: CommaList = variable("X_USERNAMES", "with or without @, separated by commas", example="@example")
    base_url: HostAddress = variable("X_BASE_URL", "", "https://api.x.com")

    @field_validator("usernames")
    @classmethod
    def _are_names(cls, usernames: list[str]) -> list[str]:
        for name in usernames:
            if not re.fullmatch(r"@?\w{1,15}", name, re.ASCII):
                raise ValueError(f"{name!r} is no account; allowed are names such as @example")
        return list(dict.fromkeys(name.removeprefix("@") for name in usernames))


def read_accounts(settings: XSettings, window: Window, tally: Tally) -> Iterator[Page]:
    """Grain: day, account."""
    a_month = len(settings.usernames) * PRICE_DOLLARS * 30
    tally.note(f"X charges for each account and day: about ${a_month:.2f} a month for these (prices of August 2026)")
    headers = {"Authorization": f"Bearer {settings.token.get_secret_value()}"}

    def judge(response: requests.Response) -> Verdict | None:
        tally.see_quota(**quota_of(response.headers, QUOTAS))
        return _judge(response)

    with Http(NAME, settings.base_url, tally, headers=headers, judge=judge) as http:

        def look(username: str) -> dict[str, Json]:
            asked = {"usernames": username, "user.fields": "public_metrics"}
            return _account(username, http.get_json("/2/users/by", params=asked))

        yield from looked_at(ACCOUNTS, settings.usernames, look, window, tally, count="followers_count")


def _account(username: str, answer: Json) -> dict[str, Json]:
    """Whoever is not found is no refusal, but an error beside the data, with status 200."""
    if not isinstance(answer, dict):
        raise VendorError("the answer is no list of accounts; is X_BASE_URL right?", **WHERE)
    try:
        if not answer.get("data"):
            said = str(answer["errors"][0]["detail"])[:200]
            raise ConfigError(f"{said}; correct X_USERNAMES", **WHERE)
        found = answer["data"][0]
        return {"id": found["id"], "name": found["name"], "username": found["username"], **found["public_metrics"]}
    except (KeyError, TypeError, IndexError):
        raise DriftError(f"{username}: an account has not the shape of one", **WHERE) from None


def _judge(response: requests.Response) -> Verdict | None:
    status = response.status_code
    if status < 400 or status >= 500:
        return None
    try:
        body = response.json()
        said, kind = redact(str(body.get("detail") or body["title"]))[:300], str(body.get("type", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        said, kind = f"status {status}", ""
    if status == 402 or "credits" in kind or kind.endswith("/usage-capped"):
        mend = "buy credits or raise the cap at console.x.com; what was loaded before is untouched"
        return Verdict(error=QuotaError(f"X gives no more: {said}; {mend}", retry_after_seconds=None, **WHERE))
    if status == 429:
        try:
            wait = seconds_until(float(response.headers["x-rate-limit-reset"]))
        except (KeyError, ValueError):
            return Verdict()
        again = f"Run again in {in_words(wait)}; what was loaded before is untouched"
        used_up = QuotaError(f"X's limit is reached: {said}. {again}", retry_after_seconds=wait, **WHERE)
        return Verdict(wait_seconds=wait, error=used_up)
    if status in (401, 403):
        mend = "put the bearer token of an app with credits in X_BEARER_TOKEN"
        return Verdict(error=AuthError(f"X refuses: {said}; {mend}", **WHERE))
    return Verdict(error=VendorError(said, **WHERE))


ACCOUNTS = followers_stream(
    NAME,
    STREAM,
    [
        ("id", pa.string()),
        ("name", pa.string()),
        ("username", pa.string()),
        ("followers_count", pa.int64()),
        ("following_count", pa.int64()),
        ("tweet_count", pa.int64()),
        ("listed_count", pa.int64()),
        ("like_count", pa.int64()),
        ("media_count", pa.int64()),
    ],
    read_accounts,
    "Followers of accounts on the day itself.",
)

SOURCE = Source(
    name=NAME,
    title="X",
    gives="followers of accounts by day, from the day on which it is switched on; X charges about $0.30 a month for each",
    settings=XSettings,
    streams=(ACCOUNTS,),
    about="X API: what is true at the moment of reading.",
    columns={
        "date": "Day on which it was looked.",
        "id": "Id that stays when the account gets another name.",
        "name": "Name that it shows.",
        "username": "Its @name.",
        "followers_count": "Followers at that moment, exact.",
        "following_count": "Accounts that it follows.",
        "tweet_count": "Posts that it has.",
        "listed_count": "Lists that it is on.",
        "like_count": "Posts that it likes.",
        "media_count": "Pictures and films that it has.",
        "account_id": "The account as the settings name it, without @.",
    },
    creates="an app at console.x.com and credits, which are bought ahead",
    least_right="the app's bearer token: it sees what everybody sees",
)
