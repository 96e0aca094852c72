"""LinkedIn's Marketing API as ad accounts are read by it: an account, analytics, lists of what is in it, posts, tags.

Rows leave as LinkedIn sent them. Queries are Rest.li's: brackets and commas as they are, what stands in them encoded. One call
after another, ten in ten seconds: LinkedIn does not say how many it allows.

https://learn.microsoft.com/linkedin/marketing/integrations/ads-reporting/ads-reporting
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

from dagster_project.sources.linkedin_ads.answers import SOURCE, Answers, TooLongAnAddress, Unknown, judge_token
from dagster_project.wire.contract import Tally, VendorError, Window
from dagster_project.wire.http import Http, Json
from dagster_project.wire.oauth import Bearer, refresh_grant, shared_token
from dagster_project.wire.pacing import shared_pacer
from dagster_project.wire.rest import cursor_pages

if TYPE_CHECKING:
    from dagster_project.sources.linkedin_ads.settings import LinkedinAdsSettings

Row = dict[str, Json]

CALLS, SECONDS = 10, 10.0
PAGE = 100
POSTS_AT_ONCE = 20
FINDER, BATCH = {"X-RestLi-Method": "FINDER"}, {"X-RestLi-Method": "BATCH_GET"}


class Linkedin:
    """One read's connection. Methods raise AuthError, ConfigError, QuotaError, VendorError."""

    def __init__(self, settings: LinkedinAdsSettings, stream: str, tally: Tally) -> None:
        self.answers = Answers(stream)
        grant = refresh_grant(
            SOURCE,
            settings.token_url,
            client_id=settings.client_id,
            client_secret=settings.client_secret.get_secret_value(),
            refresh_token=settings.refresh_token.get_secret_value(),
            judge=judge_token,
            wrong_address="is LINKEDIN_ADS_TOKEN_URL right?",
        )
        self._pacer = shared_pacer((settings.base_url, settings.client_id), CALLS, SECONDS)
        self._http = Http(
            SOURCE,
            settings.base_url,
            tally,
            headers={"Linkedin-Version": settings.api_version, "X-Restli-Protocol-Version": "2.0.0"},
            auth=Bearer(shared_token(grant), tally),
            judge=self.answers.judge,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.__exit__()

    def account(self, account_id: str) -> Row:
        """Its currency. Analytics of an account that the person may not see are empty and no error: this one says so."""
        return self._get(f"adAccounts/{account_id}")

    def analytics(self, account_id: str, window: Window, pivots: Sequence[str], fields: Iterable[str]) -> list[Row]:
        """All rows at once: there are no pages, and no word of it where there are more than 15,000."""
        days = f"(start:{_date(window.start)},end:{_date(window.last)})"
        account = quote(f"urn:li:sponsoredAccount:{account_id}", safe="")
        query = (
            f"q=statistics&pivots=List({','.join(pivots)})&timeGranularity=(value:DAILY)&dateRange={days}"
            f"&accounts=List({account})&fields={','.join(fields)}"
        )
        return self._list(self._get("adAnalytics", query), "elements")

    def entities(self, account_id: str, kind: str) -> Iterator[list[Row]]:
        """Pages of what is in an account, of any status: adCampaignGroups, adCampaigns or creatives."""
        finder = "criteria" if kind == "creatives" else "search"
        path = f"adAccounts/{account_id}/{kind}"

        def ask(token: str | None) -> Row:
            more = f"&pageToken={quote(token, safe='')}" if token else ""
            return self._get(path, f"q={finder}&pageSize={PAGE}{more}", FINDER)

        def following(answer: Row) -> str | None:
            token = (answer.get("metadata") or {}).get("nextPageToken")
            return str(token) if token else None

        for answer in cursor_pages(ask, following, what=f"GET {path}", where=self.answers.where):
            yield self._list(answer, "elements")

    def posts(self, urns: Sequence[str]) -> dict[str, Row]:
        """Posts by urn, of those that the person may see."""
        found: dict[str, Row] = {}
        for start in range(0, len(urns), POSTS_AT_ONCE):
            ids = ",".join(quote(urn, safe="") for urn in urns[start : start + POSTS_AT_ONCE])
            results = self._get("posts", f"ids=List({ids})", BATCH).get("results") or {}
            found |= {urn: post for urn, post in results.items() if isinstance(post, dict)}
        return found

    def tracking(self, campaign_id: str) -> Row:
        """The parameters that LinkedIn appends to addresses of a campaign; empty where nobody set any."""
        urn = quote(f"urn:li:sponsoredCampaign:{campaign_id}", safe="")
        try:
            return self._get(f"adTrackingParameters/(adEntity:(sponsoredCampaign:{urn}))")
        except Unknown:  # there are none
            return {}

    # ---- calls -------------------------------------------------------------------------------------------------

    def _get(self, path: str, query: str = "", headers: Mapping[str, str] | None = None) -> Row:
        at = f"/rest/{path}"
        headers = dict(headers or {})
        try:
            answer = self._http.get_json(f"{at}{'?' if query else ''}{query}", headers=headers, pacer=self._pacer)
        except TooLongAnAddress:  # the same question, with its query as a body
            headers |= {"X-HTTP-Method-Override": "GET", "Content-Type": "application/x-www-form-urlencoded"}
            answer = self._http.post_json(at, data=query.encode(), headers=headers, pacer=self._pacer)
        if not isinstance(answer, dict):
            raise VendorError(
                f"GET {at} answered with no JSON object; is LINKEDIN_ADS_BASE_URL right?", **self.answers.where
            )
        return answer

    def _list(self, answer: Row, name: str) -> list[Row]:
        rows = answer.get(name)
        if not isinstance(rows, list):
            raise VendorError(f"an answer has no list {name}; is LINKEDIN_ADS_BASE_URL right?", **self.answers.where)
        return rows


def _date(day: date) -> str:
    return f"(year:{day.year},month:{day.month},day:{day.day})"
