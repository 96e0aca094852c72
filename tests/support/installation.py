"""One installation in one folder, fed by a running sandbox: refreshed for real or quickly, kept, gone back to.

`run` and `start` are the command line in a process of its own; `refresh` is the Dagster job in this process;
`quick` is the same functions without Dagster and without dbt's tests, where a test is about the tables only.
All installations of a session live in the same folder, one after another (`keep`, `go_back`): dbt remembers the
folder that its project was parsed for, and parses again for another one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, Literal

import duckdb
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest

from dagster_project import ingest, kpis
from dagster_project.cli.refresh import RunResult, run_refresh
from dagster_project.kpis.compiler import Compiler
from dagster_project.publish import publish
from dagster_project.raw.zone import RawZone
from dagster_project.runs import instance
from dagster_project.sandbox import DEMO_CONFIG, Sandbox
from dagster_project.settings import Settings, load_settings
from dagster_project.warehouse.project import DBT_FOLDER, PROJECT_FOLDER, ensure_manifest
from dagster_project.wire import Window

SEMANTIC_MANIFEST = DBT_FOLDER / "target" / "semantic_manifest.json"
# Everything that remembers: the other models are made anew from these and from the raw zone at every build.
INCREMENTAL_MODELS = "+config.materialized:incremental"
# A seed or a view is the same every time: in a warehouse that has been published, and so has them all, they are left.
MADE_ONCE = ("resource_type:seed", "config.materialized:view")
OURS = ("FUNNELHOUSE_", "GA4_", "HUBSPOT_", "GOOGLE_ADS_", "GOOGLE_OAUTH_", "FX_", "DAGSTER_", "DBT_")
# On tables as small as these a second thread of DuckDB costs more than it does: 4 s of CPU for the KPIs instead of 9.
# Runs of the command line have all threads; that the tables are the same proves that threads change nothing.
ONE_THREAD = {"threads": 1}
PATIENCE_SECONDS = 600  # of a test for a process that should end by itself


class Installation:
    """`folder`: room for the home, for kept homes and for logs. `sandbox` may be changed between runs."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.folder, self.sandbox = folder, sandbox
        self.home = folder / "home"
        self.dbt_target = folder / "dbt"
        self.logs = folder / "logs"
        self.logs.mkdir(exist_ok=True)
        self.facts: dict[str, Any] = {}  # what tests noted while they made a home
        self._manifest: Manifest | None = None
        self._compiler: Compiler | None = None

    # ---- environment ---------------------------------------------------------------------------------------

    @property
    def variables(self) -> dict[str, str]:
        """What a person would set; dbt's own variables say where it works and to leave its tests out."""
        return {
            **self.sandbox.env,
            "FUNNELHOUSE_HOME": str(self.home),
            "FUNNELHOUSE_RAW": str(self.home / "raw"),
            "FUNNELHOUSE_CONFIG": str(DEMO_CONFIG),
            "FUNNELHOUSE_HASH_KEY": "k" * 32,
            "PYTHONPATH": str(PROJECT_FOLDER),  # for dbt's Python models, where the project is not installed
            "DBT_TARGET_PATH": str(self.dbt_target),
            "DBT_EXCLUDE_RESOURCE_TYPES": "test unit_test",
        }

    @contextmanager
    def environment(self) -> Iterator[None]:
        """This process as if it had been started with `variables` alone."""
        before = dict(os.environ)
        others = {name: value for name, value in before.items() if not name.startswith(OURS)}
        os.environ.clear()
        os.environ.update({**others, **self.variables})
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)

    @property
    def settings(self) -> Settings:
        return load_settings(self.variables, folder=self.folder)

    @property
    def zone(self) -> RawZone:
        return RawZone(self.settings.raw_root)

    def ensure_manifest(self) -> None:
        """The project's own manifest, as every run of the command line would make it."""
        with self.environment():
            del os.environ["DBT_TARGET_PATH"]
            ensure_manifest(self.settings.dbt_environment())

    # ---- the real thing ------------------------------------------------------------------------------------

    def start(self, *arguments: str, with_dbt_tests: bool = False) -> subprocess.Popen[str]:
        """`funnelhouse <arguments>` in a process group of its own; what it says goes to `<folder>/logs`."""
        others = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        variables = self.variables
        if with_dbt_tests:
            del variables["DBT_EXCLUDE_RESOURCE_TYPES"]
        log = self.logs / f"{len(list(self.logs.iterdir())):03d}-{arguments[0]}.log"
        with log.open("w") as said:
            process = subprocess.Popen(
                [sys.executable, "-m", "dagster_project.cli", *arguments],
                env={**others, **variables},
                cwd=PROJECT_FOLDER,
                stdout=said,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        process.log = log  # type: ignore[attr-defined]
        return process

    def run(self, *arguments: str, code: int = 0, **options: Any) -> str:
        """`start`, wait, check the exit code; gives what it said."""
        process = self.start(*arguments, **options)
        process.wait(PATIENCE_SECONDS)
        said = said_by(process)
        assert process.returncode == code, said[-5000:]
        return said

    def refresh(self, mode: ingest.Mode, window: Window | None = None) -> RunResult:
        """The Dagster job in this process."""
        with self.environment():
            settings = load_settings()
            return run_refresh(settings, mode, window or yesterday(settings))

    def refresh_raw(self, mode: ingest.Mode, window: Window) -> None:
        """The raw assets of the job alone, in this process."""
        with self.environment():
            settings = load_settings()
            from dagster_project.definitions import defs
            from dagster_project.defs import shared
            from dagster_project.defs.ingest import raw_key

            dagster = instance.open_instance(settings.home)
            try:
                defs().resolve_job_def("refresh").execute_in_process(
                    run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
                    instance=dagster,
                    asset_selection=[raw_key(stream) for stream in ingest.streams()],
                    tags={shared.MODE_TAG: mode, **shared.range_tags(window)},
                )
            finally:
                dagster.dispose()

    def steps_of_runs(self) -> list[dict[str, tuple[float, float]]]:
        """Of each run in Dagster's history: step -> when it begun and ended, in seconds."""
        with self.environment():
            dagster = instance.open_instance(self.home)
            try:
                found = [dagster.get_run_step_stats(run.run_id) for run in dagster.get_runs()]
            finally:
                dagster.dispose()
        return [{s.step_key: (s.start_time or 0.0, s.end_time or 0.0) for s in steps} for steps in found]

    # ---- the same without Dagster --------------------------------------------------------------------------

    def read(
        self, mode: ingest.Mode, window: Window | None = None, sources: Iterable[str] | None = None
    ) -> list[ingest.Outcome]:
        """The raw zone's part of a run; every stream must succeed."""
        settings, zone = self.settings, self.zone
        streams = ingest.streams(sources)
        outcomes = list(ingest.run(settings, zone, streams, mode, window))
        assert {o.stream.id: o.error for o in outcomes if o.status == "failed"} == {}
        zone.write_index([(s, ingest.is_on(settings, s)) for s in ingest.streams()])
        return outcomes

    def build(self, select: str | None = None) -> None:
        """dbt's part of a run: models (default: all), with the seeds and views that are not there yet."""
        has_all = self.settings.warehouse_path.exists() and (self.home / "published").exists()
        leave_out = ["--exclude", *MADE_ONCE] if has_all else []
        self._dbt("build", *(["--select", select] if select else []), *leave_out)

    def publish(self) -> Path:
        """KPI facts and publish; gives the published folder itself, not the link to it."""
        settings = self.settings
        self._compiler = self._compiler or Compiler(SEMANTIC_MANIFEST)
        with duckdb.connect(str(settings.warehouse_path), config=ONE_THREAD) as connection:
            kpis.build(connection, SEMANTIC_MANIFEST, compiler=self._compiler)
        return publish(settings.warehouse_path, settings.home).folder.resolve()

    def quick(self, mode: ingest.Mode, window: Window | None = None) -> Path:
        self.read(mode, window)
        self.build()
        return self.publish()

    def _dbt(self, command: str, *arguments: str) -> None:
        if self._manifest is None and command != "parse":  # once for this folder; all runs start from it
            self._dbt("parse")
        folders = ["--project-dir", DBT_FOLDER, "--profiles-dir", DBT_FOLDER, "--target-path", self.dbt_target]
        more = [*map(str, folders), "--log-level-file", "none", "--quiet"]
        with self.environment():
            try:
                done = dbtRunner(manifest=self._manifest).invoke([command, *arguments, *more])
            finally:  # the adapter would keep the warehouse open as long as this process lives
                DuckDBConnectionManager.close_all_connections()
        if not done.success:
            bad = [f"{r.node.name}: {r.message}" for r in getattr(done.result, "results", []) if r.status == "error"]
            raise AssertionError(f"dbt {command} failed: {done.exception or bad}")
        if command == "parse":
            self._manifest = without_descriptions(done.result)

    # ---- keeping homes -------------------------------------------------------------------------------------

    def clear(self) -> None:
        shutil.rmtree(self.home, ignore_errors=True)

    def keep(self, name: str) -> Path:
        """A copy of the home, to go back to."""
        return Path(shutil.copytree(self.home, self.folder / "kept" / name, symlinks=True))

    def go_back(self, name: str) -> None:
        self.clear()
        shutil.copytree(self.folder / "kept" / name, self.home, symlinks=True)

    def published(self, name: str | Literal[""] = "") -> Path:
        """The publish that readers of this home, or of a kept one, see."""
        return ((self.folder / "kept" / name if name else self.home) / "published").resolve()


def without_descriptions(manifest: Manifest) -> Manifest:
    """The models without the writing of descriptions into the warehouse: a third of dbt's time, for no row."""
    for node in manifest.nodes.values():
        if node.resource_type in ("model", "seed"):
            node.config.persist_docs = {}
    return manifest


def said_by(process: subprocess.Popen[str]) -> str:
    return process.log.read_text()  # type: ignore[attr-defined,no-any-return]


def yesterday(settings: Settings) -> Window:
    return Window.of_day(date.fromordinal(settings.today.toordinal() - 1))
