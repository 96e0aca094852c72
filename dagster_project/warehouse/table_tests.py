"""Tests of one table in one statement: the plain generic tests, counted as dbt counts their rows, without its work for each.

Plain are those that say all in the manifest: keys, values, references, one row. What asks the warehouse before it is
written (days built lately), and tests with files of their own, are dbt's.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import duckdb

Manifest = Mapping[str, Any]
_REF = re.compile(r"ref\('(\w+)'\)")
_USUAL = {"severity": "error", "where": "", "limit": "", "fail_calc": "count(*)", "error_if": "!= 0", "warn_if": "!= 0"}


def queries(manifest: Manifest, names: Iterable[str]) -> dict[str, str]:
    """Of each plain test among `names` the query that gives its rows; the others are left out."""
    found = {name: _query(manifest, manifest["nodes"][name]) for name in names}
    return {name: query for name, query in found.items() if query}


def counted(
    connection: duckdb.DuckDBPyConnection, manifest: Manifest, asked: Mapping[str, str]
) -> dict[str, int | duckdb.Error]:
    """How many rows each of the queries gives, a statement a table; an error where a query cannot be answered."""
    of_table: dict[str, dict[str, str]] = defaultdict(dict)
    for name, query in asked.items():
        of_table[manifest["nodes"][name]["attached_node"]][name] = query
    found: dict[str, int | duckdb.Error] = {}
    for tests in of_table.values():
        try:
            found |= _counted(connection, tests)
        except duckdb.Error:  # one of them; each by itself says which
            for name, query in tests.items():
                try:
                    found |= _counted(connection, {name: query})
                except duckdb.Error as error:
                    found[name] = error
    return found


def _counted(connection: duckdb.DuckDBPyConnection, tests: Mapping[str, str]) -> dict[str, int]:
    names = list(tests)
    parts = [f"select {n} as test, count(*) as failures from ({tests[name]}) as t" for n, name in enumerate(names)]
    return {names[n]: failures for n, failures in connection.execute("\nunion all\n".join(parts)).fetchall()}


def _query(manifest: Manifest, test: Mapping[str, Any]) -> str | None:
    about, kind = test.get("test_metadata"), test["resource_type"]
    table = manifest["nodes"].get(test.get("attached_node") or "")
    if kind != "test" or not about or not table or not _is_plain(test["config"]):
        return None
    relation = _relation(table)
    arguments = {key: value for key, value in about["kwargs"].items() if key != "model"}
    match about["name"], sorted(arguments), arguments:
        case "not_null", ["column_name"], {"column_name": column}:
            return f"select {column} from {relation} where {column} is null"
        case "unique", ["column_name"], {"column_name": column}:
            return f"select {column} from {relation} where {column} is not null group by all having count(*) > 1"
        case "unique_grain", ["columns"], {"columns": columns}:
            listed = ", ".join(columns)
            return f"select {listed} from {relation} group by {listed} having count(*) > 1"
        case "accepted_values", ["column_name", "values"], {"column_name": column, "values": values}:
            listed = ", ".join(f"'{value}'" for value in values)  # as dbt quotes them
            return f"select distinct {column} from {relation} where {column} not in ({listed})"
        case "relationships", ["column_name", "field", "to"], {"column_name": column, "field": field, "to": to}:
            parent = _referred(manifest, test, to)
            return parent and (
                f"select child.{column} from {relation} as child left join {parent} as parent "
                f"on child.{column} = parent.{field} where child.{column} is not null and parent.{field} is null"
            )
        case "one_row", [], _:
            return f"select count(*) from {relation} having count(*) != 1"
    return None


def _is_plain(config: Mapping[str, Any]) -> bool:
    """Whether every row that the query gives is a failure, and a failure an error: dbt's usual way."""
    said = {key: str(config[key]).lower() for key in _USUAL if config.get(key) is not None}
    return all(said.get(key, usual) == usual for key, usual in _USUAL.items()) and not config.get("store_failures")


def _referred(manifest: Manifest, test: Mapping[str, Any], to: str) -> str | None:
    """The relation of `ref('…')` among the test's parents."""
    named = _REF.fullmatch(to)
    parents = [node for name in test["depends_on"]["nodes"] if (node := manifest["nodes"].get(name))]
    return next((_relation(node) for node in parents if named and node["name"] == named[1]), None)


def _relation(node: Mapping[str, Any]) -> str:
    return f"{node['schema']}.{node['alias']}"
