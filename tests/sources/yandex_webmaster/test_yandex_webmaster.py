"""Yandex.Webmaster over the wire: against the sandbox, against scripted answers, and the recorded bodies."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from dagster_project.sandbox import Sandbox, serve
from dagster_project.sandbox.company import search
from dagster_project.sources import yandex_webmaster as webmaster
from dagster_project.sources.yandex_webmaster import api
from dagster_project.sources.yandex_webmaster import sandbox as vendor
from dagster_project.sources.yandex_webmaster.settings import WebmasterSettings
from dagster_project.wire.contract import (
    AuthError,
    ConfigError,
    DriftError,
    SourceError,
    Stream,
    Tally,
    VendorError,
    Window,
)
from dagster_project.wire.pacing import shared_pacer
from tests.support.scripted_server import Asked, Reply, ScriptedServer

TOTALS, QUERIES, PAGES = webmaster.STREAMS
DAYS = Window(date(2026, 9, 22), date(2026, 9, 25))
TODAY = "2026-10-01"
TWO_DAYS = Window(date(2026, 11, 20), date(2026, 11, 22))


@pytest.fixture(autouse=True)
def unpaced() -> None:
    """A pacer is the process's: without sleep, what one test has asked would count in the next one."""
    shared_pacer.cache_clear()


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with serve(today=TODAY, vendors=["yandex_webmaster"]) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox, waits: list[float]) -> Iterator[Sandbox]:
    running.calls.clear()
    yield running
    running.faults.clear()
    running.clock.set(TODAY)


def settings(env: dict[str, str], **changed: str) -> WebmasterSettings:
    return WebmasterSettings.model_validate({**env, **changed})


def read(stream: Stream, of: WebmasterSettings, window: Window = DAYS) -> tuple[pa.Table, Tally]:
    tally = Tally()
    pages = list(stream.read(of, window, tally))  # type: ignore[misc]
    for page in pages:
        assert page.rows.schema.equals(stream.schema)
        assert page.rows.num_rows
    table = pa.concat_tables([stream.schema.empty_table(), *(page.rows for page in pages)])
    return table.sort_by([(name, "ascending") for name in stream.key]), tally


def truth(sandbox: Sandbox, window: Window, by: Callable[[search.Searches], Any], *, by_page: bool = False) -> Any:
    found: dict[Any, list[float]] = defaultdict(lambda: [0, 0, 0.0])
    now = sandbox.clock.now()
    for each in search.days_as_of(sandbox.company.seed, "second", now, window.start, window.last):
        if (key := by(each)) is not None:
            for place, page in enumerate(each.pages if by_page else each.pages[:1]):
                of = found[(key, page) if by_page else key]
                of[0] += 0 if place else each.clicks
                of[1] += each.impressions
                of[2] += (each.place + 3 * place) * each.impressions
    return {key: pytest.approx(figures) for key, figures in found.items()}


def figures(table: pa.Table, by: Callable[[dict[str, Any]], Any]) -> dict[Any, list[float]]:
    found: dict[Any, list[float]] = defaultdict(lambda: [0, 0, 0.0])
    for row in table.to_pylist():
        of = found[by(row)]
        of[0] += row["clicks"]
        of[1] += row["shows"]
        of[2] += row["position"] * row["shows"]
    return found


# ---- against the sandbox -----------------------------------------------------------------------------------


def test_totals_are_all_that_was_searched_for(sandbox: Sandbox) -> None:
    table, tally = read(TOTALS, settings(sandbox.env))
    assert figures(table, lambda row: (row["date"], row["device"])) == truth(
        sandbox, DAYS, lambda each: (each.day, each.device.upper())
    )
    assert tally.read_accounts == {vendor.HOST}
    assert (tally.notes, tally.bad_row_count, tally.bad_cell_count) == ([], 0, 0)


def test_rare_queries_are_in_no_query_and_in_the_totals(sandbox: Sandbox) -> None:
    table, _ = read(QUERIES, settings(sandbox.env))
    assert figures(table, lambda row: (row["date"], row["query"], row["device"])) == truth(
        sandbox, DAYS, lambda each: None if each.is_rare else (each.day, each.words, each.device.upper())
    )
    assert {row["demand"] / row["shows"] for row in table.to_pylist()} == {3}
    totals, _ = read(TOTALS, settings(sandbox.env))
    assert sum(totals["shows"].to_pylist()) > sum(table["shows"].to_pylist())


