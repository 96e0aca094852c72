"""Google Ads over the wire: against the sandbox, and against scripted answers that only trouble gives."""

from __future__ import annotations

import json
import re
import socket
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from dagster_project import ingest
from dagster_project.raw.zone import RawZone
from dagster_project.sandbox import Sandbox, serve
from dagster_project.settings import load_settings
from dagster_project.sources import google_ads as ads
from dagster_project.sources.google_ads import sandbox as vendor
from dagster_project.sources.google_ads.settings import GoogleAdsSettings
from dagster_project.wire.contract import (
    AuthError,
    ConfigError,
    DriftError,
    Page,
    QuotaError,
    SourceError,
    Stream,
    Tally,
    VendorError,
    Window,
)
from dagster_project.wire.oauth import shared_token
from tests.support.scripted_server import Asked, Reply, ScriptedServer

CAMPAIGNS, AD_ROWS, CLICKS = ads.STREAMS
YEAR = Window(date(2025, 10, 1), date(2026, 10, 1))
AUGUST = Window(date(2026, 8, 1), date(2026, 9, 1))
SECRETS = {
    "GOOGLE_ADS_DEVELOPER_TOKEN": "dev-s3cr3t",
    "GOOGLE_ADS_CLIENT_ID": "client",
    "GOOGLE_ADS_CLIENT_SECRET": "client-s3cr3t",
    "GOOGLE_ADS_REFRESH_TOKEN": "refresh-s3cr3t",
}


@pytest.fixture(autouse=True)
def signed_out() -> None:
    """Servers of different tests may get the same port, which must not look like the same credentials."""
    shared_token.cache_clear()


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with serve(today="2026-10-01", vendors=["google_ads"]) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Iterator[Sandbox]:
    running.calls.clear()
    yield running
    running.faults.clear()
    running.clock.set("2026-10-01")


def settings(env: dict[str, str], **changed: str) -> GoogleAdsSettings:
    return GoogleAdsSettings.model_validate({**env, **changed})


def read(stream: Stream, of: GoogleAdsSettings, window: Window) -> tuple[pa.Table, Tally]:
    tally = Tally()
    pages = list(stream.read(of, window, tally)) if stream.read else []
    for page in pages:
        assert page.rows.schema.equals(stream.schema)
        assert page.rows.num_rows > 0
    return pa.concat_tables([stream.schema.empty_table(), *(page.rows for page in pages)]), tally


def keys(stream: Stream, table: pa.Table) -> list[tuple]:
    return list(zip(*(table[name].to_pylist() for name in stream.key), strict=True))


# ---- recorded bodies ---------------------------------------------------------------------------------------


def test_the_recorded_answer_becomes_typed_rows(shared_dir: Path, scripted: ScriptedServer) -> None:
    recorded = json.loads((shared_dir / "fixtures/google_ads/searchstream_synthetic.json").read_text())["body"]
    scripted.rule(google(recorded))
    table, _ = read(CAMPAIGNS, at(scripted), AUGUST)
    assert table.to_pylist() == [
        {
            "date": date(2026, 8, 1),
            "customer_currency_code": "EUR",
            "customer_time_zone": "Europe/Berlin",
            "campaign_id": "456",
            "campaign_name": "Brand | Search",
            "campaign_status": "ENABLED",
            "campaign_advertising_channel_type": "SEARCH",
            "impressions": 123,
            "clicks": 7,
            "cost_micros": 1_230_000,
            "conversions": 1.5,
            "conversions_value": 99.9,
            "account_id": "1234567890",
            "_extra": '{"customer.descriptiveName": "Demo", "metrics.allConversions": 2.0}',
        }
    ]


def test_the_recorded_quota_error_names_when_to_come_back(shared_dir: Path, scripted: ScriptedServer) -> None:
    recorded = json.loads((shared_dir / "fixtures/google_ads/errors_doc_derived.json").read_text())["quota_429"]
    scripted.rule(google(Reply(recorded, 429)))
    with pytest.raises(QuotaError, match=r"Number of operations for explorer access.*Run again in 2\.5 hours") as error:
        read(CAMPAIGNS, at(scripted), AUGUST)
    assert error.value.retry_after_seconds == 8962
    assert len(scripted.asked) == 3  # token, hierarchy, and one report: no use in asking again


# ---- against the sandbox -----------------------------------------------------------------------------------


