"""Shopify over the wire, against the sandbox's shop: all orders, faults, rights, and bodies that others recorded."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from dagster_project.sandbox import Sandbox, serve
from dagster_project.sandbox.company import Company
from dagster_project.sandbox.company.purchases import Purchase, purchases_as_of
from dagster_project.sources import shopify
from dagster_project.sources.shopify import api
from dagster_project.sources.shopify.rows import order_row
from dagster_project.sources.shopify.sandbox import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, SHOP
from dagster_project.sources.shopify.settings import ShopifyRules, ShopifySettings
from dagster_project.wire.columns import to_table
from dagster_project.wire.contract import AuthError, ConfigError, DriftError, Tally, VendorError, Window
from dagster_project.wire.identity import hash_email
from tests.support.scripted_server import Reply, ScriptedServer

KEY = "a key for tests"
SEPTEMBER = Window(date(2026, 9, 1), date(2026, 10, 1))
ALL = Window(date(2025, 7, 1), date(2026, 10, 2))
GRAPHQL = "/admin/api/2026-10/graphql.json"


@pytest.fixture(autouse=True)
def unpaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "CALLS_PER_SECOND", 1_000_000)


@pytest.fixture(scope="module")
def served() -> Iterator[Sandbox]:
    with serve("2026-10-01", vendors=["shopify"]) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(served: Sandbox) -> Iterator[Sandbox]:
    served.calls.clear()
    yield served
    served.faults.clear()


@pytest.fixture(scope="module")
def bought(company: Company) -> dict[str, Purchase]:
    return {each.id: each for each in purchases_as_of(company, datetime(2026, 10, 1, 6, tzinfo=UTC))}


def settings_for(url: str, *, tokens: str | None = ACCESS_TOKEN, shops: str = SHOP, **more: Any) -> ShopifySettings:
    token = SecretStr(tokens) if tokens else None
    return ShopifySettings(
        access_token=token, shops=shops, base_url=url, hash_key=SecretStr(KEY), today=date(2026, 10, 1), **more
    )


def read(
    settings: ShopifySettings, window: Window = SEPTEMBER, tally: Tally | None = None
) -> dict[str, dict[str, Any]]:
    rows = [row for page in shopify.read_orders(settings, window, tally or Tally()) for row in page.rows.to_pylist()]
    found = {row["id"]: row for row in rows}
    assert len(found) == len(rows)
    return found


def test_all_orders_arrive_in_few_calls(sandbox: Sandbox, bought: dict[str, Purchase]) -> None:
    settings, tally = settings_for(sandbox.endpoints["shopify"], rules=ShopifyRules(email=True)), Tally()
    rows = read(settings, ALL, tally)
    assert rows.pop("1")["is_test"]
    assert rows.keys() == bought.keys()
    for order_id, row in rows.items():
        purchase = bought[order_id]
        assert (row["total"], row["subtotal"], row["tax"]) == (purchase.total, purchase.goods, purchase.tax)
        assert row["currency_code"] == purchase.currency
        assert row["customer_id"] == purchase.buyer
        assert row["email_hash"] == hash_email(purchase.email, KEY.encode())
        assert row["processed_at"] == purchase.at.replace(microsecond=0)
        assert (row["cancelled_at"] is not None) == (purchase.given_up_at is not None)
        assert [(each["created_at"], each["amount"]) for each in row["refunds"]] == [
            (each.at.replace(microsecond=0), each.total) for each in purchase.given_back
        ]
        assert row["last_visit_utm_source"] == purchase.tags.get("utm_source")
    assert sum(len(row["refunds"]) for row in rows.values()) == 12
    assert {row["currency_code"] for row in rows.values()} == {"EUR", "USD"}
    # what the app may read, then pages of 100 of the 263 orders
    assert tally.api_calls == 1 + 3
    assert "@" not in json.dumps([*rows.values()], default=str)


def test_a_window_holds_what_was_last_changed_in_it(sandbox: Sandbox, bought: dict[str, Purchase]) -> None:
    wanted = {each.id for each in bought.values() if each.changed_at.date() in SEPTEMBER}
    refunded_later = {i for i in wanted if bought[i].at.date() < SEPTEMBER.start}
    assert refunded_later
    assert read(settings_for(sandbox.endpoints["shopify"])).keys() - {"1"} == wanted


def test_a_night_and_a_year_take_few_calls(sandbox: Sandbox) -> None:
    """A shop's bucket of 2,000 points is filled with 100 a second; a page of 100 orders asks for 252."""
    settings, night, year = settings_for(sandbox.endpoints["shopify"]), Tally(), Tally()
    read(settings, Window(date(2026, 9, 29), date(2026, 10, 2)), night)
    read(settings, Window(date(2025, 10, 2), date(2026, 10, 2)), year)
    assert (night.api_calls, year.api_calls) == (2, 1 + 3)


