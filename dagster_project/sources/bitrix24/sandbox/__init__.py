"""The sandbox's Bitrix24: the company's people as leads and contacts, its deals, steps, users and stages, as classic REST answers.

A call is POST /rest/<user>/<code>/<method>; a page has 50 rows. Moments have whole seconds and the portal's offset. Everybody
begins as a lead; who comes to a deal, or to a stage beyond that of leads, is converted: the lead names the contact, the contact
the lead. What was deleted or merged away has vanished; the survivor has the addresses of both. `batch` takes 50 commands,
an empty map in its answer is an empty list, and an error in it is no error of the call. What the portal holds is in `portal`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dagster_project.sandbox.endpoints import Served
from dagster_project.sandbox.faults import Answer, FaultAnswers, Faults
from dagster_project.sources.bitrix24.sandbox.portal import DEAL, OF_DEALS, OF_PEOPLE, STANDARD, Held, own_code, stamp

if TYPE_CHECKING:
    from dagster_project.sandbox.company import Company
    from dagster_project.sandbox.server import Clock

VENDOR = "bitrix24"
PORTAL, USER, CODE = "kontorra.bitrix24.example", "1", "sandboxbitrixcode"
PAGE, MOST_COMMANDS = 50, 50
Record = dict[str, Any]


def told(status: int, code: str, description: str) -> Answer:
    return Answer(status, {"error": code, "error_description": description})


FAULT_ANSWERS: FaultAnswers = {
    "throttle": told(503, "QUERY_LIMIT_EXCEEDED", "Too many requests"),
    "server_error": told(500, "INTERNAL_SERVER_ERROR", "Internal server error"),
    "expired_token": told(401, "expired_token", "The access token provided has expired."),
}


class Refusal(Exception):
    def __init__(self, status: int, code: str, description: str) -> None:
        super().__init__(description)
        self.status, self.code, self.description = status, code, description

    def body(self) -> Record:
        return {"error": self.code, "error_description": self.description}


def variables(served: Served) -> dict[str, str]:
    return {"BITRIX24_WEBHOOK_URL": f"https://{PORTAL}/rest/{USER}/{CODE}/", "BITRIX24_BASE_URL": served.at}


def app(company: Company, clock: Clock, faults: Faults, *, refused: Mapping[str, Refusal] | None = None) -> Starlette:
    """`refused`, for tests: a command of a batch (by a part of it) -> what is said instead of its result."""
    portal = _Portal(company, clock, faults, refused or {})
    return Starlette(routes=[Route("/rest/{user}/{code}/{method}", portal.call, methods=["POST"])])


class _Portal:
    def __init__(self, company: Company, clock: Clock, faults: Faults, refused: Mapping[str, Refusal]) -> None:
        self._clock, self._faults, self._refused = clock, faults, refused
        self._held = lru_cache(maxsize=3)(lambda now: Held(company, now))

    async def call(self, request: Request) -> Response:
        try:
            if (request.path_params["user"], request.path_params["code"]) != (USER, CODE):
                raise Refusal(401, "INVALID_CREDENTIALS", "Invalid request credentials")
            asked = await request.json()
            method = request.path_params["method"]
            return JSONResponse(await run_in_threadpool(self._batch if method == "batch" else self._one, method, asked))
        except Refusal as refusal:
            return JSONResponse(refusal.body(), refusal.status)

    def _batch(self, _: str, asked: Record) -> Record:
        commands = asked.get("cmd")
        if not isinstance(commands, dict) or len(commands) > MOST_COMMANDS:
            raise Refusal(400, "ERROR_BATCH_LENGTH_EXCEEDED", "Max batch length exceeded")
        results: dict[str, Record] = {"result": {}, "result_error": {}, "result_total": {}, "result_next": {}}
        for name, command in commands.items():
            method, _, query = str(command).partition("?")
            try:
                for part, refusal in self._refused.items():
                    if part in str(command):
                        raise refusal
                if method == "batch":
                    raise Refusal(405, "ERROR_BATCH_METHOD_NOT_ALLOWED", "Method is not allowed for batch usage")
                answer = self._one(method, php(query))
            except Refusal as refusal:
                results["result_error"][name] = refusal.body()
                continue
            results["result"][name] = answer["result"]
            results["result_total"] |= {name: answer["total"]} if "total" in answer else {}
            results["result_next"] |= {name: answer["next"]} if "next" in answer else {}
        return {"result": {name: found or [] for name, found in results.items()}, "time": self._time()}

    def _one(self, method: str, asked: Record) -> Record:
        held = self._held(self._clock.now())
        if method == "crm.item.fields":
            return {"result": {"fields": _fields(int(asked["entityTypeId"]))}, "time": self._time()}
        if method == "crm.item.list":
            rows, of = held.items.get(int(asked.get("entityTypeId", 0))), "items"
            if rows is None:
                raise Refusal(400, "NOT_FOUND", "Smart process not found")
            if asked.get("select", ["*"]) not in (["*"], {"0": "*"}):
                rows = [{name: value for name, value in row.items() if name != "fm"} for row in rows]
        elif method == "crm.stagehistory.list":
            rows, of = held.steps[int(asked["entityTypeId"])], "items"
        elif method == "crm.category.list":
            rows, of = held.categories, "categories"
        elif method in ("crm.status.list", "user.get"):
            rows, of = (held.statuses if method == "crm.status.list" else held.users), ""
        else:
            raise Refusal(404, "ERROR_METHOD_NOT_FOUND", "Method not found!")
        return self._page(f"POST {method} {asked.get('entityTypeId', '')}", rows, of, asked)

    def _page(self, call: str, rows: list[Record], of: str, asked: Record) -> Record:
        found = list(self._faults.shorten(VENDOR, _filtered(rows, asked), call))
        start = int(asked.get("start", 0))
        if start % PAGE:
            raise Refusal(400, "INVALID_ARG_VALUE", "start should be a multiple of 50")
        page = self._faults.repeat_last(VENDOR, found, start, start + PAGE, call)
        if self._faults.take(VENDOR, "unknown_field", call):
            page = [{**row, "mood": "sunny"} for row in page]
        answer: Record = {"result": {of: page} if of else page, "total": len(found), "time": self._time()}
        return answer | ({"next": start + PAGE} if start + PAGE < len(found) else {})

    def _time(self) -> Record:
        now = self._clock.now()
        return {
            "start": now.timestamp(), "finish": now.timestamp() + 0.1, "duration": 0.1, "processing": 0.05,
            "date_start": stamp(now), "date_finish": stamp(now), "operating_reset_at": int(now.timestamp()) + 600,
            "operating": 0.05,
        }  # fmt: skip


def php(query: str) -> Record:
    """filter[>=id]=5&select[0]=* as {"filter": {">=id": "5"}, "select": {"0": "*"}}."""
    found: Record = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        first, *inside = re.findall(r"[^\[\]]+", name)
        if inside:
            found.setdefault(first, {})[inside[0]] = value
        else:
            found[first] = value
    return found


def _filtered(rows: list[Record], asked: Record) -> list[Record]:
    found = rows
    for condition, bound in (asked.get("filter") or {}).items():
        match = re.fullmatch(r"(>=|<=|>|<|=)?(\w+)", condition)
        if not match or (rows and match[2] not in rows[0]):
            raise Refusal(400, "100", f"Unknown field in filter: {condition}")
        found = [row for row in found if _holds(row[match[2]], match[1] or "=", bound)]
    for by, way in (asked.get("order") or {}).items() if isinstance(asked.get("order"), dict) else ():
        found = sorted(found, key=lambda row: int(row[by]), reverse=str(way).upper() == "DESC")
    return found


def _holds(value: Any, how: str, bound: Any) -> bool:
    if isinstance(value, str) and "T" in value:
        value, bound = datetime.fromisoformat(value), datetime.fromisoformat(str(bound))
    else:
        bound = type(value)(bound)
    return {">=": value >= bound, "<=": value <= bound, ">": value > bound, "<": value < bound, "=": value == bound}[
        how
    ]


def _fields(kind: int) -> Record:
    standard = {name: {"type": "string", "title": name, "upperName": name.upper()} for name in STANDARD[kind].split()}
    own = {
        own_code(title): {"type": "string", "title": title, "upperName": own_code(title).upper(), "isDynamic": True}
        for title in (OF_DEALS if kind == DEAL else OF_PEOPLE)
    }
    return standard | own
