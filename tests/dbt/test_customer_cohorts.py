"""Customers over time, from dropped files to the KPI tables: the reference companies, and CDNOW's buyers counted again in plain Python.

Four companies live in one warehouse, years apart, so that no window of one reaches into another.
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
MARGIN = Decimal("0.5")
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


def returns(path: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The reference's cohorts as orders and ad cost: a customer a cohort, whose order of each month has its gross profit."""
    orders, spent = [], {}
    for row in read_csv(path):
        spent[row["cohort"]] = Decimal(row["spend"])
        year, month = map(int, row["cohort"].split("-"))
        day = date(year, month + int(row["age_month"]), 5)
        orders.append({"order_id": f"roi-{row['cohort']}-{day}", "customer_id": f"roi-{row['cohort']}", "ordered_at": str(day),
                       "amount": (Decimal(row["gross_profit"]) / MARGIN).quantize(Decimal("0.01"))})  # fmt: skip
    cost = [
        {"date": f"{cohort}-01", "platform": "Google Ads", "campaign_id": "1", "campaign_name": "Spring", "clicks": 1,
         "cost": amount, "currency_code": "EUR"}
        for cohort, amount in spent.items()
    ]  # fmt: skip
    return orders, cost


BY_HAND = [  # in 2024
    ("again", "1", "2024-01-20", 100, None), ("again", "2", "2024-02-03", -40, "1"), ("again", "3", "2024-05-31", 60, None),
    ("never", "4", "2024-01-21", 80, None), ("never", "5", "2024-03-01", -80, "4"),
    ("later", "6", "2024-01-10", 30, None), ("later", "7", "2024-02-02", -30, "6"), ("later", "8", "2024-03-10", 50, None),
]  # fmt: skip


