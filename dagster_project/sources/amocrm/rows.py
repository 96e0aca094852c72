"""amoCRM's contacts, deals, events, users and statuses as rows: own fields by name or code, what is personal as hashes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from dagster_project.sources.amocrm.api import Amocrm, Record
from dagster_project.sources.amocrm.settings import AmocrmFields
from dagster_project.wire.columns import undeclared
from dagster_project.wire.contract import ConfigError, schema
from dagster_project.wire.http import Json
from dagster_project.wire.identity import hash_email, hash_phone, redact_addresses, redact_answer, redact_text

TEXT, MOMENT, FLAG = pa.string(), pa.timestamp("us", tz="UTC"), pa.bool_()
PEOPLE = pa.list_(pa.struct([("id", TEXT), ("is_main", FLAG)]))
TRACKING = (
    "utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "gclid", "gbraid", "wbraid", "fbclid", "yclid",
    "msclkid", "ttclid", "li_fat_id", "ga_client_id", "ym_client_id",
)  # fmt: skip
CONTACT_FIELDS = (*TRACKING, "self_reported_source", "country", "stage")
LEAD_FIELDS = (*TRACKING, "product", "refund_of_deal_id", "order_id")
# amoCRM says no moment of users and statuses: a fixed one, so that a list is the same as long as nothing changes in it.
LISTED_AT = datetime(2009, 1, 1, tzinfo=UTC)

CONTACTS_SCHEMA = schema(
    ("id", TEXT),
    ("created_at", MOMENT),
    ("updated_at", MOMENT),
    ("responsible_user_id", TEXT),
    ("company_id", TEXT),
    ("email_hash", TEXT),
    ("further_email_hashes", pa.list_(TEXT)),
    ("phone_hash", TEXT),
    *((name, TEXT) for name in CONTACT_FIELDS),
    ("is_deleted", FLAG),
)
LEADS_SCHEMA = schema(
    ("id", TEXT),
    ("created_at", MOMENT),
    ("updated_at", MOMENT),
    ("closed_at", MOMENT),
    ("pipeline_id", TEXT),
    ("status_id", TEXT),
    ("price", pa.decimal128(24, 6)),
    ("currency", TEXT),
    ("responsible_user_id", TEXT),
    ("company_id", TEXT),
    ("contacts", PEOPLE),
    *((name, TEXT) for name in LEAD_FIELDS),
    ("is_deleted", FLAG),
)
EVENTS_SCHEMA = schema(
    ("id", TEXT),
    ("type", TEXT),
    ("created_at", MOMENT),
    ("entity_type", TEXT),
    ("entity_id", TEXT),
    ("pipeline_before", TEXT),
    ("status_before", TEXT),
    ("pipeline_after", TEXT),
    ("status_after", TEXT),
    ("value_before", TEXT),
    ("value_after", TEXT),
)
USERS_SCHEMA = schema(("id", TEXT), ("name", TEXT), ("email_hash", TEXT), ("is_active", FLAG), ("listed_at", MOMENT))
STATUSES_SCHEMA = schema(
    ("id", TEXT),
    ("name", TEXT),
    ("sort", pa.int64()),
    ("pipeline_id", TEXT),
    ("pipeline_name", TEXT),
    ("is_archive", FLAG),
    ("listed_at", MOMENT),
)

# Known and used above, or of no use here.
_COMMON = {
    "id", "name", "responsible_user_id", "group_id", "created_by", "updated_by", "created_at", "updated_at", "is_deleted",
    "closest_task_at", "custom_fields_values", "account_id", "_links", "_embedded",
}  # fmt: skip
_OF_A_CONTACT = _COMMON | {"first_name", "last_name", "is_unsorted"}
_OF_A_LEAD = _COMMON | {
    "price", "status_id", "pipeline_id", "loss_reason_id", "source_id", "closed_at", "score", "labor_cost", "is_price_modified_by_robot",
    "is_price_computed", "visitor_uid", "loss_reason",
}  # fmt: skip


@dataclass(frozen=True)
class OwnFields:
    """Where an account keeps its own fields: column -> id of the field, and what its choices are called."""

    ids: Mapping[str, str]
    choices: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def values(self, record: Record) -> dict[str, str | None]:
        given = {str(each.get("field_id")): each for each in _dicts(record.get("custom_fields_values"))}
        return {column: _text_of(given.get(field_id)) for column, field_id in self.ids.items()}

    def named(self, column: str, value: Record) -> str | None:
        """What an event says of the field: a text, or a choice by its id."""
        if value.get("text"):
            return str(value["text"])
        choice = value.get("enum_id")
        return None if choice is None else self.choices.get(column, {}).get(str(choice), str(choice))


def own_fields(account: Amocrm, of: str, columns: Sequence[str], configured: AmocrmFields) -> OwnFields:
    """Looks the account's fields up. Raises ConfigError for a name that funnelhouse.yml gives and the account has not."""
    by_name: dict[str, Record] = {}
    for page in account.listed(f"/api/v4/{of}/custom_fields", "custom_fields"):
        for each in _dicts(page):
            for name in (each.get("name"), each.get("code")):
                if name:
                    by_name[str(name).casefold()] = each
    ids: dict[str, str] = {}
    choices: dict[str, dict[str, str]] = {}
    for column in columns:
        name = getattr(configured, column)
        found = by_name.get(name.casefold()) if name else None
        if found is not None:
            ids[column] = str(found.get("id"))
            choices[column] = {str(each.get("id")): str(each.get("value")) for each in _dicts(found.get("enums"))}
        # tags may stand on contacts or on deals, or on both
        elif name and column in configured.model_fields_set and column not in TRACKING:
            raise ConfigError(
                f"sources.amocrm.{column} = {name!r}: account {account.subdomain} has no such field of {of}; "
                "write it as Settings > Fields has it",
                **account.where,
            )
    return OwnFields(ids, choices)


