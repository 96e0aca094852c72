"""TikTok Ads: what ads cost and did by day, conversions by type, where they lead.

Belongs here: the streams. Rows keep TikTok's names; money in the advertiser's currency, days in the advertiser's zone. The wire is
in `api`, how rows become columns in `rows`. Smart+ ads are among them; GMV Max of a TikTok shop has reports of its own, and is
not read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from dagster_project.sources.tiktok_ads import rows as made
from dagster_project.sources.tiktok_ads.answers import SOURCE as NAME
from dagster_project.sources.tiktok_ads.api import Tiktok
from dagster_project.sources.tiktok_ads.descriptions import ABOUT, COLUMNS
from dagster_project.sources.tiktok_ads.settings import RULES, TiktokAdsSettings
from dagster_project.wire.columns import to_table
from dagster_project.wire.contract import Page, Stream, Tally, Window, schema
from dagster_project.wire.http import Json
from dagster_project.wire.json_cells import MOMENT
from dagster_project.wire.report_rows import Make, first_of_each, parts, records_of, within
from dagster_project.wire.rest import each_account
from dagster_project.wire.source import Source

# Conversions are credited to the day of the click or view, within a window of at most 28 days.
RESTATE_DAYS, DEEP_RESTATE_DAYS = 7, 28
REPORT_DAYS = 30  # of a report by day; more are refused
MONEY = pa.decimal128(24, 6)


def read_ad_performance(settings: TiktokAdsSettings, window: Window, tally: Tally) -> Iterator[Page]:
    """Grain: advertiser, day, ad."""
    metrics = made.performance_metrics(settings.rules)
    yield from _read(
        AD_PERFORMANCE, settings, window, metrics, lambda row: [made.performance(row, settings.rules)], tally
    )


def read_ad_conversions(settings: TiktokAdsSettings, window: Window, tally: Tally) -> Iterator[Page]:
    """Grain: advertiser, day, ad, type of conversion."""
    metrics = made.conversion_metrics(settings.rules)
    yield from _read(
        AD_CONVERSIONS, settings, window, metrics, lambda row: made.conversions_of(row, settings.rules), tally
    )


def sweep_ads(settings: TiktokAdsSettings, tally: Tally) -> Iterator[Page]:
    """Grain: advertiser, ad. All there are, deleted ones too."""

    def of_account(advertiser: str) -> Iterator[Page]:
        seen: set[tuple[Json, ...]] = set()
        for rows in tiktok.ads(advertiser):
            records = records_of(ADS, rows, lambda row: [made.ad(row)], advertiser, tally)
            if records := first_of_each(records, ADS.key, seen):
                yield Page(to_table(ADS, records, tally=tally))

    with Tiktok(settings, ADS.name, tally) as tiktok:
        yield from each_account(settings.accounts, of_account, tally)


def _read(
    stream: Stream, settings: TiktokAdsSettings, window: Window, metrics: Sequence[str], make: Make, tally: Tally
) -> Iterator[Page]:
    def of_account(advertiser: str) -> Iterator[Page]:
        for part in parts(window, REPORT_DAYS):
            seen: set[tuple[Json, ...]] = set()
            for rows in tiktok.report(advertiser, part, metrics):
                records = records_of(stream, rows, make, advertiser, tally)
                if records := first_of_each(records, stream.key, seen):
                    table = within(
                        stream, part, to_table(stream, records, required=_REQUIRED[stream.name], tally=tally)
                    )
                    if table.num_rows:
                        yield Page(table, {"currency_code": table["currency"][0].as_py()})

    with Tiktok(settings, stream.name, tally) as tiktok:
        yield from each_account(settings.accounts, of_account, tally)


_REQUIRED = {
    "ad_performance": ("currency", made.COST, "impressions", "clicks"),
    "ad_conversions": ("currency", "conversions"),
}

AD_PERFORMANCE = Stream(
    source=NAME,
    name="ad_performance",
    domain="ads",
    kind="report",
    key=("account_id", "stat_time_day", "ad_id"),
    schema=schema(
        ("stat_time_day", pa.date32()),
        ("ad_id", pa.string()),
        *((name, pa.string()) for name in made.NAMES),
        *((name, pa.int64()) for name in made.COUNTS),
        (made.COST, MONEY),
        ("conversions", MONEY),
        ("conversions_value", MONEY),
    ),
    day="stat_time_day",
    restate_days=RESTATE_DAYS,
    deep_restate_days=DEEP_RESTATE_DAYS,
    additive=True,
    feeds=("media", "cost", "ads", "ads.impressions", "ads.clicks", "ad_conversions"),
    read=read_ad_performance,
    description="Day x ad: impressions, clicks, cost, views, and the conversions that the rules choose.",
)
AD_CONVERSIONS = Stream(
    source=NAME,
    name="ad_conversions",
    domain="ads",
    kind="report",
    key=("account_id", "stat_time_day", "ad_id", "conversion_type"),
    schema=schema(
        ("stat_time_day", pa.date32()),
        ("ad_id", pa.string()),
        ("campaign_id", pa.string()),
        ("adgroup_id", pa.string()),
        ("currency", pa.string()),
        ("conversion_type", pa.string()),
        ("conversions", MONEY),
        ("value", MONEY),
    ),
    day="stat_time_day",
    restate_days=RESTATE_DAYS,
    deep_restate_days=DEEP_RESTATE_DAYS,
    is_on=lambda settings: bool(settings.rules.types),
    read=read_ad_conversions,
    description="Day x ad x type of conversion: those types that `sources.tiktok_ads.types` names.",
)
ADS = Stream(
    source=NAME,
    name="ads",
    domain="ads",
    kind="record",
    key=("account_id", "ad_id"),
    schema=schema(
        *(
            (name, pa.string())
            for name in (
                "ad_id", "ad_name", "adgroup_id", "adgroup_name", "campaign_id", "campaign_name", "secondary_status",
                "landing_page_url", "address",
            )
        ),
        ("modify_time", MOMENT),
    ),
    day="modify_time",
    restate_days=1,
    deep_restate_days=1,
    informs=("web", "leads", "orders"),  # whose campaigns the tags of links name
    sweep=sweep_ads,
    description="Ads with where they lead and the tags that TikTok appends.",
)  # fmt: skip
STREAMS = (AD_PERFORMANCE, AD_CONVERSIONS, ADS)

SOURCE = Source(
    name=NAME,
    title="TikTok Ads",
    gives="ads by day, their conversions by type, their links",
    settings=TiktokAdsSettings,
    streams=STREAMS,
    about=ABOUT,
    columns=COLUMNS,
    creates="an app at business-api.tiktok.com, and the advertiser's authorisation of it, which gives a token",
    least_right="Reporting, and the right to read ads",
    rules=RULES,
)
