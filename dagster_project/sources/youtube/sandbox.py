"""YouTube's Data API as the sandbox serves it: channels.list by id or handle, counts as text, three digits of subscribers.

One channel of the company, and one that hides its subscribers. https://developers.google.com/youtube/v3/docs/channels/list
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

VENDOR = "youtube"
KEY = "AIzaSySandbox0000000000000000000000000"
CHANNEL, HANDLE, HIDING = "UC000000000000000kontorr", "@kontorra", "UC00000000000000000hides"
QUOTA = 'The request cannot be completed because you have exceeded your <a href="/youtube/v3/getting-started#quota">quota</a>.'


def _refusal(code: int, message: str, domain: str, reason: str, **more: Any) -> dict[str, Any]:
    error = {"message": message, "domain": domain, "reason": reason}
    return {"error": {"code": code, "message": message, "errors": [error], **more}}


FAULT_ANSWERS: FaultAnswers = {
    "throttle": Answer(403, _refusal(403, "Rate Limit Exceeded", "usageLimits", "rateLimitExceeded")),
    "server_error": Answer(503, _refusal(503, "Backend Error", "global", "backendError")),
    "expired_token": Answer(
        400,
        _refusal(
            400, "API key not valid. Please pass a valid API key.", "global", "badRequest", status="INVALID_ARGUMENT"
        ),
    ),
}


def variables(served: Served) -> dict[str, str]:
    return {"YOUTUBE_API_KEY": KEY, "YOUTUBE_CHANNEL_IDS": HANDLE, "YOUTUBE_BASE_URL": served.at}


def three_digits(count: int) -> int:
    """Rounded down to three digits that count."""
    step = 10 ** max(0, len(str(count)) - 3)
    return count // step * step


def app(company: Company, clock: Clock, faults: Faults) -> Starlette:
    def channels(request: Request) -> JSONResponse:
        asked = request.query_params
        if asked.get("key") != KEY:
            return JSONResponse(FAULT_ANSWERS["expired_token"].body, 400)  # type: ignore[union-attr]
        if not asked.get("part"):
            said = "Required parameter: part"
            return JSONResponse(_refusal(400, said, "youtube.parameter", "missingRequiredParameter"), 400)
        handle = asked.get("forHandle", "")
        wanted = asked.get("id", "").split(",") if not handle else []
        if handle and f"@{handle.removeprefix('@').lower()}" == HANDLE:
            wanted = [CHANNEL]
        found = [_channel(each, clock, asked["part"].split(",")) for each in wanted if each in (CHANNEL, HIDING)]
        answer: dict[str, Any] = {"kind": "youtube#channelListResponse", "etag": "x"}
        answer["pageInfo"] = {"totalResults": len(found), "resultsPerPage": 5}
        if found:  # a list without any has no items at all
            answer["items"] = found
            if faults.take(VENDOR, "unknown_field", f"{request.method} {request.url.path}"):
                found[0].setdefault("statistics", {})["engagedViewCount"] = "9"
        return JSONResponse(answer)

    return Starlette(routes=[Route("/youtube/v3/channels", channels)])


def _channel(channel: str, clock: Clock, parts: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {"kind": "youtube#channel", "etag": "x", "id": channel}
    if "snippet" in parts:
        found["snippet"] = {"title": COMPANY, "customUrl": HANDLE, "publishedAt": "2019-05-01T10:00:00Z"}
    if "statistics" in parts:
        found["statistics"] = {"viewCount": "1203456", "hiddenSubscriberCount": channel == HIDING, "videoCount": "87"}
        if channel != HIDING:
            subscribers = three_digits(followers_as_of("film", clock.now()))
            found["statistics"]["subscriberCount"] = str(subscribers)
    return found
