"""KPIs that need an attribution model, and METHOD's reference figures for returns and acquisition cost."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from tests.support.kpi_warehouse import Warehouse

Build = Callable[..., dict[str, int]]
DAY = date(2026, 8, 4)


@pytest.fixture
def warehouse() -> Warehouse:
    return Warehouse(date(2026, 10, 1), date(2026, 7, 1))


def spend(warehouse: Warehouse, amount: float, **columns: object) -> None:
    warehouse.add("marts.fct_costs", **{"date_day": DAY, "amount": amount, "acquisition_amount": amount, **columns})


def credit(warehouse: Warehouse, revenue: float, model: str = "last", **columns: object) -> None:
    row = {"conversion_date": DAY, "gross_margin": revenue, "revenue": revenue, "model": model, **columns}
    warehouse.add("marts.fct_attribution", is_default_model=model == "last", **row)


def order(warehouse: Warehouse, amount: float, **columns: object) -> None:
    warehouse.add(
        "marts.fct_orders", **{"order_id": "o", "customer_id": "c", "order_date": DAY, "amount": amount, **columns}
    )


def test_the_total_of_roas_counts_the_channels_that_have_media_cost_anywhere(
    warehouse: Warehouse, build: Build
) -> None:
    spend(warehouse, 100, channel="Paid Search")
    spend(warehouse, 50, channel="Display")
    spend(warehouse, 40, channel="Email", date_day=date(2026, 9, 4))
    credit(warehouse, 300, channel="Paid Search")
    credit(warehouse, 80, channel="Email")  # spend in the next month
    credit(warehouse, 500, channel="(unattributed)")
    credit(warehouse, 60, channel="Email", conversion_date=date(2026, 9, 5))
    credit(warehouse, 90, channel="Paid Search", conversion_date=date(2026, 9, 5))
    order(warehouse, 880)
    build(warehouse)

    def parts(table: str, kpi_id: str, start: str) -> tuple[float, float, float]:
        row = warehouse.row(table, kpi_id, start)
        return row["numerator"], row["denominator"], row["value"]

    assert parts("monthly", "roas", "2026-08-01") == (380, 150, pytest.approx(380 / 150))
    assert parts("monthly", "roi_revenue", "2026-08-01") == (230, 150, pytest.approx(230 / 150))
    assert parts("monthly", "drr", "2026-08-01") == (150, 380, pytest.approx(150 / 380))
    assert parts("monthly", "roas", "2026-09-01") == (150, 40, 3.75)
    assert parts("quarterly", "roas", "2026-07-01") == (300 + 80 + 60 + 90, 190, pytest.approx(530 / 190))
    assert parts("monthly", "mer", "2026-08-01") == (880, 150, pytest.approx(880 / 150))
    assert warehouse.row("monthly", "roas", "2026-09-01")["previous_value"] == pytest.approx(380 / 150)
    display = warehouse.row("monthly", "roas", "2026-08-01", "channel", "Display")
    assert (display["numerator"], display["value"]) == (0, 0)


def test_every_model_has_its_rows_and_none_stands_where_no_model_is_needed(warehouse: Warehouse, build: Build) -> None:
    spend(warehouse, 100, channel="Paid Search", campaign_key="a")
    order(warehouse, 300, is_new_customer=True)
    credit(warehouse, 300, "last", channel="Paid Search", campaign_key="a", is_new_customer=True)
    credit(warehouse, 200, "linear", channel="Paid Search", campaign_key="a", is_new_customer=True, credit=0.5)
    credit(warehouse, 100, "linear", channel="Email", campaign_key="b", is_new_customer=True, credit=0.5)
    build(warehouse, grains=["month"])
    of_august = "period_start = '2026-08-01'"
    assert warehouse.rows(
        "monthly", "attribution_model, value", f"kpi_id = 'roas' and dimension = 'total' and {of_august}"
    ) == [("last", 3), ("linear", 2)]
    by_channel = warehouse.rows(
        "monthly", "member, attribution_model, value", f"kpi_id = 'revenue' and dimension = 'channel' and {of_august}"
    )
    assert by_channel == [("Email", "linear", 100), ("Paid Search", "last", 300), ("Paid Search", "linear", 200)]
    customers = warehouse.rows(
        "monthly",
        "member, attribution_model, numerator, denominator, value, reason",
        f"kpi_id = 'cac_media' and dimension = 'channel' and {of_august}",
    )
    assert customers == [
        ("Email", "linear", 0, 0.5, None, "no_spend"),
        ("Paid Search", "last", 100, 1, 100, None),
        ("Paid Search", "linear", 100, 0.5, 200, None),
    ]
    for kpi_id in ("revenue", "new_customers", "cac_media", "mer", "leads"):
        models = warehouse.rows("monthly", "distinct attribution_model", f"kpi_id = '{kpi_id}' and dimension = 'total'")
        assert models == [("none",)], kpi_id
    # before the numbers of all models stand in one sum, nobody may add them up
    assert warehouse.row("monthly", "revenue", "2026-08-01")["value"] == 300


def test_refunds_take_their_revenue_back_on_their_own_day(warehouse: Warehouse, build: Build) -> None:
    order(warehouse, 300)
    order(warehouse, -100, kind="refund", order_date=date(2026, 9, 2))
    credit(warehouse, 300, channel="Email")
    credit(warehouse, -100, channel="Email", credit=0.0, is_amount_known=False, conversion_date=date(2026, 9, 2))
    build(warehouse, grains=["month"])
    for dimension, member in (("total", "all"), ("channel", "Email")):
        values = [
            warehouse.row("monthly", "revenue", f"2026-0{month}-01", dimension, member)["value"] for month in (8, 9)
        ]
        assert values == [300, -100]


def test_the_seeds_return_of_50_percent_beside_what_is_left_at_each_margin(
    warehouse: Warehouse, build: Build, shared_dir: Path
) -> None:
    """100,000 in Yandex Direct, goods for 150,000: one month of the year per gross margin."""
    examples = json.loads((shared_dir / "reference/stats/expected.json").read_text())["roi_seed_example"]
    warehouse = Warehouse(date(2026, 10, 1), date(2026, 1, 1))
    for month, example in enumerate(examples, start=1):
        day = date(2026, month, 15)
        spend(warehouse, example["spend"], channel="Paid Search", date_day=day)
        credit(
            warehouse,
            example["revenue"],
            channel="Paid Search",
            conversion_date=day,
            gross_margin=example["revenue"] * example["gross_margin"],
        )
    build(warehouse, grains=["month"])
    for month, example in enumerate(examples, start=1):
        start = f"2026-{month:02}-01"
        for kpi_id, name in (
            ("roas", "ROAS"),
            ("drr", "DRR_cost_share"),
            ("roi_revenue", "revenue_ROI_seed"),
            ("romi", "ROMI_gross_profit"),
        ):
            assert warehouse.row("monthly", kpi_id, start)["value"] == pytest.approx(example[name], abs=1e-9), (
                kpi_id,
                example,
            )


def test_acquisition_cost_by_motion_is_that_of_the_reference(
    warehouse: Warehouse, build: Build, shared_dir: Path
) -> None:
    expected = json.loads((shared_dir / "reference/stats/expected.json").read_text())["cac"]
    with (shared_dir / "reference/roi/cac_costs.csv").open() as file:
        for line in csv.DictReader(file):
            spend(
                warehouse,
                float(line["amount"]),
                motion=line["motion"],
                cost_type=line["cost_type"],
                channel="(not set)",
            )
    for motion, customers in expected["new_customers"].items():
        for number in range(customers):
            order(warehouse, 100, order_id=f"{motion}{number}", customer_id=f"{motion}{number}", is_new_customer=True)
            credit(warehouse, 100, is_new_customer=True, motion=motion)
    build(warehouse, grains=["month"])

    def value(kpi_id: str, dimension: str = "total", member: str = "all") -> float:
        return warehouse.row("monthly", kpi_id, "2026-08-01", dimension, member)["value"]

    assert value("cac_loaded", "motion", "inbound") == expected["inbound_fully_loaded"]
    assert value("cac_loaded", "motion", "outbound") == expected["outbound_fully_loaded"]
    assert value("cac_loaded") == expected["blended_fully_loaded"]
    assert value("cac_media") == expected["media_only_blended"]
    assert (
        value("marketing_spend", "motion", "outbound") / expected["new_customers"]["outbound"]
        == expected["paid_media_only_outbound"]
    )
    assert value("marketing_spend_loaded", "cost_type", "labour") == 75000
    example = expected["seed_example"]
    warehouse.connection.execute("delete from marts.fct_costs; delete from marts.fct_orders")
    spend(warehouse, example["spend"])
    for number in range(example["new_customers"]):
        order(warehouse, 100, order_id=str(number), customer_id=str(number), is_new_customer=True)
    build(warehouse, grains=["month"])
    assert value("cac_media") == example["cac"]


def test_the_loaded_cost_counts_the_share_spent_on_acquisition(warehouse: Warehouse, build: Build) -> None:
    spend(warehouse, 100, channel="Paid Search")
    spend(warehouse, 80, cost_type="labour", motion="inbound", acquisition_amount=20)
    build(warehouse, grains=["month"])
    assert warehouse.row("monthly", "marketing_spend", "2026-08-01")["value"] == 100
    assert warehouse.row("monthly", "marketing_spend_loaded", "2026-08-01")["value"] == 120


def test_the_funnel_fixture_by_lead_month(build: Build, shared_dir: Path) -> None:
    """reference/funnel: the cohort conversion without a window, lead to customer, and the counts per month of event."""
    warehouse = Warehouse(date(2026, 12, 31), date(2026, 1, 1))
    warehouse.connection.execute(
        f"create table leads as from read_csv('{shared_dir / 'reference/funnel/leads.csv'}', types = {{'mql_at': 'date', 'won_at': 'date'}})"
    )
    warehouse.connection.execute(
        """
        insert into marts.fct_leads by name select lead_id, lead_at as lead_date, channel, won_at is not null as is_customer from leads;
        insert into marts.fct_lead_stages by name
        select lead_id, channel, stage, reached as reached_date, 400 as conversion_window_days, transition, next is not null as converted_within_window
        from (
            select lead_id, channel,
                unnest(['lead', 'mql', 'sal', 'sql', 'opportunity']) as stage, unnest([lead_at, mql_at, sal_at, sql_at, opp_at]) as reached,
                unnest([mql_at, sal_at, sql_at, opp_at, won_at]) as next,
                unnest(['lead>mql', 'mql>sal', 'sal>sql', 'sql>opportunity', 'opportunity>won']) as transition
            from leads
        ) where reached is not null
        """
    )
    build(warehouse, grains=["month"])
    with (shared_dir / "reference/funnel/expected_cohort_by_lead_month.csv").open() as file:
        for month in csv.DictReader(file):
            row = warehouse.row("monthly", "lead_to_customer_rate", month["cohort"])
            assert (row["numerator"], row["denominator"]) == (int(month["won"]), int(month["leads"]))
            assert row["value"] == pytest.approx(float(month["leads_to_won"]), abs=1e-6)
            step = warehouse.row("monthly", "stage_conversion_rate", month["cohort"], "stage", "lead>mql")
            assert (step["numerator"], step["denominator"], step["reason"]) == (
                int(month["mql"]),
                int(month["leads"]),
                "immature",
            )
    with (shared_dir / "reference/funnel/expected_period_by_event_month.csv").open() as file:
        for month in csv.DictReader(file):
            for kpi_id, column in (("leads", "leads"), ("mqls", "mql"), ("sals", "sal"), ("sqls", "sql_")):
                assert warehouse.row("monthly", kpi_id, month["period"])["value"] == int(month[column]), (kpi_id, month)


def test_the_deals_fixture(build: Build, shared_dir: Path) -> None:
    expected = json.loads((shared_dir / "reference/stats/expected.json").read_text())["sales_cycle"]
    warehouse = Warehouse(date(2026, 10, 1), date(2026, 1, 1))
    warehouse.connection.execute(
        f"""
        insert into marts.fct_opportunities by name
        select deal_id, created as created_date, closed as closed_date, outcome as status, closed - created as sales_cycle_days,
            '(not set)' as product, '(not set)' as channel
        from read_csv('{shared_dir / "reference/funnel/deals.csv"}')
        """
    )
    build(warehouse, grains=["year"])
    rate = warehouse.row("yearly", "win_rate", "2026-01-01")
    assert (rate["numerator"], rate["denominator"]) == (expected["won"], expected["won"] + expected["lost"])
    assert rate["value"] == pytest.approx(expected["win_rate_closed"])
    cycle = warehouse.row("yearly", "sales_cycle_days", "2026-01-01")
    assert (cycle["value"], cycle["sample_size"]) == (expected["median_days_won_closed_only"], expected["won"])
    assert warehouse.row("yearly", "opportunities", "2026-01-01")["value"] == expected["deals"]


GRAINS = ("daily", "weekly", "monthly", "quarterly", "yearly")


def models_by_table(warehouse: Warehouse, kpi: str, dimension: str) -> dict[str, set[str]]:
    where = f"kpi_id = '{kpi}' and dimension = '{dimension}'"
    return {table: {row[0] for row in warehouse.rows(table, "attribution_model", where)} for table in GRAINS}


def test_days_and_weeks_have_the_default_model_and_longer_periods_all(warehouse: Warehouse, build: Build) -> None:
    spend(warehouse, 100, channel="Email")
    for model, revenue in (("first", 100), ("last", 200), ("linear", 150)):
        credit(warehouse, revenue, model, channel="Email")
    build(warehouse)
    for dimension in ("channel", "total"):
        assert models_by_table(warehouse, "roas", dimension) == {
            "daily": {"last"}, "weekly": {"last"},
            "monthly": {"first", "last", "linear"}, "quarterly": {"first", "last", "linear"}, "yearly": {"first", "last", "linear"},
        }  # fmt: skip
    assert models_by_table(warehouse, "revenue", "total") == {table: {"none"} for table in GRAINS}
    assert warehouse.row("daily", "roas", "2026-08-04", "channel", "Email")["value"] == 2
    assert warehouse.row("monthly", "roas", "2026-08-01", "channel", "Email", "linear")["value"] == 1.5


def test_which_models_a_grain_has_is_a_setting(warehouse: Warehouse, build: Build) -> None:
    """Changed between two builds: rows that are no longer wanted go, others come."""
    for model in ("first", "last", "linear"):
        credit(warehouse, 100, model, channel="Email")
    build(warehouse)
    warehouse.connection.execute(
        "update staging.stg_config__settings set attribution_models_day = 'all', attribution_models_week = 'last,linear', "
        "attribution_models_year = 'last'"
    )
    build(warehouse)
    assert models_by_table(warehouse, "revenue", "channel") == {
        "daily": {"first", "last", "linear"}, "weekly": {"last", "linear"}, "monthly": {"first", "last", "linear"},
        "quarterly": {"first", "last", "linear"}, "yearly": {"last"},
    }  # fmt: skip
