"""Fault switches, as a real HTTP or gRPC client meets them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import date

import grpc
import pytest
import requests
from google.analytics.data_v1beta import BetaAnalyticsDataClient
from google.analytics.data_v1beta.services.beta_analytics_data.transports import (
    BetaAnalyticsDataGrpcTransport,
)
from google.analytics.data_v1beta.types import DateRange, Metric, RunReportRequest, RunReportResponse
from google.api_core import exceptions

from dagster_project.sandbox import Sandbox, serve
from dagster_project.sandbox.faults import KINDS, Faults
from dagster_project.sources.ga4.sandbox import PROPERTY_ID
from dagster_project.sources.hubspot.sandbox import ACCESS_TOKEN

CONTACTS = "/crm/v3/objects/contacts"


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with serve(vendors=("ga4", "hubspot")) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Iterator[Sandbox]:
    yield running
    running.faults.clear()
    running.calls.clear()


def get(sandbox: Sandbox, path: str = CONTACTS, **query: str | int) -> requests.Response:
    headers = {"Authorization": f"Bearer {ACCESS_TOKEN}"}
    return requests.get(sandbox.endpoints["hubspot"] + path, params=query, headers=headers, timeout=20)


def report(sandbox: Sandbox) -> RunReportResponse:
    with grpc.insecure_channel(sandbox.endpoints["ga4_grpc"]) as channel:
        client = BetaAnalyticsDataClient(transport=BetaAnalyticsDataGrpcTransport(channel=channel))
        request = RunReportRequest(
            property=f"properties/{PROPERTY_ID}",
            metrics=[Metric(name="sessions")],
            date_ranges=[DateRange(start_date="2026-09-01", end_date="2026-09-02")],
        )
        return client.run_report(request, timeout=20)


# ---- on the wire -------------------------------------------------------------------------------------------


def test_a_throttle_answers_in_the_vendors_words_as_often_as_asked(sandbox: Sandbox) -> None:
    sandbox.faults.set("hubspot", "throttle", 2)
    answers = [get(sandbox) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 429, 200]
    # HubSpot's own words, and no Retry-After.
    assert answers[0].json()["errorType"] == "RATE_LIMIT"
    assert "You have reached your" in answers[0].json()["message"]
    assert "Retry-After" not in answers[0].headers


def test_a_server_error_can_last_until_it_is_cleared(sandbox: Sandbox) -> None:
    sandbox.faults.set("hubspot", "server_error", None)
    assert [get(sandbox).status_code for _ in range(3)] == [get(sandbox).status_code] * 3
    assert get(sandbox).status_code >= 500
    sandbox.faults.clear("hubspot", "server_error")
    assert get(sandbox).status_code == 200


def test_an_expired_token_is_refused_once(sandbox: Sandbox) -> None:
    sandbox.faults.set("hubspot", "expired_token")
    assert [get(sandbox).status_code for _ in range(2)] == [401, 200]


def test_a_reset_ends_the_connection_without_an_answer(sandbox: Sandbox) -> None:
    sandbox.faults.set("hubspot", "reset")
    with pytest.raises(requests.ConnectionError, match=r"reset by peer|ConnectionResetError"):
        get(sandbox)
    assert get(sandbox).status_code == 200
    assert [(call.status, call.fault) for call in sandbox.calls.list("hubspot")] == [
        ("", "reset"),
        ("200", None),
    ]


def test_a_truncated_body_is_shorter_than_it_promised(sandbox: Sandbox) -> None:
    whole = get(sandbox, limit=50)
    sandbox.faults.set("hubspot", "truncated", share=0.25)
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead") as caught:
        get(sandbox, limit=50)
    kept = len(whole.content) // 4
    assert f"{kept} bytes read" in str(caught.value)
    assert get(sandbox, limit=50).content == whole.content


def test_a_slow_answer_is_right_but_late(sandbox: Sandbox) -> None:
    sandbox.faults.set("hubspot", "slow", seconds=0.4)
    started = time.monotonic()
    assert get(sandbox).status_code == 200
    assert time.monotonic() - started >= 0.4


def test_a_fault_waits_for_its_path_and_its_turn(sandbox: Sandbox) -> None:
    sandbox.faults.set("hubspot", "server_error", 1, path="/owners", after=1)
    statuses = [get(sandbox, path).status_code for path in (CONTACTS, "/crm/v3/owners", CONTACTS)]
    assert statuses == [200, 200, 200]
    assert get(sandbox, "/crm/v3/owners").status_code >= 500
    assert get(sandbox, "/crm/v3/owners").status_code == 200


def test_a_fault_of_one_vendor_leaves_the_others_alone(sandbox: Sandbox) -> None:
    sandbox.faults.set("ga4", "server_error", None)
    assert get(sandbox).status_code == 200


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("throttle", exceptions.ResourceExhausted),
        ("expired_token", exceptions.Unauthenticated),
        ("server_error", (exceptions.ServiceUnavailable, exceptions.InternalServerError)),
        ("reset", exceptions.ServiceUnavailable),
        ("truncated", exceptions.InternalServerError),
    ],
)
def test_grpc_calls_fail_in_the_vendors_words(sandbox: Sandbox, kind: str, error: type[Exception]) -> None:
    sandbox.faults.set("ga4", kind)
    with pytest.raises(error):
        report(sandbox)
    assert int(report(sandbox).rows[0].metric_values[0].value) > 0
    statuses = [(call.path, call.fault) for call in sandbox.calls.list("ga4", "gRPC")]
    assert statuses == [("RunReport", kind), ("RunReport", None)]
    assert sandbox.calls.list("ga4")[1].status == "OK"
    assert sandbox.calls.list("ga4")[0].status != "OK"


# ---- in the rows -------------------------------------------------------------------------------------------


def test_a_row_comes_again_on_the_next_page(sandbox: Sandbox) -> None:
    first = get(sandbox, limit=10).json()
    sandbox.faults.set("hubspot", "duplicate_row")
    second = get(sandbox, limit=10, after=first["paging"]["next"]["after"]).json()
    assert second["results"][0]["id"] == first["results"][-1]["id"]


def test_a_short_listing_ends_early_as_if_that_were_all(sandbox: Sandbox) -> None:
    def listed() -> int:
        found, after = 0, {}
        while True:
            page = get(sandbox, limit=100, **after).json()
            found += len(page["results"])
            if "paging" not in page:
                return found
            after = {"after": page["paging"]["next"]["after"]}

    whole = listed()
    sandbox.faults.set("hubspot", "short_listing", None, share=0.3)
    assert listed() == int(whole * 0.3)


# ---- switches ----------------------------------------------------------------------------------------------


def test_a_switch_is_written_as_text() -> None:
    faults = Faults(["hubspot"])
    fault = faults.set_from_text("hubspot:slow:always:seconds=0.5:path=POST /crm:after=2")
    assert (fault.kind, fault.remaining, fault.path, fault.after) == ("slow", None, "POST /crm", 2)
    assert fault.options == {"seconds": 0.5}
    assert faults.set_from_text("hubspot:throttle").remaining == 1
    assert faults.set_from_text("hubspot:throttle:3").remaining == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hubspot", "no fault ''"),
        ("salesforce:throttle", "no vendor 'salesforce' in the sandbox; there are hubspot"),
        ("hubspot:throttel", "no fault 'throttel'; there are throttle,"),
        ("hubspot:throttle:often", "cannot read the fault 'hubspot:throttle:often'"),
        ("hubspot:slow:1:minutes=3", "no fault option 'minutes'; there are seconds, share"),
        ("hubspot:throttle:0", "at least 1"),
    ],
)
def test_a_switch_that_does_not_exist_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Faults(["hubspot"]).set_from_text(text)


def test_a_fault_without_a_path_spares_the_sign_in() -> None:
    faults = Faults(["google_ads"])
    faults.set("google_ads", "expired_token")
    assert faults.take("google_ads", "expired_token", "POST /token") is None
    assert faults.take("google_ads", "expired_token", "POST /v26/customers/1/googleAds:searchStream")
    faults.set("google_ads", "expired_token", path="/token")
    assert faults.take("google_ads", "expired_token", "POST /token")


def test_every_kind_has_a_description() -> None:
    assert all(KINDS.values())


def test_ga4_faults_leave_the_numbers_alone_once_they_are_gone(sandbox: Sandbox) -> None:
    before = report(sandbox)
    sandbox.faults.set("ga4", "throttle")
    with pytest.raises(exceptions.ResourceExhausted):
        report(sandbox)
    after = report(sandbox)
    assert [row.metric_values[0].value for row in after.rows] == [row.metric_values[0].value for row in before.rows]
    sessions = sandbox.company.web_as_of(sandbox.clock.now()).sessions["date"].to_pylist()
    expected = sum(date(2026, 9, 1) <= day <= date(2026, 9, 2) for day in sessions)
    assert int(after.rows[0].metric_values[0].value) == expected
