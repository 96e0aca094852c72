"""TikTok Ads over the wire: against the sandbox, against scripted answers, and the recorded bodies."""

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
from dagster_project.sources import tiktok_ads as tiktok
from dagster_project.sources.tiktok_ads import sandbox as vendor
from dagster_project.sources.tiktok_ads.settings import TiktokAdsSettings, TiktokRules
from dagster_project.wire.contract import (
    AuthError,
    DriftError,
    SourceError,
    Stream,
    Tally,
    VendorError,
    Window,
)
from tests.support.ad_networks import Stuck, read_all, sums, truth
from tests.support.scripted_server import Reply, ScriptedServer

DAYS, CONVERSIONS, ADS = tiktok.STREAMS
WEEK = Window(date(2026, 9, 14), date(2026, 9, 21))
MONTHS = Window(date(2026, 7, 1), date(2026, 9, 1))  # a campaign ended meanwhile, and its ads are deleted
TODAY = "2026-10-01"
DAY = Window.of_day(date(2026, 11, 20))


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with serve(today=TODAY, vendors=["tiktok_ads"]) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox, waits: list[float]) -> Iterator[Sandbox]:
    running.calls.clear()
    yield running
    running.faults.clear()
    running.clock.set(TODAY)


def settings(env: dict[str, str], rules: dict[str, Any] | None = None, **changed: str) -> TiktokAdsSettings:
    return TiktokAdsSettings.model_validate({**env, **changed, "rules": TiktokRules(**(rules or {}))})


def read(stream: Stream, of: TiktokAdsSettings, window: Window = WEEK) -> tuple[pa.Table, Tally]:
    return read_all(stream, of, window)


# ---- against the sandbox -----------------------------------------------------------------------------------


@pytest.mark.parametrize("window", [WEEK, MONTHS], ids=["week", "deleted ads"])
def test_ads_by_day_are_what_the_company_spent(sandbox: Sandbox, window: Window) -> None:
    table, tally = read(DAYS, settings(sandbox.env), window)
    names = ("impressions", "clicks", "spend", "video_play_actions", "conversions", "conversions_value")
    assert sums(table, ("stat_time_day", "ad_id", "campaign_name", "adgroup_name"), names) == {
        (each.day, each.ad.id, each.ad.campaign.name, each.ad.group_name): [
            each.impressions, each.clicks, Decimal(each.cost_cents) / 100, each.video_views, each.leads + each.sales,
            Decimal(each.sales_cents) / 100,
        ]
        for each in truth(sandbox, "short_video", window)
    }  # fmt: skip
    if window is MONTHS:
        assert "Behind the counter" in table["campaign_name"].to_pylist()
    assert set(table["objective_type"].to_pylist()) <= {"WEB_CONVERSIONS", "VIDEO_VIEWS"}
    assert {(row["currency"], row["account_id"]) for row in table.to_pylist()} == {("EUR", vendor.ADVERTISER)}
    assert tally.read_accounts == {vendor.ADVERTISER}
    assert (tally.notes, tally.bad_row_count, tally.bad_cell_count) == ([], 0, 0)


def test_each_type_of_conversion_is_a_row(sandbox: Sandbox) -> None:
    table, _ = read(CONVERSIONS, settings(sandbox.env), MONTHS)
    wanted = truth(sandbox, "short_video", MONTHS)
    sold, leads = sum(each.sales for each in wanted), sum(each.leads for each in wanted)
    assert sold
    assert leads
    assert sums(table, ("conversion_type",), ("conversions", "value")) == {
        ("complete_payment",): [sold, Decimal(sum(each.sales_cents for each in wanted)) / 100],
        ("form",): [leads, 0],
    }
    assert 0 not in table["conversions"].to_pylist()
    assert CONVERSIONS.is_on(settings(sandbox.env))
    assert not CONVERSIONS.is_on(settings(sandbox.env, {"types": []}))


