"""Night after night the vendors change the past; the tables follow, and end where one full build would have begun.

The clock goes from 2026-10-01 to 2026-10-10. Meanwhile GA4 completes its last days and takes a robot burst out of
September, one contact is archived, one merged, one erased, a won deal is reopened and lost, an order refunded.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from dagster_project.sandbox.company import HISTORY_START
from dagster_project.wire import Window
from tests.pipeline.conftest import PERIOD, TODAY, Keep
from tests.support import expected
from tests.support.installation import INCREMENTAL_MODELS, Installation
from tests.support.published import differences, query

LAST_NIGHT = date(2026, 10, 10)
DEEP_NIGHT = date(2026, 10, 7)  # GA4 is looked at again 30 days back, and so the burst that left after 12 is found
BUILT_NIGHTS = (date(2026, 10, 3), date(2026, 10, 5), DEEP_NIGHT)
BURST_DAY = date(2026, 9, 24)
ALL_RATES = Window(HISTORY_START, TODAY)


def moment(day: date) -> datetime:
    """The sandbox's clock on the morning of a day."""
    return datetime.combine(day, time(6), UTC)


@pytest.fixture
def first_night(installation: Installation, keep: Keep) -> Installation:
    """As of 2026-10-01: PERIOD of the reports, the whole CRM, all rates."""

    def make() -> None:
        installation.read("backfill", ALL_RATES, ["fx"])
        installation.read("sweep")
        installation.quick("backfill", PERIOD)

    keep("first night", make)
    return installation


@pytest.fixture
def last_night(first_night: Installation, keep: Keep) -> Installation:
    """Nine nights later; the last one lists the CRM anew."""

    def make() -> None:
        first_night.go_back("first night")
        for night in (TODAY + timedelta(days=n) for n in range(1, 10)):
            first_night.sandbox.clock.set(night)
            first_night.read("refresh")
            if night == DEEP_NIGHT:
                first_night.read("deep", sources=["ga4"])
            if night in BUILT_NIGHTS:
                first_night.build(INCREMENTAL_MODELS)
        first_night.read("sweep")
        first_night.build()
        first_night.publish()

    keep("last night", make)
    return first_night


def total_by_day(installation: Installation, name: str, kpi: str, until: date) -> dict[date, Any]:
    rows = query(
        installation.published(name),
        f"select period_start, value from kpi.fct_kpi_daily where kpi_id = '{kpi}' and dimension = 'total' "
        f"and period_start < date '{until}'",
    )
    assert len(rows) == len({day for day, _ in rows})
    return dict(rows)


def assert_as_expected(rows: dict[date, Any], wanted: dict[date, Any], until: date) -> None:
    """Every day that was extracted says what is expected (nothing: 0), and every day with something has a row."""
    said = {day: value for day, value in rows.items() if value is not None}
    wanted = {day: value for day, value in wanted.items() if min(said) <= day < until}
    assert said == pytest.approx({day: wanted.get(day, 0) for day in said}, abs=0.01)
    assert set(wanted) <= set(said)
    assert sum(wanted.values()) > 0


@pytest.mark.parametrize(("name", "today"), [("first night", TODAY), ("last night", LAST_NIGHT)])
def test_kpi_facts_agree_with_the_companys_own_records(last_night: Installation, name: str, today: date) -> None:
    company, now = last_night.sandbox.company, moment(today)
    for kpi, wanted in {
        "sessions": expected.sessions_by_day(company, now),
        "leads": expected.leads_by_day(company, now),
        "revenue": expected.revenue_by_day(company, now),
        "new_customers": expected.new_customers_by_day(company, now),
    }.items():
        assert_as_expected(total_by_day(last_night, name, kpi, today), wanted, today)
    won = query(
        last_night.published(name),
        "select period_start, numerator, denominator from kpi.fct_kpi_monthly "
        "where kpi_id = 'win_rate' and dimension = 'total' and denominator > 0",
    )
    assert {month: parts for month, *parts in won} == {
        month: list(parts) for month, parts in expected.closed_deals_by_month(company, now).items()
    }


