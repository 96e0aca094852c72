"""Records that nobody dated, and orders whose buyer nobody knows: the KPIs that rest on them say so. By hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest

from tests.support.kpi_warehouse import Warehouse

Build = Callable[..., dict[str, int]]
FLAGS = "intermediate.int_record_flags"


@pytest.fixture(scope="module")
def warehouse(build: Build) -> Warehouse:
    """A deal of 20 August was won on a day that nobody knows; of 400 orders of September 3 are of nobody, in July none."""
    warehouse = Warehouse(date(2026, 10, 10), date(2026, 6, 1))
    for name, created, closed in (("a", 1, 5), ("b", 2, 9)):
        warehouse.add("marts.fct_opportunities", deal_id=name, created_date=date(2026, 9, created), closed_date=date(2026, 9, closed),
                      status="won", sales_cycle_days=4)  # fmt: skip
    for subject in ("deals.close", "orders"):
        for number in range((date(2026, 10, 10) - date(2026, 8, 20)).days + 1):
            warehouse.add(FLAGS, subject=subject, flag="undated", date_day=date(2026, 8, 20) + timedelta(number))
    for day, flagged, total in (
        (date(2026, 7, 1), 0, 50),
        (date(2026, 9, 1), 1, 300),
        (date(2026, 9, 30), 2, 100),
        (date(2026, 10, 1), 99, 100),
    ):
        warehouse.add(FLAGS, subject="buyers", flag="unidentified", date_day=day, flagged=flagged, total=total)
    for month in (7, 9, 10):
        warehouse.add(
            "marts.fct_orders",
            order_id=str(month),
            customer_id="x",
            order_date=date(2026, month, 1),
            amount=10,
            is_new_customer=month == 7,
        )
    build(warehouse)
    return warehouse


@pytest.mark.parametrize(
    ("kpi_id", "july", "september", "october"),
    [
        ("win_rate", [], ["undated"], ["undated"]),
        ("sales_cycle_days", [], ["undated"], ["undated"]),
        ("opportunities", [], [], []),  # counted by creation, which is known
        ("leads", [], [], []),
        ("revenue", [], ["undated"], ["undated"]),
        ("new_customers", [], ["undated", "unidentified:1%"], ["undated", "unidentified:99%"]),
        ("revenue_per_customer", [], ["undated", "unidentified:1%"], ["undated", "unidentified:99%"]),
        ("cac_media", [], ["undated", "unidentified:1%"], ["undated", "unidentified:99%"]),
    ],
)
def test_quality_of_the_periods_that_are_touched(
    warehouse: Warehouse, kpi_id: str, july: list, september: list, october: list
) -> None:
    for month, expected in (("07", july), ("09", september), ("10", october)):
        quality = warehouse.row("monthly", kpi_id, f"2026-{month}-01")["quality"]
        assert [flag for flag in quality.split(";") if flag.startswith(("undated", "unidentified"))] == expected, month
