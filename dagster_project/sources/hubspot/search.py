"""HubSpot's search beyond its cap of 10,000 rows: what has changed in a window, each record once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dagster_project.sources.hubspot.answers import Answers, Record, next_page
from dagster_project.wire.contract import DriftError, VendorError
from dagster_project.wire.http import Http, Json
from dagster_project.wire.json_cells import UNREADABLE, instant
from dagster_project.wire.pacing import Pacer
from dagster_project.wire.rest import cursor_pages

SEARCH_PAGE = 200  # the most that search gives in a page


def milliseconds(moment: Json) -> int:
    """A moment as HubSpot's filters take it. Its clock has milliseconds; anything finer is cut off."""
    return int(instant(moment).timestamp() * 1000 + 1e-3)


@dataclass(frozen=True)
class Search:
    """Searches of one kind of record. `cursor`: the property that says when a record was last changed."""

    http: Http
    pacer: Pacer
    answers: Answers
    object_type: str
    cursor: str
    properties: Sequence[str]

    @property
    def path(self) -> str:
        return f"/crm/v3/objects/{self.object_type}/search"

    def records(self, start_ms: int, end_ms: int) -> Iterator[Record]:
        """Live records whose cursor lies in [start_ms, end_ms), oldest first.

        Each page is a new search that starts at the last moment of the page before; `after` is never used.
        So the cap of 10,000 rows a search is not met, and a record that changes between two pages, and so
        moves to the end, cannot push another one across a page's edge. More records of one millisecond than
        a page holds are walked by id. A record that changes while we read may come twice, its newest
        version last.
        """
        cursor, object_type, anchor = self.cursor, self.object_type, start_ms
        at_anchor: set[str] = set()  # ids of the anchor's millisecond that were handed on already
        announced, given = None, 0
        while anchor < end_ms:
            results, more, total = self._page((cursor, "GTE", anchor), (cursor, "LT", end_ms))
            announced = total if announced is None else announced
            moments = [self._moment_of(record) for record in results]
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
                    **self.answers.where,
                )
            if moments[0] == moments[-1]:  # one millisecond fills the page: time cannot lead out of it
                for record in self._of_a_millisecond(moments[-1]):
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
            self.answers.tally.note(
                f"search announced {announced} {object_type} and gave {given}: they change while being read"
            )

    def _of_a_millisecond(self, moment: int) -> Iterator[Record]:
        """All records of one millisecond, by id: an import stamps tens of thousands with the same one."""
        last = "0"
        while True:
            results, more, _ = self._page(
                (self.cursor, "GTE", moment),
                (self.cursor, "LT", moment + 1),
                ("hs_object_id", "GT", last),
                sort="hs_object_id",
            )
            yield from results
            if not more:
                return
            if str(results[-1]["id"]) == last:
                raise VendorError(
                    f"{self.path} gives id {last} again when asked for the ids after it", **self.answers.where
                )
            last = str(results[-1]["id"])

    def _page(
        self, *filters: tuple[str, str, int | str], sort: str | None = None
    ) -> tuple[list[Record], bool, int | None]:
        """(records, is there more, total). A page may be short, even empty, and yet not the last."""
        body = _query(sort or self.cursor, self.properties, *filters)

        def ask(after: str | None) -> Json:
            asked = body | ({"after": after} if after else {})
            return self.http.post_json(self.path, json=asked, pacer=self.pacer)

        for answer in cursor_pages(ask, next_page, what=f"POST {self.path}", where=self.answers.where):
            results = self.answers.take(answer, "results", list)
            for record in results:
                self.answers.take(record, "id", str | int)
            if results:
                return results, next_page(answer) is not None, answer.get("total")
        return [], False, answer.get("total")

    def _moment_of(self, record: Record) -> int:
        cursor = self.cursor
        value = self.answers.take(record, "properties", dict).get(cursor)
        try:
            return milliseconds(value)
        except UNREADABLE as error:
            message = f"field {cursor!r} should be a moment, HubSpot sent a {type(value).__name__}"
            raise DriftError(message, **self.answers.where) from error


def _query(sort: str, properties: Sequence[str], *filters: tuple[str, str, int | str]) -> Record:
    return {
        "filterGroups": [
            {"filters": [{"propertyName": name, "operator": how, "value": str(value)} for name, how, value in filters]}
        ],
        "sorts": [{"propertyName": sort, "direction": "ASCENDING"}],
        "properties": list(properties),
        "limit": SEARCH_PAGE,
    }
