"""Dropped spreadsheets (.xlsx) to columns of cells with the numbers of their rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from dagster_project.sources.files.drops import BATCH_ROWS, Cells, DropFile, drift, opened
from dagster_project.sources.files.headers import MOST_TITLE_LINES, find_header, header_name
from dagster_project.sources.files.mappings import FileMapping, Name
from dagster_project.sources.files.positions import positions_of

if TYPE_CHECKING:
    from python_calamine import CalamineSheet

Row = list[Any]  # text, int, float, bool, date, datetime, time, timedelta; "" for an empty cell


def read_sheet(file: DropFile, mapping: FileMapping, names: Sequence[Name]) -> Iterator[Cells]:
    """The columns `names` of the sheet that the mapping names, else of the first; see `file_readers.read_cells`."""
    rows = rows_of(file, mapping)
    place, header = _header(rows, mapping, names)
    positions = positions_of(names, header, mapping, file)
    for first in range(place + 1, len(rows), BATCH_ROWS):
        batch = rows[first : first + BATCH_ROWS]
        kept = [at for at, row in enumerate(batch) if any(cell != "" for cell in row)]
        columns = {name: _column([batch[at][where] for at in kept], mapping) for name, where in positions.items()}
        yield Cells(columns, pa.array([first + at + 1 for at in kept], pa.int64()))


def rows_of(file: DropFile, mapping: FileMapping) -> list[Row]:
    """All rows of the sheet from its first on. Raises DriftError where there are none."""
    import python_calamine  # native code that only those need who drop spreadsheets

    with opened(file) as stream:
        try:
            book = python_calamine.CalamineWorkbook.from_filelike(stream)
            sheet = _sheet(book.sheet_names, book, mapping, file)
            rows = sheet.to_python(skip_empty_area=False)
        except python_calamine.PasswordError as error:
            raise drift(mapping, file, "it is protected by a password; save it without one") from error
        except python_calamine.CalamineError as error:
            raise drift(mapping, file, f"not a whole spreadsheet ({error})") from error
    if not any(map(any, rows)):
        raise drift(mapping, file, f"the sheet {sheet.name!r} is empty, without even a header")
    return rows


def _sheet(known: list[str], book: Any, mapping: FileMapping, file: DropFile) -> CalamineSheet:
    if mapping.sheet is None:
        return book.get_sheet_by_index(0)
    wanted = header_name(mapping.sheet)
    found = [name for name in known if header_name(name) == wanted]
    if not found:
        raise drift(mapping, file, f"there is no sheet {mapping.sheet!r}; it has {', '.join(map(repr, known))}")
    return book.get_sheet_by_name(found[0])


def _header(rows: list[Row], mapping: FileMapping, names: Sequence[Name]) -> tuple[int, list[str]]:
    """The row of the header and its names: the first that has all names, else the one below `skip_lines`."""
    known = [name for name in mapping.present(names, ()) if isinstance(name, str)]
    texts = [[str(cell) for cell in row] for row in rows[: max(mapping.skip_lines + 1, MOST_TITLE_LINES)]]
    if known and (found := find_header(iter(enumerate(texts)), known)):
        return found
    place = min(mapping.skip_lines, len(texts) - 1)
    return place, [header_name(cell) for cell in texts[place]]


def _column(cells: Row, mapping: FileMapping) -> pa.Array:
    """Numbers and dates typed where the whole column is of one kind, so that no setting for text concerns them; else
    text, as the mapping says that it is written."""
    kinds = {type(cell) for cell in cells if cell != ""}
    filled = [None if cell == "" else cell for cell in cells]
    if kinds == {bool}:
        return pa.array(filled, pa.bool_())
    if kinds == {date}:
        return pa.array(filled, pa.date32())
    if kinds and kinds <= {date, datetime}:
        return pa.array([_moment(cell) for cell in filled], pa.timestamp("us"))
    if kinds and kinds <= {int, float}:
        return pa.array(filled, pa.int64() if kinds == {int} else pa.float64())
    has_decimal_comma = mapping.decimal == "," or (mapping.decimal is None and mapping.thousands == ".")
    return pa.array([_text(cell, "," if has_decimal_comma else ".", mapping) for cell in filled], pa.string())


def _moment(cell: Any) -> datetime | None:
    return cell if cell is None or isinstance(cell, datetime) else datetime.combine(cell, time())


def _text(cell: Any, point: str, mapping: FileMapping) -> str | None:
    if cell is None or isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 2**53 else repr(cell).replace(".", point)
    if isinstance(cell, date):  # among texts: as those are written
        written = next((each for each in mapping.date_format if "%" in each), None)
        return cell.strftime(written) if written else str(cell)
    return str(cell.total_seconds()) if isinstance(cell, timedelta) else str(cell)
