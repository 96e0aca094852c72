"""Run in a copy of the project that has the toy: reads a week of it, builds the warehouse and the KPI tables of it alone,
and prints what the project then knows of it."""

from __future__ import annotations

import json
import os
import sys
from datetime import date
from pathlib import Path
from typing import Any

from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner

from dagster_project import ingest, kpis
from dagster_project.raw.zone import RawZone
from dagster_project.reading import doctor, documents
from dagster_project.sandbox import serve
from dagster_project.settings import Settings, load_settings
from dagster_project.warehouse.connections import opened
from dagster_project.wire.contract import Window

PROJECT = Path(ingest.__file__).parents[2]
WEEK = Window(date(2026, 9, 20), date(2026, 9, 27))


def seen(home: Path) -> dict[str, Any]:
    home.mkdir()
    rules = home / "funnelhouse.yml"
    rules.write_text("exchange_rates: {providers: []}\nsources: {toy: {with_paused: false}}\n")
    common = {"FUNNELHOUSE_HOME": str(home), "FUNNELHOUSE_CONFIG": str(rules)}
    with serve(today="2026-10-01", vendors=["toy"], faults=["toy:server_error"]) as sandbox:
        settings = load_settings({**sandbox.env, **common})
        zone = RawZone(settings.raw_root)
        outcomes = list(ingest.run(settings, zone, ingest.streams(["toy", "config"]), "backfill", WEEK))
        on = {finding.source: finding.answer for finding in doctor.examine(settings)}
        zone.write_index([(stream, stream.source in ("toy", "config")) for stream in ingest.streams(None)])
        built = tables(settings)
    off = {finding.source: finding.answer for finding in doctor.examine(load_settings(common))}
    [outcome] = [outcome for outcome in outcomes if outcome.stream.source == "toy"]
    days = [zone.read_day(outcome.stream, day) for day in WEEK.days()]
    return {
        "project": str(PROJECT),
        "status": outcome.status,
        "retries": outcome.tally.retries,
        "rows": [
            row for day in days for row in day.select(["date", "campaign", "spend_cents", "account_id"]).to_pylist()
        ],
        **built,
        "on": on["toy"],
        "off": off["toy"],
        "example": documents.env_example(),
        "table": documents.table_of_sources(),
    }


def tables(settings: Settings) -> dict[str, Any]:
    """What marts, KPI tables and the report of sources say once dbt and the KPI step have run with no other source on."""
    os.environ.update(settings.dbt_environment())
    project, target = PROJECT / "dbt_project", settings.home / "target"
    folders = ["--project-dir", project, "--profiles-dir", project, "--target-path", target]
    without_tests = ["--exclude-resource-types", "test", "unit_test"]
    arguments = ["build", *map(str, folders), *without_tests, "--vars", json.dumps({"sources_on": ["toy"]}), "--quiet"]
    built = dbtRunner().invoke([*arguments, "--log-level-file", "none"])
    DuckDBConnectionManager.close_all_connections()
    assert built.success, built.exception or [node.message for node in built.result if node.status == "error"]
    with opened(settings.warehouse_path, settings.memory_limit) as connection:
        kpis.build(connection, target, grains=["month"])

        def rows(sql: str) -> list[dict[str, Any]]:
            return connection.sql(sql).fetch_arrow_table().to_pylist()

        return {
            "mart": rows(
                "select campaign_id, channel, cast(sum(clicks) as bigint) as clicks, sum(cost_native) as cost "
                "from marts.fct_ad_performance group by all order by all"
            ),
            "costs": rows("select platform, sum(amount) as amount from marts.fct_costs group by all"),
            "kpi": rows(
                "select dimension, member, value from kpi.fct_kpi_monthly where kpi_id = 'marketing_spend' "
                "and dimension in ('total', 'channel') and period_start = date '2026-09-01' order by all"
            ),
        }


if __name__ == "__main__":
    json.dump(seen(Path(sys.argv[1])), sys.stdout, default=str)
