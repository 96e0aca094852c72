"""Deals, orders, refunds and customers. The deals are those of crm_world.py; amounts are worked out by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest


def order(portal, order_id: str) -> dict:
    return portal.dicts(f"select * from marts.fct_orders where order_id = 'hubspot:{order_id}'")[0]


def customer_of(portal, customer_id: str) -> tuple:
    return portal.rows(
        f"select customer_kind, first_order_id, first_order_date::varchar from marts.dim_customer where customer_id = '{customer_id}'"
    )[0]


def test_a_refund_of_the_whole_first_order_moves_the_day_of_the_new_customer(portal) -> None:
    rows = portal.rows(
        "select order_id, kind, order_date::varchar, amount, is_new_customer, is_fully_refunded, refund_of_order_id, product "
        "from marts.fct_orders where customer_id = 'hubspot:buyer_returned' order by order_date"
    )
    assert rows == [
        ("hubspot:returned_1", "order", "2026-01-10", Decimal(500), False, True, None, "Kit"),
        ("hubspot:returned_1r", "refund", "2026-01-20", Decimal(-500), False, False, "hubspot:returned_1", "Kit"),
        ("hubspot:returned_2", "order", "2026-02-15", Decimal(700), True, False, None, "(not set)"),
    ]
    assert customer_of(portal, "hubspot:buyer_returned") == ("person", "hubspot:returned_2", "2026-02-15")
    lead = portal.rows(
        "select is_customer, customer_date::varchar, customer_id from marts.fct_leads where lead_id = 'hubspot:buyer_returned'"
    )
    assert lead == [(True, "2026-02-15", "hubspot:buyer_returned")]


def test_a_partial_refund_takes_no_customer_away(portal) -> None:
    assert customer_of(portal, "hubspot:buyer_part") == ("person", "hubspot:part_1", "2026-01-10")


def test_a_refund_in_another_currency_is_compared_in_the_reporting_currency(portal) -> None:
    assert order(portal, "mixed_1")["is_fully_refunded"]
    assert customer_of(portal, "hubspot:buyer_mixed") == ("person", None, None)
    assert portal.rows(
        "select is_customer, customer_date from marts.fct_leads where lead_id = 'hubspot:buyer_mixed'"
    ) == [(False, None)]


def test_refunds_are_no_opportunities_and_only_won_ones_are_booked(portal) -> None:
    refunds = portal.rows("select order_id from marts.fct_orders where kind = 'refund' order by 1")
    assert [row[0] for row in refunds] == [
        "hubspot:by_utm_r", "hubspot:lonely_refund", "hubspot:mixed_1r", "hubspot:part_1r", "hubspot:returned_1r",
    ]  # fmt: skip
    known = portal.rows(
        "select count(*) from marts.fct_opportunities join marts.fct_orders on fct_opportunities.deal_id = order_id where kind = 'refund'"
    )
    assert known == [(0,)]
    assert portal.rows("select count(*) from marts.fct_opportunities where crm_deal_id = 'open_refund'") == [(0,)]


@pytest.mark.parametrize(
    ("order_id", "native", "currency", "amount", "is_known", "is_rate_missing"),
    [
        ("dollars", Decimal(250), "USD", Decimal(200), True, False),  # 250 / 1.25
        ("pounds", Decimal(90), "GBP", None, True, True),  # never 1.0
        ("unknown", None, "EUR", None, False, False),  # an order all the same
    ],
)
def test_amounts(portal, order_id, native, currency, amount, is_known, is_rate_missing) -> None:
    row = order(portal, order_id)
    assert (row["amount_native"], row["currency_code"], row["amount"]) == (native, currency, amount)
    assert (row["is_amount_known"], row["is_rate_missing"], row["is_new_customer"]) == (is_known, is_rate_missing, True)
    deal = portal.rows(
        f"select amount, is_rate_missing, status from marts.fct_opportunities where deal_id = 'hubspot:{order_id}'"
    )
    assert deal == [(amount, is_rate_missing, "won")]


def test_gross_margin_is_the_products_else_the_default(portal) -> None:
    assert order(portal, "returned_1")["gross_margin_amount"] == Decimal(125)  # 500 at 25 %
    assert order(portal, "returned_1r")["gross_margin_amount"] == Decimal(-125)  # a refund has its order's product
    assert order(portal, "returned_2")["gross_margin_amount"] == Decimal(420)  # 700 at 60 %
    assert order(portal, "pounds")["gross_margin_amount"] is None


def test_without_a_contact_the_company_is_the_customer_and_without_both_the_deal(portal) -> None:
    rows = portal.rows(
        "select order_id, customer_id, lead_id, is_new_customer from marts.fct_orders "
        "where order_id in ('hubspot:company_only', 'hubspot:company_repeat', 'hubspot:nobody') order by 1"
    )
    assert rows == [
        ("hubspot:company_only", "hubspot:company:acme", None, True),
        ("hubspot:company_repeat", "hubspot:company:acme", None, False),
        ("hubspot:nobody", "hubspot:nobody", None, True),
    ]
    assert customer_of(portal, "hubspot:company:acme")[0] == "company"
    assert customer_of(portal, "hubspot:nobody")[0] == "deal"


def test_the_sales_cycle_of_the_first_deal_starts_with_the_contact_of_later_ones_with_the_deal(portal) -> None:
    rows = portal.rows(
        "select crm_deal_id, is_first_deal, sales_cycle_days from marts.fct_opportunities "
        "where customer_id in ('hubspot:buyer_repeat', 'hubspot:nobody', 'hubspot:lost_twice') order by created_at"
    )
    assert rows == [
        ("lost_1", True, None),
        ("repeat_1", True, 40.0),  # contact of 1 January, won on 10 February
        ("lost_2", False, None),
        ("repeat_2", False, 10.5),  # deal of 16 January, won on 26 January at noon
        ("nobody", True, 10.0),  # no contact: from the deal's creation
    ]
    # the first order is the first one won, whichever deal was created first
    assert customer_of(portal, "hubspot:buyer_repeat") == ("person", "hubspot:repeat_2", "2026-01-26")


def test_every_customer_is_new_once_at_most(portal) -> None:
    assert (
        portal.rows("select customer_id from marts.fct_orders where is_new_customer group by 1 having count(*) > 1")
        == []
    )
