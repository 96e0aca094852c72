"""What a build reads beside the marts: the clock, the business rules, targets and the state of the streams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import duckdb
import pyarrow as pa

from dagster_project.kpis.periods import GRAINS

SETTINGS = "staging.stg_config__settings"
CLOCK = "staging.stg_config__clock"
TARGETS = ("staging.stg_config__targets", "intermediate.targets")  # in case of doubt the first one holds
STREAMS = "staging.stg_meta__streams"
SUBJECTS = "staging.stg_meta__subjects"
REFUSALS = "staging.stg_meta__refusals"
SOURCE_SUBJECTS = "intermediate.int_source_subjects"
DAYS = "staging.stg_meta__days"


class InputError(Exception):
    """The warehouse lacks something that KPIs are made of; the message names it and the step that makes it."""


@dataclass(frozen=True)
class Inputs:
    """`week_start` counts from Monday = 0, `year_start` (the month that fiscal years begin with) from January = 1.
    `models_by_grain` holds the attribution models of each grain (['all']: all), `days_of_setting` the maturity settings by name."""

    today: date
    week_start: int
    year_start: int
    currency: str
    default_model: str
    models_by_grain: dict[str, list[str]]
    days_of_setting: dict[str, int]


def read_inputs(connection: duckdb.DuckDBPyConnection) -> Inputs:
    """The settings as of the last refresh; makes the temporary tables `kpi_targets` and `kpi_stale`.

    Raises InputError where the marts or the settings are not there.
    """
    needed = [SETTINGS, CLOCK, TARGETS[0], STREAMS, SUBJECTS, REFUSALS, SOURCE_SUBJECTS]
    if missing := [name for name in needed if not exists(connection, name)]:
        raise InputError(f"{', '.join(missing)}: not in the warehouse; `funnelhouse refresh` builds it")
    found = connection.execute(
        "select today, reporting_week_start, reporting_fiscal_year_start_month, reporting_currency, "
        f"attribution_default_model, maturity_to_date_days, {', '.join(f'attribution_models_{grain}' for grain in GRAINS)} "
        f"from {SETTINGS} cross join {CLOCK}"
    ).fetchall()
    if len(found) != 1:
        raise InputError(f"{SETTINGS} and {CLOCK} have {len(found)} rows instead of one; the refresh writes them")
    today, week_start, year_start, currency, default_model, to_date_days, *models = found[0]
    _create_targets(connection)
    _create_stale(connection)
    return Inputs(
        today=today,
        week_start=week_start,
        year_start=year_start,
        currency=currency,
        default_model=default_model,
        models_by_grain={grain: (names or "all").split(",") for grain, names in zip(GRAINS, models, strict=True)},
        days_of_setting={"maturity_to_date_days": to_date_days},
    )


def _create_stale(connection: duckdb.DuckDBPyConnection) -> None:
    """`kpi_stale` (subject, source, last_day): the last read failed, so that days after `last_day` are old or missing;
    `kpi_refused` (subject, stream, date_day, rows): rows that could not be taken, of which day (null: it is not known).

    `last_day` is null where any day may be old: a list without days to settle (ledger, targets, rules) may change all.
    """
    subjects = f"""
        select source, stream, subject from {SOURCE_SUBJECTS}
        union
        select source, stream, subject from {SUBJECTS} where not decides
    """
    connection.execute(
        f"""
        create or replace temp table kpi_stale as
        select distinct subject, source, case when streams.settles_after_days > 0 then streams.last_day end as last_day
        from {STREAMS} as streams join ({subjects}) using (source, stream)
        where streams.is_on and streams.is_stale
        """
    )
    connection.execute(
        f"""
        create or replace temp table kpi_refused as
        select subject, source || '/' || stream as stream, refusals.date_day, refusals.rows
        from {REFUSALS} as refusals
        join ({subjects}) using (source, stream)
        join {STREAMS} as streams using (source, stream)
        where streams.is_on and refusals.rows > 0
        """
    )


def exists(connection: duckdb.DuckDBPyConnection, relation: str) -> bool:
    schema, table = relation.split(".")
    rows = connection.execute(
        "select 1 from information_schema.tables where table_schema = ? and table_name = ?", [schema, table]
    ).fetchall()
    return bool(rows)


def fill(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    columns: Mapping[str, str],
    rows: Sequence[Sequence[object]],
) -> None:
    """Make a temporary table of these rows."""
    kinds = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    connection.execute(f"create or replace temp table {table} ({kinds})")
    insert(connection, table, list(columns), rows)


def insert(
    connection: duckdb.DuckDBPyConnection, table: str, names: Sequence[str], rows: Sequence[Sequence[object]]
) -> None:
    """Insert rows whose values stand in the order of the table's columns. By Arrow: executemany takes 1 ms per row."""
    arrow = pa.table({name: pa.array([row[i] for row in rows]) for i, name in enumerate(names)})
    connection.register("kpi_filled", arrow)
    connection.execute(f"insert into {table} from kpi_filled")
    connection.unregister("kpi_filled")


def _create_targets(connection: duckdb.DuckDBPyConnection) -> None:
    """One target per KPI, grain, period, dimension and member."""
    columns = "kpi_id, grain, period_start, dimension, member, target"
    sources = " union all ".join(
        f"select {columns}, {place} as place from {relation}"
        for place, relation in enumerate(TARGETS)
        if exists(connection, relation)
    )
    connection.execute(
        "create or replace temp table kpi_targets as select kpi_id, grain, period_start, "
        "coalesce(dimension, 'total') as dimension, coalesce(member, 'all') as member, "
        f"min_by(target, (place, target)) as target from ({sources}) group by all"
    )
