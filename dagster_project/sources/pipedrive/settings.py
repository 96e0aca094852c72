"""What Pipedrive is asked with: its variables, and the names that a company gives to its own fields."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pydantic import SecretStr, model_validator

from dagster_project.wire.source import OwnRules
from dagster_project.wire.touch_fields import TouchFields
from dagster_project.wire.variables import CommaList, Given, HostAddress, SourceSettings, variable

EARLY = ("lead", "mql", "sal", "sql")  # stages before the opportunity, which a deal pipeline may hold as well


class PipedriveFields(TouchFields):
    """Names (or 40-digit keys) of Pipedrive fields that companies make for themselves."""

    country: str = "country"
    stage: str | None = None  # of persons: where they are before a deal; its changes are read, a call for each person
    product: str = "product"
    refund_of_deal_id: str = "refund_of_deal_id"
    order_id: str | None = None  # of deals: the shop's order number, GA4's transaction_id


RULES = OwnRules("sources.pipedrive", PipedriveFields, PipedriveFields())


class PipedriveSettings(SourceSettings):
    api_token: SecretStr = variable(
        "PIPEDRIVE_API_TOKEN", "personal API token of a user who sees all deals; one for each company, in their order"
    )
    company_domains: CommaList = variable(
        "PIPEDRIVE_COMPANY_DOMAIN", "the part before .pipedrive.com; several separated by commas", example="kontorra"
    )
    base_url: HostAddress | None = variable("PIPEDRIVE_BASE_URL", "another endpoint, for all companies", None)
    fields: PipedriveFields = PipedriveFields()
    with_deal_history: bool = False  # a call for each deal

    @model_validator(mode="after")
    def _a_token_for_each(self) -> PipedriveSettings:
        if len(self.tokens) != len(self.company_domains):
            raise ValueError(
                f"PIPEDRIVE_API_TOKEN has {len(self.tokens)} tokens for {len(self.company_domains)} companies of "
                "PIPEDRIVE_COMPANY_DOMAIN; allowed is one for each, in the same order"
            )
        return self

    @property
    def tokens(self) -> list[str]:
        return [part.strip() for part in self.api_token.get_secret_value().split(",") if part.strip()]

    def address(self, domain: str) -> str:
        return self.base_url or f"https://{domain}.pipedrive.com"

    @classmethod
    def from_rules(cls, given: Given) -> dict[str, Any]:
        rules = [rule for rule in given.rules.crm.stages if rule.crm == "pipedrive" and rule.object == "deal"]
        return {
            "fields": given.rules.own(RULES.key),
            "with_deal_history": any(rule.stage in EARLY for rule in rules),
        }

    def funnel_stages(self) -> Collection[str]:
        return ()  # what its values mean stands in crm.stages
