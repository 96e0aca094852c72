"""The sandbox's HubSpot: CRM objects, search, associations, owners, pipelines, forms, as HubSpot answers.

Every property is a string or null. Search has its own page size and its cap; it shows no archived record, no
history and no associations, and orders equal values as it likes. A property that the portal does not have is
passed over in silence. What HubSpot refuses is refused with its status, category and headers.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import count
from operator import ge, gt, le, lt
from typing import TYPE_CHECKING, Any
from zlib import crc32

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from dagster_project.sandbox import company as kontorra
from dagster_project.sandbox.faults import Answer, FaultAnswers, Faults

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from dagster_project.sandbox.company import Change, Company, Form, Owner, Pipeline, RecordView, Submission
    from dagster_project.sandbox.server import Clock

VENDOR = "hubspot"
SEARCH_CAP = 10_000
SEARCH_PAGE, LIST_PAGE, LIST_PAGE_WITH_HISTORY = 200, 100, 50
BATCH_READ, BATCH_READ_WITH_HISTORY = 100, 50
ASSOCIATIONS_BATCH, ASSOCIATIONS_PAGE = 1_000, 500
FORMS_PAGE, SUBMISSIONS_PAGE = 500, 50
LONGEST_URL = 16_000
DAILY_LIMIT, BURST_LIMIT = 650_000, 190  # of a private app in a Professional account; burst in 10 seconds

TYPES = {
    "contacts": "contacts",
    "0-1": "contacts",
    "deals": "deals",
    "0-3": "deals",
    "companies": "companies",
}
CURSORS = {"contacts": "lastmodifieddate", "deals": "hs_lastmodifieddate", "companies": "hs_lastmodifieddate"}
# Sent whether asked for or not.
ALWAYS = {
    "contacts": ("createdate", "hs_object_id", "lastmodifieddate"),
    "deals": ("createdate", "hs_lastmodifieddate", "hs_object_id"),
    "companies": ("createdate", "hs_lastmodifieddate", "hs_object_id"),
}
# Sent when nothing is asked for.
BY_DEFAULT = {
    "contacts": ("email", "firstname", "lastname"),
    "deals": ("amount", "closedate", "dealname", "dealstage", "pipeline"),
    "companies": ("domain", "name"),
}
# Standard properties that a portal has even if no record of it has a value.
STANDARD = {
    "contacts": (
        "country", "email", "firstname", "lastname", "phone", "mobilephone", "lifecyclestage",
        "hubspot_owner_id",
        "hs_analytics_source", "hs_analytics_source_data_1", "hs_analytics_source_data_2",
        "hs_analytics_first_url", "hs_analytics_last_url", "hs_analytics_first_timestamp",
        "hs_analytics_first_visit_timestamp", "hs_analytics_first_referrer", "first_conversion_event_name",
        "hs_country_region_code", "ip_country_code",
        "hs_google_click_id", "hs_facebook_click_id", "hs_bing_click_id", "hs_linkedin_click_id",
        "hs_tiktok_click_id", "hs_merged_object_ids", "hs_v2_date_entered_current_stage",
    ),
    "deals": (
        "amount", "closedate", "dealname", "dealstage", "deal_currency_code", "pipeline", "hubspot_owner_id",
        "hs_is_closed", "hs_is_closed_won", "hs_deal_stage_probability", "hs_merged_object_ids",
    ),
    "companies": ("domain", "name", "industry", "hs_merged_object_ids"),
}  # fmt: skip
NUMBERS = {"hs_object_id", "amount", "hs_deal_stage_probability"}
CALCULATED = (
    "hs_is_closed",
    "hs_is_closed_won",
    "hs_deal_stage_probability",
    "hs_v2_date_entered_current_stage",
)
MOMENTS = (
    "createdate",
    "closedate",
    "lastmodifieddate",
    "hs_lastmodifieddate",
    "hs_analytics_first_timestamp",
)

# HubSpot's own association types, and the label that the company has made for the main contact of a deal.
DEAL_TO_CONTACT = {"category": "HUBSPOT_DEFINED", "typeId": 3, "label": None}
DEAL_TO_PRIMARY_CONTACT = {"category": "USER_DEFINED", "typeId": 28, "label": "Primary contact"}
DEAL_TO_COMPANY = {"category": "HUBSPOT_DEFINED", "typeId": 341, "label": None}
DEAL_TO_PRIMARY_COMPANY = {"category": "HUBSPOT_DEFINED", "typeId": 5, "label": "Primary"}
ASSOCIATION_TYPES = {
    "contacts": (DEAL_TO_CONTACT, DEAL_TO_PRIMARY_CONTACT),
    "companies": (DEAL_TO_COMPANY, DEAL_TO_PRIMARY_COMPANY),
}


# ---- refusals ----------------------------------------------------------------------------------------------


@dataclass
class Refusal(Exception):
    """What HubSpot says instead of data."""

    status: int
    message: str
    category: str = "VALIDATION_ERROR"
    more: Mapping[str, Any] | None = None

    def body(self) -> dict[str, Any]:
        return {
            "status": "error",
            "message": self.message,
            "correlationId": _CORRELATION_ID,
            "category": self.category,
            **(self.more or {}),
        }


_CORRELATION_ID = "de61843f-b3ab-4bc1-8c54-358e37eb0621"
_DAILY_HEADERS = {
    "X-HubSpot-RateLimit-Daily": str(DAILY_LIMIT),
    "X-HubSpot-RateLimit-Daily-Remaining": "649998",
}
_UNAUTHENTICATED = Refusal(
    401,
    "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find more "
    "details at https://developers.hubspot.com/docs/methods/auth/oauth-overview",
    "INVALID_AUTHENTICATION",
)
_EXPIRED = Refusal(401, "The OAuth token used to make this call expired 2 hour(s) ago.", "EXPIRED_AUTHENTICATION")
# Search has a limit of its own and another error body. Neither says how long to wait.
_SEARCH_THROTTLED = Answer(
    429, Refusal(429, "You have reached your secondly limit.", "RATE_LIMITS").body(), _DAILY_HEADERS
)
_THROTTLED = Answer(
    429,
    {
        "status": "error",
        "message": "You have reached your secondly limit.",
        "errorType": "RATE_LIMIT",
        "correlationId": _CORRELATION_ID,
        "policyName": "SECONDLY",
        "requestId": _CORRELATION_ID,
    },
    _DAILY_HEADERS,
)


def _throttled(call: str) -> Answer:
    return _SEARCH_THROTTLED if call.endswith("/search") else _THROTTLED


FAULT_ANSWERS: FaultAnswers = {
    "throttle": _throttled,
    "server_error": Answer(502, "<html><body><h1>502 Bad Gateway</h1></body></html>"),
    "expired_token": Answer(401, _EXPIRED.body()),
}


def missing_scope(*scopes: str) -> Refusal:
    """403 for a token that lacks a right."""
    return Refusal(
        403,
        "This app hasn't been granted all required scopes to make this call. Read more about required scopes "
        "here: https://developers.hubspot.com/scopes.",
        "MISSING_SCOPES",
        {
            "errors": [
                {
                    "message": "One or more of the following scopes are required.",
                    "context": {"requiredGranularScopes": list(scopes)},
                }
            ],
            "links": {"scopes": "https://developers.hubspot.com/scopes"},
        },
    )


# ---- the application ---------------------------------------------------------------------------------------


def app(
    company: Company,
    clock: Clock,
    faults: Faults,
    *,
    search_cap: int = SEARCH_CAP,
    index_lag: timedelta = timedelta(0),
    denied: Mapping[str, tuple[str, ...]] | None = None,
) -> ASGIApp:
    """HubSpot over the company, as of the clock.

    For tests: `search_cap`, fewer rows a search; `index_lag`, how late search shows a change; `denied`, start
    of a path -> the scopes that the token lacks for it.
    """
    portal = Portal(company, clock, faults, search_cap, index_lag)
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
            route("/crm/v3/objects/{object_type}", "GET", portal.list),
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
    if request.headers.get("authorization") != f"Bearer {kontorra.HUBSPOT_ACCESS_TOKEN}":
        raise _UNAUTHENTICATED
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

    def __init__(self, company: Company, clock: Clock, faults: Faults, search_cap: int, index_lag: timedelta) -> None:
        self._company, self._clock, self._faults = company, clock, faults
        self._search_cap, self._index_lag = search_cap, index_lag
        # To look at the whole company for each page would be slow, and its clock stands still.
        self._seen_at = lru_cache(maxsize=12)(self._look)
        self._names_at = lru_cache(maxsize=12)(self._look_up)
        self._submitted_at = lru_cache(maxsize=2)(company.submissions_as_of)

    # ---- the account -------------------------------------------------------------------------------------

    def details(self, _query: Mapping[str, str]) -> dict[str, Any]:
        return {
            "portalId": int(kontorra.HUBSPOT_PORTAL_ID),
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
        kind = _kind(object_type)
        return {"results": [_definition(name) for name in sorted(self._names_at(kind, self._clock.now()))]}

    def _look_up(self, kind: str, now: datetime) -> set[str]:
        names = {*STANDARD[kind], *ALWAYS[kind], *BY_DEFAULT[kind]}
        for archived in (False, True):
            for view in self._seen_at(kind, now, archived):
                names.update(view.properties)
        return names

    # ---- objects -----------------------------------------------------------------------------------------

    def list(self, query: Mapping[str, str], object_type: str) -> dict[str, Any]:
        kind = _kind(object_type)
        names, history = _names(query.get("properties")), _names(query.get("propertiesWithHistory"))
        limit = _whole(query, "limit", 10, 1, LIST_PAGE_WITH_HISTORY if history else LIST_PAGE)
        views = self._views(kind, archived=query.get("archived") == "true")
        views = self._faults.shorten(VENDOR, views, f"GET /crm/v3/objects/{object_type}")
        after = _whole(query, "after", 0, 0)
        start = next((n for n, view in enumerate(views) if int(view.id) > after), len(views))
        page = self._page(views, start, limit, f"GET /crm/v3/objects/{object_type}")
        results = [self._record(kind, view, names, history) for view in page]
        if start + limit >= len(views):
            return {"results": results}
        last = views[start + limit - 1].id
        return {"results": results, "paging": {"next": {"after": last, "link": f"?after={last}"}}}

    def search(self, _query: Mapping[str, str], object_type: str, body: Any) -> dict[str, Any]:
        kind = _kind(object_type)
        if not isinstance(body, dict):
            raise Refusal(400, "Invalid input JSON")
        limit, after = _whole(body, "limit", 10, 1, SEARCH_PAGE), _whole(body, "after", 0, 0)
        if after >= self._search_cap or after + limit > self._search_cap:
            raise Refusal(
                400,
                f"There was a problem with the request. Paging beyond {self._search_cap} is not possible.",
            )
        matching = [
            view
            for view in self._views(kind, ago=self._index_lag)
            if any(all(_holds(view, each) for each in group) for group in _filter_groups(body))
        ]
        matching = _sorted(matching, body.get("sorts") or [])
        matching = self._faults.shorten(VENDOR, matching, f"POST /crm/v3/objects/{object_type}/search")
        page = self._page(matching, after, limit, f"POST /crm/v3/objects/{object_type}/search")
        answer: dict[str, Any] = {
            "total": len(matching),
            "results": [self._record(kind, view, body.get("properties") or [], None) for view in page],
        }
        if after + limit < len(matching):
            answer["paging"] = {"next": {"after": str(after + limit)}}
        return answer

    def batch_read(self, query: Mapping[str, str], object_type: str, body: Any) -> dict[str, Any]:
        kind = _kind(object_type)
        history = _listed(body, "propertiesWithHistory")
        ids = _ids(body, BATCH_READ_WITH_HISTORY if history else BATCH_READ)
        by_id = {view.id: view for view in self._views(kind, archived=query.get("archived") == "true")}
        views = [by_id[each] for each in dict.fromkeys(ids) if each in by_id]
        missing = [each for each in ids if each not in by_id]
        answer = _batch([self._record(kind, view, _listed(body, "properties"), history) for view in views])
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
        kind, to = _kind(from_type), _kind(to_type)
        plain, primary = ASSOCIATION_TYPES.get(to, (DEAL_TO_CONTACT, DEAL_TO_PRIMARY_CONTACT))
        _ids(body, ASSOCIATIONS_BATCH)
        by_id = {view.id: view for view in self._views(kind)}
        results, none = [], []
        for each in body["inputs"]:
            view = by_id.get(str(each["id"]))
            found = list(view.associations.get(to, ())) if view else []
            if not found:
                none.append(str(each["id"]))
                continue
            start = _whole(each, "after", 0, 0)
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
        answer = _batch(results)
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
        views = getattr(self._company, f"{kind}_as_of")(now, archived=archived)
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
            "createdAt": _iso(view.created_at),
            "updatedAt": _iso(view.updated_at),
            "archived": view.archived,
        }
        if view.archived_at:
            record["archivedAt"] = _iso(view.archived_at)
        if history:
            record["propertiesWithHistory"] = {
                name: [_past(change) for change in view.history.get(name, ())] for name in history if name in known
            }
        if self._faults.take(VENDOR, "unknown_field", f"/crm/v3/objects/{kind}"):
            record["dataQualityScore"] = 87
        return record

    # ---- lists -------------------------------------------------------------------------------------------

    def owners(self, query: Mapping[str, str]) -> dict[str, Any]:
        owners = self._company.owners_as_of(self._clock.now(), archived=query.get("archived") == "true")
        return self._by_offset(query, [_owner(owner) for owner in owners], 100, 500, "GET /crm/v3/owners")

    def pipelines(self, _query: Mapping[str, str], object_type: str) -> dict[str, Any]:
        if _kind(object_type) != "deals":
            raise Refusal(404, f"No pipelines of {object_type}", "OBJECT_NOT_FOUND")
        return {"results": [_pipeline(pipeline) for pipeline in self._company.pipelines]}

    def forms(self, query: Mapping[str, str]) -> dict[str, Any]:
        archived = query.get("archived") == "true"
        wanted = query.get("formTypes", "hubspot").split(",")
        forms = [
            _form(form, archived)
            for form in self._company.forms_as_of(self._clock.now(), archived=archived)
            if "all" in wanted or form.form_type in wanted
        ]
        return self._by_offset(query, forms, 20, FORMS_PAGE, "GET /marketing/v3/forms")

    def submissions(self, query: Mapping[str, str], form_id: str) -> dict[str, Any]:
        now = self._clock.now()
        forms = [*self._company.forms_as_of(now), *self._company.forms_as_of(now, archived=True)]
        form = next((form for form in forms if form.id == form_id), None)
        if form is None:
            raise Refusal(404, f"No form with id {form_id}", "OBJECT_NOT_FOUND")
        if form.form_type == "blog_comment":
            kind = {
                "message": "Submissions of this form type are not available.",
                "errorType": "FORM_TYPE_NOT_ALLOWED",
            }
            raise Refusal(400, "Form type is not allowed", more={"errors": [kind]})
        found = [_submission(each) for each in self._submitted_at(now) if each.form_id == form_id]
        path = f"GET /form-integrations/v1/submissions/forms/{form_id}"
        return self._by_offset(query, found, 20, SUBMISSIONS_PAGE, path)

    def _by_offset(
        self, query: Mapping[str, str], rows: Sequence[Any], limit: int, most: int, path: str
    ) -> dict[str, Any]:
        limit, start = _whole(query, "limit", limit, 1, most), _from_token(query.get("after"))
        rows = self._faults.shorten(VENDOR, rows, path)
        answer: dict[str, Any] = {"results": self._page(rows, start, limit, path)}
        if start + limit < len(rows):
            answer["paging"] = {"next": {"after": _token(start + limit)}}
        return answer


# ---- reading what is asked ---------------------------------------------------------------------------------


def _kind(object_type: str) -> str:
    if object_type not in TYPES:
        raise Refusal(400, f"Unable to infer object type from: {object_type}")
    return TYPES[object_type]


def _names(text: str | None) -> list[str]:
    return [name for name in (text or "").split(",") if name]


def _whole(holder: Mapping[str, Any], name: str, default: int, least: int, most: int | None = None) -> int:
    value = holder.get(name)
    if value in (None, ""):
        return default
    try:
        number = int(value)
    except (TypeError, ValueError):
        raise Refusal(400, f"Invalid input: {name} {value!r} is not a number") from None
    if number < least or (most is not None and number > most):
        raise Refusal(400, f"Invalid input: {name} {number} must be between {least} and {most}")
    return number


def _listed(body: Any, name: str) -> list[str]:
    return list(body.get(name) or []) if isinstance(body, dict) else []


def _ids(body: Any, most: int) -> list[str]:
    inputs = body.get("inputs") if isinstance(body, dict) else None
    if not isinstance(inputs, list) or not all(isinstance(each, dict) and "id" in each for each in inputs):
        raise Refusal(400, "Invalid input JSON: inputs is a list of objects with an id")
    if not 1 <= len(inputs) <= most:
        raise Refusal(400, f"Invalid input: {len(inputs)} inputs, the maximum is {most}")
    return [str(each["id"]) for each in inputs]


def _filter_groups(body: Mapping[str, Any]) -> list[list[Mapping[str, Any]]]:
    groups = [group.get("filters") or [] for group in body.get("filterGroups") or []]
    groups = groups or [list(body.get("filters") or [])]
    if len(groups) > 5 or any(len(group) > 6 for group in groups) or sum(map(len, groups)) > 18:
        raise Refusal(400, "Too many filters: at most 5 groups of 6 filters, 18 in all")
    return groups


_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {"GT": gt, "GTE": ge, "LT": lt, "LTE": le}


def _holds(view: RecordView, condition: Mapping[str, Any]) -> bool:
    name, operator = condition.get("propertyName", ""), condition.get("operator")
    value = _comparable(name, view.properties.get(name))
    if operator == "HAS_PROPERTY":
        return value is not None
    if operator == "NOT_HAS_PROPERTY":
        return value is None
    if operator in ("IN", "NOT_IN"):
        within = value in [_comparable(name, each) for each in condition.get("values") or []]
        return within == (operator == "IN")
    wanted = _comparable(name, condition.get("value"))
    if wanted is None:
        raise Refusal(400, f"Invalid filter: {operator} of {name} needs a value")
    if operator in ("EQ", "NEQ"):
        return (value == wanted) == (operator == "EQ")
    if operator == "BETWEEN":
        return value is not None and wanted <= value <= _comparable(name, condition.get("highValue"))
    if operator not in _COMPARISONS:
        raise Refusal(400, f"Invalid filter: operator {operator!r}")
    return value is not None and _COMPARISONS[operator](value, wanted)


def _comparable(name: str, value: Any) -> Any:
    """Numbers by size, moments by their millisecond, all else by its lower-case text."""
    if value in (None, ""):
        return None
    if name in NUMBERS:
        return float(value)
    if name in MOMENTS or name.startswith("hs_v2_date_entered_"):
        text = str(value)
        return int(text) if text.lstrip("-").isdigit() else _milliseconds(datetime.fromisoformat(text))
    return str(value).lower()


def _sorted(views: Sequence[RecordView], sorts: Sequence[Mapping[str, str]]) -> list[RecordView]:
    """By the one property asked for. Where it is equal, in an order that nobody may rely on."""
    if len(sorts) > 1:
        raise Refusal(400, "Only one sort is allowed")
    shuffled = sorted(views, key=lambda view: crc32(view.id.encode()))
    for each in sorts:
        name = each["propertyName"]
        having = [view for view in shuffled if view.properties.get(name) not in (None, "")]
        without = [view for view in shuffled if view.properties.get(name) in (None, "")]
        having.sort(
            key=lambda view: _comparable(name, view.properties[name]),
            reverse=each.get("direction") == "DESCENDING",
        )
        shuffled = having + without
    return shuffled


def _token(offset: int) -> str:
    return base64.urlsafe_b64encode(f"offset:{offset}".encode()).decode().rstrip("=")


def _from_token(token: str | None) -> int:
    if not token:
        return 0
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
        return int(text.removeprefix("offset:"))
    except (binascii.Error, ValueError):
        raise Refusal(400, f"Invalid paging token {token!r}") from None


# ---- saying what there is ----------------------------------------------------------------------------------


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _past(change: Change) -> dict[str, Any]:
    return {"value": change.value or "", "timestamp": _iso(change.at), "sourceType": change.source_type}


def _batch(results: list[dict[str, Any]]) -> dict[str, Any]:
    moment = "2026-01-01T00:00:00.000Z"
    return {"status": "COMPLETE", "results": results, "startedAt": moment, "completedAt": moment}


def _definition(name: str) -> dict[str, Any]:
    is_moment = name in MOMENTS or name.startswith("hs_v2_date_entered_")
    kind = "datetime" if is_moment else "number" if name in NUMBERS else "string"
    return {
        "name": name,
        "label": name.replace("_", " ").capitalize(),
        "type": kind,
        "fieldType": {"datetime": "date", "number": "number"}.get(kind, "text"),
        "groupName": "information",
        "options": [],
        "displayOrder": -1,
        "calculated": name in CALCULATED,
        "externalOptions": False,
        "hasUniqueValue": name == "email",
        "hidden": False,
        "hubspotDefined": True,
        "formField": False,
    }


def _owner(owner: Owner) -> dict[str, Any]:
    is_archived = owner.archived_at is not None
    return {
        "id": owner.id,
        "email": owner.email,
        "type": "PERSON",
        "firstName": owner.first_name,
        "lastName": owner.last_name,
        # A person who left is no user any more.
        **({} if is_archived else {"userId": int(owner.user_id)}),
        "userIdIncludingInactive": int(owner.user_id),
        "createdAt": _iso(owner.created_at),
        "updatedAt": _iso(owner.updated_at),
        "archived": is_archived,
    }


def _pipeline(pipeline: Pipeline) -> dict[str, Any]:
    moments = {"createdAt": _iso(pipeline.created_at), "updatedAt": _iso(pipeline.updated_at)}
    return {
        "label": pipeline.label,
        "displayOrder": pipeline.display_order,
        "id": pipeline.id,
        "stages": [
            {
                "label": stage.label,
                "displayOrder": stage.display_order,
                "metadata": {"isClosed": str(stage.is_closed).lower(), "probability": str(stage.probability)},
                "id": stage.id,
                **moments,
                "archived": False,
                "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
            }
            for stage in pipeline.stages
        ],
        **moments,
        "archived": False,
    }


def _form(form: Form, archived: bool) -> dict[str, Any]:
    return {
        "id": form.id,
        "name": form.name,
        "createdAt": _iso(form.created_at),
        "updatedAt": _iso(form.updated_at),
        "archived": archived,
        "fieldGroups": [],
        "configuration": {"language": "en"},
        "displayOptions": {"renderRawHtml": False},
        "legalConsentOptions": {"type": "none"},
        "formType": form.form_type,
    }


def _submission(submission: Submission) -> dict[str, Any]:
    return {
        "conversionId": submission.conversion_id,
        "submittedAt": _milliseconds(submission.submitted_at),
        "values": [{"name": name, "value": value, "objectTypeId": "0-1"} for name, value in submission.values],
        "pageUrl": submission.page_url,
    }
