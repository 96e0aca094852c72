"""Cells that arrive as text: casts that say which of them failed, and how a cell may stand in a message."""

from __future__ import annotations

import re

import pyarrow as pa

Parsed = tuple[pa.Array, pa.Array]  # values, mask of the cells that could not be read


def none_failed(cells: pa.Array) -> pa.Array:
    return pa.repeat(pa.scalar(False), len(cells))


def try_cast(cells: pa.Array, kind: pa.DataType) -> Parsed:
    """A cast that leaves null what cannot be cast, and says which: found by halving."""
    try:
        return cells.cast(kind), none_failed(cells)
    except pa.ArrowInvalid:
        if len(cells) == 1:
            return pa.nulls(1, kind), pa.array([True])
    half = len(cells) // 2
    left, left_failed = try_cast(cells.slice(0, half), kind)
    right, right_failed = try_cast(cells.slice(half), kind)
    return pa.concat_arrays([left, right]), pa.concat_arrays([left_failed, right_failed])


def shown(cell: str) -> str:
    """A cell as it may stand in a message: short, without anything that looks like an address or a phone."""
    if "@" in cell or "%40" in cell:
        return "(an e-mail address)"
    is_date = re.match(r"\s*\d{4}-\d\d|\s*\d{1,2}[./]\d{1,2}[./]\d", cell)
    if not is_date and re.fullmatch(r"\s*\+?[\d\s()./-]{9,}\s*", cell):
        return f"({len(cell)} digits and signs)"
    return cell if len(cell) <= 40 else cell[:37] + "..."
