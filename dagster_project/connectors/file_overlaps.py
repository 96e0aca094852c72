"""Rows of many files, gathered on local disk until it is known which of them a later file replaces.

A drop folder fills with exports that overlap and are delivered again. Rows are kept as they come, in one
Arrow file that is memory-mapped afterwards, so memory holds the keys and not the rows.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_ID, _GROUP, _FILE = "__id", "__group", "__file"  # working columns, never yielded


class Gathered:
    """Rows of `schema` on disk. Use as a context manager; the disk space is freed at the end."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._folder = tempfile.TemporaryDirectory(prefix="funnelhouse-files-")
        self._path = str(Path(self._folder.name) / "rows.arrow")
        working = [
            pa.field(_ID, pa.large_string()),
            pa.field(_GROUP, pa.large_string()),
            pa.field(_FILE, pa.int32()),
        ]
        self._writer = pa.ipc.new_file(self._path, pa.schema([*schema, *working]))
        self._rows: pa.Table | None = None

    def __enter__(self) -> Gathered:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()
        self._rows = None
        self._folder.cleanup()

    def add(self, rows: pa.Table, file: int, ids: pa.Array | None, groups: pa.Array | None) -> None:
        """Rows of the file with the number `file` (later files have higher numbers).

        `ids`: of equal ids one row is kept. `groups`: of equal groups only the rows of the last file are
        kept, all of them. Null ids and groups are not compared.
        """
        working = [
            _text_or_nulls(ids, rows.num_rows),
            _text_or_nulls(groups, rows.num_rows),
            pa.repeat(pa.scalar(file, pa.int32()), rows.num_rows),
        ]
        for name, column in zip((_ID, _GROUP, _FILE), working, strict=True):
            rows = rows.append_column(name, column)
        self._writer.write_table(rows)

    def kept(self, newest_by: str | None = None) -> np.ndarray:
        """Which rows stay, as a mask in the order of adding. All rows must have been added.

        Of equal ids it is the row with the latest `newest_by` (a moment column), else the one added last.
        """
        rows = self._table()
        mask = is_last_of_each(rows.column(_GROUP), rows.column(_FILE).to_numpy())
        position = np.arange(rows.num_rows)
        if newest_by:
            moments = rows.column(newest_by).cast(pa.int64()).fill_null(np.iinfo(np.int64).min).to_numpy()
            position = np.empty_like(position)
            position[np.argsort(moments, kind="stable")] = np.arange(rows.num_rows)
        position[~mask] = -1  # a row that its group has lost does not compete
        return mask & is_last_of_each(rows.column(_ID), position)

    def columns(self, names: Sequence[str]) -> pa.Table:
        """Some columns of all rows, in the order of adding."""
        return self._table().select(list(names))

    def pages(self, mask: np.ndarray, copies: np.ndarray | None = None) -> Iterator[pa.Table]:
        """The rows under `mask`, batch by batch; `copies`, one for each, go into the column `_copy`."""
        start, given = 0, 0
        for batch in self._table().to_batches():
            part = mask[start : start + batch.num_rows]
            start += batch.num_rows
            rows = pa.Table.from_batches([batch]).select(self._schema.names).filter(pa.array(part))
            if rows.num_rows == 0:
                continue
            if copies is not None:
                numbers = pa.array(copies[given : given + rows.num_rows], pa.int64())
                rows = rows.set_column(rows.schema.get_field_index("_copy"), "_copy", numbers)
                given += rows.num_rows
            yield rows

    def _table(self) -> pa.Table:
        if self._rows is None:
            self._writer.close()
            with pa.memory_map(self._path) as source:
                self._rows = pa.ipc.open_file(source).read_all()
        return self._rows


def joined(columns: Sequence[pa.Array | pa.ChunkedArray]) -> pa.Array | pa.ChunkedArray:
    """Several columns as one text that is equal where all of them are; null where all of them are null."""
    texts = [column if pa.types.is_string(column.type) else column.cast(pa.string()) for column in columns]
    if len(texts) == 1:
        return texts[0]
    text = pc.binary_join_element_wise(*texts, "\x1f", null_handling="replace", null_replacement="\x00")
    is_nothing = pc.is_null(texts[0])
    for other in texts[1:]:
        is_nothing = pc.and_(is_nothing, pc.is_null(other))
    return pc.if_else(is_nothing, None, text)


def is_last_of_each(keys: pa.Array | pa.ChunkedArray, order: np.ndarray) -> np.ndarray:
    """Where a row has the highest `order` of its key; rows without a key always do."""
    codes = _codes(keys)
    has_key = codes >= 0
    if not has_key.any():
        return np.ones(len(codes), dtype=bool)
    best = np.full(codes.max() + 1, -1, dtype=np.int64)
    np.maximum.at(best, codes[has_key], order[has_key])
    return ~has_key | ((best[codes] == order) & (order >= 0))


def copy_numbers(keys: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """1, 2, 3 … for the rows of each key, in their order."""
    codes = _codes(keys)
    order = np.argsort(codes, kind="stable")
    starts = (
        np.flatnonzero(np.r_[True, np.diff(codes[order]) != 0]) if len(codes) else np.array([], dtype=int)
    )
    numbers = np.empty(len(codes), dtype=np.int64)
    numbers[order] = np.arange(len(codes)) - np.repeat(starts, np.diff(np.r_[starts, len(codes)])) + 1
    return numbers


def _codes(keys: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """A number for each distinct key, -1 for null."""
    whole = keys.combine_chunks() if isinstance(keys, pa.ChunkedArray) else keys
    encoded = whole.cast(pa.large_string()).dictionary_encode()
    return encoded.indices.fill_null(-1).to_numpy().astype(np.int64)


def _text_or_nulls(texts: pa.Array | None, count: int) -> pa.Array:
    return pa.nulls(count, pa.large_string()) if texts is None else texts.cast(pa.large_string())
