"""The report: its numbers are those of the KPI tables, in a real browser, in three languages; names are only ever text."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pytest

from dagster_project.kpi_names import kpi_ids
from dagster_project.kpis import contract
from dagster_project.publish import DATABASE, REPORT, Published
from dagster_project.reading.report import write_report
from dagster_project.reading.report.content import CUTS, LONGEST_TEXT, content_of
from dagster_project.reading.report.page import page_of, words
from tests.support.browser import dom_of
from tests.support.published import DAYS_OF_NOTHING

TODAY = date(2026, 10, 4)
HOSTILE = (
    '<img src=x onerror="document.title=1">=1+1\'); drop table x;--\u202ecba</script><script>document.title=1</script>'
)
KPIS = {  # id: unit, direction, additivity, headline, cuts, cuts by model
    "leads": ("count", "higher", "additive", 1, "total, channel", None),
    "revenue": ("money", "higher", "additive", 2, "total, channel", "channel"),
    "win_rate": ("rate", "higher", "ratio", 3, "total", None),
    "cpl": ("money", "lower", "ratio", 4, "total, channel", None),
    "marketing_spend": ("money", "context", "additive", None, "total, channel, campaign", None),
}
# kpi, month, cut, member, model, value, numerator, denominator, reason, before, change
ROWS = [
    ("leads", "2026-09-01", "total", "all", "none", 149, 149, None, None, 79, 149 / 79 - 1),
    ("leads", "2026-08-01", "total", "all", "none", 79, 79, None, None, None, None),
    ("leads", "2026-10-01", "total", "all", "none", 3, 3, None, None, None, None),
    ("leads", "2026-09-01", "channel", "Email", "none", 100, 100, None, None, None, None),
    ("leads", "2026-09-01", "channel", HOSTILE, "none", 49, 49, None, None, None, None),
    ("leads", "2026-08-01", "channel", "Email", "none", 79, 79, None, None, None, None),
    ("revenue", "2026-09-01", "total", "all", "none", 1234567.89, 1234567.89, None, None, 62514.25, None),
    ("revenue", "2026-09-01", "channel", "Email", "linear", 700.5, 700.5, None, None, None, None),
    ("revenue", "2026-09-01", "channel", "Email", "last_touch", 900.25, 900.25, None, None, None, None),
    ("win_rate", "2026-09-01", "total", "all", "none", 0.485, 16, 33, None, 0.741, -0.256),
    ("cpl", "2026-09-01", "total", "all", "none", None, 0, 149, "no_spend", None, None),
    ("marketing_spend", "2026-09-01", "campaign", "x" * 100_000, "none", 12.5, 12.5, None, None, None, None),
]  # fmt: skip


@pytest.fixture(scope="module")
def publish(tmp_path_factory: pytest.TempPathFactory) -> Published:
    folder = tmp_path_factory.mktemp("publish")
    with duckdb.connect(str(folder / DATABASE)) as connection:
        connection.execute("create schema kpi; create schema marts; create schema staging")
        for table in contract.TABLES:
            contract.create(connection, table)
        for kpi, (unit, direction, additivity, headline, cuts, by_model) in KPIS.items():
            connection.execute(
                "insert into kpi.dim_kpi by name select ? as kpi_id, ? as name, ? as unit, ? as direction, ? as additivity,"
                " ? as headline_position, ? as dimensions, ? as model_dimensions, 'EUR' as currency_code,"
                " if(model_dimensions is null, null, 'last_touch') as default_model, 'core' as tier, 'sales' as owner",
                [kpi, kpi.title(), unit, direction, additivity, headline, cuts, by_model],
            )
        for kpi, month, cut, member, model, value, numerator, denominator, reason, before, change in ROWS:
            connection.execute(
                "insert into kpi.fct_kpi_monthly by name select ? as kpi_id, ?::date as period_start,"
                " last_day(period_start) as period_end, ? as dimension, ? as member, ? as attribution_model, ? as value,"
                " ? as numerator, ? as denominator, ? as reason, ? as previous_value, ? as previous_change,"
                " true as is_final, true as is_complete, true as is_mature, false as low_n, 'ok' as quality,"
                " '2026-10-04 03:00:00+00'::timestamptz as computed_at",
                [kpi, month, cut, member, model, value, numerator, denominator, reason, before, change],
            )
        connection.execute(
            "create table staging.stg_meta__days as select 'hubspot' as source, 'deals' as stream, 'crm' as domain,"
            " 'record' as kind, null::varchar as period, date '2026-10-03' as date_day, 10 as rows,"
            " timestamptz '2026-10-04 02:00:00+00' as extracted_at, null::integer as restate_days"
        )
    return Published(folder, {"kpi.dim_kpi": len(KPIS)}, frozenset({"kpi.dim_kpi"}), 1)


@pytest.fixture(scope="module")
def page(publish: Published) -> Path:
    return write_report(publish, TODAY)


def test_the_browser_shows_the_numbers_of_the_tables(page: Path, tmp_path: Path) -> None:
    dom = dom_of(page, tmp_path)
    # the latest month that is over; no value stays without one, with its reason
    assert [dom.value(kpi) for kpi in ("leads", "revenue", "win_rate", "cpl")] == ["149", "1234567.89", "0.485", ""]
    for text in ("149", "1,234,568\xa0EUR", "48.5%", "no spend", "−25.6\xa0pp (74.1%)", "+89% (79)"):
        assert text in dom.texts, text
    assert dom.value("revenue", "Email") == "900.25"  # by the model that people are shown
    assert (dom.html["lang"], dom.html["dir"]) == ("en", "ltr")


def test_the_address_chooses_period_model_and_language(page: Path, tmp_path: Path) -> None:
    linear = dom_of(page, tmp_path, "model=linear&lang=ru")
    assert linear.value("revenue", "Email") == "700.5"
    assert "Выручка" in linear.texts
    august = dom_of(page, tmp_path, "period=2026-08-01&lang=fa")
    assert august.value("leads") == "79"
    assert (august.html["lang"], august.html["dir"]) == ("fa", "rtl")
    assert "سرنخ‌ها" in august.texts
    assert "۷۹" in august.texts


def test_names_are_text_whatever_they_hold(page: Path, tmp_path: Path) -> None:
    dom = dom_of(page, tmp_path)
    assert HOSTILE in dom.texts
    assert "img" not in dom.tags
    assert "x" * LONGEST_TEXT + "…" in dom.texts
    assert dom.texts[0].startswith(words()["en"]["title"])  # the title is still the report's own


def test_the_page_asks_nothing_from_outside(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    assert text.count("<script") == text.count("</script>")
    head = text[: text.index("<main>")]
    assert "http:" not in head
    assert "https:" not in head


def test_a_publish_that_says_the_same_keeps_its_report(publish: Published, page: Path) -> None:
    same = replace(publish, changed=frozenset())
    before = os.stat(page).st_ino
    assert write_report(same, TODAY) == page
    assert os.stat(page).st_ino == before
    write_report(same, date(2026, 10, 5))  # another day, other running periods
    assert os.stat(page).st_ino != before


def test_a_home_without_rows_says_so(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / DATABASE)) as connection:
        connection.execute("create schema kpi")
        for table in contract.TABLES:
            contract.create(connection, table)
        connection.execute(DAYS_OF_NOTHING)
    empty = write_report(Published(tmp_path, {}, frozenset({"kpi.dim_kpi"}), 1), TODAY)
    assert empty == tmp_path / REPORT
    assert words()["en"]["nothing"] in dom_of(empty, tmp_path).texts


def test_three_years_of_sixty_kpis_stay_under_three_megabytes(publish: Published, tmp_path: Path) -> None:
    big = tmp_path / DATABASE
    with duckdb.connect(str(big)) as connection:
        connection.execute(f"attach '{publish.folder / DATABASE}' as small (read_only)")
        connection.execute("create schema kpi; create schema staging")
        connection.execute("create table staging.stg_meta__days as from small.staging.stg_meta__days")
        for table in contract.TABLES:
            contract.create(connection, table)
        known = "', '".join(sorted(kpi_ids()))
        connection.execute(
            f"""
            insert into kpi.dim_kpi by name
            select unnest(['{known}'] || [format('kpi_{{}}', n) for n in range({60 - len(kpi_ids())})]) as kpi_id, 'a name' as name,
                'money' as unit, 'total, channel, campaign' as dimensions, 'channel' as model_dimensions,
                'last_touch' as default_model, 'a formula of some words' as formula
            """
        )
        for grain, step, periods in (
            ("weekly", "week", 156),
            ("monthly", "month", 36),
            ("quarterly", "quarter", 12),
            ("yearly", "year", 3),
        ):
            connection.execute(
                f"""
                insert into kpi.fct_kpi_{grain} by name
                with cuts as (
                    select 'total' as dimension, 'all' as member, 'none' as attribution_model
                    union all select 'channel', format('channel {{}}', c), format('model {{}}', m) from range(15) as c(c), range(12) as m(m)
                    union all select 'channel', format('channel {{}}', c), 'none' from range(15) as c(c)
                    union all select 'campaign', format('campaign {{}} with a long name', c), 'last_touch' from range(100) as c(c)
                )
                select kpi_id, (date '2026-09-01' - to_{step}s(p::integer))::date as period_start, period_start + 6 as period_end,
                    dimension, member, attribution_model, hash(kpi_id, p, member, attribution_model) % 1000000 / 7 as value,
                    value as numerator, value / 3 as denominator, value / 2 as previous_value, 0.5 as previous_change,
                    true as is_final, true as is_complete, true as is_mature, false as low_n, 'ok' as quality
                from kpi.dim_kpi, range({periods}) as p(p), cuts
                where dimension = 'total' or (list_contains($shown, kpi_id) and '{grain}' <> 'weekly')  -- others are not read
                """,
                {"shown": sorted({kpi for kpis in CUTS.values() for kpi in kpis})},
            )
    size = len(page_of(content_of(big, TODAY)).encode())
    print(f"\n60 KPIs, 3 years: {size:,} bytes")
    assert size < 3_000_000


def test_every_word_is_there_in_every_language() -> None:
    found = words()
    of_page = set(found["en"])
    for lang in ("ru", "fa"):
        assert set(found[lang]) - {"kpis"} == of_page, lang
        assert set(found[lang]["kpis"]) == kpi_ids(), lang
        for group in ("marks", "reasons", "stages"):
            assert set(found[lang][group]) == set(found["en"][group]), (lang, group)
