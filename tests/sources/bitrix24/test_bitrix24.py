"""Bitrix24 over the wire, against the sandbox's Bitrix24: the whole company, its faults, and bodies from its documentation."""

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
from dagster_project.sources import bitrix24
from dagster_project.sources.bitrix24 import api
from dagster_project.sources.bitrix24.rows import OwnFields, deal_row, person_row, stage_row, step_row, user_row
from dagster_project.sources.bitrix24.sandbox import CODE, PORTAL
from dagster_project.sources.bitrix24.settings import Bitrix24Fields, Bitrix24Settings
from dagster_project.wire.columns import to_table
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
from dagster_project.wire.identity import hash_email
from tests.support.scripted_server import Asked, Reply, ScriptedServer

KEY = "a key for tests"
SEPTEMBER = Window(date(2026, 9, 1), date(2026, 10, 1))
PORTAL_URL = f"https://{PORTAL}/rest/1/{CODE}/"


@pytest.fixture(autouse=True)
def unpaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "CALLS_PER_SECOND", 1_000_000)


@pytest.fixture(scope="module")
def served() -> Iterator[Sandbox]:
    with serve("2026-10-01", vendors=["bitrix24"]) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(served: Sandbox) -> Iterator[Sandbox]:
    yield served
    served.faults.clear()


def settings_for(url: str, *, webhooks: str = PORTAL_URL, **more: Any) -> Bitrix24Settings:
    return Bitrix24Settings(webhook_url=SecretStr(webhooks), base_url=url, hash_key=SecretStr(KEY), **more)


def rows_of(pages: Any, by: str = "id") -> dict[str, dict[str, Any]]:
    rows = [row for page in pages for row in page.rows.to_pylist()]
    found = {row[by]: row for row in rows}
    assert len(found) == len(rows)
    return found


def swept(stream: Stream, settings: Bitrix24Settings, tally: Tally | None = None, by: str = "id") -> dict[str, Any]:
    assert stream.sweep
    return rows_of(stream.sweep(settings, tally or Tally()), by)


def test_the_whole_company_arrives_in_few_calls(sandbox: Sandbox, company: Company, demo_now: Any) -> None:
    settings, tally = settings_for(sandbox.endpoints["bitrix24"]), Tally()
    leads, contacts = swept(bitrix24.LEADS, settings, tally), swept(bitrix24.CONTACTS, settings, tally)
    deals = swept(bitrix24.DEALS, settings, tally)
    views = {view.id: view for view in company.contacts_as_of(demo_now)}
    assert leads.keys() == views.keys()
    for record_id, view in views.items():
        row = leads[record_id]
        assert row["email_hash"] == hash_email(view.values["email"], KEY.encode())
        assert (row["gclid"], row["utm_source"]) == (view.values.get("gclid"), view.values.get("utm_source"))
        assert row["ga_client_id"] == view.values.get("client_id")
        assert row["createdTime"] == view.created_at.replace(microsecond=0)
    assert len(leads[company.landmarks["merged_survivor"]]["further_email_hashes"]) == 1
    converted = {record_id for record_id, row in leads.items() if row["stageId"] == "CONVERTED"}
    assert contacts.keys() == converted == {row["leadId"] for row in contacts.values()}
    live = {view.id: view for view in company.deals_as_of(demo_now)}
    assert deals.keys() == live.keys()
    assert {r: float(deals[r]["opportunity"]) for r in live} == {r: v.values.get("amount", 0) for r, v in live.items()}
    assert {r: deals[r]["currencyId"] for r in live} == {r: v.values["currency"] for r, v in live.items()}
    # of each kind the fields, the first page, and the rest in one batch of 50 pages
    assert tally.api_calls == 3 * 3
    assert "@" not in json.dumps([*leads.values(), *contacts.values()], default=str)
    assert len(swept(bitrix24.USERS, settings, by="ID")) == 5
    stages = [row for page in bitrix24.sweep_stages(settings, Tally()) for row in page.rows.to_pylist()]
    assert len(stages) == 7 + sum(len(each.stages) for each in company.pipelines)
    assert {row["category_name"] for row in stages} == {None, *(each.label for each in company.pipelines)}


