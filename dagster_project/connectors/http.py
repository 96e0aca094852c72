"""The one HTTP session: retries, throttling in the vendor's dialect, timeouts, redaction. No vendor's rules.

A vendor's module passes `judge`, a function that looks at an answer and says what it means (`Verdict`):
HTTP status alone does not tell (Meta throttles with 400, Bitrix with 503, TikTok with 200). What it leaves
undecided is judged here by status.

Messages never carry a query string or a cause that could: that is where some vendors want their tokens.
"""

from __future__ import annotations

import json
import logging
import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase

from dagster_project.connectors.contract import AuthError, QuotaError, SourceError, Tally, VendorError

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS = 10, 120
ATTEMPTS = 6  # with the back-off below: about 16 s of trouble are ridden out, longer ones are the next run's
LONGEST_BACKOFF_SECONDS = 60
PATIENCE_SECONDS = 120  # a vendor that asks to wait longer than this gets a QuotaError instead of a sleeping run
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
_Answer = TypeVar("_Answer")


def redact(text: str) -> str:
    """`text` without what looks like a credential."""
    return _SECRETS.sub(r"\1(redacted)", text)


@dataclass(frozen=True)
class Verdict:
    """What an answer means: `wait` seconds and ask again (None = the usual back-off), or raise `error`."""

    wait_seconds: float | None = None
    error: SourceError | None = None


class Interrupted(Exception):
    """An answer did not come, or not to its end: ask again, after `wait_seconds` if the vendor said so."""

    def __init__(self, why: str, wait_seconds: float | None = None) -> None:
        super().__init__(why)
        self.wait_seconds = wait_seconds


Judge = Callable[[requests.Response], Verdict | None]


def start_of(response: requests.Response) -> str:
    """The first characters of a body, for a message. Not `.text`: that guesses the encoding of all of it."""
    return redact(response.content[:_SHOWN_BYTES].decode("utf-8", "replace"))


def retry_after_seconds(response: requests.Response) -> float | None:
    """The `Retry-After` header in seconds; None where it is absent or a date (no vendor here sends dates)."""
    value = response.headers.get("Retry-After", "")
    return float(value) if re.fullmatch(r"\d+(\.\d+)?", value) else None


def back_off_seconds(failures: int) -> float:
    """How long to wait after this many failures in a row: 0.5, 1, 2, 4 … s, and up to 0.5 s of chance."""
    return min(LONGEST_BACKOFF_SECONDS, 0.5 * 2 ** (failures - 1)) + random.uniform(0, 0.5)


