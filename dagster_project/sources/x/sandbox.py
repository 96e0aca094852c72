"""X's API as the sandbox serves it: users by name. Who is not found is an error beside the data, with status 200.

One account of the company, and one that is suspended. https://docs.x.com/x-api/users/user-lookup-by-usernames
"""

from __future__ import annotations

import time
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

VENDOR = "x"
TOKEN = "AAAAAAAAAAAAAAAAAAAAAsandbox"
ACCOUNT, SUSPENDED = "kontorra", "kontorra_old"


def _problem(status: int, title: str, detail: str, kind: str = "about:blank") -> dict[str, Any]:
    return {"title": title, "detail": detail, "type": kind, "status": status}


def _throttled(_path: str) -> Answer:
    headers = {
        "x-rate-limit-limit": "300",
        "x-rate-limit-remaining": "0",
        "x-rate-limit-reset": f"{time.time() + 4:.0f}",
    }
    return Answer(429, _problem(429, "Too Many Requests", "Too Many Requests"), headers)


FAULT_ANSWERS: FaultAnswers = {
    "throttle": _throttled,
    "server_error": Answer(503, _problem(503, "Service Unavailable", "Service Unavailable")),
    "expired_token": Answer(401, _problem(401, "Unauthorized", "Unauthorized")),
}


def variables(served: Served) -> dict[str, str]:
    return {"X_BEARER_TOKEN": TOKEN, "X_USERNAMES": f"@{ACCOUNT}", "X_BASE_URL": served.at}


def app(company: Company, clock: Clock, faults: Faults) -> Starlette:
    def users_by(request: Request) -> JSONResponse:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return JSONResponse(_problem(401, "Unauthorized", "Unauthorized"), 401)
        names = [name for name in request.query_params.get("usernames", "").split(",") if name]
        if not 1 <= len(names) <= 100:
            said = "The number of values in the `usernames` query parameter list is not between 1 and 100."
            return JSONResponse(
                _problem(400, "Invalid Request", said, "https://api.x.com/2/problems/invalid-request"), 400
            )
        found, errors = [], []
        for name in names:
            if name.lower() == ACCOUNT:
                found.append(_user(clock, "public_metrics" in request.query_params.get("user.fields", "")))
            else:
                errors.append(_error(name))
        if found and faults.take(VENDOR, "unknown_field", f"{request.method} {request.url.path}"):
            found[0].setdefault("public_metrics", {})["verified_followers_count"] = 5
        answer = {**({"data": found} if found else {}), **({"errors": errors} if errors else {})}
        return JSONResponse(answer, headers={"x-rate-limit-limit": "300", "x-rate-limit-remaining": "299"})

    return Starlette(routes=[Route("/2/users/by", users_by)])


def _user(clock: Clock, with_metrics: bool) -> dict[str, Any]:
    user: dict[str, Any] = {"id": "2244994945", "name": COMPANY, "username": ACCOUNT}
    if with_metrics:
        user["public_metrics"] = {
            "followers_count": followers_as_of("notes", clock.now()), "following_count": 10, "tweet_count": 340,
            "listed_count": 5, "like_count": 7, "media_count": 3,
        }  # fmt: skip
    return user


def _error(name: str) -> dict[str, Any]:
    is_suspended = name.lower() == SUSPENDED
    return {
        "value": name,
        "detail": f"User has been suspended: [{name}]."
        if is_suspended
        else f"Could not find user with usernames: [{name}].",
        "title": "Forbidden" if is_suspended else "Not Found Error",
        "resource_type": "user",
        "parameter": "usernames",
        "resource_id": name,
        "type": "https://api.x.com/2/problems/resource-not-found",
    }
