"""How Yandex.Metrica is asked: its errors and limits, a counter's zone, prepared logs of visits, pages of a report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Self

import orjson
import requests

from dagster_project.sources.yandex_metrika.settings import YandexMetrikaSettings
from dagster_project.wire.contract import AuthError, QuotaError, SourceError, Tally, VendorError, Window
from dagster_project.wire.http import Http, Json, Verdict
from dagster_project.wire.pacing import shared_pacer
from dagster_project.wire.rest import Progress, numbered_pages, polled_job
from dagster_project.wire.retrying import Interrupted

SOURCE = "yandex_metrika"
# The documented limit of /stat/v1/data is 200 calls in 5 minutes for a user; of the Logs API 10 a second for an address.
REPORT_CALLS, REPORT_SECONDS = 190, 300
LOG_CALLS, LOG_SECONDS = 5, 1
THROTTLED_SECONDS = 20  # a 429 says no time; with six attempts 100 s are ridden out
PAGE_ROWS = 100_000  # the most that a page may have
FIRST_LOOK_SECONDS, LONGEST_LOOK_SECONDS = 2, 20  # Yandex's own script looks every 20 s
PENDING, READY = frozenset({"created", "awaiting_retry"}), "processed"
# Of a finished request: Metrica may be asked for the same anew.
FAILED = frozenset({"processing_failed", "canceled", "cleaned_by_user", "cleaned_automatically_as_too_old"})


class TooComplicated(VendorError):
    """The report is too big for one question: ask for fewer days."""


@dataclass(frozen=True)
class Prepared:
    """A log that can be downloaded."""

    request_id: int
    parts: tuple[int, ...]


class Metrika:
    """One login at Metrica. `stream`: whose rows are asked for."""

    def __init__(self, settings: YandexMetrikaSettings, stream: str, tally: Tally) -> None:
        token = settings.token.get_secret_value()
        self.where = {"source": SOURCE, "stream": stream}
        self._tally = tally
        self._http = Http(
            SOURCE, settings.base_url, tally, headers={"Authorization": f"OAuth {token}"}, judge=self._judge
        )
        self._reports = shared_pacer((settings.base_url, token, "reports"), REPORT_CALLS, REPORT_SECONDS)
        self._logs = shared_pacer((settings.base_url, token, "logs"), LOG_CALLS, LOG_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.session.close()

    # ---- errors --------------------------------------------------------------------------------------------

    def _judge(self, response: requests.Response) -> Verdict | None:
        if response.status_code < 400:
            return None
        kinds, message = _refusal(response)
        said = f"{message} ({', '.join(kinds) or response.status_code})"
        if response.status_code == 429:
            used_up = QuotaError(
                f"Metrica's quota is used up: {said}; run again later", retry_after_seconds=None, **self.where
            )
            return Verdict(wait_seconds=THROTTLED_SECONDS, error=used_up)
        if response.status_code == 401 or "invalid_token" in kinds or "unauthorized" in kinds:
            mend = "make a new token with the right metrika:read and set YANDEX_METRICA_TOKEN"
            return Verdict(error=AuthError(f"Metrica does not take the token: {said}; {mend}", **self.where))
        if response.status_code == 403:
            mend = "give the token's user guest access to the counter (view only), or take it out of YANDEX_METRICA_COUNTER_ID"
            return Verdict(error=AuthError(f"no access to the counter: {said}; {mend}", **self.where))
        if response.status_code == 404:
            mend = "is YANDEX_METRICA_COUNTER_ID right?"
            return Verdict(error=VendorError(f"Metrica does not know this: {said}; {mend}", **self.where))
        if "query_error" in kinds or "too_much_rows" in kinds:
            return Verdict(error=TooComplicated(f"Metrica refuses the report: {said}", **self.where))
        if response.status_code < 500:
            return Verdict(error=VendorError(f"Metrica refuses the question: {said}", **self.where))
        return None

    # ---- a counter -----------------------------------------------------------------------------------------

    def time_zone(self, counter_id: str) -> str:
        answer = self._http.get_json(f"/management/v1/counter/{counter_id}", pacer=self._logs)
        try:
            zone = answer["counter"]["time_zone_name"]
        except (KeyError, TypeError):
            zone = None
        if not isinstance(zone, str) or not zone:
            raise VendorError(f"counter {counter_id}: Metrica names no time zone (time_zone_name)", **self.where)
        return zone

    # ---- logs ----------------------------------------------------------------------------------------------

    def days_at_once(self, counter_id: str, window: Window, fields: str) -> int:
        """How many days may be asked for at once. Raises QuotaError where there is no room for a single one."""
        path = f"/management/v1/counter/{counter_id}/logrequests/evaluate"
        answer = self._http.get_json(path, params=_asked(window, fields), pacer=self._logs)
        try:
            found = answer["log_request_evaluation"]
            possible, most = bool(found["possible"]), int(found["max_possible_day_quantity"])
        except (KeyError, TypeError, ValueError):
            raise VendorError(
                "Metrica's evaluation of a log has no possible and max_possible_day_quantity", **self.where
            ) from None
        self._tally.see_quota(possible_log_days=most)
        if possible:
            return len(window.days())
        if most < 1:
            raise QuotaError(
                f"counter {counter_id} has no room for another log (its prepared logs fill its quota of 10 GB): clean old "
                "ones in the Logs API, or run again later",
                retry_after_seconds=None,
                **self.where,
            )
        return most

    def prepared(self, counter_id: str, window: Window, fields: str) -> Prepared:
        """A log of visits, once Metrica has it ready."""
        root = f"/management/v1/counter/{counter_id}"

        def start() -> int:
            answer = self._http.post_json(f"{root}/logrequests", params=_asked(window, fields), pacer=self._logs)
            return self._log_request(answer)["request_id"]

        def look(request_id: int) -> Progress[Prepared]:
            found = self._log_request(self._http.get_json(f"{root}/logrequest/{request_id}", pacer=self._logs))
            status = found.get("status")
            if status == READY:
                parts = tuple(part["part_number"] for part in found.get("parts") or ())
                return Progress(Prepared(request_id, parts))
            if status in FAILED:
                raise Interrupted(f"Metrica says {status}")
            if status not in PENDING:
                self._tally.note(f"Metrica calls a log {status!r}, which is not known: waited for as for one in work")
            return Progress()

        return polled_job(
            start,
            look,
            self._tally,
            what=f"the log of counter {counter_id} for {window}",
            first_seconds=FIRST_LOOK_SECONDS,
            longest_seconds=LONGEST_LOOK_SECONDS,
            where=self.where,
        )

    def _log_request(self, answer: Json) -> Json:
        found = answer.get("log_request") if isinstance(answer, dict) else None
        if not isinstance(found, dict) or not isinstance(found.get("request_id"), int):
            raise VendorError("Metrica's answer has no log_request with its request_id", **self.where)
        return found

    def part(self, counter_id: str, request_id: int, number: int) -> Iterator[bytes]:
        """The bytes of a part as they arrive. Raises Interrupted where they break off."""
        path = f"/management/v1/counter/{counter_id}/logrequest/{request_id}/part/{number}/download"
        return self._http.stream("GET", path)

    def pause(self, failures: int, interrupted: Interrupted) -> None:
        self._http.pause(failures, interrupted, "a part of the log")

    def clean(self, counter_id: str, request_id: int) -> None:
        """Gives its room back. What was read stands without it."""
        try:
            self._http.post_json(f"/management/v1/counter/{counter_id}/logrequest/{request_id}/clean", pacer=self._logs)
        except SourceError as error:
            self._tally.note(f"log {request_id} of counter {counter_id} was not cleaned, and fills its quota: {error}")

    # ---- reports -------------------------------------------------------------------------------------------

    def report(self, asked: Mapping[str, str | int]) -> Iterator[Json]:
        """The pages of a report. Raises TooComplicated for too many days."""

        def ask(offset: int) -> Json:
            answer = self._http.get_json(
                "/stat/v1/data", params={**asked, "limit": PAGE_ROWS, "offset": offset}, pacer=self._reports
            )
            if not isinstance(answer, dict) or not isinstance(answer.get("data"), list):
                raise VendorError("Metrica's report has no list `data`", **self.where)
            if not isinstance(answer.get("total_rows"), int):
                raise VendorError("Metrica's report has no number `total_rows`", **self.where)
            return answer

        first = ask(1)
        yield first
        # offsets begin at 1
        yield from numbered_pages(ask, range(1 + PAGE_ROWS, first["total_rows"] + 1, PAGE_ROWS), where=self.where)


def _asked(window: Window, fields: str) -> dict[str, str]:
    return {"date1": str(window.start), "date2": str(window.last), "fields": fields, "source": "visits"}


def _refusal(response: requests.Response) -> tuple[list[str], str]:
    """(kinds, message) of an error body."""
    try:
        body = orjson.loads(response.content)
        kinds = [str(each.get("error_type")) for each in body.get("errors") or ()]
        return kinds, str(body.get("message") or "no message")[:300]
    except (ValueError, AttributeError, TypeError):
        return [], f"status {response.status_code}"


def yesterday_of(today: date) -> date:
    return date.fromordinal(today.toordinal() - 1)
