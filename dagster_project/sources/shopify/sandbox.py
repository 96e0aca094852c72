"""The company's shop as Shopify's GraphQL Admin API answers.

Everything comes with status 200, errors too. Money is text, in a set of two currencies. A query pays with points: the answer
says what it asked for and what is left. Without read_all_orders there are orders of the last 60 days, and nothing says so.
Visits before an order are filled in ten minutes after it. Addresses and names of buyers need rights of their own.
"""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

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

VENDOR = "shopify"
SHOP, ACCESS_TOKEN = "kontorra", "shpat_sandbox"
CLIENT_ID, CLIENT_SECRET, RENTED_TOKEN = "sandbox-client", "sandbox-secret", "shpua_sandbox"
VERSION = "2026-10"
SCOPES = ["read_orders", "read_all_orders", "read_customers"]
BUCKET, RESTORED = 2000.0, 100.0
MOST, DEAREST = 250, 1000
SHOWN = timedelta(days=60)
JOURNEY_AFTER = timedelta(minutes=10)


def _cost(requested: int, available: float) -> dict[str, Any]:
    status = {"maximumAvailable": BUCKET, "currentlyAvailable": available, "restoreRate": RESTORED}
    return {"cost": {"requestedQueryCost": requested, "actualQueryCost": None, "throttleStatus": status}}


