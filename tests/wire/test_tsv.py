"""Tab-separated text as columns: the fast way and the way by cells give the same; what is odd is told."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pytest

from dagster_project.wire.merging import merged
from dagster_project.wire.tsv import tsv_columns

NAMES = ["name", "count", "money"]
TYPES = {"count": pa.int64(), "money": pa.decimal128(24, 6)}


@pytest.mark.parametrize("odd", [b"", b"only one\n"])
def test_cells_are_read_in_their_types(odd: bytes) -> None:
    lines = 'a "b"\t1\t345.60\n--\t--\t--\n\t2\t0\nя\t3\t-1.5\n'.encode() + odd
    columns, told = tsv_columns(lines, NAMES, TYPES, nothing=("--", ""))
    assert columns["name"].values.to_pylist() == ['a "b"', "--", "", "я"]
    assert columns["count"].values.to_pylist() == [1, None, 2, 3]
    assert columns["money"].values.to_pylist() == [Decimal("345.6"), None, 0, Decimal("-1.5")]
    assert told == (["a line has 1 cells where the header has 3"] if odd else [])
    assert all(not cells.unreadable for cells in columns.values())


def test_a_cell_that_cannot_be_read_is_told_by_its_place() -> None:
    columns, told = tsv_columns(b"a\t1\tmuch\nb\tx\t2\n", NAMES, TYPES)
    assert (columns["count"].values.to_pylist(), list(columns["count"].unreadable)) == ([1, None], [1])
    assert (columns["money"].values.to_pylist(), list(columns["money"].unreadable)) == ([None, Decimal(2)], [0])
    assert told == []


@pytest.mark.parametrize(("lines", "odd"), [(b"", 0), (b"a\n", 1)])
def test_no_line_is_no_row(lines: bytes, odd: int) -> None:
    columns, told = tsv_columns(lines, NAMES, TYPES)
    assert {name: len(cells) for name, cells in columns.items()} == dict.fromkeys(NAMES, 0)
    assert columns["money"].values.type == TYPES["money"]
    assert len(told) == odd


def test_bytes_that_are_no_text_do_not_spoil_the_others() -> None:
    columns, _ = tsv_columns(b"\xff\t1\t1\nb\t2\t2\n", NAMES, TYPES)
    assert columns["name"].values.to_pylist() == ["\ufffd", "b"]


def test_rows_of_one_key_are_one_row() -> None:
    rows = pa.table({"k": ["a", "b", "a"], "n": [1, 5, 3], "place": [2.0, 7.0, 6.0], "more": ["y", "z", "x"]})
    assert merged(rows, ["k"], sums=("n",), averages={"place": "n"}).to_pylist() == [
        {"k": "a", "n": 4, "place": 5.0, "more": "x"},
        {"k": "b", "n": 5, "place": 7.0, "more": "z"},
    ]
    nothing = pa.table({"k": ["a", "a"], "n": [0, 0], "place": [2.0, 6.0]})
    assert merged(nothing, ["k"], sums=("n",), averages={"place": "n"}).to_pylist() == [
        {"k": "a", "n": 0, "place": 2.0}
    ]
    assert merged(rows.slice(0, 2), ["k"], sums=("n",), averages={"place": "n"}).equals(rows.slice(0, 2))
