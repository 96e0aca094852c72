"""Yandex.Metrica over the wire: against the sandbox, and against scripted answers that only trouble gives."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from dagster_project import ingest
from dagster_project.raw.zone import RawZone
from dagster_project.sandbox import Sandbox, serve
from dagster_project.settings import load_settings
from dagster_project.sources import yandex_metrika as metrika
from dagster_project.sources.yandex_metrika import sandbox as vendor
from dagster_project.sources.yandex_metrika import visits as log
from dagster_project.sources.yandex_metrika.settings import YandexMetrikaSettings
from dagster_project.wire.contract import (
    AuthError,
    DriftError,
    QuotaError,
    SourceError,
    Stream,
    Tally,
    VendorError,
    Window,
)
from tests.support.scripted_server import Asked, Reply, ScriptedServer

VISITS, TOTALS = metrika.STREAMS
WEEK = Window(date(2026, 9, 1), date(2026, 9, 8))
DAY = Window.of_day(date(2026, 9, 1))
NAMES = [f"ym:s:{field.name}" for field in log.FIELDS]


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with serve(today="2026-10-01", vendors=["yandex_metrika"]) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox, waits: list[float]) -> Iterator[Sandbox]:
    running.calls.clear()
    yield running
    running.faults.clear()
    running.clock.set("2026-10-01")


def settings(env: dict[str, str], **changed: Any) -> YandexMetrikaSettings:
    return YandexMetrikaSettings.model_validate({**env, "today": date(2026, 10, 1), **changed})


def read(stream: Stream, of: YandexMetrikaSettings, window: Window = WEEK) -> tuple[pa.Table, Tally]:
    tally = Tally()
    pages = list(stream.read(of, window, tally)) if stream.read else []
    for page in pages:
        assert page.rows.schema.equals(stream.schema)
        assert page.rows.num_rows > 0
    return pa.concat_tables([stream.schema.empty_table(), *(page.rows for page in pages)]), tally


# ---- against the company's truth -------------------------------------------------------------------------------


def test_visits_are_those_of_the_company(sandbox: Sandbox) -> None:
    web = sandbox.company.web_as_of(sandbox.clock.now())
    days = web.sessions["date"]
    truth = web.sessions.filter(pc.and_(pc.greater_equal(days, WEEK.start), pc.less(days, WEEK.end)))
    table, tally = read(VISITS, settings(sandbox.env))
    assert sorted(table["started_at"].to_pylist()) == sorted(
        moment.replace(microsecond=0) for moment in truth["started_at_utc"].to_pylist()
    )
    assert pc.sum(table["page_views"]).as_py() == pc.sum(truth["page_views"]).as_py()
    goals = sum(len(json.loads(text)) for text in table["goal_ids"].to_pylist())
    assert goals == pc.sum(truth["key_events"]).as_py() > 0
    assert pc.sum(table["is_new_user"]).as_py() == pc.sum(truth["is_new"]).as_py()
    assert len(set(table["client_id"].to_pylist())) == len(set(truth["client_id"].to_pylist()))
    assert tally.read_accounts == {vendor.COUNTER_ID}
    assert not tally.bad_row_count + tally.bad_cell_count


def test_totals_are_the_sums_of_visits(sandbox: Sandbox) -> None:
    of = settings(sandbox.env)
    visits, _ = read(VISITS, of)
    totals, _ = read(TOTALS, of)
    assert pc.sum(totals["visits"]).as_py() == visits.num_rows
    assert pc.sum(totals["bounces"]).as_py() == pc.sum(visits["is_bounce"]).as_py() > 0
    assert pc.sum(totals["page_views"]).as_py() == pc.sum(visits["page_views"]).as_py()
    assert set(totals["attribution"].to_pylist()) == {"cross_device_last_significant"}


def test_a_log_is_cleaned_and_today_is_not_asked(sandbox: Sandbox) -> None:
    read(VISITS, settings(sandbox.env), Window(date(2026, 9, 30), date(2026, 10, 2)))
    calls = [f"{call.method} {call.path.rsplit('/', 1)[1]}" for call in sandbox.calls.list()]
    assert calls == [
        f"GET {vendor.COUNTER_ID}", "GET evaluate", "POST logrequests", *["GET " + _last(sandbox)] * vendor.LOOKS_UNTIL_READY,
        "GET download", "POST clean",
    ]  # fmt: skip
    empty, tally = read(VISITS, settings(sandbox.env), Window.of_day(date(2026, 10, 1)))
    assert (empty.num_rows, tally.api_calls) == (0, 0)


def _last(sandbox: Sandbox) -> str:
    return next(call.path for call in sandbox.calls.list() if "/logrequest/" in call.path).rsplit("/", 1)[1]


def test_parts_are_read_one_after_the_other(sandbox: Sandbox) -> None:
    month = Window(date(2026, 9, 1), date(2026, 10, 1))
    table, _ = read(VISITS, settings(sandbox.env), month)
    downloads = [call for call in sandbox.calls.list() if call.path.endswith("/download")]
    assert len(downloads) == -(-table.num_rows // vendor.PART_LINES) > 1
    assert len(set(table["visit_id"].to_pylist())) == table.num_rows


def test_calls_of_a_night(sandbox: Sandbox) -> None:
    """Metrica's limit is 5,000 calls a day for a user."""
    of = settings(sandbox.env)
    night = [read(stream, of, Window(date(2026, 9, 28), date(2026, 10, 1)))[1].api_calls for stream in (VISITS, TOTALS)]
    print(f"\nYandex.Metrica: {sum(night)} calls a night and counter, of 5,000 a day")
    assert night == [7, 1]  # zone, evaluation, order, two looks, one part, cleaning; one page


