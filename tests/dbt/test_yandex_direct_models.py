"""Direct's rows in the marts: the company's own figures by campaign and goal, where ads lead, campaigns without ads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from dagster_project.sandbox import Sandbox, serve
from dagster_project.sandbox.company import networks
from dagster_project.sources import yandex_direct as direct
from dagster_project.sources.yandex_direct.settings import DirectRules, DirectSettings
from dagster_project.wire.contract import Tally, Window
from tests.support.house import House

WEEK = Window(date(2026, 9, 14), date(2026, 9, 21))
ADS = (
    "stg_meta__windows", "int_channel_rule_parts", "int_ads_daily", "int_ad_campaigns", "int_campaigns_named",
    "int_ads_classified", "int_exchange_rates_daily", "fct_ad_performance", "fct_ad_conversions",
)  # fmt: skip


@pytest.fixture
def sandbox(waits: list[float]) -> Iterator[Sandbox]:
    with serve(today="2026-10-01", vendors=["yandex_direct"]) as running:
        yield running


def test_the_marts_have_what_the_company_spent_and_sold(sandbox: Sandbox, house: House) -> None:
    settings = DirectSettings.model_validate({**sandbox.env, "rules": DirectRules(goals=("20002", "20003"))})
    wizard = {  # a campaign that shows no ads stands beside them
        "date": WEEK.start, "campaign_id": "77", "campaign_name": "Wizard", "campaign_type": "CPM_BANNER_CAMPAIGN",
        "ad_group_id": "--", "ad_id": "--", "ad_network_type": "AD_NETWORK", "impressions": 10, "clicks": 1,
        "cost": Decimal("0.5"), "conversions": Decimal(0), "currency": "EUR", "include_vat": "NO", "account_id": "other",
    }  # fmt: skip
    for stream in direct.STREAMS:
        pages = stream.read(settings, WEEK, Tally()) if stream.read else stream.sweep(settings, Tally())  # type: ignore[misc]
        more = [wizard] if stream.name == "ad_performance" else []
        house.put(stream.id, [*more, *(row for page in pages for row in page.rows.to_pylist())])
    house.rules({"reporting": {"currency": "EUR"}, "exchange_rates": {"providers": []}})
    house.build(*ADS)

    shown = [
        each
        for each in networks.days_as_of(sandbox.company.seed, "second_search", sandbox.clock.now())
        if each.day in WEEK
    ]
    by_campaign: dict[tuple[Any, ...], list[Any]] = defaultdict(lambda: [0] * 5)
    for each in shown:
        figures = (
            each.impressions, each.clicks, Decimal(each.cost_cents) / 100, each.leads + each.sales,
            Decimal(each.sales_cents) / 100,
        )  # fmt: skip
        key = each.day, f"yandex_direct:{each.ad.campaign.id}"
        by_campaign[key] = [before + figure for before, figure in zip(by_campaign[key], figures, strict=True)]
    measures = "impressions, clicks, cost, platform_conversions, platform_conversions_value"
    totals = ", ".join(f"coalesce(sum({name}), 0)" for name in measures.split(", "))
    found = house.rows(
        f"select date_day, campaign_key, {totals} from marts.fct_ad_performance where account_id <> 'other' group by all"
    )
    assert {row[:2]: list(row[2:]) for row in found} == by_campaign

    assert set(
        house.rows("select campaign_key, source, medium, channel, ad_id = '(not set)' from marts.fct_ad_performance")
    ) == {
        ("yandex_direct:77", "yandex", "cpc", "Display", True),
        (f"yandex_direct:{networks.ads_of('second_search')[0].campaign.id}", "yandex", "cpc", "Paid Search", False),
        (f"yandex_direct:{networks.ads_of('second_search')[1].campaign.id}", "yandex", "cpc", "Cross-network", False),
    }
    brand, generic, _ = networks.ads_of("second_search")
    links = "select distinct final_url from intermediate.int_ads_daily where ad_id = '{}' order by 1"
    kasse = "https://www.kontorra.example/kasse/?utm_source=yandex&utm_medium=cpc"
    assert house.rows(links.format(brand.id)) == [
        (f"{kasse}&utm_campaign=marke_de&utm_content=brand_a&utm_term=context#top",),
        (f"{kasse}&utm_campaign=marke_de&utm_content=brand_a&utm_term=search#top",),
    ]
    assert house.rows(links.format(generic.id)) == [(f"{kasse}&utm_campaign={generic.campaign.id}#top",)]
    clues = house.rows("select clue_value, campaign_key from intermediate.int_campaigns_named where clue = 'link'")
    assert ("marke_de", f"yandex_direct:{brand.campaign.id}") in clues

    sold = house.rows(
        "select conversion_type, sum(conversions), sum(value) from marts.fct_ad_conversions group by 1 order by 1"
    )
    assert sold == [
        ("goal 20002", sum(each.leads for each in shown), None),
        ("goal 20003", sum(each.sales for each in shown), Decimal(sum(each.sales_cents for each in shown)) / 100),
    ]
    result = house.build("assert_spend_is_conserved", "fct_ad_conversions", "stg_yandex_direct__ads", command="test")
    assert {each.status for each in result.result} <= {"pass", "success"}
