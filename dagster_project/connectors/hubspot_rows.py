"""HubSpot's records as rows: which property makes which column, what a version is, what is personal.

Everything HubSpot sends in `properties` is a string, null or ''. Names stay HubSpot's; e-mails and phones
leave this module as keyed hashes, addresses of pages without what identifies a person, and of fields that
nobody declared only what cannot be personal data.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from dagster_project.connectors.columns import boolean, instant
from dagster_project.connectors.contract import ConfigError, DriftError, schema
from dagster_project.connectors.hubspot_api import SOURCE, Account, Record
from dagster_project.connectors.identity import (
    hash_email,
    hash_phone,
    redact_addresses,
    redact_answer,
    redact_text,
    redact_url,
)

if TYPE_CHECKING:
    from dagster_project.settings import HubspotProperties

TEXT, MOMENT = pa.string(), pa.timestamp("us", tz="UTC")
HISTORY = pa.list_(pa.struct([("value", TEXT), ("timestamp", MOMENT), ("source_type", TEXT)]))  # oldest first

UTM = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
# Click ids and client ids: the portal's own property (a hidden form field fills it) under its configured
# name, else the one that HubSpot itself fills from the last click on an ad.
CLICK_IDS = {
    "gclid": "hs_google_click_id",
    "gbraid": None,
    "wbraid": None,
    "fbclid": "hs_facebook_click_id",
    "yclid": None,
    "msclkid": "hs_bing_click_id",
    "ttclid": "hs_tiktok_click_id",
    "li_fat_id": "hs_linkedin_click_id",
    "ga_client_id": None,
    "ym_client_id": None,
}
TRACKING = (*UTM, *CLICK_IDS)
# "How did you hear about us?": the configured property or form field, else the name that portals often give it
SELF_REPORTED = "self_reported_source"
SELF_REPORTED_ELSE = "how_did_you_hear_about_us"

CONTACTS_SCHEMA = schema(
    ("id", TEXT),
    ("createdate", MOMENT),
    ("lastmodifieddate", MOMENT),  # of an archived contact: the moment it was archived
    ("lifecyclestage", TEXT),
    ("hubspot_owner_id", TEXT),
    ("email_hash", TEXT),
    ("additional_email_hashes", pa.list_(TEXT)),  # above all those of contacts that were merged into this one
    ("phone_hash", TEXT),
    *((name, TEXT) for name in TRACKING),
    ("hs_analytics_source", TEXT),
    ("hs_analytics_source_data_1", TEXT),
    ("hs_analytics_source_data_2", TEXT),
    ("hs_analytics_first_url", TEXT),
    ("hs_analytics_last_url", TEXT),
    ("hs_analytics_first_timestamp", MOMENT),
    ("first_conversion_event_name", TEXT),
    ("country", TEXT),  # as typed
    ("hs_country_region_code", TEXT),  # ISO 3166 alpha-2
    ("ip_country_code", TEXT),
    ("hs_merged_object_ids", TEXT),  # ids of the contacts that were merged into this one, ';' between
    ("lifecyclestage_history", HISTORY),  # null for an archived contact: not asked
    (
        "stage_entered_at",
        TEXT,
    ),  # JSON {stage: moment}, the *latest* entry: hs_v2_date_entered_*, else older names
    (SELF_REPORTED, TEXT),  # without e-mail addresses and phone numbers
    ("archived", pa.bool_()),
    ("archivedAt", MOMENT),
)
DEALS_SCHEMA = schema(
    ("id", TEXT),
    ("createdate", MOMENT),
    ("closedate", MOMENT),
    ("hs_lastmodifieddate", MOMENT),  # of an archived deal: the moment it was archived
    ("dealstage", TEXT),
    ("pipeline", TEXT),
    ("amount", pa.decimal128(24, 6)),
    ("deal_currency_code", TEXT),  # the portal's home currency where the deal names none
    ("hs_is_closed", pa.bool_()),
    ("hs_is_closed_won", pa.bool_()),
    ("hs_deal_stage_probability", pa.float64()),
    ("hubspot_owner_id", TEXT),
    ("product", TEXT),
    ("refund_of_deal_id", TEXT),
    ("order_id", TEXT),  # null unless crm.hubspot_properties names its property
    ("hs_merged_object_ids", TEXT),
    ("dealstage_history", HISTORY),  # null for an archived deal: not asked
    (
        "contacts",
        pa.list_(pa.struct([("contact_id", TEXT), ("is_primary", pa.bool_())])),
    ),  # by id; null: not asked
    ("company_ids", pa.list_(TEXT)),  # the primary company first, then by id
    ("archived", pa.bool_()),
    ("archivedAt", MOMENT),
)
OWNERS_SCHEMA = schema(
    ("id", TEXT),
    ("userId", TEXT),
    ("firstName", TEXT),
    ("lastName", TEXT),
    ("email_hash", TEXT),
    ("archived", pa.bool_()),
    ("createdAt", MOMENT),
    ("updatedAt", MOMENT),
)
PIPELINES_SCHEMA = schema(
    ("pipeline_id", TEXT),
    ("pipeline_label", TEXT),
    ("stage_id", TEXT),
    ("stage_label", TEXT),
    ("displayOrder", pa.int64()),
    ("isClosed", pa.bool_()),
    ("probability", pa.float64()),
    ("archived", pa.bool_()),
    ("updatedAt", MOMENT),
)
FORMS_SCHEMA = schema(
    ("id", TEXT),
    ("name", TEXT),
    ("formType", TEXT),
    ("createdAt", MOMENT),
    ("updatedAt", MOMENT),
    ("archived", pa.bool_()),
)
SUBMISSIONS_SCHEMA = schema(
    ("conversionId", TEXT),
    ("form_id", TEXT),
    ("submittedAt", MOMENT),
    ("pageUrl", TEXT),
    ("email_hash", TEXT),
    ("phone_hash", TEXT),
    *((name, TEXT) for name in TRACKING),
    (SELF_REPORTED, TEXT),
)

# Asked as they are, if the portal has them. Without the first ones there is nothing to count.
CONTACT_CORE = ("createdate", "lastmodifieddate", "lifecyclestage", "email")
CONTACT_OTHERS = (
    "hubspot_owner_id", "hs_analytics_source", "hs_analytics_source_data_1", "hs_analytics_source_data_2",
    "hs_analytics_first_url", "hs_analytics_last_url", "hs_analytics_first_timestamp",
    "first_conversion_event_name", "hs_additional_emails", "country", "hs_country_region_code",
    "ip_country_code",
)  # fmt: skip
PHONES = ("phone", "mobilephone")
DEAL_CORE = ("createdate", "hs_lastmodifieddate", "dealstage", "pipeline", "amount", "closedate")
DEAL_OTHERS = (
    "deal_currency_code", "hs_is_closed", "hs_is_closed_won", "hs_deal_stage_probability", "hubspot_owner_id",
    "hs_merged_object_ids",
)  # fmt: skip
# Three generations of "when did the contact enter this stage"; portals have one or two of them. All say the
# latest entry, so they only stand in where the history of lifecyclestage is silent.
STAGE_DATES = (
    re.compile(r"hs_v2_date_entered_(?!current_stage$)(?P<stage>.+)"),
    re.compile(r"hs_date_entered_(?P<stage>.+)"),
    re.compile(r"hs_lifecyclestage_(?P<stage>.+)_date"),
)

# Top-level fields that are known and either used above or of no use here.
_OF_A_RECORD = {
    "id", "properties", "propertiesWithHistory", "createdAt", "updatedAt", "archived", "archivedAt",
    "associations", "url", "objectWriteTraceId", "warnings",
}  # fmt: skip
_OF_AN_OWNER = {
    "id", "userId", "userIdIncludingInactive", "firstName", "lastName", "email", "type", "teams", "archived",
    "archivedAt", "createdAt", "updatedAt",
}  # fmt: skip
_OF_A_FORM = {
    "id", "name", "formType", "createdAt", "updatedAt", "archived", "archivedAt", "fieldGroups",
    "configuration", "displayOptions", "legalConsentOptions",
}  # fmt: skip
_OF_A_STAGE = {
    "id", "label", "displayOrder", "metadata", "archived", "archivedAt", "createdAt", "updatedAt",
    "writePermissions",
}  # fmt: skip
_OF_A_SUBMISSION = {"conversionId", "formId", "submittedAt", "updatedAt", "values", "pageUrl"}


# ---- which properties are asked ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """The portal's properties behind the columns: each column takes the first that has a value."""

    columns: Mapping[str, tuple[str, ...]]
    stages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # lifecycle stage -> its date properties

    @property
    def names(self) -> list[str]:
        return sorted({name for names in (*self.columns.values(), *self.stages.values()) for name in names})


