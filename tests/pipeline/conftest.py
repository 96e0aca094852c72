"""Fixtures of the end-to-end tests: a sandbox a module, one installation a session, and finished homes to start from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pytest

from dagster_project.sandbox import Sandbox, serve
from dagster_project.wire import Window
from tests.support.dagster_ui import FromFiles
from tests.support.installation import PATIENCE_SECONDS, Installation, said_by
from tests.support.published import Reader

TODAY = date(2026, 10, 1)
PERIOD = Window(date(2026, 8, 15), TODAY)  # over a month's and, with the days that follow, a quarter's end
SCALE = 0.5  # the smallest company in which every special case finds its person
SEED = 2  # of a company whose archived, deleted and merged contacts were leads before


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """The company on the morning of 2026-10-01. Of its own for each module: vendors count quota by the hour."""
    with serve(today=TODAY, seed=SEED, scale=SCALE) as running:
        yield running


@pytest.fixture(scope="session")
def _stage(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Installation]:
    return {}


@pytest.fixture
def installation(
    sandbox: Sandbox, _stage: dict[str, Installation], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """The session's installation, without a home, fed by this module's sandbox as of 2026-10-01."""
    if not _stage:
        with serve(today=TODAY, seed=SEED, scale=SCALE, vendors=()) as nobody:
            _stage["only"] = Installation(tmp_path_factory.mktemp("installation"), nobody)
            _stage["only"].ensure_manifest()
    installation = _stage["only"]
    installation.sandbox = sandbox
    sandbox.clock.set(TODAY)
    sandbox.faults.clear()
    installation.clear()
    yield installation
    sandbox.faults.clear()
    sandbox.clock.set(TODAY)


Keep = Callable[[str, Callable[[], object]], None]


@pytest.fixture
def keep(installation: Installation) -> Keep:
    """`keep(name, make)`: what `make` does to an empty home is kept under `name`; done once in a session."""

    def kept(name: str, make: Callable[[], object]) -> None:
        if not (installation.folder / "kept" / name).exists():
            installation.clear()
            make()
            if not (installation.folder / "kept" / name).exists():
                installation.keep(name)

    return kept


@pytest.fixture
def loaded(installation: Installation, keep: Keep) -> Installation:
    """The home "loaded" is kept: PERIOD, loaded on 2026-10-01 by one backfill."""
    keep("loaded", lambda: installation.quick("backfill", PERIOD))
    return installation


@pytest.fixture(scope="session")
def from_files(tmp_path_factory: pytest.TempPathFactory) -> FromFiles:
    """A handful of rows from files and no vendor: the cheapest installation that computes and publishes KPIs."""
    made = FromFiles(tmp_path_factory.mktemp("files"))
    made.ensure_manifest()
    return made


@pytest.fixture
def published_from_files(from_files: FromFiles) -> FromFiles:
    """It has published: in the tests of the daemon, or else by a refresh now."""
    if not (from_files.folder / "kept" / "published").exists():
        if not from_files.published().exists():
            from_files.run("refresh")
        from_files.keep("published")
    from_files.go_back("published")
    return from_files


NIGHT_FACTS = "night"


@dataclass
class NightFacts:
    """What happened while the home "night" was made by two runs at once."""

    before: Path
    publishes: list[Path]  # in order
    exit_codes: list[int]
    steps: list[dict[str, tuple[float, float]]]  # of each run: step -> begun, ended
    reader: Reader


@pytest.fixture
def night(loaded: Installation, keep: Keep) -> Installation:
    """The home "night" is kept: "loaded" a day later, after two `funnelhouse refresh` at once, watched by a reader."""

    def make() -> None:
        loaded.go_back("loaded")
        loaded.sandbox.clock.set(TODAY + timedelta(days=1))
        before = loaded.published()
        with Reader(loaded.home) as reader:
            # one of them as at a customer's, with dbt's tests as checks that stop a run
            processes = [loaded.start("refresh", with_dbt_tests=True), loaded.start("refresh")]
            for process in processes:
                process.wait(PATIENCE_SECONDS)
                assert process.returncode == 0, said_by(process)[-3000:]
        publishes = [path for path in sorted((loaded.home / ".publishes").iterdir()) if path != before]
        codes = [process.returncode for process in processes]
        loaded.keep("night")
        kept = [loaded.folder / "kept" / "night" / path.relative_to(loaded.home) for path in publishes]
        loaded.facts[NIGHT_FACTS] = NightFacts(before, kept, codes, loaded.steps_of_runs(), reader)

    keep("night", make)
    return loaded
