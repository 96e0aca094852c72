"""What an asset says of itself beside its data: columns and types, number of rows, owners, and the file that makes it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa

DATA_TEAM = "team:data"  # answers for reading and publishing; marts and KPIs have owners of their own


def team(name: str) -> str:
    return f"team:{name}"


def column_schema(columns: Iterable[tuple[str, str, str]]) -> dict[str, Any]:
    """Of name, type and description."""
    table = dg.TableSchema([dg.TableColumn(name, kind, description or None) for name, kind, description in columns])
    return {"dagster/column_schema": table}


def fields_of(schema: pa.Schema, said_of: Callable[[str], str] = lambda _: "") -> dict[str, Any]:
    """The columns of a Parquet table, in Arrow's types, with what they hold where somebody says so."""
    return column_schema((field.name, str(field.type), said_of(field.name)) for field in schema)


def made_by(module: str | Path, what: str) -> dict[str, Any]:
    """A link to the file that makes the asset. Dagster calls such links a beta: no news to whoever starts a run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        reference = dg.LocalFileCodeReference(file_path=str(Path(module).resolve()), line_number=1, label=what)
        return {"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=[reference])}
