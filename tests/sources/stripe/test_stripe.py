"""Stripe over the wire, against the sandbox's Stripe: all streams, faults, currencies, and bodies that others recorded."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from dagster_project.sandbox import Sandbox, serve
from dagster_project.sandbox.company import Company
from dagster_project.sandbox.company.purchases import Purchase, purchases_as_of
from dagster_project.sources import stripe
from dagster_project.sources.stripe import api
from dagster_project.sources.stripe.rows import balance_row, charge_row, dispute_row, refund_row
from dagster_project.sources.stripe.sandbox import API_KEY
from dagster_project.sources.stripe.settings import StripeMetadata, StripeSettings
from dagster_project.wire.columns import to_table
from dagster_project.wire.contract import AuthError, ConfigError, DriftError, Stream, Tally, VendorError, Window
from dagster_project.wire.identity import hash_email
from tests.support.scripted_server import Reply, ScriptedServer

KEY = "a key for tests"
ALL = Window(date(2025, 7, 1), date(2026, 10, 2))
SEPTEMBER = Window(date(2026, 9, 1), date(2026, 10, 1))
NO_METADATA = StripeMetadata()


@pytest.fixture(autouse=True)
def unpaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "CALLS_PER_SECOND", 1_000_000)


@pytest.fixture(scope="module")
def served() -> Iterator[Sandbox]:
    with serve("2026-10-01", vendors=["stripe"]) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(served: Sandbox) -> Iterator[Sandbox]:
    served.calls.clear()
    yield served
    served.faults.clear()


@pytest.fixture(scope="module")
def bought(company: Company) -> dict[str, Purchase]:
    return {f"ch_{each.id}": each for each in purchases_as_of(company, datetime(2026, 10, 1, 6, tzinfo=UTC))}


def settings_for(url: str, *, keys: str = API_KEY, accounts: str = "kontorra", **more: Any) -> StripeSettings:
    return StripeSettings(api_key=SecretStr(keys), accounts=accounts, base_url=url, hash_key=SecretStr(KEY), **more)


def read(
    settings: StripeSettings,
    stream: Stream = stripe.BALANCE_TRANSACTIONS,
    window: Window = ALL,
    tally: Tally | None = None,
) -> dict[str, dict[str, Any]]:
    assert stream.read
    rows = [row for page in stream.read(settings, window, tally or Tally()) for row in page.rows.to_pylist()]
    found = {row["id"]: row for row in rows}
    assert len(found) == len(rows)
    return found


def test_all_that_was_paid_arrives_in_few_calls(sandbox: Sandbox, bought: dict[str, Purchase]) -> None:
    names = StripeMetadata(order_id="shop_order", utm_source="visit_source")
    settings, tally = settings_for(sandbox.endpoints["stripe"], metadata=names), Tally()
    moved = read(settings, tally=tally)
    paid = {charge: each for charge, each in bought.items() if not each.given_up_at}
    charged = {row["source_id"]: row for row in moved.values() if row["reporting_category"] == "charge"}
    assert {charge: row["amount"] for charge, row in charged.items()} == {charge: p.total for charge, p in paid.items()}
    assert {c: row["currency_code"] for c, row in charged.items()} == {c: p.currency for c, p in paid.items()}
    assert {c: row["created"] for c, row in charged.items()} == {
        c: p.at.replace(microsecond=0) for c, p in paid.items()
    }
    assert all(row["net"] == row["amount"] - row["fee"] for row in moved.values())
    back = {f"re_{b.id}": (f"ch_{p.id}", b.total) for p in paid.values() for b in p.given_back}
    refunds = read(settings, stripe.REFUNDS, tally=tally)
    assert refunds.pop("re_lost")["status"] == "failed"
    assert {refund: (row["charge_id"], row["amount"]) for refund, row in refunds.items()} == back
    assert [row["status"] for row in read(settings, stripe.DISPUTES, tally=tally).values()] == ["won"]
    charges = read(settings, stripe.CHARGES, tally=tally)
    assert charges.keys() == bought.keys()
    for charge, row in charges.items():
        assert row["email_hash"] == hash_email(bought[charge].email, KEY.encode())
        assert row["order_id"] == bought[charge].id
        assert row["utm_source"] == bought[charge].tags.get("utm_source")
        assert row["customer_id"] == (f"cus_{bought[charge].buyer}" if bought[charge].buyer else None)
    # a year and a quarter: 4 pages of movements (payouts among them), 3 of charges, 1 each of refunds and disputes
    assert tally.api_calls == 4 + 3 + 1 + 1
    assert "@" not in json.dumps([*charges.values()], default=str)
    assert {row["order_id"] for row in read(settings_for(sandbox.endpoints["stripe"]), stripe.CHARGES).values()} == {
        None
    }


def test_a_window_holds_what_was_made_in_it(sandbox: Sandbox) -> None:
    settings = settings_for(sandbox.endpoints["stripe"])
    wanted = {i for i, row in read(settings).items() if row["created"].date() in SEPTEMBER}
    night = Tally()
    assert read(settings, window=SEPTEMBER, tally=night).keys() == wanted
    assert night.api_calls == 1


@pytest.mark.parametrize("fault", ["throttle:2", "server_error", "reset", "truncated", "duplicate_row:2"])
def test_trouble_is_ridden_out(sandbox: Sandbox, bought: dict[str, Purchase], fault: str, waits: list[float]) -> None:
    sandbox.faults.set_from_text(f"stripe:{fault}")
    assert read(settings_for(sandbox.endpoints["stripe"]), stripe.CHARGES).keys() == bought.keys()
    assert len(waits) == (0 if fault.startswith("duplicate") else 2 if fault.startswith("throttle") else 1)


def test_a_refused_key_and_a_denied_account_of_three(sandbox: Sandbox) -> None:
    url = sandbox.endpoints["stripe"]
    with pytest.raises(AuthError, match=r"account kontorra: STRIPE_API_KEY is refused \(401\)"):
        read(settings_for(url, keys="rk_live_old"))
    sandbox.faults.set_from_text("stripe:expired_token")
    with pytest.raises(AuthError, match="Expired API Key"):
        read(settings_for(url))
    tally = Tally()
    three = settings_for(url, keys=f"{API_KEY},rk_live_old,{API_KEY}", accounts="a,b,c")
    assert stripe.REFUNDS.read
    pages = list(stripe.REFUNDS.read(three, ALL, tally))
    assert [set(page.rows["account_id"].to_pylist()) for page in pages] == [{"a"}, {"c"}]
    assert tally.read_accounts == {"a", "c"}
    assert isinstance(tally.failed_accounts["b"], AuthError)
    with pytest.raises(ValidationError, match="1 keys for 2 accounts"):
        settings_for(url, accounts="a,b")
    with pytest.raises(ValidationError, match="test mode, where no money moves"):
        settings_for(url, keys="sk_test_123")


def test_an_unknown_field_is_kept_without_its_text(sandbox: Sandbox) -> None:
    sandbox.faults.set_from_text("stripe:unknown_field:always")
    assert {row["_extra"] for row in read(settings_for(sandbox.endpoints["stripe"])).values()} == {'{"mood": "(str)"}'}


def test_a_vendor_that_hangs_ends_with_the_reads_time(sandbox: Sandbox, waits: list[float]) -> None:
    sandbox.faults.set_from_text("stripe:slow:always:seconds=3")
    tally = Tally()
    tally.until = time.monotonic()
    with pytest.raises(VendorError, match="still fails after 6 attempts"):
        read(settings_for(sandbox.endpoints["stripe"]), tally=tally)


# ---- answers of no well-behaved vendor ---------------------------------------------------------------------------


def movement(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": f"txn_{number}", "object": "balance_transaction", "amount": 1234, "available_on": 1788350400,
        "created": 1788350400, "currency": "eur", "exchange_rate": None, "fee": 34, "fee_details": [], "net": 1200,
        "reporting_category": "charge", "source": f"ch_{number}", "status": "available", "type": "charge", **more,
    }  # fmt: skip


def answer(data: Any, *, has_more: bool = False) -> Reply:
    return Reply({"object": "list", "has_more": has_more, "data": data})


@pytest.mark.parametrize(
    ("currency", "minor", "amount"),
    [
        ("eur", 1234, "12.34"), ("jpy", 1234, "1234"), ("kwd", 1230, "1.23"), ("isk", 500, "5"), ("ugx", 500, "5"),
        ("huf", -1045, "-10.45"),
    ],
)  # fmt: skip
def test_money_has_the_places_of_its_currency(scripted: ScriptedServer, currency: str, minor: int, amount: str) -> None:
    scripted.reply(answer([movement(1, currency=currency, amount=minor)]))
    row = read(settings_for(scripted.url))["txn_1"]
    assert (row["currency_code"], row["amount"]) == (currency.upper(), Decimal(amount))


def test_one_odd_record_is_told_and_many_are_drift(scripted: ScriptedServer) -> None:
    tally = Tally()
    odd = [movement(2, amount="12.34"), "no record", movement(3, created="soon"), movement(4, currency=None)]
    scripted.reply(answer([movement(1), *odd, movement(5)]))
    assert read(settings_for(scripted.url), tally=tally).keys() == {"txn_1", "txn_5"}
    assert tally.bad_row_count == 4
    scripted.reply(answer([movement(number, amount="12.34") for number in range(1, 5)]))
    with pytest.raises(DriftError, match="field 'amount' should be a whole number of the smallest unit, it is a str"):
        read(settings_for(scripted.url))
    lost = [{k: v for k, v in movement(n).items() if k != "reporting_category"} for n in range(1, 5)]
    scripted.reply(answer(lost))
    with pytest.raises(DriftError, match=r"'reporting_category' is missing in a record \(day 2026-09-02\)"):
        read(settings_for(scripted.url))


def test_an_empty_answer_a_circle_and_pages_without_an_end(scripted: ScriptedServer, waits: list[float]) -> None:
    scripted.reply(Reply(b""), answer([movement(1)]))
    assert read(settings_for(scripted.url)).keys() == {"txn_1"}
    assert len(waits) == 1
    scripted.reply(*[answer([movement(1)], has_more=True)] * 3)
    with pytest.raises(VendorError, match="again and again"):
        read(settings_for(scripted.url))
    scripted.reply(answer([], has_more=True))
    with pytest.raises(DriftError, match="has no id"):
        read(settings_for(scripted.url))


def test_objects_of_test_mode_are_refused(scripted: ScriptedServer, shared_dir: Path) -> None:
    captured = json.loads((shared_dir / "fixtures/stripe/estuary_capture_charge.json").read_text())
    scripted.reply(answer([captured]))
    with pytest.raises(ConfigError, match="account kontorra answers in test mode"):
        read(settings_for(scripted.url), stripe.CHARGES)


def test_recorded_bodies_are_read(shared_dir: Path, scripted: ScriptedServer, waits: list[float]) -> None:
    folder = shared_dir / "fixtures" / "stripe"
    recorded = {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}
    scripted.reply(
        *(Reply(recorded[f"balance_transactions_{page}_200"]["body"]) for page in ("page1", "last")),
        path="/v1/balance_transactions",
    )
    moved = read(settings_for(scripted.url))
    assert {i: (row["reporting_category"], row["amount"], row["source_id"]) for i, row in moved.items()} == {
        "txn_3": ("refund", Decimal(-20), "re_1"),
        "txn_2": ("charge", Decimal(92), "ch_2"),
        "txn_1": ("payout", Decimal(-500), "po_1"),
    }
    assert moved["txn_2"]["exchange_rate"] == 0.92
    assert scripted.asked[1].query.endswith("starting_after=txn_2")
    scripted.reply(Reply(recorded["disputes_200"]["body"]), path="/v1/disputes")
    dispute = read(settings_for(scripted.url), stripe.DISPUTES)["dp_1"]
    assert (dispute["charge_id"], dispute["amount"], dispute["status"]) == ("ch_9", Decimal(10), "needs_response")
    scripted.reply(Reply(recorded["empty_200"]["body"]), path="/v1/refunds")
    assert read(settings_for(scripted.url), stripe.REFUNDS) == {}
    builders: dict[str, Any] = {
        "openapi_fixture_balance_transaction": (stripe.BALANCE_TRANSACTIONS, balance_row),
        "openapi_fixture_charge": (stripe.CHARGES, charge_row),
        "estuary_capture_charge": (stripe.CHARGES, charge_row),
        "openapi_fixture_refund": (stripe.REFUNDS, refund_row),
    }
    for name, (stream, build) in builders.items():
        row = build(recorded[name], "kontorra", NO_METADATA, KEY.encode())
        (found,) = to_table(stream, [row]).to_pylist()
        assert (found["id"], found["amount"]) == (recorded[name]["id"], Decimal(recorded[name]["amount"]) / 100)
        assert found["_extra"] is None
    (dispute_fixture,) = recorded["disputes_200"]["body"]["data"]
    assert dispute_row(dispute_fixture, "kontorra", NO_METADATA, b"key")["is_live"]
    errors = recorded["errors_schema_derived"]
    scripted.reply(
        Reply(errors["429"], 429, {"Retry-After": "2"}), answer([movement(1)]), path="/v1/balance_transactions"
    )
    assert read(settings_for(scripted.url)).keys() == {"txn_1"}
    assert waits == [2.0]
    scripted.reply(Reply(errors["401"], 401), path="/v1/balance_transactions")
    with pytest.raises(AuthError, match="make a restricted live key with read on Charges"):
        read(settings_for(scripted.url))
