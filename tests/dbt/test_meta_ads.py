"""Meta's rows in the marts: the company's own figures by campaign, placement and type of action, and where ads lead."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from dagster_project.sandbox import Sandbox, serve
from dagster_project.sandbox.company import networks
from dagster_project.sources import meta_ads as meta
from dagster_project.sources.meta_ads.settings import MetaSettings
from dagster_project.wire.contract import Tally, Window
from tests.support.house import House

WEEK = Window(date(2026, 9, 14), date(2026, 9, 21))
ADS = (
    "stg_meta__windows", "int_channel_rule_parts", "int_ads_daily", "int_ad_campaigns", "int_campaigns_named",
    "int_ads_classified", "int_exchange_rates_daily", "fct_ad_performance", "fct_ad_conversions",
)  # fmt: skip


@pytest.fixture
def sandbox(waits: list[float]) -> Iterator[Sandbox]:
    with serve(today="2026-10-01", vendors=["meta_ads"]) as running:
        yield running


def test_the_marts_have_what_the_company_spent_and_sold(sandbox: Sandbox, house: House) -> None:
    settings = MetaSettings.model_validate(sandbox.env)
    for stream in meta.STREAMS:
        pages = stream.read(settings, WEEK, Tally()) if stream.read else stream.sweep(settings, Tally())  # type: ignore[misc]
        house.put(stream.id, [row for page in pages for row in page.rows.to_pylist()])
    house.rules({"reporting": {"currency": "EUR"}, "exchange_rates": {"providers": []}})
    house.build(*ADS)

    shown = [
        each for each in networks.days_as_of(sandbox.company.seed, "social", sandbox.clock.now()) if each.day in WEEK
    ]
    by_campaign: dict[tuple[Any, ...], list[Any]] = defaultdict(lambda: [0] * 6)
    for each in shown:
        of = each.leads + each.sales, Decimal(each.sales_cents) / 100
        figures = each.impressions, each.clicks, Decimal(each.cost_cents) / 100, each.video_views, *of
        key = each.day, f"meta_ads:{each.ad.campaign.id}"
        by_campaign[key] = [before + figure for before, figure in zip(by_campaign[key], figures, strict=True)]
    measures = "impressions, clicks, cost, video_views, platform_conversions, platform_conversions_value"
    totals = ", ".join(f"sum({name})" for name in measures.split(", "))
    found = house.rows(f"select date_day, campaign_key, {totals} from marts.fct_ad_performance group by all")
    assert {row[:2]: list(row[2:]) for row in found} == by_campaign

    assert set(house.rows("select distinct source, medium, channel from marts.fct_ad_performance")) == {
        (source, "paid_social", "Paid Social") for source in ("facebook", "instagram", "threads.net")
    }
    ad = next(each for each in networks.ads_of("social") if each.name == "Reel A")
    assert house.rows(
        f"select distinct final_url from marts.fct_ad_performance where ad_id = '{ad.id}' and source = 'instagram'"
    ) == [
        (
            f"https://www.kontorra.example/rechnung/?utm_source=ig&utm_medium=paid_social&"
            f"utm_campaign=kasse_prospecting&utm_content=reel_a&utm_id={ad.campaign.id}",
        )
    ]
    links = house.rows("select clue_value, campaign_key from intermediate.int_campaigns_named where clue = 'link'")
    assert ("kasse_prospecting", f"meta_ads:{ad.campaign.id}") in links

    sold = house.rows(
        "select conversion_type, sum(conversions), sum(value) from marts.fct_ad_conversions "
        "where conversion_type in ('omni_purchase', 'lead') group by 1 order by 1"
    )
    assert sold == [
        ("lead", sum(each.leads for each in shown), None),
        ("omni_purchase", sum(each.sales for each in shown), Decimal(sum(each.sales_cents for each in shown)) / 100),
    ]
    result = house.build("assert_spend_is_conserved", "fct_ad_conversions", "stg_meta_ads__ads", command="test")
    assert {each.status for each in result.result} <= {"pass", "success"}


def test_names_with_signs_and_links_with_a_query(house: House) -> None:
    day = {
        "date_start": "2026-03-01", "publisher_platform": "messenger", "account_currency": "EUR", "campaign_id": "1",
        "campaign_name": "A & B", "adset_id": "2", "ad_id": "3", "impressions": 1, "clicks": 1,
        "inline_link_clicks": 1, "spend": Decimal(1), "video_views": 0,
    }  # fmt: skip
    ad = {
        "id": "3",
        "updated_time": "2026-02-01T00:00:00",
        "campaign_name": "A & B 50%",
        "link": "https://x.example/?a=1",
    }
    house.put("meta_ads/ad_performance", [day, {**day, "ad_id": "4"}])
    house.put(
        "meta_ads/ads", [{**ad, "url_tags": "utm_campaign={{campaign.name}}&p={{placement}}&s={{site_source_name}}"}]
    )
    house.build(*ADS)
    rows = house.rows("select ad_id, source, final_url from marts.fct_ad_performance order by 1")
    assert rows == [
        ("3", "facebook", "https://x.example/?a=1&utm_campaign=A+%26+B+50%25&p={{placement}}&s=msg"),
        ("4", "facebook", None),
    ]
    assert house.rows("select clue_value from intermediate.int_campaigns_named where clue = 'link'") == [("a & b 50%",)]
