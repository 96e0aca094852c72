"""How fast dropped files become typed rows, beside the floor: Arrow parsing the same bytes and nothing else.

CPU seconds, not wall time, so that a busy machine gives the same figures. Run with --run-benchmarks -s.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.csv
import pyarrow.json

from dagster_project.sources import files, ga4_export
from dagster_project.sources.files.mappings import FileMapping
from dagster_project.sources.files.settings import FilesSettings
from dagster_project.wire import Tally


def measure(label: str, count: int, work: Callable[[], Any]) -> None:
    start = time.process_time()
    work()
    print(f"{label}: {count / (time.process_time() - start):,.0f} rows per CPU second")


def of(folder: Path, **mapping: Any) -> FilesSettings:
    return FilesSettings(
        mappings=(FileMapping.model_validate(mapping),),
        base_folder=str(folder),
        hash_key="a key that is long enough",
    )


def test_csv_of_sessions(tmp_path: Path) -> None:
    count = 500_000
    with (tmp_path / "sessions.csv").open("w") as file:
        file.write("id,start,client,source,medium,campaign,landing,device,country,views,seconds\n")
        for i in range(count):
            file.write(
                f"s{i},2026-{1 + i % 9:02d}-{1 + i % 28:02d} {i % 24:02d}:{i % 60:02d}:00,{i % 400000}.{i},google,cpc,"
                f"spring_{i % 40},https://x.example/p{i % 50}?utm_source=google&gclid=Cj{i},mobile,DE,{i % 7},{i % 300}.5\n"
            )
    columns = {
        "session_id": "id", "started_at": "start", "client_id": "client", "source": "source", "medium": "medium",
        "campaign": "campaign", "landing_page_url": "landing", "device": "device", "country": "country",
        "page_views": "views", "engagement_seconds": "seconds",
    }  # fmt: skip
    settings = of(tmp_path, name="web", stream="sessions", path="sessions.csv", columns=columns)
    stream = next(stream for stream in files.STREAMS if stream.name == "sessions")
    print()
    measure("files, CSV of sessions", count, lambda: sum(p.rows.num_rows for p in stream.sweep(settings, Tally())))
    one_thread = pyarrow.csv.ReadOptions(use_threads=False)
    measure(
        "floor, Arrow's CSV reader",
        count,
        lambda: pyarrow.csv.read_csv(tmp_path / "sessions.csv", one_thread),
    )


def test_ga4_export(tmp_path: Path) -> None:
    count = 50_000
    texts = {
        "page_location": "https://x.example/a?utm_source=google",
        "page_title": "A page",
        "source": "google",
    }
    numbers = {
        "ga_session_number": 1,
        "engagement_time_msec": 1200,
        "entrances": 1,
        "debug_mode": 1,
        "percent": 90,
    }
    lines = []
    for i in range(count):
        parameters = [{"key": key, "value": {"string_value": text}} for key, text in texts.items()]
        parameters += [{"key": key, "value": {"int_value": str(n)}} for key, n in numbers.items()]
        parameters.append({"key": "ga_session_id", "value": {"int_value": str(i // 5)}})
        event = {
            "event_date": "20260101",
            "event_timestamp": str(1_767_225_600_000_000 + i),
            "event_name": "page_view",
            "event_params": parameters,
            "event_bundle_sequence_id": str(i),
            "user_pseudo_id": f"{i // 9}.{i // 9}",
            "device": {"category": "mobile", "web_info": {"browser": "Chrome"}},
            "geo": {"country": "Germany", "city": "Berlin"},
            "traffic_source": {"source": "google", "medium": "cpc", "name": "spring"},
        }
        lines.append(json.dumps(event).encode())
    content = b"\n".join(lines)
    (tmp_path / "events.jsonl").write_bytes(content)
    settings = of(tmp_path, name="shop", stream="ga4_export", path="events.jsonl")
    print()
    measure("GA4 export, JSON lines", count, lambda: list(ga4_export.sweep(settings, Tally())))
    options = pyarrow.json.ReadOptions(use_threads=False, block_size=8 * 2**20)
    measure("floor, Arrow's JSON reader", count, lambda: pyarrow.json.read_json(io.BytesIO(content), options))