# ---- faults ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [VISITS, TOTALS], ids=["visits", "totals"])
@pytest.mark.parametrize("fault", ["throttle", "server_error", "reset", "truncated"])
def test_what_passes_is_ridden_out(sandbox: Sandbox, stream: Stream, fault: str) -> None:
    right, _ = read(stream, settings(sandbox.env))
    for path in ("evaluate", "POST /management", "/download") if stream is VISITS else ("/stat",):
        sandbox.faults.set("yandex_metrika", fault, path=path)
        found, tally = read(stream, settings(sandbox.env))
        assert tally.retries >= 1
        assert found.sort_by([(name, "ascending") for name in stream.key]).equals(
            right.sort_by([(name, "ascending") for name in stream.key])
        )
        assert sandbox.faults.active() == []


@pytest.mark.parametrize("stream", [VISITS, TOTALS], ids=["visits", "totals"])
def test_a_token_that_is_not_taken_is_one_sentence(sandbox: Sandbox, stream: Stream) -> None:
    sandbox.faults.set("yandex_metrika", "expired_token")
    with pytest.raises(AuthError, match=r"does not take the token.*set YANDEX_METRICA_TOKEN"):
        read(stream, settings(sandbox.env))


@pytest.mark.parametrize("stream", [VISITS, TOTALS], ids=["visits", "totals"])
def test_a_denied_counter_does_not_lose_the_others(sandbox: Sandbox, stream: Stream) -> None:
    ids = [vendor.FOREIGN_COUNTER_ID, vendor.COUNTER_ID, "5"]
    table, tally = read(stream, settings(sandbox.env, YANDEX_METRICA_COUNTER_ID=",".join(ids)))
    assert table.equals(read(stream, settings(sandbox.env))[0])
    assert tally.read_accounts == {vendor.COUNTER_ID}
    assert "guest access to the counter" in str(tally.failed_accounts[vendor.FOREIGN_COUNTER_ID])
    assert "is YANDEX_METRICA_COUNTER_ID right?" in str(tally.failed_accounts["5"])


def test_an_unknown_field_is_kept(sandbox: Sandbox) -> None:
    sandbox.faults.set("yandex_metrika", "unknown_field")
    table, _ = read(VISITS, settings(sandbox.env))
    assert set(table["_extra"].to_pylist()) == {'{"ym:s:newThing": "x"}'}


