"""Attribution through the real models: reference numbers, a second implementation, and what must never change."""

from __future__ import annotations

import csv
import random
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.support.dense_markov import expected_effects
from tests.support.house import House
from tests.support.paths import ATTRIBUTION, LAST_DAY, attribute, company, expected_shares, order, touch

MODELS = (
    "first", "last", "last_non_direct", "first_paid", "last_paid", "linear", "time_decay", "position", "w_shaped",
    "full_path", "shapley", "markov",
)  # fmt: skip


@pytest.fixture(scope="module")
def new_house(tmp_path_factory, dbt_project) -> Callable[[], House]:
    return lambda: House(tmp_path_factory.mktemp("paths") / "home", dbt_project, LAST_DAY)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


# ---- reference numbers ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reference(shared_dir: Path) -> Path:
    return shared_dir / "reference" / "attribution" / "synthetic"


@pytest.fixture(scope="module")
def synthetic(new_house, reference: Path) -> House:
    """The 807 journeys as people; the 247 that convert have an order."""
    journeys = read_csv(reference / "journeys.csv")
    touches = [
        touch(f"{int(row['touch_id']):06d}", moment(row["touched_at"]), row["channel"], row["journey_id"])
        for row in read_csv(reference / "touches.csv")
    ]
    leads = [
        {"lead_id": row["journey_id"], "lead_at": moment(row["lead_at"]),
         "opportunity_at": moment(row["opportunity_at"]) if row["opportunity_at"] else None}
        for row in journeys if row["lead_at"]
    ]  # fmt: skip
    orders = [
        order(row["journey_id"], moment(row["converted_at"]), float(row["value"]), row["journey_id"])
        for row in journeys if row["converted"] == "True"
    ]  # fmt: skip
    return attribute(new_house(), touches=touches, leads=leads, orders=orders)


def test_the_reference_journeys_are_credited_exactly(synthetic: House, reference: Path) -> None:
    rows = synthetic.rows(
        "select model, channel, sum(credit), sum(revenue) from marts.fct_attribution where conversion_type = 'order' group by 1, 2"
    )
    credited = {(model, channel): (float(credit), float(revenue)) for model, channel, credit, revenue in rows}
    expected = {
        (row["model"].replace("shapley_sum", "shapley"), row["channel"]): (float(row["conversions"]), float(row["value"]))
        for row in read_csv(reference / "expected.csv") if row["model"] != "markov1"
    }  # fmt: skip
    assert {key: credited[key][0] for key in expected} == pytest.approx(
        {k: v[0] for k, v in expected.items()}, abs=1e-9
    )
    # money has six decimals, so that it adds up: a channel's 250 rows may differ by half of the last one each
    assert {key: credited[key][1] for key in expected} == pytest.approx(
        {k: v[1] for k, v in expected.items()}, abs=125e-6
    )
    assert {model for model, _ in expected} <= {model for model, _ in credited}


def test_the_reference_removal_effects_are_exact(synthetic: House, reference: Path) -> None:
    rows = synthetic.dicts(
        "select * from marts.fct_channel_removal_effects where conversion_type = 'order' and fit_month = date '2026-08-01'"
    )
    effects = {row["channel"]: (float(row["removal_effect_conversion"]), float(row["removal_effect_value"]))
               for row in read_csv(reference / "expected_removal_effects.csv")}  # fmt: skip
    totals = {row["channel"]: (float(row["conversions"]), float(row["value"]))
              for row in read_csv(reference / "expected.csv") if row["model"] == "markov1"}  # fmt: skip
    for row in rows:
        assert (row["removal_effect"], row["removal_effect_value"]) == pytest.approx(effects[row["channel"]], abs=1e-9)
        assert (row["conversions"], row["value"]) == pytest.approx(totals[row["channel"]], rel=1e-9)
    assert {row["channel"] for row in rows} == set(effects)


