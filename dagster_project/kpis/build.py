"""One build of all KPI tables: in one transaction, from the marts and the semantic manifest; makes only the rows whose
inputs are no longer what they were made of (changes.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from dagster_project.kpis import board, changes, compiled, coverage, drivers, facts, measures, periods
from dagster_project.kpis.catalogue import Catalogue
from dagster_project.kpis.compiler import Compiler
from dagster_project.kpis.contract import table_name
from dagster_project.kpis.inputs import Inputs, read_inputs
from dagster_project.kpis.manifest import load_catalogue

Progress = Callable[[int, int], object]


def build(
    connection: duckdb.DuckDBPyConnection,
    manifest: Path | str,
    *,
    grains: Iterable[str] = tuple(periods.GRAINS),
    computed_at: datetime | None = None,
    progress: Progress = lambda done, total: None,
    compiler: Compiler | None = None,
) -> dict[str, int]:
    """Build kpi.fct_kpi_<grain>, kpi.dim_kpi, kpi.fct_kpi_drivers and kpi.kpi_scoreboard; returns rows by table name.

    `connection`: the warehouse, open for writing, outside a transaction. `manifest`: semantic_manifest.json of the
    parsed dbt project, or its folder. `grains`: of day, week, month, quarter, year; tables of other grains stay as
    they are, and so does the scoreboard without month. `computed_at`: the stamp of the rows that are made, now by default.
    `progress(done, total)` is called after every cut. `compiler`: one to use again, where builds follow each other.

    Raises CatalogueError where the definitions are wrong and InputError where the warehouse lacks what they read.
    A build that fails leaves all KPI tables as they were.
    """
    chosen = [grain for grain in periods.GRAINS if grain in set(grains)]
    catalogue, compiler = load_catalogue(manifest), compiler or Compiler(manifest)
    connection.execute("begin")
    try:
        rows = _build(connection, catalogue, compiler, chosen, computed_at or datetime.now(UTC), progress)
    except BaseException:
        connection.execute("rollback")
        raise
    connection.execute("commit")
    return rows


def _build(
    connection: duckdb.DuckDBPyConnection,
    catalogue: Catalogue,
    compiler: Compiler,
    grains: list[str],
    computed_at: datetime,
    progress: Progress,
) -> dict[str, int]:
    inputs = read_inputs(connection)
    connection.execute("create schema if not exists kpi")
    compiled.recall(connection, compiler)
    coverage.create_coverage_days(connection, catalogue, inputs.today)
    first_day = coverage.first_day(connection) or inputs.today
    periods.create_periods(
        connection, first_day, inputs.today, grains, week_start=inputs.week_start, year_start=inputs.year_start
    )
    periods.create_windows(connection, coverage.create_reach(connection, inputs.today))
    coverage.create_coverage(connection, catalogue)
    shown_model = measures.create_models(connection, catalogue, compiler, inputs)
    facts.create_definitions(connection, catalogue, inputs.days_of_setting)
    changes.prepare(connection, grains, inputs.today)
    changes.forget_cuts(connection, catalogue, grains)
    _insert(connection, catalogue, compiler, grains, inputs, computed_at, progress)
    changes.finish(connection, grains, inputs.today)
    compiled.remember(connection, compiler)
    board.create_dim_kpi(connection, catalogue, inputs.currency, shown_model)
    of_drivers = [drivers.TABLE] if drivers.create_drivers(connection, grains) else []
    if "month" in grains:
        board.create_scoreboard(connection, inputs.today)
    tables = [table_name(grain) for grain in grains] + ["dim_kpi", *of_drivers, "kpi_scoreboard"]
    _drop_temporary_tables(connection)
    return {table: _count(connection, table) for table in tables if table != "kpi_scoreboard" or "month" in grains}


def _insert(
    connection: duckdb.DuckDBPyConnection,
    catalogue: Catalogue,
    compiler: Compiler,
    grains: list[str],
    inputs: Inputs,
    computed_at: datetime,
    progress: Progress,
) -> None:
    """One cut after another, so that memory holds the cells of one cut only."""
    context = facts.Context(inputs.today, computed_at)
    for done, dimension in enumerate(catalogue.dimensions, start=1):
        asked = measures.ask(connection, catalogue, compiler, dimension)
        is_whole = changes.find(connection, catalogue, dimension)
        if changes.is_nothing(connection):
            progress(done, len(catalogue.dimensions))
            continue
        measures.create_cells(connection, asked)
        changes.remove(connection, dimension, grains, is_whole)
        facts.insert_facts(connection, catalogue, dimension, grains, context)
        changes.remember(connection, catalogue, dimension)
        progress(done, len(catalogue.dimensions))


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    return connection.execute(f"select count(*) from kpi.{table}").fetchall()[0][0]


def _drop_temporary_tables(connection: duckdb.DuckDBPyConnection) -> None:
    names = connection.execute(
        "select table_name from duckdb_tables() where temporary and starts_with(table_name, 'kpi_')"
    ).fetchall()
    for (name,) in names:
        connection.execute(f"drop table temp.{name}")
