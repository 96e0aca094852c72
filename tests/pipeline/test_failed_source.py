"""A source that cannot be read: the others go on, what depends on it says that it is stale, the exit code says so too.
A run that cannot build publishes nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.pipeline.conftest import TODAY
from tests.support.installation import Installation
from tests.support.published import differences, query

NIGHT = TODAY + timedelta(days=1)
CRM_KPIS = ("leads", "mqls", "opportunities", "revenue", "new_customers", "win_rate", "cpl")


@pytest.fixture
def without_crm(night: Installation) -> Installation:
    """The night of 2026-10-02, on which HubSpot refuses its token."""
    night.go_back("loaded")
    night.sandbox.clock.set(NIGHT)
    night.sandbox.faults.set("hubspot", "expired_token", None)
    return night


def quality(installation: Installation, kpis: tuple[str, ...]) -> dict[str, set[str]]:
    rows = query(
        installation.published(),
        "select kpi_id, quality from kpi.fct_kpi_monthly "
        f"where dimension = 'total' and period_start = date '2026-10-01' and kpi_id in {kpis}",
    )
    found: dict[str, set[str]] = {}
    for kpi, said in rows:
        found.setdefault(kpi, set()).update(said.split(";"))
    return found


def test_a_failed_source_stops_nobody_and_is_named_until_it_is_back(without_crm: Installation) -> None:
    hubspot = without_crm.home / "raw" / "hubspot"
    raw = {path: path.read_bytes() for path in hubspot.rglob("day=*/part-0.parquet")}
    assert len(raw) > 20
    said = without_crm.run("refresh", code=1)
    # what happened, to which source, what now; never the token
    assert "hubspot/contacts" in said
    assert "does not accept HUBSPOT_ACCESS_TOKEN (401" in said
    assert "marked stale" in said
    assert "sandbox-hubspot-token" not in said
    # nothing of the source has changed, the others went on
    assert raw == {path: path.read_bytes() for path in hubspot.rglob("day=*/part-0.parquet")}
    newest = "select max(date_day) from marts.fct_web_traffic"
    assert query(without_crm.published(), newest) == query(without_crm.published("night"), newest) == [(TODAY,)]
    # and whoever reads a KPI that rests on it is told
    assert all("stale:hubspot" in flags for flags in quality(without_crm, CRM_KPIS).values())
    assert set(quality(without_crm, CRM_KPIS)) == set(CRM_KPIS)
    assert "stale:hubspot" not in quality(without_crm, ("sessions",))["sessions"]

    without_crm.sandbox.faults.clear()
    without_crm.quick("refresh")
    assert differences(without_crm.published("night"), without_crm.published()) == {}
    assert "stale:hubspot" not in set().union(*quality(without_crm, CRM_KPIS).values())


def test_a_run_that_cannot_build_publishes_nothing_and_says_so(night: Installation) -> None:
    night.go_back("loaded")
    night.sandbox.clock.set(NIGHT)
    before = night.published()
    warehouse = night.home / "warehouse.duckdb"
    warehouse.write_text("no database")
    said = night.run("refresh", code=1)
    assert "nothing was published, readers see what they saw before" in said
    assert "dbt stopped before its first model: IO Error" in said
    assert str(warehouse) in said.replace("\n", "")
    assert night.published() == before
    # all it takes is to throw the file away: everything comes back from the raw zone, which this run had read to its end
    warehouse.unlink()
    night.build()
    assert differences(night.published("night"), warehouse, ("marts",)) == {}  # and KPIs are made of these alone