def contact_properties(portal: set[str], configured: HubspotProperties) -> Asked:
    """What to ask of a portal that has these contact properties.

    Raises DriftError (a core property is not there), ConfigError (a configured one is not there).
    """
    columns = _core(portal, CONTACT_CORE, "contacts") | {name: (name,) for name in CONTACT_OTHERS}
    for column in TRACKING:
        columns[column] = (_configured(portal, configured, column), CLICK_IDS.get(column) or "")
    columns[SELF_REPORTED] = (_configured(portal, configured, SELF_REPORTED), SELF_REPORTED_ELSE)
    columns["phone"] = PHONES
    # hs_calculated_merged_vids is the older form, "id:moment;id:moment"
    columns["hs_merged_object_ids"] = ("hs_merged_object_ids", "hs_calculated_merged_vids")
    stages: dict[str, tuple[str, ...]] = {}
    for pattern in STAGE_DATES:
        for match in filter(None, map(pattern.fullmatch, sorted(portal))):
            stages[match["stage"]] = (*stages.get(match["stage"], ()), match.string)
    return Asked(_present(columns, portal), stages)


def deal_properties(portal: set[str], configured: HubspotProperties) -> Asked:
    """What to ask of a portal that has these deal properties. Raises like `contact_properties`."""
    columns = _core(portal, DEAL_CORE, "deals") | {name: (name,) for name in DEAL_OTHERS}
    for column in ("product", "refund_of_deal_id"):
        columns[column] = (_configured(portal, configured, column),)
    if configured.order_id:
        columns["order_id"] = (_configured(portal, configured, "order_id"),)
    return Asked(_present(columns, portal))


