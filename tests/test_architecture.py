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

# room -> the rooms of ours that it may enter; a room that is not here may enter all
ALLOWED = {
    "wire": (),
    "channel_names": (),
    "kpi_names": (),
    "memory": (),
    "rules": ("channel_names", "kpi_names", "wire"),
    "sources": ("channel_names", "rules", "sandbox", "wire"),  # sandbox: its endpoints, see below
    "settings": ("memory", "rules", "sources", "wire"),
    "raw": ("wire",),
    "ingest": ("raw", "rules", "settings", "sources", "wire"),
    "warehouse": ("memory", "wire"),
    "kpis": ("warehouse",),
    "publish": ("warehouse",),
    "reading": ("ingest", "kpis", "publish", "settings", "sources", "wire"),
    "sandbox": ("sources",),
}
_ENGINES = {"dagster", "dagster_dbt", "dbt", "duckdb"}
FORBIDDEN = {
    "wire": _ENGINES,
    "sources": _ENGINES,
    "raw": _ENGINES,
    "ingest": _ENGINES,
    "kpis": {"dagster", "dagster_dbt"},
    "publish": {"dagster", "dagster_dbt", "dbt"},
}
# sources/<name> -> the one other source that it may know: what its rows are read by
KNOWS = {"ga4_export": "files"}
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
            entered = below.partition(".")[0]
            if top in FORBIDDEN.get(room, ()):
                wrong.append(f"{path.relative_to(PROJECT)} imports {top}")
            if top == "dagster_project" and room in ALLOWED and entered not in (room, *ALLOWED[room]):
                wrong.append(f"{path.relative_to(PROJECT)} imports {name}")
    assert wrong == []


def _source_and_part(path: Path) -> tuple[str, str]:
    """`sources/ga4/sandbox/answers.py` -> (ga4, sandbox); the connector's own modules have no part."""
    parts = path.relative_to(CODE / "sources").with_suffix("").parts
    return parts[0], "sandbox" if parts[1] == "sandbox" else ""


def test_sources_do_not_know_each_other_and_their_sandboxes_share_nothing_with_them() -> None:
    """The sandbox and the connector of a vendor are two witnesses: one can convict the other."""
    wrong = []
    for path in sorted((CODE / "sources").glob("*/**/*.py")):
        source, part = _source_and_part(path)
        for name in imports(path):
            if not name.startswith("dagster_project."):
                continue
            _, room, *rest = name.split(".")
            into_sandbox = room == "sandbox" or (room == "sources" and "sandbox" in rest)
            if part == "sandbox" and not into_sandbox:
                wrong.append(f"{path.relative_to(PROJECT)}, an endpoint, imports {name}")
            if part == "" and into_sandbox:
                wrong.append(f"{path.relative_to(PROJECT)}, a connector, imports {name}")
            if room == "sources" and rest[0] not in (source, KNOWS.get(source)):
                wrong.append(f"{path.relative_to(PROJECT)} imports {name}")
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
