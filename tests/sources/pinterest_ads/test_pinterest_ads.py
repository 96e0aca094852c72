"""Pinterest Ads over the wire: against the sandbox, against scripted answers, and the recorded bodies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pyarrow as pa
import pytest

from dagster_project.sandbox import Sandbox, serve
from dagster_project.sandbox.company import networks
from dagster_project.sources import pinterest_ads as pinterest
from dagster_project.sources.pinterest_ads import sandbox as vendor
from dagster_project.sources.pinterest_ads.settings import PinterestAdsSettings, PinterestRules
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
from tests.support.ad_networks import Stuck, read_all, sums, truth
from tests.support.scripted_server import Asked, Reply, ScriptedServer

DAYS, ADS = pinterest.STREAMS
WEEK = Window(date(2026, 8, 17), date(2026, 8, 24))
TODAY = "2026-10-01"
DAY = Window.of_day(date(2026, 11, 20))
TOKEN = Reply({"access_token": "pina_s3cr3t", "expires_in": 2592000})


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with serve(today=TODAY, vendors=["pinterest_ads"]) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox, waits: list[float]) -> Iterator[Sandbox]:
    running.calls.clear()
    yield running
    running.faults.clear()
    running.clock.set(TODAY)


@pytest.fixture(autouse=True)
def signed_out() -> None:
    shared_token.cache_clear()


def settings(env: dict[str, str], rules: dict[str, Any] | None = None, **changed: str) -> PinterestAdsSettings:
    return PinterestAdsSettings.model_validate({**env, **changed, "rules": PinterestRules(**(rules or {}))})


def read(stream: Stream, of: PinterestAdsSettings, window: Window = WEEK) -> tuple[pa.Table, Tally]:
    return read_all(stream, of, window)


# ---- against the sandbox -----------------------------------------------------------------------------------


def test_ads_by_day_are_what_the_company_spent(sandbox: Sandbox) -> None:
    table, tally = read(DAYS, settings(sandbox.env))
    names = ("paid_impression", "outbound_click_1", "spend", "total_video_3sec_views", "total_checkout", "total_lead",
             "conversions", "conversions_value")  # fmt: skip
    assert sums(table, ("date", "ad_id", "campaign_id", "campaign_name", "ad_group_name", "ad_name"), names) == {
        (each.day, each.ad.id, each.ad.campaign.id, each.ad.campaign.name, each.ad.group_name, each.ad.name): [
            each.impressions, each.clicks, Decimal(each.cost_cents) / 100, each.video_views, each.sales, each.leads,
            each.leads + each.sales, Decimal(each.sales_cents) / 100,
        ]
        for each in truth(sandbox, "pins", WEEK)
    }  # fmt: skip
    assert sum(table["total_checkout"].to_pylist()) > 0
    assert sum(table["total_lead"].to_pylist()) > 0
    assert {(row["currency"], row["account_id"]) for row in table.to_pylist()} == {("EUR", vendor.ACCOUNT_ID)}
    assert tally.read_accounts == {vendor.ACCOUNT_ID}
    assert (tally.notes, tally.bad_row_count, tally.bad_cell_count) == ([], 0, 0)


def test_conversions_are_those_that_the_rules_choose(sandbox: Sandbox) -> None:
    leads, _ = read(DAYS, settings(sandbox.env, {"conversions": ["LEAD"]}))
    assert leads["conversions"].to_pylist() == leads["total_lead"].to_pylist()
    assert leads["conversions_value"].null_count == leads.num_rows


def test_ads_lead_where_the_company_sends_people(sandbox: Sandbox) -> None:
    table, _ = read(ADS, settings(sandbox.env))
    found = {row["id"]: row for row in table.to_pylist()}
    assert {key: (row["name"], row["campaign_id"], row["ad_group_id"]) for key, row in found.items()} == {
        each.id: (each.name, each.campaign.id, each.group_id) for each in networks.ads_of("pins")
    }
    assert {row["status"] for row in found.values()} == {"ACTIVE", "ARCHIVED"}
    ad = next(each for each in networks.ads_of("pins") if each.name == "Pin B")
    assert found[ad.id]["destination_url"] == (
        f"{ad.address}?utm_source=pinterest&utm_medium=paid_social&utm_campaign=counters_shelves&utm_content=pin_b"
        "&utm_id={campaignid}"
    )


def test_calls_of_a_night_and_of_a_year(sandbox: Sandbox) -> None:
    """An app on trial has 1,000 calls a day: a year is less than a tenth of them, a night of an account eight."""
    today = date(2026, 10, 1)
    for days, reports, most in ((7, 1, 8), (30, 1, 8), (365, 12, 80)):
        sandbox.calls.clear()
        shared_token.cache_clear()
        _, tally = read(DAYS, settings(sandbox.env), Window(today - timedelta(days=days), today))
        assert len(sandbox.calls.list("pinterest_ads", "POST /v5/ad_accounts")) == reports
        assert tally.api_calls <= most


def test_conversions_of_old_days_grow(sandbox: Sandbox) -> None:
    def seen(today: str) -> int:
        sandbox.clock.set(today)
        return sum(read(DAYS, settings(sandbox.env))[0]["conversions"].to_pylist())

    assert seen("2026-08-24") < seen("2026-09-22") == seen("2026-10-20")


def test_one_denied_account_of_three_does_not_lose_the_others(sandbox: Sandbox) -> None:
    ids = f"{vendor.DENIED_ACCOUNT_ID}, {vendor.ACCOUNT_ID},{vendor.IDLE_ACCOUNT_ID}"
    for stream in pinterest.STREAMS:
        alone, _ = read(stream, settings(sandbox.env))
        table, tally = read(stream, settings(sandbox.env, PINTEREST_ADS_ACCOUNT_ID=ids))
        assert table.equals(alone)
        assert tally.read_accounts == {vendor.ACCOUNT_ID, vendor.IDLE_ACCOUNT_ID}
        [(denied, why)] = tally.failed_accounts.items()
        assert denied == vendor.DENIED_ACCOUNT_ID
        assert "give the person the role Analyst" in str(why)


@pytest.mark.parametrize(
    ("changed", "error", "says"),
    [
        ({"PINTEREST_ADS_REFRESH_TOKEN": "wrong"}, AuthError, "put the token in PINTEREST_ADS_REFRESH_TOKEN"),
        ({"PINTEREST_ADS_CLIENT_SECRET": "wrong"}, AuthError, "Pinterest gives no token"),
        ({"PINTEREST_ADS_ACCOUNT_ID": "5"}, ConfigError, "account 5: .*correct PINTEREST_ADS_ACCOUNT_ID"),
    ],
)
def test_wrong_settings_are_answered_with_the_setting(
    sandbox: Sandbox, changed: dict[str, str], error: type[SourceError], says: str
) -> None:
    with pytest.raises(error, match=says):
        read(DAYS, settings(sandbox.env, **changed))


def test_the_oldest_day_can_be_asked_and_the_one_before_it_cannot(sandbox: Sandbox) -> None:
    oldest = pinterest.earliest(sandbox.clock.today())
    read(DAYS, settings(sandbox.env), Window.of_day(oldest))
    with pytest.raises(VendorError, match="Invalid ad account ads analytics parameters"):
        read(DAYS, settings(sandbox.env), Window.of_day(oldest - timedelta(days=1)))


# ---- faults ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["throttle", "server_error", "reset", "truncated", "expired_token"])
@pytest.mark.parametrize("after", range(5))
def test_passing_faults_change_nothing(sandbox: Sandbox, waits: list[float], fault: str, after: int) -> None:
    """Whichever call it is: the account, the report's beginning, two looks, its file; or the first pages of ads."""
    stream = DAYS if after else ADS
    unharmed, _ = read(stream, settings(sandbox.env))
    waits.clear()
    sandbox.faults.set("pinterest_ads", fault, 1, path="/", after=after + 1)  # the first call signs in
    shared_token.cache_clear()
    table, tally = read(stream, settings(sandbox.env))
    assert table.equals(unharmed)
    assert tally.retries == 1
    if fault == "throttle" and after < 4:
        assert 30.0 in waits


