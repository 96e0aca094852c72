"""The command line: what a person is told, and the exit code. Whole runs are in pipeline/."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest

from dagster_project import cli
from dagster_project.sandbox import DEMO_CONFIG, Sandbox, serve

TODAY = date(2026, 10, 1)
Said = tuple[int, str]
FRAME = dict.fromkeys(map(ord, "│╭╮╰╯─"), " ")  # typer draws a box around what was typed wrong, and wraps inside it


@pytest.fixture
def funnelhouse(
    no_vendor_variables: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Said]:
    """`funnelhouse("refresh", "--deep")`: exit code and everything said, on one line, as of 2026-10-01."""
    monkeypatch.setenv("FUNNELHOUSE_TODAY", TODAY.isoformat())
    monkeypatch.chdir(no_vendor_variables)

    def run(*arguments: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["funnelhouse", *arguments])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
        captured = capsys.readouterr()
        return code, " ".join((captured.out + captured.err).translate(FRAME).split())

    return run


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with serve(today=TODAY, seed=2, scale=0.5) as running:
        yield running


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        ("backfill --start 2026-09-30 --end 2026-09-01", 2, "--end 2026-09-01 is before --start 2026-09-30"),
        ("backfill --start 2026-10-01 --end 2026-10-01", 2, "--start 2026-10-01 is not over yet: today is 2026-10-01"),
        ("backfill --start 01.09.2026 --end 2026-09-01", 2, "'01.09.2026' does not match the format"),
        ("refresh --source ga5", 2, "--source 'ga5' is not a source; allowed: "),
        ("show cpl", 1, "nothing is published yet; run `funnelhouse refresh`"),
        ("explain cpl --period 2026-09", 1, "nothing is published yet; run `funnelhouse refresh`"),
        ("sandbox --fault hubspot:sleepy", 2, "--fault: no fault 'sleepy'; there are throttle, "),
    ],
)
def test_a_wrong_command_is_one_message_that_names_it(
    funnelhouse: Callable[..., Said], command: str, code: int, message: str, no_vendor_variables: Path
) -> None:
    got, said = funnelhouse(*command.split())
    assert message in said
    assert got == code
    assert "Traceback" not in said
    assert not (no_vendor_variables / "home" / "raw").exists()


def test_a_wrong_setting_is_one_message_that_names_it(
    funnelhouse: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FUNNELHOUSE_TODAY", "soon")
    code, said = funnelhouse("refresh")
    assert code == 1
    assert "FUNNELHOUSE_TODAY" in said
    assert "'soon'" in said
    assert "Traceback" not in said


def test_doctor_says_how_to_switch_on_what_is_off(funnelhouse: Callable[..., Said], no_vendor_variables: Path) -> None:
    # reference rates need no variable, so they are on: not here, where nobody may be asked
    (no_vendor_variables / "funnelhouse.yml").write_text("exchange_rates: {providers: []}\n")
    code, said = funnelhouse("doctor")
    assert code == 0
    for variable in ("GA4_PROPERTY_ID", "GA4_CREDENTIALS_FILE", "HUBSPOT_ACCESS_TOKEN", "GOOGLE_ADS_REFRESH_TOKEN"):
        assert variable in said
    assert "a mapping under `files:` in funnelhouse.yml" in said


def test_doctor_asks_each_vendor_that_is_on(
    funnelhouse: Callable[..., Said], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**sandbox.env, "FUNNELHOUSE_CONFIG": str(DEMO_CONFIG)}.items():
        monkeypatch.setenv(name, value)
    code, said = funnelhouse("doctor")
    assert code == 0
    for stream in ("traffic", "contacts", "campaign_performance", "rates"):
        assert f"rows of {stream}" in said
    sandbox.faults.set("hubspot", "expired_token", None)
    try:
        code, said = funnelhouse("doctor")
    finally:
        sandbox.faults.clear()
    assert code == 1
    assert "HubSpot does not accept HUBSPOT_ACCESS_TOKEN (401" in said
    assert "at least one source that is on does not answer" in said
    assert sandbox.env["HUBSPOT_ACCESS_TOKEN"] not in said
    assert "rows of traffic" in said  # the others were asked all the same
