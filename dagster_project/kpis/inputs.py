"""What a build reads beside the marts: the clock, the business rules, targets and the state of the streams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import duckdb
import pyarrow as pa

SETTINGS = "staging.stg_config__settings"
STAGE_MAP = "staging.stg_config__stage_map"
TARGETS = ("staging.stg_config__targets", "staging.stg_files__targets")  # in case of doubt the first one holds
STREAMS = "staging.stg_meta__streams"
DAYS = "staging.stg_meta__days"
LEAD_STAGES = "marts.fct_lead_stages"


class InputError(Exception):
    """The warehouse lacks something that KPIs are made of; the message names it and the step that makes it."""


@dataclass(frozen=True)
class Inputs:
    """`week_start` counts from Monday = 0; `days_of_setting` holds the maturity settings by name."""

    today: date
    week_start: int
    currency: str
    default_model: str
    days_of_setting: dict[str, int]
    unmapped_stages: frozenset[str]


def read_inputs(connection: duckdb.DuckDBPyConnection) -> Inputs:
    """The settings as of the last refresh; makes the temporary tables `kpi_targets` and `kpi_stale`.

    Raises InputError where the marts or the settings are not there.
    """
    needed = [SETTINGS, STAGE_MAP, TARGETS[0], STREAMS, LEAD_STAGES]
    if missing := [name for name in needed if not exists(connection, name)]:
        raise InputError(f"{', '.join(missing)}: not in the warehouse; `funnelhouse refresh` builds it")
    found = connection.execute(
        f"select today, reporting_week_start, reporting_currency, attribution_default_model, maturity_to_date_days "
        f"from {SETTINGS}"
    ).fetchall()
    if len(found) != 1:
        raise InputError(f"{SETTINGS} has {len(found)} rows instead of one; the refresh writes it from funnelhouse.yml")
    today, week_start, currency, default_model, to_date_days = found[0]
    _create_targets(connection)
    connection.execute(
        f"create or replace temp table kpi_stale as "
        f"select distinct domain, source, last_day from {STREAMS} where is_on and is_stale"
    )
    return Inputs(
        today=today,
        week_start=week_start,
        currency=currency,
        default_model=default_model,
        days_of_setting={"maturity_to_date_days": to_date_days},
        unmapped_stages=_unmapped_stages(connection),
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
    """Make a table of these rows, a temporary one if its name is plain. By Arrow: executemany takes 1 ms per row."""
    names, kinds = list(columns), ", ".join(f"{name} {kind}" for name, kind in columns.items())
    scope = "" if "." in table else "temp "
    connection.execute(f"create or replace {scope}table {table} ({kinds})")
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


def _unmapped_stages(connection: duckdb.DuckDBPyConnection) -> frozenset[str]:
    """Stages of the funnel that no CRM value means and no lead ever reached (RULINGS: SAL is no_data until mapped)."""
    rows = connection.execute(
        f"select unnest(['mql', 'sal', 'sql']) as stage except "
        f"(select stage from {STAGE_MAP} union all select stage from {LEAD_STAGES})"
    ).fetchall()
    return frozenset(stage for (stage,) in rows)