FAULT_ANSWERS: FaultAnswers = {
    "throttle": Answer(
        200,
        {"errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}], "extensions": _cost(252, 12)},
    ),
    "server_error": Answer(
        200,
        {"errors": [{"message": "Internal error. Looks like something went wrong on our end.",
                     "extensions": {"code": "INTERNAL_SERVER_ERROR", "requestId": "1"}}]},
    ),
    "expired_token": Answer(
        401, {"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"}
    ),
}  # fmt: skip


def variables(served: Served) -> dict[str, str]:
    return {"SHOPIFY_SHOP": SHOP, "SHOPIFY_ACCESS_TOKEN": ACCESS_TOKEN, "SHOPIFY_BASE_URL": served.at}


def app(company: Company, clock: Clock, faults: Faults) -> Starlette:
    async def token(request: Request) -> JSONResponse:
        sent = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        if (sent.get("client_id"), sent.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return JSONResponse({"error": "application_cannot_be_found"}, 400)
        return JSONResponse({"access_token": RENTED_TOKEN, "scope": ",".join(SCOPES), "expires_in": 86399})

    async def graphql(request: Request) -> JSONResponse:
        given = request.headers.get("x-shopify-access-token")
        if given not in (ACCESS_TOKEN, RENTED_TOKEN, "few-rights"):
            return JSONResponse(
                {"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"}, 401
            )
        sent = await request.json()
        scopes = ["read_orders"] if given == "few-rights" else SCOPES
        answer = await run_in_threadpool(_answer, company, clock.now(), faults, sent, scopes)
        return JSONResponse(answer, headers={"X-Shopify-API-Version": VERSION})

    return Starlette(
        routes=[
            Route("/admin/oauth/access_token", token, methods=["POST"]),
            Route("/admin/api/{version}/graphql.json", graphql, methods=["POST"]),
        ]
    )


def _answer(company: Company, now: datetime, faults: Faults, sent: dict[str, Any], scopes: list[str]) -> dict[str, Any]:
    query, values = sent["query"], sent.get("variables") or {}
    if "currentAppInstallation" in query:
        handles = [{"handle": scope} for scope in scopes]
        data = {"currentAppInstallation": {"accessScopes": handles}}
        return {"data": data, "extensions": _cost(1, BUCKET - 1)}
    if "customer{" in query and "read_customers" not in scopes:
        return _refused(
            "ACCESS_DENIED", "Access denied for customer field. Required access: `read_customers` access scope."
        )
    first = int(values["n"])
    if first > MOST:
        return _refused("BAD_REQUEST", f"first cannot exceed {MOST}")
    if (cost := 2 + first * 5 // 2) > DEAREST:
        return _refused(
            "MAX_COST_EXCEEDED", f"Query cost is {cost}, which exceeds the single query max cost limit (1000)."
        )
    call = "POST orders"
    found = [*map(_order, _changed(purchases_as_of(company, now), values["q"])), *_test_order(values["q"])]
    if "read_all_orders" not in scopes:
        found = [order for order in found if datetime.fromisoformat(order["createdAt"]) > now - SHOWN]
    found.sort(key=lambda order: (order["updatedAt"], order["id"]))
    for order in found:
        _hide_what_is_not_ready(order, now)
    found = list(faults.shorten(VENDOR, found, call))
    start = int(base64.b64decode(values["c"])) if values.get("c") else 0
    end = start + first
    nodes = [dict(order) for order in faults.repeat_last(VENDOR, found, start, end, call)]
    for order in nodes:
        if "customer{" not in query:
            del order["customer"]
        if not re.search(r"\bemail\b", query):
            del order["email"]
    if faults.take(VENDOR, "unknown_field", call):
        nodes = [{**order, "mood": "sunny"} for order in nodes]
    has_more = end < len(found)
    page = {"hasNextPage": has_more, "endCursor": base64.b64encode(str(end).encode()).decode() if nodes else None}
    return {"data": {"orders": {"pageInfo": page, "nodes": nodes}}, "extensions": _cost(cost, BUCKET - cost)}


def _refused(code: str, message: str) -> dict[str, Any]:
    return {"errors": [{"message": message, "extensions": {"code": code}, "path": ["orders"]}], "data": None}


def _changed(purchases: list[Purchase], asked: str) -> list[Purchase]:
    """Those that the search words ask for: updated_at:>='…' AND updated_at:<'…'."""
    since, until = _bounds(asked)
    return [each for each in purchases if since <= each.changed_at < until]


def _bounds(asked: str) -> tuple[datetime, datetime]:
    found = dict(re.findall(r"updated_at:(>=|<)'([^']+)'", asked))
    return datetime.fromisoformat(found[">="]), datetime.fromisoformat(found["<"])


def _moment(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


def _set(amount: Decimal, currency: str) -> dict[str, Any]:
    money = {"amount": str(amount.normalize() + Decimal("0.0")), "currencyCode": currency}
    return {"shopMoney": money, "presentmentMoney": money}


def _order(purchase: Purchase) -> dict[str, Any]:
    currency = purchase.currency
    back = sum((each.total for each in purchase.given_back), Decimal(0))
    status = "PAID" if not back else "REFUNDED" if back >= purchase.total else "PARTIALLY_REFUNDED"
    tags = {name.removeprefix("utm_"): value for name, value in purchase.tags.items()}
    visit = {
        "occurredAt": _moment(purchase.at),
        "source": tags.get("source", "direct"),
        "sourceType": None,
        "referrerUrl": None,
        "landingPage": purchase.first_page,
        "utmParameters": {**dict.fromkeys(("source", "medium", "campaign", "term", "content")), **tags}
        if tags
        else None,
    }
    return {
        "id": f"gid://shopify/Order/{purchase.id}",
        "legacyResourceId": purchase.id,
        "name": f"#{purchase.id[-6:]}",
        "createdAt": _moment(purchase.at),
        "processedAt": _moment(purchase.at),
        "updatedAt": _moment(purchase.changed_at),
        "cancelledAt": _moment(purchase.given_up_at),
        "test": False,
        "displayFinancialStatus": "VOIDED" if purchase.given_up_at else status,
        "currencyCode": currency,
        "taxesIncluded": False,
        "totalPriceSet": _set(purchase.total, currency),
        "subtotalPriceSet": _set(purchase.goods, currency),
        "totalTaxSet": _set(purchase.tax, currency),
        "totalRefundedSet": _set(back, currency),
        "customer": {"id": f"gid://shopify/Customer/{purchase.buyer}"} if purchase.buyer else None,
        "email": purchase.email,
        "customerJourneySummary": {"ready": True, "firstVisit": visit, "lastVisit": visit},
        "refunds": [
            {
                "id": f"gid://shopify/Refund/{each.id}",
                "createdAt": _moment(each.at),
                "totalRefundedSet": _set(each.total, currency),
            }
            for each in purchase.given_back
        ],
    }


def _hide_what_is_not_ready(order: dict[str, Any], now: datetime) -> None:
    if datetime.fromisoformat(order["createdAt"]) > now - JOURNEY_AFTER:
        order["customerJourneySummary"] = {"ready": False, "firstVisit": None, "lastVisit": None}


def _test_order(asked: str) -> list[dict[str, Any]]:
    """Somebody has tried whether the shop takes cards."""
    at = datetime(2026, 9, 14, 9, 30, tzinfo=UTC)
    since, until = _bounds(asked)
    if not since <= at < until:
        return []
    nothing = Decimal("0.00")
    trial = Purchase("1", at, at, "EUR", Decimal("1.00"), nothing, nothing, None, None, {}, None, None, ())
    return [{**_order(trial), "test": True}]