def test_a_visit_that_comes_twice_stops_the_night_with_its_day(sandbox: Sandbox, tmp_path: Path) -> None:
    env = {**sandbox.env, "FUNNELHOUSE_HOME": str(tmp_path), "FUNNELHOUSE_CONFIG": str(tmp_path / "rules.yml")}
    (tmp_path / "rules.yml").write_text("exchange_rates: {providers: []}\n")
    loaded = load_settings(env)
    zone = RawZone(loaded.raw_root)
    streams = [stream for stream in ingest.streams(["yandex_metrika"]) if stream.name == "visits"]
    [first] = ingest.run(loaded, zone, streams, "backfill", WEEK)
    assert first.status == "ok", first
    before = zone.read_day(VISITS, date(2026, 9, 7))
    sandbox.faults.set("yandex_metrika", "duplicate_row")
    [second] = ingest.run(loaded, zone, streams, "backfill", WEEK)
    assert second.status == "failed"
    assert "whose key came twice" in str(second.error)
    assert zone.read_day(VISITS, date(2026, 9, 7)).equals(before)


def test_a_restated_day_is_replaced(sandbox: Sandbox) -> None:
    day = Window.of_day(date(2026, 9, 24))  # robots of this day are found 12 days later
    early, _ = read(VISITS, settings(sandbox.env), day)
    sandbox.clock.set("2026-10-15")
    late, _ = read(VISITS, settings(sandbox.env, today=date(2026, 10, 15)), day)
    assert early.num_rows - late.num_rows > 50


def test_what_is_sampled_or_withheld_is_said(sandbox: Sandbox) -> None:
    sandbox.faults.set("yandex_metrika", "sampled")
    sandbox.faults.set("yandex_metrika", "thresholded")
    [page] = TOTALS.read(settings(sandbox.env), WEEK, Tally())
    assert page.quality == {"sampled_share": 0.5, "is_thresholded": True}


# ---- scripted --------------------------------------------------------------------------------------------------


def at(server: ScriptedServer, **changed: Any) -> YandexMetrikaSettings:
    env = {
        "YANDEX_METRICA_TOKEN": "y0_s3cr3t-token",
        "YANDEX_METRICA_COUNTER_ID": "1",
        "YANDEX_METRICA_BASE_URL": server.url,
    }
    return settings(env, **changed)


def cells(number: int, **more: str) -> str:
    row = dict.fromkeys(NAMES, "") | {
        "ym:s:visitID": str(number), "ym:s:date": "2026-09-01", "ym:s:dateTime": "2026-09-01 00:30:00", "ym:s:clientID": "9007199254740993",
        "ym:s:isNewUser": "0", "ym:s:startURL": "https://shop.example/", "ym:s:pageViews": "1", "ym:s:visitDuration": "0",
        "ym:s:bounce": "1", "ym:s:goalsID": "[]", "ym:s:lastTrafficSource": "direct",
    }  # fmt: skip
    return "\t".join((row | {f"ym:s:{name}": value for name, value in more.items()}).values())


def tsv(*lines: str, names: list[str] | None = None) -> str:
    return "\n".join(["\t".join(names or NAMES), *lines]) + "\n"


def logs(
    *downloads: Any,
    statuses: tuple[str, ...] = ("processed",),
    possible: bool = True,
    most: int = 365,
    zone: str = "Europe/Moscow",
):
    """A Metrica that gives these downloads, one after the other."""
    left, said = list(downloads), list(statuses)

    def rule(asked: Asked) -> Reply | None:
        if asked.path.endswith("/evaluate"):
            return Reply({"log_request_evaluation": {"possible": possible, "max_possible_day_quantity": most}})
        if asked.path.endswith("/download"):
            body = left.pop(0) if len(left) > 1 else left[0]
            return body if isinstance(body, Reply) else Reply(body)
        if "/logrequest" in asked.path:
            status = "created" if asked.method == "POST" else said.pop(0) if len(said) > 1 else said[0]
            parts = {"parts": [{"part_number": 0, "size": 1}]} if status == "processed" else {}
            return Reply({"log_request": {"request_id": 77, "status": status, **parts}})
        return Reply({"counter": {"id": 1, "time_zone_name": zone}})

    return rule


