"""How fast a vendor is asked: many threads keep to one limit, and what headers say of waiting is read."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from dagster_project.wire import Tally
from dagster_project.wire.http import Http
from dagster_project.wire.pacing import (
    Pacer,
    duration_seconds,
    in_words,
    quota_of,
    retry_after_seconds,
    seconds_until,
    shared_pacer,
)
from tests.support.scripted_server import Reply, ScriptedServer


def test_threads_that_share_a_pacer_keep_to_one_limit() -> None:
    """Forty calls by eight threads, ten a second: in no second more than ten may begin."""
    begun: list[float] = []
    lock, slept = threading.Lock(), threading.local()
    pacer = Pacer(10, 1.0, clock=lambda: 100.0)  # the clock stands: a turn is what the pacer gives

    def work() -> None:
        for _ in range(5):
            slept.seconds = 0.0
            pacer.wait(lambda seconds: setattr(slept, "seconds", seconds))
            with lock:
                begun.append(100.0 + slept.seconds)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(begun) == [100.0] * 10 + [101.0] * 10 + [102.0] * 10 + [103.0] * 10


def test_an_account_has_one_pacer_and_others_have_their_own() -> None:
    mine = shared_pacer(("https://api.example", "token"), 5, 1.0)
    assert shared_pacer(("https://api.example", "token"), 5, 1.0) is mine
    assert shared_pacer(("https://api.example", "other"), 5, 1.0) is not mine


def test_every_attempt_waits_for_its_turn(scripted: ScriptedServer, waits: list[float]) -> None:
    scripted.reply(Reply("busy", 503, {"Retry-After": "7"}), Reply({}))
    pacer = Pacer(1, 50.0)
    with Http("shop", scripted.url, Tally()) as http:
        assert http.get_json("/v1/things", pacer=pacer) == {}
    assert waits[0] == 7.0
    assert 0 < waits[1] <= 50.0


@pytest.mark.parametrize(
    ("value", "seconds"), [("17", 17.0), ("1.5", 1.5), ("", None), ("soon", None), ("-3", None), ("1e9x", None)]
)
def test_a_waiting_time_in_seconds(value: str, seconds: float | None) -> None:
    assert retry_after_seconds({"Retry-After": value}) == seconds


def test_a_waiting_time_as_a_date() -> None:
    later = datetime.now(UTC) + timedelta(seconds=90)
    assert 85 <= (retry_after_seconds({"Retry-After": format_datetime(later, usegmt=True)}) or 0) <= 91
    assert retry_after_seconds({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0
    assert retry_after_seconds({"retryIn": "10"}, "retryIn") == 10


def test_a_moment_to_come_and_one_that_has_passed() -> None:
    assert 55 <= seconds_until(datetime.now(UTC).timestamp() + 60) <= 61
    assert seconds_until(0) == 0


@pytest.mark.parametrize(
    ("text", "seconds"), [("8962s", 8962.0), ("0.5s", 0.5), ("8962", None), ("", None), (None, None)]
)
def test_a_duration_of_protocol_buffers(text: str | None, seconds: float | None) -> None:
    assert duration_seconds(text) == seconds


def test_what_headers_say_of_quotas() -> None:
    headers = {"X-Left": "12", "X-Day": "soon", "X-Other": "5"}
    assert quota_of(headers, {"X-Left": "left", "X-Day": "day", "X-None": "none"}) == {"left": 12.0}


def test_waiting_times_for_people() -> None:
    assert (in_words(8962), in_words(1200)) == ("2.5 hours", "20 minutes")
