"""Report bytes become the texts that were sent: whatever the texts, the transport and the layout."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from google.analytics.data_v1beta.types import BatchRunReportsResponse, Row, RunReportResponse
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.sources.ga4.report import quality
from dagster_project.sources.ga4.rows import Report, UnreadableAnswer, from_json, from_protobuf

# Lengths around 128 and 16,384 are where protobuf's length prefix grows by a byte.
TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["", "(not set)", '}]}]"rows":[', "größe №5 🚲", "x" * 127, "ß" * 64, "y" * 16_383, "z" * 16_384]),
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[int, int, list[list[str]]]:
    dimensions, metrics = draw(st.sampled_from([(1, 1), (9, 7), (2, 0), (0, 3)]))
    rows = draw(st.lists(st.lists(TEXTS, min_size=dimensions + metrics, max_size=dimensions + metrics), max_size=4))
    return dimensions, metrics, rows


def message(dimensions: int, metrics: int, rows: list[list[str]]) -> RunReportResponse:
    """A report built with the official types."""
    return RunReportResponse(
        dimension_headers=[{"name": f"d{i}"} for i in range(dimensions)],
        metric_headers=[{"name": f"m{i}", "type_": "TYPE_INTEGER"} for i in range(metrics)],
        rows=[
            {
                "dimension_values": [{"value": value} for value in row[:dimensions]],
                "metric_values": [{"value": value} for value in row[dimensions:]],
            }
            for row in rows
        ],
        row_count=len(rows) + 7,
        metadata={"currency_code": "EUR"},
    )


def body(dimensions: int, metrics: int, rows: list[list[str]]) -> dict:
    """The same as JSON; fields that are empty are absent, as on Google's wire."""
    answer = {
        "dimensionHeaders": [{"name": f"d{i}"} for i in range(dimensions)],
        "metricHeaders": [{"name": f"m{i}", "type": 1} for i in range(metrics)],
        "rows": [
            {
                "dimensionValues": [{"value": value} for value in row[:dimensions]],
                "metricValues": [{"value": value} for value in row[dimensions:]],
            }
            for row in rows
        ],
        "rowCount": len(rows) + 7,
        "metadata": {"currencyCode": "EUR"},
        "kind": "analyticsData#runReport",
    }
    for row in answer["rows"]:
        for name in ("dimensionValues", "metricValues"):
            if not row[name]:
                del row[name]
    return {name: value for name, value in answer.items() if value}


def rows_of(report: Report) -> list[list[str]]:
    return [list(row) for row in zip(*(c.to_pylist() for c in report.columns.values()), strict=True)]


@settings(max_examples=60, deadline=None)
@given(tables())
def test_protobuf_rows_are_the_rows_sent(table: tuple[int, int, list[list[str]]]) -> None:
    payload = RunReportResponse.serialize(message(*table))
    (report,) = from_protobuf(payload)
    assert rows_of(report) == table[2]
    assert report.row_count == len(table[2]) + 7
    assert report.head.metadata.currency_code == "EUR"
    assert not report.head.rows


@settings(max_examples=60, deadline=None)
@given(tables(), st.sampled_from([None, 2]))
def test_json_rows_are_the_rows_sent(table: tuple[int, int, list[list[str]]], indent: int | None) -> None:
    (report,) = from_json(json.dumps(body(*table), indent=indent).encode())
    assert rows_of(report) == table[2]
    assert report.row_count == len(table[2]) + 7
    assert report.head.metadata.currency_code == "EUR"


def test_a_batch_keeps_its_reports_apart() -> None:
    first, second, empty = (2, 1, [["a", "b", "1"], ["c", "d", "2"]]), (1, 1, [["e", "3"]]), (1, 1, [])
    tables_sent = [first, second, empty]
    payload = BatchRunReportsResponse.serialize(BatchRunReportsResponse(reports=[message(*t) for t in tables_sent]))
    text = json.dumps({"reports": [body(*t) for t in tables_sent], "kind": "analyticsData#batchRunReports"}).encode()
    for reports in (from_protobuf(payload, is_batch=True), from_json(text, is_batch=True)):
        assert [rows_of(report) for report in reports] == [t[2] for t in tables_sent]
        assert [report.row_count for report in reports] == [9, 8, 7]
        assert [list(report.columns) for report in reports] == [
            ["d0", "d1", "m0"],
            ["d0", "m0"],
            ["d0", "m0"],
        ]