def test_rows_and_ads_that_come_twice_count_once(sandbox: Sandbox) -> None:
    for stream in pinterest.STREAMS:
        unharmed, _ = read(stream, settings(sandbox.env))
        sandbox.faults.set("pinterest_ads", "duplicate_row", None)
        assert read(stream, settings(sandbox.env))[0].equals(unharmed)


def test_a_field_that_nobody_declared_is_kept_beside_figures(sandbox: Sandbox) -> None:
    sandbox.faults.set("pinterest_ads", "unknown_field", None)
    assert set(read(DAYS, settings(sandbox.env))[0]["_extra"].to_pylist()) == {'{"BRAND_NEW": 1}'}


def test_a_token_that_is_over_for_good_is_one_clear_sentence(sandbox: Sandbox) -> None:
    sandbox.faults.set("pinterest_ads", "expired_token", None, path="/ad_accounts/")
    with pytest.raises(AuthError, match=r"Authentication failed.*sign in anew"):
        read(DAYS, settings(sandbox.env))


# ---- scripted answers --------------------------------------------------------------------------------------


def at(server: ScriptedServer, rules: dict[str, Any] | None = None) -> PinterestAdsSettings:
    env = {
        "PINTEREST_ADS_CLIENT_ID": "c", "PINTEREST_ADS_CLIENT_SECRET": "cs", "PINTEREST_ADS_REFRESH_TOKEN": "r",
        "PINTEREST_ADS_ACCOUNT_ID": "1", "PINTEREST_ADS_BASE_URL": server.url, "PINTEREST_ADS_TOKEN_URL": f"{server.url}/token",
    }  # fmt: skip
    return settings(env, rules)


