"""Numbers, units, periods and marks as people read them: defined once, for every table that is shown."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

REASONS = {
    "zero_denominator": "nothing to divide by",
    "no_spend": "no spend",
    "no_data": "no data",
    "immature": "too young",
    "missing_rate": "rate missing",
}
INCOMPLETE = "incomplete"  # the flag of quality that has a mark of its own
MARKS = {
    "+": "running: the period is not over",
    "?": "incomplete: days, or one source of several, are missing",
    "*": "not final: a source may still restate it",
    "~": "few cases: fewer than 30 in the denominator of a rate or a score, fewer than 10 of anything else",
}


class Marks:
    """The marks of one shown table; `legend` explains those that were used, quality flags by number."""

    def __init__(self, today: date) -> None:
        self._today, self._used, self._flags = today, set[str](), list[str]()

    def of(self, row: Mapping[str, Any] | None) -> str:
        """`+?*~` and the numbers of the row's quality flags."""
        if row is None:
            return ""
        said = flags(row["quality"])
        is_running = row["period_end"] is not None and row["period_end"] >= self._today
        marks = {
            "+": is_running,
            "?": INCOMPLETE in said or (not is_running and not row["is_complete"]),
            "*": not is_running and not row["is_final"],
            "~": bool(row["low_n"]),
        }
        used = [mark for mark, is_set in marks.items() if is_set]
        self._used.update(used)
        return "".join(used) + "".join(f" {self._number(flag)}" for flag in said if flag != INCOMPLETE)

    def _number(self, flag: str) -> str:
        if flag not in self._flags:
            self._flags.append(flag)
        return f"({self._flags.index(flag) + 1})"

    def legend(self) -> str:
        lines = [f"{mark} {meaning}" for mark, meaning in MARKS.items() if mark in self._used]
        return "\n".join([*lines, *(f"{self._number(flag)} quality: {flag}" for flag in self._flags)])


def words(row: Mapping[str, Any], today: date) -> str:
    """The marks of one row as a sentence's end."""
    marks = Marks(today)
    marks.of(row)
    return marks.legend().replace("\n", "; ") or "final"


def flags(quality: str | None) -> list[str]:
    return [flag for flag in (quality or "").split(";") if flag not in ("", "ok")]


def unit_of(unit: str, currency: str) -> str:
    """What stands once at the head of a column, not beside every number."""
    return {
        "rate": "%",
        "percent": "%",
        "money": currency,
        "money/day": f"{currency}/day",
        "multiple": "x",
        "days": "days",
        "months": "months",
    }.get(unit, "")


def value_of(row: Mapping[str, Any], unit: str) -> str:
    """The value, or why there is none."""
    if row["value"] is None:
        return REASONS.get(row["reason"] or "", row["reason"] or "")
    return number(row["value"], unit)


def number(value: float | None, unit: str) -> str:
    """Without its unit; money with cents below 1,000."""
    if value is None:
        return ""
    if unit in ("rate", "percent"):
        return f"{value * 100:.1f}"
    if unit in ("money", "money/day"):
        return f"{value:,.2f}" if abs(value) < 1000 else f"{value:,.0f}"
    if unit == "multiple":
        return f"{value:,.2f}"
    if unit in ("days", "months", "points", "position"):
        return f"{value:,.1f}"
    return plain(value)


def with_unit(value: float | None, unit: str, currency: str) -> str:
    if value is None:
        return ""
    sign = unit_of(unit, currency)
    return f"{number(value, unit)}{'' if sign in ('%', 'x', '') else ' '}{sign}"


def plain(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"


def change(row: Mapping[str, Any], name: str, unit: str) -> str:
    """Against another period: percentage points for rates, else percent."""
    value = row[name]
    if value is None:
        return ""
    if unit == "points":
        return f"{value:+.1f}"
    return f"{value * 100:+.1f} pp" if unit in ("rate", "percent") else f"{value:+.0%}"


def period(start: date, grain: str) -> str:
    """As `explain --period` takes it, where it is a period of the calendar; else its first day."""
    if grain == "month":
        return f"{start:%Y-%m}"
    if grain == "week" and start.weekday() == 0:
        return f"{start.isocalendar().year}-W{start.isocalendar().week:02d}"
    if grain == "quarter" and start.month % 3 == 1:
        return f"{start.year}-Q{(start.month + 2) // 3}"
    if grain == "year" and start.month == 1:
        return str(start.year)
    if grain == "year":  # a fiscal year is named after the calendar year that it ends in
        return f"FY{start.year + 1}"
    return f"from {start}" if grain == "quarter" else str(start)


def moment(value: Any) -> str:
    return f"{value:%Y-%m-%d %H:%M}" if value else ""
