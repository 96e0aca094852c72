"""HubSpot's answers: what must be in them, how they page, and its dialect of throttling and refusals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import UnionType
from typing import TYPE_CHECKING, Any

from dagster_project.wire.contract import AuthError, DriftError, QuotaError, Tally, VendorError
from dagster_project.wire.http import Json, Verdict, start_of
from dagster_project.wire.identity import redact_text
from dagster_project.wire.pacing import quota_of, retry_after_seconds

if TYPE_CHECKING:
    import requests

SOURCE = "hubspot"

WAIT_SECONDS = {
    "TEN_SECONDLY": 10.0,
    "SECONDLY": 1.0,
}  # a 429 carries no Retry-After; its policy's name tells
LOCKED_WAIT_SECONDS = 2.0  # 423: "wait at least 2 seconds between retries"
LIMITS = {
    "X-HubSpot-RateLimit-Daily": "requests_per_day",
    "X-HubSpot-RateLimit-Daily-Remaining": "requests_per_day_remaining",
    "X-HubSpot-RateLimit-Max": "requests_per_interval",
    "X-HubSpot-RateLimit-Remaining": "requests_per_interval_remaining",
}

Record = dict[str, Json]


class NotFound(VendorError):
    """404: the thing asked for is not there (any more)."""


class Forbidden(AuthError):
    """403: the token is good, but lacks a right."""


class FormTypeNotAllowed(VendorError):
    """HubSpot does not hand out the submissions of this kind of form (blog comments)."""


@dataclass(frozen=True)
class Answers:
    """Reads answers for one stream, which its errors name."""

    stream: str
    tally: Tally

    @property
    def where(self) -> dict[str, str]:
        return {"source": SOURCE, "stream": self.stream}

    def take(self, holder: Json, name: str, kind: type | UnionType) -> Any:
        """`holder[name]`, which must be of that kind. Values are not shown: they may be personal."""
        value = holder.get(name) if isinstance(holder, dict) else None
        if not isinstance(value, kind):
            wanted, seen = getattr(kind, "__name__", str(kind)), type(value).__name__
            raise DriftError(f"the answer's field {name!r} should be a {wanted}, HubSpot sent a {seen}", **self.where)
        return value

    def expect_only(self, answer: Mapping[str, Json], *expected: str) -> None:
        """A batch answers 207 when some inputs failed; only the expected failures may pass."""
        for error in answer.get("errors") or ():
            kind = " ".join(str(error[name]) for name in ("category", "subCategory") if error.get(name))
            if not any(name in kind for name in expected):
                raise VendorError(f"a batch failed in part: {kind}: {error.get('message')!s:.200}", **self.where)

    def judge(self, response: requests.Response) -> Verdict | None:
        self.tally.see_quota(**quota_of(response.headers, LIMITS))
        status = response.status_code
        if status < 400:
            return None
        body = _error_body(response)
        parts = (body.get(name) for name in ("category", "policyName", "errorType", "message"))
        said = redact_text(" ".join(str(part) for part in parts if part)[:300]) or ""
        if status == 429:
            return self._throttled(response, said)
        if status == 423:
            return Verdict(wait_seconds=LOCKED_WAIT_SECONDS)
        if status == 477:  # the portal moves to another data centre; Retry-After says for how long
            return Verdict(wait_seconds=retry_after_seconds(response.headers))
        if status == 401:
            message = (
                f"HubSpot does not accept HUBSPOT_ACCESS_TOKEN (401: {said}); put the access token of a "
                "private app there (Settings > Integrations > Private Apps)"
            )
            return Verdict(error=AuthError(message, **self.where))
        if status == 403:
            scopes = " or ".join(_missing_scopes(body)) or f"that it needs ({said})"
            message = (
                f"the token may not call {_path(response)}: give its private app the scope {scopes} "
                "(Settings > Integrations > Private Apps > Scopes)"
            )
            return Verdict(error=Forbidden(message, **self.where))
        if status == 404:
            return Verdict(error=NotFound(f"{_path(response)} is not there (404: {said})", **self.where))
        if status == 400 and b"FORM_TYPE_NOT_ALLOWED" in response.content:
            return Verdict(error=FormTypeNotAllowed(f"{_path(response)}: {start_of(response)}", **self.where))
        return None

    def _throttled(self, response: requests.Response, said: str) -> Verdict:
        policy = said.upper()
        if "DAILY" in policy:
            message = (
                "the account's daily limit of API calls is used up; it is reset at midnight of the account's "
                "time zone. What was loaded before is untouched"
            )
            return Verdict(
                error=QuotaError(message, retry_after_seconds=retry_after_seconds(response.headers), **self.where)
            )
        named = next((seconds for name, seconds in WAIT_SECONDS.items() if name in policy), None)
        return Verdict(wait_seconds=retry_after_seconds(response.headers) or named)


def next_page(answer: Mapping[str, Json]) -> str | None:
    """The token of the next page; None when `paging` is not there: nothing else says that a list is over."""
    following = (answer.get("paging") or {}).get("next") or {}
    return None if following.get("after") is None else str(following["after"])


def _error_body(response: requests.Response) -> Record:
    try:
        body = response.json()
    except ValueError:  # a proxy's HTML page
        return {}
    return body if isinstance(body, dict) else {}


def _missing_scopes(body: Mapping[str, Json]) -> list[str]:
    contexts = [error.get("context") or {} for error in body.get("errors") or () if isinstance(error, dict)]
    named = [
        scope for context in contexts for scopes in context.values() if isinstance(scopes, list) for scope in scopes
    ]
    return sorted({str(scope) for scope in named})


def _path(response: requests.Response) -> str:
    return f"{response.request.method} {response.request.path_url.partition('?')[0]}"
