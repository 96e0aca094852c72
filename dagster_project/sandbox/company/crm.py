"""Lives of leads: who leaves an address, how they get on, what they buy and give back, with all the dirt.

`meet` makes persons out of visits, with their stages and deals; `visits_of_known` makes the later visits that
follow from that. Everything about a person is drawn from that person's own row of random numbers, so one life
does not shift another.
"""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from dagster_project.sandbox.company.business import (
    END_MS,
    FIRST_NAMES,
    FORMS,
    LAST_NAMES,
    LEAVER,
    OLD_DEMO_FORM,
    OLD_DEMO_FORM_UNTIL_MS,
    OPEN_STAGES,
    OWNER_LEFT_AT,
    OWNERS,
    PRODUCTS,
    QUALITY,
    SALES_ACCEPTED_SINCE_MS,
    SALES_PIPELINE,
    SELF_SERVICE_LOST,
    SELF_SERVICE_OPEN,
    SELF_SERVICE_PIPELINE,
    SELF_SERVICE_WON,
    ms,
)
from dagster_project.sandbox.company.days import DAY_MS, HOUR_MS, MIDNIGHTS_MS, MINUTE_MS, SECOND_MS, ms_of
from dagster_project.sandbox.company.tags import KINDS
from dagster_project.sandbox.company.web import COUNTRIES, COUNTRY_WEIGHTS, LANGUAGE, Visits, visits_at

Ints = npt.NDArray[np.int64]

# Some leads take so long from the click to the sale that any look-back window ends between.
SLOW_DAYS = 152
TRADE_FAIRS = ("2025-09-18", "2025-11-13", "2026-03-12", "2026-05-21", "2026-09-10", "2026-11-12")


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


_NORMAL = NormalDist()
DRAWS_A_PERSON = 360
MOST_SALES = 9  # deals of one person; more would use up the draws


def meet(rng: np.random.Generator, visits: Visits, scale: float) -> Lives:
    """Persons, their stages and deals, from the strangers' visits that fill in a form, and from fairs."""
    lives = Lives([], [], [], 0, np.array([], np.int64), {})
    filled = np.flatnonzero(visits.submits)
    imports = sorted(_ms for day in TRADE_FAIRS for _ms in [ms(f"{day}T18:30")] * max(1, round(15 * scale)))
    draws = rng.random((len(filled) + len(imports), DRAWS_A_PERSON))

    by_visitor: dict[int, list[Person]] = {}
    for visit, row in zip(filled.tolist(), draws, strict=False):
        u = Draws(row.tolist())
        visitor, at_ms = int(visits.visitor[visit]), int(visits.at_ms[visit]) + 40_000 + u.whole(500_000)
        known = by_visitor.setdefault(visitor, [])
        form = _form_filled(u, at_ms)
        is_blocked = u.chance(0.04)
        if not known or (len(known) == 1 and u.chance(0.25)):
            filler = new_person(lives, u, at_ms, int(visits.country[visit]), form)
            filler.visitor, filler.browser = visitor, int(visits.browser[visit])
            if known:
                _is_the_same_human(filler, known[0])
            known.append(filler)
            kind = KINDS[visits.kind[visit]]
            _live(filler, u, FORMS[form].becomes_mql * QUALITY.get(kind, 1.0), is_ads=kind == "ads")
        else:
            filler = known[0]
        lives.fillings.append(Filling(visit, filler.number, form, at_ms, is_blocked))
    for at_ms, row in zip(imports, draws[len(filled) :], strict=False):
        u = Draws(row.tolist())
        person = new_person(lives, u, at_ms + u.whole(90_000), u.weighted(COUNTRY_WEIGHTS), -1)
        _live(person, u, 0.45, is_ads=False)
    _found_companies(rng, lives)
    return lives


