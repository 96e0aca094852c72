"""Raw files that another hand has touched: named, set aside, read again; a healthy zone is left alone."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dagster_project import ingest
from dagster_project.raw.days import LEDGER, REFUSALS, STATUS
from dagster_project.raw.store import PART, SCHEMA_DAY
from dagster_project.raw.zone import RawZone
from dagster_project.runs import verify
from dagster_project.settings import Settings, load_settings
from dagster_project.wire import Page, Stream, Tally, Window, schema
from tests.support.what_happens import happens

REPORT_SCHEMA = schema(("date", pa.date32()), ("name", pa.string()), ("n", pa.int64()))
RECORD_SCHEMA = schema(("id", pa.string()), ("changed", pa.timestamp("us", tz="UTC")))
PERIOD = Window(date(2026, 9, 1), date(2026, 10, 1))
BAD = date(2026, 9, 10)  # no night would read it again by itself: three days are restated


class Vendor:
    """Answers two rows a day, or lists one record a day; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Window | None] = []

    def read(self, _settings: Any, window: Window, _tally: Tally) -> Iterator[Page]:
        self.asked.append(window)
        rows = [
            {"date": d, "name": n, "n": 1, "account_id": "1", "_extra": None} for d in window.days() for n in ("a", "b")
        ]
        yield Page(pa.Table.from_pylist(rows, schema=REPORT_SCHEMA))

    def read_records(self, _settings: Any, window: Window, _tally: Tally) -> Iterator[Page]:
        self.asked.append(window)
        yield self._records([day for day in window.days() if day in PERIOD])

    def list_records(self, _settings: Any, _tally: Tally) -> Iterator[Page]:
        self.asked.append(None)
        yield self._records(PERIOD.days())

    @staticmethod
    def _records(days: list[date]) -> Page:
        rows = [{"id": str(d), "changed": f"{d} 12:00:00+00:00", "account_id": "1", "_extra": None} for d in days]
        table = pa.table({name: pa.array([r[name] for r in rows], pa.string()) for name in RECORD_SCHEMA.names})
        return Page(table.cast(RECORD_SCHEMA))


@pytest.fixture
def vendor() -> Vendor:
    return Vendor()


@pytest.fixture
def report(vendor: Vendor) -> Stream:
    key = ("date", "name", "account_id")
    return Stream("ga4", "traffic", "web", "report", key, REPORT_SCHEMA, "date", 3, 30, additive=True, read=vendor.read)


@pytest.fixture
def records(vendor: Vendor) -> Stream:
    return Stream(
        "ga4", "people", "crm", "record", ("id", "account_id"), RECORD_SCHEMA, "changed", 1, 1,
        read=vendor.read_records, sweep=vendor.list_records,
    )  # fmt: skip


@pytest.fixture
def zone(tmp_path: Path) -> RawZone:
    return RawZone(tmp_path / "raw")


def settings(folder: Path) -> Settings:
    env = {"GA4_PROPERTY_ID": "1", "GA4_CREDENTIALS_FILE": "anonymous", "GA4_BASE_URL": "127.0.0.1:1"}
    return load_settings({**env, "FUNNELHOUSE_TODAY": "2026-10-01"}, folder=folder)


def go(zone: RawZone, stream: Stream, mode: Any, asked: Window | None = None) -> ingest.Outcome:
    return next(iter(ingest.run(settings(Path(zone.root).parent), zone, [stream], mode, asked)))


def truncated(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20])


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def foreign(file: Path) -> None:
    pq.write_table(pa.table({"somebody": ["else's"]}), file)


def without_footer(file: Path) -> None:
    pq.write_table(pq.read_table(file).replace_schema_metadata(None), file)


def other_rows(file: Path) -> None:
    rows = pq.read_table(file)
    pq.write_table(rows.set_column(2, "n", pa.array([100] * rows.num_rows, pa.int64())), file)


