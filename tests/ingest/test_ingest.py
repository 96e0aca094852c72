"""Which days are asked of which stream, and that one stream's failure is its own."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dagster_project import ingest
from dagster_project.raw.zone import RawZone
from dagster_project.settings import Settings, load_settings
from dagster_project.wire import (
    AuthError,
    ConfigError,
    DriftError,
    Page,
    QuotaError,
    SourceError,
    Stream,
    Tally,
    VendorError,
    Window,
    schema,
)
from dagster_project.wire.rest import each_account
from tests.support.what_happens import happens

SCHEMA = schema(("date", pa.date32()), ("n", pa.int64()))


def rows_of(days: list[date]) -> Page:
    records = [{"date": d, "n": 1, "account_id": "1", "_extra": None} for d in days]
    return Page(pa.Table.from_pylist(records, schema=SCHEMA))


class Vendor:
    """Remembers what it was asked; answers one row a day, or fails."""

    def __init__(self) -> None:
        self.asked: list[Window | None] = []
        self.fails = False

    def read(self, _settings: Any, window: Window, tally: Tally) -> Iterator[Page]:
        self.asked.append(window)
        tally.call(10)
        if self.fails:
            raise VendorError("out of order", source="ga4", stream="traffic")
        yield rows_of(window.days())

    def sweep(self, _settings: Any, tally: Tally) -> Iterator[Page]:
        self.asked.append(None)
        yield rows_of([date(2026, 9, 1)])


@pytest.fixture
def vendor() -> Vendor:
    return Vendor()


@pytest.fixture
def stream(vendor: Vendor) -> Stream:
    return Stream(
        "ga4",
        "traffic",
        "web",
        "report",
        ("date", "account_id"),
        SCHEMA,
        "date",
        3,
        30,
        additive=True,
        read=vendor.read,
    )


@pytest.fixture
def zone(tmp_path: Path) -> RawZone:
    return RawZone(tmp_path / "raw")


def settings_on(today: str, folder: Path) -> Settings:
    env = {"GA4_PROPERTY_ID": "1", "GA4_CREDENTIALS_FILE": "anonymous", "GA4_BASE_URL": "127.0.0.1:1"}
    return load_settings({**env, "FUNNELHOUSE_TODAY": today}, folder=folder)


def go(
    today: str, zone: RawZone, stream: Stream, mode: Any, asked: Window | None = None, **more: Any
) -> ingest.Outcome:
    folder = Path(zone.root).parent
    return next(iter(ingest.run(settings_on(today, folder), zone, [stream], mode, asked, **more)))


def test_a_nightly_run_reads_yesterday_and_what_the_source_still_restates(zone, stream, vendor) -> None:  # type: ignore[no-untyped-def]
    assert go("2026-10-01", zone, stream, "refresh").status == "ok"
    go("2026-10-02", zone, stream, "refresh")
    go("2026-10-02", zone, stream, "deep")
    assert vendor.asked == [
        Window(date(2026, 9, 28), date(2026, 10, 1)),
        Window(date(2026, 9, 29), date(2026, 10, 2)),
        Window(date(2026, 9, 2), date(2026, 10, 2)),
    ]


@pytest.mark.parametrize(
    ("corrected", "first"),
    [
        (date(2026, 9, 12), date(2026, 9, 12)),
        (date(2026, 1, 1), date(2026, 9, 10)),  # what was never read is nothing to be corrected
        (date(2026, 10, 1), date(2026, 9, 29)),
        (None, date(2026, 9, 29)),
    ],
)
def test_a_source_that_says_what_it_corrected_is_read_from_there(  # type: ignore[no-untyped-def]
    zone, stream, vendor, corrected: date | None, first: date
) -> None:
    go("2026-10-01", zone, stream, "backfill", Window(date(2026, 9, 10), date(2026, 10, 1)))
    read_at, asked_since = zone.read_at(stream), []

    def changed_since(_settings: Any, moment: datetime, _tally: Tally) -> date | None:
        asked_since.append(moment)
        return corrected

    says = replace(stream, changed_since=changed_since)
    outcome = go("2026-10-02", zone, says, "refresh")
    assert vendor.asked[-1] == Window(first, date(2026, 10, 2))
    assert asked_since == [read_at]
    assert bool(outcome.tally.notes) == (first < date(2026, 9, 29))
    go("2026-10-02", zone, says, "backfill", Window.of_day(date(2026, 9, 20)))
    assert vendor.asked[-1] == Window.of_day(date(2026, 9, 20))
    assert len(asked_since) == 1


def test_a_source_that_cannot_say_it_fails_as_a_reading_does(zone, stream, vendor) -> None:  # type: ignore[no-untyped-def]
    def changed_since(_settings: Any, _moment: datetime, _tally: Tally) -> date | None:
        raise VendorError("out of order", source="ga4", stream="traffic")

    says = replace(stream, changed_since=changed_since)
    assert go("2026-10-01", zone, says, "refresh").status == "ok"  # nothing was read that could be corrected
    outcome = go("2026-10-02", zone, says, "refresh")
    assert (outcome.status, len(vendor.asked)) == ("failed", 1)
    assert "out of order" in outcome.error


def test_nights_that_were_missed_are_caught_up(zone, stream, vendor) -> None:  # type: ignore[no-untyped-def]
    go("2026-10-01", zone, stream, "refresh")
    go("2026-10-08", zone, stream, "refresh")
    # 29 and 30 September were last read before they had settled, 1..4 October were never read
    assert vendor.asked[-1] == Window(date(2026, 9, 29), date(2026, 10, 8))


def test_a_gap_of_months_that_a_night_fills_may_take_as_long_as_a_backfill(zone, stream, vendor) -> None:  # type: ignore[no-untyped-def]
    go("2026-10-01", zone, stream, "backfill", Window.of_day(date(2025, 1, 1)))
    go("2026-10-01", zone, stream, "backfill", Window.of_day(date(2026, 9, 30)))
    settings = settings_on("2026-10-01", Path(zone.root).parent)
    usual, gap = ingest.plan(settings, zone, stream, "refresh")
    assert gap.window == Window(date(2025, 1, 2), date(2026, 9, 28))
    of = settings.rules.reading
    assert [ingest.budget(settings, reading, "refresh").seconds for reading in (usual, gap)] == [
        of.minutes * 60,
        of.listing_minutes * 60,
    ]


def test_a_backfill_reads_exactly_what_was_asked_in_one_question(zone, stream, vendor) -> None:  # type: ignore[no-untyped-def]
    year = Window(date(2025, 1, 1), date(2026, 1, 1))
    outcome = go("2026-10-01", zone, stream, "backfill", year)
    assert vendor.asked == [year]
    assert (outcome.written.rows, outcome.tally.api_calls) == (365, 1)


def test_days_that_are_not_over_or_too_old_for_the_vendor_are_not_asked(zone, stream, vendor) -> None:  # type: ignore[no-untyped-def]
    young = replace(stream, earliest=lambda today: today - timedelta(days=90))
    go("2026-10-01", zone, young, "backfill", Window(date(2026, 1, 1), date(2026, 12, 1)))
    assert vendor.asked == [Window(date(2026, 7, 3), date(2026, 10, 1))]
    assert go("2026-10-01", zone, young, "backfill", Window(date(2026, 1, 1), date(2026, 2, 1))).status == "skipped"
    assert len(vendor.asked) == 1


def test_a_weekly_stream_is_asked_for_whole_weeks_up_to_yesterday(zone, stream, vendor) -> None:  # type: ignore[no-untyped-def]
    def weekly(_settings: Any, window: Window, _tally: Tally) -> Iterator[Page]:
        vendor.asked.append(window)
        yield rows_of([date(2025, 12, 29), date(2026, 1, 5)])

    weeks = replace(stream, name="visitors_week", period="week", read=weekly)
    outcome = go("2026-01-09", zone, weeks, "backfill", Window(date(2026, 1, 2), date(2026, 1, 9)))
    assert vendor.asked == [Window(date(2025, 12, 29), date(2026, 1, 9))]  # the first week begins in the old year
    assert outcome.written.days == [date(2025, 12, 29), date(2026, 1, 5)]


def test_a_crm_that_was_never_read_is_swept_once(zone, stream, vendor) -> None:  # type: ignore[no-untyped-def]
    crm = replace(stream, kind="record", sweep=vendor.sweep, restate_days=1)
    go("2026-10-01", zone, crm, "refresh")
    go("2026-10-02", zone, crm, "refresh")
    # the running day is read too: a record that changed this morning has left its old day
    assert vendor.asked == [None, Window(date(2026, 10, 1), date(2026, 10, 3))]


@pytest.mark.parametrize("mode", ["refresh", "deep", "sweep", "backfill"])
def test_the_first_read_of_records_lists_everything(zone, stream, vendor, mode) -> None:  # type: ignore[no-untyped-def]
    """A record is filed under its last change: the days from March on hold a part of January's leads."""
    crm = replace(stream, kind="record", sweep=vendor.sweep, restate_days=1)
    asked = Window(date(2026, 3, 1), date(2026, 10, 1)) if mode == "backfill" else None
    outcome = go("2026-10-01", zone, crm, mode, asked)
    assert (vendor.asked, outcome.status, outcome.window) == ([None], "ok", None)
    again = Window(date(2026, 5, 1), date(2026, 6, 1))
    go("2026-10-02", zone, crm, "backfill", again)
    assert vendor.asked[1:] == [Window(date(2026, 10, 1), date(2026, 10, 3)), again]


