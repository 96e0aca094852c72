"""Google Search Console over the wire: against the sandbox, against scripted answers, and the recorded bodies."""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pyarrow as pa
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from dagster_project.sandbox import Sandbox, serve
from dagster_project.sandbox.company import search
from dagster_project.sources import google_search_console as gsc
from dagster_project.sources.google_search_console import api
from dagster_project.sources.google_search_console import sandbox as vendor
from dagster_project.sources.google_search_console.settings import SearchConsoleSettings
from dagster_project.wire.contract import (
    AuthError,
    ConfigError,
    DriftError,
    QuotaError,
    SourceError,
    Stream,
    Tally,
    VendorError,
    Window,
)
from dagster_project.wire.oauth import shared_token
from dagster_project.wire.pacing import shared_pacer
from tests.support.scripted_server import Asked, Reply, ScriptedServer

TOTALS, QUERIES, PAGES = gsc.STREAMS
DAYS = Window(date(2026, 9, 14), date(2026, 9, 17))
TODAY = "2026-10-01"
DAY = Window.of_day(date(2026, 11, 20))
Figures = tuple[int, int, float]  # clicks, impressions, position x impressions


@pytest.fixture(autouse=True)
def alone() -> None:
    """Pacers and tokens are the process's: without sleep, what one test has asked would count in the next one."""
    shared_pacer.cache_clear()
    shared_token.cache_clear()


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with serve(today=TODAY, vendors=["google_search_console"]) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox, waits: list[float]) -> Iterator[Sandbox]:
    running.calls.clear()
    yield running
    running.faults.clear()
    running.clock.set(TODAY)


def settings(env: dict[str, str], **changed: str) -> SearchConsoleSettings:
    return SearchConsoleSettings.model_validate({**env, **changed})


def read(stream: Stream, of: SearchConsoleSettings, window: Window = DAYS) -> tuple[pa.Table, Tally]:
    tally = Tally()
    pages = list(stream.read(of, window, tally))  # type: ignore[misc]
    for page in pages:
        assert page.rows.schema.equals(stream.schema)
        assert page.rows.num_rows
    table = pa.concat_tables([stream.schema.empty_table(), *(page.rows for page in pages)])
    return table.sort_by([(name, "ascending") for name in stream.key]), tally


def truth(sandbox: Sandbox, window: Window, by: Callable[[search.Searches], Any], *, by_page: bool = False) -> Any:
    found: dict[Any, list[float]] = defaultdict(lambda: [0, 0, 0.0])
    for each in search.days_as_of(sandbox.company.seed, "first", sandbox.clock.now(), window.start, window.last):
        if (key := by(each)) is not None:
            for place, page in enumerate(each.pages if by_page else each.pages[:1]):
                of = found[(key, page) if by_page else key]
                of[0] += 0 if place else each.clicks
                of[1] += each.impressions
                of[2] += (each.place + 3 * place) * each.impressions
    return {key: pytest.approx(tuple(figures)) for key, figures in found.items()}


def figures(table: pa.Table, by: Callable[[dict[str, Any]], Any]) -> dict[Any, Figures]:
    found: dict[Any, Figures] = defaultdict(lambda: (0, 0, 0.0))
    for row in table.to_pylist():
        clicks, impressions, weighted = found[by(row)]
        found[by(row)] = (
            clicks + row["clicks"], impressions + row["impressions"], weighted + row["position"] * row["impressions"],
        )  # fmt: skip
    return found


# ---- against the sandbox -----------------------------------------------------------------------------------


def test_totals_are_all_that_was_searched_for(sandbox: Sandbox) -> None:
    table, tally = read(TOTALS, settings(sandbox.env))
    assert figures(table, lambda row: (row["date"], row["country"], row["device"])) == truth(
        sandbox, DAYS, lambda each: (each.day, vendor.ALPHA_3[each.country], each.device.upper())
    )
    assert {(row["search_type"], row["aggregation_type"], row["is_final"]) for row in table.to_pylist()} == {
        ("web", "byProperty", True)
    }
    assert tally.read_accounts == {vendor.SITE}
    assert (tally.notes, tally.bad_row_count) == ([], 0)
    assert tally.api_calls == 1 + 3  # the token, a question a day


def test_rare_queries_are_in_no_query_and_in_the_totals(sandbox: Sandbox) -> None:
    table, _ = read(QUERIES, settings(sandbox.env))
    assert figures(table, lambda row: row["query"]) == truth(
        sandbox, DAYS, lambda each: None if each.is_rare else each.words
    )
    totals, _ = read(TOTALS, settings(sandbox.env))
    assert sum(totals["impressions"].to_pylist()) > sum(table["impressions"].to_pylist())


