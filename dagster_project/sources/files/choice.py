"""Which rows of a file are taken: `where` and `where_not` of a mapping, and totals rows, which are never data.

Decided on the cells as they stand in the file, before anything else is made of them: a row that is left out on
purpose cannot be a bad row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.sources.files.cells import says_totals, text_of, typed_text
from dagster_project.sources.files.drops import Cells
from dagster_project.sources.files.mappings import FileMapping
from dagster_project.wire.cells import shown
from dagster_project.wire.contract import ConfigError, Tally

_SHOWN_VALUES = 8

Ids = Callable[[Cells], pa.Array]


@dataclass
class Choice:
    """The rows of one mapping's files that are taken.

    `day`: the columns of the file that give a row's day. `named`: those that say what a row is about. `ids`: the
    row's ids, where it has any: a line item says "paid" on an order's first line only, and the lines below are of
    the same order, so a row whose cell is empty is decided as the rows of its id in that file are.
    `sums_are_nameless`: whether a row without a day that names nothing is one of totals as well.
    """

    mapping: FileMapping
    day: tuple[str | int, ...]
    named: tuple[str | int, ...]
    ids: Ids | None
    sums_are_nameless: bool
    taken: int = 0
    left_out: int = 0
    totals: int = 0
    first_total: tuple[str, int] | None = None
    seen: dict[str | int, set[str]] = field(default_factory=dict)

    def of_file(self, batches: Iterator[Cells], file: str) -> Iterator[Cells]:
        """The cells of the rows that are taken, in the file's order but for those that had to wait for others."""
        has_rules = self.mapping.where or self.mapping.where_not
        waiting: list[Cells] = []
        taken_ids: list[pa.Array] = []
        refused_ids: list[pa.Array] = []
        for batch in batches:
            cells = self._without_totals(batch, file)
            if not has_rules:
                yield cells
                continue
            keep, is_open = self._by_rules(cells)
            if self.ids and is_open.any():
                ids = self.ids(cells)
                is_open &= ids.is_valid().to_numpy(zero_copy_only=False)
                waiting.append(_filtered(cells, is_open))
                taken_ids.append(ids.filter(pa.array(keep & ~is_open)))
                refused_ids.append(ids.filter(pa.array(~keep & ~is_open)))
                keep &= ~is_open
                self._count(keep, ~keep & ~is_open)
            else:
                if self.ids:
                    ids = self.ids(cells)
                    taken_ids.append(ids.filter(pa.array(keep)))
                    refused_ids.append(ids.filter(pa.array(~keep)))
                self._count(keep, ~keep)
            yield _filtered(cells, keep)
        for cells in waiting:
            ids = self.ids(cells) if self.ids else pa.nulls(len(cells.lines), pa.string())
            keep = self._by_rules(cells)[0] & ~_among(ids, refused_ids) | _among(ids, taken_ids)
            self._count(keep, ~keep)
            yield _filtered(cells, keep)

    def tell(self, tally: Tally) -> None:
        """Note what was left out. Raises ConfigError where the rules of the mapping leave nothing."""
        name = self.mapping.name
        if self.first_total:
            file, line = self.first_total
            tally.note(f"{name}: {self.totals} rows of totals were left out, first {file}, line {line}")
        if not self.left_out:
            return
        rules = " and ".join(rule for rule in ("where", "where_not") if getattr(self.mapping, rule))
        if not self.taken:
            raise ConfigError(
                f"files entry {name!r}: {rules} leaves none of {self.left_out} rows; {self._values_seen()}",
                source="files",
                stream=self.mapping.stream,
            )
        tally.note(f"{name}: {self.left_out} rows were left out by {rules}")

    def _values_seen(self) -> str:
        told = []
        for column, values in self.seen.items():
            some = ", ".join(repr(shown(value)) for value in sorted(values)[:_SHOWN_VALUES]) or "nothing"
            told.append(f"{label(column)} has {some}{' …' if len(values) > _SHOWN_VALUES else ''}")
        return "; ".join(told)

    def _count(self, taken: np.ndarray, left_out: np.ndarray) -> None:
        self.taken += int(taken.sum())
        self.left_out += int(left_out.sum())

    def _by_rules(self, cells: Cells) -> tuple[np.ndarray, np.ndarray]:
        """Which rows the rules keep, and which of all have an empty cell that a rule asks for."""
        keep, is_open = np.ones(len(cells.lines), dtype=bool), np.zeros(len(cells.lines), dtype=bool)
        for rules, is_wanted in ((self.mapping.where, True), (self.mapping.where_not, False)):
            for column, values in rules.items():
                text = pc.utf8_lower(pc.fill_null(text_of(cells.columns[column]), ""))
                found = pc.is_in(text, value_set=pa.array([value.strip().lower() for value in values], pa.string()))
                keep &= found.to_numpy(zero_copy_only=False) == is_wanted
                is_open |= pc.equal(text, "").to_numpy(zero_copy_only=False)
                if not self.taken:
                    self._remember(column, cells)
        return keep, is_open

    def _remember(self, column: str | int, cells: Cells) -> None:
        values = self.seen.setdefault(column, set())
        if len(values) <= _SHOWN_VALUES:
            distinct = text_of(cells.columns[column]).unique().slice(0, _SHOWN_VALUES + 1)
            values.update(value for value in distinct.to_pylist() if value is not None)

    def _without_totals(self, cells: Cells, file: str) -> Cells:
        """A row is one of totals where its day says so, or where it has no day and says so elsewhere, or nothing."""
        if not self.day:
            return cells
        days = cells.columns[self.day[0]]
        if not pa.types.is_string(days.type):
            return cells
        days = text_of(days)
        is_total = _says_totals(days)
        undated = pc.is_null(typed_text(days)).to_numpy(zero_copy_only=False)
        if undated.any():
            names = [text_of(cells.columns[column]) for column in self.named]
            says_so = np.any([_says_totals(name) for name in names], axis=0) if names else False
            nothing = [pc.is_null(typed_text(name)).to_numpy(zero_copy_only=False) for name in names]
            is_nameless = np.all(nothing, axis=0) if nothing and self.sums_are_nameless else False
            is_total |= undated & (says_so | is_nameless)
        if not is_total.any():
            return cells
        for line in cells.lines.filter(pa.array(is_total)).to_pylist():
            self.see_totals(file, line)
        return _filtered(cells, ~is_total)

    def see_totals(self, file: str, line: int) -> None:
        """Count a row or a line of totals."""
        if self.first_total is None or (self.first_total[0] == file and line < self.first_total[1]):
            self.first_total = file, line
        self.totals += 1


def label(column: str | int) -> str:
    """How a column of a file is called in messages."""
    return f"column {column}" if isinstance(column, int) else column


def _says_totals(text: pa.Array) -> np.ndarray:
    return says_totals(text).to_numpy(zero_copy_only=False)


def _among(ids: pa.Array, known: list[pa.Array]) -> np.ndarray:
    values = pa.chunked_array(known, pa.string()).drop_null().unique()
    return pc.is_in(ids, value_set=values).to_numpy(zero_copy_only=False)


def _filtered(cells: Cells, keep: np.ndarray) -> Cells:
    if keep.all():
        return cells
    mask = pa.array(keep)
    return Cells({name: column.filter(mask) for name, column in cells.columns.items()}, cells.lines.filter(mask))
