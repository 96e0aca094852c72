"""Fixtures of the end-to-end tests: a sandbox a module, one installation a session, and finished homes to start from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date

import pytest
from installation import Installation

from dagster_project.connectors import Window
from dagster_project.sandbox import Sandbox, serve

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
            import os, pathlib  # DEV
            dev = os.environ.get("T_STAGE")  # DEV
            if dev: pathlib.Path(dev).mkdir(exist_ok=True)  # DEV
            _stage["only"] = Installation(pathlib.Path(dev) if dev else tmp_path_factory.mktemp("installation"), nobody)
            _stage["only"].prepare_dbt()
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
            installation.keep(name)

    return kept


@pytest.fixture
def loaded(installation: Installation, keep: Keep) -> Installation:
    """The home "loaded" is kept: PERIOD, loaded on 2026-10-01 by one backfill."""
    keep("loaded", lambda: installation.quick("backfill", PERIOD))
    return installation
