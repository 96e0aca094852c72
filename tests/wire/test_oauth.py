"""Access tokens: asked for once by however many threads, before they end, and after they were refused."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

import pytest

from dagster_project.wire import AuthError, Tally, VendorError
from dagster_project.wire.http import Http
from dagster_project.wire.oauth import AccessToken, Bearer, Grant, refresh_grant, shared_token
from tests.support.scripted_server import Asked, Reply, ScriptedServer


@pytest.fixture(autouse=True)
def _signed_out() -> Iterator[None]:
    shared_token.cache_clear()
    yield
    shared_token.cache_clear()


def grant(server: ScriptedServer, **more: Any) -> Grant:
    secrets = {"client_id": "id", "client_secret": "s3cr3t", "refresh_token": "r3fresh"}
    return refresh_grant("shop", f"{server.url}/oauth/token", **secrets, **more)


def token(value: str, **more: Any) -> Reply:
    return Reply({"access_token": value, "expires_in": 3600, **more})


def vendor(server: ScriptedServer, *good: str, tokens: list[Reply] | None = None) -> None:
    """Gives `tokens` in turn, and things to whoever brings one of the `good` ones."""
    tokens = tokens if tokens is not None else [token(f"t{n}") for n in range(1, 9)]

    def rule(asked: Asked) -> Reply:
        if asked.path == "/oauth/token":
            return tokens.pop(0)
        is_good = asked.headers["authorization"].removeprefix("Bearer ") in good
        return Reply({"things": []}) if is_good else Reply({"message": "token expired"}, 401)

    server.rule(rule)


def sign_ins(server: ScriptedServer) -> list[dict[str, list[str]]]:
    return [parse_qs(asked.body.decode()) for asked in server.asked if asked.path == "/oauth/token"]


def test_the_grant_is_sent_as_a_form(scripted: ScriptedServer) -> None:
    vendor(scripted)
    assert AccessToken(grant(scripted)).get(Tally()) == "t1"
    form = {"grant_type": "refresh_token", "client_id": "id", "client_secret": "s3cr3t", "refresh_token": "r3fresh"}
    assert sign_ins(scripted) == [{name: [value] for name, value in form.items()}]
    assert "authorization" not in scripted.asked[0].headers


def test_a_client_may_sign_in_by_a_header(scripted: ScriptedServer) -> None:
    vendor(scripted)
    AccessToken(grant(scripted, is_basic=True)).get(Tally())
    scheme, _, secret = scripted.asked[0].headers["authorization"].partition(" ")
    assert (scheme, base64.b64decode(secret)) == ("Basic", b"id:s3cr3t")
    assert sign_ins(scripted) == [{"grant_type": ["refresh_token"], "refresh_token": ["r3fresh"]}]


def test_a_token_is_renewed_a_minute_before_it_ends(scripted: ScriptedServer) -> None:
    vendor(scripted)
    now = [1000.0]
    mine = AccessToken(grant(scripted), clock=lambda: now[0])
    got = []
    for seconds in (0, 3539, 3540, 3541):
        now[0] = 1000.0 + seconds
        got.append(mine.get(Tally()))
    assert got == ["t1", "t1", "t2", "t2"]


def test_a_token_that_names_no_end_lives_until_it_is_refused(scripted: ScriptedServer) -> None:
    vendor(scripted, tokens=[Reply({"access_token": "t1"}), Reply({"access_token": "t2", "expires_in": "soon"})])
    now = [1000.0]
    mine = AccessToken(grant(scripted), clock=lambda: now[0])
    assert mine.get(Tally()) == "t1"
    now[0] += 10**7
    assert mine.get(Tally()) == "t1"
    mine.forget()
    assert (mine.get(Tally()), mine.get(Tally())) == ("t2", "t2")


def test_threads_that_need_a_token_at_once_sign_in_once(scripted: ScriptedServer) -> None:
    vendor(scripted)
    mine, got = AccessToken(grant(scripted)), []
    threads = [threading.Thread(target=lambda: got.append(mine.get(Tally()))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (got, len(sign_ins(scripted))) == (["t1"] * 8, 1)


def test_streams_with_the_same_grant_share_a_token(scripted: ScriptedServer) -> None:
    assert shared_token(grant(scripted)) is shared_token(grant(scripted))
    assert shared_token(grant(scripted)) is not shared_token(grant(scripted, is_basic=True))


def test_a_refused_token_costs_one_fresh_one_and_a_retry(scripted: ScriptedServer, waits: list[float]) -> None:
    vendor(scripted, "t2")
    tally = Tally()
    with Http("shop", scripted.url, tally, auth=Bearer(AccessToken(grant(scripted)), tally)) as http:
        assert http.get_json("/v1/things") == {"things": []}
    assert (len(sign_ins(scripted)), waits, tally.retries) == (2, [], 1)


def test_a_fresh_token_that_is_refused_too_is_no_token(scripted: ScriptedServer, waits: list[float]) -> None:
    vendor(scripted)
    tally = Tally()
    with (
        Http("shop", scripted.url, tally, auth=Bearer(AccessToken(grant(scripted)), tally)) as http,
        pytest.raises(AuthError, match=r"/v1/things was refused \(401\): .*token expired"),
    ):
        http.get_json("/v1/things")
    assert [asked.path for asked in scripted.asked] == ["/oauth/token", "/v1/things"] * 2


def test_a_refusal_of_an_old_token_does_not_end_the_new_one(scripted: ScriptedServer) -> None:
    """Two threads are refused with t1; the first has signed in again when the second says so."""
    vendor(scripted)
    mine = AccessToken(grant(scripted))
    assert mine.get(Tally()) == "t1"
    mine.forget("t1")
    assert mine.get(Tally()) == "t2"
    mine.forget("t1")
    assert mine.get(Tally()) == "t2"
    assert len(sign_ins(scripted)) == 2


def test_an_empty_200_is_asked_again(scripted: ScriptedServer, waits: list[float]) -> None:
    vendor(scripted, tokens=[Reply(b""), token("t1")])
    tally = Tally()
    assert AccessToken(grant(scripted)).get(tally) == "t1"
    assert (tally.retries, len(waits)) == (1, 1)


def test_a_refresh_token_that_changes_is_used_from_then_on(scripted: ScriptedServer) -> None:
    vendor(scripted, tokens=[token("t1", refresh_token="second"), token("t2")])
    mine = AccessToken(grant(scripted))
    mine.get(Tally())
    mine.forget()
    mine.get(Tally())
    assert [form["refresh_token"] for form in sign_ins(scripted)] == [["r3fresh"], ["second"]]


@pytest.mark.parametrize("answer", [{"expires_in": 3600}, {"access_token": ""}, {"access_token": 7}, ["t1"], None])
def test_an_answer_without_a_token_is_an_error_that_shows_no_value(scripted: ScriptedServer, answer: Any) -> None:
    vendor(scripted, tokens=[Reply("null" if answer is None else answer)])
    with pytest.raises(VendorError, match="without an access_token; is SHOP_TOKEN_URL right") as caught:
        AccessToken(grant(scripted, wrong_address="is SHOP_TOKEN_URL right?")).get(Tally())
    assert "s3cr3t" not in str(caught.value)


def test_a_grants_secrets_are_not_printed(scripted: ScriptedServer) -> None:
    assert "s3cr3t" not in repr(grant(scripted))
    assert "r3fresh" not in repr(grant(scripted))
