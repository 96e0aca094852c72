"""The documented sources are the streams that the connectors declare."""

from __future__ import annotations

import yaml
from house import DBT_PROJECT

from dagster_project.connectors import all_streams


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
