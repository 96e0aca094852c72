"""Fault switches of the sandbox: what can go wrong, when it fires, and how it looks on the wire.

Faults that give another answer, or none, are done here: an ASGI wrapper for HTTP and an interceptor for gRPC.
Faults that change the *content* of an answer are done by the vendor module, which asks `Faults.take` (or
uses `Faults.shorten` / `Faults.repeat_last`), because only it knows where its rows are.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

Row = TypeVar("Row")

# Done on the wire, by this module.
WIRE_FAULTS: dict[str, str] = {
    "throttle": "the vendor's own 'too many requests' answer",
    "server_error": "the vendor's own 5xx answer",
    "expired_token": "the vendor's own 401 answer",
    "slow": "the right answer, `seconds` late (5)",
    "reset": "the connection is reset before any answer",
    "truncated": "the body ends early: `share` (0.5) of the promised length",
}
# Done by the vendor module, in the rows of its answer.
CONTENT_FAULTS: dict[str, str] = {
    "duplicate_row": "the last row of a page comes again as the first row of the next",
    "short_listing": "a listing holds only the first `share` (0.5) of its records",
    "unknown_field": "records carry a field nobody declared",
    "sampled": "GA4: the report is sampled",
    "thresholded": "GA4: rows are withheld for privacy",
    "other_row": "GA4: rare values are folded into (other)",
}
KINDS = WIRE_FAULTS | CONTENT_FAULTS


@dataclass(frozen=True)
class Answer:
    """What a vendor says instead of its data. A body that is not bytes or text is sent as JSON."""

    status: int
    body: Any = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    grpc_code: str = "UNAVAILABLE"  # name in grpc.StatusCode
    grpc_message: str = ""

    def encoded(self) -> tuple[bytes, dict[str, str]]:
        """(body, headers) with content-type and content-length."""
        if isinstance(self.body, bytes):
            body, content_type = self.body, "application/octet-stream"
        elif isinstance(self.body, str):
            body, content_type = self.body.encode(), "text/plain; charset=utf-8"
        else:
            body, content_type = json.dumps(self.body).encode(), "application/json"
        headers = {"content-type": content_type, "content-length": str(len(body))}
        return body, headers | {name.lower(): value for name, value in self.headers.items()}


# A vendor's answers by fault kind; a callable gets "POST /path" (HTTP) or "RunReport" (gRPC).
FaultAnswers = Mapping[str, Answer | Callable[[str], Answer]]

PLAIN_ANSWERS: FaultAnswers = {
    "throttle": Answer(429, "Too Many Requests", grpc_code="RESOURCE_EXHAUSTED", grpc_message="Exhausted."),
    "server_error": Answer(503, "Service Unavailable", grpc_message="The service is currently unavailable."),
    "expired_token": Answer(401, "Unauthorized", grpc_code="UNAUTHENTICATED", grpc_message="Expired token."),
}


@dataclass
class Fault:
    """One switch that is on. `remaining` is None for "always"."""

    vendor: str
    kind: str
    remaining: int | None = 1
    path: str = ""  # fires only where this is part of "METHOD /path" (HTTP) or of the method name (gRPC)
    after: int = 0  # lets this many matching calls through first
    options: dict[str, float] = field(default_factory=dict)  # seconds (slow), share (truncated, short_listing)

    def option(self, name: str, default: float) -> float:
        return self.options.get(name, default)


class Faults:
    """The switches of all vendors. Thread-safe."""

    def __init__(self, vendors: Sequence[str]) -> None:
        self._vendors = tuple(vendors)
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def set(
        self,
        vendor: str,
        kind: str,
        count: int | None = 1,
        *,
        path: str = "",
        after: int = 0,
        **options: float,
    ) -> Fault:
        """Switch a fault on for the next `count` matching calls (None: until cleared).

        Raises ValueError for a vendor or kind that does not exist.
        """
        if vendor not in self._vendors:
            raise ValueError(f"no vendor {vendor!r} in the sandbox; there are {', '.join(self._vendors)}")
        if kind not in KINDS:
            raise ValueError(f"no fault {kind!r}; there are {', '.join(KINDS)}")
        if unknown := options.keys() - {"seconds", "share"}:
            raise ValueError(f"no fault option {sorted(unknown)[0]!r}; there are seconds, share")
        if count is not None and count < 1:
            raise ValueError(f"a fault's count is at least 1, or 'always'; got {count}")
        fault = Fault(vendor, kind, count, path, after, dict(options))
        with self._lock:
            self._faults.append(fault)
        return fault

    def set_from_text(self, text: str) -> Fault:
        """Switch on from `vendor:kind[:count|always][:name=value]...`: `hubspot:throttle:3:path=search`."""
        vendor, _, rest = text.strip().partition(":")
        kind, *parts = rest.split(":")
        count: int | None = 1
        arguments: dict[str, Any] = {}
        try:
            for part in parts:
                name, is_named, value = part.partition("=")
                if not is_named:
                    count = None if part == "always" else int(part)
                elif name == "path":
                    arguments[name] = value
                else:
                    arguments[name] = int(value) if name == "after" else float(value)
        except ValueError as error:
            raise ValueError(
                f"cannot read the fault {text!r}: write vendor:kind[:count|always][:path=...][:after=N]"
                "[:seconds=S][:share=0.5]"
            ) from error
        return self.set(vendor, kind, count, **arguments)

    def clear(self, vendor: str | None = None, kind: str | None = None) -> None:
        """Switch off all faults, or those of a vendor, or of a kind."""
        with self._lock:
            self._faults = [
                fault for fault in self._faults if (vendor and fault.vendor != vendor) or (kind and fault.kind != kind)
            ]

    def active(self) -> list[Fault]:
        with self._lock:
            return list(self._faults)

    def take(self, vendor: str, kind: str, path: str = "") -> Fault | None:
        """The fault to apply to this call, used up by one; None when there is none.

        A fault without a path spares token endpoints: "throttled" means the API, not the sign-in.
        """
        with self._lock:
            for fault in self._faults:
                if fault.vendor != vendor or fault.kind != kind or fault.path not in path:
                    continue
                if not fault.path and path.endswith("/token"):
                    continue
                if fault.after > 0:
                    fault.after -= 1
                    continue
                if fault.remaining is not None:
                    fault.remaining -= 1
                    if fault.remaining == 0:
                        self._faults.remove(fault)
                return fault
        return None

    def shorten(self, vendor: str, rows: Sequence[Row], path: str = "") -> Sequence[Row]:
        """`rows`, or only the first share of them while short_listing is on. Give it the whole listing."""
        fault = self.take(vendor, "short_listing", path)
        return rows if fault is None else rows[: int(len(rows) * fault.option("share", 0.5))]

    def repeat_last(self, vendor: str, rows: Sequence[Row], start: int, end: int, path: str = "") -> list[Row]:
        """The page `rows[start:end]`; while duplicate_row is on, led by the last row of the page before."""
        page = list(rows[start:end])
        if start > 0 and page and self.take(vendor, "duplicate_row", path):
            return [rows[start - 1], *page]
        return page


def _answer(answers: FaultAnswers, kind: str, call: str) -> Answer:
    answer = answers.get(kind, PLAIN_ANSWERS[kind])
    return answer(call) if callable(answer) else answer


class FaultyProtocol(H11Protocol):
    """uvicorn's HTTP/1.1, which also tells the application its connection, so that it can be cut."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


