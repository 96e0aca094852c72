"""What moved a KPI: parts by hand, in a second way of computing, and adding up in months that are odd."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

import pytest

from dagster_project import kpis
from dagster_project.kpis.drivers import drivers_of
from dagster_project.reading.moved import in_words
from tests.support.kpi_warehouse import Warehouse
from tests.support.odd_world import odd_world

Build = Callable[..., dict[str, int]]
TODAY, JANUARY, FEBRUARY = date(2026, 3, 20), date(2026, 1, 10), date(2026, 2, 10)
OF_SUMS = ("additive", "ratio", "cohort")


def fill(warehouse: Warehouse, day: date, channel: str, spend: float, leads: int) -> None:
    if spend:
        warehouse.add("marts.fct_costs", date_day=day, channel=channel, amount=spend, acquisition_amount=spend)
    if leads:
        warehouse.add("marts.fct_leads", leads, lead_id="x", lead_date=day, channel=channel)


@pytest.fixture
def moved(build: Build) -> Warehouse:
    """Cost per lead 150 / 20 = 7.5 in January, 210 / 20 = 10.5 in February."""
    warehouse = Warehouse(TODAY, date(2026, 1, 1))
    for day, channel, spend, leads in (
        (JANUARY, "Paid Search", 100, 10), (JANUARY, "Email", 50, 10),
        (FEBRUARY, "Paid Search", 120, 8), (FEBRUARY, "Email", 60, 12), (FEBRUARY, "Display", 30, 0),
    ):  # fmt: skip
        fill(warehouse, day, channel, spend, leads)
    build(warehouse)
    return warehouse


def parts(warehouse: Warehouse, kpi_id: str) -> dict[tuple[str, str], float]:
    rows = warehouse.connection.execute(
        "select member, effect, contribution from kpi.fct_kpi_drivers "
        "where kpi_id = ? and grain = 'month' and dimension = 'channel' and period_start = '2026-02-01'",
        [kpi_id],
    ).fetchall()
    return {(member, effect): contribution for member, effect, contribution in rows}


def test_a_ratio_moves_by_rates_by_weights_and_by_what_has_no_denominator(moved: Warehouse) -> None:
    """By hand. Paid Search: 10 -> 15 per lead, weight 0.5 -> 0.4. Email: 5 per lead both times, weight 0.5 -> 0.6. The mean
    ratio is 9. Rate of Paid Search: 5 x 0.45. Mix of Paid Search: -0.1 x (12.5 - 9), of Email: 0.1 x (5 - 9).
    Display brings no lead: 30 / 20."""
    assert parts(moved, "cpl") == {
        ("Paid Search", "rate"): pytest.approx(2.25),
        ("Paid Search", "mix"): pytest.approx(-0.35),
        ("Email", "mix"): pytest.approx(-0.4),
        ("Display", "alone"): pytest.approx(1.5),
    }


def test_an_amount_moves_by_each_members_own_change(moved: Warehouse) -> None:
    assert parts(moved, "leads") == {("Paid Search", "volume"): -2, ("Email", "volume"): 2}
    assert parts(moved, "marketing_spend") == {
        ("Paid Search", "volume"): 20,
        ("Email", "volume"): 10,
        ("Display", "volume"): 30,
    }


def test_a_running_period_is_not_compared_and_visitors_are_no_sum(moved: Warehouse) -> None:
    found = moved.connection.execute("select distinct grain, period_start, compared_with from kpi.fct_kpi_drivers")
    assert found.fetchall() == [("month", date(2026, 2, 1), date(2026, 1, 1))]
    assert parts(moved, "unique_visitors") == {}


def test_it_is_said_in_words(moved: Warehouse) -> None:
    answer = kpis.explain(moved.connection, "cpl", "2026-02", by="channel")
    assert in_words(answer.kpi, answer.drivers, answer.grain, "channel") == [
        "Cost per lead rose from 7.50 EUR in 2026-01 to 10.50 EUR (+3.00 EUR). By channel:",
        "  +2.25 EUR Paid Search, by its own value (10.00 EUR to 15.00 EUR)",
        "  +1.50 EUR Display, which has nothing to divide by",
        "  -0.40 EUR Email, by its weight in the whole",
        "  -0.35 EUR Paid Search, by its weight in the whole",
    ]
    assert kpis.explain(moved.connection, "cpl", "2026-03", by="channel").drivers == []  # it still runs


def test_weeks_are_worked_out_when_they_are_asked_for(build: Build) -> None:
    warehouse = Warehouse(TODAY, date(2026, 1, 1))
    for week, count in enumerate((3, 5)):
        fill(warehouse, date(2026, 2, 2) + timedelta(7 * week), "Email", 0, count)
    build(warehouse)
    [row] = drivers_of(warehouse.connection, "leads", "week", date(2026, 2, 9), "channel", "none")
    assert (row["member"], row["effect"], row["contribution"], row["total_before"]) == ("Email", "volume", 2, 3)


# ---- months that are odd


@pytest.fixture(scope="module", params=[1, 2, 3])
def world(request: pytest.FixtureRequest, build: Build) -> Iterator[Warehouse]:
    warehouse = odd_world(request.param, sal=request.param == 2)
    build(warehouse, grains=["month", "quarter"])
    yield warehouse
    warehouse.connection.close()


Change = tuple[str, date, str, str]  # KPI, month, cut, model


def months(world: Warehouse) -> dict[Change, dict[str, Any]]:
    """From the fact rows alone: each change that can be compared, with both totals and the members of both months."""
    cursor = world.connection.execute(
        "select f.*, additivity, default_model, unit from kpi.fct_kpi_monthly as f join kpi.dim_kpi using (kpi_id)"
    )
    names = [column[0] for column in cursor.description]
    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    shown = [
        row
        for row in rows
        if row["additivity"] in OF_SUMS and row["attribution_model"] in ("none", row["default_model"])
    ]
    totals = {(r["kpi_id"], r["period_start"]): r for r in shown if r["dimension"] == "total"}
    cuts: dict[tuple[str, date], dict[tuple[str, str], dict[str, Any]]] = defaultdict(lambda: defaultdict(dict))
    for row in shown:
        if row["dimension"] != "total":
            cuts[row["kpi_id"], row["period_start"]][row["dimension"], row["attribution_model"]][row["member"]] = row
    found = {}
    for (kpi_id, month), after in totals.items():
        before = totals.get((kpi_id, (month - timedelta(1)).replace(day=1)))
        both = [total for total in (before, after) if total]
        if len(both) < 2 or not all(t["is_complete"] and t["is_mature"] and t["value"] is not None for t in both):
            continue
        assert before is not None
        for cut in cuts[kpi_id, month].keys() | cuts[kpi_id, before["period_start"]].keys():
            sides = [cuts[kpi_id, total["period_start"]].get(cut, {}) for total in both]
            found[kpi_id, month, *cut] = {"before": before, "after": after, "sides": sides}
    return found


def stored(world: Warehouse) -> dict[Change, dict[tuple[str, str], float]]:
    rows = world.connection.execute(
        "select kpi_id, period_start, dimension, attribution_model, member, effect, contribution "
        "from kpi.fct_kpi_drivers where grain = 'month'"
    ).fetchall()
    found: dict[Change, dict[tuple[str, str], float]] = defaultdict(dict)
    for kpi_id, month, dimension, model, member, effect, contribution in rows:
        found[kpi_id, month, dimension, model][member, effect] = contribution
    return found


def test_the_parts_of_every_change_add_up_to_it(world: Warehouse) -> None:
    said, changes = stored(world), months(world)
    assert len(changes) > 100
    assert said.keys() <= changes.keys()
    for change, of in changes.items():
        whole = of["after"]["value"] - of["before"]["value"]
        size = max(abs(of["after"]["value"]), abs(of["before"]["value"]))
        assert math.isclose(sum(said.get(change, {}).values()), whole, rel_tol=1e-9, abs_tol=1e-7 * size), change


def test_rates_and_weights_are_those_of_a_second_way_of_computing(world: Warehouse) -> None:
    """Each member by the textbook: rate by the mean weight; all that its weight does beside it."""
    said, compared = stored(world), 0
    for change, of in months(world).items():
        if of["after"]["additivity"] == "additive":
            continue
        sides = [{name: numbers(row) for name, row in side.items()} for side in of["sides"]]
        wholes = [(sum(n for n, _ in side.values()), sum(d for _, d in side.values())) for side in sides]
        if any(d == 0 for _, d in wholes):
            continue
        mean = sum(n / d for n, d in wholes) / 2
        for member in sides[0].keys() | sides[1].keys():
            (n0, d0), (n1, d1) = (side.get(member, (0.0, 0.0)) for side in sides)
            w0, w1 = d0 / wholes[0][1], d1 / wholes[1][1]
            if d0 and d1:
                rate, level = (n1 / d1 - n0 / d0) * (w0 + w1) / 2, (n1 / d1 + n0 / d0) / 2
                mix = (w1 - w0) * (level - mean)
                got = said.get(change, {})
                size = 1e-6 * max(1, abs(of["after"]["value"]), abs(of["before"]["value"]))
                assert got.get((member, "rate"), 0) == pytest.approx(rate, abs=size), (change, member)
                assert got.get((member, "mix"), 0) == pytest.approx(mix, abs=size), (change, member)
                compared += 1
    assert compared > 50


def numbers(row: dict[str, Any]) -> tuple[float, float]:
    """Numerator and denominator; of a return, a member that nothing was spent on shows revenue that is no part of it."""
    is_no_return = row["reason"] == "no_spend" and row["unit"] != "money"
    return (0.0 if is_no_return else row["numerator"] or 0.0), row["denominator"] or 0.0
