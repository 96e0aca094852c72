"""The company's survey as Typeform's API answers: newest responses first, a next page is what came before a token.

Answers say their own type; a question that was left out has none. What was typed is text as it was typed.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from dagster_project.sandbox.company.answers import HEARD_FROM, Answered, answers_as_of
from dagster_project.sandbox.endpoints import Served
from dagster_project.sandbox.faults import Answer, FaultAnswers, Faults

if TYPE_CHECKING:
    from dagster_project.sandbox.company import Company
    from dagster_project.sandbox.server import Clock

VENDOR = "typeform"
TOKEN, FORM = "tfp_sandbox", "kontorra1"
MOST, USUAL = 1000, 25
REFUSED = {
    "code": "AUTHENTICATION_FAILED",
    "description": "Authentication credentials not found on the Request Headers",
}
FAULT_ANSWERS: FaultAnswers = {
    "throttle": Answer(429, {"code": "RATE_LIMITED", "description": "Too many requests"}, {"Retry-After": "1"}),
    "server_error": Answer(503, {"code": "SERVICE_UNAVAILABLE", "description": "Try again"}),
    "expired_token": Answer(401, REFUSED),
}
FIELDS = [
    {"id": "q1", "ref": "nps-main", "type": "nps", "title": "How likely are you to recommend us?",
     "properties": {"steps": 11, "start_at_one": False}},
    {"id": "q2", "ref": "heard-from", "type": "multiple_choice", "title": "How did you hear about us?"},
    {"id": "g1", "ref": "more", "type": "group", "title": "Some more", "properties": {"fields": [
        {"id": "q3", "ref": "shops-known", "type": "short_text", "title": "Which shops do you know?"},
        {"id": "q4", "ref": "address", "type": "email", "title": "Where may we write to?"},
    ]}},
]  # fmt: skip


def variables(served: Served) -> dict[str, str]:
    return {"TYPEFORM_TOKEN": TOKEN, "TYPEFORM_FORM_IDS": FORM, "TYPEFORM_BASE_URL": served.at}


def app(company: Company, clock: Clock, faults: Faults) -> Starlette:
    def refusal(request: Request) -> JSONResponse | None:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return JSONResponse(REFUSED, 401)
        if request.path_params["form"] != FORM:
            return JSONResponse({"code": "FORM_NOT_FOUND", "description": "form not found"}, 404)
        return None

    async def form(request: Request) -> JSONResponse:
        return refusal(request) or JSONResponse({"id": FORM, "title": "After the purchase", "fields": FIELDS})

    async def responses(request: Request) -> JSONResponse:
        if refused := refusal(request):
            return refused
        asked, call = request.query_params, f"GET {request.url.path}"
        size = int(asked.get("page_size", USUAL))
        if not 1 <= size <= MOST:
            return JSONResponse({"code": "VALIDATION_ERROR", "description": "page_size"}, 400)
        since, until = datetime.fromisoformat(asked["since"]), datetime.fromisoformat(asked["until"])
        found = [
            each for each in await run_in_threadpool(answers_as_of, company, clock.now()) if since <= each.at < until
        ]
        items = list(faults.shorten(VENDOR, [_item(each) for each in reversed(found)], call))
        before = asked.get("before")
        start = next((place + 1 for place, item in enumerate(items) if item["token"] == before), 0)
        page = faults.repeat_last(VENDOR, items, start, start + size, call)
        if faults.take(VENDOR, "unknown_field", call):
            page = [{**item, "mood": "sunny"} for item in page]
        left = len(items) - start
        return JSONResponse({"total_items": left, "page_count": -(-left // size), "items": page})

    return Starlette(routes=[Route("/forms/{form}", form), Route("/forms/{form}/responses", responses)])


def _item(answered: Answered) -> dict[str, Any]:
    def answer(number: int, ref: str, kind: str, said: str, value: Any) -> dict[str, Any]:
        return {"field": {"id": f"q{number}", "type": kind, "ref": ref}, "type": said, said: value}

    answers = [answer(1, "nps-main", "nps", "number", answered.recommends)]
    if answered.heard_from:
        number = HEARD_FROM.index(answered.heard_from)
        choice = {"id": f"c{number}", "ref": f"r{number}", "label": answered.heard_from}
        answers.append(answer(2, "heard-from", "multiple_choice", "choice", choice))
    if answered.known_brands:
        answers.append(answer(3, "shops-known", "short_text", "text", answered.known_brands))
    if answered.email:
        answers.append(answer(4, "address", "email", "email", answered.email))
    token = f"tok{answered.id}"
    return {
        "landing_id": token,
        "token": token,
        "response_id": token,
        "response_type": "completed",
        "landed_at": _moment(answered.at - timedelta(seconds=40)),
        "submitted_at": _moment(answered.at),
        "metadata": {"user_agent": "", "platform": "other", "referer": "", "network_id": "", "browser": "default"},
        "hidden": {"utm_source": answered.source or "", "client_id": ""},
        "calculated": {"score": 0},
        "answers": answers,
    }


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
