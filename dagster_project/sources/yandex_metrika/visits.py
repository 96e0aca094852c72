"""Visits of the Logs API: which fields are asked, and tab-separated bytes to Arrow, block by block.

A block is read by Arrow's CSV reader in the columns' types. Only a block that has an odd line is read anew as text, cell by
cell, so that the line is told and the others are kept. Cells are escaped as ClickHouse's TabSeparated does it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import count

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from dagster_project.wire.cells import try_cast
from dagster_project.wire.columns import columns_to_table, extra_of
from dagster_project.wire.contract import DriftError, Stream, Tally, schema
from dagster_project.wire.identity_columns import redacted_urls
from dagster_project.wire.json_cells import Cells
from dagster_project.wire.retrying import Interrupted

BLOCK_BYTES = 2 << 20  # memory is bounded by it, whatever a part weighs
LOCAL = pa.timestamp("s")
MOMENT = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class Field:
    """`name` after ym:s:, the column it becomes, its type on the wire."""

    name: str
    column: str
    type: pa.DataType


_TEXT = pa.string()
# `last`, not a model that gives a direct visit an older source: a visit keeps what it says of itself. Numbers of visits and
# clients are beyond what a float holds: text.
FIELDS = (
    Field("visitID", "visit_id", _TEXT),
    Field("date", "date", pa.date32()),
    Field("dateTime", "started_at_local", LOCAL),
    Field("clientID", "client_id", _TEXT),
    Field("isNewUser", "is_new_user", pa.bool_()),
    Field("startURL", "start_url", _TEXT),
    Field("referer", "referrer", _TEXT),
    Field("pageViews", "page_views", pa.int64()),
    Field("visitDuration", "visit_seconds", pa.int64()),
    Field("bounce", "is_bounce", pa.bool_()),
    Field("regionCountry", "country", _TEXT),
    Field("deviceCategory", "device_category", _TEXT),
    Field("goalsID", "goal_ids", _TEXT),
    Field("lastTrafficSource", "traffic_source", _TEXT),
    Field("lastAdvEngine", "adv_engine", _TEXT),
    Field("lastSearchEngineRoot", "search_engine", _TEXT),
    Field("lastSocialNetwork", "social_network", _TEXT),
    Field("lastMessenger", "messenger", _TEXT),
    Field("lastDirectClickOrder", "direct_campaign_id", _TEXT),
    Field("lastUTMSource", "utm_source", _TEXT),
    Field("lastUTMMedium", "utm_medium", _TEXT),
    Field("lastUTMCampaign", "utm_campaign", _TEXT),
    Field("lastUTMContent", "utm_content", _TEXT),
    Field("lastUTMTerm", "utm_term", _TEXT),
)
ASKED = ",".join(f"ym:s:{field.name}" for field in FIELDS)  # at most 3,000 characters
_BY_NAME = {f"ym:s:{field.name}": field for field in FIELDS}
REQUIRED = ("started_at_local",)
SCHEMA = schema(
    *((field.column, field.type if field.type != LOCAL else pa.timestamp("us")) for field in FIELDS),
    ("started_at", MOMENT),
)
_GOALS = r"^\[(\d+(,\d+)*)?\]$"
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_SIGNS = {"t": "\t", "n": "\n", "r": "\r", "0": "\0", "b": "\b", "f": "\f"}


def blocks(open_part: Callable[[], Iterable[bytes]], pause: Callable[[int, Interrupted], None]) -> Iterator[bytes]:
    """The bytes of a part in blocks of whole lines, each once: what breaks off is asked for again, and what of it has been
    handed on is passed over (a prepared log does not change)."""
    done, failures = 0, 0
    while True:
        try:
            passed, held, size = 0, [], 0
            for chunk in open_part():
                if passed < done:
                    skipped = min(done - passed, len(chunk))
                    passed, chunk = passed + skipped, chunk[skipped:]
                held.append(chunk)
                size += len(chunk)
                if size < BLOCK_BYTES:
                    continue
                whole = b"".join(held)
                end = whole.rfind(b"\n") + 1
                held, size = [whole[end:]], len(whole) - end
                if end:
                    done, passed, failures = done + end, done + end, 0
                    yield whole[:end]
            rest = b"".join(held)
            if (not done and not rest) or (rest and not rest.endswith(b"\n")):
                raise Interrupted("a part of the log ends in the middle of a line")
        except Interrupted as interrupted:
            failures += 1
            pause(failures, interrupted)
            continue
        if rest:
            yield rest
        return


class Reader:
    """Blocks of one part as tables of the stream; the first block begins with the header."""

    def __init__(self, stream: Stream, counter_id: str, time_zone: str, tally: Tally) -> None:
        self._stream, self._counter_id, self._zone, self._tally = stream, counter_id, time_zone, tally
        self._names: list[str] = []
        self._line = count(1)

    def tables(self, found: Iterable[bytes]) -> Iterator[pa.Table]:
        for block in found:
            if not self._names:
                header, _, block = block.partition(b"\n")
                self._take_header(header)
            if block:
                yield self._table(block)

    def _take_header(self, line: bytes) -> None:
        self._names = line.decode("utf-8", "replace").rstrip("\r").split("\t")
        if missing := [name for name in _BY_NAME if name not in self._names]:
            raise self._drift(f"field {missing[0]} is not in the log")
        if len(set(self._names)) < len(self._names):
            raise self._drift("a field is in the log twice")

    def _table(self, block: bytes) -> pa.Table:
        try:
            found = self._read(block, {name: field.type for name, field in _BY_NAME.items()})
        except pa.ArrowInvalid:
            return self._by_cell(block)
        cells: dict[str, pa.Array | Cells] = {
            field.column: self._plain(found[name]) for name, field in _BY_NAME.items()
        }
        return self._finish(cells, found)

    def _read(self, block: bytes, types: dict[str, pa.DataType]) -> pa.Table:
        """Raises ArrowInvalid for a cell that is not of its type, and for a line of too few or too many cells."""
        found = pacsv.read_csv(
            pa.BufferReader(block),
            pacsv.ReadOptions(column_names=self._names, use_threads=False),
            pacsv.ParseOptions(
                delimiter="\t", quote_char=False, double_quote=False, escape_char=False, ignore_empty_lines=False
            ),
            pacsv.ConvertOptions(
                column_types={name: types.get(name, _TEXT) for name in self._names},
                null_values=[""],
                strings_can_be_null=True,
                check_utf8=True,
            ),
        )
        return found.combine_chunks()

    def _by_cell(self, block: bytes) -> pa.Table:
        """As `_table`, for a block with something odd in it."""
        good = []
        for line in block.decode("utf-8", "replace").removesuffix("\n").split("\n"):
            if line.count("\t") == len(self._names) - 1:
                good.append(line)
            else:
                counted = f"{line.count(chr(9)) + 1} cells where the header has {len(self._names)}"
                self._tally.bad_row(f"{self._stream.id}: counter {self._counter_id}: a line has {counted}")
        if not good:
            raise self._drift("no line has as many cells as the header")
        found = self._read(("\n".join(good) + "\n").encode(), {})
        cells: dict[str, pa.Array | Cells] = {}
        for name, field in _BY_NAME.items():
            texts = self._plain(found[name])
            if field.type == _TEXT:
                cells[field.column] = texts
                continue
            values, failed = try_cast(texts, pa.int8() if field.type == pa.bool_() else field.type)
            places = pc.indices_nonzero(failed).to_pylist()
            why = f"field {name} should be {field.type}, the vendor sent something else"
            cells[field.column] = Cells(values.cast(field.type), dict.fromkeys(places, why))
        return self._finish(cells, found)

    @staticmethod
    def _plain(column: pa.ChunkedArray) -> pa.Array:
        """The column without escapes: only where there are any is each distinct value looked at."""
        whole = column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)
        if whole.type != _TEXT or not pc.any(pc.match_substring(whole, "\\")).as_py():
            return whole
        distinct = whole.dictionary_encode()
        mended = [_ESCAPED.sub(lambda m: _SIGNS.get(m[1], m[1]), text) for text in distinct.dictionary.to_pylist()]
        return pa.array(mended, _TEXT).take(distinct.indices)

    def _finish(self, cells: dict[str, pa.Array | Cells], found: pa.Table) -> pa.Table:
        size = found.num_rows
        cells["start_url"] = redacted_urls(cells["start_url"])
        cells["referrer"] = redacted_urls(cells["referrer"])
        cells["goal_ids"] = self._goals(cells["goal_ids"])
        local = cells["started_at_local"]
        unreadable = local.unreadable if isinstance(local, Cells) else {}
        times = local.values if isinstance(local, Cells) else local
        times = times.cast(pa.timestamp("us"))
        cells["started_at_local"] = Cells(times, unreadable)
        # the hour that comes twice in autumn: the first of them; the one that spring leaves out: the one after
        cells["started_at"] = pc.assume_timezone(times, self._zone, ambiguous="earliest", nonexistent="latest").cast(
            MOMENT
        )
        cells["account_id"] = pa.repeat(pa.scalar(self._counter_id), size)
        unknown = [name for name in self._names if name not in _BY_NAME]
        cells["_extra"] = (
            pa.array([extra_of(row) for row in found.select(unknown).to_pylist()], _TEXT)
            if unknown
            else pa.nulls(size, _TEXT)
        )
        return columns_to_table(self._stream, cells, required=REQUIRED, tally=self._tally)

    @staticmethod
    def _goals(found: pa.Array) -> Cells:
        is_list = pc.fill_null(pc.match_substring_regex(found, _GOALS), True)
        if pc.all(is_list).as_py() is not False:
            return Cells(found)
        places = pc.indices_nonzero(pc.invert(is_list)).to_pylist()
        values = pc.if_else(is_list, found, pa.scalar(None, _TEXT))
        return Cells(values, dict.fromkeys(places, "field ym:s:goalsID is not a list such as [12,34]"))

    def _drift(self, what: str) -> DriftError:
        return DriftError(f"counter {self._counter_id}: {what}", source=self._stream.source, stream=self._stream.name)
