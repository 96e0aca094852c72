"""What HubSpot says instead of data: refusals with their status and category, and the answers of faults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dagster_project.sandbox.faults import Answer, FaultAnswers

DAILY_LIMIT, BURST_LIMIT = 650_000, 190  # of a private app in a Professional account; burst in 10 seconds


@dataclass
class Refusal(Exception):
    """What HubSpot says instead of data."""

    status: int
    message: str
    category: str = "VALIDATION_ERROR"
    more: Mapping[str, Any] | None = None

    def body(self) -> dict[str, Any]:
        return {
            "status": "error",
            "message": self.message,
            "correlationId": _CORRELATION_ID,
            "category": self.category,
            **(self.more or {}),
        }


_CORRELATION_ID = "de61843f-b3ab-4bc1-8c54-358e37eb0621"
_DAILY_HEADERS = {
    "X-HubSpot-RateLimit-Daily": str(DAILY_LIMIT),
    "X-HubSpot-RateLimit-Daily-Remaining": "649998",
}
UNAUTHENTICATED = Refusal(
    401,
    "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find more "
    "details at https://developers.hubspot.com/docs/methods/auth/oauth-overview",
    "INVALID_AUTHENTICATION",
)
_EXPIRED = Refusal(401, "The OAuth token used to make this call expired 2 hour(s) ago.", "EXPIRED_AUTHENTICATION")
# Search has a limit of its own and another error body. Neither says how long to wait.
_SEARCH_THROTTLED = Answer(
    429, Refusal(429, "You have reached your secondly limit.", "RATE_LIMITS").body(), _DAILY_HEADERS
)
_THROTTLED = Answer(
    429,
    {
        "status": "error",
        "message": "You have reached your secondly limit.",
        "errorType": "RATE_LIMIT",
        "correlationId": _CORRELATION_ID,
        "policyName": "SECONDLY",
        "requestId": _CORRELATION_ID,
    },
    _DAILY_HEADERS,
)


def _throttled(call: str) -> Answer:
    return _SEARCH_THROTTLED if call.endswith("/search") else _THROTTLED


FAULT_ANSWERS: FaultAnswers = {
    "throttle": _throttled,
    "server_error": Answer(502, "<html><body><h1>502 Bad Gateway</h1></body></html>"),
    "expired_token": Answer(401, _EXPIRED.body()),
}


def missing_scope(*scopes: str) -> Refusal:
    """403 for a token that lacks a right."""
    return Refusal(
        403,
        "This app hasn't been granted all required scopes to make this call. Read more about required scopes "
        "here: https://developers.hubspot.com/scopes.",
        "MISSING_SCOPES",
        {
            "errors": [
                {
                    "message": "One or more of the following scopes are required.",
                    "context": {"requiredGranularScopes": list(scopes)},
                }
            ],
            "links": {"scopes": "https://developers.hubspot.com/scopes"},
        },
    )
