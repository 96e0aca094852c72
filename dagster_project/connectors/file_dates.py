"""Days and moments in cells of dropped files: ISO 8601, epochs, or the formats that the mapping names.

Every date is brought to one ISO text with regular expressions and then cast, so that 31 February is no date
in any format (Arrow's strptime would make it 3 March).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.connectors.file_cells import Parsed, newly_null, none_failed, try_cast, typed_text

_LOCAL, _UTC = pa.timestamp("us"), pa.timestamp("us", tz="UTC")
_ISO = (
    r"^(?P<Y>\d{4})-(?P<m>\d{2})-(?P<d>\d{2})"
    r"(?:[T ](?P<H>\d{2})(?::(?P<M>\d{2})(?::(?P<S>\d{2})(?:[.,](?P<f>\d{1,9}))?)?)?)?"
    r" ?(?P<z>Z|UTC|[+-]\d{2}(?::?\d{2})?)?$",
    r"^(?P<Y>\d{4})(?P<m>\d{2})(?P<d>\d{2})$",
)
_EPOCHS = {r"^\d{10}$": 1_000_000, r"^\d{13}$": 1_000, r"^\d{16}$": 1}  # seconds, milliseconds, microseconds
_DIRECTIVES = {
    "Y": r"\d{4}", "y": r"\d{2}", "m": r"\d{1,2}", "d": r"\d{1,2}", "H": r"\d{1,2}", "I": r"\d{1,2}",
    "M": r"\d{1,2}", "S": r"\d{1,2}", "f": r"\d{1,9}", "p": r"[AaPp]\.?[Mm]\.?", "b": r"[A-Za-z]{3,9}",
    "B": r"[A-Za-z]{3,9}", "z": r"Z|UTC|[+-]\d{2}:?\d{2}",
}  # fmt: skip
# hours with or without a colon, epochs, fractions of a day
_TIME_OF_DAY = (
    r":|^\d{4}-\d{2}-\d{2}[T ]\d{2}|[T ]\d{1,2}[.h]\d{2}|^\d{10}(?:\.\d+)?$|^\d{13,}$|^\d+[.,]\d*[1-9]\d*$"
)
_MIDNIGHT = r"[T ](?:0?0:00(?::00(?:[.,]0+)?)?|12:00(?::00)? ?AM)$"
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def days(cells: pa.Array, time_zone: str, date_formats: Sequence[str]) -> Parsed:
    """Days. A moment with an offset gives its day in `time_zone`; one without, the day as written."""
    cells = _typed_days(cells)
    if pa.types.is_date(cells.type):
        return cells.cast(pa.date32()), none_failed(cells)
    if pa.types.is_timestamp(cells.type):
        return _day_in(cells, time_zone), none_failed(cells)
    text = typed_text(cells)
    local, utc = _read(text, date_formats)
    found = pc.coalesce(_day_in(local, time_zone), _day_in(utc, time_zone))
    return found, newly_null(text, found)


def moments(
    cells: pa.Array, time_zone: str, date_formats: Sequence[str], day_zone: str | None = None
) -> Parsed:
    """Moments in UTC, microseconds. Those without an offset are times of `time_zone`: one that the clock
    change skips is moved to the first moment after the gap (so a day keeps its date), one that comes twice
    is the first. A day without a time (see `without_time`) is that day wherever it is read: it begins at the
    midnight of `day_zone`, the zone by which days are counted.
    """
    found, failed = _moments(cells, time_zone, date_formats)
    if day_zone in (None, time_zone):
        return found, failed
    is_day = without_time(cells, date_formats)
    if not pc.any(is_day).as_py():
        return found, failed
    midnights = _day_in(found, time_zone).cast(_LOCAL)
    return pc.if_else(is_day, _in_utc(midnights, day_zone), found), failed


def without_time(cells: pa.Array, date_formats: Sequence[str]) -> pa.Array:
    """Which cells give a day only. Programs that know no dates write midnight behind every day: cells of which
    each is a day or a midnight without an offset are days. False for empty cells.
    """
    cells = _typed_days(cells)
    if pa.types.is_date(cells.type):
        return pc.is_valid(cells)
    if pa.types.is_timestamp(cells.type):
        if cells.type.tz is not None:
            return none_failed(cells)
        is_midnight = pc.equal(pc.floor_temporal(cells, unit="day"), cells)
        return pc.and_(pc.is_valid(cells), pc.all(is_midnight))
    text = typed_text(cells)
    is_day = pc.invert(pc.match_substring_regex(text, _TIME_OF_DAY))
    if date_formats and all(re.search("%[HI]", date_format) for date_format in date_formats):
        is_day = pc.if_else(is_day, False, is_day)
    is_midnight = pc.match_substring_regex(text, _MIDNIGHT, ignore_case=True)
    if pc.any(is_midnight).as_py() and pc.all(pc.or_(is_day, is_midnight)).as_py():
        return pc.is_valid(text)
    return pc.fill_null(is_day, False)


def _moments(cells: pa.Array, time_zone: str, date_formats: Sequence[str]) -> Parsed:
    cells = _typed_days(cells)
    if pa.types.is_date(cells.type):
        cells = cells.cast(_LOCAL)
    if pa.types.is_timestamp(cells.type):
        in_us = cells.cast(pa.timestamp("us", cells.type.tz), safe=False)
        return _in_utc(in_us, time_zone), none_failed(cells)
    text = typed_text(cells)
    local, utc = _read(text, date_formats)
    found = pc.coalesce(_in_utc(local, time_zone), utc)
    return found, newly_null(text, found)


def _typed_days(cells: pa.Array) -> pa.Array:
    """Days that ClickHouse writes to Parquet: UInt16, the days since 1970."""
    return cells.cast(pa.int32()).cast(pa.date32()) if pa.types.is_uint16(cells.type) else cells


def check_date_format(date_format: str) -> None:
    """Raises ValueError for a format that does not give a whole date."""
    groups = set(re.compile(_pattern(date_format)).groupindex)
    if "d" not in groups or not {"Y", "y"} & groups or not {"m", "b", "B"} & groups:
        raise ValueError("a date format needs day, month and year, for example %d.%m.%Y")
    if ("I" in groups) != ("p" in groups):
        raise ValueError("%I (12-hour clock) and %p (AM or PM) need each other")


def _in_utc(local: pa.Array, time_zone: str) -> pa.Array:
    if local.type.tz is None:
        local = pc.assume_timezone(local, time_zone, ambiguous="earliest", nonexistent="latest")
    return local.cast(_UTC)


def _day_in(found: pa.Array, time_zone: str) -> pa.Array:
    if found.type.tz is not None:
        found = pc.local_timestamp(found.cast(pa.timestamp(found.type.unit, time_zone)))
    return pc.floor_temporal(found, unit="day").cast(pa.date32(), safe=False)


def _read(text: pa.Array, date_formats: Sequence[str]) -> tuple[pa.Array, pa.Array]:
    """Moments without an offset, and moments in UTC; an unreadable cell is in neither."""
    local, utc = pa.nulls(len(text), _LOCAL), pa.nulls(len(text), _UTC)
    if not date_formats:
        with contextlib.suppress(pa.ArrowInvalid):  # most columns are ISO without an offset throughout
            return text.cast(_LOCAL), utc
        for pattern, to_us in _EPOCHS.items():
            epoch = pc.if_else(pc.match_substring_regex(text, pattern), text, None)
            if epoch.null_count < len(epoch):
                utc = pc.coalesce(utc, pc.multiply(epoch.cast(pa.int64()), to_us).cast(_UTC))
    for pattern in [_pattern(f) for f in date_formats] or _ISO:
        rest = pc.if_else(pc.or_(pc.is_valid(local), pc.is_valid(utc)), None, text)
        if rest.null_count == len(rest):
            break
        iso, offset = _iso(rest, pattern)
        has_offset = pc.not_equal(offset, "")
        local = pc.coalesce(local, try_cast(pc.if_else(has_offset, None, iso), _LOCAL)[0])
        with_offset = pc.if_else(has_offset, pc.binary_join_element_wise(iso, offset, ""), None)
        utc = pc.coalesce(utc, try_cast(with_offset, _UTC)[0])
    return local, utc


def _pattern(date_format: str) -> str:
    """A strptime format as a regular expression with the directives as groups. Raises ValueError."""
    pattern, position = "", 0
    for match in re.finditer(r"%(.)", date_format):
        pattern += re.escape(date_format[position : match.start()])
        directive = match[1]
        if directive == "%":
            pattern += "%"
        elif directive in _DIRECTIVES and f"(?P<{directive}>" not in pattern:
            pattern += f"(?P<{directive}>{_DIRECTIVES[directive]})"
        else:
            allowed = " ".join(f"%{known}" for known in _DIRECTIVES)
            raise ValueError(f"%{directive} cannot be used (or not twice); allowed are {allowed}")
        position = match.end()
    return f"^{pattern}{re.escape(date_format[position:])}$"


def _iso(text: pa.Array, pattern: str) -> tuple[pa.Array, pa.Array]:
    """The cells that match as `2026-03-29 14:05:00.000000` (30 February among them), and their offsets."""
    groups = set(re.compile(pattern).groupindex)
    parts = pc.extract_regex(text, pattern=pattern)

    def part(name: str, default: str) -> pa.Array:
        if name not in groups:
            return pc.if_else(pc.is_valid(parts), default, None)
        found = pc.struct_field(parts, name)
        return pc.if_else(pc.equal(found, ""), default, found)

    def two(digits: pa.Array) -> pa.Array:
        return pc.utf8_lpad(digits, 2, "0")

    year = part("Y", "") if "Y" in groups else _full_year(part("y", ""))
    month = part("m", "") if "m" in groups else _month_number(part("b" if "b" in groups else "B", ""))
    hour = _hour_of_24(part("I", ""), part("p", "")) if "I" in groups else part("H", "00")
    fraction = pc.utf8_slice_codeunits(pc.utf8_rpad(part("f", "0"), 9, "0"), 0, 6)
    day = pc.binary_join_element_wise(year, two(month), two(part("d", "")), "-")
    time = pc.binary_join_element_wise(two(hour), two(part("M", "00")), two(part("S", "00")), ":")
    iso = pc.binary_join_element_wise(day, " ", time, ".", fraction, "")
    return iso, pc.replace_substring(part("z", ""), "UTC", "Z")


def _full_year(two_digits: pa.Array) -> pa.Array:
    """69..99 are 19xx, 00..68 are 20xx, as in Python's and POSIX's strptime."""
    century = pc.if_else(pc.greater_equal(two_digits, "69"), "19", "20")
    return pc.binary_join_element_wise(century, two_digits, "")


def _month_number(names: pa.Array) -> pa.Array:
    position = pc.index_in(pc.utf8_slice_codeunits(pc.utf8_lower(names), 0, 3), pa.array(_MONTHS))
    return pc.add(position, 1).cast(pa.string())


def _hour_of_24(hour: pa.Array, half: pa.Array) -> pa.Array:
    number = hour.cast(pa.int64())
    is_valid = pc.and_(pc.greater_equal(number, 1), pc.less_equal(number, 12))
    number = pc.if_else(pc.equal(number, 12), 0, number)
    number = pc.if_else(pc.starts_with(pc.utf8_lower(half), "p"), pc.add(number, 12), number)
    return pc.if_else(is_valid, number, 99).cast(pa.string())  # hour 99 is no time: the cell fails