def test_a_listing_that_broke_off_or_was_only_a_part_is_no_listing(zone, stream, vendor) -> None:  # type: ignore[no-untyped-def]
    def breaks_off(_settings: Any, _tally: Tally) -> Iterator[Page]:
        yield rows_of([date(2026, 9, 1)])
        raise VendorError("out of order", source="ga4", stream="traffic")

    crm = replace(stream, kind="record", sweep=vendor.sweep, restate_days=1)
    assert go("2026-10-01", zone, replace(crm, sweep=breaks_off), "refresh").status == "failed"
    # an older installation has read some days, and never the whole
    days = [date(2026, 9, 1)]
    zone.replace_days(
        crm, days, [rows_of(days)], extracted_at=datetime(2026, 9, 2, tzinfo=UTC), checked_on=date(2026, 9, 2)
    )
    go("2026-10-01", zone, crm, "refresh")
    go("2026-10-02", zone, crm, "refresh")
    assert vendor.asked == [None, Window(date(2026, 10, 1), date(2026, 10, 3))]


def test_records_that_were_not_read_for_long_are_listed_anew(zone, stream, vendor) -> None:  # type: ignore[no-untyped-def]
    """A refresh catches up on 45 days; what was created in the gap would be missed, in silence."""

    def listing(_settings: Any, _tally: Tally) -> Iterator[Page]:
        vendor.asked.append(None)
        yield rows_of([date(2026, 3, 1)])

    def no_change(_settings: Any, window: Window, _tally: Tally) -> Iterator[Page]:
        vendor.asked.append(window)
        yield Page(SCHEMA.empty_table())

    crm = replace(stream, kind="record", sweep=listing, read=no_change, restate_days=1)
    for today in ("2026-04-01", "2026-05-01", "2026-10-01", "2026-10-02"):
        go(today, zone, crm, "refresh")
    assert vendor.asked == [
        None,
        Window(date(2026, 4, 1), date(2026, 5, 2)),
        None,
        Window(date(2026, 10, 1), date(2026, 10, 3)),
    ]


