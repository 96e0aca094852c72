"""The sandbox's servers: one loopback port per vendor, one folder of dropped files, one clock, one call log.

What a source's folder says of its endpoint, and how it is found: `endpoints.py`.
"""

from __future__ import annotations

import os
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import grpc
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from dagster_project.sandbox import company as company_module
from dagster_project.sandbox.company import DEMO_TODAY, HISTORY_END, HISTORY_START, Company
from dagster_project.sandbox.endpoints import GRPC, IN_THE_DEMO, Served, module_of, names
from dagster_project.sandbox.faults import FaultInterceptor, Faults, FaultyProtocol, with_faults

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOST = "127.0.0.1"
DEMO_CONFIG = Path(__file__).with_name("demo.yml")  # the company's business rules, a funnelhouse.yml

# A date alone means the morning of that day, when a nightly refresh has just run.
MORNING_UTC = time_of_day(6, 0)


class Clock:
    """What time it is for the company. It stands still until it is set, which `listeners` are told."""

    def __init__(self, today: date | datetime | str) -> None:
        self.listeners: list[Callable[[datetime], None]] = []
        self.set(today)

    def now(self) -> datetime:
        """Aware, UTC."""
        return self._now

    def today(self, zone: str = company_module.TIME_ZONE) -> date:
        return self._now.astimezone(ZoneInfo(zone)).date()

    def set(self, to: date | datetime | str) -> None:
        """A date (that day at 06:00 UTC), an aware datetime, or either in ISO 8601.

        Raises ValueError outside the company's history, or for a datetime without a zone.
        """
        if isinstance(to, str):
            to = date.fromisoformat(to) if len(to) == 10 else datetime.fromisoformat(to)
        if not isinstance(to, datetime):
            to = datetime.combine(to, MORNING_UTC, UTC)
        if to.tzinfo is None:
            raise ValueError(f"the sandbox clock needs a time zone: {to.isoformat()}")
        last = HISTORY_END + timedelta(days=1)
        if not HISTORY_START <= to.astimezone(UTC).date() <= last:
            raise ValueError(
                f"the sandbox company lives from {HISTORY_START} to {last}; its clock cannot be {to.isoformat()}"
            )
        self._now = to.astimezone(UTC)
        for tell in self.listeners:
            tell(self._now)


@dataclass
class Call:
    vendor: str
    method: str  # GET, POST; "gRPC"
    path: str  # without the query string; for gRPC the method's name
    query: str = ""
    status: str = ""  # "200"; for gRPC the code's name; "" where no answer was begun
    fault: str | None = None


class CallLog:
    """Every API call the sandbox got, in order of arrival. Control calls are not in it.

    A call is complete in here before its answer leaves, so a client may look as soon as it has its answer.
    """

    def __init__(self) -> None:
        self._calls: list[Call] = []
        self._lock = threading.Lock()

    def add(self, call: Call) -> None:
        with self._lock:
            self._calls.append(call)

    def list(self, vendor: str | None = None, path: str = "") -> list[Call]:
        """Calls of a vendor (None: of all) with `path` in "METHOD /path"."""
        with self._lock:
            return [
                call for call in self._calls if vendor in (None, call.vendor) and path in f"{call.method} {call.path}"
            ]

    def count(self, vendor: str | None = None, path: str = "") -> int:
        return len(self.list(vendor, path))

    def by_path(self, vendor: str | None = None) -> dict[str, int]:
        """Number of calls by "vendor METHOD /path"."""
        return dict(Counter(f"{call.vendor} {call.method} {call.path}" for call in self.list(vendor)))

    def clear(self) -> None:
        with self._lock:
            self._calls.clear()


@dataclass
class Sandbox:
    """A running sandbox: its endpoints, the environment that points the connectors at them, its switches."""

    company: Company
    clock: Clock
    faults: Faults
    calls: CallLog
    endpoints: dict[str, str]  # "ga4" -> "http://127.0.0.1:port"; "ga4_grpc" -> "127.0.0.1:port"
    modules: dict[str, ModuleType] = field(default_factory=dict)  # of the sources that are served
    folders: dict[str, str] = field(default_factory=dict)  # where those that have no endpoint drop files
    transport: str = "grpc"  # or rest, where an endpoint has both

    @property
    def env(self) -> dict[str, str]:
        """All variables that switch the sources on, for those that are served."""
        env = {"FUNNELHOUSE_TODAY": self.clock.today().isoformat()}
        for name, module in self.modules.items():
            grpc_at = self.endpoints.get(name + GRPC) if self.transport == "grpc" else None
            env |= module.variables(Served(self.folders.get(name) or self.endpoints[name], grpc_at))
        return env


