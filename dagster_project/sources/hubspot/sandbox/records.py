"""The company's records as HubSpot holds them: its properties, all of them texts, with their histories.

`hs_object_id`, `createdate`, the time of the last change, merged ids, closed, won, probability and the dates on which
stages were entered are properties that HubSpot calculates.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from dagster_project.sandbox.company import Association, Pipeline, Submission
from dagster_project.sandbox.company import Change as Fact
from dagster_project.sandbox.company import RecordView as View
from dagster_project.sources.hubspot.sandbox.portal import (
    ANALYTICS_SOURCES,
    CONTACT_PROPERTIES,
    DEAL_PROPERTIES,
    DEAL_STAGES,
    FORM_TYPES,
    LIFECYCLE_STAGES,
    PIPELINE_IDS,
    SOURCE_TYPES,
    in_portal,
)

if TYPE_CHECKING:
    from dagster_project.sandbox.company import Company

_NAMES = {"contacts": CONTACT_PROPERTIES, "deals": DEAL_PROPERTIES, "companies": {}}
_CHANGED = {"contacts": "lastmodifieddate", "deals": "hs_lastmodifieddate", "companies": "hs_lastmodifieddate"}


@dataclass(frozen=True)
class Change:
    """A property got a value at a moment (UTC, whole milliseconds)."""

    at: datetime
    value: str | None
    source_type: str  # FORM | AUTOMATION_PLATFORM | CRM_UI | IMPORT | DEALS | INTEGRATION


@dataclass(frozen=True)
class RecordView:
    """A record as HubSpot shows it at a moment.

    `properties` holds every property the record ever had, plus the calculated ones: hs_object_id, createdate,
    lastmodifieddate (contacts) or hs_lastmodifieddate (others), hs_merged_object_ids (survivors, ";"-joined),
    hs_v2_date_entered_<stage> (the *latest* entry), and for deals hs_is_closed, hs_is_closed_won,
    hs_deal_stage_probability. Moments are ISO 8601 with milliseconds and "Z". A property that is not there is null to
    HubSpot. `history` is newest first, like `propertiesWithHistory`.
    """

    id: str
    properties: Mapping[str, str | None]
    history: Mapping[str, Sequence[Change]]
    associations: Mapping[str, Sequence[Association]]
    created_at: datetime
    updated_at: datetime  # = (hs_)lastmodifieddate; archiving and associations do not move it
    archived: bool
    archived_at: datetime | None


@dataclass(frozen=True)
class Owner:
    id: str
    user_id: str
    first_name: str
    last_name: str
    email: str
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None


@dataclass(frozen=True)
class Form:
    id: str  # uuid
    name: str
    form_type: str  # "hubspot", or "blog_comment", whose submissions HubSpot refuses to list
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None


class Records:
    """What the company's HubSpot holds at a moment."""

    def __init__(self, company: Company) -> None:
        self._company = company
        self._user_ids = {owner.id: str(9_100_000 + n * 31) for n, owner in enumerate(company.owners)}
        self.pipelines: tuple[Pipeline, ...] = tuple(in_portal(pipeline) for pipeline in company.pipelines)
        self._stages = {stage.id: stage for pipeline in self.pipelines for stage in pipeline.stages}

    def contacts_as_of(self, now: datetime, *, archived: bool = False) -> list[RecordView]:
        """Live (or archived) contacts by ascending id; merged losers and deleted ones are in neither."""
        return [
            _seen("contacts", view, LIFECYCLE_STAGES, _merged(view))
            for view in self._company.contacts_as_of(now, archived=archived)
        ]

    def deals_as_of(self, now: datetime, *, archived: bool = False) -> list[RecordView]:
        """Live (or archived) deals by ascending id; associations name live contacts only."""
        return [
            _seen("deals", view, DEAL_STAGES, self._closed(DEAL_STAGES[view.values["stage"]]))
            for view in self._company.deals_as_of(now, archived=archived)
        ]

    def companies_as_of(self, now: datetime, *, archived: bool = False) -> list[RecordView]:
        return [_seen("companies", view, {}, {}) for view in self._company.companies_as_of(now, archived=archived)]

    def owners_as_of(self, now: datetime, *, archived: bool = False) -> list[Owner]:
        return [
            Owner(
                owner.id,
                self._user_ids[owner.id],
                owner.first_name,
                owner.last_name,
                owner.email,
                owner.created_at,
                owner.updated_at,
                owner.archived_at,
            )
            for owner in self._company.owners_as_of(now, archived=archived)
        ]

    def forms_as_of(self, now: datetime, *, archived: bool = False) -> list[Form]:
        return [
            Form(form.id, form.name, FORM_TYPES[form.kind], form.created_at, form.updated_at, form.archived_at)
            for form in self._company.forms_as_of(now, archived=archived)
        ]

    def submissions_as_of(self, now: datetime) -> list[Submission]:
        """Newest first, under the names of the form's fields, which are the contact's properties."""
        return [
            replace(
                submission,
                values=tuple((CONTACT_PROPERTIES.get(name, name), value) for name, value in submission.values),
            )
            for submission in self._company.submissions_as_of(now)
        ]

    def _closed(self, stage_id: str) -> dict[str, str]:
        stage = self._stages[stage_id]
        return {
            "hs_is_closed": str(stage.is_closed).lower(),
            "hs_is_closed_won": str(stage.is_closed and stage.probability == 1.0).lower(),
            # HubSpot prints the double in full: 0.2 is 0.200000000000000011102230246251565404236316680908203125.
            "hs_deal_stage_probability": f"{stage.probability:.54f}".rstrip("0").removesuffix("."),
        }


