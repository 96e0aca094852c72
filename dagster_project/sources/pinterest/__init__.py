"""Pinterest: how many follow the company's account.

Belongs here: all of the source. A token sees one account, its owner's. The number is exact, and there is no past. One call
a day, of the 1,000 that an app on trial has.

https://developers.pinterest.com/docs/api/v5/user_account-get
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import requests
from pydantic import SecretStr, model_validator
from requests.auth import AuthBase

from dagster_project.wire.contract import AuthError, Page, Tally, VendorError, Window
from dagster_project.wire.followers import followers_stream, looked_at
from dagster_project.wire.http import Http, Json, Verdict, redact
from dagster_project.wire.oauth import Bearer, refresh_grant, shared_token
from dagster_project.wire.source import Source
from dagster_project.wire.variables import HostAddress, SourceSettings, WebAddress, variable

NAME, STREAM = "pinterest", "account"
WHERE = {"source": NAME, "stream": STREAM}
TAKEN = ("id", "username", "business_name", "follower_count", "following_count", "pin_count", "monthly_views")
MEND = "make a token with user_accounts:read, and put it in PINTEREST_ACCESS_TOKEN"


class PinterestSettings(SourceSettings):
    token: SecretStr = variable("PINTEREST_ACCESS_TOKEN", "with user_accounts:read; it lives for a month")
    client_id: str = variable(
        "PINTEREST_CLIENT_ID", "of the app; with its secret and a refresh token, tokens are renewed", ""
    )
    client_secret: SecretStr | None = variable("PINTEREST_CLIENT_SECRET", "", None)
    refresh_token: SecretStr | None = variable("PINTEREST_REFRESH_TOKEN", "", None)
    base_url: HostAddress = variable("PINTEREST_BASE_URL", "", "https://api.pinterest.com")
    token_url: WebAddress = variable("PINTEREST_TOKEN_URL", "", "https://api.pinterest.com/v5/oauth/token")

    @model_validator(mode="after")
    def _check(self) -> PinterestSettings:
        if 0 < sum(bool(each) for each in (self.client_id, self.client_secret, self.refresh_token)) < 3:
            raise ValueError(
                "PINTEREST_CLIENT_ID, PINTEREST_CLIENT_SECRET and PINTEREST_REFRESH_TOKEN renew the token together: set all or none"
            )
        return self


def read_account(settings: PinterestSettings, window: Window, tally: Tally) -> Iterator[Page]:
    """Grain: day, account."""
    with Http(NAME, settings.base_url, tally, auth=_login(settings, tally), judge=_judge) as http:
        answer = http.get_json("/v5/user_account")
        if not isinstance(answer, dict) or "id" not in answer:
            raise VendorError("the answer is no account; is PINTEREST_BASE_URL right?", **WHERE)
        found: dict[str, Json] = {name: answer.get(name) for name in TAKEN}
        yield from looked_at(
            ACCOUNT, [str(answer["id"])], lambda _account: found, window, tally, count="follower_count"
        )


class _Fixed(AuthBase):
    """A token that nothing renews."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _login(settings: PinterestSettings, tally: Tally) -> AuthBase:
    if not settings.refresh_token or not settings.client_secret:
        return _Fixed(settings.token.get_secret_value())
    grant = refresh_grant(
        NAME,
        settings.token_url,
        client_id=settings.client_id,
        client_secret=settings.client_secret.get_secret_value(),
        refresh_token=settings.refresh_token.get_secret_value(),
        judge=_judge,
        wrong_address="is PINTEREST_TOKEN_URL right?",
        is_basic=True,
    )
    return Bearer(shared_token(grant), tally)


def _judge(response: requests.Response) -> Verdict | None:
    status = response.status_code
    if status < 400 or status == 429 or status >= 500:
        return None
    try:
        body = response.json()
        said = f"{redact(str(body['message']))[:200]} (code {body['code']})"
    except (ValueError, KeyError, TypeError):
        said = f"status {status}"
    if status in (401, 403):
        return Verdict(error=AuthError(f"Pinterest refuses: {said}; {MEND}", **WHERE), is_login_ended=status == 401)
    return Verdict(error=VendorError(said, **WHERE))


ACCOUNT = followers_stream(
    NAME,
    STREAM,
    [
        ("id", pa.string()),
        ("username", pa.string()),
        ("business_name", pa.string()),
        ("follower_count", pa.int64()),
        ("following_count", pa.int64()),
        ("pin_count", pa.int64()),
        ("monthly_views", pa.int64()),
    ],
    read_account,
    "Followers of the account on the day itself.",
)

SOURCE = Source(
    name=NAME,
    title="Pinterest",
    gives="followers of the account by day, from the day on which it is switched on",
    settings=PinterestSettings,
    streams=(ACCOUNT,),
    about="Pinterest API: what is true at the moment of reading.",
    columns={
        "date": "Day on which it was looked.",
        "id": "Id of the account.",
        "username": "Its name.",
        "business_name": "Name of the business.",
        "follower_count": "Followers at that moment, exact.",
        "following_count": "Accounts that it follows.",
        "pin_count": "Pins that it has.",
        "monthly_views": "Views of the last 30 days: they roll on and never add up.",
        "account_id": "Id of the account.",
    },
    creates="an app (developers.pinterest.com) and a token of the account's owner",
    least_right="user_accounts:read",
)
