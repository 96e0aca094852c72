"""The sandbox's Meta: an ad account, insights at once and as a job, and ads with their creatives, as the Graph API answers.

Of two accounts that the token knows one is the company's, one never ran an ad; a third exists and is denied. Figures are
texts, what is nothing is left out, every page has cursors and all but the last a link with the token in it. Throttling is a
400, and each answer says how much of the quota is used.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

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

VENDOR = "meta_ads"
TOKEN = "sandbox-meta-token"
ACCOUNT_ID, IDLE_ACCOUNT_ID, DENIED_ACCOUNT_ID = "1010101010", "2020202020", "3030303030"
SERVED_VERSIONS = ("v25.0", "v26.0", "v27.0")
MOST_ROWS_AT_ONCE, MOST_ROWS_OF_A_JOB = 200, 5_000  # a small company's share of what Meta bears
DAILY_MONTHS_BACK = 37
# How the impressions of an ad spread over what Meta owns; the first has what is left.
PLACEMENTS = (("facebook", 0.0), ("instagram", 0.4), ("threads", 0.1))
OBJECTIVES = {"sales": "OUTCOME_SALES", "leads": "OUTCOME_LEADS", "views": "OUTCOME_AWARENESS"}
FIELDS = {
    "account_id", "account_currency", "account_name", "campaign_id", "campaign_name", "adset_id", "adset_name", "ad_id",
    "ad_name", "objective", "attribution_setting", "impressions", "clicks", "inline_link_clicks", "spend", "actions",
    "action_values", "date_start", "date_stop", "reach", "frequency",
}  # fmt: skip
WINDOWS = {"1d_click": 0.6, "7d_click": 1.0, "28d_click": 1.0, "1d_view": 0.0}  # share of an action within it


def error(code: int, message: str, subcode: int | None = None, *, transient: bool = False) -> dict[str, Any]:
    body = {"message": message, "type": "OAuthException", "code": code, "is_transient": transient, "fbtrace_id": "A0"}
    return {"error": body | ({"error_subcode": subcode} if subcode else {})}


def usage(percent: int, minutes: int = 0) -> dict[str, str]:
    each = {"type": "ads_insights", "call_count": percent, "total_cputime": 3, "total_time": 7}
    return {"x-business-use-case-usage": json.dumps({"77": [{**each, "estimated_time_to_regain_access": minutes}]})}


TOO_MANY_CALLS = "(#80000) There have been too many calls from this ad-account. Wait a bit and try again."
FAULT_ANSWERS: FaultAnswers = {
    "throttle": Answer(400, error(80000, TOO_MANY_CALLS, 2446079, transient=True), usage(100, 1)),
    "server_error": Answer(500, error(2, "An unexpected error has occurred. Please retry later.", transient=True)),
    "expired_token": Answer(400, error(190, "Error validating access token: Session has expired on Monday.", 463)),
}


class Refused(Exception):
    def __init__(self, body: dict[str, Any], status: int = 400) -> None:
        super().__init__(body["error"]["message"])
        self.answer = JSONResponse(body, status)


TOO_MUCH = error(100, "Please reduce the amount of data you're asking for, then retry your request", 1487534)


@dataclass
class Job:
    rows: list[dict[str, Any]]
    looks: int = 0


class Graph:
    """One endpoint with its jobs."""

    def __init__(self, company: Company, clock: Clock, faults: Faults) -> None:
        self._company, self._clock, self._faults = company, clock, faults
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()

    async def answer(self, request: Request) -> Response:
        asked = dict(request.query_params)
        if request.method == "POST":
            asked |= dict(parse_qsl((await request.body()).decode()))
        version = request.path_params["version"]
        try:
            self._admit(request, asked, version)
            body = self._route(request, request.path_params["path"], asked)
        except Refused as refused:
            response = refused.answer
        else:
            response = JSONResponse(body)
        response.headers.update({**usage(4), "facebook-api-version": version})
        return response

    def _admit(self, request: Request, asked: Mapping[str, str], version: str) -> None:
        if version not in SERVED_VERSIONS:
            message = "(#2635) You are calling a deprecated version of the Ads API. Please update to the latest version"
            raise Refused(error(2635, message))
        token = request.headers.get("authorization", "").removeprefix("Bearer ") or asked.get("access_token")
        if token != TOKEN:
            raise Refused(error(190, "Invalid OAuth access token - Cannot parse access token"), 401)

    def _route(self, request: Request, path: str, asked: Mapping[str, str]) -> dict[str, Any]:
        if account := re.fullmatch(r"act_(\d+)(/insights|/ads)?", path):
            return self._of_account(request, account[1], account[2] or "", asked)
        run, _, rest = path.partition("/")
        job = self._jobs.get(run)
        if job and request.method == "GET" and rest in ("", "insights"):
            return self._page(request, job.rows, asked) if rest else self._progress(run, job)
        raise Refused(
            error(100, f"Unsupported {request.method.lower()} request. Object with ID '{run}' does not exist", 33)
        )

    def _of_account(self, request: Request, account_id: str, edge: str, asked: Mapping[str, str]) -> dict[str, Any]:
        if account_id == DENIED_ACCOUNT_ID:
            message = "(#200) Ad account owner has NOT grant ads_management or ads_read permission"
            raise Refused(error(200, message), 403)
        if account_id not in (ACCOUNT_ID, IDLE_ACCOUNT_ID):
            raise Refused(error(100, f"Unsupported get request. Object with ID 'act_{account_id}' does not exist", 33))
        if not edge:
            return {"id": f"act_{account_id}", "currency": kontorra.CURRENCY, "timezone_name": kontorra.TIME_ZONE}
        if edge == "/ads":
            statuses = set(json.loads(asked.get("effective_status", '["ACTIVE"]')))
            ads = networks.ads_of("social") if account_id == ACCOUNT_ID else ()
            rows = [row for each in ads if (row := self._ad(each))["effective_status"] in statuses]
            if int(asked.get("limit", 25)) > 100:
                raise Refused(TOO_MUCH)
            return self._page(request, rows, asked)
        rows = self._insights(asked) if account_id == ACCOUNT_ID else []
        if request.method == "POST":
            if len(rows) > MOST_ROWS_OF_A_JOB:
                raise Refused(TOO_MUCH)
            with self._lock:
                run = str(6_023_920_000_000 + len(self._jobs))
                self._jobs[run] = Job(rows)
            return {"report_run_id": run}
        if len(rows) > MOST_ROWS_AT_ONCE:
            raise Refused(TOO_MUCH)
        return self._page(request, rows, asked)

    # ---- answers -----------------------------------------------------------------------------------------------

    def _progress(self, run: str, job: Job) -> dict[str, Any]:
        job.looks += 1
        status, percent = [("Job Not Started", 0), ("Job Running", 35), ("Job Completed", 100)][min(job.looks, 3) - 1]
        return {"id": run, "async_status": status, "async_percent_completion": percent}

    def _page(self, request: Request, rows: list[dict[str, Any]], asked: Mapping[str, str]) -> dict[str, Any]:
        start = int(base64.b64decode(asked["after"])) if "after" in asked else 0
        end = start + min(int(asked.get("limit", 25)), 500)
        call = f"{request.method} {request.url.path}"
        page = self._faults.repeat_last(VENDOR, self._faults.shorten(VENDOR, rows, call), start, end, call)
        if self._faults.take(VENDOR, "unknown_field", call):
            page = [{**row, "brand_new": "1"} for row in page]
        if not page:
            return {"data": []}
        paging: dict[str, Any] = {"cursors": {"before": _cursor(start), "after": _cursor(end)}}
        if end < len(rows):
            query = urlencode({**asked, "after": _cursor(end), "access_token": TOKEN})
            paging["next"] = f"{str(request.base_url).rstrip('/')}{request.url.path}?{query}"
        return {"data": page, "paging": paging}

    def _ad(self, each: NetworkAd) -> dict[str, Any]:
        now = self._clock.now()
        ended = each.campaign.ended and each.campaign.ended <= self._clock.today()
        link = {"link": each.address} if not each.is_video else None
        video = {"call_to_action": {"type": "SHOP_NOW", "value": {"link": each.address}}} if each.is_video else None
        story = {"page_id": "1", **({"link_data": link} if link else {}), **({"video_data": video} if video else {})}
        tags = f"utm_source={{{{site_source_name}}}}&utm_medium=paid_social&{each.tags}&utm_id={{{{campaign.id}}}}"
        return {
            "id": each.id,
            "name": each.name,
            "adset": {"id": each.group_id, "name": each.group_name},
            "campaign": {"id": each.campaign.id, "name": each.campaign.name},
            "effective_status": "ARCHIVED" if ended else "ACTIVE",
            "updated_time": (datetime(2025, 7, 1, tzinfo=now.tzinfo)).strftime("%Y-%m-%dT%H:%M:%S%z"),
            "creative": {"id": f"9{each.id[1:]}", "url_tags": tags, "object_story_spec": story},
        }

    def _insights(self, asked: Mapping[str, str]) -> list[dict[str, Any]]:
        """Rows by ad and day, newest day last; only ads that were shown."""
        fields = asked.get("fields", "impressions,spend").split(",")
        if unknown := [name for name in fields if name not in FIELDS]:
            raise Refused(error(100, f"(#100) {unknown[0]} is not valid for fields param."))
        if asked.get("level") != "ad" or asked.get("time_increment") != "1":
            raise Refused(error(100, "(#100) the sandbox answers for level ad and an increment of a day"))
        if (breakdown := asked.get("breakdowns")) not in (None, "publisher_platform"):
            raise Refused(error(100, f"(#100) breakdowns[0] must be publisher_platform here; got {breakdown}"))
        span = json.loads(asked["time_range"])
        first, last = date.fromisoformat(span["since"]), date.fromisoformat(span["until"])
        today = self._clock.today()
        if (today.year - first.year) * 12 + today.month - first.month - (today.day < first.day) >= DAILY_MONTHS_BACK:
            message = "(#3018) The start date of the time range cannot be beyond 37 months from the current date"
            raise Refused(error(3018, message))
        windows = json.loads(asked.get("action_attribution_windows", "[]"))
        wanted = {*fields, "date_start", "date_stop", *([breakdown] if breakdown else [])}
        rows = []
        for day in networks.days_as_of(self._company.seed, "social", self._clock.now()):
            if first <= day.day <= last:
                rows += [
                    {name: value for name, value in row.items() if name in wanted}
                    for row in _rows_of(day, windows, by_placement=bool(breakdown))
                ]
        return rows


def _rows_of(day: AdDay, windows: list[str], *, by_placement: bool) -> list[dict[str, Any]]:
    whole = {
        "impressions": day.impressions, "clicks": day.clicks, "cost_cents": day.cost_cents, "views": day.video_views,
        "leads": day.leads, "sales": day.sales,
    }  # fmt: skip
    if not by_placement:
        return [_row(day, whole, windows)]
    shares = {name: {key: int(value * share) for key, value in whole.items()} for name, share in PLACEMENTS}
    rest = {key: value - sum(part[key] for part in shares.values()) for key, value in whole.items()}
    shares[PLACEMENTS[0][0]] = rest
    return [
        {**_row(day, part, windows), "publisher_platform": name} for name, part in shares.items() if any(part.values())
    ]


def _row(day: AdDay, part: Mapping[str, int], windows: list[str]) -> dict[str, Any]:
    """As on the wire: texts, and nothing of what did not happen."""
    ad = day.ad
    actions = [
        ("link_click", part["clicks"]),
        ("video_view", part["views"]),
        ("omni_purchase", part["sales"]),
        ("purchase", part["sales"]),
        ("offsite_conversion.fb_pixel_purchase", part["sales"]),
        ("lead", part["leads"]),
        ("offsite_conversion.fb_pixel_lead", part["leads"]),
    ]
    cents = networks.SALE_CENTS * part["sales"]
    values = [("omni_purchase", cents), ("offsite_conversion.fb_pixel_purchase", cents)]
    row = {
        "account_id": ACCOUNT_ID,
        "account_currency": kontorra.CURRENCY,
        "campaign_id": ad.campaign.id,
        "campaign_name": ad.campaign.name,
        "adset_id": ad.group_id,
        "adset_name": ad.group_name,
        "ad_id": ad.id,
        "ad_name": ad.name,
        "objective": OBJECTIVES[ad.campaign.aim],
        "attribution_setting": "7d_click_1d_view",
        "impressions": str(part["impressions"]),
        "clicks": str(part["clicks"] + part["clicks"] // 5),  # of any kind: on the name, on a reaction
        "inline_link_clicks": str(part["clicks"]),
        "spend": _major(part["cost_cents"]),
        "actions": [_action(kind, str(count), count, windows) for kind, count in actions if count],
        "action_values": [_action(kind, _major(worth), worth / 100, windows) for kind, worth in values if worth],
        "date_start": str(day.day),
        "date_stop": str(day.day),
    }
    return {
        name: value
        for name, value in row.items()
        if value not in ([], "0") or name in ("impressions", "clicks", "spend")
    }


def _action(kind: str, value: str, number: float, windows: list[str]) -> dict[str, str]:
    shares = {name: round(number * WINDOWS[name]) for name in windows if name in WINDOWS}
    return {"action_type": kind, "value": value, **{name: str(count) for name, count in shares.items() if count}}


def _major(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}".rstrip("0").rstrip(".") if cents else "0"


def _cursor(place: int) -> str:
    return base64.b64encode(str(place).encode()).decode()


def variables(served: Served) -> dict[str, str]:
    return {
        "META_ADS_ACCESS_TOKEN": TOKEN,
        "META_ADS_ACCOUNT_ID": f"act_{ACCOUNT_ID}",
        "META_ADS_BASE_URL": served.at,
    }


def app(company: Company, clock: Clock, faults: Faults) -> ASGIApp:
    graph = Graph(company, clock, faults)
    return Starlette(routes=[Route("/{version}/{path:path}", graph.answer, methods=["GET", "POST"])])
