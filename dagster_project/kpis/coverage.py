"""What the sources cover of each KPI's periods: has it data, is it complete, is it final, what is wrong with it.

Measures rest on subjects (web, leads, media ...), subjects are fed by parts of streams. A day of a KPI is whole when
every part that feeds its subjects has it. Where only some have it, the period shows what is there and is not complete;
where none has, there is no data. Reads `intermediate.int_source_subjects` and `int_source_days` and the state of the
streams; makes the temporary table `kpi_coverage`, one row per KPI and period, from the first day of any source that the
KPI rests on.
"""

from __future__ import annotations

from datetime import date

import duckdb

from dagster_project.kpis.catalogue import Catalogue
from dagster_project.kpis.inputs import SOURCE_SUBJECTS, fill
from dagster_project.kpis.periods import GRAINS

SOURCE_DAYS = "intermediate.int_source_days"
RECORD_FLAGS = "intermediate.int_record_flags"
RULES, TARGETS = "rules", "targets"  # every figure rests on the rules, one with a target on the targets, too


def create_coverage_days(connection: duckdb.DuckDBPyConnection, catalogue: Catalogue, today: date) -> None:
    """Make `kpi_rests_on`, `kpi_needs` (kpi_id, part, subject), `kpi_of_grain` (kpi_id, grain: it has rows of it), `kpi_begins` (kpi_id, first_day: rows begin with its
    period) and `kpi_subject_days` (subject, date_day, is_whole, is_final), one row for each day that any part has.

    A column of a subject (`web.device`) is whole where every part of the subject has the day and fills the column.
    """
    columns = {"kpi_id": "varchar", "part": "varchar", "subject": "varchar"}
    sides = [(kpi.id, name, part) for kpi in catalogue.kpis.values() for name, part in kpi.parts]
    rests_on = [(kpi_id, name, subject) for kpi_id, name, part in sides for subject in catalogue.rests_on(part)]
    needs = [(kpi_id, name, subject) for kpi_id, name, part in sides for subject in catalogue.needs(part)]
    fill(connection, "kpi_rests_on", columns, rests_on)
    fill(connection, "kpi_needs", columns, needs)
    of_grain = [(kpi.id, grain) for kpi in catalogue.kpis.values() for grain in kpi.grains or GRAINS]
    fill(connection, "kpi_of_grain", {"kpi_id": "varchar", "grain": "varchar"}, of_grain)
    connection.execute(
        f"""
        create or replace temp table kpi_subject_days as
        with wanted as (
            select s.subject, count(distinct (fed.source, fed.stream, fed.part)) as parts
            from (select distinct subject from kpi_rests_on) as s
            join {SOURCE_SUBJECTS} as fed on fed.subject = split_part(s.subject, '.', 1)
            group by s.subject
        )
        select
            subject,
            d.date_day,
            count(*) = any_value(wanted.parts) as is_whole,
            count(*) filter (d.is_final) = any_value(wanted.parts) as is_final
        from {SOURCE_DAYS} as d join wanted using (subject)
        where d.is_extracted and d.date_day <= $today
        group by subject, d.date_day
        """,
        {"today": today},
    )
    connection.execute(
        f"""
        create or replace temp table kpi_begins as
        with begins as (
            select subject, min(date_day) as first_day
            from {SOURCE_DAYS} where has_begun and is_extracted and date_day <= $today group by subject
        )
        select kpi_id, coalesce(min(first_day), (select min(first_day) from begins)) as first_day
        from kpi_rests_on left join begins using (subject)
        group by kpi_id
        """,
        {"today": today},
    )


def first_day(connection: duckdb.DuckDBPyConnection) -> date | None:
    """The first day of anything that a KPI rests on; None when nothing was extracted yet."""
    return connection.execute("select min(first_day) from kpi_begins").fetchall()[0][0]


def create_reach(connection: duckdb.DuckDBPyConnection, today: date) -> list[date]:
    """Make `kpi_reach` (kpi_id, grain, through) and return all its days: the running period covers the days up to
    `through`, the last day that all sources of the KPI have.

    A part that ended before the period began does not hold it up: the others are shown, as incomplete. Today, where
    nothing was extracted.
    """
    connection.execute(
        """
        create or replace temp table kpi_reach as
        with reached as (
            select subject, max(date_day) as last_day, max(date_day) filter (is_whole) as last_whole_day
            from kpi_subject_days group by subject
        )
        select
            n.kpi_id,
            p.grain,
            coalesce(
                min(case when r.last_whole_day >= p.period_start then r.last_whole_day else r.last_day end), $today::date
            ) as through
        from kpi_rests_on as n
        cross join (select grain, period_start from kpi_periods where is_running) as p
        left join reached as r using (subject)
        group by n.kpi_id, p.grain
        """,
        {"today": today},
    )
    return [day for (day,) in connection.execute("select distinct through from kpi_reach order by 1").fetchall()]


