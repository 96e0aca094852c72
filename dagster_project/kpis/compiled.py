"""What MetricFlow compiled, kept in the warehouse: compiling takes three of the seconds of a night in which little
changes, and gives the same SQL until the definitions or MetricFlow are others.

`intermediate.kpi_compiled` (digest, query, sql): `digest` names the definitions and MetricFlow's version. It is written in
the transaction of the KPI tables.
"""

from __future__ import annotations

import duckdb

from dagster_project.kpis.compiler import Compiler

TABLE = "intermediate.kpi_compiled"


def recall(connection: duckdb.DuckDBPyConnection, compiler: Compiler) -> None:
    """Tell the compiler what it compiled of the same definitions before."""
    connection.execute("create schema if not exists intermediate")
    connection.execute(f"create table if not exists {TABLE} (digest varchar, query varchar, sql varchar)")
    rows = connection.execute(f"select query, sql from {TABLE} where digest = ?", [compiler.digest]).fetchall()
    compiler.compiled.update(rows)


def remember(connection: duckdb.DuckDBPyConnection, compiler: Compiler) -> None:
    """Keep what this compiler knows, and only that: nobody asks for the SQL of definitions that are gone."""
    if connection.execute(f"select count(*) from {TABLE} where digest = ?", [compiler.digest]).fetchall() == [
        (len(compiler.compiled),)
    ]:
        return
    connection.execute(f"delete from {TABLE}")
    connection.executemany(
        f"insert into {TABLE} values (?, ?, ?)",
        [(compiler.digest, query, sql) for query, sql in compiler.compiled.items()],
    )
