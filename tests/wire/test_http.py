"""The shared HTTP session: what is asked again, what ends in which error, and that nothing secret is shown."""

from __future__ import annotations

import socket
import threading
import time
import traceback
from pathlib import Path

import pytest

from dagster_project.wire.contract import AuthError, GivenUp, QuotaError, SourceError, Tally, VendorError
from dagster_project.wire.http import CHUNK_BYTES, Http, Verdict, redact
from dagster_project.wire.retrying import ATTEMPTS, PATIENCE_SECONDS, Interrupted
from tests.support.scripted_server import Reply, ScriptedServer

GOOD = Reply({"rows": [1, 2, 3]})


@pytest.fixture
def tally() -> Tally:
    return Tally()


@pytest.fixture
def http(scripted: ScriptedServer, tally: Tally, waits: list[float]) -> Http:
    return Http("shop", scripted.url, tally)


def test_a_good_answer_costs_one_call(http: Http, scripted: ScriptedServer, tally: Tally) -> None:
    scripted.reply(GOOD)
    assert http.get_json("/v1/things", params={"page": 2}) == {"rows": [1, 2, 3]}
    assert (tally.api_calls, tally.retries, tally.bytes_received) == (1, 0, len('{"rows": [1, 2, 3]}'))
    assert (scripted.asked[0].path, scripted.asked[0].query) == ("/v1/things", "page=2")


@pytest.mark.parametrize(
    "trouble",
    [
        Reply("busy", 503),
        Reply("too many", 429),
        Reply(reset=True),
        Reply({"rows": [1, 2, 3]}, cut_after=5),
        Reply('{"rows": [1, 2'),  # cut, though the length is right: a proxy's work
        Reply(b""),
        Reply(b" \n"),
        Reply(b"", 204),
    ],
    ids=["503", "429", "reset", "cut", "cut but well framed", "an empty 200", "a blank 200", "204"],
)
def test_passing_trouble_is_ridden_out(
    http: Http, scripted: ScriptedServer, tally: Tally, waits: list[float], trouble: Reply
) -> None:
    scripted.reply(trouble, trouble, GOOD)
    assert http.get_json("/v1/things") == {"rows": [1, 2, 3]}
    assert (tally.api_calls, tally.retries) == (3, 2)
    assert 0.5 <= waits[0] <= 1.0 <= waits[1] <= 1.5  # doubles, with up to half a second of chance


def test_the_vendors_own_waiting_time_is_kept(http: Http, scripted: ScriptedServer, waits: list[float]) -> None:
    scripted.reply(Reply("slow down", 429, {"Retry-After": "17"}), GOOD)
    http.get_json("/v1/things")
    assert waits == [17.0]


def test_a_long_waiting_time_ends_in_a_quota_error(http: Http, scripted: ScriptedServer, waits: list[float]) -> None:
    scripted.reply(Reply("slow down", 429, {"Retry-After": str(int(PATIENCE_SECONDS) + 1)}))
    with pytest.raises(QuotaError, match="run again after that") as caught:
        http.get_json("/v1/things")
    assert caught.value.retry_after_seconds == PATIENCE_SECONDS + 1
    assert waits == []


def test_lasting_trouble_ends_in_one_error(http: Http, scripted: ScriptedServer, tally: Tally) -> None:
    scripted.reply(*[Reply("down for repair", 503)] * ATTEMPTS)
    with pytest.raises(VendorError, match=rf"/v1/things still fails after {ATTEMPTS} attempts.*503.*down for repair"):
        http.get_json("/v1/things")
    assert (tally.api_calls, tally.retries) == (ATTEMPTS, ATTEMPTS - 1)


@pytest.mark.parametrize(
    ("status", "error"), [(401, AuthError), (403, AuthError), (400, VendorError), (404, VendorError)]
)
def test_what_no_retry_mends_is_not_retried(
    http: Http, scripted: ScriptedServer, tally: Tally, status: int, error: type[SourceError]
) -> None:
    scripted.reply(Reply({"message": "no such thing"}, status))
    with pytest.raises(error, match="no such thing"):
        http.get_json("/v1/things")
    assert tally.api_calls == 1


