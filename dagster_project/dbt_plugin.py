"""What dbt's DuckDB connection needs beyond profiles.yml: access to a raw zone on an object store."""

from __future__ import annotations

import os

import duckdb
from dbt.adapters.duckdb.plugins import BasePlugin

from dagster_project.duckdb_extensions import open_raw_root


class Plugin(BasePlugin):
    """Named in profiles.yml; dbt-duckdb calls it for each connection that it opens."""

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        open_raw_root(conn, os.environ.get("FUNNELHOUSE_RAW", ""))
