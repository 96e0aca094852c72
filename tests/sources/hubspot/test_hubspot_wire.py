"""HubSpot's answers that no sandbox gives by itself: scripted ones, and bodies recorded from real portals."""

from __future__ import annotations

import copy
import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from dagster_project.sources import hubspot
from dagster_project.sources.hubspot.api import Account, HubSpot
from dagster_project.sources.hubspot.asked import contact_properties, deal_properties
from dagster_project.sources.hubspot.lists import owner_row, pipeline_rows
from dagster_project.sources.hubspot.rows import contacts_table, deals_table
from dagster_project.sources.hubspot.settings import HubspotProperties
from dagster_project.wire.columns import to_table
from dagster_project.wire.contract import AuthError, DriftError, QuotaError, Tally, VendorError, Window
from dagster_project.wire.identity import hash_email
from dagster_project.wire.pacing import Pacer
from tests.support.hubspot_company import HASH_KEY, at, settings_for
from tests.support.scripted_server import Asked, Reply, ScriptedServer

SEPTEMBER = Window(date(2026, 9, 1), date(2026, 10, 1))
NAMES = ["createdate", "lastmodifieddate", "lifecyclestage", "email"]
ACCOUNT = Account("26000001", "EUR")
KEY = HASH_KEY.encode()


def found(id: Any, moment: str, **more: Any) -> dict[str, Any]:
    properties = {
        "createdate": "2026-09-01T00:00:00.000Z",
        "lastmodifieddate": moment,
        "lifecyclestage": "lead",
    }
    return {
        "id": id,
        "properties": properties,
        "createdAt": "2026-09-01T00:00:00.000Z",
        "updatedAt": moment,
        "archived": False,
        **more,
    }


def script_portal(scripted: ScriptedServer, pages: list[Any]) -> list[Asked]:
    """A portal of contacts whose searches are answered with `pages` in turn; returns the searches asked."""
    searches: list[Asked] = []
    seen: dict[str, Any] = {}

    def answer(asked: Asked) -> Reply | None:
        if asked.path == "/account-info/v3/details":
            return Reply({"portalId": 26000001, "companyCurrency": "EUR"})
        if asked.path == "/crm/v3/properties/contacts":
            return Reply({"results": [{"name": name} for name in NAMES]})
        if asked.path.endswith("/search"):
            searches.append(asked)
            page = pages[len(searches) - 1]
            if isinstance(page, dict):
                seen.update({str(each.get("id")): each for each in page.get("results", ())})
            return page if isinstance(page, Reply) else Reply(page)
        if asked.path.endswith("/batch/read"):
            ids = [each["id"] for each in asked.json["inputs"]]
            return Reply({"status": "COMPLETE", "results": [seen[id] for id in ids]})
        if asked.path == "/crm/v3/objects/contacts":
            return Reply({"results": []})
        return None

    scripted.rule(answer)
    return searches


def read(scripted: ScriptedServer, tally: Tally | None = None) -> list[dict[str, Any]]:
    pages = hubspot.read_contacts(settings_for(scripted.url), SEPTEMBER, tally or Tally())
    return [row for page in pages for row in page.rows.to_pylist()]


# ---- throttling and refusals -------------------------------------------------------------------------------


def refusal(status: int, **body: Any) -> Reply:
    return Reply({"status": "error", "correlationId": "x", **body}, status)


def test_a_ten_secondly_limit_is_waited_for_ten_seconds(scripted: ScriptedServer, waits: list[float]) -> None:
    throttled = refusal(
        429,
        message="You have reached your ten_secondly_rolling limit.",
        errorType="RATE_LIMIT",
        policyName="TEN_SECONDLY_ROLLING",
    )
    script_portal(scripted, [throttled, throttled, {"total": 0, "results": []}])
    tally = Tally()
    assert read(scripted, tally) == []
    assert (waits, tally.retries) == ([10.0, 10.0], 2)


def test_the_daily_limit_ends_the_read_at_once(scripted: ScriptedServer, waits: list[float]) -> None:
    daily = refusal(429, message="You have reached your daily limit.", errorType="RATE_LIMIT", policyName="DAILY")
    searches = script_portal(scripted, [daily])
    with pytest.raises(QuotaError, match=r"daily limit .* untouched"):
        read(scripted)
    assert (waits, len(searches)) == ([], 1)


def test_a_recorded_throttling_without_a_policy_waits_a_second(
    scripted: ScriptedServer, waits: list[float], shared_dir: Path
) -> None:
    recorded = json.loads((shared_dir / "fixtures/hubspot/search_429.json").read_text())["response"]
    script_portal(
        scripted,
        [Reply(recorded["body"], recorded["status"], recorded["headers"]), {"total": 0, "results": []}],
    )
    tally = Tally()
    assert read(scripted, tally) == []
    assert waits == [1.0]
    assert tally.quota == {"requests_per_day": 250_000, "requests_per_day_remaining": 248_684}


