"""LinkedIn pages: how many members follow the company's pages.

Belongs here: all of the source. The number is exact, and there is no past. One call a page and day; LinkedIn does not say
how many a day it allows. Follower statistics by country or trade are not read: they never add up to the total.

https://learn.microsoft.com/linkedin/marketing/community-management/organizations/organization-lookup-api
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pyarrow as pa
import requests
from pydantic import SecretStr, field_validator

from dagster_project.wire.contract import AuthError, ConfigError, Page, QuotaError, Tally, VendorError, Window
from dagster_project.wire.followers import followers_stream, looked_at
from dagster_project.wire.http import Http, Json, Verdict, redact
from dagster_project.wire.oauth import Bearer, refresh_grant, shared_token
from dagster_project.wire.source import Source
from dagster_project.wire.variables import CommaList, HostAddress, SourceSettings, WebAddress, variable

NAME, STREAM = "linkedin_pages", "pages"
WHERE = {"source": NAME, "stream": STREAM}
SIGN_IN = "sign in anew as an administrator of the page, and put the token in LINKEDIN_PAGES_REFRESH_TOKEN"


class LinkedinPagesSettings(SourceSettings):
    client_id: str = variable("LINKEDIN_PAGES_CLIENT_ID", "of the app")
    client_secret: SecretStr = variable("LINKEDIN_PAGES_CLIENT_SECRET", "of the app")
    refresh_token: SecretStr = variable(
        "LINKEDIN_PAGES_REFRESH_TOKEN", "of an administrator who has signed in; it lives for a year"
    )
    organizations: CommaList = variable(
        "LINKEDIN_ORGANIZATION_IDS", "numbers of pages, separated by commas", example="1001"
    )
    # A month's version is switched off a year later, and is then answered with 426.
    api_version: str = variable("LINKEDIN_PAGES_API_VERSION", "year and month", "202608", pattern=r"^20\d{4}$")
    base_url: HostAddress = variable("LINKEDIN_PAGES_BASE_URL", "", "https://api.linkedin.com")
    token_url: WebAddress = variable("LINKEDIN_PAGES_TOKEN_URL", "", "https://www.linkedin.com/oauth/v2/accessToken")

    @field_validator("organizations")
    @classmethod
    def _are_numbers(cls, organizations: list[str]) -> list[str]:
        for each in organizations:
            if not re.fullmatch(r"\d+", each):
                raise ValueError(
                    f"{each!r} is no page; allowed is the number in its administrator's address, such as 1001"
                )
        return organizations


def read_pages(settings: LinkedinPagesSettings, window: Window, tally: Tally) -> Iterator[Page]:
    """Grain: day, page."""
    grant = refresh_grant(
        NAME,
        settings.token_url,
        client_id=settings.client_id,
        client_secret=settings.client_secret.get_secret_value(),
        refresh_token=settings.refresh_token.get_secret_value(),
        judge=_judge_token,
        wrong_address="is LINKEDIN_PAGES_TOKEN_URL right?",
    )
    headers = {"Linkedin-Version": settings.api_version, "X-Restli-Protocol-Version": "2.0.0"}
    auth = Bearer(shared_token(grant), tally)
    with Http(NAME, settings.base_url, tally, headers=headers, auth=auth, judge=_judge) as http:

        def look(organization: str) -> dict[str, Json]:
            path = f"/rest/networkSizes/urn%3Ali%3Aorganization%3A{organization}"
            answer = http.get_json(path, params={"edgeType": "COMPANY_FOLLOWED_BY_MEMBER"})
            if not isinstance(answer, dict):
                raise VendorError(f"{organization}: no object; is LINKEDIN_PAGES_BASE_URL right?", **WHERE)
            return answer

        yield from looked_at(PAGES, settings.organizations, look, window, tally, count="firstDegreeSize")


def _judge(response: requests.Response) -> Verdict | None:
    status = response.status_code
    if status < 400 or status >= 500:
        return None
    try:
        body = response.json()
        said = f"{redact(str(body['message']))[:200]} ({body.get('code', status)})"
    except (ValueError, KeyError, TypeError, AttributeError):
        said = f"status {status}"
    if status == 401:
        return Verdict(error=AuthError(f"LinkedIn refuses: {said}; {SIGN_IN}", **WHERE), is_login_ended=True)
    if status == 403:
        mend = "the app needs the Community Management API, the token r_organization_admin, and its owner to be an administrator of the page"
        return Verdict(error=AuthError(f"LinkedIn refuses: {said}; {mend}", **WHERE))
    if status == 426:
        mend = "set LINKEDIN_PAGES_API_VERSION to a month that is served"
        return Verdict(error=ConfigError(f"{said}; {mend}", **WHERE))
    if status == 429 and " DAY " in said:
        again = "It returns at midnight UTC; what was loaded before is untouched"
        return Verdict(
            error=QuotaError(f"the quota of the day is used up: {said} {again}", retry_after_seconds=None, **WHERE)
        )
    if status == 429:
        return None
    if status in (400, 404):
        return Verdict(error=ConfigError(f"{said}; correct LINKEDIN_ORGANIZATION_IDS", **WHERE))
    return Verdict(error=VendorError(said, **WHERE))


def _judge_token(response: requests.Response) -> Verdict | None:
    """Of the token's URL: a refresh token that is over is a 400."""
    if response.status_code not in (400, 401):
        return None
    try:
        said = redact(str(response.json()["error_description"]))[:200]
    except (ValueError, KeyError, TypeError):
        said = f"status {response.status_code}"
    return Verdict(error=AuthError(f"LinkedIn gives no token: {said}; {SIGN_IN}", **WHERE))


PAGES = followers_stream(
    NAME,
    STREAM,
    [("firstDegreeSize", pa.int64())],
    read_pages,
    "Followers of company pages on the day itself.",
)

SOURCE = Source(
    name=NAME,
    title="LinkedIn pages",
    gives="followers of company pages by day, from the day on which it is switched on",
    settings=LinkedinPagesSettings,
    streams=(PAGES,),
    about="LinkedIn's Community Management API: what is true at the moment of reading.",
    columns={
        "date": "Day on which it was looked.",
        "firstDegreeSize": "Members who follow the page at that moment, exact.",
        "account_id": "The page's number.",
    },
    creates="an app with the product Community Management API, which LinkedIn reviews, and an administrator's sign-in to it",
    least_right="r_organization_admin of an administrator of the page",
)
