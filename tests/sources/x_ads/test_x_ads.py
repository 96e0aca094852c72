"""X Ads over the wire: against the sandbox, against scripted answers, and the recorded bodies."""

from __future__ import annotations

import gzip
import json
import time
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
from dagster_project.sources import x_ads as x
from dagster_project.sources.x_ads import rows
from dagster_project.sources.x_ads import sandbox as vendor
from dagster_project.sources.x_ads.login import Signed
from dagster_project.sources.x_ads.settings import XAdsRules, XAdsSettings
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

ADS, CONVERSIONS = x.STREAMS
WEEK = Window(date(2026, 9, 7), date(2026, 9, 14))
SUMMER_TIME_ENDS = Window(date(2026, 10, 24), date(2026, 10, 27))  # in Berlin, in the night to the 25th
TODAY = "2026-10-01"
DAYS = Window(date(2026, 11, 1), date(2026, 11, 3))


@pytest.fixture(autouse=True)
def unpaced(waits: list[float]) -> None:
    """A pacer is the process's: what one test has asked would count in the next one."""
    shared_pacer.cache_clear()


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with serve(today=TODAY, vendors=["x_ads"]) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Iterator[Sandbox]:
    running.calls.clear()
    yield running
    running.faults.clear()
    running.clock.set(TODAY)


def settings(env: dict[str, str], rules: dict[str, Any] | None = None, **changed: str) -> XAdsSettings:
    return XAdsSettings.model_validate({**env, **changed, "rules": XAdsRules(**(rules or {}))})


def read(stream: Stream, of: XAdsSettings, window: Window = WEEK) -> tuple[pa.Table, Tally]:
    tally = Tally()
    pages = list(stream.read(of, window, tally))  # type: ignore[misc]
    for page in pages:
        assert page.rows.schema.equals(stream.schema)
        assert page.rows.num_rows
    table = pa.concat_tables([stream.schema.empty_table(), *(page.rows for page in pages)])
    return table.sort_by([(name, "ascending") for name in stream.key]), tally


def truth(sandbox: Sandbox, window: Window) -> list[networks.AdDay]:
    shown = networks.days_as_of(sandbox.company.seed, "microblog", sandbox.clock.now())
    return [each for each in shown if each.day in window]


# ---- against the sandbox -----------------------------------------------------------------------------------


@pytest.mark.parametrize("window", [WEEK, SUMMER_TIME_ENDS], ids=["a week", "a day of 25 hours"])
def test_ads_by_day_are_what_the_company_spent(sandbox: Sandbox, window: Window) -> None:
    sandbox.clock.set("2026-11-20" if window is SUMMER_TIME_ENDS else TODAY)
    table, tally = read(ADS, settings(sandbox.env), window)
    names = (
        "impressions", "url_clicks", "billed_charge_local_micro", "video_total_views", "conversions", "conversions_local_micro",
    )  # fmt: skip
    found: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0] * 6)
    for row in table.to_pylist():
        key = row["date"], row["promoted_tweet_id"]
        found[key] = [before + row[name] for before, name in zip(found[key], names, strict=True)]
    assert found == {
        (each.day, vendor.short(each.ad.id)): [
            each.impressions, each.clicks, each.cost_cents * 10_000, each.video_views, each.leads + each.sales,
            each.sales_cents * 10_000,
        ]
        for each in truth(sandbox, window)
    }  # fmt: skip
    assert set(table["placement"].to_pylist()) == {"ALL_ON_TWITTER", "SPOTLIGHT"}
    assert set(table["currency_code"].to_pylist()) == {"EUR"}
    assert (tally.notes, tally.bad_row_count, tally.bad_cell_count) == ([], 0, 0)
    assert tally.read_accounts == {vendor.ACCOUNT}
    assert tally.quota == {"calls_left_of_account": 9990}


def test_ads_lead_where_the_company_sends_people(sandbox: Sandbox) -> None:
    table, _ = read(ADS, settings(sandbox.env))
    found = {row["promoted_tweet_id"]: row for row in table.to_pylist()}
    names = ("campaign_id", "campaign_name", "line_item_id", "line_item_name", "tweet_name", "address")
    assert {key: tuple(row[name] for name in names) for key, row in found.items()} == {
        vendor.short(ad.id): (
            vendor.short(ad.campaign.id), ad.campaign.name, vendor.short(ad.group_id), ad.group_name, ad.name,
            f"{ad.address}?utm_source=x&{ad.tags}",
        )
        for ad in networks.ads_of("microblog")
    }  # fmt: skip
    assert {row["objective"] for row in found.values()} == {"WEBSITE_CLICKS", "VIDEO_VIEWS"}


