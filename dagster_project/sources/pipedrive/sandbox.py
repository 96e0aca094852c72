"""The sandbox's Pipedrive: the company's contacts as persons, its deals, users and pipelines, as API v2 (and v1) answers.

Moments have whole seconds. Won and lost are a status; a closed deal stays in the stage that it was in. What a company
adds (tags, ids, where a person is before a deal) are fields whose keys are 40 digits. A deal without an amount has 0. A
person who is deleted, or merged into another, is gone; the survivor has the addresses of both.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from dagster_project.sandbox.endpoints import Served
from dagster_project.sandbox.faults import Answer, FaultAnswers, Faults

if TYPE_CHECKING:
    from dagster_project.sandbox.company import Company, RecordView
    from dagster_project.sandbox.server import Clock

VENDOR = "pipedrive"
API_TOKEN, DOMAIN = "sandbox-pipedrive-token", "kontorra"
MOST, USUAL = 500, 100
BURST = {"x-ratelimit-limit": "20", "x-ratelimit-remaining": "18", "x-ratelimit-reset": "2"}
LIFECYCLE = {
    name: number
    for number, name in enumerate(
        ("subscriber", "lead", "mql", "sal", "sql", "opportunity", "customer", "advocate", "other"), start=31
    )
}
PIPELINES = {"sales": 1, "self_service": 2}
OF_CONTACTS = (
    "utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "gclid", "gbraid", "wbraid", "fbclid", "yclid",
    "msclkid", "ttclid", "li_fat_id", "country",
)  # fmt: skip
RENAMED = {"client_id": "ga_client_id", "heard_from": "self_reported_source", "stage": "Lifecycle stage"}
DELETED_SHOWN = timedelta(days=30)

FAULT_ANSWERS: FaultAnswers = {
    "throttle": Answer(
        429,
        {"success": False, "error": "Request over limit", "errorCode": 429, "additional_data": {}},
        {"x-ratelimit-limit": "20", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "2"},
    ),
    "server_error": Answer(503, {"success": False, "error": "Service unavailable", "errorCode": 503}),
    "expired_token": Answer(401, {"success": False, "error": "unauthorized access", "errorCode": 401}),
}


class Refusal(Exception):
    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status, self.error = status, error


def variables(served: Served) -> dict[str, str]:
    return {"PIPEDRIVE_API_TOKEN": API_TOKEN, "PIPEDRIVE_COMPANY_DOMAIN": DOMAIN, "PIPEDRIVE_BASE_URL": served.at}


def field_key(name: str) -> str:
    return hashlib.sha1(name.encode()).hexdigest()


def seconds(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


def app(company: Company, clock: Clock, faults: Faults) -> Starlette:
    held = Held(company, clock)

    def route(path: str, answer: Callable[[Request], Any]) -> Route:
        async def endpoint(request: Request) -> JSONResponse:
            if request.headers.get("x-api-token") != API_TOKEN:
                return JSONResponse({"success": False, "error": "unauthorized access", "errorCode": 401}, 401)
            try:
                return JSONResponse(await run_in_threadpool(answer, request), 200, BURST)
            except Refusal as refusal:
                body = {"success": False, "error": refusal.error, "errorCode": refusal.status}
                return JSONResponse(body, refusal.status, BURST)

        return Route(path, endpoint)

    def listing(rows: Callable[[Request], list[dict[str, Any]]]) -> Callable[[Request], Any]:
        def answer(request: Request) -> Any:
            call = f"GET {request.url.path}"
            found = faults.shorten(VENDOR, rows(request), call)
            limit, start = _limit(request), _start(request)
            page = faults.repeat_last(VENDOR, found, start, start + limit, call)
            if faults.take(VENDOR, "unknown_field", call):
                page = [{**row, "mood": "sunny"} for row in page]
            end = start + limit
            cursor = base64.urlsafe_b64encode(str(end).encode()).decode() if end < len(found) else None
            return {"success": True, "data": page, "additional_data": {"next_cursor": cursor}}

        return answer

    def changes(rows: Callable[[str], list[dict[str, Any]] | None]) -> Callable[[Request], Any]:
        def of_record(request: Request) -> list[dict[str, Any]]:
            found = rows(request.path_params["id"])
            if found is None:
                raise Refusal(404, "Not found")
            return found

        return listing(of_record)

    return Starlette(
        routes=[
            route("/api/v2/persons", listing(lambda r: _asked(r, held.persons()))),
            route(
                "/api/v2/deals", listing(lambda r: _asked(r, held.deals(r.query_params.get("status", "open,won,lost"))))
            ),
            route("/api/v2/deals/archived", listing(lambda _: [])),
            route("/api/v2/pipelines", listing(lambda _: held.pipelines())),
            route("/api/v2/stages", listing(lambda _: held.stages())),
            route("/api/v2/personFields", listing(lambda _: _fields((*OF_CONTACTS, *RENAMED.values())))),
            route("/api/v2/dealFields", listing(lambda _: _fields(("product", "refund_of_deal_id")))),
            route("/api/v1/users", lambda _: {"success": True, "data": held.users(), "additional_data": {}}),
            route("/api/v1/persons/{id}/changelog", changes(held.person_changes)),
            route("/api/v1/deals/{id}/changelog", changes(held.deal_changes)),
        ]
    )


def _limit(request: Request) -> int:
    limit = int(request.query_params.get("limit", USUAL))
    if not 1 <= limit <= MOST:
        raise Refusal(400, f"limit must be between 1 and {MOST}")
    return limit


def _start(request: Request) -> int:
    cursor = request.query_params.get("cursor")
    return int(base64.urlsafe_b64decode(cursor)) if cursor else 0


def _asked(request: Request, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """updated_since is inclusive, updated_until is not."""
    since, until = (request.query_params.get(name) for name in ("updated_since", "updated_until"))
    found = [
        row for row in rows if (not since or row["update_time"] >= since) and (not until or row["update_time"] < until)
    ]
    by = request.query_params.get("sort_by", "id")
    return sorted(
        found, key=lambda row: (row[by], row["id"]), reverse=request.query_params.get("sort_direction") == "desc"
    )


def _fields(names: Sequence[str]) -> list[dict[str, Any]]:
    standard = [{"field_name": "Name", "field_code": "name", "field_type": "varchar", "options": None}]
    options = [{"id": number, "label": name} for name, number in LIFECYCLE.items()]
    return standard + [
        {
            "field_name": name,
            "field_code": field_key(name),
            "field_type": "enum" if name == "Lifecycle stage" else "varchar",
            "options": options if name == "Lifecycle stage" else None,
            "is_custom_field": True,
        }
        for name in names
    ]


class Held:
    """What the company's Pipedrive holds at the clock's moment."""

    def __init__(self, company: Company, clock: Clock) -> None:
        self._company, self._clock = company, clock
        self._by_id = lru_cache(maxsize=4)(self._look_up)
        self._stage_ids = {
            (pipeline.id, stage.id): 10 * PIPELINES[pipeline.id] + number
            for pipeline in company.pipelines
            for number, stage in enumerate(each for each in pipeline.stages if not each.is_closed)
        }
        self._outcomes = {
            stage.id: "won" if stage.probability == 1 else "lost"
            for pipeline in company.pipelines
            for stage in pipeline.stages
            if stage.is_closed
        }

    def _look_up(self, listing: str, now: datetime) -> dict[str, RecordView]:
        return {view.id: view for view in getattr(self._company, listing)(now)}

    def persons(self) -> list[dict[str, Any]]:
        return [self._person(view) for view in self._company.contacts_as_of(self._clock.now())]

    def _person(self, view: RecordView) -> dict[str, Any]:
        values = view.values
        own: dict[str, Any] = {field_key(name): values[name] for name in OF_CONTACTS if name in values}
        own |= {field_key(new): values[old] for old, new in RENAMED.items() if old in values and old != "stage"}
        own[field_key("Lifecycle stage")] = LIFECYCLE[values["stage"]]
        emails = [values["email"], *(loser.changes["email"][-1].value for loser in view.absorbed)]
        return {
            "id": int(view.id),
            "name": f"{values['first_name']} {values['last_name']}",
            "first_name": values["first_name"],
            "last_name": values["last_name"],
            "owner_id": int(values["owner"]) if "owner" in values else None,
            "org_id": None,
            "add_time": seconds(view.created_at),
            "update_time": seconds(view.updated_at),
            "emails": [{"label": "work", "value": each, "primary": not n} for n, each in enumerate(emails)],
            "phones": [{"label": "work", "value": values.get("phone", ""), "primary": True}],
            "is_deleted": False,
            "visible_to": 3,
            "label_ids": [],
            "custom_fields": own,
        }

    def deals(self, status: str) -> list[dict[str, Any]]:
        wanted, now = status.split(","), self._clock.now()
        live = [self._deal(view, False) for view in self._company.deals_as_of(now)]
        found = [deal for deal in live if deal["status"] in wanted]
        if "deleted" in wanted:
            gone = self._company.deals_as_of(now, archived=True)
            found += [self._deal(v, True) for v in gone if v.archived_at and v.archived_at > now - DELETED_SHOWN]
        return found

    def _deal(self, view: RecordView, is_deleted: bool) -> dict[str, Any]:
        values, stages = view.values, view.history["stage"]
        status = self._outcomes.get(values["stage"], "open")
        closed = stages[0].at if status != "open" else None
        # what was closed at once (a refund) stands in the last stage of its pipeline
        last = [stage for pipeline, stage in self._stage_ids if pipeline == values["pipeline"]][-1]
        open_stage = next((change.value for change in stages if change.value not in self._outcomes), last)
        contacts = sorted(view.associations.get("contacts", ()), key=lambda each: not each.is_primary)
        companies = view.associations.get("companies", ())
        own = {
            field_key(n): values[o]
            for n, o in (("product", "product"), ("refund_of_deal_id", "refund_of"))
            if o in values
        }
        return {
            "id": int(view.id),
            "title": values["name"],
            "owner_id": int(values["owner"]) if "owner" in values else None,
            "person_id": int(contacts[0].to_id) if contacts else None,
            "org_id": int(companies[0].to_id) if companies else None,
            "pipeline_id": PIPELINES[values["pipeline"]],
            "stage_id": self._stage_ids[values["pipeline"], open_stage],
            "value": values.get("amount", 0),
            "currency": values["currency"],
            "add_time": seconds(view.created_at),
            "update_time": seconds(view.archived_at if is_deleted else view.updated_at),
            "stage_change_time": seconds(stages[0].at),
            "is_deleted": is_deleted,
            "is_archived": False,
            "status": "deleted" if is_deleted else status,
            "probability": None,
            "lost_reason": None,
            "visible_to": 3,
            "close_time": seconds(closed),
            "won_time": seconds(closed) if status == "won" else None,
            "lost_time": seconds(closed) if status == "lost" else None,
            "expected_close_date": None,
            "label_ids": [],
            "custom_fields": own,
        }

    def users(self) -> list[dict[str, Any]]:
        now = self._clock.now()
        return [
            {
                "id": int(owner.id),
                "name": f"{owner.first_name} {owner.last_name}",
                "email": owner.email,
                "active_flag": owner.archived_at is None or owner.archived_at > now,
                "created": f"{owner.created_at:%Y-%m-%d %H:%M:%S}",
                "modified": f"{owner.updated_at:%Y-%m-%d %H:%M:%S}",
            }
            for owner in self._company.owners
        ]

    def pipelines(self) -> list[dict[str, Any]]:
        return [{"id": PIPELINES[each.id], "name": each.label, "is_deleted": False} for each in self._company.pipelines]

    def stages(self) -> list[dict[str, Any]]:
        return [
            {
                "id": self._stage_ids[pipeline.id, stage.id],
                "name": stage.label,
                "pipeline_id": PIPELINES[pipeline.id],
                "order_nr": stage.display_order,
                "is_deleted": False,
                "add_time": seconds(pipeline.created_at),
                "update_time": seconds(pipeline.updated_at),
            }
            for pipeline in self._company.pipelines
            for stage in pipeline.stages
            if not stage.is_closed
        ]

    def person_changes(self, record_id: str) -> list[dict[str, Any]] | None:
        views = self._by_id("contacts_as_of", self._clock.now())
        if record_id not in views:
            return None
        return list(_changes(views[record_id], field_key("Lifecycle stage"), lambda stage: str(LIFECYCLE[stage])))

    def deal_changes(self, record_id: str) -> list[dict[str, Any]] | None:
        views = self._by_id("deals_as_of", self._clock.now())
        if record_id not in views:
            return None
        view = views[record_id]
        ids = {
            stage: str(number)
            for (pipeline, stage), number in self._stage_ids.items()
            if pipeline == view.values["pipeline"]
        }
        return [each for each in _changes(view, "stage_id", ids.get) if each["new_value"] is not None]


def _changes(view: RecordView, key: str, written: Callable[[str], str | None]) -> Iterator[dict[str, Any]]:
    """Newest first, as the vendor lists them; the first value is a change from nothing."""
    past = view.history["stage"]
    for newer, older in zip(past, [*past[1:], None], strict=True):
        yield {
            "field_key": key,
            "old_value": written(older.value) if older else None,
            "new_value": written(newer.value),
            "actor_user_id": 1,
            "time": f"{newer.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
            "change_source": "app",
            "is_bulk_update_flag": False,
        }
