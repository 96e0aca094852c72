"""What the tables should say of the invented company, computed from its own records: a second implementation.

Plain Python over a few hundred records, by the rules that each function states; it shares no code with the
models. Days are the company's own (Europe/Berlin), which is its reporting zone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from dagster_project.sandbox.company import Company, RecordView

BERLIN = ZoneInfo("Europe/Berlin")
CURRENCY = "EUR"
CARRY_DAYS = 14
# Stages that are Lead or beyond; subscriber, other and advocate are none.
LEAD_OR_BEYOND = {"lead", "mql", "sal", "sql", "opportunity", "customer"}
WON, LOST = {"won", "paid"}, {"lost", "abandoned"}


def day_of(moment: datetime) -> date:
    return moment.astimezone(BERLIN).date()


def sessions_by_day(company: Company, now: datetime) -> dict[date, int]:
    """Rulings 18, 19: all sessions that the counter shows, on the property's own day."""
    return dict(Counter(company.web_as_of(now).sessions["date"].to_pylist()))


def people(company: Company, now: datetime) -> dict[str, str]:
    """Ruling 28: contact id -> person. Same e-mail, same person; a merged contact is its survivor."""
    return {
        view.id: (view.values.get("email") or f"contact {view.id}").strip().lower()
        for view in company.contacts_as_of(now)
    }


def leads_by_day(company: Company, now: datetime) -> dict[date, int]:
    """Rulings 28 to 30: a person, on the day they first were Lead or beyond, or their first deal was made."""
    moments: dict[str, list[datetime]] = defaultdict(list)
    person_of = people(company, now)
    for view in company.contacts_as_of(now):
        changes = view.history.get("stage", ())
        moments[person_of[view.id]] += [change.at for change in changes if change.value in LEAD_OR_BEYOND]
    for deal in company.deals_as_of(now):
        contact = primary_contact(company, deal, now)
        if contact and not is_refund(deal):
            moments[person_of[contact]].append(deal.created_at)
    return dict(Counter(day_of(min(found)) for found in moments.values() if found))


def primary_contact(company: Company, deal: RecordView, now: datetime) -> str | None:
    """Ruling 33: the contact labelled primary, else the one that was created first."""
    linked = deal.associations.get("contacts", ())
    created = {view.id: view.created_at for view in company.contacts_as_of(now)}
    ranked = sorted(linked, key=lambda link: (not link.is_primary, created[link.to_id]))
    return ranked[0].to_id if ranked else None


def is_refund(deal: RecordView) -> bool:
    return deal.values.get("refund_of") is not None


def closed_at(deal: RecordView) -> datetime:
    return deal.values["closes_at"]


def won_deals(company: Company, now: datetime) -> list[RecordView]:
    return [deal for deal in company.deals_as_of(now) if deal.values["stage"] in WON]


def revenue_by_day(company: Company, now: datetime) -> dict[date, float]:
    """Rulings 13, 17, 36: won deals and, on their own day, refunds, at the day's rate; unknown amounts are none."""
    rates = _rates(company, now)
    found: dict[date, float] = defaultdict(float)
    for deal in won_deals(company, now):
        amount, day = deal.values.get("amount"), day_of(closed_at(deal))
        if amount is not None:
            found[day] += amount / _rate(rates, deal.values["currency"], day)
    return dict(found)


def new_customers_by_day(company: Company, now: datetime) -> dict[date, int]:
    """Ruling 33: each customer on the day of their first order that was not refunded whole."""
    refunded: Counter[str] = Counter()
    amounts: dict[str, float] = {}
    for deal in won_deals(company, now):
        amount = deal.values.get("amount") or 0.0
        if is_refund(deal):
            refunded[deal.values["refund_of"]] += amount  # type: ignore[assignment]
        else:
            amounts[deal.id] = amount
    first: dict[str, datetime] = {}
    for deal in won_deals(company, now):
        is_gone = deal.id in refunded and amounts.get(deal.id, 0) + refunded[deal.id] <= 0
        if is_refund(deal) or is_gone:
            continue
        who = customer_of(company, deal, now)
        first[who] = min(first.get(who, closed_at(deal)), closed_at(deal))
    return dict(Counter(day_of(moment) for moment in first.values()))


def customer_of(company: Company, deal: RecordView, now: datetime) -> str:
    contact = primary_contact(company, deal, now)
    if contact:
        return people(company, now)[contact]
    firms = deal.associations.get("companies", ())
    return f"company {firms[0].to_id}" if firms else f"deal {deal.id}"


def closed_deals_by_month(company: Company, now: datetime) -> dict[date, tuple[int, int]]:
    """Ruling 35: month -> (won, won or lost), first and repeat deals, on the day they closed last."""
    found: dict[date, list[int]] = defaultdict(lambda: [0, 0])
    for deal in company.deals_as_of(now):
        if deal.values["stage"] in WON | LOST and not is_refund(deal):
            parts = found[day_of(closed_at(deal)).replace(day=1)]
            parts[0] += deal.values["stage"] in WON
            parts[1] += 1
    return {month: (won, closed) for month, (won, closed) in found.items()}


def _rates(company: Company, now: datetime) -> Mapping[str, dict[date, float]]:
    found: dict[str, dict[date, float]] = defaultdict(dict)
    for row in company.fx_rates_as_of(now).to_pylist():
        found[row["currency"]][row["date"]] = row["rate"]
    return found


def _rate(rates: Mapping[str, Mapping[date, float]], currency: str, day: date) -> float:
    if currency == CURRENCY:
        return 1.0
    days = [day - timedelta(days=back) for back in range(CARRY_DAYS + 1)]
    return next(rates[currency][each] for each in days if each in rates[currency])