def test_a_result_with_two_pages_counts_for_both(sandbox: Sandbox) -> None:
    table, _ = read(PAGES, settings(sandbox.env))
    assert figures(table, lambda row: (row["date"], row["page"])) == truth(
        sandbox, DAYS, lambda each: each.day, by_page=True
    )


@pytest.mark.parametrize("stream", [QUERIES, PAGES], ids=lambda stream: stream.name)
def test_lists_by_pages_are_whole(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, stream: Stream) -> None:
    whole, _ = read(stream, settings(sandbox.env))
    monkeypatch.setattr(api, "PAGE", 2)
    sandbox.calls.clear()
    sandbox.faults.set("yandex_webmaster", "duplicate_row")
    paged, tally = read(stream, settings(sandbox.env))
    assert paged.equals(whole)
    assert tally.bad_row_count == 0
    assert len(sandbox.calls.list("yandex_webmaster", "list")) >= 6


def test_what_is_older_than_two_weeks_cannot_be_asked(sandbox: Sandbox) -> None:
    """Nights stay away from the days that Webmaster is about to drop, which would come empty."""
    today = sandbox.clock.today()
    assert webmaster.earliest(today) == date(2026, 9, 18)
    assert {stream.restate_days for stream in webmaster.STREAMS} == {10}
    for stream in webmaster.STREAMS:
        first = read(stream, settings(sandbox.env), Window.of_day(webmaster.earliest(today)))[0]
        assert first.num_rows
    assert read(QUERIES, settings(sandbox.env), Window.of_day(date(2026, 9, 16)))[0].num_rows == 0


def test_calls_of_a_night(sandbox: Sandbox) -> None:
    """10,000 an hour are allowed. A night: who we are, and three kinds of device, for each of three streams."""
    night = Window(date(2026, 9, 21), date(2026, 10, 1))
    assert sum(read(stream, settings(sandbox.env), night)[1].api_calls for stream in webmaster.STREAMS) == 12


def test_of_three_sites_one_is_denied_and_one_not_loaded(sandbox: Sandbox) -> None:
    hosts = f"{vendor.UNCONFIRMED_HOST}, {vendor.HOST},{vendor.NEW_HOST}"
    for stream in webmaster.STREAMS:
        alone, _ = read(stream, settings(sandbox.env))
        table, tally = read(stream, settings(sandbox.env, YANDEX_WEBMASTER_HOSTS=hosts))
        assert table.equals(alone)
        assert tally.read_accounts == {vendor.HOST, vendor.NEW_HOST}
        [(denied, why)] = tally.failed_accounts.items()
        assert denied == vendor.UNCONFIRMED_HOST
        assert "confirm the site in Webmaster" in str(why)
        assert tally.notes == [f"host {vendor.NEW_HOST} has no data yet: Host data is not loaded yet (HOST_NOT_LOADED)"]


@pytest.mark.parametrize(
    ("changed", "error", "says"),
    [
        ({"YANDEX_WEBMASTER_TOKEN": "wrong"}, AuthError, "set YANDEX_WEBMASTER_TOKEN"),
        ({"YANDEX_WEBMASTER_HOSTS": "https://nobody.example"}, ConfigError, "is YANDEX_WEBMASTER_HOSTS right"),
    ],
)
def test_wrong_settings_are_answered_with_the_setting(
    sandbox: Sandbox, changed: dict[str, str], error: type[SourceError], says: str
) -> None:
    with pytest.raises(error, match=says):
        read(QUERIES, settings(sandbox.env, **changed))


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("https://example.com", "https:example.com:443"),
        ("http://example.com/", "http:example.com:80"),
        ("https://example.com:8443", "https:example.com:8443"),
        ("https:example.com:443", "https:example.com:443"),
        ("example.com", None),
        ("https://example.com/shop/", None),
    ],
)
def test_sites_are_called_as_webmaster_calls_them(name: str, wanted: str | None) -> None:
    env = {"YANDEX_WEBMASTER_TOKEN": "t", "YANDEX_WEBMASTER_HOSTS": name}
    if wanted:
        assert WebmasterSettings.model_validate(env).hosts == [wanted]
    else:
        with pytest.raises(ValueError, match="is no site; allowed are such as"):
            WebmasterSettings.model_validate(env)


