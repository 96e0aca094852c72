"""What readers of reports have in common: windows in parts, rows that become records, odd ones told, days nobody asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import Any

import pyarrow as pa

from dagster_project.wire.columns import RETYPED_FROM
from dagster_project.wire.contract import DriftError, Stream, Tally, VendorError, Window
from dagster_project.wire.http import Json

Make = Callable[[Any], Iterable[dict[str, Any]]]  # a row as it was sent to the records that it becomes


def parts(window: Window, days: int) -> Iterator[Window]:
    """The window in pieces of at most so many days, oldest first."""
    start = window.start
    while start < window.end:
        end = min(window.end, start + timedelta(days=days))
        yield Window(start, end)
        start = end


def halves(window: Window) -> tuple[Window, Window]:
    """A window of several days in two."""
    days = window.days()
    middle = days[len(days) // 2]
    return Window(window.start, middle), Window(middle, window.end)


def records_of(
    stream: Stream, rows: Sequence[Json], make: Make, account_id: str, tally: Tally, *, what: str = "a row"
) -> list[dict[str, Json]]:
    """The records of a page's rows, with their account; a row that has not the shape of one is told and left out, as `what`.

    `make` raises AttributeError, KeyError, TypeError, ValueError or ArithmeticError for such a row. Raises DriftError where no
    row has the shape.
    """
    records: list[dict[str, Json]] = []
    odd = 0
    for row in rows:
        try:
            records += [{**record, "account_id": account_id} for record in make(row)]
        except (AttributeError, KeyError, TypeError, ValueError, ArithmeticError) as error:
            odd += 1
            lacks = f"has no field {error}" if isinstance(error, KeyError) else "has not the shape of one"
            why = f"{what} of account {account_id} {lacks}"
            if odd == len(rows) >= RETYPED_FROM:
                raise DriftError(
                    f"no row has the shape of one: {why}", source=stream.source, stream=stream.name
                ) from None
            tally.bad_row(f"{stream.id}: {why}")
    return records


def first_of_each(records: Iterable[dict[str, Json]], key: Sequence[str], seen: set[tuple[Json, ...]]) -> list[Any]:
    """The records that no page before had; `seen` remembers them. A row that is being counted moves between pages, and comes
    twice with other figures: the first one stands. One whose key is not whole is odd, and left to be told."""
    new = []
    for record in records:
        is_of = tuple(record.get(name) for name in key)
        if is_of not in seen:
            new.append(record)
        if None not in is_of:
            seen.add(is_of)
    return new


def told_apart(stream: Stream, records: Iterable[dict[str, Json]], tally: Tally) -> list[dict[str, Json]]:
    """The records of an answer that has no pages, each once. Two of one key that say different things cannot both be kept:
    the second is told."""
    kept: dict[tuple[Json, ...], dict[str, Json]] = {}
    new = []
    for record in records:
        is_of = tuple(record.get(name) for name in stream.key)
        if None in is_of or is_of not in kept:
            new.append(record)
            kept.setdefault(is_of, record)
        elif kept[is_of] != record:
            named = ", ".join(map(str, is_of))
            days = {day for day in (record.get(stream.day),) if isinstance(day, date)}
            tally.bad_row(f"{stream.id}: a second row of {named}, with other figures", days=days)
    return new


def within(stream: Stream, window: Window, rows: pa.Table) -> pa.Table:
    """`rows`, all of which are of days in the window. Raises VendorError."""
    for day in rows[stream.day].unique().to_pylist():
        if day not in window:
            raise VendorError(f"asked for {window}, got rows of {day}", source=stream.source, stream=stream.name)
    return rows