def _form_filled(u: Draws, at_ms: int) -> int:
    form = u.weighted([plan.weight for plan in FORMS])
    return OLD_DEMO_FORM if form == 0 and at_ms < OLD_DEMO_FORM_UNTIL_MS and u.chance(0.5) else form


def new_person(lives: Lives, u: Draws, at_ms: int, country: int, form: int) -> Person:
    language = LANGUAGE[COUNTRIES[country]]
    first = FIRST_NAMES[language][u.whole(len(FIRST_NAMES[language]))]
    last = LAST_NAMES[language][u.whole(len(LAST_NAMES[language]))]
    number = len(lives.people)
    email = f"{first}.{last}{number}@example.{'com' if u.chance(0.6) else 'org'}".lower()
    owner = u.whole(len(OWNERS))
    if owner == LEAVER and at_ms >= ms_of(OWNER_LEFT_AT):
        owner = (LEAVER + 1 + u.whole(len(OWNERS) - 1)) % len(OWNERS)
    person = Person(number, -1, -1, country, at_ms, form, first, last, email, owner)
    lives.people.append(person)
    return person


def _is_the_same_human(person: Person, original: Person) -> None:
    person.first_name, person.last_name, person.owner = (
        original.first_name,
        original.last_name,
        original.owner,
    )
    person.email = f"{person.first_name[0]}.{person.last_name}{person.number}@example.org".lower()
    person.original = original


def _live(person: Person, u: Draws, becomes_mql: float, *, is_ads: bool) -> None:
    """Stages up to the opportunity, and the deals from there on. Not everyone goes straight."""
    first_stage = "lead" if person.form < 0 else FORMS[person.form].first_stage
    person.stages.append((person.created_ms, first_stage, "import" if person.form < 0 else "form"))
    at_ms = person.created_ms

    def reach(stage: str, mean_days: float, by: str, skipped: float = 0.0) -> None:
        nonlocal at_ms
        at_ms += u.wait_ms(mean_days)
        if not u.chance(skipped):
            person.stages.append((at_ms, stage, by))

    if not u.chance(min(becomes_mql, 0.95)) or person.original:
        if u.chance(0.06):
            reach("other", 12, "hand")
        return
    if first_stage == "subscriber":
        reach("lead", 20, "automation", skipped=0.5)
    reach("mql", 1.6, "automation", skipped=0.08)
    if not u.chance(0.68):
        if u.chance(0.12):
            reach("lead", 14, "hand")
        return
    if at_ms >= SALES_ACCEPTED_SINCE_MS:
        reach("sal", 0.8, "hand", skipped=0.15)
    reach("sql", 3.2, "hand", skipped=0.06)
    if u.chance(0.10):  # sent back to marketing; less than half of them try again
        reach("lead", 9, "hand")
        if not u.chance(0.45):
            return
        reach("mql", 35, "automation")
        reach("sql", 6, "hand")
    if not u.chance(0.80):
        return
    at_ms += u.wait_ms(3.0)
    is_slow = is_ads and ms("2026-02-01T00:00") < person.created_ms < ms("2026-04-20T00:00") and u.chance(0.5)
    _buy(person, u, at_ms, won_at_ms=person.created_ms + SLOW_DAYS * DAY_MS if is_slow else None)


