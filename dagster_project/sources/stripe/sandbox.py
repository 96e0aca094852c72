"""The company's payments as Stripe's API answers.

Moments are epoch seconds, money is whole numbers of the smallest unit, currencies are small letters. Lists come newest first
and go on after an id. What a buyer has got back is a refund; a refund that failed and a dispute that was won leave a second
movement that undoes the first. Nothing in a movement says whose it was: that stands in the charge.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from dagster_project.sandbox.company.purchases import Purchase, purchases_as_of
from dagster_project.sandbox.endpoints import Served
from dagster_project.sandbox.faults import Answer, FaultAnswers, Faults

if TYPE_CHECKING:
    from dagster_project.sandbox.company import Company
    from dagster_project.sandbox.server import Clock

VENDOR = "stripe"
API_KEY = "rk_live_sandbox"
MOST, USUAL = 100, 10


def _error(kind: str, message: str, **more: str) -> dict[str, Any]:
    return {"error": {"type": kind, "message": message, **more}}


FAULT_ANSWERS: FaultAnswers = {
    "throttle": Answer(429, _error("invalid_request_error", "Request rate limit exceeded.", code="rate_limit")),
    "server_error": Answer(500, _error("api_error", "An unknown error occurred"), {"Stripe-Should-Retry": "true"}),
    "expired_token": Answer(401, _error("invalid_request_error", "Expired API Key provided: rk_live_****box")),
}


def variables(served: Served) -> dict[str, str]:
    return {"STRIPE_API_KEY": API_KEY, "STRIPE_BASE_URL": served.at}


def app(company: Company, clock: Clock, faults: Faults) -> Starlette:
    def route(name: str, rows: Callable[[list[Purchase], datetime], list[dict[str, Any]]]) -> Route:
        async def endpoint(request: Request) -> JSONResponse:
            if request.headers.get("authorization") != f"Bearer {API_KEY}":
                return JSONResponse(_error("invalid_request_error", "Invalid API Key provided: rk_live_****"), 401)
            limit = int(request.query_params.get("limit", USUAL))
            if not 1 <= limit <= MOST:
                return JSONResponse(_error("invalid_request_error", "Invalid integer", param="limit"), 400)
            found = await run_in_threadpool(lambda: rows(purchases_as_of(company, clock.now()), clock.now()))
            return JSONResponse(_page(name, found, request, limit, faults))

        return Route(f"/v1/{name}", endpoint)

    return Starlette(
        routes=[
            route("balance_transactions", _balance),
            route("charges", lambda purchases, _: [_charge(each) for each in purchases]),
            route("refunds", lambda purchases, _: _refunds(purchases)),
            route("disputes", lambda purchases, now: _disputes(purchases, now)),
        ]
    )


def _page(name: str, rows: list[dict[str, Any]], request: Request, limit: int, faults: Faults) -> dict[str, Any]:
    asked, call = request.query_params, f"GET {request.url.path}"
    since, until = int(asked.get("created[gte]", 0)), int(asked.get("created[lt]", 2**40))
    found = sorted(
        (row for row in rows if since <= row["created"] < until), key=lambda row: (-row["created"], row["id"])
    )
    found = list(faults.shorten(VENDOR, found, call))
    after = asked.get("starting_after")
    start = next((place + 1 for place, row in enumerate(found) if row["id"] == after), 0)
    page = faults.repeat_last(VENDOR, found, start, start + limit, call)
    if faults.take(VENDOR, "unknown_field", call):
        page = [{**row, "mood": "sunny"} for row in page]
    return {"object": "list", "url": f"/v1/{name}", "has_more": start + limit < len(found), "data": page}


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def _cents(amount: Decimal) -> int:
    return int(amount * 100)


def _paid(purchases: list[Purchase]) -> list[Purchase]:
    return [each for each in purchases if not each.given_up_at]


def _charge(purchase: Purchase) -> dict[str, Any]:
    is_paid = purchase.given_up_at is None
    return {
        "id": f"ch_{purchase.id}",
        "object": "charge",
        "amount": _cents(purchase.total),
        "amount_captured": _cents(purchase.total) if is_paid else 0,
        "balance_transaction": f"txn_{purchase.id}" if is_paid else None,
        "billing_details": {"email": purchase.email, "name": None, "phone": None},
        "captured": is_paid,
        "created": _seconds(purchase.at),
        "currency": purchase.currency.lower(),
        "customer": f"cus_{purchase.buyer}" if purchase.buyer else None,
        "description": None,
        "livemode": True,
        "metadata": {"shop_order": purchase.id, "visit_source": purchase.tags.get("utm_source", "")},
        "paid": is_paid,
        "payment_intent": f"pi_{purchase.id}",
        "receipt_email": None,
        "status": "succeeded" if is_paid else "failed",
    }


def _refunds(purchases: list[Purchase]) -> list[dict[str, Any]]:
    found = [
        _refund(each, f"re_{back.id}", back.total, back.at, "succeeded")
        for each in _paid(purchases)
        for back in each.given_back
    ]
    lost = _with_a_lost_refund(purchases)
    return [*found, _refund(lost, "re_lost", lost.total, lost.at + timedelta(days=2), "failed")] if lost else found


def _refund(purchase: Purchase, refund_id: str, total: Decimal, at: datetime, status: str) -> dict[str, Any]:
    return {
        "id": refund_id,
        "object": "refund",
        "amount": _cents(total),
        "charge": f"ch_{purchase.id}",
        "created": _seconds(at),
        "currency": purchase.currency.lower(),
        "metadata": {},
        "reason": "requested_by_customer",
        "status": status,
    }


def _with_a_lost_refund(purchases: list[Purchase]) -> Purchase | None:
    """The first buyer wanted his money back, and had closed his account."""
    return next((each for each in _paid(purchases) if not each.given_back), None)


def _with_a_dispute(purchases: list[Purchase]) -> Purchase | None:
    """The second buyer did not know what he had paid for; his bank believed the company in the end."""
    return next((each for each in _paid(purchases)[1:] if not each.given_back), None)


def _disputes(purchases: list[Purchase], now: datetime) -> list[dict[str, Any]]:
    of = _with_a_dispute(purchases)
    if of is None or of.at + timedelta(days=9) > now:
        return []
    return [
        {
            "id": "dp_1",
            "object": "dispute",
            "amount": _cents(of.total),
            "charge": f"ch_{of.id}",
            "created": _seconds(of.at + timedelta(days=9)),
            "currency": of.currency.lower(),
            "is_charge_refundable": False,
            "livemode": True,
            "metadata": {},
            "payment_intent": f"pi_{of.id}",
            "reason": "unrecognized",
            "status": "won",
        }
    ]


def _balance(purchases: list[Purchase], now: datetime) -> list[dict[str, Any]]:
    rows = []
    for each in _paid(purchases):
        rows.append(_movement(f"txn_{each.id}", "charge", f"ch_{each.id}", each.total, each.currency, each.at))
        for back in each.given_back:
            rows.append(_movement(f"txn_{back.id}", "refund", f"re_{back.id}", -back.total, each.currency, back.at))
    if lost := _with_a_lost_refund(purchases):
        at = lost.at + timedelta(days=2)
        rows.append(_movement("txn_lost", "refund", "re_lost", -lost.total, lost.currency, at))
        at += timedelta(days=5)
        rows.append(_movement("txn_back", "refund_failure", "re_lost", lost.total, lost.currency, at))
    if of := _with_a_dispute(purchases):
        at = of.at + timedelta(days=9)
        rows.append(_movement("txn_dispute", "dispute", "dp_1", -of.total, of.currency, at))
        at += timedelta(days=60)
        rows.append(_movement("txn_won", "dispute_reversal", "dp_1", of.total, of.currency, at))
    if rows:
        first = min(row["created"] for row in rows)
        for week in range(int((_seconds(now) - first) // (7 * 86400))):
            at = datetime.fromtimestamp(first + (week + 1) * 7 * 86400, now.tzinfo)
            rows.append(_movement(f"txn_po_{week}", "payout", f"po_{week}", Decimal("-500.00"), "EUR", at))
    return [row for row in rows if row["created"] <= _seconds(now)]


def _movement(
    movement_id: str, category: str, source: str, amount: Decimal, currency: str, at: datetime
) -> dict[str, Any]:
    fee = _cents(amount) * 29 // 1000 + 30 if category == "charge" else 0
    kinds = {"refund_failure": "refund_failure", "dispute": "adjustment", "dispute_reversal": "adjustment"}
    return {
        "id": movement_id,
        "object": "balance_transaction",
        "amount": _cents(amount),
        "available_on": _seconds(at) + 5 * 86400,
        "created": _seconds(at),
        "currency": currency.lower(),
        "description": None,
        "exchange_rate": None,
        "fee": fee,
        "fee_details": [],
        "net": _cents(amount) - fee,
        "reporting_category": category,
        "source": source,
        "status": "available",
        "type": kinds.get(category, category),
    }