def test_a_result_with_two_pages_counts_for_both(sandbox: Sandbox) -> None:
    table, _ = read(PAGES, settings(sandbox.env))
    assert figures(table, lambda row: (row["date"], row["page"])) == truth(
        sandbox, DAYS, lambda each: each.day, by_page=True
    )
    assert set(table["aggregation_type"].to_pylist()) == {"byPage"}


def test_the_newest_days_are_there_and_not_final(sandbox: Sandbox) -> None:
    window = Window(date(2026, 9, 26), date(2026, 10, 1))
    table, _ = read(TOTALS, settings(sandbox.env), window)
    assert {(row["date"].day, row["is_final"]) for row in table.to_pylist()} == {
        (26, True), (27, True), (28, True), (29, True), (30, False),
    }  # fmt: skip
    sandbox.clock.set("2026-10-03")
    later, _ = read(TOTALS, settings(sandbox.env), window)
    assert set(later["is_final"].to_pylist()) == {True}
    assert sum(later["impressions"].to_pylist()) > sum(table["impressions"].to_pylist())


@pytest.mark.parametrize("stream", gsc.STREAMS, ids=lambda stream: stream.name)
def test_pages_of_an_answer_are_one_day(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, stream: Stream) -> None:
    whole, _ = read(stream, settings(sandbox.env), DAY_OF_SEPTEMBER)
    sandbox.calls.clear()
    monkeypatch.setattr(api, "PAGE", 4)
    sandbox.faults.set("google_search_console", "duplicate_row")
    paged, tally = read(stream, settings(sandbox.env), DAY_OF_SEPTEMBER)
    assert paged.equals(whole)
    assert tally.bad_row_count == 0
    assert len(sandbox.calls.list("google_search_console", "query")) >= 3


DAY_OF_SEPTEMBER = Window.of_day(date(2026, 9, 14))


def test_other_search_types_are_asked_as_they_may_be(sandbox: Sandbox) -> None:
    of = settings(sandbox.env, GSC_SEARCH_TYPES="web,discover,googleNews,image")
    for stream in gsc.STREAMS:
        table, tally = read(stream, of, DAY_OF_SEPTEMBER)
        assert set(table["search_type"].to_pylist()) == {"web"}  # the company is seen nowhere else
        assert tally.failed_accounts == {}
    asked = [call.status for call in sandbox.calls.list("google_search_console", "query")]
    assert asked == ["200"] * (4 + 2 + 4)


def test_calls_of_a_night_and_of_a_year(sandbox: Sandbox) -> None:
    """60 a minute are the least that a project may have. A night: 5 days of three streams. A month of totals: a question a day, so
    that a year of all three is 1,095, or 20 minutes."""
    night = Window(date(2026, 9, 26), date(2026, 10, 1))
    calls = sum(read(stream, settings(sandbox.env), night)[1].api_calls for stream in gsc.STREAMS)
    assert calls == 15 + 1
    month = Window(date(2026, 8, 1), date(2026, 9, 1))
    assert read(TOTALS, settings(sandbox.env), month)[1].api_calls == 31


def test_one_denied_site_of_three_does_not_lose_the_others(sandbox: Sandbox) -> None:
    sites = f"{vendor.FOREIGN_SITE}, {vendor.SITE},{vendor.EMPTY_SITE}"
    for stream in gsc.STREAMS:
        alone, _ = read(stream, settings(sandbox.env))
        table, tally = read(stream, settings(sandbox.env, GSC_SITE_URLS=sites))
        assert table.equals(alone)
        assert tally.read_accounts == {vendor.SITE, vendor.EMPTY_SITE}
        [(denied, why)] = tally.failed_accounts.items()
        assert denied == vendor.FOREIGN_SITE
        assert "as a restricted user of the property" in str(why)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"GSC_REFRESH_TOKEN": "wrong"}, "put the new one in GSC_REFRESH_TOKEN"),
        ({"GSC_SITE_URLS": "sc-domain:nobody.example"}, "take it out of GSC_SITE_URLS"),
    ],
)
def test_wrong_settings_are_answered_with_the_setting(sandbox: Sandbox, changed: dict[str, str], says: str) -> None:
    with pytest.raises(AuthError, match=says):
        read(TOTALS, settings(sandbox.env, **changed))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"GSC_SITE_URLS": "example.com"}, "'example.com' is no property"),
        ({"GSC_SITE_URLS": "https://example.com"}, "with the slash at its end"),
        ({"GSC_SEARCH_TYPES": "maps"}, "'maps': allowed are web, image"),
        ({"GSC_CLIENT_ID": ""}, "belong together: set all three"),
        ({"GSC_CLIENT_ID": "", "GSC_CLIENT_SECRET": "", "GSC_REFRESH_TOKEN": ""}, "nobody signs in"),
    ],
)
def test_values_that_cannot_be_are_refused(changed: dict[str, str], says: str) -> None:
    env = {"GSC_SITE_URLS": vendor.SITE, "GSC_CLIENT_ID": "a", "GSC_CLIENT_SECRET": "b", "GSC_REFRESH_TOKEN": "c"}
    given = {name: value for name, value in {**env, **changed}.items() if value}
    with pytest.raises(ValueError, match=says):
        SearchConsoleSettings.model_validate(given)


