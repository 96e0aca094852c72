"""The sandbox's Yandex.Metrica: counters, the Logs API with its requests that are worked on, and the Reporting API.

What Metrica refuses is refused with its error types: a wrong token, a foreign counter, today in a log, more than a year, an
unknown field, too many dimensions, metrics or rows, a part before the log is ready.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dagster_project.sandbox import company as kontorra
from dagster_project.sandbox.endpoints import Served
from dagster_project.sandbox.faults import Answer, FaultAnswers, Faults
from dagster_project.sources.yandex_metrika.sandbox import records

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from dagster_project.sandbox.company import Company
    from dagster_project.sandbox.server import Clock

VENDOR = "yandex_metrika"
TOKEN = "sandbox-metrika-token"
COUNTER_ID, FOREIGN_COUNTER_ID = "70100500", "70100999"  # the second one is somebody else's
LOOKS_UNTIL_READY = 2  # a log is ready when it is looked at for this time
PART_LINES = 5_000
LONGEST_DAYS = 366
MODELS = {"cross_device_first", "last", "cross_device_last_significant", "automatic"}
# Names of before June 2026, and what they are answered with.
OLD_MODELS = {
    "first": "cross_device_first",
    "lastsign": "cross_device_last_significant",
    "last_yandex_direct_click": "automatic",
    "cross_device_last_yandex_direct_click": "automatic",
}


class Refusal(Exception):
    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status, self.kind, self.message = status, kind, message

    def body(self) -> dict[str, Any]:
        errors = [{"error_type": self.kind, "message": self.message}]
        return {"errors": errors, "code": self.status, "message": self.message}


_THROTTLED = Refusal(429, "quota_requests_by_uid", "Exceeded the limit of requests for user.")
_DOWN = Refusal(503, "backend_error", "Backend error.")
_EXPIRED = Refusal(403, "invalid_token", "Invalid oauth_token")
FAULT_ANSWERS: FaultAnswers = {
    "throttle": Answer(429, _THROTTLED.body()),
    "server_error": Answer(503, _DOWN.body()),
    "expired_token": Answer(403, _EXPIRED.body()),
}


def _bad(message: str, kind: str = "invalid_parameter") -> Refusal:
    return Refusal(400, kind, message)


@dataclass
class _Log:
    id: int
    counter_id: str
    first: date
    last: date
    fields: list[str]
    status: str = "created"
    looks: int = 0
    parts: list[bytes] = field(default_factory=list)

    def body(self) -> dict[str, Any]:
        said = {
            "request_id": self.id,
            "counter_id": int(self.counter_id),
            "source": "visits",
            "date1": str(self.first),
            "date2": str(self.last),
            "fields": self.fields,
            "status": self.status,
        }
        if self.status == "processed":
            said["parts"] = [{"part_number": n, "size": len(part)} for n, part in enumerate(self.parts)]
        return {"log_request": said}


class _Metrika:
    def __init__(self, company: Company, clock: Clock, faults: Faults) -> None:
        self._company, self._clock, self._faults = company, clock, faults
        self._logs: dict[int, _Log] = {}
        self._last_id = 70
        self._lock = threading.Lock()

    # ---- management --------------------------------------------------------------------------------------------

    def counter(self, request: Request) -> Response:
        def answer() -> dict[str, Any]:
            counter_id = self._allowed(request, request.path_params["counter"])
            counter = {"id": int(counter_id), "name": kontorra.NAME, "site": kontorra.SITE_HOST}
            return {"counter": {**counter, "time_zone_name": kontorra.TIME_ZONE, "currency": 978, "permission": "view"}}

        return _answered(answer)

    def evaluate(self, request: Request) -> Response:
        def answer() -> dict[str, Any]:
            self._allowed(request, request.path_params["counter"])
            first, last, _ = self._question(request)
            days = (last - first).days + 1
            return {
                "log_request_evaluation": {"possible": days <= LONGEST_DAYS, "max_possible_day_quantity": LONGEST_DAYS}
            }

        return _answered(answer)

    def create(self, request: Request) -> Response:
        def answer() -> dict[str, Any]:
            counter_id = self._allowed(request, request.path_params["counter"])
            first, last, fields = self._question(request)
            with self._lock:
                self._last_id += 1
                log = self._logs[self._last_id] = _Log(self._last_id, counter_id, first, last, fields)
            return log.body()

        return _answered(answer)

    def look(self, request: Request) -> Response:
        def answer() -> dict[str, Any]:
            log = self._log(request)
            if log.status == "created":
                log.looks += 1
                if log.looks >= LOOKS_UNTIL_READY:
                    lines = records.lines(self._company, self._clock.now(), log.first, log.last, log.fields)
                    if lines and self._faults.take(VENDOR, "duplicate_row", request.url.path):
                        lines.append(lines[-1])
                    names = list(log.fields)
                    if self._faults.take(VENDOR, "unknown_field", request.url.path):
                        names.append("ym:s:newThing")
                        lines = [f"{line}\tx" for line in lines]
                    log.parts = _parts(names, lines)
                    log.status = "processed"
            return log.body()

        return _answered(answer)

    def download(self, request: Request) -> Response:
        try:
            log = self._log(request)
            if log.status != "processed":
                raise _bad("Only log of requests in status 'processed' can be downloaded")
            number = int(request.path_params["part"])
            if number >= len(log.parts):
                raise _bad("Incorrect part number")
        except Refusal as refusal:
            return JSONResponse(refusal.body(), refusal.status)
        return Response(log.parts[number], media_type="text/tab-separated-values")

    def clean(self, request: Request) -> Response:
        def answer() -> dict[str, Any]:
            log = self._log(request)
            if log.status != "processed":
                raise _bad("Only log of requests in status 'processed' can be cleaned")
            log.status, log.parts = "cleaned_by_user", []
            return log.body()

        return _answered(answer)

    def listing(self, request: Request) -> Response:
        def answer() -> dict[str, Any]:
            counter_id = self._allowed(request, request.path_params["counter"])
            return {
                "requests": [log.body()["log_request"] for log in self._logs.values() if log.counter_id == counter_id]
            }

        return _answered(answer)

    def _log(self, request: Request) -> _Log:
        counter_id = self._allowed(request, request.path_params["counter"])
        log = self._logs.get(int(request.path_params["log"]))
        if log is None or log.counter_id != counter_id:
            raise Refusal(404, "not_found", "Object not found")
        return log

    def _question(self, request: Request) -> tuple[date, date, list[str]]:
        asked = request.query_params
        try:
            first, last = date.fromisoformat(asked["date1"]), date.fromisoformat(asked["date2"])
        except (KeyError, ValueError):
            raise _bad("Wrong value of parameter date1 or date2") from None
        if asked.get("source") != "visits":
            raise _bad("Wrong value of parameter source")
        if first > last or last >= self._clock.today():
            raise _bad("date2 must be before today and not before date1")
        if (last - first).days + 1 > LONGEST_DAYS:
            raise _bad("The period is longer than a year")
        fields = asked.get("fields", "").split(",")
        if len(asked.get("fields", "")) > 3_000:
            raise _bad("Parameter fields is too long")
        for name in fields:
            if name not in records.NAMES:
                raise _bad(f"Unknown field {name}")
        return first, last, fields

    def _allowed(self, request: Request, counter_id: str) -> str:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "OAuth" or token != TOKEN:
            raise _EXPIRED
        if counter_id == FOREIGN_COUNTER_ID:
            raise Refusal(403, "access_denied", "Access is denied")
        if counter_id != COUNTER_ID:
            raise Refusal(404, "not_found", "Entity not found, ID: " + counter_id)
        return counter_id

    # ---- reports -----------------------------------------------------------------------------------------------

    def report(self, request: Request) -> Response:
        def answer() -> dict[str, Any]:
            asked = request.query_params
            self._allowed(request, asked.get("ids", ""))
            dimensions = [name for name in asked.get("dimensions", "").split(",") if name]
            metrics = [name for name in asked.get("metrics", "").split(",") if name]
            if not metrics or len(metrics) > 20 or len(dimensions) > 10:
                raise _bad("Wrong number of metrics or dimensions")
            model = asked.get("attribution", "lastsign").lower()
            model = OLD_MODELS.get(model, model)
            if model not in MODELS:
                raise _bad("Wrong value of parameter attribution")
            limit, offset = int(asked.get("limit", 100)), int(asked.get("offset", 1))
            if not 1 <= limit <= 100_000 or offset < 1:
                raise _bad("Wrong value of parameter limit or offset")
            first, last = date.fromisoformat(asked["date1"]), date.fromisoformat(asked["date2"])
            names = [re.sub(r"<attribution>", "", name) for name in dimensions]
            rows = records.report(self._company, self._clock.now(), first, last, names, metrics, model)
            if asked.get("include_undefined") != "true":
                rows = [row for row in rows if all(each["name"] is not None for each in row["dimensions"])]
            page = self._faults.repeat_last(VENDOR, rows, offset - 1, offset - 1 + limit, request.url.path)
            if page and self._faults.take(VENDOR, "unknown_field", request.url.path):
                page = [{**row, "newThing": 1} for row in page]
            sampled = self._faults.take(VENDOR, "sampled", request.url.path) is not None
            hidden = self._faults.take(VENDOR, "thresholded", request.url.path) is not None
            return {
                "query": {
                    "ids": [int(asked["ids"])],
                    "dimensions": dimensions,
                    "metrics": metrics,
                    "date1": str(first),
                    "date2": str(last),
                    "limit": limit,
                    "offset": offset,
                    "attribution": model.upper(),
                    "offline_window": "21",
                },
                "data": page,
                "total_rows": len(rows),
                "total_rows_rounded": False,
                "sampled": sampled,
                "contains_sensitive_data": hidden,
                "sample_share": 0.5 if sampled else 1.0,
                "data_lag": 120,
                "totals": [sum(row["metrics"][n] or 0 for row in rows) for n in range(len(metrics))],
            }

        return _answered(answer)


def _parts(names: list[str], lines: list[str]) -> list[bytes]:
    header = "\t".join(names)
    found = [lines[n : n + PART_LINES] for n in range(0, len(lines), PART_LINES)] or [[]]
    return [("\n".join([header, *part]) + "\n").encode() for part in found]


def _answered(answer: Any) -> Response:
    try:
        return JSONResponse(answer())
    except Refusal as refusal:
        return JSONResponse(refusal.body(), refusal.status)


def variables(served: Served) -> dict[str, str]:
    return {
        "YANDEX_METRICA_TOKEN": TOKEN,
        "YANDEX_METRICA_COUNTER_ID": COUNTER_ID,
        "YANDEX_METRICA_BASE_URL": served.at,
    }


def app(company: Company, clock: Clock, faults: Faults) -> ASGIApp:
    metrika = _Metrika(company, clock, faults)
    root = "/management/v1/counter/{counter}"
    return Starlette(
        routes=[
            Route(root, metrika.counter),
            Route(root + "/logrequests/evaluate", metrika.evaluate),
            Route(root + "/logrequests", metrika.create, methods=["POST"]),
            Route(root + "/logrequests", metrika.listing),
            Route(root + "/logrequest/{log:int}", metrika.look),
            Route(root + "/logrequest/{log:int}/part/{part:int}/download", metrika.download),
            Route(root + "/logrequest/{log:int}/clean", metrika.clean, methods=["POST"]),
            Route("/stat/v1/data", metrika.report),
        ]
    )
