"""Markov attribution, exactly: removal effects from transition counts by linear solve. What SQL cannot do well.

Order 1 absorbing chain over channels (Anderl, Becker, von Wangenheim, Schumann, IJRM 33(3), 2016): a journey
enters at its first channel, moves from channel to channel (repeats of one channel in a row count once) and ends
in a conversion or in nothing. With T the channel-to-channel matrix, c the probabilities of converting next and
s the start row, P(conversion) = s (I - T)^-1 c. Removing a channel sends whoever would have gone there to
nothing. No simulation: the same counts always give the same effects.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

START, CONVERSION, NOTHING = "(start)", "(conversion)", "(null)"
MOST_CHANNELS = 2000  # one dense inverse; more than this are campaigns or typing errors, not channels


class AttributionError(Exception):
    """The counts do not describe journeys, or there are more channels than an exact solve should take."""


def removal_effects(
    from_state: Sequence[str], to_state: Sequence[str], count: Sequence[float], value: Sequence[float] | None = None
) -> pa.Table:
    """Removal effects of one fit, from its transition counts.

    States are channel names and START, CONVERSION, NOTHING. `value` is the money carried by each transition into
    CONVERSION (0 elsewhere). Returns one row a channel, sorted by name: channel, removal_effect (share of
    conversions lost without it, 0..1), removal_effect_value (the same of the money), conversions and value (the
    classic totals: all conversions, or value, times the channel's share of the effects). A fit without conversions
    has effects 0 and totals 0.
    Raises AttributionError for more than MOST_CHANNELS channels.
    """
    counts = np.asarray(count, dtype=float)
    worth = np.zeros_like(counts) if value is None else np.asarray(value, dtype=float)
    ends = {START, CONVERSION, NOTHING}
    channels = sorted({name for name in (*from_state, *to_state) if name not in ends})
    if len(channels) > MOST_CHANNELS:
        raise AttributionError(f"{len(channels)} channels are too many for one fit ({MOST_CHANNELS} at most)")
    place = {name: i for i, name in enumerate(channels)}
    size = len(channels)
    moves, convert, starts, worth_next = np.zeros((size, size)), np.zeros(size), np.zeros(size), np.zeros(size)
    leaving = np.zeros(size)
    for source, target, number, money in zip(from_state, to_state, counts, worth, strict=True):
        if source == START:
            if target in place:
                starts[place[target]] += number
            continue
        here = place[source]
        leaving[here] += number
        if target == CONVERSION:
            convert[here] += number
            worth_next[here] += money
        elif target in place:
            moves[here, place[target]] += number
    conversions, total_value = convert.sum(), worth_next.sum()
    rates = np.divide(1.0, leaving, out=np.zeros(size), where=leaving > 0)
    transition, conversion, money = moves * rates[:, None], convert * rates, worth_next * rates
    start = starts / starts.sum() if starts.sum() else starts
    effect = _effects(transition, conversion, start)
    value_effect = _effects(transition, money, start)
    return pa.table(
        {
            "channel": pa.array(channels, pa.string()),
            "removal_effect": pa.array(effect, pa.float64()),
            "removal_effect_value": pa.array(value_effect, pa.float64()),
            "conversions": pa.array(_shared(effect, conversions), pa.float64()),
            "value": pa.array(_shared(value_effect, total_value), pa.float64()),
        }
    )


def _effects(transition: np.ndarray, payoff: np.ndarray, start: np.ndarray) -> np.ndarray:
    """1 - (payoff without the channel) / (payoff with it), for all channels from one inverse.

    Removing channel k deletes its row and column of (I - T). With N = (I - T)^-1 that changes the expected payoff
    by exactly the payoff of what passes through k: (s N)_k (N c)_k / N_kk (block inverse, Sherman-Morrison).
    """
    size = len(start)
    if not size:
        return np.zeros(0)
    fundamental = np.linalg.inv(np.eye(size) - transition)
    reach, worth = start @ fundamental, fundamental @ payoff
    whole = start @ worth
    if whole <= 0:
        return np.zeros(size)
    through = reach * worth / np.diag(fundamental)
    return np.clip(through / whole, 0.0, 1.0)


def _shared(effect: np.ndarray, total: float) -> np.ndarray:
    return effect / effect.sum() * total if effect.sum() > 0 else np.zeros_like(effect)
