"""Running the refresh job from the command line: the same job, partitions and code as the schedule, in this process."""

from __future__ import annotations

import contextlib
import logging
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dagster_project import ingest
from dagster_project.raw.zone import RawZone
from dagster_project.runs import alerts, instance
from dagster_project.runs.errors import why_it_failed
from dagster_project.settings import Settings
from dagster_project.warehouse.project import ensure_manifest
from dagster_project.wire import Window


@dataclass
class RunResult:
    """`failed` are the streams that could not be read, with the reason; `refused`: of those that were, the rows and
    cells that were left out; `error` is set when nothing was published, `postgres` when what was published could not be
    copied there; `untold`: what people could not be told of it."""

    run_id: str
    failed: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    error: str = ""
    postgres: str = ""
    untold: list[str] = field(default_factory=list)


def run_refresh(
    settings: Settings,
    mode: ingest.Mode,
    window: Window,
    *,
    sources: list[str] | None = None,
    allow_shrink: bool = False,
    rebuild: bool = False,
    reporter: Any = None,
    more_tags: Mapping[str, str] | None = None,
    run_id: str | None = None,
) -> RunResult:
    """Run the refresh job over `window` and wait for it; `rebuild`: all tables from nothing.

    Raises ParseFailed.
    """
    ensure_manifest(settings.dbt_environment())  # of all sources: Dagster's assets are made of it
    parsed = ensure_manifest(settings.dbt_environment(), ingest.sources_in_graph(settings, RawZone(settings.raw_root)))
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    from dagster_project.definitions import defs  # heavy, and needs the manifest
    from dagster_project.defs import shared
    from dagster_project.defs.publish import failed_streams_of
    from dagster_project.defs.selection import assets_of

    backfill = f"{window.start}_{window.last}_{'-'.join(sorted(sources or ['all']))}" if mode == "backfill" else ""
    result = RunResult(run_id or str(uuid.uuid4()))
    tags = {
        shared.MODE_TAG: mode,
        shared.SOURCES_TAG: ",".join(sources or []),
        shared.SHRINK_TAG: "true" if allow_shrink else "false",
        shared.WHOLE_TAG: "true",
        shared.REBUILD_TAG: "true" if rebuild else "false",
        shared.RETRIES_TAG: "0",  # whoever started it sees how it ends; a daemon that runs beside has no part in it
        instance.PROCESS_TAG: instance.this_process(result.run_id),
        **shared.range_tags(window),
        **({shared.BACKFILL_TAG: backfill} if backfill else {}),
        **(more_tags or {}),
    }
    dagster = instance.open_instance(settings.home)
    said = settings.home / "last_run.log"  # what dbt prints; the run's own log is in Dagster
    try:
        with said.open("w") as file, contextlib.redirect_stdout(file):
            job = defs().resolve_job_def("refresh")
            assets = assets_of(job.asset_layer.selected_asset_keys, parsed)
            done = _execute(job.get_subset(asset_selection=assets), dagster, tags, result.run_id, reporter)
        result.failed = {name: why.error for name, why in failed_streams_of(dagster, result.run_id).items()}
        result.refused = dict(_refused(done))
        published = {e.asset_key.path[0] for e in done.get_asset_materialization_events() if e.asset_key}
        if "published" not in published:  # also where steps were skipped and nothing failed
            result.error = why_it_failed(done.all_events, settings)
        result.postgres = _said_of_postgres(done)
        result.untold = alerts.look_and_tell(settings, dagster)
    finally:
        dagster.dispose()
    if backfill and not result.failed and not result.error:
        ingest.Finished.of(backfill, settings).forget()
    return result


def _execute(job: Any, dagster: Any, tags: dict[str, str], run_id: str, reporter: Any) -> Any:
    return job.execute_in_process(
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        instance=dagster,
        tags=tags,
        run_id=run_id,
        raise_on_error=False,
        resources={"reporter": reporter} if reporter else None,
    )


def mark_stopped(settings: Settings, run_id: str, why: str) -> None:
    """Let Dagster's history say that the run was stopped, and free what it holds. For another thread than the run's."""
    dagster = instance.open_instance(settings.home)
    try:
        run = dagster.get_run_by_id(run_id)
        if run is not None and not run.is_finished:
            dagster.report_run_canceled(run, message=why)
        instance.bury_dead_runs(dagster)
    finally:
        dagster.dispose()


def _refused(done: Any) -> Iterator[tuple[str, str]]:
    for event in done.get_asset_materialization_events():
        metadata = event.materialization.metadata
        if "refused" in metadata:
            yield "/".join(event.asset_key.path), str(metadata["refused"].value)


def _said_of_postgres(done: Any) -> str:
    failures = [event.step_failure_data.user_failure_data for event in done.all_events if event.is_step_failure]
    said = [failure.metadata["postgres"].value for failure in failures if failure and "postgres" in failure.metadata]
    return said[0] if said else ""
