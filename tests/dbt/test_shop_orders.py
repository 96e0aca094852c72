"""Orders of shops and of a payment provider in the marts: the invented company's purchases through each, and odd ones by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from dagster_project.sandbox import Sandbox, serve
from dagster_project.sandbox.company.purchases import Purchase, purchases_as_of
from dagster_project.sources import shopify, stripe, woocommerce
from dagster_project.sources.shopify.settings import ShopifySettings
from dagster_project.sources.stripe.settings import StripeSettings
from dagster_project.sources.woocommerce.settings import WooCommerceSettings
from dagster_project.wire.contract import Tally, Window
from tests.support.house import House

# what orders run through where no CRM knows anybody
MODELS = (
    "+int_exchange_rates_daily", "int_file_orders_matched", "int_customer_evidence", "int_customer_keys_joined",
    "int_file_customers_matched", "int_orders_unioned", "int_orders_converted", "fct_orders",
)  # fmt: skip
YEAR = Window(date(2026, 1, 1), date(2026, 10, 2))
ORDERED = datetime(2026, 1, 5, 10, tzinfo=UTC)
BOOKS = (
    "select order_key, refund_of_order_key, is_refund, ordered_at, currency_code, amount from staging.{} "
    "where account_id <> 'hand' order by 1"
)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with serve(today="2026-10-01", vendors=["shopify", "stripe", "woocommerce"]) as running:
        yield running


def money(amount: str) -> Decimal:
    return Decimal(amount)


def refund(number: str, at: str, amount: str, **more: str) -> dict[str, Any]:
    moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
    return {"id": number, "created_at": moment, "amount": money(amount), **more}


def bought(order_id: str, **more: Any) -> dict[str, Any]:
    """Goods for 100, tax 19, shipping 6."""
    return {
        "account_id": "hand", "id": order_id, "created_at": ORDERED, "updated_at": ORDERED, "currency_code": "EUR",
        "total": money("125"), "refunds": [], **more,
    }  # fmt: skip


def of_shopify(order_id: str, **more: Any) -> dict[str, Any]:
    base = {
        "is_test": False,
        "tax": money("19"),
        "subtotal": money("100"),
        "taxes_included": False,
        "financial_status": "PAID",
    }
    return bought(order_id, **base | more)


def of_woocommerce(order_id: str, **more: Any) -> dict[str, Any]:
    base = {
        "number": order_id,
        "status": "completed",
        "paid_at": ORDERED,
        "total_tax": money("19"),
        "shipping_total": money("6"),
    }
    return bought(order_id, **base | more)


HAND_OF_SHOPIFY = [
    of_shopify("parts", customer_id="9", last_visit_utm_source="google", last_visit_utm_medium="cpc", refunds=[
        refund("a", "2026-01-07", "41.67", currency="EUR"), refund("b", "2026-01-08", "83.33", currency="EUR"),
    ]),
    of_shopify("test", is_test=True),
    of_shopify("void", financial_status="VOIDED", cancelled_at="2026-01-06"),
    of_shopify("taxed", taxes_included=True, subtotal=money("119"), total=money("124.95"), tax=money("19.95"),
               last_visit_source_type="SEO", last_visit_source="Google", first_visit_utm_source="old"),
    of_shopify("cancelled", cancelled_at="2026-01-09", refunds=[refund("c", "2026-01-08", "25", currency="EUR")],
               first_visit_utm_source="first", customer_id="9"),
]  # fmt: skip
HAND_OF_WOOCOMMERCE = [
    of_woocommerce("typed", source_type="typein", utm_source="(direct)"),
    of_woocommerce("draft", status="checkout-draft"),
    of_woocommerce("failed", status="failed"),
    of_woocommerce("unpaid", status="cancelled", paid_at=None),
    of_woocommerce("cancelled", status="cancelled", updated_at="2026-02-01"),
    of_woocommerce("cancelled", status="cancelled", updated_at="2026-03-01"),
    of_woocommerce("own_status", status="shipped", refunds=[refund("z", "2026-01-09", "125")]),
]


def moved(number: str, category: str, source: str | None, amount: str, at: str) -> dict[str, Any]:
    return {
        "account_id": "hand", "id": number, "reporting_category": category, "source_id": source, "amount": money(amount),
        "created": at, "currency_code": "EUR",
    }  # fmt: skip


HAND_OF_STRIPE = [
    moved("1", "charge", "ch_1", "100", "2026-01-05"), moved("2", "refund", "re_1", "-20", "2026-01-08"),
    moved("3", "charge", "ch_2", "50", "2026-01-05"), moved("4", "refund", "re_2", "-50", "2026-01-08"),
    moved("5", "refund_failure", "re_2", "50", "2026-01-12"), moved("6", "charge", "ch_3", "70", "2026-01-05"),
    moved("7", "partial_capture_reversal", "ch_3", "-10", "2026-01-06"), moved("8", "dispute", "dp_3", "-60", "2026-02-01"),
    moved("9", "payout", "po_1", "-500", "2026-02-01"), moved("10", "fee", None, "-5", "2026-02-01"),
    moved("11", "charge", "ch_4", "9", "2026-01-05"), moved("12", "dispute", "dp_4", "-9", "2026-02-01"),
    moved("13", "dispute_reversal", "dp_4", "9", "2026-04-01"), moved("14", "charge", "ch_5", "30", "2026-01-05"),
    moved("15", "charge_failure", "ch_5", "-30", "2026-01-15"),
]  # fmt: skip


def rows_of(stream: Any, settings: Any) -> list[dict[str, Any]]:
    return [row for page in stream.read(settings, YEAR, Tally()) for row in page.rows.to_pylist()]


def test_what_was_sold_and_given_back_reaches_the_marts(sandbox: Sandbox, house: House, waits: list[float]) -> None:
    house.today = date(2026, 10, 1)
    env = {**sandbox.env, "today": date(2026, 10, 1)}
    house.put("shopify/orders", rows_of(shopify.ORDERS, ShopifySettings.model_validate(env)) + HAND_OF_SHOPIFY)
    house.put(
        "woocommerce/orders", rows_of(woocommerce.ORDERS, WooCommerceSettings.model_validate(env)) + HAND_OF_WOOCOMMERCE
    )
    payments = StripeSettings.model_validate(env)
    house.put("stripe/balance_transactions", rows_of(stripe.BALANCE_TRANSACTIONS, payments) + HAND_OF_STRIPE)
    house.put("stripe/charges", rows_of(stripe.CHARGES, payments))
    hand = {"account_id": "hand", "created": "2026-01-08"}
    house.put("stripe/refunds", [*rows_of(stripe.REFUNDS, payments), {**hand, "id": "re_1", "charge_id": "ch_1"}])
    house.put("stripe/disputes", [*rows_of(stripe.DISPUTES, payments), {**hand, "id": "dp_3", "charge_id": "ch_3"}])
    house.put("fx/rates", [
        {"date": day, "base_currency": "EUR", "currency": "USD", "rate": 1.25, "provider": "ecb"}
        for day in [date(2025, 12, 31), *YEAR.days()]
    ])  # fmt: skip
    house.rules({"revenue_truth": "shopify"})
    house.build(*MODELS)

    purchases = [each for each in purchases_as_of(sandbox.company, sandbox.clock.now()) if not each.given_up_at]
    _the_company_is_the_same_through_each(house, purchases)
    _by_hand(house)
    _in_the_marts(house, purchases)


def _the_company_is_the_same_through_each(house: House, purchases: list[Purchase]) -> None:
    """Orders of the year's window, each refund with its order: net in the shops, all that was paid at the provider."""
    read = {each.id: each for each in purchases if each.changed_at.date() in YEAR}
    for shape, key, back_key, is_net in (
        ("orders__shopify", "shopify:kontorra:{}", "{}:refund:{}", True),
        ("orders__woocommerce", "woocommerce:{}", "{}:refund:{}", True),
        ("orders__stripe", "stripe:stripe:ch_{}", "stripe:stripe:re_{1}:taken_back", False),
    ):
        found = {row[0]: row[1:] for row in house.rows(BOOKS.format(shape))}
        if "woocommerce" in shape:  # the site is its address
            found = {_without_site(name): (r[0] and _without_site(r[0]), *r[1:]) for name, r in found.items()}
        wanted = {}
        for purchase in read.values():
            order_key = key.format(purchase.id)
            is_told = is_net or purchase.at.date() in YEAR
            if is_told:
                amount = purchase.goods if is_net else purchase.total
                wanted[order_key] = (None, False, purchase.at.replace(microsecond=0), purchase.currency, amount)
            for back in purchase.given_back:
                amount = -(back.goods if is_net else back.total)
                wanted[back_key.format(order_key, back.id)] = (
                    order_key, True, back.at.replace(microsecond=0), purchase.currency, amount
                )  # fmt: skip
        assert found.keys() == wanted.keys(), shape
        for name, row in found.items():
            assert row[:4] == wanted[name][:4], (shape, name)
            # what a shop says of a part refund is what was paid, rounded to cents
            assert row[4] == pytest.approx(wanted[name][4], abs=Decimal("0.01") if row[1] and is_net else 0), (
                shape,
                name,
            )


