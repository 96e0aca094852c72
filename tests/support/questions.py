"""Questions to a published copy by a client of the protocol's official package, and what plain SQL says instead."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
from mcp import Client

from dagster_project.kpis import contract
from dagster_project.publish import DATABASE
from tests.support.published import query

MONTHS = ("2026-07-01", "2026-08-01", "2026-09-01", "2026-10-01")
TABLES = {"day": "daily", "week": "weekly", "month": "monthly", "quarter": "quarterly", "year": "yearly"}
PERIOD = {  # as a person writes it, in DuckDB's words; fiscal years begin in January here
    "day": "period_start::varchar",
    "week": "strftime(period_start, '%G-W%V')",
    "month": "strftime(period_start, '%Y-%m')",
    "quarter": "year(period_start) || '-Q' || quarter(period_start)",
    "year": "year(period_start)::varchar",
}
_KPIS = """
    ('leads', 'count', 'additive', 'relative', 'total, channel, campaign', null),
    ('revenue', 'money', 'additive', 'relative', 'total, channel', 'channel'),
    ('win_rate', 'rate', 'ratio', 'difference', 'total, channel', null),
    ('stage_conversion_rate', 'rate', 'cohort', 'difference', 'stage', null)
"""


def publish_by_hand(home: Path, members: list[str], *, factor: float = 1.0) -> Path:
    """A publish of four months, four KPIs and these members; `<home>/published` points at it. Every value is
    `factor` times a number of its own; July is incomplete, September not final, October runs, shares of August are null."""
    store = home / ".publishes"
    store.mkdir(parents=True, exist_ok=True)
    folder = store / f"{len(list(store.iterdir())) + 1:06d}-byhand"
    folder.mkdir()
    with duckdb.connect(str(folder / DATABASE)) as connection:
        connection.execute("create schema kpi; create schema staging")
        for table in contract.TABLES:
            contract.create(connection, table)
        connection.execute(
            "insert into kpi.dim_kpi by name select kpi_id, kpi_id as name, unit, additivity, change, dimensions, model_dimensions, "
            "'the formula of ' || kpi_id as formula, 'higher' as direction, 'core' as tier, 'sales' as owner, 'month' as default_grain, "
            "if(unit = 'money', 'EUR', null) as currency_code, if(model_dimensions is null, null, 'linear') as default_model, "
            f"'crm/deals' as streams, '1' as definition_version from (values {_KPIS}) "
            "as v(kpi_id, unit, additivity, change, dimensions, model_dimensions)"
        )
        connection.execute(
            """
            insert into kpi.fct_kpi_monthly by name
            with cuts as (
                select 'total' as dimension, 'all' as member
                union all select unnest(['channel', 'campaign']) as dimension, m from unnest($members::varchar[]) as m(m)
                union all select 'stage', 'lead>mql'
            ),

            models as (select unnest(['none', 'linear', 'first']) as attribution_model)

            select k.kpi_id, month::date as period_start, last_day(period_start) as period_end, dimension, member, attribution_model,
                if(k.unit = 'rate' and period_start = '2026-08-01', null,
                    $factor * (hash(k.kpi_id, month, dimension, member, attribution_model) % 100000) / 8) as value,
                if(value is null, 'zero_denominator', null) as reason, value * 3 as numerator,
                if(k.unit = 'rate', 3, null) as denominator, 40 as sample_size, period_start = '2026-07-01' as low_n,
                period_start < '2026-09-01' as is_final, period_start in ('2026-08-01', '2026-09-01') as is_complete,
                k.kpi_id <> 'stage_conversion_rate' as is_mature,
                if(period_start = '2026-07-01', 'incomplete;sampled', 'ok') as quality, '1' as definition_version
            from kpi.dim_kpi as k, unnest($months::varchar[]) as t(month), cuts, models
            where list_contains(string_split(k.dimensions, ', '), dimension)
                and (attribution_model = 'none') <> (coalesce(k.model_dimensions, '') = dimension)
            """,
            {"members": members, "months": list(MONTHS), "factor": factor},
        )
        connection.execute(
            "insert into kpi.kpi_scoreboard by name select 1 as position, 'latest' as month, kpi_id, 'count' as unit, * exclude (kpi_id) "
            "from (select kpi_id, period_start, period_end, value, is_final, quality from kpi.fct_kpi_monthly "
            "where kpi_id = 'leads' and dimension = 'total' and period_start = '2026-09-01')"
        )
        connection.execute(
            "create table staging.stg_meta__days as select 'crm' as source, 'deals' as stream, 'crm' as domain, 'report' as kind, "
            "'day' as period, (date '2026-07-01' + d::integer)::date as date_day, 10 as rows, date '2026-09-30' as checked_on, "
            "timestamptz '2026-09-30 02:00:00+00' as extracted_at, 3 as restate_days from range(80) as r(d) where d <> 7"
        )
    link = home / "published.new"
    link.symlink_to(folder)
    link.replace(home / "published")
    return home / "published"


@dataclass(frozen=True)
class Question:
    """A question about one period of one KPI, and what it is about, for SQL."""

    tool: str
    arguments: dict[str, Any]
    grain: str
    starts: tuple[date, ...]
    kpi: str
    cut: str
    model: str


def questions(published: Path, count: int) -> list[Question]:
    """`count` different ones over all grains, cuts and models that there are; each second explains or compares."""
    found: list[list[Question]] = [_of_grain(published, grain, count) for grain in TABLES]
    asked = [question for group in zip(*(_endless(each) for each in found if each), strict=False) for question in group]
    different = {str((each.tool, each.arguments)): each for each in asked}
    return list(different.values())[:count]


def _endless(group: list[Question]) -> Iterator[Question]:
    for _ in range(20):
        yield from group


def _of_grain(published: Path, grain: str, count: int) -> list[Question]:
    rows = query(
        published,
        f"select kpi_id, dimension, attribution_model, period_start, {PERIOD[grain]}, lag(period_start) over w, "
        f"lag({PERIOD[grain]}) over w from (select distinct kpi_id, dimension, attribution_model, period_start "
        f"from kpi.fct_kpi_{TABLES[grain]}) window w as (partition by kpi_id, dimension, attribution_model order by period_start) "
        f"order by hash(kpi_id, dimension, attribution_model, period_start, 7), 1, 2, 3, 4 limit {count}",
    )
    made = []
    for number, (kpi, cut, model, start, period, start_before, before) in enumerate(rows):
        given = {"kpi": kpi, "cut": cut} | ({} if model == "none" else {"model": model})
        if number % 4 == 1:
            made.append(Question("explain_value", {**given, "period": period}, grain, (start,), kpi, cut, model))
        elif number % 4 == 3 and before:
            about = {**given, "before": before, "after": period}
            made.append(Question("compare_periods", about, grain, (start_before, start), kpi, cut, model))
        else:
            about = {**given, "first": period, "last": period, "grain": grain, "most_rows": 200}
            made.append(Question("ask_kpi", about, grain, (start,), kpi, cut, model))
    return made


_SEEN = ("value", "numerator", "denominator", "reason", "is_final", "quality")


def by_sql(published: Path, question: Question, start: date, cut: str) -> dict[str, tuple[Any, ...]]:
    """Member -> value, numerator, denominator, reason, is_final, quality of one period."""
    rows = query(
        published,
        f"select member, {', '.join(_SEEN)} from kpi.fct_kpi_{TABLES[question.grain]} where kpi_id = '{question.kpi}' "
        f"and dimension = '{cut}' and attribution_model = '{question.model}' and period_start = date '{start}'",
    )
    return {member: tuple(rest) for member, *rest in rows}


async def check(client: Client, published: Path, question: Question) -> str:
    """Ask, compare with the tables; gives the answer as text."""
    result = await client.call_tool(question.tool, question.arguments)
    assert not result.is_error, (question, result.content)
    found = result.structured_content
    assert found is not None
    [(formula, version)] = query(
        published, f"select formula, definition_version from kpi.dim_kpi where kpi_id = '{question.kpi}'"
    )
    assert (found["kpi"]["formula"], found["kpi"]["definition_version"], found["grain"]) == (
        formula,
        version,
        question.grain,
    )
    assert found["kpi"]["unit"]
    is_modelled = question.model != "none"
    assert found["attribution_model"] == (question.model if is_modelled else None), question
    assert any(question.model in said for said in found["must_say"]) is is_modelled
    if question.tool == "compare_periods":
        _check_change(published, question, found)
    else:
        rows = found["rows"] if question.tool == "ask_kpi" else found["parts"] or [found["row"]]
        expected = by_sql(published, question, question.starts[0], question.cut)
        shown = {row.get("member", "all"): tuple(row.get(name) for name in _SEEN) for row in rows}
        assert shown == {name: expected[name] for name in shown}, question  # hash-made names are short
        assert len(shown) == min(len(expected), 200 if question.tool == "ask_kpi" else 25), question
        if not all(row["is_final"] for row in rows):
            assert any("Not final" in said or "not over" in said for said in found["must_say"]), question
    return result.content[0].text  # type: ignore[union-attr]


def _check_change(published: Path, question: Question, found: dict[str, Any]) -> None:
    before, after = (by_sql(published, question, start, question.cut) for start in question.starts)
    changes = found["members"] or [found["change"]]
    assert len(changes) == min(len(before | after), 25), question
    for change in changes:
        for side, rows in (("before", before), ("after", after)):
            expected = rows.get(change["member"])
            said = change[side] and (change[side]["value"], change[side]["numerator"], change[side]["denominator"])
            assert said == (expected and expected[:3]), question
        if change["before"] and change["after"] and None not in (change["before"]["value"], change["after"]["value"]):
            assert change["difference"] == after[change["member"]][0] - before[change["member"]][0]
