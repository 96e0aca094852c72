"""Where ads lead: campaigns, groups and ads of a client put together, and the address with the parameters that Direct adds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from dagster_project.sources.yandex_direct.api import Direct, Row
from dagster_project.wire.columns import to_table
from dagster_project.wire.contract import Page, Stream, Tally
from dagster_project.wire.http import Json

FILED_ON = date(2015, 1, 1)  # a list without days: all rows are filed on one
# What is archived or ended has its figures still; left away, campaigns come without their archive.
CAMPAIGN_STATES = ["ON", "OFF", "SUSPENDED", "ENDED", "CONVERTED", "ARCHIVED"]
CAMPAIGN_FIELDS = ["Id", "Name", "Type", "State"]
GROUP_FIELDS = ["Id", "CampaignId", "Name", "TrackingParams"]
AD_STATES = ["ON", "OFF", "SUSPENDED", "OFF_BY_MONITORING", "ARCHIVED"]
AD_FIELDS = ["Id", "CampaignId", "AdGroupId", "State", "Type"]
# Kinds of ads that lead to an address of their own. v5 does not know responsive ads and unified campaigns.
KINDS = (
    "TextAd", "TextImageAd", "TextAdBuilderAd", "CpcVideoAdBuilderAd", "CpmBannerAdBuilderAd", "CpmVideoAdBuilderAd",
)  # fmt: skip
NEWER_KINDS = ("ResponsiveAd",)
UNIFIED = "UnifiedCampaign"


def ads_of(direct: Direct, login: str, stream: Stream, *, is_newer: bool, tally: Tally) -> Iterator[Page]:
    """The client's ads, page by page."""
    asked: dict[str, Json] = {"SelectionCriteria": {"States": CAMPAIGN_STATES}, "FieldNames": CAMPAIGN_FIELDS}
    if is_newer:
        asked[f"{UNIFIED}FieldNames"] = ["TrackingParams"]
    campaigns = {row["Id"]: row for rows in direct.campaigns(login, asked) for row in rows if has_id(row)}
    ids = sorted(campaigns)
    groups = {
        row["Id"]: row
        for rows in direct.of_campaigns(login, "adgroups", ids, {"FieldNames": GROUP_FIELDS}, "AdGroups")
        for row in rows
        if has_id(row)
    }
    kinds = (*KINDS, *(NEWER_KINDS if is_newer else ()))
    asked = {
        "SelectionCriteria": {"States": AD_STATES},
        "FieldNames": AD_FIELDS,
        **{f"{kind}FieldNames": ["Href"] for kind in kinds},
    }
    seen: set[Json] = set()
    for rows in direct.of_campaigns(login, "ads", ids, asked, "Ads"):
        records = []
        for row in rows:
            try:
                record = _ad(row, campaigns, groups, kinds)
            except (AttributeError, TypeError, ValueError):
                tally.bad_row(f"{stream.id}: client {login}: an ad has not the shape of one")
                continue
            if record["id"] not in seen:
                records.append({**record, "account_id": login, "_filed_on": FILED_ON})
            seen.add(record["id"])
        if records:
            yield Page(to_table(stream, records, tally=tally))


def address(href: str, params: str) -> str:
    """The ad's address with parameters that are set beside it: of the two values of one parameter theirs stands.

    https://yandex.com/support/direct/en/statistics/url-tags-for-camping
    """
    if not params:
        return href
    rest, hash_sign, fragment = href.partition("#")
    path, _, query = rest.partition("?")
    added = params.lstrip("?&")
    names = {pair.partition("=")[0] for pair in added.split("&")}
    kept = [pair for pair in query.split("&") if pair and pair.partition("=")[0] not in names]
    return f"{path}?{'&'.join([added, *kept])}{hash_sign}{fragment}"


def _ad(row: Row, campaigns: Mapping[Json, Row], groups: Mapping[Json, Row], kinds: Sequence[str]) -> dict[str, Any]:
    """Raises AttributeError, TypeError where the ad has not the shape of one."""
    campaign, group = campaigns.get(row.get("CampaignId")) or {}, groups.get(row.get("AdGroupId")) or {}
    href = next((found for kind in kinds if (found := (row.get(kind) or {}).get("Href"))), None)
    if href is not None and not isinstance(href, str):
        raise TypeError("an address is text")
    of_group = group.get("TrackingParams") or None
    of_campaign = (campaign.get(UNIFIED) or {}).get("TrackingParams") or None
    known = (*AD_FIELDS, *kinds)
    return {
        **{name: value for name, value in row.items() if name not in known},
        "id": row.get("Id"),
        "campaign_id": row.get("CampaignId"),
        "campaign_name": campaign.get("Name"),
        "ad_group_id": row.get("AdGroupId"),
        "ad_group_name": group.get("Name"),
        "state": row.get("State"),
        "type": row.get("Type"),
        "href": href,
        "ad_group_tracking_params": of_group,
        "campaign_tracking_params": of_campaign,
        # those of a group stand above those of its campaign
        "address": address(href, of_group or of_campaign or "") if href else None,
    }


def has_id(row: Json) -> bool:
    return isinstance(row, dict) and isinstance(row.get("Id"), int)