def _core(portal: set[str], names: Sequence[str], stream: str) -> dict[str, tuple[str, ...]]:
    for name in names:
        if name not in portal:
            raise DriftError(f"the portal has no property {name!r} of {stream}", source=SOURCE, stream=stream)
    return {name: (name,) for name in names}


def _configured(portal: set[str], configured: HubspotProperties, column: str) -> str:
    name = getattr(configured, column)
    if name != type(configured).model_fields[column].default and name not in portal:
        raise ConfigError(
            f"funnelhouse.yml, crm.hubspot_properties.{column}: the portal has no property {name!r}; "
            "write its internal name (Settings > Properties), or leave the key out",
            source=SOURCE,
        )
    return name


def _present(columns: Mapping[str, tuple[str, ...]], portal: set[str]) -> dict[str, tuple[str, ...]]:
    present = {column: tuple(name for name in names if name in portal) for column, names in columns.items()}
    return {column: names for column, names in present.items() if names}


# ---- contacts and deals ------------------------------------------------------------------------------------


def version_moment(record: Record, cursor: str, stream: str) -> datetime:
    """When the record became what it is: its last change, or its archiving, which is no change to HubSpot."""
    changed = _moment(_properties(record, stream).get(cursor), cursor, stream)
    if not (record.get("archived") and record.get("archivedAt")):
        return changed
    return max(changed, _moment(record["archivedAt"], "archivedAt", stream))


def contact_row(record: Record, asked: Asked, account: Account, key: bytes) -> dict[str, Any]:
    properties = _properties(record, "contacts")
    row: dict[str, Any] = {column: _first(properties, names) for column, names in asked.columns.items()}
    row["lastmodifieddate"] = version_moment(record, "lastmodifieddate", "contacts")
    row["email_hash"] = hash_email(row.pop("email"), key)
    others = (row.pop("hs_additional_emails", None) or "").split(";")
    row["additional_email_hashes"] = [each for email in others if (each := hash_email(email, key))] or None
    row["phone_hash"] = _first_hash((properties.get(name) for name in PHONES), key)
    row.pop("phone", None)
    for column in (*TRACKING, "hs_analytics_source_data_1", "hs_analytics_source_data_2"):
        row[column] = redact_addresses(row.get(column))
    row["first_conversion_event_name"] = redact_text(row.get("first_conversion_event_name"))
    for column in ("hs_analytics_first_url", "hs_analytics_last_url"):
        row[column] = redact_url(row.get(column))
    row[SELF_REPORTED] = redact_answer(row.get(SELF_REPORTED))
    row["hs_merged_object_ids"] = _merged_ids(row.get("hs_merged_object_ids"))
    row["lifecyclestage_history"] = _history(record, "lifecyclestage", "contacts")
    entered = {stage: _first(properties, names) for stage, names in asked.stages.items()}
    row["stage_entered_at"] = _stage_dates(entered)
    return row | _frame(record, account, "contacts")


