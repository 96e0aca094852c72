"""Fixtures of the KPI tests: the semantic manifest, parsed once a session, and a build over a warehouse made by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from dbt.cli.main import dbtRunner
from kpi_warehouse import Warehouse

from dagster_project import kpis
from dagster_project.kpis.compiler import Compiler

DBT_PROJECT = Path(__file__).resolve().parents[2] / "dbt_project"
STAMP = datetime(2026, 10, 1, 3, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of semantic_manifest.json of the dbt project as it stands."""
    target = tmp_path_factory.mktemp("dbt_target")
    folders = ["--project-dir", DBT_PROJECT, "--profiles-dir", DBT_PROJECT, "--target-path", target]
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("FUNNELHOUSE_HOME", str(target))
        parsed = dbtRunner().invoke(["parse", *map(str, folders), "--log-level-file", "none", "--quiet"])
    assert parsed.success, parsed.exception
    return target


@pytest.fixture(scope="session")
def compiler(manifest: Path) -> Compiler:
    return Compiler(manifest)


@pytest.fixture(scope="session")
def build(manifest: Path, compiler: Compiler) -> Callable[..., dict[str, int]]:
    """`build(warehouse)`: all KPI tables of it; gives rows by table."""

    def build_kpis(warehouse: Warehouse, **options: object) -> dict[str, int]:
        chosen = {"computed_at": STAMP, "compiler": compiler, **options}
        return kpis.build(warehouse.connection, manifest, **chosen)  # type: ignore[arg-type]

    return build_kpis
