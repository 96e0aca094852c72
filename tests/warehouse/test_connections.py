"""DuckDB keeps within its limit, and spills beside the database: our own connections and dbt's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dagster_project.memory import memory_limit
from dagster_project.settings import load_settings
from dagster_project.warehouse.connections import opened
from tests.support.house import DbtProject

BIG = "create temp table big as select i, md5(cast(i as varchar)) as text from range(3_000_000) as t (i)"  # some 140 MB


def test_the_limit_is_three_fifths_of_the_machine_unless_set(tmp_path: Path) -> None:
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 0 < int(load_settings({}, folder=tmp_path).memory_limit.removesuffix("MB")) * 1000**2 <= 0.6 * machine
    settings = load_settings({"FUNNELHOUSE_MEMORY_LIMIT": "1 gib"}, folder=tmp_path)
    assert settings.memory_limit == "1073MB"
    assert settings.dbt_environment()["FUNNELHOUSE_MEMORY_LIMIT"] == "1073MB"


def test_the_smallest_limit_may_be_given_on(tmp_path: Path) -> None:
    assert memory_limit(memory_limit("512MB")) == "512MB"


def test_what_does_not_fit_is_spilled_beside_the_database(tmp_path: Path) -> None:
    with opened(tmp_path / "warehouse.duckdb", "512MB") as connection:
        assert connection.execute("select current_setting('memory_limit')").fetchone() == ("488.2 MiB",)
        connection.execute("set memory_limit = '60MB'")
        connection.execute(BIG)
        assert list((tmp_path / "warehouse.duckdb.tmp").iterdir())
    assert [path.name for path in tmp_path.iterdir()] == ["warehouse.duckdb"]


def test_dbt_keeps_the_limit_and_goes_on_after_it_spilled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("dbt", "home"):
        (tmp_path / folder).mkdir()
    monkeypatch.setenv("FUNNELHOUSE_MEMORY_LIMIT", "512MB")
    project = DbtProject(tmp_path / "dbt")
    spilled_twice = """
        {%- if execute -%}
            {%- do run_query("set memory_limit = '60MB'") -%}
            {%- do run_query("BIG") -%}
            {%- do run_query("set memory_limit = '512MB'") -%}
        {%- endif -%}
        select current_setting('memory_limit') as memory, current_setting('temp_directory') as spill
    """.replace("BIG", BIG)
    result = project.run(tmp_path / "home", "show", "--inline", spilled_twice)
    assert result.success, result.exception
    assert [tuple(row) for row in result.result.results[0].agate_table.rows] == [
        ("488.2 MiB", f"{project.link}/warehouse.duckdb.tmp")
    ]
