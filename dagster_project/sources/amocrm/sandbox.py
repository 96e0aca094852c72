"""The sandbox's amoCRM: the company's contacts, its deals as amoCRM's leads, events, users and pipelines, as API v4 answers.

Moments are seconds since 1970. Won and lost are the statuses 142 and 143 of every pipeline. Amounts are whole numbers of the
account's currency: this company writes another currency into a field of its own. What a company adds are fields with ids.
An event tells each change, not what a record was made with. Who is deleted lies in the recycle bin; who is merged into
another is gone, and the survivor has the addresses of both. An empty list is a 204 without a body.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dagster_project.sandbox.endpoints import Served
from dagster_project.sandbox.faults import Answer, FaultAnswers, Faults

if TYPE_CHECKING:
    from dagster_project.sandbox.company import Company, RecordView
    from dagster_project.sandbox.server import Clock

VENDOR = "amocrm"
ACCESS_TOKEN, SUBDOMAIN, ACCOUNT_ID = "sandbox-amocrm-token", "kontorra", 31_000_001
MOST, MOST_EVENTS, USUAL = 250, 100, 50
HAL, PROBLEM = "application/hal+json", "application/problem+json"
WON, LOST = 142, 143
STAGE_FIELD, FIRST_FIELD = "Lifecycle stage", 700_001
STAGES = {
    name: number
    for number, name in enumerate(
        ("subscriber", "lead", "mql", "sal", "sql", "opportunity", "customer", "advocate", "other"), start=810_001
    )
}
PIPELINES = {"sales": 5_001, "self_service": 5_002}
UTM = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
CLICK_IDS = ("gclid", "gbraid", "wbraid", "fbclid", "yclid", "msclkid", "ttclid", "li_fat_id")
# name of a field -> (code, where the company has the value)
CONTACT_FIELDS = {
    "Phone": ("PHONE", "phone"),
    "Email": ("EMAIL", "email"),
    **{name: (name.upper(), name) for name in (*UTM, *CLICK_IDS)},
    "gclientid": ("GCLIENTID", "client_id"),
    "country": (None, "country"),
    "self_reported_source": (None, "heard_from"),
    STAGE_FIELD: (None, "stage"),
}
LEAD_FIELDS = {
    **{name: (name.upper(), name) for name in UTM},
    "product": (None, "product"),
    "refund_of_deal_id": (None, "refund_of"),
    "Currency": (None, "currency"),
}
FIELD_IDS = {name: FIRST_FIELD + n for n, name in enumerate(dict.fromkeys((*CONTACT_FIELDS, *LEAD_FIELDS)))}

Record = dict[str, Any]


def problem(status: int, title: str, detail: str) -> Record:
    return {"title": title, "type": f"https://httpstatus.es/{status}", "status": status, "detail": detail}


UNAUTHORIZED = problem(401, "Unauthorized", "Неверный логин или пароль")
FAULT_ANSWERS: FaultAnswers = {
    "throttle": Answer(429, "Too Many Requests", {"content-type": "text/html"}),
    "server_error": Answer(502, "<html>Bad Gateway</html>", {"content-type": "text/html"}),
    "expired_token": Answer(401, UNAUTHORIZED, {"content-type": PROBLEM}),
}


class Refusal(Exception):
    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail = status, title, detail


def variables(served: Served) -> dict[str, str]:
    return {"AMOCRM_ACCESS_TOKEN": ACCESS_TOKEN, "AMOCRM_SUBDOMAIN": SUBDOMAIN, "AMOCRM_BASE_URL": served.at}


def seconds(moment: datetime | None) -> int | None:
    return int(moment.timestamp()) if moment else None


def app(company: Company, clock: Clock, faults: Faults) -> Starlette:
    held = Held(company, clock)

    def route(path: str, answer: Callable[[Request], Record | None]) -> Route:
        async def endpoint(request: Request) -> Response:
            if request.headers.get("authorization") != f"Bearer {ACCESS_TOKEN}":
                return JSONResponse(UNAUTHORIZED, 401, media_type=PROBLEM)
            try:
                found = await run_in_threadpool(answer, request)
            except Refusal as refusal:
                body = problem(refusal.status, refusal.title, refusal.detail)
                return JSONResponse(body, refusal.status, media_type=PROBLEM)
            return JSONResponse(found, media_type=HAL) if found else Response(status_code=204)

        return Route(path, endpoint)

    def listing(
        of: str, rows: Callable[[Request], list[Record]], most: int = MOST
    ) -> Callable[[Request], Record | None]:
        def answer(request: Request) -> Record | None:
            call = f"GET {request.url.path}"
            found = faults.shorten(VENDOR, rows(request), call)
            limit, number = _number(request, "limit", USUAL, most), _number(request, "page", 1, 10**6)
            start = (number - 1) * limit
            page = faults.repeat_last(VENDOR, found, start, start + limit, call)
            if not page:
                return None
            if faults.take(VENDOR, "unknown_field", call):
                page = [{**row, "mood": "sunny"} for row in page]
            links = {"self": {"href": str(request.url)}}
            if start + limit < len(found):
                links["next"] = {"href": str(request.url.include_query_params(page=number + 1))}
            return {"_page": number, "_links": links, "_embedded": {of: page}}

        return answer

    return Starlette(
        routes=[
            route("/api/v4/account", lambda _: held.account()),
            route("/api/v4/contacts", listing("contacts", lambda r: _asked(r, held.contacts(_is_bin(r))))),
            route("/api/v4/leads", listing("leads", lambda r: _asked(r, held.leads(_is_bin(r), _with(r))))),
            route("/api/v4/events", listing("events", lambda r: _asked(r, held.events()), MOST_EVENTS)),
            route("/api/v4/users", listing("users", lambda _: held.users())),
            route("/api/v4/leads/pipelines", lambda _: {"_embedded": {"pipelines": held.pipelines()}}),
            route("/api/v4/contacts/custom_fields", listing("custom_fields", lambda _: _fields(CONTACT_FIELDS))),
            route("/api/v4/leads/custom_fields", listing("custom_fields", lambda _: _fields(LEAD_FIELDS))),
        ]
    )


def _number(request: Request, name: str, usual: int, most: int) -> int:
    value = request.query_params.get(name, str(usual))
    if not value.isdigit() or not 1 <= int(value) <= most:
        raise Refusal(400, "Bad Request", f"{name} should be between 1 and {most}")
    return int(value)


def _with(request: Request) -> list[str]:
    return request.query_params.get("with", "").split(",")


def _is_bin(request: Request) -> bool:
    return "only_deleted" in _with(request)


def _asked(request: Request, rows: Sequence[Record]) -> list[Record]:
    """Filters by moment have both ends in them; `filter[type]` is a list with commas; the order is that of ids or as asked."""
    found = list(rows)
    for name, value in request.query_params.items():
        if match := re.fullmatch(r"filter\[(updated_at|created_at)\]\[(from|to)\]", name):
            bound, column = int(value), match[1]
            found = [row for row in found if (row[column] >= bound if match[2] == "from" else row[column] <= bound)]
        elif name == "filter[type]":
            found = [row for row in found if row["type"] in value.split(",")]
        elif name.startswith("filter"):
            raise Refusal(400, "Bad Request", f"unknown filter {name}")
    by, way = "id", "asc"
    for name, value in request.query_params.items():
        if match := re.fullmatch(r"order\[(id|created_at|updated_at)\]", name):
            by, way = match[1], value
    return sorted(found, key=lambda row: (row[by], row["id"]), reverse=way == "desc")


def _fields(fields: dict[str, tuple[str | None, str]]) -> list[Record]:
    enums = [{"id": number, "value": name, "sort": 10 * n} for n, (name, number) in enumerate(STAGES.items())]
    return [
        {
            "id": FIELD_IDS[name],
            "name": name,
            "code": code,
            "type": "select" if name == STAGE_FIELD else "multitext" if code in ("PHONE", "EMAIL") else "text",
            "enums": enums if name == STAGE_FIELD else None,
        }
        for name, (code, _) in fields.items()
    ]


class Held:
    """What the company's amoCRM holds at the clock's moment."""

    def __init__(self, company: Company, clock: Clock) -> None:
        self._company, self._clock = company, clock
        self._statuses: dict[tuple[str, str], int] = {}
        for pipeline in company.pipelines:
            for number, stage in enumerate(pipeline.stages):
                closing = WON if stage.probability == 1 else LOST
                own = PIPELINES[pipeline.id] * 100 + number
                self._statuses[pipeline.id, stage.id] = closing if stage.is_closed else own

    def account(self) -> Record:
        return {
            "id": ACCOUNT_ID,
            "name": "Kontorra",
            "subdomain": SUBDOMAIN,
            "currency": "EUR",
            "currency_symbol": "€",
            "country": "DE",
            "_links": {"self": {"href": f"https://{SUBDOMAIN}.amocrm.ru/api/v4/account"}},
        }

    def contacts(self, is_bin: bool) -> list[Record]:
        views = self._company.contacts_as_of(self._clock.now(), archived=is_bin)
        return [self._contact(view) for view in views]

    def _contact(self, view: RecordView) -> Record:
        values = view.values
        given = {name: [values[of]] for name, (_, of) in CONTACT_FIELDS.items() if values.get(of) not in (None, "")}
        given["Email"] = [values["email"], *(loser.changes["email"][-1].value for loser in view.absorbed)]
        return {
            **self._common(view),
            "first_name": values["first_name"],
            "last_name": values["last_name"],
            "name": f"{values['first_name']} {values['last_name']}",
            "custom_fields_values": _values(given, CONTACT_FIELDS) or None,
            "_embedded": {"tags": [], "companies": []},
        }

    def leads(self, is_bin: bool, extras: Sequence[str]) -> list[Record]:
        views = self._company.deals_as_of(self._clock.now(), archived=is_bin)
        return [self._lead(view, "contacts" in extras) for view in views]

    def _lead(self, view: RecordView, with_contacts: bool) -> Record:
        values, status = view.values, self._statuses[view.values["pipeline"], view.values["stage"]]
        given = {name: [str(values[of])] for name, (_, of) in LEAD_FIELDS.items() if values.get(of) is not None}
        companies = view.associations.get("companies", ())
        embedded: Record = {"tags": [], "companies": [{"id": int(each.to_id)} for each in companies[:1]]}
        if with_contacts:
            contacts = sorted(view.associations.get("contacts", ()), key=lambda each: not each.is_primary)
            embedded["contacts"] = [{"id": int(each.to_id), "is_main": not n} for n, each in enumerate(contacts)]
        return {
            **self._common(view),
            "name": values["name"],
            "price": round(values.get("amount", 0)),
            "status_id": status,
            "pipeline_id": PIPELINES[values["pipeline"]],
            "loss_reason_id": None,
            "source_id": None,
            "closed_at": seconds(view.history["stage"][0].at) if status in (WON, LOST) else None,
            "score": None,
            "labor_cost": None,
            "custom_fields_values": _values(given, LEAD_FIELDS) or None,
            "_embedded": embedded,
        }

    def _common(self, view: RecordView) -> Record:
        return {
            "id": int(view.id),
            "responsible_user_id": int(view.values.get("owner", 0)),
            "group_id": 0,
            "created_by": 0,
            "updated_by": 0,
            "created_at": seconds(view.created_at),
            "updated_at": seconds(view.archived_at if view.archived else view.updated_at),
            "closest_task_at": None,
            "is_deleted": view.archived,
            "account_id": ACCOUNT_ID,
        }

    def events(self) -> list[Record]:
        now = self._clock.now()
        found: list[Record] = []
        for archived in (False, True):
            for view in self._company.contacts_as_of(now, archived=archived):
                kind = f"custom_field_{FIELD_IDS[STAGE_FIELD]}_value_changed"
                found += _events(view, "contact", kind, self._stage_value)
            for view in self._company.deals_as_of(now, archived=archived):
                found += _events(view, "lead", "lead_status_changed", partial(self._status, view.values["pipeline"]))
        return found

    def _stage_value(self, stage: str) -> Record:
        field = {"field_id": FIELD_IDS[STAGE_FIELD], "field_type": 4, "enum_id": STAGES[stage], "text": stage}
        return {"custom_field_value": field}

    def _status(self, pipeline: str, stage: str) -> Record:
        return {"lead_status": {"id": self._statuses[pipeline, stage], "pipeline_id": PIPELINES[pipeline]}}

    def users(self) -> list[Record]:
        now = self._clock.now()
        return [
            {
                "id": int(owner.id),
                "name": f"{owner.first_name} {owner.last_name}",
                "email": owner.email,
                "lang": "en",
                "rights": {"is_admin": False, "is_active": owner.archived_at is None or owner.archived_at > now},
            }
            for owner in self._company.owners
            if owner.created_at <= now
        ]

    def pipelines(self) -> list[Record]:
        return [
            {
                "id": PIPELINES[pipeline.id],
                "name": pipeline.label,
                "sort": pipeline.display_order,
                "is_main": not pipeline.display_order,
                "is_unsorted_on": False,
                "is_archive": False,
                "account_id": ACCOUNT_ID,
                "_embedded": {
                    "statuses": [
                        {
                            "id": self._statuses[pipeline.id, stage.id],
                            "name": stage.label,
                            "sort": 10 * stage.display_order,
                            "is_editable": not stage.is_closed,
                            "pipeline_id": PIPELINES[pipeline.id],
                            "color": "#99ccff",
                            "type": 0,
                            "account_id": ACCOUNT_ID,
                        }
                        for stage in pipeline.stages
                    ]
                },
            }
            for pipeline in self._company.pipelines
        ]


def _values(given: dict[str, list[Any]], fields: dict[str, tuple[str | None, str]]) -> list[Record]:
    return [
        {
            "field_id": FIELD_IDS[name],
            "field_name": name,
            "field_code": fields[name][0],
            "field_type": "select" if name == STAGE_FIELD else "text",
            "values": [
                {"value": value} | ({"enum_id": STAGES[value]} if name == STAGE_FIELD else {}) for value in values
            ],
        }
        for name, values in given.items()
    ]


def _events(view: RecordView, of: str, kind: str, value: Callable[[str], Record]) -> list[Record]:
    """A change from one value to another; what it was made with is none. Ids are in the order of moments."""
    past = list(reversed(view.history["stage"]))
    return [
        {
            "id": f"01{seconds(newer.at):012d}{of[0]}{view.id}n{number:03d}",
            "type": kind,
            "entity_id": int(view.id),
            "entity_type": of,
            "created_by": 0,
            "created_at": seconds(newer.at),
            "value_after": [value(newer.value)],
            "value_before": [value(older.value)],
            "account_id": ACCOUNT_ID,
        }
        for number, (older, newer) in enumerate(itertools.pairwise(past))
    ]
