"""Yandex.Direct over the wire: against the sandbox, against scripted answers, and the recorded bodies."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from dagster_project.sandbox import Sandbox, serve
from dagster_project.sandbox.company import networks
from dagster_project.sources import yandex_direct as direct
from dagster_project.sources.yandex_direct import reports
from dagster_project.sources.yandex_direct import sandbox as vendor
from dagster_project.sources.yandex_direct.api import Direct
from dagster_project.sources.yandex_direct.links import address
from dagster_project.sources.yandex_direct.settings import DirectRules, DirectSettings
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
from dagster_project.wire.pacing import shared_pacer
from tests.support.scripted_server import Asked, Reply, ScriptedServer

PERFORMANCE, CONVERSIONS, ADS = direct.STREAMS
WEEK = Window(date(2026, 9, 14), date(2026, 9, 21))
MONTH = Window(date(2026, 8, 21), date(2026, 9, 21))
TODAY = "2026-10-01"
DAY = Window.of_day(date(2026, 11, 20))
GOALS = {"goals": ["20002", "20003"]}


@pytest.fixture(autouse=True)
def unpaced() -> None:
    """A pacer is the process's: without sleep, what one test has asked would count in the next one."""
    shared_pacer.cache_clear()


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with serve(today=TODAY, vendors=["yandex_direct"]) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox, waits: list[float]) -> Iterator[Sandbox]:
    running.calls.clear()
    yield running
    running.faults.clear()
    running.clock.set(TODAY)


def settings(env: dict[str, str], rules: dict[str, Any] | None = None, **changed: str) -> DirectSettings:
    return DirectSettings.model_validate({**env, **changed, "rules": DirectRules(**(rules or {}))})


def read(stream: Stream, of: DirectSettings, window: Window = WEEK) -> tuple[pa.Table, Tally]:
    tally = Tally()
    pages = list(stream.read(of, window, tally) if stream.read else stream.sweep(of, tally))  # type: ignore[misc]
    for page in pages:
        assert page.rows.schema.equals(stream.schema)
        assert page.rows.num_rows
    table = pa.concat_tables([stream.schema.empty_table(), *(page.rows for page in pages)])
    return table.sort_by([(name, "ascending") for name in stream.key]), tally


def truth(sandbox: Sandbox, window: Window) -> list[networks.AdDay]:
    shown = networks.days_as_of(sandbox.company.seed, "second_search", sandbox.clock.now())
    return [each for each in shown if each.day in window]


def sums(table: pa.Table, *names: str) -> dict[tuple[Any, ...], list[Any]]:
    found: dict[tuple[Any, ...], list[Any]] = defaultdict(lambda: [0] * len(names))
    for row in table.to_pylist():
        key = row["date"], row["ad_id"]
        found[key] = [before + row[name] for before, name in zip(found[key], names, strict=True)]
    return found


# ---- against the sandbox -----------------------------------------------------------------------------------


@pytest.mark.parametrize("window", [WEEK, MONTH], ids=["at once", "queued"])
def test_ads_by_day_are_what_the_company_spent(sandbox: Sandbox, waits: list[float], window: Window) -> None:
    table, tally = read(PERFORMANCE, settings(sandbox.env), window)
    names = ("impressions", "clicks", "cost", "conversions", "revenue")
    # nothing that was sold is worth nothing known, not 0
    table = table.set_column(table.schema.get_field_index("revenue"), "revenue", table["revenue"].fill_null(0))
    assert sums(table, *names) == {
        (each.day, each.ad.id): [
            each.impressions, each.clicks, Decimal(each.cost_cents) / 100, each.leads + each.sales,
            Decimal(each.sales_cents) / 100,
        ]
        for each in truth(sandbox, window)
    }  # fmt: skip
    assert set(table["ad_network_type"].to_pylist()) == {"SEARCH", "AD_NETWORK"}
    assert set(table["campaign_type"].to_pylist()) == {"TEXT_CAMPAIGN", "UNIFIED_CAMPAIGN"}
    assert {(row["include_vat"], row["currency"], row["account_id"]) for row in table.to_pylist()} == {
        ("NO", "EUR", vendor.LOGIN)
    }
    assert tally.read_accounts == {vendor.LOGIN}
    assert (tally.notes, tally.bad_row_count, tally.bad_cell_count) == ([], 0, 0)
    assert waits == ([] if window is WEEK else [5.0, 5.0])  # retryIn


