"""What Salesforce is asked with: its variables, and the names that an org gives to its own fields."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pydantic import BaseModel, ConfigDict, SecretStr

from dagster_project.wire.source import OwnRules
from dagster_project.wire.variables import Given, HostAddress, SourceSettings, WebAddress, variable


class SalesforceFields(BaseModel):
    """API names of an org's own fields; of leads and contacts, but for the last three, which are of opportunities.

    A field of the default name that an org has not is passed over; one that is named here has to be there.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    utm_source: str = "utm_source__c"
    utm_medium: str = "utm_medium__c"
    utm_campaign: str = "utm_campaign__c"
    utm_term: str = "utm_term__c"
    utm_content: str = "utm_content__c"
    gclid: str = "gclid__c"
    gbraid: str = "gbraid__c"
    wbraid: str = "wbraid__c"
    fbclid: str = "fbclid__c"
    yclid: str = "yclid__c"
    msclkid: str = "msclkid__c"
    ttclid: str = "ttclid__c"
    li_fat_id: str = "li_fat_id__c"
    ga_client_id: str = "ga_client_id__c"
    ym_client_id: str = "ym_client_id__c"
    self_reported_source: str = "how_did_you_hear_about_us__c"
    first_url: str = "first_page_url__c"
    last_url: str = "last_page_url__c"
    product: str = "product__c"
    refund_of: str = "refund_of__c"  # a lookup: the opportunity that this one gives back
    order_id: str = "order_id__c"  # the shop's order number


RULES = OwnRules("sources.salesforce", SalesforceFields, SalesforceFields())


class SalesforceSettings(SourceSettings):
    client_id: str = variable("SALESFORCE_CLIENT_ID", "the consumer key of the External Client App")
    client_secret: SecretStr = variable("SALESFORCE_CLIENT_SECRET", "its consumer secret")
    token_url: WebAddress = variable(
        "SALESFORCE_TOKEN_URL",
        "at your own domain (Setup > My Domain): login.salesforce.com does not take client credentials",
        example="https://yourcompany.my.salesforce.com/services/oauth2/token",
    )
    currency: str | None = variable(
        "SALESFORCE_CURRENCY",
        "of the amounts, where the org has one currency only (opportunities do not name it then)",
        None,
        example="EUR",
        pattern=r"^[A-Z]{3}$",
    )
    # The calls of 24 hours are common to all that work with the org: the rest is theirs.
    stop_at_percent: int = variable(
        "SALESFORCE_STOP_AT_PERCENT", "of the org's calls in 24 hours: we stop there", 80, ge=1, le=100
    )
    api_version: str = variable("SALESFORCE_API_VERSION", "", "v67.0", pattern=r"^v\d+\.0$")
    base_url: HostAddress | None = variable("SALESFORCE_BASE_URL", "else the one that the sign-in names", None)
    fields: SalesforceFields = SalesforceFields()

    @classmethod
    def from_rules(cls, given: Given) -> dict[str, Any]:
        return {"fields": given.rules.own(RULES.key)}

    def funnel_stages(self) -> Collection[str]:
        return ()  # what its values mean stands in crm.stages