def test_documented_errors_are_read(scripted: ScriptedServer, waits: list[float], shared_dir: Path) -> None:
    documented = json.loads((shared_dir / "fixtures/hubspot/errors_doc_derived.json").read_text())
    for name, error in {"401": AuthError, "429_daily": QuotaError, "400": VendorError}.items():
        script_portal(scripted, [Reply(documented[name], int(name[:3]))])
        with pytest.raises(error):
            read(scripted)
    script_portal(scripted, [Reply(documented["429_ten_secondly"], 429), {"total": 0, "results": []}])
    assert read(scripted) == []
    assert waits == [10.0]


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (423, {}, 2.0),  # locked: at least two seconds
        (477, {"Retry-After": "30"}, 30.0),  # the portal is being moved
        (429, {"Retry-After": "7"}, 7.0),
    ],
)
def test_other_waits_are_the_vendors(
    scripted: ScriptedServer, waits: list[float], status: int, headers: dict[str, str], expected: float
) -> None:
    script_portal(scripted, [Reply({}, status, headers), {"total": 0, "results": []}])
    assert read(scripted) == []
    assert waits == [expected]


@pytest.mark.parametrize("status", [502, 503, 504, 521, 530])
def test_a_proxys_page_is_no_answer(scripted: ScriptedServer, waits: list[float], status: int) -> None:
    script_portal(scripted, [Reply("<html>error</html>", status), {"total": 0, "results": []}])
    assert read(scripted) == []
    assert len(waits) == 1


def test_a_move_that_takes_hours_is_not_waited_for(scripted: ScriptedServer, waits: list[float]) -> None:
    script_portal(scripted, [Reply({}, 477, {"Retry-After": "86400"})])
    with pytest.raises(QuotaError) as error:
        read(scripted)
    assert (error.value.retry_after_seconds, waits) == (86_400, [])


def test_searches_keep_to_their_own_limit_and_no_more() -> None:
    """Five a second: the first five go at once, each later one a second after the fifth before it."""
    now, slept = [100.0], []

    def sleep(seconds: float) -> None:
        slept.append(round(seconds, 6))
        now[0] += seconds

    pacer = Pacer(5, 1.0, clock=lambda: now[0], sleep=sleep)
    started = []
    for _ in range(12):
        pacer.wait()
        started.append(round(now[0], 6))
        now[0] += 0.05  # a search takes 50 ms
    assert started[:5] == [100.0, 100.05, 100.1, 100.15, 100.2]
    assert all(later - earlier >= 1.0 for earlier, later in zip(started, started[5:], strict=False))
    assert started[5] == 101.0
    now[0] += 10
    slept.clear()
    pacer.wait()
    assert slept == []


# ---- paging ------------------------------------------------------------------------------------------------


def test_a_short_page_is_not_the_last_one_and_nor_is_an_empty_one(scripted: ScriptedServer) -> None:
    more = {"next": {"after": "200"}}
    searches = script_portal(
        scripted,
        [
            {"total": 3, "results": [found("1", "2026-09-02T00:00:00.000Z"), found("2", "2026-09-03T00:00:00.000Z")],
             "paging": more},
            {"total": 2, "results": [], "paging": more},
            {"total": 2, "results": [found("2", "2026-09-03T00:00:00.000Z"), found("3", "2026-09-04T00:00:00.000Z")]},
        ],
    )  # fmt: skip
    tally = Tally()
    assert [row["id"] for row in read(scripted, tally)] == ["1", "2", "3"]
    assert [asked.json.get("after") for asked in searches] == [None, None, "200"]
    assert tally.notes == []


def test_a_difference_to_the_announced_number_is_told(scripted: ScriptedServer) -> None:
    script_portal(scripted, [{"total": 3, "results": [found("1", "2026-09-02T00:00:00.000Z")]}])
    tally = Tally()
    assert len(read(scripted, tally)) == 1
    assert [note for note in tally.notes if "announced 3" in note]


def test_results_outside_the_window_are_left_out(scripted: ScriptedServer) -> None:
    results = [found(str(n), moment) for n, moment in enumerate(["2026-08-31T23:59:59.999Z", "2026-09-02T00:00:00Z"])]
    script_portal(scripted, [{"total": 2, "results": results}])
    assert [row["id"] for row in read(scripted)] == ["1"]