@pytest.mark.parametrize(
    "fault",
    ["throttle:2:after=1", "server_error:1:after=1", "reset", "truncated:1:after=1", "duplicate_row:2"],
)
def test_trouble_is_ridden_out(sandbox: Sandbox, bought: dict[str, Purchase], fault: str, waits: list[float]) -> None:
    sandbox.faults.set_from_text(f"shopify:{fault}")
    assert len(read(settings_for(sandbox.endpoints["shopify"]), ALL)) == len(bought) + 1
    if fault.startswith("throttle"):
        assert waits[:2] == [2.4, 2.4]  # (252 - 12) points at 100 a second


def test_a_rented_token_is_renewed_once(sandbox: Sandbox) -> None:
    rented = settings_for(
        sandbox.endpoints["shopify"], tokens=None, client_id=CLIENT_ID, client_secret=SecretStr(CLIENT_SECRET)
    )
    sandbox.faults.set_from_text("shopify:expired_token:1:path=graphql")
    assert read(rented)
    assert sandbox.calls.count("shopify", "oauth") == 2
    wrong = settings_for(
        sandbox.endpoints["shopify"], tokens=None, client_id="other", client_secret=SecretStr(CLIENT_SECRET)
    )
    with pytest.raises(AuthError, match="shop kontorra gives no token to SHOPIFY_CLIENT_ID"):
        read(wrong)


def test_a_refused_token_and_a_denied_shop_of_three(sandbox: Sandbox) -> None:
    url = sandbox.endpoints["shopify"]
    with pytest.raises(AuthError, match="shop kontorra does not accept SHOPIFY_ACCESS_TOKEN"):
        read(settings_for(url, tokens="old"))
    tally = Tally()
    pages = list(
        shopify.read_orders(
            settings_for(url, tokens=f"{ACCESS_TOKEN},old,{ACCESS_TOKEN}", shops="a,b,c"), SEPTEMBER, tally
        )
    )
    assert [set(page.rows["account_id"].to_pylist()) for page in pages] == [{"a"}, {"c"}]
    assert tally.read_accounts == {"a", "c"}
    assert isinstance(tally.failed_accounts["b"], AuthError)
    with pytest.raises(ValidationError, match="1 tokens for 2 shops"):
        settings_for(url, shops="a,b")
    with pytest.raises(ValidationError, match="nor are SHOPIFY_CLIENT_ID and SHOPIFY_CLIENT_SECRET"):
        settings_for(url, tokens=None)


def test_older_orders_than_the_app_may_see_are_never_taken_for_none(sandbox: Sandbox) -> None:
    settings, tally = settings_for(sandbox.endpoints["shopify"], tokens="few-rights"), Tally()
    with pytest.raises(AuthError, match=r"60 days only.*give the app the scope read_all_orders"):
        read(settings, ALL)
    rows = read(settings, SEPTEMBER, tally)
    assert rows
    assert {row["customer_id"] for row in rows.values()} == {None}
    assert any("read_all_orders" in note for note in tally.notes)
    assert any("read_customers" in note for note in tally.notes)


def test_an_unknown_field_is_kept_without_its_text(sandbox: Sandbox) -> None:
    sandbox.faults.set_from_text("shopify:unknown_field:always")
    assert {row["_extra"] for row in read(settings_for(sandbox.endpoints["shopify"])).values()} == {'{"mood": "(str)"}'}


