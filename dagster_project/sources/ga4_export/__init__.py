"""The GA4 BigQuery export to flat typed events. Reading its files: `ga4_export_files.py`.

Nested columns are taken apart with Arrow, never row by row. Sessions are not made here but in dbt, from
(user_pseudo_id, ga_session_id). Fields: developers.google.com, "BigQuery Export schema"; older exports lack
`collected_traffic_source` (June 2023) and `session_traffic_source_last_click` (2024).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.sources.files import cells as file_cells
from dagster_project.sources.files import dates as file_dates
from dagster_project.sources.files.drops import UNREADABLE, DropFile, drift, list_drops
from dagster_project.sources.files.mappings import FileMapping
from dagster_project.sources.files.overlaps import FILE, Gathered, copy_numbers, joined
from dagster_project.sources.files.settings import FilesSettings
from dagster_project.sources.ga4_export.descriptions import ABOUT, COLUMNS
from dagster_project.sources.ga4_export.files import PARAMETERS, nested_rows
from dagster_project.wire.contract import Page, Stream, Tally, schema
from dagster_project.wire.identity import hash_user_id
from dagster_project.wire.source import Source

_IDENTITY = ("account_id", "event_timestamp", "event_name", "user_pseudo_id", "event_bundle_sequence_id")
_SCHEMA = schema(
    ("event_date", pa.date32()),  # in the property's time zone
    ("event_timestamp", pa.timestamp("us", tz="UTC")),
    ("event_name", pa.string()),
    ("user_pseudo_id", pa.string()),
    ("event_bundle_sequence_id", pa.int64()),
    ("user_id_hash", pa.string()),
    ("ga_session_id", pa.int64()),
    ("ga_session_number", pa.int64()),
    ("page_location", pa.string()),
    ("page_referrer", pa.string()),
    *((name, pa.string()) for name in ("source", "medium", "campaign", "term", "content", "gclid")),
    *((name, pa.string()) for name in ("user_source", "user_medium", "user_campaign", "device_category", "country")),
    ("session_engaged", pa.bool_()),
    ("engagement_time_msec", pa.int64()),
    ("is_key_event", pa.bool_()),
    ("event_value", pa.float64()),
    ("currency", pa.string()),
    ("transaction_id", pa.string()),
    ("purchase_revenue", pa.float64()),
    ("_file", pa.string()),
    ("_line", pa.int64()),
    ("_copy", pa.int64()),
)

# Where a session's traffic source stands, best first; source, medium and campaign come from the same place.
# The session-scoped record is GA4's own attribution; the others are what the event itself was sent with.
_SESSION_SOURCES = (
    ("session_traffic_source_last_click.cross_channel_campaign.", ("source", "medium", "campaign_name")),
    ("session_traffic_source_last_click.manual_campaign.", ("source", "medium", "campaign_name")),
    ("collected_traffic_source.manual_", ("source", "medium", "campaign_name")),
)
# BigQuery's tables of one day, best last: while it runs, some hours after it, and whole
_TABLES = ("intraday", "fresh", "daily")
_TEXT_PARAMETERS = (
    "page_location", "page_referrer", "source", "medium", "campaign", "term", "content", "gclid", "currency",
    "transaction_id", "session_engaged",
)  # fmt: skip
_NUMBER_PARAMETERS = ("ga_session_id", "ga_session_number", "engagement_time_msec", "value")


class ExportSettings(FilesSettings):
    """The entries of `files:` that are of the export: their shape is fixed."""

    @classmethod
    def is_of(cls, mapping: FileMapping) -> bool:
        return mapping.is_export

    def fills(self, mapping: FileMapping, stream: str) -> bool:
        return True  # whatever it becomes here, an entry is of the export as a whole


def sweep(settings: FilesSettings, tally: Tally) -> Iterator[Page]:
    """All events of all export files. Of a day that has a daily table nothing of a fresh or an intraday one counts, of
    a day with a fresh one nothing of an intraday one, whatever the files' order. Else an event (timestamp, name, user,
    bundle) that a later file has again is taken from there; equal events inside one file stay, numbered by `_copy`.
    Raises ConfigError (no file, unset variable) and DriftError (not an export, nothing readable).
    """
    with Gathered(_SCHEMA) as gathered:
        drops = [(m, file) for m in settings.mappings for file in list_drops(m, settings.base_folder)]
        drops.sort(key=lambda drop: _table_rank(drop[1]))
        for file_number, (mapping, file) in enumerate(drops):
            tally.receive(file.size)
            for events in _read(file, mapping, settings, tally):
                keys = [events.column(name).combine_chunks() for name in _IDENTITY]
                gathered.add(events, file_number, None, joined(keys))
        mask = gathered.kept()
        if replaced := int(len(mask) - mask.sum()):
            tally.note(f"{replaced} events were replaced by the same events of later files")
        is_best = _is_of_the_best_table(gathered, np.array([_table_rank(file) for _, file in drops]))
        if earlier := int((mask & ~is_best).sum()):
            tally.note(f"{earlier} events of intraday or fresh files were left out: a better table has their day")
        mask &= is_best
        copies = copy_numbers(joined(gathered.columns(_IDENTITY).filter(pa.array(mask)).columns))
        for rows in gathered.pages(mask, copies):
            yield Page(rows)


def _table_rank(file: DropFile) -> int:
    """How good a table the file is of: `intraday` or `fresh` as a word of its name or, where the shards of a table have a
    folder, `events_intraday` or `events_fresh` in the folder's; else daily."""
    *_, folder, name = ("/" + file.url.lower()).split("/")
    words = re.split(r"[^a-z]+", name)
    for rank, table in enumerate(_TABLES):
        if table in words or f"events_{table}" in folder:
            return rank
    return _TABLES.index("daily")


