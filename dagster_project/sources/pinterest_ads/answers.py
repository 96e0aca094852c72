"""What Pinterest's refusals mean. Nothing is asked here.

https://developers.pinterest.com/docs/reference/rate-limits/
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import requests

from dagster_project.wire.contract import AuthError, ConfigError, QuotaError, VendorError
from dagster_project.wire.http import Verdict, parsed_json, redact
from dagster_project.wire.pacing import retry_after_seconds

SOURCE = "pinterest_ads"
SIGN_IN = "sign in anew as a person who sees the ad accounts, and put the token in PINTEREST_ADS_REFRESH_TOKEN"
THROTTLED_WAIT_SECONDS = 30.0  # where nothing says how long
_ACCOUNT = re.compile(r"/ad_accounts/(\d+)")
_AFTER = re.compile(r"retry after\s+(\d+)\s+seconds", re.IGNORECASE)


class AddressEnded(Exception):
    """A report's address is good no more."""


class Answers:
    """Judges the answers to one stream's calls."""

    def __init__(self, stream: str) -> None:
        self.where = {"source": SOURCE, "stream": stream}

    def judge(self, response: requests.Response) -> Verdict | None:
        """None leaves an answer to its status."""
        status = response.status_code
        if status < 400 or status >= 500:
            return None
        said = _said(response)
        found = _ACCOUNT.search(urlsplit(response.url).path)
        who = f"account {found[1]}: " if found else ""
        if status == 401:
            return Verdict(error=AuthError(f"Pinterest refuses: {said}; {SIGN_IN}", **self.where), is_login_ended=True)
        if status == 403:
            mend = "give the person the role Analyst on this ad account, and the token ads:read"
            return Verdict(error=AuthError(f"{who}Pinterest refuses: {said}; {mend}", **self.where))
        if status == 404:
            mend = "correct PINTEREST_ADS_ACCOUNT_ID"
            return Verdict(error=ConfigError(f"{who}Pinterest does not know it: {said}; {mend}", **self.where))
        if status == 429:
            after = _AFTER.search(said)
            wait = retry_after_seconds(response.headers) or (float(after[1]) if after else THROTTLED_WAIT_SECONDS)
            later = f"{who}Pinterest's quota is used up: {said} An app on trial has 1,000 calls a day; what was loaded before is untouched"
            return Verdict(wait_seconds=wait, error=QuotaError(later, retry_after_seconds=wait, **self.where))
        return Verdict(error=VendorError(f"{who}{said}", **self.where))


def judge_token(response: requests.Response) -> Verdict | None:
    """Of the token's URL: a refresh token that is over is a 400 or a 401."""
    if response.status_code not in (400, 401):
        return None
    return Verdict(error=AuthError(f"Pinterest gives no token: {_said(response)}; {SIGN_IN}", source=SOURCE))


def judge_download(response: requests.Response) -> Verdict | None:
    """Of a report's address, which is another server's: it is good for five minutes. Raises AddressEnded."""
    if response.status_code in (401, 403, 404, 410):
        raise AddressEnded
    return None


def _said(response: requests.Response) -> str:
    try:
        body = parsed_json(response.content)
        return redact(f"{str(body['message'])[:200]} (code {body['code']})")
    except (ValueError, KeyError, TypeError, RecursionError):
        return f"status {response.status_code}"
