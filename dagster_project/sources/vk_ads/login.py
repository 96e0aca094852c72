"""VK's tokens: an access has five for an account, whatever has become of them, and each process wants one.

A token is renewed in place by its refresh token: that makes no new one, but the old value dies at once. Where there are five,
they are deleted, and one is asked for anew; whoever had one of them is told that it is unknown, and does the same.

https://ads.vk.com/doc/api/info/Authorization
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from dagster_project.sources.vk_ads.answers import SOURCE, TokensUsedUp, judge_sign_in
from dagster_project.wire.contract import AuthError, Tally
from dagster_project.wire.http import Http, Json
from dagster_project.wire.oauth import AccessToken, Grant

if TYPE_CHECKING:
    from dagster_project.sources.vk_ads.settings import VkAdsSettings


class VkToken(AccessToken):
    """The token of one account. `client`: an agency's client; "" for the access's own account."""

    def __init__(self, token_url: str, client_id: str, client_secret: str, client: str) -> None:
        self._access = {"client_id": client_id, "client_secret": client_secret}
        self._client = client
        kind = "agency_client_credentials" if client else "client_credentials"
        whose = {"agency_client_name": client} if client else {}
        form = {"grant_type": kind, **self._access, **whose}
        super().__init__(
            Grant(
                SOURCE, token_url, tuple(form.items()), judge=judge_sign_in, wrong_address="is VK_ADS_TOKEN_URL right?"
            )
        )

    def _ask(self, tally: Tally) -> Json:
        form = dict(self._grant.form)
        if refresh := self._form.pop("refresh_token", None):
            renewal = {"grant_type": "refresh_token", "refresh_token": refresh, **self._access}
            try:
                return self._post(renewal, tally)
            except AuthError:  # deleted meanwhile
                pass
        try:
            return self._post(form, tally)
        except TokensUsedUp:
            tally.note(
                "VK Ads had five tokens of this access for one account, the most there may be: they were deleted"
            )
            self._delete(tally)
        try:
            return self._post(form, tally)
        except TokensUsedUp as still:
            raise AuthError(f"VK gives no token although its old ones were deleted: {still}", source=SOURCE) from None

    def _post(self, form: Mapping[str, str], tally: Tally) -> Json:
        host, path = self._address()
        with Http(SOURCE, host, tally, judge=judge_sign_in) as http:
            return http.post_json(path, data=form)

    def _delete(self, tally: Tally) -> None:
        host, path = self._address()
        whose = {"username": self._client} if self._client else {}
        with Http(SOURCE, host, tally, judge=judge_sign_in) as http:
            http.request("POST", path.replace("/token.json", "/token/delete.json"), data={**self._access, **whose})

    def _address(self) -> tuple[str, str]:
        parts = urlsplit(self._grant.token_url)
        return f"{parts.scheme}://{parts.netloc}", parts.path


def token_of(settings: VkAdsSettings, client: str) -> VkToken:
    """The process's one token for this account."""
    return _shared_token(settings.token_url, settings.client_id, settings.client_secret.get_secret_value(), client)


@lru_cache(maxsize=32)
def _shared_token(token_url: str, client_id: str, client_secret: str, client: str) -> VkToken:
    return VkToken(token_url, client_id, client_secret, client)
