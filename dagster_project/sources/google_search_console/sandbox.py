"""The sandbox's Search Console: a token endpoint, the list of properties, and the search analytics of the company's site.

Of three properties one is the company's, one has no data, a third exists and is not shared. Rare queries are left out wherever
the query is a dimension; pages are counted apart from the site; the newest days are there and are called incomplete.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dagster_project.sandbox.company import search
from dagster_project.sandbox.endpoints import Served
from dagster_project.sandbox.faults import Answer, FaultAnswers, Faults

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from dagster_project.sandbox.company import Company
    from dagster_project.sandbox.server import Clock

VENDOR = "google_search_console"
ENGINE = "first"
TOKEN, CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN = (
    "sandbox-gsc-token",
    "sandbox-client",
    "sandbox-secret",
    "sandbox-refresh",
)
SITE, EMPTY_SITE, FOREIGN_SITE = (
    "sc-domain:kontorra.example",
    "https://blog.kontorra.example/",
    "sc-domain:other.example",
)
ALPHA_3 = {"DE": "deu", "AT": "aut", "NL": "nld", None: "zzz"}
TYPES = {"web", "image", "video", "news", "discover", "googleNews"}
DIMENSIONS = {"date", "query", "page", "country", "device", "searchAppearance"}
MOST_ROWS = 50_000


def error(code: int, message: str, reason: str, domain: str = "global") -> dict[str, Any]:
    return {
        "error": {
            "code": code,
            "message": message,
            "errors": [{"message": message, "domain": domain, "reason": reason}],
        }
    }


TOO_FAST = error(429, "Search Analytics QPS quota exceeded", "rateLimitExceeded", "usageLimits")
EXPIRED = error(401, "Request had invalid authentication credentials.", "authError")
FAULT_ANSWERS: FaultAnswers = {
    "throttle": Answer(429, TOO_FAST),
    "server_error": Answer(503, error(503, "Service unavailable. Please try again", "backendError")),
    "expired_token": Answer(401, EXPIRED),
}


class Refused(Exception):
    def __init__(self, code: int, message: str, reason: str) -> None:
        super().__init__(message)
        self.answer = JSONResponse(error(code, message, reason), code)


class Console:
    def __init__(self, company: Company, clock: Clock, faults: Faults) -> None:
        self._company, self._clock, self._faults = company, clock, faults

    async def token(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        wanted = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "refresh_token": REFRESH_TOKEN}
        if form.get("grant_type") != "refresh_token" or any(form.get(name) != value for name, value in wanted.items()):
            return JSONResponse({"error": "invalid_grant", "error_description": "Bad Request"}, 400)
        return JSONResponse({"access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer"})

    async def sites(self, request: Request) -> Response:
        rights = {SITE: "siteRestrictedUser", EMPTY_SITE: "siteOwner"}
        return JSONResponse(
            {"siteEntry": [{"siteUrl": each, "permissionLevel": right} for each, right in rights.items()]}
        )

    async def query(self, request: Request) -> Response:
        try:
            if request.headers.get("authorization") != f"Bearer {TOKEN}":
                raise Refused(401, "Request had invalid authentication credentials.", "authError")
            site = request.path_params["site"]
            if site not in (SITE, EMPTY_SITE):
                message = f"User does not have sufficient permission for site '{site}'."
                raise Refused(403, message, "forbidden")
            return JSONResponse(self._rows(request, site, json.loads(await request.body())))
        except Refused as refused:
            return refused.answer

    def _rows(self, request: Request, site: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        dimensions, kind, how = asked["dimensions"], asked.get("type", "web"), asked.get("aggregationType", "auto")
        limit, start = asked.get("rowLimit", 1000), asked.get("startRow", 0)
        if not 1 <= limit <= 25_000 or start < 0:
            raise Refused(400, "Row limit must be between 1 and 25000", "invalidParameter")
        if set(dimensions) - DIMENSIONS or kind not in TYPES:
            raise Refused(400, "Invalid value for dimensions or type", "invalidParameter")
        if kind in ("discover", "googleNews") and ("query" in dimensions or how != "auto"):
            raise Refused(400, f"'{kind}' takes neither query nor this aggregation type", "invalidParameter")
        if how == "byProperty" and "page" in dimensions:
            raise Refused(
                400, "'BY_PROPERTY' is not a valid aggregation type in the context of the request.", "invalidParameter"
            )
        by_page = how == "byPage" or (how == "auto" and "page" in dimensions)
        now = self._clock.now()
        days = date.fromisoformat(asked["startDate"]), date.fromisoformat(asked["endDate"])
        shown = search.days_as_of(self._company.seed, ENGINE, now, *days) if site == SITE and kind == "web" else []
        sums: dict[tuple[str, ...], list[float]] = defaultdict(lambda: [0, 0, 0.0])
        for each in shown:
            if not (each.is_rare and "query" in dimensions):
                for key, figures in _counted(each, dimensions, by_page=by_page):
                    sums[key] = [before + more for before, more in zip(sums[key], figures, strict=True)]
        rows = [
            {
                "keys": list(key),
                "clicks": float(clicks),
                "impressions": float(impressions),
                "ctr": clicks / impressions,
                "position": weighted / impressions,
            }
            for key, (clicks, impressions, weighted) in sums.items()
        ]
        rows = sorted(rows, key=lambda row: (-row["clicks"], row["keys"]))[:MOST_ROWS]  # type: ignore[operator]
        page = self._faults.repeat_last(VENDOR, rows, start, start + limit, request.url.path)
        if page and self._faults.take(VENDOR, "unknown_field", request.url.path):
            page = [{**row, "brandNew": 1} for row in page]
        answer: dict[str, Any] = {"responseAggregationType": "byPage" if by_page else "byProperty"}
        incomplete = search.last_complete(now) + timedelta(days=1)
        if asked.get("dataState") == "all" and "date" in dimensions and days[1] >= incomplete:
            answer["metadata"] = {"firstIncompleteDate": str(max(incomplete, days[0]))}
        return answer | ({"rows": page} if page else {})


def _counted(
    each: search.Searches, dimensions: list[str], *, by_page: bool
) -> list[tuple[tuple[str, ...], list[float]]]:
    """Keys in the order of the dimensions, with (clicks, impressions, position x impressions)."""
    pages = each.pages if by_page else each.pages[:1]
    counted = []
    for place, page in enumerate(pages):
        named = {
            "date": str(each.day),
            "query": each.words,
            "page": page,
            "country": ALPHA_3[each.country],
            "device": each.device.upper(),
        }
        figures = [each.clicks if place == 0 else 0, each.impressions, (each.place + 3 * place) * each.impressions]
        counted.append((tuple(named[name] for name in dimensions), figures))
    return counted


def variables(served: Served) -> dict[str, str]:
    return {
        "GSC_SITE_URLS": SITE,
        "GSC_CLIENT_ID": CLIENT_ID,
        "GSC_CLIENT_SECRET": CLIENT_SECRET,
        "GSC_REFRESH_TOKEN": REFRESH_TOKEN,
        "GSC_BASE_URL": served.at,
        "GSC_TOKEN_URL": f"{served.at}/token",
    }


def app(company: Company, clock: Clock, faults: Faults) -> ASGIApp:
    console = Console(company, clock, faults)
    return Starlette(
        routes=[
            Route("/token", console.token, methods=["POST"]),
            Route("/webmasters/v3/sites", console.sites),
            Route("/webmasters/v3/sites/{site:path}/searchAnalytics/query", console.query, methods=["POST"]),
        ]
    )
