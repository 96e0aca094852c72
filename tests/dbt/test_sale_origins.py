"""Deals and orders of files that say themselves where they came from: touches where nothing else is known."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.house import DbtProject, House


def order(number: int, at: str, **more: Any) -> dict[str, Any]:
    return {
        "order_id": str(number), "ordered_at": f"2026-03-{at}", "amount": 100, "currency_code": "EUR", "account_id": "shop", **more,
    }  # fmt: skip


@pytest.fixture(scope="module")
def shop(dbt_project: DbtProject, tmp_path_factory: pytest.TempPathFactory) -> House:
    house = House(tmp_path_factory.mktemp("sales") / "house", dbt_project)
    house.rules({"revenue_truth": "files", "web": {"truth": "files"}, "reporting": {"currency": "EUR"}})
    house.put(
        "files/leads",
        [
            {"lead_id": "known", "created_at": "2026-03-01T09:00", "email_hash": "k", "account_id": "shop", "ga_client_id": "c1"},
            {"lead_id": "tagged", "created_at": "2026-03-01T09:00", "email_hash": "t", "account_id": "shop", "source": "google",
             "medium": "cpc", "campaign": "spring"},
            {"lead_id": "bare", "created_at": "2026-03-01T09:00", "email_hash": "b", "account_id": "shop"},
        ],
    )  # fmt: skip
    house.put(
        "files/sessions",
        [
            {
                "session_id": "s1",
                "started_at": "2026-03-01T08:59",
                "client_id": "c1",
                "source": "bing",
                "medium": "organic",
            }
        ],
    )
    tags = {"source": "news", "medium": "email", "campaign": "april"}
    house.put(
        "files/orders",
        [
            order(1, "10T10:00", **tags),  # of nobody known
            order(2, "11T10:00", channel="Paid Social"),
            order(3, "12T10:00"),
            order(4, "13T10:00", email_hash="k", **tags),  # whose visit is known
            order(5, "14T10:00", email_hash="t", source="google", medium="cpc", campaign="spring"),  # as the lead says
            order(6, "15T10:00", email_hash="b", **tags),
            order(7, "20T10:00", email_hash="b", source="google", medium="cpc", campaign="spring"),
            order(8, "21T10:00", amount=-40, refund_of="1"),
        ],
    )
    house.put(
        "files/deals",
        [
            {
                "deal_id": "d1",
                "status": "open",
                "created_at": "2026-03-05T10:00",
                "filed_at": "2026-03-05T10:00",
                "account_id": "shop",
                **tags,
            }
        ],
    )
    house.build("+fct_attribution", "+int_touchpoints_unioned")
    return house


def test_sales_are_credited_to_what_they_say_where_nothing_else_is_known(shop: House) -> None:
    rows = shop.rows(
        "select conversion_type, replace(conversion_id, 'files:shop:', ''), channel, sum(case when entry = 'conversion' then credit end)::int, sum(revenue)::int"
        " from marts.fct_attribution where model = 'last_non_direct' and conversion_type in ('order', 'opportunity')"
        " group by all order by all"
    )
    assert rows == [
        ("opportunity", "d1", "Email", 1, None),
        ("order", "1", "Email", 1, 60),  # less its refund
        ("order", "2", "Paid Social", 1, 100),
        ("order", "3", "(unattributed)", 1, 100),
        ("order", "4", "Organic Search", 1, 100),
        ("order", "5", "Paid Search", 1, 100),
        ("order", "6", "Email", 1, 100),
        ("order", "7", "Paid Search", 1, 100),
    ]


def test_what_a_record_says_is_not_said_again_by_its_order(shop: House) -> None:
    touches = shop.rows(
        "select regexp_replace(touch_id, 'files:shop:', ''), channel from intermediate.int_touchpoints_unioned"
        " where touch_id not like 'session%' order by all"
    )
    assert touches == [
        ("deal:d1", "Email"),
        ("order:1", "Email"),
        ("order:2", "Paid Social"),
        ("order:6", "Email"),
        ("order:7", "Paid Search"),
        ("record:tagged", "Paid Search"),
    ]
