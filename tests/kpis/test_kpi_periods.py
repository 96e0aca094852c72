"""Periods of KPI rows: calendar, spine, comparisons like for like, finality, maturity, targets. Expected values by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest

from tests.support.kpi_warehouse import USUAL, Warehouse

Build = Callable[..., dict[str, int]]


def leads(warehouse: Warehouse, day: date, count: int, **columns: object) -> None:
    warehouse.add("marts.fct_leads", count, lead_id="x", lead_date=day, **columns)


def test_weeks_cross_the_year_and_are_compared_with_the_week_52_weeks_back(build: Build) -> None:
    """2026-01-01 is a Thursday: its ISO week runs from 29 December 2025 to 4 January 2026."""
    warehouse = Warehouse(date(2026, 2, 1), date(2024, 12, 1))
    leads(warehouse, date(2024, 12, 30), 1)  # ISO week 1 of 2025, 52 weeks before 29 December 2025
    leads(warehouse, date(2025, 1, 5), 3)
    leads(warehouse, date(2025, 12, 28), 5)  # Sunday of the week before
    leads(warehouse, date(2025, 12, 31), 6)
    leads(warehouse, date(2026, 1, 4), 2)
    leads(warehouse, date(2026, 1, 5), 100)  # Monday of the week after
    build(warehouse)
    week = warehouse.row("weekly", "leads", "2025-12-29")
    assert (week["period_end"], week["value"]) == (date(2026, 1, 4), 8)
    assert (week["previous_value"], week["previous_change"]) == (5, pytest.approx(0.6))
    assert (week["year_ago_value"], week["year_ago_change"]) == (4, 1)
    year = warehouse.row("yearly", "leads", "2026-01-01")
    assert (year["value"], warehouse.row("yearly", "leads", "2025-01-01")["value"]) == (102, 14)


def test_weeks_start_on_the_day_that_is_configured(build: Build) -> None:
    warehouse = Warehouse(date(2026, 9, 30), date(2026, 9, 1), reporting_week_start=5)
    leads(warehouse, date(2026, 9, 11), 1)  # Friday
    leads(warehouse, date(2026, 9, 12), 2)  # Saturday
    leads(warehouse, date(2026, 9, 18), 4)  # Friday
    build(warehouse)
    starts = [row[0] for row in warehouse.rows("weekly", "period_start", "kpi_id = 'leads' and dimension = 'total'")]
    assert starts == [date(2026, 8, 29) + timedelta(7 * n) for n in range(5)]
    assert warehouse.row("weekly", "leads", "2026-09-12")["value"] == 6


def test_a_running_month_is_compared_over_the_same_elapsed_days(build: Build) -> None:
    """Today is 10 October; the CRM was read today, the web up to yesterday."""
    warehouse = Warehouse(date(2026, 10, 10), date(2025, 9, 1))
    warehouse.extract("ga4/traffic", date(2026, 10, 10), date(2026, 10, 10), is_extracted=False, is_final=False)
    for day in (1, 9, 10, 11):
        leads(warehouse, date(2026, 9, day), 10 * day)
        leads(warehouse, date(2025, 10, day), day)
        warehouse.add(
            "marts.fct_web_traffic", date_day=date(2026, 9, day), sessions=100 * day, engaged_sessions=10 * day
        )
    leads(warehouse, date(2026, 10, 2), 50)
    warehouse.add("marts.fct_web_traffic", date_day=date(2026, 10, 2), sessions=500, engaged_sessions=100)
    build(warehouse)
    crm = warehouse.row("monthly", "leads", "2026-10-01")
    assert (crm["value"], crm["previous_value"], crm["previous_change"]) == (50, 10 + 90 + 100, -0.75)
    assert (crm["year_ago_value"], crm["year_ago_change"]) == (1 + 9 + 10, 1.5)
    web = warehouse.row("monthly", "sessions", "2026-10-01")
    assert (web["value"], web["previous_value"], web["previous_change"]) == (500, 100 + 900, -0.5)
    rate = warehouse.row("monthly", "engagement_rate", "2026-10-01")
    assert (rate["previous_value"], rate["previous_change"]) == (0.1, pytest.approx(0.1))  # rates: the difference
    # the finished month beside it is compared as a whole
    assert warehouse.row("monthly", "leads", "2026-09-01")["value"] == 10 + 90 + 100 + 110


def test_a_running_ratio_covers_the_days_that_all_its_sources_have(build: Build) -> None:
    warehouse = Warehouse(date(2026, 10, 10), date(2026, 8, 1))
    warehouse.extract(
        "google_ads/campaign_performance",
        date(2026, 10, 6),
        date(2026, 10, 10),
        is_extracted=False,
        is_final=False,
        quality="stale:google_ads",
    )
    for month in (9, 10):
        for day in range(1, 11):
            leads(warehouse, date(2026, month, day), 1)
            if (month, day) < (10, 6):
                warehouse.add(
                    "marts.fct_costs", date_day=date(2026, month, day), amount=10 * month, acquisition_amount=0
                )
    build(warehouse, grains=["month"])
    running = warehouse.row("monthly", "cpl", "2026-10-01")
    assert (running["numerator"], running["denominator"], running["value"]) == (500, 5, 100)
    assert running["previous_value"] == 90  # five days of September: 450 / 5
    assert running["quality"] == "stale:google_ads"
    assert warehouse.row("monthly", "leads", "2026-10-01")["value"] == 10


def test_medians_and_distinct_counts_of_a_running_period_are_compared_like_for_like(build: Build) -> None:
    warehouse = Warehouse(date(2026, 10, 3), date(2026, 8, 1))
    for number, (day, cycle, customer) in enumerate((
        (date(2026, 9, 2), 10.0, "a"), (date(2026, 9, 3), 20.0, "a"), (date(2026, 9, 20), 99.0, "b"), (date(2026, 10, 1), 30.0, "c"),
    )):  # fmt: skip
        deal = {"deal_id": str(number), "created_date": date(2026, 8, 1), "closed_date": day, "status": "won"}
        warehouse.add("marts.fct_opportunities", sales_cycle_days=cycle, sales_rep="7", **deal)
        warehouse.add("marts.fct_orders", order_id=str(number), customer_id=customer, order_date=day, amount=60)
    warehouse.add(
        "marts.fct_web_visitors",
        grain="month",
        period_start=date(2026, 9, 1),
        dimension="total",
        member="all",
        unique_visitors=80,
        quality="ok",
    )
    warehouse.add(
        "marts.fct_web_visitors",
        grain="month",
        period_start=date(2026, 10, 1),
        dimension="total",
        member="all",
        unique_visitors=9,
        quality="ok",
    )
    build(warehouse, grains=["month"])
    cycle = warehouse.row("monthly", "sales_cycle_days", "2026-10-01")
    assert (cycle["value"], cycle["previous_value"], cycle["previous_change"]) == (30, 15, 1)
    assert warehouse.row("monthly", "sales_cycle_days", "2026-09-01")["value"] == 20
    assert warehouse.row("monthly", "sales_cycle_days", "2026-10-01", "sales_rep", "7")["previous_value"] == 15
    customers = warehouse.row("monthly", "revenue_per_customer", "2026-10-01")
    assert (customers["value"], customers["previous_value"]) == (60, 120)  # two orders of one buyer
    # a count that the vendor gives per period cannot be cut off after three days
    visitors = warehouse.row("monthly", "unique_visitors", "2026-10-01")
    assert (visitors["value"], visitors["previous_value"]) == (9, None)


def test_29_february_is_compared_with_28_february(build: Build) -> None:
    warehouse = Warehouse(date(2028, 3, 31), date(2027, 1, 1))
    leads(warehouse, date(2027, 2, 28), 4)
    leads(warehouse, date(2028, 2, 28), 1)
    leads(warehouse, date(2028, 2, 29), 6)
    leads(warehouse, date(2028, 3, 1), 3)
    build(warehouse)
    assert warehouse.row("daily", "leads", "2028-02-29")["year_ago_value"] == 4
    assert warehouse.row("daily", "leads", "2028-02-28")["year_ago_value"] == 4
    assert warehouse.row("daily", "leads", "2028-03-01")["previous_value"] == 6
    february = warehouse.row("monthly", "leads", "2028-02-01")
    assert (february["period_end"], february["value"], february["year_ago_value"]) == (date(2028, 2, 29), 7, 4)


def test_a_member_of_the_period_before_has_a_row_and_then_no_more(build: Build) -> None:
    warehouse = Warehouse(date(2026, 10, 31), date(2026, 6, 1))
    leads(warehouse, date(2026, 7, 5), 8, channel="Email")
    leads(warehouse, date(2026, 8, 5), 1, channel="Direct")
    build(warehouse)
    rows = warehouse.rows(
        "monthly", "period_start, value, previous_value, previous_change", "kpi_id = 'leads' and member = 'Email'"
    )
    assert rows == [
        (date(2026, 7, 1), 8, 0, None),
        (date(2026, 8, 1), 0, 8, -1),
    ]  # from zero there is no relative change
    days = warehouse.rows("daily", "period_start, value", "kpi_id = 'leads' and member = 'Email'")
    assert days == [(date(2026, 7, 5), 8), (date(2026, 7, 6), 0)]


def test_the_total_has_a_row_for_every_period_from_the_first_extracted_day_of_its_source(build: Build) -> None:
    warehouse = Warehouse(date(2026, 9, 20), date(2026, 7, 15))
    warehouse.switch_off("google_ads/campaign_performance", "config/ledger")
    warehouse.extract("google_ads/campaign_performance", date(2026, 8, 3), date(2026, 9, 20))
    build(warehouse)
    starts = {
        kpi_id: warehouse.rows("monthly", "period_start, reason", f"kpi_id = '{kpi_id}' and dimension = 'total'")
        for kpi_id in ("leads", "marketing_spend", "cpl", "roas")
    }
    assert [row[0].month for row in starts["leads"]] == [7, 8, 9]
    assert [row[0].month for row in starts["marketing_spend"]] == [8, 9]
    assert starts["cpl"] == [
        (date(2026, 7, 1), "no_data"),
        (date(2026, 8, 1), "no_spend"),
        (date(2026, 9, 1), "no_spend"),
    ]
    assert [row[0].month for row in starts["roas"]] == [7, 8, 9]
    days = warehouse.rows("daily", "period_start", "kpi_id = 'leads' and dimension = 'total'")
    assert days == [(date(2026, 7, 15) + timedelta(n),) for n in range(68)]


def test_without_any_extracted_day_there_are_no_rows(build: Build) -> None:
    warehouse = Warehouse(date(2026, 9, 20), date(2026, 9, 1))
    warehouse.switch_off(*USUAL)
    assert set(build(warehouse)) == {
        "fct_kpi_daily",
        "fct_kpi_weekly",
        "fct_kpi_monthly",
        "fct_kpi_quarterly",
        "fct_kpi_yearly",
        "dim_kpi",
        "fct_kpi_drivers",
        "kpi_scoreboard",
    }
    assert warehouse.rows("monthly") == []


def test_a_period_is_complete_when_it_is_over_and_final_when_no_source_restates_it(build: Build) -> None:
    """Today is Thursday 1 October; GA4 restates three days, the CRM one."""
    warehouse = Warehouse(date(2026, 10, 1), date(2026, 8, 1))
    warehouse.extract("ga4/traffic", date(2026, 9, 29), date(2026, 9, 30), is_final=False)
    for stream in ("ga4/traffic", "hubspot/contacts"):
        warehouse.extract(stream, date(2026, 10, 1), date(2026, 10, 1), is_final=False)
    build(warehouse)

    def state(table: str, kpi_id: str, start: str) -> tuple[bool, bool]:
        row = warehouse.row(table, kpi_id, start)
        return row["is_complete"], row["is_final"]

    assert state("daily", "sessions", "2026-09-28") == (True, True)
    assert state("daily", "sessions", "2026-09-29") == (True, False)
    assert state("monthly", "sessions", "2026-09-01") == (True, False)
    assert state("monthly", "leads", "2026-09-01") == (True, True)
    assert state("monthly", "leads", "2026-10-01") == (False, False)
    assert state("monthly", "sessions", "2026-08-01") == (True, True)


def test_quality_lists_what_the_vendors_said_and_which_source_is_stale(build: Build) -> None:
    warehouse = Warehouse(date(2026, 10, 5), date(2026, 8, 1))
    warehouse.extract("ga4/traffic", date(2026, 9, 3), date(2026, 9, 3), quality="thresholded;sampled")
    warehouse.extract("ga4/traffic", date(2026, 9, 4), date(2026, 9, 4), quality="sampled")
    warehouse.extract("fx/rates", date(2026, 9, 9), date(2026, 9, 9), quality="stale:fx")
    warehouse.add(
        "staging.stg_meta__streams",
        source="hubspot",
        stream="contacts",
        domain="crm",
        is_on=True,
        is_stale=True,
        settles_after_days=1,
        last_day=date(2026, 10, 1),
    )
    build(warehouse)
    assert warehouse.row("monthly", "sessions", "2026-09-01")["quality"] == "sampled;thresholded"
    assert warehouse.row("daily", "sessions", "2026-09-04")["quality"] == "sampled"
    assert warehouse.row("monthly", "sessions", "2026-08-01")["quality"] == "ok"
    assert warehouse.row("monthly", "leads", "2026-09-01")["quality"] == "ok"
    assert warehouse.row("monthly", "leads", "2026-10-01")["quality"] == "stale:hubspot"
    assert warehouse.row("monthly", "revenue", "2026-09-01")["quality"] == "stale:fx"  # money rests on rates too


def stage(
    warehouse: Warehouse, day: date, entrants: int, converted: int, transition: str = "lead>mql", window: int = 30
) -> None:
    for number in range(entrants):
        warehouse.add(
            "marts.fct_lead_stages", lead_id=f"{day}{number}", stage="lead", reached_date=day, transition=transition,
            converted_within_window=number < converted, conversion_window_days=window,
        )  # fmt: skip


def test_an_immature_cohort_has_no_value_and_is_not_compared(build: Build) -> None:
    """Entrants of 31 August have until 30 September: August is mature on 1 October, not before."""
    for today, is_mature in ((date(2026, 9, 30), False), (date(2026, 10, 1), True)):
        warehouse = Warehouse(today, date(2026, 6, 1))
        stage(warehouse, date(2026, 7, 10), 4, 1)
        stage(warehouse, date(2026, 8, 10), 5, 2)
        stage(warehouse, date(2026, 8, 10), 3, 1, "mql>sal", 10)
        build(warehouse, grains=["month"])
        august = warehouse.row("monthly", "stage_conversion_rate", "2026-08-01", "stage", "lead>mql")
        assert august["is_mature"] == is_mature
        assert (august["numerator"], august["denominator"]) == (2, 5)
        expected = (0.4, None, 0.25, pytest.approx(0.15)) if is_mature else (None, "immature", None, None)
        assert (august["value"], august["reason"], august["previous_value"], august["previous_change"]) == expected
        # each step has its own window
        short = warehouse.row("monthly", "stage_conversion_rate", "2026-08-01", "stage", "mql>sal")
        assert (short["is_mature"], short["value"]) == (True, pytest.approx(1 / 3))


def test_a_to_date_cohort_is_shown_at_once_and_mature_when_it_is_old_enough(build: Build) -> None:
    warehouse = Warehouse(date(2026, 10, 1), date(2026, 1, 1), maturity_to_date_days=60)
    for month in (7, 8):
        leads(warehouse, date(2026, month, 3), 3)
        leads(warehouse, date(2026, month, 4), 1, is_customer=True)
    build(warehouse)
    july, august = (warehouse.row("monthly", "lead_to_customer_rate", f"2026-0{month}-01") for month in (7, 8))
    assert (july["value"], july["is_mature"]) == (0.25, True)  # 31 July + 60 days = 29 September
    assert (august["value"], august["is_mature"], august["reason"]) == (0.25, False, None)


def test_targets_are_paced_by_days_where_the_kpi_adds_up(build: Build) -> None:
    warehouse = Warehouse(date(2026, 10, 10), date(2026, 9, 1))
    for kpi_id, month, target in (("leads", 9, 20), ("leads", 10, 62), ("cpl", 10, 30), ("marketing_spend", 10, 310)):
        warehouse.add(
            "staging.stg_config__targets",
            kpi_id=kpi_id,
            grain="month",
            period_start=date(2026, month, 1),
            dimension="total",
            member="all",
            target=target,
        )
    warehouse.add(
        "staging.stg_config__targets",
        kpi_id="leads",
        grain="month",
        period_start=date(2026, 9, 1),
        dimension="channel",
        member="Email",
        target=3,
    )
    leads(warehouse, date(2026, 9, 3), 19, channel="Email")
    leads(warehouse, date(2026, 10, 3), 20, channel="Email")
    warehouse.add("marts.fct_costs", date_day=date(2026, 10, 3), amount=500, acquisition_amount=500)
    build(warehouse, grains=["month"])

    def target(kpi_id: str, start: str, dimension: str = "total", member: str = "all") -> tuple[object, ...]:
        row = warehouse.row("monthly", kpi_id, start, dimension, member)
        return row["target_value"], row["target_to_date"], row["target_status"]

    assert target("leads", "2026-09-01") == (20, 20, "missed")
    assert target("leads", "2026-09-01", "channel", "Email") == (3, 3, "met")
    assert target("leads", "2026-10-01") == (62, 20, "on_track")  # ten of 31 days
    assert target("cpl", "2026-10-01") == (30, 30, "on_track")  # 25 each: lower is better
    assert target("marketing_spend", "2026-10-01") == (310, 100, None)  # neither good nor bad by itself
    assert target("sessions", "2026-10-01") == (None, None, None)


def test_quarters_and_years_are_those_of_the_fiscal_year(build: Build) -> None:
    """A year that begins in April: 31 March ends both its year and its fourth quarter, 31 May is in the first."""
    warehouse = Warehouse(date(2026, 7, 15), date(2024, 4, 1), reporting_fiscal_year_start_month=4)
    for day, count in {
        date(2024, 4, 1): 1, date(2025, 3, 31): 2, date(2025, 4, 1): 4, date(2025, 5, 31): 8, date(2026, 3, 31): 16,
        date(2026, 4, 1): 32, date(2026, 6, 30): 64, date(2026, 7, 1): 128,
    }.items():  # fmt: skip
        leads(warehouse, day, count)
    build(warehouse)
    years = warehouse.rows("yearly", "period_start, period_end, value", "kpi_id = 'leads' and dimension = 'total'")
    assert years == [
        (date(2024, 4, 1), date(2025, 3, 31), 1 + 2),
        (date(2025, 4, 1), date(2026, 3, 31), 4 + 8 + 16),
        (date(2026, 4, 1), date(2027, 3, 31), 32 + 64 + 128),
    ]
    first = warehouse.row("quarterly", "leads", "2026-04-01")
    assert (first["period_end"], first["value"], first["previous_value"]) == (date(2026, 6, 30), 32 + 64, 16)
    assert (first["year_ago_value"], first["year_ago_change"]) == (4 + 8, 7)


def test_fiscal_quarters_that_are_none_of_the_calendar(build: Build) -> None:
    """A year that begins in February has quarters from February, May, August and November."""
    warehouse = Warehouse(date(2026, 7, 15), date(2025, 11, 30), reporting_fiscal_year_start_month=2)
    leads(warehouse, date(2025, 12, 31), 1)
    leads(warehouse, date(2026, 1, 31), 2)
    leads(warehouse, date(2026, 2, 1), 4)
    build(warehouse)
    quarters = warehouse.rows("quarterly", "period_start, value", "kpi_id = 'leads' and dimension = 'total'")
    assert quarters == [(date(2025, 11, 1), 3), (date(2026, 2, 1), 4), (date(2026, 5, 1), 0)]
    assert [row[0] for row in warehouse.rows("yearly", "period_start", "kpi_id = 'leads' and dimension = 'total'")] == [
        date(2025, 2, 1), date(2026, 2, 1)
    ]  # fmt: skip
