"""Dropped spreadsheets: typed cells beside settings for text, sheets by name, rows as the program numbers them."""

from __future__ import annotations

import zipfile
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
from pydantic import ValidationError

from dagster_project.sources.files.mappings import FileMapping
from dagster_project.wire import DriftError
from tests.support.dropped_files import LEADS, ORDERS, swept

_MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_TYPES = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_DAY_STYLE, _MOMENT_STYLE = 1, 2


def save(path: Path, **sheets: list[list[Any]]) -> Path:
    """A workbook as ECMA-376 describes it, with nothing but what must be there."""
    names = list(sheets)
    parts = {
        "[Content_Types].xml": "<Types xmlns='http://schemas.openxmlformats.org/package/2006/content-types'>"
        "<Default Extension='rels' ContentType='application/vnd.openxmlformats-package.relationships+xml'/>"
        f"<Override PartName='/xl/workbook.xml' ContentType='{_TYPES}.sheet.main+xml'/>"
        f"<Override PartName='/xl/styles.xml' ContentType='{_TYPES}.styles+xml'/>"
        + "".join(f"<Override PartName='/xl/worksheets/sheet{n}.xml' ContentType='{_TYPES}.worksheet+xml'/>" for n, _ in enumerate(names, 1))
        + "</Types>",
        "_rels/.rels": "<Relationships xmlns='http://schemas.openxmlformats.org/package/2006/relationships'>"
        f"<Relationship Id='r1' Type='{_REL}/officeDocument' Target='xl/workbook.xml'/></Relationships>",
        "xl/workbook.xml": f"<workbook {_MAIN} xmlns:r='{_REL}'><sheets>"
        + "".join(f"<sheet name='{escape(name)}' sheetId='{n}' r:id='r{n}'/>" for n, name in enumerate(names, 1))
        + "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": "<Relationships xmlns='http://schemas.openxmlformats.org/package/2006/relationships'>"
        + "".join(f"<Relationship Id='r{n}' Type='{_REL}/worksheet' Target='worksheets/sheet{n}.xml'/>" for n, _ in enumerate(names, 1))
        + f"<Relationship Id='rs' Type='{_REL}/styles' Target='styles.xml'/></Relationships>",
        "xl/styles.xml": f"<styleSheet {_MAIN}><cellXfs count='3'><xf numFmtId='0'/><xf numFmtId='14'/><xf numFmtId='22'/></cellXfs></styleSheet>",
    }  # fmt: skip
    for n, rows in enumerate(sheets.values(), 1):
        cells = "".join(
            f"<row r='{at}'>"
            + "".join(_cell(value, f"{chr(64 + column)}{at}") for column, value in enumerate(row, 1))
            + "</row>"
            for at, row in enumerate(rows, 1)
        )
        parts[f"xl/worksheets/sheet{n}.xml"] = f"<worksheet {_MAIN}><sheetData>{cells}</sheetData></worksheet>"
    with zipfile.ZipFile(path, "w") as packed:
        for name, content in parts.items():
            packed.writestr(name, "<?xml version='1.0' encoding='UTF-8' standalone='yes'?>" + content)
    return path


