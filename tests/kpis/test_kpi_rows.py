"""What a KPI row says: values by ratio of sums, reasons, intervals, small numbers. Expected values by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from tests.support.kpi_warehouse import Warehouse

Build = Callable[..., dict[str, int]]
TODAY = date(2026, 10, 1)


@pytest.fixture
def warehouse() -> Warehouse:
    """The sources were extracted from 1 July to today; today is 1 October 2026."""
    return Warehouse(TODAY, date(2026, 7, 1))


def traffic(warehouse: Warehouse, day: date, sessions: int, engaged: int = 0, **cuts: str) -> None:
    warehouse.add("marts.fct_web_traffic", date_day=day, sessions=sessions, engaged_sessions=engaged, **cuts)


def test_a_rate_is_the_ratio_of_sums_and_not_the_mean_of_ratios(warehouse: Warehouse, build: Build) -> None:
    traffic(warehouse, date(2026, 8, 1), 10, 9, channel="Email")  # 90 %
    traffic(warehouse, date(2026, 8, 2), 90, 9, channel="Direct")  # 10 %
    build(warehouse)
    row = warehouse.row("monthly", "engagement_rate", "2026-08-01")
    assert (row["numerator"], row["denominator"], row["value"]) == (18, 100, 0.18)


def test_counts_are_their_own_numerator(warehouse: Warehouse, build: Build) -> None:
    traffic(warehouse, date(2026, 8, 1), 10, channel="Organic Search")
    traffic(warehouse, date(2026, 8, 31), 5, channel="Direct")
    build(warehouse)
    row = warehouse.row("monthly", "sessions", "2026-08-01")
    assert (row["numerator"], row["denominator"], row["value"], row["period_end"]) == (15, None, 15, date(2026, 8, 31))
    assert warehouse.row("monthly", "organic_sessions", "2026-08-01")["value"] == 10


def test_traffic_shares(warehouse: Warehouse, build: Build) -> None:
    traffic(warehouse, date(2026, 8, 1), 30, channel="Organic Social", device="mobile")
    traffic(warehouse, date(2026, 8, 1), 10, channel="Paid Social", device="desktop")
    traffic(warehouse, date(2026, 8, 1), 60, channel="Direct", device="mobile")
    build(warehouse)
    assert warehouse.row("monthly", "social_traffic_share", "2026-08-01")["value"] == 0.4
    assert warehouse.row("monthly", "social_traffic_share", "2026-08-01", "device", "mobile")["value"] == pytest.approx(
        1 / 3
    )
    assert warehouse.row("monthly", "mobile_traffic_share", "2026-08-01")["value"] == 0.9
    assert warehouse.row("monthly", "mobile_traffic_share", "2026-08-01", "channel", "Paid Social")["value"] == 0


@pytest.mark.parametrize(("won", "closed"), [(0, 10), (1, 10), (10, 10), (3, 7), (0, 1)])
def test_wilson_intervals_are_those_of_the_reference(
    warehouse: Warehouse, build: Build, shared_dir: Path, won: int, closed: int
) -> None:
    expected = json.loads((shared_dir / "reference/stats/expected.json").read_text())["wilson_small"]
    for number in range(closed):
        status = "won" if number < won else "lost"
        warehouse.add(
            "marts.fct_opportunities",
            deal_id=str(number),
            created_date=date(2026, 7, 1),
            closed_date=date(2026, 8, 1),
            status=status,
        )
    build(warehouse, grains=["month"])
    row = warehouse.row("monthly", "win_rate", "2026-08-01")
    assert [row["ci_low"], row["ci_high"]] == pytest.approx(expected[f"{won}/{closed}"], abs=1e-12)


def test_the_interval_of_many(warehouse: Warehouse, build: Build, shared_dir: Path) -> None:
    expected = json.loads((shared_dir / "reference/stats/expected.json").read_text())["two_proportions"]
    traffic(warehouse, date(2026, 8, 1), expected["period2"]["n"], expected["period2"]["conv"])
    build(warehouse, grains=["month"])
    row = warehouse.row("monthly", "engagement_rate", "2026-08-01")
    assert row["value"] == pytest.approx(expected["period2"]["rate"])
    assert [row["ci_low"], row["ci_high"]] == pytest.approx(expected["wilson95_period2"], abs=1e-12)


def test_only_rates_have_an_interval(warehouse: Warehouse, build: Build) -> None:
    build(warehouse, grains=["month"])
    found = warehouse.rows("monthly", "distinct kpi_id", "ci_low is not null")
    assert found == []
    traffic(warehouse, date(2026, 8, 1), 4, 2)
    warehouse.add("marts.fct_costs", date_day=date(2026, 8, 1), amount=10, acquisition_amount=10)
    build(warehouse, grains=["month"])
    found = {
        row[0]
        for row in warehouse.connection.execute(
            "select distinct kpi_id from kpi.fct_kpi_monthly where ci_low is not null"
        ).fetchall()
    }
    assert found == {"engagement_rate", "social_traffic_share", "mobile_traffic_share", "landing_page_conversion_rate"}


def test_low_n_is_below_30_of_a_rate_and_below_10_of_a_count(warehouse: Warehouse, build: Build) -> None:
    traffic(warehouse, date(2026, 7, 1), 29)
    traffic(warehouse, date(2026, 8, 1), 30)
    for month, leads in ((7, 9), (8, 10)):
        warehouse.add("marts.fct_leads", leads, lead_id="x", lead_date=date(2026, month, 1))
        warehouse.add("marts.fct_costs", date_day=date(2026, month, 1), amount=90, acquisition_amount=90)
    build(warehouse, grains=["month"])

    def small(kpi_id: str) -> list[tuple[int, bool]]:
        rows = (warehouse.row("monthly", kpi_id, f"2026-0{month}-01") for month in (7, 8))
        return [(row["sample_size"], row["low_n"]) for row in rows]

    assert small("engagement_rate") == [(29, True), (30, False)]
    assert small("sessions") == [(29, False), (30, False)]
    assert small("leads") == [(9, True), (10, False)]
    assert small("cpl") == [(9, True), (10, False)]
    assert small("marketing_spend") == [(None, False), (None, False)]


def test_a_zero_denominator_gives_null_with_the_numerator_shown(warehouse: Warehouse, build: Build) -> None:
    warehouse.add("marts.fct_costs", date_day=date(2026, 8, 1), amount=50, acquisition_amount=50)
    build(warehouse, grains=["month"])
    row = warehouse.row("monthly", "cpl", "2026-08-01")
    assert (row["numerator"], row["denominator"], row["value"], row["reason"]) == (50, 0, None, "zero_denominator")
    assert warehouse.row("monthly", "engagement_rate", "2026-08-01")["reason"] == "zero_denominator"
    assert warehouse.row("monthly", "sales_cycle_days", "2026-08-01")["reason"] == "zero_denominator"


def test_no_spend_makes_costs_per_stage_and_returns_null_and_drr_zero(warehouse: Warehouse, build: Build) -> None:
    warehouse.add("marts.fct_leads", 4, lead_id="x", lead_date=date(2026, 8, 1))
    warehouse.add(
        "marts.fct_orders", order_id="o", customer_id="c", order_date=date(2026, 8, 2), amount=300, is_new_customer=True
    )
    warehouse.add(
        "marts.fct_attribution",
        conversion_date=date(2026, 8, 2),
        channel="Email",
        revenue=300,
        gross_margin=200,
        is_new_customer=True,
    )
    build(warehouse, grains=["month"])
    expected = {  # numerator, denominator
        "cpl": (0, 4), "cpmql": (0, 0), "cpsql": (0, 0), "cost_per_opportunity": (0, 0), "cac_media": (0, 1), "cac_loaded": (0, 1),
        "mer": (300, 0), "roas": (0, 0), "roi_revenue": (0, 0), "romi": (0, 0),
    }  # fmt: skip
    for kpi_id, (numerator, denominator) in expected.items():
        row = warehouse.row("monthly", kpi_id, "2026-08-01")
        assert (row["value"], row["reason"]) == (None, "no_spend"), kpi_id
        assert (row["numerator"], row["denominator"]) == (numerator, denominator), kpi_id
    by_channel = warehouse.row("monthly", "roas", "2026-08-01", "channel", "Email")
    assert (by_channel["numerator"], by_channel["reason"]) == (300, "no_spend")  # the revenue that cost nothing
    assert warehouse.row("monthly", "drr", "2026-08-01")["value"] == 0
    assert warehouse.row("monthly", "drr", "2026-08-01", "channel", "Email")["value"] == 0


def test_spend_without_revenue(warehouse: Warehouse, build: Build) -> None:
    warehouse.add("marts.fct_costs", date_day=date(2026, 8, 1), channel="Display", amount=80, acquisition_amount=80)
    build(warehouse, grains=["month"])

    def value_and_reason(kpi_id: str) -> tuple[float | None, str | None]:
        row = warehouse.row("monthly", kpi_id, "2026-08-01")
        return row["value"], row["reason"]

    assert value_and_reason("roas") == (0, None)
    assert value_and_reason("roi_revenue") == (-1, None)
    assert value_and_reason("romi") == (-1, None)
    assert value_and_reason("mer") == (0, None)
    assert value_and_reason("drr") == (None, "zero_denominator")


def test_a_source_that_is_off_gives_no_data_and_shows_the_other_part(warehouse: Warehouse, build: Build) -> None:
    warehouse.switch_off("google_ads/campaign_performance", "config/ledger")
    warehouse.add("marts.fct_leads", 4, lead_id="x", lead_date=date(2026, 8, 1), channel="Email")
    build(warehouse, grains=["month"])
    for dimension, member in (("total", "all"), ("channel", "Email")):
        row = warehouse.row("monthly", "cpl", "2026-08-01", dimension, member)
        assert (row["numerator"], row["denominator"], row["value"], row["reason"]) == (None, 4, None, "no_data")
    assert warehouse.row("monthly", "marketing_spend", "2026-08-01")["reason"] == "no_data"
    assert warehouse.row("monthly", "leads", "2026-08-01")["value"] == 4


def test_a_day_that_was_extracted_and_empty_is_zero_and_one_that_was_not_is_no_data(
    warehouse: Warehouse, build: Build
) -> None:
    warehouse.extract("ga4/traffic", date(2026, 8, 10), date(2026, 8, 10), is_extracted=False, is_final=False)
    traffic(warehouse, date(2026, 8, 9), 7)
    build(warehouse, grains=["day", "month"])
    days = {
        row["period_start"].day: (row["value"], row["reason"])
        for row in (warehouse.row("daily", "sessions", f"2026-08-{day:02}") for day in (8, 9, 10, 11))
    }
    assert days == {8: (0, None), 9: (7, None), 10: (None, "no_data"), 11: (0, None)}
    month = warehouse.row("monthly", "sessions", "2026-08-01")
    assert (month["value"], month["is_complete"], month["is_final"]) == (7, False, False)


def test_sal_is_no_data_until_a_stage_is_mapped_to_it(warehouse: Warehouse, build: Build) -> None:
    for subjects, expected in ((("leads",), (None, "no_data")), (("leads", "sal"), (0, None))):
        warehouse.feed("hubspot/contacts", *subjects)
        warehouse.extract("hubspot/contacts", warehouse.first_day, warehouse.today)
        build(warehouse, grains=["month"])
        row = warehouse.row("monthly", "sals", "2026-08-01")
        assert (row["value"], row["reason"]) == expected


def test_one_unconverted_amount_empties_its_period_and_cut_and_no_other(warehouse: Warehouse, build: Build) -> None:
    """EUR is the reporting currency; USD has a rate and RUB has none on 5 August."""
    eur = {"order_date": date(2026, 8, 4), "amount": 100, "sales_rep": "1", "product": "a"}
    usd = {"order_date": date(2026, 8, 4), "amount": 90, "sales_rep": "2", "product": "a"}
    rub = {"order_date": date(2026, 8, 5), "amount": None, "sales_rep": "2", "product": "b", "is_rate_missing": True}
    for number, order in enumerate((eur, usd, rub)):
        warehouse.add("marts.fct_orders", order_id=str(number), customer_id=str(number), **order)
        credit = {
            "revenue": order["amount"],
            "gross_margin": order["amount"],
            "is_rate_missing": order.get("is_rate_missing", False),
        }
        channel = "Paid Search" if order is rub else "Email"
        warehouse.add("marts.fct_attribution", conversion_date=order["order_date"], channel=channel, **credit)
    warehouse.add("marts.fct_costs", date_day=date(2026, 8, 4), channel="Email", amount=10, acquisition_amount=10)
    build(warehouse)

    def revenue(
        table: str, start: str, dimension: str = "total", member: str = "all"
    ) -> tuple[float | None, str | None]:
        row = warehouse.row(table, "revenue", start, dimension, member)
        assert row["numerator"] == row["value"]
        return row["value"], row["reason"]

    missing = (None, "missing_rate")
    assert revenue("monthly", "2026-08-01") == missing
    assert revenue("daily", "2026-08-04") == (190, None)
    assert revenue("daily", "2026-08-05") == missing
    assert revenue("monthly", "2026-08-01", "sales_rep", "1") == (100, None)
    assert revenue("monthly", "2026-08-01", "sales_rep", "2") == missing
    assert revenue("monthly", "2026-08-01", "product", "a") == (190, None)
    assert revenue("monthly", "2026-08-01", "channel", "Email") == (190, None)
    assert revenue("monthly", "2026-08-01", "channel", "Paid Search") == missing
    aov = warehouse.row("monthly", "aov", "2026-08-01")
    assert (aov["numerator"], aov["denominator"], aov["reason"]) == (None, 3, "missing_rate")
    assert warehouse.row("monthly", "new_customers", "2026-08-01")["value"] == 0  # rests on no amount
    # the total over channels with spend does not contain the unconverted order, so it stands
    assert warehouse.row("monthly", "roas", "2026-08-01")["value"] == 19
    assert warehouse.row("monthly", "mer", "2026-08-01")["reason"] == "missing_rate"
    # what follows a period without value is not compared with it
    september = warehouse.row("monthly", "revenue", "2026-09-01")
    assert (september["value"], september["previous_value"], september["previous_change"]) == (0, None, None)


def test_unconverted_spend_empties_what_rests_on_it(warehouse: Warehouse, build: Build) -> None:
    warehouse.add(
        "marts.fct_costs",
        date_day=date(2026, 8, 4),
        channel="Display",
        amount=None,
        acquisition_amount=None,
        is_rate_missing=True,
    )
    warehouse.add("marts.fct_costs", date_day=date(2026, 8, 4), channel="Email", amount=10, acquisition_amount=10)
    warehouse.add("marts.fct_leads", 2, lead_id="x", lead_date=date(2026, 8, 1), channel="Email")
    build(warehouse, grains=["month"])
    total = warehouse.row("monthly", "cpl", "2026-08-01")
    assert (total["numerator"], total["denominator"], total["reason"]) == (None, 2, "missing_rate")
    assert warehouse.row("monthly", "cpl", "2026-08-01", "channel", "Email")["value"] == 5
    assert warehouse.row("monthly", "roas", "2026-08-01")["reason"] == "missing_rate"


def test_an_unknown_gross_margin_is_no_data_and_never_a_margin_of_one(warehouse: Warehouse, build: Build) -> None:
    warehouse.add(
        "marts.fct_attribution", conversion_date=date(2026, 8, 2), channel="Email", revenue=300, gross_margin=None
    )
    warehouse.add("marts.fct_costs", date_day=date(2026, 8, 1), channel="Email", amount=80, acquisition_amount=80)
    build(warehouse, grains=["month"])
    romi = warehouse.row("monthly", "romi", "2026-08-01")
    assert (romi["numerator"], romi["denominator"], romi["value"], romi["reason"]) == (None, 80, None, "no_data")
    assert warehouse.row("monthly", "roas", "2026-08-01")["value"] == 3.75


def test_unique_visitors_are_read_per_period_and_never_summed(warehouse: Warehouse, build: Build) -> None:
    for grain, start, visitors in (
        ("day", date(2026, 8, 1), 60),
        ("day", date(2026, 8, 2), 50),
        ("month", date(2026, 8, 1), 80),
        ("month", date(2026, 9, 1), 100),
    ):
        warehouse.add(
            "marts.fct_web_visitors",
            grain=grain,
            period_start=start,
            dimension="total",
            member="all",
            unique_visitors=visitors,
            quality="ok",
        )
    warehouse.add(
        "marts.fct_web_visitors",
        grain="month",
        period_start=date(2026, 9, 1),
        dimension="device",
        member="mobile",
        unique_visitors=70,
        quality="thresholded",
    )
    build(warehouse)
    assert warehouse.row("daily", "unique_visitors", "2026-08-02")["value"] == 50
    assert warehouse.row("monthly", "unique_visitors", "2026-08-01")["value"] == 80
    september = warehouse.row("monthly", "unique_visitors", "2026-09-01")
    assert (september["value"], september["previous_value"], september["previous_change"]) == (100, 80, 0.25)
    mobile = warehouse.row("monthly", "unique_visitors", "2026-09-01", "device", "mobile")
    assert (mobile["value"], mobile["quality"]) == (70, "thresholded")
    # a grain that was not asked of the vendor is not made up from another one
    week = warehouse.row("weekly", "unique_visitors", "2026-07-27")
    assert (week["value"], week["reason"]) == (None, "no_data")


def test_visitors_of_campaigns_with_one_name_are_an_upper_bound_that_says_so(
    warehouse: Warehouse, build: Build
) -> None:
    for platform, visitors in (("google_ads", 30), ("microsoft_ads", 20)):
        warehouse.add(
            "marts.dim_campaign",
            campaign_key=f"{platform}:1",
            campaign_name="Brand",
            platform=platform,
            campaign_id="1",
        )
        warehouse.add(
            "marts.fct_web_visitors",
            grain="month",
            period_start=date(2026, 8, 1),
            dimension="campaign",
            member=f"{platform}:1",
            unique_visitors=visitors,
            quality="ok",
        )
        traffic(warehouse, date(2026, 8, 1), visitors, campaign_key=f"{platform}:1")
    build(warehouse, grains=["month"])
    row = warehouse.row("monthly", "unique_visitors", "2026-08-01", "campaign", "Brand")
    assert (row["value"], row["quality"]) == (50, "merged_members")
    assert warehouse.row("monthly", "sessions", "2026-08-01", "campaign", "Brand")["value"] == 50


def test_medians_have_no_parts_but_their_observations(warehouse: Warehouse, build: Build) -> None:
    for number, cycle in enumerate((10.0, 20.5, 90.0)):
        warehouse.add(
            "marts.fct_opportunities",
            deal_id=str(number),
            created_date=date(2026, 7, 1),
            closed_date=date(2026, 8, 3 + number),
            status="won",
            sales_cycle_days=cycle,
            sales_rep="7",
        )
    warehouse.add(
        "marts.fct_opportunities",
        deal_id="lost",
        created_date=date(2026, 7, 1),
        closed_date=date(2026, 8, 3),
        status="lost",
        sales_cycle_days=1.0,
        sales_rep="7",
    )
    build(warehouse)
    for dimension, member in (("total", "all"), ("sales_rep", "7")):
        row = warehouse.row("monthly", "sales_cycle_days", "2026-08-01", dimension, member)
        assert (row["value"], row["sample_size"], row["numerator"], row["denominator"], row["low_n"]) == (
            20.5,
            3,
            None,
            None,
            True,
        )
    # the median of a quarter is that of its deals, not of its months
    assert warehouse.row("quarterly", "sales_cycle_days", "2026-07-01")["value"] == 20.5
    assert warehouse.row("daily", "sales_cycle_days", "2026-08-03")["value"] == 10


def test_distinct_buyers_are_counted_once_in_any_period(warehouse: Warehouse, build: Build) -> None:
    for number, (customer, month) in enumerate((("a", 7), ("a", 8), ("b", 8), ("b", 8))):
        warehouse.add(
            "marts.fct_orders",
            order_id=str(number),
            customer_id=customer,
            order_date=date(2026, month, 1 + number),
            amount=30,
        )
    warehouse.add(
        "marts.fct_orders", order_id="r", customer_id="b", order_date=date(2026, 8, 9), amount=-30, kind="refund"
    )
    warehouse.add(
        "marts.fct_orders",
        order_id="u",
        customer_id="c",
        order_date=date(2026, 8, 9),
        amount=None,
        is_amount_known=False,
    )
    build(warehouse)
    august = warehouse.row("monthly", "revenue_per_customer", "2026-08-01")
    assert (august["numerator"], august["denominator"], august["value"]) == (60, 2, 30)
    quarter = warehouse.row("quarterly", "revenue_per_customer", "2026-07-01")
    assert (quarter["numerator"], quarter["denominator"], quarter["value"]) == (90, 2, 45)
    aov = warehouse.row("monthly", "aov", "2026-08-01")
    assert (aov["numerator"], aov["denominator"], aov["value"]) == (60, 3, 20)  # a refunded order is still an order


def test_a_member_of_which_nothing_is_known_is_named(warehouse: Warehouse, build: Build) -> None:
    warehouse.add("marts.dim_campaign", campaign_key="google_ads:1", campaign_name="Spring")
    traffic(warehouse, date(2026, 8, 1), 3, campaign_key="google_ads:1")
    traffic(warehouse, date(2026, 8, 1), 4, campaign_key="not in the dimension")
    build(warehouse, grains=["month"])
    rows = warehouse.rows(
        "monthly", "member, value", "kpi_id = 'sessions' and dimension = 'campaign' and period_start = '2026-08-01'"
    )
    assert rows == [("(not set)", 4), ("Spring", 3)]


def test_two_cuts_at_once(warehouse: Warehouse, build: Build) -> None:
    for number, channel in enumerate(("Paid Search", "Paid Search", "Email")):
        stage = {
            "lead_id": str(number),
            "stage": "lead",
            "transition": "lead>mql",
            "reached_date": date(2026, 8, 1),
            "channel": channel,
        }
        warehouse.add("marts.fct_lead_stages", converted_within_window=number == 0, **stage)
    build(warehouse, grains=["month"])
    rows = warehouse.rows(
        "monthly", "dimension, member, value", "kpi_id = 'stage_conversion_rate' and period_start = '2026-08-01'"
    )
    assert rows == [
        ("stage", "lead>mql", pytest.approx(1 / 3)),
        ("stage | channel", "lead>mql | Email", 0),
        ("stage | channel", "lead>mql | Paid Search", 0.5),
        ("stage | sales_rep", "lead>mql | (not set)", pytest.approx(1 / 3)),
    ]


def test_members_add_up_to_the_total(warehouse: Warehouse, build: Build) -> None:
    for number in range(12):
        traffic(
            warehouse,
            date(2026, 7 + number % 3, 1 + number),
            10 + number,
            number,
            channel=f"c{number % 3}",
            landing_page=f"/{number % 4}",
        )
        credit = {"revenue": 10.1 * number, "gross_margin": 1, "is_new_customer": number % 2 == 0}
        warehouse.add(
            "marts.fct_attribution", conversion_date=date(2026, 8, 1 + number), channel=f"c{number % 5}", **credit
        )
        warehouse.add(
            "marts.fct_orders",
            order_id=str(number),
            customer_id=str(number),
            order_date=date(2026, 8, 1 + number),
            amount=10.1 * number,
            is_new_customer=number % 2 == 0,
        )
    build(warehouse)
    for table in ("daily", "weekly", "monthly", "quarterly", "yearly"):
        uneven = warehouse.connection.execute(
            f"""
            with sums as (
                select kpi_id, period_start, dimension, sum(value) as value, sum(previous_value) as previous_value
                from kpi.fct_kpi_{table} where kpi_id in ('sessions', 'revenue', 'new_customers') and dimension <> 'total' group by all
            )
            select * from sums join kpi.fct_kpi_{table} as total using (kpi_id, period_start)
            where total.dimension = 'total' and (abs(sums.value - total.value) > 1e-9 or abs(sums.previous_value - total.previous_value) > 1e-9)
            """
        ).fetchall()
        assert uneven == [], table
