"""When a lead first reached which stage, and what of it comes from deals. Days are worked out by hand."""

from __future__ import annotations

import pytest


def stages_of(house, lead_id: str) -> dict[str, str]:
    """stage -> day reached, with a `~` where it is not the stage's own."""
    rows = house.rows(
        f"select stage, reached_date, is_filled from marts.fct_lead_stages where lead_id = 'hubspot:{lead_id}' order by stage_order"
    )
    return {stage: f"{'~' if is_filled else ''}{day:%m-%d}" for stage, day, is_filled in rows}


@pytest.mark.parametrize(
    ("lead_id", "expected"),
    [
        # set back and reached again: the first time counts
        ("backward", {"lead": "01-01", "mql": "01-05"}),
        # skipped: the next stage's moment; SAL is not mapped, so it is neither there nor filled
        ("skipped", {"lead": "01-01", "mql": "~01-15", "sql": "01-15"}),
        # MQL after SQL: the person was beyond MQL already
        ("overtaken", {"lead": "01-01", "mql": "~01-15", "sql": "01-15"}),
        # without history the date properties, without those the creation
        ("no_history", {"lead": "01-02", "mql": "01-09"}),
        ("no_dates", {"lead": "~01-04", "mql": "~01-04"}),
        ("no_dates_lead", {"lead": "01-06"}),
        # opportunity, won and lost come from deals and reach the primary contact only
        ("primary", {"lead": "01-05", "mql": "~01-20", "sql": "~01-20", "opportunity": "01-20", "won": "02-10"}),
        ("colleague_of_primary", {"lead": "01-02"}),
        ("bystander", {"lead": "~01-20"}),
        ("unlabelled_late", {"lead": "01-04"}),
        (
            "unlabelled_early",
            {"lead": "01-03", "mql": "~01-20", "sql": "~01-20", "opportunity": "01-20", "won": "02-10"},
        ),
        # the last loss, and only while nothing is open or won
        ("lost_twice", {"lead": "01-01", "mql": "~01-10", "sql": "~01-10", "opportunity": "01-10", "lost": "01-30"}),
        ("lost_but_open", {"lead": "01-01", "mql": "~01-10", "sql": "~01-10", "opportunity": "01-10"}),
        ("reopened", {"lead": "01-01", "mql": "~01-10", "sql": "~01-10", "opportunity": "01-10"}),
        ("won_again", {"lead": "01-01", "mql": "~01-11", "sql": "~01-11", "opportunity": "01-11", "won": "03-01"}),
    ],
)
def test_stage_days(portal, lead_id: str, expected: dict[str, str]) -> None:
    assert stages_of(portal, lead_id) == expected


def test_a_reopened_deal_is_open_again_and_no_order(portal) -> None:
    rows = portal.rows(
        "select crm_deal_id, status, closed_date::varchar from marts.fct_opportunities "
        "where crm_deal_id in ('reopened', 'won_again') order by 1"
    )
    assert rows == [("reopened", "open", None), ("won_again", "won", "2026-03-01")]
    orders = portal.rows(
        "select order_id from marts.fct_orders where deal_id in ('hubspot:reopened', 'hubspot:won_again')"
    )
    assert orders == [("hubspot:won_again",)]


def test_days_are_those_of_the_reporting_zone(portal) -> None:
    """22:30 UTC on 30 June is 00:30 on 1 July in Berlin; 23:30 UTC on 31 January is 00:30 on 1 February."""
    assert portal.rows("select lead_date::varchar from marts.fct_leads where lead_id = 'hubspot:at_midnight'") == [
        ("2025-07-01",)
    ]
    days = portal.rows(
        "select created_date::varchar, closed_date::varchar, order_date::varchar from marts.fct_opportunities "
        "join marts.fct_orders using (deal_id) where deal_id = 'hubspot:at_midnight'"
    )
    assert days == [("2025-07-02", "2026-02-01", "2026-02-01")]


@pytest.mark.parametrize(
    ("lead_id", "expected"),
    [
        ("in_window", [("lead", "lead>mql", 30, True), ("mql", None, None, None)]),  # 30 days to the second
        ("out_of_window", [("lead", "lead>mql", 30, False), ("mql", None, None, None)]),  # one second later
        ("no_dates_lead", [("lead", "lead>mql", 30, False)]),
        (
            "in_steps",
            [
                ("lead", "lead>mql", 30, True),
                ("mql", None, None, None),  # nobody maps SAL
                ("sql", "sql>opportunity", 5, False),  # six days
                ("opportunity", "opportunity>won", 60, True),  # 10 January + 60 days = 11 March
                ("won", None, None, None),
            ],
        ),
    ],
)
def test_steps_and_their_windows(portal, lead_id: str, expected: list[tuple]) -> None:
    rows = portal.rows(
        "select stage, transition, conversion_window_days, converted_within_window from marts.fct_lead_stages "
        f"where lead_id = 'hubspot:{lead_id}' order by stage_order"
    )
    assert rows == expected


def test_a_window_is_over_when_no_day_of_it_is_to_come(portal) -> None:
    """Today is 31 March: a window that ends on the 30th is over, one that ends today is not."""
    assert portal.rows(
        "select is_window_over, bool_and(reached_date + conversion_window_days::integer >= date '2026-03-31'), "
        "bool_or(reached_date + conversion_window_days::integer >= date '2026-03-31') from marts.fct_lead_stages "
        "where transition is not null group by all order by all"
    ) == [(False, True, True), (True, False, False)]
    assert portal.rows("select distinct is_window_over from marts.fct_lead_stages where transition is null") == [
        (None,)
    ]
    assert portal.rows("select distinct is_sal_mapped from marts.fct_lead_stages") == [(False,)]  # nobody maps SAL