def test_each_type_of_conversion_is_a_row(sandbox: Sandbox) -> None:
    table, _ = read(CONVERSIONS, settings(sandbox.env))
    found: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for row in table.to_pylist():
        before = found[row["conversion_type"]]
        found[row["conversion_type"]] = [before[0] + row["conversions"], before[1] + row["sale_amount_local_micro"]]
    wanted = truth(sandbox, WEEK)
    sold = sum(each.sales_cents for each in wanted)
    assert sold
    assert found == {
        "purchases": [sum(each.sales for each in wanted), sold * 10_000],
        "sign_ups": [sum(each.leads for each in wanted), 0],
        "site_visits": [sum(each.clicks for each in wanted), 0],
    }


def test_calls_of_a_night_and_of_a_year(sandbox: Sandbox) -> None:
    """Analytics that answer at once: 250 in 15 minutes; of a year one for each 30 days. Jobs: two placements of each."""
    end = date(2026, 10, 1)
    for days, parts in ((3, 1), (365, 13)):
        shared_pacer.cache_clear()
        sandbox.calls.clear()
        _, tally = read(ADS, settings(sandbox.env), Window(end - timedelta(days=days), end))
        assert len(sandbox.calls.list("x_ads", "active_entities")) == parts
        assert len(sandbox.calls.list("x_ads", "POST")) == 2 * parts
        assert tally.api_calls <= 12 + parts * (1 + 2 + 2 + 2)


def test_an_account_that_showed_nothing_needs_no_lists(sandbox: Sandbox) -> None:
    table, tally = read(ADS, settings(sandbox.env, X_ADS_ACCOUNT_ID=vendor.IDLE_ACCOUNT))
    assert (table.num_rows, tally.read_accounts, tally.api_calls) == (0, {vendor.IDLE_ACCOUNT}, 2)


def test_cost_is_an_estimate_at_first(sandbox: Sandbox) -> None:
    def seen(today: str) -> int:
        sandbox.clock.set(today)
        return sum(
            read(ADS, settings(sandbox.env), Window.of_day(date(2026, 9, 1)))[0][
                "billed_charge_local_micro"
            ].to_pylist()
        )

    assert seen("2026-09-02") > seen("2026-09-04") == seen("2026-10-20")


@pytest.mark.parametrize("stream", x.STREAMS, ids=lambda stream: stream.name)
def test_one_denied_account_of_three_does_not_lose_the_others(sandbox: Sandbox, stream: Stream) -> None:
    ids = f"{vendor.FOREIGN_ACCOUNT}, {vendor.ACCOUNT},{vendor.IDLE_ACCOUNT}"
    alone, _ = read(stream, settings(sandbox.env))
    table, tally = read(stream, settings(sandbox.env, X_ADS_ACCOUNT_ID=ids))
    assert table.equals(alone)
    assert tally.read_accounts == {vendor.ACCOUNT, vendor.IDLE_ACCOUNT}
    [(denied, why)] = tally.failed_accounts.items()
    assert denied == vendor.FOREIGN_ACCOUNT
    assert "may the token's user see it" in str(why)


@pytest.mark.parametrize(
    ("changed", "error", "says"),
    [
        ({"X_ADS_ACCESS_TOKEN_SECRET": "wrong"}, AuthError, "X_ADS_ACCESS_TOKEN_SECRET; is this machine's clock right"),
        ({"X_ADS_CONSUMER_SECRET": "wrong"}, AuthError, "X_ADS_CONSUMER_SECRET"),
        ({"X_ADS_ACCOUNT_ID": "nobody"}, ConfigError, "account nobody: .*is X_ADS_ACCOUNT_ID right"),
    ],
)
def test_wrong_settings_are_answered_with_the_setting(
    sandbox: Sandbox, changed: dict[str, str], error: type[SourceError], says: str
) -> None:
    with pytest.raises(error, match=says):
        read(ADS, settings(sandbox.env, **changed))


