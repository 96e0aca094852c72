"""Which streams are late: they are on, and nights have passed without a good read of them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from dagster_project.raw.zone import RawZone
from dagster_project.wire import Stream

LATE_AFTER_DAYS = 1  # one night may fail, and the next makes up for it; a second one is late


def late(zone: RawZone, streams: Iterable[Stream], today: date) -> dict[str, str]:
    """Stream id -> how late it is, in words, for those of `streams` (all of them on) that are."""
    found = {}
    for stream in streams:
        day = zone.last_checked(stream)
        if day is None:
            found[stream.id] = "was never read"
        elif (today - day).days > LATE_AFTER_DAYS:
            found[stream.id] = f"was read last on {day}, {(today - day).days} days ago"
    return found
