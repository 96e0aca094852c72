"""HubSpot CRM: contacts and deals with their stage history, owners, pipelines, forms and submissions.

Belongs here: the streams, and in which order they are read. The wire is in `api`, the columns are made
in `rows`.

A window of contacts or deals is a search by last change (200 a page, oldest first), a batch read of what was
found with the history of its stage (50 a call, the vendor's most), for deals two batch reads of associations
(1,000 a call), and a listing of what is archived, which no search shows. A sweep lists everything, archived
records included; it is what notices merges, erased people, changed associations and calculated properties,
none of which counts as a change of the record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

import pyarrow as pa

from dagster_project.sources.hubspot.answers import SOURCE as NAME
from dagster_project.sources.hubspot.answers import FormTypeNotAllowed, NotFound, Record
from dagster_project.sources.hubspot.api import Account, HubSpot, in_chunks
from dagster_project.sources.hubspot.asked import Asked, contact_properties, deal_properties
from dagster_project.sources.hubspot.descriptions import ABOUT, COLUMNS
from dagster_project.sources.hubspot.lists import form_row, owner_row, pipeline_rows, submission_row
from dagster_project.sources.hubspot.rows import contacts_table, deals_table, version_moment
from dagster_project.sources.hubspot.schemas import (
    CONTACTS_SCHEMA,
    DEALS_SCHEMA,
    FORMS_SCHEMA,
    OWNERS_SCHEMA,
    PIPELINES_SCHEMA,
    SUBMISSIONS_SCHEMA,
)
from dagster_project.sources.hubspot.search import milliseconds
from dagster_project.sources.hubspot.settings import RULES, HubspotProperties, HubspotSettings
from dagster_project.wire.columns import to_table
from dagster_project.wire.contract import DriftError, Page, Stream, Tally, Window
from dagster_project.wire.json_cells import UNREADABLE, instant
from dagster_project.wire.source import Source, StageMeaning

# Search shows a change only after a while (connectors in the field trail it by an hour), so a day that was
# read just after its midnight may lack its last changes: the trailing days are read again. A day counts as
# final after one day; what changes a record later moves it to a later day.
RESTATE_DAYS, DEEP_RESTATE_DAYS, FINAL_AFTER_DAYS = 2, 30, 1
# "a time more than one month old will result in an error": submissions may be sent backdated by a month.
# https://developers.hubspot.com/docs/methods/forms/submit_form_v3
SUBMISSIONS_DEEP_RESTATE_DAYS = 31

CHUNK = 1000  # records in a page of ours: as many as one association call takes
COMMENT_FORM = "blog_comment"


@dataclass(frozen=True)
class _Object:
    """What differs between contacts and deals."""

    name: str
    cursor: str  # the property that says when a record was last changed
    stage: str  # the property whose history is wanted
    ask: Callable[[set[str], HubspotProperties], Asked]
    associated: tuple[str, ...] = ()


_CONTACT = _Object("contacts", "lastmodifieddate", "lifecyclestage", contact_properties)
_DEAL = _Object("deals", "hs_lastmodifieddate", "dealstage", deal_properties, ("contacts", "companies"))


# ---- contacts and deals ------------------------------------------------------------------------------------


def read_contacts(settings: HubspotSettings, window: Window, tally: Tally) -> Iterator[Page]:
    yield from _read(CONTACTS, _CONTACT, settings, window, tally)


def sweep_contacts(settings: HubspotSettings, tally: Tally) -> Iterator[Page]:
    yield from _sweep(CONTACTS, _CONTACT, settings, tally)


def read_deals(settings: HubspotSettings, window: Window, tally: Tally) -> Iterator[Page]:
    yield from _read(DEALS, _DEAL, settings, window, tally)


def sweep_deals(settings: HubspotSettings, tally: Tally) -> Iterator[Page]:
    yield from _sweep(DEALS, _DEAL, settings, tally)


def _read(stream: Stream, kind: _Object, settings: HubspotSettings, window: Window, tally: Tally) -> Iterator[Page]:
    start_ms, end_ms = milliseconds(_midnight(window.start)), milliseconds(_midnight(window.end))
    with HubSpot(settings, tally, kind.name) as portal:
        account, asked = portal.account(), kind.ask(portal.property_names(kind.name), settings.properties)

        def is_in_window(record: Record) -> bool:
            try:
                return start_ms <= milliseconds(version_moment(record, kind.cursor, kind.name)) < end_ms
            except DriftError:
                return True  # it was found by its moment; what is wrong with it is told where it becomes a row

        for chunk in in_chunks(portal.search(kind.name, kind.cursor, start_ms, end_ms, asked.names), CHUNK):
            found = {str(record["id"]): record for record in chunk}
            records = portal.batch_read(kind.name, list(found), asked.names, history=[kind.stage])
            if gone := found.keys() - records.keys():
                tally.note(f"{len(gone)} {kind.name} were deleted or merged while they were being read")
            for record_id, record in records.items():
                if not is_in_window(record):
                    # It has changed since it was found, and now belongs to a later day, which is read in its
                    # turn. Until then the version that was found must not vanish from this one.
                    history = record.get("propertiesWithHistory")
                    records[record_id] = found[record_id] | {"propertiesWithHistory": history}
            yield _page(stream, kind, portal, account, asked, list(records.values()))
        archived = portal.records(kind.name, asked.names, archived=True)
        for chunk in in_chunks(filter(is_in_window, archived), CHUNK):
            yield _page(stream, kind, portal, account, asked, chunk)


def _sweep(stream: Stream, kind: _Object, settings: HubspotSettings, tally: Tally) -> Iterator[Page]:
    with HubSpot(settings, tally, kind.name) as portal:
        account, asked = portal.account(), kind.ask(portal.property_names(kind.name), settings.properties)
        for archived in (False, True):
            history = [] if archived else [kind.stage]
            listing = portal.records(kind.name, asked.names, history=history, archived=archived)
            for chunk in in_chunks(listing, CHUNK):
                yield _page(stream, kind, portal, account, asked, chunk)


def _page(
    stream: Stream, kind: _Object, portal: HubSpot, account: Account, asked: Asked, records: Sequence[Record]
) -> Page:
    """The records as a page, each once; associations are asked for here. An archived record has none."""
    records = list({record.get("id"): record for record in records}.values())
    if kind is _CONTACT:
        key = _hash_key(portal.settings)
        return Page(contacts_table(stream, records, asked, account, key, portal.tally))
    live = [str(record.get("id")) for record in records if not record.get("archived")]
    contacts, companies = (portal.associations(kind.name, name, live) for name in kind.associated)
    return Page(deals_table(stream, records, asked, account, contacts, companies, portal.tally))


# ---- lists that are small enough to be listed whole --------------------------------------------------------


def sweep_owners(settings: HubspotSettings, tally: Tally) -> Iterator[Page]:
    """Owners who left come from a second pass: deals still name them. Who is in both has not left."""
    with HubSpot(settings, tally, "owners") as portal:
        account, key = portal.account(), _hash_key(settings)
        listed = [*portal.owners(archived=True), *portal.owners(archived=False)]
        rows = {str(owner.get("id")): owner_row(owner, account, key) for owner in listed}
        yield Page(to_table(OWNERS, list(rows.values()), required=("updatedAt",), tally=tally))


def sweep_pipelines(settings: HubspotSettings, tally: Tally) -> Iterator[Page]:
    with HubSpot(settings, tally, "pipelines") as portal:
        account = portal.account()
        rows = [row for pipeline in portal.deal_pipelines() for row in pipeline_rows(pipeline, account)]
        yield Page(to_table(PIPELINES, rows, required=("updatedAt",), tally=tally))


def sweep_forms(settings: HubspotSettings, tally: Tally) -> Iterator[Page]:
    with HubSpot(settings, tally, "forms") as portal:
        account = portal.account()
        rows = {str(form.get("id")): form_row(form, account) for form in _all_forms(portal)}
        yield Page(to_table(FORMS, list(rows.values()), required=("updatedAt",), tally=tally))


# ---- form submissions --------------------------------------------------------------------------------------


def read_submissions(settings: HubspotSettings, window: Window, tally: Tally) -> Iterator[Page]:
    yield from _submissions(settings, _midnight(window.start), _midnight(window.end), tally)


def sweep_submissions(settings: HubspotSettings, tally: Tally) -> Iterator[Page]:
    yield from _submissions(settings, None, None, tally)


def _submissions(
    settings: HubspotSettings, start: datetime | None, end: datetime | None, tally: Tally
) -> Iterator[Page]:
    """Submissions are listed by form, newest first, without a filter: each is left at the window's start."""
    key = _hash_key(settings)
    with HubSpot(settings, tally, "form_submissions") as portal:
        account = portal.account()
        for form in {str(form.get("id")): form for form in _all_forms(portal)}.values():
            form_id = str(form.get("id"))
            if form.get("formType") == COMMENT_FORM:
                tally.note(f"form {form_id}: HubSpot gives out no submissions of its type, {COMMENT_FORM}")
                continue
            rows = (
                submission_row(submission, form_id, account, settings.properties, key)
                for submission in _between(portal.submissions(form_id), start, end)
            )
            try:
                for chunk in in_chunks(rows, CHUNK):
                    yield Page(to_table(FORM_SUBMISSIONS, chunk, required=("submittedAt",), tally=tally))
            except FormTypeNotAllowed:
                tally.note(f"form {form_id}: HubSpot gives out no submissions of its type, {form.get('formType')}")
            except NotFound:
                tally.note(f"form {form_id} was deleted while its submissions were read")


