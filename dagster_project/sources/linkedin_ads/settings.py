"""What LinkedIn is asked with: its variables, and which of its conversions are one to this company."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, SecretStr, model_validator

from dagster_project.wire.source import OwnRules
from dagster_project.wire.variables import CommaList, Given, HostAddress, SourceSettings, WebAddress, variable

Conversion = Literal[
    "externalWebsiteConversions",
    "externalWebsitePostClickConversions",
    "externalWebsitePostViewConversions",
    "oneClickLeads",
]


class LinkedinRules(BaseModel):
    """`conversions`: what makes up `platform_conversions`. The website's are those after a click and after a view together:
    name the whole or a part, not both.

    `links_of_posts`: ask for the posts that ads show, which know where they lead. `tracking_parameters`: ask each campaign
    for the tags that LinkedIn appends, a call a campaign.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    conversions: tuple[Conversion, ...] = ("externalWebsiteConversions", "oneClickLeads")
    links_of_posts: bool = True
    tracking_parameters: bool = True


RULES = OwnRules("sources.linkedin_ads", LinkedinRules, LinkedinRules())


class LinkedinAdsSettings(SourceSettings):
    client_id: str = variable("LINKEDIN_ADS_CLIENT_ID", "of the app")
    client_secret: SecretStr = variable("LINKEDIN_ADS_CLIENT_SECRET", "of the app")
    refresh_token: SecretStr = variable(
        "LINKEDIN_ADS_REFRESH_TOKEN", "of a person who sees the ad accounts; a year long"
    )
    account_ids: CommaList = variable(
        "LINKEDIN_ADS_ACCOUNT_ID", "numbers of ad accounts, separated by commas", example="512345678"
    )
    # A month's version is switched off a year later, and is then answered with 426.
    api_version: str = variable("LINKEDIN_ADS_API_VERSION", "year and month", "202608", pattern=r"^20\d{4}$")
    base_url: HostAddress = variable("LINKEDIN_ADS_BASE_URL", "", "https://api.linkedin.com")
    token_url: WebAddress = variable("LINKEDIN_ADS_TOKEN_URL", "", "https://www.linkedin.com/oauth/v2/accessToken")
    rules: LinkedinRules = LinkedinRules()

    @classmethod
    def from_rules(cls, given: Given) -> dict[str, Any]:
        return {"rules": given.rules.own(RULES.key)}

    @property
    def accounts(self) -> list[str]:
        """Account ids without urn:li:sponsoredAccount:, each once."""
        return list(dict.fromkeys(named.rpartition(":")[2] for named in self.account_ids))

    @model_validator(mode="after")
    def _check(self) -> LinkedinAdsSettings:
        for named in self.account_ids:
            if not re.fullmatch(r"(urn:li:sponsoredAccount:)?\d+", named):
                raise ValueError(
                    f"LINKEDIN_ADS_ACCOUNT_ID {named!r} is no ad account; allowed are digits such as 512345678"
                )
        whole, part = "externalWebsiteConversions", "externalWebsitePost"
        chosen = self.rules.conversions
        if whole in chosen and any(each.startswith(part) for each in chosen):
            raise ValueError(f"{RULES.key}.conversions names {whole} and a part of it; name one of them")
        return self
