"""The warehouse lock: one writer at a time, freed by the kernel when its holder is killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path

import duckdb
import pytest

from dagster_project.warehouse.locks import file_lock, introduce, warehouse_lock
from dagster_project.wire import stopping
from tests.support.what_happens import happens


def _hold(home: str, said: str) -> None:
    with warehouse_lock(Path(home)):
        Path(said).write_text("held")
        time.sleep(60)


def test_a_second_writer_waits_and_a_killed_one_lets_go(tmp_path: Path) -> None:
    said = tmp_path / "said"
    holder = multiprocessing.get_context("spawn").Process(target=_hold, args=(str(tmp_path), str(said)))
    holder.start()
    while not said.exists():
        time.sleep(0.01)
    waiter = multiprocessing.get_context("spawn").Process(target=_hold, args=(str(tmp_path), str(tmp_path / "second")))
    waiter.start()
    time.sleep(1.0)
    assert not (tmp_path / "second").exists()
    os.kill(holder.pid or 0, signal.SIGKILL)
    holder.join()
    deadline = time.monotonic() + 20
    while not (tmp_path / "second").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    waiter.kill()
    waiter.join()
    assert (tmp_path / "second").exists()


@happens("a signal to a run that waits for another run's lock", "it ends within seconds, exit code 130 or 143")
def test_who_waits_for_a_lock_can_be_told_to_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = threading.Event()
    monkeypatch.setattr(stopping, "_told", told)
    waiting = file_lock(tmp_path / "lock", "another run has it")
    with file_lock(tmp_path / "lock", "nobody has it"):
        threading.Timer(0.3, told.set).start()
        with pytest.raises(stopping.Stopped):
            waiting.__enter__()


def test_a_thread_that_has_the_lock_may_take_it_again(tmp_path: Path) -> None:
    with warehouse_lock(tmp_path), warehouse_lock(tmp_path):
        pass
    with warehouse_lock(tmp_path):
        pass


def _build_on(database: str, said: str) -> None:
    with duckdb.connect(database) as connection:
        connection.execute("create or replace table made as select 1 as one")
        Path(said).write_text("open")
        time.sleep(2.0)
        connection.execute("insert into made values (2)")


def test_a_build_that_outlived_its_killed_parent_is_waited_for(tmp_path: Path) -> None:
    database, said = tmp_path / "warehouse.duckdb", tmp_path / "said"
    orphan = multiprocessing.get_context("spawn").Process(target=_build_on, args=(str(database), str(said)))
    orphan.start()
    while not said.exists():
        time.sleep(0.01)
    with warehouse_lock(tmp_path), duckdb.connect(str(database)) as connection:
        assert connection.execute("select count(*) from made").fetchall() == [(2,)]
    orphan.join()


@happens("a run begins while another one works", "it says which run it waits for, and goes on when that one ends")
def test_who_waits_says_for_whom(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = tmp_path / "said"
    holder = multiprocessing.get_context("spawn").Process(
        target=_hold_as, args=("run 1a2b3c4d", str(tmp_path), str(said))
    )
    holder.start()
    while not said.exists():
        time.sleep(0.01)
    threading.Timer(0.5, holder.kill).start()
    with warehouse_lock(tmp_path):
        pass
    assert f"waiting for run 1a2b3c4d, pid {holder.pid}: another run is writing the warehouse" in caplog.text
    holder.join()


def _hold_as(name: str, home: str, said: str) -> None:
    introduce(name)
    _hold(home, said)
