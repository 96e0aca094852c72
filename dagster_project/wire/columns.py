"""JSON records to Arrow columns by a stream's declared schema: types, `_extra`, bad records, and drift as a clear error.

A page is read column by column. What its vendor usually sends (text of one form, numbers) is read by Arrow as a whole;
only what is left goes through Python, once for each distinct value (`values`). Bulk paths (GA4, files) have their own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence, Set
from datetime import date
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.wire.contract import DriftError, Stream, Tally
from dagster_project.wire.json_cells import Cells, Json, read_cells

# So many records of a page, all of them unreadable in one field, are no odd records: the vendor has changed it.
RETYPED_FROM = 3

Record = Mapping[str, Json]


def to_table(
    stream: Stream,
    records: Sequence[Record],
    *,
    required: Sequence[str] = (),
    tally: Tally | None = None,
    odd: Mapping[int, str] | None = None,
) -> pa.Table:
    """The records as a table with exactly the stream's declared columns; one record is one dict with their names.

    As `columns_to_table`. Fields that the stream does not declare are kept in `_extra` as JSON.
    """
    columns = {field.name: [record.get(field.name) for record in records] for field in stream.schema}
    declared = set(stream.schema.names)
    columns["_extra"] = [
        None if record.keys() <= declared else extra_of({name: record[name] for name in record.keys() - declared})
        for record in records
    ]
    return columns_to_table(stream, columns, required=required, tally=tally, odd=odd)


def extra_of(unknown: Record) -> str | None:
    """What stands in `_extra` of a record with these undeclared fields."""
    return json.dumps(unknown, sort_keys=True, ensure_ascii=False, default=str) if unknown else None


def undeclared(record: Record, known: Set[str]) -> dict[str, Json]:
    """Fields that nobody declared: a truth value or small number as it is, of others only their kind: it may be a name."""
    return {
        name: value if value is None or isinstance(value, bool) or (isinstance(value, int) and abs(value) < 10**6)
        else f"({type(value).__name__})"
        for name, value in record.items() if name not in known
    }  # fmt: skip


def columns_to_table(
    stream: Stream,
    columns: Mapping[str, Sequence[Json] | pa.Array | Cells],
    *,
    required: Sequence[str] = (),
    tally: Tally | None = None,
    odd: Mapping[int, str] | None = None,
) -> pa.Table:
    """The columns as a table with exactly the stream's declared columns; those that are not there are null.

    A column is what was sent (JSON values, read here), or an array of its declared type. Columns in `required`, the key
    and the day must be there and readable: a record where they are not is a bad row, left out and told to `tally`. Any
    other cell that cannot be read is null, and a bad cell. `odd`: records that have not the shape of one, by their place,
    and why; they are bad rows as well.
    Raises DriftError naming stream, field and, where known, day: a field that no record of the page has, or has in a
    readable form (three of them at least); any such record where there is no `tally`.
    """
    count = len(next(iter(columns.values())))
    cells = {field.name: _cells(field, columns.get(field.name), count) for field in stream.schema}
    page = _Page(stream, {name: cell.values for name, cell in cells.items()})
    refused = dict(odd or {})
    if refused and (tally is None or (len(refused) == count and count >= RETYPED_FROM)):
        raise DriftError(next(iter(refused.values())), source=stream.source, stream=stream.name)
    needed = {*stream.key, *required, stream.day}
    for field in stream.schema:
        unreadable = cells[field.name].unreadable
        if field.name in needed:
            unreadable = {**_missing(field.name, cells[field.name]), **unreadable}
        if not unreadable:
            continue
        is_unread = not (count - cells[field.name].values.null_count)
        if tally is None or (is_unread and len(unreadable) >= RETYPED_FROM):
            place = min(unreadable)
            raise DriftError(f"{unreadable[place]}{page.day_of(place)}", source=stream.source, stream=stream.name)
        for place, reason in sorted(unreadable.items()):
            if field.name in needed:
                refused.setdefault(place, reason)
            elif place not in (odd or ()):
                tally.bad_cell(f"{page.whose(place)}: {reason}", page.days_of(place))
    rows = pa.Table.from_arrays([page.columns[name] for name in stream.schema.names], schema=stream.schema)
    if not refused or tally is None:
        return rows
    for place, reason in sorted(refused.items()):
        tally.bad_row(f"{page.whose(place)}: {reason}", page.money_of(place), page.days_of(place))
    return rows.take(pa.array([place for place in range(count) if place not in refused], pa.int64()))


def _cells(field: pa.Field, column: Sequence[Json] | pa.Array | Cells | None, count: int) -> Cells:
    if isinstance(column, Cells):
        return column
    if column is None:
        return Cells(pa.nulls(count, field.type))
    if isinstance(column, pa.Array):
        return Cells(column)
    return read_cells(field.name, column, field.type)


def _missing(name: str, cells: Cells) -> dict[int, str]:
    if not cells.values.null_count:
        return {}
    places = pc.indices_nonzero(pc.is_null(cells.values)).to_pylist()
    return dict.fromkeys(places, f"field {name!r} is missing in a record")


class _Page:
    """A page's columns, and what is said of one of its records."""

    def __init__(self, stream: Stream, columns: Mapping[str, pa.Array]) -> None:
        self.stream, self.columns = stream, columns

    def whose(self, place: int) -> str:
        key = ", ".join(str(self._value(name, place) or "?")[:40] for name in self.stream.key)
        return f"{self.stream.id}: record {key}{self.day_of(place)}"

    def day_of(self, place: int) -> str:
        day = self._value(self.stream.day, place)
        return f" (day {str(day)[:10]})" if day else ""

    def days_of(self, place: int) -> set[date]:
        """The days that a record counts for: those of its moments (created, closed, changed)."""
        named = [field.name for field in self.stream.schema if pa.types.is_timestamp(field.type)]
        return {moment.date() for name in named if (moment := self._value(name, place)) is not None}

    def money_of(self, place: int) -> dict[str, Decimal]:
        """What a record says of money: column and currency -> amount."""
        names = self.stream.schema.names
        currency = next((self._value(name, place) for name in names if name.endswith("currency_code")), None)
        amounts = {
            field.name: self._value(field.name, place)
            for field in self.stream.schema
            if pa.types.is_decimal(field.type)
        }
        return {f"{name} {currency or ''}".strip(): amount for name, amount in amounts.items() if amount is not None}

    def _value(self, name: str, place: int) -> Json:
        return self.columns[name][place].as_py()
