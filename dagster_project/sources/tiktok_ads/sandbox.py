"""The sandbox's TikTok: an advertiser's report by ad and day, and ads with where they lead, as the Business API answers.

Of two advertisers that authorised the app one is the company, one never ran an ad; a third did not authorise it. All answers are
a 200, and a code says what they are. Figures are texts, `-` where there is none; what was deleted is shown to who asks for it.
"""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

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

VENDOR, NETWORK = "tiktok_ads", "short_video"
TOKEN = "sandbox-tiktok-token"
ADVERTISER, IDLE_ADVERTISER, FOREIGN_ADVERTISER = "7000000000000000001", "7000000000000000002", "7000000000000000003"
MOST_DAYS, MOST_ROWS = 30, 1000
SERVED_AT_ONCE = 40  # of the 1000 that are asked for: a small company has few ads, and there are to be pages
OBJECTIVES = {"sales": "WEB_CONVERSIONS", "leads": "LEAD_GENERATION", "views": "VIDEO_VIEWS"}
METRICS = {
    "campaign_id", "campaign_name", "objective_type", "adgroup_id", "adgroup_name", "ad_name", "currency", "spend",
    "impressions", "clicks", "reach", "conversion", "complete_payment", "total_complete_payment_rate", "form", "onsite_form",
    "video_play_actions", "video_watched_2s", "video_watched_6s", "video_views_p100", "ctr",
}  # fmt: skip


def said(code: int, message: str, data: Any = None) -> dict[str, Any]:
    return {"code": code, "message": message, "request_id": "20260610152955010231251040932", "data": data or {}}


FAULT_ANSWERS: FaultAnswers = {
    "throttle": Answer(200, said(40100, "App reaches the QPS limit.")),
    "server_error": Answer(200, said(50000, "System error")),
    "expired_token": Answer(200, said(40105, "Access token is incorrect or has been revoked.")),
}


