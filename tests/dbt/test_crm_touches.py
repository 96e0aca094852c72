"""Where leads come from, what counts as a touch, and who gets the credit. The cases are those of crm_world.py."""

from __future__ import annotations

from decimal import Decimal

import pytest


@pytest.mark.parametrize(
    ("lead_id", "basis", "channel", "source", "medium", "touch_id"),
    [
        ("by_record_session", "session", "Organic Social", "linkedin.com", "referral", None),
        ("by_form_utm", "utm", "Referral", "partner", "referral", "submission:form_utm"),
        ("by_page_url", "utm", "Referral", "partner", "referral", "submission:page_url"),
        ("by_utm", "utm", "Paid Search", "google", "cpc", "record:hubspot:by_utm"),
        ("by_gclid", "click_id", "Paid Search", "google", "cpc", "record:hubspot:by_gclid"),
        # fbclid proves Facebook, not payment: the UTM stands
        ("by_fbclid_and_utm", "utm", "Email", "newsletter", "email", "record:hubspot:by_fbclid_and_utm"),
        ("by_first_url", "utm", "Referral", "partner", "referral", "record:hubspot:by_first_url"),
        ("by_last_url", "click_id", "Paid Search", "bing", "cpc", "record:hubspot:by_last_url"),
        ("by_crm_source", "crm_source", "Organic Search", "(not set)", "(not set)", "record:hubspot:by_crm_source"),
        ("by_crm_direct", "crm_source", "Direct", "(direct)", "(none)", "record:hubspot:by_crm_direct"),
        ("offline", "none", "(not set)", "(not set)", "(not set)", None),
        ("form_alone", "none", "(not set)", "(not set)", "(not set)", "submission:form_alone"),
        # the form (three minutes after the lead) made the lead, the record knows from where
        ("form_and_record", "crm_source", "Paid Social", "(not set)", "(not set)", "submission:form_and_record"),
        # an hour after the lead: that form did not make it
        ("form_after", "crm_source", "Referral", "(not set)", "(not set)", "record:hubspot:form_after"),
        ("two_forms", "utm", "Paid Search", "bing", "cpc", "submission:demo"),
        # the record that made the lead says nothing, an older one of the same person does
        ("two_records_older", "utm", "Referral", "partner", "referral", "record:hubspot:two_records_older"),
    ],
)
def test_the_touch_that_made_the_lead(portal, lead_id, basis, channel, source, medium, touch_id) -> None:
    rows = portal.dicts(f"select * from marts.fct_leads where lead_id = 'hubspot:{lead_id}'")
    lead = rows[0]
    assert (lead["touch_basis"], lead["channel"], lead["source"], lead["medium"]) == (basis, channel, source, medium)
    if basis != "session":
        assert lead["touch_id"] == touch_id


def test_the_session_of_the_form_wins_over_everything_else(portal) -> None:
    lead = portal.dicts("select * from marts.fct_leads where lead_id = 'hubspot:by_session'")[0]
    assert (lead["channel"], lead["source"], lead["medium"]) == ("Paid Search", "google", "cpc")
    assert (lead["landing_page"], lead["device"], lead["form"]) == ("/kit", "mobile", "Ask for a demo")
    assert f"{lead['touch_at']:%m-%d %H:%M}" == "03-02 09:58"
    # the visit of the evening before is the first touch; the one three days later came after the lead
    assert (lead["first_touch_channel"], lead["first_touch_source"]) == ("Organic Search", "google")
    assert lead["last_touch_channel"] == "Paid Search"


def test_what_the_touch_does_not_say_the_record_says(portal) -> None:
    rows = portal.rows(
        "select lead_id, campaign, campaign_key, landing_page, country, form from marts.fct_leads "
        "where lead_id in ('hubspot:by_utm', 'hubspot:by_crm_source', 'hubspot:by_first_url', 'hubspot:offline') order by 1"
    )
    assert rows == [
        ("hubspot:by_crm_source", "(not set)", "(not set)", "/blog", "(not set)", "(not set)"),
        ("hubspot:by_first_url", "(not set)", "(not set)", "/kit", "(not set)", "(not set)"),
        ("hubspot:by_utm", "brand de", "utm:brand de", "(not set)", "(not set)", "(not set)"),
        ("hubspot:offline", "(not set)", "(not set)", "(not set)", "DE", "Ask for a demo"),
    ]


def touches(portal, where: str) -> list[tuple]:
    return portal.rows(
        f"select touch_kind, channel, strftime(touched_at, '%m-%d %H:%M') from marts.fct_touchpoints where {where} order by touched_at, touch_id"
    )


def test_a_form_inside_a_session_is_that_sessions_touch(portal) -> None:
    assert touches(portal, "person_id = 'hubspot:by_session'") == [
        ("session", "Organic Search", "03-01 20:00"),
        ("session", "Paid Search", "03-02 09:58"),
        ("session", "Organic Search", "03-05 08:00"),
    ]
    forms = portal.rows(
        "select form from marts.fct_touchpoints where person_id = 'hubspot:by_session' order by touched_at"
    )
    assert forms == [("(not set)",), ("Ask for a demo",), ("Ask for a demo",)]


