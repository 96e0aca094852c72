"""What is asked of Google Ads: a report's fields, the columns that they become, and its query."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pyarrow as pa

from dagster_project.wire.contract import Window, schema
from dagster_project.wire.http import Json

NEVER = object()  # marks a field that cannot be omitted


@dataclass(frozen=True)
class Field:
    """A field of the query, the column it becomes, and what its omission means.

    JSON of protocol buffers leaves out what has its zero value: a metric is 0 then, an enum UNSPECIFIED, a
    text null. An id or a day cannot be zero.
    """

    gaql: str
    column: str
    type: pa.DataType
    omitted: Json = None

    @property
    def path(self) -> tuple[str, ...]:
        """Where it stands in a row: `ad_group_ad.ad.id` is row["adGroupAd"]["ad"]["id"]."""
        return tuple(re.sub(r"_([a-z])", lambda m: m[1].upper(), part) for part in self.gaql.split("."))


@dataclass(frozen=True)
class Report:
    """A stream's query: which resource, which fields."""

    name: str
    resource: str
    fields: tuple[Field, ...]

    def query(self, window: Window) -> str:
        return (
            f"SELECT {', '.join(field.gaql for field in self.fields)} FROM {self.resource} "
            f"WHERE segments.date BETWEEN '{window.start}' AND '{window.last}' ORDER BY segments.date "
            "PARAMETERS omit_unselected_resource_names=true"
        )

    @property
    def schema(self) -> pa.Schema:
        return schema(*((field.column, field.type) for field in self.fields if field.column != "account_id"))


_DAY = (
    Field("customer.id", "account_id", pa.string(), NEVER),
    Field("segments.date", "date", pa.date32(), NEVER),
)
_CAMPAIGN = (
    Field("customer.currency_code", "customer_currency_code", pa.string()),
    Field("customer.time_zone", "customer_time_zone", pa.string()),
    Field("campaign.id", "campaign_id", pa.string(), NEVER),
    Field("campaign.name", "campaign_name", pa.string()),
    Field("campaign.status", "campaign_status", pa.string(), "UNSPECIFIED"),
    Field("campaign.advertising_channel_type", "campaign_advertising_channel_type", pa.string(), "UNSPECIFIED"),
)
_AD = (
    Field("ad_group.id", "ad_group_id", pa.string(), NEVER),
    Field("ad_group.name", "ad_group_name", pa.string()),
    Field("ad_group_ad.ad.id", "ad_id", pa.string(), NEVER),
    Field("ad_group_ad.ad.name", "ad_name", pa.string()),
)
_METRICS = (
    Field("metrics.impressions", "impressions", pa.int64(), "0"),
    Field("metrics.clicks", "clicks", pa.int64(), "0"),
    Field("metrics.cost_micros", "cost_micros", pa.int64(), "0"),
    Field("metrics.conversions", "conversions", pa.float64(), 0.0),
    Field("metrics.conversions_value", "conversions_value", pa.float64(), 0.0),
)
_CLICK = (
    Field("click_view.gclid", "gclid", pa.string()),
    Field("campaign.id", "campaign_id", pa.string(), NEVER),
    Field("ad_group.id", "ad_group_id", pa.string()),  # Performance Max has none
    Field("click_view.ad_group_ad", "ad_id", pa.string()),  # customers/1/adGroupAds/{ad group}~{ad}
)

CAMPAIGN_PERFORMANCE = Report("campaign_performance", "campaign", (*_DAY, *_CAMPAIGN, *_METRICS))
AD_PERFORMANCE = Report("ad_performance", "ad_group_ad", (*_DAY, *_CAMPAIGN, *_AD, *_METRICS))
CLICKS = Report("clicks", "click_view", (*_DAY, *_CLICK))