def test_times_are_those_of_the_counter_and_texts_are_unescaped(scripted: ScriptedServer, waits: list[float]) -> None:
    scripted.rule(logs(tsv(
        cells(1, lastUTMCampaign="весна\\\\лето", lastUTMTerm='"one\\ttab', lastUTMContent="d\\'or", goalsID="[12,34]"),
        cells(18446744073709551615, startURL="https://shop.example/?email=anna@x.example"),
    )))  # fmt: skip
    table, tally = read(VISITS, at(scripted), DAY)
    assert table["started_at"].to_pylist() == [datetime(2026, 8, 31, 21, 30, tzinfo=UTC)] * 2
    first = table.to_pylist()[0]
    assert (first["utm_campaign"], first["utm_term"], first["utm_content"]) == ("весна\\лето", '"one\ttab', "d'or")
    assert (first["goal_ids"], first["client_id"]) == ("[12,34]", "9007199254740993")
    assert table["visit_id"].to_pylist()[1] == "18446744073709551615"
    assert "anna@" not in table["start_url"].to_pylist()[1]
    assert tally.bad_row_count == 0


def test_an_odd_line_is_told_and_the_others_are_kept(scripted: ScriptedServer, waits: list[float]) -> None:
    lines = [
        cells(1),
        cells(2) + "\tone too many",
        cells(3, dateTime="yesterday"),
        cells(4, pageViews="many"),
        cells(5, goalsID="12"),
        cells(6),
    ]
    scripted.rule(logs(tsv(*lines)))
    table, tally = read(VISITS, at(scripted), DAY)
    assert table["visit_id"].to_pylist() == ["1", "4", "5", "6"]
    assert table["page_views"].to_pylist() == [1, None, 1, 1]
    assert tally.bad_rows == [
        "yandex_metrika/visits: counter 1: a line has 25 cells where the header has 24",
        "yandex_metrika/visits: record 1, 2026-09-01, 3 (day 2026-09-01): "
        "field ym:s:dateTime should be timestamp[s], the vendor sent something else",
    ]
    assert [cell.partition(": ")[2].partition("field ")[2] for cell in tally.bad_cells] == [
        "ym:s:pageViews should be int64, the vendor sent something else", "ym:s:goalsID is not a list such as [12,34]",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (tsv(cells(1), names=[name.replace("ym:s:pageViews", "ym:s:views") for name in NAMES]), "ym:s:pageViews is not in the log"),
        (tsv(*[cells(n, dateTime="yesterday") for n in range(4)]), r"ym:s:dateTime should be timestamp.*day 2026-09-01"),
        (tsv("<html>", "<body>"), "no line has as many cells"),
        ("<html>proxy</html>\n", "is not in the log"),
    ],
    ids=["missing", "retyped", "other lines", "web page"],
)  # fmt: skip
def test_a_log_of_another_form_is_drift(scripted: ScriptedServer, waits: list[float], body: str, says: str) -> None:
    scripted.rule(logs(body))
    with pytest.raises(DriftError, match=says):
        read(VISITS, at(scripted), DAY)
    assert scripted.asked[-1].path.endswith("/clean")


