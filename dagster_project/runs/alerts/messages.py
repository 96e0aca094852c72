"""A trouble, or its end, as a message in plain text. Whatever came from outside (names, words of vendors) is one line each."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from dagster_project.runs.alerts.book import Entry

MOST_ITEMS = 8
MOST_KPIS = 12
LONGEST_LINE = 400
# they turn the rest of the line around, and with it what it seems to say
_TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")


def title_of(entry: Entry) -> str:
    over = "Over: " if entry.over else ""
    return f"Funnelhouse: {over}{_line(entry.trouble.title, 150)}"


def body_of(entry: Entry, home: Path, time_zone: str) -> str:
    """What happened, why, which KPIs rest on it, what to run; of what is over: from when to when it was so."""
    trouble, since = entry.trouble, _moment(entry.since, time_zone)
    items = [f"- {_line(name, 100)}: {_line(said)}" for name, said in list(trouble.items.items())[:MOST_ITEMS]]
    if len(trouble.items) > MOST_ITEMS:
        items.append(f"- and {len(trouble.items) - MOST_ITEMS} more")
    if entry.over:
        return "\n".join(
            [f"It was so from {since} to {_moment(entry.over, time_zone)}. Nothing needs to be done.", *items]
        )
    why = [_line(line) for line in trouble.why.splitlines() if line.strip()][: MOST_ITEMS + 4]
    kpis = ", ".join(trouble.kpis[:MOST_KPIS]) + (
        f" and {len(trouble.kpis) - MOST_KPIS} more" if len(trouble.kpis) > MOST_KPIS else ""
    )
    return "\n".join(
        [
            *items,
            *([f"Cause: {why[0]}", *why[1:]] if why else []),
            *([f"KPIs touched: {kpis}"] if kpis else []),
            f"Run: {_line(trouble.command)}",
            f"Since {since}, in {home}",
        ]
    )


def _moment(moment: datetime, time_zone: str) -> str:
    return f"{moment.astimezone(ZoneInfo(time_zone)):%Y-%m-%d %H:%M %Z}"


def _line(text: str, longest: int = LONGEST_LINE) -> str:
    """One line without characters that control the line; a name that is too long is cut."""
    plain = "".join(" " if unicodedata.category(letter) == "Cc" else letter for letter in text if letter not in _TURNS)
    plain = " ".join(plain.split())
    return plain if len(plain) <= longest else f"{plain[: longest - 1]}…"
