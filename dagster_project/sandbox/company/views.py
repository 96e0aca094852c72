"""What the company's records are at a moment: who is there, what is known of them, and who was merged into whom."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from dagster_project.sandbox.company.tables import Association, Change, Record, RecordView


def contacts_as_of(contacts: Iterable[Record], now: datetime, *, archived: bool) -> list[RecordView]:
    """Live or archived contacts; a survivor knows whom it absorbed, and was changed then."""
    losers: dict[str, list[Record]] = defaultdict(list)
    for contact in contacts:
        if contact.merged_into and contact.merged_at and contact.merged_at <= now:
            losers[contact.merged_into].append(contact)
    return [
        _view(contact, now, archived, {}, losers.get(contact.id, ()))
        for contact in contacts
        if _is_shown(contact, now, archived)
    ]


def deals_as_of(
    deals: Iterable[Record], contacts: Mapping[str, Record], now: datetime, *, archived: bool
) -> list[RecordView]:
    """Live or archived deals; what was associated with the loser of a merge is the survivor's now."""
    views = []
    for deal in deals:
        if _is_shown(deal, now, archived):
            linked = {name: _linked(found, contacts, now) for name, found in deal.associations.items()}
            views.append(_view(deal, now, archived, linked))
    return views


def companies_as_of(companies: Iterable[Record], now: datetime, *, archived: bool) -> list[RecordView]:
    return [_view(company, now, archived, {}) for company in companies if _is_shown(company, now, archived)]


def _is_shown(record: Record, now: datetime, archived: bool) -> bool:
    if record.created_at > now:
        return False
    if any(gone is not None and gone <= now for gone in (record.deleted_at, record.merged_at)):
        return False
    return archived == (record.archived_at is not None and record.archived_at <= now)


def _linked(found: Sequence[Association], contacts: Mapping[str, Record], now: datetime) -> list[Association]:
    """Associations that stand at `now`: survivors instead of merged contacts, nothing archived or deleted."""
    linked: dict[str, Association] = {}
    for association in found:
        to_id = association.to_id
        contact = contacts.get(to_id)
        if contact and contact.merged_into and contact.merged_at and contact.merged_at <= now:
            to_id, contact = contact.merged_into, contacts[contact.merged_into]
        if association.since > now or (contact and not _is_shown(contact, now, archived=False)):
            continue
        is_primary = association.is_primary or (to_id in linked and linked[to_id].is_primary)
        linked[to_id] = Association(to_id, is_primary, association.since)
    return list(linked.values())


def _view(
    record: Record,
    now: datetime,
    archived: bool,
    associations: Mapping[str, Sequence[Association]],
    absorbed: Sequence[Record] = (),
) -> RecordView:
    values: dict[str, Any] = {}
    history: dict[str, list[Change]] = {}
    updated_at = record.created_at
    for name, changes in record.changes.items():
        known = [change for change in changes if change.at <= now]
        if known:
            values[name] = known[-1].value
            history[name] = known[::-1]
            updated_at = max(updated_at, known[-1].at)
    for loser in absorbed:
        updated_at = max(updated_at, loser.merged_at or updated_at)
    return RecordView(
        record.id,
        values,
        history,
        associations,
        absorbed,
        record.created_at,
        updated_at,
        archived,
        record.archived_at if archived else None,
    )
