"""Followers as a state, never summed over days; results of search engines with the brand apart."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from tests.support.kpi_warehouse import Warehouse

FIRST, TODAY = date(2026, 7, 1), date(2026, 10, 1)


def test_followers_are_those_of_the_last_look_and_growth_is_since_the_one_before(
    build: Callable[..., dict[str, int]],
) -> None:
    """t was looked at on 2 July (100), 30 July (110), 31 August (99); x on 20 July (40), never in August; y rounds."""
    warehouse = Warehouse(TODAY, FIRST)
    for network, day, count, before in (
        ("t", date(2026, 7, 2), 100, None),
        ("t", date(2026, 7, 30), 110, 100),
        ("x", date(2026, 7, 20), 40, None),
        ("t", date(2026, 8, 31), 99, 110),
        ("y", date(2026, 8, 3), 12300, None),
        ("t", date(2026, 8, 31), 1, 0),  # another account of the network, new since yesterday
    ):
        account = "b" if count == 1 else "a"
        change = None if before is None else count - before
        looked = {"followers": count, "previous_followers": before, "followers_change": change}
        warehouse.add("marts.fct_social_followers", date_day=day, network=network, account_id=account, **looked)
    # a day of which only gains are known is no look
    warehouse.add("marts.fct_social_followers", date_day=date(2026, 7, 31), network="x", account_id="a")
    build(warehouse, grains=["day", "month", "year"])

    def month(kpi: str, number: int, *cut: str) -> tuple[object, ...]:
        row = warehouse.row("monthly", kpi, f"2026-{number:02}-01", *cut)
        return row["value"], row["reason"], row["numerator"], row["denominator"]

    assert month("followers", 7) == (150, None, 150, None)  # 110 + 40, not the 250 of all looks
    assert month("followers", 8) == (12400, None, 12400, None)  # x is in none: nobody looked
    assert month("followers", 9)[:2] == (None, "no_data")
    assert month("followers", 8, "network", "t")[0] == 100
    assert warehouse.row("monthly", "followers", "2026-08-01", "network", "t")["previous_value"] == 110
    assert warehouse.row("yearly", "followers", "2026-01-01")["value"] == 99 + 1 + 40 + 12300
    assert warehouse.row("daily", "followers", "2026-07-30")["value"] == 110
    assert warehouse.row("daily", "followers", "2026-07-31")["reason"] == "no_data"
    assert month("follower_growth_rate", 7) == (pytest.approx(10 / 100), None, 10, 100)
    assert month("follower_growth_rate", 8) == (pytest.approx((99 - 110 + 1) / 110), None, -10, 110)
    assert month("follower_growth_rate", 9)[:2] == (None, "no_data")
    # over the year from the first count that another one follows
    assert warehouse.row("yearly", "follower_growth_rate", "2026-01-01", "network", "t")["value"] == pytest.approx(0)


def test_search_is_of_the_web_and_what_is_withheld_is_no_brand(build: Callable[..., dict[str, int]]) -> None:
    warehouse = Warehouse(TODAY, FIRST)
    for month, clicks, shown, positions, more in (
        (7, 6, 40, 44, {"is_brand": True, "is_withheld": False, "device": "mobile"}),
        (7, 2, 160, 1556, {"is_brand": False, "is_withheld": False, "engine": "yandex"}),
        (7, 4, 200, 2400, {"is_withheld": True}),
        (7, 9, 9, 9, {"is_brand": True, "is_withheld": False, "search_type": "image"}),
        (8, 5, 10, 10, {"is_withheld": False}),  # nobody has said what the brand is
        (9, 0, 0, 0, {"is_withheld": True}),
    ):
        counted = {"clicks": clicks, "impressions": shown, "position_sum": positions}
        cut = {"search_type": "web", "engine": "google", **more}
        warehouse.add("marts.fct_search_queries", date_day=date(2026, month, 9), **counted, **cut)
    build(warehouse, grains=["month"])

    def month(kpi: str, number: int, *cut: str) -> tuple[object, object]:
        row = warehouse.row("monthly", kpi, f"2026-{number:02}-01", *cut)
        return row["value"], row["reason"]

    assert [month("search_clicks", number)[0] for number in (7, 8, 9)] == [12, 5, 0]
    assert month("search_impressions", 7) == (400, None)
    assert month("search_position", 7) == (pytest.approx(10.0), None)  # 4,000 over 400: not the mean of three positions
    assert month("search_position", 7, "source", "yandex") == (pytest.approx(9.725), None)
    assert month("search_position", 9) == (None, "zero_denominator")
    assert month("branded_search_share", 7) == (pytest.approx(6 / 8), None)
    assert month("branded_search_share", 7, "device", "mobile") == (1.0, None)
    assert month("branded_search_share", 8) == (None, "no_data")
    assert month("branded_search_share", 9) == (None, "zero_denominator")
    warehouse.switch_off("google_search_console/totals")
    build(warehouse, grains=["month"])
    assert month("search_clicks", 7) == (None, "no_data")
