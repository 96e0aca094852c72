"""Microsoft Advertising over the wire: against the sandbox, against scripted answers, and the recorded bodies."""

from __future__ import annotations

import io
import json
import zipfile
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
from dagster_project.sources import microsoft_ads as microsoft
from dagster_project.sources.microsoft_ads import reports
from dagster_project.sources.microsoft_ads import sandbox as vendor
from dagster_project.sources.microsoft_ads.links import address
from dagster_project.sources.microsoft_ads.settings import MicrosoftAdsSettings
from dagster_project.wire import oauth
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

CAMPAIGNS, ADS, GOALS = microsoft.STREAMS
WEEK = Window(date(2026, 8, 24), date(2026, 8, 31))
TODAY = "2026-10-01"
DAY = Window.of_day(date(2026, 11, 20))


@pytest.fixture(autouse=True)
def unpaced() -> None:
    """A pacer and a token are the process's: what one test has asked would count in the next one."""
    shared_pacer.cache_clear()
    oauth.shared_token.cache_clear()


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with serve(today=TODAY, vendors=["microsoft_ads"]) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox, waits: list[float]) -> Iterator[Sandbox]:
    running.calls.clear()
    yield running
    running.faults.clear()
    running.clock.set(TODAY)


def settings(env: dict[str, str], **changed: str) -> MicrosoftAdsSettings:
    return MicrosoftAdsSettings.model_validate({**env, **changed})


def read(stream: Stream, of: MicrosoftAdsSettings, window: Window = WEEK) -> tuple[pa.Table, Tally]:
    tally = Tally()
    pages = list(stream.read(of, window, tally))  # type: ignore[misc]
    for page in pages:
        assert page.rows.schema.equals(stream.schema)
        assert page.rows.num_rows
        assert page.quality == {"time_zone": "UTC"}
    table = pa.concat_tables([stream.schema.empty_table(), *(page.rows for page in pages)])
    return table.sort_by([(name, "ascending") for name in stream.key]), tally


def truth(sandbox: Sandbox, window: Window, *, with_adless: bool = True) -> list[networks.AdDay]:
    shown = networks.days_as_of(sandbox.company.seed, "third_search", sandbox.clock.now())
    return [each for each in shown if each.day in window and (with_adless or each.ad.campaign.name != "Everything")]


def figures(each: networks.AdDay) -> list[Any]:
    return [
        each.impressions, each.clicks, Decimal(each.cost_cents) / 100, each.video_views, each.leads + each.sales,
        Decimal(each.sales_cents) / 100,
    ]  # fmt: skip


NAMES = ("impressions", "clicks", "spend", "video_views", "conversions", "revenue")


# ---- against the sandbox -----------------------------------------------------------------------------------


def test_campaigns_by_day_are_what_the_company_spent(sandbox: Sandbox, waits: list[float]) -> None:
    table, tally = read(CAMPAIGNS, settings(sandbox.env))
    wanted: dict[tuple[Any, ...], list[Any]] = defaultdict(lambda: [0] * 6)
    for each in truth(sandbox, WEEK):
        key = (each.day, each.ad.campaign.id)
        wanted[key] = [before + more for before, more in zip(wanted[key], figures(each), strict=True)]
    assert {(row["date"], row["campaign_id"]): [row[name] for name in NAMES] for row in table.to_pylist()} == wanted
    assert any(row["impressions"] >= 1000 for row in table.to_pylist())  # "1,000" in the file
    assert set(table["campaign_type"].to_pylist()) == {"Search", "Performance max"}
    assert set(table["currency_code"].to_pylist()) == {"EUR"}
    assert tally.read_accounts == {vendor.ACCOUNT}
    assert (tally.notes, tally.bad_row_count, tally.bad_cell_count) == ([], 0, 0)
    assert waits == [5.0]


def test_ads_by_day_have_where_they_lead(sandbox: Sandbox) -> None:
    table, _ = read(ADS, settings(sandbox.env))
    wanted = truth(sandbox, WEEK, with_adless=False)
    assert {(row["date"], row["ad_id"]): [row[name] for name in NAMES] for row in table.to_pylist()} == {
        (each.day, each.ad.id): figures(each) for each in wanted
    }
    found = {row["ad_id"]: (row["ad_title"], row["ad_group_name"], row["address"]) for row in table.to_pylist()}
    assert found == {
        ad.id: (
            f'{ad.name}, the "till"',
            ad.group_name,
            f"{ad.address}?{ad.tags}&utm_id={ad.campaign.id}&utm_term={{keyword}}&utm_source=bing&utm_medium=cpc",
        )
        for ad in {each.ad for each in wanted}
    }


