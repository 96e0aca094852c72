"""The raw zone: Parquet days on a local folder or an object store, each replaced whole and atomically.

`<root>/<source>/<stream>/day=YYYY-MM-DD/part-0.parquet`, one file a day. An empty day is a file without rows:
not the same as a day that was never extracted. `day=0000-schema` holds no rows, only the declared types, so
that a source that is off reads as an empty typed table. Beside the days stands `_days.parquet`, a ledger of
what was checked when; it is a cache, mended from the files' own footers where the two disagree.

Streams are passed in (see wire/contract.py for their shape); nothing of ours is imported here.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dagster_project.raw.collected import Collected, sorted_unique, worst_of
from dagster_project.raw.days import (
    EXTRACTED_AT,
    LEDGER,
    LEDGER_SCHEMA,
    STATUS,
    Damage,
    Days,
    content_hash,
    footer_of,
    schema_version,
    stamped_rows,
    stored_schema,
)
from dagster_project.raw.index import (
    DAYS_SCHEMA,
    REFUSALS_SCHEMA,
    STREAMS_SCHEMA,
    SUBJECTS_SCHEMA,
    index_rows,
    overview_row,
    part_row,
    subject_rows,
)
from dagster_project.raw.store import SCHEMA_DAY, RawZoneError, remove_litter

SYNCS_AT_ONCE = 4  # days are small: with 16 threads a stream took half as much CPU again, in handing over Python's lock
SHRINK_LIMIT = 0.2  # a sweep that loses more than this share of the ids is refused (an empty answer is not a fact)
CommitLock = Callable[[], contextlib.AbstractContextManager[object]]
ACCOUNT = "account_id"


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
        self.quality = worst_of([self.quality, other.quality])
        self.seconds += other.seconds


class RawZone(Days):
    """The raw zone under `root`, a local path or an fsspec URL (`s3://bucket/raw`, `memory://raw`)."""

    def declare(self, stream: Any) -> None:
        """Write the stream's empty schema file; give older days the columns that were declared since.

        Raises RawZoneError when a stored column cannot be cast to its newly declared type.
        """
        path = self._day_path(stream, SCHEMA_DAY)
        schema = stored_schema(stream.schema)
        if self._fs.exists(path):
            stored = self._read_schema(path)
            if stored is not None and stored.equals(schema):
                return
            self._upgrade(stream, schema)
        self._put(path, schema.empty_table(), {"schema_version": schema_version(schema)})

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
        with Collected(stream) as collected:
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
        read_accounts: Collection[str] = (),
        unread_accounts: Collection[str] = (),
        failed_accounts: Collection[str] = (),
        asked_from: date | None = None,
        parts: Callable[[], Iterable[Any] | None] = lambda: None,
    ) -> Written:
        """Make the whole stream hold exactly the rows of `pages` (a sweep). `asked_from`: as for replace_days.

        Of accounts that could not be read (`unread_accounts`, `failed_accounts`; looked at after the last page) what is
        stored stays, and the stream does not count as listed where one failed. `parts`, asked after the last page, are
        what the parts of the listing feed and cover; None: as declared.

        Days are written newest first: a record only ever moves to a later day, so a sweep that is killed
        leaves every record in at least one file, and staging keeps the newest version.
        Raises ShrinkRefused when more than 20 % of the stored ids would be lost.
        """
        with Collected(stream) as collected:
            collected.add_all(pages)
            failed = {*failed_accounts} - {*read_accounts}
            unread = failed | {*unread_accounts}
            at = stream.key.index(ACCOUNT) if ACCOUNT in stream.key else None
            before = {key for key in self._keys(stream) if at is None or key[at] not in unread}
            now = collected.keys()
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
                    stream, days, collected, extracted_at, checked_on, unread_accounts=unread, failed_accounts=failed,
                    is_listing=True, asked_from=asked_from, parts=parts(),
                )  # fmt: skip

    def write_index(self, streams: Iterable[tuple[Any, bool]]) -> dict[str, int]:
        """Write `days`, `streams`, `subjects` and `refusals` to `_meta`, over all `(stream, is_on)`: what dbt knows of the
        raw zone. Returns the rows of each."""
        days, overview, subjects, refusals = [], [], [], []
        for stream, is_on in streams:
            refusals += [
                {"source": stream.source, "stream": stream.name, "day": day, "rows": rows, "cells": cells}
                for day, (rows, cells) in self._refusals(stream).items()
            ]
            ledger = self.ledger(stream)
            days.append(index_rows(stream, ledger))
            overview.append(overview_row(stream, is_on, ledger, self._status(stream)))
            subjects += subject_rows(stream, self._status(stream).get("parts"))
        tables = {
            "days": pa.concat_tables([DAYS_SCHEMA.empty_table(), *days]),
            "streams": pa.Table.from_pylist(overview, schema=STREAMS_SCHEMA),
            "refusals": pa.Table.from_pylist(refusals, schema=REFUSALS_SCHEMA),
            "subjects": pa.Table.from_pylist(subjects, schema=SUBJECTS_SCHEMA),
        }
        for name, table in tables.items():
            self._put(f"{self._path}/_meta/{name}.parquet", table)
        return {name: table.num_rows for name, table in tables.items()}

    def _commit(
        self,
        stream: Any,
        days: Sequence[date],
        collected: Collected,
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
            remove_litter(Path(self._stream_path(stream)))
        ledger = {row["day"]: row for row in self.ledger(stream).to_pylist()}
        lost_before = self._lost(stream)
        written = Written(days=list(days), quality=collected.quality())
        stamp = (
            {"window": f"{min(days)}..{max(days)}", "extracted_at": extracted_at.astimezone(UTC).isoformat()}
            if days
            else {}
        )

        def prepare(day: date) -> _DayFile:
            rows, quality = stamped_rows(collected.table(day), extracted_at), collected.quality(day)
            if day in ledger and (read_accounts or unread_accounts):
                kept = self._kept(stream, day, rows, read_accounts, unread_accounts, failed_accounts)
                if kept.num_rows and failed_accounts:
                    rows = rows.filter(pc.invert(pc.is_in(rows.column(ACCOUNT), kept.column(ACCOUNT).unique())))
                rows = sorted_unique(pa.concat_tables([rows, kept]), stream) if kept.num_rows else rows
                unread = {*unread_accounts, *kept.column(ACCOUNT).to_pylist()}
            else:
                unread = set(unread_accounts)
            if unread and not is_listing:  # of a listing the stream says that it failed: its days hold what they held
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
                written.quality = worst_of([written.quality, file.quality])
                checked = checked_on
                if failed_accounts:
                    checked = ledger[day]["checked_on"] if day in ledger else min(day, checked_on)
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
        is_listed = is_listing and not failed_accounts
        status |= {"listed_on": checked_on.isoformat() if is_listed else state.get("listed_on")}
        asked = [text for text in (state.get("asked_from"), asked_from and asked_from.isoformat()) if text]
        status |= {"asked_from": min(asked, default=None)}
        known = None if is_listing else state.get("begins_at")
        begins = [text for text in (known, collected.begins_at and collected.begins_at.isoformat()) if text]
        status |= {"begins_at": min(begins, default=None)}
        status |= {"parts": None if parts is None else [part_row(part) for part in parts]}
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
        file.content_hash = content_hash(stamped.drop_columns([EXTRACTED_AT.name]), file.quality_text)
        if before and before["content_hash"] == file.content_hash:
            file.is_unchanged = True
            return file
        footer = {
            **stamp,
            "schema_version": schema_version(stamped.schema),
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
            footer = footer_of(table.schema.metadata) | {"schema_version": schema_version(schema)}
            quality = footer.get("quality", "{}")
            footer["content_hash"] = content_hash(upgraded.drop_columns([EXTRACTED_AT.name]), quality)
            self._put(path, upgraded, footer)


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
