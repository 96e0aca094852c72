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

from dagster_project.sources.files.cells import may_contain, newly_null, typed_text
from dagster_project.sources.files.date_formats import EPOCH, EXCEL, iso_texts, patterns_of
from dagster_project.wire.cells import Parsed, none_failed, try_cast

_LOCAL, _UTC = pa.timestamp("us"), pa.timestamp("us", tz="UTC")
# seconds (with a fraction, as Python's time.time() writes them), milliseconds, microseconds
_EPOCHS = {r"^\d{10}(?:\.\d{1,9})?$": 1_000_000, r"^\d{13}$": 1_000, r"^\d{16}$": 1}
_SERIAL_DAY = r"^\d{1,7}(?:[.,]\d{1,12})?$"
_FIRST_OF_MARCH_1900, _LAST_SERIAL_DAY, _SERIAL_OF_1970 = 61, 2_958_465, 25_569
# hours with or without a colon, epochs, fractions of a day
_TIME_OF_DAY = r":|^\d{4}-\d{2}-\d{2}[T ]\d{2}|[T ]\d{1,2}[.h]\d{2}|^\d{10}(?:\.\d+)?$|^\d{13,}$|^\d+[.,]\d*[1-9]\d*$"
_MIDNIGHT = r"[T ](?:0?0:00(?::00(?:[.,]0+)?)?|12:00(?::00)? ?AM)$"


def days(cells: pa.Array, time_zone: str, date_formats: Sequence[str], languages: Sequence[str] = ()) -> Parsed:
    """Days. A moment with an offset gives its day in `time_zone`; one without, the day as written."""
    cells = _typed_days(cells)
    if pa.types.is_date(cells.type):
        return cells.cast(pa.date32()), none_failed(cells)
    if pa.types.is_timestamp(cells.type):
        return _day_in(cells, time_zone), none_failed(cells)
    text = typed_text(cells)
    local, utc = _read(text, date_formats, languages)
    found = pc.coalesce(_day_in(local, time_zone), _day_in(utc, time_zone))
    return found, newly_null(text, found)


def moments(
    cells: pa.Array,
    time_zone: str,
    date_formats: Sequence[str],
    day_zone: str | None = None,
    languages: Sequence[str] = (),
) -> Parsed:
    """Moments in UTC, microseconds. Those without an offset are times of `time_zone`: one that the clock
    change skips is moved to the first moment after the gap (so a day keeps its date), one that comes twice
    is the first. A day without a time (see `without_time`) is that day wherever it is read: it begins at the
    midnight of `day_zone`, the zone by which days are counted.
    """
    found, failed = _moments(cells, time_zone, date_formats, languages)
    if day_zone is None or day_zone == time_zone:
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


def _moments(cells: pa.Array, time_zone: str, date_formats: Sequence[str], languages: Sequence[str]) -> Parsed:
    cells = _typed_days(cells)
    if pa.types.is_date(cells.type):
        cells = cells.cast(_LOCAL)
    if pa.types.is_timestamp(cells.type):
        in_us = cells.cast(pa.timestamp("us", cells.type.tz), safe=False)
        return _in_utc(in_us, time_zone), none_failed(cells)
    text = typed_text(cells)
    local, utc = _read(text, date_formats, languages)
    found = pc.coalesce(_in_utc(local, time_zone), utc)
    return found, newly_null(text, found)


def _typed_days(cells: pa.Array) -> pa.Array:
    """Days that ClickHouse writes to Parquet: UInt16, the days since 1970."""
    return cells.cast(pa.int32()).cast(pa.date32()) if pa.types.is_uint16(cells.type) else cells


def _in_utc(local: pa.Array, time_zone: str) -> pa.Array:
    if local.type.tz is None:
        local = pc.assume_timezone(local, time_zone, ambiguous="earliest", nonexistent="latest")
    return local.cast(_UTC)


def _day_in(found: pa.Array, time_zone: str) -> pa.Array:
    if found.type.tz is not None:
        found = pc.local_timestamp(found.cast(pa.timestamp(found.type.unit, time_zone)))
    return pc.floor_temporal(found, unit="day").cast(pa.date32(), safe=False)


def _read(text: pa.Array, date_formats: Sequence[str], languages: Sequence[str]) -> tuple[pa.Array, pa.Array]:
    """Moments without an offset, and moments in UTC; an unreadable cell is in neither."""
    local, utc = pa.nulls(len(text), _LOCAL), pa.nulls(len(text), _UTC)
    if not date_formats:
        with contextlib.suppress(pa.ArrowInvalid):  # most columns are ISO without an offset throughout
            return text.cast(_LOCAL), utc
    text = _with_plain_spaces(text)
    for date_format in date_formats or (EPOCH, "iso"):
        if date_format == EPOCH:
            utc = pc.coalesce(utc, _epochs(text))
        if date_format == EXCEL:
            local = pc.coalesce(local, _serial_days(text))
        for pattern in patterns_of(date_format):
            rest = pc.if_else(pc.or_(pc.is_valid(local), pc.is_valid(utc)), None, text)
            if rest.null_count == len(rest):
                return local, utc
            iso, offset = iso_texts(rest, pattern, languages)
            has_offset = pc.not_equal(offset, "")
            local = pc.coalesce(local, try_cast(pc.if_else(has_offset, None, iso), _LOCAL)[0])
            with_offset = pc.if_else(has_offset, pc.binary_join_element_wise(iso, offset, ""), None)
            utc = pc.coalesce(utc, try_cast(with_offset, _UTC)[0])
    return local, utc


def _with_plain_spaces(text: pa.Array) -> pa.Array:
    """All kinds of spaces (macOS and Chrome put U+202F before PM) as one space."""
    if not may_contain(text, b"\xc2\xe1\xe2\xe3\t\n"):
        return text
    return pc.replace_substring_regex(text, pattern=r"[\s\p{Z}]+", replacement=" ")


def _epochs(text: pa.Array) -> pa.Array:
    utc = pa.nulls(len(text), _UTC)
    for pattern, to_us in _EPOCHS.items():
        epoch = pc.if_else(pc.match_substring_regex(text, pattern), text, None)
        if epoch.null_count == len(epoch):
            continue
        whole = pc.replace_substring_regex(epoch, pattern=r"\..*$", replacement="").cast(pa.int64())
        fraction = pc.replace_substring_regex(epoch, pattern=r"^\d+\.?", replacement="")
        fraction = pc.utf8_slice_codeunits(pc.utf8_rpad(fraction, 6, "0"), 0, 6).cast(pa.int64())
        utc = pc.coalesce(utc, pc.add(pc.multiply(whole, to_us), fraction).cast(_UTC))
    return utc


def _serial_days(text: pa.Array) -> pa.Array:
    """Excel's days of the 1900 system: 61 is 1 March 1900. Below it the system has a 29 February that never was."""
    serial = pc.if_else(pc.match_substring_regex(text, _SERIAL_DAY), text, None)
    number = pc.replace_substring(serial, ",", ".").cast(pa.float64())
    is_day = pc.and_(pc.greater_equal(number, _FIRST_OF_MARCH_1900), pc.less(number, _LAST_SERIAL_DAY + 1))
    number = pc.if_else(is_day, number, None)
    milliseconds = pc.round(pc.multiply(pc.subtract(number, _SERIAL_OF_1970), 86_400_000.0))
    return milliseconds.cast(pa.int64()).cast(pa.timestamp("ms")).cast(_LOCAL)