def test_a_company_without_records_is_listed_once(zone, stream, vendor) -> None:  # type: ignore[no-untyped-def]
    def nothing(_settings: Any, _tally: Tally) -> Iterator[Page]:
        vendor.asked.append(None)
        yield Page(SCHEMA.empty_table())

    crm = replace(stream, kind="record", sweep=nothing, restate_days=1)
    go("2026-10-01", zone, crm, "refresh")
    go("2026-10-02", zone, crm, "refresh")
    assert vendor.asked == [None, Window(date(2026, 10, 1), date(2026, 10, 3))]


def test_the_first_day_that_was_asked_for_is_remembered(zone, stream, vendor) -> None:  # type: ignore[no-untyped-def]
    crm = replace(stream, kind="record", sweep=vendor.sweep, restate_days=1)
    for start in (date(2026, 3, 1), date(2026, 7, 1)):
        go("2026-10-01", zone, crm, "backfill", Window(start, date(2026, 10, 1)))
    go("2026-10-02", zone, crm, "refresh")
    zone.write_index([(crm, True)])
    [state] = pq.read_table(f"{zone.root}/_meta/streams.parquet").to_pylist()
    assert (state["asked_from"], state["listed_on"]) == (date(2026, 3, 1), date(2026, 10, 1))


def test_a_backfill_of_records_reads_the_newest_days_as_well(zone, stream, vendor) -> None:  # type: ignore[no-untyped-def]
    crm = replace(stream, kind="record", restate_days=2)
    outcome = go("2026-10-01", zone, crm, "backfill", Window(date(2026, 2, 1), date(2026, 3, 1)))
    assert vendor.asked == [Window(date(2026, 9, 29), date(2026, 10, 2)), Window(date(2026, 2, 1), date(2026, 3, 1))]
    assert (outcome.written.rows, len(outcome.written.days)) == (31, 31)