def _without_site(key: str) -> str:
    return key[: key.index(":") + 1] + key[key.index(":") + 1 :].split(":", 2)[-1]


def _by_hand(house: House) -> None:
    def books(shape: str, *more: str) -> list[tuple[Any, ...]]:
        columns = ", ".join(("order_key", "amount", "ordered_at::date::varchar", *more))
        return house.rows(f"select {columns} from staging.{shape} where account_id = 'hand' order by 1")

    assert books("orders__shopify", "refund_of_order_key", "utm_source", "utm_medium") == [
        ("shopify:hand:cancelled", money("100"), "2026-01-05", None, "first", None),
        ("shopify:hand:cancelled:cancelled", money("-80"), "2026-01-09", "shopify:hand:cancelled", None, None),
        ("shopify:hand:cancelled:refund:c", money("-20"), "2026-01-08", "shopify:hand:cancelled", None, None),
        ("shopify:hand:parts", money("100"), "2026-01-05", None, "google", "cpc"),
        ("shopify:hand:parts:refund:a", money("-33.336"), "2026-01-07", "shopify:hand:parts", None, None),
        ("shopify:hand:parts:refund:b", money("-66.664"), "2026-01-08", "shopify:hand:parts", None, None),
        # 119 of 124.95 with 19.95 tax: 100 without
        ("shopify:hand:taxed", money("100"), "2026-01-05", None, "google", "organic"),
    ]
    assert books("orders__woocommerce", "utm_source") == [
        ("woocommerce:hand:cancelled", money("100"), "2026-01-05", None),
        ("woocommerce:hand:cancelled:cancelled", money("-100"), "2026-02-01", None),  # when it was first seen so
        ("woocommerce:hand:own_status", money("100"), "2026-01-05", None),
        ("woocommerce:hand:own_status:refund:z", money("-100"), "2026-01-09", None),
        ("woocommerce:hand:typed", money("100"), "2026-01-05", None),
    ]
    assert books("orders__stripe", "refund_of_order_key") == [
        ("stripe:hand:ch_1", money("100"), "2026-01-05", None),
        ("stripe:hand:ch_2", money("50"), "2026-01-05", None),  # its refund failed
        ("stripe:hand:ch_3", money("60"), "2026-01-05", None),
        ("stripe:hand:ch_4", money("9"), "2026-01-05", None),  # its dispute was won
        ("stripe:hand:ch_5", money("30"), "2026-01-05", None),
        ("stripe:hand:ch_5:taken_back", money("-30"), "2026-01-15", "stripe:hand:ch_5"),
        ("stripe:hand:dp_3:taken_back", money("-60"), "2026-02-01", "stripe:hand:ch_3"),
        ("stripe:hand:re_1:taken_back", money("-20"), "2026-01-08", "stripe:hand:ch_1"),
    ]


