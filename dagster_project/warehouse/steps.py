"""Steps after dbt that need not be done again: what each was made of, kept beside the nodes that it was made from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.warehouse import fingerprints
from dagster_project.warehouse.fingerprints import Built, Manifest

_PREFIX = "step."


def made_of(connection: duckdb.DuckDBPyConnection, manifest: Manifest, files: Iterable[Path]) -> str | None:
    """A text that changes with any table that dbt builds and with any of the `files` (the step's own code, what it reads);
    None where a table is not known to be up to date. Views give what the raw zone holds now, which another run may have
    written since dbt built, so their rows count too."""
    built = fingerprints.recall(connection)
    there = fingerprints.relations(connection)
    whole = hashlib.sha256()
    for name in fingerprints.in_order(manifest):
        node = manifest["nodes"][name]
        if node["resource_type"] == "test":
            continue
        if name not in built or f"{node['schema']}.{node['alias']}" not in there:
            return None
        whole.update(f"{name}={built[name].fingerprint}\n".encode())
    for name, rows in fingerprints.rows_now(connection, manifest).items():
        whole.update(f"{name}:{rows}\n".encode())
    for path in files:
        whole.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()


def result_of(connection: duckdb.DuckDBPyConnection, step: str, text: str | None) -> dict[str, Any] | None:
    """What the step gave when it was last done, where that was of the same; None: do it."""
    known = fingerprints.recall(connection).get(_PREFIX + step)
    return json.loads(known.result) if known and text is not None and known.fingerprint == text else None


def begin(connection: duckdb.DuckDBPyConnection, step: str) -> None:
    fingerprints.forget(connection, [_PREFIX + step])


def done(connection: duckdb.DuckDBPyConnection, step: str, text: str | None, result: dict[str, Any]) -> None:
    if text is not None:
        fingerprints.remember(connection, {_PREFIX + step: Built("", text, json.dumps(result))})