def test_an_address_is_no_account(sandbox: Sandbox) -> None:
    with pytest.raises(ValueError, match="X_ADS_ACCOUNT_ID '@kontorra' is no ads account"):
        settings(sandbox.env, X_ADS_ACCOUNT_ID="@kontorra")


def test_a_type_of_conversion_that_x_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match="'purchases', 'sign_ups'"):
        XAdsRules(conversions=("purchase",))  # type: ignore[arg-type]


# ---- faults ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", x.STREAMS, ids=lambda stream: stream.name)
@pytest.mark.parametrize(
    ("fault", "path"),
    [
        *((fault, path) for fault in ("throttle", "server_error") for path in ("active_entities", "POST", "files")),
        *((fault, path) for fault in ("reset", "truncated") for path in ("active_entities", "files")),
        *(("duplicate_row", path) for path in ("promoted_tweets", "files")),
    ],
)
def test_passing_faults_change_nothing(
    sandbox: Sandbox, waits: list[float], stream: Stream, fault: str, path: str
) -> None:
    unharmed, _ = read(stream, settings(sandbox.env))
    waits.clear()
    sandbox.faults.set("x_ads", fault, 1, path=path)
    table, tally = read(stream, settings(sandbox.env))
    assert table.equals(unharmed)
    assert (tally.bad_row_count, tally.bad_cell_count) == (0, 0)
    assert not sandbox.faults.active()
    if fault == "throttle" and path != "files":
        assert any(25 <= wait <= 31 for wait in waits)  # till the window ends
    if fault == "server_error":
        assert 3.0 in waits


def test_keys_that_are_no_longer_good_are_one_clear_sentence(sandbox: Sandbox) -> None:
    sandbox.faults.set("x_ads", "expired_token", None)
    with pytest.raises(AuthError, match="make the app's keys and tokens anew"):
        read(ADS, settings(sandbox.env))


def test_a_field_that_nobody_declared_is_kept(sandbox: Sandbox) -> None:
    sandbox.faults.set("x_ads", "unknown_field", None)
    table, _ = read(ADS, settings(sandbox.env))
    assert {json.loads(extra)["brand_new"] for extra in table["_extra"].to_pylist()} == {1}


# ---- signatures --------------------------------------------------------------------------------------------


def test_the_published_example_is_signed_as_published() -> None:
    """The example of "Creating a signature" in the developer documentation."""
    signed = Signed(
        "xvz1evFS4wEEPTGEFPHBog", "kAcSOqF21Fu85e7zjz7ZN2U4ZRhfV3WpwPAoE3Z7kBw",
        "370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9weJAEb", "LswwdoUaIvS8ltyTt5jkRh4J50vUPVVHtR2YPi5kE",
    )  # fmt: skip
    parameters = {
        "status": "Hello Ladies + Gentlemen, a signed OAuth request!", "include_entities": "true",
        "oauth_consumer_key": signed.consumer_key, "oauth_nonce": "kYjzVBB8Y0ZFabxSWbWovY3uYSQ2pTgmZeNu2VS4cg",
        "oauth_signature_method": "HMAC-SHA1", "oauth_timestamp": "1318622958", "oauth_token": signed.token,
        "oauth_version": "1.0",
    }  # fmt: skip
    made = signed.signature("post", "https://api.twitter.com/1/statuses/update.json", parameters.items())
    assert made == "tnnArxj06cWHq44gCs1OSKk/jLY="
    assert "kAcSOqF21" not in repr(signed)


# ---- scripted answers --------------------------------------------------------------------------------------


def at(server: ScriptedServer, rules: dict[str, Any] | None = None, **changed: str) -> XAdsSettings:
    env = {
        "X_ADS_CONSUMER_KEY": "k", "X_ADS_CONSUMER_SECRET": "s3cr3t", "X_ADS_ACCESS_TOKEN": "t", "X_ADS_ACCESS_TOKEN_SECRET": "u",
        "X_ADS_ACCOUNT_ID": "18ce54d4x5t", "X_ADS_BASE_URL": server.url,
    }  # fmt: skip
    return settings({**env, **changed}, rules)


