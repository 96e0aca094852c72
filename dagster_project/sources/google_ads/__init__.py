"""Google Ads: spend, clicks and platform conversions by campaign and by ad, and the click ids.

Belongs here: the streams, and how a window is read. Rows keep the vendor's names and units (`cost_micros`: millionths
of the account's currency; days: in the account's zone). What is asked is in `reports`, the wire in `api`, how rows
become columns in `rows`.

A query covers its whole window in order of day. Only days that are known to be whole are handed on: a stream
that breaks is asked again from the first day that was not, and no row comes twice. Memory is bounded by one
batch plus one day.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Literal, TypedDict

import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.sources.google_ads.api import SOURCE as NAME
from dagster_project.sources.google_ads.api import Account, AccountOff, GoogleAds
from dagster_project.sources.google_ads.descriptions import ABOUT, COLUMNS
from dagster_project.sources.google_ads.reports import AD_PERFORMANCE, CAMPAIGN_PERFORMANCE, CLICKS, Report
from dagster_project.sources.google_ads.rows import Odd, to_table
from dagster_project.sources.google_ads.settings import GoogleAdsSettings
from dagster_project.wire.contract import ConfigError, Page, Stream, Tally, VendorError, Window
from dagster_project.wire.rest import each_account, raise_if_none_was_read
from dagster_project.wire.retrying import Interrupted
from dagster_project.wire.source import Source

# Cost and clicks settle in days (invalid clicks are credited back). Conversions are credited to the day of
# the click, so an old day grows for as long as the conversion window is: 30 days by default, 90 at most.
RESTATE_DAYS, DEEP_RESTATE_DAYS, FINAL_AFTER_DAYS = 30, 90, 3
CLICKS_RESTATE_DAYS = 3  # a click is there within hours and does not change
# click_view answers "for dates back to 90 days before the time of the request"; else clickViewError.
CLICKS_DAYS_BACK = 90
# Daily figures reach back 37 months; else dateRangeError.REQUESTED_DATE_GRANULARITY_NOT_SUPPORTED.
DAILY_MONTHS_BACK = 37


def read_campaign_performance(settings: GoogleAdsSettings, window: Window, tally: Tally) -> Iterator[Page]:
    """Grain: account, day, campaign. One query per account."""
    yield from _read(settings, CAMPAIGN_PERFORMANCE, [window], tally)


def read_ad_performance(settings: GoogleAdsSettings, window: Window, tally: Tally) -> Iterator[Page]:
    """Grain: account, day, ad. One query per account. Performance Max has no ads and is not there."""
    yield from _read(settings, AD_PERFORMANCE, [window], tally)


def read_clicks(settings: GoogleAdsSettings, window: Window, tally: Tally) -> Iterator[Page]:
    """Grain: account, day, click id. The vendor takes one day a query: one query per account and day."""
    for page in _read(settings, CLICKS, [Window.of_day(day) for day in window.days()], tally):
        has_id = pc.is_valid(page.rows["gclid"])
        if without := page.rows.num_rows - pc.sum(has_id).as_py():
            day = page.rows["date"][0].as_py()
            tally.note(f"{day}: {without} clicks have no click id (app campaigns have none) and were left out")
        yield Page(page.rows.filter(has_id), page.quality)


def earliest_daily(today: date) -> date:
    """The oldest day of daily figures; a day later than the vendor's, whose "today" may be another zone's."""
    year, month = divmod(today.year * 12 + today.month - 1 - DAILY_MONTHS_BACK, 12)
    return date(year, month + 1, min(today.day, calendar.monthrange(year, month + 1)[1])) + timedelta(days=1)


def earliest_clicks(today: date) -> date:
    """The oldest day of clicks; a day later than the vendor's, whose "today" may be another zone's."""
    return today - timedelta(days=CLICKS_DAYS_BACK - 1)


# ---- accounts and days -------------------------------------------------------------------------------------


def _read(settings: GoogleAdsSettings, report: Report, windows: Sequence[Window], tally: Tally) -> Iterator[Page]:
    with GoogleAds(settings, report.name, tally) as google:
        accounts = {account.id: account for account in google.accounts()}
        off: dict[str, str] = {}

        def read_one(account_id: str) -> Iterator[Page]:
            try:
                for window in windows:
                    yield from _whole_days(google, accounts[account_id], report, window, tally)
            except AccountOff as why:
                off[account_id] = str(why)

        yield from each_account(list(accounts), read_one, tally)
        for account_id, why in off.items():
            tally.skip_account(account_id, why)
        raise_if_none_was_read(tally)
        if not tally.read_accounts:
            raise ConfigError(
                f"no account of GOOGLE_ADS_CUSTOMER_ID can be read ({'; '.join(tally.notes)}); "
                "name an account that is enabled, or a manager account that has one",
                source=NAME,
                stream=report.name,
            )


def _whole_days(google: GoogleAds, account: Account, report: Report, window: Window, tally: Tally) -> Iterator[Page]:
    """Pages of whole days, oldest first: each row once, however often the stream breaks."""
    whole_before, failures = window.start, 0  # days before `whole_before` have been handed on
    odd: dict[str, Odd] = {}  # each once, though its day be asked again
    while True:
        held: list[pa.Table] = []  # rows of the newest day so far: there may be more of it
        try:
            for rows in google.batches(account, report.query(Window(whole_before, window.end))):
                held.append(to_table(report, rows, odd))
                known = pa.concat_tables(held)
                if not known.num_rows:
                    continue
                newest = _newest_day(known, whole_before, window, account, report)
                is_whole = pc.less(known["date"], newest)
                whole, held = known.filter(is_whole), [known.filter(pc.invert(is_whole))]
                if newest > whole_before:
                    whole_before, failures = newest, 0
                if whole.num_rows:
                    yield _page(whole)
        except Interrupted as interrupted:
            failures += 1
            google.pause(failures, interrupted, account)
            continue
        if (rest := pa.concat_tables([report.schema.empty_table(), *held])).num_rows:
            yield _page(rest)
        for each in odd.values():
            each.tell(report, account, tally)
        return


def _newest_day(rows: pa.Table, whole_before: date, window: Window, account: Account, report: Report) -> date:
    span = pc.min_max(rows["date"]).as_py()
    if span["min"] < whole_before or span["max"] not in window:
        raise VendorError(
            f"account {account.id}: asked for {whole_before}..{window.last} in order of day, "
            f"got rows of {span['min']}..{span['max']} after the days before were done",
            source=NAME,
            stream=report.name,
        )
    return span["max"]


def _page(rows: pa.Table) -> Page:
    if "customer_time_zone" not in rows.column_names:
        return Page(rows)
    zone, currency = rows["customer_time_zone"][0].as_py(), rows["customer_currency_code"][0].as_py()
    return Page(rows, {"time_zone": zone, "currency_code": currency})


class _Common(TypedDict):
    source: str
    name: str
    domain: Literal["ads"]
    kind: Literal["report"]
    schema: pa.Schema
    day: str


def _of(report: Report) -> _Common:
    return _Common(source=NAME, name=report.name, domain="ads", kind="report", schema=report.schema, day="date")


STREAMS: tuple[Stream, ...] = (
    Stream(
        **_of(CAMPAIGN_PERFORMANCE),
        key=("account_id", "date", "campaign_id"),
        restate_days=RESTATE_DAYS,
        deep_restate_days=DEEP_RESTATE_DAYS,
        final_after_days=FINAL_AFTER_DAYS,
        additive=True,
        earliest=earliest_daily,
        feeds=("media", "cost", "ads", "ads.impressions", "ads.clicks", "ad_conversions"),
        read=read_campaign_performance,
        description="Day x campaign: impressions, clicks, cost in micros, the platform's own conversions.",
    ),
    Stream(
        **_of(AD_PERFORMANCE),
        key=("account_id", "date", "campaign_id", "ad_group_id", "ad_id"),
        restate_days=RESTATE_DAYS,
        deep_restate_days=DEEP_RESTATE_DAYS,
        final_after_days=FINAL_AFTER_DAYS,
        additive=True,
        earliest=earliest_daily,
        informs=("media", "cost", "ads"),
        read=read_ad_performance,
        description="Day x ad; what the campaign has beyond it has no ad (Performance Max has none).",
    ),
    Stream(
        **_of(CLICKS),
        key=("account_id", "date", "gclid"),
        restate_days=CLICKS_RESTATE_DAYS,
        deep_restate_days=CLICKS_RESTATE_DAYS,
        earliest=earliest_clicks,
        informs=("web", "leads", "orders"),  # whose campaigns they name
        read=read_clicks,
        description="Which campaign and ad a click id belongs to; the last 90 days.",
    ),
)

SOURCE = Source(
    name=NAME,
    title="Google Ads",
    gives="campaigns and ads by day, clicks (gclid)",
    settings=GoogleAdsSettings,
    streams=STREAMS,
    about=ABOUT,
    columns=COLUMNS,
    creates="an OAuth client (Google Cloud console) and a refresh token of a user of the account",
    least_right="Read only on the account; scope https://www.googleapis.com/auth/adwords",
)
