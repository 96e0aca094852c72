"""Bytes of GA4 report answers to Arrow columns of text, column by column, over gRPC and REST.

The official client makes a Python object of every value: 15 objects a row. Here a page's rows never become
Python objects: protobuf and Arrow's JSON reader find them, numpy walks all rows at once, Arrow cuts the
columns out. The plain way (`plain_columns`) stays as the fallback for answers of unusual layout.

Protobuf facts used: a sub-message and `bytes` look the same on the wire, and a message class keeps fields
that it does not know (protobuf.dev, encoding). So a class that declares nothing but `rows`, as `bytes`,
splits an answer into its rows and all the rest.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.json
from google.analytics.data_v1beta.types import BatchRunReportsResponse, RunReportResponse
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.message import DecodeError, Message

from dagster_project.wire.http import parsed_json

_REPORT = RunReportResponse.pb()  # plain protobuf classes: proto-plus would wrap every value a second time
_BATCH = BatchRunReportsResponse.pb()
_ROW_FIELDS = _REPORT.DESCRIPTOR.fields_by_name["rows"].message_type.fields_by_name


class UnreadableAnswer(ValueError):
    """The bytes are not a whole report: cut short, or not what the API promises."""


@dataclass(frozen=True)
class Report:
    """One page of a report. `head` is the answer without its rows (RunReportResponse, plain protobuf);
    `columns` maps each dimension and metric, in the order of the headers, to the vendor's texts."""

    head: Message
    columns: dict[str, pa.Array]
    rows: int

    @property
    def row_count(self) -> int:
        """Rows of the whole report, whatever limit and offset were."""
        return self.head.row_count

    @property
    def metric_types(self) -> dict[str, str]:
        """Metric -> the vendor's type, such as TYPE_INTEGER."""
        kinds = self.head.DESCRIPTOR.fields_by_name["metric_headers"].message_type.fields_by_name["type_"].enum_type
        return {
            header.name: kinds.values_by_number[header.type_].name
            if header.type_ in kinds.values_by_number
            else str(header.type_)
            for header in self.head.metric_headers
        }


def from_protobuf(payload: bytes, *, is_batch: bool = False) -> list[Report]:
    """The reports in a serialised RunReportResponse, or BatchRunReportsResponse. Raises UnreadableAnswer."""
    try:
        reports = list(_batch_splitter.FromString(payload).parts) if is_batch else [payload]
        return [_report_from_protobuf(report) for report in reports]
    except DecodeError as error:
        raise UnreadableAnswer("the answer is not a whole protobuf message") from error


def from_json(body: bytes, *, is_batch: bool = False) -> list[Report]:
    """The reports in the JSON body of a runReport or batchRunReports answer. Raises UnreadableAnswer.

    Bytes that are no text, and halves of a character, become U+FFFD.
    """
    try:
        body.decode()
    except UnicodeDecodeError:
        body = body.decode(errors="replace").encode()
    try:
        return _reports_from_json(body, is_batch)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, _UnusualLayout):
        pass  # numbers instead of texts, half a character, a body cut short: the client's own parser takes it or says no
    try:
        message = json_format.ParseDict(
            parsed_json(body), _BATCH() if is_batch else _REPORT(), ignore_unknown_fields=True
        )
    except (json_format.ParseError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise UnreadableAnswer("the answer is not a whole JSON report") from error
    return [plain_report(report) for report in (message.reports if is_batch else [message])]


def plain_report(message: Message) -> Report:
    """The same from a parsed RunReportResponse, value by value."""
    dimensions, metrics = len(message.dimension_headers), len(message.metric_headers)
    columns = plain_columns(message.rows, dimensions, metrics)
    count = len(message.rows)
    head = _REPORT()
    head.CopyFrom(message)
    head.ClearField("rows")
    return _report(head, columns, count)


def plain_columns(rows: Iterable[Any], dimensions: int, metrics: int) -> list[pa.Array]:
    """Columns of parsed rows; the floor of `tests/benchmarks/bench_ga4.py` is this and the parsing."""
    rows = list(rows)
    if any(len(row.dimension_values) != dimensions or len(row.metric_values) != metrics for row in rows):
        raise UnreadableAnswer("a row has more or fewer values than the report has headers")
    texts = [value.value for row in rows for value in row.dimension_values]
    numbers = [value.value for row in rows for value in row.metric_values]
    return [pa.array(texts[i::dimensions], pa.string()) for i in range(dimensions)] + [
        pa.array(numbers[i::metrics], pa.string()) for i in range(metrics)
    ]


# ---- protobuf ----------------------------------------------------------------------------------------------


class _UnusualLayout(Exception):
    """Legal, but not the layout that the fast path knows."""


def _splitter(name: str, number: int) -> type[Message]:
    """A message class whose field `number` is `parts`, repeated bytes; everything else is kept unread."""
    file = descriptor_pb2.FileDescriptorProto(name=f"funnelhouse/{name}.proto", package="funnelhouse", syntax="proto3")
    kind = descriptor_pb2.FieldDescriptorProto
    file.message_type.add(name=name).field.add(
        name="parts", number=number, type=kind.TYPE_BYTES, label=kind.LABEL_REPEATED
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"funnelhouse.{name}"))


