"""Dropped files to typed rows: the streams of the source `files`, each swept whole at every refresh.

A sweep reads the files of all mappings of its stream, keeps the good rows, reports the bad ones with file,
line and reason, and de-duplicates by key. What the streams hold: `streams.py`; how a file becomes rows:
`rows.py`; which of two rows stays: `overlaps.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import pyarrow as pa

from dagster_project.sources.files.coverage import Coverage, joined_parts
from dagster_project.sources.files.descriptions import ABOUT, COLUMNS
from dagster_project.sources.files.drops import DropFile, content_digest, list_drops
from dagster_project.sources.files.mappings import FileMapping
from dagster_project.sources.files.merging import Remade, merged, refunds_apart, without_sums
from dagster_project.sources.files.overlaps import Gathered, copy_numbers, joined
from dagster_project.sources.files.rows import RowReader
from dagster_project.sources.files.settings import RULES, FilesSettings
from dagster_project.sources.files.shapes import mapping_for
from dagster_project.sources.files.stream import FileStream
from dagster_project.sources.files.streams import FILE_STREAMS
from dagster_project.wire.cells import shown
from dagster_project.wire.contract import ConfigError, Page, Part, Stream, Tally, schema
from dagster_project.wire.source import Source


def sweep(name: str, settings: FilesSettings, tally: Tally, within: tuple[str, ...] = ()) -> Iterator[Page]:
    """All rows of one stream from all its files, de-duplicated. Columns: see FILE_STREAMS.

    Rows with the same id in one file are one row, cell by cell the last that is filled. Of several files the row
    with the latest `updated_at` is kept, else that of the last file; files follow each other as in
    funnelhouse.yml, then by name. Bad rows are counted and described in `tally`. Raises ConfigError (no file, unset variable, a key that does not identify rows) and DriftError
    (a column is missing, a file has no good row, any bad row where the mapping is strict).
    """
    stream = FILE_STREAMS[name]
    declared = _schema(stream)
    mappings = [mapping for mapping in settings.mappings if mapping.stream == name]
    parts: list[Part] = []
    with Gathered(declared) as gathered:
        file_number = 0
        for mapping in mappings:
            lookups = _lookups(mapping, settings, (*within, name))
            readers: dict[str, RowReader] = {}  # one for each shape that the files of a preset have
            coverages: dict[str, Coverage] = {}
            for file in _without_copies(list_drops(mapping, settings.base_folder), mapping, tally):
                shaped = mapping_for(file, mapping)
                shape = "" if shaped is mapping else repr(shaped)
                if shape not in readers:
                    readers[shape] = RowReader(stream, shaped, settings, tally, lookups)
                    coverages[shape] = Coverage(stream, shaped, settings.reporting_time_zone, settings.today)
                reader, coverage = readers[shape], coverages[shape]
                coverage.see_file(file.name)
                for rows, ids, groups in reader.read(file, declared):
                    coverage.see_rows(rows)
                    gathered.add(rows, file_number, ids, groups)
                file_number += 1
            for reader in readers.values():
                reader.tell()
            parts += [coverage.part() for coverage in coverages.values()]
        tally.parts = joined_parts(parts)
        newest_by = "updated_at" if "updated_at" in stream.columns else None
        _remake(stream, mappings, gathered, newest_by, tally)
        mask = gathered.kept(newest_by)
        if replaced := int(gathered.rows()[1].sum() - mask.sum()):
            tally.note(f"{replaced} rows were replaced by later rows of the same key")
        copies = _copies(stream, mappings, gathered, mask)
        for rows in gathered.pages(mask, copies):
            yield Page(rows)


def _remake(
    stream: FileStream, mappings: Sequence[FileMapping], gathered: Gathered, newest_by: str | None, tally: Tally
) -> None:
    """Sums go; refunds under their order's id become rows of their own; rows that share an id in one file become one."""
    if stream.sums:
        said_of_all = {name for mapping in mappings for name in mapping.constants}
        texts = [n for n in stream.replaces_by if n not in (stream.day, "platform", "currency_code", *said_of_all)]
        _stand_in(gathered, without_sums(*gathered.rows(), texts, stream.sums), tally)
    if stream.name == "orders":
        _stand_in(gathered, refunds_apart(*gathered.rows()), tally)
    if stream.id:
        _stand_in(gathered, merged(*gathered.rows(), newest_by, stream.money, stream.id[0]), tally)


