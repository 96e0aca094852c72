"""The SQL of the credit models itself, compiled from the macro, over paths that hypothesis thinks of."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.house import House
from tests.support.paths import CHANNELS, PAID, expected_shares

AT = datetime(2026, 3, 31, tzinfo=UTC)
EFFECTS = dict(zip(CHANNELS, (0.3, 0.0, 0.7, 1e-7, 3e-7, 1.0), strict=True))
Path = dict[
    str, Any
]  # touches (channel, minutes before the conversion), lead and opportunity: minutes before it, or None
Weights = dict[int, dict[str, list[float]]]

MINUTES = st.integers(0, 90 * 24 * 60)
PATHS = st.fixed_dictionaries(
    {
        "touches": st.lists(st.tuples(st.sampled_from(CHANNELS), MINUTES), min_size=1, max_size=12),
        "lead": st.none() | MINUTES,
        "opportunity": st.none() | MINUTES,
    }
)


@pytest.fixture(scope="module")
def weigh(tmp_path_factory, dbt_project) -> Callable[[dict[int, Path], random.Random], Weights]:
    """`weigh(paths, rng)`: model -> shares in the order of the touches, for each path; the rows are put in any order."""
    sql = House(tmp_path_factory.mktemp("weights") / "home", dbt_project).compiled(
        "{{ attribution_weights('given_touches', 7) }}"
    )

    def weighed(paths: dict[int, Path], rng: random.Random) -> Weights:
        rows = [row for number, path in paths.items() for row in sql_rows(number, path)]
        rng.shuffle(rows)
        with duckdb.connect() as connection:
            connection.register("given_touches", pa.Table.from_pylist(rows))
            found = connection.execute(f"select * from ({sql}) order by conversion_id, touch_order").fetchall()
            names = [column[0] for column in connection.description]
        weights: Weights = {number: {} for number in paths}
        for row in (dict(zip(names, each, strict=True)) for each in found):
            for name in names:
                if name.startswith("weight_"):
                    weights[row["conversion_id"]].setdefault(name.removeprefix("weight_"), []).append(row[name])
        return weights

    return weighed


def in_order(path: Path) -> list[dict[str, Any]]:
    touches = sorted(path["touches"], key=lambda touch: -touch[1])
    return [
        {"touch_id": str(i), "channel": channel, "touched_at": AT - timedelta(minutes=before)}
        for i, (channel, before) in enumerate(touches)
    ]


def stages(path: Path) -> list[datetime | None]:
    return [None if path[name] is None else AT - timedelta(minutes=path[name]) for name in ("lead", "opportunity")]


def sql_rows(number: int, path: Path) -> list[dict[str, Any]]:
    touches, (lead_at, opportunity_at) = in_order(path), stages(path)
    return [
        {
            "conversion_id": number,
            "touch_order": i,
            "channel": each["channel"],
            "is_direct": each["channel"] == "Direct",
            "is_paid": each["channel"] in PAID,
            "seconds_to_last": (touches[-1]["touched_at"] - each["touched_at"]).total_seconds(),
            "is_before_lead": lead_at is not None and each["touched_at"] <= lead_at,
            "is_before_opportunity": opportunity_at is not None and each["touched_at"] <= opportunity_at,
            "markov_effect": EFFECTS[each["channel"]],
        }
        for i, each in enumerate(touches, start=1)
    ]


def by_definition(path: Path) -> dict[str, list[float]]:
    touches = in_order(path)
    shares = expected_shares(touches, AT, *stages(path))
    expected = {model: [of_touch[each["touch_id"]] for each in touches] for model, of_touch in shares.items()}
    channels = [each["channel"] for each in touches]
    total = sum(EFFECTS[channel] for channel in set(channels))
    parts = [EFFECTS[channel] / total / channels.count(channel) for channel in channels] if total else None
    return {**expected, "markov": parts or expected["linear"]}


@given(st.lists(PATHS, min_size=1, max_size=6), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_every_model_is_what_its_definition_says(weigh, paths: list[Path], rng: random.Random) -> None:
    weights = weigh(dict(enumerate(paths)), rng)
    for number, path in enumerate(paths):
        expected = by_definition(path)
        assert weights[number].keys() == expected.keys()
        for model, shares in expected.items():
            assert weights[number][model] == pytest.approx(shares, abs=1e-9), model
            whole = 0 if model in ("first_paid", "last_paid") and not sum(shares) else 1
            assert sum(weights[number][model]) == pytest.approx(whole, abs=1e-9), model


@given(PATHS, st.lists(PATHS, max_size=5), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_a_path_is_weighed_to_the_last_digit_whatever_stands_beside_it(
    weigh: Callable[..., Weights], path: Path, others: Sequence[Path], rng: random.Random
) -> None:
    alone = weigh({0: path}, rng)[0]
    assert weigh({0: path, **dict(enumerate(others, start=1))}, rng)[0] == alone


def test_a_path_of_touches_far_beyond_the_half_life_still_sums_to_one(weigh) -> None:
    """A half-life is a week: after 20 years a touch weighs 2^-1043, which no double holds."""
    years = 20 * 365 * 24 * 60
    weights = weigh(
        {0: {"touches": [("Email", years), ("Direct", years + 7 * 24 * 60)], "lead": None, "opportunity": None}},
        random.Random(0),
    )
    assert weights[0]["time_decay"] == pytest.approx([1 / 3, 2 / 3], abs=1e-9)