def test_each_goal_is_a_row(sandbox: Sandbox) -> None:
    table, _ = read(CONVERSIONS, settings(sandbox.env, GOALS))
    found: dict[str, list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for row in table.to_pylist():
        assert row["attribution"] == "AUTO"
        found[row["goal_id"]][0] += row["conversions"]
        found[row["goal_id"]][1] += row["revenue"] or 0
    wanted = truth(sandbox, WEEK)
    sold = Decimal(sum(each.sales_cents for each in wanted)) / 100
    assert sold
    assert found == {
        "20002": [sum(each.leads for each in wanted), 0],
        "20003": [sum(each.sales for each in wanted), sold],
    }
    assert not PERFORMANCE.is_on or not CONVERSIONS.is_on(settings(sandbox.env))
    assert CONVERSIONS.is_on(settings(sandbox.env, GOALS))


def test_more_goals_than_a_report_takes_are_two_reports(sandbox: Sandbox) -> None:
    two, _ = read(CONVERSIONS, settings(sandbox.env, GOALS))
    sandbox.calls.clear()
    twelve, _ = read(CONVERSIONS, settings(sandbox.env, {"goals": [*range(20004, 20014), *GOALS["goals"]]}))
    assert twelve.equals(two)  # the others are reached by nobody
    assert len(sandbox.calls.list("yandex_direct", "reports")) == 2


def test_cost_with_vat_says_so(sandbox: Sandbox) -> None:
    """Of 1.00 net 1.22: 22 % since 2026."""
    net, _ = read(PERFORMANCE, settings(sandbox.env))
    gross, _ = read(PERFORMANCE, settings(sandbox.env, {"include_vat": True}))
    assert set(gross["include_vat"].to_pylist()) == {"YES"}
    for without, with_vat in zip(net.to_pylist(), gross.to_pylist(), strict=True):
        assert abs(with_vat["cost"] - without["cost"] * Decimal("1.22")) <= Decimal("0.005")
        assert with_vat["revenue"] == without["revenue"]


def test_ads_lead_where_the_company_sends_people(sandbox: Sandbox) -> None:
    table, _ = read(ADS, settings(sandbox.env))
    found = {row["id"]: row for row in table.to_pylist()}
    assert {key: (row["campaign_name"], row["ad_group_name"], row["href"]) for key, row in found.items()} == {
        each.id: (each.campaign.name, each.group_name, f"{each.address}?utm_campaign=old#top")
        for each in networks.ads_of("second_search")
    }
    brand, generic = (
        next(row for row in found.values() if row["campaign_name"] == name) for name in ("Marke DE", "Rechnung & Kasse")
    )
    assert brand["address"] == (
        "https://www.kontorra.example/kasse/?utm_source=yandex&utm_medium=cpc&utm_campaign=marke_de&utm_content=brand_a"
        "&utm_term={source_type}#top"
    )
    assert generic["address"].endswith("?utm_source=yandex&utm_medium=cpc&utm_campaign={campaign_id}#top")
    older, _ = read(ADS, settings(sandbox.env, YANDEX_DIRECT_API_VERSION="v5"))
    assert older["campaign_name"].to_pylist() == ["Marke DE"]


@pytest.mark.parametrize(
    ("href", "params", "wanted"),
    [  # the examples of Direct's help
        (
            "re-store.ru/?utm_term={keyword}&utm_content=HappyNY#ancor",
            "utm_medium=cpc&utm_source=yandex&utm_term={ad_id}",
            "re-store.ru/?utm_medium=cpc&utm_source=yandex&utm_term={ad_id}&utm_content=HappyNY#ancor",
        ),
        ("https://a.example/", "", "https://a.example/"),
        ("https://a.example", "?b=1", "https://a.example?b=1"),
        ("https://a.example/?c", "b=1", "https://a.example/?b=1&c"),
    ],
)
def test_parameters_beside_an_address_stand_above_its_own(href: str, params: str, wanted: str) -> None:
    assert address(href, params) == wanted


def test_calls_of_a_night_and_of_a_year(sandbox: Sandbox) -> None:
    """20 requests in 10 seconds are allowed. A night of three days: the currency and one report. A year: 12 queued reports
    of a month at most, asked for three times each."""
    for window, most in (
        (Window(date(2026, 9, 28), date(2026, 10, 1)), 2),
        (Window(date(2025, 10, 1), date(2026, 10, 1)), 37),
    ):
        _, tally = read(PERFORMANCE, settings(sandbox.env), window)
        assert tally.api_calls == most
        assert tally.quota["points_left"] == 63_990


def test_cost_of_the_last_days_is_taken_back(sandbox: Sandbox) -> None:
    def seen(today: str) -> Decimal:
        sandbox.clock.set(today)
        return sum(read(PERFORMANCE, settings(sandbox.env), Window.of_day(date(2026, 9, 1)))[0]["cost"].to_pylist())

    assert seen("2026-09-02") > seen("2026-09-03") == seen("2026-09-20")


def test_changes_say_from_which_day_on(sandbox: Sandbox) -> None:
    of, tally = settings(sandbox.env), Tally()
    ids = sorted({int(ad.campaign.id) for ad in networks.ads_of("second_search")})
    with Direct(of, "ad_performance", tally) as asked:
        assert asked.changed_from(vendor.LOGIN, ids, datetime(2026, 9, 30, tzinfo=UTC)) == date(2026, 9, 29)
        assert asked.changed_from(vendor.LOGIN, ids, sandbox.clock.now()) is None
        assert asked.changed_from(vendor.LOGIN, [], datetime(2026, 9, 30, tzinfo=UTC)) is None


def test_what_was_corrected_of_any_client_is_read_again(sandbox: Sandbox) -> None:
    logins = f"{vendor.FOREIGN_LOGIN}, {vendor.LOGIN},{vendor.IDLE_LOGIN}"
    of, tally = settings(sandbox.env, YANDEX_DIRECT_CLIENT_LOGIN=logins), Tally()
    assert direct.changed_since(of, datetime(2026, 9, 30, tzinfo=UTC), tally) == date(2026, 9, 29)
    assert "client somebody-else: Direct does not say which older days it has corrected" in tally.notes[0]
    assert direct.changed_since(settings(sandbox.env), sandbox.clock.now(), Tally()) is None


def test_one_denied_client_of_three_does_not_lose_the_others(sandbox: Sandbox) -> None:
    logins = f"{vendor.FOREIGN_LOGIN}, {vendor.LOGIN},{vendor.IDLE_LOGIN}"
    for stream in direct.STREAMS:
        alone, _ = read(stream, settings(sandbox.env, GOALS))
        table, tally = read(stream, settings(sandbox.env, GOALS, YANDEX_DIRECT_CLIENT_LOGIN=logins))
        assert table.equals(alone)
        assert tally.read_accounts == {vendor.LOGIN, vendor.IDLE_LOGIN}
        [(denied, why)] = tally.failed_accounts.items()
        assert denied == vendor.FOREIGN_LOGIN
        assert "let the token's user see this client" in str(why)


def test_two_spellings_of_a_login_are_one_client(sandbox: Sandbox) -> None:
    of = settings(sandbox.env, YANDEX_DIRECT_CLIENT_LOGIN="Kontorra.Direct,kontorra-direct")
    assert of.logins == [vendor.LOGIN]


@pytest.mark.parametrize(
    ("changed", "error", "says"),
    [
        ({"YANDEX_DIRECT_TOKEN": "wrong"}, AuthError, "put it in YANDEX_DIRECT_TOKEN"),
        ({"YANDEX_DIRECT_CLIENT_LOGIN": "nobody"}, ConfigError, "client nobody: .*is YANDEX_DIRECT_CLIENT_LOGIN right"),
    ],
)
def test_wrong_settings_are_answered_with_the_setting(
    sandbox: Sandbox, changed: dict[str, str], error: type[SourceError], says: str
) -> None:
    with pytest.raises(error, match=says):
        read(PERFORMANCE, settings(sandbox.env, **changed))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"YANDEX_DIRECT_CLIENT_LOGIN": "me@yandex.ru"}, "without the @"),
        ({"rules": {"goals": ["purchase"]}}, "'purchase' is not a goal's number"),
        ({"rules": {"attribution": "LSC"}}, "'AUTO', 'LSCCD', 'FCCD' or 'LC'"),
    ],
)
def test_values_that_cannot_be_are_refused(changed: dict[str, Any], says: str) -> None:
    env = {"YANDEX_DIRECT_TOKEN": "t", "YANDEX_DIRECT_CLIENT_LOGIN": "a"}
    with pytest.raises(ValueError, match=says):
        DirectSettings.model_validate({**env, **changed})


