"""Unusual days: against 182 days of sessions with four shocks, scored by an independent implementation (numpy)."""

from __future__ import annotations

import csv
from datetime import date, timedelta
from pathlib import Path

import pytest

from dagster_project.kpis.anomalies import judged

SCORED = Path(__file__).parents[1] / "fixtures" / "pooled_anomalies.csv"  # date, sessions, injected, resid, mz, flag


def _rows() -> list[dict[str, str]]:
    with SCORED.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_scores_are_those_of_the_reference_and_the_four_shocks_are_found_and_nothing_else() -> None:
    rows = _rows()
    found = judged({date.fromisoformat(row["date"]): float(row["sessions"]) for row in rows})
    expected = {date.fromisoformat(row["date"]): float(row["mz"]) for row in rows if row["mz"]}
    assert len(expected) > 90
    assert {day: each.score for day, each in found.items()} == pytest.approx(expected, abs=1e-8)
    shocks = {date.fromisoformat(row["date"]) for row in rows if row["injected"] == "True"}
    assert len(shocks) == 4
    assert {day for day, each in found.items() if each.is_unusual} == shocks


def test_what_is_usual_is_the_middle_of_the_same_weekdays() -> None:
    start = date(2026, 1, 5)
    values = {start + timedelta(days=n): (400.0 if n % 7 < 5 else 100.0) for n in range(112)}
    values[start + timedelta(days=111)] = 0.0  # a Sunday on which nothing was counted
    last = judged(values)[start + timedelta(days=111)]
    assert last.usual == pytest.approx(100)
    assert last.change == -1
    assert last.is_unusual


def test_small_numbers_are_not_judged_by_the_day() -> None:
    start = date(2026, 1, 5)
    values = {start + timedelta(days=n): 10.0 for n in range(112)} | {start + timedelta(days=112): 60.0}
    last = judged(values)[start + timedelta(days=112)]
    assert last.score > 3.5
    assert not last.is_unusual
