"""The sandbox's LinkedIn: tokens by refresh, ad accounts, analytics without pages, lists by page token, posts, tags.

Of three accounts one is the company's, one never ran an ad, one is another company's. Costs are texts, one of nothing is written
as a power of ten; rows of days without activity are not there. Analytics of an account that the token may not see are empty.

https://learn.microsoft.com/linkedin/marketing/integrations/ads-reporting/ads-reporting
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

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

VENDOR, NETWORK = "linkedin_ads", "professional"
CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, ACCESS_TOKEN = "77ads", "ads-secret", "AQV-ads-refresh", "AQV-ads"
ACCOUNT_ID, IDLE_ACCOUNT_ID, DENIED_ACCOUNT_ID = "512000001", "512000002", "512000003"
VERSIONS = {"202512", *(f"2026{month:02}" for month in range(1, 12))}
LEAD_RULE, SALE_RULE = "104001", "104002"
MOST_ROWS, MOST_FIELDS, MOST_PIVOTS = 15_000, 20, 3
METRICS = {
    "impressions", "clicks", "landingPageClicks", "costInLocalCurrency", "costInUsd", "videoViews", "oneClickLeads",
    "externalWebsiteConversions", "externalWebsitePostClickConversions", "externalWebsitePostViewConversions",
    "conversionValueInLocalCurrency", "dateRange", "pivotValues", "approximateMemberReach", "videoCompletions",
}  # fmt: skip


def error(status: int, message: str, code: str, number: int = 0) -> dict[str, Any]:
    return {"status": status, "code": code, "message": message} | ({"serviceErrorCode": number} if number else {})


REVOKED = error(401, "The token used in the request has been revoked by the user", "REVOKED_ACCESS_TOKEN", 65601)
MINUTE = "Resource level throttle APPLICATION MINUTE limit for calls to this resource is reached."
FAULT_ANSWERS: FaultAnswers = {
    "throttle": Answer(429, error(429, MINUTE, "TOO_MANY_REQUESTS", 101)),
    "server_error": Answer(500, error(500, "Internal Server Error", "INTERNAL_SERVER_ERROR")),
    "expired_token": Answer(401, REVOKED),
}


class Refused(Exception):
    def __init__(self, status: int, message: str, code: str, number: int = 0) -> None:
        super().__init__(message)
        self.answer = JSONResponse(error(status, message, code, number), status)


class Marketing:
    """One endpoint."""

    def __init__(self, company: Company, clock: Clock, faults: Faults) -> None:
        self._company, self._clock, self._faults = company, clock, faults

    async def token(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        if form.get("grant_type") != "refresh_token" or form.get("refresh_token") != REFRESH_TOKEN:
            said = "The provided authorization grant or refresh token is invalid, expired or revoked."
            return JSONResponse({"error": "invalid_grant", "error_description": said}, 400)
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return JSONResponse({"error": "invalid_client", "error_description": "Client authentication failed"}, 401)
        return JSONResponse({"access_token": ACCESS_TOKEN, "expires_in": 5_184_000, "refresh_token": REFRESH_TOKEN})

    async def answer(self, request: Request) -> Response:
        # Not Starlette's own: it would decode what stands between commas before they are told apart.
        query = request.scope["query_string"].decode()
        if request.method == "POST":
            if request.headers.get("x-http-method-override") != "GET":
                return Refused(405, "Method not allowed", "METHOD_NOT_ALLOWED").answer
            query = (await request.body()).decode()
        asked = dict(part.partition("=")[::2] for part in query.split("&") if part)
        try:
            self._admit(request)
            return JSONResponse(self._route(request, request.scope["raw_path"].decode().partition("?")[0], asked))
        except Refused as refused:
            return refused.answer

    def _admit(self, request: Request) -> None:
        if request.headers.get("authorization") != f"Bearer {ACCESS_TOKEN}":
            raise Refused(401, REVOKED["message"], REVOKED["code"], 65601)
        version = request.headers.get("linkedin-version", "")
        if version not in VERSIONS:
            raise Refused(426, f"Requested version {version} is not active", "NONEXISTENT_VERSION")
        if request.headers.get("x-restli-protocol-version") != "2.0.0":
            raise Refused(400, "Invalid query parameters passed to request", "ILLEGAL_ARGUMENT")

    def _route(self, request: Request, path: str, asked: dict[str, str]) -> dict[str, Any]:
        call, method = f"{request.method} {unquote(path)}", request.headers.get("x-restli-method", "").upper()
        if found := re.fullmatch(r"/rest/adAccounts/(\d+)(?:/(adCampaignGroups|adCampaigns|creatives))?", path):
            self._may_see(found[1])
            if not found[2]:
                return {"id": int(found[1]), "currency": kontorra.CURRENCY, "status": "ACTIVE", "type": "BUSINESS"}
            if asked.get("q") != ("criteria" if found[2] == "creatives" else "search") or method != "FINDER":
                raise Refused(400, "Invalid query parameters passed to request", "ILLEGAL_ARGUMENT")
            rows = self._entities(found[2]) if found[1] == ACCOUNT_ID else []
            return self._page(rows, asked, call)
        if path == "/rest/adAnalytics":
            return {"paging": {"start": 0, "count": 10, "links": []}, "elements": self._analytics(asked, call)}
        if path == "/rest/posts" and method == "BATCH_GET":
            wanted = [unquote(urn) for urn in _listed(asked.get("ids", ""))]
            posts = {f"urn:li:share:{ad.id}": self._post(ad) for ad in networks.ads_of(NETWORK)}
            return {"results": {urn: posts[urn] for urn in wanted if urn in posts}, "statuses": {}, "errors": {}}
        if found := re.fullmatch(
            r"/rest/adTrackingParameters/\(adEntity:\(sponsoredCampaign:urn%3Ali%3AsponsoredCampaign%3A(\d+)\)\)", path
        ):
            if found[1] not in {ad.group_id for ad in networks.ads_of(NETWORK)}:
                raise Refused(404, "Not Found", "NOT_FOUND")
            dynamic = {"utm_campaign": "CAMPAIGN_GROUP_NAME", "utm_content": "CREATIVE_ID"}
            custom = {"utm_source": "linkedin", "utm_medium": "paid_social"}
            return {"dynamicValueParameters": dynamic, "customValueParameters": custom}
        raise Refused(404, "Not Found", "NOT_FOUND")

    def _may_see(self, account_id: str) -> None:
        if account_id == DENIED_ACCOUNT_ID:
            raise Refused(403, "Not enough permissions to access: adAccounts.GET", "ACCESS_DENIED", 100)
        if account_id not in (ACCOUNT_ID, IDLE_ACCOUNT_ID):
            raise Refused(404, "Not Found", "NOT_FOUND")

    # ---- lists ---------------------------------------------------------------------------------------------------

    def _page(self, rows: Sequence[dict[str, Any]], asked: dict[str, str], call: str) -> dict[str, Any]:
        start = int(unquote(asked["pageToken"]).removeprefix("DgGa/")) if "pageToken" in asked else 0
        size = int(asked.get("pageSize", "100"))
        if not 1 <= size <= 1000:
            raise Refused(400, "pageSize out of range", "ILLEGAL_ARGUMENT")
        # A small company has few ads: of 100 that are asked for three come, so that there are pages.
        end = start + min(size, 3)
        page = self._faults.repeat_last(VENDOR, self._faults.shorten(VENDOR, rows, call), start, end, call)
        if self._faults.take(VENDOR, "unknown_field", call):
            page = [{**row, "brandNew": 1} for row in page]
        more = {"nextPageToken": f"DgGa/{end}"} if end < len(rows) else {}
        return {"metadata": more, "elements": page, "paging": {"count": size, "start": 0, "links": []}}

    def _entities(self, kind: str) -> list[dict[str, Any]]:
        ads = networks.ads_of(NETWORK)
        account = f"urn:li:sponsoredAccount:{ACCOUNT_ID}"
        if kind == "adCampaignGroups":
            named = {ad.campaign.id: ad.campaign.name for ad in ads}
            return [{"id": int(number), "name": name, "account": account} for number, name in named.items()]
        if kind == "adCampaigns":
            return [
                {
                    "id": int(number),
                    "name": ad.group_name,
                    "account": account,
                    "campaignGroup": f"urn:li:sponsoredCampaignGroup:{ad.campaign.id}",
                    "type": "SPONSORED_UPDATES",
                    "status": "ACTIVE",
                }
                for number, ad in {ad.group_id: ad for ad in ads}.items()
            ]
        return [
            {
                "id": f"urn:li:sponsoredCreative:{ad.id}",
                "name": ad.name,
                "account": account,
                "campaign": f"urn:li:sponsoredCampaign:{ad.group_id}",
                "intendedStatus": "ACTIVE",
                "isServing": True,
                "content": {"reference": f"urn:li:share:{ad.id}"},
                "createdAt": 1_751_320_800_000,
                "lastModifiedAt": 1_751_320_800_000,
            }
            for ad in ads
        ]

    def _post(self, ad: NetworkAd) -> dict[str, Any]:
        if ad.is_video:
            return {"id": f"urn:li:share:{ad.id}", "content": {"media": {}}, "contentLandingPage": ad.address}
        return {"id": f"urn:li:share:{ad.id}", "content": {"article": {"source": ad.address, "title": ad.name}}}

    # ---- analytics -----------------------------------------------------------------------------------------------

    def _analytics(self, asked: dict[str, str], call: str) -> list[dict[str, Any]]:
        pivots, fields = _listed(asked.get("pivots", "")), asked.get("fields", "impressions,clicks").split(",")
        if asked.get("q") != "statistics" or not 1 <= len(pivots) <= MOST_PIVOTS:
            raise Refused(400, "the sandbox answers q=statistics with one to three pivots", "ILLEGAL_ARGUMENT")
        if len(fields) > MOST_FIELDS:
            raise Refused(400, "Too many fields requested, at most 20 are allowed", "ILLEGAL_ARGUMENT", 100)
        if unknown := sorted({*fields} - METRICS):
            raise Refused(400, f"Invalid projection: field {unknown[0]} not present in schema", "ILLEGAL_ARGUMENT", 100)
        span = re.fullmatch(rf"\(start:{_DATE},end:{_DATE}\)", asked.get("dateRange", ""))
        if not span or asked.get("timeGranularity") != "(value:DAILY)":
            raise Refused(400, "Invalid query parameters passed to request", "ILLEGAL_ARGUMENT")
        numbers = [int(number) for number in span.groups()]
        first, last = date(*numbers[:3]), date(*numbers[3:])
        accounts = {unquote(urn).rpartition(":")[2] for urn in _listed(asked.get("accounts", ""))}
        if ACCOUNT_ID not in accounts:
            return []
        days = [
            day
            for day in networks.days_as_of(self._company.seed, NETWORK, self._clock.now())
            if first <= day.day <= last
        ]
        rows = [row for day in days for row in _rows_of(day, pivots)]
        if self._faults.take(VENDOR, "duplicate_row", call) and rows:
            rows.append(rows[-1])
        kept = {*fields}
        shown = [{name: value for name, value in row.items() if name in kept} for row in rows[:MOST_ROWS]]
        if self._faults.take(VENDOR, "unknown_field", call):
            shown = [{**row, "brandNew": 1} for row in shown]
        return shown


_DATE = r"\(year:(\d+),month:(\d+),day:(\d+)\)"


def _listed(text: str) -> list[str]:
    found = re.fullmatch(r"List\((.*)\)", text)
    return found[1].split(",") if found and found[1] else []


def _rows_of(day: AdDay, pivots: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of an ad and day: one, or one for each rule where conversions are told apart."""
    by_form = day.leads if day.day.day % 2 else 0  # on odd days leads come by forms on the network, else on the website
    on_site = {LEAD_RULE: (day.leads - by_form, 0), SALE_RULE: (day.sales, day.sales_cents)}
    urns = {
        "CREATIVE": f"urn:li:sponsoredCreative:{day.ad.id}",
        "CAMPAIGN": f"urn:li:sponsoredCampaign:{day.ad.group_id}",
    }
    when = {part: getattr(day.day, part) for part in ("year", "month", "day")}
    same = {"dateRange": {"start": when, "end": when}}
    if "CONVERSION" in pivots:
        by_rule = {rule: counted for rule, counted in on_site.items() if counted[0]}
        return [
            {
                **same,
                "pivotValues": [
                    {**urns, "CONVERSION": f"urn:lla:llaPartnerConversion:{rule}"}[name] for name in pivots
                ],
                **_website(count, cents),
            }
            for rule, (count, cents) in by_rule.items()
        ]
    sums = [sum(column) for column in zip(*on_site.values(), strict=True)]
    return [
        {
            **same,
            "pivotValues": [urns[name] for name in pivots],
            "impressions": day.impressions,
            "clicks": day.clicks,
            "landingPageClicks": day.clicks - day.clicks // 4,
            "costInLocalCurrency": _major(day.cost_cents) if day.cost_cents else "-2E-18",
            "videoViews": day.video_views,
            "oneClickLeads": by_form,
            **_website(*sums),
        }
    ]


