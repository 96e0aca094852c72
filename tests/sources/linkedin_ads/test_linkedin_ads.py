"""LinkedIn Ads over the wire: against the sandbox, against scripted answers, and the recorded bodies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pytest

from dagster_project.sandbox import Sandbox, serve
from dagster_project.sandbox.company import networks
from dagster_project.sources import linkedin_ads as linkedin
from dagster_project.sources.linkedin_ads import sandbox as vendor
from dagster_project.sources.linkedin_ads.settings import LinkedinAdsSettings, LinkedinRules
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

DAYS, CONVERSIONS, ADS = linkedin.STREAMS
WEEK = Window(date(2026, 9, 14), date(2026, 9, 21))
TODAY = "2026-10-01"
DAY = Window.of_day(date(2026, 11, 20))
TOKEN = Reply({"access_token": "AQVs3cr3t", "expires_in": 5184000})


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with serve(today=TODAY, vendors=["linkedin_ads"]) as sandbox:
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


def settings(env: dict[str, str], rules: dict[str, Any] | None = None, **changed: str) -> LinkedinAdsSettings:
    return LinkedinAdsSettings.model_validate({**env, **changed, "rules": LinkedinRules(**(rules or {}))})


def read(stream: Stream, of: LinkedinAdsSettings, window: Window = WEEK) -> tuple[pa.Table, Tally]:
    return read_all(stream, of, window)


# ---- against the sandbox -----------------------------------------------------------------------------------


def test_ads_by_day_are_what_the_company_spent(sandbox: Sandbox) -> None:
    table, tally = read(DAYS, settings(sandbox.env))
    names = ("impressions", "clicks", "costInLocalCurrency", "videoViews", "conversions", "conversions_value")
    assert sums(table, ("date", "creative_id", "campaign_id"), names) == {
        (each.day, each.ad.id, each.ad.group_id): [
            each.impressions, each.clicks, Decimal(each.cost_cents) / 100, each.video_views, each.leads + each.sales,
            Decimal(each.sales_cents) / 100,
        ]
        for each in truth(sandbox, "professional", WEEK)
    }  # fmt: skip
    assert {(row["currency"], row["account_id"]) for row in table.to_pylist()} == {("EUR", vendor.ACCOUNT_ID)}
    assert tally.read_accounts == {vendor.ACCOUNT_ID}
    assert (tally.notes, tally.bad_row_count, tally.bad_cell_count) == ([], 0, 0)


def test_leads_by_forms_alone_where_the_rules_want_them(sandbox: Sandbox) -> None:
    table, _ = read(DAYS, settings(sandbox.env, {"conversions": ["oneClickLeads"]}))
    by_form = sum(each.leads for each in truth(sandbox, "professional", WEEK) if each.day.day % 2)
    assert sum(table["conversions"].to_pylist()) == by_form > 0
    assert table["conversions_value"].null_count == table.num_rows
    with pytest.raises(ValueError, match="name one of them"):
        settings(sandbox.env, {"conversions": ["externalWebsiteConversions", "externalWebsitePostClickConversions"]})


def test_each_rule_of_conversion_is_a_row(sandbox: Sandbox) -> None:
    months = Window(date(2025, 11, 1), date(2026, 9, 1))
    table, _ = read(CONVERSIONS, settings(sandbox.env), months)
    found = sums(table, ("conversion_id",), ("externalWebsiteConversions", "conversionValueInLocalCurrency"))
    wanted = truth(sandbox, "professional", months)
    on_site = sum(each.leads for each in wanted if each.day.day % 2 == 0)  # those of odd days are forms'
    sold, cents = sum(each.sales for each in wanted), sum(each.sales_cents for each in wanted)
    assert on_site
    assert sold
    assert found == {("104001",): [on_site, 0], ("104002",): [sold, Decimal(cents) / 100]}
    for row in table.to_pylist():
        parts = row["externalWebsitePostClickConversions"] + row["externalWebsitePostViewConversions"]
        assert parts == row["externalWebsiteConversions"]


def test_ads_lead_where_the_company_sends_people_with_the_tags_of_their_campaign(sandbox: Sandbox) -> None:
    table, tally = read(ADS, settings(sandbox.env))
    found = {row["id"]: row for row in table.to_pylist()}
    assert {
        key: (row["link"], row["campaign_group_name"], row["campaign_name"], row["name"]) for key, row in found.items()
    } == {
        each.id: (each.address, each.campaign.name, each.group_name, each.name)
        for each in networks.ads_of("professional")
    }
    ad = next(each for each in networks.ads_of("professional") if each.name == "Post A")
    assert found[ad.id]["address"] == (
        f"{ad.address}?utm_campaign=Founders%20DACH&utm_content={ad.id}&utm_source=linkedin&utm_medium=paid_social"
    )
    assert tally.notes == []
    asked = [call for call in sandbox.calls.list("linkedin_ads", "adTrackingParameters") if call.status == "200"]
    assert len(asked) == len({each.group_id for each in networks.ads_of("professional")})


def test_links_and_tags_can_be_left_away(sandbox: Sandbox) -> None:
    plain, _ = read(ADS, settings(sandbox.env, {"links_of_posts": False}))
    assert set(plain["link"].to_pylist()) == {None}
    untagged, _ = read(ADS, settings(sandbox.env, {"tracking_parameters": False}))
    assert untagged["address"].to_pylist() == untagged["link"].to_pylist()
    assert not sandbox.calls.list("linkedin_ads", "adTrackingParameters")


def test_calls_of_a_night_and_of_a_year(sandbox: Sandbox) -> None:
    """LinkedIn says of no limit how many calls it is; a token and an account come to each stream's questions of a month. A
    year's rows x 12 metrics stay far under the 45 million values that it gives in five minutes."""
    today = date(2026, 10, 1)
    for days, questions in ((7, 1), (30, 1), (365, 12)):
        for stream in (DAYS, CONVERSIONS):
            sandbox.calls.clear()
            table, tally = read(stream, settings(sandbox.env), Window(today - timedelta(days=days), today))
            assert len(sandbox.calls.list("linkedin_ads", "adAnalytics")) == questions
            assert tally.api_calls <= questions + 2
            assert table.num_rows * 12 < 45_000_000


