"""The sandbox's HubSpot: CRM objects, search, associations, owners, pipelines, forms, as HubSpot answers.

Every property is a string or null. Search has its own page size and its cap; it shows no archived record, no
history and no associations, and orders equal values as it likes. A property that the portal does not have is
passed over in silence. What HubSpot refuses is refused with its status, category and headers.

What the portal holds stands in `records.py`, how it is set up in `portal.py`, what is asked in `questions.py`, what is
said in `answers.py` and `refusals.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import count
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from dagster_project.sandbox import company as kontorra
from dagster_project.sandbox.endpoints import Served
from dagster_project.sandbox.faults import Faults
from dagster_project.sources.hubspot.sandbox.answers import (
    batch,
    definition,
    form_json,
    owner_json,
    past,
    pipeline_json,
    submission_json,
)
from dagster_project.sources.hubspot.sandbox.portal import ACCESS_TOKEN, ALWAYS, BY_DEFAULT, PORTAL_ID, STANDARD
from dagster_project.sources.hubspot.sandbox.questions import (
    filter_groups,
    from_token,
    holds,
    ids_in,
    in_order,
    kind_of,
    listed,
    names_in,
    token,
    whole,
)
from dagster_project.sources.hubspot.sandbox.records import Records, RecordView, iso
from dagster_project.sources.hubspot.sandbox.refusals import (
    BURST_LIMIT,
    DAILY_LIMIT,
    FAULT_ANSWERS,
    UNAUTHENTICATED,
    Refusal,
    missing_scope,
)

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from dagster_project.sandbox.company import Company
    from dagster_project.sandbox.server import Clock

__all__ = ["ACCESS_TOKEN", "FAULT_ANSWERS", "PORTAL_ID", "app", "missing_scope", "variables"]

VENDOR = "hubspot"
SEARCH_CAP = 10_000
SEARCH_PAGE, LIST_PAGE, LIST_PAGE_WITH_HISTORY = 200, 100, 50
BATCH_READ, BATCH_READ_WITH_HISTORY = 100, 50
ASSOCIATIONS_BATCH, ASSOCIATIONS_PAGE = 1_000, 500
FORMS_PAGE, SUBMISSIONS_PAGE = 500, 50
LONGEST_URL = 16_000
# HubSpot's own association types, and the label that the company has made for the main contact of a deal.
DEAL_TO_CONTACT = {"category": "HUBSPOT_DEFINED", "typeId": 3, "label": None}
DEAL_TO_PRIMARY_CONTACT = {"category": "USER_DEFINED", "typeId": 28, "label": "Primary contact"}
DEAL_TO_COMPANY = {"category": "HUBSPOT_DEFINED", "typeId": 341, "label": None}
DEAL_TO_PRIMARY_COMPANY = {"category": "HUBSPOT_DEFINED", "typeId": 5, "label": "Primary"}
ASSOCIATION_TYPES = {
    "contacts": (DEAL_TO_CONTACT, DEAL_TO_PRIMARY_CONTACT),
    "companies": (DEAL_TO_COMPANY, DEAL_TO_PRIMARY_COMPANY),
}


# ---- the application ---------------------------------------------------------------------------------------


def variables(served: Served) -> dict[str, str]:
    return {"HUBSPOT_ACCESS_TOKEN": ACCESS_TOKEN, "HUBSPOT_BASE_URL": served.at}


def app(
    company: Company,
    clock: Clock,
    faults: Faults,
    *,
    search_cap: int = SEARCH_CAP,
    index_lag: timedelta = timedelta(0),
    denied: Mapping[str, tuple[str, ...]] | None = None,
    records: Records | None = None,
) -> ASGIApp:
    """HubSpot over the company, as of the clock.

    For tests: `search_cap`, fewer rows a search; `index_lag`, how late search shows a change; `denied`, start
    of a path -> the scopes that the token lacks for it; `records`, what the portal holds instead of the company's.
    """
    portal = Portal(records or Records(company), clock, faults, search_cap, index_lag)
    requests = count(1)

    def route(path: str, method: str, answer: Callable[..., Any]) -> Route:
        async def endpoint(request: Request) -> JSONResponse:
            body = await _json(request) if method == "POST" else {}
            number = next(requests)
            try:
                _admit(request, denied or {})
                arguments = {**request.path_params, **({"body": body} if method == "POST" else {})}
                content = await run_in_threadpool(answer, request.query_params, **arguments)
                status = 207 if isinstance(content, dict) and content.get("numErrors") else 200
                return JSONResponse(content, status, _limits(number, is_search=path.endswith("/search")))
            except Refusal as refusal:
                return JSONResponse(refusal.body(), refusal.status, _limits(number, is_search=False))

        return Route(path, endpoint, methods=[method])

    return Starlette(
        routes=[
            route("/account-info/v3/details", "GET", portal.details),
            route("/crm/v3/properties/{object_type}", "GET", portal.properties),
            route("/crm/v3/objects/{object_type}", "GET", portal.list_records),
            route("/crm/v3/objects/{object_type}/search", "POST", portal.search),
            route("/crm/v3/objects/{object_type}/batch/read", "POST", portal.batch_read),
            route("/crm/v4/associations/{from_type}/{to_type}/batch/read", "POST", portal.associations),
            route("/crm/v3/owners", "GET", portal.owners),
            route("/crm/v3/pipelines/{object_type}", "GET", portal.pipelines),
            route("/marketing/v3/forms", "GET", portal.forms),
            route("/form-integrations/v1/submissions/forms/{form_id}", "GET", portal.submissions),
        ]
    )


async def _json(request: Request) -> Any:
    try:
        return await request.json()
    except ValueError:
        return None


def _admit(request: Request, denied: Mapping[str, tuple[str, ...]]) -> None:
    if len(request.url.path) + len(request.url.query) > LONGEST_URL:
        raise Refusal(414, "URI Too Long")
    if request.headers.get("authorization") != f"Bearer {ACCESS_TOKEN}":
        raise UNAUTHENTICATED
    for start, scopes in denied.items():
        if request.url.path.startswith(start):
            raise missing_scope(*scopes)


def _limits(number: int, *, is_search: bool) -> dict[str, str]:
    """The rate-limit headers; search leaves out those of the burst."""
    daily = {
        "X-HubSpot-RateLimit-Daily": str(DAILY_LIMIT),
        "X-HubSpot-RateLimit-Daily-Remaining": str(DAILY_LIMIT - number),
    }
    if is_search:
        return daily
    return daily | {
        "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
        "X-HubSpot-RateLimit-Max": str(BURST_LIMIT),
        "X-HubSpot-RateLimit-Remaining": str(BURST_LIMIT - number % BURST_LIMIT),
    }


class Portal:
    """The endpoints: query parameters, path and body in, JSON out. Raises Refusal."""

    def __init__(self, records: Records, clock: Clock, faults: Faults, search_cap: int, index_lag: timedelta) -> None:
        self._records, self._clock, self._faults = records, clock, faults
        self._search_cap, self._index_lag = search_cap, index_lag
        # To look at the whole company for each page would be slow, and its clock stands still.
        self._seen_at = lru_cache(maxsize=12)(self._look)
        self._names_at = lru_cache(maxsize=12)(self._look_up)
        self._submitted_at = lru_cache(maxsize=2)(records.submissions_as_of)

    # ---- the account -------------------------------------------------------------------------------------

    def details(self, _query: Mapping[str, str]) -> dict[str, Any]:
        return {
            "portalId": int(PORTAL_ID),
            "accountType": "STANDARD",
            "timeZone": kontorra.TIME_ZONE,
            "companyCurrency": kontorra.CURRENCY,
            "additionalCurrencies": ["USD"],
            "utcOffset": "+02:00",
            "utcOffsetMilliseconds": 7_200_000,
            "uiDomain": "app-eu1.hubspot.com",
            "dataHostingLocation": "eu1",
        }

    def properties(self, _query: Mapping[str, str], object_type: str) -> dict[str, Any]:
        kind = kind_of(object_type)
        return {"results": [definition(name) for name in sorted(self._names_at(kind, self._clock.now()))]}

    def _look_up(self, kind: str, now: datetime) -> set[str]:
        names = {*STANDARD[kind], *ALWAYS[kind], *BY_DEFAULT[kind]}
        for archived in (False, True):
            for view in self._seen_at(kind, now, archived):
                names.update(view.properties)
        return names

    # ---- objects -----------------------------------------------------------------------------------------

    def list_records(self, query: Mapping[str, str], object_type: str) -> dict[str, Any]:
        kind = kind_of(object_type)
        names, history = names_in(query.get("properties")), names_in(query.get("propertiesWithHistory"))
        limit = whole(query, "limit", 10, 1, LIST_PAGE_WITH_HISTORY if history else LIST_PAGE)
        views = self._views(kind, archived=query.get("archived") == "true")
        views = self._faults.shorten(VENDOR, views, f"GET /crm/v3/objects/{object_type}")
        after = whole(query, "after", 0, 0)
        start = next((n for n, view in enumerate(views) if int(view.id) > after), len(views))
        page = self._page(views, start, limit, f"GET /crm/v3/objects/{object_type}")
        results = [self._record(kind, view, names, history) for view in page]
        if start + limit >= len(views):
            return {"results": results}
        last = views[start + limit - 1].id
        return {"results": results, "paging": {"next": {"after": last, "link": f"?after={last}"}}}

    def search(self, _query: Mapping[str, str], object_type: str, body: Any) -> dict[str, Any]:
        kind = kind_of(object_type)
        if not isinstance(body, dict):
            raise Refusal(400, "Invalid input JSON")
        limit, after = whole(body, "limit", 10, 1, SEARCH_PAGE), whole(body, "after", 0, 0)
        if after >= self._search_cap or after + limit > self._search_cap:
            raise Refusal(
                400,
                f"There was a problem with the request. Paging beyond {self._search_cap} is not possible.",
            )
        matching = [
            view
            for view in self._views(kind, ago=self._index_lag)
            if any(all(holds(view, each) for each in group) for group in filter_groups(body))
        ]
        ordered = in_order(matching, body.get("sorts") or [])
        found = self._faults.shorten(VENDOR, ordered, f"POST /crm/v3/objects/{object_type}/search")
        page = self._page(found, after, limit, f"POST /crm/v3/objects/{object_type}/search")
        answer: dict[str, Any] = {
            "total": len(found),
            "results": [self._record(kind, view, body.get("properties") or [], None) for view in page],
        }
        if after + limit < len(found):
            answer["paging"] = {"next": {"after": str(after + limit)}}
        return answer

    def batch_read(self, query: Mapping[str, str], object_type: str, body: Any) -> dict[str, Any]:
        kind = kind_of(object_type)
        history = listed(body, "propertiesWithHistory")
        ids = ids_in(body, BATCH_READ_WITH_HISTORY if history else BATCH_READ)
        by_id = {view.id: view for view in self._views(kind, archived=query.get("archived") == "true")}
        views = [by_id[each] for each in dict.fromkeys(ids) if each in by_id]
        missing = [each for each in ids if each not in by_id]
        answer = batch([self._record(kind, view, listed(body, "properties"), history) for view in views])
        if missing:
            answer["numErrors"] = 1
            answer["errors"] = [
                {
                    "status": "error",
                    "category": "OBJECT_NOT_FOUND",
                    "message": f"Could not get some {kind} objects, they may be deleted or not exist.",
                    "context": {"ids": missing},
                }
            ]
        return answer

    def associations(self, _query: Mapping[str, str], from_type: str, to_type: str, body: Any) -> dict[str, Any]:
        kind, to = kind_of(from_type), kind_of(to_type)
        plain, primary = ASSOCIATION_TYPES.get(to, (DEAL_TO_CONTACT, DEAL_TO_PRIMARY_CONTACT))
        ids_in(body, ASSOCIATIONS_BATCH)
        by_id = {view.id: view for view in self._views(kind)}
        results, none = [], []
        for each in body["inputs"]:
            view = by_id.get(str(each["id"]))
            found = list(view.associations.get(to, ())) if view else []
            if not found:
                none.append(str(each["id"]))
                continue
            start = whole(each, "after", 0, 0)
            result: dict[str, Any] = {
                "from": {"id": str(each["id"])},
                "to": [
                    {
                        "toObjectId": int(one.to_id),
                        "associationTypes": [primary, plain] if one.is_primary else [plain],
                    }
                    for one in found[start : start + ASSOCIATIONS_PAGE]
                ],
            }
            if start + ASSOCIATIONS_PAGE < len(found):
                result["paging"] = {"next": {"after": str(start + ASSOCIATIONS_PAGE)}}
            results.append(result)
        answer = batch(results)
        if none:
            answer["numErrors"] = len(none)
            answer["errors"] = [
                {
                    "status": "error",
                    "category": "OBJECT_NOT_FOUND",
                    "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
                    "message": f"No {to} is associated with {kind} {each}.",
                    "context": {"fromObjectId": [each], "fromObjectType": [kind], "toObjectType": [to]},
                }
                for each in none
            ]
        return answer

    def _views(self, kind: str, *, archived: bool = False, ago: timedelta = timedelta(0)) -> Sequence[RecordView]:
        return self._seen_at(kind, self._clock.now() - ago, archived)

    def _look(self, kind: str, now: datetime, archived: bool) -> Sequence[RecordView]:
        views = getattr(self._records, f"{kind}_as_of")(now, archived=archived)
        return sorted(views, key=lambda view: int(view.id))

    def _page(self, rows: Sequence[Any], start: int, limit: int, path: str) -> list[Any]:
        return self._faults.repeat_last(VENDOR, rows, start, start + limit, path)

    def _record(
        self, kind: str, view: RecordView, names: Iterable[str], history: Sequence[str] | None
    ) -> dict[str, Any]:
        """`history`: the properties whose past values are given; None where the endpoint has none."""
        asked = list(names) or list(BY_DEFAULT[kind])
        known = self._names_at(kind, self._clock.now())
        record: dict[str, Any] = {
            "id": view.id,
            "properties": {
                name: view.properties.get(name) for name in sorted({*ALWAYS[kind], *asked}) if name in known
            },
            "createdAt": iso(view.created_at),
            "updatedAt": iso(view.updated_at),
            "archived": view.archived,
        }
        if view.archived_at:
            record["archivedAt"] = iso(view.archived_at)
        if history:
            record["propertiesWithHistory"] = {
                name: [past(change) for change in view.history.get(name, ())] for name in history if name in known
            }
        if self._faults.take(VENDOR, "unknown_field", f"/crm/v3/objects/{kind}"):
            record["dataQualityScore"] = 87
        return record

    # ---- lists -------------------------------------------------------------------------------------------

    def owners(self, query: Mapping[str, str]) -> dict[str, Any]:
        owners = self._records.owners_as_of(self._clock.now(), archived=query.get("archived") == "true")
        return self._by_offset(query, [owner_json(owner) for owner in owners], 100, 500, "GET /crm/v3/owners")

    def pipelines(self, _query: Mapping[str, str], object_type: str) -> dict[str, Any]:
        if kind_of(object_type) != "deals":
            raise Refusal(404, f"No pipelines of {object_type}", "OBJECT_NOT_FOUND")
        return {"results": [pipeline_json(pipeline) for pipeline in self._records.pipelines]}

    def forms(self, query: Mapping[str, str]) -> dict[str, Any]:
        archived = query.get("archived") == "true"
        wanted = query.get("formTypes", "hubspot").split(",")
        forms = [
            form_json(form, archived)
            for form in self._records.forms_as_of(self._clock.now(), archived=archived)
            if "all" in wanted or form.form_type in wanted
        ]
        return self._by_offset(query, forms, 20, FORMS_PAGE, "GET /marketing/v3/forms")

    def submissions(self, query: Mapping[str, str], form_id: str) -> dict[str, Any]:
        now = self._clock.now()
        forms = [*self._records.forms_as_of(now), *self._records.forms_as_of(now, archived=True)]
        form = next((form for form in forms if form.id == form_id), None)
        if form is None:
            raise Refusal(404, f"No form with id {form_id}", "OBJECT_NOT_FOUND")
        if form.form_type == "blog_comment":
            kind = {
                "message": "Submissions of this form type are not available.",
                "errorType": "FORM_TYPE_NOT_ALLOWED",
            }
            raise Refusal(400, "Form type is not allowed", more={"errors": [kind]})
        found = [submission_json(each) for each in self._submitted_at(now) if each.form_id == form_id]
        path = f"GET /form-integrations/v1/submissions/forms/{form_id}"
        return self._by_offset(query, found, 20, SUBMISSIONS_PAGE, path)

    def _by_offset(
        self, query: Mapping[str, str], rows: Sequence[Any], limit: int, most: int, path: str
    ) -> dict[str, Any]:
        limit, start = whole(query, "limit", limit, 1, most), from_token(query.get("after"))
        rows = self._faults.shorten(VENDOR, rows, path)
        answer: dict[str, Any] = {"results": self._page(rows, start, limit, path)}
        if start + limit < len(rows):
            answer["paging"] = {"next": {"after": token(start + limit)}}
        return answer
