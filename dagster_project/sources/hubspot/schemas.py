"""HubSpot's columns: what is stored of each kind of record. Names are HubSpot's."""

from __future__ import annotations

import pyarrow as pa

from dagster_project.wire.contract import schema

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
