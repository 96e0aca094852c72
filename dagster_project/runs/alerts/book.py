"""What was said to whom: `<home>/alerts.json`. Which troubles are open, since when, and which recipient knows of what.

A message is sent first and noted after it: a crash in between makes it come twice, never not at all. Nothing here sends.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from dagster_project.runs.alerts.troubles import Looked, Trouble

FILE = "alerts.json"


@dataclass
class Entry:
    """A trouble as it was last seen. `told`: recipient -> the items that it knows of; `over`: when it was seen to be gone."""

    trouble: Trouble
    since: datetime
    over: datetime | None = None
    told: dict[str, list[str]] = field(default_factory=dict)
    told_over: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Due:
    """A recipient is to hear of an entry: that it is so, or that it is over."""

    recipient: str
    entry: Entry


@dataclass
class Book:
    """`entries` by cause. `looked_at`: when a look was last written down; `unsent`: why messages could not be sent."""

    entries: dict[str, Entry] = field(default_factory=dict)
    looked_at: datetime | None = None
    unsent: list[str] = field(default_factory=list)

    def update(self, looked: Looked, now: datetime) -> None:
        """Open what is new, close what is gone; what no look could see stays as it is."""
        self.looked_at = now
        seen = {trouble.cause: trouble for trouble in looked.troubles}
        for cause, trouble in seen.items():
            entry = self.entries.setdefault(cause, Entry(trouble, now))
            if entry.over is not None and entry.told_over:  # somebody was told that it was over: this is another one
                entry = self.entries[cause] = Entry(trouble, now)
            entry.trouble, entry.over = trouble, None
        for cause, entry in self.entries.items():
            if cause not in seen and entry.trouble.kind not in looked.blind and entry.over is None:
                entry.over = now

    def due(self, recipients: Collection[str], *, is_quiet: bool) -> Iterator[Due]:
        """What each recipient does not know yet, the critical first; in quiet hours that alone."""
        for entry in sorted(self.entries.values(), key=lambda each: not each.trouble.is_critical):
            if is_quiet and not entry.trouble.is_critical:
                continue
            for recipient in recipients:
                if entry.over is not None:
                    is_known = recipient in entry.told_over
                else:
                    is_known = set(entry.trouble.items) <= set(entry.told.get(recipient, ()))
                if not is_known:
                    yield Due(recipient, entry)

    def was_told(self, due: Due) -> None:
        if due.entry.over is not None:
            due.entry.told_over.append(due.recipient)
        else:
            known = due.entry.told.get(due.recipient, [])
            due.entry.told[due.recipient] = sorted({*known, *due.entry.trouble.items})

    def forget_what_all_know_to_be_over(self, recipients: Collection[str]) -> None:
        """Where nobody is to be told, what is over is forgotten at once."""
        self.entries = {
            cause: entry
            for cause, entry in self.entries.items()
            if entry.over is None or set(recipients) - set(entry.told_over)
        }

    @property
    def open(self) -> list[Entry]:
        return [entry for entry in self.entries.values() if entry.over is None]


def read(home: Path) -> Book:
    """The book of `home`; an empty one where there is none, or none that can be read: then all that is open is said again."""
    path = home / FILE
    try:
        content = json.loads(path.read_bytes())
        return Book(
            {cause: _entry(each) for cause, each in content["entries"].items()},
            datetime.fromisoformat(content["looked_at"]) if content["looked_at"] else None,
            content["unsent"],
        )
    except FileNotFoundError:
        return Book()
    except (ValueError, KeyError, TypeError, AttributeError):
        return Book(unsent=[f"{path} is damaged: what is open is said again"])


def write(home: Path, book: Book) -> None:
    """All or nothing, for its owner only: names of campaigns and words of vendors stand in it."""
    path, made = home / FILE, home / f".{FILE}.{os.getpid()}"
    content = {
        "entries": {cause: asdict(entry) for cause, entry in book.entries.items()},
        "looked_at": book.looked_at,
        "unsent": book.unsent,
    }
    with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1, ensure_ascii=False, default=_plain)
        file.flush()
        os.fsync(file.fileno())
    os.replace(made, path)


def _plain(value: object) -> str:
    assert isinstance(value, datetime), value
    return value.isoformat()


def _entry(content: dict[str, Any]) -> Entry:
    trouble = Trouble(**{**content["trouble"], "kpis": tuple(content["trouble"]["kpis"])})
    over = content["over"]
    return Entry(
        trouble,
        datetime.fromisoformat(content["since"]),
        datetime.fromisoformat(over) if over else None,
        {recipient: list(items) for recipient, items in content["told"].items()},
        list(content["told_over"]),
    )