def test_each_goal_is_a_row(sandbox: Sandbox) -> None:
    table, _ = read(GOALS, settings(sandbox.env))
    found: dict[str, list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for row in table.to_pylist():
        key = f"{row['goal']} ({row['goal_type']})"
        found[key] = [found[key][0] + row["conversions"], found[key][1] + row["revenue"]]
    wanted = truth(sandbox, WEEK, with_adless=False)
    sold = Decimal(sum(each.sales_cents for each in wanted)) / 100
    assert sold
    assert found == {
        "Demo request (Event)": [sum(each.leads for each in wanted), 0],
        "Purchase (Url)": [sum(each.sales for each in wanted), sold],
    }


def test_calls_of_a_night_and_of_a_year(sandbox: Sandbox) -> None:
    """A report is submitted, polled twice and downloaded; a night is one report a stream, a year one for each 31 days."""
    end = date(2026, 10, 1)
    for days, most in ((7, 4), (365, 12 * 4)):
        sandbox.calls.clear()
        shared_pacer.cache_clear()
        _, tally = read(CAMPAIGNS, settings(sandbox.env), Window(end - timedelta(days=days), end))
        assert tally.api_calls - len(sandbox.calls.list("microsoft_ads", "/token")) <= most
        assert len(sandbox.calls.list("microsoft_ads", "/Submit")) == -(-days // 31)


def test_an_account_without_ads_has_an_answer_without_an_address(sandbox: Sandbox) -> None:
    table, tally = read(ADS, settings(sandbox.env, MICROSOFT_ADS_ACCOUNT_ID=vendor.IDLE_ACCOUNT))
    assert (table.num_rows, tally.read_accounts) == (0, {vendor.IDLE_ACCOUNT})
    assert not sandbox.calls.list("microsoft_ads", "/download")


def test_cost_of_the_last_days_is_taken_back_and_conversions_grow(sandbox: Sandbox) -> None:
    def seen(today: str) -> tuple[Decimal, Decimal]:
        sandbox.clock.set(today)
        rows = read(CAMPAIGNS, settings(sandbox.env), Window.of_day(date(2026, 9, 1)))[0]
        return sum(rows["spend"].to_pylist()), sum(rows["conversions"].to_pylist())

    first, later, final = seen("2026-09-02"), seen("2026-09-29"), seen("2026-10-20")
    assert first[0] > later[0]
    assert first[1] < later[1]
    assert later == final


@pytest.mark.parametrize("stream", microsoft.STREAMS, ids=lambda stream: stream.name)
def test_one_denied_account_of_three_does_not_lose_the_others(sandbox: Sandbox, stream: Stream) -> None:
    ids = f"{vendor.FOREIGN_ACCOUNT}, {vendor.ACCOUNT},{vendor.IDLE_ACCOUNT}"
    alone, _ = read(stream, settings(sandbox.env))
    table, tally = read(stream, settings(sandbox.env, MICROSOFT_ADS_ACCOUNT_ID=ids))
    assert table.equals(alone)
    assert tally.read_accounts == {vendor.ACCOUNT, vendor.IDLE_ACCOUNT}
    [(denied, why)] = tally.failed_accounts.items()
    assert denied == vendor.FOREIGN_ACCOUNT
    assert "role Viewer on this account" in str(why)


@pytest.mark.parametrize(
    ("changed", "error", "says"),
    [
        ({"MICROSOFT_ADS_DEVELOPER_TOKEN": "wrong"}, AuthError, "InvalidCredentials.*MICROSOFT_ADS_DEVELOPER_TOKEN"),
        ({"MICROSOFT_ADS_REFRESH_TOKEN": "wrong"}, AuthError, "put the new token in MICROSOFT_ADS_REFRESH_TOKEN"),
        ({"MICROSOFT_ADS_CLIENT_SECRET": "wrong"}, AuthError, "correct MICROSOFT_ADS_CLIENT_ID"),
        ({"MICROSOFT_ADS_ACCOUNT_ID": "5"}, ConfigError, "account 5: .*is MICROSOFT_ADS_ACCOUNT_ID right"),
        ({"MICROSOFT_ADS_CUSTOMER_ID": "5"}, AuthError, "is MICROSOFT_ADS_CUSTOMER_ID its customer"),
    ],
)
def test_wrong_settings_are_answered_with_the_setting(
    sandbox: Sandbox, changed: dict[str, str], error: type[SourceError], says: str
) -> None:
    with pytest.raises(error, match=says) as raised:
        read(CAMPAIGNS, settings(sandbox.env, **changed))
    assert "sandbox-entra" not in str(raised.value)


def test_an_account_number_is_no_id(sandbox: Sandbox) -> None:
    with pytest.raises(ValueError, match="MICROSOFT_ADS_ACCOUNT_ID 'F123ABCD' is no id"):
        settings(sandbox.env, MICROSOFT_ADS_ACCOUNT_ID="F123ABCD")


def test_the_oldest_day_can_be_asked_and_the_one_before_it_is_refused(sandbox: Sandbox) -> None:
    oldest = microsoft.earliest(sandbox.clock.today())
    assert oldest == date(2023, 10, 2)
    read(CAMPAIGNS, settings(sandbox.env), Window.of_day(oldest))
    with pytest.raises(VendorError, match="daily figures reach back 36 months"):
        read(CAMPAIGNS, settings(sandbox.env), Window.of_day(date(2023, 10, 1)))


# ---- faults ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [ADS, GOALS], ids=lambda stream: stream.name)
@pytest.mark.parametrize("fault", ["throttle", "server_error", "expired_token", "reset", "truncated", "duplicate_row"])
@pytest.mark.parametrize("after", [0, 1, 3])
def test_passing_faults_change_nothing(
    sandbox: Sandbox, waits: list[float], stream: Stream, fault: str, after: int
) -> None:
    unharmed, _ = read(stream, settings(sandbox.env))
    waits.clear()
    sandbox.faults.set("microsoft_ads", fault, 1, after=0 if fault == "duplicate_row" else after)
    table, tally = read(stream, settings(sandbox.env))
    assert table.equals(unharmed)
    assert (tally.bad_row_count, tally.bad_cell_count) == (0, 0)
    if fault == "throttle" and after < 3:
        assert 60.0 in waits
    if fault == "expired_token" and after == 3:  # a download asks for no token: its address is asked for anew
        assert len(sandbox.calls.list("microsoft_ads", "/Poll")) == 2 + 3


@pytest.mark.parametrize("stream", microsoft.STREAMS, ids=lambda stream: stream.name)
def test_a_column_that_nobody_declared_is_kept(sandbox: Sandbox, stream: Stream) -> None:
    sandbox.faults.set("microsoft_ads", "unknown_field", None)
    table, _ = read(stream, settings(sandbox.env))
    assert {json.loads(extra)["BrandNew"] for extra in table["_extra"].to_pylist()} == {"1"}


# ---- scripted answers --------------------------------------------------------------------------------------


def at(server: ScriptedServer, **changed: str) -> MicrosoftAdsSettings:
    env = {
        "MICROSOFT_ADS_DEVELOPER_TOKEN": "d3v", "MICROSOFT_ADS_CLIENT_ID": "app", "MICROSOFT_ADS_REFRESH_TOKEN": "r3fresh",
        "MICROSOFT_ADS_CUSTOMER_ID": "9", "MICROSOFT_ADS_ACCOUNT_ID": "1", "MICROSOFT_ADS_BASE_URL": server.url,
        "MICROSOFT_ADS_TOKEN_URL": f"{server.url}/token",
    }  # fmt: skip
    return settings({**env, **changed})


def packed(text: str | bytes) -> Reply:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("1.csv", text)
    return Reply(file.getvalue())


def service(server: ScriptedServer, *answers: Any) -> Callable[[Asked], Reply | None]:
    """Signs in, takes every report; the rest in order, the last answer for ever. Text is a report's."""
    left = list(answers)

    def rule(asked: Asked) -> Reply:
        if asked.path == "/token":
            return Reply({"access_token": "t0ken", "expires_in": 3600, "refresh_token": "rotated"})
        if asked.path.endswith("/Poll") and left and isinstance(left[0], str | bytes):
            ready = {"Status": "Success", "ReportDownloadUrl": f"{server.url}/file?sig=s1gned"}
            return Reply({"ReportRequestStatus": ready})
        if asked.path.endswith("/Submit") and not isinstance(left[0], Reply):
            return Reply({"ReportRequestId": "7"})
        answer = left.pop(0) if len(left) > 1 else left[0]
        return (
            packed(answer)
            if isinstance(answer, str | bytes)
            else answer
            if isinstance(answer, Reply)
            else Reply(answer)
        )

    return rule


HEADER = ",".join(f'"{name}"' for name in reports.CAMPAIGNS.columns)
LINE = '"2026-11-20","1","USD","{campaign}","C, ""x""","Search","1,234","12","345.60","0","2.50","99.00"'


def text(*lines: str, header: str = HEADER) -> str:
    return "\r\n".join([header, *lines]) + "\r\n"


def recorded(folder: Path, name: str) -> Reply:
    exchange = json.loads((folder / f"fixtures/microsoft_ads/{name}.json").read_text())
    return Reply(exchange["body"], exchange.get("status", 200), exchange.get("headers", {}))


def test_the_recorded_steps_lead_to_a_report(shared_dir: Path, scripted: ScriptedServer, waits: list[float]) -> None:
    submitted, pending, done = (
        recorded(shared_dir, f"ex_{name}") for name in ("submit", "poll_pending", "poll_success")
    )
    done.body["ReportRequestStatus"]["ReportDownloadUrl"] = f"{scripted.url}/file?sig=s1gned"
    scripted.rule(service(scripted, submitted, pending, pending, done, packed(text(LINE.format(campaign="5")))))
    table, _ = read(CAMPAIGNS, at(scripted), DAY)
    assert table.drop(["_extra"]).to_pylist() == [
        {
            "date": date(2026, 11, 20), "account_id": "1", "currency_code": "USD", "campaign_id": "5",
            "campaign_name": 'C, "x"', "campaign_type": "Search", "impressions": 1234, "clicks": 12,
            "spend": Decimal("345.60"), "video_views": 0, "conversions": Decimal("2.5"), "revenue": Decimal(99),
        }
    ]  # fmt: skip
    assert waits == [5, 10]
    sent = scripted.asked[1]
    assert sent.path == "/Reporting/v13/GenerateReport/Submit"
    headers = {
        name: sent.headers.get(name) for name in ("authorization", "developertoken", "customerid", "customeraccountid")
    }
    assert headers == {
        "authorization": "Bearer t0ken", "developertoken": "d3v", "customerid": "9", "customeraccountid": "1",
    }  # fmt: skip
    wanted = json.loads((shared_dir / "fixtures/microsoft_ads/rest_async_doc_derived.json").read_text())[
        "submit_request"
    ]
    asked, example = sent.json["ReportRequest"], wanted["ReportRequest"]
    assert set(asked) == set(example)
    same = ("Type", "Format", "FormatVersion", "Aggregation", "ExcludeReportHeader", "ExcludeColumnHeaders")
    assert [asked[name] for name in same] == [example[name] for name in same]
    assert asked["Scope"] == {"AccountIds": [1]}
    assert (
        asked["Time"]["CustomDateRangeStart"]
        == asked["Time"]["CustomDateRangeEnd"]
        == {"Day": 20, "Month": 11, "Year": 2026}
    )
    assert scripted.asked[-1].query == "sig=s1gned"
    assert not {"authorization", "developertoken"} & set(scripted.asked[-1].headers)


def test_the_recorded_empty_answer_has_no_rows(shared_dir: Path, scripted: ScriptedServer, waits: list[float]) -> None:
    scripted.rule(service(scripted, recorded(shared_dir, "ex_submit"), recorded(shared_dir, "ex_poll_empty")))
    table, tally = read(CAMPAIGNS, at(scripted), DAY)
    assert (table.num_rows, tally.read_accounts) == (0, {"1"})


def test_the_recorded_report_is_read_through_its_frame(shared_dir: Path) -> None:
    """Header and footer are left away as asked; where they are not, they are no rows."""
    whole = (shared_dir / "fixtures/microsoft_ads/report_with_header_footer.csv").read_bytes()
    table, odd = reports._lines(whole, {})
    assert table.column_names == ["AccountId", "CampaignId", "Keyword", "KeywordId", "DeviceType", "Clicks"]
    assert (table["Clicks"].to_pylist(), odd) == (["35", "50"], [])


def test_recorded_refusals_say_what_to_do(shared_dir: Path, scripted: ScriptedServer, waits: list[float]) -> None:
    scripted.rule(service(scripted, recorded(shared_dir, "ex_throttle")))
    with pytest.raises(VendorError, match=r"still fails after 6 attempts.*CallRateExceeded"):
        read(CAMPAIGNS, at(scripted), DAY)
    assert waits == [60.0] * 5
    scripted.rule(service(scripted, recorded(shared_dir, "ex_auth")))
    with pytest.raises(AuthError, match=r"AuthenticationTokenExpired.*MICROSOFT_ADS_REFRESH_TOKEN"):
        read(CAMPAIGNS, at(scripted), DAY)
    scripted.rule(service(scripted, recorded(shared_dir, "ex_domain_error")))
    with pytest.raises(VendorError, match="account 1: NoCompleteDataAvailable"):
        read(CAMPAIGNS, at(scripted), DAY)


def test_a_full_queue_is_waited_for(scripted: ScriptedServer, waits: list[float]) -> None:
    full = Reply(vendor.fault(207, "ConcurrentRequestOverLimit", "wait", kind="ApiFaultDetail"), 400)
    scripted.rule(service(scripted, full))
    with pytest.raises(QuotaError, match="other reports are being made, by other programs as well"):
        read(CAMPAIGNS, at(scripted), DAY)
    assert [wait for wait in waits if wait == 30.0] == [30.0] * 20  # ten minutes; else the pace


def test_a_report_that_fails_or_vanishes_is_asked_for_anew(scripted: ScriptedServer, waits: list[float]) -> None:
    failed = {"ReportRequestStatus": {"Status": "Error", "ReportDownloadUrl": None}}
    gone = Reply(vendor.fault(2100, "ReportingServiceInvalidReportId", "x", kind="ApiFaultDetail"), 400)
    submitted = Reply({"ReportRequestId": "7"})
    scripted.rule(service(scripted, submitted, failed, submitted, gone, submitted, text(LINE.format(campaign="5"))))
    table, tally = read(CAMPAIGNS, at(scripted), DAY)
    assert (table.num_rows, tally.retries) == (1, 2)
    scripted.rule(service(scripted, failed))
    with pytest.raises(VendorError, match=r"account 1: the report of .* failed 3 times: the service says"):
        read(CAMPAIGNS, at(scripted), DAY)


def test_a_file_that_is_none_is_asked_for_anew(scripted: ScriptedServer, waits: list[float]) -> None:
    good = text(LINE.format(campaign="5"))
    whole = packed(good).body
    link = {"ReportRequestStatus": {"Status": "Success", "ReportDownloadUrl": f"{scripted.url}/file?sig=1"}}
    for broken in (Reply(whole[: len(whole) // 2]), Reply(b"<html>")):
        scripted.rule(service(scripted, link, broken, good))
        assert read(CAMPAIGNS, at(scripted), DAY)[0].num_rows == 1
    scripted.rule(
        service(scripted, {"ReportRequestStatus": {"Status": "Success", "ReportDownloadUrl": "http://x.example/a"}})
    )
    with pytest.raises(VendorError, match="none that can be asked safely"):
        read(CAMPAIGNS, at(scripted), DAY)


ODD = [
    pytest.param('"2026-11-20","1","USD"', id="too few cells"),
    pytest.param(LINE.format(campaign="9").replace("345.60", "a lot"), id="spend is text"),
    pytest.param(LINE.format(campaign="9").replace("2026-11-20", "yesterday"), id="no day"),
    pytest.param(LINE.format(campaign="9").replace("USD", ""), id="no currency"),
]


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_line_is_told_and_the_others_are_kept(scripted: ScriptedServer, waits: list[float], odd: str) -> None:
    scripted.rule(service(scripted, text(LINE.format(campaign="1"), odd, LINE.format(campaign="2"))))
    table, tally = read(CAMPAIGNS, at(scripted), DAY)
    assert table["campaign_id"].to_pylist() == ["1", "2"]
    assert tally.bad_row_count == 1


@pytest.mark.parametrize("odd", ODD)
def test_lines_that_are_all_odd_are_a_change_of_the_vendors(
    scripted: ScriptedServer, waits: list[float], odd: str
) -> None:
    scripted.rule(service(scripted, text(odd, odd, odd)))
    with pytest.raises(DriftError, match="microsoft_ads/campaign_performance"):
        read(CAMPAIGNS, at(scripted), DAY)


def test_an_odd_count_costs_the_cell(scripted: ScriptedServer, waits: list[float]) -> None:
    odd = LINE.format(campaign="2").replace('"12"', '"1,2"')
    scripted.rule(service(scripted, text(LINE.format(campaign="1"), odd)))
    table, tally = read(CAMPAIGNS, at(scripted), DAY)
    assert table["clicks"].to_pylist() == [12, None]
    assert (tally.bad_row_count, tally.bad_cell_count) == (0, 1)


def test_a_column_that_is_gone_is_named(scripted: ScriptedServer, waits: list[float]) -> None:
    scripted.rule(service(scripted, text(header=HEADER.replace("Spend", "Cost"))))
    with pytest.raises(DriftError, match="account 1: column Spend is not in the report"):
        read(CAMPAIGNS, at(scripted), DAY)


def test_days_and_accounts_that_nobody_asked_for_are_no_rows(scripted: ScriptedServer, waits: list[float]) -> None:
    scripted.rule(service(scripted, text(LINE.format(campaign="1").replace("2026-11-20", "2026-11-19"))))
    with pytest.raises(VendorError, match="got rows of 2026-11-19"):
        read(CAMPAIGNS, at(scripted), DAY)
    scripted.rule(service(scripted, text(LINE.format(campaign="1").replace('"1","USD"', '"2","USD"'))))
    with pytest.raises(VendorError, match="got rows of account 2"):
        read(CAMPAIGNS, at(scripted), DAY)


def test_an_ad_whose_link_was_changed_is_one_row(scripted: ScriptedServer, waits: list[float]) -> None:
    """Figures of its two rows add up; the same row twice counts once."""
    names = list(reports.ADS.columns)
    line = dict.fromkeys(names, "0") | {
        "TimePeriod": "2026-11-20", "AccountId": "1", "CurrencyCode": "USD", "CampaignId": "5", "AdGroupId": "6", "AdId": "7",
        "FinalUrl": "https://a.example/", "FinalUrlSuffix": "", "TrackingTemplate": "", "CustomParameters": "", "Clicks": "2",
        "Spend": "1.50",
    }  # fmt: skip
    lines = [line, line, {**line, "FinalUrl": "https://b.example/", "Clicks": "3", "Spend": "2.25"}]
    as_text = [",".join(f'"{each[name]}"' for name in names) for each in lines]
    scripted.rule(service(scripted, text(*as_text, header=",".join(names))))
    [row] = read(ADS, at(scripted), DAY)[0].to_pylist()
    assert (row["clicks"], row["spend"], row["address"]) == (5, Decimal("3.75"), "https://a.example/")


def test_what_belongs_to_no_goal_is_kept_and_what_nobody_reached_is_not(
    scripted: ScriptedServer, waits: list[float]
) -> None:
    names = list(reports.GOALS.columns)
    line = dict.fromkeys(names, "7") | {
        "TimePeriod": "2026-11-20", "AccountId": "1", "CurrencyCode": "USD", "Goal": "", "GoalType": "",
        "AllConversionsQualified": "1.50", "AllRevenue": "0",
    }  # fmt: skip
    lines = [line, {**line, "AdId": "8", "AllConversionsQualified": "0"}, {**line, "AdId": "9", "Goal": "Call"}]
    as_text = [",".join(f'"{each[name]}"' for name in names) for each in lines]
    scripted.rule(service(scripted, text(*as_text, header=",".join(names))))
    table, tally = read(GOALS, at(scripted), DAY)
    assert list(zip(*(table[name].to_pylist() for name in ("ad_id", "goal", "conversions")), strict=True)) == [
        ("7", "", Decimal("1.5")), ("9", "Call", Decimal("1.5")),
    ]  # fmt: skip
    assert tally.bad_row_count == 0


@pytest.mark.parametrize(
    ("template", "suffix", "custom", "wanted"),
    [  # lpurl and suffix as the guide on tracking has them
        ("", "", "", "https://a.example/p?x=1#top"),
        ("{lpurl}?ref=bing&cmpid={CampaignID}", "", "", "https://a.example/p?x=1&ref=bing&cmpid=5#top"),
        (
            "",
            "utm_source=bing&s={_season}",
            "{_season}=summer;{_b}=c",
            "https://a.example/p?x=1&utm_source=bing&s=summer#top",
        ),
        ("https://tracker.example/?u={escapedlpurl}", "a={keyword}", "", "https://a.example/p?x=1&a={keyword}#top"),
        ("{lpurl}&c={Campaign}", "", "", "https://a.example/p?x=1&c=A%20%26%20B#top"),
    ],
)
def test_addresses_are_put_together_as_a_click_finds_them(template: str, suffix: str, custom: str, wanted: str) -> None:
    known = {"campaignid": "5", "campaign": "A & B"}
    assert address("https://a.example/p?x=1#top", template, suffix, custom, known) == wanted
