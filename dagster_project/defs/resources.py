"""Resources: the settings, loaded when a step starts (never when definitions load), and who is told of progress."""

import sys
from pathlib import Path

import dagster as dg
from dagster_dbt import DbtCliResource

from dagster_project.connectors import Stream
from dagster_project.defs.shared import dbt_project
from dagster_project.raw_zone import RawZone
from dagster_project.settings import Settings, load_settings

DBT = Path(sys.executable).with_name("dbt")  # of this environment, whether or not it is activated


class Installation(dg.ConfigurableResource):
    """This installation: settings from the environment and funnelhouse.yml, read afresh at each step."""

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
            "dbt": DbtCliResource(project_dir=dbt_project, dbt_executable=str(DBT)),
        }
    )
