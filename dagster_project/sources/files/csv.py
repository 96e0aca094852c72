"""Dropped CSV files to cells with right line numbers.

Arrow's reader does the work. What it cannot survive (an unclosed quote, text in another encoding) is read on
with Python's reader from the line where Arrow stopped: slower, but one bad line costs one line.
"""

from __future__ import annotations

import csv
import itertools
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from dagster_project.sources.files.cells import HIDDEN_QUOTE, is_totals_line, may_contain, unescaped
from dagster_project.sources.files.dialects import Dialect, HidingQuotes, dialects_of
from dagster_project.sources.files.drops import (
    BATCH_ROWS,
    TOTALS_LINE,
    BadLine,
    Cells,
    DropFile,
    drift,
    encoding_by_mark,
    is_text,
    opened,
    text_lines,
)
from dagster_project.sources.files.headers import MOST_TITLE_LINES, find_header, header_name
from dagster_project.sources.files.mappings import WHITESPACE, FileMapping, Name
from dagster_project.sources.files.positions import positions_of

BLOCK_BYTES = 4 * 2**20
LONGEST_CELL_LINES = 1000  # a quoted cell of more lines is a quote that somebody forgot to close


@dataclass
class _Csv:
    """A CSV file whose header has been read; `done_line` is the last line that was dealt with.

    `title_lines` stand above the header.
    """

    file: DropFile
    mapping: FileMapping
    encoding: str
    dialect: Dialect
    title_lines: int
    header: list[str]
    positions: dict[Name, int]
    done_line: int
    skipped: deque[pyarrow.csv.InvalidRow] = field(default_factory=deque)

    def cells(self, wanted: dict[Name, pa.Array], lines: pa.Array, bad: BadLine) -> Cells:
        """The wanted columns of some rows, as the file means them."""
        if not self.dialect.has_escapes:
            return _without_foreign_quotes(Cells(wanted, lines), bad)
        # lists escape what they quote, and are read as such: the comma in ['a\'b, c'] parts nothing
        lists = {name for ours in self.mapping.counts for name in self.mapping.columns[ours]}
        wanted = {
            name: pc.replace_substring(cells, "\\" + HIDDEN_QUOTE, '\\"') if name in lists else unescaped(cells)
            for name, cells in wanted.items()
        }
        return Cells(wanted, lines)


def read_csv(file: DropFile, mapping: FileMapping, names: Sequence[Name], bad: BadLine) -> Iterator[Cells]:
    """The columns `names` in batches; see `file_readers.read_cells`."""
    csv_file = _open_csv(file, mapping, names)
    try:
        yield from _read_csv_fast(csv_file, bad)
    except (pa.ArrowInvalid, UnicodeDecodeError):
        yield from _read_csv_carefully(csv_file, bad)


def _open_csv(file: DropFile, mapping: FileMapping, names: Sequence[Name]) -> _Csv:
    encoding = mapping.encoding or encoding_by_mark(file)
    with opened(file) as stream:
        most = max(mapping.skip_lines, MOST_TITLE_LINES) + LONGEST_CELL_LINES
        lines = list(itertools.islice(text_lines(stream, encoding), most))
    dialect, title_lines, header, header_lines = _header(lines, mapping, file, names)
    if not any(header):
        if file.size == 0:
            raise drift(mapping, file, "the file is empty, without even a header")
        raise drift(mapping, file, "the first line is empty; where is the header? (skip_lines skips lines above it)")
    if not is_text("".join(header)):
        raise drift(mapping, file, f"the header is not {encoding}; set encoding (cp1251, cp1252, utf-16 …)")
    positions = positions_of(names, header, mapping, file)
    done = title_lines + header_lines if mapping.header else title_lines
    return _Csv(file, mapping, encoding, dialect, title_lines, header, positions, done)


def _header(
    lines: list[str], mapping: FileMapping, file: DropFile, names: Sequence[Name]
) -> tuple[Dialect, int, list[str], int]:
    """The dialect, the lines above the header, its names, and how many lines it has. The header is the first row
    that has all names; the one below `skip_lines` where none has, whose lacking names are then told."""
    dialects = dialects_of(mapping, file)
    for dialect in dialects:
        row, line_count = _row_at(lines, mapping.skip_lines, dialect)
        header = [header_name(cell) for cell in row]
        if all(header_name(name) in header for name in mapping.present(names, header) if isinstance(name, str)):
            return dialect, mapping.skip_lines, header, line_count
    known = [name for name in mapping.present(names, ()) if isinstance(name, str)]
    for dialect in dialects:
        places = range(min(len(lines), MOST_TITLE_LINES))
        found = find_header(((place, _row_at(lines, place, dialect)[0]) for place in places), known)
        if found:
            return dialect, *found, _row_at(lines, found[0], dialect)[1]
    row, line_count = _row_at(lines, mapping.skip_lines, dialects[0])
    return dialects[0], mapping.skip_lines, [header_name(cell) for cell in row], line_count


