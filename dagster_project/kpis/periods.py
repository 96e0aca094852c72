"""The calendar of KPI rows: periods of every grain, and the windows of days that each is compared over.

Everything that KPI rows know about time is in the temporary tables made here.

* `kpi_periods` (grain, period_start, period_end, is_running): from the first extracted day to today.
* `kpi_windows` (grain, period_start, is_running, through, which, from_day, to_day): the days that make a period
  (`now`), the period before (`previous`) and the same period a year earlier (`year_ago`). A finished period has one
  set, and goes `through` to its end. The running period has one set for each day up to which the sources of some KPI
  were extracted, and its comparisons end after the same number of days.
* `kpi_window_days`: the same windows, one row per day.
* `kpi_asked_windows`, `kpi_asked_days`: those of them that measures are asked for. What a finished period is compared
  with is a finished period itself, which is asked for anyway.

Quarters and years are those of the fiscal year. A year earlier is the same date, month, quarter or year; 29 February is compared with 28 February; a week is
compared with the week 52 weeks back, which has the same weekdays.
"""

from __future__ import annotations

from datetime import date

import duckdb

GRAINS = {"day": "daily", "week": "weekly", "month": "monthly", "quarter": "quarterly", "year": "yearly"}
WHICH = ("now", "previous", "year_ago")

# cut as if the fiscal year began in January; by first days of months, since 31 May less a month is 30 April
_FISCAL = (
    "cast(date_trunc('{period}', date_trunc('month', date_day) - to_months({{year_start}} - 1)) "
    "+ to_months({{year_start}} - 1) as date)"
)
_START = {
    "day": "date_day",
    "week": "date_day - cast((isodow(date_day) - 1 - {week_start} + 7) % 7 as integer)",
    "month": "cast(date_trunc('month', date_day) as date)",
    "quarter": _FISCAL.format(period="quarter"),
    "year": _FISCAL.format(period="year"),
}
_LENGTH = {"day": "1 day", "week": "7 days", "month": "1 month", "quarter": "3 months", "year": "1 year"}
_YEAR_BACK = {"week": "364 days"}


def create_periods(
    connection: duckdb.DuckDBPyConnection,
    first_day: date,
    today: date,
    grains: list[str],
    *,
    week_start: int,
    year_start: int,
) -> None:
    """Make `kpi_periods` for the days from `first_day` to `today`; `week_start` counts from Monday = 0, `year_start` (the
    month that fiscal years begin with, and with them their quarters) from January = 1."""
    starts = "\nunion all\n".join(
        f"select distinct '{grain}' as grain, {_START[grain].format(week_start=week_start, year_start=year_start)} as period_start, "
        f"interval '{_LENGTH[grain]}' as length, interval '{_YEAR_BACK.get(grain, '1 year')}' as year_back from days"
        for grain in grains
    )
    connection.execute(
        f"""
        create or replace temp table kpi_periods as
        with days as (
            select cast(unnest(generate_series($first_day::date, $today::date, interval 1 day)) as date) as date_day
        ),
        starts as ({starts})
        select
            grain,
            period_start,
            cast(period_start + length as date) - 1 as period_end,
            cast(period_start + length as date) > $today::date as is_running,
            cast(period_start - length as date) as previous_start,
            period_start - 1 as previous_end,
            cast(period_start - year_back as date) as year_ago_start,
            cast(cast(period_start - year_back as date) + length as date) - 1 as year_ago_end
        from starts
        order by all
        """,
        {"first_day": first_day, "today": today},
    )


def create_windows(connection: duckdb.DuckDBPyConnection, throughs: list[date]) -> None:
    """Make `kpi_windows` and `kpi_window_days`; `throughs` are the last extracted days of the sources of KPIs."""
    connection.execute(
        """
        create or replace temp table kpi_windows as
        with sides as (
            select grain, period_start, period_end, is_running, which,
                case which when 'now' then period_start when 'previous' then previous_start else year_ago_start end
                    as from_day,
                case which when 'now' then period_end when 'previous' then previous_end else year_ago_end end as to_day
            from kpi_periods cross join (select unnest(['now', 'previous', 'year_ago']) as which)
        )
        select grain, period_start, is_running, period_end as through, which, from_day, to_day
        from sides where not is_running
        union all
        -- a source that stopped before the period began gives an empty window, to_day before from_day
        select grain, period_start, is_running, through, which, from_day,
            least(to_day, from_day + cast(through - period_start as integer))
        from sides cross join (select unnest($throughs::date[]) as through) where is_running
        """,
        {"throughs": throughs},
    )
    connection.execute(
        """
        create or replace temp table kpi_window_days as
        select grain, period_start, is_running, through, which,
            cast(unnest(generate_series(from_day, to_day, interval 1 day)) as date) as date_day
        from kpi_windows where to_day >= from_day
        """
    )
    for asked, whole in (("kpi_asked_windows", "kpi_windows"), ("kpi_asked_days", "kpi_window_days")):
        connection.execute(f"create or replace temp table {asked} as from {whole} where which = 'now' or is_running")