def test_history_is_16_months() -> None:
    assert gsc.earliest(date(2026, 11, 30)) == date(2025, 7, 29)
    assert gsc.earliest(date(2026, 3, 15)) == date(2024, 11, 16)


# ---- faults ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", gsc.STREAMS, ids=lambda stream: stream.name)
@pytest.mark.parametrize("fault", ["throttle", "server_error", "reset", "truncated"])
@pytest.mark.parametrize("after", [0, 1])
def test_passing_faults_change_nothing(
    sandbox: Sandbox, waits: list[float], stream: Stream, fault: str, after: int
) -> None:
    unharmed, _ = read(stream, settings(sandbox.env))
    waits.clear()
    sandbox.faults.set("google_search_console", fault, 2, after=after)
    table, tally = read(stream, settings(sandbox.env))
    assert table.equals(unharmed)
    assert (tally.bad_row_count, tally.retries) == (0, 2)
    if fault == "throttle":
        assert waits == [60.0, 60.0]


def test_a_token_that_ends_is_renewed_once(sandbox: Sandbox) -> None:
    unharmed, _ = read(TOTALS, settings(sandbox.env))
    sandbox.faults.set("google_search_console", "expired_token", 1, after=1)
    table, tally = read(TOTALS, settings(sandbox.env))
    assert table.equals(unharmed)
    assert tally.retries == 1
    sandbox.faults.set("google_search_console", "expired_token", None)
    with pytest.raises(AuthError, match="does not take the token"):
        read(TOTALS, settings(sandbox.env))


def test_a_field_that_nobody_declared_is_kept(sandbox: Sandbox) -> None:
    sandbox.faults.set("google_search_console", "unknown_field", None)
    table, _ = read(QUERIES, settings(sandbox.env))
    assert {json.loads(extra)["brandNew"] for extra in table["_extra"].to_pylist()} == {1}


# ---- scripted answers --------------------------------------------------------------------------------------


def at(server: ScriptedServer, **changed: str) -> SearchConsoleSettings:
    env = {
        "GSC_SITE_URLS": "sc-domain:example.com", "GSC_CLIENT_ID": "a", "GSC_CLIENT_SECRET": "b", "GSC_REFRESH_TOKEN": "c",
        "GSC_BASE_URL": server.url, "GSC_TOKEN_URL": f"{server.url}/token",
    }  # fmt: skip
    return settings({**env, **changed})


def service(*answers: Any) -> Callable[[Asked], Reply | None]:
    """A token; everything else in order, the last answer for ever."""
    left = [each if isinstance(each, Reply) else Reply(each) for each in answers]

    def rule(asked: Asked) -> Reply:
        if asked.path == "/token":
            return Reply({"access_token": "t", "expires_in": 3599})
        return left.pop(0) if len(left) > 1 else left[0]

    return rule


def recorded(folder: Path, name: str) -> Reply:
    exchange = json.loads((folder / f"fixtures/google_search_console/{name}.json").read_text())
    return Reply(exchange["body"], exchange["status"])


def row(*keys: str, clicks: Any = 1.0, impressions: Any = 10.0, position: Any = 2.5, **more: Any) -> dict[str, Any]:
    return {"keys": list(keys), "clicks": clicks, "impressions": impressions, "position": position, **more}


