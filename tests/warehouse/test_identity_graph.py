"""Joining ids to people: transitive, the same for any order of rows, never two e-mails by a browser, explained."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.warehouse.people import join_people

Seen = tuple[str, str, str, int]  # evidence, id kind, id, day
CLIENT, CLICK = "client_id", "gclid"


def moments(days: list[int]) -> pa.Array:
    return pa.array([datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=d) for d in days], pa.timestamp("us", tz="UTC"))


def people(*seen: Seen, ranks: dict[str, int] | None = None) -> list[dict]:
    """The result's rows; evidence is as old as its first row, records are of the first CRM unless `ranks` says otherwise."""
    first_day = {evidence: min(day for e, *_, day in seen if e == evidence) for evidence, *_ in seen}
    rank = [(ranks or {}).get(e, 1) if e.startswith("record:") else None for e, *_ in seen]
    table = pa.table(
        {
            "evidence": pa.array([s[0] for s in seen], pa.string()),
            "id_kind": pa.array([s[1] for s in seen], pa.string()),
            "id_value": pa.array([s[2] for s in seen], pa.string()),
            "seen_at": moments([s[3] for s in seen]),
            "evidence_at": moments([first_day[s[0]] for s in seen]),
            "record_rank": pa.array(rank, pa.int32()),
        }
    )
    return join_people(table).to_pylist()


def roots(rows: list[dict]) -> dict[str, str]:
    return {row["evidence"]: row["evidence_root"] for row in rows}


THREE_HOPS: list[Seen] = [
    ("record:contact", "email", "ann", 5),
    ("submission:form", "email", "ann", 6),
    ("submission:form", CLIENT, "browser", 6),
    ("session:visit", CLIENT, "browser", 7),
    ("session:visit", CLICK, "click", 7),
    ("record:lead", CLICK, "click", 9),
]


def test_a_chain_of_ids_is_one_person_and_says_why() -> None:
    rows = people(*THREE_HOPS)
    assert set(roots(rows).values()) == {"record:contact"}
    assert all(row["is_link"] for row in rows)
    ties = {row["evidence"]: (row["linked_by_kind"], row["linked_by_value"]) for row in rows}
    assert ties == {
        "record:contact": (None, None),
        "submission:form": ("email", "ann"),
        "session:visit": (CLIENT, "browser"),
        "record:lead": (CLICK, "click"),
    }


@pytest.mark.parametrize("missing", range(1, 6))
def test_without_one_hop_the_far_end_is_somebody_else(missing: int) -> None:
    rows = people(*(seen for place, seen in enumerate(THREE_HOPS) if place != missing))
    assert roots(rows).get("record:lead", "record:lead") == "record:lead"


def test_a_browser_or_click_never_makes_one_person_of_two_emails_or_two_phones() -> None:
    for kind in ("email", "phone"):
        for shared in (CLIENT, CLICK):
            rows = people(
                ("record:a", kind, "a", 1), ("record:a", shared, "x", 1), ("record:b", kind, "b", 2), ("record:b", shared, "x", 2)
            )  # fmt: skip
            assert roots(rows) == {"record:a": "record:a", "record:b": "record:b"}
            refused = [(row["evidence"], row["id_root"]) for row in rows if not row["is_link"]]
            assert refused == [("record:b", "record:a")]


def test_a_phone_joins_who_has_no_email_to_who_had_it_first() -> None:
    rows = people(
        ("record:b", "email", "b", 3), ("record:b", "phone", "office", 3),
        ("record:a", "email", "a", 2), ("record:a", "phone", "office", 2),
        ("record:caller", "phone", "office", 1),
    )  # fmt: skip
    assert roots(rows) == {"record:b": "record:b", "record:a": "record:caller", "record:caller": "record:caller"}


