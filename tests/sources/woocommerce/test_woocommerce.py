"""WooCommerce over the wire, against the sandbox's shop: all orders, faults, slow sites, and bodies that others recorded."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from pydantic import SecretStr, ValidationError

from dagster_project.sandbox import Sandbox, serve
from dagster_project.sandbox.company import Company
from dagster_project.sandbox.company.purchases import Purchase, purchases_as_of
from dagster_project.sources import woocommerce
from dagster_project.sources.woocommerce import api
from dagster_project.sources.woocommerce.rows import order_row
from dagster_project.sources.woocommerce.sandbox import KEY, SECRET
from dagster_project.sources.woocommerce.settings import WooCommerceSettings
from dagster_project.wire.columns import to_table
from dagster_project.wire.contract import AuthError, ConfigError, DriftError, Tally, VendorError, Window
from dagster_project.wire.identity import hash_email
from tests.support.scripted_server import Asked, Reply, ScriptedServer

HASH_KEY = "a key for tests"
SEPTEMBER = Window(date(2026, 9, 1), date(2026, 10, 1))
ORDERS = "/wp-json/wc/v3/orders"


@pytest.fixture(autouse=True)
def unpaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "CALLS_PER_SECOND", 1_000_000)


@pytest.fixture(scope="module")
def served() -> Iterator[Sandbox]:
    with serve("2026-10-01", vendors=["woocommerce"]) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(served: Sandbox) -> Iterator[Sandbox]:
    served.calls.clear()
    yield served
    served.faults.clear()


@pytest.fixture(scope="module")
def bought(company: Company) -> dict[str, Purchase]:
    return {each.id: each for each in purchases_as_of(company, datetime(2026, 10, 1, 6, tzinfo=UTC))}


def settings_for(sites: str, *, keys: str = KEY, secrets: str = SECRET) -> WooCommerceSettings:
    return WooCommerceSettings(
        sites=sites, consumer_key=SecretStr(keys), consumer_secret=SecretStr(secrets), hash_key=SecretStr(HASH_KEY)
    )


def rows_of(pages: Any) -> dict[str, dict[str, Any]]:
    rows = [row for page in pages for row in page.rows.to_pylist()]
    found = {row["id"]: row for row in rows}
    assert len(found) == len(rows)
    return found


def read(
    settings: WooCommerceSettings, window: Window = SEPTEMBER, tally: Tally | None = None
) -> dict[str, dict[str, Any]]:
    return rows_of(woocommerce.read_orders(settings, window, tally or Tally()))


def swept(settings: WooCommerceSettings, tally: Tally | None = None) -> dict[str, dict[str, Any]]:
    return rows_of(woocommerce.sweep_orders(settings, tally or Tally()))


def test_all_orders_arrive_in_few_calls(sandbox: Sandbox, bought: dict[str, Purchase]) -> None:
    tally = Tally()
    rows = swept(settings_for(sandbox.endpoints["woocommerce"]), tally)
    assert rows.pop("99000000000")["status"] == "checkout-draft"
    assert rows.keys() == bought.keys()
    for order_id, row in rows.items():
        purchase = bought[order_id]
        amounts = (row["total"], row["total_tax"], row["shipping_total"])
        assert amounts == (purchase.total, purchase.tax, purchase.shipping)
        assert row["currency_code"] == purchase.currency
        assert row["email_hash"] == hash_email(purchase.email, HASH_KEY.encode())
        assert row["created_at"] == purchase.at.replace(microsecond=0)
        assert (row["paid_at"] is None) == (purchase.given_up_at is not None)
        assert [(each["created_at"], each["amount"]) for each in row["refunds"]] == [
            (each.at.replace(microsecond=0), each.total) for each in purchase.given_back
        ]
        assert row["utm_campaign"] == purchase.tags.get("utm_campaign")
    refunded = [each for each in bought.values() if each.given_back]
    # pages of 100 of the 263 orders, and one for the refunds of each that has any
    assert tally.api_calls == 3 + len(refunded)
    assert len(refunded) == 12
    assert "@" not in json.dumps([*rows.values()], default=str)


def test_a_window_holds_what_was_last_changed_in_it(sandbox: Sandbox, bought: dict[str, Purchase]) -> None:
    settings = settings_for(sandbox.endpoints["woocommerce"])
    assert read(settings).keys() == {each.id for each in bought.values() if each.changed_at.date() in SEPTEMBER}
    for purchase in [each for each in bought.values() if each.given_back][:3]:
        day = Window.of_day(purchase.changed_at.date())
        assert read(settings, day)[purchase.id]["refunds"]
        assert purchase.id not in read(settings, Window.of_day(purchase.at.date()))


@pytest.mark.parametrize(
    "fault",
    ["throttle:2", "server_error:2", "reset", "truncated", "duplicate_row:2", "server_error:1:path=refunds"],
)
def test_trouble_is_ridden_out(sandbox: Sandbox, bought: dict[str, Purchase], fault: str, waits: list[float]) -> None:
    sandbox.faults.set_from_text(f"woocommerce:{fault}")
    assert len(swept(settings_for(sandbox.endpoints["woocommerce"]))) == len(bought) + 1
    if fault.startswith("throttle"):
        assert waits[:2] == [3.0, 3.0]  # Retry-After


def test_a_refused_key_and_a_denied_site_of_three(sandbox: Sandbox) -> None:
    url = sandbox.endpoints["woocommerce"]
    with pytest.raises(AuthError, match="does not accept WOOCOMMERCE_CONSUMER_KEY"):
        read(settings_for(url, keys="old"))
    sites = ",".join([url, url.replace("127.0.0.1", "localhost"), f"{url}/"])
    tally = Tally()
    three = settings_for(
        ",".join([url, url.replace("127.0.0.1", "localhost"), url.replace("127.0.0.1", "127.1")]),
        keys=f"{KEY},old,{KEY}", secrets=f"{SECRET},{SECRET},{SECRET}",
    )  # fmt: skip
    found = list(woocommerce.read_orders(three, SEPTEMBER, tally))
    assert {account for page in found for account in page.rows["account_id"].to_pylist()} == tally.read_accounts
    assert len(tally.read_accounts) == 2
    assert [type(error) for error in tally.failed_accounts.values()] == [AuthError]
    listed = Tally()
    assert sum(page.rows.num_rows for page in woocommerce.sweep_orders(three, listed)) > 0
    assert (len(listed.read_accounts), len(listed.failed_accounts)) == (2, 1)  # of that one what is stored stays
    with pytest.raises(ValidationError, match="WOOCOMMERCE_CONSUMER_KEY has 1 values for 3 sites"):
        settings_for(sites)
    with pytest.raises(ValidationError, match="plain http would send the credentials readable"):
        settings_for("http://shop.example")


def test_an_unknown_field_is_kept_without_its_text(sandbox: Sandbox) -> None:
    sandbox.faults.set_from_text("woocommerce:unknown_field:always")
    assert {row["_extra"] for row in read(settings_for(sandbox.endpoints["woocommerce"])).values()} == {
        '{"mood": "(str)"}'
    }


def test_a_site_that_hangs_ends_with_the_reads_time(sandbox: Sandbox, waits: list[float]) -> None:
    sandbox.faults.set_from_text("woocommerce:slow:always:seconds=3")
    tally = Tally()
    tally.until = time.monotonic()
    with pytest.raises(VendorError, match="still fails after 4 attempts"):
        read(settings_for(sandbox.endpoints["woocommerce"]), tally=tally)


# ---- answers of no well-behaved site -----------------------------------------------------------------------------


def order(number: int, **more: Any) -> dict[str, Any]:
    moment = "2026-09-02T10:00:00"
    return {
        "id": number, "number": str(number), "status": "completed", "currency": "EUR", "date_created_gmt": moment,
        "date_modified_gmt": moment, "date_paid_gmt": moment, "total": "119.00", "total_tax": "19.00",
        "shipping_total": "0.00", "customer_id": 0, "billing": {"email": ""}, "refunds": [], "meta_data": [], **more,
    }  # fmt: skip


def paged(orders: list[Any]) -> Any:
    """A site that gives these by pages."""

    def answer(asked: Asked) -> Reply | None:
        query = parse_qs(asked.query)
        if asked.path != ORDERS:
            return None
        size, page = int(query["per_page"][0]), int(query["page"][0])
        return Reply(orders[(page - 1) * size : page * size], headers={"X-WP-Total": str(len(orders))})

    return answer


def test_one_odd_order_is_told_with_its_money_and_many_are_drift(scripted: ScriptedServer) -> None:
    tally = Tally()
    listed = [{"id": 7, "total": "-5.00"}]
    scripted.reply(Reply([{"id": 7, "date_created_gmt": "soon", "amount": "5.00"}]), path=f"{ORDERS}/3/refunds")
    scripted.reply(Reply([]), path=f"{ORDERS}/4/refunds")
    odd = [order(2, date_created_gmt="soon"), "no order", order(3, refunds=listed), order(4, refunds=listed)]
    scripted.rule(paged([order(1), *odd, order(5)]))
    assert read(settings_for(scripted.url), tally=tally).keys() == {"1", "5"}
    assert tally.bad_row_count == 4
    assert tally.refused_money["total EUR"] == 3 * Decimal("119")
    assert any("1 of its refunds are not there" in row for row in tally.bad_rows)
    scripted.rule(paged([order(number, total={"value": 1}) for number in range(1, 5)]))
    with pytest.raises(DriftError, match=r"field 'total' .*day 2026-09-02"):
        read(settings_for(scripted.url))
    scripted.rule(paged([{k: v for k, v in order(n).items() if k != "currency"} for n in range(1, 5)]))
    with pytest.raises(DriftError, match="'currency_code' is missing"):
        read(settings_for(scripted.url))


def test_a_list_that_changes_while_it_is_read_loses_no_order(scripted: ScriptedServer) -> None:
    """The first order is changed after page 1: it leaves the window, and the 101st moves to the page that was read."""
    orders = [order(number) for number in range(1, 152)]
    asked_before: list[int] = []

    def answer(asked: Asked) -> Reply | None:
        page = int(parse_qs(asked.query)["page"][0])
        asked_before.append(page)
        return paged(orders if len(asked_before) == 1 else orders[1:])(asked)

    scripted.rule(answer)
    assert len(read(settings_for(scripted.url))) == 151
    assert asked_before == [1, 2, 1, 2]
    lengths = iter(range(1000, 1200))
    scripted.rule(lambda _: Reply([order(1)] * 100, headers={"X-WP-Total": str(next(lengths))}))
    with pytest.raises(VendorError, match="has changed 3 times while it was read"):
        read(settings_for(scripted.url))


def test_a_small_server_is_asked_for_smaller_pages(scripted: ScriptedServer, waits: list[float]) -> None:
    orders = [order(number) for number in range(1, 61)]
    tally = Tally()

    def answer(asked: Asked) -> Reply | None:
        size = int(parse_qs(asked.query)["per_page"][0])
        return Reply("<html>", 504, {"Content-Type": "text/html"}) if size > 25 else paged(orders)(asked)

    scripted.rule(answer)
    assert len(read(settings_for(scripted.url), tally=tally)) == 60
    assert "with more than 25 orders a page" in tally.notes[-1]


def test_an_order_that_has_left_the_window_is_another_days(scripted: ScriptedServer) -> None:
    scripted.rule(paged([order(1), order(2, date_modified_gmt="2026-10-01T00:00:00")]))
    assert read(settings_for(scripted.url)).keys() == {"1"}
    asked = parse_qs(scripted.asked[0].query)
    assert asked["modified_after"] == ["2026-08-31T23:59:59"]
    assert asked["modified_before"] == ["2026-10-01T00:00:00"]
    assert asked["dates_are_gmt"] == ["true"]


def test_recorded_bodies_are_read(shared_dir: Path, scripted: ScriptedServer, waits: list[float]) -> None:
    folder = shared_dir / "fixtures" / "woocommerce"
    body = {path.stem: json.loads(path.read_text())["body"] for path in folder.glob("*.json")}
    refund = [{"id": 730, "date_created_gmt": "2026-11-21T10:00:00", "amount": "10.00"}]
    orders = [*body["orders_page1_200"], *body["orders_last_200"]]
    key = HASH_KEY.encode()
    rows = [order_row(each, refund if each["refunds"] else [], "example.com", key) for each in orders]
    first, last = to_table(woocommerce.ORDERS, rows).to_pylist()
    assert (first["total"], first["total_tax"], first["currency_code"]) == (Decimal("29.35"), Decimal("1.35"), "USD")
    assert (first["source_type"], first["utm_source"], first["utm_medium"], first["utm_campaign"]) == (
        "utm", "google", "cpc", "brand",
    )  # fmt: skip
    assert first["landing_page"] == "https://example.com/?utm_source=google"
    assert first["email_hash"] == hash_email("buyer@example.com", key)
    assert first["created_at"] == datetime(2026, 11, 20, 10, tzinfo=UTC)
    assert (first["customer_id"], first["phone_hash"], first["_extra"]) == (None, None, None)
    assert [(each["id"], each["amount"]) for each in last["refunds"]] == [("730", Decimal(10))]
    scripted.reply(Reply(body["orders_empty_200"]), path=ORDERS)
    assert read(settings_for(scripted.url)) == {}
    for name, status, error, said in (
        ("error_key_401", 401, AuthError, "Sorry, you cannot list resources"),
        ("error_route_404", 404, ConfigError, "anything but plain"),
    ):
        scripted.reply(Reply(body[name], status), path=ORDERS)
        with pytest.raises(error, match=said):
            read(settings_for(scripted.url))
    page = (folder / "error_host_503.html").read_text()
    scripted.reply(Reply(page, 503, {"Content-Type": "text/html"}), Reply([order(1)]), Reply([]), path=ORDERS)
    assert read(settings_for(scripted.url)).keys() == {"1"}
    scripted.reply(Reply(page, 403, {"Content-Type": "text/html"}), path=ORDERS)
    with pytest.raises(AuthError, match="a web page answers, of a firewall"):
        read(settings_for(scripted.url))
