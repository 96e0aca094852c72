"""Customers over time, from dropped files to the KPI tables: the reference companies, and CDNOW's buyers counted again in plain Python.

Three companies live in one warehouse, years apart, so that no window of one reaches into another.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dagster_project import kpis
from tests.support.house import House

ACTIVE_DAYS = 31  # a month's payment is alive at its last day, and at no later month's
TODAY = date(2026, 9, 30)
Buyers = dict[str, list[tuple[date, Decimal]]]


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def paying(path: Path) -> Iterator[dict[str, Any]]:
    """The reference's monthly payments as orders of the month's first day, four years earlier."""
    for row in read_csv(path):
        if float(row["mrr"]):
            day = f"{row['month']}-01".replace("2026", "2022")
            yield {"order_id": f"mrr-{row['customer_id']}-{day}", "customer_id": f"mrr-{row['customer_id']}", "ordered_at": day,
                   "amount": Decimal(row["mrr"])}  # fmt: skip


def cdnow(path: Path) -> Buyers:
    """Customer -> days and amounts of CDNOW's sample: `master id, id, yyyymmdd, discs, dollars`."""
    found: Buyers = defaultdict(list)
    for line in path.read_text().splitlines():
        _, customer, day, _, amount = line.split()
        found[customer].append((date(int(day[:4]), int(day[4:6]), int(day[6:])), Decimal(amount)))
    return found


@pytest.fixture(scope="module")
def buyers(shared_dir: Path) -> Buyers:
    return cdnow(shared_dir / "reference/ltv/CDNOW_sample.txt")


@pytest.fixture(scope="module")
def house(
    tmp_path_factory: pytest.TempPathFactory,
    dbt_project: Any,
    shared_dir: Path,
    semantic_manifest: Path,
    buyers: Buyers,
) -> House:
    house = House(tmp_path_factory.mktemp("cohorts") / "home", dbt_project, TODAY)
    house.rules({
        "reporting": {"fiscal_year_start_month": 2},  # so that February to April is a quarter
        "revenue_truth": "files",
        "maturity": {"active_customer_days": ACTIVE_DAYS},
    })  # fmt: skip
    orders = [*paying(shared_dir / "reference/retention/mrr.csv")]
    orders += [
        {
            "order_id": f"cd-{customer}-{place}",
            "customer_id": f"cd-{customer}",
            "ordered_at": str(day),
            "amount": amount,
        }
        for customer, bought in buyers.items()
        for place, (day, amount) in enumerate(bought)
    ]
    house.put("files/orders", [{"currency_code": "EUR", **order} for order in orders])
    house.build("+fct_customer_retention", "int_source_days", "int_source_subjects", "int_record_flags")
    with house.connection(read_only=False) as connection:
        kpis.build(connection, semantic_manifest, grains=["month", "quarter"])
    return house


def kpi(house: House, kpi_id: str, start: str, grain: str = "monthly") -> float | None:
    rows = house.rows(
        f"select value from kpi.fct_kpi_{grain} where kpi_id = '{kpi_id}' and dimension = 'total' and period_start = '{start}'"
    )
    assert len(rows) == 1, (kpi_id, start)
    return rows[0][0]


def test_retention_of_the_reference_company(house: House, shared_dir: Path) -> None:
    """Month to month, and January to April, where who came back was kept."""
    for row in read_csv(shared_dir / "reference/retention/expected.csv"):
        begins = (date.fromisoformat(f"{row['start']}-01") + timedelta(32)).replace(day=1, year=2022).isoformat()
        grain = "quarterly" if row["end"] == "2026-04" and row["start"] == "2026-01" else "monthly"
        for kpi_id, name in (("retention_rate", "logo_retention"), ("gross_revenue_retention", "GRR"), ("net_revenue_retention", "NRR")):  # fmt: skip
            assert kpi(house, kpi_id, begins, grain) == pytest.approx(float(row[name]), abs=1e-6), (row, kpi_id)
        assert kpi(house, "churn_rate", begins, grain) == pytest.approx(1 - float(row["logo_retention"]))
        parts = house.rows(
            "select customers_at_start, customers_kept, revenue_at_start, expansion, contraction, churned_revenue "
            f"from marts.fct_customer_retention where dimension = 'total' and grain = '{grain.removesuffix('ly')}' "
            f"and period_start = '{begins}'"
        )
        names = ("start_logos", "kept_logos", "start_mrr", "expansion", "contraction", "churned")
        assert parts == [tuple(Decimal(row[name]) for name in names)], row


def test_retention_of_cdnow_counted_again(house: House, buyers: Buyers) -> None:
    """Every month of the data, by sets of customers."""

    def paid(customer: str, end: date) -> Decimal | None:
        """What a customer paid in the window that ends on the day; None: not active."""
        amounts = [amount for day, amount in buyers[customer] if end - timedelta(ACTIVE_DAYS) < day <= end]
        return sum(amounts, Decimal(0)) if amounts else None

    compared = 0
    for month in range(1, 18):
        begins = date(1997 + month // 12, month % 12 + 1, 1)
        ends = (begins + timedelta(31)).replace(day=1) - timedelta(1)
        start = {c: was for c in buyers if (was := paid(c, begins - timedelta(1))) is not None}
        end = {c: paid(c, ends) for c in start}
        kept = sum(1 for now in end.values() if now is not None)
        paying_customers = {c: (was, end[c] or Decimal(0)) for c, was in start.items() if was > 0}
        before = sum(was for was, _ in paying_customers.values())
        assert kpi(house, "retention_rate", str(begins)) == pytest.approx(kept / len(start)), begins
        assert kpi(house, "net_revenue_retention", str(begins)) == pytest.approx(
            float(sum(now for _, now in paying_customers.values()) / before)
        ), begins
        assert kpi(house, "gross_revenue_retention", str(begins)) == pytest.approx(
            float(sum(min(was, now) for was, now in paying_customers.values()) / before)
        ), begins
        compared += len(start)
    assert compared > 4_000


def test_parts_of_retention_recompose_it(house: House) -> None:
    assert house.rows(
        "select * from marts.fct_customer_retention where customers_kept > customers_at_start or "
        "revenue_at_end <> revenue_at_start + expansion - contraction - churned_revenue or revenue_at_end - expansion > revenue_at_start"
    ) == []  # fmt: skip


def test_without_customers_at_the_start_there_is_no_rate(house: House) -> None:
    reasons = house.rows(
        "select distinct kpi_id, value, reason from kpi.fct_kpi_monthly where dimension = 'total' and period_start = '2010-05-01' "
        "and kpi_id in ('retention_rate', 'churn_rate', 'gross_revenue_retention', 'net_revenue_retention') order by 1"
    )
    assert [row[1:] for row in reasons] == [(None, "zero_denominator")] * 4


def test_no_rows_of_a_grain_that_a_kpi_does_not_have(house: House) -> None:
    with duckdb.connect(str(house.warehouse)) as connection:
        grains = connection.execute("select grains from kpi.dim_kpi where kpi_id = 'retention_rate'").fetchall()
    assert grains == [("week, month, quarter, year",)]
