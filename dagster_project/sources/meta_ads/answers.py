"""What Meta's answers mean: its error codes, and how much of the quota its headers say is used.

Meta throttles with status 400, and tells in a header how many minutes are left. Nothing is asked here.

https://developers.facebook.com/documentation/ads-commerce/marketing-api/error-reference and
https://developers.facebook.com/docs/graph-api/overview/rate-limiting
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import requests

from dagster_project.wire.contract import (
    AuthError,
    ConfigError,
    DriftError,
    QuotaError,
    SourceError,
    Tally,
    VendorError,
)
from dagster_project.wire.http import Json, Verdict, redact
from dagster_project.wire.pacing import in_words

SOURCE = "meta_ads"
THROTTLED = {4, 17, 32, 613, *range(80000, 80007), 80008, 80009, 80014}
TRANSIENT = {2, 99, 104, 960}
TIMED_OUT, TOO_MUCH_DATA, NO_SUCH_OBJECT = 1504018, 1487534, 33  # subcodes
BAD_TOKEN, NO_PERMISSION, OLD_VERSION, TOO_OLD_A_DAY = 190, {3, 10, *range(200, 300)}, 2635, 3018
THROTTLED_WAIT_SECONDS = 60.0  # where no header says how long
_ACCOUNT = re.compile(r"/act_(\d+)")


class TooMuchData(Exception):
    """Meta wants to be asked for less at once."""


class Answers:
    """Judges the answers to one stream's calls, and remembers how much of the quota is used, in percent."""

    def __init__(self, stream: str, tally: Tally, version: str) -> None:
        self.where = {"source": SOURCE, "stream": stream}
        self._tally, self._version = tally, version
        self.used_percent = 0.0

    def judge(self, response: requests.Response) -> Verdict | None:
        """None leaves an answer to its status."""
        regain_seconds = self._see_usage(response.headers)
        served = response.headers.get("facebook-api-version")
        if served and served != self._version:
            self._tally.note(f"asked for {self._version} of Meta's API, answered by {served}")
        if response.status_code < 400:
            return None
        try:
            error = response.json()["error"]
            code, subcode = int(error["code"]), int(error.get("error_subcode") or 0)
        except (ValueError, KeyError, TypeError):
            return None
        found = _ACCOUNT.search(urlsplit(response.url).path)
        who = f"account {found[1]}: " if found else ""
        return self.meaning(code, subcode, error, who, regain_seconds, is_server_error=response.status_code >= 500)

    def meaning(
        self,
        code: int,
        subcode: int,
        error: Mapping[str, Json],
        who: str = "",
        regain_seconds: float | None = None,
        *,
        is_server_error: bool = False,
    ) -> Verdict:
        """What an error means, of a call or of a job. Raises TooMuchData."""
        message = str(error.get("message") or error.get("error_user_msg") or "").strip()
        said = redact(f"{message} (code {code}{f', subcode {subcode}' if subcode else ''})")
        if subcode == TOO_MUCH_DATA or "reduce the amount of data" in message.lower():
            raise TooMuchData(said)
        if code in THROTTLED:
            return self._throttled(who, said, regain_seconds)
        if code == BAD_TOKEN:
            mend = "make a new token of the system user (Business settings > Users > System users), and put it in META_ADS_ACCESS_TOKEN"
            return Verdict(error=AuthError(f"Meta refuses: {said}; {mend}", **self.where))
        if "appsecret_proof" in message.lower():
            mend = "put the app's secret in META_ADS_APP_SECRET: the one of the app that made the token"
            return Verdict(error=ConfigError(f"{said}; {mend}", **self.where))
        if error.get("is_transient") is True or code in TRANSIENT or subcode == TIMED_OUT or is_server_error:
            return Verdict()
        return Verdict(error=self._refusal(code, subcode, message, said, who))

    def _refusal(self, code: int, subcode: int, message: str, said: str, who: str) -> SourceError:
        if code in NO_PERMISSION:
            mend = "give the system user 'view performance' on this ad account, and the token ads_read"
            return AuthError(f"{who}Meta refuses: {said}; {mend}", **self.where)
        if code == OLD_VERSION or "deprecated version" in message:
            mend = "set META_ADS_API_VERSION to one that is served"
            return ConfigError(f"Meta no longer serves {self._version}: {said}; {mend}", **self.where)
        if code == TOO_OLD_A_DAY:
            return VendorError(f"{who}{said}; daily figures reach back 37 months: ask for a later start", **self.where)
        if code == 100 and subcode == NO_SUCH_OBJECT:
            mend = "correct META_ADS_ACCOUNT_ID, or give the system user 'view performance' on the account"
            return ConfigError(f"{who}Meta does not show it to this token; {mend}", **self.where)
        if code == 100 and re.search(r"is not valid for fields|nonexisting field|breakdown", message):
            return DriftError(f"{said}; {self._version} (META_ADS_API_VERSION) does not have this field", **self.where)
        return VendorError(f"{who}{said}", **self.where)

    def _throttled(self, who: str, said: str, regain_seconds: float | None) -> Verdict:
        wait = THROTTLED_WAIT_SECONDS if regain_seconds is None else regain_seconds
        used_up = QuotaError(
            f"{who}Meta's quota is used up: {said}. Run again in {in_words(wait)}; what was loaded before is untouched",
            retry_after_seconds=wait,
            **self.where,
        )
        return Verdict(wait_seconds=wait, error=used_up)

    def _see_usage(self, headers: Mapping[str, str]) -> float | None:
        """Reads the usage headers; how many seconds it takes to regain access, where they say."""
        percents, minutes = [0.0], []
        for name in ("x-business-use-case-usage", "x-app-usage", "x-ad-account-usage", "x-fb-ads-insights-throttle"):
            try:
                usage = list(_objects(json.loads(headers.get(name, "null"))))
            except ValueError:
                continue
            for each in usage:
                percents += [
                    float(value)
                    for key, value in each.items()
                    if key in ("call_count", "total_cputime", "total_time") or key.endswith("util_pct")
                    if isinstance(value, int | float)
                ]
                if isinstance(left := each.get("estimated_time_to_regain_access"), int | float) and left > 0:
                    minutes.append(float(left))
        if any(name in headers for name in ("x-business-use-case-usage", "x-fb-ads-insights-throttle", "x-app-usage")):
            self.used_percent = max(percents)
            self._tally.see_quota(used_percent=self.used_percent)
        return max(minutes) * 60 if minutes else None


def _objects(usage: Json) -> Iterator[Mapping[str, Json]]:
    """The objects of a header, however deep: {"<id>": [{…}]} or {…}."""
    if isinstance(usage, dict):
        if not any(isinstance(value, dict | list) for value in usage.values()):
            yield usage
        for value in usage.values():
            yield from _objects(value)
    elif isinstance(usage, list):
        for value in usage:
            yield from _objects(value)