LISTS: dict[str, list[dict[str, Any]]] = {
    "campaigns": [{"id": "8wku2", "name": "C", "funding_instrument_id": "f"}],
    "line_items": [{"id": "l", "name": "L", "campaign_id": "8wku2", "objective": "WEBSITE_CLICKS"}],
    "promoted_tweets": [{"id": each, "line_item_id": "l", "tweet_id": "5"} for each in ("2r0wxw", "2", "3")],
    "funding_instruments": [{"id": "f", "currency": "USD"}],
    "tweets": [{"id_str": "5", "name": "T", "card_uri": None, "entities": {"urls": []}}],
    "all": [],
}
ACTIVE = [{"entity_id": each["id"], "placements": ["ALL_ON_TWITTER"]} for each in LISTS["promoted_tweets"]]


def service(
    server: ScriptedServer, *files: Any, lists: dict[str, Any] | None = None
) -> Callable[[Asked], Reply | None]:
    """An account in Los Angeles with three ads; what its job ends in, in order, the last answer for ever. A dict is a file."""
    left, known = list(files), {**LISTS, **(lists or {})}

    def rule(asked: Asked) -> Reply:
        name = asked.path.rpartition("/")[2]
        if asked.path.startswith("/file"):
            answer = left.pop(0) if len(left) > 1 else left[0]
            return answer if isinstance(answer, Reply) else Reply(gzip.compress(json.dumps(answer).encode()))
        if asked.method == "POST":
            return Reply({"data": {"id_str": "1120829647711653888", "status": "PROCESSING"}})
        if "/stats/jobs/" in asked.path:
            done = {"id_str": "1120829647711653888", "status": "SUCCESS", "url": f"{server.url}/file.json.gz"}
            return Reply({"data": [done]})
        if name == "active_entities":
            return known["active"] if "active" in known else Reply({"data": ACTIVE})
        if name in known:
            return known[name] if isinstance(known[name], Reply) else Reply({"data": known[name], "next_cursor": None})
        return Reply({"data": {"id": name, "timezone": "America/Los_Angeles"}})

    return rule


def recorded(folder: Path, name: str) -> Reply:
    exchange = json.loads((folder / f"fixtures/x_ads/{name}.json").read_text())
    return Reply(exchange["body"], exchange.get("status", 200), exchange.get("headers", {}))


def file(*items: Any, length: int = 2) -> dict[str, Any]:
    return {"data_type": "stats", "time_series_length": length, "data": list(items)}


def item(ad_id: Any, **metrics: Any) -> dict[str, Any]:
    of = {
        "impressions": [10, 0],
        "clicks": [3, 0],
        "url_clicks": [2, 0],
        "billed_charge_local_micro": [1_250_000, 0],
        **metrics,
    }
    return {"id": ad_id, "id_data": [{"segment": None, "metrics": of}]}


def test_the_recorded_steps_lead_to_rows(shared_dir: Path, scripted: ScriptedServer, waits: list[float]) -> None:
    created, done = recorded(shared_dir, "ex_job_created"), recorded(shared_dir, "ex_job_success")
    unzipped = recorded(shared_dir, "ex_job_file_unzipped").body
    # met by others: the address twice in a row
    done.body["data"][0]["url"] = f"https://ton.twimg.com/x{scripted.url}/file.json.gz"
    usual = service(scripted, unzipped, lists={"active": recorded(shared_dir, "ex_active_entities")})
    looks = [Reply({**created.body, "data": [created.body["data"]]}), done]

    def rule(asked: Asked) -> Reply | None:
        if "/stats/jobs/" in asked.path:
            return created if asked.method == "POST" else looks.pop(0)
        return usual(asked)

    scripted.rule(rule)
    table, _ = read(ADS, at(scripted), DAYS)
    assert table.drop(["_extra"]).to_pylist() == [
        {
            "date": date(2026, 11, 1), "currency_code": "USD", "campaign_id": "8wku2", "campaign_name": "C",
            "objective": "WEBSITE_CLICKS", "line_item_id": "l", "line_item_name": "L", "promoted_tweet_id": "2r0wxw",
            "tweet_name": "T", "placement": "ALL_ON_TWITTER", "address": None, "impressions": 3482, "clicks": 30,
            "url_clicks": 0, "billed_charge_local_micro": 1_250_000, "video_total_views": 0, "conversions": 0,
            "conversions_local_micro": 0, "account_id": "18ce54d4x5t",
        }
    ]  # fmt: skip
    assert 2 in waits
    asked = next(each for each in scripted.asked if each.method == "POST")
    # Los Angeles goes back an hour on 1 November 2026 at two in the morning
    assert asked.body == (
        b"entity=PROMOTED_TWEET&entity_ids=2r0wxw&start_time=2026-11-01T07%3A00%3A00Z&end_time=2026-11-03T08%3A00%3A00Z"
        b"&granularity=DAY&placement=ALL_ON_TWITTER&metric_groups=ENGAGEMENT%2CBILLING%2CVIDEO%2CWEB_CONVERSION"
    )
    assert "authorization" not in scripted.asked[-1].headers


