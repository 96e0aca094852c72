"""The sandbox's VK Ads: tokens of which there may be five, lists by pages, figures and goals by day.

The access is an agency's: its own account is the company's, of its clients one is the company's, too, one never ran an ad, a
third is another agency's. Money is text, counts are numbers, every day that is asked for has a row. The same ids' figures are
refused where they are too many or too old.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dagster_project.sandbox import company as kontorra
from dagster_project.sandbox.company import networks
from dagster_project.sandbox.company.networks import AdDay, NetworkAd
from dagster_project.sandbox.endpoints import Served
from dagster_project.sandbox.faults import Answer, FaultAnswers, Faults

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from dagster_project.sandbox.company import Company
    from dagster_project.sandbox.server import Clock

VENDOR = "vk_ads"
NETWORK = "second_social"
CLIENT, SECRET = "sandbox-vk-client", "sandbox-vk-secret"
USER_ID = 5550001
KONTORRA, IDLE, FOREIGN = "kontorra@agency_client", "idle@agency_client", "foreign@agency_client"
TOKENS_OF_A_USER = 5
USUAL_PAGE, LARGEST_PAGE = 20, 250
MOST_IDS, DAYS_KEPT, MOST_CELLS = 200, 366, 20_000
GOALS = {"lead": "leads", "order": "sales"}
VIEW_SHARE = 3  # every third conversion came of a view
FIELDS = {
    "ad_plans": {"id", "name", "objective", "status"},
    "ad_groups": {"id", "name", "ad_plan_id", "enable_utm", "utm", "status"},
    "banners": {"id", "name", "ad_group_id", "urls", "status"},
}
USUAL_FIELDS = {"ad_plans": {"id", "name"}, "ad_groups": {"id", "name"}, "banners": {"id", "ad_group_id"}}
LEFT = {
    "X-RateLimit-RPS-Limit": "5", "X-RateLimit-RPS-Remaining": "4", "X-RateLimit-Hourly-Remaining": "3000",
    "X-RateLimit-Daily-Remaining": "40000",
}  # fmt: skip


def error(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


def token_error(code: str, message: str) -> Response:
    said = f'Bearer realm="api", error="{code}", error_description="{message}"'
    return JSONResponse({"code": code, "message": message}, 401, {"WWW-Authenticate": said})


FAULT_ANSWERS: FaultAnswers = {
    "throttle": Answer(429, error("throttling", "Requests limit exceeded"), {**LEFT, "X-RateLimit-RPS-Remaining": "0"}),
    "server_error": Answer(503, error("ERR_INTERNAL", "Internal error")),
    "expired_token": Answer(401, {"code": "expired_token", "message": "Access token is expired"}),
}


class Refused(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.answer = JSONResponse(error(code, message), status, LEFT)


class Api:
    """One endpoint with the tokens that it has given."""

    def __init__(self, company: Company, clock: Clock, faults: Faults) -> None:
        self._company, self._clock, self._faults = company, clock, faults
        self._tokens: dict[str, tuple[str, str]] = {}  # value -> (whose, refresh token)
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    # ---- tokens ------------------------------------------------------------------------------------------------

    async def token(self, request: Request) -> Response:
        form = {name: values[-1] for name, values in parse_qs((await request.body()).decode()).items()}
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT, SECRET):
            return token_error("invalid_client", "Invalid client id or secret provided")
        with self._lock:
            if form.get("grant_type") == "refresh_token":
                return self._renewed(form.get("refresh_token", ""))
            whose = form.get("agency_client_name", "") if form.get("grant_type") == "agency_client_credentials" else ""
            if whose and whose not in (KONTORRA, IDLE):
                return JSONResponse({"error": "access_denied", "error_description": "not a client"}, 403)
            if sum(each == whose for each, _ in self._tokens.values()) >= TOKENS_OF_A_USER:
                said = {"error": "token_limit_exceeded", "error_description": "Active access token limit reached"}
                return JSONResponse(said, 403)
            return self._given(whose, f"refresh-{next(self._numbers)}")

    async def delete(self, request: Request) -> Response:
        form = {name: values[-1] for name, values in parse_qs((await request.body()).decode()).items()}
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT, SECRET):
            return token_error("invalid_client", "Invalid client id or secret provided")
        with self._lock:
            gone = form.get("username", "")
            self._tokens = {value: each for value, each in self._tokens.items() if each[0] != gone}
        return Response("", 204)

    def _renewed(self, refresh: str) -> Response:
        for value, (whose, known) in list(self._tokens.items()):
            if known == refresh:
                del self._tokens[value]
                return self._given(whose, refresh)
        return token_error("invalid_token", "Unknown refresh token")

    def _given(self, whose: str, refresh: str) -> Response:
        value = f"vk-token-{next(self._numbers)}"
        self._tokens[value] = (whose, refresh)
        return JSONResponse(
            {
                "access_token": value, "token_type": "bearer", "scope": "read_ads", "expires_in": "86400",
                "refresh_token": refresh,
            }
        )  # fmt: skip

    # ---- answers -----------------------------------------------------------------------------------------------

    def answer(self, request: Request) -> Response:
        value = request.headers.get("authorization", "").removeprefix("Bearer ")
        found = self._tokens.get(value)
        if found is None:
            return token_error("invalid_token", "Unknown access token")
        ads = () if found[0] == IDLE else networks.ads_of(NETWORK)
        path = request.url.path.removeprefix("/api/v2/").removesuffix(".json")
        try:
            if path == "user":
                body = {
                    "id": USER_ID,
                    "username": found[0] or "kontorra",
                    "currency": kontorra.CURRENCY,
                    "email": "x@y.example",
                }
            elif path in FIELDS:
                body = self._list(request, path, ads)
            elif path in ("statistics/banners/day", "statistics/goals/banners/day"):
                body = self._by_day(request, ads, is_goals="goals" in path)
            else:
                raise Refused(404, "ERR_WRONG_RESOURCE", "No such resource")
        except Refused as refused:
            return refused.answer
        return JSONResponse(body, headers=LEFT)

    def _list(self, request: Request, name: str, ads: tuple[NetworkAd, ...]) -> dict[str, Any]:
        asked = request.query_params
        fields = set(asked["fields"].split(",")) if "fields" in asked else USUAL_FIELDS[name]
        if fields - FIELDS[name]:
            raise Refused(400, "ERR_WRONG_PARAMETER", f"unknown field {min(fields - FIELDS[name])}")
        statuses = asked.get("_status__in", "active,blocked").split(",")
        rows = [row for row in _rows(name, ads, self._clock.today()) if row["status"] in statuses]
        rows = [{field: value for field, value in row.items() if field in fields} for row in rows]
        offset, limit = int(asked.get("offset", 0)), int(asked.get("limit", USUAL_PAGE))
        if not 1 <= limit <= LARGEST_PAGE:
            raise Refused(400, "ERR_WRONG_PARAMETER", "limit")
        limit = min(limit, 2)  # a small company's share of a page
        page = self._faults.repeat_last(VENDOR, rows, offset, offset + limit, request.url.path)
        return {"count": len(rows), "offset": offset, "items": page}

    def _by_day(self, request: Request, ads: tuple[NetworkAd, ...], *, is_goals: bool) -> dict[str, Any]:
        asked = request.query_params
        ids = asked.get("id", "").split(",")
        if missing := {"id", "date_from", "date_to"} - set(asked):
            raise Refused(400, "ERR_WRONG_PARAMETER", f"{min(missing)} is missing")
        first, last = date.fromisoformat(asked["date_from"]), date.fromisoformat(asked["date_to"])
        days = (last - first).days + 1
        if first > last or first <= self._clock.today() - timedelta(days=DAYS_KEPT):
            raise Refused(400, "ERR_WRONG_DATE", "Wrong date")
        if len(ids) > MOST_IDS or days * len(ids) > MOST_CELLS:
            raise Refused(400, "ERR_LIMIT_EXCEEDED", "Too many objects or dates requested")
        known = {ad.id: ad for ad in ads}
        if any(each not in known for each in ids):
            raise Refused(400, "ERR_WRONG_BANNERS", "Banners do not exist or are not yours")
        if asked.get("attribution", "conversion") not in ("conversion", "impression"):
            raise Refused(400, "ERR_WRONG_PARAMETER", "attribution")
        shown = networks.days_as_of(self._company.seed, NETWORK, self._clock.now())
        found = {(day.ad.id, day.day): day for day in shown if first <= day.day <= last}
        types = asked.get("conversion_type", "postclick").split(",")
        metrics = asked.get("metrics", "base").split(",")
        items: list[dict[str, Any]] = []
        for each in ids:
            rows = []
            for number in range(days):
                day = first + timedelta(days=number)
                of = found.get((each, day))
                rows.append({"date": str(day), **(_goals(of, types) if is_goals else _figures(of, metrics))})
            if is_goals:
                rows = [row for row in rows if row["goals"]]
            items.append({"id": int(each), "rows": rows, "total": {}})
        if self._faults.take(VENDOR, "unknown_field", request.url.path):
            items = [{**item, "rows": [{**row, "brand_new": 1} for row in item["rows"]]} for item in items]
        return {"items": items, "total": {}}


def _rows(name: str, ads: tuple[NetworkAd, ...], today: date) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for ad in ads:
        campaign = ad.campaign
        ended = campaign.ended is not None and campaign.ended <= today
        status = "deleted" if ended else "active"
        if name == "ad_plans":
            objective = {"sales": "site_conversions", "leads": "leadads", "views": "branding_video"}[campaign.aim]
            row = {"id": int(campaign.id), "name": campaign.name, "objective": objective}
        elif name == "ad_groups":
            campaign_tag = ad.tags.partition("&")[0]
            tags = (
                f"utm_source=vk&utm_medium=cpc&{campaign_tag}&utm_content={{{{banner_id}}}}&utm_term={{{{ad_plan_id}}}}"
            )
            own = {"enable_utm": True, "utm": "" if ended else tags}
            row = {"id": int(ad.group_id), "name": ad.group_name, "ad_plan_id": int(campaign.id), **own}
        else:
            link = {"id": 1, "url": f"{ad.address}?utm_source=own", "url_object_type": "external"}
            row = {"id": int(ad.id), "name": ad.name, "ad_group_id": int(ad.group_id), "urls": {"primary": link}}
        found.setdefault(str(row["id"]), {**row, "status": status})
    return list(found.values())


def _figures(day: AdDay | None, metrics: list[str]) -> dict[str, Any]:
    reached = day.leads + day.sales if day else 0
    sets = {
        "base": {
            "shows": day.impressions if day else 0,
            "clicks": day.clicks if day else 0,
            "goals": 0,
            "spent": _money(day.cost_cents if day else 0),
            "cpm": "0",
            "ctr": 0,
            "vk": {"goals": reached, "cpa": 0, "cr": 0},
        },
        "video": {"started": day.video_views if day else 0, "viewed_10_seconds": 0},
        "romi": {"value": _money(day.sales_cents if day else 0), "romi": -100, "adv_cost_share": 0},
    }
    return {name: value for name, value in sets.items() if name in metrics}


def _goals(day: AdDay | None, types: list[str]) -> dict[str, Any]:
    rows = []
    for goal, what in GOALS.items():
        count = getattr(day, what) if day else 0
        views = count // VIEW_SHARE
        parts: Mapping[str, int] = {"postclick": count - views, "postview": views, "total": count}
        for kind in types:
            worth = _money(parts[kind] * networks.SALE_CENTS if what == "sales" else 0)
            if count:
                about = {"conversion_type": kind, "source": "topmail", "goal": goal, "counter_id": 3_333_333}
                rows.append({**about, "count": parts[kind], "cr": 0.0, "cpa": "0.0", "value": worth, "romi": -100})
    return {"goals": rows}


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}" if cents else "0"


def variables(served: Served) -> dict[str, str]:
    return {
        "VK_ADS_CLIENT_ID": CLIENT,
        "VK_ADS_CLIENT_SECRET": SECRET,
        "VK_ADS_BASE_URL": served.at,
        "VK_ADS_TOKEN_URL": f"{served.at}/api/v2/oauth2/token.json",
    }


def app(company: Company, clock: Clock, faults: Faults) -> ASGIApp:
    api = Api(company, clock, faults)
    return Starlette(
        routes=[
            Route("/api/v2/oauth2/token.json", api.token, methods=["POST"]),
            Route("/api/v2/oauth2/token/delete.json", api.delete, methods=["POST"]),
            Route("/api/v2/{path:path}", api.answer),
        ]
    )
