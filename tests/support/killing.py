"""Killing a refresh at a chosen moment: what it is doing is seen from outside, in its files and in what it asks."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable

from tests.support.installation import PATIENCE_SECONDS, Installation, said_by

LOOKS_PER_SECOND = 50


def is_reading(installation: Installation, calls: int) -> Callable[[], bool]:
    """The vendors have been asked this many times."""
    return lambda: installation.sandbox.calls.count() >= calls


def has_stored(installation: Installation, stream: str, day: str) -> Callable[[], bool]:
    """A day of a stream is on disk; other streams are still being read."""
    return (installation.home / "raw" / stream / f"day={day}").exists


def is_building(installation: Installation, model: str) -> Callable[[], bool]:
    """dbt has begun with a model."""
    known = set(installation.dbt_target.glob("run-*"))

    def begun() -> bool:
        logs = [folder / "dbt.log" for folder in set(installation.dbt_target.glob("run-*")) - known]
        return any(f"model {model} " in log.read_text() for log in logs if log.exists())

    return begun


def has_begun(installation: Installation, step: str, seconds_ago: float = 0.0) -> Callable[[], bool]:
    """The newest run has begun a step, and some time has passed since."""
    since: list[float] = []

    def begun() -> bool:
        if not since and step in steps_begun(installation):
            since.append(time.monotonic())
        return bool(since) and time.monotonic() - since[0] >= seconds_ago

    return begun


def steps_begun(installation: Installation) -> list[str]:
    """Steps that the newest run has begun, by Dagster's own event log."""
    runs = sorted((installation.home / "dagster").rglob("*.db"), key=lambda path: path.stat().st_mtime)
    runs = [path for path in runs if path.stem.count("-") == 4]  # a run's id
    if not runs:
        return []
    with contextlib.suppress(sqlite3.OperationalError), contextlib.closing(_read_only(str(runs[-1]))) as connection:
        rows = connection.execute("select step_key from event_logs where dagster_event_type = 'STEP_START'")
        return [step for (step,) in rows]
    return []


def _read_only(path: str) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=1)


def is_publishing(installation: Installation) -> Callable[[], bool]:
    """A publish is being written and is not yet finished."""
    return lambda: any((installation.home / ".publishes").glob("*.partial"))


def kill_when(process: subprocess.Popen[str], moment: Callable[[], bool], *, with_children: bool = True) -> None:
    """Wait for the moment, then SIGKILL the process, by default with all its children; fails if it ended before."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not moment():
        assert process.poll() is None, f"the run ended before the moment came:\n{said_by(process)[-3000:]}"
        assert time.monotonic() < until, "the moment never came"
        time.sleep(1 / LOOKS_PER_SECOND)
    kill(process, with_children=with_children)


def kill(process: subprocess.Popen[str], *, with_children: bool = True) -> None:
    """SIGKILL the process, by default with all its children."""
    if with_children:
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    assert process.wait(PATIENCE_SECONDS) == -signal.SIGKILL
