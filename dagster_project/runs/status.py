"""The state of a home on one screen: runs, sources, what is wrong, what readers see, the disk, the next run.

Takes no lock, opens no warehouse and changes nothing, so it may be asked at any moment, also of a home that was never
loaded or is damaged: what cannot be read is said, and the rest is shown.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
from cronsim import CronSim

from dagster_project import ingest
from dagster_project.ingest import freshness
from dagster_project.publish import DATABASE, STORE
from dagster_project.raw.zone import RawZone
from dagster_project.runs import instance
from dagster_project.runs.alerts import book
from dagster_project.runs.alerts.troubles import look, refused_words
from dagster_project.runs.last_runs import Run, last_runs
from dagster_project.settings import Settings
from dagster_project.wire import Stream


@dataclass
class SourceState:
    """`last_day`: the newest stored day of its reports, else of its records; `final_to`: the last day of all reports that
    the source does not restate any more; None where it has no reports."""

    source: str
    last_day: date | None
    last_read: date | None
    final_to: date | None
    state: str = "ok"  # or "not read", "late", "failing"
    refused: str = ""


@dataclass
class Open:
    """A trouble. `since`: when it was first seen, where that is known."""

    cause: str
    title: str
    is_critical: bool
    command: str
    items: dict[str, str]
    since: datetime | None


@dataclass
class Status:
    """`unknown`: what could not be read, and why."""

    home: Path
    today: date
    runs: list[Run] = field(default_factory=list)
    sources: list[SourceState] = field(default_factory=list)
    open: list[Open] = field(default_factory=list)
    published_at: datetime | None = None
    disk: dict[str, int] = field(default_factory=dict)  # bytes
    next_runs: dict[str, datetime] = field(default_factory=dict)
    addresses: int = 0
    untold: list[str] = field(default_factory=list)
    unknown: dict[str, str] = field(default_factory=dict)

    @property
    def is_well(self) -> bool:
        return self.published_at is not None and not (self.open or self.unknown or self.untold)

    def as_json(self) -> dict[str, object]:
        return {"is_well": self.is_well, **asdict(self)}


def status_of(settings: Settings) -> Status:
    status = Status(settings.home, settings.today, addresses=len(settings.alert_urls))
    dagster = _history(status)
    looked = look(settings, dagster)
    status.unknown |= {kind: reason for kind, reason in looked.blind.items() if reason}
    known = book.read(settings.home)
    status.untold = known.unsent
    since = {entry.trouble.cause: entry.since for entry in known.open}
    status.open = [
        Open(each.cause, each.title, each.is_critical, each.command, dict(each.items), since.get(each.cause))
        for each in sorted(looked.troubles, key=lambda each: not each.is_critical)
    ]
    try:
        status.sources = list(_sources(settings))
    except Exception as error:  # a raw zone that is away or damaged hides the sources, not the rest
        status.unknown["sources"] = str(error)
    published = settings.published_folder / DATABASE
    if published.exists():
        status.published_at = datetime.fromtimestamp(published.stat().st_mtime, UTC)
    status.disk = _disk(settings)
    status.next_runs = _next_runs(settings)
    return status


def _history(status: Status) -> dg.DagsterInstance | None:
    """Not as a run opens it: that would make what is not there, wait for others, and bury the dead."""
    if not (status.home / "dagster" / "history" / "runs.db").exists():
        return None
    try:
        dagster = dg.DagsterInstance.from_config(str(instance.prepare(status.home)))
        status.runs = last_runs(dagster)
        return dagster
    except Exception as error:  # SQLite's, SQLAlchemy's and Dagster's, as many as there are ways to be damaged
        status.unknown["runs"] = (
            f"the run history in {status.home / 'dagster'} cannot be read: {str(error).splitlines()[0]}"
        )
        return None


def _sources(settings: Settings) -> Iterable[SourceState]:
    zone = RawZone(settings.raw_root)
    by_source: dict[str, list[Stream]] = {}
    for stream in ingest.streams():
        if ingest.is_on(settings, stream) and stream.domain != "config":  # rules are no source to a person
            by_source.setdefault(stream.source, []).append(stream)
    for source, streams in by_source.items():
        late = freshness.late(zone, streams, settings.today)
        read = [zone.last_checked(stream) for stream in streams]
        state = SourceState(
            source,
            _last_day(zone, [s for s in streams if s.kind == "report"]) or _last_day(zone, streams),
            min((day for day in read if day), default=None),
            _final_to(zone, [s for s in streams if s.kind == "report"]),
        )
        if any(zone.failure(stream) for stream in streams):
            state.state = "failing"
        elif late:
            state.state = "not read" if not any(read) else "late"
        refused = [zone.refused(stream) for stream in streams]
        counts = [(sum(both[0] for both in days.values()), sum(both[1] for both in days.values())) for days in refused]
        if total := [each for each in counts if any(each)]:
            state.refused = refused_words({None: (sum(rows for rows, _ in total), sum(cells for _, cells in total))})
        yield state


def _last_day(zone: RawZone, streams: Iterable[Stream]) -> date | None:
    return max((day for stream in streams for day in zone.extracted_days(stream)[-1:]), default=None)


def _final_to(zone: RawZone, streams: Iterable[Stream]) -> date | None:
    """The days of a stream are final once they were read when the source no longer restates them (settles_after_days)."""
    ends = []
    for stream in streams:
        ledger = zone.ledger(stream)
        rows = zip(ledger.column("day").to_pylist(), ledger.column("checked_on").to_pylist(), strict=True)
        final = [day for day, checked in rows if checked >= day + timedelta(days=stream.settles_after_days)]
        if ledger.num_rows:
            ends.append(max(final, default=date.min))
    return min(ends, default=None) if date.min not in ends else None


def _disk(settings: Settings) -> dict[str, int]:
    folders = {
        "warehouse": settings.warehouse_path,
        "published": settings.home / STORE,
        "history": settings.home / "dagster",
    }
    if "://" not in settings.raw_root:
        folders["raw"] = Path(settings.raw_root)
    sizes = {name: _size(path) for name, path in folders.items() if path.exists()}
    return {**sizes, "free": shutil.disk_usage(settings.home).free} if settings.home.exists() else sizes


def _size(path: Path) -> int:
    seen, total = set(), 0
    for each in [path] if path.is_file() else path.rglob("*"):
        with suppress(FileNotFoundError):  # a refresh is at work
            stat = each.lstat()
            if stat.st_ino not in seen:  # unchanged tables of two publishes are one file
                seen.add(stat.st_ino)
                total += stat.st_size
    return total


def _next_runs(settings: Settings) -> dict[str, datetime]:
    schedule = settings.rules.schedule
    now = settings.now.astimezone(ZoneInfo(schedule.time_zone))
    return {name: next(CronSim(getattr(schedule, name), now)) for name in ("nightly", "deep", "sweep")}
