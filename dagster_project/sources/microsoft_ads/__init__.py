"""Microsoft Advertising (Bing, its partners and audience network): cost and results by day of campaigns and ads, and by goal.

Belongs here: the streams, and how a window is cut. Performance Max has no ads in the ads' report: the campaigns' report is
the total that ads must add up to. The wire is in `api`, reports become columns in `reports`, addresses in `links`.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from datetime import date, timedelta

import pyarrow as pa

from dagster_project.sources.microsoft_ads import reports
from dagster_project.sources.microsoft_ads.answers import SOURCE as NAME
from dagster_project.sources.microsoft_ads.api import MicrosoftAds
from dagster_project.sources.microsoft_ads.descriptions import ABOUT, COLUMNS
from dagster_project.sources.microsoft_ads.reports import Report
from dagster_project.sources.microsoft_ads.settings import MicrosoftAdsSettings
from dagster_project.wire.contract import Page, Stream, Tally, Window, schema
from dagster_project.wire.merging import merged
from dagster_project.wire.report_rows import parts
from dagster_project.wire.rest import each_account
from dagster_project.wire.source import Source

# Books close some three hours after a day; "unexpected adjustments … might take a week or more" (guides/reports), and
# conversions are credited to the day of their click within the goal's window, 30 days as a rule.
RESTATE_DAYS, DEEP_RESTATE_DAYS = 7, 30
MONTHS_BACK = 36  # of daily figures (guides/report-data-retention-time-periods)
REPORT_DAYS = 31  # of one report: its text is held whole
TIME_ZONE = "UTC"  # "The downloaded report data is always relative to UTC time" (guides/reports)


def read_campaign_performance(settings: MicrosoftAdsSettings, window: Window, tally: Tally) -> Iterator[Page]:
    """Grain: account, day, campaign."""
    yield from _read(CAMPAIGN_PERFORMANCE, reports.CAMPAIGNS, settings, window, tally)


def read_ad_performance(settings: MicrosoftAdsSettings, window: Window, tally: Tally) -> Iterator[Page]:
    """Grain: account, day, ad."""
    yield from _read(AD_PERFORMANCE, reports.ADS, settings, window, tally)


def read_ad_conversions(settings: MicrosoftAdsSettings, window: Window, tally: Tally) -> Iterator[Page]:
    """Grain: account, day, ad, goal."""
    yield from _read(AD_CONVERSIONS, reports.GOALS, settings, window, tally)


def earliest(today: date) -> date:
    """The oldest day; a day later than Microsoft's, whose "today" may be another zone's."""
    year, month = divmod(today.year * 12 + today.month - 1 - MONTHS_BACK, 12)
    return date(year, month + 1, min(today.day, calendar.monthrange(year, month + 1)[1])) + timedelta(days=1)


# ---- accounts and windows ----------------------------------------------------------------------------------


def _read(
    stream: Stream, report: Report, settings: MicrosoftAdsSettings, window: Window, tally: Tally
) -> Iterator[Page]:
    def of_account(account_id: str) -> Iterator[Page]:
        for part in parts(window, REPORT_DAYS):
            text = microsoft.report(account_id, report.kind, list(report.columns), part)
            if text is None:
                continue
            rows = reports.read(text, report, stream, account_id, part, tally)
            if rows.num_rows:
                yield Page(_one_row_a_key(rows, stream), {"time_zone": TIME_ZONE})

    with MicrosoftAds(settings, stream.name, tally) as microsoft:
        yield from each_account(settings.accounts, of_account, tally)


def _one_row_a_key(rows: pa.Table, stream: Stream) -> pa.Table:
    """A report has a row for each combination of all texts in it: an ad whose title or link was changed has two."""
    whole = rows.group_by(rows.column_names, use_threads=False).aggregate([])  # the same row twice is one
    figures = ("impressions", "clicks", "spend", "video_views", "conversions", "revenue")
    return merged(whole, stream.key, sums=[name for name in figures if name in rows.column_names], averages={})


CAMPAIGN_PERFORMANCE = Stream(
    source=NAME,
    name="campaign_performance",
    domain="ads",
    kind="report",
    key=("account_id", "date", "campaign_id"),
    schema=schema(*reports.CAMPAIGNS.fields),
    day="date",
    restate_days=RESTATE_DAYS,
    deep_restate_days=DEEP_RESTATE_DAYS,
    additive=True,
    earliest=earliest,
    feeds=("media", "cost", "ads", "ads.impressions", "ads.clicks", "ad_conversions"),
    read=read_campaign_performance,
    description="Day x campaign: impressions, clicks, cost, video views, the platform's own conversions.",
)
AD_PERFORMANCE = Stream(
    source=NAME,
    name="ad_performance",
    domain="ads",
    kind="report",
    key=("account_id", "date", "campaign_id", "ad_group_id", "ad_id"),
    schema=schema(*reports.ADS.fields, ("address", pa.string())),
    day="date",
    restate_days=RESTATE_DAYS,
    deep_restate_days=DEEP_RESTATE_DAYS,
    additive=True,
    earliest=earliest,
    informs=("media", "cost", "ads", "ads.impressions", "ads.clicks", "ad_conversions", "web", "leads", "orders"),
    read=read_ad_performance,
    description="Day x ad, with where it leads; what the campaign has beyond it has no ad (Performance Max has none).",
)
AD_CONVERSIONS = Stream(
    source=NAME,
    name="ad_conversions",
    domain="ads",
    kind="report",
    key=("account_id", "date", "campaign_id", "ad_group_id", "ad_id", "goal", "goal_type"),
    schema=schema(*reports.GOALS.fields),
    day="date",
    restate_days=RESTATE_DAYS,
    deep_restate_days=DEEP_RESTATE_DAYS,
    earliest=earliest,
    read=read_ad_conversions,
    description="Day x ad x goal: conversions of every goal and what they are worth.",
)
STREAMS = (CAMPAIGN_PERFORMANCE, AD_PERFORMANCE, AD_CONVERSIONS)

SOURCE = Source(
    name=NAME,
    title="Microsoft Advertising",
    gives="ads by day on Bing and its partners, the goals that they brought, their links",
    settings=MicrosoftAdsSettings,
    streams=STREAMS,
    about=ABOUT,
    columns=COLUMNS,
    creates="an app registration in Microsoft Entra, a developer token (Developer Portal), and a refresh token of a user who "
    "has signed in to the app",
    least_right="msads.manage for the app, role Viewer on the accounts for the user",
)