def _between(submissions: Iterable[Record], start: datetime | None, end: datetime | None) -> Iterator[Record]:
    for submission in submissions:
        try:
            submitted_at = instant(submission.get("submittedAt"))
        except UNREADABLE:
            yield submission  # to_table says what is wrong with it
            continue
        if start is not None and submitted_at < start:
            return
        if end is None or submitted_at < end:
            yield submission


def _all_forms(portal: HubSpot) -> Iterator[Record]:
    for archived in (True, False):  # a form that is in both is not archived: the later one stands
        yield from portal.forms(archived=archived)


def _hash_key(settings: HubspotSettings) -> bytes:
    return settings.hash_key.get_secret_value().encode()


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)


# ---- streams -----------------------------------------------------------------------------------------------


def _stream(name: str, key: tuple[str, ...], rows: pa.Schema, day: str, description: str, **more: Any) -> Stream:
    return Stream(
        source=NAME,
        name=name,
        domain="crm",
        kind="record",
        key=key,
        schema=rows,
        day=day,
        description=description,
        **({"restate_days": 1, "deep_restate_days": 1} | more),
    )


_BY_WINDOW = {
    "restate_days": RESTATE_DAYS,
    "deep_restate_days": DEEP_RESTATE_DAYS,
    "final_after_days": FINAL_AFTER_DAYS,
}