def test_campaigns_of_a_year_equal_what_the_company_spent(sandbox: Sandbox) -> None:
    table, _ = read(CAMPAIGNS, settings(sandbox.env), YEAR)
    expected: dict[tuple, list[float]] = defaultdict(lambda: [0, 0, 0, 0.0, 0.0])
    measures = ("impressions", "clicks", "cost_micros", "conversions", "conversions_value")
    for row in sandbox.company.ad_stats_as_of(sandbox.clock.now()).to_pylist():
        if row["date"] in YEAR:
            sums = expected[row["date"], row["campaign_id"]]
            row["cost_micros"] = row["cost_cents"] * 10_000  # Google's unit: millionths
            sums[:] = [total + row[measure] for total, measure in zip(sums, measures, strict=True)]
    got = {(row["date"], row["campaign_id"]): [row[measure] for measure in measures] for row in table.to_pylist()}
    expected = {key: sums for key, sums in expected.items() if any(sums)}
    assert got.keys() == expected.keys()
    for key, sums in expected.items():
        assert got[key] == pytest.approx(sums)
    assert len(set(keys(CAMPAIGNS, table))) == table.num_rows > 1000


def test_ads_have_their_campaigns_figures_but_for_campaigns_without_ads(sandbox: Sandbox) -> None:
    campaigns, _ = read(CAMPAIGNS, settings(sandbox.env), AUGUST)
    ad_rows, _ = read(AD_ROWS, settings(sandbox.env), AUGUST)
    types = {row["campaign_id"]: row["campaign_advertising_channel_type"] for row in campaigns.to_pylist()}
    with_ads = set(ad_rows["campaign_id"].to_pylist())
    without = {campaign_id for campaign_id, kind in types.items() if kind == "PERFORMANCE_MAX"}
    assert without
    assert not without & with_ads
    assert len(set(keys(AD_ROWS, ad_rows))) == ad_rows.num_rows > 0
    spent: dict[str, int] = defaultdict(int)
    for row in ad_rows.to_pylist():
        spent[row["campaign_id"]] += row["cost_micros"]
    for campaign_id in with_ads:
        of_campaign = sum(r["cost_micros"] for r in campaigns.to_pylist() if r["campaign_id"] == campaign_id)
        assert 0 < spent[campaign_id] <= of_campaign


def test_a_click_id_belongs_to_its_campaign_and_ad(sandbox: Sandbox) -> None:
    window = Window(date(2026, 9, 21), date(2026, 9, 28))
    table, _ = read(CLICKS, settings(sandbox.env), window)
    known = [row for row in sandbox.company.ad_clicks.to_pylist() if row["date"] in window]
    assert {(r["gclid"], r["date"], r["campaign_id"], r["ad_group_id"], r["ad_id"]) for r in table.to_pylist()} == {
        (r["gclid"], r["date"], r["campaign_id"], r["ad_group_id"], r["ad_id"]) for r in known
    }
    assert table.num_rows == len(known) > 50


@pytest.mark.parametrize("stream", [CAMPAIGNS, AD_ROWS], ids=lambda stream: stream.name)
def test_a_year_is_one_query_per_account(sandbox: Sandbox, stream: Stream) -> None:
    _, tally = read(stream, settings(sandbox.env), YEAR)
    assert sandbox.calls.count("google_ads", "searchStream") == 2  # which accounts there are, and the report
    assert tally.api_calls <= 3  # and the token, unless another stream has it already


def test_clicks_are_one_query_a_day_because_the_vendor_takes_no_more(sandbox: Sandbox) -> None:
    read(CLICKS, settings(sandbox.env), Window(date(2026, 9, 1), date(2026, 10, 1)))
    assert sandbox.calls.count("google_ads", "searchStream") == 1 + 30


def test_all_streams_sign_in_once(sandbox: Sandbox) -> None:
    of = settings(sandbox.env, GOOGLE_OAUTH_TOKEN_URL=sandbox.endpoints["google_ads"])  # host only: /token is implied
    for stream in ads.STREAMS:
        read(stream, of, Window.of_day(date(2026, 9, 15)))
    assert sandbox.calls.count("google_ads", "/token") == 1


def test_an_empty_period_is_no_rows_and_no_error(sandbox: Sandbox) -> None:
    table, _ = read(CAMPAIGNS, settings(sandbox.env), Window(date(2024, 1, 1), date(2024, 2, 1)))
    assert table.num_rows == 0


