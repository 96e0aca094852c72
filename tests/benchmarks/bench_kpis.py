"""KPI build: seconds and rows for years of history, beside what DuckDB needs for the same SQL and nothing else.

Run it alone:

    python -m pytest tests/benchmarks/bench_kpis.py --run-benchmarks -s
"""

from __future__ import annotations

import resource
import time
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dbt.cli.main import dbtRunner

from dagster_project import kpis
from tests.support.big_marts import big_warehouse

DBT_PROJECT = Path(__file__).resolve().parents[2] / "dbt_project"


class Stopwatch:
    """A connection that keeps the time spent inside DuckDB: wall seconds and CPU seconds of all threads."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection, self.wall, self.cpu = connection, 0.0, 0.0

    def execute(self, *arguments: Any) -> Any:
        wall, cpu = time.perf_counter(), time.process_time()
        result = self._connection.execute(*arguments)
        self.wall += time.perf_counter() - wall
        self.cpu += time.process_time() - cpu
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("target")
    folders = ["--project-dir", DBT_PROJECT, "--profiles-dir", DBT_PROJECT, "--target-path", target]
    assert dbtRunner().invoke(["parse", *map(str, folders), "--log-level-file", "none", "--quiet"]).success
    return target


@pytest.mark.parametrize(
    ("label", "days", "sessions", "leads"),
    [
        ("30 days of a small company", 30, 7_500, 120),
        ("3 years of a small company", 1096, 274_000, 4_400),
        ("3 years, 1 million sessions, 100 thousand leads", 1096, 1_000_000, 100_000),
    ],
)
def test_kpi_build(manifest: Path, tmp_path: Path, label: str, days: int, sessions: int, leads: int) -> None:
    made = big_warehouse(date(2026, 10, 1), days, sessions, leads).connection
    made.execute(f"attach '{tmp_path / 'warehouse.duckdb'}' as warehouse")
    made.execute("copy from database memory to warehouse")
    made.close()
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        stopwatch, wall, cpu = Stopwatch(connection), time.perf_counter(), time.process_time()
        rows = kpis.build(stopwatch, manifest)  # type: ignore[arg-type]
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"\n{label}: {sum(rows.values()):,} rows in {wall:.1f} s ({cpu:.1f} CPU s); inside DuckDB {stopwatch.wall:.1f} s "
        f"({stopwatch.cpu:.1f} CPU s), the rest is MetricFlow and Python: x{cpu / stopwatch.cpu:.2f} of the SQL alone; "
        f"peak memory of the process so far {peak:.1f} GB"
    )
