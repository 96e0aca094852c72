"""VK Ads over the wire: against the sandbox, against scripted answers, and the recorded bodies."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from dagster_project.sandbox import Sandbox, serve
from dagster_project.sandbox.company import networks
from dagster_project.sources import vk_ads as vk
from dagster_project.sources.vk_ads import login, rows
from dagster_project.sources.vk_ads import sandbox as vendor
from dagster_project.sources.vk_ads.settings import VkAdsRules, VkAdsSettings
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
from dagster_project.wire.pacing import shared_pacer
from tests.support.scripted_server import Asked, Reply, ScriptedServer

ADS, GOALS = vk.STREAMS
WEEK = Window(date(2026, 9, 7), date(2026, 9, 14))
TODAY = "2026-10-01"
DAY = Window.of_day(date(2026, 11, 20))


@pytest.fixture(autouse=True)
def unpaced(waits: list[float]) -> None:
    """A pacer and a token are the process's: what one test has asked would count in the next one."""
    shared_pacer.cache_clear()
    login._shared_token.cache_clear()


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with serve(today=TODAY, vendors=["vk_ads"]) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox, waits: list[float]) -> Iterator[Sandbox]:
    running.calls.clear()
    yield running
    running.faults.clear()
    running.clock.set(TODAY)


def settings(env: dict[str, str], rules: dict[str, Any] | None = None, **changed: str) -> VkAdsSettings:
    return VkAdsSettings.model_validate({**env, **changed, "rules": VkAdsRules(**(rules or {}))})


def read(stream: Stream, of: VkAdsSettings, window: Window = WEEK) -> tuple[pa.Table, Tally]:
    tally = Tally()
    pages = list(stream.read(of, window, tally))  # type: ignore[misc]
    for page in pages:
        assert page.rows.schema.equals(stream.schema)
        assert page.rows.num_rows
    table = pa.concat_tables([stream.schema.empty_table(), *(page.rows for page in pages)])
    return table.sort_by([(name, "ascending") for name in stream.key]), tally


def truth(sandbox: Sandbox, window: Window) -> list[networks.AdDay]:
    shown = networks.days_as_of(sandbox.company.seed, "second_social", sandbox.clock.now())
    return [each for each in shown if each.day in window]


def notes(tally: Tally) -> list[str]:
    return [note for note in tally.notes if "five tokens" not in note]


# ---- against the sandbox -----------------------------------------------------------------------------------


def test_ads_by_day_are_what_the_company_spent(sandbox: Sandbox) -> None:
    table, tally = read(ADS, settings(sandbox.env))
    names = ("shows", "clicks", "spent", "video_started", "goals", "value")
    assert {(row["date"], row["banner_id"]): [row[name] for name in names] for row in table.to_pylist()} == {
        (each.day, each.ad.id): [
            each.impressions, each.clicks, Decimal(each.cost_cents) / 100, each.video_views, each.leads + each.sales,
            Decimal(each.sales_cents) / 100,
        ]
        for each in truth(sandbox, WEEK)
    }  # fmt: skip
    found = {row["banner_id"]: row for row in table.to_pylist()}
    for ad in networks.ads_of("second_social"):
        row = found[ad.id]
        assert [row[name] for name in ("ad_plan_id", "ad_plan_name", "ad_group_id", "ad_group_name", "banner_name")] == [
            ad.campaign.id, ad.campaign.name, ad.group_id, ad.group_name, ad.name,
        ]  # fmt: skip
        tags = (
            f"utm_medium=cpc&utm_source=vk_ads&utm_campaign={ad.group_id}&utm_content={ad.id}"
            if ad.campaign.ended  # its group names no tags: VK's own
            else f"utm_source=vk&utm_medium=cpc&{ad.tags.partition('&')[0]}&utm_content={ad.id}&utm_term={ad.campaign.id}"
        )
        assert row["address"] == f"{ad.address}?{tags}"
    assert {(row["account_id"], row["currency_code"], row["attribution"]) for row in found.values()} == {
        (str(vendor.USER_ID), "EUR", "impression")
    }
    assert tally.read_accounts == {str(vendor.USER_ID)}
    assert (notes(tally), tally.bad_row_count, tally.bad_cell_count) == ([], 0, 0)
    assert tally.quota == {"calls_left_of_hour": 3000, "calls_left_of_day": 40000}
    assert "x@y.example" not in str(table.to_pylist())  # user.json has more than is taken


