"""What the refused rows of a file would have said: on which days they fall, and how much money they name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.sources.files.drops import BadLine
from dagster_project.sources.files.stream import FileStream
from dagster_project.wire.contract import Tally


def noted(bad_cell: BadLine) -> tuple[list[int], BadLine]:
    """`bad_cell`, and a list that gets the lines that it is told of."""
    lines: list[int] = []

    def note(line: int, reason: str) -> None:
        lines.append(line)
        bad_cell(line, reason)

    return lines, note


def tell_of_refused(
    stream: FileStream, columns: Mapping[str, pa.Array], is_good: pa.Array, unread: list[int], tally: Tally
) -> None:
    """Tell `tally` the days of a batch's refused rows and of its unreadable cells (on the lines `unread`), and the money
    that the rows name, by column and currency, where it can be read."""
    is_bad = pc.invert(is_good)
    if not unread and not pc.any(is_bad).as_py():
        return
    days = columns[stream.day].cast(pa.timestamp("us")).cast(pa.date32(), safe=False)
    lines = columns["_line"].to_numpy(zero_copy_only=False)
    places = np.minimum(np.searchsorted(lines, unread), len(lines) - 1)
    tally.date_refused(
        _counts(days.filter(is_bad)), _counts(days.take(pa.array(places, pa.int64()))), _money(stream, columns, is_bad)
    )


def _money(stream: FileStream, columns: Mapping[str, pa.Array], is_bad: pa.Array) -> dict[str, Decimal]:
    none = pa.nulls(len(is_bad), pa.string())
    currencies = columns.get("currency_code", none).filter(is_bad).to_pylist()
    money: dict[str, Decimal] = {}
    for name in stream.money:
        amounts = columns[name].filter(is_bad).to_pylist()
        for amount, currency in zip(amounts, currencies, strict=True):
            if amount is not None:
                label = f"{name} {currency or ''}".strip()
                money[label] = money.get(label, Decimal(0)) + amount
    return money


def _counts(days: pa.Array) -> dict[date, int]:
    return Counter(day for day in days.to_pylist() if day is not None)