def test_a_web_page_instead_of_json_says_so_at_once(http: Http, scripted: ScriptedServer, tally: Tally) -> None:
    scripted.reply(Reply("<html>Welcome to our proxy</html>"))
    with pytest.raises(VendorError, match=r"not JSON \(starts '<html>Welcome.*is the base URL right\?"):
        http.get_json("/v1/things")
    assert tally.api_calls == 1


def test_answers_that_stay_empty_are_one_error(http: Http, scripted: ScriptedServer, tally: Tally) -> None:
    scripted.reply(*[Reply(b"")] * ATTEMPTS)
    with pytest.raises(VendorError, match=rf"after {ATTEMPTS} attempts: answered 200 with nothing at all"):
        http.get_json("/v1/things")


def test_a_sign_in_page_is_named_as_one(http: Http, scripted: ScriptedServer, tally: Tally) -> None:
    page = "<!DOCTYPE html><html><title>Sign in to HotelWiFi</title></html>"
    scripted.reply(Reply(page, headers={"Content-Type": "text/html"}))
    with pytest.raises(VendorError, match=r"Sign in to HotelWiFi.*It is a web page: of a proxy, a firewall"):
        http.get_json("/v1/things")
    assert tally.api_calls == 1


def test_a_number_of_thousands_of_digits_is_handed_on_as_text(http: Http, scripted: ScriptedServer) -> None:
    scripted.reply(Reply('{"rows": [1, ' + "9" * 5000 + "]}"))
    assert http.get_json("/v1/things") == {"rows": [1, "9" * 5000]}


def test_nobody_is_asked_for_a_read_that_was_given_up(http: Http, scripted: ScriptedServer, tally: Tally) -> None:
    tally.give_up()
    with pytest.raises(GivenUp):
        http.get_json("/v1/things")
    assert scripted.asked == []


def test_waiting_ends_when_the_read_is_given_up(scripted: ScriptedServer) -> None:
    tally = Tally()
    scripted.reply(Reply("slow down", 429, {"Retry-After": "100"}))
    threading.Timer(0.2, tally.give_up).start()
    started = time.monotonic()
    with pytest.raises(GivenUp):
        Http("shop", scripted.url, tally).get_json("/v1/things")
    assert time.monotonic() - started < 50


def test_a_wait_beyond_the_time_of_the_read_is_not_begun(
    scripted: ScriptedServer, tally: Tally, waits: list[float]
) -> None:
    tally.until = time.monotonic() + 30
    scripted.reply(Reply("slow down", 429, {"Retry-After": "100"}))
    with pytest.raises(QuotaError, match="asks to wait 100 s"):
        Http("shop", scripted.url, tally).get_json("/v1/things")
    assert waits == []


def test_a_server_that_hangs_is_given_up_and_asked_again(
    scripted: ScriptedServer, tally: Tally, waits: list[float]
) -> None:
    hung, freed = socket.socketpair()

    def never() -> bytes:
        freed.settimeout(5)
        freed.recv(1)
        return b"{}"

    scripted.reply(Reply(never() for _ in range(1)), GOOD)
    with Http("shop", scripted.url, tally, read_timeout_seconds=0.3) as http:
        assert http.get_json("/v1/things") == {"rows": [1, 2, 3]}
    hung.send(b".")
    assert tally.retries == 1


# ---- the vendor's dialect ----------------------------------------------------------------------------------


def test_the_judge_can_call_a_200_throttled(scripted: ScriptedServer, tally: Tally, waits: list[float]) -> None:
    scripted.reply(Reply({"code": 40100}), Reply({"code": 0}))
    judge = lambda response: Verdict(wait_seconds=3) if response.json()["code"] == 40100 else None  # noqa: E731
    with Http("shop", scripted.url, tally, judge=judge) as http:
        assert http.get_json("/v1/things") == {"code": 0}
    assert waits == [3]


def test_the_judge_goes_before_the_status(scripted: ScriptedServer, tally: Tally, waits: list[float]) -> None:
    scripted.reply(Reply({"code": 17}, 400), Reply({"code": 190}, 400))
    verdicts = {17: Verdict(), 190: Verdict(error=AuthError("renew the token", source="shop"))}
    with (
        Http("shop", scripted.url, tally, judge=lambda r: verdicts[r.json()["code"]]) as http,
        pytest.raises(AuthError, match=r"^shop: renew the token$"),
    ):
        http.get_json("/v1/things")
    assert tally.api_calls == 2


