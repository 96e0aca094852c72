"""The KPI fact tables: one long table per grain, a row per KPI, period and cut, with all that a number needs beside it.

Columns and their meaning: contract.py. How a row is worked out: rows.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

import duckdb

from dagster_project.kpis.catalogue import Catalogue
from dagster_project.kpis.contract import table_name
from dagster_project.kpis.inputs import fill
from dagster_project.kpis.periods import GRAINS
from dagster_project.kpis.rows import rows_sql

# planning the statement takes 40 ms: for few rows it is planned once for all grains, many are not copied twice
MANY_CELLS = 50_000


@dataclass(frozen=True)
class Context:
    """What rows depend on besides the measures."""

    today: date
    computed_at: datetime


def create_definitions(
    connection: duckdb.DuckDBPyConnection, catalogue: Catalogue, days_of_setting: dict[str, int]
) -> None:
    """Make `kpi_definitions`, what a row must know of its KPI; `days_of_setting` holds the maturity settings."""
    columns = dict.fromkeys(("kpi_id", "kind", "unit", "direction", "version", "grains"), "varchar")
    columns |= dict.fromkeys(("adds_up", "is_rate_with_interval", "is_mean_with_interval"), "boolean")
    columns |= {"mature_after_days": "integer"}
    rows = [
        (
            kpi.id,
            kpi.kind,
            kpi.unit,
            kpi.direction,
            str(kpi.version),
            ",".join(kpi.grains or GRAINS),
            kpi.additivity == "additive",
            kpi.interval == "wilson",
            kpi.interval == "mean",
            days_of_setting[kpi.mature_after["setting"]] if kpi.mature_after else None,
        )
        for kpi in catalogue.kpis.values()
    ]
    fill(connection, "kpi_definitions", columns, rows)


def insert_facts(
    connection: duckdb.DuckDBPyConnection, catalogue: Catalogue, dimension: str, grains: list[str], context: Context
) -> None:
    """Rows of every KPI in one dimension, ordered by KPI, member, model and period."""
    rows = rows_sql(catalogue.lines(dimension))
    values = {"computed_at": context.computed_at, "today": context.today}
    cells = connection.execute("select count(*) from kpi_cells").fetchall()[0][0]
    source = f"({rows})"
    if cells <= MANY_CELLS:
        connection.execute(f"create or replace temp table kpi_rows as {rows}", values)
        source, values = "kpi_rows", {}
    for grain in grains:
        connection.execute(
            f"insert into kpi.{table_name(grain)} select * exclude (grain) from {source} where grain = '{grain}' "
            "order by kpi_id, member, attribution_model, period_start",
            values,
        )
