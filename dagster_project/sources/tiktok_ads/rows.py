"""TikTok's rows as columns: figures by ad and day, types of conversions as rows of their own, and where an ad leads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import quote

from dagster_project.sources.tiktok_ads.settings import WORTH, TiktokRules
from dagster_project.wire.http import Json

Row = Mapping[str, Json]

NAMES = ("campaign_id", "campaign_name", "objective_type", "adgroup_id", "adgroup_name", "ad_name", "currency")
COUNTS = ("impressions", "clicks", "conversion", "video_play_actions", "video_watched_2s", "video_views_p100")
COST = "spend"


def performance_metrics(rules: TiktokRules) -> list[str]:
    chosen = (*rules.conversions, *(WORTH[name] for name in rules.valued))
    return list(dict.fromkeys((*NAMES, COST, *COUNTS, *chosen)))


def conversion_metrics(rules: TiktokRules) -> list[str]:
    types = (*rules.types, *(WORTH[name] for name in rules.types if name in WORTH))
    return list(dict.fromkeys(("campaign_id", "adgroup_id", "currency", *types)))


def performance(row: Row, rules: TiktokRules) -> dict[str, Any]:
    """A record of ad_performance. Raises AttributeError, KeyError, TypeError where the row has not the shape of one."""
    metrics = row["metrics"]
    known = (*NAMES, *COUNTS, COST)
    chosen = {*rules.conversions, *(WORTH[name] for name in rules.valued)}
    return {
        **{name: value for name, value in metrics.items() if name not in (*known, *chosen)},
        **_whose(row),
        **{name: _given(metrics.get(name)) for name in known},
        "conversions": _sum(metrics.get(name) for name in rules.conversions),
        "conversions_value": _sum(metrics.get(WORTH[name]) for name in rules.valued) if rules.valued else None,
    }


def conversions_of(row: Row, rules: TiktokRules) -> Iterator[dict[str, Any]]:
    """Records of ad_conversions: each type that happened. Raises as `performance`."""
    metrics = row["metrics"]
    for name in rules.types:
        value = _given(metrics[name])
        if value is None or _number(value) == 0:
            continue
        yield {
            **_whose(row),
            **{of: _text(metrics.get(of)) for of in ("campaign_id", "adgroup_id", "currency")},
            "conversion_type": name,
            "conversions": value,
            "value": _given(metrics.get(WORTH[name])) if name in WORTH else None,
        }


def ad(row: Row) -> dict[str, Any]:
    """A record of ads. `address`: with the tags that TikTok appends, macros still in it."""
    link = row.get("landing_page_url") or next(iter(row.get("landing_page_urls") or []), None)
    return {
        **{of: _text(row.get(of)) for of in ("ad_id", "adgroup_id", "campaign_id")},
        **{of: row.get(of) for of in ("ad_name", "adgroup_name", "campaign_name", "secondary_status")},
        "modify_time": row.get("modify_time"),
        "landing_page_url": link,
        "address": _with_tags(link, row.get("utm_params") or []),
    }


def _with_tags(link: str | None, tags: list[Row]) -> str | None:
    """A key that the address has is not appended again."""
    if not link:
        return None
    address, sign, anchor = link.partition("#")
    has = {part.partition("=")[0] for part in address.partition("?")[2].split("&")}
    more = [f"{tag['key']}={quote(str(tag['value']), safe='')}" for tag in tags if tag["key"] not in has]
    return address + ("&" if "?" in address else "?") * bool(more) + "&".join(more) + sign + anchor


def _whose(row: Row) -> dict[str, Json]:
    dimensions = row["dimensions"]
    return {"ad_id": _text(dimensions["ad_id"]), "stat_time_day": str(dimensions["stat_time_day"])[:10]}


def _text(value: Json) -> str | None:
    """Ids come as numbers and as texts."""
    return None if value in (None, "-") else str(value)


def _given(value: Json) -> Json:
    """ "-" stands for nothing."""
    return None if value == "-" else value


def _number(value: Json) -> Decimal | None:
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return None


def _sum(values: Any) -> Json:
    """The sum; where one of them is no number, that one, so that the column's reader says so."""
    total = Decimal(0)
    for value in values:
        number = Decimal(0) if _given(value) is None else _number(value)
        if number is None:
            return value
        total += number
    return str(total)
