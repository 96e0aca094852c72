"""The read-only copy that BI reads: `<home>/published/funnelhouse.duckdb` and `<home>/published/<schema>/<table>.parquet`.

A publish is a folder, written whole beside the old one; `<home>/published` is a symbolic link that is renamed
to point at it. So the DuckDB file and all Parquet files change together, in one instant: a reader that has
the old file open keeps a consistent picture, a new reader gets the new one, nobody waits, and a publish
that is killed half-way is never seen. The publish before is kept for readers that are between two files.

A table that has not changed since the last publish is not written again: the DuckDB file begins as a copy of the
last one, and an unchanged Parquet file is the same file under a second name.
"""

from __future__ import annotations

import os
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.warehouse.connections import opened
from dagster_project.warehouse.row_digest import digest_of

SCHEMAS = ("marts", "kpi")
SOURCE_DAYS = ("staging", "stg_meta__days")  # so that `explain` can say when the days behind a number were extracted
DATABASE = "funnelhouse.duckdb"
REPORT = "report.html"  # written into a publish after it; until then the one before shows what readers saw
STORE = ".publishes"
KEPT = 2
NOTHING_YET = "nothing is published yet; run `funnelhouse refresh`, or `funnelhouse demo` to see it work"


class PublishError(Exception):
    """Nothing was published; readers still see the publish before."""


@dataclass(frozen=True)
class Published:
    """What readers see now: `tables` as schema.table -> rows, `changed` those that the publish before said otherwise."""

    folder: Path
    tables: dict[str, int]
    changed: frozenset[str]
    bytes_written: int


def publish(warehouse: Path, home: Path, memory: str | None = None) -> Published:
    """Copy the marts and kpi schemas of `warehouse` to a new publish and make it the one that readers see.

    Tables are written in the order of their primary key or of all columns, so equal content has equal bytes.
    Raises PublishError when the warehouse has nothing to publish.
    """
    store = home / STORE
    store.mkdir(parents=True, exist_ok=True)
    folder = store / f"{_next_number(store):06d}-{uuid.uuid4().hex[:6]}.partial"
    folder.mkdir()
    try:
        tables, changed = _copy(warehouse, folder, _to_start_from(home / "published"), memory)
        if not any(name.startswith("kpi.") for name in tables):
            raise PublishError(f"{warehouse} holds no KPI tables yet; run `funnelhouse refresh` first")
        _linked(home / "published" / REPORT, folder / REPORT)
        _sync(folder)
        finished = folder.with_suffix("")
        folder.rename(finished)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    _point_at(home / "published", finished)
    _tidy(store, finished)
    size = sum(path.stat().st_size for path in finished.rglob("*") if path.is_file())
    return Published(home / "published", tables, frozenset(changed), size)


def _copy(warehouse: Path, folder: Path, before: Path | None, memory: str | None) -> tuple[dict[str, int], set[str]]:
    """Write the tables into `folder`; those that say what they said in the publish `before` are taken from there.

    Returns the tables with their rows, and those that were written anew or are gone.
    """
    if before is not None:
        shutil.copyfile(before / DATABASE, folder / DATABASE)
    tables: dict[str, int] = {}
    with opened(folder / DATABASE, memory) as connection:
        connection.execute(f"attach '{_quoted(warehouse)}' as warehouse (read_only)")
        found = connection.execute(
            "select table_schema, table_name from information_schema.tables "
            "where table_catalog = 'warehouse' "
            "and (table_schema in (select unnest($schemas)) or (table_schema, table_name) = ($staging, $days)) order by all",
            {"schemas": list(SCHEMAS), "staging": SOURCE_DAYS[0], "days": SOURCE_DAYS[1]},
        ).fetchall()
        changed = _drop_others(connection, found)
        for schema, table in found:
            connection.execute(f"create schema if not exists {schema}")
            before_said = _said(connection, _OURS, schema, table)
            is_same = bool(before_said) and before_said == _said(connection, "warehouse", schema, table)
            if not is_same:
                changed.add(f"{schema}.{table}")
                order = _order(connection, schema, table)
                connection.execute(
                    f'create or replace table {schema}."{table}" as from warehouse.{schema}."{table}" order by {order}'
                )
                _copy_comments(connection, schema, table)
            if schema not in SCHEMAS:
                continue
            file = Path(schema, f"{table}.parquet")
            (folder / schema).mkdir(exist_ok=True)
            if not (before and is_same and _linked(before / file, folder / file)):
                connection.execute(
                    f"""copy (from {schema}."{table}") to '{_quoted(folder / file)}' (format parquet, compression zstd)"""
                )
            rows = connection.execute(f'select count(*) from {schema}."{table}"').fetchall()
            tables[f"{schema}.{table}"] = rows[0][0]
        connection.execute("detach warehouse")
        connection.execute("checkpoint")
    return tables, changed


