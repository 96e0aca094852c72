"""Visits of Yandex.Metrica in the marts: where they came from, what they did, and who counts where several counters are on.

Cells are written as Yandex's reference says it (dev/metrika/logs/fields/visits); values are computed by hand.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.house import DbtProject, House

SITE = "https://shop.example/"
ANNA, OTHER = "1650000000000000001", "9007199254740993"
TAGS = "utm_source=yandex&utm_medium=cpc&utm_campaign=vesna"


def visit(
    number: int, day: int, hour: int, client: str = OTHER, url: str = SITE, traffic: str = "direct", **more: Any
) -> dict[str, Any]:
    """One visit at this hour of Moscow, three hours before UTC."""
    moscow = datetime(2026, 3, day, hour)
    return {
        "account_id": "100500", "visit_id": str(number), "date": moscow.date(), "started_at_local": moscow,
        "started_at": (moscow - timedelta(hours=3)).replace(tzinfo=UTC), "client_id": client, "is_new_user": False, "start_url": url,
        "page_views": 1, "visit_seconds": 0, "is_bounce": True, "country": "RU", "device_category": "1", "goal_ids": "[]",
        "traffic_source": traffic, **more,
    }  # fmt: skip


VISITS = [
    # an ad with tags and a click id, at half past midnight in Moscow: the day before in UTC
    visit(1, 2, 0, ANNA, f"{SITE}?{TAGS}&yclid=111", "ad", adv_engine="ya_direct", utm_source="yandex", utm_medium="cpc",
          utm_campaign="vesna", direct_campaign_id="77", is_new_user=True, page_views=5, visit_seconds=130, is_bounce=False,
          goal_ids="[1234,1234,5678]", device_category="2"),
    visit(2, 3, 12, ANNA, traffic="organic", search_engine="yandex", referrer="https://yandex.ru/", device_category="3"),
    visit(3, 4, 12, ANNA),
    visit(4, 6, 12, ANNA, traffic="social", social_network="vkontakte", referrer="https://away.vk.com/"),
    visit(5, 5, 10, url=f"{SITE}?yclid=222", traffic="ad", adv_engine="ya_direct", visit_seconds=12),
    visit(6, 5, 11, traffic="ad", adv_engine="google_adwords", referrer="https://www.google.com/"),
    visit(7, 5, 12, traffic="referral", referrer="https://www.partner.example/x", page_views=2),
    visit(8, 5, 13, traffic="internal", referrer=f"{SITE}cart"),
    visit(9, 5, 14, traffic="messenger", messenger="telegram"),
]  # fmt: skip


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, dbt_project: DbtProject) -> House:
    folder: Path = tmp_path_factory.mktemp("metrika")
    house = House(folder / "home", dbt_project)
    house.rules({"web": {"truth": "yandex_metrika"}, "reporting": {"time_zone": "Europe/Moscow"}})
    house.put("yandex_metrika/visits", VISITS)
    house.build("+fct_web_traffic", "+fct_web_key_events", "+sessions__yandex_metrika")
    return house


def test_every_visit_says_where_it_came_from(house: House) -> None:
    found = house.rows(
        "select split_part(session_id, '-', -1)::int as number, strftime(started_at, '%m-%d %H:%M'), session_date::text, channel, "
        "source, medium, campaign, device, yclid, is_engaged from intermediate.int_sessions order by 1"
    )
    assert found == [
        (1, "03-01 21:00", "2026-03-02", "Paid Search", "yandex", "cpc", "vesna", "mobile", "111", True),
        (2, "03-03 09:00", "2026-03-03", "Organic Search", "yandex", "organic", "(not set)", "tablet", None, False),
        (3, "03-04 09:00", "2026-03-04", "Direct", "(direct)", "(none)", "(not set)", "desktop", None, False),
        (4, "03-06 09:00", "2026-03-06", "Organic Social", "vkontakte", "social", "(not set)", "desktop", None, False),
        (5, "03-05 07:00", "2026-03-05", "Paid Search", "yandex", "cpc", "(not set)", "desktop", "222", True),
        (6, "03-05 08:00", "2026-03-05", "Paid Search", "google", "cpc", "(not set)", "desktop", None, False),
        (7, "03-05 09:00", "2026-03-05", "Referral", "partner.example", "referral", "(not set)", "desktop", None, True),
        (8, "03-05 10:00", "2026-03-05", "Direct", "(direct)", "(none)", "(not set)", "desktop", None, False),
        (9, "03-05 11:00", "2026-03-05", "Organic Social", "telegram", "social", "(not set)", "desktop", None, False),
    ]


def test_the_truth_of_web_traffic_is_the_counter_that_is_named(house: House) -> None:
    found = house.rows(
        "select date_day::text, sum(sessions)::int, sum(engaged_sessions)::int, sum(new_visitors)::int, sum(key_events)::int, "
        "sum(page_views)::int, sum(engagement_seconds)::int, sum(sessions_with_key_event)::int "
        "from marts.fct_web_traffic where source_system = 'yandex_metrika' group by 1 order by 1"
    )
    assert found == [
        ("2026-03-02", 1, 1, 1, 3, 5, 130, 1),
        ("2026-03-03", 1, 0, 0, 0, 1, 0, 0),
        ("2026-03-04", 1, 0, 0, 0, 1, 0, 0),
        ("2026-03-05", 5, 2, 0, 0, 6, 12, 0),
        ("2026-03-06", 1, 0, 0, 0, 1, 0, 0),
    ]


def test_goals_are_key_events_of_their_visit(house: House) -> None:
    found = house.rows(
        "select date_day::text, goal, channel, key_events::int, sessions::int, visitors::int from marts.fct_web_key_events order by goal"
    )
    assert found == [
        ("2026-03-02", "1234", "Paid Search", 2, 1, 1),
        ("2026-03-02", "5678", "Paid Search", 1, 1, 1),
    ]
