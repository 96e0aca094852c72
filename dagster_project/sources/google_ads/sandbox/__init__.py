"""The sandbox's Google Ads: OAuth token endpoint and `googleAds:searchStream`, as Google answers.

What Google refuses is refused with its codes: metrics of a manager account, days that are too old, accounts
that are cancelled or reached without their manager, versions that have been switched off; and what the query
language does not allow (`gaql.py`).
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from functools import reduce
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pyarrow as pa
import pyarrow.compute as pc
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from dagster_project.sandbox import company as kontorra
from dagster_project.sandbox.endpoints import Served
from dagster_project.sandbox.faults import Answer, FaultAnswers, Faults
from dagster_project.sources.google_ads.sandbox.gaql import Query, Refusal, bad, parse

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from dagster_project.sandbox.company import Company
    from dagster_project.sandbox.server import Clock

VENDOR = "google_ads"
SERVED_VERSIONS, BLOCKED_VERSIONS = range(21, 27), range(13, 21)  # older ones answer 404 with a web page
BATCH_ROWS = 1_000  # Google: 10,000; fewer here, so that a small company has several batches
TOKEN_SECONDS = 3_599
DAILY_MONTHS_BACK, CLICK_DAYS_BACK = 37, 90

# What the endpoint accepts; the company's account is below an agency's.
CUSTOMER_ID, MANAGER_ID = "1234567890", "9876543210"
DEVELOPER_TOKEN = "sandbox-developer-token"
CLIENT_ID, CLIENT_SECRET = "sandbox-client-id", "sandbox-client-secret"
REFRESH_TOKEN = "sandbox-refresh-token"
# Google's words for what the company's campaigns are.
CHANNEL_TYPES = {
    "search": "SEARCH",
    "display": "DISPLAY",
    "shopping": "SHOPPING",
    "video": "VIDEO",
    "demand": "DEMAND_GEN",
    "everywhere": "PERFORMANCE_MAX",
}
STATUSES = {"running": "ENABLED", "paused": "PAUSED", "ended": "REMOVED"}
# Below the manager, beside the company's account: one that never ran an ad, one that was closed.
IDLE_CUSTOMER_ID, CANCELED_CUSTOMER_ID = "2223334444", "5556667777"


def quota_refusal(retry_delay_seconds: int) -> Refusal:
    details = {
        "rateScope": "DEVELOPER",
        "rateName": "Number of operations for basic access",
        "retryDelay": f"{retry_delay_seconds}s",
    }
    message = f"Too many requests. Retry in {retry_delay_seconds} seconds."
    return Refusal("RESOURCE_EXHAUSTED", "quotaError", "RESOURCE_EXHAUSTED", message, {"quotaErrorDetails": details})


def _expired() -> Refusal:
    message = "OAuth token in the header has expired."
    return Refusal("UNAUTHENTICATED", "authenticationError", "OAUTH_TOKEN_EXPIRED", message)


def _transient() -> Refusal:
    return Refusal("UNAVAILABLE", "internalError", "TRANSIENT_ERROR", "A transient internal error occurred.")


FAULT_ANSWERS: FaultAnswers = {
    "throttle": Answer(429, quota_refusal(1).body()),
    "server_error": Answer(503, _transient().body()),
    "expired_token": Answer(401, _expired().body()),
}


# ---- rows --------------------------------------------------------------------------------------------------


def _stats(company: Company, clock: Clock, query: Query) -> pa.Table:
    """Rows of the report by field name; a row whose selected metrics are all zero is not reported."""
    first, last = query.days()
    if first > last:
        raise bad("dateRangeError", "START_DATE_AFTER_END_DATE", "The start date was after the end date.")
    if first < _months_before(clock.today(), DAILY_MONTHS_BACK):
        raise bad(
            "dateRangeError",
            "REQUESTED_DATE_GRANULARITY_NOT_SUPPORTED",
            "The requested time granularity is not supported for the date range in the query.",
        )
    stats = _in_googles_words(company.ad_stats_as_of(clock.now()))
    stats = stats.filter(pc.and_(pc.greater_equal(stats["date"], first), pc.less_equal(stats["date"], last)))
    campaign = ["date", "campaign_id", "campaign_name", "campaign_status", "channel_type"]
    ad = ["ad_group_id", "ad_group_name", "ad_id", "ad_name"]
    measures = ["impressions", "clicks", "cost_micros", "conversions", "conversions_value"]
    names = {
        "date": "segments.date",
        "campaign_id": "campaign.id",
        "campaign_name": "campaign.name",
        "campaign_status": "campaign.status",
        "channel_type": "campaign.advertising_channel_type",
        "ad_group_id": "ad_group.id",
        "ad_group_name": "ad_group.name",
        "ad_id": "ad_group_ad.ad.id",
        "ad_name": "ad_group_ad.ad.name",
        **{measure: f"metrics.{measure}" for measure in measures},
    }
    if query.resource == "ad_group_ad":
        stats = stats.filter(pc.is_valid(stats["ad_id"]))
        keys = [*campaign, *ad]
    else:
        keys = campaign
    rows = stats.group_by(keys, use_threads=False).aggregate([(measure, "sum") for measure in measures])
    rows = rows.rename_columns([name.removesuffix("_sum") for name in rows.column_names])
    rows = rows.rename_columns([names[name] for name in rows.column_names])
    metrics = [field for field in query.fields if field.startswith("metrics.")]
    if not metrics:  # segmenting without a metric gives nothing
        return rows.slice(0, 0)
    rows = rows.filter(reduce(pc.or_, (pc.not_equal(rows[metric], 0) for metric in metrics)))
    by_day = [("segments.date", "ascending")] if "segments.date" in query.order else []
    ids = [(name, "ascending") for name in ("campaign.id", "ad_group_ad.ad.id") if name in rows.column_names]
    return rows.sort_by([*by_day, *ids] if by_day else [*ids, ("segments.date", "ascending")])


def _in_googles_words(stats: pa.Table) -> pa.Table:
    columns = {name: stats[name] for name in stats.column_names}
    for name, words in (("campaign_status", STATUSES), ("channel_type", CHANNEL_TYPES)):
        columns[name] = pa.array([words[word] for word in columns[name].to_pylist()], pa.string())
    columns["cost_micros"] = pc.multiply(columns.pop("cost_cents"), 10_000)
    return pa.table(columns)


def _clicks(company: Company, clock: Clock, query: Query, customer_id: str) -> pa.Table:
    first, last = query.days()
    if first != last:
        message = "Queries including click view must filter on a single day."
        raise bad("clickViewError", "EXPECTED_FILTER_ON_A_SINGLE_DAY", message)
    if first < clock.today() - timedelta(days=CLICK_DAYS_BACK):
        raise bad("clickViewError", "DATE_TOO_OLD", "The requested date is too old.")
    clicks = company.ad_clicks_as_of(clock.now())
    clicks = clicks.filter(pc.equal(clicks["date"], first)).sort_by("gclid")
    campaigns = {campaign.id: campaign for campaign in company.ad_campaigns}
    of = [campaigns[campaign_id] for campaign_id in clicks["campaign_id"].to_pylist()]
    ads = [
        f"customers/{customer_id}/adGroupAds/{group}~{ad}" if ad else None
        for group, ad in zip(clicks["ad_group_id"].to_pylist(), clicks["ad_id"].to_pylist(), strict=True)
    ]
    return pa.table(
        {
            "segments.date": clicks["date"],
            "click_view.gclid": clicks["gclid"],
            "click_view.ad_group_ad": pa.array(ads, pa.string()),
            "campaign.id": clicks["campaign_id"],
            "campaign.name": [campaign.name_as_of(clock.now()) for campaign in of],
            "campaign.status": [STATUSES[campaign.status_as_of(clock.now())] for campaign in of],
            "campaign.advertising_channel_type": [CHANNEL_TYPES[campaign.channel_type] for campaign in of],
            "ad_group.id": clicks["ad_group_id"],
            "ad_group.name": pa.nulls(clicks.num_rows, pa.string()),
            "metrics.clicks": pa.array([1] * clicks.num_rows, pa.int64()),
        }
    )


def _clients() -> list[dict[str, Any]]:
    """The hierarchy below the manager, itself included."""
    currency, zone = kontorra.CURRENCY, kontorra.TIME_ZONE
    accounts = [
        (MANAGER_ID, True, "ENABLED", 0, f"{kontorra.NAME} agency"),
        (CUSTOMER_ID, False, "ENABLED", 1, kontorra.NAME),
        (IDLE_CUSTOMER_ID, False, "ENABLED", 1, f"{kontorra.NAME} (not started)"),
        (CANCELED_CUSTOMER_ID, False, "CANCELED", 1, f"{kontorra.NAME} (old)"),
    ]
    return [
        {
            "customer_client.id": id,
            "customer_client.manager": is_manager,
            "customer_client.status": status,
            "customer_client.level": level,
            "customer_client.descriptive_name": name,
            "customer_client.currency_code": currency,
            "customer_client.time_zone": zone,
        }
        for id, is_manager, status, level, name in accounts
    ]


def _customer(customer_id: str) -> dict[str, Any]:
    client = next(client for client in _clients() if client["customer_client.id"] == customer_id)
    return {field.replace("customer_client.", "customer."): value for field, value in client.items()}


def _months_before(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, 28))


def _json(fields: list[str], row: Mapping[str, Any], customer_id: str) -> dict[str, Any]:
    """A row as proto JSON: camelCase, int64 as text, and what is zero, empty or false left out."""
    message: dict[str, Any] = {}
    for field in fields:
        *path, leaf = [_camel(part) for part in field.split(".")]
        place = message
        for name in path:
            place = place.setdefault(name, {})
        value = row.get(field)
        if isinstance(value, date):
            value = value.isoformat()
        elif isinstance(value, int) and not isinstance(value, bool):
            value = str(value) if value else None
        if value:
            place[leaf] = value
    names = {"campaign": ("campaigns", "campaign.id"), "adGroup": ("adGroups", "ad_group.id")}
    for name, (collection, id_field) in names.items():
        if name in message and row.get(id_field):
            message[name]["resourceName"] = f"customers/{customer_id}/{collection}/{row[id_field]}"
    if "customer" in message:
        message["customer"]["resourceName"] = f"customers/{customer_id}"
    return {name: place for name, place in message.items() if place}


def _camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)


# ---- the API -----------------------------------------------------------------------------------------------


class _GoogleAds:
    def __init__(self, company: Company, clock: Clock, faults: Faults) -> None:
        self._company, self._clock, self._faults = company, clock, faults
        self._tokens: dict[str, float] = {}  # access token -> when it expires (monotonic)
        self._lock = threading.Lock()

    async def token(self, request: Request) -> Response:
        """https://developers.google.com/identity/protocols/oauth2/web-server#offline"""
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        client = (form.get("client_id"), form.get("client_secret"))
        if client != (CLIENT_ID, CLIENT_SECRET):
            body = {"error": "invalid_client", "error_description": "The OAuth client was not found."}
            return JSONResponse(body, 401)
        if form.get("grant_type") != "refresh_token":
            body = {"error": "unsupported_grant_type", "error_description": "Invalid grant_type."}
            return JSONResponse(body, 400)
        if form.get("refresh_token") != REFRESH_TOKEN:
            body = {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}
            return JSONResponse(body, 400)
        with self._lock:
            access_token = f"ya29.sandbox-{len(self._tokens) + 1}"
            self._tokens[access_token] = time.monotonic() + TOKEN_SECONDS
        return JSONResponse(
            {
                "access_token": access_token,
                "expires_in": TOKEN_SECONDS,
                "scope": "https://www.googleapis.com/auth/adwords",
                "token_type": "Bearer",
            }
        )

    async def search_stream(self, request: Request) -> Response:
        version, customer_id = request.path_params["version"], request.path_params["customer_id"]
        try:
            if response := self._version_answer(version):
                return response
            self._authorise(request, customer_id)
            try:
                query = parse(json.loads(await request.body())["query"])
            except (ValueError, KeyError, TypeError):
                raise bad("requestError", "REQUIRED_FIELD_MISSING", "The required field was not present.") from None
            call = f"{request.method} {request.url.path}"
            rows = await run_in_threadpool(self._rows, query, customer_id, call)
        except Refusal as refusal:
            return refusal.answer(version)
        return StreamingResponse(_batches(rows, query.fields), media_type="application/json; charset=UTF-8")

    def _version_answer(self, version: str) -> Response | None:
        number = int(version[1:]) if re.fullmatch(r"v\d+", version) else -1
        if number in BLOCKED_VERSIONS:
            message = f" Version {version} is deprecated. Requests to this version will be blocked."
            raise bad("requestError", "UNSUPPORTED_VERSION", message)
        if number not in SERVED_VERSIONS:
            return HTMLResponse("<!DOCTYPE html><html lang=en><title>Error 404 (Not Found)!!1</title></html>", 404)
        return None

    def _authorise(self, request: Request, customer_id: str) -> None:
        """The developer-token header is not looked at: Google has ignored it since 9 September 2026."""
        scheme, _, access_token = request.headers.get("authorization", "").partition(" ")
        with self._lock:
            expires = self._tokens.get(access_token) if scheme == "Bearer" else None
        if expires is None:
            code, message = "OAUTH_TOKEN_INVALID", "OAuth token in the header is not valid."
            raise Refusal("UNAUTHENTICATED", "authenticationError", code, message)
        if expires < time.monotonic():
            raise _expired()
        if not any(client["customer_client.id"] == customer_id for client in _clients()):
            code, message = "CUSTOMER_NOT_FOUND", "No customer found for the provided customer ID."
            raise Refusal("UNAUTHENTICATED", "authenticationError", code, message)
        manager = MANAGER_ID  # the user signs in with the agency's account
        if customer_id != manager and request.headers.get("login-customer-id") != manager:
            message = (
                "User doesn't have permission to access customer. Note: If you're accessing a client "
                "customer, the manager's customer ID must be set in the 'login-customer-id' header."
            )
            raise Refusal("PERMISSION_DENIED", "authorizationError", "USER_PERMISSION_DENIED", message)
        if customer_id == CANCELED_CUSTOMER_ID:
            message = "The customer account can't be accessed because it is not yet enabled or has been deactivated."
            raise Refusal("PERMISSION_DENIED", "authorizationError", "CUSTOMER_NOT_ENABLED", message)

    def _rows(self, query: Query, customer_id: str, call: str) -> Iterator[dict[str, Any]]:
        """All rows of the answer, as JSON objects. Refuses before the first row, as Google does."""
        if query.resource == "customer_client":
            is_manager = customer_id == MANAGER_ID
            clients = _clients() if is_manager else [c for c in _clients() if c["customer_client.id"] == customer_id]
            rows = [{**_customer(customer_id), **client} for client in clients]
        elif query.resource == "customer":
            rows = [_customer(customer_id)]
        else:
            if customer_id == MANAGER_ID:
                raise bad(
                    "queryError",
                    "REQUESTED_METRICS_FOR_MANAGER",
                    "Metrics cannot be requested for a manager account. To retrieve metrics, issue separate "
                    "requests against each client account under the manager account.",
                )
            if query.resource == "click_view":
                table = _clicks(self._company, self._clock, query, customer_id)
            else:
                table = _stats(self._company, self._clock, query)
            table = table.slice(0, 0) if customer_id == IDLE_CUSTOMER_ID else table
            rows = [{**_customer(customer_id), **row} for row in table.to_pylist()]
        chosen = [row for row in rows if query.accepts(row)][: query.limit]
        is_drifting = self._faults.take(VENDOR, "unknown_field", call) is not None
        return (
            {**row, "metrics": {**row.get("metrics", {}), "allConversions": 2.5}} if is_drifting else row
            for row in (_json(query.fields, row, customer_id) for row in chosen)
        )


