"""A small HubSpot portal in which every odd thing happens to somebody. Ids say to whom what happens.

Today is 2026-03-31, the reporting zone Berlin, the currency EUR; 1 EUR = 1.25 USD from 2 February on, and there is
no rate for GBP. Moments without an hour are midnight UTC, the same day in Berlin.
"""

from __future__ import annotations

import json
from typing import Any

from tests.support.crm_rows import Row, archived, contact, deal, lost, portal, won

RULES: dict[str, Any] = {
    "reporting": {"time_zone": "Europe/Berlin", "currency": "EUR"},
    "gross_margin": {"default": 0.6, "products": {"Kit": 0.25}},
    "maturity": {"stage_windows_days": {"sql>opportunity": 5, "opportunity>won": 60}},
    "attribution": {"lookback_days": {"opportunity": 30}},
}

MQL, SQL = "marketingqualifiedlead", "salesqualifiedlead"


def lead(contact_id: str, at: str = "2026-01-01", **more: Any) -> Row:
    """A contact that is a lead from its first moment."""
    return contact(contact_id, at, ("lead", at), **more)


# ---- who is a lead -----------------------------------------------------------------------------------------

_archived_survivor = lead("archived_survivor", "2026-01-05", hs_merged_object_ids="archived_loser")

PEOPLE = [
    lead("deleted"),
    archived(lead("deleted"), "2026-02-01"),
    contact("subscriber", "2026-01-03", ("subscriber", "2026-01-03")),
    contact("blank", "2026-01-04"),
    # two versions of one contact, the newer one first
    contact("updated", "2026-01-01", ("subscriber", "2026-01-01"), ("lead", "2026-02-01")),
    contact("updated", "2026-01-01", ("subscriber", "2026-01-01")),
    # merge_1 went into merge_2, which went into merge_3; HubSpot itself has forgotten merge_0
    lead("merge_1"),
    lead("merge_2", "2026-01-02", hs_merged_object_ids="merge_1;merge_0"),
    lead("merge_3", "2026-01-05", hs_merged_object_ids="merge_2", additional_email_hashes=["email-merge_0"]),
    lead("archived_loser"),
    _archived_survivor,
    archived(_archived_survivor, "2026-03-01"),
    # one e-mail twice; the office phone stands beside two e-mails and once alone; a mobile alone, twice
    lead("twice_late", "2026-01-09", email_hash="anna", phone_hash="office"),
    lead("twice_early", "2026-01-03", email_hash="anna"),
    lead("colleague", "2026-01-04", email_hash="bert", phone_hash="office"),
    lead("office_phone", "2026-01-05", email_hash=None, phone_hash="office"),
    lead("mobile_1", "2026-01-06", email_hash=None, phone_hash="mobile"),
    lead("mobile_2", "2026-01-07", email_hash=None, phone_hash="mobile"),
    lead("nameless", "2026-01-08", email_hash=None),
]
MERGE_DEALS = [
    won("of_merge_0", "2026-02-01", "2026-02-11", contacts=["merge_0"]),
    deal("of_merge_1", "2026-02-12", contacts=[("merge_1", True), "nameless"]),
    deal("deal_loser", "2026-02-13"),
    deal("deal_survivor", "2026-02-13", contacts=["mobile_1"], hs_merged_object_ids="deal_loser"),
    archived(deal("deal_deleted", "2026-02-14", contacts=["nameless"]), "2026-02-20"),
]

# ---- stages ------------------------------------------------------------------------------------------------