def _seen(kind: str, view: View, stages: Mapping[str, str], calculated: Mapping[str, str]) -> RecordView:
    history: dict[str, list[Change]] = defaultdict(list)
    for name, facts in view.history.items():
        for fact in facts:
            for prop, text in _properties(kind, name, fact.value, stages):
                history[prop].append(Change(fact.at, text, SOURCE_TYPES[fact.by]))
    if kind == "contacts":
        history |= _from_a_list(view)
    properties = {prop: changes[0].value for prop, changes in history.items()}
    for fact in reversed(view.history.get("stage", ())):  # the latest entry stays
        properties[f"hs_v2_date_entered_{stages[fact.value]}"] = iso(fact.at)
    properties |= {
        "hs_object_id": view.id,
        "createdate": iso(view.created_at),
        _CHANGED[kind]: iso(view.updated_at),
        **calculated,
    }
    return RecordView(
        view.id,
        properties,
        history,
        view.associations,
        view.created_at,
        view.updated_at,
        view.archived,
        view.archived_at,
    )


def _properties(kind: str, name: str, value: Any, stages: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The properties that a field of the company's record is in HubSpot, with their texts."""
    if name == "origin":
        source, first, second = _analytics(value)
        yield "hs_analytics_source", source
        if first is not None:
            yield "hs_analytics_source_data_1", first
        if second is not None:
            yield "hs_analytics_source_data_2", second
        return
    written: Callable[[Any], str] = {"stage": stages.__getitem__, "pipeline": PIPELINE_IDS.__getitem__}.get(name, _text)
    yield _NAMES[kind].get(name, name), written(value)


def _text(value: str | float | datetime) -> str:
    if isinstance(value, datetime):
        return iso(value)
    return value if isinstance(value, str) else f"{value:.2f}".removesuffix(".00")


def _analytics(origin: Any) -> tuple[str, str | None, str | None]:
    """hs_analytics_source and its two details."""
    name = ANALYTICS_SOURCES.get(origin.channel, "OTHER_CAMPAIGNS")
    if name == "DIRECT_TRAFFIC":
        return name, None, None
    if name in ("PAID_SEARCH", "PAID_SOCIAL", "EMAIL_MARKETING", "OTHER_CAMPAIGNS"):
        return name, origin.campaign_name or "(not set)", origin.source
    return name, origin.source, None


def _from_a_list(view: View) -> dict[str, list[Change]]:
    """Where somebody came from whom HubSpot got by an import."""
    made: Fact = view.history["email"][-1]
    if made.by != "import":
        return {}
    offline = {"hs_analytics_source": "OFFLINE", "hs_analytics_source_data_1": "IMPORT"}
    return {name: [Change(made.at, text, SOURCE_TYPES[made.by])] for name, text in offline.items()}


def _merged(view: View) -> dict[str, str]:
    if not view.absorbed:
        return {}
    emails = (loser.changes["email"][-1].value for loser in view.absorbed)
    return {
        "hs_merged_object_ids": ";".join(loser.id for loser in view.absorbed),
        "hs_additional_emails": ";".join(emails),
    }


def iso(moment: datetime) -> str:
    """ISO 8601 with milliseconds and "Z"."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
