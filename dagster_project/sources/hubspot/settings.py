"""What HubSpot is asked with: its variables, and the names that a portal gives to its properties."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pydantic import BaseModel, ConfigDict, SecretStr

from dagster_project.wire.source import OwnRules
from dagster_project.wire.variables import Given, HostAddress, SourceSettings, variable


class HubspotProperties(BaseModel):
    """Internal names of HubSpot properties that portals name as they like."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    utm_source: str = "utm_source"
    utm_medium: str = "utm_medium"
    utm_campaign: str = "utm_campaign"
    utm_term: str = "utm_term"
    utm_content: str = "utm_content"
    gclid: str = "gclid"
    gbraid: str = "gbraid"
    wbraid: str = "wbraid"
    fbclid: str = "fbclid"
    yclid: str = "yclid"
    msclkid: str = "msclkid"
    ttclid: str = "ttclid"
    li_fat_id: str = "li_fat_id"
    ga_client_id: str = "ga_client_id"
    ym_client_id: str = "ym_client_id"
    self_reported_source: str = "self_reported_source"  # else how_did_you_hear_about_us
    product: str = "product"
    refund_of_deal_id: str = "refund_of_deal_id"
    order_id: str | None = None  # of deals: the shop's order number, GA4's transaction_id; not read unless named


RULES = OwnRules("crm.hubspot_properties", HubspotProperties, HubspotProperties())


class HubspotSettings(SourceSettings):
    access_token: SecretStr = variable("HUBSPOT_ACCESS_TOKEN", "the token of the private app")
    base_url: HostAddress = variable("HUBSPOT_BASE_URL", "", "https://api.hubapi.com")
    properties: HubspotProperties = HubspotProperties()

    @classmethod
    def from_rules(cls, given: Given) -> dict[str, Any]:
        return {"properties": given.rules.own(RULES.key)}

    def funnel_stages(self) -> Collection[str]:
        return ()  # what its values mean stands in crm.stages
