"""`funnelhouse export --xlsx`: what another reader finds in the file is what the tables say, and names are only text."""

from __future__ import annotations

import re
import zipfile
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from python_calamine import CalamineWorkbook
from typer.testing import CliRunner

from dagster_project.cli import app
from dagster_project.kpis import QuestionError
from dagster_project.publish import PublishError
from dagster_project.reading import workbook
from tests.support.published import query
from tests.support.questions import publish_by_hand

HOSTILE = [
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2",
    "@SUM(A1)",
    "https://evil.example",
    "<b>&\u202eabc",
    "12",
    "2026-01-01",
    "TRUE",
]


@pytest.fixture
def published(no_vendor_variables: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FUNNELHOUSE_TODAY", "2026-10-01")
    monkeypatch.chdir(no_vendor_variables)
    return publish_by_hand(no_vendor_variables / "home", [*HOSTILE, "z" * 40_000])


def test_a_workbook_holds_the_tables_with_real_numbers_and_dates(published: Path, tmp_path: Path) -> None:
    file = tmp_path / "kpis.xlsx"
    said = CliRunner().invoke(app, ["export", "--xlsx", str(file), "--grain", "month"], catch_exceptions=False)
    assert said.exit_code == 0
    assert "KPIs by month: 216 rows" in said.output
    book = CalamineWorkbook.from_path(str(file))
    assert book.sheet_names == ["Headline", "KPIs by month", "Catalogue"]

    head, *rows = book.get_sheet_by_name("KPIs by month").to_python()
    assert {"is_final", "quality", "unit", "reason", "numerator"} <= set(head)
    found = {tuple(row[head.index(name)] for name in KEY): dict(zip(head, row, strict=True)) for row in rows}
    expected = query(published, f"select {', '.join((*KEY, *SEEN))} from kpi.fct_kpi_monthly")
    assert len(found) == len(expected) == 216  # 4 months of 21 + 21 + 11 + 1 rows
    for row in expected:
        key = tuple(
            value if not isinstance(value, str) else value[:32_766] + "…" * (len(value) > 32_767) for value in row[:5]
        )
        assert [_plain(found[key][name]) for name in SEEN] == [_plain(value) for value in row[5:]], key
    assert isinstance(rows[0][head.index("period_start")], date)

    catalogue = book.get_sheet_by_name("Catalogue").to_python()
    assert [row[0] for row in catalogue] == ["kpi_id", "leads", "revenue", "stage_conversion_rate", "win_rate"]
    board = book.get_sheet_by_name("Headline").to_python()
    assert [row[:2] for row in board[1:]] == [[1.0, "leads"]]
    with zipfile.ZipFile(file) as parts:
        for number in (1, 2, 3):
            sheet = parts.read(f"xl/worksheets/sheet{number}.xml").decode()
            assert not re.search(r"<f>|<hyperlink", sheet)
            assert 'ySplit="1"' in sheet
            assert "<autoFilter" in sheet
        assert 'formatCode="0.0%"' in parts.read("xl/styles.xml").decode()


KEY = ("kpi_id", "period_start", "dimension", "member", "attribution_model")
SEEN = ("value", "numerator", "denominator", "is_final", "is_complete", "quality", "reason", "period_end")


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.date()
    return None if value == "" else value  # calamine's word for an empty cell


def test_what_a_sheet_cannot_hold_is_told_and_nothing_is_written(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "kpis.xlsx"
    file.write_text("what was there")
    monkeypatch.setattr(workbook, "MOST_ROWS", 100)
    for arguments, error, told in (
        (
            ["--xlsx", str(file)],
            PublishError,
            "KPIs by month has 216 rows, and a sheet takes 100: choose a coarser --grain",
        ),
        (["--xlsx", str(tmp_path / "kpis.xls")], PublishError, "must end in .xlsx"),
        (["--xlsx", str(tmp_path / "none" / "kpis.xlsx"), "--kpi", "leads"], PublishError, "cannot be written"),
        (["--xlsx", str(file), "--grain", "hour"], QuestionError, "Grains: day, week, month"),
        (["--xlsx", str(file), "--kpi", "laeds"], QuestionError, "Nearest: 'leads'"),
    ):
        with pytest.raises(error, match=re.escape(told)):
            CliRunner().invoke(app, ["export", *arguments], catch_exceptions=False)
    assert file.read_text() == "what was there"
    CliRunner().invoke(app, ["export", "--xlsx", str(file), "--kpi", "win_rate"], catch_exceptions=False)
    head, *rows = CalamineWorkbook.from_path(str(file)).get_sheet_by_name("KPIs by month").to_python()
    assert {row[head.index("kpi_id")] for row in rows} == {"win_rate"}
    assert [path.name for path in tmp_path.glob("*kpis*")] == ["kpis.xlsx"]
