"""Salesforce's REST interface: signing in, SOQL page by page, and what its refusals mean. No columns.

Errors come as arrays of {message, errorCode}; a throttle is a 403, an answer that is not whole is `done: false`.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_queryall.htm
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import requests

from dagster_project.sources.salesforce.objects import SOURCE
from dagster_project.wire.contract import AuthError, ConfigError, DriftError, QuotaError, Tally, VendorError
from dagster_project.wire.http import Http, Json, Verdict, parsed_json, redact
from dagster_project.wire.json_cells import UNREADABLE, instant
from dagster_project.wire.oauth import Bearer, Grant, shared_token
from dagster_project.wire.rest import next_links
from dagster_project.wire.variables import web_address

if TYPE_CHECKING:
    from dagster_project.sources.salesforce.settings import SalesforceSettings

Record = dict[str, Json]

PAGE = 2000  # the most that Salesforce gives in a page, and its default; it may give fewer
SHORTEST_WINDOW = timedelta(hours=1)
RESTARTS = 3  # of a window whose locator was lost without one page in between
CONCURRENT_WAIT_SECONDS = 5.0
_DENIED = {
    "INVALID_TYPE",  # an object that the user may not see is one that is not there
    "INSUFFICIENT_ACCESS",
    "INSUFFICIENT_ACCESS_OR_READONLY",
    "API_DISABLED_FOR_ORG",
    "API_CURRENTLY_DISABLED",
    "FUNCTIONALITY_NOT_ENABLED",
}
_USAGE = re.compile(r"\bapi-usage=(\d+)/(\d+)")  # not that of per-app-api-usage, which stands beside it


_DESCRIBED = re.compile(r"/sobjects/(\w+)/describe")


class NoSuchObject(AuthError):
    """The org has no such object, or the user may not see it."""


class LocatorLost(VendorError):
    """The server no longer knows where the next page is: the query is asked anew."""


class TooMuch(VendorError):
    """The query takes too long: a shorter window may do."""


@dataclass(frozen=True)
class Between:
    """The records whose `cursor` lies in [start, end)."""

    cursor: str
    start: datetime
    end: datetime


class Salesforce:
    """An org, as the user of the app sees it. Every method raises AuthError, QuotaError, VendorError or DriftError.

    `stream`: for whom it is asked; errors name it.
    """

    def __init__(self, settings: SalesforceSettings, tally: Tally, stream: str) -> None:
        self.settings, self.tally = settings, tally
        self._where = {"source": SOURCE, "stream": stream}
        token = shared_token(_grant(settings))
        said = token.said(tally)
        self.account_id = _org_of(said.get("id"))
        self._http = Http(
            SOURCE,
            settings.base_url or self._instance(said.get("instance_url")),
            tally,
            headers={"Sforce-Query-Options": f"batchSize={PAGE}"},
            auth=Bearer(token, tally),
            judge=self._judge,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._http.__exit__(*error)

    def field_names(self, kind: str) -> dict[str, str]:
        """The fields of an object that the user may see: lower case -> as the org spells it."""
        answer = self._http.get_json(f"/services/data/{self.settings.api_version}/sobjects/{kind}/describe")
        fields = self._take(answer, "fields", list)
        return {name.lower(): name for name in (self._take(field, "name", str) for field in fields)}

    def records(self, kind: str, fields: Sequence[str], window: Between, where: str = "") -> Iterator[list[Record]]:
        """The records of a window, deleted ones in the recycle bin included, oldest first; a list for each page.

        A lost locator goes on at the last moment that was read, a query that takes too long is halved; so a record may
        come twice, its newest version last.
        """
        anchor, losses = window.start, 0
        while True:
            try:
                for page in self._pages(kind, fields, Between(window.cursor, anchor, window.end), where):
                    if page:
                        newest = self._moment_of(page[-1], window.cursor)
                        losses = 0 if newest is not None and newest > anchor else losses
                        anchor = max(anchor, newest or anchor)
                    yield page
                return
            except LocatorLost:
                losses += 1
                if losses >= RESTARTS:
                    raise
                self.tally.retry()
            except TooMuch:
                if window.end - anchor <= SHORTEST_WINDOW:
                    raise
                self.tally.retry()
                middle = anchor + (window.end - anchor) / 2
                middle = middle.replace(microsecond=0)
                yield from self.records(kind, fields, Between(window.cursor, anchor, middle), where)
                yield from self.records(kind, fields, Between(window.cursor, middle, window.end), where)
                return

    def _pages(self, kind: str, fields: Sequence[str], window: Between, where: str) -> Iterator[list[Record]]:
        conditions = [f"{window.cursor} >= {_soql(window.start)}", f"{window.cursor} < {_soql(window.end)}"]
        conditions += [where] if where else []
        query = f"SELECT {', '.join(fields)} FROM {kind} WHERE {' AND '.join(conditions)} ORDER BY {window.cursor} ASC, Id ASC"
        first = f"/services/data/{self.settings.api_version}/queryAll"

        def ask(path: str) -> Json:
            return self._http.get_json(path, params={"q": query}) if path == first else self._http.get_json(path)

        def link(answer: Json) -> str | None:
            if self._take(answer, "done", bool):
                return None
            return self._take(answer, "nextRecordsUrl", str)

        answers = next_links(
            ask, first, link, base_url=self._http.base_url, what=f"the query of {kind}", where=self._where
        )
        announced, given = None, 0
        for answer in answers:
            announced = answer.get("totalSize") if announced is None else announced
            page = self._take(answer, "records", list)
            given += len(page)
            yield page
        if isinstance(announced, int) and given < announced:
            raise VendorError(
                f"Salesforce announced {announced} records of {kind} and gave {given}; nothing of them is kept",
                **self._where,
            )

    def _moment_of(self, record: Json, cursor: str) -> datetime | None:
        try:
            return instant(record[cursor]).replace(microsecond=0)
        except (*UNREADABLE, KeyError):
            return None  # what is wrong with it is told where it becomes a row

    def _take(self, answer: Json, name: str, kind: type) -> Json:
        value = answer.get(name) if isinstance(answer, dict) else None
        if not isinstance(value, kind):
            raise DriftError(f"field {name!r} of an answer should be a {kind.__name__}, it is not", **self._where)
        return value

    def _instance(self, url: Json) -> str:
        try:
            return web_address(str(url or ""))
        except ValueError:
            raise VendorError(
                "the sign-in names no address to ask at (instance_url); is SALESFORCE_TOKEN_URL right?", **self._where
            ) from None

    # ---- what an answer means ----------------------------------------------------------------------------

    def _judge(self, response: requests.Response) -> Verdict | None:
        if response.status_code < 400:
            return self._usage(response)
        code, message = _error_of(response)
        said = f"Salesforce refuses ({response.status_code} {code}): {message}"
        if code == "INVALID_SESSION_ID":
            return Verdict(error=AuthError(f"{said}. Is the app still allowed?", **self._where), is_login_ended=True)
        if code == "REQUEST_LIMIT_EXCEEDED":
            if message.startswith("Concurrent"):
                busy = QuotaError(said, retry_after_seconds=CONCURRENT_WAIT_SECONDS, **self._where)
                return Verdict(wait_seconds=CONCURRENT_WAIT_SECONDS, error=busy)
            return Verdict(
                error=QuotaError(
                    f"{said} The org's calls of 24 hours are used up; run again later",
                    retry_after_seconds=None,
                    **self._where,
                )
            )
        if code == "INVALID_QUERY_LOCATOR":
            return Verdict(error=LocatorLost(said, **self._where))
        if code in ("QUERY_TIMEOUT", "OPERATION_TOO_LARGE"):
            return Verdict(error=TooMuch(said, **self._where))
        if code in _DENIED or (code == "NOT_FOUND" and response.url.endswith("/describe")):
            kind = NoSuchObject if code in ("INVALID_TYPE", "NOT_FOUND") else AuthError
            described = _DESCRIBED.search(response.url)
            what = described[1] if described else "the object"
            mend = f"give the app's user the right Read and View All on {what}, and API Enabled"
            return Verdict(error=kind(f"{said}; {mend}", **self._where))
        if response.status_code == 410:
            mend = "set SALESFORCE_API_VERSION to a later one"
            return Verdict(
                error=ConfigError(f"{said}: version {self.settings.api_version} is no more; {mend}", **self._where)
            )
        return None

    def _usage(self, response: requests.Response) -> Verdict | None:
        """The org's calls of the last 24 hours, which all its integrations share: beyond our share we stop."""
        found = _USAGE.search(response.headers.get("Sforce-Limit-Info", ""))
        if not found:
            return None
        used, limit = int(found[1]), int(found[2])
        self.tally.see_quota(calls_left_today=float(limit - used))
        if limit and used * 100 >= limit * self.settings.stop_at_percent:
            return Verdict(
                error=QuotaError(
                    f"{used} of the org's {limit} calls of 24 hours are used; we stop at {self.settings.stop_at_percent} % "
                    "(SALESFORCE_STOP_AT_PERCENT) and leave the rest to others; run again later",
                    retry_after_seconds=None,
                    **self._where,
                )
            )
        return None