_report_splitter = _splitter("ReportSplitter", _REPORT.DESCRIPTOR.fields_by_name["rows"].number)
_batch_splitter = _splitter("BatchSplitter", _BATCH.DESCRIPTOR.fields_by_name["reports"].number)


def _value_tags(field: str) -> tuple[int, int]:
    """First bytes of a value's message within a row, and of the text within that message."""
    outer = _ROW_FIELDS[field]
    inner = outer.message_type.fields_by_name["value"]
    return outer.number << 3 | 2, inner.number << 3 | 2  # wire type 2: length-delimited


def _report_from_protobuf(payload: bytes) -> Report:
    split = _report_splitter.FromString(payload)
    rows = list(split.parts)
    split.ClearField("parts")
    head = _REPORT.FromString(split.SerializeToString())
    try:
        columns = _walk(rows, len(head.dimension_headers), len(head.metric_headers))
    except (_UnusualLayout, pa.ArrowInvalid):
        return plain_report(_REPORT.FromString(payload))
    return _report(head, columns, len(rows))


def _walk(rows: list[bytes], dimensions: int, metrics: int) -> list[pa.Array]:
    """Columns of serialised rows: step through the values of all rows at once, remember where each text lies.

    Raises _UnusualLayout where rows are not `dimensions` then `metrics` values in the order of the schema.
    """
    ends = np.cumsum(np.fromiter(map(len, rows), np.int64, len(rows)))
    content = b"".join(rows)
    if len(content) > 2**31 - 64:  # Arrow's offsets are 32 bit
        raise _UnusualLayout
    position = np.concatenate([np.zeros(1, np.int64), ends[:-1]]) if len(rows) else ends
    row_bytes = np.frombuffer(content + bytes(16), np.uint8)  # padded: one varint past the end can be looked at
    columns = []
    for field, count in (("dimension_values", dimensions), ("metric_values", metrics)):
        outer, inner = _value_tags(field)
        for _ in range(count):
            length, start = _length_after(row_bytes, position, outer)
            position = start + length
            if np.any(position > ends) or not np.all(length):  # a value without a text is an empty message
                raise _UnusualLayout
            text_length, text_start = _length_after(row_bytes, start, inner)
            if np.any(text_start + text_length != position):
                raise _UnusualLayout
            columns.append(_cut(content, text_start, text_length))
    if np.any(position != ends):
        raise _UnusualLayout
    return columns


