"""What WooCommerce is asked with: the addresses of the shops and a key for each."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from dagster_project.wire.variables import SourceSettings, variable, web_address


def _addresses(value: object) -> object:
    return [part.strip().rstrip("/") for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Sites = Annotated[list[Annotated[str, AfterValidator(web_address)]], BeforeValidator(_addresses), Field(min_length=1)]


class WooCommerceSettings(SourceSettings):
    sites: Sites = variable(
        "WOOCOMMERCE_SITE",
        "address of the shop's WordPress; several separated by commas",
        example="https://shop.example.com",
    )
    consumer_key: SecretStr = variable(
        "WOOCOMMERCE_CONSUMER_KEY", "ck_… of a key that may read; one for each site, in their order"
    )
    consumer_secret: SecretStr = variable("WOOCOMMERCE_CONSUMER_SECRET", "cs_… of the same keys, in the same order")

    @model_validator(mode="after")
    def _a_key_for_each(self) -> WooCommerceSettings:
        for name, given in (("KEY", self.consumer_key), ("SECRET", self.consumer_secret)):
            if (count := len(_parts(given))) != len(self.sites):
                raise ValueError(
                    f"WOOCOMMERCE_CONSUMER_{name} has {count} values for {len(self.sites)} sites of WOOCOMMERCE_SITE; "
                    "allowed is one for each, in the same order"
                )
        return self

    def login(self, site: str) -> tuple[str, str]:
        place = self.sites.index(site)
        return _parts(self.consumer_key)[place], _parts(self.consumer_secret)[place]


def _parts(secret: SecretStr) -> list[str]:
    return [part.strip() for part in secret.get_secret_value().split(",") if part.strip()]