def _is_of_the_best_table(gathered: Gathered, ranks: np.ndarray) -> np.ndarray:
    """For each row: no row of its account and day is of a better table. `ranks`: one for each file number."""
    keys = gathered.columns(("account_id", "event_date", FILE))
    accounts = keys.column("account_id").combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)
    days = keys.column("event_date").cast(pa.int32()).to_numpy().astype(np.int64)
    _, day_of_row = np.unique(accounts * 10_000_000 + days, return_inverse=True)
    row_ranks = ranks[keys.column(FILE).to_numpy()]
    best = np.zeros(len(day_of_row), dtype=row_ranks.dtype)
    np.maximum.at(best, day_of_row, row_ranks)
    return row_ranks == best[day_of_row]


def _read(file: DropFile, mapping: FileMapping, settings: FilesSettings, tally: Tally) -> Iterator[pa.Table]:
    good, bad, first_reason = 0, 0, ""

    def bad_line(line: int, reason: str) -> None:
        nonlocal bad, first_reason
        bad, first_reason = bad + 1, first_reason or f"line {line}: {reason}"
        if mapping.strict:
            raise drift(mapping, file, f"{first_reason} (the mapping is strict: nothing was taken)")
        tally.bad_row(f"{mapping.name}: {file.name}, line {line}: {reason}")

    hash_key = settings.hash_key.get_secret_value().encode()
    try:
        for nested, lines in nested_rows(file, mapping, bad_line):
            events = events_of(nested, hash_key, mapping.key_events)
            events |= {
                "account_id": pa.repeat(pa.scalar(mapping.name), len(lines)),
                "_file": pa.repeat(pa.scalar(file.name), len(lines)),
                "_line": lines,
                "_copy": pa.nulls(len(lines), pa.int64()),
                "_extra": pa.nulls(len(lines), pa.string()),
            }
            is_whole = np.ones(len(lines), dtype=bool)
            for name in ("event_date", "event_timestamp", "event_name"):
                lacks = pc.is_null(events[name]).to_numpy(zero_copy_only=False)
                for row in np.flatnonzero(lacks & is_whole):
                    bad_line(lines[row].as_py(), f"{name} is empty or unreadable")
                is_whole &= ~lacks
            rows = pa.Table.from_arrays([events[name] for name in _SCHEMA.names], schema=_SCHEMA)
            good += int(is_whole.sum())
            if is_whole.any():
                yield rows.filter(pa.array(is_whole))
    except UNREADABLE as error:
        raise drift(mapping, file, f"it cannot be read to its end: {error}") from error
    if bad and not good:
        raise drift(mapping, file, f"none of its {bad} lines is an event; {first_reason}")


