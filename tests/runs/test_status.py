"""`funnelhouse status`: what it says of a home that is well, troubled, never loaded, locked or damaged; it changes nothing."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dagster_project.cli import app
from dagster_project.runs.status import status_of
from dagster_project.warehouse.locks import warehouse_lock
from tests.support.troubled_home import TODAY, TroubledHome


def _files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and "dagster" not in path.parts}


def _asked(home: TroubledHome, monkeypatch: pytest.MonkeyPatch) -> tuple[int, dict, str]:  # type: ignore[type-arg]
    """Exit code and answer of `funnelhouse status --json`, and the screen."""
    monkeypatch.chdir(home.folder)
    for name, value in home.environment().items():
        monkeypatch.setenv(name, value)
    answer = CliRunner().invoke(app, ["status", "--json"])
    screen = CliRunner().invoke(app, ["status"])
    assert screen.exit_code == answer.exit_code
    return answer.exit_code, json.loads(answer.stdout), screen.stdout


def test_of_a_home_that_is_well(well: TroubledHome, monkeypatch: pytest.MonkeyPatch) -> None:
    before = _files(well.folder)
    with warehouse_lock(well.settings.home):  # a refresh is at work
        (well.settings.home / "warehouse.duckdb").write_bytes(b"half a page")
        code, said, screen = _asked(well, monkeypatch)
        (well.settings.home / "warehouse.duckdb").unlink()
    assert code == 0
    assert said["is_well"] is True
    assert [run["how"] for run in said["runs"]] == ["done"]
    assert said["runs"][0]["has_published"] is True
    assert [(each["source"], each["state"], each["last_read"]) for each in said["sources"]] == [
        ("pipedrive", "ok", "2026-03-31")
    ]
    assert said["disk"]["raw"] > 0
    assert datetime.fromisoformat(said["next_runs"]["nightly"]).astimezone(UTC).hour == 3
    assert "well" in screen.splitlines()[0]
    lock = well.settings.home / ".warehouse.lock"
    assert {path: content for path, content in _files(well.folder).items() if path != lock} == before


def test_of_a_home_in_which_something_is_wrong(
    tmp_path: Path, well: TroubledHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = TroubledHome(tmp_path, like=well)
    home.fail("pipedrive/deals", "[red]the vendor[/red] answered 503")
    home.refuse("pipedrive/persons", {TODAY: 2, date(2026, 3, 30): 1})
    home.tell()
    code, said, screen = _asked(home, monkeypatch)
    assert code == 1
    assert {each["cause"] for each in said["open"]} == {"source pipedrive", "refused pipedrive"}
    assert {each["since"] for each in said["open"]} == {"2026-03-31 04:00:00+00:00"}
    assert said["sources"][0]["state"] == "failing"
    assert said["sources"][0]["refused"] == "3 rows left out"
    assert "[red]the vendor[/red] answered 503" in screen


def test_of_a_home_that_was_never_loaded(tmp_path: Path) -> None:
    home = TroubledHome(tmp_path, is_empty=True)
    status = status_of(home.settings)
    assert (status.is_well, status.published_at, status.runs, status.open, status.unknown) == (False, None, [], [], {})
    assert [path.name for path in home.settings.home.iterdir()] == ["hash_key"]


def test_what_is_damaged_is_named_and_the_rest_is_shown(tmp_path: Path, well: TroubledHome) -> None:
    home = TroubledHome(tmp_path, like=well)
    (home.settings.home / "dagster" / "history" / "runs.db").write_bytes(b"no database" * 1000)
    (home.settings.published_folder / "funnelhouse.duckdb").write_bytes(b"nor this")
    status = status_of(home.settings)
    assert not status.is_well
    assert "run history" in status.unknown["runs"]
    assert "kpi" in status.unknown
    assert [each.source for each in status.sources] == ["pipedrive"]
    with pytest.raises(sqlite3.DatabaseError):
        sqlite3.connect(home.settings.home / "dagster" / "history" / "runs.db").execute("select * from runs")