def test_the_oldest_day_can_be_asked_and_the_one_before_it_is_refused(sandbox: Sandbox) -> None:
    oldest = direct.earliest(sandbox.clock.today())
    assert oldest == date(2023, 10, 1)
    read(PERFORMANCE, settings(sandbox.env), Window.of_day(oldest))
    with pytest.raises(VendorError, match="DateFrom is earlier"):
        read(PERFORMANCE, settings(sandbox.env), Window.of_day(date(2023, 9, 30)))


# ---- faults ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", direct.STREAMS, ids=lambda stream: stream.name)
@pytest.mark.parametrize("fault", ["throttle", "server_error", "reset", "truncated", "duplicate_row"])
@pytest.mark.parametrize("after", [0, 1])
def test_passing_faults_change_nothing(
    sandbox: Sandbox, waits: list[float], stream: Stream, fault: str, after: int
) -> None:
    unharmed, _ = read(stream, settings(sandbox.env, GOALS))
    waits.clear()
    sandbox.faults.set("yandex_direct", fault, 2, after=after)
    table, tally = read(stream, settings(sandbox.env, GOALS))
    assert table.equals(unharmed)
    assert (tally.bad_row_count, tally.bad_cell_count) == (0, 0)
    if fault == "throttle":
        assert [wait for wait in waits if wait == 10.0] == [10.0, 10.0]
    if fault != "duplicate_row":
        assert tally.retries == 2


