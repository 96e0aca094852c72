"""Tags and channels under audit: what is found, the money behind it, and that no part of the spend is counted twice.

A month of Google Ads and GA4 with round figures; expected values by hand beside each.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from tests.support.house import House

DAY = "2026-03-10"
RULES = {"reporting": {"time_zone": "UTC", "currency": "EUR"}}
AUDITS = ("+audit_utm", "+audit_channels", "+dim_campaign")


def spend(
    campaign_id: str, name: str, clicks: int, cost: int, currency: str = "EUR", kind: str = "SEARCH"
) -> dict[str, Any]:
    return {
        "date": DAY, "campaign_id": campaign_id, "campaign_name": name, "customer_currency_code": currency,
        "campaign_advertising_channel_type": kind, "clicks": clicks, "impressions": clicks * 10, "cost_micros": cost * 1_000_000,
    }  # fmt: skip


def visits(source: str, medium: str, campaign: str, sessions: int, channel: str = "Paid Search") -> dict[str, Any]:
    return {
        "date": DAY, "sessionSource": source, "sessionMedium": medium, "sessionCampaignName": campaign,
        "sessionCampaignId": "(not set)", "sessionDefaultChannelGroup": channel, "sessions": sessions,
    }  # fmt: skip


ADS = [
    spend("1", "Brand DE", 100, 50),  # tagged well: 90 visits for 100 clicks are within the tolerance
    spend("2", "Kit", 100, 200),  # 60 visits as "Kit", 40 as "KIT"
    spend("3", "Lost", 100, 300),  # no visit at all; 50 visits under a name that Google does not have
    spend("4", "Half", 200, 100),  # 100 visits for 200 clicks
    spend("5", "Pounds", 10, 70, "GBP"),  # no visit, and no rate for the pound
    spend("6", "Tool", 10, 40),  # ten clicks, of which four came back as Direct with a gclid
]
TRAFFIC = [
    visits("google", "cpc", "Brand DE", 90),
    visits("google", "cpc", "Kit", 60),
    visits("google", "cpc", "KIT", 40),
    visits("google", "cpc", "{campaign}", 50),
    visits("google", "cpc", "half", 100),
    visits("google", "cpc", "tool", 6),
    visits("(direct)", "(none)", "(direct)", 4, "Direct"),
    visits("ok.ru", "referral", "(referral)", 7, "Referral"),  # ours: Organic Social, by an override
    visits("chatgpt.com", "referral", "(referral)", 5, "Referral"),  # ours: AI Assistant
    visits("partner.example", "referral", "(referral)", 3, "Organic Shopping"),  # the vendor alone knows why
    visits("crm", "E-Mail", "News", 8, "Email"),
    visits("crm", "newsletter", "news", 20, "Unassigned"),
    visits("taboola", "cpc", "native", 9, "Paid Other"),
]
STARTS = [
    {
        "date": DAY, "dateHourMinute": f"{DAY}T10:0{minute}", "clientId": f"c{minute}", "sessionSource": "(direct)",
        "sessionMedium": "(none)", "sessionCampaignName": "(direct)", "landingPagePlusQueryString": f"/?gclid=g{minute}",
        "sessions": 1,
    }
    for minute in range(4)
] + [
    {
        "date": DAY, "dateHourMinute": f"{DAY}T11:00", "clientId": "c9", "sessionSource": "crm", "sessionMedium": "E-Mail",
        "sessionCampaignName": "News", "sessions": 1,
        "landingPagePlusQueryString": "/kit?UTM_Source=crm&amp;utm_medium=E-Mail&utm_campaign=News",
    }
]  # fmt: skip
CLICKS = [{"date": DAY, "gclid": f"g{minute}", "campaign_id": "6"} for minute in range(4)]


@pytest.fixture(scope="module")
def audited(tmp_path_factory, dbt_project) -> House:
    house = House(tmp_path_factory.mktemp("audited") / "home", dbt_project)
    house.rules(RULES)
    days = [date.fromisoformat(DAY)]
    house.put("google_ads/campaign_performance", ADS, days=days)
    house.put("google_ads/clicks", CLICKS, days=days)
    house.put("ga4/campaigns", TRAFFIC, days=days)
    house.put("ga4/sessions", STARTS, days=days)
    house.build(*AUDITS)
    house.build(
        "audit_utm", "audit_channels", "int_tags_classified", "int_tag_values_checked", "int_untagged_clicks_found",
        command="test",
    )  # fmt: skip
    return house


def _findings(house, *names: str) -> list[tuple[Any, ...]]:
    wanted = "', '".join(names)
    return house.rows(
        "select finding, campaign_key, tag_value, sessions, spend_concerned, spend_at_risk from marts.audit_utm "
        f"where finding in ('{wanted}') order by all"
    )


def test_clicks_that_never_became_a_visit(audited) -> None:
    # lost clicks: 100 of Lost and 100 of Half (the tenth of Brand DE is usual), 10 of Pounds: 210. The 50 visits of
    # "{campaign}" explain 50 of them: 160/210 of each loss stays. Lost 300, Half 100 x 100/200 = 50.
    assert _findings(audited, "clicks_without_sessions", "clicks_lost") == [
        ("clicks_lost", "google_ads:4", "(all)", 100, Decimal("50"), Decimal("38.095238")),  # 50 x 160/210
        ("clicks_without_sessions", "google_ads:3", "(all)", 0, Decimal("300"), Decimal("228.571428")),  # 300 x 160/210
        ("clicks_without_sessions", "google_ads:5", "(all)", 0, None, None),  # no rate: unknown, not 0
    ]


def test_visits_under_a_campaign_that_the_platform_does_not_have(audited) -> None:
    # (300 + 50) x 50/210 = 83.333333 goes to the worse of the two findings, once
    assert _findings(audited, "unmapped_campaign", "unexpanded_macro") == [
        ("unexpanded_macro", "utm:{campaign}", "{campaign}", 50, Decimal("83.333333"), Decimal("83.333333")),
        ("unmapped_campaign", "utm:{campaign}", "{campaign}", 50, Decimal("83.333333"), Decimal("0")),
    ]


def test_one_campaign_in_several_spellings(audited) -> None:
    rows = audited.rows(
        "select tag_value, better_value, spend_at_risk, fix from marts.audit_utm "
        "where finding = 'inconsistent_spelling' and campaign_key = 'google_ads:2'"
    )
    # 200 x 40/100; "Kit" is the campaign's own name at Google
    assert rows == [("KIT", "Kit", Decimal("80"), 'Write "Kit" everywhere, never "KIT".')]
    assert not audited.rows("select 1 from marts.audit_utm where tag_value = 'Kit'")


def test_a_paid_click_without_tags_goes_to_the_campaign_that_was_clicked(audited) -> None:
    assert _findings(audited, "paid_click_untagged") == [
        ("paid_click_untagged", "google_ads:6", "(direct) / (none)", 4, Decimal("16"), Decimal("16")),  # 40 x 4/10
    ]
    touches = audited.rows(
        "select distinct channel, source, medium, campaign_key from intermediate.int_sessions where gclid is not null"
    )
    assert touches == [("Paid Search", "google", "cpc", "google_ads:6")]


def test_what_is_wrong_where_nobody_paid_is_found_without_money(audited) -> None:
    rows = audited.rows(
        "select finding, parameter, tag_value, sessions, spend_at_risk from marts.audit_utm "
        "where platform = '(not set)' and parameter != 'address' order by all"
    )
    assert rows == [
        ("inconsistent_spelling", "utm_campaign", "News", 8, Decimal("0")),
        ("paid_traffic_without_spend", "utm_source", "taboola", 9, Decimal("0")),
        ("unknown_medium", "utm_medium", "newsletter", 20, Decimal("0")),
        ("upper_case", "utm_campaign", "News", 8, Decimal("0")),
        ("upper_case", "utm_medium", "E-Mail", 8, Decimal("0")),
    ]


def test_the_link_itself_is_looked_at(audited) -> None:
    rows = audited.rows(
        "select finding, tag_value, sessions from marts.audit_utm where parameter = 'address' order by all"
    )
    assert rows == [("html_entity", "/kit", 1), ("parameter_upper_case", "/kit", 1)]


def test_no_part_of_the_spend_is_at_risk_twice(audited) -> None:
    at_risk = audited.rows("select sum(spend_at_risk) from marts.audit_utm")[0][0]
    # 38.095238 + 228.571428 + 83.333333 = 350 but for rounding down, + 80 + 16
    assert at_risk == Decimal("445.999999")
    audited.build("assert_spend_at_risk_is_within_spend", command="test")


def test_channels_beside_the_vendors(audited) -> None:
    rows = audited.rows(
        "select vendor_channel, channel, source, reason, sessions from marts.audit_channels where not is_same order by all"
    )
    assert rows == [
        ("Organic Shopping", "Referral", "partner.example", "unexplained", 3),
        ("Referral", "AI Assistant", "chatgpt.com", "ai_assistant", 5),
        ("Referral", "Organic Social", "ok.ru", "source_override", 7),
    ]
    total = sum(row["sessions"] for row in TRAFFIC)
    assert audited.rows("select sum(sessions) from marts.audit_channels") == [(total,)]


def test_the_canary_sings_over_one_session_in_a_hundred(audited, house) -> None:
    quiet = audited.build("assert_vendor_channels_are_understood", command="test")
    assert str(quiet.result[-1].status) == "pass"  # 3 of 402 sessions
    house.put(
        "ga4/campaigns",
        [*TRAFFIC, visits("other.example", "referral", "x", 5, "Display")],
        days=[date.fromisoformat(DAY)],
    )
    house.build("+audit_channels")
    loud = house.build("assert_vendor_channels_are_understood", command="test")
    assert str(loud.result[-1].status) == "warn"  # 8 of 407


def test_a_naming_rule_is_checked_where_people_write(warehouse) -> None:
    rules = {**RULES, "channels": {"naming": {"medium": "cpc|email", "campaign": "[a-z0-9_]+"}}}
    tables = {
        "google_ads/campaign_performance": ADS[:1],
        "ga4/campaigns": [*TRAFFIC, visits("bing", "organic", "(organic)", 5, "Organic Search")],
    }
    house = warehouse(tables, *AUDITS, rules=rules)
    rows = house.rows(
        "select parameter, tag_value, sessions from marts.audit_utm where finding = 'naming_rule_broken' order by all"
    )
    # not "Brand DE", Google's own name for its campaign, and not the mediums that GA4 makes of a referrer
    assert rows == [
        ("utm_campaign", "KIT", 40),
        ("utm_campaign", "Kit", 60),
        ("utm_campaign", "News", 8),
        ("utm_campaign", "{campaign}", 50),
        ("utm_medium", "E-Mail", 8),
        ("utm_medium", "newsletter", 20),
    ]
    fix = house.rows(
        "select distinct fix from marts.audit_utm where finding = 'naming_rule_broken' and tag_value = 'KIT'"
    )
    assert fix == [('Write "KIT" as channels.naming in funnelhouse.yml says, or change the rule.',)]


def test_why_the_vendors_channel_differs(warehouse) -> None:
    rules = {
        **RULES,
        "web": {"own_domains": ["shop.example"]},
        "channels": {"source_aliases": {"face book": "facebook"}},
    }
    rows = [
        visits("Face Book", "paid_social", "till", 14, "Paid Other"),
        visits("newsletter ", "email\u200b", "News", 10, "Unassigned"),
        visits("app.shop.example", "referral", "(referral)", 9, "Referral"),
        visits("checkout.stripe.com", "referral", "(referral)", 8, "Organic Shopping"),
        visits("other.example", "referral", "(referral)", 7, "Display"),
    ]
    house = warehouse({"ga4/campaigns": rows}, *AUDITS, rules=rules)
    assert house.rows("select channel, source, reason, sessions from marts.audit_channels order by sessions desc") == [
        ("Paid Social", "facebook", "source_alias", 14),
        ("Email", "newsletter", "cleaned_value", 10),
        ("Direct", "app.shop.example", "ignored_referrer", 9),
        ("Direct", "checkout.stripe.com", "ignored_referrer", 8),
        ("Referral", "other.example", "unexplained", 7),
    ]
