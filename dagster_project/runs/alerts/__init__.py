"""Telling people what is wrong: once, when it begins, one message a cause; and once more, when it is over.

`look_and_tell` is the only entrance. It runs after each refresh, and by Dagster's sensor (defs/alerts.py) after scheduled
runs, killed ones included, and when quiet hours end. It fails nobody: what could not be sent is told in words, noted, and
sent by the next one.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import dagster as dg
from pydantic import SecretStr

from dagster_project.runs.alerts import book, messages, notify
from dagster_project.runs.alerts.book import Book
from dagster_project.runs.alerts.troubles import Looked, look
from dagster_project.settings import ALERT_URLS, Settings
from dagster_project.warehouse.locks import file_lock

Send = Callable[[SecretStr, str, str, str], str]


def look_and_tell(settings: Settings, dagster: dg.DagsterInstance | None) -> list[str]:
    """Look, tell whoever does not know yet, and write down who was told. What could not be looked at or sent, in words."""
    try:
        looked = look(settings, dagster)
        unseen = [f"{kind}: could not be looked at: {why}" for kind, why in looked.blind.items() if why]
        return [*tell(settings, looked), *unseen]
    except Exception as error:  # the run that has ended ended as it did, whatever becomes of the news of it
        return [f"nobody was told of anything: {type(error).__name__}: {error}"]


def tell(settings: Settings, looked: Looked, now: datetime | None = None, send: Send = notify.send) -> list[str]:
    """`look_and_tell` without the look. Raises OSError where the home cannot be written to."""
    now = now or datetime.now(UTC)
    recipients = notify.names_of(settings.alert_urls, settings.hash_key)
    with file_lock(settings.home / ".alerts.lock", "another run is telling people what is wrong"):
        kept = book.read(settings.home)
        kept.update(looked, now)
        book.write(settings.home, kept)
        kept.unsent = _tell_all(settings, kept, recipients, now, send)
        kept.forget_what_all_know_to_be_over(recipients)
        book.write(settings.home, kept)
    return kept.unsent


def is_anything_due(settings: Settings, now: datetime | None = None) -> bool:
    """Whether somebody is to be told of what is known already: quiet hours have ended, an address answers again."""
    recipients = notify.names_of(settings.alert_urls, settings.hash_key)
    due = book.read(settings.home).due(recipients, is_quiet=_is_quiet(settings, now or datetime.now(UTC)))
    return next(due, None) is not None


def _tell_all(settings: Settings, kept: Book, recipients: dict[str, SecretStr], now: datetime, send: Send) -> list[str]:
    """An address that does not take one message is not asked to take the others: it would cost its patience each time."""
    time_zone, unsent, numbers = (
        settings.rules.reporting.time_zone,
        {},
        {name: n for n, name in enumerate(recipients, 1)},
    )
    for due in list(kept.due(recipients, is_quiet=_is_quiet(settings, now))):
        if due.recipient in unsent:
            continue
        kind = "success" if due.entry.over else "failure" if due.entry.trouble.is_critical else "warning"
        title, body = messages.title_of(due.entry), messages.body_of(due.entry, settings.home, time_zone)
        url = recipients[due.recipient]
        if reason := send(url, title, body, kind):
            name = notify.shown(url, numbers[due.recipient])
            unsent[due.recipient] = f"{ALERT_URLS}, {name}: {reason}; it is sent again by the next run"
            continue
        kept.was_told(due)
        book.write(settings.home, kept)
    return list(unsent.values())


def _is_quiet(settings: Settings, now: datetime) -> bool:
    hours = settings.rules.alerts.quiet_hours
    return hours is not None and hours.has(now.astimezone(ZoneInfo(settings.rules.reporting.time_zone)).time())
