"""KPI assets: the fact tables of every grain, the catalogue and the scoreboard, in one transaction."""

from collections.abc import Iterator

import dagster as dg
import duckdb

from dagster_project import kpis
from dagster_project.defs.resources import Installation, Reporter
from dagster_project.defs.shared import WRITER_POOL, dbt_project
from dagster_project.locks import warehouse_lock

KPI_KEYS = [dg.AssetKey(["kpi", table]) for table in kpis.TABLES]


@dg.multi_asset(
    name="build_kpis",
    specs=[
        dg.AssetSpec(
            dg.AssetKey(["kpi", table]),
            deps=[dg.AssetKey(["marts", mart]) for mart in kpis.MARTS],
            description=description,
            group_name="kpi",
            kinds={"duckdb", "metricflow"},
        )
        for table, description in kpis.TABLES.items()
    ],
    pool=WRITER_POOL,
)
def build_kpis(installation: Installation, reporter: dg.ResourceParam[Reporter]) -> Iterator[dg.MaterializeResult]:
    settings = installation.settings()
    manifest = dbt_project.project_dir / "target" / "semantic_manifest.json"
    with warehouse_lock(settings.home), duckdb.connect(str(settings.warehouse_path)) as connection:
        rows = kpis.build(connection, manifest, progress=lambda done, total: reporter.step("KPI facts", done, total))
    for table, count in rows.items():
        yield dg.MaterializeResult(asset_key=dg.AssetKey(["kpi", table]), metadata={"dagster/row_count": count})
