"""Whether the keys of a mapping that say what rows and numbers are can be right: positions, arithmetic, units, lists, counts.

Each check raises ValueError with the mapping, the key, the value and what is allowed.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pyarrow as pa

from dagster_project.sources.files.arithmetic import is_arithmetic, understood
from dagster_project.sources.files.stream import FileStream
from dagster_project.sources.files.streams import CLICK_IDS

if TYPE_CHECKING:
    from dagster_project.sources.files.mappings import FileMapping

UNITS = {
    "micros": Decimal("0.000001"),
    "cents": Decimal("0.01"),
    "thousands": Decimal(1_000),
    "millions": Decimal(1_000_000),
}
ROW_NUMBER = "row_number"


def is_number(kind: pa.DataType | None) -> bool:
    return kind is not None and (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def check_keys(mapping: FileMapping, where: str, stream: FileStream) -> None:
    """All checks of this module; `where` names the mapping."""
    _check_positions(mapping, where)
    _check_formulas(mapping, where, stream)
    _check_units(mapping, where, stream)
    _check_separators(mapping, where, stream)
    _check_row_numbers(mapping, where, stream)
    _check_whole(mapping, where, stream)


def _check_positions(mapping: FileMapping, where: str) -> None:
    if not mapping.header and mapping.file_format != "csv":
        raise ValueError(f"{where}: header: false is of text with columns; {mapping.file_format} has names")
    named = {f"columns.{ours}": names for ours, names in mapping.columns.items()}
    named |= {f"otherwise.{ours}": names for ours, names in mapping.otherwise.items()}
    named |= {"key": mapping.key, "replace_by": mapping.replace_by}
    named |= {setting: tuple(getattr(mapping, setting)) for setting in ("where", "where_not")}
    for key, names in named.items():
        if not mapping.header and (name := next((n for n in names if isinstance(n, str) and n != ROW_NUMBER), None)):
            raise ValueError(f"{where}: {key}: {name!r} is a name, and with header: false columns have positions only")
        if mapping.file_format == "jsonl" and (position := next((n for n in names if isinstance(n, int)), None)):
            raise ValueError(
                f"{where}: {key}: {position} is a position, and JSON has none; put a name that is a number in quotes"
            )


def _check_formulas(mapping: FileMapping, where: str, stream: FileStream) -> None:
    for ours, names in mapping.columns.items():
        if not is_number(stream.kinds.get(ours)) or not any(isinstance(n, str) and is_arithmetic(n) for n in names):
            continue
        if len(names) > 1:
            raise ValueError(f"{where}: columns.{ours}: {list(names)}: arithmetic is one text, not a list")
        try:
            understood(str(names[0]))
        except ValueError as error:
            raise ValueError(
                f"{where}: columns.{ours}: {error}; allowed are + - * / and ( ) between spaces, columns and numbers; "
                "a name with a sign in it stands in [ ]"
            ) from None
        if spoilt := [each for each in ("values", "otherwise") if ours in getattr(mapping, each)]:
            raise ValueError(f"{where}: {spoilt[0]}.{ours}: {names[0]!r} is arithmetic; {spoilt[0]} is for cells")


def _check_units(mapping: FileMapping, where: str, stream: FileStream) -> None:
    numbers = [name for name in stream.mappable if is_number(stream.kinds.get(name))]
    for ours, unit in mapping.unit.items():
        if ours not in numbers:
            raise ValueError(f"{where}: unit.{ours}: no number; allowed are {', '.join(numbers) or 'none'}")
        if ours not in mapping.columns or ours in mapping.counts:
            raise ValueError(f"{where}: unit.{ours} is of a column that is not in columns, or is counted")
        is_factor = isinstance(unit, Decimal) and unit.is_finite() and unit > 0
        if not is_factor or unit == 1 or unit != round(unit, 12) or unit > 10**9:
            raise ValueError(
                f"{where}: unit.{ours} = {str(unit)!r}: allowed are {', '.join(UNITS)}, or a positive number other than "
                "1 such as 1e-6 (at most 12 decimals)"
            )


def _check_separators(mapping: FileMapping, where: str, stream: FileStream) -> None:
    for ours, separator in mapping.separator.items():
        if ours not in stream.lists:
            raise ValueError(
                f"{where}: separator.{ours}: it holds one value; allowed are {', '.join(stream.lists) or 'none'}"
            )
        if len(mapping.columns.get(ours, ())) != 1:
            raise ValueError(
                f"{where}: separator.{ours} is of a column that is not in columns, or is joined of several"
            )
        if not separator or any(letter.isalnum() or letter == "-" for letter in separator):
            raise ValueError(
                f"{where}: separator.{ours} = {separator!r}: allowed are signs that no value has, such as ';', ',' or '|'"
            )


def _check_row_numbers(mapping: FileMapping, where: str, stream: FileStream) -> None:
    ids = (stream.record_id,) if stream.record_id else ()
    for ours, names in mapping.columns.items():
        if ROW_NUMBER in names and (ours not in ids or len(names) > 1):
            allowed = f"allowed is {ids[0]}, alone" if ids else "this stream needs none"
            raise ValueError(f"{where}: columns.{ours}: row_number is an id for rows that have none; {allowed}")


def _check_whole(mapping: FileMapping, where: str, stream: FileStream) -> None:
    """Rows that stand for several have what the several have together, and nothing that only one can have."""
    filled = set(mapping.columns) | set(mapping.constants)
    of_many = {"sessions": ("engaged_sessions", "new_visitors", "sessions_with_key_event")}.get(stream.name, ())
    if "count" not in filled:
        if useless := [name for name in of_many if name in filled]:
            raise ValueError(f"{where}: {useless[0]} is of rows that stand for several visits: give count as well")
        return
    if "count" in mapping.constants:
        raise ValueError(f"{where}: constants.count: every row would stand for as many; give count as a column")
    of_one = {
        "sessions": ("client_id", "is_engaged", "is_new_visitor"),
        "leads": ("email", "phone", "updated_at", "deleted", "mapping_reported_source", *CLICK_IDS),
    }.get(stream.name, ())
    ids = [name for name in stream.id if mapping.columns.get(name) != (ROW_NUMBER,)]
    if wrong := [name for name in (*of_one, *ids) if name in filled]:
        raise ValueError(
            f"{where}: {wrong[0]} cannot be filled beside count: it is of one, and the row stands for several"
        )
    if "key_events" in filled and "sessions_with_key_event" not in filled:
        raise ValueError(
            f"{where}: key_events of several visits needs sessions_with_key_event as well: how many of them had one"
        )
