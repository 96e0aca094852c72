"""Files of the GA4 BigQuery export, JSON lines or Parquet, to nested Arrow rows with their line numbers."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.json

from dagster_project.sources.files.cells import as_text_or_typed
from dagster_project.sources.files.drops import BadLine, DropFile, drift, opened
from dagster_project.sources.files.mappings import FileMapping, nearest
from dagster_project.sources.files.readers import line_batches, parquet_batches, parquet_file
from dagster_project.wire.cells import shown

BATCH_EVENTS = 5_000  # an event is 2 to 4 kB of JSON
Nested = tuple[pa.RecordBatch, pa.Array]  # rows, their lines

# BigQuery writes INT64 as JSON strings, other tools as numbers: Arrow reads a decimal from both
_INT = pa.decimal128(20, 0)


def _struct(*names: str, **kinds: pa.DataType) -> pa.DataType:
    return pa.struct([*((name, pa.string()) for name in names), *kinds.items()])


PARAMETERS = pa.list_(
    _struct(
        "key",
        value=_struct("string_value", int_value=_INT, float_value=pa.float64(), double_value=pa.float64()),
    )
)
NESTED = pa.schema(
    [
        ("event_date", pa.string()),
        ("event_timestamp", _INT),
        ("event_name", pa.string()),
        ("event_params", PARAMETERS),
        ("event_bundle_sequence_id", _INT),
        ("user_id", pa.string()),
        ("user_pseudo_id", pa.string()),
        ("device", _struct("category")),
        ("geo", _struct("country")),
        ("traffic_source", _struct("name", "medium", "source")),
        (
            "collected_traffic_source",
            _struct(
                "manual_campaign_name",
                "manual_source",
                "manual_medium",
                "manual_term",
                "manual_content",
                "gclid",
            ),
        ),
        (
            "session_traffic_source_last_click",
            _struct(
                manual_campaign=_struct("campaign_name", "source", "medium", "term", "content"),
                cross_channel_campaign=_struct("campaign_name", "source", "medium"),
            ),
        ),
        ("ecommerce", _struct("transaction_id", purchase_revenue=pa.float64())),
    ]
)
_NEEDED = ("event_date", "event_timestamp", "event_name", "event_params", "user_pseudo_id")


def nested_rows(file: DropFile, mapping: FileMapping, bad: BadLine) -> Iterator[Nested]:
    """The rows of an export file with the columns of NESTED that it has, and their lines (or row numbers).

    `bad` hears of lines that are no event. Raises DriftError for a file that is not a GA4 export.
    """
    return _parquet(file, mapping) if mapping.file_format == "parquet" else _json_lines(file, bad)


def _parquet(file: DropFile, mapping: FileMapping) -> Iterator[Nested]:
    with parquet_file(file, mapping) as parquet:
        known = parquet.schema_arrow.names
        for name in _NEEDED:
            if name not in known:
                raise drift(mapping, file, f"there is no column {name!r}{nearest(name, known)}; is it a GA4 export?")
        first = 1
        wanted = [name for name in NESTED.names if name in known]
        for batch in parquet_batches(parquet, BATCH_EVENTS, wanted, mapping, file):
            columns = [as_text_or_typed(column) for column in batch.columns]
            yield (
                pa.RecordBatch.from_arrays(columns, batch.schema.names),
                pa.array(np.arange(first, first + batch.num_rows), pa.int64()),
            )
            first += batch.num_rows


def _json_lines(file: DropFile, bad: BadLine) -> Iterator[Nested]:
    with opened(file) as stream:
        for lines, numbers in line_batches(stream, "utf-8", 0, BATCH_EVENTS):
            yield from _parsed(lines, numbers, bad, is_clean=False)


def _parsed(lines: list[bytes], numbers: list[int], bad: BadLine, *, is_clean: bool) -> Iterator[Nested]:
    """The lines as nested rows. Arrow gives up a block for one bad line: such a block is first rewritten
    without what JSON does not know (bare NaN), then halved until the bad lines stand alone."""
    if not lines:
        return
    content = b"\n".join(line.strip() for line in lines)
    try:
        table = pyarrow.json.read_json(
            io.BytesIO(content),
            pyarrow.json.ReadOptions(use_threads=False, block_size=len(content) + 1),
            pyarrow.json.ParseOptions(explicit_schema=NESTED, unexpected_field_behavior="ignore"),
        )
        problem = "not one JSON object" if table.num_rows != len(lines) else ""
    except pa.ArrowInvalid as error:
        problem = str(error).split("\n")[0]
    if not problem:
        yield table.combine_chunks().to_batches()[0], pa.array(numbers, pa.int64())
    elif not is_clean:
        cleaned = [(_without_nan(line), number) for line, number in zip(lines, numbers, strict=True)]
        for line, number in cleaned:
            if line is None:
                bad(number, "not JSON")
        kept = [(line, number) for line, number in cleaned if line is not None]
        yield from _parsed([line for line, _ in kept], [number for _, number in kept], bad, is_clean=True)
    elif len(lines) == 1:
        bad(numbers[0], f"not an event of the GA4 export ({shown(problem)})")
    else:
        half = len(lines) // 2
        yield from _parsed(lines[:half], numbers[:half], bad, is_clean=True)
        yield from _parsed(lines[half:], numbers[half:], bad, is_clean=True)


def _without_nan(line: bytes) -> bytes | None:
    try:
        return json.dumps(json.loads(line, parse_constant=lambda _: None)).encode()
    except ValueError:
        return None