# ---- answers of no well-behaved vendor ---------------------------------------------------------------------------


def money(amount: str) -> dict[str, Any]:
    return {"shopMoney": {"amount": amount, "currencyCode": "EUR"}}


def order(number: int, **more: Any) -> dict[str, Any]:
    moment = "2026-09-02T10:00:00Z"
    return {
        "id": f"gid://shopify/Order/{number}", "legacyResourceId": str(number), "createdAt": moment, "processedAt": moment,
        "updatedAt": moment, "test": False, "taxesIncluded": False, "totalPriceSet": money("119.0"),
        "subtotalPriceSet": money("100.0"), "totalTaxSet": money("19.0"), "refunds": [], **more,
    }  # fmt: skip


def answer(nodes: Any, cursor: str | None = None, **more: Any) -> Reply:
    page = {"hasNextPage": cursor is not None, "endCursor": cursor}
    return Reply({"data": {"orders": {"pageInfo": page, "nodes": nodes}}, **more})


def scopes() -> Reply:
    handles = [{"handle": each} for each in ("read_orders", "read_all_orders", "read_customers")]
    return Reply({"data": {"currentAppInstallation": {"accessScopes": handles}}})


def scripted_shop(scripted: ScriptedServer, *replies: Reply) -> ShopifySettings:
    scripted.reply(scopes(), *replies, path=GRAPHQL)
    return settings_for(scripted.url)


def test_one_odd_order_is_told_with_its_money_and_many_are_drift(scripted: ScriptedServer) -> None:
    tally = Tally()
    odd_refund = {"id": "gid://shopify/Refund/1", "createdAt": "soon", "totalRefundedSet": money("5")}
    page = answer([order(1), order(2, createdAt="soon"), "no order", order(3, refunds=[odd_refund]), order(4)])
    assert read(scripted_shop(scripted, page), tally=tally).keys() == {"1", "4"}
    assert tally.bad_row_count == 3
    assert tally.refused_money["total EUR"] == 2 * Decimal("119")
    retyped = answer([order(number, totalPriceSet=119) for number in range(1, 5)])
    with pytest.raises(DriftError, match=r"shopify/orders: .*'(total|currency_code)'"):
        read(scripted_shop(scripted, retyped))
    lost = answer([{k: v for k, v in order(n).items() if k != "totalTaxSet"} for n in range(1, 5)])
    with pytest.raises(DriftError, match=r"'tax' is missing in a record \(day 2026-09-02\)"):
        read(scripted_shop(scripted, lost))


def test_no_orders_an_empty_answer_and_a_circle(scripted: ScriptedServer, waits: list[float]) -> None:
    assert read(scripted_shop(scripted, answer([]))) == {}
    assert read(scripted_shop(scripted, Reply(b""), answer([order(1)]))).keys() == {"1"}
    assert len(waits) == 1
    circle = [answer([order(1)], "same"), answer([order(1)], "same"), answer([order(1)], "same")]
    with pytest.raises(VendorError, match="again and again"):
        read(scripted_shop(scripted, *circle))


def test_a_query_that_is_too_dear_is_made_smaller(scripted: ScriptedServer, shared_dir: Path) -> None:
    too_dear = json.loads((shared_dir / "fixtures/shopify/error_cost_200.json").read_text())
    assert read(scripted_shop(scripted, Reply(too_dear["body"]), answer([order(1)]))).keys() == {"1"}
    assert [asked.json["variables"].get("n") for asked in scripted.asked] == [None, 100, 50]


def test_points_are_waited_for_before_they_are_missing(scripted: ScriptedServer, waits: list[float]) -> None:
    status = {"maximumAvailable": 2000.0, "currentlyAvailable": 52.0, "restoreRate": 100.0}
    cost = {"cost": {"requestedQueryCost": 252, "throttleStatus": status}}
    assert read(scripted_shop(scripted, answer([order(1)], "next", extensions=cost), answer([order(2)])))
    assert waits == [2.0]


