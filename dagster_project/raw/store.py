"""The files of the raw zone, on a local folder or an object store: their places, and writing that never shows half a file."""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

SCHEMA_DAY = "0000-schema"  # sorts before every date, so DuckDB takes its types from this file
PART = "part-0.parquet"
SMALL_TABLE_BYTES = 2**20  # below, zstd saves nothing (most of the file is its footer) and takes twice snappy's time
LITTER_AGE_SECONDS = 3600
log = logging.getLogger(__name__)


class RawZoneError(Exception):
    """Rows that cannot be stored as they are; nothing on disk has changed."""


class Store:
    """A root, a local path or an fsspec URL (`s3://bucket/raw`, `memory://raw`), with a folder for each stream."""

    def __init__(self, root: str | Path) -> None:
        self.root = str(root).rstrip("/")
        self._fs, self._path = fsspec.core.url_to_fs(self.root)
        self._is_local = isinstance(self._fs, LocalFileSystem)

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

    def _read_json(self, path: str) -> dict[str, Any]:
        """Empty where the file is not there, or torn: the next reads of the stream say it again."""
        try:
            return json.loads(self._fs.cat_file(path))
        except FileNotFoundError:
            return {}
        except ValueError as error:
            log.warning("%s cannot be read (%s); it is made anew", path, error)
            return {}

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


def _day_of_folder(path: str) -> date:
    """Raises RawZoneError where the folder is no day: a copy that somebody made would be read beside the original."""
    try:
        return date.fromisoformat(path.rpartition("/day=")[2])
    except ValueError:
        raise RawZoneError(f"{path} is no day of the raw zone (day=YYYY-MM-DD): move it to another place") from None


def is_of_the_content(error: Exception) -> bool:
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


def remove_litter(folder: Path) -> None:
    """Temporary files that a killed writer left behind; what is younger may belong to a writer at work."""
    for path in folder.glob("**/.*.tmp"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > LITTER_AGE_SECONDS:
                path.unlink()
