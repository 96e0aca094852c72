"""The sandbox's HubSpot behaves as HubSpot does, and the connector reads its invented company right."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from dagster_project.sandbox import Sandbox, serve
from dagster_project.sandbox.company import HISTORY_START
from dagster_project.sources import hubspot
from dagster_project.sources.hubspot.sandbox import ACCESS_TOKEN
from dagster_project.sources.hubspot.sandbox.records import Records
from dagster_project.wire.contract import Page, Stream, Tally, Window
from tests.support.hubspot_company import FewRecords, at, contact, serve_company, settings_for

BEARER = {"Authorization": f"Bearer {ACCESS_TOKEN}"}
TODAY = date(2026, 10, 1)


@pytest.fixture(scope="module")
def kontorra() -> Iterator[Sandbox]:
    with serve(TODAY, vendors=["hubspot"]) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(kontorra: Sandbox) -> Iterator[Sandbox]:
    """The invented company on its demo day; the next test finds it there again."""
    yield kontorra
    kontorra.clock.set(TODAY)
    kontorra.faults.clear()


def get(sandbox: Sandbox, path: str, **query: Any) -> requests.Response:
    return requests.get(sandbox.endpoints["hubspot"] + path, params=query, headers=BEARER, timeout=10)


def post(sandbox: Sandbox, path: str, body: Any, headers: Any = BEARER) -> requests.Response:
    return requests.post(sandbox.endpoints["hubspot"] + path, json=body, headers=headers, timeout=10)


def search(sandbox: Sandbox, object_type: str = "contacts", **body: Any) -> requests.Response:
    return post(sandbox, f"/crm/v3/objects/{object_type}/search", body)


def rate_limits(headers: Any) -> set[str]:
    return {name.lower() for name in headers if name.lower().startswith("x-hubspot-ratelimit")}


class Days:
    """The raw zone's rule for records, in memory: a day that is read again holds what was read, nothing else."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._rows: dict[date, list[dict[str, Any]]] = {}

    def replace(self, window: Window, pages: Iterable[Page]) -> None:
        self._rows |= {day: [] for day in window.days()}
        for row in (row for page in pages for row in page.rows.to_pylist()):
            day = row[self._stream.day].date()
            assert day in window
            self._rows[day].append(row)

    def newest(self) -> dict[str, dict[str, Any]]:
        """What staging does: the newest version of each id."""
        rows = [row for day in self._rows.values() for row in day]
        return {row["id"]: row for row in sorted(rows, key=lambda row: row[self._stream.day])}


# ---- as the vendor behaves ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/crm/v3/objects/contacts", {"limit": 101}),
        ("/crm/v3/objects/contacts", {"limit": 51, "propertiesWithHistory": "lifecyclestage"}),
        ("/crm/v3/objects/unicorns", {}),
        ("/form-integrations/v1/submissions/forms/5eed0000-0000-4000-8000-000000000001", {"limit": 51}),
    ],
)
def test_lists_refuse_what_hubspot_refuses(sandbox: Sandbox, path: str, query: dict[str, Any]) -> None:
    answer = get(sandbox, path, **query)
    assert (answer.status_code, answer.json()["category"]) == (400, "VALIDATION_ERROR")
    assert set(answer.json()) == {"status", "message", "correlationId", "category"}


@pytest.mark.parametrize(
    "body",
    [
        {"limit": 201},
        {"limit": 100, "after": "10000"},
        {"limit": 100, "after": "9901"},
        {"filterGroups": [{"filters": [{"propertyName": "email", "operator": "NEAR", "value": "x"}]}]},
        {"filterGroups": [{"filters": []}] * 6},
        {"sorts": [{"propertyName": "email"}, {"propertyName": "createdate"}]},
    ],
)
def test_search_refuses_what_hubspot_refuses(sandbox: Sandbox, body: dict[str, Any]) -> None:
    assert search(sandbox, **body).status_code == 400


def test_search_has_the_recorded_shape(sandbox: Sandbox, shared_dir: Path) -> None:
    recorded = json.loads((shared_dir / "fixtures/hubspot/search_contacts_200.json").read_text())["response"]
    answer = search(sandbox, properties=["email", "firstname", "not_a_property"], limit=1)
    body = answer.json()
    assert set(body) - {"paging"} == set(recorded["body"])
    assert set(body["results"][0]) == set(recorded["body"]["results"][0])
    assert set(body["results"][0]["properties"]) == {
        "createdate", "email", "firstname", "hs_object_id", "lastmodifieddate",
    }  # fmt: skip
    assert rate_limits(answer.headers) == rate_limits(recorded["headers"])
    both = get(sandbox, "/crm/v3/owners").headers
    assert rate_limits(both) > rate_limits(answer.headers)


