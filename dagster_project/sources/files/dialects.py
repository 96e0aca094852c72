"""How the rows of a text file are written: delimiter, quotes, backslashes; and the likeliest for a mapping."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from dagster_project.sources.files.cells import HIDDEN_QUOTE
from dagster_project.sources.files.drops import DropFile
from dagster_project.sources.files.mappings import WHITESPACE, FileMapping

if TYPE_CHECKING:
    from _csv import Reader

# A quote with a backslash before it would end its cell for all readers: it is hidden until the cell is known.
_ESCAPED, _ESCAPED_BYTES = re.compile(r"\\(.)", re.DOTALL), re.compile(rb"\\(.)", re.DOTALL)


def _hidden_quote(escape: re.Match[str]) -> str:
    return "\\" + HIDDEN_QUOTE if escape[1] == '"' else escape[0]


class HidingQuotes(io.RawIOBase):
    """A stream of bytes with the quotes that have a backslash before them hidden; as long as it was."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._held = stream, b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        content = self._held + self._stream.read(size)
        backslashes = len(content) - len(content.rstrip(b"\\"))
        is_cut = backslashes % 2 and len(content) > 1
        content, self._held = (content[:-1], content[-1:]) if is_cut else (content, b"")
        if b'\\"' not in content:
            return content
        hidden = b"\\" + HIDDEN_QUOTE.encode()
        return _ESCAPED_BYTES.sub(lambda escape: hidden if escape[1] == b'"' else escape[0], content)


@dataclass(frozen=True)
class Dialect:
    """How rows are written. Tab-separated text with escapes has no quotes, as ClickHouse and databases write it;
    with another delimiter a cell may stand in quotes, and a quote in it has a backslash."""

    delimiter: str  # one sign, or WHITESPACE
    has_escapes: bool

    @property
    def has_quotes(self) -> bool:
        return not (self.has_escapes and self.delimiter == "\t")

    @property
    def hides_quotes(self) -> bool:
        return self.has_escapes and self.has_quotes

    def rows(self, lines: Iterable[str], *, strict: bool = False) -> Reader:
        if self.delimiter == WHITESPACE:
            plain = (line.replace("\t", " ").strip() for line in lines)
            return csv.reader(plain, delimiter=" ", skipinitialspace=True, strict=strict)
        if self.hides_quotes:
            lines = (_ESCAPED.sub(_hidden_quote, line) for line in lines)
        if not self.has_quotes:
            return csv.reader(lines, delimiter=self.delimiter, quoting=csv.QUOTE_NONE, strict=strict)
        return csv.reader(lines, delimiter=self.delimiter, strict=strict)


def dialects_of(mapping: FileMapping, file: DropFile) -> list[Dialect]:
    """The dialects that the file may have, the likeliest first."""
    has_escapes = mapping.escapes == "backslash"
    if mapping.delimiter:
        return [Dialect(mapping.delimiter, has_escapes)]
    is_tabbed = ".tsv" in file.name.lower()
    delimiters = ("\t",) if is_tabbed else ("\t", ",") if has_escapes else (",",)
    return [Dialect(delimiter, has_escapes) for delimiter in delimiters]
