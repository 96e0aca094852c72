"""VK Ads' API as accounts are read by it: who the account is, its campaigns, groups and ads by pages, figures by day.

Rows leave as VK sent them; what they become is in `rows`, what errors mean in `answers`.

https://ads.vk.com/doc/api
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Self

from dagster_project.sources.vk_ads.answers import SOURCE, Answers, TooMuchData
from dagster_project.sources.vk_ads.login import token_of
from dagster_project.wire.contract import DriftError, Tally, VendorError, Window
from dagster_project.wire.http import Http, Json
from dagster_project.wire.oauth import Bearer
from dagster_project.wire.pacing import shared_pacer
from dagster_project.wire.report_rows import halves
from dagster_project.wire.rest import cursor_pages

if TYPE_CHECKING:
    from dagster_project.sources.vk_ads.settings import VkAdsSettings

Row = dict[str, Json]

CALLS, SECONDS = 2, 1.0  # limits are an account's own and told in headers; five a second have been seen
PAGE = 200
MOST_IDS = 200  # "statistics of at most 200 objects in one request"
STATUSES = "active,blocked,deleted"  # without them what is deleted is left out, whose figures stay
LISTS = {
    "ad_plans": "id,name,objective",
    "ad_groups": "id,name,ad_plan_id,enable_utm,utm",
    "banners": "id,name,ad_group_id,urls",
}


class VkAds:
    """One read's connection to one account. `client`: an agency's client; "" for the access's own account.

    Methods raise AuthError, QuotaError, VendorError.
    """

    def __init__(self, settings: VkAdsSettings, stream: str, tally: Tally, client: str = "") -> None:
        self._settings, self._tally = settings, tally
        self.who = f"client {client}" if client else "the account"
        self._pacer = shared_pacer((settings.base_url, settings.client_id, client), CALLS, SECONDS)
        answers = Answers(stream, tally, self.who)
        self.where = answers.where
        self._http = Http(
            SOURCE, settings.base_url, tally, auth=Bearer(token_of(settings, client), tally), judge=answers.judge
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.__exit__()

    def account(self) -> tuple[str, str]:
        """(id, currency). More stands in the answer, of a person: nothing else is taken."""
        user = self._get("/api/v2/user.json", {})
        currency = user.get("currency") or self._settings.currency
        if not user.get("id") or isinstance(user["id"], bool):
            raise DriftError(f"{self.who}: user.json has no id", **self.where)
        if not isinstance(currency, str):
            raise DriftError(
                f"{self.who}: VK does not name its currency (user.json); set VK_ADS_CURRENCY", **self.where
            )
        return str(user["id"]), currency

    def listed(self, name: str) -> dict[str, Row]:
        """All objects of a list by their id; one that came on two pages counts once. Odd ones are told."""
        found: dict[str, Row] = {}
        given, promised = 0, 0

        def ask(offset: str | None) -> Row:
            asked: dict[str, str | int] = {
                "fields": LISTS[name],
                "_status__in": STATUSES,
                "limit": PAGE,
                "offset": int(offset or 0),
            }
            return {**self._get(f"/api/v2/{name}.json", asked), "_offset": int(offset or 0)}

        def following(answer: Row) -> str | None:
            reached = answer["_offset"] + len(self._items(answer, name))
            return str(reached) if answer["items"] and reached < int(answer.get("count") or 0) else None

        for answer in cursor_pages(ask, following, what=f"{self.who}: the list {name}", where=self.where):
            given, promised = given + len(answer["items"]), int(answer.get("count") or 0)
            for row in self._items(answer, name):
                if isinstance(row, dict) and row.get("id"):
                    found.setdefault(str(row["id"]), row)
                else:
                    self._tally.bad_row(f"{SOURCE}: {self.who}: a row of {name} has no id")
        if given < promised:
            raise VendorError(f"{self.who}: {name} gave {given} rows and says that there are {promised}", **self.where)
        return found

    def by_day(self, what: str, ids: Sequence[str], window: Window, asked: Mapping[str, str]) -> Iterator[list[Row]]:
        """Figures of ads by day, of `what` ("" or "goals/"): answers of a few ads and days each."""
        for start in range(0, len(ids), MOST_IDS):
            yield from self._cut(what, list(ids[start : start + MOST_IDS]), window, asked)

    def _cut(self, what: str, ids: list[str], window: Window, asked: Mapping[str, str]) -> Iterator[list[Row]]:
        """The window, then the ads, are halved until VK answers."""
        span = {"id": ",".join(ids), "date_from": str(window.start), "date_to": str(window.last)}
        try:
            answer = self._get(f"/api/v2/statistics/{what}banners/day.json", {**span, **asked})
            yield self._items(answer, "statistics")
            return
        except TooMuchData as too_much:
            days = window.days()
            if len(days) == len(ids) == 1:
                raise VendorError(f"{self.who}: a single ad and day is too much: {too_much}", **self.where) from None
        if len(days) > 1:
            for half in halves(window):
                yield from self._cut(what, ids, half, asked)
        else:
            for some in (ids[: len(ids) // 2], ids[len(ids) // 2 :]):
                yield from self._cut(what, some, window, asked)

    def _items(self, answer: Row, what: str) -> list[Row]:
        items = answer.get("items")
        if not isinstance(items, list):
            raise VendorError(f"{self.who}: {what} has no list of items; is VK_ADS_BASE_URL right?", **self.where)
        return items

    def _get(self, path: str, asked: Mapping[str, str | int]) -> Row:
        answer = self._http.get_json(path, params=asked, pacer=self._pacer)
        if not isinstance(answer, dict):
            raise VendorError(f"GET {path} answered with no JSON object; is VK_ADS_BASE_URL right?", **self.where)
        return answer
