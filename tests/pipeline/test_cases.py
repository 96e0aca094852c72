"""The small inputs of shared/cases from their files to the published tables: what a reader sees is the right value."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from tests.support.installation import Installation

# each home: the cases that it reads, and the rules beside their mappings
HOMES: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "files": (
        (
            "01_google_ads_ui_dashes", "02_shopify_line_items", "03_narrow_nbsp", "04_pandas_float_ids", "06_campaign_renamed",
            "07_excel_serial", "08_preamble_varies", "09_meta_summary_row", "11_bom_and_encoding", "12_hubspot_export_multi",
            "13_month_names", "14b_zip_two", "15_parquet_clickhouse", "16_bq_parquet_list_element", "17_yandex_direct_report",
            "22_backslash_quotes", "23_dates_as_programs_write", "24_dup_headers", "25_failed_payments", "26_several_in_a_cell",
            "28_range_rows", "29_lone_surrogate", "30_parquet_not_utf8", "32_spaces_in_header", "incomplete_rows",
            "models_02_orders", "models_10_costs",
        ),
        {"revenue_truth": "files", "channels": {"own": ["Webinar", "Podcast"]}},
    ),
    "sessions": (
        ("models_01_web", "models_17_schemeless", "models_20_more"),
        {"web": {"own_domains": ["shop.example"]}, "reporting": {"time_zone": "Asia/Kolkata"}},
    ),
}  # fmt: skip
# what a user adds to the entry of a case, where the right value needs a setting
ADDED: dict[tuple[str, str], dict[str, Any]] = {
    ("07_excel_serial", "leads"): {"date_format": ["excel", "iso"]},
    ("13_month_names", "leads"): {"language": ["ru", "de", "fr", "en"]},
    ("17_yandex_direct_report", "ad_cost"): {"unit": {"cost": "micros"}},
    ("22_backslash_quotes", "ad_cost"): {"escapes": "backslash"},
    ("23_dates_as_programs_write", "leads"): {"date_format": ["iso", "epoch", "rfc2822", "javascript", "%Y-%m-%d %H:%M:%S %Z"]},
    ("24_dup_headers", "leads"): {"columns": {"lead_id": "Record ID", "created_at": 3, "email": "Email"}},
    ("25_failed_payments", "orders"): {"where": {"Status": ["paid"]}},
    ("28_range_rows", "ad_cost"): {
        "columns": {
            "date": "Reporting starts", "end_date": "Reporting ends", "campaign_name": "Campaign name", "cost": "Amount spent (EUR)",
        }
    },
    ("30_parquet_not_utf8", "leads"): {"encoding": "cp1251"},
}  # fmt: skip

Ask = Callable[..., list[tuple[Any, ...]]]


class Case(Installation):
    """An installation without vendors: nothing but the mappings of some cases."""

    def __init__(self, folder: Path, config: Path) -> None:
        folder.mkdir()
        super().__init__(folder, None)  # type: ignore[arg-type]
        self.config = config

    @property
    def variables(self) -> dict[str, str]:
        return {
            "FUNNELHOUSE_TODAY": "2026-10-01",
            "FUNNELHOUSE_HOME": str(self.home),
            "FUNNELHOUSE_RAW": str(self.home / "raw"),
            "FUNNELHOUSE_CONFIG": str(self.config),
            "FUNNELHOUSE_HASH_KEY": "k" * 32,
            "DBT_TARGET_PATH": str(self.dbt_target),
            "DBT_EXCLUDE_RESOURCE_TYPES": "test unit_test",
        }


@pytest.fixture(scope="module")
def homes(shared_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Ask]:
    """`homes("orders")("select …")`: asks what that home has published, which is loaded when it is first asked."""
    cases = shared_dir / "cases"
    if not cases.is_dir():
        pytest.skip("no cases in the folder shared/")
    opened: dict[str, Ask] = {}

    def home(name: str) -> Ask:
        if name not in opened:
            folder = tmp_path_factory.mktemp(name)
            shutil.copytree(cases, folder / "cases")
            case = Case(folder / "installation", _rules(folder, name))
            case.ensure_manifest()
            published = case.quick("refresh")
            connection = duckdb.connect(str(published / "funnelhouse.duckdb"), read_only=True)
            opened[name] = lambda sql, *values: connection.execute(sql, list(values)).fetchall()
        return opened[name]

    return home


def _rules(folder: Path, name: str) -> Path:
    """One funnelhouse.yml of all cases of a home; an entry is called as its case, the second and later ones with its own name."""
    cases, more = HOMES[name]
    rules: dict[str, Any] = {"exchange_rates": {"providers": []}, "files": []}
    for case in cases:
        own = yaml.safe_load((folder / "cases" / case / "funnelhouse.yml").read_text(encoding="utf-8"))
        names = {entry["name"] for entry in own["files"]}
        for entry in own["files"]:
            called = case if len(names) == 1 else f"{case}.{entry['name']}"
            place = {"name": called, "path": f"cases/{case}/{entry['path']}"}
            rules["files"].append({**entry, **place, **ADDED.get((case, entry["stream"]), {})})
        rules["exchange_rates"] = own.get("exchange_rates", rules["exchange_rates"])
        rules["channels"] = own.get("channels", {}) | rules.get("channels", {})
    for key, value in more.items():
        rules[key] = {**rules.get(key, {}), **value} if isinstance(value, dict) else value
    path = folder / "funnelhouse.yml"
    path.write_text(yaml.safe_dump(rules, allow_unicode=True), encoding="utf-8")
    return path


def test_every_case_is_read(shared_dir: Path) -> None:
    read = {case for cases, _ in HOMES.values() for case in cases}
    assert read == {folder.name for folder in (shared_dir / "cases").iterdir() if folder.is_dir()}


def test_costs_of_ads(homes: Callable[[str], Ask]) -> None:
    rows = homes("files")(
        "select account_id, sum(cost_native)::double, count(distinct campaign_id)::int, count(distinct date_day)::int "
        "from marts.fct_ad_performance group by account_id"
    )
    assert {account: tuple(found) for account, *found in rows} == {
        "01_google_ads_ui_dashes": (1264.5, 2, 2),
        "06_campaign_renamed": (31.5, 1, 3),  # one campaign under two names
        "08_preamble_varies": (26.5, 1, 2),
        "09_meta_summary_row": (42.5, 2, 1),
        "15_parquet_clickhouse": (12.75, 2, 2),
        "17_yandex_direct_report": (215.5, 2, 2),  # 125,500,000 and 90,000,000 micros
        "22_backslash_quotes": (21.0, 1, 2),  # campaigns by name only: no id
        "28_range_rows": (3000.0, 1, 30),
    }
    assert homes("files")("select count(*) from marts.dim_campaign where campaign_name = 'Sale \"Autumn\" EU'") == [
        (1,)
    ]
    names = homes("files")(
        "select campaign_name from marts.dim_campaign where campaign_id = '111' and platform = 'google_ads'"
    )
    assert ("Brand - EU",) in names


def test_other_costs(homes: Callable[[str], Ask]) -> None:
    rows = homes("files")(
        "select cost_type, sum(amount)::double from marts.fct_costs where cost_type <> 'media' group by 1 order by 1"
    )
    assert rows == [("agency", 3100.0), ("overhead", 62.0), ("technology", 620.0)]


LEADS = {
    "03_narrow_nbsp": ["2026-09-14 15:05:00", "2026-09-14 15:06:00", "2026-09-15 08:00:00"],
    "04_pandas_float_ids": ["2026-09-01", "2026-09-02"],
    "07_excel_serial": ["2024-10-16", "2024-10-16", "2024-10-16 12:00:00"],
    "11_bom_and_encoding": ["2026-09-01 14:05:00"],
    "12_hubspot_export_multi": ["2026-09-01 14:05:00", "2026-09-01 15:05:00"],
    "13_month_names": ["2026-03-14", "2026-08-14", "2026-09-14", "2026-09-14", "2026-09-14"],
    "14b_zip_two": ["2026-09-01", "2026-09-01"],
    "23_dates_as_programs_write": [
        "2025-09-01 10:00:00.25", "2026-09-01 08:00:00", "2026-09-01 08:00:00", "2026-09-01 10:00:00", "2026-09-01 10:00:00",
        "2026-09-01 10:00:00", "2026-09-01 10:00:00.123456", "2026-09-01 17:00:00",
    ],
    "24_dup_headers": ["2026-09-01"],
    "26_several_in_a_cell": ["2026-09-01"],  # six rows of one person
    "29_lone_surrogate": ["2026-09-01", "2026-09-02"],
    "30_parquet_not_utf8": ["2026-09-01", "2026-09-02"],
    "32_spaces_in_header": ["2026-09-01"],
    "incomplete_rows": ["2026-01-05", "2026-01-06", "2026-01-07", "2026-01-08"],
}  # fmt: skip


def test_leads_and_their_moments(homes: Callable[[str], Ask]) -> None:
    rows = homes("files")(
        "select split_part(split_part(lead_id, ':', 2), '.', 1) as case_name, list(if(lead_at_is_day, lead_at::date::varchar, "
        "(lead_at at time zone 'UTC')::varchar) order by lead_at, lead_at_is_day desc) from marts.fct_leads group by 1"
    )
    assert dict(rows) == LEADS
    assert homes("files")("select source from marts.fct_leads where lead_id = 'files:30_parquet_not_utf8:1'") == [
        ("яндекс",)
    ]


def test_channels_of_leads_are_those_that_were_declared(homes: Callable[[str], Ask]) -> None:
    rows = homes("files")(
        "select crm_record_id, channel from marts.fct_leads where lead_id like 'files:incomplete_rows:%' order by 1"
    )
    assert rows == [("1", "Webinar"), ("2", "Offline"), ("3", "Affiliates"), ("4", "Podcast")]


def test_orders_and_refunds(homes: Callable[[str], Ask]) -> None:
    rows = homes("files")(
        "select replace(order_id, 'files:', ''), amount_native::double, replace(refund_of_order_id, 'files:', '') from marts.fct_orders"
    )
    amounts = {name: amount for name, amount, refunded in rows if refunded is None}
    assert amounts == {
        "02_shopify_line_items:#1001": 59.5, "02_shopify_line_items:#1002": 11.9, "03_narrow_nbsp.shop:1": 1234.5,
        "04_pandas_float_ids:1": 100, "25_failed_payments:ch_1": 100, "25_failed_payments:ch_3": 100,
        "incomplete_rows:1001": 100, "incomplete_rows:1002": 50, "incomplete_rows:1003": 70, "incomplete_rows:1004": 70,
        "models_02_orders.shop:#1001": 120, "models_02_orders.shop:#1002": 50, "models_02_orders.woo:500": 50,
        "models_02_orders.woo:510": 26400, "models_02_orders.woo:520": 100, "models_02_orders.woo:530": 0,
        "models_02_orders.woo:540": None, "models_02_orders.sameid:9001": 100, "models_02_orders.sameid:9002": 20,
    }  # fmt: skip
    refunds: dict[str, float] = {}
    for _, amount, refunded in rows:
        if refunded is not None:
            refunds[refunded] = refunds.get(refunded, 0) + amount
    assert refunds == {
        "models_02_orders.woo:500": -50,
        "models_02_orders.woo:520": -100,
        "models_02_orders.sameid:9001": -100,
    }


def test_buyers_are_those_who_are_known(homes: Callable[[str], Ask]) -> None:
    ask = homes("files")
    [(known, unknown)] = ask(
        "select count(distinct customer_id), count(*) filter (customer_id is null) from marts.fct_orders where order_id like 'files:incomplete_rows:%'"
    )
    assert (known, unknown) == (1, 2)  # two orders of one address, two of nobody
    assert ask("select lead_id from marts.fct_orders where order_id = 'files:04_pandas_float_ids:1'") == [
        ("files:04_pandas_float_ids:101",)
    ]
    [(quality,)] = ask(
        "select quality from kpi.fct_kpi_monthly where kpi_id = 'new_customers' and dimension = 'total' and period_start = '2026-01-01'"
    )
    assert "unidentified" in quality


def test_deals_count_when_they_closed(homes: Callable[[str], Ask]) -> None:
    ask = homes("files")
    rows = ask(
        "select crm_deal_id, closed_date, sales_cycle_days from marts.fct_opportunities where deal_id like 'files:incomplete_rows:%' order by 1"
    )
    # of a customer's first deal the cycle begins with the lead, 5 January: 55 whole days
    assert rows == [("d1", date(2026, 3, 1), 55.0), ("d2", None, None)]
    assert ask("select finding, amount::double from marts.audit_deals where deal_id = 'files:incomplete_rows:d2'") == [
        ("undated", 500.0)
    ]
    won = ask(
        "select period_start from kpi.fct_kpi_monthly where kpi_id = 'win_rate' and dimension = 'total' and numerator > 0 order by 1"
    )
    assert won == [(date(2026, 3, 1),), (date(2026, 9, 1),)]  # d1; the two of the export with several contacts
    [(quality,)] = ask(
        "select quality from kpi.fct_kpi_monthly where kpi_id = 'win_rate' and dimension = 'total' and period_start = '2026-03-01'"
    )
    assert "undated" in quality
    reached = ask(
        "select distinct lead_id from marts.fct_lead_stages where stage = 'won' and lead_id like 'files:12%' order by 1"
    )
    assert reached == [("files:12_hubspot_export_multi:501",), ("files:12_hubspot_export_multi:502",)]


def test_the_export_is_read_whatever_way_its_lists_are_written(homes: Callable[[str], Ask]) -> None:
    rows = homes("files")(
        "select date_day, sessions from marts.fct_web_traffic where account_id = '16_bq_parquet_list_element'"
    )
    assert rows == [(date(2026, 9, 1), 1)]


CHANNELS = {
    "macro_gclid": "Referral", "macro_gclid2": "Email", "undefined_gclid": "Referral", "null_gclid": "Referral",
    "ref_noscheme": "Organic Search", "ref_noscheme_path": "Organic Social", "ref_android_linkedin": "Organic Social",
    "greenpeace_038": "Referral", "stripe_link": "Direct", "plausible_search": "Organic Search", "umami_domain": "Organic Search",
    "posthog_domain": "Organic Social", "partner": "Referral", "ga4_full_page_self": "Direct", "bank": "Direct",
    "com_linkedin": "Organic Social", "com_facebook": "Organic Social", "twitter": "Organic Social", "pinterest": "Organic Social",
}  # fmt: skip


def test_channels_of_visits(homes: Callable[[str], Ask]) -> None:
    rows = homes("sessions")(
        "select split_part(touch_id, '.', -1), channel, landing_page from marts.fct_touchpoints where touch_kind = 'session'"
    )
    assert {name: channel for name, channel, _ in rows if name in CHANNELS} == CHANNELS
    assert {
        page for name, _, page in rows if name in ("plausible_search", "ga4_full_page_url", "protocol_relative")
    } == {"/pricing"}


def test_tags_in_a_leads_landing_page(homes: Callable[[str], Ask]) -> None:
    rows = homes("sessions")("select crm_record_id, channel, campaign from marts.fct_leads order by 1")
    assert rows == [("L1", "Paid Search", "spring"), ("L2", "Paid Search", "(not set)")]
