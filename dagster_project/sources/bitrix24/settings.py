"""What Bitrix24 is asked with: its variables, and the names that a company gives to its own fields."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr, field_validator

from dagster_project.wire.source import OwnRules
from dagster_project.wire.touch_fields import TouchFields
from dagster_project.wire.variables import Given, HostAddress, SourceSettings, variable, web_address


class Bitrix24Fields(TouchFields):
    """Names (or codes, ufCrm_…) of Bitrix24 fields that companies make for themselves; utm_* are fields of its own."""

    country: str = "country"
    product: str = "product"
    refund_of_deal_id: str = "refund_of_deal_id"
    order_id: str | None = None  # of deals: the shop's order number, GA4's transaction_id


RULES = OwnRules("sources.bitrix24", Bitrix24Fields, Bitrix24Fields())


class Bitrix24Settings(SourceSettings):
    webhook_url: SecretStr = variable(
        "BITRIX24_WEBHOOK_URL",
        "of an incoming webhook, as Bitrix24 shows it; several separated by commas",
        example="https://yourcompany.bitrix24.ru/rest/1/abcdefghijklmnop/",
    )
    base_url: HostAddress | None = variable("BITRIX24_BASE_URL", "another endpoint, for all portals", None)
    fields: Bitrix24Fields = Bitrix24Fields()

    @field_validator("webhook_url")
    @classmethod
    def _is_a_webhook(cls, given: SecretStr) -> SecretStr:
        for url in _urls(given):
            parts = [part for part in urlsplit(web_address(url)).path.split("/") if part]
            if len(parts) < 3:
                raise ValueError("allowed is the webhook's whole address, https://<portal>/rest/<user>/<code>/")
        return given

    @property
    def webhooks(self) -> dict[str, str]:
        """Portal -> path of its webhook, which holds the secret."""
        return {urlsplit(url).netloc: urlsplit(url).path.rstrip("/") for url in _urls(self.webhook_url)}

    def address(self, portal: str) -> str:
        return self.base_url or next(
            f"{urlsplit(url).scheme}://{portal}" for url in _urls(self.webhook_url) if urlsplit(url).netloc == portal
        )

    @classmethod
    def from_rules(cls, given: Given) -> dict[str, Any]:
        return {"fields": given.rules.own(RULES.key)}

    def funnel_stages(self) -> Collection[str]:
        return ()  # what its values mean stands in crm.stages


def _urls(given: SecretStr) -> list[str]:
    return [part.strip() for part in given.get_secret_value().split(",") if part.strip()]
