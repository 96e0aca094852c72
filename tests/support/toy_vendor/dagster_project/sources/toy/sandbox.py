"""Toy Ads as the sandbox serves it: three campaigns, one of them paused; two rows a page."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from dagster_project.sandbox.endpoints import Served
from dagster_project.sandbox.faults import Faults

if TYPE_CHECKING:
    from dagster_project.sandbox.company import Company
    from dagster_project.sandbox.server import Clock

TOKEN, ACCOUNT = "sandbox-toy-key", "toy-1"
CAMPAIGNS = (("c1", "Blocks", "active"), ("c2", "Bears", "active"), ("c3", "Trains", "paused"))
PAGE_ROWS = 2


def variables(served: Served) -> dict[str, str]:
    return {"TOY_ACCESS_TOKEN": TOKEN, "TOY_ACCOUNT_ID": ACCOUNT, "TOY_BASE_URL": served.at}


def app(company: Company, clock: Clock, faults: Faults) -> Starlette:
    def days(request: Request) -> JSONResponse:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return JSONResponse({"error": "unknown key"}, 401)
        asked = request.query_params
        first, last = date.fromisoformat(asked["from"]), min(date.fromisoformat(asked["to"]), clock.today())
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        rows = [row for day in days for row in _of_day(day, asked.get("status"))]
        begin = int(asked.get("after", 0))
        end = begin + PAGE_ROWS
        return JSONResponse({"rows": rows[begin:end], "next": str(end) if end < len(rows) else None})

    return Starlette(routes=[Route("/v1/days", days)])


def _of_day(day: date, wanted: str | None) -> list[dict[str, Any]]:
    """Campaign number n spends n euros and as many cents as the day of the month says."""
    return [
        {"date": str(day), "campaign": id, "title": title, "currency": "EUR", "shown": 1000 * n, "clicked": 10 * n,
         "spend_cents": 100 * n + day.day}
        for n, (id, title, status) in enumerate(CAMPAIGNS, start=1) if wanted in (None, status)
    ]  # fmt: skip
