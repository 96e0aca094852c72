"""GA4 rows per second from the wire to written Parquet days, over gRPC and REST, beside the floor.

The floor parses the same bytes with the official protobuf class and builds the columns, nothing else: no wire,
no types, no checks, no file. Run it alone:

    python -m pytest tests/benchmarks/bench_ga4.py --run-benchmarks -s
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pyarrow as pa
import pytest
from google.analytics.data_v1beta.types import MetricType, RunReportRequest, RunReportResponse
from google.protobuf import json_format

from dagster_project.raw.zone import RawZone
from dagster_project.sources import ga4
from dagster_project.sources.ga4.rows import plain_columns
from dagster_project.sources.ga4.sandbox import SERVICE
from dagster_project.sources.ga4.sandbox.answers import ReportAnswer
from dagster_project.sources.ga4.settings import Ga4Settings
from dagster_project.wire import Tally, Window

ROUNDS = 3
PAGE_ROWS = 100_000
FIRST_DAY = date(2026, 2, 1)
DIMENSIONS = [field.name for field in ga4.TRAFFIC.schema][:9]
METRICS = [field.name for field in ga4.TRAFFIC.schema][9:16]


def page_of(number: int) -> ReportAnswer:
    """One day of traffic, as cardinal as a busy shop's: 100,000 rows of 9 dimensions and 7 metrics."""
    generator, rows = np.random.default_rng(number), np.arange(PAGE_ROWS)

    def texts(pattern: str, numbers: np.ndarray) -> pa.Array:
        distinct, places = np.unique(numbers, return_inverse=True)
        return pa.array([pattern.format(n) for n in distinct]).take(pa.array(places))

    def some(pattern: str, count: int) -> pa.Array:
        return texts(pattern, generator.integers(0, count, PAGE_ROWS))

    columns = [
        texts(f"{FIRST_DAY:%Y%m}{FIRST_DAY.day + number:02d}", rows * 0),
        some("source-{}.example.org", 300), some("cpc{}", 8), some("spring_sale_{}", 400), some("term {}", 900),
        some("banner {}", 50), texts("/catalogue/category-{0}/item-{0}", rows // 8),
        texts("device{}", rows % 4), texts("X{}", rows // 4 % 2),
        some("{}", 40), some("{}", 30), some("{}", 20), some("{}", 5), some("{}", 200), some("{}.5", 3000),
        pa.array(generator.random(PAGE_ROWS).round(4).astype(str)),
    ]  # fmt: skip
    head = RunReportResponse.pb()(row_count=PAGE_ROWS * 3, kind="analyticsData#runReport")
    for name in DIMENSIONS:
        head.dimension_headers.add(name=name)
    for name in METRICS:
        head.metric_headers.add(name=name, type_=MetricType.TYPE_FLOAT.value)
    head.metadata.time_zone = "Europe/Berlin"
    return ReportAnswer(head, pa.table(dict(zip([*DIMENSIONS, *METRICS], columns, strict=True))), len(DIMENSIONS))


def serve(pipe: Connection, pages: int) -> None:
    """A vendor in a process of its own, with its answers ready, so that only the reading is timed."""
    answers = [page_of(number) for number in range(pages)]
    for answer in answers:
        answer.head.row_count = PAGE_ROWS * pages
    as_protobuf, as_json = [a.to_protobuf() for a in answers], [a.to_json() for a in answers]

    class Rest(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            request = json_format.Parse(self.rfile.read(int(self.headers["Content-Length"])), RunReportRequest.pb()())
            content = as_json[request.offset // PAGE_ROWS]
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            return

    rest = ThreadingHTTPServer(("127.0.0.1", 0), Rest)
    handler = grpc.unary_unary_rpc_method_handler(
        lambda request, _: as_protobuf[request.offset // PAGE_ROWS],
        request_deserializer=RunReportRequest.pb().FromString,
    )
    server = grpc.server(ThreadPoolExecutor(2), options=[("grpc.max_send_message_length", -1)])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"RunReport": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    pipe.send((f"127.0.0.1:{port}", f"http://127.0.0.1:{rest.server_address[1]}", as_protobuf))
    rest.serve_forever()


@contextmanager
def vendor(pages: int) -> Iterator[tuple[str, str, list[bytes]]]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, pages), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock, and of this process's CPUs (which a busy machine does not lengthen)."""
    started, cpu_started = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - started, time.process_time() - cpu_started


def to_parquet(address: str, pages: int, folder: Path) -> None:
    settings = Ga4Settings(property_ids=["1"], credentials_file="anonymous", base_url=address)
    window = Window(FIRST_DAY, FIRST_DAY.replace(day=FIRST_DAY.day + pages))
    read = ga4.read("traffic", settings, window, Tally(), page_rows=PAGE_ROWS)
    zone = RawZone(folder / str(time.perf_counter_ns()))
    stamps = {"extracted_at": datetime(2026, 3, 1, tzinfo=UTC), "checked_on": date(2026, 3, 1)}
    written = zone.replace_days(ga4.TRAFFIC, window.days(), read, **stamps)
    assert written.rows == PAGE_ROWS * pages


def floor(payloads: list[bytes]) -> None:
    for payload in payloads:
        message = RunReportResponse.pb().FromString(payload)
        plain_columns(message.rows, len(DIMENSIONS), len(METRICS))


@pytest.mark.parametrize("pages", [1, 3])
def test_rows_per_second_from_the_wire_to_parquet(pages: int, tmp_path: Path) -> None:
    with vendor(pages) as (grpc_address, rest_address, payloads):
        rows = PAGE_ROWS * pages
        works: dict[str, Callable[[], object]] = {
            "floor: protobuf into columns": lambda: floor(payloads),
            "gRPC, wire to Parquet days": lambda: to_parquet(grpc_address, pages, tmp_path),
            "REST, wire to Parquet days": lambda: to_parquet(rest_address, pages, tmp_path),
        }
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
        for _ in range(ROUNDS):  # in turns, so that a busy moment of the machine hits all three alike
            for name, work in works.items():
                times[name].append(timed(work))
        best = {name: [min(column) for column in zip(*of, strict=True)] for name, of in times.items()}
        floor_clock, floor_cpu = best["floor: protobuf into columns"]
        print(
            f"\n{rows:,} rows in {pages} page(s), {sum(map(len, payloads)) / 1e6:.0f} MB of protobuf; best of {ROUNDS}"
        )
        for name, (clock, cpu) in best.items():
            print(
                f"  {name:<30}{rows / clock:10,.0f} rows/s {floor_clock / clock:5.0%} of the floor"
                f"   ({rows / cpu:9,.0f} rows per CPU second, {floor_cpu / cpu:5.0%})"
            )
