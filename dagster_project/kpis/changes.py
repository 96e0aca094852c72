"""Which KPI rows have to be made again: those whose days, windows, coverage or definitions are no longer what they
were made of.

What the stored rows were made of is remembered by digest (row_digest.py), in the same transaction as the rows, so that a
killed build leaves both as they were. Nothing is told: a refresh, a backfill, a changed rule and a crash are one case.

* `intermediate.kpi_built_with` (dimension, digest): definitions, targets, models, and the code that makes rows.
* `intermediate.kpi_built_periods` (grain, period_start, digest): calendar and coverage of each period.
* `intermediate.kpi_built_days` (dimension, attribution_model, date_day, digest): measures that add up.
* `intermediate.kpi_built_windows` (dimension, attribution_model, grain, period_start, digest): measures that are
  asked for whole windows.

A row rests on three windows of days (its own, the one before, the one a year ago), so that one changed day makes up to
three rows of each grain anew. A row that was not mature may have come of age since; then its period is made again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from hashlib import blake2b
from pathlib import Path

import duckdb

from dagster_project.kpis import contract
from dagster_project.kpis.catalogue import Catalogue
from dagster_project.kpis.contract import table_name
from dagster_project.kpis.rows import rows_sql
from dagster_project.warehouse.row_digest import digest_of

SCHEMA = "intermediate"
_STATE = {
    "kpi_built_with": "dimension varchar, digest varchar",
    "kpi_built_periods": "grain varchar, period_start date, digest uhugeint",
    "kpi_built_days": "dimension varchar, attribution_model varchar, date_day date, digest uhugeint",
    "kpi_built_windows": "dimension varchar, attribution_model varchar, grain varchar, period_start date, digest uhugeint",
}
_THE_BUILD = "(build)"  # the row of kpi_built_with that names the grains and the day of the last build
_FILES = sorted(Path(__file__).parent.glob("*.py"))
_CODE = blake2b(repr([(path.name, path.read_bytes()) for path in _FILES]).encode()).hexdigest()
# state table -> what it is the memory of, and the temporary table of what is not as it was
_REMEMBERED = {
    "kpi_built_days": ("kpi_days", "kpi_changed_days", ("attribution_model", "date_day")),
    "kpi_built_windows": ("kpi_windowed", "kpi_changed_windows", ("attribution_model", "grain", "period_start")),
}


def forget(connection: duckdb.DuckDBPyConnection) -> None:
    """Let the next build make every row anew."""
    for table in _STATE:
        connection.execute(f"drop table if exists {SCHEMA}.{table}")


def prepare(connection: duckdb.DuckDBPyConnection, grains: Sequence[str], today: date) -> None:
    """Make what is missing, and `kpi_moved_periods` (grain, period_start): periods whose coverage is another one now.

    Fact tables of another shape, or of other grains than the last build's, are made anew and nothing of them is kept.
    """
    connection.execute(f"create schema if not exists {SCHEMA}")
    for table, columns in _STATE.items():
        if _columns(connection, SCHEMA).get(table) != columns.split(", "):
            connection.execute(f"create or replace table {SCHEMA}.{table} ({columns})")
    if _known(connection, _THE_BUILD).split("|")[0] != ",".join(grains) or not _has_tables(connection, grains):
        for table in _STATE:
            connection.execute(f"delete from {SCHEMA}.{table}")
        for grain in grains:
            contract.create(connection, table_name(grain))
    connection.execute(
        "create or replace temp table kpi_period_digests as select grain, period_start, "
        f"{digest_of(connection, 'kpi_coverage')} as digest from kpi_coverage group by all"
    )
    connection.execute(
        f"""
        create or replace temp table kpi_moved_periods as
        select grain, period_start
        from kpi_period_digests as new full join {SCHEMA}.kpi_built_periods as built using (grain, period_start)
        where new.digest is distinct from built.digest
        """
    )
    connection.execute(
        f"create or replace temp table kpi_maturing as {_maturing(grains)}",
        {"today": today, "is_another_day": _known(connection, _THE_BUILD) != _build_of(grains, today)},
    )


def find(connection: duckdb.DuckDBPyConnection, catalogue: Catalogue, dimension: str) -> bool:
    """Make `kpi_changed` (grain, period_start, attribution_model) and `kpi_needed` (grain, period_start), its periods
    and those that they are compared with. Returns whether all rows of the dimension are made again.
    """
    is_whole = _known(connection, dimension) != _definition(connection, catalogue, dimension)
    for table in _REMEMBERED:
        _find_differences(connection, table, dimension)
    if is_whole:
        found = "select grain, period_start, attribution_model from kpi_windows join kpi_grain_models using (grain)"
    else:
        found = f"""
            select w.grain, w.period_start, c.attribution_model
            from kpi_changed_days as c
            join kpi_window_days as w using (date_day)
            union
            select w.grain, w.period_start, c.attribution_model
            from kpi_changed_windows as c
            join kpi_windows as w on w.grain = c.grain
                and (w.period_start = c.period_start or w.from_day = c.period_start)
            union
            select grain, period_start, attribution_model from kpi_moved_periods join kpi_grain_models using (grain)
            union
            select grain, period_start, attribution_model from kpi_maturing
            where dimension = '{dimension}'
        """
    connection.execute(f"create or replace temp table kpi_changed as select distinct * from ({found})")
    connection.execute(
        """
        create or replace temp table kpi_needed as
        select distinct grain, period_start from kpi_changed
        union
        select w.grain, w.from_day from kpi_windows as w semi join kpi_changed using (grain, period_start)
        """
    )
    return is_whole


def is_nothing(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether `find` found nothing to make again."""
    return not connection.execute("select 1 from kpi_changed limit 1").fetchall()


