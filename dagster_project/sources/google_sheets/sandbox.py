"""Google Sheets as the sandbox serves it: a ledger by its export link and by the Sheets API, and a sheet that is private.

Export: a redirect to another address, CSV as the sheet's locale shows it (here: German dates, "1.234,50"); who may not see
a sheet gets a page to sign in, with 200. API: numbers and serial dates as stored, empty cells at the end of rows cut off.

https://developers.google.com/workspace/sheets/api/reference/rest/v4/spreadsheets.values/get
"""

from __future__ import annotations

import csv
import io
from datetime import date
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from dagster_project.sandbox.endpoints import Served
from dagster_project.sandbox.faults import Answer, FaultAnswers, Faults

if TYPE_CHECKING:
    from dagster_project.sandbox.company import Company
    from dagster_project.sandbox.server import Clock

VENDOR = "google_sheets"
SHEET, PRIVATE, KEY = "1kontorraLedger", "1kontorraPrivate", "sandbox-sheets-key"
HEADER = ("Line id", "Start date", "End date", "Amount", "Currency code", "Cost type", "Motion", "Channel")
# The company's invented ledger: what no ad platform bills. A line begins on the first of its month.
MONTHLY = (
    ("content", "labour", "inbound", 3150.50),
    ("agency", "agency", "outbound", 1100.00),
    ("crm-seats", "technology", None, 640.25),
)
FIRST_MONTH = (2025, 9)
_SIGN_IN = (
    '<!DOCTYPE html><html lang="en"><head><title>Google Sheets: Sign-in</title></head><body>Sign in</body></html>'
)

_QUOTA = "Quota exceeded for quota metric 'Read requests' and limit 'Read requests per minute per user'"
FAULT_ANSWERS: FaultAnswers = {
    "throttle": Answer(429, {"error": {"code": 429, "message": _QUOTA, "status": "RESOURCE_EXHAUSTED"}}),
    "server_error": Answer(503, {"error": {"code": 503, "message": "Unavailable.", "status": "UNAVAILABLE"}}),
}


def _months(today: date) -> list[tuple[date, date]]:
    """First and last day of each month from the first one to that of `today`."""
    found, (year, month) = [], FIRST_MONTH
    while date(year, month, 1) <= today:
        following = date(year + month // 12, month % 12 + 1, 1)
        found.append((date(year, month, 1), date.fromordinal(following.toordinal() - 1)))
        year, month = following.year, following.month
    return found


def lines(today: date) -> list[tuple[Any, ...]]:
    return [
        (f"{name}-{first:%Y-%m}", first, last, amount, "EUR", cost_type, motion, None)
        for first, last in _months(today)
        for name, cost_type, motion, amount in MONTHLY
    ]


def _displayed(cell: Any) -> str:
    if isinstance(cell, date):
        return f"{cell:%d.%m.%Y}"
    if isinstance(cell, float):
        return f"{cell:,.2f}".translate(str.maketrans(",.", ".,"))
    return "" if cell is None else str(cell)


def _stored(row: tuple[Any, ...]) -> list[Any]:
    cells = [
        cell.toordinal() - date(1899, 12, 30).toordinal() if isinstance(cell, date) else "" if cell is None else cell
        for cell in row
    ]
    while cells and cells[-1] == "":
        cells.pop()
    return cells


def _refused(status: int, word: str, message: str) -> JSONResponse:
    return JSONResponse({"error": {"code": status, "message": message, "status": word}}, status)


def variables(served: Served) -> dict[str, str]:
    return {"GOOGLE_SHEETS_ID": SHEET, "GOOGLE_SHEETS_BASE_URL": served.at, "GOOGLE_SHEETS_API_URL": served.at}


def app(company: Company, clock: Clock, faults: Faults) -> Starlette:
    def table(request: Request) -> list[tuple[Any, ...]]:
        rows = lines(clock.today())
        if faults.take(VENDOR, "duplicate_row", f"GET {request.url.path}") is not None:
            rows.append(rows[-1])
        is_wider = faults.take(VENDOR, "unknown_field", f"GET {request.url.path}") is not None
        rows = [HEADER, *rows]
        return [(*row, "Approved by" if n == 0 else "board") for n, row in enumerate(rows)] if is_wider else rows

    def export(request: Request) -> Response:
        sheet, gid = request.path_params["sheet"], request.query_params.get("gid", "0")
        if sheet == PRIVATE:
            return HTMLResponse(_SIGN_IN)
        if sheet != SHEET:
            return HTMLResponse("<html><title>Page not found</title></html>", 404)
        if gid != "0":
            return HTMLResponse("<html>Bad request</html>", 400)
        return RedirectResponse(f"/content/{sheet}.csv", 307)

    def content(request: Request) -> Response:
        text = io.StringIO()
        csv.writer(text, lineterminator="\r\n").writerows([_displayed(cell) for cell in row] for row in table(request))
        return PlainTextResponse(text.getvalue(), media_type="text/csv")

    def values(request: Request) -> Response:
        sheet, asked = request.path_params["sheet"], request.path_params["range"]
        if (request.headers.get("x-goog-api-key") or request.query_params.get("key")) != KEY:
            return _refused(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.")
        if sheet == PRIVATE:
            return _refused(403, "PERMISSION_DENIED", "The caller does not have permission")
        if sheet != SHEET:
            return _refused(404, "NOT_FOUND", "Requested entity was not found.")
        tab, _, cells = asked.rpartition("!")
        if tab not in ("", "Costs") or not cells:
            return _refused(400, "INVALID_ARGUMENT", f"Unable to parse range: {asked}")
        if request.query_params.get("valueRenderOption") != "UNFORMATTED_VALUE":
            rows: list[list[Any]] = [[_displayed(cell) for cell in row] for row in table(request)]
        else:
            rows = [_stored(row) for row in table(request)]
        return JSONResponse({"range": f"Costs!{cells}", "majorDimension": "ROWS", "values": rows})

    return Starlette(
        routes=[
            Route("/spreadsheets/d/{sheet}/export", export),
            Route("/content/{sheet}.csv", content),
            Route("/v4/spreadsheets/{sheet}/values/{range}", values),
        ]
    )
