"""A company of a few records for the HubSpot tests, served by the sandbox's own HubSpot over the wire."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from pydantic import SecretStr

from dagster_project.sandbox import Sandbox, serve, server
from dagster_project.sandbox.company import Association, Pipeline, PipelineStage, Submission
from dagster_project.sources.hubspot import sandbox as hubspot
from dagster_project.sources.hubspot.sandbox.records import Change, Form, Owner, RecordView
from dagster_project.sources.hubspot.settings import HubspotSettings

HASH_KEY = "a key for tests"
CURSORS = {"contacts": "lastmodifieddate", "deals": "hs_lastmodifieddate", "companies": "hs_lastmodifieddate"}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def record(
    kind: str,
    id: int | str,
    changed: datetime,
    *,
    archived_at: datetime | None = None,
    history: dict[str, Sequence[Change]] | None = None,
    associations: dict[str, Sequence[Association]] | None = None,
    **properties: str | None,
) -> RecordView:
    created = changed - timedelta(days=1)
    own = {"hs_object_id": str(id), "createdate": iso(created), CURSORS[kind]: iso(changed)}
    return RecordView(
        id=str(id),
        properties=own | properties,
        history=history or {},
        associations=associations or {},
        created_at=created,
        updated_at=changed,
        archived=archived_at is not None,
        archived_at=archived_at,
    )


contact, deal = partial(record, "contacts"), partial(record, "deals")


@dataclass
class FewRecords:
    """What the sandbox's HubSpot holds. `versions` are (since, record): the last one by now shows."""

    contacts: list[RecordView] = field(default_factory=list)
    deals: list[RecordView] = field(default_factory=list)
    companies: list[RecordView] = field(default_factory=list)
    owners: list[Owner] = field(default_factory=list)
    pipelines: tuple[Pipeline, ...] = ()
    forms: list[Form] = field(default_factory=list)
    submissions: list[Submission] = field(default_factory=list)
    later_contacts: list[tuple[datetime, RecordView]] = field(default_factory=list)
    gone_contacts: list[tuple[datetime, str]] = field(default_factory=list)

    def contacts_as_of(self, now: datetime, *, archived: bool = False) -> list[RecordView]:
        views = {view.id: view for view in self.contacts}
        views |= {view.id: view for since, view in self.later_contacts if since <= now}
        gone = {id for since, id in self.gone_contacts if since <= now}
        return [view for view in views.values() if view.archived == archived and view.id not in gone]

    def deals_as_of(self, now: datetime, *, archived: bool = False) -> list[RecordView]:
        return [view for view in self.deals if view.archived == archived]

    def companies_as_of(self, now: datetime, *, archived: bool = False) -> list[RecordView]:
        return [view for view in self.companies if view.archived == archived]

    def owners_as_of(self, now: datetime, *, archived: bool = False) -> list[Owner]:
        return [owner for owner in self.owners if (owner.archived_at is not None) == archived]

    def forms_as_of(self, now: datetime, *, archived: bool = False) -> list[Form]:
        return [form for form in self.forms if (form.archived_at is not None) == archived]

    def submissions_as_of(self, now: datetime) -> list[Submission]:
        return sorted(self.submissions, key=lambda each: each.submitted_at, reverse=True)


class TickingClock:
    """A clock that goes on by one second at each look, so that the portal changes while it is being read."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        self._now += timedelta(seconds=1)
        return self._now


@contextmanager
def serve_company(
    company: Any, monkeypatch: pytest.MonkeyPatch, *, clock: Any = None, **options: Any
) -> Iterator[Sandbox]:
    """The sandbox's HubSpot over this company; `options` as of its `app`."""
    original = hubspot.app

    def app(company: Any, sandbox_clock: Any, faults: Any) -> Any:
        return original(company, clock or sandbox_clock, faults, records=company, **options)

    with monkeypatch.context() as patch:
        patch.setattr(server.company_module, "build", lambda seed, scale: company)
        patch.setattr(hubspot, "app", app)
        with serve("2026-10-01", vendors=["hubspot"]) as sandbox:
            yield sandbox


def settings_for(base_url: str, **more: Any) -> HubspotSettings:
    return HubspotSettings(
        access_token=SecretStr(more.pop("token", hubspot.ACCESS_TOKEN)),
        base_url=base_url,
        hash_key=SecretStr(HASH_KEY),
        **more,
    )


SALES_PIPELINE = Pipeline(
    id="default",
    label="Sales pipeline",
    display_order=0,
    created_at=at("2025-01-01"),
    updated_at=at("2025-01-02"),
    stages=(
        PipelineStage("appointmentscheduled", "Appointment scheduled", 0, False, 0.2),
        PipelineStage("closedwon", "Closed won", 1, True, 1.0),
        PipelineStage("closedlost", "Closed lost", 2, True, 0.0),
    ),
)
