"""Pipedrive's persons, deals, users and stages as rows: own fields by their names, what is personal as keyed hashes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from dagster_project.sources.pipedrive.api import SOURCE, Pipedrive, Record
from dagster_project.sources.pipedrive.settings import PipedriveFields
from dagster_project.wire.columns import undeclared
from dagster_project.wire.contract import ConfigError, DriftError, schema
from dagster_project.wire.http import Json
from dagster_project.wire.identity import hash_email, hash_phone, redact_addresses, redact_answer, redact_text
from dagster_project.wire.json_cells import UNREADABLE, instant

TEXT, MOMENT = pa.string(), pa.timestamp("us", tz="UTC")
HISTORY = pa.list_(pa.struct([("value", TEXT), ("timestamp", MOMENT)]))  # oldest first
TRACKING = (
    "utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "gclid", "gbraid", "wbraid", "fbclid", "yclid",
    "msclkid", "ttclid", "li_fat_id", "ga_client_id", "ym_client_id",
)  # fmt: skip
PERSON_FIELDS = (*TRACKING, "self_reported_source", "country", "stage")
DEAL_FIELDS = (*TRACKING[:5], "product", "refund_of_deal_id", "order_id")

PERSONS_SCHEMA = schema(
    ("id", TEXT),
    ("add_time", MOMENT),
    ("update_time", MOMENT),
    ("owner_id", TEXT),
    ("org_id", TEXT),
    ("email_hash", TEXT),
    ("further_email_hashes", pa.list_(TEXT)),
    ("phone_hash", TEXT),
    *((name, TEXT) for name in PERSON_FIELDS),
    ("stage_history", HISTORY),  # null: not asked
    ("is_deleted", pa.bool_()),
)
DEALS_SCHEMA = schema(
    ("id", TEXT),
    ("add_time", MOMENT),
    ("update_time", MOMENT),
    ("stage_change_time", MOMENT),
    ("won_time", MOMENT),
    ("lost_time", MOMENT),
    ("close_time", MOMENT),
    ("status", TEXT),
    ("pipeline_id", TEXT),
    ("stage_id", TEXT),
    ("value", pa.decimal128(24, 6)),
    ("currency", TEXT),
    ("owner_id", TEXT),
    ("person_id", TEXT),
    ("org_id", TEXT),
    *((name, TEXT) for name in DEAL_FIELDS),
    ("stage_history", HISTORY),  # null: not asked
    ("is_archived", pa.bool_()),
    ("is_deleted", pa.bool_()),
)
USERS_SCHEMA = schema(
    ("id", TEXT),
    ("name", TEXT),
    ("email_hash", TEXT),
    ("active_flag", pa.bool_()),
    ("created", MOMENT),
    ("modified", MOMENT),
)
STAGES_SCHEMA = schema(
    ("id", TEXT),
    ("name", TEXT),
    ("pipeline_id", TEXT),
    ("pipeline_name", TEXT),
    ("order_nr", pa.int64()),
    ("is_deleted", pa.bool_()),
    ("update_time", MOMENT),
)

# Known and used above, or of no use here.
_OF_A_PERSON = {
    "id", "name", "first_name", "last_name", "owner_id", "org_id", "add_time", "update_time", "emails", "phones", "email",
    "phone", "is_deleted", "visible_to", "label_ids", "picture_id", "custom_fields", "notes", "im", "birthday", "job_title",
    "postal_address", "marketing_status", "doi_status",
}  # fmt: skip
_OF_A_DEAL = {
    *DEALS_SCHEMA.names, "title", "probability", "lost_reason", "visible_to", "expected_close_date", "label_ids", "origin",
    "origin_id", "channel", "channel_id", "arr", "mrr", "acv", "custom_fields", "creator_user_id", "local_won_date",
    "local_lost_date", "local_close_date", "archive_time", "is_deleted", "next_activity_id", "last_activity_id", "pipeline",
}  # fmt: skip


@dataclass(frozen=True)
class OwnFields:
    """Where a company keeps its own fields: column -> key of the field, and what its choices are called."""

    keys: Mapping[str, str]
    choices: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def value(self, record: Record, column: str) -> str | None:
        key = self.keys.get(column)
        given = record.get("custom_fields")
        if not isinstance(given, dict) or key is None:
            return None
        return self.named(column, given.get(key))

    def named(self, column: str, value: Json) -> str | None:
        if isinstance(value, dict):
            value = value.get("value", value.get("id"))
        if isinstance(value, list):
            return ";".join(filter(None, (self.named(column, each) for each in value))) or None
        if value is None or value == "":
            return None
        return self.choices.get(column, {}).get(str(value), str(value))


def own_fields(pipedrive: Pipedrive, path: str, columns: Sequence[str], configured: PipedriveFields) -> OwnFields:
    """Looks the company's names up. Raises ConfigError for a name that funnelhouse.yml gives and the company has not."""
    by_name: dict[str, Record] = {}
    for page in pipedrive.listed(path):
        for each in page:
            if isinstance(each, dict):
                by_name[str(each.get("field_name") or each.get("name")).casefold()] = each
                by_name[str(each.get("field_code") or each.get("key"))] = each
    keys: dict[str, str] = {}
    choices: dict[str, dict[str, str]] = {}
    for column in columns:
        name = getattr(configured, column)
        found = by_name.get(name) or by_name.get(name.casefold()) if name else None
        if found is None:
            if name and column in configured.model_fields_set:
                raise ConfigError(
                    f"sources.pipedrive.{column} = {name!r}: company {pipedrive.domain} has no field of this name; "
                    "write it as Company settings > Data fields has it",
                    **pipedrive.where,
                )
            continue
        keys[column] = str(found.get("field_code") or found.get("key"))
        options = [each for each in found.get("options") or () if isinstance(each, dict)]
        choices[column] = {str(each.get("id")): str(each.get("label")) for each in options}
    return OwnFields(keys, choices)