def cdnow(path: Path) -> Buyers:
    """Customer -> days and amounts of CDNOW's sample: `master id, id, yyyymmdd, discs, dollars`. Ten years later: the calendar
    begins with 2000."""
    found: Buyers = defaultdict(list)
    for line in path.read_text().splitlines():
        _, customer, day, _, amount = line.split()
        found[customer].append((date(int(day[:4]) + 10, int(day[4:6]), int(day[6:])), Decimal(amount)))
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
        "gross_margin": {"default": float(MARGIN)},
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
    orders += [
        {"order_id": number, "customer_id": customer, "ordered_at": day, "amount": Decimal(amount), "refund_of": of,
         "is_refund": of is not None}
        for customer, number, day, amount, of in BY_HAND
    ]  # fmt: skip
    returned, cost = returns(shared_dir / "reference/roi/cohort_gross_profit.csv")
    house.put("files/orders", [{"currency_code": "EUR", **order} for order in orders + returned])
    house.put("files/ad_cost", cost)
    house.build(
        "+fct_customer_retention", "+fct_customer_cohorts", "int_source_days", "int_source_subjects", "int_record_flags"
    )
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
        begins = date(2007 + month // 12, month % 12 + 1, 1)
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


def test_returns_of_the_reference_cohorts_at_every_age(house: House, shared_dir: Path) -> None:
    cells = {
        (str(cohort)[:7], age): (mature, float(profit), romi, payback)
        for cohort, age, mature, profit, romi, payback in house.rows(
            "select cohort_month, age_months, is_mature, gross_profit_to_date, romi_to_date, payback_months "
            "from marts.fct_customer_cohorts where dimension = 'total' and cohort_month >= '2026-01-01'"
        )
    }
    payback = {"2026-01": 3, "2026-02": 2, "2026-03": 3}
    for row in read_csv(shared_dir / "reference/roi/expected_cohort_romi.csv"):
        expected = (True, float(row["cum"]), pytest.approx(float(row["cum_romi"]), abs=1e-6), payback[row["cohort"]])
        assert cells[(row["cohort"], int(row["age_month"]))] == expected, row
    assert max(age for cohort, age in cells if cohort == "2026-01") == 8  # September, which runs
    assert not cells[("2026-01", 8)][0]
    for cohort, (profit, spend) in {
        "2026-01": (24000, 10000),
        "2026-02": (23000, 12000),
        "2026-03": (10000, 8000),
    }.items():
        start = f"{cohort}-01"
        assert kpi(house, "ltv_historic", start) == profit
        assert kpi(house, "ltv_cac_ratio", start) == pytest.approx(profit / spend)
        assert kpi(house, "cohort_romi", start) == pytest.approx(profit / spend - 1)
        assert kpi(house, "cac_payback_months", start) == payback[cohort]
    assert house.rows(
        "select kpi_id, reason, is_mature from kpi.fct_kpi_monthly where dimension = 'total' and period_start = '2026-05-01' and "
        "kpi_id in ('ltv_historic', 'ltv_cac_ratio', 'cohort_romi', 'cac_payback_months') order by 1"
    ) == [
        ("cac_payback_months", "no_data", True), ("cohort_romi", "no_data", False), ("ltv_cac_ratio", "no_data", False),
        ("ltv_historic", "zero_denominator", False),
    ]  # fmt: skip


def test_cohorts_of_cdnow_counted_again(house: House, buyers: Buyers) -> None:
    """Who became a customer when, in every month of age: buyers, customers active at its end, revenue to date."""
    cells = {
        (cohort, month): cell
        for cohort, month, *cell in house.rows(
            "select cohort_month, month_start, age_months, customers, active_customers, retained_customers, revenue_to_date "
            "from marts.fct_customer_cohorts where dimension = 'total' and cohort_month < '2009-01-01' and month_start < '2008-08-01'"
        )
    }
    assert {cohort for cohort, _ in cells} == {date(2007, month, 1) for month in (1, 2, 3)}
    for (cohort, month), (age, customers, active, retained, revenue) in cells.items():
        of = {c: bought for c, bought in buyers.items() if min(bought)[0].replace(day=1) == cohort}
        ends = (month + timedelta(31)).replace(day=1) - timedelta(1)
        assert age == (month.year - cohort.year) * 12 + month.month - cohort.month
        assert customers == len(of), cohort
        assert active == sum(1 for bought in of.values() if any(day.replace(day=1) == month for day, _ in bought))
        assert retained == sum(
            1 for bought in of.values() if any(ends - timedelta(ACTIVE_DAYS) < day <= ends for day, _ in bought)
        )
        assert revenue == sum(amount for bought in of.values() for day, amount in bought if day <= ends)


def test_refunds_and_customers_who_come_back(house: House) -> None:
    """By hand. January: `again`, less 40 in February, back in May after nobody saw it for three months. March: `later`, whose
    first order was refunded in full. `never` bought nothing that it kept."""
    cells = house.rows(
        "select cohort_month::varchar, age_months, customers, active_customers, returned_customers, revenue, gross_profit_to_date "
        "from marts.fct_customer_cohorts where dimension = 'total' and cohort_month between '2024-01-01' and '2024-12-01' "
        "and month_start < '2024-07-01' order by 1, 2"
    )
    january, march = "2024-01-01", "2024-03-01"
    assert cells == [
        (january, 0, 1, 1, 0, 100, 50), (january, 1, 1, 0, 0, -40, 30), (january, 2, 1, 0, 0, 0, 30), (january, 3, 1, 0, 0, 0, 30),
        (january, 4, 1, 1, 1, 60, 60), (january, 5, 1, 0, 0, 0, 60),
        (march, 0, 1, 1, 0, 50, 25), (march, 1, 1, 0, 0, 0, 25), (march, 2, 1, 0, 0, 0, 25), (march, 3, 1, 0, 0, 0, 25),
    ]  # fmt: skip
    assert kpi(house, "ltv_historic", january) == 60
    assert kpi(house, "ltv_historic", march) == 25


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
