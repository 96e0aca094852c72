"""What the sources cover of each KPI's periods: has it data, is it complete, is it final, what is wrong with it.

Reads `intermediate.int_source_days` (one row per domain and day) and the state of the streams; makes the temporary
table `kpi_coverage`, one row per KPI and period, from the first extracted day of any source that the KPI rests on.
"""

from __future__ import annotations

from datetime import date

import duckdb

from dagster_project.kpis.catalogue import Catalogue
from dagster_project.kpis.inputs import fill

SOURCE_DAYS = "intermediate.int_source_days"


def create_coverage_days(connection: duckdb.DuckDBPyConnection, catalogue: Catalogue, today: date) -> None:
    """Make `kpi_group_days` (a group is a set of domains of which any one suffices) and `kpi_reach` (per KPI).

    `kpi_reach` (kpi_id, first_day, through): rows begin with the period of `first_day`; the running period covers the
    days up to `through`, the last day that all sources of the KPI have (today, where nothing was extracted).
    """
    needs = [
        (kpi.id, part, "+".join(group), group)
        for kpi in catalogue.kpis.values()
        for part, rests_on in (
            ("numerator", catalogue.domain_groups(kpi.numerator)),
            ("denominator", catalogue.domain_groups(kpi.denominator)),
        )
        for group in rests_on
    ]
    groups = sorted({(group_id, domain) for _, _, group_id, group in needs for domain in group})
    fill(
        connection, "kpi_needs", {"kpi_id": "varchar", "part": "varchar", "group_id": "varchar"}, [n[:3] for n in needs]
    )
    fill(connection, "kpi_groups", {"group_id": "varchar", "domain": "varchar"}, groups)
    connection.execute(
        f"""
        create or replace temp table kpi_group_days as
        with source_days as (
            select domain, date_day, is_extracted, is_final from {SOURCE_DAYS} where date_day <= $today
        ),
        firsts as (select domain, min(date_day) as first_day from source_days where is_extracted group by domain),
        days as (
            select cast(unnest(generate_series(min(first_day), $today::date, interval 1 day)) as date) as date_day
            from firsts
        )
        select
            kpi_groups.group_id,
            days.date_day,
            bool_or(coalesce(source_days.is_extracted, false)) as is_extracted,
            -- a domain that starts later is not missed before it starts
            bool_and(coalesce(source_days.is_extracted, false) or firsts.first_day > days.date_day) as is_whole,
            bool_and(
                coalesce(source_days.is_extracted and source_days.is_final, false) or firsts.first_day > days.date_day
            ) as is_final
        from kpi_groups
        join firsts using (domain)
        cross join days
        left join source_days on source_days.domain = kpi_groups.domain and source_days.date_day = days.date_day
        group by all
        """,
        {"today": today},
    )
    connection.execute(
        """
        create or replace temp table kpi_reach as
        with reached as (
            select group_id, min(date_day) as first_day, max(date_day) filter (is_whole) as last_day
            from kpi_group_days where is_extracted group by group_id
        )
        select
            kpi_id,
            coalesce(min(reached.first_day), (select min(first_day) from reached)) as first_day,
            -- a group that is off has no last day: nothing of the running period is covered, and it says no_data
            coalesce(min(reached.last_day), $today::date) as through
        from kpi_needs left join reached using (group_id)
        group by kpi_id
        """,
        {"today": today},
    )


def first_day(connection: duckdb.DuckDBPyConnection) -> date | None:
    """The first extracted day of anything that a KPI rests on; None when nothing was extracted yet."""
    return connection.execute("select min(first_day) from kpi_reach").fetchall()[0][0]


def throughs(connection: duckdb.DuckDBPyConnection) -> list[date]:
    return [day for (day,) in connection.execute("select distinct through from kpi_reach order by 1").fetchall()]