def test_a_failed_stream_keeps_its_days_and_stops_nobody(zone, stream, vendor) -> None:  # type: ignore[no-untyped-def]
    go("2026-10-01", zone, stream, "refresh")
    before = zone.ledger(stream).to_pylist()
    bug = replace(stream, name="buggy", read=lambda *_: 1 / 0)
    good = Vendor()
    fine = replace(stream, name="campaigns", read=good.read)
    vendor.fails = True
    settings = settings_on("2026-10-02", Path(zone.root).parent)
    outcomes = {o.stream.name: o for o in ingest.run(settings, zone, [stream, bug, fine], "refresh")}
    assert {name: o.status for name, o in outcomes.items()} == {
        "traffic": "failed",
        "buggy": "failed",
        "campaigns": "ok",
    }
    assert outcomes["traffic"].error == "ga4/traffic: out of order"
    assert "ZeroDivisionError" in outcomes["buggy"].error
    assert (outcomes["traffic"].may_pass, outcomes["buggy"].may_pass) == (True, False)
    assert zone.ledger(stream).to_pylist() == before


@pytest.mark.parametrize(
    ("error", "may_pass"),
    [
        (VendorError("answers 503"), True),
        (AuthError("refuses the token"), False),
        (QuotaError("used up until midnight"), False),
        (DriftError("has no field n"), False),
        (ConfigError("no such file"), False),
    ],
)
def test_asking_again_soon_helps_only_where_the_vendor_failed(
    zone: RawZone, stream: Stream, error: SourceError, may_pass: bool
) -> None:
    def fails(*_: object) -> Iterator[Page]:
        raise error

    outcome = go("2026-10-01", zone, replace(stream, read=fails), "refresh")
    assert (outcome.status, outcome.error, outcome.may_pass) == ("failed", str(error), may_pass)


def test_an_account_that_left_keeps_its_rows_and_the_outcome_says_so(zone, stream) -> None:  # type: ignore[no-untyped-def]
    answering, cancelled = ["1", "2", "3"], []

    def by_account(_settings: Any, window: Window, tally: Tally) -> Iterator[Page]:
        for account in answering:
            rows = rows_of(window.days()).rows
            yield Page(rows.set_column(2, "account_id", pa.array([account] * rows.num_rows)))
            tally.read_account(account)
        for account in cancelled:
            tally.skip_account(account, "it is cancelled")

    ads = replace(stream, read=by_account)
    go("2026-10-01", zone, ads, "refresh")
    answering, cancelled = ["1"], ["2"]
    outcome = go("2026-10-02", zone, ads, "refresh")
    accounts = {d.day: zone.read_day(ads, d).column("account_id").to_pylist() for d in zone.extracted_days(ads)}
    # 28 September was not asked again; 29 and 30 were, 1 October is new
    assert accounts == {28: ["1", "2", "3"], 29: ["1", "2", "3"], 30: ["1", "2", "3"], 1: ["1"]}
    assert outcome.written.quality["unread_accounts"] == ["2", "3"]
    assert outcome.tally.notes == [
        "account 2 was skipped: it is cancelled",
        "account 3 is no longer among those that are read; what is stored of it stays",
    ]


def test_a_source_that_is_off_is_declared_and_left_alone(zone, stream, vendor) -> None:  # type: ignore[no-untyped-def]
    settings = load_settings({"FUNNELHOUSE_TODAY": "2026-10-01"}, folder=Path(zone.root).parent)
    assert [o.status for o in ingest.run(settings, zone, [stream], "refresh")] == ["off"]
    assert vendor.asked == []
    assert (Path(zone.root) / "ga4/traffic/day=0000-schema/part-0.parquet").exists()


