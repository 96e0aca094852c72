"""How Search Console is asked: a day at a time, pages of 25,000 rows, its quotas and refusals.

A longer range gives fewer rows, not more, and costs more of the load quota: a day is a question.

https://developers.google.com/webmaster-tools/v1/searchanalytics/query
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import count
from typing import TYPE_CHECKING, Self
from urllib.parse import quote, unquote, urlsplit

import requests

from dagster_project.sources.google_search_console.login import SOURCE, bearer
from dagster_project.wire.contract import AuthError, ConfigError, DriftError, QuotaError, Tally, VendorError
from dagster_project.wire.http import Http, Json, Verdict
from dagster_project.wire.pacing import shared_pacer
from dagster_project.wire.rest import numbered_pages

if TYPE_CHECKING:
    from dagster_project.sources.google_search_console.settings import SearchConsoleSettings

# 1,200 queries a minute are allowed for a site and a user, but new projects of Google Cloud begin with 60.
CALLS, SECONDS = 55, 60
PAGE = 25_000  # the most rows of a page
MOST_ROWS = 50_000  # that a day of a search type has, those with most clicks first
QPS_WAIT_SECONDS, LOAD_WAIT_SECONDS = 60.0, 900.0  # "if you exceed your quota, wait 15 minutes"
AUTO = "auto"


class AggregationRefused(Exception):
    """This property does not take the aggregation that was asked for."""


@dataclass(frozen=True)
class Answer:
    """All rows of a day. `first_incomplete`: from which day on Google still collects; None: nothing of it."""

    rows: list[Json]
    aggregation: str | None
    first_incomplete: date | None

    @property
    def is_truncated(self) -> bool:
        return len(self.rows) >= MOST_ROWS


class SearchConsole:
    """One read's connection. Methods raise AuthError, ConfigError, QuotaError, VendorError, AggregationRefused."""

    def __init__(self, settings: SearchConsoleSettings, stream: str, tally: Tally) -> None:
        self.where = {"source": SOURCE, "stream": stream}
        auth, self._who = bearer(settings, tally)
        self._http = Http(SOURCE, settings.base_url, tally, auth=auth, judge=self._judge)
        self._pacer = shared_pacer((settings.base_url, self._who), CALLS, SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.__exit__()

    def day(self, site: str, day: date, search_type: str, dimensions: Sequence[str], aggregation: str) -> Answer:
        asked = {
            "startDate": str(day),
            "endDate": str(day),
            "dimensions": list(dimensions),
            "type": search_type,
            "aggregationType": aggregation,
            "dataState": "all",  # the newest days, too; what is not whole is told
            "rowLimit": PAGE,
        }
        path = f"/webmasters/v3/sites/{quote(site, safe='')}/searchAnalytics/query"

        def ask(start: int) -> Json:
            answer = self._http.post_json(path, json={**asked, "startRow": start}, pacer=self._pacer)
            if not isinstance(answer, dict) or not isinstance(answer.get("rows", []), list):
                raise VendorError(f"site {site}: the answer has no list of rows; is GSC_BASE_URL right?", **self.where)
            return answer

        def is_last(answer: Json) -> bool:
            return len(answer.get("rows", [])) < PAGE  # none at all where there is nothing

        what = f"site {site}: the rows of {day}"
        pages = list(numbered_pages(ask, count(0, PAGE), is_last, what=what, where=self.where))
        return Answer(
            [row for page in pages for row in page.get("rows", [])],
            pages[0].get("responseAggregationType"),
            self._first_incomplete(pages[0].get("metadata") or {}, site),
        )

    def _first_incomplete(self, metadata: Json, site: str) -> date | None:
        try:
            # the reference writes it in one way, the guide in the other
            found = metadata.get("firstIncompleteDate") or metadata.get("first_incomplete_date")
            return None if found is None else date.fromisoformat(found)
        except (AttributeError, TypeError, ValueError):
            raise DriftError(f"site {site}: metadata.firstIncompleteDate is no day", **self.where) from None

    # ---- errors ------------------------------------------------------------------------------------------------

    def _judge(self, response: requests.Response) -> Verdict | None:
        if response.status_code < 400:
            return None
        reasons, said = _refusal(response)
        site = unquote(urlsplit(response.url).path.split("/sites/")[-1].partition("/")[0])
        if response.status_code == 429 or "QPS" in said:
            busy = QuotaError(
                f"Search Console is asked too often: {said}; run again later",
                retry_after_seconds=QPS_WAIT_SECONDS,
                **self.where,
            )
            return Verdict(wait_seconds=QPS_WAIT_SECONDS, error=busy)
        if response.status_code == 403 and reasons & {"quotaExceeded", "rateLimitExceeded", "dailyLimitExceeded"}:
            used_up = QuotaError(
                f"site {site}: Search Console's quota is used up: {said} Run again in 15 minutes; if it lasts, tomorrow",
                retry_after_seconds=LOAD_WAIT_SECONDS,
                **self.where,
            )
            return Verdict(wait_seconds=LOAD_WAIT_SECONDS, error=used_up)
        if response.status_code == 401:
            refusal = AuthError(f"Search Console does not take the token: {said}", **self.where)
            return Verdict(error=refusal, is_login_ended=True)
        if response.status_code == 403 and reasons & {"accessNotConfigured", "SERVICE_DISABLED"}:
            mend = "enable the Google Search Console API in the project of Google Cloud"
            return Verdict(error=AuthError(f"{said}; {mend}", **self.where))
        if response.status_code == 403:
            mend = (
                f"add {self._who} as a restricted user of the property (Search Console > Settings > Users and permissions), "
                "or take it out of GSC_SITE_URLS; sc-domain: and https: are two properties"
            )
            return Verdict(error=AuthError(f"site {site}: {said}; {mend}", **self.where))
        if response.status_code == 404:
            return Verdict(error=ConfigError(f"site {site}: {said}; is GSC_SITE_URLS right?", **self.where))
        if response.status_code == 400 and "aggregat" in said.lower():
            raise AggregationRefused(said)
        if response.status_code == 400:
            return Verdict(error=VendorError(f"site {site}: Search Console refuses the question: {said}", **self.where))
        return None


def _refusal(response: requests.Response) -> tuple[set[str], str]:
    """(reasons, message) of an error body."""
    try:
        error = response.json()["error"]
        reasons = {str(each.get("reason")) for each in error.get("errors") or ()}
        reasons |= {str(each["reason"]) for each in error.get("details") or () if each.get("reason")}
        return reasons, str(error.get("message") or "no message")[:300]
    except (ValueError, KeyError, AttributeError, TypeError):
        return set(), f"status {response.status_code}"
