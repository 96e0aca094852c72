"""What a night costs in CPU seconds: without news, with one changed source, on the next day, and when all is built anew.

Two homes: a handful of rows from files, and the sandbox's company on a month of history and on all that it has. Other
processes on the machine make CPU seconds longer, so each line says how busy it was. Run it alone:

    python -m pytest tests/benchmarks/bench_nightly.py --run-benchmarks -s
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from dagster_project.runs import instance
from dagster_project.sandbox import DEMO_CONFIG, DEMO_TODAY, HISTORY_START, serve
from dagster_project.warehouse.project import PROJECT_FOLDER
from tests.support.dagster_ui import FromFiles

STEPS = ("read_days", "read_listings", "index_raw_days", "dbt_build", "build_kpis", "published__funnelhouse")


def run(environment: dict[str, str], *arguments: str) -> tuple[float, float]:
    """Wall and CPU seconds of one command line, with all that it starts."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "dagster_project.cli", *arguments]
    done = subprocess.run(command, env=environment, cwd=PROJECT_FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - began, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def seconds_by_step(home: Path) -> dict[str, float]:
    with_history = instance.open_instance(home)
    try:
        run_id = with_history.get_run_records(limit=1)[0].dagster_run.run_id
        steps = {stats.step_key: stats for stats in with_history.get_run_step_stats(run_id)}
        return {step: (steps[step].end_time or 0) - (steps[step].start_time or 0) for step in STEPS if step in steps}
    finally:
        with_history.dispose()


def say(night: str, home: Path, environment: dict[str, str], *arguments: str) -> None:
    wall, cpu = run(environment, *arguments)
    steps = ", ".join(f"{step} {seconds:.1f}" for step, seconds in seconds_by_step(home).items())
    print(f"  {night:<22} {cpu:6.1f} CPU s, {wall:6.1f} s (load {os.getloadavg()[0]:.1f}); wall by step: {steps}")


def test_bench_a_night_of_a_small_home(tmp_path: Path) -> None:
    tiny = FromFiles(tmp_path)
    variables = {name: value for name, value in tiny.variables.items() if name != "DBT_EXCLUDE_RESOURCE_TYPES"}
    environment = {**os.environ, **variables}
    print("\na handful of rows from files")
    say("first", tiny.home, environment, "refresh")
    say("without news", tiny.home, environment, "refresh")
    with (tmp_path / "ad_cost.csv").open("a") as costs:
        costs.write("2026-09-29,3,4.50\n")
    say("one changed source", tiny.home, environment, "refresh")
    say("next day", tiny.home, {**environment, "FUNNELHOUSE_TODAY": "2026-10-02"}, "refresh")
    say("all built anew", tiny.home, {**environment, "FUNNELHOUSE_TODAY": "2026-10-02"}, "refresh", "--rebuild")


@pytest.mark.parametrize("days", [30, (DEMO_TODAY - HISTORY_START).days])
def test_bench_a_night(days: int, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with serve(today=DEMO_TODAY) as sandbox:
        environment = {
            **os.environ, **sandbox.env, "PYTHONPATH": str(PROJECT_FOLDER), "FUNNELHOUSE_HOME": str(home),
            "FUNNELHOUSE_CONFIG": str(DEMO_CONFIG), "FUNNELHOUSE_RAW": str(home / "raw"),
        }  # fmt: skip
        start = DEMO_TODAY - timedelta(days=days)
        print(f"\n{days} days of the sandbox's company (its server not counted)")
        period = ("--start", str(start), "--end", str(DEMO_TODAY - timedelta(days=1)))
        say("first", home, environment, "backfill", *period)
        say("without news", home, environment, "refresh")
        sandbox.clock.set(DEMO_TODAY + timedelta(days=1))
        say("next day, all sources", home, environment | sandbox.env, "refresh")
        say("all built anew", home, environment | sandbox.env, "refresh", "--rebuild")
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
        rows = connection.execute("select count(*) from kpi.fct_kpi_daily").fetchall()[0][0]
    print(f"  {rows:,} daily KPI rows")
