"""SIGKILL at any moment: nothing is lost, nobody reads half a publish, the next run ends where it would have ended."""

from __future__ import annotations

import random
import time
from collections import Counter
from datetime import timedelta

import duckdb
import pytest

from tests.pipeline.conftest import TODAY
from tests.support.installation import Installation
from tests.support.killing import (
    has_begun,
    has_stored,
    is_building,
    is_publishing,
    is_reading,
    kill,
    kill_when,
    steps_begun,
)
from tests.support.published import Reader, differences

NIGHT = TODAY + timedelta(days=1)
ROUNDS, KILLS_A_ROUND, SEED = 5, 5, 20261002


@pytest.fixture
def evening(night: Installation) -> Installation:
    """The home "loaded" on the next night, before its refresh; the home "night" is what should come of it."""
    night.go_back("loaded")
    night.sandbox.clock.set(NIGHT)
    return night


def test_a_refresh_killed_again_and_again_ends_as_if_it_had_not_been(evening: Installation) -> None:
    before = evening.published()
    evening.sandbox.calls.clear()
    moments = {
        "while the vendors are asked": is_reading(evening, calls=12),
        "while days are stored": has_stored(evening, "ga4/traffic", f"{TODAY}"),
        "while dbt replaces days": is_building(evening, "marts.fct_web_traffic"),
        "while KPI facts are built": has_begun(evening, "build_kpis", seconds_ago=1.0),
        "while a publish is written": is_publishing(evening),
    }
    with Reader(evening.home) as reader:
        for name, moment in moments.items():
            kill_when(evening.start("refresh"), moment)
            assert evening.published() == before, name
        evening.run("refresh")
    assert differences(evening.published("night"), evening.published()) == {}
    assert reader.failures == []
    assert reader.publishes == [before.name, evening.published().name]
    assert list((evening.home / ".publishes").glob("*.partial")) == []
    with duckdb.connect(str(evening.home / "warehouse.duckdb")):  # and nobody holds the warehouse open
        pass


@pytest.mark.long
@pytest.mark.parametrize("number", range(ROUNDS))
def test_refreshes_killed_at_random_moments_end_as_if_they_had_not_been(evening: Installation, number: int) -> None:
    """In each round a refresh is killed at five moments, spread over the time that a whole one takes; then one ends."""
    chance, before = random.Random(SEED + number), evening.published()
    started = time.monotonic()
    evening.run("refresh")
    whole_seconds = time.monotonic() - started
    evening.go_back("loaded")
    slices = list(range(ROUNDS * KILLS_A_ROUND))[number::ROUNDS]
    chance.shuffle(slices)
    killed: Counter[str] = Counter()
    with Reader(evening.home) as reader:
        for part in slices:
            was_killed = False
            while not was_killed:
                seconds, began = whole_seconds * (part + chance.random()) / (ROUNDS * KILLS_A_ROUND), time.monotonic()
                process = evening.start("refresh")
                while process.poll() is None and time.monotonic() < began + seconds:
                    time.sleep(0.01)
                was_killed = process.poll() is None
                if was_killed:
                    kill(process)
                    killed[(steps_begun(evening) or ["before the first step"])[-1]] += 1
                else:  # quicker than the one that was timed: from now on this is a whole refresh
                    assert process.returncode == 0
                    whole_seconds = time.monotonic() - began
        evening.run("refresh")
    print(f"\nround {number}: killed in {dict(killed)}; a whole refresh took {whole_seconds:.0f} s")
    assert killed.total() == KILLS_A_ROUND
    assert differences(evening.published("night"), evening.published()) == {}
    assert reader.failures == []
    assert reader.publishes[0] == before.name
    assert reader.publishes[-1] == evening.published().name
