"""How Yandex.Webmaster is asked: who we are, lists of queries and pages by 500, totals of a site, its limits and refusals.

The list cannot be asked for days: it always gives all that there are, the last 14.

https://yandex.com/dev/webmaster/doc/en/reference/host-query-analytics
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Self
from urllib.parse import quote, unquote, urlsplit

import requests

from dagster_project.sources.yandex_webmaster.settings import WebmasterSettings
from dagster_project.wire.contract import AuthError, ConfigError, DriftError, Tally, VendorError, Window
from dagster_project.wire.http import Http, Json, Verdict
from dagster_project.wire.pacing import shared_pacer
from dagster_project.wire.rest import numbered_pages

SOURCE = "yandex_webmaster"
# More than 10,000 requests in an hour are refused for a while.
CALLS, SECONDS = 2, 1
THROTTLED_SECONDS = 60.0
PAGE = 500  # the most of a page
INDICATORS = ("TOTAL_SHOWS", "TOTAL_CLICKS", "AVG_SHOW_POSITION")
BAD_TOKEN = {"INVALID_OAUTH_TOKEN", "INVALID_USER_ID", "ACCESS_FORBIDDEN"}


class NotLoaded(Exception):
    """Webmaster has not loaded the site yet: there is nothing to read."""


class Webmaster:
    """One read's connection. Methods raise AuthError, ConfigError, DriftError, VendorError, NotLoaded."""

    def __init__(self, settings: WebmasterSettings, stream: str, tally: Tally) -> None:
        token = settings.token.get_secret_value()
        self.where = {"source": SOURCE, "stream": stream}
        self._http = Http(
            SOURCE, settings.base_url, tally, headers={"Authorization": f"OAuth {token}"}, judge=self._judge
        )
        self._pacer = shared_pacer((settings.base_url, token), CALLS, SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.__exit__()

    def user(self) -> int:
        answer = self._http.get_json("/v4/user", pacer=self._pacer)
        user = answer.get("user_id") if isinstance(answer, dict) else None
        if not isinstance(user, int):
            raise VendorError("no user_id is named; is YANDEX_WEBMASTER_BASE_URL right?", **self.where)
        return user

    def texts(self, user: int, host: str, device: str, kind: str) -> Iterator[list[Json]]:
        """Pages of queries or addresses (`kind`: QUERY, URL), each with the figures of all days that there are."""
        path = f"/v4/user/{user}/hosts/{quote(host, safe='')}/query-analytics/list"

        def ask(offset: int) -> Json:
            asked = {"offset": offset, "limit": PAGE, "device_type_indicator": device, "text_indicator": kind}
            answer = self._http.post_json(path, json=asked, pacer=self._pacer)
            if not isinstance(answer, dict) or not isinstance(answer.get("text_indicator_to_statistics"), list):
                raise DriftError(f"host {host}: there is no list text_indicator_to_statistics", **self.where)
            if not isinstance(answer.get("count"), int):
                raise DriftError(f"host {host}: there is no number `count`", **self.where)
            return answer | {"offset": offset}

        def is_last(answer: Json) -> bool:
            rows = answer["text_indicator_to_statistics"]
            return not rows or answer["offset"] + PAGE >= answer["count"]

        what = f"host {host}: the list of {kind}"
        for answer in numbered_pages(ask, count(0, PAGE), is_last, what=what, where=self.where):
            yield answer["text_indicator_to_statistics"]

    def history(self, user: int, host: str, device: str, window: Window) -> dict[str, Json]:
        """Indicator -> its values by day, rare queries too."""
        path = f"/v4/user/{user}/hosts/{quote(host, safe='')}/search-queries/all/history"
        asked = {
            "query_indicator": INDICATORS,
            "device_type_indicator": device,
            "date_from": str(window.start),
            "date_to": str(window.last),
        }
        answer = self._http.get_json(path, params=asked, pacer=self._pacer)  # type: ignore[arg-type]
        indicators = answer.get("indicators") if isinstance(answer, dict) else None
        if not isinstance(indicators, dict):
            raise DriftError(f"host {host}: there are no indicators", **self.where)
        return indicators

    def _judge(self, response: requests.Response) -> Verdict | None:
        if response.status_code < 400:
            return None
        code, said = _refusal(response)
        host = unquote(urlsplit(response.url).path.partition("/hosts/")[2].partition("/")[0])
        who = f"host {host}: " if host else ""
        if response.status_code == 429:
            return Verdict(wait_seconds=THROTTLED_SECONDS)
        if code == "HOST_NOT_LOADED":
            raise NotLoaded(said)
        if code == "HOST_NOT_VERIFIED":
            mend = "confirm the site in Webmaster with the token's user, or take it out of YANDEX_WEBMASTER_HOSTS"
            return Verdict(error=AuthError(f"{who}{said}; {mend}", **self.where))
        if response.status_code == 401 or code in BAD_TOKEN:
            mend = "make a new token with the right webmaster:hostinfo and set YANDEX_WEBMASTER_TOKEN"
            return Verdict(error=AuthError(f"Webmaster does not take the token: {said}; {mend}", **self.where))
        if response.status_code == 404:
            return Verdict(error=ConfigError(f"{who}{said}; is YANDEX_WEBMASTER_HOSTS right?", **self.where))
        if response.status_code < 500:
            return Verdict(error=VendorError(f"{who}Webmaster refuses the question: {said}", **self.where))
        return None


def _refusal(response: requests.Response) -> tuple[str, str]:
    """(code, what is said) of an error body."""
    try:
        body = response.json()
        code = str(body["error_code"])
        return code, f"{body.get('error_message') or 'no message'} ({code})"[:300]
    except (ValueError, KeyError, AttributeError, TypeError):
        return "", f"status {response.status_code}"