def test_a_part_that_breaks_off_is_read_on_and_no_line_twice(
    scripted: ScriptedServer, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "BLOCK_BYTES", 100_000)
    whole = tsv(*[cells(number) for number in range(10_000)]).encode()
    scripted.rule(logs(Reply(whole, cut_after=len(whole) // 2), Reply(whole, cut_after=len(whole) * 3 // 4), whole))
    table, tally = read(VISITS, at(scripted), DAY)
    assert table["visit_id"].to_pylist() == [str(number) for number in range(10_000)]
    assert tally.retries == 2


def test_an_empty_answer_and_half_a_line_are_asked_again(scripted: ScriptedServer, waits: list[float]) -> None:
    whole = tsv(cells(1), cells(2))
    scripted.rule(logs("", whole[:-5], whole))
    table, tally = read(VISITS, at(scripted), DAY)
    assert (table.num_rows, tally.retries) == (2, 2)


def test_no_visits_is_a_header_alone(scripted: ScriptedServer, waits: list[float]) -> None:
    scripted.rule(logs(tsv()))
    table, tally = read(VISITS, at(scripted), DAY)
    assert (table.num_rows, tally.read_accounts) == (0, {"1"})


def test_a_failed_log_is_started_anew_and_one_that_hangs_is_given_up(
    scripted: ScriptedServer, waits: list[float]
) -> None:
    scripted.rule(logs(tsv(cells(1)), statuses=("awaiting_retry", "processing_failed", "processed")))
    assert read(VISITS, at(scripted), DAY)[0].num_rows == 1
    scripted.rule(logs(tsv(cells(1)), statuses=("canceled",)))
    with pytest.raises(
        VendorError, match=r"the log of counter 1 for 2026-09-01.* failed 3 times: Metrica says canceled"
    ):
        read(VISITS, at(scripted), DAY)
    scripted.rule(logs(tsv(cells(1)), statuses=("created",)))
    tally = Tally(until=0)
    with pytest.raises(QuotaError, match="is not ready after"):
        list(VISITS.read(at(scripted), DAY, tally))


def test_a_full_counter_is_told_and_a_small_one_is_asked_in_pieces(
    scripted: ScriptedServer, waits: list[float]
) -> None:
    scripted.rule(logs(tsv(cells(1)), possible=False, most=0))
    with pytest.raises(QuotaError, match="counter 1 has no room for another log"):
        read(VISITS, at(scripted), WEEK)
    answers = logs(tsv(), possible=False, most=3)

    def rule(asked: Asked) -> Reply | None:
        if asked.path.endswith("/evaluate"):
            span = dict(part.split("=") for part in asked.query.split("&"))
            days = (date.fromisoformat(span["date2"]) - date.fromisoformat(span["date1"])).days + 1
            return Reply({"log_request_evaluation": {"possible": days <= 3, "max_possible_day_quantity": 3}})
        return answers(asked)

    scripted.asked.clear()
    scripted.rule(rule)
    read(VISITS, at(scripted), WEEK)
    begun = [asked.query.partition("&fields")[0] for asked in scripted.asked if asked.path.endswith("/logrequests")]
    assert begun == [
        "date1=2026-09-01&date2=2026-09-03", "date1=2026-09-04&date2=2026-09-06", "date1=2026-09-07&date2=2026-09-07",
    ]  # fmt: skip


def test_a_year_is_one_log_and_one_report(scripted: ScriptedServer, waits: list[float]) -> None:
    year = Window(date(2025, 10, 1), date(2026, 10, 1))
    scripted.rule(logs(tsv(cells(1))))
    assert read(VISITS, at(scripted), year)[1].api_calls == 6
    scripted.rule(lambda _: Reply(report(total("2026-09-01"))))
    assert read(TOTALS, at(scripted), year)[1].api_calls == 1


def body_of(shared_dir: Path, name: str) -> Any:
    return json.loads((shared_dir / "fixtures/yandex_metrika" / name).read_text())


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("ex_auth.json", AuthError, "Invalid oauth_token.*set YANDEX_METRICA_TOKEN"),
        ("ex_domain_error.json", VendorError, "Query is too complicated"),
        ("ex_throttle.json", VendorError, "still fails after 6 attempts"),
    ],
)
def test_recorded_errors_are_understood(
    shared_dir: Path, scripted: ScriptedServer, waits: list[float], name: str, error: type[SourceError], says: str
) -> None:
    recorded = body_of(shared_dir, name)
    scripted.rule(lambda _: Reply(recorded["body"], recorded["status"]))
    with pytest.raises(error, match=says) as raised:
        read(TOTALS, at(scripted), DAY)
    assert "s3cr3t" not in str(raised.value)


def test_recorded_log_requests_and_empty_reports_parse(
    shared_dir: Path, scripted: ScriptedServer, waits: list[float]
) -> None:
    created, ready = (
        body_of(shared_dir, "ex_logs_created.json")["body"],
        body_of(shared_dir, "ex_logs_processed.json")["body"],
    )
    answers = logs(tsv(cells(1)))

    def rule(asked: Asked) -> Reply | None:
        if asked.path.endswith("/logrequests"):
            return Reply(created)
        return Reply(ready) if asked.path.endswith("/logrequest/77") else answers(asked)

    scripted.rule(rule)
    assert read(VISITS, at(scripted), DAY)[0].num_rows == 1
    scripted.rule(lambda _: Reply(body_of(shared_dir, "ex_empty.json")["body"]))
    table, tally = read(TOTALS, at(scripted), DAY)
    assert (table.num_rows, tally.read_accounts) == (0, {"1"})


def total(day: str, visits: Any = 20.0, source: str | None = "ad", percent: Any = 25.0) -> dict[str, Any]:
    members = [{"name": day}, {"id": source, "name": "Ad"} if source else {"name": None}, *[{"name": None}] * 3]
    return {"dimensions": members, "metrics": [visits, 2.0, 1.0, 3.0, percent, 0.0]}


def report(*rows: Any, total_rows: int | None = None, model: str = "CROSS_DEVICE_LAST_SIGNIFICANT") -> dict[str, Any]:
    return {"query": {"attribution": model}, "data": list(rows), "total_rows": len(rows) if total_rows is None else total_rows,
            "sampled": False}  # fmt: skip


def test_a_report_of_another_model_is_refused(scripted: ScriptedServer) -> None:
    scripted.rule(lambda _: Reply(report(total("2026-09-01"), model="LastSign")))
    with pytest.raises(DriftError, match=r"asked for .*cross_device_last_significant, Metrica answered with LastSign"):
        read(TOTALS, at(scripted), DAY)


def test_pages_of_a_report_belong_together(
    scripted: ScriptedServer, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrika.api, "PAGE_ROWS", 2)
    rows = [total("2026-09-01", source=source) for source in ("ad", "direct", None)]
    moved = [report(*rows[:2], total_rows=3), report(rows[1], total_rows=3)]  # one row twice, one not at all
    whole = [report(*rows[:2], total_rows=3), report(rows[2], total_rows=3)]
    scripted.reply(*map(Reply, [*moved, *whole]))
    table, tally = read(TOTALS, at(scripted), DAY)
    assert sorted(table["traffic_source"].to_pylist()) == ["(not set)", "ad", "direct"]
    assert table["bounces"].to_pylist() == [5, 5, 5]
    assert tally.retries == 1
    assert [asked.query.rpartition("&")[2] for asked in scripted.asked] == ["offset=1", "offset=3"] * 2
    scripted.reply(*map(Reply, moved * 3))
    with pytest.raises(VendorError, match="announces 3 rows and gives 3, some of them twice"):
        read(TOTALS, at(scripted), DAY)


def test_an_odd_number_in_a_report_is_told(scripted: ScriptedServer) -> None:
    scripted.rule(lambda _: Reply(report(total("2026-09-01", visits="many"), total("2026-09-01", source="direct"))))
    table, tally = read(TOTALS, at(scripted), DAY)
    assert (table.num_rows, tally.bad_row_count) == (1, 1)
    assert "field 'visits' should be int64" in tally.bad_rows[0]


def test_a_report_that_is_too_much_is_asked_in_halves(scripted: ScriptedServer) -> None:
    def rule(asked: Asked) -> Reply:
        days = dict(part.split("=", 1) for part in asked.query.split("&"))
        if days["date1"] != days["date2"]:
            return Reply(
                {"errors": [{"error_type": "query_error"}], "code": 400, "message": "Query is too complicated."}, 400
            )
        return Reply(report(total(days["date1"])))

    scripted.rule(rule)
    table, _ = read(TOTALS, at(scripted), WEEK)
    assert table["date"].to_pylist() == WEEK.days()


def test_settings_that_are_wrong_are_named() -> None:
    with pytest.raises(ValueError, match="'abc' is not a counter's number"):
        settings({"YANDEX_METRICA_TOKEN": "x", "YANDEX_METRICA_COUNTER_ID": "abc"})
    with pytest.raises(ValueError, match="cross_device_last_significant"):
        settings(
            {"YANDEX_METRICA_TOKEN": "x", "YANDEX_METRICA_COUNTER_ID": "1", "YANDEX_METRICA_ATTRIBUTION": "lastsign"}
        )
