"""Google Sheets: a cost ledger that people keep in a sheet, read by its link (CSV) or by the Sheets API with a key.

A sheet is always read whole: its owner may change any month, and a row that is gone is gone.

https://developers.google.com/workspace/sheets/api/reference/rest/v4/spreadsheets.values/get
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from datetime import date
from urllib.parse import quote

import pyarrow as pa
import requests

from dagster_project.sources.google_sheets.rows import WHERE, cost_lines
from dagster_project.sources.google_sheets.settings import RULES, Sheet, SheetsSettings
from dagster_project.wire.columns import to_table
from dagster_project.wire.contract import (
    AuthError,
    ConfigError,
    DriftError,
    Page,
    Part,
    Stream,
    Tally,
    VendorError,
    schema,
)
from dagster_project.wire.http import Http, Json, Verdict
from dagster_project.wire.ledger import COST_LINES as LEDGER
from dagster_project.wire.pacing import Pacer, shared_pacer
from dagster_project.wire.rest import each_account
from dagster_project.wire.source import Source

NAME = "google_sheets"
Grid = list[list[Json]]
Ask = Callable[[SheetsSettings, Sheet, Tally], Grid]
_FILED_ON = date(2015, 1, 1)  # a list without days: all rows are filed on one
# 60 reads a minute and user are allowed (300 a project); a refresh takes one a sheet.
_CALLS, _SECONDS = 50, 60
_SHARE = "share it with anyone who has the link, as a viewer"
_AS_STORED = {"valueRenderOption": "UNFORMATTED_VALUE", "dateTimeRenderOption": "SERIAL_NUMBER"}


def sweep_lines(settings: SheetsSettings, tally: Tally) -> Iterator[Page]:
    """Grain: sheet, line_id, _copy. One call a sheet."""
    sheets = {sheet.account_id: sheet for sheet in settings.sheets}
    parts: list[Part] = []
    tally.parts = parts
    grid = _by_key if settings.api_key else _by_link
    yield from each_account(list(sheets), lambda name: _sheet_lines(settings, sheets[name], grid, parts, tally), tally)


def _sheet_lines(settings: SheetsSettings, sheet: Sheet, grid: Ask, parts: list[Part], tally: Tally) -> Iterator[Page]:
    lines = cost_lines(grid(settings, sheet, tally), sheet.account_id, settings.writing, tally)
    yield Page(to_table(COST_LINES, [{**line, "_filed_on": _FILED_ON} for line in lines]))
    feeds = ("cost", "media") if any(line["cost_type"] == "media" for line in lines) else ("cost",)
    # days after the last closed month are not whole: whoever keeps the sheet has not written all of their costs yet
    begins = min((line["start_date"] for line in lines), default=None)
    if begins is not None:
        parts.append(Part(sheet.account_id, feeds, last_day=settings.rules.closed_to, begins=begins))


# ---- by link -------------------------------------------------------------------------------------------------


def _by_link(settings: SheetsSettings, sheet: Sheet, tally: Tally) -> Grid:
    """The tab as CSV: what cells show, in the sheet's own locale."""
    with Http(NAME, settings.base_url, tally, judge=_judge_export) as http:
        asked = {"format": "csv", "gid": sheet.gid}
        response = http.request(
            "GET", f"/spreadsheets/d/{sheet.id}/export", params=asked, pacer=_pacer(settings.base_url)
        )
    try:
        return [
            list(row) for row in csv.reader(io.StringIO(response.content.decode("utf-8-sig"), newline=""), strict=True)
        ]
    except (UnicodeDecodeError, csv.Error) as error:
        raise VendorError(f"the export of {sheet.account_id} is no CSV in UTF-8 ({error})", **WHERE) from None


