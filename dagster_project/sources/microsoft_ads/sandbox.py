"""The sandbox's Microsoft Advertising: a token endpoint, reports that are submitted, polled and downloaded as a ZIP.

Of three accounts one is the company's, one never ran an ad, a third is another customer's. A report is pending at the first
look. One without rows is a success without an address; an address is good for five minutes, and refuses a token. One
campaign is of the kind that has no ads: only the campaigns' report knows it.
"""

from __future__ import annotations

import csv
import io
import json
import threading
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dagster_project.sandbox import company as kontorra
from dagster_project.sandbox.company import networks
from dagster_project.sandbox.company.networks import AdDay
from dagster_project.sandbox.endpoints import Served
from dagster_project.sandbox.faults import Answer, FaultAnswers, Faults

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from dagster_project.sandbox.company import Company
    from dagster_project.sandbox.server import Clock

VENDOR = "microsoft_ads"
NETWORK = "third_search"
CLIENT, SECRET, SIGNED_IN = "sandbox-entra-app", "sandbox-entra-secret", "sandbox-entra-refresh"
TOKEN, DEVELOPER_TOKEN = "sandbox-microsoft-token", "sandbox-developer-token"
CUSTOMER = "7007007"
ACCOUNT, IDLE_ACCOUNT, FOREIGN_ACCOUNT = "41000001", "41000002", "41000003"
WITHOUT_ADS = "Everything"  # the campaign of the kind that has none
LINK_MINUTES = 5
MONTHS_KEPT = 36
GOALS = {"Demo request": ("Event", "leads"), "Purchase": ("Url", "sales")}
SUFFIX = "utm_source=bing&utm_medium=cpc"
OF_CAMPAIGNS = {
    "TimePeriod", "AccountId", "AccountName", "CurrencyCode", "CampaignId", "CampaignName", "CampaignType",
}  # fmt: skip
OF_ADS = {
    "AdGroupId",
    "AdGroupName",
    "AdId",
    "AdTitle",
    "FinalUrl",
    "FinalUrlSuffix",
    "TrackingTemplate",
    "CustomParameters",
}
FIGURES = {
    "Impressions", "Clicks", "Spend", "VideoViews", "Conversions", "ConversionsQualified", "Revenue",
    "AllConversionsQualified", "AllRevenue",
}  # fmt: skip
BY_GOAL = {"Goal", "GoalType"}
NOT_BY_GOAL = {"Impressions", "Clicks", "Spend", "VideoViews"}
KINDS = {
    "CampaignPerformanceReportRequest": OF_CAMPAIGNS | FIGURES | BY_GOAL,
    "AdPerformanceReportRequest": OF_CAMPAIGNS | OF_ADS | FIGURES | BY_GOAL,
}


def fault(code: int, name: str, message: str, *, kind: str = "AdApiFaultDetail") -> dict[str, Any]:
    body: dict[str, Any] = {"TrackingId": "65602e3d-f6ff-4968-920c-e420989c9e31", "Type": kind}
    each = {"Code": code, "ErrorCode": name, "Message": message}
    if kind == "ApiFaultDetail":
        return {**body, "OperationErrors": [{**each, "Details": None}], "BatchErrors": []}
    return {**body, "Errors": [{**each, "Detail": None}]}


EXPIRED = fault(109, "AuthenticationTokenExpired", "Authentication token expired. Please renew the token.")
TOO_MANY = fault(
    117, "CallRateExceeded", "You have exceeded the number of calls that you are allowed to make in a minute."
)
FAULT_ANSWERS: FaultAnswers = {
    "throttle": Answer(429, TOO_MANY),
    "server_error": Answer(500, fault(0, "InternalError", "An internal error has occurred.")),
    "expired_token": Answer(401, EXPIRED),
}


class Refused(Exception):
    def __init__(self, body: dict[str, Any], status: int = 400) -> None:
        super().__init__(json.dumps(body))
        self.answer = JSONResponse(body, status)


@dataclass
class Made:
    """A report that was asked for."""

    account: str
    asked: Mapping[str, Any]
    looks: int = 0
    linked_at: datetime | None = None


