"""Telegram over the wire: against the sandbox, against recorded bodies, and scripted trouble."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from dagster_project import ingest
from dagster_project.raw.zone import RawZone
from dagster_project.sandbox import Sandbox, serve
from dagster_project.settings import load_settings
from dagster_project.sources import telegram
from dagster_project.sources.telegram import sandbox as vendor
from dagster_project.wire.contract import (
    AuthError,
    ConfigError,
    DriftError,
    QuotaError,
    SourceError,
    Tally,
    VendorError,
    Window,
)
from tests.support.scripted_server import Reply, ScriptedServer

TODAY = Window.of_day(date(2026, 10, 1))
# 10,974 hours after 1 July 2025 at 0:00 UTC: 3,180 at first, 4 a day, and (10,974 x 7) mod 5 = 3 of the hour
MEMBERS_TODAY = 3_180 + 1_829 + 3


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with serve(today="2026-10-01", vendors=["telegram"]) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Iterator[Sandbox]:
    running.calls.clear()
    yield running
    running.faults.clear()
    running.clock.set("2026-10-01")


def read(env: dict[str, str], **changed: str) -> tuple[list[dict[str, Any]], Tally]:
    tally = Tally()
    of = telegram.TelegramSettings.model_validate({**env, **changed})
    pages = list(telegram.read_members(of, TODAY, tally))
    return pa.concat_tables([telegram.MEMBERS.schema.empty_table(), *(p.rows for p in pages)]).to_pylist(), tally


def at(server: ScriptedServer, channels: str = "@a") -> dict[str, str]:
    return {"TELEGRAM_BOT_TOKEN": "1:s3cr3t-token", "TELEGRAM_CHANNELS": channels, "TELEGRAM_BASE_URL": server.url}


def recorded(shared_dir: Path, name: str) -> Reply:
    exchange = json.loads((shared_dir / f"fixtures/telegram/{name}.json").read_text())
    return Reply(exchange["body"], exchange["status"])


def test_the_members_of_a_channel_are_those_of_the_company(sandbox: Sandbox) -> None:
    rows, tally = read(sandbox.env)
    assert rows == [
        {"date": date(2026, 10, 1), "chat_id": "-1001000000001", "title": "Kontorra", "chat_type": "channel",
         "members": MEMBERS_TODAY, "account_id": "@kontorra", "_extra": None}
    ]  # fmt: skip
    assert tally.api_calls == 2  # a night; 730 a year: no backfill can be asked


def test_recorded_bodies_become_a_row(shared_dir: Path, scripted: ScriptedServer) -> None:
    scripted.reply(recorded(shared_dir, "get_chat_200"), recorded(shared_dir, "member_count_200"))
    rows, _ = read(at(scripted))
    assert [(row["chat_id"], row["members"]) for row in rows] == [("-1001000000001", 12345)]


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("error_not_found_400", ConfigError, "@a: Bad Request: chat not found; correct TELEGRAM_CHANNELS"),
        ("error_not_member_403", AuthError, "add the bot to the channel"),
        ("error_token_401", AuthError, "put the one that @BotFather shows in TELEGRAM_BOT_TOKEN"),
    ],
)
def test_recorded_refusals_say_what_to_do(
    shared_dir: Path, scripted: ScriptedServer, name: str, error: type[SourceError], says: str
) -> None:
    scripted.reply(recorded(shared_dir, name))
    with pytest.raises(error, match=says) as raised:
        read(at(scripted))
    assert "s3cr3t" not in str(raised.value)
    assert len(scripted.asked) == 1


def test_a_flood_is_waited_for_as_long_as_it_says(
    shared_dir: Path, scripted: ScriptedServer, waits: list[float]
) -> None:
    flood = recorded(shared_dir, "error_flood_429")
    scripted.reply(flood, recorded(shared_dir, "get_chat_200"), recorded(shared_dir, "member_count_200"))
    assert len(read(at(scripted))[0]) == 1
    assert waits == [35]
    flood.body["parameters"]["retry_after"] = 7200
    scripted.reply(flood)
    with pytest.raises(QuotaError, match=r"Run again in 2\.0 hours"):
        read(at(scripted))


@pytest.mark.parametrize("fault", ["throttle", "server_error", "reset", "truncated"])
def test_passing_faults_change_nothing(sandbox: Sandbox, waits: list[float], fault: str) -> None:
    sandbox.faults.set("telegram", fault, 1, path="Count")
    rows, tally = read(sandbox.env)
    assert [row["members"] for row in rows] == [MEMBERS_TODAY]
    assert tally.retries == 1
    if fault == "throttle":
        assert waits == [3]


def test_an_empty_answer_is_asked_again(scripted: ScriptedServer, waits: list[float]) -> None:
    scripted.reply(Reply(b""), Reply({"ok": True, "result": {"id": 1}}), Reply({"ok": True, "result": 5}))
    assert [row["members"] for row in read(at(scripted))[0]] == [5]
    assert len(waits) == 1


def test_trouble_that_stays_is_told_without_the_token(scripted: ScriptedServer, waits: list[float]) -> None:
    scripted.rule(lambda asked: Reply("down " + asked.path, 503))
    with pytest.raises(VendorError, match="still fails after 6 attempts") as raised:
        read(at(scripted))
    assert "s3cr3t" not in str(raised.value)


def test_a_field_of_another_type_is_named(scripted: ScriptedServer) -> None:
    scripted.reply(Reply({"ok": True, "result": {"id": 1}}), Reply({"ok": True, "result": "many"}))
    with pytest.raises(DriftError, match=r"telegram/members.*members.*2026-10-01"):
        read(at(scripted))
    scripted.reply(Reply({"ok": True, "result": {"id": 1}}), Reply({"ok": True, "result": None}))
    with pytest.raises(DriftError, match="members"):
        read(at(scripted))


def test_an_unknown_field_is_not_taken(sandbox: Sandbox) -> None:
    sandbox.faults.set("telegram", "unknown_field", 1)
    assert [row["members"] for row in read(sandbox.env)[0]] == [MEMBERS_TODAY]


def test_a_denied_channel_of_three_does_not_lose_the_others(sandbox: Sandbox) -> None:
    rows, tally = read(sandbox.env, TELEGRAM_CHANNELS=f"@kontorra,{vendor.PRIVATE_CHANNEL},-1001000000001")
    assert [row["account_id"] for row in rows] == ["@kontorra", "-1001000000001"]
    assert list(tally.failed_accounts) == [vendor.PRIVATE_CHANNEL]


def test_a_channel_that_is_none_is_refused_before_it_is_asked() -> None:
    with pytest.raises(ValueError, match=r"'kontorra' is no channel"):
        telegram.TelegramSettings.model_validate({"TELEGRAM_BOT_TOKEN": "1:x", "TELEGRAM_CHANNELS": "kontorra"})


def test_a_past_day_never_gets_todays_count(sandbox: Sandbox, tmp_path: Path) -> None:
    zone, env = RawZone(tmp_path / "raw"), {**sandbox.env, "FUNNELHOUSE_HOME": str(tmp_path)}

    def run(mode: ingest.Mode, asked: Window | None = None) -> ingest.Outcome:
        of = load_settings({**env, "FUNNELHOUSE_TODAY": str(sandbox.clock.today())}, folder=tmp_path)
        return next(ingest.run(of, zone, [telegram.MEMBERS], mode, asked))

    assert run("refresh").status == "ok"
    sandbox.clock.set(datetime(2026, 10, 4, 6, tzinfo=UTC))  # two nights are missed
    assert run("backfill", Window(date(2026, 9, 1), date(2026, 10, 4))).status == "skipped"
    assert run("refresh").status == "ok"
    stored = {
        day: zone.read_day(telegram.MEMBERS, day)["members"].to_pylist()
        for day in zone.extracted_days(telegram.MEMBERS)
    }
    assert list(stored) == [date(2026, 10, 1), date(2026, 10, 4)]
    assert stored[date(2026, 10, 1)] == [MEMBERS_TODAY]
    assert stored[date(2026, 10, 4)] == [3_180 + 4 * (10_974 + 72) // 24 + (10_974 + 72) * 7 % 5]
    assert stored[date(2026, 10, 4)] != stored[date(2026, 10, 1)]