def _soql(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _error_of(response: requests.Response) -> tuple[str, str]:
    """(code, message) of an error: `[{"message", "errorCode"}]`."""
    try:
        body = parsed_json(response.content)
    except ValueError:
        return "", ""
    first = body[0] if isinstance(body, list) and body else body
    if not isinstance(first, dict):
        return "", ""
    return str(first.get("errorCode") or first.get("error") or ""), redact(
        str(first.get("message") or first.get("error_description") or "")[:200]
    )


def _org_of(url: Json) -> str:
    """The org's id of the user's address, https://login.salesforce.com/id/<org>/<user>."""
    parts = urlsplit(str(url or "")).path.strip("/").split("/")
    return parts[1] if len(parts) == 3 and parts[0] == "id" else SOURCE


def _grant(settings: SalesforceSettings) -> Grant:
    form = {
        "grant_type": "client_credentials",
        "client_id": settings.client_id,
        "client_secret": settings.client_secret.get_secret_value(),
    }
    wrong = "is SALESFORCE_TOKEN_URL that of your own domain?"
    return Grant(SOURCE, settings.token_url, tuple(form.items()), judge=_judge_sign_in, wrong_address=wrong)


def _judge_sign_in(response: requests.Response) -> Verdict | None:
    if response.status_code not in (400, 401, 403):
        return None
    code, message = _error_of(response)
    mend = {
        "invalid_client_id": "check SALESFORCE_CLIENT_ID",
        "invalid_client": "check SALESFORCE_CLIENT_SECRET",
        "invalid_grant": "enable the client credentials flow in the app's policies, with a user to run as, and ask at the "
        "token URL of your own domain",
    }.get(code, "check the External Client App and SALESFORCE_TOKEN_URL")
    return Verdict(error=AuthError(f"Salesforce gives no token ({code}: {message}); {mend}", source=SOURCE))