def test_conversions_of_old_days_grow(sandbox: Sandbox) -> None:
    def seen(today: str) -> int:
        sandbox.clock.set(today)
        return sum(
            read(DAYS, settings(sandbox.env), Window(date(2026, 8, 26), date(2026, 9, 2)))[0]["conversions"].to_pylist()
        )

    assert seen("2026-09-02") < seen("2026-09-30") == seen("2026-10-20")


def test_one_denied_account_of_three_does_not_lose_the_others(sandbox: Sandbox) -> None:
    ids = f"{vendor.DENIED_ACCOUNT_ID}, urn:li:sponsoredAccount:{vendor.ACCOUNT_ID},{vendor.IDLE_ACCOUNT_ID}"
    for stream in linkedin.STREAMS:
        alone, _ = read(stream, settings(sandbox.env))
        table, tally = read(stream, settings(sandbox.env, LINKEDIN_ADS_ACCOUNT_ID=ids))
        assert table.equals(alone)
        assert tally.read_accounts == {vendor.ACCOUNT_ID, vendor.IDLE_ACCOUNT_ID}
        [(denied, why)] = tally.failed_accounts.items()
        assert denied == vendor.DENIED_ACCOUNT_ID
        assert "give the person the role Viewer" in str(why)


@pytest.mark.parametrize(
    ("changed", "error", "says"),
    [
        ({"LINKEDIN_ADS_REFRESH_TOKEN": "wrong"}, AuthError, "put the token in LINKEDIN_ADS_REFRESH_TOKEN"),
        ({"LINKEDIN_ADS_API_VERSION": "202511"}, ConfigError, "202511 is not active.*LINKEDIN_ADS_API_VERSION"),
        ({"LINKEDIN_ADS_ACCOUNT_ID": "5"}, ConfigError, "account 5: .*correct LINKEDIN_ADS_ACCOUNT_ID"),
    ],
)
def test_wrong_settings_are_answered_with_the_setting(
    sandbox: Sandbox, changed: dict[str, str], error: type[SourceError], says: str
) -> None:
    with pytest.raises(error, match=says):
        read(DAYS, settings(sandbox.env, **changed))


