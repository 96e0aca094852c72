"""The published tables once more in PostgreSQL, for BI tools that want a server: FUNNELHOUSE_POSTGRES_URL.

Everything is replaced in one transaction, by `delete` and `insert`: readers go on with the rows before it
until the commit, never wait and never see half, not even within one transaction of theirs. (A swap by
renaming schemas lets a statement that is being parsed meet tables of both publishes, shows empty tables to a
`repeatable read` transaction that is older than the swap, and takes views and grants from the tables.) Dead
rows are vacuumed after the commit.

Only a table whose columns have changed is made anew; its readers wait for that one commit. So that new tables
can be read at once: `alter default privileges in schema marts, kpi grant select on tables to <reader>`.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import duckdb

from dagster_project.publish import SCHEMAS, PublishError
from dagster_project.warehouse.connections import limits
from dagster_project.warehouse.extensions import ExtensionError, load_extension

OURS = "Published by Funnelhouse: replaced at every refresh."  # our schemas' comment
LOCK = 0x46484F55  # advisory lock of a publish: a second one waits for the first

# DuckDB's types that PostgreSQL lacks, and what holds the same values there. Whole sums (HUGEINT) stay exact.
CASTS = {
    "HUGEINT": "DECIMAL(38,0)", "UHUGEINT": "DECIMAL(38,0)", "UBIGINT": "DECIMAL(20,0)", "UINTEGER": "BIGINT",
    "USMALLINT": "INTEGER", "UTINYINT": "SMALLINT", "TINYINT": "SMALLINT", "TIMESTAMP_S": "TIMESTAMP",
    "TIMESTAMP_MS": "TIMESTAMP", "TIMESTAMP_NS": "TIMESTAMP", "BIGNUM": "VARCHAR", "BIT": "VARCHAR",
    "TIME WITH TIME ZONE": "VARCHAR",
}  # fmt: skip
NUMBERS = r"SMALLINT|INTEGER|BIGINT|FLOAT|DOUBLE|DECIMAL\(\d+,\d+\)"
PLAIN = rf"BOOLEAN|{NUMBERS}|VARCHAR|DATE|TIME|TIMESTAMP( WITH TIME ZONE)?"
SAME = rf"{PLAIN}|BLOB|UUID|INTERVAL|JSON|({PLAIN})\[\]"


@dataclass(frozen=True)
class _Table:
    schema: str
    name: str
    columns: dict[str, str]  # name -> DuckDB type of the copy

    @property
    def sql(self) -> str:
        return f"{self.schema}.{_name(self.name)}"


def publish_to_postgres(database: Path, url: str, memory: str | None = None) -> dict[str, int]:
    """Make PostgreSQL's schemas marts and kpi hold what the published DuckDB file `database` holds.

    Returns schema.table -> rows. Raises PublishError (without the password); PostgreSQL then has what it had.
    """
    state = "still has the publish before"
    try:
        config = limits(f"{database}.postgres", memory) | {"autoinstall_known_extensions": "false"}
        with duckdb.connect(config=config) as connection:
            load_extension(connection, "postgres_scanner")
            connection.execute("set TimeZone = 'UTC'")
            connection.execute("set pg_null_byte_replacement = ''")  # PostgreSQL's texts cannot hold a zero byte
            connection.execute(f"attach {_text(str(database))} as published (read_only)")
            connection.execute(f"attach {_text(url)} as pg (type postgres)")
            connection.execute("begin")
            try:
                rows = _replace(connection)
                connection.execute("commit")
            except BaseException:
                with contextlib.suppress(duckdb.Error):  # the connection may be gone: then it is rolled back
                    connection.execute("rollback")
                raise
            state = "has this publish, but its tables were not vacuumed"
            _tidy(connection, rows)
            return rows
    except ExtensionError as error:
        raise PublishError(f"PostgreSQL (FUNNELHOUSE_POSTGRES_URL) {state}: {error}") from None
    except duckdb.Error as error:
        said = _without_secrets(str(error), url)
        raise PublishError(f"PostgreSQL (FUNNELHOUSE_POSTGRES_URL) {state}: {said}") from None


def _replace(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    _query(connection, f"select pg_advisory_xact_lock({LOCK})")
    for schema in SCHEMAS:
        _claim(connection, schema)
    wanted = {(t.schema, t.name): t for t in _tables(connection, "published", cast=True)}
    there = {(t.schema, t.name): t for t in _tables(connection, "pg", cast=False)}
    for key in sorted(there.keys() - wanted.keys()):
        connection.execute(f"drop table pg.{there[key].sql}")
    counts = {}
    for key, table in sorted(wanted.items()):
        values = ", ".join(_copied(column, kind) for column, kind in _columns(connection, "published", *key).items())
        if key in there and there[key].columns == table.columns:
            _run(connection, f"delete from {table.sql}")
        else:
            if key in there:
                connection.execute(f"drop table pg.{table.sql}")
            connection.execute(f"create table pg.{table.sql} as select {values} from published.{table.sql} limit 0")
        connection.execute(f"insert into pg.{table.sql} select {values} from published.{table.sql}")
        _copy_comments(connection, table)
        counts[f"{table.schema}.{table.name}"] = connection.execute(
            f"select count(*) from published.{table.sql}"
        ).fetchall()[0][0]
    return counts


def _claim(connection: duckdb.DuckDBPyConnection, schema: str) -> None:
    """The schema, made by us or empty: a schema of the same name that is somebody else's is left alone."""
    found = _query(
        connection,
        "select obj_description(n.oid, 'pg_namespace'), "
        "exists (select from pg_class c where c.relnamespace = n.oid) "
        f"from pg_namespace n where nspname = '{schema}'",
    )
    if found and found[0][0] != OURS and found[0][1]:
        raise PublishError(
            f"PostgreSQL has a schema {schema} that Funnelhouse did not make; nothing was changed. "
            f"Give FUNNELHOUSE_POSTGRES_URL a database of its own (or, if it may be replaced: "
            f"comment on schema {schema} is '{OURS}')"
        )
    if not found:
        _run(connection, f"create schema {schema}")
    if not found or found[0][0] != OURS:
        _run(connection, f"comment on schema {schema} is '{OURS}'")
    connection.execute("call pg_clear_cache()")


