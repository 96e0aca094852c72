"""Whatever happened in between, KPI tables that are brought up to date are those of a build from nothing: every column
of every table, in random worlds (random_world.py)."""

from __future__ import annotations

import random
import sys
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from dagster_project import kpis
from dagster_project.kpis import manifest
from dagster_project.kpis.catalogue import Catalogue
from dagster_project.kpis.compiler import Compiler
from tests.support.random_world import DAY_OF, LAST, World


@pytest.fixture(scope="module")
def catalogue(semantic_manifest: Path) -> Catalogue:
    return manifest.load_catalogue(semantic_manifest)


class Builder:
    """Builds the KPI tables of a world; `fresh` builds them from nothing, in a copy of its marts."""

    def __init__(self, manifest: Path, compiler: Compiler, monkeypatch: pytest.MonkeyPatch) -> None:
        self._manifest, self._compiler, self._monkeypatch = manifest, compiler, monkeypatch

    def build(self, world: World, connection: duckdb.DuckDBPyConnection | None = None) -> None:
        self._monkeypatch.setattr(
            sys.modules["dagster_project.kpis.build"], "load_catalogue", lambda _: world.catalogue
        )
        kpis.build(connection or world.connection, self._manifest, compiler=self._compiler)

    def assert_like_a_build_from_nothing(self, world: World) -> None:
        con = world.connection
        con.execute("attach ':memory:' as fresh")
        for schema in ("staging", "intermediate", "marts"):
            con.execute(f"create schema fresh.{schema}")
        copied = con.execute(
            "select schema_name || '.' || table_name from duckdb_tables() where database_name = 'memory' and not temporary "
            "and schema_name in ('staging', 'intermediate', 'marts') and not starts_with(table_name, 'kpi_')"
        ).fetchall()
        for (table,) in copied:
            con.execute(f"create table fresh.{table} as from memory.{table}")
        cursor = con.cursor()
        cursor.execute("use fresh")
        self.build(world, cursor)
        cursor.close()
        try:
            for table in kpis.TABLES:
                rows = [
                    f"(select * {_EXCEPT.get(table, 'exclude (computed_at)')} from {db}.kpi.{table})"
                    for db in ("memory", "fresh")
                ]
                for one, other, what in (
                    (*rows, "not there when built from nothing"),
                    (*rows[::-1], "only there when built from nothing"),
                ):
                    found = con.execute(f"from {one} except all from {other} order by all limit 3").fetchall()
                    assert not found, "\n".join([f"{table}: {what}:", *map(str, found), *world.log])
        finally:
            con.execute("detach fresh")


_EXCEPT = {"dim_kpi": "", "fct_kpi_drivers": ""}


@pytest.fixture
def builder(semantic_manifest: Path, compiler: Compiler, monkeypatch: pytest.MonkeyPatch) -> Builder:
    return Builder(semantic_manifest, compiler, monkeypatch)


def _is_moved(catalogue: Catalogue, kpi_id: str) -> bool:
    """Whether something happens in these worlds to a mart that the KPI is made of; to answers, mail and others nothing does."""
    alone = replace(catalogue, kpis={kpi_id: catalogue.kpis[kpi_id]})
    measures = {name for cut in alone.dimensions for line in alone.lines(cut) for name in line.measures}
    return any(f"fct_{catalogue.measures[name].semantic_model}" in DAY_OF for name in measures)


def a_world(seed: int, catalogue: Catalogue) -> World:
    """A world with a few KPIs, each with two of its cuts: another mixture in each world, so that every measure is now and
    then the last of its table (where a weak digest is weakest), and builds are short."""
    rng = random.Random(seed)
    moved = sorted(name for name in catalogue.kpis if _is_moved(catalogue, name))
    few = {name: catalogue.kpis[name] for name in rng.sample(moved, rng.choice([1, 1, 2, 4]))}
    for name, kpi in few.items():
        kept = {*rng.sample(kpi.cuts, min(2, len(kpi.cuts))), "total", "channel", "stage"}
        cuts = {
            key: [cut for cut in kpi.meta[key] if cut in kept] for key in ("cuts", "model_cuts") if kpi.meta.get(key)
        }
        few[name] = replace(kpi, meta={**kpi.meta, **cuts})
    return World(seed, replace(catalogue, kpis=few))


def run(world: World, builder: Builder, steps: int) -> None:
    if world.rng.random() < 0.7:  # else it all comes by backfills
        world.load(world.first_day, LAST)
    world.a_backfill()
    builder.build(world)
    for _ in range(steps):
        world.go_on()
        builder.build(world)
        builder.assert_like_a_build_from_nothing(world)


@pytest.mark.parametrize("seed", range(2))
def test_incremental_equals_full(seed: int, catalogue: Catalogue, builder: Builder) -> None:
    run(a_world(seed, catalogue), builder, steps=4)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 140))
def test_incremental_equals_full_for_long(seed: int, catalogue: Catalogue, builder: Builder) -> None:
    """400 builds, each beside one from nothing."""
    run(a_world(seed, catalogue), builder, steps=10)
