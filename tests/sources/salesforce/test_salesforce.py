"""The connector over the wire: against the sandbox's Salesforce, and against answers that no well-behaved org gives."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pydantic import SecretStr

from dagster_project.sandbox import Sandbox, serve
from dagster_project.sources import salesforce
from dagster_project.sources.salesforce import CONTACTS, LEAD_HISTORY, LEADS, OPPORTUNITIES, STREAMS
from dagster_project.sources.salesforce.settings import SalesforceFields, SalesforceSettings
from dagster_project.wire import Tally, Window
from dagster_project.wire.contract import (
    AuthError,
    ConfigError,
    DriftError,
    QuotaError,
    SourceError,
    Stream,
    VendorError,
)
from tests.support.scripted_server import Asked, Reply, ScriptedServer

SEPTEMBER = Window(date(2026, 9, 1), date(2026, 10, 1))
VERSION = "/services/data/v67.0"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with serve("2026-10-01", vendors=["salesforce"]) as running:
        yield running


@pytest.fixture
def calm(sandbox: Sandbox) -> Iterator[Sandbox]:
    yield sandbox
    sandbox.faults.clear()


def settings_for(environment: dict[str, str], **more: Any) -> SalesforceSettings:
    return SalesforceSettings(**environment, hash_key=SecretStr("a key for tests"), **more)


def swept(stream: Stream, settings: SalesforceSettings, tally: Tally | None = None) -> pa.Table:
    assert stream.sweep
    pages = [page.rows for page in stream.sweep(settings, tally or Tally())]
    return pa.concat_tables([stream.schema.empty_table(), *pages])


def ids(rows: pa.Table) -> set[str]:
    return set(rows["Id"].to_pylist())


# ---- against the company -----------------------------------------------------------------------------------


def test_every_person_is_a_lead_and_nobody_is_lost(sandbox: Sandbox) -> None:
    now = datetime(2026, 10, 1, 6, tzinfo=UTC)
    live = sandbox.company.contacts_as_of(sandbox.clock.now())
    rows = swept(LEADS, settings_for(sandbox.env)).to_pylist()
    kept = {int(row["Id"][3:15]) for row in rows if not row["IsDeleted"]}
    merged = {int(each.id) for each in sandbox.company.contacts if each.merged_at and each.merged_at <= now}
    assert {int(view.id) for view in live} <= kept
    assert kept - {int(view.id) for view in live} <= merged  # leads of duplicates that were converted stay


def test_no_address_and_no_phone_leaves_the_connector(sandbox: Sandbox) -> None:
    views = sandbox.company.contacts_as_of(sandbox.clock.now())
    emails = {view.values["email"].lower() for view in views}
    for stream in (LEADS, CONTACTS):
        text = json.dumps(swept(stream, settings_for(sandbox.env)).to_pylist(), default=str).lower()
        assert "@" not in text
        assert not [email for email in emails if email in text]


def test_days_read_one_by_one_are_the_window_read_at_once(sandbox: Sandbox) -> None:
    settings = settings_for(sandbox.env)
    assert OPPORTUNITIES.read
    at_once = [page.rows for page in OPPORTUNITIES.read(settings, SEPTEMBER, Tally())]
    singly = [
        page.rows for day in SEPTEMBER.days() for page in OPPORTUNITIES.read(settings, Window.of_day(day), Tally())
    ]
    assert sorted(map(str, pa.concat_tables(singly).to_pylist())) == sorted(
        map(str, pa.concat_tables(at_once).to_pylist())
    )


def test_a_night_and_a_year_are_far_below_the_calls_of_a_day(sandbox: Sandbox) -> None:
    """A small org has 15,000 calls in 24 hours; pages of the sandbox are a quarter of the vendor's."""
    night, year = Tally(), Tally()
    settings = settings_for(sandbox.env)
    for stream in STREAMS:
        if stream.read:
            list(stream.read(settings, Window(date(2026, 9, 29), date(2026, 10, 1)), night))
            list(stream.read(settings, Window(date(2025, 10, 1), date(2026, 10, 1)), year))
        else:
            list(stream.sweep(settings, night))  # type: ignore[misc]
    assert night.api_calls <= 2 * len(STREAMS) + 1
    assert year.api_calls <= 60


