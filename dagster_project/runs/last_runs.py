"""What Dagster's history says of the last runs of the refresh job, for people: how each ended, what it published, why it failed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import dagster as dg

from dagster_project.runs import instance
from dagster_project.runs.errors import why_it_failed
from dagster_project.settings import Settings

REFRESH_JOB = "refresh"
MODE_TAG = "funnelhouse/mode"  # refresh | deep | sweep | backfill; a run without it is a backfill of its partitions
PUBLISHED = dg.AssetKey(["published", "funnelhouse"])
BESIDES = "besides"  # metadata of the last step's failure: what failed beside streams
How = Literal["waits", "runs", "done", "failed", "stopped", "killed"]
_HOW: dict[dg.DagsterRunStatus, How] = {
    dg.DagsterRunStatus.SUCCESS: "done",
    dg.DagsterRunStatus.FAILURE: "failed",
    dg.DagsterRunStatus.CANCELED: "stopped",
    dg.DagsterRunStatus.QUEUED: "waits",
    dg.DagsterRunStatus.NOT_STARTED: "waits",
}
_REASONS = {
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.RUN_FAILURE,
}


@dataclass(frozen=True)
class Run:
    """`how` it ended, or that it has not; `has_published`: readers see what it built."""

    id: str
    mode: str
    how: How
    began: datetime | None
    ended: datetime | None
    has_published: bool

    @property
    def is_over(self) -> bool:
        return self.how not in ("waits", "runs")


def last_runs(dagster: dg.DagsterInstance, limit: int = 5) -> list[Run]:
    """The newest first. Changes nothing: a run whose process is gone is killed, also where nobody has noted it yet."""
    published = dagster.fetch_materializations(PUBLISHED, limit=limit).records
    publishers = {record.event_log_entry.run_id for record in published}
    return [
        Run(
            record.dagster_run.run_id,
            record.dagster_run.tags.get(MODE_TAG, "backfill"),
            _how(record.dagster_run),
            _moment(record.start_time) or record.create_timestamp,
            _moment(record.end_time),
            record.dagster_run.run_id in publishers,
        )
        for record in dagster.get_run_records(dg.RunsFilter(job_name=REFRESH_JOB), limit=limit)
    ]


def _how(run: dg.DagsterRun) -> How:
    how = _HOW.get(run.status, "runs")
    process = run.tags.get(instance.PROCESS_TAG, "")
    if not run.is_finished and process.startswith(f"{run.run_id}:") and not instance.is_alive(process):
        return "killed"
    return how


def _moment(timestamp: float | None) -> datetime | None:
    return None if timestamp is None else datetime.fromtimestamp(timestamp, UTC)


def why(dagster: dg.DagsterInstance, run: Run, settings: Settings) -> str:
    """Why a run that published nothing ended before its end."""
    if run.how == "stopped":
        return "it was told to stop"
    events = [e.dagster_event for e in dagster.all_logs(run.id, of_type=_REASONS) if e.dagster_event]
    is_gone = any(
        e.event_type_value == "PIPELINE_FAILURE" and "process of this run is gone" in (e.message or "") for e in events
    )
    if run.how == "killed" or is_gone:
        return "its process was killed, or the machine went down"
    return why_it_failed(events, settings)


def besides(dagster: dg.DagsterInstance, run: Run) -> list[str]:
    """What failed in a run that published, beside streams: PostgreSQL, the report."""
    said: list[str] = []
    for entry in dagster.all_logs(run.id, of_type=dg.DagsterEventType.STEP_FAILURE):
        failure = entry.dagster_event.step_failure_data.user_failure_data if entry.dagster_event else None
        if failure and BESIDES in failure.metadata:
            said += failure.metadata[BESIDES].value  # type: ignore[arg-type]
    return said
