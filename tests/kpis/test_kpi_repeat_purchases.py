"""Who buys again, and how often: a cohort is not compared before its last customer had the time to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from tests.support.kpi_warehouse import Warehouse

FIRST, TODAY = date(2026, 1, 1), date(2026, 10, 1)


@pytest.fixture
def warehouse() -> Warehouse:
    return Warehouse(TODAY, FIRST)


def first_order(warehouse: Warehouse, customer: str, day: date, *, again: bool) -> None:
    warehouse.add(
        "marts.fct_orders", order_id=f"{customer}1", customer_id=customer, order_date=day, amount=10, is_new_customer=True,
        is_repurchased_in_time=again,
    )  # fmt: skip


def monthly(warehouse: Warehouse, kpi: str, start: str) -> dict[str, Any]:
    row = warehouse.row("monthly", kpi, start)
    return {name: row[name] for name in ("numerator", "denominator", "value", "reason")}


def test_share_of_a_months_new_customers_who_ordered_again(warehouse: Warehouse, build: Callable[..., Any]) -> None:
    for customer, again in (("a", True), ("b", False), ("c", True), ("d", False)):
        first_order(warehouse, customer, date(2026, 5, 10), again=again)
    first_order(warehouse, "e", date(2026, 9, 1), again=True)
    build(warehouse, grains=["month"])
    may = monthly(warehouse, "repeat_purchase_rate", "2026-05-01")
    assert may == {"numerator": 2, "denominator": 4, "value": 0.5, "reason": None}
    assert monthly(warehouse, "repeat_purchase_rate", "2026-09-01")["reason"] == "immature"  # 90 days are not over
    assert monthly(warehouse, "repeat_purchase_rate", "2026-06-01")["reason"] == "zero_denominator"


def test_orders_a_buyer_of_the_period(warehouse: Warehouse, build: Callable[..., Any]) -> None:
    for number, (customer, kind) in enumerate(
        (("a", "order"), ("a", "order"), ("b", "order"), ("b", "refund"), ("a", "order"))
    ):
        amount = -5 if kind == "refund" else 10
        warehouse.add(
            "marts.fct_orders",
            order_id=str(number),
            customer_id=customer,
            kind=kind,
            order_date=date(2026, 5, 3 + number),
            amount=amount,
        )
    build(warehouse, grains=["month"])
    assert monthly(warehouse, "purchase_frequency", "2026-05-01") == {
        "numerator": 4,
        "denominator": 2,
        "value": 2.0,
        "reason": None,
    }
