"""What the company has sold and taken back, as the books of a shop or of whoever takes its payments have it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

from dagster_project.sandbox.company.business import SELF_SERVICE_LOST

if TYPE_CHECKING:
    from dagster_project.sandbox.company import Company

TAGS = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
TAX_RATE = Decimal("0.19")
SHIPPING = Decimal("4.90")  # of every tenth purchase, which is sent by parcel; before tax
CENT = Decimal("0.01")


@dataclass(frozen=True)
class GivenBack:
    """Money that went back, with its tax and shipping."""

    id: str
    at: datetime
    goods: Decimal  # of the amount of the goods
    total: Decimal


@dataclass(frozen=True)
class Purchase:
    """Something that was bought, or put into a basket and given up two days later (`given_up_at`)."""

    id: str
    at: datetime
    changed_at: datetime
    currency: str
    goods: Decimal  # without tax and shipping
    tax: Decimal
    shipping: Decimal
    buyer: str | None  # id of a contact
    email: str | None
    tags: Mapping[str, str]
    first_page: str | None
    given_up_at: datetime | None
    given_back: tuple[GivenBack, ...]

    @property
    def total(self) -> Decimal:
        return self.goods + self.tax + self.shipping


def purchases_as_of(company: Company, now: datetime) -> list[Purchase]:
    """All of them by ascending id. What nobody put a price on is none."""
    deals = [deal for deal in company.deals_as_of(now) if deal.values.get("amount")]
    contacts = {contact.id: contact for contact in company.contacts_as_of(now)}
    prices = {deal.id: _prices(deal.id, deal.values["amount"]) for deal in deals}
    returns: dict[str, list[GivenBack]] = {}
    for deal in deals:
        of = deal.values.get("refund_of")
        if of in prices:
            goods = -_cents(deal.values["amount"])
            bought, tax, shipping = prices[of]
            total = ((bought + tax + shipping) * goods / bought).quantize(CENT, ROUND_HALF_UP)
            returns.setdefault(of, []).append(GivenBack(deal.id, deal.created_at, goods, total))
    found = []
    for deal in deals:
        stages = deal.history["stage"]
        stage = deal.values["stage"]
        if "refund_of" in deal.values or stage not in ("won", "paid", SELF_SERVICE_LOST):
            continue
        is_given_up = stage == SELF_SERVICE_LOST
        at = deal.created_at if is_given_up else stages[0].at
        given_back = tuple(sorted(returns.get(deal.id, ()), key=lambda each: each.at))
        buyer = next((each.to_id for each in deal.associations.get("contacts", ()) if each.is_primary), None)
        values = contacts[buyer].values if buyer in contacts else {}
        goods, tax, shipping = prices[deal.id]
        found.append(
            Purchase(
                deal.id,
                at,
                max([stages[0].at, *(each.at for each in given_back)]),
                deal.values["currency"],
                goods,
                tax,
                shipping,
                buyer,
                values.get("email"),
                {name: values[name] for name in TAGS if name in values},
                values.get("first_page"),
                stages[0].at if is_given_up else None,
                given_back,
            )
        )
    return found


def _cents(amount: float) -> Decimal:
    return Decimal(str(amount)).quantize(CENT, ROUND_HALF_UP)


def _prices(deal_id: str, amount: float) -> tuple[Decimal, Decimal, Decimal]:
    """Goods, tax, shipping."""
    goods = _cents(amount)
    shipping = SHIPPING if int(deal_id) % 10 == 0 else Decimal("0.00")
    return goods, ((goods + shipping) * TAX_RATE).quantize(CENT, ROUND_HALF_UP), shipping