def flipped(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[20] ^= 0xFF
    file.write_bytes(bytes(content))


def not_parquet(file: Path) -> None:
    file.write_text("day,sessions\n2026-09-10,41\n")


HANDS = (truncated, emptied, foreign, without_footer, other_rows, flipped, not_parquet)


def content(zone: RawZone, stream: Stream) -> dict[date, list[dict[str, Any]]]:
    return {
        day: [{k: v for k, v in row.items() if k != "_extracted_at"} for row in zone.read_day(stream, day).to_pylist()]
        for day in zone.extracted_days(stream)
    }


def file_of(zone: RawZone, stream: Stream, day: date | str) -> Path:
    return Path(zone.root) / stream.source / stream.name / f"day={day}" / PART


def silently(hand: Callable[[Path], None], file: Path) -> None:
    """Size apart, nothing tells from outside: a disk that loses bits does not change the file's time."""
    stat = file.stat()
    hand(file)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@happens(
    "a raw file is truncated, empty, foreign or has other bytes",
    "named, set aside, its day read again by the next refresh",
)
@pytest.mark.parametrize("hand", HANDS)
def test_a_refresh_sets_a_damaged_day_aside_and_reads_it_again(
    zone: RawZone, report: Stream, vendor: Vendor, hand: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    go(zone, report, "backfill", PERIOD)
    whole = content(zone, report)
    hand(file_of(zone, report, BAD))
    assert go(zone, report, "refresh").status == "ok"
    assert vendor.asked[1:] == [Window(date(2026, 9, 28), date(2026, 10, 1)), Window.of_day(BAD)]
    assert content(zone, report) == whole
    [aside] = (Path(zone.root) / "_set_aside").rglob("*.parquet")
    assert f"ga4/traffic: day {BAD} is damaged" in caplog.text
    assert str(aside) in caplog.text
    go(zone, report, "refresh")
    assert vendor.asked[3:] == [Window(date(2026, 9, 28), date(2026, 10, 1))]  # healed for good


@happens("bytes of a raw file change and its time does not", "verify names it; a backfill of its day heals it")
@pytest.mark.parametrize("hand", HANDS)
def test_a_backfill_of_its_day_heals_it_also_where_no_time_tells(
    zone: RawZone, report: Stream, hand: Callable[[Path], None]
) -> None:
    go(zone, report, "backfill", PERIOD)
    whole = content(zone, report)
    silently(hand, file_of(zone, report, BAD))
    assert go(zone, report, "backfill", Window.of_day(BAD)).status == "ok"
    assert content(zone, report) == whole
    assert list(zone.damages(report)) == []


@pytest.mark.parametrize("hand", HANDS)
def test_verify_names_every_damaged_day_and_nothing_else(
    zone: RawZone, report: Stream, hand: Callable[[Path], None]
) -> None:
    go(zone, report, "backfill", PERIOD)
    assert list(zone.damages(report)) == []
    bad = [BAD, date(2026, 9, 20)]
    for day in bad:
        silently(hand, file_of(zone, report, day))
    damages = list(zone.damages(report))
    assert [(d.stream, d.day, d.path) for d in damages] == [
        ("ga4/traffic", day, str(file_of(zone, report, day))) for day in bad
    ]
    assert all(damage.what for damage in damages)


@happens("a raw day between others is deleted", "the next refresh reads it again")
def test_a_deleted_inner_day_is_read_again_and_a_gap_between_two_backfills_too(
    zone: RawZone, report: Stream, vendor: Vendor
) -> None:
    go(zone, report, "backfill", Window(date(2026, 9, 1), date(2026, 9, 5)))
    go(zone, report, "backfill", PERIOD)
    shutil.rmtree(file_of(zone, report, BAD).parent)
    vendor.asked.clear()
    go(zone, report, "refresh")
    assert Window.of_day(BAD) in vendor.asked
    assert zone.extracted_days(report) == PERIOD.days()
    go(zone, report, "backfill", Window.of_day(date(2026, 8, 20)))
    go(zone, report, "refresh")
    assert zone.extracted_days(report) == Window(date(2026, 8, 20), PERIOD.end).days()


@happens("a raw day of CRM records is lost", "the records are listed again, whole")
@pytest.mark.parametrize("hand", [*HANDS, lambda file: file.unlink()])
@pytest.mark.parametrize("between", ["", "a backfill of another day"])
def test_records_are_listed_again_where_one_of_their_days_is_lost(
    zone: RawZone, records: Stream, vendor: Vendor, hand: Callable[[Path], None], between: str
) -> None:
    """A record stands in the file of its last change only: a lost file is not a gap that its neighbours show."""
    go(zone, records, "refresh")
    whole = content(zone, records)
    assert sum(map(len, whole.values())) == len(PERIOD.days())
    hand(file_of(zone, records, BAD))
    vendor.asked.clear()
    go(zone, records, *(("backfill", Window.of_day(date(2026, 9, 29))) if between else ("refresh",)))  # type: ignore[arg-type]
    assert vendor.asked == [None]
    assert content(zone, records) == whole
    vendor.asked.clear()
    go(zone, records, "refresh")
    assert None not in vendor.asked


@happens("the raw zone's own ledger or status is damaged", "made anew from the days")
@pytest.mark.parametrize("name", [LEDGER, STATUS, REFUSALS, f"day={SCHEMA_DAY}/{PART}"])
@pytest.mark.parametrize("hand", [truncated, emptied, not_parquet])
def test_what_is_only_remembered_is_made_anew(
    zone: RawZone, report: Stream, name: str, hand: Callable[[Path], None]
) -> None:
    go(zone, report, "backfill", PERIOD)
    zone.note_refusals(report, [BAD], {BAD: 1}, {})
    whole, schema_before = content(zone, report), pq.read_schema(file_of(zone, report, SCHEMA_DAY))
    hand(Path(zone.root) / "ga4" / "traffic" / name)
    assert go(zone, report, "refresh").status == "ok"
    assert content(zone, report) == whole
    assert pq.read_schema(file_of(zone, report, SCHEMA_DAY)).equals(schema_before)
    assert zone.ledger(report).num_rows == len(PERIOD.days())
    zone.write_index([(report, True)])


@happens(
    "the system cannot open a raw file (no right, too many open files)", "the stream fails, the file stays where it is"
)
@pytest.mark.parametrize("number", [errno.EMFILE, errno.EACCES, errno.ETIMEDOUT])
def test_a_file_that_cannot_be_opened_is_not_set_aside(
    zone: RawZone, report: Stream, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    go(zone, report, "backfill", PERIOD)
    whole = content(zone, report)
    opened = zone._fs.open

    def refused(path: str, *args: Any, **more: Any) -> Any:
        if str(BAD) in path:
            raise OSError(number, os.strerror(number))
        return opened(path, *args, **more)

    os.utime(file_of(zone, report, BAD))  # so that the ledger wants to look at it
    with monkeypatch.context() as patched:
        patched.setattr(zone._fs, "open", refused)
        outcome = go(zone, report, "refresh")
    assert (outcome.status, os.strerror(number) in outcome.error) == ("failed", True)
    assert content(zone, report) == whole


@happens(
    "somebody copies a day's folder inside the raw zone",
    "the stream fails and names the folder: its rows would count twice",
)
def test_a_folder_that_is_no_day_is_named(zone: RawZone, report: Stream) -> None:
    go(zone, report, "backfill", PERIOD)
    day = file_of(zone, report, BAD).parent
    shutil.copytree(day, day.with_name(f"{day.name} (copy)"))
    outcome = go(zone, report, "refresh")
    assert (outcome.status, f"{day.name} (copy) is no day of the raw zone" in outcome.error) == ("failed", True)


@happens("a home is copied", "every file is looked at once; nothing is read again")
def test_a_home_that_was_copied_is_whole(zone: RawZone, report: Stream, vendor: Vendor, tmp_path: Path) -> None:
    """A copy has other file times: every file is looked at once, none is set aside, none asked again."""
    go(zone, report, "backfill", PERIOD)
    shutil.copytree(zone.root, tmp_path / "copy" / "raw", copy_function=shutil.copyfile)
    copied = RawZone(tmp_path / "copy" / "raw")
    vendor.asked.clear()
    go(copied, report, "refresh")
    assert vendor.asked == [Window(PERIOD.end - timedelta(days=3), PERIOD.end)]
    assert content(copied, report) == content(zone, report)


@happens(
    "verify over a damaged and a deleted raw day", "both are named, nothing is changed; --repair has them read again"
)
def test_verify_looks_only_and_repairs_when_told(
    zone: RawZone, report: Stream, records: Stream, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for stream in (report, records):
        go(zone, stream, "backfill", PERIOD)
    monkeypatch.setattr(ingest, "streams", lambda: [report, records])
    where = settings(Path(zone.root).parent).model_copy(update={"raw_root": zone.root})
    assert verify.raw_problems(where, repair=False) == verify.RawProblems(2 * len(PERIOD.days()), ())
    whole = content(zone, report)
    silently(other_rows, file_of(zone, report, BAD))
    file_of(zone, report, date(2026, 9, 20)).unlink()
    file_of(zone, records, BAD).unlink()
    before = {str(path): path.read_bytes() for path in Path(zone.root).rglob("*.parquet")}
    said = verify.raw_problems(where, repair=False).said
    assert [text.partition(" is ")[0] for text in said] == [
        f"ga4/traffic: day {BAD}", "ga4/traffic: day 2026-09-20", f"ga4/people: day {BAD}",
    ]  # fmt: skip
    assert {str(path): path.read_bytes() for path in Path(zone.root).rglob("*.parquet")} == before
    assert verify.raw_problems(where, repair=True).said == said
    for stream in (report, records):
        go(zone, stream, "refresh")
    assert content(zone, report) == whole
    assert verify.raw_problems(where, repair=False).said == ()
