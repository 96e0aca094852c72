"""What buyers answer when the company asks them a week after they bought. A function of the purchases alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from dagster_project.sandbox.company.purchases import purchases_as_of

if TYPE_CHECKING:
    from dagster_project.sandbox.company import Company

HEARD_FROM = ("A friend", "Search engine", "Trade fair", "Social media")
KNOWN = ("Kontorra", "kontorra and Lexoffice", "sevDesk", "none, ask me: {email}")


@dataclass(frozen=True)
class Answered:
    """One buyer's answers. `heard_from` and `known_brands` are None where the question was left out."""

    id: str
    at: datetime
    email: str | None
    source: str | None  # utm_source of the link that was clicked
    recommends: int  # 0..10
    heard_from: str | None
    known_brands: str | None


def answers_as_of(company: Company, now: datetime) -> list[Answered]:
    """Oldest first. Two buyers in three answer."""
    found = []
    for purchase in purchases_as_of(company, now):
        at, number = purchase.at + timedelta(days=7), int(purchase.id) // 6
        if purchase.given_up_at or at > now or number % 3 == 0:
            continue
        found.append(
            Answered(
                purchase.id,
                at,
                purchase.email,
                "newsletter" if number % 2 else None,
                number % 11,
                HEARD_FROM[number % 4] if number % 5 else None,
                KNOWN[number % 4].format(email=purchase.email or "ann@example.org") if number % 7 else None,
            )
        )
    return sorted(found, key=lambda each: (each.at, each.id))