def test_every_property_is_a_text_or_null(sandbox: Sandbox) -> None:
    names = [each["name"] for each in get(sandbox, "/crm/v3/properties/deals").json()["results"]]
    for record in search(sandbox, "deals", properties=names, limit=200).json()["results"]:
        assert {type(value) for value in record["properties"].values()} <= {str, type(None)}


def test_search_shows_nothing_archived_and_no_history(sandbox: Sandbox) -> None:
    archived = sandbox.company.landmarks["archived_contact"]
    condition = {"propertyName": "hs_object_id", "operator": "EQ", "value": archived}
    assert search(sandbox, filterGroups=[{"filters": [condition]}]).json()["total"] == 0
    listed = get(sandbox, "/crm/v3/objects/contacts", archived="true", limit=100).json()["results"]
    assert {record["id"]: record["archivedAt"] for record in listed}[archived] == "2026-08-12T09:30:00.000Z"
    asked = search(sandbox, propertiesWithHistory=["lifecyclestage"]).json()["results"][0]
    assert "propertiesWithHistory" not in asked


def test_a_list_ends_where_paging_is_missing(sandbox: Sandbox) -> None:
    ids: list[str] = []
    query: dict[str, Any] = {"limit": 100}
    while True:
        body = get(sandbox, "/crm/v3/objects/contacts", **query).json()
        ids += [record["id"] for record in body["results"]]
        if "paging" not in body:
            break
        query["after"] = body["paging"]["next"]["after"]
    assert ids == [view.id for view in sandbox.company.contacts_as_of(sandbox.clock.now())]


def test_a_wrong_token_is_refused_as_documented(sandbox: Sandbox, shared_dir: Path) -> None:
    documented = json.loads((shared_dir / "fixtures/hubspot/errors_doc_derived.json").read_text())["401"]
    answer = post(sandbox, "/crm/v3/objects/contacts/search", {}, {"Authorization": "Bearer other"})
    assert answer.status_code == 401
    assert answer.json() | {"correlationId": "x"} == documented


def test_throttling_is_answered_as_recorded(sandbox: Sandbox, shared_dir: Path) -> None:
    recorded = json.loads((shared_dir / "fixtures/hubspot/search_429.json").read_text())["response"]
    sandbox.faults.set("hubspot", "throttle", 1)
    answer = search(sandbox)
    assert (answer.status_code, answer.json()) == (recorded["status"], recorded["body"])
    assert "Retry-After" not in answer.headers


def test_an_address_that_is_too_long_is_refused(sandbox: Sandbox) -> None:
    assert get(sandbox, "/crm/v3/objects/contacts", properties="x" * 16_001).status_code == 414


def test_inputs_without_an_answer_make_a_batch_partial(sandbox: Sandbox) -> None:
    known = sandbox.company.contacts_as_of(sandbox.clock.now())[0].id
    read = post(sandbox, "/crm/v3/objects/contacts/batch/read", {"inputs": [{"id": known}, {"id": "1"}]})
    assert (read.status_code, [each["id"] for each in read.json()["results"]]) == (207, [known])
    alone = sandbox.company.landmarks["contactless_deal"]
    path = "/crm/v4/associations/deals/contacts/batch/read"
    associated = post(sandbox, path, {"inputs": [{"id": alone}]})
    assert (associated.status_code, associated.json()["results"]) == (207, [])
    assert associated.json()["errors"][0]["subCategory"] == "crm.associations.NO_ASSOCIATIONS_FOUND"


def test_equal_values_come_in_no_order_to_rely_on(monkeypatch: pytest.MonkeyPatch) -> None:
    company = FewRecords(contacts=[contact(n, at("2026-09-01T00:00:00")) for n in range(1, 41)])
    with serve_company(company, monkeypatch) as few:
        sorts = [{"propertyName": "lastmodifieddate", "direction": "ASCENDING"}]
        ids = [int(each["id"]) for each in search(few, sorts=sorts, limit=100).json()["results"]]
    assert sorted(ids) == list(range(1, 41)) != ids


# ---- the connector over the invented company ---------------------------------------------------------------


