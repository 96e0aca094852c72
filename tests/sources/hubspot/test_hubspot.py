"""HubSpot over the wire, against the sandbox's HubSpot with a handful of records each: what arrives, and how often
it is asked."""

from __future__ import annotations

import json
import math
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from dagster_project.raw.zone import RawZone, ShrinkRefused
from dagster_project.sandbox.company import Association, Submission
from dagster_project.sources import hubspot
from dagster_project.sources.hubspot.api import HubSpot
from dagster_project.sources.hubspot.asked import contact_properties, deal_properties
from dagster_project.sources.hubspot.sandbox import PORTAL_ID
from dagster_project.sources.hubspot.sandbox.records import Change, Form, Owner
from dagster_project.sources.hubspot.search import SEARCH_PAGE
from dagster_project.sources.hubspot.settings import HubspotProperties
from dagster_project.wire.contract import AuthError, ConfigError, DriftError, Tally, VendorError, Window
from dagster_project.wire.identity import hash_email, hash_phone
from dagster_project.wire.pacing import Pacer
from tests.support.hubspot_company import (
    HASH_KEY,
    SALES_PIPELINE,
    FewRecords,
    TickingClock,
    at,
    contact,
    deal,
    serve_company,
    settings_for,
)

SEPTEMBER = Window(date(2026, 9, 1), date(2026, 10, 1))
SEPTEMBER_FIRST = at("2026-09-01T00:00:00")
KEY = HASH_KEY.encode()
FAST = Pacer(10_000, 1.0)


def rows_of(pages: Any) -> list[dict[str, Any]]:
    return [row for page in pages for row in page.rows.to_pylist()]


def by_id(pages: Any) -> dict[str, dict[str, Any]]:
    """id -> row; fails when one comes twice."""
    rows = rows_of(pages)
    found = {row["id"]: row for row in rows}
    assert len(found) == len(rows)
    return found


def contacts_by_minute(count: int, first: datetime = SEPTEMBER_FIRST) -> list[Any]:
    return [contact(n, first + timedelta(minutes=n), email=f"p{n}@example.com") for n in range(1, count + 1)]


# ---- contacts ----------------------------------------------------------------------------------------------


def test_a_contact_becomes_a_typed_row_without_personal_data(monkeypatch: pytest.MonkeyPatch) -> None:
    history = [  # HubSpot: newest first
        Change(at("2026-09-03T08:00:00"), "marketingqualifiedlead", "AUTOMATION_PLATFORM"),
        Change(at("2026-09-02T08:00:00"), "lead", "FORM"),
    ]
    record = contact(
        51,
        at("2026-09-03T08:00:00.250"),
        history={"lifecyclestage": history},
        email=" Ada.Lovelace@Example.COM ",
        firstname="Ada",
        phone="",
        mobilephone="+49 (171) 123-4567",
        lifecyclestage="marketingqualifiedlead",
        hubspot_owner_id="904875188",
        utm_source="google",
        utm_content="for ada@example.com",
        gclid="",
        where_from="Ada of ada@example.com, 0171 123 45 67, told me; 2 of 3 here use it",
        hs_google_click_id="EAIaIQobChMI",
        hs_analytics_source="PAID_SEARCH",
        hs_analytics_first_url="https://www.kontorra.example/demo?utm_source=google&email=ada%40example.com",
        hs_analytics_first_timestamp="1788336000000",  # some moments come as epoch milliseconds
        country="Germany",
        hs_country_region_code="DE",
        hs_merged_object_ids="17;18",
        hs_additional_emails="Ada@Byron.example;;nobody",
        hs_v2_date_entered_lead="2026-09-02T08:00:00.000Z",
        hs_v2_date_entered_current_stage="2026-09-03T08:00:00.000Z",
    )
    configured = HubspotProperties(self_reported_source="where_from")
    with serve_company(FewRecords(contacts=[record]), monkeypatch) as sandbox:
        settings = settings_for(sandbox.endpoints["hubspot"], properties=configured)
        pages = list(hubspot.read_contacts(settings, SEPTEMBER, Tally()))
    row = by_id(pages)["51"]
    assert row.pop("self_reported_source") == "Ada of (redacted), (redacted), told me; 2 of 3 here use it"
    assert pages[0].rows.schema == hubspot.CONTACTS.schema
    assert row["createdate"] == at("2026-09-02T08:00:00.250")
    assert row["lastmodifieddate"] == at("2026-09-03T08:00:00.250")
    assert row["lifecyclestage"] == "marketingqualifiedlead"
    assert row["email_hash"] == hash_email("ada.lovelace@example.com", KEY)
    assert row["additional_email_hashes"] == [hash_email("ada@byron.example", KEY)]
    assert row["phone_hash"] == hash_phone("+491711234567", KEY)
    assert (row["utm_source"], row["utm_medium"], row["utm_content"]) == ("google", None, "for (redacted)")
    assert row["gclid"] == "EAIaIQobChMI"  # the form's own field is empty: HubSpot's last ad click stands in
    assert row["hs_analytics_first_url"].startswith("https://www.kontorra.example/demo?utm_source=google&email=")
    assert row["hs_analytics_first_timestamp"] == at("2026-09-02T08:00:00")
    assert row["hs_merged_object_ids"] == "17;18"
    assert row["lifecyclestage_history"] == [
        {"value": "lead", "timestamp": at("2026-09-02T08:00:00"), "source_type": "FORM"},
        {
            "value": "marketingqualifiedlead",
            "timestamp": at("2026-09-03T08:00:00"),
            "source_type": "AUTOMATION_PLATFORM",
        },
    ]
    assert json.loads(row["stage_entered_at"]) == {"lead": "2026-09-02T08:00:00+00:00"}
    assert (row["archived"], row["archivedAt"], row["_extra"]) == (False, None, None)
    assert row["account_id"] == PORTAL_ID
    everything = json.dumps(row, default=str).lower()
    assert not [personal for personal in ("ada", "lovelace", "1711234567") if personal in everything]


