"""The public contract: names and types of all columns of marts and KPI tables, as docs/contract.yml holds them.

    python -m dagster_project.reading.contract              new tables and columns: the minor version
    python -m dagster_project.reading.contract --breaking   columns dropped, renamed or retyped: the major version

The marts' part is stated in the marts' YAML, which dbt holds each build to, the KPI tables' in kpis/contract.py. The file
is what readers were promised last: tests/reading/test_contract.py fails where the code promises something else.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path

import yaml

from dagster_project import kpis

PROJECT = Path(__file__).resolve().parents[2]
FILE = PROJECT / "docs" / "contract.yml"
MARTS = PROJECT / "dbt_project" / "models" / "marts"
HEAD = """\
# What readers of the published tables can rely on: every column and its type. Generated from the marts' YAML and the
# KPI tables' columns by `python -m dagster_project.reading.contract`, never by hand. A new table or column raises the minor
# version; what a reader could stumble over (a column dropped, renamed or retyped) the major one.
"""

Tables = Mapping[str, Mapping[str, str]]  # schema.table -> column -> DuckDB type


class BreakingChange(Exception):
    """Readers would lose something that they were promised; the message names each table and column."""


def promised(marts: Path = MARTS) -> dict[str, dict[str, str]]:
    """What the code promises now."""
    tables = {}
    for path in sorted(marts.rglob("*.yml")):
        for model in (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("models", []):
            tables[f"marts.{model['name']}"] = {column["name"]: column["data_type"] for column in model["columns"]}
    for name, table in kpis.TABLES.items():
        tables[f"kpi.{name}"] = {column: _duckdb_words(kind) for column, (kind, _) in table.columns.items()}
    return dict(sorted(tables.items()))


def _duckdb_words(kind: str) -> str:
    return kind.replace("timestamptz", "timestamp with time zone")


def breaks(before: Tables, after: Tables) -> list[str]:
    """What a reader of `before` could stumble over in `after`, one line each."""
    found = []
    for table, columns in before.items():
        if table not in after:
            found.append(f"{table} is gone")
            continue
        for column, kind in columns.items():
            if column not in after[table]:
                found.append(f"{table}.{column} is gone")
            elif after[table][column] != kind:
                found.append(f"{table}.{column} was {kind} and is {after[table][column]}")
    return found


def digest(tables: Tables) -> str:
    """Of all names and types, in their order. Stands beside the version, so that none changes without the other."""
    lines = [f"{table}.{column} {kind}" for table in sorted(tables) for column, kind in tables[table].items()]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def read(file: Path = FILE) -> dict[str, object]:
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def write(tables: Tables, file: Path = FILE, *, is_breaking: bool = False) -> str:
    """Make `tables` the contract and return its version; nothing is written where they are the contract already.

    Raises BreakingChange where readers would lose something and `is_breaking` does not say that this is meant.
    """
    versions: dict[str, str] = {}
    if file.exists():
        before = read(file)
        versions = dict(before["versions"])  # type: ignore[call-overload]
        newest = list(versions)[-1]
        if before["tables"] == tables and versions[newest] == digest(tables):
            return newest
        major, minor = (int(part) for part in newest.split("."))
        if lost := breaks(before["tables"], tables):  # type: ignore[arg-type]
            if not is_breaking:
                raise BreakingChange(
                    "readers were promised these columns; keep them, or raise the major version with --breaking:\n"
                    + "\n".join(lost)
                )
            major, minor = major + 1, 0
        else:
            minor += 1
        version = f"{major}.{minor}"
    else:
        version = "1.0"
    versions[version] = digest(tables)
    content = {"versions": versions, "tables": tables}
    file.parent.mkdir(exist_ok=True)
    file.write_text(HEAD + yaml.safe_dump(content, sort_keys=False, width=120), encoding="utf-8")
    return version


def main() -> None:
    try:
        print(f"{FILE.name}: version {write(promised(), is_breaking='--breaking' in sys.argv[1:])}")
    except BreakingChange as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