def deal_row(
    record: Record,
    asked: Asked,
    account: Account,
    contacts: Sequence[Record] | None,
    companies: Sequence[Record] | None,
) -> dict[str, Any]:
    """`contacts`, `companies`: the deal's associations; None where they were not asked."""
    properties = _properties(record, "deals")
    row: dict[str, Any] = {column: _first(properties, names) for column, names in asked.columns.items()}
    row["hs_lastmodifieddate"] = version_moment(record, "hs_lastmodifieddate", "deals")
    row["deal_currency_code"] = row.get("deal_currency_code") or account.currency
    row["product"] = redact_text(row.get("product"))
    row["order_id"] = redact_addresses(row.get("order_id"))
    row["hs_merged_object_ids"] = _merged_ids(row.get("hs_merged_object_ids"))
    row["dealstage_history"] = _history(record, "dealstage", "deals")
    row["contacts"], row["company_ids"] = None, None
    if contacts is not None:
        row["contacts"] = [{"contact_id": each, "is_primary": primary} for each, primary in _associated(contacts)]
    if companies is not None:
        row["company_ids"] = [each for each, _ in sorted(_associated(companies), key=lambda pair: not pair[1])]
    return row | _frame(record, account, "deals")


def _frame(record: Record, account: Account, stream: str) -> dict[str, Any]:
    return {
        "id": record.get("id"),
        "archived": bool(record.get("archived")),
        "archivedAt": record.get("archivedAt") or None,
        "account_id": account.id,
        **undeclared(record, _OF_A_RECORD),
    }


def _properties(record: Record, stream: str) -> Mapping[str, Any]:
    properties = record.get("properties")
    if not isinstance(properties, dict):
        raise DriftError("field 'properties' is missing in a record, or no object", source=SOURCE, stream=stream)
    return properties


def _first(properties: Mapping[str, Any], names: Iterable[str]) -> Any:
    return next((value for name in names if (value := properties.get(name)) not in (None, "")), None)


def _first_hash(phones: Iterable[str | None], key: bytes) -> str | None:
    return next((hashed for phone in phones if (hashed := hash_phone(phone, key))), None)


def _merged_ids(value: str | None) -> str | None:
    ids = [part.partition(":")[0].strip() for part in (value or "").split(";")]
    return ";".join(each for each in ids if each) or None


def _stage_dates(entered: Mapping[str, Any]) -> str | None:
    moments = {
        stage: _moment(value, f"date entered {stage}", "contacts").isoformat()
        for stage, value in sorted(entered.items())
        if value is not None
    }
    return json.dumps(moments) if moments else None


def _history(record: Record, name: str, stream: str) -> list[dict[str, Any]] | None:
    """Past values, oldest first (HubSpot: newest first); None where history was not asked."""
    histories = record.get("propertiesWithHistory")
    if histories is None:
        return None
    entries = []
    for entry in reversed(histories.get(name) or ()):
        moment = _moment(entry.get("timestamp"), f"{name} history", stream, record)
        entries.append(
            {"value": entry.get("value") or None, "timestamp": moment, "source_type": entry.get("sourceType")}
        )
    return sorted(entries, key=lambda entry: entry["timestamp"])


def _moment(value: Any, name: str, stream: str, record: Record | None = None) -> datetime:
    try:
        return instant(value)
    except (ValueError, TypeError, OverflowError, OSError) as error:
        day = f" (day {str(record.get('updatedAt'))[:10]})" if record else ""
        raise DriftError(
            f"field {name!r} should be a moment, HubSpot sent a {type(value).__name__}{day}",
            source=SOURCE,
            stream=stream,
        ) from error