class Refused(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.answer = JSONResponse(said(code, message))


class Business:
    """One endpoint."""

    def __init__(self, company: Company, clock: Clock, faults: Faults) -> None:
        self._company, self._clock, self._faults = company, clock, faults

    def report(self, request: Request) -> Response:
        return self._answered(request, self._report)

    def ads(self, request: Request) -> Response:
        return self._answered(request, self._ads)

    def _answered(self, request: Request, rows_of: Any) -> Response:
        asked = dict(request.query_params)
        try:
            self._admit(request, asked)
            rows = rows_of(asked) if asked["advertiser_id"] == ADVERTISER else []
            return JSONResponse(said(0, "OK", self._page(rows, asked, f"{request.method} {request.url.path}")))
        except Refused as refused:
            return refused.answer

    def _admit(self, request: Request, asked: dict[str, str]) -> None:
        if request.headers.get("access-token") != TOKEN:
            raise Refused(40105, "Access token is incorrect or has been revoked.")
        advertiser = asked.get("advertiser_id", "")
        if advertiser not in (ADVERTISER, IDLE_ADVERTISER):
            raise Refused(40001, f"Permission error: no permission to operate advertiser {advertiser}")

    def _page(self, rows: list[dict[str, Any]], asked: dict[str, str], call: str) -> dict[str, Any]:
        number, size = int(asked.get("page", 1)), int(asked.get("page_size", 10))
        if not 1 <= size <= MOST_ROWS:
            raise Refused(40002, "page_size: must be between 1 and 1000")
        step = min(size, SERVED_AT_ONCE if "report" in call else 2)
        start = (number - 1) * step
        page = self._faults.repeat_last(VENDOR, self._faults.shorten(VENDOR, rows, call), start, start + step, call)
        if self._faults.take(VENDOR, "unknown_field", call):
            page = [_with_unknown(row) for row in page]
        info = {"page": number, "page_size": size, "total_number": len(rows), "total_page": -(-len(rows) // step)}
        return {"list": page, "page_info": info}

    # ---- ads -----------------------------------------------------------------------------------------------------

    def _ads(self, asked: dict[str, str]) -> list[dict[str, Any]]:
        wants_all = json.loads(asked.get("filtering", "{}")).get("primary_status") == "STATUS_ALL"
        return [self._ad(ad) for ad in networks.ads_of(NETWORK) if wants_all or not self._is_deleted(ad)]

    def _is_deleted(self, ad: NetworkAd) -> bool:
        return bool(ad.campaign.ended and ad.campaign.ended <= self._clock.today())

    def _ad(self, ad: NetworkAd) -> dict[str, Any]:
        tags = dict(part.split("=", 1) for part in ad.tags.split("&"))
        tags = {"utm_source": "tiktok", "utm_medium": "paid_social", **tags, "utm_id": "__CAMPAIGN_ID__"}
        return {
            "ad_id": ad.id,
            "ad_name": ad.name,
            "adgroup_id": ad.group_id,
            "adgroup_name": ad.group_name,
            "campaign_id": ad.campaign.id,
            "campaign_name": ad.campaign.name,
            "landing_page_url": ad.address,
            "utm_params": [{"key": key, "value": value} for key, value in tags.items()],
            "secondary_status": "AD_STATUS_DELETE" if self._is_deleted(ad) else "AD_STATUS_DELIVERY_OK",
            "modify_time": "2025-07-01 10:00:00",
        }

    # ---- report --------------------------------------------------------------------------------------------------

    def _report(self, asked: dict[str, str]) -> list[dict[str, Any]]:
        first, last = date.fromisoformat(asked["start_date"]), date.fromisoformat(asked["end_date"])
        if (last - first).days >= MOST_DAYS:
            raise Refused(40002, "stat_time_day: The date range cannot exceed 30 days.")
        if json.loads(asked["dimensions"]) != ["ad_id", "stat_time_day"] or asked.get("data_level") != "AUCTION_AD":
            raise Refused(40002, "dimensions: the sandbox answers by ad and day")
        metrics = json.loads(asked["metrics"])
        if unknown := [name for name in metrics if name not in METRICS]:
            raise Refused(40002, f"metrics: invalid metric {unknown[0]}")
        wants_all = any(
            each["field_name"] == "ad_status" and "STATUS_ALL" in json.loads(each["filter_value"])
            for each in json.loads(asked.get("filtering", "[]"))
        )
        days = networks.days_as_of(self._company.seed, NETWORK, self._clock.now())
        return [
            {
                "dimensions": {"ad_id": day.ad.id, "stat_time_day": f"{day.day} 00:00:00"},
                "metrics": {name: value for name, value in _metrics(day).items() if name in metrics},
            }
            for day in days
            if first <= day.day <= last and (wants_all or not self._is_deleted(day.ad))
        ]


def _metrics(day: AdDay) -> dict[str, str]:
    ad = day.ad
    return {
        "campaign_id": ad.campaign.id,
        "campaign_name": ad.campaign.name,
        "objective_type": OBJECTIVES[ad.campaign.aim],
        "adgroup_id": ad.group_id,
        "adgroup_name": ad.group_name,
        "ad_name": ad.name,
        "currency": kontorra.CURRENCY,
        "spend": f"{day.cost_cents / 100:.2f}",
        "impressions": str(day.impressions),
        "clicks": str(day.clicks),
        "conversion": str(day.leads + day.sales),
        "complete_payment": str(day.sales),
        "total_complete_payment_rate": f"{day.sales_cents / 100:.2f}",
        "form": str(day.leads) if day.leads else "-",
        "onsite_form": "0",
        "video_play_actions": str(day.video_views) if ad.is_video else "-",
        "video_watched_2s": str(day.video_views // 2) if ad.is_video else "-",
        "video_views_p100": str(day.video_views // 10) if ad.is_video else "-",
    }


def _with_unknown(row: dict[str, Any]) -> dict[str, Any]:
    if "metrics" in row:
        return {**row, "metrics": {**row["metrics"], "brand_new": "1"}}
    return {**row, "brand_new": "1"}


def variables(served: Served) -> dict[str, str]:
    return {
        "TIKTOK_ADS_ACCESS_TOKEN": TOKEN,
        "TIKTOK_ADS_ADVERTISER_ID": ADVERTISER,
        "TIKTOK_ADS_BASE_URL": served.at,
    }


def app(company: Company, clock: Clock, faults: Faults) -> ASGIApp:
    business = Business(company, clock, faults)
    return Starlette(
        routes=[
            Route("/open_api/v1.3/report/integrated/get/", business.report),
            Route("/open_api/v1.3/ad/get/", business.ads),
        ]
    )
