"""The raw zone: whole days, atomically; nothing written when nothing changed; a short answer erases nothing."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from datetime import UTC, date, datetime, timedelta

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.raw.store import PART, RawZoneError
from dagster_project.raw.zone import RawZone, ShrinkRefused
from dagster_project.wire.contract import Page, Stream, Window, schema
from tests.support.what_happens import happens

DAY = date(2026, 2, 3)
NOW = datetime(2026, 2, 10, 3, 0, tzinfo=UTC)
REPORT = Stream(
    "ga4", "traffic", "web", "report", ("date", "sessionSource", "account_id"),
    schema(("date", pa.date32()), ("sessionSource", pa.string()), ("sessions", pa.int64())),
    "date", restate_days=3, deep_restate_days=30, additive=True, read=lambda *_: iter(()),
)  # fmt: skip
RECORD = Stream(
    "hubspot", "contacts", "crm", "record", ("id", "account_id"),
    schema(("id", pa.string()), ("lastmodifieddate", pa.timestamp("us", tz="UTC")), ("stage", pa.string())),
    "lastmodifieddate", restate_days=1, deep_restate_days=1, read=lambda *_: iter(()), sweep=lambda *_: iter(()),
)  # fmt: skip


def report(*rows: tuple[date, str, int], **quality: object) -> Page:
    records = [{"date": d, "sessionSource": s, "sessions": n, "account_id": "1", "_extra": None} for d, s, n in rows]
    return Page(pa.Table.from_pylist(records, schema=REPORT.schema), quality)


def record(*rows: tuple[str, datetime, str], account: str = "1") -> Page:
    records = [{"id": i, "lastmodifieddate": t, "stage": s, "account_id": account, "_extra": None} for i, t, s in rows]
    return Page(pa.Table.from_pylist(records, schema=RECORD.schema))


def days(first: date, count: int) -> list[date]:
    return Window(first, first + timedelta(days=count)).days()


def put(zone: RawZone, pages: list[Page], count: int = 2, **more: object):  # type: ignore[no-untyped-def]
    stamps = {"extracted_at": NOW, "checked_on": NOW.date()} | more
    return zone.replace_days(REPORT, days(DAY, count), pages, **stamps)  # type: ignore[arg-type]


@pytest.fixture(params=["local", "memory"])
def zone(request: pytest.FixtureRequest, tmp_path) -> RawZone:  # type: ignore[no-untyped-def]
    return RawZone(tmp_path / "raw" if request.param == "local" else f"memory://{tmp_path.name}/raw")


def test_a_day_holds_exactly_the_rows_of_its_last_extraction(zone: RawZone) -> None:
    put(zone, [report((DAY, "google", 4), (DAY, "bing", 1))])
    put(zone, [report((DAY, "google", 5))])
    assert zone.read_day(REPORT, DAY).select(["sessionSource", "sessions"]).to_pylist() == [
        {"sessionSource": "google", "sessions": 5}
    ]


def test_an_empty_day_is_a_file_and_a_missing_day_is_none(zone: RawZone) -> None:
    put(zone, [report((DAY, "google", 4))])
    assert zone.read_day(REPORT, DAY + timedelta(days=1)).num_rows == 0
    assert zone.extracted_days(REPORT) == days(DAY, 2)
    with pytest.raises(FileNotFoundError):
        zone.read_day(REPORT, DAY + timedelta(days=2))


def test_a_stream_has_another_version_where_any_of_its_files_is_another_one(zone: RawZone) -> None:
    zone.declare(REPORT)
    seen = [zone.version(REPORT)]
    put(zone, [report((DAY, "google", 4))])
    seen.append(zone.version(REPORT))
    put(zone, [report((DAY, "google", 4))], extracted_at=NOW + timedelta(days=1))
    assert zone.version(REPORT) == seen[-1]  # the same rows again
    put(zone, [report((DAY, "google", 5))])
    seen.append(zone.version(REPORT))
    put(zone, [report((DAY, "google", 5))], count=3)  # a day without rows is a day
    seen.append(zone.version(REPORT))
    assert len(set(seen)) == len(seen)


def test_the_same_rows_in_another_order_and_other_pages_leave_the_files_alone(zone: RawZone) -> None:
    first = put(zone, [report((DAY, "google", 4), (DAY, "bing", 1)), report((DAY, "ya", 2))])
    before = zone.ledger(REPORT).column("file_version").to_pylist()
    again = put(
        zone,
        [report((DAY, "ya", 2), (DAY, "bing", 1)), report((DAY, "google", 4))],
        extracted_at=NOW + timedelta(days=1),
        checked_on=NOW.date() + timedelta(days=1),
    )
    assert (first.changed_days, again.changed_days, again.bytes_written) == (days(DAY, 2), [], 0)
    ledger = zone.ledger(REPORT)
    assert ledger.column("file_version").to_pylist() == before
    assert set(ledger.column("checked_on").to_pylist()) == {NOW.date() + timedelta(days=1)}


def test_a_read_that_fails_half_way_changes_nothing(zone: RawZone) -> None:
    put(zone, [report((DAY, "google", 4))])

    def broken():  # type: ignore[no-untyped-def]
        yield report((DAY, "google", 9))
        raise ConnectionError("the vendor hung up")

    with pytest.raises(ConnectionError):
        zone.replace_days(REPORT, days(DAY, 2), broken(), extracted_at=NOW, checked_on=NOW.date())
    assert zone.read_day(REPORT, DAY).column("sessions").to_pylist() == [4]


def test_rows_outside_the_window_and_repeated_keys_are_refused(zone: RawZone) -> None:
    put(zone, [report((DAY, "google", 4))])
    with pytest.raises(RawZoneError, match=r"rows of 2026-02-05.*outside the window 2026-02-03\.\.2026-02-04"):
        put(zone, [report((DAY + timedelta(days=2), "google", 1))])
    with pytest.raises(RawZoneError, match=r"ga4/traffic: day 2026-02-03 has 1 rows whose key came twice.*google"):
        put(zone, [report((DAY, "google", 1)), report((DAY, "google", 2))])
    wider = Page(report((DAY, "google", 1)).rows.append_column("other", pa.array([1])))
    with pytest.raises(RawZoneError, match="unknown \\['other'\\]"):
        put(zone, [wider])
    assert zone.read_day(REPORT, DAY).column("sessions").to_pylist() == [4]


def of_accounts(*rows: tuple[str, int], day: date = DAY) -> Page:
    records = [
        {"date": day, "sessionSource": "google", "sessions": n, "account_id": a, "_extra": None} for a, n in rows
    ]
    return Page(pa.Table.from_pylist(records, schema=REPORT.schema))


def stored(zone: RawZone, day: date = DAY) -> dict[str, int]:
    rows = zone.read_day(REPORT, day)
    return dict(zip(rows.column("account_id").to_pylist(), rows.column("sessions").to_pylist(), strict=True))


def test_rows_of_an_account_that_could_not_be_read_stay_and_the_day_says_so(zone: RawZone) -> None:
    put(zone, [of_accounts(("1", 4), ("2", 7))])
    later = NOW + timedelta(days=1)
    written = put(zone, [of_accounts(("1", 5))], extracted_at=later, unread_accounts={"2"})
    assert stored(zone) == {"1": 5, "2": 7}
    rows = zone.read_day(REPORT, DAY)
    assert rows.column("_extracted_at").to_pylist() == [later, NOW], "kept rows keep the moment of their extraction"
    assert written.quality["unread_accounts"] == ["2"]
    zone.write_index([(REPORT, True)])
    with zone._fs.open(f"{zone._path}/_meta/days.parquet", "rb") as file:
        qualities = pa.parquet.read_table(file).column("quality").to_pylist()
    assert qualities == ['{"unread_accounts": ["2"]}'] * 2
    again = put(zone, [of_accounts(("1", 5))], extracted_at=later + timedelta(days=1), unread_accounts={"2"})
    assert again.changed_days == [], "kept rows do not make the day differ"
    put(zone, [of_accounts(("1", 5))], read_accounts={"1", "2"})
    assert stored(zone) == {"1": 5}, "an account that answers without rows has none"


def test_where_the_read_accounts_are_known_all_others_keep_their_rows(zone: RawZone) -> None:
    put(zone, [of_accounts(("1", 4), ("2", 7), ("3", 9))])
    written = put(zone, [of_accounts(("1", 5))], read_accounts={"1", "3"})
    assert (stored(zone), written.quality) == ({"1": 5, "2": 7}, {"unread_accounts": ["2"]})
    put(zone, [of_accounts(("1", 6))])
    assert stored(zone) == {"1": 6}, "a source that does not tell accounts apart replaces whole days"


def test_an_account_that_ended_in_the_middle_of_a_read_keeps_its_newer_days(zone: RawZone) -> None:
    tomorrow = DAY + timedelta(days=1)
    put(zone, [of_accounts(("2", 7)), of_accounts(("2", 8), day=tomorrow)])
    unread: set[str] = set()

    def pages():  # type: ignore[no-untyped-def]
        yield of_accounts(("2", 70))
        unread.add("2")  # known only now: its second day cannot be read any more

    put(zone, pages(), read_accounts={"1"}, unread_accounts=unread)
    assert (stored(zone), stored(zone, tomorrow)) == ({"2": 70}, {"2": 8})


@happens(
    "an account fails in the middle of a day",
    "what is stored of its days stays, whole; days that had nothing of it take what came",
)
def test_a_part_of_a_day_does_not_replace_the_stored_rows_of_an_account(zone: RawZone) -> None:
    tomorrow = DAY + timedelta(days=1)
    whole = [
        {"date": DAY, "sessionSource": s, "sessions": 7, "account_id": "2", "_extra": None} for s in ("bing", "google")
    ]
    put(zone, [of_accounts(("1", 4)), Page(pa.Table.from_pylist(whole, schema=REPORT.schema))])
    came = [of_accounts(("1", 5), ("2", 70)), of_accounts(("2", 80), day=tomorrow)]
    put(zone, came, read_accounts={"1"}, unread_accounts={"2"}, failed_accounts={"2"})
    rows = zone.read_day(REPORT, DAY).select(["account_id", "sessionSource", "sessions"]).to_pylist()
    assert sorted(map(tuple, map(dict.values, rows))) == [("1", "google", 5), ("2", "bing", 7), ("2", "google", 7)]
    assert stored(zone, tomorrow) == {"2": 80}


def test_refused_records_of_an_older_day_are_not_forgotten_for_those_of_tonight(zone: RawZone) -> None:
    """Two records created in January were refused when they changed on Monday, a third one on Tuesday: at least two
    are refused of January, until all are listed."""
    january, monday, tuesday = date(2026, 1, 5), date(2026, 2, 2), date(2026, 2, 3)
    zone.note_refusals(RECORD, [monday], {january: 2, monday: 2}, {})
    zone.note_refusals(RECORD, [tuesday], {january: 1, tuesday: 1}, {})
    assert zone._refusals(RECORD) == {january: (2, 0), monday: (2, 0), tuesday: (1, 0)}
    zone.note_refusals(RECORD, [monday], {}, {})
    assert zone._refusals(RECORD) == {january: (2, 0), tuesday: (1, 0)}
    zone.note_refusals(RECORD, None, {january: 1, None: 1}, {})
    assert zone._refusals(RECORD) == {january: (1, 0), None: (1, 0)}


def test_a_record_that_came_twice_is_kept_once_in_its_newest_version(zone: RawZone) -> None:
    morning, evening = datetime(2026, 2, 3, 8, tzinfo=UTC), datetime(2026, 2, 3, 20, tzinfo=UTC)
    page = record(("7", evening, "customer"), ("7", morning, "lead"), ("8", morning, "lead"))
    zone.replace_days(RECORD, [DAY], [page], extracted_at=NOW, checked_on=NOW.date())
    assert zone.read_day(RECORD, DAY).select(["id", "stage"]).to_pylist() == [
        {"id": "7", "stage": "customer"},
        {"id": "8", "stage": "lead"},
    ]


def test_the_day_of_a_record_is_its_utc_day(zone: RawZone) -> None:
    late = datetime(2026, 2, 3, 23, 59, 59, 999999, tzinfo=UTC)
    zone.replace_all(RECORD, [record(("7", late, "lead"))], extracted_at=NOW, checked_on=NOW.date())
    assert zone.extracted_days(RECORD) == [DAY]


def test_a_sweep_replaces_everything_and_refuses_to_lose_a_fifth(zone: RawZone) -> None:
    at = datetime(2026, 2, 3, 8, tzinfo=UTC)
    later = datetime(2026, 2, 5, 8, tzinfo=UTC)
    stamps = {"extracted_at": NOW, "checked_on": NOW.date()}
    zone.replace_all(RECORD, [record(*((str(i), at, "lead") for i in range(10)))], **stamps)  # type: ignore[arg-type]
    zone.replace_all(RECORD, [record(*((str(i), at, "lead") for i in range(1, 9)), ("9", later, "won"))], **stamps)  # type: ignore[arg-type]
    assert zone.read_day(RECORD, DAY).column("id").to_pylist() == [str(i) for i in range(1, 9)]
    assert zone.read_day(RECORD, date(2026, 2, 5)).column("stage").to_pylist() == ["won"]
    with pytest.raises(ShrinkRefused, match=r"lacks 9 of the 9 that are stored \(100%\); nothing was changed"):
        zone.replace_all(RECORD, [], **stamps)  # type: ignore[arg-type]
    assert zone.read_day(RECORD, DAY).num_rows == 8
    zone.replace_all(RECORD, [], allow_shrink=True, **stamps)  # type: ignore[arg-type]
    assert zone.read_day(RECORD, DAY).num_rows == 0


@happens(
    "one account of several is denied in a sweep",
    "what is stored of it stays; the others are swept, and asked again soon",
)
@pytest.mark.parametrize("of_2", [2, 9])
def test_a_sweep_keeps_what_is_stored_of_an_account_that_failed(zone: RawZone, of_2: int) -> None:
    """Also where it holds so little that losing it would be no reason to refuse, or so much that it would be one."""
    at, later = datetime(2026, 2, 3, 8, tzinfo=UTC), datetime(2026, 2, 5, 8, tzinfo=UTC)
    stamps = {"extracted_at": NOW, "checked_on": NOW.date()}
    both = [
        record(*((str(i), at, "lead") for i in range(10))),
        record(*((str(i), at, "lead") for i in range(of_2)), account="2"),
    ]
    zone.replace_all(RECORD, both, read_accounts={"1", "2"}, **stamps)  # type: ignore[arg-type]
    # a page of account 2 came before it was denied; 9 of account 1 was deleted, 8 changed
    part = [
        record(("0", at, "won"), account="2"),
        record(*((str(i), at, "lead") for i in range(8)), ("8", later, "won")),
    ]
    tomorrow = {"extracted_at": NOW + timedelta(days=1), "checked_on": NOW.date() + timedelta(days=1)}
    zone.replace_all(RECORD, part, read_accounts={"1"}, unread_accounts={"2"}, failed_accounts={"2"}, **tomorrow)  # type: ignore[arg-type]
    rows = zone.read_day(RECORD, DAY)
    found = sorted(zip(*(rows.column(name).to_pylist() for name in ("account_id", "id", "stage")), strict=True))
    assert found == [("1", str(i), "lead") for i in range(8)] + [("2", str(i), "lead") for i in range(of_2)]
    assert zone.read_day(RECORD, later.date()).column("id").to_pylist() == ["8"]
    assert zone.listed_on(RECORD) == NOW.date()
    zone.replace_all(RECORD, part[1:], read_accounts={"1", "2"}, allow_shrink=True, **tomorrow)  # type: ignore[arg-type]
    assert set(zone.read_day(RECORD, DAY).column("account_id").to_pylist()) == {"1"}, (
        "an account without records has none"
    )


def test_quality_is_the_worst_of_the_pages_of_a_day_and_reaches_the_index(zone: RawZone) -> None:
    pages = [
        report((DAY, "google", 4), sampled_share=0.8, is_thresholded=False, time_zone="Europe/Berlin"),
        report((DAY, "bing", 4), sampled_share=0.5, is_thresholded=True, time_zone="Europe/Berlin"),
        report((DAY + timedelta(days=1), "bing", 4), sampled_share=1.0, is_thresholded=False),
    ]
    put(zone, pages)
    zone.write_index([(REPORT, True), (RECORD, False)])
    with zone._fs.open(f"{zone._path}/_meta/days.parquet", "rb") as file:
        index = pa.parquet.read_table(file).to_pylist()
    assert [(r["day"], r["sampled_share"], r["is_thresholded"], r["restate_days"]) for r in index] == [
        (DAY, 0.5, True, 3),
        (DAY + timedelta(days=1), 1.0, False, 3),
    ]


def test_a_failure_is_remembered_until_the_next_good_read(zone: RawZone) -> None:
    put(zone, [report((DAY, "google", 4))])

    def overview() -> dict[str, object]:
        zone.write_index([(REPORT, True)])
        with zone._fs.open(f"{zone._path}/_meta/streams.parquet", "rb") as file:
            return pa.parquet.read_table(file).to_pylist()[0]

    zone.note_failure(REPORT, "quota used up", NOW + timedelta(hours=1))
    assert overview()["is_stale"] is True
    assert overview()["last_error"] == "quota used up"
    assert overview()["last_ok_at"] == NOW
    put(zone, [report((DAY, "google", 4))])
    assert overview()["is_stale"] is False


def test_a_column_declared_later_appears_in_older_days(zone: RawZone) -> None:
    put(zone, [report((DAY, "google", 4))])
    wider = Stream(
        "ga4", "traffic", "web", "report", REPORT.key,
        schema(("date", pa.date32()), ("sessionSource", pa.string()), ("sessions", pa.int64()), ("clicks", pa.int64())),
        "date", 3, 30, read=lambda *_: iter(()),
    )  # fmt: skip
    zone.declare(wider)
    assert zone.read_day(wider, DAY).select(["sessions", "clicks"]).to_pylist() == [{"sessions": 4, "clicks": None}]
    page = report((DAY, "google", 4))
    table = page.rows.append_column("clicks", pa.nulls(1, pa.int64()))
    again = zone.replace_days(wider, [DAY], [Page(table)], extracted_at=NOW, checked_on=NOW.date())
    assert again.changed_days == [], "an upgraded day holds the same content as a fresh extraction of it"


def test_duckdb_reads_a_declared_stream_without_days_as_an_empty_typed_table(tmp_path) -> None:  # type: ignore[no-untyped-def]
    RawZone(tmp_path).declare(REPORT)
    relation = duckdb.sql(
        f"from read_parquet('{tmp_path}/ga4/traffic/*/{PART}', hive_partitioning=true, hive_types={{'day': varchar}})"
    )
    assert relation.fetchall() == []
    assert dict(zip(relation.columns, map(str, relation.types), strict=True)) == {
        "date": "DATE", "sessionSource": "VARCHAR", "sessions": "BIGINT", "account_id": "VARCHAR",
        "_extra": "VARCHAR", "_extracted_at": "TIMESTAMP WITH TIME ZONE", "day": "VARCHAR",
    }  # fmt: skip


def test_a_window_larger_than_memory_goes_over_disk(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr("dagster_project.raw.collected.SPILL_AT_BYTES", 1000)
    zone = RawZone(tmp_path)
    pages = [report(*((d, f"s{i}", i) for d in days(DAY, 3))) for i in range(50)]
    written = put(zone, pages, count=3)
    assert written.rows == 150
    assert zone.read_day(REPORT, DAY).column("sessionSource").to_pylist() == sorted(f"s{i}" for i in range(50))


def _rewrite_for_ever(root: str) -> None:
    zone, n = RawZone(root), 0
    while True:
        n += 1
        put(zone, [report(*((DAY, f"s{i}", n) for i in range(2000)))], count=5)


@pytest.mark.parametrize("milliseconds", [5, 40, 90, 170, 260])
def test_a_writer_killed_at_any_moment_leaves_whole_days(tmp_path, milliseconds: int) -> None:  # type: ignore[no-untyped-def]
    zone = RawZone(tmp_path)
    put(zone, [report(*((DAY, f"s{i}", 0) for i in range(2000)))], count=5)
    writer = multiprocessing.get_context("spawn").Process(target=_rewrite_for_ever, args=(str(tmp_path),))
    writer.start()
    while zone.read_day(REPORT, DAY).column("sessions")[0].as_py() == 0:
        time.sleep(0.01)
    time.sleep(milliseconds / 1000)
    os.kill(writer.pid or 0, signal.SIGKILL)
    writer.join()
    values = set(zone.read_day(REPORT, DAY).column("sessions").to_pylist())
    assert len(values) == 1, "a day mixes two extractions"
    assert [row["rows"] for row in zone.ledger(REPORT).to_pylist()] == [2000, 0, 0, 0, 0]
    assert put(zone, [report((DAY, "google", 4))], count=5).changed_days == [DAY]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 6), st.integers(1, 4), st.lists(st.integers(0, 9), max_size=4)),
        min_size=1,
        max_size=8,
    )
)
def test_any_order_of_overlapping_windows_leaves_the_last_word_of_each_day(tmp_path_factory, windows) -> None:  # type: ignore[no-untyped-def]
    zone = RawZone(tmp_path_factory.mktemp("raw"))
    expected: dict[date, list[int]] = {}
    for offset, length, values in windows:
        wanted = days(DAY + timedelta(days=offset), length)
        rows = [(d, f"s{k}", v) for d in wanted for k, v in enumerate(values)]
        zone.replace_days(REPORT, wanted, [report(*rows)], extracted_at=NOW, checked_on=NOW.date())
        expected.update({d: list(values) for d in wanted})
    assert {d: zone.read_day(REPORT, d).column("sessions").to_pylist() for d in zone.extracted_days(REPORT)} == expected
