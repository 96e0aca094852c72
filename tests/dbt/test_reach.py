"""Search queries and followers in the marts: totals conserved, brand apart, growth only where somebody looked."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import duckdb

from tests.support.house import House

Row = dict[str, Any]
DAY = "2026-03-20"


def put_shape(house: House, shape: str, rows: list[Row]) -> None:
    """Make the shape hold these rows: its view becomes one over them."""
    with duckdb.connect(str(house.warehouse)) as connection:
        columns = {c: t for c, t, *_ in connection.execute(f"describe intermediate.{shape}").fetchall()}
        connection.execute(f"drop view intermediate.{shape}")
        declared = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        connection.execute(f"create table intermediate.rows_of_{shape} ({declared})")
        for row in rows:
            assert row.keys() <= columns.keys()
            marks = ", ".join("?" * len(row))
            names = ", ".join(row)
            connection.execute(
                f"insert into intermediate.rows_of_{shape} ({names}) values ({marks})", list(row.values())
            )
        connection.execute(f"create view intermediate.{shape} as select * from intermediate.rows_of_{shape}")


def table(house: House, sql: str) -> list[tuple]:
    with duckdb.connect(str(house.warehouse), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def found(cut: str, clicks: int, impressions: int, position_sum: float, **more: Any) -> Row:
    return {
        "source_system": "engine", "account_id": "site", "engine": "google", "search_type": "web", "day": DAY,
        "date_day": DAY, "country": "DE", "device": "mobile", "cut": cut, "clicks": clicks, "impressions": impressions,
        "position_sum": position_sum, "is_final": True, **more,
    }  # fmt: skip


def test_what_queries_do_not_explain_is_withheld_and_totals_are_conserved(house: House) -> None:
    house.rules({"brand": {"words": ["Kontorra", "till-shop", "konto*"]}})
    rows = [
        found("total", 12, 340, 2524.0),
        found("query", 6, 40, 44.0, query="Kontorra login"),
        found("query", 1, 30, 60.0, query="free till shop"),
        found("query", 1, 10, 20.0, query="kontokorrent"),
        found("query", 2, 120, 1008.0, query="my akontorra"),
        found("page", 9, 400, 3000.0, page="https://site.example/a"),
        found("total", 1, 3, 9.0, device="desktop"),  # nothing of it is named
        found("total", 4, 9, 9.0, device="tablet"),  # all of it is named
        found("query", 4, 9, 9.0, device="tablet", query="x"),
    ]
    put_shape(house, "search_days", rows)
    house.build("fct_search_queries")
    marts = table(
        house,
        "select device, query, is_brand, is_withheld, clicks, impressions, position_sum from marts.fct_search_queries"
        " order by device, query",
    )
    assert marts == [
        ("desktop", "(withheld)", None, True, 1, 3, Decimal(9)),
        ("mobile", "(withheld)", None, True, 2, 140, Decimal(1392)),
        ("mobile", "free till shop", True, False, 1, 30, Decimal(60)),
        ("mobile", "kontokorrent", True, False, 1, 10, Decimal(20)),
        ("mobile", "kontorra login", True, False, 6, 40, Decimal(44)),
        ("mobile", "my akontorra", False, False, 2, 120, Decimal(1008)),
        ("tablet", "x", False, False, 4, 9, Decimal(9)),
    ]
    totals = [row for row in rows if row["cut"] == "total"]
    assert (sum(r[4] for r in marts), sum(r[5] for r in marts)) == (
        sum(r["clicks"] for r in totals),
        sum(r["impressions"] for r in totals),
    )


def test_nothing_is_said_of_the_brand_where_nobody_named_its_words(house: House) -> None:
    put_shape(house, "search_days", [found("total", 1, 1, 1.0), found("query", 1, 1, 1.0, query="kontorra")])
    house.build("fct_search_queries")
    assert table(house, "select query, is_brand from marts.fct_search_queries") == [("kontorra", None)]


def test_clicks_stand_beside_organic_visits_of_the_same_engine_page_and_day(house: House) -> None:
    put_shape(
        house,
        "search_days",
        [
            found("page", 5, 100, 250.0, page="https://site.example/Preise/?ref=1"),
            found("page", 1, 100, 150.0, page="https://site.example/Preise", device="desktop"),
            found("page", 0, 7, 70.0, page="https://site.example/"),
            found("page", 3, 3, 3.0, page="https://site.example/Preise", search_type="image"),
            found("page", 9, 9, 9.0, page="https://site.example/Preise", date_day="2026-03-21"),  # no visits are read
        ],
    )
    visit = {"date_day": DAY, "channel": "Organic Search", "landing_page": "/Preise", "sessions": 4}
    with duckdb.connect(str(house.warehouse)) as connection:
        for row in (
            {**visit, "source": "google"},
            {**visit, "source": "google.com", "sessions": 1},
            {**visit, "source": "bing"},
            {**visit, "source": "google", "channel": "Paid Search"},
            {**visit, "source": "google", "landing_page": "/demo", "sessions": 2},
        ):
            connection.execute(
                f"insert into marts.fct_web_traffic ({', '.join(row)}) values ({', '.join('?' * len(row))})",
                list(row.values()),
            )
    house.build("audit_organic_search")
    assert table(
        house, "select * exclude (date_day, engine) from marts.audit_organic_search order by landing_page"
    ) == [
        ("/", 0, 7, 10.0, 0, 0),
        ("/Preise", 6, 200, 2.0, 5, -1),
        ("/demo", 0, 0, None, 2, 2),
    ]


def counted(day: str, followers: int | None, **more: Any) -> Row:
    return {"source_system": "net", "account_id": "a", "network": "net", "day": day, "date_day": day,
            "followers": followers, "is_exact": None if followers is None else True, **more}  # fmt: skip


def test_growth_is_between_days_on_which_somebody_looked(house: House) -> None:
    put_shape(
        house,
        "followers",
        [
            counted("2026-03-01", 100),
            counted("2026-03-02", None, followers_gained=3, followers_lost=1),  # nobody looked: a gap, never 0
            counted("2026-03-04", 90),
            counted("2026-03-05", 12300, is_exact=False),
            counted("2026-03-06", 12400, is_exact=False),
            counted("2026-03-06", 7, account_id="b"),
        ],
    )
    house.build("fct_social_followers")
    assert table(
        house,
        "select account_id, date_day::varchar, followers, previous_date_day::varchar, followers_change, followers_gained,"
        " followers_lost from marts.fct_social_followers order by account_id, date_day",
    ) == [
        ("a", "2026-03-01", 100, None, None, None, None),
        ("a", "2026-03-02", None, None, None, 3, 1),
        ("a", "2026-03-04", 90, "2026-03-01", -10, None, None),
        ("a", "2026-03-05", 12300, "2026-03-04", None, None, None),
        ("a", "2026-03-06", 12400, "2026-03-05", None, None, None),
        ("b", "2026-03-06", 7, None, None, None, None),
    ]


def test_followers_of_every_network_reach_the_mart(house: House) -> None:
    """As the networks count them, and by their own names."""
    given: dict[str, tuple[str, str, Row]] = {
        "telegram/members": ("telegram", "T", {"title": "T", "members": 100}),
        "youtube/channels": ("youtube", "Y", {"title": "Y", "subscriberCount": 12300}),
        "vk/communities": ("vk", "V", {"name": "V", "members_count": 200}),
        "meta_social/pages": ("facebook", "F", {"name": "F", "followers_count": 300, "fan_count": 9}),
        "meta_social/instagram_accounts": ("instagram", "i", {"username": "i", "followers_count": 400}),
        "linkedin_pages/pages": ("linkedin", "", {"firstDegreeSize": 500}),
        "x/accounts": ("x", "X", {"name": "X", "username": "x", "followers_count": 600}),
        "pinterest/account": ("pinterest", "P", {"username": "p", "business_name": "P", "follower_count": 700}),
    }
    for stream, (network, _, row) in given.items():
        counted = next(name for name in row if "ount" in name or name in ("members", "firstDegreeSize"))
        later = {**row, counted: row[counted] + 30, "date": "2026-03-04"}
        house.put(stream, [{"account_id": network, **row, "date": "2026-03-01"}, {"account_id": network, **later}])
    house.build("fct_social_followers")
    found = table(
        house,
        "select source_system, network, account_id, account_name, date_day::varchar, followers, is_exact, followers_change"
        " from marts.fct_social_followers order by network, date_day",
    )
    expected = []
    for stream, (network, name, row) in given.items():
        first = next(value for value in row.values() if isinstance(value, int))
        whose = (stream.partition("/")[0], network, network, name or None)
        is_exact = network != "youtube"  # three digits of 12,3xx
        expected += [
            (*whose, "2026-03-01", first, is_exact, None),
            (*whose, "2026-03-04", first + 30, is_exact, 30 if is_exact else None),
        ]
    assert found == sorted(expected, key=lambda row: (row[1], row[4]))


def test_email_campaigns_of_any_tool_stand_in_one_mart(house: House) -> None:
    """Delivered is what did not bounce; what a tool does not say is null, and never 0."""
    sent = {
        "send_date": "2026-03-01", "id": "c1", "campaign_title": "March", "emails_sent": 1000, "hard_bounces": 6,
        "soft_bounces": 9, "unique_opens": 400, "proxy_excluded_unique_opens": 210, "unique_subscriber_clicks": 60,
        "unique_clicks": 66, "unsubscribed": 4, "abuse_reports": 1,
    }  # fmt: skip
    house.put(
        "mailchimp/campaigns",
        [
            {"account_id": "a", **sent, "syntax_errors": 2},
            {"account_id": "b", **sent, "proxy_excluded_unique_opens": None},  # an older account
        ],
    )
    house.put(
        "files/email_campaigns",
        [
            {"account_id": "other", "date": "2026-03-02", "campaign": "A", "emails_sent": 10, "bounces": 1, "unique_clicks": 2},
            {"account_id": "other", "date": "2026-03-02", "campaign": "A", "emails_sent": 20, "bounces": 0, "unique_clicks": 3,
             "_copy": 2, "_line": 2},  # its second list
            {"account_id": "other", "date": "2026-03-02", "campaign_id": "7", "campaign": "B", "platform": "Sendy",
             "emails_sent": 5, "emails_delivered": 4, "_line": 3},
            {"account_id": "other", "date": "2026-03-02", "campaign": "C", "emails_sent": 6, "bounces": 2, "_line": 4},
            {"account_id": "other", "date": "2026-03-02", "campaign": "C", "emails_sent": 3, "_copy": 2, "_line": 5},
        ],
    )  # fmt: skip
    house.build("fct_email_campaigns")
    assert table(
        house,
        "select * exclude (date_day) from marts.fct_email_campaigns order by date_day, account_id, campaign_id desc",
    ) == [
        ("mailchimp", "a", "mailchimp", "c1", "March", 1000, 983, 400, 210, 60, 4, 1),
        ("mailchimp", "b", "mailchimp", "c1", "March", 1000, 985, 400, None, 60, 4, 1),
        (
            "files",
            "other",
            "other",
            "C",
            "C",
            9,
            None,
            None,
            None,
            None,
            None,
            None,
        ),  # of a part nobody says what arrived
        ("files", "other", "other", "A", "A", 30, 29, None, None, 5, None, None),
        ("files", "other", "sendy", "7", "B", 5, 4, None, None, None, None, None),
    ]
