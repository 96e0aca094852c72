"""X's Ads API as accounts are read by it: an account with its campaigns and ads, and figures that jobs prepare as files.

Rows leave as X sent them; what they become is in `rows`, what errors mean in `answers`.

https://docs.x.com/x-ads-api/analytics
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dagster_project.sources.x_ads.answers import SOURCE, Answers
from dagster_project.sources.x_ads.login import Signed
from dagster_project.wire.contract import DriftError, Tally, VendorError, Window
from dagster_project.wire.http import Http, Json, parsed_json
from dagster_project.wire.pacing import Pacer, shared_pacer
from dagster_project.wire.rest import Progress, cursor_pages, polled_job
from dagster_project.wire.retrying import Interrupted
from dagster_project.wire.variables import web_address

if TYPE_CHECKING:
    from dagster_project.sources.x_ads.settings import XAdsSettings

Row = dict[str, Json]

PAGE = 1000
# Reads of an account: 2,000 in 15 minutes at least; analytics that answer at once: 250 in 15 minutes.
CALLS, SECONDS = 5, 3.0
ANALYTICS_CALLS, ANALYTICS_SECONDS = 200, 900.0
MOST_IDS, MOST_TWEETS, MOST_CARDS = 20, 200, 20  # of a question
JOBS_AT_ONCE = 10  # 100 may be at work in an account, by all programs
JOB_PATIENCE_SECONDS = 30 * 60
ENTITY = "PROMOTED_TWEET"
Batch = tuple[str, Sequence[str]]  # placement, ids of ads


class XAds:
    """One read's connection. Methods raise AuthError, ConfigError, QuotaError, VendorError, DriftError."""

    def __init__(self, settings: XAdsSettings, stream: str, tally: Tally) -> None:
        self._version, self._tally = settings.api_version, tally
        answers = Answers(stream, tally)
        self.where = answers.where
        signed = Signed(
            settings.consumer_key,
            settings.consumer_secret.get_secret_value(),
            settings.access_token.get_secret_value(),
            settings.access_token_secret.get_secret_value(),
        )
        self._http = Http(SOURCE, settings.base_url, tally, auth=signed, judge=answers.judge)
        self._whose = (settings.base_url, settings.consumer_key, signed.token)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.__exit__()

    # ---- what there is -----------------------------------------------------------------------------------------

    def zone(self, account_id: str) -> ZoneInfo:
        """The account's time zone: days begin at its midnight."""
        account = self._get(f"accounts/{account_id}", {}).get("data")
        name = account.get("timezone") if isinstance(account, dict) else None
        try:
            return ZoneInfo(str(name))
        except (ZoneInfoNotFoundError, ValueError):
            raise DriftError(f"account {account_id}: its timezone {name!r:.40} is none", **self.where) from None

    def listed(self, account_id: str, name: str, **asked: str) -> dict[str, Row]:
        """All objects of a list by their id, deleted ones too. Odd ones are told."""
        found: dict[str, Row] = {}
        for rows in self._pages(f"accounts/{account_id}/{name}", {"with_deleted": "true", "count": str(PAGE), **asked}):
            for row in rows:
                if isinstance(row, dict) and isinstance(row.get("id"), str):
                    found.setdefault(row["id"], row)
                else:
                    self._tally.bad_row(f"{SOURCE}: account {account_id}: a row of {name} has no id")
        return found

    def tweets(self, account_id: str, ids: Sequence[str]) -> dict[str, Row]:
        """Posts by their id."""
        found: dict[str, Row] = {}
        for start in range(0, len(ids), MOST_TWEETS):
            asked = {
                "tweet_ids": ",".join(ids[start : start + MOST_TWEETS]), "tweet_type": "PUBLISHED", "timeline_type": "ALL",
                "count": str(MOST_TWEETS),
            }  # fmt: skip
            for rows in self._pages(f"accounts/{account_id}/tweets", asked):
                found |= {str(row.get("id_str") or row.get("id")): row for row in rows if isinstance(row, dict)}
        return found

    def cards(self, account_id: str, uris: Sequence[str]) -> dict[str, Row]:
        """Cards by their address."""
        found: dict[str, Row] = {}
        for start in range(0, len(uris), MOST_CARDS):
            asked = {"card_uris": ",".join(uris[start : start + MOST_CARDS]), "with_deleted": "true"}
            for rows in self._pages(f"accounts/{account_id}/cards/all", asked):
                found |= {str(row.get("card_uri")): row for row in rows if isinstance(row, dict)}
        return found

    def active(self, account_id: str, window: Window, zone: ZoneInfo) -> dict[str, list[str]]:
        """Placement -> ids of the ads that have figures in these days.

        What is asked for is when a change was recorded, which is the day itself or shortly after: one day more is asked.
        """
        found: dict[str, list[str]] = {}
        asked = {
            "entity": ENTITY,
            "start_time": midnight(window.start, zone),
            "end_time": midnight(window.end + timedelta(days=1), zone),
        }
        pacer = shared_pacer(("analytics", *self._whose), ANALYTICS_CALLS, ANALYTICS_SECONDS)
        pacer.wait(self._tally.sleep)
        for row in self._data(self._get(f"stats/accounts/{account_id}/active_entities", asked), "active entities"):
            try:
                for placement in row["placements"]:
                    ids = found.setdefault(str(placement), [])
                    if row["entity_id"] not in ids:
                        ids.append(row["entity_id"])
            except (KeyError, TypeError):
                raise DriftError(
                    f"account {account_id}: an active entity has no entity_id and placements", **self.where
                ) from None
        return found

    # ---- figures -----------------------------------------------------------------------------------------------

    def figures(
        self, account_id: str, batches: Sequence[Batch], window: Window, zone: ZoneInfo, groups: str
    ) -> Iterator[tuple[str, Row]]:
        """(placement, file) of each batch: a job each, several at once."""
        for start in range(0, len(batches), JOBS_AT_ONCE):
            some = batches[start : start + JOBS_AT_ONCE]
            files = polled_job(
                lambda some=some: [self._start(account_id, each, window, zone, groups) for each in some],  # type: ignore[misc]
                lambda jobs: self._look(account_id, jobs),
                self._tally,
                what=f"account {account_id}: the figures of {window}",
                patience_seconds=JOB_PATIENCE_SECONDS,
                where=self.where,
            )
            yield from zip((placement for placement, _ in some), files, strict=True)

    def _start(self, account_id: str, batch: Batch, window: Window, zone: ZoneInfo, groups: str) -> str:
        placement, ids = batch
        form = {
            "entity": ENTITY, "entity_ids": ",".join(ids), "start_time": midnight(window.start, zone),
            "end_time": midnight(window.end, zone), "granularity": "DAY", "placement": placement, "metric_groups": groups,
        }  # fmt: skip
        answer = self._http.post_json(self._path(f"stats/jobs/accounts/{account_id}"), data=form, pacer=self._pacer())
        job = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(job, dict) or not job.get("id_str"):
            raise VendorError(f"account {account_id}: a job has no id_str; is X_ADS_BASE_URL right?", **self.where)
        return str(job["id_str"])

    def _look(self, account_id: str, jobs: Sequence[str]) -> Progress[list[Row]]:
        asked = {"job_ids": ",".join(jobs), "count": str(PAGE)}
        answer = self._get(f"stats/jobs/accounts/{account_id}", asked)
        known = {str(row.get("id_str")): row for row in self._data(answer, "jobs") if isinstance(row, dict)}
        done = [known.get(job, {}) for job in jobs]
        if failed := next((row for row in done if row.get("status") in ("FAILED", "CANCELLED")), None):
            raise Interrupted(f"a job is {failed['status']}")
        if any(row.get("status") != "SUCCESS" or not row.get("url") for row in done):
            return Progress()
        return Progress(ready=[self._file(str(row["url"])) for row in done])

    def _file(self, address: str) -> Row:
        """Its address lies on another server, and is sometimes told twice in a row; our signature must not go there."""
        address = address[max(address.rfind("https://"), address.rfind("http://"), 0) :]
        try:
            parts = urlsplit(web_address(address))
        except ValueError:
            raise VendorError("a file's address is none that can be asked safely", **self.where) from None
        with Http(SOURCE, f"{parts.scheme}://{parts.netloc}", self._tally) as http:
            packed = http.request("GET", f"{parts.path}{'?' if parts.query else ''}{parts.query}").content
        try:
            text = gzip.decompress(packed) if packed[:2] == b"\x1f\x8b" else packed
            found = parsed_json(text)
        except (OSError, EOFError, zlib.error, ValueError, RecursionError):
            raise Interrupted("its file is no packed JSON") from None
        if not isinstance(found, dict) or not isinstance(found.get("data"), list):
            raise VendorError("a file of figures has no list data", **self.where)
        return found

    # ---- calls -------------------------------------------------------------------------------------------------

    def _pages(self, path: str, asked: Mapping[str, str]) -> Iterator[list[Row]]:
        def ask(cursor: str | None) -> Row:
            return self._get(path, {**asked, **({"cursor": cursor} if cursor else {})})

        def following(answer: Row) -> str | None:
            cursor = answer.get("next_cursor")
            return None if cursor in (None, "", "0") else str(cursor)

        for answer in cursor_pages(ask, following, what=f"GET {path}", where=self.where):
            yield self._data(answer, path)

    def _data(self, answer: Row, what: str) -> list[Row]:
        if not isinstance(answer.get("data"), list):
            raise VendorError(f"{what} has no list data; is X_ADS_BASE_URL right?", **self.where)
        return answer["data"]

    def _get(self, path: str, asked: Mapping[str, str]) -> Row:
        answer = self._http.get_json(self._path(path), params=asked, pacer=self._pacer())
        if not isinstance(answer, dict):
            raise VendorError(f"GET {path} answered with no JSON object; is X_ADS_BASE_URL right?", **self.where)
        return answer

    def _pacer(self) -> Pacer:
        return shared_pacer(self._whose, CALLS, SECONDS)

    def _path(self, path: str) -> str:
        return f"/{self._version}/{path}"


def midnight(day: date, zone: ZoneInfo) -> str:
    """The moment at which a day begins in the account's zone, as X wants it."""
    return f"{datetime.combine(day, time(), zone).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