def create_coverage(connection: duckdb.DuckDBPyConnection, catalogue: Catalogue) -> None:
    """Make `kpi_coverage`: grain, kpi_id, period_start, through | period_end, is_running, <window>_has_<part>,
    is_complete, is_final, quality."""
    _create_flags(connection, catalogue)
    connection.execute(
        """
        create or replace temp table kpi_coverage as
        with sides as (
            select w.*, w.to_day - w.from_day + 1 as days, r.kpi_id, p.period_end
            from kpi_windows as w
            join kpi_periods as p using (grain, period_start)
            join kpi_reach as r on p.period_end >= r.first_day and (not w.is_running or w.through = r.through)
        ),
        group_windows as (
            select d.grain, d.period_start, d.through, d.which, g.group_id,
                count(*) filter (g.is_extracted) as extracted_days,
                count(*) filter (g.is_whole and g.is_extracted) as whole_days,
                count(*) filter (g.is_final and g.is_extracted) as final_days
            from kpi_window_days as d join kpi_group_days as g using (date_day)
            group by all
        ),
        parts as (
            select s.grain, s.kpi_id, s.period_start, s.through, s.period_end, s.is_running, s.which,
                bool_and(coalesce(g.extracted_days, 0) > 0) filter (n.part = 'numerator') as has_numerator,
                coalesce(bool_and(coalesce(g.extracted_days, 0) > 0) filter (n.part = 'denominator'), true)
                    as has_denominator,
                bool_and(coalesce(g.whole_days, 0) = s.days) as is_complete,
                bool_and(coalesce(g.final_days, 0) = s.days) as is_final
            from sides as s
            join kpi_needs as n using (kpi_id)
            left join group_windows as g
                on g.grain = s.grain and g.period_start = s.period_start and g.which = s.which
                and g.through = s.through and g.group_id = n.group_id
            group by all
        )
        select grain, kpi_id, period_start, through, period_end, is_running,
            bool_or(has_numerator) filter (which = 'now') as now_has_numerator,
            bool_or(has_denominator) filter (which = 'now') as now_has_denominator,
            bool_or(has_numerator) filter (which = 'previous') as previous_has_numerator,
            bool_or(has_denominator) filter (which = 'previous') as previous_has_denominator,
            bool_or(has_numerator) filter (which = 'year_ago') as year_ago_has_numerator,
            bool_or(has_denominator) filter (which = 'year_ago') as year_ago_has_denominator,
            bool_or(is_complete and not is_running) filter (which = 'now') as is_complete,
            bool_or(is_final and not is_running) filter (which = 'now') as is_final,
            coalesce(any_value(kpi_flags.quality), 'ok') as quality
        from parts left join kpi_flags using (grain, kpi_id, period_start)
        group by all
        """
    )


def _create_flags(connection: duckdb.DuckDBPyConnection, catalogue: Catalogue) -> None:
    """`kpi_flags`: what the vendors said about the days of a period, and sources whose last read failed."""
    pairs = [(kpi.id, domain) for kpi in catalogue.kpis.values() for domain in catalogue.quality_domains(kpi)]
    fill(connection, "kpi_domains", {"kpi_id": "varchar", "domain": "varchar"}, pairs)
    connection.execute(
        f"""
        create or replace temp table kpi_flags as
        with said as (
            select domain, date_day, unnest(string_split(quality, ';')) as flag
            from {SOURCE_DAYS} where quality is not null and quality <> 'ok'
        ),
        by_period as (
            select d.grain, d.period_start, said.domain, trim(said.flag) as flag
            from kpi_window_days as d join said using (date_day)
            where d.which = 'now'
            union
            -- what a failed read left out: periods that reach beyond the last day of the stale stream
            select p.grain, p.period_start, s.domain, 'stale:' || s.source as flag
            from kpi_periods as p join kpi_stale as s on p.period_end > coalesce(s.last_day, '-infinity'::date)
        )
        select grain, kpi_id, period_start, string_agg(distinct flag, ';' order by flag) as quality
        from by_period join kpi_domains using (domain)
        where flag not in ('', 'ok')
        group by all
        """
    )
