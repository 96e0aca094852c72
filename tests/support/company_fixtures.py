"""The demo company, built once for all tests of the sandbox."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dagster_project.sandbox.company import DEMO_SEED, Company, build


@pytest.fixture(scope="session")
def company() -> Company:
    return build(DEMO_SEED)


@pytest.fixture(scope="session")
def demo_now() -> datetime:
    return datetime(2026, 10, 1, 6, tzinfo=UTC)
