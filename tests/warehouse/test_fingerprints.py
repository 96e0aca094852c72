"""What is built again when something changes: exactly what the change can reach, in a small project of our own."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dagster_project.warehouse import fingerprints, steps
from dagster_project.warehouse.fingerprints import Built

# a source and the rules; two staging views, an intermediate table over both, a mart beside it, a test of each
PARENTS = {
    "seed.p.names": [],
    "model.p.stg_orders": ["source.p.raw_shop.orders"],
    "model.p.stg_clicks": ["source.p.raw_shop.clicks"],
    "model.p.stg_rules": ["source.p.raw_config.rules"],
    "model.p.int_joined": ["model.p.stg_orders", "model.p.stg_clicks", "seed.p.names"],
    "model.p.fct_orders": ["model.p.int_joined", "model.p.stg_rules"],
    "model.p.fct_clicks": ["model.p.stg_clicks"],
    "test.p.orders": ["model.p.fct_orders"],
    "test.p.clicks": ["model.p.fct_clicks", "model.p.int_joined"],
}
VIEWS = ("model.p.stg_orders", "model.p.stg_clicks", "model.p.stg_rules")


def node(name: str, parents: list[str]) -> dict[str, Any]:
    kind, _, short = name.split(".")
    materialized = "view" if name in VIEWS else "table"
    return {
        "resource_type": kind, "name": short, "alias": short, "schema": "main", "raw_code": f"select '{short}'",
        "depends_on": {"nodes": parents, "macros": []}, "config": {"materialized": materialized},
        "created_at": random.random(),
    }  # fmt: skip


@pytest.fixture
def manifest() -> dict[str, Any]:
    return {
        "metadata": {"project_name": "p"},
        "nodes": {name: node(name, parents) for name, parents in PARENTS.items()},
        "sources": {
            f"source.p.{source}.{table}": {"resource_type": "source", "source_name": source, "name": table}
            for source, table in (("raw_shop", "orders"), ("raw_shop", "clicks"), ("raw_config", "rules"))
        },
        "macros": {
            "macro.p.ours": {"package_name": "p", "macro_sql": "1"},
            "macro.dbt.theirs": {"package_name": "dbt", "macro_sql": "1"},
        },
    }


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("dbt_project.yml", "profiles.yml"):
        (tmp_path / name).write_text("a: 1\n")
    return tmp_path


@pytest.fixture
def connection() -> duckdb.DuckDBPyConnection:
    """A warehouse in which everything stands; the view of the rules gives one row."""
    connection = duckdb.connect()
    connection.execute("create table rules as select 1 as today")
    for name in PARENTS:
        kind, _, short = name.split(".")
        if kind != "test":
            what, rows = ("view", "from rules") if name in VIEWS else ("table", "select 1 as a")
            connection.execute(f"create {what} {short} as {rows}")
    return connection


STREAMS = {"shop.orders": "1", "shop.clicks": "1", "config.rules": "1"}


class Night:
    """Builds what is dirty, and says what that was; as warehouse/build.py does it, without dbt."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, project: Path) -> None:
        self.connection, self.project = connection, project

    def dirty(self, manifest: dict[str, Any], streams: dict[str, str]) -> set[str]:
        codes = fingerprints.codes(manifest, self.project)
        built = fingerprints.recall(self.connection)
        rows = fingerprints.rows_of_views(self.connection, manifest, codes, built)
        now = fingerprints.fingerprints(manifest, codes, streams, rows)
        there = fingerprints.relations(self.connection)
        return fingerprints.dirty(manifest, list(manifest["nodes"]), now, built, there)

    def passes(self, manifest: dict[str, Any], streams: dict[str, str]) -> set[str]:
        dirty = self.dirty(manifest, streams)
        codes = fingerprints.codes(manifest, self.project)
        before = fingerprints.recall(self.connection)
        fingerprints.forget(self.connection, dirty)
        built = {**before, **{name: Built(codes[name], "", "") for name in dirty}}
        rows = fingerprints.rows_of_views(self.connection, manifest, codes, built)
        now = fingerprints.fingerprints(manifest, codes, streams, rows)
        fingerprints.remember(self.connection, {name: Built(codes[name], now[name], "{}") for name in dirty})
        return {name.rpartition(".")[2] if not name.startswith("test") else name for name in dirty}


@pytest.fixture
def night(connection: duckdb.DuckDBPyConnection, project: Path, manifest: dict[str, Any]) -> Night:
    night = Night(connection, project)
    assert night.dirty(manifest, STREAMS) == set(PARENTS)
    night.passes(manifest, STREAMS)
    assert night.dirty(manifest, STREAMS) == set()
    return night


def test_a_stream_reaches_what_reads_it_and_nothing_else(night: Night, manifest: dict[str, Any]) -> None:
    moved = {**STREAMS, "shop.orders": "2"}
    assert night.passes(manifest, moved) == {
        "stg_orders", "int_joined", "fct_orders", "test.p.orders", "test.p.clicks",
    }  # fmt: skip
    assert night.passes(manifest, moved) == set()
    assert "stg_orders" in night.passes(manifest, STREAMS)  # back again is another change


