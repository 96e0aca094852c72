"""What Yandex.Webmaster is asked with: its variables, and how sites are called."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from pydantic import SecretStr, model_validator

from dagster_project.wire.variables import CommaList, HostAddress, SourceSettings, variable

_ID = re.compile(r"(https?):([^\s:/]+):(\d+)")
_PORTS = {"http": 80, "https": 443}


class WebmasterSettings(SourceSettings):
    token: SecretStr = variable("YANDEX_WEBMASTER_TOKEN", "OAuth token with the right webmaster:hostinfo")
    host_names: CommaList = variable(
        "YANDEX_WEBMASTER_HOSTS",
        "addresses of sites, or their ids in Webmaster; several separated by commas, each is read for itself",
        example="https://example.com",
    )
    base_url: HostAddress = variable("YANDEX_WEBMASTER_BASE_URL", "", "https://api.webmaster.yandex.net")

    @property
    def hosts(self) -> list[str]:
        """Ids as Webmaster writes them, such as https:example.com:443; each once."""
        return list(dict.fromkeys(_id_of(name) for name in self.host_names))

    @model_validator(mode="after")
    def _check(self) -> WebmasterSettings:
        for name in self.host_names:
            _id_of(name)
        return self


def _id_of(name: str) -> str:
    if _ID.fullmatch(name):
        return name
    parts = urlsplit(name)
    if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ValueError(
            f"YANDEX_WEBMASTER_HOSTS {name!r} is no site; allowed are such as https://example.com or https:example.com:443"
        )
    return f"{parts.scheme}:{parts.hostname}:{parts.port or _PORTS[parts.scheme]}"
