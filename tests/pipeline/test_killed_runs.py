"""SIGKILL at any moment: nothing is lost, nobody reads half a publish, the next run ends where it would have ended."""

from __future__ import annotations

from datetime import timedelta

import duckdb
from conftest import TODAY
from installation import Installation
from killing import has_begun, has_stored, is_building, is_publishing, is_reading, kill_when
from published import Reader, differences

NIGHT = TODAY + timedelta(days=1)


def test_a_refresh_killed_again_and_again_ends_as_if_it_had_not_been(night: Installation) -> None:
    night.go_back("loaded")
    night.sandbox.clock.set(NIGHT)
    before = night.published()
    night.sandbox.calls.clear()
    moments = {
        "while the vendors are asked": is_reading(night, calls=12),
        "while days are stored": has_stored(night, "ga4/traffic", f"{TODAY}"),
        "while dbt replaces days": is_building(night, "marts.fct_web_traffic"),
        "while KPI facts are built": has_begun(night, "build_kpis", seconds_ago=1.0),
        "while a publish is written": is_publishing(night),
    }
    with Reader(night.home) as reader:
        for name, moment in moments.items():
            kill_when(night.start("refresh"), moment)
            assert night.published() == before, name
        night.run("refresh")
    assert differences(night.published("night"), night.published()) == {}
    assert reader.failures == []
    assert reader.publishes == [before.name, night.published().name]
    assert list((night.home / ".publishes").glob("*.partial")) == []


def test_dbt_that_outlives_its_killed_parent_does_not_stop_the_next_run(night: Installation) -> None:
    night.go_back("loaded")
    night.sandbox.clock.set(NIGHT)
    kill_when(night.start("refresh"), is_building(night, "marts.fct_web_traffic"), with_children=False)
    night.run("refresh")
    assert differences(night.published("night"), night.published()) == {}
    with duckdb.connect(str(night.home / "warehouse.duckdb")):  # and nobody holds the warehouse open
        pass
