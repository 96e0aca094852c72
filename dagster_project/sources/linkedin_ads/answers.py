"""What LinkedIn's refusals mean. Nothing is asked here.

https://learn.microsoft.com/linkedin/shared/api-guide/concepts/error-handling and
https://learn.microsoft.com/linkedin/marketing/integrations/ads-reporting/ads-reporting
"""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

import requests

from dagster_project.wire.contract import AuthError, ConfigError, QuotaError, VendorError
from dagster_project.wire.http import Verdict, redact

SOURCE = "linkedin_ads"
SIGN_IN = "sign in anew as a person who sees the ad accounts, and put the token in LINKEDIN_ADS_REFRESH_TOKEN"
# "The data request limit has been exceeded. More than 45 million metric values were requested in a 5-minute window."
DATA_LIMIT_WAIT_SECONDS = 330.0
THROTTLED_WAIT_SECONDS = 60.0  # no header says how long; the shortest limit that messages name is a minute's
_ACCOUNT = re.compile(r"(?:adAccounts/|sponsoredAccount:)(\d+)")


class TooLongAnAddress(Exception):
    """414: the query has to be sent as a body."""


class Unknown(ConfigError):
    """404."""


class Answers:
    """Judges the answers to one stream's calls."""

    def __init__(self, stream: str) -> None:
        self.where = {"source": SOURCE, "stream": stream}

    def judge(self, response: requests.Response) -> Verdict | None:
        """None leaves an answer to its status. Raises TooLongAnAddress."""
        status = response.status_code
        if status < 400 or status >= 500:
            return None
        if status == 414:
            raise TooLongAnAddress
        said = _said(response, "message")
        parts = urlsplit(response.url)
        found = _ACCOUNT.search(unquote(f"{parts.path}?{parts.query}"))
        who = f"account {found[1]}: " if found else ""
        if status == 401:
            return Verdict(error=AuthError(f"LinkedIn refuses: {said}; {SIGN_IN}", **self.where), is_login_ended=True)
        if status == 403:
            mend = "give the person the role Viewer on this ad account, and the token r_ads and r_ads_reporting"
            return Verdict(error=AuthError(f"{who}LinkedIn refuses: {said}; {mend}", **self.where))
        if status == 404:
            mend = "correct LINKEDIN_ADS_ACCOUNT_ID"
            return Verdict(error=Unknown(f"{who}LinkedIn does not know it: {said}; {mend}", **self.where))
        if status == 426:
            mend = "set LINKEDIN_ADS_API_VERSION to a month that is served"
            return Verdict(error=ConfigError(f"{said}; {mend}", **self.where))
        if status == 429:
            return self._throttled(said)
        return Verdict(error=VendorError(f"{who}{said}", **self.where))

    def _throttled(self, said: str) -> Verdict:
        if " DAY " in said:
            again = "It returns at midnight UTC; what was loaded before is untouched"
            used_up = f"the quota of the day is used up: {said} {again}"
            return Verdict(error=QuotaError(used_up, retry_after_seconds=None, **self.where))
        wait = DATA_LIMIT_WAIT_SECONDS if "45 million metric values" in said else THROTTLED_WAIT_SECONDS
        later = f"{said} Run again later; what was loaded before is untouched"
        return Verdict(wait_seconds=wait, error=QuotaError(later, retry_after_seconds=wait, **self.where))


def judge_token(response: requests.Response) -> Verdict | None:
    """Of the token's URL: a refresh token that is over is a 400."""
    if response.status_code not in (400, 401):
        return None
    said = _said(response, "error_description")
    return Verdict(error=AuthError(f"LinkedIn gives no token: {said}; {SIGN_IN}", source=SOURCE))


def _said(response: requests.Response, name: str) -> str:
    try:
        body = response.json()
        code = body.get("serviceErrorCode") or body.get("code") or response.status_code
        return redact(f"{str(body[name])[:200]} ({code})")
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"status {response.status_code}"
