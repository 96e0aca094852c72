"""How the company's HubSpot portal is set up: its ids of pipelines and stages, its properties, and HubSpot's words."""

from __future__ import annotations

from dataclasses import replace

from dagster_project.sandbox.company import Pipeline

PORTAL_ID = "26000001"
ACCESS_TOKEN = "sandbox-hubspot-token"

# The company's word -> HubSpot's internal name. Numbers are what HubSpot gives to stages and pipelines that a portal
# makes for itself.
LIFECYCLE_STAGES = {
    "subscriber": "subscriber",
    "lead": "lead",
    "mql": "marketingqualifiedlead",
    "sal": "84210011",
    "sql": "salesqualifiedlead",
    "opportunity": "opportunity",
    "customer": "customer",
    "advocate": "evangelist",
    "other": "other",
}
PIPELINE_IDS = {"sales": "default", "self_service": "48213377"}
DEAL_STAGES = {
    "appointment": "appointmentscheduled",
    "qualified": "qualifiedtobuy",
    "presentation": "presentationscheduled",
    "decision_maker": "decisionmakerboughtin",
    "contract": "contractsent",
    "won": "closedwon",
    "lost": "closedlost",
    "basket": "98213301",
    "paid": "98213302",
    "abandoned": "98213303",
}
FORM_TYPES = {"form": "hubspot", "comments": "blog_comment"}  # HubSpot refuses to list a comment form's submissions
SOURCE_TYPES = {
    "form": "FORM",
    "automation": "AUTOMATION_PLATFORM",
    "hand": "CRM_UI",
    "import": "IMPORT",
    "deal": "DEALS",
    "checkout": "INTEGRATION",
}

# Field of the company's records -> property. Tags and click ids (utm_source, gclid ...) are properties of their own
# name, which the portal has made; so are fields that are not here.
CONTACT_PROPERTIES = {
    "first_name": "firstname",
    "last_name": "lastname",
    "job_title": "jobtitle",
    "heard_from": "how_did_you_hear_about_us",
    "client_id": "ga_client_id",
    "owner": "hubspot_owner_id",
    "stage": "lifecyclestage",
    "first_page": "hs_analytics_first_url",
    "last_page": "hs_analytics_last_url",
    "first_form": "first_conversion_event_name",
    "last_form": "recent_conversion_event_name",
}
DEAL_PROPERTIES = {
    "name": "dealname",
    "stage": "dealstage",
    "currency": "deal_currency_code",
    "closes_at": "closedate",
    "owner": "hubspot_owner_id",
    "refund_of": "refund_of_deal_id",
}

# Sent whether asked for or not.
ALWAYS = {
    "contacts": ("createdate", "hs_object_id", "lastmodifieddate"),
    "deals": ("createdate", "hs_lastmodifieddate", "hs_object_id"),
    "companies": ("createdate", "hs_lastmodifieddate", "hs_object_id"),
}
# Sent when nothing is asked for.
BY_DEFAULT = {
    "contacts": ("email", "firstname", "lastname"),
    "deals": ("amount", "closedate", "dealname", "dealstage", "pipeline"),
    "companies": ("domain", "name"),
}
# Standard properties that a portal has even if no record of it has a value.
STANDARD = {
    "contacts": (
        "country", "email", "firstname", "lastname", "phone", "mobilephone", "lifecyclestage",
        "hubspot_owner_id",
        "hs_analytics_source", "hs_analytics_source_data_1", "hs_analytics_source_data_2",
        "hs_analytics_first_url", "hs_analytics_last_url", "hs_analytics_first_timestamp",
        "hs_analytics_first_visit_timestamp", "hs_analytics_first_referrer", "first_conversion_event_name",
        "hs_country_region_code", "ip_country_code",
        "hs_google_click_id", "hs_facebook_click_id", "hs_bing_click_id", "hs_linkedin_click_id",
        "hs_tiktok_click_id", "hs_merged_object_ids", "hs_v2_date_entered_current_stage",
    ),
    "deals": (
        "amount", "closedate", "dealname", "dealstage", "deal_currency_code", "pipeline", "hubspot_owner_id",
        "hs_is_closed", "hs_is_closed_won", "hs_deal_stage_probability", "hs_merged_object_ids",
    ),
    "companies": ("domain", "name", "industry", "hs_merged_object_ids"),
}  # fmt: skip

# HubSpot's own words for where a contact came from, by Google's channel.
ANALYTICS_SOURCES = {
    "Paid Search": "PAID_SEARCH",
    "Cross-network": "PAID_SEARCH",
    "Paid Shopping": "PAID_SEARCH",
    "Display": "OTHER_CAMPAIGNS",
    "Paid Video": "OTHER_CAMPAIGNS",
    "Paid Social": "PAID_SOCIAL",
    "Organic Search": "ORGANIC_SEARCH",
    "Organic Social": "SOCIAL_MEDIA",
    "Organic Video": "SOCIAL_MEDIA",
    "Referral": "REFERRALS",
    "Email": "EMAIL_MARKETING",
    "AI Assistant": "AI_REFERRALS",
    "Direct": "DIRECT_TRAFFIC",
}


def in_portal(pipeline: Pipeline) -> Pipeline:
    """The pipeline with the portal's ids for it and its stages."""
    stages = tuple(replace(stage, id=DEAL_STAGES[stage.id]) for stage in pipeline.stages)
    return replace(pipeline, id=PIPELINE_IDS[pipeline.id], stages=stages)