@contextmanager
def serve(
    today: date | datetime | str = DEMO_TODAY,
    seed: int = company_module.DEMO_SEED,
    ports: Mapping[str, int] | None = None,
    faults: Iterable[str] = (),
    *,
    vendors: Iterable[str] | None = None,
    transport: str = "grpc",
    scale: float = 1.0,
) -> Iterator[Sandbox]:
    """Serve the company on loopback until the `with` block ends.

    vendors: names of sources; None = those of the demo. ports: by vendor (`ga4_grpc`: of its gRPC server); 0 or absent = any free
    port. faults: see `Faults.set_from_text`.
    scale: multiplies the company's traffic. Raises ValueError for names that do not exist, OSError for a
    port that is taken.
    """
    ports, there_are = dict(ports or {}), names()
    if unknown := [name for name in ports if name.removesuffix(GRPC) not in there_are]:
        raise ValueError(f"no port {unknown[0]!r} in the sandbox; there are {', '.join(there_are)}")
    wanted = list(IN_THE_DEMO if vendors is None else vendors)
    if unknown := [name for name in wanted if name not in there_are]:
        raise ValueError(f"no vendor {unknown[0]!r} in the sandbox; there are {', '.join(there_are)}")
    modules = {name: module_of(name) for name in wanted}
    sandbox = Sandbox(
        company=company_module.build(seed, scale),
        clock=Clock(today),
        faults=Faults([name for name, module in modules.items() if hasattr(module, "app")]),
        calls=CallLog(),
        endpoints={},
        modules=modules,
        transport=transport,
    )
    for text in faults:
        sandbox.faults.set_from_text(text)
    servers: list[uvicorn.Server] = []
    with ExitStack() as stack:
        for vendor, module in modules.items():
            if not hasattr(module, "app"):
                sandbox.folders[vendor] = stack.enter_context(_dropped_files(module, vendor, sandbox))
                continue
            sandbox.endpoints[vendor] = stack.enter_context(
                _http_server(_wrapped(module, vendor, sandbox), ports.get(vendor, 0), servers)
            )
            if hasattr(module, "grpc_handlers"):
                name = vendor + GRPC
                sandbox.endpoints[name] = stack.enter_context(_grpc_server(module, vendor, sandbox, ports.get(name, 0)))
        try:
            yield sandbox
        finally:
            for server in servers:  # all at once: each takes a moment to notice
                server.should_exit = True


def run(
    today: date | datetime | str = DEMO_TODAY,
    seed: int = company_module.DEMO_SEED,
    ports: Mapping[str, int] | None = None,
    faults: Iterable[str] = (),
    *,
    transport: str = "grpc",
) -> None:
    """Serve until interrupted; prints the endpoints and the environment as lines for a shell or `.env`.

    `FUNNELHOUSE_SANDBOX_FAULTS` (comma-separated) adds to `faults`.
    """
    from_env = [text for text in os.environ.get("FUNNELHOUSE_SANDBOX_FAULTS", "").split(",") if text.strip()]
    with serve(today, seed, ports, [*faults, *from_env], transport=transport) as sandbox:
        try:
            now = sandbox.clock.now().isoformat()
            print(f"# The sandbox is {company_module.NAME} as of {now}. Ctrl-C ends it.")
            for name, endpoint in sandbox.endpoints.items():
                print(f"# {name:<10} {endpoint}")
            for name, value in sandbox.env.items():
                print(f"{name}={value}", flush=True)
            threading.Event().wait()
        except KeyboardInterrupt:
            print("# The sandbox has ended.")


@contextmanager
def _dropped_files(module: ModuleType, vendor: str, sandbox: Sandbox) -> Iterator[str]:
    """A folder that holds what the tool has exported by the time that the clock shows."""
    with TemporaryDirectory(prefix=f"sandbox-{vendor}-") as folder:
        drop = partial(module.drop, sandbox.company, Path(folder))
        drop(sandbox.clock.now())
        sandbox.clock.listeners.append(drop)
        try:
            yield folder
        finally:
            sandbox.clock.listeners.remove(drop)


