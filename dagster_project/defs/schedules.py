"""One job for everything, and when it runs: nightly, a weekly deep pass, a weekly sweep of the CRM."""

from datetime import timedelta

import dagster as dg

from dagster_project.connectors import Window
from dagster_project.defs.shared import DAILY, MODE_TAG, REPEAT_TAG, RETRIES_TAG, range_tags
from dagster_project.settings import load_rules

REFRESH_JOB = "refresh"
# A run that was killed, or whose last step says that a vendor failed (publish.py), is repeated by Dagster's daemon, at
# once and twice at most. The whole run, because steps before the last are done: the streams that were read are asked
# for the same days again. A failed check or a bug is not repeated; it would fail again.
RETRIES = {RETRIES_TAG: "2", "dagster/retry_strategy": "ALL_STEPS", REPEAT_TAG: "false"}

refresh_job = dg.define_asset_job(
    REFRESH_JOB,
    selection=dg.AssetSelection.all(),
    partitions_def=DAILY,
    tags=RETRIES,
    description="Raw zone, marts, KPI facts, publish. A run covers any range of days.",
)


def _tick(context: dg.ScheduleEvaluationContext, mode: str) -> dg.RunRequest:
    """The newest whole day is the run's partition; each stream adds the trailing days that it still restates."""
    newest = context.scheduled_execution_time.date() - timedelta(days=1)
    return dg.RunRequest(
        run_key=f"{mode}-{newest}", tags={MODE_TAG: mode, **range_tags(Window.of_day(newest)), **RETRIES}
    )


_schedule = load_rules().schedule  # business rules only: definitions load without secrets and without network


@dg.schedule(job=refresh_job, cron_schedule=_schedule.nightly, execution_timezone=_schedule.time_zone)
def nightly_refresh(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Yesterday, and the days that each source still restates."""
    return _tick(context, "refresh")


@dg.schedule(job=refresh_job, cron_schedule=_schedule.deep, execution_timezone=_schedule.time_zone)
def deep_refresh(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """As nightly, with each source's deep restatement window: late key events, late conversions."""
    return _tick(context, "deep")


@dg.schedule(job=refresh_job, cron_schedule=_schedule.sweep, execution_timezone=_schedule.time_zone)
def crm_sweep(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """As nightly, and every CRM record listed anew: finds deletes and calculated fields, which bump no date."""
    return _tick(context, "sweep")


@dg.definitions
def schedules() -> dg.Definitions:
    return dg.Definitions(jobs=[refresh_job], schedules=[nightly_refresh, deep_refresh, crm_sweep])
