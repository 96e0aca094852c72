"""Every fault switch of the sandbox, vendor by vendor, read over the wire into a raw zone that already holds data.

What passes is survived with the same rows; what lasts ends in one clear error for each stream that met it, and
not a byte of what was stored changes. Waiting is cut out, nothing else is.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dagster_project import ingest
from dagster_project.raw.zone import RawZone
from dagster_project.sandbox import DEMO_CONFIG, Sandbox, serve
from dagster_project.sandbox.faults import CONTENT_FAULTS, KINDS, WIRE_FAULTS
from dagster_project.settings import Settings, load_settings
from dagster_project.sources import ga4
from dagster_project.wire import Stream, Tally, Window
from tests.pipeline.conftest import SCALE, SEED, TODAY

WINDOW = Window(date(2026, 9, 24), date(2026, 10, 1))  # what is stored; a refresh reads its last days again
# Switches that change rows exist only where the vendor has such rows; all others must fire on every vendor.
CONTENT_OF = {
    "ga4": {"duplicate_row", "short_listing", "unknown_field", "sampled", "thresholded", "other_row"},
    "hubspot": {"duplicate_row", "short_listing", "unknown_field"},
    "google_ads": {"unknown_field"},
    "fx": {"unknown_field"},
}
SWITCHES = [(vendor, kind) for vendor in CONTENT_OF for kind in (*WIRE_FAULTS, *sorted(CONTENT_OF[vendor]))]
# No error, however long it lasts: late, or told by the rows themselves.
HARMLESS = {"slow", "unknown_field", "sampled", "thresholded", "other_row"}
# What the rows or their quality tell of themselves, so that they are not the same as before.
TOLD = HARMLESS - {"slow"}
# One refusal is the end: there is no token to renew (HubSpot's is fixed, the ECB has none).
FINAL_AT_ONCE = {("hubspot", "expired_token"), ("fx", "expired_token")}
# Only whole listings have pages that repeat rows here, or a size that can be doubted.
SWEPT = {("hubspot", "duplicate_row"), ("hubspot", "short_listing")}
SMALL_PAGE_ROWS = 200  # so that GA4's reports have pages to lose or double rows between


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with serve(today=TODAY, seed=SEED, scale=SCALE) as running:
        yield running


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> Iterator[list[float]]:
    """The seconds that connectors would have waited; they do not. Faults are off again afterwards."""
    seconds: list[float] = []
    monkeypatch.setattr(Tally, "sleep", lambda _tally, wait: seconds.append(wait))
    yield seconds
    sandbox.faults.clear()


@pytest.fixture(scope="module")
def stored(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose raw zone holds the window and a swept CRM, read without faults."""
    home = tmp_path_factory.mktemp("stored")
    for mode in ("sweep", "backfill"):
        outcomes = read(sandbox, home, list(CONTENT_OF), [], mode)
        assert {o.status for o in outcomes} == {"ok"}
    return home


@pytest.fixture
def home(stored: Path, tmp_path: Path) -> Path:
    """A copy of what is stored, for one test to trouble."""
    return Path(shutil.copytree(stored, tmp_path / "home"))


def settings_of(sandbox: Sandbox, home: Path) -> Settings:
    mine = {"FUNNELHOUSE_HOME": str(home), "FUNNELHOUSE_CONFIG": str(DEMO_CONFIG), "FUNNELHOUSE_HASH_KEY": "k" * 32}
    return load_settings({**sandbox.env, **mine}, folder=home)


def streams_of(sources: Sequence[str], waits: list[float]) -> list[Stream]:
    """The real streams; GA4's with pages so small that they follow each other, and with waits that do not wait."""

    def quick(stream: Stream) -> Stream:
        if stream.source != "ga4":
            return stream
        quick_read = partial(ga4.read, stream.name, page_rows=SMALL_PAGE_ROWS, sleep=waits.append)
        return replace(stream, read=quick_read)

    return [quick(stream) for stream in ingest.streams(sources)]


