"""Salesforce: leads, contacts, opportunities with their history, roles, campaigns and members, users.

Belongs here: the streams. The wire is in `api`, what is asked in `objects`, the rows are made in `rows`.

Everything is asked by `queryAll`, which also gives what lies in the recycle bin: deleted records, and the losers of merges
with the id of who won. After 15 days they are gone from there, and a sweep shows it. A window is a query by the moment of the
last change (2,000 records a page); formula fields do not move that, a sweep reads them anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any

from dagster_project.sources.salesforce import objects
from dagster_project.sources.salesforce.api import Between, NoSuchObject, Salesforce
from dagster_project.sources.salesforce.descriptions import ABOUT, COLUMNS
from dagster_project.sources.salesforce.objects import SOURCE as NAME
from dagster_project.sources.salesforce.objects import Kind
from dagster_project.sources.salesforce.rows import table_of
from dagster_project.sources.salesforce.settings import RULES, SalesforceSettings
from dagster_project.wire.contract import ConfigError, Page, Stream, Tally, Window
from dagster_project.wire.source import Source, StageMeaning

# Changes are committed minutes after their stamp (connectors in the field trail it by five): a day that was read just after
# its midnight may lack its last ones, so the trailing days are read again. What changes a record later moves it to a later day.
RESTATE_DAYS, DEEP_RESTATE_DAYS, FINAL_AFTER_DAYS = 2, 30, 1
FIRST_MOMENT = datetime(1999, 1, 1, tzinfo=UTC)  # Salesforce was founded then: no record is older


def _read(stream: Stream, kind: Kind, settings: SalesforceSettings, window: Between, tally: Tally) -> Iterator[Page]:
    key = settings.hash_key.get_secret_value().encode()
    with Salesforce(settings, tally, stream.name) as org:
        try:
            fields = org.field_names(kind.object)
        except NoSuchObject:
            if not kind.is_optional:
                raise
            tally.note(f"the org has no {kind.object}: is the history of the field tracked? Stages are known less well")
            return
        asked = kind.fields(fields, settings.fields)
        if "CurrencyIsoCode" in kind.rows.names and "CurrencyIsoCode" not in asked and settings.currency is None:
            raise ConfigError(
                "the org has one currency, and opportunities do not name it; set SALESFORCE_CURRENCY, such as EUR",
                source=NAME,
                stream=stream.name,
            )
        for records in org.records(kind.object, list(dict.fromkeys(asked.values())), window, kind.where):
            if records:
                yield Page(table_of(stream, kind, records, asked, org.account_id, key, tally, settings.currency))


def _stream(name: str, kind: Kind, description: str, *, is_list: bool = False, **more: Any) -> Stream:
    def read(settings: SalesforceSettings, window: Window, tally: Tally) -> Iterator[Page]:
        start, end = (datetime.combine(day, time.min, UTC) for day in (window.start, window.end))
        yield from _read(stream, kind, settings, Between(kind.cursor, start, end), tally)

    def sweep(settings: SalesforceSettings, tally: Tally) -> Iterator[Page]:
        end = datetime.now(UTC) + timedelta(days=1)
        yield from _read(stream, kind, settings, Between(kind.cursor, FIRST_MOMENT, end), tally)

    days: dict[str, Any] = {"restate_days": 1, "deep_restate_days": 1}
    if not is_list:
        days = {
            "restate_days": RESTATE_DAYS,
            "deep_restate_days": DEEP_RESTATE_DAYS,
            "final_after_days": FINAL_AFTER_DAYS,
        }
    stream = Stream(
        source=NAME,
        name=name,
        domain="crm",
        kind="record",
        key=("Id",),
        schema=kind.rows,
        day=kind.cursor,
        description=description,
        read=None if is_list else read,
        sweep=sweep,
        **(days | more),
    )
    return stream


LEADS = _stream(
    "leads",
    objects.LEAD,
    "A row for each lead in its newest version; merged and deleted ones as long as they are in the recycle bin.",
    begins="CreatedDate",
    feeds=("leads",),  # and the stages that crm.stages finds in it
    informs=("deals", "orders"),  # whose people they are
)
CONTACTS = _stream(
    "contacts",
    objects.CONTACT,
    "A row for each contact in its newest version; merged and deleted ones likewise.",
    begins="CreatedDate",
    feeds=("leads",),
    informs=("deals", "orders"),
)
OPPORTUNITIES = _stream(
    "opportunities",
    objects.OPPORTUNITY,
    "A row for each opportunity in its newest version; deleted ones likewise.",
    begins="CreatedDate",
    feeds=("deals", "deals.creation", "deals.close", "orders", "orders.amount"),
    informs=("leads",),
)
OPPORTUNITY_HISTORY = _stream(
    "opportunity_history",
    objects.OPPORTUNITY_STEP,
    "A row for each change of stage, amount, probability or close date of an opportunity.",
    informs=("leads", "deals", "orders"),
)
LEAD_HISTORY = _stream(
    "lead_history",
    objects.LEAD_STEP,
    "A row for each change of a lead's status that the org tracks, and for its conversion.",
    informs=("leads",),
)
CONTACT_ROLES = _stream(
    "opportunity_contact_roles",
    objects.CONTACT_ROLE,
    "A row for each contact on an opportunity.",
    informs=("leads", "deals", "orders"),
)
USERS = _stream(
    "users",
    objects.USER,
    "A row for each user, those who left included.",
    is_list=True,
    informs=("leads", "deals", "orders"),
)
CAMPAIGNS = _stream("campaigns", objects.CAMPAIGN, "A row for each campaign.", is_list=True, informs=("leads",))
CAMPAIGN_MEMBERS = _stream(
    "campaign_members",
    objects.CAMPAIGN_MEMBER,
    "A row for each lead or contact in a campaign, and whether they responded.",
    informs=("leads",),
)
STREAMS = (
    LEADS, CONTACTS, OPPORTUNITIES, OPPORTUNITY_HISTORY, LEAD_HISTORY, CONTACT_ROLES, USERS, CAMPAIGNS, CAMPAIGN_MEMBERS,
)  # fmt: skip

# The statuses that an org has to begin with, of today's list and of the older one. Nothing of them means MQL or SAL: an org
# has statuses of its own for them (`crm.stages`). Whom sales converts is qualified; the opportunity is a deal's to say.
STATUSES = (
    StageMeaning("Open - Not Contacted", "lead"),
    StageMeaning("Working - Contacted", "lead"),
    StageMeaning("New", "lead"),
    StageMeaning("Contacted", "lead"),
    StageMeaning("Nurturing", "lead"),
    StageMeaning("Qualified", "sql"),
    StageMeaning("Closed - Converted", "sql"),
    StageMeaning("Converted", "sql"),
)

SOURCE = Source(
    name=NAME,
    title="Salesforce",
    gives="leads, contacts and opportunities with stage history, campaign members and users; deleted and merged records",
    settings=SalesforceSettings,
    streams=STREAMS,
    creates=(
        "an External Client App (Setup > External Client App Manager) with OAuth, scope api and the client credentials "
        "flow, run as an integration user"
    ),
    least_right=(
        "of that user: API Enabled; Read and View All on leads, contacts, accounts, opportunities, campaigns and users"
    ),
    about=ABOUT,
    columns=COLUMNS,
    rules=RULES,
    stages=STATUSES,
)
