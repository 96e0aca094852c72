"""amoCRM over the wire, against the sandbox's amoCRM: the whole company, its faults, and bodies from its documentation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from dagster_project.sandbox import Sandbox, serve
from dagster_project.sandbox.company import Company
from dagster_project.sources import amocrm
from dagster_project.sources.amocrm import api
from dagster_project.sources.amocrm.rows import OwnFields, event_row, lead_row
from dagster_project.sources.amocrm.sandbox import ACCESS_TOKEN, SUBDOMAIN
from dagster_project.sources.amocrm.settings import AmocrmFields, AmocrmSettings
from dagster_project.wire.columns import to_table
from dagster_project.wire.contract import AuthError, ConfigError, DriftError, Stream, Tally, VendorError, Window
from dagster_project.wire.identity import hash_email
from tests.support.scripted_server import Asked, Reply, ScriptedServer

KEY = "a key for tests"
SEPTEMBER = Window(date(2026, 9, 1), date(2026, 10, 1))


@pytest.fixture(autouse=True)
def unpaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "CALLS_PER_SECOND", 1_000_000)


@pytest.fixture(scope="module")
def served() -> Iterator[Sandbox]:
    with serve("2026-10-01", vendors=["amocrm"]) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(served: Sandbox) -> Iterator[Sandbox]:
    yield served
    served.faults.clear()


def settings_for(url: str, *, tokens: str = ACCESS_TOKEN, subdomains: str = SUBDOMAIN, **more: Any) -> AmocrmSettings:
    return AmocrmSettings(
        access_token=SecretStr(tokens), subdomains=subdomains, base_url=url, hash_key=SecretStr(KEY), **more
    )


def rows_of(pages: Any) -> dict[str, dict[str, Any]]:
    rows = [row for page in pages for row in page.rows.to_pylist()]
    found = {row["id"]: row for row in rows}
    assert len(found) == len(rows)
    return found


def swept(stream: Stream, settings: AmocrmSettings, tally: Tally | None = None) -> dict[str, dict[str, Any]]:
    assert stream.sweep
    return rows_of(stream.sweep(settings, tally or Tally()))


def test_the_whole_company_arrives_in_few_calls(sandbox: Sandbox, company: Company, demo_now: Any) -> None:
    fields = AmocrmFields(currency="currency")
    settings, tally = settings_for(sandbox.endpoints["amocrm"], fields=fields), Tally()
    contacts, leads = swept(amocrm.CONTACTS, settings, tally), swept(amocrm.LEADS, settings, tally)
    views = {view.id: view for view in company.contacts_as_of(demo_now)}
    gone = {view.id for view in company.contacts_as_of(demo_now, archived=True)}
    assert contacts.keys() == views.keys() | gone
    assert {record_id for record_id, row in contacts.items() if row["is_deleted"]} == gone
    for record_id, view in views.items():
        row = contacts[record_id]
        assert row["email_hash"] == hash_email(view.values["email"], KEY.encode())
        assert (row["gclid"], row["utm_source"]) == (view.values.get("gclid"), view.values.get("utm_source"))
        assert row["ga_client_id"] == view.values.get("client_id")
        assert row["created_at"] == view.created_at.replace(microsecond=0)
    assert len(contacts[company.landmarks["merged_survivor"]]["further_email_hashes"]) == 1
    live = {view.id: view for view in company.deals_as_of(demo_now)}
    assert {record_id for record_id, row in leads.items() if not row["is_deleted"]} == live.keys()
    assert {r: float(leads[r]["price"]) for r in live} == {r: round(v.values.get("amount", 0)) for r, v in live.items()}
    assert {r: leads[r]["currency"] for r in live} == {r: v.values["currency"] for r, v in live.items()}
    for record_id, view in live.items():
        people = [each["id"] for each in leads[record_id]["contacts"]]
        assert sorted(people) == sorted(each.to_id for each in view.associations.get("contacts", ()))
    # fields of each kind, the account, 7 pages of contacts, 3 of deals, and of both those in the bin
    assert tally.api_calls <= 2 + 1 + 7 + 3 + 2
    assert "@" not in json.dumps([*contacts.values()], default=str)
    assert len(swept(amocrm.USERS, settings)) == 5


def test_statuses_of_pipelines_share_the_ids_of_won_and_lost(sandbox: Sandbox, company: Company) -> None:
    assert amocrm.STATUSES.sweep
    pages = amocrm.STATUSES.sweep(settings_for(sandbox.endpoints["amocrm"]), Tally())
    rows = [row for page in pages for row in page.rows.to_pylist()]
    assert len({(row["pipeline_id"], row["id"]) for row in rows}) == sum(len(each.stages) for each in company.pipelines)
    assert len([row for row in rows if row["id"] in ("142", "143")]) == 4


def test_a_window_holds_what_was_last_changed_in_it(sandbox: Sandbox, company: Company, demo_now: Any) -> None:
    settings = settings_for(sandbox.endpoints["amocrm"])
    read = rows_of(amocrm.read_leads(settings, SEPTEMBER, Tally()))
    changed = {v.id for v in company.deals_as_of(demo_now) if v.updated_at.date() in SEPTEMBER}
    assert {record_id for record_id, row in read.items() if not row["is_deleted"]} == changed
    singly = [
        row
        for day in SEPTEMBER.days()
        for page in amocrm.read_leads(settings, Window.of_day(day), Tally())
        for row in page.rows.to_pylist()
    ]
    assert {row["id"]: row for row in singly} == read


def test_events_tell_every_change_of_stage(sandbox: Sandbox, company: Company, demo_now: Any) -> None:
    fields = AmocrmFields(stage="Lifecycle stage")
    settings, tally = settings_for(sandbox.endpoints["amocrm"], fields=fields), Tally()
    events = [row for page in amocrm.read_events(settings, SEPTEMBER, tally) for row in page.rows.to_pylist()]
    views = {(a, v.id): v for a in (False, True) for v in company.contacts_as_of(demo_now, archived=a)}
    expected = {
        (view.id, change.value, change.at.replace(microsecond=0))
        for view in views.values()
        for change in view.history["stage"][:-1]
        if change.at.date() in SEPTEMBER
    }
    of_contacts = [row for row in events if row["entity_type"] == "contact"]
    assert {(row["entity_id"], row["value_after"], row["created_at"]) for row in of_contacts} == expected
    won = [row for row in events if row["status_after"] == "142"]
    assert won
    assert {row["pipeline_after"] for row in won} <= {"5001", "5002"}
    without = settings_for(sandbox.endpoints["amocrm"])
    assert {row["type"] for row in rows_of(amocrm.read_events(without, SEPTEMBER, Tally())).values()} == {
        "lead_status_changed"
    }


def test_a_field_that_is_named_and_not_there_is_told(sandbox: Sandbox) -> None:
    settings = settings_for(sandbox.endpoints["amocrm"], fields=AmocrmFields(stage="Phase"))
    with pytest.raises(ConfigError, match=r"sources.amocrm.stage = 'Phase': account kontorra has no such field"):
        swept(amocrm.CONTACTS, settings)


@pytest.mark.parametrize(
    "fault",
    ["throttle:2", "server_error", "reset", "truncated:1:path=/contacts", "duplicate_row:2:path=/contacts"],
)
def test_trouble_is_ridden_out(
    sandbox: Sandbox, company: Company, demo_now: Any, fault: str, waits: list[float]
) -> None:
    sandbox.faults.set_from_text(f"amocrm:{fault}")
    gone = len(company.contacts_as_of(demo_now, archived=True))
    assert len(swept(amocrm.CONTACTS, settings_for(sandbox.endpoints["amocrm"]))) == 1672 + gone
    if fault.startswith("throttle"):
        assert waits[:2] == [5.0, 5.0]


def test_a_refused_token_and_a_denied_account_of_three(sandbox: Sandbox) -> None:
    with pytest.raises(AuthError, match=r"account kontorra does not accept AMOCRM_ACCESS_TOKEN \(401\)"):
        swept(amocrm.USERS, settings_for(sandbox.endpoints["amocrm"], tokens="old"))
    tally = Tally()
    three = settings_for(sandbox.endpoints["amocrm"], tokens=f"{ACCESS_TOKEN},old,{ACCESS_TOKEN}", subdomains="a,b,c")
    pages = list(amocrm.sweep_users(three, tally))
    assert [set(page.rows["account_id"].to_pylist()) for page in pages] == [{"a"}, {"c"}]
    assert tally.read_accounts == {"a", "c"}
    assert isinstance(tally.failed_accounts["b"], AuthError)
    with pytest.raises(ValidationError, match="1 tokens for 2 accounts"):
        settings_for("http://127.0.0.1:1", subdomains="a,b")


def test_an_unknown_field_is_kept_without_its_text(sandbox: Sandbox) -> None:
    sandbox.faults.set_from_text("amocrm:unknown_field:always:path=/leads")
    leads = swept(amocrm.LEADS, settings_for(sandbox.endpoints["amocrm"]))
    assert {row["_extra"] for row in leads.values()} == {'{"mood": "(str)"}'}


def test_calls_of_a_night_and_of_a_year(sandbox: Sandbox) -> None:
    """5 calls a second are allowed: a night takes seconds, a year of events under a minute."""
    settings = settings_for(sandbox.endpoints["amocrm"], fields=AmocrmFields(stage="Lifecycle stage"))
    night, year = Tally(), Tally()
    for stream in amocrm.STREAMS:
        if stream.read:
            list(stream.read(settings, Window(date(2026, 9, 29), date(2026, 10, 1)), night))
            list(stream.read(settings, Window(date(2025, 10, 1), date(2026, 10, 1)), year))
        else:
            list(stream.sweep(settings, night))  # type: ignore[misc]
    assert night.api_calls <= 15
    assert year.api_calls <= 100


# ---- scripted answers --------------------------------------------------------------------------------------


def contact(number: int, **more: Any) -> dict[str, Any]:
    return {"id": number, "name": f"P{number}", "created_at": 1_788_000_000, "updated_at": 1_788_300_000, **more}


def listed(*rows: Any, following: str | None = None) -> Reply:
    links = {"next": {"href": following}} if following else {}
    return Reply({"_page": 1, "_links": links, "_embedded": {"contacts": list(rows)}})


@pytest.fixture
def account(scripted: ScriptedServer) -> AmocrmSettings:
    """An account without own fields and with an empty bin; the contacts are scripted."""

    def rule(asked: Asked) -> Reply | None:
        if asked.path.endswith("/custom_fields") or "only_deleted" in asked.query:
            return Reply(b"", 204)
        return None

    scripted.rule(rule)
    return settings_for(scripted.url)


def test_nothing_is_204_and_one_odd_record_is_told(scripted: ScriptedServer, account: AmocrmSettings) -> None:
    scripted.reply(Reply(b"", 204))
    assert swept(amocrm.CONTACTS, account) == {}
    tally = Tally()
    scripted.reply(listed(contact(1), contact(2, created_at="soon"), "odd", contact(3)))
    assert swept(amocrm.CONTACTS, account, tally).keys() == {"1", "3"}
    assert tally.bad_row_count == 2


def test_a_retyped_field_a_missing_list_and_a_circle_are_errors(
    scripted: ScriptedServer, account: AmocrmSettings
) -> None:
    scripted.reply(listed(*(contact(number, created_at={"at": 1}) for number in range(1, 5))))
    with pytest.raises(DriftError, match="amocrm/contacts: field 'created_at'"):
        swept(amocrm.CONTACTS, account)
    scripted.reply(Reply({"_page": 1, "_embedded": {}}))
    with pytest.raises(DriftError, match=r"'_embedded\.contacts' should be a list"):
        swept(amocrm.CONTACTS, account)
    again = f"{scripted.url}/api/v4/contacts?page=2"
    scripted.reply(*[listed(contact(1), following=again)] * 3)
    with pytest.raises(VendorError, match="again and again"):
        swept(amocrm.CONTACTS, account)
    scripted.reply(listed(contact(1), following="https://elsewhere.example/api/v4/contacts?page=2"))
    with pytest.raises(VendorError, match=r"elsewhere\.example"):
        swept(amocrm.CONTACTS, account)


@pytest.mark.parametrize(
    ("status", "kind", "says"),
    [(402, AuthError, "not paid"), (403, AuthError, "administrator"), (404, ConfigError, "AMOCRM_SUBDOMAIN")],
)
def test_refusals_say_what_to_do(
    scripted: ScriptedServer, account: AmocrmSettings, status: int, kind: type[Exception], says: str
) -> None:
    scripted.reply(Reply({"title": "no", "status": status}, status))
    with pytest.raises(kind, match=says):
        swept(amocrm.CONTACTS, account)


def test_the_living_are_not_deleted_where_the_bin_is_not_known(
    scripted: ScriptedServer, account: AmocrmSettings
) -> None:
    nothing = Reply(b"", 204)
    scripted.rule(lambda asked: nothing if asked.path.endswith("/custom_fields") else listed(contact(1)))
    assert [row["is_deleted"] for row in swept(amocrm.CONTACTS, account).values()] == [False]


# ---- documented bodies -------------------------------------------------------------------------------------


def test_documented_bodies_are_read(shared_dir: Path) -> None:
    folder = shared_dir / "fixtures" / "amocrm"
    own = OwnFields({"utm_source": "77"})
    names = ("leads_page_doc_derived", "ex_leads_page1", "ex_leads_page_last")
    documented = [
        lead
        for name in names
        for lead in json.loads((folder / f"{name}.json").read_text())["body"]["_embedded"]["leads"]
    ]
    rows = to_table(amocrm.LEADS, [lead_row(lead, own, SUBDOMAIN, "RUB") for lead in documented]).to_pylist()
    assert [(row["status_id"], int(row["price"]), row["utm_source"]) for row in rows] == [
        ("2030", 25_000, None),
        ("50001", 19_000, "yandex"),
        ("142", 19_000, "yandex"),
    ]
    assert rows[0]["company_id"] == "40401297"
    assert rows[2]["closed_at"] == datetime.fromtimestamp(1_795_168_800, UTC)
    assert {row["_extra"] for row in rows} == {None}
    events = json.loads((folder / "ex_events_status_changed.json").read_text())["body"]["_embedded"]["events"]
    (event,) = to_table(amocrm.EVENTS, [event_row(each, own, SUBDOMAIN) for each in events]).to_pylist()
    assert (event["status_before"], event["status_after"], event["pipeline_after"]) == ("50001", "142", "9")


@pytest.mark.parametrize(("name", "kind"), [("ex_auth", AuthError), ("ex_leads_empty", None)])
def test_documented_answers_are_understood(
    shared_dir: Path, scripted: ScriptedServer, account: AmocrmSettings, name: str, kind: type[Exception] | None
) -> None:
    exchange = json.loads((shared_dir / f"fixtures/amocrm/{name}.json").read_text())
    scripted.reply(Reply(exchange["body"] if exchange["body"] else b"", exchange["status"]))
    if kind:
        with pytest.raises(kind):
            swept(amocrm.CONTACTS, account)
    else:
        assert swept(amocrm.CONTACTS, account) == {}
