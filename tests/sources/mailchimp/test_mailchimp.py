"""Mailchimp over the wire: against the sandbox, against recorded bodies, and scripted trouble."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from dagster_project.sandbox import Sandbox, serve
from dagster_project.sources import mailchimp
from dagster_project.sources.mailchimp import sandbox as vendor
from dagster_project.wire.contract import AuthError, DriftError, QuotaError, SourceError, Tally, VendorError, Window
from tests.support.scripted_server import Asked, Reply, ScriptedServer

YEAR = Window(date(2025, 10, 1), date(2026, 10, 1))
# 9 July 2025 is the ninth day of the company's history; a newsletter every 14 days from then on
NEWEST = date(2026, 9, 30)
PROBLEM = {"title": "Too Many Requests", "detail": "You have exceeded the limit of 10 simultaneous connections."}


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with serve(today="2026-10-01", vendors=["mailchimp"]) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Iterator[Sandbox]:
    running.calls.clear()
    yield running
    running.faults.clear()
    running.clock.set("2026-10-01")


def read(env: dict[str, str], window: Window = YEAR, **changed: str) -> tuple[list[dict[str, Any]], Tally]:
    tally = Tally()
    of = mailchimp.MailchimpSettings.model_validate({**env, **changed})
    pages = list(mailchimp.read_campaigns(of, window, tally))
    return pa.concat_tables([mailchimp.CAMPAIGNS.schema.empty_table(), *(p.rows for p in pages)]).to_pylist(), tally


def at(server: ScriptedServer, *reports: Any) -> dict[str, str]:
    """Settings for a server that gives these reports in one page."""
    server.reply(Reply({"account_id": "acc"}), path="/3.0/")
    if reports:
        server.reply(Reply({"reports": list(reports), "total_items": len(reports)}), path="/3.0/reports")
    return {"MAILCHIMP_API_KEY": "5ecre7-us21", "MAILCHIMP_BASE_URL": server.url}


def report(number: int, **changed: Any) -> dict[str, Any]:
    return {
        "id": f"c{number}", "campaign_title": f"No {number}", "emails_sent": 100, "abuse_reports": 0, "unsubscribed": 1,
        "send_time": "2026-03-01T09:00:00+00:00", "bounces": {"hard_bounces": 1, "soft_bounces": 2, "syntax_errors": 0},
        "opens": {"unique_opens": 40, "open_rate": 0.41, "last_open": ""},
        "clicks": {"unique_subscriber_clicks": 5, "last_click": ""}, **changed,
    }  # fmt: skip


def test_campaigns_are_the_newsletters_of_the_company(sandbox: Sandbox) -> None:
    rows, tally = read(sandbox.env)
    assert tally.api_calls == 2  # a year of backfill; a night is two calls as well
    assert [row["send_date"].toordinal() - date(2025, 7, 9).toordinal() for row in reversed(rows)] == list(
        range(84, 449, 14)
    )
    newest = rows[0]
    # the 33rd, a day after it went out: 1,800 + 32 x 23 were sent, two bounces of each kind by their turn
    assert newest["send_date"] == NEWEST
    assert (newest["emails_sent"], newest["hard_bounces"], newest["soft_bounces"]) == (2536, 2, 4)
    clicks = [
        click
        for click in sandbox.company.mail_clicks_as_of(sandbox.clock.now()).to_pylist()
        if click["mailing"] == f"Newsletter {rows[3]['send_date']}"
    ]
    assert rows[3]["unique_subscriber_clicks"] == len({click["recipient"] for click in clicks}) > 0
    # half of the opens within half a day, half of the rest in the next ...: all but a 256th after four days
    delivered = rows[3]["emails_sent"] - rows[3]["hard_bounces"] - rows[3]["soft_bounces"]
    assert rows[3]["unique_opens"] == delivered * 42 * 255 // 25600
    assert rows[3]["proxy_excluded_unique_opens"] == rows[3]["unique_opens"] * 45 // 100
    assert sum(row["unsubscribed"] for row in rows) == 1
    assert {row["account_id"] for row in rows} == {vendor.ACCOUNTS[vendor.KEY]}
    assert {row["_extra"] for row in rows} == {None}


def test_a_day_that_is_read_again_has_what_came_since(sandbox: Sandbox) -> None:
    day = Window.of_day(NEWEST)
    before = read(sandbox.env, day)[0]
    sandbox.clock.set("2026-10-20")
    after = read(sandbox.env, day)[0]
    assert [row["id"] for row in before] == [row["id"] for row in after]
    assert after[0]["unique_opens"] > before[0]["unique_opens"]
    assert read(sandbox.env, Window.of_day(date(2026, 9, 29)))[0] == []


def test_recorded_bodies_become_a_row(shared_dir: Path, scripted: ScriptedServer) -> None:
    body = json.loads((shared_dir / "fixtures/mailchimp/report_with_proxy_excluded_200.json").read_text())["body"]
    rows, _ = read(at(scripted, *body["reports"]), Window(date(2026, 11, 1), date(2026, 12, 1)))
    assert {name: rows[0][name] for name in mailchimp.COUNTS} == {
        "emails_sent": 1000, "hard_bounces": 6, "soft_bounces": 9, "syntax_errors": 0, "opens_total": 520,
        "unique_opens": 400, "proxy_excluded_opens": 300, "proxy_excluded_unique_opens": 210, "clicks_total": 75,
        "unique_clicks": 66, "unique_subscriber_clicks": 60, "unsubscribed": 4, "abuse_reports": 1,
    }  # fmt: skip
    # Mailchimp's own rates are of what was delivered: 210 / 985, 60 / 985
    assert round(210 / (1000 - 6 - 9), 4) == body["reports"][0]["opens"]["proxy_excluded_open_rate"]
    assert round(60 / (1000 - 6 - 9), 4) == body["reports"][0]["clicks"]["click_rate"]


def test_a_refused_key_says_what_to_do(shared_dir: Path, scripted: ScriptedServer) -> None:
    exchange = json.loads((shared_dir / "fixtures/mailchimp/error_key_401.json").read_text())
    env = at(scripted)
    scripted.rule(lambda _asked: Reply(exchange["body"], exchange["status"]))
    with pytest.raises(AuthError, match=r"API Key Invalid: .*MAILCHIMP_API_KEY with its data centre") as raised:
        read(env)
    assert "5ecre7" not in str(raised.value)


@pytest.mark.parametrize("fault", ["throttle", "server_error", "reset", "truncated"])
def test_passing_faults_change_nothing(sandbox: Sandbox, waits: list[float], fault: str) -> None:
    right = read(sandbox.env)[0]
    sandbox.faults.set("mailchimp", fault, 1, path="reports")
    rows, tally = read(sandbox.env)
    assert rows == right
    assert (tally.retries, len(waits)) == (1, 1)


@pytest.mark.parametrize("reply", [Reply(b""), Reply("", 403), Reply(PROBLEM, 429)], ids=["empty", "bare 403", "429"])
def test_what_passes_is_asked_again(scripted: ScriptedServer, waits: list[float], reply: Reply) -> None:
    env = at(scripted)
    scripted.reply(reply, Reply({"reports": [report(1)]}), path="/3.0/reports")
    assert [row["id"] for row in read(env)[0]] == ["c1"]
    assert len(waits) == 1


def test_trouble_that_stays_is_told_without_the_key(scripted: ScriptedServer, waits: list[float]) -> None:
    scripted.rule(lambda asked: Reply(f"down {asked.headers}", 503))
    with pytest.raises(VendorError, match="still fails after 6 attempts") as raised:
        read(at(scripted))
    assert "5ecre7" not in str(raised.value)


def test_pages_end_with_a_short_one_whatever_the_total_says(scripted: ScriptedServer) -> None:
    """And a campaign that comes twice, since another was sent meanwhile, is one."""
    pages = {
        "0": [report(number) for number in range(1000)],
        "1000": [report(999), *(report(number) for number in range(1000, 1500))],
    }

    def answer(asked: Asked) -> Reply | None:
        offset = asked.query.rpartition("offset=")[2]
        return Reply({"reports": pages[offset], "total_items": 3}) if asked.path.endswith("reports") else None

    scripted.rule(answer)
    rows, tally = read(at(scripted))
    assert sorted(int(row["id"][1:]) for row in rows) == list(range(1500))
    assert tally.api_calls == 3


def test_half_a_page_twice_is_an_error(scripted: ScriptedServer) -> None:
    page = {"reports": [report(number) for number in range(1000)]}
    scripted.rule(lambda asked: Reply(page) if asked.path.endswith("reports") else None)
    with pytest.raises(VendorError, match="again and again"):
        read(at(scripted))


def test_an_odd_report_among_good_ones_is_told(scripted: ScriptedServer) -> None:
    odd = [
        report(2, emails_sent="many"), report(3, opens=None), report(4, send_time=""), report(5, bounces={"hard_bounces": 1}),
        "nothing", {**report(6), "id": None},
    ]  # fmt: skip
    rows, tally = read(at(scripted, report(1), *odd, report(7)))
    assert [row["id"] for row in rows] == ["c1", "c7"]
    assert tally.bad_row_count == len(odd)
    assert "c2" in tally.bad_rows[0]
    assert "2026-03-01" in tally.bad_rows[0]


def test_a_field_that_all_reports_lack_or_retype_is_named(scripted: ScriptedServer) -> None:
    for changed, said in (({"emails_sent": "x"}, "emails_sent"), ({"clicks": {}}, "unique_subscriber_clicks")):
        with pytest.raises(DriftError, match=rf"mailchimp/campaigns.*{said}.*2026-03-01"):
            read(at(scripted, *(report(number, **changed) for number in range(3))))


def test_an_older_account_does_not_tell_proxies_apart(scripted: ScriptedServer) -> None:
    assert [row["proxy_excluded_unique_opens"] for row in read(at(scripted, report(1)))[0]] == [None]


def test_an_unknown_count_is_kept_beside(sandbox: Sandbox) -> None:
    sandbox.faults.set("mailchimp", "unknown_field", 1)
    assert read(sandbox.env)[0][0]["_extra"] == '{"bot_excluded_opens": 1}'


def test_reports_out_of_the_window_are_not_taken(scripted: ScriptedServer) -> None:
    """Whether Mailchimp's bounds are in or out: what is asked for has a second more on both sides."""
    day = Window.of_day(date(2026, 3, 1))
    times = [
        "2026-02-28T23:59:59+00:00",
        "2026-03-01T00:00:00+00:00",
        "2026-03-01T23:59:59+00:00",
        "2026-03-02T00:00:00Z",
    ]
    rows, _ = read(at(scripted, *(report(n, send_time=moment) for n, moment in enumerate(times))), day)
    assert [row["id"] for row in rows] == ["c1", "c2"]
    assert "since_send_time=2026-02-28T23%3A59%3A59%2B00%3A00" in scripted.asked[-1].query
    assert "before_send_time=2026-03-02T00%3A00%3A00%2B00%3A00" in scripted.asked[-1].query


