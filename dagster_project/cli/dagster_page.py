"""`funnelhouse ui`: Dagster's web page on 127.0.0.1, over this folder's home, or over the demo's with its sandbox beside it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from dagster_project.cli import demo_home
from dagster_project.settings import Settings, load_settings


def serve(port: int, say: Callable[[str], None]) -> None:
    """Runs until it is stopped."""
    found = demo_home.found(Path.cwd())
    if found is None:
        _serve_dagster(load_settings(), port)
        return
    from dagster_project.sandbox import DEMO_CONFIG, DEMO_TODAY, serve_apart

    home = Path(found["FUNNELHOUSE_HOME"])
    with (
        serve_apart(DEMO_TODAY) as variables,
        demo_home.environment(home, {**variables(), "FUNNELHOUSE_CONFIG": str(DEMO_CONFIG)}),
    ):
        say(f"(the demo, in {os.path.relpath(home)}, with its sandbox: nothing else was loaded here)")
        _serve_dagster(load_settings(), port)


def _serve_dagster(settings: Settings, port: int) -> None:
    from dagster_project.runs import instance
    from dagster_project.warehouse.project import PROJECT_FOLDER, ensure_manifest

    instance.open_instance(settings.home).dispose()
    ensure_manifest(settings.dbt_environment())
    # a script's shell has what it starts in the background ignore Ctrl-C; Dagster would then ignore SIGTERM as well
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    dagster = str(Path(sys.executable).with_name("dagster"))
    command = [dagster, "dev", "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(port)]
    page = subprocess.Popen(command, cwd=PROJECT_FOLDER)
    signal.signal(signal.SIGTERM, lambda *_: page.terminate())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches Dagster too, which ends by itself
    sys.exit(page.wait())
