"""One column of JSON values as an Arrow array of a declared type: as a whole where it can be, else value by value.

What Arrow reads as a whole has a form that leaves no choice (`_has_form`); all else goes through one Python function for
each type, once for each distinct value, so that both ways give the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.wire.http import Json

# Of a business record; others are typing errors (0206, 20206), and would be days of their own.
YEARS = range(1900, 2200)
MOMENT = pa.timestamp("us", tz="UTC")
UNREADABLE = (ValueError, TypeError, OverflowError, OSError, InvalidOperation)
_TRUE, _FALSE = {"true", "1", "y", "yes"}, {"false", "0", "n", "no"}
_NONE = type(None)
# Characters of 2026-09-02T10:00:00Z, with .250 and with .250000: of such a length Arrow's cast to moments takes only what
# names day, time and zone, as Python would read it.
_ISO_LENGTHS = pa.array([20, 24, 27], pa.int32())
_DOUBLE = r"^-?\d{1,15}(\.\d{1,15})?$"
T = TypeVar("T")


@dataclass(frozen=True)
class Cells:
    """A column as it was read: null where nothing was sent or could be read, and why not (place -> reason; no values)."""

    values: pa.Array
    unreadable: Mapping[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.values)


def read_cells(name: str, values: Sequence[Json], kind: pa.DataType, *, years: range | None = YEARS) -> Cells:
    """The values of the column `name` as `kind`. None and "" are null. `years`: those that moments and days may be of."""
    if pa.types.is_nested(kind):
        return Cells(pa.array(values, kind))
    read = _as_a_whole(values, kind, years)
    if isinstance(read, pa.Array):
        return Cells(read)
    return _one_by_one(name, values, kind, years)


def first_of(properties: Sequence[Mapping[str, Json]], names: Sequence[str]) -> list[Json]:
    """Of each record the first of these fields that has a value."""
    columns = [[each.get(name) for each in properties] for name in names]
    first = columns[0]
    for column in columns[1:]:
        first = [other if value is None or value == "" else value for value, other in zip(first, column, strict=True)]
    return first


# ---- as a whole --------------------------------------------------------------------------------------------


def _as_a_whole(values: Sequence[Json], kind: pa.DataType, years: range | None) -> pa.Array | None:
    """The column where all of it has a form that Arrow reads as Python would; else None."""
    types = set(map(type, values)) - {_NONE}
    if types <= {str}:
        texts = pa.array(values, pa.string())
        return _of_texts(pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts), kind, years)
    if pa.types.is_boolean(kind) and types == {bool}:
        return pa.array(values, kind)
    try:
        if pa.types.is_integer(kind) and types == {int}:
            return pa.array(values, kind)
        if pa.types.is_floating(kind) and types == {float}:
            numbers = pa.array(values, kind)
            return numbers if pc.all(pc.is_finite(numbers)).as_py() else None
    except OverflowError:
        return None
    return None


def _of_texts(texts: pa.Array, kind: pa.DataType, years: range | None) -> pa.Array | None:
    if pa.types.is_string(kind):
        return texts
    if texts.null_count == len(texts):
        return pa.nulls(len(texts), kind)
    if not _has_form(texts, kind):
        return None
    try:
        read = texts.cast(kind)
    except pa.ArrowInvalid:  # 30 February
        return None
    if years and pa.types.is_timestamp(kind):
        span = pc.min_max(pc.year(read)).as_py()
        return read if span["min"] in years and span["max"] in years else None
    return read


def _has_form(texts: pa.Array, kind: pa.DataType) -> bool:
    """Whether Arrow's cast takes all of these texts for what the functions below would, if it takes them."""
    if kind == MOMENT:
        lengths = pc.binary_length(texts).unique().drop_null()
        return bool(pc.all(pc.is_in(lengths, _ISO_LENGTHS)).as_py())
    if pa.types.is_floating(kind):
        form = _DOUBLE
    elif pa.types.is_decimal(kind):
        form = rf"^-?\d{{1,{kind.precision - kind.scale}}}(\.\d{{1,{kind.scale}}})?$"
    else:
        return False
    return pc.all(pc.match_substring_regex(texts, form)).as_py() is not False