def remove(connection: duckdb.DuckDBPyConnection, dimension: str, grains: Sequence[str], is_whole: bool) -> None:
    """Delete the rows that are made again."""
    for grain in grains:
        rows = f"kpi.{table_name(grain)}"
        if is_whole:
            connection.execute(f"delete from {rows} where dimension = ?", [dimension])
            continue
        connection.execute(
            f"delete from {rows} as f using kpi_changed as c where f.dimension = $dimension and c.grain = $grain "
            "and f.period_start = c.period_start and f.attribution_model = c.attribution_model",
            {"dimension": dimension, "grain": grain},
        )


def remember(connection: duckdb.DuckDBPyConnection, catalogue: Catalogue, dimension: str) -> None:
    """The rows of the dimension are now made of what the temporary tables hold."""
    for table, (_, differences, key) in _REMEMBERED.items():
        same = " and ".join(f"b.{name} = d.{name}" for name in key)
        connection.execute(
            f"delete from {SCHEMA}.{table} as b using {differences} as d where b.dimension = '{dimension}' and {same}"
        )
        connection.execute(
            f"insert into {SCHEMA}.{table} by name "
            f"select '{dimension}' as dimension, * from {differences} where digest is not null"
        )
    _know(connection, dimension, _definition(connection, catalogue, dimension))


def finish(connection: duckdb.DuckDBPyConnection, grains: Sequence[str], today: date) -> None:
    """All dimensions are done: remember the periods, the grains and the day."""
    connection.execute(f"delete from {SCHEMA}.kpi_built_periods")
    connection.execute(f"insert into {SCHEMA}.kpi_built_periods from kpi_period_digests")
    _know(connection, _THE_BUILD, _build_of(grains, today))


def forget_cuts(connection: duckdb.DuckDBPyConnection, catalogue: Catalogue, grains: Sequence[str]) -> None:
    """Delete the rows of dimensions that no KPI is cut by any more."""
    tables = [f"kpi.{table_name(grain)}" for grain in grains] + [f"{SCHEMA}.{table}" for table in _REMEMBERED]
    for table in [*tables, f"{SCHEMA}.kpi_built_with"]:
        connection.execute(
            f"delete from {table} where not list_contains($dimensions, dimension)",
            {"dimensions": [*catalogue.dimensions, _THE_BUILD]},
        )


def _find_differences(connection: duckdb.DuckDBPyConnection, table: str, dimension: str) -> None:
    """Make the temporary table of what is not as it was: the key and the new digest, null where nothing is left."""
    relation, differences, key = _REMEMBERED[table]
    names = ", ".join(key)
    connection.execute(
        f"""
        create or replace temp table {differences} as
        select {names}, new.digest
        from (select {names}, {digest_of(connection, relation)} as digest from {relation} group by all) as new
        full join (from {SCHEMA}.{table} where dimension = '{dimension}') as built using ({names})
        where new.digest is distinct from built.digest
        """
    )


def _maturing(grains: Sequence[str]) -> str:
    """Rows that were not mature and may be so today: by their KPI's own number of days, where it has one; a number
    that each member has (stage windows) is not kept in the row."""
    return " union ".join(
        f"""
        select '{grain}' as grain, kpi_id, f.dimension, f.period_start, f.attribution_model
        from kpi.{table_name(grain)} as f join kpi_definitions as d using (kpi_id)
        where $is_another_day and not f.is_mature
            and (d.mature_after_days is null or f.period_end + d.mature_after_days < $today::date)
        """
        for grain in grains
    )


def _definition(connection: duckdb.DuckDBPyConnection, catalogue: Catalogue, dimension: str) -> str:
    """Hash of all that rows of a dimension rest on beside measures and coverage."""
    text = rows_sql(catalogue.lines(dimension))
    tables = [
        connection.execute(f"select {digest_of(connection, table)} from {table}").fetchall()
        for table in ("kpi_definitions", "kpi_targets", "kpi_models", "kpi_grain_models")
    ]
    return blake2b(f"{_CODE}{text}{tables}".encode(), digest_size=16).hexdigest()


def _build_of(grains: Sequence[str], today: date) -> str:
    return f"{','.join(grains)}|{today}"


def _known(connection: duckdb.DuckDBPyConnection, dimension: str) -> str:
    found = connection.execute(
        f"select digest from {SCHEMA}.kpi_built_with where dimension = ?", [dimension]
    ).fetchall()
    return found[0][0] if found else ""


def _know(connection: duckdb.DuckDBPyConnection, dimension: str, digest: str) -> None:
    connection.execute(f"delete from {SCHEMA}.kpi_built_with where dimension = ?", [dimension])
    connection.execute(f"insert into {SCHEMA}.kpi_built_with values (?, ?)", [dimension, digest])


def _has_tables(connection: duckdb.DuckDBPyConnection, grains: Sequence[str]) -> bool:
    there = _columns(connection, "kpi")
    return all(there.get(table_name(grain)) == _promised(table_name(grain)) for grain in grains)


def _promised(table: str) -> list[str]:
    """`name type` of each column, in DuckDB's own words."""
    columns = contract.TABLES[table].columns.items()
    return [f"{name} {kind.replace('timestamptz', 'timestamp with time zone')}" for name, (kind, _) in columns]


def _columns(connection: duckdb.DuckDBPyConnection, schema: str) -> dict[str, list[str]]:
    """Table -> `name type` of each column, in order."""
    rows = connection.execute(
        "select table_name, list(column_name || ' ' || lower(data_type) order by column_index) from duckdb_columns() "
        "where schema_name = ? and database_name = current_database() group by all",
        [schema],
    ).fetchall()
    return dict(rows)
