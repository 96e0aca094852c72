"""Leads, deals and orders of files: the reference funnel, Olist's real one, and which orders count."""

from __future__ import annotations

import csv
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from tests.support.crm_rows import PIPELINE
from tests.support.house import House

MODELS = (
    "+fct_leads",
    "+fct_lead_stages",
    "+fct_opportunities",
    "+fct_orders",
    "+fct_attribution",
    "+dim_customer",
    "+dim_sales_rep",
)


def built(home: Path, dbt_project, rules: dict, raw_tables: dict, today: date) -> House:
    house = House(home, dbt_project, today)
    house.rules(rules)
    for stream_id, rows in raw_tables.items():
        house.put(stream_id, rows)
    house.build(*MODELS)
    return house


def read_csv(path: Path) -> list[dict[str, str | None]]:
    with path.open(newline="") as file:
        return [{name: value or None for name, value in row.items()} for row in csv.DictReader(file)]


# ---- the reference funnel: 900 leads with stage dates, 400 deals -----------------------------------------------


@pytest.fixture(scope="module")
def funnel(tmp_path_factory, dbt_project, shared_dir) -> House:
    """The leads as a file with stage dates, the deals as a HubSpot that knows nobody."""
    folder = shared_dir / "reference" / "funnel"
    stages = ("mql", "sal", "sql")
    leads = [
        {"lead_id": row["lead_id"], "created_at": row["lead_at"], "channel": row["channel"], "deleted": False,
         **{f"{stage}_at": row[f"{stage}_at"] for stage in stages},
         "opportunity_at": row["opp_at"], "won_at": row["won_at"]}
        for row in read_csv(folder / "leads.csv")
    ]  # fmt: skip
    stage_of = {"won": "closedwon", "lost": "closedlost", "open": "qualified"}
    deals = [
        {"id": row["deal_id"], "createdate": row["created"], "hs_lastmodifieddate": row["closed"] or row["created"],
         "closedate": row["closed"], "dealstage": stage_of[row["outcome"]], "pipeline": "default",
         "amount": Decimal(row["amount"]), "deal_currency_code": "EUR", "archived": False}
        for row in read_csv(folder / "deals.csv")
    ]  # fmt: skip
    raw_tables = {"files/leads": leads, "hubspot/deals": deals, "hubspot/pipelines": PIPELINE}
    return built(tmp_path_factory.mktemp("funnel") / "home", dbt_project, {}, raw_tables, date(2026, 10, 1))


def test_cohorts_of_the_reference_funnel(funnel, shared_dir) -> None:
    expected = [
        tuple(int(row[name]) for name in ("leads", "mql", "sal", "sql_", "opp", "won"))
        for row in read_csv(shared_dir / "reference" / "funnel" / "expected_cohort_by_lead_month.csv")
    ]
    cohorts = funnel.rows("""
        select count(*) filter (where stage = 'lead'), count(*) filter (where stage = 'mql'),
            count(*) filter (where stage = 'sal'), count(*) filter (where stage = 'sql'),
            count(*) filter (where stage = 'opportunity'), count(*) filter (where stage = 'won')
        from marts.fct_lead_stages join marts.fct_leads using (lead_id)
        group by date_trunc('month', lead_date) order by date_trunc('month', lead_date)
    """)
    assert cohorts == expected
    assert cohorts[0] == (233, 114, 81, 36, 29, 9)


def test_deals_of_the_reference_funnel(funnel) -> None:
    counts = dict(funnel.rows("select status, count(*) from marts.fct_opportunities group by 1"))
    assert counts == {"won": 101, "lost": 226, "open": 73}
    assert counts["won"] / (counts["won"] + counts["lost"]) == pytest.approx(0.308869, abs=1e-6)
    cycles = funnel.rows(
        "select avg(sales_cycle_days), median(sales_cycle_days) from marts.fct_opportunities where status = 'won'"
    )
    assert cycles == [(pytest.approx(41.13861, abs=1e-5), 34.0)]


# ---- Olist: 8,000 real leads, 842 won, orders of the sellers that they became --------------------------------


