"""The invented company's records as the sandbox's HubSpot holds them: what HubSpot calculates, merges, spells its way."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dagster_project.sandbox.company import Company
from dagster_project.sources.hubspot.sandbox.records import Change, Records

NOW = datetime(2026, 10, 1, 6, tzinfo=UTC)


@pytest.fixture(scope="module")
def held(company: Company) -> Records:
    return Records(company)


def test_calculated_properties_follow_the_stage(held: Records) -> None:
    expected = {
        "closedwon": ("true", "true", 1.0),
        "98213302": ("true", "true", 1.0),
        "closedlost": ("true", "false", 0.0),
        "98213303": ("true", "false", 0.0),
        "appointmentscheduled": ("false", "false", 0.2),
        "contractsent": ("false", "false", 0.9),
    }
    seen = set()
    for view in held.deals_as_of(NOW):
        p = view.properties
        if p["dealstage"] in expected:
            seen.add(p["dealstage"])
            found = (p["hs_is_closed"], p["hs_is_closed_won"], float(p["hs_deal_stage_probability"] or "nan"))
            assert found == expected[p["dealstage"]]
    assert seen == expected.keys()


def test_stage_dates_of_a_contact_are_the_latest_entry(held: Records) -> None:
    recycled = [
        view
        for view in held.contacts_as_of(NOW)
        if [c.value for c in view.history["lifecyclestage"]].count("marketingqualifiedlead") == 2
    ]
    assert recycled
    for view in recycled:
        entries = [c.at for c in view.history["lifecyclestage"] if c.value == "marketingqualifiedlead"]
        latest = datetime.fromisoformat(view.properties["hs_v2_date_entered_marketingqualifiedlead"] or "")
        assert latest == max(entries) > min(entries)


def test_a_survivor_lists_whom_it_absorbed_and_their_addresses(company: Company, held: Records) -> None:
    loser, survivor = company.landmarks["merged_contact"], company.landmarks["merged_survivor"]
    before = {view.id: view for view in held.contacts_as_of(datetime(2026, 6, 15, 14, tzinfo=UTC))}
    after = {view.id: view for view in held.contacts_as_of(datetime(2026, 6, 15, 15, tzinfo=UTC))}
    assert "hs_merged_object_ids" not in before[survivor].properties
    assert after[survivor].properties["hs_merged_object_ids"] == loser
    assert after[survivor].properties["hs_additional_emails"] == before[loser].properties["email"]
    assert after[survivor].properties["lastmodifieddate"] == "2026-06-15T14:20:00.000Z"


def test_every_contact_says_where_it_came_from_in_hubspots_words(held: Records) -> None:
    documented = {
        "ORGANIC_SEARCH", "PAID_SEARCH", "EMAIL_MARKETING", "SOCIAL_MEDIA", "REFERRALS", "OTHER_CAMPAIGNS",
        "DIRECT_TRAFFIC", "OFFLINE", "PAID_SOCIAL", "AI_REFERRALS",
    }  # fmt: skip
    said = {view.properties["hs_analytics_source"] for view in held.contacts_as_of(NOW)}
    assert {"PAID_SEARCH", "ORGANIC_SEARCH", "DIRECT_TRAFFIC", "OFFLINE"} <= said <= documented
    imported = [view for view in held.contacts_as_of(NOW) if view.properties["hs_analytics_source"] == "OFFLINE"]
    made = [Change(view.created_at, "IMPORT", "IMPORT") for view in imported]
    assert [view.history["hs_analytics_source_data_1"][0] for view in imported] == made


def test_amounts_and_close_dates_are_texts_as_hubspot_writes_them(company: Company, held: Records) -> None:
    known = {view.id: view.values for view in company.deals_as_of(NOW)}
    amounts = set()
    for view in held.deals_as_of(NOW):
        if "amount" in view.properties:
            text = view.properties["amount"] or ""
            assert float(text) == known[view.id]["amount"]
            amounts.add(len(text.partition(".")[2]))
        closes_at = view.properties["closedate"] or ""
        assert datetime.fromisoformat(closes_at) == known[view.id]["closes_at"]
        assert (len(closes_at), closes_at[-1]) == (24, "Z")
    assert amounts == {0, 2}  # 1500 and 1274.15, never 1500.00
