"""What HubSpot is asked with: its variables, and the names that a portal gives to its properties."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pydantic import SecretStr

from dagster_project.wire.source import OwnRules
from dagster_project.wire.touch_fields import TouchFields
from dagster_project.wire.variables import Given, HostAddress, SourceSettings, variable


class HubspotProperties(TouchFields):
    """Internal names of HubSpot properties that portals name as they like."""

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