def test_conversions_of_old_days_grow_and_cost_settles(sandbox: Sandbox) -> None:
    weeks = Window(date(2026, 7, 1), date(2026, 8, 17))

    def totals(days_later: int) -> tuple[int, float]:
        sandbox.clock.set(weeks.last + timedelta(days=days_later))
        table, _ = read(CAMPAIGNS, settings(sandbox.env), weeks)
        return sum(table["cost_micros"].to_pylist()), sum(table["conversions"].to_pylist())

    (cost_1, conversions_1), (cost_3, _) = totals(1), totals(ads.FINAL_AFTER_DAYS)
    (cost_30, conversions_30), (cost_60, conversions_60) = totals(ads.RESTATE_DAYS), totals(60)
    assert cost_1 != cost_3 == cost_30 == cost_60  # invalid clicks are credited within three days
    assert 0 <= conversions_1 < conversions_30 == conversions_60


def test_a_manager_gives_its_enabled_accounts_and_says_what_it_left_out(sandbox: Sandbox) -> None:
    of = settings(sandbox.env, GOOGLE_ADS_CUSTOMER_ID="987-654-3210", GOOGLE_ADS_LOGIN_CUSTOMER_ID="")
    table, tally = read(CAMPAIGNS, of, AUGUST)
    direct, _ = read(CAMPAIGNS, settings(sandbox.env), AUGUST)
    assert table.equals(direct)
    paths = [call.path for call in sandbox.calls.list("google_ads", "searchStream")]
    asked = [path.split("/")[3] for path in paths[:3]]
    assert asked == [vendor.MANAGER_ID, vendor.CUSTOMER_ID, vendor.IDLE_CUSTOMER_ID]
    assert tally.notes == [f"account {vendor.CANCELED_CUSTOMER_ID} was skipped: its status is CANCELED"]
    assert tally.read_accounts == {vendor.CUSTOMER_ID, vendor.IDLE_CUSTOMER_ID}
    assert tally.unread_accounts == {vendor.CANCELED_CUSTOMER_ID}


def test_a_cancelled_account_is_skipped_with_a_note(sandbox: Sandbox) -> None:
    both = f"{vendor.CANCELED_CUSTOMER_ID},{vendor.CUSTOMER_ID}"
    table, tally = read(CAMPAIGNS, settings(sandbox.env, GOOGLE_ADS_CUSTOMER_ID=both), AUGUST)
    assert set(table["account_id"].to_pylist()) == {vendor.CUSTOMER_ID}
    assert tally.notes == [
        f"account {vendor.CANCELED_CUSTOMER_ID} was skipped: it is cancelled or not yet enabled (CUSTOMER_NOT_ENABLED)"
    ]
    assert (tally.read_accounts, tally.unread_accounts) == ({vendor.CUSTOMER_ID}, {vendor.CANCELED_CUSTOMER_ID})


def test_what_is_stored_of_an_account_outlives_its_cancellation(sandbox: Sandbox, tmp_path: Path) -> None:
    cancelled = vendor.CANCELED_CUSTOMER_ID
    both, zone = f"{cancelled},{vendor.CUSTOMER_ID}", RawZone(tmp_path / "raw")
    env = {**sandbox.env, "FUNNELHOUSE_HOME": str(tmp_path)}

    def refresh(customer_ids: str) -> ingest.Outcome:
        of = load_settings({**env, "GOOGLE_ADS_CUSTOMER_ID": customer_ids}, folder=tmp_path)
        return next(ingest.run(of, zone, [CAMPAIGNS], "refresh"))

    assert refresh(vendor.CUSTOMER_ID).status == "ok"
    last_month = zone.extracted_days(CAMPAIGNS)
    before = {day: zone.read_day(CAMPAIGNS, day) for day in last_month}
    for day, rows in before.items():  # as if the account had been read every night before it was cancelled
        of_both = [
            rows,
            rows.set_column(rows.schema.get_field_index("account_id"), "account_id", pa.array([cancelled] * len(rows))),
        ]
        page = Page(pa.concat_tables(of_both).select(CAMPAIGNS.schema.names))
        zone.replace_days(CAMPAIGNS, [day], [page], extracted_at=datetime.now(UTC), checked_on=day)
    assert refresh(both).written.quality["unread_accounts"] == [cancelled]
    for day, rows in before.items():
        after = zone.read_day(CAMPAIGNS, day)
        assert set(after["account_id"].to_pylist()) == {cancelled, vendor.CUSTOMER_ID}
        assert pc.sum(after["cost_micros"]).as_py() == 2 * pc.sum(rows["cost_micros"]).as_py()


