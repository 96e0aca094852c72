"""dbt assets: one `dbt build` of everything. dbt tests become asset checks; a failed one stops the run before KPIs.

Not partitioned: the daily facts find the days to replace themselves (macros/replace_window.sql), so a build
after any refresh, backfill or crash needs no arguments and gives the same tables.
"""

import os
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtCliResource, dbt_assets

from dagster_project.defs.resources import Installation, Reporter
from dagster_project.defs.shared import WRITER_POOL, dbt_project
from dagster_project.locks import warehouse_lock

# Unit tests try the models' rules on made-up rows: they belong to `make test`, not to every night. By variable, not
# by argument, so that whoever starts the run can leave out more.
LEFT_OUT = {"DBT_EXCLUDE_RESOURCE_TYPES": "unit_test"}


class LayerTranslator(DagsterDbtTranslator):
    """Group = layer: staging, intermediate, marts."""

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        return dbt_resource_props.get("schema")


@dbt_assets(
    name="dbt_build",
    manifest=dbt_project.manifest_path,
    project=dbt_project,
    dagster_dbt_translator=LayerTranslator(settings=DagsterDbtTranslatorSettings(enable_source_tests_as_checks=True)),
    pool=WRITER_POOL,
)
def dbt_build(
    context: dg.AssetExecutionContext,
    dbt: DbtCliResource,
    installation: Installation,
    reporter: dg.ResourceParam[Reporter],
) -> Iterator[Any]:
    settings = installation.settings()
    os.environ.update({**LEFT_OUT, **os.environ, **settings.dbt_environment()})
    with warehouse_lock(settings.home):
        total = len(context.selected_output_names) + len(context.selected_asset_check_keys)
        for done, event in enumerate(dbt.cli(["build"], context=context).stream(), start=1):
            reporter.step("dbt build", done, total)
            yield event
