"""The KPI fact tables: one long table per grain, a row per KPI, period and cut, with all that a number needs beside it.

Columns and their meaning: COLUMNS. How a row is worked out: rows.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

import duckdb

from dagster_project.kpis.catalogue import Catalogue
from dagster_project.kpis.inputs import fill
from dagster_project.kpis.periods import GRAINS
from dagster_project.kpis.rows import rows_sql

COLUMNS = {
    "kpi_id": ("varchar", "KPI, key of kpi.dim_kpi."),
    "period_start": ("date", "First day of the period."),
    "period_end": ("date", "Last day of the period, inclusive."),
    "dimension": ("varchar", "What the KPI is cut by: total, channel, campaign ... or two of them, `stage | channel`."),
    "member": ("varchar", "Member of the dimension; `all` for the total."),
    "attribution_model": ("varchar", "Model that credited the conversions; `none` where no model is needed."),
    "numerator": ("double", "Numerator; the value itself for counts and amounts, null for medians."),
    "denominator": ("double", "Denominator; null for counts, amounts and medians."),
    "value": ("double", "The KPI; rates are fractions. Null with a reason."),
    "reason": ("varchar", "Why value is null: zero_denominator, no_spend, no_data, immature, missing_rate."),
    "sample_size": ("bigint", "What was counted: denominator of a rate, events, observations; null for plain amounts."),
    "low_n": ("boolean", "Fewer than 30 in the denominator of a rate, fewer than 10 of anything else."),
    "ci_low": ("double", "Lower end of the 95 % Wilson interval of a rate."),
    "ci_high": ("double", "Upper end of the 95 % Wilson interval of a rate."),
    "is_final": ("boolean", "The period is over and no source restates its days any more."),
    "is_complete": ("boolean", "The period is over and all its days were extracted."),
    "is_mature": ("boolean", "A cohort is as old as its definition asks; true for KPIs that are not cohorts."),
    "quality": ("varchar", "`ok`, or what is wrong with the days behind the number, joined by semicolons."),
    "previous_value": ("double", "Value of the period before; for a running period, of as many days of it."),
    "previous_change": ("double", "Against previous_value: difference for rates and percentages, else relative."),
    "year_ago_value": ("double", "Value of the same period a year earlier (weeks: 52 weeks); running: as many days."),
    "year_ago_change": ("double", "Against year_ago_value: difference for rates and percentages, else relative."),
    "target_value": ("double", "Target for the whole period."),
    "target_to_date": ("double", "Target for the days so far: even by days for amounts that add up, else the whole."),
    "target_status": ("varchar", "met or missed; on_track or behind while the period runs."),
    "definition_version": ("varchar", "Version of the formula that made the row."),
    "computed_at": ("timestamptz", "When the row was made."),
}
KEY = ("kpi_id", "period_start", "dimension", "member", "attribution_model")
# planning the statement takes 40 ms: for few rows it is planned once for all grains, many are not copied twice
MANY_CELLS = 50_000


@dataclass(frozen=True)
class Context:
    """What rows depend on besides the measures."""

    today: date
    computed_at: datetime


def table_name(grain: str) -> str:
    return f"fct_kpi_{GRAINS[grain]}"


def table_grain(grain: str) -> str:
    return f"Grain: KPI, {grain}, dimension, member, attribution model."


def create_definitions(
    connection: duckdb.DuckDBPyConnection, catalogue: Catalogue, days_of_setting: dict[str, int]
) -> None:
    """Make `kpi_definitions`, what a row must know of its KPI; `days_of_setting` holds the maturity settings."""
    columns = dict.fromkeys(("kpi_id", "kind", "unit", "direction", "version"), "varchar")
    columns |= dict.fromkeys(("adds_up", "has_interval"), "boolean")
    columns |= {"mature_after_days": "integer"}
    rows = [
        (
            kpi.id,
            kpi.kind,
            kpi.unit,
            kpi.direction,
            str(kpi.version),
            kpi.additivity == "additive",
            kpi.interval == "wilson",
            days_of_setting[kpi.mature_after["setting"]] if kpi.mature_after else None,
        )
        for kpi in catalogue.kpis.values()
    ]
    fill(connection, "kpi_definitions", columns, rows)


def create_fact_table(connection: duckdb.DuckDBPyConnection, grain: str) -> None:
    """Make the empty table of one grain, with comments on it and on its columns."""
    table = f"kpi.{table_name(grain)}"
    columns = ", ".join(f"{name} {kind}{' not null' if name in KEY else ''}" for name, (kind, _) in COLUMNS.items())
    connection.execute(f"create or replace table {table} ({columns})")
    connection.execute(f"comment on table {table} is '{table_grain(grain)}'")
    for name, (_, description) in COLUMNS.items():
        connection.execute(f"comment on column {table}.{name} is '{description}'")


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
