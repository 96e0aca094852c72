"""Clicks in e-mails: whose they are, where they come from, and which visit they began."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.support.crm_rows import Row, portal
from tests.support.crm_world import lead, session
from tests.support.house import House

MODELS = ("+fct_touchpoints", "+fct_leads")
SITE = "https://shop.example"
SPRING = f"{SITE}/spring?utm_source=newsletter&utm_medium=email&utm_campaign=Spring%20Sale"


def click(email: str, at: str, url: str | None = SPRING, **more: Any) -> Row:
    return {"email_hash": email, "clicked_at": f"2026-03-{at}", "url": url, **more}


def visit(
    client: str, at: str, source: str = "newsletter", medium: str = "email", campaign: str = "spring sale"
) -> Row:
    return session(client, f"2026-03-{at}", source, medium, sessionCampaignName=campaign)


CONTACTS = [
    lead(each, "2026-03-01", email_hash=each, ga_client_id=f"c-{each}")
    for each in ("ann", "bob", "eve", "dan", "pat", "kim", "zoe")
]
CLICKS = [
    # ann: the visit of the same campaign began two minutes later; a robot had opened the link at once, twice
    click("ann", "10T10:00:00"), click("ann", "10T10:00:00", url=SPRING + "&utm_content=footer"), click("ann", "10T10:01:00"),
    # bob: his browser was not seen; he clicks again after 40 minutes, and another e-mail in between
    click("bob", "10T10:00"), click("bob", "10T10:20", campaign="June news", url=f"{SITE}/june"), click("bob", "10T10:40"),
    # eve: her visits are of another campaign, before and long after
    click("eve", "10T10:00"),
    # dan: clicked while a visit was under way: that visit's touch
    click("dan", "10T10:10"),
    # pat: a link without tags, and a visit that the vendor therefore calls direct
    click("pat", "10T10:00", url=f"{SITE}/", campaign="June news", source="crm"),
    # kim: tags that no channel rule knows, &amp; between them, in capitals
    click("kim", "10T10:00", url=f"{SITE}/?utm_source=Mailer&amp;UTM_Medium=Blast&utm_campaign=kim"),
    # zoe: a paid click id in the address does not make an ad of an e-mail
    click("zoe", "10T10:00", url=f"{SITE}/?gclid=copied&utm_medium=email&utm_source=newsletter"),
    # nobody the CRM knows
    click("stranger", "10T10:00"),
]  # fmt: skip
VISITS = [
    visit("c-ann", "10T10:02"),
    visit("c-eve", "10T09:20", "google", "cpc", "brand"), visit("c-eve", "10T10:20", "google", "cpc", "brand"), visit("c-eve", "10T10:31"),
    visit("c-dan", "10T09:50", "google", "organic", "(organic)"),
    visit("c-pat", "10T10:00", "(direct)", "(none)", "(direct)"),
]  # fmt: skip


def world(step: int = 1) -> dict[str, Any]:
    return {**portal(CONTACTS), "ga4/sessions": VISITS[::step], "files/email_clicks": CLICKS[::step]}


def touches(house: House, who: str) -> list[tuple]:
    return house.rows(
        "select touch_kind, strftime(touched_at, '%H:%M'), channel, source, campaign_key from marts.fct_touchpoints "
        f"where (person_id = 'hubspot:{who}' or visitor_id = 'email:{who}') and touch_date = '2026-03-10' order by touched_at"
    )


def test_a_click_and_the_visit_that_it_began_are_one_touch(warehouse: Callable[..., House]) -> None:
    house = warehouse(world(), *MODELS)
    assert touches(house, "ann") == [("session", "10:02", "Email", "newsletter", "utm:spring sale")]
    assert touches(house, "bob") == [
        ("email_click", "10:00", "Email", "newsletter", "utm:spring sale"),
        ("email_click", "10:20", "Email", "email", "utm:june news"),
        ("email_click", "10:40", "Email", "newsletter", "utm:spring sale"),
    ]
    assert touches(house, "eve") == [
        ("session", "09:20", "Paid Search", "google", "utm:brand"),
        ("email_click", "10:00", "Email", "newsletter", "utm:spring sale"),
        ("session", "10:20", "Paid Search", "google", "utm:brand"),
        ("session", "10:31", "Email", "newsletter", "utm:spring sale"),  # a minute more than half an hour
    ]
    assert touches(house, "dan") == [("session", "09:50", "Organic Search", "google", "(not set)")]
    assert touches(house, "pat") == [("session", "10:00", "Email", "crm", "utm:june news")]
    assert touches(house, "kim") == [("email_click", "10:00", "Email", "mailer", "utm:kim")]
    assert touches(house, "zoe") == [("email_click", "10:00", "Email", "newsletter", "(not set)")]
    assert touches(house, "stranger") == [("email_click", "10:00", "Email", "newsletter", "utm:spring sale")]
    house.build("fct_touchpoints", "int_email_clicks_matched", "int_touchpoints_unioned", command="test")


def test_campaigns_and_pages_that_only_e_mails_know_are_members_of_their_cuts(warehouse: Callable[..., House]) -> None:
    house = warehouse(world(), *MODELS, "dim_campaign", "dim_landing_page")
    touched = "marts.fct_touchpoints where touch_kind = 'email_click'"
    for column, dimension in (("campaign_key", "dim_campaign"), ("landing_page", "dim_landing_page")):
        assert house.rows(f"select {column} from {touched} except select {column} from marts.{dimension}") == []
    assert house.rows("select campaign_name from marts.dim_campaign where campaign_key = 'utm:june news'") == [
        ("june news",)
    ]
    assert house.rows("select landing_page_section from marts.dim_landing_page where landing_page = '/june'") == [
        ("/june",)
    ]


def test_a_file_delivered_twice_and_another_order_change_nothing(warehouse: Callable[..., House]) -> None:
    there = warehouse(world(), *MODELS).table("marts.fct_touchpoints")
    again = {**world(-1), "files/email_clicks": [*CLICKS[::-1], *({**row, "_copy": 2} for row in CLICKS)]}
    assert warehouse(again, *MODELS).table("marts.fct_touchpoints") == there


def test_a_channel_rule_of_the_users_own_decides(warehouse: Callable[..., House]) -> None:
    rules = {"channels": {"own": ["Partner mailing"], "rules": [{"channel": "Partner mailing", "source": "mailer"}]}}
    assert touches(warehouse(world(), *MODELS, rules=rules), "kim")[0][2] == "Partner mailing"
