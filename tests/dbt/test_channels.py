"""Channels: Google's rules against labelled cases and a second implementation; our own lists in the whole chain."""

from __future__ import annotations

import csv
import itertools
import random
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.support.house import DBT_PROJECT, House

SEEDS = DBT_PROJECT / "seeds"
MACRO = "select {{ classify_channel('source', 'medium', 'campaign', 'category') }} as channel from cases"


def categories() -> dict[str, str]:
    with open(SEEDS / "ga4_source_categories.csv", encoding="utf-8") as file:
        return {row["source"]: row["category"] for row in csv.DictReader(file)}


def channels_of(house: House, cases: list[tuple[str | None, str | None, str | None]]) -> list[str]:
    """The macro's channel for each (source, medium, campaign)."""
    known = categories()
    source, medium, campaign = zip(*cases, strict=True)
    category = [known.get((s or "").lower()) for s in source]
    text = pa.string()
    given = pa.table(
        {
            "source": pa.array(source, text),
            "medium": pa.array(medium, text),
            "campaign": pa.array(campaign, text),
            "category": pa.array(category, text),
        }
    )
    sql = house.compiled(MACRO)
    with house.connection() as connection:
        connection.register("cases", given)
        return [row[0] for row in connection.execute(sql).fetchall()]


def second_opinion(source: str | None, medium: str | None, campaign: str | None, category: str | None) -> str:
    """The same rules in Python, from the published table and not from the macro."""
    s, m, c = (source or "").lower(), (medium or "").lower(), (campaign or "").lower()
    is_paid = re.fullmatch(r".*cp.*|ppc|retargeting|paid.*", m) is not None
    is_shop = category == "shopping" or re.fullmatch(r".*(([^a-df-z]|^)shop|shopping).*", c) is not None
    email = {"email", "e-mail", "e_mail", "e mail"}
    social = {"social", "social-network", "social-media", "sm", "social network", "social media"}
    rules = [
        ("Direct", (source is None and medium is None) or (s == "(direct)" and m in ("(none)", "(not set)", ""))),
        ("Cross-network", "cross-network" in c),
        ("Paid Shopping", is_shop and is_paid),
        ("Paid Search", category == "search" and is_paid),
        ("Paid Social", category == "social" and is_paid),
        ("Paid Video", category == "video" and is_paid),
        ("Display", m in ("display", "banner", "expandable", "interstitial", "cpm")),
        ("Paid Other", is_paid),
        ("AI Assistant", m == "ai-assistant"),
        ("Organic Shopping", is_shop),
        ("Organic Social", category == "social" or m in social),
        ("Organic Video", category == "video" or "video" in m),
        ("Organic Search", category == "search" or m == "organic"),
        ("Referral", m in ("referral", "app", "link")),
        ("Email", s in email or m in email),
        ("Affiliates", m == "affiliate"),
        ("Audio", m == "audio"),
        ("SMS", "sms" in (s, m)),
        ("Mobile Push Notifications", m.endswith("push") or "mobile" in m or "notification" in m or s == "firebase"),
    ]
    return next((channel for channel, holds in rules if holds), "Unassigned")


