"""Special cases, each sure to happen once: archived, deleted and merged contacts, refunds, reopened deals...

They are laid over lives that `crm` drew, on the first person whom they can happen to; some on dates
after the demo's today, so that moving the clock shows them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dagster_project.sandbox.company.business import ms
from dagster_project.sandbox.company.crm import SLOW_DAYS, new_person
from dagster_project.sandbox.company.days import DAY_MS, HOUR_MS
from dagster_project.sandbox.company.people import Draws, Lives, Person
from dagster_project.sandbox.company.sales import negotiate, refund
from dagster_project.sandbox.company.tags import VARIANTS
from dagster_project.sandbox.company.visits import Visits

# One name per special case -> the id of the record, session or campaign it happens to.
LANDMARKS = {
    "archived_contact": "archived on 2026-08-12",
    "archived_later_contact": "archived on 2026-10-03",
    "deleted_contact": "deleted for good (GDPR) on 2026-07-20",
    "deleted_later_contact": "deleted for good (GDPR) on 2026-10-04",
    "merged_contact": "lost a merge on 2026-06-15",
    "merged_survivor": "won that merge",
    "merged_later_contact": "lost a merge on 2026-10-02",
    "merged_later_survivor": "won that merge",
    "same_email_contact": "imported on 2026-02-20 with another contact's e-mail, in capitals, with a space",
    "same_email_original": "that other contact",
    "fully_refunded_deal": "a customer's first order, refunded whole on 2026-09-15",
    "full_refund_deal": "that refund",
    "fully_refunded_later_deal": "a customer's first order, refunded whole on 2026-10-06",
    "full_refund_later_deal": "that refund",
    "reopened_deal": "lost, reopened 20 days later, won 20 days after that, before 2026-10-01",
    "reopened_later_deal": "won, reopened on 2026-10-02, lost on 2026-10-09",
    "archived_deal": "lost, archived on 2026-08-20",
    "amountless_deal": "won before 2026-10-01 without an amount",
    "contactless_deal": "won, with neither contact nor company",
    "company_only_deal": "won, with a company and no contact",
    "slow_deal": "won 152 days after the ad click",
    "slow_contact": "whose click that was",
    "archived_owner": "left on 2026-05-29",
    "shared_device_contacts": "ids, joined by comma, of people with one browser",
}
ARCHIVED_MS = {"archived_contact": ms("2026-08-12T09:30"), "archived_later_contact": ms("2026-10-03T11:00")}
DELETED_MS = {"deleted_contact": ms("2026-07-20T13:15"), "deleted_later_contact": ms("2026-10-04T09:00")}
MERGED_MS = {"merged": ms("2026-06-15T14:20"), "merged_later": ms("2026-10-02T10:05")}
DEAL_ARCHIVED_MS = ms("2026-08-20T10:00")
REFUNDED_MS = {
    "fully_refunded_deal": ms("2026-09-15T10:00"),
    "fully_refunded_later_deal": ms("2026-10-06T12:00"),
}
# Deals somebody typed in by hand: by turns without contact and company, and with a company only.
LOOSE_SALES_AT = (
    "2026-03-02T09:10",
    "2026-04-14T10:40",
    "2025-12-01T15:00",
    "2026-06-22T08:30",
    "2026-08-03T11:20",
)


def make(rng: np.random.Generator, lives: Lives, visits: Visits) -> None:
    """Lets every special case happen to the first whom it can happen to."""
    _import_same_email(rng, lives)
    fates = lives.fates
    taken: set[int] = {p.number for found in fates.values() for p in found if isinstance(p, Person)}
    visits_of = np.bincount(visits.visitor, minlength=len(visits))

    def choose(name: str, after: str, before: str, fits: Callable[[Person], bool]) -> Person:
        for person in lives.people:
            is_free = person.number not in taken and not person.original
            if is_free and ms(after) <= person.created_ms < ms(before) and fits(person):
                taken.add(person.number)
                person.fate = name
                fates[name] = [person]
                return person
        raise RuntimeError(f"the sandbox company of this seed and scale has nobody for {name}; take another seed")

    def is_quiet(person: Person) -> bool:
        return not person.sales and person.visitor >= 0 and visits_of[person.visitor] == 1

    originals = {p.original.number for p in lives.people if p.original}
    taken |= originals
    for name, at_ms in ARCHIVED_MS.items():
        choose(name, "2026-03-01T00:00", "2026-07-01T00:00", is_quiet).archived_ms = at_ms
    for name, at_ms in DELETED_MS.items():
        choose(name, "2026-04-01T00:00", "2026-07-01T00:00", is_quiet).deleted_ms = at_ms
    taken -= originals

    duplicates = [p for p in lives.people if p.original]
    for name, at_ms in MERGED_MS.items():
        loser = next(p for p in duplicates if p.created_ms < at_ms - 10 * DAY_MS and not p.fate)
        loser.merged_ms, loser.fate = at_ms, f"{name}_contact"
        fates |= {f"{name}_contact": [loser], f"{name}_survivor": [loser.original or loser]}
        taken.add((loser.original or loser).number)
    for person, share in zip(duplicates, rng.random(len(duplicates)), strict=True):
        if not person.fate and share < 0.5:  # the rest stay two contacts of one human being
            person.merged_ms = person.created_ms + int((3 + 70 * share) * DAY_MS)

    def bought_once(after: str, before: str) -> Callable[[Person], bool]:
        def fits(person: Person) -> bool:
            return (
                len(person.sales) == 1
                and bool(person.wins())
                and person.sales[0].amount is not None
                and ms(after) <= person.sales[0].closed_ms < ms(before)
                and person.sales[0].created_ms + SLOW_DAYS * DAY_MS // 2 > person.sales[0].closed_ms
            )

        return fits

    start, end = "2025-07-01T00:00", "2026-09-20T00:00"
    for name, at_ms in REFUNDED_MS.items():
        closed = ("2026-05-01T00:00", "2026-09-01T00:00")
        person = choose(name, start, end, bought_once(*closed))
        person.sales.append(refund(person.sales[0], at_ms, 1.0))
        fates |= {name: [person.sales[0]], name.replace("fully_refunded", "full_refund"): [person.sales[1]]}

    def lost_once(person: Person) -> bool:
        return (
            len(person.sales) == 1
            and not person.sales[0].is_won
            and ms("2026-05-01T00:00") <= person.sales[0].closed_ms < ms("2026-08-10T00:00")
        )

    person = choose("reopened_deal", start, end, lost_once)
    sale = person.sales[0]
    reopened_ms, won_ms = sale.closed_ms + 20 * DAY_MS, sale.closed_ms + 40 * DAY_MS
    sale.stages += [(reopened_ms, "presentation"), (won_ms, "won")]
    sale.closed_ms, sale.is_won, sale.amount = won_ms, True, sale.amount or 1_200.0
    person.stages.append((won_ms, "customer", "deal"))
    fates["reopened_deal"] = [sale]
    sale = choose("archived_deal", start, end, lost_once).sales[0]
    sale.archived_ms, fates["archived_deal"] = DEAL_ARCHIVED_MS, [sale]

    person = choose("reopened_later_deal", start, end, bought_once("2026-07-15T00:00", "2026-09-25T00:00"))
    sale = person.sales[0]
    sale.stages += [(ms("2026-10-02T08:00"), "decision_maker"), (ms("2026-10-09T15:00"), "lost")]
    sale.closed_ms, sale.is_won = ms("2026-10-09T15:00"), False
    fates["reopened_later_deal"] = [sale]

    person = choose("amountless_deal", start, end, bought_once("2026-02-01T00:00", "2026-09-01T00:00"))
    person.sales[0].amount = person.sales[0].discounted_amount = None
    fates["amountless_deal"] = [person.sales[0]]

    recorded = {filling.person for filling in lives.fillings if not filling.is_blocked}

    def waited(person: Person) -> bool:
        """Came by a tagged ad click, left an address on that visit, bought five months later."""
        if person.visitor < 0 or person.number not in recorded:
            return False
        variant = VARIANTS[visits.variant[person.visitor]]
        closed = [sale.closed_ms for sale in person.wins()]
        return (
            variant.click_parameter == "gclid"
            and person.created_ms - int(visits.at_ms[person.visitor]) < HOUR_MS
            and person.created_ms + SLOW_DAYS * DAY_MS in closed
        )

    person = choose("slow_contact", start, end, waited)
    fates["slow_deal"] = [person.sales[0]]

    sharing = [
        person
        for person in lives.people
        if person.number in recorded
        and person.country == 0
        and not person.original
        and not person.fate
        and person.created_ms > ms("2026-04-01T00:00")
    ]
    lives.shared_browsers = np.array(sorted(person.browser for person in sharing[:3]))
    fates["shared_device_contacts"] = list(sharing[:3])

    for number, at_text in enumerate(LOOSE_SALES_AT):
        u = Draws(rng.random(40).tolist())
        sale = negotiate(u, ms(at_text), 0, 1.0, None)
        sale.has_contact = False
        sale.amount = sale.amount or 900.0
        if number % 2:
            sale.company, lives.companies = lives.companies, lives.companies + 1
        lives.loose_sales.append(sale)
    fates |= {"contactless_deal": [lives.loose_sales[0]], "company_only_deal": [lives.loose_sales[1]]}


def _import_same_email(rng: np.random.Generator, lives: Lives) -> None:
    at_ms = ms("2026-02-20T16:00")
    original = next(p for p in lives.people if ms("2026-01-05T00:00") < p.created_ms < at_ms and not p.sales)
    person = new_person(lives, Draws(rng.random(8).tolist()), at_ms, original.country, -1)
    person.first_name, person.last_name = original.first_name, original.last_name
    person.email = f"{original.email.upper()} "
    person.stages.append((at_ms, "lead", "import"))
    lives.fates |= {"same_email_contact": [person], "same_email_original": [original]}
