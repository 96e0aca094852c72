"""One refresh or backfill of the raw zone: streams are read in threads and stored, outcome by outcome.

Pure Python between connectors and raw zone; the Dagster assets in defs/ and the tests call `plan` (days.py) and `run`.
Sources are read side by side, the streams of one source one after another (its quota is shared).
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from queue import Queue
from typing import Any, Literal

from dagster_project.ingest import patience
from dagster_project.ingest.corrections import with_corrected
from dagster_project.ingest.days import (
    LONGEST_NIGHT_DAYS,
    Mode,
    Reading,
    is_local,
    is_on,
    plan,
    sources_in_graph,
    streams,
)
from dagster_project.raw.store import RawZoneError
from dagster_project.raw.zone import RawZone, Written
from dagster_project.settings import Settings
from dagster_project.sources import settings_of
from dagster_project.wire import (
    DriftError,
    Page,
    SourceError,
    Stream,
    Tally,
    VendorError,
    Window,
    stopping,
)
from dagster_project.wire.identity import without_control_characters

__all__ = [
    "Finished",
    "Mode",
    "Outcome",
    "Progress",
    "Reading",
    "are_too_many",
    "budget",
    "is_local",
    "is_on",
    "plan",
    "refusal",
    "run",
    "sources_in_graph",
    "streams",
]

log = logging.getLogger(__name__)

FEWEST_REFUSED = 2  # one odd record, or the line of totals under a report, is told and does not stop its stream
COMMIT_SECONDS = 4.0  # what a source may still take to store its days when the run is stopped
Progress = Callable[[Stream, str, int], None]  # stream, "started" | "rows" | outcome, rows so far


@dataclass
class Outcome:
    """What became of one reading. `failed` and `off` leave the stored days as they were; `partial`: accounts of the
    source could not be read, what the others gave is stored.

    `may_pass`: the vendor failed, so asking again soon may help; refused credentials, used-up quotas and changed
    fields stay what they are until somebody mends them or the day is over.
    """

    stream: Stream
    status: Literal["ok", "partial", "failed", "off", "skipped"]
    window: Window | None = None
    written: Written = field(default_factory=Written)
    tally: Tally = field(default_factory=Tally)
    error: str = ""
    may_pass: bool = False
    is_silent: bool = False  # the source no longer answers: its other streams need not be asked
    seconds: float = 0.0


class Finished:
    """The streams that a backfill has read, kept in `<home>/backfills/` so that it goes on where it was killed."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        self._ids: set[str] = set(path.read_text().split()) if path.exists() else set()

    @classmethod
    def of(cls, name: str, settings: Settings) -> Finished:
        return cls(settings.home / "backfills" / f"{name}.txt")

    def __contains__(self, stream_id: str) -> bool:
        return stream_id in self._ids

    def add(self, stream_id: str) -> None:
        with self._lock:
            self._ids.add(stream_id)
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a") as file:
                file.write(f"{stream_id}\n")

    def forget(self) -> None:
        """The backfill is over: the next one with this name starts anew."""
        self._path.unlink(missing_ok=True)