def answers(server: ScriptedServer, *looks: Any, file: Any = None, ads: Any = None, begun: Any = None) -> None:
    """A token, an account in dollars, a report that is begun; looks, files and pages of ads in order, the last for ever."""
    left = {
        "look": list(looks) or [finished(server)],
        "file": file or [{}],
        "ads": ads or [{"items": [], "bookmark": None}],
    }

    def rule(asked: Asked) -> Reply:
        if asked.path == "/token":
            return TOKEN
        if asked.path.endswith("/ad_accounts/1"):
            return Reply({"id": "1", "currency": "USD", "time_zone": "America/New_York"})
        if asked.method == "POST":
            return begun or Reply({"report_status": "IN_PROGRESS", "token": "tok", "message": None})
        kind = "look" if asked.path.endswith("/reports") else "ads" if asked.path.endswith("/ads") else "file"
        body = left[kind].pop(0) if len(left[kind]) > 1 else left[kind][0]
        return body if isinstance(body, Reply) else Reply(body)

    server.rule(rule)


def finished(server: ScriptedServer) -> dict[str, Any]:
    return {"report_status": "FINISHED", "url": f"{server.url}/r.json?X-Signature=abc", "size": 512}


def recorded(folder: Path, name: str) -> Reply:
    exchange = json.loads((folder / f"fixtures/pinterest/{name}.json").read_text())
    return Reply(exchange["body"], exchange.get("status", 200), exchange.get("headers", {}))


def row(ad_id: Any, day: str = "2026-11-20", **more: Any) -> dict[str, Any]:
    return {
        "DATE": day,
        "AD_ID": ad_id,
        "CAMPAIGN_ID": 7,
        "SPEND_IN_MICRO_DOLLAR": 1_250_000,
        "PAID_IMPRESSION": 100.0,
    } | more


def test_a_report_is_waited_for_and_its_file_is_shown_no_token(
    shared_dir: Path, scripted: ScriptedServer, waits: list[float]
) -> None:
    created, running = recorded(shared_dir, "ex_report_create"), recorded(shared_dir, "ex_report_in_progress")
    report = {**recorded(shared_dir, "ex_report_finished").body, "url": f"{scripted.url}/r.json?X-Signature=abc"}
    answers(
        scripted,
        running,
        report,
        file=[{"1": [row("1")], "2": [row(2, SPEND_IN_MICRO_DOLLAR=412345.67)]}],
        begun=created,
    )
    table, _ = read(DAYS, at(scripted), DAY)
    first, second = table.to_pylist()
    assert (first["ad_id"], first["campaign_id"], first["spend"], first["paid_impression"], first["outbound_click_1"]) == (
        "1", "7", Decimal("1.25"), 100, 0,
    )  # fmt: skip
    assert (second["ad_id"], second["spend"]) == ("2", Decimal("0.412346"))
    assert waits == [2]
    begun, *_, fetched = scripted.asked[2:]
    assert begun.json | {"columns": []} == {
        "start_date": "2026-11-20", "end_date": "2026-11-20", "granularity": "DAY", "level": "PIN_PROMOTION", "columns": [],
        "report_format": "JSON", "click_window_days": 30, "engagement_window_days": 30, "view_window_days": 1,
        "conversion_report_time": "TIME_OF_AD_ACTION", "reporting_timezone": "AD_ACCOUNT_TIME_ZONE",
    }  # fmt: skip
    assert (fetched.path, fetched.query) == ("/r.json", "X-Signature=abc")
    assert "authorization" not in fetched.headers
    assert scripted.asked[1].headers["authorization"] == "Bearer pina_s3cr3t"


