"""What ads did: platforms that say less than others do not water down the rates, and claims are never added up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from tests.support.kpi_warehouse import Warehouse

FIRST, TODAY = date(2026, 7, 1), date(2026, 10, 1)
DAY = date(2026, 8, 5)


@pytest.fixture
def rows(build: Callable[..., dict[str, int]]) -> Callable[..., Callable[..., dict[str, Any] | None]]:
    """`rows(*ads)(kpi, by, member)`: August of the ads; each gives what differs from nothing known."""

    def of(*ads: dict[str, Any]) -> Callable[..., dict[str, Any] | None]:
        warehouse = Warehouse(TODAY, FIRST)
        for ad in ads:
            warehouse.add("marts.fct_ad_performance", **{"date_day": DAY, "channel": "Paid Search", **ad})
        build(warehouse, grains=["month"])

        def august(kpi: str, dimension: str = "total", member: str = "all") -> dict[str, Any] | None:
            cursor = warehouse.connection.execute(
                "select numerator, denominator, value, reason from kpi.fct_kpi_monthly where kpi_id = ? "
                "and dimension = ? and member = ? and period_start = '2026-08-01'",
                [kpi, dimension, member],
            )
            found = cursor.fetchone()
            return found and dict(zip(("numerator", "denominator", "value", "reason"), found, strict=True))

        return august

    return of


GOOGLE = {
    "platform": "google_ads", "impressions": 4000, "clicks": 100, "cost": 50, "platform_conversions": 4,
    "platform_conversions_value_native": 200, "platform_conversions_value": 200,
}  # fmt: skip


def test_rates_of_two_platforms_by_hand(rows: Callable[..., Any]) -> None:
    other = {
        **GOOGLE, "platform": "meta_ads", "impressions": 6000, "clicks": 50, "cost": 100, "platform_conversions": 10,
        "platform_conversions_value_native": 900, "platform_conversions_value": 900,
    }  # fmt: skip
    august = rows(GOOGLE, other)
    assert august("impressions")["value"] == 10_000
    assert august("clicks")["value"] == 150
    assert august("ctr")["value"] == pytest.approx(0.015)
    assert august("cpc")["value"] == pytest.approx(1.0)
    assert august("cpm")["value"] == pytest.approx(15.0)
    assert august("platform_cpa", "platform", "google_ads")["value"] == pytest.approx(12.5)
    assert august("platform_roas", "platform", "meta_ads")["value"] == pytest.approx(9.0)


def test_claims_of_platforms_have_no_total(rows: Callable[..., Any]) -> None:
    august = rows(GOOGLE, {**GOOGLE, "platform": "meta_ads"})
    assert august("platform_cpa") is None
    assert august("platform_roas") is None
    assert august("platform_cpa", "channel", "Paid Search") is None


def test_cost_of_a_platform_that_counts_no_clicks_is_in_no_price_of_a_click(rows: Callable[..., Any]) -> None:
    radio = {"platform": "radio", "cost": 1000}
    august = rows(GOOGLE, radio)
    assert august("cpc")["value"] == pytest.approx(0.5)
    assert august("cpm")["value"] == pytest.approx(12.5)
    assert august("cpc", "platform", "radio") is None
    shown_only = {"platform": "tv", "cost": 10, "impressions": 1000}
    assert rows(GOOGLE, shown_only)("ctr")["value"] == pytest.approx(100 / 4000)


def test_why_there_is_no_rate(rows: Callable[..., Any]) -> None:
    assert rows({**GOOGLE, "cost": None, "is_rate_missing": True})("cpc")["reason"] == "missing_rate"
    assert rows({**GOOGLE, "cost": 0})("cpm")["reason"] == "no_spend"
    assert rows({**GOOGLE, "clicks": 0})("cpc")["reason"] == "zero_denominator"
    assert (
        rows({**GOOGLE, "platform_conversions_value": None})("platform_roas", "platform", "google_ads")["reason"]
        == "missing_rate"
    )
    assert rows()("impressions")["value"] == 0
    assert rows()("ctr")["reason"] == "zero_denominator"
