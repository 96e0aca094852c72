"""How a sale goes: negotiated, bought on the site, or taken back."""

from __future__ import annotations

import math

from dagster_project.sandbox.company.business import (
    OPEN_STAGES,
    PRODUCTS,
    SALES_PIPELINE,
    SELF_SERVICE_LOST,
    SELF_SERVICE_OPEN,
    SELF_SERVICE_PIPELINE,
    SELF_SERVICE_WON,
)
from dagster_project.sandbox.company.days import DAY_MS, SECOND_MS
from dagster_project.sandbox.company.people import Draws, Sale
from dagster_project.sandbox.company.visits import COUNTRIES


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


def checkout(u: Draws, at_ms: int, country: int) -> Sale:
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
