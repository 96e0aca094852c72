"""Yandex.Direct's API as clients are read by it: reports that are queued and asked for again, and its lists by pages.

A report is known by its name: the same name and question give the report that is being made, or was in the last 5 hours.

https://yandex.com/dev/direct/doc/en/mode and https://yandex.com/dev/direct/doc/en/headers
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Self

from dagster_project.sources.yandex_direct.answers import SOURCE, Answers
from dagster_project.sources.yandex_direct.reports import NOTHING, is_whole
from dagster_project.wire.contract import DriftError, Tally, VendorError, Window
from dagster_project.wire.http import Http, Json
from dagster_project.wire.pacing import Pacer, retry_after_seconds, shared_pacer
from dagster_project.wire.rest import Progress, cursor_pages, polled_job
from dagster_project.wire.retrying import Interrupted, Persistence

if TYPE_CHECKING:
    from dagster_project.sources.yandex_direct.settings import DirectSettings

Row = dict[str, Json]

# 20 requests in 10 seconds are allowed for an advertiser, 5 at once, and 5 reports in the queue; we have one at a time.
CALLS, SECONDS = 15, 10
REPORT_WAIT_SECONDS = 10.0  # where no header says how long
REPORT_PATIENCE_SECONDS = 60 * 60
QUEUE_PATIENCE_SECONDS = 10 * 60
PAGE = 10_000  # the most objects of a page
CAMPAIGNS_AT_ONCE = 10  # the most that groups and ads may be asked by
CAMPAIGNS_CHECKED_AT_ONCE = 3_000
MODES = {"processingMode": "auto", "returnMoneyInMicros": "false", "skipReportHeader": "true"}


class Direct:
    """One read's connection. Methods raise AuthError, ConfigError, QuotaError, VendorError; `report` TooMuchData, too."""

    def __init__(self, settings: DirectSettings, stream: str, tally: Tally) -> None:
        self._settings, self._tally = settings, tally
        self._token = settings.token.get_secret_value()
        self._begun = datetime.now(UTC)
        self.answers = Answers(stream, tally)
        self._http = Http(
            SOURCE,
            settings.base_url,
            tally,
            # the summary of a report says "Total rows" in English only
            headers={"Authorization": f"Bearer {self._token}", "Accept-Language": "en"},
            judge=self.answers.judge,
            persistence=Persistence(patience_seconds=QUEUE_PATIENCE_SECONDS),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.__exit__()

    # ---- reports -----------------------------------------------------------------------------------------------

    def report(self, login: str, asked: Mapping[str, Json], window: Window) -> bytes:
        """The text of a report, header line to summary, once it is made."""
        definition: dict[str, Json] = {
            **asked,
            "SelectionCriteria": {"DateFrom": str(window.start), "DateTo": str(window.last)},
            "DateRangeType": "CUSTOM_DATE",
            "Format": "TSV",
        }
        # The hour keeps a report of an earlier run from being taken for this one's, and lets one that is still being made
        # be found again.
        told = json.dumps([login, definition], sort_keys=True)
        digest = hashlib.sha256(told.encode()).hexdigest()[:16]
        definition["ReportName"] = f"funnelhouse {digest} {self._begun:%Y-%m-%d %H}h"

        def look(body: Json) -> Progress[bytes]:
            response = self._http.request(
                "POST", self._path("reports"), json=body, headers={"Client-Login": login, **MODES},
                pacer=self._pacer(login),
            )  # fmt: skip
            if response.status_code in (201, 202):
                wait = retry_after_seconds(response.headers, "retryIn")
                return Progress(wait_seconds=REPORT_WAIT_SECONDS if wait is None else wait)
            if not is_whole(response.content):
                raise Interrupted("its text ends before its summary")
            return Progress(ready=response.content)

        return polled_job(
            lambda: {"params": definition},
            look,
            self._tally,
            what=f"client {login}: the report of {window}",
            first_seconds=REPORT_WAIT_SECONDS,
            patience_seconds=REPORT_PATIENCE_SECONDS,
            where=self.answers.where,
        )

    # ---- lists -------------------------------------------------------------------------------------------------

    def currency(self, login: str) -> str:
        """The client's currency, which is that of all its money."""
        rows = self._get(login, "clients", {"FieldNames": ["Login", "Currency"]}).get("Clients")
        currency = rows[0].get("Currency") if isinstance(rows, list) and rows and isinstance(rows[0], dict) else None
        if not isinstance(currency, str) or currency in ("", NOTHING):
            raise DriftError(f"client {login}: no currency is named (Clients[0].Currency)", **self.answers.where)
        return currency

    def campaigns(self, login: str, asked: Mapping[str, Json]) -> Iterator[list[Row]]:
        return self._pages(login, "campaigns", asked, "Campaigns")

    def of_campaigns(
        self, login: str, service: str, campaign_ids: Sequence[int], asked: Mapping[str, Json], key: str
    ) -> Iterator[list[Row]]:
        """Pages of groups or ads of these campaigns; `asked` may have criteria of its own."""
        for start in range(0, len(campaign_ids), CAMPAIGNS_AT_ONCE):
            some = list(campaign_ids[start : start + CAMPAIGNS_AT_ONCE])
            criteria = {**(asked.get("SelectionCriteria") or {}), "CampaignIds": some}
            yield from self._pages(login, service, {**asked, "SelectionCriteria": criteria}, key)

    def changed_from(self, login: str, campaign_ids: Sequence[int], since: datetime) -> date | None:
        """The oldest day whose figures have changed since then; None where none has."""
        days = []
        for start in range(0, len(campaign_ids), CAMPAIGNS_CHECKED_AT_ONCE):
            params = {
                "CampaignIds": list(campaign_ids[start : start + CAMPAIGNS_CHECKED_AT_ONCE]),
                "Timestamp": f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
                "FieldNames": ["CampaignsStat"],
            }
            found = self._ask(login, "changes", "check", params)
            try:
                stats = (found.get("Modified") or {}).get("CampaignsStat") or []
                days += [date.fromisoformat(each["BorderDate"]) for each in stats]
            except (AttributeError, KeyError, TypeError, ValueError):
                raise DriftError(
                    f"client {login}: changes have no readable Modified.CampaignsStat.BorderDate", **self.answers.where
                ) from None
        return min(days, default=None)

    def _pages(self, login: str, service: str, asked: Mapping[str, Json], key: str) -> Iterator[list[Row]]:
        def ask(offset: str | None) -> Row:
            page = {"Limit": PAGE, "Offset": int(offset or 0)}
            return self._get(login, service, {**asked, "Page": page})

        def following(answer: Row) -> str | None:
            return None if answer.get("LimitedBy") is None else str(answer["LimitedBy"])

        what = f"client {login}: the list of {service}"
        for answer in cursor_pages(ask, following, what=what, where=self.answers.where):
            rows = answer.get(key, [])  # an empty list is not sent
            if not isinstance(rows, list):
                raise VendorError(f"{what} has no list {key}", **self.answers.where)
            yield rows

    def _get(self, login: str, service: str, params: Mapping[str, Json]) -> Row:
        return self._ask(login, service, "get", params)

    def _ask(self, login: str, service: str, method: str, params: Mapping[str, Json]) -> Row:
        answer = self._http.post_json(
            self._path(service),
            json={"method": method, "params": params},
            headers={"Client-Login": login},
            pacer=self._pacer(login),
        )
        result = answer.get("result") if isinstance(answer, dict) else None
        if not isinstance(result, dict):
            raise VendorError(
                f"{service} answered with no result; is YANDEX_DIRECT_BASE_URL right?", **self.answers.where
            )
        return result

    def _path(self, service: str) -> str:
        return f"/json/{self._settings.api_version}/{service}"

    def _pacer(self, login: str) -> Pacer:
        return shared_pacer((self._settings.base_url, self._token, login), CALLS, SECONDS)
