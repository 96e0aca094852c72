"""A ledger in a Google sheet: by link and by key the same lines, and what is no ledger is an error, never an empty one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from dagster_project.sandbox import Sandbox, serve
from dagster_project.sources.google_sheets import COST_LINES, sweep_lines
from dagster_project.sources.google_sheets.settings import SheetsRules, SheetsSettings
from dagster_project.wire.contract import AuthError, ConfigError, DriftError, Part, SourceError, Tally
from tests.support.scripted_server import Reply, ScriptedServer

SHEET, KEY = "1kontorraLedger", "sandbox-sheets-key"
CSV = {"Content-Type": "text/csv; charset=utf-8"}
HEADER = "start_date,end_date,amount,currency_code,cost_type"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with serve(today="2025-11-15", vendors=["google_sheets"]) as running:
        yield running


def settings(url: str, sheets: str = SHEET, rules: dict[str, Any] | None = None, **more: str) -> SheetsSettings:
    given = {"GOOGLE_SHEETS_ID": sheets, "GOOGLE_SHEETS_BASE_URL": url, "GOOGLE_SHEETS_API_URL": url, **more}
    return SheetsSettings.model_validate({**given, "rules": SheetsRules.model_validate(rules or {})})


def read(asked: SheetsSettings) -> tuple[list[dict[str, Any]], Tally]:
    tally = Tally()
    pages = list(sweep_lines(asked, tally))
    for page in pages:
        assert page.rows.schema.equals(COST_LINES.schema)
    return [row for page in pages for row in page.rows.to_pylist()], tally


def read_csv(scripted: ScriptedServer, text: str, **rules: Any) -> tuple[list[dict[str, Any]], Tally]:
    scripted.reply(Reply(text.encode(), headers=CSV))
    return read(settings(scripted.url, "1abc", rules))


# ---- over the wire, against the sandbox ------------------------------------------------------------------------


@pytest.mark.parametrize("more", [{}, {"GOOGLE_SHEETS_API_KEY": KEY}], ids=["link", "key"])
def test_by_link_and_by_key_the_ledger_is_the_same(sandbox: Sandbox, more: dict[str, str]) -> None:
    rows, tally = read(settings(sandbox.endpoints["google_sheets"], rules={"last_closed_month": "2025-10"}, **more))
    assert [(r["line_id"], str(r["start_date"]), str(r["end_date"]), r["amount"]) for r in rows[:2]] == [
        ("content-2025-09", "2025-09-01", "2025-09-30", Decimal("3150.500000")),
        ("agency-2025-09", "2025-09-01", "2025-09-30", Decimal("1100.000000")),
    ]
    assert len(rows) == 9  # three lines a month, September to November
    assert sum(row["amount"] for row in rows) == 3 * (Decimal("3150.50") + 1100 + Decimal("640.25"))
    assert {row["motion"] for row in rows} == {"inbound", "outbound", None}
    assert {(row["account_id"], row["_extra"], row["channel"]) for row in rows} == {(SHEET, None, None)}
    assert tally.api_calls == 1
    assert tally.parts == [Part(SHEET, ("cost",), last_day=date(2025, 10, 31), begins=date(2025, 9, 1))]


@pytest.mark.parametrize("more", [{}, {"GOOGLE_SHEETS_API_KEY": KEY}], ids=["link", "key"])
@pytest.mark.parametrize("fault", ["throttle", "server_error", "reset", "truncated"])
def test_passing_faults_change_nothing(sandbox: Sandbox, waits: list[float], fault: str, more: dict[str, str]) -> None:
    asked = settings(sandbox.endpoints["google_sheets"], **more)
    unharmed, _ = read(asked)
    # of a redirect, nobody misses the end of the body: the second one that is cut is the CSV
    sandbox.faults.set("google_sheets", fault, 2)
    rows, tally = read(asked)
    assert rows == unharmed
    assert tally.retries in (1, 2)


@pytest.mark.parametrize("more", [{}, {"GOOGLE_SHEETS_API_KEY": KEY}], ids=["link", "key"])
def test_a_private_sheet_is_denied_and_does_not_lose_the_others(sandbox: Sandbox, more: dict[str, str]) -> None:
    url = sandbox.endpoints["google_sheets"]
    rows, tally = read(settings(url, f"1kontorraPrivate,{SHEET},1nowhere", **more))
    assert len(rows) == 9
    assert tally.read_accounts == {SHEET}
    assert isinstance(tally.failed_accounts["1kontorraPrivate"], AuthError)
    assert "share it with anyone who has the link" in str(tally.failed_accounts["1kontorraPrivate"])
    assert isinstance(tally.failed_accounts["1nowhere"], ConfigError)
    with pytest.raises(AuthError, match="sheet 1kontorraPrivate"):
        read(settings(url, "1kontorraPrivate", **more))


def test_another_tab_or_range_that_is_not_there_is_named(sandbox: Sandbox) -> None:
    url = sandbox.endpoints["google_sheets"]
    with pytest.raises(ConfigError, match=r"no such tab \(gid\)"):
        read(settings(url, f"{SHEET}:77"))
    with pytest.raises(ConfigError, match="GOOGLE_SHEETS_RANGE"):
        read(settings(url, GOOGLE_SHEETS_API_KEY=KEY, GOOGLE_SHEETS_RANGE="Nope!A1:F200"))
    with pytest.raises(ConfigError, match="GOOGLE_SHEETS_API_KEY"):
        read(settings(url, GOOGLE_SHEETS_API_KEY="another"))


def test_a_row_that_comes_twice_is_kept_twice_and_an_unknown_column_is_kept_aside(sandbox: Sandbox) -> None:
    sandbox.faults.set("google_sheets", "duplicate_row", 1)
    sandbox.faults.set("google_sheets", "unknown_field", 1)
    rows, _ = read(settings(sandbox.endpoints["google_sheets"]))
    assert [(row["line_id"], row["_copy"]) for row in rows[-2:]] == [("crm-seats-2025-11", 1), ("crm-seats-2025-11", 2)]
    assert {row["_extra"] for row in rows} == {'{"Approved by": "board"}'}


# ---- recorded bodies -------------------------------------------------------------------------------------------


def test_recorded_bodies_are_read(shared_dir: Path, scripted: ScriptedServer) -> None:
    folder = shared_dir / "fixtures/sheets"
    rules = {"columns": {"month": "Month", "cost_type": "Category"}, "currency": "EUR"}
    scripted.reply(Reply((folder / "export.csv").read_bytes(), headers=CSV))
    shown, _ = read(settings(scripted.url, "1abcSHEET", rules))
    scripted.reply(Reply(json.loads((folder / "values_200.json").read_text())["body"]))
    stored, tally = read(settings(scripted.url, "1abcSHEET", rules, GOOGLE_SHEETS_API_KEY=KEY))
    assert stored == shown
    assert [(r["cost_type"], r["channel"], r["amount"], r["start_date"], r["end_date"]) for r in shown] == [
        ("labour", None, Decimal("5000"), date(2026, 10, 1), date(2026, 10, 31)),
        ("agency", "Paid search", Decimal("1234.56"), date(2026, 10, 1), date(2026, 10, 31)),
    ]
    assert tally.bad_rows == ["sheet 1abcSHEET, row 4: amount is empty"]  # its cells at the end are cut


@pytest.mark.parametrize(
    ("name", "kind"), [("error_permission_403", AuthError), ("error_range_400", ConfigError), ("values_empty_200", DriftError)]
)  # fmt: skip
def test_recorded_refusals_are_told(
    shared_dir: Path, scripted: ScriptedServer, name: str, kind: type[SourceError]
) -> None:
    recorded = json.loads((shared_dir / f"fixtures/sheets/{name}.json").read_text())
    scripted.reply(Reply(recorded["body"], recorded["status"]))
    with pytest.raises(kind, match=r"google_sheets/cost_lines: .*sheet 1abc"):
        read(settings(scripted.url, "1abc", GOOGLE_SHEETS_API_KEY=KEY))


def test_a_page_to_sign_in_is_no_empty_ledger(shared_dir: Path, scripted: ScriptedServer) -> None:
    page = (shared_dir / "fixtures/sheets/export_private_200.html").read_bytes()
    scripted.reply(Reply(page, headers={"Content-Type": "text/html; charset=utf-8"}))
    with pytest.raises(AuthError, match="sign in"):
        read(settings(scripted.url, "1abc"))


# ---- headers and cells -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty: it has not even a header"),
        (f"{HEADER.replace('amount', 'sum')}\n", "no column 'amount'"),
        (f"{HEADER},amount\n", "column 'amount' 2 times"),
        ("start_date,end_date,amount,cost_type\n", "no column 'currency_code'.*sources.google_sheets.currency"),
        (f"{HEADER}\n2026-01-01,2026-01-31,many,EUR,media\n", "none of 1 rows can be read.*'many' is no number"),
    ],
)
def test_what_is_no_ledger_is_refused(scripted: ScriptedServer, text: str, says: str) -> None:
    with pytest.raises(DriftError, match=says):
        read_csv(scripted, text)


def test_a_ledger_with_a_header_and_no_costs_is_empty(scripted: ScriptedServer) -> None:
    rows, tally = read_csv(scripted, f"{HEADER}\n")
    assert (rows, tally.parts, tally.read_accounts) == ([], [], {"1abc"})


@pytest.mark.parametrize(
    ("written", "rules", "amount"),
    [
        ("5 000,00", {}, "5000.00"),
        ("5\u202f000,5", {}, "5000.5"),
        ("1.234,56", {}, "1234.56"),
        ("1,234.56", {}, "1234.56"),
        ("1,234,567", {}, "1234567"),
        ("€1,234.50", {}, "1234.50"),
        ("1 234,50 руб.", {}, "1234.50"),
        ("-12.5", {}, "-12.5"),
        ("(12.50)", {}, "-12.50"),
        ("1.234", {"decimal": ","}, "1234"),
        ("1.234", {"decimal": "."}, "1.234"),
        ("1.234", {}, None),  # one thousand or one
        ("1,23,4.5", {}, None),
        ("12,34.56,7", {}, None),
        ("", {}, None),
    ],
)
def test_numbers_as_people_write_them(scripted: ScriptedServer, written: str, rules: Any, amount: str | None) -> None:
    good = "2026-01-01,2026-01-31,7,EUR,labour"
    rows, tally = read_csv(scripted, f'{HEADER}\n{good}\n2026-02-01,2026-02-28,"{written}",EUR,labour\n', **rules)
    assert [row["amount"] for row in rows] == [Decimal(7), *([Decimal(amount)] if amount else [])]
    assert tally.bad_row_count == (amount is None)
    assert tally.refused_days == ({date(2026, 2, day): 1 for day in range(1, 29)} if amount is None else {})


@pytest.mark.parametrize(
    "row",
    [
        "2026-02-28,2026-02-01,5,EUR,labour",
        "01/02/2026,28/02/2026,5,EUR,labour",
        "2026-02-01,2026-02-28,5,euro,labour",
        "2026-02-01,2026-02-28,5,EUR,snacks",
        ",,5,EUR,labour",
    ],
)
def test_an_odd_row_is_told_and_does_not_lose_the_others(scripted: ScriptedServer, row: str) -> None:
    rows, tally = read_csv(scripted, f"{HEADER}\n2026-01-01,2026-01-31,7,EUR,labour\n{row}\n")
    assert len(rows) == 1
    assert tally.bad_rows[0].startswith("sheet 1abc, row 3: ")
    assert sum(tally.refused_money.values()) == 5


def test_totals_and_empty_rows_are_no_costs_and_a_date_format_is_taken(scripted: ScriptedServer) -> None:
    text = f"{HEADER}\n01/02/2026,28/02/2026,5,EUR,Media\n,,,,\nTotal:,,5,EUR,\n"
    rows, tally = read_csv(scripted, text, date_format="%d/%m/%Y")
    assert [(row["start_date"], row["end_date"], row["cost_type"]) for row in rows] == [
        (date(2026, 2, 1), date(2026, 2, 28), "media")
    ]
    assert tally.notes == ["sheet 1abc, row 4 is a total and was left out"]
    assert tally.parts == [Part("1abc", ("cost", "media"), begins=date(2026, 2, 1))]


def test_an_address_in_a_column_that_nobody_asked_for_does_not_reach_the_disk(scripted: ScriptedServer) -> None:
    rows, _ = read_csv(scripted, f"{HEADER},who\n2026-01-01,2026-01-31,7,EUR,labour,anna@example.com\n")
    assert rows[0]["_extra"] == '{"who": "(an e-mail address)"}'


# ---- settings ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "account"),
    [
        ("https://docs.google.com/spreadsheets/d/1AbC-_9/edit?usp=sharing#gid=0", "1AbC-_9"),
        ("https://docs.google.com/spreadsheets/d/1AbC/edit?gid=42#gid=42", "1AbC:42"),
        ("1AbC:42", "1AbC:42"),
    ],
)
def test_a_link_as_the_browser_shows_it_is_taken(given: str, account: str) -> None:
    assert [sheet.account_id for sheet in settings("http://127.0.0.1:1", given).sheets] == [account]


@pytest.mark.parametrize(
    ("sheets", "more", "says"),
    [
        ("1abc,1abc:0", {}, "twice"),
        ("https://docs.google.com/spreadsheets/d/e/2PACX/pubhtml", {}, "published page"),
        ("my ledger", {}, "neither the link"),
        ("1abc:5", {"GOOGLE_SHEETS_API_KEY": KEY}, "GOOGLE_SHEETS_RANGE"),
    ],
)
def test_what_cannot_be_read_is_said_before_anybody_is_asked(sheets: str, more: dict[str, str], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        settings("http://127.0.0.1:1", sheets, **more)
