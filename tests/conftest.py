"""What all tests share: the optional folder of real data, the switches, and which tests stay together on one worker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest_plugins = ["tests.support.what_happens", "tests.support.vendor_fixtures", "tests.support.company_fixtures"]

TESTS = Path(__file__).resolve().parent
PROJECT = TESTS.parent
# What takes long begins first, so that two workers end together: the rest is short and fills the gaps.
LONGEST_FIRST = ("pipeline", "dbt", "kpis")
# Files that start from the same finished homes, or look at the same house.
TOGETHER = (
    ("test_backfills.py", "test_failed_source.py", "test_killed_runs.py", "test_published_tables.py", "test_runs_at_once.py"),
    ("test_nights.py", "test_year_of_backfill.py"),
    ("test_dagster_daemon.py", "test_stopped_runs.py", "test_verify.py"),
    ("test_crm_orders.py", "test_crm_people.py", "test_crm_stages.py", "test_crm_touches.py"),
)  # fmt: skip


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--run-benchmarks", action="store_true", help="run tests/benchmarks and print their figures")
    parser.addoption("--long", action="store_true", help="run the tests marked long, too (minutes each)")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "long: takes minutes; runs with --long only")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if "benchmarks" in collection_path.parts and not config.getoption("--run-benchmarks"):
        return True
    return None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("long") and not config.getoption("--long"):
            item.add_marker(pytest.mark.skip(reason="long: runs with --long"))
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    folder = item.path.relative_to(TESTS).parts[0]
    return LONGEST_FIRST.index(folder) if folder in LONGEST_FIRST else len(LONGEST_FIRST)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `-n 2`, a file's tests stay on one worker, since they share what its fixtures build; so do the files of
    TOGETHER. (`--dist loadgroup` of pytest-xdist 3.8 does nothing under pytest 9.2, which took `_nodeid` away.)"""
    from xdist.scheduler import LoadScopeScheduling

    class FilesTogether(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return next((group[0] for group in TOGETHER if Path(file).name in group), file)

    config.option.loadscopereorder = False  # they begin as they are collected
    return FilesTogether(config, log)


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Real data, recorded vendor bodies and reference results, kept beside the project; tests skip without it."""
    folder = PROJECT.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"no folder {folder.name}/ beside the project: real data and reference results are not here")
    return folder


@pytest.fixture(scope="session")
def semantic_manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of semantic_manifest.json of the dbt project as it stands: parsed once, as every refresh has it."""
    from dagster_project.settings import load_settings
    from dagster_project.warehouse.project import MANIFEST, ensure_manifest

    home = tmp_path_factory.mktemp("parsed")
    settings = load_settings({"FUNNELHOUSE_HOME": str(home), "FUNNELHOUSE_HASH_KEY": "k" * 32}, folder=home)
    ensure_manifest(settings.dbt_environment())
    return MANIFEST.parent


@pytest.fixture
def no_vendor_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home of its own and no source switched on by the machine's environment."""
    from dagster_project.settings import variable_names

    for name in (*variable_names(), "DAGSTER_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FUNNELHOUSE_HOME", str(tmp_path / "home"))
    return tmp_path