def _length_after(row_bytes: np.ndarray, position: np.ndarray, tag: int) -> tuple[np.ndarray, np.ndarray]:
    """The length (a varint) after the one-byte `tag` at each `position`, and where its content starts."""
    if np.any(row_bytes[position] != tag):
        raise _UnusualLayout
    length = row_bytes[position + 1].astype(np.int64)
    start = position + 2
    going_on, shift = np.flatnonzero(length >= 128), 7
    if len(going_on):
        length &= 127
    while len(going_on):
        if shift > 28 or start[going_on].max() >= len(row_bytes):
            raise _UnusualLayout
        following = row_bytes[start[going_on]].astype(np.int64)
        length[going_on] |= (following & 127) << shift
        start[going_on] += 1
        going_on, shift = going_on[following >= 128], shift + 7
    return length, start


def _cut(content: bytes, start: np.ndarray, length: np.ndarray) -> pa.Array:
    """The texts at these places. `content` read as one long array of wanted, unwanted, wanted … pieces."""
    count = len(start)
    if count == 0:
        return pa.array([], pa.string())
    offsets = np.empty(2 * count, np.int32)
    offsets[0::2], offsets[1::2] = start, start + length
    pieces = pa.Array.from_buffers(pa.binary(), 2 * count - 1, [None, pa.py_buffer(offsets), pa.py_buffer(content)])
    return pieces.take(pa.array(np.arange(0, 2 * count - 1, 2))).cast(pa.string())  # the cast checks UTF-8


# ---- JSON --------------------------------------------------------------------------------------------------

_VALUES = pa.list_(pa.struct([("value", pa.string())]))
_ROWS = pa.list_(pa.struct([("dimensionValues", _VALUES), ("metricValues", _VALUES)]))


def _reports_from_json(body: bytes, is_batch: bool) -> list[Report]:
    explicit = pa.schema([("reports", pa.list_(pa.struct([("rows", _ROWS)])))] if is_batch else [("rows", _ROWS)])
    parsed = pa.json.read_json(
        pa.BufferReader(body),
        read_options=pa.json.ReadOptions(block_size=len(body) + 1, use_threads=False),
        parse_options=pa.json.ParseOptions(explicit_schema=explicit, newlines_in_values=True),
    )
    if parsed.num_rows != 1:
        raise _UnusualLayout
    answers = parsed.to_struct_array().combine_chunks()
    if is_batch:
        answers = answers.field("reports").flatten()
    return [_report_from_struct(answers.slice(i, 1)) for i in range(len(answers))]


def _report_from_struct(answer: pa.StructArray) -> Report:
    names = [field.name for field in answer.type]
    fields = dict(zip(names, answer.flatten(), strict=True))
    rows = fields.pop("rows").flatten()
    without_rows = {name: _present(column[0].as_py()) for name, column in fields.items()}
    head = json_format.Parse(json.dumps(_present(without_rows), default=str), _REPORT(), ignore_unknown_fields=True)
    columns = []
    for name, headers in (("dimensionValues", head.dimension_headers), ("metricValues", head.metric_headers)):
        columns += _strided(rows.field(name), len(headers))
    return _report(head, columns, len(rows))


def _present(value: Any) -> Any:
    """JSON without its nulls: Arrow gives every report of a batch the fields of all."""
    if isinstance(value, dict):
        return {name: _present(item) for name, item in value.items() if item is not None}
    return [_present(item) for item in value] if isinstance(value, list) else value


def _strided(lists: pa.ListArray, width: int) -> list[pa.Array]:
    """The columns of rows that each hold `width` values, one after the other."""
    widths = lists.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    if np.any(widths != width):
        raise UnreadableAnswer("a row has more or fewer values than the report has headers")
    if not width:
        return []
    values = lists.flatten().field("value")
    return [values.take(pa.array(np.arange(i, len(values), width))).fill_null("") for i in range(width)]


def _report(head: Message, columns: list[pa.Array], rows: int) -> Report:
    names = [header.name for header in chain(head.dimension_headers, head.metric_headers)]
    return Report(head, dict(zip(names, columns, strict=True)), rows)
