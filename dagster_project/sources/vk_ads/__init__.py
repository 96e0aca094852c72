"""VK Ads (VK, OK and the network around them): what ads cost and did by day, the goals that they brought, where they lead.

Belongs here: the streams, and how a window is cut. Rows keep VK's names, where a campaign is an ad plan and an ad a banner.
The wire is in `api`, tokens in `login`, what rows become in `rows`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, timedelta
from typing import Any

import pyarrow as pa

from dagster_project.sources.vk_ads import rows as vk_rows
from dagster_project.sources.vk_ads.answers import SOURCE as NAME
from dagster_project.sources.vk_ads.api import Row, VkAds
from dagster_project.sources.vk_ads.descriptions import ABOUT, COLUMNS
from dagster_project.sources.vk_ads.rows import Account
from dagster_project.sources.vk_ads.settings import RULES, VkAdsSettings
from dagster_project.wire.columns import to_table
from dagster_project.wire.contract import Page, Stream, Tally, Window, schema
from dagster_project.wire.report_rows import parts, records_of, told_apart, within
from dagster_project.wire.rest import each_account
from dagster_project.wire.source import Source

# When figures are final is not documented; conversions come later than their impressions.
RESTATE_DAYS, DEEP_RESTATE_DAYS = 3, 28
DAYS_BACK = 366  # "statistics of at most the last 366 days" (info/Statistics)
REPORT_DAYS = 31  # of one question
MONEY = pa.decimal128(24, 6)
Make = Callable[[Row, Account], Iterable[dict[str, Any]]]  # an ad's figures to the records that they become


def read_ad_performance(settings: VkAdsSettings, window: Window, tally: Tally) -> Iterator[Page]:
    """Grain: account, day, ad."""
    asked = {"metrics": "base,video,romi"}
    yield from _read(AD_PERFORMANCE, settings, window, "", asked, vk_rows.performance, tally)


def read_ad_conversions(settings: VkAdsSettings, window: Window, tally: Tally) -> Iterator[Page]:
    """Grain: account, day, ad, goal, type of conversion."""
    types = settings.rules.conversion_types
    asked = {"conversion_type": ",".join(types)}
    yield from _read(
        AD_CONVERSIONS,
        settings,
        window,
        "goals/",
        asked,
        lambda item, account: vk_rows.goals(item, account, types),
        tally,
    )


def earliest(today: date) -> date:
    """The oldest day; a day later than VK's, whose "today" may be another zone's."""
    return today - timedelta(days=DAYS_BACK - 2)


# ---- accounts and windows ----------------------------------------------------------------------------------


def _read(
    stream: Stream,
    settings: VkAdsSettings,
    window: Window,
    what: str,
    asked: Mapping[str, str],
    make: Make,
    tally: Tally,
) -> Iterator[Page]:
    attribution = settings.rules.attribution
    asked = {**asked, "attribution": attribution}

    def of_account(vk: VkAds, account_id: str, currency: str) -> Iterator[Page]:
        account = Account(account_id, currency, *(vk.listed(name) for name in ("ad_plans", "ad_groups", "banners")))
        for part in parts(window, REPORT_DAYS):
            for items in vk.by_day(what, list(account.ads), part, asked):
                made = records_of(
                    stream, items, lambda item: make(item, account), account_id, tally, what="an ad in the figures"
                )
                records = [{**each, "attribution": attribution} for each in made]
                if records := told_apart(stream, records, tally):
                    table = to_table(stream, records, required=_REQUIRED[stream.name], tally=tally)
                    if table.num_rows:
                        yield Page(within(stream, part, table), {"currency_code": currency})

    def of_client(client: str) -> Iterator[Page]:
        with VkAds(settings, stream.name, tally, client) as vk:
            yield from of_account(vk, client, vk.account()[1])

    if settings.clients:
        yield from each_account(settings.clients, of_client, tally)
        return
    with VkAds(settings, stream.name, tally) as vk:
        account_id, currency = vk.account()
        yield from each_account([account_id], lambda _: of_account(vk, account_id, currency), tally)


_REQUIRED = {"ad_performance": ("currency_code", "shows", "spent"), "ad_conversions": ("conversions",)}
_TEXT, _COUNT = pa.string(), pa.int64()

AD_PERFORMANCE = Stream(
    source=NAME,
    name="ad_performance",
    domain="ads",
    kind="report",
    key=("account_id", "date", "banner_id"),
    schema=schema(
        ("date", pa.date32()),
        ("currency_code", _TEXT),
        ("ad_plan_id", _TEXT),
        ("ad_plan_name", _TEXT),
        ("objective", _TEXT),
        ("ad_group_id", _TEXT),
        ("ad_group_name", _TEXT),
        ("banner_id", _TEXT),
        ("banner_name", _TEXT),
        ("address", _TEXT),
        ("shows", _COUNT),
        ("clicks", _COUNT),
        ("spent", MONEY),
        ("video_started", _COUNT),
        ("goals", MONEY),
        ("value", MONEY),
        ("attribution", _TEXT),
    ),
    day="date",
    restate_days=RESTATE_DAYS,
    deep_restate_days=DEEP_RESTATE_DAYS,
    additive=True,
    earliest=earliest,
    feeds=("media", "cost", "ads", "ads.impressions", "ads.clicks", "ad_conversions"),
    informs=("web", "leads", "orders"),  # whose campaigns the tags of links name
    read=read_ad_performance,
    description="Day x ad: impressions, clicks, cost, video starts, all goals, and where the ad leads.",
)
AD_CONVERSIONS = Stream(
    source=NAME,
    name="ad_conversions",
    domain="ads",
    kind="report",
    key=("account_id", "date", "banner_id", "conversion_type", "source", "goal", "counter_id"),
    schema=schema(
        ("date", pa.date32()),
        ("currency_code", _TEXT),
        ("ad_plan_id", _TEXT),
        ("ad_group_id", _TEXT),
        ("banner_id", _TEXT),
        ("conversion_type", _TEXT),
        ("source", _TEXT),
        ("goal", _TEXT),
        ("counter_id", _TEXT),
        ("conversions", MONEY),
        ("value", MONEY),
        ("attribution", _TEXT),
    ),
    day="date",
    restate_days=RESTATE_DAYS,
    deep_restate_days=DEEP_RESTATE_DAYS,
    earliest=earliest,
    read=read_ad_conversions,
    description="Day x ad x goal of a counter or app: how often it was reached, after a click or a view.",
)
STREAMS = (AD_PERFORMANCE, AD_CONVERSIONS)

SOURCE = Source(
    name=NAME,
    title="VK Ads",
    gives="ads by day on VK, OK and their network, the goals that they brought, their links",
    settings=VkAdsSettings,
    streams=STREAMS,
    about=ABOUT,
    columns=COLUMNS,
    creates="API access in VK Ads (Settings > API access), for Funnelhouse alone",
    least_right="read_ads",
    rules=RULES,
)
