"""What Yandex.Direct is asked with: its variables, and which goals count as conversions, by which model, with or without VAT."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, SecretStr, field_validator, model_validator

from dagster_project.wire.source import OwnRules
from dagster_project.wire.variables import CommaList, Given, HostAddress, SourceSettings, variable

# Since June 2026 the other codes (FC, LSC, LYDC, LYDCCD) stand for models that were merged into these.
Attribution = Literal["AUTO", "LSCCD", "FCCD", "LC"]


class DirectRules(BaseModel):
    """`goals`: numbers of Metrica's goals, each of which becomes rows of its own. `include_vat`: cost with VAT in it; the
    row says which it is. What is changed holds for days that are read from then on."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    goals: tuple[str, ...] = ()
    attribution: Attribution = "AUTO"
    include_vat: bool = False

    @field_validator("goals")
    @classmethod
    def _numbers(cls, goals: tuple[str, ...]) -> tuple[str, ...]:
        for goal in goals:
            if not re.fullmatch(r"[0-9]+", goal):
                raise ValueError(f"{goal!r} is not a goal's number; allowed are digits such as 20002")
        return tuple(dict.fromkeys(goals))


RULES = OwnRules("sources.yandex_direct", DirectRules, DirectRules())


class DirectSettings(SourceSettings):
    token: SecretStr = variable("YANDEX_DIRECT_TOKEN", "OAuth token with the right direct:api")
    client_logins: CommaList = variable(
        "YANDEX_DIRECT_CLIENT_LOGIN",
        "login of the advertiser, also where it is the token's own; several separated by commas, each is read for itself",
        example="my-company",
    )
    api_version: str = variable(
        "YANDEX_DIRECT_API_VERSION", "v5 leaves out unified campaigns' ads", "v501", pattern=r"^v\d+$"
    )
    base_url: HostAddress = variable("YANDEX_DIRECT_BASE_URL", "", "https://api.direct.yandex.com")
    rules: DirectRules = DirectRules()

    @classmethod
    def from_rules(cls, given: Given) -> dict[str, Any]:
        return {"rules": given.rules.own(RULES.key)}

    @property
    def logins(self) -> list[str]:
        """As Yandex writes them (a dot in a login is a hyphen), each once: two spellings are one account."""
        return list(dict.fromkeys(login.lower().replace(".", "-") for login in self.client_logins))

    @model_validator(mode="after")
    def _check(self) -> DirectSettings:
        for login in self.client_logins:
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", login):
                raise ValueError(
                    f"YANDEX_DIRECT_CLIENT_LOGIN {login!r} is no login; allowed are letters, digits, dots and hyphens, "
                    "without the @ and what follows it"
                )
        return self
