"""How calls to the Ads API are signed: OAuth 1.0a with HMAC-SHA1, over the address, its query and a form's fields.

https://docs.x.com/fundamentals/authentication/oauth-1-0a/creating-a-signature
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, urlsplit

import requests
from requests.auth import AuthBase

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Signed(AuthBase):
    """Signs each attempt anew: a nonce is taken once."""

    consumer_key: str
    consumer_secret: str = field(repr=False)
    token: str = field(repr=False)
    token_secret: str = field(repr=False)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        own = {
            "oauth_consumer_key": self.consumer_key,
            "oauth_nonce": secrets.token_hex(16),
            "oauth_signature_method": "HMAC-SHA1",
            "oauth_timestamp": str(int(time.time())),
            "oauth_token": self.token,
            "oauth_version": "1.0",
        }
        asked = parse_qsl(urlsplit(request.url or "").query, keep_blank_values=True)
        if request.headers.get("Content-Type") == FORM and request.body:
            body = request.body.decode() if isinstance(request.body, bytes) else str(request.body)
            asked += parse_qsl(body, keep_blank_values=True)
        own["oauth_signature"] = self.signature(request.method or "", request.url or "", [*asked, *own.items()])
        told = ", ".join(f'{_quoted(name)}="{_quoted(value)}"' for name, value in sorted(own.items()))
        request.headers["Authorization"] = f"OAuth {told}"
        return request

    def signature(self, method: str, url: str, parameters: Iterable[tuple[str, str]]) -> str:
        parts = urlsplit(url)
        address = f"{parts.scheme.lower()}://{parts.netloc.lower()}{parts.path}"
        written = "&".join(f"{name}={value}" for name, value in sorted((_quoted(n), _quoted(v)) for n, v in parameters))
        signed = "&".join((method.upper(), _quoted(address), _quoted(written)))
        key = f"{_quoted(self.consumer_secret)}&{_quoted(self.token_secret)}"
        return base64.b64encode(hmac.new(key.encode(), signed.encode(), hashlib.sha1).digest()).decode()


def _quoted(text: str) -> str:
    return quote(text, safe="~")
