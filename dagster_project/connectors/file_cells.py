"""Cells of dropped files as text: trimming, ids, personal data, translations, and what the parsers share.

Column by column with Arrow. Numbers and flags are in `file_formats.py`, days and moments in `file_dates.py`.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.connectors.identity import (
    INVISIBLE,
    MAY_BE_PERSONAL,
    MAY_BE_PERSONAL_TEXT,
    controls_removed,
    hash_email,
    redact_url,
)

Parsed = tuple[pa.Array, pa.Array]  # values, mask of the cells that could not be read

# how people and programs write "nothing" in a typed cell; text columns keep such words: they are evidence
NULL_WORDS = (
    "", "null", "(null)", "none", "(none)", "nan", "n/a", "n / a", "#n/a", "na", "nil", "nat", "undefined", "(not set)", "-",
    "--", "- -", "---", "–", "—", "\\n",
)  # fmt: skip
BROKEN_BY_SPREADSHEET = r"^\d(?:[.,]\d+)?[eE]\+\d+$"  # 1.23457E+18: the digits of an id or a phone are gone
# how report programs begin the line that sums up the others
_TOTALS = r"(?i)^(?:grand |sub-?)?(?:totals?|итог|итого|всего|summe|gesamt|gesamtsumme|somme|totale|totaal|suma|razem)"
_ADDRESS = r"[^@\s/?&=#:;,<>]+(?:@|%40)[^@\s/?&=#%<>]+\.[A-Za-z]{2,}"
_EXACT_FLOAT = 2.0**53  # whole numbers above it lose digits in a double


NO_TEXT = "\ufffd"


def text_of(cells: pa.Array) -> pa.Array:
    """Any column as text: trimmed, empty = null. Whole numbers keep all digits, never by way of a float."""
    if pa.types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    if pa.types.is_floating(cells.type):
        finite = pc.if_else(pc.is_finite(cells), cells, None).cast(pa.float64())
        is_whole = pc.and_(pc.equal(pc.floor(finite), finite), pc.less(pc.abs(finite), _EXACT_FLOAT))
        is_whole = pc.fill_null(is_whole, False)
        whole = pc.if_else(is_whole, finite, None).cast(pa.int64()).cast(pa.string())
        return pc.if_else(is_whole, whole, finite.cast(pa.string()))
    if pa.types.is_decimal(cells.type):
        return pa.array([None if v is None else f"{v.normalize():f}" for v in cells.to_pylist()], pa.string())
    if not pa.types.is_string(cells.type):
        cells = cells.cast(pa.string())
    trimmed = pc.utf8_trim_whitespace(controls_removed(cells))
    return pc.if_else(pc.equal(trimmed, ""), None, trimmed)


def as_text_or_typed(cells: pa.Array, encoding: str | None = None) -> pa.Array:
    """A column of a typed file: bytes become text, U+FFFD where they are none; lists without the wrapping of some
    writers; other types as they are."""
    cells = unwrapped(cells)
    if pa.types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    kind = cells.type
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        cells, kind = cells.cast(pa.large_binary() if pa.types.is_large_string(kind) else pa.binary()), pa.binary()
    elif pa.types.is_string(kind):
        cells, kind = cells.cast(pa.binary()), pa.binary()  # what Parquet calls text has never been looked at
        encoding = None
    if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)):
        return cells
    if encoding in (None, "utf-8"):
        with contextlib.suppress(pa.ArrowInvalid):
            return cells.cast(pa.binary()).cast(pa.string())
    encoded = pc.dictionary_encode(cells.cast(pa.binary()))
    texts = [value.decode(encoding or "utf-8", "replace") for value in encoded.dictionary.to_pylist()]
    return pa.array(texts, pa.string()).take(encoded.indices)


_WRAPPERS = {"list", "element", "array", "item", "bag", "array_element"}


def unwrapped(cells: pa.Array) -> pa.Array:
    """Lists as `list.element`, `array` or `item` (what Parquet's writers make of them) as plain lists."""
    kind = cells.type
    if pa.types.is_struct(kind) and kind.num_fields == 1 and kind.field(0).name in _WRAPPERS:
        return unwrapped(pc.struct_field(cells, kind.field(0).name))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        values = unwrapped(cells.values)
        if values.type != cells.values.type:
            nulls = {"mask": pc.is_null(cells)} if cells.null_count and not cells.offset else {}
            return type(cells).from_arrays(cells.offsets, values, **nulls)
    return cells


def typed_text(cells: pa.Array) -> pa.Array:
    """The text of a column that is to become something else than text: the words for "nothing" are null."""
    text = text_of(cells)
    return pc.if_else(pc.is_in(pc.utf8_lower(text), value_set=pa.array(NULL_WORDS)), None, text)


def says_totals(text: pa.Array) -> pa.Array:
    """Which texts begin as a line of totals does; False for empty ones."""
    return pc.fill_null(pc.match_substring_regex(text, rf"{_TOTALS}(?:\P{{L}}|$)"), False)


def is_totals_line(line: str) -> bool:
    """Whether a line that is no row is one of totals: `Total rows: 3`."""
    return bool(re.match(rf"{_TOTALS}(?:[\W\d_]|$)", line.strip().strip('"')))


def ids(cells: pa.Array) -> Parsed:
    """Ids as text; `null`, `undefined` and the like are no id, `101.0` (pandas, where some cells are empty) is `101`.

    An id that a spreadsheet turned into 1.2E+18, that was stored as a float of 16 or more digits, or whose bytes are
    no text, has lost its digits or letters: it fails, since it would make one person of many.
    """
    text = id_text(typed_text(cells))
    lost = pc.fill_null(pc.match_substring_regex(text, f"{BROKEN_BY_SPREADSHEET}|{NO_TEXT}"), False)
    if pa.types.is_floating(cells.type):
        lost = pc.or_(lost, pc.fill_null(pc.greater_equal(pc.abs(cells), _EXACT_FLOAT), False))
    return pc.if_else(lost, None, text), lost


def id_text(cells: pa.Array) -> pa.Array:
    """Text by which rows are told apart: without invisible characters, and `101.0` is `101`."""
    text = visible(text_of(cells))
    if pc.any(pc.ends_with(text, ".0")).as_py():
        text = pc.replace_substring_regex(text, pattern=r"^(\d+)\.0$", replacement=r"\1")
    return text


def visible(text: pa.Array) -> pa.Array:
    """Texts without zero-width and other invisible characters, which make two ids of one."""
    if not may_contain(text, b"\xc2\xcd\xd8\xe1\xe2\xe3\xef"):  # the first bytes of all of them, but control characters
        return text
    return pc.replace_substring_regex(text, pattern=INVISIBLE, replacement="")


def with_dashes(parts: list[pa.Array]) -> pa.Array:
    """Several columns joined by "-"; null where any of them is."""
    return pc.binary_join_element_wise(*parts, "-")


def translate(text: pa.Array, values: dict[str, str | None]) -> pa.Array:
    """Their values to ours; values that are not named stay. The name "" stands for an empty cell."""
    found = pc.index_in(text, pa.array(list(values), pa.string()))
    ours = pa.array(list(values.values()), pa.string()).take(found)
    translated = pc.if_else(pc.is_valid(found), ours, text)
    return pc.if_else(pc.is_null(text), values[""], translated) if values.get("") else translated


def first_filled(columns: list[pa.Array], values: dict[str, str | None]) -> pa.Array:
    """The first of several columns that says something, each translated. The name "" stands for where none does."""
    named = {theirs: ours for theirs, ours in values.items() if theirs}
    texts = [text_of(column) for column in columns]
    text = pc.coalesce(*(text_of(translate(text, named)) if named else text for text in texts))
    return pc.fill_null(text, values[""]) if values.get("") else text


_ITEM = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[^,\[\]'\"\s][^,\[\]'\"]*"
_LIST = re.compile(rf"\s*\[\s*(?:(?:{_ITEM})\s*(?:,\s*(?:{_ITEM})\s*)*)?\]\s*", re.DOTALL)


def item_counts(cells: pa.Array) -> Parsed:
    """How many items the lists in the cells have, as whole numbers; cells that are no list fail."""
    if pa.types.is_list(cells.type) or pa.types.is_large_list(cells.type):
        return pc.list_value_length(cells).cast(pa.int64()), none_failed(cells)
    text = text_of(cells)
    counts = by_unique(text, _count_of_items).cast(pa.int64())
    return counts, newly_null(text, counts)


def _count_of_items(cell: str) -> str | None:
    return str(len(re.findall(_ITEM, cell, re.DOTALL))) if _LIST.fullmatch(cell) else None


HIDDEN_QUOTE = "\x01"  # stands for a quote behind a backslash until cells are taken apart
_ESCAPES = {HIDDEN_QUOTE: '"', "t": "\t", "n": "\n", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0"}


def unescaped(text: pa.Array) -> pa.Array:
    """Text without its backslash escapes; a backslash before any other letter means that letter, \\N is nothing."""
    if not may_contain(text, b"\\"):
        return text
    has_escape = pc.fill_null(pc.match_substring(text, "\\"), False)
    plain = by_unique(pc.if_else(has_escape, text, None), _without_escapes)
    return pc.if_else(has_escape, plain, text)


def _without_escapes(cell: str) -> str | None:
    if cell == "\\N":
        return None
    return re.sub(r"\\(.)", lambda escape: _ESCAPES.get(escape[1], escape[1]), cell, flags=re.DOTALL)


def by_unique(text: pa.Array, function: Callable[[str], str | None]) -> pa.Array:
    """`function` applied once to each distinct text."""
    encoded = pc.dictionary_encode(text)
    mapped = pa.array([function(value) for value in encoded.dictionary.to_pylist()], pa.string())
    return mapped.take(encoded.indices)


# ---- personal data


def without_addresses(text: pa.Array, hash_key: bytes) -> pa.Array:
    """A cell that is an e-mail address becomes its keyed hash (so that it still joins); inside longer text
    addresses become `(redacted)`."""
    if not may_contain(text, b"@%") or not pc.any(pc.match_substring_regex(text, "@|%40")).as_py():
        return text
    is_address = pc.fill_null(pc.match_substring_regex(text, rf"^{_ADDRESS}$"), False)
    hashed = by_unique(pc.if_else(is_address, text, None), lambda cell: hash_email(cell, hash_key))
    cleaned = pc.replace_substring_regex(text, pattern=_ADDRESS, replacement="(redacted)")
    return pc.if_else(pc.is_valid(hashed), hashed, cleaned)


def free_texts(text: pa.Array, redact: Callable[[str], str | None]) -> pa.Array:
    """What people typed, through `redact`; only texts that may hold an address or a phone are looked at."""
    is_personal = pc.fill_null(pc.match_substring_regex(text, MAY_BE_PERSONAL_TEXT), False)
    if not pc.any(is_personal).as_py():
        return text
    return pc.if_else(is_personal, by_unique(pc.if_else(is_personal, text, None), redact), text)


def urls(text: pa.Array) -> pa.Array:
    """URLs without credentials and without the values of parameters that carry a person's data."""
    is_personal = pc.fill_null(pc.match_substring_regex(text, MAY_BE_PERSONAL), False)
    if not pc.any(is_personal).as_py():
        return text
    return pc.if_else(is_personal, by_unique(pc.if_else(is_personal, text, None), redact_url), text)


def shown(cell: str) -> str:
    """A cell as it may stand in a message: short, without anything that looks like an address or a phone."""
    if "@" in cell or "%40" in cell:
        return "(an e-mail address)"
    is_date = re.match(r"\s*\d{4}-\d\d|\s*\d{1,2}[./]\d{1,2}[./]\d", cell)
    if not is_date and re.fullmatch(r"\s*\+?[\d\s()./-]{9,}\s*", cell):
        return f"({len(cell)} digits and signs)"
    return cell if len(cell) <= 40 else cell[:37] + "..."


# ---- for the parsers


def may_contain(text: pa.Array, letters: bytes) -> bool:
    """False where none of these bytes is anywhere in the column: far cheaper than any search in its texts."""
    content = text.buffers()[2]
    return content is not None and bool(np.isin(np.frombuffer(content, np.uint8), list(letters)).any())


def none_failed(cells: pa.Array) -> pa.Array:
    return pa.repeat(pa.scalar(False), len(cells))


def newly_null(before: pa.Array, after: pa.Array) -> pa.Array:
    """Where there was something to read and nothing has been read."""
    return pc.and_(pc.is_valid(before), pc.is_null(after))


def try_cast(cells: pa.Array, kind: pa.DataType) -> Parsed:
    """A cast that leaves null what cannot be cast, and says which: found by halving."""
    try:
        return cells.cast(kind), none_failed(cells)
    except pa.ArrowInvalid:
        if len(cells) == 1:
            return pa.nulls(1, kind), pa.array([True])
    half = len(cells) // 2
    left, left_failed = try_cast(cells.slice(0, half), kind)
    right, right_failed = try_cast(cells.slice(half), kind)
    return pa.concat_arrays([left, right]), pa.concat_arrays([left_failed, right_failed])