def events_of(nested: pa.RecordBatch, hash_key: bytes, key_events: Sequence[str]) -> dict[str, pa.Array]:
    """One array per event column, of the nested rows of an export; fields that it lacks are null."""
    texts, numbers = _parameters(nested)
    names, users = _text(nested, "event_name"), _text(nested, "user_id")
    origin = _session_origin(nested, texts) | {
        "user_source": _text(nested, "traffic_source.source"),
        "user_medium": _text(nested, "traffic_source.medium"),
        "user_campaign": _text(nested, "traffic_source.name"),
    }
    return {
        "event_date": file_dates.days(_text(nested, "event_date"), "UTC", ())[0],
        "event_timestamp": _whole(_field(nested, "event_timestamp")).cast(pa.timestamp("us", tz="UTC")),
        "event_name": names,
        "user_pseudo_id": _text(nested, "user_pseudo_id"),
        "event_bundle_sequence_id": _whole(_field(nested, "event_bundle_sequence_id")),
        "user_id_hash": file_cells.by_unique(users, lambda user: hash_user_id(user, hash_key)),
        "ga_session_id": numbers["ga_session_id"],
        "ga_session_number": numbers["ga_session_number"],
        "page_location": file_cells.urls(texts["page_location"]),
        "page_referrer": file_cells.urls(texts["page_referrer"]),
        **{name: file_cells.without_addresses(column, hash_key) for name, column in origin.items()},
        "device_category": _text(nested, "device.category"),
        "country": _text(nested, "geo.country"),
        # sent as the text "1" or as the number 1, at times both in one property
        "session_engaged": pc.equal(texts["session_engaged"], "1"),
        "engagement_time_msec": numbers["engagement_time_msec"],
        "is_key_event": pc.is_in(names, value_set=pa.array(list(key_events), pa.string())),
        "event_value": numbers["value"],
        "currency": texts["currency"],
        "transaction_id": pc.coalesce(_text(nested, "ecommerce.transaction_id"), texts["transaction_id"]),
        "purchase_revenue": _finite(_field(nested, "ecommerce.purchase_revenue")),
    }


def _session_origin(nested: pa.RecordBatch, texts: dict[str, pa.Array]) -> dict[str, pa.Array]:
    """source, medium, campaign, term, content and gclid, as far as the row tells its session's origin."""
    origin = (texts["source"], texts["medium"], texts["campaign"])
    for prefix, names in reversed(_SESSION_SOURCES):
        better = tuple(_text(nested, prefix + name) for name in names)
        says_something = pc.is_valid(pc.coalesce(*better))
        origin = tuple(pc.if_else(says_something, *pair) for pair in zip(better, origin, strict=True))
    manual = "session_traffic_source_last_click.manual_campaign."
    collected = "collected_traffic_source."
    term = (_text(nested, f"{manual}term"), _text(nested, f"{collected}manual_term"), texts["term"])
    content = (
        _text(nested, f"{manual}content"),
        _text(nested, f"{collected}manual_content"),
        texts["content"],
    )
    return {
        **dict(zip(("source", "medium", "campaign"), origin, strict=True)),
        "term": pc.coalesce(*term),
        "content": pc.coalesce(*content),
        "gclid": pc.coalesce(_text(nested, f"{collected}gclid"), texts["gclid"]),
    }


