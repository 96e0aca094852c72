"""Answers of surveys in their mart: what a question asks, by the company's rules; the invented company's answers through its tool."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

from dagster_project.sandbox import serve
from dagster_project.sandbox.company.answers import answers_as_of
from dagster_project.sources import typeform
from dagster_project.sources.typeform import TypeformSettings
from dagster_project.wire.contract import Tally, Window
from tests.support.house import House

RULES = {
    "reporting": {"time_zone": "Europe/Berlin"},
    "brand": {"words": ["kontorra"]},
    "surveys": {
        "questions": [
            {"question": "nps-main", "kind": "nps"},
            {"question": "Heard-From", "kind": "heard_from"},
            {"question": "Which shops do you know?", "kind": "awareness_unaided"},
            {"question": "item", "kind": "loyalty", "scale": [1, 5]},
            {"question": "item", "kind": "nps", "form": "hand2"},
        ]
    },
}


def by_hand(
    response: str, ref: str, number: float | None = None, form: str = "hand", text: str | None = None
) -> dict[str, object]:
    return {
        "account_id": form, "response_id": response, "question_id": f"id-{ref}", "question_ref": ref, "answer_number": number,
        "answer_text": text, "submitted_at": "2026-03-01T23:30:00",
    }  # fmt: skip


HAND = [
    *(by_hand(f"n{score}", "nps-main", score) for score in (-1, 0, 6, 7, 8, 9, 10, 11)),
    by_hand("half", "nps-main", 8.5),
    *(by_hand(f"l{points}", "item", points) for points in (0, 1, 2, 5)),
    by_hand("elsewhere", "item", 9, form="hand2"),
    by_hand("typed", "unnamed", text="a choice of nobody's business"),
]


def test_questions_are_what_the_company_says_that_they_are(house: House, waits: list[float]) -> None:
    house.today = date(2026, 10, 1)
    with serve(today="2026-10-01", vendors=["typeform"]) as sandbox:
        named = frozenset(["which shops do you know?"])
        settings = TypeformSettings.model_validate({**sandbox.env, "read_texts": named})
        window = Window(date(2025, 7, 1), date(2026, 10, 2))
        read = [row for page in typeform.read_answers(settings, window, Tally()) for row in page.rows.to_pylist()]
        answered = answers_as_of(sandbox.company, sandbox.clock.now())
    house.put("typeform/answers", [*read, *HAND])
    from_file = {"account_id": "spring", "answered_at": "2026-03-03T08:00:00"}
    house.put(
        "files/survey_answers",
        [
            {**from_file, "response_id": "1", "question_id": "nps-main", "answer_number": 6},
            {**from_file, "response_id": "1", "question_id": "shops", "question": "Which shops do you know?",
             "answer_text": "Till; Kontorra", "form": "street"},
        ],
    )  # fmt: skip
    house.rules(RULES)
    house.build("fct_survey_answers")

    groups = Counter(
        "promoter" if e.recommends > 8 else "passive" if e.recommends > 6 else "detractor" for e in answered
    )
    company = "source_system = 'typeform' and account_id = 'kontorra1'"
    found = house.rows(
        f"select nps_group, count(*) from marts.fct_survey_answers where kind = 'nps' and {company} group by 1"
    )
    assert dict(found) == groups
    heard = house.rows(
        f"select answer_text, count(*) from marts.fct_survey_answers where kind = 'heard_from' and {company} group by 1"
    )
    assert dict(heard) == Counter(e.heard_from for e in answered if e.heard_from)
    names = house.rows(
        f"select names_brand, count(*) from marts.fct_survey_answers where kind = 'awareness_unaided' and {company} group by 1"
    )
    assert dict(names) == Counter("kontorra" in e.known_brands.lower() for e in answered if e.known_brands)
    others = house.rows(
        f"select distinct question_ref, answer_text from marts.fct_survey_answers where kind = 'other' and {company}"
    )
    assert others == [("address", None)]

    hand = house.rows(
        "select response_id, kind, nps_group, loyalty_points, answer_text from marts.fct_survey_answers "
        "where account_id like 'hand%' order by 1"
    )
    assert hand == [
        ("elsewhere", "nps", "promoter", None, None),  # a rule for one form stands above one for all
        ("half", "nps", None, None, None),
        ("l0", "loyalty", None, None, None),
        ("l1", "loyalty", None, 0.0, None),
        ("l2", "loyalty", None, 25.0, None),
        ("l5", "loyalty", None, 100.0, None),
        ("n-1", "nps", None, None, None),
        ("n0", "nps", "detractor", None, None),
        ("n10", "nps", "promoter", None, None),
        ("n11", "nps", None, None, None),
        ("n6", "nps", "detractor", None, None),
        ("n7", "nps", "passive", None, None),
        ("n8", "nps", "passive", None, None),
        ("n9", "nps", "promoter", None, None),
        ("typed", "other", None, None, None),
    ]
    files = house.rows(
        "select form_id, kind, nps_group, names_brand from marts.fct_survey_answers where source_system = 'files' order by 1"
    )
    assert files == [("spring", "nps", "detractor", None), ("street", "awareness_unaided", None, True)]
    assert house.rows("select distinct answer_date from marts.fct_survey_answers where account_id = 'hand'") == [
        (date(2026, 3, 1) + timedelta(days=1),)  # 23:30 UTC is the next day in Berlin
    ]
    result = house.build("fct_survey_answers", command="test")
    assert {each.status for each in result.result} <= {"pass", "success"}
