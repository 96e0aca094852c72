"""A look at the published copy for one question: opened for it, read-only, within limits of time and memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from dagster_project.kpis import QuestionError
from dagster_project.publish import DATABASE, NOTHING_YET, PublishError

SECONDS = 10.0  # for one answer; on a laptop the widest cut of three years of days takes less than one
MEMORY, THREADS = "512MB", 2


@contextmanager
def look(published: Path, seconds: float = SECONDS) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that sees this publish and no other file. Raises PublishError where nothing was published yet, and
    QuestionError for an answer that takes longer than `seconds`."""
    # by its own name: a link that is moved to the next publish must not be taken for the file that is open
    path = (published / DATABASE).resolve()
    if not path.exists():
        raise PublishError(NOTHING_YET)
    limits: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": MEMORY, "threads": THREADS, "enable_external_access": False, "lock_configuration": True,
    }  # fmt: skip
    with duckdb.connect(str(path), read_only=True, config=limits) as connection:
        clock = threading.Timer(seconds, connection.interrupt)
        clock.start()
        try:
            yield connection
        except (duckdb.InterruptException, duckdb.OutOfMemoryException):
            raise QuestionError(
                f"This takes more than the {seconds:g} seconds or the {MEMORY} that one answer may take: ask for fewer "
                "periods, a coarser grain or one member"
            ) from None
        finally:
            clock.cancel()
