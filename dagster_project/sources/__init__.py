"""The sources that Funnelhouse can read, a folder each. The contract that they keep is `wire/contract.py`.

Pure Python: settings in, Arrow pages out. Nothing here imports dagster, dbt, duckdb or the raw zone.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from dagster_project.wire.contract import Stream

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dagster_project.settings import Settings

__all__ = ["SOURCES", "all_streams", "settings_of"]

# source -> module with STREAMS; the settings attribute has the source's name. Order = order of reading.
SOURCES: Mapping[str, str] = {
    "config": "dagster_project.sources.config",
    "fx": "dagster_project.sources.fx",
    "ga4": "dagster_project.sources.ga4",
    "hubspot": "dagster_project.sources.hubspot",
    "google_ads": "dagster_project.sources.google_ads",
    "files": "dagster_project.sources.files",
    "ga4_export": "dagster_project.sources.ga4_export",
}


def all_streams() -> dict[str, tuple[Stream, ...]]:
    """Every stream of every source, on or off: source -> streams. Offline, needs no secrets."""
    return {source: tuple(importlib.import_module(module).STREAMS) for source, module in SOURCES.items()}


def settings_of(settings: Settings, source: str) -> Any | None:
    """The settings of one source, or None where the source is off."""
    return getattr(settings, source)
