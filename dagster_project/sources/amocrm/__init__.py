"""amoCRM (and Kommo): contacts, deals (which it calls leads) with their changes of status, users, statuses of pipelines.

Belongs here: the streams, and in which order they are read. A window is a list by last change; a sweep lists everything, and
notices what has vanished. Deleted records are a second pass; who was merged into another is gone, the survivor has the
addresses and the deals of both. Changes of status are events, which are never changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, time
from functools import partial
from typing import Any

import pyarrow as pa

from dagster_project.sources.amocrm.api import EVENTS_PAGE, Amocrm, Record
from dagster_project.sources.amocrm.api import SOURCE as NAME
from dagster_project.sources.amocrm.descriptions import ABOUT, COLUMNS
from dagster_project.sources.amocrm.rows import (
    CONTACT_FIELDS,
    CONTACTS_SCHEMA,
    EVENTS_SCHEMA,
    LEAD_FIELDS,
    LEADS_SCHEMA,
    STATUSES_SCHEMA,
    USERS_SCHEMA,
    contact_row,
    event_row,
    lead_row,
    own_fields,
    status_rows,
    user_row,
)
from dagster_project.sources.amocrm.settings import RULES, AmocrmSettings
from dagster_project.wire.columns import to_table
from dagster_project.wire.contract import Page, Stream, Tally, Window
from dagster_project.wire.rest import each_account
from dagster_project.wire.source import Source

# Lists have pages by number: a record that is changed while a window is read leaves it, and the one behind it slips onto the
# page before. So the trailing days are read again. What changes a record later moves it to a later day.
RESTATE_DAYS, DEEP_RESTATE_DAYS, FINAL_AFTER_DAYS = 2, 30, 1


def read_contacts(settings: AmocrmSettings, window: Window, tally: Tally) -> Iterator[Page]:
    yield from _each(CONTACTS, settings, tally, partial(_contacts, settings, _between("updated_at", window)))


def sweep_contacts(settings: AmocrmSettings, tally: Tally) -> Iterator[Page]:
    yield from _each(CONTACTS, settings, tally, partial(_contacts, settings, {}))


def read_leads(settings: AmocrmSettings, window: Window, tally: Tally) -> Iterator[Page]:
    yield from _each(LEADS, settings, tally, partial(_leads, settings, _between("updated_at", window)))


def sweep_leads(settings: AmocrmSettings, tally: Tally) -> Iterator[Page]:
    yield from _each(LEADS, settings, tally, partial(_leads, settings, {}))


def read_events(settings: AmocrmSettings, window: Window, tally: Tally) -> Iterator[Page]:
    yield from _each(EVENTS, settings, tally, partial(_events, settings, _between("created_at", window)))


def sweep_events(settings: AmocrmSettings, tally: Tally) -> Iterator[Page]:
    yield from _each(EVENTS, settings, tally, partial(_events, settings, {}))


def sweep_users(settings: AmocrmSettings, tally: Tally) -> Iterator[Page]:
    def rows(account: Amocrm) -> Iterator[list[Record]]:
        for page in _records(USERS, account, account.listed("/api/v4/users", "users")):
            yield [user_row(user, account.subdomain, _key(settings)) for user in page]

    yield from _each(USERS, settings, tally, rows)


def sweep_statuses(settings: AmocrmSettings, tally: Tally) -> Iterator[Page]:
    def rows(account: Amocrm) -> Iterator[list[Record]]:
        for page in _records(STATUSES, account, account.listed("/api/v4/leads/pipelines", "pipelines")):
            yield [row for pipeline in page for row in status_rows(pipeline, account.subdomain)]

    yield from _each(STATUSES, settings, tally, rows)


# ---- accounts and pages --------------------------------------------------------------------------------------


def _each(
    stream: Stream, settings: AmocrmSettings, tally: Tally, rows: Callable[[Amocrm], Iterator[list[Record]]]
) -> Iterator[Page]:
    tokens = dict(zip(settings.subdomains, settings.tokens, strict=True))

    def read_one(subdomain: str) -> Iterator[Page]:
        with Amocrm(settings, subdomain, tokens[subdomain], tally, stream.name) as account:
            for found in rows(account):
                if found:
                    yield Page(to_table(stream, found, required=_REQUIRED[stream.name], tally=tally))

    yield from each_account(list(tokens), read_one, tally)


def _contacts(settings: AmocrmSettings, asked: dict[str, str | int], account: Amocrm) -> Iterator[list[Record]]:
    own = own_fields(account, "contacts", CONTACT_FIELDS, settings.fields)
    for page in _records(CONTACTS, account, _with_deleted(account, "contacts", "", asked)):
        yield [contact_row(contact, own, account.subdomain, _key(settings)) for contact in page]


def _leads(settings: AmocrmSettings, asked: dict[str, str | int], account: Amocrm) -> Iterator[list[Record]]:
    own = own_fields(account, "leads", (*LEAD_FIELDS, "currency"), settings.fields)
    currency = account.account()["currency"]
    for page in _records(LEADS, account, _with_deleted(account, "leads", "contacts", asked)):
        yield [lead_row(lead, own, account.subdomain, currency) for lead in page]


def _events(settings: AmocrmSettings, asked: dict[str, str | int], account: Amocrm) -> Iterator[list[Record]]:
    own = own_fields(account, "contacts", ("stage",), settings.fields)
    types = ["lead_status_changed", *(f"custom_field_{field_id}_value_changed" for field_id in own.ids.values())]
    events = account.listed(
        "/api/v4/events", "events", **(asked | {"limit": EVENTS_PAGE, "filter[type]": ",".join(types)})
    )
    for page in _records(EVENTS, account, events):
        yield [event_row(event, own, account.subdomain) for event in page]


def _with_deleted(account: Amocrm, of: str, extra: str, asked: dict[str, str | int]) -> Iterator[list[Any]]:
    """The records of a list, then those in the recycle bin."""
    extras = [extra] if extra else []
    common = {"order[id]": "asc", **asked}
    yield from account.listed(f"/api/v4/{of}", of, **(common | ({"with": extra} if extra else {})))
    for page in account.listed(f"/api/v4/{of}", of, **(common | {"with": ",".join([*extras, "only_deleted"])})):
        # an account that does not know the word gives the living again: they are not deleted for that
        yield [each for each in page if not isinstance(each, dict) or each.get("is_deleted") is True]


def _records(stream: Stream, account: Amocrm, pages: Iterable[list[Any]]) -> Iterator[list[Record]]:
    """The records of each page, each version once: a page may begin with the end of the one before."""
    seen: set[tuple[str, str]] = set()
    for page in pages:
        fresh = []
        for record in page:
            if not isinstance(record, dict):
                account.tally.bad_row(
                    f"{stream.id} of {account.subdomain}: a record is a {type(record).__name__}, no object"
                )
                continue
            version = (str(record.get("id")), str(record.get("updated_at")))
            if version not in seen:
                seen.add(version)
                fresh.append(record)
        yield fresh


def _between(name: str, window: Window) -> dict[str, str | int]:
    """Both ends of a filter are in it."""
    return {f"filter[{name}][from]": _epoch(window.start), f"filter[{name}][to]": _epoch(window.end) - 1}


def _epoch(day: date) -> int:
    return int(datetime.combine(day, time.min, UTC).timestamp())


def _key(settings: AmocrmSettings) -> bytes:
    return settings.hash_key.get_secret_value().encode()


# ---- streams -------------------------------------------------------------------------------------------------


def _stream(name: str, rows: pa.Schema, day: str, description: str, **more: Any) -> Stream:
    days: dict[str, Any] = {"restate_days": 1, "deep_restate_days": 1, "key": ("account_id", "id")}
    return Stream(
        source=NAME,
        name=name,
        domain="crm",
        kind="record",
        schema=rows,
        day=day,
        description=description,
        **(days | more),
    )


_BY_WINDOW = {
    "restate_days": RESTATE_DAYS,
    "deep_restate_days": DEEP_RESTATE_DAYS,
    "final_after_days": FINAL_AFTER_DAYS,
}
_REQUIRED = {
    "contacts": ("created_at",),
    "leads": ("created_at", "pipeline_id", "status_id"),
    "events": ("type", "entity_id"),
    "users": (),
    "statuses": ("name",),
}

CONTACTS = _stream(
    "contacts",
    CONTACTS_SCHEMA,
    "updated_at",
    "A row for each contact in its newest version, with the account's own fields for tags and ids; deleted ones included.",
    read=read_contacts,
    sweep=sweep_contacts,
    begins="created_at",
    feeds=("leads",),
    informs=("deals", "orders"),
    **_BY_WINDOW,
)
LEADS = _stream(
    "leads",
    LEADS_SCHEMA,
    "updated_at",
    "A row for each deal, which amoCRM calls a lead, in its newest version; deleted ones included.",
    read=read_leads,
    sweep=sweep_leads,
    begins="created_at",
    feeds=("deals", "deals.creation", "deals.close", "orders", "orders.amount"),
    informs=("leads",),
    **_BY_WINDOW,
)
EVENTS = _stream(
    "events",
    EVENTS_SCHEMA,
    "created_at",
    "A row for each change of a deal's status, and of the contacts' field that sources.amocrm.stage names.",
    read=read_events,
    sweep=sweep_events,
    informs=("leads", "deals", "orders"),
    **_BY_WINDOW,
)
USERS = _stream(
    "users", USERS_SCHEMA, "listed_at", "A row for each user.", sweep=sweep_users, informs=("leads", "deals", "orders")
)
STATUSES = _stream(
    "statuses",
    STATUSES_SCHEMA,
    "listed_at",
    "A row for each status of each pipeline.",
    sweep=sweep_statuses,
    informs=("leads", "deals", "orders"),
    key=("account_id", "pipeline_id", "id"),
)
STREAMS = (CONTACTS, LEADS, EVENTS, USERS, STATUSES)

# Won and lost have the same two ids in every pipeline (142, 143), and every deal is an opportunity unless `crm.stages` says
# that a status comes before it: no value of amoCRM's own means another stage.
SOURCE = Source(
    name=NAME,
    title="amoCRM (Kommo)",
    gives="contacts and deals with their changes of status, users, statuses; deleted contacts and deals",
    settings=AmocrmSettings,
    streams=STREAMS,
    about=ABOUT,
    columns=COLUMNS,
    creates="a private integration with a long-lived token (Settings > Integrations > Keys and scopes)",
    least_right="of an administrator's account, with access to account data: amoCRM has no narrower one that lists users",
    rules=RULES,
)