def test_an_expired_token_is_one_clear_sentence(sandbox: Sandbox) -> None:
    sandbox.faults.set("yandex_direct", "expired_token", None)
    with pytest.raises(AuthError, match="make a new token and put it in YANDEX_DIRECT_TOKEN"):
        read(PERFORMANCE, settings(sandbox.env))


@pytest.mark.parametrize("stream", direct.STREAMS, ids=lambda stream: stream.name)
def test_a_field_that_nobody_declared_is_kept(sandbox: Sandbox, stream: Stream) -> None:
    sandbox.faults.set("yandex_direct", "unknown_field", None)
    table, _ = read(stream, settings(sandbox.env, GOALS))
    assert {str(json.loads(extra)["BrandNew"]) for extra in table["_extra"].to_pylist()} == {"1"}


# ---- scripted answers --------------------------------------------------------------------------------------

HEADER = (
    "Date\tCampaignId\tCampaignName\tCampaignType\tAdGroupId\tAdGroupName\tAdId\tAdNetworkType\tImpressions\tClicks\tCost\t"
    "Conversions\tRevenue"
)
LINE = "2026-11-20\t101\tbrand\tTEXT_CAMPAIGN\t201\tall\t{ad}\tSEARCH\t1000\t12\t345.60\t2\t--"


def at(server: ScriptedServer, rules: dict[str, Any] | None = None, **changed: str) -> DirectSettings:
    env = {
        "YANDEX_DIRECT_TOKEN": "s3cr3t",
        "YANDEX_DIRECT_CLIENT_LOGIN": "me",
        "YANDEX_DIRECT_BASE_URL": server.url,
    }
    return settings({**env, **changed}, rules)


def service(*answers: Any) -> Callable[[Asked], Reply | None]:
    """A client in roubles; everything else in order, the last answer for ever."""
    left = [each if isinstance(each, Reply) else Reply(each) for each in answers]

    def rule(asked: Asked) -> Reply:
        if asked.path.endswith("/clients"):
            return Reply({"result": {"Clients": [{"Login": "me", "Currency": "RUB"}]}})
        return left.pop(0) if len(left) > 1 else left[0]

    return rule


def tsv(*lines: str, header: str = HEADER, total: int | None = None) -> str:
    return "\n".join([header, *lines, f"Total rows: {len(lines) if total is None else total}"]) + "\n"


def recorded(folder: Path, name: str) -> Reply:
    exchange = json.loads((folder / f"fixtures/yandex_direct/{name}.json").read_text())
    return Reply(exchange["body"], exchange.get("status", 200), exchange.get("headers", {}))


