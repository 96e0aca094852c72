"""Lives of leads: who leaves an address, how they get on, what they buy and give back, with all the dirt.

`meet` makes persons out of visits, with their stages and deals; `visits_of_known` makes the later visits that
follow from that. Everything about a person is drawn from that person's own row of random numbers, so one life
does not shift another.
"""

from __future__ import annotations

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
    OWNER_LEFT_AT,
    OWNERS,
    QUALITY,
    SALES_ACCEPTED_SINCE_MS,
    ms,
)
from dagster_project.sandbox.company.days import DAY_MS, HOUR_MS, MIDNIGHTS_MS, MINUTE_MS, ms_of
from dagster_project.sandbox.company.people import Draws, Filling, Lives, Person
from dagster_project.sandbox.company.sales import checkout, negotiate, refund
from dagster_project.sandbox.company.tags import KINDS
from dagster_project.sandbox.company.visits import COUNTRIES, COUNTRY_WEIGHTS, LANGUAGE, Ints, Visits, visits_at

# Some leads take so long from the click to the sale that any look-back window ends between.
SLOW_DAYS = 152
TRADE_FAIRS = ("2025-09-18", "2025-11-13", "2026-03-12", "2026-05-21", "2026-09-10", "2026-11-12")
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
            sale = checkout(u, at_ms, person.country)
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
