"""What Shopify is asked with: its variables, and whether buyers are to be known by their e-mail."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, SecretStr, model_validator

from dagster_project.wire.source import OwnRules
from dagster_project.wire.variables import CommaList, Given, HostAddress, SourceSettings, variable


class ShopifyRules(BaseModel):
    """`email`: ask for the buyer's address, of which only the keyed hash is kept. Shopify counts it as protected data, which
    an app must be allowed to read apart from orders."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    email: bool = False


RULES = OwnRules("sources.shopify", ShopifyRules, ShopifyRules())


class ShopifySettings(SourceSettings):
    shops: CommaList = variable(
        "SHOPIFY_SHOP", "the part before .myshopify.com; several separated by commas", example="kontorra"
    )
    access_token: SecretStr | None = variable(
        "SHOPIFY_ACCESS_TOKEN",
        "shpat_… of an app made before 2026; one for each shop, in their order; without it, the client id and secret",
        None,
    )
    client_id: str | None = variable("SHOPIFY_CLIENT_ID", "of an app of the Dev Dashboard that all shops have", None)
    client_secret: SecretStr | None = variable("SHOPIFY_CLIENT_SECRET", "of the same app", None)
    api_version: str = variable(
        "SHOPIFY_API_VERSION",
        "version of the Admin API; each is supported for a year",
        "2026-10",
        pattern=r"^(\d{4}-(01|04|07|10)|unstable)$",
    )
    base_url: HostAddress | None = variable("SHOPIFY_BASE_URL", "another endpoint, for all shops", None)
    rules: ShopifyRules = ShopifyRules()

    @model_validator(mode="after")
    def _a_login_for_each(self) -> ShopifySettings:
        if self.access_token is None and not (self.client_id and self.client_secret):
            raise ValueError("SHOPIFY_ACCESS_TOKEN is not set, nor are SHOPIFY_CLIENT_ID and SHOPIFY_CLIENT_SECRET")
        if self.access_token is not None and len(self.tokens) != len(self.shops):
            raise ValueError(
                f"SHOPIFY_ACCESS_TOKEN has {len(self.tokens)} tokens for {len(self.shops)} shops of SHOPIFY_SHOP; "
                "allowed is one for each, in the same order"
            )
        return self

    @property
    def tokens(self) -> list[str]:
        given = self.access_token.get_secret_value() if self.access_token else ""
        return [part.strip() for part in given.split(",") if part.strip()]

    def token_of(self, shop: str) -> str | None:
        """The lasting token of a shop; None: one is asked for with the client's id and secret."""
        return dict(zip(self.shops, self.tokens, strict=True)).get(shop) if self.tokens else None

    def address(self, shop: str) -> str:
        return self.base_url or f"https://{shop}.myshopify.com"

    @classmethod
    def from_rules(cls, given: Given) -> dict[str, Any]:
        return {"rules": given.rules.own(RULES.key)}
