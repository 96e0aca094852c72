"""What is asked of the sandbox's HubSpot: types, numbers, filters, sorts and paging tokens, refused as HubSpot does."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from operator import ge, gt, le, lt
from typing import Any
from zlib import crc32

from dagster_project.sources.hubspot.sandbox.records import RecordView
from dagster_project.sources.hubspot.sandbox.refusals import Refusal

TYPES = {
    "contacts": "contacts",
    "0-1": "contacts",
    "deals": "deals",
    "0-3": "deals",
    "companies": "companies",
}
NUMBERS = {"hs_object_id", "amount", "hs_deal_stage_probability"}
MOMENTS = (
    "createdate",
    "closedate",
    "lastmodifieddate",
    "hs_lastmodifieddate",
    "hs_analytics_first_timestamp",
)


def kind_of(object_type: str) -> str:
    if object_type not in TYPES:
        raise Refusal(400, f"Unable to infer object type from: {object_type}")
    return TYPES[object_type]


def names_in(text: str | None) -> list[str]:
    return [name for name in (text or "").split(",") if name]


def whole(holder: Mapping[str, Any], name: str, default: int, least: int, most: int | None = None) -> int:
    value = holder.get(name)
    if value is None or value == "":
        return default
    try:
        number = int(value)
    except (TypeError, ValueError):
        raise Refusal(400, f"Invalid input: {name} {value!r} is not a number") from None
    if number < least or (most is not None and number > most):
        raise Refusal(400, f"Invalid input: {name} {number} must be between {least} and {most}")
    return number


def listed(body: Any, name: str) -> list[str]:
    return list(body.get(name) or []) if isinstance(body, dict) else []


def ids_in(body: Any, most: int) -> list[str]:
    inputs = body.get("inputs") if isinstance(body, dict) else None
    if not isinstance(inputs, list) or not all(isinstance(each, dict) and "id" in each for each in inputs):
        raise Refusal(400, "Invalid input JSON: inputs is a list of objects with an id")
    if not 1 <= len(inputs) <= most:
        raise Refusal(400, f"Invalid input: {len(inputs)} inputs, the maximum is {most}")
    return [str(each["id"]) for each in inputs]


def filter_groups(body: Mapping[str, Any]) -> list[list[Mapping[str, Any]]]:
    groups = [group.get("filters") or [] for group in body.get("filterGroups") or []]
    groups = groups or [list(body.get("filters") or [])]
    if len(groups) > 5 or any(len(group) > 6 for group in groups) or sum(map(len, groups)) > 18:
        raise Refusal(400, "Too many filters: at most 5 groups of 6 filters, 18 in all")
    return groups


_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {"GT": gt, "GTE": ge, "LT": lt, "LTE": le}


def holds(view: RecordView, condition: Mapping[str, Any]) -> bool:
    name, operator = condition.get("propertyName", ""), str(condition.get("operator"))
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
    if value is None or value == "":
        return None
    if name in NUMBERS:
        return float(value)
    if name in MOMENTS or name.startswith("hs_v2_date_entered_"):
        text = str(value)
        return int(text) if text.lstrip("-").isdigit() else milliseconds(datetime.fromisoformat(text))
    return str(value).lower()


def in_order(views: Sequence[RecordView], sorts: Sequence[Mapping[str, str]]) -> list[RecordView]:
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


def token(offset: int) -> str:
    return base64.urlsafe_b64encode(f"offset:{offset}".encode()).decode().rstrip("=")


def from_token(token: str | None) -> int:
    if not token:
        return 0
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
        return int(text.removeprefix("offset:"))
    except (binascii.Error, ValueError):
        raise Refusal(400, f"Invalid paging token {token!r}") from None


def milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
