"""A sheet's grid to cost lines: which column is which, and what people write in cells. A row that cannot be taken is told."""

from __future__ import annotations

import calendar
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from dagster_project.wire.cells import shown
from dagster_project.wire.contract import DriftError, Tally
from dagster_project.wire.http import Json
from dagster_project.wire.ledger import COST_LINES

WHERE = {"source": "google_sheets", "stream": "cost_lines"}
COST_TYPES = ("media", "labour", "technology", "agency", "overhead", "distribution")
MOTIONS = ("inbound", "outbound")
MONTH = "month"  # stands for start_date and end_date: the first and the last day of the month that it lies in
COLUMNS = (*COST_LINES, MONTH)
_SERIAL_ZERO = date(1899, 12, 30)  # day 0 of a spreadsheet's serial dates
_LAST_SERIAL = 2_958_465  # 9999-12-31
_TOTALS = ("total", "grand total", "subtotal", "sum", "summe", "gesamt", "итого", "всего")


class Unreadable(Exception):
    """Why a row cannot be taken."""


@dataclass(frozen=True)
class Writing:
    """How people write in this sheet. `columns`: our column -> the header over it. Without `decimal`, a number that can
    be read in two ways is refused."""

    columns: Mapping[str, str]
    currency: str | None = None
    decimal: str | None = None
    date_format: str | None = None


def cost_lines(grid: Sequence[Sequence[Json]], account_id: str, writing: Writing, tally: Tally) -> list[dict[str, Any]]:
    """The cost lines under the header, which is the first row that is not empty. Raises DriftError for a header that
    lacks a column or has it twice, and where no row at all can be read."""
    start = next((place for place, row in enumerate(grid) if any(_text(cell) for cell in row)), None)
    if start is None:
        raise DriftError(
            f"sheet {account_id} is empty: it has not even a header. A ledger without costs has one; is it the right tab?",
            **WHERE,
        )
    header = [_text(cell) for cell in grid[start]]
    places = _places(header, account_id, writing)
    found, refused, copies = [], [], Counter[str]()
    for number, row in enumerate(grid[start + 1 :], start=start + 2):
        cells = {name: row[place] if place < len(row) else None for name, place in places.items()}
        if not any(_text(cell) for cell in row):
            continue
        if _is_total(row, cells):
            tally.note(f"sheet {account_id}, row {number} is a total and was left out")
            continue
        try:
            line = _line(cells, number, writing)
        except Unreadable as why:
            refused.append(f"sheet {account_id}, row {number}: {why}")
            tally.bad_row(refused[-1], _money(cells, writing), _days(cells, writing))
            continue
        copies[line["line_id"]] += 1
        used = set(places.values())
        other = {header[at] or f"column {at + 1}": shown(_text(cell)) for at, cell in enumerate(row[: len(header)])
                 if at not in used and _text(cell)}  # fmt: skip
        found.append({**line, "_row": number, "_copy": copies[line["line_id"]], "account_id": account_id, **other})
    if refused and not found:
        raise DriftError(f"none of {len(refused)} rows can be read; the first: {refused[0]}", **WHERE)
    return found


# ---- header --------------------------------------------------------------------------------------------------


def _places(header: list[str], account_id: str, writing: Writing) -> dict[str, int]:
    """Our column -> its place. Never by position: a column that is put in between would shift all others in silence."""
    plain = [_plain(name) for name in header]
    places = {}
    for name in COLUMNS:
        wanted = _plain(writing.columns.get(name, name))
        if (count := plain.count(wanted)) > 1:
            raise DriftError(f"sheet {account_id} has column {wanted!r} {count} times; give one another name", **WHERE)
        if count:
            places[name] = plain.index(wanted)
        elif name in writing.columns:
            raise DriftError(_lacks(account_id, writing.columns[name], header), **WHERE)
    dates = [] if MONTH in places else ["start_date", "end_date"]
    for name in (*dates, "amount", "cost_type", *([] if writing.currency else ["currency_code"])):
        if name not in places:
            more = ", or set sources.google_sheets.currency" if name == "currency_code" else ""
            more = ", or a column month" if name in dates else more
            raise DriftError(_lacks(account_id, name, header) + more, **WHERE)
    return places


def _lacks(account_id: str, name: str, header: list[str]) -> str:
    seen = ", ".join(shown(each) for each in header if each)
    return (
        f"sheet {account_id} has no column {name!r} in its header ({seen}); name it so, "
        "or say under sources.google_sheets.columns in funnelhouse.yml what it is called"
    )


def _plain(name: str) -> str:
    return re.sub(r"[\s_]+", "_", name.strip().lower())


# ---- rows ----------------------------------------------------------------------------------------------------


def _line(cells: Mapping[str, Json], number: int, writing: Writing) -> dict[str, Any]:
    start, end = _span(cells, writing)
    amount = _number(cells.get("amount"), "amount", writing)
    currency = (_text(cells.get("currency_code")) or writing.currency or "").upper()
    if not re.fullmatch("[A-Z]{3}", currency):
        raise Unreadable(f"currency_code {shown(currency)!r} is no code of three letters")
    share = _share(cells.get("acquisition_share"), writing)
    return {
        "line_id": _text(cells.get("line_id")) or f"row {number}",
        "start_date": start,
        "end_date": end,
        "amount": amount,
        "currency_code": currency,
        "cost_type": _choice(cells, "cost_type", COST_TYPES),
        "motion": _choice(cells, "motion", MOTIONS) if _text(cells.get("motion")) else None,
        "channel": _text(cells.get("channel")) or None,
        "campaign": _text(cells.get("campaign")) or None,
        "acquisition_share": share,
    }