class Reporting:
    """One endpoint with its reports."""

    def __init__(self, company: Company, clock: Clock, faults: Faults) -> None:
        self._company, self._clock, self._faults = company, clock, faults
        self._reports: dict[str, Made] = {}
        self._lock = threading.Lock()

    async def token(self, request: Request) -> Response:
        form = {name: values[-1] for name, values in parse_qs((await request.body()).decode()).items()}
        if form.get("client_id") != CLIENT or form.get("client_secret") != SECRET:
            said = "AADSTS7000215: Invalid client secret provided.\r\nTrace ID: 0"
            return JSONResponse({"error": "invalid_client", "error_description": said}, 401)
        wanted = {"grant_type": "refresh_token", "refresh_token": SIGNED_IN}
        is_scope = "https://ads.microsoft.com/msads.manage" in form.get("scope", "")
        if not is_scope or any(form.get(name) != value for name, value in wanted.items()):
            said = "AADSTS70000: The provided value for the input parameter is not valid.\r\nTrace ID: 0"
            return JSONResponse({"error": "invalid_grant", "error_description": said}, 400)
        return JSONResponse(
            {"token_type": "Bearer", "expires_in": 3600, "access_token": TOKEN, "refresh_token": SIGNED_IN}
        )

    async def answer(self, request: Request) -> Response:
        try:
            if request.headers.get("authorization") != f"Bearer {TOKEN}":
                raise Refused(EXPIRED, 401)
            if request.headers.get("developertoken") != DEVELOPER_TOKEN:
                raise Refused(fault(105, "InvalidCredentials", "Authentication failed."), 401)
            account = request.headers.get("customeraccountid", "")
            if request.headers.get("customerid") != CUSTOMER or account == FOREIGN_ACCOUNT:
                raise Refused(fault(106, "UserIsNotAuthorized", "The user is not authorized to perform this action."))
            body = json.loads(await request.body())
            step = request.path_params["step"]
            return JSONResponse(self._submit(account, body) if step == "Submit" else self._poll(request, body))
        except Refused as refused:
            return refused.answer

    def download(self, request: Request) -> Response:
        made = self._reports.get(request.path_params["name"])
        if "authorization" in request.headers:
            return Response("<Error><Code>InvalidAuthenticationInfo</Code></Error>", 401)
        is_over = not made or not made.linked_at or self._clock.now() - made.linked_at > timedelta(minutes=LINK_MINUTES)
        if is_over or request.query_params.get("sig") != "s1gned":
            return Response("<Error><Code>AuthenticationFailed</Code></Error>", 403)
        text = self._text(request, made) if made else ""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{request.path_params['name']}.csv", "\ufeff" + text)
        return Response(packed.getvalue(), media_type="application/x-zip-compressed")

    # ---- reports -----------------------------------------------------------------------------------------------

    def _submit(self, account: str, body: Mapping[str, Any]) -> dict[str, Any]:
        asked = body.get("ReportRequest")
        if not asked:
            raise Refused(fault(100, "NullRequest", "The request message is null.", kind="ApiFaultDetail"))
        known, columns = KINDS.get(asked.get("Type", ""), set()), set(asked.get("Columns", ()))
        if not known or columns - known or "TimePeriod" not in columns or not columns & FIGURES:
            raise Refused(fault(2005, "ReportingServiceInvalidReport", "columns", kind="ApiFaultDetail"))
        if columns & BY_GOAL and columns & NOT_BY_GOAL:
            raise Refused(fault(2034, "ReportingServiceInvalidReport", "goals by impressions", kind="ApiFaultDetail"))
        scope = [str(each) for each in asked.get("Scope", {}).get("AccountIds", ())]
        if scope != [account] or account not in (ACCOUNT, IDLE_ACCOUNT):
            said = "The report request contains at least one account identifier that is not valid."
            raise Refused(fault(2035, "ReportingServiceInvalidAccountIds", said, kind="ApiFaultDetail"))
        first, _ = _span(asked)
        today = self._clock.today()
        if (today.year - first.year) * 12 + today.month - first.month - (today.day < first.day) >= MONTHS_KEPT:
            said = "The report time contains a custom date range start value that is not valid."
            name = "ReportingServiceInvalidCustomDateRangeStart"
            raise Refused(fault(2009, name, said, kind="ApiFaultDetail"))
        with self._lock:
            name = f"{30_000_000_000 + len(self._reports)}_1"
            self._reports[name] = Made(account, asked)
        return {"ReportRequestId": name}

    def _poll(self, request: Request, body: Mapping[str, Any]) -> dict[str, Any]:
        made = self._reports.get(body.get("ReportRequestId", ""))
        if made is None:
            said = "The report identifier is not valid."
            raise Refused(fault(2100, "ReportingServiceInvalidReportId", said, kind="ApiFaultDetail"))
        made.looks += 1
        address = None
        if made.looks > 1 and self._rows(made):
            made.linked_at = self._clock.now()
            address = f"{str(request.base_url).rstrip('/')}/download/{body['ReportRequestId']}?sig=s1gned"
        status = "Pending" if made.looks == 1 else "Success"
        return {"ReportRequestStatus": {"ReportDownloadUrl": address, "Status": status}}

    def _rows(self, made: Made) -> list[dict[str, str]]:
        if made.account != ACCOUNT:
            return []
        first, last = _span(made.asked)
        shown = networks.days_as_of(self._company.seed, NETWORK, self._clock.now())
        days = [day for day in shown if first <= day.day <= last]
        columns = set(made.asked["Columns"])
        if made.asked["Type"].startswith("Campaign"):
            return list(_of_campaigns(days))
        days = [day for day in days if day.ad.campaign.name != WITHOUT_ADS]
        return [row for day in days for row in (_of_goals(day) if columns & BY_GOAL else [_of_ad(day)])]

    def _text(self, request: Request, made: Made) -> str:
        names, rows = list(made.asked["Columns"]), self._rows(made)
        count = len(rows)
        if self._faults.take(VENDOR, "unknown_field", request.url.path):
            names, rows = [*names, "BrandNew"], [{**row, "BrandNew": "1"} for row in rows]
        if self._faults.take(VENDOR, "duplicate_row", request.url.path):
            rows = [*rows, rows[-1]]
        text = io.StringIO()
        if not made.asked.get("ExcludeReportHeader"):
            text.write(f'"Report Name: x"\r\n"Potential Incomplete Data: true"\r\n"Rows: {count}"\r\n\r\n')
        lines = csv.writer(text, quoting=csv.QUOTE_ALL)
        lines.writerow(names)
        lines.writerows([row.get(name, "") for name in names] for row in rows)
        if not made.asked.get("ExcludeReportFooter"):
            text.write('\r\n"@2026 Microsoft Corporation. All rights reserved. "\r\n')
        return text.getvalue()


