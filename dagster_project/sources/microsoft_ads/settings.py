"""What Microsoft Advertising is asked with: its variables."""

from __future__ import annotations

from pydantic import SecretStr, model_validator

from dagster_project.wire.variables import CommaList, HostAddress, SourceSettings, WebAddress, variable


class MicrosoftAdsSettings(SourceSettings):
    developer_token: SecretStr = variable("MICROSOFT_ADS_DEVELOPER_TOKEN", "from the Developer Portal")
    client_id: str = variable("MICROSOFT_ADS_CLIENT_ID", "of an app registration in Microsoft Entra")
    client_secret: SecretStr | None = variable(
        "MICROSOFT_ADS_CLIENT_SECRET", "of a web app; a native app has none", None
    )
    refresh_token: SecretStr = variable("MICROSOFT_ADS_REFRESH_TOKEN", "of a user who may read the accounts")
    customer_id: str = variable(
        "MICROSOFT_ADS_CUSTOMER_ID", "`cid` in the address of the accounts page", example="1234567"
    )
    account_ids: CommaList = variable(
        "MICROSOFT_ADS_ACCOUNT_ID",
        "`aid` in the address of the campaigns page, not the account number; several separated by commas, each is read for itself",
        example="123456789",
    )
    api_version: str = variable("MICROSOFT_ADS_API_VERSION", "", "v13", pattern=r"^v\d+$")
    base_url: HostAddress = variable("MICROSOFT_ADS_BASE_URL", "", "https://reporting.api.bingads.microsoft.com")
    token_url: WebAddress = variable(
        "MICROSOFT_ADS_TOKEN_URL",
        "an app of one tenant has its own instead of `common`",
        "https://login.microsoftonline.com/common/oauth2/v2.0/token",
    )

    @property
    def accounts(self) -> list[str]:
        return list(dict.fromkeys(self.account_ids))

    @model_validator(mode="after")
    def _check(self) -> MicrosoftAdsSettings:
        named = [("MICROSOFT_ADS_ACCOUNT_ID", each) for each in self.account_ids]
        for name, value in (("MICROSOFT_ADS_CUSTOMER_ID", self.customer_id), *named):
            if not (value.isascii() and value.isdigit()):
                raise ValueError(
                    f"{name} {value!r} is no id; allowed are digits (an account number such as F123ABCD is none)"
                )
        return self
