"""`show` and `explain`: rows of one KPI, and how one number came about. Expected values by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest

from dagster_project import kpis
from tests.support.kpi_warehouse import Warehouse

Build = Callable[..., dict[str, int]]


@pytest.fixture(scope="module")
def warehouse(build: Build) -> Warehouse:
    """Two channels in August and September; today is 1 October."""
    warehouse = Warehouse(date(2026, 10, 1), date(2026, 8, 1))
    for month in (8, 9):
        for channel, count, spend in (("Email", month, 10), ("Paid Search", 2 * month, 90)):
            warehouse.add("marts.fct_leads", count, lead_id="x", lead_date=date(2026, month, 4), channel=channel)
            warehouse.add(
                "marts.fct_costs",
                date_day=date(2026, month, 4),
                channel=channel,
                amount=spend,
                acquisition_amount=spend,
            )
            warehouse.add(
                "marts.fct_attribution",
                conversion_date=date(2026, month, 5),
                channel=channel,
                revenue=spend * 2,
                gross_margin=spend,
            )
    for stream, domain, kind, day, hour in (
        ("google_ads/campaign_performance", "ads", "report", date(2026, 9, 29), 3),
        ("google_ads/campaign_performance", "ads", "report", date(2026, 9, 30), 4),
        ("google_ads/campaign_performance", "ads", "report", date(2026, 8, 1), 1),
        ("hubspot/contacts", "crm", "record", date(2026, 6, 1), 2),
        ("ga4/traffic", "web", "report", date(2026, 9, 30), 5),
        ("config/ledger", "config", "report", date(1970, 1, 1), 3),  # of no day, so filed under the first there is
    ):
        source, name = stream.split("/")
        extracted_at = datetime(2026, 10, 1, hour, tzinfo=UTC)
        warehouse.add(
            "staging.stg_meta__days",
            source=source,
            stream=name,
            domain=domain,
            kind=kind,
            period="day",
            date_day=day,
            rows=7,
            extracted_at=extracted_at,
        )
    warehouse.feed("config/ledger", "media")
    build(warehouse)
    return warehouse


def test_show_gives_the_newest_period_first_and_the_largest_member_first(warehouse: Warehouse) -> None:
    rows = kpis.show(warehouse.connection, "cpl", by="channel", grain="month", periods=2)
    assert [(row["period_start"].month, row["member"], row["value"]) for row in rows] == [
        (9, "Paid Search", 5), (9, "Email", pytest.approx(10 / 9)), (8, "Paid Search", 5.625), (8, "Email", 1.25),
    ]  # fmt: skip
    assert [row["value"] for row in kpis.show(warehouse.connection, "leads", grain="month")] == [0, 27, 24]


def test_show_uses_the_grain_and_the_model_that_the_kpi_is_read_with(warehouse: Warehouse) -> None:
    rows = kpis.show(warehouse.connection, "roas", periods=1)
    assert [(row["attribution_model"], row["period_end"] - row["period_start"]) for row in rows] == [
        ("last", date(2026, 1, 7) - date(2026, 1, 1))
    ]


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({"kpi_id": "leds"}, "There is no KPI 'leds'. Nearest: 'leads'. KPIs: aov, "),
        (
            {"kpi_id": "cpl", "by": "device"},
            "cpl is not cut by 'device'. Its cuts: total, channel, source, medium, campaign",
        ),
        ({"kpi_id": "cpl", "grain": "hour"}, "There is no grain 'hour'. Grains: day, week, month, quarter, year"),
        ({"kpi_id": "roas", "model": "markov"}, "roas by week has no attribution model 'markov'. Models: last"),
    ],
)
def test_a_wrong_question_is_told_what_there_is(warehouse: Warehouse, question: dict[str, str], message: str) -> None:
    with pytest.raises(kpis.QuestionError) as raised:
        kpis.show(warehouse.connection, **question)
    assert str(raised.value).startswith(message)


def test_explain_gives_formula_parts_and_source_days(warehouse: Warehouse) -> None:
    told = kpis.explain(warehouse.connection, "cpl", "2026-09", by="channel")
    assert told.kpi["formula"] == "media cost / leads"
    assert (told.row["numerator"], told.row["denominator"], told.row["value"]) == (100, 27, pytest.approx(100 / 27))
    assert [(part["member"], part["numerator"], part["denominator"]) for part in told.parts] == [
        ("Paid Search", 90, 18),
        ("Email", 10, 9),
    ]
    days = {row["stream"]: row for row in told.source_days}
    assert set(days) == {"campaign_performance", "contacts", "ledger"}  # cpl does not rest on the web
    ledger = days["ledger"]  # media cost lines of funnelhouse.yml are in the number, too
    assert (ledger["days"], ledger["days_missing"], ledger["rows"]) == (None, None, 7)
    ads = days["campaign_performance"]
    assert (ads["days"], ads["days_missing"], ads["rows"]) == (2, 28, 14)
    assert ads["first_extracted_at"] == datetime(2026, 10, 1, 3, tzinfo=UTC)
    assert ads["last_extracted_at"] == datetime(2026, 10, 1, 4, tzinfo=UTC)
    assert days["contacts"]["days_missing"] is None  # records are filed under the day they changed


@pytest.mark.parametrize(
    ("period", "start"), [("2026-09-04", date(2026, 9, 4)), ("2026-W36", date(2026, 8, 31)), ("2026-09", date(2026, 9, 1)), ("2026-Q3", date(2026, 7, 1)), ("2026", date(2026, 1, 1))]
)  # fmt: skip
def test_explain_understands_periods(warehouse: Warehouse, period: str, start: date) -> None:
    assert kpis.explain(warehouse.connection, "leads", period).row["period_start"] == start


@pytest.mark.parametrize(
    ("period", "start"),
    [
        ("FY2026", date(2025, 4, 1)), ("2026", date(2025, 4, 1)), ("FY2027", date(2026, 4, 1)),
        ("FY2026-Q4", date(2026, 1, 1)), ("FY2027-Q1", date(2026, 4, 1)), ("2026-Q3", date(2026, 7, 1)),
    ],
)  # fmt: skip
def test_explain_understands_fiscal_years(fiscal: Warehouse, period: str, start: date) -> None:
    """They begin in April, and are named after the calendar year that they end in."""
    assert kpis.explain(fiscal.connection, "leads", period).row["period_start"] == start


@pytest.fixture(scope="module")
def fiscal(build: Build) -> Warehouse:
    fiscal = Warehouse(date(2026, 8, 1), date(2025, 4, 1), reporting_fiscal_year_start_month=4)
    build(fiscal, grains=["quarter", "year"])
    return fiscal


@pytest.mark.parametrize(
    ("kpi_id", "period", "message"),
    [
        ("leads", "September", "'September' is no period; allowed are 2026-09-14"),
        ("leads", "2026-13", "'2026-13' is no period: month must be in 1..12"),
        (
            "leads",
            "2025-01",
            "leads has no rows for 2025-01: its rows begin with the first extracted day and end today",
        ),
        (
            "stage_conversion_rate",
            "2026-09",
            "stage_conversion_rate has no rows for 2026-09: it has no total; ask by one of stage",
        ),
    ],
)
def test_explain_says_why_there_is_nothing_to_explain(
    warehouse: Warehouse, kpi_id: str, period: str, message: str
) -> None:
    with pytest.raises(kpis.QuestionError) as raised:
        kpis.explain(warehouse.connection, kpi_id, period)
    assert str(raised.value).startswith(message)


def test_without_kpi_tables_the_answer_is_to_build_them() -> None:
    with pytest.raises(kpis.QuestionError, match="`funnelhouse refresh` builds them"):
        kpis.show(Warehouse(date(2026, 10, 1), date(2026, 9, 1)).connection, "leads")


def test_explain_on_the_published_copy_reads_the_source_days_of_the_raw_zone(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    days_file = tmp_path / "days.parquet"
    warehouse.connection.execute(
        f"copy (select * rename (date_day as day) from staging.stg_meta__days) to '{days_file}'"
    )
    expected = kpis.explain(warehouse.connection, "cpl", "2026-09").source_days
    copy = duckdb.connect()
    copy.execute("create schema kpi")
    for table in ("dim_kpi", "fct_kpi_monthly"):
        rows = warehouse.connection.execute(f"from kpi.{table}").to_arrow_table()
        copy.register("rows", rows)
        copy.execute(f"create table kpi.{table} as from rows")
    assert kpis.explain(copy, "cpl", "2026-09").source_days == []
    assert kpis.explain(copy, "cpl", "2026-09", days_file=days_file).source_days == expected != []
