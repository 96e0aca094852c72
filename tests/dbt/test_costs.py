"""Spend, ledger and rates: amounts are conserved, converted by dated rates, and missing rates are said, never 1.0."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from tests.support.house import House

ADS = (
    "stg_meta__windows", "int_channel_rule_parts", "int_ads_daily", "int_ad_campaigns", "int_campaigns_named",
    "int_ads_classified", "int_exchange_rates_daily", "fct_ad_performance", "int_cost_lines", "int_cost_lines_spread",
    "fct_costs", "dim_channel", "dim_campaign",
)  # fmt: skip


def campaign(day: str, id_: str, cost: float, **more: Any) -> dict[str, Any]:
    return {
        "date": day, "campaign_id": id_, "campaign_name": f"Campaign {id_}", "customer_currency_code": "EUR",
        "campaign_advertising_channel_type": "SEARCH", "impressions": 10, "clicks": 1, "cost_micros": int(cost * 1e6),
        "conversions": 0.5, "conversions_value": 3.0,
    } | more  # fmt: skip


def rate(day: str, currency: str, value: float) -> dict[str, Any]:
    return {"date": day, "provider": "ecb", "base_currency": "EUR", "currency": currency, "rate": value}


def file_cost(day: str, **more: Any) -> dict[str, Any]:
    return {"date": day, "platform": "Facebook", "cost": Decimal("1"), "currency_code": "eur"} | more


def test_cost_is_converted_at_the_rate_of_its_day(house: House) -> None:
    """100 USD on a Saturday: Friday's fixing of 1.25 dollars to the euro makes it 80 euros."""
    house.put("fx/rates", [rate("2026-03-06", "USD", 1.25), rate("2026-03-09", "USD", 2.0)])
    house.put(
        "google_ads/campaign_performance",
        [campaign("2026-03-07", "1", 100, customer_currency_code="USD"),
         campaign("2026-03-09", "1", 100, customer_currency_code="USD"),
         campaign("2026-03-09", "2", 30)],
    )  # fmt: skip
    house.build(*ADS)
    query = "select date_day, campaign_key, cost::double, platform_conversions_value::double, is_rate_missing from {} order by 1, 2"
    assert house.rows(query.format("marts.fct_ad_performance")) == [
        (date(2026, 3, 7), "google_ads:1", 80.0, 2.4, False),
        (date(2026, 3, 9), "google_ads:1", 50.0, 1.5, False),
        (date(2026, 3, 9), "google_ads:2", 30.0, 3.0, False),
    ]
    assert house.rows("select cost_type, motion, sum(amount)::double from marts.fct_costs group by all") == [
        ("media", "outbound", 160.0)
    ]


def test_a_missing_rate_is_a_null_and_a_warning(house: House) -> None:
    """The last fixing is 15 days old: no amount, no 1.0, and the other currency stands."""
    house.put("fx/rates", [rate("2026-03-01", "USD", 1.25)])
    house.put(
        "google_ads/campaign_performance",
        [campaign("2026-03-15", "1", 100, customer_currency_code="USD"),
         campaign("2026-03-16", "1", 100, customer_currency_code="USD"),
         campaign("2026-03-16", "2", 7)],
    )  # fmt: skip
    house.build(*ADS)
    assert house.rows(
        "select date_day, amount::double, is_rate_missing from marts.fct_costs order by 1, amount_native"
    ) == [
        (date(2026, 3, 15), 80.0, False),
        (date(2026, 3, 16), 7.0, False),
        (date(2026, 3, 16), None, True),
    ]
    result = house.build("assert_every_cost_has_a_rate", command="test")
    assert [r.status for r in result.result if r.node.resource_type == "test"] == ["warn"]


def test_files_and_campaigns_keep_every_cent(house: House) -> None:
    house.rules({"exchange_rates": {"providers": ["file"]}, "platform_motions": {"meta_ads": "inbound"}})
    house.put(
        "files/ad_cost",
        [
            file_cost("2026-03-01", campaign_name="Spring", clicks=3),
            file_cost("2026-03-01", campaign_name="Spring", _copy=2, _line=2),
            file_cost("2026-03-01", campaign_name="spring ", _line=3),
            file_cost("2026-03-01", platform="Kiosk Posters", cost=Decimal("9.99"), _line=4),
            file_cost("2026-03-01", platform="vk", campaign_id="8", channel_type="Display", _line=5),
            file_cost("2026-03-01", platform="google ads", source="Google", medium="cpm", _line=6),
        ],
    )
    house.build(*ADS)
    assert sorted(
        house.rows(
            "select platform, campaign_key, channel, source, medium, cost::double, clicks from marts.fct_ad_performance"
        )
    ) == [
        ("google_ads", "google_ads:(not set)", "Paid Search", "google", "cpm", 1.0, 0),
        ("kiosk_posters", "kiosk_posters:(not set)", "Paid Other", "kiosk_posters", "cpc", 9.99, 0),
        ("meta_ads", "meta_ads:spring", "Paid Social", "facebook", "paid_social", 3.0, 3),
        ("vk_ads", "vk_ads:8", "Display", "vk.com", "paid_social", 1.0, 0),
    ]
    assert dict(house.rows("select motion, sum(amount)::double from marts.fct_costs group by 1")) == {
        "inbound": 3.0,
        "outbound": 11.99,
    }
    result = house.build("assert_spend_is_conserved", "assert_all_ad_spend_is_in_costs", command="test")
    assert all(r.status in ("pass", "success") for r in result.result)


