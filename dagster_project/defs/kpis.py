"""KPI assets: the fact tables of every grain, the catalogue and the scoreboard, in one transaction; they stay as they are
where nothing that they are made of has changed."""

import json
from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from dagster_project import ingest, kpis
from dagster_project.defs.metadata import column_schema, made_by, team
from dagster_project.defs.resources import Installation, Reporter
from dagster_project.defs.shared import REBUILD_TAG, WRITER_POOL, dbt_project
from dagster_project.kpis import contract
from dagster_project.warehouse import steps
from dagster_project.warehouse.connections import opened
from dagster_project.warehouse.extensions import open_raw_root
from dagster_project.warehouse.fingerprints import relations
from dagster_project.warehouse.locks import warehouse_lock
from dagster_project.warehouse.project import ensure_manifest

STEP = "kpis"
KPI_KEYS = [dg.AssetKey(["kpi", table]) for table in kpis.TABLES]


@dg.multi_asset(
    name="build_kpis",
    specs=[
        dg.AssetSpec(
            dg.AssetKey(["kpi", table]),
            deps=[dg.AssetKey(["marts", mart]) for mart in kpis.MARTS],
            description=of.grain,
            group_name="kpi",
            kinds={"duckdb", "metricflow"},
            owners=[team(name) for name in kpis.owners(dbt_project.manifest_path.parent)],
            metadata={
                **column_schema((name, kind, said) for name, (kind, said) in of.columns.items()),
                **made_by(contract.__file__, "the contract of the KPI tables"),
            },
        )
        for table, of in kpis.TABLES.items()
    ],
    pool=WRITER_POOL,
)
def build_kpis(
    context: dg.AssetExecutionContext, installation: Installation, reporter: dg.ResourceParam[Reporter]
) -> Iterator[dg.MaterializeResult]:
    settings = installation.settings()
    in_graph = ingest.sources_in_graph(settings, installation.raw_zone(settings))
    parsed = ensure_manifest(settings.dbt_environment(), in_graph)
    semantic = parsed.manifest.with_name("semantic_manifest.json")
    manifest = json.loads(parsed.manifest.read_bytes())
    with warehouse_lock(settings.home), opened(settings.warehouse_path, settings.memory_limit) as connection:
        open_raw_root(connection, settings.raw_root)
        made_of = steps.made_of(connection, manifest, [semantic, *sorted(Path(kpis.__file__).parent.glob("*.py"))])
        rows = steps.result_of(connection, STEP, made_of)
        is_forced = context.run.tags.get(REBUILD_TAG) == "true"
        if is_forced:
            kpis.forget(connection)
        if is_forced or rows is None or not {f"kpi.{table}" for table in rows} <= relations(connection):
            steps.begin(connection, STEP)
            rows = kpis.build(
                connection, semantic, progress=lambda done, total: reporter.step("KPI facts", done, total)
            )
            steps.done(connection, STEP, made_of, rows)
    for table, count in rows.items():
        yield dg.MaterializeResult(asset_key=dg.AssetKey(["kpi", table]), metadata={"dagster/row_count": count})
