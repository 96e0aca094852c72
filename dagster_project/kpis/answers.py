"""Answers to people from the KPI tables: the rows of one KPI, and how one number came about. Reads, never writes.

Both work on the warehouse and on the published copy.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.kpis.catalogue import NO_MODEL, TOTAL
from dagster_project.kpis.contract import table_name
from dagster_project.kpis.drivers import drivers_of
from dagster_project.kpis.inputs import DAYS, exists
from dagster_project.kpis.periods import GRAINS

Row = dict[str, Any]


class QuestionError(Exception):
    """The question names something that is not there; the message says what there is."""


@dataclass(frozen=True)
class Explanation:
    """How one number came about.

    `kpi`: the row of kpi.dim_kpi. `row`: the fact row of the total. `parts`: fact rows of the members, largest first
    (empty without `by`). `source_days`: one row per source and stream that the KPI rests on, with days, days_missing,
    rows, first_extracted_at, last_extracted_at; empty where the raw zone is out of reach. `drivers`: what moved it against the
    period before, by members of the cut (drivers.py).
    """

    kpi: Row
    row: Row
    parts: list[Row] = field(default_factory=list)
    source_days: list[Row] = field(default_factory=list)
    grain: str = ""
    drivers: list[Row] = field(default_factory=list)


def show(
    connection: duckdb.DuckDBPyConnection,
    kpi_id: str,
    *,
    by: str = TOTAL,
    grain: str | None = None,
    model: str | None = None,
    periods: int | None = 12,
    start: date | None = None,
    end: date | None = None,
    member: str | None = None,
    most: int | None = None,
) -> list[Row]:
    """Fact rows of a KPI for the newest `periods` periods (that began by `end` and end from `start` on): newest first, and
    within a period the largest first; no more than `most`.

    `grain` defaults to the KPI's own; `model` to the one people are shown, where the KPI needs one; `member` to all.
    Raises QuestionError for an unknown KPI, cut, grain, model or member.
    """
    kpi = find_kpi(connection, kpi_id)
    grain = _grain(grain or kpi["default_grain"])
    model = _model(connection, kpi, by, grain, model)
    if member is not None:
        _check_member(connection, kpi_id, by, grain, member)
    return _rows(
        connection,
        f"""
        select * from kpi.{table_name(grain)}
        where kpi_id = $kpi_id and dimension = $by and attribution_model = $model and member = coalesce($member, member)
            and period_start in (
                select distinct period_start from kpi.{table_name(grain)}
                where kpi_id = $kpi_id and dimension = $by and period_start <= coalesce($end, period_start)
                    and period_end >= coalesce($start, period_end)
                order by period_start desc limit $periods
            )
        order by period_start desc, coalesce(denominator, numerator, value) desc nulls last, member limit $most
        """,
        {
            "kpi_id": kpi_id, "by": by, "model": model, "periods": periods, "start": start, "end": end, "member": member,
            "most": most,
        },
    )  # fmt: skip


def days_of(connection: duckdb.DuckDBPyConnection, period: str, grain: str) -> tuple[date, date]:
    """First and last day of a period as `explain` takes it, to ask `show` for rows of `grain` in it. Of a period of that
    very grain a day inside, since weeks may begin on any day. Raises QuestionError."""
    year_start = _year_start(connection)
    own_grain, day = _period(period, year_start)
    if own_grain == grain or own_grain == "day":
        return day, day
    if own_grain == "week":
        return day - timedelta(days=3), day + timedelta(days=3)
    months = {"month": 1, "quarter": 3, "year": 12}[own_grain]
    if own_grain == "year" and year_start > 1:
        day = day.replace(year=day.year - 1, month=year_start)
    end = day.month - 1 + months
    return day, date(day.year + end // 12, end % 12 + 1, 1) - timedelta(days=1)


def grain_of(period: str) -> str:
    """The grain of a period as `explain` takes it. Raises QuestionError."""
    return _period(period)[0]


def explain(
    connection: duckdb.DuckDBPyConnection,
    kpi_id: str,
    period: str,
    *,
    by: str = TOTAL,
    model: str | None = None,
    days_file: Path | str | None = None,
) -> Explanation:
    """The number of one period: formula, parts and the source days behind it.

    `period`: 2026-09-14 (day), 2026-W38 (week), 2026-09 (month), 2026-Q3 (quarter; FY2026-Q3 of the fiscal year) or 2026 (the
    fiscal year that ends in it). A KPI without a
    total (stage_conversion_rate) needs `by`, and `row` is then empty. `days_file`: the raw zone's _meta/days.parquet,
    for a connection to the published copy, which knows nothing of source days. Raises QuestionError.
    """
    kpi = find_kpi(connection, kpi_id)
    grain, day = _period(period, _year_start(connection))
    of_total = model if TOTAL in (by, *(kpi["model_dimensions"] or "").split(", ")) else None
    total = _of_period(connection, kpi, grain, day, TOTAL, of_total) if TOTAL in _dimensions(kpi) else []
    parts = _of_period(connection, kpi, grain, day, by, model) if by != TOTAL else []
    if not total and not parts:
        cut = "" if by == TOTAL else f" by {by}"
        hint = "its rows begin with the first extracted day and end today"
        if TOTAL not in _dimensions(kpi) and by == TOTAL:
            hint = f"it has no total; ask by one of {', '.join(_dimensions(kpi))}"
        raise QuestionError(f"{kpi_id} has no rows{cut} for {_quoted(period)[1:-1]}: {hint}")
    row = (total or parts)[0]
    days = _days_relation(connection, days_file)
    source_days = _source_days(connection, days, kpi, row["period_start"], row["period_end"]) if days else []
    moved = (
        drivers_of(connection, kpi_id, grain, row["period_start"], by, parts[0]["attribution_model"]) if parts else []
    )
    return Explanation(kpi, total[0] if total else {}, parts, source_days, grain, moved)


def _of_period(
    connection: duckdb.DuckDBPyConnection, kpi: Row, grain: str, day: date, by: str, model: str | None
) -> list[Row]:
    model = _model(connection, kpi, by, grain, model)
    return _rows(
        connection,
        f"""
        select * from kpi.{table_name(grain)}
        where kpi_id = $kpi_id and dimension = $by and attribution_model = $model
            and $day between period_start and period_end
        order by coalesce(denominator, numerator, value) desc nulls last, member
        """,
        {"kpi_id": kpi["kpi_id"], "by": by, "model": model, "day": day},
    )


def _days_relation(connection: duckdb.DuckDBPyConnection, days_file: Path | str | None) -> str | None:
    if exists(connection, DAYS):
        return DAYS
    if days_file is None or not Path(days_file).exists():
        return None
    quoted = str(days_file).replace("'", "''")
    return f"(select *, day as date_day from read_parquet('{quoted}'))"


def _source_days(connection: duckdb.DuckDBPyConnection, days: str, kpi: Row, first: date, last: date) -> list[Row]:
    """Extraction times of the report days of the period; records of a CRM are filed under the days they changed on, and
    what funnelhouse.yml says (cost lines, stages) is of no day: it stands with its rows, whatever the period."""
    return _rows(
        connection,
        f"""
        select domain, source, stream, kind, if(domain = 'config', null, count(*)) as days,
            if(kind = 'report' and domain <> 'config', $last::date - $first::date + 1 - count(*), null) as days_missing,
            sum(rows) as rows, min(extracted_at) as first_extracted_at, max(extracted_at) as last_extracted_at
        from {days}
        where source || '/' || stream in (select unnest($streams)) and coalesce(period, 'day') = 'day'
            and (kind <> 'report' or domain = 'config' or date_day between $first and $last)
        group by domain, source, stream, kind order by all
        """,
        {"streams": (kpi["streams"] or "").split(", "), "first": first, "last": last},
    )


def find_kpi(connection: duckdb.DuckDBPyConnection, kpi_id: str) -> Row:
    """The row of kpi.dim_kpi. Raises QuestionError, with the names that come nearest."""
    if not exists(connection, "kpi.dim_kpi"):
        raise QuestionError("There are no KPI tables yet; `funnelhouse refresh` builds them")
    found = _rows(connection, "select * from kpi.dim_kpi where kpi_id = $kpi_id", {"kpi_id": kpi_id})
    if not found:
        known = [row["kpi_id"] for row in _rows(connection, "select kpi_id from kpi.dim_kpi order by kpi_id", {})]
        raise QuestionError(f"There is no KPI {_quoted(kpi_id)}. {_nearest(kpi_id, known)}KPIs: {', '.join(known)}")
    return found[0]


def _check_member(connection: duckdb.DuckDBPyConnection, kpi_id: str, by: str, grain: str, member: str) -> None:
    found = _rows(
        connection,
        f"select member from kpi.{table_name(grain)} where kpi_id = $kpi_id and dimension = $by "
        "group by member order by sum(abs(numerator)) desc nulls last, member",
        {"kpi_id": kpi_id, "by": by},
    )
    known = [row["member"] for row in found]
    if member not in known:
        largest = ", ".join(map(_quoted, known[:_LARGEST]))
        told = f"The largest of {len(known)}: {largest}" if known else "It has no rows by this cut"
        raise QuestionError(f"{kpi_id} by {by} has no {_quoted(member)}. {_nearest(member, known)}{told}")


_LARGEST = 10  # members that an error names
_LONGEST = 80  # characters of a name that an error repeats


def _quoted(name: str) -> str:
    """As a person typed it, shortened; what has no shape (marks that turn the direction of writing) is spelt out."""
    return repr(name if len(name) <= _LONGEST else f"{name[:_LONGEST]}…")


def _nearest(name: str, known: Iterable[str]) -> str:
    by_lower = {each.lower(): each for each in known}
    near = get_close_matches(name[:_LONGEST].lower(), by_lower, n=3)
    return f"Nearest: {', '.join(_quoted(by_lower[each]) for each in near)}. " if near else ""


def _dimensions(kpi: Row) -> list[str]:
    return kpi["dimensions"].split(", ")


def _model(connection: duckdb.DuckDBPyConnection, kpi: Row, by: str, grain: str, model: str | None) -> str:
    """The model to read: the one asked for, else the one that people are shown."""
    if by not in _dimensions(kpi):
        raise QuestionError(f"{kpi['kpi_id']} is not cut by {_quoted(by)}. Its cuts: {', '.join(_dimensions(kpi))}")
    if by not in (kpi["model_dimensions"] or "").split(", "):
        if model not in (None, NO_MODEL):
            has = kpi["model_dimensions"]
            cuts = f"it has one by {has}" if has else "it has none in any cut"
            raise QuestionError(
                f"{kpi['kpi_id']} by {by} needs no attribution model: leave {_quoted(model or '')} out ({cuts})"
            )
        return NO_MODEL
    found = _rows(
        connection,
        f"select distinct attribution_model as model from kpi.{table_name(grain)} "
        "where kpi_id = $kpi_id and dimension = $by order by model",
        {"kpi_id": kpi["kpi_id"], "by": by},
    )
    models = [row["model"] for row in found]
    if model and model not in models:
        raise QuestionError(
            f"{kpi['kpi_id']} by {grain} has no attribution model {_quoted(model)}. Models: {', '.join(models)} "
            "(funnelhouse.yml: attribution.models_by_grain)"
        )
    return model or kpi["default_model"]


def _grain(grain: str) -> str:
    if grain not in GRAINS:
        raise QuestionError(f"There is no grain {_quoted(grain)}. Grains: {', '.join(GRAINS)}")
    return grain


_PERIODS = (
    (r"(\d{4})-(\d\d)-(\d\d)", "day", lambda y, m, d: date(y, m, d)),
    # weeks that start on another day than Monday: the one that holds most of the ISO week, whose middle is Thursday
    (r"(\d{4})-W(\d\d?)", "week", lambda y, w: date.fromisocalendar(y, w, 4)),
    (r"(\d{4})-(\d\d)", "month", lambda y, m: date(y, m, 1)),
    (r"(\d{4})-Q([1-4])", "quarter", lambda y, q: date(y, 3 * q - 2, 1)),
    # a fiscal year is named after the calendar year that it ends in, whose first day it holds
    (r"(?:FY)?(\d{4})", "year", lambda y: date(y, 1, 1)),
)


def _year_start(connection: duckdb.DuckDBPyConnection) -> int:
    """The month that fiscal years begin with; January where no years were built."""
    if not exists(connection, f"kpi.{table_name('year')}"):
        return 1
    found = _rows(connection, f"select min(month(period_start)) as month from kpi.{table_name('year')}", {})
    return found[0]["month"] or 1


def _period(text: str, year_start: int = 1) -> tuple[str, date]:
    """The grain, and a day inside the period. 2026-Q3 is a quarter of the calendar, FY2026-Q3 one of the fiscal year."""
    if (said := re.search(r"\d{4}", text)) and not 1900 <= int(said[0]) < 3000:
        raise QuestionError(f"{_quoted(text)} is no period: years go from 1900 to 2999")
    if found := re.fullmatch(r"FY(\d{4})-Q([1-4])", text.strip(), re.IGNORECASE):
        year, quarter = map(int, found.groups())
        months = 12 * (year - (year_start > 1)) + year_start - 1 + 3 * (quarter - 1)
        return "quarter", date(months // 12, months % 12 + 1, 1)
    for pattern, grain, day in _PERIODS:
        if found := re.fullmatch(pattern, text.strip(), re.IGNORECASE):
            try:
                return grain, day(*map(int, found.groups()))
            except ValueError as error:
                raise QuestionError(f"{_quoted(text)} is no period: {error}") from None
    raise QuestionError(
        f"{_quoted(text)} is no period; allowed are 2026-09-14, 2026-W38, 2026-09, 2026-Q3 and 2026, FY2026-Q3 and FY2026"
    )


def _rows(connection: duckdb.DuckDBPyConnection, sql: str, values: dict[str, Any]) -> list[Row]:
    cursor = connection.execute(sql, values)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
