"""Days without a time in dropped files: they are that day in every zone, and the rows say so."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dagster_project.sources.files.dates import without_time
from dagster_project.sources.files.stream import IS_DAY
from dagster_project.sources.files.streams import FILE_STREAMS
from tests.support.dropped_files import LEADS, swept


@pytest.mark.parametrize(
    ("cells", "formats", "expected"),
    [
        (["2026-09-01", "20260901", None, "", "n/a"], (), [True, True, False, False, False]),
        (["2026-09-01", "2026-09-01 14", "2026-09-01T14:05Z", "1788184800"], (), [True, False, False, False]),
        (["1788184800000", "1788184800.5", "1788184800"], (), [False, False, False]),
        (["01.09.2026", "01.09.2026 14:05"], ("%d.%m.%Y", "%d.%m.%Y %H:%M"), [True, False]),
        (["01.09.2026 14.05"], ("%d.%m.%Y %H.%M",), [False]),
        # programs without dates write midnight everywhere: one hour in between, and midnight is an hour too
        (["2026-09-01 00:00:00", "2026-09-02 00:00:00.000", None], (), [True, True, False]),
        (["2026-09-01 00:00:00", "2026-09-02 14:05:00"], (), [False, False]),
        (["2026-09-01 00:00:00", "2026-09-02"], (), [True, True]),
        (["09/01/2026 12:00 AM"], ("%m/%d/%Y %I:%M %p",), [True]),
        # an offset says that the hour is meant
        (["2026-09-01T00:00:00Z"], (), [False]),
    ],
)  # fmt: skip
def test_which_texts_are_days(cells: list[str | None], formats: tuple[str, ...], expected: list[bool]) -> None:
    assert without_time(pa.array(cells, pa.string()), formats).to_pylist() == expected


def test_which_typed_cells_are_days() -> None:
    midnight, hour = datetime(2026, 9, 1), datetime(2026, 9, 1, 14)
    local, utc = pa.timestamp("us"), pa.timestamp("us", tz="UTC")
    assert without_time(pa.array([midnight.date(), None], pa.date32()), ()).to_pylist() == [True, False]
    assert without_time(pa.array([midnight, None], local), ()).to_pylist() == [True, False]
    assert without_time(pa.array([midnight, hour], local), ()).to_pylist() == [False, False]
    assert without_time(pa.array([midnight.replace(tzinfo=UTC)], utc), ()).to_pylist() == [False]


@pytest.mark.parametrize(("reporting", "midnight"), [("America/New_York", 4), ("UTC", 0), ("Asia/Kolkata", -5.5)])
def test_a_day_is_that_day_whatever_the_zone_of_the_file(tmp_path: Path, reporting: str, midnight: float) -> None:
    (tmp_path / "leads.csv").write_text("id,created,won\n1,2026-09-01,\n2,2026-09-01 14:05,2026-09-03\n")
    columns = {**LEADS["columns"], "won_at": "won"}
    rows, _ = swept(tmp_path, {**LEADS, "columns": columns, "time_zone": "Europe/Berlin"}, time_zone=reporting)

    hours = {row["lead_id"]: row for row in rows.to_pylist()}
    day_begins = datetime(2026, 9, 1, tzinfo=UTC).timestamp() + midnight * 3600
    assert hours["1"]["created_at"].timestamp() == day_begins
    assert hours["2"]["created_at"] == datetime(2026, 9, 1, 12, 5, tzinfo=UTC)  # an hour is one of Berlin
    assert hours["2"]["won_at"].timestamp() == day_begins + 2 * 86400
    assert [(row["created_at_is_day"], row["won_at_is_day"]) for row in (hours["1"], hours["2"])] == [
        (True, False), (False, True),
    ]  # fmt: skip


def test_a_day_that_stands_in_or_is_constant_is_one(tmp_path: Path) -> None:
    (tmp_path / "leads.csv").write_text("id,created,seen\n1,,2026-09-01\n2,2026-09-01 14:05,2026-09-01\n")
    mapping = {**LEADS, "otherwise": {"created_at": ["seen"]}, "constants": {"mql_at": "2026-09-04"}}
    rows, _ = swept(tmp_path, mapping)
    assert rows["created_at_is_day"].to_pylist() == [True, False]
    assert rows["mql_at_is_day"].to_pylist() == [True, True]


def test_what_is_no_date_is_no_day(tmp_path: Path) -> None:
    (tmp_path / "leads.csv").write_text("id,created,won\n1,2026-09-01,soon\n2,2026-09-02,2026-09-03\n")
    rows, _ = swept(tmp_path, {**LEADS, "columns": {**LEADS["columns"], "won_at": "won"}})
    assert rows["won_at_is_day"].to_pylist() == [False, True]
    assert rows["mql_at_is_day"].null_count == 2  # nobody maps it


def test_days_in_parquet(tmp_path: Path) -> None:
    written = pa.table(
        {"id": ["1", "2"], "created": pa.array([datetime(2026, 9, 1), datetime(2026, 9, 2)], pa.timestamp("ns"))}
    )
    pq.write_table(written, tmp_path / "leads.parquet")
    rows, _ = swept(tmp_path, {**LEADS, "path": "leads.parquet"}, time_zone="America/New_York")
    assert rows["created_at"].to_pylist() == [datetime(2026, 9, day, 4, tzinfo=UTC) for day in (1, 2)]
    assert rows["created_at_is_day"].to_pylist() == [True, True]


def test_nobody_maps_the_flags() -> None:
    for stream in FILE_STREAMS.values():
        flags = [name for name in stream.columns if name.endswith(IS_DAY)]
        assert not set(flags) & set(stream.mappable)
        assert all(name.removesuffix(IS_DAY) in stream.columns for name in flags)
