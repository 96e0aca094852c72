"""What dbt's DuckDB connection needs beyond profiles.yml: its limits, and access to a raw zone on an object store.

The limits come by code and not by profiles.yml: what stands there is part of dbt's memory of a parse, and another limit
would mean another parse.
"""

from __future__ import annotations

import os
from typing import Any

import duckdb
from dbt.adapters.duckdb.credentials import DuckDBCredentials
from dbt.adapters.duckdb.plugins import BasePlugin

from dagster_project.memory import VARIABLE, memory_limit
from dagster_project.warehouse.connections import limits
from dagster_project.warehouse.extensions import open_raw_root


class Plugin(BasePlugin):
    """Named in profiles.yml; dbt-duckdb calls it for each connection that it opens."""

    def update_connection_config(self, creds: DuckDBCredentials, config: dict[str, Any]) -> None:
        # at the connection, not as `settings`: DuckDB refuses another spill folder once it has spilled
        config.update(limits(creds.path, memory_limit(os.environ.get(VARIABLE))))

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        open_raw_root(conn, os.environ.get("FUNNELHOUSE_RAW", ""))
