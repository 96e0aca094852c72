"""The open pipeline as a state at the period's end, its velocity, and the mean sales cycle; the return on full cost."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.support.kpi_warehouse import Warehouse

FIRST, TODAY = date(2026, 2, 1), date(2026, 10, 1)


def test_the_reference_deals(build: Callable[..., dict[str, int]], shared_dir: Path) -> None:
    """400 deals with published results: 73 open, win rate .308869, mean cycle 41.13861, median 34, 3,263.34 per day."""
    warehouse = Warehouse(TODAY, FIRST)
    with (shared_dir / "reference/funnel/deals.csv").open() as file:
        deals = list(csv.DictReader(file))
    worth: dict[date, list[float]] = {FIRST + timedelta(n): [] for n in range((TODAY - FIRST).days + 1)}
    for deal in deals:
        created = date.fromisoformat(deal["created"])
        closed = date.fromisoformat(deal["closed"]) if deal["closed"] else None
        amount = float(deal["amount"]) if deal["amount"] else None
        warehouse.add(
            "marts.fct_opportunities",
            deal_id=deal["deal_id"],
            created_date=created,
            closed_date=closed,
            status=deal["outcome"],
            amount=amount,
            sales_cycle_days=(closed - created).days if deal["outcome"] == "won" and closed else None,
        )
        for day in worth:
            if created <= day and (closed is None or day < closed):
                worth[day].append(amount or 0)
    for day, amounts in worth.items():
        counts = {"open_deals": len(amounts), "valued_deals": len(amounts), "unconverted_deals": 0}
        warehouse.add("marts.fct_pipeline_days", date_day=day, amount=sum(amounts), **counts)
    build(warehouse, grains=["month", "year"])
    velocity, mean, median, pipeline = (
        warehouse.row("yearly", kpi, "2026-01-01")
        for kpi in ("pipeline_velocity", "sales_cycle_mean_days", "sales_cycle_days", "pipeline_value")
    )
    assert (velocity["value"], velocity["numerator"], velocity["denominator"]) == (
        pytest.approx(3263.34, abs=0.01),
        None,
        None,
    )
    assert (mean["value"], mean["sample_size"]) == (pytest.approx(41.13861, abs=1e-5), 101)
    assert median["value"] == 34
    assert len(worth[TODAY]) == 73
    assert (pipeline["value"], pipeline["sample_size"]) == (pytest.approx(sum(worth[TODAY])), 73)
    june = warehouse.row("monthly", "pipeline_value", "2026-06-01")
    assert june["value"] == pytest.approx(sum(worth[date(2026, 6, 30)]))
    assert june["previous_value"] == pytest.approx(sum(worth[date(2026, 5, 31)]))


def test_a_pipeline_that_is_not_known_is_no_0(build: Callable[..., dict[str, int]]) -> None:
    warehouse = Warehouse(TODAY, FIRST)
    for day, deals, valued, unconverted, amount in (
        (date(2026, 3, 31), 2, 1, 0, 500),
        (date(2026, 4, 30), 2, 1, 1, 500),
        (date(2026, 5, 31), 2, 0, 0, None),
        (date(2026, 6, 29), 5, 5, 0, 900),
        (date(2026, 6, 30), None, None, None, None),
    ):
        state = {"open_deals": deals, "valued_deals": valued, "unconverted_deals": unconverted, "amount": amount}
        warehouse.add("marts.fct_pipeline_days", date_day=day, **state)
    build(warehouse, grains=["month"])
    rows = [warehouse.row("monthly", "pipeline_value", f"2026-{month:02}-01") for month in (3, 4, 5, 6)]
    assert [(row["value"], row["reason"]) for row in rows] == [
        (500, None),
        (None, "missing_rate"),
        (None, "no_data"),
        (0, None),  # on its last day none was open, whatever stood there the day before
    ]
    assert warehouse.row("monthly", "pipeline_velocity", "2026-03-01")["reason"] == "zero_denominator"
    assert warehouse.row("monthly", "sales_cycle_mean_days", "2026-03-01")["reason"] == "zero_denominator"


def test_romi_on_full_cost_and_conversion_of_landing_pages(build: Callable[..., dict[str, int]]) -> None:
    """March: media 200 and salaries 100, of which 60 are for acquisition; orders bring a profit of 390, 130 of it by nobody's
    touch. April: an order and no cost."""
    warehouse = Warehouse(TODAY, FIRST)
    for cost_type, channel, amount, share, motion in (
        ("media", "Display", 200, 200, "outbound"), ("labour", "(not set)", 100, 60, "inbound"),
    ):  # fmt: skip
        cost = {
            "cost_type": cost_type,
            "channel": channel,
            "amount": amount,
            "acquisition_amount": share,
            "motion": motion,
        }
        warehouse.add("marts.fct_costs", date_day=date(2026, 3, 3), **cost)
    for day, channel, motion, profit in (
        (date(2026, 3, 5), "Display", "outbound", 260),
        (date(2026, 3, 5), "(unattributed)", "inbound", 130),
        (date(2026, 4, 5), "Display", "outbound", 70),
    ):
        credit = {"conversion_date": day, "revenue": 2 * profit, "gross_margin": profit, "motion": motion}
        warehouse.add("marts.fct_attribution", channel=channel, **credit)
    visits = {"date_day": date(2026, 3, 9), "channel": "Email", "engaged_sessions": 0}
    warehouse.add("marts.fct_web_traffic", landing_page="/a", sessions=40, sessions_with_key_event=10, **visits)
    warehouse.add("marts.fct_web_traffic", landing_page="/b", sessions=60, sessions_with_key_event=0, **visits)
    build(warehouse, grains=["month"])

    def row(kpi: str, month: int, *cut: str, model: str | None = None) -> tuple[object, ...]:
        found = warehouse.row("monthly", kpi, f"2026-{month:02}-01", *cut, model=model)
        return found["value"], found["reason"], found["numerator"], found["denominator"]

    assert row("romi_loaded", 3) == (pytest.approx((390 - 260) / 260), None, 130, 260)
    assert row("romi_loaded", 4)[:2] == (None, "no_spend")
    assert row("romi_loaded", 3, "motion", "outbound", model="last") == (pytest.approx(60 / 200), None, 60, 200)
    assert row("romi_loaded", 3, "motion", "inbound", model="last") == (pytest.approx(70 / 60), None, 70, 60)
    assert row("landing_page_conversion_rate", 3) == (0.1, None, 10, 100)
    assert row("landing_page_conversion_rate", 3, "landing_page", "/a")[0] == 0.25
    assert row("landing_page_conversion_rate", 4)[:2] == (None, "zero_denominator")
