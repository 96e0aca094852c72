"""What came of e-mails: tools that say less than others do not water down the rates."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from tests.support.kpi_warehouse import Warehouse

FIRST, TODAY = date(2026, 7, 1), date(2026, 10, 1)
# by hand: of 1,000 sent 985 arrived; 210 opened (400 with proxies), 60 clicked and 4 left
FULL = {
    "platform": "mailchimp", "emails_sent": 1000, "emails_delivered": 985, "unique_opens_less_proxies": 210,
    "unique_clicks": 60, "unsubscribes": 4,
}  # fmt: skip
SILENT = {"platform": "mailer", "emails_sent": 500, "emails_delivered": 400}  # no word of opens, clicks, who left
UNKNOWN = {"platform": "mailer", "emails_sent": 9000, "unique_clicks": 700}  # nor of bounces: a click of how many?
RATES = ("email_delivery_rate", "email_open_rate", "email_click_rate", "email_unsubscribe_rate")


def test_rates_by_hand_and_why_there_is_none(build: Callable[..., dict[str, int]]) -> None:
    warehouse = Warehouse(TODAY, FIRST)
    for day, campaigns in {
        date(2026, 7, 7): [{**FULL, "emails_delivered": 0}],
        date(2026, 8, 5): [FULL, SILENT, UNKNOWN],
        date(2026, 9, 9): [SILENT],
    }.items():
        for campaign in campaigns:
            warehouse.add("marts.fct_email_campaigns", date_day=day, **campaign)
    build(warehouse, grains=["month"])

    def months(kpi: str, member: str = "all") -> dict[int, tuple[float, float, float | None, str | None]]:
        found = warehouse.connection.execute(
            "select month(period_start), numerator, denominator, value, reason from kpi.fct_kpi_monthly where kpi_id = ? "
            "and member = ? and period_start < '2026-10-01'",
            [kpi, member],
        ).fetchall()
        return {month: (*row,) for month, *row in found}  # type: ignore[misc]

    delivery, opens, clicks, leavers = (months(kpi) for kpi in RATES)
    assert delivery[7][2:] == (0.0, None)
    assert delivery[8] == (1385, 1500, pytest.approx(1385 / 1500), None)
    assert delivery[9] == (400, 500, pytest.approx(0.8), None)
    assert opens[8] == (210, 985, pytest.approx(210 / 985), None)
    assert clicks[8] == (60, 985, pytest.approx(60 / 985), None)
    assert leavers[8] == (4, 985, pytest.approx(4 / 985), None)
    for rate in (opens, clicks, leavers):
        assert rate[7][2:] == (None, "zero_denominator")
        assert rate[9][2:] == (None, "zero_denominator")
    assert months("email_delivery_rate", "mailer")[8][2] == pytest.approx(0.8)
    assert months("email_open_rate", "mailchimp")[8][2] == pytest.approx(210 / 985)
