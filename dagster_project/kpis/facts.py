"""The KPI fact tables: one long table per grain, a row per KPI x period x cut, with everything a number needs beside it.

The columns and their meaning are COLUMNS. Rows are made in two steps: `_parts` puts numerators and denominators of
all KPIs of one cut under each other, `_finished` works out value, reason, interval, comparison and target once, for all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime

import duckdb

from dagster_project.kpis.catalogue import NO_MODEL, TOTAL, Catalogue, Line, Part
from dagster_project.kpis.inputs import fill
from dagster_project.kpis.measures import has_anything
from dagster_project.kpis.periods import GRAINS, WHICH

COLUMNS = {
    "kpi_id": ("varchar", "KPI, key of kpi.dim_kpi."),
    "period_start": ("date", "First day of the period."),
    "period_end": ("date", "Last day of the period, inclusive."),
    "dimension": ("varchar", "What the KPI is cut by: total, channel, campaign ... or two of them, `stage | channel`."),
    "member": ("varchar", "Member of the dimension; `all` for the total."),
    "attribution_model": ("varchar", "Model that credited the conversions; `none` where no model is needed."),
    "numerator": ("double", "Numerator; the value itself for counts and amounts, null for medians."),
    "denominator": ("double", "Denominator; null for counts, amounts and medians."),
    "value": ("double", "The KPI; rates are fractions. Null with a reason."),
    "reason": ("varchar", "Why value is null: zero_denominator, no_spend, no_data, immature, missing_rate."),
    "sample_size": ("bigint", "What was counted: denominator of a rate, events, observations; null for plain amounts."),
    "low_n": ("boolean", "Fewer than 30 in the denominator of a rate, fewer than 10 of anything else."),
    "ci_low": ("double", "Lower end of the 95 % Wilson interval of a rate."),
    "ci_high": ("double", "Upper end of the 95 % Wilson interval of a rate."),
    "is_final": ("boolean", "The period is over and no source restates its days any more."),
    "is_complete": ("boolean", "The period is over and all its days were extracted."),
    "is_mature": ("boolean", "A cohort is as old as its definition asks; true for KPIs that are not cohorts."),
    "quality": ("varchar", "`ok`, or what is wrong with the days behind the number, joined by semicolons."),
    "previous_value": ("double", "Value of the period before; for a running period, of as many days of it."),
    "previous_change": ("double", "Against previous_value: difference for rates and percentages, else relative."),
    "year_ago_value": ("double", "Value of the same period a year earlier (weeks: 52 weeks); running: as many days."),
    "year_ago_change": ("double", "Against year_ago_value: difference for rates and percentages, else relative."),
    "target_value": ("double", "Target for the whole period."),
    "target_to_date": ("double", "Target for the days so far: even by days for amounts that add up, else the whole."),
    "target_status": ("varchar", "met or missed; on_track or behind while the period runs."),
    "definition_version": ("varchar", "Version of the formula that made the row."),
    "computed_at": ("timestamptz", "When the row was made."),
}
KEY = ("kpi_id", "period_start", "dimension", "member", "attribution_model")
# planning the statement takes 40 ms: for few rows it is planned once for all grains, many are not copied twice
MANY_CELLS = 50_000
Z_95 = 1.959963984540054  # two-sided 95 % of the standard normal distribution


def table_name(grain: str) -> str:
    return f"fct_kpi_{GRAINS[grain]}"


@dataclass(frozen=True)
class Context:
    """What rows depend on besides the measures; `unmapped`: funnel stages that no CRM value means."""

    today: date
    computed_at: datetime
    unmapped: frozenset[str]


def create_definitions(connection: duckdb.DuckDBPyConnection, catalogue: Catalogue, days_of_setting: dict[str, int]) -> None:
    """Make `kpi_definitions`, what `_finished` must know of each KPI; `days_of_setting` holds maturity in days."""
    columns = dict.fromkeys(("kpi_id", "kind", "unit", "direction", "spend", "reason_if_null", "version"), "varchar")
    columns |= dict.fromkeys(("adds_up", "has_interval", "is_zero_without_numerator"), "boolean")
    columns |= {"mature_after_days": "integer"}
    rows = [
        (
            kpi.id,
            kpi.kind,
            kpi.unit,
            kpi.direction,
            kpi.spend or "",
            # nothing to take a median of; a period count that the mart does not have was never asked
            {"median": "zero_denominator", "distinct": "no_data"}.get(kpi.additivity),
            str(kpi.version),
            kpi.additivity == "additive",
            kpi.interval == "wilson",
            bool(kpi.zero_numerator_is_zero),
            days_of_setting[kpi.mature_after["setting"]] if kpi.mature_after else None,
        )
        for kpi in catalogue.kpis.values()
    ]
    fill(connection, "kpi_definitions", columns, rows)


def create_fact_table(connection: duckdb.DuckDBPyConnection, grain: str) -> None:
    """Make the empty table of one grain, with comments on it and on its columns."""
    table = f"kpi.{table_name(grain)}"
    columns = ", ".join(f"{name} {kind}{' not null' if name in KEY else ''}" for name, (kind, _) in COLUMNS.items())
    connection.execute(f"create or replace table {table} ({columns})")
    connection.execute(f"comment on table {table} is 'Grain: KPI, {grain}, dimension, member, attribution model.'")
    for name, (_, description) in COLUMNS.items():
        connection.execute(f"comment on column {table}.{name} is '{description}'")


def insert_facts(
    connection: duckdb.DuckDBPyConnection, catalogue: Catalogue, dimension: str, grains: list[str], context: Context
) -> None:
    """Rows of every KPI in one dimension, from the temporary tables of the build, ordered by KPI, member, model, period."""
    rows = _rows(catalogue, dimension, context)
    values = {"computed_at": context.computed_at, "today": context.today}
    cells = connection.execute("select count(*) from kpi_cells").fetchall()[0][0]
    if cells > MANY_CELLS:  # in the order of the cells: DuckDB keeps it through unions and joins with small tables
        for grain in grains:
            table = f"kpi.{table_name(grain)}"
            connection.execute(f"insert into {table} select * exclude (grain) from ({rows}) where grain = '{grain}'", values)
        return
    connection.execute(f"create or replace temp table kpi_rows as {rows}", values)
    for grain in grains:
        table = f"kpi.{table_name(grain)}"
        connection.execute(
            f"insert into {table} select * exclude (grain) from kpi_rows where grain = '{grain}' "
            "order by kpi_id, member, attribution_model, period_start"
        )


# ---- the parts of each KPI ---------------------------------------------------------------------------------


def _parts(line: Line, unmapped: frozenset[str]) -> str:
    """One KPI: numerator and denominator in each window, and what makes a sum meaningless (`_broken`, a reason)."""
    relation = "kpi_channels" if line.kpi.channels_with and line.dimension == TOTAL else "kpi_cells"
    columns = [f"'{line.kpi.id}' as kpi_id", "grain", "period_start", "through", "member", "attribution_model"]
    for which in WHICH:
        columns += [
            f"cast({_sql(line.numerator, which)} as double) as {which}_numerator",
            f"cast({_sql(line.denominator, which)} as double) as {which}_denominator",
            f"{_broken(line.unconverted_numerator, line.unknown, which)} as {which}_numerator_broken",
            f"{_broken(line.unconverted_denominator, (), which)} as {which}_denominator_broken",
        ]
    columns += [
        f"{_sample(line)} as sample",
        f"{_maturity(line)} as immature_until_days",
        f"{'now__quality' if line.is_counted_per_period else 'null::varchar'} as row_quality",
        f"{str(line.kpi.needs_stage in unmapped).lower()} as is_unmapped",
    ]
    where = f"attribution_model {'<>' if line.has_model else '='} '{NO_MODEL}'"
    if line.dimension != TOTAL:
        where += f" and ({has_anything(line)})"
    return f"select {', '.join(columns)} from {relation} where {where}"


def _sql(part: Part | None, which: str) -> str:
    return re.sub(r"\{(\w+)\}", rf"{which}__\1", part.expression) if part else "null"


def _broken(unconverted: tuple[str, ...], unknown: tuple[str, ...], which: str) -> str:
    cases = [f"when {which}__{name} > 0 then 'missing_rate'" for name in unconverted]
    cases += [f"when {which}__{name} > 0 then 'no_data'" for name in unknown]
    return f"case {' '.join(cases)} end" if cases else "null::varchar"


def _sample(line: Line) -> str:
    return f"coalesce({_sql(line.sample, 'now')}, 0)" if line.sample else "null::double"


def _maturity(line: Line) -> str:
    if not line.maturity:
        return "null::integer"
    return f"cast(coalesce({', '.join(_sql(line.maturity, which) for which in WHICH)}) as integer)"


# ---- the rest of the row, the same for every KPI -----------------------------------------------------------


def _rows(catalogue: Catalogue, dimension: str, context: Context) -> str:
    parts = "\nunion all\n".join(_parts(line, context.unmapped) for line in catalogue.lines(dimension))
    select = ", ".join(f"{_OUTPUT.get(name, name)} as {name}" for name in COLUMNS).replace("{dimension}", dimension)
    return f"""
        with parts as ({parts}),
        known as (
            select parts.*, d.* exclude (kpi_id), c.* exclude (grain, kpi_id, period_start, through), g.target as target_value,
                coalesce(d.mature_after_days, immature_until_days) is null
                    or c.period_end + coalesce(d.mature_after_days, immature_until_days) < $today::date as is_mature,
                {", ".join(_shown(which, part) for which in WHICH for part in ("numerator", "denominator"))}
            from parts
            join kpi_coverage as c on c.kpi_id = parts.kpi_id and c.grain = parts.grain
                and c.period_start = parts.period_start and c.through = parts.through
            join kpi_definitions as d on d.kpi_id = parts.kpi_id
            left join kpi_targets as g on g.kpi_id = parts.kpi_id and g.grain = parts.grain
                and g.period_start = parts.period_start and g.dimension = '{dimension}' and g.member = parts.member
        ),
        reasoned as (select *, {", ".join(_reason(which) for which in WHICH)} from known),
        valued as (select *, {", ".join(_value(which) for which in WHICH)} from reasoned),
        paced as (
            select *, target_value * case when adds_up and is_running
                then greatest(through - period_start + 1, 0) / (period_end - period_start + 1) else 1 end as target_to_date
            from valued
        )
        select grain, {select} from paced
    """


def _shown(which: str, part: str) -> str:
    """A measure without rows is 0 where its sources were extracted, unknown where they were not."""
    return f"""case when not c.{which}_has_{part} or is_unmapped or {which}_{part}_broken is not null then null
        when d.reason_if_null is null then coalesce({which}_{part}, 0) else {which}_{part} end as {which}_{part}_shown"""


def _reason(which: str) -> str:
    numerator, denominator = f"{which}_numerator_shown", f"{which}_denominator_shown"
    immature = "when not is_mature and immature_until_days is not null then 'immature'" if which == "now" else ""
    return f"""case
        when not {which}_has_numerator or not {which}_has_denominator or is_unmapped then 'no_data'
        when {which}_numerator_broken is not null then {which}_numerator_broken
        when {which}_denominator_broken is not null then {which}_denominator_broken
        {immature}
        when {numerator} is null then reason_if_null
        when spend = 'numerator' and {numerator} = 0 then 'no_spend'
        when kind <> 'ratio' or {denominator} <> 0 then null
        when is_zero_without_numerator and {numerator} = 0 then null
        when spend = 'denominator' then 'no_spend'
        else 'zero_denominator' end as {which}_reason"""


def _value(which: str) -> str:
    numerator, denominator = f"{which}_numerator_shown", f"{which}_denominator_shown"
    compared = "" if which == "now" else "or now_reason = 'immature'"
    return f"""case when {which}_reason is not null {compared} then null
        when kind <> 'ratio' then {numerator} when {numerator} = 0 then 0 else {numerator} / {denominator} end as {which}_value"""


def _change(which: str) -> str:
    return f"""case when unit in ('rate', 'percent') then now_value - {which}_value
        when {which}_value <> 0 then (now_value - {which}_value) / abs({which}_value) end"""


def _wilson(sign: str) -> str:
    """Wilson score interval (METHOD b.0; Wilson, JASA 22 (1927) 209-212), for k of n."""
    k, n, z2 = "now_numerator_shown", "now_denominator_shown", Z_95 * Z_95
    spread = f"{Z_95} * sqrt(greatest({k} * ({n} - {k}) / {n}, 0) + {z2 / 4})"
    end = f"({k} + {z2 / 2} {sign} {spread}) / ({n} + {z2})"
    return f"case when has_interval and now_reason is null then least(greatest({end}, 0), 1) end"


_OUTPUT = {
    "dimension": "'{dimension}'",
    "numerator": "case when kind <> 'median' then now_numerator_shown end",
    "denominator": "case when kind = 'ratio' then now_denominator_shown end",
    "value": "now_value",
    "reason": "now_reason",
    "sample_size": "case when now_reason is distinct from 'no_data' then cast(round(sample) as bigint) end",
    "low_n": "coalesce(now_reason is distinct from 'no_data' and sample < case unit when 'rate' then 30 else 10 end, false)",
    "ci_low": _wilson("-"),
    "ci_high": _wilson("+"),
    "quality": """case when row_quality is null or row_quality in ('', 'ok') then quality else
        array_to_string(list_sort(list_distinct(list_filter(
            list_concat(string_split(quality, ';'), string_split(row_quality, ';')), lambda flag: flag <> 'ok'))), ';') end""",
    "previous_value": "previous_value",
    "previous_change": _change("previous"),
    "year_ago_value": "year_ago_value",
    "year_ago_change": _change("year_ago"),
    "target_status": """case
        when target_value is null or now_value is null or direction = 'context' then null
        when case direction when 'higher' then now_value >= target_to_date else now_value <= target_to_date end
            then case when is_running then 'on_track' else 'met' end
        else case when is_running then 'behind' else 'missed' end end""",
    "definition_version": "version",
    "computed_at": "$computed_at::timestamptz",
}
