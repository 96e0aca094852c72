"""Stripe's calls: lists that go on after an id, and its dialect of throttling and refusals. No columns.

https://docs.stripe.com/api/pagination, https://docs.stripe.com/error-low-level, https://docs.stripe.com/rate-limits
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING

from dagster_project.wire.contract import AuthError, DriftError, Tally, Window
from dagster_project.wire.http import Http, Json, Verdict, start_of
from dagster_project.wire.pacing import retry_after_seconds, shared_pacer
from dagster_project.wire.rest import cursor_pages

if TYPE_CHECKING:
    import requests

    from dagster_project.sources.stripe.settings import StripeSettings

SOURCE = "stripe"
PAGE = 100  # the most that a list gives
CALLS_PER_SECOND = 10  # an endpoint takes 25
Record = dict[str, Json]


class Stripe:
    """One account, as its key sees it. Raises AuthError, QuotaError, VendorError or DriftError."""

    def __init__(self, settings: StripeSettings, account: str, key: str, tally: Tally, stream: str) -> None:
        self.account, self.tally = account, tally
        self.where = {"source": SOURCE, "stream": stream}
        self._pacer = shared_pacer((settings.base_url, key), CALLS_PER_SECOND, 1.0)
        headers = {"Authorization": f"Bearer {key}", "Stripe-Version": settings.api_version}
        self._http = Http(SOURCE, settings.base_url, tally, headers=headers, judge=self._judge)

    def __enter__(self) -> Stripe:
        self._http.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._http.__exit__(*error)

    def listed(self, path: str, window: Window) -> Iterator[list[Json]]:
        """Pages of what was made in the window, newest first."""
        created = {"created[gte]": _epoch(window.start), "created[lt]": _epoch(window.end)}

        def ask(after: str | None) -> Record:
            following = {"starting_after": after} if after else {}
            answer = self._http.get_json(path, params={"limit": PAGE, **created, **following}, pacer=self._pacer)
            if not isinstance(answer, dict) or not isinstance(answer.get("data"), list):
                raise DriftError("the answer's field 'data' should be a list", **self.where)
            return answer

        for page in cursor_pages(ask, self._last_id, what=f"GET {path}", where=self.where):
            yield page["data"]

    def _last_id(self, page: Record) -> str | None:
        if not isinstance(page.get("has_more"), bool):
            raise DriftError("the answer's field 'has_more' does not say whether there is more", **self.where)
        if not page["has_more"]:
            return None
        last = page["data"][-1] if page["data"] else None
        if not isinstance(last, dict) or not last.get("id"):
            raise DriftError("there is more after a page whose last record has no id", **self.where)
        return str(last["id"])

    def _judge(self, response: requests.Response) -> Verdict | None:
        status, account = response.status_code, f"account {self.account}"
        if status < 400:
            return None
        if status in (401, 403):
            mend = "make a restricted live key with read on Charges, Refunds, Disputes and Balance"
            said = f"{account}: STRIPE_API_KEY is refused ({status}): {start_of(response)}; {mend}"
            return Verdict(error=AuthError(said, **self.where))
        if status == 409 or response.headers.get("Stripe-Should-Retry") == "true":
            return Verdict(wait_seconds=retry_after_seconds(response.headers))
        return None


def _epoch(day: date) -> int:
    return int(datetime.combine(day, time(), UTC).timestamp())
