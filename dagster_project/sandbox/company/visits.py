"""Visits in the making: what brings them, whose they are, and how visits of a kind behave.

`draw_visits` makes the visits of strangers; `crm` then finds out who leaves an address, and `visits_at` makes the visits
of people known by then. What a counter comes to know of them all: `web`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from dagster_project.sandbox.company.ads import PLANS, UNITS, AdHistory
from dagster_project.sandbox.company.days import DAYS, demand, moments_in_day
from dagster_project.sandbox.company.tags import KINDS, VARIANTS

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

COUNTRIES = ("DE", "AT", "CH", "NL", "GB", "US")


@dataclass(frozen=True)
class Habit:
    """How visits of a kind behave."""

    a_day: float  # visits on an average day (ads: from clicks; known people: from the CRM)
    from_known_browsers: float  # share that come from somebody who was here before
    submits: float  # chance that a first visit fills a form in
    engaged: float
    mobile: float
    pages: tuple[float, ...]  # weights in the order of PAGES


#       home  pricing blog  demo  features kit
_ANY = (0.34, 0.16, 0.14, 0.08, 0.22, 0.06)
_ADS = (0.10, 0.12, 0.00, 0.30, 0.38, 0.10)
_READ = (0.12, 0.06, 0.62, 0.03, 0.15, 0.02)

HABITS = {
    "ads": Habit(0, 0.22, 0.018, 0.56, 0.42, _ADS),
    "second_search_ads": Habit(5, 0.10, 0.020, 0.58, 0.18, _ADS),
    "social_ads": Habit(12, 0.10, 0.007, 0.38, 0.82, _ADS),
    "professional_ads": Habit(4, 0.14, 0.018, 0.48, 0.52, _ADS),
    "organic": Habit(62, 0.30, 0.011, 0.62, 0.38, _READ),
    "direct": Habit(40, 0.70, 0.012, 0.60, 0.30, _ANY),
    "social": Habit(10, 0.25, 0.005, 0.44, 0.72, _READ),
    "referral": Habit(10, 0.20, 0.021, 0.66, 0.28, _ANY),
    "ai_assistant": Habit(5, 0.18, 0.026, 0.70, 0.26, _READ),
    "affiliate": Habit(4, 0.12, 0.019, 0.55, 0.46, _ADS),
    "robot": Habit(0.6, 0.0, 0.0, 0.0, 0.0, (1, 0, 0, 0, 0, 0)),
    "email": Habit(0, 1.0, 0.035, 0.64, 0.40, _READ),
    "product": Habit(0, 1.0, 0.004, 0.72, 0.20, _ANY),
    "payment": Habit(0, 1.0, 0.0, 0.90, 0.20, (0, 0, 0, 0, 0, 1)),
}
# Path by page and by the country's language; somebody once typed the links of a partner by hand.
PAGES = {
    "home": {"de": "/", "en": "/en/", "nl": "/nl/"},
    "pricing": {"de": "/preise", "en": "/en/pricing", "nl": "/nl/prijzen"},
    "blog": {"de": "/ratgeber/e-rechnung-pflicht", "en": "/en/blog/get-paid-faster", "nl": "/nl/blog/btw"},
    "demo": {"de": "/demo", "en": "/en/demo", "nl": "/nl/demo"},
    "features": {"de": "/funktionen/kasse", "en": "/en/features/till", "nl": "/nl/kassa"},
    "kit": {"de": "/hardware/starter-kit", "en": "/en/hardware/starter-kit", "nl": "/nl/starterset"},
}
HANDMADE_PATHS = {"/preise": "/Preise/", "/en/pricing": "/en/pricing/", "/demo": "/demo/"}
LANGUAGE = {"DE": "de", "AT": "de", "CH": "de", "NL": "nl", "GB": "en", "US": "en"}
COUNTRY_WEIGHTS = (0.50, 0.11, 0.09, 0.10, 0.11, 0.09)

# Two robot bursts. One is recognised two days later, inside the days that are re-read every night; the other
# twelve days later, by when everybody thinks the day is final.
ROBOT_BURSTS = (("2026-03-10", 70, 2), ("2026-09-24", 90, 12))  # day, visits, days until withdrawn


@dataclass
class Visits:
    """Visits in the making, as arrays of one length."""

    at_ms: Ints
    kind: Ints  # position in KINDS
    variant: Ints  # position in VARIANTS
    click: Ints  # position in AdHistory's clicks; -1
    visitor: Ints  # number of the person
    browser: Ints  # visitor * 2, + 1 on the second device
    country: Ints  # position in COUNTRIES
    submits: Bools

    def take(self, rows: Ints | Bools) -> Visits:
        return Visits(*(getattr(self, column.name)[rows] for column in fields(self)))

    @staticmethod
    def concat(parts: Sequence[Visits]) -> Visits:
        return Visits(*(np.concatenate([getattr(p, column.name) for p in parts]) for column in fields(Visits)))

    def __len__(self) -> int:
        return len(self.at_ms)


def draw_visits(rng: np.random.Generator, ads: AdHistory, scale: float) -> Visits:
    """The visits of strangers and of people who come back by themselves, in order of time."""
    days, kinds = [], []
    for number, name in enumerate(KINDS):
        expected = HABITS[name].a_day * demand() * scale
        if name == "ai_assistant":
            expected *= np.linspace(0.3, 2.2, len(DAYS))  # hardly known at first
        if name == "robot":
            expected = np.full(len(DAYS), HABITS[name].a_day * scale)
            for burst, visits, _ in ROBOT_BURSTS:
                expected[np.searchsorted(DAYS, np.datetime64(burst))] = visits * scale
        count = rng.poisson(expected)
        days.append(np.repeat(np.arange(len(DAYS)), count))
        kinds.append(np.full(count.sum(), number))
    day, kind = np.concatenate(days), np.concatenate(kinds)
    at_ms = moments_in_day(rng, day)
    # Not every click arrives: people close the tab, the script is blocked.
    arrived = np.flatnonzero(rng.random(len(ads.click_ms)) < 0.88)
    at_ms = np.concatenate([at_ms, ads.click_ms[arrived] + rng.integers(300, 5_000, len(arrived))])
    kind = np.concatenate([kind, np.full(len(arrived), KINDS.index("ads"))])
    click = np.concatenate([np.full(len(day), -1), arrived])
    order = np.argsort(at_ms, kind="stable")
    at_ms, kind, click = at_ms[order], kind[order], click[order]

    visitor, returns = _people(rng, kind)
    browser = visitor * 2 + (returns & (rng.random(len(kind)) < 0.14))
    country = pick(rng, np.tile(COUNTRY_WEIGHTS, (len(PLANS) + 1, 1)), np.full(len(kind), len(PLANS)))
    plan = np.array([unit.plan for unit in UNITS])[ads.stat_unit[ads.click_stat]]
    of_ads = pick(rng, np.array([p.country_weights for p in PLANS]), np.where(click < 0, 0, plan[click]))
    country = np.where(click < 0, country, of_ads)[visitor]  # a visitor is named after their first visit
    first, times = np.unique(visitor, return_inverse=True)
    nth = _nth_visit(times, len(first))
    chance = np.array([HABITS[k].submits for k in KINDS])[kind] * np.minimum(1 + 0.5 * nth, 2.5)
    submits = rng.random(len(kind)) < chance
    # Who has left an address once does so again more easily.
    first_submit = np.full(len(kind), len(kind))
    np.minimum.at(first_submit, visitor[submits], np.flatnonzero(submits))
    submits |= (np.arange(len(kind)) > first_submit[visitor]) & (rng.random(len(kind)) < 0.15)
    return Visits(at_ms, kind, _variants(rng, kind), click, visitor, browser, country, submits)


def visits_at(rng: np.random.Generator, at_ms: Ints, kind: str, visitor: Ints, browser: Ints, country: Ints) -> Visits:
    """Visits of known people at given moments."""
    kinds = np.full(len(at_ms), KINDS.index(kind))
    submits = rng.random(len(at_ms)) < HABITS[kind].submits
    nowhere = np.full(len(at_ms), -1)
    return Visits(at_ms, kinds, _variants(rng, kinds), nowhere, visitor, browser, country, submits)


def _people(rng: np.random.Generator, kind: Ints) -> tuple[Ints, Bools]:
    """Who visits: (visitor, whether they were here before). A visitor's number is that of their first visit.

    A returning visit belongs to whoever made a recent earlier visit; following those pointers to their start
    (halving the way each round) gives chains of visits, most of them short.
    """
    number = np.arange(len(kind))
    returns = rng.random(len(kind)) < np.array([HABITS[k].from_known_browsers for k in KINDS])[kind]
    visits_a_day = len(kind) / len(DAYS)
    back = 1 + rng.exponential(9 * visits_a_day, len(kind)).astype(np.int64)
    returns &= (back <= number) & (kind != KINDS.index("robot"))
    parent = np.where(returns, number - back, number)
    returns &= kind[parent] != KINDS.index("robot")
    parent = np.where(returns, parent, number)
    while True:
        grandparent = parent[parent]
        if np.array_equal(grandparent, parent):
            return parent, returns
        parent = grandparent


def _nth_visit(visitor: Ints, visitors: int) -> Ints:
    """0 for a visitor's first row, 1 for the second..."""
    order = np.argsort(visitor, kind="stable")
    counts = np.bincount(visitor, minlength=visitors)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    nth = np.empty(len(visitor), np.int64)
    nth[order] = np.arange(len(visitor)) - starts
    return nth


def pick(rng: np.random.Generator, weights: Floats, row: Ints) -> Ints:
    """A column of `weights` for each entry of `row`, by the weights of that row."""
    cumulative = np.cumsum(weights, axis=1) / weights.sum(axis=1, keepdims=True)
    return (rng.random(len(row))[:, None] >= cumulative[row, :-1]).sum(axis=1)


def _variants(rng: np.random.Generator, kind: Ints) -> Ints:
    weights = np.array([[v.weight * (v.kind == kind) for v in VARIANTS] for kind in KINDS])
    return pick(rng, weights, kind)