STAGES = [
    contact("backward", "2026-01-01", ("lead", "2026-01-01"), (MQL, "2026-01-05"), ("lead", "2026-01-10"), (MQL, "2026-01-20"),
            # HubSpot's date property has the latest entry: it must not win over the history
            stage_entered_at=json.dumps({MQL: "2026-01-20T00:00:00+00:00", "lead": "2026-01-10T00:00:00+00:00"})),
    contact("skipped", "2026-01-01", ("lead", "2026-01-01"), (SQL, "2026-01-15")),
    contact("overtaken", "2026-01-01", ("lead", "2026-01-01"), (SQL, "2026-01-15"), (MQL, "2026-01-20")),
    contact("no_history", "2026-01-01", lifecyclestage=MQL, lifecyclestage_history=None,
            stage_entered_at=json.dumps({"lead": "2026-01-02T00:00:00+00:00", MQL: "2026-01-09T00:00:00+00:00"})),
    contact("no_dates", "2026-01-04", lifecyclestage=MQL, lifecyclestage_history=None),
    contact("no_dates_lead", "2026-01-06", lifecyclestage="lead", lifecyclestage_history=[]),
    # exactly 30 days of 24 hours, and one second more; the clocks of Berlin change in between
    contact("in_window", "2026-03-01T10:00", ("lead", "2026-03-01T10:00"), (MQL, "2026-03-31T10:00")),
    contact("out_of_window", "2026-03-01T10:00", ("lead", "2026-03-01T10:00"), (MQL, "2026-03-31T10:00:01")),
    contact("in_steps", "2026-01-01", ("lead", "2026-01-01"), (SQL, "2026-01-04")),
    lead("at_midnight", "2025-06-30T22:30"),
    lead("primary", "2026-01-05"),
    # HubSpot itself sets these two to customer and opportunity with the deal of their colleague
    contact("colleague_of_primary", "2026-01-02", ("lead", "2026-01-02"), ("customer", "2026-02-10")),
    contact("bystander", "2026-01-20", ("opportunity", "2026-01-20")),
    lead("unlabelled_late", "2026-01-04"),
    lead("unlabelled_early", "2026-01-03"),
    lead("lost_twice"),
    lead("lost_but_open"),
    lead("reopened"),
    lead("won_again"),
]  # fmt: skip
STAGE_DEALS = [
    won("in_steps", "2026-01-10", "2026-03-11", contacts=["in_steps"]),
    won("at_midnight", "2025-07-02", "2026-01-31T23:30", contacts=["at_midnight"]),
    won("primary", "2026-01-20", "2026-02-10", contacts=["colleague_of_primary", ("primary", True), "bystander"]),
    lost("primary_lost", "2026-02-15", "2026-02-20", contacts=["primary"]),
    won("unlabelled", "2026-01-20", "2026-02-10", contacts=["unlabelled_late", "unlabelled_early"]),
    lost("lost_1", "2026-01-10", "2026-01-20", contacts=["lost_twice"]),
    lost("lost_2", "2026-01-12", "2026-01-30", contacts=["lost_twice"]),
    lost("lost_3", "2026-01-10", "2026-01-20", contacts=["lost_but_open"]),
    deal("still_open", "2026-02-10", contacts=["lost_but_open"]),
    deal("reopened", "2026-01-10", ("qualified", "2026-01-10"), ("closedwon", "2026-02-01"), ("qualified", "2026-02-05"),
         contacts=["reopened"], closedate="2026-04-30"),
    deal("won_again", "2026-01-11", ("qualified", "2026-01-11"), ("closedwon", "2026-02-01"), ("qualified", "2026-02-05"),
         ("closedwon", "2026-03-01"), contacts=["won_again"], closedate=None),
]  # fmt: skip

# ---- money -------------------------------------------------------------------------------------------------

BUYERS = [lead(f"buyer_{each}") for each in ("returned", "part", "mixed", "dollars", "pounds", "unknown", "repeat")]


def refund(deal_id: str, of: str | None, at: str, amount: float | None, **more: Any) -> Row:
    return won(deal_id, at, at, amount=amount, refund_of_deal_id=of, **more)