def with_faults(app: ASGIApp, vendor: str, faults: Faults, answers: FaultAnswers) -> ASGIApp:
    """`app` behind the wire faults of `vendor`. The one used is named on `scope["sandbox_call"]`."""

    async def faulty(scope: Scope, receive: Receive, send: Send) -> None:
        call = f"{scope['method']} {scope['path']}"
        if slow := faults.take(vendor, "slow", call):
            scope["sandbox_call"].fault = "slow"
            await asyncio.sleep(slow.option("seconds", 5.0))
        if faults.take(vendor, "reset", call):
            scope["sandbox_call"].fault = "reset"
            await _reset(scope, receive)
            return
        for kind in ("throttle", "server_error", "expired_token"):
            if faults.take(vendor, kind, call):
                scope["sandbox_call"].fault = kind
                await _send_answer(_answer(answers, kind, call), receive, send)
                return
        if truncated := faults.take(vendor, "truncated", call):
            scope["sandbox_call"].fault = "truncated"
            await _truncate(app, scope, receive, send, truncated.option("share", 0.5))
            return
        await app(scope, receive, send)

    return faulty


async def _send_answer(answer: Answer, receive: Receive, send: Send) -> None:
    while (await receive()).get("more_body"):  # read the request, or keep-alive would trip over it
        continue
    body, headers = answer.encoded()
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})