def _associated(associations: Sequence[Record]) -> Iterator[tuple[str, bool]]:
    """(id, is primary) by id. Primary is a label: HubSpot's for companies, the portal's own for contacts."""
    primary: dict[str, bool] = {}
    for each in associations:
        labels = [str(kind.get("label") or "").casefold() for kind in each.get("associationTypes") or ()]
        if each.get("toObjectId") is None:
            raise DriftError("field 'toObjectId' is missing in an association", source=SOURCE, stream="deals")
        to_id = str(each["toObjectId"])
        primary[to_id] = primary.get(to_id, False) or any(label.startswith("primary") for label in labels)
    yield from sorted(primary.items(), key=lambda pair: (len(pair[0]), pair[0]))


# ---- the small lists ---------------------------------------------------------------------------------------


def owner_row(owner: Record, account: Account, key: bytes) -> dict[str, Any]:
    row = {name: owner.get(name) for name in ("id", "userId", "firstName", "lastName", "createdAt", "updatedAt")}
    row["userId"] = row["userId"] or owner.get("userIdIncludingInactive")  # an archived owner has only the latter
    row["email_hash"] = hash_email(owner.get("email"), key)
    row["archived"] = bool(owner.get("archived"))
    return row | {"account_id": account.id, **undeclared(owner, _OF_AN_OWNER)}


def pipeline_rows(pipeline: Record, account: Account) -> Iterator[dict[str, Any]]:
    """A row for each stage of a pipeline; an archived pipeline archives its stages."""
    for stage in pipeline.get("stages") or ():
        metadata = stage.get("metadata") or {}
        yield {
            "pipeline_id": pipeline.get("id"),
            "pipeline_label": pipeline.get("label"),
            "stage_id": stage.get("id"),
            "stage_label": stage.get("label"),
            "displayOrder": stage.get("displayOrder"),
            "isClosed": metadata.get("isClosed"),  # "false"
            "probability": metadata.get("probability"),  # "0.2"
            "archived": bool(pipeline.get("archived")) or bool(stage.get("archived")),
            "updatedAt": stage.get("updatedAt") or pipeline.get("updatedAt"),
            "account_id": account.id,
            **undeclared(stage, _OF_A_STAGE),
        }


def form_row(form: Record, account: Account) -> dict[str, Any]:
    row = {name: form.get(name) for name in ("id", "name", "formType", "createdAt", "updatedAt")}
    row["archived"] = bool(form.get("archived"))
    return row | {"account_id": account.id, **undeclared(form, _OF_A_FORM)}


def submission_row(
    submission: Record, form_id: str, account: Account, configured: HubspotProperties, key: bytes
) -> dict[str, Any]:
    """One submission. UTM, click and client ids come from hidden fields, where the form has them."""
    values: dict[str, Any] = {}
    for each in submission.get("values") or ():
        values.setdefault(str(each.get("name")), each.get("value"))
    row: dict[str, Any] = {
        column: redact_addresses(values.get(getattr(configured, column)) or None) for column in TRACKING
    }
    said = values.get(configured.self_reported_source) or values.get(SELF_REPORTED_ELSE)
    return row | {
        SELF_REPORTED: redact_answer(said or None),
        "conversionId": submission.get("conversionId"),
        "form_id": form_id,
        "submittedAt": submission.get("submittedAt"),
        "pageUrl": redact_url(submission.get("pageUrl")),
        "email_hash": hash_email(values.get("email"), key),
        "phone_hash": _first_hash((values.get(name) for name in PHONES), key),
        "account_id": account.id,
        **undeclared(submission, _OF_A_SUBMISSION),
    }


def undeclared(record: Record, known: set[str]) -> dict[str, Any]:
    """Fields that nobody declared: small numbers and truth values as they are, of others only their kind.

    A text could be a name, a long number a phone; that the field is there is what has to be told.
    """
    return {name: _harmless(value) for name, value in record.items() if name not in known}


def _harmless(value: Any) -> Any:
    if value is None or isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < 10**6):
        return value
    if isinstance(value, str):
        try:
            return boolean(value)
        except ValueError:
            return "(text)"
    return f"({type(value).__name__})"