def test_the_quota_is_seen_and_others_get_their_share(sandbox: Sandbox) -> None:
    tally = Tally()
    swept(CONTACTS, settings_for(sandbox.env), tally)
    assert 0 < tally.quota["calls_left_today"] < 15_000


# ---- faults ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault", ["server_error", "expired_token", "reset", "truncated", "duplicate_row", "unknown_field"]
)
def test_a_passing_fault_changes_no_row(calm: Sandbox, waits: list[float], fault: str) -> None:
    settings = settings_for(calm.env)
    good = swept(LEADS, settings).drop_columns(["_extra"]).to_pylist()
    path = "/query/" if fault == "duplicate_row" else "quer"
    calm.faults.set("salesforce", fault, path=path)
    tally = Tally()
    rows = swept(LEADS, settings, tally)
    assert not calm.faults.active()
    unique = {row["Id"]: row for row in rows.drop_columns(["_extra"]).to_pylist()}
    assert list(unique.values()) == good
    assert tally.bad_row_count == 0
    extras = set(rows["_extra"].to_pylist())
    assert extras == ({None, '{"Nickname__c": "(str)"}'} if fault == "unknown_field" else {None})


def test_used_up_calls_are_one_clear_sentence(calm: Sandbox, waits: list[float]) -> None:
    calm.faults.set("salesforce", "throttle", None)
    with pytest.raises(QuotaError, match=r"403 REQUEST_LIMIT_EXCEEDED.*run again later"):
        swept(LEADS, settings_for(calm.env))
    assert not waits  # the calls of 24 hours do not come back in seconds


def test_half_a_listing_is_refused(calm: Sandbox) -> None:
    calm.faults.set("salesforce", "short_listing", path="Lead")
    tally = Tally()
    whole = swept(LEADS, settings_for(calm.env), tally)
    assert whole.num_rows > 0  # the vendor says less and is consistent: the raw zone refuses the loss


# ---- scripted answers --------------------------------------------------------------------------------------


TOKEN = {
    "access_token": "SESSION",
    "id": "https://login.salesforce.com/id/00D000000000009AAA/005",
    "token_type": "Bearer",
}
FIELDS = {
    "Lead": [
        "Id", "IsDeleted", "MasterRecordId", "CreatedDate", "SystemModstamp", "OwnerId", "Status", "LeadSource", "Country",
        "IsConverted", "ConvertedDate", "ConvertedContactId", "ConvertedOpportunityId", "Email", "Phone", "MobilePhone",
        "utm_source__c",
    ],
}  # fmt: skip


def lead(number: int, **changed: Any) -> dict[str, Any]:
    return {
        "attributes": {"type": "Lead", "url": f"{VERSION}/sobjects/Lead/00Q{number}"},
        **dict.fromkeys(FIELDS["Lead"]),
        "Id": f"00Q{number:012d}AAA",
        "IsDeleted": False,
        "IsConverted": False,
        "Status": "New",
        "CreatedDate": "2026-09-01T10:00:00.000+0000",
        "SystemModstamp": f"2026-09-02T10:00:{number:02d}.000+0000",
        **changed,
    }


def page(*records: Any, total: int | None = None, following: str | None = None) -> Reply:
    body = {"totalSize": len(records) if total is None else total, "done": following is None, "records": list(records)}
    return Reply(body | ({"nextRecordsUrl": following} if following else {}))


