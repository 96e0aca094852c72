"""The batching run history writes what Dagster's own SQLite storage writes, row for row."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.storage.event_log import SqliteEventLogStorage

from dagster_project.runs.history import BATCH_SIZE, BatchedEventLog

RUN = "11111111-2222-4333-8444-555555555555"
DAYS = dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-03-01")


@dg.multi_asset(
    specs=[dg.AssetSpec("clicks"), dg.AssetSpec("costs")],
    check_specs=[dg.AssetCheckSpec("is_whole", asset="clicks")],
    partitions_def=DAYS,
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def read_days() -> Iterator[object]:
    yield dg.MaterializeResult(asset_key="clicks", metadata={"rows": 7}, tags={"outcome": "ok"})
    yield dg.AssetCheckResult(passed=True, asset_key="clicks", check_name="is_whole")
    yield dg.MaterializeResult(asset_key="costs", metadata={"rows": 8})


def _run(folder: Path, storage: type[SqliteEventLogStorage]) -> None:
    overrides = {
        "event_log_storage": {
            "module": storage.__module__,
            "class": storage.__name__,
            "config": {"base_dir": str(folder / "events")},
        }
    }
    (folder / "dagster.yaml").write_text(yaml.safe_dump(overrides))
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        job = dg.define_asset_job("all_days", [read_days], partitions_def=DAYS)
        resolved = dg.Definitions(assets=[read_days], jobs=[job]).resolve_job_def("all_days")
        tags = {"dagster/asset_partition_range_start": "2026-01-01", "dagster/asset_partition_range_end": "2026-02-28"}
        assert resolved.execute_in_process(instance=instance, tags=tags, run_id=RUN).success


def _tables(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    """All that a reader of the two files can see; the events' texts hold times and process ids, so not those."""
    asked = {
        f"{RUN}.db": [
            "select id, run_id, dagster_event_type, step_key, asset_key, partition from event_logs order by id"
        ],
        "index.db": [
            "select id, run_id, dagster_event_type, step_key, asset_key, partition from event_logs order by id",
            "select event_id, asset_key, key, value from asset_event_tags order by event_id, key",
            "select asset_key, last_run_id, json_extract(last_materialization, '$.storage_id') from asset_keys order by 1",
            "select asset_key, check_name, execution_status, materialization_event_storage_id from asset_check_executions",
        ],
    }
    seen = {}
    for file, queries in asked.items():
        (path,) = (folder / "events").rglob(file)
        connection = sqlite3.connect(path)
        for query in queries:
            seen[f"{file}: {query}"] = connection.execute(query).fetchall()
        connection.close()
    return seen


@pytest.fixture(scope="module")
def histories(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, dict]:
    with pytest.MonkeyPatch.context() as patch:
        theirs, ours = tmp_path_factory.mktemp("theirs"), tmp_path_factory.mktemp("ours")
        _run(theirs, SqliteEventLogStorage)
        patch.setenv("DAGSTER_EVENT_BATCH_SIZE", BATCH_SIZE)
        _run(ours, BatchedEventLog)
        return _tables(theirs), _tables(ours)


def test_the_same_rows_in_all_tables(histories: tuple[dict, dict]) -> None:
    theirs, ours = histories
    # one by one and in batches the planned events stand in another place, so ids are compared by what they name
    assert {q: len(rows) for q, rows in ours.items()} == {q: len(rows) for q, rows in theirs.items()}
    for query, rows in theirs.items():
        assert sorted(map(str, (r[1:] if "select id" in query else r for r in rows))) == sorted(
            map(str, (r[1:] if "select id" in query else r for r in ours[query]))
        )


def test_every_day_is_there_once(histories: tuple[dict, dict]) -> None:
    _, ours = histories
    events = next(rows for query, rows in ours.items() if query.startswith("index.db: select id"))
    days = [(asset, day) for _, _, kind, _, asset, day in events if kind == "ASSET_MATERIALIZATION"]
    assert len(days) == len(set(days)) == 2 * 59
