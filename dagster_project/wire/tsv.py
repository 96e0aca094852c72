"""Tab-separated text to columns: read by Arrow as a whole, and line by line only where something in it is odd."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from dagster_project.wire.cells import try_cast
from dagster_project.wire.json_cells import Cells

_TEXT = pa.string()


def tsv_columns(
    lines: bytes, names: Sequence[str], types: Mapping[str, pa.DataType], *, nothing: Sequence[str] = ("",)
) -> tuple[dict[str, Cells], list[str]]:
    """The columns of whole lines, and what is said of those that are left out: they have not a cell for each name.

    `names`: the cells of a line in their order. `types`: of those that are no text; what stands for `nothing` in them is
    null, what cannot be read is null as well and told (`Cells.unreadable`). Text stays as it is.
    """
    if not lines:
        return {name: Cells(pa.nulls(0, types.get(name, _TEXT))) for name in names}, []
    try:
        found = _read(lines, names, types, nothing)
    except pa.ArrowInvalid:
        return _by_cell(lines, names, types, nothing)
    return {name: Cells(_whole(found[name])) for name in names}, []


def _read(lines: bytes, names: Sequence[str], types: Mapping[str, pa.DataType], nothing: Sequence[str]) -> pa.Table:
    """Raises ArrowInvalid for a cell that is not of its type, and for a line of too few or too many cells."""
    return pacsv.read_csv(
        pa.BufferReader(lines),
        pacsv.ReadOptions(column_names=list(names), use_threads=False),
        pacsv.ParseOptions(
            delimiter="\t", quote_char=False, double_quote=False, escape_char=False, ignore_empty_lines=False
        ),
        pacsv.ConvertOptions(
            column_types={name: types.get(name, _TEXT) for name in names},
            null_values=list(nothing),
            strings_can_be_null=False,
            check_utf8=True,
        ),
    )


def _by_cell(
    lines: bytes, names: Sequence[str], types: Mapping[str, pa.DataType], nothing: Sequence[str]
) -> tuple[dict[str, Cells], list[str]]:
    good, odd = [], []
    for line in lines.decode("utf-8", "replace").removesuffix("\n").split("\n"):
        cells = line.count("\t") + 1
        if cells == len(names):
            good.append(line)
        else:
            odd.append(f"a line has {cells} cells where the header has {len(names)}")
    if not good:
        return {name: Cells(pa.nulls(0, types.get(name, _TEXT))) for name in names}, odd
    found = _read(("\n".join(good) + "\n").encode(), names, {}, nothing)
    return {name: _typed(name, _whole(found[name]), types.get(name, _TEXT), nothing) for name in names}, odd


def _typed(name: str, texts: pa.Array, kind: pa.DataType, nothing: Sequence[str]) -> Cells:
    if kind == _TEXT:
        return Cells(texts)
    is_nothing = pc.is_in(texts, pa.array(nothing, _TEXT))
    values, failed = try_cast(pc.if_else(is_nothing, pa.scalar(None, _TEXT), texts), kind)
    why = f"field {name!r} should be {kind}, the vendor sent something else"
    return Cells(values, dict.fromkeys(pc.indices_nonzero(failed).to_pylist(), why))


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)