def test_recorded_pages_and_the_empty_answer(shared_dir: Path, scripted: ScriptedServer) -> None:
    pages = [recorded(shared_dir, f"ex_campaigns_{name}") for name in ("page1", "page_last")]
    usual = service(scripted, file(item("2r0wxw")))
    scripted.rule(lambda asked: pages.pop(0) if asked.path.endswith("/campaigns") else usual(asked))
    table, tally = read(ADS, at(scripted), DAYS)
    assert (table.num_rows, tally.bad_row_count) == (
        0,
        1,
    )  # the recorded campaigns name no funding instrument: no currency
    assert ["cursor=c-3yvu1pzhd3i7" in each.query for each in scripted.asked if each.path.endswith("/campaigns")] == [
        False,
        True,
    ]
    scripted.rule(service(scripted, lists={"active": recorded(shared_dir, "ex_empty")}))
    assert read(ADS, at(scripted), DAYS)[0].num_rows == 0


def test_recorded_refusals_say_what_to_do(shared_dir: Path, scripted: ScriptedServer) -> None:
    def refuse(reply: Reply) -> None:
        scripted.rule(service(scripted, lists={"active": reply}))

    throttled = recorded(shared_dir, "ex_throttle")
    soon = {**throttled.headers, "x-rate-limit-reset": str(int(time.time()) + 20 * 60)}
    refuse(Reply(throttled.body, 429, soon))
    with pytest.raises(
        QuotaError, match="account 18ce54d4x5t: the calls of this window are used up; run again in 20 minutes"
    ):
        read(ADS, at(scripted), DAYS)
    refuse(recorded(shared_dir, "ex_auth"))
    with pytest.raises(AuthError, match=r"not properly authenticated.*X_ADS_CONSUMER_KEY"):
        read(ADS, at(scripted), DAYS)
    refuse(recorded(shared_dir, "ex_domain_error"))
    with pytest.raises(
        VendorError, match=r"X refuses: account 18ce54d4x5t: Expected time.*INVALID_PARAMETER, start_time"
    ):
        read(ADS, at(scripted), DAYS)
    refuse(Reply(vendor.error("UNAUTHORIZED_CLIENT_APPLICATION", "no"), 403))
    with pytest.raises(AuthError, match="make X_ADS_ACCESS_TOKEN anew after its approval"):
        read(ADS, at(scripted), DAYS)


def test_a_job_that_fails_is_started_anew(scripted: ScriptedServer, waits: list[float]) -> None:
    usual = service(scripted, file(item("2r0wxw")))
    states = ["FAILED", "PROCESSING"]

    def rule(asked: Asked) -> Reply | None:
        if "/stats/jobs/" in asked.path and asked.method == "GET" and states:
            return Reply({"data": [{"id_str": "1120829647711653888", "status": states.pop(0), "url": None}]})
        return usual(asked)

    scripted.rule(rule)
    assert read(ADS, at(scripted), DAYS)[0].num_rows == 1
    assert len([each for each in scripted.asked if each.method == "POST"]) == 2
    states += ["FAILED"] * 9
    with pytest.raises(VendorError, match=r"the figures of 2026-11-01\.\.2026-11-02 failed 3 times: a job is FAILED"):
        read(ADS, at(scripted), DAYS)


def test_a_file_that_is_none_is_asked_for_anew(scripted: ScriptedServer) -> None:
    good = file(item("2r0wxw"))
    half = gzip.compress(json.dumps(good).encode())[:40]
    scripted.rule(service(scripted, Reply(half), Reply(b"<html>"), good))
    assert read(ADS, at(scripted), DAYS)[0].num_rows == 1