class Http:
    """A session for one vendor: `request` returns a good answer or raises a `SourceError` for people to read.

    Every attempt is counted in `tally`. `request`, `get_json` and `post_json` read bodies whole inside the
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
        attempts: int = ATTEMPTS,
        patience_seconds: float = PATIENCE_SECONDS,
        read_timeout_seconds: float = READ_TIMEOUT_SECONDS,
    ) -> None:
        self.source, self.base_url, self.tally = source, base_url.rstrip("/"), tally
        self.patience_seconds = patience_seconds
        self._judge, self._sleep, self._attempts = judge, sleep or tally.sleep, attempts
        self._read_timeout = read_timeout_seconds
        self.session = requests.Session()
        self.session.headers.update({"User-Agent": "funnelhouse", **(headers or {})})
        # Without an auth of its own, requests replaces the Authorization header by what ~/.netrc says.
        self.session.auth = auth or _as_it_is

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()

    def request(self, method: str, path: str, *, base_url: str | None = None, **kwargs: Any) -> requests.Response:
        """One good answer for `method path`, however many attempts it takes.

        Raises AuthError (401, 403), QuotaError (throttled for longer than we wait) or VendorError.
        """
        url = self._url(path, base_url)
        return self._retried(method, url, lambda: self._once(method, url, **kwargs))

    def get_json(self, path: str, *, base_url: str | None = None, **kwargs: Any) -> Any:
        return self._json("GET", self._url(path, base_url), **kwargs)

    def post_json(self, path: str, *, base_url: str | None = None, **kwargs: Any) -> Any:
        return self._json("POST", self._url(path, base_url), **kwargs)

    def stream(self, method: str, path: str, *, base_url: str | None = None, **kwargs: Any) -> Iterator[bytes]:
        """The body of one good answer, in pieces as they arrive.

        Until the first piece this is `request`. After it, raises Interrupted when the body stops before its
        end: the reader knows what it has and asks for the rest, after `pause`.
        """
        url = self._url(path, base_url)
        response = self._retried(method, url, lambda: self._once(method, url, stream=True, **kwargs))
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
        """Waits before the next attempt; raises VendorError or QuotaError where waiting makes no sense.

        `failures`: how many attempts in a row have failed, this one included.
        """
        what = what or self.base_url
        if failures >= self._attempts:
            raise VendorError(
                f"{what} still fails after {failures} attempts: {interrupted}", source=self.source
            ) from None
        wait = interrupted.wait_seconds
        if wait is not None and wait > min(self.patience_seconds, self.tally.seconds_left()):
            raise QuotaError(
                f"{what}: the vendor asks to wait {wait:.0f} s; run again after that "
                "(what was loaded before is untouched)",
                retry_after_seconds=wait,
                source=self.source,
            ) from None
        wait = back_off_seconds(failures) if wait is None else wait
        self.tally.retry()
        log.info("%s: attempt %d failed (%s); again in %.1f s", self.source, failures, interrupted, wait)
        self._sleep(wait)

    def _url(self, path: str, base_url: str | None) -> str:
        return f"{(base_url or self.base_url).rstrip('/')}{path}"

    def _retried(self, method: str, url: str, ask: Callable[[], _Answer]) -> _Answer:
        for failures in count(1):
            try:
                return ask()
            except Interrupted as interrupted:
                self.pause(failures, interrupted, _what(method, url))
        raise AssertionError("unreachable: pause raises in the end")

    def _json(self, method: str, url: str, **kwargs: Any) -> Any:
        def ask() -> Any:
            response = self._once(method, url, **kwargs)
            if not response.content.strip():
                raise Interrupted(f"answered {response.status_code} with nothing at all")
            try:
                return parsed_json(response.content)
            except (ValueError, RecursionError):
                start = start_of(response)[:80]
                seen = f"answered {response.status_code} with a body that is not JSON (starts {start!r})"
                first = response.content.lstrip()[:1]
                if first in (b"{", b"["):  # JSON that was cut: asking again may help
                    raise Interrupted(seen) from None
                mend = "is the base URL right?"
                if first == b"<":
                    mend += (
                        " It is a web page: of a proxy, a firewall or a network that wants to be signed in to, "
                        "or of another server than the vendor's API"
                    )
                raise VendorError(f"{_what(method, url)} {seen}; {mend}", source=self.source) from None

        return self._retried(method, url, ask)

    def _once(self, method: str, url: str, *, stream: bool = False, **kwargs: Any) -> requests.Response:
        self.tally.check()
        left = self.tally.seconds_left()
        timeout = (min(CONNECT_TIMEOUT_SECONDS, left), min(self._read_timeout, left))
        try:
            response = self.session.request(method, url, timeout=timeout, stream=stream, **kwargs)
        except _BROKEN as error:
            self.tally.call()
            raise Interrupted(f"the connection failed ({type(error).__name__})") from None
        except requests.RequestException as error:
            raise VendorError(f"{_what(method, url)}: {type(error).__name__}", source=self.source) from None
        is_open = stream and response.status_code < 400
        try:
            self.tally.call(0 if is_open else len(response.content))
            verdict = self._judge(response) if self._judge else None
            if verdict is None:
                verdict = self._by_status(response)
            if verdict is not None:
                raise verdict.error or Interrupted(
                    f"status {response.status_code}: {start_of(response)}", verdict.wait_seconds
                )
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
        if status == 429 or status in (408, 425, 423) or status >= 500:
            return Verdict(wait_seconds=retry_after_seconds(response))
        said = start_of(response)
        if status in (401, 403):
            return Verdict(error=AuthError(f"{what} was refused ({status}): {said}", source=self.source))
        return Verdict(error=VendorError(f"{what} answered {status}: {said}", source=self.source))


def parsed_json(body: bytes) -> Any:
    """The JSON of a body. One odd value does not spoil it: bytes that are no text and halves of a character (an emoji
    that was cut in two) are U+FFFD, a number of thousands of digits is text. Raises ValueError, RecursionError."""
    parsed = json.loads(body.decode(json.detect_encoding(body), "replace"), parse_int=_whole_number)
    return _without_halves(parsed) if _HALF.search(body) else parsed


def _without_halves(value: Any) -> Any:
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