def test_another_version_than_asked_for_is_told(scripted: ScriptedServer) -> None:
    reply, tally = answer([order(1)]), Tally()
    reply.headers["X-Shopify-API-Version"] = "2027-01"
    read(scripted_shop(scripted, reply), tally=tally)
    assert [note for note in tally.notes if "2027-01" in note and "SHOPIFY_API_VERSION" in note]


@pytest.mark.parametrize(
    ("status", "body", "error", "said"),
    [
        (404, {"errors": "Not Found"}, ConfigError, "shop kontorra is not there"),
        (402, "", AuthError, "frozen until its bill is paid"),
        (423, "", AuthError, "it is locked"),
    ],
)
def test_refusals_in_one_sentence(scripted: ScriptedServer, status: int, body: Any, error: Any, said: str) -> None:
    scripted.reply(Reply(body, status))
    with pytest.raises(error, match=said):
        read(settings_for(scripted.url))


def test_a_shop_that_hangs_ends_with_the_reads_time(sandbox: Sandbox, waits: list[float]) -> None:
    sandbox.faults.set_from_text("shopify:slow:always:seconds=3")
    tally = Tally()
    tally.until = time.monotonic()
    with pytest.raises(VendorError, match="still fails after 6 attempts"):
        read(settings_for(sandbox.endpoints["shopify"]), tally=tally)


def test_recorded_bodies_are_read(shared_dir: Path, scripted: ScriptedServer, waits: list[float]) -> None:
    folder = shared_dir / "fixtures" / "shopify"
    body = {path.stem: json.loads(path.read_text())["body"] for path in folder.glob("*.json")}
    nodes = [node for name in ("orders_page1_200", "orders_last_200") for node in body[name]["data"]["orders"]["nodes"]]
    rows = to_table(shopify.ORDERS, [order_row(node, SHOP, KEY.encode()) for node in nodes]).to_pylist()
    assert [(row["id"], row["total"], row["customer_id"]) for row in rows] == [
        ("5001001", Decimal(100), "900"), ("5001002", Decimal(60), "900"),
    ]  # fmt: skip
    assert (rows[0]["first_visit_utm_medium"], rows[0]["first_visit_source_type"]) == ("cpc", "SEO")
    assert rows[0]["last_visit_utm_source"] is None
    assert rows[1]["refunds"] == [
        {
            "id": "50010021",
            "created_at": datetime(2026, 11, 24, 10, tzinfo=UTC),
            "amount": Decimal(20),
            "currency": "EUR",
        }
    ]
    assert [row["_extra"] for row in rows] == [None, None]
    assert read(scripted_shop(scripted, Reply(body["orders_empty_200"]))) == {}
    assert read(scripted_shop(scripted, Reply(body["error_throttled_200"]), answer([order(1)]))).keys() == {"1"}
    assert waits == [2.4]
    with pytest.raises(
        AuthError, match=r"refuses \(ACCESS_DENIED\): Access denied for orders field.*scope read_orders"
    ):
        read(scripted_shop(scripted, Reply(body["error_access_200"])))
    scripted.reply(Reply(body["scopes_200"]), path=GRAPHQL)
    with pytest.raises(AuthError, match="read_all_orders"):
        read(settings_for(scripted.url), Window(date(2026, 1, 1), date(2026, 1, 2)))
    scripted.reply(Reply(body["error_token_401"], 401), path=GRAPHQL)
    with pytest.raises(AuthError, match="does not accept SHOPIFY_ACCESS_TOKEN"):
        read(settings_for(scripted.url))


def test_the_restated_day_moves_with_the_refund(sandbox: Sandbox, bought: dict[str, Purchase]) -> None:
    """An order that was given back stands on the day of that; read before, it had no refund."""
    refunded = next(each for each in bought.values() if each.given_back)
    before, after = refunded.at.date(), refunded.given_back[-1].at.date()
    assert before < after
    settings = settings_for(sandbox.endpoints["shopify"])
    assert refunded.id not in read(settings, Window(before, before + timedelta(days=1)))
    assert read(settings, Window(after, after + timedelta(days=1)))[refunded.id]["refunds"]
