"""Meta Ads over the wire: against the sandbox, against scripted answers, and the recorded bodies."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from dagster_project.sandbox import Sandbox, serve
from dagster_project.sandbox.company import networks
from dagster_project.sources import meta_ads as meta
from dagster_project.sources.meta_ads import sandbox as vendor
from dagster_project.sources.meta_ads.settings import MetaRules, MetaSettings
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
from tests.support.scripted_server import Asked, Reply, ScriptedServer

DAYS, ACTIONS, ADS = meta.STREAMS
WEEK = Window(date(2026, 9, 14), date(2026, 9, 21))
TODAY = "2026-10-01"
DAY = Window.of_day(date(2026, 11, 20))


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with serve(today=TODAY, vendors=["meta_ads"]) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox, waits: list[float]) -> Iterator[Sandbox]:
    running.calls.clear()
    yield running
    running.faults.clear()
    running.clock.set(TODAY)


def settings(env: dict[str, str], rules: dict[str, Any] | None = None, **changed: str) -> MetaSettings:
    return MetaSettings.model_validate({**env, **changed, "rules": MetaRules(**(rules or {}))})


def read(stream: Stream, of: MetaSettings, window: Window = WEEK) -> tuple[pa.Table, Tally]:
    tally = Tally()
    pages = list(stream.read(of, window, tally) if stream.read else stream.sweep(of, tally))  # type: ignore[misc]
    for page in pages:
        assert page.rows.schema.equals(stream.schema)
        assert page.rows.num_rows
    table = pa.concat_tables([stream.schema.empty_table(), *(page.rows for page in pages)])
    return table.sort_by([(name, "ascending") for name in stream.key]), tally


def truth(sandbox: Sandbox, window: Window) -> list[networks.AdDay]:
    shown = networks.days_as_of(sandbox.company.seed, "social", sandbox.clock.now())
    return [each for each in shown if each.day in window]


def sums(table: pa.Table, *names: str) -> dict[tuple[Any, ...], list[Any]]:
    found: dict[tuple[Any, ...], list[Any]] = defaultdict(lambda: [0] * len(names))
    for row in table.to_pylist():
        key = row["date_start"], row["ad_id"]
        found[key] = [before + row[name] for before, name in zip(found[key], names, strict=True)]
    return found


# ---- against the sandbox -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rules", [{}, {"sync_days": 7}, {"by_placement": False}], ids=["job", "at once", "no placement"]
)
def test_ads_by_day_are_what_the_company_spent(sandbox: Sandbox, rules: dict[str, Any]) -> None:
    table, tally = read(DAYS, settings(sandbox.env, rules))
    names = ("impressions", "inline_link_clicks", "spend", "video_views", "conversions", "conversions_value")
    assert sums(table, *names) == {
        (each.day, each.ad.id): [
            each.impressions, each.clicks, Decimal(each.cost_cents) / 100, each.video_views, each.leads + each.sales,
            Decimal(each.sales_cents) / 100,
        ]
        for each in truth(sandbox, WEEK)
    }  # fmt: skip
    placements = {"all"} if rules == {"by_placement": False} else {"facebook", "instagram", "threads"}
    assert set(table["publisher_platform"].to_pylist()) == placements
    assert tally.read_accounts == {vendor.ACCOUNT_ID}
    assert tally.notes == []


def test_every_type_of_action_is_a_row(sandbox: Sandbox) -> None:
    table, _ = read(ACTIONS, settings(sandbox.env, {"attribution_windows": ["1d_click", "7d_click"]}))
    sales: dict[str, Decimal] = defaultdict(Decimal)
    for row in table.to_pylist():
        sales[row["action_type"]] += row["value"]
        assert row["28d_click"] is row["1d_view"] is None  # not asked
    wanted = truth(sandbox, WEEK)
    sold = sum(each.sales for each in wanted)
    assert sold
    for kind in ("omni_purchase", "purchase", "offsite_conversion.fb_pixel_purchase"):
        assert sales[kind] == sold
    assert sales["lead"] == sum(each.leads for each in wanted)
    worth = [row["money_value"] for row in table.to_pylist() if row["action_type"] == "omni_purchase"]
    assert sum(worth) == Decimal(sum(each.sales_cents for each in wanted)) / 100


def test_ads_lead_where_the_company_sends_people(sandbox: Sandbox) -> None:
    table, _ = read(ADS, settings(sandbox.env))
    found = {row["id"]: row for row in table.to_pylist()}
    assert {key: (row["link"], row["campaign_name"]) for key, row in found.items()} == {
        each.id: (each.address, each.campaign.name) for each in networks.ads_of("social")
    }
    assert {row["effective_status"] for row in found.values()} == {"ACTIVE", "ARCHIVED"}
    assert all("utm_campaign=kasse_" in row["url_tags"] for row in found.values())


def test_a_window_that_is_too_much_is_halved(sandbox: Sandbox) -> None:
    days = Window(date(2026, 7, 1), date(2026, 9, 1))
    at_once, _ = read(
        DAYS, settings(sandbox.env, {"sync_days": 31}), days
    )  # a month has more rows than Meta gives at once
    by_job, _ = read(DAYS, settings(sandbox.env), days)
    assert at_once.equals(by_job)
    asked = [call for call in sandbox.calls.list("meta_ads", "insights") if call.status == "400"]
    assert asked


def test_calls_of_a_night_and_of_a_year(sandbox: Sandbox) -> None:
    """A night: 28 days are one job. A year: a job for each 31 days; Meta gives a development app 300 points an hour."""
    for days, most in ((28, 8), (365, 12 * 8)):
        sandbox.calls.clear()
        window = Window(date(2026, 10, 1).fromordinal(date(2026, 10, 1).toordinal() - days), date(2026, 10, 1))
        _, tally = read(DAYS, settings(sandbox.env), window)
        jobs = sandbox.calls.list("meta_ads", "POST")
        assert len(jobs) == -(-days // 31)
        assert tally.api_calls <= most


def test_conversions_of_old_days_grow_for_28_days(sandbox: Sandbox) -> None:
    def seen(today: str) -> tuple[Decimal, Decimal]:
        sandbox.clock.set(today)
        rows = read(DAYS, settings(sandbox.env), Window.of_day(date(2026, 9, 1)))[0].to_pylist()
        return sum(row["conversions"] for row in rows), sum(row["spend"] for row in rows)

    first, final, later = seen("2026-09-02"), seen("2026-09-29"), seen("2026-10-20")
    assert first[0] < final[0]
    assert first[1] > final[1]
    assert final == later


def test_one_denied_account_of_three_does_not_lose_the_others(sandbox: Sandbox) -> None:
    ids = f"{vendor.DENIED_ACCOUNT_ID}, act_{vendor.ACCOUNT_ID},{vendor.IDLE_ACCOUNT_ID}"
    for stream in meta.STREAMS:
        alone, _ = read(stream, settings(sandbox.env))
        table, tally = read(stream, settings(sandbox.env, META_ADS_ACCOUNT_ID=ids))
        assert table.equals(alone)
        assert tally.read_accounts == {vendor.ACCOUNT_ID, vendor.IDLE_ACCOUNT_ID}
        [(denied, why)] = tally.failed_accounts.items()
        assert denied == vendor.DENIED_ACCOUNT_ID
        assert "give the system user 'view performance'" in str(why)


def test_the_token_is_in_no_address(sandbox: Sandbox) -> None:
    read(DAYS, settings(sandbox.env, {"sync_days": 7}))
    assert not [call for call in sandbox.calls.list("meta_ads") if vendor.TOKEN in call.query]


@pytest.mark.parametrize(
    ("changed", "error", "says"),
    [
        ({"META_ADS_ACCESS_TOKEN": "wrong"}, AuthError, "put it in META_ADS_ACCESS_TOKEN"),
        ({"META_ADS_API_VERSION": "v19.0"}, ConfigError, "no longer serves v19.0.*META_ADS_API_VERSION"),
        ({"META_ADS_ACCOUNT_ID": "act_5"}, ConfigError, "account 5: Meta does not show it.*META_ADS_ACCOUNT_ID"),
    ],
)
def test_wrong_settings_are_answered_with_the_setting(
    sandbox: Sandbox, changed: dict[str, str], error: type[SourceError], says: str
) -> None:
    with pytest.raises(error, match=says):
        read(DAYS, settings(sandbox.env, **changed))


def test_the_oldest_day_can_be_asked_and_the_one_before_it_is_named(sandbox: Sandbox) -> None:
    oldest = meta.earliest(sandbox.clock.today())
    read(DAYS, settings(sandbox.env), Window.of_day(oldest))
    with pytest.raises(VendorError, match="reach back 37 months"):
        read(DAYS, settings(sandbox.env), Window.of_day(date(2023, 9, 1)))
    assert meta.earliest(date(2026, 3, 31)) == date(2023, 3, 1)


# ---- faults ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", meta.STREAMS, ids=lambda stream: stream.name)
@pytest.mark.parametrize("fault", ["throttle", "server_error", "reset", "truncated", "duplicate_row"])
@pytest.mark.parametrize("after", [0, 1])
def test_passing_faults_change_nothing(
    sandbox: Sandbox, waits: list[float], stream: Stream, fault: str, after: int
) -> None:
    unharmed, _ = read(stream, settings(sandbox.env, {"sync_days": 7}))
    waits.clear()
    sandbox.faults.set("meta_ads", fault, 2, after=after)
    table, tally = read(stream, settings(sandbox.env, {"sync_days": 7}))
    assert table.equals(unharmed)
    if fault == "throttle" and tally.retries:
        assert waits[:1] == [60.0]  # the minute of the header
    if fault not in ("duplicate_row",) and after == 0:
        assert tally.retries == 2


def test_an_expired_token_is_one_clear_sentence(sandbox: Sandbox) -> None:
    sandbox.faults.set("meta_ads", "expired_token", None)
    with pytest.raises(AuthError, match=r"has expired.*make a new token of the system user"):
        read(DAYS, settings(sandbox.env))


def test_a_field_that_nobody_declared_is_kept(sandbox: Sandbox) -> None:
    sandbox.faults.set("meta_ads", "unknown_field", None)
    table, _ = read(DAYS, settings(sandbox.env))
    assert {json.loads(extra)["brand_new"] for extra in table["_extra"].to_pylist()} == {"1"}


# ---- scripted answers --------------------------------------------------------------------------------------


def at(server: ScriptedServer, rules: dict[str, Any] | None = None, **changed: str) -> MetaSettings:
    env = {"META_ADS_ACCESS_TOKEN": "EAAs3cr3t", "META_ADS_ACCOUNT_ID": "1", "META_ADS_BASE_URL": server.url}
    return settings({**env, **changed}, rules)


def graph(*answers: Any) -> Callable[[Asked], Reply | None]:
    """An account; everything else in order, the last answer for ever."""
    left = [each if isinstance(each, Reply) else Reply(each) for each in answers]

    def rule(asked: Asked) -> Reply:
        if asked.path.endswith("/act_1"):
            return Reply({"id": "act_1", "currency": "USD", "timezone_name": "America/New_York"})
        return left.pop(0) if len(left) > 1 else left[0]

    return rule


def recorded(folder: Path, name: str) -> Reply:
    exchange = json.loads((folder / f"fixtures/meta/{name}.json").read_text())
    return Reply(exchange["body"], exchange.get("status", 200), exchange.get("headers", {}))


def row(ad_id: str, **more: Any) -> dict[str, Any]:
    return {
        "account_currency": "USD", "campaign_id": "10", "adset_id": "20", "ad_id": ad_id, "impressions": "100",
        "spend": "1.25", "date_start": "2026-11-20", "date_stop": "2026-11-20",
    } | more  # fmt: skip


def test_recorded_pages_become_typed_rows(shared_dir: Path, scripted: ScriptedServer) -> None:
    first, last = recorded(shared_dir, "ex_page1"), recorded(shared_dir, "ex_page_last")
    assert "next" in first.body["paging"]
    scripted.rule(graph(first, last))
    table, _ = read(DAYS, at(scripted), DAY)
    assert table["ad_id"].to_pylist() == ["30", "31", "32"]
    assert table.slice(0, 1).drop(["_extra"]).to_pylist() == [
        {
            "date_start": date(2026, 11, 20), "publisher_platform": "all", "account_currency": "USD", "campaign_id": "10",
            "campaign_name": "C", "objective": "OUTCOME_SALES", "adset_id": "20", "adset_name": "S", "ad_id": "30",
            "ad_name": "A30", "attribution_setting": None, "impressions": 100, "clicks": 4, "inline_link_clicks": 3,
            "spend": Decimal("1.25"), "video_views": 0, "conversions": Decimal(1), "conversions_value": Decimal("49.9"),
            "account_id": "1",
        }
    ]  # fmt: skip


def test_recorded_jobs_are_waited_for(shared_dir: Path, scripted: ScriptedServer, waits: list[float]) -> None:
    steps = ("ex_async_created", "ex_async_running", "ex_async_completed", "ex_page_last")
    scripted.rule(graph(*(recorded(shared_dir, name) for name in steps)))
    table, _ = read(DAYS, at(scripted, {"sync_days": 0}), DAY)
    assert table["ad_id"].to_pylist() == ["32"]
    assert [asked.path for asked in scripted.asked][2:] == ["/v27.0/6023920149050"] * 2 + [
        "/v27.0/6023920149050/insights"
    ]
    assert waits == [2]


def test_a_job_that_fails_of_too_much_is_halved(shared_dir: Path, scripted: ScriptedServer, waits: list[float]) -> None:
    created, failed, done, page = (
        recorded(shared_dir, name) for name in ("ex_async_created", "ex_async_failed", "ex_async_completed", "ex_empty")
    )
    scripted.rule(graph(created, failed, created, done, page, created, done, page))
    read(DAYS, at(scripted, {"sync_days": 0}), Window(date(2026, 11, 20), date(2026, 11, 22)))
    spans = [asked.body.decode() for asked in scripted.asked if asked.method == "POST"]
    assert ["2026-11-20" in span and "2026-11-21" in span for span in spans] == [True, False, False]
    scripted.rule(graph(created, failed))
    with pytest.raises(VendorError, match=r"a single day, 2026-11-20, is too much.*by_placement: false"):
        read(DAYS, at(scripted, {"sync_days": 0}), DAY)


def test_recorded_refusals_say_what_to_do(shared_dir: Path, scripted: ScriptedServer, waits: list[float]) -> None:
    scripted.rule(graph(recorded(shared_dir, "ex_throttle")))
    with pytest.raises(QuotaError, match="Run again in 12 minutes") as error:
        read(DAYS, at(scripted), DAY)
    assert error.value.retry_after_seconds == 12 * 60
    scripted.rule(graph(recorded(shared_dir, "ex_auth")))
    with pytest.raises(AuthError, match="META_ADS_ACCESS_TOKEN"):
        read(DAYS, at(scripted), DAY)


def test_the_recorded_ad_leads_to_its_link(shared_dir: Path, scripted: ScriptedServer) -> None:
    scripted.rule(graph(recorded(shared_dir, "ex_ads_with_creative")))
    [ad] = read(ADS, at(scripted))[0].to_pylist()
    assert (ad["link"], ad["links"], ad["campaign_id"]) == ("https://example.com/", ["https://example.com/"], "10")
    assert ad["url_tags"].endswith("utm_content={{ad.id}}")
    assert ad["updated_time"].isoformat() == "2026-11-20T01:04:59+00:00"


def test_the_recorded_usage_is_read(shared_dir: Path, scripted: ScriptedServer) -> None:
    headers = json.loads((shared_dir / "fixtures/meta/recorded_usage_headers.json").read_text())["headers"]
    scripted.rule(graph(Reply({"data": []}, headers=headers)))
    table, tally = read(DAYS, at(scripted), DAY)
    assert table.num_rows == 0
    assert tally.quota == {"used_percent": 32.0}
    assert tally.notes == ["asked for v27.0 of Meta's API, answered by v12.0"]


def test_calls_slow_down_before_the_account_is_shut_out(scripted: ScriptedServer, waits: list[float]) -> None:
    nearly = {"x-fb-ads-insights-throttle": '{"app_id_util_pct": 5, "acc_id_util_pct": 76.5}'}
    more = {
        "data": [row("1")],
        "paging": {"cursors": {"after": "x"}, "next": "https://graph.facebook.com/?access_token=y"},
    }
    scripted.rule(graph(Reply(more, headers=nearly), {"data": [row("2")]}))
    table, _ = read(DAYS, at(scripted), DAY)
    assert table.num_rows == 2
    assert waits == [30.0]


def test_the_app_secret_proves_the_token(scripted: ScriptedServer) -> None:
    """HMAC-SHA256 of the token under the secret, as `printf EAAs3cr3t | openssl dgst -sha256 -hmac key` gives it."""
    scripted.rule(graph({"data": []}))
    read(DAYS, at(scripted, META_ADS_APP_SECRET="key"), DAY)
    proof = "f0dc0be0bb0a724b0c989d61d73c4ffb1e1c2b64be23d0933a53e3ea64d10fb5"
    assert all(f"appsecret_proof={proof}" in asked.query for asked in scripted.asked)
    assert all(asked.headers["authorization"] == "Bearer EAAs3cr3t" for asked in scripted.asked)


def test_a_missing_proof_is_asked_for(scripted: ScriptedServer) -> None:
    refusal = vendor.error(100, "API calls from the server require an appsecret_proof argument")
    scripted.rule(graph(Reply(refusal, 400)))
    with pytest.raises(ConfigError, match="put the app's secret in META_ADS_APP_SECRET"):
        read(DAYS, at(scripted), DAY)


def test_a_purchase_that_is_no_omni_purchase_counts_once(scripted: ScriptedServer) -> None:
    actions = [{"action_type": kind, "value": "2"} for kind in ("purchase", "offsite_conversion.fb_pixel_purchase")]
    scripted.rule(graph({"data": [row("1", actions=actions)]}))
    assert read(DAYS, at(scripted), DAY)[0]["conversions"].to_pylist() == [2]
    both = {"conversions": ["omni_purchase", "purchase"]}
    assert read(DAYS, at(scripted, both), DAY)[0]["conversions"].to_pylist() == [2]


ODD = [
    pytest.param("no row", id="text"),
    pytest.param(row("9", actions="none"), id="actions are text"),
    pytest.param(row("9", spend="a lot"), id="spend is text"),
    pytest.param({"spend": "1", "date_start": "2026-11-20"}, id="no ad"),
]


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_row_is_told_and_the_others_are_kept(scripted: ScriptedServer, odd: Any) -> None:
    scripted.rule(graph({"data": [row("1"), odd, row("2")]}))
    table, tally = read(DAYS, at(scripted), DAY)
    assert table["ad_id"].to_pylist() == ["1", "2"]
    assert tally.bad_row_count == 1


@pytest.mark.parametrize("odd", ODD)
def test_rows_that_are_all_odd_are_a_change_of_the_vendors(scripted: ScriptedServer, odd: Any) -> None:
    rows = [{**odd, "ad_id": str(n)} if "ad_id" in odd else odd for n in range(3)]
    scripted.rule(graph({"data": rows}))
    with pytest.raises(DriftError, match="meta_ads/ad_performance"):
        read(DAYS, at(scripted), DAY)


def test_days_that_nobody_asked_for_are_no_rows(scripted: ScriptedServer) -> None:
    scripted.rule(graph({"data": [row("1", date_start="2026-11-19")]}))
    with pytest.raises(VendorError, match="got rows of 2026-11-19"):
        read(DAYS, at(scripted), DAY)


def test_an_empty_200_is_asked_again_and_an_empty_list_is_not(scripted: ScriptedServer, waits: list[float]) -> None:
    scripted.rule(graph(Reply(b""), {"data": [row("1")]}))
    table, tally = read(DAYS, at(scripted), DAY)
    assert (table.num_rows, tally.retries) == (1, 1)
    scripted.rule(graph({"data": []}))
    assert read(DAYS, at(scripted), DAY)[0].num_rows == 0


def test_heavy_creatives_are_asked_for_in_smaller_pages(scripted: ScriptedServer) -> None:
    some = {"data": [{"id": "1", "updated_time": "2026-11-19T18:04:59-0700"}]}
    more = {**some, "paging": {"cursors": {"after": "x"}, "next": "y"}}
    others = {"data": [*some["data"], {"id": "2", "updated_time": "2026-11-19T18:04:59-0700"}]}
    scripted.rule(graph(more, Reply(vendor.TOO_MUCH, 500), others))
    assert read(ADS, at(scripted))[0]["id"].to_pylist() == ["1", "2"]
    assert ["limit=100" in asked.query for asked in scripted.asked] == [True, True, False]
