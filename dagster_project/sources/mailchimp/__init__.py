"""Mailchimp: what came of each campaign that was sent, by its reports.

Belongs here: all of the source. A report is a campaign with its counts until now, filed under the day of sending (UTC); opens
and clicks go on coming in, so reports of the last 30 days are read again. Nobody's address is asked for. Counts are stored,
never rates: those of reports are fractions, those of lists percentages. A night is two calls an account, a year of backfill
too, up to 1,000 campaigns.

https://mailchimp.com/developer/marketing/api/reports/list-campaign-reports/
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, date, datetime, time, timedelta
from itertools import count

import pyarrow as pa
import requests
from pydantic import SecretStr, field_validator
from requests.auth import HTTPBasicAuth

from dagster_project.sources.mailchimp.descriptions import ABOUT, COLUMNS
from dagster_project.wire.columns import to_table
from dagster_project.wire.contract import AuthError, Page, SourceError, Stream, Tally, VendorError, Window, schema
from dagster_project.wire.http import Http, Json, Verdict, redact
from dagster_project.wire.json_cells import MOMENT, instant
from dagster_project.wire.rest import each_account, numbered_pages
from dagster_project.wire.source import Source
from dagster_project.wire.variables import HostAddress, SourceSettings, variable

NAME, STREAM = "mailchimp", "campaigns"
WHERE = {"source": NAME, "stream": STREAM}
PAGE = 1000
RESTATE_DAYS, DEEP_RESTATE_DAYS = 30, 90  # opens and clicks go on; after a month they are few
PLAIN = ("id", "campaign_title", "type", "list_id", "emails_sent", "abuse_reports", "unsubscribed", "send_time")
NESTED = ("bounces", "opens", "clicks")
TIMES = ("last_open", "last_click")  # "" where there was none; they are not kept
RATES = ("open_rate", "click_rate", "proxy_excluded_open_rate")
# A campaign without one of these would be counted as if nothing had come of it.
NEEDED = (
    "send_time", "emails_sent", "unsubscribed", "hard_bounces", "soft_bounces", "unique_opens", "unique_subscriber_clicks",
)  # fmt: skip


class MailchimpSettings(SourceSettings):
    api_keys: SecretStr = variable(
        "MAILCHIMP_API_KEY", "ends with its data centre, as -us21; of several accounts separated by commas"
    )
    base_url: HostAddress | None = variable(
        "MAILCHIMP_BASE_URL", "in place of https://<data centre>.api.mailchimp.com", None
    )

    @field_validator("api_keys")
    @classmethod
    def _are_keys(cls, keys: SecretStr) -> SecretStr:
        for key in _each(keys):
            if not re.fullmatch(r"\w+-[a-z]+\d+", key):
                raise ValueError("an API key ends with its data centre, as in 0123456789abcdef-us21")
        if not _each(keys):
            raise ValueError("allowed is an API key, or several separated by commas")
        return keys

    def address(self, key: str) -> str:
        return self.base_url or f"https://{key.rpartition('-')[2]}.api.mailchimp.com"


def read_campaigns(settings: MailchimpSettings, window: Window, tally: Tally) -> Iterator[Page]:
    """Grain: day of sending, campaign."""
    with ExitStack() as stack:
        opened: dict[str, Http] = {}
        for number, key in enumerate(_each(settings.api_keys), 1):
            login = HTTPBasicAuth("funnelhouse", key)
            http = stack.enter_context(Http(NAME, settings.address(key), tally, auth=login, judge=_judge))
            try:
                opened[_account_of(http)] = http
            except SourceError as error:  # whose account it is, is not known then
                tally.fail_account(f"of key {number}", error)
        yield from each_account(list(opened), lambda account: _reports(opened[account], account, window, tally), tally)


def _each(keys: SecretStr) -> list[str]:
    return list(dict.fromkeys(key.strip() for key in keys.get_secret_value().split(",") if key.strip()))


def _account_of(http: Http) -> str:
    answer = http.get_json("/3.0/", params={"fields": "account_id"})
    account = answer.get("account_id") if isinstance(answer, dict) else None
    if not isinstance(account, str) or not account:
        raise VendorError("the answer names no account; is MAILCHIMP_BASE_URL right?", **WHERE)
    return account


def _reports(http: Http, account: str, window: Window, tally: Tally) -> Iterator[Page]:
    fields = [f"reports.{name}" for name in (*PLAIN, *NESTED)]
    asked: dict[str, str | int] = {
        "fields": ",".join([*fields, "total_items"]),
        "count": PAGE,
        # The first bound of Mailchimp's campaigns is exclusive, the last inclusive; of reports nobody says so. A second more
        # on both sides takes in all that may be meant, and what is not of the window is left out.
        "since_send_time": _moment(window.start, -1),
        "before_send_time": _moment(window.end, 0),
    }
    seen: set[str] = set()

    def ask(offset: int) -> list[Json]:
        answer = http.get_json("/3.0/reports", params={**asked, "offset": offset})
        reports = answer.get("reports") if isinstance(answer, dict) else None
        if not isinstance(reports, list):
            raise VendorError("the answer has no list of reports; is MAILCHIMP_BASE_URL right?", **WHERE)
        return reports

    # A page that is not full is the last one; the total that Mailchimp announces is not to be relied on.
    for reports in numbered_pages(
        ask, count(0, PAGE), lambda page: len(page) < PAGE, what="GET /3.0/reports", where=WHERE
    ):
        records = []
        for report in reports:
            record = {**_record(report), "account_id": account}
            day = record["send_date"]
            if record["id"] in seen or (day is not None and day not in window):
                continue
            seen.add(str(record["id"]))
            records.append(record)
        if records:
            yield Page(to_table(CAMPAIGNS, records, required=NEEDED, tally=tally), {"time_zone": "UTC"})


def _moment(day: date, seconds: int) -> str:
    return (datetime.combine(day, time(), UTC) + timedelta(seconds=seconds)).isoformat()


def _record(report: Json) -> dict[str, Json]:
    """A report with its counts side by side. What is not there stays away: it is told as missing."""
    if not isinstance(report, Mapping):
        return {"id": None, "send_date": None}
    record = {name: value for name, value in report.items() if name not in NESTED}
    record.setdefault("id", None)
    for name in NESTED:
        if isinstance(counts := report.get(name), Mapping):
            record |= {key: value for key, value in counts.items() if key not in (*TIMES, *RATES)}
    try:
        record["send_date"] = instant(report["send_time"]).date()
    except (KeyError, TypeError, ValueError, OverflowError):
        record["send_date"] = None
    return record


def _judge(response: requests.Response) -> Verdict | None:
    """What an answer means. Under load Mailchimp may say 403 without a word; else refusals are problems with a title."""
    status = response.status_code
    if status < 400 or status == 429 or status >= 500:
        return None
    try:
        problem = response.json()
        said = redact(f"{problem['title']}: {problem['detail']}")[:300]
    except (ValueError, KeyError, TypeError):
        if status == 403:
            return Verdict()
        said = f"status {status}"
    if status in (401, 403):
        mend = "make a key (Account > Extras > API keys), and put it in MAILCHIMP_API_KEY with its data centre"
        return Verdict(error=AuthError(f"Mailchimp refuses: {said}; {mend}", **WHERE))
    return Verdict(error=VendorError(said, **WHERE))


COUNTS = (
    "emails_sent", "hard_bounces", "soft_bounces", "syntax_errors", "opens_total", "unique_opens", "proxy_excluded_opens",
    "proxy_excluded_unique_opens", "clicks_total", "unique_clicks", "unique_subscriber_clicks", "unsubscribed",
    "abuse_reports",
)  # fmt: skip
CAMPAIGNS = Stream(
    source=NAME,
    name=STREAM,
    domain="email",
    kind="report",
    key=("account_id", "id"),
    schema=schema(
        ("send_date", pa.date32()),
        ("id", pa.string()),
        ("campaign_title", pa.string()),
        ("type", pa.string()),
        ("list_id", pa.string()),
        ("send_time", MOMENT),
        *((name, pa.int64()) for name in COUNTS),
    ),
    day="send_date",
    restate_days=RESTATE_DAYS,
    deep_restate_days=DEEP_RESTATE_DAYS,
    feeds=("mail", "mail.deliveries", "mail.opens", "mail.clicks", "mail.unsubscribes"),
    read=read_campaigns,
    description="Campaigns under the day on which they were sent, with what came of them until now.",
)

SOURCE = Source(
    name=NAME,
    title="Mailchimp",
    gives="e-mail campaigns: sent, bounced, opened (also less proxies), clicked, unsubscribed",
    settings=MailchimpSettings,
    streams=(CAMPAIGNS,),
    about=ABOUT,
    columns=COLUMNS,
    creates="an API key (Account > Extras > API keys)",
    least_right="keys have no scopes: one of a user with the role Viewer",
)