def test_labelled_cases(house: House, shared_dir: Path) -> None:
    with open(shared_dir / "reference/channel/channel_cases.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 70
    cases = [
        tuple(None if row[name] == r"\N" else row[name] for name in ("source", "medium", "campaign")) for row in rows
    ]
    found = channels_of(house, cases)  # type: ignore[arg-type]
    wrong = [(row, channel) for row, channel in zip(rows, found, strict=True) if row["expected_channel"] != channel]
    assert not wrong


def test_random_values_agree_with_a_second_implementation(house: House) -> None:
    chance = random.Random(7)
    words = ["google", "Bing", "vk.com", "youtube", "amazon", "email", "SMS", "firebase", "(direct)", "x", None, ""]
    media = ["cpc", "CPM", "ppc", "paid-x", "prepaid", "display", "organic", "referral", "email", "e mail", "sm", "app",
             "my video", "affiliate", "audio", "sms", "web-push", "pushed", "mobile", "notification", "ai-assistant",
             "(none)", "(not set)", "socials", "", None]  # fmt: skip
    campaigns = ["shop", "eshop", "workshop", "workshopping", "a-cross-network-b", "x", "", None, "Shopping"]
    cases = list(itertools.product(words, media, campaigns))
    letters = "acps-_ hovideo"
    cases += [
        ("google", "".join(chance.choices(letters, k=6)), "".join(chance.choices(letters, k=7))) for _ in range(2000)
    ]
    known = categories()
    expected = [second_opinion(s, m, c, known.get((s or "").lower())) for s, m, c in cases]
    assert len(set(expected)) == 20  # all 19 channels and Unassigned are among them
    assert channels_of(house, cases) == expected  # type: ignore[arg-type]


# source, medium as GA4 sends them -> medium and channel in the mart
CHAIN = [
    ("ok.ru", "referral", "referral", "Organic Social"),
    ("m.ok.ru", "referral", "referral", "Organic Social"),
    ("www.dzen.ru", "referral", "referral", "Organic Social"),
    ("web.telegram.org", "referral", "referral", "Organic Social"),
    ("vk.com", "cpc", "cpc", "Paid Social"),
    ("rutube.ru", "referral", "referral", "Organic Video"),
    ("aparat.com", "cpv", "cpv", "Paid Video"),
    ("ozon.ru", "referral", "referral", "Organic Shopping"),
    ("market.yandex.ru", "cpc", "cpc", "Paid Shopping"),
    ("rambler.ru", "referral", "referral", "Organic Search"),
    ("chatgpt.com", "(not set)", "ai-assistant", "AI Assistant"),
    ("www.perplexity.ai", "referral", "ai-assistant", "AI Assistant"),
    ("perplexity.ai", "cpc", "cpc", "Paid Other"),
    ("chatgpt.com", "ai-assistant", "ai-assistant", "AI Assistant"),
    ("(direct)", "(none)", "(none)", "Direct"),
    ("(not set)", "(not set)", "(not set)", "Unassigned"),
    ("Google", "CPC", "cpc", "Paid Search"),
    ("%D1%8F%D0%BD%D0%B4%D0%B5%D0%BA%D1%81", "cpc", "cpc", "Paid Other"),
]


def reported(source: str, medium: str, **more: Any) -> dict[str, Any]:
    row = {"date": "2026-03-01", "sessionSource": source, "sessionMedium": medium, "sessionCampaignName": "(not set)",
           "sessionManualTerm": "(not set)", "sessionManualAdContent": "(not set)", "landingPage": "/",
           "deviceCategory": "desktop", "countryId": "DE", "sessions": 1, "engagedSessions": 1, "newUsers": 0,
           "keyEvents": 0.0, "screenPageViews": 1, "userEngagementDuration": 1.0, "sessionKeyEventRate": 0.0}  # fmt: skip
    return row | more


ORIGINS = (
    "stg_meta__windows", "int_channel_rule_parts", "int_web_truth", "int_web_origins_collected",
    "int_web_origins_classified", "int_web_windows", "fct_web_traffic",
)  # fmt: skip


def test_our_lists_come_before_googles(house: House) -> None:
    house.put("ga4/traffic", [reported(source, medium) for source, medium, *_ in CHAIN])
    house.build(*ORIGINS)
    found = {
        (row["vendor_source"], row["vendor_medium"]): (row["medium"], row["channel"])
        for row in house.dicts("select * from intermediate.int_web_origins_classified")
    }
    assert found == {(source, medium): (shown, channel) for source, medium, shown, channel in CHAIN}
    assert house.rows("select source from marts.fct_web_traffic where source ~ 'яндекс'") == [("яндекс",)]


def test_user_rules_come_first_and_in_order(house: House) -> None:
    rules = [
        {"channel": "Partners", "source": "PARTNER[.].*", "medium": "referral|link"},
        {"channel": "Never", "source": "partner[.]a"},
        {"channel": "Blog", "landing_page": "/blog/.*"},
    ]
    house.rules({"channels": {"own": ["Partners", "Never", "Blog"], "rules": rules}})
    house.put(
        "ga4/traffic",
        [
            reported("partner.a", "referral", landingPage="/blog/x"),
            reported("partner.a", "cpc"),
            reported("google", "organic", landingPage="/blog/x"),
            reported("google", "organic", landingPage="/blogs"),
        ],
    )
    house.build(*ORIGINS)
    assert set(house.rows("select source, medium, landing_page, channel from marts.fct_web_traffic")) == {
        ("partner.a", "referral", "/blog/x", "Partners"),
        ("partner.a", "cpc", "/", "Never"),
        ("google", "organic", "/blog/x", "Blog"),
        ("google", "organic", "/blogs", "Organic Search"),
    }


@pytest.mark.parametrize(
    ("kind", "channel"),
    [
        ("PERFORMANCE_MAX", "Cross-network"), ("DEMAND_GEN", "Cross-network"), ("SHOPPING", "Paid Shopping"),
        ("DISPLAY", "Display"), ("VIDEO", "Paid Video"), ("SEARCH", "Paid Search"),
        ("HOTEL", "Paid Shopping"),  # no channel of its own: GA4's rules, and the name says shop
    ],
)  # fmt: skip
def test_a_campaign_takes_its_channel_from_its_type(house: House, kind: str, channel: str) -> None:
    """Spend and sessions of one campaign are in one channel, whatever GA4's rules say of google / cpc."""
    house.put("ga4/traffic", [reported("google", "cpc", sessionCampaignName="Shop%20Sale")])
    house.put(
        "google_ads/campaign_performance",
        [{"date": "2026-03-01", "campaign_id": "5", "campaign_name": "shop sale", "customer_currency_code": "EUR",
          "campaign_advertising_channel_type": kind, "impressions": 1, "clicks": 1, "cost_micros": 1_000_000,
          "conversions": 0.0, "conversions_value": 0.0}],
    )  # fmt: skip
    house.build("int_ads_daily", "int_ad_campaigns", "int_campaigns_named", "int_ads_classified", *ORIGINS,
                "fct_ad_performance", "int_exchange_rates_daily")  # fmt: skip
    expected = [("google_ads:5", channel)]
    assert house.rows("select campaign_key, channel from marts.fct_web_traffic") == expected
    assert house.rows("select campaign_key, channel from marts.fct_ad_performance") == expected
