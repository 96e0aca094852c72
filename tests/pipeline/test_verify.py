"""`funnelhouse verify --rebuild` finds what somebody did to a home, names it and nothing else, and changes nothing."""

from __future__ import annotations

from pathlib import Path

import duckdb

from dagster_project.runs.verify import compare
from tests.support.dagster_ui import FromFiles


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")
    }


def test_what_was_tampered_with_is_found_and_nothing_else(published_from_files: FromFiles) -> None:
    home = published_from_files.home
    with duckdb.connect(str(home / "warehouse.duckdb")) as warehouse:
        warehouse.execute("update marts.fct_leads set channel = 'Affiliates' where lead_id like '%l1'")
        assert warehouse.execute("select count(*) from marts.fct_leads where channel = 'Affiliates'").fetchall() == [
            (1,)
        ]
        key = "kpi_id = 'leads' and period_start = date '2026-09-30' and dimension = 'total'"
        warehouse.execute(f"update kpi.fct_kpi_daily set value = value + 1 where {key}")
        warehouse.execute("delete from kpi.fct_kpi_weekly where kpi_id = 'sessions' and dimension = 'total'")
        gone = warehouse.execute("select count(*) from kpi.fct_kpi_daily where computed_at is null").fetchall()
        warehouse.execute("update kpi.fct_kpi_monthly set computed_at = now()")  # may differ
    assert gone == [(0,)]
    before = contents(home)

    said = " ".join(published_from_files.run("verify", "--rebuild", code=1).split())

    assert said.count("differs") == 3, said
    assert "warehouse, marts.fct_leads: 1 rows that a rebuild does not give, 1 that it gives are missing" in said
    assert "warehouse, kpi.fct_kpi_daily: 1 rows that a rebuild does not give, 1 that it gives are missing" in said
    assert "leads · 2026-09-30 · total · all · none" in said
    assert "warehouse, kpi.fct_kpi_weekly: 0 rows that a rebuild does not give" in said
    assert contents(home) == before


def test_the_last_digits_of_a_sum_of_doubles_are_no_difference(tmp_path: Path) -> None:
    """Threads add in any order; a row more, a null or a real difference is one."""
    rows = {
        "home": "('a', 0.30000000000000004), ('a', 5.0), ('b', 1e12), ('c', 1.0), ('d', null), ('e', 2.0), ('e', 2.0)",
        "rebuilt": "('a', 0.3), ('a', 5.0), ('b', 1e12 + 0.001), ('c', 1.000001), ('d', 0.0), ('e', 2.0)",
    }
    for name, values in rows.items():
        with duckdb.connect(str(tmp_path / name)) as connection:
            connection.execute("create schema marts")
            connection.execute("create table marts.t as from (values " + values + ") as t (member, seconds)")
            connection.execute("alter table marts.t alter seconds type double")
    (difference,) = compare("warehouse", tmp_path / "home", tmp_path / "rebuilt")
    assert (difference.only_in_home, difference.only_in_rebuild) == (3, 2)  # c, d and the second e; c and d


def test_tables_that_are_missing_or_of_other_columns_are_named(tmp_path: Path) -> None:
    for name, columns in (("home", "a integer, b integer"), ("rebuilt", "a integer")):
        with duckdb.connect(str(tmp_path / name)) as connection:
            connection.execute("create schema marts")
            connection.execute(f"create table marts.t ({columns})")
            connection.execute(f"create table marts.only_{name} (a integer)")
    said = [str(difference) for difference in compare("warehouse", tmp_path / "home", tmp_path / "rebuilt")]
    assert said == [
        "warehouse, marts.only_home: a rebuild does not give it",
        "warehouse, marts.only_rebuilt: a rebuild gives it, here it is not",
        "warehouse, marts.t: it has other columns than a rebuild gives; `funnelhouse refresh` makes them",
    ]
