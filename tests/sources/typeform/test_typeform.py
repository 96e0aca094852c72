"""Typeform over the wire, against the sandbox's survey: answers, what is not kept, faults, and bodies that others recorded."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from dagster_project.sandbox import Sandbox, serve
from dagster_project.sandbox.company import Company
from dagster_project.sandbox.company.answers import Answered, answers_as_of
from dagster_project.sources import typeform
from dagster_project.sources.typeform import TypeformSettings
from dagster_project.sources.typeform.sandbox import FORM, TOKEN
from dagster_project.wire.contract import AuthError, ConfigError, DriftError, Tally, VendorError, Window
from dagster_project.wire.identity import hash_email
from tests.support.scripted_server import Reply, ScriptedServer

KEY = "a key for tests"
ALL = Window(date(2025, 7, 1), date(2026, 10, 2))
NOVEMBER = Window(date(2026, 11, 1), date(2026, 12, 1))


@pytest.fixture(autouse=True)
def unpaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typeform, "CALLS_PER_SECOND", 1_000_000)


@pytest.fixture(scope="module")
def served() -> Iterator[Sandbox]:
    with serve("2026-10-01", vendors=["typeform"]) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(served: Sandbox) -> Iterator[Sandbox]:
    served.calls.clear()
    yield served
    served.faults.clear()


@pytest.fixture(scope="module")
def answered(company: Company) -> dict[str, Answered]:
    return {f"tok{each.id}": each for each in answers_as_of(company, datetime(2026, 10, 1, 6, tzinfo=UTC))}


def settings_for(url: str, *, token: str = TOKEN, forms: str = FORM, **more: Any) -> TypeformSettings:
    return TypeformSettings(token=SecretStr(token), form_ids=forms, base_url=url, hash_key=SecretStr(KEY), **more)


def read(
    settings: TypeformSettings, window: Window = ALL, tally: Tally | None = None
) -> dict[tuple[str, str], dict[str, Any]]:
    rows = [row for page in typeform.read_answers(settings, window, tally or Tally()) for row in page.rows.to_pylist()]
    found = {(row["response_id"], row["question_id"]): row for row in rows}
    assert len(found) == len(rows)
    return found


def test_all_answers_arrive_and_typed_text_only_where_somebody_reads_it(
    sandbox: Sandbox, answered: dict[str, Answered], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(typeform, "PAGE", 60)
    settings, tally = (
        settings_for(sandbox.endpoints["typeform"], read_texts=frozenset({"which shops do you know?"})),
        Tally(),
    )
    rows = read(settings, tally=tally)
    assert {token: row["answer_number"] for (token, question), row in rows.items() if question == "q1"} == {
        token: each.recommends for token, each in answered.items()
    }
    assert {token: row["answer_text"] for (token, question), row in rows.items() if question == "q2"} == {
        token: each.heard_from for token, each in answered.items() if each.heard_from
    }
    typed = {token: row["answer_text"] for (token, question), row in rows.items() if question == "q3"}
    assert typed.keys() == {token for token, each in answered.items() if each.known_brands}
    assert {"Kontorra", "kontorra and Lexoffice", "none, ask me: (redacted)"} <= set(typed.values())
    for (token, question), row in rows.items():
        assert row["email_hash"] == hash_email(answered[token].email, KEY.encode())
        assert row["submitted_at"] == answered[token].at.replace(microsecond=0)
        assert row["utm_source"] == answered[token].source
        assert question != "q4" or row["answer_text"] is None
    assert {row["question"] for row in rows.values() if row["question_id"] == "q3"} == {"Which shops do you know?"}
    assert "@" not in json.dumps([*rows.values()], default=str)
    # the form, and pages of 60
    assert tally.api_calls == 1 + -(-len(answered) // 60)
    unread = read(settings_for(sandbox.endpoints["typeform"]))
    assert {row["answer_text"] for (_, question), row in unread.items() if question == "q3"} == {None}


def test_a_window_holds_what_was_sent_in_it(sandbox: Sandbox, answered: dict[str, Answered]) -> None:
    september, tally = Window(date(2026, 9, 1), date(2026, 10, 1)), Tally()
    found = {token for token, _ in read(settings_for(sandbox.endpoints["typeform"]), september, tally)}
    assert found == {token for token, each in answered.items() if each.at.date() in september}
    assert tally.api_calls == 2


@pytest.mark.parametrize("fault", ["throttle:2", "server_error", "reset", "truncated", "duplicate_row:2"])
def test_trouble_is_ridden_out(
    sandbox: Sandbox, answered: dict[str, Answered], fault: str, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(typeform, "PAGE", 60)
    sandbox.faults.set_from_text(f"typeform:{fault}")
    assert {token for token, _ in read(settings_for(sandbox.endpoints["typeform"]))} == answered.keys()
    if fault.startswith("throttle"):
        assert waits[:2] == [1.0, 1.0]


def test_a_refused_token_and_a_form_of_three_that_is_not_there(sandbox: Sandbox) -> None:
    url = sandbox.endpoints["typeform"]
    with pytest.raises(AuthError, match=r"form kontorra1: TYPEFORM_TOKEN is refused \(401\)"):
        read(settings_for(url, token="old"))
    tally = Tally()
    assert read(settings_for(url, forms=f"gone,{FORM},lost"), tally=tally)
    assert tally.read_accounts == {FORM}
    assert {name: type(error) for name, error in tally.failed_accounts.items()} == {
        "gone": ConfigError,
        "lost": ConfigError,
    }


def test_a_vendor_that_hangs_ends_with_the_reads_time(sandbox: Sandbox, waits: list[float]) -> None:
    sandbox.faults.set_from_text("typeform:slow:always:seconds=3")
    tally = Tally()
    tally.until = time.monotonic()
    with pytest.raises(VendorError, match="still fails after 6 attempts"):
        read(settings_for(sandbox.endpoints["typeform"]), tally=tally)


def item(number: int, **more: Any) -> dict[str, Any]:
    answers = [{"field": {"id": "q1", "ref": "r", "type": "nps"}, "type": "number", "number": 9}]
    return {"token": f"t{number}", "submitted_at": "2026-11-02T10:00:00Z", "hidden": {}, "answers": answers, **more}


def scripted_form(scripted: ScriptedServer, *replies: Reply) -> TypeformSettings:
    scripted.reply(Reply({"id": "abc", "fields": []}), path="/forms/abc")
    scripted.reply(*replies, path="/forms/abc/responses")
    return settings_for(scripted.url, forms="abc")


def answer(items: Any, pages: int = 1) -> Reply:
    return Reply({"total_items": len(items), "page_count": pages, "items": items})


def test_odd_responses_are_told_and_many_are_drift(scripted: ScriptedServer, waits: list[float]) -> None:
    tally = Tally()
    nameless = [{"type": "number", "number": 9}]
    odd = [item(2, answers=nameless), "no response", item(3, submitted_at="soon"), item(4, hidden=[])]
    found = read(scripted_form(scripted, Reply(b""), answer([item(1), *odd[:3], item(5)])), NOVEMBER, tally)
    assert {token for token, _ in found} == {"t1", "t5"}
    assert tally.bad_row_count == 3
    with pytest.raises(DriftError, match="does not say of which question"):
        read(scripted_form(scripted, answer([item(n, answers=nameless) for n in range(4)])), NOVEMBER)
    retyped = [{"field": {"id": "q1"}, "type": "number", "number": "nine"}]
    with pytest.raises(DriftError, match=r"field 'answer_number' should be double.*day 2026-11-02"):
        read(scripted_form(scripted, answer([item(n, answers=retyped) for n in range(4)])), NOVEMBER)
    with pytest.raises(VendorError, match="again and again"):
        read(scripted_form(scripted, *[answer([item(1)], pages=2)] * 3), NOVEMBER)


def test_recorded_bodies_are_read(shared_dir: Path, scripted: ScriptedServer, waits: list[float]) -> None:
    folder = shared_dir / "fixtures" / "typeform"
    body = {path.stem: json.loads(path.read_text())["body"] for path in folder.glob("*.json")}
    scripted.reply(Reply(body["form_200"]), path="/forms/abc123")
    scripted.reply(
        Reply(body["error_rate_429"], 429, {"Retry-After": "1"}),
        *(Reply(body[f"responses_{page}_200"]) for page in ("page1", "last")),
        path="/forms/abc123/responses",
    )
    rows = read(settings_for(scripted.url, forms="abc123"), NOVEMBER)
    assert {token: row["answer_number"] for (token, question), row in rows.items() if question == "nps1"} == {
        "tok3": 9, "tok2": 6, "tok1": 10,
    }  # fmt: skip
    assert {row["answer_text"] for (_, question), row in rows.items() if question == "src1"} == {"A friend"}
    assert rows["tok1", "nps1"]["utm_source"] is None
    assert rows["tok3", "nps1"]["client_id"] == "GA1.1.111.222"
    assert rows["tok3", "nps1"]["question"] == "How likely are you to recommend us?"
    assert waits == [1.0]
    scripted.reply(Reply(body["form_200"]), path="/forms/abc123")
    scripted.reply(Reply(body["responses_empty_200"]), path="/forms/abc123/responses")
    assert read(settings_for(scripted.url, forms="abc123"), NOVEMBER) == {}
    scripted.reply(Reply(body["error_token_401"], 401), path="/forms/abc123")
    with pytest.raises(AuthError, match="Authentication credentials not found"):
        read(settings_for(scripted.url, forms="abc123"))