ODD = [
    pytest.param("odd", id="text"),
    pytest.param({"id": "2"}, id="no figures"),
    pytest.param(item("2", impressions=[1, 2, 3]), id="three days of two"),
    pytest.param(item("2", url_clicks="many"), id="clicks are text"),
    pytest.param(item("2", conversion_purchases=[1, 0]), id="a conversion is no object"),
    pytest.param(item("99"), id="an ad in no list"),
]


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_ad_is_told_and_the_others_are_kept(scripted: ScriptedServer, odd: Any) -> None:
    scripted.rule(service(scripted, file(item("2r0wxw"), odd, item("3"))))
    table, tally = read(ADS, at(scripted), DAYS)
    assert table["promoted_tweet_id"].to_pylist() == ["2r0wxw", "3"]
    assert tally.bad_row_count == 1


@pytest.mark.parametrize("odd", ODD[1:5])
def test_ads_that_are_all_odd_are_a_change_of_the_vendors(scripted: ScriptedServer, odd: Any) -> None:
    scripted.rule(service(scripted, file(*({**odd, "id": each["id"]} for each in LISTS["promoted_tweets"]))))
    with pytest.raises(
        DriftError,
        match=r"no row has the shape of one: an ad in the figures of 2026-11-01\.\.2026-11-02 of account 18ce54d4x5t",
    ):
        read(ADS, at(scripted), DAYS)


def test_two_rows_of_an_ad_and_day_with_other_figures_are_told(scripted: ScriptedServer) -> None:
    once = item("2r0wxw")
    scripted.rule(service(scripted, file(once, once, item("2r0wxw", clicks=[9, 0]))))
    table, tally = read(ADS, at(scripted), DAYS)
    assert (table["clicks"].to_pylist(), tally.bad_row_count) == ([3], 1)


def test_figures_of_other_days_are_no_rows(scripted: ScriptedServer) -> None:
    scripted.rule(service(scripted, file(item("2r0wxw"), length=3)))
    with pytest.raises(DriftError, match="figures of 2 days were asked for"):
        read(ADS, at(scripted), DAYS)


def test_an_account_without_a_zone_is_no_guess(scripted: ScriptedServer) -> None:
    scripted.rule(lambda asked: Reply({"data": {"id": "18ce54d4x5t"}}))
    with pytest.raises(DriftError, match="its timezone None is none"):
        read(ADS, at(scripted), DAYS)


def test_conversions_without_a_total_are_clicks_and_views(scripted: ScriptedServer) -> None:
    """Either form of a type: `metric`, or what came of an engagement and of a view. Money is in millionths."""
    split = {"post_engagement": [2, 0], "post_view": [1, None], "sale_amount_local_micro": [7_500_000, 0]}
    whole = {"metric": [4, 0], "order_quantity": None, "sale_amount": None}
    scripted.rule(service(scripted, file(item("2r0wxw", conversion_purchases=split, conversion_custom=whole))))
    found = read(CONVERSIONS, at(scripted), DAYS)[0].to_pylist()
    assert [(row["conversion_type"], row["conversions"], row["sale_amount_local_micro"]) for row in found] == [
        ("custom", 4, 0), ("purchases", 3, 7_500_000),
    ]  # fmt: skip
    [row] = read(ADS, at(scripted, {"conversions": ["custom"]}), DAYS)[0].to_pylist()
    assert (row["conversions"], Decimal(row["conversions_local_micro"])) == (4, 0)


@pytest.mark.parametrize(
    ("tweet", "card", "wanted"),
    [
        (
            {"card_uri": "card://1"},
            {"components": [{"destination": {"url": "https://a.example"}}]},
            "https://a.example",
        ),
        (
            {"card_uri": "card://1"},
            {"components": [{"type": "SWIPEABLE_MEDIA", "slides": [{"destination": {"url": "https://b.example"}}]}]},
            "https://b.example",
        ),
        ({"card_uri": "card://1"}, {"website_url": "https://c.example"}, "https://c.example"),
        ({"card_uri": None, "entities": {"urls": [{"expanded_url": "https://d.example"}]}}, {}, "https://d.example"),
        ({"entities": None}, {}, None),
    ],
)
def test_a_post_leads_where_its_card_does(tweet: dict[str, Any], card: dict[str, Any], wanted: str | None) -> None:
    assert rows.link(tweet, {"card://1": card}) == wanted
