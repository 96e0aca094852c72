"""The catalogue: what it must hold, and that wrong definitions are told."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dagster_project import kpis

SHIPPED = {
    "sessions", "unique_visitors", "organic_sessions", "engagement_rate", "social_traffic_share", "mobile_traffic_share", "leads",
    "mqls", "sals", "sqls", "opportunities", "stage_conversion_rate", "lead_to_customer_rate", "win_rate", "sales_cycle_days",
    "revenue", "new_customers", "aov", "marketing_spend", "marketing_spend_loaded", "cpl", "cpl_loaded", "cac_media", "cac_loaded",
    "roas", "roi_revenue", "romi", "mer", "drr", "cpmql", "cpsql", "cost_per_opportunity", "revenue_per_customer",
    "impressions", "clicks", "ctr", "cpc", "cpm", "platform_cpa", "platform_roas",
    "purchase_frequency", "repeat_purchase_rate",
    "cac_payback_months", "ltv_historic", "ltv_cac_ratio", "cohort_romi", "retention_rate", "churn_rate", "gross_revenue_retention", "net_revenue_retention",
    "email_delivery_rate", "email_open_rate", "email_click_rate", "email_unsubscribe_rate",
    "nps", "awareness_unaided", "awareness_aided", "loyalty_index",
    "followers", "follower_growth_rate", "search_clicks", "search_impressions", "search_position", "branded_search_share",
    "pipeline_value", "pipeline_velocity", "sales_cycle_mean_days", "landing_page_conversion_rate", "romi_loaded",
}  # fmt: skip


def test_the_catalogue_holds_what_is_shipped(manifest: Path) -> None:
    assert set(kpis.load_catalogue(manifest).kpis) >= SHIPPED


def test_the_catalogue_agrees_with_the_reference(manifest: Path, shared_dir: Path) -> None:
    units = {"rate": "%", "percent": "%", "multiple": "x"}
    catalogue = kpis.load_catalogue(manifest)
    with (shared_dir / "reference/kpi_catalogue.csv").open() as file:
        expected = {row["id"]: row for row in csv.DictReader(file)}
    # the accrual view of a KPI is as the KPI: the reference has one row for both
    seen_twice = {
        "romi_accrual": {**expected["romi"], "tier": "extended"},
        "cac_media_accrual": {**expected["cac_media"], "tier": "extended"},
        "sales_cycle_mean_days": {**expected["sales_cycle_days"], "tier": "extended"},
    }
    expected |= seen_twice
    # the reference has one row for both of them
    expected |= dict.fromkeys(("gross_revenue_retention", "net_revenue_retention"), expected["revenue_retention"])
    # what every ad platform and every mailer shows is in no catalogue of the reference: its direction is common knowledge
    for kpi_id, unit, direction in [
        ("impressions", "count", "higher"), ("clicks", "count", "higher"), ("ctr", "%", "higher"), ("cpc", "money", "lower"),
        ("cpm", "money", "lower"), ("platform_cpa", "money", "lower"), ("platform_roas", "x", "higher"),
        ("email_delivery_rate", "%", "higher"), ("email_open_rate", "%", "higher"), ("email_click_rate", "%", "higher"),
        ("email_unsubscribe_rate", "%", "lower"), ("search_clicks", "count", "higher"), ("search_impressions", "count", "higher"),
        ("search_position", "position", "lower"), ("branded_search_share", "%", "context"),
    ]:  # fmt: skip
        timing = "lagging" if kpi_id == "platform_roas" else "leading"
        expected[kpi_id] = {
            "direction": direction,
            "leading_lagging": timing,
            "tier": "extended",
            "unit": unit,
            "owner": "marketing",
        }
    for kpi_id, kpi in catalogue.kpis.items():
        row = expected[kpi_id]
        assert kpi.direction == row["direction"], kpi_id
        assert kpi.timing == row["leading_lagging"], kpi_id
        assert kpi.tier == row["tier"], kpi_id
        assert units.get(kpi.unit, kpi.unit) == row["unit"], kpi_id
        if "(" not in row["owner"]:
            assert kpi.owner == row["owner"].replace("+", " and "), kpi_id


def test_the_headline_board_is_short(manifest: Path) -> None:
    positions = [kpi.headline for kpi in kpis.load_catalogue(manifest).kpis.values() if kpi.headline]
    assert sorted(positions) == list(range(1, len(positions) + 1))
    assert len(positions) <= 12


def test_marts_are_those_that_the_semantic_models_read(manifest: Path) -> None:
    content = json.loads((manifest / "semantic_manifest.json").read_text())
    models = {model["node_relation"]["alias"] for model in content["semantic_models"]}
    spines = {spine["node_relation"]["alias"] for spine in content["project_configuration"]["time_spines"]}
    assert set(kpis.MARTS) == models | spines


@pytest.fixture
def broken(manifest: Path, tmp_path: Path) -> Callable[[Callable[[dict[str, Any]], None]], Path]:
    """`broken(change)`: a copy of the manifest with one metric changed; `change` gets {name: metric}."""

    def write(change: Callable[[dict[str, Any]], None]) -> Path:
        content = json.loads((manifest / "semantic_manifest.json").read_text())
        change({metric["name"]: metric for metric in content["metrics"]})
        (tmp_path / "semantic_manifest.json").write_text(json.dumps(content))
        return tmp_path

    return write


def meta(metrics: dict[str, Any], name: str) -> dict[str, Any]:
    return metrics[name]["config"]["meta"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: meta(m, "cpl").update(unit="euros"), "KPI cpl: meta key 'unit' is 'euros'; allowed: count, money"),
        (lambda m: meta(m, "cpl").pop("formula"), "KPI cpl: meta has no formula"),
        (lambda m: meta(m, "cpl").update(colour="red"), "KPI cpl: meta key 'colour' is not known"),
        (lambda m: meta(m, "cpl").update(cuts=["device"]), "KPI cpl: cut 'device' is impossible, because marketing_spend"),
        (lambda m: meta(m, "roas").update(sample="visits"), "KPI roas: meta key 'sample' names 'visits', which is not a simple metric"),
        (lambda m: meta(m, "roas").update(numerator="gold"), "KPI roas: meta key 'numerator' names 'gold', which is not a metric"),
        (lambda m: meta(m, "attributed_orders").update(by_model="gold"), "metric attributed_orders: meta key 'by_model' names 'gold'"),
        (lambda m: meta(m, "cpl").pop("denominator"), "KPI cpl: it is a ratio, and meta has no denominator"),
        (lambda m: meta(m, "revenue_per_customer").update(model_cuts=["channel"]), "buyers is a count_distinct, which cannot be credited"),
    ],
)  # fmt: skip
def test_a_wrong_definition_is_one_clear_error(
    broken: Callable[..., Path], change: Callable[..., None], message: str
) -> None:
    with pytest.raises(kpis.CatalogueError, match=re.escape(message)):
        kpis.load_catalogue(broken(change))


def test_a_missing_manifest_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(kpis.CatalogueError, match="`dbt parse` in dbt_project writes it"):
        kpis.load_catalogue(tmp_path)
