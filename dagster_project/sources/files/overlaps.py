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

ID, GROUP, FILE = "__id", "__group", "__file"  # working columns, never yielded


class Gathered:
    """Rows of `schema` on disk. Use as a context manager; the disk space is freed at the end."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._folder = tempfile.TemporaryDirectory(prefix="funnelhouse-files-")
        self._path = str(Path(self._folder.name) / "rows.arrow")
        working = [
            pa.field(ID, pa.large_string()),
            pa.field(GROUP, pa.large_string()),
            pa.field(FILE, pa.int32()),
        ]
        self._writer = pa.ipc.new_file(self._path, pa.schema([*schema, *working]))
        self._rows: pa.Table | None = None
        self._gone = np.zeros(0, dtype=bool)  # rows that others stand in for

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
        for name, column in zip((ID, GROUP, FILE), working, strict=True):
            rows = rows.append_column(name, column)
        self._writer.write_table(rows)

    def rows(self) -> tuple[pa.Table, np.ndarray]:
        """All rows with the working columns, and which of them stand (none has been remade). All must have been added."""
        return self._table(), ~self._gone

    def remake(self, gone: np.ndarray, rows: pa.Table) -> None:
        """Let `rows` stand in for those under the mask `gone`."""
        self._rows = pa.concat_tables([self._table(), rows])
        self._gone = np.concatenate([self._gone | gone, np.zeros(rows.num_rows, dtype=bool)])

    def kept(self, newest_by: str | None = None) -> np.ndarray:
        """Which rows stay, as a mask in the order of adding. All rows must have been added.

        Of equal ids it is the row with the latest `newest_by` (a moment column), else the one added last.
        """
        rows, stand = self.rows()
        files = rows.column(FILE).to_numpy()
        mask = last_of_each(codes_of(rows.column(GROUP)), files, stand)
        order = np.argsort(files, kind="stable")  # remade rows stand at the end
        if newest_by:
            moments = rows.column(newest_by).cast(pa.int64()).fill_null(np.iinfo(np.int64).min).to_numpy()
            order = order[np.argsort(moments[order], kind="stable")]
        position = np.empty_like(order)
        position[order] = np.arange(rows.num_rows)
        # a row that its group has lost does not compete
        return last_of_each(codes_of(rows.column(ID)), position, mask)

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
            self._gone = np.zeros(self._rows.num_rows, dtype=bool)
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


def last_of_each(codes: np.ndarray, order: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Which rows `among` (a mask) have the highest `order` of those of their code; rows without one (-1) all have."""
    compete = (codes >= 0) & among
    if not compete.any():
        return among.copy()
    best = np.full(codes.max() + 1, -1, dtype=np.int64)
    np.maximum.at(best, codes[compete], order[compete])
    return among & ((codes < 0) | (best[codes] == order))


def copy_numbers(keys: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """1, 2, 3 … for the rows of each key, in their order."""
    codes = codes_of(keys)
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(codes[order]) != 0]) if len(codes) else np.array([], dtype=int)
    numbers = np.empty(len(codes), dtype=np.int64)
    numbers[order] = np.arange(len(codes)) - np.repeat(starts, np.diff(np.r_[starts, len(codes)])) + 1
    return numbers


def codes_of(keys: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """A number for each distinct key, -1 for null."""
    whole = keys.combine_chunks() if isinstance(keys, pa.ChunkedArray) else keys
    encoded = whole.cast(pa.large_string()).dictionary_encode()
    return encoded.indices.fill_null(-1).to_numpy().astype(np.int64)


def _text_or_nulls(texts: pa.Array | None, count: int) -> pa.Array:
    return pa.nulls(count, pa.large_string()) if texts is None else texts.cast(pa.large_string())
