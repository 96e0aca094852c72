"""A ledger of Google Sheets in the marts: its lines by day to the cent, and months that are not closed are not whole."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from dagster_project.wire.contract import Part
from tests.support.house import House

LINE = {"_copy": 1, "_row": 2, "_filed_on": "2015-01-01", "account_id": "1abc", "currency_code": "EUR"}


def test_lines_reach_the_costs_and_an_open_month_is_not_whole(house: House) -> None:
    """Today is 31 March; February is the last closed month."""
    house.put(
        "google_sheets/cost_lines",
        [
            {**LINE, "line_id": "agency", "cost_type": "agency", "amount": Decimal("280"), "motion": "outbound",
             "start_date": "2026-02-01", "end_date": "2026-02-28"},
            {**LINE, "line_id": "agency", "_copy": 2, "cost_type": "agency", "amount": Decimal("2.80"),
             "start_date": "2026-02-01", "end_date": "2026-02-28"},
            {**LINE, "line_id": "team", "cost_type": "labour", "amount": Decimal("310"), "acquisition_share": 0.5,
             "start_date": "2026-03-01", "end_date": "2026-03-31"},
        ],
        parts=[Part("1abc", ("cost",), last_day=date(2026, 2, 28), begins=date(2026, 2, 1))],
    )  # fmt: skip
    house.build("+fct_costs", "+int_source_days")
    assert house.rows(
        "select cost_type, motion, account_id, count(distinct date_day), cast(sum(amount) as decimal(9, 2)), "
        "cast(sum(acquisition_amount) as decimal(9, 2)) from marts.fct_costs group by all order by all"
    ) == [
        ("agency", "inbound", "1abc", 28, Decimal("2.80"), Decimal("2.80")),
        ("agency", "outbound", "1abc", 28, Decimal("280.00"), Decimal("280.00")),
        ("labour", "inbound", "1abc", 31, Decimal("310.00"), Decimal("155.00")),
    ]
    assert house.rows(
        "select is_extracted, min(date_day), max(date_day) from intermediate.int_source_days "
        "where source = 'google_sheets' and subject = 'cost' and has_begun group by all order by 2"
    ) == [(True, date(2026, 2, 1), date(2026, 2, 28))]
