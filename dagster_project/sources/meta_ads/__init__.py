"""Meta Ads (Facebook, Instagram, Threads …): what ads cost and did by day and placement, their actions, where they lead.

Belongs here: the streams, and how a window is cut. Rows keep Meta's names; money in the account's currency, days in the
account's zone. The wire is in `api`, how rows become columns in `rows`.

A short window is asked for at once, a longer one as jobs of a month each: their pages are a snapshot, while rows that are
being counted move between the pages of an answer. Where Meta says that it is too much, the window is halved.
"""

from __future__ import annotations

import calendar
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import pyarrow as pa

from dagster_project.sources.meta_ads.answers import SOURCE as NAME
from dagster_project.sources.meta_ads.answers import TooMuchData
from dagster_project.sources.meta_ads.api import Meta, Row
from dagster_project.sources.meta_ads.rows import PLAIN_FIELDS, actions_of, ad, performance
from dagster_project.sources.meta_ads.settings import RULES, MetaSettings
from dagster_project.wire.columns import RETYPED_FROM, to_table
from dagster_project.wire.contract import DriftError, Page, Stream, Tally, VendorError, Window, schema
from dagster_project.wire.http import Json
from dagster_project.wire.json_cells import MOMENT
from dagster_project.wire.rest import each_account
from dagster_project.wire.source import Source

# Conversions are credited to the day of the click or view; after 28 days a day is frozen.
RESTATE_DAYS = 28
MONTHS_BACK = 37  # else (#3018) "The start date of the time range cannot be beyond 37 months from the current date"
JOB_DAYS = 31
MONEY = pa.decimal128(24, 6)
WINDOWS = ("1d_click", "7d_click", "28d_click", "1d_view", "1d_ev", "dda")  # a column each
Make = Callable[[Row], Iterable[dict[str, Any]]]  # a row as Meta sent it to the records that it becomes
ADS_PAGES = (100, 25, 5)  # creatives are heavy: Meta may refuse larger pages


def read_ad_performance(settings: MetaSettings, window: Window, tally: Tally) -> Iterator[Page]:
    """Grain: account, day, ad, placement."""
    asked = {"level": "ad", "fields": ",".join((*PLAIN_FIELDS, "actions", "action_values"))}
    asked |= {"breakdowns": "publisher_platform"} if settings.rules.by_placement else {}
    yield from _read(
        AD_PERFORMANCE,
        settings,
        window,
        asked,
        lambda row: [performance(row, settings.rules.conversions)],
        tally,
    )


def read_ad_actions(settings: MetaSettings, window: Window, tally: Tally) -> Iterator[Page]:
    """Grain: account, day, ad, type of action."""
    fields = ("account_currency", "campaign_id", "adset_id", "ad_id", "attribution_setting", "actions", "action_values")
    yield from _read(
        AD_ACTIONS,
        settings,
        window,
        {"level": "ad", "fields": ",".join(fields)},
        lambda row: actions_of(row, settings.rules.attribution_windows),
        tally,
    )


def sweep_ads(settings: MetaSettings, tally: Tally) -> Iterator[Page]:
    """Grain: account, ad. All there are, archived and deleted ones too."""

    def of_account(account_id: str) -> Iterator[Page]:
        seen: set[Json] = set()
        for rows in _ads(meta, account_id):
            new = [row for row in rows if not isinstance(row, dict) or row.get("id") not in seen]
            seen |= {row.get("id") for row in new if isinstance(row, dict)}
            if records := _records(ADS, new, lambda row: [ad(row)], account_id, tally):
                yield Page(to_table(ADS, records, tally=tally))

    with Meta(settings, ADS.name, tally) as meta:
        yield from each_account(settings.accounts, of_account, tally)


def earliest(today: date) -> date:
    """The oldest day; a day later than Meta's, whose "today" may be another zone's."""
    year, month = divmod(today.year * 12 + today.month - 1 - MONTHS_BACK, 12)
    return date(year, month + 1, min(today.day, calendar.monthrange(year, month + 1)[1])) + timedelta(days=1)


