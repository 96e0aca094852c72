"""Who signs in to Search Console: a service account with its key, or a person by a refresh token. Nothing is stored."""

from __future__ import annotations

import json
import time
from functools import lru_cache
from typing import TYPE_CHECKING

import requests
from google.auth import crypt, jwt

from dagster_project.wire.contract import AuthError, ConfigError, Tally
from dagster_project.wire.http import Json, Verdict
from dagster_project.wire.oauth import AccessToken, Bearer, Grant, refresh_grant, shared_token

if TYPE_CHECKING:
    from dagster_project.sources.google_search_console.settings import SearchConsoleSettings

SOURCE = "google_search_console"
SCOPE = "https://www.googleapis.com/auth/webmasters.readonly"
_LIVES_SECONDS = 3600  # the most that Google takes


class KeyToken(AccessToken):
    """The token of a service account: each is asked for with a statement that its key signs anew.

    https://developers.google.com/identity/protocols/oauth2/service-account#httprest
    """

    def __init__(self, path: str, token_url: str) -> None:
        form = (("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),)
        super().__init__(Grant(SOURCE, token_url, form, judge=_judge, wrong_address="is GSC_TOKEN_URL right?"))
        self._signer, self.email = _key(path)
        self._token_url = token_url

    def _ask(self, tally: Tally) -> Json:
        now = int(time.time())
        claims = {"iss": self.email, "scope": SCOPE, "aud": self._token_url, "iat": now, "exp": now + _LIVES_SECONDS}
        self._form["assertion"] = jwt.encode(self._signer, claims).decode()
        return super()._ask(tally)


def bearer(settings: SearchConsoleSettings, tally: Tally) -> tuple[Bearer, str]:
    """What signs each call, and who that is, in words. Raises ConfigError for a key that is none."""
    if settings.key_file:
        token = _shared_key_token(settings.key_file, settings.token_url)
        return Bearer(token, tally), token.email
    secret, refresh = settings.client_secret, settings.refresh_token
    grant = refresh_grant(
        SOURCE,
        settings.token_url,
        client_id=settings.client_id or "",
        client_secret=secret.get_secret_value() if secret else "",
        refresh_token=refresh.get_secret_value() if refresh else "",
        judge=_judge,
        wrong_address="is GSC_TOKEN_URL right?",
    )
    return Bearer(shared_token(grant), tally), "the person whose refresh token this is"


@lru_cache(maxsize=8)
def _shared_key_token(path: str, token_url: str) -> KeyToken:
    return KeyToken(path, token_url)


def _key(path: str) -> tuple[crypt.RSASigner, str]:
    try:
        with open(path, encoding="utf-8") as file:
            key = json.load(file)
        return crypt.RSASigner.from_service_account_info(key), str(key["client_email"])
    except OSError as error:
        said = error.strerror or type(error).__name__
    except (ValueError, KeyError, TypeError):
        said = "it is no JSON key of a service account"
    raise ConfigError(
        f"the key {path} cannot be read: {said}; set GSC_CREDENTIALS_FILE to the file that Google Cloud gave for the service "
        "account",
        source=SOURCE,
    ) from None


def _judge(response: requests.Response) -> Verdict | None:
    if response.status_code not in (400, 401):
        return None
    try:
        answer = response.json()
        code, said = answer["error"], answer.get("error_description", "")
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    mend = (
        "with a refresh token: sign in again and put the new one in GSC_REFRESH_TOKEN; with a service account: is its key "
        "still there in Google Cloud, and this machine's clock right?"
    )
    return Verdict(error=AuthError(f"Google does not sign us in ({code}: {said}); {mend}", source=SOURCE))
