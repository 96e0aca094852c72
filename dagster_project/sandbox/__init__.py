"""An invented company on loopback endpoints that answer like the vendors: the demo, and the test bed.

`with serve(today="2026-10-01") as sandbox:` gives `sandbox.env` (the variables that switch every source on),
`sandbox.clock`, `sandbox.faults`, `sandbox.calls`. Imported by the command line and by tests only.
"""

from dagster_project.sandbox.apart import serve_apart
from dagster_project.sandbox.company import DEMO_TODAY, HISTORY_END, HISTORY_START
from dagster_project.sandbox.server import DEMO_CONFIG, Sandbox, run, serve

__all__ = ["DEMO_CONFIG", "DEMO_TODAY", "HISTORY_END", "HISTORY_START", "Sandbox", "run", "serve", "serve_apart"]
