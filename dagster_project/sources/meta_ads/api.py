"""Meta's Graph API as ad accounts are read by it: an account, insights at once and as a job, ads with their creatives.

Rows leave as Meta sent them; what they become is in `rows`, what errors mean in `answers`. The token goes in a header: the
links to following pages have it in them and are not followed, their cursor is.

https://developers.facebook.com/documentation/ads-commerce/marketing-api/insights
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Self

from dagster_project.sources.meta_ads.answers import SOURCE, Answers
from dagster_project.wire.contract import Tally, VendorError, Window
from dagster_project.wire.http import Http, Json
from dagster_project.wire.rest import Progress, cursor_pages, polled_job
from dagster_project.wire.retrying import Interrupted

if TYPE_CHECKING:
    from dagster_project.sources.meta_ads.settings import MetaSettings

Row = dict[str, Json]

INSIGHTS_PAGE = 500
PAUSE_AT_PERCENT, PAUSE_SECONDS = 75, 30.0  # usage fades over an hour; at 100 % the account is shut out
JOB_PATIENCE_SECONDS = 30 * 60
# All of them: ads that are archived or deleted are left out unless they are named, and their clicks go on.
STATUSES = (
    "ACTIVE", "PAUSED", "DELETED", "PENDING_REVIEW", "DISAPPROVED", "PREAPPROVED", "PENDING_BILLING_INFO",
    "CAMPAIGN_PAUSED", "ARCHIVED", "ADSET_PAUSED", "IN_PROCESS", "WITH_ISSUES",
)  # fmt: skip
AD_FIELDS = (
    "id,name,adset{id,name},campaign{id,name},effective_status,updated_time,"
    "creative{id,url_tags,link_url,object_url,object_story_spec,asset_feed_spec,template_url_spec}"
)


class Meta:
    """One read's connection. Methods raise AuthError, ConfigError, QuotaError, VendorError, and TooMuchData."""

    def __init__(self, settings: MetaSettings, stream: str, tally: Tally) -> None:
        token = settings.access_token.get_secret_value()
        self._tally, self._version = tally, settings.api_version
        self.answers = Answers(stream, tally, settings.api_version)
        self._proof = {}
        if settings.app_secret:
            proof = hmac.new(settings.app_secret.get_secret_value().encode(), token.encode(), hashlib.sha256)
            self._proof = {"appsecret_proof": proof.hexdigest()}
        self._http = Http(
            SOURCE,
            settings.base_url,
            tally,
            headers={"Authorization": f"Bearer {token}"},
            judge=self.answers.judge,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.__exit__()

    def account(self, account_id: str) -> Row:
        """Its currency and time zone."""
        return self._get(f"act_{account_id}", {"fields": "id,currency,timezone_name"})

    def insights(self, account_id: str, window: Window, asked: Mapping[str, str]) -> Iterator[list[Row]]:
        """The pages of a report, at once."""
        return self._pages(f"act_{account_id}/insights", {**_of(window), **asked, "limit": str(INSIGHTS_PAGE)})

    def insights_by_job(self, account_id: str, window: Window, asked: Mapping[str, str]) -> Iterator[list[Row]]:
        """The pages of a report that Meta has prepared: a snapshot, however long the window."""
        run = polled_job(
            lambda: self._start(account_id, {**_of(window), **asked}),
            self._look,
            self._tally,
            what=f"the report of account {account_id} for {window}",
            patience_seconds=JOB_PATIENCE_SECONDS,
            where=self.answers.where,
        )
        return self._pages(f"{run}/insights", {"limit": str(INSIGHTS_PAGE)})

    def ads(self, account_id: str, page: int) -> Iterator[list[Row]]:
        asked = {"fields": AD_FIELDS, "effective_status": json.dumps(STATUSES), "limit": str(page)}
        return self._pages(f"act_{account_id}/ads", asked)

    # ---- calls -------------------------------------------------------------------------------------------------

    def _start(self, account_id: str, asked: Mapping[str, str]) -> str:
        self._breathe()
        answer = self._http.post_json(self._path(f"act_{account_id}/insights"), data={**asked, **self._proof})
        return str(self._take(answer, "report_run_id"))

    def _look(self, run: str) -> Progress[str]:
        job = self._get(run, {})
        status, percent = str(self._take(job, "async_status")), job.get("async_percent_completion")
        if status == "Job Completed" and percent in (100, "100"):
            return Progress(ready=run)
        if status in ("Job Failed", "Job Skipped"):
            told = {"message": job.get("error_message") or job.get("error_user_msg") or status, **job}
            if job.get("error_code") is not None:
                self.answers.meaning(int(job["error_code"]), int(job.get("error_subcode") or 0), told).act(
                    str(told["message"])
                )
            raise Interrupted(f"{status}: {told['message']}")
        return Progress()

    def _pages(self, path: str, asked: Mapping[str, str]) -> Iterator[list[Row]]:
        def ask(after: str | None) -> Json:
            return self._get(path, {**asked, **({"after": after} if after else {})})

        for answer in cursor_pages(ask, self._following, what=f"GET {path}", where=self.answers.where):
            rows = self._take(answer, "data")
            if not isinstance(rows, list):
                raise VendorError(f"data of GET {path} is no list", **self.answers.where)
            yield rows

    def _following(self, answer: Json) -> str | None:
        """Where the next page begins. The last page has a cursor, too, but no link."""
        paging = answer.get("paging") or {}
        return str(paging["cursors"]["after"]) if paging.get("next") else None

    def _get(self, path: str, asked: Mapping[str, str]) -> Row:
        self._breathe()
        answer = self._http.get_json(self._path(path), params={**asked, **self._proof})
        if not isinstance(answer, dict):
            raise VendorError(
                f"GET {path} answered with no JSON object; is META_ADS_BASE_URL right?", **self.answers.where
            )
        return answer

    def _path(self, path: str) -> str:
        return f"/{self._version}/{path}"

    def _take(self, answer: Row, name: str) -> Json:
        if not isinstance(answer, dict) or name not in answer:
            raise VendorError(f"an answer has no {name}; is META_ADS_BASE_URL right?", **self.answers.where)
        return answer[name]

    def _breathe(self) -> None:
        """Slows down before Meta shuts the account out."""
        if self.answers.used_percent >= PAUSE_AT_PERCENT:
            self._tally.sleep(PAUSE_SECONDS)


def _of(window: Window) -> dict[str, str]:
    return {"time_range": json.dumps({"since": str(window.start), "until": str(window.last)}), "time_increment": "1"}
