"""The documented sources are the streams that the connectors declare; a description is written once."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from dagster_project.sources import all_streams
from tests.support.house import DBT_PROJECT


def documented() -> dict[str, list[str]]:
    found = {}
    for path in (DBT_PROJECT / "models/staging").glob("*/_*__sources.yml"):
        for source in yaml.safe_load(path.read_text(encoding="utf-8"))["sources"]:
            for table in source["tables"]:
                found[f"{source['name'].removeprefix('raw_')}/{table['name']}"] = [c["name"] for c in table["columns"]]
    return found


def test_every_stream_is_documented_column_by_column() -> None:
    streams = {s.id: sorted([*s.schema.names, "_extracted_at", "day"]) for of in all_streams().values() for s in of}
    tables = {name: sorted(columns) for name, columns in documented().items() if not name.startswith("meta/")}
    assert tables == streams


def _descriptions(node: Any, place: str) -> Iterator[tuple[str, str]]:
    """(text on one line, where it stands), however deep in a YAML document."""
    if isinstance(node, list):
        for item in node:
            yield from _descriptions(item, place)
    elif isinstance(node, dict):
        here = f"{place}/{node['name']}" if "name" in node else place
        for key, value in node.items():
            if key == "description":
                yield " ".join(value.split()), here
            else:
                yield from _descriptions(value, here)


def _written() -> Iterator[tuple[str, str]]:
    for path in sorted([*DBT_PROJECT.glob("models/**/*.yml"), *DBT_PROJECT.glob("seeds/*.yml")]):
        if not path.name.endswith("__sources.yml"):  # the vendors' words, table by table
            yield from _descriptions(yaml.safe_load(path.read_text(encoding="utf-8")), path.name)
    for path in sorted(DBT_PROJECT.glob("models/**/*.md")):
        for name, text in _blocks(path):
            yield " ".join(text.split()), f"{path.name}/{name}"


def _blocks(path: Path) -> list[tuple[str, str]]:
    return re.findall(r"\{% docs (\w+) %\}\n(.*?)\n\{% enddocs %\}", path.read_text(encoding="utf-8"), re.DOTALL)


def test_no_description_is_written_twice() -> None:
    places = defaultdict(list)
    for text, place in _written():
        if not re.fullmatch(r"\{\{ doc\('\w+'\) \}\}", text):
            places[text].append(place)
    assert {text: where for text, where in places.items() if len(where) > 1} == {}
