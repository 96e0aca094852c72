"""Pipedrive CRM: persons and deals with their changes of stage, users, stages of pipelines.

Belongs here: the streams, and in which order they are read. A window is a list by last change; a sweep lists everything,
and notices what has vanished: deleted persons, and those that were merged into others (Pipedrive gives their deals and
addresses to the survivor, and does not say their ids). Deleted deals are listed for 30 days, archived ones apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import pyarrow as pa

from dagster_project.sources.pipedrive.api import SOURCE as NAME
from dagster_project.sources.pipedrive.api import Pipedrive, Record
from dagster_project.sources.pipedrive.descriptions import ABOUT, COLUMNS
from dagster_project.sources.pipedrive.rows import (
    DEAL_FIELDS,
    DEALS_SCHEMA,
    PERSON_FIELDS,
    PERSONS_SCHEMA,
    STAGES_SCHEMA,
    USERS_SCHEMA,
    deal_row,
    history_of,
    own_fields,
    person_row,
    user_row,
)
from dagster_project.sources.pipedrive.settings import RULES, PipedriveSettings
from dagster_project.wire.columns import to_table
from dagster_project.wire.contract import Page, Stream, Tally, Window
from dagster_project.wire.rest import each_account
from dagster_project.wire.source import Source

# updated_since is inclusive and by the second: what was changed in the last second before midnight may show a moment later,
# so the day before is read again. What changes a record later moves it to a later day.
RESTATE_DAYS, DEEP_RESTATE_DAYS, FINAL_AFTER_DAYS = 2, 30, 1
LIVE, DELETED = "open,won,lost", "deleted"


def read_persons(settings: PipedriveSettings, window: Window, tally: Tally) -> Iterator[Page]:
    yield from _each(PERSONS, settings, tally, partial(_persons, settings, _between(window)))


def sweep_persons(settings: PipedriveSettings, tally: Tally) -> Iterator[Page]:
    yield from _each(PERSONS, settings, tally, partial(_persons, settings, {}))


def read_deals(settings: PipedriveSettings, window: Window, tally: Tally) -> Iterator[Page]:
    yield from _each(DEALS, settings, tally, partial(_deals, settings, _between(window)))


def sweep_deals(settings: PipedriveSettings, tally: Tally) -> Iterator[Page]:
    yield from _each(DEALS, settings, tally, partial(_deals, settings, {}))


def sweep_users(settings: PipedriveSettings, tally: Tally) -> Iterator[Page]:
    def rows(company: Pipedrive) -> Iterator[list[Record]]:
        records = _records(USERS, company, [company.users()])
        yield [user_row(user, company.domain, _key(settings)) for page in records for user in page]

    yield from _each(USERS, settings, tally, rows)


def sweep_stages(settings: PipedriveSettings, tally: Tally) -> Iterator[Page]:
    def rows(company: Pipedrive) -> Iterator[list[Record]]:
        names = {
            str(each.get("id")): each.get("name")
            for page in _records(STAGES, company, company.listed("/api/v2/pipelines"))
            for each in page
        }
        for page in _records(STAGES, company, company.listed("/api/v2/stages")):
            wanted = ("id", "name", "pipeline_id", "order_nr", "is_deleted")
            yield [
                {name: stage.get(name) for name in wanted}
                | {
                    "update_time": stage.get("update_time") or stage.get("add_time"),
                    "pipeline_name": names.get(str(stage.get("pipeline_id"))),
                    "account_id": company.domain,
                }
                for stage in page
            ]

    yield from _each(STAGES, settings, tally, rows)


# ---- companies and pages -------------------------------------------------------------------------------------


def _each(
    stream: Stream, settings: PipedriveSettings, tally: Tally, rows: Callable[[Pipedrive], Iterator[list[Record]]]
) -> Iterator[Page]:
    tokens = dict(zip(settings.company_domains, settings.tokens, strict=True))

    def read_one(domain: str) -> Iterator[Page]:
        with Pipedrive(settings, domain, tokens[domain], tally, stream.name) as company:
            for found in rows(company):
                if found:
                    yield Page(to_table(stream, found, required=_REQUIRED[stream.name], tally=tally))

    yield from each_account(list(tokens), read_one, tally)


def _persons(settings: PipedriveSettings, asked: dict[str, str], company: Pipedrive) -> Iterator[list[Record]]:
    own = own_fields(company, "/api/v2/personFields", PERSON_FIELDS, settings.fields)
    stage_key = own.keys.get("stage")
    for page in _records(PERSONS, company, company.listed("/api/v2/persons", **asked)):
        rows = []
        for person in page:
            history = None
            if stage_key:
                changes = company.changes("persons", person.get("id"))
                history = history_of(changes, stage_key, "stage", own, PERSONS.name)
            rows.append(person_row(person, own, company.domain, _key(settings), history))
        yield rows


def _deals(settings: PipedriveSettings, asked: dict[str, str], company: Pipedrive) -> Iterator[list[Record]]:
    own = own_fields(company, "/api/v2/dealFields", DEAL_FIELDS, settings.fields)

    def lists() -> Iterator[list[Any]]:
        yield from company.listed("/api/v2/deals", status=LIVE, **asked)
        yield from company.listed("/api/v2/deals/archived", **asked)
        for page in company.listed("/api/v2/deals", status=DELETED, **asked):
            yield [{**deal, "is_deleted": True} if isinstance(deal, dict) else deal for deal in page]

    for page in _records(DEALS, company, lists()):
        rows = []
        for deal in page:
            history = None
            if settings.with_deal_history and not deal.get("is_deleted"):
                changes = company.changes("deals", deal.get("id"))
                history = history_of(changes, "stage_id", "stage_id", own, DEALS.name)
            rows.append(deal_row(deal, own, company.domain, history))
        yield rows


def _records(stream: Stream, company: Pipedrive, pages: Iterable[list[Any]]) -> Iterator[list[Record]]:
    """The records of each page, each version once: a cursor may give some of a page again."""
    seen: set[tuple[str, str]] = set()
    for page in pages:
        fresh = []
        for record in page:
            if not isinstance(record, dict):
                company.tally.bad_row(
                    f"{stream.id} of {company.domain}: a record is a {type(record).__name__}, no object"
                )
                continue
            version = (str(record.get("id")), str(record.get("update_time") or record.get("modified")))
            if version not in seen:
                seen.add(version)
                fresh.append(record)
        yield fresh


def _between(window: Window) -> dict[str, str]:
    return {
        "updated_since": f"{window.start}T00:00:00Z",
        "updated_until": f"{window.end}T00:00:00Z",
        "sort_by": "update_time",
        "sort_direction": "asc",
    }


def _key(settings: PipedriveSettings) -> bytes:
    return settings.hash_key.get_secret_value().encode()


# ---- streams -------------------------------------------------------------------------------------------------


def _stream(name: str, rows: pa.Schema, day: str, description: str, **more: Any) -> Stream:
    return Stream(
        source=NAME,
        name=name,
        domain="crm",
        kind="record",
        key=("account_id", "id"),
        schema=rows,
        day=day,
        description=description,
        **({"restate_days": 1, "deep_restate_days": 1} | more),
    )


_BY_WINDOW = {
    "restate_days": RESTATE_DAYS,
    "deep_restate_days": DEEP_RESTATE_DAYS,
    "final_after_days": FINAL_AFTER_DAYS,
    "begins": "add_time",
}
_REQUIRED = {"persons": ("add_time",), "deals": ("add_time", "status"), "users": (), "stages": ("name",)}

PERSONS = _stream(
    "persons",
    PERSONS_SCHEMA,
    "update_time",
    "A row for each person in its newest version, with the company's own fields for tags and ids.",
    read=read_persons,
    sweep=sweep_persons,
    feeds=("leads",),
    informs=("deals", "orders"),
    **_BY_WINDOW,
)
DEALS = _stream(
    "deals",
    DEALS_SCHEMA,
    "update_time",
    "A row for each deal in its newest version; archived ones, and those deleted in the last 30 days, included.",
    read=read_deals,
    sweep=sweep_deals,
    feeds=("deals", "deals.creation", "deals.close", "orders", "orders.amount"),
    informs=("leads",),
    **_BY_WINDOW,
)
USERS = _stream(
    "users",
    USERS_SCHEMA,
    "modified",
    "A row for each user, those who left included.",
    sweep=sweep_users,
    informs=("leads", "deals", "orders"),
)
STAGES = _stream(
    "stages",
    STAGES_SCHEMA,
    "update_time",
    "A row for each stage of each pipeline.",
    sweep=sweep_stages,
    informs=("leads", "deals", "orders"),
)
STREAMS = (PERSONS, DEALS, USERS, STAGES)

# Won and lost are a deal's status, and every deal is an opportunity: no value of Pipedrive's own means another stage.
# Those before the opportunity are a company's own words, in `crm.stages`.
SOURCE = Source(
    name=NAME,
    title="Pipedrive CRM",
    gives="persons and deals with their changes of stage, users, stages; archived and deleted deals",
    settings=PipedriveSettings,
    streams=STREAMS,
    about=ABOUT,
    columns=COLUMNS,
    creates="a personal API token (Personal preferences > API)",
    least_right="of a user who sees all deals and people",
    rules=RULES,
)
