"""Stripe: what came to a balance and left it, with the charges, refunds and disputes behind it.

Belongs here: the streams, and how records become rows. Money is read from the balance alone: charges, refunds and disputes say
whose it is. A transaction never changes its amount; what takes one back (a refund that failed, a dispute that was won) is a
transaction of its own, made when it happened. So a day that is over stays as it is, however late a dispute ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import pyarrow as pa

from dagster_project.sources.stripe.api import SOURCE as NAME
from dagster_project.sources.stripe.api import Stripe
from dagster_project.sources.stripe.descriptions import ABOUT, COLUMNS
from dagster_project.sources.stripe.rows import (
    BALANCE_SCHEMA,
    CHARGES_SCHEMA,
    DISPUTES_SCHEMA,
    REFUNDS_SCHEMA,
    OddRecord,
    balance_row,
    charge_row,
    dispute_row,
    refund_row,
)
from dagster_project.sources.stripe.settings import RULES, StripeMetadata, StripeSettings
from dagster_project.wire.columns import to_table
from dagster_project.wire.contract import ConfigError, Page, Stream, Tally, Window
from dagster_project.wire.http import Json
from dagster_project.wire.rest import each_account
from dagster_project.wire.source import Source

# Lists are eventually consistent (a connector in production lags 60 s): the day before is read again. The status of the last
# 30 days' refunds and disputes is read again weekly; no figure rests on it.
RESTATE_DAYS, DEEP_RESTATE_DAYS, FINAL_AFTER_DAYS = 2, 30, 1
Row = Callable[[Mapping[str, Json], str, StripeMetadata, bytes], dict[str, Json]]


def _read(name: str, path: str, row: Row, settings: StripeSettings, window: Window, tally: Tally) -> Iterator[Page]:
    """Grain: account, id."""
    stream = next(each for each in STREAMS if each.name == name)
    keys = dict(zip(settings.accounts, settings.keys, strict=True))

    def of_account(account: str) -> Iterator[Page]:
        seen: set[str] = set()
        with Stripe(settings, account, keys[account], tally, stream.name) as stripe:
            for records in stripe.listed(path, window):
                if page := _page(stream, row, stripe, settings, records, seen):
                    yield page

    yield from each_account(list(keys), of_account, tally)


def _page(
    stream: Stream, row: Row, stripe: Stripe, settings: StripeSettings, records: list[Json], seen: set[str]
) -> Page | None:
    """The records of a page, each once."""
    key = settings.hash_key.get_secret_value().encode()
    rows: list[dict[str, Json]] = []
    odd: dict[int, str] = {}
    for record in records:
        found: dict[str, Json]
        if not isinstance(record, dict):
            found, odd[len(rows)] = {"account_id": stripe.account}, f"a record is a {type(record).__name__}, no object"
        elif str(record.get("id")) in seen:
            continue
        else:
            seen.add(str(record.get("id")))
            if record.get("livemode") is False:
                raise ConfigError(
                    f"account {stripe.account} answers in test mode, where no money moves: STRIPE_API_KEY should be a live key",
                    **stripe.where,
                )
            try:
                found = row(record, stripe.account, settings.metadata, key)
            except OddRecord as reason:
                found, odd[len(rows)] = {"id": record.get("id"), "account_id": stripe.account}, str(reason)
        rows.append(found)
    if not rows:
        return None
    table = to_table(stream, rows, required=_REQUIRED[stream.name], tally=stripe.tally, odd=odd)
    return Page(table) if table.num_rows else None


def _stream(
    name: str, row: Row, rows: pa.Schema, description: str, feeds: tuple[str, ...], informs: tuple[str, ...]
) -> Stream:
    return Stream(
        source=NAME,
        name=name,
        domain="orders",
        kind="record",
        key=("account_id", "id"),
        schema=rows,
        day="created",
        restate_days=RESTATE_DAYS,
        deep_restate_days=DEEP_RESTATE_DAYS,
        final_after_days=FINAL_AFTER_DAYS,
        begins="created",
        read=partial(_read, name, f"/v1/{name}", row),
        feeds=feeds,
        informs=informs,
        description=description,
    )


_REQUIRED: dict[str, tuple[str, ...]] = {
    "balance_transactions": ("reporting_category", "amount", "currency_code"),
    "charges": ("status",),
    "refunds": ("status",),
    "disputes": ("status",),
}
BALANCE_TRANSACTIONS = _stream(
    "balance_transactions",
    balance_row,
    BALANCE_SCHEMA,
    "A row for each movement of the balance: charges, refunds, disputes, what takes them back, fees and payouts.",
    ("orders", "orders.amount"),
    (),
)
CHARGES = _stream(
    "charges",
    charge_row,
    CHARGES_SCHEMA,
    "A row for each charge: who paid, and what the company wrote into its metadata. Failed ones included.",
    (),
    ("leads", "buyers"),
)
REFUNDS = _stream(
    "refunds",
    refund_row,
    REFUNDS_SCHEMA,
    "A row for each refund, with the charge that it is of.",
    (),
    ("orders", "buyers"),
)
DISPUTES = _stream(
    "disputes",
    dispute_row,
    DISPUTES_SCHEMA,
    "A row for each dispute, with the charge that it is of.",
    (),
    ("orders", "buyers"),
)
STREAMS = (BALANCE_TRANSACTIONS, CHARGES, REFUNDS, DISPUTES)

SOURCE = Source(
    name=NAME,
    title="Stripe",
    gives="payments as orders, with refunds and disputes, in the currency in which the account is settled",
    settings=StripeSettings,
    streams=STREAMS,
    about=ABOUT,
    columns=COLUMNS,
    creates="a restricted key (Developers > API keys), live",
    least_right="read on Charges, Refunds, Disputes and Balance",
    rules=RULES,
)