def test_lost_spend_is_noticed(house: House) -> None:
    """The test of conservation can fail: an ad row is taken out of the mart behind its back."""
    house.put("google_ads/campaign_performance", [campaign("2026-03-01", "1", 5), campaign("2026-03-01", "2", 6)])
    house.build(*ADS)
    with house.connection(read_only=False) as connection:
        connection.execute("delete from marts.fct_ad_performance where campaign_id = '2'")
    result = house.build("assert_spend_is_conserved", "assert_all_ad_spend_is_in_costs", command="test", check=False)
    assert {r.node.name: r.status for r in result.result if r.node.resource_type == "test"} == {
        "assert_spend_is_conserved": "fail",
        "assert_all_ad_spend_is_in_costs": "fail",
    }


def test_a_renamed_campaign_is_one_campaign(house: House) -> None:
    house.put(
        "google_ads/campaign_performance",
        [campaign("2026-03-01", "1", 5, campaign_name="Old"), campaign("2026-03-02", "1", 5, campaign_name="New")],
    )
    house.build(*ADS)
    query = "select campaign_key, campaign_name, channel_type from marts.dim_campaign where platform = 'google_ads'"
    assert house.rows(query) == [("google_ads:1", "New", "SEARCH")]
    assert house.rows("select distinct campaign_key from marts.fct_costs") == [("google_ads:1",)]


def test_ledger_lines_reach_channels_and_campaigns(house: House) -> None:
    line = {"start": "2026-03-01", "end": "2026-03-02", "currency": "EUR", "cost_type": "labour", "motion": "inbound"}
    house.rules(
        {"channels": {"own": ["Trade Fair"]}, "ledger": [
            line | {"id": "seo", "amount": 10, "channel": "organic search", "acquisition_share": 0.5},
            line | {"id": "fair", "amount": 4, "channel": "Trade Fair", "cost_type": "distribution"},
            line | {"id": "design", "amount": 6, "campaign": "campaign 1"},
        ]}
    )  # fmt: skip
    house.put("google_ads/campaign_performance", [campaign("2026-03-01", "1", 5)])
    house.put(
        "files/other_costs",
        [{"start_date": "2026-03-01", "end_date": "2026-03-01", "amount": Decimal("3"), "currency_code": "EUR",
          "cost_type": "agency"}],
    )  # fmt: skip
    house.build(*ADS)
    assert sorted(
        house.rows(
            "select line_id, channel, campaign_key, motion, sum(amount)::double, sum(acquisition_amount)::double "
            "from marts.fct_costs where origin = 'ledger' group by all"
        )
    ) == [
        ("design", "Paid Search", "google_ads:1", "inbound", 6.0, 6.0),
        ("fair", "Trade Fair", "(not set)", "inbound", 4.0, 4.0),
        ("seo", "Organic Search", "(not set)", "inbound", 10.0, 5.0),
        ("test.csv:1", "(not set)", "(not set)", "inbound", 3.0, 3.0),
    ]
    assert house.rows("select channel_order from marts.dim_channel where channel = 'Trade Fair'") == [(50,)]
    # labour, agency and distribution are no media cost
    assert house.rows("select channel from marts.dim_channel where has_media_cost") == [("Paid Search",)]


def test_currencies_of_no_provider_are_chained(house: House) -> None:
    """A file has rials to the dollar, the ECB dollars to the euro: 1,000,000 rials at 500,000 to a dollar of 0.5 euros."""
    house.rules({"exchange_rates": {"providers": ["ecb", "file"]}})
    house.put("fx/rates", [rate("2026-03-01", "USD", 2.0)])
    house.put(
        "files/exchange_rates", [{"date": "2026-03-01", "base_currency": "USD", "currency": "IRR", "rate": 500000.0}]
    )
    house.put(
        "files/ad_cost", [file_cost("2026-03-02", platform="aparat", currency_code="IRR", cost=Decimal("1000000"))]
    )
    house.build(*ADS)
    assert house.rows("select cost::double from marts.fct_ad_performance") == [(1.0,)]
