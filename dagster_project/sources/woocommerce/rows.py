"""WooCommerce's orders as rows: amounts, refunds with their moments, where the buyer came from, buyers as keyed hashes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from dagster_project.wire.columns import undeclared
from dagster_project.wire.contract import schema
from dagster_project.wire.http import Json
from dagster_project.wire.identity import hash_email, hash_phone, redact_addresses, redact_url
from dagster_project.wire.json_cells import UNREADABLE, decimal, instant

TEXT, MOMENT, MONEY = pa.string(), pa.timestamp("us", tz="UTC"), pa.decimal128(24, 6)
REFUNDS = pa.list_(pa.struct([("id", TEXT), ("created_at", MOMENT), ("amount", MONEY)]))
ATTRIBUTION = "_wc_order_attribution_"
TAGS = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
URLS = {"referrer": "referrer", "landing_page": "session_entry"}

ORDERS_SCHEMA = schema(
    ("id", TEXT),
    ("number", TEXT),
    ("status", TEXT),
    ("created_at", MOMENT),
    ("updated_at", MOMENT),
    ("paid_at", MOMENT),
    ("currency_code", TEXT),
    ("total", MONEY),
    ("total_tax", MONEY),
    ("shipping_total", MONEY),
    ("refunds", REFUNDS),  # oldest first
    ("customer_id", TEXT),
    ("email_hash", TEXT),
    ("phone_hash", TEXT),
    ("source_type", TEXT),
    *((tag, TEXT) for tag in TAGS),
    *((name, TEXT) for name in URLS),
)
REQUIRED = ("status", "created_at", "currency_code", "total", "total_tax", "shipping_total")
_KNOWN = {
    "id", "number", "status", "currency", "date_created_gmt", "date_modified_gmt", "date_paid_gmt", "date_created",
    "date_modified", "total", "total_tax", "shipping_total", "discount_total", "customer_id", "billing", "refunds",
    "meta_data", "parent_id", "created_via", "prices_include_tax", "payment_method",
}  # fmt: skip


class OddOrder(ValueError):
    """An order that has not the shape of one; the message says where, without values."""


def has_refunds(order: Mapping[str, Json]) -> bool:
    listed = order.get("refunds")
    if not isinstance(listed, list):
        raise OddOrder(f"field 'refunds' should be a list, it is a {type(listed).__name__}")
    return bool(listed)


def order_row(order: Mapping[str, Json], refunds: Sequence[Json], site: str, key: bytes) -> dict[str, Json]:
    """The order by the stream's columns; `refunds`: those that the site gives when asked for them. Raises OddOrder."""
    billing = order.get("billing") or {}
    if not isinstance(billing, dict):
        raise OddOrder(f"field 'billing' should be an object, it is a {type(billing).__name__}")
    came = _attribution(order.get("meta_data"))
    row: dict[str, Json] = {
        "id": order.get("id"),
        "number": order.get("number"),
        "status": order.get("status"),
        "created_at": order.get("date_created_gmt"),
        "updated_at": order.get("date_modified_gmt"),
        "paid_at": order.get("date_paid_gmt"),
        "currency_code": order.get("currency"),
        "total": order.get("total"),
        "total_tax": order.get("total_tax"),
        "shipping_total": order.get("shipping_total"),
        "refunds": _refunds(order, refunds),
        "customer_id": order.get("customer_id") or None,  # 0: a guest
        "email_hash": hash_email(_text(billing, "email"), key),
        "phone_hash": hash_phone(_text(billing, "phone"), key),
        "source_type": came.get("source_type"),
        "account_id": site,
    }
    row |= {tag: redact_addresses(came.get(tag)) for tag in TAGS}
    row |= {ours: redact_url(came.get(theirs)) for ours, theirs in URLS.items()}
    return row | undeclared(order, _KNOWN)


def _refunds(order: Mapping[str, Json], given: Sequence[Json]) -> list[dict[str, Json]]:
    refunds: list[dict[str, Json]] = []
    for each in given:
        try:
            refunds.append(
                {
                    "id": str(each["id"]),
                    "created_at": instant(each["date_created_gmt"]),
                    "amount": abs(decimal(each["amount"], MONEY)),
                }
            )
        except (KeyError, *UNREADABLE) as error:
            raise OddOrder("a refund has no id, moment or amount that can be read") from error
    listed = order.get("refunds") or ()
    if missing := {str(each.get("id")) for each in listed if isinstance(each, dict)} - {each["id"] for each in refunds}:
        raise OddOrder(f"{len(missing)} of its refunds are not there when asked for")
    return sorted(refunds, key=lambda refund: (refund["created_at"], refund["id"]))


def _attribution(meta: Json) -> dict[str, str]:
    """What WooCommerce's order attribution has kept (since 8.5)."""
    return {
        str(each["key"]).removeprefix(ATTRIBUTION): each["value"]
        for each in (meta if isinstance(meta, list) else ())
        if isinstance(each, dict)
        and str(each.get("key")).startswith(ATTRIBUTION)
        and isinstance(each.get("value"), str)
    }


def _text(holder: Mapping[str, Any], name: str) -> str | None:
    value = holder.get(name)
    return value if isinstance(value, str) else None
