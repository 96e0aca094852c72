"""The company's shop as WooCommerce's REST API v3 answers under WordPress.

Moments come in pairs: of the site's own zone, and `_gmt` without a Z. Amounts are text; a refund is negative in the order's
list and positive in the list of its own, which alone says when it was. What was put into the bin is in no list. How many
orders there are stands in headers. A host that is overworked answers with a web page.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from dagster_project.sandbox.company import TIME_ZONE
from dagster_project.sandbox.company.purchases import Purchase, purchases_as_of
from dagster_project.sandbox.endpoints import Served
from dagster_project.sandbox.faults import Answer, FaultAnswers, Faults

if TYPE_CHECKING:
    from dagster_project.sandbox.company import Company
    from dagster_project.sandbox.server import Clock

VENDOR = "woocommerce"
KEY, SECRET = "ck_sandbox", "cs_sandbox"
MOST = 100
BUSY = (
    "<html><head><title>503 Service Temporarily Unavailable</title></head><body><center><h1>503 Service Temporarily "
    "Unavailable</h1></center><hr><center>nginx</center></body></html>"
)
FAULT_ANSWERS: FaultAnswers = {
    "throttle": Answer(429, {"code": "too_many_requests", "message": "Slow down.", "data": {"status": 429}}, {"Retry-After": "3"}),
    "server_error": Answer(503, BUSY, {"Content-Type": "text/html"}),
    "expired_token": Answer(
        401,
        {"code": "woocommerce_rest_cannot_view", "message": "Sorry, you cannot list resources.", "data": {"status": 401}},
    ),
}  # fmt: skip


def variables(served: Served) -> dict[str, str]:
    return {"WOOCOMMERCE_SITE": served.at, "WOOCOMMERCE_CONSUMER_KEY": KEY, "WOOCOMMERCE_CONSUMER_SECRET": SECRET}


def app(company: Company, clock: Clock, faults: Faults) -> Starlette:
    def problem(code: str, message: str, status: int) -> JSONResponse:
        return JSONResponse({"code": code, "message": message, "data": {"status": status}}, status)

    async def orders(request: Request) -> JSONResponse:
        if not _may(request):
            return problem("woocommerce_rest_cannot_view", "Sorry, you cannot list resources.", 401)
        asked = request.query_params
        size, page = int(asked.get("per_page", 10)), int(asked.get("page", 1))
        if not 1 <= size <= MOST:
            return problem("rest_invalid_param", "Invalid parameter(s): per_page", 400)
        call = f"GET {request.url.path}"
        found = await run_in_threadpool(_orders, company, clock.now())
        if after := asked.get("modified_after"):
            found = [order for order in found if _utc(order["date_modified_gmt"]) > _utc(after)]
        if before := asked.get("modified_before"):
            found = [order for order in found if _utc(order["date_modified_gmt"]) < _utc(before)]
        found = list(faults.shorten(VENDOR, found, call))
        rows = faults.repeat_last(VENDOR, found, (page - 1) * size, page * size, call)
        if fields := asked.get("_fields"):
            rows = [_only(order, fields.split(",")) for order in rows]
        if faults.take(VENDOR, "unknown_field", call):
            rows = [{**order, "mood": "sunny"} for order in rows]
        pages = -(-len(found) // size)
        return JSONResponse(rows, headers={"X-WP-Total": str(len(found)), "X-WP-TotalPages": str(pages)})

    async def refunds(request: Request) -> JSONResponse:
        if not _may(request):
            return problem("woocommerce_rest_cannot_view", "Sorry, you cannot list resources.", 401)
        purchases = await run_in_threadpool(purchases_as_of, company, clock.now())
        of = next((each for each in purchases if each.id == request.path_params["id"]), None)
        if of is None:
            return problem("woocommerce_rest_shop_order_invalid_id", "Invalid ID.", 404)
        rows = [
            {"id": int(back.id), **_moments("date_created", back.at), "amount": str(back.total), "reason": ""}
            for back in reversed(of.given_back)
        ]
        return JSONResponse(rows, headers={"X-WP-Total": str(len(rows)), "X-WP-TotalPages": "1"})

    return Starlette(
        routes=[
            Route("/wp-json/wc/v3/orders", orders),
            Route("/wp-json/wc/v3/orders/{id}/refunds", refunds),
        ]
    )


def _may(request: Request) -> bool:
    wanted = base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()
    return request.headers.get("authorization") == f"Basic {wanted}"


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _moments(name: str, moment: datetime | None) -> dict[str, str | None]:
    """Both spellings of a moment: as the clock of the site shows it, and UTC; neither says which."""
    site = moment.astimezone(ZoneInfo(TIME_ZONE)) if moment else None
    utc = moment.astimezone(UTC) if moment else None
    return {
        name: f"{site:%Y-%m-%dT%H:%M:%S}" if site else None,
        f"{name}_gmt": f"{utc:%Y-%m-%dT%H:%M:%S}" if utc else None,
    }


def _orders(company: Company, now: datetime) -> list[dict[str, Any]]:
    """By ascending id. Somebody is just filling a basket: that is a draft, which the list has as well."""
    found = [_order(each) for each in purchases_as_of(company, now)]
    draft = Purchase(
        "99000000000", now - timedelta(hours=1), now - timedelta(hours=1), "EUR", Decimal("9.00"), Decimal("1.71"),
        Decimal("0.00"), None, None, {}, None, None, (),
    )  # fmt: skip
    return [*found, {**_order(draft), "status": "checkout-draft", **_moments("date_paid", None)}]


def _order(purchase: Purchase) -> dict[str, Any]:
    back = sum((each.total for each in purchase.given_back), Decimal(0))
    status = "cancelled" if purchase.given_up_at else "refunded" if back >= purchase.total else "completed"
    meta = {"source_type": "utm" if purchase.tags else "typein", **purchase.tags}
    if not purchase.tags:
        meta["utm_source"] = "(direct)"
    if purchase.first_page:
        meta["session_entry"] = purchase.first_page
    return {
        "id": int(purchase.id),
        "parent_id": 0,
        "number": purchase.id,
        "created_via": "checkout",
        "status": status,
        "currency": purchase.currency,
        **_moments("date_created", purchase.at),
        **_moments("date_modified", purchase.changed_at),
        **_moments("date_paid", None if purchase.given_up_at else purchase.at),
        "discount_total": "0.00",
        "shipping_total": str(purchase.shipping),
        "total": str(purchase.total),
        "total_tax": str(purchase.tax),
        "prices_include_tax": False,
        "customer_id": int(purchase.buyer) if purchase.buyer else 0,
        "billing": {"first_name": "", "email": purchase.email or "", "phone": ""},
        "payment_method": "stripe",
        "refunds": [{"id": int(each.id), "reason": "", "total": f"-{each.total}"} for each in purchase.given_back],
        "meta_data": [
            {"id": number, "key": f"_wc_order_attribution_{name}", "value": value}
            for number, (name, value) in enumerate(meta.items(), start=1)
        ],
    }


def _only(order: dict[str, Any], fields: list[str]) -> dict[str, Any]:
    """What `_fields` leaves of an order; a name with a dot is a field of a field."""
    kept: dict[str, Any] = {}
    for name in fields:
        outer, _, inner = name.partition(".")
        if outer in order and not inner:
            kept[outer] = order[outer]
        elif outer in order and inner in order[outer]:
            kept.setdefault(outer, {})[inner] = order[outer][inner]
    return kept
