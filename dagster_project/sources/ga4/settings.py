"""What the GA4 Data API is asked with: its variables, and the rules that change what is asked."""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import model_validator

from dagster_project.rules.kinds import WEEKDAYS
from dagster_project.wire.variables import CommaList, Given, SourceSettings, is_loopback, variable


class Ga4Settings(SourceSettings):
    property_ids: CommaList = variable(
        "GA4_PROPERTY_ID", "the numeric property id; several separated by commas", example="123456789"
    )
    credentials_file: str = variable(
        "GA4_CREDENTIALS_FILE",
        "the JSON key of the service account",
        example="./service-account.json",
    )
    transport: Literal["grpc", "rest"] = variable("GA4_TRANSPORT", "grpc or rest", "grpc")
    client_id_dimension: str | None = variable(
        "GA4_CLIENT_ID_DIMENSION",
        "a registered client-id dimension switches session-level touches on",
        None,
        example="customUser:client_id",
    )
    quota_patience_seconds: float = variable(
        "GA4_QUOTA_PATIENCE_SECONDS",
        "how long a run may wait for a quota to return before it says so and stops",
        120,
        ge=0,
    )
    base_url: str | None = variable(
        "GA4_BASE_URL", "another endpoint: http://host:port speaks REST, host:port plain gRPC (loopback)", None
    )
    week_start: int = 0
    year_start: int = 1
    goals: tuple[str, ...] = ()

    @classmethod
    def from_rules(cls, given: Given) -> dict[str, Any]:
        reporting = given.rules.reporting
        return {
            "week_start": WEEKDAYS.index(reporting.week_start),
            "year_start": reporting.fiscal_year_start_month,
            "goals": given.rules.web.goals,
        }

    @model_validator(mode="after")
    def _check(self) -> Ga4Settings:
        for property_id in self.property_ids:
            if not property_id.isdigit():
                raise ValueError(
                    f"GA4_PROPERTY_ID {property_id!r} is not a numeric property id"
                    + (" (this is a Measurement ID; the property id is under Admin > Property details)"
                       if property_id.upper().startswith("G-") else "")
                )  # fmt: skip
        host = urlsplit(self.base_url if "//" in (self.base_url or "") else f"//{self.base_url or ''}").hostname or ""
        if self.credentials_file == "anonymous" and not is_loopback(str(host)):
            raise ValueError("GA4_CREDENTIALS_FILE=anonymous is allowed only with a loopback GA4_BASE_URL")
        if self.base_url and not self.base_url.startswith("https://") and not is_loopback(str(host)):
            raise ValueError(
                f"GA4_BASE_URL {self.base_url!r}: plain http or gRPC (host:port) is allowed only on loopback"
            )
        return self
