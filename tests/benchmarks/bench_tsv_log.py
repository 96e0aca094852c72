"""Visits per CPU second from a log of Yandex.Metrica (tab-separated) on the wire to the stream's columns, beside the floor.

The floor is Arrow's CSV reader over the same bytes in memory, in the same types, on one thread. Run with --run-benchmarks -s.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv

from dagster_project.sources.yandex_metrika import VISITS
from dagster_project.sources.yandex_metrika import visits as log
from dagster_project.wire import Tally

ROWS, ROUNDS, CHUNK_BYTES = 400_000, 3, 1 << 16


def lines() -> bytes:
    """As busy sites have them: addresses with tags, some with escapes, goals in one of ten visits."""
    found = ["\t".join(f"ym:s:{field.name}" for field in log.FIELDS)]
    for n in range(ROWS):
        day, is_paid = 1 + n % 28, n % 3 == 0
        cells = {
            "visitID": str(10**18 + n), "date": f"2026-09-{day:02d}", "dateTime": f"2026-09-{day:02d} {n % 24:02d}:{n % 60:02d}:{n % 59:02d}",
            "clientID": f"{1_700_000_000 + n % 90_000}{n % 10**9:09d}", "isNewUser": str(n % 2),
            "startURL": f"https://www.shop.example/landing/{n % 60}" + (f"?utm_source=yandex&utm_campaign=c{n % 40}&yclid={n}" if is_paid else ""),
            "referer": "" if is_paid else "https://yandex.ru/", "pageViews": str(n % 9), "visitDuration": str(n % 300), "bounce": str(n % 2),
            "regionCountry": "RU", "deviceCategory": str(1 + n % 3), "goalsID": "[12,34]" if n % 10 == 0 else "[]",
            "lastTrafficSource": "ad" if is_paid else "organic", "lastUTMSource": "yandex" if is_paid else "",
            "lastUTMCampaign": f"c{n % 40}" if is_paid else "", "lastUTMTerm": "d\\'or" if n % 50 == 0 else "",
        }  # fmt: skip
        found.append("\t".join(cells.get(field.name, "") for field in log.FIELDS))
    return ("\n".join(found) + "\n").encode()


def rows_a_second(work: Callable[[], Any]) -> float:
    spans = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        work()
        spans.append(time.process_time() - begun)
    return ROWS / min(spans)


def test_a_log_is_read_at_half_of_arrows_speed() -> None:
    body = lines()
    types = {f"ym:s:{field.name}": field.type for field in log.FIELDS}

    def floor() -> int:
        return pacsv.read_csv(
            pa.BufferReader(body),
            pacsv.ReadOptions(use_threads=False),
            pacsv.ParseOptions(delimiter="\t", quote_char=False),
            pacsv.ConvertOptions(column_types=types, strings_can_be_null=True),
        ).num_rows

    def ours() -> int:
        chunks = lambda: (body[n : n + CHUNK_BYTES] for n in range(0, len(body), CHUNK_BYTES))  # noqa: E731
        reader = log.Reader(VISITS, "1", "Europe/Moscow", Tally())
        return sum(table.num_rows for table in reader.tables(log.blocks(chunks, lambda *_: None)))

    assert floor() == ours() == ROWS
    at_least, found = rows_a_second(floor), rows_a_second(ours)
    print(
        f"\nlog of visits: {found:,.0f} rows per CPU second; Arrow's CSV reader alone: {at_least:,.0f} ({found / at_least:.0%})"
    )
