"""The sandbox's X Ads: signed calls, lists by cursor, active entities, and jobs whose figures are files.

Of three accounts one is the company's, one never ran an ad, a third is somebody else's. Ids are short texts. What an ad did
stands in arrays by day, or null for nothing; days begin at the account's midnight. A job is at work at the first look. Ads
with a video are shown in two placements, which are asked for one by one.
"""

from __future__ import annotations

import base64
import gzip
import hmac
import json
import re
import threading
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, unquote
from zoneinfo import ZoneInfo

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

VENDOR = "x_ads"
NETWORK = "microblog"
KEY, SECRET = "sandbox-x-key", "sandbox-x-secret"
TOKEN, TOKEN_SECRET = "sandbox-x-token", "sandbox-x-token-secret"
ACCOUNT, IDLE_ACCOUNT, FOREIGN_ACCOUNT = "18ce5kon", "18ce5idle", "18ce5else"
INSTRUMENT = "f1x"
MOST_IDS, MOST_DAYS, PAGE = 20, 90, 2
SPOTLIGHT_SHARE = 0.2  # of what an ad with a video does
GROUPS = {"ENGAGEMENT", "BILLING", "VIDEO", "WEB_CONVERSION"}
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def error(code: str, message: str, **more: str) -> dict[str, Any]:
    return {"errors": [{"code": code, "message": message, **more}], "request": {"params": {}}}


def too_many(_: str) -> Answer:
    reset = int(datetime.now(UTC).timestamp()) + 30
    headers = {"x-rate-limit-limit": "250", "x-rate-limit-remaining": "0", "x-rate-limit-reset": str(reset)}
    return Answer(429, error("TOO_MANY_REQUESTS", "Too many requests"), headers)


NOT_SIGNED = error("UNAUTHORIZED_ACCESS", "This request is not properly authenticated")
FAULT_ANSWERS: FaultAnswers = {
    "throttle": too_many,
    "server_error": Answer(503, error("SERVICE_UNAVAILABLE", "Service unavailable"), {"retry-after": "3"}),
    "expired_token": Answer(401, NOT_SIGNED),
}


class Refused(Exception):
    def __init__(self, status: int, code: str, message: str, **more: str) -> None:
        super().__init__(message)
        self.answer = JSONResponse(error(code, message, **more), status)


def short(number: str) -> str:
    """An id as X writes them."""
    left, text = int(number), ""
    while left:
        left, digit = divmod(left, 36)
        text = DIGITS[digit] + text
    return text


