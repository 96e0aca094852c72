"""The Markov model computed a second way, for tests: the whole chain as one dense matrix, the channel deleted from it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from dagster_project.warehouse.markov import CONVERSION, NOTHING, START

Journey = tuple[tuple[str, ...], float | None]  # channels in order; value of the conversion, None without one


def steps(journey: Journey) -> list[tuple[str, str]]:
    path, value = journey
    visits = [name for i, name in enumerate(path) if i == 0 or name != path[i - 1]]
    states = [START, *visits, NOTHING if value is None else CONVERSION]
    return list(pairwise(states))


def conversion_probability(many: Sequence[Journey], without: str | None = None) -> float:
    """P(conversion) of the whole chain, START and both ends among its states, by one dense solve.

    `without`: the channel's row and column are deleted, so whoever would have gone there is lost.
    """
    states = [START, CONVERSION, NOTHING, *sorted({name for path, _ in many for name in path})]
    counts = np.zeros((len(states), len(states)))
    for journey in many:
        for a, b in steps(journey):
            counts[states.index(a), states.index(b)] += 1
    leaving = counts.sum(axis=1, keepdims=True)
    chain = np.divide(counts, leaving, out=np.zeros_like(counts), where=leaving > 0)
    keep = [i for i, name in enumerate(states) if name not in (CONVERSION, NOTHING, without)]
    inner = chain[np.ix_(keep, keep)]
    return float(np.linalg.solve(np.eye(len(keep)) - inner, chain[keep, states.index(CONVERSION)])[0])


def expected_effects(many: Sequence[Journey]) -> dict[str, float]:
    whole = conversion_probability(many)
    names = {name for path, _ in many for name in path}
    return {name: 1 - conversion_probability(many, name) / whole if whole else 0.0 for name in sorted(names)}
