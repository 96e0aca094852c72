"""What is wrong with rows and cells of a batch, told in words: by the row, or by the cell alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from dagster_project.sources.files.drops import BadLine


class Problems:
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


class CellProblems:
    """Cells that cannot be read and that their rows can do without: counted, the row stays."""

    def __init__(self, lines: pa.Array, bad_cell: BadLine) -> None:
        self._lines, self._bad_cell = lines, bad_cell

    def add(self, mask: pa.Array, reason: Callable[[int], str]) -> None:
        for row in np.flatnonzero(mask.to_numpy(zero_copy_only=False)):
            self._bad_cell(self._lines[int(row)].as_py(), reason(int(row)))