@pytest.fixture
def org(scripted: ScriptedServer) -> Callable[..., SalesforceSettings]:
    """An org that signs in and describes leads; queries are scripted."""

    def rule(asked: Asked) -> Reply | None:
        if asked.path == "/services/oauth2/token":
            return Reply(TOKEN | {"instance_url": scripted.url})
        if asked.path.endswith("/describe"):
            return Reply({"fields": [{"name": name, "type": "string"} for name in FIELDS["Lead"]]})
        return None

    scripted.rule(rule)

    def settings(**more: Any) -> SalesforceSettings:
        environment = {
            "SALESFORCE_CLIENT_ID": f"app of {scripted.url}",
            "SALESFORCE_CLIENT_SECRET": "secret",
            "SALESFORCE_TOKEN_URL": f"{scripted.url}/services/oauth2/token",
        }
        return settings_for(environment, **more)

    return settings


def test_the_query_asks_for_the_window_and_no_more(
    scripted: ScriptedServer, org: Callable[..., SalesforceSettings]
) -> None:
    scripted.reply(page(lead(1, utm_source__c="google")))
    assert LEADS.read
    (only,) = LEADS.read(org(), SEPTEMBER, Tally())
    assert only.rows["account_id"].to_pylist() == ["00D000000000009AAA"]
    assert only.rows["utm_source"].to_pylist() == ["google"]
    query = scripted.asked[-1].query.replace("+", " ").replace("%3A", ":").replace("%3E%3D", ">=").replace("%3C", "<")
    assert "WHERE SystemModstamp >= 2026-09-01T00:00:00Z AND SystemModstamp < 2026-10-01T00:00:00Z" in query
    assert scripted.asked[-1].headers["sforce-query-options"] == "batchSize=2000"


def test_a_lost_locator_goes_on_where_it_was(scripted: ScriptedServer, org: Callable[..., SalesforceSettings]) -> None:
    lost = Reply([{"message": "invalid query locator", "errorCode": "INVALID_QUERY_LOCATOR"}], 400)
    scripted.reply(page(lead(1), lead(2), total=3, following=f"{VERSION}/query/01g-2"), page(lead(2), lead(3)))
    scripted.reply(lost, path=f"{VERSION}/query/01g-2")
    rows = swept(LEADS, org())
    assert [row[3:15].lstrip("0") for row in rows["Id"].to_pylist()] == ["1", "2", "2", "3"]
    assert "2026-09-02T10%3A00%3A02Z" in scripted.asked[-1].query


def test_a_locator_that_is_always_lost_is_an_error(
    scripted: ScriptedServer, org: Callable[..., SalesforceSettings]
) -> None:
    lost = Reply([{"message": "invalid query locator", "errorCode": "INVALID_QUERY_LOCATOR"}], 400)
    scripted.reply(*[lost] * 3)
    with pytest.raises(VendorError, match="INVALID_QUERY_LOCATOR"):
        swept(LEADS, org())


def test_a_query_that_takes_too_long_is_halved(
    scripted: ScriptedServer, org: Callable[..., SalesforceSettings]
) -> None:
    slow = Reply([{"message": "Your query request was running for too long.", "errorCode": "QUERY_TIMEOUT"}], 400)
    scripted.reply(slow, page(lead(1)), page(lead(2)))
    assert LEADS.read
    pages = list(LEADS.read(org(), SEPTEMBER, Tally()))
    assert [each.rows.num_rows for each in pages] == [1, 1]
    assert ["2026-09-16T00%3A00%3A00Z" in asked.query for asked in scripted.asked[-2:]] == [True, True]


