"""Mailchimp's Marketing API as the sandbox serves it: the account, and reports of campaigns that were sent.

Pages by count and offset; `since_send_time` is exclusive, `before_send_time` inclusive; `fields` and `exclude_fields` choose.
Two accounts, a key each: the company's newsletters, and one that has sent nothing.

https://mailchimp.com/developer/marketing/api/reports/list-campaign-reports/
"""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from dagster_project.sandbox.company import NAME as COMPANY
from dagster_project.sandbox.company.mailings import Mailing, mailings_as_of
from dagster_project.sandbox.endpoints import Served
from dagster_project.sandbox.faults import Answer, FaultAnswers, Faults

if TYPE_CHECKING:
    from dagster_project.sandbox.company import Company
    from dagster_project.sandbox.server import Clock

VENDOR = "mailchimp"
KEY, SILENT_KEY = "0123456789abcdef0123456789abcdef-us21", "fedcba9876543210fedcba9876543210-us21"
ACCOUNTS = {KEY: "8d3a3db4d97663a9074efcc16", SILENT_KEY: "1f00000000000000000000001"}
LIST = "a1b2c3d4e5"
MOST = 1000


def _problem(status: int, title: str, detail: str) -> dict[str, Any]:
    return {
        "type": "https://mailchimp.com/developer/marketing/docs/errors/",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": "00000000-0000-0000-0000-000000000000",
    }


_INVALID = _problem(
    401, "API Key Invalid", "Your API key may be invalid, or you've attempted to access the wrong datacenter."
)
FAULT_ANSWERS: FaultAnswers = {
    "throttle": Answer(
        429, _problem(429, "Too Many Requests", "You have exceeded the limit of 10 simultaneous connections.")
    ),
    "server_error": Answer(500, _problem(500, "Internal Server Error", "An unexpected internal error has occurred.")),
    "expired_token": Answer(401, _INVALID),
}


def variables(served: Served) -> dict[str, str]:
    return {"MAILCHIMP_API_KEY": KEY, "MAILCHIMP_BASE_URL": served.at}


def app(company: Company, clock: Clock, faults: Faults) -> Starlette:
    def root(request: Request) -> JSONResponse:
        key = _key(request)
        if key not in ACCOUNTS:
            return JSONResponse(_INVALID, 401)
        account = {"account_id": ACCOUNTS[key], "account_name": COMPANY, "role": "viewer", "_links": []}
        return JSONResponse(_chosen(account, "", request))

    def reports(request: Request) -> JSONResponse:
        key, asked = _key(request), request.query_params
        if key not in ACCOUNTS:
            return JSONResponse(_INVALID, 401)
        how_many, offset = int(asked.get("count", 10)), int(asked.get("offset", 0))
        if how_many > MOST:
            said = "The resource submitted could not be validated. For field-specific details, see the 'errors' array."
            return JSONResponse(_problem(400, "Invalid Resource", said), 400)
        now = clock.now()
        found = [_report(each) for each in mailings_as_of(company, now)] if key == KEY else []
        if since := asked.get("since_send_time"):
            found = [each for each in found if _at(each["send_time"]) > _at(since)]
        if before := asked.get("before_send_time"):
            found = [each for each in found if _at(each["send_time"]) <= _at(before)]
        found.reverse()  # the newest first
        page = found[offset : offset + how_many]
        where = f"{request.method} {request.url.path}"
        if page and faults.take(VENDOR, "unknown_field", where):
            page[0]["opens"]["bot_excluded_opens"] = 1
        chosen = [_chosen(each, "reports.", request) for each in page]
        answer = {"reports": chosen, "total_items": len(found), "_links": []}
        return JSONResponse(_chosen(answer, "", request) | {"reports": chosen})

    return Starlette(routes=[Route("/3.0/", root), Route("/3.0/reports", reports)])


def _key(request: Request) -> str:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    try:
        return base64.b64decode(given).decode().partition(":")[2] if scheme == "Basic" else given
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _chosen(whole: dict[str, Any], path: str, request: Request) -> dict[str, Any]:
    """Only the fields that were asked for; a name may be that of a whole object."""
    fields = request.query_params.get("fields")
    if fields is None:
        return whole
    wanted = {name.removeprefix(path).partition(".")[0] for name in fields.split(",") if name.startswith(path)}
    return {name: value for name, value in whole.items() if name in wanted}


def _report(mailing: Mailing) -> dict[str, Any]:
    delivered = mailing.sent - mailing.gone - mailing.busy
    at = f"{mailing.sent_at:%Y-%m-%dT%H:%M:%S}+00:00"
    return {
        "id": sha256(mailing.name.encode()).hexdigest()[:10],
        "campaign_title": mailing.name,
        "type": "regular",
        "list_id": LIST,
        "list_is_active": True,
        "list_name": COMPANY,
        "subject_line": "What is new",
        "emails_sent": mailing.sent,
        "abuse_reports": mailing.complaints,
        "unsubscribed": mailing.leavers,
        "send_time": at,
        "bounces": {"hard_bounces": mailing.gone, "soft_bounces": mailing.busy, "syntax_errors": 0},
        "opens": {
            "opens_total": mailing.opens,
            "proxy_excluded_opens": mailing.opens * 45 // 100,
            "unique_opens": mailing.openers,
            "proxy_excluded_unique_opens": mailing.openers_themselves,
            "open_rate": round(mailing.openers / delivered, 4),
            "proxy_excluded_open_rate": round(mailing.openers_themselves / delivered, 4),
            "last_open": at if mailing.openers else "",
        },
        "clicks": {
            "clicks_total": mailing.clicks,
            "unique_clicks": mailing.clicks,
            "unique_subscriber_clicks": mailing.clickers,
            "click_rate": round(mailing.clickers / delivered, 4),
            "last_click": at if mailing.clicks else "",
        },
        "list_stats": {"sub_rate": 12.0, "unsub_rate": 3.0, "open_rate": 38.5, "click_rate": 5.1},
        "ecommerce": {"total_orders": 0, "total_spent": 0.0, "total_revenue": 0.0},
        "_links": [],
    }
