"""Calls to the GA4 Data API: the official client over gRPC or REST, its retries, quotas and errors.

The client keeps authentication, routing, transcoding and error classes; answers are taken as bytes and
decoded by `rows` (its own decoding makes an object of every value). It makes no retries itself: one method call is one
request. What came of it is told here, whether to ask again is decided in `wire.retrying` as for every vendor.
"""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import google.auth.exceptions
import grpc
import requests
from google.analytics.data_v1beta import BetaAnalyticsDataClient
from google.analytics.data_v1beta.services.beta_analytics_data.transports import (
    BetaAnalyticsDataGrpcTransport,
    BetaAnalyticsDataRestTransport,
)
from google.analytics.data_v1beta.types import BatchRunReportsRequest, RunReportRequest
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials, Credentials
from google.oauth2 import service_account

from dagster_project.sources.ga4.rows import Report, UnreadableAnswer, from_json, from_protobuf
from dagster_project.wire.contract import (
    AuthError,
    ConfigError,
    DriftError,
    QuotaError,
    SourceError,
    Tally,
    VendorError,
)
from dagster_project.wire.http import redact
from dagster_project.wire.retrying import Interrupted, LoginEnded, Persistence, Retries

if TYPE_CHECKING:
    from dagster_project.sources.ga4.settings import Ga4Settings

SCOPE = "https://www.googleapis.com/auth/analytics.readonly"
SERVICE = "google.analytics.data.v1beta.BetaAnalyticsData"
TIMEOUT_SECONDS = 180  # the client's 60 s are short for 250,000 rows
ATTEMPTS = 5  # 10 server errors an hour close the property to the project (quota page), so not many
FIRST_BACKOFF_SECONDS = CHANCE_SECONDS = 1.0  # for the same reason slower than usual
PACIFIC = ZoneInfo("America/Los_Angeles")  # the daily quota returns at midnight there
_BROKEN = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
    google.auth.exceptions.TransportError,
    exceptions.ServerError,
    exceptions.Cancelled,  # how gRPC shows a stream that was reset
    UnreadableAnswer,
)


@dataclass(frozen=True)
class Quota:
    """One of the API's quotas: its field in `propertyQuota`, its words in a 429, when to ask again."""

    name: str
    said: str
    ask_again_seconds: float | None  # None: not in this run
    returns: str


# Texts and pauses: recorded 429 bodies, and what other connectors wait (30 s; half an hour; an hour).
QUOTAS = (
    Quota("concurrent_requests", "concurrent requests", 30, "as soon as other requests to the property end"),
    Quota("potentially_thresholded_requests_per_hour", "potentially thresholded", 300, "within an hour"),
    Quota("server_errors_per_project_per_hour", "server errors", 3600, "within an hour"),
    Quota("tokens_per_project_per_hour", "tokens for a project per hour", 300, "within an hour"),
    Quota("tokens_per_hour", "tokens per hour", 300, "within an hour"),
    Quota("tokens_per_day", "tokens per day", None, "at midnight US Pacific time"),
)
UNNAMED_QUOTA = Quota("requests", "", 60, "usually within minutes")
_FORESEEN = {  # a call that these cannot pay for is not made
    "tokens_per_day",
    "tokens_per_hour",
    "tokens_per_project_per_hour",
    "potentially_thresholded_requests_per_hour",
}


