"""Telegram's Bot API as the sandbox serves it: getMe, getChat and getChatMemberCount, with its errors in `description`.

The token is in the path. One public channel of the company; one private one that the bot is not in.

https://core.telegram.org/bots/api
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

VENDOR = "telegram"
TOKEN = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
CHANNEL, PRIVATE_CHANNEL = "@kontorra", "-1001000000002"
IDS = {CHANNEL: -1001000000001, "-1001000000001": -1001000000001}


def _refusal(code: int, description: str, **more: Any) -> dict[str, Any]:
    return {"ok": False, "error_code": code, "description": description, **more}


FAULT_ANSWERS: FaultAnswers = {
    "throttle": Answer(429, _refusal(429, "Too Many Requests: retry after 3", parameters={"retry_after": 3})),
    "server_error": Answer(502, _refusal(502, "Bad Gateway")),
    "expired_token": Answer(401, _refusal(401, "Unauthorized")),
}


def variables(served: Served) -> dict[str, str]:
    return {"TELEGRAM_BOT_TOKEN": TOKEN, "TELEGRAM_CHANNELS": CHANNEL, "TELEGRAM_BASE_URL": served.at}


def app(company: Company, clock: Clock, faults: Faults) -> Starlette:
    def call(request: Request) -> JSONResponse:
        if request.path_params["token"] != TOKEN:
            return JSONResponse(_refusal(401, "Unauthorized"), 401)
        method = request.path_params["method"].lower()  # Telegram does not mind the case
        if method == "getme":
            bot = {"id": 110201543, "is_bot": True, "first_name": "Counter", "username": "kontorra_counter_bot"}
            return JSONResponse({"ok": True, "result": bot})
        if method not in ("getchat", "getchatmembercount"):
            return JSONResponse(_refusal(404, "Not Found"), 404)
        chat = request.query_params.get("chat_id", "")
        if chat == PRIVATE_CHANNEL:
            return JSONResponse(_refusal(403, "Forbidden: bot is not a member of the channel chat"), 403)
        if chat not in IDS:
            said = "Bad Request: chat not found" if chat else "Bad Request: chat_id is empty"
            return JSONResponse(_refusal(400, said), 400)
        if method == "getchatmembercount":
            return JSONResponse({"ok": True, "result": followers_as_of("messenger", clock.now())})
        found: dict[str, Any] = {"id": IDS[chat], "title": COMPANY, "username": CHANNEL[1:], "type": "channel"}
        if faults.take(VENDOR, "unknown_field", f"{request.method} {request.url.path}"):
            found["accent_color_id"] = 5
        return JSONResponse({"ok": True, "result": found})

    return Starlette(routes=[Route("/bot{token}/{method}", call, methods=["GET", "POST"])])
