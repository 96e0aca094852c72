"""The sandbox's GA4 answers on the wire: report pages as protobuf and as JSON, written column by column.

A value is encoded once, however often it occurs; Arrow joins the pieces.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from google.analytics.data_v1beta.types import BatchRunReportsResponse, MetricType, Row, RunReportResponse
from google.protobuf import json_format
from google.protobuf.message import Message

from dagster_project.sandbox.company import CURRENCY, TIME_ZONE
from dagster_project.sources.ga4.sandbox.reports import METRICS, Query


def head_of(query: Query, row_count: int) -> Message:
    """A RunReportResponse without its rows."""
    head = RunReportResponse.pb()(kind="analyticsData#runReport", row_count=row_count)
    for name in query.dimensions:
        head.dimension_headers.add(name=name)
    for name in query.metrics:
        head.metric_headers.add(name=name, type_=MetricType[METRICS[name].type_].value)  # type: ignore[misc]
    head.metadata.currency_code, head.metadata.time_zone = CURRENCY, TIME_ZONE
    if query.has_other_row:
        head.metadata.data_loss_from_other_row = True
    if query.is_thresholded:
        head.metadata.subject_to_thresholding = True
    if query.sampled_share < 1:
        for _ in query.ranges:
            head.metadata.sampling_metadatas.add(
                samples_read_count=int(query.sampled_share * 1_000_000), sampling_space_size=1_000_000
            )
    return head


@dataclass(frozen=True)
class ReportAnswer:
    """One page: `head` is all but the rows, `page` the rows as texts, dimensions first."""

    head: Message
    page: pa.Table
    dimensions: int
    has_unknown_field: bool = False

    def to_protobuf(self) -> bytes:
        """Serialised messages may be joined: each value is encoded as a row of its own, then they are."""
        row = Row.pb()
        encoded = []
        for i, name in enumerate(self.page.schema.names):
            field = "dimension_values" if i < self.dimensions else "metric_values"
            encoded.append(_encoded(self.page, name, partial(_row_of, row, field)))
        rows = b""
        if self.page.num_rows:
            joined = pc.binary_join_element_wise(*encoded, b"")
            lengths = pc.binary_length(joined).dictionary_encode()
            headers = [b"\x1a" + _varint(length) for length in lengths.dictionary.to_pylist()]  # field 3: rows
            starts = pa.array(headers, pa.binary()).take(lengths.indices)
            rows = _content(pc.binary_join_element_wise(starts, joined, b""))
        unknown = b"\xfa\x3e\x05later" if self.has_unknown_field else b""  # field 1007, a text
        return self.head.SerializeToString() + rows + unknown

    def to_json(self) -> bytes:
        head = json_format.MessageToDict(self.head)
        if self.has_unknown_field:
            head["laterField"] = "later"
        text = json.dumps(head).encode()
        if not self.page.num_rows:
            return text
        parts: dict[str, list[pa.Array]] = {"dimensionValues": [], "metricValues": []}
        for i, name in enumerate(self.page.schema.names):
            part = "dimensionValues" if i < self.dimensions else "metricValues"
            parts[part].append(_encoded(self.page, name, lambda v: json.dumps({"value": v}).encode()))
        lists = [
            pc.binary_join_element_wise(f'"{part}":['.encode(), pc.binary_join_element_wise(*columns, b","), b"]", b"")
            for part, columns in parts.items()
            if columns
        ]
        rows = pc.binary_join_element_wise(b"{", pc.binary_join_element_wise(*lists, b","), b"},", b"")
        return text[:-1] + b',"rows":[' + _content(rows)[:-1] + b"]}"


def _row_of(row: Callable[..., Message], field: str, value: str) -> bytes:
    """A row that has one value only."""
    return bytes(row(**{field: [{"value": value}]}).SerializeToString())


def _encoded(page: pa.Table, name: str, encode: Callable[[str], bytes]) -> pa.Array:
    distinct = page.column(name).combine_chunks().dictionary_encode()
    return pa.array([encode(value) for value in distinct.dictionary.to_pylist()], pa.binary()).take(distinct.indices)


def _content(texts: pa.Array) -> bytes:
    """All texts of the array, one after the other."""
    _, offsets, data = texts.buffers()
    first, last = np.frombuffer(offsets, np.int32)[[texts.offset, texts.offset + len(texts)]]
    return data.to_pybytes()[first:last]


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def batch_to_protobuf(reports: Sequence[ReportAnswer]) -> bytes:
    kind = BatchRunReportsResponse.pb()(kind="analyticsData#batchRunReports").SerializeToString()
    encoded = [report.to_protobuf() for report in reports]
    return kind + b"".join(b"\x0a" + _varint(len(report)) + report for report in encoded)  # field 1: reports


def batch_to_json(reports: Sequence[ReportAnswer]) -> bytes:
    encoded = b",".join(report.to_json() for report in reports)
    return b'{"reports":[' + encoded + b'],"kind":"analyticsData#batchRunReports"}'
