"""A home in which all is well, made once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.troubled_home import TODAY, TroubledHome


@pytest.fixture(scope="session")
def well(tmp_path_factory: pytest.TempPathFactory) -> TroubledHome:
    """A home in which all is well: tests begin as a copy of it."""
    home = TroubledHome(tmp_path_factory.mktemp("well"))
    home.publish(sessions={TODAY - timedelta(days=1): 400.0})
    home.run()
    return home
