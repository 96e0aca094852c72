"""Microsoft's reporting service: a report is submitted, polled for, and downloaded as a ZIP with one CSV in it.

What is asked and what the text becomes is in `reports`, what faults mean in `answers`.

https://learn.microsoft.com/advertising/guides/request-download-report
"""

from __future__ import annotations

import io
import threading
import zipfile
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import requests

from dagster_project.sources.microsoft_ads.answers import SOURCE, Answers, ReportIsGone, judge_sign_in
from dagster_project.wire.contract import Tally, VendorError, Window
from dagster_project.wire.http import Http, Json, Verdict
from dagster_project.wire.oauth import Bearer, Grant, shared_token
from dagster_project.wire.pacing import shared_pacer
from dagster_project.wire.rest import Progress, polled_job
from dagster_project.wire.retrying import Interrupted, Persistence
from dagster_project.wire.variables import web_address

if TYPE_CHECKING:
    from datetime import date

    from dagster_project.sources.microsoft_ads.settings import MicrosoftAdsSettings

SCOPE = "https://ads.microsoft.com/msads.manage offline_access"
CALLS, SECONDS = 20, 60  # how many calls a minute may have is not published; a report takes four
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 5.0, 60.0
REPORT_PATIENCE_SECONDS, QUEUE_PATIENCE_SECONDS = 60 * 60, 10 * 60
# Days are told in UTC whatever zone is named; it only says where "today" ends, and Pacific time would end it last.
TIME_ZONE = "GreenwichMeanTimeDublinEdinburghLisbonLondon"


class MicrosoftAds:
    """One read's connection. Methods raise AuthError, ConfigError, QuotaError, VendorError."""

    def __init__(self, settings: MicrosoftAdsSettings, stream: str, tally: Tally) -> None:
        self._settings, self._tally = settings, tally
        self._where = {"source": SOURCE, "stream": stream}
        self._http = Http(
            SOURCE,
            settings.base_url,
            tally,
            headers={
                "DeveloperToken": settings.developer_token.get_secret_value(),
                "CustomerId": settings.customer_id,
            },
            auth=Bearer(shared_token(_grant(settings)), tally),
            judge=Answers(stream, tally).judge,
            persistence=Persistence(patience_seconds=QUEUE_PATIENCE_SECONDS),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.__exit__()

    def report(self, account_id: str, kind: str, columns: Sequence[str], window: Window) -> bytes | None:
        """The text of a report of days; None where there is nothing in it."""
        asked = {
            "Type": f"{kind}Request",
            "ReportName": f"funnelhouse {kind}",
            "Format": "Csv",
            "FormatVersion": "2.0",  # else thousands have commas
            "ExcludeReportHeader": True,
            "ExcludeReportFooter": True,
            "ExcludeColumnHeaders": False,
            "ReturnOnlyCompleteData": False,
            "Aggregation": "Daily",
            "Columns": list(columns),
            "Scope": {"AccountIds": [int(account_id)]},
            "Time": {
                "CustomDateRangeStart": _day(window.start),
                "CustomDateRangeEnd": _day(window.last),
                "ReportTimeZone": TIME_ZONE,
            },
        }
        turn = _turn(self._settings.base_url, self._settings.customer_id)
        while not turn.acquire(timeout=1.0):  # another stream's report is being made: one at a time
            self._tally.check()
        try:
            [text] = polled_job(
                lambda: self._submit(account_id, asked),
                lambda report_id: self._look(account_id, report_id),
                self._tally,
                what=f"account {account_id}: the report of {window}",
                first_seconds=FIRST_WAIT_SECONDS,
                longest_seconds=LONGEST_WAIT_SECONDS,
                patience_seconds=REPORT_PATIENCE_SECONDS,
                where=self._where,
            )
        finally:
            turn.release()
        return text

    # ---- steps of a report -------------------------------------------------------------------------------------

    def _submit(self, account_id: str, asked: Mapping[str, Json]) -> str:
        answer = self._post(account_id, "Submit", {"ReportRequest": asked})
        report_id = answer.get("ReportRequestId")
        if not isinstance(report_id, str) or not report_id:
            raise VendorError(f"account {account_id}: the report has no ReportRequestId", **self._where)
        return report_id

    def _look(self, account_id: str, report_id: str) -> Progress[list[bytes | None]]:
        """An address lives five minutes: where it is over, one more poll gives a new one."""
        for _ in range(2):
            try:
                status = self._post(account_id, "Poll", {"ReportRequestId": report_id}).get("ReportRequestStatus")
            except ReportIsGone as gone:
                raise Interrupted(str(gone)) from None
            if not isinstance(status, dict):
                raise VendorError(f"account {account_id}: the report has no ReportRequestStatus", **self._where)
            if status.get("Status") == "Error":
                raise Interrupted("the service says that it could not make it")
            if status.get("Status") != "Success":
                return Progress()
            address = status.get("ReportDownloadUrl")
            if not address:  # nothing in these days
                return Progress(ready=[None])
            try:
                return Progress(ready=[self._download(str(address))])
            except ReportIsGone as gone:
                why = str(gone)
        raise Interrupted(why)

    def _download(self, address: str) -> bytes:
        """Its address is signed, and lies on another server: our token must not go there."""
        try:
            parts = urlsplit(web_address(address))
        except ValueError:
            raise VendorError("a report's address is none that can be asked safely", **self._where) from None

        def judge(response: requests.Response) -> Verdict | None:
            if response.status_code in (401, 403, 404):
                raise ReportIsGone(f"its address answers {response.status_code}")
            return None

        with Http(SOURCE, f"{parts.scheme}://{parts.netloc}", self._tally, judge=judge) as http:
            packed = http.request("GET", f"{parts.path}?{parts.query}").content
        try:
            with zipfile.ZipFile(io.BytesIO(packed)) as archive:
                [name] = archive.namelist()
                return archive.read(name)
        except (zipfile.BadZipFile, ValueError, EOFError):
            raise Interrupted("its file is no ZIP with one CSV in it") from None

    def _post(self, account_id: str, step: str, body: Mapping[str, Json]) -> dict[str, Json]:
        answer = self._http.post_json(
            f"/Reporting/{self._settings.api_version}/GenerateReport/{step}",
            json=body,
            headers={"CustomerAccountId": account_id},
            pacer=shared_pacer((self._settings.base_url, self._settings.customer_id), CALLS, SECONDS),
        )
        if not isinstance(answer, dict):
            raise VendorError(f"{step} answered with no JSON object; is MICROSOFT_ADS_BASE_URL right?", **self._where)
        return answer


@lru_cache(maxsize=64)
def _turn(_base_url: str, _customer_id: str) -> threading.Lock:
    """The process's one place in the queue of a customer: how many reports may be made at once is not published."""
    return threading.Lock()


def _grant(settings: MicrosoftAdsSettings) -> Grant:
    form = {
        "grant_type": "refresh_token",
        "client_id": settings.client_id,
        "refresh_token": settings.refresh_token.get_secret_value(),
        "scope": SCOPE,
    }
    if settings.client_secret:
        form["client_secret"] = settings.client_secret.get_secret_value()
    return Grant(
        SOURCE,
        settings.token_url,
        tuple(form.items()),
        judge=judge_sign_in,
        wrong_address="is MICROSOFT_ADS_TOKEN_URL right?",
    )


def _day(day: date) -> dict[str, int]:
    return {"Day": day.day, "Month": day.month, "Year": day.year}
