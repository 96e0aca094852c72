"""The sandbox's Salesforce: token endpoint, `describe` and `queryAll` with its pages, as Salesforce answers.

How the org is set up stands in `org.py`, what it holds in `records.py`, its query language in `soql.py`.
"""

from __future__ import annotations

import itertools
import re
import threading
from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dagster_project.sandbox.endpoints import Served
from dagster_project.sandbox.faults import Answer, FaultAnswers, Faults
from dagster_project.sources.salesforce.sandbox.org import (
    CLIENT_ID,
    CLIENT_SECRET,
    DAILY_CALLS,
    OBJECTS,
    ORG_ID,
    USER_ID,
    VERSIONS,
)
from dagster_project.sources.salesforce.sandbox.records import rows_as_of
from dagster_project.sources.salesforce.sandbox.soql import Query, Refusal, parse

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from dagster_project.sandbox.company import Company
    from dagster_project.sandbox.server import Clock

VENDOR = "salesforce"
LARGEST_PAGE, SMALLEST_PAGE = 2000, 200
LONGEST_URL = 16_384
KEPT_LOCATORS = 20  # older ones are no longer known

_SESSION = Refusal(401, "INVALID_SESSION_ID", "Session expired or invalid")
FAULT_ANSWERS: FaultAnswers = {
    "throttle": Answer(403, Refusal(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.").body()),
    "server_error": Answer(503, Refusal(503, "SERVER_UNAVAILABLE", "We are down for maintenance.").body()),
    "expired_token": Answer(401, _SESSION.body()),
}


def variables(served: Served) -> dict[str, str]:
    return {
        "SALESFORCE_CLIENT_ID": CLIENT_ID,
        "SALESFORCE_CLIENT_SECRET": CLIENT_SECRET,
        "SALESFORCE_TOKEN_URL": f"{served.at}/services/oauth2/token",
    }


def app(
    company: Company,
    clock: Clock,
    faults: Faults,
    *,
    page_rows: int = 500,
    hidden: Mapping[str, tuple[str, ...]] | None = None,
    rows: Mapping[str, list[dict[str, Any]]] | None = None,
    used_calls: int = 0,
) -> ASGIApp:
    """Salesforce over the company, as of the clock.

    `page_rows`: rows in a page at most, as a server may shrink them. For tests: `hidden`, object -> the fields that the user
    may not see (no fields: the object); `rows`, what the org holds instead of the company's; `used_calls` of the day.
    """
    org = _Salesforce(company, clock, faults, page_rows, hidden or {}, rows, used_calls)
    return Starlette(
        routes=[
            Route("/services/oauth2/token", org.token, methods=["POST"]),
            Route("/services/data/{version}/sobjects/{kind}/describe", org.describe),
            Route("/services/data/{version}/queryAll", org.query_all),
            Route("/services/data/{version}/query/{locator}", org.more),
        ]
    )


class _Salesforce:
    def __init__(
        self,
        company: Company,
        clock: Clock,
        faults: Faults,
        page_rows: int,
        hidden: Mapping[str, tuple[str, ...]],
        rows: Mapping[str, list[dict[str, Any]]] | None,
        used_calls: int,
    ) -> None:
        self._clock, self._faults, self._page_rows, self._fixed = clock, faults, page_rows, rows
        self._rows_at = lru_cache(maxsize=3)(lambda now: rows_as_of(company, now))
        self._objects = {
            kind: {name: of for name, of in fields.items() if name not in hidden.get(kind, ())}
            for kind, fields in OBJECTS.items()
            if hidden.get(kind) != ()
        }
        self._sessions: set[str] = set()
        self._calls, self._numbers = itertools.count(used_calls + 1), itertools.count(1)
        self._results: OrderedDict[str, tuple[Query, list[dict[str, Any]]]] = OrderedDict()
        self._lock = threading.Lock()

    # ---- endpoints ---------------------------------------------------------------------------------------

    async def token(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        if form.get("grant_type") != "client_credentials":
            return _no_token("unsupported_grant_type", "grant type not supported")
        if form.get("client_id") != CLIENT_ID:
            return _no_token("invalid_client_id", "client identifier invalid")
        if form.get("client_secret") != CLIENT_SECRET:
            return _no_token("invalid_client", "invalid client credentials")
        with self._lock:
            session = f"{ORG_ID[:15]}!sandbox.{len(self._sessions) + 1}"
            self._sessions.add(session)
        return JSONResponse(
            {
                "access_token": session,
                "signature": "c2lnbmF0dXJl",
                "scope": "api",
                "instance_url": str(request.base_url).rstrip("/"),
                "id": f"https://login.salesforce.com/id/{ORG_ID}/{USER_ID}",
                "token_type": "Bearer",
                "issued_at": "1795168800000",
            }
        )

    async def describe(self, request: Request) -> Response:
        return await self._answer(request, self._describe)

    async def query_all(self, request: Request) -> Response:
        return await self._answer(request, self._query_all)

    async def more(self, request: Request) -> Response:
        return await self._answer(request, self._more)

    async def _answer(self, request: Request, answer: Any) -> Response:
        headers = {"Sforce-Limit-Info": f"api-usage={next(self._calls)}/{DAILY_CALLS}"}
        try:
            self._admit(request)
            return JSONResponse(await run_in_threadpool(answer, request), headers=headers)
        except Refusal as refusal:
            return JSONResponse(refusal.body(), refusal.status, headers)

    def _admit(self, request: Request) -> None:
        if len(str(request.url)) > LONGEST_URL:
            raise Refusal(414, "URI_TOO_LONG", "URI too long")
        version = re.fullmatch(r"v(\d+)\.0", request.path_params["version"])
        if not version or int(version[1]) > VERSIONS[-1]:
            raise Refusal(404, "NOT_FOUND", "The requested resource does not exist")
        if int(version[1]) < VERSIONS[0]:
            raise Refusal(410, "GONE", "The requested API version is retired")
        scheme, _, session = request.headers.get("authorization", "").partition(" ")
        if scheme not in ("Bearer", "OAuth") or session not in self._sessions:
            raise _SESSION

    def _describe(self, request: Request) -> dict[str, Any]:
        kind = request.path_params["kind"]
        if kind not in self._objects:
            raise Refusal(404, "NOT_FOUND", "The requested resource does not exist")
        fields = [
            {"name": name, "type": of, "calculated": False, "compoundFieldName": None, "nillable": True}
            for name, of in self._objects[kind].items()
            if "." not in name
        ]
        return {"name": kind, "queryable": True, "fields": fields}

    def _query_all(self, request: Request) -> dict[str, Any]:
        query = parse(request.query_params.get("q", ""), self._objects)
        call = f"GET {request.url.path} {query.object}"
        rows = self._rows(self._clock.now())[query.object]
        found = list(self._faults.shorten(VENDOR, query.of(rows), call))
        number = next(self._numbers)
        locator = f"01g{number:012d}AAA"
        with self._lock:
            self._results[locator] = (query, found)
            while len(self._results) > KEPT_LOCATORS:
                self._results.popitem(last=False)
        return self._page(request, locator, 0)

    def _more(self, request: Request) -> dict[str, Any]:
        locator, _, start = request.path_params["locator"].rpartition("-")
        if locator not in self._results or not start.isdigit():
            raise Refusal(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        return self._page(request, locator, int(start))

    def _rows(self, now: datetime) -> Mapping[str, list[dict[str, Any]]]:
        return self._fixed if self._fixed is not None else self._rows_at(now)

    def _page(self, request: Request, locator: str, start: int) -> dict[str, Any]:
        query, found = self._results[locator]
        version, call = request.path_params["version"], f"GET {request.url.path} {query.object}"
        asked = re.search(r"batchSize=(\d+)", request.headers.get("Sforce-Query-Options", ""))
        size = min(max(int(asked[1]) if asked else LARGEST_PAGE, SMALLEST_PAGE), LARGEST_PAGE, self._page_rows)
        page = self._faults.repeat_last(VENDOR, found, start, start + size, call)
        is_drifting = self._faults.take(VENDOR, "unknown_field", call) is not None
        records = [_record(query, row, version) | ({"Nickname__c": "somebody"} if is_drifting else {}) for row in page]
        answer: dict[str, Any] = {"totalSize": len(found), "done": start + size >= len(found)}
        if not answer["done"]:
            answer["nextRecordsUrl"] = f"/services/data/{version}/query/{locator}-{start + size}"
        return answer | {"records": records}


def _record(query: Query, row: Mapping[str, Any], version: str) -> dict[str, Any]:
    url = f"/services/data/{version}/sobjects/{query.object}/{row['Id']}"
    record: dict[str, Any] = {"attributes": {"type": query.object, "url": url}}
    for field in query.fields:
        parent, _, name = field.partition(".")
        if name:
            record[parent] = {"attributes": {"type": parent}, name: row[field]} if row[field] is not None else None
        else:
            record[field] = row[field]
    return record


def _no_token(error: str, description: str) -> Response:
    return JSONResponse({"error": error, "error_description": description}, 400)
