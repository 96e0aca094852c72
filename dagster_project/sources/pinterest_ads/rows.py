"""Pinterest's rows as columns: figures by ad and day, and where an ad leads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from dagster_project.wire.http import Json

Row = Mapping[str, Json]

TEXTS = ("CAMPAIGN_ID", "CAMPAIGN_NAME", "AD_GROUP_ID", "AD_GROUP_NAME", "AD_ID", "AD_NAME")
# What was paid for: TOTAL_IMPRESSION has what people shared on, too. A click on a pin opens it, an outbound one leaves Pinterest.
COUNTS = (
    "PAID_IMPRESSION", "TOTAL_CLICKTHROUGH", "OUTBOUND_CLICK_1", "TOTAL_VIDEO_3SEC_VIEWS", "TOTAL_CHECKOUT", "TOTAL_LEAD",
    "TOTAL_SIGNUP", "TOTAL_CUSTOM",
)  # fmt: skip
COST = "SPEND_IN_MICRO_DOLLAR"
WORTH = {kind: f"TOTAL_{kind}_VALUE_IN_MICRO_DOLLAR" for kind in ("CHECKOUT", "SIGNUP", "CUSTOM")}
COLUMNS_ASKED = (*TEXTS, COST, *COUNTS, *WORTH.values())
MILLION = 1_000_000


def performance(row: Row, conversions: Sequence[str], currency: Json) -> dict[str, Any]:
    """A record of ad_performance: amounts in whole units of the account's currency, which Pinterest calls dollars. A count
    that is absent did not happen; the cost must be there.

    Raises AttributeError, TypeError, ValueError where the row has not the shape of one.
    """
    worth = {name: _units(row.get(name)) for name in WORTH.values()}
    record: dict[str, Any] = {
        **{name: value for name, value in row.items() if name not in (*COLUMNS_ASKED, "DATE", "AD_ACCOUNT_ID")},
        "date": row["DATE"],
        "currency": currency,
        **{name.lower(): _text(row.get(name)) for name in TEXTS},
        **{name.lower(): _count(row.get(name)) for name in COUNTS},
        "spend": _units(row.get(COST)),
        **{amount_of(name): value for name, value in worth.items()},
    }
    record["conversions"] = sum(int(_count(row.get(f"TOTAL_{kind}"))) for kind in conversions)
    record["conversions_value"] = _sum([worth[WORTH[kind]] for kind in conversions if kind in WORTH])
    return record


def amount_of(name: str) -> str:
    """TOTAL_CHECKOUT_VALUE_IN_MICRO_DOLLAR is kept in whole units as total_checkout_value."""
    return name.removesuffix("_IN_MICRO_DOLLAR").lower()


def ad(row: Row) -> dict[str, Any]:
    """A record of ads."""
    link = row.get("destination_url") or next(iter(row.get("carousel_destination_urls") or []), None)
    return {
        **{name: _text(row.get(name)) for name in ("id", "ad_group_id", "campaign_id", "pin_id")},
        **{name: row.get(name) for name in ("name", "status", "is_pin_deleted")},
        "destination_url": link,
    }


def _text(value: Json) -> str | None:
    return None if value is None else str(value)


def _count(value: Json) -> Json:
    """Counts come as 12, 12.0 or not at all. What is no number stays, so that the column's reader says so."""
    if value is None:
        return 0
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _sum(values: Sequence[Json]) -> Json:
    """None of no values; where one of them is no number, that one, so that the column's reader says so."""
    total = Decimal(0)
    for value in values:
        try:
            total += Decimal(str(value or 0))
        except InvalidOperation:
            return value
    return str(total) if values else None


def _units(value: Json) -> Json:
    """Of millionths; what is no number stays, so that the column's reader says so."""
    try:
        return None if value is None else str(Decimal(str(value)) / MILLION)
    except InvalidOperation:
        return value
