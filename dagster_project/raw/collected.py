"""The rows of a window while it is being read: by day, sorted by key, each record once; what memory cannot hold on disk."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dagster_project.raw.store import RawZoneError

SPILL_AT_BYTES = 256 * 2**20  # rows kept in memory while a window is read; the rest waits in a local temp folder
DAY_NUMBER = "_day_number"  # while rows are sorted


class Collected:
    """The rows of a window while it is being read; what does not fit in memory waits on local disk, by day."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._pages: list[pa.Table] = []
        self._bytes = 0
        self._spilled: dict[date, list[Path]] = {}
        self._folder: Path | None = None
        self._settled: dict[date, pa.Table] | None = None
        self._quality: dict[date | None, list[Mapping[str, Any]]] = {None: []}
        self.days: set[date] = set()
        self.begins_at: datetime | None = None  # the first moment at which any record came into being

    def __enter__(self) -> Collected:
        return self

    def __exit__(self, *_: object) -> None:
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    def add_all(self, pages: Iterable[Any]) -> None:
        for page in pages:
            rows = _conform(self._stream, page.rows)
            days = [_date_of(number) for number in np.unique(_day_numbers(rows, self._stream))]
            self.days.update(days)
            for day in (None, *days):
                self._quality.setdefault(day, []).append(page.quality)
            if self._stream.begins and (begins := pc.min(rows.column(self._stream.begins)).as_py()):
                self.begins_at = min(self.begins_at or begins, begins)
            self._pages.append(rows)
            self._bytes += rows.nbytes
            if self._bytes > SPILL_AT_BYTES:
                self._spill()

    def keys(self) -> set[tuple[Any, ...]]:
        return set().union(*(key_tuples(self.table(day), self._stream.key) for day in self.days))

    def quality(self, day: date | None = None) -> dict[str, Any]:
        """The worst that was said about the pages that hold this day (or about any page).

        A day without rows has the quality of the window: a vendor that thresholds may have withheld all of it.
        """
        return worst_of(self._quality.get(day, self._quality[None]))

    def settle(self) -> None:
        """Sort the window in one pass; a window that was spilled is sorted day by day, as its days are asked for."""
        if self._settled is None and self._folder is None:
            rows = pa.concat_tables([self._stream.schema.empty_table(), *self._pages])
            self._pages, self._settled = [], _by_day(sorted_unique(rows, self._stream), self._stream)
        elif self._pages:
            self._spill()

    def table(self, day: date) -> pa.Table:
        """The day's rows, sorted by key; records that came twice are kept once, in their newest version."""
        if self._settled is None:
            self.settle()
        if self._settled is not None:
            rows = self._settled.get(day, self._stream.schema.empty_table())
            # a copy: a slice shares the last byte of its bitmaps with the next day's rows, and hashes would differ
            return rows.take(pa.array(np.arange(rows.num_rows)))
        parts = [pq.read_table(path) for path in self._spilled.get(day, [])]
        return sorted_unique(pa.concat_tables(parts), self._stream) if parts else self._stream.schema.empty_table()

    def _spill(self) -> None:
        self._folder = self._folder or Path(tempfile.mkdtemp(prefix="funnelhouse-"))
        rows = pa.concat_tables(self._pages).combine_chunks()
        rows = rows.take(pa.array(np.argsort(_day_numbers(rows, self._stream), kind="stable")))
        for day, part in _by_day(rows, self._stream).items():
            path = self._folder / f"{day}-{uuid.uuid4().hex}.parquet"
            pq.write_table(part, path, compression="zstd")
            self._spilled.setdefault(day, []).append(path)
        self._pages, self._bytes = [], 0


