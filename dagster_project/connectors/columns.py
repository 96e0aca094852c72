"""JSON records to Arrow columns by a stream's declared schema: types, `_extra`, and drift as a clear error.

One record is one dict with the stream's column names. This is for pages of API records (hundreds of rows a
call); bulk paths (GA4, files) build their columns without dicts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import pyarrow as pa

from dagster_project.connectors.contract import DriftError, Stream

_TRUE, _FALSE = {"true", "1", "y", "yes"}, {"false", "0", "n", "no"}


def to_table(stream: Stream, records: Sequence[dict[str, Any]], *, required: Sequence[str] = ()) -> pa.Table:
    """The records as a table with exactly the stream's declared columns.

    Absent optional columns are null. Columns in `required` (and the key) must be there and not null in every
    record. Fields that the stream does not declare are kept in `_extra` as JSON.
    Raises DriftError naming stream, field and, where known, day.
    """
    names = stream.schema.names
    for name in dict.fromkeys((*stream.key, *required)):
        for record in records:
            if record.get(name) is None:
                raise DriftError(
                    f"field {name!r} is missing in a record{_day_of(stream, record)}; "
                    "the vendor's answer no longer has the shape that this stream declares",
                    source=stream.source,
                    stream=stream.name,
                )
    extras = [_extra(record, names) for record in records]
    arrays = [
        pa.array(extras, pa.string()) if field.name == "_extra" else _column(stream, field, records)
        for field in stream.schema
    ]
    return pa.Table.from_arrays(arrays, schema=stream.schema)


def _extra(record: dict[str, Any], declared: list[str]) -> str | None:
    unknown = {name: value for name, value in record.items() if name not in declared}
    return json.dumps(unknown, sort_keys=True, ensure_ascii=False, default=str) if unknown else None


def _column(stream: Stream, field: pa.Field, records: Sequence[dict[str, Any]]) -> pa.Array:
    parse = _parser(field.type)
    values: list[Any] = []
    for record in records:
        value = record.get(field.name)
        try:
            values.append(None if value is None or value == "" else parse(value))
        except (ValueError, TypeError, InvalidOperation) as error:
            raise DriftError(
                f"field {field.name!r} should be {field.type}, the vendor sent a {type(value).__name__}"
                f"{_day_of(stream, record)}",
                source=stream.source,
                stream=stream.name,
            ) from error
    return pa.array(values, field.type)


def _parser(kind: pa.DataType) -> Callable[[Any], Any]:
    if pa.types.is_integer(kind):
        return _integer
    if pa.types.is_floating(kind):
        return _double
    if pa.types.is_decimal(kind):
        quantum = Decimal(1).scaleb(-kind.scale)
        return lambda value: Decimal(str(value)).quantize(quantum)
    if pa.types.is_boolean(kind):
        return boolean
    if pa.types.is_timestamp(kind):
        return instant
    if pa.types.is_date(kind):
        return lambda value: value if isinstance(value, date) else date.fromisoformat(str(value)[:10])
    if pa.types.is_string(kind):
        return _text
    return lambda value: value


def _integer(value: Any) -> int:
    if isinstance(value, bool):
        raise TypeError("a boolean is not a number")
    if isinstance(value, float) and not value.is_integer():
        raise ValueError("not a whole number")
    return int(value)


def _double(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError("a boolean is not a number")
    return float(value)


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


def _day_of(stream: Stream, record: dict[str, Any]) -> str:
    day = record.get(stream.day)
    return f" (day {str(day)[:10]})" if day else ""