def test_an_interrupted_backfill_goes_on_where_it_was(zone, stream, vendor) -> None:  # type: ignore[no-untyped-def]
    week = Window(date(2026, 9, 1), date(2026, 9, 8))
    settings = settings_on("2026-10-01", Path(zone.root).parent)
    go("2026-10-01", zone, stream, "backfill", week, finished=ingest.Finished.of("b", settings))
    again = go("2026-10-01", zone, stream, "backfill", week, finished=ingest.Finished.of("b", settings))
    assert (again.status, len(vendor.asked)) == ("skipped", 1)
    ingest.Finished.of("b", settings).forget()
    assert go("2026-10-01", zone, stream, "backfill", week, finished=ingest.Finished.of("b", settings)).status == "ok"


def test_control_characters_are_stored_by_no_connector(zone: RawZone, stream: Stream) -> None:
    with_text = schema(("date", pa.date32()), ("campaign", pa.string()))

    def read(_settings: Any, window: Window, _tally: Tally) -> Iterator[Page]:
        rows = [
            {"date": day, "campaign": "Spr\x00ing\x1b\tsale\n\x85", "account_id": "1", "_extra": None}
            for day in window.days()
        ]
        yield Page(pa.Table.from_pylist(rows, schema=with_text))

    go("2026-10-01", zone, replace(stream, schema=with_text, read=read), "refresh")
    found = {
        value
        for file in zone_files(zone)
        for value in pq.read_table(file, columns=["campaign"])["campaign"].to_pylist()
    }
    assert found == {"Spring\tsale\n"}


def zone_files(zone: RawZone) -> list[Path]:
    return [Path(file) for file in sorted(Path(str(zone.root)).rglob("part-*.parquet"))]


def test_a_pinned_today_pins_the_extraction_stamp(zone, stream) -> None:  # type: ignore[no-untyped-def]
    go("2026-10-01", zone, stream, "refresh")
    stamps = {row["extracted_at"].date() for row in zone.ledger(stream).to_pylist()}
    assert stamps == {datetime(2026, 10, 1).date()}


# ---- what stops a stream, and what does not ----------------------------------------------------------------


def test_a_silent_vendor_is_not_asked_for_its_other_streams(zone: RawZone, stream: Stream, vendor: Vendor) -> None:
    freed = threading.Event()

    def hang(_settings: Any, _window: Window, _tally: Tally) -> Iterator[Page]:
        freed.wait(60)
        yield rows_of([])

    silent, other = replace(stream, name="sessions", read=hang), replace(stream, name="campaigns")
    folder = Path(zone.root).parent
    (folder / "funnelhouse.yml").write_text("reading: {minutes: 0.005}\n")
    try:
        outcomes = list(ingest.run(settings_on("2026-10-01", folder), zone, [silent, other], "refresh"))
    finally:
        freed.set()
    assert [(o.stream.name, o.status, o.may_pass) for o in outcomes] == [
        ("sessions", "failed", True),
        ("campaigns", "failed", True),
    ]
    assert "nothing came for 0.3 s" in outcomes[0].error
    assert "not asked: ga4/sessions did not answer in time" in outcomes[1].error
    assert vendor.asked == []


def test_an_account_that_fails_leaves_its_days_unsettled_until_it_is_read(
    zone: RawZone, stream: Stream, vendor: Vendor
) -> None:
    denied = ["2"]

    def read(_settings: Any, window: Window, tally: Tally) -> Iterator[Page]:
        vendor.asked.append(window)

        def of(account: str) -> Iterator[Page]:
            if account in denied:
                raise AuthError(f"account {account} is denied")
            records = [{"date": d, "n": 1, "account_id": account, "_extra": None} for d in window.days()]
            yield Page(pa.Table.from_pylist(records, schema=SCHEMA))

        yield from each_account(["1", "2"], of, tally)

    two = replace(stream, read=read)
    first = go("2026-10-01", zone, two, "backfill", Window(date(2026, 9, 1), date(2026, 9, 3)))
    assert (first.status, first.written.rows, first.may_pass) == ("partial", 2, False)
    assert first.error == "1 of 2 accounts could not be read (2: account 2 is denied); what is stored of them stays"
    quality = zone.ledger(two).column("quality").to_pylist()
    assert [json.loads(text)["unread_accounts"] for text in quality] == [["2"], ["2"]]
    zone.write_index([(two, True)])
    state = pq.read_table(f"{zone.root}/_meta/streams.parquet").to_pylist()[0]
    assert state["is_stale"]

    denied.clear()
    go("2026-10-02", zone, two, "refresh")
    assert vendor.asked[-1].start == date(2026, 9, 1)  # long settled, but for the account that was not read
    assert sum(zone.ledger(two).column("rows").to_pylist()) == 2 * len(vendor.asked[-1].days())