def test_an_account_is_a_number(sandbox: Sandbox) -> None:
    with pytest.raises(ValueError, match="'urn:li:organization:1' is no ad account"):
        settings(sandbox.env, LINKEDIN_ADS_ACCOUNT_ID="urn:li:organization:1")


# ---- faults ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", linkedin.STREAMS, ids=lambda stream: stream.name)
@pytest.mark.parametrize("fault", ["throttle", "server_error", "reset", "truncated", "duplicate_row", "expired_token"])
def test_passing_faults_change_nothing(sandbox: Sandbox, stream: Stream, fault: str) -> None:
    unharmed, _ = read(stream, settings(sandbox.env))
    shared_token.cache_clear()
    sandbox.faults.set("linkedin_ads", fault, 1, path="/rest/", after=0 if fault == "duplicate_row" else 1)
    table, tally = read(stream, settings(sandbox.env))
    assert table.equals(unharmed)
    assert tally.retries == (0 if fault == "duplicate_row" else 1)
    assert tally.bad_row_count == 0


def test_a_token_that_is_over_for_good_is_one_clear_sentence(sandbox: Sandbox) -> None:
    sandbox.faults.set("linkedin_ads", "expired_token", None, path="/rest/")
    with pytest.raises(AuthError, match=r"has been revoked.*sign in anew"):
        read(DAYS, settings(sandbox.env))


@pytest.mark.parametrize("stream", linkedin.STREAMS, ids=lambda stream: stream.name)
def test_a_field_that_nobody_declared(sandbox: Sandbox, stream: Stream) -> None:
    """Figures are kept beside; of ads only what is declared is read."""
    sandbox.faults.set("linkedin_ads", "unknown_field", None)
    table, _ = read(stream, settings(sandbox.env))
    extra = set(table["_extra"].to_pylist())
    assert extra == ({None} if stream is ADS else {'{"brandNew": 1}'})


# ---- scripted answers --------------------------------------------------------------------------------------


def at(server: ScriptedServer, rules: dict[str, Any] | None = None, **changed: str) -> LinkedinAdsSettings:
    env = {
        "LINKEDIN_ADS_CLIENT_ID": "c", "LINKEDIN_ADS_CLIENT_SECRET": "cs", "LINKEDIN_ADS_REFRESH_TOKEN": "r",
        "LINKEDIN_ADS_ACCOUNT_ID": "1", "LINKEDIN_ADS_BASE_URL": server.url, "LINKEDIN_ADS_TOKEN_URL": f"{server.url}/token",
    }  # fmt: skip
    return settings({**env, **changed}, rules)


def answers(server: ScriptedServer, *bodies: Any, paths: dict[str, Any] | None = None) -> None:
    """A token, an account in dollars, and empty lists but for `paths`; analytics in order, the last answer for ever."""
    left = [each if isinstance(each, Reply) else Reply(each) for each in bodies]

    def rule(asked: Asked) -> Reply:
        if asked.path == "/token":
            return TOKEN
        for path, body in (paths or {}).items():
            if asked.path.endswith(path):
                body = body.pop(0) if isinstance(body, list) else body
                return body if isinstance(body, Reply) else Reply(body)
        if asked.path.endswith("/adAccounts/1"):
            return Reply({"id": 1, "currency": "USD"})
        if asked.path.endswith("/adAnalytics"):
            return left.pop(0) if len(left) > 1 else left[0]
        return Reply({"elements": [], "metadata": {}, "results": {}})

    server.rule(rule)