def test_a_sign_in_is_basic_and_asks_for_the_least(scripted: ScriptedServer) -> None:
    answers(scripted)
    read(DAYS, at(scripted), DAY)
    asked = scripted.asked[0]
    assert asked.headers["authorization"] == "Basic Yzpjcw=="  # c:cs
    assert parse_qs(asked.body.decode()) == {
        "grant_type": ["refresh_token"], "refresh_token": ["r"], "scope": ["ads:read"],
    }  # fmt: skip


def test_a_report_without_rows_has_no_address(scripted: ScriptedServer) -> None:
    answers(scripted, {"report_status": "FINISHED", "url": None, "size": 0})
    table, tally = read(DAYS, at(scripted), DAY)
    assert (table.num_rows, tally.retries, tally.read_accounts) == (0, 0, {"1"})


@pytest.mark.parametrize("status", ["FAILED", "EXPIRED", "CANCELLED", "DOES_NOT_EXIST"])
def test_a_report_that_comes_to_nothing_is_begun_again_and_then_told(
    scripted: ScriptedServer, waits: list[float], status: str
) -> None:
    lost = {"report_status": status, "url": None}
    answers(scripted, lost, finished(scripted), file=[{"1": [row("1")]}])
    table, tally = read(DAYS, at(scripted), DAY)
    assert (table.num_rows, tally.retries) == (1, 1)
    answers(scripted, lost)
    with pytest.raises(VendorError, match=f"the report of account 1 for .* failed 3 times: {status}"):
        read(DAYS, at(scripted), DAY)


def test_an_address_that_has_ended_costs_a_new_report(scripted: ScriptedServer, waits: list[float]) -> None:
    answers(scripted, file=[Reply("<Error/>", 403), {"1": [row("1")]}])
    table, _ = read(DAYS, at(scripted), DAY)
    assert table.num_rows == 1
    assert len([asked for asked in scripted.asked if asked.path.endswith("/reports") and asked.method == "POST"]) == 2


@pytest.mark.parametrize("address", ["http://reports.example/r.json", "ftp://x/r.json", 5])
def test_an_address_that_could_be_read_on_its_way_is_not_asked(scripted: ScriptedServer, address: Any) -> None:
    answers(scripted, {"report_status": "FINISHED", "url": address})
    with pytest.raises(VendorError, match="none that can be trusted"):
        read(DAYS, at(scripted), DAY)


def test_recorded_refusals_say_what_to_do(shared_dir: Path, scripted: ScriptedServer, waits: list[float]) -> None:
    for name, error, says in (
        ("ex_auth", AuthError, "Authentication failed.*PINTEREST_ADS_REFRESH_TOKEN"),
        ("ex_domain_error", VendorError, "account 1: Invalid ad account ads analytics parameters"),
        ("error_403", AuthError, "account 1: .*the role Analyst"),
    ):
        answers(scripted, recorded(shared_dir, name))
        with pytest.raises(error, match=says):
            read(DAYS, at(scripted), DAY)
    answers(scripted, recorded(shared_dir, "ex_throttle"), finished(scripted), file=[{"1": [row("1")]}])
    assert read(DAYS, at(scripted), DAY)[0].num_rows == 1
    answers(scripted, Reply({"code": 8, "message": "Rate limit reached. Retry after 3600 seconds"}, 429))
    with pytest.raises(QuotaError, match="1,000 calls a day") as told:
        read(DAYS, at(scripted), DAY)
    assert told.value.retry_after_seconds == 3600


