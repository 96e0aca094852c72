"""The build as a whole: one transaction, the same result every time, keys unique, documented columns, errors for people."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import duckdb
import pytest
import yaml

from dagster_project import kpis
from dagster_project.kpis import compiled, facts
from dagster_project.kpis.compiler import Compiler
from tests.support.big_marts import big_warehouse
from tests.support.kpi_warehouse import Warehouse

Build = Callable[..., dict[str, int]]
FACTS = [kpis.table_name(grain) for grain in kpis.GRAINS]


@pytest.fixture(scope="module")
def volume(build: Build) -> Warehouse:
    """A quarter with long tails, built: enough rows for several threads to work on one table."""
    warehouse = big_warehouse(date(2026, 10, 1), days=70, sessions=20_000, leads=1_000, models=2)
    build(warehouse)
    return warehouse


def test_keys_are_unique_and_rows_in_the_order_of_the_key(volume: Warehouse) -> None:
    key = ", ".join(kpis.KEY)
    for table in FACTS:
        rows, keys = volume.connection.execute(f"select count(*), count(distinct ({key})) from kpi.{table}").fetchall()[
            0
        ]
        assert rows == keys > 0, table
        order = "dimension, kpi_id, member, attribution_model, period_start"
        unsorted = volume.connection.execute(
            f"select count(*) from (select ({order}) as this, lead(({order})) over (order by rowid) as next, "
            f"lead(dimension) over (order by rowid) = dimension as is_same from kpi.{table}) where is_same and next < this"
        ).fetchall()
        assert unsorted == [(0,)], table


def test_what_was_compiled_is_compiled_again_for_other_definitions_only(
    build: Build, manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = big_warehouse(date(2026, 10, 1), days=3, sessions=50, leads=5)
    build(warehouse, grains=["month"])
    [(queries,)] = warehouse.connection.execute("select count(*) from intermediate.kpi_compiled").fetchall()
    assert queries > 30
    asked: list[str] = []
    monkeypatch.setattr(Compiler, "_compile", lambda self, model, *query: asked.append(model) or "select 1")

    night = Compiler(manifest)
    rows = build(warehouse, grains=["month"], compiler=night)
    assert asked == []
    assert rows["fct_kpi_monthly"] > 100

    changed = json.loads((manifest / "semantic_manifest.json").read_text())
    changed["metrics"][0]["filter"] = {"where_filters": [{"where_sql_template": "false"}]}
    (tmp_path / "semantic_manifest.json").write_text(json.dumps(changed))
    other = Compiler(tmp_path)
    compiled.recall(warehouse.connection, other)
    assert other.digest != night.digest
    assert other.compiled == {}
    # whatever was compiled last is what is kept
    other.sql("web", ["sessions"], ["metric_time__day"])
    compiled.remember(warehouse.connection, other)
    assert asked == ["web"]
    assert warehouse.connection.execute("select distinct digest, sql from intermediate.kpi_compiled").fetchall() == [
        (other.digest, "select 1")
    ]


def test_a_second_build_gives_the_same_rows(volume: Warehouse, build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one thread instead of several, and grain by grain as where rows are many."""

    def content() -> list[object]:
        return [
            volume.connection.execute(
                f"select md5(string_agg(t::varchar, '|' order by rowid)) from kpi.{table} as t"
            ).fetchall()
            for table in kpis.TABLES
        ]

    first = content()
    monkeypatch.setattr(facts, "MANY_CELLS", 0)
    volume.connection.execute("set threads = 1")
    build(volume)
    assert content() == first


def test_every_number_says_why_it_is_missing_or_is_the_ratio_of_its_parts(volume: Warehouse) -> None:
    for table in FACTS:
        wrong = volume.connection.execute(
            f"""
            select * from kpi.{table} join (select kpi_id, unit, change from kpi.dim_kpi) using (kpi_id)
            where (value is null) <> (reason is not null)
                or reason not in ('zero_denominator', 'no_spend', 'no_data', 'immature', 'missing_rate')
                or (value is not null and denominator <> 0 and abs(value - numerator / denominator) > 1e-9 * abs(value) + 1e-12)
                or (unit = 'rate' and value is not null and not (ci_low <= value + 1e-12 and value <= ci_high + 1e-12 and ci_low >= 0 and ci_high <= 1))
                or (change = 'relative' and abs(previous_change - (value - previous_value) / abs(previous_value)) > 1e-9)
                or (change = 'difference' and abs(previous_change - (value - previous_value)) > 1e-9)
                or (is_final and not is_complete) or low_n is null or quality is null
            """
        ).fetchall()
        assert wrong == [], table


def test_the_value_of_the_period_before_is_that_of_its_own_row(volume: Warehouse) -> None:
    back = {"weekly": "7 days", "monthly": "1 month", "quarterly": "3 months", "daily": "1 day"}
    for table, step in back.items():
        wrong = volume.connection.execute(
            f"""
            select this.* from kpi.fct_kpi_{table} as this join kpi.fct_kpi_{table} as other
                on other.kpi_id = this.kpi_id and other.dimension = this.dimension and other.member = this.member
                and other.attribution_model = this.attribution_model and other.period_start = this.period_start - interval {step}
            where this.period_end < '2026-10-01' and this.reason is distinct from 'immature'
                and abs(coalesce(this.previous_value, -1) - coalesce(other.value, -1)) > 1e-9
            """
        ).fetchall()
        assert wrong == [], table