def read(
    sandbox: Sandbox, home: Path, sources: Sequence[str], waits: list[float], mode: Any = "refresh"
) -> list[ingest.Outcome]:
    settings = settings_of(sandbox, home)
    zone = RawZone(settings.raw_root)
    return list(ingest.run(settings, zone, streams_of(sources, waits), mode, WINDOW))


def content(home: Path, source: str) -> dict[tuple[str, date], tuple[int, str]]:
    """Rows and content hash of every stored day of a source."""
    zone = RawZone(home / "raw")
    return {
        (stream.name, row["day"]): (row["rows"], row["content_hash"])
        for stream in ingest.streams([source])
        for row in zone.ledger(stream).to_pylist()
    }


def files(home: Path) -> dict[str, tuple[int, bytes]]:
    """Every stored day's file: when it was written, and its bytes."""
    found = sorted((home / "raw").rglob("day=*/part-0.parquet"))
    return {str(path.relative_to(home)): (path.stat().st_mtime_ns, path.read_bytes()) for path in found}


def mode_for(vendor: str, kind: str) -> str:
    return "sweep" if (vendor, kind) in SWEPT else "refresh"


def is_survived(vendor: str, kind: str) -> bool:
    return kind in HARMLESS or (vendor, kind) == ("hubspot", "duplicate_row")


def options(kind: str) -> dict[str, float]:
    return {"seconds": 0.05} if kind == "slow" else {}


def assert_clear(outcome: ingest.Outcome) -> None:
    """One sentence or two, that begin with who failed; no traceback, no secret."""
    assert outcome.error.startswith(outcome.stream.source), outcome.error
    assert "unexpected" not in outcome.error
    assert "Traceback" not in outcome.error
    assert "sandbox-" not in outcome.error  # how every credential of the sandbox begins
    assert len(outcome.error) < 700


def test_no_switch_is_forgotten() -> None:
    assert set().union(*CONTENT_OF.values()) == set(CONTENT_FAULTS)
    assert {kind for _, kind in SWITCHES} == set(KINDS)


@pytest.mark.parametrize(("vendor", "kind"), SWITCHES)
def test_a_fault_that_passes_leaves_the_same_rows(
    vendor: str, kind: str, sandbox: Sandbox, stored: Path, home: Path, waits: list[float]
) -> None:
    sandbox.faults.set(vendor, kind, 1, **options(kind))
    outcomes = read(sandbox, home, [vendor], waits, mode_for(vendor, kind))
    assert sandbox.faults.active() == [], f"the switch {vendor}:{kind} never fired"
    failed = [outcome for outcome in outcomes if outcome.status != "ok"]
    if (vendor, kind) in FINAL_AT_ONCE:
        [outcome] = failed
        assert_clear(outcome)
    elif (vendor, kind) == ("hubspot", "short_listing"):
        assert all("nothing was changed" in outcome.error for outcome in failed)
    else:
        assert {o.stream.id: o.error for o in failed} == {}
    if kind not in TOLD:
        assert content(home, vendor) == content(stored, vendor)


@pytest.mark.parametrize(("vendor", "kind"), SWITCHES)
def test_a_fault_that_lasts_is_survived_or_one_clear_error_with_nothing_changed(
    vendor: str, kind: str, sandbox: Sandbox, stored: Path, home: Path, waits: list[float]
) -> None:
    mode = mode_for(vendor, kind)
    before = files(home)
    sandbox.faults.set(vendor, kind, None, **options(kind))
    outcomes = read(sandbox, home, [vendor], waits, mode)
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    if is_survived(vendor, kind):
        assert {o.stream.id: o.error for o in failed} == {}
    else:
        assert failed
        for outcome in failed:
            assert_clear(outcome)
    if kind not in TOLD:
        assert files(home) == before
    sandbox.faults.clear()
    again = read(sandbox, home, [vendor], waits, mode)
    assert {o.stream.id: o.error for o in again if o.status != "ok"} == {}
    assert content(home, vendor) == content(stored, vendor)
