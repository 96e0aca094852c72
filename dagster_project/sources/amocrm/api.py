"""amoCRM's calls: lists by links, 204 where there is nothing, and its dialect of throttling and refusals. No columns.

https://www.amocrm.ru/developers/content/crm_platform/api-reference (Kommo is the same at kommo.com). 7 calls a second for an
integration; who goes on at too many is blocked with 403, so we stay below and wait long at the first 429.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from dagster_project.wire.contract import AuthError, ConfigError, DriftError, Tally
from dagster_project.wire.http import Http, Json, Verdict, start_of
from dagster_project.wire.pacing import retry_after_seconds, shared_pacer
from dagster_project.wire.rest import next_links

if TYPE_CHECKING:
    import requests

    from dagster_project.sources.amocrm.settings import AmocrmSettings

SOURCE = "amocrm"
PAGE, EVENTS_PAGE = 250, 100  # the most that lists give
CALLS_PER_SECOND = 5
THROTTLED_SECONDS = 5.0  # 429 seldom says how long
Record = dict[str, Json]


class Amocrm:
    """One account, as its token sees it. Raises AuthError, ConfigError, QuotaError, VendorError or DriftError."""

    def __init__(self, settings: AmocrmSettings, subdomain: str, token: str, tally: Tally, stream: str) -> None:
        self.subdomain, self.tally = subdomain, tally
        self.where = {"source": SOURCE, "stream": stream}
        address = settings.address(subdomain)
        self._pacer = shared_pacer((address, token), CALLS_PER_SECOND, 1.0)
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/hal+json"}
        self._http = Http(SOURCE, address, tally, headers=headers, judge=self._judge)

    def __enter__(self) -> Amocrm:
        self._http.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._http.__exit__(*error)

    def account(self) -> Record:
        answer = self._get("/api/v4/account")
        if not isinstance(answer, dict) or not isinstance(answer.get("currency"), str):
            raise DriftError("the account's field 'currency' should be a text", **self.where)
        return answer

    def listed(self, path: str, of: str, **asked: str | int) -> Iterator[list[Json]]:
        """Pages of a list: `_embedded.<of>`, until there is no `_links.next`; nothing at all is a 204."""
        first = f"{path}?{urlencode({'limit': PAGE, **asked})}"
        answers = next_links(
            self._get, first, self._next, base_url=self._http.base_url, what=f"GET {path}", where=self.where
        )
        for answer in answers:
            if answer is None:
                continue
            embedded = answer.get("_embedded") if isinstance(answer, dict) else None
            rows = embedded.get(of) if isinstance(embedded, dict) else None
            if not isinstance(rows, list):
                raise DriftError(
                    f"the answer's field '_embedded.{of}' should be a list, it is a {type(rows).__name__}", **self.where
                )
            yield rows

    def _get(self, path: str) -> Json:
        return self._http.get_json(path, pacer=self._pacer, may_be_empty=True)

    def _next(self, answer: Json) -> str | None:
        links = answer.get("_links") if isinstance(answer, dict) else None
        following = links.get("next") if isinstance(links, dict) else None
        if following is None:
            return None
        href = following.get("href") if isinstance(following, dict) else None
        if not isinstance(href, str):
            raise DriftError("the answer's field '_links.next.href' should be a text", **self.where)
        return href

    def _judge(self, response: requests.Response) -> Verdict | None:
        status, account = response.status_code, f"account {self.subdomain}"
        if status == 429:
            return Verdict(wait_seconds=retry_after_seconds(response.headers) or THROTTLED_SECONDS)
        if status == 401:
            mend = "make a new long-lived token of the private integration (Keys and scopes), its time may be over"
            return Verdict(
                error=AuthError(f"{account} does not accept AMOCRM_ACCESS_TOKEN (401); {mend}", **self.where)
            )
        if status == 402:
            return Verdict(
                error=AuthError(f"{account} is not paid for (402); amoCRM gives nothing until it is", **self.where)
            )
        if status == 403:
            path = response.request.path_url.partition("?")[0]
            mend = "; the integration needs an administrator's right; after too many calls amoCRM blocks an address for a while"
            return Verdict(
                error=AuthError(f"{account} refuses GET {path} (403): {start_of(response)}{mend}", **self.where)
            )
        if status == 404:
            path = response.request.path_url.partition("?")[0]
            said = f"{account} has no {path} (404); is AMOCRM_SUBDOMAIN the part before the domain, and AMOCRM_DOMAIN right?"
            return Verdict(error=ConfigError(said, **self.where))
        return None
