"""Connections to DuckDB within a limit of memory; what does not fit is spilled beside the database."""

from __future__ import annotations

from pathlib import Path

import duckdb

from dagster_project.memory import memory_limit


def limits(database: Path | str, memory: str | None) -> dict[str, str | bool | int | float | list[str]]:
    """DuckDB's configuration for a database file; `memory` is what memory_limit() gave, None the machine's default.

    The spill folder is the file's own, since two processes that spill into one folder destroy each other's files.
    """
    return {"memory_limit": memory or memory_limit(None), "temp_directory": f"{database}.tmp"}


def opened(database: Path, memory: str | None, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """A connection to a database file, with its limits."""
    return duckdb.connect(str(database), read_only=read_only, config=limits(database, memory))
