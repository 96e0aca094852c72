"""What the wiring shares: partitions, the writer pool, tags, and where the dbt project is."""

from __future__ import annotations

from datetime import date

import dagster as dg
from dagster_dbt import DbtProject

from dagster_project.runs.last_runs import MODE_TAG as MODE_TAG
from dagster_project.warehouse.project import DBT_FOLDER
from dagster_project.wire import FIRST_DAY, Window

dbt_project = DbtProject(project_dir=DBT_FOLDER)

DAILY = dg.DailyPartitionsDefinition(start_date=FIRST_DAY.isoformat(), timezone="UTC", end_offset=0)
# What a step without days asks of a stream's days. Dagster's usual answer, all of them, lists six thousand days for each
# stream that a step depends on, at every run.
NEWEST_DAY = dg.LastPartitionMapping()
WRITER_POOL = "duckdb_writer"  # on every step that opens the warehouse; its limit is 1 (dagster.yaml)

SOURCES_TAG = "funnelhouse/sources"  # comma-separated; empty = all
SHRINK_TAG = "funnelhouse/allow_shrink"
REBUILD_TAG = "funnelhouse/rebuild"  # "true": build all tables from nothing, also what did not change
WHOLE_TAG = "funnelhouse/whole"  # "true": what is not selected is off in this home; nobody chose single tables
BACKFILL_TAG = "funnelhouse/backfill"  # name of a backfill that can be resumed: what it has finished is kept on disk
RETRIES_TAG = "dagster/max_retries"
REPEAT_TAG = "dagster/retry_on_asset_or_op_failure"  # whether a failed step, too, is a reason to repeat the run
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


def range_tags(window: Window) -> dict[str, str]:
    """The run tags that make one run of all days in `window`."""
    return {RANGE_START: window.start.isoformat(), RANGE_END: window.last.isoformat()}


def window_of(context: dg.AssetExecutionContext) -> Window:
    """The days that this run was asked for."""
    keys = context.partition_key_range
    return Window(date.fromisoformat(keys.start), Window.of_day(date.fromisoformat(keys.end)).end)
