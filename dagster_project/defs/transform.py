"""dbt assets: one build of what changed. dbt tests become asset checks; a failed one stops the run before KPIs.

Not partitioned: the daily facts find the days to replace themselves (macros/replace_window.sql), and what has to be
built is found by what it is made of (warehouse/fingerprints.py), so a build after any refresh, backfill or crash needs
no arguments and gives the same tables.
"""

import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, dbt_assets
from dagster_dbt.asset_utils import DAGSTER_DBT_UNIQUE_ID_METADATA_KEY

from dagster_project import ingest
from dagster_project.defs.ingest import WITH_DAYS
from dagster_project.defs.metadata import DATA_TEAM, column_schema, team
from dagster_project.defs.resources import Installation, Reporter
from dagster_project.defs.shared import NEWEST_DAY, REBUILD_TAG, WHOLE_TAG, WRITER_POOL, dbt_project
from dagster_project.raw.zone import RawZone
from dagster_project.runs import errors as run_errors
from dagster_project.warehouse import build as warehouse_build
from dagster_project.warehouse.locks import warehouse_lock
from dagster_project.warehouse.project import DBT_FOLDER, ensure_manifest
from dagster_project.warehouse.shapes import shapes

# Unit tests try the models' rules on made-up rows: they belong to `make test`, not to every night. By variable, not
# by argument, so that whoever starts the run can leave out more.
LEFT_OUT = {warehouse_build.LEFT_OUT: "unit_test"}
PARSED = "partial_parse.msgpack"  # dbt's own memory of a parse, good for one warehouse path only
PARSED_OF = "partial_parse.of"
RUN_FOLDER = "run-"
KEPT_RUNS = 3  # folders of compiled SQL, some 10 MB each


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

    def get_partition_mapping(
        self, dbt_resource_props: Mapping[str, Any], dbt_parent_resource_props: Mapping[str, Any]
    ) -> dg.PartitionMapping | None:
        parent = self.get_asset_key(dbt_parent_resource_props)
        return NEWEST_DAY if parent in WITH_DAYS else None

    def get_metadata(self, dbt_resource_props: Mapping[str, Any]) -> Mapping[str, Any]:
        """With the columns of a model that gives a shape: they stand with the shape, not in the model's YAML."""
        columns = shapes(dbt_project.project_dir).get(dbt_resource_props["name"].partition("__")[0])
        is_shape = dbt_resource_props["resource_type"] == "model" and not dbt_resource_props["columns"]
        said = column_schema((name, *column) for name, column in columns.items()) if is_shape and columns else {}
        return {**super().get_metadata(dbt_resource_props), **said}


TRANSLATOR = LayerTranslator(
    settings=DagsterDbtTranslatorSettings(enable_source_tests_as_checks=True, enable_code_references=True)
)


@dbt_assets(
    name="dbt_build",
    manifest=dbt_project.manifest_path,
    project=dbt_project,
    dagster_dbt_translator=TRANSLATOR,
    pool=WRITER_POOL,
)
def dbt_build(
    context: dg.AssetExecutionContext, installation: Installation, reporter: dg.ResourceParam[Reporter]
) -> Iterator[Any]:
    settings = installation.settings()
    os.environ.update({**LEFT_OUT, **os.environ, **settings.dbt_environment()})
    with warehouse_lock(settings.home):
        zone = installation.raw_zone(settings)
        parsed = ensure_manifest(settings.dbt_environment(), ingest.sources_in_graph(settings, zone))
        manifest = json.loads(parsed.manifest.read_bytes())
        keys = keys_of_nodes(dbt_build)
        folder = _begin(settings.home, context.run.run_id, parsed.manifest)
        try:
            outcomes = warehouse_build.build(
                warehouse_build.Project(DBT_FOLDER, manifest, folder, parsed.variables),
                settings.warehouse_path,
                _stored(zone, parsed.sources),
                raw=settings.raw_root,
                only=_only(context, keys),
                force=context.run.tags.get(REBUILD_TAG) == "true",
                progress=lambda done, total: reporter.step("dbt build", done, total),
            )
        except warehouse_build.DbtStopped as error:
            raise dg.Failure(run_errors.why_dbt_stopped(str(error)), allow_retries=False) from error
        finally:
            _end(folder, parsed.manifest)
    chosen = {*context.selected_asset_keys, *context.selected_asset_check_keys}
    yield from _events(outcomes, {name: key for name, key in keys.items() if key in chosen})
    bad = [
        {"unique_id": o.node, "status": o.status, "message": o.message, "failures": o.failures}
        for o in outcomes
        if not o.is_good
    ]
    if bad and (reason := run_errors.why_nodes_failed(bad, folder, settings.warehouse_path, parsed.manifest)):
        raise dg.Failure(reason, allow_retries=False)