async def _reset(scope: Scope, receive: Receive) -> None:
    transport = scope["state"]["transport"]
    # Linger 0: closing sends RST, which clients see as "connection reset by peer", not as a clean end.
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await _until_disconnected(receive)


async def _truncate(app: ASGIApp, scope: Scope, receive: Receive, send: Send, share: float) -> None:
    start: dict[str, Any] = {}
    body = bytearray()

    async def collect(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        else:
            body.extend(message.get("body", b""))

    await app(scope, receive, collect)
    headers = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
    start["headers"] = [*headers, (b"content-length", str(len(body)).encode())]
    await send(start)
    await send({"type": "http.response.body", "body": bytes(body[: int(len(body) * share)]), "more_body": True})
    scope["state"]["transport"].close()
    await _until_disconnected(receive)


async def _until_disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


class FaultInterceptor(grpc.ServerInterceptor):
    """The wire faults of one vendor on its gRPC server, and a line in the call log for each call.

    gRPC hides the wire: a reset connection is UNAVAILABLE to its client, a cut answer is INTERNAL.
    """

    def __init__(
        self,
        vendor: str,
        faults: Faults,
        answers: FaultAnswers,
        log: Callable[[str, str, str | None], None],
    ) -> None:
        self._vendor, self._faults, self._answers, self._log = vendor, faults, answers, log

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], grpc.RpcMethodHandler | None],
        details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler | None:
        handler = continuation(details)
        if handler is None or handler.unary_unary is None:
            return handler
        method = details.method.rsplit("/", 1)[-1]

        def behaviour(request: Any, context: grpc.ServicerContext) -> Any:
            fault = self._next_fault(method)
            try:
                if fault == "reset":
                    context.abort(grpc.StatusCode.UNAVAILABLE, "recvmsg:Connection reset by peer")
                if fault == "truncated":
                    context.abort(grpc.StatusCode.INTERNAL, "Received RST_STREAM with error code 2")
                if fault and fault in PLAIN_ANSWERS:
                    answer = _answer(self._answers, fault, method)
                    context.abort(grpc.StatusCode[answer.grpc_code], answer.grpc_message)
                return handler.unary_unary(request, context)
            finally:
                code = context.code()
                # Handlers that succeed set no code; grpc reports them as OK.
                status = "OK" if code is None else getattr(code, "name", str(code))
                self._log(method, status, fault)

        return grpc.unary_unary_rpc_method_handler(behaviour, handler.request_deserializer, handler.response_serializer)

    def _next_fault(self, method: str) -> str | None:
        slow = self._faults.take(self._vendor, "slow", method)
        if slow:
            time.sleep(slow.option("seconds", 5.0))
        for kind in ("reset", "truncated", "throttle", "server_error", "expired_token"):
            if self._faults.take(self._vendor, kind, method):
                return kind
        return "slow" if slow else None