class Api:
    """One endpoint with its jobs."""

    def __init__(self, company: Company, clock: Clock, faults: Faults) -> None:
        self._company, self._clock, self._faults = company, clock, faults
        self._jobs: dict[str, dict[str, Any]] = {}
        self._looks: dict[str, int] = {}
        self._lock = threading.Lock()

    async def answer(self, request: Request) -> Response:
        form = parse_qsl((await request.body()).decode())
        try:
            _check_signature(request, form)
            account = request.path_params["account"]
            if account == FOREIGN_ACCOUNT:
                raise Refused(403, "ACCOUNT_NOT_FOUND", "The account is not yours")
            if account not in (ACCOUNT, IDLE_ACCOUNT):
                raise Refused(404, "ACCOUNT_NOT_FOUND", f"Account {account} was not found")
            ads = networks.ads_of(NETWORK) if account == ACCOUNT else ()
            body = self._route(request, account, ads, dict(form))
        except Refused as refused:
            return refused.answer
        left = {"x-account-rate-limit-remaining": "9990", "x-account-rate-limit-limit": "10000"}
        return JSONResponse({"request": {"params": {"account_id": account}}, **body}, headers=left)

    def file(self, request: Request) -> Response:
        name = request.path_params["name"]
        if "authorization" in request.headers or name not in self._jobs:
            return Response("", 403)
        text = json.dumps(self._figures(request, self._jobs[name]))
        return Response(gzip.compress(text.encode()), media_type="application/gzip")

    def _route(
        self, request: Request, account: str, ads: tuple[NetworkAd, ...], form: dict[str, str]
    ) -> dict[str, Any]:
        rest = request.path_params.get("rest", "")
        path = request.url.path.removeprefix("/12/")
        if path.startswith("stats/jobs/"):
            return self._started(account, form) if request.method == "POST" else self._jobs_told(request)
        if path.startswith("stats/"):
            return self._active(request, ads)
        if not rest:
            return {"data": {"id": account, "name": "Kontorra", "timezone": kontorra.TIME_ZONE, "deleted": False}}
        rows = _rows(rest, ads, request, self._clock.today())
        if request.query_params.get("with_deleted") != "true":
            rows = [row for row in rows if not row.get("deleted")]
        start = int(request.query_params.get("cursor", "c-0").removeprefix("c-"))
        page = self._faults.repeat_last(VENDOR, rows, start, start + PAGE, request.url.path)
        return {"data": page, "next_cursor": f"c-{start + PAGE}" if start + PAGE < len(rows) else None}

    # ---- figures -----------------------------------------------------------------------------------------------

    def _active(self, request: Request, ads: tuple[NetworkAd, ...]) -> dict[str, Any]:
        first, end = _days(request.query_params["start_time"], request.query_params["end_time"])
        rows: dict[str, dict[str, Any]] = {}
        for day in networks.days_as_of(self._company.seed, NETWORK, self._clock.now()) if ads else ():
            if first <= day.day < end:
                places = ["ALL_ON_TWITTER", *(["SPOTLIGHT"] if day.ad.is_video else [])]
                rows[day.ad.id] = {
                    "entity_id": short(day.ad.id),
                    "activity_start_time": f"{first}T07:00:00Z",
                    "activity_end_time": f"{day.day}T20:00:00Z",
                    "placements": places,
                }
        return {"data": list(rows.values())}

    def _started(self, account: str, form: dict[str, str]) -> dict[str, Any]:
        ids = form.get("entity_ids", "").split(",")
        groups = form.get("metric_groups", "").split(",")
        if len(ids) > MOST_IDS or not ids[0]:
            raise Refused(400, "INVALID_PARAMETER", "entity_ids", parameter="entity_ids")
        if set(groups) - GROUPS or form.get("granularity") != "DAY" or form.get("entity") != "PROMOTED_TWEET":
            raise Refused(400, "INVALID_PARAMETER", "metric_groups, granularity or entity", parameter="metric_groups")
        _days(form["start_time"], form["end_time"])
        with self._lock:
            name = str(1_120_829_647_711_653_888 + len(self._jobs))
            job = {
                "id": int(name), "id_str": name, "account_id": account, "status": "PROCESSING", "url": None,
                "entity": "PROMOTED_TWEET", "entity_ids": ids, "placement": form["placement"], "granularity": "DAY",
                "metric_groups": groups, "start_time": form["start_time"], "end_time": form["end_time"], "expires_at": None,
            }  # fmt: skip
            self._jobs[name] = job
        return {"data": job}

    def _jobs_told(self, request: Request) -> dict[str, Any]:
        told = []
        for name in request.query_params["job_ids"].split(","):
            self._looks[name] = self._looks.get(name, 0) + 1
            job = self._jobs[name]
            if self._looks[name] > 1:
                address = f"{str(request.base_url).rstrip('/')}/files/{name}"
                job = {**job, "status": "SUCCESS", "url": address, "expires_at": "2027-01-01T00:00:00Z"}
            told.append(job)
        return {"data": told, "next_cursor": None}

    def _figures(self, request: Request, job: dict[str, Any]) -> dict[str, Any]:
        first, end = _days(job["start_time"], job["end_time"])
        days = [first + timedelta(days=n) for n in range((end - first).days)]
        shown = networks.days_as_of(self._company.seed, NETWORK, self._clock.now())
        found = {(short(day.ad.id), day.day): day for day in shown}
        data = []
        for each in job["entity_ids"]:
            of = [found.get((each, day)) for day in days]
            metrics = _metrics(of, job["placement"], job["metric_groups"])
            data.append({"id": each, "id_data": [{"segment": None, "metrics": metrics}]})
        if data and self._faults.take(VENDOR, "duplicate_row", request.url.path):
            data.append(data[-1])
        if self._faults.take(VENDOR, "unknown_field", request.url.path):
            data = [{**row, "brand_new": 1} for row in data]
        return {"data_type": "stats", "time_series_length": len(days), "data": data, "request": {"params": {}}}


def _rows(name: str, ads: tuple[NetworkAd, ...], request: Request, today: date) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for ad in ads:
        is_over = ad.campaign.ended is not None and ad.campaign.ended <= today
        row: dict[str, Any]
        if name == "campaigns":
            row = {"id": short(ad.campaign.id), "name": ad.campaign.name, "funding_instrument_id": INSTRUMENT}
        elif name == "line_items":
            objective = "VIDEO_VIEWS" if ad.campaign.aim == "views" else "WEBSITE_CLICKS"
            row = {
                "id": short(ad.group_id), "name": ad.group_name, "campaign_id": short(ad.campaign.id), "objective": objective,
            }  # fmt: skip
        elif name == "promoted_tweets":
            row = {"id": short(ad.id), "line_item_id": short(ad.group_id), "tweet_id": ad.id}
        elif name == "funding_instruments":
            row = {"id": INSTRUMENT, "currency": kontorra.CURRENCY, "type": "CREDIT_CARD"}
        elif name == "tweets":
            if ad.id not in request.query_params["tweet_ids"].split(","):
                continue
            # a video stands in the post itself, whose text has the address; others lead by a card
            urls = (
                [{"url": "https://t.co/x", "expanded_url": f"{ad.address}?utm_source=x&{ad.tags}"}]
                if ad.is_video
                else []
            )
            card = None if ad.is_video else f"card://{ad.id}"
            row = {"id": int(ad.id), "id_str": ad.id, "name": ad.name, "card_uri": card, "entities": {"urls": urls}}
        elif name == "cards/all":
            uri = f"card://{ad.id}"
            if uri not in request.query_params["card_uris"].split(","):
                continue
            button = {
                "type": "DETAILS",
                "title": "Till",
                "destination": {"type": "WEBSITE", "url": f"{ad.address}?utm_source=x&{ad.tags}"},
            }
            row = {"id": short(ad.id), "card_uri": uri, "components": [{"type": "MEDIA"}, button]}
        else:
            raise Refused(404, "ROUTE_NOT_FOUND", "The requested resource could not be found")
        found.setdefault(
            str(row["id"]), {**row, "deleted": is_over and name in ("campaigns", "line_items", "promoted_tweets")}
        )
    return list(found.values())