@pytest.mark.parametrize("moments", [("2026-09-03", "2026-08-03"), ("2026-09-03", "2026-09-01")])
def test_a_search_that_ignores_its_order_is_an_error(scripted: ScriptedServer, moments: tuple[str, str]) -> None:
    """Otherwise it would be asked for the same page for ever."""
    page = {
        "total": 9,
        "results": [found(str(n), f"{moment}T00:00:00Z") for n, moment in enumerate(moments)],
        "paging": {"next": {"after": "200"}},
    }
    script_portal(scripted, [page])
    with pytest.raises(VendorError, match="out of order"):
        read(scripted)


def test_a_list_that_turns_in_a_circle_is_an_error(scripted: ScriptedServer) -> None:
    scripted.rule(lambda asked: Reply({"results": [{"id": "1"}], "paging": {"next": {"after": "same"}}}))
    with pytest.raises(VendorError, match="again and again"):
        list(HubSpot(settings_for(scripted.url), Tally(), "owners").owners(archived=False))


def test_a_batch_that_fails_in_part_for_another_reason_is_an_error(scripted: ScriptedServer) -> None:
    errors = [{"category": "INTERNAL_ERROR", "message": "something broke"}]
    scripted.rule(lambda asked: Reply({"status": "COMPLETE", "results": [], "numErrors": 1, "errors": errors}, 207))
    portal = HubSpot(settings_for(scripted.url), Tally(), "deals")
    with pytest.raises(VendorError, match="INTERNAL_ERROR: something broke"):
        portal.batch_read("deals", ["1"], NAMES)
    with pytest.raises(VendorError, match="INTERNAL_ERROR"):
        portal.associations("deals", "contacts", ["1"])


# ---- drift -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("record", [found(None, "2026-09-02T00:00:00Z"), {"properties": {}}, "51"])
def test_a_record_without_an_id_is_drift(scripted: ScriptedServer, record: Any) -> None:
    script_portal(scripted, [Reply({"total": 1, "results": [record]})])
    with pytest.raises(DriftError, match=r"hubspot/contacts: .*'id'"):
        read(scripted)


def test_a_record_without_properties_is_drift(scripted: ScriptedServer) -> None:
    script_portal(scripted, [{"total": 1, "results": [{"id": "1", "createdAt": "2026-09-02T00:00:00Z"}]}])
    with pytest.raises(DriftError, match=r"hubspot/contacts: .*'properties'"):
        read(scripted)


def test_a_retyped_property_is_drift_that_names_the_day_and_shows_no_value(scripted: ScriptedServer) -> None:
    records = [found(str(n), "2026-09-02T00:00:00Z") for n in range(3)]
    for record in records:
        record["properties"]["createdate"] = "ada@example.com"
    script_portal(scripted, [{"total": 3, "results": records}])
    with pytest.raises(DriftError, match=r"hubspot/contacts: .*'createdate'.*2026-09-02") as error:
        read(scripted)
    assert "ada@" not in str(error.value)


def test_an_answer_without_results_is_drift(scripted: ScriptedServer) -> None:
    script_portal(scripted, [{"total": 1, "items": []}])
    with pytest.raises(DriftError, match=r"hubspot/contacts: .*'results'"):
        read(scripted)


# ---- recorded bodies ---------------------------------------------------------------------------------------


def recorded(shared_dir: Path, name: str) -> Any:
    return json.loads((shared_dir / "fixtures" / "hubspot" / f"{name}.json").read_text())


def with_moments(record: dict[str, Any], cursor: str) -> dict[str, Any]:
    """A captured record whose moments were blanked out when it was recorded, with a moment again."""
    record = copy.deepcopy(record)
    record["updatedAt"] = record["properties"][cursor] = "2026-09-02T08:00:00.000Z"
    return record


def test_a_recorded_search_is_parsed(scripted: ScriptedServer, shared_dir: Path) -> None:
    body = recorded(shared_dir, "search_contacts_200")["response"]["body"]
    script_portal(scripted, [body])
    window = Window(date(2022, 2, 1), date(2022, 3, 1))
    (page,) = hubspot.read_contacts(settings_for(scripted.url), window, Tally())
    (row,) = page.rows.to_pylist()
    assert (row["id"], row["createdate"]) == ("286101", at("2022-02-14T21:36:07.649"))
    assert row["lastmodifieddate"] == at("2022-02-14T21:36:16.420")
    assert row["email_hash"] == hash_email("user94@example.com", KEY)