def refusing(stream: Stream, good: int, bad: int) -> Stream:
    def read(_settings: Any, window: Window, tally: Tally) -> Iterator[Page]:
        for number in range(bad):
            tally.bad_row(f"line {number}: cost '?' is not a number", {"cost USD": Decimal("10.50")})
        yield rows_of(window.days()[:good])

    return replace(stream, read=read)


MONTH = Window(date(2026, 9, 1), date(2026, 10, 1))


@pytest.mark.parametrize(
    ("good", "bad", "status"),
    [(2, 15, "failed"), (30, 2, "failed"), (10, 1, "ok"), (30, 1, "ok"), (0, 1, "ok"), (30, 0, "ok")],
)
def test_more_bad_rows_than_are_allowed_stop_the_stream(
    zone: RawZone, stream: Stream, good: int, bad: int, status: str
) -> None:
    go("2026-10-01", zone, refusing(stream, 30, 0), "backfill", MONTH)
    outcome = go("2026-10-01", zone, refusing(stream, good, bad), "backfill", MONTH)
    assert outcome.status == status
    assert sum(zone.ledger(stream).column("rows").to_pylist()) == (30 if status == "failed" else good)
    if (good, bad) == (2, 15):
        assert outcome.error == (
            "ga4/traffic: 15 of 17 rows are refused (88%; 5% are allowed), in them cost USD 157.50. First: line 0: cost '?' "
            "is not a number. Nothing was changed, what was stored stays. Mend the records, or allow a larger share: "
            "reading.refused_share in funnelhouse.yml"
        )


@happens(
    "more than 5 % of a stream's rows are bad",
    "the stream fails, what was stored stays; the setting and its value are named",
)
def test_the_share_of_bad_rows_is_a_setting(zone: RawZone, stream: Stream) -> None:
    (Path(zone.root).parent / "funnelhouse.yml").write_text("reading: {refused_share: 0.9}\n")
    outcome = go("2026-10-01", zone, refusing(stream, 2, 15), "backfill", MONTH)
    assert (outcome.status, outcome.tally.bad_row_count, outcome.written.rows) == ("ok", 15, 2)
    assert ingest.refusal(outcome.tally).startswith("15 rows left out, in them cost USD 157.50. First: line 0:")


def refusals(zone: RawZone, stream: Stream) -> list[tuple[Any, ...]]:
    zone.write_index([(stream, True)])
    table = pq.read_table(f"{zone.root}/_meta/refusals.parquet")
    return sorted((str(row["day"]), row["rows"], row["cells"]) for row in table.to_pylist())


def test_refusals_are_kept_by_day_until_the_day_is_read_again(zone: RawZone, stream: Stream) -> None:
    told: list[tuple[str, list[date]]] = []

    def read(_settings: Any, window: Window, tally: Tally) -> Iterator[Page]:
        for kind, days in told:
            tell = tally.bad_row if kind == "row" else tally.bad_cell
            tell("odd", days=days)
        yield rows_of(window.days())

    odd = replace(stream, read=read)
    told += [("row", [date(2026, 9, 1)]), ("row", [date(2026, 9, 1), date(2026, 9, 2)]), ("cell", [date(2026, 9, 2)])]
    (Path(zone.root).parent / "funnelhouse.yml").write_text("reading: {refused_share: 0.5}\n")
    go("2026-10-01", zone, odd, "backfill", Window(date(2026, 9, 1), date(2026, 9, 4)))
    assert refusals(zone, odd) == [("2026-09-01", 2, 0), ("2026-09-02", 1, 1)]
    told[:] = [("row", [])]  # of which day, it does not say: of any that were read
    go("2026-10-01", zone, odd, "backfill", Window(date(2026, 9, 2), date(2026, 9, 4)))
    assert refusals(zone, odd) == [("2026-09-01", 2, 0), ("2026-09-02", 1, 0), ("2026-09-03", 1, 0)]
    told.clear()
    go("2026-10-01", zone, odd, "backfill", Window(date(2026, 9, 1), date(2026, 9, 4)))
    assert refusals(zone, odd) == []


