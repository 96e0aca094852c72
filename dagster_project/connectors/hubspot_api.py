"""HubSpot's wire: paging, search beyond its cap, batch reads, throttling, refusals. No streams, no columns.

Belongs here: what a call looks like and how its answer is to be read as a protocol. Records leave as the
JSON objects that HubSpot sent; what they mean is `hubspot_rows`' business.

https://developers.hubspot.com/docs/api-reference/crm-contacts-v3 and
https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines
"""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from dagster_project.connectors.columns import instant
from dagster_project.connectors.contract import AuthError, DriftError, QuotaError, Tally, VendorError
from dagster_project.connectors.http import Http, Verdict, retry_after_seconds, start_of
from dagster_project.connectors.identity import redact_text

if TYPE_CHECKING:
    import requests

    from dagster_project.settings import HubspotSettings

SOURCE = "hubspot"

SEARCH_PAGE = 200  # the most that search gives in a page
LIST_PAGE, LIST_PAGE_WITH_HISTORY = 100, 50
BATCH_READ, BATCH_READ_WITH_HISTORY = 100, 50
ASSOCIATIONS_BATCH = 1000
FORMS_PAGE = 100
SUBMISSIONS_PAGE = 50
# A list carries its property names in the URL. The vendor names no limit (beyond it: 414); connectors in the
# field stop at 5 to 15 thousand characters. Longer lists of names go into the body of a batch read instead.
URL_NAMES_CHARACTERS = 5_000

SEARCHES_PER_SECOND = 5  # per account, apart from the burst limit of all other calls
WAIT_SECONDS = {
    "TEN_SECONDLY": 10.0,
    "SECONDLY": 1.0,
}  # a 429 carries no Retry-After; its policy's name tells
LOCKED_WAIT_SECONDS = 2.0  # 423: "wait at least 2 seconds between retries"
HOME_ACCOUNT = "hubspot"  # the account's name where the token may not ask who it belongs to

T = TypeVar("T")
Record = dict[str, Any]


class NotFound(VendorError):
    """404: the thing asked for is not there (any more)."""


class Forbidden(AuthError):
    """403: the token is good, but lacks a right."""


class FormTypeNotAllowed(VendorError):
    """HubSpot does not hand out the submissions of this kind of form (blog comments)."""


@dataclass(frozen=True)
class Account:
    """The portal that a token belongs to. `currency` is what its deals are in unless they say otherwise."""

    id: str
    currency: str | None


