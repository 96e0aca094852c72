"""What moved a KPI: its change against the period before, split over the members of a cut so that the parts add up to it.

Amounts and counts change by `volume`: each member's own change. A ratio R = N / D of members with weights w = D_i / D and
rates r = N_i / D_i changes by `rate`, (r1 - r0) x mean weight, and by `mix`, (w1 - w0) x (mean rate - mean R), which is
what is left of n1 - n0 (n = N_i / D) without the rate's part and the weights' common level; weights' changes add up to 0,
so that all parts add up to R1 - R0 exactly (midpoint form of Marshall and Edgeworth, symmetric in time). A member without
a denominator in one of the periods keeps its other rate; one without any (spend of a channel that brings no lead) moves the
ratio by its numerator `alone`. What no member has (a person counted in two channels, rows without the cut) is `elsewhere`.

Only whole, mature periods are compared, both with a value. Distinct counts and medians are no sums: they have no drivers.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import duckdb

from dagster_project.kpis import contract
from dagster_project.kpis.catalogue import NO_MODEL, TOTAL
from dagster_project.kpis.contract import table_name
from dagster_project.kpis.inputs import exists

TABLE = "fct_kpi_drivers"
STORED = (
    "month",
    "quarter",
    "year",
)  # of days and weeks, three quarters of all rows, they are worked out when asked for
OF_SUMS = ("additive", "ratio", "cohort")
ALL_OTHERS = "(elsewhere)"
EXACT = "decimal(38, 12)"  # sums of doubles depend on the order of rows, which no two builds share
TOLERANCE = 1e-9  # of the larger of both values: below it a part is what is left of doubles


def create_drivers(connection: duckdb.DuckDBPyConnection, grains: list[str]) -> bool:
    """Make kpi.fct_kpi_drivers of the facts and the catalogue that stand in schema kpi, by the model that people are shown; rows
    of grains that are not among `grains` stay. Whether there was anything to make."""
    asked = [grain for grain in STORED if grain in grains]
    if asked == list(STORED) or (asked and not exists(connection, f"kpi.{TABLE}")):
        contract.create(connection, TABLE)
    for grain in asked:
        connection.execute(f"delete from kpi.{TABLE} where grain = '{grain}'")
        connection.execute(
            f"""
            insert into kpi.{TABLE} by name select * from ({drivers_sql(grain)})
            order by dimension, kpi_id, member, effect, attribution_model, period_start
            """
        )
    return bool(asked)


def drivers_of(
    connection: duckdb.DuckDBPyConnection, kpi_id: str, grain: str, period_start: date, by: str, model: str
) -> list[dict[str, Any]]:
    """Rows as of kpi.fct_kpi_drivers for one KPI, period, cut and model, of any grain, the largest first; none where the
    period or the one before is not whole, or where the KPI has no drivers."""
    chosen = f"facts.kpi_id = $kpi_id and facts.dimension in ('{TOTAL}', $by)"
    found = connection.execute(
        f"""
        select * from ({drivers_sql(grain, chosen, "$model")})
        where period_start = $period_start order by round(abs(contribution), 9) desc, member, effect
        """,
        {"kpi_id": kpi_id, "by": by, "model": model, "period_start": period_start},
    )
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def drivers_sql(grain: str, chosen: str = "true", model: str = "dim_kpi.default_model") -> str:
    """Rows of kpi.fct_kpi_drivers for one grain: `chosen` is a condition on `facts` (a row of kpi.fct_kpi_<grain>), `model`
    the attribution model of cuts that have one, as an expression."""
    return f"""
        with asked as (
            select
                facts.*, dim_kpi.additivity,
                -- of a return the row of a member that nothing was spent on shows its revenue, which the total leaves out
                cast(case when facts.reason = 'no_spend' and dim_kpi.unit <> 'money' then 0 else coalesce(facts.numerator, 0) end
                    as {EXACT}) as n,
                cast(case when dim_kpi.additivity = 'additive' then 1 else coalesce(facts.denominator, 0) end as {EXACT}) as d
            from kpi.{table_name(grain)} as facts
            inner join kpi.dim_kpi on facts.kpi_id = dim_kpi.kpi_id
            where dim_kpi.additivity in {OF_SUMS} and ({chosen})
                and facts.attribution_model in ('{NO_MODEL}', {model})
        ),
        totals as (
            select * exclude (total_rank) from (
                select *, row_number() over (
                    partition by kpi_id, period_start order by attribution_model = '{NO_MODEL}') as total_rank
                from asked where dimension = '{TOTAL}' and is_complete and is_mature and value is not null
            ) where total_rank = 1
        ),
        pairs as (
            select
                after.kpi_id, after.additivity, after.period_start, before.period_start as compared_with,
                before.value as total_before, after.value as total_after,
                before.is_final and after.is_final as is_final,
                coalesce(nullif(array_to_string(list_sort(list_distinct(list_filter(
                    string_split(before.quality || ';' || after.quality, ';'), lambda flag: flag <> 'ok'))), ';'), ''), 'ok') as quality
            from totals as after
            inner join totals as before on after.kpi_id = before.kpi_id and before.period_end + 1 = after.period_start
        ),
        sides as (
            select pairs.kpi_id, pairs.period_start, dimension, member, attribution_model, false as is_after, n, d, value
            from pairs
            inner join asked on pairs.kpi_id = asked.kpi_id and asked.period_start = pairs.compared_with
            where dimension <> '{TOTAL}'
            union all
            select pairs.kpi_id, pairs.period_start, dimension, member, attribution_model, true, n, d, value
            from pairs
            inner join asked on pairs.kpi_id = asked.kpi_id and asked.period_start = pairs.period_start
            where dimension <> '{TOTAL}'
        ),
        members as (
            select
                kpi_id, period_start, dimension, member, attribution_model,
                coalesce(sum(n) filter (not is_after), 0) as n0, coalesce(sum(n) filter (is_after), 0) as n1,
                coalesce(sum(d) filter (not is_after), 0) as d0, coalesce(sum(d) filter (is_after), 0) as d1,
                max(value) filter (not is_after) as value_before, max(value) filter (is_after) as value_after
            from sides group by all
        ),
        sums as (
            select * replace (n0::double as n0, n1::double as n1, d0::double as d0, d1::double as d1),
                cast(sum(n0) over whole as double) as all_n0, cast(sum(n1) over whole as double) as all_n1,
                cast(sum(d0) over whole as double) as all_d0, cast(sum(d1) over whole as double) as all_d1
            from members
            window whole as (partition by kpi_id, period_start, dimension, attribution_model)
        ),
        rates as (
            select
                sums.*, pairs.* exclude (kpi_id, period_start),
                n0 / nullif(all_d0, 0) as share_n0, n1 / nullif(all_d1, 0) as share_n1,
                d0 / nullif(all_d0, 0) as w0, d1 / nullif(all_d1, 0) as w1,
                coalesce(n0 / nullif(d0, 0), n1 / nullif(d1, 0)) as r0, coalesce(n1 / nullif(d1, 0), n0 / nullif(d0, 0)) as r1,
                (all_n0 / nullif(all_d0, 0) + all_n1 / nullif(all_d1, 0)) / 2 as mean_ratio
            from sums inner join pairs using (kpi_id, period_start)
        ),
        parts as (
            select *, case when r0 is null then 0 else (r1 - r0) * (w0 + w1) / 2 end as rate_part from rates
        ),
        effects as (
            select *, unnest(case
                when additivity = 'additive' then [{{'effect': 'volume', 'contribution': n1 - n0}}]
                when share_n0 is null or share_n1 is null then []
                when r0 is null then [{{'effect': 'alone', 'contribution': share_n1 - share_n0}}]
                else [
                    {{'effect': 'rate', 'contribution': rate_part}},
                    {{'effect': 'mix', 'contribution': share_n1 - share_n0 - rate_part - (w1 - w0) * mean_ratio}}
                ] end, recursive := true)
            from parts
        ),
        said as (
            select kpi_id, period_start, dimension, attribution_model, member, effect, contribution, value_before, value_after
            from effects
        ),
        elsewhere as (
            select
                cuts.kpi_id, cuts.period_start, cuts.dimension, cuts.attribution_model, '{ALL_OTHERS}' as member,
                'elsewhere' as effect, total_after - total_before - coalesce(known, 0) as contribution,
                null::double as value_before, null::double as value_after
            from (select distinct kpi_id, period_start, dimension, attribution_model from members) as cuts
            inner join pairs using (kpi_id, period_start)
            left join (
                select kpi_id, period_start, dimension, attribution_model, cast(sum(contribution::{EXACT}) as double) as known from said group by all
            ) as known using (kpi_id, period_start, dimension, attribution_model)
        )
        select
            '{grain}' as grain, pairs.compared_with, pairs.total_before, pairs.total_after, pairs.is_final, pairs.quality,
            found.*
        from (from said union all by name from elsewhere) as found
        inner join pairs using (kpi_id, period_start)
        where abs(contribution) > {TOLERANCE} * greatest(abs(total_before), abs(total_after))
    """