# ---- accounts and windows ----------------------------------------------------------------------------------


def _read(
    stream: Stream, settings: MetaSettings, window: Window, asked: dict[str, str], make: Make, tally: Tally
) -> Iterator[Page]:
    asked = {**asked, "action_attribution_windows": json.dumps(settings.rules.attribution_windows)}

    def of_account(account_id: str) -> Iterator[Page]:
        account = meta.account(account_id)
        quality = {"time_zone": account.get("timezone_name"), "currency_code": account.get("currency")}
        for part in _parts(window, JOB_DAYS):
            is_by_job = len(part.days()) > settings.rules.sync_days
            for rows in _cut(Asking(meta, account_id, asked, is_by_job, set()), part):
                if records := _records(stream, rows, make, account_id, tally):
                    table = to_table(stream, records, required=_REQUIRED[stream.name], tally=tally)
                    yield Page(_within(stream, window, table), quality)

    with Meta(settings, stream.name, tally) as meta:
        yield from each_account(settings.accounts, of_account, tally)


@dataclass(frozen=True)
class Asking:
    """A report of an account, and which of its rows have been handed on."""

    meta: Meta
    account_id: str
    asked: Mapping[str, str]
    is_by_job: bool
    seen: set[tuple[Json, ...]]

    def pages(self, window: Window) -> Iterator[list[Row]]:
        ask = self.meta.insights_by_job if self.is_by_job else self.meta.insights
        return ask(self.account_id, window, self.asked)

    def new(self, rows: list[Row]) -> list[Row]:
        """The rows that no page before had: a row that is counted meanwhile may come on two of them."""
        new = []
        for row in rows:
            key = tuple(row.get(name) for name in _KEY) if isinstance(row, dict) else (None,)
            if key not in self.seen:
                new.append(row)
            if None not in key[:2]:  # else it is odd, and told
                self.seen.add(key)
        return new