ORDER_DEALS = [
    # the first order came back whole, so the second one makes the customer new
    won("returned_1", "2026-01-02", "2026-01-10", amount=500, product="Kit", contacts=["buyer_returned"]),
    refund("returned_1r", "returned_1", "2026-01-20", -500),
    won("returned_2", "2026-02-01", "2026-02-15", amount=700, contacts=["buyer_returned"]),
    # only a part came back
    won("part_1", "2026-01-02", "2026-01-10", amount=400, contacts=["buyer_part"]),
    refund("part_1r", "part_1", "2026-01-21", -100, contacts=["buyer_part"]),
    # 125 USD = 100 EUR came back in EUR
    won("mixed_1", "2026-02-02", "2026-02-03", amount=125, currency="USD", contacts=["buyer_mixed"]),
    refund("mixed_1r", "mixed_1", "2026-02-10", -100, contacts=["buyer_mixed"]),
    won("dollars", "2026-02-02", "2026-02-04", amount=250, currency="USD", contacts=["buyer_dollars"]),
    won("pounds", "2026-02-02", "2026-02-04", amount=90, currency="GBP", contacts=["buyer_pounds"]),
    won("unknown", "2026-02-02", "2026-02-04", amount=None, contacts=["buyer_unknown"]),
    # a repeat deal, created before the first was won; the first created counts, not the first won
    won("repeat_1", "2026-01-11", "2026-02-10", amount=100, contacts=["buyer_repeat"]),
    won("repeat_2", "2026-01-16", "2026-01-26T12:00", amount=100, contacts=["buyer_repeat"]),
    won("company_only", "2026-02-02", "2026-02-12", amount=80, companies=["acme", "other"]),
    won("company_repeat", "2026-02-20", "2026-02-25", amount=80, companies=["acme"]),
    won("nobody", "2026-02-02", "2026-02-12", amount=60),
    refund("lonely_refund", None, "2026-02-14", -10, contacts=["buyer_part"]),
    refund("open_refund", "part_1", "2026-02-14", -10, dealstage="qualified", contacts=["buyer_part"]),
]
RATES = [
    {"date": "2026-02-02", "provider": "ecb", "base_currency": "EUR", "currency": "USD", "rate": 1.25},
    {"date": "2026-02-09", "provider": "ecb", "base_currency": "EUR", "currency": "USD", "rate": 1.25},
]

# ---- origins -----------------------------------------------------------------------------------------------

SITE = "https://shop.example"


def submission(submission_id: str, at: str, email: str | None, **more: Any) -> Row:
    return {
        "conversionId": submission_id,
        "form_id": "demo",
        "submittedAt": at,
        "pageUrl": f"{SITE}/demo",
        "email_hash": None if email is None else f"email-{email}",
        **more,
    }


ORIGINS = [
    lead("by_session", "2026-03-02T10:05", utm_source="newsletter", utm_medium="email", hs_analytics_source="OFFLINE"),
    lead("by_record_session", "2026-03-03T09:30", ga_client_id="client_2", utm_source="newsletter", utm_medium="email"),
    lead("by_form_utm", "2026-03-04T12:00", utm_source="bing", utm_medium="cpc"),
    lead("by_page_url", "2026-03-04T13:00", utm_source="bing", utm_medium="cpc"),
    lead("by_utm", "2026-03-05T12:00", utm_source=" Google ", utm_medium="CPC", utm_campaign="Brand DE", hs_analytics_source="DIRECT_TRAFFIC"),
    lead("by_gclid", "2026-03-05T13:00", gclid="click-1"),
    lead("by_fbclid_and_utm", "2026-03-05T14:00", fbclid="fb-1", utm_source="newsletter", utm_medium="email"),
    lead("by_first_url", "2026-03-05T15:00", hs_analytics_first_url=f"{SITE}/kit?utm_source=partner&utm_medium=referral",
         hs_analytics_last_url=f"{SITE}/?utm_source=bing&utm_medium=cpc"),
    lead("by_last_url", "2026-03-05T16:00", hs_analytics_first_url=f"{SITE}/kit", hs_analytics_last_url=f"{SITE}/?msclkid=m-1"),
    lead("by_crm_source", "2026-03-06T12:00", hs_analytics_source="ORGANIC_SEARCH", hs_analytics_first_url=f"{SITE}/blog"),
    lead("by_crm_direct", "2026-03-06T13:00", hs_analytics_source="DIRECT_TRAFFIC"),
    lead("offline", "2026-03-06T14:00", hs_analytics_source="OFFLINE", country="Germany", first_conversion_event_name="Demo: Ask for a demo"),
    lead("form_alone", "2026-03-07T12:00", hs_analytics_source="OFFLINE"),
    lead("form_and_record", "2026-03-07T13:00", hs_analytics_source="PAID_SOCIAL"),
    lead("form_after", "2026-03-08T12:00", hs_analytics_source="REFERRALS"),
    lead("old_touch", "2026-02-01", utm_source="partner", utm_medium="referral"),
    contact("two_forms", "2026-02-20", ("subscriber", "2026-02-20"), ("lead", "2026-03-09T12:00")),
    contact("two_records", "2026-03-01", ("lead", "2026-03-01"), email_hash="carl"),
    contact("two_records_older", "2026-02-01", ("subscriber", "2026-02-01"), email_hash="carl", utm_source="partner", utm_medium="referral"),
]  # fmt: skip
ORIGIN_DEALS = [
    won("by_utm", "2026-03-20", "2026-03-25", amount=1000, contacts=["by_utm"]),
    refund("by_utm_r", "by_utm", "2026-03-28", -200),
    # the lead was made 40 days before: outside the 30 days of opportunities, inside the 90 of orders
    won("old_touch", "2026-03-13", "2026-03-14", amount=50, contacts=["old_touch"]),
]
SUBMISSIONS = [
    submission("of_session", "2026-03-02T10:05", "by_session", ga_client_id="client_1"),
    # another visit of the same browser, three days later, sends a form again: that visit did not make the lead
    submission("of_session_later", "2026-03-05T08:10", "by_session", ga_client_id="client_1"),
    submission("form_utm", "2026-03-04T12:00", "by_form_utm", utm_source="partner", utm_medium="referral"),
    submission(
        "page_url", "2026-03-04T13:00", "by_page_url", pageUrl=f"{SITE}/demo?utm_source=partner&amp;utm_medium=referral"
    ),
    submission("form_alone", "2026-03-07T12:00", "form_alone"),
    submission("form_and_record", "2026-03-07T13:03", "form_and_record"),
    submission("form_after", "2026-03-08T13:00", "form_after"),
    submission(
        "newsletter", "2026-02-20", "two_forms", form_id="newsletter", utm_source="partner", utm_medium="referral"
    ),
    submission("demo", "2026-03-09T11:59", "two_forms", utm_source="bing", utm_medium="cpc"),
    submission("of_merged", "2026-01-01", "merge_1"),
    submission("of_forgotten", "2026-01-01", "merge_0"),
    submission("of_nobody", "2026-01-01", "stranger"),
]
FORMS = [
    {"id": "demo", "name": "Ask for a demo", "archived": False, "createdAt": "2025-01-01", "updatedAt": "2025-01-01"},
    {"id": "newsletter", "name": "Newsletter", "archived": True, "createdAt": "2025-01-01", "updatedAt": "2025-01-01"},
]


