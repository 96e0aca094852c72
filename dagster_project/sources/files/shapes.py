"""Which shape of its preset a dropped file has: the mapping that its header asks for."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator

from pydantic import ValidationError

from dagster_project.sources.files.dialects import Dialect
from dagster_project.sources.files.drops import DropFile, drift, encoding_by_mark, opened, text_lines
from dagster_project.sources.files.headers import MOST_TITLE_LINES, header_name
from dagster_project.sources.files.mappings import FileMapping, nearest
from dagster_project.sources.files.presets import Fit, fitted
from dagster_project.sources.files.sheets import rows_of
from dagster_project.sources.files.stream import HASHED
from dagster_project.sources.files.streams import FILE_STREAMS

_DELIMITERS = (",", ";", "\t")


def mapping_for(file: DropFile, mapping: FileMapping) -> FileMapping:
    """The mapping itself, or where it names a preset the one for this file: the first shape that the file's header
    fits, with the names of this header. Raises DriftError where none fits."""
    if not mapping.shapes:
        return mapping
    plain = {hashed: name for name, hashed in HASHED.items()}
    required = [plain.get(name, name) for name in FILE_STREAMS[mapping.stream].required]
    nearest_fit: Fit | None = None
    nearest_header: list[str] = []
    for shape in mapping.shapes:
        for delimiter, header in _headers(file, mapping, bool(shape.entry.get("escapes"))):
            fit = fitted(shape, header, required)
            if not fit.lacking:
                return _resolved(fit, delimiter, mapping, file)
            is_nearer = nearest_fit is None or len(fit.lacking) < len(nearest_fit.lacking)
            if is_nearer and len(fit.entry["columns"]) > 1:
                nearest_fit, nearest_header = fit, header
    if nearest_fit is None:
        raise drift(mapping, file, f"no line of it looks like the header of the preset {mapping.preset}")
    name = nearest_fit.lacking[0]
    raise drift(
        mapping,
        file,
        f"it is not as the preset {mapping.preset}: there is no column {name!r}{nearest(name, nearest_header)}",
    )


def _resolved(fit: Fit, delimiter: str | None, mapping: FileMapping, file: DropFile) -> FileMapping:
    entry = fit.entry
    if delimiter and not entry.get("delimiter"):
        entry["delimiter"] = delimiter
    try:
        found = FileMapping.model_validate({key: value for key, value in entry.items() if value not in ({}, [], None)})
    except ValidationError as error:
        said = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise drift(mapping, file, f"as the preset {mapping.preset}: {said}") from error
    return found.model_copy(update={"path": mapping.path, "format": mapping.file_format})


def _headers(file: DropFile, mapping: FileMapping, has_escapes: bool) -> Iterator[tuple[str | None, list[str]]]:
    """The first rows of the file, any of which may be its header, with the delimiter by which they are rows."""
    if mapping.file_format == "xlsx":
        for row in rows_of(file, mapping)[:MOST_TITLE_LINES]:
            yield None, [header_name(str(cell)) for cell in row]
        return
    with opened(file) as stream:
        lines = list(itertools.islice(text_lines(stream, mapping.encoding or encoding_by_mark(file)), MOST_TITLE_LINES))
    lines = [line.removeprefix("\ufeff") for line in lines]
    given = mapping.shapes[0].entry.get("delimiter")
    for delimiter in (given,) if given else _DELIMITERS:
        dialect = Dialect(delimiter, has_escapes)
        for line in lines:
            try:
                row = next(dialect.rows([line]), [])
            except csv.Error:
                continue
            if len(row) > 1:
                yield delimiter, [header_name(cell) for cell in row]
