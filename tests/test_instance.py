"""The run history of a home: made once however many open it at once, freed of runs whose process is gone."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
import pytest

from dagster_project import instance


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DAGSTER_HOME", "DAGSTER_DISABLE_TELEMETRY", "DAGSTER_EVENT_BATCH_SIZE"):
        monkeypatch.setenv(name, os.environ.get(name, ""))  # so that what `prepare` sets is taken back
        monkeypatch.delenv(name)
    return tmp_path / "home"


def test_many_who_open_a_new_home_at_once_make_one_history(home: Path) -> None:
    def open_and_look(_: int) -> int:
        opened = instance.open_instance(home)
        try:
            return opened.get_runs_count()
        finally:
            opened.dispose()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(open_and_look, range(4))) == [0, 0, 0, 0]
    assert open_and_look(0) == 0  # and the history that they made can be opened


def test_a_run_whose_process_is_gone_is_failed_and_gives_its_place_in_the_pool_back(home: Path) -> None:
    opened = instance.open_instance(home)
    storage = opened.event_log_storage
    alive = opened.create_run_for_job(job, tags={instance.PROCESS_TAG: instance.this_process()})
    gone = opened.create_run_for_job(job, tags={instance.PROCESS_TAG: f"{2**22 + 1}:1"})  # above Linux's largest pid
    storage.initialize_concurrency_limit_to_default("duckdb_writer")
    assert storage.claim_concurrency_slot("duckdb_writer", gone.run_id, "dbt_build").is_claimed
    assert not storage.claim_concurrency_slot("duckdb_writer", alive.run_id, "dbt_build").is_claimed
    opened.dispose()

    again = instance.open_instance(home)
    assert again.get_run_by_id(gone.run_id).status == dg.DagsterRunStatus.FAILURE  # type: ignore[union-attr]
    assert again.get_run_by_id(alive.run_id).status == dg.DagsterRunStatus.NOT_STARTED  # type: ignore[union-attr]
    assert again.event_log_storage.claim_concurrency_slot("duckdb_writer", alive.run_id, "dbt_build").is_claimed
    again.dispose()


@dg.op
def nothing() -> None: ...


@dg.job
def job() -> None:
    nothing()