def _wrapped(module: ModuleType, vendor: str, sandbox: Sandbox) -> ASGIApp:
    app = module.app(sandbox.company, sandbox.clock, sandbox.faults)
    faulty = with_faults(app, vendor, sandbox.faults, getattr(module, "FAULT_ANSWERS", {}))
    return _logged(faulty, _control_app(sandbox), vendor, sandbox.calls)


def _logged(app: ASGIApp, control: ASGIApp, vendor: str, calls: CallLog) -> ASGIApp:
    """Control paths to `control`; everything else to `app`, with a line in the call log."""

    async def logged(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/_sandbox/"):
            await control(scope, receive, send)
            return
        call = Call(vendor, scope["method"], scope["path"], scope["query_string"].decode("ascii", "replace"))
        calls.add(call)
        scope["sandbox_call"] = call

        async def watch(message: Message) -> None:
            if message["type"] == "http.response.start":
                call.status = str(message["status"])
            await send(message)

        await app(scope, receive, watch)

    return logged


def _control_app(sandbox: Sandbox) -> Starlette:
    """`/_sandbox/clock`, `/faults`, `/calls`, `/env`: the same on every vendor's port."""

    async def clock(request: Request) -> JSONResponse:
        if request.method == "POST":
            try:
                sandbox.clock.set(str((await request.json())["now"]))
            except (KeyError, ValueError) as error:
                return JSONResponse({"error": f'send {{"now": "2026-10-01"}}: {error}'}, 400)
        return JSONResponse({"now": sandbox.clock.now().isoformat(), "today": str(sandbox.clock.today())})

    async def faults(request: Request) -> JSONResponse:
        if request.method == "DELETE":
            sandbox.faults.clear(request.query_params.get("vendor"), request.query_params.get("kind"))
        if request.method == "POST":
            try:
                sandbox.faults.set_from_text(str((await request.json())["fault"]))
            except (KeyError, ValueError) as error:
                return JSONResponse({"error": f'send {{"fault": "hubspot:throttle:3"}}: {error}'}, 400)
        return JSONResponse([asdict(fault) for fault in sandbox.faults.active()])

    async def calls(request: Request) -> JSONResponse:
        if request.method == "DELETE":
            sandbox.calls.clear()
        return JSONResponse(sandbox.calls.by_path(request.query_params.get("vendor")))

    async def env(request: Request) -> JSONResponse:
        return JSONResponse(sandbox.env)

    return Starlette(
        routes=[
            Route("/_sandbox/clock", clock, methods=["GET", "POST"]),
            Route("/_sandbox/faults", faults, methods=["GET", "POST", "DELETE"]),
            Route("/_sandbox/calls", calls, methods=["GET", "DELETE"]),
            Route("/_sandbox/env", env),
        ]
    )


@contextmanager
def _http_server(app: ASGIApp, port: int, servers: list[uvicorn.Server]) -> Iterator[str]:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((HOST, port))
    listener.listen(128)  # from here on a client can connect: nobody has to wait for the thread
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http=FaultyProtocol,
            ws="none",
            lifespan="off",
            loop="asyncio",
            log_config=None,
            log_level="error",
            access_log=False,
            timeout_graceful_shutdown=1,
        )
    )
    servers.append(server)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True, name=f"sandbox-{port}")
    thread.start()
    try:
        yield f"http://{HOST}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=5)
        listener.close()


@contextmanager
def _grpc_server(module: ModuleType, vendor: str, sandbox: Sandbox, port: int) -> Iterator[str]:
    def log(method: str, status: str, fault: str | None) -> None:
        sandbox.calls.add(Call(vendor, "gRPC", method, "", status, fault))

    server = grpc.server(
        ThreadPoolExecutor(max_workers=8, thread_name_prefix=f"sandbox-{vendor}-grpc"),
        interceptors=[FaultInterceptor(vendor, sandbox.faults, getattr(module, "FAULT_ANSWERS", {}), log)],
        # A page of 250,000 rows is far beyond gRPC's 4 MB default; so_reuseport would let a second sandbox
        # share the port in silence.
        options=[("grpc.max_send_message_length", -1), ("grpc.so_reuseport", 0)],
    )
    server.add_generic_rpc_handlers(module.grpc_handlers(sandbox.company, sandbox.clock, sandbox.faults))
    bound = server.add_insecure_port(f"{HOST}:{port}")
    server.start()
    try:
        yield f"{HOST}:{bound}"
    finally:
        server.stop(grace=1).wait()