def test_refusals_of_a_listing_are_those_of_the_last_one(zone: RawZone, stream: Stream) -> None:
    told: list[list[date]] = [[], [date(2026, 9, 1)]]

    def sweep(_settings: Any, tally: Tally) -> Iterator[Page]:
        for days in told:
            tally.bad_cell("odd", days=days)
        yield rows_of([date(2026, 9, 1)])

    listed = replace(stream, read=None, sweep=sweep)
    go("2026-10-01", zone, listed, "refresh")
    assert refusals(zone, listed) == [("2026-09-01", 0, 1), ("None", 0, 1)]
    told.clear()
    go("2026-10-01", zone, listed, "refresh")
    assert refusals(zone, listed) == []


def test_a_nights_few_records_are_counted_against_all_that_are_stored(zone: RawZone, stream: Stream) -> None:
    schema_of = schema(("day", pa.timestamp("us", tz="UTC")), ("id", pa.int64()))
    records = replace(stream, kind="record", day="day", key=("id", "account_id"), schema=schema_of, name="deals")

    def page(day: date, ids: range) -> Page:
        moment = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        rows = [{"day": moment, "id": n, "account_id": "1", "_extra": None} for n in ids]
        return Page(pa.Table.from_pylist(rows, schema=schema_of))

    def night(_settings: Any, window: Window, tally: Tally) -> Iterator[Page]:
        for number in range(2):
            tally.bad_row(f"deal {number}: no createdate")
        yield page(window.start, range(1000, 1003))

    def listing(_settings: Any, _tally: Tally) -> Iterator[Page]:
        yield page(date(2026, 9, 1), range(200))

    records = replace(records, read=night, sweep=listing)
    assert go("2026-10-01", zone, records, "sweep").status == "ok"
    assert go("2026-10-01", zone, records, "refresh").status == "ok"  # 2 of 5, but of 200 in all


# ---- snapshots -----------------------------------------------------------------------------------------------


def snapshot(vendor: Vendor) -> Stream:
    return Stream(
        source="ga4", name="traffic", domain="social", kind="snapshot", key=("account_id", "date"), schema=SCHEMA,
        day="date", restate_days=0, deep_restate_days=0, read=vendor.read,
    )  # fmt: skip


@pytest.mark.parametrize("mode", ["refresh", "deep", "sweep"])
def test_a_snapshot_is_taken_of_today_alone(zone: RawZone, mode: ingest.Mode) -> None:
    settings = settings_on("2026-03-10", Path(zone.root).parent)
    [reading] = ingest.plan(settings, zone, snapshot(Vendor()), mode)
    assert reading.days == (settings.today,)
    assert reading.window == Window.of_day(settings.today)


def test_a_backfill_never_writes_what_is_true_today_under_a_past_day(zone: RawZone) -> None:
    settings = settings_on("2026-03-10", Path(zone.root).parent)
    vendor, today = Vendor(), settings.today
    [outcome] = ingest.run(settings, zone, [snapshot(vendor)], "backfill", Window(today - timedelta(days=30), today))
    assert (outcome.status, vendor.asked, zone.extracted_days(outcome.stream)) == ("skipped", [], [])
    until_today = Window(today - timedelta(days=30), today + timedelta(days=1))
    [outcome] = ingest.run(settings, zone, [snapshot(vendor)], "backfill", until_today)
    assert (outcome.status, zone.extracted_days(outcome.stream)) == ("ok", [today])


def test_a_missed_snapshot_stays_missing(zone: RawZone) -> None:
    settings, stream = settings_on("2026-03-10", Path(zone.root).parent), snapshot(Vendor())
    for days_ago in (9, 5):
        day = settings.today - timedelta(days=days_ago)
        zone.replace_days(stream, [day], [rows_of([day])], extracted_at=datetime.now(UTC), checked_on=day)
    [outcome] = ingest.run(settings, zone, [stream], "refresh")
    assert outcome.window == Window.of_day(settings.today)
    assert len(zone.extracted_days(stream)) == 3
