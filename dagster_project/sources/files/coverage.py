"""Which days dropped files cover and which subjects they feed: what makes a day without rows a 0 or no data.

A file says nothing of the days after it was written. By its rows it covers the days from the first to the last of them;
a mapping may say that it goes up to the day of reading (`covers: today`), to the date in its name (`file_date`), or
that it is whole from some day on (`covers_from`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import zip_longest
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.sources.files.mappings import FileMapping, file_date_pattern
from dagster_project.sources.files.stream import HASHED, FileStream
from dagster_project.wire.contract import ConfigError, Part, next_period


@dataclass
class Coverage:
    """What one entry of `files:` covers; filled while its files are read. `today` is the day of reading."""

    stream: FileStream
    mapping: FileMapping
    time_zone: str
    today: date
    first_day: date | None = None
    last_day: date | None = None
    has_media: bool = False
    file_days: list[date] = field(default_factory=list)

    def see_file(self, name: str) -> None:
        """Raises ConfigError where the mapping wants a date in the file's name and there is none."""
        if self.mapping.covers == "file_date":
            self.file_days.append(_day_in_name(name, self.mapping))

    def see_rows(self, rows: pa.Table) -> None:
        first, last = days_of(self.stream, rows, self.time_zone)
        self.first_day = min(filter(None, (self.first_day, first)), default=None)
        self.last_day = max(filter(None, (self.last_day, last)), default=None)
        self.has_media |= has_media(rows)

    def part(self) -> Part:
        mapping = self.mapping
        last_day = self.last_day
        if last_day and self.stream.kind == "record":  # a date in the future is a mistake, or a plan
            last_day = min(last_day, self.today)
        if mapping.covers == "file_date":
            last_day = max(self.file_days, default=None)
        first_day = mapping.covers_from or self.first_day
        if first_day is None:  # no row yet: nothing is known of any day, or all of the days since
            return Part(mapping.name, self._feeds(), date.max, date.min)
        is_open = mapping.covers == "today"
        return Part(
            mapping.name,
            self._feeds(),
            first_day,
            None if is_open else last_day or date.min,
            min(filter(None, (first_day, self.first_day))),
        )

    def _feeds(self) -> tuple[str, ...]:
        filled = {HASHED.get(name, name) for name in (*self.mapping.columns, *self.mapping.constants)}
        return subjects(self.stream, filled, has_media=self.has_media)


def subjects(stream: FileStream, filled: Iterable[str], *, has_media: bool) -> tuple[str, ...]:
    """What a mapping feeds that fills these columns."""
    known = set(filled)
    fed = [subject for subject, columns in stream.feeds.items() if not columns or known & set(columns)]
    return tuple(subject for subject in fed if subject != "media" or has_media or stream.name != "other_costs")


def has_media(rows: pa.Table) -> bool:
    """Whether a ledger has media among its costs."""
    if "cost_type" not in rows.schema.names:
        return False
    return bool(pc.any(pc.equal(rows.column("cost_type"), "media")).as_py())


def days_of(stream: FileStream, rows: pa.Table, time_zone: str) -> tuple[date | None, date | None]:
    """The first and the last day that rows speak of, in `time_zone`."""
    last = []
    for name in stream.dated_by or (stream.day,):
        column = rows.column(name)
        if name == "closed_at":  # of an open deal it is the day on which somebody hopes to close it
            column = pc.if_else(pc.equal(rows.column("status"), "open"), None, column)
        last.append(pc.max(column).as_py())
    first = pc.min(rows.column(stream.day)).as_py()
    zone = ZoneInfo(time_zone)
    return _day(first, zone), max((day for each in last if (day := _day(each, zone))), default=None)


def joined_parts(parts: Sequence[Part]) -> list[Part]:
    """Entries of one name are one source in several shapes: what lies between two of them is a quiet time, no gap."""
    ordered = sorted(parts, key=lambda part: (part.name, part.first_day or date.min))
    joined: list[Part] = []
    for part, following in zip_longest(ordered, ordered[1:]):
        if following and following.name == part.name and following.begins and part.begins and part.last_day:
            assert following.first_day is not None
            part = replace(part, last_day=max(part.last_day, following.first_day - timedelta(days=1)))
        joined.append(part)
    return joined


def _day(moment: Any, zone: ZoneInfo) -> date | None:
    return moment.astimezone(zone).date() if isinstance(moment, datetime) else moment


def _day_in_name(name: str, mapping: FileMapping) -> date:
    """The day that a file's name says; of a month without a day its last one."""
    found = [*re.finditer(file_date_pattern(mapping.file_date or ""), name)]
    for match in reversed(found):
        parts = match.groupdict()
        year = int(parts["Y"]) if "Y" in parts else 2000 + int(parts["y"])
        try:
            if "d" in parts:
                return date(year, int(parts["m"]), int(parts["d"]))
            return next_period(date(year, int(parts["m"]), 1), "month") - timedelta(days=1)
        except ValueError:
            continue
    raise ConfigError(
        f"files entry {mapping.name!r}: the name {name!r} has no date as {mapping.file_date!r} says (file_date), so that "
        "nobody knows up to which day the file goes; rename it, or write covers: rows",
        source="files",
        stream=mapping.stream,
    )