def test_a_sweep_of_the_company_is_what_its_crm_shows(sandbox: Sandbox) -> None:
    settings, now = settings_for(sandbox.endpoints["hubspot"]), sandbox.clock.now()
    held = Records(sandbox.company)
    contacts = {row["id"]: row for page in hubspot.sweep_contacts(settings, Tally()) for row in page.rows.to_pylist()}
    live = {view.id: view for view in held.contacts_as_of(now)}
    archived = {view.id: view for view in held.contacts_as_of(now, archived=True)}
    assert contacts.keys() == live.keys() | archived.keys()
    for id, view in live.items():
        row = contacts[id]
        assert row["lastmodifieddate"] == view.updated_at
        assert row["lifecyclestage"] == view.properties["lifecyclestage"]
        history = [(change.value, change.at) for change in reversed(view.history["lifecyclestage"])]
        assert [(each["value"], each["timestamp"]) for each in row["lifecyclestage_history"]] == history
    deals = {row["id"]: row for page in hubspot.sweep_deals(settings, Tally()) for row in page.rows.to_pylist()}
    shown = {view.id: view for view in held.deals_as_of(now)}
    assert deals.keys() == shown.keys() | {view.id for view in held.deals_as_of(now, archived=True)}
    for id, view in shown.items():
        linked = {each.to_id: each.is_primary for each in view.associations.get("contacts", ())}
        assert {each["contact_id"]: each["is_primary"] for each in deals[id]["contacts"]} == linked
        assert set(deals[id]["company_ids"]) == {each.to_id for each in view.associations.get("companies", ())}


def test_the_companys_special_cases_arrive(sandbox: Sandbox) -> None:
    settings, known = settings_for(sandbox.endpoints["hubspot"]), sandbox.company.landmarks
    contacts = {row["id"]: row for page in hubspot.sweep_contacts(settings, Tally()) for row in page.rows.to_pylist()}
    deals = {row["id"]: row for page in hubspot.sweep_deals(settings, Tally()) for row in page.rows.to_pylist()}
    assert known["deleted_contact"] not in contacts
    assert known["merged_contact"] not in contacts
    assert known["merged_contact"] in contacts[known["merged_survivor"]]["hs_merged_object_ids"].split(";")
    assert len(contacts[known["merged_survivor"]]["additional_email_hashes"]) == 1
    assert contacts[known["archived_contact"]]["archivedAt"] == at("2026-08-12T09:30:00")
    same = [contacts[known[name]]["email_hash"] for name in ("same_email_contact", "same_email_original")]
    assert same[0] == same[1] is not None
    assert (
        deals[known["contactless_deal"]]["contacts"],
        deals[known["contactless_deal"]]["company_ids"],
    ) == ([], [])
    assert deals[known["company_only_deal"]]["contacts"] == []
    assert deals[known["company_only_deal"]]["company_ids"]
    assert deals[known["amountless_deal"]]["amount"] is None
    assert deals[known["amountless_deal"]]["hs_is_closed_won"] is True
    assert deals[known["full_refund_deal"]]["refund_of_deal_id"] == known["fully_refunded_deal"]
    reopened = [each["value"] for each in deals[known["reopened_deal"]]["dealstage_history"]]
    assert reopened.index("closedlost") < reopened.index("closedwon")


def test_nightly_windows_that_include_the_running_day_lead_to_what_a_sweep_shows(sandbox: Sandbox) -> None:
    """Nights with an archived, a merged and an erased contact and a reopened deal among them.

    The window must reach into the running day: a record that has changed since midnight has left the days
    before it. Merges and erasures touch no record's time: those two wait for the sweep.
    """
    settings, known = settings_for(sandbox.endpoints["hubspot"]), sandbox.company.landmarks
    streams = (hubspot.CONTACTS, hubspot.DEALS)
    stored = {stream.name: Days(stream) for stream in streams}

    def extract(window: Window) -> None:
        for stream in streams:
            assert stream.read is not None
            stored[stream.name].replace(window, stream.read(settings, window, Tally()))

    extract(Window(HISTORY_START, TODAY + timedelta(days=1)))
    for day in Window(date(2026, 10, 2), date(2026, 10, 6)).days():
        sandbox.clock.set(datetime(day.year, day.month, day.day, 2, 30, tzinfo=UTC))
        extract(Window(day - timedelta(days=hubspot.RESTATE_DAYS), day + timedelta(days=1)))
    nightly = {name: days.newest() for name, days in stored.items()}
    swept = {
        stream.name: {row["id"]: row for page in stream.sweep(settings, Tally()) for row in page.rows.to_pylist()}
        for stream in streams
        if stream.sweep
    }
    gone = {known["deleted_later_contact"], known["merged_later_contact"]}
    assert nightly["contacts"].keys() - swept["contacts"].keys() == gone
    assert nightly["deals"].keys() == swept["deals"].keys()
    assert {id: row for id, row in nightly["contacts"].items() if id not in gone} == swept["contacts"]
    for id, row in swept["deals"].items():
        # An association with a contact that was erased or merged is gone without a change of the deal.
        then = nightly["deals"][id]
        assert then | {"contacts": 0} == row | {"contacts": 0}
        assert then["contacts"] == row["contacts"] or gone & {each["contact_id"] for each in then["contacts"]}
    assert swept["contacts"][known["archived_later_contact"]]["archived"] is True
    stages = [each["value"] for each in swept["deals"][known["reopened_later_deal"]]["dealstage_history"]]
    assert stages[stages.index("closedwon") + 1 :] != []