def _tables(connection: duckdb.DuckDBPyConnection, catalog: str, *, cast: bool) -> list[_Table]:
    found = connection.execute(
        "select schema_name, table_name from duckdb_tables() "
        "where database_name = ? and schema_name in (select unnest(?))",
        [catalog, list(SCHEMAS)],
    ).fetchall()
    tables = []
    for schema, name in found:
        columns = _columns(connection, catalog, schema, name)
        tables.append(_Table(schema, name, {c: _type_there(kind) for c, kind in columns.items()} if cast else columns))
    return tables


def _columns(connection: duckdb.DuckDBPyConnection, catalog: str, schema: str, name: str) -> dict[str, str]:
    rows = connection.execute(
        "select column_name, data_type from duckdb_columns() "
        "where database_name = ? and schema_name = ? and table_name = ? order by column_index",
        [catalog, schema, name],
    ).fetchall()
    return dict(rows)


def _type_there(kind: str) -> str:
    if kind in CASTS:
        return CASTS[kind]
    if kind.startswith("ENUM("):
        return "VARCHAR"
    return kind if re.fullmatch(SAME, kind) else "JSON"  # structs, maps, lists of them


def _copied(column: str, kind: str) -> str:
    there = _type_there(kind)
    value = (
        _name(column)
        if there == kind
        else f"to_json({_name(column)})"
        if there == "JSON"
        else f"{_name(column)}::{there}"
    )
    return f"{value} as {_name(column)}"


def _copy_comments(connection: duckdb.DuckDBPyConnection, table: _Table) -> None:
    which = "database_name = 'published' and schema_name = ? and table_name = ?"
    columns = connection.execute(
        f"select column_name, comment from duckdb_columns() where {which} order by column_index",
        [table.schema, table.name],
    ).fetchall()
    whole = connection.execute(
        f"select comment from duckdb_tables() where {which}", [table.schema, table.name]
    ).fetchall()
    said = [f"comment on table {table.sql} is {_text(whole[0][0])}"]
    said += [f"comment on column {table.sql}.{_name(column)} is {_text(comment)}" for column, comment in columns]
    _run(connection, "; ".join(said))


def _tidy(connection: duckdb.DuckDBPyConnection, tables: dict[str, int]) -> None:
    """Give the space of deleted rows back, and fresh statistics to the query planner; readers do not wait."""
    for key in tables:
        schema, _, name = key.partition(".")
        vacuum = _text(f"vacuum (analyze) {schema}.{_name(name)}")
        connection.execute(f"call postgres_execute('pg', {vacuum}, use_transaction => false)")


def _run(connection: duckdb.DuckDBPyConnection, statement: str) -> None:
    connection.execute(f"call postgres_execute('pg', {_text(statement)})")


def _query(connection: duckdb.DuckDBPyConnection, statement: str) -> list[tuple]:
    return connection.execute(f"from postgres_query('pg', {_text(statement)})").fetchall()


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(text: str | None) -> str:
    return "null" if text is None else "'" + text.replace("'", "''") + "'"


def _without_secrets(said: str, url: str) -> str:
    password = urlsplit(url).password or ""
    for secret in sorted({url, password, unquote(password), quote(unquote(password))}, key=len, reverse=True):
        said = said.replace(secret, "***") if secret else said
    return said
