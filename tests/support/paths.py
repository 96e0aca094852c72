"""Journeys put straight into the tables that attribution reads, so that a test builds attribution alone.

Also a second implementation of the credit models, written from their definitions, path by path.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa

from tests.support.house import House

Row = dict[str, Any]

ATTRIBUTION = ("path:models/intermediate/attribution", "fct_attribution", "fct_channel_removal_effects")
TABLES = {
    "touches": "intermediate.int_touchpoints_unioned",
    "leads": "intermediate.int_lead_stage_dates",
    "deals": "intermediate.int_deals_resolved",
    "deal_people": "intermediate.int_deal_people_matched",
    "orders": "intermediate.int_orders_converted",
}


def put_paths(house: House, **tables: Sequence[Row]) -> None:
    """Make the tables of TABLES hold exactly these rows; columns that no row has are null."""
    with duckdb.connect(str(house.warehouse)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        for name, table in TABLES.items():
            connection.execute(f"delete from {table}")
            if rows := tables.get(name):
                columns = {column: [row.get(column) for row in rows] for row in rows for column in row}
                connection.register("new_rows", pa.table(columns))
                connection.execute(f"insert into {table} by name select * from new_rows")


def attribute(house: House, rules: Row | None = None, **tables: Sequence[Row]) -> House:
    """Put the tables and build attribution."""
    house.rules({"attribution": rules or {}})
    put_paths(house, **tables)
    house.build(*ATTRIBUTION)
    return house


def touch(
    touch_id: str, at: datetime, channel: str, person: str | None = None, visitor: str | None = None, **more: Any
) -> Row:
    return {"touch_id": touch_id, "touch_kind": "session", "person_id": person, "visitor_id": visitor, "touched_at": at,
            "channel": channel, "source": channel.lower(), "medium": "any", "campaign_key": f"key of {channel}", **more}  # fmt: skip


def order(order_id: str, at: datetime, amount: float | None, person: str | None, **more: Any) -> Row:
    known = None if amount is None else round(Decimal(str(amount)), 6)
    return {"order_key": order_id, "source_system": "hubspot", "lead_id": person, "customer_id": person or order_id,
            "ordered_at": at, "order_date": at.date(), "is_refund": False, "amount_native": known, "amount": known,
            "gross_margin_amount": known, "is_rate_missing": False, "is_new_customer": True, **more}  # fmt: skip


# ---- a random company ----------------------------------------------------------------------------------------

CHANNELS = ("Direct", "Paid Search", "Paid Social", "Organic Search", "Email", "Referral")
PAID = {"Paid Search", "Paid Social"}
FIRST_DAY, LAST_DAY = datetime(2025, 6, 1, tzinfo=UTC), date(2026, 8, 31)


def company(seed: int, people: int = 40, visitors: int = 30) -> dict[str, list[Row]]:
    """Touches of people and visitors over 15 months, leads, deals of one or two people, orders, refunds; many ties."""
    rng = random.Random(seed)

    def moment() -> datetime:
        return FIRST_DAY + timedelta(minutes=rng.randrange(270 * 24 * 60))

    tables: dict[str, list[Row]] = {name: [] for name in TABLES}
    travellers = [("person", f"p{i}") for i in range(people)] + [("visitor", f"v{i}") for i in range(visitors)]
    for kind, name in travellers:
        begin = moment()
        for i in range(rng.randrange(8)):
            at = begin + timedelta(minutes=rng.choice([0, 1, 60, 1440, 20_000, 60_000]) * rng.randrange(3))
            tables["touches"].append(touch(f"{name}-{i}", at, rng.choice(CHANNELS), **{kind: name}))
        if kind == "visitor" or rng.random() < 0.2:
            continue
        lead_at = begin + timedelta(seconds=rng.randrange(20 * 86400))
        created = lead_at + timedelta(seconds=rng.randrange(30 * 86400))
        has_deal = rng.random() < 0.8
        tables["leads"].append({"lead_id": name, "lead_at": lead_at, "opportunity_at": created if has_deal else None})
        if not has_deal:
            continue
        tables["deals"].append(
            {"deal_key": f"d-{name}", "lead_id": name, "created_at": created, "is_truth": True, "is_refund": False}
        )
        contacts = {name, rng.choice(travellers[:people])[1]}
        tables["deal_people"] += [
            {"deal_key": f"d-{name}", "person_id": each, "is_primary": each == name} for each in sorted(contacts)
        ]
        if rng.random() < 0.7:
            at = created + timedelta(seconds=rng.randrange(90 * 86400))
            amount = rng.choice([None, 0, 10, 99.999999, 1234.56])
            tables["orders"].append(order(f"d-{name}", at, amount, name, deal_key=f"d-{name}"))
            if amount and rng.random() < 0.4:
                tables["orders"].append(order(f"r-{name}", at + timedelta(days=40), -amount / 3, None, is_refund=True,
                                              refund_of_order_key=f"d-{name}", is_new_customer=False))  # fmt: skip
    return tables


# ---- the models, from their definitions ------------------------------------------------------------------------


def expected_shares(
    path: Sequence[Row], at: datetime, lead_at: datetime | None, opportunity_at: datetime | None
) -> dict[str, dict[str, float]]:
    """model -> touch_id -> share of one conversion; `path` is in order. Without markov."""
    n, ids = len(path), [row["touch_id"] for row in path]

    def one(place: int | None) -> list[float]:
        return [0.0] * n if place is None else [float(i == place) for i in range(n)]

    def last_by(moment: datetime | None) -> int | None:
        places = [i for i, row in enumerate(path) if moment is not None and row["touched_at"] <= moment]
        return places[-1] if places else None

    def scaled(weights: list[float]) -> list[float]:
        return [w / sum(weights) for w in weights]

    def milestones(share: float, places: list[int | None]) -> list[float]:
        weights = [share * places.count(i) for i in range(n)]
        rest = weights.count(0)
        return scaled([w or 0.1 / rest for w in weights])

    paid = [i for i, row in enumerate(path) if row["channel"] in PAID]
    meant = [i for i, row in enumerate(path) if row["channel"] != "Direct"]
    channels = [row["channel"] for row in path]
    middle = 0.2 / (n - 2) if n > 2 else 0
    lead, opportunity = last_by(lead_at), last_by(opportunity_at)
    models = {
        "first": one(0),
        "last": one(n - 1),
        "last_non_direct": one(meant[-1] if meant else n - 1),
        "first_paid": one(paid[0] if paid else None),
        "last_paid": one(paid[-1] if paid else None),
        "linear": [1 / n] * n,
        "time_decay": scaled([2 ** (-(at - row["touched_at"]).total_seconds() / 86400 / 7) for row in path]),
        "position": [1.0] if n == 1 else [0.5, 0.5] if n == 2 else [0.4, *[middle] * (n - 2), 0.4],
        "w_shaped": milestones(0.3, [0, lead, opportunity]),
        "full_path": milestones(0.225, [0, lead, opportunity, n - 1]),
        "shapley": [1 / len(set(channels)) / channels.count(channel) for channel in channels],
    }
    return {model: dict(zip(ids, shares, strict=True)) for model, shares in models.items()}
