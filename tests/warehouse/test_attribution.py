"""The exact Markov solve against a second computation: absorbing chains with the channel's row and column deleted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.warehouse.markov import CONVERSION, MOST_CHANNELS, START, AttributionError, removal_effects
from tests.support.dense_markov import Journey, expected_effects, steps

CHANNELS = ("A", "B", "C", "D", "E")
journeys = st.lists(
    st.tuples(
        st.lists(st.sampled_from(CHANNELS), min_size=1, max_size=6).map(tuple),
        st.none() | st.integers(0, 900),
    ),
    min_size=1,
    max_size=30,
)


def effects(many: Sequence[Journey]) -> dict[str, dict[str, float]]:
    counts: Counter[tuple[str, str]] = Counter()
    values: Counter[tuple[str, str]] = Counter()
    for journey in many:
        for step in steps(journey):
            counts[step] += 1
            if step[1] == CONVERSION:
                values[step] += journey[1] or 0
    table = removal_effects(
        [a for a, _ in counts], [b for _, b in counts], list(counts.values()), [values[step] for step in counts]
    )
    return {row["channel"]: row for row in table.to_pylist()}


def removal(rows: dict[str, dict[str, float]]) -> dict[str, float]:
    return {name: row["removal_effect"] for name, row in rows.items()}


@given(journeys)
@settings(max_examples=100, deadline=None)
def test_effects_equal_a_chain_with_the_channel_deleted(many: list[Journey]) -> None:
    assert removal(effects(many)) == pytest.approx(expected_effects(many), abs=1e-9)


@given(journeys)
@settings(max_examples=100, deadline=None)
def test_totals_are_conserved(many: list[Journey]) -> None:
    rows = effects(many).values()
    assert sum(row["conversions"] for row in rows) == pytest.approx(sum(v is not None for _, v in many))
    assert sum(row["value"] for row in rows) == pytest.approx(sum(v or 0 for _, v in many))


@given(journeys, st.permutations(CHANNELS))
@settings(max_examples=50, deadline=None)
def test_channels_may_change_their_names(many: list[Journey], names: list[str]) -> None:
    renamed = dict(zip(CHANNELS, names, strict=True))
    other = effects([(tuple(renamed[name] for name in path), value) for path, value in many])
    assert removal(other) == pytest.approx({renamed[k]: v for k, v in removal(effects(many)).items()}, abs=1e-9)


@given(journeys)
@settings(max_examples=50, deadline=None)
def test_the_same_data_three_times_has_the_same_effects(many: list[Journey]) -> None:
    assert removal(effects(many * 3)) == pytest.approx(removal(effects(many)), abs=1e-9)


def test_journeys_that_come_to_nothing_count() -> None:
    # A > B converts. Alone, each is needed: effect 1. When A also fails by itself, P = 1/2, still all of it by both.
    assert removal(effects([(("A", "B"), 1)])) == {"A": 1.0, "B": 1.0}
    # A converts once; B converts once and fails three times: P = 1/5 + 4/5 * 1/4 = 2/5, half of it by each
    rows = effects([(("A",), 30), (("B",), 10), *[(("B",), None)] * 3])
    assert removal(rows) == pytest.approx({"A": 0.5, "B": 0.5})
    assert {name: row["conversions"] for name, row in rows.items()} == pytest.approx({"A": 1, "B": 1})
    assert {name: row["value"] for name, row in rows.items()} == pytest.approx({"A": 30, "B": 10})
    # two more that fail by way of C to B: B now converts one in six; C itself brings 2/7 * 1/6 = 1/21 of P = 2/7
    with_c = effects([(("A",), 30), (("B",), 10), *[(("B",), None)] * 3, *[(("C", "B"), None)] * 2])
    assert with_c["C"]["removal_effect"] == pytest.approx(1 / 6)


def test_nobody_converts() -> None:
    rows = effects([(("A", "B"), None)])
    assert removal(rows) == {"A": 0, "B": 0}
    assert [row["conversions"] for row in rows.values()] == [0, 0]


def test_no_journeys_no_rows() -> None:
    assert removal_effects([], [], []).num_rows == 0


def test_too_many_channels_is_an_error_that_says_so() -> None:
    names = [f"campaign {i}" for i in range(MOST_CHANNELS + 1)]
    with pytest.raises(AttributionError, match="2001 channels are too many"):
        removal_effects([START] * len(names), names, [1] * len(names))
