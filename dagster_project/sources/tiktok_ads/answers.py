"""What TikTok's answers mean: they are all a 200, and a code in the body says what they are. Nothing is asked here.

https://business-api.tiktok.com/portal/docs?id=1737172488964097 (return codes)
"""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import requests

from dagster_project.wire.contract import AuthError, DriftError, QuotaError, VendorError
from dagster_project.wire.http import Verdict, parsed_json, redact

SOURCE = "tiktok_ads"
GOOD, THROTTLED, NO_PERMISSION, BAD_QUESTION = 0, 40100, 40001, 40002
BAD_TOKEN = range(40101, 40110)
# The task is being worked on, failed, or the system did: clients that are in use ask again.
TRANSIENT = {40200, 40201, 40202, 40700}
SYSTEM = range(50000, 60000)
THROTTLED_WAIT_SECONDS = 60.0  # no header says how long; a limit is of queries a second, minute and day


class Answers:
    """Judges the answers to one stream's calls."""

    def __init__(self, stream: str) -> None:
        self.where = {"source": SOURCE, "stream": stream}

    def judge(self, response: requests.Response) -> Verdict | None:
        """None for a good answer, and for one that is left to its status or is not whole."""
        try:
            body = parsed_json(response.content)
            code, message = int(body["code"]), str(body.get("message") or "")
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
        if code == GOOD:
            return None
        advertiser = parse_qs(urlsplit(response.url).query).get("advertiser_id", [""])[0]
        who = f"account {advertiser}: " if advertiser else ""
        return self._meaning(code, who, redact(f"{message[:300]} (code {code})"))

    def _meaning(self, code: int, who: str, said: str) -> Verdict:
        if code == THROTTLED:
            later = f"{who}TikTok's quota is used up: {said}. Run again later; what was loaded before is untouched"
            used_up = QuotaError(later, retry_after_seconds=THROTTLED_WAIT_SECONDS, **self.where)
            return Verdict(wait_seconds=THROTTLED_WAIT_SECONDS, error=used_up)
        if code in BAD_TOKEN:
            mend = "authorise the app anew as the advertiser, and put the token in TIKTOK_ADS_ACCESS_TOKEN"
            return Verdict(error=AuthError(f"TikTok refuses: {said}; {mend}", **self.where))
        if code == NO_PERMISSION:
            mend = "correct TIKTOK_ADS_ADVERTISER_ID, or let the advertiser authorise the app with Reporting and the right to read ads"
            return Verdict(error=AuthError(f"{who}TikTok refuses: {said}; {mend}", **self.where))
        if code in TRANSIENT or code in SYSTEM:
            return Verdict()
        if code == BAD_QUESTION and "metric" in said.lower():
            mend = "take the metric that TikTok does not know out of sources.tiktok_ads in funnelhouse.yml"
            return Verdict(error=DriftError(f"{who}{said}; {mend}", **self.where))
        return Verdict(error=VendorError(f"{who}{said}", **self.where))
