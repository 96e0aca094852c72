"""The one HTTP session: what an answer means, timeouts, JSON, redaction. No vendor's rules.

A vendor's module passes `judge`, a function that looks at an answer and says what it means (`Verdict`):
HTTP status alone does not tell (Meta throttles with 400, Bitrix with 503, TikTok with 200). What it leaves
undecided is judged here by status. Whether and when to ask again is decided in `retrying`.

Messages never carry a query string or a cause that could: that is where some vendors want their tokens.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self, TypeAlias, TypedDict, Unpack, runtime_checkable
from urllib.parse import urlsplit

import orjson
import requests
from requests.auth import AuthBase

from dagster_project.wire.contract import AuthError, SourceError, Tally, VendorError
from dagster_project.wire.pacing import Pacer, retry_after_seconds
from dagster_project.wire.retrying import USUAL, Interrupted, LoginEnded, Persistence, Retries, is_passing

Json: TypeAlias = Any  # a parsed body: anything that JSON can say, so readers look before they take

CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS = 10, 120
CHUNK_BYTES = 1 << 16
_SHOWN_BYTES = 300  # of an answer, in a message
_LONGEST_NUMBER = 1000  # digits
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")  # in a body: half of a character, which may or may not have the other half
_SURROGATES = re.compile("[\ud800-\udfff]")  # in text: a half without the other
_BROKEN = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)
_SECRET_NAMES = r"(?:access_token|refresh_token|client_secret|api_token|api_key|token|key|authorization)"
_SECRETS = re.compile(rf"(?i)({_SECRET_NAMES}[\"']?\s*[=:]\s*[\"']?(?:bearer\s+)?|bearer\s+)([^\s\"'&,}}]{{6,}})")
# A body's signs by kind: what may come before a number outside of a text, digits, the rest.
_KINDS = bytes(
    ord("0") if chr(sign) in "0123456789" else ord(",") if chr(sign) in "[:,- \t\r\n" else ord("x")
    for sign in range(256)
)
_LONG_NUMBER = b"," + b"0" * 19  # a whole number that 64 bits may not hold: orjson would make a float of it


def redact(text: str) -> str:
    """`text` without what looks like a credential."""
    return _SECRETS.sub(r"\1(redacted)", text)


@dataclass(frozen=True)
class Verdict:
    """What an answer means.

    `wait_seconds`: wait and ask again (None = the usual back-off). With an `error` alone: raise it. With both: wait, and
    raise it where that would be too long. `is_login_ended`: renew the login and ask again, once; then raise `error`.
    """

    wait_seconds: float | None = None
    error: SourceError | None = None
    is_login_ended: bool = False

    def act(self, said: str) -> None:
        """Raises what comes of it: Interrupted (ask again) or the error. `said`: the answer, for a message."""
        if self.is_login_ended and self.error:
            raise LoginEnded(said, self.error)
        if self.error and self.wait_seconds is None:
            raise self.error
        raise Interrupted(said, self.wait_seconds, otherwise=self.error)


Judge = Callable[[requests.Response], Verdict | None]


@runtime_checkable
class Renewable(Protocol):
    """A login that can be made anew (see `oauth`)."""

    def forget(self) -> None:
        """It was refused: the next request signs in again."""


class Asking(TypedDict, total=False):
    """What requests takes for a call, as far as connectors use it."""

    params: Mapping[str, str | int]
    json: object
    data: Mapping[str, str] | bytes
    headers: Mapping[str, str]


def start_of(response: requests.Response) -> str:
    """The first characters of a body, for a message. Not `.text`: that guesses the encoding of all of it."""
    return redact(response.content[:_SHOWN_BYTES].decode("utf-8", "replace"))


class Http:
    """A session for one vendor: `request` returns a good answer or raises a `SourceError` for people to read.

    `auth` may be Renewable: a 401 then costs a fresh login and another attempt. Calls take a `pacer`, which every
    attempt waits for. Every attempt is counted in `tally`. `request`, `get_json` and `post_json` read bodies whole inside the
    retry, so a connection that breaks in the middle of a body is asked again; `stream` hands on what comes.
    """

    def __init__(
        self,
        source: str,
        base_url: str,
        tally: Tally,
        *,
        headers: Mapping[str, str] | None = None,
        auth: AuthBase | None = None,
        judge: Judge | None = None,
        sleep: Callable[[float], None] | None = None,
        persistence: Persistence = USUAL,
        read_timeout_seconds: float = READ_TIMEOUT_SECONDS,
    ) -> None:
        self.source, self.base_url, self.tally = source, base_url.rstrip("/"), tally
        self._judge, self._sleep, self._read_timeout = judge, sleep or tally.sleep, read_timeout_seconds
        self._is_renewable = isinstance(auth, Renewable)
        renew = auth.forget if isinstance(auth, Renewable) else None
        self._retries = Retries(tally, source=source, persistence=persistence, sleep=sleep, renew=renew)
        self.session = requests.Session()
        self.session.headers.update({"User-Agent": "funnelhouse", **(headers or {})})
        # Without an auth of its own, requests replaces the Authorization header by what ~/.netrc says.
        self.session.auth = auth or _as_it_is

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        base_url: str | None = None,
        pacer: Pacer | None = None,
        **asking: Unpack[Asking],
    ) -> requests.Response:
        """One good answer for `method path`, however many attempts it takes.

        Raises AuthError (401, 403), QuotaError (throttled for longer than we wait) or VendorError.
        """
        url = self._url(path, base_url)
        return self._retries.run(lambda: self._once(method, url, asking, pacer), _what(method, url))

    def get_json(
        self,
        path: str,
        *,
        base_url: str | None = None,
        pacer: Pacer | None = None,
        may_be_empty: bool = False,
        **asking: Unpack[Asking],
    ) -> Json:
        """The parsed body of a good answer. `may_be_empty`: a 204 is None; else it is asked again, as an empty 200."""
        return self._json("GET", self._url(path, base_url), asking, pacer, may_be_empty)

    def post_json(
        self,
        path: str,
        *,
        base_url: str | None = None,
        pacer: Pacer | None = None,
        may_be_empty: bool = False,
        **asking: Unpack[Asking],
    ) -> Json:
        """As `get_json`."""
        return self._json("POST", self._url(path, base_url), asking, pacer, may_be_empty)

    def stream(
        self, method: str, path: str, *, base_url: str | None = None, **asking: Unpack[Asking]
    ) -> Generator[bytes, None, None]:
        """The body of one good answer, in pieces as they arrive.

        Until the first piece this is `request`. After it, raises Interrupted when the body stops before its
        end: the reader knows what it has and asks for the rest, after `pause`.
        """
        url = self._url(path, base_url)
        response = self._retries.run(lambda: self._once(method, url, asking, is_stream=True), _what(method, url))
        received = 0
        try:
            for chunk in response.iter_content(CHUNK_BYTES):
                self.tally.check()
                received += len(chunk)
                yield chunk
        except _BROKEN as error:
            raise Interrupted(f"the connection failed after {received} bytes ({type(error).__name__})") from None
        finally:
            response.close()
            self.tally.receive(received)

    def pause(self, failures: int, interrupted: Interrupted, what: str | None = None) -> None:
        """As `Retries.pause`, for whoever reads a stream."""
        self._retries.pause(failures, interrupted, what or self.base_url)

    def _url(self, path: str, base_url: str | None) -> str:
        return f"{(base_url or self.base_url).rstrip('/')}{path}"

    def _json(self, method: str, url: str, asking: Asking, pacer: Pacer | None, may_be_empty: bool) -> Json:
        def ask() -> Json:
            response = self._once(method, url, asking, pacer)
            if may_be_empty and response.status_code == 204:
                return None
            if not response.content.strip():
                raise Interrupted(f"answered {response.status_code} with nothing at all")
            try:
                return parsed_json(response.content)
            except (ValueError, RecursionError):
                raise self._no_json(response, _what(method, url)) from None

        return self._retries.run(ask, _what(method, url))

    def _no_json(self, response: requests.Response, what: str) -> Exception:
        start = start_of(response)[:80]
        seen = f"answered {response.status_code} with a body that is not JSON (starts {start!r})"
        first = response.content.lstrip()[:1]
        if first in (b"{", b"["):  # JSON that was cut: asking again may help
            return Interrupted(seen)
        mend = "is the base URL right?"
        if first == b"<":
            mend += (
                " It is a web page: of a proxy, a firewall or a network that wants to be signed in to, "
                "or of another server than the vendor's API"
            )
        return VendorError(f"{what} {seen}; {mend}", source=self.source)

    def _once(
        self, method: str, url: str, asking: Asking, pacer: Pacer | None = None, *, is_stream: bool = False
    ) -> requests.Response:
        self.tally.check()
        if pacer:
            pacer.wait(self._sleep)
        left = self.tally.seconds_left()
        timeout = (min(CONNECT_TIMEOUT_SECONDS, left), min(self._read_timeout, left))
        try:
            response = self.session.request(method, url, timeout=timeout, stream=is_stream, **asking)
        except _BROKEN as error:
            self.tally.call()
            raise Interrupted(f"the connection failed ({type(error).__name__})") from None
        except requests.RequestException as error:
            raise VendorError(f"{_what(method, url)}: {type(error).__name__}", source=self.source) from None
        is_open = is_stream and response.status_code < 400
        try:
            self.tally.call(0 if is_open else len(response.content))
            verdict = self._judge(response) if self._judge else None
            if verdict is None:
                verdict = self._by_status(response)
            if verdict is not None:
                verdict.act(f"status {response.status_code}: {start_of(response)}")
        except _BROKEN as error:  # while the body of an error was read
            raise Interrupted(f"the connection failed ({type(error).__name__})") from None
        except Exception:
            response.close()
            raise
        return response

    def _by_status(self, response: requests.Response) -> Verdict | None:
        status, what = response.status_code, _what(response.request.method or "", response.url)
        if status < 400:
            return None
        if is_passing(status):
            return Verdict(wait_seconds=retry_after_seconds(response.headers))
        said = start_of(response)
        if status in (401, 403):
            refusal = AuthError(f"{what} was refused ({status}): {said}", source=self.source)
            return Verdict(error=refusal, is_login_ended=status == 401 and self._is_renewable)
        return Verdict(error=VendorError(f"{what} answered {status}: {said}", source=self.source))


def parsed_json(body: bytes) -> Json:
    """The JSON of a body. One odd value does not spoil it: bytes that are no text and halves of a character (an emoji
    that was cut in two) are U+FFFD, a number of thousands of digits is text. Raises ValueError, RecursionError."""
    if not body[:1].isdigit() and _LONG_NUMBER not in body.translate(_KINDS):
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError:  # what only Python's parser takes, or nobody
            pass
    parsed = json.loads(body.decode(json.detect_encoding(body), "replace"), parse_int=_whole_number)
    return _without_halves(parsed) if _HALF.search(body) else parsed


def _without_halves(value: Json) -> Json:
    if isinstance(value, str):
        return _SURROGATES.sub("\ufffd", value)
    if isinstance(value, list):
        return [_without_halves(item) for item in value]
    if isinstance(value, dict):
        return {_without_halves(name): _without_halves(item) for name, item in value.items()}
    return value


def _whole_number(digits: str) -> int | str:
    """Of a JSON body. Python refuses to convert thousands of digits: those stay text, and one bad cell."""
    return int(digits) if len(digits) <= _LONGEST_NUMBER else digits


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _what(method: str, url: str) -> str:
    parts = urlsplit(url)
    return f"{method} {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
