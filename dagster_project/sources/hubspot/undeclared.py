"""What is kept of fields that nobody declared."""

from __future__ import annotations

from collections.abc import Set

from dagster_project.sources.hubspot.answers import Record
from dagster_project.wire.http import Json
from dagster_project.wire.json_cells import boolean


def undeclared(record: Record, known: Set[str]) -> Record:
    """Fields that nobody declared: small numbers and truth values as they are, of others only their kind.

    A text could be a name, a long number a phone; that the field is there is what has to be told.
    """
    return {name: _harmless(value) for name, value in record.items() if name not in known}


def _harmless(value: Json) -> Json:
    if value is None or isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < 10**6):
        return value
    if isinstance(value, str):
        try:
            return boolean(value)
        except ValueError:
            return "(text)"
    return f"({type(value).__name__})"