def test_conversions_are_those_that_the_rules_choose(sandbox: Sandbox) -> None:
    chosen, _ = read(DAYS, settings(sandbox.env, {"conversions": ["form", "complete_payment"]}))
    usual, _ = read(DAYS, settings(sandbox.env))
    assert chosen.equals(usual)  # this company is bought nothing else
    forms, _ = read(DAYS, settings(sandbox.env, {"conversions": ["form"]}))
    assert forms["conversions_value"].null_count == forms.num_rows
    with pytest.raises(ValueError, match="name it alone"):
        settings(sandbox.env, {"conversions": ["conversion", "form"]})


def test_ads_lead_where_the_company_sends_people(sandbox: Sandbox) -> None:
    table, _ = read(ADS, settings(sandbox.env))
    found = {row["ad_id"]: row for row in table.to_pylist()}
    assert {key: (row["landing_page_url"], row["campaign_name"]) for key, row in found.items()} == {
        each.id: (each.address, each.campaign.name) for each in networks.ads_of("short_video")
    }
    assert {row["secondary_status"] for row in found.values()} == {"AD_STATUS_DELIVERY_OK", "AD_STATUS_DELETE"}
    ad = next(each for each in networks.ads_of("short_video") if each.name == "Clip A")
    assert found[ad.id]["address"] == (
        f"{ad.address}?utm_source=tiktok&utm_medium=paid_social&utm_campaign=till_in_30_seconds&utm_content=clip_a"
        "&utm_id=__CAMPAIGN_ID__"
    )


