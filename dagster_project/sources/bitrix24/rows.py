"""Bitrix24's leads, contacts, deals, steps, users and stages as rows: own fields by name, what is personal as hashes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from dagster_project.sources.bitrix24.api import Bitrix24, Record
from dagster_project.sources.bitrix24.settings import Bitrix24Fields
from dagster_project.wire.contract import ConfigError, DriftError, schema
from dagster_project.wire.http import Json
from dagster_project.wire.identity import hash_email, hash_phone, redact_addresses, redact_answer, redact_text

TEXT, MOMENT, FLAG = pa.string(), pa.timestamp("us", tz="UTC"), pa.bool_()
UTM = {
    "utm_source": "utmSource", "utm_medium": "utmMedium", "utm_campaign": "utmCampaign", "utm_term": "utmTerm",
    "utm_content": "utmContent",
}  # fmt: skip
IDS = (
    "gclid", "gbraid", "wbraid", "fbclid", "yclid", "msclkid", "ttclid", "li_fat_id", "ga_client_id", "ym_client_id",
)  # fmt: skip
PERSON_FIELDS = (*IDS, "self_reported_source", "country")
DEAL_FIELDS = ("product", "refund_of_deal_id", "order_id")
# Bitrix24 says no moment of users and stages: a fixed one, so that a list is the same as long as nothing changes in it.
LISTED_AT = datetime(2012, 1, 1, tzinfo=UTC)

_PERSON = (
    ("id", TEXT),
    ("createdTime", MOMENT),
    ("updatedTime", MOMENT),
    ("assignedById", TEXT),
    ("companyId", TEXT),
    ("sourceId", TEXT),
    ("email_hash", TEXT),
    ("further_email_hashes", pa.list_(TEXT)),
    ("phone_hash", TEXT),
    *((name, TEXT) for name in (*UTM, *PERSON_FIELDS)),
)
LEADS_SCHEMA = schema(*_PERSON, ("stageId", TEXT), ("contactId", TEXT))
CONTACTS_SCHEMA = schema(*_PERSON, ("leadId", TEXT))
DEALS_SCHEMA = schema(
    ("id", TEXT),
    ("createdTime", MOMENT),
    ("updatedTime", MOMENT),
    ("movedTime", MOMENT),
    ("categoryId", TEXT),
    ("stageId", TEXT),
    ("stageSemanticId", TEXT),
    ("opportunity", pa.decimal128(24, 6)),
    ("currencyId", TEXT),
    ("assignedById", TEXT),
    ("contactId", TEXT),
    ("contactIds", pa.list_(TEXT)),
    ("companyId", TEXT),
    ("leadId", TEXT),
    *((name, TEXT) for name in (*UTM, *DEAL_FIELDS)),
)
STEPS_SCHEMA = schema(
    ("entity_type_id", TEXT),
    ("ID", TEXT),
    ("TYPE_ID", TEXT),
    ("OWNER_ID", TEXT),
    ("CREATED_TIME", MOMENT),
    ("CATEGORY_ID", TEXT),
    ("stage_id", TEXT),
)
USERS_SCHEMA = schema(("ID", TEXT), ("name", TEXT), ("email_hash", TEXT), ("ACTIVE", FLAG), ("listed_at", MOMENT))
STAGES_SCHEMA = schema(
    ("ENTITY_ID", TEXT),
    ("STATUS_ID", TEXT),
    ("NAME", TEXT),
    ("SORT", pa.int64()),
    ("category_id", TEXT),
    ("category_name", TEXT),
    ("listed_at", MOMENT),
)


@dataclass(frozen=True)
class OwnFields:
    """Where a portal keeps its own fields: column -> code of the field, and what its choices are called."""

    codes: Mapping[str, str]
    choices: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    known: frozenset[str] = frozenset()  # all fields that the portal says it has

    def value(self, record: Record, column: str) -> str | None:
        code = self.codes.get(column)
        return None if code is None else self._named(column, record.get(code))

    def _named(self, column: str, value: Json) -> str | None:
        if isinstance(value, list):
            return ";".join(filter(None, (self._named(column, each) for each in value))) or None
        if value is None or value == "" or isinstance(value, dict):
            return None
        return self.choices.get(column, {}).get(str(value), str(value))


def own_fields(portal: Bitrix24, entity_type: int, columns: Sequence[str], configured: Bitrix24Fields) -> OwnFields:
    """Looks the portal's fields up. Raises ConfigError for a name that funnelhouse.yml gives and the portal has not."""
    result = portal.result("crm.item.fields", {"entityTypeId": entity_type})
    fields = result.get("fields") if isinstance(result, dict) else None
    if not isinstance(fields, dict):
        raise DriftError("crm.item.fields: the field 'result.fields' should be an object", **portal.where)
    by_name: dict[str, tuple[str, Record]] = {}
    for code, about in fields.items():
        if isinstance(about, dict) and code.startswith("ufCrm"):
            for name in (code, about.get("upperName"), about.get("title")):
                if name:
                    by_name[str(name).casefold()] = (code, about)
    codes: dict[str, str] = {}
    choices: dict[str, dict[str, str]] = {}
    for column in columns:
        name = getattr(configured, column)
        found = by_name.get(name.casefold()) if name else None
        if found is not None:
            codes[column] = found[0]
            items = found[1].get("items")
            listed = [each for each in items if isinstance(each, dict)] if isinstance(items, list) else []
            choices[column] = {str(each.get("ID")): str(each.get("VALUE")) for each in listed}
        elif name and column in configured.model_fields_set and column not in IDS:
            raise ConfigError(
                f"sources.bitrix24.{column} = {name!r}: portal {portal.portal} has no such field; "
                "write it as CRM > Settings > Custom fields has it",
                **portal.where,
            )
    return OwnFields(codes, choices, frozenset(fields))


