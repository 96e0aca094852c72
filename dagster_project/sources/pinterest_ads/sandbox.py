"""The sandbox's Pinterest: tokens by refresh with Basic auth, ad accounts, reports that are prepared, ads by bookmark.

Of three accounts one is the company's, one never ran an ad, one is another company's. A report is asked for, looked at until it is
finished, and fetched at an address that is shown no token; amounts are millionths of the account's currency, counts come as 12.0,
and what did not happen is left out.
"""

from __future__ import annotations

import base64
import threading
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

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

VENDOR, NETWORK = "pinterest_ads", "pins"
CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, TOKEN = "1500001", "pin-ads-secret", "pinr_ads", "pina_ads"
ACCOUNT_ID, IDLE_ACCOUNT_ID, DENIED_ACCOUNT_ID = "549755885175", "549755885176", "549755885177"
MOST_DAYS, DAYS_BACK = 186, 914
LEVEL = "PIN_PROMOTION"
COLUMNS = {
    "CAMPAIGN_ID", "CAMPAIGN_NAME", "AD_GROUP_ID", "AD_GROUP_NAME", "AD_ID", "AD_NAME", "SPEND_IN_MICRO_DOLLAR",
    "SPEND_IN_DOLLAR", "PAID_IMPRESSION", "TOTAL_IMPRESSION", "TOTAL_CLICKTHROUGH", "OUTBOUND_CLICK_1", "TOTAL_CONVERSIONS",
    "TOTAL_CHECKOUT", "TOTAL_CHECKOUT_VALUE_IN_MICRO_DOLLAR", "TOTAL_SIGNUP", "TOTAL_SIGNUP_VALUE_IN_MICRO_DOLLAR",
    "TOTAL_LEAD", "TOTAL_CUSTOM", "TOTAL_CUSTOM_VALUE_IN_MICRO_DOLLAR", "TOTAL_VIDEO_3SEC_VIEWS", "TOTAL_VIDEO_P100_COMPLETE",
}  # fmt: skip
NOBODY = {"code": 2, "message": "Authentication failed."}
FAULT_ANSWERS: FaultAnswers = {
    "throttle": Answer(429, {"code": 8, "message": "This request exceeded a rate limit. Please wait."}),
    "server_error": Answer(500, {"code": 500, "message": "Unexpected error"}),
    "expired_token": Answer(401, NOBODY),
}


class Refused(Exception):
    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.answer = JSONResponse({"code": code, "message": message}, status)


