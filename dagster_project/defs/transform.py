"""dbt assets: one `dbt build` of everything. dbt tests become asset checks; a failed one stops the run before KPIs.

Not partitioned: the daily facts find the days to replace themselves (macros/replace_window.sql), so a build
after any refresh, backfill or crash needs no arguments and gives the same tables.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtCliResource, dbt_assets
from dagster_dbt.errors import DagsterDbtCliRuntimeError

from dagster_project.defs.metadata import DATA_TEAM, column_schema, team
from dagster_project.defs.resources import Installation, Reporter
from dagster_project.defs.shared import WRITER_POOL, dbt_project
from dagster_project.runs import errors as run_errors
from dagster_project.warehouse.locks import warehouse_lock
from dagster_project.warehouse.shapes import shapes
from dagster_project.wire import stopping

# Unit tests try the models' rules on made-up rows: they belong to `make test`, not to every night. By variable, not
# by argument, so that whoever starts the run can leave out more.
LEFT_OUT = {"DBT_EXCLUDE_RESOURCE_TYPES": "unit_test"}
PARSED = "partial_parse.msgpack"  # dbt's own memory of a parse, good for one warehouse path only
PARSED_OF = "partial_parse.of"
RUN_FOLDER = "run-"
KEPT_RUNS = 3  # folders of compiled SQL and run results, some 10 MB each


class LayerTranslator(DagsterDbtTranslator):
    """Group = layer: staging, intermediate, marts."""

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        return dbt_resource_props.get("schema")

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:
        group = dbt_resource_props.get("group")  # dagster-dbt puts the group itself in place of its name
        return [team(group["owner"]["name"]) if isinstance(group, Mapping) else DATA_TEAM]

    def get_tags(self, dbt_resource_props: Mapping[str, Any]) -> Mapping[str, str]:
        config = dbt_resource_props["config"]
        said = {"group": config.get("group"), "access": config.get("access")}
        return {**super().get_tags(dbt_resource_props), **{name: value for name, value in said.items() if value}}

    def get_metadata(self, dbt_resource_props: Mapping[str, Any]) -> Mapping[str, Any]:
        """With the columns of a model that gives a shape: they stand with the shape, not in the model's YAML."""
        columns = shapes(dbt_project.project_dir).get(dbt_resource_props["name"].partition("__")[0])
        is_shape = dbt_resource_props["resource_type"] == "model" and not dbt_resource_props["columns"]
        said = column_schema((name, *column) for name, column in columns.items()) if is_shape and columns else {}
        return {**super().get_metadata(dbt_resource_props), **said}


@dbt_assets(
    name="dbt_build",
    manifest=dbt_project.manifest_path,
    project=dbt_project,
    dagster_dbt_translator=LayerTranslator(
        settings=DagsterDbtTranslatorSettings(enable_source_tests_as_checks=True, enable_code_references=True)
    ),
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
        folder = _begin(settings.home, context.run.run_id)
        try:
            build = dbt.cli(["build"], context=context, target_path=folder)
            with stopping.child(build.process):
                for done, event in enumerate(build.stream(), start=1):
                    reporter.step("dbt build", done, total)
                    yield event
        except DagsterDbtCliRuntimeError as error:
            reason = run_errors.why_dbt_failed(str(error), folder, settings.warehouse_path, dbt_project.manifest_path)
            raise dg.Failure(reason, allow_retries=False) from error
        finally:
            _end(folder)


def _begin(home: Path, run_id: str) -> Path:
    """The folder that this run's dbt works in, under `<home>/dbt` or DBT_TARGET_PATH, with what dbt knows of the project.

    A home has its own memory of the parse, since dbt's is bound to the warehouse's path: with one for all, each night
    of another home than the one parsed at set-up would parse the project again (8 seconds). It is used for the very
    project that it was made of: over a metric that moved to another file dbt 1.11 stumbles ("two metrics with the name").
    """
    all_runs = Path(os.environ.get("DBT_TARGET_PATH", home / "dbt")).absolute()
    folder = all_runs / f"{RUN_FOLDER}{run_id}"
    folder.mkdir(parents=True, exist_ok=True)
    own, of_setup = all_runs / PARSED, dbt_project.manifest_path.with_name(PARSED)  # the set-up's may be of this home
    stamp = all_runs / PARSED_OF
    is_of_this_project = stamp.exists() and stamp.read_text() == _project()
    for parsed in ([own] if is_of_this_project else []) + [of_setup]:
        if parsed.exists():
            shutil.copyfile(parsed, folder / PARSED)
            break
    return folder


def _project() -> str:
    """Which parse of the project this is: the manifest is written anew whenever the project changed."""
    stat = dbt_project.manifest_path.stat()
    return f"{stat.st_mtime_ns}:{stat.st_size}"


def _end(folder: Path) -> None:
    """Remember this run's parse for the next one, and forget the folders of old runs."""
    all_runs = folder.parent
    if (folder / PARSED).exists():
        os.replace(folder / PARSED, all_runs / PARSED)
        (all_runs / PARSED_OF).write_text(_project())
    for old in sorted(all_runs.glob(f"{RUN_FOLDER}*"), key=lambda path: path.stat().st_mtime)[:-KEPT_RUNS]:
        shutil.rmtree(old, ignore_errors=True)