def test_a_window_holds_what_was_last_changed_in_it(sandbox: Sandbox, company: Company, demo_now: Any) -> None:
    settings = settings_for(sandbox.endpoints["bitrix24"])
    changed = {v.id for v in company.deals_as_of(demo_now) if v.updated_at.date() in SEPTEMBER}
    at_once = rows_of(bitrix24.read_deals(settings, SEPTEMBER, Tally()))
    assert at_once.keys() == changed
    singly = {}
    for day in SEPTEMBER.days():
        singly |= rows_of(bitrix24.read_deals(settings, Window.of_day(day), Tally()))
    assert singly == at_once


def test_steps_tell_every_stage_of_deals(sandbox: Sandbox, company: Company, demo_now: Any) -> None:
    settings = settings_for(sandbox.endpoints["bitrix24"])
    steps = [row for page in bitrix24.sweep_steps(settings, Tally()) for row in page.rows.to_pylist()]
    of_deals = {(row["OWNER_ID"], row["CREATED_TIME"]) for row in steps if row["entity_type_id"] == "2"}
    assert of_deals == {
        (view.id, change.at.replace(microsecond=0))
        for view in company.deals_as_of(demo_now)
        for change in view.history["stage"]
    }
    first = {row["OWNER_ID"]: row for row in steps if row["entity_type_id"] == "1" and row["TYPE_ID"] == "1"}
    assert first.keys() == {view.id for view in company.contacts_as_of(demo_now)}


def test_a_field_that_is_named_and_not_there_is_told(sandbox: Sandbox) -> None:
    settings = settings_for(sandbox.endpoints["bitrix24"], fields=Bitrix24Fields(product="Ware"))
    with pytest.raises(ConfigError, match=r"sources.bitrix24.product = 'Ware': portal kontorra.* has no such field"):
        swept(bitrix24.DEALS, settings)


@pytest.mark.parametrize(
    "fault", ["throttle:2", "server_error", "reset", "truncated:1:path=batch", "duplicate_row:2:path=item"]
)
def test_trouble_is_ridden_out(sandbox: Sandbox, fault: str, waits: list[float]) -> None:
    sandbox.faults.set_from_text(f"bitrix24:{fault}")
    assert len(swept(bitrix24.LEADS, settings_for(sandbox.endpoints["bitrix24"]))) == 1672
    if fault.startswith("throttle"):
        assert waits[:2] == [2.0, 2.0]


def test_a_refused_webhook_and_a_denied_portal_of_three(sandbox: Sandbox) -> None:
    gone = PORTAL_URL.replace(CODE, "anothercode")
    with pytest.raises(AuthError, match="BITRIX24_WEBHOOK_URL") as refused:
        swept(bitrix24.USERS, settings_for(sandbox.endpoints["bitrix24"], webhooks=gone))
    assert "anothercode" not in str(refused.value)
    three = ",".join([PORTAL_URL.replace(PORTAL, "a.example"), gone.replace(PORTAL, "b.example"), PORTAL_URL])
    tally = Tally()
    pages = list(bitrix24.sweep_users(settings_for(sandbox.endpoints["bitrix24"], webhooks=three), tally))
    assert [set(page.rows["account_id"].to_pylist()) for page in pages] == [{"a.example"}, {PORTAL}]
    assert isinstance(tally.failed_accounts["b.example"], AuthError)
    with pytest.raises(ValidationError, match="whole address"):
        settings_for("http://127.0.0.1:1", webhooks="https://kontorra.bitrix24.example/")


