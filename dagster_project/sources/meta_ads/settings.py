"""What Meta is asked with: its variables, and what of its many action types is a conversion to this company."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from dagster_project.wire.source import OwnRules
from dagster_project.wire.variables import CommaList, Given, HostAddress, SourceSettings, variable

# 7d_view and 28d_view are gone since 2026-01-12: asked for, they come back without a key and without an error.
AttributionWindow = Literal["1d_click", "7d_click", "28d_click", "1d_view", "1d_ev", "dda"]


class MetaRules(BaseModel):
    """`conversions`: the action types that make up `platform_conversions`. A total such as omni_purchase contains its parts
    (offsite_conversion.fb_pixel_purchase, …): name one of them, not both."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    conversions: tuple[str, ...] = ("omni_purchase", "lead")
    attribution_windows: tuple[AttributionWindow, ...] = ("7d_click", "1d_view")
    by_placement: bool = True  # a row for each of Facebook, Instagram, Threads …
    sync_days: int = Field(default=3, ge=0)  # windows of more days are asked for as a job


RULES = OwnRules("sources.meta_ads", MetaRules, MetaRules())


class MetaSettings(SourceSettings):
    access_token: SecretStr = variable("META_ADS_ACCESS_TOKEN", "of a system user, with ads_read")
    account_ids: CommaList = variable(
        "META_ADS_ACCOUNT_ID", "several separated by commas; with or without act_", example="act_123456789"
    )
    app_secret: SecretStr | None = variable(
        "META_ADS_APP_SECRET", "where the app requires a proof of it with every call", None
    )
    api_version: str = variable("META_ADS_API_VERSION", "", "v27.0", pattern=r"^v\d+\.\d+$")
    base_url: HostAddress = variable("META_ADS_BASE_URL", "", "https://graph.facebook.com")
    rules: MetaRules = MetaRules()

    @classmethod
    def from_rules(cls, given: Given) -> dict[str, Any]:
        return {"rules": given.rules.own(RULES.key)}

    @property
    def accounts(self) -> list[str]:
        """Account ids without act_, each once."""
        return list(dict.fromkeys(named.removeprefix("act_") for named in self.account_ids))

    @model_validator(mode="after")
    def _check(self) -> MetaSettings:
        for named in self.account_ids:
            if not re.fullmatch(r"(act_)?\d+", named):
                raise ValueError(
                    f"META_ADS_ACCOUNT_ID {named!r} is no ad account; allowed are digits such as act_123456789"
                )
        return self