def person_row(person: Record, own: OwnFields, names: Sequence[str], portal: str, key: bytes) -> Record:
    """A lead or contact; `names`: the columns of the stream."""
    fields = person.get("fm")
    multi = [each for each in fields if isinstance(each, dict)] if isinstance(fields, list) else []
    emails = [hashed for each in _of_type(multi, "EMAIL") if (hashed := hash_email(each, key))]
    phones = [hashed for each in _of_type(multi, "PHONE") if (hashed := hash_phone(each, key))]
    distinct = list(dict.fromkeys(emails))
    row: Record = {name: person.get(name) for name in names if name in person and name != "_extra"}
    row |= {ours: redact_addresses(_text(person.get(theirs))) for ours, theirs in UTM.items()}
    row |= {name: redact_addresses(own.value(person, name)) for name in (*IDS, "country")}
    row["self_reported_source"] = redact_answer(own.value(person, "self_reported_source"))
    row |= {
        name: _id(person.get(name)) for name in ("assignedById", "companyId", "contactId", "leadId") if name in names
    }
    row |= {"email_hash": distinct[0] if distinct else None, "further_email_hashes": distinct[1:] or None}
    row |= {"phone_hash": phones[0] if phones else None, "account_id": portal}
    return _undeclared(person, own) | row


def deal_row(deal: Record, own: OwnFields, portal: str) -> Record:
    row: Record = {
        name: deal.get(name) for name in DEALS_SCHEMA.names if name not in ("account_id", "_extra", *UTM, *DEAL_FIELDS)
    }
    row |= {name: _id(deal.get(name)) for name in ("assignedById", "contactId", "companyId", "leadId")}
    people = deal.get("contactIds")
    row["contactIds"] = [str(each) for each in people] if isinstance(people, list) else None
    row |= {ours: redact_addresses(_text(deal.get(theirs))) for ours, theirs in UTM.items()}
    row |= {name: redact_addresses(own.value(deal, name)) for name in DEAL_FIELDS}
    row["product"] = redact_text(own.value(deal, "product"))
    return _undeclared(deal, own) | row | {"account_id": portal}


def step_row(step: Record, entity_type: int, portal: str) -> Record:
    row: Record = {name: step.get(name) for name in ("ID", "TYPE_ID", "OWNER_ID", "CREATED_TIME", "CATEGORY_ID")}
    stage = step.get("STAGE_ID") or step.get("STATUS_ID")
    return row | {"entity_type_id": str(entity_type), "stage_id": stage, "account_id": portal}


def user_row(user: Record, portal: str, key: bytes) -> Record:
    names = [str(user.get(name) or "").strip() for name in ("NAME", "LAST_NAME")]
    return {
        "ID": user.get("ID"),
        "name": " ".join(filter(None, names)) or None,
        "email_hash": hash_email(user.get("EMAIL"), key),
        "ACTIVE": user.get("ACTIVE"),
        "listed_at": LISTED_AT,
        "account_id": portal,
    }


def stage_row(status: Record, categories: Mapping[str, str], portal: str) -> Record:
    """A status of leads (ENTITY_ID STATUS) or a stage of deals (DEAL_STAGE, DEAL_STAGE_9)."""
    entity = str(status.get("ENTITY_ID"))
    category = None if entity == "STATUS" else entity.removeprefix("DEAL_STAGE").removeprefix("_") or "0"
    return {
        **{name: status.get(name) for name in ("ENTITY_ID", "STATUS_ID", "NAME", "SORT")},
        "category_id": category,
        "category_name": categories.get(category or ""),
        "listed_at": LISTED_AT,
        "account_id": portal,
    }


def _of_type(multi: Sequence[Record], kind: str) -> list[str]:
    found = [(each.get("id"), str(each["value"])) for each in multi if each.get("typeId") == kind and each.get("value")]
    return [value for _, value in sorted(found, key=lambda each: int(str(each[0])) if str(each[0]).isdigit() else 0)]


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None


def _id(value: Json) -> Json:
    """0 is nobody."""
    return None if value in (0, "0", "") else value


def _undeclared(record: Record, own: OwnFields) -> dict[str, Any]:
    """Fields that the portal does not say that it has, or that it has only in answers: of those nothing is kept."""
    return {
        name: f"({type(value).__name__})"
        for name, value in record.items()
        if name not in own.known and name not in _ONLY_IN_ANSWERS
    }


_ONLY_IN_ANSWERS = {
    "entityTypeId", "fm", "address", "dateCreateShort", "dateModifyShort", "email", "emailHome", "emailMailing", "emailWork",
    "icq", "imol", "isConvert", "login", "phone", "phoneMailing", "phoneMobile", "phoneWork", "productId", "searchContent",
    "shortName", "skype", "begindateShort", "closedateShort", "eventDate", "eventDateShort", "eventDescription", "eventId",
    "hasProducts", "isLose", "isWon", "isWork", "lostAmount", "orderStage", "receivedAmount", "utmSource", "utmMedium",
    "utmCampaign", "utmTerm", "utmContent",
}  # fmt: skip