def test_calls_of_a_night_and_of_a_year(sandbox: Sandbox) -> None:
    """TikTok publishes no quota: 30 days are a report, whose pages are 1000 rows (here 40)."""
    today = date(2026, 10, 1)
    for days, reports in ((7, 1), (28, 1), (365, 13)):
        sandbox.calls.clear()
        table, tally = read(DAYS, settings(sandbox.env), Window(today - timedelta(days=days), today))
        pages = -(-table.num_rows // 40)
        assert max(reports, pages) <= tally.api_calls <= reports + pages


def test_conversions_of_old_days_grow_for_28_days(sandbox: Sandbox) -> None:
    def seen(today: str) -> Decimal:
        sandbox.clock.set(today)
        return sum(
            read(DAYS, settings(sandbox.env), Window(date(2026, 8, 26), date(2026, 9, 2)))[0]["conversions"].to_pylist()
        )

    assert seen("2026-09-02") < seen("2026-09-30") == seen("2026-10-20")


def test_one_denied_account_of_three_does_not_lose_the_others(sandbox: Sandbox) -> None:
    ids = f"{vendor.FOREIGN_ADVERTISER}, {vendor.ADVERTISER},{vendor.IDLE_ADVERTISER}"
    for stream in tiktok.STREAMS:
        alone, _ = read(stream, settings(sandbox.env))
        table, tally = read(stream, settings(sandbox.env, TIKTOK_ADS_ADVERTISER_ID=ids))
        assert table.equals(alone)
        assert tally.read_accounts == {vendor.ADVERTISER, vendor.IDLE_ADVERTISER}
        [(denied, why)] = tally.failed_accounts.items()
        assert denied == vendor.FOREIGN_ADVERTISER
        assert "correct TIKTOK_ADS_ADVERTISER_ID, or let the advertiser authorise" in str(why)


@pytest.mark.parametrize(
    ("rules", "changed", "error", "says"),
    [
        ({}, {"TIKTOK_ADS_ACCESS_TOKEN": "wrong"}, AuthError, "put the token in TIKTOK_ADS_ACCESS_TOKEN"),
        ({}, {"TIKTOK_ADS_ADVERTISER_ID": "5"}, AuthError, "account 5: .*correct TIKTOK_ADS_ADVERTISER_ID"),
        ({}, {"TIKTOK_ADS_API_VERSION": "v9.9"}, VendorError, "answered 404"),
        ({"conversions": ["never_heard_of"]}, {}, DriftError, "invalid metric never_heard_of.*funnelhouse.yml"),
    ],
)
def test_wrong_settings_are_answered_with_the_setting(
    sandbox: Sandbox, rules: dict[str, Any], changed: dict[str, str], error: type[SourceError], says: str
) -> None:
    with pytest.raises(error, match=says):
        read(DAYS, settings(sandbox.env, rules, **changed))


# ---- faults ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", tiktok.STREAMS, ids=lambda stream: stream.name)
@pytest.mark.parametrize("fault", ["throttle", "server_error", "reset", "truncated", "duplicate_row"])
def test_passing_faults_change_nothing(sandbox: Sandbox, waits: list[float], stream: Stream, fault: str) -> None:
    unharmed, _ = read(stream, settings(sandbox.env), MONTHS)
    waits.clear()
    sandbox.faults.set("tiktok_ads", fault, 1, after=0 if fault == "duplicate_row" else 1)
    table, tally = read(stream, settings(sandbox.env), MONTHS)
    assert table.equals(unharmed)
    assert tally.retries == (0 if fault == "duplicate_row" else 1)
    assert tally.bad_row_count == 0
    if fault == "throttle":
        assert 60.0 in waits


def test_a_token_that_was_taken_back_is_one_clear_sentence(sandbox: Sandbox) -> None:
    sandbox.faults.set("tiktok_ads", "expired_token", None)
    with pytest.raises(AuthError, match=r"has been revoked.*authorise the app anew"):
        read(DAYS, settings(sandbox.env))


def test_a_field_that_nobody_declared_is_kept_beside_figures(sandbox: Sandbox) -> None:
    sandbox.faults.set("tiktok_ads", "unknown_field", None)
    table, _ = read(DAYS, settings(sandbox.env))
    assert set(table["_extra"].to_pylist()) == {'{"brand_new": "1"}'}
    assert read(ADS, settings(sandbox.env))[0].num_rows == len(networks.ads_of("short_video"))


# ---- scripted answers --------------------------------------------------------------------------------------


def at(server: ScriptedServer, rules: dict[str, Any] | None = None) -> TiktokAdsSettings:
    env = {"TIKTOK_ADS_ACCESS_TOKEN": "s3cr3t", "TIKTOK_ADS_ADVERTISER_ID": "1", "TIKTOK_ADS_BASE_URL": server.url}
    return settings(env, rules)


def answers(server: ScriptedServer, *bodies: Any) -> None:
    """In order, the last answer for ever."""
    left = [each if isinstance(each, Reply) else Reply(each) for each in bodies]
    server.rule(lambda _: left.pop(0) if len(left) > 1 else left[0])


def recorded(folder: Path, name: str) -> Reply:
    exchange = json.loads((folder / f"fixtures/tiktok/{name}.json").read_text())
    return Reply(exchange["body"], exchange.get("status", 200), exchange.get("headers", {}))


def row(ad_id: Any, day: str = "2026-11-20 00:00:00", **more: Any) -> dict[str, Any]:
    metrics = {
        "campaign_id": "1",
        "adgroup_id": "2",
        "currency": "USD",
        "spend": "1.25",
        "impressions": "100",
        "clicks": "4",
        "conversion": "1",
    }
    return {"dimensions": {"ad_id": ad_id, "stat_time_day": day}, "metrics": metrics | more}  # fmt: skip


def listed(*rows: Any, page: int = 1, of: int = 1) -> dict[str, Any]:
    info = {"page": page, "page_size": 1000, "total_number": len(rows), "total_page": of}
    return vendor.said(0, "OK", {"list": list(rows), "page_info": info})


def test_recorded_pages_become_typed_rows(shared_dir: Path, scripted: ScriptedServer) -> None:
    answers(scripted, recorded(shared_dir, "ex_page1"), recorded(shared_dir, "ex_page_last"))
    table, _ = read(DAYS, at(scripted), DAY)
    assert table["ad_id"].to_pylist() == ["1001", "1002"]
    assert table.slice(0, 1).to_pylist() == [
        {
            "stat_time_day": date(2026, 11, 20), "ad_id": "1001", "campaign_id": "1", "campaign_name": "C",
            "objective_type": None, "adgroup_id": "2", "adgroup_name": "G", "ad_name": "A", "currency": "USD",
            "impressions": 100, "clicks": 4, "conversion": 1, "video_play_actions": 50, "video_watched_2s": None,
            "video_views_p100": None, "spend": Decimal("1.25"), "conversions": Decimal(1), "conversions_value": Decimal(0),
            "account_id": "1", "_extra": None,
        }
    ]  # fmt: skip
    first, second = (parse_qs(asked.query) for asked in scripted.asked)
    assert (first["page"], second["page"], first["page_size"]) == (["1"], ["2"], ["1000"])
    assert json.loads(first["dimensions"][0]) == ["ad_id", "stat_time_day"]
    assert scripted.asked[0].headers["access-token"] == "s3cr3t"
    assert "s3cr3t" not in scripted.asked[0].query


def test_recorded_answers_without_rows_and_with_errors(
    shared_dir: Path, scripted: ScriptedServer, waits: list[float]
) -> None:
    answers(scripted, recorded(shared_dir, "ex_empty"))
    table, tally = read(DAYS, at(scripted), DAY)
    assert (table.num_rows, tally.retries, tally.read_accounts) == (0, 0, {"1"})
    answers(scripted, recorded(shared_dir, "ex_domain_error"))
    with pytest.raises(VendorError, match="cannot exceed 30 days"):
        read(DAYS, at(scripted), DAY)
    said = json.loads((shared_dir / "fixtures/tiktok/report_doc_derived.json").read_text())
    for name, error, says in (
        ("auth", AuthError, "TIKTOK_ADS_ACCESS_TOKEN"),
        ("permission", AuthError, "account 1: .*TIKTOK_ADS_ADVERTISER_ID"),
        ("throttle", VendorError, "still fails after 6 attempts.*QPS limit"),
        ("system", VendorError, "still fails after 6 attempts.*System error"),
    ):
        answers(scripted, said[name])
        with pytest.raises(error, match=says):
            read(DAYS, at(scripted), DAY)
    answers(scripted, said["throttle"], listed(row("1")))
    assert read(DAYS, at(scripted), DAY)[0].num_rows == 1


def test_the_recorded_ad_leads_to_its_link(shared_dir: Path, scripted: ScriptedServer) -> None:
    answers(scripted, recorded(shared_dir, "ex_ad_get"))
    [ad] = read(ADS, at(scripted))[0].to_pylist()
    assert ad["address"] == "https://example.com/?utm_source=tiktok&utm_campaign=__CAMPAIGN_ID__"
    assert ad["modify_time"].isoformat() == "2026-11-19T10:00:00+00:00"


@pytest.mark.parametrize(
    ("of", "address"),
    [
        ({"landing_page_urls": ["https://x.example/a?utm_source=own#top"]}, "https://x.example/a?utm_source=own&c=a%26b#top"),
        ({"landing_page_url": "https://x.example/"}, "https://x.example/?utm_source=tiktok&c=a%26b"),
        ({"landing_page_url": "https://x.example/", "utm_params": None}, "https://x.example/"),
        ({"landing_page_url": ""}, None),
    ],
)  # fmt: skip
def test_an_address_has_its_own_tags_once(scripted: ScriptedServer, of: dict[str, Any], address: str | None) -> None:
    tags = [{"key": "utm_source", "value": "tiktok"}, {"key": "c", "value": "a&b"}]
    ad = {"ad_id": 1, "campaign_id": 2, "adgroup_id": 3, "modify_time": "2026-11-19 10:00:00", "utm_params": tags}
    answers(scripted, listed({**ad, **of}))
    [found] = read(ADS, at(scripted))[0].to_pylist()
    assert (found["ad_id"], found["campaign_id"], found["address"]) == ("1", "2", address)


def test_ids_are_texts_whether_they_come_as_numbers_or_not(scripted: ScriptedServer) -> None:
    answers(scripted, listed(row(1680018437245954, campaign_id=1680018437245955)))
    [found] = read(DAYS, at(scripted), DAY)[0].to_pylist()
    assert (found["ad_id"], found["campaign_id"]) == ("1680018437245954", "1680018437245955")


def test_a_row_that_comes_on_two_pages_counts_once(scripted: ScriptedServer) -> None:
    answers(scripted, listed(row("1"), row("2"), of=2), listed(row("2", clicks="5"), row("3"), page=2, of=2))
    assert read(DAYS, at(scripted), DAY)[0]["ad_id"].to_pylist() == ["1", "2", "3"]


def test_a_page_that_lost_some_of_its_rows_is_an_error(scripted: ScriptedServer) -> None:
    short = listed(row("1"), row("2"))
    short["data"]["page_info"]["total_number"] = 4
    answers(scripted, short)
    with pytest.raises(VendorError, match="gave 2 rows and says that there are 4"):
        read(DAYS, at(scripted), DAY)


def test_a_page_that_comes_again_and_again_is_an_error(scripted: ScriptedServer) -> None:
    answers(scripted, listed(row("1"), of=3))
    with pytest.raises(VendorError, match="again and again"):
        read(DAYS, at(scripted), DAY)


ODD = [
    pytest.param("no row", id="text"),
    pytest.param({"metrics": {}}, id="no dimensions"),
    pytest.param(row("9", spend="a lot"), id="cost is text"),
    pytest.param(row(None), id="no ad"),
    pytest.param(
        {"dimensions": {"ad_id": "9", "stat_time_day": "2026-11-20"}, "metrics": {"spend": "1"}}, id="no currency"
    ),
]


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_row_is_told_and_the_others_are_kept(scripted: ScriptedServer, odd: Any) -> None:
    answers(scripted, listed(row("1"), odd, row("2")))
    table, tally = read(DAYS, at(scripted), DAY)
    assert table["ad_id"].to_pylist() == ["1", "2"]
    assert tally.bad_row_count == 1


@pytest.mark.parametrize("odd", ODD)
def test_rows_that_are_all_odd_are_a_change_of_the_vendors(scripted: ScriptedServer, odd: Any) -> None:
    rows = [odd] * 3
    if isinstance(odd, dict) and odd.get("dimensions", {}).get("ad_id"):
        rows = [{**odd, "dimensions": {**odd["dimensions"], "ad_id": str(n)}} for n in range(3)]
    answers(scripted, listed(*rows))
    with pytest.raises(DriftError, match="tiktok_ads/ad_performance"):
        read(DAYS, at(scripted), DAY)


def test_days_that_nobody_asked_for_are_no_rows(scripted: ScriptedServer) -> None:
    answers(scripted, listed(row("1", "2026-11-19 00:00:00")))
    with pytest.raises(VendorError, match="got rows of 2026-11-19"):
        read(DAYS, at(scripted), DAY)


def test_an_empty_200_is_asked_again_and_an_answer_without_a_list_is_an_error(
    scripted: ScriptedServer, waits: list[float]
) -> None:
    answers(scripted, Reply(b""), listed(row("1")))
    table, tally = read(DAYS, at(scripted), DAY)
    assert (table.num_rows, tally.retries) == (1, 1)
    answers(scripted, vendor.said(0, "OK", {"list": []}))
    with pytest.raises(VendorError, match="without a list and its page_info"):
        read(DAYS, at(scripted), DAY)


def test_a_hang_is_given_up(scripted: ScriptedServer, waits: list[float]) -> None:
    answers(scripted, Reply(Stuck()))
    with pytest.raises(
        VendorError, match=r"still fails after 6 attempts: the connection failed \((ReadTimeout|ConnectionError)\)"
    ):
        read_all(DAYS, at(scripted), DAY, seconds=0.2)
