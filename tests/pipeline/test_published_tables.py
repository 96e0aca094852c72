"""What is published explains itself: every table and column carries its description, and `show`, `explain` and the report
say what the tables say."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from mcp import Client, StdioServerParameters

from dagster_project.publish import REPORT
from dagster_project.warehouse.project import PROJECT_FOLDER
from tests.support.browser import dom_of
from tests.support.installation import Installation
from tests.support.published import query, tables
from tests.support.questions import check, questions


def test_every_table_and_column_is_described(night: Installation) -> None:
    published = night.published("night")
    without = query(
        published,
        "select schema_name || '.' || table_name || '.' || column_name from duckdb_columns() "
        "where not internal and schema_name in ('marts', 'kpi') and coalesce(trim(comment), '') = '' "
        "union all select schema_name || '.' || table_name from duckdb_tables() "
        "where not internal and schema_name in ('marts', 'kpi') and coalesce(trim(comment), '') = ''",
    )
    assert without == []
    assert len(tables(published)) >= 20


def test_show_and_explain_say_what_the_tables_say(night: Installation) -> None:
    night.go_back("night")
    [(leads,)] = query(
        night.published(),
        "select value from kpi.fct_kpi_monthly where kpi_id = 'leads' and dimension = 'total' "
        "and period_start = date '2026-09-01'",
    )
    assert leads > 10
    shown = night.run("show", "leads", "--grain", "month", "--periods", "2")
    [september] = [line for line in shown.splitlines() if "2026-09" in line]
    assert [cell.strip() for cell in september.split("│")][2] == f"{leads:.0f}"  # a count has no parts to show
    explained = night.run("explain", "leads", "--period", "2026-09", "--by", "channel")
    assert f"2026-09-01 … 2026-09-30: {leads:.0f}\n" in explained
    parts = [line.split("│")[2:4] for line in explained.splitlines() if line.count("│") == 6 and "hubspot" not in line]
    assert sum(int(value) for value, _ in parts) == leads
    assert "│hubspot │contacts " in explained  # the source days it rests on


def test_the_report_shows_the_values_of_the_tables(night: Installation, tmp_path: Path) -> None:
    published = night.published("night")
    dom = dom_of(published / REPORT, tmp_path, "grain=month&period=2026-09-01")
    shown = {
        (v["data-kpi"], v.get("data-cut", "total"), v.get("data-member", "all")): v["data-value"]
        for v in dom.values
        if "data-start" not in v
    }
    stored = query(
        published,
        "select kpi_id, dimension, member, value from kpi.fct_kpi_monthly join kpi.dim_kpi using (kpi_id) "
        "where period_start = date '2026-09-01' and dimension in ('total', 'channel', 'stage') "
        "and attribution_model in ('none', default_model)",
    )
    kept = {tuple(key): value for *key, value in stored if tuple(key) in shown}
    assert len(kept) > 100
    for key, value in kept.items():
        # ten digits of it; the page has null, the tables have the reason
        assert (float(shown[key]) if shown[key] else None) == (None if value is None else float(f"{value:.10g}")), key


def test_fifty_questions_of_an_assistant_are_answered_as_the_tables_say(night: Installation) -> None:
    night.go_back("night")
    published = night.published()
    people = query(published, "select sales_rep_name from marts.dim_sales_rep where sales_rep_name not like '(%'")
    assert people

    async def ask() -> None:
        command = ["-m", "dagster_project.cli", "mcp"]
        server = StdioServerParameters(command=sys.executable, args=command, env=night.variables, cwd=PROJECT_FOLDER)
        async with Client(server, read_timeout_seconds=120) as client:
            asked = questions(published, 50)
            assert len(asked) == 50
            assert len({each.grain for each in asked}) == 5
            assert len({each.tool for each in asked}) == 3
            for question in asked:
                said = await check(client, published, question)
                assert "@" not in said
                assert not [name for (name,) in people if name in said]

    asyncio.run(ask())