# ---- streams -----------------------------------------------------------------------------------------------


def test_a_stream_gives_what_came_and_then_says_that_it_broke(
    http: Http, scripted: ScriptedServer, tally: Tally
) -> None:
    body = b"x" * 1_000_000
    whole_pieces = 700_000 // CHUNK_BYTES * CHUNK_BYTES
    scripted.reply(Reply("busy", 503), Reply(body, cut_after=700_000))
    received = []
    with pytest.raises(Interrupted, match=f"after {whole_pieces} bytes"):
        received.extend(http.stream("POST", "/v1/report"))
    assert b"".join(received) == body[:whole_pieces]
    assert (tally.api_calls, tally.retries) == (2, 1)  # the busy answer was ridden out before the first byte
    assert tally.bytes_received == whole_pieces + len("busy")


def test_a_stream_does_not_wait_for_the_end(http: Http, scripted: ScriptedServer) -> None:
    first_is_read, other = socket.socketpair()

    def body() -> object:
        yield b"first"
        other.settimeout(5)
        yield b"last" if other.recv(1) else b""

    scripted.reply(Reply(body()))
    chunks = http.stream("GET", "/v1/report")
    assert next(chunks) == b"first"  # would hang here if the body were read whole
    first_is_read.send(b".")
    assert list(chunks) == [b"last"]


def test_pausing_too_often_gives_up(http: Http, waits: list[float]) -> None:
    http.pause(ATTEMPTS - 1, Interrupted("cut"), "the report")
    with pytest.raises(VendorError, match=f"the report still fails after {ATTEMPTS} attempts: cut"):
        http.pause(ATTEMPTS, Interrupted("cut"), "the report")
    with pytest.raises(QuotaError):
        http.pause(1, Interrupted("quota", PATIENCE_SECONDS + 1), "the report")


# ---- secrets -----------------------------------------------------------------------------------------------

SECRET = "s3cr3t-t0ken-value"


@pytest.mark.parametrize(
    "replies",
    [
        [Reply(reset=True)] * ATTEMPTS,
        [Reply(f'{{"error": "bad", "access_token": "{SECRET}"}}', 400)],
        [Reply(f"denied for Bearer {SECRET}", 403)],
        [Reply(f"<html>token={SECRET}</html>")],
        [Reply("{", cut_after=0)] * ATTEMPTS,
    ],
    ids=["reset", "echoed in an error", "echoed in a refusal", "echoed in a page", "cut"],
)
def test_no_secret_reaches_a_message_or_a_traceback(
    http: Http, scripted: ScriptedServer, caplog: pytest.LogCaptureFixture, replies: list[Reply]
) -> None:
    scripted.reply(*replies)
    with caplog.at_level("DEBUG", logger="dagster_project"), pytest.raises(SourceError) as caught:
        http.get_json("/v1/things", params={"access_token": SECRET}, headers={"Authorization": f"Bearer {SECRET}"})
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert SECRET not in caplog.text


def test_an_unreachable_host_is_named_without_the_query(tally: Tally, waits: list[float]) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with (
        Http("shop", f"http://127.0.0.1:{port}", tally) as http,
        pytest.raises(VendorError, match=rf"GET http://127.0.0.1:{port}/v1/things still fails") as caught,
    ):
        http.get_json("/v1/things", params={"api_key": SECRET})
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_netrc_does_not_replace_our_authorization(
    scripted: ScriptedServer, tally: Tally, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login someone password else\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    scripted.reply(GOOD)
    with Http("shop", scripted.url, tally, headers={"Authorization": "Bearer ours"}) as http:
        http.get_json("/v1/things")
    assert scripted.asked[0].headers["authorization"] == "Bearer ours"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("access_token=abcdefgh&x=1", "access_token=(redacted)&x=1"),
        ('{"refresh_token": "1//abcdefgh"}', '{"refresh_token": "(redacted)"}'),
        ("Authorization: Bearer abcdefgh", "Authorization: Bearer (redacted)"),
        ("Token has been expired or revoked.", "Token has been expired or revoked."),
        ("the developer token supplied is not approved", "the developer token supplied is not approved"),
    ],
)
def test_redaction_hides_credentials_and_leaves_sentences(text: str, shown: str) -> None:
    assert redact(text) == shown
