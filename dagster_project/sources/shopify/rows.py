"""Shopify's orders as rows: money in the shop's currency, refunds with their moments, where the buyer came from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from dagster_project.wire.columns import undeclared
from dagster_project.wire.contract import schema
from dagster_project.wire.http import Json
from dagster_project.wire.identity import hash_email, redact_addresses, redact_url
from dagster_project.wire.json_cells import UNREADABLE, decimal, instant

TEXT, MOMENT, MONEY = pa.string(), pa.timestamp("us", tz="UTC"), pa.decimal128(24, 6)
TAGS = ("source", "medium", "campaign", "term", "content")
VISITS = {"first_visit": "firstVisit", "last_visit": "lastVisit"}
REFUNDS = pa.list_(pa.struct([("id", TEXT), ("created_at", MOMENT), ("amount", MONEY), ("currency", TEXT)]))


def _visit_fields(visit: str) -> list[tuple[str, pa.DataType]]:
    texts = ("source", "source_type", "referrer", "landing_page", *(f"utm_{tag}" for tag in TAGS))
    return [(f"{visit}_at", MOMENT), *((f"{visit}_{name}", TEXT) for name in texts)]


ORDERS_SCHEMA = schema(
    ("id", TEXT),
    ("name", TEXT),
    ("created_at", MOMENT),
    ("processed_at", MOMENT),
    ("updated_at", MOMENT),
    ("cancelled_at", MOMENT),
    ("is_test", pa.bool_()),
    ("financial_status", TEXT),
    ("currency_code", TEXT),
    ("total", MONEY),
    ("subtotal", MONEY),
    ("tax", MONEY),
    ("taxes_included", pa.bool_()),
    ("refunded", MONEY),
    ("refunds", REFUNDS),  # oldest first
    ("customer_id", TEXT),
    ("email_hash", TEXT),
    ("journey_ready", pa.bool_()),
    *_visit_fields("first_visit"),
    *_visit_fields("last_visit"),
)
REQUIRED = ("created_at", "is_test", "currency_code", "total", "subtotal", "tax", "taxes_included")
_KNOWN = {
    "id", "legacyResourceId", "name", "createdAt", "processedAt", "updatedAt", "cancelledAt", "test",
    "displayFinancialStatus", "currencyCode", "taxesIncluded", "totalPriceSet", "subtotalPriceSet", "totalTaxSet",
    "totalRefundedSet", "currentTotalPriceSet", "customerJourneySummary", "refunds", "customer", "email",
}  # fmt: skip


class OddOrder(ValueError):
    """An order that has not the shape of one; the message says where, without values."""


def order_row(order: Mapping[str, Json], shop: str, key: bytes) -> dict[str, Json]:
    """The order by the stream's columns. Raises OddOrder."""
    journey = _object(order, "customerJourneySummary")
    customer = _object(order, "customer")
    row: dict[str, Json] = {
        "id": order.get("legacyResourceId") or _last_part(order.get("id")),
        "name": order.get("name"),
        "created_at": order.get("createdAt"),
        "processed_at": order.get("processedAt"),
        "updated_at": order.get("updatedAt"),
        "cancelled_at": order.get("cancelledAt"),
        "is_test": order.get("test"),
        "financial_status": order.get("displayFinancialStatus"),
        # of all amounts here: that in which the shop keeps its books
        "currency_code": _money(order, "totalPriceSet")[1] or order.get("currencyCode"),
        "total": _money(order, "totalPriceSet")[0],
        "subtotal": _money(order, "subtotalPriceSet")[0],
        "tax": _money(order, "totalTaxSet")[0],
        "taxes_included": order.get("taxesIncluded"),
        "refunded": _money(order, "totalRefundedSet")[0],
        "refunds": _refunds(order),
        "customer_id": _last_part(customer.get("id")),
        "email_hash": hash_email(order.get("email"), key) if isinstance(order.get("email"), str) else None,
        "journey_ready": journey.get("ready"),
        "account_id": shop,
    }
    for ours, theirs in VISITS.items():
        row |= _visit(ours, _object(journey, theirs))
    return row | undeclared(order, _KNOWN)


def _visit(name: str, visit: Mapping[str, Json]) -> dict[str, Json]:
    tags = _object(visit, "utmParameters")
    addresses = {"referrer": "referrerUrl", "landing_page": "landingPage"}
    row: dict[str, Json] = {f"{name}_at": visit.get("occurredAt"), f"{name}_source": _tag(visit, "source")}
    row[f"{name}_source_type"] = visit.get("sourceType")
    row |= {f"{name}_{ours}": redact_url(_text(visit, theirs)) for ours, theirs in addresses.items()}
    return row | {f"{name}_utm_{tag}": _tag(tags, tag) for tag in TAGS}


def _refunds(order: Mapping[str, Json]) -> list[dict[str, Json]]:
    found = order.get("refunds")
    if not isinstance(found, list):
        raise OddOrder(f"field 'refunds' should be a list, it is a {type(found).__name__}")
    refunds = []
    for each in found:
        if not isinstance(each, dict):
            raise OddOrder(f"field 'refunds' should hold objects, it holds a {type(each).__name__}")
        amount, currency = _money(each, "totalRefundedSet")
        try:
            refund = {
                "id": _last_part(each["id"]),
                "created_at": instant(each["createdAt"]),
                "amount": decimal(amount, MONEY),
                "currency": currency,
            }
        except (KeyError, *UNREADABLE) as error:
            raise OddOrder("a refund has no id, moment or amount that can be read") from error
        if refund["id"] is None or currency is None:
            raise OddOrder("a refund has no id, or no currency")
        refunds.append(refund)
    return sorted(refunds, key=lambda refund: (refund["created_at"], refund["id"]))


def total_of(order: Mapping[str, Json]) -> dict[str, Json]:
    """What an odd order says of money, as far as it can be read: for the sum of what was refused."""
    try:
        amount, currency = _money(order, "totalPriceSet")
        return {"total": decimal(amount, MONEY), "currency_code": currency}
    except UNREADABLE:
        return {}


def _money(holder: Mapping[str, Json], name: str) -> tuple[Json, str | None]:
    """Amount and currency of a set of amounts; what is no such set is handed on, to be told as unreadable."""
    found = holder.get(name)
    if found is None:
        return None, None
    shop = found.get("shopMoney") if isinstance(found, dict) else None
    if not isinstance(shop, dict):
        return found, None
    currency = shop.get("currencyCode")
    return shop.get("amount"), currency if isinstance(currency, str) else None


def _object(holder: Mapping[str, Json], name: str) -> Mapping[str, Any]:
    found = holder.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise OddOrder(f"field {name!r} should be an object, it is a {type(found).__name__}")
    return found


def _text(holder: Mapping[str, Json], name: str) -> str | None:
    value = holder.get(name)
    return value if isinstance(value, str) else None


def _tag(holder: Mapping[str, Json], name: str) -> str | None:
    return redact_addresses(_text(holder, name))


def _last_part(gid: Json) -> str | None:
    """gid://shopify/Order/5001001 -> 5001001"""
    return str(gid).rpartition("/")[2] if gid else None
