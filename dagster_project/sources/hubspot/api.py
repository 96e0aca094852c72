"""HubSpot's calls: lists, batch reads, associations. No streams, no columns.

What has changed is found by `search`, what an answer means as a protocol is in `answers`. Records leave as the JSON
objects that HubSpot sent; what they mean is the business of `rows`.

https://developers.hubspot.com/docs/api-reference/crm-contacts-v3 and
https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from dagster_project.sources.hubspot.answers import SOURCE, Answers, Forbidden, NotFound, Record, next_page
from dagster_project.sources.hubspot.search import Search
from dagster_project.wire.contract import Tally
from dagster_project.wire.http import Http, Json
from dagster_project.wire.pacing import Pacer, shared_pacer
from dagster_project.wire.rest import cursor_pages

if TYPE_CHECKING:
    from dagster_project.sources.hubspot.settings import HubspotSettings

LIST_PAGE, LIST_PAGE_WITH_HISTORY = 100, 50
BATCH_READ, BATCH_READ_WITH_HISTORY = 100, 50
ASSOCIATIONS_BATCH = 1000
FORMS_PAGE = 100
SUBMISSIONS_PAGE = 50
# A list carries its property names in the URL. The vendor names no limit (beyond it: 414); connectors in the
# field stop at 5 to 15 thousand characters. Longer lists of names go into the body of a batch read instead.
URL_NAMES_CHARACTERS = 5_000

SEARCHES_PER_SECOND = 5  # per account, apart from the burst limit of all other calls
HOME_ACCOUNT = "hubspot"  # the account's name where the token may not ask who it belongs to

T = TypeVar("T")


@dataclass(frozen=True)
class Account:
    """The portal that a token belongs to. `currency` is what its deals are in unless they say otherwise."""

    id: str
    currency: str | None


def in_chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


class HubSpot:
    """A portal, as its token sees it. Every method raises AuthError, QuotaError, VendorError or DriftError.

    `stream`: for whom it is asked; errors name it.
    """

    def __init__(
        self,
        settings: HubspotSettings,
        tally: Tally,
        stream: str,
        *,
        sleep: Callable[[float], None] | None = None,
        pacer: Pacer | None = None,
    ) -> None:
        token = settings.access_token.get_secret_value()
        self.settings, self.tally = settings, tally
        self._answers = Answers(stream, tally)
        # One for an account: contacts and deals are read by two threads, but the limit is common to them.
        self._pacer = pacer or shared_pacer((settings.base_url, token), SEARCHES_PER_SECOND, 1.0)
        self._http = Http(
            SOURCE,
            settings.base_url,
            tally,
            headers={"Authorization": f"Bearer {token}"},
            judge=self._answers.judge,
            sleep=sleep,
        )

    def __enter__(self) -> HubSpot:
        self._http.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._http.__exit__(*error)

    # ---- who and what ------------------------------------------------------------------------------------

    def account(self) -> Account:
        """The portal's id and home currency: every row names its account, and a deal may name no currency."""
        try:
            details = self._http.get_json("/account-info/v3/details")
        except (NotFound, Forbidden):
            self.tally.note("the token's account could not be asked for: rows are filed under 'hubspot'")
            return Account(HOME_ACCOUNT, None)
        return Account(str(self._answers.take(details, "portalId", int | str)), details.get("companyCurrency"))

    def property_names(self, object_type: str) -> set[str]:
        """The names of the properties that the portal has: what is not there must not be asked for."""
        answer = self._http.get_json(f"/crm/v3/properties/{object_type}")
        return {self._answers.take(each, "name", str) for each in self._answers.take(answer, "results", list)}

    # ---- records -----------------------------------------------------------------------------------------

    def search(
        self, object_type: str, cursor: str, start_ms: int, end_ms: int, properties: Sequence[str]
    ) -> Iterator[Record]:
        """Live records whose `cursor` property lies in [start_ms, end_ms), oldest first: see `Search.records`."""
        search = Search(self._http, self._pacer, self._answers, object_type, cursor, properties)
        return search.records(start_ms, end_ms)

    def records(
        self,
        object_type: str,
        properties: Sequence[str],
        *,
        history: Sequence[str] = (),
        archived: bool = False,
    ) -> Iterator[Record]:
        """Every live (or every archived) record. `history`: properties whose past values are wanted too."""
        names, names_with_history = ",".join(properties), ",".join(history)
        path = f"/crm/v3/objects/{object_type}"
        if len(names) + len(names_with_history) > URL_NAMES_CHARACTERS:
            ids = (
                str(self._answers.take(each, "id", str | int))
                for each in self._pages(path, {"limit": LIST_PAGE, "archived": _text(archived)})
            )
            for chunk in in_chunks(ids, LIST_PAGE):
                yield from self.batch_read(object_type, chunk, properties, history=history, archived=archived).values()
            return
        query: dict[str, str | int] = {
            "limit": LIST_PAGE_WITH_HISTORY if history else LIST_PAGE,
            "archived": _text(archived),
            "properties": names,
        }
        yield from self._pages(path, query | ({"propertiesWithHistory": names_with_history} if history else {}))

    def batch_read(
        self,
        object_type: str,
        ids: Sequence[str],
        properties: Sequence[str],
        *,
        history: Sequence[str] = (),
        archived: bool = False,
    ) -> dict[str, Record]:
        """The records of these ids, as they are now, by id. An id that is no longer there is left out."""
        records: dict[str, Record] = {}
        for chunk in in_chunks(ids, BATCH_READ_WITH_HISTORY if history else BATCH_READ):
            answer = self._http.post_json(
                f"/crm/v3/objects/{object_type}/batch/read",
                params={"archived": _text(archived)},
                json={
                    "inputs": [{"id": each} for each in chunk],
                    "properties": list(properties),
                    "propertiesWithHistory": list(history),
                },
            )
            self._answers.expect_only(answer, "OBJECT_NOT_FOUND")
            records.update(
                (str(self._answers.take(each, "id", str | int)), each)
                for each in self._answers.take(answer, "results", list)
            )
        return records

    def associations(self, from_type: str, to_type: str, ids: Sequence[str]) -> dict[str, list[Record]]:
        """What these records are associated with: id -> [{toObjectId, associationTypes}], however many."""
        found: dict[str, list[Record]] = {}
        path = f"/crm/v4/associations/{from_type}/{to_type}/batch/read"
        asked: list[dict[str, str]] = [{"id": each} for each in ids]
        while asked:
            following: list[dict[str, str]] = []
            for chunk in in_chunks(asked, ASSOCIATIONS_BATCH):
                answer = self._http.post_json(path, json={"inputs": chunk})
                self._answers.expect_only(answer, "NO_ASSOCIATIONS_FOUND", "OBJECT_NOT_FOUND")
                for each in self._answers.take(answer, "results", list):
                    of = str(self._answers.take(self._answers.take(each, "from", dict), "id", str | int))
                    found.setdefault(of, []).extend(self._answers.take(each, "to", list))
                    if (after := next_page(each)) is not None:
                        following.append({"id": of, "after": after})
            asked = following
        return found

    # ---- lists -------------------------------------------------------------------------------------------

    def owners(self, *, archived: bool) -> Iterator[Record]:
        return self._pages("/crm/v3/owners", {"limit": LIST_PAGE, "archived": _text(archived)})

    def deal_pipelines(self) -> list[Record]:
        return self._answers.take(self._http.get_json("/crm/v3/pipelines/deals"), "results", list)

    def forms(self, *, archived: bool) -> Iterator[Record]:
        # Without formTypes=all only the forms that were built in HubSpot are listed.
        query: dict[str, str | int] = {"limit": FORMS_PAGE, "archived": _text(archived), "formTypes": "all"}
        return self._pages("/marketing/v3/forms", query)

    def submissions(self, form_id: str) -> Iterator[Record]:
        """A form's submissions, newest first; pages are asked for as they are used."""
        return self._pages(f"/form-integrations/v1/submissions/forms/{form_id}", {"limit": SUBMISSIONS_PAGE})

    def _pages(self, path: str, query: Mapping[str, str | int]) -> Iterator[Record]:
        def ask(after: str | None) -> Json:
            return self._http.get_json(path, params={**query, **({"after": after} if after else {})})

        for answer in cursor_pages(ask, next_page, what=f"GET {path}", where=self._answers.where):
            yield from self._answers.take(answer, "results", list)


def _text(value: bool) -> str:
    return "true" if value else "false"
