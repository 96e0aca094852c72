"""The sandbox's Yandex.Direct: an agency's clients, reports that wait in a queue, and lists of campaigns, groups and ads.

Of three logins one is the company's, one never ran an ad, a third is somebody else's client. A report of more than a week is
made offline: the first question puts it into the queue, the same question asked again finds it in work, then ready, and for
five hours after that as it was. Money is in millionths unless a header says otherwise; what did not happen is `--`.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
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

VENDOR = "yandex_direct"
NETWORK = "second_search"
TOKEN = "sandbox-direct-token"
LOGIN, IDLE_LOGIN, FOREIGN_LOGIN = "kontorra-direct", "kontorra-idle", "somebody-else"
GOALS = {"20002": "leads", "20003": "sales"}
ONLINE_DAYS = 7
RETRY_IN_SECONDS = 5
QUEUE_ROOM = 5
KEPT_HOURS = 5
VAT = 0.22
SEARCH_SHARE = 0.7  # of what an ad does; the rest is on networks
MODELS = {"AUTO", "FCCD", "LSCCD", "LC"}
DIMENSIONS = (
    "Date", "CampaignId", "CampaignName", "CampaignType", "AdGroupId", "AdGroupName", "AdId", "AdNetworkType",
)  # fmt: skip
MEASURES = ("Impressions", "Clicks", "Cost", "Conversions", "Revenue")
POINTS_A_DAY = 64_000
CAMPAIGN_PARAMS = "utm_source=yandex&utm_medium=cpc&utm_campaign={campaign_id}"


def error(code: int, text: str, detail: str = "") -> dict[str, Any]:
    about = {"request_id": "8695244274068608439", "error_code": str(code), "error_string": text}
    return {"error": {**about, "error_detail": detail}}


TOO_MANY = error(506, "Connection limit exceeded", "The limit on simultaneous connections is exceeded")
FAULT_ANSWERS: FaultAnswers = {
    "throttle": Answer(400, TOO_MANY),
    "server_error": Answer(500, error(1000, "The server is temporarily unavailable")),
    "expired_token": Answer(400, error(53, "Authorization error", "Invalid OAuth token")),
}


class Refused(Exception):
    def __init__(self, code: int, text: str, detail: str = "") -> None:
        super().__init__(text)
        self.answer = JSONResponse(error(code, text, detail), 400)


@dataclass
class Queued:
    params: str
    is_offline: bool
    asked_at: datetime
    looks: int = 0
    text: str = ""


class Direct:
    """One endpoint with its queue of reports."""

    def __init__(self, company: Company, clock: Clock, faults: Faults) -> None:
        self._company, self._clock, self._faults = company, clock, faults
        self._reports: dict[tuple[str, str], Queued] = {}
        self._lock = threading.Lock()

    async def answer(self, request: Request) -> Response:
        try:
            if request.headers.get("authorization") != f"Bearer {TOKEN}":
                raise Refused(53, "Authorization error", "Invalid OAuth token")
            login = request.headers.get("client-login", "")
            if not login:
                raise Refused(8000, "Bad request", "The advertiser's login is not specified")
            if login == FOREIGN_LOGIN:
                raise Refused(54, "No rights", "The advertiser is not a client of the agency")
            if login not in (LOGIN, IDLE_LOGIN):
                raise Refused(8800, "Object not found", "Client-Login")
            body, service = json.loads(await request.body()), request.path_params["service"]
            if service == "reports":
                return self._report(request, login, body["params"])
            result = self._result(request, service, login, body)
        except Refused as refused:
            return refused.answer
        units = {"Units": f"10/{POINTS_A_DAY - 10}/{POINTS_A_DAY}"}
        return JSONResponse({"result": result}, headers=units)

    # ---- reports -----------------------------------------------------------------------------------------------

    def _report(self, request: Request, login: str, params: dict[str, Any]) -> Response:
        now = self._clock.now()
        first, last = self._days(params)
        said = json.dumps(params, sort_keys=True)
        name = (login, params["ReportName"])
        with self._lock:
            for known, each in list(self._reports.items()):
                if not timedelta(0) <= now - each.asked_at < timedelta(hours=KEPT_HOURS):
                    del self._reports[known]
            queued = self._reports.get(name)
            if queued is None:
                is_offline = (last - first).days >= ONLINE_DAYS or request.headers.get("processingmode") == "offline"
                waiting = sum(
                    each.is_offline and not each.text for (of, _), each in self._reports.items() if of == login
                )
                if is_offline and waiting >= QUEUE_ROOM:
                    raise Refused(9000, "Report queue is full", "The maximum number of reports is exceeded")
                queued = self._reports[name] = Queued(said, is_offline, now)
            elif queued.params != said:
                raise Refused(4000, "Invalid request", "A report with this ReportName and other parameters exists")
            queued.looks += 1
            headers = {"retryIn": str(RETRY_IN_SECONDS), "reportsInQueue": "1", "RequestId": "1111111111111111111"}
            if queued.is_offline and queued.looks <= 2:
                return Response("", 201 if queued.looks == 1 else 202, headers)
            text = queued.text or self._text(request, login, params, first, last)
            queued.text = text if queued.is_offline else ""  # what is made at once is made anew every time
        return Response(text, headers={"Content-Type": "text/tab-separated-values; charset=utf-8"})

    def _days(self, params: Mapping[str, Any]) -> tuple[date, date]:
        criteria, today = params["SelectionCriteria"], self._clock.today()
        if params.get("DateRangeType") != "CUSTOM_DATE" or params.get("Format") != "TSV":
            raise Refused(4000, "Invalid request", "the sandbox makes reports of CUSTOM_DATE in TSV")
        if params.get("ReportType") != "AD_PERFORMANCE_REPORT" or params.get("IncludeVAT") not in ("YES", "NO"):
            raise Refused(8000, "Bad request", "ReportType or IncludeVAT")
        if unknown := set(params["FieldNames"]) - {*DIMENSIONS, *MEASURES}:
            raise Refused(8000, "Bad request", f"FieldNames has an unknown value {min(unknown)}")
        if set(params.get("AttributionModels", ())) - MODELS or len(params.get("Goals", ())) > 10:
            raise Refused(4000, "Invalid request", "AttributionModels or Goals")
        first, last = date.fromisoformat(criteria["DateFrom"]), date.fromisoformat(criteria["DateTo"])
        if first > last or first < date(today.year - 3, today.month, 1):
            raise Refused(4001, "Invalid selection criteria", "DateFrom is earlier than the statistics go")
        return first, last

    def _text(self, request: Request, login: str, params: Mapping[str, Any], first: date, last: date) -> str:
        goals, models = params.get("Goals") or [], params.get("AttributionModels") or []
        is_micros = request.headers.get("returnmoneyinmicros", "true") != "false"
        names: list[str] = []
        for name in params["FieldNames"]:
            by_goal = goals and name in ("Conversions", "Revenue")
            names += [f"{name}_{goal}_{model}" for goal in goals for model in models] if by_goal else [name]
        shown = networks.days_as_of(self._company.seed, NETWORK, self._clock.now()) if login == LOGIN else []
        lines = []
        for day in shown:
            if first <= day.day <= last:
                for network, part in _split(day).items():
                    row = _row(day, network, part, is_with_vat=params["IncludeVAT"] == "YES", is_micros=is_micros)
                    # a goal of another site is reached by nobody
                    lines.append([row.get(name.rpartition("_")[0] if "_" in name else name, "--") for name in names])
        announced = len(lines)
        if self._faults.take(VENDOR, "unknown_field", request.url.path):
            names, lines = [*names, "BrandNew"], [[*line, "1"] for line in lines]
        if lines and self._faults.take(VENDOR, "duplicate_row", request.url.path):
            lines.append(lines[-1])
        text = ["\t".join(line) for line in [names, *lines]]
        if request.headers.get("skipreportheader") != "true":
            text.insert(0, f'"{params["ReportName"]} ({first} - {last})"')
        if request.headers.get("skipreportsummary") != "true":
            text.append(f"Total rows: {announced}")
        return "\n".join(text) + "\n"

    # ---- lists -------------------------------------------------------------------------------------------------

    def _result(self, request: Request, service: str, login: str, body: Mapping[str, Any]) -> dict[str, Any]:
        method, params = body.get("method"), body.get("params") or {}
        if (service, method) not in {(name, "get") for name in ("clients", "campaigns", "adgroups", "ads")} | {
            ("changes", "check")
        }:
            raise Refused(55, "Operation not found", f"{service}.{method}")
        if service == "clients":
            return {"Clients": [{"Login": login, "Currency": kontorra.CURRENCY}]}
        ads = networks.ads_of(NETWORK) if login == LOGIN else ()
        if service == "changes":
            return self._changes(params)
        criteria = params["SelectionCriteria"]
        if service != "campaigns":
            if not 1 <= len(criteria.get("CampaignIds", ())) <= 10:
                raise Refused(4001, "Invalid selection criteria", "CampaignIds has 1 to 10 elements")
            ads = tuple(ad for ad in ads if int(ad.campaign.id) in criteria["CampaignIds"])
        is_newer = request.path_params["version"] == "v501"
        rows = {"campaigns": _campaigns, "adgroups": _groups, "ads": _ads}[service](ads, is_newer=is_newer)
        states = set(criteria.get("States", ("ON", "OFF", "SUSPENDED")))
        rows = [row for row in rows if row.get("State", "ON") in states]
        page = params.get("Page", {})
        start, limit = int(page.get("Offset", 0)), int(page.get("Limit", 10_000))
        if not 1 <= limit <= 10_000:
            raise Refused(4002, "Invalid page parameters", "Limit")
        part = self._faults.repeat_last(VENDOR, rows, start, start + limit, request.url.path)
        key = {"campaigns": "Campaigns", "adgroups": "AdGroups", "ads": "Ads"}[service]
        asked = {*params["FieldNames"], *(name.removesuffix("FieldNames") for name in params if name != "FieldNames")}
        found = [{name: value for name, value in row.items() if name in asked} for row in part]
        if self._faults.take(VENDOR, "unknown_field", request.url.path):
            found = [{**row, "BrandNew": 1} for row in found]
        more = {"LimitedBy": start + limit} if start + limit < len(rows) else {}
        return ({key: found} if found else {}) | more

    def _changes(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """From which day on impressions, clicks and cost are others than they were."""
        since, now = datetime.fromisoformat(params["Timestamp"].replace("Z", "+00:00")), self._clock.now()
        figures = [
            {
                (day.ad.campaign.id, day.day, day.ad.id): (day.impressions, day.clicks, day.cost_cents)
                for day in networks.days_as_of(self._company.seed, NETWORK, moment)
            }
            for moment in (since, now)
        ]
        borders: dict[str, date] = {}
        for key, value in figures[1].items():
            if figures[0].get(key) != value:
                borders[key[0]] = min(key[1], borders.get(key[0], key[1]))
        stats = [
            {"CampaignId": int(campaign), "BorderDate": str(day)}
            for campaign, day in borders.items()
            if int(campaign) in params["CampaignIds"]
        ]
        return {"Modified": {"CampaignsStat": stats}, "Timestamp": f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"}


def _is_unified(ad: NetworkAd) -> bool:
    return "&" in ad.campaign.name


def _campaigns(ads: tuple[NetworkAd, ...], *, is_newer: bool) -> list[dict[str, Any]]:
    rows = {}
    for ad in ads:
        if not _is_unified(ad) or is_newer:
            kind = {"Type": "UNIFIED_CAMPAIGN", "UnifiedCampaign": {"TrackingParams": CAMPAIGN_PARAMS}}
            row = {"Id": int(ad.campaign.id), "Name": ad.campaign.name, "State": "ON"}
            rows[ad.campaign.id] = row | (kind if _is_unified(ad) else {"Type": "TEXT_CAMPAIGN"})
    return list(rows.values())


def _groups(ads: tuple[NetworkAd, ...], *, is_newer: bool) -> list[dict[str, Any]]:
    rows = {}
    for ad in ads:
        params = "" if _is_unified(ad) else f"utm_source=yandex&utm_medium=cpc&{ad.tags}&utm_term={{source_type}}"
        row = {"Id": int(ad.group_id), "CampaignId": int(ad.campaign.id), "Name": ad.group_name}
        rows[ad.group_id] = row | {"TrackingParams": params}
    return list(rows.values())


def _ads(ads: tuple[NetworkAd, ...], *, is_newer: bool) -> list[dict[str, Any]]:
    rows = []
    for ad in ads:
        row = {"Id": int(ad.id), "CampaignId": int(ad.campaign.id), "AdGroupId": int(ad.group_id), "State": "ON"}
        href = {"Href": f"{ad.address}?utm_campaign=old#top"}
        kind = (
            {"Type": "RESPONSIVE_AD", "ResponsiveAd": href} if _is_unified(ad) else {"Type": "TEXT_AD", "TextAd": href}
        )
        rows.append(row | kind)
    return rows


def _split(day: AdDay) -> dict[str, dict[str, int]]:
    """What of a day was in search and what on networks."""
    whole = {
        "impressions": day.impressions, "clicks": day.clicks, "cost": day.cost_cents, "leads": day.leads, "sales": day.sales,
    }  # fmt: skip
    search = {name: int(value * SEARCH_SHARE) for name, value in whole.items()}
    rest = {name: value - search[name] for name, value in whole.items()}
    return {name: part for name, part in (("SEARCH", search), ("AD_NETWORK", rest)) if any(part.values())}


def _row(day: AdDay, network: str, part: Mapping[str, int], *, is_with_vat: bool, is_micros: bool) -> dict[str, str]:
    """A line by the names of its fields, those of goals without their model."""

    def money(cents: int) -> str:
        if is_micros:
            return str(cents * 10_000) if cents else "--"
        return f"{cents // 100}.{cents % 100:02}" if cents else "--"

    def count(number: int) -> str:
        return str(number) if number else "--"

    worth = networks.SALE_CENTS * part["sales"]
    return {
        "Date": str(day.day),
        "CampaignId": day.ad.campaign.id,
        "CampaignName": day.ad.campaign.name,
        "CampaignType": "UNIFIED_CAMPAIGN" if _is_unified(day.ad) else "TEXT_CAMPAIGN",
        "AdGroupId": day.ad.group_id,
        "AdGroupName": day.ad.group_name,
        "AdId": day.ad.id,
        "AdNetworkType": network,
        "Impressions": str(part["impressions"]),
        "Clicks": str(part["clicks"]),
        "Cost": money(round(part["cost"] * (1 + VAT)) if is_with_vat else part["cost"]),
        "Conversions": count(part["leads"] + part["sales"]),
        "Revenue": money(worth),
        **{f"Conversions_{goal}": count(part[kind]) for goal, kind in GOALS.items()},
        **{f"Revenue_{goal}": money(worth if kind == "sales" else 0) for goal, kind in GOALS.items()},
    }


def variables(served: Served) -> dict[str, str]:
    return {
        "YANDEX_DIRECT_TOKEN": TOKEN,
        "YANDEX_DIRECT_CLIENT_LOGIN": LOGIN,
        "YANDEX_DIRECT_BASE_URL": served.at,
    }


def app(company: Company, clock: Clock, faults: Faults) -> ASGIApp:
    direct = Direct(company, clock, faults)
    return Starlette(routes=[Route("/json/{version}/{service}", direct.answer, methods=["POST"])])
