"""What Meta's refusals mean for pages and Instagram accounts. It throttles with status 400; a header says how long.

https://developers.facebook.com/docs/graph-api/guides/error-handling and
https://developers.facebook.com/docs/graph-api/overview/rate-limiting
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

import requests

from dagster_project.wire.contract import AuthError, ConfigError, DriftError, QuotaError, Tally, VendorError
from dagster_project.wire.http import Verdict, redact
from dagster_project.wire.pacing import in_words

NAME = "meta_social"
THROTTLED = {4, 17, 32, 613, 80001, 80002}
TRANSIENT = {1, 2}
BAD_TOKEN, NO_PERMISSION, OLD_VERSION, NO_SUCH_OBJECT = {102, 190}, {3, 10, *range(200, 300)}, 2635, 33
THROTTLED_WAIT_SECONDS = 60.0  # where no header says how long


class Answers:
    """Judges the answers to one stream's calls."""

    def __init__(self, stream: str, tally: Tally, version: str) -> None:
        self.where = {"source": NAME, "stream": stream}
        self._tally, self._version = tally, version

    def judge(self, response: requests.Response) -> Verdict | None:
        """None leaves an answer to its status."""
        served = response.headers.get("facebook-api-version")
        if served and served != self._version:
            self._tally.note(f"asked for {self._version} of Meta's API, answered by {served}")
        if response.status_code < 400:
            return None
        try:
            error = response.json()["error"]
            code, subcode = int(error["code"]), int(error.get("error_subcode") or 0)
            message = str(error.get("message") or "").strip()
        except (ValueError, KeyError, TypeError, AttributeError):
            return None
        who = urlsplit(response.url).path.rpartition("/")[2]
        said = f"{redact(message)[:300]} (code {code}{f', subcode {subcode}' if subcode else ''})"
        if code in THROTTLED:
            wait = _regain_seconds(response.headers) or THROTTLED_WAIT_SECONDS
            again = f"Run again in {in_words(wait)}; what was loaded before is untouched"
            used_up = QuotaError(f"Meta's quota is used up: {said}. {again}", retry_after_seconds=wait, **self.where)
            return Verdict(wait_seconds=wait, error=used_up)
        if code in BAD_TOKEN:
            mend = "make a new token of the system user, and put it in META_SOCIAL_ACCESS_TOKEN"
            return Verdict(error=AuthError(f"Meta refuses: {said}; {mend}", **self.where))
        if "appsecret_proof" in message.lower():
            mend = "put the secret of the app that made the token in META_SOCIAL_APP_SECRET"
            return Verdict(error=ConfigError(f"{said}; {mend}", **self.where))
        if error.get("is_transient") is True or code in TRANSIENT or response.status_code >= 500:
            return Verdict()
        if code in NO_PERMISSION:
            mend = (
                "give the token pages_read_engagement (and instagram_basic), and assign the account to the system user"
            )
            return Verdict(error=AuthError(f"{who}: Meta refuses: {said}; {mend}", **self.where))
        if code == OLD_VERSION or "deprecated version" in message:
            mend = "set META_GRAPH_VERSION to one that is served"
            return Verdict(error=ConfigError(f"Meta no longer serves {self._version}: {said}; {mend}", **self.where))
        if code == 100 and subcode == NO_SUCH_OBJECT:
            mend = "correct FACEBOOK_PAGE_IDS or INSTAGRAM_ACCOUNT_IDS, or assign the account to the system user"
            return Verdict(error=ConfigError(f"{who}: Meta does not show it to this token; {mend}", **self.where))
        if code == 100 and re.search(r"nonexisting field", message):
            mend = "is it listed as what it is (FACEBOOK_PAGE_IDS, INSTAGRAM_ACCOUNT_IDS)?"
            return Verdict(error=DriftError(f"{who}: {said}; {mend}", **self.where))
        return Verdict(error=VendorError(f"{who}: {said}", **self.where))


def _regain_seconds(headers: Mapping[str, str]) -> float | None:
    """How long the header of business use cases says it takes: {"<id>": [{"estimated_time_to_regain_access": minutes}]}."""
    try:
        usage = json.loads(headers.get("x-business-use-case-usage", "{}"))
        minutes = [float(case["estimated_time_to_regain_access"]) for cases in usage.values() for case in cases]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return max(minutes, default=0.0) * 60 or None
