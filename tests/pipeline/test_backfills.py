"""The order of loading does not matter, nor in how many pieces, nor that they overlap."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta

from dagster_project.wire import Window
from tests.pipeline.conftest import PERIOD, TODAY
from tests.support import expected
from tests.support.installation import INCREMENTAL_MODELS, Installation
from tests.support.published import differences, differing_files, query, tables

REFUSED = "refused:files/email_clicks:1"
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


def test_a_late_start_has_the_whole_history_of_the_crm(loaded: Installation) -> None:
    """One backfill from 15 August on, over a CRM that began a year earlier: no month is the part of it that has changed
    since. What is read by its days begins there, and figures of both say so."""
    now, published = datetime.combine(TODAY, time(6), UTC), loaded.published("loaded")
    for kpi_id, by_day in (
        ("leads", expected.leads_by_day(loaded.sandbox.company, now)),
        ("new_customers", expected.new_customers_by_day(loaded.sandbox.company, now)),
    ):
        months = Counter[date]()
        for day, count in by_day.items():
            months[day.replace(day=1)] += count
        rows = query(
            published,
            "select period_start, value, is_complete, is_final, quality from kpi.fct_kpi_monthly "
            f"where kpi_id = '{kpi_id}' and dimension = 'total' and period_start < date '2026-10-01' order by 1",
        )
        assert len(rows) >= 12
        assert {start: value for start, value, *_ in rows} == {start: months[start] for start, *_ in rows}
        assert set(months) - {start for start, *_ in rows} <= {TODAY.replace(day=1)}
        assert {tuple(state) for _, _, *state in rows} <= {(True, True, "ok"), (True, True, REFUSED)}
        # the test click in the newsletter's file of September 2025 has no recipient
        assert {start for start, _, _, _, quality in rows if quality == REFUSED} == {date(2025, 9, 1)}
    [cpl] = query(
        published,
        "select reason, denominator, is_complete, quality from kpi.fct_kpi_monthly "
        "where kpi_id = 'cpl' and dimension = 'total' and period_start = date '2026-01-01'",
    )
    # the ledger has media cost of January, Google Ads was not asked for it
    assert (cpl[0], cpl[2], "incomplete" in cpl[3].split(";")) == (None, False, True)
    assert cpl[1] == sum(
        count
        for day, count in expected.leads_by_day(loaded.sandbox.company, now).items()
        if (day.year, day.month) == (2026, 1)
    )


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
