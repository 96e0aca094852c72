"""Every click id of the registry where it arrives: landing pages of GA4 and its export, pages of forms, CRM addresses."""

from __future__ import annotations

from tests.dbt.test_url_tags import IMPLIES
from tests.support.crm_rows import portal
from tests.support.crm_world import lead, session, submission
from tests.support.house import House

SITE = "https://shop.example"
# by METHOD's registry; where the vendor saw nothing ids that prove no payment say where the visit came from
IDS = {name: implied for name, implied in IMPLIES.items() if name != "srsltid"}
SPELLINGS = {name: (name, name.upper(), name.lower()) for name in IDS}


def test_a_click_id_decides_where_the_vendor_saw_no_paid_visit(house: House) -> None:
    ga4, export, expected = [], [], {}
    for name, implied in IDS.items():
        for n, spelling in enumerate(SPELLINGS[name]):
            landing, minute = f"/kit?x=1&{spelling}=click-{n}", f"{n:02}"
            ga4.append(session(f"{name}-{n}", f"2026-03-10T10:{minute}", "(direct)", "(none)", landing))
            export.append(
                {"event_date": "2026-03-10", "event_timestamp": f"2026-03-10T10:{minute}", "event_name": "session_start",
                 "user_pseudo_id": f"{name}-{n}", "ga_session_id": 1, "page_location": SITE + landing}
            )  # fmt: skip
            expected[f"{name}-{n}"] = implied
    house.rules({})
    for stream, rows in (("ga4/sessions", ga4), ("ga4_export/events", export)):
        house.put(stream, rows)
    house.build("+int_sessions")
    for system in ("ga4", "ga4_export"):
        rows = house.rows(
            f"select client_id, source, medium from intermediate.int_sessions where source_system = '{system}'"
        )
        assert {client: tuple(origin) for client, *origin in rows} == expected
    column = house.rows("select count(*) from intermediate.int_sessions where sccid like 'click-%'")
    assert column == [(6,)]  # three spellings at two vendors: one column


def test_what_the_vendor_says_of_a_paid_visit_stands(house: House) -> None:
    house.put(
        "ga4/sessions",
        [
            session("paid", "2026-03-10T10:00", "google", "cpc", "/?dclid=1"),
            session("tagged", "2026-03-10T10:00", "news", "email", "/?twclid=1"),
            session("shared", "2026-03-10T10:00", "news", "email", "/?fbclid=1"),
        ],
    )
    house.build("+int_sessions")
    rows = house.rows("select client_id, source, medium, channel from intermediate.int_sessions order by 1")
    assert rows == [
        ("paid", "google", "cpc", "Paid Search"),
        ("shared", "news", "email", "Email"),  # fbclid proves no payment
        ("tagged", "twitter", "paid_social", "Paid Social"),  # a paid click outranks the tags
    ]


def test_a_form_and_a_record_without_tags_take_the_click_id_of_their_page(house: House) -> None:
    contacts, forms, expected = [], [], {}
    for name, implied in IDS.items():
        for n, spelling in enumerate(SPELLINGS[name]):
            who, page = f"{name}-{n}", f"{SITE}/demo?{spelling}=click-{n}"
            contacts.append(lead(who, "2026-03-10T10:00", **({"hs_analytics_first_url": page} if n else {})))
            if n == 0:
                forms.append(submission(who, "2026-03-10T10:00", who, pageUrl=page))
            expected[who] = ("click_id", *implied)
    for stream, rows in portal(contacts, form_submissions=forms).items():
        house.put(stream, rows)
    house.build("+fct_leads", "+fct_touchpoints")
    rows = house.rows("select crm_record_id, touch_basis, source, medium from marts.fct_leads")
    assert {who: tuple(origin) for who, *origin in rows} == expected
    kept = house.rows(
        "select count(*) from marts.fct_touchpoints where coalesce(dclid, twclid, sccid, epik, rdt_cid) is not null"
    )
    assert kept == [(15,)]  # five ids, three spellings
