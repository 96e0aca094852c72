"""Cells of dropped files to typed values: numbers, money, flags; dates by way of `dates.py`.

Column by column with Arrow; each parser gives the typed column and a mask of the cells that it could not
read. Nothing is guessed where two readings differ: such a cell fails, and `why` says what to set.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.sources.files import dates as file_dates
from dagster_project.sources.files.cells import newly_null, text_of, typed_text
from dagster_project.wire.cells import Parsed, none_failed, shown, try_cast

_TRUE, _FALSE = ("true", "t", "yes", "y", "1", "1.0"), ("false", "f", "no", "n", "0", "0.0")

_NUMBER = r"^[+-]?(?:\d{1,18}(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?$"
_BADLY_SPACED = r"\d[\s\p{Z}'’](?:\d{1,2}|\d{4,})(?:\D|$)"  # spaces part thousands, nothing else
_CURRENCY = (  # R$, US$, EUR, ₽ and the signs that Unicode does not know as such
    r"(?:[A-Za-z]{0,3}\p{Sc}|[A-Z]{3}|Kč|zł|kr\.?|руб\.?|р\.?|лв\.?|Ft|Fr\.?|تومان|ریال)"
)
_GROUPED = {
    ",": r"^[+-]?[1-9]\d{0,2}(?:,\d{2,3})*,\d{3}(?:\.\d+)?$",
    ".": r"^[+-]?[1-9]\d{0,2}(?:\.\d{2,3})*\.\d{3}(?:,\d+)?$",
}


@dataclass(frozen=True)
class Formats:
    """How the cells of one mapping are written; `day_zone` is the zone by which days are counted."""

    time_zone: str = "UTC"
    decimal: str | None = None
    thousands: str | None = None
    date_formats: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()  # of the names of months; English where none is named
    day_zone: str | None = None


def parse(cells: pa.Array, kind: pa.DataType, formats: Formats) -> Parsed:
    """`cells` (text or already typed) as `kind`, and the mask of those that cannot be read as that."""
    if pa.types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    if pa.types.is_string(kind):
        return text_of(cells), none_failed(cells)
    if pa.types.is_timestamp(kind):
        return file_dates.moments(cells, formats.time_zone, formats.date_formats, formats.day_zone, formats.languages)
    if pa.types.is_date(kind):
        return file_dates.days(cells, formats.time_zone, formats.date_formats, formats.languages)
    if pa.types.is_boolean(kind):
        return _flags(cells)
    return _numbers(cells, kind, formats)


def why(cell: str, kind: pa.DataType, formats: Formats) -> str:
    """Why a cell could not be read, and what to set; personal data in it is not repeated."""
    seen = repr(shown(cell))
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        if hint := _date_hint(cell.strip(), formats):
            return f"{seen} is not a date as {'date_format says' if formats.date_formats else 'ISO 8601 writes it'}; {hint}"
        if formats.date_formats:
            return f"{seen} is not a date written as {' or '.join(repr(f) for f in formats.date_formats)}"
        return (
            f"{seen} is not a date such as 2026-03-29 or 2026-03-29 14:05:00; "
            "if the file writes dates in another way, set date_format (for example '%d.%m.%Y %H:%M')"
        )
    if pa.types.is_boolean(kind):
        return f"{seen} is neither true nor false; translate it under values"
    if pa.types.is_integer(kind) and re.fullmatch(_NUMBER, cell.strip()):
        return f"{seen} is not a whole number"
    if re.search(r"\d[.,]\d", cell):
        return (
            f"{seen} can be read in two ways or in none; set decimal (',' or '.') and thousands as the file writes them"
        )
    return f"{seen} is not a number"


_DATES_OF_PROGRAMS = {
    r"\d{5}(?:[.,]\d+)?": "if these are Excel's serial days, set date_format: excel",
    r"\w{3}, \d{1,2} \w{3} \d{4} .*": "for the dates of e-mails set date_format: rfc2822",
    r"\w{3} \w{3} \d{2} \d{4} .*GMT.*": "for the dates of JavaScript set date_format: javascript",
    r".*\d (?:[A-Z]{3,4})": "only the zones of RFC 2822 (%Z) have one meaning; write the offset (+02:00)",
    r".*[^\W\d_]{3,}.*": "for names of months set date_format (for example '%d %B %Y') and, if not English, language",
}


def _date_hint(cell: str, formats: Formats) -> str:
    """What to set for dates in a known way of writing; several are told by a list: date_format: [excel, iso]."""
    hints = (hint for pattern, hint in _DATES_OF_PROGRAMS.items() if re.fullmatch(pattern, cell))
    hint = next(hints, "")
    is_set = any(f"date_format: {name}" in hint for name in formats.date_formats)
    return "" if is_set or (formats.languages and "language" in hint) else hint


def _flags(cells: pa.Array) -> Parsed:
    if pa.types.is_boolean(cells.type):
        return cells, none_failed(cells)
    text = typed_text(cells)
    lower = pc.utf8_lower(text)
    is_false = pc.is_in(lower, value_set=pa.array(_FALSE))
    flags = pc.if_else(pc.is_in(lower, value_set=pa.array(_TRUE)), True, pc.if_else(is_false, False, None))
    return flags, newly_null(text, flags)


# ---- numbers


def _numbers(cells: pa.Array, kind: pa.DataType, formats: Formats) -> Parsed:
    if pa.types.is_integer(cells.type) or pa.types.is_decimal(cells.type):
        return _exact_numbers(cells, kind)
    if pa.types.is_floating(cells.type):
        finite = pc.if_else(pc.is_finite(cells), cells, None).cast(pa.float64())
        if not pa.types.is_integer(kind):
            return try_cast(finite, kind)
        whole = pc.if_else(pc.equal(pc.floor(finite), finite), finite, None)
        return whole.cast(kind), newly_null(finite, whole)
    text = typed_text(cells)
    plain = _plain_numbers(text, formats)
    if plain is text and not pa.types.is_integer(kind):
        return text.cast(kind), none_failed(text)
    is_share = pc.match_substring_regex(plain, "%$")
    if pa.types.is_floating(kind):
        value = pc.replace_substring_regex(plain, pattern="%$", replacement="").cast(pa.float64())
        return pc.if_else(is_share, pc.divide(value, 100.0), value), newly_null(text, plain)
    plain = pc.if_else(is_share, None, plain)
    if pa.types.is_integer(kind):
        plain = pc.replace_substring_regex(plain, pattern=r"^\+|\.0*$", replacement="")
        plain = pc.if_else(pc.match_substring_regex(plain, r"^-?\d{1,18}$"), plain, None)
        return plain.cast(kind), newly_null(text, plain)
    money = _money(plain, kind)
    return money, newly_null(text, money)


def _exact_numbers(cells: pa.Array, kind: pa.DataType) -> Parsed:
    if pa.types.is_decimal(cells.type):
        if not pa.types.is_decimal(kind):
            return _numbers(text_of(cells), kind, Formats())
        rounded = pc.round(cells, ndigits=min(cells.type.scale, kind.scale))
        return try_cast(rounded, kind)
    if pa.types.is_decimal(kind):  # Arrow wants room for every int64 before it casts one to a decimal
        cells = cells.cast(pa.string())
    return try_cast(cells, kind)


def _money(plain: pa.Array, kind: pa.DataType) -> pa.Array:
    """Digits as they are written; exponents and more decimals than the type holds go through a double."""
    exact = rf"^[+-]?\d*(?:\.\d{{0,{kind.scale}}})?$"
    is_exact = pc.fill_null(pc.match_substring_regex(plain, exact), True)
    if pc.all(is_exact).as_py():
        return plain.cast(kind)
    rounded, _ = try_cast(pc.if_else(is_exact, None, plain).cast(pa.float64()), kind)
    return pc.if_else(is_exact, pc.if_else(is_exact, plain, None).cast(kind), rounded)


def _plain_numbers(text: pa.Array, formats: Formats) -> pa.Array:
    """`R$ 1.234,50` as `1234.50`, `(12.50)` and `12.50-` as `-12.50`, `31 %` as `31%`, else null."""
    is_plain = pc.fill_null(pc.match_substring_regex(text, r"^-?\d{1,15}(?:\.\d{1,6})?$"), True)
    if formats.decimal != "," and formats.thousands != "." and pc.all(is_plain).as_py():
        return text
    text = pc.if_else(pc.match_substring_regex(text, _BADLY_SPACED), None, text)

    def replaced(cells: pa.Array, pattern: str, by: str) -> pa.Array:
        return pc.replace_substring_regex(cells, pattern=pattern, replacement=by)

    bare = replaced(text, r"[\s\p{Z}'’]", "")
    bare = replaced(bare, "^−|−$", "-")
    bare = replaced(bare, r"^\((.*)\)$", r"-\1")
    has_currency = pc.match_substring_regex(bare, rf"^[+-]?{_CURRENCY}|{_CURRENCY}$")
    bare = replaced(bare, rf"^([+-]?){_CURRENCY}([+-]?)|{_CURRENCY}$", r"\1\2")
    bare = replaced(bare, r"^([^-]*\d[.,]?)-$", r"-\1")
    share = pc.if_else(pc.match_substring_regex(bare, "%$"), "%", "")
    bare = _one_decimal_point(replaced(bare, "%$", ""), has_currency, formats)
    bare = pc.if_else(pc.match_substring_regex(bare, _NUMBER), bare, None)
    return pc.binary_join_element_wise(bare, share, "")


def _one_decimal_point(bare: pa.Array, has_currency: pa.Array, formats: Formats) -> pa.Array:
    """Thousands separators out, decimal separator to a point; null where it is open which is which.

    With `decimal` or `thousands` set, the other separator is taken for thousands where the digits are
    grouped so. With neither, a point is the decimal point, and commas are thousands only where a point
    follows them. A displayed amount such as "R$ 100.000" is then not read: a hundred, or a hundred thousand?
    """
    if formats.decimal == "," or (formats.decimal is None and formats.thousands == "."):
        has_point = pc.match_substring(bare, ".")
        is_unclear = pc.and_(has_point, pc.invert(pc.match_substring_regex(bare, _GROUPED["."])))
        bare = pc.if_else(is_unclear, None, pc.replace_substring(bare, ".", ""))
        return pc.replace_substring(bare, ",", ".")
    has_comma = pc.match_substring(bare, ",")
    is_unclear = pc.and_(has_comma, pc.invert(pc.match_substring_regex(bare, _GROUPED[","])))
    if formats.decimal is None and formats.thousands is None:
        has_no_point = pc.invert(pc.match_substring(bare, "."))
        ends_in_three = pc.match_substring_regex(bare, r"^[+-]?[1-9]\d{0,2}\.\d{3}$")
        is_unclear = pc.or_(is_unclear, pc.and_(has_comma, has_no_point))
        is_unclear = pc.or_(is_unclear, pc.and_(has_currency, ends_in_three))
    return pc.if_else(is_unclear, None, pc.replace_substring(bare, ",", ""))
