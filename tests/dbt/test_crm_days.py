"""Days without a time, closes that cannot be right, and wins without a date. Expected values by hand.

The reporting zone is New York, so that a day is not one of UTC: 5 March begins there at 05:00 UTC.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from tests.support.house import House

MODELS = (
    "+fct_leads",
    "+fct_lead_stages",
    "+fct_opportunities",
    "+fct_orders",
    "+fct_attribution",
    "+fct_conversion_paths",
    "+audit_deals",
)
ZONE = {"reporting": {"time_zone": "America/New_York", "currency": "EUR"}}
MIDNIGHT = "T05:00:00"  # New York's, before the clocks change on 8 March


def day(name: str, value: str) -> dict[str, Any]:
    return {name: value + MIDNIGHT, f"{name}_is_day": True}


def lead(lead_id: str, created: dict[str, Any] | str, **more: Any) -> dict[str, Any]:
    at = created if isinstance(created, dict) else {"created_at": created}
    return {"lead_id": lead_id, "email_hash": f"email-{lead_id}", "deleted": False, **at, **more}


def visit(client: str, at: str, source: str = "google", medium: str = "cpc") -> dict[str, Any]:
    return {"session_id": f"{client}-{at}", "client_id": client, "started_at": at, "source": source, "medium": medium}


def deal(deal_id: str, lead_id: str, status: str, amount: int = 100, **dates: Any) -> dict[str, Any]:
    created = dates.get("created_at") or dates.get("closed_at")
    return {"deal_id": deal_id, "lead_id": lead_id, "status": status, "amount": amount, "currency_code": "EUR",
            "filed_at": created, **dates}  # fmt: skip


LEADS = [
    # known to the day: a visit of that evening counts, one of the next morning does not
    lead("evening", day("created_at", "2026-03-05"), ga_client_id="c1"),
    lead("next_day", day("created_at", "2026-03-05"), ga_client_id="c2"),
    # known to the second: a minute of grace, no more
    lead("grace", "2026-03-05T15:00:00", ga_client_id="c3"),
    lead("no_grace", "2026-03-05T15:00:00", ga_client_id="c4"),
    # the first day of the lookback counts from its first moment: 90 days before 5 March is 5 December
    lead("lookback", day("created_at", "2026-03-05"), ga_client_id="c5"),
    lead("too_old", day("created_at", "2026-03-05"), ga_client_id="c6"),
    # MQL on the day of a lead that was made at noon is no hour earlier
    lead("same_day", "2026-03-05T17:00:00", **day("mql_at", "2026-03-05"), **day("sql_at", "2026-03-07")),
    # an MQL at an hour does not come after the SQL of that day
    lead("mixed", "2026-03-01T17:00:00", mql_at="2026-03-05T17:00:00", **day("sql_at", "2026-03-05")),
    # 30 days to the day, and one more
    lead("in_window", day("created_at", "2026-02-01"), mql_at="2026-03-03T23:00:00"),
    lead("out_of_window", day("created_at", "2026-02-01"), mql_at="2026-03-04T23:00:00"),
    # a stage date of another year is drawn to the record's own creation
    lead("wrong_year", "2026-03-02T17:00:00", **day("mql_at", "2025-03-04")),
    lead("buyer", "2026-01-05T17:00:00"),
    lead("day_buyer", day("created_at", "2026-01-05"), ga_client_id="c7"),
    lead("late_record", "2026-02-20T17:00:00"),
    lead("undated", "2026-01-07T17:00:00"),
    lead("typo", "2026-02-20T17:00:00"),
    lead("never_created", "2026-01-01T17:00:00"),
]  # fmt: skip
VISITS = [
    visit("c1", "2026-03-06T03:30:00"),  # 22:30 of 5 March in New York
    visit("c2", "2026-03-06T05:00:00"),  # the first minute of 6 March
    visit("c3", "2026-03-05T15:01:00"),
    visit("c4", "2026-03-05T15:02:00"),
    visit("c5", "2025-12-05T05:00:00"),
    visit("c6", "2025-12-05T04:59:00"),
    # the evening of the day on which the deal was won, and the first minute after it
    visit("c7", "2026-03-02T03:00:00"),
    visit("c7", "2026-03-02T05:00:00", "bing", "organic"),
]
DEALS = [
    deal("hours", "buyer", "won", created_at="2026-01-10T17:00:00", closed_at="2026-03-01T05:00:00"),
    deal("days", "day_buyer", "won", created_at="2026-01-10T17:00:00", **day("closed_at", "2026-03-01")),
    deal("second", "day_buyer", "won", created_at="2026-02-10T17:00:00", **day("closed_at", "2026-02-10")),
    # a year too early: the close stands, nothing else moves
    deal("typo", "typo", "won", created_at="2026-03-01T17:00:00", **day("closed_at", "2025-03-10")),
    deal("lost_early", "typo", "lost", 70, created_at="2026-03-01T17:00:00", closed_at="2026-02-25T17:00:00"),
    # the CRM learned of the person when the deal was won already
    deal("late_record", "late_record", "won", created_at="2026-01-10T17:00:00", closed_at="2026-02-01T17:00:00"),
    deal("undated", "undated", "won", 500, created_at="2026-01-10T17:00:00", updated_at="2026-03-11T17:00:00"),
    deal("undated_lost", "undated", "lost", 30, created_at="2026-01-11T17:00:00"),
    # nobody says when it was created: a second deal has no cycle of 0 days
    deal("once", "never_created", "won", **day("closed_at", "2026-02-03")),
    deal("twice", "never_created", "won", **day("closed_at", "2026-02-10")),
]  # fmt: skip


@pytest.fixture(scope="module")
def house(tmp_path_factory, dbt_project) -> House:
    house = House(tmp_path_factory.mktemp("days") / "home", dbt_project)
    house.rules(ZONE)
    for stream, rows in {"leads": LEADS, "sessions": VISITS, "deals": DEALS}.items():
        house.put(f"files/{stream}", rows)
    house.build(*MODELS)
    return house


def key(lead_id: str) -> str:
    return f"files:test:{lead_id}"


@pytest.mark.parametrize(
    ("lead_id", "channel"),
    [
        ("evening", "Paid Search"), ("next_day", "(unattributed)"), ("grace", "Paid Search"), ("no_grace", "(unattributed)"),
        ("lookback", "Paid Search"), ("too_old", "(unattributed)"),
    ],
)  # fmt: skip
def test_touches_of_the_day_count(house: House, lead_id: str, channel: str) -> None:
    sql = f"select channel from marts.fct_attribution where conversion_id = '{key(lead_id)}' and conversion_type = 'lead' and model = 'last'"
    assert house.rows(sql) == [(channel,)]
    # the lead itself says the same
    [lead] = house.dicts(f"select * from marts.fct_leads where lead_id = '{key(lead_id)}'")
    same_visit = lead_id in ("evening", "grace")
    assert (lead["channel"], lead["touch_kind"]) == (("Paid Search", "session") if same_visit else ("(not set)", None))
    path = house.rows(
        f"select days_to_convert from marts.fct_conversion_paths where conversion_id = '{key(lead_id)}' and conversion_type = 'lead'"
    )
    assert path == [({"evening": 0, "grace": 0, "lookback": 90}.get(lead_id),)]


def test_an_order_of_a_day_has_the_visits_of_that_day(house: House) -> None:
    rows = house.rows(
        f"select conversion_type, channel from marts.fct_attribution where lead_id = '{key('day_buyer')}' and model = 'last' "
        "and conversion_id in ('files:test:days', 'files:test:day_buyer') and conversion_type not in ('mql', 'sql') order by 1"
    )
    assert rows == [("lead", "(unattributed)"), ("opportunity", "(unattributed)"), ("order", "Paid Search")]


@pytest.mark.parametrize(
    ("lead_id", "expected"),
    [
        ("evening", {"lead": ("2026-03-05", True, False)}),
        ("same_day", {"lead": ("2026-03-05", False, False), "mql": ("2026-03-05", True, False), "sql": ("2026-03-07", True, False)}),
        ("mixed", {"lead": ("2026-03-01", False, False), "mql": ("2026-03-05", False, False), "sql": ("2026-03-05", True, False)}),
        ("wrong_year", {"lead": ("2026-03-02", False, False), "mql": ("2026-03-02", False, False)}),
        # won in 2025 by the deal: not before the lead
        ("typo", {"lead": ("2026-02-20", False, False), "mql": ("2026-02-20", False, True), "sql": ("2026-02-20", False, True),
                  "opportunity": ("2026-02-20", False, True), "won": ("2026-02-20", False, False)}),
        ("undated", {"lead": ("2026-01-07", False, False), "mql": ("2026-01-10", False, True), "sql": ("2026-01-10", False, True),
                     "opportunity": ("2026-01-10", False, False)}),
    ],
)  # fmt: skip
def test_stages(house: House, lead_id: str, expected: dict[str, tuple]) -> None:
    rows = house.rows(
        f"select stage, reached_date::varchar, reached_at_is_day, is_filled from marts.fct_lead_stages where lead_id = '{key(lead_id)}'"
    )
    assert {stage: tuple(rest) for stage, *rest in rows} == expected


def test_windows_of_days_are_whole_days(house: House) -> None:
    rows = house.rows(
        "select lead_id, converted_within_window from marts.fct_lead_stages "
        "where transition = 'lead>mql' and lead_id like '%_window' order by lead_id"
    )
    assert rows == [(key("in_window"), True), (key("out_of_window"), False)]


def test_sales_cycles_are_whole_days_or_null_and_never_negative(house: House) -> None:
    rows = house.rows(
        "select crm_deal_id, closed_date::varchar, sales_cycle_days from marts.fct_opportunities where status = 'won' order by 1"
    )
    assert rows == [
        ("days", "2026-03-01", 55.0),  # 5 January to 1 March
        ("hours", "2026-03-01", 54.5),  # noon to midnight
        ("late_record", "2026-02-01", None),
        ("once", "2026-02-03", 33.0),
        ("second", "2026-02-10", 0.0),
        ("twice", "2026-02-10", None),
        ("typo", "2025-03-10", None),
        ("undated", None, None),
    ]


def test_audit_deals_names_them_with_their_money(house: House) -> None:
    rows = house.rows(
        "select crm_deal_id, finding, status, closed_date::varchar, amount::int from marts.audit_deals order by 1"
    )
    assert rows == [
        ("late_record", "closed_before_lead", "won", "2026-02-01", 100),
        ("lost_early", "closed_before_created", "lost", "2026-02-25", 70),
        ("typo", "closed_before_created", "won", "2025-03-10", 100),
        ("undated", "undated", "won", None, 500),
        ("undated_lost", "undated", "lost", None, 30),
    ]


def test_a_win_without_a_date_is_in_no_period(house: House) -> None:
    assert house.rows(
        "select count(*), count(closed_date) from marts.fct_opportunities where crm_deal_id like 'undated%'"
    ) == [(2, 0)]
    orders = {row[0] for row in house.rows("select deal_id from marts.fct_orders")}
    assert orders == {key(each) for each in ("days", "hours", "late_record", "once", "second", "twice", "typo")}
    # who won is a customer all the same, of nobody knows which day
    lead = house.rows(
        f"select is_customer, customer_date, customer_id from marts.fct_leads where lead_id = '{key('undated')}'"
    )
    assert lead == [(True, None, key("undated"))]


def test_order_dates_stand_where_the_close_says(house: House) -> None:
    rows = house.rows(
        "select deal_id, order_date, ordered_at_is_day from marts.fct_orders where deal_id like '%typo' or deal_id like '%hours'"
    )
    assert sorted(rows) == [(key("hours"), date(2026, 3, 1), False), (key("typo"), date(2025, 3, 10), True)]


def test_dbt_tests_pass(house: House) -> None:
    house.build("fct_leads", "fct_lead_stages", "fct_opportunities", "fct_attribution", "audit_deals", "int_conversions",
                "int_conversion_touches", "int_lead_stage_dates", "int_deals_resolved", command="test")  # fmt: skip
