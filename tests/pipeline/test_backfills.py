"""The order of loading does not matter, nor in how many pieces, nor that they overlap."""

from __future__ import annotations

import itertools
import random
from datetime import timedelta

from conftest import PERIOD
from installation import INCREMENTAL_MODELS, Installation
from published import differences, differing_files, query, tables

from dagster_project.connectors import Window

SEED = 20261001


def random_backfills(period: Window, seed: int) -> list[Window]:
    """Five overlapping periods that together cover `period`, not in order."""
    days, chance = period.days(), random.Random(seed)
    cuts = [0, *sorted(chance.sample(range(5, len(days) - 5), 4)), len(days)]
    windows = []
    for first, after in itertools.pairwise(cuts):
        start = max(0, first - chance.randint(1, 6))
        end = min(len(days), after + chance.randint(1, 6))
        windows.append(Window(days[start], days[end - 1] + timedelta(days=1)))
    chance.shuffle(windows)
    return windows


def test_random_backfills_overlap_cover_the_period_and_are_not_in_order() -> None:
    windows = random_backfills(PERIOD, SEED)
    assert len(windows) == 5
    assert {day for window in windows for day in window.days()} == set(PERIOD.days())
    assert sum(len(window.days()) for window in windows) > len(PERIOD.days()) + 8
    assert windows != sorted(windows, key=lambda window: window.start)


def test_five_random_backfills_give_the_tables_of_one_full_build(loaded: Installation) -> None:
    full = loaded.published("loaded")
    loaded.clear()
    for number, window in enumerate(random_backfills(PERIOD, SEED), start=1):
        loaded.read("backfill", window)
        loaded.build(INCREMENTAL_MODELS if number < 5 else None)
    piecewise = loaded.publish()
    assert differences(full, piecewise) == {}
    assert differing_files(full, piecewise) == []
    # and what was compared is the whole: every table, and days of every part of the period
    assert len(tables(full)) >= 20
    [(days,)] = query(full, "select count(distinct date_day) from marts.fct_web_traffic")
    assert days == len(PERIOD.days())
