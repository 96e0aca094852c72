"""Pipedrive's calls: lists by cursor, changes of a record, and its dialect of throttling and refusals. No columns.

https://developers.pipedrive.com/docs/api/v1 (v2 where a call has a twin there; changes and users have none) and
https://pipedrive.readme.io/docs/core-api-concepts-rate-limiting
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from dagster_project.wire.contract import AuthError, DriftError, QuotaError, Tally, VendorError
from dagster_project.wire.http import Http, Json, Verdict, start_of
from dagster_project.wire.pacing import quota_of, retry_after_seconds, shared_pacer
from dagster_project.wire.rest import cursor_pages

if TYPE_CHECKING:
    import requests

    from dagster_project.sources.pipedrive.settings import PipedriveSettings

SOURCE = "pipedrive"
PAGE = 500  # the most that a list gives
CALLS_PER_SECOND = 5  # the tightest burst is 20 in 2 seconds for each token
LIMITS = {
    "x-daily-ratelimit-token-remaining": "tokens_per_day_remaining",
    "x-ratelimit-remaining": "requests_per_burst_remaining",
}
Record = dict[str, Json]


class Gone(VendorError):
    """404: the record is not there (any more)."""


class Pipedrive:
    """One company, as its token sees it. Raises AuthError, QuotaError, VendorError or DriftError."""

    def __init__(self, settings: PipedriveSettings, domain: str, token: str, tally: Tally, stream: str) -> None:
        self.domain, self.tally = domain, tally
        self.where = {"source": SOURCE, "stream": stream}
        address = settings.address(domain)
        self._pacer = shared_pacer((address, token), CALLS_PER_SECOND, 1.0)
        self._http = Http(SOURCE, address, tally, headers={"x-api-token": token}, judge=self._judge)

    def __enter__(self) -> Pipedrive:
        self._http.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._http.__exit__(*error)

    def listed(self, path: str, **asked: str) -> Iterator[list[Json]]:
        """Pages of a list, until there is no cursor."""

        def ask(cursor: str | None) -> Json:
            return self._get(path, {"limit": PAGE, **asked, **({"cursor": cursor} if cursor else {})})

        for answer in cursor_pages(ask, _next_cursor, what=f"GET {path}", where=self.where):
            yield self._data(answer, path)

    def users(self) -> list[Json]:
        return self._data(self._get("/api/v1/users", {}), "/api/v1/users")

    def changes(self, kind: str, record_id: Json) -> list[Json]:
        """All changes of fields of a person or deal."""
        try:
            pages = list(self.listed(f"/api/v1/{kind}/{record_id}/changelog"))
        except Gone:
            self.tally.note(f"{self.domain}: of {kind} that vanished while they were read no changes are known")
            return []
        return [change for page in pages for change in page]

    def _get(self, path: str, params: dict[str, str | int]) -> Json:
        return self._http.get_json(path, params=params, pacer=self._pacer)

    def _data(self, answer: Json, path: str) -> list[Json]:
        if isinstance(answer, dict) and answer.get("success") is False:
            raise VendorError(
                f"GET {path} of {self.domain} did not succeed: {answer.get('error')!s:.200}", **self.where
            )
        data: Any = answer.get("data") if isinstance(answer, dict) else None
        if data is None and isinstance(answer, dict) and "data" in answer:
            return []  # how v1 says that there is nothing
        if not isinstance(data, list):
            raise DriftError(f"the answer's field 'data' should be a list, it is a {type(data).__name__}", **self.where)
        return data

    def _judge(self, response: requests.Response) -> Verdict | None:
        self.tally.see_quota(**quota_of(response.headers, LIMITS))
        status, company = response.status_code, f"company {self.domain}"
        if status == 429:
            if response.headers.get("x-daily-ratelimit-token-remaining") == "0":
                used_up = (
                    f"{company}: the day's API tokens are used up; run again tomorrow (what was loaded is untouched)"
                )
                return Verdict(error=QuotaError(used_up, retry_after_seconds=None, **self.where))
            wait = retry_after_seconds(response.headers, "x-ratelimit-reset")
            return Verdict(wait_seconds=retry_after_seconds(response.headers) or wait)
        if status == 401:
            mend = "put the personal API token of a user who sees all deals there (Personal preferences > API)"
            return Verdict(
                error=AuthError(f"{company} does not accept PIPEDRIVE_API_TOKEN (401); {mend}", **self.where)
            )
        if status in (402, 403):
            said = f"{company} refuses {response.request.method} {response.request.path_url.partition('?')[0]} ({status}): "
            mend = "; the user of PIPEDRIVE_API_TOKEN needs API access and the right to see all deals and people"
            return Verdict(error=AuthError(said + start_of(response) + mend, **self.where))
        if status == 404:
            return Verdict(
                error=Gone(f"{response.request.path_url.partition('?')[0]} is not there (404)", **self.where)
            )
        return None


def _next_cursor(answer: Json) -> str | None:
    more = answer.get("additional_data") if isinstance(answer, dict) else None
    return (more.get("next_cursor") or None) if isinstance(more, dict) else None
