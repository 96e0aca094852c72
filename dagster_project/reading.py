"""What the command line shows of the published copy: the scoreboard, one KPI over time, one value explained.

Reads `<home>/published/funnelhouse.duckdb` only, so it never waits for a refresh and never disturbs one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dagster_project import kpis
from dagster_project.publish import DATABASE, PublishError
from dagster_project.settings import Settings

MOST_MEMBERS = 20
_REASONS = {
    "zero_denominator": "nothing to divide by",
    "no_spend": "no spend",
    "no_data": "no data",
    "immature": "too young",
    "missing_rate": "rate missing",
}


@contextlib.contextmanager
def published(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """A read-only connection to what readers see now. Raises PublishError when nothing was published yet."""
    path = settings.published_folder / DATABASE
    if not path.exists():
        raise PublishError("nothing is published yet; run `funnelhouse refresh`, or `funnelhouse demo` to see it work")
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
    table = Table(title=title, title_justify="left", pad_edge=False, collapse_padding=True)
    table.add_column("KPI", overflow="fold")
    for name in ("value", "month before", "change", "a year ago", "change", "target"):
        table.add_column(name, justify="right")
    table.add_column("running month", justify="right", max_width=15)
    table.add_column("", max_width=14)
    for by_month in months.values():
        row, running = by_month.get("latest"), by_month.get("running")
        shown = row or running
        if shown is None:
            continue
        unit = shown["unit"]
        cells = (
            [
                value_of(row, unit, currency),
                _number(row["previous_value"], unit, currency),
                _change(row, "previous_change", unit),
                _number(row["year_ago_value"], unit, currency),
                _change(row, "year_ago_change", unit),
                _target(row, unit, currency),
            ]
            if row
            else [""] * 6
        )
        table.add_row(shown["name"], *cells, value_of(running, unit, currency) if running else "", _notes(row or running))
    return table


def kpi_table(
    settings: Settings, kpi_id: str, *, by: str, grain: str | None, periods: int, model: str | None
) -> RenderableType:
    """One KPI, one row a period (and member), newest first; `list` gives the catalogue."""
    with published(settings) as connection:
        if kpi_id == "list":
            return _catalogue(connection)
        rows = kpis.show(connection, kpi_id, by=by, grain=grain, periods=periods, model=model)
        kpi = _rows(connection, "select * from kpi.dim_kpi where kpi_id = ?", [kpi_id])[0]
        currency = _currency(connection)
    unit = kpi["unit"]
    model_shown = {row["attribution_model"] for row in rows} - {"none"}
    subtitle = f"{kpi['formula']}" + (f"; model {model_shown.pop()}" if model_shown else "")
    table = Table(title=f"{kpi['name']}: {subtitle}", title_justify="left", pad_edge=False)
    table.add_column("period")
    if by != "total":
        table.add_column(by, overflow="fold")
    for name in ("value", "numerator", "denominator", "before", "change", "a year ago", "change"):
        table.add_column(name, justify="right")
    table.add_column("", overflow="fold")
    counts: dict[date, int] = {}
    for row in rows:
        counts[row["period_start"]] = counts.get(row["period_start"], 0) + 1
        if counts[row["period_start"]] > MOST_MEMBERS:
            continue
        table.add_row(
            _period(row),
            *([row["member"]] if by != "total" else []),
            value_of(row, unit, currency),
            _plain(row["numerator"]),
            _plain(row["denominator"]),
            _number(row["previous_value"], unit, currency),
            _change(row, "previous_change", unit),
            _number(row["year_ago_value"], unit, currency),
            _change(row, "year_ago_change", unit),
            _notes(row),
        )
    hidden = sum(max(0, count - MOST_MEMBERS) for count in counts.values())
    more = [Text(f"{hidden} smaller members are in kpi.fct_kpi_{grain or 'month'}ly", style="dim")] if hidden else []
    return Group(table, *more)


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
        lines.append(Text(f"{_period(row)}: {value_of(row, unit, currency)}", style="bold"))
        lines.append(Text(f"  numerator {kpi['numerator']} = {_plain(row['numerator'])}"))
        if kpi["denominator"]:
            lines.append(Text(f"  denominator {kpi['denominator']} = {_plain(row['denominator'])}"))
        if row["ci_low"] is not None:
            low, high = _number(row["ci_low"], unit, currency), _number(row["ci_high"], unit, currency)
            lines.append(Text(f"  95 % interval {low} to {high} (Wilson)"))
        if row["sample_size"] is not None:
            lines.append(Text(f"  observations {_plain(row['sample_size'])}"))
        lines.append(Text(f"  {_notes(row) or 'final'}; quality {row['quality']}"))
    shown: list[RenderableType] = list(lines)
    if found.parts:
        table = Table(title=f"Parts by {by}", title_justify="left", pad_edge=False)
        for name in (by or "member", "value", "numerator", "denominator", ""):
            table.add_column(name, overflow="fold")
        for part in found.parts[:MOST_MEMBERS]:
            table.add_row(
                part["member"], value_of(part, unit, currency), _plain(part["numerator"]), _plain(part["denominator"]), _notes(part)
            )
        shown.append(table)
    if found.source_days:
        table = Table(title="Source days", title_justify="left", pad_edge=False)
        for name in ("source", "stream", "days", "missing", "rows", "first extracted", "last extracted"):
            table.add_column(name)
        for source in found.source_days:
            table.add_row(
                source["source"], source["stream"], str(source["days"]), _plain(source["days_missing"]),
                _plain(source["rows"]), _moment(source["first_extracted_at"]), _moment(source["last_extracted_at"]),
            )  # fmt: skip
        shown.append(table)
    return Group(*shown)


def value_of(row: dict[str, Any], unit: str, currency: str) -> str:
    """The value for people: with its unit, or why there is none."""
    if row["value"] is None:
        return _REASONS.get(row["reason"] or "", row["reason"] or "")
    return _number(row["value"], unit, currency)


def _number(value: float | None, unit: str, currency: str) -> str:
    if value is None:
        return ""
    if unit in ("rate", "percent"):
        return f"{value:.1%}"
    if unit == "money":
        return f"{value:,.2f} {currency}" if abs(value) < 1000 else f"{value:,.0f} {currency}"
    if unit == "multiple":
        return f"{value:,.2f}x"
    if unit == "days":
        return f"{value:,.1f} d"
    return _plain(value)


def _plain(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"


def _change(row: dict[str, Any], name: str, unit: str) -> str:
    change = row[name]
    if change is None:
        return ""
    return f"{change * 100:+.1f} pp" if unit in ("rate", "percent") else f"{change:+.0%}"


def _target(row: dict[str, Any], unit: str, currency: str) -> str:
    if row["target_value"] is None:
        return ""
    return f"{_number(row['target_value'], unit, currency)} {row['target_status'] or ''}".strip()


def _notes(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    notes = [] if row["is_final"] else ["not final"]
    if not row["is_complete"]:
        notes.append("running" if row["period_end"] else "incomplete")
    if row["low_n"]:
        notes.append("few cases")
    if row["quality"] not in (None, "ok"):
        notes.append(row["quality"])
    return ", ".join(notes)


def _period(row: dict[str, Any]) -> str:
    start, end = row["period_start"], row["period_end"]
    return str(start) if start == end else f"{start} … {end}"


def _moment(value: Any) -> str:
    return f"{value:%Y-%m-%d %H:%M}" if value else ""


def _catalogue(connection: duckdb.DuckDBPyConnection) -> RenderableType:
    table = Table(title="KPIs", title_justify="left", pad_edge=False)
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
