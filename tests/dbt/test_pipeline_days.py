"""Deals that were open at the end of each day."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import duckdb

from tests.support.house import House


def test_a_deal_is_open_from_the_day_it_is_made_to_the_day_before_it_is_closed(house: House) -> None:
    house.today = date(2026, 3, 6)
    house.rules({})
    deals = [
        ("a", "2026-03-01", None, "open", 100, False, "rep"),
        ("b", "2026-03-02", "2026-03-04", "won", 50, False, "rep"),
        ("c", "2026-03-02", "2026-03-02", "lost", 7, False, "rep"),  # never open at the end of a day
        ("d", "2026-03-03", None, "won", 900, False, "rep"),  # nobody knows when it was closed
        ("e", "2026-03-05", None, "open", None, True, "other"),
    ]
    with duckdb.connect(str(house.warehouse)) as connection:
        for deal, created, closed, status, amount, is_missing, rep in deals:
            connection.execute(
                "insert into marts.fct_opportunities (deal_id, created_date, closed_date, status, amount, is_rate_missing, "
                "sales_rep, channel) values (?, ?, ?, ?, ?, ?, ?, 'Email')",
                [deal, created, closed, status, amount, is_missing, rep],
            )
    house.build("stg_config__clock", "fct_pipeline_days")
    found = house.rows(
        "select date_day, sales_rep, open_deals, valued_deals, unconverted_deals, amount from marts.fct_pipeline_days "
        "where sales_rep <> '(not set)' order by 1, 2 desc"
    )
    days = [date(2026, 3, day) for day in range(1, 7)]
    assert found == [
        (days[0], "rep", 1, 1, 0, Decimal(100)),
        (days[1], "rep", 2, 2, 0, Decimal(150)),
        (days[2], "rep", 2, 2, 0, Decimal(150)),
        (days[3], "rep", 1, 1, 0, Decimal(100)),
        (days[4], "rep", 1, 1, 0, Decimal(100)),
        (days[4], "other", 1, 0, 1, None),
        (days[5], "rep", 1, 1, 0, Decimal(100)),
        (days[5], "other", 1, 0, 1, None),
    ]
    every = house.rows("select count(*), count(open_deals) from marts.fct_pipeline_days where sales_rep = '(not set)'")
    assert every == [(6, 0)]
