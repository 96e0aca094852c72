"""Real data nobody here wrote: Olist's leads, deals and sales through the files source to the KPI tables.

Expected numbers are those published with the data: 8,000 leads, 842 won (10.525 %), 380 sellers with 676,851.48
in sales; won and leads by origin as counted by whoever published them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

PROJECT = Path(__file__).resolve().parents[2]
WON_OF_LEADS_BY_ORIGIN = {
    "organic_search": (271, 2296), "paid_search": (195, 1586), "social": (75, 1350), "unknown": (179, 1099),
    "direct_traffic": (56, 499), "email": (15, 493), "referral": (24, 284), "other": (4, 150), "display": (6, 118),
    "other_publicities": (3, 65), "(not set)": (14, 60),
}  # fmt: skip


@pytest.fixture(scope="module")
def olist(shared_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    home = tmp_path_factory.mktemp("olist")
    clean = {
        n: v for n, v in os.environ.items() if not n.startswith(("FUNNELHOUSE_", "GA4_", "HUBSPOT_", "GOOGLE_", "FX_"))
    }
    environment = {
        **clean,
        "FUNNELHOUSE_HOME": str(home),
        "FUNNELHOUSE_TODAY": "2018-12-01",
        "FUNNELHOUSE_CONFIG": str(PROJECT / "tests/fixtures/olist/funnelhouse.yml"),
        "OLIST_FUNNEL": str(shared_dir / "data/olist_funnel"),
        "OLIST_ECOMMERCE": str(shared_dir / "data/olist_ecommerce"),
        "PYTHONPATH": str(PROJECT),
    }
    command = [sys.executable, "-m", "dagster_project.cli", "refresh"]
    done = subprocess.run(command, env=environment, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return duckdb.connect(str(home / "published" / "funnelhouse.duckdb"), read_only=True)


def total(olist: duckdb.DuckDBPyConnection, kpi_id: str) -> tuple[float, float | None]:
    rows = olist.execute(
        "select sum(numerator), sum(denominator) from kpi.fct_kpi_yearly where kpi_id = ? and dimension = 'total'",
        [kpi_id],
    ).fetchall()
    return rows[0]


def test_the_kpi_tables_say_what_was_published_with_the_data(olist: duckdb.DuckDBPyConnection) -> None:
    assert total(olist, "leads") == (8000, None)
    won, leads = total(olist, "lead_to_customer_rate")
    assert (won, leads, won / leads) == (842, 8000, 0.10525)
    assert total(olist, "new_customers") == (380, None)
    assert total(olist, "revenue")[0] == pytest.approx(676_851.48, abs=0.005)


def test_conversion_by_origin_is_what_was_published(olist: duckdb.DuckDBPyConnection) -> None:
    rows = olist.execute(
        "select member, sum(numerator)::int, sum(denominator)::int from kpi.fct_kpi_yearly "
        "where kpi_id = 'lead_to_customer_rate' and dimension = 'source' group by member"
    ).fetchall()
    assert {member: (won, leads) for member, won, leads in rows} == WON_OF_LEADS_BY_ORIGIN


def test_leads_by_month_equal_the_file(olist: duckdb.DuckDBPyConnection, shared_dir: Path) -> None:
    file = shared_dir / "data/olist_funnel/olist_marketing_qualified_leads_dataset.csv"
    asked = duckdb.sql(
        f"select date_trunc('month', first_contact_date)::date, count(*) from read_csv('{file}') group by 1 order by 1"
    ).fetchall()
    told = olist.execute(
        "select period_start, numerator::int from kpi.fct_kpi_monthly "
        "where kpi_id = 'leads' and dimension = 'total' and numerator > 0 order by 1"
    ).fetchall()
    assert json.dumps(told, default=str) == json.dumps(asked, default=str)