def run(
    settings: Settings,
    zone: RawZone,
    chosen: Iterable[Stream],
    mode: Mode,
    asked: Window | None = None,
    *,
    allow_shrink: bool = False,
    finished: Finished | None = None,
    progress: Progress = lambda _stream, _what, _rows: None,
    commit_lock: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Iterator[Outcome]:
    """Read the chosen streams and yield each one's outcome as it is known; never raises for a stream's failure.

    `finished` skips, and remembers, the streams that a named backfill is done with. `commit_lock` is held while days are
    replaced, so that a dbt build in another process sees no half-replaced window.
    """
    by_source: dict[str, list[Stream]] = {}
    for stream in chosen:
        by_source.setdefault(stream.source, []).append(stream)
    outcomes: Queue[Outcome | BaseException | None] = Queue()
    is_over = threading.Event()

    def read_source(source: str) -> None:
        silent: Stream | None = None
        try:
            for stream in by_source[source]:
                if is_over.is_set():
                    return
                if finished is not None and stream.id in finished:
                    outcomes.put(Outcome(stream, "skipped", error="read before this backfill was interrupted"))
                    continue
                outcome = _read(
                    settings, zone, stream, mode, asked, allow_shrink, progress, commit_lock, silent, is_over
                )
                if finished is not None and outcome.status == "ok" and stream.read is not None:
                    finished.add(stream.id)
                silent = stream if outcome.is_silent and silent is None else silent
                outcomes.put(outcome)
        except BaseException as error:
            outcomes.put(error)
        finally:
            outcomes.put(None)

    # daemon threads: a source that does not let go of its thread must not keep the process alive
    threads = [threading.Thread(target=read_source, args=(s,), name=f"source {s}", daemon=True) for s in by_source]
    try:
        for thread in threads:
            thread.start()
        running = len(threads)
        while running:
            outcome = stopping.next_of(outcomes)
            if outcome is None:
                running -= 1
            elif isinstance(outcome, BaseException):
                raise outcome
            else:
                yield outcome
    finally:
        is_over.set()
        until = time.monotonic() + COMMIT_SECONDS
        for thread in threads:
            if thread.ident is not None:
                thread.join(max(0.0, until - time.monotonic()))


def _read(
    settings: Settings,
    zone: RawZone,
    stream: Stream,
    mode: Mode,
    asked: Window | None,
    allow_shrink: bool,
    progress: Progress,
    commit_lock: Callable[[], AbstractContextManager[object]],
    silent: Stream | None,
    is_over: threading.Event,
) -> Outcome:
    started, tally = time.perf_counter(), Tally()
    reading: Reading | None = None
    written = Written()
    source_settings = settings_of(settings, stream.source)
    try:
        with commit_lock():
            zone.declare(stream)
        if not is_on(settings, stream):
            return Outcome(stream, "off")
        readings = plan(settings, zone, stream, mode, asked)
        if not readings:
            return Outcome(stream, "skipped", error="no day of the window can be asked")
        if silent is not None and not is_local(stream):
            raise patience.OutOfTime(
                f"not asked: {silent.id} did not answer in time", source=stream.source, stream=stream.name
            )
        progress(stream, "started", 0)
        time_left = budget(settings, readings[0], mode)
        readings = with_corrected(readings, zone, source_settings, mode, time_left, tally)
        for reading in readings:
            pages = patience.within(
                _ask(reading, source_settings, tally), budget(settings, reading, mode), tally,
                source=stream.source, stream=stream.name,
            )  # fmt: skip
            written.add(_store(settings, zone, reading, pages, tally, allow_shrink, progress, commit_lock, is_over))
        outcome = Outcome(stream, "ok", reading.window if reading else None, written, tally)
        if tally.failed_accounts:
            outcome.status, outcome.error = "partial", _words_of_accounts(tally)
            outcome.may_pass = any(isinstance(error, VendorError) for error in tally.failed_accounts.values())
            zone.note_failure(stream, outcome.error, settings.now)
    except (SourceError, RawZoneError) as error:
        outcome = _failed(stream, zone, str(error), settings.now, tally, reading, type(error).__name__)
        outcome.may_pass = isinstance(error, VendorError)
        outcome.is_silent = isinstance(error, patience.OutOfTime) and error.is_silent
    except Exception as error:  # a bug in one connector must not stop the others; the traceback is in the log
        log.exception("%s failed", stream.id)
        why = f"{stream.id}: unexpected {type(error).__name__}: {error}"
        outcome = _failed(stream, zone, why, settings.now, tally, reading, type(error).__name__)
    outcome.seconds = time.perf_counter() - started
    progress(stream, outcome.status, outcome.written.rows)
    return outcome


def budget(settings: Settings, reading: Reading, mode: Mode) -> patience.Budget:
    """How long the source may take: the days that a night asks again are few; listings, backfills and the gaps of months
    that a night fills may be long."""
    limits = settings.rules.reading
    is_night = mode == "refresh" and reading.window is not None and len(reading.days) <= LONGEST_NIGHT_DAYS
    silence = limits.listing_minutes if is_local(reading.stream) else limits.minutes
    if is_night:
        return patience.Budget(limits.minutes * 60, silence * 60, "reading.minutes")
    name = "reading.minutes" if silence < limits.listing_minutes else "reading.listing_minutes"
    return patience.Budget(limits.listing_minutes * 60, min(silence, limits.listing_minutes) * 60, name)


def _words_of_accounts(tally: Tally) -> str:
    count = len(tally.failed_accounts) + len(tally.read_accounts)
    each = "; ".join(f"{account}: {error}" for account, error in sorted(tally.failed_accounts.items()))
    return f"{len(tally.failed_accounts)} of {count} accounts could not be read ({each}); what is stored of them stays"


def _ask(reading: Reading, source_settings: Any, tally: Tally) -> Iterable[Page]:
    stream = reading.stream
    if reading.window is None:
        assert stream.sweep is not None
        return stream.sweep(source_settings, tally)
    assert stream.read is not None
    return stream.read(source_settings, reading.window, tally)


def _store(
    settings: Settings,
    zone: RawZone,
    reading: Reading,
    pages: Iterable[Page],
    tally: Tally,
    allow_shrink: bool,
    progress: Progress,
    commit_lock: Callable[[], AbstractContextManager[object]],
    is_over: threading.Event,
) -> Written:
    stream, counted = reading.stream, _counted(pages, reading, settings, zone, tally, progress, is_over)
    before = Counter(tally.refused_days), Counter(tally.unread_cell_days)  # of an earlier reading of the stream
    stamps: dict[str, Any] = {
        "extracted_at": _stamp(settings),
        "checked_on": settings.today,
        "commit_lock": commit_lock,
        "asked_from": reading.asked_from,
        "read_accounts": tally.read_accounts,
        "unread_accounts": tally.unread_accounts,
        "failed_accounts": tally.failed_accounts,
    }
    if reading.window is not None:
        written = zone.replace_days(stream, reading.days, counted, **stamps)
        for account in sorted(set(written.quality.get("unread_accounts", ())) - tally.unread_accounts):
            tally.note(f"account {account} is no longer among those that are read; what is stored of it stays")
    else:
        # funnelhouse.yml is always whole: a rule that is gone was deleted by its owner
        allow_shrink = allow_shrink or stream.source == "config"
        written = zone.replace_all(stream, counted, allow_shrink=allow_shrink, parts=lambda: tally.parts, **stamps)
    zone.note_refusals(
        stream,
        reading.days if reading.window is not None else None,
        Counter(tally.refused_days) - before[0],
        Counter(tally.unread_cell_days) - before[1],
    )
    return written


def _counted(
    pages: Iterable[Page],
    reading: Reading,
    settings: Settings,
    zone: RawZone,
    tally: Tally,
    progress: Progress,
    is_over: threading.Event,
) -> Iterator[Page]:
    stream, rows, refused_before = reading.stream, 0, tally.bad_row_count
    for page in pages:
        rows += page.rows.num_rows
        progress(stream, "rows", rows)
        yield replace(page, rows=without_control_characters(page.rows))
    _bear(reading, max(rows, tally.good_row_count), tally.bad_row_count - refused_before, settings, zone, tally)
    if is_over.is_set():  # the run was stopped: do not begin to store
        raise stopping.Stopped


def _bear(reading: Reading, good: int, refused: int, settings: Settings, zone: RawZone, tally: Tally) -> None:
    """Raises DriftError where more rows are bad than `reading.refused_share` allows. A night asks few records: they
    are counted against all that are stored."""
    stream, limit = reading.stream, settings.rules.reading.refused_share
    if not are_too_many(settings, good, refused):
        return
    if stream.kind == "record" and reading.window is not None:
        stored = sum(zone.ledger(stream).column("rows").to_pylist())
        if not are_too_many(settings, max(good, stored), refused):
            return
    whose = "files or their mapping" if is_local(stream) else "records"
    raise DriftError(
        f"{refused:,} of {good + refused:,} rows are refused ({refused / (good + refused):.0%}; {limit:.0%} are allowed)"
        f"{_money(tally)}. First: {tally.bad_rows[0]}. Nothing was changed, what was stored stays. Mend the {whose}, or "
        "allow a larger share: reading.refused_share in funnelhouse.yml",
        source=stream.source,
        stream=stream.name,
    )


def are_too_many(settings: Settings, good: int, refused: int) -> bool:
    """Whether a stream fails where of its rows so many are refused, and so many are good."""
    return refused >= FEWEST_REFUSED and refused > settings.rules.reading.refused_share * (good + refused)


def refusal(tally: Tally) -> str:
    """What was refused, in a few words: how many rows, what of their money could be read, the first reason; cells."""
    said = []
    if tally.bad_row_count:
        rows = f"{tally.bad_row_count:,} row{'s' if tally.bad_row_count > 1 else ''} left out"
        said.append(f"{rows}{_money(tally)}. First: {tally.bad_rows[0]}")
    if tally.bad_cell_count:
        cells = f"{tally.bad_cell_count:,} unreadable cell{'s' if tally.bad_cell_count > 1 else ''} left empty"
        said.append(f"{cells}. First: {tally.bad_cells[0]}")
    return "; ".join(said)


def _money(tally: Tally) -> str:
    each = ", ".join(f"{name} {amount:,.2f}" for name, amount in sorted(tally.refused_money.items()))
    return f", in them {each}" if each else ""


def _failed(
    stream: Stream, zone: RawZone, error: str, at: datetime, tally: Tally, reading: Reading | None, kind: str
) -> Outcome:
    zone.note_failure(stream, error, at, kind)
    return Outcome(stream, "failed", reading.window if reading else None, tally=tally, error=error)


def _stamp(settings: Settings) -> datetime:
    """The moment of extraction: the real clock, moved to the pinned day where one is set."""
    real = datetime.now(settings.now.tzinfo)
    return real if real.date() == settings.now.date() else datetime.combine(settings.now.date(), real.timetz())
