"""X's figures as rows: arrays by day become days, with what the ad belongs to and where it leads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from dagster_project.wire.http import Json

Row = Mapping[str, Json]

FIGURES = ("impressions", "clicks", "url_clicks", "billed_charge_local_micro", "video_total_views")
CONVERSION = "conversion_"
AMOUNTS = ("sale_amount_local_micro", "sale_amount")  # in millionths, as all money


@dataclass(frozen=True)
class Account:
    """An account, and what its ads belong to: by id."""

    id: str
    campaigns: Mapping[str, Row]
    groups: Mapping[str, Row]
    ads: Mapping[str, Row]
    funding: Mapping[str, Row]
    tweets: Mapping[str, Row]
    cards: Mapping[str, Row]

    def ad(self, ad_id: str) -> dict[str, Any]:
        """The columns of an ad that do not depend on the day."""
        promoted = self.ads.get(ad_id, {})
        group = self.groups.get(promoted.get("line_item_id") or "", {})
        campaign = self.campaigns.get(group.get("campaign_id") or "", {})
        instrument = self.funding.get(campaign.get("funding_instrument_id") or "", {})
        tweet = self.tweets.get(str(promoted.get("tweet_id")), {})
        return {
            "account_id": self.id,
            "currency_code": campaign.get("currency") or instrument.get("currency"),
            "campaign_id": group.get("campaign_id"),
            "campaign_name": campaign.get("name"),
            "objective": group.get("objective"),
            "line_item_id": promoted.get("line_item_id"),
            "line_item_name": group.get("name"),
            "promoted_tweet_id": ad_id,
            "tweet_name": tweet.get("name"),
            "address": link(tweet, self.cards),
        }


def performance(
    item: Row, days: Sequence[date], account: Account, placement: str, types: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Records of ad_performance: days on which anything happened. Raises where the item has not the shape of one."""
    metrics = _metrics(item)
    figures = {name: _by_day(metrics.get(name), days) for name in FIGURES}
    reached = [_counts(metrics.get(CONVERSION + name), days) for name in types]
    worth = [_amounts(metrics.get(CONVERSION + name), days) for name in types]
    rest = {name: value for name, value in item.items() if name not in ("id", "id_data")}
    ad = account.ad(str(item["id"]))
    for place, day in enumerate(days):
        record = {name: values[place] for name, values in figures.items()}
        record["conversions"] = _sum(values[place] for values in reached)
        record["conversions_local_micro"] = _sum(values[place] for values in worth)
        if any(record.values()):
            yield {**rest, **record, **ad, "date": day, "placement": placement}


def conversions(item: Row, days: Sequence[date], account: Account, placement: str) -> Iterator[dict[str, Any]]:
    """Records of ad_conversions: each type that happened. Raises where the item has not the shape of one."""
    metrics = _metrics(item)
    ad = account.ad(str(item["id"]))
    of = {
        name: ad[name] for name in ("account_id", "currency_code", "campaign_id", "line_item_id", "promoted_tweet_id")
    }
    for name, values in metrics.items():
        if not name.startswith(CONVERSION) or values is None:
            continue
        counts, amounts = _counts(values, days), _amounts(values, days)
        for day, count, amount in zip(days, counts, amounts, strict=True):
            if count or amount:
                kind = name.removeprefix(CONVERSION)
                yield {
                    **of, "date": day, "placement": placement, "conversion_type": kind, "conversions": count,
                    "sale_amount_local_micro": amount,
                }  # fmt: skip


def link(tweet: Row, cards: Mapping[str, Row]) -> str | None:
    """Where a post leads: its card's website, else the first address in its text."""
    card = cards.get(str(tweet.get("card_uri"))) or {}
    for component in card.get("components") or []:
        for part in (component, *(component.get("slides") or ())):
            destination = part.get("destination") if isinstance(part, dict) else None
            if isinstance(destination, dict) and isinstance(destination.get("url"), str) and destination["url"]:
                return destination["url"]
    for name in ("website_url", "website_dest_url"):  # older cards
        if isinstance(card.get(name), str) and card[name]:
            return card[name]
    for url in (tweet.get("entities") or {}).get("urls") or []:
        if isinstance(url.get("expanded_url"), str) and url["expanded_url"]:
            return url["expanded_url"]
    return None


# ---- arrays by day -----------------------------------------------------------------------------------------


def _metrics(item: Row) -> Row:
    """The figures of an ad that are not split. Raises KeyError, TypeError, ValueError."""
    [whole] = [part for part in item["id_data"] if not part.get("segment")]
    metrics = whole["metrics"]
    if not isinstance(metrics, dict):
        raise TypeError("metrics are an object")
    return metrics


def _by_day(values: Json, days: Sequence[date]) -> list[Json]:
    """A figure a day: null in place of the array says that there was none of it."""
    if values is None:
        return [0] * len(days)
    if not isinstance(values, list) or len(values) != len(days):
        raise ValueError(f"a figure for each of {len(days)} days was asked for")
    return [0 if value is None else value for value in values]


def _counts(values: Json, days: Sequence[date]) -> list[Json]:
    if values is None:
        return [0] * len(days)
    if not isinstance(values, dict):
        raise TypeError("a type of conversion is an object of arrays")
    if values.get("metric") is not None or not {"post_engagement", "post_view"} & values.keys():
        return _by_day(values.get("metric"), days)
    parts = [_by_day(values.get(name), days) for name in ("post_engagement", "post_view")]
    return [first + second for first, second in zip(*parts, strict=True)]


def _amounts(values: Json, days: Sequence[date]) -> list[Json]:
    found = values or {}
    return _by_day(next((found[name] for name in AMOUNTS if found.get(name) is not None), None), days)


def _sum(values: Iterator[Json]) -> Json:
    return sum(values)
