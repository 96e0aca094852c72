"""One lock a home: whoever writes the warehouse, or replaces raw days that a build may be reading, holds it.

A kernel file lock, because it is freed when its process dies, however it dies; Dagster's pool queues the
steps of runs, this keeps two processes apart that do not share a daemon. Waiting is announced with the
name of who is waited for, and ends when the run is told to stop.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from dagster_project.wire import stopping

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.1
ORPHAN_PATIENCE_SECONDS = 900
WAREHOUSE = "warehouse.duckdb"

_held = threading.local()
_own_name = ""


@contextlib.contextmanager
def warehouse_lock(home: Path) -> Iterator[None]:
    """Hold `<home>/.warehouse.lock`; waits for whoever has it. Re-entrant within a thread."""
    path = str((home / ".warehouse.lock").resolve())
    holders: set[str] = _held.__dict__.setdefault("paths", set())
    if path in holders:
        yield
        return
    with file_lock(Path(path), "another run is writing the warehouse"):
        holders.add(path)
        try:
            _wait_for_orphan(home / WAREHOUSE)
            yield
        finally:
            holders.discard(path)


@contextlib.contextmanager
def file_lock(path: Path, why_taken: str) -> Iterator[None]:
    """Hold the lock of the file `path`, which is made where it is not there; waits for whoever has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _wait_for(descriptor, f"{why_taken} ({path})")
        name = f"{_own_name or 'a process'}, pid {os.getpid()}".encode()
        os.ftruncate(descriptor, os.pwrite(descriptor, name, 0))
        yield
    finally:
        os.close(descriptor)  # closing frees the lock


def introduce(name: str) -> None:
    """What this process is called by those who wait for it, such as `run 1a2b3c4d`."""
    global _own_name
    _own_name = name


def _holder(descriptor: int) -> str:
    """Empty until whoever just took the lock has written its name."""
    return os.pread(descriptor, 200, 0).decode(errors="replace")


def _wait_for(descriptor: int, why: str) -> None:
    """By looking again and again: a thread that the kernel holds hears of no signal. Another process that has the lock
    is named once; the sources of one run, which store their days one after another, are no news."""
    is_said = False
    while True:
        stopping.wait(LOOK_SECONDS)
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        holder = _holder(descriptor)
        if holder and not is_said and not holder.endswith(f"pid {os.getpid()}"):
            is_said = True
            log.warning("waiting for %s: %s", holder, why)


def _wait_for_orphan(warehouse: Path) -> None:
    """Wait until no other process has the database file open for writing, though it may not hold our lock.

    Somebody looks at it, say, or runs dbt by hand. DuckDB locks its file as long as it has it open; asking for that lock
    tells when it is free. After a quarter of an hour DuckDB itself says who is in the way.
    """
    until = time.monotonic() + ORPHAN_PATIENCE_SECONDS
    while time.monotonic() < until and warehouse.exists():
        with warehouse.open("rb+") as file, contextlib.suppress(BlockingIOError, PermissionError):
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # closing the file gives it back
            return
        log.warning("another process has %s open; waiting for it", warehouse)
        stopping.wait(0.5)
