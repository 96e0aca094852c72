"""Yandex.Webmaster: shows, clicks and positions in Yandex's search, as totals, by query and by page, for each kind of device.

Belongs here: the streams, and how an answer becomes columns. Only the last 14 days can be read: what was not collected by then
is lost for ever, so days begin with the first night. Days are Moscow's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pyarrow as pa

from dagster_project.sources.yandex_webmaster.api import INDICATORS, NotLoaded, Webmaster
from dagster_project.sources.yandex_webmaster.api import SOURCE as NAME
from dagster_project.sources.yandex_webmaster.descriptions import ABOUT, COLUMNS
from dagster_project.sources.yandex_webmaster.settings import WebmasterSettings
from dagster_project.wire.columns import RETYPED_FROM, columns_to_table, extra_of
from dagster_project.wire.contract import DriftError, Page, Stream, Tally, Window, schema
from dagster_project.wire.http import Json
from dagster_project.wire.identity_columns import redacted_texts, redacted_urls
from dagster_project.wire.json_cells import read_cells
from dagster_project.wire.merging import merged
from dagster_project.wire.rest import each_account
from dagster_project.wire.source import Source

DAYS_KEPT = 14
# Older days would come empty once Webmaster has dropped them: those that a night reads again keep well away from that end.
RESTATE_DAYS = 10
DEVICES = ("DESKTOP", "MOBILE", "TABLET")  # ALL and MOBILE_AND_TABLET are sums of them
TIME_ZONE = "Europe/Moscow"
FIELDS = {"IMPRESSIONS": "shows", "CLICKS": "clicks", "POSITION": "position", "DEMAND": "demand"}
LEFT_OUT = ("CTR",)  # a share of the two others, in percent
TOTALS_OF = dict(zip(INDICATORS, ("shows", "clicks", "position"), strict=True))
_TEXT = pa.string()
Rows = dict[tuple[date, str], dict[str, Json]]  # (day, text) -> figures


def read_totals(settings: WebmasterSettings, window: Window, tally: Tally) -> Iterator[Page]:
    """Grain: host, day, device; rare queries too."""

    def rows(webmaster: Webmaster, user: int, host: str, device: str) -> Iterator[Rows]:
        found: Rows = defaultdict(dict)
        for indicator, values in webmaster.history(user, host, device, window).items():
            for each in values if isinstance(values, list) else [values]:
                try:
                    day = date.fromisoformat(each["date"][:10])  # with the time and zone of Moscow's midnight
                    found[day, ""][TOTALS_OF.get(indicator, indicator)] = each["value"]
                except (KeyError, TypeError, ValueError):
                    tally.bad_row(f"{TOTALS.id}: host {host}: a value of {indicator} has no day and value")
        yield found

    yield from _read(TOTALS, None, rows, settings, window, tally)


def read_queries(settings: WebmasterSettings, window: Window, tally: Tally) -> Iterator[Page]:
    """Grain: host, day, device, query; without rare queries."""
    yield from _read_texts(QUERIES, "query", "QUERY", settings, window, tally)


def read_pages(settings: WebmasterSettings, window: Window, tally: Tally) -> Iterator[Page]:
    """Grain: host, day, device, page."""
    yield from _read_texts(PAGES, "page", "URL", settings, window, tally)


def earliest(today: date) -> date:
    """A day later than Webmaster's: its "today" may be another zone's."""
    return today - timedelta(days=DAYS_KEPT - 1)


# ---- hosts and devices -------------------------------------------------------------------------------------


def _read_texts(
    stream: Stream, column: str, kind: str, settings: WebmasterSettings, window: Window, tally: Tally
) -> Iterator[Page]:
    def rows(webmaster: Webmaster, user: int, host: str, device: str) -> Iterator[Rows]:
        seen: set[str] = set()
        for texts in webmaster.texts(user, host, device, kind):
            found: Rows = defaultdict(dict)
            odd = 0
            for each in texts:
                try:
                    text = each["text_indicator"]["value"]
                    days = _by_day(each["statistics"])
                    if not isinstance(text, str):
                        raise TypeError("a text is text")
                except (KeyError, TypeError, ValueError):
                    odd += 1
                    why = f"host {host}: a {column} has not the shape of one"
                    if odd == len(texts) >= RETYPED_FROM:
                        raise DriftError(f"none has it: {why}", source=NAME, stream=stream.name) from None
                    tally.bad_row(f"{stream.id}: {why}")
                    continue
                if text in seen:  # it has moved between pages
                    continue
                seen.add(text)
                for day, figures in days.items():
                    found[day, text] |= figures
            yield found

    yield from _read(stream, column, rows, settings, window, tally)


def _by_day(statistics: Json) -> dict[date, dict[str, Json]]:
    """Day -> figures; they come one by one. Raises KeyError, TypeError, ValueError where they have not the shape."""
    found: dict[date, dict[str, Json]] = defaultdict(dict)
    for each in statistics:
        if each["field"] not in LEFT_OUT:
            found[date.fromisoformat(each["date"])][FIELDS.get(each["field"], each["field"])] = each["value"]
    return found


def _read(
    stream: Stream, column: str | None, rows: Any, settings: WebmasterSettings, window: Window, tally: Tally
) -> Iterator[Page]:
    def of_host(host: str) -> Iterator[Page]:
        user = webmaster.user()
        for device in DEVICES:
            tables = []
            try:
                for found in rows(webmaster, user, host, device):
                    wanted = {key: figures for key, figures in found.items() if key[0] in window}
                    if wanted:
                        tables.append(_table(stream, column, wanted, host, device, tally))
            except NotLoaded as not_loaded:
                tally.note(f"host {host} has no data yet: {not_loaded}")
                return
            if tables:
                table = merged(
                    pa.concat_tables(tables), stream.key, sums=("shows", "clicks"), averages={"position": "shows"}
                )
                yield Page(table, {"time_zone": TIME_ZONE})

    with Webmaster(settings, stream.name, tally) as webmaster:
        yield from each_account(settings.hosts, of_host, tally)


def _table(stream: Stream, column: str | None, found: Rows, host: str, device: str, tally: Tally) -> pa.Table:
    names = ["shows", "clicks", "position", *(() if column is None else ("demand",))]
    size = len(found)
    columns: dict[str, Any] = {name: [figures.get(name) for figures in found.values()] for name in names}
    for name in ("shows", "clicks"):  # what is not there did not happen
        columns[name] = [0 if value is None else value for value in columns[name]]
    columns |= {
        "date": pa.array([day for day, _ in found], pa.date32()),
        "device": pa.repeat(pa.scalar(device), size),
        "account_id": pa.repeat(pa.scalar(host), size),
        "_extra": [
            extra_of({name: value for name, value in figures.items() if name not in names})
            for figures in found.values()
        ],
    }
    if column:
        texts = read_cells(column, [text for _, text in found], _TEXT).values
        columns[column] = redacted_texts(texts) if column == "query" else redacted_urls(texts)
    return columns_to_table(stream, columns, required=("shows", "clicks"), tally=tally)


def _stream(name: str, column: str | None, read: Any, description: str) -> Stream:
    return Stream(
        source=NAME,
        name=name,
        domain="web",
        kind="report",
        key=("account_id", "date", "device", *((column,) if column else ())),
        schema=schema(
            ("date", pa.date32()),
            ("device", _TEXT),
            *(((column, _TEXT),) if column else ()),
            ("shows", pa.int64()),
            ("clicks", pa.int64()),
            ("position", pa.float64()),
            *((("demand", pa.float64()),) if column else ()),
        ),
        day="date",
        restate_days=RESTATE_DAYS,
        deep_restate_days=RESTATE_DAYS,
        earliest=earliest,
        # totals are the truth, queries only explain them; pages are counted in a way of their own
        feeds={"totals": ("search",), "queries": ("search",)}.get(name, ()),
        read=read,
        description=description,
    )


TOTALS = _stream("totals", None, read_totals, "Day x device: all shows and clicks of the site, rare queries too.")
QUERIES = _stream("queries", "query", read_queries, "The same by query, without rare ones.")
PAGES = _stream("pages", "page", read_pages, "The same by page.")
STREAMS = (TOTALS, QUERIES, PAGES)

SOURCE = Source(
    name=NAME,
    title="Yandex.Webmaster",
    gives="shows, clicks and positions in Yandex's search by query, page and device; of the last 14 days only, so from the day on "
    "which it is switched on",
    settings=WebmasterSettings,
    streams=STREAMS,
    about=ABOUT,
    columns=COLUMNS,
    creates="an application at oauth.yandex.ru and a token of a user who has confirmed the site in Webmaster",
    least_right="webmaster:hostinfo",
)
