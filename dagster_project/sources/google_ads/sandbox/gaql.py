"""Google's query language as the sandbox reads it, and the way Google refuses.

SELECT, FROM, conditions joined by AND, ORDER BY and LIMIT; fields are checked against those that each
resource has. What Google would not accept is raised as a `Refusal` with Google's code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from starlette.responses import JSONResponse

# ---- errors ------------------------------------------------------------------------------------------------

_HTTP = {
    "INVALID_ARGUMENT": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "UNAVAILABLE": 503,
}
_SAYS = {
    "INVALID_ARGUMENT": "Request contains an invalid argument.",
    "UNAUTHENTICATED": (
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or "
        "other valid authentication credential."
    ),
    "PERMISSION_DENIED": "The caller does not have permission",
    "RESOURCE_EXHAUSTED": "Resource has been exhausted (e.g. check quota).",
    "UNAVAILABLE": "The service is currently unavailable.",
}


@dataclass(eq=False)
class Refusal(Exception):
    """What Google says instead of rows."""

    status: str
    kind: str
    code: str
    message: str
    details: Mapping[str, Any] | None = None

    def body(self, version: str = "v26") -> list[dict[str, Any]]:
        """For searchStream an error stands in an array of one."""
        failure: dict[str, Any] = {"errorCode": {self.kind: self.code}, "message": self.message}
        if self.details:
            failure["details"] = dict(self.details)
        detail = {
            "@type": f"type.googleapis.com/google.ads.googleads.{version}.errors.GoogleAdsFailure",
            "errors": [failure],
            "requestId": "sandboxRequest0000000A",
        }
        error = {
            "code": _HTTP[self.status],
            "message": _SAYS[self.status],
            "status": self.status,
            "details": [detail],
        }
        return [{"error": error}]

    def answer(self, version: str = "v26") -> JSONResponse:
        return JSONResponse(self.body(version), _HTTP[self.status])


def bad(kind: str, code: str, message: str) -> Refusal:
    return Refusal("INVALID_ARGUMENT", kind, code, message)


# ---- queries -------------------------------------------------------------------------------------------

_QUERY = re.compile(
    r"\s*SELECT\s+(?P<fields>.+?)\s+FROM\s+(?P<resource>\w+)(?:\s+WHERE\s+(?P<where>.+?))?"
    r"(?:\s+ORDER\s+BY\s+(?P<order>.+?))?(?:\s+LIMIT\s+(?P<limit>\d+))?(?:\s+PARAMETERS\s+(?P<parameters>.+?))?\s*",
    re.IGNORECASE | re.DOTALL,
)
_BETWEEN = re.compile(r"([\w.]+)\s+BETWEEN\s+'([^']*)'\s+AND\s+'([^']*)'", re.IGNORECASE)
_COMPARISON = re.compile(r"([\w.]+)\s*(=|!=|>=|<=|>|<)\s*(?:'([^']*)'|([\w.]+))")
_BOUNDS = {">=": ("first",), "<=": ("last",), "=": ("first", "last")}

_CUSTOMER = {"customer.id", "customer.currency_code", "customer.time_zone", "customer.descriptive_name"}
_CAMPAIGN = {"campaign.id", "campaign.name", "campaign.status", "campaign.advertising_channel_type"}
_METRICS = {
    "metrics.impressions",
    "metrics.clicks",
    "metrics.cost_micros",
    "metrics.conversions",
    "metrics.conversions_value",
}
_AD = {"ad_group.id", "ad_group.name", "ad_group_ad.ad.id", "ad_group_ad.ad.name"}
_CLIENT = {"id", "manager", "status", "level", "descriptive_name", "currency_code", "time_zone"}
FIELDS: dict[str, set[str]] = {
    "campaign": {*_CUSTOMER, *_CAMPAIGN, *_METRICS, "segments.date"},
    "ad_group_ad": {*_CUSTOMER, *_CAMPAIGN, *_AD, *_METRICS, "segments.date"},
    "click_view": {
        *_CUSTOMER, *_CAMPAIGN, "ad_group.id", "ad_group.name", "click_view.gclid", "click_view.ad_group_ad",
        "metrics.clicks", "segments.date",
    },
    "customer": {*_CUSTOMER, "customer.manager", "customer.status"},
    "customer_client": {*_CUSTOMER, *(f"customer_client.{name}" for name in _CLIENT)},
}  # fmt: skip


@dataclass
class Query:
    """A GAQL query that Google would accept: its fields exist, its dates are bounded."""

    fields: list[str]
    resource: str
    conditions: list[tuple[str, str, str]]  # (field, operator, value)
    order: list[str]
    limit: int | None

    def accepts(self, row: Mapping[str, Any]) -> bool:
        return all(_compare(row[field], operator, value) for field, operator, value in self.conditions)

    def days(self) -> tuple[date, date]:
        """First and last day asked for; raises Refusal where they are not bounded."""
        bounds: dict[str, str] = {}
        for field, operator, value in self.conditions:
            if field == "segments.date":
                bounds |= dict.fromkeys(_BOUNDS.get(operator, ()), value)
        if bounds.keys() != {"first", "last"}:
            raise bad(
                "queryError",
                "EXPECTED_FILTERS_ON_DATE_RANGE",
                "Expects filters on the following field to limit a finite date range: 'segments.date'.",
            )
        try:
            return date.fromisoformat(bounds["first"]), date.fromisoformat(bounds["last"])
        except ValueError:
            raise bad("queryError", "INVALID_DATE_FORMAT", "Invalid date format. Expected 'YYYY-MM-DD'.") from None


def parse(text: str) -> Query:
    """Raises Refusal with Google's code for what it would not accept."""
    match = _QUERY.fullmatch(text)
    if not match:
        raise bad("queryError", "UNEXPECTED_INPUT", "Error in query: unexpected input.")
    fields = [field.strip() for field in match["fields"].split(",")]
    resource = match["resource"]
    if resource not in FIELDS:
        raise bad("queryError", "BAD_RESOURCE_TYPE_IN_FROM_CLAUSE", f"'{resource}' is not a valid resource name.")
    where = match["where"] or ""
    conditions = []
    for field, first, last in _BETWEEN.findall(where):
        conditions += [(field, ">=", first), (field, "<=", last)]
    for field, operator, text_value, bare_value in _COMPARISON.findall(_BETWEEN.sub("", where)):
        conditions.append((field, operator, text_value or bare_value))
    order = [part.split()[0] for part in (match["order"] or "").split(",") if part.strip()]
    for field in [*fields, *(c[0] for c in conditions), *order]:
        if field not in FIELDS[resource]:
            is_known = any(field in known for known in FIELDS.values())
            if not is_known:
                raise bad("queryError", "UNRECOGNIZED_FIELD", f"Unrecognized field in the query: '{field}'.")
            code = "PROHIBITED_RESOURCE_TYPE_IN_SELECT_CLAUSE"
            raise bad("queryError", code, f"Cannot select or filter on '{field}' with '{resource}' in FROM.")
    for field in order:
        if field not in fields:
            code = "EXPECTED_REFERENCED_FIELD_IN_SELECT_CLAUSE"
            raise bad("queryError", code, f"The following field must be present in SELECT clause: '{field}'.")
    return Query(fields, resource, conditions, order, int(match["limit"]) if match["limit"] else None)


def _compare(value: Any, operator: str, wanted: str) -> bool:
    seen = str(value).upper() if isinstance(value, bool) else str(value)
    wanted = wanted.upper() if isinstance(value, bool) else wanted
    if operator in ("=", "!="):
        return (seen == wanted) == (operator == "=")
    left: Any
    right: Any
    left, right = (float(seen), float(wanted)) if isinstance(value, int | float) else (seen, wanted)
    return {">=": left >= right, "<=": left <= right, ">": left > right, "<": left < right}[operator]