def test_recorded_pages_of_ads_are_read_to_their_end(shared_dir: Path, scripted: ScriptedServer) -> None:
    answers(scripted, ads=[recorded(shared_dir, "ex_ads_page1"), recorded(shared_dir, "ex_ads_page_last")])
    table, _ = read(ADS, at(scripted))
    assert table["id"].to_pylist() == ["1", "2"]
    assert table["destination_url"].to_pylist() == ["https://example.com/?utm_source=pinterest"] * 2
    first, second = (parse_qs(asked.query) for asked in scripted.asked[1:])
    assert (first["entity_statuses"], first["page_size"]) == (["ACTIVE,PAUSED,ARCHIVED"], ["250"])
    assert second["bookmark"] == ["b1"]


def test_a_carousel_leads_to_its_first_address(scripted: ScriptedServer) -> None:
    ad = {"id": 1, "destination_url": None, "carousel_destination_urls": ["https://x.example/a", "https://x.example/b"]}
    answers(scripted, ads=[{"items": [ad, "no ad"], "bookmark": None}])
    table, tally = read(ADS, at(scripted))
    assert table["destination_url"].to_pylist() == ["https://x.example/a"]
    assert tally.bad_row_count == 1


def test_a_bookmark_that_comes_again_is_an_error(scripted: ScriptedServer) -> None:
    answers(scripted, ads=[{"items": [], "bookmark": "b1"}])
    with pytest.raises(VendorError, match="again and again"):
        read(ADS, at(scripted))


ODD = [
    pytest.param("no row", id="text"),
    pytest.param({"AD_ID": "9", "SPEND_IN_MICRO_DOLLAR": 1}, id="no day"),
    pytest.param(row("9", SPEND_IN_MICRO_DOLLAR="a lot"), id="cost is text"),
    pytest.param(row("9", TOTAL_CHECKOUT="some"), id="conversions are text"),
    pytest.param(row(None), id="no ad"),
    pytest.param({"DATE": "2026-11-20", "AD_ID": "9"}, id="no cost"),
]


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_row_is_told_and_the_others_are_kept(scripted: ScriptedServer, odd: Any) -> None:
    answers(scripted, file=[{"1": [row("1"), odd], "2": [row("2")]}])
    table, tally = read(DAYS, at(scripted), DAY)
    assert table["ad_id"].to_pylist() == ["1", "2"]
    assert tally.bad_row_count == 1


def test_a_worth_that_is_no_number_is_told_and_its_row_is_kept(scripted: ScriptedServer) -> None:
    answers(
        scripted, file=[{"1": [row("1", TOTAL_CHECKOUT=1, TOTAL_CHECKOUT_VALUE_IN_MICRO_DOLLAR="a lot"), row("2")]}]
    )
    table, tally = read(DAYS, at(scripted), DAY)
    assert table["spend"].to_pylist() == [Decimal("1.25")] * 2
    assert (tally.bad_row_count, tally.bad_cell_count) == (0, 2)


@pytest.mark.parametrize("odd", ODD)
def test_rows_that_are_all_odd_are_a_change_of_the_vendors(scripted: ScriptedServer, odd: Any) -> None:
    rows = [{**odd, "AD_ID": str(n)} if isinstance(odd, dict) and odd["AD_ID"] else odd for n in range(3)]
    answers(scripted, file=[{"1": rows}])
    with pytest.raises(DriftError, match="pinterest_ads/ad_performance"):
        read(DAYS, at(scripted), DAY)


def test_days_that_nobody_asked_for_are_no_rows(scripted: ScriptedServer) -> None:
    answers(scripted, file=[{"1": [row("1", "2026-11-19")]}])
    with pytest.raises(VendorError, match="got rows of 2026-11-19"):
        read(DAYS, at(scripted), DAY)


def test_an_empty_200_is_asked_again_and_a_file_of_another_shape_is_an_error(
    scripted: ScriptedServer, waits: list[float]
) -> None:
    answers(scripted, file=[Reply(b""), {"1": [row("1")]}])
    table, tally = read(DAYS, at(scripted), DAY)
    assert (table.num_rows, tally.retries) == (1, 1)
    answers(scripted, file=[[row("1")]])
    with pytest.raises(VendorError, match="no object of lists by ad"):
        read(DAYS, at(scripted), DAY)


def test_a_hang_is_given_up(scripted: ScriptedServer, waits: list[float]) -> None:
    answers(scripted, Reply(Stuck()))
    with pytest.raises(
        VendorError, match=r"still fails after 6 attempts: the connection failed \((ReadTimeout|ConnectionError)\)"
    ):
        read_all(DAYS, at(scripted), DAY, seconds=0.2)