def test_an_unusual_but_legal_layout_reads_the_same() -> None:
    """Protobuf fields may come in any order, and later versions may add some."""
    row = Row.pb()
    metric_first = (
        row(metric_values=[{"value": "5"}]).SerializeToString()
        + row(dimension_values=[{"value": "google"}]).SerializeToString()
    )
    later_field = (
        row(dimension_values=[{"value": "bing"}]).SerializeToString()
        + b"\xfa\x3e\x01x"
        + row(metric_values=[{"value": "6"}]).SerializeToString()
    )
    head = RunReportResponse.serialize(message(1, 1, []))
    for encoded, expected in ((metric_first, ["google", "5"]), (later_field, ["bing", "6"])):
        (report,) = from_protobuf(head + b"\x1a" + bytes([len(encoded)]) + encoded)
        assert rows_of(report) == [expected]


def test_a_value_without_a_text_is_an_empty_text() -> None:
    row = Row.pb()()
    row.dimension_values.add()
    row.metric_values.add(value="1")
    encoded = row.SerializeToString()
    (over_grpc,) = from_protobuf(
        RunReportResponse.serialize(message(1, 1, [])) + b"\x1a" + bytes([len(encoded)]) + encoded
    )
    answer = body(1, 1, [["", "1"]])
    answer["rows"][0]["dimensionValues"] = [{}]
    (over_rest,) = from_json(json.dumps(answer).encode())
    assert rows_of(over_grpc) == rows_of(over_rest) == [["", "1"]]


def test_numbers_and_unknown_fields_in_json_are_taken() -> None:
    answer = body(1, 1, [["a", "12"]])
    answer["metricHeaders"] = [{"name": "m0", "type": "TYPE_SECONDS", "laterField": {"x": 1}}]
    answer["laterField"] = [{"deep": [1, "a"]}]
    (report,) = from_json(json.dumps(answer).encode())
    assert rows_of(report) == [["a", "12"]]
    assert report.metric_types == {"m0": "TYPE_SECONDS"}


def test_an_empty_object_is_an_empty_report() -> None:
    assert [r.rows for r in from_json(b"{}")] == [r.rows for r in from_protobuf(b"")] == [0]


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.99])
def test_a_truncated_answer_is_unreadable(kept: float) -> None:
    table = (2, 1, [["a", "b", str(i)] for i in range(50)])
    payload, text = RunReportResponse.serialize(message(*table)), json.dumps(body(*table)).encode()
    with pytest.raises(UnreadableAnswer):
        from_json(text[: int(len(text) * kept)])
    with pytest.raises(UnreadableAnswer):
        from_protobuf(payload[: int(len(payload) * kept) | 1])


def test_rows_that_do_not_fit_the_headers_are_unreadable() -> None:
    ragged = body(2, 1, [["a", "b", "1"], ["c", "d", "2"]])
    ragged["rows"][1]["dimensionValues"].pop()
    with pytest.raises(UnreadableAnswer, match="more or fewer values"):
        from_json(json.dumps(ragged).encode())
    sent = message(2, 1, [["a", "b", "1"], ["c", "d", "2"]])
    del sent.rows[1].dimension_values[1]
    with pytest.raises(UnreadableAnswer, match="more or fewer values"):
        from_protobuf(RunReportResponse.serialize(sent))


def test_texts_that_are_not_utf8_are_unreadable() -> None:
    broken = RunReportResponse.serialize(message(1, 1, [["abc", "1"]])).replace(b"abc", b"\xff\xfe\xfd")
    with pytest.raises(UnreadableAnswer):
        from_protobuf(broken)


def test_the_recorded_body_parses(shared_dir: Path) -> None:
    path = shared_dir / "fixtures" / "ga4" / "run_report_emulated.json"
    if not path.is_file():
        pytest.skip(f"no recorded body {path.name}")
    (report,) = from_json(json.dumps(json.loads(path.read_text())["body"]).encode())
    assert {name: column.to_pylist() for name, column in report.columns.items()} == {
        "date": ["20240101"],
        "sessionSource": ["(direct)"],
        "sessions": ["12"],
        "totalRevenue": ["10.5"],
    }
    assert report.columns["date"].type == pa.string()
    assert report.metric_types == {"sessions": "TYPE_INTEGER", "totalRevenue": "TYPE_CURRENCY"}
    assert quality(report) == {
        "sampled_share": 0.1,
        "is_thresholded": True,
        "has_other_row": True,
        "is_truncated": False,
        "time_zone": "America/New_York",
        "currency_code": "USD",
    }
    assert report.head.property_quota.tokens_per_project_per_hour.remaining == 13997
