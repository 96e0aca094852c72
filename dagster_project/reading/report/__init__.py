"""The report: one HTML file that needs nothing else, written beside the tables that it shows."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

from dagster_project.publish import DATABASE, REPORT, Published
from dagster_project.reading.report.content import content_of
from dagster_project.reading.report.page import made_from, page_of


def write_report(published: Published, today: date) -> Path:
    """Render `report.html` of a publish, and put it into its folder in one rename; the one that is there is kept where it
    would say the same (no table changed, same day, same page).

    Returns where it is. Raises duckdb.Error where the publish cannot be read, OSError where nothing can be written.
    """
    folder = published.folder.resolve()  # this publish's own: the link may move on meanwhile
    target, stamp = folder / REPORT, made_from(today)
    if published.changed or not _has(target, stamp):
        partial = target.with_name(f".{REPORT}.partial")
        partial.write_text(page_of(content_of(folder / DATABASE, today), stamp), encoding="utf-8")
        os.replace(partial, target)
    return published.folder / REPORT


def _has(page: Path, stamp: str) -> bool:
    try:
        with page.open(encoding="utf-8") as file:
            return stamp in file.read(1000)
    except (OSError, UnicodeDecodeError):
        return False
