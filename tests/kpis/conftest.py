"""Fixtures of the KPI tests: the semantic manifest, and a build over a warehouse made by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dagster_project import kpis
from dagster_project.kpis.compiler import Compiler
from tests.support.kpi_warehouse import Warehouse

STAMP = datetime(2026, 10, 1, 3, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def manifest(semantic_manifest: Path) -> Path:
    return semantic_manifest


@pytest.fixture(scope="session")
def compiler(manifest: Path) -> Compiler:
    return Compiler(manifest)


@pytest.fixture(scope="session")
def build(manifest: Path, compiler: Compiler) -> Callable[..., dict[str, int]]:
    """`build(warehouse)`: all KPI tables of it; gives rows by table."""

    def build_kpis(warehouse: Warehouse, **options: object) -> dict[str, int]:
        warehouse.settle()
        chosen = {"computed_at": STAMP, "compiler": compiler, **options}
        return kpis.build(warehouse.connection, manifest, **chosen)  # type: ignore[arg-type]

    return build_kpis
