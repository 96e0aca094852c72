"""The sandbox's GA4 Data API v1beta over REST and gRPC: its methods, its quota, its switches.

What may be asked stands in `requests.py`, what a report says in `reports.py`, how it looks on the
wire in `answers.py`.
"""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import grpc
import pyarrow as pa
from google.analytics.data_v1beta.types import (
    BatchRunReportsRequest,
    CheckCompatibilityRequest,
    CheckCompatibilityResponse,
    Compatibility,
    GetMetadataRequest,
    Metadata,
    MetricType,
    RunReportRequest,
)
from google.protobuf import json_format
from google.protobuf.message import Message
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dagster_project.sandbox.endpoints import Served
from dagster_project.sandbox.faults import Answer, FaultAnswers, Faults
from dagster_project.sources.ga4.sandbox.answers import ReportAnswer, batch_to_json, batch_to_protobuf, head_of
from dagster_project.sources.ga4.sandbox.reports import CLIENT_ID_DIMENSION, DIMENSIONS, METRICS, Facts, Query, answer
from dagster_project.sources.ga4.sandbox.requests import (
    HTTP_STATUS,
    PROPERTY_ID,
    Refusal,
    check_fields,
    check_property,
    property_id_of,
    to_query,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp

    from dagster_project.sandbox.company import Company
    from dagster_project.sandbox.server import Clock

VENDOR = "ga4"
SERVICE = "google.analytics.data.v1beta.BetaAnalyticsData"
MAX_BATCH = 5
DEFAULT_LIMIT, MAX_LIMIT = 10_000, 250_000  # a larger limit is no error: 250,000 rows come
# Quota of a standard property: field of propertyQuota -> (amount, seconds after which it is whole again).
QUOTAS = {
    "tokens_per_day": (200_000, 86_400),
    "tokens_per_hour": (40_000, 3_600),
    "tokens_per_project_per_hour": (14_000, 3_600),
    "potentially_thresholded_requests_per_hour": (120, 3_600),
    "server_errors_per_project_per_hour": (10, 3_600),
    "concurrent_requests": (10, 0),
}
_EXHAUSTED = {
    "tokens_per_day": (
        "Exhausted property tokens per day. These quota tokens will return in under 24 hours. To learn more, "
        "see https://developers.google.com/analytics/devguides/reporting/data/v1/quotas"
    ),
    "tokens_per_hour": "Exhausted property tokens per hour.",
    "tokens_per_project_per_hour": "Exhausted property tokens for a project per hour.",
    "potentially_thresholded_requests_per_hour": "Exhausted potentially thresholded requests quota.",
    "concurrent_requests": "Exhausted concurrent requests quota.",
}


def _fault_answer(status: str, message: str) -> Answer:
    refusal = Refusal(status, message)
    return Answer(HTTP_STATUS[status], refusal.body(), grpc_code=status, grpc_message=message)


FAULT_ANSWERS: FaultAnswers = {
    "throttle": _fault_answer("RESOURCE_EXHAUSTED", _EXHAUSTED["concurrent_requests"]),
    "server_error": _fault_answer("UNAVAILABLE", "The service is currently unavailable."),
    "expired_token": _fault_answer(
        "UNAUTHENTICATED",
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or "
        "other valid authentication credential. See "
        "https://developers.google.com/identity/sign-in/web/devconsole-project.",
    ),
}


def variables(served: Served) -> dict[str, str]:
    return {
        "GA4_PROPERTY_ID": PROPERTY_ID,
        "GA4_CREDENTIALS_FILE": "anonymous",
        "GA4_TRANSPORT": "grpc" if served.grpc else "rest",
        "GA4_BASE_URL": served.grpc or served.at,
        "GA4_CLIENT_ID_DIMENSION": CLIENT_ID_DIMENSION,
    }


def app(company: Company, clock: Clock, faults: Faults) -> ASGIApp:
    """The REST endpoint."""
    api = _api(company, clock, faults)

    async def post(request: Request) -> Response:
        property_id, _, method = request.path_params["target"].partition(":")
        call = f"POST {request.url.path}"
        body = await request.body()
        return await run_in_threadpool(_rest, lambda: _post(api, property_id, method, body, call))

    async def metadata(request: Request) -> Response:
        property_id = request.path_params["property_id"]
        return await run_in_threadpool(_rest, lambda: _json(api.metadata(property_id)))

    async def not_found(request: Request, _: Exception) -> Response:
        return _refused(Refusal("NOT_FOUND", "Requested entity was not found."))

    return Starlette(
        routes=[
            Route("/v1beta/properties/{target}", post, methods=["POST"]),
            Route("/v1beta/properties/{property_id}/metadata", metadata, methods=["GET"]),
        ],
        exception_handlers={404: not_found, 405: not_found},
    )


def grpc_handlers(company: Company, clock: Clock, faults: Faults) -> list[grpc.GenericRpcHandler]:
    """The gRPC endpoint; it shares its quota with the REST endpoint of the same sandbox."""
    api = _api(company, clock, faults)

    def handler(kind: Any, answered: Callable[[Any], bytes]) -> grpc.RpcMethodHandler:
        def behaviour(request: Any, context: grpc.ServicerContext) -> bytes:
            try:
                return answered(request)
            except Refusal as refusal:
                context.abort(grpc.StatusCode[refusal.status], refusal.message)
                raise AssertionError("abort raises") from refusal

        return grpc.unary_unary_rpc_method_handler(behaviour, request_deserializer=kind.pb().FromString)

    methods = {
        "RunReport": handler(
            RunReportRequest,
            lambda r: api.run_report(property_id_of(r.property), r, "RunReport").to_protobuf(),
        ),
        "BatchRunReports": handler(
            BatchRunReportsRequest,
            lambda r: batch_to_protobuf(api.batch(property_id_of(r.property), r.requests, "BatchRunReports")),
        ),
        "GetMetadata": handler(
            GetMetadataRequest,
            lambda r: api.metadata(property_id_of(r.name.removesuffix("/metadata"))).SerializeToString(),
        ),
        "CheckCompatibility": handler(
            CheckCompatibilityRequest,
            lambda r: api.check_compatibility(property_id_of(r.property), r).SerializeToString(),
        ),
    }
    return [grpc.method_handlers_generic_handler(SERVICE, methods)]


# ---- the service -------------------------------------------------------------------------------------------


class Api:
    """The Data API of the company's one property, whatever the transport. Thread-safe."""

    def __init__(self, company: Company, clock: Clock, faults: Faults, quotas: Mapping[str, tuple[int, float]]) -> None:
        self._company, self._clock, self._faults = company, clock, faults
        self._quota = _Quota(quotas)
        self._lock = threading.Lock()
        self._facts: OrderedDict[datetime, Facts] = OrderedDict()
        self._reports: OrderedDict[tuple[datetime, bytes], pa.Table] = OrderedDict()

    def run_report(self, property_id: str, request: Any, call: str) -> ReportAnswer:
        """The answer to a RunReportRequest (plain protobuf). Raises Refusal."""
        check_property(property_id)
        if request.property and property_id_of(request.property) != property_id:
            raise Refusal("INVALID_ARGUMENT", "The request's property does not match the property of the batch.")
        query = self._switched(to_query(request, self._clock.today()), call)
        with self._quota.request(query, request) as spent:
            table = self._table(query, request)
            head = head_of(query, table.num_rows)
            if request.return_property_quota:
                spent.write_to(head.property_quota)
            start = request.offset
            end = min(start + min(request.limit or DEFAULT_LIMIT, MAX_LIMIT), table.num_rows)
            if start and start < table.num_rows and self._faults.take(VENDOR, "duplicate_row", call):
                start -= 1
            page = table.slice(start, max(0, end - start))
            if fault := self._faults.take(VENDOR, "short_listing", call):
                page = page.slice(0, int(page.num_rows * fault.option("share", 0.5)))
            is_unknown = self._faults.take(VENDOR, "unknown_field", call) is not None
            return ReportAnswer(head, page, len(query.dimensions), is_unknown)

    def batch(self, property_id: str, requests: Sequence[Any], call: str) -> list[ReportAnswer]:
        if len(requests) > MAX_BATCH:
            raise Refusal(
                "INVALID_ARGUMENT",
                f"Batch requests are limited to {MAX_BATCH} requests. This batch has {len(requests)}.",
            )
        return [self.run_report(property_id, request, call) for request in requests]

    def metadata(self, property_id: str) -> Message:
        check_property(property_id)
        metadata = Metadata.pb()(name=f"properties/{property_id}/metadata")
        for name in DIMENSIONS:
            metadata.dimensions.add(api_name=name, ui_name=name, custom_definition=":" in name)
        for name, kind in METRICS.items():
            metadata.metrics.add(api_name=name, ui_name=name, type_=MetricType[kind.type_].value)  # type: ignore[misc]
        return metadata

    def check_compatibility(self, property_id: str, request: Any) -> Message:
        check_property(property_id)
        check_fields([d.name for d in request.dimensions], [m.name for m in request.metrics])
        answered, compatible = CheckCompatibilityResponse.pb()(), int(Compatibility.COMPATIBLE)
        for dimension in request.dimensions:
            entry = answered.dimension_compatibilities.add(compatibility=compatible)
            entry.dimension_metadata.api_name = dimension.name
        for metric in request.metrics:
            entry = answered.metric_compatibilities.add(compatibility=compatible)
            entry.metric_metadata.api_name = metric.name
        return answered

    def _switched(self, query: Query, call: str) -> Query:
        """The query under the switches that change what a report says."""
        sampled = self._faults.take(VENDOR, "sampled", call)
        return replace(
            query,
            sampled_share=sampled.option("share", 0.5) if sampled else 1.0,
            is_thresholded=self._faults.take(VENDOR, "thresholded", call) is not None,
            has_other_row=self._faults.take(VENDOR, "other_row", call) is not None,
        )

    def _table(self, query: Query, request: Any) -> pa.Table:
        """All rows of the report; a report read page by page is computed once."""
        question = RunReportRequest.pb()()
        question.CopyFrom(request)
        question.ClearField("limit")
        question.ClearField("offset")
        flags = repr((query.sampled_share, query.is_thresholded, query.has_other_row)).encode()
        now = self._clock.now()
        key = (now, question.SerializeToString(deterministic=True) + flags)
        with self._lock:
            if now not in self._facts:
                self._facts[now] = Facts(self._company.web_as_of(now))
            facts = self._facts[now]
            table = self._reports.get(key)
        if table is None:
            table = answer(facts, query)
        with self._lock:
            self._reports[key] = table
            for kept, count in ((self._facts, 2), (self._reports, 8)):
                while len(kept) > count:
                    kept.popitem(last=False)
        return table


class _Quota:
    """What is left of each quota of the property. Hours and days are of the real clock."""

    def __init__(self, quotas: Mapping[str, tuple[int, float]]) -> None:
        self._quotas = quotas
        self._left = {name: amount for name, (amount, _) in quotas.items()}
        self._whole_again = {name: time.monotonic() + seconds for name, (_, seconds) in quotas.items()}
        self._lock = threading.Lock()

    @contextmanager
    def request(self, query: Query, request: Any) -> Iterator[_Spent]:
        """Take what the request costs; give its place among the concurrent ones back at the end."""
        days = sum((last - first).days + 1 for first, last, _ in query.ranges)
        # Google: more rows, columns and days cost more, and most requests cost 10 tokens or fewer.
        tokens = 1 + (len(query.dimensions) + len(query.metrics)) // 4 + days // 90
        cost = {name: tokens for name in self._quotas if name.startswith("tokens_")}
        cost["potentially_thresholded_requests_per_hour"] = int(query.is_thresholded)
        with self._lock:
            self._refill()
            for name, message in _EXHAUSTED.items():
                if self._left[name] < max(1, cost.get(name, 0)):
                    raise Refusal("RESOURCE_EXHAUSTED", message)
            for name, amount in cost.items():
                self._left[name] -= amount
            self._left["concurrent_requests"] -= 1
            spent = _Spent(cost, dict(self._left))
        try:
            yield spent
        finally:
            with self._lock:
                self._left["concurrent_requests"] += 1

    def _refill(self) -> None:
        for name, (amount, seconds) in self._quotas.items():
            if seconds and time.monotonic() >= self._whole_again[name]:
                self._left[name], self._whole_again[name] = amount, time.monotonic() + seconds


@dataclass(frozen=True)
class _Spent:
    cost: dict[str, int]
    left: dict[str, int]

    def write_to(self, quota: Any) -> None:
        for name, left in self.left.items():
            status = getattr(quota, name)
            status.consumed, status.remaining = self.cost.get(name, 0), left


_apis: WeakKeyDictionary[Faults, Api] = WeakKeyDictionary()
_apis_lock = threading.Lock()


def _api(company: Company, clock: Clock, faults: Faults) -> Api:
    """The one service of a sandbox: its switches are what tells sandboxes apart."""
    with _apis_lock:
        if faults not in _apis:
            _apis[faults] = Api(company, clock, faults, QUOTAS)
        return _apis[faults]


# ---- REST --------------------------------------------------------------------------------------------------


def _post(api: Api, property_id: str, method: str, body: bytes, call: str) -> Response:
    kinds: dict[str, Any] = {
        "runReport": RunReportRequest,
        "batchRunReports": BatchRunReportsRequest,
        "checkCompatibility": CheckCompatibilityRequest,
    }
    if method not in kinds:
        raise Refusal("NOT_FOUND", "Requested entity was not found.")
    try:
        request = json_format.Parse(body or b"{}", kinds[method].pb()())
    except (json_format.ParseError, UnicodeDecodeError) as error:
        raise Refusal("INVALID_ARGUMENT", f"Invalid JSON payload received. {error}") from error
    if method == "runReport":
        return _body(api.run_report(property_id, request, call).to_json())
    if method == "checkCompatibility":
        return _json(api.check_compatibility(property_id, request))
    return _body(batch_to_json(api.batch(property_id, request.requests, call)))


def _rest(answered: Callable[[], Response]) -> Response:
    try:
        return answered()
    except Refusal as refusal:
        return _refused(refusal)


def _refused(refusal: Refusal) -> Response:
    return _body(json.dumps(refusal.body()).encode(), HTTP_STATUS[refusal.status])


def _json(message: Message) -> Response:
    return _body(json.dumps(json_format.MessageToDict(message)).encode())


def _body(content: bytes, status: int = 200) -> Response:
    return Response(content, status, media_type="application/json; charset=UTF-8")