def _cut(asking: Asking, window: Window) -> Iterator[list[Row]]:
    """Pages of new rows, of a window that is halved until Meta gives it; a single day is asked for as a job then."""
    try:
        for rows in asking.pages(window):
            yield asking.new(rows)
        return
    except TooMuchData as too_much:
        days = window.days()
        if len(days) == 1 and asking.is_by_job:
            mend = "sources.meta_ads.by_placement: false in funnelhouse.yml takes a third of the rows"
            raise VendorError(
                f"account {asking.account_id}: a single day, {window.start}, is too much: {too_much}; {mend}",
                **asking.meta.answers.where,
            ) from None
    if len(days) == 1:
        yield from _cut(replace(asking, is_by_job=True), window)
        return
    middle = days[len(days) // 2]
    for half in (Window(window.start, middle), Window(middle, window.end)):
        yield from _cut(asking, half)


def _ads(meta: Meta, account_id: str) -> Iterator[list[Row]]:
    """Pages of ads; smaller ones where they are too much: some may come again."""
    for size in ADS_PAGES:
        try:
            yield from meta.ads(account_id, size)
        except TooMuchData as error:
            too_much = error
        else:
            return
    raise VendorError(f"account {account_id}: {ADS_PAGES[-1]} ads are too much: {too_much}", **meta.answers.where)


def _records(stream: Stream, rows: list[Row], make: Make, account_id: str, tally: Tally) -> list[dict[str, Json]]:
    """The records of a page; a row that has not the shape of one is told and left out."""
    records, odd = [], 0
    for row in rows:
        try:
            records += [{**record, "account_id": account_id} for record in make(row)]
        except (AttributeError, TypeError, ValueError):
            odd += 1
            day = row.get("date_start", "unknown") if isinstance(row, dict) else "unknown"
            why = f"a row of account {account_id} has not the shape of one (day {day})"
            if odd == len(rows) >= RETYPED_FROM:
                raise DriftError(f"no row has the shape of one: {why}", source=NAME, stream=stream.name) from None
            tally.bad_row(f"{stream.id}: {why}")
    return records


def _parts(window: Window, days: int) -> Iterator[Window]:
    start = window.start
    while start < window.end:
        end = min(window.end, start + timedelta(days=days))
        yield Window(start, end)
        start = end


def _within(stream: Stream, window: Window, rows: pa.Table) -> pa.Table:
    for day in rows["date_start"].unique().to_pylist():
        if day not in window:
            raise VendorError(f"asked for {window}, got rows of {day}", source=NAME, stream=stream.name)
    return rows


_KEY = ("date_start", "ad_id", "publisher_platform")
_REQUIRED = {"ad_performance": ("account_currency", "spend"), "ad_actions": ("value",)}

AD_PERFORMANCE = Stream(
    source=NAME,
    name="ad_performance",
    domain="ads",
    kind="report",
    key=("account_id", "date_start", "ad_id", "publisher_platform"),
    schema=schema(
        ("date_start", pa.date32()),
        ("publisher_platform", pa.string()),
        ("account_currency", pa.string()),
        ("campaign_id", pa.string()),
        ("campaign_name", pa.string()),
        ("objective", pa.string()),
        ("adset_id", pa.string()),
        ("adset_name", pa.string()),
        ("ad_id", pa.string()),
        ("ad_name", pa.string()),
        ("attribution_setting", pa.string()),
        ("impressions", pa.int64()),
        ("clicks", pa.int64()),
        ("inline_link_clicks", pa.int64()),
        ("spend", MONEY),
        ("video_views", pa.int64()),
        ("conversions", MONEY),
        ("conversions_value", MONEY),
    ),
    day="date_start",
    restate_days=RESTATE_DAYS,
    deep_restate_days=RESTATE_DAYS,
    additive=True,
    earliest=earliest,
    feeds=("media", "cost", "ads", "ads.impressions", "ads.clicks", "ad_conversions"),
    read=read_ad_performance,
    description="Day x ad x placement: impressions, clicks, cost, views, and the conversions that the rules choose.",
)
AD_ACTIONS = Stream(
    source=NAME,
    name="ad_actions",
    domain="ads",
    kind="report",
    key=("account_id", "date_start", "ad_id", "action_type"),
    schema=schema(
        ("date_start", pa.date32()),
        ("account_currency", pa.string()),
        ("campaign_id", pa.string()),
        ("adset_id", pa.string()),
        ("ad_id", pa.string()),
        ("attribution_setting", pa.string()),
        ("action_type", pa.string()),
        ("value", MONEY),
        ("money_value", MONEY),
        *((window, MONEY) for window in WINDOWS),
    ),
    day="date_start",
    restate_days=RESTATE_DAYS,
    deep_restate_days=RESTATE_DAYS,
    earliest=earliest,
    read=read_ad_actions,
    description="Day x ad x type of action: all types, which contain each other, with what they are worth.",
)
ADS = Stream(
    source=NAME,
    name="ads",
    domain="ads",
    kind="record",
    key=("account_id", "id"),
    schema=schema(
        ("id", pa.string()),
        ("name", pa.string()),
        ("campaign_id", pa.string()),
        ("campaign_name", pa.string()),
        ("adset_id", pa.string()),
        ("adset_name", pa.string()),
        ("effective_status", pa.string()),
        ("updated_time", MOMENT),
        ("creative_id", pa.string()),
        ("link", pa.string()),
        ("links", pa.list_(pa.string())),
        ("url_tags", pa.string()),
    ),
    day="updated_time",
    restate_days=1,
    deep_restate_days=1,
    informs=("web", "leads", "orders"),  # whose campaigns the tags of links name
    sweep=sweep_ads,
    description="Ads with where they lead and the tags that Meta appends.",
)
STREAMS = (AD_PERFORMANCE, AD_ACTIONS, ADS)

SOURCE = Source(
    name=NAME,
    title="Meta Ads",
    gives="ads by day on Facebook, Instagram, Threads; their actions and links",
    settings=MetaSettings,
    streams=STREAMS,
    creates="a business app and a system user with a token (Business settings > Users > System users)",
    least_right="ads_read for the token, 'view performance' on the ad account for the system user",
    rules=RULES,
)
