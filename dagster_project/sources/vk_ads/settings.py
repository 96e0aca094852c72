"""What VK Ads is asked with: its variables, and which conversions count, on which day."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from dagster_project.wire.source import OwnRules
from dagster_project.wire.variables import CommaList, Given, HostAddress, SourceSettings, WebAddress, variable


class VkAdsRules(BaseModel):
    """`attribution`: a conversion counts on the day of the impression or click that it came of, or on its own (`conversion`).
    `conversion_types`: which become rows of their own. What is changed holds for days that are read from then on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    attribution: Literal["impression", "conversion"] = "impression"
    conversion_types: tuple[Literal["postclick", "postview"], ...] = Field(
        default=("postclick", "postview"), min_length=1
    )


RULES = OwnRules("sources.vk_ads", VkAdsRules, VkAdsRules())


class VkAdsSettings(SourceSettings):
    client_id: str = variable(
        "VK_ADS_CLIENT_ID", "of an API access made for Funnelhouse alone: of its tokens VK keeps five"
    )
    client_secret: SecretStr = variable("VK_ADS_CLIENT_SECRET", "of the same access")
    agency_clients: CommaList | None = variable(
        "VK_ADS_AGENCY_CLIENT_NAME",
        "of an agency: the names of the clients to read, separated by commas; else the access's own account is read",
        None,
    )
    currency: str | None = variable(
        "VK_ADS_CURRENCY", "of the accounts, where VK does not name it", None, example="RUB", pattern=r"^[A-Z]{3}$"
    )
    base_url: HostAddress = variable("VK_ADS_BASE_URL", "", "https://ads.vk.com")
    token_url: WebAddress = variable("VK_ADS_TOKEN_URL", "", "https://ads.vk.com/api/v2/oauth2/token.json")
    rules: VkAdsRules = VkAdsRules()

    @classmethod
    def from_rules(cls, given: Given) -> dict[str, Any]:
        return {"rules": given.rules.own(RULES.key)}

    @property
    def clients(self) -> list[str]:
        """The agency's clients, each once; none = the access's own account."""
        return list(dict.fromkeys(self.agency_clients or []))
