"""LinkedIn as the sandbox serves pages: a token by refresh, and the size of an organisation's network.

One page of the company, and one whose administrator the token's owner is not.

https://learn.microsoft.com/linkedin/marketing/community-management/organizations/organization-lookup-api
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from dagster_project.sandbox.company.followers import followers_as_of
from dagster_project.sandbox.endpoints import Served
from dagster_project.sandbox.faults import Answer, FaultAnswers, Faults

if TYPE_CHECKING:
    from dagster_project.sandbox.company import Company
    from dagster_project.sandbox.server import Clock

VENDOR = "linkedin_pages"
CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, ACCESS_TOKEN = "77pages", "pages-secret", "AQV-pages-refresh", "AQV-pages"
ORGANIZATION, FOREIGN = "1001", "1009"
VERSIONS = [f"{year}{month:02d}" for year, month in [*((2025, m) for m in (12,)), *((2026, m) for m in range(1, 12))]]


def _error(status: int, code: str, message: str, **more: Any) -> dict[str, Any]:
    return {"status": status, "code": code, "message": message, **more}


_REVOKED = _error(
    401, "REVOKED_ACCESS_TOKEN", "The token used in the request has been revoked by the user", serviceErrorCode=65601
)
FAULT_ANSWERS: FaultAnswers = {
    "throttle": Answer(
        429,
        _error(
            429,
            "TOO_MANY_REQUESTS",
            "Resource level throttle APPLICATION MINUTE limit for calls to this resource is reached.",
            serviceErrorCode=101,
        ),
    ),
    "server_error": Answer(500, _error(500, "INTERNAL_SERVER_ERROR", "Internal Server Error")),
    "expired_token": Answer(401, _REVOKED),
}


def variables(served: Served) -> dict[str, str]:
    return {
        "LINKEDIN_PAGES_CLIENT_ID": CLIENT_ID,
        "LINKEDIN_PAGES_CLIENT_SECRET": CLIENT_SECRET,
        "LINKEDIN_PAGES_REFRESH_TOKEN": REFRESH_TOKEN,
        "LINKEDIN_ORGANIZATION_IDS": ORGANIZATION,
        "LINKEDIN_PAGES_BASE_URL": served.at,
        "LINKEDIN_PAGES_TOKEN_URL": f"{served.at}/oauth/v2/accessToken",
    }


def app(company: Company, clock: Clock, faults: Faults) -> Starlette:
    async def token(request: Request) -> JSONResponse:
        form = dict(parse_qsl((await request.body()).decode()))
        if form.get("grant_type") != "refresh_token" or form.get("refresh_token") != REFRESH_TOKEN:
            said = {
                "error": "invalid_grant",
                "error_description": "The provided authorization grant is invalid or expired",
            }
            return JSONResponse(said, 400)
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return JSONResponse({"error": "invalid_client", "error_description": "Client authentication failed"}, 401)
        return JSONResponse({"access_token": ACCESS_TOKEN, "expires_in": 5_184_000, "refresh_token": REFRESH_TOKEN})

    def size(request: Request) -> JSONResponse:
        version = request.headers.get("linkedin-version", "")
        if request.headers.get("authorization") != f"Bearer {ACCESS_TOKEN}":
            return JSONResponse(_REVOKED, 401)
        if version not in VERSIONS:
            said = _error(426, "NONEXISTENT_VERSION", f"Requested version {version} is not active")
            return JSONResponse(said, 426)
        raw = request.scope["raw_path"].decode().rpartition("/")[2].partition("?")[0]
        if not raw.startswith("urn%3Ali%3Aorganization%3A"):
            return JSONResponse(_error(400, "ILLEGAL_ARGUMENT", "Invalid urn in path key"), 400)
        organization = raw.removeprefix("urn%3Ali%3Aorganization%3A")
        if request.query_params.get("edgeType") != "COMPANY_FOLLOWED_BY_MEMBER":
            return JSONResponse(_error(400, "ILLEGAL_ARGUMENT", "Invalid value for param; edgeType"), 400)
        if organization == FOREIGN:
            why = "Not enough permissions to access: networkSizes.GET.NO_VERSION"
            return JSONResponse(_error(403, "ACCESS_DENIED", why, serviceErrorCode=100), 403)
        if organization != ORGANIZATION:
            return JSONResponse(_error(404, "NOT_FOUND", "Not Found"), 404)
        answer: dict[str, Any] = {"firstDegreeSize": followers_as_of("careers", clock.now())}
        if faults.take(VENDOR, "unknown_field", f"{request.method} {request.url.path}"):
            answer["secondDegreeSize"] = 10
        return JSONResponse(answer)

    return Starlette(
        routes=[
            Route("/oauth/v2/accessToken", token, methods=["POST"]),
            Route("/rest/networkSizes/{urn:path}", size),
        ]
    )
