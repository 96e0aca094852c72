"""Visits, leads and costs of files as people have them, from the file to the published table: odd tags, addresses, apps.

The folders of cases hold a mapping as a user would write it and a few rows with invented values; what is right stands
here, by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

import pytest
import yaml
from house import House

from dagster_project.connectors import Tally
from dagster_project.settings import Config, FilesSettings

Dropped = Callable[..., House]


@pytest.fixture
def dropped(house: House) -> Dropped:
    """`dropped(folder, "+fct_leads", rules={...})`: the files of the folder read by its funnelhouse.yml, and built."""

    def build(folder: Path, *select: str, rules: Mapping[str, Any] | None = None) -> House:
        written = yaml.safe_load((folder / "funnelhouse.yml").read_text()) | dict(rules or {})
        config = Config.model_validate(written)
        house.rules(written)
        files = FilesSettings(
            mappings=config.files,
            base_folder=str(folder),
            reporting_time_zone=config.reporting.time_zone,
            hash_key="a key that is long enough",
        )
        read_at = datetime.combine(house.today, time(3), UTC)
        for name in {mapping.stream for mapping in config.files}:
            stream = house.streams[f"files/{name}"]
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


def channels(house: House) -> dict[str, str]:
    return dict(house.rows("select session_id, channel from intermediate.int_sessions"))


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
    rows = house.rows("select session_id, source, campaign, landing_page, gclid from intermediate.int_sessions where gclid is not null or session_id in ('greenpeace_038', 'ref_android_linkedin', 'semi')")
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
    social = ("com_linkedin", "com_facebook", "twitter", "pinterest", "telegram", "reddit", "linkedin_ios", "instagram_l")
    assert {name: found[name] for name in social} == dict.fromkeys(social, "Organic Social")
    assert found["gmail"] == "Referral"  # as mail.google.com in a browser