def test_a_captured_contact_is_parsed(shared_dir: Path) -> None:
    record = with_moments(recorded(shared_dir, "estuary_capture_contacts"), "lastmodifieddate")
    asked = contact_properties({*record["properties"]}, HubspotProperties())
    (row,) = contacts_table(hubspot.CONTACTS, [record], asked, ACCOUNT, KEY).to_pylist()
    assert (row["id"], row["lifecyclestage"]) == ("72810357568", "lead")
    assert (row["hs_analytics_source"], row["hs_analytics_source_data_2"]) == ("OFFLINE", "sample-contact")
    assert row["lifecyclestage_history"] == [
        {
            "value": "lead",
            "timestamp": at("2024-10-28T16:39:00.612"),
            "source_type": "INTERNAL_PROCESSING",
        }
    ]
    assert json.loads(row["stage_entered_at"]) == {"lead": "2024-10-28T16:39:00.612000+00:00"}
    assert json.loads(row["_extra"]) == {"companies": "(list)"}  # the capture's own field, not HubSpot's


def test_a_captured_deal_is_parsed(shared_dir: Path) -> None:
    record = with_moments(recorded(shared_dir, "estuary_capture_deals"), "hs_lastmodifieddate")
    asked = deal_properties({*record["properties"], "closedate"}, HubspotProperties())
    (row,) = deals_table(hubspot.DEALS, [record], asked, ACCOUNT, {}, {}).to_pylist()
    assert (row["id"], float(row["amount"]), row["dealstage"]) == (
        "35447325508",
        43.0,
        "appointmentscheduled",
    )
    assert (row["hs_is_closed"], row["hs_is_closed_won"], row["closedate"]) == (False, False, None)
    assert row["hs_deal_stage_probability"] == 0.2
    assert row["dealstage_history"][0]["timestamp"] == at("2025-04-03T12:59:10.726")


def test_a_captured_owner_is_parsed(shared_dir: Path) -> None:
    owner = recorded(shared_dir, "estuary_capture_owners") | {"updatedAt": "2026-09-02T08:00:00.000Z"}
    (row,) = to_table(hubspot.OWNERS, [owner_row(owner, ACCOUNT, KEY)]).to_pylist()
    assert (row["id"], row["userId"], row["firstName"], row["lastName"]) == (
        "12236123",
        "12236123",
        "Jane",
        "Doe",
    )
    assert row["email_hash"] == hash_email("jane@example.com", KEY)
    assert (row["archived"], row["_extra"]) == (False, None)


def test_captured_pipeline_stages_are_parsed(shared_dir: Path) -> None:
    """The capture has the older endpoint's names for ids; the stages are otherwise those of v3."""
    captured = recorded(shared_dir, "estuary_capture_deal_pipelines")
    stages = [{**stage, "id": stage["stageId"], "archived": not stage["active"]} for stage in captured["stages"]]
    pipeline = {**captured, "id": captured["pipelineId"], "stages": stages}
    rows = to_table(hubspot.PIPELINES, list(pipeline_rows(pipeline, ACCOUNT))).to_pylist()
    by_stage = {row["stage_id"]: row for row in rows}
    assert len(by_stage) == 7
    assert (by_stage["closedwon"]["isClosed"], by_stage["closedwon"]["probability"]) == (True, 1.0)
    assert (by_stage["contractsent"]["isClosed"], by_stage["contractsent"]["displayOrder"]) == (False, 4)
    assert by_stage["closedwon"]["updatedAt"] == datetime.fromisoformat("2025-04-03T12:59:10.749+00:00")


@pytest.mark.parametrize("name", ["dlt_mock_contacts_data", "dlt_mock_contacts_with_history"])
def test_sample_contacts_are_parsed(shared_dir: Path, name: str) -> None:
    records = [with_moments(each, "lastmodifieddate") for each in recorded(shared_dir, name)["results"]]
    names = {name for record in records for name in record["properties"]} | {*NAMES}
    asked = contact_properties(names, HubspotProperties())
    stored = contacts_table(hubspot.CONTACTS, records, asked, ACCOUNT, KEY).to_pylist()
    assert all(row["createdate"] and row["email_hash"] for row in stored)
    assert [row["id"] for row in stored] == [str(record["id"]) for record in records]
    assert len(stored) > 0
    assert "example.com" not in json.dumps(stored, default=str)


def test_sample_deals_are_parsed(shared_dir: Path) -> None:
    records = recorded(shared_dir, "dlt_mock_deals_data")["results"]
    asked = deal_properties({*records[0]["properties"]}, HubspotProperties())
    rows = deals_table(hubspot.DEALS, records, asked, ACCOUNT, None, None).to_pylist()
    assert [(row["id"], str(row["amount"])) for row in rows] == [
        ("6744192456", "500.000000"),
        ("6744457152", "3233.000000"),
    ]
