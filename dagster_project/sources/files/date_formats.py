"""The ways in which dates are written: regular expressions for formats and named formats, names of months.

`dates.py` reads cells by them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

import babel
import pyarrow as pa
import pyarrow.compute as pc

_ISO = (  # with RFC 9557's name of the zone behind the offset, which Java writes: 2026-09-01T10:00:00Z[UTC]
    r"^(?P<Y>\d{4})-(?P<m>\d{2})-(?P<d>\d{2})"
    r"(?:[T ](?P<H>\d{2})(?::(?P<M>\d{2})(?::(?P<S>\d{2})(?:[.,](?P<f>\d{1,9}))?)?)?)?"
    r"(?: ?(?P<z>Z|UTC|[+-]\d{2}(?::?\d{2})?)(?:\[[\w/+:-]{1,40}\])?)?$",
    r"^(?P<Y>\d{4})(?P<m>\d{2})(?P<d>\d{2})$",
)
# the zones that RFC 2822 gives a meaning; all others mean several offsets (IST: Delhi, Dublin, Jerusalem)
_ZONES = {
    "UTC": "Z", "UT": "Z", "GMT": "Z", "EST": "-05:00", "EDT": "-04:00", "CST": "-06:00", "CDT": "-05:00", "MST": "-07:00",
    "MDT": "-06:00", "PST": "-08:00", "PDT": "-07:00",
}  # fmt: skip
_ZONE = "|".join(_ZONES)
_RFC_2822 = (
    r"^(?:\pL{3}, ?)?(?P<d>\d{1,2}) (?P<b>\pL{3}) (?P<Y>\d{4}) (?P<H>\d{2}):(?P<M>\d{2})(?::(?P<S>\d{2}))?"
    rf" (?P<z>[+-]\d{{4}}|Z|{_ZONE})(?: \([^()]*\))?$",
)
_JAVASCRIPT = (
    r"^\pL{3} (?P<b>\pL{3}) (?P<d>\d{2}) (?P<Y>\d{4})"
    r"(?: (?P<H>\d{2}):(?P<M>\d{2}):(?P<S>\d{2}) GMT(?P<z>[+-]\d{4})(?: \([^()]*\))?)?$",
)
EXCEL, EPOCH = "excel", "epoch"
NAMED: dict[str, tuple[str, ...]] = {
    "iso": _ISO,
    EPOCH: (),
    EXCEL: (),
    "rfc2822": _RFC_2822,
    "javascript": _JAVASCRIPT,
}
_NAME = r"\pL{3,}\.?"
_DIRECTIVES = {
    "Y": r"\d{4}", "y": r"\d{2}", "m": r"\d{1,2}", "d": r"\d{1,2}", "H": r"\d{1,2}", "I": r"\d{1,2}",
    "M": r"\d{1,2}", "S": r"\d{1,2}", "f": r"\d{1,9}", "p": r"[AaPp]\.? ?[Mm]\.?", "b": _NAME, "B": _NAME,
    "a": r"\pL+\.?", "A": r"\pL+\.?", "z": r"Z|UTC|[+-]\d{2}:?\d{2}", "Z": f"Z|{_ZONE}",
}  # fmt: skip
# how months are cut short where the cut is no beginning of the name
_SHORT = {"de": {"mrz": 3}, "nl": {"mrt": 3}}


def check_date_format(date_format: str) -> None:
    """Raises ValueError for a format that does not give a whole date."""
    if date_format in NAMED:
        return
    groups = _groups(pattern_of(date_format))
    if "d" not in groups or not {"Y", "y"} & groups or not {"m", "b", "B"} & groups:
        raise ValueError(
            f"a date format needs day, month and year, for example %d.%m.%Y; or it is one of {', '.join(NAMED)}"
        )
    if ("I" in groups) != ("p" in groups):
        raise ValueError("%I (12-hour clock) and %p (AM or PM) need each other")


def check_language(language: str) -> None:
    """Raises ValueError for what is no language whose names of months are known."""
    try:
        babel.Locale.parse(language)
    except (ValueError, babel.UnknownLocaleError):
        raise ValueError("not a language; allowed are codes such as en, de, fr or ru") from None


def patterns_of(date_format: str) -> tuple[str, ...]:
    """The regular expressions of a format or a named format; none for those that are numbers."""
    return NAMED[date_format] if date_format in NAMED else (pattern_of(date_format),)


def pattern_of(date_format: str) -> str:
    """A strptime format as a regular expression (RE2) with the directives as groups. Raises ValueError."""
    date_format = re.sub(r"\s+", " ", date_format.strip())
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


def iso_texts(text: pa.Array, pattern: str, languages: Sequence[str]) -> tuple[pa.Array, pa.Array]:
    """The cells that match as `2026-03-29 14:05:00.000000` (30 February among them), and their offsets."""
    groups = _groups(pattern)
    parts = pc.extract_regex(text, pattern=pattern)

    def part(name: str, default: str) -> pa.Array:
        if name not in groups:
            return pc.if_else(pc.is_valid(parts), default, None)
        found = pc.struct_field(parts, name)
        return pc.if_else(pc.equal(found, ""), default, found)

    def two(digits: pa.Array) -> pa.Array:
        return pc.utf8_lpad(digits, 2, "0")

    year = part("Y", "") if "Y" in groups else _full_year(part("y", ""))
    # the formats of the mail and of JavaScript are English in every language
    names = ("en",) if pattern in (*_RFC_2822, *_JAVASCRIPT) else tuple(languages) or ("en",)
    month = part("m", "") if "m" in groups else _month_numbers(part("b" if "b" in groups else "B", ""), names)
    hour = _hour_of_24(part("I", ""), part("p", "")) if "I" in groups else part("H", "00")
    fraction = pc.utf8_slice_codeunits(pc.utf8_rpad(part("f", "0"), 9, "0"), 0, 6)
    day = pc.binary_join_element_wise(year, two(month), two(part("d", "")), "-")
    time = pc.binary_join_element_wise(two(hour), two(part("M", "00")), two(part("S", "00")), ":")
    iso = pc.binary_join_element_wise(day, " ", time, ".", fraction, "")
    return iso, _offsets(part("Z" if "Z" in groups else "z", ""))


def _groups(pattern: str) -> set[str]:
    return set(re.findall(r"\(\?P<(\w+)>", pattern))


def _offsets(written: pa.Array) -> pa.Array:
    known = pc.index_in(written, pa.array(list(_ZONES)))
    return pc.coalesce(pa.array(list(_ZONES.values())).take(known), written)


def _full_year(two_digits: pa.Array) -> pa.Array:
    """69..99 are 19xx, 00..68 are 20xx, as in Python's and POSIX's strptime."""
    century = pc.if_else(pc.greater_equal(two_digits, "69"), "19", "20")
    return pc.binary_join_element_wise(century, two_digits, "")


def _month_numbers(names: pa.Array, languages: tuple[str, ...]) -> pa.Array:
    encoded = pc.dictionary_encode(names)
    numbers = [month_number(name, languages) for name in encoded.dictionary.to_pylist()]
    return pa.array([number and str(number) for number in numbers], pa.string()).take(encoded.indices)


@lru_cache(maxsize=10_000)
def month_number(name: str, languages: tuple[str, ...]) -> int | None:
    """1..12 for a month's name in one of the languages, or for a beginning of at least three letters that no other
    month has; None for any other word. Accents and case do not count."""
    word = _plain(name)
    for language in languages:
        if number := _SHORT.get(language, {}).get(word):
            return number
        names = _month_names(language)
        if exact := {number for known, number in names if known == word}:
            return exact.pop() if len(exact) == 1 else None
        found = {number for known, number in names if len(word) >= 3 and known.startswith(word)}
        if len(found) == 1:
            return found.pop()
    return None


@lru_cache(maxsize=100)
def _month_names(language: str) -> tuple[tuple[str, int], ...]:
    months = babel.Locale.parse(language).months
    return tuple(
        (_plain(name), number)
        for context in ("format", "stand-alone")
        for width in ("wide", "abbreviated")
        for number, name in months[context][width].items()
    )


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFD", name.strip().rstrip(".").lower())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def _hour_of_24(hour: pa.Array, half: pa.Array) -> pa.Array:
    number = hour.cast(pa.int64())
    is_valid = pc.and_(pc.greater_equal(number, 1), pc.less_equal(number, 12))
    number = pc.if_else(pc.equal(number, 12), 0, number)
    number = pc.if_else(pc.starts_with(pc.utf8_lower(half), "p"), pc.add(number, 12), number)
    return pc.if_else(is_valid, number, 99).cast(pa.string())  # hour 99 is no time: the cell fails