def _row_at(lines: list[str], place: int, dialect: Dialect) -> tuple[list[str], int]:
    """The row that begins on a line, and how many lines it has. A byte order mark may stand before it."""
    first = (line.removeprefix("\ufeff") for line in lines[place : place + 1])
    reader = dialect.rows(itertools.chain(first, lines[place + 1 :]))
    try:
        return next(reader, []), reader.line_num
    except csv.Error:  # a cell longer than Python's reader takes: no header
        return [], 1


def _read_csv_fast(csv_file: _Csv, bad: BadLine) -> Iterator[Cells]:
    """Arrow's reader. It stops with ArrowInvalid at what it cannot survive: text in another encoding, and
    rows of a wrong length that span lines, which is what an unclosed quote looks like."""
    dialect = csv_file.dialect
    if dialect.delimiter == WHITESPACE or (dialect.hides_quotes and not csv_file.encoding.startswith("utf-8")):
        raise pa.ArrowInvalid("not a dialect of Arrow's reader")
    columns = [f"c{i}" for i in range(len(csv_file.header))]
    header_rows = int(csv_file.mapping.header)
    first_row = csv_file.title_lines + header_rows  # Arrow counts rows, not lines, from the top of the file
    more_lines = csv_file.done_line - first_row  # lines above the present row less rows above it

    def skip(row: pyarrow.csv.InvalidRow) -> str:
        if "\n" in (row.text or "").strip("\n"):
            return "error"
        csv_file.skipped.append(row)
        return "skip"

    with opened(csv_file.file) as stream:
        reader = pyarrow.csv.open_csv(
            HidingQuotes(stream) if dialect.hides_quotes else stream,
            pyarrow.csv.ReadOptions(
                use_threads=False,  # rows are numbered only then
                block_size=BLOCK_BYTES,
                column_names=columns,
                skip_rows=csv_file.title_lines,
                skip_rows_after_names=header_rows,
                encoding="utf8" if csv_file.encoding in ("utf-8", "utf-8-sig") else csv_file.encoding,
            ),
            pyarrow.csv.ParseOptions(
                delimiter=dialect.delimiter,
                quote_char='"' if dialect.has_quotes else False,
                newlines_in_values=dialect.has_quotes,
                ignore_empty_lines=False,
                invalid_row_handler=skip,
            ),
            pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(columns, pa.string()), strings_can_be_null=False),
        )
        next_row = first_row + 1
        for batch in reader:
            if batch.num_rows == 0:
                continue
            breaks = np.sum([_line_breaks(column) for column in batch.columns], axis=0)
            if breaks.any() and _may_have_swallowed_rows(batch, dialect.delimiter):
                raise pa.ArrowInvalid("a cell holds what may be rows")
            rows, skipped = _row_numbers(next_row, batch.num_rows, csv_file.skipped)
            breaks_above = np.concatenate([[0], np.cumsum(breaks)])
            lines = rows + more_lines + breaks_above[:-1]
            for row in skipped:
                above = int(breaks_above[np.searchsorted(rows, row.number)])
                bad(row.number + more_lines + above, _wrong_length(row.actual_columns, row.expected_columns, row.text))
            next_row = int(rows[-1]) + 1
            more_lines += int(breaks_above[-1])
            csv_file.done_line = int(lines[-1] + breaks[-1])
            filled = sum(pc.binary_length(column).to_numpy() for column in batch.columns) > 0
            keep = pa.array(filled)
            yield csv_file.cells(
                {name: batch.column(position).filter(keep) for name, position in csv_file.positions.items()},
                pa.array(lines, pa.int64()).filter(keep),
                bad,
            )
    for row in csv_file.skipped:
        bad(row.number + more_lines, _wrong_length(row.actual_columns, row.expected_columns, row.text))


def _line_breaks(column: pa.Array) -> np.ndarray:
    """How many line breaks each cell has: \\n, \\r\\n or \\r."""
    if not may_contain(column, b"\n\r"):
        return np.zeros(len(column), dtype=np.int64)
    count, returns, both = (pc.count_substring(column, end).to_numpy() for end in ("\n", "\r", "\r\n"))
    return count + returns - both