@pytest.fixture(scope="module")
def snowplow(new_house, shared_dir: Path) -> tuple[House, Callable[[str], list[dict[str, str]]]]:
    """snowplow/dbt-snowplow-fractribution's own test data (Apache-2.0), attributed, and its tables of expected results."""
    folder = shared_dir / "data" / "snowplow_fractribution_tests" / "expected"

    def table(name: str) -> list[dict[str, str]]:
        return read_csv(folder / f"snowplow_fractribution_{name}_expected.csv")

    touches = [
        touch(
            f"{i:03d}", moment(row["visit_start_tstamp"]), row["channel"], row["customer_id"], campaign_key="(not set)"
        )
        for i, row in enumerate(table("sessions_by_customer_id"))
    ]
    orders = [
        order(row["customer_id"], moment(row["conversion_tstamp"]), float(row["revenue"]), row["customer_id"])
        for row in table("conversions_by_customer_id")
    ]
    house = new_house()
    with duckdb.connect(str(house.warehouse)) as connection:
        for row in table("channel_spend"):
            connection.execute(
                "insert into marts.fct_costs by name select date '2022-07-01' as date_day, 'media' as cost_type, 'outbound' as motion, "
                "$1 as channel, '(not set)' as campaign_key, $2 as amount_native, $2 as amount, false as is_rate_missing",
                [row["channel"], Decimal(row["spend"])],
            )
    attribute(house, {"lookback_days": {"order": 30}}, touches=touches, orders=orders)
    house.build("fct_conversion_paths", "fct_model_comparison")
    return house, table


def test_last_touch_of_snowplows_own_test_set(snowplow) -> None:
    """Agrees: which sessions belong to a conversion (30 days, the session of the conversion itself included), paths
    without repeats, last touch per channel and its return on spend.

    Differs: their `shapley` weighs sets of channels by conversion rate over the journeys without conversion too, and
    gives Direct 0.541 of the one path Organic > Direct; ours is the sum game, where each of its two channels gets
    half. Their channels without credit are rows of 0, ours have no row but where they have spend.
    """
    house, table = snowplow
    rows = house.rows("select model, channel, sum(credit), sum(revenue) from marts.fct_attribution group by 1, 2")
    credited = {(model, channel): (float(credit), float(revenue)) for model, channel, credit, revenue in rows}
    theirs = {
        (row["ATTRIBUTION_TYPE"], row["CHANNEL"]): (float(row["CONVERSIONS"]), float(row["REVENUE"]))
        for row in table("channel_attribution") if float(row["CONVERSIONS"])
    }  # fmt: skip
    last = {channel: values for (model, channel), values in credited.items() if model == "last"}
    assert last == {c: pytest.approx(values) for (kind, c), values in theirs.items() if kind == "last_touch"}
    shapley = {channel: values[0] for (model, channel), values in credited.items() if model == "shapley"}
    assert shapley == {"Direct": 3.5, "Organic_Search": 1.5, "Video": 1.0}
    assert theirs["shapley", "Direct"][0] == pytest.approx(3 + 0.541, abs=1e-4)
    # their report: spend without credit is there, and its return is 0
    returns = house.rows(
        "select channel, cast(sum(spend) as double), cast(sum(revenue_last) / sum(spend) as double) from marts.fct_model_comparison "
        "where conversion_type = 'order' group by 1 having sum(spend) > 0 order by 1"
    )
    report = sorted(
        (row["CHANNEL"], float(row["SPEND"]), float(row["ROAS"]))
        for row in table("report_table")
        if row["ATTRIBUTION_TYPE"] == "last_touch"
    )
    assert returns == [(channel, spend, pytest.approx(roas)) for channel, spend, roas in report]
    assert [roas for *_, roas in report].count(0) == 3


def test_paths_of_snowplows_own_test_set(snowplow) -> None:
    """Agrees: the paths, how many converted by each and with what revenue; and of the 61 that came to nothing, where
    they began and ended, which is what a Markov fit counts."""
    house, table = snowplow
    paths = house.rows(
        "select conversion_id, path, full_path from marts.fct_conversion_paths where conversion_type = 'order' order by 1"
    )
    assert paths == sorted(
        (row["customer_id"], row["transformed_path"], row["path"]) for row in table("paths_to_conversion")
    )
    summary = table("path_summary")
    converting = house.rows(
        "select path, count(*), cast(sum(revenue) as double) from marts.fct_conversion_paths group by 1 order by 1"
    )
    assert converting == sorted(
        (row["transformed_path"], int(row["conversions"]), float(row["revenue"]))
        for row in summary
        if int(row["conversions"])
    )
    begun, lost = Counter(), Counter()
    for row in summary:
        channels, failed = row["transformed_path"].split(" > "), int(row["non_conversions"])
        begun[channels[0]] += failed + int(row["conversions"])
        lost[channels[-1]] += failed
    fit = "from intermediate.int_markov_transitions where conversion_type = 'order' and fit_month = date '2022-08-01'"
    assert dict(house.rows(f"select to_state, transitions {fit} and from_state = '(start)'")) == begun
    assert dict(house.rows(f"select from_state, transitions {fit} and to_state = '(null)'")) == +lost
    assert sum(lost.values()) == 61


