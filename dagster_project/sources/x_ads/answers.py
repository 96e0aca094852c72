"""What X's answers mean: its error codes, and when a limit's window ends.

https://docs.x.com/x-ads-api/fundamentals/error-codes-and-responses and
https://docs.x.com/x-ads-api/fundamentals/rate-limiting
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import requests

from dagster_project.wire.contract import AuthError, ConfigError, QuotaError, SourceError, Tally, VendorError
from dagster_project.wire.http import Json, Verdict, redact
from dagster_project.wire.pacing import in_words, quota_of, seconds_until

SOURCE = "x_ads"
QUOTAS = {"x-account-rate-limit-remaining": "calls_left_of_account", "x-rate-limit-remaining": "calls_left_of_token"}
# the account's limit stands above the token's where it is told
RESETS = ("x-account-rate-limit-reset", "x-rate-limit-reset")
_ACCOUNT = re.compile(r"/accounts/([0-9a-z]+)")


class Answers:
    """Judges the answers to one stream's calls."""

    def __init__(self, stream: str, tally: Tally) -> None:
        self.where = {"source": SOURCE, "stream": stream}
        self._tally = tally

    def judge(self, response: requests.Response) -> Verdict | None:
        """None leaves an answer to its status."""
        self._tally.see_quota(**quota_of(response.headers, QUOTAS))
        status = response.status_code
        found = _ACCOUNT.search(urlsplit(response.url).path)
        who = f"account {found[1]}: " if found else ""
        if status == 429:
            return self._throttled(response, who)
        if status < 400 or status >= 500:
            return None
        code, said = _error_of(response)
        return Verdict(error=self._refusal(status, code, f"{who}{said}"))

    def _throttled(self, response: requests.Response, who: str) -> Verdict:
        told = next((response.headers[name] for name in RESETS if response.headers.get(name, "").isdigit()), None)
        if told is None:
            return Verdict()
        wait = seconds_until(float(told))
        used_up = QuotaError(
            f"{who}the calls of this window are used up; run again in {in_words(wait)}",
            retry_after_seconds=wait,
            **self.where,
        )
        return Verdict(wait_seconds=wait, error=used_up)

    def _refusal(self, status: int, code: str, said: str) -> SourceError:
        if code == "UNAUTHORIZED_CLIENT_APPLICATION":
            mend = "apply for the Ads API for this app, and make X_ADS_ACCESS_TOKEN anew after its approval"
            return AuthError(f"{said}; {mend}", **self.where)
        if code in ("ACCOUNT_NOT_FOUND", "ROUTE_NOT_FOUND") or (status == 404 and not code):
            mend = "is X_ADS_ACCOUNT_ID right, and may the token's user see it (role Ad manager or Analyst)?"
            return ConfigError(f"{said}; {mend}", **self.where)
        if status == 401:
            mend = (
                "make the app's keys and tokens anew and put them in X_ADS_CONSUMER_KEY, X_ADS_CONSUMER_SECRET, "
                "X_ADS_ACCESS_TOKEN and X_ADS_ACCESS_TOKEN_SECRET; is this machine's clock right?"
            )
            return AuthError(f"{said}; {mend}", **self.where)
        if status == 403:
            return AuthError(f"{said}; give the token's user the role Analyst on the account", **self.where)
        return VendorError(f"X refuses: {said}", **self.where)


def _error_of(response: requests.Response) -> tuple[str, str]:
    """(code, what is said)."""
    try:
        body: Json = response.json()
        error = body["errors"][0]
        code, parameter = str(error.get("code", "")), error.get("parameter")
        said = f"{error.get('message') or 'no message'} ({code}{f', {parameter}' if parameter else ''})"
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return "", f"status {response.status_code}"
    return code, redact(said)
