"""This home's Dagster instance: its dagster.yaml, and the mending of what a killed run left behind.

Run history, schedules and the writer pool live in `<home>/dagster`. A run that was killed cannot say so: its
place in the pool would stay taken and the next run would wait for ever. Each run carries its process id, whoever
started it; a run whose process is gone is marked failed and its places are freed, by the next one that begins.
"""

from __future__ import annotations

import logging
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from dagster_project.runs.history import BATCH_SIZE
from dagster_project.warehouse.locks import file_lock, introduce

log = logging.getLogger(__name__)

PROCESS_TAG = "funnelhouse/process"
FORGOTTEN_AT_ONCE = 100  # old runs; a long history is forgotten over some nights
_FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
_DAGSTER_YAML = """\
# Written by funnelhouse when there is none; yours to change.
telemetry:
  enabled: false
event_log_storage:        # batches: a backfill of a year writes thousands of events
  module: dagster_project.runs.history
  class: BatchedEventLog
compute_logs:             # what steps print stands in the log of the run; a file a step takes two processes to watch it
  module: dagster._core.storage.noop_compute_log_manager
  class: NoOpComputeLogManager
concurrency:
  pools:
    default_limit: 1      # one step at a time opens the warehouse; the others queue
    granularity: op
  runs:
    max_concurrent_runs: 4
run_monitoring:
  enabled: true           # frees what a killed run of the daemon held, also where no other run begins
  poll_interval_seconds: 30
  free_slots_after_run_end_seconds: 30
run_retries:
  enabled: true
  max_retries: 0          # runs ask for retries themselves (defs/schedules.py)
retention:
  schedule:
    purge_after_days: 90
"""


# An earlier release wrote the home's place into the file: a home that was moved or copied wrote its history to the old one.
_OLD_PLACE = re.compile(r"(?<=  class: BatchedEventLog\n)  config:\n    base_dir: \S+/history/runs/\n")


def prepare(home: Path) -> Path:
    """`<home>/dagster` with a dagster.yaml; sets DAGSTER_HOME for this process and its children."""
    folder = home / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "dagster.yaml"
    if not config.exists():
        config.write_text(_DAGSTER_YAML)
    elif (text := config.read_text()) != (mended := _OLD_PLACE.sub("", text)):
        config.write_text(mended)
    os.environ["DAGSTER_HOME"] = str(folder)
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "yes")
    os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", BATCH_SIZE)
    return folder


def open_instance(home: Path) -> dg.DagsterInstance:
    """The instance of `home`, after freeing what dead processes held.

    One process at a time: two that make the history's tables at once leave files that Dagster refuses for ever
    ("Version table 'alembic_version' has more than one head").
    """
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with file_lock(home / "dagster" / ".open.lock", "another run is opening the run history"):
        instance = dg.DagsterInstance.from_config(str(prepare(home)))
    bury_dead_runs(instance)
    return instance


def forget_old_runs(instance: dg.DagsterInstance, keep_days: int) -> int:
    """Delete finished runs that are older; returns how many. A year of nights is a gigabyte of events otherwise."""
    before = datetime.now(UTC) - timedelta(days=keep_days)
    old = instance.get_run_records(dg.RunsFilter(statuses=_FINISHED, created_before=before), limit=FORGOTTEN_AT_ONCE)
    for record in old:
        instance.delete_run(record.dagster_run.run_id)
    return len(old)


def begin(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """What a run does first, whoever started it: say which process it is, and free what dead runs hold.

    Dagster's daemon would wait for the places of a killed run until its monitor comes round, two to three minutes;
    and where the daemon was killed together with its runs, nobody would ever say that those are dead.
    """
    introduce(f"run {run.run_id[:8]}")
    instance.add_run_tags(run.run_id, {PROCESS_TAG: this_process(run.run_id)})
    bury_dead_runs(instance)


def this_process(run_id: str) -> str:
    """`run:pid:start time`: a pid alone may have been given to another process since, and Dagster copies the tags of
    a run to those that repeat it."""
    return f"{run_id}:{os.getpid()}:{_started(os.getpid())}"


def _started(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def is_alive(process: str) -> bool:
    """Whether the process that `this_process` named is still running."""
    _, pid, started = process.split(":")
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return _started(int(pid)) == started


def bury_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark runs whose process is gone as failed, free the pool places of ended runs; returns the ids of the dead."""
    unfinished = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.NOT_STARTED]
    dead = []
    for run in instance.get_runs(dg.RunsFilter(statuses=unfinished)):
        process = run.tags.get(PROCESS_TAG, "")
        if not process.startswith(f"{run.run_id}:") or is_alive(process) or _has_ended(instance, run.run_id):
            continue
        log.info("run %s was killed; marking it failed and freeing what it held", run.run_id[:8])
        instance.report_run_failed(run, "the process of this run is gone")
        dead.append(run.run_id)
    _free_places_of_ended_runs(instance)
    return dead


def _free_places_of_ended_runs(instance: dg.DagsterInstance) -> None:
    storage = instance.event_log_storage
    for pool in storage.get_concurrency_keys():
        places = storage.get_concurrency_info(pool)
        for run_id in places.active_run_ids | places.pending_run_ids:
            if _has_ended(instance, run_id):
                storage.free_concurrency_slots_for_run(run_id)


def _has_ended(instance: dg.DagsterInstance, run_id: str) -> bool:
    """By the history as it is now: what was listed a moment ago may have ended well since."""
    run = instance.get_run_by_id(run_id)
    return run is None or run.is_finished