@pytest.fixture(scope="module")
def olist(tmp_path_factory, dbt_project, shared_dir) -> House:
    funnel_files = shared_dir / "data" / "olist_funnel"
    leads = [
        {"lead_id": row["mql_id"], "created_at": row["first_contact_date"], "source": row["origin"],
         "landing_page": row["landing_page_id"], "account_id": "olist_leads", "deleted": False}
        for row in read_csv(funnel_files / "olist_marketing_qualified_leads_dataset.csv")
    ]  # fmt: skip
    deals = [
        {"deal_id": row["mql_id"], "lead_id": row["mql_id"], "customer_id": row["seller_id"], "status": "won",
         "closed_at": row["won_date"], "filed_at": row["won_date"], "owner_id": row["sr_id"], "sdr_id": row["sdr_id"],
         "account_id": "olist_deals"}
        for row in read_csv(funnel_files / "olist_closed_deals_dataset.csv")
    ]  # fmt: skip
    items = shared_dir / "data" / "olist_ecommerce" / "olist_order_items.parquet"
    sellers = sorted({deal["customer_id"] for deal in deals})
    orders = duckdb.execute(
        """
        select order_id || '-' || order_item_id as order_id, seller_id as customer_id,
            strftime(shipping_limit_date, '%Y-%m-%dT%H:%M:%S') as ordered_at,
            cast(price as decimal(24, 6)) as amount, 'BRL' as currency_code, 'olist_orders' as account_id
        from read_parquet(?) where seller_id in (select unnest(?))
        """,
        [str(items), sellers],
    ).to_arrow_table()
    rules = {"revenue_truth": "files", "reporting": {"currency": "BRL"}}
    raw_tables = {"files/leads": leads, "files/deals": deals, "files/orders": orders.to_pylist()}
    return built(tmp_path_factory.mktemp("olist") / "home", dbt_project, rules, raw_tables, date(2020, 12, 31))


def test_olist_has_8000_leads_of_whom_842_became_customers(olist) -> None:
    assert olist.rows("select count(*), count(*) filter (where is_customer) from marts.fct_leads") == [(8000, 842)]


def test_olist_conversion_by_origin(olist) -> None:
    rows = olist.rows("select source, count(*) filter (where is_customer), count(*) from marts.fct_leads group by 1")
    assert {source: (won, leads) for source, won, leads in rows} == {
        "organic_search": (271, 2296), "paid_search": (195, 1586), "social": (75, 1350), "unknown": (179, 1099),
        "direct_traffic": (56, 499), "email": (15, 493), "referral": (24, 284), "other": (4, 150),
        "display": (6, 118), "other_publicities": (3, 65), "(not set)": (14, 60),
    }  # fmt: skip


def test_olist_origins_become_channels(olist) -> None:
    rows = olist.rows("select distinct source, channel from marts.fct_leads order by 1")
    assert rows == [
        ("(not set)", "(not set)"), ("direct_traffic", "Direct"), ("display", "Display"), ("email", "Email"),
        ("organic_search", "Organic Search"), ("other", "Unassigned"), ("other_publicities", "Unassigned"),
        ("paid_search", "Paid Search"), ("referral", "Referral"), ("social", "Organic Social"),
        ("unknown", "(not set)"),
    ]  # fmt: skip


def test_olist_sellers_revenue(olist) -> None:
    rows = olist.rows(
        "select count(*), count(distinct customer_id), sum(amount), sum(is_new_customer::int), count(lead_id) from marts.fct_orders"
    )
    assert rows == [(5044, 380, Decimal("676851.48"), 380, 5044)]
    assert olist.rows("select count(*), count(distinct customer_kind) from marts.dim_customer") == [(380, 1)]
    assert olist.rows("select count(*) from marts.fct_orders where sales_rep = '(not set)'") == [(0,)]


def test_olist_stages_are_the_ones_that_the_files_know(olist) -> None:
    rows = olist.rows("select stage, count(*) from marts.fct_lead_stages group by 1 order by 1")
    assert rows == [("lead", 8000), ("opportunity", 842), ("won", 842)]


def test_olist_sales_cycle(olist) -> None:
    """The published 14 and 48.44 days count from date to date; ours has the hours of the win as well."""
    rows = olist.rows(
        "select median(date_diff('day', lead_date, closed_date)), avg(sales_cycle_days) from marts.fct_opportunities join marts.fct_leads using (lead_id)"
    )
    assert rows[0][0] == 14
    assert 48.44 < rows[0][1] < 49.44
