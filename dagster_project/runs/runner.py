"""Running the refresh job from the command line: the same job, partitions and code as the schedule, in this process."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from dagster_project import ingest
from dagster_project.runs import instance
from dagster_project.runs.errors import why_it_failed
from dagster_project.settings import Settings
from dagster_project.warehouse.locks import file_lock
from dagster_project.wire import Stream, Window

PROJECT_FOLDER = Path(__file__).resolve().parents[2]
DBT_FOLDER = PROJECT_FOLDER / "dbt_project"
MANIFEST = DBT_FOLDER / "target" / "manifest.json"


class RunFailed(Exception):
    """The run ended in an error; readers still see the publish before, or what was published marked stale."""


@dataclass
class RunResult:
    """`failed` are the streams that could not be read, with the reason; `refused`: of those that were, the rows and
    cells that were left out; `error` is set when nothing was published, `postgres` when what was published could not be
    copied there."""

    run_id: str
    failed: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    error: str = ""
    postgres: str = ""


def ensure_manifest(settings: Settings) -> None:
    """Run `dbt parse` where the dbt project changed since its manifest was written. Raises RunFailed."""
    if not os.access(MANIFEST.parent if MANIFEST.parent.exists() else DBT_FOLDER, os.W_OK):
        # installed by somebody else (root, say), who parsed it at set-up
        if not _is_parsed():
            raise RunFailed(
                f"the dbt project changed or moved since it was parsed, and this user cannot write to {MANIFEST.parent}: let its owner "
                f"run `dbt parse --project-dir {DBT_FOLDER} --profiles-dir {DBT_FOLDER}`"
            )
        return
    with file_lock(MANIFEST.parent / ".parse.lock", "another run is parsing the dbt project"):
        if not _is_parsed():
            _parse(settings)


def _is_parsed() -> bool:
    files = [path for path in DBT_FOLDER.rglob("*") if path.is_file()]
    written_by_dbt = ("target", "logs")
    newest = max(p.stat().st_mtime for p in files if p.relative_to(DBT_FOLDER).parts[0] not in written_by_dbt)
    return MANIFEST.exists() and MANIFEST.stat().st_mtime >= newest and _is_of_this_folder()


def _is_of_this_folder() -> bool:
    """Seeds are found by the folder that was parsed. Where that was named in another way (`--project-dir dbt_project`, or
    the project was moved since), a run that takes this parse over says "No files found" of the first seed."""
    return f'"root_path": {json.dumps(str(DBT_FOLDER))}'.encode() in MANIFEST.read_bytes()


def _parse(settings: Settings) -> None:
    command = [sys.executable, "-m", "dbt.cli.main", "parse", "--quiet", "--no-partial-parse", "--project-dir",
               str(DBT_FOLDER), "--profiles-dir", str(DBT_FOLDER)]  # fmt: skip
    environment = {**os.environ, **settings.dbt_environment(), "DBT_TARGET_PATH": str(MANIFEST.parent)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RunFailed(f"the dbt project does not parse:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
    os.utime(MANIFEST)


class BarReporter:
    """Progress bars: one a stream that is being read, one a long step."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._progress = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24),
            MofNCompleteColumn(), TextColumn("{task.fields[said]}"), TimeElapsedColumn(),
            console=console, transient=True,
        )  # fmt: skip
        self._streams: TaskID | None = None
        self._steps: dict[str, TaskID] = {}
        self._done = 0

    def __enter__(self) -> BarReporter:
        self._streams = self._progress.add_task("reading sources", total=None, said="")
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def stream(self, stream: Stream, what: str, rows: int) -> None:
        assert self._streams is not None
        if what in ("started", "rows"):
            self._progress.update(self._streams, said=f"{stream.id} {rows:,} rows" if rows else stream.id)
            return
        self._done += 1
        self._progress.update(self._streams, completed=self._done, said=f"{stream.id} {what}")

    def step(self, name: str, done: int, total: int) -> None:
        if name not in self._steps:
            self._steps[name] = self._progress.add_task(name, total=total, said="")
        self._progress.update(self._steps[name], completed=done, total=max(done, total))


class LineReporter:
    """Plain lines, for a log that nobody watches (cron, CI): each stream when it ends, each long step when it begins."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._steps: set[str] = set()

    def __enter__(self) -> LineReporter:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def stream(self, stream: Stream, what: str, rows: int) -> None:
        if what not in ("started", "rows", "off"):
            self._say(f"{stream.id} {what}{f', {rows:,} rows' if rows else ''}")

    def step(self, name: str, done: int, total: int) -> None:
        if name not in self._steps:
            self._steps.add(name)
            self._say(name)

    def _say(self, text: str) -> None:
        self.console.print(f"{datetime.now():%H:%M:%S} {text}", soft_wrap=True, markup=False)


def reporter_for(console: Console) -> BarReporter | LineReporter:
    """Bars where somebody looks, lines where it is written down."""
    return BarReporter(console) if console.is_terminal else LineReporter(console)


def run_refresh(
    settings: Settings,
    mode: ingest.Mode,
    window: Window,
    *,
    sources: list[str] | None = None,
    allow_shrink: bool = False,
    reporter: Any = None,
    more_tags: Mapping[str, str] | None = None,
    run_id: str | None = None,
) -> RunResult:
    """Run the refresh job over `window` and wait for it. Raises RunFailed when nothing could be published."""
    ensure_manifest(settings)
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    from dagster_project.definitions import defs  # heavy, and needs the manifest
    from dagster_project.defs import shared
    from dagster_project.defs.publish import failed_streams_of

    backfill = f"{window.start}_{window.last}_{'-'.join(sorted(sources or ['all']))}" if mode == "backfill" else ""
    result = RunResult(run_id or str(uuid.uuid4()))
    tags = {
        shared.MODE_TAG: mode,
        shared.SOURCES_TAG: ",".join(sources or []),
        shared.SHRINK_TAG: "true" if allow_shrink else "false",
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
            done = _execute(defs().resolve_job_def("refresh"), dagster, tags, result.run_id, reporter)
        result.failed = {name: why.error for name, why in failed_streams_of(dagster, result.run_id).items()}
        result.refused = dict(_refused(done))
        published = {e.asset_key.path[0] for e in done.get_asset_materialization_events() if e.asset_key}
        if "published" not in published:  # also where steps were skipped and nothing failed
            result.error = why_it_failed(done.all_events, settings)
        result.postgres = _said_of_postgres(done)
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
