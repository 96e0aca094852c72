"""Arithmetic over columns of a dropped file, as a mapping may write it: `Quantity * (Price - Discount)`.

Signs + - − * × / ÷ and parentheses over columns and numbers, and nothing else: the text is taken apart here and never
evaluated as code. Signs stand between spaces, so that `Add-to-cart` and `Cost/conv.` are names; a name with a sign
between spaces, or one that begins with a parenthesis or a digit, stands in square brackets: `[Cost / conv.] * Clicks`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.sources.files.cells import may_contain
from dagster_project.sources.files.formats import Formats, parse
from dagster_project.wire.cells import Parsed, none_failed, try_cast

# 25 digits before the point and 12 behind it: a product of two fits into 76 digits, the most that Arrow has
EXACT = pa.decimal256(37, 12)
_DIVISOR = pa.decimal256(26, 9)
_READ = pa.decimal128(37, 12)

_SIGNS = {"+": "+", "-": "-", "−": "-", "*": "*", "×": "*", "/": "/", "÷": "/"}
_SIGN = re.compile(rf"\s+([{re.escape(''.join(_SIGNS))}])\s+")
_NUMBER = re.compile(r"-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?=\s|\)|$)")


@dataclass(frozen=True)
class Number:
    value: Decimal


@dataclass(frozen=True)
class Column:
    name: str


@dataclass(frozen=True)
class Both:
    sign: str
    left: Term
    right: Term


Term = Number | Column | Both


def is_arithmetic(text: str) -> bool:
    """Whether the name of a column may be meant as arithmetic: it has a sign between spaces."""
    return bool(_SIGN.search(text.strip()))


def understood(text: str) -> Term:
    """The text taken apart. Raises ValueError, saying where it cannot be understood."""
    reader = _Reader(text)
    term = reader.sum()
    if reader.rest().strip():
        raise ValueError(f"{text!r} cannot be understood from {reader.rest().strip()!r} on")
    return term


def columns_of(term: Term) -> list[str]:
    """The columns of the file that it needs, each once, in their order."""
    if isinstance(term, Both):
        return list(dict.fromkeys([*columns_of(term.left), *columns_of(term.right)]))
    return [term.name] if isinstance(term, Column) else []


def calculated(term: Term, cells: Mapping[Any, pa.Array], count: int, formats: Formats) -> Parsed:
    """The value of each row to 12 decimals; empty where a cell is, failed where one is no number or a divisor is 0."""
    if isinstance(term, Number):
        return pa.repeat(pa.scalar(term.value, EXACT), count), pa.repeat(pa.scalar(False), count)
    if isinstance(term, Column):
        return exact(cells[term.name], formats)
    left, left_failed = calculated(term.left, cells, count, formats)
    right, right_failed = calculated(term.right, cells, count, formats)
    value, failed = _both(term.sign, left, right)
    return value, pc.or_(failed, pc.or_(left_failed, right_failed))


def exact(cells: pa.Array, formats: Formats) -> Parsed:
    """Numbers of cells to 12 decimals, and which cells are none. `31 %` is 0.31."""
    if pa.types.is_string(cells.type) and may_contain(cells, b"%"):
        is_share = pc.fill_null(pc.match_substring_regex(cells, r"%\s*$"), False)
        bare = pc.replace_substring_regex(cells, pattern=r"\s*%\s*$", replacement="")
        values, failed = parse(bare, _READ, formats)
        hundredths = times(values.cast(EXACT), Decimal("0.01"))[0]
        return pc.if_else(is_share, hundredths, values.cast(EXACT)), failed
    values, failed = parse(cells, _READ, formats)
    return values.cast(EXACT), failed


def times(values: pa.Array, factor: Decimal) -> Parsed:
    """Each value by a number."""
    return _both("*", values, pa.repeat(pa.scalar(factor, EXACT), len(values)))


def as_kind(values: pa.Array, kind: pa.DataType, *, to_whole: bool) -> Parsed:
    """Exact values as money (6 decimals), whole numbers or floats. `to_whole`: fractions are rounded, else they fail."""
    if pa.types.is_floating(kind):
        return values.cast(kind), none_failed(values)
    if pa.types.is_decimal(kind):
        return try_cast(_rounded(values, kind.scale), kind)
    whole = _rounded(values, 0)
    is_broken = pc.fill_null(pc.not_equal(whole, values), False) if not to_whole else none_failed(values)
    numbers, failed = try_cast(pc.if_else(is_broken, None, whole), kind)
    return numbers, pc.or_(failed, is_broken)


def _both(sign: str, left: pa.Array, right: pa.Array) -> Parsed:
    if sign in "+-":
        value = pc.add(left, right) if sign == "+" else pc.subtract(left, right)
        return try_cast(value, EXACT)
    if sign == "*":
        return try_cast(_rounded(pc.multiply(left, right), EXACT.scale), EXACT)
    divisor, failed = try_cast(_rounded(right, _DIVISOR.scale), _DIVISOR)
    by_nothing = pc.fill_null(pc.equal(divisor, pa.scalar(Decimal(0), _DIVISOR)), False)
    failed = pc.or_(failed, by_nothing)
    value = pc.divide(left, pc.if_else(failed, None, divisor))
    value, too_big = try_cast(_rounded(value, EXACT.scale), EXACT)
    return value, pc.or_(failed, too_big)


def _rounded(values: pa.Array, digits: int) -> pa.Array:
    if values.type.scale <= digits:
        return values
    return pc.round(values, ndigits=digits, round_mode="half_towards_infinity")


class _Reader:
    """Reads a text from left to right; `sum` reads what stands between two parentheses, or all of it."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text.strip(), 0

    def rest(self) -> str:
        return self.text[self.at :]

    def sum(self) -> Term:
        return self._chain("+-", self._product)

    def _product(self) -> Term:
        return self._chain("*/", self._one)

    def _chain(self, signs: str, read: Callable[[], Term]) -> Term:
        term = read()
        while (match := _SIGN.match(self.text, self.at)) and _SIGNS[match[1]] in signs:
            self.at = match.end()
            term = Both(_SIGNS[match[1]], term, read())
        return term

    def _one(self) -> Term:
        start = self.at
        if self.rest().startswith("("):
            self.at += 1
            self._skip_spaces()
            term = self.sum()
            self._skip_spaces()
            if not self.rest().startswith(")"):
                raise ValueError(f"{self.text!r}: a parenthesis is opened and not closed")
            self.at += 1
            return term
        if self.rest().startswith("["):
            end = self.text.find("]", self.at)
            if end < 0:
                raise ValueError(f"{self.text!r}: a square bracket is opened and not closed")
            name, self.at = self.text[self.at + 1 : end].strip(), end + 1
        elif number := _NUMBER.match(self.text, self.at):
            self.at = number.end()
            return Number(_fitting(number[0], self.text))
        else:
            name = self._name()
        if not name or name[0] in _SIGNS or name[-1] in _SIGNS:
            raise ValueError(f"{self.text!r}: a column or a number is missing at {self.text[start:][:20]!r}")
        return Column(name)

    def _name(self) -> str:
        """Up to the next sign between spaces, or the parenthesis that closes one outside of the name."""
        start, depth = self.at, 0
        while self.at < len(self.text):
            letter = self.text[self.at]
            if depth == 0 and (letter == ")" or _SIGN.match(self.text, self.at)):
                break
            depth += (letter == "(") - (letter == ")")
            self.at += 1
        return self.text[start : self.at].strip()

    def _skip_spaces(self) -> None:
        while self.rest()[:1].isspace():
            self.at += 1


def _fitting(digits: str, text: str) -> Decimal:
    value = Decimal(digits)
    if value != round(value, EXACT.scale) or abs(value) >= Decimal(10) ** 18:
        raise ValueError(f"{text!r}: the number {digits} has more than 18 digits before or 12 behind the point")
    return value