def contact_row(contact: Record, own: OwnFields, account_id: str, key: bytes) -> Record:
    emails = [hashed for each in _by_code(contact, "EMAIL") if (hashed := hash_email(each, key))]
    phones = [hashed for each in _by_code(contact, "PHONE") if (hashed := hash_phone(each, key))]
    distinct = list(dict.fromkeys(emails))
    row = _common(contact, account_id)
    row |= {name: redact_addresses(value) for name, value in own.values(contact).items()}
    row["self_reported_source"] = redact_answer(own.values(contact).get("self_reported_source"))
    row |= {"email_hash": distinct[0] if distinct else None, "further_email_hashes": distinct[1:] or None}
    row |= {"phone_hash": phones[0] if phones else None}
    return row | undeclared(contact, _OF_A_CONTACT)


def lead_row(lead: Record, own: OwnFields, account_id: str, currency: str) -> Record:
    row = _common(lead, account_id)
    row |= {"closed_at": _moment(lead.get("closed_at"))}
    row |= {name: lead.get(name) for name in ("pipeline_id", "status_id", "price")}
    values = own.values(lead)
    row |= {name: redact_addresses(value) for name, value in values.items() if name in LEAD_FIELDS}
    row["product"] = redact_text(values.get("product"))
    row["currency"] = values.get("currency") or currency
    people = _dicts(_embedded(lead).get("contacts"))
    row["contacts"] = [{"id": str(each.get("id")), "is_main": each.get("is_main") is True} for each in people]
    return row | undeclared(lead, _OF_A_LEAD)


def event_row(event: Record, own: OwnFields, account_id: str) -> Record:
    row: Record = {name: event.get(name) for name in ("id", "type", "entity_type", "entity_id")}
    row |= {"created_at": _moment(event.get("created_at")), "account_id": account_id}
    for when in ("before", "after"):
        for each in _dicts(event.get(f"value_{when}")):
            if isinstance(status := each.get("lead_status"), dict):
                row |= {f"pipeline_{when}": status.get("pipeline_id"), f"status_{when}": status.get("id")}
            if isinstance(value := each.get("custom_field_value"), dict):
                row[f"value_{when}"] = redact_addresses(own.named("stage", value))
    return row


def user_row(user: Record, account_id: str, key: bytes) -> Record:
    rights = user.get("rights")
    return {
        "id": user.get("id"),
        "name": user.get("name"),
        "email_hash": hash_email(user.get("email"), key),
        "is_active": rights.get("is_active") if isinstance(rights, dict) else None,
        "listed_at": LISTED_AT,
        "account_id": account_id,
    }


def status_rows(pipeline: Record, account_id: str) -> list[Record]:
    return [
        {name: status.get(name) for name in ("id", "name", "sort")}
        | {"pipeline_id": pipeline.get("id"), "pipeline_name": pipeline.get("name")}
        | {"is_archive": pipeline.get("is_archive"), "listed_at": LISTED_AT, "account_id": account_id}
        for status in _dicts(_embedded(pipeline).get("statuses"))
    ]


def _common(record: Record, account_id: str) -> Record:
    row: Record = {name: record.get(name) for name in ("id", "responsible_user_id")}
    row |= {name: _moment(record.get(name)) for name in ("created_at", "updated_at")}
    companies = _dicts(_embedded(record).get("companies"))
    row["company_id"] = companies[0].get("id") if companies else None
    row["is_deleted"] = record.get("is_deleted") is True
    return row | {"account_id": account_id}


def _moment(value: Json) -> Json:
    """Epoch seconds as milliseconds, which is how a number is read; anything else as it is: it will be told."""
    return value * 1000 if isinstance(value, int) and not isinstance(value, bool) else value


def _embedded(record: Record) -> Record:
    found = record.get("_embedded")
    return found if isinstance(found, dict) else {}


def _dicts(values: Json) -> list[Record]:
    return [each for each in values if isinstance(each, dict)] if isinstance(values, list) else []


def _by_code(record: Record, code: str) -> list[str]:
    return [
        str(value["value"])
        for each in _dicts(record.get("custom_fields_values"))
        if each.get("field_code") == code
        for value in _dicts(each.get("values"))
        if value.get("value")
    ]


def _text_of(given: Any) -> str | None:
    """The value of a field; several joined."""
    texts = [
        str(value["value"]) for value in _dicts((given or {}).get("values")) if value.get("value") not in (None, "")
    ]
    return ";".join(texts) or None