def _conform(stream: Any, rows: pa.Table | pa.RecordBatch) -> pa.Table:
    table = pa.Table.from_batches([rows]) if isinstance(rows, pa.RecordBatch) else rows
    declared, sent = stream.schema.names, table.schema.names
    if sorted(declared) != sorted(sent):
        missing, unknown = set(declared) - set(sent), set(sent) - set(declared)
        raise RawZoneError(
            f"{stream.id}: columns differ from the declared ones; missing {sorted(missing)}, unknown {sorted(unknown)}"
        )
    try:
        return table.select(declared).cast(stream.schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise RawZoneError(f"{stream.id}: a column has another type than the declared one: {error}") from error


def _day_numbers(rows: pa.Table, stream: Any) -> np.ndarray:
    """The partition day of each row, in days since 1970."""
    column = rows.column(stream.day)
    if column.null_count:
        raise RawZoneError(f"{stream.id}: {column.null_count} rows have no {stream.day}, so no day to be stored under")
    days = (
        column.cast(pa.timestamp("us")).cast(pa.date32(), safe=False) if pa.types.is_timestamp(column.type) else column
    )
    return days.combine_chunks().cast(pa.int32()).to_numpy(zero_copy_only=False)


def _date_of(number: int) -> date:
    return date(1970, 1, 1) + timedelta(days=int(number))


def _by_day(rows: pa.Table, stream: Any) -> dict[date, pa.Table]:
    """Rows that are sorted by day, cut into their days without copying."""
    numbers = _day_numbers(rows, stream)
    if len(numbers) == 0:
        return {}
    starts = np.flatnonzero(np.r_[True, numbers[1:] != numbers[:-1]])
    ends = np.r_[starts[1:], len(numbers)]
    return {_date_of(numbers[start]): rows.slice(start, end - start) for start, end in zip(starts, ends, strict=True)}


def sorted_unique(rows: pa.Table, stream: Any) -> pa.Table:
    """Rows of one day or of many, by day and key; within a day a record is kept once, in its newest version."""
    rows = rows.combine_chunks().append_column(DAY_NUMBER, pa.array(_day_numbers(rows, stream)))
    key = [DAY_NUMBER, *stream.key]
    order = [*key, stream.day] if stream.kind == "record" and stream.day not in stream.key else key
    rows = rows.take(pc.sort_indices(rows, sort_keys=[(name, "ascending") for name in order])).combine_chunks()
    repeats = _is_like_the_next(rows, key)
    if not repeats.any():
        return rows.drop_columns([DAY_NUMBER])
    if stream.kind != "record":
        first = rows.slice(int(np.flatnonzero(repeats)[0]), 1).select(key).to_pylist()[0]
        number = first.pop(DAY_NUMBER)
        count = int((repeats & (rows.column(DAY_NUMBER).to_numpy()[1:] == number)).sum())
        raise RawZoneError(
            f"{stream.id}: day {_date_of(number)} has {count} rows whose key came twice, first {first}; "
            "the vendor's pages overlap or the key is too short; nothing was changed"
        )
    return rows.filter(pa.array(np.r_[~repeats, True])).drop_columns([DAY_NUMBER])


def _is_like_the_next(rows: pa.Table, names: Sequence[str]) -> np.ndarray:
    """For each row but the last: whether all named columns say the same in the row after it."""
    same = np.ones(max(rows.num_rows - 1, 0), dtype=bool)
    for name in names:
        column = rows.column(name).combine_chunks()
        here, following = column.slice(0, len(same)), column.slice(1)
        both_null = pc.and_(pc.is_null(here), pc.is_null(following))
        alike = pc.or_(pc.fill_null(pc.equal(here, following), False), both_null)
        same &= alike.to_numpy(zero_copy_only=False).astype(bool)
    return same


def key_tuples(table: pa.Table, key: Sequence[str]) -> set[tuple[Any, ...]]:
    return set(zip(*(table.column(name).to_pylist() for name in key), strict=True))


def worst_of(pages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    worst: dict[str, Any] = {}
    for quality in pages:
        for name, value in quality.items():
            if name == "sampled_share" and worst.get(name) is not None:
                worst[name] = min(worst[name], value) if value is not None else worst[name]
            elif isinstance(value, bool):
                worst[name] = bool(worst.get(name)) or value
            elif isinstance(value, list):
                worst[name] = sorted({*worst.get(name, ()), *value})
            elif value is not None:
                worst[name] = value
    return worst
