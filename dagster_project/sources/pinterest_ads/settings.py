"""What Pinterest is asked with: its variables, and which of its conversions are one to this company."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, SecretStr, model_validator

from dagster_project.wire.source import OwnRules
from dagster_project.wire.variables import CommaList, Given, HostAddress, SourceSettings, WebAddress, variable

Conversion = Literal["CHECKOUT", "LEAD", "SIGNUP", "CUSTOM"]
Days = Literal[0, 1, 7, 14, 30, 60]


class PinterestRules(BaseModel):
    """`conversions`: the types that make up `platform_conversions`. `click_days`, `engagement_days`, `view_days`: how long after
    it a conversion is credited. `time_zone`: whose days are asked for.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    conversions: tuple[Conversion, ...] = ("CHECKOUT", "LEAD")
    click_days: Days = 30
    engagement_days: Days = 30
    view_days: Days = 1
    time_zone: Literal["AD_ACCOUNT_TIME_ZONE", "UTC"] = "AD_ACCOUNT_TIME_ZONE"


RULES = OwnRules("sources.pinterest_ads", PinterestRules, PinterestRules())


class PinterestAdsSettings(SourceSettings):
    client_id: str = variable("PINTEREST_ADS_CLIENT_ID", "of the app")
    client_secret: SecretStr = variable("PINTEREST_ADS_CLIENT_SECRET", "of the app")
    refresh_token: SecretStr = variable(
        "PINTEREST_ADS_REFRESH_TOKEN",
        "with ads:read, of a person who sees the ad accounts; it lives for 60 days or a year",
    )
    account_ids: CommaList = variable(
        "PINTEREST_ADS_ACCOUNT_ID", "ad accounts, separated by commas", example="549755885175"
    )
    api_version: str = variable("PINTEREST_ADS_API_VERSION", "", "v5", pattern=r"^v\d+$")
    base_url: HostAddress = variable("PINTEREST_ADS_BASE_URL", "", "https://api.pinterest.com")
    token_url: WebAddress = variable("PINTEREST_ADS_TOKEN_URL", "", "https://api.pinterest.com/v5/oauth/token")
    rules: PinterestRules = PinterestRules()

    @classmethod
    def from_rules(cls, given: Given) -> dict[str, Any]:
        return {"rules": given.rules.own(RULES.key)}

    @property
    def accounts(self) -> list[str]:
        """Ad accounts, each once."""
        return list(dict.fromkeys(self.account_ids))

    @model_validator(mode="after")
    def _check(self) -> PinterestAdsSettings:
        for named in self.account_ids:
            if not re.fullmatch(r"\d+", named):
                raise ValueError(f"PINTEREST_ADS_ACCOUNT_ID {named!r} is no ad account; allowed are digits")
        return self