def _buy(person: Person, u: Draws, at_ms: int, won_at_ms: int | None) -> None:
    """The first deal and what follows: customers come back, some losers try again, some money goes back."""
    is_customer = is_self_service = False
    while at_ms < END_MS and len(person.sales) < MOST_SALES:
        if not is_customer:
            person.stages.append((at_ms, "opportunity", "deal"))
        if is_self_service:
            sale = _checkout(u, at_ms, person.country)
        else:
            sale = negotiate(u, at_ms, person.country, 0.74 if is_customer else 0.36, won_at_ms)
            won_at_ms = None
        person.sales.append(sale)
        if sale.is_won:
            if not is_customer:
                person.stages.append((sale.closed_ms, "customer", "deal"))
            is_customer = True
            if u.chance(0.05) and sale.amount and sale.closed_ms < END_MS:
                share = 1.0 if u.chance(0.3) else 0.2 + 0.4 * u.share()
                person.sales.append(refund(sale, sale.closed_ms + 5 * DAY_MS + u.wait_ms(18), share))
            if not u.chance(0.56):
                break
            at_ms = sale.closed_ms + 25 * DAY_MS + u.wait_ms(85)
            is_self_service = u.chance(0.4)
        else:
            if not is_customer and u.chance(0.35):
                person.stages.append((sale.closed_ms + DAY_MS, "mql", "hand"))
            if not u.chance(0.2):
                break
            at_ms = sale.closed_ms + DAY_MS + u.wait_ms(60)
            is_self_service = False
    if is_customer and u.chance(0.04):
        person.stages.append((person.stages[-1][0] + 60 * DAY_MS, "advocate", "hand"))


def negotiate(u: Draws, at_ms: int, country: int, chance: float, won_at_ms: int | None) -> Sale:
    is_won = won_at_ms is not None or u.chance(chance)
    days = min(math.exp(math.log(21 if chance < 0.5 else 10) + 0.7 * u.normal()), 240)
    closed_ms = won_at_ms or at_ms + int(days * DAY_MS)
    # Stages are passed in order, some are left out, and one deal in twenty falls back to the start once.
    first, *others = [stage for stage, _, _ in OPEN_STAGES]
    passed = [first, *(stage for stage in others if u.chance(0.8 if is_won else 0.45))]
    if u.chance(0.05) and len(passed) > 2:
        passed[2:2] = [first, passed[1]]
    span = closed_ms - at_ms
    times = [at_ms + int(span * (n / len(passed)) ** 1.2) for n in range(len(passed))]
    product, _, price = PRODUCTS[u.weighted([weight for _, weight, _ in PRODUCTS])]
    amount = round(price * math.exp(0.45 * u.normal()), -1)
    discount = 0.8 + 0.15 * u.share()
    return Sale(
        at_ms,
        [*zip(times, passed, strict=True), (closed_ms, "won" if is_won else "lost")],
        closed_ms,
        is_won,
        SALES_PIPELINE,
        None if u.chance(0.05) else product,
        None if u.chance(0.04) else amount,
        _currency(u, country),
        round(amount * discount, 2) if "contract" in passed and u.chance(0.35) else None,
    )


def _checkout(u: Draws, at_ms: int, country: int) -> Sale:
    """An add-on bought on the site: paid at once, or given up two days later."""
    is_paid = u.chance(0.85)
    closed_ms = at_ms + (SECOND_MS * 40 if is_paid else 2 * DAY_MS)
    stages = [(at_ms, SELF_SERVICE_OPEN), (closed_ms, SELF_SERVICE_WON if is_paid else SELF_SERVICE_LOST)]
    amount = (149.0, 249.0, 399.0)[u.whole(3)]
    return Sale(at_ms, stages, closed_ms, is_paid, SELF_SERVICE_PIPELINE, "Add-on", amount, _currency(u, country))


def _currency(u: Draws, country: int) -> str:
    usd_share = {"US": 1.0, "GB": 0.5}.get(COUNTRIES[country], 0.0)
    return "USD" if u.chance(usd_share) else "EUR"


def refund(sale: Sale, at_ms: int, share: float) -> Sale:
    """A won deal of a negative amount that names the deal it takes back."""
    paid = sale.discounted_amount if sale.discounted_amount is not None else sale.amount
    return Sale(
        at_ms,
        [(at_ms, "won")],
        at_ms,
        True,
        SALES_PIPELINE,
        sale.product,
        -round((paid or 0.0) * share, 2),
        sale.currency,
        refund_of=sale,
        company=sale.company,
    )


