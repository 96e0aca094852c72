"""A digest says of two sets of rows whether they are the same set: on hundreds of random ones, and on what used to hide."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import duckdb
import pytest

from dagster_project.warehouse.row_digest import digest_of

Row = tuple[Any, ...]
COLUMNS = "day date, member varchar, sessions double, leads bigint, revenue decimal(38, 6), is_final boolean"


def digest(connection: duckdb.DuckDBPyConnection, rows: list[Row], columns: str = COLUMNS) -> int | None:
    connection.execute(f"create or replace temp table rows ({columns})")
    if rows:
        connection.executemany(f"insert into rows values ({', '.join('?' * len(rows[0]))})", rows)
    return connection.execute(f"select {digest_of(connection, 'rows')} from rows").fetchall()[0][0]


def a_row(rng: random.Random) -> Row:
    """Of few values, so that rows are often alike."""
    return (
        f"2026-09-0{rng.randint(1, 2)}", rng.choice(["Email", "Direct", "", None]), rng.choice([0.0, 1.0, 2.0, None]),
        rng.choice([-1, 0, 1, 2, None]), rng.choice(["-0.000001", "0", "0.000001", "1", None]), rng.choice([True, False, None]),
    )  # fmt: skip


def changed(rows: list[Row], rng: random.Random) -> list[Row]:
    """Two rows swap a value, two columns do, several rows change alike, one is there twice, one is not, or in another order."""
    rows, column = [*rows], rng.randrange(6)
    one, other = rng.randrange(len(rows)), rng.randrange(len(rows))

    def with_value(row: Row, place: int, value: object) -> Row:
        return (*row[:place], value, *row[place + 1 :])

    match rng.choice(["swap", "columns", "alike", "twice", "gone", "order"]):
        case "swap":
            rows[one], rows[other] = (
                with_value(rows[one], column, rows[other][column]),
                with_value(rows[other], column, rows[one][column]),
            )
        case "columns":
            row = rows[one]
            rows[one] = (row[0], row[1], row[3], row[2], *row[4:])
        case "alike":
            value = a_row(rng)[column]
            for place in rng.sample(range(len(rows)), rng.randint(1, len(rows))):
                rows[place] = with_value(rows[place], column, value)
        case "twice":
            rows.append(rows[one])
        case "gone":
            del rows[one]
        case "order":
            rng.shuffle(rows)
    return rows


def test_equal_digests_are_equal_sets() -> None:
    rng, connection = random.Random(7), duckdb.connect(config={"threads": 1})
    seen, same = 0, 0
    for _ in range(300):
        rows = [a_row(rng) for _ in range(rng.randint(2, 6))]
        others = changed(rows, rng)
        is_same = Counter(rows) == Counter(others)
        assert (digest(connection, rows) == digest(connection, others)) == is_same, (rows, others)
        seen, same = seen + 1, same + is_same
    assert 30 < same < seen - 100, "both kinds of pairs must come"


@pytest.mark.parametrize(
    ("columns", "before", "after"),
    [
        ("member varchar, n integer", [("a", 100), ("b", 100)], [("a", 120), ("b", 120)]),  # two targets moved alike
        ("member varchar, n integer", [("a", 3), ("b", 1)], [("a", 1), ("b", 3)]),  # a count moved between members
        ("member varchar, n integer", [], [("a", 1), ("a", 1)]),  # twice the same
        ("n hugeint", [(0,)], [(-1,)]),  # DuckDB's hash of both is 0
        ("n decimal(24, 6)", [("0",)], [("-0.000001",)]),
        ("a varchar, b varchar", [("x", None)], [(None, "x")]),
        ("a varchar, b varchar", [("x", "yz")], [("xy", "z")]),
        ("a varchar", [("",)], [(None,)]),
    ],
)
def test_what_is_another_set_has_another_digest(columns: str, before: list[Row], after: list[Row]) -> None:
    connection = duckdb.connect()
    assert digest(connection, before, columns) != digest(connection, after, columns)


def test_a_column_of_another_name_is_another_set() -> None:
    connection = duckdb.connect()
    assert digest(connection, [(1,)], "leads integer") != digest(connection, [(1,)], "sessions integer")