def test_code_of_a_node_reaches_what_is_made_of_it(night: Night, manifest: dict[str, Any]) -> None:
    manifest["nodes"]["model.p.int_joined"]["raw_code"] = "select 2"
    assert night.passes(manifest, STREAMS) == {"int_joined", "fct_orders", "test.p.orders", "test.p.clicks"}


@pytest.mark.parametrize("what", ["macro", "source that is off", "config of a node", "dbt_project.yml", "profiles.yml"])
def test_what_all_share_reaches_all(night: Night, manifest: dict[str, Any], what: str) -> None:
    if what == "macro":
        manifest["macros"]["macro.p.ours"]["macro_sql"] = "2"
    elif what == "source that is off":  # a macro may have listed it
        del manifest["sources"]["source.p.raw_shop.clicks"]
    elif what == "config of a node":  # a macro may have looked for it
        manifest["nodes"]["model.p.fct_clicks"]["config"]["window_from"] = "int_windows"
    else:
        (night.project / what).write_text("a: 2\n")
    assert night.dirty(manifest, STREAMS) == set(PARENTS)


def test_a_parse_anew_and_dbts_own_macros_reach_nothing(night: Night, manifest: dict[str, Any]) -> None:
    for one in manifest["nodes"].values():
        one["created_at"] = random.random()
    manifest["macros"]["macro.dbt.theirs"]["macro_sql"] = "2"  # its version is what counts
    assert night.dirty(manifest, STREAMS) == set()


def test_rules_count_by_their_rows(night: Night, manifest: dict[str, Any]) -> None:
    assert night.dirty(manifest, {**STREAMS, "config.rules": "written anew"}) == set()
    night.connection.execute("update rules set today = 2")
    assert night.passes(manifest, STREAMS) == {"stg_rules", "fct_orders", "test.p.orders"}
    night.connection.execute("create or replace table rules as select 2::bigint as today")
    assert "fct_orders" in night.passes(manifest, STREAMS)  # another type


def test_a_view_of_other_code_says_nothing_of_its_rows(night: Night, manifest: dict[str, Any]) -> None:
    manifest["nodes"]["model.p.stg_rules"]["raw_code"] = "select 2"
    assert {"model.p.stg_rules", "model.p.fct_orders"} <= night.dirty(manifest, STREAMS)


def test_a_relation_that_is_gone_is_built(night: Night, manifest: dict[str, Any]) -> None:
    night.connection.execute("drop table int_joined")
    assert night.dirty(manifest, STREAMS) == {"model.p.int_joined"}


def test_a_build_that_did_not_end_is_done_again(night: Night, manifest: dict[str, Any]) -> None:
    moved = {**STREAMS, "shop.orders": "2"}
    begun = night.dirty(manifest, moved)
    fingerprints.forget(night.connection, begun)  # and then it was killed; meanwhile the vendor took it back
    assert night.dirty(manifest, STREAMS) == begun


def test_a_step_is_done_again_where_a_table_or_the_rows_of_the_rules_are_other_ones(
    night: Night, manifest: dict[str, Any], tmp_path: Path
) -> None:
    code = tmp_path / "step.py"
    code.write_text("1")

    def is_done() -> bool:
        text = steps.made_of(night.connection, manifest, [code])
        known = steps.result_of(night.connection, "sums", text)
        if known is None:
            steps.begin(night.connection, "sums")
            steps.done(night.connection, "sums", text, {"rows": 1})
        return known == {"rows": 1}

    assert [is_done(), is_done()] == [False, True]
    night.connection.execute("update rules set today = 2")  # by another run, since the build
    assert [is_done(), is_done()] == [False, True]
    night.passes(manifest, {**STREAMS, "shop.clicks": "2"})
    assert [is_done(), is_done()] == [False, True]
    code.write_text("2")
    assert [is_done(), is_done()] == [False, True]
    fingerprints.forget(night.connection, ["model.p.fct_clicks"])  # a build that did not end
    assert [is_done(), is_done()] == [False, False]


def test_any_change_reaches_all_that_is_made_of_it(night: Night, manifest: dict[str, Any]) -> None:
    """Against the graph, walked from the change down: random edits and streams, by the seed of the failure message."""
    stored = STREAMS
    for seed in range(60):
        rng = random.Random(seed)
        edited, streams = copy.deepcopy(manifest), dict(stored)
        changed = set(rng.sample(sorted(PARENTS), rng.randrange(3)))
        for name in changed:
            edited["nodes"][name]["raw_code"] += f" -- {seed}"
        for stream in rng.sample(["shop.orders", "shop.clicks"], rng.randrange(3)):
            streams[stream] = f"night {seed}"
            changed |= {name for name, parents in PARENTS.items() if f"source.p.raw_{stream}" in parents}
        reached = set(changed)
        for _ in PARENTS:
            reached |= {name for name, parents in PARENTS.items() if reached & set(parents)}
        assert night.dirty(edited, streams) == reached, seed
        if rng.random() < 0.5:
            night.passes(edited, streams)
            manifest, stored = edited, streams
