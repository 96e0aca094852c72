"""How a KPI row is worked out, as one SELECT over the temporary tables of a build.

Value and reason are the metric's own expressions. What only a table knows is added here: whether the days were extracted
(then a measure without rows is 0, else the KPI is no_data), and whether a cohort's period is old enough.
`_parts` puts the KPIs of one cut under each other; interval, comparison and target are then worked out once for all of
them, in the same way for the three windows (now, previous, year_ago).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from dagster_project.kpis.catalogue import NO_MODEL, TOTAL, Line, Part
from dagster_project.kpis.periods import WHICH

Z_95 = 1.959963984540054  # two-sided 95 % of the standard normal distribution


def rows_sql(lines: Sequence[Line]) -> str:
    """The rows of all KPIs of one dimension: grain, and the columns of the fact tables in their order.

    Parameters `$today` and `$computed_at`.
    """
    dimension = lines[0].dimension
    return f"""
        with parts as ({" union all ".join(_parts(line) for line in lines)}),
        known as (
            select
                parts.*,
                d.* exclude (kpi_id),
                c.* exclude (grain, kpi_id, period_start, through),
                g.target as target_value,
                coalesce(c.period_end + coalesce(d.mature_after_days, parts.immature_until_days) < $today::date, true)
                    as is_mature,
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
        paced as (select *, target_value * {_ELAPSED} as target_to_date from valued)
        select
            grain,
            kpi_id,
            period_start,
            period_end,
            '{dimension}' as dimension,
            member,
            attribution_model,
            case when kind <> 'median' then now_numerator_shown end as numerator,
            case when kind = 'ratio' then now_denominator_shown end as denominator,
            now_value as value,
            now_reason as reason,
            case when {_HAS_DATA} then cast(round(sample) as bigint) end as sample_size,
            coalesce({_HAS_DATA} and sample < case when unit in ('rate', 'points') then 30 else 10 end, false) as low_n,
            {_interval("-")} as ci_low,
            {_interval("+")} as ci_high,
            is_final,
            is_complete,
            is_mature,
            {_QUALITY} as quality,
            previous_value,
            {_change("previous")} as previous_change,
            year_ago_value,
            {_change("year_ago")} as year_ago_change,
            target_value,
            target_to_date,
            {_TARGET_STATUS} as target_status,
            version as definition_version,
            $computed_at::timestamptz as computed_at
        from paced
    """


def _parts(line: Line) -> str:
    """One KPI in each window: why it has no value (`_why`), its value, and what was divided by what."""
    formula = line.formula
    columns = [f"'{line.kpi.id}' as kpi_id", "grain", "period_start", "through", "member", "attribution_model"]
    for which in WHICH:
        numerator = _sql(formula.numerator, which)
        if line.without_spend:
            numerator = (
                f"case when {which}_why = 'no_spend' then {_sql(line.without_spend, which)} else {numerator} end"
            )
        columns += [
            f"cast({_sql(formula.reason, which)} as varchar) as {which}_why",
            f"cast({_sql(formula.value, which)} as double) as {which}_metric",
            f"cast({numerator if formula.denominator else f'{which}_metric'} as double) as {which}_numerator",
            f"cast({_sql(formula.denominator, which)} as double) as {which}_denominator",
        ]
    columns += [
        f"{_sql(formula.sample, 'now') if formula.sample else 'null::double'} as sample",
        f"{_maturity(line)} as immature_until_days",
        f"cast({_sql(line.squares, 'now')} as double) as squares",
        f"{'now__quality' if line.is_counted_per_period else 'null::varchar'} as row_quality",
    ]
    where = f"attribution_model {'<>' if line.has_model else '='} '{NO_MODEL}'"
    if line.dimension != TOTAL:
        where += f" and ({_has_anything(line)})"
    return f"select {', '.join(columns)} from kpi_cells where {where}"


def _sql(part: Part | None, which: str) -> str:
    def name(found: re.Match[str]) -> str:
        return f"{which}_why" if found[1] == "why" else f"{which}__{found[1]}"

    return re.sub(r"\{(\w+)\}", name, part.expression) if part else "null"


def _maturity(line: Line) -> str:
    if not line.maturity:
        return "null::integer"
    return f"cast(coalesce({', '.join(_sql(line.maturity, which) for which in WHICH)}) as integer)"


def _has_anything(line: Line) -> str:
    """The member has something in the period or in the one before it."""
    return " or ".join(f"{which}__{name} is not null" for name in sorted(line.own) for which in ("now", "previous"))


def _shown(which: str, part: str) -> str:
    return f"""case when c.{which}_has_{part} then {which}_{part} end as {which}_{part}_shown"""


def _reason(which: str) -> str:
    immature = "when not is_mature and immature_until_days is not null then 'immature'" if which == "now" else ""
    return f"""case
        when not {which}_has_numerator or not {which}_has_denominator then 'no_data'
        {immature}
        else {which}_why end as {which}_reason"""


def _value(which: str) -> str:
    compared = "" if which == "now" else "and now_reason is distinct from 'immature'"
    return f"case when {which}_reason is null {compared} then {which}_metric end as {which}_value"


def _change(which: str) -> str:
    return f"""case when unit in ('rate', 'percent', 'points') then now_value - {which}_value
        when {which}_value <> 0 then (now_value - {which}_value) / abs({which}_value) end"""


def _interval(sign: str) -> str:
    """Wilson score interval (Wilson, JASA 22 (1927) 209-212), for k of n; of a mean the normal one, from the spread of the
    answers themselves. Few answers that happen to agree have no spread: below 30 a mean has no interval."""
    k, n, z2 = "now_numerator_shown", "now_denominator_shown", Z_95 * Z_95
    spread = f"{Z_95} * sqrt(greatest({k} * ({n} - {k}) / {n}, 0) + {z2 / 4})"
    end = f"({k} + {z2 / 2} {sign} {spread}) / ({n} + {z2})"
    mean = f"now_value {sign} {Z_95} * sqrt(greatest(squares / {n} - now_value * now_value, 0) / {n})"
    return f"""case
        when now_reason is not null then null
        when is_rate_with_interval then least(greatest({end}, 0), 1)
        when is_mean_with_interval and {n} >= 30 then {mean} end"""


_HAS_DATA = "now_reason is distinct from 'no_data'"
_ELAPSED = """case when adds_up and is_running
    then greatest(through - period_start + 1, 0) / (period_end - period_start + 1) else 1 end"""
_QUALITY = """case
    when row_quality is null or row_quality in ('', 'ok') then quality
    else array_to_string(list_sort(list_distinct(list_filter(
        string_split(quality || ';' || row_quality, ';'), lambda flag: flag <> 'ok'))), ';') end"""
_TARGET_STATUS = """case
    when target_value is null or now_value is null or direction = 'context' then null
    when case direction when 'higher' then now_value >= target_to_date else now_value <= target_to_date end
        then case when is_running then 'on_track' else 'met' end
    else case when is_running then 'behind' else 'missed' end end"""
