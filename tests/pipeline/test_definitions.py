"""What Dagster sees: everything loads offline and without secrets, and asks for the right days."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph

from dagster_project import ingest, kpis
from dagster_project.settings import load_settings
from dagster_project.warehouse.project import PROJECT_FOLDER, ensure_manifest
from tests.support.installation import OURS

# A machine without network: whoever opens a connection to elsewhere while loading is told so, loudly.
OFFLINE = """
import socket, sys
def refuse(self, address):
    if self.family == socket.AF_UNIX or address[0] in ("127.0.0.1", "::1", "localhost"):
        return connect(self, address)
    raise AssertionError(f"the definitions opened a connection to {address}")
connect, socket.socket.connect = socket.socket.connect, refuse
socket.getaddrinfo = lambda host, *_, **__: (_ for _ in ()).throw(AssertionError(f"looked up {host}"))
"""


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    home = tmp_path_factory.mktemp("home")
    ensure_manifest(load_settings({"FUNNELHOUSE_HOME": str(home)}, folder=home).dbt_environment())
    from dagster_project.definitions import defs

    return defs()


@pytest.fixture(scope="module")
def assets(definitions: dg.Definitions) -> AssetGraph:
    return definitions.resolve_asset_graph()


def test_they_load_without_network_without_variables_and_write_nothing(
    definitions: dg.Definitions, tmp_path: Path
) -> None:
    bare = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    code = f"{OFFLINE}\nfrom dagster_project.definitions import defs\nprint(len(defs().resolve_asset_graph().get_all_asset_keys()))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**bare, "PYTHONPATH": str(PROJECT_FOLDER), "HOME": str(tmp_path)},
        cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stderr == ""  # no warnings: whoever types `make run` reads them
    assert int(done.stdout.split()[-1]) > 100
    assert list(tmp_path.iterdir()) == []


def test_the_code_location_of_workspace_yaml_is_valid(definitions: dg.Definitions, tmp_path: Path) -> None:
    bare = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    (tmp_path / "dagster").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate", "-w", "workspace.yaml"],
        env={**bare, "PYTHONPATH": str(PROJECT_FOLDER), "DAGSTER_HOME": str(tmp_path / "dagster"),
             "FUNNELHOUSE_HOME": str(tmp_path / "home"), "DAGSTER_DISABLE_TELEMETRY": "yes"},
        cwd=PROJECT_FOLDER, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    assert "Validation successful for code location funnelhouse" in done.stdout + done.stderr


def test_every_stream_mart_and_kpi_table_is_an_asset_named_schema_and_table(assets: AssetGraph) -> None:
    keys = {key.to_user_string() for key in assets.get_all_asset_keys()}
    assert {f"raw_{stream.source}/{stream.name}" for stream in ingest.streams()} <= keys
    assert {f"kpi/{table}" for table in kpis.TABLES} <= keys
    assert {f"marts/{mart}" for mart in kpis.MARTS} <= keys
    assert {"raw_meta/days", "raw_meta/streams", "published/funnelhouse"} <= keys
    assert all(len(key.split("/")) == 2 for key in keys)


def test_every_asset_says_who_answers_for_it_what_is_in_it_and_which_file_makes_it(assets: AssetGraph) -> None:
    for key in assets.get_all_asset_keys():
        node = assets.get(key)
        assert node.owners, key
        assert set(node.owners) <= {"team:data", "team:marketing", "team:sales"}, key
        assert node.description, key
        references = node.metadata["dagster/code_references"].code_references
        assert all(Path(reference.file_path).is_file() for reference in references), key
        if key.path[0] != "published":  # many tables
            assert node.metadata["dagster/column_schema"].columns, key
    shape = {
        c.name: c
        for c in assets.get(dg.AssetKey(["intermediate", "ad_days"])).metadata["dagster/column_schema"].columns
    }
    assert (shape["date_day"].type, shape["clicks"].description) == ("date", "How often it was clicked.")
    leads, kpi = assets.get(dg.AssetKey(["marts", "fct_leads"])), assets.get(dg.AssetKey(["kpi", "fct_kpi_daily"]))
    assert (leads.owners, leads.tags["group"], leads.tags["access"]) == (["team:sales"], "crm", "public")
    assert kpi.owners == ["team:marketing", "team:sales"]
    types = {column.name: column.type for column in kpi.metadata["dagster/column_schema"].columns}
    assert (types["value"], types["period_start"]) == ("double", "date")
    assert assets.get(dg.AssetKey(["raw_ga4", "traffic"])).tags["source"] == "ga4"


def test_jobs_and_schedules_say_what_they_are_for(definitions: dg.Definitions) -> None:
    schedules = {"nightly_refresh", "deep_refresh", "crm_sweep", "noon_freshness"}
    assert {schedule.name for schedule in definitions.schedules or ()} == schedules
    assert all(definitions.resolve_schedule_def(name).description for name in schedules)
    assert all(definitions.resolve_job_def(name).description for name in ("refresh", "freshness"))


def test_lineage_leads_from_a_vendors_stream_to_the_publish(assets: AssetGraph) -> None:
    def ancestors(key: dg.AssetKey) -> set[str]:
        found: set[dg.AssetKey] = set()
        waiting = [key]
        while waiting:
            parents = assets.get(waiting.pop()).parent_keys - found
            found |= parents
            waiting += parents
        return {one.to_user_string() for one in found}

    above = ancestors(dg.AssetKey(["published", "funnelhouse"]))
    path = {"raw_ga4/traffic", "staging/stg_ga4__traffic", "marts/fct_web_traffic", "kpi/fct_kpi_daily"}
    assert path <= above
    assert {"raw_hubspot/contacts", "marts/fct_leads", "raw_google_ads/ad_performance", "raw_fx/rates"} <= above


@pytest.mark.parametrize(
    ("schedule", "mode"), [("nightly_refresh", "refresh"), ("deep_refresh", "deep"), ("crm_sweep", "sweep")]
)
def test_a_schedule_asks_for_the_newest_whole_day(definitions: dg.Definitions, schedule: str, mode: str) -> None:
    context = dg.build_schedule_context(
        scheduled_execution_time=datetime(2026, 10, 2, 3, 0, tzinfo=UTC),
        repository_def=definitions.get_repository_def(),
    )
    [request] = definitions.resolve_schedule_def(schedule).evaluate_tick(context).run_requests or []
    assert definitions.resolve_schedule_def(schedule).job_name == "refresh"
    assert request.tags["funnelhouse/mode"] == mode
    assert request.tags["dagster/asset_partition_range_start"] == "2026-10-01"
    assert request.tags["dagster/asset_partition_range_end"] == "2026-10-01"
    assert request.tags["dagster/max_retries"] == "2"
    assert (
        request.tags["dagster/retry_on_asset_or_op_failure"] == "false"
    )  # killed runs; of vendors the last step decides
    assert request.run_key == f"{mode}-2026-10-01"  # the same night asked twice is one run


def test_days_are_partitions_of_single_run_backfills(assets: AssetGraph) -> None:
    for stream in ingest.streams():
        node = assets.get(dg.AssetKey([f"raw_{stream.source}", stream.name]))
        if stream.read is None:
            assert node.partitions_def is None
        else:
            assert isinstance(node.partitions_def, dg.DailyPartitionsDefinition)
            assert node.backfill_policy == dg.BackfillPolicy.single_run()


def test_steps_that_open_the_warehouse_share_the_pool(definitions: dg.Definitions) -> None:
    nodes = definitions.resolve_job_def("refresh").graph.node_defs
    assert {node.name for node in nodes if "duckdb_writer" in node.pools} == {
        "dbt_build", "build_kpis", "published__funnelhouse",
    }  # fmt: skip


def test_dbt_tests_and_raw_checks_are_asset_checks(assets: AssetGraph) -> None:
    checks = {key.asset_key.to_user_string(): set() for key in assets.asset_check_keys}
    for key in assets.asset_check_keys:
        checks[key.asset_key.to_user_string()].add(key.name)
    assert any(name.startswith("unique_grain") for name in checks["marts/fct_web_traffic"])
    for stream in ingest.streams():
        assert {"was_read", "days_are_whole"} <= checks[f"raw_{stream.source}/{stream.name}"]
        raw = dg.AssetKey([f"raw_{stream.source}", stream.name])
        assert assets.get_check_spec(dg.AssetCheckKey(raw, "days_are_whole")).blocking
    marts = {key.to_user_string() for key in assets.get_all_asset_keys() if key.path[0] == "marts"}
    without_grain = {m for m in marts if not any(n.startswith("unique_grain") for n in checks.get(m, ()))}
    assert without_grain == set(), "marts without a grain test"
