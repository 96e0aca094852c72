"""What every connector stands on: the contract of a stream, HTTP, columns, identity. No vendor's word is in here.

Pure Python: nothing here imports dagster, dbt, duckdb or the raw zone.
"""

from __future__ import annotations

from dagster_project.wire.contract import (
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

__all__ = [
    "FIRST_DAY",
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
    "next_period",
    "period_start",
    "schema",
    "whole_periods",
]