def _metrics(days: list[AdDay | None], placement: str, groups: list[str]) -> dict[str, Any]:
    def of(name: str, factor: int = 1) -> list[int] | None:
        values = [_part(day, name, placement) * factor if day else 0 for day in days]
        return values if any(values) else None

    sets: dict[str, dict[str, Any]] = {
        "ENGAGEMENT": {
            "impressions": of("impressions"), "url_clicks": of("clicks"), "clicks": of("clicks", 2), "retweets": None,
        },
        "BILLING": {"billed_charge_local_micro": of("cost_cents", 10_000), "billed_engagements": of("clicks")},
        "VIDEO": {"video_total_views": of("video_views")},
        "WEB_CONVERSION": {
            "conversion_purchases": _converted(of("sales"), of("sales_cents", 10_000)),
            "conversion_sign_ups": _converted(of("leads"), None),
            "conversion_site_visits": _converted(of("clicks"), None),
            "conversion_downloads": None,
        },
    }  # fmt: skip
    return {name: value for group in groups for name, value in sets[group].items()}


def _converted(counts: list[int] | None, amounts: list[int] | None) -> dict[str, Any] | None:
    if counts is None:
        return None
    return {"metric": counts, "order_quantity": counts, "sale_amount": amounts, "assisted": None}


def _part(day: AdDay, name: str, placement: str) -> int:
    if name == "sales_cents":
        return _part(day, "sales", placement) * networks.SALE_CENTS
    whole = getattr(day, name)
    spotlight = int(whole * SPOTLIGHT_SHARE) if day.ad.is_video else 0
    return {"ALL_ON_TWITTER": whole - spotlight, "SPOTLIGHT": spotlight}.get(placement, 0)


def _days(start: str, end: str) -> tuple[date, date]:
    """[first day, day after the last); both ends are midnights of the account."""
    zone = ZoneInfo(kontorra.TIME_ZONE)
    moments = [datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(zone) for text in (start, end)]
    if any((moment.hour, moment.minute) != (0, 0) for moment in moments):
        raise Refused(400, "INVALID_TIME_WINDOW", "start_time and end_time must be at midnight", parameter="start_time")
    first, after = moments[0].date(), moments[1].date()
    if not 0 < (after - first).days <= MOST_DAYS:
        raise Refused(400, "INVALID_TIME_WINDOW", "the window is too long", parameter="end_time")
    return first, after


def _check_signature(request: Request, form: list[tuple[str, str]]) -> None:
    """As RFC 5849 has it, on its own: from the header's parts back to what was signed."""
    header = request.headers.get("authorization", "")
    told = {name: unquote(value) for name, value in re.findall(r'(\w+)="([^"]*)"', header)}
    signature = told.pop("oauth_signature", "")
    if (told.get("oauth_consumer_key"), told.get("oauth_token")) != (KEY, TOKEN):
        raise Refused(401, "UNAUTHORIZED_ACCESS", "This request is not properly authenticated")
    pairs = [*request.query_params.multi_items(), *form, *told.items()]
    encoded = sorted([quote(part, safe="-._~") for part in pair] for pair in pairs)
    where = f"{request.url.scheme}://{request.url.netloc}{request.url.path}"
    base = "&".join(quote(part, safe="") for part in (request.method, where, "&".join(map("=".join, encoded))))
    made = hmac.digest(f"{SECRET}&{TOKEN_SECRET}".encode(), base.encode(), "sha1")
    if not hmac.compare_digest(base64.b64encode(made).decode(), signature):
        raise Refused(401, "UNAUTHORIZED_ACCESS", "This request is not properly authenticated")


def variables(served: Served) -> dict[str, str]:
    return {
        "X_ADS_CONSUMER_KEY": KEY,
        "X_ADS_CONSUMER_SECRET": SECRET,
        "X_ADS_ACCESS_TOKEN": TOKEN,
        "X_ADS_ACCESS_TOKEN_SECRET": TOKEN_SECRET,
        "X_ADS_ACCOUNT_ID": ACCOUNT,
        "X_ADS_BASE_URL": served.at,
    }


def app(company: Company, clock: Clock, faults: Faults) -> ASGIApp:
    api = Api(company, clock, faults)
    return Starlette(
        routes=[
            Route("/files/{name}", api.file),
            Route("/12/stats/jobs/accounts/{account}", api.answer, methods=["GET", "POST"]),
            Route("/12/stats/accounts/{account}/active_entities", api.answer),
            Route("/12/accounts/{account}", api.answer),
            Route("/12/accounts/{account}/{rest:path}", api.answer),
        ]
    )