def test_the_strongest_link_wins_then_the_oldest() -> None:
    nameless = [("record:n", CLICK, "click", 9), ("record:n", CLIENT, "browser", 1)]
    by_browser = [("record:a", "email", "a", 2), ("record:a", CLIENT, "browser", 2)]
    by_click = [("record:b", "email", "b", 8), ("record:b", CLICK, "click", 8)]
    of = roots(people(*nameless, *by_browser, *by_click))
    assert of["record:n"] == of["record:b"] != of["record:a"]
    # another with the same click, a day earlier
    of = roots(people(*nameless, *by_click, ("record:c", "email", "c", 7), ("record:c", CLICK, "click", 7)))
    assert of["record:n"] == of["record:c"] != of["record:b"]


def test_the_oldest_record_of_the_first_crm_names_the_person() -> None:
    seen: list[Seen] = [(f"record:{name}", "email", "a", day) for name, day in (("old", 1), ("first", 3), ("later", 4))]
    assert set(roots(people(*seen, ("submission:s", "email", "a", 0))).values()) == {"record:old"}
    assert set(roots(people(*seen, ranks={"record:old": 2})).values()) == {"record:first"}


def test_nothing_gives_nothing() -> None:
    assert people() == []


kinds = st.sampled_from(["email", "phone", CLICK, CLIENT])
evidence_names = st.builds("{}:{}".format, st.sampled_from(["record", "submission", "session"]), st.integers(0, 9))
some_ids = st.lists(
    st.tuples(evidence_names, kinds, st.sampled_from("abcdef"), st.integers(0, 5)),
    unique_by=lambda s: s[:3],
    max_size=40,
)


def as_facts(rows: list[dict]) -> set[tuple]:
    return {tuple(row.values()) for row in rows}


@settings(deadline=None, max_examples=150)
@given(some_ids, st.randoms())
def test_the_order_of_rows_changes_nothing(seen: list[Seen], random) -> None:
    shuffled = list(seen)
    random.shuffle(shuffled)
    assert as_facts(people(*seen)) == as_facts(people(*shuffled))


@settings(deadline=None, max_examples=150)
@given(some_ids, some_ids)
def test_unrelated_data_changes_nobody(seen: list[Seen], others: list[Seen]) -> None:
    unrelated = [(f"{evidence}-other", kind, f"{value}-other", day) for evidence, kind, value, day in others]
    assert as_facts(people(*seen)) <= as_facts(people(*seen, *unrelated))


@settings(deadline=None, max_examples=150)
@given(some_ids)
def test_emails_join_as_connected_components_and_nothing_joins_two_of_these(seen: list[Seen]) -> None:
    rows = people(*seen)
    component = by_emails(seen)
    of_root: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row["evidence"] in component:
            of_root[row["evidence_root"]].add(component[row["evidence"]])
    assert all(len(found) == 1 for found in of_root.values())
    assert len(of_root) == len(set(component.values()))


def by_emails(seen: list[Seen]) -> dict[str, str]:
    """Evidence to the smallest evidence that e-mails connect it with, by repeated relabelling."""
    label = {evidence: evidence for evidence, kind, *_ in seen if kind == "email"}
    for _ in range(len(label)):
        for email in {value for _, kind, value, _ in seen if kind == "email"}:
            members = [evidence for evidence, kind, value, _ in seen if (kind, value) == ("email", email)]
            smallest = min(label[each] for each in members)
            label |= dict.fromkeys(members, smallest)
    return label


@settings(deadline=None, max_examples=150)
@given(some_ids)
def test_every_link_can_be_followed_to_the_root(seen: list[Seen]) -> None:
    rows = people(*seen)
    linked = [row for row in rows if row["is_link"]]
    for row in rows:
        reached, ids = {row["evidence_root"]}, set()
        for _ in rows:  # from the root outwards: ids of whom we have reached, then whom these ids reach
            ids |= {(each["id_kind"], each["id_value"]) for each in linked if each["evidence"] in reached}
            reached |= {each["evidence"] for each in linked if (each["linked_by_kind"], each["linked_by_value"]) in ids}
        assert row["evidence"] in reached
