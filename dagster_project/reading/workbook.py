"""The KPI tables as an Excel workbook: headline board, facts of one grain, catalogue. Numbers and dates are real ones with
formats, names are text whatever they begin with."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import xlsxwriter
from xlsxwriter.exceptions import XlsxWriterException

from dagster_project import kpis
from dagster_project.publish import PublishError
from dagster_project.reading.tables import published
from dagster_project.settings import Settings

MOST_ROWS = 1_048_575  # of a sheet, beside its header
LONGEST_TEXT = 32_767  # of a cell
_OF_UNIT = {
    "money": "#,##0.00",
    "rate": "0.0%",
    "percent": "0.0%",
    "multiple": "0.00",
    "days": "0.0",
    "count": "#,##0.##",
}
_IN_UNIT = {
    "value", "ci_low", "ci_high", "previous_value", "year_ago_value", "target_value", "target_to_date",
}  # fmt: skip
_CHANGES = {"previous_change", "year_ago_change"}
_CHANGE, _CHANGE_OF_POINTS = "+0.0%;-0.0%;0.0%", "+0.0;-0.0;0.0"  # relative or in shares; points change by points
_DAY, _MOMENT, _NUMBER = "yyyy-mm-dd", "yyyy-mm-dd hh:mm", "#,##0.##"
_WIDTH = {"name": 32, "description": 60, "formula": 60, "member": 32, "dimensions": 40, "streams": 40, "quality": 24}
_BATCH = 10_000


def write_workbook(settings: Settings, file: Path, *, grain: str, only: Sequence[str] = ()) -> dict[str, int]:
    """Write `file` anew, whole or not at all: sheet -> its rows. `only`: these KPIs, else all.

    Raises QuestionError for an unknown grain or KPI, PublishError where a sheet is too small or the file cannot be
    written, and where nothing was published yet.
    """
    if grain not in kpis.GRAINS:
        raise kpis.QuestionError(f"There is no grain {grain!r}. Grains: {', '.join(kpis.GRAINS)}")
    if file.suffix.lower() != ".xlsx":
        raise PublishError(f"{file} is no name of a workbook: it must end in .xlsx")
    with published(settings) as connection:
        connection.execute("set TimeZone = 'UTC'")
        for kpi_id in only:
            kpis.find_kpi(connection, kpi_id)
        sheets = _sheets(grain)
        values = {"only": list(only)}
        rows = {name: _count(connection, sql, values) for name, sql in sheets.items()}
        for name, count in rows.items():
            if count > MOST_ROWS:
                raise PublishError(
                    f"{name} has {count:,} rows, and a sheet takes {MOST_ROWS:,}: choose a coarser --grain or some KPIs by "
                    f"--kpi, or read kpi/{kpis.table_name(grain)}.parquet beside the published file"
                )
        made = file.with_name(f".{file.name}.{uuid.uuid4().hex[:6]}")
        try:
            _write(connection, made, sheets, values)
            os.replace(made, file)
        except XlsxWriterException as error:
            raise PublishError(f"{file} cannot be written: {error}") from None
        finally:
            made.unlink(missing_ok=True)
    return rows


def _sheets(grain: str) -> dict[str, str]:
    chosen = "(len($only) = 0 or list_contains($only, kpi_id))"
    return {
        "Headline": f"select * from kpi.kpi_scoreboard where {chosen} order by position, kpi_id, month",
        f"KPIs by {grain}": f"""
            select f.kpi_id, k.name, k.unit, k.currency_code, f.* exclude (kpi_id)
            from kpi.{kpis.table_name(grain)} as f join (select kpi_id, name, unit, currency_code from kpi.dim_kpi) as k using (kpi_id)
            where {chosen.replace("kpi_id", "f.kpi_id")}
            order by f.kpi_id, period_start desc, dimension, attribution_model, member
        """,
        "Catalogue": f"select * from kpi.dim_kpi where {chosen} order by kpi_id",
    }


def _count(connection: duckdb.DuckDBPyConnection, sql: str, values: Mapping[str, Any]) -> int:
    return connection.execute(f"select count(*) from ({sql})", values).fetchall()[0][0]


def _write(
    connection: duckdb.DuckDBPyConnection, file: Path, sheets: Mapping[str, str], values: Mapping[str, Any]
) -> None:
    """One row after another: what is written is not kept in memory."""
    options = {"constant_memory": True, "remove_timezone": True, "nan_inf_to_errors": True}
    with xlsxwriter.Workbook(str(file), options) as book:
        formats = {text: book.add_format({"num_format": text}) for text in _formats()}
        head = book.add_format({"bold": True, "bottom": 1})
        for name, sql in sheets.items():
            cursor = connection.execute(sql, values)
            columns = [column[0] for column in cursor.description]
            sheet = book.add_worksheet(name)
            sheet.freeze_panes(1, 0)
            for place, column in enumerate(columns):
                sheet.set_column(place, place, _WIDTH.get(column, 14))
                sheet.write_string(0, place, column, head)
            number = 0
            for number, row in enumerate(_each(cursor), 1):
                unit = row[columns.index("unit")]
                for place, (column, value) in enumerate(zip(columns, row, strict=True)):
                    _cell(sheet, number, place, value, formats, _format_of(column, value, unit))
            sheet.autofilter(0, 0, number, len(columns) - 1)


def _each(cursor: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while batch := cursor.fetchmany(_BATCH):
        yield from batch


def _formats() -> set[str]:
    return {*_OF_UNIT.values(), _CHANGE, _CHANGE_OF_POINTS, _DAY, _MOMENT, _NUMBER}


def _format_of(column: str, value: Any, unit: str | None) -> str:
    if isinstance(value, datetime):
        return _MOMENT
    if isinstance(value, date):
        return _DAY
    if column in _CHANGES:
        return _CHANGE_OF_POINTS if unit == "points" else _CHANGE
    return _OF_UNIT.get(unit or "", _NUMBER) if column in _IN_UNIT else _NUMBER


def _cell(sheet: Any, row: int, place: int, value: Any, formats: Mapping[str, Any], number_format: str) -> None:
    """By the value's own type: a text that begins with =, + or @ stays the text that it is."""
    if value is None:
        return
    if isinstance(value, bool):
        sheet.write_boolean(row, place, value)
    elif isinstance(value, str):
        sheet.write_string(row, place, value if len(value) <= LONGEST_TEXT else f"{value[: LONGEST_TEXT - 1]}…")
    elif isinstance(value, date):
        sheet.write_datetime(row, place, value, formats[number_format])
    else:
        sheet.write_number(row, place, value, formats[number_format])
