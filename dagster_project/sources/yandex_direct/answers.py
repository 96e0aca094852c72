"""What Yandex.Direct's answers mean: its error codes, which come with status 400 or 200, and what is left of its points.

https://yandex.com/dev/direct/doc/en/concepts/errors-list and https://yandex.com/dev/direct/doc/en/codes
"""

from __future__ import annotations

from urllib.parse import urlsplit

import requests

from dagster_project.wire.contract import AuthError, ConfigError, QuotaError, SourceError, Tally, VendorError
from dagster_project.wire.http import Json, Verdict, parsed_json
from dagster_project.wire.pacing import retry_after_seconds
from dagster_project.wire.retrying import Interrupted

SOURCE = "yandex_direct"
TRANSIENT = {52, 1000, 1001, 1002}
TOO_MANY_CONNECTIONS = {56, 506}
NO_POINTS, QUEUE_IS_FULL = 152, 9000
BAD_TOKEN, NOT_REGISTERED, NOT_ALLOWED = {53}, {58}, {54, 3000, 3001}
NOT_IN_DIRECT, NOT_FOUND, WRONG_FORM = 513, 8800, 8000
CONNECTIONS_WAIT_SECONDS, QUEUE_WAIT_SECONDS, POINTS_WAIT_SECONDS = 10.0, 30.0, 3600.0


class TooMuchData(Exception):
    """The report took the server too long, or has as many rows as it may have: ask for fewer days."""


class Answers:
    """Judges the answers to one stream's calls."""

    def __init__(self, stream: str, tally: Tally) -> None:
        self.where = {"source": SOURCE, "stream": stream}
        self._tally = tally

    def judge(self, response: requests.Response) -> Verdict | None:
        """None leaves an answer to its status."""
        self._see_points(response.headers.get("Units", ""))
        if error := _error_of(response):
            return self._meaning(error, response)
        is_report = urlsplit(response.url).path.endswith("/reports")
        if response.status_code == 502 and is_report:  # "Request processing timed out on the server"
            raise TooMuchData("the server took too long (502)")
        return None

    def _meaning(self, error: dict[str, Json], response: requests.Response) -> Verdict | None:
        try:
            code = int(error.get("error_code") or 0)
        except (TypeError, ValueError):
            code = 0
        said = ": ".join(str(error[name]) for name in ("error_string", "error_detail") if error.get(name))
        said = f"{said or 'no message'} (code {code}, request {error.get('request_id', 'unknown')})"
        if code in TRANSIENT:
            return Verdict()
        if code in TOO_MANY_CONNECTIONS:
            return Verdict(wait_seconds=CONNECTIONS_WAIT_SECONDS)
        if code == QUEUE_IS_FULL:  # waiting for one's turn is no failed attempt
            wait = retry_after_seconds(response.headers, "retryIn") or QUEUE_WAIT_SECONDS
            full = QuotaError(
                f"the queue of reports is full, by other programs as well: {said}; run again later",
                retry_after_seconds=wait,
                **self.where,
            )
            raise Interrupted(said, wait, is_quota=True, otherwise=full)
        login = response.request.headers.get("Client-Login", "")
        return self._refusal(code, f"client {login}: {said}", response.status_code)

    def _refusal(self, code: int, said: str, status: int) -> Verdict | None:
        if code == NO_POINTS:
            used_up = QuotaError(
                f"{said}; points come back hour by hour: run again later",
                retry_after_seconds=POINTS_WAIT_SECONDS,
                **self.where,
            )
            return Verdict(wait_seconds=POINTS_WAIT_SECONDS, error=used_up)
        refusal: SourceError
        if code in BAD_TOKEN:
            refusal = AuthError(f"{said}; make a new token and put it in YANDEX_DIRECT_TOKEN", **self.where)
        elif code in NOT_REGISTERED:
            mend = "apply for access to the API in Direct (Tools > API) and wait for its approval"
            refusal = AuthError(f"{said}; {mend}", **self.where)
        elif code in NOT_ALLOWED:
            mend = (
                "let the token's user see this client, or take it out of YANDEX_DIRECT_CLIENT_LOGIN; is the API open to it, "
                "and to this IP address?"
            )
            refusal = AuthError(f"{said}; {mend}", **self.where)
        elif code in (NOT_IN_DIRECT, NOT_FOUND):
            refusal = ConfigError(f"{said}; is YANDEX_DIRECT_CLIENT_LOGIN right?", **self.where)
        elif code == WRONG_FORM:
            mend = "is YANDEX_DIRECT_API_VERSION right, and the token a whole one?"
            refusal = VendorError(f"{said}; {mend}", **self.where)
        elif status >= 500:
            return None
        else:
            refusal = VendorError(f"Direct refuses: {said}", **self.where)
        return Verdict(error=refusal)

    def _see_points(self, units: str) -> None:
        """`Units: 10/20828/64000` is spent/left/of a day."""
        parts = units.split("/")
        if len(parts) == 3 and parts[1].isdigit():
            self._tally.see_quota(points_left=float(parts[1]))


def _error_of(response: requests.Response) -> dict[str, Json] | None:
    """The error of an answer: a body that begins with one may have any status."""
    if response.status_code in (201, 202) or b'"error"' not in response.content[:300]:
        return None
    try:
        error = parsed_json(response.content)["error"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return error if isinstance(error, dict) else None
