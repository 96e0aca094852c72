"""The running sandbox: endpoints, environment, clock, call log, control paths, the demo's business rules."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import requests

from dagster_project.sandbox import DEMO_CONFIG, Sandbox, serve
from dagster_project.sandbox.server import Call, CallLog, Clock
from dagster_project.settings import load_settings
from dagster_project.sources.hubspot.sandbox import ACCESS_TOKEN
from dagster_project.sources.hubspot.sandbox.portal import LIFECYCLE_STAGES

HEADERS = {"Authorization": f"Bearer {ACCESS_TOKEN}"}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with serve() as running:
        yield running


def test_every_vendor_is_served_on_loopback_and_switched_on_by_the_environment(
    sandbox: Sandbox, no_vendor_variables: Path
) -> None:
    assert sandbox.endpoints.keys() == {"fx", "ga4", "ga4_grpc", "google_ads", "hubspot"}
    assert all("127.0.0.1:" in endpoint for endpoint in sandbox.endpoints.values())
    home = str(no_vendor_variables / "home")
    settings = load_settings({**sandbox.env, "FUNNELHOUSE_HOME": home, "FUNNELHOUSE_CONFIG": str(DEMO_CONFIG)})
    assert settings.of("ga4") is not None
    assert settings.of("hubspot") is not None
    assert settings.of("google_ads") is not None
    assert settings.of("fx") is not None
    assert settings.today == date(2026, 10, 1)
    # The demo's rules fit this company.
    stages = {rule.value for rule in settings.rules.stage_rules() if rule.crm == "hubspot"}
    named = {LIFECYCLE_STAGES[change.value] for c in sandbox.company.contacts for change in c.changes["stage"]}
    assert stages <= named
    products = {change.value for deal in sandbox.company.deals for change in deal.changes.get("product", [])}
    assert set(settings.rules.gross_margin.products) == products
    assert {line.motion for line in settings.rules.ledger} == {"inbound", "outbound"}
    assert {"labour", "technology", "agency", "overhead"} <= {line.cost_type for line in settings.rules.ledger}


def test_the_environment_can_ask_for_rest() -> None:
    with serve(vendors=["ga4"], transport="rest") as sandbox:
        assert sandbox.env["GA4_TRANSPORT"] == "rest"
        assert sandbox.env["GA4_BASE_URL"] == sandbox.endpoints["ga4"]
        assert "HUBSPOT_ACCESS_TOKEN" not in sandbox.env


def test_what_does_not_exist_is_refused() -> None:
    with (
        pytest.raises(ValueError, match=r"no port 'acme' in the sandbox; there are .*files, fx, ga4"),
        serve(ports={"acme": 1}),
    ):
        pass
    with pytest.raises(ValueError, match="no vendor 'acme'"), serve(vendors=["acme"]):
        pass


def test_ports_are_as_asked_and_free_afterwards() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with serve(vendors=["fx"], ports={"fx": port}) as sandbox:
        assert sandbox.endpoints["fx"] == f"http://127.0.0.1:{port}"
        with pytest.raises(OSError, match="in use"), serve(vendors=["fx"], ports={"fx": port}):
            pass
    with serve(vendors=["fx"], ports={"fx": port}) as sandbox:
        assert requests.get(f"http://127.0.0.1:{port}/_sandbox/clock", timeout=5).ok


def test_calls_are_counted_when_the_answer_arrives(sandbox: Sandbox) -> None:
    for _ in range(5):
        requests.get(sandbox.endpoints["hubspot"] + "/crm/v3/owners?limit=3", headers=HEADERS, timeout=5)
    assert sandbox.calls.count("hubspot") == 5
    assert sandbox.calls.count("hubspot", "/owners") == 5
    assert sandbox.calls.count("ga4") == 0
    assert sandbox.calls.by_path() == {"hubspot GET /crm/v3/owners": 5}
    assert sandbox.calls.list()[0] == Call("hubspot", "GET", "/crm/v3/owners", "limit=3", "200", None)
    assert requests.get(sandbox.endpoints["fx"] + "/_sandbox/calls", timeout=5).json() == sandbox.calls.by_path()
    requests.delete(sandbox.endpoints["fx"] + "/_sandbox/calls", timeout=5)
    assert sandbox.calls.count() == 0


def test_the_clock_is_one_for_all_vendors_and_moves_what_they_say(sandbox: Sandbox) -> None:
    def newest() -> str:
        body = {"sorts": [{"propertyName": "createdate", "direction": "DESCENDING"}], "limit": 1}
        url = sandbox.endpoints["hubspot"] + "/crm/v3/objects/contacts/search"
        return requests.post(url, json=body, headers=HEADERS, timeout=10).json()["results"][0]["createdAt"]

    before = newest()
    answer = requests.post(sandbox.endpoints["fx"] + "/_sandbox/clock", json={"now": "2026-11-15"}, timeout=5)
    assert answer.json() == {"now": "2026-11-15T06:00:00+00:00", "today": "2026-11-15"}
    assert sandbox.clock.now() == datetime(2026, 11, 15, 6, tzinfo=UTC)
    assert before < "2026-10-02" < "2026-11-10" < newest() < "2026-11-15T06"
    assert sandbox.env["FUNNELHOUSE_TODAY"] == "2026-11-15"


def test_faults_are_switched_over_http(sandbox: Sandbox) -> None:
    url = sandbox.endpoints["fx"] + "/_sandbox/faults"
    assert requests.post(url, json={"fault": "hubspot:throttle:2"}, timeout=5).json()[0]["remaining"] == 2
    owners = sandbox.endpoints["hubspot"] + "/crm/v3/owners"
    assert requests.get(owners, headers=HEADERS, timeout=5).status_code == 429
    assert requests.get(url, timeout=5).json()[0]["remaining"] == 1
    assert requests.delete(url, params={"vendor": "hubspot"}, timeout=5).json() == []
    refused = requests.post(url, json={"fault": "hubspot:throttel"}, timeout=5)
    assert refused.status_code == 400
    assert "no fault 'throttel'" in refused.json()["error"]
    assert (
        requests.post(sandbox.endpoints["fx"] + "/_sandbox/clock", json={"now": "soon"}, timeout=5).status_code == 400
    )


def test_control_paths_are_no_calls(sandbox: Sandbox) -> None:
    assert requests.get(sandbox.endpoints["ga4"] + "/_sandbox/env", timeout=5).json() == sandbox.env
    assert sandbox.calls.count() == 0


def test_a_day_on_the_clock_is_its_morning_in_utc() -> None:
    clock = Clock("2026-10-01")
    assert clock.now() == datetime(2026, 10, 1, 6, tzinfo=UTC)
    clock.set(datetime(2026, 10, 1, 22, 30, tzinfo=UTC))
    assert clock.today() == date(2026, 10, 2)  # half past midnight in Berlin
    assert clock.today("UTC") == date(2026, 10, 1)
    clock.set("2026-12-01T08:00:00+01:00")
    assert clock.now() == datetime(2026, 12, 1, 7, tzinfo=UTC)


@pytest.mark.parametrize("wrong", [date(2024, 1, 1), date(2027, 6, 1), datetime(2026, 10, 1), "tomorrow"])
def test_a_clock_that_cannot_be_is_refused(wrong: date | str) -> None:
    with pytest.raises(ValueError):
        Clock(wrong)


def test_the_log_filters_by_vendor_and_path() -> None:
    log = CallLog()
    log.add(Call("hubspot", "POST", "/crm/v3/objects/deals/search"))
    log.add(Call("ga4", "gRPC", "RunReport"))
    assert [call.vendor for call in log.list(path="gRPC")] == ["ga4"]
    assert log.count("hubspot", "POST /crm") == 1
    assert log.count("hubspot", "GET /crm") == 0


def test_the_blocking_sandbox_prints_its_environment_and_ends_on_interrupt() -> None:
    # a shell that starts the tests in the background has them, and what they start, ignore Ctrl-C
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    code += "from dagster_project.sandbox import run; run(today='2026-09-01', faults=['hubspot:slow'])"
    process = subprocess.Popen([sys.executable, "-u", "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.strip())
        if line.startswith("FX_ECB_URL"):
            break
    env = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
    assert env["FUNNELHOUSE_TODAY"] == "2026-09-01"
    [fault] = requests.get(env["FX_ECB_URL"] + "/_sandbox/faults", timeout=5).json()
    assert (fault["vendor"], fault["kind"], fault["remaining"]) == ("hubspot", "slow", 1)
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "has ended" in rest
