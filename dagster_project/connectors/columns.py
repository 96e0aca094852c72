"""JSON records to Arrow columns by a stream's declared schema: types, `_extra`, bad records, and drift as a clear error.

One record is one dict with the stream's column names. This is for pages of API records (hundreds of rows a
call); bulk paths (GA4, files) build their columns without dicts.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import pyarrow as pa

from dagster_project.connectors.contract import DriftError, Stream, Tally

_TRUE, _FALSE = {"true", "1", "y", "yes"}, {"false", "0", "n", "no"}
# So many records of a page, all of them unreadable in one field, are no odd records: the vendor has changed it.
RETYPED_FROM = 3
YEARS = range(
    1900, 2200
)  # of a business record; others are typing errors (0206, 20206), and would be days of their own
_UNREADABLE = (ValueError, TypeError, OverflowError, OSError, InvalidOperation)


def to_table(
    stream: Stream, records: Sequence[dict[str, Any]], *, required: Sequence[str] = (), tally: Tally | None = None
) -> pa.Table:
    """The records as a table with exactly the stream's declared columns.

    Absent optional columns are null. Columns in `required`, the key and the day must be there and readable: a record
    where they are not is a bad row, left out and told to `tally`. Any other cell that cannot be read is null, and a bad
    cell. Fields that the stream does not declare are kept in `_extra` as JSON.
    Raises DriftError naming stream, field and, where known, day: a field that no record of the page has, or has in a
    readable form (three of them at least); any such record where there is no `tally`.
    """
    needed = {*stream.key, *required, stream.day}
    refused: dict[int, str] = {}
    columns: dict[str, list[Any]] = {}
    for field in stream.schema:
        if field.name == "_extra":
            continue
        values, unreadable = _values(field, records, is_needed=field.name in needed)
        columns[field.name] = values
        if not unreadable:
            continue
        readable = sum(value is not None for value in values)
        if tally is None or (not readable and len(unreadable) >= RETYPED_FROM):
            index, reason = next(iter(unreadable.items()))
            raise DriftError(f"{reason}{_day_of(stream, records[index])}", source=stream.source, stream=stream.name)
        for index, reason in unreadable.items():
            if field.name in needed:
                refused.setdefault(index, reason)
            else:
                tally.bad_cell(f"{_whose(stream, records[index])}: {reason}", _days_of(stream, records[index]))
    if tally is not None:
        for index, reason in refused.items():
            record = records[index]
            tally.bad_row(f"{_whose(stream, record)}: {reason}", _money(stream, record), _days_of(stream, record))
    columns["_extra"] = [_extra(record, stream.schema.names) for record in records]
    kept = [index for index in range(len(records)) if index not in refused]
    arrays = [pa.array([columns[field.name][index] for index in kept], field.type) for field in stream.schema]
    return pa.Table.from_arrays(arrays, schema=stream.schema)


def _values(field: pa.Field, records: Sequence[dict[str, Any]], *, is_needed: bool) -> tuple[list[Any], dict[int, str]]:
    """A column's values, and which records have none that can be used, with the reason. No value is shown."""
    parse, values, unreadable = _parser(field.type), [], {}
    for index, record in enumerate(records):
        value = record.get(field.name)
        read = None
        if value is None or value == "":
            if is_needed:
                unreadable[index] = f"field {field.name!r} is missing in a record"
        else:
            try:
                read = parse(value)
            except _UNREADABLE:
                sent = f"the vendor sent a {type(value).__name__} that cannot be read as one"
                unreadable[index] = f"field {field.name!r} should be {field.type}, {sent}"
        values.append(read)
    return values, unreadable


def _extra(record: dict[str, Any], declared: list[str]) -> str | None:
    unknown = {name: value for name, value in record.items() if name not in declared}
    return json.dumps(unknown, sort_keys=True, ensure_ascii=False, default=str) if unknown else None


