"""The catalogue: what it must hold, that wrong definitions are told, that MetricFlow's own answers are our facts."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from kpi_warehouse import Warehouse

from dagster_project import kpis

Build = Callable[..., dict[str, int]]
DBT_PROJECT = Path(__file__).resolve().parents[2] / "dbt_project"
SHIPPED = {
    "sessions", "unique_visitors", "organic_sessions", "engagement_rate", "social_traffic_share", "mobile_traffic_share", "leads",
    "mqls", "sals", "sqls", "opportunities", "stage_conversion_rate", "lead_to_customer_rate", "win_rate", "sales_cycle_days",
    "revenue", "new_customers", "aov", "marketing_spend", "marketing_spend_loaded", "cpl", "cpl_loaded", "cac_media", "cac_loaded",
    "roas", "roi_revenue", "romi", "mer", "drr", "cpmql", "cpsql", "cost_per_opportunity", "revenue_per_customer",
}  # fmt: skip


def test_the_catalogue_holds_what_is_shipped(manifest: Path) -> None:
    assert set(kpis.load_catalogue(manifest).kpis) >= SHIPPED


def test_the_catalogue_agrees_with_the_reference(manifest: Path, shared_dir: Path) -> None:
    units = {"rate": "%", "percent": "%", "multiple": "x"}
    catalogue = kpis.load_catalogue(manifest)
    with (shared_dir / "reference/kpi_catalogue.csv").open() as file:
        expected = {row["id"]: row for row in csv.DictReader(file)}
    # the accrual view of a KPI is as the KPI: the reference has one row for both
    seen_twice = {"romi_accrual": {**expected["romi"], "tier": "extended"}, "cac_media_accrual": {**expected["cac_media"], "tier": "extended"}}
    expected |= seen_twice
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
        (lambda m: meta(m, "revenue").update(by_model="gold"), "metric revenue: meta key 'by_model' names 'gold'"),
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


@pytest.fixture(scope="module")
def filled() -> Iterator[Warehouse]:
    """Something of everything in July, August and September."""
    warehouse = Warehouse(date(2026, 10, 1), date(2026, 7, 1))
    for number in range(90):
        month, day, channel = 7 + number // 30, 1 + number % 28, ("Paid Search", "Email", "Organic Search")[number % 3]
        moment, cuts = date(2026, month, day), {"channel": channel, "sales_rep": str(number % 4)}
        warehouse.add(
            "marts.fct_web_traffic",
            date_day=moment,
            channel=channel,
            device="mobile",
            sessions=40 + number,
            engaged_sessions=number,
        )
        warehouse.add("marts.fct_leads", lead_id=str(number), lead_date=moment, is_customer=number % 7 == 0, **cuts)
        for stage in ("mql", "sal", "sql")[: number % 4]:
            warehouse.add(
                "marts.fct_lead_stages",
                lead_id=str(number),
                stage=stage,
                reached_date=moment,
                transition=f"{stage}>",
                converted_within_window=number % 2 == 0,
                **cuts,
            )
        status = ("won", "lost", "open")[number % 3]
        closed = moment if status != "open" else None
        warehouse.add(
            "marts.fct_opportunities",
            deal_id=str(number),
            created_date=moment,
            closed_date=closed,
            status=status,
            sales_cycle_days=number / 3,
            **cuts,
        )
        warehouse.add(
            "marts.fct_orders",
            order_id=str(number),
            customer_id=str(number % 11),
            order_date=moment,
            amount=number * 1.25,
            is_new_customer=number % 8 == 0,
            **cuts,
        )
        warehouse.add(
            "marts.fct_attribution",
            conversion_id=str(number),
            touch_date=moment,
            conversion_date=moment,
            channel=channel,
            revenue=number * 1.25,
            gross_margin=number,
            is_new_customer=number % 8 == 0,
        )
        warehouse.add(
            "marts.fct_costs", date_day=moment, channel=channel, amount=number * 2.5, acquisition_amount=number
        )
    yield warehouse
    warehouse.connection.close()


def test_metricflow_answers_what_the_facts_say(filled: Warehouse, build: Build, manifest: Path) -> None:
    """Every KPI asked as people ask it, by month, of all semantic models together; the facts ask for parts only."""
    from metricflow.engine.metricflow_engine import MetricFlowEngine, MetricFlowQueryRequest
    from metricflow_semantics.model.dbt_manifest_parser import parse_manifest_from_dbt_generated_manifest
    from metricflow_semantics.model.semantic_manifest_lookup import SemanticManifestLookup

    from dagster_project.kpis.compiler import _DuckDbDialect

    build(filled, grains=["month"])
    parsed = parse_manifest_from_dbt_generated_manifest((manifest / "semantic_manifest.json").read_text())
    for model in parsed.semantic_models:
        model.node_relation.relation_name = f"{model.node_relation.schema_name}.{model.node_relation.alias}"
        model.node_relation.database = None
    engine = MetricFlowEngine(SemanticManifestLookup(parsed), _DuckDbDialect())

    def ask(kpi_id: str, *by: str) -> dict[tuple[Any, ...], float]:
        request = MetricFlowQueryRequest.create(metric_names=[kpi_id], group_by_names=["metric_time__month", *by])
        sql = engine.explain(request).sql_statement.sql
        rows = filled.connection.execute(
            f"select * replace (cast(metric_time__month as date) as metric_time__month) from ({sql})"
        ).fetchall()
        return {row[:-1]: row[-1] for row in rows if row[0] is not None}

    checked = 0
    for kpi_id, kpi in kpis.load_catalogue(manifest).kpis.items():
        if kpi_id == "unique_visitors" or kpi.channels_with or "total" not in kpi.dimensions:
            continue  # counted per period; made of channels; without a total
        answers = ask(kpi_id)
        facts = filled.rows(
            "monthly",
            "period_start, value",
            f"kpi_id = '{kpi_id}' and dimension = 'total' and value is not null and period_start < '2026-10-01'",
        )
        assert len(facts) == 3, kpi_id
        for month, value in facts:
            # without a row MetricFlow says nothing, where the facts know that the days were extracted and say 0
            assert float(answers.get((month,)) or 0) == pytest.approx(value), (kpi_id, month)
            checked += 1
    assert checked >= 3 * 25
    by_channel = ask("cpl", "channel")
    for member, month, value in filled.rows(
        "monthly",
        "member, period_start, value",
        "kpi_id = 'cpl' and dimension = 'channel' and value is not null and period_start < '2026-10-01'",
    ):
        assert float(by_channel[(month, member)]) == pytest.approx(value)


def test_mf_query_works(filled: Warehouse, manifest: Path, tmp_path: Path) -> None:
    """The command line that people use, on the project's own configuration and a warehouse file."""
    project, home = tmp_path / "project", tmp_path / "home"
    (project / "target").mkdir(parents=True)
    home.mkdir()
    for name in ("dbt_project.yml", "profiles.yml"):
        shutil.copy(DBT_PROJECT / name, project)
    shutil.copytree(DBT_PROJECT / "macros", project / "macros")
    shutil.copy(manifest / "semantic_manifest.json", project / "target")
    filled.connection.execute(f"attach '{home / 'warehouse.duckdb'}' as warehouse")
    for schema in ("staging", "intermediate", "marts"):
        filled.connection.execute(f"create schema warehouse.{schema}")
    for table in ("marts.fct_leads", "marts.fct_costs", "marts.dim_channel"):
        filled.connection.execute(f"create table warehouse.{table} as from {table}")
    filled.connection.execute("detach warehouse")
    command = [
        str(Path(sys.executable).parent / "mf"),
        "query",
        "--metrics",
        "leads,cpl",
        "--group-by",
        "metric_time__month",
        "--csv",
        str(tmp_path / "answer.csv"),
    ]
    environment = {
        **os.environ,
        "FUNNELHOUSE_HOME": str(home),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "HTTPS_PROXY": "http://127.0.0.1:9",
    }
    ran = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    # mf asks for no order of its own, and DuckDB answers in whichever its threads finished.
    rows = sorted(csv.DictReader((tmp_path / "answer.csv").open()), key=lambda row: row["metric_time__month"])
    assert [int(row["leads"]) for row in rows] == [30, 30, 30]
    spend = [sum(2.5 * number for number in range(30 * month, 30 * month + 30)) for month in range(3)]
    assert [float(row["cpl"]) for row in rows] == pytest.approx([amount / 30 for amount in spend])
