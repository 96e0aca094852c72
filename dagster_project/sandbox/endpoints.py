"""Which sources the sandbox stands in for, found in their folders, and what such a folder says of how it is served.

`sources/<name>/sandbox.py` (or a folder `sandbox/`) has one of

    def app(company: Company, clock: Clock, faults: Faults) -> ASGIApp       # a Starlette application
    def drop(company: Company, folder: Path, now: datetime) -> None          # a tool that only drops files

and always

    def variables(served: Served) -> dict[str, str]    # the variables that point a connector at it

beside an `app` may stand

    FAULT_ANSWERS: FaultAnswers                        # see faults.Answer
        keys "throttle", "server_error", "expired_token": the vendor's own status, headers and body (and
        gRPC code); without one, a plain 429, 503 or 401.
    def grpc_handlers(company, clock, faults) -> list[grpc.GenericRpcHandler]

A module answers as of `clock.now()` on every request, from `company.*_as_of(clock.now())`. Content faults are
asked with `faults.take(name, kind, path)`, `faults.shorten`, `faults.repeat_last`; see `faults.py`.
Endpoints are plain `def` functions (Starlette runs them in threads). Control paths (`/_sandbox/...`), wire
faults and the call log are wrapped around the app by `server.py`.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from dagster_project import sources

# What the company of the demo works with; the other sources' vendors are played where they are named.
IN_THE_DEMO = ("files", "fx", "ga4", "google_ads", "hubspot")
GRPC = "_grpc"  # the endpoint `ga4_grpc` is the gRPC server of `ga4`


@dataclass(frozen=True)
class Served:
    """Where a source is served: `at` is an address such as http://127.0.0.1:8080, or the folder that it drops files
    into; `grpc` a host and port, where it is to be asked by gRPC."""

    at: str
    grpc: str | None = None


def names() -> list[str]:
    """The sources that the sandbox stands in for. None of them is imported: GA4's takes a second for its protocol."""
    folders = [Path(place) / name for place in sources.__path__ for name in sources.folders()]
    return sorted(f.name for f in folders if (f / "sandbox.py").is_file() or (f / "sandbox/__init__.py").is_file())


def module_of(name: str) -> ModuleType:
    return importlib.import_module(f"{sources.__name__}.{name}.sandbox")
