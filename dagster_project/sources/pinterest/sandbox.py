"""Pinterest's API as the sandbox serves it: the account of the token's owner, and tokens by refresh with Basic auth.

https://developers.pinterest.com/docs/api/v5/user_account-get
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

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

VENDOR = "pinterest"
TOKEN, RENEWED = "pina_sandbox", "pina_renewed"
CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN = "1500000", "pin-secret", "pinr_sandbox"
_NOBODY = {"code": 2, "message": "Authentication failed."}
FAULT_ANSWERS: FaultAnswers = {
    "throttle": Answer(429, {"code": 8, "message": "This request exceeded a rate limit. Retry after some time."}),
    "server_error": Answer(500, {"code": 500, "message": "Unexpected error"}),
    "expired_token": Answer(401, _NOBODY),
}


def variables(served: Served) -> dict[str, str]:
    return {
        "PINTEREST_ACCESS_TOKEN": TOKEN,
        "PINTEREST_CLIENT_ID": CLIENT_ID,
        "PINTEREST_CLIENT_SECRET": CLIENT_SECRET,
        "PINTEREST_REFRESH_TOKEN": REFRESH_TOKEN,
        "PINTEREST_BASE_URL": served.at,
        "PINTEREST_TOKEN_URL": f"{served.at}/v5/oauth/token",
    }


def app(company: Company, clock: Clock, faults: Faults) -> Starlette:
    basic = "Basic " + base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()

    async def token(request: Request) -> JSONResponse:
        form = dict(parse_qsl((await request.body()).decode()))
        if request.headers.get("authorization") != basic or form.get("refresh_token") != REFRESH_TOKEN:
            return JSONResponse(_NOBODY, 401)
        return JSONResponse({"access_token": RENEWED, "token_type": "bearer", "expires_in": 2_592_000})

    def account(request: Request) -> JSONResponse:
        if request.headers.get("authorization") not in (f"Bearer {TOKEN}", f"Bearer {RENEWED}"):
            return JSONResponse(_NOBODY, 401)
        found: dict[str, Any] = {
            "account_type": "BUSINESS", "id": "2783136121146311751", "profile_image": "", "website_url": "",
            "username": "kontorra", "about": "", "business_name": COMPANY, "board_count": 14, "pin_count": 339,
            "follower_count": followers_as_of("pins", clock.now()), "following_count": 347, "monthly_views": 163,
        }  # fmt: skip
        if faults.take(VENDOR, "unknown_field", f"{request.method} {request.url.path}"):
            found["board_section_count"] = 3
        return JSONResponse(found)

    return Starlette(routes=[Route("/v5/oauth/token", token, methods=["POST"]), Route("/v5/user_account", account)])
