"""The dbt project compiled for Spark without Spark and Java: dbt's own adapter over a connection that always answers
one day."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

from dbt.adapters.contracts.connection import ConnectionState
from dbt.adapters.spark.connections import SparkConnectionManager
from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest

from tests.support.house import DBT_PROJECT

PROFILE = "funnelhouse: {target: spark, outputs: {spark: {type: spark, method: session, host: none, schema: marts, threads: 2}}}"
EMPTY = "{name: empty, version: 1.0.0, profile: funnelhouse, macro-paths: [], model-paths: []}"


class OneDay:
    """A connection and its cursor: there is no table yet, every query has one row, the day 2026-01-01.

    The project asks while it compiles for nothing but the days that were built or extracted lately.
    """

    description = (("date_day", "string", None, None, None, None, True),)

    def cursor(self) -> OneDay:
        return OneDay()

    def execute(self, sql: str, bindings: Any = None) -> None:
        self.rows = [] if "show table" in sql else [("2026-01-01",)]

    def fetchall(self) -> list[tuple[str]]:
        return self.rows

    def fetchmany(self, size: int) -> list[tuple[str]]:
        return self.rows

    def cancel(self) -> None: ...

    def close(self) -> None: ...

    def rollback(self) -> None: ...


def opened(cls: type, connection: Any) -> Any:
    connection.handle, connection.state = OneDay(), ConnectionState.OPEN
    return connection


class SparkProject:
    """The project as it was parsed for DuckDB (parsing it anew costs some ten seconds), with dbt's own macros for Spark.

    Without databases: Spark knows schemas only. dbt writes into `folder`, and compiles with the macros that it found first.
    """

    def __init__(self, parsed: Manifest, folder: Path) -> None:
        self.folder = folder
        (folder / "profiles.yml").write_text(PROFILE)
        (folder / "dbt_project.yml").write_text(EMPTY)
        self.manifest = parsed.deepcopy()
        self.manifest.macros.update(self._invoke(None, folder, "parse").macros)
        for node in (*self.manifest.nodes.values(), *self.manifest.sources.values()):
            node.database = None  # type: ignore[assignment]

    def _invoke(self, manifest: Manifest | None, project: Path, *command: str) -> Any:
        folders = ["--project-dir", project, "--profiles-dir", self.folder, "--target-path", self.folder / "target"]
        options = ["--log-level", "none", "--log-level-file", "none", "--no-write-json", "--quiet"]
        with (
            patch.dict(sys.modules, {"pyspark": ModuleType("pyspark")}),  # dbt asks whether it is there, not what it is
            patch.object(SparkConnectionManager, "open", classmethod(opened)),
        ):
            done = dbtRunner(manifest=manifest).invoke([*command, *map(str, folders), *options])
        if done.result is None:
            raise AssertionError(str(done.exception))
        return done.result

    def compiled(self, *select: str) -> dict[str, str]:
        """The SQL of each model and data test by its name; AssertionError with dbt's words where one does not compile."""
        arguments = ["--select", *select] if select else []
        results = self._invoke(
            self.manifest, DBT_PROJECT, "compile", "--no-populate-cache", "--indirect-selection", "empty", *arguments
        )
        wrong = [f"{each.node.name}: {each.message}" for each in results if each.status != "success"]
        assert not wrong, "\n".join(wrong)
        nodes = [each.node for each in results if each.node.resource_type in ("model", "test")]
        return {node.name: node.compiled_code for node in nodes if node.language == "sql"}
