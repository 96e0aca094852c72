"""Shopify: the orders of a shop with their refunds and cancellations, and where their buyers came from.

Belongs here: the stream, and how an order becomes a row. An order is read again whenever it changes: a refund or a
cancellation changes it, and each has a moment of its own. Orders that were deleted are not noticed: Shopify lets only test
and cancelled ones be deleted.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from dagster_project.sources.shopify.api import (
    ALL_ORDERS,
    CUSTOMERS,
    DAYS_WITHOUT_ALL_ORDERS,
    Shopify,
)
from dagster_project.sources.shopify.api import SOURCE as NAME
from dagster_project.sources.shopify.descriptions import ABOUT, COLUMNS
from dagster_project.sources.shopify.rows import ORDERS_SCHEMA, REQUIRED, OddOrder, order_row, total_of
from dagster_project.sources.shopify.settings import RULES, ShopifySettings
from dagster_project.wire.columns import to_table
from dagster_project.wire.contract import AuthError, Page, Stream, Tally, Window
from dagster_project.wire.http import Json
from dagster_project.wire.rest import each_account
from dagster_project.wire.source import Source

# The list of orders is filled from an index that is minutes behind: a tap in production reads 5 minutes again. Where the
# buyer came from is filled in minutes later, which changes the order as a refund does: then it stands on a later day.
RESTATE_DAYS, DEEP_RESTATE_DAYS, FINAL_AFTER_DAYS = 2, 30, 1


def read_orders(settings: ShopifySettings, window: Window, tally: Tally) -> Iterator[Page]:
    """Grain: shop, order, version."""

    def of_shop(name: str) -> Iterator[Page]:
        with Shopify(settings, name, tally, ORDERS.name) as shop:
            scopes = shop.scopes()
            _check_history(settings, name, window, tally, scopes)
            seen: set[tuple[str, str]] = set()
            has_customers = CUSTOMERS in scopes
            if not has_customers:
                tally.note(f"shop {name}: without the scope {CUSTOMERS} nobody knows which orders are of one buyer")
            for nodes in shop.orders(window, with_customer=has_customers, with_email=settings.rules.email):
                if page := _page(settings, name, nodes, seen, tally):
                    yield page

    yield from each_account(settings.shops, of_shop, tally)


def _check_history(settings: ShopifySettings, shop: str, window: Window, tally: Tally, scopes: set[str]) -> None:
    """Without the right to all orders Shopify leaves older ones out and says nothing: days would look empty, and be none."""
    if ALL_ORDERS in scopes:
        return
    mend = f"give the app the scope {ALL_ORDERS}"
    if window.start < settings.today - timedelta(days=DAYS_WITHOUT_ALL_ORDERS):
        raise AuthError(
            f"shop {shop} shows orders of the last {DAYS_WITHOUT_ALL_ORDERS} days only, and {window} is asked for; {mend}",
            source=NAME,
            stream=ORDERS.name,
        )
    tally.note(f"shop {shop}: refunds of orders older than {DAYS_WITHOUT_ALL_ORDERS} days are not shown; {mend}")


def _page(
    settings: ShopifySettings, shop: str, nodes: list[Json], seen: set[tuple[str, str]], tally: Tally
) -> Page | None:
    """The orders of a page, each version once: an order that changes while the list is read may stand on two pages."""
    key = settings.hash_key.get_secret_value().encode()
    rows: list[dict[str, Json]] = []
    odd: dict[int, str] = {}
    for node in nodes:
        row: dict[str, Json]
        if not isinstance(node, dict):
            row, odd[len(rows)] = {"account_id": shop}, f"an order is a {type(node).__name__}, no object"
        else:
            version = (str(node.get("id")), str(node.get("updatedAt")))
            if version in seen:
                continue
            seen.add(version)
            try:
                row = order_row(node, shop, key)
            except OddOrder as reason:
                row = {"id": node.get("legacyResourceId"), "account_id": shop, "updated_at": node.get("updatedAt")}
                row |= total_of(node)
                odd[len(rows)] = str(reason)
        rows.append(row)
    if not rows:
        return None
    table = to_table(ORDERS, rows, required=REQUIRED, tally=tally, odd=odd)
    return Page(table) if table.num_rows else None


ORDERS = Stream(
    source=NAME,
    name="orders",
    domain="orders",
    kind="record",
    key=("account_id", "id"),
    schema=ORDERS_SCHEMA,
    day="updated_at",
    restate_days=RESTATE_DAYS,
    deep_restate_days=DEEP_RESTATE_DAYS,
    final_after_days=FINAL_AFTER_DAYS,
    begins="created_at",
    read=read_orders,
    feeds=("orders", "orders.amount"),
    informs=("leads", "buyers"),
    description="A row for each order in its newest version, with its refunds; test orders and cancelled ones included.",
)
STREAMS = (ORDERS,)

SOURCE = Source(
    name=NAME,
    title="Shopify",
    gives="orders with refunds and cancellations, and the visits that they came from",
    settings=ShopifySettings,
    streams=STREAMS,
    about=ABOUT,
    columns=COLUMNS,
    creates="an app in the Dev Dashboard, installed in the shop (client id and secret; a shpat_ token of an older app does, too)",
    least_right="read_orders and read_all_orders (without it there are 60 days, and Shopify says nothing); read_customers for "
    "who the buyer is",
    rules=RULES,
)
