"""One company through two CRMs: the funnel facts of a house, with what names a system taken out of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from dagster_project.wire.contract import Stream, Tally
from tests.support.house import House

# mart -> the columns that say the same whichever system was read; keys and ids are renamed to the company's own
COLUMNS: dict[str, tuple[str, ...]] = {
    "fct_leads": ("lead_id", "lead_at", "is_customer", "customer_date", "sales_rep"),
    "fct_lead_stages": ("lead_id", "stage", "reached_at", "is_filled", "transition"),
    "fct_opportunities": (
        "deal_id", "lead_id", "pipeline", "stage", "status", "created_at", "closed_at", "amount_native", "currency_code",
        "amount", "product", "is_first_deal", "sales_rep",
    ),
    "fct_orders": (
        "order_id", "deal_id", "lead_id", "refund_of_order_id", "kind", "ordered_at", "product", "amount_native",
        "currency_code", "amount", "is_fully_refunded", "is_new_customer",
    ),
}  # fmt: skip
_KEYS = {
    "lead_id": "people", "deal_id": "deals", "order_id": "deals", "refund_of_order_id": "deals", "pipeline": "names",
    "stage": "names", "sales_rep": "owners",
}  # fmt: skip
Names = Mapping[
    str, Mapping[str, str]
]  # people, deals, owners -> key in this system -> id in the company; names -> its name


def funnel_facts(
    house: House,
    names: Names,
    *,
    without: Mapping[str, Sequence[str]] | None = None,
    whole_seconds: bool = False,
    whole_amounts: bool = False,
) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of the four funnel marts, sorted, their keys as the company's own ids.

    `without`: mart -> columns in which the systems that are compared differ; a test says why. A key that `names` does
    not have stays as it is, and so shows. `whole_seconds`, `whole_amounts`: one of the systems knows moments, or amounts, no better.
    """
    facts = {}
    for mart, columns in COLUMNS.items():
        kept = [column for column in columns if column not in (without or {}).get(mart, ())]
        renamed: list[Callable[[Any], Any]] = [_renamer(names.get(_KEYS.get(column, ""), {})) for column in kept]
        rows = house.rows(f"select {', '.join(kept)} from marts.{mart}")
        facts[mart] = sorted(
            (
                tuple(
                    _whole(change(value), whole_seconds, whole_amounts)
                    for change, value in zip(renamed, row, strict=True)
                )
                for row in rows
            ),
            key=repr,
        )
    return facts


def _renamer(names: Mapping[str, str]) -> Callable[[Any], Any]:
    return lambda value: names.get(value, value) if isinstance(value, str) else value


def _whole(value: Any, seconds: bool, amounts: bool) -> Any:
    if seconds and isinstance(value, datetime):
        return value.replace(microsecond=0)
    return round(value) if amounts and isinstance(value, Decimal) else value


def read_into(house: House, settings: Any, streams: Iterable[Stream]) -> Tally:
    """Everything that a source lists into the house, and the source switched on."""
    tally = Tally()
    for stream in streams:
        assert stream.sweep
        house.take(stream, stream.sweep(settings, tally))
    return tally
