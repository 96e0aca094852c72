"""Resources: the settings, loaded when a step starts (never when definitions load), and who is told of progress."""

import sys
from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DbtCliResource
from packaging.version import Version

from dagster_project.defs.shared import dbt_project
from dagster_project.raw.zone import RawZone
from dagster_project.runs import instance
from dagster_project.settings import Settings, load_settings
from dagster_project.wire import Stream

DBT = Path(sys.executable).with_name("dbt")  # of this environment, whether or not it is activated


class DbtProcess(DbtCliResource):
    """dbt in a process of its own, without the four seconds that dagster-dbt takes to prepare for each run.

    It starts `dbt --version` and loads dbt's adapter into this process, for column and row-count metadata that
    nothing here asks for. Two private names of dagster-dbt 0.29; tests/pipeline/test_definitions.py sees that it
    still has them.
    """

    @cached_property
    def _cli_version(self) -> Version:
        return Version(version("dbt-core"))

    def _initialize_dbt_core_adapter(self, args: Sequence[str]) -> Any:
        return None


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
            "dbt": DbtProcess(project_dir=str(dbt_project.project_dir), dbt_executable=str(DBT)),
        }
    )