class Pacer:
    """Lets `calls` through in any `seconds`, over all threads that share it; waits only if it must."""

    def __init__(
        self,
        calls: int,
        seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._seconds, self._clock, self._sleep = seconds, clock, sleep
        self._recent: deque[float] = deque(maxlen=calls)
        self._lock = threading.Lock()

    def wait(self) -> None:
        with self._lock:
            if len(self._recent) == self._recent.maxlen:
                wait = self._recent[0] + self._seconds - self._clock()
                if wait > 0:
                    self._sleep(wait)
            self._recent.append(self._clock())


@lru_cache(maxsize=16)
def _search_pacer(base_url: str, token: str) -> Pacer:
    """One for an account: contacts and deals are read by two threads, but the limit is common to them."""
    return Pacer(SEARCHES_PER_SECOND, 1.0)


def in_chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def milliseconds(moment: Any) -> int:
    """A moment as HubSpot's filters take it. Its clock has milliseconds; anything finer is cut off."""
    return int(instant(moment).timestamp() * 1000 + 1e-3)


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
        self._where = {"source": SOURCE, "stream": stream}
        self._pacer = pacer or _search_pacer(settings.base_url, token)
        self._http = Http(
            SOURCE,
            settings.base_url,
            tally,
            headers={"Authorization": f"Bearer {token}"},
            judge=self._judge,
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
        return Account(str(self._take(details, "portalId", int | str)), details.get("companyCurrency"))

    def property_names(self, object_type: str) -> set[str]:
        """The names of the properties that the portal has: what is not there must not be asked for."""
        answer = self._http.get_json(f"/crm/v3/properties/{object_type}")
        return {self._take(each, "name", str) for each in self._take(answer, "results", list)}

    # ---- records -----------------------------------------------------------------------------------------

    def search(
        self, object_type: str, cursor: str, start_ms: int, end_ms: int, properties: Sequence[str]
    ) -> Iterator[Record]:
        """Live records whose `cursor` property lies in [start_ms, end_ms), oldest first.

        Each page is a new search that starts at the last moment of the page before; `after` is never used.
        So the cap of 10,000 rows a search is not met, and a record that changes between two pages, and so
        moves to the end, cannot push another one across a page's edge. More records of one millisecond than
        a page holds are walked by id. A record that changes while we read may come twice, its newest
        version last.
        """
        path, anchor = f"/crm/v3/objects/{object_type}/search", start_ms
        at_anchor: set[str] = set()  # ids of the anchor's millisecond that were handed on already
        announced, given = None, 0
        while anchor < end_ms:
            body = _query(cursor, properties, (cursor, "GTE", anchor), (cursor, "LT", end_ms))
            results, more, total = self._search_page(path, body)
            announced = total if announced is None else announced
            moments = [self._moment_of(record, cursor) for record in results]
            fresh = [
                record
                for record, moment in zip(results, moments, strict=True)
                if start_ms <= moment < end_ms and not (moment == anchor and str(record["id"]) in at_anchor)
            ]
            if not more:
                yield from fresh
                given += len(fresh)
                break
            if moments[-1] < anchor or moments[-1] == anchor != moments[0]:
                raise VendorError(
                    f"the search for {object_type} is out of order: from {anchor} on it gave {moments[-1]}",
                    **self._where,
                )
            if moments[0] == moments[-1]:  # one millisecond fills the page: time cannot lead out of it
                for record in self._search_millisecond(path, cursor, moments[-1], properties):
                    if not (moments[-1] == anchor and str(record["id"]) in at_anchor):
                        yield record
                        given += 1
                anchor, at_anchor = moments[-1] + 1, set()
                continue
            yield from fresh
            given += len(fresh)
            at_anchor = {
                str(record["id"]) for record, moment in zip(results, moments, strict=True) if moment == moments[-1]
            }
            anchor = moments[-1]
        if announced is not None and given < announced:
            # Records that changed during the read have left a window that lies in the past; nothing is lost,
            # they belong to a later day. Yet a difference must be seen by somebody.
            self.tally.note(
                f"search announced {announced} {object_type} and gave {given}: they change while being read"
            )

    def _search_millisecond(self, path: str, cursor: str, moment: int, properties: Sequence[str]) -> Iterator[Record]:
        """All records of one millisecond, by id: an import stamps tens of thousands with the same one."""
        last = "0"
        while True:
            body = _query(
                "hs_object_id",
                properties,
                (cursor, "GTE", moment),
                (cursor, "LT", moment + 1),
                ("hs_object_id", "GT", last),
            )
            results, more, _ = self._search_page(path, body)
            yield from results
            if not more:
                return
            if str(results[-1]["id"]) == last:
                raise VendorError(f"{path} gives id {last} again when asked for the ids after it", **self._where)
            last = str(results[-1]["id"])

    def _search_page(self, path: str, body: dict[str, Any]) -> tuple[list[Record], bool, int | None]:
        """(records, is there more, total). A page may be short, even empty, and yet not the last."""
        while True:
            self._pacer.wait()
            answer = self._http.post_json(path, json=body)
            results, after = self._take(answer, "results", list), _next_page(answer)
            for record in results:
                self._take(record, "id", str | int)
            if results or after is None:
                return results, after is not None, answer.get("total")
            body = body | {"after": after}

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
                str(self._take(each, "id", str | int))
                for each in self._pages(path, {"limit": LIST_PAGE, "archived": _text(archived)})
            )
            for chunk in in_chunks(ids, LIST_PAGE):
                yield from self.batch_read(object_type, chunk, properties, history=history, archived=archived).values()
            return
        query = {
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
            self._expect_only(answer, "OBJECT_NOT_FOUND")
            records.update(
                (str(self._take(each, "id", str | int)), each) for each in self._take(answer, "results", list)
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
                self._expect_only(answer, "NO_ASSOCIATIONS_FOUND", "OBJECT_NOT_FOUND")
                for each in self._take(answer, "results", list):
                    of = str(self._take(self._take(each, "from", dict), "id", str | int))
                    found.setdefault(of, []).extend(self._take(each, "to", list))
                    if (after := _next_page(each)) is not None:
                        following.append({"id": of, "after": after})
            asked = following
        return found

    # ---- lists -------------------------------------------------------------------------------------------

    def owners(self, *, archived: bool) -> Iterator[Record]:
        return self._pages("/crm/v3/owners", {"limit": LIST_PAGE, "archived": _text(archived)})

    def deal_pipelines(self) -> list[Record]:
        return self._take(self._http.get_json("/crm/v3/pipelines/deals"), "results", list)

    def forms(self, *, archived: bool) -> Iterator[Record]:
        # Without formTypes=all only the forms that were built in HubSpot are listed.
        query = {"limit": FORMS_PAGE, "archived": _text(archived), "formTypes": "all"}
        return self._pages("/marketing/v3/forms", query)

    def submissions(self, form_id: str) -> Iterator[Record]:
        """A form's submissions, newest first; pages are asked for as they are used."""
        return self._pages(f"/form-integrations/v1/submissions/forms/{form_id}", {"limit": SUBMISSIONS_PAGE})

    def _pages(self, path: str, query: Mapping[str, Any]) -> Iterator[Record]:
        after: str | None = None
        while True:
            answer = self._http.get_json(path, params={**query, **({"after": after} if after else {})})
            yield from self._take(answer, "results", list)
            following = _next_page(answer)
            if following is None:
                return
            if following == after:
                raise VendorError(f"GET {path} gives page {after!r} again and again", **self._where)
            after = following

    # ---- the frame of an answer, without which nothing can be read --------------------------------------

    def _take(self, holder: Any, name: str, kind: Any) -> Any:
        """`holder[name]`, which must be of that kind. Values are not shown: they may be personal."""
        value = holder.get(name) if isinstance(holder, dict) else None
        if not isinstance(value, kind):
            wanted, seen = getattr(kind, "__name__", str(kind)), type(value).__name__
            raise DriftError(f"the answer's field {name!r} should be a {wanted}, HubSpot sent a {seen}", **self._where)
        return value

    def _moment_of(self, record: Record, cursor: str) -> int:
        value = self._take(record, "properties", dict).get(cursor)
        try:
            return milliseconds(value)
        except (ValueError, TypeError, OverflowError, OSError) as error:
            message = f"field {cursor!r} should be a moment, HubSpot sent a {type(value).__name__}"
            raise DriftError(message, **self._where) from error

    def _expect_only(self, answer: Mapping[str, Any], *expected: str) -> None:
        """A batch answers 207 when some inputs failed; only the expected failures may pass."""
        for error in answer.get("errors") or ():
            kind = " ".join(str(error[name]) for name in ("category", "subCategory") if error.get(name))
            if not any(name in kind for name in expected):
                raise VendorError(f"a batch failed in part: {kind}: {error.get('message')!s:.200}", **self._where)

    # ---- the vendor's dialect ----------------------------------------------------------------------------

    def _judge(self, response: requests.Response) -> Verdict | None:
        self._see_limits(response.headers)
        status = response.status_code
        if status < 400:
            return None
        body = _error_body(response)
        parts = (body.get(name) for name in ("category", "policyName", "errorType", "message"))
        said = redact_text(" ".join(str(part) for part in parts if part)[:300]) or ""
        if status == 429:
            return self._throttled(response, said)
        if status == 423:
            return Verdict(wait_seconds=LOCKED_WAIT_SECONDS)
        if status == 477:  # the portal moves to another data centre; Retry-After says for how long
            return Verdict(wait_seconds=retry_after_seconds(response))
        if status == 401:
            message = (
                f"HubSpot does not accept HUBSPOT_ACCESS_TOKEN (401: {said}); put the access token of a "
                "private app there (Settings > Integrations > Private Apps)"
            )
            return Verdict(error=AuthError(message, **self._where))
        if status == 403:
            scopes = " or ".join(_missing_scopes(body)) or f"that it needs ({said})"
            message = (
                f"the token may not call {_path(response)}: give its private app the scope {scopes} "
                "(Settings > Integrations > Private Apps > Scopes)"
            )
            return Verdict(error=Forbidden(message, **self._where))
        if status == 404:
            return Verdict(error=NotFound(f"{_path(response)} is not there (404: {said})", **self._where))
        if status == 400 and b"FORM_TYPE_NOT_ALLOWED" in response.content:
            return Verdict(error=FormTypeNotAllowed(f"{_path(response)}: {start_of(response)}", **self._where))
        return None

    def _throttled(self, response: requests.Response, said: str) -> Verdict:
        policy = said.upper()
        if "DAILY" in policy:
            message = (
                "the account's daily limit of API calls is used up; it is reset at midnight of the account's "
                "time zone. What was loaded before is untouched"
            )
            return Verdict(error=QuotaError(message, retry_after_seconds=retry_after_seconds(response), **self._where))
        named = next((seconds for name, seconds in WAIT_SECONDS.items() if name in policy), None)
        return Verdict(wait_seconds=retry_after_seconds(response) or named)

    def _see_limits(self, headers: Mapping[str, str]) -> None:
        names = {
            "X-HubSpot-RateLimit-Daily": "requests_per_day",
            "X-HubSpot-RateLimit-Daily-Remaining": "requests_per_day_remaining",
            "X-HubSpot-RateLimit-Max": "requests_per_interval",
            "X-HubSpot-RateLimit-Remaining": "requests_per_interval_remaining",
        }
        seen = {ours: headers.get(theirs, "") for theirs, ours in names.items()}
        self.tally.see_quota(**{name: float(value) for name, value in seen.items() if re.fullmatch(r"\d+", value)})


def _query(sort: str, properties: Sequence[str], *filters: tuple[str, str, Any]) -> dict[str, Any]:
    return {
        "filterGroups": [
            {"filters": [{"propertyName": name, "operator": how, "value": str(value)} for name, how, value in filters]}
        ],
        "sorts": [{"propertyName": sort, "direction": "ASCENDING"}],
        "properties": list(properties),
        "limit": SEARCH_PAGE,
    }


def _next_page(answer: Mapping[str, Any]) -> str | None:
    """The token of the next page; None when `paging` is not there: nothing else says that a list is over."""
    following = (answer.get("paging") or {}).get("next") or {}
    return None if following.get("after") is None else str(following["after"])


def _error_body(response: requests.Response) -> Record:
    try:
        body = response.json()
    except ValueError:  # a proxy's HTML page
        return {}
    return body if isinstance(body, dict) else {}


def _missing_scopes(body: Mapping[str, Any]) -> list[str]:
    contexts = [error.get("context") or {} for error in body.get("errors") or () if isinstance(error, dict)]
    named = [
        scope for context in contexts for scopes in context.values() if isinstance(scopes, list) for scope in scopes
    ]
    return sorted({str(scope) for scope in named})


def _path(response: requests.Response) -> str:
    return f"{response.request.method} {response.request.path_url.partition('?')[0]}"


def _text(value: bool) -> str:
    return "true" if value else "false"