def _parameters(nested: pa.RecordBatch) -> tuple[dict[str, pa.Array], dict[str, pa.Array]]:
    """The event parameters that are used, as columns: texts, and numbers. The last of a key counts."""
    lists = _field(nested, "event_params")
    if pa.types.is_null(lists.type):
        lists = lists.cast(PARAMETERS)
    wanted = [*_TEXT_PARAMETERS, *_NUMBER_PARAMETERS]
    flat = pc.list_flatten(lists)
    which = pc.index_in(pc.struct_field(flat, "key"), pa.array(wanted))
    is_wanted = pc.is_valid(which)
    owner = pc.list_parent_indices(lists).filter(is_wanted).to_numpy()
    which, value = which.filter(is_wanted).to_numpy(), pc.struct_field(flat.filter(is_wanted), "value")
    whole = _whole(_child(value, "int_value"))
    text = pc.coalesce(_child(value, "string_value").cast(pa.string()), whole.cast(pa.string()))
    is_digits = pc.match_substring_regex(text, r"^\d{1,18}$")
    whole = pc.coalesce(whole, pc.if_else(is_digits, text, None).cast(pa.int64()))
    doubles = (_finite(_child(value, name)) for name in ("double_value", "float_value"))
    double = pc.coalesce(whole.cast(pa.float64(), safe=False), *doubles)
    texts, numbers = {}, {}
    for code, name in enumerate(wanted):
        here = np.flatnonzero(which == code)
        position = np.full(nested.num_rows, -1)
        position[owner[here]] = here
        index = pa.array(position, mask=position < 0)
        if name in _TEXT_PARAMETERS:
            texts[name] = file_cells.text_of(text.take(index))
        else:
            numbers[name] = (double if name == "value" else whole).take(index)
    return texts, numbers


def _field(nested: pa.RecordBatch, path: str) -> pa.Array:
    outer, *inner = path.split(".")
    if outer not in nested.schema.names:
        return pa.nulls(nested.num_rows)
    column = nested.column(outer)
    for name in inner:
        column = _child(column, name)
    return column


def _child(column: pa.Array, name: str) -> pa.Array:
    is_there = pa.types.is_struct(column.type) and column.type.get_field_index(name) >= 0
    return pc.struct_field(column, name) if is_there else pa.nulls(len(column))


def _text(nested: pa.RecordBatch, path: str) -> pa.Array:
    column = _field(nested, path)
    if pa.types.is_null(column.type):
        return pa.nulls(len(column), pa.string())
    return file_cells.text_of(column)


def _whole(column: pa.Array) -> pa.Array:
    return column.cast(pa.int64())


def _finite(column: pa.Array) -> pa.Array:
    column = column.cast(pa.float64())
    return pc.if_else(pc.is_finite(column), column, None)


STREAMS: tuple[Stream, ...] = (
    Stream(
        source="ga4_export",
        name="events",
        domain="sessions",
        kind="report",
        key=(*_IDENTITY, "_copy"),
        schema=_SCHEMA,
        day="event_date",
        restate_days=3,  # BigQuery Export schema: daily tables take late events for up to three days
        deep_restate_days=3,
        sweep=sweep,
        feeds=("web", "web.origin", "web.engagement", "web.device", "visitors", "goals"),
        informs=("leads", "orders"),  # touches
        description="One row per event of the GA4 BigQuery export.",
    ),
)

SOURCE = Source(
    name="ga4_export",
    title="GA4 BigQuery export",
    gives="events as GA4 exports them, as files: sessions, visitors, key events, touches",
    settings=ExportSettings,
    streams=STREAMS,
    about=ABOUT,
    columns=COLUMNS,
    switch="an entry under `files:` with `stream: ga4_export`",
    is_local=True,
)