def _batches(rows: Iterator[dict[str, Any]], fields: list[str]) -> Iterator[bytes]:
    """A JSON array of batches; `[]` when there is no row."""
    mask = ",".join(".".join(_camel(part) for part in field.split(".")) for field in fields)
    opening = b"["
    batch: list[dict[str, Any]] = []

    def encoded() -> bytes:
        answer = {"results": batch, "fieldMask": mask, "requestId": "sandboxRequest0000000A"}
        return json.dumps({**answer, "queryResourceConsumption": str(len(batch))}).encode()

    for row in rows:
        batch.append(row)
        if len(batch) == BATCH_ROWS:
            yield opening + encoded()
            batch, opening = [], b"\n,\r\n"
    if batch:
        yield opening + encoded()
        opening = b""
    yield b"[]" if opening == b"[" else b"\n]"


def variables(served: Served) -> dict[str, str]:
    return {
        "GOOGLE_ADS_DEVELOPER_TOKEN": DEVELOPER_TOKEN,
        "GOOGLE_ADS_CLIENT_ID": CLIENT_ID,
        "GOOGLE_ADS_CLIENT_SECRET": CLIENT_SECRET,
        "GOOGLE_ADS_REFRESH_TOKEN": REFRESH_TOKEN,
        "GOOGLE_ADS_CUSTOMER_ID": CUSTOMER_ID,
        "GOOGLE_ADS_LOGIN_CUSTOMER_ID": MANAGER_ID,
        "GOOGLE_ADS_BASE_URL": served.at,
        "GOOGLE_OAUTH_TOKEN_URL": f"{served.at}/token",
    }


def app(company: Company, clock: Clock, faults: Faults) -> ASGIApp:
    google = _GoogleAds(company, clock, faults)
    return Starlette(
        routes=[
            Route("/token", google.token, methods=["POST"]),
            Route(
                "/{version}/customers/{customer_id}/googleAds:searchStream",
                google.search_stream,
                methods=["POST"],
            ),
        ]
    )
