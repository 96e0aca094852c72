"""The rows of one mapping's files as typed columns of its stream, and what is wrong with the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.connectors import file_cells, file_dates
from dagster_project.connectors.contract import ConfigError, Tally
from dagster_project.connectors.file_drops import UNREADABLE, BadLine, Cells, DropFile, drift
from dagster_project.connectors.file_formats import Formats, parse, why
from dagster_project.connectors.file_mappings import FileMapping
from dagster_project.connectors.file_overlaps import joined
from dagster_project.connectors.file_readers import read_cells
from dagster_project.connectors.file_streams import HASHED, IS_DAY, FileStream
from dagster_project.connectors.identity import hash_email, hash_phone, redact_answer, redact_text

if TYPE_CHECKING:
    from dagster_project.settings import FilesSettings

Keyed = tuple[pa.Table, pa.Array | None, pa.Array | None]  # rows, their ids, their groups (see Gathered.add)

_HASHES = {"email_hash": hash_email, "phone_hash": hash_phone}
_URLS = ("landing_page", "landing_page_url", "referrer", "url")
_ANSWERS = ("self_reported_source",)  # open questions, into which people type what they like
_FREE_TEXTS = ("form", "product", "channel", "answer")  # numbers in tags and names of campaigns are no phones
_DIGITS_LOST = "a spreadsheet made it a number (1.2E+18) and its digits are lost"
_IDS = ("gclid", "fbclid", "yclid", "msclkid", "ttclid", "refund_of")  # and all that end in _id


@dataclass
class RowReader:
    """Reads the files of one mapping; bad rows and rows left out on purpose are told to `tally`.

    `lookups`: our column -> the values that rows must have in it (the mapping's keep_where_in).
    """

    stream: FileStream
    mapping: FileMapping
    settings: FilesSettings
    tally: Tally
    lookups: dict[str, pa.Array]
    left_out: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        mapping, stream = self.mapping, self.stream
        self.formats = Formats(
            mapping.time_zone or self.settings.reporting_time_zone,
            mapping.decimal,
            mapping.thousands,
            mapping.date_format,
            self.settings.reporting_time_zone,
        )
        self.hash_key = self.settings.hash_key.get_secret_value().encode()
        self.sources = {HASHED.get(ours, ours): theirs for ours, theirs in mapping.columns.items()}
        self.values = {HASHED.get(ours, ours): values for ours, values in mapping.values.items()}
        self.otherwise = {HASHED.get(ours, ours): theirs for ours, theirs in mapping.otherwise.items()}
        self.constants = {HASHED.get(o, o): self._constant(o, text) for o, text in mapping.constants.items()}
        keys = [*mapping.key, *mapping.replace_by]
        named = [*mapping.columns.values(), *mapping.otherwise.values(), keys]
        self.wanted = list(dict.fromkeys(name for names in named for name in names))
        needed = [name for ours in (*stream.required, stream.day) for name in mapping.columns.get(ours, ())]
        self.needed = [*needed, *keys]

    def read(self, file: DropFile, schema: pa.Schema) -> Iterator[Keyed]:
        """The good rows of one file with the columns of `schema`, batch by batch.

        Raises DriftError when the file cannot be read at all, lacks a column, or has bad rows only.
        """
        good, bad, first_reason = 0, 0, ""

        def bad_row(line: int, reason: str) -> None:
            nonlocal bad, first_reason
            bad, first_reason = bad + 1, first_reason or f"line {line}: {reason}"
            if self.mapping.strict:
                raise drift(self.mapping, file, f"{first_reason} (the mapping is strict: nothing was taken)")
            self.tally.bad_row(f"{self.mapping.name}: {file.name}, line {line}: {reason}")

        def bad_cell(line: int, reason: str) -> None:
            if self.mapping.strict:
                raise drift(self.mapping, file, f"line {line}: {reason} (the mapping is strict: nothing was taken)")
            self.tally.bad_cell(f"{self.mapping.name}: {file.name}, line {line}: {reason}")

        self.tally.receive(file.size)
        try:
            for cells in read_cells(file, self.mapping, self.wanted, self.needed, bad_row):
                rows, is_good = self._typed(cells, file, schema, bad_row, bad_cell)
                good += rows.num_rows
                if rows.num_rows:
                    yield self._keyed(rows, cells, is_good)
        except UNREADABLE as error:
            raise drift(self.mapping, file, f"it cannot be read to its end: {error}") from error
        if bad and not good:
            raise drift(self.mapping, file, f"none of its {bad} rows can be read; {first_reason}")

    def tell(self) -> None:
        """Note what was left out on purpose."""
        for column, count in self.left_out.items():
            if count:
                other = self.mapping.keep_where_in[column]
                self.tally.note(
                    f"{self.mapping.name}: {count} rows are not ours: their {column} is not in {other}"
                )

    def _typed(
        self, cells: Cells, file: DropFile, schema: pa.Schema, bad_row: BadLine, bad_cell: BadLine
    ) -> tuple[pa.Table, pa.Array]:
        """The good rows, and which rows of `cells` they are."""
        count, problems = len(cells.lines), _Problems(len(cells.lines))
        cell_problems = _CellProblems(cells.lines, bad_cell)
        columns: dict[str, pa.Array] = {
            "account_id": pa.repeat(pa.scalar(self.mapping.name), count),
            "_file": pa.repeat(pa.scalar(file.name), count),
            "_line": cells.lines,
        }
        for name in self.stream.columns:
            if name in self.sources:
                is_needed = name in self.stream.required or name == self.stream.day
                columns[name] = self._column(name, cells, problems if is_needed else cell_problems)
            elif name in self.constants:
                columns[name] = pa.repeat(self.constants[name], count)
            elif name.endswith(IS_DAY):
                columns[name] = self._is_day(name.removesuffix(IS_DAY), cells)
        nothing = [f for f in schema if f.name not in columns]
        columns |= {f.name: pa.nulls(count, f.type) for f in nothing}
        if self.stream.day == "filed_at":
            columns["filed_at"] = pc.coalesce(columns["created_at"], columns["closed_at"])
        for name in dict.fromkeys((*self.stream.required, self.stream.day)):
            problems.add(pc.is_null(columns[name]), lambda _, name=name: self._empty(name))
        for name, allowed in self.stream.choices.items():
            columns[name] = self._choice(name, columns[name], allowed, problems)
        is_good = problems.report(cells.lines, bad_row)
        rows = pa.Table.from_arrays([columns[name] for name in schema.names], schema=schema)
        return rows.filter(is_good), is_good

    def _theirs(self, name: str, cells: Cells) -> pa.Array:
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

    def _is_day(self, moment: str, cells: Cells) -> pa.Array:
        """Where the cell of `moment` gives a day without a time."""
        if moment in self.sources:
            return file_dates.without_time(self._theirs(moment, cells), self.formats.date_formats)
        text = pa.repeat(pa.scalar(self.mapping.constants.get(moment), pa.string()), len(cells.lines))
        return file_dates.without_time(text, self.formats.date_formats)

    def _column(self, name: str, cells: Cells, problems: _Problems | _CellProblems) -> pa.Array:
        """One column as our stream has it. What cannot be read goes to `problems`, by the row or by the cell."""
        kind = self.stream.columns[name]
        if name in self.mapping.counts:
            return self._counted(name, cells.columns[self.sources[name][0]], problems)
        column = self._theirs(name, cells)
        if name in _HASHES:
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

    def _hashed(self, name: str, column: pa.Array, problems: _Problems | _CellProblems) -> pa.Array:
        text = file_cells.text_of(column)
        broken = pc.fill_null(pc.match_substring_regex(text, file_cells.BROKEN_BY_SPREADSHEET), False)
        problems.add(broken, lambda _: f"{self._label(name)}: {_DIGITS_LOST}")
        return file_cells.by_unique(text, lambda cell: _HASHES[name](cell, self.hash_key))

    def _parsed(self, name: str, column: pa.Array, problems: _Problems | _CellProblems) -> pa.Array:
        kind = self.stream.columns[name]
        values, failed = parse(column, kind, self.formats)
        if pc.any(failed).as_py():
            texts = file_cells.text_of(column)
            problems.add(
                failed, lambda row: f"{self._label(name)} {why(texts[row].as_py() or '', kind, self.formats)}"
            )
        return values

    def _counted(self, name: str, column: pa.Array, problems: _Problems | _CellProblems) -> pa.Array:
        counts, failed = file_cells.item_counts(column)
        if pc.any(failed).as_py():

            def reason(row: int) -> str:
                seen = file_cells.shown(str(column[row].as_py()))
                return f"{self._label(name)} {seen!r} is not a list such as [12,34]; counts takes lists only"

            problems.add(failed, reason)
        return counts

    def _ids(self, name: str, column: pa.Array, problems: _Problems | _CellProblems) -> pa.Array:
        values, lost = file_cells.ids(column)
        problems.add(lost, lambda _: f"{self._label(name)}: {_DIGITS_LOST}")
        return file_cells.without_addresses(values, self.hash_key)

    def _choice(self, name: str, column: pa.Array, allowed: Sequence[str], problems: _Problems) -> pa.Array:
        lower = pc.utf8_lower(column)
        is_known = pc.or_(pc.is_null(lower), pc.is_in(lower, value_set=pa.array(allowed)))

        def reason(row: int) -> str:
            seen = file_cells.shown(column[row].as_py())
            known = ", ".join(allowed)
            return f"{self._label(name)} {seen!r} is none of {known}; translate it under values.{name}"

        problems.add(pc.invert(is_known), reason)
        return lower

    def _keyed(self, rows: pa.Table, cells: Cells, is_good: pa.Array) -> Keyed:
        """The rows of interest (keep_where_in) with their ids and groups."""
        ids = self._key(rows, cells, is_good, self.mapping.key, self.stream.id)
        groups = self._key(rows, cells, is_good, self.mapping.replace_by, self.stream.replaces_by)
        keep = np.ones(rows.num_rows, dtype=bool)
        for name, values in self.lookups.items():
            is_ours = pc.is_in(rows.column(name), value_set=values).to_numpy()
            self.left_out[name] = self.left_out.get(name, 0) + int((~is_ours).sum())
            keep &= is_ours
        if keep.all():
            return rows, ids, groups
        mask = pa.array(keep)
        return rows.filter(mask), *(key if key is None else key.filter(mask) for key in (ids, groups))

    def _key(
        self, rows: pa.Table, cells: Cells, is_good: pa.Array, theirs: Sequence[str], ours: Sequence[str]
    ) -> pa.Array | None:
        """Account and key of each row as one text: by the columns that the mapping names, else by ours."""
        if theirs:
            parts = [file_cells.id_text(cells.columns[name]).filter(is_good) for name in theirs]
        else:
            parts = [rows.column(name).combine_chunks() for name in ours]
        # a row without any key keeps none: null stays null
        return pc.binary_join_element_wise(self.mapping.name, joined(parts), "\x1e") if parts else None

    def _constant(self, ours: str, text: str) -> pa.Scalar:
        name = HASHED.get(ours, ours)
        if name in _HASHES:
            return pa.scalar(_HASHES[name](text, self.hash_key), pa.string())
        kind = self.stream.columns[name]
        values, failed = parse(pa.array([text], pa.string()), kind, self.formats)
        if failed[0].as_py():
            raise ConfigError(
                f"files entry {self.mapping.name!r}: constants.{ours} {why(text, kind, self.formats)}",
                source="files",
                stream=self.stream.name,
            )
        return values[0]

    def _empty(self, name: str) -> str:
        return "created_at and closed_at are empty" if name == "filed_at" else f"{self._label(name)} is empty"

    def _label(self, name: str) -> str:
        theirs = self.sources.get(name, ())
        return f"{name} ({' + '.join(theirs)})" if theirs and theirs != (name,) else name


class _Problems:
    """Rows of a batch that cannot be taken, with one reason each."""

    def __init__(self, count: int) -> None:
        self._is_bad = np.zeros(count, dtype=bool)
        self._found: list[tuple[np.ndarray, Callable[[int], str]]] = []

    def add(self, mask: pa.Array, reason: Callable[[int], str]) -> None:
        """`reason(row)` words the problem of each row under `mask` that has none yet."""
        new = mask.to_numpy(zero_copy_only=False) & ~self._is_bad
        if new.any():
            self._is_bad |= new
            self._found.append((np.flatnonzero(new), reason))

    def report(self, lines: pa.Array, bad_row: BadLine) -> pa.Array:
        """Tell `bad_row` each problem in the order of lines; which rows are good."""
        for row, reason in sorted((int(row), reason) for rows, reason in self._found for row in rows):
            bad_row(lines[row].as_py(), reason(row))
        return pa.array(~self._is_bad)


class _CellProblems:
    """Cells that cannot be read and that their rows can do without: counted, the row stays."""

    def __init__(self, lines: pa.Array, bad_cell: BadLine) -> None:
        self._lines, self._bad_cell = lines, bad_cell

    def add(self, mask: pa.Array, reason: Callable[[int], str]) -> None:
        for row in np.flatnonzero(mask.to_numpy(zero_copy_only=False)):
            self._bad_cell(self._lines[int(row)].as_py(), reason(int(row)))
