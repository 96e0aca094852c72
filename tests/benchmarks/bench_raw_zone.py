"""How fast the raw zone stores rows, and how fast it finds that nothing has changed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from dagster_project.raw.zone import RawZone
from dagster_project.sources import ga4
from dagster_project.wire import Page

FIRST = date(2026, 1, 1)
PAGE_ROWS = 100_000


def pages(days: int, rows_a_day: int) -> Iterator[Page]:
    """Traffic rows as a large property has them: few sources and devices, many landing pages and terms."""
    chance = np.random.default_rng(7)
    total = days * rows_a_day
    for start in range(0, total, PAGE_ROWS):
        numbers = np.arange(start, min(start + PAGE_ROWS, total))
        columns = {}
        for field in ga4.TRAFFIC.schema:
            if field.name == "date":
                columns[field.name] = pa.array(
                    (numbers // rows_a_day) + (FIRST - date(1970, 1, 1)).days, pa.int32()
                ).cast(pa.date32())
            elif field.name == "landingPage":  # makes the key unique
                columns[field.name] = pa.array([f"/page/{n % rows_a_day}" for n in numbers])
            elif field.name == "_extra":
                columns[field.name] = pa.nulls(len(numbers), pa.string())
            elif field.type == pa.string():
                members = pa.array([f"{field.name} {n}" for n in range(20)])
                columns[field.name] = members.take(pa.array(chance.integers(0, 20, len(numbers))))
            else:
                columns[field.name] = pa.array(chance.integers(0, 50, len(numbers))).cast(field.type)
        yield Page(pa.table(columns, schema=ga4.TRAFFIC.schema))


@pytest.mark.parametrize(("days", "rows_a_day"), [(3, 300_000), (365, 1_000)])
def test_rows_per_second_into_days(days: int, rows_a_day: int, tmp_path: Path) -> None:
    zone, window = RawZone(tmp_path), [FIRST + timedelta(days=n) for n in range(days)]
    ready = list(pages(days, rows_a_day))
    total = days * rows_a_day
    print(f"\n{total:,} rows of ga4/traffic ({len(ga4.TRAFFIC.schema)} columns) in {days} days")
    works = {"written": {}, "the same again": {}, "the same, account by account": {"read_accounts": {"account_id 0"}}}
    for what, more in works.items():
        started, cpu_started = time.perf_counter(), time.process_time()
        written = zone.replace_days(
            ga4.TRAFFIC,
            window,
            ready,
            extracted_at=datetime(2027, 1, 2, tzinfo=UTC),
            checked_on=date(2027, 1, 2),
            **more,
        )
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu_started
        print(
            f"  {what:<30}{total / seconds:10,.0f} rows/s  {days / seconds:7,.1f} days/s  "
            f"({total / cpu:10,.0f} rows per CPU second, {written.bytes_written / 1e6:.1f} MB written)"
        )
        assert written.rows == total