def _website(count: int, cents: int) -> dict[str, Any]:
    by_view = count // 5
    return {
        "externalWebsiteConversions": count,
        "externalWebsitePostClickConversions": count - by_view,
        "externalWebsitePostViewConversions": by_view,
        "conversionValueInLocalCurrency": _major(cents),
    }


def _major(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}" if cents else "0"


def variables(served: Served) -> dict[str, str]:
    return {
        "LINKEDIN_ADS_CLIENT_ID": CLIENT_ID,
        "LINKEDIN_ADS_CLIENT_SECRET": CLIENT_SECRET,
        "LINKEDIN_ADS_REFRESH_TOKEN": REFRESH_TOKEN,
        "LINKEDIN_ADS_ACCOUNT_ID": ACCOUNT_ID,
        "LINKEDIN_ADS_BASE_URL": served.at,
        "LINKEDIN_ADS_TOKEN_URL": f"{served.at}/oauth/v2/accessToken",
    }


def app(company: Company, clock: Clock, faults: Faults) -> ASGIApp:
    marketing = Marketing(company, clock, faults)
    return Starlette(
        routes=[
            Route("/oauth/v2/accessToken", marketing.token, methods=["POST"]),
            Route("/rest/{path:path}", marketing.answer, methods=["GET", "POST"]),
        ]
    )
