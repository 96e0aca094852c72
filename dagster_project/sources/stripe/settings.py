"""What Stripe is asked with: a key for each account, and which keys of its metadata a company fills."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, SecretStr, model_validator

from dagster_project.wire.source import OwnRules
from dagster_project.wire.variables import CommaList, Given, HostAddress, SourceSettings, variable


class StripeMetadata(BaseModel):
    """Keys of a charge's metadata by what they hold. Only those that are named are read: others may be personal."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    order_id: str | None = None  # the shop's number of the order, GA4's transaction_id
    lead_id: str | None = None
    deal_id: str | None = None
    product: str | None = None
    utm_source: str | None = None
    utm_medium: str | None = None
    utm_campaign: str | None = None
    utm_term: str | None = None
    utm_content: str | None = None


RULES = OwnRules("sources.stripe.metadata", StripeMetadata, StripeMetadata())


class StripeSettings(SourceSettings):
    api_key: SecretStr = variable(
        "STRIPE_API_KEY", "restricted live key (rk_live_…); several accounts: one for each, separated by commas"
    )
    accounts: CommaList = variable(
        "STRIPE_ACCOUNT", "names of your own for the accounts, in the order of the keys", ["stripe"]
    )
    api_version: str = variable(
        "STRIPE_API_VERSION",
        "version that answers are written in",
        "2026-10-28.endive",
        pattern=r"^\d{4}-\d\d-\d\d(\.\w+)?$",
    )
    base_url: HostAddress = variable("STRIPE_BASE_URL", "another endpoint", "https://api.stripe.com")
    metadata: StripeMetadata = StripeMetadata()

    @model_validator(mode="after")
    def _a_live_key_for_each(self) -> StripeSettings:
        if len(self.keys) != len(self.accounts):
            raise ValueError(
                f"STRIPE_API_KEY has {len(self.keys)} keys for {len(self.accounts)} accounts of STRIPE_ACCOUNT; allowed is "
                "one for each, in the same order"
            )
        if any("_test_" in key for key in self.keys):
            raise ValueError(
                "STRIPE_API_KEY is a key of test mode, where no money moves; allowed is a live key (rk_live_…)"
            )
        return self

    @property
    def keys(self) -> list[str]:
        return [part.strip() for part in self.api_key.get_secret_value().split(",") if part.strip()]

    @classmethod
    def from_rules(cls, given: Given) -> dict[str, Any]:
        return {"metadata": given.rules.own(RULES.key)}
