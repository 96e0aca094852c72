"""What tests of connectors share: a scripted vendor, and waiting that does not wait."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dagster_project.wire import Tally
from tests.support.scripted_server import ScriptedServer


@pytest.fixture
def scripted() -> Iterator[ScriptedServer]:
    server = ScriptedServer()
    yield server
    server.close()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that connectors would have waited; they do not."""
    seconds: list[float] = []
    monkeypatch.setattr(Tally, "sleep", lambda _tally, wait: seconds.append(wait))
    return seconds