def test_recorded_pages_become_typed_rows(
    shared_dir: Path, scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "PAGE", 3)
    scripted.rule(service(recorded(shared_dir, "totals_page1_200"), recorded(shared_dir, "totals_last_page_200")))
    table, _ = read(TOTALS, at(scripted), DAY)
    assert [(r["country"], r["device"], r["clicks"], r["impressions"]) for r in table.to_pylist()] == [
        ("deu", "DESKTOP", 4, 55), ("usa", "DESKTOP", 9, 410), ("usa", "MOBILE", 12, 340), ("zzz", "TABLET", 0, 2),
    ]  # fmt: skip
    assert table["position"].to_pylist()[2] == 7.423529411764706
    asked = [each.json for each in scripted.asked[1:]]
    assert [each["startRow"] for each in asked] == [0, 3]
    assert scripted.asked[1].path == "/webmasters/v3/sites/sc-domain%3Aexample.com/searchAnalytics/query"
    fixture = json.loads((shared_dir / "fixtures/google_search_console/totals_page1_200.json").read_text())["request"]
    assert asked[0] == fixture["json"]
    assert scripted.asked[1].path == fixture["path"]


def test_the_recorded_query_page_and_the_recorded_nothing(shared_dir: Path, scripted: ScriptedServer) -> None:
    scripted.rule(service(recorded(shared_dir, "queries_200")))
    table, _ = read(QUERIES, at(scripted), DAY)
    assert table["query"].to_pylist() == ["buy blue widget", "example shop"]
    scripted.rule(service(recorded(shared_dir, "empty_after_last_200")))
    table, tally = read(QUERIES, at(scripted), DAY)
    assert (table.num_rows, tally.read_accounts) == (0, {"sc-domain:example.com"})


@pytest.mark.parametrize("spelling", ["firstIncompleteDate", "first_incomplete_date"])
def test_the_first_incomplete_day_in_either_spelling(scripted: ScriptedServer, spelling: str) -> None:
    answer = {"rows": [row("2026-11-20", "usa", "MOBILE")], "metadata": {spelling: "2026-11-20"}}
    scripted.rule(service(answer))
    assert read(TOTALS, at(scripted), DAY)[0]["is_final"].to_pylist() == [False]
    scripted.rule(service({**answer, "metadata": {spelling: "soon"}}))
    with pytest.raises(DriftError, match="firstIncompleteDate is no day"):
        read(TOTALS, at(scripted), DAY)


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("error_quota_403", QuotaError, "load quota exceeded.*Run again in 15 minutes"),
        ("error_no_permission_403", AuthError, "sufficient permission.*add the person whose refresh token this is"),
        ("error_qps_429", VendorError, "still fails after 6 attempts"),
        ("error_token_401", AuthError, "does not take the token"),
    ],
)
def test_recorded_refusals_say_what_to_do(
    shared_dir: Path, scripted: ScriptedServer, waits: list[float], name: str, error: type[SourceError], says: str
) -> None:
    scripted.rule(service(recorded(shared_dir, name)))
    with pytest.raises(error, match=says):
        read(TOTALS, at(scripted), DAY)
    assert waits == ([60.0] * 5 if name == "error_qps_429" else [])


def test_a_property_that_takes_no_aggregation_is_asked_without(scripted: ScriptedServer) -> None:
    def rule(asked: Asked) -> Reply:
        if asked.path == "/token":
            return Reply({"access_token": "t"})
        if asked.json["aggregationType"] != "auto":
            return Reply(vendor.error(400, "'BY_PROPERTY' is not a valid aggregation type", "invalidParameter"), 400)
        rows = [row(asked.json["startDate"], "usa", "MOBILE")]
        return Reply({"rows": rows, "responseAggregationType": "byPage"})

    scripted.rule(rule)
    table, tally = read(TOTALS, at(scripted), Window(date(2026, 11, 20), date(2026, 11, 22)))
    assert table["aggregation_type"].to_pylist() == ["byPage", "byPage"]
    assert len(scripted.asked) == 1 + 3  # it is not tried again
    assert "does not take byProperty" in tally.notes[0]


