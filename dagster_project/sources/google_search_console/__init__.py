"""Google Search Console: clicks, impressions and positions in Google Search, as totals, by query and by page.

Belongs here: the streams, and how an answer becomes columns. Three questions that are never added: rare queries are left out
wherever the query is a dimension, and pages are counted apart from the site (a result with two pages of it is two impressions
of pages, one of the site). Days are Pacific.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import pyarrow as pa

from dagster_project.sources.google_search_console.api import (
    AUTO,
    MOST_ROWS,
    AggregationRefused,
    Answer,
    SearchConsole,
)
from dagster_project.sources.google_search_console.descriptions import ABOUT, COLUMNS
from dagster_project.sources.google_search_console.login import SOURCE as NAME
from dagster_project.sources.google_search_console.settings import SearchConsoleSettings
from dagster_project.wire.columns import columns_to_table, extra_of
from dagster_project.wire.contract import Page, Stream, Tally, VendorError, Window, schema
from dagster_project.wire.http import Json
from dagster_project.wire.identity_columns import redacted_texts, redacted_urls
from dagster_project.wire.json_cells import read_cells
from dagster_project.wire.merging import merged
from dagster_project.wire.rest import each_account
from dagster_project.wire.source import Source

# Data is there "typically after 2-3 days"; a tap in production reads 4 again.
RESTATE_DAYS = 5
MONTHS_BACK = 16
TIME_ZONE = "America/Los_Angeles"
MEASURES = ("clicks", "impressions", "ctr", "position")
NO_DEVICE, NO_QUERY = ("discover",), ("discover", "googleNews")  # search types without the dimension
ONLY_AUTO = ("discover", "googleNews")
NOTHING = "(not set)"  # of a dimension that the search type has not
_TEXT = pa.string()


@dataclass(frozen=True)
class Cut:
    """What a stream asks: a dimension beside country and device, and how Google counts."""

    dimension: str | None
    aggregation: str

    def dimensions(self, search_type: str) -> list[str]:
        device = () if search_type in NO_DEVICE else ("device",)
        return ["date", *((self.dimension,) if self.dimension else ()), "country", *device]

    def search_types(self, settings: SearchConsoleSettings) -> list[str]:
        kinds = dict.fromkeys(settings.search_types)
        return [kind for kind in kinds if self.dimension != "query" or kind not in NO_QUERY]


TOTAL, QUERY, PAGE = Cut(None, "byProperty"), Cut("query", "byProperty"), Cut("page", "byPage")


def read_totals(settings: SearchConsoleSettings, window: Window, tally: Tally) -> Iterator[Page]:
    """Grain: site, day, search type, country, device."""
    yield from _read(TOTALS, TOTAL, settings, window, tally)


def read_queries(settings: SearchConsoleSettings, window: Window, tally: Tally) -> Iterator[Page]:
    """Grain: site, day, search type, query, country, device; without queries that too few people asked."""
    yield from _read(QUERIES, QUERY, settings, window, tally)


def read_pages(settings: SearchConsoleSettings, window: Window, tally: Tally) -> Iterator[Page]:
    """Grain: site, day, search type, page, country, device."""
    yield from _read(PAGES, PAGE, settings, window, tally)


def earliest(today: date) -> date:
    year, month = divmod(today.year * 12 + today.month - 1 - MONTHS_BACK, 12)
    return date(year, month + 1, min(today.day, 28)) + timedelta(days=1)


# ---- sites and days ----------------------------------------------------------------------------------------


def _read(stream: Stream, cut: Cut, settings: SearchConsoleSettings, window: Window, tally: Tally) -> Iterator[Page]:
    def of_site(site: str) -> Iterator[Page]:
        for search_type in cut.search_types(settings):
            dimensions = cut.dimensions(search_type)
            aggregation = AUTO if search_type in ONLY_AUTO else cut.aggregation
            for day in window.days():
                try:
                    answer = console.day(site, day, search_type, dimensions, aggregation)
                except AggregationRefused as refused:
                    if aggregation == AUTO:
                        raise VendorError(f"site {site}: {refused}", **console.where) from None
                    tally.note(
                        f"site {site} does not take {aggregation} ({refused}): Google chooses, see aggregation_type"
                    )
                    aggregation = AUTO
                    answer = console.day(site, day, search_type, dimensions, aggregation)
                if answer.is_truncated:
                    tally.note(f"site {site}, {day}: {MOST_ROWS:,} rows are the most that Google gives; those with few clicks "
                               "are missing, and stand in the totals alone")  # fmt: skip
                table = _table(stream, answer, dimensions, site, search_type, day, tally)
                if table.num_rows:
                    yield Page(table, {"time_zone": TIME_ZONE, "is_truncated": answer.is_truncated})

    with SearchConsole(settings, stream.name, tally) as console:
        yield from each_account(settings.sites, of_site, tally)


# ---- rows --------------------------------------------------------------------------------------------------


def _table(
    stream: Stream, answer: Answer, dimensions: list[str], site: str, search_type: str, day: date, tally: Tally
) -> pa.Table:
    rows: list[tuple[dict[str, Json], list[Json]]] = []
    odd: dict[int, str] = {}
    seen: set[tuple[Json, ...]] = set()
    for row in answer.rows:
        keys = row.get("keys") if isinstance(row, dict) else None
        if not isinstance(keys, list) or len(keys) != len(dimensions):
            odd[len(rows)] = f"site {site}, {day}: a row has not a key for each of {', '.join(dimensions)}"
            rows.append(({}, [None] * len(dimensions)))
        elif (key := tuple(map(str, keys))) not in seen:  # rows move between pages while Google still counts
            seen.add(key)
            rows.append((row, keys))
    size = len(rows)
    columns: dict[str, list[Json] | pa.Array] = {
        name: [keys[place] for _, keys in rows] for place, name in enumerate(dimensions)
    }
    columns |= {name: [row.get(name) for row, _ in rows] for name in MEASURES if name != "ctr"}
    known = {"keys", *MEASURES}
    columns |= {
        "search_type": pa.repeat(pa.scalar(search_type), size),
        "aggregation_type": pa.repeat(pa.scalar(answer.aggregation, _TEXT), size),
        "is_final": pa.repeat(pa.scalar(answer.first_incomplete is None or day < answer.first_incomplete), size),
        "account_id": pa.repeat(pa.scalar(site), size),
        "_extra": [extra_of({name: row[name] for name in row.keys() - known}) for row, _ in rows],
    }
    if "device" not in dimensions:
        columns["device"] = pa.repeat(pa.scalar(NOTHING), size)
    for name, redacted in (("query", redacted_texts), ("page", redacted_urls)):
        if name in dimensions:
            columns[name] = redacted(read_cells(name, columns[name], _TEXT).values)
    table = columns_to_table(stream, columns, required=("clicks", "impressions", "position"), tally=tally, odd=odd)
    _within(stream, table, day)
    # without what people typed of themselves several queries may be one
    return merged(table, stream.key, sums=("clicks", "impressions"), averages={"position": "impressions"})


def _within(stream: Stream, table: pa.Table, day: date) -> None:
    if other := [found for found in table["date"].unique().to_pylist() if found != day]:
        raise VendorError(f"asked for {day}, got rows of {other[0]}", source=NAME, stream=stream.name)


def _stream(name: str, cut: Cut, read: object, description: str) -> Stream:
    dimension = (cut.dimension,) if cut.dimension else ()
    return Stream(
        source=NAME,
        name=name,
        domain="web",
        kind="report",
        key=("account_id", "date", "search_type", *dimension, "country", "device"),
        schema=schema(
            ("date", pa.date32()),
            ("search_type", _TEXT),
            *((column, _TEXT) for column in dimension),
            ("country", _TEXT),
            ("device", _TEXT),
            ("clicks", pa.int64()),
            ("impressions", pa.int64()),
            ("position", pa.float64()),
            ("aggregation_type", _TEXT),
            ("is_final", pa.bool_()),
        ),
        day="date",
        restate_days=RESTATE_DAYS,
        deep_restate_days=RESTATE_DAYS,
        earliest=earliest,
        # totals are the truth, queries only explain them; pages are counted in a way of their own
        feeds={"totals": ("search",), "queries": ("search",)}.get(name, ()),
        read=read,  # type: ignore[arg-type]
        description=description,
    )


TOTALS = _stream("totals", TOTAL, read_totals, "Day x country x device: all results of the site, rare queries too.")
QUERIES = _stream("queries", QUERY, read_queries, "The same by query, without those that too few people asked.")
PAGES = _stream("pages", PAGE, read_pages, "The same by page: a result with two pages of the site counts for both.")
STREAMS = (TOTALS, QUERIES, PAGES)

SOURCE = Source(
    name=NAME,
    title="Google Search Console",
    gives="clicks, impressions and positions in Google Search by query, page, country and device",
    settings=SearchConsoleSettings,
    streams=STREAMS,
    about=ABOUT,
    columns=COLUMNS,
    creates="a service account in a Google Cloud project with the Search Console API on, added to the property by its e-mail; or an "
    "OAuth client",
    least_right="restricted user of the property; webmasters.readonly",
)