def test_the_recorded_queue_is_waited_for(shared_dir: Path, scripted: ScriptedServer, waits: list[float]) -> None:
    queued, in_work = recorded(shared_dir, "ex_report_queued"), recorded(shared_dir, "ex_report_in_progress")
    scripted.rule(service(queued, in_work, in_work, tsv(LINE.format(ad=301))))
    table, _ = read(PERFORMANCE, at(scripted), DAY)
    assert table.drop(["_extra"]).to_pylist() == [
        {
            "date": date(2026, 11, 20), "campaign_id": "101", "campaign_name": "brand", "campaign_type": "TEXT_CAMPAIGN",
            "ad_group_id": "201", "ad_group_name": "all", "ad_id": "301", "ad_network_type": "SEARCH", "impressions": 1000,
            "clicks": 12, "cost": Decimal("345.60"), "conversions": Decimal(2), "revenue": None, "currency": "RUB",
            "include_vat": "NO", "account_id": "me",
        }
    ]  # fmt: skip
    assert waits == [10, 10, 10]
    asked = [each for each in scripted.asked if each.path == "/json/v501/reports"]
    assert len({each.body for each in asked}) == 1  # the question is the job
    assert asked[0].json["params"]["IncludeVAT"] == "NO"
    assert asked[0].headers["client-login"] == "me"
    assert asked[0].headers["authorization"] == "Bearer s3cr3t"
    assert asked[0].headers["returnmoneyinmicros"] == "false"


def test_recorded_reports_become_columns(shared_dir: Path) -> None:
    def columns(text: str, *names: str) -> list[list[Any]]:
        wanted = {name: reports.PERFORMANCE[name] for name in names}
        report = reports.read(text.encode(), wanted, PERFORMANCE, "client me", Tally())
        return [report.columns[name].values.to_pylist() for name in (*names, *(n for n in report.columns if "_" in n))]

    ready = recorded(shared_dir, "ex_report_ready").body + "Total rows: 2\n"  # it was asked for without
    names = ("Date", "CampaignId", "CampaignName", "AdGroupId", "AdId", "Impressions", "Clicks", "Cost")
    assert columns(ready, *names) == [
        [date(2026, 11, 20)] * 2, ["101", "101"], ["brand", "brand"], ["201", "201"], ["301", "302"], [1000, 10], [12, 0],
        [Decimal("345.60"), Decimal("0.00")], [Decimal(2), None],
    ]  # fmt: skip
    empty = recorded(shared_dir, "ex_report_empty").body + "Total rows: 0\n"
    assert columns(empty, *names) == [[]] * 9
    example = (shared_dir / "fixtures/yandex_direct/report_example.tsv").read_text().partition("\n")[2]
    assert columns(example, "Clicks") == [[12578, None]]
    with pytest.raises(DriftError, match="Cost is in millionths"):  # as it was asked for then
        columns(example, "Clicks", "Cost")


def test_recorded_refusals_say_what_to_do(shared_dir: Path, scripted: ScriptedServer, waits: list[float]) -> None:
    scripted.rule(service(recorded(shared_dir, "ex_throttle")))
    with pytest.raises(QuotaError, match="the queue of reports is full, by other programs as well"):
        read(PERFORMANCE, at(scripted), DAY)
    assert [wait for wait in waits if wait >= 30] == [30.0] * 20  # ten minutes; else the pace
    shared_pacer.cache_clear()
    scripted.rule(service(recorded(shared_dir, "ex_auth")))
    with pytest.raises(AuthError, match=r"client me: Authorization error: Token not entered.*YANDEX_DIRECT_TOKEN"):
        read(PERFORMANCE, at(scripted), DAY)
    scripted.rule(service(recorded(shared_dir, "ex_domain_error")))
    with pytest.raises(VendorError, match="with this ReportName and other parameters already exists"):
        read(PERFORMANCE, at(scripted), DAY)


def test_recorded_pages_of_campaigns_are_followed(shared_dir: Path, scripted: ScriptedServer) -> None:
    pages = [recorded(shared_dir, f"ex_campaigns_{name}") for name in ("page1", "last")]
    scripted.rule(service(*pages))
    with Direct(at(scripted), "ads", Tally()) as asked:
        found = [row["Name"] for rows in asked.campaigns("me", {"FieldNames": ["Id"]}) for row in rows]
    assert found == ["brand", "old"]
    assert [asked.json["params"]["Page"]["Offset"] for asked in scripted.asked] == [0, 1]


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize(
    ("code", "error", "says"),
    [
        (152, QuotaError, "points come back hour by hour"),
        ("58", AuthError, "apply for access to the API"),
        (3000, AuthError, "is the API open to it, and to this IP address"),
        (513, ConfigError, "YANDEX_DIRECT_CLIENT_LOGIN"),
        (8000, VendorError, "YANDEX_DIRECT_API_VERSION"),
        (4001, VendorError, r"Direct refuses: client me: x: y \(code 4001, request 7\)"),
    ],
)
def test_errors_mean_the_same_with_any_status(
    scripted: ScriptedServer, status: int, code: Any, error: type[SourceError], says: str
) -> None:
    body = {"error": {"request_id": "7", "error_code": code, "error_string": "x", "error_detail": "y"}}
    scripted.rule(service(Reply(body, status)))
    with pytest.raises(error, match=says):
        read(PERFORMANCE, at(scripted), DAY)


