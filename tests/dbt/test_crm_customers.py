"""Whose an order of a file is, which refunds belong to it, and which orders are of nobody that is known. By hand."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from tests.support.house import House

MODELS = ("+fct_orders", "+fct_opportunities", "+dim_customer", "+fct_leads")


def order(order_id: str, day: int, amount: int | None = 10, **more: Any) -> dict[str, Any]:
    return {"order_id": order_id, "ordered_at": f"2026-03-{day:02}T10:00:00", "amount": None if amount is None else Decimal(amount),
            "currency_code": "EUR", **more}  # fmt: skip


LEADS = [
    {"lead_id": "ann", "created_at": "2026-01-01", "email_hash": "ann@", "phone_hash": "+1"},
    {"lead_id": "bob", "created_at": "2026-01-02", "phone_hash": "+2"},
]
ORDERS = [
    # by lead, by e-mail, by the phone only where there is no e-mail
    order("lead", 1, lead_id="ann"), order("email", 2, email_hash="ann@"), order("phone", 3, phone_hash="+2"),
    order("email_first", 4, email_hash="eve@", phone_hash="+2"),
    # an e-mail that no CRM knows is one buyer all the same, and so is a phone
    order("eve", 5, email_hash="eve@"), order("tel_1", 6, phone_hash="+9"), order("tel_2", 7, phone_hash="+9"),
    # a customer id groups, whatever else the rows say
    order("c1_ann", 8, customer_id="C1", email_hash="ann@"), order("c1_bare", 9, customer_id="C1"),
    order("c1_zoe", 10, customer_id="C1", email_hash="zoe@"), order("c2_a", 11, customer_id="C2"), order("c2_b", 12, customer_id="C2"),
    # a guest whose e-mail stands beside a customer id elsewhere; two ids with one e-mail are one buyer
    order("kim_id", 13, customer_id="C3", email_hash="kim@"), order("kim_guest", 14, email_hash="kim@"),
    order("kim_other_id", 15, customer_id="C4", email_hash="kim@"), order("kim_bare", 16, customer_id="C4"),
    # nobody: in revenue, in no customer count; what says that there is no customer is none
    order("nobody_1", 17), order("nobody_2", 18), order("guest", 19, customer_id="undefined"), order("zero", 20, customer_id="0"),
    # refunds as they land: rows of their own that name their order
    order("9001", 5, 100, email_hash="hal@"), order("9001:refund", 12, -100, email_hash="hal@", refund_of="9001", is_refund=True),
    order("500", 7, 50, email_hash="ivy@"), order("501", 8, -15, email_hash="ivy@", refund_of="500"),
    order("502", 9, -35, email_hash="ivy@", refund_of="500"), order("503", 21, 20, email_hash="ivy@"),
    # of unknown amount; of nobody, and paid back
    order("540", 10, None, email_hash="jo@"), order("lost", 11, 30), order("lost_r", 13, 30, refund_of="lost", is_refund=True),
]  # fmt: skip

EXPECTED = {
    "ann": {"lead", "email", "c1_ann", "c1_bare", "c1_zoe"},
    "bob": {"phone"},
    "eve": {"email_first", "eve"},
    "tel": {"tel_1", "tel_2"},
    "c2": {"c2_a", "c2_b"},
    "kim": {"kim_id", "kim_guest", "kim_other_id", "kim_bare"},
    "hal": {"9001", "9001:refund"},
    "ivy": {"500", "501", "502", "503"},
    "jo": {"540"},
}
UNKNOWN = {"nobody_1", "nobody_2", "guest", "zero", "lost", "lost_r"}


@pytest.fixture(scope="module")
def house(tmp_path_factory, dbt_project) -> House:
    house = House(tmp_path_factory.mktemp("customers") / "home", dbt_project)
    house.rules({"revenue_truth": "files"})
    house.put("files/leads", LEADS)
    house.put("files/orders", ORDERS)
    house.build(*MODELS)
    house.build("fct_orders", "dim_customer", "int_customer_evidence", "int_customer_keys_joined", "int_file_customers_matched",
                command="test")  # fmt: skip
    return house


def test_orders_of_one_buyer_have_one_customer_and_those_of_nobody_none(house: House) -> None:
    found: dict[str | None, set[str]] = {}
    for customer, order_id in house.rows("select customer_id, order_id from marts.fct_orders"):
        found.setdefault(customer, set()).add(order_id.removeprefix("files:test:"))
    assert found.pop(None) == UNKNOWN
    assert sorted(found.values(), key=sorted) == sorted(EXPECTED.values(), key=sorted)
    assert found["files:test:ann"] == EXPECTED["ann"]
    assert found["files:test:bob"] == EXPECTED["bob"]


def test_customers_are_counted_once_and_unknown_buyers_never(house: House) -> None:
    # hal's only order came back whole; ivy's first did, her second makes her new; jo's amount is unknown, jo is not
    assert house.rows("select count(*) from marts.fct_orders where is_new_customer") == [(len(EXPECTED) - 1,)]
    new = {row[0] for row in house.rows("select order_id from marts.fct_orders where is_new_customer")}
    assert {"files:test:503", "files:test:540", "files:test:lead", "files:test:kim_id"} <= new
    kinds = dict(house.rows("select customer_kind, count(*) from marts.dim_customer group by 1"))
    assert kinds == {"person": 2, "company": 2, "buyer": 5}  # c2 and kim go by their id; eve, tel, hal, ivy and jo
    assert sum(kinds.values()) == len(EXPECTED)


def test_a_second_order_within_90_days_is_a_repeat_purchase(house: House) -> None:
    orders: dict[str, list[tuple[date, bool]]] = {}
    for customer, day, is_new in house.rows(
        "select customer_id, order_date, is_new_customer from marts.fct_orders where kind = 'order' "
        "and not is_fully_refunded and customer_id is not null order by ordered_at, order_id"
    ):
        orders.setdefault(customer, []).append((day, is_new))
    expected = {
        customer: len(days) > 1 and (days[1][0] - days[0][0]).days <= 90
        for customer, days in orders.items()
        if days[0][1]
    }
    assert set(expected.values()) == {True, False}
    said = dict(house.rows("select customer_id, is_repurchased_in_time from marts.fct_orders where is_new_customer"))
    assert said == expected
    assert house.rows(
        "select count(*) from marts.fct_orders where not is_new_customer and is_repurchased_in_time is not null"
    ) == [(0,)]


def test_no_order_loses_its_money(house: House) -> None:
    expected = sum(
        -abs(row["amount"]) if "refund_of" in row else row["amount"] for row in ORDERS if row["amount"] is not None
    )
    assert house.rows("select sum(amount) from marts.fct_orders") == [(expected,)]
    of_9001 = "select kind, order_date::varchar, amount::int, is_fully_refunded from marts.fct_orders where order_id like '%:9001%' order by 2"
    assert house.rows(of_9001) == [("order", "2026-03-05", 100, True), ("refund", "2026-03-12", -100, False)]
    assert house.rows(
        "select amount, is_amount_known, kind from marts.fct_orders where order_id = 'files:test:540'"
    ) == [(None, False, "order")]


def test_with_companies_as_customers_each_id_is_one(tmp_path, house: House) -> None:
    firm = house.copy(tmp_path / "home", with_raw_zone=True)
    firm.rules({"revenue_truth": "files", "crm": {"customer": "company"}})
    firm.build(*MODELS)
    rows = firm.rows(
        "select customer_id, count(*) from marts.fct_orders where customer_id like 'files:customer:%' group by 1 order by 1"
    )
    # C1 with its three orders; kim's guest order goes to the first id that her e-mail stands beside
    assert rows == [
        ("files:customer:C1", 3),
        ("files:customer:C2", 2),
        ("files:customer:C3", 2),
        ("files:customer:C4", 2),
    ]


def test_deals_of_files_are_whose_their_contact_is(tmp_path, dbt_project) -> None:
    house = House(tmp_path / "home", dbt_project)
    house.put("files/leads", LEADS)
    deals = [
        {"deal_id": name, "status": "won", "created_at": "2026-02-01", "closed_at": f"2026-02-{number:02}", "filed_at": "2026-02-01",
         "amount": 10, "currency_code": "EUR", **whose}
        for number, (name, whose) in enumerate(
            {
                "by_lead": {"lead_id": "ann"}, "by_email": {"email_hash": "ann@"}, "by_phone": {"phone_hash": "+2"},
                "stranger_1": {"email_hash": "new@"}, "stranger_2": {"email_hash": "new@"},
                "firm_1": {"customer_id": "F", "lead_id": "ann"}, "firm_2": {"customer_id": "F", "lead_id": "bob"},
                "alone": {},
            }.items(),
            start=2,
        )
    ]  # fmt: skip
    house.put("files/deals", deals)
    house.build(*MODELS)
    customers = {
        deal.removeprefix("files:test:"): customer.removeprefix("files:")
        for deal, customer in house.rows("select deal_id, customer_id from marts.fct_opportunities")
    }
    assert customers == {
        "by_lead": "test:ann", "by_email": "test:ann", "by_phone": "test:bob", "stranger_1": "email:new@", "stranger_2": "email:new@",
        "firm_1": "test:ann", "firm_2": "test:ann", "alone": "test:alone",
    }  # fmt: skip