def _span(cells: Mapping[str, Json], writing: Writing) -> tuple[date, date]:
    if not _text(cells.get("start_date")) and not _text(cells.get("end_date")) and MONTH in cells:
        month = _day(cells[MONTH], MONTH, writing)
        last = calendar.monthrange(month.year, month.month)[1]
        return month.replace(day=1), month.replace(day=last)
    start, end = (_day(cells.get(name), name, writing) for name in ("start_date", "end_date"))
    if end < start:
        raise Unreadable(f"end_date {end} is before start_date {start}")
    return start, end


def _choice(cells: Mapping[str, Json], name: str, allowed: Sequence[str]) -> str:
    text = _text(cells.get(name)).lower()
    if text not in allowed:
        raise Unreadable(f"{name} {shown(text)!r} is none of {', '.join(allowed)}")
    return text


def _is_total(row: Sequence[Json], cells: Mapping[str, Json]) -> bool:
    """A line that sums up the others: it has no date, and begins with such a word."""
    if any(_text(cells.get(name)) and not _says_total(cells.get(name)) for name in ("start_date", "end_date", MONTH)):
        return False
    return _says_total(next((cell for cell in row if _text(cell)), ""))


def _says_total(cell: Json) -> bool:
    return _text(cell).rstrip(":").strip().lower() in _TOTALS


def _money(cells: Mapping[str, Json], writing: Writing) -> dict[str, Decimal]:
    """What a refused row says of money, where that can be read."""
    currency = (_text(cells.get("currency_code")) or writing.currency or "").upper()
    try:
        return {f"amount {currency}".strip(): _number(cells.get("amount"), "amount", writing)}
    except Unreadable:
        return {}


def _days(cells: Mapping[str, Json], writing: Writing) -> list[date]:
    """The days that a refused row would have counted for, where they can be read."""
    try:
        start, end = _span(cells, writing)
    except Unreadable:
        return []
    return [start + timedelta(days=n) for n in range((end - start).days + 1)]


# ---- cells ---------------------------------------------------------------------------------------------------


def _text(cell: Json) -> str:
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return "" if cell is None else str(cell).strip()


def _day(cell: Json, name: str, writing: Writing) -> date:
    """A serial number, 2026-10-01, 2026-10, 01.10.2026, or as `date_format` says. 01/10/2026 can be read in two ways."""
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        if not 1 <= cell <= _LAST_SERIAL:
            raise Unreadable(f"{name} {cell} is no serial date")
        return _SERIAL_ZERO + timedelta(days=int(cell))
    text = _text(cell)
    for form in [writing.date_format] if writing.date_format else ["%Y-%m-%d", "%Y-%m", "%d.%m.%Y"]:
        try:
            return datetime.strptime(text, form).date()
        except ValueError:
            continue
    if not text:
        raise Unreadable(f"{name} is empty")
    form = writing.date_format or "2026-10-01, 2026-10 or 01.10.2026"
    raise Unreadable(f"{name} {shown(text)!r} is not written as {form}; see sources.google_sheets.date_format")


def _number(cell: Json, name: str, writing: Writing) -> Decimal:
    """A number as JSON has it, or as a sheet shows it: "5 000,00", "€1,234.50", "(12.50)"."""
    if isinstance(cell, bool):
        raise Unreadable(f"{name} {cell} is no number")
    if isinstance(cell, int | float):
        return Decimal(repr(cell))
    text = re.sub(r"[\s'’\u00a0\u202f\u2009]", "", _text(cell)).replace("\u2212", "-")
    if not text:
        raise Unreadable(f"{name} is empty")
    is_negative = text.startswith("(") and text.endswith(")")
    bare = re.sub(r"^([-+]?)[A-Za-z]{0,3}[$€£₽¥]?([-+]?)", r"\1\2", text.strip("()"))
    bare = re.sub(r"(?:[$€£₽¥]|[A-Za-z]{2,3}|руб\.?)$", "", bare)
    if not re.fullmatch(r"[-+]?\d[\d.,]*", bare):
        raise Unreadable(f"{name} {shown(_text(cell))!r} is no number")
    mark = writing.decimal or _mark(bare, name)
    whole, _, part = bare.partition(mark)
    grouping = "," if mark == "." else "."
    is_grouped = grouping not in whole or re.fullmatch(rf"[-+]?\d{{1,3}}(?:{re.escape(grouping)}\d{{3}})+", whole)
    try:
        if not is_grouped or grouping in part or mark in part:
            raise InvalidOperation
        value = Decimal(f"{whole.replace(grouping, '')}.{part or '0'}")
    except InvalidOperation:
        raise Unreadable(f"{name} {shown(_text(cell))!r} is no number with {mark!r} for decimals") from None
    return -value if is_negative else value


def _mark(bare: str, name: str) -> str:
    """Which sign is the decimal one, where nobody has said so."""
    marks = [sign for sign in bare if sign in ".,"]
    if not marks:
        return "."
    if len(set(marks)) == 2:
        return marks[-1]
    if len(marks) > 1:  # 1,234,567: a sign that comes twice groups
        return "." if marks[0] == "," else ","
    if len(bare.partition(marks[0])[2]) == 3:
        raise Unreadable(f"{name} {bare!r} can be read in two ways; set sources.google_sheets.decimal to '.' or ','")
    return marks[0]


def _share(cell: Json, writing: Writing) -> float | None:
    text = _text(cell)
    if not text:
        return None
    is_percent = text.endswith("%")
    share = _number(text.rstrip("% ") if is_percent else cell, "acquisition_share", writing) / (
        100 if is_percent else 1
    )
    if not 0 <= share <= 1:
        raise Unreadable(f"acquisition_share {shown(text)!r} is not between 0 and 1")
    return float(share)