def test_each_goal_is_a_row_for_clicks_and_one_for_views(sandbox: Sandbox) -> None:
    table, _ = read(GOALS, settings(sandbox.env))
    found: dict[str, list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for row in table.to_pylist():
        found[row["goal"]] = [found[row["goal"]][0] + row["conversions"], found[row["goal"]][1] + row["value"]]
    wanted = truth(sandbox, WEEK)
    sold = Decimal(sum(each.sales_cents for each in wanted)) / 100
    assert sold
    assert found == {
        "lead": [sum(each.leads for each in wanted), 0],
        "order": [sum(each.sales for each in wanted), sold],
    }
    clicks, _ = read(GOALS, settings(sandbox.env, {"conversion_types": ["postclick"]}))
    assert set(clicks["conversion_type"].to_pylist()) == {"postclick"}
    assert sandbox.calls.list("vk_ads", "/goals/")[-1].query.count("attribution=impression") == 1


def test_calls_of_a_night_and_of_a_year(sandbox: Sandbox) -> None:
    """A night: who the account is, three lists (two pages of ads here), the figures. A year: 12 questions of a month."""
    end = date(2026, 10, 1)
    for days, most in ((3, 6), (364, 5 + 12)):
        shared_pacer.cache_clear()
        sandbox.calls.clear()
        read(ADS, settings(sandbox.env), Window(end - timedelta(days=days), end))
        assert len(sandbox.calls.list("vk_ads", "GET")) == most


def test_five_tokens_are_all_there_are(sandbox: Sandbox) -> None:
    """Night after night one process each: the sixth finds five, deletes them and reads all the same."""
    told = []
    for _ in range(7):
        login._shared_token.cache_clear()
        shared_pacer.cache_clear()
        table, tally = read(ADS, settings(sandbox.env))
        assert table.num_rows
        told += tally.notes
    assert len(sandbox.calls.list("vk_ads", "delete.json")) == len(told) in (1, 2)
    assert "they were deleted" in told[0]


def test_a_token_is_renewed_in_place(sandbox: Sandbox) -> None:
    of = settings(sandbox.env)
    unharmed, _ = read(ADS, of)
    sandbox.faults.set("vk_ads", "expired_token", 1, path="statistics")
    sandbox.calls.clear()
    table, _ = read(ADS, of)
    assert table.equals(unharmed)
    assert len(sandbox.calls.list("vk_ads", "token.json")) == 1
    login.token_of(of, "")._delete(Tally())  # another process has deleted them all
    assert read(ADS, of)[0].equals(unharmed)


@pytest.mark.parametrize("stream", vk.STREAMS, ids=lambda stream: stream.name)
def test_one_denied_client_of_three_does_not_lose_the_others(sandbox: Sandbox, stream: Stream) -> None:
    names = f"{vendor.FOREIGN}, {vendor.KONTORRA},{vendor.IDLE}"
    alone, _ = read(stream, settings(sandbox.env))
    table, tally = read(stream, settings(sandbox.env, VK_ADS_AGENCY_CLIENT_NAME=names))
    assert table.drop(["account_id"]).equals(alone.drop(["account_id"]))
    assert set(table["account_id"].to_pylist()) == {vendor.KONTORRA}
    assert tally.read_accounts == {vendor.KONTORRA, vendor.IDLE}
    [(denied, why)] = tally.failed_accounts.items()
    assert denied == vendor.FOREIGN
    assert "names of VK_ADS_AGENCY_CLIENT_NAME clients of theirs" in str(why)


def test_a_wrong_secret_is_answered_with_the_setting(sandbox: Sandbox) -> None:
    with pytest.raises(AuthError, match=r"Invalid client id.*VK_ADS_CLIENT_SECRET right"):
        read(ADS, settings(sandbox.env, VK_ADS_CLIENT_SECRET="wrong"))


def test_the_oldest_day_can_be_asked_and_older_ones_are_refused(sandbox: Sandbox) -> None:
    oldest = vk.earliest(sandbox.clock.today())
    assert oldest == date(2025, 10, 2)
    read(ADS, settings(sandbox.env), Window.of_day(oldest))
    with pytest.raises(VendorError, match="figures reach back 366 days"):
        read(ADS, settings(sandbox.env), Window.of_day(date(2025, 9, 30)))


def test_conversions_of_old_days_grow_and_cost_is_taken_back(sandbox: Sandbox) -> None:
    def seen(today: str) -> tuple[Decimal, Decimal]:
        sandbox.clock.set(today)
        table, _ = read(ADS, settings(sandbox.env), Window.of_day(date(2026, 9, 1)))
        return sum(table["spent"].to_pylist()), sum(table["goals"].to_pylist())

    first, later, final = seen("2026-09-02"), seen("2026-09-29"), seen("2026-10-20")
    assert first[0] > later[0]
    assert first[1] < later[1]
    assert later == final


# ---- faults ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", vk.STREAMS, ids=lambda stream: stream.name)
@pytest.mark.parametrize("fault", ["throttle", "server_error", "expired_token", "reset", "truncated", "duplicate_row"])
@pytest.mark.parametrize("after", [0, 3])
def test_passing_faults_change_nothing(
    sandbox: Sandbox, waits: list[float], stream: Stream, fault: str, after: int
) -> None:
    of = settings(sandbox.env)
    unharmed, _ = read(stream, of)
    waits.clear()
    sandbox.faults.set("vk_ads", fault, 1, after=0 if fault == "duplicate_row" else after)
    table, tally = read(stream, of)
    assert table.equals(unharmed)
    assert (tally.bad_row_count, tally.bad_cell_count) == (0, 0)
    assert not sandbox.faults.active()
    if fault == "throttle":
        assert 1.0 in waits


def test_a_field_that_nobody_declared_is_kept(sandbox: Sandbox) -> None:
    sandbox.faults.set("vk_ads", "unknown_field", None)
    table, _ = read(ADS, settings(sandbox.env))
    assert {json.loads(extra)["brand_new"] for extra in table["_extra"].to_pylist()} == {1}


# ---- scripted answers --------------------------------------------------------------------------------------


def at(server: ScriptedServer, rules: dict[str, Any] | None = None, **changed: str) -> VkAdsSettings:
    env = {
        "VK_ADS_CLIENT_ID": "app", "VK_ADS_CLIENT_SECRET": "s3cr3t", "VK_ADS_BASE_URL": server.url,
        "VK_ADS_TOKEN_URL": f"{server.url}/api/v2/oauth2/token.json",
    }  # fmt: skip
    return settings({**env, **changed}, rules)


LISTS = {
    "ad_plans": [{"id": 10, "name": "C", "objective": "site_conversions"}],
    "ad_groups": [{"id": 20, "name": "G", "ad_plan_id": 10, "enable_utm": False, "utm": "utm_source=no"}],
    "banners": [
        {"id": n, "name": "A", "ad_group_id": 20, "urls": {"primary": {"url": "https://a.example/?x=1"}}}
        for n in (1, 2, 3)
    ],
}


def service(*answers: Any, lists: dict[str, Any] = LISTS, user: Any = None) -> Callable[[Asked], Reply | None]:
    """Signs in, an account in roubles with three ads; figures in order, the last answer for ever."""
    left = [each if isinstance(each, Reply) else Reply(each) for each in answers]

    def rule(asked: Asked) -> Reply:
        name = asked.path.rpartition("/")[2].removesuffix(".json")
        if name == "token":
            return Reply({"access_token": "A", "expires_in": "86400", "refresh_token": "R"})
        if name == "user":
            return Reply({"id": 7, "currency": "RUB"} if user is None else user)
        if name in lists and isinstance(lists[name], Reply):
            return lists[name]
        if name in lists:
            return Reply({"count": len(lists[name]), "offset": 0, "items": lists[name]})
        return left.pop(0) if len(left) > 1 else left[0]

    return rule


def recorded(folder: Path, name: str) -> Reply:
    exchange = json.loads((folder / f"fixtures/vk_ads/{name}.json").read_text())
    return Reply(exchange["body"], exchange.get("status", 200), exchange.get("headers", {}))


def item(ad_id: int, **changed: Any) -> dict[str, Any]:
    base = {"shows": 100, "clicks": 4, "goals": 0, "spent": "307.44", "vk": {"goals": 1}}
    return {"id": ad_id, "rows": [{"date": "2026-11-20", "base": {**base, **changed}}]}


def test_recorded_figures_become_rows(shared_dir: Path, scripted: ScriptedServer) -> None:
    scripted.rule(service(recorded(shared_dir, "ex_stats_day")))
    table, _ = read(ADS, at(scripted), Window(date(2026, 11, 20), date(2026, 11, 22)))
    assert table.drop(["_extra"]).to_pylist() == [
        {
            "date": date(2026, 11, day), "currency_code": "RUB", "ad_plan_id": "10", "ad_plan_name": "C",
            "objective": "site_conversions", "ad_group_id": "20", "ad_group_name": "G", "banner_id": "1", "banner_name": "A",
            "address": "https://a.example/?x=1", "shows": shows, "clicks": clicks, "spent": Decimal(spent),
            "video_started": None, "goals": Decimal(goals), "value": None, "attribution": "impression", "account_id": "7",
        }
        for day, shows, clicks, spent, goals in ((20, 100, 4, "307.44", 1), (21, 10, 0, 0, 0))
    ]  # fmt: skip
    asked = next(each for each in scripted.asked if "statistics" in each.path)
    assert asked.path == "/api/v2/statistics/banners/day.json"
    assert (
        asked.query
        == "id=1%2C2%2C3&date_from=2026-11-20&date_to=2026-11-21&metrics=base%2Cvideo%2Cromi&attribution=impression"
    )
    assert asked.headers["authorization"] == "Bearer A"


def test_recorded_goals_and_the_empty_answer(shared_dir: Path, scripted: ScriptedServer) -> None:
    scripted.rule(service(recorded(shared_dir, "ex_goals_day")))
    [row] = read(GOALS, at(scripted), DAY)[0].to_pylist()
    assert [row[name] for name in ("goal", "source", "conversion_type", "counter_id", "conversions", "value")] == [
        "order", "topmail", "postclick", "1", 2, 0,
    ]  # fmt: skip
    scripted.rule(service(recorded(shared_dir, "ex_stats_empty")))
    table, tally = read(ADS, at(scripted), DAY)
    assert (table.num_rows, tally.read_accounts) == (0, {"7"})


def test_recorded_lists_and_tags(shared_dir: Path, scripted: ScriptedServer) -> None:
    first, last = (recorded(shared_dir, f"ex_ad_plans_{name}") for name in ("page1", "page_last"))
    groups = recorded(shared_dir, "ex_ad_groups_utm")
    banner = {"id": 1, "name": "A", "ad_group_id": 9367343, "urls": {"primary": {"url": "https://a.example/"}}}
    usual = service({"items": [item(1)]}, lists={"ad_groups": groups, "banners": [banner]})
    plans = [first, last]
    scripted.rule(lambda asked: plans.pop(0) if "ad_plans" in asked.path else usual(asked))
    [row] = read(ADS, at(scripted), DAY)[0].to_pylist()
    assert row["ad_plan_name"] == "New campaign"
    # a campaign in VK's macros is a group
    assert row["address"] == "https://a.example/?utm_source=vk&utm_medium=cpc&utm_campaign=9367343"
    pages = [asked.query for asked in scripted.asked if "ad_plans" in asked.path]
    assert ["offset=0" in pages[0], "offset=1" in pages[1]] == [True, True]


def test_recorded_refusals_say_what_to_do(shared_dir: Path, scripted: ScriptedServer, waits: list[float]) -> None:
    throttled = recorded(shared_dir, "ex_throttle")
    scripted.rule(service(throttled, {"items": [item(1)]}))
    assert read(ADS, at(scripted), DAY)[0].num_rows == 1
    assert 1.0 in waits
    for name, what in (("Daily", "day"), ("Hourly", "hour")):
        scripted.rule(service(Reply(throttled.body, 429, {**throttled.headers, f"X-RateLimit-{name}-Remaining": "0"})))
        with pytest.raises(QuotaError, match=f"the account: the calls of this {what} are used up; run again in"):
            read(ADS, at(scripted), DAY)
    scripted.rule(service(recorded(shared_dir, "ex_auth")))
    with pytest.raises(AuthError, match=r"Access token is expired.*is VK_ADS_CLIENT_ID's access"):
        read(ADS, at(scripted), DAY)
    limit, token = recorded(shared_dir, "ex_token_limit_403"), recorded(shared_dir, "ex_token")
    login._shared_token.cache_clear()
    usual, tokens = service({"items": [item(1)]}), [limit, token]

    def rule(asked: Asked) -> Reply | None:
        if asked.path.endswith("delete.json"):
            return Reply(b"", 204)
        return tokens.pop(0) if asked.path.endswith("token.json") and tokens else usual(asked)

    scripted.rule(rule)
    assert read(ADS, at(scripted), DAY)[0].num_rows == 1


def test_what_is_too_much_is_halved(shared_dir: Path, scripted: ScriptedServer) -> None:
    refusal, asked_for = recorded(shared_dir, "ex_domain_error"), []
    usual = service({})

    def rule(asked: Asked) -> Reply | None:
        if "statistics" not in asked.path:
            return usual(asked)
        parts = dict(part.split("=") for part in asked.query.replace("%2C", ",").split("&"))
        ids, days = parts["id"].split(","), (parts["date_from"][-2:], parts["date_to"][-2:])
        asked_for.append((parts["id"], *days))
        if len(ids) > 1 or days[0] != days[1]:
            return refusal
        row = item(int(ids[0]))
        row["rows"][0]["date"] = parts["date_from"]
        return Reply({"items": [row]})

    scripted.rule(rule)
    table, _ = read(ADS, at(scripted), Window(date(2026, 11, 20), date(2026, 11, 22)))
    assert table.num_rows == 6
    assert asked_for[:3] == [("1,2,3", "20", "21"), ("1,2,3", "20", "20"), ("1", "20", "20")]
    scripted.rule(service(refusal))
    with pytest.raises(VendorError, match="a single ad and day is too much: the account: Too many objects"):
        read(ADS, at(scripted), DAY)


@pytest.mark.parametrize(
    ("status", "body", "error", "says"),
    [
        (403, {"error": {"code": "ERR_ACCESS_DENIED", "message": "no"}}, AuthError, "read_ads"),
        (400, {"error": {"code": "ERR_WRONG_BANNERS", "message": "no"}}, VendorError, "VK refuses: the account: no"),
        (401, {"code": "revoked_token", "message": "revoked"}, AuthError, "revoked"),
        (404, "<html>", VendorError, "status 404"),
    ],
)
def test_errors_of_every_shape_are_told(
    scripted: ScriptedServer, status: int, body: Any, error: type[SourceError], says: str
) -> None:
    scripted.rule(service(Reply(body, status)))
    with pytest.raises(error, match=says):
        read(ADS, at(scripted), DAY)


ODD = [
    pytest.param("odd", id="text"),
    pytest.param({"id": 2, "rows": "none"}, id="rows are text"),
    pytest.param({"id": 2, "rows": [{"date": "2026-11-20"}]}, id="no figures"),
    pytest.param(item(2, spent="a lot"), id="spent is text"),
    pytest.param(item(2, shows=None), id="no shows"),
    pytest.param(item(99), id="an ad in no list"),
]


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_ad_is_told_and_the_others_are_kept(scripted: ScriptedServer, odd: Any) -> None:
    scripted.rule(service({"items": [item(1), odd, item(3)]}))
    table, tally = read(ADS, at(scripted), DAY)
    assert table["banner_id"].to_pylist() == ["1", "3"]
    assert tally.bad_row_count == 1


@pytest.mark.parametrize("odd", ODD[1:5])
def test_ads_that_are_all_odd_are_a_change_of_the_vendors(scripted: ScriptedServer, odd: Any) -> None:
    scripted.rule(service({"items": [{**odd, "id": number} for number in (1, 2, 3)]}))
    with pytest.raises(DriftError, match="vk_ads/ad_performance"):
        read(ADS, at(scripted), DAY)


def test_an_odd_count_costs_the_cell(scripted: ScriptedServer) -> None:
    scripted.rule(service({"items": [item(1), item(2, clicks="many")]}))
    table, tally = read(ADS, at(scripted), DAY)
    assert table["clicks"].to_pylist() == [4, None]
    assert (tally.bad_row_count, tally.bad_cell_count) == (0, 1)


def test_days_that_nobody_asked_for_are_no_rows(scripted: ScriptedServer) -> None:
    scripted.rule(service({"items": [item(1)]}))
    with pytest.raises(VendorError, match="got rows of 2026-11-20"):
        read(ADS, at(scripted), Window.of_day(date(2026, 11, 21)))


def test_a_list_that_lost_rows_is_an_error(scripted: ScriptedServer) -> None:
    page = Reply({"count": 5, "offset": 0, "items": []})
    scripted.rule(service({"items": []}, lists={**LISTS, "banners": page}))
    with pytest.raises(VendorError, match="banners gave 0 rows and says that there are 5"):
        read(ADS, at(scripted), DAY)


def test_two_rows_of_an_ad_and_day_with_other_figures_are_told(scripted: ScriptedServer) -> None:
    scripted.rule(service({"items": [item(1), item(1), item(1, spent="1.00")]}))
    table, tally = read(ADS, at(scripted), DAY)
    assert (table["spent"].to_pylist(), tally.bad_row_count) == ([Decimal("307.44")], 1)


def test_an_account_without_a_currency_is_no_guess(scripted: ScriptedServer) -> None:
    scripted.rule(service({"items": [item(1)]}, user={"id": 7}))
    with pytest.raises(DriftError, match="set VK_ADS_CURRENCY"):
        read(ADS, at(scripted), DAY)
    assert set(read(ADS, at(scripted, VK_ADS_CURRENCY="KZT"), DAY)[0]["currency_code"].to_pylist()) == {"KZT"}


def test_an_account_without_ads_asks_for_no_figures(scripted: ScriptedServer) -> None:
    scripted.rule(service({}, lists={name: [] for name in LISTS}))
    table, tally = read(ADS, at(scripted), DAY)
    assert (table.num_rows, tally.read_accounts) == (0, {"7"})


@pytest.mark.parametrize(
    ("group", "wanted"),
    [  # the three settings of a group's "URL parameters"
        ({"enable_utm": False, "utm": "utm_source=no"}, "https://a.example/p?utm_source=own&x=1#top"),
        (
            {"enable_utm": True, "utm": "utm_source=vk&utm_term={{geo}}"},
            "https://a.example/p?x=1&utm_source=vk&utm_term={{geo}}#top",
        ),
        (
            {"enable_utm": True, "utm": ""},
            "https://a.example/p?x=1&utm_medium=cpc&utm_source=vk_ads&utm_campaign=20&utm_content=1#top",
        ),
        (
            {"enable_utm": True, "utm": "?c={{ad_plan_name}}"},
            "https://a.example/p?utm_source=own&x=1&c=A%20%26%20B#top",
        ),
    ],
)
def test_tags_of_a_group_stand_above_those_of_the_link(group: dict[str, Any], wanted: str) -> None:
    known = {"campaign_id": "20", "banner_id": "1", "ad_plan_name": "A & B"}
    assert rows.address("https://a.example/p?utm_source=own&x=1#top", group, known) == wanted
