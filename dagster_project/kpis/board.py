"""The catalogue as a table, and the headline board: latest complete month and running month of the headline KPIs."""

from __future__ import annotations

from datetime import date

import duckdb

from dagster_project.kpis import contract
from dagster_project.kpis.catalogue import NO_MODEL, TOTAL, Catalogue, Kpi
from dagster_project.kpis.inputs import SOURCE_SUBJECTS, insert
from dagster_project.kpis.periods import GRAINS


def create_dim_kpi(
    connection: duckdb.DuckDBPyConnection, catalogue: Catalogue, currency: str, shown_model: str
) -> None:
    """Make kpi.dim_kpi, one row per KPI; `shown_model` is the attribution model that people are shown."""
    feeding = _feeding_streams(connection)
    described = []
    for kpi in catalogue.kpis.values():
        streams = sorted({stream for subject in catalogue.quality_of(kpi) for stream in feeding.get(subject, ())})
        described.append(_dim_row(catalogue, kpi, currency, shown_model, streams))
    contract.create(connection, "dim_kpi")
    names = list(contract.CATALOGUE_COLUMNS)
    insert(connection, "kpi.dim_kpi", names, [[row[name] for name in names] for row in described])


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
        "currency_code": currency if kpi.unit in ("money", "money/day") else None,
        "direction": kpi.direction,
        "leading_lagging": kpi.timing,
        "owner": kpi.owner,
        "tier": kpi.tier,
        "headline_position": kpi.headline,
        "grains": ", ".join(kpi.grains or GRAINS),
        "default_grain": kpi.grain,
        "formula": kpi.formula,
        "numerator": kpi.made_of.numerator.metric,
        "denominator": kpi.made_of.denominator.metric if kpi.made_of.denominator else None,
        "additivity": kpi.additivity,
        "change": "difference" if kpi.unit in ("rate", "percent", "points") else "relative",
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
    facts = ", ".join(f"f.{name}" for name in contract.BOARD_FACTS)
    contract.create(connection, "kpi_scoreboard")
    connection.execute(
        f"""
        insert into kpi.kpi_scoreboard by name
        with months as (
            select cast(date_trunc('month', $today::date) as date) as running,
                cast(date_trunc('month', $today::date) - interval 1 month as date) as latest
        )
        select d.headline_position as position, d.kpi_id, d.name, d.unit, d.currency_code, d.direction,
            case when f.period_start = months.running then 'running' else 'latest' end as month, {facts}
        from kpi.{contract.table_name("month")} as f
        join kpi.dim_kpi as d using (kpi_id)
        cross join months
        where d.headline_position is not null and f.dimension = '{TOTAL}'
            and f.attribution_model in ('{NO_MODEL}', d.default_model)
            and f.period_start in (months.running, months.latest)
        order by position, f.period_start
        """,
        {"today": today},
    )
