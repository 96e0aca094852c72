"""Bitrix24's calls: lists of 50 by `batch`, and its dialect of throttling and refusals. No columns.

https://apidocs.bitrix24.com/api-reference/crm/universal/crm-item-list.html, .../settings/how-to-call-rest-api/batch.html and
.../limits.html. There are two limits: of calls (50 at once, then 2 a second for a portal, 503), and of the time that a method
has worked in ten minutes (429 until `operating_reset_at`). A batch of 50 commands is one call.

The webhook's code is in the path, so no message may show a path.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from dagster_project.wire.contract import AuthError, DriftError, QuotaError, SourceError, Tally, VendorError
from dagster_project.wire.http import Http, Json, Verdict, parsed_json
from dagster_project.wire.pacing import in_words, seconds_until, shared_pacer

if TYPE_CHECKING:
    import requests

    from dagster_project.sources.bitrix24.settings import Bitrix24Settings

SOURCE = "bitrix24"
PAGE, COMMANDS = 50, 50  # both fixed by Bitrix24
CALLS_PER_SECOND = 2
THROTTLED_SECONDS = 2.0
OPERATING_SECONDS = 480.0  # that a method may work in ten minutes
OPERATING_WINDOW_SECONDS = 600.0
PASSES = 3  # of a list that became shorter while it was read
Record = dict[str, Json]

_LOGIN = {"NO_AUTH_FOUND", "INVALID_CREDENTIALS", "expired_token", "invalid_token", "WRONG_AUTH_TYPE"}
_RIGHTS = {
    "insufficient_scope",
    "ACCESS_DENIED",
    "ERROR_METHOD_NOT_FOUND",
    "allowed_only_intranet_user",
    "PAYMENT_REQUIRED",
}
_PASSING = {"QUERY_LIMIT_EXCEEDED", "INTERNAL_SERVER_ERROR", "ERROR_UNEXPECTED_ANSWER"}


class Bitrix24:
    """One portal, as its webhook's user sees it. Raises AuthError, QuotaError, VendorError or DriftError."""

    def __init__(self, settings: Bitrix24Settings, portal: str, tally: Tally, stream: str) -> None:
        self.portal, self.tally = portal, tally
        self.where = {"source": SOURCE, "stream": stream}
        self._path = settings.webhooks[portal]
        self._code = self._path.rpartition("/")[2]
        self._reset_at: float | None = None  # of the time limit, as the last answer had it
        self._pacer = shared_pacer((SOURCE, settings.address(portal), portal), CALLS_PER_SECOND, 1.0)
        self._http = Http(SOURCE, settings.address(portal), tally, judge=self._judge)

    def __enter__(self) -> Bitrix24:
        self._http.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._http.__exit__(*error)

    def result(self, method: str, asked: Mapping[str, Any]) -> Json:
        return self._call(method, asked).get("result")

    def listed(self, method: str, asked: Mapping[str, Any], of: str = "") -> Iterator[list[Json]]:
        """Pages of a list, in the order of ids; `of`: where in `result` they stand.

        Pages are counted, and what is changed or deleted meanwhile lets the rest slip forward: a list that has become
        shorter is read again, so a record may come twice.
        """
        for _ in range(PASSES):
            answer = self._call(method, {**asked, "start": 0})
            yield self._rows(answer.get("result"), of, method)
            total = answer.get("total")
            if answer.get("next") is None:
                return
            if not isinstance(total, int):
                raise DriftError(f"{method}: the answer's field 'total' should be a number", **self.where)
            newest = total
            starts = range(PAGE, total, PAGE)
            for first in range(0, len(starts), COMMANDS):
                pages, totals = self._batch(method, asked, starts[first : first + COMMANDS])
                for page in pages:
                    yield self._rows(page, of, method)
                newest = min([newest, *totals])
            if newest >= total:
                return
            self.tally.retry()
        raise VendorError(f"{method}: the list became shorter each of {PASSES} times that it was read", **self.where)

    # ---- calls -------------------------------------------------------------------------------------------

    def _batch(self, method: str, asked: Mapping[str, Any], starts: Sequence[int]) -> tuple[list[Json], list[int]]:
        """The results of these pages, and what each says of the list's length."""
        commands = {f"p{start}": f"{method}?{_query({**asked, 'start': start})}" for start in starts}
        found = self._call("batch", {"halt": 0, "cmd": commands}).get("result")
        results, errors, totals = (
            _map(found.get(name) if isinstance(found, dict) else None)
            for name in ("result", "result_error", "result_total")
        )
        pages: list[Json] = []
        for start, name in zip(starts, commands, strict=True):
            if name in results:
                pages.append(results[name])
                continue
            error = errors.get(name)
            code, said = _error_of(error if isinstance(error, dict) else {})
            refusal = self._refusal(method, code, said)
            if refusal is not None and code not in _PASSING:
                raise refusal
            answer = self._call(method, {**asked, "start": start})  # alone it is asked again as long as that may help
            pages.append(answer.get("result"))
        return pages, [total for total in totals.values() if isinstance(total, int)]

    def _call(self, method: str, asked: Mapping[str, Any]) -> Record:
        try:
            answer = self._http.post_json(f"{self._path}/{method}", json=asked, pacer=self._pacer)
        except SourceError as error:
            said = str(error).removeprefix(f"{SOURCE}: ").removeprefix(f"{SOURCE}/{self.where['stream']}: ")
            said = said.replace(self._path, "/rest/(webhook)").replace(self._code, "(code)")
            if isinstance(error, QuotaError):
                raise QuotaError(said, retry_after_seconds=error.retry_after_seconds, **self.where) from None
            raise type(error)(said, **self.where) from None
        if not isinstance(answer, dict) or "result" not in answer:
            raise DriftError(f"{method}: the answer has no 'result'; is BITRIX24_WEBHOOK_URL right?", **self.where)
        self._see(answer.get("time"))
        return answer

    def _see(self, spent: Json) -> None:
        """How long the method has worked of late: a warning before the time limit."""
        if not isinstance(spent, dict):
            return
        reset_at, operating = spent.get("operating_reset_at"), spent.get("operating")
        if isinstance(reset_at, int | float):
            self._reset_at = float(reset_at)
        if isinstance(operating, int | float):
            self.tally.see_quota(operating_seconds_left=max(0.0, OPERATING_SECONDS - operating))

    def _rows(self, result: Json, of: str, method: str) -> list[Json]:
        rows = result.get(of) if of and isinstance(result, dict) else result
        if not isinstance(rows, list):
            named = f"result.{of}" if of else "result"
            raise DriftError(
                f"{method}: the field '{named}' should be a list, it is a {type(rows).__name__}", **self.where
            )
        return rows

    # ---- what an answer means ----------------------------------------------------------------------------

    def _judge(self, response: requests.Response) -> Verdict | None:
        try:
            body = parsed_json(response.content) if response.content else None
        except ValueError:
            return None
        if not isinstance(body, dict) or "error" not in body:
            return None
        code, said = _error_of(body)
        self._see(body.get("time"))
        method = response.request.path_url.partition("?")[0].rpartition("/")[2].removesuffix(".json")
        error = self._refusal(method, code, said)
        if code == "QUERY_LIMIT_EXCEEDED":
            return Verdict(wait_seconds=THROTTLED_SECONDS)
        if isinstance(error, QuotaError):
            return Verdict(wait_seconds=error.retry_after_seconds, error=error)
        if error is not None and code not in _PASSING:
            return Verdict(error=error)
        if response.status_code < 400:
            return Verdict(error=VendorError(f"portal {self.portal}, {method}: {code}: {said}", **self.where))
        return None

    def _refusal(self, method: str, code: str, said: str) -> SourceError | None:
        told = f"portal {self.portal} refuses {method} ({code}): {said}".replace(self._code, "(code)")
        if code == "OPERATION_TIME_LIMIT":
            wait = seconds_until(self._reset_at) if self._reset_at else OPERATING_WINDOW_SECONDS
            mend = f"the method has worked too long in ten minutes; run again in {in_words(wait)} (what was loaded is untouched)"
            return QuotaError(f"{told}; {mend}", retry_after_seconds=wait, **self.where)
        if code in _LOGIN:
            mend = "is the webhook still there (Developer resources > Other > Incoming webhook), and BITRIX24_WEBHOOK_URL right?"
            return AuthError(f"{told}; {mend}", **self.where)
        if code in _RIGHTS:
            mend = "the webhook needs the scopes crm and user_brief, of an administrator; REST is a part of paid plans only"
            return AuthError(f"{told}; {mend}", **self.where)
        return None


def _error_of(body: Mapping[str, Json]) -> tuple[str, str]:
    return str(body.get("error") or ""), str(body.get("error_description") or "")[:200]


def _map(found: Json) -> Mapping[str, Json]:
    """An empty map comes as an empty list."""
    return found if isinstance(found, dict) else {}


def _query(asked: Mapping[str, Any], inside: str = "") -> str:
    """Parameters as PHP reads them: filter[>id]=5&select[0]=id."""
    parts = []
    for name, value in asked.items():
        key = f"{inside}[{name}]" if inside else str(name)
        if isinstance(value, list | tuple):
            value = dict(enumerate(value))
        parts.append(
            _query(value, key) if isinstance(value, dict) else f"{quote(key, safe='')}={quote(str(value), safe='')}"
        )
    return "&".join(parts)
