"""What all tests share: the optional folder of real data, and the switch for benchmarks."""

from __future__ import annotations

from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--run-benchmarks", action="store_true", help="run tests/benchmarks and print their figures")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if "benchmarks" in collection_path.parts and not config.getoption("--run-benchmarks"):
        return True
    return None


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Real data, recorded vendor bodies and reference results, kept beside the project; tests skip without it."""
    folder = PROJECT.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"no folder {folder.name}/ beside the project: real data and reference results are not here")
    return folder


@pytest.fixture
def no_vendor_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home of its own and no source switched on by the machine's environment."""
    import os

    for name in list(os.environ):
        if name.startswith(("FUNNELHOUSE_", "GA4_", "HUBSPOT_", "GOOGLE_ADS_", "GOOGLE_OAUTH_", "FX_", "DAGSTER_HOME")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("FUNNELHOUSE_HOME", str(tmp_path / "home"))
    return tmp_path
