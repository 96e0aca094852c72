"""Visits, leads and costs of files as people have them, from the file to the published table: odd tags, addresses, apps.

The folders of cases hold a mapping as a user would write it and a few rows with invented values; what is right stands
here, by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from dagster_project.settings import rules_of
from dagster_project.sources.files.settings import FilesSettings
from dagster_project.wire import Tally
from dagster_project.wire.variables import SettingsError
from tests.support.crm_rows import portal
from tests.support.crm_world import lead, submission
from tests.support.crm_world import session as visit
from tests.support.house import House

Dropped = Callable[..., House]


@pytest.fixture
def dropped(house: House) -> Dropped:
    """`dropped(folder, "+fct_leads", rules={...})`: the files of the folder read by its funnelhouse.yml, and built."""

    def build(folder: Path, *select: str, rules: Mapping[str, Any] | None = None) -> House:
        written = yaml.safe_load((folder / "funnelhouse.yml").read_text()) | dict(rules or {})
        config = rules_of(written)
        house.rules(written)
        files = FilesSettings(
            mappings=config.own("files"),
            base_folder=str(folder),
            reporting_time_zone=config.reporting.time_zone,
            channels=config.channels.names,
            hash_key="a key that is long enough",
        )
        read_at = datetime.combine(house.today, time(3), UTC)
        for name in {mapping.stream for mapping in config.own("files")}:
            stream = house.streams[f"files/{name}"]
            house.mapped.add(stream.id)
            house.zone.replace_all(stream, stream.sweep(files, Tally()), extracted_at=read_at, checked_on=house.today)
        house.on.add("files")
        house.build(*select)
        return house

    return build


@pytest.fixture(scope="session")
def cases(shared_dir: Path) -> Path:
    folder = shared_dir / "cases"
    if not folder.is_dir():
        pytest.skip("no folder of cases beside the project")
    return folder


# a file's session id is unique within its client only: ours may hold both
NAME = "replace(session_id, client_id || '.', '')"


def channels(house: House) -> dict[str, str]:
    return dict(house.rows(f"select {NAME}, channel from intermediate.int_sessions"))


def test_visits_with_placeholders_apps_and_half_eaten_entities(dropped: Dropped, cases: Path) -> None:
    house = dropped(cases / "models_01_web", "+fct_web_traffic")
    right = {
        "macro_gclid": "Referral", "macro_gclid2": "Email", "undefined_gclid": "Referral", "null_gclid": "Referral",
        "ref_noscheme": "Organic Search", "ref_noscheme_path": "Organic Social", "ref_android_linkedin": "Organic Social",
        "ref_android_search": "Organic Search", "greenpeace_038": "Referral", "stripe_link": "Direct",
        "stripe_checkout": "Direct", "paypal_cc_return": "Direct",
        # an unknown click id proves a paid click of its platform; two of one name, hashes and semicolons are read
        "stale_gclid_linkedin": "Paid Search", "gclid_email": "Paid Search", "bing_msclkid_utmgoogle": "Paid Search",
        "yclid_utm_google": "Paid Search", "twclid": "Paid Social", "gbraid": "Paid Search", "hash_utm": "Email",
        "http_amp": "Email", "semi": "Email", "two_q": "Email", "fbclid_organic_noref": "Organic Social",
    }  # fmt: skip
    found = channels(house)
    assert {name: found[name] for name in right} == right
    rows = house.rows(
        f"select {NAME}, source, campaign, landing_page, gclid from intermediate.int_sessions where gclid is not null or {NAME} in ('greenpeace_038', 'ref_android_linkedin', 'semi')"
    )
    assert sorted(rows) == [
        ("gclid_email", "google", "june", "/", "EAIaIQ"),  # whose click nobody knows: the campaign is the tag's
        ("gclid_utm_google_cpc", "google", "12345", "/", "UTICj0"),
        ("greenpeace_038", "greenpeace.org", "cee_si", "/", None),
        ("ref_android_linkedin", "linkedin.com", "(not set)", "/", None),
        ("semi", "news", "x", "/", None),
        ("stale_gclid_linkedin", "google", "post1", "/", "Cj0KCQstale"),
    ]


def test_addresses_without_a_scheme(dropped: Dropped, cases: Path) -> None:
    house = dropped(cases / "models_17_schemeless", "+fct_web_traffic")
    assert channels(house) == {
        "plausible_search": "Organic Search", "umami_domain": "Organic Search", "posthog_domain": "Organic Social",
        "posthog_direct": "Direct", "ga4_full_page_url": "Email", "ga4_full_page_self": "Direct", "partner": "Referral",
        "paid_path": "Paid Search", "bank": "Direct", "protocol_relative": "Organic Search",
    }  # fmt: skip
    pages = house.rows("select distinct landing_page from marts.fct_web_traffic order by 1")
    assert pages == [("/pricing",), ("/thanks",)]


def test_a_lead_s_landing_page_is_read_and_apps_are_their_network(dropped: Dropped, cases: Path) -> None:
    house = dropped(cases / "models_20_more", "+fct_leads", "+fct_web_traffic")
    leads = house.rows("select crm_record_id, channel, source, campaign, landing_page from marts.fct_leads order by 1")
    assert leads == [
        ("L1", "Paid Search", "google", "spring", "/offer"),
        ("L2", "Paid Search", "google", "(not set)", "/offer"),
    ]
    found = channels(house)
    social = (
        "com_linkedin",
        "com_facebook",
        "twitter",
        "pinterest",
        "telegram",
        "reddit",
        "linkedin_ios",
        "instagram_l",
    )
    assert {name: found[name] for name in social} == dict.fromkeys(social, "Organic Social")
    assert found["gmail"] == "Referral"  # as mail.google.com in a browser


LEADS = [("1", "Webinar"), ("2", "Offline"), ("3", "Affiliates"), ("4", "Podcast")]


def test_declared_channels_of_leads_stand(dropped: Dropped, cases: Path) -> None:
    rules = {"channels": {"own": ["Webinar", "Podcast"], "rules": [{"channel": "podcast", "source": "podcast"}]}}
    house = dropped(cases / "incomplete_rows", "+fct_leads", "+dim_channel", rules=rules)
    assert house.rows("select crm_record_id, channel from marts.fct_leads order by 1") == LEADS
    named = "select channel from marts.dim_channel where channel in ('Webinar', 'Podcast', 'podcast') order by 1"
    assert house.rows(named) == [("Podcast",), ("Webinar",)]


def test_a_channel_that_nobody_declared_is_an_error_with_the_list(dropped: Dropped, cases: Path) -> None:
    # as the folder has it: the rule names Podcast and nothing is declared
    with pytest.raises(
        SettingsError,
        match=r"channels.rules.0.channel = 'Podcast': no such channel; declare it under channels.own, or name one of",
    ):
        dropped(cases / "incomplete_rows")


def session(name: str, **more: Any) -> dict[str, Any]:
    return {
        "session_id": name,
        "started_at": "2026-03-10T10:00",
        "client_id": name,
        "landing_page_url": "https://shop.example/",
        **more,
    }


def cost(**more: Any) -> dict[str, Any]:
    return {"date": "2026-03-10", "campaign_name": "c", "cost": Decimal(10), "currency_code": "EUR", **more}


# platform and source as ad tools write them -> source and channel of the spend
LABELS = [
    ("meta_ads", "Facebook Ads", "facebook", "Paid Social"),
    ("Meta Ads", "Facebook / Instagram", "facebook", "Paid Social"),
    ("Facebook Ads", None, "facebook", "Paid Social"),
    (None, "Facebook Ads", "facebook", "Paid Social"),
    ("Instagram Ads", None, "facebook", "Paid Social"),
    ("Google AdWords", "Google Ads", "google", "Paid Search"),
    ("Яндекс.Директ", None, "yandex", "Paid Search"),
    ("Bing Ads", "Microsoft Advertising", "bing", "Paid Search"),
    ("LinkedIn Marketing Solutions", None, "linkedin", "Paid Social"),
    ("X (Twitter)", "Twitter Ads", "twitter", "Paid Social"),
    ("TikTok for Business", "TikTok Ads", "tiktok", "Paid Social"),
    ("VK Реклама", None, "vk.com", "Paid Social"),
    ("Display & Video 360", None, "dv360", "Display"),
    ("Partner network", None, "partner_network", "Paid Other"),  # nobody's label: as it is
]


def test_spend_and_visits_of_a_platform_meet_whatever_it_is_called(house: House) -> None:
    house.put(
        "files/ad_cost",
        [
            cost(platform=platform, source=source, campaign_name=f"c{n}")
            for n, (platform, source, *_) in enumerate(LABELS)
        ],
    )
    house.put(
        "files/sessions",
        [session(f"s{n}", source=source, medium="cpc") for n, (_, source, *_) in enumerate(LABELS) if source],
    )
    house.build("+fct_costs", "+fct_web_traffic")
    costs = house.rows("select source, channel, sum(amount)::int from marts.fct_costs group by all order by all")
    expected: dict[tuple[str, str], int] = {}
    for *_, source, channel in LABELS:
        expected[source, channel] = expected.get((source, channel), 0) + 10
    assert costs == [(*key, amount) for key, amount in sorted(expected.items())]
    assert channels(house) == {f"s{n}": channel for n, (_, source, _, channel) in enumerate(LABELS) if source}


def test_a_label_of_ads_without_a_medium_is_paid(house: House) -> None:
    sources = {
        "Facebook Ads": ("paid_social", "Paid Social"), "google_ads": ("cpc", "Paid Search"), "Яндекс Директ": ("cpc", "Paid Search"),
        "meta": ("(not set)", "Organic Social"),  # the network, whose posts are free
        "facebook": ("(not set)", "Organic Social"),
    }  # fmt: skip
    house.put(
        "files/sessions",
        [
            session(f"s{n}", landing_page_url=f"https://shop.example/?utm_source={name}")
            for n, name in enumerate(sources)
        ],
    )
    house.put(
        "files/leads",
        [
            {"lead_id": f"l{n}", "created_at": "2026-03-11", "email_hash": f"l{n}", "source": name}
            for n, name in enumerate(sources)
        ],
    )
    house.build("+int_sessions", "+int_crm_touches_classified")
    rows = house.rows(f"select {NAME}, medium, channel from intermediate.int_sessions order by 1")
    assert [tuple(found) for _, *found in rows] == list(sources.values())
    rows = house.rows("select touch_id, medium, channel from intermediate.int_crm_touches_classified order by 1")
    assert [tuple(found) for _, *found in rows] == list(sources.values())


def test_a_lead_is_the_visit_whose_click_its_landing_page_has(house: House) -> None:
    page = "https://shop.example/demo?gclid=Cj0KC{}"
    house.put(
        "files/sessions",
        [
            session(f"b{n}", started_at="2026-03-10T10:00", landing_page_url=page.format(n), device="mobile")
            for n in (1, 2)
        ],
    )
    leads = [
        {"lead_id": f"l{n}", "created_at": "2026-03-10T10:20", "email_hash": f"l{n}", "landing_page": page.format(n)}
        for n in (2, 3)
    ]
    house.put("files/leads", leads)
    house.build("+fct_leads")
    rows = house.rows("select crm_record_id, touch_kind, channel, device from marts.fct_leads order by 1")
    assert rows == [("l2", "session", "Paid Search", "mobile"), ("l3", "crm_utm", "Paid Search", "(not set)")]


def test_an_ad_s_channel_of_its_file_is_the_campaign_s_also_for_its_visits(house: House) -> None:
    house.rules({"channels": {"own": ["Podcast"]}})
    house.put(
        "files/ad_cost",
        [cost(platform="meta_ads", channel="Paid Video", campaign_name="film"), cost(platform="meta_ads", campaign_name="post"),
         cost(platform="acast", channel="Podcast", campaign_name="show"), cost(platform="meta_ads", channel_type="Display", campaign_name="wall")],
    )  # fmt: skip
    house.put(
        "files/sessions",
        [session(name, source="facebook", medium="paid_social", campaign=name) for name in ("film", "post", "wall")],
    )
    house.build("+fct_costs", "+fct_web_traffic", "+dim_channel")
    costs = house.rows("select campaign_key, channel from marts.fct_costs order by 1")
    assert costs == [
        ("acast:show", "Podcast"),
        ("meta_ads:film", "Paid Video"),
        ("meta_ads:post", "Paid Social"),
        ("meta_ads:wall", "Display"),
    ]
    visits = house.rows("select campaign_key, channel from marts.fct_web_traffic order by 1")
    assert visits == costs[1:]
    house.build(
        "int_ads_daily",
        "int_ads_classified",
        "int_ad_campaigns",
        "int_exchange_rates_daily",
        "fct_costs",
        command="test",
    )


# vendor's source of a visit from an app or an address without tags -> source and channel
@pytest.mark.parametrize("has_referrer", [True, False], ids=["referrer", "source"])
def test_apps_are_their_network_whoever_says_so(house: House, has_referrer: bool) -> None:
    apps = {
        "com.linkedin.android": ("linkedin.com", "Organic Social"),
        "android-app://com.linkedin.android": ("linkedin.com", "Organic Social"),
        "com.google.android.googlequicksearchbox": ("google", "Organic Search"),
        "org.telegram.messenger": ("t.me", "Organic Social"),
        "com.google.android.youtube": ("youtube.com", "Organic Social" if has_referrer else "Organic Video"),
        "com.openai.chatgpt": ("chatgpt.com", "AI Assistant"),
        "com.google.android.gm": ("mail.google.com", "Referral"),
        "com.unheard.of": ("com.unheard.of", "Referral"),
        "com.paypal.android.p2pmobile": ("(direct)" if has_referrer else "paypal.com", "Direct"),
    }
    given = [{"referrer": app} if has_referrer else {"source": app, "medium": "referral"} for app in apps]
    house.put("files/sessions", [session(app, **how) for app, how in zip(apps, given, strict=True)])
    house.build("+int_sessions")
    rows = house.rows(f"select {NAME}, source, channel from intermediate.int_sessions")
    assert {app: tuple(found) for app, *found in rows} == apps


PAYMENT = [
    "buy.stripe.com",
    "billing.stripe.com",
    "invoice.stripe.com",
    "pay.klarna.com",
    "checkout.paypal.com",
    "pay.amazon.de",
    "checkout.square.site",
    "secure5.arcot.com",
]


def test_payment_pages_begin_no_visit_and_other_pages_of_their_owners_do(house: House) -> None:
    # our own, and what we name ourselves, may be written as addresses
    house.rules(
        {
            "web": {
                "own_domains": ["https://www.Ours.example/", "com.ours.app"],
                "ignored_referrers": ["sso.example/login"],
            }
        }
    )
    ours = ["blog.ours.example", "com.ours.app", "sso.example"]
    others = ["docs.stripe.com", "stripe.community", "example.sso", "notours.example"]
    house.put("files/sessions", [session(host, referrer=f"https://{host}/x") for host in [*PAYMENT, *ours, *others]])
    house.build("+int_sessions")
    assert channels(house) == dict.fromkeys([*PAYMENT, *ours], "Direct") | dict.fromkeys(others, "Referral")


def test_a_click_that_the_platform_lists_is_its_campaign_s_everywhere(house: House) -> None:
    """Session, form and record: the listed click gives campaign 7; an unknown one gives source and medium, the tags the rest."""
    tags = "utm_source=linkedin&utm_medium={medium}&utm_campaign=post&utm_content=big&gclid={gclid}"
    page = "https://shop.example/demo?" + tags
    clicks = [
        (f"{gclid}-{medium}", page.format(gclid=gclid, medium=medium))
        for gclid in ("known", "other")
        for medium in ("social", "cpc")
    ]
    house.put("google_ads/clicks", [{"gclid": "known", "date": "2026-03-09", "campaign_id": "7", "account_id": "1"}])
    house.put(
        "google_ads/campaign_performance",
        [{"date": "2026-03-09", "campaign_id": "7", "campaign_name": "Brand", "customer_currency_code": "EUR",
          "campaign_advertising_channel_type": "SEARCH", "impressions": 1, "clicks": 1, "cost_micros": 1_000_000,
          "conversions": 0.0, "conversions_value": 0.0}],
    )  # fmt: skip
    house.put("files/sessions", [session(name, landing_page_url=url) for name, url in clicks])
    house.put(
        "files/leads",
        [
            {"lead_id": name, "created_at": "2026-03-11", "email_hash": name, "landing_page": url}
            for name, url in clicks
        ],
    )
    forms = [submission(f"form-{name}", "2026-03-11T10:00", name, pageUrl=url, utm_source="linkedin", utm_medium="social", utm_campaign="post")
             for name, url in clicks]  # fmt: skip
    for stream, rows in portal(
        [lead(f"contact-{name}", "2026-03-11T10:00") for name, _ in clicks], form_submissions=forms
    ).items():
        house.put(stream, rows)
    house.build("+int_sessions", "+int_crm_touches_classified")
    expected = {
        name: ("google", "cpc", "google_ads:7" if name.startswith("known") else "utm:post", "Paid Search")
        for name, _ in clicks
    }
    columns = "source, medium, campaign_key, channel"
    rows = house.rows(f"select {NAME}, {columns} from intermediate.int_sessions")
    assert {name: tuple(found) for name, *found in rows} == expected
    for kind, prefix in (("record", "record:files:test:"), ("submission", "submission:form-")):
        rows = house.rows(
            f"select touch_id, {columns} from intermediate.int_crm_touches_classified where touch_id like '{prefix}%'"
        )
        assert {name.removeprefix(prefix): tuple(found) for name, *found in rows} == expected, kind
    contents = house.rows(
        "select distinct content from intermediate.int_crm_touches_classified where touch_id like 'record:files%'"
    )
    assert contents == [("big",)]


def test_a_listed_click_is_the_platform_s_in_ga4_and_its_export_too(house: House) -> None:
    house.put("google_ads/clicks", [{"gclid": "known", "date": "2026-03-09", "campaign_id": "7", "account_id": "1"}])
    house.put(
        "google_ads/campaign_performance",
        [{"date": "2026-03-09", "campaign_id": "7", "campaign_name": "Brand", "customer_currency_code": "EUR",
          "campaign_advertising_channel_type": "SEARCH", "impressions": 1, "clicks": 1, "cost_micros": 1_000_000,
          "conversions": 0.0, "conversions_value": 0.0}],
    )  # fmt: skip
    house.put("ga4/sessions", [visit("known", "2026-03-10T10:00", "facebook", "cpc", "/?gclid=known"),
                               visit("macro", "2026-03-10T10:00", "news", "email", "/?gclid={gclid}")])  # fmt: skip
    event = {
        "event_date": "2026-03-10",
        "event_timestamp": "2026-03-10T10:00",
        "event_name": "session_start",
        "ga_session_id": 1,
    }
    house.put(
        "ga4_export/events",
        [event | {"user_pseudo_id": "known", "page_location": "https://shop.example/", "source": "facebook", "medium": "cpc", "gclid": "known"},
         event | {"user_pseudo_id": "macro", "page_location": "https://shop.example/", "source": "news", "medium": "email", "gclid": "undefined"}],
    )  # fmt: skip
    house.build("+int_sessions")
    rows = house.rows(
        "select source_system, client_id, source, medium, campaign_key from intermediate.int_sessions order by 1, 2"
    )
    assert rows == [
        (system, *found) for system in ("ga4", "ga4_export")
        for found in (("known", "google", "cpc", "google_ads:7"), ("macro", "news", "email", "(not set)"))
    ]  # fmt: skip
