"""Raw rows of a small HubSpot portal, short to write: what a test does not name has a dull default."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

Row = dict[str, Any]

PIPELINE: list[Row] = [
    {"pipeline_id": "default", "pipeline_label": "Sales", "stage_id": stage, "stage_label": stage, "displayOrder": order,
     "isClosed": closed, "probability": probability, "archived": False, "updatedAt": "2025-01-01"}
    for order, (stage, closed, probability) in enumerate(
        [("qualified", False, 0.4), ("closedwon", True, 1.0), ("closedlost", True, 0.0)]
    )
]  # fmt: skip


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def history(*entries: tuple[str, str]) -> list[Row]:
    """(value, moment) pairs, oldest first."""
    return [{"value": value, "timestamp": moment(at), "source_type": "CRM_UI"} for value, at in entries]


def contact(contact_id: str, created: str, *stages: tuple[str, str], **more: Any) -> Row:
    """A contact whose last stage is its current one; `email_hash` is its own unless given."""
    changed = max([created, *(at for _, at in stages)])
    return {
        "id": contact_id,
        "createdate": created,
        "lastmodifieddate": changed,
        "lifecyclestage": stages[-1][0] if stages else None,
        "lifecyclestage_history": history(*stages),
        "email_hash": f"email-{contact_id}",
        "archived": False,
        **more,
    }


def archived(row: Row, at: str) -> Row:
    """The version of a record that says that it was archived: HubSpot gives no history with it."""
    changed = "lastmodifieddate" if "lastmodifieddate" in row else "hs_lastmodifieddate"
    silent = {name: None for name in row if name.endswith("_history")}
    return {**row, **silent, changed: at, "archived": True, "archivedAt": at}


def deal(
    deal_id: str,
    created: str,
    *stages: tuple[str, str],
    amount: float | None = 100,
    currency: str | None = "EUR",
    contacts: Sequence[str | tuple[str, bool]] = (),
    companies: Sequence[str] = (),
    **more: Any,
) -> Row:
    """A deal; `contacts` are ids or (id, is primary). The close date is the last stage's moment."""
    path = stages or (("qualified", created),)
    pairs = [(each, False) if isinstance(each, str) else each for each in contacts]
    return {
        "id": deal_id,
        "createdate": created,
        "hs_lastmodifieddate": path[-1][1],
        "closedate": path[-1][1] if path[-1][0] != "qualified" else None,
        "dealstage": path[-1][0],
        "dealstage_history": history(*path),
        "pipeline": "default",
        "amount": None if amount is None else Decimal(str(amount)),
        "deal_currency_code": currency,
        "contacts": [{"contact_id": each, "is_primary": primary} for each, primary in pairs],
        "company_ids": list(companies),
        "archived": False,
        **more,
    }


def won(deal_id: str, created: str, closed: str, **more: Any) -> Row:
    return deal(deal_id, created, ("qualified", created), ("closedwon", closed), **more)


def lost(deal_id: str, created: str, closed: str, **more: Any) -> Row:
    return deal(deal_id, created, ("qualified", created), ("closedlost", closed), **more)


def portal(
    contacts: Sequence[Row] = (), deals: Sequence[Row] = (), **streams: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Raw tables of a portal for the `warehouse` fixture; `streams` are further HubSpot streams by name."""
    named = {"contacts": contacts, "deals": deals, "pipelines": PIPELINE, **streams}
    return {f"hubspot/{name}": rows for name, rows in named.items()}