def test_a_report_that_takes_too_long_is_halved(scripted: ScriptedServer, waits: list[float]) -> None:
    spans = []

    def rule(asked: Asked) -> Reply:
        if asked.path.endswith("/clients"):
            return Reply({"result": {"Clients": [{"Currency": "RUB"}]}})
        criteria = asked.json["params"]["SelectionCriteria"]
        spans.append((criteria["DateFrom"][-2:], criteria["DateTo"][-2:]))
        if criteria["DateFrom"] != criteria["DateTo"]:
            return Reply("", 502)
        return Reply(tsv(LINE.format(ad=1).replace("2026-11-20", criteria["DateFrom"])))

    scripted.rule(rule)
    table, _ = read(PERFORMANCE, at(scripted), Window(date(2026, 11, 20), date(2026, 11, 23)))
    assert spans == [("20", "22"), ("20", "20"), ("21", "22"), ("21", "21"), ("22", "22")]
    assert table["date"].to_pylist() == [date(2026, 11, day) for day in (20, 21, 22)]
    scripted.rule(service(Reply("", 502)))
    with pytest.raises(VendorError, match="a single day, 2026-11-20, is too much: the server took too long"):
        read(PERFORMANCE, at(scripted), DAY)


def test_a_report_that_stops_before_its_summary_is_asked_again(scripted: ScriptedServer, waits: list[float]) -> None:
    whole = tsv(LINE.format(ad=1), LINE.format(ad=2))
    half = "\n".join(whole.split("\n")[:2])
    one_short = tsv(LINE.format(ad=1), total=2)
    scripted.rule(service(half, one_short, whole))
    assert read(PERFORMANCE, at(scripted), DAY)[0].num_rows == 2
    scripted.rule(service(Reply(b""), whole))
    assert read(PERFORMANCE, at(scripted), DAY)[0].num_rows == 2
    scripted.rule(service(half))
    with pytest.raises(
        VendorError, match=r"the report of 2026-11-20\.\.2026-11-20 failed 3 times: its text ends before"
    ):
        read(PERFORMANCE, at(scripted), DAY)


def test_a_client_that_never_spent_has_no_rows(scripted: ScriptedServer) -> None:
    scripted.rule(service(tsv()))
    table, tally = read(PERFORMANCE, at(scripted), DAY)
    assert (table.num_rows, tally.read_accounts) == (0, {"me"})


def test_a_campaign_of_the_wizard_has_no_ads(scripted: ScriptedServer) -> None:
    line = "2026-11-20\t102\t--\tUNIFIED_CAMPAIGN\t--\t--\t--\tAD_NETWORK\t10\t--\t0.50\t--\t--"
    scripted.rule(service(tsv(line)))
    [row] = read(PERFORMANCE, at(scripted), DAY)[0].to_pylist()
    assert (row["ad_group_id"], row["ad_id"], row["ad_group_name"], row["campaign_name"]) == ("--", "--", None, None)
    assert (row["clicks"], row["cost"], row["conversions"], row["revenue"]) == (0, Decimal("0.5"), 0, None)


def test_millionths_are_never_taken_for_money(scripted: ScriptedServer) -> None:
    scripted.rule(service(tsv(LINE.format(ad=1).replace("345.60", "345600000"))))
    with pytest.raises(DriftError, match=r"Cost is in millionths .*returnMoneyInMicros"):
        read(PERFORMANCE, at(scripted), DAY)
    scripted.rule(service(tsv(LINE.format(ad=1).replace("345.60", "10000.00"))))  # with cents it is money
    assert read(PERFORMANCE, at(scripted), DAY)[0]["cost"].to_pylist() == [10_000]
    scripted.rule(service(tsv(LINE.format(ad=1), LINE.format(ad=2).replace("345.60", "20000"))))
    assert sum(read(PERFORMANCE, at(scripted), DAY)[0]["cost"].to_pylist()) == Decimal("20345.60")