def recorded(folder: Path, name: str) -> Reply:
    exchange = json.loads((folder / f"fixtures/linkedin/{name}.json").read_text())
    return Reply(exchange["body"], exchange.get("status", 200), exchange.get("headers", {}))


def row(creative: str, day: date = date(2026, 11, 20), **more: Any) -> dict[str, Any]:
    when = {"year": day.year, "month": day.month, "day": day.day}
    return {
        "dateRange": {"start": when, "end": when},
        "pivotValues": [f"urn:li:sponsoredCreative:{creative}", "urn:li:sponsoredCampaign:5"],
        "impressions": 100,
        "clicks": 4,
        "costInLocalCurrency": "1.25",
    } | more


def test_recorded_rows_become_typed_rows(shared_dir: Path, scripted: ScriptedServer) -> None:
    answers(scripted, recorded(shared_dir, "ex_analytics_creative_daily"))
    table, _ = read(DAYS, at(scripted), DAY)
    first, second = table.to_pylist()
    assert (first["creative_id"], first["costInLocalCurrency"], first["clicks"], first["conversions"]) == (
        "1", Decimal("12.345"), 4, 1,
    )  # fmt: skip
    assert second["costInLocalCurrency"] == 0  # -2E-18
    answers(scripted, recorded(shared_dir, "ex_analytics_empty"))
    table, tally = read(DAYS, at(scripted), DAY)
    assert (table.num_rows, tally.retries, tally.read_accounts) == (0, 0, {"1"})


def test_the_question_is_as_rest_li_wants_it(scripted: ScriptedServer) -> None:
    answers(scripted, {"elements": []})
    read(DAYS, at(scripted), DAY)
    asked = scripted.asked[-1]
    assert asked.query.startswith(
        "q=statistics&pivots=List(CREATIVE,CAMPAIGN)&timeGranularity=(value:DAILY)&"
        "dateRange=(start:(year:2026,month:11,day:20),end:(year:2026,month:11,day:20))&"
        "accounts=List(urn%3Ali%3AsponsoredAccount%3A1)&fields=dateRange,pivotValues,impressions,"
    )
    assert len(asked.query.rpartition("fields=")[2].split(",")) <= 20
    assert (asked.headers["linkedin-version"], asked.headers["x-restli-protocol-version"]) == ("202608", "2.0.0")
    assert asked.headers["authorization"] == "Bearer AQVs3cr3t"


def test_recorded_refusals_say_what_to_do(shared_dir: Path, scripted: ScriptedServer, waits: list[float]) -> None:
    for name, error, says in (
        ("ex_auth", AuthError, "LINKEDIN_ADS_REFRESH_TOKEN"),
        ("ex_version_426", ConfigError, "LINKEDIN_ADS_API_VERSION"),
        ("ex_domain_error", VendorError, "at most 20 are allowed"),
    ):
        answers(scripted, recorded(shared_dir, name))
        with pytest.raises(error, match=says):
            read(DAYS, at(scripted), DAY)
    said = json.loads((shared_dir / "fixtures/linkedin/errors_doc_derived.json").read_text())
    answers(scripted, Reply(said["throttle_app_day_429"], 429))
    with pytest.raises(QuotaError, match="returns at midnight UTC"):
        read(DAYS, at(scripted), DAY)
    answers(scripted, Reply(said["throttle_429"], 429), {"elements": [row("1")]})
    table, tally = read(DAYS, at(scripted), DAY)
    assert (table.num_rows, tally.retries, 60 in waits) == (1, 1, True)


def test_the_limit_of_values_is_told_with_its_five_minutes(scripted: ScriptedServer, waits: list[float]) -> None:
    said = "The data request limit has been exceeded. More than 45 million metric values were requested in a 5-minute window."
    answers(scripted, Reply({"message": said, "status": 429}, 429))
    with pytest.raises(QuotaError, match="45 million metric values") as error:
        read(DAYS, at(scripted), DAY)
    assert error.value.retry_after_seconds == 330


