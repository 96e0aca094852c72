"""VK's rows as columns: figures and goals by ad and day, with what the ad belongs to and where it leads."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from dagster_project.wire.http import Json

Row = Mapping[str, Json]

# What VK adds where a group has tags switched on and names none.
AUTOMATIC_TAGS = "utm_medium=cpc&utm_source=vk_ads&utm_campaign={{campaign_id}}&utm_content={{banner_id}}"
_MACRO = re.compile(r"\{\{\s*(\w+)\s*\}\}")


@dataclass(frozen=True)
class Account:
    """An account, and what its ads belong to: by id."""

    id: str
    currency: str
    plans: Mapping[str, Row]
    groups: Mapping[str, Row]
    ads: Mapping[str, Row]

    def ad(self, ad_id: str) -> dict[str, Any]:
        """The columns of an ad that do not depend on the day. Raises AttributeError, TypeError for one that is none."""
        banner = self.ads[ad_id]
        group_id = _id(banner.get("ad_group_id"))
        group = self.groups.get(group_id or "", {})
        plan_id = _id(group.get("ad_plan_id"))
        plan = self.plans.get(plan_id or "", {})
        known = {
            "banner_id": ad_id,
            # VK's older word for a group is a campaign, and its macros have kept it
            "campaign_id": group_id,
            "ad_group_id": group_id,
            "campaign_name": group.get("name"),
            "ad_group_name": group.get("name"),
            "ad_plan_id": plan_id,
            "ad_plan_name": plan.get("name"),
        }
        return {
            "account_id": self.id,
            "currency_code": self.currency,
            "ad_plan_id": plan_id,
            "ad_plan_name": plan.get("name"),
            "objective": plan.get("objective"),
            "ad_group_id": group_id,
            "ad_group_name": group.get("name"),
            "banner_id": ad_id,
            "banner_name": banner.get("name"),
            "address": address(_link(banner), group, known),
        }


def performance(item: Row, account: Account) -> Iterator[dict[str, Any]]:
    """Records of ad_performance: days on which anything happened. Raises where the item has not the shape of one."""
    ad = account.ad(str(item["id"]))
    for row in item["rows"]:
        base, video, romi = row["base"], row.get("video") or {}, row.get("romi") or {}
        figures = {
            "shows": base.get("shows"),
            "clicks": base.get("clicks"),
            "spent": base.get("spent"),
            "goals": (base.get("vk") or {}).get("goals"),  # `goals` beside it is the older count
        }
        more = {"video_started": video.get("started"), "value": romi.get("value")}
        # what is missing is no 0: it is told
        if any(figure is None or _happened(figure) for figure in figures.values()) or any(
            map(_happened, more.values())
        ):
            rest = {name: value for name, value in row.items() if name not in ("date", "base", "video", "romi")}
            yield {**rest, **ad, **figures, **more, "date": row["date"]}


def goals(item: Row, account: Account, types: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Records of ad_conversions: goals that were reached. Raises where the item has not the shape of one."""
    ad = account.ad(str(item["id"]))
    for row in item["rows"]:
        for goal in row["goals"]:
            if goal["conversion_type"] in types and _happened(goal["count"]):
                yield {
                    **{
                        name: ad[name]
                        for name in ("account_id", "currency_code", "ad_plan_id", "ad_group_id", "banner_id")
                    },
                    **{name: goal.get(name) for name in ("conversion_type", "source", "goal", "value")},
                    "counter_id": goal.get("counter_id"),
                    "conversions": goal["count"],
                    "date": row["date"],
                }


def address(link: str | None, group: Row, known: Mapping[str, Json]) -> str | None:
    """Where an ad leads: the tags of its group stand above those of its own link; macros of the click stay as written.

    https://ads.vk.com/help/articles/utm
    """
    if link is None:
        return None
    tags = (str(group.get("utm") or "").lstrip("?&") or AUTOMATIC_TAGS) if group.get("enable_utm") is True else ""
    if tags:
        rest, hash_sign, fragment = link.partition("#")
        path, _, query = rest.partition("?")
        names = {pair.partition("=")[0] for pair in tags.split("&")}
        kept = [pair for pair in query.split("&") if pair and pair.partition("=")[0] not in names]
        link = f"{path}?{'&'.join([*kept, tags])}{hash_sign}{fragment}"
    return _MACRO.sub(lambda found: _filled(found, known), link)


def _filled(found: re.Match[str], known: Mapping[str, Json]) -> str:
    value = known.get(found[1])
    return found[0] if value is None else quote(str(value), safe="")


def _link(banner: Row) -> str | None:
    """The main link of an ad, else its first one."""
    urls = banner.get("urls") or {}
    each = urls.get("primary") or next(iter(urls.values()), None) or {}
    link = each.get("url")
    if link is not None and not isinstance(link, str):
        raise TypeError("a link is text")
    return link or None


def _id(value: Json) -> str | None:
    return None if value is None else str(value)


def _happened(figure: Json) -> bool:
    return figure not in (None, 0, "0", "0.0", "0.00")
