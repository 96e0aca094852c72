"""A signal ends a run within seconds, whatever it waits for: a vendor who never answers, another run's lock."""

from __future__ import annotations

import signal
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dagster_project.warehouse.locks import file_lock
from tests.support.dagster_ui import FromFiles
from tests.support.installation import said_by
from tests.support.what_happens import happens

# a vendor has 10 minutes for an answer, a lock is waited for without end: who comes home in one has heard the signal
WITHIN_SECONDS = 60
PATIENCE_SECONDS = 300


@pytest.fixture
def mute_vendor() -> Iterator[tuple[str, threading.Event]]:
    """A server that takes every call and answers none; and whether it was called."""
    listener, called, calls = socket.create_server(("127.0.0.1", 0)), threading.Event(), []

    def listen() -> None:
        while True:
            try:
                calls.append(listener.accept()[0])
            except OSError:
                return
            called.set()

    threading.Thread(target=listen, daemon=True).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}", called
    listener.close()
    for call in calls:
        call.close()


def ended(process: subprocess.Popen[str], told: signal.Signals) -> str:
    process.send_signal(told)
    assert process.wait(WITHIN_SECONDS) == 128 + told
    return " ".join(said_by(process).split())


def runs(home: Path) -> list[str]:
    with sqlite3.connect(home / "dagster" / "history" / "runs.db") as history:
        return [status for (status,) in history.execute("select status from runs order by create_timestamp")]


@happens(
    "SIGTERM while a vendor hangs",
    "the run ends within seconds, exit code 143; what is stored is whole, its history says it",
)
def test_a_run_that_waits_for_a_vendor_ends(
    from_files: FromFiles, mute_vendor: tuple[str, threading.Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, called = mute_vendor
    variables = {**from_files.variables, "HUBSPOT_ACCESS_TOKEN": "t0ken", "HUBSPOT_BASE_URL": url}
    monkeypatch.setattr(FromFiles, "variables", property(lambda _self: variables))
    process = from_files.start("refresh")
    assert called.wait(PATIENCE_SECONDS), said_by(process)
    said = ended(process, signal.SIGTERM)
    assert "stopped by SIGTERM; what is stored is whole, run the same command again and it goes on where it was" in said
    assert "Traceback" not in said
    assert runs(from_files.home)[-1] in ("FAILURE", "CANCELED")


@happens("Ctrl-C while another run holds the warehouse", "the run ends within seconds, exit code 130")
def test_a_run_that_waits_for_another_ends(from_files: FromFiles) -> None:
    with file_lock(from_files.home / ".warehouse.lock", "nobody has it"):
        before = len(runs(from_files.home)) if (from_files.home / "dagster" / "history").exists() else 0
        process = from_files.start("refresh")
        until = time.monotonic() + PATIENCE_SECONDS
        while len(found := runs_or_none(from_files.home)) == before or found[-1] != "STARTED":
            assert process.poll() is None, said_by(process)
            assert time.monotonic() < until
            time.sleep(0.2)
        said = ended(process, signal.SIGINT)
    assert "stopped by SIGINT" in said
    assert runs(from_files.home)[-1] in ("FAILURE", "CANCELED")


def runs_or_none(home: Path) -> list[str]:
    try:
        return runs(home)
    except sqlite3.OperationalError:  # not there yet, or being made
        return []
