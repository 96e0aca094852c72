"""Pipedrive over the wire, against the sandbox's Pipedrive: the whole company, its faults, and bodies that others recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from dagster_project.sandbox import Sandbox, serve
from dagster_project.sandbox.company import Company
from dagster_project.sources import pipedrive
from dagster_project.sources.pipedrive import api
from dagster_project.sources.pipedrive.rows import OwnFields, deal_row, person_row
from dagster_project.sources.pipedrive.sandbox import API_TOKEN, DOMAIN
from dagster_project.sources.pipedrive.settings import PipedriveFields, PipedriveSettings
from dagster_project.wire.columns import to_table
from dagster_project.wire.contract import AuthError, ConfigError, DriftError, Stream, Tally, VendorError, Window
from dagster_project.wire.identity import hash_email
from tests.support.scripted_server import Reply, ScriptedServer

KEY = "a key for tests"
SEPTEMBER = Window(date(2026, 9, 1), date(2026, 10, 1))


@pytest.fixture(autouse=True)
def unpaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "CALLS_PER_SECOND", 1_000_000)


@pytest.fixture(scope="module")
def served() -> Iterator[Sandbox]:
    with serve("2026-10-01", vendors=["pipedrive"]) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(served: Sandbox) -> Iterator[Sandbox]:
    served.calls.clear()
    yield served
    served.faults.clear()


def settings_for(url: str, *, tokens: str = API_TOKEN, domains: str = DOMAIN, **more: Any) -> PipedriveSettings:
    return PipedriveSettings(
        api_token=SecretStr(tokens), company_domains=domains, base_url=url, hash_key=SecretStr(KEY), **more
    )


def rows_of(pages: Any) -> dict[str, dict[str, Any]]:
    rows = [row for page in pages for row in page.rows.to_pylist()]
    found = {row["id"]: row for row in rows}
    assert len(found) == len(rows)
    return found


def swept(stream: Stream, settings: PipedriveSettings, tally: Tally | None = None) -> dict[str, dict[str, Any]]:
    assert stream.sweep
    return rows_of(stream.sweep(settings, tally or Tally()))


def test_the_whole_company_arrives_in_few_calls(sandbox: Sandbox, company: Company, demo_now: Any) -> None:
    settings, tally = settings_for(sandbox.endpoints["pipedrive"]), Tally()
    persons, deals = swept(pipedrive.PERSONS, settings, tally), swept(pipedrive.DEALS, settings, tally)
    contacts = {view.id: view for view in company.contacts_as_of(demo_now)}
    assert persons.keys() == contacts.keys()
    for record_id, view in contacts.items():
        row = persons[record_id]
        assert row["email_hash"] == hash_email(view.values["email"], KEY.encode())
        assert (row["gclid"], row["utm_source"]) == (view.values.get("gclid"), view.values.get("utm_source"))
        assert row["ga_client_id"] == view.values.get("client_id")
        assert row["add_time"] == view.created_at.replace(microsecond=0)
    survivor = persons[company.landmarks["merged_survivor"]]
    assert len(survivor["further_email_hashes"]) == 1
    live = {view.id: view for view in company.deals_as_of(demo_now)}
    assert {record_id for record_id, row in deals.items() if not row["is_deleted"]} == live.keys()
    assert {r: float(deals[r]["value"]) for r in live} == {r: v.values.get("amount", 0) for r, v in live.items()}
    assert {r: deals[r]["currency"] for r in live} == {r: v.values["currency"] for r, v in live.items()}
    assert len(swept(pipedrive.USERS, settings, tally)) == 5
    assert len(swept(pipedrive.STAGES, settings, tally)) == 6
    # fields of each kind, 4 pages of persons, 2 of deals, archived and deleted deals, users, pipelines, stages
    assert tally.api_calls == 2 + 4 + 2 + 2 + 1 + 2
    assert "@" not in json.dumps([*persons.values()], default=str)


def test_a_window_holds_what_was_last_changed_in_it(sandbox: Sandbox, company: Company, demo_now: Any) -> None:
    settings = settings_for(sandbox.endpoints["pipedrive"])
    changed = {v.id for v in company.contacts_as_of(demo_now) if v.updated_at.date() in SEPTEMBER}
    assert rows_of(pipedrive.read_persons(settings, SEPTEMBER, Tally())).keys() == changed
    deals = {v.id for v in company.deals_as_of(demo_now) if v.updated_at.date() in SEPTEMBER}
    read = rows_of(pipedrive.read_deals(settings, SEPTEMBER, Tally()))
    assert {record_id for record_id, row in read.items() if not row["is_deleted"]} == deals


def test_changes_of_stage_are_read_where_a_field_is_named(sandbox: Sandbox, company: Company, demo_now: Any) -> None:
    day = Window(date(2026, 9, 29), date(2026, 9, 30))
    fields = PipedriveFields(stage="Lifecycle stage")
    settings = settings_for(sandbox.endpoints["pipedrive"], fields=fields, with_deal_history=True)
    persons = rows_of(pipedrive.read_persons(settings, day, Tally()))
    views = {view.id: view for view in company.contacts_as_of(demo_now)}
    assert persons
    for record_id, row in persons.items():
        past = [(c.value, c.at.replace(microsecond=0)) for c in reversed(views[record_id].history["stage"])]
        assert [(each["value"], each["timestamp"]) for each in row["stage_history"]] == past
    deals = rows_of(pipedrive.read_deals(settings, day, Tally()))
    assert any(row["stage_history"] for row in deals.values())
    assert sandbox.calls.count("pipedrive", "changelog") == len(persons) + sum(
        not d["is_deleted"] for d in deals.values()
    )


def test_a_field_that_is_named_and_not_there_is_told(sandbox: Sandbox) -> None:
    settings = settings_for(sandbox.endpoints["pipedrive"], fields=PipedriveFields(gclid="Google click"))
    with pytest.raises(ConfigError, match=r"sources.pipedrive.gclid = 'Google click': company kontorra has no field"):
        swept(pipedrive.PERSONS, settings)


@pytest.mark.parametrize(
    "fault",
    ["throttle:2", "server_error", "reset", "truncated:1:path=/persons", "duplicate_row:2:path=/persons"],
)
def test_trouble_is_ridden_out(sandbox: Sandbox, fault: str, waits: list[float]) -> None:
    sandbox.faults.set_from_text(f"pipedrive:{fault}")
    assert len(swept(pipedrive.PERSONS, settings_for(sandbox.endpoints["pipedrive"]))) == 1672
    if fault.startswith("throttle"):
        assert waits[:2] == [2.0, 2.0]  # x-ratelimit-reset


def test_a_refused_token_and_a_denied_company_of_three(sandbox: Sandbox) -> None:
    with pytest.raises(AuthError, match="company kontorra does not accept PIPEDRIVE_API_TOKEN"):
        swept(pipedrive.USERS, settings_for(sandbox.endpoints["pipedrive"], tokens="old"))
    tally = Tally()
    three = settings_for(sandbox.endpoints["pipedrive"], tokens=f"{API_TOKEN},old,{API_TOKEN}", domains="a,b,c")
    pages = list(pipedrive.sweep_users(three, tally))
    assert [set(page.rows["account_id"].to_pylist()) for page in pages] == [{"a"}, {"c"}]
    assert tally.read_accounts == {"a", "c"}
    assert isinstance(tally.failed_accounts["b"], AuthError)
    with pytest.raises(ValidationError, match="1 tokens for 2 companies"):
        settings_for("http://127.0.0.1:1", domains="a,b")


def test_an_unknown_field_is_kept_without_its_text(sandbox: Sandbox) -> None:
    sandbox.faults.set_from_text("pipedrive:unknown_field:always:path=/deals")
    deals = swept(pipedrive.DEALS, settings_for(sandbox.endpoints["pipedrive"]))
    assert {row["_extra"] for row in deals.values()} == {'{"mood": "(str)"}'}


def person(number: int, **more: Any) -> dict[str, Any]:
    moment = "2026-09-02T10:00:00Z"
    return {"id": number, "name": f"P{number}", "add_time": moment, "update_time": moment, "emails": [], **more}


def scripted_persons(scripted: ScriptedServer, *replies: Reply) -> PipedriveSettings:
    scripted.reply(Reply({"success": True, "data": [], "additional_data": {}}), path="/api/v2/personFields")
    scripted.reply(*replies, path="/api/v2/persons")
    return settings_for(scripted.url)


def answer(data: Any, cursor: str | None = None) -> Reply:
    return Reply({"success": True, "data": data, "additional_data": {"next_cursor": cursor}})


def test_one_odd_record_is_told_and_many_are_drift(scripted: ScriptedServer) -> None:
    tally = Tally()
    page = answer([person(1), person(2, add_time="soon"), "no record", person(3)])
    assert swept(pipedrive.PERSONS, scripted_persons(scripted, page), tally).keys() == {"1", "3"}
    assert tally.bad_row_count == 2
    retyped = answer([person(number, add_time={"at": 1}) for number in range(1, 5)])
    with pytest.raises(DriftError, match="add_time"):
        swept(pipedrive.PERSONS, scripted_persons(scripted, retyped))


def test_no_rows_a_short_answer_and_a_circle(scripted: ScriptedServer, waits: list[float]) -> None:
    assert swept(pipedrive.PERSONS, scripted_persons(scripted, answer(None))) == {}
    assert swept(pipedrive.PERSONS, scripted_persons(scripted, Reply(b""), answer([person(1)]))).keys() == {"1"}
    assert len(waits) == 1
    circle = [answer([person(1)], "same"), answer([person(1)], "same"), answer([person(1)], "same")]
    with pytest.raises(VendorError, match="again and again"):
        swept(pipedrive.PERSONS, scripted_persons(scripted, *circle))


def test_failure_with_200_is_a_failure(scripted: ScriptedServer) -> None:
    with pytest.raises(VendorError, match="did not succeed: scope"):
        swept(pipedrive.PERSONS, scripted_persons(scripted, Reply({"success": False, "error": "scope"})))


def test_recorded_bodies_are_read(shared_dir: Path) -> None:
    folder = shared_dir / "fixtures" / "pipedrive"
    own = OwnFields({"product": "0123456789abcdef0123456789abcdef01234567"})
    recorded = json.loads((folder / "v1_person_get_200.json").read_text())["response"]["body"]["data"]
    row = person_row(recorded, own, DOMAIN, KEY.encode(), None)
    persons = to_table(pipedrive.PERSONS, [row]).to_pylist()
    assert (persons[0]["owner_id"], persons[0]["email_hash"]) == (
        "12121177",
        hash_email("user94@example.com", KEY.encode()),
    )
    assert persons[0]["phone_hash"] is None
    derived = json.loads((folder / "v2_deals_doc_derived.json").read_text())["body"]["data"]
    for name in ("ex_page1", "ex_page_last", "ex_deleted"):
        derived += json.loads((folder / f"{name}.json").read_text())["body"]["data"]
    deals = to_table(pipedrive.DEALS, [deal_row(deal, own, DOMAIN, None) for deal in derived]).to_pylist()
    assert [(deal["status"], int(deal["value"])) for deal in deals[:3]] == [
        ("won", 1500),
        ("open", 1500),
        ("won", 1500),
    ]
    assert deals[0]["product"] == "google"
    assert {deal["_extra"] for deal in deals} == {None}
