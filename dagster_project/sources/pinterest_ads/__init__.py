"""Pinterest Ads: what ads cost and did by day, conversions by type, where they lead.

Belongs here: the streams. Money in the account's currency, whatever a column's name says. The wire is in `api`, how rows become
columns in `rows`. A report is prepared and then fetched whole, a month at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import pyarrow as pa

from dagster_project.sources.pinterest_ads import rows as made
from dagster_project.sources.pinterest_ads.answers import SOURCE as NAME
from dagster_project.sources.pinterest_ads.api import Pinterest
from dagster_project.sources.pinterest_ads.descriptions import ABOUT, COLUMNS
from dagster_project.sources.pinterest_ads.settings import RULES, PinterestAdsSettings
from dagster_project.wire.columns import to_table
from dagster_project.wire.contract import Page, Stream, Tally, Window, schema
from dagster_project.wire.http import Json
from dagster_project.wire.report_rows import first_of_each, parts, records_of, told_apart, within
from dagster_project.wire.rest import each_account
from dagster_project.wire.source import Source

# TIME_OF_AD_ACTION credits the day of the click; windows are 30 days unless the rules say otherwise, 60 at most.
RESTATE_DAYS, DEEP_RESTATE_DAYS = 7, 30
DAYS_BACK = 914  # of reports that are prepared; each of 186 days at most
REPORT_DAYS = 31  # a file is read whole
FILED_ON = date(2015, 1, 1)  # a list without days: all rows are filed on one
MONEY = pa.decimal128(24, 6)


def read_ad_performance(settings: PinterestAdsSettings, window: Window, tally: Tally) -> Iterator[Page]:
    """Grain: account, day, ad."""

    def of_account(account_id: str) -> Iterator[Page]:
        account = pinterest.account(account_id)
        currency = account.get("currency")
        zone = account.get("time_zone") if settings.rules.time_zone != "UTC" else "UTC"
        for part in parts(window, REPORT_DAYS):
            rows = pinterest.report(account_id, part, made.COLUMNS_ASKED)
            records = records_of(
                AD_PERFORMANCE,
                rows,
                lambda row: [made.performance(row, settings.rules.conversions, currency)],
                account_id,
                tally,
            )
            if records := told_apart(AD_PERFORMANCE, records, tally):
                table = to_table(AD_PERFORMANCE, records, required=("currency", "spend"), tally=tally)
                yield Page(within(AD_PERFORMANCE, part, table), {"time_zone": zone, "currency_code": currency})

    with Pinterest(settings, AD_PERFORMANCE.name, tally) as pinterest:
        yield from each_account(settings.accounts, of_account, tally)


def sweep_ads(settings: PinterestAdsSettings, tally: Tally) -> Iterator[Page]:
    """Grain: account, ad. All there are, archived ones too."""

    def of_account(account_id: str) -> Iterator[Page]:
        seen: set[tuple[Json, ...]] = set()
        for rows in pinterest.ads(account_id):
            records = records_of(ADS, rows, lambda row: [{**made.ad(row), "_filed_on": FILED_ON}], account_id, tally)
            if records := first_of_each(records, ADS.key, seen):
                yield Page(to_table(ADS, records, tally=tally))

    with Pinterest(settings, ADS.name, tally) as pinterest:
        yield from each_account(settings.accounts, of_account, tally)


def earliest(today: date) -> date:
    return today - timedelta(days=DAYS_BACK - 1)


AD_PERFORMANCE = Stream(
    source=NAME,
    name="ad_performance",
    domain="ads",
    kind="report",
    key=("account_id", "date", "ad_id"),
    schema=schema(
        ("date", pa.date32()),
        ("currency", pa.string()),
        *((name.lower(), pa.string()) for name in made.TEXTS),
        *((name.lower(), pa.int64()) for name in made.COUNTS),
        ("spend", MONEY),
        *((made.amount_of(name), MONEY) for name in made.WORTH.values()),
        ("conversions", pa.int64()),
        ("conversions_value", MONEY),
    ),
    day="date",
    restate_days=RESTATE_DAYS,
    deep_restate_days=DEEP_RESTATE_DAYS,
    additive=True,
    earliest=earliest,
    feeds=("media", "cost", "ads", "ads.impressions", "ads.clicks", "ad_conversions"),
    read=read_ad_performance,
    description="Day x ad: impressions, clicks, cost, views, conversions of each type and those that the rules choose.",
)
ADS = Stream(
    source=NAME,
    name="ads",
    domain="ads",
    kind="report",
    key=("account_id", "id"),
    schema=schema(
        *(
            (name, pa.string())
            for name in ("id", "name", "status", "campaign_id", "ad_group_id", "pin_id", "destination_url")
        ),
        ("is_pin_deleted", pa.bool_()),
        ("_filed_on", pa.date32()),
    ),
    day="_filed_on",
    restate_days=0,
    deep_restate_days=0,
    informs=("web", "leads", "orders"),  # whose campaigns the tags of links name
    sweep=sweep_ads,
    description="Ads with where they lead.",
)
STREAMS = (AD_PERFORMANCE, ADS)

SOURCE = Source(
    name=NAME,
    title="Pinterest Ads",
    gives="ads by day, their conversions by type, their links",
    settings=PinterestAdsSettings,
    streams=STREAMS,
    about=ABOUT,
    columns=COLUMNS,
    creates="an app at developers.pinterest.com (on trial, or with standard access), and the sign-in of a person who sees the ad accounts",
    least_right="ads:read; the role Analyst on the ad account",
    rules=RULES,
)