# ---- faults ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", webmaster.STREAMS, ids=lambda stream: stream.name)
@pytest.mark.parametrize("fault", ["throttle", "server_error", "reset", "truncated"])
@pytest.mark.parametrize("after", [0, 1])
def test_passing_faults_change_nothing(
    sandbox: Sandbox, waits: list[float], stream: Stream, fault: str, after: int
) -> None:
    unharmed, _ = read(stream, settings(sandbox.env))
    waits.clear()
    sandbox.faults.set("yandex_webmaster", fault, 2, after=after)
    table, tally = read(stream, settings(sandbox.env))
    assert table.equals(unharmed)
    assert (tally.bad_row_count, tally.retries) == (0, 2)
    if fault == "throttle":
        assert [wait for wait in waits if wait >= 10] == [60.0, 60.0]


def test_an_expired_token_is_one_clear_sentence(sandbox: Sandbox) -> None:
    sandbox.faults.set("yandex_webmaster", "expired_token", None)
    with pytest.raises(AuthError, match="make a new token with the right webmaster:hostinfo"):
        read(TOTALS, settings(sandbox.env))


def test_a_field_that_nobody_declared_is_kept(sandbox: Sandbox) -> None:
    sandbox.faults.set("yandex_webmaster", "unknown_field", None)
    table, _ = read(QUERIES, settings(sandbox.env), Window.of_day(date(2026, 9, 26)))
    assert {json.loads(extra)["BRAND_NEW"] for extra in table["_extra"].to_pylist()} == {1.0}


# ---- scripted answers --------------------------------------------------------------------------------------


def at(server: ScriptedServer) -> WebmasterSettings:
    env = {"YANDEX_WEBMASTER_TOKEN": "s3cr3t", "YANDEX_WEBMASTER_BASE_URL": server.url}
    return settings({**env, "YANDEX_WEBMASTER_HOSTS": "https://example.ru"})


def service(*answers: Any) -> Callable[[Asked], Reply | None]:
    """A user; of desktops everything else in order, the last answer for ever; nothing of other devices."""
    left = [each if isinstance(each, Reply) else Reply(each) for each in answers]

    def rule(asked: Asked) -> Reply:
        if asked.path == "/v4/user":
            return Reply({"user_id": 1234567})
        if b"MOBILE" in asked.body or b"TABLET" in asked.body:
            return Reply({"count": 0, "text_indicator_to_statistics": []})
        if "MOBILE" in asked.query or "TABLET" in asked.query:
            return Reply({"indicators": {}})
        return left.pop(0) if len(left) > 1 else left[0]

    return rule


def recorded(folder: Path, name: str) -> Reply:
    exchange = json.loads((folder / f"fixtures/yandex_webmaster/{name}.json").read_text())
    return Reply(exchange["body"], exchange["status"])


def text(value: Any, *statistics: tuple[str, str, Any]) -> dict[str, Any]:
    return {
        "text_indicator": {"type": "QUERY", "value": value},
        "statistics": [{"date": day, "field": field, "value": number} for day, field, number in statistics],
    }


def test_recorded_pages_become_typed_rows(
    shared_dir: Path, scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "PAGE", 2)
    scripted.rule(
        service(recorded(shared_dir, "query_analytics_page1_200"), recorded(shared_dir, "query_analytics_last_200"))
    )
    table, tally = read(QUERIES, at(scripted), TWO_DAYS)
    names = ("date", "query", "shows", "clicks", "position", "demand")
    assert [tuple(row[name] for name in names) for row in table.to_pylist()] == [
        (date(2026, 11, 20), "купить синий виджет", 10, 0, 14.2, None),  # what is not there did not happen
        (date(2026, 11, 20), "пример магазин", 4537, 1080, 1.3, 5200),
        (date(2026, 11, 21), "виджет отзывы", 7, 1, 6.0, 40),
        (date(2026, 11, 21), "пример магазин", 4410, 1002, 1.4, 5100),
    ]
    assert tally.bad_row_count == 0
    asked = [each for each in scripted.asked if each.method == "POST"]
    fixture = json.loads((shared_dir / "fixtures/yandex_webmaster/query_analytics_page1_200.json").read_text())
    assert asked[0].path == fixture["request"]["path"]
    assert asked[0].json == {**fixture["request"]["json"], "device_type_indicator": "DESKTOP"}
    assert [each.json["offset"] for each in asked[:2]] == [0, 2]
    assert asked[0].headers["authorization"] == "OAuth s3cr3t"


