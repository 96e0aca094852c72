"""Sweeping mappings of dropped files in tests: what a person would write in funnelhouse.yml, and the rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from dagster_project.sources.files import STREAMS
from dagster_project.sources.files.mappings import FileMapping
from dagster_project.sources.files.settings import FilesSettings
from dagster_project.wire import Tally

LEADS = {
    "name": "crm",
    "stream": "leads",
    "path": "leads.csv",
    "columns": {"lead_id": "id", "created_at": "created"},
}
ORDERS = {
    "name": "shop",
    "stream": "orders",
    "path": "orders.csv",
    "columns": {"order_id": "id", "ordered_at": "day", "amount": "total"},
    "constants": {"currency_code": "EUR"},
}


def settings(folder: Path, *mappings: dict[str, Any], time_zone: str = "UTC") -> FilesSettings:
    return FilesSettings(
        mappings=tuple(FileMapping.model_validate(mapping) for mapping in mappings),
        base_folder=str(folder),
        reporting_time_zone=time_zone,
        hash_key="a key that is long enough",
    )


def swept(
    folder: Path, *mappings: dict[str, Any], stream: str | None = None, time_zone: str = "UTC"
) -> tuple[pa.Table, Tally]:
    """The table of one stream (default: of the first mapping) and what the sweep told."""
    name = stream or mappings[0]["stream"]
    tally = Tally()
    declared = next(s for s in STREAMS if s.name == name)
    pages = declared.sweep(settings(folder, *mappings, time_zone=time_zone), tally)
    tables = [page.rows for page in pages]
    return pa.concat_tables([declared.schema.empty_table(), *tables]), tally
