"""Alerts of scheduled runs, also of those that failed or were killed, and of what quiet hours held back."""

import dagster as dg

from dagster_project.runs import alerts, instance
from dagster_project.runs.last_runs import last_runs
from dagster_project.settings import load_settings

LOOK_SECONDS = 60


@dg.sensor(
    name="alerts",
    minimum_interval_seconds=LOOK_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells people what is wrong, and what is over: after each run, and when quiet hours end. Starts no run.",
)
def alerts_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """The cursor is the last run that was over when this looked, and the day: who is late is seen also where nothing runs."""
    settings = load_settings()
    if not settings.alert_urls:
        return dg.SkipReason("FUNNELHOUSE_ALERT_URLS names nobody to tell")
    instance.bury_dead_runs(context.instance)
    over = next((run.id for run in last_runs(context.instance) if run.is_over), "none")
    seen = f"{over} {settings.today}"
    if seen == context.cursor and not alerts.is_anything_due(settings):
        return dg.SkipReason("nothing has happened since the last look")
    untold = alerts.look_and_tell(settings, context.instance)
    context.update_cursor(seen)
    return dg.SkipReason("; ".join(untold) or "all who are to know are told")


@dg.definitions
def alerting() -> dg.Definitions:
    return dg.Definitions(sensors=[alerts_sensor])
