"""What the KPI tables promise to those who read them: grain, key, columns, types, and what each says. Nothing else states
them: the tables are made by it, Dagster shows it, docs/contract.yml is its snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from dagster_project.kpis.periods import GRAINS

Columns = Mapping[str, tuple[str, str]]  # name -> DuckDB type, what it says


@dataclass(frozen=True)
class Table:
    """One table of the schema kpi. No two rows agree in all of `key`."""

    grain: str
    key: tuple[str, ...]
    columns: Columns


KEY = ("kpi_id", "period_start", "dimension", "member", "attribution_model")
FACT_COLUMNS = {
    "kpi_id": ("varchar", "KPI, key of kpi.dim_kpi."),
    "period_start": ("date", "First day of the period."),
    "period_end": ("date", "Last day of the period, inclusive."),
    "dimension": ("varchar", "What the KPI is cut by: total, channel, campaign ... or two of them, `stage | channel`."),
    "member": ("varchar", "Member of the dimension; `all` for the total."),
    "attribution_model": ("varchar", "Model that credited the conversions; `none` where no model is needed."),
    "numerator": ("double", "Numerator; the value itself for counts and amounts, null for medians and composites."),
    "denominator": ("double", "Denominator; null for counts, amounts, medians and composites."),
    "value": ("double", "The KPI; rates are fractions. Null with a reason."),
    "reason": ("varchar", "Why value is null: zero_denominator, no_spend, no_data, immature, missing_rate."),
    "sample_size": ("bigint", "What was counted: denominator of a rate, events, observations; null for plain amounts."),
    "low_n": ("boolean", "Fewer than 30 in the denominator of a rate or of a score, fewer than 10 of anything else."),
    "ci_low": ("double", "Lower end of the 95 % interval: of a rate by Wilson, of a score the normal one."),
    "ci_high": ("double", "Upper end of the 95 % interval: of a rate by Wilson, of a score the normal one."),
    "is_final": ("boolean", "The period is over and no source restates its days any more."),
    "is_complete": ("boolean", "The period is over and all its days were extracted."),
    "is_mature": ("boolean", "A cohort is as old as its definition asks; true for KPIs that are not cohorts."),
    "quality": ("varchar", "`ok`, or what is wrong with the days behind the number, joined by semicolons."),
    "previous_value": ("double", "Value of the period before; for a running period, of as many days of it."),
    "previous_change": (
        "double",
        "Against previous_value: difference for rates, percentages and points, else relative.",
    ),
    "year_ago_value": ("double", "Value of the same period a year earlier (weeks: 52 weeks); running: as many days."),
    "year_ago_change": (
        "double",
        "Against year_ago_value: difference for rates, percentages and points, else relative.",
    ),
    "target_value": ("double", "Target for the whole period."),
    "target_to_date": ("double", "Target for the days so far: even by days for amounts that add up, else the whole."),
    "target_status": ("varchar", "met or missed; on_track or behind while the period runs."),
    "definition_version": ("varchar", "Version of the formula that made the row."),
    "computed_at": ("timestamptz", "When the row was made."),
}

CATALOGUE_COLUMNS = {
    "kpi_id": ("varchar", "KPI."),
    "name": ("varchar", "Name for people."),
    "description": ("varchar", "What it says, and what to mind."),
    "unit": ("varchar", "count, money, rate (a share, as a fraction), percent (any other fraction), points (of a score), multiple, days or months."),
    "currency_code": ("varchar", "Currency of a KPI whose unit is money."),
    "direction": ("varchar", "Which way is good: higher, lower, context (neither by itself)."),
    "leading_lagging": ("varchar", "leading moves first, lagging confirms."),
    "owner": ("varchar", "Who answers for it."),
    "tier": ("varchar", "core or extended."),
    "headline_position": ("integer", "Place on kpi.kpi_scoreboard; null if not on it."),
    "grains": ("varchar", "Grains that have rows, separated by commas."),
    "default_grain": ("varchar", "The grain it is best read at."),
    "formula": ("varchar", "The formula in words."),
    "numerator": ("varchar", "Metric of the semantic layer; the KPI itself for counts and amounts."),
    "denominator": ("varchar", "Metric of the semantic layer; null where there is none."),
    "additivity": ("varchar", "additive, distinct, median, snapshot (the state at the end), ratio (of sums), cohort (ratio by day of entry) or composite (of several KPIs)."),
    "change": ("varchar", "What previous_change is: difference or relative."),
    "dimensions": ("varchar", "Dimensions that have rows, separated by commas."),
    "model_dimensions": ("varchar", "Those of them with one row per attribution model."),
    "default_model": ("varchar", "The attribution model that people are shown; null where none is needed."),
    "rests_on": ("varchar", "Subjects that it rests on: web, leads, media, rates ..., separated by commas."),
    "streams": ("varchar", "Streams that feed them: source/stream, separated by commas; null if none is on."),
    "maturity": ("varchar", "When a cohort counts; null for KPIs that are not cohorts."),
    "definition_version": ("varchar", "Version of the formula."),
}  # fmt: skip

BOARD_FACTS = (
    "period_start", "period_end", "attribution_model", "value", "reason", "numerator", "denominator", "low_n", "ci_low",
    "ci_high", "is_final", "is_complete", "is_mature", "quality", "previous_value", "previous_change", "year_ago_value",
    "year_ago_change", "target_value", "target_to_date", "target_status", "definition_version", "computed_at",
)  # fmt: skip
BOARD_COLUMNS: Columns = {
    "position": ("integer", "Place on the board."),
    "kpi_id": ("varchar", "KPI, key of kpi.dim_kpi."),
    "name": ("varchar", "Name for people."),
    "unit": ("varchar", "How to show it."),
    "currency_code": ("varchar", "Currency, where the unit is money."),
    "direction": ("varchar", "Which way is good."),
    "month": ("varchar", "latest (the last whole month) or running."),
    **{name: FACT_COLUMNS[name] for name in BOARD_FACTS},
}


DRIVER_COLUMNS: Columns = {
    "kpi_id": FACT_COLUMNS["kpi_id"],
    "grain": ("varchar", "month, quarter or year."),
    "period_start": FACT_COLUMNS["period_start"],
    "compared_with": ("date", "First day of the period before, which it is compared with."),
    "dimension": ("varchar", "The cut whose members the change is split over."),
    "attribution_model": ("varchar", "The model that people are shown; `none` where no model is needed."),
    "member": ("varchar", "Member of the dimension; `(elsewhere)` for what is in no member."),
    "effect": (
        "varchar",
        "volume: an amount or count of its own; rate: its own ratio moved; mix: its weight in the whole moved; alone: a "
        "numerator without any denominator; elsewhere: in the total and in no member.",
    ),
    "contribution": ("double", "In the unit of the KPI; all of a cut add up to total_after - total_before."),
    "value_before": ("double", "The member before."),
    "value_after": ("double", "The member in the period."),
    "total_before": ("double", "The KPI before."),
    "total_after": ("double", "The KPI in the period."),
    "is_final": ("boolean", "Both periods are final."),
    "quality": ("varchar", "`ok`, or what is wrong with the days behind one of the periods."),
}


def table_name(grain: str) -> str:
    return f"fct_kpi_{GRAINS[grain]}"


TABLES = {
    **{
        table_name(grain): Table(f"Grain: KPI, {grain}, dimension, member, attribution model.", KEY, FACT_COLUMNS)
        for grain in GRAINS
    },
    "dim_kpi": Table("Grain: KPI. The catalogue, as the semantic layer defines it.", ("kpi_id",), CATALOGUE_COLUMNS),
    "fct_kpi_drivers": Table(
        "Grain: KPI, grain, period, dimension, member, effect. What moved a KPI against the period before, in parts that add up.",
        ("kpi_id", "grain", "period_start", "dimension", "attribution_model", "member", "effect"),
        DRIVER_COLUMNS,
    ),
    "kpi_scoreboard": Table(
        "Grain: KPI, month. The headline board: latest whole month and running month.",
        ("kpi_id", "month"),
        BOARD_COLUMNS,
    ),
}


def create(connection: duckdb.DuckDBPyConnection, table: str) -> None:
    """Make the empty table, in place of one that may be there, with comments on it and on its columns."""
    of = TABLES[table]
    columns = ", ".join(
        f"{name} {kind}{' not null' if name in of.key else ''}" for name, (kind, _) in of.columns.items()
    )
    connection.execute(f"create or replace table kpi.{table} ({columns})")
    connection.execute(f"comment on table kpi.{table} is '{of.grain}'")
    for name, (_, description) in of.columns.items():
        connection.execute(f"comment on column kpi.{table}.{name} is '{description}'")
