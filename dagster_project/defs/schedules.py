"""One job for everything, and when it runs: nightly, a weekly deep pass, a weekly sweep of the CRM. At noon a look at who is
late."""

from datetime import timedelta

import dagster as dg

from dagster_project.defs.freshness import sources_are_fresh
from dagster_project.defs.selection import assets_of_this_home
from dagster_project.defs.shared import DAILY, MODE_TAG, REPEAT_TAG, RETRIES_TAG, WHOLE_TAG, range_tags
from dagster_project.runs.last_runs import REFRESH_JOB
from dagster_project.settings import load_rules
from dagster_project.wire import Window

FRESHNESS_JOB = "freshness"
NOON = "0 12 * * *"  # long after any night
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

freshness_job = dg.define_asset_job(
    FRESHNESS_JOB,
    selection=dg.AssetSelection.checks(sources_are_fresh),
    description="Which sources are late, by name. Reads the raw zone's own record of itself and asks no vendor.",
)


def _tick(context: dg.ScheduleEvaluationContext, mode: str) -> dg.RunRequest:
    """The newest whole day is the run's partition; each stream adds the trailing days that it still restates. What is off in
    this home is not asked for, where that is known without a parse."""
    newest = context.scheduled_execution_time.date() - timedelta(days=1)
    every = context.repository_def.get_job(REFRESH_JOB).asset_layer.selected_asset_keys
    assets = assets_of_this_home(every)
    return dg.RunRequest(
        run_key=f"{mode}-{newest}",
        asset_selection=sorted(assets) if assets else None,
        tags={
            MODE_TAG: mode,
            **range_tags(Window.of_day(newest)),
            **RETRIES,
            **({WHOLE_TAG: "true"} if assets else {}),
        },
    )


_schedule = load_rules().schedule  # business rules only: definitions load without secrets and without network


@dg.schedule(
    job=refresh_job,
    cron_schedule=_schedule.nightly,
    execution_timezone=_schedule.time_zone,
    description="Yesterday, and the days that each source still restates.",
)
def nightly_refresh(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    return _tick(context, "refresh")


@dg.schedule(
    job=refresh_job,
    cron_schedule=_schedule.deep,
    execution_timezone=_schedule.time_zone,
    description="As nightly, with each source's deep restatement window: late key events, late conversions.",
)
def deep_refresh(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    return _tick(context, "deep")


@dg.schedule(
    job=refresh_job,
    cron_schedule=_schedule.sweep,
    execution_timezone=_schedule.time_zone,
    description="As nightly, and every CRM record listed anew: finds deletes and calculated fields, which bump no date.",
)
def crm_sweep(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    return _tick(context, "sweep")


@dg.schedule(
    job=freshness_job,
    cron_schedule=NOON,
    execution_timezone=_schedule.time_zone,
    description="Which sources are late, also where no refresh has run.",
)
def noon_freshness() -> dg.RunRequest:
    return dg.RunRequest()


@dg.definitions
def schedules() -> dg.Definitions:
    return dg.Definitions(
        jobs=[refresh_job, freshness_job], schedules=[nightly_refresh, deep_refresh, crm_sweep, noon_freshness]
    )