def _in_the_marts(house: House, purchases: list[Purchase]) -> None:
    """Those of the one source that is the truth, in the reporting currency; the others in none."""
    assert house.rows("select distinct source_system from marts.fct_orders") == [("shopify",)]
    read = [each for each in purchases if each.changed_at.date() in YEAR]
    rate = {"EUR": Decimal(1), "USD": Decimal("1.25")}
    wanted = sum((each.goods / rate[each.currency] for each in read if each.at.date() >= YEAR.start), Decimal(0))
    ours = "order_id like 'shopify:kontorra:%' and order_date >= '2026-01-01'"
    ((sold,),) = house.rows(f"select sum(amount) from marts.fct_orders where kind = 'order' and {ours}")
    assert sold == pytest.approx(wanted, abs=Decimal("0.001"))
    back = sum(
        (b.goods / rate[each.currency] for each in read for b in each.given_back if b.at.date() >= YEAR.start),
        Decimal(0),
    )
    ((returned,),) = house.rows(f"select sum(amount) from marts.fct_orders where kind = 'refund' and {ours}")
    assert -returned == pytest.approx(back, abs=Decimal("0.01") * 12)
    buyers = {each.buyer for each in read if each.buyer}
    known = house.rows(
        "select count(distinct customer_id) from marts.fct_orders where order_id like 'shopify:kontorra:%'"
    )
    assert known == [(len(buyers),)]
    # both orders of the buyer by hand came back whole: one in two parts, one by a refund and its cancellation
    assert house.rows(
        "select order_id, is_fully_refunded, is_new_customer from marts.fct_orders "
        "where order_id in ('shopify:hand:cancelled', 'shopify:hand:parts') order by 1"
    ) == [("shopify:hand:cancelled", True, False), ("shopify:hand:parts", True, False)]
