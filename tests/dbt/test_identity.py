"""One person, many ids: what joins people, what must not, and that both can be read off the warehouse.

Names say what happens: e-mails, phones and ids are written as plain words where the warehouse has hashes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.crm_rows import Row, contact, portal
from tests.support.crm_world import session, submission
from tests.support.house import DbtProject, House

RULES = {"identity": {"people_per_client_id": 3, "people_per_click_id": 2, "people_per_phone": 2, "records_per_id": 3}}
MODELS = ("+dim_person_ids", "+audit_identity", "+int_touchpoints_unioned")


def lead(contact_id: str, day: int, **ids: Any) -> Row:
    """A contact of March without an e-mail unless it is given."""
    return contact(
        contact_id, f"2026-03-{day:02}T12:00", ("lead", f"2026-03-{day:02}T12:00"), **{"email_hash": None, **ids}
    )


def visit(client: str, at: str, **click: str) -> Row:
    query = "&".join(f"{name}={value}" for name, value in click.items())
    return session(client, f"2026-03-{at}", "google", "cpc", f"/?{query}")


def form(submission_id: str, at: str, email: str | None, **ids: Any) -> Row:
    return {**submission(submission_id, f"2026-03-{at}", None, **ids), "email_hash": email}


# contact - e-mail - form - browser - visit - click - lead
HOPS = {
    "contacts": [lead("hop_contact", 1, email_hash="hop"), lead("hop_lead", 9, gclid="hop-click")],
    "forms": [form("hop", "02T12:00", "hop", ga_client_id="hop-browser")],
    "visits": [visit("hop-browser", "03T10:00", gclid="hop-click"), visit("hop-browser", "20T10:00")],
}
# two people, one browser: named on the 2nd and on the 12th
COUPLE = {
    "contacts": [
        lead("her", 2, email_hash="her", ga_client_id="sofa"),
        lead("him", 12, email_hash="him", ga_client_id="sofa"),
    ],
    "visits": [visit("sofa", f"{day}T10:00") for day in ("01", "06", "08", "30")],
}
# four people, one browser; a fifth form there names nobody the CRM knows
KIOSK = {
    "contacts": [lead(f"guest_{n}", n, email_hash=f"guest_{n}") for n in range(1, 5)],
    "forms": [
        *(form(f"guest_{n}", f"{n:02}T12:00", f"guest_{n}", ga_client_id="kiosk") for n in range(1, 5)),
        form("stranger", "05T12:00", "stranger", ga_client_id="kiosk"),
    ],
    "visits": [visit("kiosk", at) for at in ("01T11:50", "01T11:55", "02T18:00", "05T11:55")],
}
COPIED = {
    "contacts": [lead("copied", 3, gclid="copied")],
    "visits": [visit(f"reader-{n}", f"0{n}T10:00", gclid="copied") for n in range(1, 4)],
}
SHARED = {
    "contacts": [
        *(lead(f"desk_{n}", n, email_hash=f"desk_{n}", phone_hash="switchboard") for n in range(1, 4)),
        lead("caller", 4, phone_hash="switchboard"),
        *(lead(f"inbox_{n}", n, email_hash="inbox", phone_hash=f"inbox-phone-{n}") for n in range(1, 5)),
    ],
}
PLACEHOLDERS = {
    "contacts": [
        lead("no_id_1", 1, ga_client_id="undefined", gclid="{gclid}"),
        lead("no_id_2", 2, ga_client_id="undefined", gclid="{gclid}"),
        lead("cookie", 3, ga_client_id="GA1.1.55.66"),
    ],
    "visits": [visit("undefined", "01T11:55"), visit("55.66", "01T10:00")],
}
DOUBLE = {
    "contacts": [
        lead("double_2", 5, email_hash="double", phone_hash="mobile"),
        lead("double_1", 4, email_hash="double"),
        lead("double_phone", 6, phone_hash="mobile"),
    ],
}
MERGED = {
    "contacts": [lead("merge_loser", 1, email_hash="old-mail"), lead("merge_winner", 2, email_hash="new-mail")],
    "forms": [form("of_loser", "01T12:00", "old-mail", ga_client_id="merge-browser")],
    "visits": [visit("merge-browser", "01T11:55")],
}
# a deleted contact's form is left; somebody the CRM knows comes to the same browser ten days later
GONE = {
    "contacts": [lead("heir", 20, email_hash="heir", ga_client_id="inherited")],
    "forms": [form("gone", "10T12:00", "gone", ga_client_id="inherited")],
    "visits": [visit("inherited", "10T11:58"), visit("inherited", "19T10:00")],
}
# two forms in one visit, of two people
TURNS = {
    "contacts": [lead(f"turn_{n}", 1, email_hash=f"turn_{n}") for n in (1, 2)],
    "forms": [form(f"turn_{n}", f"01T12:0{n}", f"turn_{n}", ga_client_id="laptop") for n in (1, 2)],
    "visits": [visit("laptop", "01T11:55"), visit("laptop", "01T12:20")],
}
WORLD = (HOPS, COUPLE, KIOSK, COPIED, SHARED, PLACEHOLDERS, DOUBLE, MERGED, GONE, TURNS)


def raw_tables(*parts: dict[str, list[Row]], backwards: bool = False) -> dict[str, list[Row]]:
    contacts, forms, visits = (
        [row for part in parts for row in part.get(kind, [])] for kind in ("contacts", "forms", "visits")
    )
    step = -1 if backwards else 1
    return {**portal(contacts[::step], form_submissions=forms[::step]), "ga4/sessions": visits[::step]}


def build(house: House, tables: dict[str, list[Row]]) -> House:
    house.rules(RULES)
    for stream_id, rows in tables.items():
        house.put(stream_id, rows)
    house.build(*MODELS)
    return house


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, dbt_project: DbtProject) -> House:
    built = build(House(tmp_path_factory.mktemp("identity") / "home", dbt_project), raw_tables(*WORLD))
    built.build("dim_person_ids", "audit_identity", "path:models/intermediate/crm", command="test")  # unit tests too
    return built


def person_of(house: House) -> dict[str, str]:
    rows = house.rows("select record_key, person_id from intermediate.int_people_deduplicated")
    return {record.removeprefix("hubspot:"): person.removeprefix("hubspot:") for record, person in rows}


def visitors(house: House, client: str) -> list[tuple[str, str | None]]:
    return house.rows(
        "select strftime(touched_at, '%d %H:%M'), person_id from intermediate.int_touchpoints_unioned "
        f"where visitor_id = '{client}' and touch_kind = 'session' order by touched_at"
    )


def audit(house: House, id_value: str) -> list[tuple]:
    return house.rows(
        f"select id_kind, reason, action, people, evidence_count from marts.audit_identity where id_value = '{id_value}' order by 1"
    )


def test_three_hops_are_one_person(world) -> None:
    assert person_of(world)["hop_lead"] == "hop_contact"
    assert visitors(world, "hop-browser") == [("03 10:00", "hubspot:hop_contact"), ("20 10:00", "hubspot:hop_contact")]


def test_every_id_says_why_it_is_the_persons(world) -> None:
    rows = world.rows(
        "select id_kind, id_value, linked_by_kind, linked_by_value, split_part(evidence, ':', 1), evidence_count, "
        "strftime(first_seen_at, '%m-%d') from marts.dim_person_ids where person_id = 'hubspot:hop_contact' order by 1, 2"
    )
    assert rows == [
        ("client_id", "hop-browser", "email", "hop", "submission", 2, "03-02"),
        ("crm_record", "hubspot:hop_contact", None, None, "record", 1, "03-01"),
        ("crm_record", "hubspot:hop_lead", "gclid", "hop-click", "record", 1, "03-09"),
        ("email", "hop", None, None, "record", 2, "03-01"),
        ("gclid", "hop-click", "client_id", "hop-browser", "session", 2, "03-03"),
    ]


def test_two_people_at_one_browser_stay_two_and_share_the_visits_by_time(world) -> None:
    people = person_of(world)
    assert (people["her"], people["him"]) == ("her", "him")
    assert visitors(world, "sofa") == [
        ("01 10:00", "hubspot:her"),
        ("06 10:00", "hubspot:her"),  # four days after her, six before him
        ("08 10:00", "hubspot:him"),
        ("30 10:00", "hubspot:him"),
    ]
    assert audit(world, "sofa") == [("client_id", "two_people", "kept_apart_visits_by_time", 2, 2)]


def test_a_shared_device_is_nobodys_but_for_the_visit_with_the_form(world) -> None:
    assert [person_of(world)[f"guest_{n}"] for n in range(1, 5)] == [f"guest_{n}" for n in range(1, 5)]
    assert visitors(world, "kiosk") == [
        ("01 11:50", None),
        ("01 11:55", "hubspot:guest_1"),  # the last visit that began before the form
        ("02 18:00", None),  # six hours after a form
        ("05 11:55", None),  # a form of somebody the CRM does not know
    ]
    assert audit(world, "kiosk") == [("client_id", "shared_device", "only_visits_in_which_somebody_was_seen", 5, 5)]


def test_a_copied_link_joins_nobody(world) -> None:
    assert visitors(world, "reader-1") == [("01 10:00", None)]
    # the record and three visits, nobody joined with anybody
    assert audit(world, "copied") == [("gclid", "copied_link", "not_a_link", 4, 4)]


def test_a_switchboard_and_a_shared_inbox_join_nobody(world) -> None:
    people = person_of(world)
    alone = ["caller", *(f"desk_{n}" for n in range(1, 4)), *(f"inbox_{n}" for n in range(1, 5))]
    assert {each: people[each] for each in alone} == {each: each for each in alone}
    assert audit(world, "switchboard") == [("phone", "shared_phone", "not_a_link", 4, 4)]
    assert audit(world, "inbox") == [("email", "shared_email", "not_a_link", 4, 4)]


def test_a_placeholder_is_no_id_and_a_cookie_is_the_client_id_in_it(world) -> None:
    people = person_of(world)
    assert (people["no_id_1"], people["no_id_2"]) == ("no_id_1", "no_id_2")
    assert visitors(world, "55.66") == [("01 10:00", "hubspot:cookie")]
    assert visitors(world, "undefined") == []
    assert audit(world, "undefined") == [("client_id", "placeholder", "not_a_link", None, 3)]
    assert audit(world, "macro") == [("gclid", "placeholder", "not_a_link", None, 2)]


def test_one_email_twice_is_one_person_and_the_phone_brings_in_who_has_no_email(world) -> None:
    people = person_of(world)
    assert {people[each] for each in ("double_1", "double_2", "double_phone")} == {"double_1"}
    known_by = dict(world.rows("select record_key, known_by from intermediate.int_people_deduplicated"))
    assert known_by["hubspot:double_phone"] == "phone"
    assert known_by["hubspot:hop_lead"] == "gclid"


def test_a_visit_of_somebody_deleted_is_not_given_to_who_comes_after(world) -> None:
    assert visitors(world, "inherited") == [("10 11:58", None), ("19 10:00", "hubspot:heir")]


def test_a_visit_with_two_forms_is_the_first_ones_and_the_other_form_is_a_touch_of_its_own(world) -> None:
    assert visitors(world, "laptop") == [("01 11:55", "hubspot:turn_1"), ("01 12:20", "hubspot:turn_2")]
    forms = world.rows(
        "select touch_id, person_id from intermediate.int_touchpoints_unioned "
        "where touch_kind = 'form_submission' and visitor_id = 'laptop'"
    )
    assert forms == [("submission:turn_2", "hubspot:turn_2")]


def test_nothing_else_is_reported(world) -> None:
    reported = world.rows("select distinct reason from marts.audit_identity order by 1")
    assert [reason for (reason,) in reported] == [
        "copied_link", "placeholder", "shared_device", "shared_email", "shared_phone", "two_people"
    ]  # fmt: skip
    two_people = world.rows("select id_value from marts.audit_identity where reason = 'two_people' order by 1")
    assert two_people == [("inherited",), ("laptop",), ("sofa",)]


ALL_IDS = "select * from marts.dim_person_ids where person_id not like '%newcomer%' order by all"
ALL_VISITS = (
    "select touch_id, person_id from intermediate.int_touchpoints_unioned where touch_id not like '%newcomer%' "
    "and coalesce(visitor_id, '') not like '%newcomer%' order by all"
)


def test_unrelated_data_and_another_order_change_nobody(world, tmp_path: Path) -> None:
    newcomers = {
        "contacts": [
            lead(f"newcomer_{n}", n, email_hash=f"newcomer_{n}", ga_client_id=f"newcomer-{n}") for n in range(1, 4)
        ],
        "forms": [form("newcomer", "01T09:00", "newcomer_1", ga_client_id="newcomer-1")],
        "visits": [visit("newcomer-1", "01T08:59", gclid="newcomer-click")],
    }
    other = build(world.copy(tmp_path / "other"), raw_tables(newcomers, *WORLD, backwards=True))
    assert other.rows(
        "select count(distinct person_id) from marts.dim_person_ids where person_id like '%newcomer%'"
    ) == [(3,)]
    for query in (ALL_IDS, ALL_VISITS):
        assert other.rows(query) == world.rows(query)


def test_a_merge_makes_two_one_and_touches_nobody_else(world, tmp_path: Path) -> None:
    before = person_of(world)
    assert before["merge_loser"] == "merge_loser"
    assert visitors(world, "merge-browser") == [("01 11:55", "hubspot:merge_loser")]
    winner = lead("merge_winner", 2, email_hash="new-mail", hs_merged_object_ids="merge_loser")
    merged = {**MERGED, "contacts": [MERGED["contacts"][0], winner]}
    house = build(world.copy(tmp_path / "merged"), raw_tables(*(part for part in WORLD if part is not MERGED), merged))
    after = person_of(house)
    assert after == {record: person for record, person in before.items() if record != "merge_loser"}
    assert visitors(house, "merge-browser") == [("01 11:55", "hubspot:merge_winner")]
    rows = house.rows(
        "select id_kind, id_value, linked_by_kind, linked_by_value from marts.dim_person_ids "
        "where person_id = 'hubspot:merge_winner' order by 1, 2"
    )
    assert rows == [
        ("client_id", "merge-browser", "email", "old-mail"),
        ("crm_record", "hubspot:merge_winner", None, None),
        ("email", "new-mail", None, None),
        ("email", "old-mail", None, None),
        ("merged_record", "hubspot:merge_loser", "crm_merge", "hubspot:merge_winner"),
    ]
