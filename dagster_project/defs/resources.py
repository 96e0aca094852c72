"""Resources: the settings, loaded when a step starts (never when definitions load), and who is told of progress."""

import dagster as dg

from dagster_project.raw.zone import RawZone
from dagster_project.runs import instance
from dagster_project.settings import Settings, load_settings
from dagster_project.wire import Stream


class Installation(dg.ConfigurableResource):
    """This installation: settings from the environment and funnelhouse.yml, read afresh at each step."""

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Once a run, before its first step."""
        if context.instance is not None and context.run is not None:
            instance.begin(context.instance, context.run)
            instance.forget_old_runs(context.instance, self.settings().rules.schedule.keep_runs_days)

    def settings(self) -> Settings:
        return load_settings()

    def raw_zone(self, settings: Settings) -> RawZone:
        return RawZone(settings.raw_root)


class Reporter:
    """Is told how far the work is. This one says nothing; the command line puts progress bars in its place."""

    def stream(self, stream: Stream, what: str, rows: int) -> None:
        """`what` is "started", "rows" (so far) or the stream's outcome."""

    def step(self, name: str, done: int, total: int) -> None:
        """`done` of `total` parts of a long step."""


@dg.definitions
def resources() -> dg.Definitions:
    return dg.Definitions(
        resources={
            "installation": Installation(),
            "reporter": Reporter(),
        }
    )