class Ga4Client:
    """Runs reports of any property. One per read; a context manager. `sleep` is there for tests.

    Raises, from `run`: AuthError, QuotaError (used up for longer than GA4_QUOTA_PATIENCE_SECONDS), DriftError
    (a field that the API no longer knows), ConfigError, VendorError (all else, after retries).
    """

    def __init__(
        self,
        settings: Ga4Settings,
        tally: Tally,
        *,
        stream: str = "",
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        self._settings, self._tally = settings, tally
        self._where = {"source": "ga4", "stream": stream}
        persistence = Persistence(
            attempts=ATTEMPTS,
            first_seconds=FIRST_BACKOFF_SECONDS,
            chance_seconds=CHANCE_SECONDS,
            patience_seconds=settings.quota_patience_seconds,
        )
        self._retries = Retries(tally, **self._where, persistence=persistence, sleep=sleep, renew=self._sign_in_again)
        self._shortage: dict[str, Quota] = {}
        self._bodies = threading.local()
        self._client, self._is_rest = self._connect()

    def __enter__(self) -> Ga4Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.transport.close()

    def run(self, property_id: str, reports: Sequence[RunReportRequest]) -> list[Report]:
        """The answers to these reports, in order, by one API call (batchRunReports takes at most 5)."""
        return self._retries.run(lambda: self._once(property_id, reports), f"property {property_id}")

    def _sign_in_again(self) -> None:
        """A token that ran out in the middle of a read: sign a new one."""
        self._client.transport.close()
        self._client, self._is_rest = self._connect()

    # ---- one call ------------------------------------------------------------------------------------------

    def _once(self, property_id: str, reports: Sequence[RunReportRequest]) -> list[Report]:
        if quota := self._shortage.pop(property_id, None):
            self._wait_for(quota, property_id, "what is left does not pay for another request")
        try:
            payload = self._call(property_id, reports)
            self._tally.call(len(payload))
            if self._is_rest and payload.lstrip()[:1] == b"<":
                raise self._web_page(property_id, payload)
            decode = from_json if self._is_rest else from_protobuf
            answers = decode(payload, is_batch=len(reports) > 1)
        except exceptions.TooManyRequests as error:  # over gRPC its subclass ResourceExhausted
            self._tally.call()
            text = error.message or ""
            quota = next((quota for quota in QUOTAS if quota.said in text.lower()), UNNAMED_QUOTA)
            self._wait_for(quota, property_id, f"Google says: {redact(text).rstrip('. ')}")
        except _BROKEN as error:
            if not isinstance(error, UnreadableAnswer):  # that one was counted when it came
                self._tally.call()
            raise Interrupted(f"{type(error).__name__}: {redact(str(error))[:300]}") from error
        except (exceptions.Unauthorized, google.auth.exceptions.GoogleAuthError) as error:
            self._tally.call()  # over REST a 401 ends as RefreshError: the session cannot renew the token
            said = f"{type(error).__name__}: {redact(str(error))[:200]}"
            raise LoginEnded(said, self._no_login(property_id, said)) from error
        except exceptions.GoogleAPICallError as error:
            self._tally.call()
            raise self._refusal(error, property_id) from error
        if len(answers) != len(reports):
            raise Interrupted(f"{len(reports)} reports were asked for, {len(answers)} came")
        self._see_quota(property_id, answers)
        return answers

    def _call(self, property_id: str, reports: Sequence[RunReportRequest]) -> bytes:
        self._tally.check()
        timeout = min(TIMEOUT_SECONDS, self._tally.seconds_left())
        if len(reports) == 1:
            answer = self._client.run_report(reports[0], timeout=timeout)
        else:
            batch = BatchRunReportsRequest(property=f"properties/{property_id}", requests=reports)
            answer = self._client.batch_run_reports(batch, timeout=timeout)
        return self._bodies.__dict__.pop("body") if self._is_rest else answer

    def _refusal(self, error: exceptions.GoogleAPICallError, property_id: str) -> SourceError:
        said = redact(error.message or "")[:500]
        if isinstance(error, exceptions.Forbidden):
            return AuthError(
                f"property {property_id}: no permission. Add {self._account()} in GA4 under Admin > Property "
                "access management with the role Viewer, and enable the Google Analytics Data API in its "
                f"Cloud project. Google says: {said}",
                **self._where,
            )
        if invalid := re.search(r"Field (\S+) is not a valid (dimension|metric)", said):
            field, kind = invalid.groups()
            if field == self._settings.client_id_dimension:
                return ConfigError(
                    f"property {property_id} has no dimension {field!r} (GA4_CLIENT_ID_DIMENSION); register "
                    "it in GA4 under Admin > Custom definitions, or leave the variable empty",
                    **self._where,
                )
            return DriftError(
                f"property {property_id}: GA4 no longer knows the {kind} {field!r}. Google says: {said}",
                **self._where,
            )
        if isinstance(error, exceptions.NotFound):
            return ConfigError(
                f"property {property_id}: nothing answers at {self._settings.base_url or 'the API address'}; "
                f"is GA4_BASE_URL right? The answer: {said}",
                **self._where,
            )
        return VendorError(f"property {property_id}: the request was refused ({error.code}): {said}", **self._where)

    def _no_login(self, property_id: str, said: str) -> AuthError:
        return AuthError(
            f"property {property_id}: Google does not accept the credentials in GA4_CREDENTIALS_FILE; "
            f"make a new key for the service account and check this machine's clock ({said})",
            **self._where,
        )

    def _web_page(self, property_id: str, payload: bytes) -> VendorError:
        start = redact(payload[:80].decode("utf-8", "replace"))
        return VendorError(
            f"property {property_id}: the answer is a web page and no report (starts {start!r}): of a proxy, a "
            "firewall or a network that wants to be signed in to; is GA4_BASE_URL right?",
            **self._where,
        )

    # ---- quota ---------------------------------------------------------------------------------------------

    def _see_quota(self, property_id: str, answers: Sequence[Report]) -> None:
        """Note what is left, and whether it pays for another call like this one."""
        several = len(self._settings.property_ids) > 1
        for name in (quota.name for quota in QUOTAS):
            states = [getattr(a.head.property_quota, name) for a in answers if a.head.property_quota.HasField(name)]
            if not states:
                continue
            left, used = min(state.remaining for state in states), sum(state.consumed for state in states)
            self._tally.see_quota(**{f"{name}_remaining{f'_{property_id}' if several else ''}": left})
            if name in _FORESEEN and left < used:
                self._shortage[property_id] = next(quota for quota in QUOTAS if quota.name == name)

    def _wait_for(self, quota: Quota, property_id: str, why: str) -> NoReturn:
        """Ask again later if that is within what is left of the patience. Raises Interrupted or QuotaError."""
        seconds = quota.ask_again_seconds
        used_up = QuotaError(
            f"property {property_id}: the quota {quota.name} is used up; it returns {quota.returns}. {why}. "
            "What was loaded before is untouched; run again then, or let runs wait longer by "
            "GA4_QUOTA_PATIENCE_SECONDS",
            retry_after_seconds=_seconds_to_pacific_midnight() if seconds is None else max(seconds, 60),
            **self._where,
        )
        if seconds is None:
            raise used_up
        raise Interrupted(f"quota {quota.name}: {why}", seconds, is_quota=True, otherwise=used_up)

    # ---- connection ----------------------------------------------------------------------------------------

    def _connect(self) -> tuple[BetaAnalyticsDataClient, bool]:
        """The client, and whether it speaks REST. Nothing is sent yet."""
        base_url = self._settings.base_url or ""
        is_rest = "//" in base_url or (self._settings.transport == "rest" and not base_url)
        host = urlsplit(base_url if "//" in base_url else f"//{base_url}").hostname or ""
        is_loopback = host in ("localhost", "::1") or host.startswith("127.")
        if base_url and not is_loopback and not base_url.startswith("https://"):
            raise ConfigError(
                f"GA4_BASE_URL {base_url!r} is not encrypted; allowed are https://… and a loopback address",
                **self._where,
            )
        if self._settings.transport == "rest" and not is_rest:
            raise ConfigError(
                f"GA4_TRANSPORT=rest needs GA4_BASE_URL with its scheme, such as http://{base_url}",
                **self._where,
            )
        transport = self._rest(base_url, is_loopback) if is_rest else self._grpc(base_url)
        return BetaAnalyticsDataClient(transport=transport), is_rest

    def _grpc(self, address: str) -> BetaAnalyticsDataGrpcTransport:
        if address:
            options = [("grpc.max_receive_message_length", -1), ("grpc.enable_http_proxy", 0)]
            return _BytesOverGrpc(channel=grpc.insecure_channel(address, options=options))
        return _BytesOverGrpc(credentials=self._credentials(is_loopback=False), always_use_jwt_access=True)

    def _rest(self, base_url: str, is_loopback: bool) -> BetaAnalyticsDataRestTransport:
        parts = urlsplit(base_url or "https://analyticsdata.googleapis.com")
        transport = BetaAnalyticsDataRestTransport(
            host=parts.netloc,
            url_scheme=parts.scheme,
            credentials=self._credentials(is_loopback),
            always_use_jwt_access=True,
        )
        session = transport._session  # no public way leads to the bytes; tests notice if this one moves
        session.hooks["response"].append(self._keep_body)
        session.trust_env = not is_loopback  # no proxy between us and ourselves
        return transport

    def _keep_body(self, response: requests.Response, **_: object) -> requests.Response:
        """Keep the bytes of a good answer; the client gets an empty one to parse."""
        if response.status_code >= 400:
            return response
        self._bodies.body = response.content
        empty = requests.Response()
        empty.status_code, empty.headers, empty.url = response.status_code, response.headers, response.url
        empty.request, empty.raw = response.request, io.BytesIO(b"{}")
        return empty

    def _credentials(self, is_loopback: bool) -> Credentials:
        path = self._settings.credentials_file
        if path == "anonymous":
            if not is_loopback:
                raise ConfigError(
                    "GA4_CREDENTIALS_FILE=anonymous is allowed only with a loopback GA4_BASE_URL; "
                    "give the path of a service account's key file",
                    **self._where,
                )
            return AnonymousCredentials()
        try:
            return service_account.Credentials.from_service_account_file(path, scopes=[SCOPE])
        except OSError as error:
            raise ConfigError(
                f"GA4_CREDENTIALS_FILE {path!r} cannot be read: {error.strerror}", **self._where
            ) from error
        except (ValueError, google.auth.exceptions.GoogleAuthError) as error:
            raise ConfigError(
                f"GA4_CREDENTIALS_FILE {path!r} is not the JSON key of a service account "
                "(Google Cloud console > IAM > Service accounts > Keys)",
                **self._where,
            ) from error

    def _account(self) -> str:
        if self._settings.credentials_file == "anonymous":
            return "the service account"
        return str(getattr(self._credentials(is_loopback=False), "service_account_email", "the service account"))


class _BytesOverGrpc(BetaAnalyticsDataGrpcTransport):
    """The client's gRPC transport with reports left as bytes."""

    @cached_property
    def run_report(self) -> Callable[..., bytes]:  # type: ignore[override]  # not parsed: that is what it is for
        return self._stub("RunReport", RunReportRequest)

    @cached_property
    def batch_run_reports(self) -> Callable[..., bytes]:  # type: ignore[override]
        return self._stub("BatchRunReports", BatchRunReportsRequest)

    def _stub(
        self, method: str, request: type[RunReportRequest] | type[BatchRunReportsRequest]
    ) -> Callable[..., bytes]:
        return self.grpc_channel.unary_unary(
            f"/{SERVICE}/{method}", request_serializer=request.serialize, response_deserializer=None
        )


def _seconds_to_pacific_midnight() -> float:
    now = datetime.now(UTC).astimezone(PACIFIC)
    midnight = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), PACIFIC)
    return (midnight - now).total_seconds()
