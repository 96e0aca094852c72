"""What Google Search Console is asked with: its variables, and who signs in."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import SecretStr, model_validator

from dagster_project.wire.variables import CommaList, Given, HostAddress, SourceSettings, WebAddress, variable

SearchType = Literal["web", "image", "video", "news", "discover", "googleNews"]
SEARCH_TYPES = ("web", "image", "video", "news", "discover", "googleNews")
_NO_FILE = "anonymous"  # what a sandbox of Analytics is signed in to with


class SearchConsoleSettings(SourceSettings):
    site_urls: CommaList = variable(
        "GSC_SITE_URLS",
        "properties as Search Console writes them, several separated by commas; each is read for itself",
        example="sc-domain:example.com",
    )
    credentials_file: str | None = variable(
        "GSC_CREDENTIALS_FILE", "the JSON key of a service account; that of GA4_CREDENTIALS_FILE unless set", None
    )
    client_id: str | None = variable("GSC_CLIENT_ID", "of an OAuth client, instead of a service account", None)
    client_secret: SecretStr | None = variable("GSC_CLIENT_SECRET", "of that client", None)
    refresh_token: SecretStr | None = variable("GSC_REFRESH_TOKEN", "with the scope webmasters.readonly", None)
    search_types: CommaList = variable("GSC_SEARCH_TYPES", ", ".join(SEARCH_TYPES), ["web"])
    base_url: HostAddress = variable("GSC_BASE_URL", "", "https://searchconsole.googleapis.com")
    token_url: WebAddress = variable("GSC_TOKEN_URL", "", "https://oauth2.googleapis.com/token")
    shared_credentials_file: str | None = None

    @classmethod
    def from_rules(cls, given: Given) -> dict[str, Any]:
        shared = given.environment.get("GA4_CREDENTIALS_FILE") or None
        return {"shared_credentials_file": None if shared == _NO_FILE else shared}

    @property
    def key_file(self) -> str | None:
        """The service account's key; None where an OAuth client signs in."""
        return None if self.client_id else self.credentials_file or self.shared_credentials_file

    @property
    def sites(self) -> list[str]:
        return list(dict.fromkeys(self.site_urls))

    @model_validator(mode="after")
    def _check(self) -> SearchConsoleSettings:
        for site in self.site_urls:
            if not re.fullmatch(r"sc-domain:[^\s/:]+|https?://\S+/", site):
                raise ValueError(
                    f"GSC_SITE_URLS {site!r} is no property; allowed are such as sc-domain:example.com or "
                    "https://www.example.com/ (with the slash at its end)"
                )
        for kind in self.search_types:
            if kind not in SEARCH_TYPES:
                raise ValueError(f"GSC_SEARCH_TYPES {kind!r}: allowed are {', '.join(SEARCH_TYPES)}")
        client = (self.client_id, self.client_secret, self.refresh_token)
        if any(client) and not all(client):
            raise ValueError("GSC_CLIENT_ID, GSC_CLIENT_SECRET and GSC_REFRESH_TOKEN belong together: set all three")
        if not self.client_id and not self.key_file:
            raise ValueError(
                "GSC_SITE_URLS is set, but nobody signs in: set GSC_CREDENTIALS_FILE, or GSC_CLIENT_ID, GSC_CLIENT_SECRET and "
                "GSC_REFRESH_TOKEN"
            )
        return self
