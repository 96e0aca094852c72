"""What a dbt node was built from, as one text: its code and that of the project, its parents' texts, the raw days it reads.

A node whose text is what it was, and whose relation is there, need not be built again. The texts are kept in the
warehouse, beside what a test said (`intermediate.built_nodes`). Three rules keep them from ever saying too little:

* A macro, a Python module that models import, a version or a setting of the project is part of every text, and so is
  which model is made of which and how it is configured, since macros walk that graph: after an upgrade all is built anew.
* What is about to be built loses its text first (macros/built_nodes.sql does it for dbt that is started by hand), and gets
  the new one when the whole build has passed.
* Small views over the rules and the state of the streams change at every run while what they give stays the same, so
  they count by their rows, read from the view itself where it is of this code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.warehouse.row_digest import digest_of

TABLE = "intermediate.built_nodes"
COUNTED_BY_ROWS = ("raw_config", "raw_meta")  # sources of small views
# where a node stands and when it was parsed says nothing of what it gives
_NOT_OF_THE_CODE = ("created_at", "original_file_path", "patch_path", "build_path", "compiled_path", "root_path")
_PACKAGES = ("dbt-core", "dbt-duckdb", "dbt-metricflow", "duckdb", "numpy", "pyarrow")
Manifest = Mapping[str, Any]


@dataclass(frozen=True)
class Built:
    """A row of the table: `code` is the node's own, `result` what a test said, as JSON."""

    code: str
    fingerprint: str
    result: str


def in_order(manifest: Manifest) -> list[str]:
    """Seeds, models and tests, parents before children."""
    nodes = manifest["nodes"]
    order: list[str] = []
    seen: set[str] = set()
    for root in sorted(nodes):
        waiting = [(root, False)]
        while waiting:
            name, is_done = waiting.pop()
            if is_done:
                order.append(name)
            elif name in nodes and name not in seen:
                seen.add(name)
                waiting.append((name, True))
                waiting += [(parent, False) for parent in _parents(nodes[name])]
    return [name for name in order if nodes[name]["resource_type"] in ("seed", "model", "test")]


def codes(manifest: Manifest, project: Path, more: Iterable[str] = ()) -> dict[str, str]:
    """Of each node its own code, with what all of them share: the project's graph, macros and settings, modules that
    models import, versions, and `more` (where the raw zone is)."""
    files = [
        project / "dbt_project.yml",
        project / "profiles.yml",
        *sorted(Path(__file__).parent.glob("*.py")),
    ]
    shared = _digest(
        *(f"{package} {version(package)}" for package in _PACKAGES),
        *(macro["macro_sql"] for name, macro in sorted(manifest["macros"].items()) if _is_own(macro, manifest)),
        *(path.read_text() for path in files),
        *_graph(manifest),
        *more,
    )
    every = {**manifest["nodes"], **manifest["sources"]}
    return {name: _digest(shared, _code(node)) for name, node in every.items()}


def fingerprints(
    manifest: Manifest, codes: Mapping[str, str], streams: Mapping[str, str], rows: Mapping[str, str]
) -> dict[str, str]:
    """The text of each node. `streams`: by "<source>.<stream>" what is stored of it; `rows`: what the views that count by
    their rows give, as `rows_of_views` tells it."""
    found: dict[str, str] = {}
    nodes, sources = manifest["nodes"], manifest["sources"]

    def of_parent(name: str) -> str:
        if name in sources:
            source = sources[name]
            stored = streams.get(f"{source['source_name'].removeprefix('raw_')}.{source['name']}")
            return _digest(codes[name], stored or "-")
        return rows.get(name) or found.get(name, "-")

    for name in in_order(manifest):
        parents = sorted(f"{parent}={of_parent(parent)}" for parent in _parents(nodes[name]))
        found[name] = _digest(codes[name], rows.get(name, ""), *([] if name in rows else parents))
    return found


def rows_of_views(
    connection: duckdb.DuckDBPyConnection, manifest: Manifest, codes: Mapping[str, str], built: Mapping[str, Built]
) -> dict[str, str]:
    """What the views that count by their rows give now; "" for one that is not there, or of other code."""
    standing = relations(connection)
    found: dict[str, str] = {}
    for name in in_order(manifest):
        node = manifest["nodes"][name]
        if not _counts_by_rows(name, manifest):
            continue
        is_current = _relation(node) in standing and name in built and built[name].code == codes[name]
        is_current = is_current and all(found.get(parent) for parent in _parents(node) if parent in manifest["nodes"])
        found[name] = _rows(connection, _relation(node)) if is_current else ""
    return found


