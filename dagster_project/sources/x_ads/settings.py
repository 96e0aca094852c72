"""What X Ads is asked with: its variables, and which of its types of conversion count."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, SecretStr, model_validator

from dagster_project.wire.source import OwnRules
from dagster_project.wire.variables import CommaList, Given, HostAddress, SourceSettings, variable

# As X calls them, without `conversion_` (docs.x.com/x-ads-api/analytics, WEB_CONVERSION).
ConversionType = Literal[
    "purchases", "sign_ups", "site_visits", "downloads", "custom", "add_to_carts", "checkouts_initiated", "content_views",
    "payment_info_additions", "add_to_wishlists", "searches", "landing_page_views", "subscriptions",
]  # fmt: skip


class XAdsRules(BaseModel):
    """`conversions`: the types that make up `platform_conversions`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    conversions: tuple[ConversionType, ...] = ("purchases", "sign_ups")


RULES = OwnRules("sources.x_ads", XAdsRules, XAdsRules())


class XAdsSettings(SourceSettings):
    consumer_key: str = variable("X_ADS_CONSUMER_KEY", "of an app with access to the Ads API")
    consumer_secret: SecretStr = variable("X_ADS_CONSUMER_SECRET", "of the same app")
    access_token: SecretStr = variable("X_ADS_ACCESS_TOKEN", "made after the app's access was approved")
    access_token_secret: SecretStr = variable("X_ADS_ACCESS_TOKEN_SECRET", "of the same token")
    account_ids: CommaList = variable(
        "X_ADS_ACCOUNT_ID",
        "in the address of the ads manager; several separated by commas, each is read for itself",
        example="18ce54d4x5t",
    )
    api_version: str = variable("X_ADS_API_VERSION", "", "12", pattern=r"^\d+$")
    base_url: HostAddress = variable("X_ADS_BASE_URL", "", "https://ads-api.x.com")
    rules: XAdsRules = XAdsRules()

    @classmethod
    def from_rules(cls, given: Given) -> dict[str, Any]:
        return {"rules": given.rules.own(RULES.key)}

    @property
    def accounts(self) -> list[str]:
        return list(dict.fromkeys(self.account_ids))

    @model_validator(mode="after")
    def _check(self) -> XAdsSettings:
        for named in self.account_ids:
            if not re.fullmatch(r"[0-9a-z]+", named):
                raise ValueError(
                    f"X_ADS_ACCOUNT_ID {named!r} is no ads account; allowed are digits and small letters such as 18ce54d4x5t"
                )
        return self