def _stored(zone: RawZone, sources: Collection[str] | None) -> dict[str, str]:
    """By "<source>.<stream>" the version of what is stored of these sources; `meta.days` is of them all."""
    every = [stream for stream in ingest.streams() if sources is None or stream.source in sources]
    streams = {f"{stream.source}.{stream.name}": zone.version(stream) for stream in every}
    return {**streams, "meta.days": json.dumps(streams, sort_keys=True)}


Keys = dict[str, dg.AssetKey | dg.AssetCheckKey]


def keys_of_nodes(assets: dg.AssetsDefinition) -> Keys:
    """What dbt's nodes are to Dagster. From the definitions: asked for each node again, the translator takes seconds."""
    tables = {spec.metadata[DAGSTER_DBT_UNIQUE_ID_METADATA_KEY]: spec.key for spec in assets.specs}
    checks = {
        spec.metadata[DAGSTER_DBT_UNIQUE_ID_METADATA_KEY]: spec.key for spec in assets.check_specs if spec.metadata
    }
    return {**tables, **checks}


def _only(context: dg.AssetExecutionContext, keys: Keys) -> set[str] | None:
    """The nodes that somebody chose to materialise alone; None where it is everything that this home has."""
    if not context.is_subset or context.run.tags.get(WHOLE_TAG) == "true":
        return None
    chosen = {*context.selected_asset_keys, *context.selected_asset_check_keys}
    return {name for name, key in keys.items() if key in chosen}


def _events(
    outcomes: list[warehouse_build.Outcome], keys: Keys
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """What Dagster is told: tables first, parents before children. What was neither built nor tested again is no news, and
    each event costs 10 ms; but for marts, since a step that depends on a table that is not told of is skipped, and Dagster
    warns of each blocking check without a result."""
    tests = [outcome for outcome in outcomes if isinstance(keys.get(outcome.node), dg.AssetCheckKey)]
    for outcome in outcomes:
        key = keys.get(outcome.node)
        if isinstance(key, dg.AssetKey) and outcome.is_good and (outcome.is_built or _is_asked_for(key)):
            yield dg.MaterializeResult(asset_key=key, metadata=_metadata(outcome))
    for outcome in tests:
        key = keys[outcome.node]
        assert isinstance(key, dg.AssetCheckKey)
        is_old = outcome.status == "pass" and not outcome.is_built and not _is_asked_for(key.asset_key)
        if outcome.status == "skipped" or is_old:
            continue
        rows = {} if outcome.failures is None else {"dagster_dbt/failed_row_count": outcome.failures}
        yield dg.AssetCheckResult(
            passed=outcome.status == "pass",
            asset_key=key.asset_key,
            check_name=key.name,
            severity=dg.AssetCheckSeverity.WARN if outcome.status == "warn" else dg.AssetCheckSeverity.ERROR,
            metadata={"status": outcome.status, **rows, **_metadata(outcome)},
        )


def _is_asked_for(key: dg.AssetKey) -> bool:
    return key.path[0] == "marts"


def _metadata(outcome: warehouse_build.Outcome) -> dict[str, Any]:
    said = {"unique_id": outcome.node, "outcome": "built" if outcome.is_built else "unchanged"}
    return {**said, "Execution Duration": outcome.seconds} if outcome.is_built else said


def _begin(home: Path, run_id: str, manifest: Path) -> Path:
    """The folder that this run's dbt works in, under `<home>/dbt` or DBT_TARGET_PATH, with what dbt knows of the project.

    A home has its own memory of the parse, since dbt's is bound to the warehouse's path: with one for all, each night
    of another home than the one parsed at set-up would parse the project again (8 seconds). It is used for the very
    project that it was made of: over a metric that moved to another file dbt 1.11 stumbles ("two metrics with the name").
    """
    all_runs = Path(os.environ.get("DBT_TARGET_PATH", home / "dbt")).absolute()
    folder = all_runs / f"{RUN_FOLDER}{run_id}"
    folder.mkdir(parents=True, exist_ok=True)
    own, of_setup = all_runs / PARSED, manifest.with_name(PARSED)  # the set-up's may be of this home
    stamp = all_runs / PARSED_OF
    is_of_this_project = stamp.exists() and stamp.read_text() == _project(manifest)
    for parsed in ([own] if is_of_this_project else []) + [of_setup]:
        if parsed.exists():
            shutil.copyfile(parsed, folder / PARSED)
            break
    return folder


def _project(manifest: Path) -> str:
    """Which parse of the project this is: the manifest is written anew whenever the project changed."""
    stat = manifest.stat()
    return f"{manifest.parent.name}:{stat.st_mtime_ns}:{stat.st_size}"


def _end(folder: Path, manifest: Path) -> None:
    """Remember this run's parse for the next one, and forget the folders of old runs."""
    all_runs = folder.parent
    if (folder / PARSED).exists():
        os.replace(folder / PARSED, all_runs / PARSED)
        (all_runs / PARSED_OF).write_text(_project(manifest))
    for old in sorted(all_runs.glob(f"{RUN_FOLDER}*"), key=lambda path: path.stat().st_mtime)[:-KEPT_RUNS]:
        shutil.rmtree(old, ignore_errors=True)
