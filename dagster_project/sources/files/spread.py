"""Rows that stand for several: a range of days, a number of people. One row becomes many, sums stay what they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

LONGEST_DAYS = 3_660  # a longer range is a wrong date
MOST_LEADS = 100_000  # of one row


def day_counts(starts: pa.Array, ends: pa.Array) -> pa.Array:
    """How many days each row spans, both ends in; 1 where it has no end."""
    days = pc.subtract(ends.cast(pa.int32()), starts.cast(pa.int32()))
    return pc.fill_null(pc.add(days, 1), 1).cast(pa.int64())


def repeated(counts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Which row each new one comes from, and the how-manieth of that row it is (from 0)."""
    numbers = counts.to_numpy(zero_copy_only=False)
    rows = np.repeat(np.arange(len(numbers)), numbers)
    starts = np.cumsum(numbers) - numbers
    return rows, np.arange(len(rows)) - np.repeat(starts, numbers)


def spread(rows: pa.Table, day: str, counts: pa.Array, amounts: Sequence[str]) -> tuple[pa.Table, np.ndarray]:
    """The rows over as many days as `counts` says, from their `day` on, and which row each new one comes from.

    `amounts` are handed out evenly: money and other fractions by the cent, whole numbers by ones; what is finer
    stands on the last day. Their sums are those of the rows, to the last decimal.
    """
    at, nth = repeated(counts)
    of = counts.to_numpy(zero_copy_only=False)[at]
    new = rows.take(pa.array(at))
    days = pc.add(new.column(day).cast(pa.int32()).to_numpy(), nth)
    new = new.set_column(
        new.schema.get_field_index(day), rows.schema.field(day), pa.array(days, pa.int32()).cast(pa.date32())
    )
    for name in amounts:
        index = new.schema.get_field_index(name)
        whole = new.column(name).combine_chunks()
        shares = pc.if_else(pa.array(of == 1), whole, _shares(whole, nth, of))
        new = new.set_column(index, new.schema.field(name), shares)
    return new, at


def _shares(amounts: pa.Array, nth: np.ndarray, of: np.ndarray) -> pa.Array:
    """What the `nth` of `of` days has of each amount."""
    is_whole = pa.types.is_integer(amounts.type)
    millionths = amounts if is_whole else _in_millionths(amounts)
    whole = np.array(millionths.fill_null(0).to_pylist(), dtype=object)
    unit = 1 if is_whole else 10_000
    sign = np.where(whole < 0, -1, 1)
    units, rest = abs(whole) // unit, abs(whole) % unit
    each, left = units // of, units % of
    share = (each + (left * (nth + 1)) // of - (left * nth) // of) * unit + np.where(nth == of - 1, rest, 0)
    shares = pa.array(
        list(share * sign), pa.int64() if is_whole else pa.decimal128(38, 0), mask=amounts.is_null().to_numpy(False)
    )
    return shares if is_whole else _from_millionths(shares, amounts.type)


def _in_millionths(amounts: pa.Array) -> pa.Array:
    if pa.types.is_floating(amounts.type):
        amounts = pc.round(amounts, ndigits=6).cast(pa.decimal128(32, 6), safe=False)
    return pc.multiply(amounts.cast(pa.decimal256(32, 6)), pa.scalar(1_000_000, pa.decimal256(7, 0))).cast(
        pa.decimal128(38, 0)
    )


def _from_millionths(amounts: pa.Array, kind: pa.DataType) -> pa.Array:
    return pc.multiply(amounts.cast(pa.decimal256(38, 0)), pa.scalar("0.000001").cast(pa.decimal256(7, 6))).cast(kind)
