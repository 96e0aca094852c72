"""What Dagster is told of raw assets: the rows of one day for one day, and which source is late, by name."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from dagster_project import ingest
from dagster_project.ingest import freshness
from dagster_project.raw.zone import RawZone
from dagster_project.settings import load_settings
from dagster_project.warehouse.project import ensure_manifest
from dagster_project.wire import Page, Stream

DAYS = [date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 3)]
ROWS = [2, 0, 1]


def stream(name: str) -> Stream:
    [found] = [s for s in ingest.streams() if s.id == name]
    return found


@pytest.fixture
def zone(tmp_path: Path) -> RawZone:
    """fx/rates of three days: two rows, none, and one; read on 3 March."""
    zone, rates = RawZone(tmp_path / "raw"), stream("fx/rates")
    zone.declare(rates)
    days = [day for day, count in zip(DAYS, ROWS, strict=True) for _ in range(count)]
    rows = [{"account_id": "test", "date": day, "currency": f"CUR{i}"} for i, day in enumerate(days)]
    table = pa.Table.from_pylist(
        [{name: row.get(name) for name in rates.schema.names} for row in rows], schema=rates.schema
    )
    zone.replace_days(
        rates, DAYS, [Page(table, {})], extracted_at=datetime(2026, 3, 3, 4, tzinfo=UTC), checked_on=DAYS[-1]
    )
    return zone


def test_one_partition_has_the_rows_of_its_day(zone: RawZone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings({"FUNNELHOUSE_HOME": str(tmp_path)}, folder=tmp_path)
    ensure_manifest(settings.dbt_environment())
    from dagster_project.defs import ingest as assets
    from dagster_project.defs.resources import Installation, Reporter

    def run(_settings: Any, _zone: Any, wanted: list[Stream], *_: Any, **__: Any) -> Any:
        return iter([ingest.Outcome(one, "ok") for one in wanted])

    monkeypatch.setattr(ingest, "run", run)
    monkeypatch.setattr(Installation, "settings", lambda self: settings)
    monkeypatch.setattr(Installation, "setup_for_execution", lambda self, context: None)
    monkeypatch.setattr(Installation, "raw_zone", lambda self, _settings: zone)
    done = dg.materialize(
        [assets.read_days],
        selection=[dg.AssetKey(["raw_fx", "rates"])],
        resources={"installation": Installation(), "reporter": Reporter()},
        tags={
            "dagster/asset_partition_range_start": DAYS[0].isoformat(),
            "dagster/asset_partition_range_end": DAYS[-1].isoformat(),
        },
    )
    told = {
        event.materialization.partition: event.materialization.metadata
        for event in done.get_asset_materialization_events()
    }
    counts = {day: metadata["dagster/partition_row_count"].value for day, metadata in told.items()}
    assert counts == {day.isoformat(): rows for day, rows in zip(DAYS, ROWS, strict=True)}
    assert {metadata["dagster/row_count"].value for metadata in told.values()} == {sum(ROWS)}


def test_a_late_source_is_named(zone: RawZone) -> None:
    rates, contacts = stream("fx/rates"), stream("hubspot/contacts")
    zone.declare(contacts)
    next_night = DAYS[-1] + timedelta(days=1)
    assert freshness.late(zone, [rates], DAYS[-1]) == {}
    assert freshness.late(zone, [rates], next_night) == {}, "one night may fail"
    assert freshness.late(zone, [rates, contacts], next_night + timedelta(days=1)) == {
        "fx/rates": "was read last on 2026-03-03, 2 days ago",
        "hubspot/contacts": "was never read",
    }
