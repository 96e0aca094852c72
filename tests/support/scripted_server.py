"""A scripted HTTP server, for the answers that no well-behaved vendor gives."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Reply:
    """One answer. A body that is not bytes, text or an iterable of bytes (sent in chunks) is sent as JSON."""

    body: Any = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None  # bytes of the body after which the connection is closed
    reset: bool = False  # no answer at all


@dataclass
class Asked:
    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """A client that went away is part of the script."""


class ScriptedServer:
    """Gives the scripted replies in order, and remembers what it was asked. `on(path, …)` scripts one path."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._script: dict[str, list[Reply]] = {}
        self._rule: Callable[[Asked], Reply | None] = lambda _: None
        self._server = _Quiet(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def reply(self, *replies: Reply, path: str = "") -> None:
        self._script.setdefault(path, []).extend(replies)

    def rule(self, rule: Callable[[Asked], Reply | None]) -> None:
        """What `rule` answers goes before the script; None leaves it to the script."""
        self._rule = rule

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _next(self, asked: Asked) -> Reply:
        if by_rule := self._rule(asked):
            return by_rule
        replies = self._script.get(asked.path) or self._script.get("")
        return replies.pop(0) if replies else Reply("nothing is scripted for this call", 599)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        script = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                path, _, query = self.path.partition("?")
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                asked = Asked(self.command, path, query, headers, body)
                script.asked.append(asked)
                self._send(script._next(asked))

            do_POST = do_GET

            def _send(self, reply: Reply) -> None:
                if reply.reset:
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.close_connection = True
                    self.connection.close()
                    return
                body = reply.body
                is_stream = isinstance(body, Iterable) and not isinstance(body, bytes | str | dict | list)
                if isinstance(body, str):
                    body = body.encode()
                elif isinstance(body, dict | list):
                    body = json.dumps(body).encode()
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                if is_stream:
                    self.send_header("Transfer-Encoding", "chunked")
                    self.end_headers()
                    for chunk in body:
                        self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
                        self.wfile.flush()
                    self.wfile.write(b"0\r\n\r\n")
                    return
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body if reply.cut_after is None else body[: reply.cut_after])
                if reply.cut_after is not None:
                    self.close_connection = True

            def log_message(self, *_: Any) -> None:
                return

        return Handler
