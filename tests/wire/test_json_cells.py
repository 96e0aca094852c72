"""A column that Arrow reads as a whole says what its values say one by one."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.wire.http import parsed_json
from dagster_project.wire.json_cells import MOMENT, first_of, read_cells

DECIMAL, DOUBLE, WHOLE, TRUTH, TEXT, DAY = (
    pa.decimal128(24, 6), pa.float64(), pa.int64(), pa.bool_(), pa.string(), pa.date32()
)  # fmt: skip
KINDS = [MOMENT, DECIMAL, DOUBLE, WHOLE, TRUTH, TEXT, DAY]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "value", "read"),
    [
        (MOMENT, "2026-09-02T10:00:00Z", at("2026-09-02T10:00:00")),
        (MOMENT, "2026-09-02T10:00:00.250Z", at("2026-09-02T10:00:00.250")),
        (MOMENT, "2026-09-02T10:00:00.250001Z", at("2026-09-02T10:00:00.250001")),
        (MOMENT, "2026-09-02T10:00:00+0200", at("2026-09-02T08:00:00")),
        (MOMENT, "2026-09-02T10:00:00.12+0200", at("2026-09-02T08:00:00.120")),
        (MOMENT, "2026-09-02T10:00:00.1234", at("2026-09-02T10:00:00.123400")),
        (MOMENT, "2026-09-02", at("2026-09-02")),
        (MOMENT, "1788336000000", at("2026-09-02T08:00:00")),
        (MOMENT, 1788336000000, at("2026-09-02T08:00:00")),
        (MOMENT, "2026-02-30T10:00:00Z", None),
        (MOMENT, "1899-12-31T10:00:00Z", None),
        (MOMENT, "2200-01-01T00:00:00Z", None),
        (MOMENT, "10000-01-01T00:00:00", None),
        (MOMENT, "twenty letters, none.", None),
        (DECIMAL, "100.50", Decimal("100.5")),
        (DECIMAL, "-0.0000015", Decimal("-0.000002")),
        (DECIMAL, "1e3", Decimal(1000)),
        (DECIMAL, "1234567890123456789", None),
        (DECIMAL, True, None),
        (DOUBLE, "0.1", 0.1),
        (DOUBLE, 3, 3.0),
        (DOUBLE, "1e400", None),
        (DOUBLE, float("nan"), None),
        (WHOLE, "41", 41),
        (WHOLE, 41.0, 41),
        (WHOLE, 2**63, None),
        (WHOLE, False, None),
        (TRUTH, "TRUE", True),
        (TRUTH, 0, False),
        (TRUTH, "perhaps", None),
        (TEXT, 7, "7"),
        (TEXT, {"a": 1}, None),
    ],
)
def test_a_value(kind: pa.DataType, value: Any, read: Any) -> None:
    alone, beside = read_cells("x", [value], kind), read_cells("x", [None, value, "", value], kind)
    assert alone.values.to_pylist() == [read]
    assert beside.values.to_pylist() == [None, read, None, read]
    assert sorted(alone.unreadable) == ([0] if read is None else [])
    assert sorted(beside.unreadable) == ([1, 3] if read is None else [])


MOMENTS = st.datetimes(datetime(1880, 1, 1), datetime(2220, 1, 1), timezones=st.just(UTC)).flatmap(
    lambda moment: st.sampled_from(
        [moment.isoformat(timespec=spec).replace("+00:00", zone) for spec in ("seconds", "milliseconds", "microseconds")
         for zone in ("Z", "+02:00", "+0200", "")] + [str(moment), str(int(moment.timestamp() * 1000))]
    )
)  # fmt: skip
VALUES = st.one_of(
    st.none(),
    st.just(""),
    MOMENTS,
    st.from_regex(r"-?[0-9]{1,20}(\.[0-9]{0,8})?", fullmatch=True),
    st.sampled_from(
        ["true", "No", "1e5", "Infinity", "nan", "+1", " 1", "1 ", "٣", "0x10", "1_000", ".5", "5.", "--1"]
    ),
    st.text(max_size=27),
    st.integers(),
    st.floats(),
    st.booleans(),
)


@pytest.mark.parametrize("kind", KINDS, ids=str)
@settings(deadline=None)
@given(values=st.lists(VALUES, max_size=8))
def test_a_column_reads_as_its_values_do(kind: pa.DataType, values: list[Any]) -> None:
    """One value of a type that no text is beside each one sends it the slow way: both ways must agree."""
    values = [value for value in values if not (isinstance(value, str) and "\ud800" <= max(value or " ") <= "\udfff")]
    together = read_cells("x", values, kind)
    slow = [read_cells("x", [value, ["a list"]], kind) for value in values]
    assert together.values.to_pylist() == [cells.values[0].as_py() for cells in slow]
    assert set(together.unreadable) == {place for place, cells in enumerate(slow) if 0 in cells.unreadable}


def test_the_first_that_has_a_value() -> None:
    records = [{"a": "1", "b": "2"}, {"a": "", "b": "2"}, {"b": None}, {"a": False, "b": "2"}]
    assert first_of(records, ("a", "b")) == ["1", "2", None, False]


def test_what_both_parsers_of_json_say() -> None:
    """Whole numbers beyond 64 bits, which the fast parser would round, wherever they stand."""
    long = 12345678901234567890123
    for body in (f'{{"a":{long}}}', f"[1, -{long}]", f'{{"a" :\n{long}}}', f"[{long},1]", f"{long}"):
        assert parsed_json(body.encode()) == json.loads(body)
    assert parsed_json(b'{"a": "x:12345678901234567890123", "b": 0.1}') == {"a": "x:12345678901234567890123", "b": 0.1}


def test_a_bare_number_at_the_start_of_a_body_is_whole() -> None:
    assert parsed_json(b"12345678901234567890123") == 12345678901234567890123


def test_days_are_those_of_business() -> None:
    cells = read_cells("day", ["2026-09-02", "2026-13-01", str(datetime(2026, 9, 2) + timedelta(1)), "0206-09-02"], DAY)
    assert [str(day) for day in cells.values.to_pylist()] == ["2026-09-02", "None", "2026-09-03", "None"]
    assert sorted(cells.unreadable) == [1, 3]
