"""Who logs in and who buys: user ids and transactions of the GA4 export as links between browsers, people and orders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.crm_rows import Row, contact, portal, won
from tests.support.crm_world import session, submission
from tests.support.house import DbtProject, House

RULES = {
    "web": {"truth": "ga4"},
    "revenue_truth": "files",
    "identity": {"people_per_client_id": 3, "people_per_click_id": 2, "browsers_per_login": 3},
}
MODELS = ("+dim_person_ids", "+audit_identity", "+int_touchpoints_unioned", "+int_file_orders_matched")
SITE = "https://shop.example"


def lead(contact_id: str, day: int, **ids: Any) -> Row:
    at = f"2026-03-{day:02}T12:00"
    return contact(contact_id, at, ("lead", at), **{"email_hash": None, **ids})


def seen(browser: str, at: str, *, user: str | None = None, transaction: str | None = None, visit: int = 1) -> Row:
    return {
        "event_date": f"2026-03-{at[:2]}", "event_timestamp": f"2026-03-{at}", "event_name": "purchase" if transaction else "login",
        "user_pseudo_id": browser, "ga_session_id": visit, "user_id_hash": user, "transaction_id": transaction,
    }  # fmt: skip


def visit(browser: str, at: str, landing: str = "/") -> Row:
    return session(browser, f"2026-03-{at}", "google", "organic", landing)


def order(order_id: str, **more: Any) -> Row:
    return {
        "order_id": order_id,
        "ordered_at": "2026-03-05T12:00",
        "amount": 10,
        "currency_code": "EUR",
        "is_refund": False,
        **more,
    }


WORLD: dict[str, list[Row]] = {
    "contacts": [
        # one login at two browsers, one of which the CRM knows
        lead("logged_in", 1, ga_client_id="desk"),
        # the user id is the e-mail, and so has its hash
        lead("by_mail", 2, email_hash="mail-1"),
        # two logins at one browser, on the 4th and the 14th
        lead("mum", 3, email_hash="mum"),
        lead("dad", 3, email_hash="dad"),
        # a test login on four browsers, where three are allowed
        lead("tester", 4, ga_client_id="lab-1"),
        lead("buyer", 2, email_hash="buyer"),
        lead("known_browser", 6, ga_client_id="till"),
        lead("receipt", 7, email_hash="receipt"),
        # the click is in the page's address only, in the platform's own spelling and in another
        # a deal of HubSpot has the number of the order; it has a colleague, too
        lead("dealt", 4, email_hash="dealt"), lead("colleague", 1, email_hash="colleague"),
        lead("snapped", 8, hs_analytics_first_url=f"{SITE}/?ScCid=snap-1&utm_source=snapchat"),
    ],
    "deals": [won("deal", "2026-03-04T12:00", "2026-03-06T12:00", contacts=["colleague", ("dealt", True)], order_id=" #2001")],
    "forms": [
        {**submission("tweeted", "2026-03-09T12:00", None, pageUrl=f"{SITE}/demo?TWCLID=tw-1"), "email_hash": "mail-1"},
    ],
    "visits": [
        visit("sofa", "10T10:00"), visit("mail-browser", "10T10:00"), visit("lab-2", "10T10:00"), visit("cart", "10T10:00"),
        visit("family", "03T10:00"), visit("family", "13T10:00"), visit("snap-browser", "09T10:00", "/?sccid=snap-1"),
        visit("deal-browser", "10T10:00"), visit("tw-browser", "09T10:00", "/?twclid=tw-1"), visit("copy-1", "10T10:00"),
    ],
    "events": [
        seen("desk", "02T10:00", user="user-1"), seen("sofa", "03T10:00", user="user-1"),
        seen("mail-browser", "04T10:00", user="mail-1"),
        seen("family", "04T10:00", user="mum", visit=1), seen("family", "14T10:00", user="dad", visit=2),
        *(seen(f"lab-{n}", f"0{n}T10:00", user="test-user") for n in range(1, 5)),
        seen("cart", "05T12:00", transaction="#1001"),
        seen("till", "05T12:00", transaction="1002"), seen("deal-browser", "05T12:00", transaction="2001"),
        *(seen(f"copy-{n}", f"0{n}T11:00", transaction="1003") for n in range(1, 4)),
        seen("cart", "06T12:00", transaction="(not set)"), seen("copy-1", "06T12:00", transaction="0"),
        seen("elsewhere", "06T12:00", transaction="9999"),
    ],
    "orders": [order("1001", email_hash="buyer"), order("1002"), order("1003", email_hash="receipt"), order("0")],
}  # fmt: skip


def raw_tables(world: dict[str, list[Row]], step: int = 1) -> dict[str, list[Row]]:
    rows = {name: rows[::step] for name, rows in world.items()}
    return {
        **portal(rows["contacts"], rows["deals"], form_submissions=rows["forms"]),
        "ga4/sessions": rows["visits"], "ga4_export/events": rows["events"], "files/orders": rows["orders"],
    }  # fmt: skip


def build(house: House, tables: dict[str, list[Row]]) -> House:
    house.rules(RULES)
    for stream_id, rows in tables.items():
        house.put(stream_id, rows)
    house.build(*MODELS)
    return house


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, dbt_project: DbtProject) -> House:
    built = build(House(tmp_path_factory.mktemp("logins") / "home", dbt_project), raw_tables(WORLD))
    built.build("dim_person_ids", "audit_identity", "int_identity_evidence", "int_identity_links", command="test")
    return built


def visitors(house: House) -> dict[str, str | None]:
    """Browser and day -> person."""
    rows = house.rows(
        "select visitor_id || ' ' || strftime(touched_at, '%d'), person_id from intermediate.int_touchpoints_unioned "
        "where touch_kind = 'session'"
    )
    return {visit: person and person.removeprefix("hubspot:") for visit, person in rows}


def test_whom_the_visits_belong_to(world) -> None:
    assert visitors(world) == {
        "sofa 10": "logged_in",
        "mail-browser 10": "by_mail",
        "family 03": "mum",
        "family 13": "dad",
        "lab-2 10": None,
        "cart 10": "buyer",
        "deal-browser 10": "dealt",
        "snap-browser 09": "snapped",
        "tw-browser 09": "by_mail",
        "copy-1 10": None,
    }


def why(house: House, person: str) -> list[tuple]:
    return house.rows(
        "select id_kind, id_value, linked_by_kind, linked_by_value, split_part(evidence, ':', 1) from marts.dim_person_ids "
        f"where person_id = 'hubspot:{person}' and id_kind != 'crm_record' order by 1, 2"
    )


def test_every_link_says_why(world) -> None:
    assert why(world, "logged_in") == [
        ("client_id", "desk", None, None, "record"),
        ("client_id", "sofa", "user_id", "user-1", "login"),
        ("user_id", "user-1", "client_id", "desk", "login"),
    ]
    assert why(world, "buyer") == [
        ("client_id", "cart", "order_id", "1001", "purchase"),
        ("email", "buyer", None, None, "record"),
        ("order_id", "1001", "email", "buyer", "order"),
    ]
    assert why(world, "dealt") == [
        ("client_id", "deal-browser", "order_id", "2001", "purchase"),
        ("email", "dealt", None, None, "record"),
        ("order_id", "2001", None, None, "record"),
    ]
    assert why(world, "snapped") == [
        ("client_id", "snap-browser", "sccid", "snap-1", "session"),
        ("sccid", "snap-1", None, None, "record"),
    ]


def test_ids_on_too_many_browsers_link_nobody_and_are_reported(world) -> None:
    rows = world.rows("select id_kind, id_value, reason, action, people from marts.audit_identity order by 1, 2")
    assert rows == [
        ("client_id", "family", "two_people", "kept_apart_visits_by_time", 2),
        ("order_id", "1003", "repeated_order", "not_a_link", 4),  # the order itself and three browsers
        ("user_id", "test-user", "shared_login", "not_a_link", 4),
    ]


def test_an_order_that_names_nobody_is_of_whose_browser_it_was_made_in(world) -> None:
    rows = world.rows("select order_key, person_id from intermediate.int_file_orders_matched order by 1")
    assert rows == [
        ("files:test:0", None),
        ("files:test:1001", "hubspot:buyer"),
        ("files:test:1002", "hubspot:known_browser"),
        ("files:test:1003", "hubspot:receipt"),
    ]


def test_another_order_of_the_rows_changes_nobody(world, tmp_path: Path) -> None:
    other = build(world.copy(tmp_path / "other"), raw_tables(WORLD, step=-1))
    for query in ("select * from marts.dim_person_ids order by all", "select * from marts.audit_identity order by all"):
        assert other.rows(query) == world.rows(query)
    assert visitors(other) == visitors(world)
