"""One lock a home: whoever writes the warehouse, or replaces raw days that a build may be reading, holds it.

A kernel file lock, because it is freed when its process dies, however it dies; Dagster's pool queues the
steps of runs, this keeps two processes apart that do not share a daemon. Waiting is announced in the log.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path

log = logging.getLogger(__name__)

_held = threading.local()


@contextlib.contextmanager
def warehouse_lock(home: Path) -> Iterator[None]:
    """Hold `<home>/.warehouse.lock`; waits for whoever has it. Re-entrant within a thread."""
    path = str((home / ".warehouse.lock").resolve())
    holders: set[str] = _held.__dict__.setdefault("paths", set())
    if path in holders:
        yield
        return
    home.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("another run is writing the warehouse in %s; waiting for it", home)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        holders.add(path)
        try:
            yield
        finally:
            holders.discard(path)
    finally:
        os.close(descriptor)  # closing frees the lock