def session(client: str, at: str, source: str, medium: str, landing: str = "/", **more: Any) -> Row:
    """A session as GA4 gives it; `at` is the property's wall clock (here UTC)."""
    return {
        "date": at[:10],
        "dateHourMinute": at,
        "clientId": client,
        "sessionSource": source,
        "sessionMedium": medium,
        "sessionCampaignName": "(not set)",
        "sessionManualTerm": "(not set)",
        "sessionManualAdContent": "(not set)",
        "landingPagePlusQueryString": landing,
        "deviceCategory": "mobile",
        "sessions": 1,
        "engagedSessions": 1,
        "keyEvents": 0.0,
        **more,
    }


SESSIONS = [
    session("client_1", "2026-03-01T20:00", "google", "organic", "/blog"),
    session("client_1", "2026-03-02T09:58", "google", "cpc", "/kit?x=1"),
    session("client_1", "2026-03-05T08:00", "bing", "organic"),
    session("client_2", "2026-03-03T09:10", "linkedin.com", "referral", "/about"),
    session("client_3", "2026-03-03T09:10", "(direct)", "(none)"),
]
OWNERS = [
    {
        "id": "o1",
        "firstName": "Olga",
        "lastName": "Owner",
        "archived": False,
        "createdAt": "2025-01-01",
        "updatedAt": "2025-01-01",
    },
    {
        "id": "o2",
        "firstName": "Otto",
        "lastName": None,
        "archived": True,
        "createdAt": "2025-01-01",
        "updatedAt": "2025-01-01",
    },
]
OWNED = [
    lead("of_archived_owner", "2026-01-01", hubspot_owner_id="o2"),
    lead("of_unknown_owner", "2026-01-01", hubspot_owner_id="o9"),
]
OWNED_DEALS = [won("of_owner", "2026-03-01", "2026-03-02", contacts=["of_archived_owner"], hubspot_owner_id="o1")]


def world() -> dict[str, list[Row]]:
    """Raw tables for House.put."""
    deals = [*MERGE_DEALS, *STAGE_DEALS, *ORDER_DEALS, *ORIGIN_DEALS, *OWNED_DEALS]
    people = [*PEOPLE, *STAGES, *BUYERS, *ORIGINS, *OWNED]
    hubspot = portal(people, deals, forms=FORMS, form_submissions=SUBMISSIONS, owners=OWNERS)
    return {**hubspot, "fx/rates": RATES, "ga4/sessions": SESSIONS}
