"""Alerts as they are received: a bad night makes one message a cause, a second one nothing, the good one after it its end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from apprise.plugins.telegram import NotifyTelegram

from dagster_project.defs.alerts import alerts_sensor
from dagster_project.runs import alerts
from dagster_project.runs.alerts import book
from tests.support.receivers import MailReceiver, WebReceiver, mail_receiver, web_receiver
from tests.support.troubled_home import NIGHT, TODAY, TroubledHome

SECRET = "T0KEN9secret"
HOSTILE = "<!channel> <b>big</b> [here](http://evil.example) *x* \u202e=cmd|' /C calc'!A0"
USUAL = {TODAY - timedelta(days=n): 400.0 + n % 7 for n in range(2, 130)}


@pytest.fixture
def web() -> Iterator[WebReceiver]:
    with web_receiver() as receiver:
        yield receiver


@pytest.fixture
def mail() -> Iterator[MailReceiver]:
    with mail_receiver() as receiver:
        yield receiver


def _webhook(web: WebReceiver) -> str:
    return f"json://127.0.0.1:{web.port}/{SECRET}"


def _bad_night(home: TroubledHome, *, has_run: bool = True) -> None:
    for name in ("pipedrive/deals", "pipedrive/persons"):
        home.fail(name, f"{name}: the vendor answered 503")
    home.refuse("config/ledger", {TODAY: 3})
    home.publish(sessions={**USUAL, TODAY - timedelta(days=1): 80.0}, spend_at_risk=300, campaign=HOSTILE)
    if has_run:
        home.run(failure="A dbt test failed, so KPIs were not computed:\n  unique on marts.fct_leads: 2 rows")


def _good_night(home: TroubledHome) -> None:
    home.read_well()
    home.publish(sessions={**USUAL, TODAY - timedelta(days=1): 400.0})
    home.run()


def test_a_bad_night_is_one_message_a_cause_and_the_good_one_after_it_says_that_it_is_over(
    tmp_path: Path, well: TroubledHome, web: WebReceiver
) -> None:
    home = TroubledHome(tmp_path, _webhook(web), like=well)
    _bad_night(home)
    assert home.tell() == []
    messages = web.bodies()
    said = {message["title"]: message["message"] for message in messages}
    assert sorted(said) == [
        "Funnelhouse: 1 KPI far from usual on 2026-03-30",
        "Funnelhouse: config: rows of 1 stream were refused",
        "Funnelhouse: pipedrive: 2 streams could not be read",
        "Funnelhouse: spend at risk under 1 finding of the UTM audit",
        "Funnelhouse: the last refresh failed",
    ]
    assert messages[0]["title"] == "Funnelhouse: the last refresh failed"  # what is critical comes first
    assert messages[0]["type"] == "failure"
    assert "Cause: A dbt test failed" in said["Funnelhouse: the last refresh failed"]
    assert "unique on marts.fct_leads: 2 rows" in said["Funnelhouse: the last refresh failed"]
    assert "Run: funnelhouse refresh" in said["Funnelhouse: the last refresh failed"]
    of_source = said["Funnelhouse: pipedrive: 2 streams could not be read"]
    assert "- pipedrive/deals: pipedrive/deals: the vendor answered 503" in of_source
    assert "KPIs touched: win_rate" in of_source
    assert "funnelhouse refresh --source pipedrive" in of_source
    assert "3 rows left out, on 2026-03-31" in said["Funnelhouse: config: rows of 1 stream were refused"]
    assert "80 on 2026-03-30 where 40" in said["Funnelhouse: 1 KPI far from usual on 2026-03-30"]
    assert "300 EUR of 1,000" in said["Funnelhouse: spend at risk under 1 finding of the UTM audit"]

    web.received.clear()
    _bad_night(home, has_run=False)  # the failed run is still the last
    assert home.tell(NIGHT + timedelta(days=1)) == []
    assert web.received == []

    _good_night(home)
    assert home.tell(NIGHT + timedelta(days=2)) == []
    assert sorted(message["title"] for message in web.bodies()) == sorted(
        title.replace("Funnelhouse: ", "Funnelhouse: Over: ") for title in said
    )
    assert {message["type"] for message in web.bodies()} == {"success"}
    assert "from 2026-03-31 04:00 UTC to 2026-04-02 04:00 UTC" in web.bodies()[0]["message"]
    web.received.clear()
    assert home.tell(NIGHT + timedelta(days=3)) == []
    assert web.received == []


def test_one_more_stream_of_a_source_is_news(tmp_path: Path, well: TroubledHome, web: WebReceiver) -> None:
    home = TroubledHome(tmp_path, _webhook(web), like=well)
    home.fail("pipedrive/deals", "the vendor answered 503")
    home.tell()
    home.fail("pipedrive/persons", "the vendor answered 503")
    home.tell()
    assert [body["title"] for body in web.bodies()] == [
        "Funnelhouse: pipedrive: 1 stream could not be read",
        "Funnelhouse: pipedrive: 2 streams could not be read",
    ]


def test_changed_fields_are_told_as_such_and_late_sources_are_told_although_nothing_ran(
    tmp_path: Path, well: TroubledHome, web: WebReceiver
) -> None:
    home = TroubledHome(tmp_path, _webhook(web), like=well)
    home.fail("pipedrive/deals", "pipedrive/deals: field 'value' is text, declared is a number", "DriftError")
    home.tell()
    [drift] = web.bodies()
    assert drift["title"] == "Funnelhouse: pipedrive: fields of 1 stream are not those that are declared"
    assert drift["type"] == "failure"
    web.received.clear()
    home.today += timedelta(days=2)
    home.tell()
    late = [body["message"] for body in web.bodies() if "pipedrive" in body["title"]]
    assert "- pipedrive/persons: was read last on 2026-03-31, 2 days ago" in late[0]


def test_in_quiet_hours_only_what_is_critical_is_said_and_the_rest_after_them(
    tmp_path: Path, well: TroubledHome, web: WebReceiver
) -> None:
    home = TroubledHome(tmp_path, _webhook(web), 'alerts: {quiet_hours: {from: "22:00", to: "07:00"}}\n', like=well)
    home.refuse("config/ledger", {TODAY: 3})
    home.fail("pipedrive/persons", "the vendor answered 503")
    home.fail("pipedrive/deals", "field 'value' is text, declared is a number", "DriftError")
    home.tell(NIGHT)  # 4:00
    critical = "Funnelhouse: pipedrive: fields of 1 stream are not those that are declared"
    assert [body["title"] for body in web.bodies()] == [critical]
    assert not alerts.is_anything_due(home.settings, NIGHT + timedelta(hours=2))
    assert alerts.is_anything_due(home.settings, NIGHT + timedelta(hours=3))
    home.refuse("config/ledger", {})  # mended before anybody woke up: said as over, and not as begun
    home.tell(NIGHT + timedelta(hours=3))
    assert sorted(body["title"] for body in web.bodies()[1:]) == [
        "Funnelhouse: Over: config: rows of 1 stream were refused",
        "Funnelhouse: pipedrive: 1 stream could not be read",
    ]


def test_telegram_and_mail_show_hostile_names_as_text(
    tmp_path: Path, well: TroubledHome, web: WebReceiver, mail: MailReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(NotifyTelegram, "notify_url", f"http://127.0.0.1:{web.port}/bot")
    telegram = "tgram://123456789:abcdefg_hijklmnop/12315544/"
    address = f"mailto://127.0.0.1:{mail.port}?from=funnelhouse@example.com&to=team@example.com&mode=insecure"
    home = TroubledHome(tmp_path, f"{telegram} {address}", like=well)
    home.publish(sessions={}, spend_at_risk=300, campaign=HOSTILE + "\r\nBcc: all@example.com")
    home.fail("pipedrive/deals", f"no deal {HOSTILE}")
    assert home.tell() == []
    texts = [body["text"] for path, body in web.received if path.endswith("/sendMessage")]
    assert len(texts) == 2
    assert all(body["parse_mode"] == "HTML" for _, body in web.received)
    for text in texts:
        assert "&lt;b&gt;big&lt;/b&gt; [here](http://evil.example)" in text
        assert "\u202e" not in text
    assert len(mail.received) == 2
    for message in mail.received:
        assert message["Bcc"] is None
        assert message.get_content_type() == "text/plain"
        assert "<b>big</b> [here](http://evil.example)" in message.get_content()


def test_an_address_that_fails_fails_nobody_is_told_without_its_secret_and_gets_it_later(
    tmp_path: Path,
    well: TroubledHome,
    web: WebReceiver,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with web_receiver() as broken:
        broken.status = 500
        home = TroubledHome(tmp_path, f"{_webhook(broken)} {_webhook(web)} nonsense://{SECRET}", like=well)
        home.fail("pipedrive/deals", "the vendor answered 503")
        home.refuse("config/ledger", {TODAY: 3})
        untold = home.tell()
        assert len(web.received) == 2
        assert [line.partition(":")[0] for line in untold] == [
            "FUNNELHOUSE_ALERT_URLS, address 1 (json)",
            "FUNNELHOUSE_ALERT_URLS, address 3 (nonsense)",
        ]
        assert book.read(home.settings.home).unsent == untold
        broken.status = 200
        home.tell()
        assert len(broken.received) == 2
        assert len(web.received) == 2  # it knows already
    everything = "".join([*untold, caplog.text, *capfd.readouterr(), (home.settings.home / "alerts.json").read_text()])
    assert SECRET not in everything


def test_a_crash_between_sending_and_noting_says_it_twice_and_never_not_at_all(
    tmp_path: Path, well: TroubledHome, web: WebReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = TroubledHome(tmp_path, _webhook(web), like=well)
    home.fail("pipedrive/deals", "the vendor answered 503")
    with monkeypatch.context() as patched:
        patched.setattr(book.Book, "was_told", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            home.tell()
    home.tell()
    assert [body["title"] for body in web.bodies()] == ["Funnelhouse: pipedrive: 1 stream could not be read"] * 2
    (home.settings.home / "alerts.json").write_text('{"entries": {"x": ')  # the disk lost a part
    home.tell()
    assert len(web.received) == 3
    assert json.loads((home.settings.home / "alerts.json").read_text())["entries"]


def test_what_could_not_be_looked_at_is_not_said_to_be_over(
    tmp_path: Path, well: TroubledHome, web: WebReceiver
) -> None:
    home = TroubledHome(tmp_path, _webhook(web), like=well)
    home.publish(sessions={}, spend_at_risk=300)
    home.tell()
    assert len(web.received) == 1
    (home.settings.published_folder / "funnelhouse.duckdb").write_bytes(b"no database")
    assert home.look().blind.keys() >= {"spend", "kpi"}
    home.tell()
    home.publish(sessions={}, spend_at_risk=300, spend=None)  # without exchange rates
    assert home.look().blind["spend"] == ""
    home.tell()
    assert len(web.received) == 1


def test_where_nobody_is_to_be_told_nothing_is_kept_to_be_said(tmp_path: Path, well: TroubledHome) -> None:
    home = TroubledHome(tmp_path, like=well)
    home.fail("pipedrive/deals", "the vendor answered 503")
    assert home.tell() == []
    assert [entry.trouble.cause for entry in book.read(home.settings.home).open] == ["source pipedrive"]
    home.read_well()
    assert home.tell() == []
    assert book.read(home.settings.home).entries == {}


def test_dagsters_sensor_tells_of_a_run_that_nobody_waited_for(
    tmp_path: Path, well: TroubledHome, web: WebReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = TroubledHome(tmp_path, _webhook(web), like=well)
    for name, value in home.environment().items():
        monkeypatch.setenv(name, value)
    home.run(failure="the disk is full")
    context = dg.build_sensor_context(home.dagster())
    alerts_sensor(context)
    assert [body["title"] for body in web.bodies()] == ["Funnelhouse: the last refresh failed"]
    assert "the disk is full" in web.bodies()[0]["message"]
    again = alerts_sensor(dg.build_sensor_context(home.dagster(), cursor=context.cursor))
    assert isinstance(again, dg.SkipReason)
    assert again.skip_message == "nothing has happened since the last look"
    assert len(web.received) == 1
