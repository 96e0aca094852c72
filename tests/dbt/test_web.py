"""Web facts from every kind of truth: GA4's reports, its export, session files."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from tests.support.house import House

SESSIONS = (
    "stg_meta__windows", "int_channel_rule_parts", "int_web_truth", "sessions__ga4", "stg_ga4_export__sessions_daily",
    "sessions__files", "int_sessions",
)  # fmt: skip
WEB = (
    *SESSIONS, "int_web_origins_collected", "int_web_origins_classified", "int_web_windows", "int_key_events_collected",
    "fct_web_traffic", "fct_web_key_events", "int_calendar", "int_web_visitors_reported", "int_web_visitors_counted",
    "fct_web_visitors", "dim_landing_page",
)  # fmt: skip


def ga4_row(**more: Any) -> dict[str, Any]:
    row = {"date": "2026-03-01", "sessionSource": "google", "sessionMedium": "organic", "sessionCampaignName": "(organic)",
           "sessionManualTerm": "(not set)", "sessionManualAdContent": "", "landingPage": "/", "deviceCategory": "mobile",
           "countryId": "de", "sessions": 10, "engagedSessions": 4, "newUsers": 3, "keyEvents": 3.0,
           "screenPageViews": 25, "userEngagementDuration": 90.5, "sessionKeyEventRate": 0.2}  # fmt: skip
    return row | more


def test_ga4_rows_that_become_one_are_added(house: House) -> None:
    """'/a/' and '/a', 'Google' and 'google' are the same to us; nothing is lost, nothing doubled."""
    house.put(
        "ga4/traffic",
        [
            ga4_row(landingPage="/a/"),
            ga4_row(landingPage="/a", sessionSource="Google", sessions=5, sessionKeyEventRate=0.4),
            ga4_row(landingPage="(not set)", countryId="(not set)", deviceCategory="Smart TV"),
            ga4_row(landingPage="/%D1%86%D0%B5%D0%BD%D1%8B"),
        ],
    )
    house.build(*WEB)
    columns = "landing_page, device, country, sessions, sessions_with_key_event, engagement_seconds::double"
    assert sorted(house.rows(f"select {columns} from marts.fct_web_traffic")) == [
        ("(not set)", "smart tv", "(not set)", 10, 2, 90.5),
        ("/a", "mobile", "DE", 15, 4, 181.0),
        ("/цены", "mobile", "DE", 10, 2, 90.5),
    ]
    assert house.rows("select distinct source, term, content, campaign_key from marts.fct_web_traffic") == [
        ("google", "(not set)", "(not set)", "(not set)")
    ]
    pages = {page for (page,) in house.rows("select landing_page from marts.dim_landing_page")}
    assert pages == {"(not set)", "/a", "/цены"}


def test_two_properties_are_kept_apart(house: House) -> None:
    house.put("ga4/traffic", [ga4_row(account_id="1"), ga4_row(account_id="2")])
    house.build(*WEB)
    assert house.rows("select account_id, sessions from marts.fct_web_traffic order by 1") == [("1", 10), ("2", 10)]


def test_goals_are_those_of_the_settings(house: House) -> None:
    cut = {"date": "2026-03-01", "sessionSource": "google", "sessionMedium": "organic", "sessionCampaignName": "(organic)",
           "landingPage": "/", "deviceCategory": "mobile", "countryId": "DE", "sessions": 2, "totalUsers": 2}  # fmt: skip
    house.put("ga4/traffic", [ga4_row()])
    house.put(
        "ga4/key_events",
        [cut | {"eventName": "signup", "keyEvents": 3.0}, cut | {"eventName": "scroll", "keyEvents": 9.0}],
    )
    query = "select goal, channel, key_events, sessions, visitors from marts.fct_web_key_events order by 1"
    house.build(*WEB)
    assert house.rows(query) == [("scroll", "Organic Search", 9, 2, 2), ("signup", "Organic Search", 3, 2, 2)]
    house.rules({"web": {"goals": ["signup"]}})
    house.build(*WEB)
    assert house.rows(query) == [("signup", "Organic Search", 3, 2, 2)]


def test_ga4_visitors_are_taken_as_counted(house: House) -> None:
    day = {"period_start": "2026-03-01", "totalUsers": 7, "activeUsers": 5}
    house.put("ga4/traffic", [ga4_row()])
    house.put("ga4/visitors_day", [day | {"dimension": "total", "member": "all"}])
    house.put(
        "ga4/visitors_month",
        [
            day | {"dimension": "total", "member": "all", "totalUsers": 100},
            day | {"dimension": "campaign", "member": "Spring", "totalUsers": 9},
            day | {"dimension": "landing_page", "member": "/a/", "totalUsers": 8},
        ],
    )
    house.build(*WEB)
    assert sorted(
        house.rows("select grain, dimension, member, unique_visitors, quality from marts.fct_web_visitors")
    ) == [
        ("day", "total", "all", 7, "ok"),
        ("month", "campaign", "utm:spring", 9, "ok"),
        ("month", "landing_page", "/a", 8, "ok"),
        ("month", "total", "all", 100, "ok"),
    ]


def test_ga4_sessions_get_utc_moments_and_reporting_days(house: House) -> None:
    """22:30 on 30 June in New York is 02:30 UTC, and 04:30 on 1 July in Berlin."""
    house.rules({"reporting": {"time_zone": "Europe/Berlin"}})
    house.put(
        "ga4/sessions",
        [{"date": "2026-06-30", "dateHourMinute": "2026-06-30T22:30:00", "clientId": "c1", "sessionSource": "google",
          "sessionMedium": "cpc", "sessionCampaignName": "Spring", "sessionManualTerm": "(not set)",
          "landingPagePlusQueryString": "/a/?gclid=G1&utm_source=x", "deviceCategory": "desktop", "sessions": 1,
          "engagedSessions": 1, "keyEvents": 2.0},
         {"date": "2026-06-30", "dateHourMinute": "2026-06-30T10:00:00", "clientId": "(not set)", "sessions": 1}],
        days=[date(2026, 6, 30)], quality={"time_zone": "America/New_York"},
    )  # fmt: skip
    house.put(
        "ga4/campaigns",
        [{"date": "2026-06-30", "sessionSource": "google", "sessionMedium": "cpc", "sessionCampaignName": "Spring",
          "sessionCampaignId": "5", "sessionDefaultChannelGroup": "Paid Search", "sessions": 1}],
    )  # fmt: skip
    house.build(*SESSIONS)
    assert house.rows(
        "select client_id, started_at::varchar, session_date, channel, campaign_key, landing_page, gclid, key_events "
        "from intermediate.int_sessions"
    ) == [("c1", "2026-07-01 02:30:00+00", date(2026, 7, 1), "Paid Search", "utm:spring", "/a", "G1", 2)]


def event(client: str, session: int, at: str, name: str = "page_view", **more: Any) -> dict[str, Any]:
    return {
        "event_date": at[:10], "event_timestamp": at, "event_name": name, "user_pseudo_id": client, "ga_session_id": session,
        "ga_session_number": 1, "device_category": "mobile", "country": "Germany", "engagement_time_msec": 1000,
    } | more  # fmt: skip


EXPORT = [
    event("a", 1, "2026-03-01T23:58:00", "session_start", source="google", medium="cpc", campaign="x",
          page_location="https://www.example.com/Pricing/?utm_source=google", gclid="G1"),
    event("a", 1, "2026-03-01T23:59:00", page_location="https://www.example.com/other"),
    event("a", 1, "2026-03-02T00:01:00", "signup", is_key_event=True, session_engaged=True, source="later", medium="email"),
    event("b", 7, "2026-03-02T10:00:00", page_location="https://www.example.com/"),
    event("b", 8, "2026-03-02T12:00:00", page_location="https://www.example.com/", ga_session_number=2,
          source="partner.example", medium="referral"),
    {"event_date": "2026-03-02", "event_timestamp": "2026-03-02T13:00:00", "event_name": "page_view"},  # no consent
]  # fmt: skip


def test_export_events_become_sessions(house: House) -> None:
    house.put("ga4_export/events", EXPORT)
    house.build(*WEB)
    assert house.rows(
        "select session_id, session_date, source, medium, channel, landing_page, country, is_engaged, is_new_visitor, "
        "page_views, key_events, engagement_seconds::double from intermediate.int_sessions order by 1"
    ) == [
        ("a.1", date(2026, 3, 1), "google", "cpc", "Paid Search", "/Pricing", "DE", True, True, 1, 1, 3.0),
        ("b.7", date(2026, 3, 2), "(direct)", "(none)", "Direct", "/", "DE", False, True, 1, 0, 1.0),
        ("b.8", date(2026, 3, 2), "partner.example", "referral", "Referral", "/", "DE", False, False, 1, 0, 1.0),
    ]
    assert house.rows(
        "select date_day, channel, sessions, new_visitors, sessions_with_key_event from marts.fct_web_traffic order by all"
    ) == [
        (date(2026, 3, 1), "Paid Search", 1, 1, 1),
        (date(2026, 3, 2), "Direct", 1, 1, 0),
        (date(2026, 3, 2), "Referral", 1, 0, 0),
    ]
    assert house.rows("select date_day, goal, channel, key_events from marts.fct_web_key_events") == [
        (date(2026, 3, 2), "signup", "Paid Search", 1)
    ]


def test_visitors_of_sessions_are_counted_at_every_grain(house: House) -> None:
    """Client b comes twice in one day and once more in the next month: one visitor of each month, one of the year."""
    house.put("ga4_export/events", [*EXPORT, event("b", 9, "2026-04-05T10:00:00", source="google", medium="cpc")])
    house.build(*WEB)
    found = {
        (grain, start, dimension, member): visitors
        for grain, start, dimension, member, visitors in house.rows(
            "select grain, period_start, dimension, member, unique_visitors from marts.fct_web_visitors"
        )
    }
    assert found["day", date(2026, 3, 2), "total", "all"] == 1
    assert found["month", date(2026, 3, 1), "total", "all"] == 2
    assert found["year", date(2026, 1, 1), "total", "all"] == 2
    assert found["week", date(2026, 3, 2), "channel", "Referral"] == 1
    assert found["month", date(2026, 3, 1), "channel", "Paid Search"] == 1
    assert found["year", date(2026, 1, 1), "channel", "Paid Search"] == 2
    assert found["quarter", date(2026, 4, 1), "campaign", "(not set)"] == 1


FILE_SESSIONS = {
    # what the file says is taken as it is
    "given": ({"source": "Bing", "medium": "CPC", "landing_page_url": "https://x.example/?gclid=1"}, "bing", "cpc", "Paid Search"),
    # a paid click id outranks the UTM, whose campaign stays
    "click": ({"landing_page_url": "https://x.example/a?utm_source=n&utm_medium=email&utm_campaign=s&gclid=1"}, "google", "cpc", "Paid Search"),
    "utm": ({"landing_page_url": "https://x.example/a?UTM_Source=News+Letter&amp;utm_medium=email"}, "news letter", "email", "Email"),
    "after_hash": ({"landing_page_url": "https://x.example/a#utm_source=vk.com&utm_medium=cpc"}, "vk.com", "cpc", "Paid Social"),
    "fbclid_and_utm": ({"landing_page_url": "https://x.example/?utm_source=n&utm_medium=email&fbclid=1"}, "n", "email", "Email"),
    "fbclid": ({"landing_page_url": "https://x.example/?fbclid=1"}, "facebook", "referral", "Organic Social"),
    "empty_click_id": ({"landing_page_url": "https://x.example/?gclid="}, "(direct)", "(none)", "Direct"),
    "search": ({"referrer": "https://www.google.co.uk/"}, "google", "organic", "Organic Search"),
    "search_prefix": ({"referrer": "https://de.bing.com/search?q=x"}, "bing", "organic", "Organic Search"),
    "social": ({"referrer": "https://l.facebook.com/l.php"}, "l.facebook.com", "social", "Organic Social"),
    "assistant": ({"referrer": "https://chatgpt.com/"}, "chatgpt.com", "ai-assistant", "AI Assistant"),
    "referral": ({"referrer": "https://m.partner.example/x"}, "partner.example", "referral", "Referral"),
    # never a source: ourselves, payment, sign-in, what the settings name
    "own_host": ({"landing_page_url": "https://x.example/b", "referrer": "https://www.x.example/a"}, "(direct)", "(none)", "Direct"),
    "own_domain": ({"referrer": "https://shop.own.example/a"}, "(direct)", "(none)", "Direct"),
    "payment": ({"referrer": "https://www.paypal.com/checkout"}, "(direct)", "(none)", "Direct"),
    "sign_in": ({"referrer": "https://accounts.google.com/"}, "(direct)", "(none)", "Direct"),
    "ignored": ({"referrer": "https://pay.bank.example/"}, "(direct)", "(none)", "Direct"),
    "nothing": ({}, "(direct)", "(none)", "Direct"),
}  # fmt: skip


def test_origin_of_file_sessions(house: House) -> None:
    house.rules({"web": {"own_domains": ["own.example"], "ignored_referrers": ["bank.example"]}})
    house.put(
        "files/sessions",
        [{"session_id": name, "started_at": "2026-03-01T10:00:00", "country": "deutschland", "device": "Smartphone"} | row
         for name, (row, *_) in FILE_SESSIONS.items()],
    )  # fmt: skip
    house.build(*WEB)
    found = {
        name: rest
        for name, *rest in house.rows("select session_id, source, medium, channel from intermediate.int_sessions")
    }
    assert found == {name: list(rest) for name, (_, *rest) in FILE_SESSIONS.items()}
    assert house.rows(
        "select sum(sessions)::int, any_value(device), any_value(country) from marts.fct_web_traffic"
    ) == [(len(FILE_SESSIONS), "mobile", "DE")]
    assert house.rows("select campaign from intermediate.int_sessions where session_id = 'click'") == [("s",)]


def test_moments_become_days_in_the_reporting_zone(house: House) -> None:
    house.rules({"reporting": {"time_zone": "Europe/Berlin"}})
    house.put("files/sessions", [{"session_id": "s", "started_at": "2026-06-30T22:30:00"}])
    house.build(*WEB)
    assert house.rows("select date_day from marts.fct_web_traffic") == [(date(2026, 7, 1),)]


@pytest.mark.parametrize(
    ("url", "name", "value"),
    [
        ("https://x.example/?utm_source=%D0%AF%D0%BD&a=1", "utm_source", "Ян"),
        ("https://x.example/?a=1&utm_source=a%2520b", "utm_source", "a%20b"),
        ("https://x.example/?utm_source=a&utm_source=b", "utm_source", "a"),
        ("https://x.example/?utm_source=100%", "utm_source", "100%"),
        ("https://x.example/?utm_source=%FF", "utm_source", "%FF"),
        ("https://x.example/?utm_source=&x=1", "utm_source", None),
        ("https://x.example/?xutm_source=a", "utm_source", None),
        ("https://x.example/?utm_source={campaign}", "utm_source", "{campaign}"),
        ("https://x.example/?x=1&amp;utm_source=a+b", "utm_source", "a b"),
    ],
)
def test_url_param(house: House, url: str, name: str, value: str | None) -> None:
    sql = house.compiled(f"select {{{{ url_param('url', '{name}') }}}} as value from given")
    with house.connection() as connection:
        found = connection.execute(f"with given as (select ? as url) {sql}", [url]).fetchall()
    assert found == [(value,)]
