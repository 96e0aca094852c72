"""Who is a lead: deleted, merged and doubled records. The people are those of crm_world.py."""

from __future__ import annotations


def person_of(portal) -> dict[str, str]:
    rows = portal.rows("select record_key, person_id from intermediate.int_people_deduplicated")
    return {record.removeprefix("hubspot:"): person.removeprefix("hubspot:") for record, person in rows}


def is_lead(portal, contact_id: str) -> bool:
    return portal.rows(f"select count(*) from marts.fct_leads where lead_id = 'hubspot:{contact_id}'") == [(1,)]


def test_who_was_deleted_or_never_was_a_lead_is_out(portal) -> None:
    people = person_of(portal)
    for contact_id in ("deleted", "archived_loser", "archived_survivor"):
        assert contact_id not in people
    for contact_id in ("subscriber", "blank"):
        assert people[contact_id] == contact_id
        assert not is_lead(portal, contact_id)


def test_the_newest_version_of_a_contact_counts(portal) -> None:
    rows = portal.rows("select lead_date::varchar from marts.fct_leads where lead_id = 'hubspot:updated'")
    assert rows == [("2026-02-01",)]


def test_what_a_merged_contact_did_is_the_last_survivors(portal) -> None:
    people = person_of(portal)
    assert "merge_1" not in people
    assert "merge_2" not in people
    deals = portal.rows(
        "select deal_id, lead_id, customer_id from marts.fct_opportunities where deal_id like 'hubspot:of_merge_%' order by 1"
    )
    assert deals == [
        ("hubspot:of_merge_0", "hubspot:merge_3", "hubspot:merge_3"),
        ("hubspot:of_merge_1", "hubspot:merge_3", "hubspot:merge_3"),
    ]
    forms = portal.rows(
        "select touch_id, person_id from marts.fct_touchpoints "
        "where touch_id in ('submission:of_merged', 'submission:of_forgotten') order by 1"
    )
    assert forms == [("submission:of_forgotten", "hubspot:merge_3"), ("submission:of_merged", "hubspot:merge_3")]


def test_same_email_is_one_person_and_the_phone_counts_only_without_an_email(portal) -> None:
    people = person_of(portal)
    assert people["twice_late"] == people["twice_early"] == "twice_early"
    # the office phone alone goes to the older of the two people who have it beside an e-mail
    assert people["office_phone"] == people["colleague"] == "colleague"
    assert people["mobile_1"] == people["mobile_2"] == "mobile_1"
    assert people["nameless"] == "nameless"
    assert [is_lead(portal, each) for each in ("twice_late", "office_phone", "mobile_2")] == [False, False, False]


def test_merged_and_deleted_deals_are_out(portal) -> None:
    rows = portal.rows("select deal_id from marts.fct_opportunities where deal_id like 'hubspot:deal_%'")
    assert rows == [("hubspot:deal_survivor",)]


def test_an_archived_owner_and_one_whom_the_crm_has_forgotten_stay_members(portal) -> None:
    assert portal.rows("select * from marts.dim_sales_rep order by 1") == [
        ("(not set)", "(not set)", False),
        ("o1", "Olga Owner", False),
        ("o2", "Otto", True),
        ("o9", "o9", False),
    ]
    rows = portal.rows("select lead_id, sales_rep from marts.fct_leads where lead_id like '%owner' order by 1")
    assert rows == [("hubspot:of_archived_owner", "o2"), ("hubspot:of_unknown_owner", "o9")]
    assert portal.rows("select sales_rep from marts.fct_orders where order_id = 'hubspot:of_owner'") == [("o1",)]