def _judge_export(response: requests.Response) -> Verdict | None:
    """Somebody who may not see a sheet is answered 200 with a page to sign in: taken for CSV, it would be a ledger."""
    sheet = _named(response)
    if response.status_code in (401, 403):
        return Verdict(error=AuthError(f"{sheet} is not shared ({response.status_code}): {_SHARE}", **WHERE))
    if response.status_code in (404, 410):
        return Verdict(error=ConfigError(f"there is no {sheet} (any more); is GOOGLE_SHEETS_ID right?", **WHERE))
    if response.status_code == 400:
        return Verdict(error=ConfigError(f"{sheet} has no such tab (gid); is GOOGLE_SHEETS_ID right?", **WHERE))
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if response.status_code < 400 and kind != "text/csv":
        said = f"{sheet} was answered with {kind or 'something without a type'} instead of CSV"
        return Verdict(error=AuthError(f"{said}: Google asks to sign in, so it is not shared; {_SHARE}", **WHERE))
    return None


# ---- by key --------------------------------------------------------------------------------------------------


def _by_key(settings: SheetsSettings, sheet: Sheet, tally: Tally) -> Grid:
    """The range's values as they are stored; empty cells and rows at the end are not sent."""
    key = settings.api_key.get_secret_value() if settings.api_key else ""
    with Http(NAME, settings.api_url, tally, headers={"X-Goog-Api-Key": key}, judge=_judge_values) as http:
        path = f"/v4/spreadsheets/{sheet.id}/values/{quote(settings.range, safe='')}"
        body = http.get_json(path, params=_AS_STORED, pacer=_pacer(settings.api_url, key))
    grid = body.get("values", []) if isinstance(body, dict) and "range" in body else None
    if not isinstance(grid, list) or not all(isinstance(row, list) for row in grid):
        raise DriftError(f"the values of {sheet.account_id} are no list of rows under 'values'", **WHERE)
    if body.get("majorDimension", "ROWS") != "ROWS":
        raise DriftError(f"the values of {sheet.account_id} come by columns, not by rows", **WHERE)
    return grid


def _judge_values(response: requests.Response) -> Verdict | None:
    sheet = _named(response)
    if response.status_code == 403:
        said = f"the Sheets API does not show {sheet} (403): {_SHARE}, and let the key use the Sheets API"
        return Verdict(error=AuthError(said, **WHERE))
    if response.status_code == 404:
        return Verdict(error=ConfigError(f"there is no {sheet}; is GOOGLE_SHEETS_ID right?", **WHERE))
    if response.status_code == 400:
        said = "a range that is not there, or a key that is not valid"
        return Verdict(
            error=ConfigError(f"{sheet}: {said} (400); see GOOGLE_SHEETS_RANGE and GOOGLE_SHEETS_API_KEY", **WHERE)
        )
    return None


def _named(response: requests.Response) -> str:
    """ "sheet <id>" of the address that was asked first: a redirect leads to another one."""
    asked = (response.history or [response])[0].url
    return f"sheet {asked.partition('/spreadsheets/')[2].removeprefix('d/').partition('/')[0]}"


def _pacer(url: str, key: str = "") -> Pacer:
    return shared_pacer((url, key), _CALLS, _SECONDS)


# Its owner may change any month at any time (no window of restatement), so it is listed whole at every refresh.
COST_LINES = Stream(
    source=NAME,
    name="cost_lines",
    domain="costs",
    kind="report",
    key=("account_id", "line_id", "_copy"),
    schema=schema(*LEDGER.items(), ("_row", pa.int64()), ("_copy", pa.int64()), ("_filed_on", pa.date32())),
    day="_filed_on",
    restate_days=0,
    deep_restate_days=0,
    feeds=("cost", "media"),
    sweep=sweep_lines,
    description="One row per line of a cost ledger in a sheet, spread over start_date..end_date, inclusive.",
)
STREAMS = (COST_LINES,)

SOURCE = Source(
    name=NAME,
    title="Google Sheets",
    gives="cost lines of a ledger: columns as `other_costs` of files has them, or `month`; "
    "`sources.google_sheets` says how they are called and which month is closed",
    settings=SheetsSettings,
    streams=STREAMS,
    creates="a link to the sheet; to read values instead of what is shown, an API key restricted to the Sheets API",
    least_right="anyone with the link may view",
    rules=RULES,
)