def test_no_readable_account_is_an_error_and_not_an_empty_month(sandbox: Sandbox) -> None:
    of = settings(sandbox.env, GOOGLE_ADS_CUSTOMER_ID=vendor.CANCELED_CUSTOMER_ID)
    with pytest.raises(ConfigError, match=r"no account of GOOGLE_ADS_CUSTOMER_ID can be read .*CUSTOMER_NOT_ENABLED"):
        read(CAMPAIGNS, of, AUGUST)


@pytest.mark.parametrize(
    ("changed", "error", "says"),
    [
        (
            {"GOOGLE_ADS_REFRESH_TOKEN": "old"},
            AuthError,
            "invalid_grant.*put the new token in GOOGLE_ADS_REFRESH_TOKEN",
        ),
        ({"GOOGLE_ADS_CLIENT_SECRET": "wrong"}, AuthError, "invalid_client.*correct GOOGLE_ADS_CLIENT_ID"),
        ({"GOOGLE_ADS_LOGIN_CUSTOMER_ID": ""}, AuthError, "manager's id in GOOGLE_ADS_LOGIN_CUSTOMER_ID"),
        ({"GOOGLE_ADS_CUSTOMER_ID": "1112223333"}, ConfigError, "1112223333: there is none"),
        (
            {"GOOGLE_ADS_API_VERSION": "v19"},
            ConfigError,
            "no longer serves version v19.*Set GOOGLE_ADS_API_VERSION",
        ),
        (
            {"GOOGLE_ADS_API_VERSION": "v3"},
            ConfigError,
            "no longer serves version v3.*Set GOOGLE_ADS_API_VERSION",
        ),
    ],
    ids=["refresh token", "client", "no manager", "no such account", "version sunset", "version gone"],
)
def test_wrong_settings_are_answered_with_the_setting(
    sandbox: Sandbox, changed: dict[str, str], error: type[SourceError], says: str
) -> None:
    with pytest.raises(error, match=says):
        read(CAMPAIGNS, settings(sandbox.env, **changed), AUGUST)


def test_days_beyond_the_vendors_memory_are_refused_with_the_limit(sandbox: Sandbox) -> None:
    with pytest.raises(VendorError, match="clicks reach back 90 days"):
        read(CLICKS, settings(sandbox.env), Window.of_day(date(2026, 7, 2)))  # 91 days ago
    with pytest.raises(VendorError, match="daily figures 37 months"):
        read(CAMPAIGNS, settings(sandbox.env), Window.of_day(date(2023, 8, 31)))


def test_the_oldest_days_that_the_streams_name_can_be_asked(sandbox: Sandbox) -> None:
    for stream in ads.STREAMS:
        assert stream.earliest
        read(stream, settings(sandbox.env), Window.of_day(stream.earliest(sandbox.clock.today())))


def test_earliest_days_by_the_calendar() -> None:
    assert ads.earliest_clicks(date(2026, 10, 1)) == date(2026, 7, 4)
    assert ads.earliest_daily(date(2026, 10, 1)) == date(2023, 9, 2)
    assert ads.earliest_daily(date(2026, 3, 31)) == date(2023, 3, 1)  # 28 February 2023, and a day


# ---- faults ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["throttle", "server_error", "reset", "truncated", "expired_token", "slow"])
@pytest.mark.parametrize("stream", ads.STREAMS, ids=lambda stream: stream.name)
def test_passing_faults_change_nothing(sandbox: Sandbox, waits: list[float], stream: Stream, fault: str) -> None:
    window = Window(date(2026, 9, 20), date(2026, 9, 27))
    unharmed, _ = read(stream, settings(sandbox.env), window)
    count = 1 if fault == "expired_token" else 2
    sandbox.faults.set("google_ads", fault, count, after=1, **({"seconds": 0.1} if fault == "slow" else {}))
    table, tally = read(stream, settings(sandbox.env), window)
    assert table.equals(unharmed)
    assert tally.retries == (0 if fault == "slow" else count)
    if fault == "throttle":
        assert waits == [1.0, 1.0]  # the vendor's retryDelay


@pytest.mark.parametrize("share", [0.02, 0.3, 0.55, 0.8, 0.999])
def test_a_stream_that_breaks_goes_on_where_it_was_whole(sandbox: Sandbox, waits: list[float], share: float) -> None:
    unharmed, _ = read(CAMPAIGNS, settings(sandbox.env), YEAR)
    sandbox.faults.set("google_ads", "truncated", 4, after=1, share=share)
    table, tally = read(CAMPAIGNS, settings(sandbox.env), YEAR)
    assert keys(CAMPAIGNS, table) == keys(CAMPAIGNS, unharmed)
    assert table.equals(unharmed)
    assert tally.retries == 4


