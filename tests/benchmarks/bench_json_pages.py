"""HubSpot contacts per second from JSON pages on the wire to written Parquet days, beside the floor.

The floor asks for the same pages with requests, parses them with orjson, makes a column of text of each property and
writes one Parquet file: no types, no history, no hashes, no redaction, no days. Run it alone:

    python -m pytest tests/benchmarks/bench_json_pages.py --run-benchmarks -s
"""

from __future__ import annotations

import json
import multiprocessing
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import requests

from dagster_project.raw.zone import RawZone
from dagster_project.sources import hubspot
from dagster_project.wire import Tally
from tests.support.hubspot_company import settings_for

ROUNDS, PAGES, PAGE_ROWS = 3, 400, 50  # HubSpot gives 50 contacts a page with their history
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 60
STAGES = ("lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity")


def iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def contact(number: int, chance: random.Random) -> dict[str, Any]:
    """A contact as a portal with tracking fields has them: its own address and moments, tags that many share."""
    created = FIRST + timedelta(seconds=chance.randrange(DAYS * 86_400), milliseconds=chance.randrange(1000))
    reached = [created + timedelta(hours=5 * step) for step in range(chance.randrange(1, len(STAGES) + 1))]
    campaign, is_paid = f"spring_{chance.randrange(40)}", chance.random() < 0.4
    page = f"https://www.shop.example/landing/{chance.randrange(60)}?utm_source=google&utm_campaign={campaign}"
    properties = {
        "createdate": iso(created),
        "lastmodifieddate": iso(reached[-1]),
        "lifecyclestage": STAGES[len(reached) - 1],
        "email": f"person.{number}@customer{number % 5000}.example",
        "phone": f"+49 30 {chance.randrange(10**6, 10**7)}" if chance.random() < 0.5 else "",
        "mobilephone": None,
        "hubspot_owner_id": str(chance.randrange(20)),
        "utm_source": chance.choice(["google", "linkedin", "newsletter"]),
        "utm_medium": chance.choice(["cpc", "email", "social"]),
        "utm_campaign": campaign,
        "utm_term": f"term {chance.randrange(300)}" if is_paid else "",
        "utm_content": None,
        "gclid": f"EAIaIQobChMI{chance.randrange(10**30)}" if is_paid else None,
        "ga_client_id": f"{chance.randrange(10**9)}.{int(created.timestamp())}",
        "hs_analytics_source": chance.choice(["PAID_SEARCH", "DIRECT_TRAFFIC", "ORGANIC_SEARCH"]),
        "hs_analytics_source_data_1": campaign,
        "hs_analytics_source_data_2": "google / cpc",
        "hs_analytics_first_url": f"{page}&gclid=EAIa{chance.randrange(10**20)}" if is_paid else page,
        "hs_analytics_last_url": page,
        "hs_analytics_first_timestamp": iso(created),
        "first_conversion_event_name": chance.choice(["Demo request: Contact us", "Newsletter"]),
        "country": chance.choice(["Germany", "France", "Italy"]),
        "hs_country_region_code": chance.choice(["DE", "FR", "IT"]),
        "how_did_you_hear_about_us": chance.choice(["", "a friend", "a podcast, in 2025"]),
        **{f"hs_v2_date_entered_{stage}": iso(at) for stage, at in zip(STAGES, reached, strict=False)},
        "hs_object_id": str(number),
    }
    past = [{"value": stage, "timestamp": iso(at), "sourceType": "FORM", "sourceId": "form-7"} for stage, at in
            zip(STAGES, reached, strict=False)]  # fmt: skip
    return {
        "id": str(number),
        "properties": properties,
        "propertiesWithHistory": {"lifecyclestage": past[::-1]},
        "createdAt": iso(created),
        "updatedAt": iso(reached[-1]),
        "archived": False,
    }


def serve(pipe: Connection) -> None:
    """A portal in a process of its own, with its pages ready, so that only the reading is timed."""
    chance = random.Random(7)
    bodies, names = [], set()
    for page in range(PAGES):
        records = [contact(page * PAGE_ROWS + n, chance) for n in range(PAGE_ROWS)]
        names |= {name for record in records for name in record["properties"]}
        following = {"paging": {"next": {"after": str(page + 1)}}} if page + 1 < PAGES else {}
        bodies.append(json.dumps({"results": records, **following}).encode())
    account = b'{"portalId": 26000001, "companyCurrency": "EUR"}'
    properties = json.dumps({"results": [{"name": name} for name in sorted(names)]}).encode()

    class Portal(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            asked = parse_qs(url.query)
            if url.path == "/account-info/v3/details":
                content = account
            elif url.path == "/crm/v3/properties/contacts":
                content = properties
            elif asked["archived"] == ["true"]:
                content = b'{"results": []}'
            else:
                content = bodies[int(asked.get("after", ["0"])[0])]
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Portal)
    pipe.send((f"http://127.0.0.1:{server.server_address[1]}", sum(map(len, bodies)), sorted(names)))
    server.serve_forever()


@contextmanager
def portal() -> Iterator[tuple[str, int, list[str]]]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs,), daemon=True)
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


def to_parquet(url: str, folder: Path) -> None:
    pages = hubspot.sweep_contacts(settings_for(url), Tally())
    zone = RawZone(folder / str(time.perf_counter_ns()))
    stamps = {"extracted_at": datetime(2026, 6, 1, tzinfo=UTC), "checked_on": date(2026, 6, 1)}
    assert zone.replace_all(hubspot.CONTACTS, pages, **stamps).rows == PAGES * PAGE_ROWS


def to_pages(url: str) -> None:
    pages = hubspot.sweep_contacts(settings_for(url), Tally())
    assert sum(page.rows.num_rows for page in pages) == PAGES * PAGE_ROWS


def floor(url: str, names: list[str], folder: Path) -> None:
    tables = []
    with requests.Session() as session:
        for page in range(PAGES):
            query = {"archived": "false", "after": str(page)}
            answer = orjson.loads(session.get(f"{url}/crm/v3/objects/contacts", params=query).content)
            records = [record["properties"] for record in answer["results"]]
            columns = {name: [record.get(name) for record in records] for name in names}
            tables.append(pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()}))
    pq.write_table(pa.concat_tables(tables), folder / f"{time.perf_counter_ns()}.parquet", compression="snappy")


def test_contacts_per_second_from_the_page_to_parquet(tmp_path: Path) -> None:
    rows = PAGES * PAGE_ROWS
    with portal() as (url, size, names):
        works: dict[str, Callable[[], object]] = {
            "floor: requests, orjson, Arrow": lambda: floor(url, names, tmp_path),
            "HubSpot, page to Arrow pages": lambda: to_pages(url),
            "HubSpot, page to Parquet days": lambda: to_parquet(url, tmp_path),
        }
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
        for _ in range(ROUNDS):  # in turns, so that a busy moment of the machine hits all alike
            for name, work in works.items():
                times[name].append(timed(work))
    best = {name: [min(column) for column in zip(*of, strict=True)] for name, of in times.items()}
    floor_clock, floor_cpu = best["floor: requests, orjson, Arrow"]
    print(f"\n{rows:,} contacts in {PAGES} pages, {size / 1e6:.0f} MB of JSON, {DAYS} days; best of {ROUNDS}")
    for name, (clock, cpu) in best.items():
        print(
            f"  {name:<32}{rows / clock:10,.0f} rows/s {floor_clock / clock:5.0%} of the floor"
            f"   ({rows / cpu:9,.0f} rows per CPU second, {floor_cpu / cpu:5.0%})"
        )
