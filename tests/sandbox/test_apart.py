"""The sandbox in a process of its own."""

import multiprocessing
from datetime import date

import pytest
import requests

from dagster_project.sandbox import DEMO_TODAY, serve_apart


def test_it_answers_while_it_is_wanted_and_ends_with_the_block() -> None:
    with serve_apart(DEMO_TODAY) as variables:
        environment = variables()
        assert environment["FUNNELHOUSE_TODAY"] == DEMO_TODAY.isoformat()
        (sandbox,) = multiprocessing.active_children()
        url = environment["HUBSPOT_BASE_URL"] + "/crm/v3/owners"
        assert requests.get(url, timeout=10).status_code == 401, "no token was sent"
    assert not sandbox.is_alive()
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=10)


def test_a_sandbox_that_cannot_start_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    with serve_apart(date(1999, 1, 1)) as variables, pytest.raises(RuntimeError, match="did not start"):
        variables()
    assert "1999" in capfd.readouterr().err
