"""WooCommerce: the orders of a WordPress shop with their refunds, and where their buyers came from.

Belongs here: the stream, and how an order becomes a row. An order is read again whenever it changes. The moments of refunds
stand in a list of their own for each order that has any. Orders that were put into the bin are found by listing all.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta

from dagster_project.sources.woocommerce.api import SOURCE as NAME
from dagster_project.sources.woocommerce.api import WooCommerce, name_of
from dagster_project.sources.woocommerce.descriptions import ABOUT, COLUMNS
from dagster_project.sources.woocommerce.rows import ORDERS_SCHEMA, REQUIRED, OddOrder, has_refunds, order_row
from dagster_project.sources.woocommerce.settings import WooCommerceSettings
from dagster_project.wire.columns import to_table
from dagster_project.wire.contract import Page, Stream, Tally, Window
from dagster_project.wire.http import Json
from dagster_project.wire.json_cells import UNREADABLE, instant
from dagster_project.wire.rest import each_account
from dagster_project.wire.source import Source

# What was changed just before midnight may show a moment later; a change moves an order to a later day, so nothing else
# makes an old day wrong.
RESTATE_DAYS, DEEP_RESTATE_DAYS, FINAL_AFTER_DAYS = 2, 30, 1


def read_orders(settings: WooCommerceSettings, window: Window, tally: Tally) -> Iterator[Page]:
    """Grain: site, order, version."""
    yield from _read(settings, window, tally)


def sweep_orders(settings: WooCommerceSettings, tally: Tally) -> Iterator[Page]:
    """As `read_orders`, all there are."""
    yield from _read(settings, None, tally)


def _read(settings: WooCommerceSettings, window: Window | None, tally: Tally) -> Iterator[Page]:
    sites = {name_of(site): site for site in settings.sites}
    key = settings.hash_key.get_secret_value().encode()

    def of_site(name: str) -> Iterator[Page]:
        seen: set[tuple[str, str]] = set()
        with WooCommerce(settings, sites[name], tally, ORDERS.name) as site:
            for orders in site.orders(**_between(window)):
                if page := _page(site, orders, window, seen, key):
                    yield page

    yield from each_account(list(sites), of_site, tally)


def _between(window: Window | None) -> dict[str, str]:
    """Both bounds are left out of what is found, so the lower one is asked a second earlier."""
    if window is None:
        return {}
    start = datetime.combine(window.start, time()) - timedelta(seconds=1)
    asked = {"modified_after": f"{start:%Y-%m-%dT%H:%M:%S}", "modified_before": f"{window.end}T00:00:00"}
    return {**asked, "dates_are_gmt": "true"}


def _page(
    site: WooCommerce, orders: list[Json], window: Window | None, seen: set[tuple[str, str]], key: bytes
) -> Page | None:
    """The orders of a page, each version once."""
    rows: list[dict[str, Json]] = []
    odd: dict[int, str] = {}
    for order in orders:
        row: dict[str, Json]
        if not isinstance(order, dict):
            row, odd[len(rows)] = {"account_id": site.name}, f"an order is a {type(order).__name__}, no object"
        else:
            version = (str(order.get("id")), str(order.get("date_modified_gmt")))
            if version in seen or _is_outside(order, window):
                continue
            seen.add(version)
            try:
                refunds = site.refunds(order.get("id")) if has_refunds(order) else []
                row = order_row(order, refunds, site.name, key)
            except OddOrder as reason:
                row = {"id": order.get("id"), "account_id": site.name, "updated_at": order.get("date_modified_gmt")}
                row |= {"total": order.get("total"), "currency_code": order.get("currency")}
                odd[len(rows)] = str(reason)
        rows.append(row)
    if not rows:
        return None
    table = to_table(ORDERS, rows, required=REQUIRED, tally=site.tally, odd=odd)
    return Page(table) if table.num_rows else None


def _is_outside(order: dict[str, Json], window: Window | None) -> bool:
    """An order that changed while the list was read belongs to another day now, and is read with that."""
    if window is None:
        return False
    try:
        return instant(order["date_modified_gmt"]).astimezone(UTC).date() not in window
    except (KeyError, *UNREADABLE):
        return False  # it is told as a bad row


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
    sweep=sweep_orders,
    feeds=("orders", "orders.amount"),
    informs=("leads", "buyers"),
    description="A row for each order in its newest version, with its refunds; unpaid and cancelled ones included.",
)
STREAMS = (ORDERS,)

SOURCE = Source(
    name=NAME,
    title="WooCommerce",
    gives="orders with refunds and cancellations, and where their buyers came from",
    settings=WooCommerceSettings,
    streams=STREAMS,
    about=ABOUT,
    columns=COLUMNS,
    creates="a REST API key (WooCommerce > Settings > Advanced > REST API)",
    least_right="Read; of a user who may see orders",
)