def _found_companies(rng: np.random.Generator, lives: Lives) -> None:
    """Most contacts have a company of their own; some join an earlier contact's, as colleagues."""
    draws = rng.random((len(lives.people), 3))
    latest: dict[int, Person] = {}
    for person, (joins, founds, is_asked) in zip(lives.people, draws.tolist(), strict=True):
        earlier = latest.get(person.country)
        if person.original:
            person.company = person.original.company
        elif earlier and joins < 0.12:
            person.company = earlier.company
            if is_asked < 0.7 and person.created_ms < END_MS:
                earlier.colleague = person
        elif founds < 0.85 or person.sales:
            person.company, lives.companies = lives.companies, lives.companies + 1
            latest[person.country] = person
        for sale in person.sales:
            sale.company = person.company


def newsletters_ms() -> Ints:
    """When the newsletters go out: every other Wednesday at nine in Berlin."""
    return MIDNIGHTS_MS[8:-1:14] + 9 * HOUR_MS


def visits_of_known(
    rng: np.random.Generator, lives: Lives, strangers: Visits
) -> tuple[Visits, npt.NDArray[np.object_], Ints]:
    """Visits that newsletters, the product and the payment page cause; fills `lives.fillings` further.

    Returns the visits, the key event of each that has one (payments), else None, and who came (position in
    lives.people).
    """
    people = lives.people
    for person in people:
        if person.visitor < 0:  # imports get a browser once they come
            person.visitor = len(strangers) + person.number
            person.browser = person.visitor * 2
    created = np.array([p.created_ms for p in people])
    gone = np.array([min((m for m in (p.archived_ms, p.deleted_ms, p.merged_ms) if m), default=END_MS) for p in people])

    sends = newsletters_ms()
    clicks = rng.random((len(sends), len(people))) < 0.026
    clicks &= (sends[:, None] > created) & (sends[:, None] < gone)
    send, reader = np.nonzero(clicks)
    parts = [("email", sends[send] + (rng.exponential(7 * HOUR_MS, len(send))).astype(np.int64), reader)]

    customers = [p for p in people if p.wins()]
    since = np.array([p.wins()[0].closed_ms for p in customers])
    count = rng.poisson(0.03 * (END_MS - since) / DAY_MS)
    at_ms = np.repeat(since, count) + (rng.random(count.sum()) * np.repeat(END_MS - since, count)).astype(np.int64)
    parts.append(("product", at_ms, np.repeat(np.array([p.number for p in customers]), count)))

    checkouts = [
        (s.created_ms - 4 * MINUTE_MS, p.number, s.is_won) for p in people for s in p.sales if s.product == "Add-on"
    ]
    paid = np.array([(at, number) for at, number, is_won in checkouts if is_won])
    parts.append(("payment", paid[:, 0], paid[:, 1]))

    visits, readers, goals = [], [], []
    for kind, at_ms, number in parts:
        keep = (at_ms < np.minimum(gone[number], END_MS)) & (at_ms > created[number])
        at_ms, number = at_ms[keep], number[keep]
        visitor = np.array([p.visitor for p in people])[number]
        main = np.array([p.browser for p in people])[number]
        other_device = (rng.random(len(number)) < 0.2) & (kind == "email")
        country = np.array([p.country for p in people])[number]
        visits.append(visits_at(rng, at_ms, kind, visitor, np.where(other_device, main ^ 1, main), country))
        readers.append(number)
        goals.append(np.full(len(number), "purchase" if kind == "payment" else None, object))
    known = Visits.concat(visits)
    reader = np.concatenate(readers)
    for visit in np.flatnonzero(known.submits).tolist():
        form = int(rng.integers(0, 4))
        at_ms = int(known.at_ms[visit]) + 60_000 + int(rng.integers(0, 400_000))
        lives.fillings.append(Filling(len(strangers) + visit, int(reader[visit]), form, at_ms, False))
    return known, np.concatenate(goals), reader