_OURS = DATABASE.removesuffix(".duckdb")  # DuckDB's name for the file that is open


def _said(connection: duckdb.DuckDBPyConnection, database: str, schema: str, table: str) -> list[Any]:
    """All that readers see of a table, its rows as a count and a digest; empty where there is none."""
    place = [database, schema, table]
    columns = connection.execute(
        "select column_name, data_type, comment from duckdb_columns() "
        "where database_name = ? and schema_name = ? and table_name = ? order by column_index",
        place,
    ).fetchall()
    if not columns:
        return []
    comments = connection.execute(
        "select comment from duckdb_tables() where database_name = ? and schema_name = ? and table_name = ?", place
    ).fetchall()
    relation = f'"{database}".{schema}."{table}"'
    rows = connection.execute(f"select count(*), {digest_of(connection, relation)} from {relation}").fetchall()
    return [columns, [comment for (comment,) in comments if comment is not None], rows]


def _drop_others(connection: duckdb.DuckDBPyConnection, found: list[tuple[str, str]]) -> set[str]:
    """Take out the tables of the publish before that the warehouse has no more, and return them."""
    ours = connection.execute("select schema_name, table_name from duckdb_tables() where database_name = ?", [_OURS])
    gone = [each for each in ours.fetchall() if each not in found]
    for schema, table in gone:
        connection.execute(f'drop table {schema}."{table}"')
    return {f"{schema}.{table}" for schema, table in gone}


def _linked(existing: Path, new: Path) -> bool:
    """The same file under a second name: nothing is written, and tidying one publish leaves the other's."""
    try:
        os.link(existing, new)
    except OSError:  # a file system without hard links, or somebody removed the file
        return False
    return True


def _to_start_from(link: Path) -> Path | None:
    """The publish that the next one is made from: the one that readers see, unless its file is missing, of no use to
    this DuckDB or more than half empty (each publish leaves holes where changed tables were)."""
    if not (link / DATABASE).is_file():
        return None
    try:
        with duckdb.connect(str(link / DATABASE), read_only=True) as connection:
            sizes = connection.execute("select used_blocks, free_blocks from pragma_database_size()").fetchall()
    except duckdb.Error:
        return None
    used, free = sizes[0]
    return link.resolve() if free <= used else None


def _order(connection: duckdb.DuckDBPyConnection, schema: str, table: str) -> str:
    keys = connection.execute(
        "select constraint_column_names from duckdb_constraints() where database_name = 'warehouse' "
        "and schema_name = ? and table_name = ? and constraint_type = 'PRIMARY KEY'",
        [schema, table],
    ).fetchall()
    return ", ".join(f'"{name}"' for name in keys[0][0]) if keys else "all"


def _copy_comments(connection: duckdb.DuckDBPyConnection, schema: str, table: str) -> None:
    columns = connection.execute(
        "select column_name, comment from duckdb_columns() where database_name = 'warehouse' "
        "and schema_name = ? and table_name = ? and comment is not null",
        [schema, table],
    ).fetchall()
    for column, comment in columns:
        connection.execute(f"""comment on column {schema}."{table}"."{column}" is '{_quoted(comment)}'""")
    whole = connection.execute(
        "select comment from duckdb_tables() where database_name = 'warehouse' "
        "and schema_name = ? and table_name = ? and comment is not null",
        [schema, table],
    ).fetchall()
    for (comment,) in whole:
        connection.execute(f"""comment on table {schema}."{table}" is '{_quoted(comment)}'""")


def _quoted(text: object) -> str:
    return str(text).replace("'", "''")


def _next_number(store: Path) -> int:
    numbers = [int(path.name[:6]) for path in store.iterdir() if path.name[:6].isdigit()]
    return max(numbers, default=0) + 1


def _sync(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _point_at(link: Path, folder: Path) -> None:
    temporary = link.with_name(f".{link.name}.{uuid.uuid4().hex[:6]}")
    temporary.symlink_to(os.path.relpath(folder, link.parent))
    os.replace(temporary, link)


def _tidy(store: Path, current: Path) -> None:
    whole = sorted(path for path in store.iterdir() if not path.name.endswith(".partial"))
    outdated = [path for path in whole[:-KEPT] if path != current]
    abandoned = [path for path in store.iterdir() if path.name.endswith(".partial")]
    for path in (*outdated, *abandoned):
        shutil.rmtree(path, ignore_errors=True)
