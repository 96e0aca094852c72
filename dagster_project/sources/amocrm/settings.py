"""What amoCRM is asked with: its variables, and the names that a company gives to its own fields."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pydantic import SecretStr, model_validator

from dagster_project.wire.source import OwnRules
from dagster_project.wire.touch_fields import TouchFields
from dagster_project.wire.variables import CommaList, Given, HostAddress, SourceSettings, variable


class AmocrmFields(TouchFields):
    """Names or codes of amoCRM fields, upper or lower case; those that it has for tags by itself are found by their codes."""

    ga_client_id: str = "gclientid"
    ym_client_id: str = "_ym_uid"
    country: str = "country"
    stage: str | None = None  # of contacts: where they are before a deal; its changes are among the events
    product: str = "product"
    refund_of_deal_id: str = "refund_of_deal_id"
    order_id: str | None = None  # of deals: the shop's order number, GA4's transaction_id
    currency: str | None = None  # of deals: ISO 4217, where it is not the account's


RULES = OwnRules("sources.amocrm", AmocrmFields, AmocrmFields())


class AmocrmSettings(SourceSettings):
    access_token: SecretStr = variable(
        "AMOCRM_ACCESS_TOKEN", "long-lived token of a private integration; one for each account, in their order"
    )
    subdomains: CommaList = variable(
        "AMOCRM_SUBDOMAIN", "the part before .amocrm.ru; several separated by commas", example="kontorra"
    )
    domain: str = variable(
        "AMOCRM_DOMAIN", "kommo.com for accounts of Kommo", "amocrm.ru", pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$"
    )
    base_url: HostAddress | None = variable("AMOCRM_BASE_URL", "another endpoint, for all accounts", None)
    fields: AmocrmFields = AmocrmFields()

    @model_validator(mode="after")
    def _a_token_for_each(self) -> AmocrmSettings:
        if len(self.tokens) != len(self.subdomains):
            raise ValueError(
                f"AMOCRM_ACCESS_TOKEN has {len(self.tokens)} tokens for {len(self.subdomains)} accounts of "
                "AMOCRM_SUBDOMAIN; allowed is one for each, in the same order"
            )
        return self

    @property
    def tokens(self) -> list[str]:
        return [part.strip() for part in self.access_token.get_secret_value().split(",") if part.strip()]

    def address(self, subdomain: str) -> str:
        return self.base_url or f"https://{subdomain}.{self.domain}"

    @classmethod
    def from_rules(cls, given: Given) -> dict[str, Any]:
        return {"fields": given.rules.own(RULES.key)}

    def funnel_stages(self) -> Collection[str]:
        return ()  # what its values mean stands in crm.stages
