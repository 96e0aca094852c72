"""Rows of LinkedIn, TikTok and Pinterest in the marts: the company's own figures by campaign and type, and where ads lead."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from dagster_project.sandbox import Sandbox, serve
from dagster_project.sandbox.company import networks
from dagster_project.sources import all_sources
from dagster_project.wire.contract import Window
from tests.support.ad_networks import read_all, truth
from tests.support.house import House

NETWORKS = {"linkedin_ads": "professional", "tiktok_ads": "short_video", "pinterest_ads": "pins"}
WEEK = Window(date(2026, 8, 17), date(2026, 8, 24))
BUILT = (
    "stg_meta__windows", "int_channel_rule_parts", "int_ads_daily", "int_ad_campaigns", "int_campaigns_named",
    "int_ads_classified", "int_exchange_rates_daily", "fct_ad_performance", "fct_ad_conversions",
)  # fmt: skip
MEASURES = "impressions, clicks, cost, video_views, platform_conversions, platform_conversions_value"


@pytest.fixture
def sandbox(waits: list[float]) -> Iterator[Sandbox]:
    with serve(today="2026-10-01", vendors=list(NETWORKS)) as running:
        yield running


def test_the_marts_have_what_the_company_spent_and_sold(sandbox: Sandbox, house: House) -> None:
    for name in NETWORKS:
        source = all_sources()[name]
        settings = source.settings.model_validate(sandbox.env)
        for stream in source.streams:
            house.put(stream.id, read_all(stream, settings, WEEK)[0].to_pylist())
    house.rules({"reporting": {"currency": "EUR"}, "exchange_rates": {"providers": []}})
    house.build(*BUILT)

    shown = {name: truth(sandbox, network, WEEK) for name, network in NETWORKS.items()}
    by_campaign: dict[tuple[Any, ...], list[Any]] = defaultdict(lambda: [0] * 6)
    for name, days in shown.items():
        for each in days:
            of = each.leads + each.sales, Decimal(each.sales_cents) / 100
            figures = each.impressions, each.clicks, Decimal(each.cost_cents) / 100, each.video_views, *of
            key = each.day, name, f"{name}:{each.ad.campaign.id}"
            by_campaign[key] = [before + figure for before, figure in zip(by_campaign[key], figures, strict=True)]
    totals = ", ".join(f"sum({measure})" for measure in MEASURES.split(", "))
    found = house.rows(f"select date_day, platform, campaign_key, {totals} from marts.fct_ad_performance group by all")
    assert {row[:3]: list(row[3:]) for row in found} == by_campaign

    assert sorted(house.rows("select distinct platform, source, medium, channel from marts.fct_ad_performance")) == [
        ("linkedin_ads", "linkedin", "paid_social", "Paid Social"),
        ("pinterest_ads", "pinterest", "paid_social", "Paid Social"),
        ("tiktok_ads", "tiktok", "paid_social", "Paid Social"),
    ]
    addresses = dict(house.rows("select distinct ad_id, final_url from marts.fct_ad_performance"))
    post, clip, pin = (
        next(ad for ad in networks.ads_of(network) if ad.name == name)
        for network, name in (("professional", "Post A"), ("short_video", "Clip A"), ("pins", "Pin A"))
    )
    assert [addresses[ad.id] for ad in (post, clip, pin)] == [
        f"{post.address}?utm_campaign=Founders%20DACH&utm_content={post.id}&utm_source=linkedin&utm_medium=paid_social",
        f"{clip.address}?utm_source=tiktok&utm_medium=paid_social&utm_campaign=till_in_30_seconds&utm_content=clip_a"
        f"&utm_id={clip.campaign.id}",
        f"{pin.address}?utm_source=pinterest&utm_medium=paid_social&utm_campaign=counters_shelves&utm_content=pin_a"
        f"&utm_id={pin.campaign.id}",
    ]
    clues = set(house.rows("select clue_value, campaign_key from intermediate.int_campaigns_named where clue = 'link'"))
    assert clues >= {
        ("founders dach", f"linkedin_ads:{post.campaign.id}"),
        ("till_in_30_seconds", f"tiktok_ads:{clip.campaign.id}"),
        ("counters_shelves", f"pinterest_ads:{pin.campaign.id}"),
    }

    claimed = {
        (platform, kind): (count, worth)
        for platform, kind, count, worth in house.rows(
            "select platform, conversion_type, sum(conversions), sum(value) from marts.fct_ad_conversions group by all"
        )
    }
    sold, worth, leads = (
        {name: sum(getattr(each, what) for each in days) for name, days in shown.items()}
        for what in ("sales", "sales_cents", "leads")
    )
    by_form = sum(each.leads for each in shown["linkedin_ads"] if each.day.day % 2)  # those of odd days
    on_site = leads["linkedin_ads"] - by_form
    wanted = {
        ("linkedin_ads", "rule 104001"): (on_site, Decimal(0)),
        ("linkedin_ads", "rule 104002"): (sold["linkedin_ads"], Decimal(worth["linkedin_ads"]) / 100),
        ("linkedin_ads", "oneClickLeads"): (by_form, None),
        ("linkedin_ads", "externalWebsitePostClickConversions"): (
            on_site + sold["linkedin_ads"],
            None,
        ),  # each fifth of an ad and day is after a view: none has so many
        ("tiktok_ads", "complete_payment"): (sold["tiktok_ads"], Decimal(worth["tiktok_ads"]) / 100),
        ("tiktok_ads", "form"): (leads["tiktok_ads"], None),
        ("pinterest_ads", "CHECKOUT"): (sold["pinterest_ads"], Decimal(worth["pinterest_ads"]) / 100),
        ("pinterest_ads", "LEAD"): (leads["pinterest_ads"], None),
    }
    assert claimed == {key: of for key, of in wanted.items() if of[0]}
    assert all(sold[name] and leads[name] for name in NETWORKS)
    assert by_form

    staged = [f"stg_{name}__ads" for name in NETWORKS]
    result = house.build("assert_spend_is_conserved", "fct_ad_conversions", *staged, command="test")
    assert {each.status for each in result.result} <= {"pass", "success"}
