"""The sources that Funnelhouse can read, and the contract that they keep (`contract.py`).

Pure Python: settings in, Arrow pages out. Nothing here imports dagster, dbt, duckdb or the raw zone.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from dagster_project.connectors.contract import (
    FIRST_DAY,
    AuthError,
    ConfigError,
    DriftError,
    Page,
    QuotaError,
    SourceError,
    Stream,
    Tally,
    VendorError,
    Window,
    next_period,
    period_start,
    schema,
    whole_periods,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dagster_project.settings import Settings

__all__ = [
    "FIRST_DAY",
    "SOURCES",
    "AuthError",
    "ConfigError",
    "DriftError",
    "Page",
    "QuotaError",
    "SourceError",
    "Stream",
    "Tally",
    "VendorError",
    "Window",
    "all_streams",
    "next_period",
    "period_start",
    "schema",
    "settings_of",
    "whole_periods",
]

# source -> module with STREAMS; the settings attribute has the source's name. Order = order of reading.
SOURCES: Mapping[str, str] = {
    "config": "dagster_project.connectors.config",
    "fx": "dagster_project.connectors.fx",
    "ga4": "dagster_project.connectors.ga4",
    "hubspot": "dagster_project.connectors.hubspot",
    "google_ads": "dagster_project.connectors.google_ads",
    "files": "dagster_project.connectors.files",
    "ga4_export": "dagster_project.connectors.ga4_export",
}


def all_streams() -> dict[str, tuple[Stream, ...]]:
    """Every stream of every source, on or off: source -> streams. Offline, needs no secrets."""
    return {source: tuple(importlib.import_module(module).STREAMS) for source, module in SOURCES.items()}


def settings_of(settings: Settings, source: str) -> Any | None:
    """The settings of one source, or None where the source is off."""
    return getattr(settings, source)
