"""OAuth access tokens that renew themselves: by a refresh token or a client's own credentials. No vendor's words.

A token is asked for when it is needed, a minute before it ends, or after the vendor has refused it; by one thread, while
the others wait for it. All streams of a process that sign in with the same grant share one token.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase, HTTPBasicAuth

from dagster_project.wire.contract import Tally, VendorError
from dagster_project.wire.http import Http, Json, Judge

MARGIN_SECONDS = 60  # a token is renewed this long before it ends


@dataclass(frozen=True)
class Grant:
    """What a token is asked for with. `form`: the fields of the request, as pairs; secrets are in it.

    * `is_basic`: the client's id and secret go into an Authorization header and not into the form (Pinterest, Reddit).
    * `judge`: what the vendor's refusals mean; None leaves them to the status.
    * `wrong_address`: said where the answer has no token in it.
    """

    source: str
    token_url: str
    form: tuple[tuple[str, str], ...] = field(repr=False)
    is_basic: bool = False
    judge: Judge | None = None
    wrong_address: str = "is the token's URL right?"


def refresh_grant(
    source: str,
    token_url: str,
    *,
    client_id: str,
    client_secret: str,
    refresh_token: str,
    judge: Judge | None = None,
    wrong_address: str = "is the token's URL right?",
    is_basic: bool = False,
) -> Grant:
    """The grant of a person who has signed in once."""
    form = {
        "grant_type": "refresh_token",
        "client_id": client_id,
        "client_secret": client_secret,
        "refresh_token": refresh_token,
    }
    return Grant(source, token_url, tuple(form.items()), is_basic, judge, wrong_address)


class AccessToken:
    """The token of one grant; shared by the threads and streams of a process."""

    def __init__(self, grant: Grant, clock: Callable[[], float] = time.monotonic) -> None:
        self._grant, self._clock = grant, clock
        self._form = dict(grant.form)
        self._value, self._renew_at = "", -math.inf
        self._said: Mapping[str, Json] = {}
        self._lock = threading.Lock()

    def get(self, tally: Tally) -> str:
        """The token; asked for where there is none that still lives. Raises what the grant's judge says, VendorError."""
        with self._lock:
            if self._clock() >= self._renew_at:
                answer = self._ask(tally)
                self._value, lives_for = _token_of(answer, self._grant)
                self._renew_at = self._clock() + lives_for - MARGIN_SECONDS
                self._said = {name: value for name, value in answer.items() if not name.endswith("_token")}
                if isinstance(answer, dict) and isinstance(rotated := answer.get("refresh_token"), str) and rotated:
                    # Some give a new refresh token with each access token. It is good for this process alone: the one
                    # in the settings has to stay good, or the next run cannot sign in.
                    self._form["refresh_token"] = rotated
            return self._value

    def said(self, tally: Tally) -> Mapping[str, Json]:
        """What came with the token, but for tokens: where to ask, and who signed in."""
        self.get(tally)
        return self._said

    def forget(self, refused: str | None = None) -> None:
        """It was refused: the next request gets a new one, unless another thread has one already."""
        with self._lock:
            if refused in (None, self._value):
                self._renew_at = -math.inf

    def _ask(self, tally: Tally) -> Json:
        parts, form, auth = urlsplit(self._grant.token_url), dict(self._form), None
        if self._grant.is_basic:
            auth = HTTPBasicAuth(form.pop("client_id"), form.pop("client_secret"))
        host, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/") or "/token"
        with Http(self._grant.source, host, tally, judge=self._grant.judge, auth=auth) as http:
            return http.post_json(path, data=form)


@lru_cache(maxsize=32)
def shared_token(grant: Grant) -> AccessToken:
    """The process's one token for this grant: three streams sign in once, not three times."""
    return AccessToken(grant)


class Bearer(AuthBase):
    """Puts the current token on every attempt, so that a retry after a renewal uses the new one."""

    def __init__(self, token: AccessToken, tally: Tally) -> None:
        self._token, self._tally, self._sent = token, tally, ""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        self._sent = self._token.get(self._tally)
        request.headers["Authorization"] = f"Bearer {self._sent}"
        return request

    def forget(self) -> None:
        self._token.forget(self._sent)


def _token_of(answer: Json, grant: Grant) -> tuple[str, float]:
    """The token and the seconds that it lives for: until it is refused, where nothing is said. Shows no value."""
    token = answer.get("access_token") if isinstance(answer, dict) else None
    if not isinstance(answer, dict) or not isinstance(token, str) or not token:
        raise VendorError(
            f"the token endpoint answered without an access_token; {grant.wrong_address}", source=grant.source
        )
    said = answer.get("expires_in")
    try:
        return token, math.inf if said is None else float(said)
    except (TypeError, ValueError):
        return token, math.inf
