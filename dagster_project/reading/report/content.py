"""What the report shows, as plain columns, read from one published copy. How it looks is the page's business.

KPI values are those of the KPI tables, never computed anew: what the page shows can be looked up there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.kpis.catalogue import NO_MODEL, TOTAL
from dagster_project.kpis.contract import table_name

Content = dict[str, Any]

LONGEST_TEXT = 160  # of a name; the tables have the whole
# how many periods the page has, newest first: of totals, of members. Three years of 60 KPIs stay under 3 MB
PERIODS = {"week": (54, 0), "month": (37, 25), "quarter": (13, 9), "year": (5, 3)}
MOST_MEMBERS = 40  # of a cut that may have thousands, by spend, then by what else it brings
MOST_ROWS = 25
CUTS = {
    "channel": (
        "sessions", "leads", "mqls", "sqls", "marketing_spend", "cpl", "new_customers", "cac_media", "revenue", "roas", "romi",
    ),
    "campaign": ("sessions", "leads", "sqls", "marketing_spend", "cpl", "new_customers", "cac_media", "revenue", "romi"),
    "platform": ("marketing_spend", "impressions", "clicks", "ctr", "cpc", "platform_cpa", "platform_roas"),
    "sales_rep": ("leads", "opportunities", "win_rate", "revenue", "aov", "sales_cycle_days"),
    "stage": ("stage_conversion_rate",),
}  # fmt: skip
# bits of `marks`; the page reads them by these names
MARKS = {"is_final": 1, "is_complete": 2, "is_mature": 4, "low_n": 8}
_FACTS = (
    "value", "numerator", "denominator", "reason", "ci_low", "ci_high", "quality", "previous_value", "previous_change",
    "year_ago_value", "year_ago_change", "target_value", "target_to_date", "target_status",
)  # fmt: skip


def content_of(database: Path, today: date) -> Content:
    """Everything on the page: `about`, `kpis`, `grains` (periods and fact columns), `tags`, `searches`, `sources`.

    Raises duckdb.Error where `database` is no publish.
    """
    with duckdb.connect(str(database), read_only=True) as connection:
        kpis = _rows(connection, "select * from kpi.dim_kpi order by headline_position nulls last, tier, owner, name")
        place = {kpi["kpi_id"]: number for number, kpi in enumerate(kpis)}
        return {
            "about": {"today": today, "made_at": _made_at(connection), "marks": MARKS},
            "kpis": [_kpi(kpi) for kpi in kpis],
            "grains": {grain: _facts(connection, grain, place) for grain in PERIODS},
            "tags": _tags(connection),
            "searches": _searches(connection),
            "sources": _sources(connection),
        }


def _made_at(connection: duckdb.DuckDBPyConnection) -> datetime | None:
    found = connection.execute(f"select max(computed_at) from kpi.{table_name('month')}").fetchone()
    return found[0] if found else None


def _kpi(row: Mapping[str, Any]) -> Content:
    return {
        "id": row["kpi_id"],
        "name": row["name"],
        "says": row["description"],
        "formula": row["formula"],
        "unit": row["unit"],
        "currency": row["currency_code"],
        "direction": row["direction"],
        "owner": row["owner"],
        "timing": row["leading_lagging"],
        "tier": row["tier"],
        "headline": row["headline_position"],
        "adds_up": row["additivity"] == "additive",
        "model": row["default_model"] or NO_MODEL,
        "cuts": row["dimensions"].split(", "),
        "model_cuts": (row["model_dimensions"] or "").split(", "),
    }


def _facts(connection: duckdb.DuckDBPyConnection, grain: str, place: Mapping[str, int]) -> Content:
    """`periods`: [first day, last day], newest first. `columns`: one list a column, one entry a fact; `kpi`, `period`, `cut`,
    `member` and `model` are places in `kpis`, `periods`, `cuts`, `members` and `models`."""
    of_totals, of_members = PERIODS[grain]
    facts = f"kpi.{table_name(grain)}"
    found = _rows(
        connection,
        f"""
        with periods as (
            select period_start, row_number() over (order by period_start desc) as place from (
                select distinct period_start from {facts}
            )
        ),

        wanted as (
            select unnest($cuts) as dimension, unnest($kpis) as kpi_id
        ),

        -- a cut may have thousands of members: those with the largest spend, then with the most of anything else
        members as (
            select dimension, member, row_number() over (
                partition by dimension order by max(abs(value)) filter (kpi_id = 'marketing_spend') desc nulls last,
                    sum(abs(numerator)) desc nulls last, member
            ) as size
            from {facts} join wanted using (dimension, kpi_id) join periods using (period_start)
            where periods.place <= $of_members and attribution_model in ($no_model, $shown_model)
            group by dimension, member
        )

        select f.kpi_id, f.period_start, f.period_end, f.dimension, f.member, f.attribution_model,
            {", ".join(f"f.{name}" for name in _FACTS)},
            {" + ".join(f"if(f.{name}, {bit}, 0)" for name, bit in MARKS.items())} as marks
        from {facts} as f
        join periods using (period_start)
        left join wanted using (dimension, kpi_id)
        left join members using (dimension, member)
        where (f.dimension = $total and periods.place <= $of_totals)
            or (wanted.kpi_id is not null and periods.place <= $of_members and members.size <= $most)
                -- every model by channel, elsewhere the one that people are shown
                and (f.dimension = 'channel' or f.attribution_model in ($no_model, $shown_model))
        order by f.period_start desc, f.dimension, f.kpi_id, f.attribution_model, f.member
        """,
        {
            "cuts": [cut for cut, kpis in CUTS.items() for _ in kpis],
            "kpis": [kpi for kpis in CUTS.values() for kpi in kpis],
            "of_totals": of_totals,
            "of_members": of_members,
            "total": TOTAL,
            "no_model": NO_MODEL,
            "shown_model": _shown_model(connection),
            "most": MOST_MEMBERS,
        },
    )
    periods = list(dict.fromkeys((row["period_start"], row["period_end"]) for row in found))
    columns: Content = {name: [_plain(row[name]) for row in found] for name in (*_FACTS, "marks")}
    columns["kpi"] = [place[row["kpi_id"]] for row in found]
    numbers = {start: number for number, (start, _) in enumerate(periods)}
    columns["period"] = [numbers[row["period_start"]] for row in found]
    lists = {}
    for name, column in (("cuts", "dimension"), ("members", "member"), ("models", "attribution_model")):
        values = list(dict.fromkeys(row[column] for row in found))
        numbered = {value: number for number, value in enumerate(values)}
        columns[name[:-1]] = [numbered[row[column]] for row in found]
        lists[name] = [_plain(value) for value in values]
    return {"periods": periods, **lists, "columns": columns}


def _shown_model(connection: duckdb.DuckDBPyConnection) -> str:
    found = connection.execute("select max(default_model) from kpi.dim_kpi").fetchone()
    return (found[0] if found else None) or NO_MODEL


def _tags(connection: duckdb.DuckDBPyConnection) -> list[Content]:
    """Findings in tags of the latest whole three months, the most expensive first, with the tag that is worst."""
    return _listed(
        connection,
        "audit_utm",
        """
        select finding, max(meaning) as meaning, max(fix) as fix, sum(spend_at_risk) as spend_at_risk,
            max(sessions) as sessions, count(*) as tags, arg_max(tag_value, coalesce(spend_at_risk, 0)) as tag,
            arg_max(better_value, coalesce(spend_at_risk, 0)) as better, min(month_start) as since
        from marts.audit_utm
        where month_start >= (select max(month_start) - interval 2 month from marts.audit_utm)
        group by finding order by spend_at_risk desc nulls last, tags desc, finding
        """,
    )


def _searches(connection: duckdb.DuckDBPyConnection) -> list[Content]:
    """The queries with most clicks of the latest 28 days that engines gave."""
    return _listed(
        connection,
        "fct_search_queries",
        f"""
        select query, is_brand, sum(clicks) as clicks, sum(impressions) as impressions,
            sum(position_sum) / nullif(sum(impressions) filter (position_sum is not null), 0) as position
        from marts.fct_search_queries
        where date_day > (select max(date_day) - 28 from marts.fct_search_queries)
        group by query, is_brand order by clicks desc nulls last, impressions desc, query limit {MOST_ROWS}
        """,
    )


def _sources(connection: duckdb.DuckDBPyConnection) -> list[Content]:
    """Each stream that is stored: how far it reaches, when it was last read, which days are missing in between."""
    return [
        {name: _plain(value) for name, value in row.items()}
        for row in _rows(
            connection,
            """
            select source, stream, kind, min(date_day) as first_day, max(date_day) as last_day, sum(rows) as rows,
                max(extracted_at) as extracted_at, max(restate_days) as restate_days,
                if(kind = 'report', max(date_day) - min(date_day) + 1 - count(*), null) as days_missing
            from staging.stg_meta__days
            where coalesce(period, 'day') = 'day' and domain <> 'config'
            group by source, stream, kind order by source, stream
            """,
        )
    ]


def _listed(connection: duckdb.DuckDBPyConnection, mart: str, sql: str) -> list[Content]:
    """The rows of `sql`; none where a home was built without the mart."""
    there = connection.execute(
        "select count(*) from duckdb_tables() where schema_name = 'marts' and table_name = ?", [mart]
    ).fetchone()
    if not there or not there[0]:
        return []
    return [{name: _plain(value) for name, value in row.items()} for row in _rows(connection, sql)]


def _rows(
    connection: duckdb.DuckDBPyConnection, sql: str, values: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    cursor = connection.execute(sql, values or {})
    names: Iterable[str] = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _plain(value: Any) -> Any:
    """Short enough for a page: ten digits of a number, the first letters of a name."""
    if isinstance(value, str):
        return value if len(value) <= LONGEST_TEXT else value[:LONGEST_TEXT] + "…"
    if isinstance(value, bool | int) or value is None or isinstance(value, date):
        return value
    return float(f"{float(value):.10g}")
