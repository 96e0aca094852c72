"""Meta's Graph API as the sandbox serves pages and Instagram accounts: a node, and the fields of it that are asked for.

One page and one account of the company, and a page that the token is not assigned to. Throttling is a 400.

https://developers.facebook.com/docs/graph-api/reference/page
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from dagster_project.sandbox.company import NAME as COMPANY
from dagster_project.sandbox.company.followers import followers_as_of
from dagster_project.sandbox.endpoints import Served
from dagster_project.sandbox.faults import Answer, FaultAnswers, Faults

if TYPE_CHECKING:
    from dagster_project.sandbox.company import Company
    from dagster_project.sandbox.server import Clock

VENDOR = "meta_social"
TOKEN = "EAAsandboxsocial"
PAGE, ACCOUNT, FOREIGN_PAGE = "100000000000001", "17840000000000001", "100000000000009"
VERSIONS = ("v25.0", "v26.0", "v27.0")


def _error(code: int, message: str, **more: Any) -> dict[str, Any]:
    return {
        "error": {"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "AAAAAAAAAAAAAAAAA", **more}
    }


_USAGE = [
    {"type": "pages", "call_count": 100, "total_cputime": 20, "total_time": 30, "estimated_time_to_regain_access": 1}
]
FAULT_ANSWERS: FaultAnswers = {
    "throttle": Answer(
        400,
        _error(80001, "(#80001) There have been too many calls to this Page account. Wait a bit and try again."),
        {"x-business-use-case-usage": json.dumps({PAGE: _USAGE})},
    ),
    "server_error": Answer(500, _error(2, "An unexpected error has occurred. Please retry your request later.")),
    "expired_token": Answer(
        400,
        _error(
            190,
            "Error validating access token: Session has expired on Thursday, 26-Nov-26 10:00:00 PST.",
            error_subcode=463,
        ),
    ),
}


def variables(served: Served) -> dict[str, str]:
    return {
        "META_SOCIAL_ACCESS_TOKEN": TOKEN,
        "FACEBOOK_PAGE_IDS": PAGE,
        "INSTAGRAM_ACCOUNT_IDS": ACCOUNT,
        "META_SOCIAL_BASE_URL": served.at,
    }


def app(company: Company, clock: Clock, faults: Faults) -> Starlette:
    def node(request: Request) -> JSONResponse:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if TOKEN not in (given, request.query_params.get("access_token")):
            return JSONResponse(_error(190, "Invalid OAuth access token - Cannot parse access token"), 400)
        version, number = request.path_params["version"], request.path_params["node"]
        if version not in VERSIONS:
            said = f"(#2635) You are calling a deprecated version of the Ads API. Please update to the latest version: {VERSIONS[-1]}."
            return JSONResponse(_error(2635, said), 400)
        if number == FOREIGN_PAGE:
            said = "(#10) This endpoint requires the 'pages_read_engagement' permission"
            return JSONResponse(_error(10, said), 403)
        if number not in (PAGE, ACCOUNT):
            said = (
                f"Unsupported get request. Object with ID '{number}' does not exist, cannot be loaded due to missing "
                "permissions, or does not support this operation"
            )
            return JSONResponse(_error(100, said, error_subcode=33), 400)
        known = _page(clock) if number == PAGE else _account(clock)
        answer: dict[str, Any] = {}
        for name in re.split(r"\s*,\s*", request.query_params.get("fields", "id")):
            if name not in known:
                return JSONResponse(_error(100, f"(#100) Tried accessing nonexisting field ({name})"), 400)
            answer[name] = known[name]
        if faults.take(VENDOR, "unknown_field", f"{request.method} {request.url.path}"):
            answer["profile_views_count"] = 3
        return JSONResponse({**answer, "id": number}, headers={"facebook-api-version": version})

    return Starlette(routes=[Route("/{version}/{node}", node)])


def _page(clock: Clock) -> dict[str, Any]:
    followers = followers_as_of("friends", clock.now())
    return {"id": PAGE, "name": COMPANY, "followers_count": followers, "fan_count": followers - 375}


def _account(clock: Clock) -> dict[str, Any]:
    followers = followers_as_of("photos", clock.now())
    return {
        "id": ACCOUNT, "username": "kontorra", "followers_count": followers, "follows_count": 87, "media_count": 512,
    }  # fmt: skip