class Ads:
    """One endpoint with its reports."""

    def __init__(self, company: Company, clock: Clock, faults: Faults) -> None:
        self._company, self._clock, self._faults = company, clock, faults
        self._reports: dict[str, dict[str, Any]] = {}
        self._looks: dict[str, int] = {}
        self._lock = threading.Lock()

    async def token(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        basic = "Basic " + base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if request.headers.get("authorization") != basic or form.get("refresh_token") != REFRESH_TOKEN:
            return JSONResponse(NOBODY, 401)
        if form.get("grant_type") != "refresh_token" or form.get("scope") != "ads:read":
            return JSONResponse({"code": 1, "message": "Invalid scope"}, 400)
        return JSONResponse(
            {"access_token": TOKEN, "token_type": "bearer", "expires_in": 2_592_000, "scope": "ads:read"}
        )

    def file(self, request: Request) -> Response:
        if "authorization" in request.headers:
            return Response("<Error><Code>InvalidArgument</Code></Error>", 400)
        report = self._reports.get(request.path_params["token"])
        if report is None or request.query_params.get("signature") != "good":
            return Response("<Error><Code>AccessDenied</Code></Error>", 403)
        return JSONResponse(report)

    async def answer(self, request: Request) -> Response:
        try:
            if request.headers.get("authorization") != f"Bearer {TOKEN}":
                return JSONResponse(NOBODY, 401)
            account_id, _, kind = request.path_params["path"].partition("/")
            if account_id == DENIED_ACCOUNT_ID:
                raise Refused(403, 29, "You are not permitted to access that resource.")
            if account_id not in (ACCOUNT_ID, IDLE_ACCOUNT_ID):
                raise Refused(404, 50, "Advertiser not found.")
            if not kind:
                zone = {"currency": kontorra.CURRENCY, "time_zone": kontorra.TIME_ZONE}
                return JSONResponse({"id": account_id, "name": kontorra.NAME, **zone})
            if kind == "ads" and request.method == "GET":
                return JSONResponse(self._ads(request, account_id))
            if kind == "reports" and request.method == "POST":
                return JSONResponse(self._begin(account_id, await request.json(), f"POST {request.url.path}"))
            if kind == "reports":
                return JSONResponse(self._look(request))
            raise Refused(404, 404, "Not found")
        except Refused as refused:
            return refused.answer

    # ---- reports -------------------------------------------------------------------------------------------------

    def _begin(self, account_id: str, asked: dict[str, Any], call: str) -> dict[str, Any]:
        first, last = date.fromisoformat(asked["start_date"]), date.fromisoformat(asked["end_date"])
        if (last - first).days >= MOST_DAYS or first <= self._clock.today() - timedelta(days=DAYS_BACK):
            raise Refused(400, 400, "Invalid ad account ads analytics parameters.")
        if unknown := [name for name in asked["columns"] if name not in COLUMNS]:
            raise Refused(400, 1, f"Invalid request: '{unknown[0]}' is not one of columns")
        if asked.get("level") != LEVEL or asked.get("granularity") != "DAY" or asked.get("report_format") != "JSON":
            raise Refused(400, 1, "the sandbox prepares reports by ad and day, in JSON")
        report: dict[str, list[dict[str, Any]]] = {}
        if account_id == ACCOUNT_ID:
            has_more = bool(self._faults.take(VENDOR, "unknown_field", call))
            for day in networks.days_as_of(self._company.seed, NETWORK, self._clock.now()):
                if first <= day.day <= last:
                    row = {name: value for name, value in _row(day).items() if name in (*asked["columns"], "DATE")}
                    report.setdefault(day.ad.id, []).append(row | ({"BRAND_NEW": 1} if has_more else {}))
        for rows in report.values():
            if self._faults.take(VENDOR, "duplicate_row", call):
                rows.append(rows[-1])
        with self._lock:
            token = f"tok{len(self._reports)}"
            self._reports[token], self._looks[token] = report, 0
        return {"report_status": "IN_PROGRESS", "token": token, "message": None}

    def _look(self, request: Request) -> dict[str, Any]:
        token = request.query_params.get("token", "")
        if token not in self._reports:
            return {"report_status": "DOES_NOT_EXIST", "url": None, "size": None}
        self._looks[token] += 1
        if self._looks[token] < 2:
            return {"report_status": "IN_PROGRESS", "url": None, "size": None}
        if not self._reports[token]:
            return {"report_status": "FINISHED", "url": None, "size": 0}
        root = str(request.base_url).rstrip("/")
        return {"report_status": "FINISHED", "url": f"{root}/files/{token}.json?signature=good", "size": 512}

    # ---- ads -----------------------------------------------------------------------------------------------------

    def _ads(self, request: Request, account_id: str) -> dict[str, Any]:
        call = f"{request.method} {request.url.path}"
        statuses = request.query_params.get("entity_statuses", "ACTIVE,PAUSED").split(",")
        size = int(request.query_params.get("page_size", 25))
        if not 1 <= size <= 250:
            raise Refused(400, 1, "Invalid request: page_size must be at most 250")
        ads = [self._ad(ad) for ad in networks.ads_of(NETWORK)] if account_id == ACCOUNT_ID else []
        rows = [ad for ad in ads if ad["status"] in statuses]
        start = int(request.query_params.get("bookmark", "b0").removeprefix("b"))
        end = start + min(size, 2)  # a small company has few ads, and there are to be pages
        page = self._faults.repeat_last(VENDOR, self._faults.shorten(VENDOR, rows, call), start, end, call)
        return {"items": page, "bookmark": f"b{end}" if end < len(rows) else None}

    def _ad(self, ad: NetworkAd) -> dict[str, Any]:
        ended = ad.campaign.ended and ad.campaign.ended <= self._clock.today()
        return {
            "id": ad.id,
            "ad_account_id": ACCOUNT_ID,
            "ad_group_id": ad.group_id,
            "campaign_id": ad.campaign.id,
            "name": ad.name,
            "status": "ARCHIVED" if ended else "ACTIVE",
            "destination_url": f"{ad.address}?utm_source=pinterest&utm_medium=paid_social&{ad.tags}&utm_id={{campaignid}}",
            "pin_id": f"9{ad.id[1:]}",
            "is_pin_deleted": False,
        }


def _row(day: AdDay) -> dict[str, Any]:
    ad = day.ad
    counts = {
        "PAID_IMPRESSION": day.impressions,
        "TOTAL_IMPRESSION": day.impressions + day.impressions // 7,  # what people shared on
        "TOTAL_CLICKTHROUGH": day.clicks * 2,
        "OUTBOUND_CLICK_1": day.clicks,
        "TOTAL_VIDEO_3SEC_VIEWS": day.video_views,
        "TOTAL_CHECKOUT": day.sales,
        "TOTAL_LEAD": day.leads,
        "TOTAL_CONVERSIONS": day.sales + day.leads + day.clicks // 2,  # visits of pages, too
    }
    return {
        "DATE": str(day.day),
        "CAMPAIGN_ID": int(ad.campaign.id),
        "CAMPAIGN_NAME": ad.campaign.name,
        "AD_GROUP_ID": ad.group_id,
        "AD_GROUP_NAME": ad.group_name,
        "AD_ID": ad.id,
        "AD_NAME": ad.name,
        "SPEND_IN_MICRO_DOLLAR": day.cost_cents * 10_000,
        **{name: float(count) for name, count in counts.items() if count},
        **({"TOTAL_CHECKOUT_VALUE_IN_MICRO_DOLLAR": float(day.sales_cents * 10_000)} if day.sales else {}),
    }


def variables(served: Served) -> dict[str, str]:
    return {
        "PINTEREST_ADS_CLIENT_ID": CLIENT_ID,
        "PINTEREST_ADS_CLIENT_SECRET": CLIENT_SECRET,
        "PINTEREST_ADS_REFRESH_TOKEN": REFRESH_TOKEN,
        "PINTEREST_ADS_ACCOUNT_ID": ACCOUNT_ID,
        "PINTEREST_ADS_BASE_URL": served.at,
        "PINTEREST_ADS_TOKEN_URL": f"{served.at}/v5/oauth/token",
    }


def app(company: Company, clock: Clock, faults: Faults) -> ASGIApp:
    ads = Ads(company, clock, faults)
    return Starlette(
        routes=[
            Route("/v5/oauth/token", ads.token, methods=["POST"]),
            Route("/v5/ad_accounts/{path:path}", ads.answer, methods=["GET", "POST"]),
            Route("/files/{token}.json", ads.file),
        ]
    )
