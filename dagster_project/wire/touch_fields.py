"""What a CRM keeps of how a person came, in fields that each company makes and names for itself."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class TouchFields(BaseModel):
    """The names of those fields at the source; unless said otherwise they are called what they hold."""

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
    self_reported_source: str = "self_reported_source"