def test_a_service_account_signs_with_its_key(scripted: ScriptedServer, tmp_path: Path) -> None:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    key = {"private_key": pem.decode(), "private_key_id": "k", "client_email": "reader@p.iam.gserviceaccount.com"}
    path = tmp_path / "key.json"
    path.write_text(json.dumps(key))
    scripted.rule(service({"rows": []}))
    of = SearchConsoleSettings.model_validate(
        {
            "GSC_SITE_URLS": "sc-domain:example.com", "GSC_BASE_URL": scripted.url, "GSC_TOKEN_URL": f"{scripted.url}/token",
            "shared_credentials_file": str(path),
        }
    )  # fmt: skip
    read(TOTALS, of, DAY)
    form = parse_qs(scripted.asked[0].body.decode())
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    head, claims, signature = (part + "=" * (-len(part) % 4) for part in form["assertion"][0].split("."))
    said = json.loads(base64.urlsafe_b64decode(claims))
    assert (said["iss"], said["scope"], said["exp"] - said["iat"]) == (
        "reader@p.iam.gserviceaccount.com", "https://www.googleapis.com/auth/webmasters.readonly", 3600,
    )  # fmt: skip
    signed = form["assertion"][0].rpartition(".")[0].encode()
    private.public_key().verify(base64.urlsafe_b64decode(signature), signed, padding.PKCS1v15(), hashes.SHA256())
    assert json.loads(base64.urlsafe_b64decode(head))["alg"] == "RS256"
    refusal = {"error": vendor.error(403, "User does not have sufficient permission", "forbidden")["error"]}
    scripted.rule(service(Reply(refusal, 403)))
    with pytest.raises(AuthError, match=r"add reader@p\.iam\.gserviceaccount\.com as a restricted user"):
        read(TOTALS, of, DAY)


@pytest.mark.parametrize("content", ["", "{}", '{"private_key": "x", "client_email": "y"}', None])
def test_a_key_that_is_none_is_named(scripted: ScriptedServer, tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "key.json"
    if content is not None:
        path.write_text(content)
    env = {"GSC_SITE_URLS": "sc-domain:example.com", "GSC_CREDENTIALS_FILE": str(path)}
    with pytest.raises(ConfigError, match=r"key\.json cannot be read: .*set GSC_CREDENTIALS_FILE"):
        read(TOTALS, SearchConsoleSettings.model_validate(env), DAY)


def test_what_people_type_of_themselves_is_not_stored(scripted: ScriptedServer) -> None:
    rows = [
        row("2026-11-20", "call +49 151 23456789", "deu", "MOBILE", clicks=1, impressions=4, position=2.0),
        row("2026-11-20", "call +49 151 98765432", "deu", "MOBILE", clicks=1, impressions=4, position=2.0),
        row("2026-11-20", "call +49 151 55555555", "deu", "MOBILE", clicks=0, impressions=2, position=7.0),
        row("2026-11-20", "anna@salon.example", "deu", "MOBILE"),
    ]
    scripted.rule(service({"rows": rows}))
    table, _ = read(QUERIES, at(scripted), DAY)
    assert [(r["query"], r["clicks"], r["impressions"], r["position"]) for r in table.to_pylist()] == [
        ("(redacted)", 1, 10, 2.5),
        ("call (redacted)", 2, 10, 3.0),
    ]


ODD = [
    pytest.param("no row", id="text"),
    pytest.param(row("2026-11-20", "usa"), id="a key is missing"),
    pytest.param(row("2026-11-20", "usa", "TV", clicks="many"), id="clicks are text"),
    pytest.param(row("2026-11-20", "usa", "TV", position=None), id="no position"),
]


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_row_is_told_and_the_others_are_kept(scripted: ScriptedServer, odd: Any) -> None:
    scripted.rule(service({"rows": [row("2026-11-20", "usa", "A"), odd, row("2026-11-20", "usa", "B")]}))
    table, tally = read(TOTALS, at(scripted), DAY)
    assert table["device"].to_pylist() == ["A", "B"]
    assert tally.bad_row_count == 1


@pytest.mark.parametrize("odd", ODD)
def test_rows_that_are_all_odd_are_a_change_of_the_vendors(scripted: ScriptedServer, odd: Any) -> None:
    rows = [
        {**odd, "keys": [*odd["keys"][:-1], f"{odd['keys'][-1]}{n}"]} if isinstance(odd, dict) else odd
        for n in range(3)
    ]
    scripted.rule(service({"rows": rows}))
    with pytest.raises(DriftError, match="google_search_console/totals"):
        read(TOTALS, at(scripted), DAY)


def test_days_that_nobody_asked_for_are_no_rows(scripted: ScriptedServer) -> None:
    scripted.rule(service({"rows": [row("2026-11-19", "usa", "MOBILE")]}))
    with pytest.raises(VendorError, match="asked for 2026-11-20, got rows of 2026-11-19"):
        read(TOTALS, at(scripted), DAY)


def test_more_rows_than_google_gives_are_told(scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "MOST_ROWS", 2)
    scripted.rule(service({"rows": [row("2026-11-20", "usa", "A"), row("2026-11-20", "usa", "B")]}))
    tally = Tally()
    [page] = list(TOTALS.read(at(scripted), DAY, tally))  # type: ignore[misc]
    assert page.quality["is_truncated"] is True
    assert "those with few clicks are missing" in tally.notes[0]
