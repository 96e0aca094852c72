"""`funnelhouse ui`: page, queue, daemon and schedules as a person has them; what is killed there is repeated."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from dagster_project import ingest
from dagster_project.runs.instance import PROCESS_TAG
from dagster_project.settings import load_rules
from tests.support.dagster_ui import JOB, LOCATION, SESSIONS_BY_DAY, WHERE, FromFiles, Ui, kill_with_children
from tests.support.installation import PATIENCE_SECONDS, said_by
from tests.support.published import differing_files, query

POOLED = ("dbt_build", "build_kpis", "published__funnelhouse")
DAYS = ["2026-09-28", "2026-09-29", "2026-09-30"]
NIGHT = datetime(2026, 10, 1, 3, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def ui(from_files: FromFiles) -> Iterator[Ui]:
    running = Ui(from_files)
    running.until(running.is_served, "the page")
    yield running
    running.stop()


def test_the_page_shows_the_code_location_its_groups_and_its_schedules(ui: Ui) -> None:
    def loaded() -> dict | None:
        [entry] = ui.ask(
            "{ workspaceOrError { ... on Workspace { locationEntries { name loadStatus locationOrLoadError { __typename"
            " ... on PythonError { message } ... on RepositoryLocation { repositories { name jobs { name }"
            " assetGroups { groupName } schedules { name cronSchedule pipelineName scheduleState { status } } } } } } } } }"
        )["locationEntries"]
        return entry if entry["loadStatus"] == "LOADED" else None

    entry = ui.until(loaded, "the code location")
    assert entry["name"] == LOCATION
    assert entry["locationOrLoadError"]["__typename"] == "RepositoryLocation", entry["locationOrLoadError"]
    [repository] = entry["locationOrLoadError"]["repositories"]
    groups = {group["groupName"] for group in repository["assetGroups"]}
    assert groups == {f"raw_{stream.source}" for stream in ingest.streams()} | {
        "raw_meta", "staging", "intermediate", "marts", "kpi", "published",
    }  # fmt: skip
    times = load_rules().schedule
    assert {s["name"]: (s["cronSchedule"], s["pipelineName"]) for s in repository["schedules"]} == {
        "nightly_refresh": (times.nightly, JOB), "deep_refresh": (times.deep, JOB), "crm_sweep": (times.sweep, JOB),
        "noon_freshness": ("0 12 * * *", "freshness"),
    }  # fmt: skip
    assert {s["scheduleState"]["status"] for s in repository["schedules"]} == {"STOPPED"}  # off until switched on


def test_a_killed_night_is_repeated_while_the_command_line_refreshes_and_both_end_well(
    ui: Ui, from_files: FromFiles
) -> None:
    before = {run["runId"] for run in ui.runs()}
    night = ui.launch(tags_of_the_schedule(ui))

    def worker() -> int | None:  # of the run, once it builds and so holds the warehouse's place in the pool
        run = ui.run(night)
        return int(run["tags"][PROCESS_TAG].split(":")[1]) if "dbt_build" in run["steps"] else None

    kill_with_children(ui.until(worker, "the night's dbt build"))
    command = from_files.start("refresh")
    killed = ui.ended(night)
    assert killed["status"] == "FAILURE"
    repeated = ui.until(
        lambda: next((run for run in ui.runs() if run["parentRunId"] == night), None), "the daemon to repeat the night"
    )
    repeated = ui.ended(repeated["runId"])
    assert command.wait(PATIENCE_SECONDS) == 0, said_by(command)[-3000:]
    assert repeated["status"] == "SUCCESS"
    assert repeated["tags"]["dagster/retry_number"] == "1"

    # nobody else was started; the two were at once, and took turns where they opened the warehouse
    [of_the_command] = [run for run in ui.runs() if run["runId"] not in {*before, night, repeated["runId"]}]
    assert of_the_command["status"] == "SUCCESS"
    assert of_the_command["startTime"] < repeated["endTime"]
    assert repeated["startTime"] < of_the_command["endTime"]
    spans = sorted(run["steps"][step] for run in (repeated, of_the_command) for step in POOLED)
    for (_, ended), (begun, _) in itertools.pairwise(spans):
        assert ended <= begun

    # both published, the same; and what they published is what is in the files
    first, second = sorted((from_files.home / ".publishes").iterdir())
    assert from_files.published() == second.resolve()
    assert differing_files(first, second) == []
    by_day = query(
        second, "select strftime(date_day, '%Y-%m-%d'), sum(sessions)::int from marts.fct_web_traffic group by 1"
    )
    assert dict(by_day) == SESSIONS_BY_DAY
    of_kpi = (
        "select value from kpi.fct_kpi_monthly where kpi_id = ? and dimension = 'total' and period_start = '2026-09-01'"
    )
    for kpi, value in (("sessions", 4), ("leads", 2), ("marketing_spend", 23.5)):
        assert query(second, of_kpi.replace("?", f"'{kpi}'")) == [(value,)]


def test_a_backfill_of_days_on_the_page_is_one_run(ui: Ui) -> None:
    daily = [stream for stream in ingest.streams() if stream.read is not None]
    before = {run["runId"] for run in ui.runs()}
    started = ui.ask(
        "mutation($p: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $p) { __typename"
        " ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }",
        p={"assetSelection": [{"path": [f"raw_{s.source}", s.name]} for s in daily], "partitionNames": DAYS},
    )
    assert started["__typename"] == "LaunchBackfillSuccess", started

    def over() -> str | None:
        found = ui.ask(
            "query($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } } }",
            id=started["backfillId"],
        )
        return None if found["status"] == "REQUESTED" else str(found["status"])

    assert ui.until(over, "the end of the backfill") == "COMPLETED_SUCCESS"
    [run] = [run for run in ui.runs() if run["runId"] not in before]
    assert run["status"] == "SUCCESS"
    assert run["tags"]["dagster/asset_partition_range_start"] == DAYS[0]
    assert run["tags"]["dagster/asset_partition_range_end"] == DAYS[-1]
    assert list(run["steps"]) == ["read_days"]


def test_ctrl_c_ends_the_page_and_all_its_processes(ui: Ui) -> None:
    assert ui.stop() == 0
    assert ui.is_served() is None


def tags_of_the_schedule(ui: Ui) -> dict[str, str]:
    """The tags of the run that the nightly schedule asks for at NIGHT, evaluated by Dagster as on its page."""
    tick = ui.ask(
        "mutation($s: ScheduleSelector!, $t: Float) { scheduleDryRun(selectorData: $s, timestamp: $t) { __typename"
        " ... on DryRunInstigationTick { evaluationResult { error { message }"
        " runRequests { runKey tags { key value } } } } } }",
        s={**WHERE, "scheduleName": "nightly_refresh"}, t=NIGHT.timestamp(),
    )  # fmt: skip
    assert tick["__typename"] == "DryRunInstigationTick", tick
    assert tick["evaluationResult"]["error"] is None
    [request] = tick["evaluationResult"]["runRequests"]
    tags = {tag["key"]: tag["value"] for tag in request["tags"]}
    assert request["runKey"] == "refresh-2026-09-30"
    assert tags["funnelhouse/mode"] == "refresh"
    assert tags["dagster/asset_partition_range_start"] == tags["dagster/asset_partition_range_end"] == "2026-09-30"
    return tags
