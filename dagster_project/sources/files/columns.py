"""Cells of a file as one column of ours: by the mapping's columns, translations, arithmetic and units.

What rows are made of the columns, and which of them are taken: `rows.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.sources.files import arithmetic as file_arithmetic
from dagster_project.sources.files import cells as file_cells
from dagster_project.sources.files import channels as file_channels
from dagster_project.sources.files import dates as file_dates
from dagster_project.sources.files.choice import label as column_label
from dagster_project.sources.files.drops import Cells
from dagster_project.sources.files.formats import Formats, parse, why
from dagster_project.sources.files.mappings import ROW_NUMBER, UNITS, FileMapping, is_number
from dagster_project.sources.files.problems import CellProblems, Problems
from dagster_project.sources.files.stream import HASHED, FileStream
from dagster_project.wire.cells import Parsed, none_failed, shown
from dagster_project.wire.contract import ConfigError
from dagster_project.wire.identity import hash_email, hash_phone, redact_answer, redact_text

if TYPE_CHECKING:
    from dagster_project.sources.files.settings import FilesSettings

SEPARATOR = ";"  # between the values of one cell, as CRMs write them

HASHES = {"email_hash": hash_email, "phone_hash": hash_phone}
_URLS = ("landing_page", "landing_page_url", "referrer", "url")
_ANSWERS = ("self_reported_source", "answer_text")  # open questions, into which people type what they like
_FREE_TEXTS = ("form", "product", "channel", "answer")  # numbers in tags and names of campaigns are no phones
_DIGITS_LOST = "a spreadsheet made it a number (1.2E+18) and its digits are lost"
_NO_TEXT = "its bytes are no UTF-8 text; set encoding (cp1251, cp1252 …) if the file is in another one"
_IDS = ("gclid", "fbclid", "yclid", "msclkid", "ttclid", "refund_of")  # and all that end in _id


@dataclass
class ColumnReader:
    """Makes the columns of one mapping's rows. `sources`: our column -> columns of the file."""

    stream: FileStream
    mapping: FileMapping
    settings: FilesSettings

    def __post_init__(self) -> None:
        mapping, stream = self.mapping, self.stream
        self.formats = Formats(
            mapping.time_zone or self.settings.reporting_time_zone,
            mapping.decimal,
            mapping.thousands,
            mapping.date_format,
            mapping.language,
            self.settings.reporting_time_zone,
        )
        self.hash_key = self.settings.hash_key.get_secret_value().encode()
        self.sources = {HASHED.get(ours, ours): theirs for ours, theirs in mapping.columns.items()}
        self.values = {HASHED.get(ours, ours): values for ours, values in mapping.values.items()}
        self.otherwise = {HASHED.get(ours, ours): theirs for ours, theirs in mapping.otherwise.items()}
        self.constants = {HASHED.get(o, o): self._constant(o, text) for o, text in mapping.constants.items()}
        if "count" in mapping.columns and stream.record_id and stream.record_id not in self.sources:
            self.sources[stream.record_id] = (ROW_NUMBER,)

    def first_and_all(self, name: str, text: pa.Array) -> tuple[pa.Array, pa.Array]:
        """The first of several values in a cell, and all of them where there are several."""
        separator = self.mapping.separator.get(name, SEPARATOR)
        if not file_cells.may_contain(text, separator[:1].encode()):
            return text, pa.nulls(len(text), pa.list_(pa.string()))
        every = pa.array(
            [None if cell is None else _parts(cell, separator) for cell in text.to_pylist()], pa.list_(pa.string())
        )
        first = pc.list_element(pc.if_else(pc.greater(pc.list_value_length(every), 0), every, None), 0)
        return first, pc.if_else(pc.greater(pc.list_value_length(every), 1), every, None)

    def theirs(self, name: str, cells: Cells) -> pa.Array:
        """The cells that are to become our column `name`: joined, stood in for and translated."""
        theirs = [cells.columns[column] for column in self.sources[name]]
        column = theirs[0]
        if len(theirs) > 1:
            column = file_cells.with_dashes([file_cells.ids(part)[0] for part in theirs])
        if name in self.otherwise:
            parts = [column, *(cells.columns[other] for other in self.otherwise[name])]
            column = file_cells.first_filled(parts, self.values.get(name, {}))
        elif name in self.values:
            column = file_cells.translate(file_cells.text_of(column), self.values[name])
        return column

    def is_day(self, moment: str, cells: Cells) -> pa.Array:
        """Where the cell of `moment` gives a day without a time."""
        if moment in self.sources:
            return file_dates.without_time(self.theirs(moment, cells), self.formats.date_formats)
        text = pa.repeat(pa.scalar(self.mapping.constants[moment], pa.string()), len(cells.lines))
        return file_dates.without_time(text, self.formats.date_formats)

    def column(self, name: str, cells: Cells, problems: Problems | CellProblems) -> pa.Array:
        """One column as our stream has it. What cannot be read goes to `problems`, by the row or by the cell."""
        kind = self.stream.kinds[name]
        if (
            self.sources[name][0] in self.mapping.formulas
            and self.sources[name][0] not in cells.columns
            and is_number(kind)
        ):
            return self._calculated(name, cells, problems)
        if name in self.mapping.counts:
            return self._counted(name, cells.columns[self.sources[name][0]], problems)
        column = self.theirs(name, cells)
        if name in HASHES:
            return self._hashed(name, column, problems)
        if not pa.types.is_string(kind):
            return self._parsed(name, column, problems)
        if name.endswith("_id") or name in _IDS:
            return self._ids(name, column, problems)
        text = file_cells.text_of(column)
        text = file_cells.urls(text) if name in _URLS else text
        if name in _ANSWERS or name in _FREE_TEXTS:
            text = file_cells.free_texts(text, redact_answer if name in _ANSWERS else redact_text)
        return file_cells.without_addresses(text, self.hash_key)

    def _hashed(self, name: str, column: pa.Array, problems: Problems | CellProblems) -> pa.Array:
        text = file_cells.text_of(column)
        broken = pc.fill_null(pc.match_substring_regex(text, file_cells.BROKEN_BY_SPREADSHEET), False)
        problems.add(broken, lambda _: f"{self.label(name)}: {_DIGITS_LOST}")
        return file_cells.by_unique(text, lambda cell: HASHES[name](cell, self.hash_key))

    def _calculated(self, name: str, cells: Cells, problems: Problems | CellProblems) -> pa.Array:
        """A number of ours by the arithmetic of the mapping."""
        formula = str(self.sources[name][0])
        values, failed = file_arithmetic.calculated(
            self.mapping.formulas[formula], cells.columns, len(cells.lines), self.formats
        )
        numbers, too_big = self._in_unit(name, values, to_whole=True)
        problems.add(
            pc.or_(failed, too_big),
            lambda _: f"{name}: {formula!r} cannot be calculated: a cell of it is no number, or it divides by 0",
        )
        return numbers

    def _in_unit(self, name: str, values: pa.Array, *, to_whole: bool) -> Parsed:
        """Exact values times the unit of the column, as the column's kind."""
        failed = none_failed(values)
        if name in self.mapping.unit:
            values, failed = file_arithmetic.times(values, self.mapping.unit[name])
        numbers, too_big = file_arithmetic.as_kind(values, self.stream.kinds[name], to_whole=to_whole)
        return numbers, pc.or_(failed, too_big)

    def _parsed(self, name: str, column: pa.Array, problems: Problems | CellProblems) -> pa.Array:
        kind = self.stream.kinds[name]
        if name in self.mapping.unit:
            values, failed = file_arithmetic.exact(column, self.formats)
            if self.mapping.unit[name] == UNITS["micros"]:
                self._check_micros(name, values, problems)
            values, too_big = self._in_unit(name, values, to_whole=False)
            failed = pc.or_(failed, too_big)
        else:
            values, failed = parse(column, kind, self.formats)
        if pc.any(failed).as_py():
            texts = file_cells.text_of(column)
            problems.add(failed, lambda row: f"{self.label(name)} {why(texts[row].as_py() or '', kind, self.formats)}")
        return values

    def _check_micros(self, name: str, values: pa.Array, problems: Problems | CellProblems) -> None:
        """Millionths have no decimals: 125.50 is an amount already, and would be next to nothing."""
        is_part = pc.fill_null(pc.not_equal(pc.floor(values), values), False)
        problems.add(
            is_part,
            lambda row: (
                f"{self.label(name)} {values[row].as_py().normalize():f} is not in micros, which have no decimals; "
                f"take unit.{name} away"
            ),
        )

    def _counted(self, name: str, column: pa.Array, problems: Problems | CellProblems) -> pa.Array:
        counts, failed = file_cells.item_counts(column)
        if pc.any(failed).as_py():

            def reason(row: int) -> str:
                seen = shown(str(column[row].as_py()))
                return f"{self.label(name)} {seen!r} is not a list such as [12,34]; counts takes lists only"

            problems.add(failed, reason)
        return counts

    def _ids(self, name: str, column: pa.Array, problems: Problems | CellProblems) -> pa.Array:
        values, lost = file_cells.ids(column)
        if pc.any(lost).as_py():
            texts = file_cells.text_of(column)

            def reason(row: int) -> str:
                is_no_text = file_cells.NO_TEXT in (texts[row].as_py() or "")
                return f"{self.label(name)}: {_NO_TEXT if is_no_text else _DIGITS_LOST}"

            problems.add(lost, reason)
        return file_cells.without_addresses(values, self.hash_key)

    def choice(
        self, name: str, column: pa.Array, allowed: Sequence[str], problems: Problems | CellProblems
    ) -> pa.Array:
        lower = pc.utf8_lower(column)
        is_known = pc.or_(pc.is_null(lower), pc.is_in(lower, value_set=pa.array(allowed)))

        def reason(row: int) -> str:
            seen = shown(column[row].as_py())
            known = ", ".join(allowed)
            return f"{self.label(name)} {seen!r} is none of {known}; translate it under values.{name}"

        problems.add(pc.invert(is_known), reason)
        return pc.if_else(is_known, lower, None)

    def channel(self, column: pa.Array, problems: Problems) -> pa.Array:
        """Channels as they are declared; a CRM's rows may have other words for them."""
        channels = self.settings.channels
        named, is_unknown = file_channels.declared(column, channels, may_be_words=self.stream.domain == "crm")

        def reason(row: int) -> str:
            seen, known = shown(column[row].as_py()), ", ".join(channels)
            where = f"{self.label('channel')} {seen!r} is none of {known}"
            return f"{where}; translate it under values.channel, or declare it under channels.own"

        problems.add(is_unknown, reason)
        return named

    def _constant(self, ours: str, text: str) -> pa.Scalar:
        name = HASHED.get(ours, ours)
        if name in HASHES:
            return pa.scalar(HASHES[name](text, self.hash_key), pa.string())
        kind = self.stream.kinds[name]
        values, failed = parse(pa.array([text], pa.string()), kind, self.formats)
        if failed[0].as_py():
            raise ConfigError(
                f"files entry {self.mapping.name!r}: constants.{ours} {why(text, kind, self.formats)}",
                source="files",
                stream=self.stream.name,
            )
        return values[0]

    def empty(self, name: str) -> str:
        return "created_at and closed_at are empty" if name == "filed_at" else f"{self.label(name)} is empty"

    def label(self, name: str) -> str:
        theirs = self.sources.get(name, ())
        return f"{name} ({' + '.join(map(column_label, theirs))})" if theirs and theirs != (name,) else name

    def has_row_numbers(self, cells: Cells) -> bool:
        """Whether rows have no id but their place in their file."""
        return ROW_NUMBER not in cells.columns and any(
            self.sources.get(name) == (ROW_NUMBER,) for name in self.stream.id
        )


def _parts(cell: str, separator: str) -> list[str]:
    """The values of one cell, each once, in their order."""
    return list(dict.fromkeys(part for each in cell.split(separator) if (part := each.strip())))
