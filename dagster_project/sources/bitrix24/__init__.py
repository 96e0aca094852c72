"""Bitrix24 CRM: leads, contacts, deals, the steps of leads and deals, users, stages of pipelines.

Belongs here: the streams, and in which order they are read. A window is a list by last change; a sweep lists everything, and
notices what has vanished: Bitrix24 shows neither what was deleted nor who was merged into another (the survivor has the
addresses and deals of both). A lead that was converted names its contact, the contact its lead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import pyarrow as pa

from dagster_project.sources.bitrix24.api import SOURCE as NAME
from dagster_project.sources.bitrix24.api import Bitrix24, Record
from dagster_project.sources.bitrix24.descriptions import ABOUT, COLUMNS
from dagster_project.sources.bitrix24.rows import (
    CONTACTS_SCHEMA,
    DEAL_FIELDS,
    DEALS_SCHEMA,
    LEADS_SCHEMA,
    PERSON_FIELDS,
    STAGES_SCHEMA,
    STEPS_SCHEMA,
    USERS_SCHEMA,
    deal_row,
    own_fields,
    person_row,
    stage_row,
    step_row,
    user_row,
)
from dagster_project.sources.bitrix24.settings import RULES, Bitrix24Settings
from dagster_project.wire.columns import to_table
from dagster_project.wire.contract import Page, Stream, Tally, Window
from dagster_project.wire.rest import each_account
from dagster_project.wire.source import Source, StageMeaning

# A window's list is read again as long as it becomes shorter; what is changed just before its midnight may still show a moment
# later, so the day before is read again. What changes a record later moves it to a later day.
RESTATE_DAYS, DEEP_RESTATE_DAYS, FINAL_AFTER_DAYS = 2, 30, 1
LEAD, DEAL, CONTACT = 1, 2, 3  # entityTypeId
Asked = Mapping[str, Any]


def read_leads(settings: Bitrix24Settings, window: Window, tally: Tally) -> Iterator[Page]:
    yield from _each(LEADS, settings, tally, partial(_people, LEADS, LEAD, settings, _between("updatedTime", window)))


def sweep_leads(settings: Bitrix24Settings, tally: Tally) -> Iterator[Page]:
    yield from _each(LEADS, settings, tally, partial(_people, LEADS, LEAD, settings, {}))


def read_contacts(settings: Bitrix24Settings, window: Window, tally: Tally) -> Iterator[Page]:
    asked = _between("updatedTime", window)
    yield from _each(CONTACTS, settings, tally, partial(_people, CONTACTS, CONTACT, settings, asked))


def sweep_contacts(settings: Bitrix24Settings, tally: Tally) -> Iterator[Page]:
    yield from _each(CONTACTS, settings, tally, partial(_people, CONTACTS, CONTACT, settings, {}))


def read_deals(settings: Bitrix24Settings, window: Window, tally: Tally) -> Iterator[Page]:
    yield from _each(DEALS, settings, tally, partial(_deals, settings, _between("updatedTime", window)))


def sweep_deals(settings: Bitrix24Settings, tally: Tally) -> Iterator[Page]:
    yield from _each(DEALS, settings, tally, partial(_deals, settings, {}))


def read_steps(settings: Bitrix24Settings, window: Window, tally: Tally) -> Iterator[Page]:
    yield from _each(STEPS, settings, tally, partial(_steps, _between("CREATED_TIME", window)))


def sweep_steps(settings: Bitrix24Settings, tally: Tally) -> Iterator[Page]:
    yield from _each(STEPS, settings, tally, partial(_steps, {}))


def sweep_users(settings: Bitrix24Settings, tally: Tally) -> Iterator[Page]:
    def rows(portal: Bitrix24) -> Iterator[list[Record]]:
        users = portal.listed("user.get", {"sort": "ID", "order": "ASC"})
        for page in _records(USERS, portal, users, "ID"):
            yield [user_row(user, portal.portal, _key(settings)) for user in page]

    yield from _each(USERS, settings, tally, rows)


def sweep_stages(settings: Bitrix24Settings, tally: Tally) -> Iterator[Page]:
    def rows(portal: Bitrix24) -> Iterator[list[Record]]:
        names = {
            str(each.get("id")): str(each.get("name"))
            for page in _records(
                STAGES, portal, portal.listed("crm.category.list", {"entityTypeId": DEAL}, "categories")
            )
            for each in page
        }
        for page in _records(STAGES, portal, portal.listed("crm.status.list", {"order": {"ID": "ASC"}}), "ID"):
            of_stages = [each for each in page if _is_stage(str(each.get("ENTITY_ID")))]
            yield [stage_row(status, names, portal.portal) for status in of_stages]

    yield from _each(STAGES, settings, tally, rows)


# ---- portals and pages ---------------------------------------------------------------------------------------


def _each(
    stream: Stream, settings: Bitrix24Settings, tally: Tally, rows: Callable[[Bitrix24], Iterator[list[Record]]]
) -> Iterator[Page]:
    def read_one(name: str) -> Iterator[Page]:
        with Bitrix24(settings, name, tally, stream.name) as portal:
            for found in rows(portal):
                if found:
                    yield Page(to_table(stream, found, required=_REQUIRED[stream.name], tally=tally))

    yield from each_account(list(settings.webhooks), read_one, tally)


def _people(
    stream: Stream, entity_type: int, settings: Bitrix24Settings, asked: Asked, portal: Bitrix24
) -> Iterator[list[Record]]:
    own = own_fields(portal, entity_type, PERSON_FIELDS, settings.fields)
    for page in _items(stream, entity_type, asked, portal):
        yield [person_row(each, own, stream.schema.names, portal.portal, _key(settings)) for each in page]


def _deals(settings: Bitrix24Settings, asked: Asked, portal: Bitrix24) -> Iterator[list[Record]]:
    own = own_fields(portal, DEAL, DEAL_FIELDS, settings.fields)
    for page in _items(DEALS, DEAL, asked, portal):
        yield [deal_row(deal, own, portal.portal) for deal in page]


def _items(stream: Stream, entity_type: int, asked: Asked, portal: Bitrix24) -> Iterator[list[Record]]:
    # e-mails and phones (`fm`) come with all fields or not at all
    whole = {"entityTypeId": entity_type, "select": ["*"], "order": {"id": "ASC"}, **asked}
    yield from _records(stream, portal, portal.listed("crm.item.list", whole, "items"))


def _steps(asked: Asked, portal: Bitrix24) -> Iterator[list[Record]]:
    for entity_type in (LEAD, DEAL):
        whole = {"entityTypeId": entity_type, "order": {"ID": "ASC"}, **asked}
        for page in _records(STEPS, portal, portal.listed("crm.stagehistory.list", whole, "items"), "ID"):
            yield [step_row(step, entity_type, portal.portal) for step in page]


def _records(stream: Stream, portal: Bitrix24, pages: Iterable[list[Any]], by: str = "id") -> Iterator[list[Record]]:
    """The records of each page, each version once."""
    seen: set[tuple[str, str]] = set()
    for page in pages:
        fresh = []
        for record in page:
            if not isinstance(record, dict):
                portal.tally.bad_row(
                    f"{stream.id} of {portal.portal}: a record is a {type(record).__name__}, no object"
                )
                continue
            version = (str(record.get(by)), str(record.get("updatedTime")))
            if version not in seen:
                seen.add(version)
                fresh.append(record)
        yield fresh


def _is_stage(entity: str) -> bool:
    return entity in ("STATUS", "DEAL_STAGE") or entity.startswith("DEAL_STAGE_")


def _between(name: str, window: Window) -> Asked:
    return {"filter": {f">={name}": f"{window.start}T00:00:00+00:00", f"<{name}": f"{window.end}T00:00:00+00:00"}}


def _key(settings: Bitrix24Settings) -> bytes:
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
    "leads": ("createdTime", "stageId"),
    "contacts": ("createdTime",),
    "deals": ("createdTime", "stageId", "stageSemanticId"),
    "steps": ("OWNER_ID", "stage_id"),
    "users": (),
    "stages": ("NAME",),
}

LEADS = _stream(
    "leads",
    LEADS_SCHEMA,
    "updatedTime",
    "A row for each lead in its newest version, with the portal's own fields for ids.",
    read=read_leads,
    sweep=sweep_leads,
    begins="createdTime",
    feeds=("leads",),
    informs=("deals", "orders"),
    **_BY_WINDOW,
)
CONTACTS = _stream(
    "contacts",
    CONTACTS_SCHEMA,
    "updatedTime",
    "A row for each contact in its newest version, with the portal's own fields for ids.",
    read=read_contacts,
    sweep=sweep_contacts,
    begins="createdTime",
    feeds=("leads",),
    informs=("deals", "orders"),
    **_BY_WINDOW,
)
DEALS = _stream(
    "deals",
    DEALS_SCHEMA,
    "updatedTime",
    "A row for each deal in its newest version.",
    read=read_deals,
    sweep=sweep_deals,
    begins="createdTime",
    feeds=("deals", "deals.creation", "deals.close", "orders", "orders.amount"),
    informs=("leads",),
    **_BY_WINDOW,
)
STEPS = _stream(
    "steps",
    STEPS_SCHEMA,
    "CREATED_TIME",
    "A row for each status that a lead and each stage that a deal came to, the first one included.",
    read=read_steps,
    sweep=sweep_steps,
    informs=("leads", "deals", "orders"),
    key=("account_id", "entity_type_id", "ID"),
    **_BY_WINDOW,
)
USERS = _stream(
    "users",
    USERS_SCHEMA,
    "listed_at",
    "A row for each user, those who left included.",
    sweep=sweep_users,
    informs=("leads", "deals", "orders"),
    key=("account_id", "ID"),
)
STAGES = _stream(
    "stages",
    STAGES_SCHEMA,
    "listed_at",
    "A row for each status of leads and each stage of each pipeline of deals.",
    sweep=sweep_stages,
    informs=("leads", "deals", "orders"),
    key=("account_id", "ENTITY_ID", "STATUS_ID"),
)
STREAMS = (LEADS, CONTACTS, DEALS, STEPS, USERS, STAGES)

# The statuses that a portal has to begin with. Bitrix24 calls a lead that was converted a good one: sales has qualified it.
# Nothing of them means MQL or SAL (`crm.stages`); won and lost are a deal's.
STATUSES = (
    StageMeaning("NEW", "lead"),
    StageMeaning("IN_PROCESS", "lead"),
    StageMeaning("PROCESSED", "lead"),
    StageMeaning("CONVERTED", "sql"),
)

SOURCE = Source(
    name=NAME,
    title="Bitrix24",
    gives="leads, contacts and deals with their stage history, users, stages",
    settings=Bitrix24Settings,
    streams=STREAMS,
    about=ABOUT,
    columns=COLUMNS,
    creates="an incoming webhook (Developer resources > Other > Incoming webhook); REST is a part of paid plans only",
    least_right="scopes crm and user_brief, of a user who reads all leads, contacts and deals",
    rules=RULES,
    stages=STATUSES,
)
