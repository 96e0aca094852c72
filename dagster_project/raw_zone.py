"""The raw zone: Parquet days on a local folder or an object store, each replaced whole and atomically.

`<root>/<source>/<stream>/day=YYYY-MM-DD/part-0.parquet`, one file a day. An empty day is a file without rows:
not the same as a day that was never extracted. `day=0000-schema` holds no rows, only the declared types, so
that a source that is off reads as an empty typed table. Beside the days stands `_days.parquet`, a ledger of
what was checked when; it is a cache, mended from the files' own footers where the two disagree.

Streams are passed in (see connectors/contract.py for their shape); nothing of ours is imported here.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

SCHEMA_DAY = "0000-schema"  # sorts before every date, so DuckDB takes its types from this file
PART = "part-0.parquet"
LEDGER = "_days.parquet"
STATUS = "_status.json"
REFUSALS = "_refusals.json"  # of a stream: day ("" = not known) -> rows that were refused, cells that could not be read
SPILL_AT_BYTES = 256 * 2**20  # rows kept in memory while a window is read; the rest waits in a local temp folder
SYNCS_AT_ONCE = 4  # days are small: with 16 threads a stream took half as much CPU again, in handing over Python's lock
SMALL_TABLE_BYTES = 2**20  # below, zstd saves nothing (most of the file is its footer) and takes twice snappy's time
LITTER_AGE_SECONDS = 3600
SHRINK_LIMIT = 0.2  # a sweep that loses more than this share of the ids is refused (an empty answer is not a fact)
DAY_NUMBER = "_day_number"  # while rows are sorted
EXTRACTED_AT = pa.field("_extracted_at", pa.timestamp("us", tz="UTC"))

LEDGER_SCHEMA = pa.schema(
    [
        ("day", pa.date32()),
        ("rows", pa.int64()),
        ("content_hash", pa.string()),
        ("extracted_at", pa.timestamp("us", tz="UTC")),
        ("checked_on", pa.date32()),
        ("quality", pa.string()),
        ("file_version", pa.string()),
    ]
)
DAYS_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("stream", pa.string()),
        ("domain", pa.string()),
        ("kind", pa.string()),
        ("period", pa.string()),
        ("day", pa.date32()),
        ("rows", pa.int64()),
        ("content_hash", pa.string()),
        ("extracted_at", pa.timestamp("us", tz="UTC")),
        ("checked_on", pa.date32()),
        ("restate_days", pa.int32()),
        ("sampled_share", pa.float64()),
        ("is_thresholded", pa.bool_()),
        ("has_other_row", pa.bool_()),
        ("is_truncated", pa.bool_()),
        ("quality", pa.string()),
    ]
)
STREAMS_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("stream", pa.string()),
        ("domain", pa.string()),
        ("kind", pa.string()),
        ("is_on", pa.bool_()),
        ("first_day", pa.date32()),
        ("last_day", pa.date32()),
        ("last_ok_at", pa.timestamp("us", tz="UTC")),
        ("checked_on", pa.date32()),
        ("last_attempt_at", pa.timestamp("us", tz="UTC")),
        ("last_error", pa.string()),
        ("is_stale", pa.bool_()),
        ("settles_after_days", pa.int32()),
        ("listed_on", pa.date32()),
        ("asked_from", pa.date32()),
        ("begins_at", pa.timestamp("us", tz="UTC")),
    ]
)
SUBJECTS_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("stream", pa.string()),
        ("part", pa.string()),
        ("entry", pa.int32()),
        ("subject", pa.string()),
        ("decides", pa.bool_()),
        ("has_range", pa.bool_()),
        ("first_day", pa.date32()),
        ("last_day", pa.date32()),
        ("begins", pa.date32()),
    ]
)
REFUSALS_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("stream", pa.string()),
        ("day", pa.date32()),
        ("rows", pa.int64()),
        ("cells", pa.int64()),
    ]
)


log = logging.getLogger(__name__)
CommitLock = Callable[[], contextlib.AbstractContextManager[object]]
ACCOUNT = "account_id"


class RawZoneError(Exception):
    """Rows that cannot be stored as they are; nothing on disk has changed."""


@dataclass(frozen=True)
class Damage:
    """A stored day that cannot be trusted: `what` is wrong with the file `path`."""

    stream: str
    day: date
    path: str
    what: str

    def __str__(self) -> str:
        return f"{self.stream}: day {self.day} is damaged ({self.what}): {self.path}"


class ShrinkRefused(RawZoneError):
    """A sweep came back with far fewer ids than are stored."""


@dataclass
class Written:
    """What a replacement did: `rows` and `bytes_written` of this call; `quality` is the worst of its pages."""

    rows: int = 0
    bytes_written: int = 0
    days: list[date] = field(default_factory=list)
    changed_days: list[date] = field(default_factory=list)
    unchanged_days: list[date] = field(default_factory=list)
    quality: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    def add(self, other: Written) -> None:
        """Count another replacement of the same stream in."""
        self.rows += other.rows
        self.bytes_written += other.bytes_written
        self.days = sorted({*self.days, *other.days})
        self.changed_days = sorted({*self.changed_days, *other.changed_days})
        self.unchanged_days = sorted({*self.unchanged_days, *other.unchanged_days} - set(self.changed_days))
        self.quality = _worst([self.quality, other.quality])
        self.seconds += other.seconds


class RawZone:
    """The raw zone under `root`, a local path or an fsspec URL (`s3://bucket/raw`, `memory://raw`)."""

    def __init__(self, root: str | Path) -> None:
        self.root = str(root).rstrip("/")
        self._fs, self._path = fsspec.core.url_to_fs(self.root)
        self._is_local = isinstance(self._fs, LocalFileSystem)

    # ---- writing -------------------------------------------------------------------------------------------

    def declare(self, stream: Any) -> None:
        """Write the stream's empty schema file; give older days the columns that were declared since.

        Raises RawZoneError when a stored column cannot be cast to its newly declared type.
        """
        path = self._day_path(stream, SCHEMA_DAY)
        schema = _stored_schema(stream.schema)
        if self._fs.exists(path):
            stored = self._read_schema(path)
            if stored is not None and stored.equals(schema):
                return
            self._upgrade(stream, schema)
        self._put(path, schema.empty_table(), {"schema_version": _schema_version(schema)})

    def replace_days(
        self,
        stream: Any,
        days: Sequence[date],
        pages: Iterable[Any],
        *,
        extracted_at: datetime,
        checked_on: date,
        commit_lock: CommitLock = contextlib.nullcontext,
        read_accounts: Collection[str] = (),
        unread_accounts: Collection[str] = (),
        failed_accounts: Collection[str] = (),
        asked_from: date | None = None,
    ) -> Written:
        """Make `days` hold exactly the rows of `pages`; days without rows become empty files.

        All pages are read before the first file is touched, so a read that fails changes nothing. Each day is
        replaced by one rename; a day whose rows are the same as before is left alone. Rows of other days are
        an error: a vendor that answers outside the window has misunderstood the question.
        An account that was not read says nothing about its rows: those that are stored stay (but for days on
        which `pages` has rows of it), and the day's quality names the account. Not read are the
        `unread_accounts` and, where `read_accounts` are given, all others. Both are looked at after the last
        page: reading the pages may fill them. Where some of the unread are `failed_accounts`, the days do not count
        as checked: they are asked again, and are not final; what came of such an account before it failed may be a
        part of a day, and takes the place of none of its stored rows. `asked_from` is the first day that somebody wants to see.
        Raises RawZoneError (undeclared columns, rows outside the window, duplicate keys in a report).
        """
        wanted = sorted(set(days))
        with _Collected(stream) as collected:
            collected.add_all(pages)
            outside = sorted(collected.days - set(wanted))
            if outside:
                raise RawZoneError(
                    f"{stream.id}: the source sent rows of {outside[0]}"
                    f"{f' and {len(outside) - 1} more days' if len(outside) > 1 else ''}, "
                    f"outside the window {wanted[0]}..{wanted[-1]} that was asked for"
                )
            with commit_lock():
                return self._commit(
                    stream, wanted, collected, extracted_at, checked_on, read_accounts, unread_accounts,
                    failed_accounts={*failed_accounts} - {*read_accounts}, asked_from=asked_from,
                )  # fmt: skip

    def replace_all(
        self,
        stream: Any,
        pages: Iterable[Any],
        *,
        extracted_at: datetime,
        checked_on: date,
        allow_shrink: bool = False,
        commit_lock: CommitLock = contextlib.nullcontext,
        asked_from: date | None = None,
        parts: Callable[[], Iterable[Any] | None] = lambda: None,
    ) -> Written:
        """Make the whole stream hold exactly the rows of `pages` (a sweep). `asked_from`: as for replace_days.

        `parts`, asked after the last page, are what the parts of the listing feed and cover; None: as declared.

        Days are written newest first: a record only ever moves to a later day, so a sweep that is killed
        leaves every record in at least one file, and staging keeps the newest version.
        Raises ShrinkRefused when more than 20 % of the stored ids would be lost.
        """
        with _Collected(stream) as collected:
            collected.add_all(pages)
            before, now = self._keys(stream), collected.keys()
            lost = len(before - now)
            if lost > SHRINK_LIMIT * len(before) and not allow_shrink:
                raise ShrinkRefused(
                    f"{stream.id}: the full listing has {len(now)} ids and lacks {lost} of the "
                    f"{len(before)} that are stored ({lost / len(before):.0%}); nothing was changed. If the source "
                    "really lost them, run again with --allow-shrink"
                )
            days = sorted(collected.days | set(self._stored_days(stream)))
            with commit_lock():
                return self._commit(
                    stream,
                    days,
                    collected,
                    extracted_at,
                    checked_on,
                    is_listing=True,
                    asked_from=asked_from,
                    parts=parts(),
                )

    def note_failure(self, stream: Any, error: str, at: datetime) -> None:
        """Remember that the last attempt to read the stream failed; cleared by the next good one."""
        status = self._status(stream)
        status.update({"last_attempt_at": at.isoformat(), "last_error": error[:500]})
        self._put_bytes(f"{self._stream_path(stream)}/{STATUS}", json.dumps(status).encode())

    def note_refusals(
        self,
        stream: Any,
        days: Sequence[date] | None,
        rows: Mapping[date | None, int],
        cells: Mapping[date | None, int],
    ) -> None:
        """Remember how many rows were refused, and cells left empty, on each of the `days` that were read (None: all).

        What has no known day may be of any of the days that were read: it is kept for each of them, or under no day
        where all were read. A record counts for other days as well as for that of its change, by which it was asked: of
        such days others may have been refused before, and the larger number stays until all are read.
        """
        path = f"{self._stream_path(stream)}/{REFUSALS}"
        kept = (
            {} if days is None else {day: both for day, both in self._refusals(stream).items() if day not in set(days)}
        )
        now = {day: (rows.get(day, 0), cells.get(day, 0)) for day in {*rows, *cells}}
        lost = now.pop(None, (0, 0))
        for day in days if days is not None and any(lost) else ():
            now[day] = tuple(a + b for a, b in zip(now.get(day, (0, 0)), lost, strict=True))
        now |= {None: lost} if days is None else {}
        now |= {day: tuple(map(max, both, now[day])) for day, both in kept.items() if day in now}
        known = {day: both for day, both in (kept | now).items() if any(both)}
        if known or self._fs.exists(path):
            self._put_bytes(path, json.dumps({str(day or ""): both for day, both in known.items()}).encode())

    # ---- reading -------------------------------------------------------------------------------------------

    def listed_on(self, stream: Any) -> date | None:
        """The day of the last whole listing that was read to its end; None when there was none."""
        return _day(self._status(stream).get("listed_on"))

    def extracted_days(self, stream: Any) -> list[date]:
        """The days that are on disk, empty ones included, oldest first."""
        return sorted(self._stored_days(stream))

    def read_day(self, stream: Any, day: date) -> pa.Table:
        """One stored day, `_extracted_at` included. Raises FileNotFoundError for a day never extracted."""
        with self._fs.open(self._day_path(stream, day), "rb") as file:
            return pq.read_table(file)

    def ledger(self, stream: Any) -> pa.Table:
        """One row a stored day (LEDGER_SCHEMA), true to the files even if a run was killed in between.

        A file that another hand has touched since is read whole: what is not as it was written is set aside, as if its
        day had never been extracted, and named in the stream's status until the day was read again.
        """
        versions = self._stored_days(stream)
        known = {row["day"]: row for row in self._read_ledger(stream).to_pylist()}
        rows = []
        for day in sorted(versions):
            row = known.get(day)
            if row is None or row["file_version"] != versions[day]:
                row = self._ledger_row_from_file(stream, day, versions[day], row)
            if row is not None:
                rows.append(row)
        return pa.Table.from_pylist(rows, schema=LEDGER_SCHEMA)

    def gaps(self, stream: Any) -> list[date]:
        """Days that should be stored and are not, oldest first; sets aside what is damaged, as `ledger` does."""
        self.ledger(stream)
        return self.missing_days(stream)

    def missing_days(self, stream: Any) -> list[date]:
        """Days that were stored and are not any more (set aside as damaged, or deleted by another hand), and those of a
        daily report between the first and the last that are stored; oldest first. Looks only."""
        stored = self.extracted_days(stream)
        missing = set(self._lost(stream)) - set(stored)
        if stream.kind == "report" and stream.read is not None and stream.period == "day" and stored:
            inner = {stored[0] + timedelta(days=n) for n in range((stored[-1] - stored[0]).days)}
            missing |= inner - set(stored)
        return sorted(missing)

    def damages(self, stream: Any) -> Iterator[Damage]:
        """The stored days of a stream whose content is not what its own hash says; every file is read whole."""
        for day in self.extracted_days(stream):
            if what := self._damage(stream, day):
                yield Damage(stream.id, day, self._day_path(stream, day), what)

    def set_aside(self, damage: Damage, stream: Any) -> str:
        """Move a damaged file out of the way, to `<root>/_set_aside`; returns its new place."""
        aside = f"{self._path}/_set_aside/{stream.source}/{stream.name}/day={damage.day}/{uuid.uuid4().hex[:8]}-{PART}"
        self._fs.makedirs(aside.rpartition("/")[0], exist_ok=True)
        self._fs.mv(damage.path, aside)
        status = self._status(stream)
        status["lost"] = sorted({*status.get("lost", ()), damage.day.isoformat()})
        self._put_bytes(f"{self._stream_path(stream)}/{STATUS}", json.dumps(status).encode())
        log.warning("%s; it was moved to %s and its day is read again", damage, aside)
        return aside

    def write_index(self, streams: Iterable[tuple[Any, bool]]) -> None:
        """Write `days`, `streams`, `subjects` and `refusals` to `_meta`, over all `(stream, is_on)`: what dbt knows of the
        raw zone."""
        days, overview, subjects, refusals = [], [], [], []
        for stream, is_on in streams:
            refusals += [
                {"source": stream.source, "stream": stream.name, "day": day, "rows": rows, "cells": cells}
                for day, (rows, cells) in self._refusals(stream).items()
            ]
            ledger = self.ledger(stream)
            days.append(_index_rows(stream, ledger))
            overview.append(self._overview_row(stream, is_on, ledger))
            subjects += _subject_rows(stream, self._status(stream).get("parts"))
        self._put(f"{self._path}/_meta/days.parquet", pa.concat_tables([DAYS_SCHEMA.empty_table(), *days]))
        self._put(f"{self._path}/_meta/streams.parquet", pa.Table.from_pylist(overview, schema=STREAMS_SCHEMA))
        self._put(f"{self._path}/_meta/refusals.parquet", pa.Table.from_pylist(refusals, schema=REFUSALS_SCHEMA))
        self._put(f"{self._path}/_meta/subjects.parquet", pa.Table.from_pylist(subjects, schema=SUBJECTS_SCHEMA))

    # ---- inside --------------------------------------------------------------------------------------------

    def _commit(
        self,
        stream: Any,
        days: Sequence[date],
        collected: _Collected,
        extracted_at: datetime,
        checked_on: date,
        read_accounts: Collection[str] = (),
        unread_accounts: Collection[str] = (),
        *,
        failed_accounts: Collection[str] = (),
        is_listing: bool = False,
        asked_from: date | None = None,
        parts: Iterable[Any] | None = None,
    ) -> Written:
        started = time.perf_counter()
        self.declare(stream)
        if self._is_local:
            _remove_litter(Path(self._stream_path(stream)))
        ledger = {row["day"]: row for row in self.ledger(stream).to_pylist()}
        lost_before = self._lost(stream)
        written = Written(days=list(days), quality=collected.quality())
        stamp = (
            {"window": f"{min(days)}..{max(days)}", "extracted_at": extracted_at.astimezone(UTC).isoformat()}
            if days
            else {}
        )

        def prepare(day: date) -> _DayFile:
            rows, quality = _stamped(collected.table(day), extracted_at), collected.quality(day)
            if day in ledger and (read_accounts or unread_accounts):
                kept = self._kept(stream, day, rows, read_accounts, unread_accounts, failed_accounts)
                if kept.num_rows and failed_accounts:
                    rows = rows.filter(pc.invert(pc.is_in(rows.column(ACCOUNT), kept.column(ACCOUNT).unique())))
                rows = _sorted_unique(pa.concat_tables([rows, kept]), stream) if kept.num_rows else rows
                unread = {*unread_accounts, *kept.column(ACCOUNT).to_pylist()}
            else:
                unread = set(unread_accounts)
            if unread:
                quality["unread_accounts"] = sorted(unread)
            # who asks for a day again may do so because its file is damaged: equal hashes are not enough then
            before = ledger.get(day)
            is_whole = before is None or asked_from is None or not self._damage(stream, day)
            return self._prepare_day(stream, day, rows, quality, before if is_whole else None, stamp)

        collected.settle()
        with contextlib.ExitStack() as prepared, ThreadPoolExecutor(SYNCS_AT_ONCE) as pool:
            # every file is written and synced before the first is renamed; disks sync many files as fast as one
            files = {file.day: file for file in pool.map(prepare, days)}
            for file in files.values():
                prepared.callback(file.discard)
            for day in sorted(days, reverse=True):
                file = files[day]
                written.rows += file.rows
                written.quality = _worst([written.quality, file.quality])
                checked = (
                    checked_on
                    if not failed_accounts
                    else ledger[day]["checked_on"]
                    if day in ledger
                    else min(day, checked_on)
                )
                if file.is_unchanged:
                    before = ledger[day]
                    ledger[day] = before | {"checked_on": max(before["checked_on"], checked)}
                    written.unchanged_days.append(day)
                    continue
                file.publish()
                written.bytes_written += file.size
                written.changed_days.append(day)
                ledger[day] = {
                    "day": day,
                    "rows": file.rows,
                    "content_hash": file.content_hash,
                    "extracted_at": extracted_at,
                    "checked_on": checked,
                    "quality": file.quality_text,
                    "file_version": None,
                }
        written.changed_days.sort()
        written.unchanged_days.sort()
        versions = self._stored_days(stream)
        rows_now = [ledger[day] | {"file_version": versions.get(day)} for day in sorted(ledger)]
        self._put(f"{self._stream_path(stream)}/{LEDGER}", pa.Table.from_pylist(rows_now, schema=LEDGER_SCHEMA))
        moment = extracted_at.astimezone(UTC).isoformat()
        state = self._status(stream)
        status: dict[str, Any] = {"last_attempt_at": moment, "last_ok_at": moment, "checked_on": checked_on.isoformat()}
        status |= {"listed_on": checked_on.isoformat() if is_listing else state.get("listed_on")}
        asked = [text for text in (state.get("asked_from"), asked_from and asked_from.isoformat()) if text]
        status |= {"asked_from": min(asked, default=None)}
        known = None if is_listing else state.get("begins_at")
        begins = [text for text in (known, collected.begins_at and collected.begins_at.isoformat()) if text]
        status |= {"begins_at": min(begins, default=None)}
        status |= {"parts": None if parts is None else [_part_row(part) for part in parts]}
        if lost := [day.isoformat() for day in lost_before if day not in ledger and not is_listing]:
            status["lost"] = lost
        self._put_bytes(f"{self._stream_path(stream)}/{STATUS}", json.dumps(status).encode())
        written.seconds = time.perf_counter() - started
        return written

    def _prepare_day(
        self,
        stream: Any,
        day: date,
        stamped: pa.Table,
        quality: Mapping[str, Any],
        before: Mapping[str, Any] | None,
        stamp: Mapping[str, str],
    ) -> _DayFile:
        file = _DayFile(day, stamped.num_rows, quality)
        file.content_hash = _content_hash(stamped.drop_columns([EXTRACTED_AT.name]), file.quality_text)
        if before and before["content_hash"] == file.content_hash:
            file.is_unchanged = True
            return file
        footer = {
            **stamp,
            "schema_version": _schema_version(stamped.schema),
            "rows": str(file.rows),
            "content_hash": file.content_hash,
            "quality": file.quality_text,
        }
        file.size, file.publish, file.discard = self._prepare(self._day_path(stream, day), stamped, footer)
        return file

    def _kept(
        self,
        stream: Any,
        day: date,
        new: pa.Table,
        read_accounts: Collection[str],
        unread_accounts: Collection[str],
        failed_accounts: Collection[str],
    ) -> pa.Table:
        """The stored rows of accounts that were not read, with the moment of their own extraction; of those that failed
        also where `new` has some of the account."""
        with self._fs.open(self._day_path(stream, day), "rb") as file:
            parquet = pq.ParquetFile(file)
            stored = set(parquet.read(columns=[ACCOUNT]).column(ACCOUNT).unique().to_pylist()) - {None}
            silent = stored - set(read_accounts) if read_accounts else stored & set(unread_accounts)
            silent -= set(new.column(ACCOUNT).unique().to_pylist()) - set(failed_accounts)
            if not silent:
                return new.schema.empty_table()
            rows = parquet.read().replace_schema_metadata(None)
        return rows.filter(pc.is_in(rows.column(ACCOUNT), pa.array(sorted(silent), pa.string())))

    def _upgrade(self, stream: Any, schema: pa.Schema) -> None:
        for day in self._stored_days(stream):
            path = self._day_path(stream, day)
            if what := self._damage(stream, day):
                self.set_aside(Damage(stream.id, day, path, what), stream)
                continue
            with self._fs.open(path, "rb") as file:
                table = pq.read_table(file)
            if table.schema.remove_metadata().equals(schema):
                continue
            try:
                columns = [
                    table.column(f.name).cast(f.type) if f.name in table.schema.names else pa.nulls(len(table), f.type)
                    for f in schema
                ]
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                raise RawZoneError(
                    f"{stream.id}: the stored day {day} cannot take the newly declared types ({error}); "
                    "extract the period again after moving the stream's folder away"
                ) from error
            upgraded = pa.Table.from_arrays(columns, schema=schema)
            footer = _footer(table.schema.metadata) | {"schema_version": _schema_version(schema)}
            quality = footer.get("quality", "{}")
            footer["content_hash"] = _content_hash(upgraded.drop_columns([EXTRACTED_AT.name]), quality)
            self._put(path, upgraded, footer)

    def _stream_path(self, stream: Any) -> str:
        return f"{self._path}/{stream.source}/{stream.name}"

    def _day_path(self, stream: Any, day: date | str) -> str:
        return f"{self._stream_path(stream)}/day={day}/{PART}"

    def _stored_days(self, stream: Any) -> dict[date, str]:
        """Stored day -> a token that changes whenever its file does (size and modification time)."""
        if self._is_local:
            return dict(_local_days(self._stream_path(stream)))
        self._fs.invalidate_cache()  # another process may have written since this one listed
        days = {}
        with contextlib.suppress(FileNotFoundError):
            for path, info in self._fs.find(self._stream_path(stream), detail=True).items():
                folder, _, name = path.rpartition("/")
                text = folder.rpartition("/day=")[2]
                if name == PART and text != SCHEMA_DAY:
                    stamp = info.get("ETag") or info.get("LastModified") or info.get("created") or ""
                    days[_day_of_folder(folder)] = f"{info['size']}:{stamp}"
        return days

    def _keys(self, stream: Any) -> set[tuple[Any, ...]]:
        keys: set[tuple[Any, ...]] = set()
        for day in self.ledger(stream).column("day").to_pylist():
            path = self._day_path(stream, day)
            try:
                with self._fs.open(path, "rb") as file:
                    keys |= _key_tuples(pq.read_table(file, columns=list(stream.key)), stream.key)
            except (pa.ArrowException, OSError) as error:
                if not _is_of_the_content(error):
                    raise
                self.set_aside(Damage(stream.id, day, path, f"it cannot be read: {str(error).splitlines()[0]}"), stream)
        return keys

    def _lost(self, stream: Any) -> list[date]:
        """Days that the ledger or the status remembers; those that are stored may be among them."""
        known = set(self._read_ledger(stream).column("day").to_pylist())
        return sorted(known | {date.fromisoformat(day) for day in self._status(stream).get("lost", ())})

    def _read_ledger(self, stream: Any) -> pa.Table:
        path = f"{self._stream_path(stream)}/{LEDGER}"
        try:
            with self._fs.open(path, "rb") as file:
                return pq.read_table(file)
        except FileNotFoundError:
            return LEDGER_SCHEMA.empty_table()
        except (pa.ArrowException, OSError) as error:  # a cache: the days' own footers say the same
            log.warning("%s cannot be read (%s); it is made anew from the days", path, str(error).splitlines()[0])
            return LEDGER_SCHEMA.empty_table()

    def _damage(self, stream: Any, day: date) -> str:
        """What is wrong with a stored day, as words; empty where its content is what its own hash says."""
        try:
            with self._fs.open(self._day_path(stream, day), "rb") as file:
                rows = pq.ParquetFile(file).read()
            footer = _footer(rows.schema.metadata)
            if "content_hash" not in footer or EXTRACTED_AT.name not in rows.schema.names:
                return "it was not written by Funnelhouse"
            content = rows.replace_schema_metadata(None).drop_columns([EXTRACTED_AT.name])
            is_same = _content_hash(content, footer.get("quality", "{}")) == footer["content_hash"]
        except (pa.ArrowException, OSError, ValueError) as error:  # what a torn or foreign file makes of a reader
            if not _is_of_the_content(error):
                raise
            return f"it cannot be read: {str(error).splitlines()[0]}"
        return "" if is_same else "its rows are not those that were written"

    def _ledger_row_from_file(
        self, stream: Any, day: date, version: str, known: dict[str, Any] | None
    ) -> dict[str, Any] | None:
        """None where the file is damaged; it is set aside then."""
        path = self._day_path(stream, day)
        if what := self._damage(stream, day):
            self.set_aside(Damage(stream.id, day, path, what), stream)
            return None
        with self._fs.open(path, "rb") as file:
            parquet = pq.ParquetFile(file)
            footer = _footer(parquet.schema_arrow.metadata)
            rows = parquet.metadata.num_rows
        extracted_at = datetime.fromisoformat(footer["extracted_at"])
        is_same = known is not None and known["content_hash"] == footer["content_hash"]
        return {
            "day": day,
            "rows": rows,
            "content_hash": footer["content_hash"],
            "extracted_at": extracted_at,
            # the ledger lost this write: the day of extraction is the latest check that is certain
            "checked_on": known["checked_on"] if known and is_same else extracted_at.date(),
            "quality": footer.get("quality", "{}"),
            "file_version": version,
        }

    def _refusals(self, stream: Any) -> dict[date | None, tuple[int, int]]:
        stored = self._read_json(f"{self._stream_path(stream)}/{REFUSALS}")
        return {_day(text): (rows, cells) for text, (rows, cells) in stored.items()}

    def _status(self, stream: Any) -> dict[str, Any]:
        return self._read_json(f"{self._stream_path(stream)}/{STATUS}")

    def _read_json(self, path: str) -> dict[str, Any]:
        """Empty where the file is not there, or torn: the next reads of the stream say it again."""
        try:
            return json.loads(self._fs.cat_file(path))
        except FileNotFoundError:
            return {}
        except ValueError as error:
            log.warning("%s cannot be read (%s); it is made anew", path, error)
            return {}

    def _overview_row(self, stream: Any, is_on: bool, ledger: pa.Table) -> dict[str, Any]:
        status, days = self._status(stream), ledger.column("day").to_pylist()
        return {
            "source": stream.source,
            "stream": stream.name,
            "domain": stream.domain,
            "kind": stream.kind,
            "is_on": is_on,
            "first_day": days[0] if days else None,
            "last_day": days[-1] if days else None,
            "last_ok_at": _moment(status.get("last_ok_at")),
            "checked_on": _day(status.get("checked_on")),
            "last_attempt_at": _moment(status.get("last_attempt_at")),
            "last_error": status.get("last_error"),
            "is_stale": is_on and status.get("last_error") is not None,
            "settles_after_days": stream.settles_after_days,
            "listed_on": _day(status.get("listed_on")),
            "asked_from": _day(status.get("asked_from")),
            "begins_at": _moment(status.get("begins_at")),
        }

    def _read_schema(self, path: str) -> pa.Schema | None:
        try:
            with self._fs.open(path, "rb") as file:
                return pq.read_schema(file).remove_metadata()
        except (pa.ArrowException, OSError) as error:
            log.warning("%s cannot be read (%s); it is made anew", path, str(error).splitlines()[0])
            return None

    def _put(self, path: str, table: pa.Table, footer: Mapping[str, str] | None = None) -> int:
        """Write a Parquet file so that a reader sees the old one or the new one, whole; returns its size."""
        size, publish, discard = self._prepare(path, table, footer)
        try:
            publish()
        finally:
            discard()
        return size

    def _prepare(
        self, path: str, table: pa.Table, footer: Mapping[str, str] | None = None
    ) -> tuple[int, Callable[[], None], Callable[[], None]]:
        """A Parquet file, written and synced but not yet seen: its size, how to publish it, how to discard it."""
        metadata = {f"funnelhouse.{name}": value for name, value in (footer or {}).items()}
        table = table.replace_schema_metadata(metadata or None)
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd" if table.nbytes > SMALL_TABLE_BYTES else "snappy")
        content = sink.getvalue()
        if not self._is_local:  # object stores publish an object only when it is whole
            return content.size, lambda: self._fs.pipe_file(path, content.to_pybytes()), lambda: None
        temporary = _synced_beside(path, content)
        return content.size, lambda: os.replace(temporary, path), lambda: temporary.unlink(missing_ok=True)

    def _put_bytes(self, path: str, content: bytes) -> None:
        if self._is_local:
            os.replace(_synced_beside(path, content), path)
        else:
            self._fs.pipe_file(path, content)


@dataclass
class _DayFile:
    """One day on its way to disk."""

    day: date
    rows: int
    quality: Mapping[str, Any]
    content_hash: str = ""
    is_unchanged: bool = False
    size: int = 0
    publish: Callable[[], None] = lambda: None
    discard: Callable[[], None] = lambda: None

    @property
    def quality_text(self) -> str:
        return json.dumps(self.quality, sort_keys=True)


class _Collected:
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

    def __enter__(self) -> _Collected:
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
        return set().union(*(_key_tuples(self.table(day), self._stream.key) for day in self.days))

    def quality(self, day: date | None = None) -> dict[str, Any]:
        """The worst that was said about the pages that hold this day (or about any page).

        A day without rows has the quality of the window: a vendor that thresholds may have withheld all of it.
        """
        return _worst(self._quality.get(day, self._quality[None]))

    def settle(self) -> None:
        """Sort the window in one pass; a window that was spilled is sorted day by day, as its days are asked for."""
        if self._settled is None and self._folder is None:
            rows = pa.concat_tables([self._stream.schema.empty_table(), *self._pages])
            self._pages, self._settled = [], _by_day(_sorted_unique(rows, self._stream), self._stream)
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
        return _sorted_unique(pa.concat_tables(parts), self._stream) if parts else self._stream.schema.empty_table()

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


def _sorted_unique(rows: pa.Table, stream: Any) -> pa.Table:
    """Rows of one day or of many, by day and key; within a day a record is kept once, in its newest version."""
    rows = rows.combine_chunks().append_column(DAY_NUMBER, pa.array(_day_numbers(rows, stream)))
    key = [DAY_NUMBER, *stream.key]
    order = [*key, stream.day] if stream.kind == "record" and stream.day not in stream.key else key
    rows = rows.take(pc.sort_indices(rows, sort_keys=[(name, "ascending") for name in order])).combine_chunks()
    repeats = _is_like_the_next(rows, key)
    if not repeats.any():
        return rows.drop_columns([DAY_NUMBER])
    if stream.kind == "report":
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


def _key_tuples(table: pa.Table, key: Sequence[str]) -> set[tuple[Any, ...]]:
    return set(zip(*(table.column(name).to_pylist() for name in key), strict=True))


def _worst(pages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
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


def _content_hash(rows: pa.Table, quality: str) -> str:
    """Hash of the rows (sorted, so equal content has equal bytes) and of what the vendor said of them."""
    plain = rows.replace_schema_metadata(None).combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, plain.schema) as writer:
        writer.write_table(plain)
    digest = blake2b(quality.encode(), digest_size=16)
    digest.update(sink.getvalue())
    return digest.hexdigest()


def _stamped(rows: pa.Table, extracted_at: datetime) -> pa.Table:
    return rows.append_column(EXTRACTED_AT, pa.repeat(pa.scalar(extracted_at, EXTRACTED_AT.type), rows.num_rows))


def _stored_schema(schema: pa.Schema) -> pa.Schema:
    return schema.remove_metadata().append(EXTRACTED_AT)


def _schema_version(schema: pa.Schema) -> str:
    text = ",".join(f"{f.name}:{f.type}" for f in schema)
    return blake2b(text.encode(), digest_size=6).hexdigest()


def _footer(metadata: Mapping[bytes, bytes] | None) -> dict[str, str]:
    prefix = "funnelhouse."
    return {
        name.decode().removeprefix(prefix): value.decode()
        for name, value in (metadata or {}).items()
        if name.startswith(prefix.encode())
    }


def _index_rows(stream: Any, ledger: pa.Table) -> pa.Table:
    count = ledger.num_rows
    qualities = [json.loads(text or "{}") for text in ledger.column("quality").to_pylist()]

    def constant(value: Any, kind: pa.DataType) -> pa.Array:
        return pa.array(_repeat(value, count), kind)

    def said(name: str, kind: pa.DataType) -> pa.Array:
        return pa.array([quality.get(name) for quality in qualities], kind)

    columns = {
        "source": constant(stream.source, pa.string()),
        "stream": constant(stream.name, pa.string()),
        "domain": constant(stream.domain, pa.string()),
        "kind": constant(stream.kind, pa.string()),
        "period": constant(stream.period, pa.string()),
        "restate_days": constant(stream.settles_after_days, pa.int32()),
        "sampled_share": said("sampled_share", pa.float64()),
        **{name: said(name, pa.bool_()) for name in ("is_thresholded", "has_other_row", "is_truncated")},
    }
    return pa.Table.from_arrays(
        [columns.get(f.name, ledger.column(f.name) if f.name in ledger.schema.names else None) for f in DAYS_SCHEMA],
        schema=DAYS_SCHEMA,
    )


def _part_row(part: Any) -> dict[str, Any]:
    days = {name: getattr(part, name) for name in ("first_day", "last_day", "begins")}
    return {"name": part.name, "feeds": list(part.feeds)} | {n: day and day.isoformat() for n, day in days.items()}


def _subject_rows(stream: Any, parts: Sequence[Mapping[str, Any]] | None) -> list[dict[str, Any]]:
    """What each part of a stream says something about (SUBJECTS_SCHEMA); `parts` as the last good read left them."""
    whole = {"name": "", "feeds": stream.feeds, "has_range": False}
    every = [whole] if parts is None else [{**part, "has_range": True} for part in parts]
    every = [{**part, "decides": True, "entry": entry} for entry, part in enumerate(every)]
    every.append({**whole, "feeds": stream.informs, "decides": False, "entry": len(every)})
    return [
        {
            "source": stream.source,
            "stream": stream.name,
            "part": part["name"],
            "subject": subject,
            **{name: part[name] for name in ("entry", "decides", "has_range")},
            **{name: _day(part.get(name)) for name in ("first_day", "last_day", "begins")},
        }
        for part in every
        for subject in part["feeds"]
    ]


def _repeat(value: Any, count: int) -> list[Any]:
    return [value] * count


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _day_of_folder(path: str) -> date:
    """Raises RawZoneError where the folder is no day: a copy that somebody made would be read beside the original."""
    try:
        return date.fromisoformat(path.rpartition("/day=")[2])
    except ValueError:
        raise RawZoneError(f"{path} is no day of the raw zone (day=YYYY-MM-DD): move it to another place") from None


def _is_of_the_content(error: Exception) -> bool:
    """False for what the system says of itself (no right, too many open files, a store that does not answer): the file
    may be whole, and must not be set aside for that. Arrow's own errors have no number."""
    return not isinstance(error, OSError) or error.errno in (None, errno.EIO, errno.EISDIR)


def _local_days(folder: str) -> Iterator[tuple[date, str]]:
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return
    for entry in entries:
        if not entry.name.startswith("day=") or entry.name == f"day={SCHEMA_DAY}":
            continue
        try:
            stat = os.stat(f"{entry.path}/{PART}")
        except FileNotFoundError:  # a run was killed after making the folder and before its first rename
            continue
        yield _day_of_folder(entry.path), f"{stat.st_size}:{stat.st_mtime_ns}"


def _synced_beside(path: str, content: Any) -> Path:
    """`content` on disk under a temporary name beside `path`, ready to be renamed over it.

    The file is synced before the rename, so a name never points at a torn file. The folder is not: after a power
    cut a name may point at the file before, which the ledger notices by the file's size and time.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def _remove_litter(folder: Path) -> None:
    """Temporary files that a killed writer left behind; what is younger may belong to a writer at work."""
    for path in folder.glob("**/.*.tmp"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > LITTER_AGE_SECONDS:
                path.unlink()