def test_the_recorded_history_becomes_totals(shared_dir: Path, scripted: ScriptedServer) -> None:
    scripted.rule(service(recorded(shared_dir, "all_history_200")))
    table, _ = read(TOTALS, at(scripted), TWO_DAYS)
    assert table.select(["date", "shows", "clicks", "position", "device"]).to_pylist() == [
        {"date": date(2026, 11, 20), "shows": 9120, "clicks": 1410, "position": None, "device": "DESKTOP"},
        {"date": date(2026, 11, 21), "shows": 8990, "clicks": 1333, "position": None, "device": "DESKTOP"},
    ]


def test_the_recorded_nothing_is_no_rows(shared_dir: Path, scripted: ScriptedServer) -> None:
    scripted.rule(service(recorded(shared_dir, "query_analytics_empty_200")))
    table, tally = read(QUERIES, at(scripted), TWO_DAYS)
    assert (table.num_rows, tally.read_accounts) == (0, {"https:example.ru:443"})


def test_recorded_refusals_say_what_to_do(shared_dir: Path, scripted: ScriptedServer, waits: list[float]) -> None:
    scripted.rule(service(recorded(shared_dir, "error_limit_429")))
    with pytest.raises(VendorError, match="still fails after 6 attempts: status 429"):
        read(QUERIES, at(scripted), TWO_DAYS)
    assert [wait for wait in waits if wait >= 10] == [60.0] * 5
    scripted.rule(service(recorded(shared_dir, "error_token_403")))
    with pytest.raises(AuthError, match="OAuth token is invalid or expired"):
        read(QUERIES, at(scripted), TWO_DAYS)
    scripted.rule(service(recorded(shared_dir, "error_host_404")))
    table, tally = read(QUERIES, at(scripted), TWO_DAYS)
    assert (table.num_rows, len(tally.notes)) == (0, 1)


def test_what_people_type_of_themselves_is_not_stored(scripted: ScriptedServer) -> None:
    day = "2026-11-20"
    texts = [
        text("звонок +7 916 123-45-67", (day, "IMPRESSIONS", 4.0), (day, "CLICKS", 1.0), (day, "POSITION", 2.0)),
        text("звонок +7 916 765-43-21", (day, "IMPRESSIONS", 4.0), (day, "CLICKS", 1.0), (day, "POSITION", 5.0)),
    ]
    scripted.rule(service({"count": 2, "text_indicator_to_statistics": texts}))
    [row] = read(QUERIES, at(scripted), TWO_DAYS)[0].to_pylist()
    assert (row["query"], row["shows"], row["clicks"], row["position"]) == ("звонок (redacted)", 8, 2, 3.5)


ODD = [
    pytest.param("no text", id="text"),
    pytest.param(text("x", ("soon", "CLICKS", 1.0)), id="no day"),
    pytest.param(text(None, ("2026-11-20", "CLICKS", 1.0)), id="no words"),
    pytest.param(text("x", ("2026-11-20", "CLICKS", "many")), id="clicks are text"),
]


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_query_is_told_and_the_others_are_kept(scripted: ScriptedServer, odd: Any) -> None:
    good = [text(name, ("2026-11-20", "IMPRESSIONS", 1.0)) for name in ("a", "b")]
    scripted.rule(service({"count": 3, "text_indicator_to_statistics": [good[0], odd, good[1]]}))
    table, tally = read(QUERIES, at(scripted), TWO_DAYS)
    assert table["query"].to_pylist() == ["a", "b"]
    assert tally.bad_row_count == 1


@pytest.mark.parametrize("odd", ODD)
def test_queries_that_are_all_odd_are_a_change_of_the_vendors(scripted: ScriptedServer, odd: Any) -> None:
    texts = [odd, odd, odd]
    if isinstance(odd, dict) and odd["text_indicator"]["value"]:
        texts = [{**odd, "text_indicator": {"value": f"x{n}"}} for n in range(3)]
    scripted.rule(service({"count": 3, "text_indicator_to_statistics": texts}))
    with pytest.raises(DriftError, match="yandex_webmaster/queries"):
        read(QUERIES, at(scripted), TWO_DAYS)


@pytest.mark.parametrize("body", [{}, {"count": 1}, {"count": "1", "text_indicator_to_statistics": []}])
def test_an_answer_that_is_none_is_a_change_of_the_vendors(scripted: ScriptedServer, body: Any) -> None:
    scripted.rule(service(body))
    with pytest.raises(DriftError, match=r"host https:example\.ru:443: there is no"):
        read(QUERIES, at(scripted), TWO_DAYS)