def test_built_tables_have_the_columns_and_types_of_the_contract(volume: Warehouse) -> None:
    contract = yaml.safe_load((Path(__file__).resolve().parents[2] / "docs" / "contract.yml").read_text())["tables"]
    for table in kpis.TABLES:
        described = volume.connection.execute(f"describe kpi.{table}").fetchall()
        built = [(column, kind.lower()) for column, kind, *_ in described]
        assert built == list(contract[f"kpi.{table}"].items()), table


def test_columns_are_documented(volume: Warehouse) -> None:
    undocumented = volume.connection.execute(
        "select table_name, column_name from duckdb_columns() where schema_name = 'kpi' and comment is null"
    ).fetchall()
    assert undocumented == []
    names = [row[0] for row in volume.connection.execute("describe kpi.fct_kpi_monthly").fetchall()]
    assert names == [
        "kpi_id",
        "period_start",
        "period_end",
        "dimension",
        "member",
        "attribution_model",
        "numerator",
        "denominator",
        "value",
        "reason",
        "sample_size",
        "low_n",
        "ci_low",
        "ci_high",
        "is_final",
        "is_complete",
        "is_mature",
        "quality",
        "previous_value",
        "previous_change",
        "year_ago_value",
        "year_ago_change",
        "target_value",
        "target_to_date",
        "target_status",
        "definition_version",
        "computed_at",
    ]


def test_no_temporary_table_is_left(volume: Warehouse) -> None:
    assert volume.connection.execute("select table_name from duckdb_tables() where temporary").fetchall() == []


def test_a_build_that_fails_leaves_the_tables_as_they_were(build: Build) -> None:
    warehouse = Warehouse(date(2026, 10, 1), date(2026, 9, 1))
    warehouse.add("marts.fct_leads", 3, lead_id="x", lead_date=date(2026, 9, 2))
    build(warehouse)
    warehouse.add("marts.fct_leads", 3, lead_id="y", lead_date=date(2026, 9, 2))
    warehouse.connection.execute(
        "alter table marts.fct_orders drop column amount"
    )  # asked for after the first cut is written
    with pytest.raises(duckdb.Error):
        build(warehouse)
    assert warehouse.row("monthly", "leads", "2026-09-01")["value"] == 3
    warehouse.connection.execute("alter table marts.fct_orders add column amount decimal(24, 6)")
    build(warehouse)
    assert warehouse.row("monthly", "leads", "2026-09-01")["value"] == 6


def test_only_the_grains_asked_for_are_built_anew(build: Build) -> None:
    warehouse = Warehouse(date(2026, 10, 1), date(2026, 9, 1))
    build(warehouse)
    warehouse.add("marts.fct_leads", 3, lead_id="x", lead_date=date(2026, 9, 2))
    assert set(build(warehouse, grains=["day"])) == {"fct_kpi_daily", "dim_kpi"}
    assert warehouse.row("daily", "leads", "2026-09-02")["value"] == 3
    assert warehouse.row("monthly", "leads", "2026-09-01")["value"] == 0


def test_progress_is_told_cut_by_cut(build: Build) -> None:
    seen: list[tuple[int, int]] = []
    build(
        Warehouse(date(2026, 10, 1), date(2026, 9, 1)),
        grains=["year"],
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(n, seen[-1][1]) for n in range(1, seen[-1][1] + 1)]


def test_a_warehouse_without_marts_says_what_to_run(manifest: object, build: Build) -> None:
    warehouse = Warehouse(date(2026, 10, 1), date(2026, 9, 1))
    warehouse.connection.execute("drop table staging.stg_meta__streams")
    with pytest.raises(
        kpis.InputError, match=r"staging\.stg_meta__streams: not in the warehouse; `funnelhouse refresh`"
    ):
        build(warehouse)


def test_the_scoreboard_has_the_latest_month_and_the_running_one(build: Build) -> None:
    warehouse = Warehouse(date(2026, 10, 9), date(2026, 8, 1), attribution_default_model="linear")
    for model in ("last", "linear"):
        warehouse.add(
            "marts.fct_attribution",
            conversion_date=date(2026, 9, 2),
            channel="Email",
            model=model,
            revenue=30,
            gross_margin=30,
        )
    warehouse.add("marts.fct_costs", date_day=date(2026, 9, 2), channel="Email", amount=20, acquisition_amount=20)
    warehouse.add("marts.fct_leads", 3, lead_id="x", lead_date=date(2026, 9, 2))
    warehouse.add("marts.fct_leads", 1, lead_id="x", lead_date=date(2026, 10, 2))
    build(warehouse)
    board = warehouse.connection.execute(
        "select position, kpi_id, month, period_start, attribution_model, value, previous_value, unit, currency_code from kpi.kpi_scoreboard"
    ).fetchall()
    assert len(board) == 20
    assert [row[0] for row in board] == sorted(row[0] for row in board)
    assert (3, "leads", "latest", date(2026, 9, 1), "none", 3, 0, "count", None) in board
    assert (3, "leads", "running", date(2026, 10, 1), "none", 1, 3, "count", None) in board
    romi = [row for row in board if row[1] == "romi"]
    assert [(row[2], row[4], row[5]) for row in romi] == [("latest", "linear", 0.5), ("running", "linear", None)]
    assert {row[8] for row in board if row[7] == "money"} == {"EUR"}
