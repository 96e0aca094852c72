"""A build that makes only what changed gives the tables of a build of everything, and leaves the rest alone."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest

from dagster_project.kpis import changes
from dagster_project.kpis.periods import GRAINS
from tests.support.big_marts import big_warehouse
from tests.support.kpi_warehouse import USUAL, Warehouse

Build = Callable[..., dict[str, int]]
TODAY, DAYS = date(2026, 10, 1), 430  # a year and two months: periods have a year-ago
FIRST, SECOND = datetime(2026, 10, 1, 3, tzinfo=UTC), datetime(2026, 10, 2, 3, tzinfo=UTC)


def small(models: int = 2) -> Warehouse:
    return big_warehouse(TODAY, DAYS, 120, 30, models, campaigns=3)


def a_day(rng: random.Random) -> date:
    return TODAY - timedelta(days=rng.randrange(1, DAYS))


# ---- what happens to marts between two builds ------------------------------------------------------------------


def a_restated_day(w: Warehouse, rng: random.Random) -> None:
    w.connection.execute("update marts.fct_web_traffic set sessions = sessions + 3 where date_day = ?", [a_day(rng)])


def a_day_without_sessions(w: Warehouse, rng: random.Random) -> None:
    w.connection.execute("delete from marts.fct_web_traffic where date_day = ?", [a_day(rng)])


def spend_in_a_channel_that_had_none(w: Warehouse, rng: random.Random) -> None:
    cost = {
        "amount": 55,
        "acquisition_amount": 55,
        "channel": "Email",
        "campaign_key": "campaign3",
        "source": "source9",
    }
    w.add("marts.fct_costs", date_day=a_day(rng), **cost)


def spend_without_a_rate(w: Warehouse, rng: random.Random) -> None:
    w.add("marts.fct_costs", date_day=a_day(rng), channel="Display", is_rate_missing=True)


def credit_moves_in_one_model(w: Warehouse, rng: random.Random) -> None:
    day = a_day(rng)
    w.connection.execute(
        "update marts.fct_attribution set channel = 'Referral', source = 'elsewhere' where conversion_date <= ? "
        "and model = (select max(model) from marts.fct_attribution)",
        [day],
    )


def a_model_that_is_new(w: Warehouse, rng: random.Random) -> None:
    w.connection.execute(
        "insert into marts.fct_attribution select * replace ('added' as model, false as is_default_model) "
        "from marts.fct_attribution where model = (select min(model) from marts.fct_attribution)"
    )


def a_late_sale_and_a_new_member(w: Warehouse, rng: random.Random) -> None:
    day = a_day(rng)
    w.add(
        "marts.fct_orders",
        order_id="late",
        customer_id="c",
        order_date=day,
        amount=99,
        channel="Brand new",
        is_new_customer=True,
    )
    w.add(
        "marts.fct_attribution",
        conversion_id="late",
        conversion_date=day,
        channel="Brand new",
        revenue=99,
        gross_margin=40,
    )


def a_deal_that_closes(w: Warehouse, rng: random.Random) -> None:
    w.connection.execute(
        "update marts.fct_opportunities set status = 'won', closed_date = ?, sales_cycle_days = 77 "
        "where deal_id = (select min(deal_id) from marts.fct_opportunities where status = 'open')",
        [a_day(rng)],
    )


def a_lead_that_converts_later(w: Warehouse, rng: random.Random) -> None:
    w.connection.execute(
        "update marts.fct_lead_stages set converted_within_window = true where lead_id in "
        "(select lead_id from marts.fct_lead_stages where not converted_within_window order by lead_id limit 3)"
    )
    w.connection.execute(
        "update marts.fct_leads set is_customer = true where lead_id = (select min(lead_id) from marts.fct_leads)"
    )


def visitors_recounted(w: Warehouse, rng: random.Random) -> None:
    month = a_day(rng).replace(day=1)
    for dimension, member in (("total", "all"), ("channel", "Email")):
        w.connection.execute(
            "delete from marts.fct_web_visitors where grain = 'month' and period_start = ? and dimension = ?",
            [month, dimension],
        )
        w.add("marts.fct_web_visitors", grain="month", period_start=month, dimension=dimension, member=member,
              unique_visitors=rng.randrange(1000), quality="ok")  # fmt: skip


def days_that_are_sampled(w: Warehouse, rng: random.Random) -> None:
    day = a_day(rng)
    w.extract("ga4/traffic", day, day + timedelta(days=2), quality="sampled", is_final=False)


def a_source_that_went_stale(w: Warehouse, rng: random.Random) -> None:
    w.add("staging.stg_meta__streams", source="hubspot", stream="deals", domain="crm", is_on=True, is_stale=True,
          settles_after_days=1, last_day=TODAY - timedelta(days=9))  # fmt: skip


def a_target(w: Warehouse, rng: random.Random) -> None:
    month = a_day(rng).replace(day=1)
    w.add("staging.stg_config__targets", kpi_id="leads", grain="month", period_start=month, target=rng.randrange(1, 90))


def another_maturity(w: Warehouse, rng: random.Random) -> None:
    w.connection.execute("update staging.stg_config__settings set maturity_to_date_days = ?", [rng.randrange(30, 300)])


def the_clock_goes_on(w: Warehouse, rng: random.Random) -> None:
    later = w.today + timedelta(days=rng.choice([1, 1, 31, 100]))
    for stream in USUAL:
        w.extract(stream, w.today, later - timedelta(days=1), is_final=False)
    w.connection.execute("update staging.stg_config__clock set today = ?", [later])
    w.today = later
    w.add("marts.fct_leads", lead_id="fresh", lead_date=later - timedelta(days=1))


def weeks_that_begin_on_sunday(w: Warehouse, rng: random.Random) -> None:
    w.connection.execute("update staging.stg_config__settings set reporting_week_start = 6")


HAPPENINGS = (
    a_restated_day, a_day_without_sessions, spend_in_a_channel_that_had_none, spend_without_a_rate, credit_moves_in_one_model,
    a_model_that_is_new, a_late_sale_and_a_new_member, a_deal_that_closes, a_lead_that_converts_later, visitors_recounted,
    days_that_are_sampled, a_source_that_went_stale, a_target, another_maturity, the_clock_goes_on, weeks_that_begin_on_sunday,
)  # fmt: skip


# ---- the tests -------------------------------------------------------------------------------------------------


def forget(w: Warehouse) -> None:
    """What a first build finds: no KPI tables, and no memory of them."""
    w.connection.execute("drop schema kpi cascade")
    for table in changes._STATE:
        w.connection.execute(f"drop table {changes.SCHEMA}.{table}")


def assert_like_a_build_of_everything(w: Warehouse, build: Build) -> None:
    for table in GRAINS.values():
        w.connection.execute(
            f"create or replace temp table seen_{table} as select * exclude (computed_at) from kpi.fct_kpi_{table}"
        )
    board = w.connection.execute("select * exclude (computed_at) from kpi.kpi_scoreboard order by all").fetchall()
    forget(w)
    build(w)
    for table in GRAINS.values():
        fresh, seen = f"(select * exclude (computed_at) from kpi.fct_kpi_{table})", f"temp.seen_{table}"
        differing = w.connection.execute(
            f"(from {fresh} except all from {seen}) union all (from {seen} except all from {fresh}) order by all limit 6"
        ).fetchall()
        assert not differing, f"fct_kpi_{table}: {differing}"
    assert (
        board == w.connection.execute("select * exclude (computed_at) from kpi.kpi_scoreboard order by all").fetchall()
    )


def test_builds_after_changes_equal_a_build_of_everything(build: Build) -> None:
    """Everything happens once, in random company, with one to three happenings between two builds."""
    rng, warehouse = random.Random(20261001), small()
    build(warehouse)
    todo = rng.sample(HAPPENINGS, len(HAPPENINGS))
    while todo:
        for _ in range(rng.randint(2, 3)):
            if todo:
                todo.pop()(warehouse, rng)
        build(warehouse)
        if len(todo) in (5, 6):
            assert_like_a_build_of_everything(warehouse, build)
    assert_like_a_build_of_everything(warehouse, build)


@pytest.mark.parametrize("happening", [spend_in_a_channel_that_had_none, the_clock_goes_on])
def test_one_change_alone_equals_a_build_of_everything(build: Build, happening: Callable[..., None]) -> None:
    """Alone, since another change might by chance have its rows made again."""
    warehouse = small(models=1)
    build(warehouse)
    happening(warehouse, random.Random(3))
    build(warehouse)
    assert_like_a_build_of_everything(warehouse, build)


def test_only_what_changed_is_made(build: Build) -> None:
    warehouse, day = small(), date(2025, 8, 12)
    rows = build(warehouse, computed_at=FIRST)

    assert build(warehouse, computed_at=SECOND) == rows
    assert made(warehouse, SECOND) == {grain: [] for grain in GRAINS}, "nothing had happened"

    warehouse.connection.execute("update marts.fct_web_traffic set sessions = sessions + 3 where date_day = ?", [day])
    build(warehouse, computed_at=SECOND)
    assert made(warehouse, SECOND) == {  # the period of the day, the next one, and the one a year later
        "day": [day, date(2025, 8, 13), date(2026, 8, 12)],
        "week": [date(2025, 8, 11), date(2025, 8, 18), date(2026, 8, 10)],
        "month": [date(2025, 8, 1), date(2025, 9, 1), date(2026, 8, 1)],
        "quarter": [date(2025, 7, 1), date(2025, 10, 1), date(2026, 7, 1)],
        "year": [date(2025, 1, 1), date(2026, 1, 1)],
    }


def test_a_row_comes_of_age_without_any_change_of_its_data(build: Build) -> None:
    """Maturity is a matter of the clock: April's youngest are 154 days old on 1 October, 185 on 1 November; 180 count."""
    warehouse, kpi = small(), "lead_to_customer_rate"
    build(warehouse, grains=["month"])
    assert warehouse.row("monthly", kpi, "2026-04-01")["is_mature"] is False
    for stream in USUAL:
        warehouse.extract(stream, TODAY, date(2026, 10, 31))
    warehouse.connection.execute("update staging.stg_config__clock set today = date '2026-11-01'")
    build(warehouse, grains=["month"])
    assert warehouse.row("monthly", kpi, "2026-04-01")["is_mature"] is True
    assert warehouse.row("monthly", kpi, "2026-06-01")["is_mature"] is False


def made(warehouse: Warehouse, stamp: datetime) -> dict[str, list[date]]:
    """The periods with rows of that stamp."""
    sql = "select distinct period_start from kpi.fct_kpi_{} where computed_at = ? order by 1"
    return {
        grain: [start for (start,) in warehouse.connection.execute(sql.format(table), [stamp]).fetchall()]
        for grain, table in GRAINS.items()
    }
