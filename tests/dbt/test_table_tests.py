"""Tests of one table in one statement count what dbt's own tests count: over every table, with rows that break them."""

from __future__ import annotations

from typing import Any

from dagster_project.warehouse import table_tests
from tests.support.house import House

# by the beginning of a type's name a value that no list of accepted values has, and no other table
VALUES = {
    "varchar": "'strange {relation}'",
    "date": "date '2026-03-01'",
    "timestamp": "timestamp '2026-03-01 12:00'",
    "boolean": "true",
}


def spoil(house: House, relation: str) -> None:
    """Rows that are there twice or thrice: without any value, with a strange one in each column."""
    schema, _, name = relation.partition(".")
    values = {kind: value.format(relation=relation) for kind, value in VALUES.items()}
    with house.connection(read_only=False) as connection:
        columns = connection.execute(f"describe from {relation}").fetchall()
        kind = connection.execute(
            "select table_type from information_schema.tables where table_schema = ? and table_name = ?", [schema, name]
        ).fetchall()[0][0]
        strange = [
            f"cast({next((v for k, v in values.items() if t.lower().startswith(k) and '[' not in t), 'null')} as {t}) as {c}"
            for c, t, *_ in columns
        ]
        connection.execute(f"create table spoilt as from {relation}")
        connection.execute(f"insert into spoilt select {', '.join(strange)} from range(3)")
        connection.execute(f"insert into spoilt select {', '.join('null' for _ in columns)} from range(2)")
        connection.execute(f"drop {'view' if kind == 'VIEW' else 'table'} {relation}")
        connection.execute(f"create table {relation} as from spoilt")
        connection.execute("drop table spoilt")


def test_they_count_what_dbt_counts(house: House) -> None:
    manifest: dict[str, Any] = house.project.parsed().to_dict()
    plain = table_tests.queries(manifest, manifest["nodes"])
    tests = [
        node for node in manifest["nodes"].values() if node["resource_type"] == "test" and node.get("test_metadata")
    ]
    # dbt's are those that ask the warehouse which days changed
    assert {node["unique_id"] for node in tests} - set(plain) == {
        node["unique_id"]
        for node in tests
        if {"built_lately", "extracted_lately"} & set(node["test_metadata"]["kwargs"])
    }
    for node in {manifest["nodes"][name]["attached_node"]: None for name in plain}:
        table = manifest["nodes"][node]
        spoil(house, f"{table['schema']}.{table['alias']}")
    with house.connection() as connection:
        ours = table_tests.counted(connection, manifest, plain)
    names = [manifest["nodes"][name]["name"] for name in plain]
    result = house.project.run(house.home, "test", "--indirect-selection", "empty", "--select", *names)
    dbts = {r.node.unique_id: r.failures for r in result.result if r.node.resource_type == "test"}
    assert ours == dbts
    kinds = {manifest["nodes"][name]["test_metadata"]["name"] for name, rows in dbts.items() if rows}
    assert kinds == {"not_null", "unique", "unique_grain", "accepted_values", "relationships", "one_row"}
    assert sum(1 for rows in dbts.values() if rows) > len(dbts) * 0.8


def test_a_table_that_is_not_there_is_an_error_of_its_tests_alone(house: House) -> None:
    manifest: dict[str, Any] = house.project.parsed().to_dict()
    plain = table_tests.queries(manifest, manifest["nodes"])
    with house.connection(read_only=False) as connection:
        connection.execute("drop table marts.fct_leads")
        found = table_tests.counted(connection, manifest, plain)
    of_leads = {name for name in plain if "marts.fct_leads " in plain[name] + " "}
    assert of_leads == {name for name, rows in found.items() if "fct_leads does not exist" in str(rows)}
    beside = [name for name in plain if manifest["nodes"][name]["attached_node"].endswith(".fct_lead_stages")]
    assert [found[name] for name in beside if name not in of_leads] == [0] * (len(beside) - 1)