def test_a_form_alone_is_a_touch_and_direct_where_nothing_is_known(portal) -> None:
    assert touches(portal, "person_id = 'hubspot:form_alone'") == [("form_submission", "Direct", "03-07 12:00")]
    assert touches(portal, "person_id = 'hubspot:form_and_record'") == [
        ("form_submission", "Paid Social", "03-07 13:00")
    ]
    assert touches(portal, "touch_id = 'submission:of_nobody'") == [("form_submission", "Direct", "01-01 00:00")]


def test_the_origin_on_a_record_is_a_touch_only_for_who_has_no_other(portal) -> None:
    assert touches(portal, "person_id = 'hubspot:by_utm'") == [("crm_utm", "Paid Search", "03-05 12:00")]
    assert touches(portal, "person_id = 'hubspot:by_crm_source'") == [("crm_source", "Organic Search", "03-06 12:00")]
    # a later form of somebody whose source the CRM knows has that source
    assert touches(portal, "person_id = 'hubspot:form_after'") == [("form_submission", "Referral", "03-08 13:00")]
    assert touches(portal, "person_id = 'hubspot:offline'") == []


def test_a_visitor_whom_nobody_knows_has_touches_too(portal) -> None:
    rows = portal.rows(
        "select visitor_id, person_id, lead_id, channel from marts.fct_touchpoints where visitor_id = 'client_3'"
    )
    assert rows == [("client_3", None, None, "Direct")]


def credits(portal, conversion_id: str) -> list[tuple]:
    return portal.rows(
        "select conversion_type, entry, channel, credit, revenue, gross_margin from marts.fct_attribution "
        f"where conversion_id = 'hubspot:{conversion_id}' and model = 'last' order by conversion_type, entry"
    )


def test_every_conversion_of_a_person_with_one_touch_goes_to_it(portal) -> None:
    assert credits(portal, "by_utm") == [
        ("lead", "conversion", "Paid Search", 1.0, None, None),
        ("mql", "conversion", "Paid Search", 1.0, None, None),
        ("opportunity", "conversion", "Paid Search", 1.0, None, None),
        ("order", "conversion", "Paid Search", 1.0, Decimal(1000), Decimal(600)),
        ("order", "refund", "Paid Search", 0.0, Decimal(-200), Decimal(-120)),
        ("sql", "conversion", "Paid Search", 1.0, None, None),
    ]
    dates = portal.rows(
        "select entry, touch_date::varchar, conversion_date::varchar from marts.fct_attribution "
        "where conversion_id = 'hubspot:by_utm' and conversion_type = 'order' and model = 'last' order by 1"
    )
    assert dates == [("conversion", "2026-03-05", "2026-03-25"), ("refund", "2026-03-05", "2026-03-28")]


def test_outside_the_lookback_or_without_a_touch_the_credit_is_unattributed(portal) -> None:
    channels = {(kind, channel) for kind, _, channel, *_ in credits(portal, "old_touch")}
    # 40 days from touch to deal: more than the 30 of opportunities, less than the 90 of orders
    assert {("opportunity", "(unattributed)"), ("order", "Referral"), ("lead", "Referral")} <= channels
    assert credits(portal, "nobody")[1] == ("order", "conversion", "(unattributed)", 1.0, Decimal(60), Decimal(36))
    assert credits(portal, "offline") == [("lead", "conversion", "(unattributed)", 1.0, None, None)]
    # a form of which nothing is known is a direct touch
    assert credits(portal, "form_alone") == [("lead", "conversion", "Direct", 1.0, None, None)]


def test_credits_sum_to_the_conversions_and_revenue_to_the_cent(portal) -> None:
    sums = portal.rows(
        "select conversion_type, conversion_id, sum(credit) from marts.fct_attribution where model = 'last' group by 1, 2"
    )
    lonely = {row for row in sums if row[2] != 1}
    assert lonely == {("order", "hubspot:lonely_refund", 0.0)}  # a refund of no known order
    counted = dict(
        portal.rows("select conversion_type, sum(credit) from marts.fct_attribution where model = 'last' group by 1")
    )
    stages = portal.rows(
        "select stage, count(*) from marts.fct_lead_stages where stage in ('lead', 'mql', 'sql') group by 1"
    )
    expected = dict(stages)
    expected["opportunity"] = portal.rows("select count(*) from marts.fct_opportunities")[0][0]
    expected["order"] = portal.rows("select count(*) from marts.fct_orders where kind = 'order'")[0][0]
    assert counted == expected
    assert portal.rows(
        "select sum(revenue), sum(gross_margin), sum(is_new_customer::int) from marts.fct_attribution where model = 'last'"
    ) == portal.rows("select sum(amount), sum(gross_margin_amount), sum(is_new_customer::int) from marts.fct_orders")