def _parser(kind: pa.DataType) -> Callable[[Any], Any]:
    if pa.types.is_integer(kind):
        return _integer
    if pa.types.is_floating(kind):
        return _double
    if pa.types.is_decimal(kind):
        return lambda value: decimal(value, kind)
    if pa.types.is_boolean(kind):
        return boolean
    if pa.types.is_timestamp(kind):
        return _business_moment
    if pa.types.is_date(kind):
        return lambda value: _in_business(value if isinstance(value, date) else date.fromisoformat(str(value)[:10]))
    if pa.types.is_string(kind):
        return _text
    return lambda value: value


def _integer(value: Any) -> int:
    if isinstance(value, bool):
        raise TypeError("a boolean is not a number")
    if isinstance(value, float) and not value.is_integer():
        raise ValueError("not a whole number")
    number = int(value)
    if not -(2**63) <= number < 2**63:
        raise OverflowError("a longer number than can be stored")
    return number


def _double(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError("a boolean is not a number")
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("not a finite number")
    return number


def decimal(value: Any, kind: pa.Decimal128Type) -> Decimal:
    """Rounded to the type's places. Raises ValueError (NaN, infinite, no number), OverflowError (too long)."""
    if isinstance(value, bool):
        raise TypeError("a boolean is not a number")
    number = Decimal(str(value))
    if not number.is_finite():
        raise ValueError("not a finite number")
    if number.adjusted() >= kind.precision - kind.scale:
        raise OverflowError("a longer number than can be stored")
    return number.quantize(Decimal(1).scaleb(-kind.scale))


def _text(value: Any) -> str:
    if isinstance(value, dict | list):
        raise TypeError("a text was declared")
    return value if isinstance(value, str) else str(value)


def boolean(value: Any) -> bool:
    """True/False from a JSON boolean or a vendor's spelling of one."""
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError("not a boolean")


def instant(value: Any) -> datetime:
    """An aware UTC moment from ISO 8601 text, epoch milliseconds (number or digits), or a datetime.

    HubSpot mixes both forms, sometimes for the same portal; ISO without an offset is UTC there.
    """
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, int | float) or (isinstance(value, str) and value.strip().lstrip("-").isdigit()):
        moment = datetime.fromtimestamp(int(value) / 1000, UTC)
    else:
        moment = datetime.fromisoformat(str(value).strip().replace("Z", "+00:00"))
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _business_moment(value: Any) -> datetime:
    return _in_business(instant(value))


def _in_business(day: Any) -> Any:
    if day.year not in YEARS:
        raise ValueError("not a year of business")
    return day


# ---- about a record, for messages --------------------------------------------------------------------------


def _whose(stream: Stream, record: dict[str, Any]) -> str:
    key = ", ".join(str(record.get(name) or "?")[:40] for name in stream.key)
    return f"{stream.id}: record {key}{_day_of(stream, record)}"


def _days_of(stream: Stream, record: dict[str, Any]) -> set[date]:
    """The days that a record counts for: those of its moments (created, closed, changed)."""
    days = set()
    for field in stream.schema:
        if pa.types.is_timestamp(field.type) and record.get(field.name):
            try:
                days.add(_business_moment(record[field.name]).date())
            except _UNREADABLE:
                continue
    return days


def _money(stream: Stream, record: dict[str, Any]) -> dict[str, Decimal]:
    """What a record says of money: column and currency -> amount."""
    currency = next((record.get(name) for name in record if name.endswith("currency_code")), None)
    money = {}
    for field in stream.schema:
        if pa.types.is_decimal(field.type) and record.get(field.name) not in (None, ""):
            try:
                money[f"{field.name} {currency or ''}".strip()] = decimal(record[field.name], field.type)
            except _UNREADABLE:
                continue
    return money


def _day_of(stream: Stream, record: dict[str, Any]) -> str:
    day = record.get(stream.day)
    return f" (day {str(day)[:10]})" if day else ""
