"""Where a table's header stands, and how its names are compared with those of a mapping: for text and sheets."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence

from dagster_project.wire.identity import visible

MOST_TITLE_LINES = 100  # above the header; reports have about ten


def header_name(text: str) -> str:
    """A column's name without what nobody sees: spaces of all kinds are one space, none at the ends; NFC; no marks."""
    return re.sub(r"\s+", " ", unicodedata.normalize("NFC", visible(text))).strip()


def find_header(rows: Iterator[tuple[int, Sequence[str]]], names: Collection[str]) -> tuple[int, list[str]] | None:
    """The first of `rows` (place, cells) that has all the names, as (place, its names); else the one that has most
    of them, if any has half."""
    wanted = {header_name(name) for name in names}
    best: tuple[int, list[str]] | None = None
    most = max(1, len(wanted) // 2) - 1
    for place, row in rows:
        header = [header_name(cell) for cell in row]
        found = len(wanted.intersection(header))
        if found and found > most:
            best, most = (place, header), found
        if found == len(wanted):
            break
    return best
