"""What is known of a stream's stored days: the ledger of what was checked when, damage, gaps, refusals, the last attempt.

The ledger is a cache, mended from the files' own footers where the two disagree.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from hashlib import blake2b
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dagster_project.raw.collected import key_tuples
from dagster_project.raw.store import PART, SCHEMA_DAY, Store, is_of_the_content

log = logging.getLogger(__name__)
LEDGER = "_days.parquet"
STATUS = "_status.json"
REFUSALS = "_refusals.json"  # of a stream: day ("" = not known) -> rows that were refused, cells that could not be read
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


@dataclass(frozen=True)
class Damage:
    """A stored day that cannot be trusted: `what` is wrong with the file `path`."""

    stream: str
    day: date
    path: str
    what: str

    def __str__(self) -> str:
        return f"{self.stream}: day {self.day} is damaged ({self.what}): {self.path}"


class Days(Store):
    """The stored days of all streams."""

    def listed_on(self, stream: Any) -> date | None:
        """The day of the last whole listing that was read to its end; None when there was none."""
        return day_of(self._status(stream).get("listed_on"))

    def read_at(self, stream: Any) -> datetime | None:
        """When the last good read of it began; None when there was none."""
        moment = self._status(stream).get("last_ok_at")
        return None if moment is None else datetime.fromisoformat(moment)

    def extracted_days(self, stream: Any) -> list[date]:
        """The days that are on disk, empty ones included, oldest first."""
        return sorted(self._stored_days(stream))

    def rows_by_day(self, stream: Any) -> dict[date, int]:
        """The days that are on disk, empty ones included, and the rows of each."""
        ledger = self._read_ledger(stream)
        known = dict(zip(ledger.column("day").to_pylist(), ledger.column("rows").to_pylist(), strict=True))
        return {day: known.get(day, 0) for day in self.extracted_days(stream)}

    def last_checked(self, stream: Any) -> date | None:
        """The day of the last good read, whether or not it found anything new; None = never."""
        days = [*self._read_ledger(stream).column("checked_on").to_pylist(), self.listed_on(stream)]
        return max((day for day in days if day), default=None)

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

    def version(self, stream: Any) -> str:
        """A text that changes whenever a stored file of the stream does, the one that declares its columns included."""
        declared = self._fs.info(self._day_path(stream, SCHEMA_DAY))
        # a copied home keeps its times of change, not those of creation
        stamp = next(
            (declared[name] for name in ("mtime", "ETag", "LastModified", "created") if declared.get(name)), ""
        )
        files = [f"{day}={version}" for day, version in sorted(self._stored_days(stream).items())]
        return blake2b("\n".join([f"{declared['size']}:{stamp}", *files]).encode(), digest_size=16).hexdigest()

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

    def note_failure(self, stream: Any, error: str, at: datetime, kind: str = "") -> None:
        """Remember that the last attempt to read the stream failed; cleared by the next good one. `kind` is a word for it."""
        status = self._status(stream)
        status.update({"last_attempt_at": at.isoformat(), "last_error": error[:500], "last_error_kind": kind})
        self._put_bytes(f"{self._stream_path(stream)}/{STATUS}", json.dumps(status).encode())

    def failure(self, stream: Any) -> tuple[str, str] | None:
        """What the last attempt to read the stream failed of, and its kind; None where it was good."""
        status = self._status(stream)
        return (status["last_error"], status.get("last_error_kind", "")) if status.get("last_error") else None

    def refused(self, stream: Any) -> dict[date | None, tuple[int, int]]:
        """Rows that were refused and cells that were left empty, by day (None: of no known day)."""
        return self._refusals(stream)

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
            rows_of_day, cells_of_day = now.get(day, (0, 0))
            now[day] = (rows_of_day + lost[0], cells_of_day + lost[1])
        now |= {None: lost} if days is None else {}
        now |= {day: (max(r, now[day][0]), max(c, now[day][1])) for day, (r, c) in kept.items() if day in now}
        known = {day: both for day, both in (kept | now).items() if any(both)}
        if known or self._fs.exists(path):
            self._put_bytes(path, json.dumps({str(day or ""): both for day, both in known.items()}).encode())

    def _keys(self, stream: Any) -> set[tuple[Any, ...]]:
        keys: set[tuple[Any, ...]] = set()
        for day in self.ledger(stream).column("day").to_pylist():
            path = self._day_path(stream, day)
            try:
                with self._fs.open(path, "rb") as file:
                    keys |= key_tuples(pq.read_table(file, columns=list(stream.key)), stream.key)
            except (pa.ArrowException, OSError) as error:
                if not is_of_the_content(error):
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
            footer = footer_of(rows.schema.metadata)
            if "content_hash" not in footer or EXTRACTED_AT.name not in rows.schema.names:
                return "it was not written by Funnelhouse"
            content = rows.replace_schema_metadata(None).drop_columns([EXTRACTED_AT.name])
            is_same = content_hash(content, footer.get("quality", "{}")) == footer["content_hash"]
        except (pa.ArrowException, OSError, ValueError) as error:  # what a torn or foreign file makes of a reader
            if not is_of_the_content(error):
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
            footer = footer_of(parquet.schema_arrow.metadata)
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
        return {day_of(text): (rows, cells) for text, (rows, cells) in stored.items()}

    def _status(self, stream: Any) -> dict[str, Any]:
        return self._read_json(f"{self._stream_path(stream)}/{STATUS}")


def content_hash(rows: pa.Table, quality: str) -> str:
    """Hash of the rows (sorted, so equal content has equal bytes) and of what the vendor said of them."""
    plain = rows.replace_schema_metadata(None).combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, plain.schema) as writer:
        writer.write_table(plain)
    digest = blake2b(quality.encode(), digest_size=16)
    digest.update(sink.getvalue())
    return digest.hexdigest()


def stamped_rows(rows: pa.Table, extracted_at: datetime) -> pa.Table:
    return rows.append_column(EXTRACTED_AT, pa.repeat(pa.scalar(extracted_at, EXTRACTED_AT.type), rows.num_rows))


def stored_schema(schema: pa.Schema) -> pa.Schema:
    return schema.remove_metadata().append(EXTRACTED_AT)


def schema_version(schema: pa.Schema) -> str:
    text = ",".join(f"{f.name}:{f.type}" for f in schema)
    return blake2b(text.encode(), digest_size=6).hexdigest()


def footer_of(metadata: Mapping[bytes, bytes] | None) -> dict[str, str]:
    prefix = "funnelhouse."
    return {
        name.decode().removeprefix(prefix): value.decode()
        for name, value in (metadata or {}).items()
        if name.startswith(prefix.encode())
    }


def moment_of(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def day_of(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