def test_an_unknown_field_is_kept_without_its_text(sandbox: Sandbox) -> None:
    sandbox.faults.set_from_text("bitrix24:unknown_field:always:path=item.list")
    assert {row["_extra"] for row in swept(bitrix24.DEALS, settings_for(sandbox.endpoints["bitrix24"])).values()} == {
        '{"mood": "(str)"}'
    }


def test_calls_of_a_night_and_of_a_year(sandbox: Sandbox) -> None:
    """2 calls a second are allowed in the long run: a night and a year take seconds."""
    settings = settings_for(sandbox.endpoints["bitrix24"])
    night, year = Tally(), Tally()
    for stream in bitrix24.STREAMS:
        if stream.read:
            list(stream.read(settings, Window(date(2026, 9, 29), date(2026, 10, 1)), night))
            list(stream.read(settings, Window(date(2025, 10, 1), date(2026, 10, 1)), year))
        else:
            list(stream.sweep(settings, night))  # type: ignore[misc]
    assert night.api_calls <= 20
    assert year.api_calls <= 20
    assert 0 < night.quota["operating_seconds_left"] < 480


# ---- scripted answers --------------------------------------------------------------------------------------


def lead(number: int, **more: Any) -> dict[str, Any]:
    moment = "2026-09-02T10:00:00+02:00"
    return {"id": number, "createdTime": moment, "updatedTime": moment, "stageId": "NEW", "fm": [], **more}


def listed(*rows: Any, total: int = 0, following: int | None = None) -> Reply:
    more = {} if following is None else {"next": following}
    return Reply({"result": {"items": list(rows)}, "total": total or len(rows), "time": {"operating": 1.5}, **more})


def batch(result: Any, error: Any = (), total: Any = ()) -> Reply:
    body = {"result": result, "result_error": error or [], "result_total": total or [], "result_next": []}
    return Reply({"result": body})


@pytest.fixture
def portal(scripted: ScriptedServer) -> Bitrix24Settings:
    """A portal that says its fields; the rest is scripted."""
    known = {name: {"title": name} for name in ("id", "createdTime", "updatedTime", "stageId")}

    def rule(asked: Asked) -> Reply | None:
        return Reply({"result": {"fields": known}}) if asked.path.endswith("crm.item.fields") else None

    scripted.rule(rule)
    return settings_for(scripted.url)


def test_no_rows_and_one_odd_record(scripted: ScriptedServer, portal: Bitrix24Settings) -> None:
    scripted.reply(listed())
    assert swept(bitrix24.LEADS, portal) == {}
    tally = Tally()
    scripted.reply(listed(lead(1), lead(2, createdTime="soon"), "odd", lead(3)))
    assert swept(bitrix24.LEADS, portal, tally).keys() == {"1", "3"}
    assert tally.bad_row_count == 2


def test_a_retyped_field_and_a_missing_list_are_errors(scripted: ScriptedServer, portal: Bitrix24Settings) -> None:
    scripted.reply(listed(*(lead(number, createdTime={"at": 1}) for number in range(1, 5))))
    with pytest.raises(DriftError, match="bitrix24/leads: field 'createdTime'"):
        swept(bitrix24.LEADS, portal)
    scripted.reply(Reply({"result": {"things": []}}))
    with pytest.raises(DriftError, match=r"crm\.item\.list: the field 'result\.items' should be a list"):
        swept(bitrix24.LEADS, portal)
    scripted.reply(Reply({"error": "SOMETHING", "error_description": "is wrong"}))
    with pytest.raises(VendorError, match="SOMETHING: is wrong"):
        swept(bitrix24.LEADS, portal)


def test_an_error_inside_a_batch_is_an_error(scripted: ScriptedServer, portal: Bitrix24Settings) -> None:
    refused = {"p50": {"error": "ACCESS_DENIED", "error_description": "Access denied."}}
    scripted.reply(listed(lead(1), total=60, following=50), batch([], refused))
    with pytest.raises(AuthError, match=r"refuses crm\.item\.list \(ACCESS_DENIED\)"):
        swept(bitrix24.LEADS, portal)


