"""dbt assets: one `dbt build` of everything. dbt tests become asset checks; a failed one stops the run before KPIs.

Not partitioned: the daily facts find the days to replace themselves (macros/replace_window.sql), so a build
after any refresh, backfill or crash needs no arguments and gives the same tables.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtCliResource, dbt_assets
from dagster_dbt.errors import DagsterDbtCliRuntimeError

from dagster_project import run_errors
from dagster_project.defs.resources import Installation, Reporter
from dagster_project.defs.shared import WRITER_POOL, dbt_project
from dagster_project.locks import warehouse_lock

# Unit tests try the models' rules on made-up rows: they belong to `make test`, not to every night. By variable, not
# by argument, so that whoever starts the run can leave out more.
LEFT_OUT = {"DBT_EXCLUDE_RESOURCE_TYPES": "unit_test"}
PARSED = "partial_parse.msgpack"  # dbt's own memory of a parse, good for one warehouse path only
TARGET = "DBT_TARGET_PATH"
KEPT_RUNS = 3  # folders of compiled SQL and run results, some 10 MB each


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
    folder = _folder(settings.home)
    os.environ.update({**LEFT_OUT, **os.environ, **settings.dbt_environment()})
    with warehouse_lock(settings.home), _dbt_works_in(folder):
        total = len(context.selected_output_names) + len(context.selected_asset_check_keys)
        build = dbt.cli(["build"], context=context)
        try:
            for done, event in enumerate(build.stream(), start=1):
                reporter.step("dbt build", done, total)
                yield event
        except DagsterDbtCliRuntimeError as error:
            reason = run_errors.why_dbt_failed(str(error), settings, dbt_project.manifest_path)
            raise dg.Failure(reason, allow_retries=False) from error
        finally:
            _keep(folder, build.target_path)


def _folder(home: Path) -> Path:
    """`<home>/dbt`, or DBT_TARGET_PATH: where dbt leaves what it compiled; begun with the set-up's parse, which may be
    of this home.

    A home has its own memory of the parse, since dbt's is bound to the warehouse's path: with one for all, each night
    of another home than the one parsed at set-up would parse the project again (8 seconds).
    """
    folder = Path(os.environ.get(TARGET, home / "dbt")).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    at_setup = dbt_project.manifest_path.with_name(PARSED)
    if at_setup.exists() and not (folder / PARSED).exists():
        shutil.copyfile(at_setup, folder / PARSED)
    return folder


@contextmanager
def _dbt_works_in(folder: Path) -> Iterator[None]:
    """dagster-dbt takes the folder from this process's environment; the next run here may be of another home."""
    before = os.environ.get(TARGET)
    os.environ[TARGET] = str(folder)
    try:
        yield
    finally:
        os.environ.pop(TARGET)
        if before is not None:
            os.environ[TARGET] = before


def _keep(folder: Path, of_this_run: Path) -> None:
    """Remember this run's parse for the next one, and forget the folders of old runs."""
    if (of_this_run / PARSED).exists():
        os.replace(of_this_run / PARSED, folder / PARSED)
    runs = sorted((path for path in folder.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime)
    for path in runs[:-KEPT_RUNS]:
        shutil.rmtree(path, ignore_errors=True)