def person_row(person: Record, own: OwnFields, domain: str, key: bytes, history: list[Record] | None) -> Record:
    emails = [hashed for each in _values(person, "emails", "email") if (hashed := hash_email(each, key))]
    phones = [hashed for each in _values(person, "phones", "phone") if (hashed := hash_phone(each, key))]
    distinct = list(dict.fromkeys(emails))
    row: Record = {name: person.get(name) for name in ("id", "add_time", "update_time", "is_deleted")}
    row |= {name: _id(person.get(name)) for name in ("owner_id", "org_id")}
    row |= {name: redact_addresses(own.value(person, name)) for name in (*TRACKING, "country", "stage")}
    row["self_reported_source"] = redact_answer(own.value(person, "self_reported_source"))
    row |= {"email_hash": distinct[0] if distinct else None, "further_email_hashes": distinct[1:] or None}
    row |= {"phone_hash": phones[0] if phones else None, "stage_history": history, "account_id": domain}
    return row | undeclared(person, _OF_A_PERSON)


def deal_row(deal: Record, own: OwnFields, domain: str, history: list[Record] | None) -> Record:
    row: Record = {
        name: deal.get(name) for name in DEALS_SCHEMA.names if name not in ("account_id", "_extra", *DEAL_FIELDS)
    }
    row |= {name: _id(deal.get(name)) for name in ("owner_id", "person_id", "org_id", "pipeline_id", "stage_id")}
    row |= {name: redact_addresses(own.value(deal, name)) for name in DEAL_FIELDS}
    row["product"] = redact_text(own.value(deal, "product"))
    row |= {"stage_history": history, "account_id": domain}
    return row | undeclared(deal, _OF_A_DEAL)


def user_row(user: Record, domain: str, key: bytes) -> Record:
    row: Record = {name: user.get(name) for name in ("id", "name", "active_flag", "created", "modified")}
    row["modified"] = row["modified"] or row["created"]
    return row | {"email_hash": hash_email(user.get("email"), key), "account_id": domain}


def history_of(changes: Sequence[Json], key: str, column: str, own: OwnFields, stream: str) -> list[Record]:
    """The values of a field with their moments, oldest first: what a record's changes say of it."""
    entries: list[Record] = []
    for change in changes:
        if not isinstance(change, dict) or change.get("field_key") != key:
            continue
        try:
            moment = instant(change.get("time"))
        except UNREADABLE as error:
            raise DriftError("field 'time' of a change should be a moment", source=SOURCE, stream=stream) from error
        entries.append({"value": own.named(column, change.get("new_value")), "timestamp": moment})
    return sorted(entries, key=lambda entry: entry["timestamp"])


def _values(record: Record, *names: str) -> list[str]:
    """E-mails or phones, the primary one first."""
    found: Any = next((record[name] for name in names if record.get(name)), ())
    entries = [each for each in (found if isinstance(found, list) else ()) if isinstance(each, dict)]
    ordered = sorted(entries, key=lambda each: not each.get("primary"))
    return [str(each["value"]) for each in ordered if each.get("value")]


def _id(value: Json) -> Json:
    """An id; v1 puts it into an object."""
    return value.get("value", value.get("id")) if isinstance(value, dict) else value