def test_a_throttled_command_of_a_batch_is_asked_alone(scripted: ScriptedServer, portal: Bitrix24Settings) -> None:
    busy = {"p50": {"error": "QUERY_LIMIT_EXCEEDED", "error_description": "Too many requests"}}
    scripted.reply(listed(lead(1), total=60, following=50), batch([], busy), listed(lead(2), total=60))
    assert swept(bitrix24.LEADS, portal).keys() == {"1", "2"}


def test_a_list_that_becomes_shorter_is_read_again(scripted: ScriptedServer, portal: Bitrix24Settings) -> None:
    """One record left the window, so another slipped from the second page onto the first, which had been read."""
    scripted.reply(
        listed(lead(1), total=60, following=50),
        batch({"p50": {"items": [lead(3)]}}, total={"p50": 59}),
        listed(lead(2), total=59, following=50),
        batch({"p50": {"items": [lead(3)]}}, total={"p50": 59}),
    )
    assert swept(bitrix24.LEADS, portal).keys() == {"1", "2", "3"}


# ---- documented bodies -------------------------------------------------------------------------------------


def documented(shared_dir: Path, name: str) -> Any:
    return json.loads((shared_dir / f"fixtures/bitrix24/{name}.json").read_text())


def test_documented_bodies_are_read(shared_dir: Path) -> None:
    own = OwnFields({})
    deals = [
        deal
        for name in ("ex_items_page1", "ex_items_page_last")
        for deal in documented(shared_dir, name)["body"]["result"]["items"]
    ]
    rows = [deal_row({**deal, "stageSemanticId": "P"}, own, PORTAL) for deal in deals]
    read = to_table(bitrix24.DEALS, rows).to_pylist()
    assert [(row["id"], row["utm_source"], int(row["opportunity"])) for row in read] == [
        ("1", "yandex", 19_000),
        ("51", "yandex", 19_000),
    ]
    leads = documented(shared_dir, "crm_item_list")["result"]["items"]
    people = [person_row(each, own, bitrix24.LEADS.schema.names, PORTAL, KEY.encode()) for each in leads]
    assert [row["stageId"] for row in people] == ["NEW", "NEW", "NEW", "IN_PROCESS"]
    steps = documented(shared_dir, "crm_stagehistory_list")["result"]["items"]
    (step,) = to_table(bitrix24.STEPS, [step_row(each, 2, PORTAL) for each in steps]).to_pylist()
    assert (step["OWNER_ID"], step["stage_id"], step["CATEGORY_ID"]) == ("21", "NEW", "0")
    users = documented(shared_dir, "user_get")["result"]
    read = to_table(bitrix24.USERS, [user_row(each, PORTAL, KEY.encode()) for each in users]).to_pylist()
    assert [(row["ID"], row["ACTIVE"]) for row in read] == [("1", True), ("3", True)]
    statuses = documented(shared_dir, "crm_status_list")["result"]
    read = to_table(bitrix24.STAGES, [stage_row(each, {"0": "First"}, PORTAL) for each in statuses]).to_pylist()
    assert (read[0]["category_id"], read[0]["category_name"], read[0]["SORT"]) == ("0", "First", 10)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ex_auth", AuthError),
        ("ex_domain_error", AuthError),
        ("ex_operating_limit", QuotaError),
        ("ex_items_empty", None),
    ],
)
def test_documented_answers_are_understood(
    shared_dir: Path, scripted: ScriptedServer, portal: Bitrix24Settings, name: str, kind: type[SourceError] | None
) -> None:
    exchange = documented(shared_dir, name)
    scripted.reply(Reply(exchange["body"], exchange["status"]))
    if kind:
        with pytest.raises(kind) as refused:
            swept(bitrix24.LEADS, portal)
        assert CODE not in str(refused.value)
    else:
        assert swept(bitrix24.LEADS, portal) == {}