def _may_have_swallowed_rows(batch: pa.RecordBatch, delimiter: str) -> bool:
    """Whether a cell has a line with as many delimiters as a row: a quote left open, perhaps."""
    one = re.escape(delimiter)
    row_in_cell = rf"\n(?:[^\n{one}]*{one}){{{min(batch.num_columns - 1, 1000)}}}"
    return any(pc.any(pc.match_substring_regex(column, row_in_cell)).as_py() for column in batch.columns)


def _row_numbers(first: int, count: int, skipped: deque[Any]) -> tuple[np.ndarray, list[Any]]:
    """The numbers of the next `count` rows, less those that skipped rows have; these leave the queue."""
    here: list[Any] = []
    while skipped and skipped[0].number < first + count + len(here):
        here.append(skipped.popleft())
    numbers = np.arange(first, first + count + len(here))
    return np.delete(numbers, [row.number - first for row in here]), here


def _read_csv_carefully(csv_file: _Csv, bad: BadLine) -> Iterator[Cells]:
    """What is left of a file that Arrow stopped at, with Python's reader."""
    width, rows, numbers = len(csv_file.header), [], []
    with opened(csv_file.file) as stream:
        lines = enumerate(text_lines(stream, csv_file.encoding), start=1)
        for number, row in _logical_rows(itertools.islice(lines, csv_file.done_line, None), csv_file, bad):
            if not any(row):
                continue
            if len(row) != width:
                bad(number, _wrong_length(len(row), width, row[0]))
            elif not is_text("".join(row)):
                bad(
                    number,
                    f"bytes that are not {csv_file.encoding}; set encoding if the file is in another one",
                )
            else:
                rows.append(row)
                numbers.append(number)
            if len(rows) == BATCH_ROWS:
                yield _cells(csv_file, rows, numbers, bad)
                rows, numbers = [], []
    if rows:
        yield _cells(csv_file, rows, numbers, bad)


def _logical_rows(lines: Iterator[tuple[int, str]], csv_file: _Csv, bad: BadLine) -> Iterator[tuple[int, list[str]]]:
    """(first line, cells). A row that spans lines and is not well-formed is a quote left open: its first line
    is bad, the lines that it swallowed are read again."""
    dialect, width = csv_file.dialect, len(csv_file.header)
    again: deque[tuple[int, str]] = deque()
    while True:
        taken: list[tuple[int, str]] = []

        def feed(taken: list[tuple[int, str]] = taken) -> Iterator[str]:
            while len(taken) < LONGEST_CELL_LINES:
                line = again.popleft() if again else next(lines, None)
                if line is None:
                    return
                taken.append(line)
                yield line[1]

        row: list[str] | None
        try:
            row = next(dialect.rows(feed(), strict=True), None)
        except csv.Error:
            row = None
        if not taken:
            return
        if row is None and len(taken) == 1 and taken[0][1].count('"') % 2 == 0:
            row = next(dialect.rows([taken[0][1]]))  # 5"x7" and the like, as Arrow reads it
        if row is not None and (len(taken) == 1 or len(row) == width):
            yield taken[0][0], row
        else:
            bad(taken[0][0], "a quote is opened and not closed")
            again.extendleft(reversed(taken[1:]))


def _cells(csv_file: _Csv, rows: list[list[str]], numbers: list[int], bad: BadLine) -> Cells:
    columns = {
        name: pa.array([row[position] for row in rows], pa.string()) for name, position in csv_file.positions.items()
    }
    return csv_file.cells(columns, pa.array(numbers, pa.int64()), bad)


def _without_foreign_quotes(cells: Cells, bad: BadLine) -> Cells:
    """Without the rows of which a cell shows that the file has backslashes before its quotes: `Sale \\Autumn\\" EU"`."""
    is_foreign = np.zeros(len(cells.lines), dtype=bool)
    for column in cells.columns.values():
        if may_contain(column, b"\\"):
            found = pc.fill_null(pc.match_substring_regex(column, r'(?s)\\".*"$'), False)
            is_foreign |= found.to_numpy(zero_copy_only=False)
    if not is_foreign.any():
        return cells
    for row in np.flatnonzero(is_foreign):
        bad(cells.lines[int(row)].as_py(), "its quotes have backslashes before them: set escapes: backslash")
    keep = pa.array(~is_foreign)
    return Cells({name: column.filter(keep) for name, column in cells.columns.items()}, cells.lines.filter(keep))


def _wrong_length(actual: int, expected: int, text: str | None) -> str:
    if actual < expected and is_totals_line(text or ""):
        return TOTALS_LINE
    return f"{actual} cells where the header has {expected}"
