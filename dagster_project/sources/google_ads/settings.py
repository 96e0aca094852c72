"""What Google Ads is asked with: its variables."""

from __future__ import annotations

from pydantic import SecretStr, model_validator

from dagster_project.wire.variables import CommaList, HostAddress, SourceSettings, WebAddress, variable


class GoogleAdsSettings(SourceSettings):
    client_id: str = variable("GOOGLE_ADS_CLIENT_ID", "of an OAuth client in the Google Cloud console")
    client_secret: SecretStr = variable("GOOGLE_ADS_CLIENT_SECRET", "of the same client")
    refresh_token: SecretStr = variable("GOOGLE_ADS_REFRESH_TOKEN", "of a user who may read the account")
    customer_ids: CommaList = variable(
        "GOOGLE_ADS_CUSTOMER_ID",
        "several separated by commas; a manager account stands for its clients",
        example="123-456-7890",
    )
    login_customer_id: str | None = variable(
        "GOOGLE_ADS_LOGIN_CUSTOMER_ID", "the manager account that grants access, if any", None
    )
    # a future API version may refuse it
    developer_token: SecretStr | None = variable(
        "GOOGLE_ADS_DEVELOPER_TOKEN", "not needed: ignored by Google since 9 September 2026; sent only when set", None
    )
    api_version: str = variable("GOOGLE_ADS_API_VERSION", "", "v26", pattern=r"^v\d+$")
    base_url: HostAddress = variable("GOOGLE_ADS_BASE_URL", "", "https://googleads.googleapis.com")
    token_url: WebAddress = variable("GOOGLE_OAUTH_TOKEN_URL", "", "https://oauth2.googleapis.com/token")

    @model_validator(mode="after")
    def _check(self) -> GoogleAdsSettings:
        for name, value in (*(("GOOGLE_ADS_CUSTOMER_ID", i) for i in self.customer_ids),
                            ("GOOGLE_ADS_LOGIN_CUSTOMER_ID", self.login_customer_id)):  # fmt: skip
            if value and not value.replace("-", "").isdigit():
                raise ValueError(f"{name} {value!r} is not a customer id; allowed are ten digits such as 123-456-7890")
        return self
