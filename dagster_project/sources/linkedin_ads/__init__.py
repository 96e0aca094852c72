"""LinkedIn Ads: what ads cost and did by day, the conversions of each rule, where they lead.

Belongs here: the streams, and how a window is cut. Rows keep LinkedIn's names; money in the account's currency, days in UTC. The
wire is in `api`, how rows become columns in `rows`. LinkedIn has three levels: campaign group, campaign, creative. Since
October 2025 Campaign Manager calls them campaign, ad set, ad, while the API keeps the old words; here they are the house's
campaign, ad group, ad.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import pyarrow as pa

from dagster_project.sources.linkedin_ads import rows as made
from dagster_project.sources.linkedin_ads.answers import SOURCE as NAME
from dagster_project.sources.linkedin_ads.api import Linkedin, Row
from dagster_project.sources.linkedin_ads.descriptions import ABOUT, COLUMNS
from dagster_project.sources.linkedin_ads.settings import RULES, LinkedinAdsSettings
from dagster_project.wire.columns import to_table
from dagster_project.wire.contract import AuthError, Page, Stream, Tally, VendorError, Window, schema
from dagster_project.wire.http import Json
from dagster_project.wire.json_cells import MOMENT
from dagster_project.wire.report_rows import Make, first_of_each, halves, parts, records_of, told_apart, within
from dagster_project.wire.rest import each_account
from dagster_project.wire.source import Source

# Conversions are credited to the day of the click or view for as long as their rule's window: 30 days unless changed. Clients
# that are in use look back 7 days (Stitch) or 30 (Databricks, Estuary).
RESTATE_DAYS, DEEP_RESTATE_DAYS = 7, 30
YEARS_BACK = 10  # of performance data; of what members are by trade 2
QUESTION_DAYS = 31
MOST_ROWS = 15_000  # of an answer, which is cut there without a word
MONEY = pa.decimal128(24, 6)


def read_ad_performance(settings: LinkedinAdsSettings, window: Window, tally: Tally) -> Iterator[Page]:
    """Grain: account, day, creative."""

    def make(currency: Json) -> Make:
        return lambda row: [made.performance(row, settings.rules.conversions, currency)]

    fields = ("dateRange", "pivotValues", *made.COUNTS, made.COST, made.WORTH)
    yield from _read(AD_PERFORMANCE, settings, window, ("CREATIVE", "CAMPAIGN"), fields, make, tally)


def read_ad_conversions(settings: LinkedinAdsSettings, window: Window, tally: Tally) -> Iterator[Page]:
    """Grain: account, day, creative, rule of conversion."""

    def make(currency: Json) -> Make:
        return lambda row: [made.conversions_of(row, currency)]

    counts = [name for name in made.COUNTS if name.startswith("externalWebsite")]
    fields = ("dateRange", "pivotValues", *counts, made.WORTH)
    yield from _read(AD_CONVERSIONS, settings, window, ("CREATIVE", "CONVERSION"), fields, make, tally)


def sweep_ads(settings: LinkedinAdsSettings, tally: Tally) -> Iterator[Page]:
    """Grain: account, creative. All there are, of campaigns that are archived, too."""

    def of_account(account_id: str) -> Iterator[Page]:
        linkedin.account(account_id)
        groups = _by_id(linkedin, account_id, "adCampaignGroups")
        campaigns = _by_id(linkedin, account_id, "adCampaigns")
        tags: dict[str, Row] = {}
        seen: set[tuple[Json, ...]] = set()
        for page in linkedin.entities(account_id, "creatives"):
            posts = _posts(linkedin, page, tally) if settings.rules.links_of_posts else {}

            def make(row: Row, posts: dict[str, Row] = posts) -> list[dict[str, Any]]:
                record = _ad(row, campaigns, groups, posts)
                number = record["campaign_id"]
                if record["link"] and settings.rules.tracking_parameters and number in campaigns:
                    if number not in tags:
                        tags[number] = _tracking(linkedin, number, tally)
                    record["address"] = made.with_tags(
                        record["link"], made.tags_of(tags[number], _macros(record, account_id))
                    )
                return [record]

            records = first_of_each(records_of(ADS, page, make, account_id, tally), ADS.key, seen)
            if records:
                yield Page(to_table(ADS, records, tally=tally))

    with Linkedin(settings, ADS.name, tally) as linkedin:
        yield from each_account(settings.accounts, of_account, tally)


def earliest(today: date) -> date:
    return today.replace(year=today.year - YEARS_BACK, day=min(today.day, 28))


# ---- accounts and windows ----------------------------------------------------------------------------------


def _read(
    stream: Stream,
    settings: LinkedinAdsSettings,
    window: Window,
    pivots: Sequence[str],
    fields: Sequence[str],
    make: Any,
    tally: Tally,
) -> Iterator[Page]:
    def of_account(account_id: str) -> Iterator[Page]:
        currency = linkedin.account(account_id).get("currency")
        for part in parts(window, QUESTION_DAYS):
            for asked, rows in _cut(linkedin, account_id, part, pivots, fields):
                records = records_of(stream, rows, make(currency), account_id, tally)
                if records := told_apart(stream, records, tally):
                    table = to_table(stream, records, required=_REQUIRED[stream.name], tally=tally)
                    yield Page(within(stream, asked, table), {"time_zone": "UTC", "currency_code": currency})

    with Linkedin(settings, stream.name, tally) as linkedin:
        yield from each_account(settings.accounts, of_account, tally)


def _cut(
    linkedin: Linkedin, account_id: str, window: Window, pivots: Sequence[str], fields: Sequence[str]
) -> Iterator[tuple[Window, list[Row]]]:
    """Rows of a window that is halved until none of its answers is cut."""
    rows = linkedin.analytics(account_id, window, pivots, fields)
    if len(rows) < MOST_ROWS:
        yield window, rows
    elif len(window.days()) == 1:
        raise VendorError(
            f"account {account_id}: {window.start} has {MOST_ROWS} rows or more, and LinkedIn leaves away what is more: "
            "its ads must be split over several ad accounts",
            **linkedin.answers.where,
        )
    else:
        for half in halves(window):
            yield from _cut(linkedin, account_id, half, pivots, fields)


# ---- ads -----------------------------------------------------------------------------------------------------


def _by_id(linkedin: Linkedin, account_id: str, kind: str) -> dict[str, Row]:
    return {
        str(row["id"]): row
        for page in linkedin.entities(account_id, kind)
        for row in page
        if isinstance(row, dict) and "id" in row
    }


def _posts(linkedin: Linkedin, creatives: list[Row], tally: Tally) -> dict[str, Row]:
    shown = [post for each in creatives if isinstance(each, dict) and (post := _shown_post(each))]
    try:
        return linkedin.posts(list(dict.fromkeys(shown)))
    except AuthError:
        tally.note("where sponsored posts lead is not known: the token needs r_organization_social, too")
        return {}


def _tracking(linkedin: Linkedin, campaign_id: str, tally: Tally) -> Row:
    try:
        return linkedin.tracking(campaign_id)
    except AuthError:
        tally.note("the tags that LinkedIn appends to links are not known: the token may not read tracking parameters")
        return {}


def _shown_post(creative: Row) -> str | None:
    try:
        return made.shown_post(creative)
    except AttributeError:  # told where the record is made
        return None


def _ad(row: Row, campaigns: dict[str, Row], groups: dict[str, Row], posts: dict[str, Row]) -> dict[str, Any]:
    campaign_id = str(row["campaign"]).rpartition(":")[2]
    campaign = campaigns.get(campaign_id, {})
    group_id = str(campaign.get("campaignGroup") or "").rpartition(":")[2] or None
    post = made.shown_post(row)
    link = made.link_of(row, posts.get(post) if post else None)
    return {
        "id": str(row["id"]).rpartition(":")[2],
        "name": row.get("name"),
        "campaign_id": campaign_id,
        "campaign_name": campaign.get("name"),
        "campaign_type": campaign.get("type"),
        "campaign_group_id": group_id,
        "campaign_group_name": groups.get(group_id or "", {}).get("name"),
        "intended_status": row.get("intendedStatus"),
        "last_modified_at": made.moment(row.get("lastModifiedAt")),
        "post": post,
        "link": link,
        "address": link,
    }


def _macros(ad: dict[str, Any], account_id: str) -> dict[str, Json]:
    return {
        "ACCOUNT_ID": account_id,
        "CAMPAIGN_GROUP_ID": ad["campaign_group_id"],
        "CAMPAIGN_GROUP_NAME": ad["campaign_group_name"],
        "CAMPAIGN_ID": ad["campaign_id"],
        "CAMPAIGN_NAME": ad["campaign_name"],
        "CREATIVE_ID": ad["id"],
        "CREATIVE_NAME": ad["name"],
    }


_REQUIRED = {"ad_performance": ("currency", made.COST), "ad_conversions": ("currency",)}

AD_PERFORMANCE = Stream(
    source=NAME,
    name="ad_performance",
    domain="ads",
    kind="report",
    key=("account_id", "date", "creative_id"),
    schema=schema(
        ("date", pa.date32()),
        ("creative_id", pa.string()),
        ("campaign_id", pa.string()),
        ("currency", pa.string()),
        *((name, pa.int64()) for name in made.COUNTS),
        (made.COST, MONEY),
        (made.WORTH, MONEY),
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
    description="Day x creative: impressions, clicks, cost, views, leads of forms, conversions on the website.",
)
AD_CONVERSIONS = Stream(
    source=NAME,
    name="ad_conversions",
    domain="ads",
    kind="report",
    key=("account_id", "date", "creative_id", "conversion_id"),
    schema=schema(
        ("date", pa.date32()),
        ("creative_id", pa.string()),
        ("conversion_id", pa.string()),
        ("currency", pa.string()),
        *((name, pa.int64()) for name in made.COUNTS if name.startswith("externalWebsite")),
        (made.WORTH, MONEY),
    ),
    day="date",
    restate_days=RESTATE_DAYS,
    deep_restate_days=DEEP_RESTATE_DAYS,
    earliest=earliest,
    read=read_ad_conversions,
    description="Day x creative x rule of conversion: conversions on the website and what they are worth.",
)
ADS = Stream(
    source=NAME,
    name="ads",
    domain="ads",
    kind="record",
    key=("account_id", "id"),
    schema=schema(
        *(
            (name, pa.string())
            for name in (
                "id", "name", "campaign_id", "campaign_name", "campaign_type", "campaign_group_id", "campaign_group_name",
                "intended_status", "post", "link", "address",
            )
        ),
        ("last_modified_at", MOMENT),
    ),
    day="last_modified_at",
    restate_days=1,
    deep_restate_days=1,
    informs=("web", "leads", "orders"),  # whose campaigns the tags of links name
    sweep=sweep_ads,
    description="Creatives with their campaign and group, where they lead, and the tags that LinkedIn appends.",
)  # fmt: skip
STREAMS = (AD_PERFORMANCE, AD_CONVERSIONS, ADS)

SOURCE = Source(
    name=NAME,
    title="LinkedIn Ads",
    gives="ads by day, the conversions of each rule, their links",
    settings=LinkedinAdsSettings,
    streams=STREAMS,
    about=ABOUT,
    columns=COLUMNS,
    creates="an app with the product Advertising API, and the sign-in of a person who sees the ad accounts",
    least_right="the role Viewer on the ad account; r_ads and r_ads_reporting (r_organization_social where sponsored posts' links are wanted)",
    rules=RULES,
)
