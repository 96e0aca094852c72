"""VK's API as the sandbox serves it: groups.getById. Every answer has status 200; errors echo what was asked.

One community of the company, and one that VK has closed. https://dev.vk.com/method/groups.getById
"""

from __future__ import annotations

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

VENDOR = "vk"
TOKEN = "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"
GROUP, BANNED, CLOSED = "kontorra", "banned_club", "closed_club"
IDS = {GROUP: 1000001, BANNED: 1000002, CLOSED: 1000003}


def _error(code: int, message: str, asked: dict[str, str] | None = None) -> dict[str, Any]:
    echoed = [{"key": key, "value": value} for key, value in (asked or {}).items()]
    return {"error": {"error_code": code, "error_msg": message, "request_params": echoed}}


FAULT_ANSWERS: FaultAnswers = {
    "throttle": Answer(200, _error(6, "Too many requests per second")),
    "server_error": Answer(200, _error(10, "Internal server error: could not check the access token now")),
    "expired_token": Answer(200, _error(5, "User authorization failed: invalid access_token (4).")),
}


def variables(served: Served) -> dict[str, str]:
    return {"VK_ACCESS_TOKEN": TOKEN, "VK_GROUP_IDS": GROUP, "VK_BASE_URL": served.at}


def app(company: Company, clock: Clock, faults: Faults) -> Starlette:
    def method(request: Request) -> JSONResponse:
        asked = dict(request.query_params)
        token = asked.get("access_token") or request.headers.get("authorization", "").removeprefix("Bearer ")
        if token != TOKEN:
            return JSONResponse(_error(5, "User authorization failed: invalid access_token (4).", asked))
        if "v" not in asked:
            return JSONResponse(_error(8, "Invalid request: v (version) is required", asked))
        if request.path_params["method"] != "groups.getById":
            return JSONResponse(_error(3, "Unknown method passed", asked))
        groups = []
        for name in asked.get("group_ids", "").split(","):
            name = next((known for known, number in IDS.items() if name == str(number)), name)
            if name not in IDS:
                said = "One of the parameters specified was missing or invalid: group_ids is undefined"
                return JSONResponse(_error(100, said, asked))
            if name == CLOSED:
                return JSONResponse(_error(203, "Access to group denied: access to the group is denied", asked))
            group: dict[str, Any] = {
                "id": IDS[name], "name": COMPANY, "screen_name": name, "is_closed": 0, "type": "page",
                "photo_50": "https://vk.example/50.jpg",
            }  # fmt: skip
            if name == BANNED:
                group["deactivated"] = "banned"
            elif "members_count" in asked.get("fields", ""):
                group["members_count"] = followers_as_of("forum", clock.now())
            if faults.take(VENDOR, "unknown_field", f"{request.method} {request.url.path}"):
                group["is_verified_by_all"] = 1
            groups.append(group)
        return JSONResponse({"response": {"groups": groups, "profiles": []}})

    return Starlette(routes=[Route("/method/{method}", method, methods=["GET", "POST"])])
