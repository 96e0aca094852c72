"""Who the people of the company are: persons, their sales and fillings in the making, and each one's random numbers."""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from statistics import NormalDist

from dagster_project.sandbox.company.business import END_MS
from dagster_project.sandbox.company.days import DAY_MS, MINUTE_MS
from dagster_project.sandbox.company.visits import Ints

_NORMAL = NormalDist()


@dataclass
class Sale:
    """A deal in the making."""

    created_ms: int
    stages: list[tuple[int, str]]  # oldest first
    closed_ms: int
    is_won: bool
    pipeline: str
    product: str | None
    amount: float | None
    currency: str
    discounted_amount: float | None = None  # from the contract on
    refund_of: Sale | None = None
    has_contact: bool = True
    company: int = -1
    archived_ms: int | None = None


@dataclass
class Person:
    """A contact in the making; two of them may be one human being."""

    number: int  # position in Lives.people
    visitor: int  # -1: not yet seen on the site
    browser: int
    country: int  # position in COUNTRIES
    created_ms: int
    form: int  # position in FORMS of the submission that made it; -1: imported
    first_name: str
    last_name: str
    email: str
    owner: int  # position in OWNERS
    stages: list[tuple[int, str, str]] = field(default_factory=list)  # (moment, stage, by what; see Change)
    sales: list[Sale] = field(default_factory=list)
    company: int = -1
    colleague: Person | None = None  # a second contact on this one's deals
    fate: str = ""  # landmark
    archived_ms: int | None = None
    deleted_ms: int | None = None
    merged_ms: int | None = None
    original: Person | None = None  # the human being's first contact, into which a merge goes

    def is_gone(self, moment_ms: int) -> bool:
        gone = (self.archived_ms, self.deleted_ms, self.merged_ms)
        return any(ms is not None and ms <= moment_ms for ms in gone)

    def wins(self) -> list[Sale]:
        return [sale for sale in self.sales if sale.is_won and not sale.refund_of and sale.closed_ms < END_MS]


@dataclass(frozen=True)
class Filling:
    """A form filled in on a visit."""

    visit: int  # position in the visits
    person: int
    form: int
    at_ms: int
    is_blocked: bool  # the visitor's browser let no analytics script run


@dataclass
class Lives:
    people: list[Person]
    fillings: list[Filling]
    loose_sales: list[Sale]  # deals without a contact
    companies: int
    shared_browsers: Ints  # browsers that are one device
    fates: dict[str, list[Person | Sale]]  # landmark -> whom it happens to


class Draws:
    """A person's own random numbers, in order."""

    def __init__(self, row: Sequence[float]) -> None:
        self._numbers: Iterator[float] = iter(row)

    def share(self) -> float:
        return next(self._numbers)

    def chance(self, probability: float) -> bool:
        return self.share() < probability

    def whole(self, count: int) -> int:
        return int(self.share() * count)

    def normal(self) -> float:
        return _NORMAL.inv_cdf(min(max(self.share(), 1e-9), 1 - 1e-9))

    def wait_ms(self, mean_days: float) -> int:
        return int(-mean_days * DAY_MS * math.log(1 - self.share())) + 3 * MINUTE_MS

    def weighted(self, weights: Sequence[float]) -> int:
        return bisect(list(accumulate(weights)), self.share() * sum(weights))