def test_recorded_lists_of_creatives_are_read_to_their_end(shared_dir: Path, scripted: ScriptedServer) -> None:
    pages = [recorded(shared_dir, "ex_creatives_page1"), recorded(shared_dir, "ex_creatives_page_last")]
    posts = {"results": {"urn:li:share:100": {"contentLandingPage": "https://x.example/a#b"}}, "errors": {}}
    campaigns = {"elements": [{"id": 5, "name": "Set", "campaignGroup": "urn:li:sponsoredCampaignGroup:7"}]}
    groups = {"elements": [{"id": 7, "name": "Camp"}]}
    tags = {
        "customValueParameters": {"utm_source": "li"},
        "dynamicValueParameters": {"utm_campaign": "CAMPAIGN_GROUP_NAME"},
    }
    answers(
        scripted,
        paths={
            "/creatives": pages, "/posts": posts, "/adCampaigns": campaigns, "/adCampaignGroups": groups,
            "sponsoredCampaign%3A5))": tags,
        },
    )  # fmt: skip
    first, second = read(ADS, at(scripted))[0].to_pylist()
    assert (first["id"], first["campaign_id"], first["campaign_group_id"], first["link"], first["address"]) == (
        "1", "5", "7", "https://x.example/a#b", "https://x.example/a?utm_campaign=Camp&utm_source=li#b",
    )  # fmt: skip
    assert (second["id"], second["link"], second["address"]) == ("2", None, None)
    assert first["last_modified_at"].isoformat() == "2026-11-20T10:00:00+00:00"
    tokens = [asked.query for asked in scripted.asked if asked.path.endswith("/creatives")]
    assert ["pageToken=DgGa" in unquote(query) for query in tokens] == [False, True]


def test_without_the_right_to_posts_their_links_are_missing_and_told(scripted: ScriptedServer) -> None:
    page = {
        "elements": [
            {"id": "urn:li:sponsoredCreative:1", "campaign": "urn:li:sponsoredCampaign:5", "lastModifiedAt": 1, "content": {"reference": "urn:li:share:1"}},
            {"id": "urn:li:sponsoredCreative:2", "campaign": "urn:li:sponsoredCampaign:5", "lastModifiedAt": 1, "content": {"textAd": {"landingPage": "https://x.example/"}}},
        ]
    }  # fmt: skip
    answers(scripted, paths={"/creatives": page, "/posts": Reply({"message": "Not enough permissions"}, 403)})
    table, tally = read(ADS, at(scripted))
    assert table["link"].to_pylist() == [None, "https://x.example/"]
    assert tally.notes == ["where sponsored posts lead is not known: the token needs r_organization_social, too"]


def test_without_the_right_to_tags_links_have_none_and_that_is_told(scripted: ScriptedServer) -> None:
    ad = {
        "id": "urn:li:sponsoredCreative:1",
        "campaign": "urn:li:sponsoredCampaign:5",
        "lastModifiedAt": 1,
        "content": {"textAd": {"landingPage": "https://x.example/"}},
    }
    paths: dict[str, Any] = {"/creatives": {"elements": [ad]}, "/adCampaigns": {"elements": [{"id": 5}]}}
    tags = "sponsoredCampaign%3A5))"
    answers(scripted, paths={**paths, tags: Reply({"message": "Not enough permissions"}, 403)})
    table, tally = read(ADS, at(scripted))
    assert table["address"].to_pylist() == ["https://x.example/"]
    assert tally.notes == [
        "the tags that LinkedIn appends to links are not known: the token may not read tracking parameters"
    ]
    answers(scripted, paths={**paths, tags: Reply({"message": "Not Found"}, 404)})
    table, tally = read(ADS, at(scripted))
    assert (table["address"].to_pylist(), tally.notes) == (["https://x.example/"], [])


def test_two_rows_of_one_ad_and_day_are_told(scripted: ScriptedServer) -> None:
    answers(scripted, {"elements": [row("1"), row("1"), row("1", clicks=5), row("2")]})
    table, tally = read(DAYS, at(scripted), DAY)
    assert table["clicks"].to_pylist() == [4, 4]
    assert tally.bad_rows == ["linkedin_ads/ad_performance: a second row of 1, 2026-11-20, 1, with other figures"]


