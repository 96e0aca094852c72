"""Microsoft's, VK's and X's rows in the marts: the company's own figures by campaign and conversion, and where ads lead."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from dagster_project.sandbox import Sandbox, serve
from dagster_project.sandbox.company import networks
from dagster_project.sources import microsoft_ads, vk_ads, x_ads
from dagster_project.sources.x_ads.sandbox import short
from dagster_project.wire.contract import Tally, Window
from tests.support.house import House

WEEK = Window(date(2026, 8, 24), date(2026, 8, 31))
NETWORKS = {"microsoft_ads": "third_search", "vk_ads": "second_social", "x_ads": "microblog"}
ADS = (
    "stg_meta__windows", "int_channel_rule_parts", "int_ads_daily", "int_ad_campaigns", "int_campaigns_named",
    "int_ads_classified", "int_exchange_rates_daily", "fct_ad_performance", "fct_ad_conversions",
)  # fmt: skip


@pytest.fixture
def sandbox(waits: list[float]) -> Iterator[Sandbox]:
    with serve(today="2026-10-01", vendors=list(NETWORKS)) as running:
        yield running


def campaign_key(platform: str, campaign_id: str) -> str:
    return f"{platform}:{short(campaign_id) if platform == 'x_ads' else campaign_id}"


def test_the_marts_have_what_the_company_spent_and_sold(sandbox: Sandbox, house: House) -> None:
    for source in (microsoft_ads.SOURCE, vk_ads.SOURCE, x_ads.SOURCE):
        settings = source.settings.model_validate(sandbox.env)
        for stream in source.streams:
            house.put(
                stream.id, [row for page in stream.read(settings, WEEK, Tally()) for row in page.rows.to_pylist()]
            )  # type: ignore[misc]
    house.rules({"reporting": {"currency": "EUR"}, "exchange_rates": {"providers": []}})
    house.build(*ADS)

    now = sandbox.clock.now()
    shown = {
        platform: [each for each in networks.days_as_of(sandbox.company.seed, network, now) if each.day in WEEK]
        for platform, network in NETWORKS.items()
    }
    by_campaign: dict[tuple[Any, ...], list[Any]] = defaultdict(lambda: [0] * 6)
    for platform, days in shown.items():
        for each in days:
            of = each.leads + each.sales, Decimal(each.sales_cents) / 100
            figures = each.impressions, each.clicks, Decimal(each.cost_cents) / 100, each.video_views, *of
            key = each.day, campaign_key(platform, each.ad.campaign.id)
            by_campaign[key] = [before + figure for before, figure in zip(by_campaign[key], figures, strict=True)]
    measures = "impressions, clicks, cost, video_views, platform_conversions, platform_conversions_value"
    totals = ", ".join(f"sum({name})" for name in measures.split(", "))
    found = house.rows(f"select date_day, campaign_key, {totals} from marts.fct_ad_performance group by all")
    assert {row[:2]: list(row[2:]) for row in found} == by_campaign

    everything = networks.ads_of("third_search")[-1].campaign
    assert set(
        house.rows(
            f"select distinct platform, source, medium, channel, campaign_key = 'microsoft_ads:{everything.id}', "
            "ad_id = '(unallocated)' from marts.fct_ad_performance"
        )
    ) == {
        ("microsoft_ads", "bing", "cpc", "Paid Search", False, False),
        # what has no ads is in the campaign's total alone
        ("microsoft_ads", "bing", "cpc", "Cross-network", True, True),
        ("vk_ads", "vk.com", "paid_social", "Paid Social", False, False),
        ("x_ads", "twitter", "paid_social", "Paid Social", False, False),
    }
    links = set(house.rows("select clue_value, campaign_key from intermediate.int_campaigns_named where clue = 'link'"))
    first = {platform: networks.ads_of(network)[0].campaign for platform, network in NETWORKS.items()}
    ended = networks.ads_of("second_social")[-1]
    assert {
        ("brand_uk", campaign_key("microsoft_ads", first["microsoft_ads"].id)),
        ("kasse_feed", campaign_key("vk_ads", first["vk_ads"].id)),
        (ended.group_id, campaign_key("vk_ads", ended.campaign.id)),  # VK's own tags name the group
        ("launch_uk", campaign_key("x_ads", first["x_ads"].id)),
    } <= links

    leads = {
        platform: sum(each.leads for each in days if each.ad.campaign != everything) for platform, days in shown.items()
    }
    sales = {
        platform: sum(each.sales for each in days if each.ad.campaign != everything) for platform, days in shown.items()
    }
    assert all(sales.values())

    def worth(platform: str) -> Decimal:
        return sales[platform] * Decimal(networks.SALE_CENTS) / 100

    sold = house.rows(
        "select platform, split_part(conversion_type, ' post', 1), sum(conversions), sum(value) from marts.fct_ad_conversions "
        "where conversion_type <> 'site_visits' group by 1, 2 order by 1, 2"
    )
    assert sold == [
        ("microsoft_ads", "Demo request", leads["microsoft_ads"], None),
        ("microsoft_ads", "Purchase", sales["microsoft_ads"], worth("microsoft_ads")),
        ("vk_ads", "lead", leads["vk_ads"], None),
        ("vk_ads", "order", sales["vk_ads"], worth("vk_ads")),
        ("x_ads", "purchases", sales["x_ads"], worth("x_ads")),
        ("x_ads", "sign_ups", leads["x_ads"], None),
    ]
    result = house.build("assert_spend_is_conserved", "fct_ad_conversions", command="test")
    assert {each.status for each in result.result} <= {"pass", "success"}