def test_a_window_starts_with_its_first_millisecond_and_ends_before_the_next_midnight(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    company = FewRecords(
        contacts=[
            contact(1, at("2026-08-31T23:59:59.999")),
            contact(2, at("2026-09-01T00:00:00.000")),
            contact(3, at("2026-09-30T23:59:59.999")),
            contact(4, at("2026-10-01T00:00:00.000")),
        ]
    )
    with serve_company(company, monkeypatch) as sandbox:
        pages = hubspot.read_contacts(settings_for(sandbox.endpoints["hubspot"]), SEPTEMBER, Tally())
        assert sorted(by_id(pages)) == ["2", "3"]


def test_more_contacts_than_a_search_may_give_all_come(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve_company(FewRecords(contacts=contacts_by_minute(950)), monkeypatch, search_cap=400) as sandbox:
        pages = hubspot.read_contacts(settings_for(sandbox.endpoints["hubspot"]), SEPTEMBER, Tally())
        assert sorted(map(int, by_id(pages))) == list(range(1, 951))
        # 199 new ones a page: each page starts with the last one of the page before
        assert sandbox.calls.count(path="/contacts/search") == math.ceil((950 - 1) / (SEARCH_PAGE - 1))


def test_more_contacts_of_one_millisecond_than_a_search_may_give_all_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    imported = at("2026-09-10T12:00:00.123")
    contacts = [
        *[contact(n, at("2026-09-10T12:00:00") - timedelta(minutes=n)) for n in range(1, 151)],
        *[contact(n, imported) for n in range(151, 801)],
        *[contact(n, imported + timedelta(minutes=n)) for n in range(801, 1001)],
    ]
    tally = Tally()
    with serve_company(FewRecords(contacts=contacts), monkeypatch, search_cap=400) as sandbox:
        pages = hubspot.read_contacts(settings_for(sandbox.endpoints["hubspot"]), SEPTEMBER, tally)
        assert sorted(map(int, by_id(pages))) == list(range(1, 1001))
    assert tally.notes == []  # as many as the search had announced


def test_every_mix_of_equal_moments_comes_whole_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of equal moments of every awkward length: shorter than a page, a page, a page and one, several."""
    contacts: list[Any] = []
    for millisecond, run in enumerate([1, 199, 200, 201, 5, 399, 400, 401, 100, 101]):
        start = len(contacts) + 1
        moment = at("2026-09-05T00:00:00") + timedelta(milliseconds=millisecond)
        contacts += [contact(n, moment) for n in range(start, start + run)]
    with serve_company(FewRecords(contacts=contacts), monkeypatch, search_cap=600) as sandbox:
        portal = HubSpot(settings_for(sandbox.endpoints["hubspot"]), Tally(), "contacts", pacer=FAST)
        first, last = at("2026-09-01T00:00:00"), at("2026-10-01T00:00:00")
        ids = [
            int(record["id"])
            for record in portal.search(
                "contacts",
                "lastmodifieddate",
                int(first.timestamp() * 1000),
                int(last.timestamp() * 1000),
                [],
            )
        ]
    assert sorted(ids) == list(range(1, len(contacts) + 1))


def test_a_contact_that_changes_between_pages_hides_no_other_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """With page numbers, the one that moves to the end would pull the page's edge over another."""
    start = at("2026-09-30T06:00:00")
    company = FewRecords(
        contacts=contacts_by_minute(600, at("2026-09-29T00:00:00")),
        later_contacts=[(start + timedelta(seconds=8), contact(7, start + timedelta(seconds=8)))],
    )
    with serve_company(company, monkeypatch, clock=TickingClock(start)) as sandbox:
        pages = list(
            hubspot.read_contacts(
                settings_for(sandbox.endpoints["hubspot"]),
                Window(date(2026, 9, 29), date(2026, 10, 1)),
                Tally(),
            )
        )
    found = by_id(pages)
    assert sorted(map(int, found)) == list(range(1, 601))
    assert found["7"]["lastmodifieddate"] == start + timedelta(seconds=8)


def test_a_contact_that_leaves_the_window_while_it_is_read_stays_until_its_new_day_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Found by the search in its old version, read a moment later in the new one: the old one is the day's."""
    start = at("2026-09-30T06:00:00")
    company = FewRecords(
        contacts=[contact(7, at("2026-09-29T10:00:00"), lifecyclestage="lead")],
        later_contacts=[(start, contact(7, start, lifecyclestage="customer"))],
    )
    with serve_company(company, monkeypatch, clock=TickingClock(start), index_lag=timedelta(minutes=5)) as sandbox:
        pages = hubspot.read_contacts(
            settings_for(sandbox.endpoints["hubspot"]), Window.of_day(date(2026, 9, 29)), Tally()
        )
        row = by_id(pages)["7"]
    assert (row["lastmodifieddate"], row["lifecyclestage"]) == (at("2026-09-29T10:00:00"), "lead")


def test_a_contact_that_is_erased_while_it_is_read_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    start = at("2026-09-30T06:00:00")
    company = FewRecords(
        contacts=[contact(1, at("2026-09-29T10:00:00")), contact(2, at("2026-09-29T11:00:00"))],
        gone_contacts=[(start, "2")],
    )
    with serve_company(company, monkeypatch, clock=TickingClock(start), index_lag=timedelta(minutes=5)) as sandbox:
        tally = Tally()
        pages = hubspot.read_contacts(
            settings_for(sandbox.endpoints["hubspot"]), Window.of_day(date(2026, 9, 29)), tally
        )
        assert sorted(by_id(pages)) == ["1"]
    assert tally.notes == ["1 contacts were deleted or merged while they were being read"]


def test_an_archived_contact_is_a_version_of_the_day_it_was_archived(monkeypatch: pytest.MonkeyPatch) -> None:
    company = FewRecords(
        contacts=[
            contact(1, at("2026-08-02T10:00:00"), archived_at=at("2026-09-12T09:30:00")),
            contact(2, at("2026-09-02T10:00:00"), archived_at=at("2026-10-02T09:30:00")),
            contact(3, at("2026-09-02T10:00:00")),
        ]
    )
    with serve_company(company, monkeypatch) as sandbox:
        settings = settings_for(sandbox.endpoints["hubspot"])
        september = by_id(hubspot.read_contacts(settings, SEPTEMBER, Tally()))
        swept = by_id(hubspot.sweep_contacts(settings, Tally()))
    assert sorted(september) == ["1", "3"]
    gone = september["1"]
    assert gone["archived"] is True
    assert gone["lastmodifieddate"] == gone["archivedAt"] == at("2026-09-12T09:30:00")
    assert gone["lifecyclestage_history"] is None
    assert sorted(swept) == ["1", "2", "3"]
    assert [swept[n]["archived"] for n in "123"] == [True, True, False]


def test_a_restored_contact_is_live_again_after_a_sweep(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    zone, day = RawZone(tmp_path / "raw"), date(2026, 10, 1)
    company = FewRecords(contacts=[contact(1, at("2026-09-02T10:00:00"), archived_at=at("2026-09-12T09:30:00"))])
    for restored in (False, True):
        if restored:
            company.contacts = [contact(1, at("2026-09-02T10:00:00"))]
        with serve_company(company, monkeypatch) as sandbox:
            pages = hubspot.sweep_contacts(settings_for(sandbox.endpoints["hubspot"]), Tally())
            zone.replace_all(hubspot.CONTACTS, pages, extracted_at=at("2026-10-01T02:00:00"), checked_on=day)
    archived_on = zone.read_day(hubspot.CONTACTS, date(2026, 9, 12))
    changed_on = zone.read_day(hubspot.CONTACTS, date(2026, 9, 2))
    assert (archived_on.num_rows, changed_on.column("archived").to_pylist()) == (0, [False])


def test_a_sweep_and_the_windows_give_the_same_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    history = {"lifecyclestage": [Change(at("2026-09-01T08:00:00"), "lead", "FORM")]}
    contacts = [
        contact(n, at("2026-09-01T00:00:00") + timedelta(hours=3 * n), history=history, email=f"{n}@example.com")
        for n in range(1, 180)
    ]
    contacts.append(contact(500, at("2026-09-01T10:00:00"), archived_at=at("2026-09-20T10:00:00")))
    with serve_company(FewRecords(contacts=contacts), monkeypatch) as sandbox:
        settings = settings_for(sandbox.endpoints["hubspot"])
        swept = by_id(hubspot.sweep_contacts(settings, Tally()))
        halves = [Window(date(2026, 9, 1), date(2026, 9, 13)), Window(date(2026, 9, 13), date(2026, 10, 1))]
        read = by_id(page for window in halves for page in hubspot.read_contacts(settings, window, Tally()))
    assert read == swept


def test_a_year_is_asked_for_in_as_few_calls_as_the_vendor_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    year = Window(date(2025, 10, 1), date(2026, 10, 1))
    contacts = [contact(n, at("2025-10-01T00:00:00") + timedelta(hours=8 * n)) for n in range(1, 1001)]
    deals = [deal(n, at("2025-10-01T00:00:00") + timedelta(hours=24 * n)) for n in range(1, 301)]
    gone = [contact(9000 + n, at("2026-01-01"), archived_at=at("2026-01-02")) for n in range(120)]
    with serve_company(FewRecords(contacts=contacts + gone, deals=deals), monkeypatch) as sandbox:
        settings = settings_for(sandbox.endpoints["hubspot"])
        assert len(rows_of(hubspot.read_contacts(settings, year, Tally()))) == 1120
        assert sandbox.calls.by_path() == {
            "hubspot GET /account-info/v3/details": 1,
            "hubspot GET /crm/v3/properties/contacts": 1,
            "hubspot POST /crm/v3/objects/contacts/search": 6,  # 199 a page
            "hubspot POST /crm/v3/objects/contacts/batch/read": 20,  # 50 a call with history
            "hubspot GET /crm/v3/objects/contacts": 2,  # 120 archived ones, 100 a page
        }
        sandbox.calls.clear()
        tally = Tally()
        assert len(rows_of(hubspot.read_deals(settings, year, tally))) == 300
        assert sandbox.calls.by_path() == {
            "hubspot GET /account-info/v3/details": 1,
            "hubspot GET /crm/v3/properties/deals": 1,
            "hubspot POST /crm/v3/objects/deals/search": 2,
            "hubspot POST /crm/v3/objects/deals/batch/read": 6,
            "hubspot POST /crm/v4/associations/deals/contacts/batch/read": 1,
            "hubspot POST /crm/v4/associations/deals/companies/batch/read": 1,
            "hubspot GET /crm/v3/objects/deals": 1,
        }
        assert tally.api_calls == sandbox.calls.count()
        sandbox.calls.clear()
        rows_of(hubspot.sweep_contacts(settings, Tally()))
        assert sandbox.calls.count(path="GET /crm/v3/objects/contacts") == 20 + 2


def test_a_row_that_comes_on_two_pages_is_stored_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve_company(FewRecords(contacts=contacts_by_minute(120)), monkeypatch) as sandbox:
        sandbox.faults.set("hubspot", "duplicate_row", None)
        pages = hubspot.sweep_contacts(settings_for(sandbox.endpoints["hubspot"]), Tally())
        assert len(by_id(pages)) == 120


def test_names_that_do_not_fit_into_an_address_are_asked_in_a_body(monkeypatch: pytest.MonkeyPatch) -> None:
    stages = {f"hs_v2_date_entered_{10_000_000_000 + n}": "2026-09-02T08:00:00.000Z" for n in range(300)}
    contacts = [contact(n, at("2026-09-02T09:00:00"), **stages) for n in range(1, 151)]
    with serve_company(FewRecords(contacts=contacts), monkeypatch) as sandbox:
        found = by_id(hubspot.sweep_contacts(settings_for(sandbox.endpoints["hubspot"]), Tally()))
        assert {call.status for call in sandbox.calls.list()} == {"200"}
    assert len(found) == 150
    assert len(json.loads(found["1"]["stage_entered_at"])) == 300
    assert found["1"]["lifecyclestage_history"] == []


# ---- what is asked for -------------------------------------------------------------------------------------

CORE = {"createdate", "lastmodifieddate", "lifecyclestage", "email"}
DEAL_CORE = {"createdate", "hs_lastmodifieddate", "dealstage", "pipeline", "amount", "closedate"}


def test_only_properties_that_the_portal_has_are_asked_for() -> None:
    asked = contact_properties(CORE | {"utm_source", "firstname", "hs_analytics_source"}, HubspotProperties())
    assert asked.names == sorted(CORE | {"utm_source", "hs_analytics_source"})


def test_configured_property_names_make_the_columns() -> None:
    configured = HubspotProperties(utm_source="source_of_lead", product="product_line")
    assert contact_properties(CORE | {"source_of_lead"}, configured).columns["utm_source"] == ("source_of_lead",)
    assert deal_properties(DEAL_CORE | {"product_line"}, configured).columns["product"] == ("product_line",)


def test_the_order_number_is_read_only_where_its_property_is_named() -> None:
    portal = DEAL_CORE | {"order_id", "shop_order"}
    assert "order_id" not in deal_properties(portal, HubspotProperties()).columns
    named = deal_properties(portal, HubspotProperties(order_id="shop_order"))
    assert named.columns["order_id"] == ("shop_order",)
    assert deal_properties(portal, HubspotProperties(order_id="order_id")).columns["order_id"] == ("order_id",)
    with pytest.raises(ConfigError, match=r"hubspot_properties\.order_id.*'order_id'"):
        deal_properties(DEAL_CORE, HubspotProperties(order_id="order_id"))


@pytest.mark.parametrize(("written", "kept"), [("#1001", "#1001"), ("", None), ("ada@example.com", "(redacted)")])
def test_the_order_number_of_a_deal_keeps_no_address(
    written: str, kept: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = deal(2, at("2026-09-21T00:00:00"), dealstage="appointmentscheduled", shop_order=written)
    named = HubspotProperties(order_id="shop_order")
    with serve_company(FewRecords(deals=[record]), monkeypatch) as sandbox:
        settings = settings_for(sandbox.endpoints["hubspot"]).model_copy(update={"properties": named})
        rows = by_id(list(hubspot.read_deals(settings, SEPTEMBER, Tally())))
    assert rows["2"]["order_id"] == kept


def test_a_configured_property_that_the_portal_lacks_is_named() -> None:
    with pytest.raises(ConfigError, match=r"hubspot_properties\.utm_source.*'source_of_laed'"):
        contact_properties(CORE, HubspotProperties(utm_source="source_of_laed"))


def test_a_portal_without_a_core_property_is_drift() -> None:
    with pytest.raises(DriftError, match=r"hubspot/contacts.*'lifecyclestage'"):
        contact_properties(CORE - {"lifecyclestage"}, HubspotProperties())


def test_stage_dates_of_three_generations_are_found_newest_first(shared_dir: Path) -> None:
    folder = shared_dir / "fixtures" / "hubspot"
    older = set(json.loads((folder / "v1_contact_property_names.json").read_text()))
    newer = {each["name"] for each in json.loads((folder / "v3_contact_property_types.json").read_text())}
    stages = {
        "subscriber", "lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity", "customer",
        "evangelist", "other",
    }  # fmt: skip
    asked = contact_properties(newer, HubspotProperties())
    assert set(asked.stages) == stages
    assert asked.stages["lead"] == ("hs_v2_date_entered_lead",)
    # The recorded list of the older portal leaves out a few names of the first page (email among them).
    asked = contact_properties(older | CORE, HubspotProperties())
    assert set(asked.stages) == stages
    assert asked.stages["lead"] == ("hs_date_entered_lead", "hs_lifecyclestage_lead_date")


# ---- deals -------------------------------------------------------------------------------------------------


def test_a_deal_becomes_a_typed_row_with_its_contacts_and_companies(monkeypatch: pytest.MonkeyPatch) -> None:
    since = at("2026-09-01T00:00:00")
    won = deal(
        35447325508,
        at("2026-09-20T15:00:00.726"),
        history={"dealstage": [Change(at("2026-09-20T15:00:00"), "closedwon", "CRM_UI")]},
        associations={
            "contacts": [Association("901", False, since), Association("77", True, since)],
            "companies": [Association("5", False, since), Association("6", True, since)],
        },
        dealname="Ada Lovelace, 3 tills",
        amount="1234.50",
        deal_currency_code="USD",
        dealstage="closedwon",
        pipeline="default",
        closedate="2026-09-20T15:00:00.000Z",
        hs_is_closed="true",
        hs_is_closed_won="true",
        hs_deal_stage_probability="0.200000000000000011102230246251565404236316680908203125",
        product="Till",
        refund_of_deal_id="",
    )
    bare = deal(2, at("2026-09-21T00:00:00"), amount="", dealstage="appointmentscheduled")
    with serve_company(FewRecords(deals=[won, bare]), monkeypatch) as sandbox:
        pages = list(hubspot.read_deals(settings_for(sandbox.endpoints["hubspot"]), SEPTEMBER, Tally()))
    rows = by_id(pages)
    row = rows["35447325508"]
    assert pages[0].rows.schema == hubspot.DEALS.schema
    assert row["amount"] == Decimal("1234.500000")
    assert (row["deal_currency_code"], row["hs_is_closed_won"]) == ("USD", True)
    assert row["hs_deal_stage_probability"] == 0.2
    assert row["closedate"] == at("2026-09-20T15:00:00")
    assert row["contacts"] == [
        {"contact_id": "77", "is_primary": True},
        {"contact_id": "901", "is_primary": False},
    ]
    assert row["company_ids"] == ["6", "5"]  # the primary one first
    assert row["dealstage_history"] == [
        {"value": "closedwon", "timestamp": at("2026-09-20T15:00:00"), "source_type": "CRM_UI"}
    ]
    assert (row["product"], row["refund_of_deal_id"]) == ("Till", None)
    assert "Lovelace" not in json.dumps(row, default=str)
    # No amount is not an amount of zero; no currency is the account's own.
    assert (rows["2"]["amount"], rows["2"]["deal_currency_code"]) == (None, "EUR")
    assert (rows["2"]["contacts"], rows["2"]["company_ids"], rows["2"]["hs_is_closed"]) == ([], [], None)


def test_a_deal_with_more_contacts_than_a_page_of_associations_has_them_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    contacts = [Association(str(n), n == 1200, at("2026-09-01")) for n in range(1, 1202)]
    one = deal(1, at("2026-09-02T00:00:00"), associations={"contacts": contacts})
    with serve_company(FewRecords(deals=[one]), monkeypatch) as sandbox:
        row = by_id(hubspot.read_deals(settings_for(sandbox.endpoints["hubspot"]), SEPTEMBER, Tally()))["1"]
    assert [each["contact_id"] for each in row["contacts"]] == [str(n) for n in range(1, 1202)]
    assert [each["contact_id"] for each in row["contacts"] if each["is_primary"]] == ["1200"]


def test_an_archived_deal_has_no_associations_to_ask_for(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = deal(1, at("2026-09-02T00:00:00"), archived_at=at("2026-09-05T00:00:00"), amount="5")
    with serve_company(FewRecords(deals=[gone]), monkeypatch) as sandbox:
        row = by_id(hubspot.read_deals(settings_for(sandbox.endpoints["hubspot"]), SEPTEMBER, Tally()))["1"]
        assert sandbox.calls.count(path="/associations/") == 0
    assert (row["archived"], row["contacts"], row["company_ids"]) == (True, None, None)
    assert row["hs_lastmodifieddate"] == at("2026-09-05T00:00:00")


# ---- owners, pipelines, forms ------------------------------------------------------------------------------


def test_owners_who_left_are_there_too(monkeypatch: pytest.MonkeyPatch) -> None:
    since, left = at("2025-01-01T00:00:00"), at("2026-05-29T15:00:00")
    company = FewRecords(
        owners=[
            Owner("11", "911", "Anke", "Brandt", "Anke.Brandt@example.com", since, since, None),
            Owner("12", "912", "Malte", "Hinrichs", "malte@example.com", since, left, left),
        ]
    )
    with serve_company(company, monkeypatch) as sandbox:
        pages = list(hubspot.sweep_owners(settings_for(sandbox.endpoints["hubspot"]), Tally()))
    rows = by_id(pages)
    assert pages[0].rows.schema == hubspot.OWNERS.schema
    assert (rows["11"]["firstName"], rows["11"]["userId"], rows["11"]["archived"]) == ("Anke", "911", False)
    assert rows["11"]["email_hash"] == hash_email("anke.brandt@example.com", KEY)
    assert (rows["12"]["userId"], rows["12"]["archived"]) == ("912", True)
    assert (rows["12"]["createdAt"], rows["12"]["updatedAt"]) == (since, left)


def test_pipelines_are_a_row_a_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve_company(FewRecords(pipelines=(SALES_PIPELINE,)), monkeypatch) as sandbox:
        rows = rows_of(hubspot.sweep_pipelines(settings_for(sandbox.endpoints["hubspot"]), Tally()))
    assert [(row["pipeline_id"], row["stage_id"], row["isClosed"], row["probability"]) for row in rows] == [
        ("default", "appointmentscheduled", False, 0.2),
        ("default", "closedwon", True, 1.0),
        ("default", "closedlost", True, 0.0),
    ]
    assert (rows[0]["pipeline_label"], rows[0]["stage_label"]) == ("Sales pipeline", "Appointment scheduled")
    assert [row["displayOrder"] for row in rows] == [0, 1, 2]


SINCE = at("2025-06-01T00:00:00")
DEMO = Form("form-demo", "Demo request", "hubspot", SINCE, SINCE, None)
OLD = Form("form-old", "Old demo", "hubspot", SINCE, at("2026-02-16"), at("2026-02-16"))
COMMENTS = Form("form-comments", "Blog comments", "blog_comment", SINCE, SINCE, None)


def submission(number: int, form: Form, moment: datetime, **values: str) -> Submission:
    fields = tuple(values.items()) or (("email", f"p{number}@example.com"),)
    page = f"https://www.kontorra.example/demo?utm_source=google&email=p{number}%40example.com"
    return Submission(f"conversion-{number}", form.id, moment, page, fields, "1", None)


def test_forms_of_every_kind_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    many = [Form(f"form-{n:03}", f"Form {n}", "captured", SINCE, SINCE, None) for n in range(150)]
    with serve_company(FewRecords(forms=[DEMO, OLD, COMMENTS, *many]), monkeypatch) as sandbox:
        rows = by_id(hubspot.sweep_forms(settings_for(sandbox.endpoints["hubspot"]), Tally()))
    assert len(rows) == 153
    assert (rows["form-old"]["archived"], rows["form-demo"]["archived"]) == (True, False)
    assert rows["form-comments"]["formType"] == "blog_comment"


def test_submissions_of_a_window_are_read_until_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = [at("2026-07-01T00:00:00") + timedelta(hours=6 * n) for n in range(400)]  # to 8 October
    company = FewRecords(
        forms=[DEMO, OLD, COMMENTS],
        submissions=[
            *[submission(n, DEMO, moment) for n, moment in enumerate(moments)],
            submission(900, OLD, at("2026-09-03T00:00:00.001"), email="Old@Example.com", phone="0171 1234567"),
            submission(901, COMMENTS, at("2026-09-03T00:00:00")),
        ],
    )
    tally = Tally()
    with serve_company(company, monkeypatch) as sandbox:
        settings = settings_for(sandbox.endpoints["hubspot"])
        pages = list(hubspot.read_submissions(settings, Window(date(2026, 9, 3), date(2026, 9, 13)), tally))
        # 28 September 2026 is the newest page's end; the window's start lies on the third page.
        assert sandbox.calls.count(path="/submissions/forms/form-demo") == 3
        assert sandbox.calls.count(path="/submissions/forms/form-comments") == 0
        swept = rows_of(hubspot.sweep_submissions(settings, Tally()))
    rows = {row["conversionId"]: row for row in rows_of(pages)}
    expected = {f"conversion-{n}" for n, moment in enumerate(moments) if at("2026-09-03") <= moment < at("2026-09-13")}
    assert set(rows) == expected | {"conversion-900"}
    assert len(swept) == 401
    old = rows["conversion-900"]
    assert old["submittedAt"] == at("2026-09-03T00:00:00.001")
    assert old["email_hash"] == hash_email("old@example.com", KEY)
    assert old["phone_hash"] == hash_phone("01711234567", KEY)
    assert old["pageUrl"].startswith("https://www.kontorra.example/demo?utm_source=google&email=")
    assert "p900" not in old["pageUrl"]
    assert [note for note in tally.notes if "form-comments" in note]


def test_hidden_fields_of_a_form_become_tracking_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    one = submission(
        1,
        DEMO,
        at("2026-09-03T00:00:00"),
        email="a@b.example",
        utm_source="Google",
        gclid="Cj0KCQ",
        cid="12.34",
        how_did_you_hear_about_us="a friend",
    )
    configured = HubspotProperties(ga_client_id="cid")
    with serve_company(FewRecords(forms=[DEMO], submissions=[one]), monkeypatch) as sandbox:
        settings = settings_for(sandbox.endpoints["hubspot"], properties=configured)
        row = rows_of(hubspot.read_submissions(settings, SEPTEMBER, Tally()))[0]
    assert (row["utm_source"], row["gclid"], row["ga_client_id"], row["fbclid"]) == (
        "Google", "Cj0KCQ", "12.34", None,
    )  # fmt: skip
    assert row["self_reported_source"] == "a friend"  # the name that portals often give the field


# ---- faults ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["throttle", "server_error", "reset", "truncated"])
@pytest.mark.parametrize("where", ["/search", "/batch/read", "GET /crm/v3/objects", "/properties/"])
def test_a_passing_fault_is_ridden_out(
    monkeypatch: pytest.MonkeyPatch, waits: list[float], fault: str, where: str
) -> None:
    with serve_company(FewRecords(contacts=contacts_by_minute(60)), monkeypatch) as sandbox:
        sandbox.faults.set("hubspot", fault, 2, path=where)
        tally = Tally()
        pages = hubspot.read_contacts(settings_for(sandbox.endpoints["hubspot"]), SEPTEMBER, tally)
        assert len(by_id(pages)) == 60
    assert tally.retries == 2
    assert len(waits) == 2
    if fault == "throttle":  # "secondly", and no Retry-After
        assert waits == [1.0, 1.0]


def test_a_fault_that_does_not_pass_is_one_clear_error(monkeypatch: pytest.MonkeyPatch, waits: list[float]) -> None:
    with serve_company(FewRecords(contacts=contacts_by_minute(3)), monkeypatch) as sandbox:
        sandbox.faults.set("hubspot", "server_error", None)
        with pytest.raises(VendorError, match="still fails after 6 attempts"):
            list(hubspot.read_contacts(settings_for(sandbox.endpoints["hubspot"]), SEPTEMBER, Tally()))


@pytest.mark.parametrize("token", ["wrong-token", None])
def test_a_token_that_is_wrong_or_has_expired_is_named(monkeypatch: pytest.MonkeyPatch, token: str | None) -> None:
    with serve_company(FewRecords(contacts=contacts_by_minute(3)), monkeypatch) as sandbox:
        if token is None:
            sandbox.faults.set("hubspot", "expired_token", None, path="/search")
        settings = settings_for(sandbox.endpoints["hubspot"], **({"token": token} if token else {}))
        with pytest.raises(AuthError, match="HUBSPOT_ACCESS_TOKEN") as error:
            list(hubspot.read_contacts(settings, SEPTEMBER, Tally()))
    assert "wrong-token" not in str(error.value)


def test_a_missing_scope_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    denied = {"/crm/v3/objects/deals": ("crm.objects.deals.read",)}
    with serve_company(FewRecords(), monkeypatch, denied=denied) as sandbox:
        settings = settings_for(sandbox.endpoints["hubspot"])
        assert by_id(hubspot.read_contacts(settings, SEPTEMBER, Tally())) == {}
        with pytest.raises(AuthError, match=r"hubspot/deals.*crm\.objects\.deals\.read"):
            list(hubspot.read_deals(settings, SEPTEMBER, Tally()))


def test_without_the_right_to_ask_for_the_account_rows_are_read_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    denied = {"/account-info": ("oauth",)}
    tally = Tally()
    with serve_company(FewRecords(contacts=contacts_by_minute(1)), monkeypatch, denied=denied) as sandbox:
        row = by_id(hubspot.read_contacts(settings_for(sandbox.endpoints["hubspot"]), SEPTEMBER, tally))["1"]
    assert row["account_id"] == "hubspot"
    assert tally.notes


def test_the_quota_is_read_from_the_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    tally = Tally()
    with serve_company(FewRecords(), monkeypatch) as sandbox:
        list(hubspot.read_contacts(settings_for(sandbox.endpoints["hubspot"]), SEPTEMBER, tally))
    assert tally.quota == {
        "requests_per_day": 650_000,
        "requests_per_day_remaining": 650_000 - tally.api_calls,
        "requests_per_interval": 190,
        "requests_per_interval_remaining": 190 - tally.api_calls,
    }


def test_a_field_that_nobody_declared_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve_company(FewRecords(contacts=contacts_by_minute(1)), monkeypatch) as sandbox:
        sandbox.faults.set("hubspot", "unknown_field", None)
        row = by_id(hubspot.read_contacts(settings_for(sandbox.endpoints["hubspot"]), SEPTEMBER, Tally()))["1"]
    assert json.loads(row["_extra"]) == {"dataQualityScore": 87}


def test_a_listing_that_lost_half_of_its_records_erases_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    zone, when = (
        RawZone(tmp_path / "raw"),
        {"extracted_at": at("2026-10-01T02:00:00"), "checked_on": date(2026, 10, 1)},
    )
    with serve_company(FewRecords(contacts=contacts_by_minute(80)), monkeypatch) as sandbox:
        settings = settings_for(sandbox.endpoints["hubspot"])
        zone.replace_all(hubspot.CONTACTS, hubspot.sweep_contacts(settings, Tally()), **when)
        sandbox.faults.set("hubspot", "short_listing", None, path="GET /crm/v3/objects/contacts")
        with pytest.raises(ShrinkRefused):
            zone.replace_all(hubspot.CONTACTS, hubspot.sweep_contacts(settings, Tally()), **when)
    assert zone.read_day(hubspot.CONTACTS, date(2026, 9, 1)).num_rows == 80


# ---- streams -----------------------------------------------------------------------------------------------


def test_every_stream_can_be_stored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The day column is set and the key is unique in all of them: the raw zone takes what comes."""
    company = FewRecords(
        contacts=contacts_by_minute(5),
        deals=[deal(1, at("2026-09-02T00:00:00"), amount="1")],
        owners=[Owner("11", "911", "Anke", "Brandt", "a@example.com", SINCE, SINCE, None)],
        pipelines=(SALES_PIPELINE,),
        forms=[DEMO, OLD, COMMENTS],
        submissions=[submission(1, DEMO, at("2026-09-03T00:00:00"))],
    )
    zone, counts = RawZone(tmp_path / "raw"), {}
    with serve_company(company, monkeypatch) as sandbox:
        settings = settings_for(sandbox.endpoints["hubspot"])
        for stream in hubspot.STREAMS:
            assert stream.sweep is not None
            written = zone.replace_all(
                stream,
                stream.sweep(settings, Tally()),
                extracted_at=at("2026-10-01T02:00:00"),
                checked_on=date(2026, 10, 1),
            )
            counts[stream.name] = written.rows
    assert counts == {
        "contacts": 5, "deals": 1, "owners": 1, "pipelines": 3, "forms": 3, "form_submissions": 1,
    }  # fmt: skip