def _span(asked: Mapping[str, Any]) -> tuple[date, date]:
    ends = [asked["Time"][name] for name in ("CustomDateRangeStart", "CustomDateRangeEnd")]
    first, last = (date(end["Year"], end["Month"], end["Day"]) for end in ends)
    return first, last


def _of_campaigns(days: Iterable[AdDay]) -> Iterable[dict[str, str]]:
    sums: dict[tuple[date, str], list[AdDay]] = defaultdict(list)
    for day in days:
        sums[day.day, day.ad.campaign.id].append(day)
    for part in sums.values():
        yield {**_campaign(part[0]), **_figures(part)}


def _of_ad(day: AdDay) -> dict[str, str]:
    return {**_campaign(day), **_ad(day), **_figures([day])}


def _of_goals(day: AdDay) -> Iterable[dict[str, str]]:
    for goal, (kind, what) in GOALS.items():
        if count := getattr(day, what):
            worth = day.sales_cents if what == "sales" else 0
            figures = {"AllConversionsQualified": f"{count}.00", "AllRevenue": _money(worth)}
            yield {**_campaign(day), **_ad(day), "Goal": goal, "GoalType": kind, **figures}


def _campaign(day: AdDay) -> dict[str, str]:
    campaign = day.ad.campaign
    return {
        "TimePeriod": str(day.day),
        "AccountId": ACCOUNT,
        "AccountName": "Kontorra",
        "CurrencyCode": kontorra.CURRENCY,
        "CampaignId": campaign.id,
        "CampaignName": campaign.name,
        "CampaignType": "Performance max" if campaign.name == WITHOUT_ADS else "Search",
    }


def _ad(day: AdDay) -> dict[str, str]:
    ad = day.ad
    return {
        "AdGroupId": ad.group_id,
        "AdGroupName": ad.group_name,
        "AdId": ad.id,
        "AdTitle": f'{ad.name}, the "till"',
        "FinalUrl": ad.address,
        "TrackingTemplate": f"{{lpurl}}?{ad.tags}&utm_id={{CampaignId}}&utm_term={{keyword}}",
        "FinalUrlSuffix": SUFFIX,
        "CustomParameters": "",
    }


def _figures(days: list[AdDay]) -> dict[str, str]:
    def total(name: str) -> int:
        return sum(getattr(day, name) for day in days)

    conversions = total("leads") + total("sales")
    return {
        "Impressions": f"{total('impressions'):,}",
        "Clicks": str(total("clicks")),
        "Spend": _money(total("cost_cents")),
        "VideoViews": str(total("video_views")),
        "Conversions": str(conversions),
        "ConversionsQualified": f"{conversions}.00",
        "Revenue": _money(total("sales_cents")),
    }


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"


def variables(served: Served) -> dict[str, str]:
    return {
        "MICROSOFT_ADS_DEVELOPER_TOKEN": DEVELOPER_TOKEN,
        "MICROSOFT_ADS_CLIENT_ID": CLIENT,
        "MICROSOFT_ADS_CLIENT_SECRET": SECRET,
        "MICROSOFT_ADS_REFRESH_TOKEN": SIGNED_IN,
        "MICROSOFT_ADS_CUSTOMER_ID": CUSTOMER,
        "MICROSOFT_ADS_ACCOUNT_ID": ACCOUNT,
        "MICROSOFT_ADS_BASE_URL": served.at,
        "MICROSOFT_ADS_TOKEN_URL": f"{served.at}/common/oauth2/v2.0/token",
    }


def app(company: Company, clock: Clock, faults: Faults) -> ASGIApp:
    reporting = Reporting(company, clock, faults)
    return Starlette(
        routes=[
            Route("/common/oauth2/v2.0/token", reporting.token, methods=["POST"]),
            Route("/Reporting/v13/GenerateReport/{step}", reporting.answer, methods=["POST"]),
            Route("/download/{name}", reporting.download),
        ]
    )
