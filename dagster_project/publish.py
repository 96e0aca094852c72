"""The read-only copy that BI reads: `<home>/published/funnelhouse.duckdb` and `<home>/published/<schema>/<table>.parquet`.

A publish is a folder, written whole beside the old one; `<home>/published` is a symbolic link that is renamed
to point at it. So the DuckDB file and all Parquet files change together, in one instant: a reader that has
the old file open keeps a consistent picture, a new reader gets the new one, nobody waits, and a publish
that is killed half-way is never seen. The publish before is kept for readers that are between two files.
"""

from __future__ import annotations

import os
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path

import duckdb

SCHEMAS = ("marts", "kpi")
SOURCE_DAYS = ("staging", "stg_meta__days")  # so that `explain` can say when the days behind a number were extracted
DATABASE = "funnelhouse.duckdb"
STORE = ".publishes"
KEPT = 2


class PublishError(Exception):
    """Nothing was published; readers still see the publish before."""


@dataclass(frozen=True)
class Published:
    """What readers see now: `tables` as schema.table -> rows."""

    folder: Path
    tables: dict[str, int]
    bytes_written: int


def publish(warehouse: Path, home: Path) -> Published:
    """Copy the marts and kpi schemas of `warehouse` to a new publish and make it the one that readers see.

    Tables are written in the order of their primary key or of all columns, so equal content has equal bytes.
    Raises PublishError when the warehouse has nothing to publish.
    """
    store = home / STORE
    store.mkdir(parents=True, exist_ok=True)
    folder = store / f"{_next_number(store):06d}-{uuid.uuid4().hex[:6]}.partial"
    folder.mkdir()
    try:
        tables = _copy(warehouse, folder)
        if not any(name.startswith("kpi.") for name in tables):
            raise PublishError(f"{warehouse} holds no KPI tables yet; run `funnelhouse refresh` first")
        _sync(folder)
        finished = folder.with_suffix("")
        folder.rename(finished)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    _point_at(home / "published", finished)
    _tidy(store, finished)
    size = sum(path.stat().st_size for path in finished.rglob("*") if path.is_file())
    return Published(home / "published", tables, size)


def _copy(warehouse: Path, folder: Path) -> dict[str, int]:
    tables: dict[str, int] = {}
    with duckdb.connect(str(folder / DATABASE)) as connection:
        connection.execute(f"attach '{_quoted(warehouse)}' as warehouse (read_only)")
        found = connection.execute(
            "select table_schema, table_name from information_schema.tables "
            "where table_catalog = 'warehouse' "
            "and (table_schema in (select unnest($schemas)) or (table_schema, table_name) = ($staging, $days)) order by all",
            {"schemas": list(SCHEMAS), "staging": SOURCE_DAYS[0], "days": SOURCE_DAYS[1]},
        ).fetchall()
        for schema, table in found:
            connection.execute(f"create schema if not exists {schema}")
            order = _order(connection, schema, table)
            connection.execute(f'create table {schema}."{table}" as from warehouse.{schema}."{table}" order by {order}')
            _copy_comments(connection, schema, table)
            if schema not in SCHEMAS:
                continue
            (folder / schema).mkdir(exist_ok=True)
            parquet = _quoted(folder / schema / f"{table}.parquet")
            connection.execute(f"""copy (from {schema}."{table}") to '{parquet}' (format parquet, compression zstd)""")
            rows = connection.execute(f'select count(*) from {schema}."{table}"').fetchall()
            tables[f"{schema}.{table}"] = rows[0][0]
        connection.execute("detach warehouse")
        connection.execute("checkpoint")
    return tables


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
