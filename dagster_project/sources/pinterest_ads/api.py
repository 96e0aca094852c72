"""Pinterest's API as ad accounts are read by it: an account, reports that are prepared and fetched, ads by bookmark.

Rows leave as Pinterest sent them. Two calls a second; a report's file is on another server, which is shown no token.

https://developers.pinterest.com/docs/api/v5/analytics-create_report
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, urlsplit

from dagster_project.sources.pinterest_ads.answers import SOURCE, AddressEnded, Answers, judge_download, judge_token
from dagster_project.wire.contract import Tally, VendorError, Window
from dagster_project.wire.http import Http, Json
from dagster_project.wire.oauth import Bearer, Grant, shared_token
from dagster_project.wire.pacing import shared_pacer
from dagster_project.wire.rest import Progress, cursor_pages, polled_job
from dagster_project.wire.retrying import Interrupted
from dagster_project.wire.variables import web_address

if TYPE_CHECKING:
    from dagster_project.sources.pinterest_ads.settings import PinterestAdsSettings

Row = dict[str, Json]

PAGE = 250
CALLS, SECONDS = 4, 2.0
JOB_PATIENCE_SECONDS = 30 * 60
STATUSES = ("ACTIVE", "PAUSED", "ARCHIVED")  # else those that are archived are left out, and their clicks go on


class Pinterest:
    """One read's connection. Methods raise AuthError, ConfigError, QuotaError, VendorError."""

    def __init__(self, settings: PinterestAdsSettings, stream: str, tally: Tally) -> None:
        self.answers = Answers(stream)
        self._tally, self._rules, self._root = tally, settings.rules, f"/{settings.api_version}/ad_accounts"
        form = {
            "grant_type": "refresh_token",
            "client_id": settings.client_id,
            "client_secret": settings.client_secret.get_secret_value(),
            "refresh_token": settings.refresh_token.get_secret_value(),
            "scope": "ads:read",
        }
        mend = "is PINTEREST_ADS_TOKEN_URL right?"
        grant = Grant(SOURCE, settings.token_url, tuple(form.items()), True, judge_token, mend)
        self._pacer = shared_pacer((settings.base_url, settings.client_id), CALLS, SECONDS)
        self._http = Http(
            SOURCE, settings.base_url, tally, auth=Bearer(shared_token(grant), tally), judge=self.answers.judge
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.__exit__()

    def account(self, account_id: str) -> Row:
        """Its currency and time zone."""
        return self._object(self._http.get_json(f"{self._root}/{account_id}", pacer=self._pacer))

    def report(self, account_id: str, window: Window, columns: Sequence[str]) -> list[Row]:
        """Rows by ad and day, once Pinterest has prepared them; 186 days at most."""
        path = f"{self._root}/{account_id}/reports"
        asked = {
            "start_date": str(window.start),
            "end_date": str(window.last),
            "granularity": "DAY",
            "level": "PIN_PROMOTION",  # the ad
            "columns": list(columns),
            "report_format": "JSON",
            "click_window_days": self._rules.click_days,
            "engagement_window_days": self._rules.engagement_days,
            "view_window_days": self._rules.view_days,
            "conversion_report_time": "TIME_OF_AD_ACTION",
            "reporting_timezone": self._rules.time_zone,
        }

        def start() -> str:
            answer = self._object(self._http.post_json(path, json=asked, pacer=self._pacer))
            if not isinstance(answer.get("token"), str):
                raise VendorError("a report was begun without a token", **self.answers.where)
            return str(answer["token"])

        def look(token: str) -> Progress[list[Row]]:
            job = self._object(self._http.get_json(path, params={"token": token}, pacer=self._pacer))
            status = job.get("report_status")
            if status == "FINISHED":
                return Progress(ready=self._file(job["url"]) if job.get("url") else [])
            if status == "IN_PROGRESS":
                return Progress()
            raise Interrupted(f"{status}: {job.get('message') or 'no reason is given'}")

        return polled_job(
            start,
            look,
            self._tally,
            what=f"the report of account {account_id} for {window}",
            patience_seconds=JOB_PATIENCE_SECONDS,
            where=self.answers.where,
        )

    def ads(self, account_id: str) -> Iterator[list[Row]]:
        path = f"{self._root}/{account_id}/ads"
        asked = f"entity_statuses={','.join(STATUSES)}&page_size={PAGE}"

        def ask(bookmark: str | None) -> Row:
            more = f"&bookmark={quote(bookmark, safe='')}" if bookmark else ""
            return self._object(self._http.get_json(f"{path}?{asked}{more}", pacer=self._pacer))

        def following(answer: Row) -> str | None:
            return answer.get("bookmark") or None

        for answer in cursor_pages(ask, following, what=f"GET {path}", where=self.answers.where):
            if not isinstance(answer.get("items"), list):
                raise VendorError(f"GET {path} has no list of items", **self.answers.where)
            yield answer["items"]

    # ---- calls -------------------------------------------------------------------------------------------------

    def _file(self, address: Any) -> list[Row]:
        """The rows of a report's file: lists by ad."""
        try:
            parts = urlsplit(web_address(str(address)))
        except ValueError:
            raise VendorError("a report's address is none that can be trusted", **self.answers.where) from None
        at = f"{parts.path}{'?' if parts.query else ''}{parts.query}"
        with Http(SOURCE, f"{parts.scheme}://{parts.netloc}", self._tally, judge=judge_download) as storage:
            try:
                found = storage.get_json(at)
            except AddressEnded:  # another report has another address
                raise Interrupted("the address of the report was good no more") from None
        if not isinstance(found, dict) or not all(isinstance(rows, list) for rows in found.values()):
            raise VendorError("a report's file is no object of lists by ad", **self.answers.where)
        return [row for rows in found.values() for row in rows]

    def _object(self, answer: Json) -> Row:
        if not isinstance(answer, dict):
            raise VendorError("an answer is no JSON object; is PINTEREST_ADS_BASE_URL right?", **self.answers.where)
        return answer
