"""The run history of a home: made once however many open it at once, freed of runs whose process is gone."""

from __future__ import annotations

import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
import pytest

from dagster_project.runs import instance
from tests.support.what_happens import happens


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
    alive, gone = opened.create_run_for_job(job), opened.create_run_for_job(job)
    instance.begin(opened, alive)
    above_linux_largest_pid = f"{2**22 + 1}:1"
    opened.add_run_tags(gone.run_id, {instance.PROCESS_TAG: f"{gone.run_id}:{above_linux_largest_pid}"})
    # Dagster gives a run that repeats another one its tags: it is not yet a process, and not dead either
    repeats = opened.create_run_for_job(job, tags={instance.PROCESS_TAG: f"{gone.run_id}:{above_linux_largest_pid}"})
    storage.initialize_concurrency_limit_to_default("duckdb_writer")
    assert storage.claim_concurrency_slot("duckdb_writer", gone.run_id, "dbt_build").is_claimed
    assert not storage.claim_concurrency_slot("duckdb_writer", alive.run_id, "dbt_build").is_claimed
    opened.dispose()

    again = instance.open_instance(home)
    assert again.get_run_by_id(gone.run_id).status == dg.DagsterRunStatus.FAILURE  # type: ignore[union-attr]
    for run in (alive, repeats):
        assert again.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.NOT_STARTED  # type: ignore[union-attr]
    assert again.event_log_storage.claim_concurrency_slot("duckdb_writer", alive.run_id, "dbt_build").is_claimed
    again.dispose()


def test_a_run_that_begins_frees_the_places_of_runs_that_have_ended(home: Path) -> None:
    """The daemon marks a killed run failed at once and repeats it; its places it frees some minutes later."""
    opened = instance.open_instance(home)
    storage = opened.event_log_storage
    killed, waiting, repeats = (opened.create_run_for_job(job) for _ in range(3))
    storage.initialize_concurrency_limit_to_default("duckdb_writer")
    assert storage.claim_concurrency_slot("duckdb_writer", killed.run_id, "dbt_build").is_claimed
    assert not storage.claim_concurrency_slot("duckdb_writer", waiting.run_id, "dbt_build").is_claimed
    for run in (killed, waiting):
        opened.report_run_failed(run, "Run execution process unexpectedly exited")
    instance.begin(opened, repeats)
    assert storage.claim_concurrency_slot("duckdb_writer", repeats.run_id, "dbt_build").is_claimed
    opened.dispose()


@dg.op
def nothing() -> None: ...


@dg.job
def job() -> None:
    nothing()


@happens("a home is moved", "its run history goes with it")
def test_a_home_that_was_moved_keeps_its_history_and_leaves_the_old_place_alone(home: Path, tmp_path: Path) -> None:
    opened = instance.open_instance(home)
    first = job.execute_in_process(instance=opened)
    opened.dispose()
    moved = home.rename(tmp_path / "moved")
    again = instance.open_instance(moved)
    second = job.execute_in_process(instance=again)
    assert {run.run_id for run in again.get_runs()} == {first.run_id, second.run_id}
    assert len(again.all_logs(first.run_id)) > 3
    again.dispose()
    assert not home.exists()


def test_a_home_of_an_earlier_release_is_mended(home: Path, tmp_path: Path) -> None:
    """It named its own place in dagster.yaml; what a person wrote there stays."""
    opened = instance.open_instance(home)
    job.execute_in_process(instance=opened)
    opened.dispose()
    config, elsewhere = home / "dagster" / "dagster.yaml", tmp_path / "elsewhere"
    named = f"  class: BatchedEventLog\n  config:\n    base_dir: {elsewhere}/dagster/history/runs/\n"
    config.write_text(config.read_text().replace("  class: BatchedEventLog\n", named) + "# mine\n")
    again = instance.open_instance(home)
    assert [len(again.all_logs(run.run_id)) > 3 for run in again.get_runs()] == [True]
    again.dispose()
    assert not elsewhere.exists()
    assert config.read_text().endswith("# mine\n")


@dg.asset(partitions_def=dg.StaticPartitionsDefinition(["a", "b"]))
def days() -> None: ...


@happens("runs older than schedule.keep_runs_days", "forgotten; which days are loaded is not")
def test_old_runs_are_forgotten_and_what_was_loaded_is_not(home: Path) -> None:
    opened = instance.open_instance(home)
    runs = [dg.materialize([days], partition_key=key, instance=opened).run_id for key in ("a", "b", "a")]
    assert instance.forget_old_runs(opened, keep_days=1) == 0
    assert instance.forget_old_runs(opened, keep_days=0) == 3
    assert opened.get_runs() == []
    folder = home / "dagster" / "history" / "runs"
    assert [path.name for path in folder.iterdir() if path.name.startswith(tuple(runs))] == []
    records = opened.fetch_materializations(days.key, limit=10).records
    assert sorted((r.partition_key, r.run_id) for r in records) == [("a", runs[2]), ("b", runs[1])]
    with sqlite3.connect(folder / "index.db") as index:
        kinds = {kind for (kind,) in index.execute("select dagster_event_type from event_logs")}
    assert kinds == {"ASSET_MATERIALIZATION"}
    opened.dispose()
