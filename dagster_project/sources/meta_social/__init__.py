"""Facebook pages and Instagram professional accounts: how many follow them, by Meta's Graph API.

Belongs here: settings and streams; what Meta's errors mean stands in `answers`. Both kinds of account are one node each
with a field that counts its followers, exact and of this moment. One call an account and day; a hundredth of what an app
may ask in an hour.

https://developers.facebook.com/docs/graph-api/reference/page and
https://developers.facebook.com/docs/instagram-platform/instagram-graph-api/reference/ig-user
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator

import pyarrow as pa
from pydantic import SecretStr, model_validator

from dagster_project.sources.meta_social.answers import NAME, Answers
from dagster_project.wire.contract import Page, Stream, Tally, VendorError, Window
from dagster_project.wire.followers import followers_stream, looked_at
from dagster_project.wire.http import Http, Json
from dagster_project.wire.source import Source
from dagster_project.wire.variables import CommaList, HostAddress, SourceSettings, variable

PAGE_FIELDS = "name,followers_count,fan_count"
INSTAGRAM_FIELDS = "username,followers_count,follows_count,media_count"


class MetaSocialSettings(SourceSettings):
    access_token: SecretStr = variable(
        "META_SOCIAL_ACCESS_TOKEN", "of a system user; the ads' one may have these rights, too"
    )
    page_ids: CommaList | None = variable("FACEBOOK_PAGE_IDS", "of pages, separated by commas", None)
    instagram_ids: CommaList | None = variable(
        "INSTAGRAM_ACCOUNT_IDS",
        "of professional accounts, separated by commas: instagram_business_account of their page, not the name",
        None,
    )
    app_secret: SecretStr | None = variable(
        "META_SOCIAL_APP_SECRET", "where the app requires a proof of it with every call", None
    )
    api_version: str = variable("META_GRAPH_VERSION", "", "v27.0", pattern=r"^v\d+\.\d+$")
    base_url: HostAddress = variable("META_SOCIAL_BASE_URL", "", "https://graph.facebook.com")

    @model_validator(mode="after")
    def _check(self) -> MetaSocialSettings:
        if not self.page_ids and not self.instagram_ids:
            raise ValueError("META_SOCIAL_ACCESS_TOKEN needs FACEBOOK_PAGE_IDS, INSTAGRAM_ACCOUNT_IDS or both")
        for account in (*(self.page_ids or ()), *(self.instagram_ids or ())):
            if not account.isdigit():
                raise ValueError(f"{account!r} is no id of a page or an Instagram account; allowed are digits")
        return self


def read_pages(settings: MetaSocialSettings, window: Window, tally: Tally) -> Iterator[Page]:
    """Grain: day, page."""
    yield from _read(PAGES, settings.page_ids or [], PAGE_FIELDS, settings, window, tally)


def read_instagram_accounts(settings: MetaSocialSettings, window: Window, tally: Tally) -> Iterator[Page]:
    """Grain: day, account."""
    yield from _read(INSTAGRAM_ACCOUNTS, settings.instagram_ids or [], INSTAGRAM_FIELDS, settings, window, tally)


def _read(
    stream: Stream, accounts: list[str], fields: str, settings: MetaSocialSettings, window: Window, tally: Tally
) -> Iterator[Page]:
    token = settings.access_token.get_secret_value()
    asked = {"fields": fields}
    if settings.app_secret:
        proof = hmac.new(settings.app_secret.get_secret_value().encode(), token.encode(), hashlib.sha256)
        asked["appsecret_proof"] = proof.hexdigest()
    answers = Answers(stream.name, tally, settings.api_version)
    headers = {"Authorization": f"Bearer {token}"}
    with Http(NAME, settings.base_url, tally, headers=headers, judge=answers.judge) as http:

        def look(account: str) -> dict[str, Json]:
            answer = http.get_json(f"/{settings.api_version}/{account}", params=asked)
            if not isinstance(answer, dict):
                raise VendorError(f"{account}: no object; is META_SOCIAL_BASE_URL right?", **answers.where)
            return answer

        yield from looked_at(stream, accounts, look, window, tally, count="followers_count")


PAGES = followers_stream(
    NAME,
    "pages",
    [("id", pa.string()), ("name", pa.string()), ("followers_count", pa.int64()), ("fan_count", pa.int64())],
    read_pages,
    "Followers of Facebook pages on the day itself.",
    is_on=lambda settings: bool(settings.page_ids),
)
INSTAGRAM_ACCOUNTS = followers_stream(
    NAME,
    "instagram_accounts",
    [
        ("id", pa.string()),
        ("username", pa.string()),
        ("followers_count", pa.int64()),
        ("follows_count", pa.int64()),
        ("media_count", pa.int64()),
    ],
    read_instagram_accounts,
    "Followers of Instagram professional accounts on the day itself.",
    is_on=lambda settings: bool(settings.instagram_ids),
)

SOURCE = Source(
    name=NAME,
    title="Facebook pages and Instagram",
    gives="followers of pages and professional accounts by day, from the day on which it is switched on",
    settings=MetaSocialSettings,
    streams=(PAGES, INSTAGRAM_ACCOUNTS),
    about="Meta's Graph API: what is true at the moment of reading.",
    columns={
        "date": "Day on which it was looked.",
        "id": "Id of the page or account.",
        "name": "Title of the page.",
        "username": "Name of the account.",
        "followers_count": "Followers at that moment, exact.",
        "fan_count": "Likes of the page: an older count, which is not its followers.",
        "follows_count": "Accounts that it follows.",
        "media_count": "Posts that it has.",
        "account_id": "The page or account as the settings name it.",
    },
    creates="a business app and a system user with a token, to whom the page and the account are assigned",
    least_right="pages_read_engagement, and instagram_basic for Instagram; no task on the page beyond seeing it",
)
