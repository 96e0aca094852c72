"""What VK's answers mean: its error codes, what is left of a second, an hour and a day, and refused tokens.

https://ads.vk.com/doc/api/info/Statistics and https://ads.vk.com/doc/api/info/Authorization
"""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import requests

from dagster_project.wire.contract import AuthError, QuotaError, Tally, VendorError
from dagster_project.wire.http import Json, Verdict, redact
from dagster_project.wire.pacing import in_words, quota_of

SOURCE = "vk_ads"
ZONE = ZoneInfo("Europe/Moscow")  # of its days; what the reports are in is not said, limits are by the calendar
QUOTAS = {"X-RateLimit-Hourly-Remaining": "calls_left_of_hour", "X-RateLimit-Daily-Remaining": "calls_left_of_day"}
A_SECOND = 1.0
ENDED = {"expired_token", "invalid_token"}


class TooMuchData(Exception):
    """VK wants to be asked for fewer days or ads at once."""


class TokensUsedUp(Exception):
    """This access has as many tokens for this account as there may be."""


class Answers:
    """Judges the answers to one stream's calls for one account."""

    def __init__(self, stream: str, tally: Tally, who: str) -> None:
        self.where = {"source": SOURCE, "stream": stream}
        self._tally, self._who = tally, who

    def judge(self, response: requests.Response) -> Verdict | None:
        """None leaves an answer to its status."""
        self._tally.see_quota(**quota_of(response.headers, QUOTAS))
        status = response.status_code
        if status == 429:
            return self._throttled(response)
        if status < 400 or status >= 500:
            return None
        code, said = error_of(response)
        said = f"{self._who}: {said}"
        if status == 401:
            mend = "is VK_ADS_CLIENT_ID's access to the account still there (VK Ads: Settings > API access)?"
            return Verdict(error=AuthError(f"{said}; {mend}", **self.where), is_login_ended=code in ENDED)
        if status == 403:
            mend = "let the access read statistics and campaigns (read_ads) of this account"
            return Verdict(error=AuthError(f"{said}; {mend}", **self.where))
        if code == "ERR_LIMIT_EXCEEDED":
            raise TooMuchData(said)
        if code == "ERR_WRONG_DATE":
            return Verdict(error=VendorError(f"{said}; figures reach back 366 days", **self.where))
        return Verdict(error=VendorError(f"VK refuses: {said}", **self.where))

    def _throttled(self, response: requests.Response) -> Verdict:
        now = datetime.now(ZONE)
        hour = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        for name, what, until in (
            ("Daily", "day", hour.replace(hour=0) + timedelta(days=hour.hour > 0)),
            ("Hourly", "hour", hour),
        ):
            if response.headers.get(f"X-RateLimit-{name}-Remaining") == "0":
                wait = (until - now).total_seconds()
                used_up = QuotaError(
                    f"{self._who}: the calls of this {what} are used up; run again in {in_words(wait)}",
                    retry_after_seconds=wait,
                    **self.where,
                )
                return Verdict(wait_seconds=wait, error=used_up)
        return Verdict(wait_seconds=A_SECOND)


def judge_sign_in(response: requests.Response) -> Verdict | None:
    """What a refusal of the token endpoint means. Raises TokensUsedUp."""
    if response.status_code not in (400, 401, 403, 404):
        return None
    code, said = error_of(response)
    # the limit is a 403 whose body is not documented; another agency's client is one with a code of its own
    if response.status_code == 403 and code != "access_denied":
        raise TokensUsedUp(said)
    mend = "are VK_ADS_CLIENT_ID and VK_ADS_CLIENT_SECRET right, and the names of VK_ADS_AGENCY_CLIENT_NAME clients of theirs?"
    return Verdict(error=AuthError(f"VK gives no token: {said}; {mend}", source=SOURCE))


def error_of(response: requests.Response) -> tuple[str, str]:
    """(code, what is said) of an error in any of VK's three shapes."""
    try:
        body: Json = response.json()
        error = body.get("error", body)
        if isinstance(error, str):  # OAuth
            code, message = error, body.get("error_description")
        else:
            code, message = str(error.get("code", "")), error.get("message")
    except (ValueError, AttributeError):
        return "", f"status {response.status_code}"
    return code, redact(f"{message or 'no message'} ({code or 'no code'}, status {response.status_code})")
