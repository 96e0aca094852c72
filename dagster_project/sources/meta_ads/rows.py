"""Meta's rows as columns: figures by ad and day, actions as rows of their own, and the address that an ad leads to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from dagster_project.wire.http import Json

Row = Mapping[str, Json]

PLAIN_FIELDS = (
    "account_currency", "campaign_id", "campaign_name", "adset_id", "adset_name", "ad_id", "ad_name", "objective",
    "attribution_setting", "impressions", "clicks", "inline_link_clicks", "spend", "date_start",
)  # fmt: skip
# Totals that accounts without other ways to buy than the web's go without.
FALLBACKS = {"omni_purchase": "purchase"}
VIDEO_VIEW = "video_view"  # of 3 seconds
EVERYWHERE = "all"  # publisher_platform of a report that was not asked by placement


def performance(row: Row, conversions: Sequence[str]) -> dict[str, Any]:
    """A record of ad_performance. What is absent is no activity: 0 of it; the id, the day and the cost must be there.

    Raises AttributeError, TypeError where the row has not the shape of one.
    """
    actions, values = _by_type(row.get("actions")), _by_type(row.get("action_values"))
    record: dict[str, Any] = {**row}
    record.pop("actions", None)
    record.pop("action_values", None)
    record.pop("date_stop", None)  # date_start, since the increment is a day
    for name in ("impressions", "clicks", "inline_link_clicks"):
        record.setdefault(name, "0")
    record.setdefault("publisher_platform", EVERYWHERE)
    record["video_views"] = actions.get(VIDEO_VIEW, "0")
    record["conversions"] = _sum(_chosen(actions, conversions))
    record["conversions_value"] = _sum(_chosen(values, conversions))
    return record


def actions_of(row: Row, windows: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Records of ad_actions: each type of action with its count and worth, whatever parts it has.

    Raises AttributeError, TypeError where the row has not the shape of one.
    """
    counted = {each.get("action_type"): each for each in row.get("actions") or []}
    worth = {each.get("action_type"): each for each in row.get("action_values") or []}
    for action_type in dict.fromkeys([*counted, *worth]):
        of = counted.get(action_type, {})
        yield {
            **{name: row.get(name) for name in ("account_currency", "campaign_id", "adset_id", "ad_id", "date_start")},
            "attribution_setting": row.get("attribution_setting"),
            "action_type": action_type,
            "value": of.get("value", "0"),
            "money_value": worth.get(action_type, {}).get("value"),
            **{window: of.get(window) for window in windows},
        }


def ad(row: Row) -> dict[str, Any]:
    """A record of ads."""
    creative = row.get("creative") or {}
    links = list(dict.fromkeys(_links(creative)))
    campaign, adset = row.get("campaign") or {}, row.get("adset") or {}
    known = ("id", "name", "effective_status", "updated_time", "campaign", "adset", "creative")
    return {
        **{name: value for name, value in row.items() if name not in known},
        **{name: row.get(name) for name in ("id", "name", "effective_status", "updated_time")},
        "campaign_id": campaign.get("id") or row.get("campaign_id"),
        "campaign_name": campaign.get("name"),
        "adset_id": adset.get("id") or row.get("adset_id"),
        "adset_name": adset.get("name"),
        "creative_id": creative.get("id"),
        "link": links[0] if links else None,
        "links": links,
        "url_tags": creative.get("url_tags"),
    }


def _links(creative: Row) -> Iterator[str]:
    """Where an ad leads, the first one first; a carousel or a dynamic creative has several."""
    story = creative.get("object_story_spec") or {}
    link_data, video, template = (story.get(name) or {} for name in ("link_data", "video_data", "template_data"))
    found: list[Json] = [
        link_data.get("link"),
        ((video.get("call_to_action") or {}).get("value") or {}).get("link"),
        template.get("link"),
        *(card.get("link") for card in link_data.get("child_attachments") or []),
        *(url.get("website_url") for url in (creative.get("asset_feed_spec") or {}).get("link_urls") or []),
        creative.get("link_url"),
        creative.get("object_url"),
    ]
    return (link for link in found if isinstance(link, str) and link)


def _by_type(entries: Json) -> dict[str, Json]:
    """Action type -> value under the ad set's own attribution setting."""
    return {str(each.get("action_type")): each.get("value") for each in entries or []}


def _chosen(values: Mapping[str, Json], types: Iterable[str]) -> list[Json]:
    found = dict.fromkeys(name if name in values else FALLBACKS.get(name, name) for name in types)
    return [values[name] for name in found if name in values]


def _sum(values: Iterable[Json]) -> Json:
    """The sum; where one of them is no number, that one, so that the column's reader says so."""
    total = Decimal(0)
    for value in values:
        try:
            total += Decimal(str(value))
        except InvalidOperation:
            return value
    return str(total)