@pytest.mark.parametrize(
    ("reply", "kind", "says"),
    [
        (Reply([{"message": "The requested API version is retired", "errorCode": "GONE"}], 410), ConfigError, "SALESFORCE_API_VERSION"),
        (Reply([{"message": "sObject type 'Lead' is not supported.", "errorCode": "INVALID_TYPE"}], 400), AuthError, "View All"),
        (Reply([{"message": "The REST API is not enabled.", "errorCode": "API_DISABLED_FOR_ORG"}], 403), AuthError, "API Enabled"),
        (page(lead(1), total=2), VendorError, "announced 2 records of Lead and gave 1"),
        (page(following="https://elsewhere.example/query/01g-1"), VendorError, "elsewhere.example"),
        (Reply({"done": True}), DriftError, "'records'"),
        (Reply({"records": []}), DriftError, "'done'"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_one_sentence(
    scripted: ScriptedServer, org: Callable[..., SalesforceSettings], reply: Reply, kind: type[SourceError], says: str
) -> None:
    scripted.reply(reply)
    with pytest.raises(kind, match=says):
        swept(LEADS, org())


def test_a_share_of_the_calls_is_left_to_others(
    scripted: ScriptedServer, org: Callable[..., SalesforceSettings]
) -> None:
    usage = {"Sforce-Limit-Info": "api-usage=12001/15000, per-app-api-usage=17/250(appName=x)"}
    scripted.reply(Reply({"totalSize": 0, "done": True, "records": []}, headers=usage))
    with pytest.raises(QuotaError, match="12001 of the org's 15000 calls"):
        swept(LEADS, org())
    scripted.reply(Reply({"totalSize": 0, "done": True, "records": []}, headers=usage))
    assert swept(LEADS, org(SALESFORCE_STOP_AT_PERCENT=90)).num_rows == 0


def test_concurrent_calls_are_waited_for(
    scripted: ScriptedServer, org: Callable[..., SalesforceSettings], waits: list[float]
) -> None:
    message = "ConcurrentRequests (Concurrent API Requests) Limit exceeded."
    scripted.reply(Reply([{"message": message, "errorCode": "REQUEST_LIMIT_EXCEEDED"}], 403), page(lead(1)))
    assert swept(LEADS, org()).num_rows == 1
    assert waits == [5.0]


def test_an_odd_record_is_told_and_loses_no_other(
    scripted: ScriptedServer, org: Callable[..., SalesforceSettings]
) -> None:
    missing = lead(4)
    del missing["Status"]
    scripted.reply(page(lead(1), lead(2, CreatedDate="soon"), "odd", missing, lead(5, Email=7), lead(6)))
    tally = Tally()
    rows = swept(LEADS, org(), tally)
    assert [row[3:15].lstrip("0") for row in rows["Id"].to_pylist()] == ["1", "6"]
    assert tally.bad_row_count == 4
    assert [part in " ".join(tally.bad_rows) for part in ("'CreatedDate'", "no object", "'Status'", "'Email'")] == [
        True
    ] * 4


@pytest.mark.parametrize("changed", [{"CreatedDate": "soon"}, {"SystemModstamp": {"at": 1}}])
def test_a_retyped_field_is_an_error(
    scripted: ScriptedServer, org: Callable[..., SalesforceSettings], changed: dict[str, Any]
) -> None:
    scripted.reply(page(*(lead(number, **changed) for number in range(1, 5))))
    with pytest.raises(DriftError, match=f"salesforce/leads: field '{next(iter(changed))}'"):
        swept(LEADS, org())


def test_a_field_that_is_no_longer_sent_is_an_error(
    scripted: ScriptedServer, org: Callable[..., SalesforceSettings]
) -> None:
    records = [{name: value for name, value in lead(n).items() if name != "Status"} for n in range(1, 5)]
    scripted.reply(page(*records))
    with pytest.raises(DriftError, match=r"salesforce/leads: field 'Status' is missing in a record \(day 2026-09-02\)"):
        swept(LEADS, org())


def test_a_named_field_has_to_be_there(scripted: ScriptedServer, org: Callable[..., SalesforceSettings]) -> None:
    with pytest.raises(ConfigError, match=r"sources.salesforce.utm_source: .*'Source_c'"):
        swept(LEADS, org(fields=SalesforceFields(utm_source="Source_c")))


def test_an_org_of_one_currency_needs_to_be_told_it(scripted: ScriptedServer) -> None:
    names = [name for name in OPPORTUNITIES.schema.names if name[0].isupper() and name != "CurrencyIsoCode"]
    amount = dict.fromkeys(names) | {
        "Id": "006000000000001AAA", "IsDeleted": False, "CreatedDate": "2026-09-01T10:00:00.000+0000", "IsClosed": False,
        "SystemModstamp": "2026-09-01T10:00:00.000+0000", "StageName": "New", "IsWon": False, "Amount": 12.5,
    }  # fmt: skip

    def rule(asked: Asked) -> Reply:
        if asked.path.endswith("/token"):
            return Reply(TOKEN | {"instance_url": scripted.url})
        if asked.path.endswith("/describe"):
            return Reply({"fields": [{"name": name} for name in names]})
        return page(amount)

    scripted.rule(rule)
    environment = {
        "SALESFORCE_CLIENT_ID": scripted.url,
        "SALESFORCE_CLIENT_SECRET": "secret",
        "SALESFORCE_TOKEN_URL": f"{scripted.url}/services/oauth2/token",
    }
    with pytest.raises(ConfigError, match="SALESFORCE_CURRENCY"):
        swept(OPPORTUNITIES, settings_for(environment))
    assert swept(OPPORTUNITIES, settings_for(environment | {"SALESFORCE_CURRENCY": "CHF"}))[
        "CurrencyIsoCode"
    ].to_pylist() == ["CHF"]


def test_an_org_that_tracks_no_history_is_told_of(scripted: ScriptedServer) -> None:
    def rule(asked: Asked) -> Reply:
        if asked.path.endswith("/token"):
            return Reply(TOKEN | {"instance_url": scripted.url})
        return Reply([{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}], 404)

    scripted.rule(rule)
    environment = {
        "SALESFORCE_CLIENT_ID": scripted.url + "x",
        "SALESFORCE_CLIENT_SECRET": "secret",
        "SALESFORCE_TOKEN_URL": f"{scripted.url}/services/oauth2/token",
    }
    tally = Tally()
    assert swept(LEAD_HISTORY, settings_for(environment), tally).num_rows == 0
    assert "LeadHistory" in tally.notes[0]
    with pytest.raises(AuthError, match="Lead"):
        swept(LEADS, settings_for(environment))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"SALESFORCE_CLIENT_ID": "another"}, "SALESFORCE_CLIENT_ID"),
        ({"SALESFORCE_CLIENT_SECRET": "another"}, "SALESFORCE_CLIENT_SECRET"),
    ],
)
def test_a_refused_sign_in_says_what_to_check(sandbox: Sandbox, changed: dict[str, str], says: str) -> None:
    with pytest.raises(AuthError, match=says):
        swept(LEADS, settings_for(sandbox.env | changed))


