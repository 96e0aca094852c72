"""X Ads: what ads cost and did by day and placement, the conversions that they brought, where they lead.

Belongs here: the streams, and how a window is cut. Rows keep X's names, where an ad group is a line item and an ad a promoted
tweet. The wire is in `api`, signatures in `login`, what arrays become in `rows`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from typing import Any

import pyarrow as pa

from dagster_project.sources.x_ads import rows as x_rows
from dagster_project.sources.x_ads.answers import SOURCE as NAME
from dagster_project.sources.x_ads.api import MOST_IDS, Batch, Row, XAds
from dagster_project.sources.x_ads.descriptions import ABOUT, COLUMNS
from dagster_project.sources.x_ads.rows import Account
from dagster_project.sources.x_ads.settings import RULES, XAdsSettings
from dagster_project.wire.columns import to_table
from dagster_project.wire.contract import DriftError, Page, Stream, Tally, Window, schema
from dagster_project.wire.report_rows import parts, records_of, told_apart
from dagster_project.wire.rest import each_account
from dagster_project.wire.source import Source

# "All metrics are locked after 24 hours, but for spend": an estimate for three days, with credits for up to 14.
RESTATE_DAYS, DEEP_RESTATE_DAYS = 3, 14
REPORT_DAYS = 30  # of one job: "limit your fetches to 30-day date windows"
Make = Callable[[Row, list[date], Account, str], Iterable[dict[str, Any]]]  # an ad's figures to its records


def read_ad_performance(settings: XAdsSettings, window: Window, tally: Tally) -> Iterator[Page]:
    """Grain: account, day, ad, placement."""
    types = settings.rules.conversions
    yield from _read(
        AD_PERFORMANCE,
        settings,
        window,
        "ENGAGEMENT,BILLING,VIDEO,WEB_CONVERSION",
        lambda item, days, account, placement: x_rows.performance(item, days, account, placement, types),
        tally,
    )


def read_ad_conversions(settings: XAdsSettings, window: Window, tally: Tally) -> Iterator[Page]:
    """Grain: account, day, ad, placement, type of conversion."""
    yield from _read(AD_CONVERSIONS, settings, window, "WEB_CONVERSION", x_rows.conversions, tally)


# ---- accounts and windows ----------------------------------------------------------------------------------


def _read(
    stream: Stream, settings: XAdsSettings, window: Window, groups: str, make: Make, tally: Tally
) -> Iterator[Page]:
    def of_account(account_id: str) -> Iterator[Page]:
        zone = x.zone(account_id)
        account: Account | None = None
        for part in parts(window, REPORT_DAYS):
            active = x.active(account_id, part, zone)
            if active and account is None:  # an account that showed nothing needs no lists
                account = _account(x, account_id, with_links=stream is AD_PERFORMANCE)
            if account is None:
                continue
            for placement, file in x.figures(account_id, _batches(active), part, zone, groups):
                records = _records(stream, x, file, part, account, placement, make, tally)
                if records := told_apart(stream, records, tally):
                    table = to_table(stream, records, required=("currency_code",), tally=tally)
                    if table.num_rows:
                        yield Page(table, {"time_zone": zone.key})

    with XAds(settings, stream.name, tally) as x:
        yield from each_account(settings.accounts, of_account, tally)


def _account(x: XAds, account_id: str, *, with_links: bool) -> Account:
    campaigns, groups, ads, funding = (
        x.listed(account_id, name) for name in ("campaigns", "line_items", "promoted_tweets", "funding_instruments")
    )
    tweets: dict[str, Row] = {}
    cards: dict[str, Row] = {}
    if with_links:
        tweets = x.tweets(account_id, sorted({str(ad["tweet_id"]) for ad in ads.values() if ad.get("tweet_id")}))
        cards = x.cards(
            account_id, sorted({str(tweet["card_uri"]) for tweet in tweets.values() if tweet.get("card_uri")})
        )
    return Account(account_id, campaigns, groups, ads, funding, tweets, cards)


def _batches(active: dict[str, list[str]]) -> list[Batch]:
    return [
        (placement, ids[start : start + MOST_IDS])
        for placement, ids in sorted(active.items())
        for start in range(0, len(ids), MOST_IDS)
    ]


def _records(
    stream: Stream, x: XAds, file: Row, window: Window, account: Account, placement: str, make: Make, tally: Tally
) -> list[dict[str, Any]]:
    """The records of a file; an ad that has not the shape of one is told and left out."""
    days, items = window.days(), file["data"]
    if (length := file.get("time_series_length")) not in (None, len(days)):
        raise DriftError(
            f"account {account.id}: figures of {len(days)} days were asked for ({window}), {length!r:.20} came: does a day "
            "begin at the midnight of the account's timezone?",
            **x.where,
        )
    return records_of(
        stream,
        items,
        lambda item: make(item, days, account, placement),
        account.id,
        tally,
        what=f"an ad in the figures of {window}",
    )


_TEXT, _COUNT = pa.string(), pa.int64()

AD_PERFORMANCE = Stream(
    source=NAME,
    name="ad_performance",
    domain="ads",
    kind="report",
    key=("account_id", "date", "promoted_tweet_id", "placement"),
    schema=schema(
        ("date", pa.date32()),
        ("currency_code", _TEXT),
        ("campaign_id", _TEXT),
        ("campaign_name", _TEXT),
        ("objective", _TEXT),
        ("line_item_id", _TEXT),
        ("line_item_name", _TEXT),
        ("promoted_tweet_id", _TEXT),
        ("tweet_name", _TEXT),
        ("placement", _TEXT),
        ("address", _TEXT),
        ("impressions", _COUNT),
        ("clicks", _COUNT),
        ("url_clicks", _COUNT),
        ("billed_charge_local_micro", _COUNT),
        ("video_total_views", _COUNT),
        ("conversions", _COUNT),
        ("conversions_local_micro", _COUNT),
    ),
    day="date",
    restate_days=RESTATE_DAYS,
    deep_restate_days=DEEP_RESTATE_DAYS,
    additive=True,
    feeds=("media", "cost", "ads", "ads.impressions", "ads.clicks", "ad_conversions"),
    informs=("web", "leads", "orders"),  # whose campaigns the tags of links name
    read=read_ad_performance,
    description="Day x ad x placement: impressions, clicks, cost in micros, video views, the conversions that the rules choose.",
)
AD_CONVERSIONS = Stream(
    source=NAME,
    name="ad_conversions",
    domain="ads",
    kind="report",
    key=("account_id", "date", "promoted_tweet_id", "placement", "conversion_type"),
    schema=schema(
        ("date", pa.date32()),
        ("currency_code", _TEXT),
        ("campaign_id", _TEXT),
        ("line_item_id", _TEXT),
        ("promoted_tweet_id", _TEXT),
        ("placement", _TEXT),
        ("conversion_type", _TEXT),
        ("conversions", _COUNT),
        ("sale_amount_local_micro", _COUNT),
    ),
    day="date",
    restate_days=RESTATE_DAYS,
    deep_restate_days=DEEP_RESTATE_DAYS,
    read=read_ad_conversions,
    description="Day x ad x placement x type of web conversion: how many, and what they are worth.",
)
STREAMS = (AD_PERFORMANCE, AD_CONVERSIONS)

SOURCE = Source(
    name=NAME,
    title="X Ads",
    gives="ads by day and placement, their web conversions and links",
    settings=XAdsSettings,
    streams=STREAMS,
    about=ABOUT,
    columns=COLUMNS,
    creates="a developer app with access to the Ads API (a form at X), and its tokens, made anew after the approval",
    least_right="role Analyst on the ads account",
    rules=RULES,
)
