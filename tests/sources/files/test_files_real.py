"""Real files through the files source, counted beside DuckDB reading the same files directly."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from dagster_project.settings import Settings, load_settings
from dagster_project.sources.files import STREAMS
from dagster_project.wire import Tally
from tests.support.dropped_files import swept

PROJECT = Path(__file__).resolve().parents[3]


def data_folder(shared_dir: Path, name: str) -> Path:
    folder = shared_dir / "data" / name
    if not folder.is_dir():
        pytest.skip(f"no {name} among the real data")
    return folder


def rows_of(settings: Settings, name: str) -> tuple[pa.Table, Tally]:
    stream, tally = next(s for s in STREAMS if s.name == name), Tally()
    return pa.concat_tables(page.rows for page in stream.sweep(settings.of("files"), tally)), tally


def ask(query: str, **tables: pa.Table) -> list[tuple]:
    """What DuckDB answers over files and the named tables."""
    with duckdb.connect() as connection:
        for name, table in tables.items():
            connection.register(name, table)
        return connection.sql(query).fetchall()


# ---- Olist: 8,000 leads, 842 won, 380 sellers


@pytest.fixture
def olist(shared_dir: Path, no_vendor_variables: Path) -> Settings:
    return load_settings(
        {
            "FUNNELHOUSE_HOME": str(no_vendor_variables / "home"),
            "FUNNELHOUSE_CONFIG": str(PROJECT / "tests/fixtures/olist/funnelhouse.yml"),
            "OLIST_FUNNEL": str(data_folder(shared_dir, "olist_funnel")),
            "OLIST_ECOMMERCE": str(data_folder(shared_dir, "olist_ecommerce")),
        }
    )


def test_olist_leads_by_origin_and_month(olist: Settings, shared_dir: Path) -> None:
    leads, tally = rows_of(olist, "leads")
    file = shared_dir / "data/olist_funnel/olist_marketing_qualified_leads_dataset.csv"
    ours = """select source, strftime(created_at at time zone 'America/Sao_Paulo', '%Y-%m') as month, count(*),
        count(distinct lead_id), count(distinct landing_page), count(mql_at) from leads group by all order by all"""
    directly = f"""select origin, strftime(first_contact_date, '%Y-%m') as month, count(*),
        count(distinct mql_id), count(distinct landing_page_id), count(first_contact_date)
        from '{file}' group by all order by all"""
    assert ask(ours, leads=leads) == ask(directly)
    assert leads.num_rows == 8000
    assert (tally.bad_rows, tally.notes) == ([], [])


def test_olist_keeps_an_empty_origin_apart_from_one_that_says_unknown(olist: Settings) -> None:
    leads, _ = rows_of(olist, "leads")
    rows = ask("select source, channel, count(*) from leads group by all order by all", leads=leads)
    assert {(source, channel): count for source, channel, count in rows if channel in (None, "Unassigned")} == {
        (None, None): 60,
        ("unknown", "Unassigned"): 1099,
        ("other", "Unassigned"): 150,
    }


def test_olist_won_by_origin(olist: Settings) -> None:
    leads, deals = rows_of(olist, "leads")[0], rows_of(olist, "deals")[0]
    rows = ask(
        "select leads.source, count(deal_id), count(*) from leads left join deals using (lead_id) group by all",
        leads=leads,
        deals=deals,
    )
    assert {source: (won, of) for source, won, of in rows} == {  # as in the data's PROVENANCE.md
        "organic_search": (271, 2296),
        "paid_search": (195, 1586),
        "social": (75, 1350),
        "unknown": (179, 1099),
        "direct_traffic": (56, 499),
        "email": (15, 493),
        "referral": (24, 284),
        "other": (4, 150),
        "display": (6, 118),
        "other_publicities": (3, 65),
        None: (14, 60),
    }


def test_olist_deals(olist: Settings, shared_dir: Path) -> None:
    deals, tally = rows_of(olist, "deals")
    folder = shared_dir / "data/olist_funnel"
    ours = """select count(*), count(distinct owner_id), count(distinct sdr_id), count(distinct customer_id),
        count(product), min(won_at), max(won_at), sum(date_diff('day', lead_at::date, won_at::date)) from (
            select deals.*, deals.closed_at at time zone 'America/Sao_Paulo' as won_at,
                leads.created_at at time zone 'America/Sao_Paulo' as lead_at
            from deals join leads using (lead_id) where status = 'won')"""
    directly = f"""select count(*), count(distinct sr_id), count(distinct sdr_id), count(distinct seller_id),
        count(business_segment), min(won_date), max(won_date),
        sum(date_diff('day', first_contact_date::date, won_date::date))
        from '{folder}/olist_closed_deals_dataset.csv'
        join '{folder}/olist_marketing_qualified_leads_dataset.csv' using (mql_id)"""
    counted = ask(ours, deals=deals, leads=rows_of(olist, "leads")[0])
    assert counted == ask(directly)
    assert counted[0][0] == 842
    assert round(counted[0][-1] / 842, 2) == 48.44  # the published mean of the sales cycle; one of them is negative
    assert tally.bad_rows == []


def test_olist_orders_are_the_items_of_won_sellers(olist: Settings, shared_dir: Path) -> None:
    orders, tally = rows_of(olist, "orders")
    assert orders.num_rows == 5044
    assert pc.sum(orders["amount"]).as_py() == Decimal("676851.48")
    assert pc.count_distinct(orders["customer_id"]).as_py() == 380
    assert pc.count_distinct(orders["order_id"]).as_py() == 5044
    items = shared_dir / "data/olist_ecommerce/olist_order_items.parquet"
    sellers = shared_dir / "data/olist_funnel/olist_closed_deals_dataset.csv"
    ours = """select date_trunc('month', ordered_at at time zone 'UTC') as month, sum(amount::decimal(18, 2)), count(*)
        from orders group by all order by all"""
    directly = f"""select date_trunc('month', shipping_limit_date at time zone 'UTC') as month,
        sum(price::decimal(18, 2)), count(*)
        from '{items}' where seller_id in (select seller_id from '{sellers}') group by all order by all"""
    assert ask(ours, orders=orders) == ask(directly)
    assert tally.notes == ["olist: 107606 rows are not ours: their customer_id is not in deals"]


# ---- Online Retail: two exports that overlap, with other column names and equal rows that are legitimate


def test_overlapping_exports_of_order_lines(shared_dir: Path) -> None:
    folder = data_folder(shared_dir, "online_retail")
    lines = {
        "name": "retail",
        "stream": "ad_cost",
        "constants": {"currency_code": "GBP"},
    }  # a stream without an id
    first = {
        **lines,
        "path": "online_retail_II_2009_2010.parquet",
        "replace_by": "Invoice",
        "columns": {
            "date": "InvoiceDate",
            "campaign_id": "Invoice",
            "ad_id": "StockCode",
            "source": "Customer ID",
            "clicks": "Quantity",
            "cost": "Price",
        },
    }
    second = {
        **lines,
        "path": "online_retail_2010_2011.parquet",
        "replace_by": "InvoiceNo",
        "columns": {
            "date": "InvoiceDate",
            "campaign_id": "InvoiceNo",
            "ad_id": "StockCode",
            "source": "CustomerID",
            "clicks": "Quantity",
            "cost": "UnitPrice",
        },
    }
    table, tally = swept(folder, first, second)
    assert table.num_rows == 1_044_847
    assert tally.notes == ["22523 rows were replaced by later rows of the same key"]
    assert tally.bad_rows == []
    later = table.filter(pc.equal(table["_file"], "online_retail_2010_2011.parquet"))
    assert later.num_rows == 541_909
    sums = "select sum(clicks * cost::decimal(18, 3)), count(distinct campaign_id), count(distinct source) from later"
    assert ask(sums, later=later) == [(Decimal("9747747.934"), 25_900, 4_372)]
    assert later["source"][0].as_py() == "17850"  # stored as the float 17850.0
    assert later["date"][0].as_py() == date(2010, 12, 1)


# ---- Google Analytics 360: unsigned 64-bit visitor ids, epochs


def test_visitor_ids_of_64_bits_stay_whole(shared_dir: Path) -> None:
    folder = data_folder(shared_dir, "ga360_bigquery_sample")
    mapping = {
        "name": "ga360",
        "stream": "sessions",
        "path": "ga360_sessions_flat.csv",
        "columns": {
            "session_id": ["fullVisitorId", "visitId"],
            "started_at": "visitStartTime",
            "client_id": "fullVisitorId",
            "source": "source",
            "medium": "medium",
            "page_views": "pageviews",
            "is_new_visitor": "newVisits",
        },
    }
    sessions, tally = swept(folder, mapping)
    file = folder / "ga360_sessions_flat.csv"
    assert tally.bad_rows == []
    ours = ask("select client_id, started_at, coalesce(page_views, 0) from sessions order by all", sessions=sessions)
    theirs = ask(
        "select fullVisitorId, to_timestamp(visitStartTime::bigint), coalesce(pageviews::double::bigint, 0) "
        f"from read_csv('{file}', all_varchar = true) order by all"
    )
    assert len(ours) == 1830
    assert ours == theirs
    assert max(int(row[0]) for row in ours) > 2**63
    nested = {
        **mapping,
        "path": "ga360_sessions_sample.jsonl.gz",
        "columns": {
            "session_id": ["fullVisitorId", "visitId"],
            "started_at": "visitStartTime",
            "client_id": "fullVisitorId",
            "source": "trafficSource.source",
            "page_views": "totals.pageviews",
        },
    }
    from_json, _ = swept(folder, nested)
    assert sorted(from_json["client_id"].to_pylist()) == sorted(sessions["client_id"].to_pylist())
    assert pc.sum(from_json["page_views"]).as_py() == pc.sum(sessions["page_views"]).as_py()
    assert pc.min(from_json["started_at"]).as_py() > datetime(2016, 8, 1, tzinfo=UTC)
