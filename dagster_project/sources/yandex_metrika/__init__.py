"""Yandex.Metrica: single visits from the Logs API, and totals of its reports to compare them with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import partial

from dagster_project.sources.yandex_metrika import totals, visits
from dagster_project.sources.yandex_metrika.api import SOURCE as NAME
from dagster_project.sources.yandex_metrika.api import Metrika, TooComplicated
from dagster_project.sources.yandex_metrika.descriptions import ABOUT, COLUMNS
from dagster_project.sources.yandex_metrika.settings import YandexMetrikaSettings
from dagster_project.wire.columns import to_table
from dagster_project.wire.contract import Page, Stream, Tally, VendorError, Window
from dagster_project.wire.http import Json
from dagster_project.wire.rest import each_account
from dagster_project.wire.source import Source

# 99 % of visits are closed within 3 days (yandex.com/support/metrica, "pro/data-work"); conversions that are uploaded later
# join visits of the last 21 days (`offline_window` of a report).
RESTATE_DAYS, DEEP_RESTATE_DAYS = 3, 21
LOG_DAYS = 365  # the most that one log may span
READS = 3  # of a report whose rows move between its pages


# ---- visits ------------------------------------------------------------------------------------------------


def read_visits(settings: YandexMetrikaSettings, window: Window, tally: Tally) -> Iterator[Page]:
    """Grain: counter, day, visit. Today cannot be asked for: it is left out."""
    end = min(window.end, settings.today) if settings.today > settings.today.min else window.end
    if window.start >= end:
        return
    asked = Window(window.start, end)
    with Metrika(settings, VISITS.name, tally) as metrika:
        yield from each_account(settings.counter_ids, partial(_visits_of, metrika, asked, tally), tally)


def _visits_of(metrika: Metrika, window: Window, tally: Tally, counter_id: str) -> Iterator[Page]:
    zone = metrika.time_zone(counter_id)
    start, most = window.start, LOG_DAYS
    while start < window.end:
        wanted = Window(start, min(window.end, start + timedelta(days=most)))
        possible = metrika.days_at_once(counter_id, wanted, visits.ASKED)
        if possible < len(wanted.days()):
            most = possible
            continue
        yield from _log(metrika, counter_id, wanted, zone, tally)
        start = wanted.end


def _log(metrika: Metrika, counter_id: str, window: Window, zone: str, tally: Tally) -> Iterator[Page]:
    log = metrika.prepared(counter_id, window, visits.ASKED)
    try:
        for number in log.parts:
            reader = visits.Reader(VISITS, counter_id, zone, tally)
            part = partial(metrika.part, counter_id, log.request_id, number)
            for rows in reader.tables(visits.blocks(part, metrika.pause)):
                if rows.num_rows:
                    yield Page(rows, {"time_zone": zone})
    finally:
        metrika.clean(counter_id, log.request_id)


# ---- totals ------------------------------------------------------------------------------------------------


def read_totals(settings: YandexMetrikaSettings, window: Window, tally: Tally) -> Iterator[Page]:
    """Grain: counter, day, traffic source, UTM. Bounces are Metrica's: one page, less than 15 seconds."""
    with Metrika(settings, TOTALS.name, tally) as metrika:
        yield from each_account(settings.counter_ids, partial(_totals_of, metrika, settings, [window], tally), tally)


def _totals_of(
    metrika: Metrika, settings: YandexMetrikaSettings, windows: Sequence[Window], tally: Tally, counter_id: str
) -> Iterator[Page]:
    for window in windows:
        try:
            yield from _whole_report(metrika, settings, window, tally, counter_id)
        except TooComplicated:
            if len(days := window.days()) == 1:
                raise
            half = days[len(days) // 2]
            halves = [Window(window.start, half), Window(half, window.end)]
            yield from _totals_of(metrika, settings, halves, tally, counter_id)


def _whole_report(
    metrika: Metrika, settings: YandexMetrikaSettings, window: Window, tally: Tally, counter_id: str
) -> Iterator[Page]:
    """Its pages, once they belong together: a report moves while visits come in."""
    asked = totals.question(settings, counter_id, window)
    for _ in range(READS):
        pages: list[Json] = list(metrika.report(asked))
        rows = [row for page in pages for row in totals.records(page, settings.attribution, metrika.where)]
        if len(totals.keys(rows)) == len(rows) and {page["total_rows"] for page in pages} == {len(rows)}:
            break
        tally.retry()
    else:
        raise VendorError(
            f"counter {counter_id}: the report of {window} announces {pages[0]['total_rows']} rows and gives {len(rows)}, some "
            f"of them twice or not at all, {READS} times in a row; run again later",
            **metrika.where,
        )
    if rows:
        table = to_table(
            TOTALS, [row | {"account_id": counter_id} for row in rows], required=("visits", "attribution"), tally=tally
        )
        yield Page(
            table,
            {
                "sampled_share": _share(pages[0]),
                "is_thresholded": bool(pages[0].get("contains_sensitive_data")),
            },
        )


def _share(page: Json) -> float:
    share = page.get("sample_share")
    return float(share) if page.get("sampled") and isinstance(share, int | float) else 1.0


VISITS = Stream(
    source=NAME,
    name="visits",
    domain="sessions",
    kind="report",
    key=("account_id", "date", "visit_id"),  # a visit's number is its own for a year
    schema=visits.SCHEMA,
    day="date",
    restate_days=RESTATE_DAYS,
    deep_restate_days=DEEP_RESTATE_DAYS,
    feeds=("web", "web.origin", "web.engagement", "web.device", "visitors", "goals"),
    informs=("leads", "orders"),  # touches
    read=read_visits,
    description="Single visits of the Logs API: client, origin, tags, first page, goals.",
)
TOTALS = Stream(
    source=NAME,
    name="totals",
    domain="web",
    kind="report",
    key=("account_id", "date", *totals.DIMENSIONS),
    schema=totals.SCHEMA,
    day="date",
    restate_days=RESTATE_DAYS,
    deep_restate_days=DEEP_RESTATE_DAYS,
    read=read_totals,
    description="Totals of its reports by day, source and UTM, to compare single visits with; by one attribution model.",
)
STREAMS: tuple[Stream, ...] = (VISITS, TOTALS)

SOURCE = Source(
    name=NAME,
    title="Yandex.Metrica",
    gives="single visits with goals, totals of its reports",
    settings=YandexMetrikaSettings,
    streams=STREAMS,
    about=ABOUT,
    columns=COLUMNS,
    creates="an application at oauth.yandex.ru and a token of a user who sees the counter",
    least_right="metrika:read; guest access (view only) to the counter",
)