def _cell(value: Any, at: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return f"<c r='{at}' t='b'><v>{int(value)}</v></c>"
    if isinstance(value, str):
        return f"<c r='{at}' t='inlineStr'><is><t xml:space='preserve'>{escape(value)}</t></is></c>"
    if isinstance(value, date):
        days = datetime.fromisoformat(str(value)) - datetime(1899, 12, 30)
        style = _MOMENT_STYLE if isinstance(value, datetime) else _DAY_STYLE
        return f"<c r='{at}' s='{style}'><v>{days.total_seconds() / 86400!r}</v></c>"
    return f"<c r='{at}'><v>{value}</v></c>"


def test_typed_cells_are_what_they_are_whatever_the_settings_for_text_say(tmp_path: Path) -> None:
    rows = [
        ["Orders of the shop"],
        [],
        ["id", " Ordered\u00a0at", "total", "back", "item"],
        [101, datetime(2026, 9, 1, 14, 30), 1234.567, False, "Mug"],
        [],
        [102, datetime(2026, 9, 2), 20, True, "x\u200by"],
        [12345678901, date(2026, 9, 3), -1.5, None, 7],
    ]
    save(tmp_path / "orders.xlsx", Notes=[["nothing"]], **{"Orders 2026": rows})
    mapping = {
        **ORDERS,
        "path": "orders.xlsx",
        "sheet": "Orders  2026",
        "decimal": ",",
        "date_format": "%d.%m.%Y",
        "columns": {
            "order_id": "id",
            "ordered_at": "Ordered at",
            "amount": "total",
            "is_refund": "back",
            "product": "item",
        },
    }
    table, tally = swept(tmp_path, mapping)
    assert table.select(["order_id", "ordered_at", "amount", "is_refund", "_line"]).to_pylist() == [
        {"order_id": "101", "ordered_at": datetime(2026, 9, 1, 14, 30, tzinfo=UTC), "amount": Decimal("1234.567"), "is_refund": False, "_line": 4},
        {"order_id": "102", "ordered_at": datetime(2026, 9, 2, tzinfo=UTC), "amount": Decimal(20), "is_refund": True, "_line": 6},
        {"order_id": "12345678901", "ordered_at": datetime(2026, 9, 3, tzinfo=UTC), "amount": Decimal("-1.5"), "is_refund": None, "_line": 7},
    ]  # fmt: skip
    assert table["product"].to_pylist()[2] == "7"
    assert tally.bad_row_count == tally.bad_cell_count == 0


def test_numbers_and_dates_among_texts_are_read_as_the_texts_are(tmp_path: Path) -> None:
    rows = [
        ["id", "day", "total"],
        ["1", date(2026, 9, 1), 1234.5],
        ["2", "02.09.2026", "1.000,25"],
        ["3", "Total", "--"],
        ["4", "?", 1],
    ]
    save(tmp_path / "orders.xlsx", Orders=rows)
    table, tally = swept(tmp_path, {**ORDERS, "path": "*.xlsx", "decimal": ",", "date_format": "%d.%m.%Y"})
    assert table["amount"].to_pylist() == [Decimal("1234.5"), Decimal("1000.25")]
    assert table["ordered_at"].cast("date32").to_pylist() == [date(2026, 9, 1), date(2026, 9, 2)]
    assert [each.split(": ")[1] for each in tally.bad_rows] == ["orders.xlsx, line 5"]
    serial = [["id", "created"], ["a", 45581], ["b", 45581.5]]
    save(tmp_path / "leads.xlsx", Leads=serial)
    leads, _ = swept(tmp_path, {**LEADS, "path": "leads.xlsx", "date_format": "excel"})
    assert leads["created_at"].to_pylist() == [
        datetime(2024, 10, 16, tzinfo=UTC),
        datetime(2024, 10, 16, 12, tzinfo=UTC),
    ]


def test_what_is_wrong_with_a_spreadsheet_is_said(tmp_path: Path) -> None:
    save(tmp_path / "leads.xlsx", A=[["id", "created"], ["1", "2026-01-01"]], B=[])
    with pytest.raises(DriftError, match="there is no sheet 'C'; it has 'A', 'B'"):
        swept(tmp_path, {**LEADS, "path": "leads.xlsx", "sheet": "C"})
    with pytest.raises(DriftError, match="the sheet 'B' is empty"):
        swept(tmp_path, {**LEADS, "path": "leads.xlsx", "sheet": "B"})
    with pytest.raises(DriftError, match=r"there is no column 'made' \(it has created, id\)"):
        swept(tmp_path, {**LEADS, "path": "leads.xlsx", "columns": {"lead_id": "id", "created_at": "made"}})
    (tmp_path / "leads.xlsx").write_bytes((tmp_path / "leads.xlsx").read_bytes()[:500])
    with pytest.raises(DriftError, match=r"leads\.xlsx: not a whole spreadsheet"):
        swept(tmp_path, {**LEADS, "path": "leads.xlsx"})
    for change, message in (
        ({"path": "leads.csv", "sheet": "A"}, "sheet is of a spreadsheet"),
        ({"path": "leads.xlsx", "encoding": "utf-8"}, "encoding is of text"),
    ):
        with pytest.raises(ValidationError, match=message):
            FileMapping.model_validate({**LEADS, **change})