def _stand_in(gathered: Gathered, remade: Remade | None, tally: Tally) -> None:
    if remade:
        gathered.remake(remade.gone, remade.rows)
        for note in remade.notes:
            tally.note(note)


def _is_mapped(name: str, settings: FilesSettings) -> bool:
    return any(mapping.stream == name for mapping in settings.mappings)


def _schema(stream: FileStream) -> pa.Schema:
    more = [("_file", pa.string()), ("_line", pa.int64())]
    if not stream.id:
        more.append(("_copy", pa.int64()))
    return schema(*stream.columns.items(), *more)


def _without_copies(files: Sequence[DropFile], mapping: FileMapping, tally: Tally) -> Iterator[DropFile]:
    """The files less those whose bytes a later file has again: `costs.csv` beside `costs (1).csv`."""
    sizes = [file.size for file in files]
    digests = {f.name: content_digest(f) for f in files if f.size and sizes.count(f.size) > 1}
    last = {digest: name for name, digest in digests.items()}
    for file in files:
        same = last.get(digests.get(file.name, ""), file.name)
        if same == file.name:
            yield file
        else:
            tally.note(f"{mapping.name}: {file.name} was left out: {same} has the same content")


def _lookups(mapping: FileMapping, settings: FilesSettings, within: tuple[str, ...]) -> dict[str, pa.Array]:
    """For `keep_where_in`: our column -> the values that the other stream has in it."""
    values = {}
    for column, other in mapping.keep_where_in.items():
        if other in within:
            raise ConfigError(
                f"files entry {mapping.name!r}: keep_where_in goes in a circle: {' -> '.join((*within, other))}",
                source="files",
                stream=mapping.stream,
            )
        # a tally of its own: the other stream's rows are counted where that stream is read
        pages = [page.rows.column(column) for page in sweep(other, settings, Tally(), within)]
        chunks = [chunk for page in pages for chunk in page.chunks]
        values[column] = pa.chunked_array(chunks, pa.string()).drop_null().unique()
    return values


def _copies(
    stream: FileStream, mappings: Sequence[FileMapping], gathered: Gathered, mask: np.ndarray
) -> np.ndarray | None:
    """The running numbers (`_copy`) of kept rows that share a key. None for streams with an id: there it is
    unique, or ConfigError is raised because a key of the mapping's own lets rows share it.
    """
    own_key = next((mapping.key for mapping in mappings if mapping.key), None)
    if stream.id and not own_key:
        return None
    keys = gathered.columns([name for name in stream.raw_key if name != "_copy"]).filter(pa.array(mask))
    copies = copy_numbers(joined(keys.columns))
    if not stream.id:
        return copies
    if shared := int((copies > 1).sum()):
        example = keys.slice(int(np.argmax(copies > 1)), 1).to_pylist()[0]
        raise ConfigError(
            f"files entry {example['account_id']!r}: {shared} rows share {' and '.join(stream.id)} with "
            f"another row, for example {shown(str(example[stream.id[0]]))!r}. The mapping's key keeps them "
            "apart, the warehouse cannot: drop key, or make the id whole, for example "
            f"{stream.id[0]}: [{', '.join(map(str, own_key or ()))}]",
            source="files",
            stream=stream.name,
        )
    return None


STREAMS: tuple[Stream, ...] = tuple(
    Stream(
        source="files",
        name=stream.name,
        domain=stream.domain,
        kind=stream.kind,
        key=stream.raw_key,
        schema=_schema(stream),
        day=stream.day,
        restate_days=stream.settles_after_days,
        deep_restate_days=stream.settles_after_days,
        sweep=partial(sweep, stream.name),
        is_on=partial(_is_mapped, stream.name),
        feeds=tuple(stream.feeds),
        informs=stream.informs,
        description=stream.description,
    )
    for stream in FILE_STREAMS.values()
)

SOURCE = Source(
    name="files",
    title="Dropped files",
    gives="any export, see below",
    settings=FilesSettings,
    streams=STREAMS,
    about=ABOUT,
    columns=COLUMNS,
    switch="an entry under `files:` with `stream: {stream}`",
    rules=RULES,
    is_local=True,
)