def rows_now(connection: duckdb.DuckDBPyConnection, manifest: Manifest) -> dict[str, str]:
    """What the views that count by their rows give now, whatever their code; of those that stand."""
    standing, nodes = relations(connection), manifest["nodes"]
    counted = [name for name in in_order(manifest) if _counts_by_rows(name, manifest)]
    return {name: _rows(connection, _relation(nodes[name])) for name in counted if _relation(nodes[name]) in standing}


def _rows(connection: duckdb.DuckDBPyConnection, relation: str) -> str:
    columns = connection.execute(f"describe from {relation}").fetchall()
    digest = digest_of(connection, relation)
    [(count, rows)] = connection.execute(f"select count(*), {digest}::varchar from {relation}").fetchall()
    return f"{count}:{rows}:{_digest(*(f'{name} {kind}' for name, kind, *_ in columns))}"


def dirty(
    manifest: Manifest,
    wanted: Collection[str],
    now: Mapping[str, str],
    built: Mapping[str, Built],
    there: Collection[str],
) -> set[str]:
    """Of the wanted nodes those that have to be built or tested. `there`: relations that stand."""
    nodes = manifest["nodes"]
    return {
        name
        for name in wanted
        if name not in built
        or built[name].fingerprint != now[name]
        or (nodes[name]["resource_type"] != "test" and _relation(nodes[name]) not in there)
    }


# ---- in the warehouse --------------------------------------------------------------------------------------


def recall(connection: duckdb.DuckDBPyConnection) -> dict[str, Built]:
    if TABLE not in relations(connection):
        return {}
    rows = connection.execute(f"select node, code, fingerprint, result from {TABLE}").fetchall()
    return {node: Built(*rest) for node, *rest in rows}


def forget(connection: duckdb.DuckDBPyConnection, names: Collection[str]) -> None:
    if names and TABLE in relations(connection):
        connection.execute(f"delete from {TABLE} where list_contains(?, node)", [sorted(names)])


def remember(connection: duckdb.DuckDBPyConnection, built: Mapping[str, Built]) -> None:
    connection.execute("create schema if not exists intermediate")
    connection.execute(
        f"create table if not exists {TABLE} (node varchar, code varchar, fingerprint varchar, result varchar)"
    )
    rows = [(name, one.code, one.fingerprint, one.result) for name, one in built.items()]
    columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], [], []]
    connection.execute("begin")
    forget(connection, built)
    connection.execute(f"insert into {TABLE} select unnest(?), unnest(?), unnest(?), unnest(?)", columns)
    connection.execute("commit")


def relations(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """schema.name of every table and view."""
    rows = connection.execute(
        "select schema_name || '.' || table_name from duckdb_tables() where not temporary "
        "union all select schema_name || '.' || view_name from duckdb_views() where not temporary"
    ).fetchall()
    return {name for (name,) in rows}


# ---- inside ------------------------------------------------------------------------------------------------


def _parents(node: Mapping[str, Any]) -> list[str]:
    return node.get("depends_on", {}).get("nodes", [])


def _relation(node: Mapping[str, Any]) -> str:
    return f"{node['schema']}.{node['alias']}"


def _counts_by_rows(name: str, manifest: Manifest) -> bool:
    if name in manifest["sources"]:
        return manifest["sources"][name]["source_name"] in COUNTED_BY_ROWS
    node = manifest["nodes"].get(name)
    return (
        node is not None
        and node["resource_type"] == "model"
        and node["config"]["materialized"] == "view"
        and bool(_parents(node))
        and all(_counts_by_rows(parent, manifest) for parent in _parents(node))
    )


def _graph(manifest: Manifest) -> Iterator[str]:
    """What macros can learn from dbt's `graph`, but for the code of single nodes; tests are not looked for in it."""
    for name, node in sorted({**manifest["nodes"], **manifest["sources"]}.items()):
        if node["resource_type"] != "test":
            yield f"{name}<{' '.join(_parents(node))}:{json.dumps(node.get('config'), sort_keys=True, default=str)}"


def _is_own(macro: Mapping[str, Any], manifest: Manifest) -> bool:
    return macro["package_name"] == manifest["metadata"]["project_name"]


def _code(node: Mapping[str, Any]) -> str:
    return json.dumps({k: v for k, v in node.items() if k not in _NOT_OF_THE_CODE}, sort_keys=True, default=str)


def _digest(*texts: str) -> str:
    whole = hashlib.sha256()
    for text in texts:
        whole.update(f"{len(text)}:".encode() + text.encode())
    return whole.hexdigest()