def test_an_answer_that_may_be_cut_is_asked_for_in_halves(scripted: ScriptedServer) -> None:
    full = {"elements": [row("1")] * 15_000}
    one, two = row("1"), row("2", date(2026, 11, 21))
    answers(scripted, full, {"elements": [one]}, {"elements": [two]})
    table, _ = read(DAYS, at(scripted), Window(date(2026, 11, 20), date(2026, 11, 22)))
    assert table["creative_id"].to_pylist() == ["1", "2"]
    answers(scripted, full)
    with pytest.raises(VendorError, match="2026-11-20 has 15000 rows or more"):
        read(DAYS, at(scripted), DAY)


def test_too_long_an_address_is_sent_as_a_body(scripted: ScriptedServer) -> None:
    answers(scripted, Reply({"message": "URI too long", "status": 414}, 414), {"elements": [row("1")]})
    assert read(DAYS, at(scripted), DAY)[0].num_rows == 1
    get, post = scripted.asked[-2:]
    assert (post.method, post.query, post.body.decode()) == ("POST", "", get.query)
    assert post.headers["x-http-method-override"] == "GET"


ODD = [
    pytest.param("no row", id="text"),
    pytest.param(row("9", pivotValues=None), id="no pivots"),
    pytest.param(row("9", costInLocalCurrency="a lot"), id="cost is text"),
    pytest.param(row("9", externalWebsiteConversions="some"), id="conversions are text"),
    pytest.param(row("9", pivotValues=["urn:li:sponsoredCampaign:5"]), id="no creative"),
    pytest.param(row("9", dateRange={"start": {"year": 2026, "month": 11, "day": 20}, "end": {"year": 2026, "month": 11, "day": 21}}), id="two days"),
]  # fmt: skip


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_row_is_told_and_the_others_are_kept(scripted: ScriptedServer, odd: Any) -> None:
    answers(scripted, {"elements": [row("1"), odd, row("2")]})
    table, tally = read(DAYS, at(scripted), DAY)
    assert table["creative_id"].to_pylist() == ["1", "2"]
    assert tally.bad_row_count == 1


@pytest.mark.parametrize("odd", ODD)
def test_rows_that_are_all_odd_are_a_change_of_the_vendors(scripted: ScriptedServer, odd: Any) -> None:
    rows = [odd] * 3
    if isinstance(odd, dict) and odd["pivotValues"] and "Creative" in odd["pivotValues"][0]:
        rows = [{**odd, "pivotValues": [f"urn:li:sponsoredCreative:{n}"]} for n in range(3)]
    answers(scripted, {"elements": rows})
    with pytest.raises(DriftError, match="linkedin_ads/ad_performance"):
        read(DAYS, at(scripted), DAY)


def test_days_that_nobody_asked_for_are_no_rows(scripted: ScriptedServer) -> None:
    answers(scripted, {"elements": [row("1", date(2026, 11, 19))]})
    with pytest.raises(VendorError, match="got rows of 2026-11-19"):
        read(DAYS, at(scripted), DAY)


def test_an_empty_200_is_asked_again_and_a_list_that_is_none_is_an_error(
    scripted: ScriptedServer, waits: list[float]
) -> None:
    answers(scripted, Reply(b""), {"elements": [row("1")]})
    table, tally = read(DAYS, at(scripted), DAY)
    assert (table.num_rows, tally.retries) == (1, 1)
    answers(scripted, {"rows": []})
    with pytest.raises(VendorError, match="no list elements"):
        read(DAYS, at(scripted), DAY)


def test_a_hang_is_given_up(scripted: ScriptedServer, waits: list[float]) -> None:
    answers(scripted, Reply(Stuck()))
    with pytest.raises(
        VendorError, match=r"still fails after 6 attempts: the connection failed \((ReadTimeout|ConnectionError)\)"
    ):
        read_all(DAYS, at(scripted), DAY, seconds=0.2)