# ---- a random company, credited a second time by the definitions --------------------------------------------------


@pytest.fixture(scope="module")
def random_company() -> dict[str, list[dict[str, Any]]]:
    return company(seed=7)


@pytest.fixture(scope="module")
def credited_company(new_house, random_company) -> House:
    house = attribute(new_house(), **random_company)
    house.build(*ATTRIBUTION, "path:tests/attribution", command="test")
    return house


def conversions(tables: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """type, id, at, people, amount and the lead's two moments of every conversion; refunds are none."""
    leads = {row["lead_id"]: row for row in tables["leads"]}
    contacts = defaultdict(set)
    for row in tables["deal_people"]:
        contacts[row["deal_key"]].add(row["person_id"])
    found = [
        ("lead", row["lead_id"], row["lead_at"], {row["lead_id"]}, row["lead_id"], None) for row in tables["leads"]
    ]
    for row in tables["deals"]:
        found.append(
            ("opportunity", row["deal_key"], row["created_at"], contacts[row["deal_key"]], row["lead_id"], None)
        )
    for row in tables["orders"]:
        if not row["is_refund"]:
            found.append(
                ("order", row["order_key"], row["ordered_at"], contacts[row["deal_key"]], row["lead_id"], row["amount"])
            )
    result = []
    for kind, key, at, people, lead_id, amount in found:
        stages = [leads.get(lead_id, {}).get(name) for name in ("lead_at", "opportunity_at")]
        if kind == "lead" and stages[1] and stages[1] > at:
            stages[1] = None
        path = sorted(
            (
                t
                for t in tables["touches"]
                if t["person_id"] in people and at - timedelta(days=90) <= t["touched_at"] <= at
            ),
            key=lambda t: (t["touched_at"], t["touch_id"]),
        )
        result.append(
            {"type": kind, "id": key, "at": at, "people": people, "amount": amount, "stages": stages, "path": path}
        )
    return result


def test_every_share_follows_from_the_definitions(credited_company: House, random_company) -> None:
    rows = credited_company.rows(
        "select conversion_type, conversion_id, model, touch_id, credit from marts.fct_attribution "
        "where entry = 'conversion' and model != 'markov'"
    )
    credited: dict[tuple[str, str], dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for kind, key, model, touch_id, credit in rows:
        credited[kind, key][model][touch_id] = float(credit)
    compared = 0
    for each in conversions(random_company):
        shares = (
            expected_shares(each["path"], each["at"], *each["stages"]) if each["path"] else {m: {} for m in MODELS[:-1]}
        )
        for model, touches in shares.items():
            expected = {name: share for name, share in touches.items() if share} or {"(unattributed)": 1.0}
            assert credited[each["type"], each["id"]][model] == pytest.approx(expected, abs=1e-9), (each["id"], model)
            compared += len(touches) > 2
    assert len(credited) == len(conversions(random_company))
    assert compared > 300


def journeys_of_fit(
    tables: dict[str, list[dict[str, Any]]], kind: str, first: date, last: date
) -> list[tuple[tuple[str, ...], float | None]]:
    found, converters = [], set()
    for each in conversions(tables):
        if each["type"] == kind and first <= each["at"].date() <= last:
            converters |= each["people"]
            if each["path"]:
                found.append((tuple(t["channel"] for t in each["path"]), float(each["amount"] or 0)))
    travellers = defaultdict(list)
    for t in sorted(tables["touches"], key=lambda t: (t["touched_at"], t["touch_id"])):
        if first <= t["touched_at"].date() <= last and t["person_id"] not in converters:
            travellers[t["person_id"], t["visitor_id"]].append(t["channel"])
    return found + [(tuple(path), None) for path in travellers.values()]


def test_every_markov_fit_equals_a_dense_computation_from_the_journeys(credited_company: House, random_company) -> None:
    rows = credited_company.dicts("select * from marts.fct_channel_removal_effects")
    fits = defaultdict(list)
    for row in rows:
        fits[row["conversion_type"], row["first_day"], row["last_day"]].append(row)
    for (kind, first, last), effects in fits.items():
        assert (last - first).days == 364
        journeys = journeys_of_fit(random_company, kind, first, last)
        expected = expected_effects(journeys)
        assert {row["channel"]: row["removal_effect"] for row in effects} == pytest.approx(expected, abs=1e-9)
        assert sum(row["conversions"] for row in effects) == pytest.approx(
            sum(value is not None for _, value in journeys)
        )
        assert sum(row["value"] for row in effects) == pytest.approx(sum(value or 0 for _, value in journeys))
    assert {kind for kind, *_ in fits} == {"lead", "opportunity", "order"}
    assert len(fits) > 30


def test_markov_shares_a_conversion_by_the_effects_of_its_own_month(credited_company: House, random_company) -> None:
    effects = {
        (kind, month, channel): effect
        for kind, month, channel, effect in credited_company.rows(
            "select conversion_type, fit_month, channel, removal_effect from marts.fct_channel_removal_effects"
        )
    }
    credits = {
        (kind, key, touch_id): float(credit)
        for kind, key, touch_id, credit in credited_company.rows(
            "select conversion_type, conversion_id, touch_id, credit from marts.fct_attribution where model = 'markov' and entry = 'conversion'"
        )
    }
    for each in conversions(random_company):
        channels = [t["channel"] for t in each["path"]]
        effect = {c: effects[each["type"], each["at"].date().replace(day=1), c] for c in channels}
        for t in each["path"]:
            share = effect[t["channel"]] / sum(effect.values()) / channels.count(t["channel"])
            assert credits.get((each["type"], each["id"], t["touch_id"]), 0) == pytest.approx(share, abs=1e-9)


# ---- what must hold whatever the data ---------------------------------------------------------------------------


def test_credit_and_money_are_handed_out_whole_by_every_model(credited_company: House, random_company) -> None:
    rows = credited_company.rows(
        "select model, sum(credit), sum(revenue), sum(gross_margin) from marts.fct_attribution group by 1 order by 1"
    )
    money = sum((row["amount"] or 0 for row in random_company["orders"]), Decimal(0))
    assert rows == [(model, len(conversions(random_company)), money, money) for model in sorted(MODELS)]
    # an order of 0 is an order
    free = [row["order_key"] for row in random_company["orders"] if row["amount"] == 0]
    counted = credited_company.rows(
        f"select sum(credit) from marts.fct_attribution where conversion_type = 'order' and model = 'linear' and conversion_id in {tuple(free)}"
    )
    assert counted == [(len(free),)]


def test_no_credit_before_the_lookback_or_after_the_conversion(credited_company: House) -> None:
    credited, early, late = credited_company.rows(
        "select count(*), count(*) filter (touch_at < c.conversion_at - interval 90 days), count(*) filter (touch_at > c.conversion_at) "
        "from marts.fct_attribution as a join intermediate.int_conversions as c on c.conversion_key = a.conversion_type || ':' || a.conversion_id "
        "and c.entry = 'conversion' where touch_at is not null"
    )[0]
    assert (credited > 1000, early, late) == (True, 0, 0)


def test_the_order_of_ingestion_changes_nothing(credited_company: House, new_house, random_company) -> None:
    rng = random.Random(1)
    shuffled = {name: rng.sample(rows, len(rows)) for name, rows in random_company.items()}
    other = attribute(new_house(), **shuffled)
    for table in ("marts.fct_attribution", "marts.fct_channel_removal_effects"):
        assert other.table(table) == credited_company.table(table)


def test_a_stranger_changes_nobody_elses_credit(credited_company: House, new_house, random_company) -> None:
    """But Markov's, whose effects are a property of the whole company."""
    stranger = {
        "touches": [touch(f"s-{i}", moment(f"2026-01-0{i + 1}"), "Email", "stranger") for i in range(3)],
        "leads": [{"lead_id": "stranger", "lead_at": moment("2026-01-05")}],
        "orders": [order("stranger", moment("2026-01-09"), 77, "stranger")],
    }
    grown = attribute(new_house(), **{name: rows + stranger.get(name, []) for name, rows in random_company.items()})
    others = "select * from marts.fct_attribution where model != 'markov' and lead_id is distinct from 'stranger' order by all"
    assert grown.rows(others) == credited_company.rows(others)
    assert grown.rows(
        "select sum(credit) from marts.fct_attribution where lead_id = 'stranger' and model = 'markov'"
    ) == [(2,)]


def test_each_of_several_conversions_of_a_person_is_credited_whole(new_house) -> None:
    """A person who buys three times is three conversions, each with the touches of its own window."""
    days = [moment("2026-01-10"), moment("2026-02-20"), moment("2026-05-30")]
    touches = [touch("a", days[0] - timedelta(days=1), "Email", "p"), touch("b", days[1], "Paid Search", "p")]
    orders = [
        order(f"o{i}", at, amount, "p", is_new_customer=not i)
        for i, (at, amount) in enumerate(zip(days, (10, 0, 5), strict=True))
    ]
    house = attribute(new_house(), touches=touches, orders=orders)
    rows = house.rows(
        "select conversion_id, touch_id, cast(credit as double), cast(revenue as double) from marts.fct_attribution where model = 'linear' order by 1, 2"
    )
    # the second costs nothing and counts; the third is 99 days after its nearest touch
    assert rows == [("o0", "a", 1, 10), ("o1", "a", 0.5, 0), ("o1", "b", 0.5, 0), ("o2", "(unattributed)", 1, 5)]


def test_models_and_windows_come_from_the_settings(new_house) -> None:
    touches = [touch("old", moment("2026-01-01"), "Email", "p"), touch("new", moment("2026-03-01"), "Direct", "p")]
    leads = [{"lead_id": "p", "lead_at": moment("2026-01-01")}]
    orders = [order("o1", moment("2026-02-01"), 10, "p"), order("o2", moment("2026-03-02"), 10, "p")]
    rules = {"models": ["linear", "time_decay"], "default_model": "linear", "half_life_days": 30}
    house = new_house()
    credits = (
        "select conversion_id, model, touch_id, round(credit, 6)::double from marts.fct_attribution "
        "where conversion_type = 'order' order by 1, 2, touch_at"
    )
    attribute(house, rules, touches=touches, leads=leads, orders=orders)
    decayed = 2 ** (-59 / 30)  # 60 days before, against 1
    old = decayed / (1 + decayed)
    assert house.rows(credits) == [
        ("o1", "linear", "old", 1.0), ("o1", "time_decay", "old", 1.0),
        ("o2", "linear", "old", 0.5), ("o2", "linear", "new", 0.5),
        ("o2", "time_decay", "old", pytest.approx(old, abs=1e-6)), ("o2", "time_decay", "new", pytest.approx(1 - old, abs=1e-6)),
    ]  # fmt: skip
    # a second order counts on its own, or only what came after the first
    attribute(house, {**rules, "earlier_conversions_reset": True}, touches=touches, leads=leads, orders=orders)
    assert house.rows(credits)[2:] == [("o2", "linear", "new", 1.0), ("o2", "time_decay", "new", 1.0)]
    assert house.rows("select distinct model from marts.fct_attribution where is_default_model") == [("linear",)]


def test_a_deal_that_closes_five_months_after_its_click(new_house) -> None:
    touches = [touch("click", moment("2026-02-03T12:00"), "Paid Search", "p", campaign_key="google_ads:11")]
    tables = {
        "touches": touches,
        "leads": [{"lead_id": "p", "lead_at": moment("2026-02-04"), "opportunity_at": moment("2026-02-20")}],
        "orders": [order("o", moment("2026-07-03T12:00"), 900, "p")],
    }
    house = new_house()
    spent = (
        "insert into marts.fct_costs by name select date '2026-02-03' as date_day, 'media' as cost_type, 'outbound' as motion, "
        "'Paid Search' as channel, 'google_ads:11' as campaign_key, 300 as amount_native, 300 as amount"
    )
    with duckdb.connect(str(house.warehouse)) as connection:
        connection.execute(spent)
    credits = (
        "select channel, campaign_key, touch_date::varchar, conversion_date::varchar, credit::int, revenue::int, motion from marts.fct_attribution "
        "where conversion_type = 'order' and model = 'last_non_direct'"
    )
    # (revenue - cost) / cost of each month, revenue dated by its touch or by its conversion
    romi = """
        select strftime(month, '%m'), sum(revenue) - sum(cost), sum(cost)
        from (
            select date_trunc('month', {day}) as month, revenue, 0 as cost from marts.fct_attribution
            where conversion_type = 'order' and model = 'last_non_direct' and campaign_key = 'google_ads:11'
            union all select date_trunc('month', date_day), 0, amount from marts.fct_costs
        ) group by 1 order by 1"""
    attribute(house, **tables)
    assert house.rows(credits) == [("(unattributed)", "(unattributed)", None, "2026-07-03", 1, 900, "inbound")]
    assert house.rows(romi.format(day="touch_date")) == [("02", -300, 300)]
    attribute(house, {"lookback_days": {"order": 180}}, **tables)
    assert house.rows(credits) == [("Paid Search", "google_ads:11", "2026-02-03", "2026-07-03", 1, 900, "outbound")]
    assert house.rows(romi.format(day="touch_date")) == [("02", 600, 300)]  # accrual: the click's month earned it
    assert house.rows(romi.format(day="conversion_date")) == [("02", -300, 300), ("07", 900, 0)]  # cash: July has it