CONTACTS = _stream(
    "contacts",
    ("id",),
    CONTACTS_SCHEMA,
    "lastmodifieddate",
    "A row for each contact in its newest version; archived contacts on the day they were archived.",
    read=read_contacts,
    sweep=sweep_contacts,
    begins="createdate",
    feeds=("leads",),  # and the stages that crm.stages finds in it
    informs=("deals", "orders"),  # whose people they are
    **_BY_WINDOW,
)
DEALS = _stream(
    "deals",
    ("id",),
    DEALS_SCHEMA,
    "hs_lastmodifieddate",
    "A row for each deal in its newest version, with its contacts and companies; archived deals likewise.",
    read=read_deals,
    sweep=sweep_deals,
    begins="createdate",
    feeds=("deals", "deals.creation", "deals.close", "orders", "orders.amount"),
    informs=("leads",),
    **_BY_WINDOW,
)
OWNERS = _stream(
    "owners",
    ("id",),
    OWNERS_SCHEMA,
    "updatedAt",
    "A row for each owner, those who left included.",
    sweep=sweep_owners,
    informs=("leads", "deals", "orders"),
)
PIPELINES = _stream(
    "pipelines",
    ("pipeline_id", "stage_id"),
    PIPELINES_SCHEMA,
    "updatedAt",
    "A row for each stage of each deal pipeline.",
    sweep=sweep_pipelines,
    informs=("leads", "deals", "orders"),
)
FORMS = _stream(
    "forms",
    ("id",),
    FORMS_SCHEMA,
    "updatedAt",
    "A row for each form, archived ones included.",
    sweep=sweep_forms,
    informs=("leads",),
)
FORM_SUBMISSIONS = _stream(
    "form_submissions",
    ("conversionId",),
    SUBMISSIONS_SCHEMA,
    "submittedAt",
    "A row for each form submission, with the tracking values of its hidden fields.",
    read=read_submissions,
    sweep=sweep_submissions,
    begins="submittedAt",
    informs=("leads", "orders"),
    **(_BY_WINDOW | {"deep_restate_days": SUBMISSIONS_DEEP_RESTATE_DAYS}),
)
STREAMS = (CONTACTS, DEALS, OWNERS, PIPELINES, FORMS, FORM_SUBMISSIONS)

# A lifecycle's own words. A portal may have stages of its own beside them: `crm.stages`. Nothing of it means SAL.
LIFECYCLE = (
    StageMeaning("lead", "lead"),
    StageMeaning("marketingqualifiedlead", "mql"),
    StageMeaning("salesqualifiedlead", "sql"),
    StageMeaning("opportunity", "opportunity"),
    StageMeaning("customer", "won"),
)

SOURCE = Source(
    name=NAME,
    title="HubSpot CRM",
    gives="contacts and deals with stage history, owners, pipelines, forms and submissions; archived and merged records",
    settings=HubspotSettings,
    streams=STREAMS,
    about=ABOUT,
    columns=COLUMNS,
    creates="a private app (Settings > Integrations > Private Apps)",
    least_right="scopes crm.objects.{contacts,deals,companies,owners}.read, forms",
    rules=RULES,
    stages=LIFECYCLE,
    dear=(FORM_SUBMISSIONS.name,),  # a call for each form there is
)