# ---- recorded bodies ---------------------------------------------------------------------------------------


def test_the_fields_that_are_asked_are_those_of_the_recorded_describe(shared_dir: Path) -> None:
    recorded = json.loads((shared_dir / "fixtures/salesforce/lead_describe_200.json").read_text())
    fields = recorded["response"]["body"]["fields"]
    org = {field["name"].lower(): field["name"] for field in fields}
    asked = salesforce.objects.LEAD.fields(org, SalesforceFields())
    assert {"Status", "ConvertedContactId", "MasterRecordId", "Email", "SystemModstamp"} <= asked.keys()


@pytest.mark.parametrize("name", ["ex_empty", "ex_domain_error", "ex_throttle", "ex_retired_version_410", "ex_auth"])
def test_documented_answers_are_understood(
    shared_dir: Path, scripted: ScriptedServer, org: Callable[..., SalesforceSettings], name: str
) -> None:
    exchange = json.loads((shared_dir / f"fixtures/salesforce/{name}.json").read_text())
    scripted.reply(*[Reply(exchange["body"], exchange["status"])] * 3)
    kinds: dict[str, type[SourceError]] = {
        "ex_domain_error": VendorError, "ex_throttle": QuotaError, "ex_retired_version_410": ConfigError, "ex_auth": AuthError,
    }  # fmt: skip
    if name in kinds:
        with pytest.raises(kinds[name]):
            swept(LEADS, org())
    else:
        assert swept(LEADS, org()).num_rows == 0
