"""Who may know whom: imports and refs point downwards only; loading definitions needs no secret and no network."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
CODE = PROJECT / "dagster_project"
MODELS = PROJECT / "dbt_project" / "models"

# room -> what of ours it may import (a prefix of the module's name below dagster_project)
ALLOWED = {
    "connectors": ("connectors", "rules", "channel_names"),
    "raw_zone": (),
    "attribution": (),
    "identity_graph": (),
    "row_digest": (),
    "publish": ("row_digest",),
    "duckdb_extensions": (),
    "publish_postgres": ("publish", "duckdb_extensions"),
    "dbt_plugin": ("duckdb_extensions",),
    "stopping": (),
    "patience": ("connectors", "stopping"),
    "locks": ("stopping",),
    "instance": ("locks", "run_history"),
    "kpis": ("kpis", "row_digest"),
    "rules": ("connectors.file_mappings", "kpi_names", "channel_names"),
    "kpi_names": (),
    "channel_names": (),
    "settings": ("connectors.file_mappings", "rules", "channel_names"),
    "ingest": ("connectors", "raw_zone", "settings", "patience", "stopping"),
    "sandbox": ("sandbox",),
}
FORBIDDEN = {
    "connectors": {"dagster", "dagster_dbt", "dbt", "duckdb"},
    "raw_zone": {"dagster", "dagster_dbt", "dbt", "duckdb"},
    "ingest": {"dagster", "dagster_dbt", "dbt", "duckdb"},
    "kpis": {"dagster", "dagster_dbt"},
    "publish": {"dagster", "dagster_dbt", "dbt"},
    "publish_postgres": {"dagster", "dagster_dbt", "dbt"},
    "duckdb_extensions": {"dagster", "dagster_dbt", "dbt"},
}
LAYERS = ["staging", "intermediate", "marts"]


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(CODE.rglob("*.py")):
        yield path.relative_to(CODE).parts[0].removesuffix(".py"), path


def imports(path: Path) -> Iterator[str]:
    """Modules imported at run time; imports for type checkers alone do not count."""
    tree = ast.parse(path.read_text())
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_imports_point_downwards() -> None:
    wrong = []
    for room, path in modules():
        for name in imports(path):
            top, _, below = name.partition(".")
            if top in FORBIDDEN.get(room, ()):
                wrong.append(f"{path.relative_to(PROJECT)} imports {top}")
            if top == "dagster_project" and room in ALLOWED and not below.startswith(ALLOWED[room] or ("\0",)):
                wrong.append(f"{path.relative_to(PROJECT)} imports {name}")
            if below.startswith("sandbox") and room not in ("sandbox", "cli"):
                wrong.append(f"{path.relative_to(PROJECT)} imports the sandbox")
    assert wrong == []


def test_every_module_says_first_what_belongs_in_it() -> None:
    silent = [str(p.relative_to(PROJECT)) for _, p in modules() if not ast.get_docstring(ast.parse(p.read_text()))]
    assert silent == []


def test_models_refer_downwards_only() -> None:
    layer_of = {p.stem: p.relative_to(MODELS).parts[0] for p in MODELS.rglob("*.sql")}
    layer_of |= {p.stem: p.relative_to(MODELS).parts[0] for p in MODELS.rglob("*.py")}
    wrong = []
    for path in [*MODELS.rglob("*.sql"), *MODELS.rglob("*.py")]:
        layer, text = layer_of[path.stem], path.read_text()
        if layer == "semantic":
            continue
        for name in re.findall(r"ref\(\s*['\"]([^'\"]+)['\"]\s*\)", text):
            if name in layer_of and LAYERS.index(layer_of[name]) > LAYERS.index(layer):
                wrong.append(f"{path.stem} ({layer}) refers to {name} ({layer_of[name]})")
        if layer != "staging" and re.search(r"\bsource\(\s*['\"]raw_(?!meta|config)", text):
            wrong.append(f"{path.stem} ({layer}) reads a raw source past staging")
    assert wrong == []


@pytest.mark.parametrize("word", ["utils", "helpers", "lib", "common"])
def test_no_room_is_a_drawer(word: str) -> None:
    assert [p for p in CODE.rglob("*") if p.stem == word] == []
