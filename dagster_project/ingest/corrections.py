"""Days that a source has corrected after they had settled: a refresh reads them again, where the source says which."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from dagster_project.ingest import patience
from dagster_project.ingest.days import Mode, Reading
from dagster_project.raw.zone import RawZone
from dagster_project.wire import Page, Tally, Window


def with_corrected(
    readings: Sequence[Reading],
    zone: RawZone,
    source_settings: Any,
    mode: Mode,
    budget: patience.Budget,
    tally: Tally,
) -> list[Reading]:
    """The readings of a refresh, the first of which begins with the oldest stored day that has changed since the last read.

    What changes for an account while it cannot be read is not seen later on: the deep pass reads those days.
    """
    first = readings[0]
    stream, window = first.stream, first.window
    if stream.changed_since is None or mode not in ("refresh", "deep") or window is None:
        return list(readings)
    since, stored = zone.read_at(stream), zone.extracted_days(stream)
    if since is None or not stored:
        return list(readings)
    found = []

    def ask() -> Iterator[Page]:
        assert stream.changed_since is not None
        found.append(stream.changed_since(source_settings, since, tally))
        yield from ()

    for _ in patience.within(ask(), budget, tally, source=stream.source, stream=stream.name):
        continue
    [oldest] = found
    if oldest is None or (start := max(oldest, stored[0])) >= window.start:
        return list(readings)
    tally.note(f"corrected by the source from {oldest} on: read again")
    wider = Window(start, window.end)
    return [replace(first, window=wider, days=tuple(wider.days())), *readings[1:]]
