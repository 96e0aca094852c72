"""Which days of which stream to ask for: the plan of a night, a deep pass, a backfill, a sweep. Nothing is asked here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Literal

from dagster_project.raw.zone import RawZone
from dagster_project.rules.kinds import WEEKDAYS
from dagster_project.settings import Settings
from dagster_project.sources import all_sources, all_streams, settings_of
from dagster_project.wire import (
    Stream,
    Window,
    whole_periods,
)

CATCH_UP_DAYS = 45  # of a holiday, with the newest days; what is older is a gap of its own then, or a whole listing
LONGEST_NIGHT_DAYS = 2 * CATCH_UP_DAYS  # a wider gap between days that are stored is as long as a backfill
Mode = Literal["refresh", "deep", "backfill", "sweep"]


@dataclass(frozen=True)
class Reading:
    """One question to one stream: a window of days to replace, or None for the whole listing (a sweep).

    `asked_from`: the first day that the person wants to see, where a backfill names one.
    """

    stream: Stream
    window: Window | None
    days: tuple[date, ...] = ()
    asked_from: date | None = None


def streams(names: Iterable[str] | None = None) -> list[Stream]:
    """All streams of the named sources (default: of all), on or off."""
    chosen = set(names) if names else None
    return [s for source, group in all_streams().items() if not chosen or source in chosen for s in group]


def is_on(settings: Settings, stream: Stream) -> bool:
    """Whether the stream is read at all: its source is switched on, and its settings allow this stream."""
    of_source = settings_of(settings, stream.source)
    return of_source is not None and stream.is_on(of_source)


def sources_in_graph(settings: Settings, zone: RawZone) -> tuple[str, ...]:
    """The sources that tables are built from: those that are on, and those that are off of which days are stored."""
    return tuple(
        name
        for name, group in all_streams().items()
        if any(is_on(settings, stream) or zone.extracted_days(stream) for stream in group)
    )


def is_local(stream: Stream) -> bool:
    """Whether nobody answers: all of it is read before the first page, and its time limit is that of a listing."""
    return all_sources()[stream.source].is_local


def plan(settings: Settings, zone: RawZone, stream: Stream, mode: Mode, asked: Window | None = None) -> list[Reading]:
    """What to ask of one stream, in this order; nothing when no day of the window can be asked.

    * Records that were never listed whole are, whatever the mode: a record is filed under the day of its last change,
      so that the days that were asked hold a part of every month before them, which would pass for the whole. The same
      where nights were missed for longer than a refresh makes up for.
    * `refresh`: yesterday and the days that the source still restates, whatever earlier nights missed, and days
      between the first and the last that are not stored (any more).
    * `deep`: the same with the deep restatement window.
    * `backfill`: exactly `asked`, cut to whole past days. Records first get a refresh: one that has changed
      since its day was stored has left that day, and would be nowhere if only the old day were read again.
    * `sweep`: the whole listing where the stream has one, else as `refresh`.
    * Snapshots are taken of today, whatever the mode; a backfill that does not ask for today takes none.

    Days end with yesterday for reports, and with the running day for records, for the same reason.
    """
    asked_from = asked.start if asked and mode == "backfill" else None
    if stream.read is None or (mode == "sweep" and stream.sweep is not None):
        return [Reading(stream, None, asked_from=asked_from)]
    if stream.kind == "snapshot":
        is_wanted = mode != "backfill" or (asked is not None and settings.today in asked)
        return [Reading(stream, Window.of_day(settings.today), (settings.today,), asked_from)] if is_wanted else []
    trailing, is_too_long_ago = _trailing(settings.today, stream, zone, deep=mode == "deep")
    gaps = zone.gaps(stream) if mode != "backfill" or stream.kind == "record" else []
    is_partly_known = is_too_long_ago or bool(gaps) or zone.listed_on(stream) is None
    if stream.kind == "record" and stream.sweep is not None and is_partly_known:
        return [Reading(stream, None, asked_from=asked_from)]
    windows = [trailing, *_without(_runs(gaps), trailing)]
    if mode == "backfill":
        assert asked is not None, "a backfill needs a window"
        windows = [trailing, asked] if stream.kind == "record" else [asked]
    askable = [_askable(window, stream, settings) for window in windows]
    return [replace(_reading(w, stream, settings), asked_from=asked_from) for w in askable if w is not None]


def _runs(days: Iterable[date]) -> list[Window]:
    """Days as few windows, oldest first."""
    windows: list[Window] = []
    for day in sorted(days):
        if windows and windows[-1].end == day:
            windows[-1] = Window(windows[-1].start, day + timedelta(days=1))
        else:
            windows.append(Window.of_day(day))
    return windows


def _without(windows: Iterable[Window], other: Window) -> list[Window]:
    """What of the windows lies before `other`; nothing lies after it."""
    return [Window(w.start, min(w.end, other.start)) for w in windows if w.start < other.start]


def _reading(window: Window, stream: Stream, settings: Settings) -> Reading:
    if stream.period == "day":
        widened = Window(window.start - timedelta(days=stream.lead_in_days), window.end)
        return Reading(stream, widened, tuple(widened.days()))
    reporting = settings.rules.reporting
    periods = whole_periods(
        window, stream.period, WEEKDAYS.index(reporting.week_start), reporting.fiscal_year_start_month
    )
    until = min(periods[-1].end, _horizon(stream, settings.today))
    return Reading(stream, Window(periods[0].start, until), tuple(p.start for p in periods))


def _horizon(stream: Stream, today: date) -> date:
    """The first day that cannot be asked: today for reports (its day is not over), tomorrow for records."""
    return today + timedelta(days=1) if stream.kind == "record" else today


def _trailing(today: date, stream: Stream, zone: RawZone, *, deep: bool) -> tuple[Window, bool]:
    """The days that a refresh asks, and whether older ones were missed that only a backfill or a listing brings."""
    restate = max(1, stream.deep_restate_days if deep else stream.restate_days)
    start, is_too_long_ago = today - timedelta(days=restate), False
    stored = zone.ledger(stream).select(["day", "checked_on"]).to_pylist()
    if stored:
        unsettled = [r["day"] for r in stored if r["checked_on"] < r["day"] + timedelta(days=stream.restate_days)]
        newest = stored[-1]["day"]
        if listed_on := zone.listed_on(stream):  # a listing knows of the days without records, too
            newest = max(newest, listed_on - timedelta(days=1))
        missed = min([start, newest + timedelta(days=1), *unsettled])  # nights without a run
        start = max(missed, min(start, today - timedelta(days=CATCH_UP_DAYS)))
        is_too_long_ago = missed < start
    return Window(start, _horizon(stream, today)), is_too_long_ago


def _askable(window: Window, stream: Stream, settings: Settings) -> Window | None:
    start, end = window.start, min(window.end, _horizon(stream, settings.today))
    if stream.earliest is not None:
        start = max(start, stream.earliest(settings.today))
    return Window(start, end) if start < end else None
