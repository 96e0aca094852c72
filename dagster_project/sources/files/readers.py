"""Dropped files to columns of cells with line numbers: JSON lines, Parquet; CSV by way of `csv.py`.

Cells come as text, or typed where the file is (Parquet); what they mean is for `formats.py`. A line that
cannot be taken apart is reported and left out; the lines around it are read.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dagster_project.sources.files.cells import as_text_or_typed
from dagster_project.sources.files.csv import read_csv
from dagster_project.sources.files.drops import (
    BATCH_ROWS,
    BadLine,
    Cells,
    DropFile,
    drift,
    encoding_by_mark,
    opened,
    text_lines,
)
from dagster_project.sources.files.mappings import FileMapping, Name, nearest
from dagster_project.sources.files.sheets import read_sheet


def read_cells(
    file: DropFile, mapping: FileMapping, names: Sequence[Name], required: Sequence[Name], bad: BadLine
) -> Iterator[Cells]:
    """The columns `names` of the file, in batches. `bad` hears of each line that cannot be taken apart.

    Raises DriftError when the file lacks one of the columns. A JSON lines file lacks a column only if no line
    has it and it is `required`: many programs leave out what is empty.
    """
    if mapping.file_format == "parquet":
        return _read_parquet(file, mapping, names)
    if mapping.file_format == "xlsx":
        return read_sheet(file, mapping, names)
    if mapping.file_format == "jsonl":
        return _read_json_lines(file, mapping, mapping.present(names, ()), mapping.present(required, ()), bad)
    return read_csv(file, mapping, names, bad)


# ---- JSON lines
# Line by line with orjson, not with Arrow's JSON reader: that one turns date texts into timestamps without
# their offset and ids beyond 64 bits into doubles, and gives up a whole block for one bad line.


def _read_json_lines(
    file: DropFile, mapping: FileMapping, names: Sequence[Name], required: Sequence[Name], bad: BadLine
) -> Iterator[Cells]:
    encoding = mapping.encoding or encoding_by_mark(file)
    unseen, has_records = set(names), False
    with opened(file) as stream:
        if _is_array(file, encoding):
            batches = _array_batches(stream, encoding, bad)
        else:
            batches = _record_batches(stream, encoding, mapping.skip_lines, bad)
        for records, lines, numbers in batches:
            has_records = True
            unseen -= {name for name in unseen if any(_value(record, name) is not _ABSENT for record in records)}
            columns = {
                name: pa.array(
                    [_json_text(_value(r, name), line, name) for r, line in zip(records, lines, strict=True)],
                    pa.string(),
                )
                for name in names
            }
            yield Cells(columns, pa.array(numbers, pa.int64()))
    if has_records and (lacking := [name for name in names if name in unseen and name in required]):
        raise drift(mapping, file, f"no line has {lacking[0]!r}")


Records = tuple[list[dict[str, Any]], list[bytes], list[int]]  # the records, their lines of text, the lines' numbers


def _record_batches(stream: IO[bytes], encoding: str, skip_lines: int, bad: BadLine) -> Iterator[Records]:
    for lines, numbers in line_batches(stream, encoding, skip_lines):
        records = [_record(line, number, bad) for line, number in zip(lines, numbers, strict=True)]
        kept = [i for i, record in enumerate(records) if record is not None]
        if kept:
            yield [records[i] for i in kept], [lines[i] for i in kept], [numbers[i] for i in kept]  # type: ignore[misc]


def _is_array(file: DropFile, encoding: str) -> bool:
    """Whether the file is one JSON array, and not lines of which the first is a list."""
    with opened(file) as stream:
        lines = (line.removeprefix("\ufeff").strip() for line in text_lines(stream, encoding))
        first = next((line for line in lines if line), "")
        return first.startswith("[") and not (first.endswith("]") and any(lines))


def _array_batches(stream: IO[bytes], encoding: str, bad: BadLine) -> Iterator[Records]:
    """The objects of one JSON array, a batch at a time; their line is that on which they begin."""
    text = "".join(text_lines(stream, encoding))
    decoder, at, line, counted = json.JSONDecoder(), text.index("[") + 1, 1, 0
    records: list[dict[str, Any]] = []
    lines: list[bytes] = []
    numbers: list[int] = []
    while (at := _BETWEEN_ELEMENTS.match(text, at).end()) < len(text) and text[at] != "]":  # type: ignore[union-attr]
        line, counted = line + text.count("\n", counted, at), at
        try:
            _, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):  # the latter: nested deeper than any record is
            end = -1
        if end < 0 or not _ELEMENT_END.match(text, end):
            bad(line, "not JSON from here to the end of the file")
            break
        written = text[at:end].encode("utf-8", "surrogateescape")
        if (record := _record(written, line, bad)) is not None:
            records.append(record)
            lines.append(written)
            numbers.append(line)
        at = end
        if len(records) == BATCH_ROWS:
            yield records, lines, numbers
            records, lines, numbers = [], [], []
    else:
        if at >= len(text):
            bad(line, "the list is not closed after this: the file is cut short")
    if records:
        yield records, lines, numbers


_BETWEEN_ELEMENTS, _ELEMENT_END = re.compile(r"[\s,]*"), re.compile(r"\s*(?:,|\])")


def line_batches(
    stream: IO[bytes], encoding: str, skip_lines: int, size: int = BATCH_ROWS
) -> Iterator[tuple[list[bytes], list[int]]]:
    """(lines as UTF-8, their numbers), without blank lines, up to `size` at a time."""
    if encoding in ("utf-8", "utf-8-sig"):
        source: Iterator[bytes] = iter(stream)
    else:
        source = (line.encode("utf-8", "surrogateescape") for line in text_lines(stream, encoding))
    numbered = ((number, line) for number, line in enumerate(source, start=1) if number > skip_lines)
    while batch := list(itertools.islice(numbered, size)):
        filled = [(n, line.removeprefix(b"\xef\xbb\xbf")) for n, line in batch if line.strip()]
        if filled:
            yield [line for _, line in filled], [n for n, _ in filled]


_ABSENT: Any = object()


def _record(line: bytes, number: int, bad: BadLine) -> dict[str, Any] | None:
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        try:
            # bare NaN, or half of a character beyond 16 bits (a text that was cut in an emoji)
            record = _mended(json.loads(line, parse_int=str, parse_float=str, parse_constant=lambda _: None))
        except RecursionError:
            bad(number, "JSON that is nested too deeply")
            return None
        except ValueError as error:  # UnicodeDecodeError is one, too
            bad(
                number,
                f"not JSON ({error.msg} at column {error.colno})"
                if isinstance(error, json.JSONDecodeError)
                else "not UTF-8",
            )
            return None
    if not isinstance(record, dict):
        bad(number, "not a JSON object")
        return None
    return record


def _mended(value: Any) -> Any:
    """The same with U+FFFD for lone surrogates, which are no text."""
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, dict):
        return {_mended(name): _mended(inner) for name, inner in value.items()}
    return [_mended(each) for each in value] if isinstance(value, list) else value


def _value(record: Any, name: Name) -> Any:
    """The field, or with dots in the name the field of a field. A record has no positions."""
    if name in record:
        return record[name]
    if isinstance(name, int):
        return _ABSENT
    outer, _, inner = name.partition(".")
    nested = record.get(outer) if inner else None
    return _value(nested, inner) if isinstance(nested, dict) else _ABSENT


def _json_text(value: Any, line: bytes, name: Name) -> str | None:
    if type(value) is str:
        return value
    if value is None or value is _ABSENT:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if abs(value) >= 2**53:  # an integer of more than 64 bits: take its digits, not the float
            exact = _value(json.loads(line, parse_int=str, parse_float=str, parse_constant=str), name)
            return str(exact)
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, dict | list):
        return orjson.dumps(value).decode()
    return str(value)


# ---- Parquet


def _read_parquet(file: DropFile, mapping: FileMapping, names: Sequence[Name]) -> Iterator[Cells]:
    with parquet_file(file, mapping) as parquet:
        known = parquet.schema_arrow.names
        names = mapping.present(names, known)
        if beyond := next((n for n in names if isinstance(n, int) and n > len(known)), None):
            raise drift(mapping, file, f"there is no column {beyond}: it has {len(known)} columns")
        by_name = {name: known[name - 1] if isinstance(name, int) else name for name in names}
        for name in by_name.values():
            if name not in known and name.partition(".")[0] not in known:
                raise drift(mapping, file, f"there is no column {name!r}{nearest(name, known)}")
        top = list(dict.fromkeys(name if name in known else name.partition(".")[0] for name in by_name.values()))
        first = 1
        for batch in parquet_batches(parquet, BATCH_ROWS, top, mapping, file):
            columns = {
                ours: as_text_or_typed(_nested_column(batch, name), mapping.encoding) for ours, name in by_name.items()
            }
            yield Cells(columns, pa.array(np.arange(first, first + batch.num_rows), pa.int64()))
            first += batch.num_rows


@contextmanager
def parquet_file(file: DropFile, mapping: FileMapping) -> Iterator[pq.ParquetFile]:
    """The file, opened. Raises DriftError for one that is not whole."""
    with opened(file) as stream:
        try:
            parquet = pq.ParquetFile(stream)
        except pa.ArrowInvalid as error:
            raise drift(mapping, file, f"not a whole Parquet file ({error})") from error
        yield parquet


def parquet_batches(
    parquet: pq.ParquetFile, rows: int, columns: list[str], mapping: FileMapping, file: DropFile
) -> Iterator[pa.RecordBatch]:
    """The columns in batches of `rows`. Raises DriftError at a page that has other bytes than were written."""
    try:
        yield from parquet.iter_batches(rows, columns=columns)
    except pa.ArrowInvalid as error:
        raise drift(mapping, file, f"it cannot be read to its end: {error}") from error


def _nested_column(batch: pa.RecordBatch, name: str) -> pa.Array:
    if name in batch.schema.names:
        return batch.column(name)
    outer, *inner = name.split(".")
    return pc.struct_field(batch.column(outer), inner)
