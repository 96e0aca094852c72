"""What the semantic layer answers is what the KPI tables say: every KPI, its value and why it has none, null and 0 included.

Two things only a table knows, and they are all that may differ:
* that days were extracted on which nothing was: there the table says 0, or divides by 0, where MetricFlow has no row or an
  empty one;
* that a cohort's period is too young for an entrant of its last day, where those who did enter had their time.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from dagster_project import kpis
from dagster_project.kpis.catalogue import Catalogue, Kpi
from tests.support.kpi_warehouse import Warehouse
from tests.support.odd_world import TODAY, odd_world

Build = Callable[..., dict[str, int]]
Cell = tuple[Any, str | None]  # value and reason
Ask = Callable[..., dict[tuple[Any, ...], Cell]]
DBT_PROJECT = Path(__file__).resolve().parents[2] / "dbt_project"
MODEL = "last"  # the default one
CUTS = {  # how a dimension of the tables is asked for
    "total": [],
    "channel": ["channel"],
    "platform": ["platform"],
    "stage": ["stage"],
    "stage | channel": ["stage", "channel"],
}


COUNTED = {  # KPIs that are counted for each period and cut, and the entity that such a count is
    "unique_visitors": "visitor_count",
    "cac_payback_months": "cohort_count",
    **dict.fromkeys(
        ("retention_rate", "churn_rate", "gross_revenue_retention", "net_revenue_retention"), "retention_count"
    ),
}


@pytest.fixture(scope="module")
def catalogue(manifest: Path) -> Catalogue:
    return kpis.load_catalogue(manifest)


@pytest.fixture(scope="module")
def sql(manifest: Path) -> Callable[..., str]:
    """`sql(metrics, by, where)`: what MetricFlow runs for a question, of all semantic models together; compiled once."""
    from metricflow.engine.metricflow_engine import MetricFlowEngine, MetricFlowQueryRequest
    from metricflow_semantics.model.dbt_manifest_parser import parse_manifest_from_dbt_generated_manifest
    from metricflow_semantics.model.semantic_manifest_lookup import SemanticManifestLookup

    from dagster_project.kpis.compiler import _DuckDbDialect

    parsed = parse_manifest_from_dbt_generated_manifest((manifest / "semantic_manifest.json").read_text())
    for model in parsed.semantic_models:
        model.node_relation.relation_name = f"{model.node_relation.schema_name}.{model.node_relation.alias}"
        model.node_relation.database = None
    engine = MetricFlowEngine(SemanticManifestLookup(parsed), _DuckDbDialect())
    known: dict[tuple[Any, ...], str] = {}

    def compile_once(metrics: Sequence[str], by: Sequence[str], where: str | None = None) -> str:
        question = (tuple(metrics), tuple(by), where)
        if question not in known:
            request = MetricFlowQueryRequest.create(
                metric_names=list(metrics), group_by_names=list(by), where_constraints=[where] if where else None
            )
            known[question] = engine.explain(request).sql_statement.sql
        return known[question]

    return compile_once


@pytest.fixture(scope="module")
def reasons(manifest: Path) -> set[str]:
    content = json.loads((manifest / "semantic_manifest.json").read_text())
    return {metric["name"] for metric in content["metrics"] if metric["name"].endswith("_reason")}


def metricflow(
    warehouse: Warehouse, sql: Callable[..., str], reasons: set[str], kpi: Kpi, dimension: str, grain: str
) -> dict[tuple[Any, ...], Cell]:
    """(month, members) -> value and reason, as somebody gets them who types the question; a year is the whole of the data."""
    has_model = dimension in (kpi.model_cuts or [])
    metric = kpi.attributed.value.metric if has_model and kpi.attributed else kpi.id
    by, where = CUTS[dimension], None
    if count := COUNTED.get(kpi.id):
        by = [f"{count}__member"] if dimension != "total" else []
        where = (
            f"{{{{ Dimension('{count}__period_grain') }}}} = '{grain}' "
            f"and {{{{ Dimension('{count}__cut') }}}} = '{dimension}'"
        )
    time = ["metric_time__month"] if grain == "month" else []
    asked = [metric, *([f"{metric}_reason"] if f"{metric}_reason" in reasons else [])]
    rows = warehouse.connection.execute(sql(asked, [*time, *by], where)).fetchall()
    answers = {}
    for row in rows:
        key, (value, reason) = row[: -len(asked)], (*row[-len(asked) :], None)[:2]
        if time:
            if key[0] is None:
                continue  # a touch that is not known has no month
            key = (key[0].date() if hasattr(key[0], "date") else key[0], *key[1:])
        answers[key] = (None if value is None else float(value), reason)
    return answers


def table(warehouse: Warehouse, kpi: Kpi, dimension: str, grain: str) -> dict[tuple[Any, ...], dict[str, Any]]:
    """(month, members) -> the row of the KPI table."""
    model = MODEL if dimension in (kpi.model_cuts or []) else "none"
    cursor = warehouse.connection.execute(
        f"select * from kpi.fct_kpi_{'monthly' if grain == 'month' else 'yearly'} "
        "where kpi_id = ? and dimension = ? and attribution_model = ?",
        [kpi.id, dimension, model],
    )
    names = [column[0] for column in cursor.description]
    found = {}
    for row in (dict(zip(names, values, strict=True)) for values in cursor.fetchall()):
        members = () if dimension == "total" else tuple(row["member"].split(" | "))
        found[((row["period_start"],) if grain == "month" else ()) + members] = row
    return found


def differences(said: dict[Any, dict[str, Any]], answered: dict[Any, Cell], today: date, window: int = 30) -> list[Any]:
    """Where the two disagree: key, table, MetricFlow. `window`: the days that an entrant of the cohort has."""
    found = []
    for key in said.keys() | answered.keys():
        row, cell = said.get(key), answered.get(key)
        if row is None:  # a member without anything has no row
            agrees = cell[0] in (None, 0)
        elif cell in (None, (None, None)):  # nothing in the marts: that the days were extracted is what the table knows
            agrees = all(row[part] in (None, 0) for part in ("value", "numerator", "denominator"))
        elif row["reason"] == "immature" and cell[1] != "immature":  # nobody of the last day can have had the time
            agrees = row["period_end"] + timedelta(window) >= today
        else:
            agrees = cell == (None if row["value"] is None else pytest.approx(row["value"]), row["reason"])
        if not agrees:
            found.append((key, row and (row["value"], row["reason"]), cell))
    return found


@pytest.fixture(scope="module", params=[1, 2, 3])
def world(request: pytest.FixtureRequest, build: Build) -> Iterator[Warehouse]:
    warehouse = odd_world(request.param, sal=request.param == 2)
    build(warehouse, grains=["month", "year"])
    yield warehouse
    warehouse.connection.close()


SEEN: set[Any] = set()


def test_every_kpi_is_answered_as_its_table_says(
    world: Warehouse, catalogue: Catalogue, sql: Callable[..., str], reasons: set[str]
) -> None:
    wrong, compared = [], {}
    for kpi in catalogue.kpis.values():
        window = 90 if kpi.id == "repeat_purchase_rate" else 30
        for dimension in (name for name in CUTS if name in kpi.dimensions):
            for grain in ("year", "month"):
                said = table(world, kpi, dimension, grain)
                answered = metricflow(world, sql, reasons, kpi, dimension, grain)
                wrong += [(kpi.id, dimension, grain, *found) for found in differences(said, answered, TODAY, window)]
                both = said.keys() & answered.keys()
                compared[kpi.id] = compared.get(kpi.id, 0) + len(both)
                SEEN.update((answered[key][1] or answered[key][0] == 0) for key in both)
    assert wrong == []
    assert min(compared.values()) > 0, compared  # nobody was left out


def test_the_worlds_are_odd_enough() -> None:
    """Runs after the worlds: each cause and a 0 was compared."""
    assert {"zero_denominator", "no_spend", "no_data", "immature", "missing_rate", True} <= SEEN


def test_without_spend_or_revenue_a_return_says_what_its_table_says(
    build: Build, catalogue: Catalogue, sql: Callable[..., str], reasons: set[str]
) -> None:
    """By hand. July: 200 spent, nothing came back. August: 300 from a channel with cost, 900 from one without.
    September: 50 came back and nothing was spent."""
    warehouse = Warehouse(date(2026, 10, 1), date(2026, 7, 1))
    for month, amount in ((7, 200), (8, 150)):
        spent = {"date_day": date(2026, month, 3), "amount": amount, "acquisition_amount": amount}
        warehouse.add("marts.fct_costs", channel="Display", **spent)
    for month, channel, revenue in ((8, "Display", 300), (8, "Email", 900), (9, "Display", 50)):
        for model in ("last", "linear"):
            credit = {"conversion_date": date(2026, month, 5), "revenue": revenue, "gross_margin": revenue / 2}
            warehouse.add(
                "marts.fct_attribution", channel=channel, model=model, is_default_model=model == "last", **credit
            )
    build(warehouse, grains=["month"])
    expected = {
        "roas": [(0, None), (2, None), (None, "no_spend")],
        "roi_revenue": [(-1, None), (1, None), (None, "no_spend")],
        "romi": [(-1, None), (0, None), (None, "no_spend")],
        "drr": [(None, "zero_denominator"), (0.5, None), (0, None)],
    }
    for kpi_id, cells in expected.items():
        answered = metricflow(warehouse, sql, reasons, catalogue.kpi(kpi_id), "total", "month")
        assert [answered[(date(2026, month, 1),)] for month in (7, 8, 9)] == cells, kpi_id
        rows = [warehouse.row("monthly", kpi_id, f"2026-0{month}-01", model="last") for month in (7, 8, 9)]
        assert [(row["value"], row["reason"]) for row in rows] == cells, kpi_id


@pytest.mark.parametrize(("off", "kpi_ids"), [
    (["hubspot/deals"], ["roas", "roi_revenue", "romi", "drr", "mer"]),
    (["google_ads/campaign_performance", "config/ledger"], ["roas", "roi_revenue", "romi", "drr"]),
])  # fmt: skip
def test_what_nobody_reads_is_no_data_and_never_a_return_of_0(
    build: Build, catalogue: Catalogue, sql: Callable[..., str], reasons: set[str], off: list[str], kpi_ids: list[str]
) -> None:
    """Spend without a source of orders, and orders without a source of spend."""
    warehouse = Warehouse(date(2026, 10, 1), date(2026, 7, 1))
    day = date(2026, 8, 3)
    if off == ["hubspot/deals"]:
        warehouse.add("marts.fct_costs", date_day=day, channel="Display", amount=200, acquisition_amount=200)
    else:
        warehouse.add("marts.fct_attribution", conversion_date=day, channel="Display", revenue=90, gross_margin=40)
    warehouse.switch_off(*off)
    build(warehouse, grains=["month"])
    for kpi_id in kpi_ids:
        kpi = catalogue.kpi(kpi_id)
        for dimension, key in (("total", ()), ("channel", ("Display",))):
            if dimension in kpi.dimensions:
                said = table(warehouse, kpi, dimension, "month")[(date(2026, 8, 1), *key)]
                answered = metricflow(warehouse, sql, reasons, kpi, dimension, "month")
                assert (said["value"], said["reason"]) == (None, "no_data"), (kpi_id, dimension)
                assert answered == {(date(2026, 8, 1), *key): (None, "no_data")}, (kpi_id, dimension)


def test_what_cannot_be_added_has_no_answer_and_says_how_to_ask(world: Warehouse, sql: Callable[..., str]) -> None:
    """All models together, all steps together, all counts together."""
    for metric, reason, missing in (
        ("credited_revenue", "ask_by_attribution_model", "attribution_model"),
        ("stage_conversion_rate", "ask_by_stage", "stage"),
        ("unique_visitors", "ask_by_grain_and_cut", None),
        ("retention_rate", "ask_by_grain_and_cut", None),
        ("net_revenue_retention", "ask_by_grain_and_cut", None),
    ):
        question = [metric, f"{metric}_reason"]
        assert world.connection.execute(sql(question, [])).fetchall() == [(None, reason)], metric
        if missing:
            said = {row[-1] for row in world.connection.execute(sql(question, [missing])).fetchall()}
            assert reason not in said, metric


def test_mf_query_works(build: Build, manifest: Path, tmp_path: Path) -> None:
    """The command line that people use, on the project's own configuration and a warehouse file."""
    warehouse, home, project = odd_world(1, sal=False), tmp_path / "home", tmp_path / "project"
    build(warehouse, grains=["month"])
    (project / "target").mkdir(parents=True)
    home.mkdir()
    for name in ("dbt_project.yml", "profiles.yml"):
        shutil.copy(DBT_PROJECT / name, project)
    shutil.copytree(DBT_PROJECT / "macros", project / "macros")
    shutil.copy(manifest / "semantic_manifest.json", project / "target")
    warehouse.connection.execute(f"attach '{home / 'warehouse.duckdb'}' as warehouse")
    warehouse.connection.execute("create schema warehouse.marts")
    for name in kpis.MARTS:
        warehouse.connection.execute(f"create table warehouse.marts.{name} as from marts.{name}")
    warehouse.connection.execute("detach warehouse")
    asked = ["leads", "cpl", "cpl_reason", "roas", "roas_reason", "revenue", "revenue_reason"]
    command = [
        str(Path(sys.executable).parent / "mf"), "query", "--metrics", ",".join(asked), "--group-by", "metric_time__month",
        "--csv", str(tmp_path / "answer.csv"),
    ]  # fmt: skip
    environment = {
        **os.environ,
        "FUNNELHOUSE_HOME": str(home),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "HTTPS_PROXY": "http://127.0.0.1:9",
    }
    ran = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=600)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    with (tmp_path / "answer.csv").open() as file:
        answers = {row["metric_time__month"][:10]: row for row in csv.DictReader(file)}
    assert len(answers) >= 6
    for month, row in answers.items():
        for kpi_id in ("cpl", "roas", "revenue"):
            said = warehouse.row("monthly", kpi_id, month, model=MODEL if kpi_id == "roas" else None)
            value = float(row[kpi_id]) if row[kpi_id] else None
            if value is None and row[f"{kpi_id}_reason"] == "":
                # nothing of it, on days that were extracted: an amount is 0, and a ratio has no spend
                nothing = (0, None) if kpi_id == "revenue" else (None, "no_spend")
                assert (said["value"], said["reason"]) == nothing, (kpi_id, month)
                continue
            answer = (value, row[f"{kpi_id}_reason"] or None)
            assert answer == (None if said["value"] is None else pytest.approx(said["value"]), said["reason"]), (
                kpi_id,
                month,
            )
