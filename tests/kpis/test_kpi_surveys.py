"""What surveys say of the brand: scores with an interval from their own answers, respondents counted once."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date

import pytest

from tests.support.kpi_warehouse import Warehouse

FIRST, TODAY = date(2026, 4, 1), date(2026, 10, 1)
WAVE = date(2026, 5, 6)


def respond(warehouse: Warehouse, day: date, who: str, form: str = "f", **answer: object) -> None:
    warehouse.add(
        "marts.fct_survey_answers", answer_date=day, source_system="typeform", account_id=form, form_id=form, response_id=who, **answer
    )  # fmt: skip


def test_scores_and_awareness_by_hand(build: Callable[..., dict[str, int]]) -> None:
    """May is the published wave of 100 promoters, 60 passives and 40 detractors: 30.0, standard error 5.52, 19.2 to 40.8.
    In June 20 answered: too few for an interval. In July nobody did."""
    warehouse = Warehouse(TODAY, FIRST)
    for group, count in (("promoter", 100), ("passive", 60), ("detractor", 40)):
        for number in range(count):
            respond(warehouse, WAVE, f"{group}{number}", kind="nps", nps_group=group)
    for number in range(20):
        group = "promoter" if number < 11 else "passive" if number < 16 else "detractor"
        respond(warehouse, date(2026, 6, 3), f"june{number}", kind="nps", nps_group=group)
    respond(warehouse, date(2026, 6, 3), "half", kind="nps")  # 8.5 is no answer
    # ten people, one of them asked twice of aided awareness and named it once; two did not answer
    for number in range(10):
        said = {"answer_text": "shops", "names_brand": number < 4}
        respond(warehouse, WAVE, str(number), form="g", kind="awareness_aided", **said)
        respond(warehouse, WAVE, str(number), form="g", kind="awareness_unaided", **{**said, "names_brand": number < 1})
    respond(warehouse, WAVE, "0", form="g", kind="awareness_aided", answer_text="x", names_brand=False)
    for who in ("a", "b"):
        respond(warehouse, WAVE, who, form="g", kind="awareness_aided")
    # words of the brand are not named any more
    respond(warehouse, date(2026, 6, 3), "c", kind="awareness_aided", answer_text="shops")
    for who, points in (("a", (100, 50, 0)), ("b", (75,)), ("c", (None,))):
        for each in points:
            respond(warehouse, WAVE, who, kind="loyalty", loyalty_points=each)
    build(warehouse, grains=["month"])

    def row(kpi: str, month: int, *cut: str) -> dict[str, object]:
        return dict(warehouse.row("monthly", kpi, f"2026-{month:02}-01", *cut))

    may, june, july = (row("nps", month) for month in (5, 6, 7))
    assert (may["value"], may["numerator"], may["denominator"], may["sample_size"]) == (30.0, 6000, 200, 200)
    error = 100 * math.sqrt((0.5 + 0.2 - 0.3**2) / 200)
    assert error == pytest.approx(5.52, abs=0.01)
    assert (may["ci_low"], may["ci_high"]) == (
        pytest.approx(30 - 1.959964 * error, abs=1e-4), pytest.approx(30 + 1.959964 * error, abs=1e-4),
    )  # fmt: skip
    assert (round(may["ci_low"], 1), round(may["ci_high"], 1), may["low_n"]) == (19.2, 40.8, False)
    assert (june["value"], june["ci_low"], june["low_n"], june["previous_change"]) == (35.0, None, True, 5.0)
    assert (july["value"], july["reason"]) == (None, "zero_denominator")

    aided, unaided = row("awareness_aided", 5, "form", "g"), row("awareness_unaided", 5)
    assert (aided["numerator"], aided["denominator"], aided["value"], aided["low_n"]) == (4, 10, 0.4, True)
    # Wilson's interval of 1 in 10, as published
    assert (unaided["ci_low"], unaided["ci_high"]) == (pytest.approx(0.0179, abs=1e-4), pytest.approx(0.4042, abs=1e-4))
    assert row("awareness_aided", 6)["reason"] == "no_data"  # nobody can say whether "shops" is the brand
    assert row("awareness_unaided", 6)["reason"] == "zero_denominator"

    loyalty = row("loyalty_index", 5)
    assert (loyalty["value"], loyalty["denominator"], loyalty["sample_size"]) == (225 / 4, 4, 2)
    assert (loyalty["low_n"], loyalty["ci_low"]) == (True, None)


def test_without_surveys_there_is_no_score(build: Callable[..., dict[str, int]]) -> None:
    warehouse = Warehouse(TODAY, FIRST)
    warehouse.switch_off("typeform/answers")
    build(warehouse, grains=["month"])
    reasons = warehouse.rows("monthly", "distinct kpi_id, value, reason", "kpi_id in ('nps', 'loyalty_index')")
    assert {row[1:] for row in reasons} == {(None, "no_data")}
