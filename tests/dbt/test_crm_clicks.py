"""Forms and records that are known by a click only, lone forms of people whose source is known, and visits that share a
number. The cases are made by hand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.crm_rows import contact, portal
from tests.support.crm_world import session, submission
from tests.support.house import House

MODELS = ("+fct_leads", "+fct_touchpoints", "+fct_attribution")
SITE = "https://shop.example"


def lead(contact_id: str, at: str, **more: Any) -> dict[str, Any]:
    return contact(contact_id, at, ("lead", at), **more)


def visit(
    client: str, at: str, click: str | None = None, source: str = "google", medium: str = "cpc"
) -> dict[str, Any]:
    return session(client, at, source, medium, f"/kit?gclid={click}" if click else "/kit")


CONTACTS = [
    lead("field", "2026-03-02T10:05"), lead("page", "2026-03-02T11:05"), lead("later_visit", "2026-03-03T10:05"),
    lead("copied", "2026-03-04T10:05"), lead("record", "2026-03-05T10:05", gclid="click-\u200brecord"),
    lead("old_click", "2026-03-06T10:05", gclid="click-old"),
    # nothing but what the CRM says, and a form: before, with and long after the lead
    lead("referred", "2026-03-10T10:00", hs_analytics_source="REFERRALS"), lead("tagged", "2026-03-10T10:00", utm_source="bing", utm_medium="cpc"),
    lead("offline", "2026-03-10T10:00", hs_analytics_source="OFFLINE"),
    # a number that a spreadsheet rounded is nobody's
    lead("rounded_1", "2026-03-11T10:00", email_hash=None, ga_client_id="4.47900E+11"),
    lead("rounded_2", "2026-03-12T10:00", email_hash=None, ga_client_id="4.47900E+11"),
]  # fmt: skip
FORMS = [
    submission("field", "2026-03-02T10:05", "field", gclid="click-field"),
    submission("page", "2026-03-02T11:05", "page", pageUrl=f"{SITE}/demo?gclid=click-page"),
    submission("later_visit", "2026-03-03T10:05", "later_visit", gclid="click-later"),
    submission("copied", "2026-03-04T10:05", "copied", gclid="click-copied"),
    submission("referred", "2026-03-20T10:00", "referred"), submission("tagged", "2026-03-20T10:00", "tagged"),
    submission("offline", "2026-03-20T10:00", "offline"),
]  # fmt: skip
VISITS = [
    visit("b1", "2026-03-02T09:58", "click-field"),
    visit("b2", "2026-03-02T11:00", "click-page"),
    # the click brought the browser the day before; the form was sent in another visit of the same browser
    visit("b3", "2026-03-02T20:00", "click-later"), visit("b3", "2026-03-03T10:00", source="bing", medium="organic"),
    # a link that was passed on: its click says nothing about who somebody is
    *(visit(f"c{number}", "2026-03-04T10:00", "click-copied") for number in range(7)),
    visit("b4", "2026-03-05T10:00", "click-record"),
    visit("b5", "2026-03-04T10:00", "click-old"),
]  # fmt: skip


@pytest.fixture(scope="module")
def house(tmp_path_factory, dbt_project) -> House:
    house = House(tmp_path_factory.mktemp("clicks") / "home", dbt_project)
    for stream, rows in {**portal(CONTACTS, form_submissions=FORMS), "ga4/sessions": VISITS}.items():
        house.put(stream, rows)
    house.build(*MODELS)
    house.build("int_clicked_clients_matched", "int_form_submissions_matched", command="test")
    return house


@pytest.mark.parametrize(
    ("lead_id", "kind", "channel", "landing_page", "device"),
    [
        ("field", "session", "Paid Search", "/kit", "mobile"),
        ("page", "session", "Paid Search", "/kit", "mobile"),
        ("later_visit", "session", "Organic Search", "/kit", "mobile"),
        ("record", "session", "Paid Search", "/kit", "mobile"),
        ("copied", "form_submission", "Paid Search", "/demo", "(not set)"),
        # two days between the click and the record: the click counts, the visit did not make the lead
        ("old_click", "crm_utm", "Paid Search", "(not set)", "(not set)"),
    ],
)
def test_the_visit_of_the_click_made_the_lead(house: House, lead_id, kind, channel, landing_page, device) -> None:
    [row] = house.dicts(f"select * from marts.fct_leads where lead_id = 'hubspot:{lead_id}'")
    assert (row["touch_kind"], row["channel"], row["landing_page"], row["device"]) == (
        kind,
        channel,
        landing_page,
        device,
    )


@pytest.mark.parametrize(
    ("person", "expected"),
    [
        ("field", [("session", "Paid Search", "03-02 09:58")]),
        ("page", [("session", "Paid Search", "03-02 11:00")]),
        ("later_visit", [("session", "Paid Search", "03-02 20:00"), ("session", "Organic Search", "03-03 10:00")]),
        ("record", [("session", "Paid Search", "03-05 10:00")]),
        ("copied", [("form_submission", "Paid Search", "03-04 10:05")]),
        ("old_click", [("session", "Paid Search", "03-04 10:00")]),
        ("referred", [("form_submission", "Referral", "03-20 10:00")]),
        ("tagged", [("form_submission", "Paid Search", "03-20 10:00")]),
        ("offline", [("form_submission", "Direct", "03-20 10:00")]),
    ],
)
def test_a_form_is_one_touch(house: House, person: str, expected: list[tuple]) -> None:
    rows = house.rows(
        "select touch_kind, channel, strftime(touched_at, '%m-%d %H:%M') from marts.fct_touchpoints "
        f"where person_id = 'hubspot:{person}' order by touched_at"
    )
    assert rows == expected


def test_a_rounded_number_joins_nobody(house: House) -> None:
    rows = house.rows(
        "select record_key, person_id from intermediate.int_people_deduplicated where record_key like '%rounded%' order by 1"
    )
    assert rows == [(f"hubspot:rounded_{number}",) * 2 for number in (1, 2)]


def test_two_browsers_with_one_session_number_are_two_sessions(tmp_path, dbt_project) -> None:
    house = House(tmp_path / "home", dbt_project)
    at = "2026-03-05T10:00:00"
    house.put(
        "files/sessions",
        [
            {"session_id": "1772704800", "client_id": "one", "started_at": at, "source": "google", "medium": "cpc"},
            {"session_id": "1772704800", "client_id": "two", "started_at": at, "source": "bing", "medium": "organic"},
            {"session_id": "1772704800", "started_at": at, "source": "news", "medium": "email"},
        ],
    )
    house.build("+int_sessions", "+int_touchpoints_unioned")
    sessions = house.rows("select client_id, source from intermediate.int_sessions order by source")
    assert sessions == [("two", "bing"), ("one", "google"), (None, "news")]
    assert house.rows("select count(distinct session_id) from intermediate.int_sessions") == [(3,)]
    touches = house.rows("select visitor_id, channel from intermediate.int_touchpoints_unioned order by 1")
    assert touches == [("one", "Paid Search"), ("two", "Organic Search")]