def test_a_fault_that_lasts_ends_in_one_error(sandbox: Sandbox, waits: list[float]) -> None:
    sandbox.faults.set("google_ads", "server_error", None, after=1)
    with pytest.raises(VendorError, match=r"searchStream still fails after 6 attempts.*TRANSIENT_ERROR"):
        read(CAMPAIGNS, settings(sandbox.env), AUGUST)


def test_a_token_that_is_refused_twice_is_no_passing_fault(sandbox: Sandbox, waits: list[float]) -> None:
    sandbox.faults.set("google_ads", "expired_token", None)
    with pytest.raises(AuthError, match="OAUTH_TOKEN_EXPIRED"):
        read(CAMPAIGNS, settings(sandbox.env), AUGUST)
    assert sandbox.calls.count("google_ads", "searchStream") == 2


def test_a_field_that_nobody_declared_is_kept(sandbox: Sandbox) -> None:
    sandbox.faults.set("google_ads", "unknown_field", None)
    table, _ = read(CAMPAIGNS, settings(sandbox.env), AUGUST)
    assert set(table["_extra"].to_pylist()) == {'{"metrics.allConversions": 2.5}'}


# ---- scripted answers --------------------------------------------------------------------------------------


def at(server: ScriptedServer, **changed: str) -> GoogleAdsSettings:
    env = {
        "GOOGLE_ADS_CUSTOMER_ID": "1234567890",
        "GOOGLE_ADS_BASE_URL": server.url,
        "GOOGLE_OAUTH_TOKEN_URL": server.url,
    }
    return settings({**SECRETS, **env}, **changed)


def google(*reports: Any) -> Callable[[Asked], Reply | None]:
    """Google for an account that is no manager; reports are answered in order, the last one for ever."""
    left = [report if isinstance(report, Reply) else Reply(report) for report in reports]

    def rule(asked: Asked) -> Reply:
        if asked.path == "/token":
            return Reply({"access_token": "ya29.s3cr3t", "expires_in": 3599})
        if "customer_client" in asked.json["query"]:
            return Reply([])
        return left.pop(0) if len(left) > 1 else left[0]

    return rule


def row(day: str, campaign_id: str = "1", **metrics: Any) -> dict[str, Any]:
    return {
        "customer": {"id": "1234567890", "currencyCode": "EUR", "timeZone": "Europe/Berlin"},
        "segments": {"date": day},
        "campaign": {
            "id": campaign_id,
            "name": "Brand",
            "status": "ENABLED",
            "advertisingChannelType": "SEARCH",
        },
        "metrics": {"impressions": "10", **metrics},
    }


def batch(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"results": list(rows), "fieldMask": "x", "requestId": "y"}


def failure(code: int, kind: str, name: str, message: str = "", **details: Any) -> dict[str, Any]:
    error = {"errorCode": {kind: name}, "message": message, "details": details}
    return {
        "error": {
            "code": code,
            "message": "No.",
            "status": "X",
            "details": [{"errors": [error], "requestId": "z"}],
        }
    }


def days_asked(server: ScriptedServer) -> list[tuple[str, str]]:
    found = (re.search(r"BETWEEN '(\S+)' AND '(\S+)'", asked.body.decode()) for asked in server.asked)
    return [match.groups() for match in found if match]  # type: ignore[misc]


def test_an_error_after_good_batches_is_asked_again_from_the_first_day_that_was_not_whole(
    scripted: ScriptedServer, waits: list[float]
) -> None:
    first = [row("2026-08-01"), row("2026-08-02"), row("2026-08-03", "1")]
    again = [row("2026-08-03", "1"), row("2026-08-03", "2"), row("2026-08-05")]
    scripted.rule(
        google(
            [batch(*first), failure(500, "internalError", "INTERNAL_ERROR")],
            [batch(*again[:1]), batch(*again[1:])],
        )
    )
    table, tally = read(CAMPAIGNS, at(scripted), AUGUST)
    assert [(str(day), campaign) for _, day, campaign in keys(CAMPAIGNS, table)] == [
        ("2026-08-01", "1"),
        ("2026-08-02", "1"),
        ("2026-08-03", "1"),
        ("2026-08-03", "2"),
        ("2026-08-05", "1"),
    ]
    assert days_asked(scripted) == [("2026-08-01", "2026-08-31"), ("2026-08-03", "2026-08-31")]
    assert tally.retries == 1


