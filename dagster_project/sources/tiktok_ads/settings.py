"""What TikTok is asked with: its variables, and which of its metrics are a conversion to this company."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel, ConfigDict, SecretStr, model_validator

from dagster_project.wire.source import OwnRules
from dagster_project.wire.variables import CommaList, Given, HostAddress, SourceSettings, variable

# What the conversions of a metric are worth is another metric; others have no worth. (Its rate is no rate.)
WORTH = {
    "complete_payment": "total_complete_payment_rate",
    "total_purchase": "total_purchase_value",
    "onsite_shopping": "total_onsite_shopping_value",
}
ANY = "conversion"  # of the event that the ad group is bought for, whatever it is


class TiktokRules(BaseModel):
    """`conversions`: the metrics that make up `platform_conversions`. `types`: those that are a row each of ad_conversions.

    `conversion` counts the event that an ad group is bought for, which the others count, too: name it alone. It is worth
    what the purchases among `types` are.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    conversions: tuple[str, ...] = (ANY,)
    types: tuple[str, ...] = ("complete_payment", "form")

    @property
    def valued(self) -> tuple[str, ...]:
        """The metrics whose worth is that of `conversions`."""
        named = self.types if ANY in self.conversions else self.conversions
        return tuple(name for name in named if name in WORTH)

    @model_validator(mode="after")
    def _check(self) -> TiktokRules:
        if ANY in self.conversions and len(self.conversions) > 1:
            raise ValueError(f"conversions names {ANY}, which counts what the others count, too; name it alone")
        for name in (*self.conversions, *self.types):
            if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
                raise ValueError(f"{name!r} is no metric of TikTok's; allowed is a name such as complete_payment")
        return self


RULES = OwnRules("sources.tiktok_ads", TiktokRules, TiktokRules())


class TiktokAdsSettings(SourceSettings):
    access_token: SecretStr = variable(
        "TIKTOK_ADS_ACCESS_TOKEN", "of an app that the advertiser has authorised; it does not end"
    )
    advertiser_ids: CommaList = variable(
        "TIKTOK_ADS_ADVERTISER_ID", "several separated by commas", example="7000000000000000001"
    )
    api_version: str = variable("TIKTOK_ADS_API_VERSION", "", "v1.3", pattern=r"^v\d+\.\d+$")
    base_url: HostAddress = variable("TIKTOK_ADS_BASE_URL", "", "https://business-api.tiktok.com")
    rules: TiktokRules = TiktokRules()

    @classmethod
    def from_rules(cls, given: Given) -> dict[str, Any]:
        return {"rules": given.rules.own(RULES.key)}

    @property
    def accounts(self) -> list[str]:
        """Advertisers, each once."""
        return list(dict.fromkeys(self.advertiser_ids))

    @model_validator(mode="after")
    def _check(self) -> TiktokAdsSettings:
        for named in self.advertiser_ids:
            if not re.fullmatch(r"\d+", named):
                raise ValueError(f"TIKTOK_ADS_ADVERTISER_ID {named!r} is no advertiser; allowed are digits")
        return self