# ---- value by value ----------------------------------------------------------------------------------------


def _one_by_one(name: str, values: Sequence[Json], kind: pa.DataType, years: range | None) -> Cells:
    parse = _parser(kind, years)
    known: dict[tuple[type, Json], Json | _Odd] = {}
    read: list[Json] = []
    unreadable: dict[int, str] = {}
    for place, value in enumerate(values):
        if value is None or value == "":
            read.append(None)
            continue
        key = (type(value), value)
        try:
            if (cell := known.get(key, _UNSEEN)) is _UNSEEN:
                cell = known[key] = _parsed(parse, value)
        except TypeError:  # a list or an object has no hash
            cell = _parsed(parse, value)
        if isinstance(cell, _Odd):
            sent = f"the vendor sent a {cell.kind} that cannot be read as one"
            unreadable[place] = f"field {name!r} should be {kind}, {sent}"
            cell = None
        read.append(cell)
    return Cells(pa.array(read, kind), unreadable)


@dataclass(frozen=True)
class _Odd:
    """A value that cannot be read, by its Python type."""

    kind: str


_UNSEEN = _Odd("")


def _parsed(parse: Callable[[Json], Json], value: Json) -> Json | _Odd:
    try:
        return parse(value)
    except UNREADABLE:
        return _Odd(type(value).__name__)


def _parser(kind: pa.DataType, years: range | None) -> Callable[[Json], Json]:
    if pa.types.is_integer(kind):
        return _integer
    if pa.types.is_floating(kind):
        return _double
    if pa.types.is_decimal(kind):
        return lambda value: decimal(value, kind)
    if pa.types.is_boolean(kind):
        return boolean
    if pa.types.is_timestamp(kind):
        return lambda value: _in_years(instant(value), years)
    if pa.types.is_date(kind):
        return lambda value: _in_years(value if isinstance(value, date) else date.fromisoformat(str(value)[:10]), years)
    if pa.types.is_string(kind):
        return _text
    return lambda value: value


def _integer(value: Json) -> int:
    if isinstance(value, bool):
        raise TypeError("a boolean is not a number")
    if isinstance(value, float) and not value.is_integer():
        raise ValueError("not a whole number")
    number = int(value)
    if not -(2**63) <= number < 2**63:
        raise OverflowError("a longer number than can be stored")
    return number


def _double(value: Json) -> float:
    if isinstance(value, bool):
        raise TypeError("a boolean is not a number")
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("not a finite number")
    return number


def decimal(value: Json, kind: pa.Decimal128Type) -> Decimal:
    """Rounded to the type's places. Raises ValueError (NaN, infinite, no number), OverflowError (too long)."""
    if isinstance(value, bool):
        raise TypeError("a boolean is not a number")
    number = Decimal(str(value))
    if not number.is_finite():
        raise ValueError("not a finite number")
    if number.adjusted() >= kind.precision - kind.scale:
        raise OverflowError("a longer number than can be stored")
    return number.quantize(Decimal(1).scaleb(-kind.scale))


def _text(value: Json) -> str:
    if isinstance(value, dict | list):
        raise TypeError("a text was declared")
    return value if isinstance(value, str) else str(value)


def boolean(value: Json) -> bool:
    """True/False from a JSON boolean or a vendor's spelling of one."""
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError("not a boolean")


def instant(value: Json) -> datetime:
    """An aware UTC moment from ISO 8601 text, epoch milliseconds (number or digits), or a datetime.

    Some vendors mix both forms in one field; ISO without an offset is UTC there.
    """
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, int | float) or (isinstance(value, str) and value.strip().lstrip("-").isdigit()):
        moment = datetime.fromtimestamp(int(value) / 1000, UTC)
    else:
        moment = datetime.fromisoformat(str(value).strip().replace("Z", "+00:00"))
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _in_years(day: T, years: range | None) -> T:
    if years and day.year not in years:  # type: ignore[attr-defined]
        raise ValueError("not a year of business")
    return day