@pytest.mark.parametrize("is_cut_at", ["]", '{"results"', ""], ids=["its end", "a batch", "its start"])
def test_an_answer_that_is_cut_though_well_framed_is_asked_again(
    scripted: ScriptedServer, waits: list[float], is_cut_at: str
) -> None:
    whole = json.dumps([batch(row("2026-08-01")), batch(row("2026-08-01", "2"))])
    scripted.rule(google(Reply(whole[: whole.rindex(is_cut_at)] if is_cut_at else ""), Reply(whole)))
    table, tally = read(CAMPAIGNS, at(scripted), AUGUST)
    assert table["campaign_id"].to_pylist() == ["1", "2"]
    assert tally.retries == 1


def test_progress_resets_the_patience(scripted: ScriptedServer, waits: list[float]) -> None:
    """A long report may break more often than one answer may fail, as long as it gets on."""
    breaks = [
        [
            batch(row(f"2026-08-{day:02}"), row(f"2026-08-{day + 1:02}")),
            failure(503, "internalError", "TRANSIENT_ERROR"),
        ]
        for day in range(1, 13)
    ]
    scripted.rule(google(*breaks, [batch(row("2026-08-13"))]))
    table, tally = read(CAMPAIGNS, at(scripted), AUGUST)
    assert [day.day for day in table["date"].to_pylist()] == list(range(1, 14))
    assert tally.retries == 12


def test_pages_are_handed_on_while_the_answer_still_comes(scripted: ScriptedServer) -> None:
    page_is_read, other = socket.socketpair()

    def body() -> Iterator[bytes]:
        yield b"[" + json.dumps(batch(row("2026-08-01"), row("2026-08-02"))).encode()
        other.settimeout(5)
        other.recv(1)
        yield b"," + json.dumps(batch(row("2026-08-02", "2"))).encode() + b"]"

    scripted.rule(google(Reply(body())))
    assert CAMPAIGNS.read
    pages = CAMPAIGNS.read(at(scripted), AUGUST, Tally())
    assert next(pages).rows["date"].to_pylist() == [date(2026, 8, 1)]  # would hang here if the answer were read whole
    page_is_read.send(b".")
    assert [str(key[1:]) for page in pages for key in keys(CAMPAIGNS, page.rows)] == [
        "(datetime.date(2026, 8, 2), '1')",
        "(datetime.date(2026, 8, 2), '2')",
    ]


def test_pages_say_the_accounts_zone_and_currency(scripted: ScriptedServer) -> None:
    scripted.rule(google([batch(row("2026-08-01"))]))
    assert CAMPAIGNS.read
    page = next(CAMPAIGNS.read(at(scripted), AUGUST, Tally()))
    assert page.quality == {"time_zone": "Europe/Berlin", "currency_code": "EUR"}


def test_what_is_omitted_is_zero_null_or_unspecified(scripted: ScriptedServer) -> None:
    sparse = row("2026-08-01")
    del sparse["metrics"]["impressions"], sparse["campaign"]["status"], sparse["campaign"]["name"]
    without_metrics = row("2026-08-02")
    del without_metrics["metrics"]
    scripted.rule(google([batch(sparse, without_metrics)]))
    table, _ = read(CAMPAIGNS, at(scripted), AUGUST)
    for measure in ("impressions", "clicks", "cost_micros", "conversions", "conversions_value"):
        assert table[measure].to_pylist() == [0, 0]
    assert table["campaign_status"].to_pylist() == ["UNSPECIFIED", "ENABLED"]
    assert table["campaign_name"].to_pylist() == [None, "Brand"]


