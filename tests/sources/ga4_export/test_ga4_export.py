"""The GA4 BigQuery export: counts as DuckDB gives them, both ways of writing integers, overlaps, bad lines."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from dagster_project.raw.zone import RawZone
from dagster_project.sources.files.mappings import FileMapping
from dagster_project.sources.ga4_export import STREAMS
from dagster_project.wire import DriftError, Tally
from dagster_project.wire.identity import hash_email
from tests.support.dropped_files import settings

EVENTS = STREAMS[0]
EXPORT = {"name": "shop", "stream": "ga4_export", "path": "events_*.jsonl"}


def swept(folder: Path, **more: Any) -> tuple[pa.Table, Tally]:
    tally = Tally()
    pages = EVENTS.sweep(settings(folder, {**EXPORT, **more}), tally)
    return pa.concat_tables([EVENTS.schema.empty_table(), *(page.rows for page in pages)]), tally


def parameter(key: str, **value: Any) -> dict[str, Any]:
    return {"key": key, "value": value}


def event(name: str = "page_view", at_us: int = 1_767_225_600_000_000, **more: Any) -> dict[str, Any]:
    return {
        "event_date": "20260101",
        "event_timestamp": at_us,
        "event_name": name,
        "user_pseudo_id": "12.34",
        "event_bundle_sequence_id": -5,
        "event_params": [
            parameter("ga_session_id", int_value=99),
            parameter("page_location", string_value="https://x.example/a"),
        ],
        **more,
    }


def write(folder: Path, name: str, *events: dict[str, Any] | str) -> None:
    lines = [line if isinstance(line, str) else json.dumps(line) for line in events]
    (folder / name).write_text("\n".join(lines) + "\n")


def as_strings(value: Any) -> Any:
    """The same JSON with integers as BigQuery's own export writes them, and without the nulls."""
    if isinstance(value, dict):
        return {key: as_strings(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [as_strings(inner) for inner in value]
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


# ---- Google's sample, counted by DuckDB directly


@pytest.fixture(scope="session")
def sample(shared_dir: Path) -> Path:
    file = shared_dir / "data/ga4_bigquery_sample/ga4_events_sample.jsonl"
    if not file.exists():
        pytest.skip("no ga4_bigquery_sample among the real data")
    return file


COUNTED_BY_US = """
    select event_date as day, count(*) as events, count(distinct (user_pseudo_id, ga_session_id)) as sessions,
        count(distinct user_pseudo_id) as users, count(distinct page_location), count(page_referrer), count(source),
        count(distinct (source, medium, campaign)), count(term), count(gclid), count(session_engaged),
        count(*) filter (session_engaged), sum(engagement_time_msec), sum(ga_session_number),
        count(*) filter (event_name = 'session_start'), sum(epoch_us(event_timestamp)), min(event_bundle_sequence_id),
        count(distinct (user_source, user_medium, user_campaign)), count(distinct country),
        count(*) filter (device_category = 'mobile'), count(currency), count(event_value), count(transaction_id)
    from ours group by all order by all"""

COUNTED_DIRECTLY = """
    with events as (select * from read_json('{file}', format = 'newline_delimited', columns = {{
        event_date: 'varchar', event_timestamp: 'bigint', event_name: 'varchar', user_pseudo_id: 'varchar',
        event_bundle_sequence_id: 'bigint', event_params: 'struct(key varchar, value struct(string_value varchar,
            int_value bigint, float_value double, double_value double))[]',
        device: 'struct(category varchar)', geo: 'struct(country varchar)',
        traffic_source: 'struct(name varchar, medium varchar, source varchar)',
        ecommerce: 'struct(transaction_id varchar)'}})),
    p as (select *, map_from_entries(list_transform(event_params, lambda x: (x.key, x.value))) as p from events)
    select strptime(event_date, '%Y%m%d')::date as day, count(*), count(distinct (user_pseudo_id, p['ga_session_id'].int_value)),
        count(distinct user_pseudo_id), count(distinct p['page_location'].string_value),
        count(p['page_referrer'].string_value), count(p['source'].string_value),
        count(distinct (p['source'].string_value, p['medium'].string_value, p['campaign'].string_value)),
        count(p['term'].string_value), count(p['gclid'].string_value),
        count(coalesce(p['session_engaged'].string_value, p['session_engaged'].int_value::varchar)),
        count(*) filter (coalesce(p['session_engaged'].string_value, p['session_engaged'].int_value::varchar) = '1'),
        sum(p['engagement_time_msec'].int_value), sum(p['ga_session_number'].int_value),
        count(*) filter (event_name = 'session_start'), sum(event_timestamp), min(event_bundle_sequence_id),
        count(distinct (traffic_source.source, traffic_source.medium, traffic_source.name)), count(distinct geo.country),
        count(*) filter (device.category = 'mobile'), count(p['currency'].string_value),
        count(p['value'].double_value), count(ecommerce.transaction_id)
    from p group by all order by all"""


def test_googles_sample_counts_as_duckdb_counts_it(sample: Path) -> None:
    ours, tally = swept(sample.parent, path=sample.name)
    assert ours.num_rows == 460
    assert (tally.bad_rows, tally.notes) == ([], [])
    by_us, directly = (
        duckdb.sql(COUNTED_BY_US).fetchall(),
        duckdb.sql(COUNTED_DIRECTLY.format(file=sample)).fetchall(),
    )
    assert len(by_us) == 92
    assert by_us == directly
    whole = duckdb.sql(
        "select count(distinct user_pseudo_id), count(distinct (user_pseudo_id, ga_session_id)) from ours"
    )
    assert whole.fetchone() == (114, 130)


def test_the_sample_reads_the_same_from_bigquerys_json_and_from_parquet(sample: Path, tmp_path: Path) -> None:
    records = [json.loads(line) for line in sample.read_text().splitlines()]
    (tmp_path / "events_1.jsonl").write_text("\n".join(json.dumps(as_strings(record)) for record in records))
    duckdb.sql(
        f"copy (select * from read_json('{sample}', format = 'newline_delimited')) to '{tmp_path}/events.parquet'"
    )
    first, _ = swept(sample.parent, path=sample.name)
    files = {"_file", "_line"}
    names = [name for name in first.schema.names if name not in files]
    for more in ({}, {"path": "events.parquet"}):
        again, tally = swept(tmp_path, **more)
        assert again.select(names).equals(first.select(names)), more
        assert again["_line"].to_pylist() == list(range(1, 461))
        assert tally.bad_rows == []


def wrapped(lists: pa.ListArray, inner: str | None, outer: str | None) -> pa.Array:
    """A list column as some writers nest it: each element, and the list, in a struct of one field."""
    values = lists.values if inner is None else pa.StructArray.from_arrays([lists.values], [inner])
    column = pa.ListArray.from_arrays(lists.offsets, values)
    return column if outer is None else pa.StructArray.from_arrays([column], [outer])


@pytest.mark.parametrize(
    ("inner", "outer"),
    [(None, None), ("element", "list"), ("element", None), (None, "array"), ("item", None), ("array", "bag")],
)
def test_parameters_are_found_however_the_writer_nested_them(
    tmp_path: Path, inner: str | None, outer: str | None
) -> None:
    write(tmp_path, "events_1.jsonl", *(event(at_us=1_767_225_600_000_000 + n) for n in range(3)))
    expected, _ = swept(tmp_path)
    record = json.loads((tmp_path / "events_1.jsonl").read_text().splitlines()[0])
    plain = pa.Table.from_pylist([record | {"event_timestamp": 1_767_225_600_000_000 + n} for n in range(3)])
    column = wrapped(plain["event_params"].combine_chunks(), inner, outer)
    table = plain.set_column(plain.schema.get_field_index("event_params"), "event_params", column)
    pq.write_table(table, tmp_path / "events_1.parquet")
    found, tally = swept(tmp_path, path="events_1.parquet")
    names = [name for name in expected.schema.names if name not in ("_file", "_line")]
    assert found.select(names).to_pylist() == expected.select(names).to_pylist()
    assert expected["ga_session_id"].null_count == 0
    assert tally.bad_rows == []


def test_texts_that_are_none_stop_nothing(tmp_path: Path) -> None:
    lone = json.dumps(event(geo={"country": "x"})).replace('"x"', '"\\ud83d"')
    write(tmp_path, "events_1.jsonl", event(), lone, event(at_us=1_767_225_600_000_009))
    found, tally = swept(tmp_path)
    assert (found.num_rows, tally.bad_row_count) == (2, 1)
    no_text = pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xdf\xed"], pa.binary()).buffers())
    plain = pa.Table.from_pylist([event()])
    geo = pa.StructArray.from_arrays([no_text], ["country"])
    pq.write_table(plain.append_column("geo", geo), tmp_path / "events_1.parquet")
    assert swept(tmp_path, path="events_1.parquet")[0]["country"].to_pylist() == ["\ufffd\ufffd"]


def test_the_sample_can_be_stored(sample: Path, tmp_path: Path) -> None:
    zone = RawZone(tmp_path / "raw")
    pages = EVENTS.sweep(settings(sample.parent, {**EXPORT, "path": sample.name}), Tally())
    written = zone.replace_all(
        EVENTS, pages, extracted_at=datetime(2026, 1, 1, tzinfo=UTC), checked_on=date(2026, 1, 1)
    )
    assert (written.rows, len(written.days)) == (460, 92)


# ---- what the fields mean


def test_an_event_with_everything(tmp_path: Path) -> None:
    write(
        tmp_path,
        "events_20260101.jsonl",
        event(
            "purchase",
            user_id="Joe@Example.com",
            device={"category": "mobile"},
            geo={"country": "Germany"},
            traffic_source={"source": "google", "medium": "organic", "name": "(organic)"},
            ecommerce={"purchase_revenue": 12.5, "transaction_id": "T1"},
            event_params=[
                parameter("ga_session_id", string_value="99"),
                parameter("ga_session_number", int_value=3),
                parameter("session_engaged", int_value=1),
                parameter("engagement_time_msec", int_value=1500),
                parameter("value", double_value=12.5),
                parameter("currency", string_value="EUR"),
                parameter("page_location", string_value="https://x.example/a?email=joe@example.com&gclid=G"),
                parameter("gclid", string_value="G"),
                parameter("term", string_value="shoes"),
            ],
            unknown_field={"deep": [1]},
        ),
    )
    table, _ = swept(tmp_path)
    row = table.to_pylist()[0]
    assert row == {
        "account_id": "shop",
        "event_date": date(2026, 1, 1),
        "event_timestamp": datetime(2026, 1, 1, tzinfo=UTC),
        "event_name": "purchase",
        "user_pseudo_id": "12.34",
        "event_bundle_sequence_id": -5,
        "user_id_hash": hash_email("joe@example.com", b"a key that is long enough"),
        "ga_session_id": 99,
        "ga_session_number": 3,
        "page_location": "https://x.example/a?email=(redacted)&gclid=G",
        "page_referrer": None,
        "source": None,
        "medium": None,
        "campaign": None,
        "term": "shoes",
        "content": None,
        "gclid": "G",
        "user_source": "google",
        "user_medium": "organic",
        "user_campaign": "(organic)",
        "device_category": "mobile",
        "country": "Germany",
        "session_engaged": True,
        "engagement_time_msec": 1500,
        "is_key_event": True,
        "event_value": 12.5,
        "currency": "EUR",
        "transaction_id": "T1",
        "purchase_revenue": 12.5,
        "_file": "events_20260101.jsonl",
        "_line": 1,
        "_copy": 1,
        "_extra": None,
    }


def test_the_sessions_own_record_stands_above_what_the_event_was_sent_with(tmp_path: Path) -> None:
    sent = [
        parameter("ga_session_id", int_value=1),
        parameter("source", string_value="p"),
        parameter("medium", string_value="m"),
    ]
    collected = {"manual_source": "c", "manual_campaign_name": "cc", "manual_term": "ct", "gclid": "G"}
    manual = {"manual_campaign": {"source": "s", "medium": "sm", "campaign_name": "sc", "content": "scontent"}}
    cross = {"cross_channel_campaign": {"source": "google", "medium": "cpc", "campaign_name": "brand"}}
    write(
        tmp_path,
        "events_1.jsonl",
        event(at_us=1, event_params=sent),
        event(at_us=2, event_params=sent, collected_traffic_source=collected),
        event(
            at_us=3,
            event_params=sent,
            collected_traffic_source=collected,
            session_traffic_source_last_click=manual,
        ),
        event(at_us=4, event_params=sent, session_traffic_source_last_click=manual | cross),
        event(at_us=5, event_params=[]),
    )
    table, _ = swept(tmp_path)
    assert list(
        zip(
            *(table[name].to_pylist() for name in ("source", "medium", "campaign", "term", "content", "gclid")),
            strict=True,
        )
    ) == [
        ("p", "m", None, None, None, None),
        ("c", None, "cc", "ct", None, "G"),
        ("s", "sm", "sc", "ct", "scontent", "G"),
        ("google", "cpc", "brand", None, "scontent", None),
        (None, None, None, None, None, None),
    ]


def test_key_events_are_those_that_the_mapping_names(tmp_path: Path) -> None:
    write(tmp_path, "events_1.jsonl", event("sign_up", 1), event("purchase", 2))
    assert swept(tmp_path)[0]["is_key_event"].to_pylist() == [False, True]
    assert swept(tmp_path, key_events=["sign_up"])[0]["is_key_event"].to_pylist() == [True, False]


# ---- overlaps and bad lines


def test_a_day_exported_again_and_shards_of_one_day(tmp_path: Path) -> None:
    twin = event(at_us=7, user_pseudo_id=None)  # without consent, events can be equal in every column
    write(tmp_path, "events_20260101_000000000000.jsonl", event(at_us=1), twin, twin)
    write(tmp_path, "events_20260101_000000000001.jsonl", event(at_us=2))
    assert swept(tmp_path)[0]["_copy"].to_pylist() == [1, 1, 2, 1]
    write(
        tmp_path,
        "events_20260101_000000000010.jsonl",
        event(at_us=1, geo={"country": "France"}),
        event(at_us=3),
    )
    table, tally = swept(tmp_path)
    assert sorted(
        zip(table["_file"].to_pylist(), table["_line"].to_pylist(), table["country"].to_pylist(), strict=True)
    ) == [
        ("events_20260101_000000000000.jsonl", 2, None),
        ("events_20260101_000000000000.jsonl", 3, None),
        ("events_20260101_000000000001.jsonl", 1, None),
        ("events_20260101_000000000010.jsonl", 1, "France"),
        ("events_20260101_000000000010.jsonl", 2, None),
    ]
    assert tally.notes == ["1 events were replaced by the same events of later files"]


DAY = 1_767_225_600_000_000  # 1 January 2026


@pytest.mark.parametrize(
    ("daily", "fresh", "intraday"),
    [
        ("events_20260101.jsonl", "events_fresh_20260101.jsonl", "events_intraday_20260101.jsonl"),
        ("b.jsonl", "z_fresh.jsonl", "c-intraday.jsonl"),
        ("a/events_20260101/0.jsonl", "b/events_fresh_20260101/0.jsonl", "c/events_intraday_20260101/0.jsonl"),
    ],
)
@pytest.mark.parametrize("tables", ["daily fresh intraday", "daily intraday", "fresh intraday", "intraday"])
def test_a_daily_table_stands_above_fresh_above_intraday(
    tmp_path: Path, daily: str, fresh: str, intraday: str, tables: str
) -> None:
    """Whatever the order of names: of a day only its best table counts, also for events that only a lesser one has."""
    names = {"daily": daily, "fresh": fresh, "intraday": intraday}
    for n, (table, file) in enumerate(names.items(), start=1):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        if table in tables.split():
            # the same event with another page, an event of its own, and a day that no other table has
            page = [parameter("page_location", string_value=f"https://x.example/{table}")]
            other_day = {"daily": "20251230", "fresh": "20251231", "intraday": "20260102"}[table]
            write(
                tmp_path,
                file,
                event(at_us=DAY, event_params=page),
                event(at_us=DAY + n, event_params=page),
                event(at_us=DAY - n, event_params=page, event_date=other_day),
            )
    rows, tally = swept(tmp_path, path="**/*.jsonl")
    pages = [(row["event_date"].isoformat(), row["page_location"].rpartition("/")[2]) for row in rows.to_pylist()]
    best = tables.split()[0]
    others = {"daily": "2025-12-30", "fresh": "2025-12-31", "intraday": "2026-01-02"}
    assert sorted(pages) == sorted([("2026-01-01", best)] * 2 + [(others[table], table) for table in tables.split()])
    left_out = sum("left out" in note for note in tally.notes)
    assert left_out == (len(tables.split()) > 1)


def test_bad_lines_cost_themselves_only(tmp_path: Path) -> None:
    with_nan = json.dumps(event(at_us=3)).replace("99", "NaN")
    write(
        tmp_path,
        "events_1.jsonl",
        event(at_us=1),
        '{"event_date": "20260101", "event_timest',
        with_nan,
        "",
        event(at_us=4) | {"event_params": "none"},
        event(at_us=5) | {"event_date": "2026-13-01"},
        '{"event_date": "20260101"} {"event_date": "20260101"}',
        event(at_us=8),
    )
    table, tally = swept(tmp_path)
    assert table["_line"].to_pylist() == [1, 3, 8]
    assert table["ga_session_id"].to_pylist() == [99, None, 99]
    assert [report.split("jsonl, ")[1].split(" (")[0] for report in tally.bad_rows] == [
        "line 2: not JSON",
        "line 7: not JSON",
        "line 5: not an event of the GA4 export",
        "line 6: event_date is empty or unreadable",
    ]
    with pytest.raises(DriftError, match=r"events_1.jsonl: line 2: not JSON \(the mapping is strict"):
        swept(tmp_path, strict=True)


def test_a_file_that_is_no_export_is_one_clear_error(tmp_path: Path) -> None:
    write(tmp_path, "events_1.jsonl", {"id": 1}, {"id": 2})
    with pytest.raises(DriftError, match="none of its 2 lines is an event; line 1: event_date is empty"):
        swept(tmp_path)
    pq.write_table(pa.table({"event_date": ["20260101"], "name": ["x"]}), tmp_path / "events.parquet")
    with pytest.raises(DriftError, match=r"there is no column 'event_timestamp'.*is it a GA4 export"):
        swept(tmp_path, path="events.parquet")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"path": "events.csv"}, "the GA4 export is nested; allowed formats are jsonl and parquet"),
        ({"columns": {"a": "b"}}, "fixed shape; columns cannot be set"),
    ],
)
def test_wrong_mappings(change: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        FileMapping.model_validate({**EXPORT, **change})
