"""One dbt build of a warehouse, in this process: only what changed (fingerprints.py), and what came of every node.

dbt gets its folders and its variables from the caller, and is asked for nodes by name. Plain tests follow when it has
built, a statement a table (table_tests.py). Of what is not built again the last result stands: a test that passed over
the same rows passes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.memory import VARIABLE, memory_limit
from dagster_project.warehouse import fingerprints, table_tests
from dagster_project.warehouse.connections import opened
from dagster_project.warehouse.extensions import open_raw_root
from dagster_project.warehouse.fingerprints import Built, Manifest

LEFT_OUT = "DBT_EXCLUDE_RESOURCE_TYPES"
GOOD = ("success", "pass", "warn", "no-op")
Progress = Callable[[int, int], object]


@dataclass(frozen=True)
class Outcome:
    """What came of a node. `status` is dbt's: success, pass, warn, fail, error, skipped. `failures`: rows that a test
    found. `is_built`: in this build, or earlier from the same."""

    node: str
    status: str
    failures: int | None = None
    message: str = ""
    seconds: float = 0.0
    is_built: bool = True

    @property
    def is_good(self) -> bool:
        return self.status in GOOD


class DbtStopped(Exception):
    """dbt ended before its first node, or could not begin; the message is its own, or DuckDB's."""


@dataclass(frozen=True)
class Project:
    """The dbt project in `folder`, as its `manifest` says; `target`: the folder that dbt works in; `variables`: the
    arguments that it was parsed with."""

    folder: Path
    manifest: Manifest
    target: Path
    variables: Sequence[str] = ()


def build(
    project: Project,
    warehouse: Path,
    streams: Mapping[str, str],
    *,
    raw: str = "",
    only: Collection[str] | None = None,
    force: bool = False,
    progress: Progress = lambda done, total: None,
) -> list[Outcome]:
    """Build and test what changed; the outcome of every node that is not left out by DBT_EXCLUDE_RESOURCE_TYPES, parents
    first. Call it with dbt's variables in the environment and the warehouse closed.

    `streams`: by "<source>.<stream>" a text that changes with what is stored of it; `raw`: where. `only`: build exactly
    these nodes, changed or not, and remember nothing of it. `force`: build all from nothing.
    Raises DbtStopped.
    """
    manifest = project.manifest
    codes = fingerprints.codes(manifest, project.folder, (raw, *project.variables))
    wanted = _wanted(manifest, only)
    with _opened(warehouse, raw) as connection:
        before = {} if force else fingerprints.recall(connection)
        rows = fingerprints.rows_of_views(connection, manifest, codes, before)
        now = fingerprints.fingerprints(manifest, codes, streams, rows)
        there = fingerprints.relations(connection)
        dirty = set(wanted) if only is not None else fingerprints.dirty(manifest, wanted, now, before, there)
        fingerprints.forget(connection, dirty)
    plain = table_tests.queries(manifest, [name for name in wanted if name in dirty])
    asked = dirty - set(plain)
    found = {o.node: o for o in _run(project, asked, total=len(dirty), force=force, progress=progress)}
    for name in asked - set(found):
        found[name] = Outcome(name, "error", message="dbt was asked for it and gave no result")
    if plain:
        with _opened(warehouse, raw) as connection:
            found.update({o.node: o for o in _tested(project, connection, plain, found)})
        progress(len(dirty), len(dirty))
    outcomes = [found[name] if name in found else _as_before(name, before[name]) for name in wanted]
    if only is None and dirty and all(outcome.is_good for outcome in outcomes):
        with _opened(warehouse, raw) as connection:
            built = {**before, **{name: Built(codes[name], "", "") for name in dirty}}
            rows = fingerprints.rows_of_views(connection, manifest, codes, built)
            now = fingerprints.fingerprints(manifest, codes, streams, rows)
            kept = {name: Built(codes[name], now[name], _kept(found[name])) for name in dirty}
            fingerprints.remember(connection, kept)
    return outcomes


def _opened(warehouse: Path, raw: str) -> duckdb.DuckDBPyConnection:
    """As dbt opens it: views read the raw zone."""
    try:
        connection = opened(warehouse, memory_limit(os.environ.get(VARIABLE)))
    except duckdb.Error as error:  # no warehouse, or a damaged one
        raise DbtStopped(str(error)) from error
    open_raw_root(connection, raw)
    return connection


def _wanted(manifest: Manifest, only: Collection[str] | None) -> list[str]:
    left_out = os.environ.get(LEFT_OUT, "").split()
    return [
        name
        for name in fingerprints.in_order(manifest)
        if manifest["nodes"][name]["resource_type"] not in left_out and (only is None or name in only)
    ]


def _run(project: Project, names: Collection[str], *, total: int, force: bool, progress: Progress) -> Iterable[Outcome]:
    """dbt over the named nodes."""
    if not names:
        return
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner

    done = 0

    def hear(event: Any) -> None:
        nonlocal done
        if event.info.name == "NodeFinished":
            done += 1
            progress(done, total)

    nodes = project.manifest["nodes"]
    chosen = ["--indirect-selection", "empty", "--select", *sorted(nodes[n]["name"] for n in names)]
    arguments = [
        "build", "--quiet", "--no-write-json", "--no-use-colors", "--project-dir", str(project.folder), "--profiles-dir",
        str(project.folder), "--target-path", str(project.target), "--log-path", str(project.target),
        *project.variables, *(["--full-refresh"] if force else []), *chosen,
    ]  # fmt: skip
    try:
        answer = dbtRunner(callbacks=[hear]).invoke(arguments)
    finally:  # an open warehouse is closed to every other process
        DuckDBConnectionManager.close_all_connections()
    results = getattr(answer.result, "results", None)
    if results is None:
        raise DbtStopped(str(answer.exception or "it gave no reason"))
    for result in results:
        if result.node.unique_id in names:
            yield Outcome(
                result.node.unique_id,
                str(result.status),
                result.failures,
                result.message or "",
                round(result.execution_time, 3),
            )


def _tested(
    project: Project, connection: duckdb.DuckDBPyConnection, plain: Mapping[str, str], built: Mapping[str, Outcome]
) -> Iterable[Outcome]:
    """What came of the plain tests, in dbt's words. Those of a table that was not built are skipped, as dbt does it."""
    nodes = project.manifest["nodes"]
    asked = {}
    for name, query in plain.items():
        if all(built[parent].is_good for parent in nodes[name]["depends_on"]["nodes"] if parent in built):
            asked[name] = query
        else:
            yield Outcome(name, "skipped")
    for name, failures in table_tests.counted(connection, project.manifest, asked).items():
        if not isinstance(failures, int):
            yield Outcome(name, "error", message=str(failures))
        elif failures == 0:
            yield Outcome(name, "pass", 0)
        else:
            shown = project.target / "compiled" / nodes[name]["path"]
            shown.parent.mkdir(parents=True, exist_ok=True)
            shown.write_text(plain[name] + "\n")
            yield Outcome(name, "fail", failures, f"Got {failures} results, configured to fail if != 0")


def _kept(outcome: Outcome) -> str:
    return json.dumps({"status": outcome.status, "failures": outcome.failures, "message": outcome.message})


def _as_before(name: str, built: Built) -> Outcome:
    return replace(Outcome(name, **json.loads(built.result)), is_built=False)
