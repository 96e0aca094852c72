"""The catalogue as a table, and the headline board: latest complete month and running month of the headline KPIs."""

from __future__ import annotations

from datetime import date

import duckdb

from dagster_project.kpis.catalogue import NO_MODEL, TOTAL, Catalogue, Kpi
from dagster_project.kpis.facts import COLUMNS, table_name
from dagster_project.kpis.inputs import SOURCE_SUBJECTS, fill

DIM_GRAIN = "Grain: KPI. The catalogue, as the semantic layer defines it."
BOARD_GRAIN = "Grain: KPI, month. The headline board: latest whole month and running month."

DIM_COLUMNS = {
    "kpi_id": ("varchar", "KPI."),
    "name": ("varchar", "Name for people."),
    "description": ("varchar", "What it says, and what to mind."),
    "unit": ("varchar", "count, money, rate (a share, as a fraction), percent (any other fraction), multiple or days."),
    "currency_code": ("varchar", "Currency of a KPI whose unit is money."),
    "direction": ("varchar", "Which way is good: higher, lower, context (neither by itself)."),
    "leading_lagging": ("varchar", "leading moves first, lagging confirms."),
    "owner": ("varchar", "Who answers for it."),
    "tier": ("varchar", "core or extended."),
    "headline_position": ("integer", "Place on kpi.kpi_scoreboard; null if not on it."),
    "default_grain": ("varchar", "The grain it is best read at; every grain has rows."),
    "formula": ("varchar", "The formula in words."),
    "numerator": ("varchar", "Metric of the semantic layer; the KPI itself for counts and amounts."),
    "denominator": ("varchar", "Metric of the semantic layer; null where there is none."),
    "additivity": ("varchar", "additive, distinct, median, ratio (of sums) or cohort (ratio by day of entry)."),
    "change": ("varchar", "What previous_change is: difference or relative."),
    "dimensions": ("varchar", "Dimensions that have rows, separated by commas."),
    "model_dimensions": ("varchar", "Those of them with one row per attribution model."),
    "default_model": ("varchar", "The attribution model that people are shown; null where none is needed."),
    "rests_on": ("varchar", "Subjects that it rests on: web, leads, media, rates ..., separated by commas."),
    "streams": ("varchar", "Streams that feed them: source/stream, separated by commas; null if none is on."),
    "maturity": ("varchar", "When a cohort counts; null for KPIs that are not cohorts."),
    "definition_version": ("varchar", "Version of the formula."),
}  # fmt: skip

# board column -> what it says; the other columns are those of the fact tables
BOARD_COLUMNS = {
    "position": "Place on the board.",
    "kpi_id": "KPI, key of kpi.dim_kpi.",
    "name": "Name for people.",
    "unit": "How to show it.",
    "currency_code": "Currency, where the unit is money.",
    "direction": "Which way is good.",
    "month": "latest (the last whole month) or running.",
}
BOARD_FACTS = (
    "period_start", "period_end", "attribution_model", "value", "reason", "numerator", "denominator", "low_n", "ci_low",
    "ci_high", "is_final", "is_complete", "is_mature", "quality", "previous_value", "previous_change", "year_ago_value",
    "year_ago_change", "target_value", "target_to_date", "target_status", "definition_version", "computed_at",
)  # fmt: skip


def create_dim_kpi(
    connection: duckdb.DuckDBPyConnection, catalogue: Catalogue, currency: str, shown_model: str
) -> None:
    """Make kpi.dim_kpi, one row per KPI; `shown_model` is the attribution model that people are shown."""
    feeding = _feeding_streams(connection)
    described = []
    for kpi in catalogue.kpis.values():
        streams = sorted({stream for subject in catalogue.quality_of(kpi) for stream in feeding.get(subject, ())})
        described.append(_dim_row(catalogue, kpi, currency, shown_model, streams))
    columns = {name: kind for name, (kind, _) in DIM_COLUMNS.items()}
    fill(connection, "kpi.dim_kpi", columns, [[row[name] for name in columns] for row in described])
    connection.execute(f"comment on table kpi.dim_kpi is '{DIM_GRAIN}'")
    for name, (_, description) in DIM_COLUMNS.items():
        connection.execute(f"comment on column kpi.dim_kpi.{name} is '{description}'")


def _feeding_streams(connection: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """Subject -> the streams that are on and feed it."""
    rows = connection.execute(f"select distinct subject, source || '/' || stream from {SOURCE_SUBJECTS}").fetchall()
    found: dict[str, list[str]] = {}
    for subject, stream in rows:
        found.setdefault(subject, []).append(stream)
    return found


def _dim_row(catalogue: Catalogue, kpi: Kpi, currency: str, shown_model: str, streams: list[str]) -> dict[str, object]:
    return {
        "kpi_id": kpi.id,
        "name": kpi.name,
        "description": kpi.description,
        "unit": kpi.unit,
        "currency_code": currency if kpi.unit == "money" else None,
        "direction": kpi.direction,
        "leading_lagging": kpi.timing,
        "owner": kpi.owner,
        "tier": kpi.tier,
        "headline_position": kpi.headline,
        "default_grain": kpi.grain,
        "formula": kpi.formula,
        "numerator": kpi.made_of.numerator.metric,
        "denominator": kpi.made_of.denominator.metric if kpi.made_of.denominator else None,
        "additivity": kpi.additivity,
        "change": "difference" if kpi.unit in ("rate", "percent") else "relative",
        "dimensions": ", ".join(kpi.dimensions),
        "model_dimensions": ", ".join(kpi.model_cuts or []) or None,
        "default_model": shown_model if kpi.model_cuts else None,
        "rests_on": ", ".join(catalogue.quality_of(kpi)),
        "streams": ", ".join(streams) or None,
        "maturity": _maturity(kpi),
        "definition_version": str(kpi.version),
    }


def _maturity(kpi: Kpi) -> str | None:
    if kpi.immature_until:
        return "no value before its youngest entrants had the whole window"
    if kpi.mature_after:
        return "to date: shown at once, mature when its youngest members are old enough"
    return None


def create_scoreboard(connection: duckdb.DuckDBPyConnection, today: date) -> None:
    """Make kpi.kpi_scoreboard from the monthly facts, with the model that people are shown where one is needed."""
    facts = ", ".join(f"f.{name}" for name in BOARD_FACTS)
    connection.execute(
        f"""
        create or replace table kpi.kpi_scoreboard as
        with months as (
            select cast(date_trunc('month', $today::date) as date) as running,
                cast(date_trunc('month', $today::date) - interval 1 month as date) as latest
        )
        select d.headline_position as position, d.kpi_id, d.name, d.unit, d.currency_code, d.direction,
            case when f.period_start = months.running then 'running' else 'latest' end as month, {facts}
        from kpi.{table_name("month")} as f
        join kpi.dim_kpi as d using (kpi_id)
        cross join months
        where d.headline_position is not null and f.dimension = '{TOTAL}'
            and f.attribution_model in ('{NO_MODEL}', d.default_model)
            and f.period_start in (months.running, months.latest)
        order by position, f.period_start
        """,
        {"today": today},
    )
    connection.execute(f"comment on table kpi.kpi_scoreboard is '{BOARD_GRAIN}'")
    repeated = {name: COLUMNS[name][1] for name in BOARD_FACTS}
    for name, description in (BOARD_COLUMNS | repeated).items():
        connection.execute(f"comment on column kpi.kpi_scoreboard.{name} is '{description}'")
