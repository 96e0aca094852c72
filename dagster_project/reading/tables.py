"""What the command line shows of the published copy: the scoreboard, one KPI over time, one value explained.

Reads `<home>/published/funnelhouse.duckdb` only, so it never waits for a refresh and never disturbs one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dagster_project import kpis
from dagster_project.publish import DATABASE, NOTHING_YET, PublishError
from dagster_project.reading import style
from dagster_project.reading.moved import in_words
from dagster_project.settings import Settings

MOST_MEMBERS = 20


@contextlib.contextmanager
def published(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """A read-only connection to what readers see now. Raises PublishError when nothing was published yet."""
    path = settings.published_folder / DATABASE
    if not path.exists():
        raise PublishError(NOTHING_YET)
    with duckdb.connect(str(path), read_only=True) as connection:
        yield connection


def scoreboard(settings: Settings) -> RenderableType:
    """The headline board: the latest whole month beside the one before and a year ago, and the running month."""
    with published(settings) as connection:
        rows = _rows(connection, "select * from kpi.kpi_scoreboard order by position, kpi_id, month")
        currency = _currency(connection)
    months: dict[str, dict[str, Any]] = {}
    for row in rows:
        months.setdefault(row["kpi_id"], {})[row["month"]] = row
    latest = next((row for row in rows if row["month"] == "latest"), None)
    title = f"Scoreboard, {latest['period_start']:%B %Y}" if latest else "Scoreboard"
    table, marks = _table(title), style.Marks(settings.today)
    table.add_column("KPI", no_wrap=True)
    for name in ("value", "before", "change", "a year ago", "change", "target"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("marks", no_wrap=True)
    table.add_column("running", justify="right", no_wrap=True)
    for by_month in months.values():
        whole, running = by_month.get("latest"), by_month.get("running")
        if (shown := whole or running) is None:
            continue
        unit = shown["unit"]
        sign = style.unit_of(unit, currency)
        cells = (
            [
                style.value_of(whole, unit),
                style.number(whole["previous_value"], unit),
                style.change(whole, "previous_change", unit),
                style.number(whole["year_ago_value"], unit),
                style.change(whole, "year_ago_change", unit),
                _target(whole, unit),
                marks.of(whole),
            ]
            if whole
            else [""] * 7
        )
        table.add_row(
            f"{shown['name']}, {sign}" if sign else shown["name"],
            *cells,
            style.value_of(running, unit) if running else "",
        )
    return Group(table, *_legend(marks))


def kpi_table(
    settings: Settings,
    kpi_id: str,
    *,
    by: str,
    grain: str | None,
    periods: int,
    model: str | None,
    end: date | None = None,
) -> RenderableType:
    """One KPI: a line a period, newest first; cut by something, a block a period. `list` gives the catalogue."""
    with published(settings) as connection:
        if kpi_id == "list":
            return _catalogue(connection)
        rows = kpis.show(connection, kpi_id, by=by, grain=grain, periods=periods, model=model, end=end)
        kpi = _rows(connection, "select * from kpi.dim_kpi where kpi_id = ?", [kpi_id])[0]
        currency = _currency(connection)
    unit, grain, marks = kpi["unit"], grain or kpi["default_grain"], style.Marks(settings.today)
    sign = style.unit_of(unit, currency)
    model_shown = {row["attribution_model"] for row in rows} - {"none"}
    subtitle = f"{kpi['formula']}" + (f"; model {model_shown.pop()}" if model_shown else "")
    table = _table(f"{kpi['name']}: {subtitle}")
    table.add_column(f"{grain}" if by == "total" else f"{grain}, {by}", overflow="fold")
    has_parts = any(row["denominator"] is not None for row in rows)  # a count is its own numerator
    parts = ("numerator", "denominator") if has_parts else ()
    for name in (f"value, {sign}" if sign else "value", *parts, "before", "change", "a year ago", "change"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("marks", no_wrap=True)
    hidden = 0
    for start, group in groupby(rows, key=lambda row: row["period_start"]):
        members = list(group)
        hidden += max(0, len(members) - MOST_MEMBERS)
        name = style.period(start, grain)
        if by != "total":
            table.add_row(Text(name, style="bold"))
        for row in members[:MOST_MEMBERS]:
            table.add_row(
                name if by == "total" else f"  {row['member']}",
                style.value_of(row, unit),
                *(style.plain(row[part]) for part in parts),
                style.number(row["previous_value"], unit),
                style.change(row, "previous_change", unit),
                style.number(row["year_ago_value"], unit),
                style.change(row, "year_ago_change", unit),
                marks.of(row),
            )
        if by != "total":
            table.add_section()
    more = [Text(f"{hidden} smaller members are in kpi.{kpis.table_name(grain)}", style="dim")] if hidden else []
    nothing = [Text(f"no {grain} has rows" + (f" by {end}" if end else ""), style="dim")] if not rows else []
    return Group(table, *nothing, *more, *_legend(marks))


def explanation(settings: Settings, kpi_id: str, period: str, *, by: str | None, model: str | None) -> RenderableType:
    """Formula, numerator and denominator, parts by a cut, and the source days with their extraction times."""
    with published(settings) as connection:
        # when the raw zone is an object store this is no file, and the extraction times are left out
        days_file = Path(settings.raw_root) / "_meta" / "days.parquet"
        found = kpis.explain(connection, kpi_id, period, by=by or "total", model=model, days_file=days_file)
        currency = _currency(connection)
    kpi, row, unit = found.kpi, found.row, found.kpi["unit"]
    lines = [Text(f"{kpi['name']} ({kpi['kpi_id']}), version {kpi['definition_version']}", style="bold")]
    lines += [Text(kpi["description"] or ""), Text(f"Formula: {kpi['formula']}")]
    if row:
        lines.append(Text(f"{_days(row)}: {_value(row, unit, currency)}", style="bold"))
        lines.append(Text(f"  numerator {kpi['numerator']} = {style.plain(row['numerator'])}"))
        if kpi["denominator"]:
            lines.append(Text(f"  denominator {kpi['denominator']} = {style.plain(row['denominator'])}"))
        if row["ci_low"] is not None:
            low, high = style.with_unit(row["ci_low"], unit, currency), style.with_unit(row["ci_high"], unit, currency)
            lines.append(Text(f"  95 % interval {low} to {high} ({'normal' if unit == 'points' else 'Wilson'})"))
        if row["sample_size"] is not None:
            lines.append(Text(f"  observations {style.plain(row['sample_size'])}"))
        lines.append(Text(f"  {style.words(row, settings.today)}"))
    shown: list[RenderableType] = list(lines)
    if found.parts:
        table, marks = _table(f"Parts by {by}"), style.Marks(settings.today)
        for name in (by or "member", "value", "numerator", "denominator", "marks"):
            table.add_column(name, overflow="fold")
        for part in found.parts[:MOST_MEMBERS]:
            table.add_row(
                part["member"], _value(part, unit, currency), style.plain(part["numerator"]),
                style.plain(part["denominator"]), marks.of(part),
            )  # fmt: skip
        shown += [table, *_legend(marks)]
        shown += [Text(line) for line in in_words(kpi, found.drivers, found.grain, by or "member")]
    if found.source_days:
        table = _table("Source days")
        for name in ("source", "stream", "days", "missing", "rows", "first extracted", "last extracted"):
            table.add_column(name)
        for source in found.source_days:
            table.add_row(
                source["source"], source["stream"], style.plain(source["days"]),
                style.plain(source["days_missing"]), style.plain(source["rows"]),
                style.moment(source["first_extracted_at"]), style.moment(source["last_extracted_at"]),
            )  # fmt: skip
        shown.append(table)
    return Group(*shown)


def _value(row: dict[str, Any], unit: str, currency: str) -> str:
    return style.value_of(row, unit) if row["value"] is None else style.with_unit(row["value"], unit, currency)


def _days(row: dict[str, Any]) -> str:
    start, end = row["period_start"], row["period_end"]
    return str(start) if start == end else f"{start} … {end}"


def _target(row: dict[str, Any], unit: str) -> str:
    if row["target_value"] is None:
        return ""
    return f"{style.number(row['target_value'], unit)} {(row['target_status'] or '').replace('_', ' ')}".strip()


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", pad_edge=False, collapse_padding=True)


def _legend(marks: style.Marks) -> list[Text]:
    return [Text(legend, style="dim")] if (legend := marks.legend()) else []


def _catalogue(connection: duckdb.DuckDBPyConnection) -> RenderableType:
    table = _table("KPIs")
    for name in ("id", "name", "formula", "cuts"):
        table.add_column(name, overflow="fold")
    for row in _rows(connection, "select * from kpi.dim_kpi order by kpi_id"):
        table.add_row(row["kpi_id"], row["name"], row["formula"], row["dimensions"])
    return table


def _currency(connection: duckdb.DuckDBPyConnection) -> str:
    found = connection.execute("select max(currency_code) from kpi.dim_kpi").fetchall()
    return found[0][0] or ""


def _rows(connection: duckdb.DuckDBPyConnection, sql: str, values: list[Any] | None = None) -> list[dict[str, Any]]:
    cursor = connection.execute(sql, values or [])
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
