"""Old days are built again when the code they come from changes: the model's, or any model, macro or seed above it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import pytest

from dagster_project.warehouse import fingerprints
from dagster_project.warehouse.fingerprints import Built
from tests.dbt.test_replace_window import WEB, fill
from tests.support.house import DbtProject, House

FIRST = date(2026, 3, 1)
MODEL = "fct_web_traffic"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, dbt_project: DbtProject) -> House:
    house = House(tmp_path_factory.mktemp("changed_code") / "home", dbt_project)
    fill(house, days=3)
    house.build(*WEB)
    return house


@contextmanager
def changed(manifest: Any, thing: Any, name: str, value: Any) -> Iterator[None]:
    """The parsed project as if this were another text."""
    before = getattr(thing, name)
    setattr(thing, name, value)
    manifest.build_flat_graph()  # what templates see as `graph`; dbt makes it after parsing
    try:
        yield
    finally:
        setattr(thing, name, before)
        manifest.build_flat_graph()


def build_moments(house: House) -> set[tuple[Any, ...]]:
    return set(house.rows(f"select date_day, built_at from intermediate.built_days where model = '{MODEL}'"))


def macro(name: str) -> Callable[[Any], tuple[Any, str, Any]]:
    def change(manifest: Any) -> tuple[Any, str, Any]:
        found = manifest.macros[f"macro.funnelhouse.{name}"]
        return found, "macro_sql", found.macro_sql.replace("{%- endmacro", "{# said otherwise #}{%- endmacro")

    return change


def model(name: str) -> Callable[[Any], tuple[Any, str, Any]]:
    def change(manifest: Any) -> tuple[Any, str, Any]:
        found = manifest.nodes[f"model.funnelhouse.{name}"]
        return found, "raw_code", f"{found.raw_code}\n-- said otherwise"

    return change


def seed(name: str) -> Callable[[Any], tuple[Any, str, Any]]:
    def change(manifest: Any) -> tuple[Any, str, Any]:
        found = manifest.nodes[f"seed.funnelhouse.{name}"]
        return found, "checksum", type(found.checksum)(name="sha256", checksum="0" * 64)

    return change


@pytest.mark.parametrize(
    ("change", "is_built_again"),
    [
        (model(MODEL), True),
        (model("stg_ga4__traffic"), True),  # several models above
        (macro("normalise_utm"), True),  # called by a model above
        (macro("strip_invisible"), True),  # called by a macro that is called above
        (seed("ga4_source_categories"), True),
        (model("fct_leads"), False),  # of another branch
    ],
)
def test_a_change_of_code_reaches_the_old_days(
    built: House, dbt_project: DbtProject, change: Callable[[Any], tuple[Any, str, Any]], is_built_again: bool
) -> None:
    built.build(MODEL)
    before = build_moments(built)
    assert len(before) == 3
    with changed(dbt_project.manifest, *change(dbt_project.manifest)):
        built.build(MODEL)
        after = build_moments(built)
        built.build(MODEL)
        assert build_moments(built) == after, "what did not change since is built once only"
    assert {day for day, _ in after} == {FIRST + timedelta(days=n) for n in range(3)}
    assert after.isdisjoint(before) if is_built_again else after == before


def test_whoever_starts_dbt_what_it_builds_is_forgotten_first(built: House) -> None:
    known = {f"model.funnelhouse.{name}": Built("code", "fingerprint", "") for name in ("dim_date", "fct_leads")}
    with built.connection(read_only=False) as connection:
        fingerprints.remember(connection, known)
    built.build("dim_date")
    with built.connection() as connection:
        assert set(fingerprints.recall(connection)) == {"model.funnelhouse.fct_leads"}
