"""What readers of reports share: parts of windows, odd rows, rows that come twice, days nobody asked for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pyarrow as pa
import pytest

from dagster_project.wire.columns import to_table
from dagster_project.wire.contract import DriftError, Page, Stream, Tally, VendorError, Window, schema
from dagster_project.wire.report_rows import first_of_each, halves, parts, records_of, told_apart, within


def _unread(_settings: Any, _window: Window, _tally: Tally) -> Iterator[Page]:
    raise NotImplementedError


STREAM = Stream(
    source="toy", name="days", domain="ads", kind="report", key=("account_id", "day", "ad"),
    schema=schema(("day", pa.date32()), ("ad", pa.string()), ("clicks", pa.int64())),
    day="day", restate_days=1, deep_restate_days=1, read=_unread,
)  # fmt: skip
MARCH = Window(date(2026, 3, 1), date(2026, 4, 1))


def test_parts_are_the_window_without_gaps() -> None:
    assert [str(part) for part in parts(MARCH, 30)] == ["2026-03-01..2026-03-30", "2026-03-31..2026-03-31"]
    assert list(parts(MARCH, 31)) == [MARCH]
    assert [str(half) for half in halves(MARCH)] == ["2026-03-01..2026-03-15", "2026-03-16..2026-03-31"]


SHAPELESS = "has not the shape of one"


@pytest.mark.parametrize(
    ("odd", "why"),
    [(5, SHAPELESS), ({}, "has no field 'ad'"), ({"ad": None, "clicks": "x"}, SHAPELESS), ({"ad": "2", "clicks": "x"}, SHAPELESS)],
)  # fmt: skip
def test_an_odd_row_is_told_and_a_page_of_them_is_drift(odd: Any, why: str) -> None:
    def make(row: Any) -> list[dict[str, Any]]:
        return [{"ad": row["ad"], "clicks": int(row["clicks"])}]

    tally = Tally()
    good = {"ad": "1", "clicks": "4"}
    assert records_of(STREAM, [good, odd], make, "a", tally) == [{"ad": "1", "clicks": 4, "account_id": "a"}]
    assert tally.bad_rows == [f"toy/days: a row of account a {why}"]
    with pytest.raises(DriftError, match="toy/days: no row has the shape of one"):
        records_of(STREAM, [odd] * 3, make, "a", tally, what="an ad")


def test_of_rows_on_two_pages_the_first_stands() -> None:
    seen: set[tuple[Any, ...]] = set()
    first, moved, other, odd = (
        {"ad": ad, "clicks": clicks} for ad, clicks in (("1", 4), ("1", 5), ("2", 1), (None, 1))
    )
    assert first_of_each([first, odd], ("ad",), seen) == [first, odd]
    assert first_of_each([moved, other, odd], ("ad",), seen) == [other, odd]


def test_of_rows_in_one_answer_the_same_is_once_and_another_is_told() -> None:
    tally = Tally()
    first = {"account_id": "a", "day": date(2026, 3, 1), "ad": "1", "clicks": 4}
    assert told_apart(STREAM, [first, {**first}, {**first, "clicks": 5}], tally) == [first]
    assert tally.bad_rows == ["toy/days: a second row of a, 2026-03-01, 1, with other figures"]


def test_days_that_nobody_asked_for_are_an_error() -> None:
    rows = to_table(STREAM, [{"account_id": "a", "day": date(2026, 3, 31), "ad": "1"}])
    assert within(STREAM, MARCH, rows) is rows
    with pytest.raises(VendorError, match=r"asked for 2026-03-01\.\.2026-03-30, got rows of 2026-03-31"):
        within(STREAM, Window(date(2026, 3, 1), date(2026, 3, 31)), rows)