def create_coverage(connection: duckdb.DuckDBPyConnection, catalogue: Catalogue) -> None:
    """Make `kpi_coverage`: grain, kpi_id, period_start, through | period_end, is_running, <window>_has_<part>,
    is_complete, is_final, quality."""
    connection.execute(
        f"""
        create or replace temp table kpi_sides as
        with sides as (
            select w.*, w.to_day - w.from_day + 1 as days, b.kpi_id, p.period_end
            from kpi_windows as w
            join kpi_periods as p using (grain, period_start)
            join kpi_begins as b on p.period_end >= b.first_day
            semi join kpi_of_grain as o on o.kpi_id = b.kpi_id and o.grain = w.grain
            left join kpi_reach as r on r.kpi_id = b.kpi_id and r.grain = w.grain
            where not w.is_running or w.through = r.through
        ),
        subject_windows as (
            select d.grain, d.period_start, d.through, d.which, s.subject,
                count(*) as days, count(*) filter (s.is_whole) as whole_days, count(*) filter (s.is_final) as final_days
            from kpi_window_days as d join kpi_subject_days as s using (date_day)
            group by all
        ),
        unfed as (
            select distinct kpi_id, part from kpi_needs anti join {SOURCE_SUBJECTS} using (subject)
        )
        select s.grain, s.kpi_id, s.period_start, s.through, s.period_end, s.is_running, s.which,
            bool_and(coalesce(w.days, 0) > 0 and u.kpi_id is null) filter (n.part = 'numerator') as has_numerator,
            coalesce(bool_and(coalesce(w.days, 0) > 0 and u.kpi_id is null) filter (n.part = 'denominator'), true)
                as has_denominator,
            bool_or(w.days > 0) as has_anything,
            bool_and(coalesce(w.whole_days, 0) = s.days) as is_whole,
            bool_and(coalesce(w.final_days, 0) = s.days) as is_final
        from sides as s
        join kpi_rests_on as n using (kpi_id)
        left join unfed as u on u.kpi_id = n.kpi_id and u.part = n.part
        left join subject_windows as w
            on w.grain = s.grain and w.period_start = s.period_start and w.which = s.which
            and w.through = s.through and w.subject = n.subject
        group by all
        """
    )
    _create_flags(connection, catalogue)
    connection.execute(
        """
        create or replace temp table kpi_coverage as
        select grain, kpi_id, period_start, through, period_end, is_running,
            bool_or(has_numerator) filter (which = 'now') as now_has_numerator,
            bool_or(has_denominator) filter (which = 'now') as now_has_denominator,
            bool_or(has_numerator) filter (which = 'previous') as previous_has_numerator,
            bool_or(has_denominator) filter (which = 'previous') as previous_has_denominator,
            bool_or(has_numerator) filter (which = 'year_ago') as year_ago_has_numerator,
            bool_or(has_denominator) filter (which = 'year_ago') as year_ago_has_denominator,
            bool_or(is_whole and not is_running) filter (which = 'now') as is_complete,
            bool_or(is_final and not is_running) filter (which = 'now') as is_final,
            coalesce(any_value(kpi_flags.quality), 'ok') as quality
        from kpi_sides left join kpi_flags using (grain, kpi_id, period_start)
        group by all
        """
    )


def _create_flags(connection: duckdb.DuckDBPyConnection, catalogue: Catalogue) -> None:
    """`kpi_flags`: holes in a period, what the vendors said about its days, sources whose last read failed, rows that
    were refused (`refused:files/orders:15`), and records that nobody dated or whose buyer nobody knows (with their share:
    `unidentified:12%`)."""
    pairs = {(kpi.id, subject) for kpi in catalogue.kpis.values() for subject in [*catalogue.quality_of(kpi), RULES]}
    pairs |= {(kpi_id, subject.split(".")[0]) for kpi_id, subject in pairs}
    fill(connection, "kpi_subjects", {"kpi_id": "varchar", "subject": "varchar"}, sorted(pairs))
    connection.execute(
        f"insert into kpi_subjects select distinct kpi_id, '{TARGETS}' from kpi_targets semi join kpi_begins using (kpi_id)"
    )
    connection.execute(
        f"""
        create or replace temp table kpi_flags as
        with said as (
            select subject, date_day, unnest(string_split(quality, ';')) as flag
            from {SOURCE_DAYS} where quality is not null and quality <> 'ok'
        ),
        by_subject as (
            select d.grain, d.period_start, said.subject, trim(said.flag) as flag
            from kpi_window_days as d join said using (date_day)
            where d.which = 'now'
            union
            -- what a failed read left out: periods that reach beyond the last day of the stale stream
            select p.grain, p.period_start, s.subject, 'stale:' || s.source as flag
            from kpi_periods as p join kpi_stale as s on p.period_end > coalesce(s.last_day, '-infinity'::date)
            union
            select d.grain, d.period_start, f.subject,
                f.flag || case when sum(f.total) > 0
                    then ':' || greatest(1, round(100 * sum(f.flagged) / sum(f.total)))::int || '%' else '' end as flag
            from (select distinct grain, period_start, date_day from kpi_window_days where which = 'now') as d
            join {RECORD_FLAGS} as f using (date_day)
            group by d.grain, d.period_start, f.subject, f.flag
            having sum(f.total) is null or sum(f.flagged) > 0
        ),
        refused as (  -- a row that does not say its day may be of any
            select p.grain, p.period_start, r.subject, 'refused:' || r.stream || ':' || sum(r.rows)::bigint as flag
            from kpi_periods as p
            join kpi_refused as r on r.date_day is null or r.date_day between p.period_start and p.period_end
            group by p.grain, p.period_start, r.subject, r.stream
        ),
        by_kpi as (
            select grain, kpi_id, period_start, flag
            from refused join kpi_subjects using (subject)
            union
            select grain, kpi_id, period_start, flag
            from by_subject join kpi_subjects using (subject)
            where flag not in ('', 'ok')
            union
            select grain, kpi_id, period_start, 'incomplete' as flag
            from kpi_sides where which = 'now' and has_anything and not is_whole
        )
        select grain, kpi_id, period_start, string_agg(distinct flag, ';' order by flag) as quality
        from by_kpi
        group by all
        """
    )