def test_cost_stays_exact_beyond_what_a_double_holds(scripted: ScriptedServer) -> None:
    scripted.rule(google([batch(row("2026-08-01", costMicros="9007199254740993"))]))
    table, _ = read(CAMPAIGNS, at(scripted), AUGUST)
    assert table["cost_micros"].to_pylist() == [9_007_199_254_740_993]


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda r: r["metrics"].update(clicks="many"), r"metrics\.clicks should be int64, but is str 'many'"),
        (lambda r: r["metrics"].update(clicks="1.5"), r"metrics\.clicks should be int64, but is str '1\.5'"),
        (
            lambda r: r["metrics"].update(conversions="2"),
            r"metrics\.conversions should be double, but is str '2'",
        ),
        (
            lambda r: r["metrics"].update(costMicros={"units": 1}),
            r"metrics\.cost_micros should be int64, but is dict",
        ),
        (lambda r: r["campaign"].pop("id"), r"campaign\.id is missing"),
        (lambda r: r["segments"].update(date="next week"), r"segments\.date should be date32"),
    ],
)
def test_a_field_that_changed_is_named_with_its_day(
    scripted: ScriptedServer, damage: Callable[[dict], object], says: str
) -> None:
    rows = [row("2026-08-02"), row("2026-08-02", "2"), row("2026-08-02", "3")]
    for each in rows:
        damage(each)
    scripted.rule(google([batch(*rows)]))
    with pytest.raises(DriftError, match=rf"google_ads/campaign_performance: field {says}.*day (2026-08-02|next week)"):
        read(CAMPAIGNS, at(scripted), AUGUST)


@pytest.mark.parametrize("days", [("2026-08-02", "2026-07-31"), ("2026-08-02", "2026-08-01"), ("2026-09-01",)])
def test_days_out_of_order_or_out_of_the_window_are_refused(scripted: ScriptedServer, days: tuple[str, ...]) -> None:
    scripted.rule(google([batch(row(day)) for day in days]))
    with pytest.raises(VendorError, match=r"asked for 2026-08-0\d\.\.2026-08-31 in order of day, got rows of"):
        read(CAMPAIGNS, at(scripted), AUGUST)


@pytest.mark.parametrize(
    ("reply", "error", "says"),
    [
        (
            Reply(
                [
                    failure(
                        400,
                        "queryError",
                        "UNRECOGNIZED_FIELD",
                        "Unrecognized field in the query: 'metrics.x'.",
                    )
                ],
                400,
            ),
            DriftError,
            r"metrics\.x.*version v26 \(GOOGLE_ADS_API_VERSION\)",
        ),
        (
            Reply([failure(403, "authorizationError", "DEVELOPER_TOKEN_NOT_APPROVED", "Not approved.")], 403),
            AuthError,
            "NOT_APPROVED",
        ),
        (
            Reply([failure(400, "mutateError", "X", "What is this?")], 400),
            VendorError,
            "What is this.*mutateError.X, request z",
        ),
        (Reply(failure(400, "mutateError", "X", "No array.")["error"], 400), VendorError, "answered 400"),
        (Reply(failure(400, "mutateError", "X", "No array around.")), VendorError, "no JSON array"),
        (Reply("<html>proxy</html>"), VendorError, "GOOGLE_ADS_BASE_URL"),
        (
            [batch(row("2026-08-01")), failure(403, "authorizationError", "USER_PERMISSION_DENIED")],
            AuthError,
            "GOOGLE_ADS_LOGIN_CUSTOMER_ID",
        ),
    ],
    ids=[
        "field",
        "not approved",
        "unknown error",
        "strange error",
        "error as object",
        "web page",
        "inside the stream",
    ],
)
def test_errors_say_what_happened_and_what_to_do(
    scripted: ScriptedServer, reply: Any, error: type[SourceError], says: str
) -> None:
    scripted.rule(google(reply))
    with pytest.raises(error, match=says):
        read(CAMPAIGNS, at(scripted), AUGUST)
    assert len(days_asked(scripted)) == 1  # none of these is asked again


def test_an_error_object_without_its_array_is_understood_too(scripted: ScriptedServer, waits: list[float]) -> None:
    throttled = failure(429, "quotaError", "RESOURCE_TEMPORARILY_EXHAUSTED", quotaErrorDetails={"retryDelay": "7s"})
    scripted.rule(google(Reply(throttled, 429), [batch(row("2026-08-01"))]))
    table, _ = read(CAMPAIGNS, at(scripted), AUGUST)
    assert (table.num_rows, waits) == (1, [7.0])


def test_quota_inside_the_stream_is_waited_for(scripted: ScriptedServer, waits: list[float]) -> None:
    throttled = failure(429, "quotaError", "RESOURCE_EXHAUSTED", quotaErrorDetails={"retryDelay": "30s"})
    scripted.rule(google([batch(row("2026-08-01"), row("2026-08-02")), throttled], [batch(row("2026-08-02"))]))
    table, _ = read(CAMPAIGNS, at(scripted), AUGUST)
    assert (table.num_rows, waits) == (2, [30.0])


