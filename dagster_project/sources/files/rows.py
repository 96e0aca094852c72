"""The rows of one mapping's files as typed columns of its stream, and what is wrong with the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.sources.files import cells as file_cells
from dagster_project.sources.files import spread as file_spread
from dagster_project.sources.files.choice import Choice
from dagster_project.sources.files.columns import HASHES, ColumnReader
from dagster_project.sources.files.drops import TOTALS_LINE, UNREADABLE, BadLine, Cells, DropFile, drift
from dagster_project.sources.files.mappings import ROW_NUMBER, FileMapping, Name, is_number
from dagster_project.sources.files.overlaps import joined
from dagster_project.sources.files.problems import CellProblems, Problems
from dagster_project.sources.files.readers import read_cells
from dagster_project.sources.files.refusals import noted, tell_of_refused
from dagster_project.sources.files.stream import IS_DAY, FileStream
from dagster_project.wire.contract import DriftError, Tally

if TYPE_CHECKING:
    from dagster_project.sources.files.settings import FilesSettings

Keyed = tuple[pa.Table, pa.Array | None, pa.Array | None]  # rows, their ids, their groups (see Gathered.add)

UNREADABLE_COLUMN = 3  # so many cells of a column, and not one that can be read: the mapping is wrong, not the cells


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
    readable: dict[str, int] = field(default_factory=dict)  # optional column -> cells that could be read
    unreadable: dict[str, list[str]] = field(default_factory=dict)  # and the first that could not, with reasons

    def __post_init__(self) -> None:
        mapping, stream = self.mapping, self.stream
        self.columns = ColumnReader(stream, mapping, self.settings)
        self.sources = self.columns.sources
        keys = [*mapping.key, *mapping.replace_by]
        rules = [mapping.where, mapping.where_not]
        named = [*self.sources.values(), *mapping.otherwise.values(), keys, *rules]
        self.wanted: list[Name] = list(dict.fromkeys(name for names in named for name in names))
        needed = [name for ours in (*stream.required, stream.day) for name in mapping.columns.get(ours, ())]
        self.needed = [*needed, *keys, *(name for names in rules for name in names)]
        self.choice = self._choice_of_rows()

    def _choice_of_rows(self) -> Choice:
        day = self.sources.get(self.stream.day, ())
        texts = [ours for ours, kind in self.stream.columns.items() if pa.types.is_string(kind) and ours not in HASHES]
        named = [name for ours in texts for name in self.sources.get(ours, ()) if name != ROW_NUMBER]
        return Choice(
            self.mapping,
            day if len(day) == 1 else (),
            tuple(dict.fromkeys(named)),
            self._ids_of_cells if self.stream.id or self.mapping.key else None,
            sums_are_nameless=self.stream.kind == "report" and self.stream.domain == "ads",
        )

    def _ids_of_cells(self, cells: Cells) -> pa.Array:
        """The ids of rows before anything else is known of them; null where they have none."""
        if self.mapping.key:
            return joined([file_cells.id_text(cells.columns[name]) for name in self.mapping.key])
        named = [name for name in self.stream.id if name in self.sources]
        if not named or self.columns.has_row_numbers(cells):
            return pa.nulls(len(cells.lines), pa.string())
        return joined([file_cells.ids(self.columns.theirs(name, cells))[0] for name in named])

    def read(self, file: DropFile, schema: pa.Schema) -> Iterator[Keyed]:
        """The good rows of one file with the columns of `schema`, batch by batch.

        Raises DriftError when the file cannot be read at all, lacks a column, or has bad rows only.
        """
        good, bad, first_reason, first_cell = 0, 0, "", ""

        def bad_row(line: int, reason: str) -> None:
            nonlocal bad, first_reason
            if reason is TOTALS_LINE:
                self.choice.see_totals(file.name, line)
                return
            bad, first_reason = bad + 1, first_reason or f"line {line}: {reason}"
            if self.mapping.strict:
                raise drift(self.mapping, file, f"{first_reason} (the mapping is strict: nothing was taken)")
            self.tally.bad_row(f"{self.mapping.name}: {file.name}, line {line}: {reason}")

        def bad_cell(line: int, reason: str) -> None:
            nonlocal first_cell
            if self.mapping.strict:
                raise drift(self.mapping, file, f"line {line}: {reason} (the mapping is strict: nothing was taken)")
            first_cell = first_cell or f"line {line}: {reason}"
            self.tally.bad_cell(f"{self.mapping.name}: {file.name}, line {line}: {reason}")

        self.tally.receive(file.size)
        rest = _Incomplete()
        try:
            batches = read_cells(file, self.mapping, self.wanted, self.needed, bad_row)
            for cells in self.choice.of_file(batches, file.name):
                rows, is_whole, is_part = self._typed(cells, file, schema, bad_row, bad_cell)
                good += pc.sum(is_whole).as_py() or 0
                self.tally.good_rows(pc.sum(is_whole).as_py() or 0)
                keyed, is_ours = self._keyed(rows.filter(is_whole), cells, is_whole)
                rest.see(keyed[1], is_ours)
                if pc.any(is_part).as_py():
                    parts = rows.filter(is_part)
                    rest.add(self._keyed(parts, cells, is_part)[0], [self._lacking(row) for row in parts.to_pylist()])
                if is_ours.any():
                    yield _filtered(keyed, is_ours)
            for keyed in rest.parts(bad_row, self._tell_of_lost):
                self.tally.good_rows(keyed[0].num_rows)
                yield keyed
        except UNREADABLE as error:
            raise drift(self.mapping, file, f"it cannot be read to its end: {error}") from error
        if bad and not good:
            reason = first_reason if not first_cell or first_cell in first_reason else f"{first_reason}; {first_cell}"
            raise drift(self.mapping, file, f"none of its {bad} rows can be read; {reason}")

    def tell(self) -> None:
        """Note what was left out on purpose. Raises ConfigError and DriftError where the mapping as a whole cannot be
        right: it leaves no row, or not one cell of a column can be read."""
        self.choice.tell(self.tally)
        for column, count in self.left_out.items():
            if count:
                other = self.mapping.keep_where_in[column]
                self.tally.note(f"{self.mapping.name}: {count} rows are not ours: their {column} is not in {other}")
        for name, cells in self.unreadable.items():
            if len(cells) >= UNREADABLE_COLUMN and not self.readable.get(name):
                raise DriftError(
                    f"files entry {self.mapping.name!r}: not one cell of {self.columns.label(name)} can be read; {cells[0]}",
                    source="files",
                    stream=self.stream.name,
                )

    def _typed(
        self, cells: Cells, file: DropFile, schema: pa.Schema, bad_row: BadLine, bad_cell: BadLine
    ) -> tuple[pa.Table, pa.Array, pa.Array]:
        """The rows with the columns of `schema` and the stream's asides; which are whole, and which lack something
        that another row of their id in the same file may have."""
        count, problems = len(cells.lines), Problems(len(cells.lines))
        unread, bad_cell = noted(bad_cell)
        columns: dict[str, pa.Array] = {
            "account_id": pa.repeat(pa.scalar(self.mapping.name), count),
            "_file": pa.repeat(pa.scalar(file.name), count),
            "_line": cells.lines,
        }
        for name, kind in self.stream.kinds.items():
            if name in self.sources:
                columns[name] = self._read(name, cells, file, problems, bad_cell)
            elif name in self.columns.constants:
                columns[name] = pa.repeat(self.columns.constants[name], count)
            elif name.endswith(IS_DAY):
                moment = name.removesuffix(IS_DAY)
                if moment in columns:
                    columns[name] = pc.and_(self.columns.is_day(moment, cells), pc.is_valid(columns[moment]))
            elif name in self.stream.asides:
                columns[name] = pa.nulls(count, kind)
        for name, every in self.stream.lists.items():
            if name in columns:
                columns[name], columns[every] = self.columns.first_and_all(name, columns[name])
        nothing = [f for f in schema if f.name not in columns]
        columns |= {f.name: pa.nulls(count, f.type) for f in nothing}
        if self.stream.day == "filed_at":
            columns["filed_at"] = pc.coalesce(columns["created_at"], columns["closed_at"])
        for name, allowed in self.stream.choices.items():
            each = problems if name in self.stream.required else CellProblems(cells.lines, bad_cell)
            columns[name] = self.columns.choice(name, columns[name], allowed, each)
        if "channel" in self.stream.columns:
            columns["channel"] = self.columns.channel(columns["channel"], problems)
        if "answer_text" in self.stream.columns:
            columns["answer_text"] = self._of_named_questions(columns)
        self._check_asides(columns, problems)
        is_part = self._check_filled(columns, problems)
        is_good = problems.report(cells.lines, bad_row)
        tell_of_refused(self.stream, columns, is_good, unread, self.tally)
        is_part = pc.and_(is_part, is_good)
        kinds = [*schema, *(pa.field(name, kind) for name, kind in self.stream.asides.items())]
        rows = pa.Table.from_arrays([columns[f.name] for f in kinds], schema=pa.schema(kinds))
        return rows, pc.and_not(is_good, is_part), is_part

    def _of_named_questions(self, columns: dict[str, pa.Array]) -> pa.Array:
        """What was said, of the questions that surveys.questions names: of others people may have typed what they like."""
        named = pa.array(sorted(self.settings.read_texts), pa.string())
        questions = (pc.utf8_lower(pc.utf8_trim_whitespace(columns[name])) for name in ("question_id", "question"))
        of_id, of_text = (pc.fill_null(pc.is_in(each, value_set=named), False) for each in questions)
        return pc.if_else(pc.or_(of_id, of_text), columns["answer_text"], pa.scalar(None, pa.string()))

    def _check_filled(self, columns: dict[str, pa.Array], problems: Problems) -> pa.Array:
        """Rows without what is required are bad; but where they have an id, another row may say it: these rows."""
        has_id = self.stream.id or self.mapping.key
        may_wait = pc.is_valid(columns["account_id"]) if has_id else pa.repeat(pa.scalar(False), len(columns["_line"]))
        for name in set(self.stream.id) & set(self.stream.required):
            may_wait = pc.and_(may_wait, pc.is_valid(columns[name]))
        is_part = pa.repeat(pa.scalar(False), len(may_wait))
        for name in dict.fromkeys((*self.stream.required, self.stream.day)):
            is_empty = pc.is_null(columns[name])
            waits = pc.and_(is_empty, may_wait)
            is_part = pc.or_(is_part, waits)
            problems.add(pc.and_not(is_empty, waits), self._says_empty(name))
        return is_part

    def _says_empty(self, name: str) -> Callable[[int], str]:
        return lambda _row: self.columns.empty(name)

    def _tell_of_lost(self, rows: pa.Table) -> None:
        columns = {name: rows.column(name).combine_chunks() for name in rows.column_names}
        tell_of_refused(self.stream, columns, pa.repeat(pa.scalar(False), rows.num_rows), [], self.tally)

    def _lacking(self, row: dict[str, Any]) -> str:
        return next(self.columns.empty(n) for n in (*self.stream.required, self.stream.day) if row[n] is None)

    def _check_asides(self, columns: dict[str, pa.Array], problems: Problems) -> None:
        """Rows that stand for several: they say for how many, and it can be that many."""
        if "end_date" in self.stream.asides:
            days = file_spread.day_counts(columns[self.stream.day], columns["end_date"])
            ends = self.columns.label("end_date")
            problems.add(
                pc.fill_null(pc.less(days, 1), False),
                lambda _: f"{ends} is before {self.columns.label(self.stream.day)}",
            )
            most = file_spread.LONGEST_DAYS
            problems.add(
                pc.fill_null(pc.greater(days, most), False), lambda _: f"{ends}: the row spans more than {most} days"
            )
        if "count" in self.sources:
            count, most = columns["count"], file_spread.MOST_LEADS if "count" in self.stream.asides else 10**12
            problems.add(pc.is_null(count), lambda _: self.columns.empty("count"))
            is_wrong = pc.or_(pc.less(count, 0), pc.greater(count, most))
            problems.add(
                pc.fill_null(is_wrong, False), lambda _: f"{self.columns.label('count')} is not between 0 and {most}"
            )

    def _read(self, name: str, cells: Cells, file: DropFile, problems: Problems, bad_cell: BadLine) -> pa.Array:
        """One column. A cell that cannot be read costs the row where the row needs it, else only itself."""
        if name in self.stream.id and self.sources[name] == (ROW_NUMBER,) and ROW_NUMBER not in cells.columns:
            return pc.binary_join_element_wise(file.name, cells.lines.cast(pa.string()), ":")
        if name in (*self.stream.required, self.stream.day, *self.stream.decisive):
            return self.columns.column(name, cells, problems)
        unreadable = self.unreadable.setdefault(name, [])

        def each(line: int, reason: str) -> None:
            bad_cell(line, reason)
            if len(unreadable) < UNREADABLE_COLUMN:
                unreadable.append(f"{file.name}, line {line}: {reason}")

        column = self.columns.column(name, cells, CellProblems(cells.lines, each))
        self.readable[name] = self.readable.get(name, 0) + len(column) - column.null_count
        return column

    def _keyed(self, rows: pa.Table, cells: Cells, is_taken: pa.Array) -> tuple[Keyed, np.ndarray]:
        """The rows with their ids and groups, each as many as it stands for, and which are of interest
        (keep_where_in). `is_taken`: which rows of `cells` they are."""
        rows, at = self._one_for_each(rows)
        has_ids = not self.columns.has_row_numbers(cells)
        ids = self._key(rows, cells, is_taken, at, self.mapping.key, self.stream.id if has_ids else ())
        by = self.stream.replaces_by if not (self.stream.id and has_ids) else ()
        groups = self._key(rows, cells, is_taken, at, self.mapping.replace_by, by)
        is_ours = np.ones(rows.num_rows, dtype=bool)
        for name, values in self.lookups.items():
            is_known = pc.is_in(rows.column(name), value_set=values).to_numpy()
            self.left_out[name] = self.left_out.get(name, 0) + int((~is_known).sum())
            is_ours &= is_known
        return (rows.drop_columns(list(self.stream.asides)), ids, groups), is_ours

    def _one_for_each(self, rows: pa.Table) -> tuple[pa.Table, np.ndarray | None]:
        """A row for each day that a row spans, or each lead that it stands for; and which row each comes from."""
        if "end_date" in self.sources and "end_date" in self.stream.asides:
            starts, ends = (rows.column(name).combine_chunks() for name in (self.stream.day, "end_date"))
            days = file_spread.day_counts(starts, ends)
            if not pc.any(pc.greater(days, 1)).as_py():
                return rows, None
            amounts = [name for name, kind in self.stream.columns.items() if is_number(kind)]
            return file_spread.spread(rows, self.stream.day, days, amounts)
        if "count" not in self.sources or "count" not in self.stream.asides:
            return rows, None
        at, nth = file_spread.repeated(rows.column("count").combine_chunks())
        rows = rows.take(pa.array(at))
        ids = pc.binary_join_element_wise(rows.column(self.stream.id[0]), pa.array(nth + 1).cast(pa.string()), ":")
        return rows.set_column(rows.schema.get_field_index(self.stream.id[0]), self.stream.id[0], ids), at

    def _key(
        self,
        rows: pa.Table,
        cells: Cells,
        is_taken: pa.Array,
        at: np.ndarray | None,
        theirs: Sequence[Name],
        ours: Sequence[str],
    ) -> pa.Array | None:
        """Account and key of each row as one text: by the columns that the mapping names, else by ours."""
        if theirs:
            parts = [file_cells.id_text(cells.columns[name]).filter(is_taken) for name in theirs]
            parts = parts if at is None else [part.take(pa.array(at)) for part in parts]
        else:
            columns = {name: rows.column(name).combine_chunks() for name in ours}
            for name, identified_by in self.stream.labels.items():
                if name in columns:
                    columns[name] = pc.if_else(pc.is_valid(columns[identified_by]), None, columns[name])
            parts = list(columns.values())
        # a row without any key keeps none: null stays null
        return pc.binary_join_element_wise(self.mapping.name, joined(parts), "\x1e") if parts else None


class _Incomplete:
    """Rows of one file that lack what is required: line items, whose order says it on its first line."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Keyed, list[str]]] = []
        self._known: list[pa.Array] = []
        self._taken: list[pa.Array] = []

    def see(self, ids: pa.Array | None, is_ours: np.ndarray) -> None:
        """The ids of whole rows, and which of them are taken."""
        if ids is not None:
            self._known.append(ids)
            self._taken.append(ids if is_ours.all() else ids.filter(pa.array(is_ours)))

    def add(self, keyed: Keyed, lacking: list[str]) -> None:
        self._waiting.append((keyed, lacking))

    def parts(self, bad_row: BadLine, lost: Callable[[pa.Table], None]) -> Iterator[Keyed]:
        """Those whose id a whole row has; of ids that no whole row has they are bad rows, and `lost` gets them."""
        for keyed, lacking in self._waiting:
            rows, ids, _ = keyed
            is_known, is_taken = (
                pc.is_in(ids, value_set=pa.chunked_array(seen, pa.string()).drop_null()).to_numpy(zero_copy_only=False)
                for seen in (self._known, self._taken)
            )
            for at in np.flatnonzero(~is_known):
                bad_row(rows.column("_line")[int(at)].as_py(), lacking[int(at)])
            if not is_known.all():
                lost(rows.filter(pa.array(~is_known)))
            if is_taken.any():
                yield _filtered(keyed, is_taken)


def _filtered(keyed: Keyed, keep: np.ndarray) -> Keyed:
    if keep.all():
        return keyed
    mask = pa.array(keep)
    rows, ids, groups = keyed
    return rows.filter(mask), *(key if key is None else key.filter(mask) for key in (ids, groups))
