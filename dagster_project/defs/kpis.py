"""KPI assets: the fact tables of every grain, the catalogue and the scoreboard, in one transaction."""

from collections.abc import Iterator

import dagster as dg

from dagster_project import kpis
from dagster_project.defs.metadata import column_schema, made_by, team
from dagster_project.defs.resources import Installation, Reporter
from dagster_project.defs.shared import WRITER_POOL, dbt_project
from dagster_project.kpis import contract
from dagster_project.warehouse.connections import opened
from dagster_project.warehouse.locks import warehouse_lock

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
def build_kpis(installation: Installation, reporter: dg.ResourceParam[Reporter]) -> Iterator[dg.MaterializeResult]:
    settings = installation.settings()
    manifest = dbt_project.project_dir / "target" / "semantic_manifest.json"
    with warehouse_lock(settings.home), opened(settings.warehouse_path, settings.memory_limit) as connection:
        rows = kpis.build(connection, manifest, progress=lambda done, total: reporter.step("KPI facts", done, total))
    for table, count in rows.items():
        yield dg.MaterializeResult(asset_key=dg.AssetKey(["kpi", table]), metadata={"dagster/row_count": count})