def test_a_token_that_expires_inside_the_stream_is_renewed(scripted: ScriptedServer, waits: list[float]) -> None:
    expired = failure(401, "authenticationError", "OAUTH_TOKEN_EXPIRED")
    scripted.rule(google([batch(row("2026-08-01"), row("2026-08-02")), expired], [batch(row("2026-08-02"))]))
    table, _ = read(CAMPAIGNS, at(scripted), AUGUST)
    assert table.num_rows == 2
    assert [asked.path for asked in scripted.asked].count("/token") == 2


def test_what_a_query_cost_is_shown(scripted: ScriptedServer) -> None:
    scripted.rule(google([{**batch(row("2026-08-01")), "queryResourceConsumption": "1234"}]))
    _, tally = read(CAMPAIGNS, at(scripted), AUGUST)
    assert tally.quota == {"query_resource_consumption": 1234.0}


def test_clicks_without_an_id_are_counted_and_left_out(scripted: ScriptedServer) -> None:
    def click(**click_view: str) -> dict[str, Any]:
        return {
            "customer": {"id": "1234567890"},
            "segments": {"date": "2026-09-01"},
            "campaign": {"id": "1"},
            "clickView": click_view,
        }

    rows = [
        click(gclid="abc", adGroupAd="customers/1234567890/adGroupAds/77~88"),
        click(gclid="def"),
        click(),
    ]
    scripted.rule(google([batch(*rows)]))
    table, tally = read(CLICKS, at(scripted), Window.of_day(date(2026, 9, 1)))
    assert list(zip(table["gclid"].to_pylist(), table["ad_id"].to_pylist(), strict=True)) == [
        ("abc", "88"),
        ("def", None),
    ]
    assert tally.notes == ["2026-09-01: 1 clicks have no click id (app campaigns have none) and were left out"]
    scripted.rule(google([batch(*[click(gclid=name, adGroupAd="ads/88") for name in "abc"])]))
    with pytest.raises(DriftError, match=r"click_view\.ad_group_ad should end in /adGroupAds/"):
        read(CLICKS, at(scripted), Window.of_day(date(2026, 9, 1)))


def test_requests_carry_what_google_wants(scripted: ScriptedServer) -> None:
    scripted.rule(google([batch(row("2026-08-01"))]))
    read(
        CAMPAIGNS,
        at(scripted, GOOGLE_ADS_CUSTOMER_ID="123-456-7890", GOOGLE_ADS_LOGIN_CUSTOMER_ID="987-654-3210"),
        AUGUST,
    )
    token, _, report = scripted.asked
    assert token.body == (
        b"grant_type=refresh_token&client_id=client&client_secret=client-s3cr3t&refresh_token=refresh-s3cr3t"
    )
    assert report.path == "/v26/customers/1234567890/googleAds:searchStream"
    assert report.headers["authorization"] == "Bearer ya29.s3cr3t"
    assert report.headers["developer-token"] == "dev-s3cr3t"
    assert report.headers["login-customer-id"] == "9876543210"
    assert report.json["query"].endswith("ORDER BY segments.date PARAMETERS omit_unselected_resource_names=true")


def test_without_a_developer_token_its_header_is_not_sent(scripted: ScriptedServer) -> None:
    scripted.rule(google([batch(row("2026-08-01"))]))
    of = at(scripted).model_copy(update={"developer_token": None})
    assert read(CAMPAIGNS, of, AUGUST)[0].num_rows == 1
    assert all("developer-token" not in asked.headers for asked in scripted.asked)


@pytest.mark.parametrize(
    "reply",
    [
        Reply([failure(403, "authorizationError", "X", "developer-token: dev-s3cr3t, Bearer ya29.s3cr3t")], 403),
        Reply("<html>refresh_token=refresh-s3cr3t</html>"),
        Reply([failure(500, "internalError", "INTERNAL_ERROR", "client_secret=client-s3cr3t")], 500),
    ],
)
def test_no_secret_is_in_an_error(scripted: ScriptedServer, waits: list[float], reply: Reply) -> None:
    scripted.rule(google(reply))
    with pytest.raises(SourceError) as error:
        read(CAMPAIGNS, at(scripted), AUGUST)
    assert "s3cr3t" not in "".join(traceback.format_exception(error.value))


def test_the_streams_declare_how_they_are_read_again() -> None:
    assert [(s.name, s.restate_days, s.settles_after_days, s.deep_restate_days) for s in ads.STREAMS] == [
        ("campaign_performance", 30, 3, 90),
        ("ad_performance", 30, 3, 90),
        ("clicks", 3, 3, 3),
    ]
