"""What is off is not in the graph, and what is left compiles: with no source, and with each one alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest

from tests.support.house import DBT_PROJECT, DbtProject

SOURCES = yaml.safe_load((DBT_PROJECT / "dbt_project.yml").read_text(encoding="utf-8"))["vars"]["sources"]
HOUSE = {"config", "meta"}


def _folders(manifest: Manifest) -> set[str]:
    """Folders of staging that have anything in the graph: models, dbt tests, unit tests or tables of the raw zone."""
    found = set()
    for node in [*manifest.nodes.values(), *manifest.sources.values(), *manifest.unit_tests.values()]:
        parts = Path(node.original_file_path).parts
        if parts[:2] == ("models", "staging"):
            found.add(parts[2])
    return found


@pytest.fixture
def parsed(dbt_project: DbtProject, tmp_path: Path) -> Callable[[list[str]], Manifest]:
    def parse(on: list[str]) -> Manifest:
        arguments = dbt_project.arguments("parse", "--no-partial-parse", "--vars", json.dumps({"sources_on": on}))
        arguments[arguments.index("--target-path") + 1] = str(tmp_path)
        result = dbtRunner().invoke(arguments)
        assert result.success, result.exception
        return result.result

    return parse


def _cases() -> Iterator[object]:
    """No source, one that gives visits but no sums of them, and (long: a parse takes 20 CPU seconds) each other one alone."""
    yield pytest.param([], id="none")
    for name in SOURCES:
        yield pytest.param([name], id=name, marks=() if name == "ga4_export" else pytest.mark.long)


@pytest.mark.parametrize("on", _cases())
def test_only_what_is_on_is_in_the_graph(parsed: Callable[[list[str]], Manifest], on: list[str]) -> None:
    manifest = parsed(on)
    assert _folders(manifest) == HOUSE | set(on)
    models = {node.name for node in manifest.nodes.values() if node.resource_type == "model"}
    ours = {p.stem for layer in ("intermediate", "marts") for p in (DBT_PROJECT / "models" / layer).rglob("*.sql")}
    assert ours <= models
    assert {f"{shape}__{name}" for name in on for shape in SOURCES[name]} <= models
