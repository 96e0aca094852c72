"""What Yandex.Metrica is asked with: its variables."""

from __future__ import annotations

from typing import Literal

from pydantic import SecretStr, model_validator

from dagster_project.wire.variables import CommaList, HostAddress, SourceSettings, variable

# The models that Metrica has kept since June 2026. It answers to an older name with 200 and the numbers of another model.
Attribution = Literal["cross_device_last_significant", "cross_device_first", "last", "automatic"]


class YandexMetrikaSettings(SourceSettings):
    token: SecretStr = variable("YANDEX_METRICA_TOKEN", "OAuth token with the right metrika:read")
    counter_ids: CommaList = variable(
        "YANDEX_METRICA_COUNTER_ID", "several separated by commas; each is read for itself", example="12345678"
    )
    attribution: Attribution = variable(
        "YANDEX_METRICA_ATTRIBUTION",
        "the model of its reports: cross_device_last_significant, cross_device_first, last or automatic; "
        "single visits keep their own origin whatever it is",
        "cross_device_last_significant",
    )
    base_url: HostAddress = variable("YANDEX_METRICA_BASE_URL", "", "https://api-metrika.yandex.net")

    @model_validator(mode="after")
    def _check(self) -> YandexMetrikaSettings:
        for counter_id in self.counter_ids:
            if not counter_id.isascii() or not counter_id.isdigit():
                raise ValueError(
                    f"YANDEX_METRICA_COUNTER_ID {counter_id!r} is not a counter's number; allowed are digits such as 12345678"
                )
        return self