def test_a_denied_account_of_three_does_not_lose_the_others(sandbox: Sandbox) -> None:
    keys = f"{vendor.KEY},00000000000000000000000000000000-us21,{vendor.SILENT_KEY}"
    rows, tally = read(sandbox.env, MAILCHIMP_API_KEY=keys)
    assert len(rows) == 27
    assert tally.read_accounts == {*vendor.ACCOUNTS.values()}
    assert list(tally.failed_accounts) == ["of key 2"]


def test_a_wait_that_never_ends_is_given_up(scripted: ScriptedServer, waits: list[float]) -> None:
    env = at(scripted)
    scripted.reply(Reply(PROBLEM, 429, {"Retry-After": "7200"}), path="/3.0/reports")
    with pytest.raises(QuotaError, match="7200 s"):
        read(env)


@pytest.mark.parametrize("body", [[], {"reports": None}, {"total_items": 0}, 5], ids=str)
def test_an_answer_of_another_shape_is_an_error_and_no_row(scripted: ScriptedServer, body: Any) -> None:
    env = at(scripted)
    scripted.reply(Reply(json.dumps(body)), path="/3.0/reports")
    with pytest.raises(SourceError, match="MAILCHIMP_BASE_URL"):
        read(env)


@pytest.mark.parametrize("key", ["", "0123456789abcdef", "a-us21,b", "https://x-us21"])
def test_what_is_no_key_is_refused_before_anybody_is_asked(key: str) -> None:
    with pytest.raises(ValueError, match="MAILCHIMP_API_KEY"):
        mailchimp.MailchimpSettings.model_validate({"MAILCHIMP_API_KEY": key})


def test_the_data_centre_is_in_the_key() -> None:
    of = mailchimp.MailchimpSettings.model_validate({"MAILCHIMP_API_KEY": "aa-us3, bb-us21"})
    assert [of.address(key) for key in ("aa-us3", "bb-us21")] == [
        "https://us3.api.mailchimp.com",
        "https://us21.api.mailchimp.com",
    ]