def test_nights_end_where_one_full_build_begins(last_night: Installation) -> None:
    last_night.sandbox.clock.set(LAST_NIGHT)
    last_night.read("backfill", ALL_RATES, ["fx"])
    last_night.read("sweep")
    full = last_night.quick("backfill", Window(PERIOD.start, LAST_NIGHT))
    assert differences(last_night.published("last night"), full) == {}


def test_a_restated_day_is_right_afterwards(last_night: Installation) -> None:
    company, day = last_night.sandbox.company, TODAY - timedelta(days=1)
    sql = f"select sum(sessions) from marts.fct_web_traffic where date_day = '{day}'"
    before, after = (query(last_night.published(name), sql)[0][0] for name in ("first night", "last night"))
    assert before == expected.sessions_by_day(company, moment(TODAY))[day]
    assert after == expected.sessions_by_day(company, moment(LAST_NIGHT))[day]
    assert before < after


def test_vanished_rows_vanish(last_night: Installation) -> None:
    keys = "source, medium, landing_page, device, country"
    sql = f"select {keys} from marts.fct_web_traffic where date_day = '{BURST_DAY}'"
    before, after = (set(query(last_night.published(name), sql)) for name in ("first night", "last night"))
    assert before - after, "the robots had rows of their own"
    assert not after - before
    gone = [
        row for row in last_night.sandbox.company.web.sessions.to_pylist()
        if row["date"] == BURST_DAY and row["withdrawn_at"] and row["withdrawn_at"] > moment(TODAY)
    ]  # fmt: skip
    days = (total_by_day(last_night, name, "sessions", TODAY)[BURST_DAY] for name in ("first night", "last night"))
    assert -len(gone) == -next(days) + next(days)
    assert len(gone) > 20


def leads_of(installation: Installation, name: str, *landmarks: str) -> list[bool]:
    """Whether there is a lead made by the contact of each landmark."""
    ids = [installation.sandbox.company.landmarks[landmark] for landmark in landmarks]
    known = {row[0] for row in query(installation.published(name), "select crm_record_id from marts.fct_leads")}
    return [contact in known for contact in ids]


@pytest.mark.parametrize("landmark", ["archived_later_contact", "deleted_later_contact", "merged_later_contact"])
def test_a_contact_that_is_gone_is_no_lead(last_night: Installation, landmark: str) -> None:
    assert leads_of(last_night, "first night", landmark) == [True]
    assert leads_of(last_night, "last night", landmark) == [False]
    assert leads_of(last_night, "last night", "merged_later_survivor") == [True]


def test_a_reopened_deal_is_open_again_then_lost(last_night: Installation) -> None:
    deal = last_night.sandbox.company.landmarks["reopened_later_deal"]
    sql = f"select status, closed_date from marts.fct_opportunities where crm_deal_id = '{deal}'"
    orders = f"select count(*) from marts.fct_orders where deal_id like '%{deal}' and kind = 'order'"
    [(before, won_on)], [(after, lost_on)] = (
        query(last_night.published(name), sql) for name in ("first night", "last night")
    )
    assert (before, after, lost_on) == ("won", "lost", date(2026, 10, 9))
    assert won_on < TODAY
    assert [query(last_night.published(name), orders) for name in ("first night", "last night")] == [[(1,)], [(0,)]]


def test_a_refunded_first_order_makes_no_customer(last_night: Installation) -> None:
    landmarks = last_night.sandbox.company.landmarks
    order, refund = landmarks["fully_refunded_later_deal"], landmarks["full_refund_later_deal"]
    sql = (
        "select right(order_id, 11), kind, order_date, is_new_customer, amount from marts.fct_orders "
        f"where order_id like '%{order}' or order_id like '%{refund}' order by order_date"
    )
    [(_, _, bought_on, was_new, amount)] = query(last_night.published("first night"), sql)
    assert was_new
    assert query(last_night.published("last night"), sql) == [
        (order, "order", bought_on, False, amount),
        (refund, "refund", date(2026, 10, 6), False, -amount),
    ]