ODD = [
    pytest.param("2026-11-20\t101\tbrand", id="too few cells"),
    pytest.param(LINE.format(ad=9).replace("345.60", "a lot"), id="cost is text"),
    pytest.param(LINE.format(ad=9).replace("2026-11-20", "yesterday"), id="no day"),
]


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_line_is_told_and_the_others_are_kept(scripted: ScriptedServer, odd: str) -> None:
    scripted.rule(service(tsv(LINE.format(ad=1), odd, LINE.format(ad=2))))
    table, tally = read(PERFORMANCE, at(scripted), DAY)
    assert table["ad_id"].to_pylist() == ["1", "2"]
    assert tally.bad_row_count == 1


def test_an_odd_count_costs_the_cell(scripted: ScriptedServer) -> None:
    scripted.rule(service(tsv(LINE.format(ad=1), LINE.format(ad=2).replace("\t12\t", "\tmany\t"))))
    table, tally = read(PERFORMANCE, at(scripted), DAY)
    assert table["clicks"].to_pylist() == [12, None]
    assert (tally.bad_row_count, tally.bad_cell_count) == (0, 1)


@pytest.mark.parametrize("odd", ODD)
def test_lines_that_are_all_odd_are_a_change_of_the_vendors(scripted: ScriptedServer, odd: str) -> None:
    scripted.rule(service(tsv(odd, odd, odd)))
    with pytest.raises(DriftError, match="yandex_direct/ad_performance"):
        read(PERFORMANCE, at(scripted), DAY)


def test_a_field_that_is_gone_is_named(scripted: ScriptedServer) -> None:
    scripted.rule(service(tsv(header=HEADER.replace("Cost", "Costs"))))
    with pytest.raises(DriftError, match="client me: field Cost is not in the report"):
        read(PERFORMANCE, at(scripted), DAY)


def test_a_model_that_answers_for_another_is_told(scripted: ScriptedServer) -> None:
    header = "Date\tCampaignId\tAdGroupId\tAdId\tAdNetworkType\tConversions_20002_LSCCD\tRevenue_20002_LSCCD"
    scripted.rule(service(tsv(header=header)))
    with pytest.raises(DriftError, match="asked for the attribution model AUTO, Direct answered with LSCCD"):
        read(CONVERSIONS, at(scripted, {"goals": [20002]}), DAY)


def test_days_that_nobody_asked_for_are_no_rows(scripted: ScriptedServer) -> None:
    scripted.rule(service(tsv(LINE.format(ad=1).replace("2026-11-20", "2026-11-19"))))
    with pytest.raises(VendorError, match="got rows of 2026-11-19"):
        read(PERFORMANCE, at(scripted), DAY)


def test_a_client_without_a_currency_is_no_guess(scripted: ScriptedServer) -> None:
    scripted.rule(lambda asked: Reply({"result": {"Clients": [{"Login": "me"}]}}))
    with pytest.raises(DriftError, match="client me: no currency is named"):
        read(PERFORMANCE, at(scripted), DAY)


def test_an_ad_that_is_none_is_told_and_the_others_are_kept(scripted: ScriptedServer) -> None:
    def rule(asked: Asked) -> Reply:
        ad = {"CampaignId": 1, "AdGroupId": 2, "State": "ON", "Type": "TEXT_AD"}
        return Reply(
            {
                "result": {
                    "campaigns": {"Campaigns": [{"Id": 1, "Name": "a"}, "odd"]},
                    "adgroups": {},  # an empty list is not sent
                    "ads": {"Ads": [{**ad, "Id": 3, "TextAd": "odd"}, {**ad, "Id": 4, "TextAd": {"Href": "https://x.example"}}, "odd"]},
                }[asked.path.rpartition("/")[2]]
            }
        )  # fmt: skip

    scripted.rule(rule)
    table, tally = read(ADS, at(scripted))
    assert table.select(["id", "address", "ad_group_name", "campaign_name"]).to_pylist() == [
        {"id": "4", "address": "https://x.example", "ad_group_name": None, "campaign_name": "a"}
    ]
    assert tally.bad_row_count == 2
