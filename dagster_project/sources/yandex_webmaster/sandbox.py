"""The sandbox's Yandex.Webmaster: a user with sites, lists of queries and pages of the last 14 days, totals of a site.

Of three sites one is the company's, one is not loaded yet, a third is not confirmed. Figures come one by one, those that are
nothing are left out, shares are in percent. Rare queries are in no list, and in the totals.
"""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dagster_project.sandbox import company as kontorra
from dagster_project.sandbox.company import search
from dagster_project.sandbox.endpoints import Served
from dagster_project.sandbox.faults import Answer, FaultAnswers, Faults

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from dagster_project.sandbox.company import Company
    from dagster_project.sandbox.server import Clock

VENDOR = "yandex_webmaster"
ENGINE = "second"
TOKEN, USER_ID = "sandbox-webmaster-token", 1_234_567
HOST, NEW_HOST, UNCONFIRMED_HOST = (
    f"https:{kontorra.SITE_HOST}:443", "https:new.kontorra.example:443", "https:old.kontorra.example:443",
)  # fmt: skip
DEVICES = {
    "ALL": {"desktop", "mobile", "tablet"}, "DESKTOP": {"desktop"}, "MOBILE": {"mobile"}, "TABLET": {"tablet"},
    "MOBILE_AND_TABLET": {"mobile", "tablet"},
}  # fmt: skip
DAYS_KEPT = 14
Sums = dict[str, dict[date, list[float]]]  # text -> day -> shows, clicks, position x shows


def error(code: str, message: str) -> dict[str, str]:
    return {"error_code": code, "error_message": message}


FAULT_ANSWERS: FaultAnswers = {
    "throttle": Answer(429, error("TOO_MANY_REQUESTS_ERROR", "Too many requests")),
    "server_error": Answer(500, error("INTERNAL_ERROR", "Internal error")),
    "expired_token": Answer(403, error("INVALID_OAUTH_TOKEN", "OAuth token is invalid or expired")),
}


class Refused(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.answer = JSONResponse(error(code, message), status)


class Webmaster:
    def __init__(self, company: Company, clock: Clock, faults: Faults) -> None:
        self._company, self._clock, self._faults = company, clock, faults

    async def answer(self, request: Request) -> Response:
        try:
            if request.headers.get("authorization") != f"OAuth {TOKEN}":
                raise Refused(403, "INVALID_OAUTH_TOKEN", "OAuth token is invalid or expired")
            if "user" not in request.path_params:
                return JSONResponse({"user_id": USER_ID})
            if request.path_params["user"] != USER_ID:
                raise Refused(403, "INVALID_USER_ID", "User id is wrong")
            host = request.path_params.get("host")
            if host is None:
                return JSONResponse({"hosts": [{"host_id": each, "verified": True} for each in (HOST, NEW_HOST)]})
            if host == UNCONFIRMED_HOST:
                raise Refused(403, "HOST_NOT_VERIFIED", "The site is not confirmed")
            if host == NEW_HOST:
                raise Refused(404, "HOST_NOT_LOADED", "Host data is not loaded yet")
            if host != HOST:
                raise Refused(404, "HOST_NOT_FOUND", "There is no such site")
            if request.method == "POST":
                return JSONResponse(self._texts(request, json.loads(await request.body())))
            return JSONResponse(self._history(request))
        except Refused as refused:
            return refused.answer

    def _texts(self, request: Request, asked: dict[str, Any]) -> dict[str, Any]:
        limit, start = asked.get("limit", 20), asked.get("offset", 0)
        kind, device = asked.get("text_indicator"), asked.get("device_type_indicator", "ALL")
        if not 1 <= limit <= 500 or device not in DEVICES or kind not in ("QUERY", "URL"):
            raise Refused(400, "FIELD_VALIDATION_ERROR", "limit, device_type_indicator or text_indicator")
        today = self._clock.today()
        sums = self._sums(kind, device, today - timedelta(days=DAYS_KEPT), today - timedelta(days=1))
        texts = [
            {
                "text_indicator": {"type": kind, "value": text},
                "popular_complementary_indicator": {"type": "URL" if kind == "QUERY" else "QUERY", "value": "x"},
                "statistics": [each for day, figures in days.items() for each in _statistics(day, *figures)],
            }
            for text, days in sorted(sums.items())
        ]
        page = self._faults.repeat_last(VENDOR, texts, start, start + limit, request.url.path)
        if page and self._faults.take(VENDOR, "unknown_field", request.url.path):
            new = {"date": str(today - timedelta(days=5)), "field": "BRAND_NEW", "value": 1.0}
            page = [{**each, "statistics": [*each["statistics"], new]} for each in page]
        return {"count": len(texts), "text_indicator_to_statistics": page}

    def _history(self, request: Request) -> dict[str, Any]:
        asked = request.query_params
        first, last = date.fromisoformat(asked["date_from"]), date.fromisoformat(asked["date_to"])
        if (last - first).days >= 31:
            raise Refused(400, "DATES_NOT_AVAILABLE", "The period is longer than 31 days")
        days = self._sums("ALL", asked.get("device_type_indicator", "ALL"), first, last).get("", {})
        values = {
            "TOTAL_SHOWS": lambda of: of[0], "TOTAL_CLICKS": lambda of: of[1], "AVG_SHOW_POSITION": lambda of: of[2] / of[0],
        }  # fmt: skip
        return {
            "indicators": {
                name: [{"date": f"{day}T00:00:00.000+0300", "value": values[name](of)} for day, of in days.items()]
                for name in asked.getlist("query_indicator")
            }
        }

    def _sums(self, kind: str, device: str, first: date, last: date) -> Sums:
        sums: Sums = defaultdict(lambda: defaultdict(lambda: [0, 0, 0.0]))
        for each in search.days_as_of(self._company.seed, ENGINE, self._clock.now(), first, last):
            if each.device in DEVICES[device] and not (each.is_rare and kind == "QUERY"):
                for place, page in enumerate(each.pages if kind == "URL" else each.pages[:1]):
                    text = {"QUERY": each.words, "URL": page, "ALL": ""}[kind]
                    of = sums[text][each.day]
                    of[0] += each.impressions
                    of[1] += 0 if place else each.clicks
                    of[2] += (each.place + 3 * place) * each.impressions
        return sums


def _statistics(day: date, shows: float, clicks: float, weighted: float) -> list[dict[str, Any]]:
    values = {
        "IMPRESSIONS": shows, "CLICKS": clicks, "POSITION": weighted / shows, "CTR": 100 * clicks / shows,
        "DEMAND": 3 * shows,
    }  # fmt: skip
    return [{"date": str(day), "field": name, "value": float(value)} for name, value in values.items() if value]


def variables(served: Served) -> dict[str, str]:
    return {
        "YANDEX_WEBMASTER_TOKEN": TOKEN,
        "YANDEX_WEBMASTER_HOSTS": f"https://{kontorra.SITE_HOST}",
        "YANDEX_WEBMASTER_BASE_URL": served.at,
    }


def app(company: Company, clock: Clock, faults: Faults) -> ASGIApp:
    answer = Webmaster(company, clock, faults).answer
    root = "/v4/user/{user:int}/hosts"
    return Starlette(
        routes=[
            Route("/v4/user", answer),
            Route(root, answer),
            Route(root + "/{host}/query-analytics/list", answer, methods=["POST"]),
            Route(root + "/{host}/search-queries/all/history", answer),
        ]
    )
