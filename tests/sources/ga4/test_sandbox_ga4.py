"""The sandbox's GA4 answers as Google's does: asked with the plain official client, over REST and gRPC.

The company here is seven sessions written by hand, so that every expected number can be counted by eye.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import grpc
import pyarrow as pa
import pytest
import requests
from google.analytics.data_v1beta import BetaAnalyticsDataClient
from google.analytics.data_v1beta.services.beta_analytics_data.transports import (
    BetaAnalyticsDataGrpcTransport,
    BetaAnalyticsDataRestTransport,
)
from google.analytics.data_v1beta.types import (
    BatchRunReportsRequest,
    CheckCompatibilityRequest,
    RunReportRequest,
    RunReportResponse,
)
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials

from dagster_project.sandbox import server
from dagster_project.sandbox.company import KEY_EVENTS, SESSIONS, Web
from dagster_project.sources.ga4 import sandbox as ga4
from dagster_project.sources.ga4.sandbox import PROPERTY_ID, QUOTAS, Api
from dagster_project.sources.ga4.sandbox.requests import Refusal

PROPERTY = f"properties/{PROPERTY_ID}"
TODAY = date(2026, 6, 10)
#          day, hour, browser, source, medium, page, query, engaged, views, seconds, key events, new
BY_HAND = [
    (1, 9, "b1", "google", "cpc", "/a", "gclid=x", True, 3, 60.0, 1, True),
    (1, 9, "b2", "google", "cpc", "/b", "", False, 1, 0.0, 0, True),
    (1, 23, "b1", None, None, "/a", "", True, 2, 30.5, 0, False),
    (2, 10, "b1", "google", "cpc", "/a", "", True, 4, 10.0, 2, False),
    (2, 11, "b3", None, None, "/c", "", False, 1, 1.0, 0, False),
    (8, 12, "b4", "bing", "organic", "/a", "", True, 1, 5.0, 0, True),
    (10, 7, "b4", "bing", "organic", "/a", "", True, 1, 5.0, 0, False),
]


def by_hand() -> Web:
    records, events = [], []
    for i, (
        day,
        hour,
        browser,
        source,
        medium,
        page,
        query,
        engaged,
        views,
        seconds,
        goals,
        new,
    ) in enumerate(BY_HAND):
        local = datetime(2026, 6, day, hour, 55)
        moment = local.replace(tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC)
        records.append(
            {
                "session_id": str(i), "visitor_id": i, "client_id": browser,
                "client_id_dimension": browser if browser != "b3" else None, "started_at": local,
                "started_at_utc": moment, "date": local.date(), "source": source, "medium": medium,
                "campaign_name": None, "campaign_id": None, "term": None,
                "content": None, "channel": "Direct" if browser == "b1" and not source else None, "landing_page": page,
                "landing_query": query, "referrer": "", "gclid": None, "device": "desktop", "country_id": "DE",
                "is_engaged": engaged, "page_views": views, "engagement_seconds": seconds, "key_events": goals,
                "is_new": new, "seen_at": moment, "attributed_at": moment, "withdrawn_at": None,
            }
        )  # fmt: skip
        for number in range(goals):
            name = ("generate_lead", "sign_up")[number]
            late = moment + timedelta(minutes=10)
            events.append({"session_row": i, "event_name": name, "occurred_at_utc": late, "seen_at": late})
    return Web(pa.Table.from_pylist(records, schema=SESSIONS), pa.Table.from_pylist(events, schema=KEY_EVENTS))


@pytest.fixture(scope="module")
def running() -> Iterator[server.Sandbox]:
    web = by_hand()
    company = SimpleNamespace(web_as_of=lambda _now: web)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server.company_module, "build", lambda *_: company)
        with server.serve(TODAY, vendors=["ga4"]) as sandbox:
            yield sandbox


@pytest.fixture(scope="module", params=["grpc", "rest"])
def client(request: pytest.FixtureRequest, running: server.Sandbox) -> Iterator[BetaAnalyticsDataClient]:
    if request.param == "grpc":
        transport: Any = BetaAnalyticsDataGrpcTransport(channel=grpc.insecure_channel(running.endpoints["ga4_grpc"]))
    else:
        host = running.endpoints["ga4"].removeprefix("http://")
        transport = BetaAnalyticsDataRestTransport(host=host, url_scheme="http", credentials=AnonymousCredentials())
    with BetaAnalyticsDataClient(transport=transport) as client:
        yield client


def asked(
    dimensions: str, metrics: str, first: str = "2026-06-01", last: str = "2026-06-30", **more: Any
) -> RunReportRequest:
    return RunReportRequest(
        {
            "property": PROPERTY,
            "dimensions": [{"name": name} for name in dimensions.split()],
            "metrics": [{"name": name} for name in metrics.split()],
            "date_ranges": [{"start_date": first, "end_date": last}],
        }
        | more
    )


def rows(response: RunReportResponse) -> list[tuple[str, ...]]:
    return [
        tuple(v.value for v in row.dimension_values) + tuple(v.value for v in row.metric_values)
        for row in response.rows
    ]


def only(field: str, value: str) -> dict[str, Any]:
    return {"filter": {"field_name": field, "string_filter": {"value": value}}}


def by(*names: str) -> list[dict[str, Any]]:
    return [{"dimension": {"dimension_name": name}} for name in names]


def test_numbers_are_counted_and_sent_as_texts(client: BetaAnalyticsDataClient) -> None:
    response = client.run_report(
        asked(
            "date sessionSource",
            "sessions engagedSessions totalUsers activeUsers newUsers keyEvents screenPageViews "
            "userEngagementDuration sessionKeyEventRate",
            order_bys=by("date", "sessionSource"),
        )
    )
    assert rows(response) == [
        ("20260601", "(direct)", "1", "1", "1", "1", "0", "0", "2", "30.5", "0"),
        ("20260601", "google", "2", "1", "2", "2", "2", "1", "4", "60", "0.5"),
        ("20260602", "(not set)", "1", "0", "1", "0", "0", "0", "1", "1", "0"),
        ("20260602", "google", "1", "1", "1", "1", "0", "2", "4", "10", "1"),
        ("20260608", "bing", "1", "1", "1", "1", "1", "0", "1", "5", "0"),
        ("20260610", "bing", "1", "1", "1", "1", "0", "0", "1", "5", "0"),
    ]
    assert [h.type_.name for h in response.metric_headers] == [
        *["TYPE_INTEGER"] * 5, "TYPE_FLOAT", "TYPE_INTEGER", "TYPE_SECONDS", "TYPE_FLOAT",
    ]  # fmt: skip
    assert (response.row_count, response.kind) == (6, "analyticsData#runReport")
    assert (response.metadata.time_zone, response.metadata.currency_code) == ("Europe/Berlin", "EUR")


def test_users_are_counted_once_per_period(client: BetaAnalyticsDataClient) -> None:
    for dimension, expected in {
        "isoYearIsoWeek": [("202623", "3"), ("202624", "1")],
        "yearMonth": [("202606", "4")],
        "year": [("2026", "4")],
        "": [("4",)],
    }.items():
        assert rows(client.run_report(asked(dimension, "totalUsers", order_bys=by(*dimension.split())))) == expected


def test_event_reports_count_a_session_where_it_has_events(client: BetaAnalyticsDataClient) -> None:
    key_events = asked(
        "date eventName", "keyEvents sessions totalUsers", dimension_filter=only("isKeyEvent", "true"),
        order_bys=by("date", "eventName"),
    )  # fmt: skip
    assert rows(client.run_report(key_events)) == [
        ("20260601", "generate_lead", "1", "1", "1"),
        ("20260602", "generate_lead", "1", "1", "1"),
        ("20260602", "sign_up", "1", "1", "1"),
    ]
    by_minute = asked(
        "dateHourMinute customUser:client_id landingPagePlusQueryString", "sessions engagedSessions keyEvents",
        "2026-06-01", "2026-06-02", dimension_filter=only("eventName", "session_start"),
        order_bys=by("dateHourMinute", "customUser:client_id"),
    )  # fmt: skip
    assert rows(client.run_report(by_minute)) == [
        ("202606010955", "b1", "/a?gclid=x", "1", "1", "0"),
        ("202606010955", "b2", "/b", "1", "0", "0"),
        ("202606012355", "b1", "/a", "1", "1", "0"),
        ("202606021055", "b1", "/a", "1", "1", "0"),
        ("202606021155", "(not set)", "/c", "1", "0", "0"),
    ]
    late_minute = asked(
        "dateHourMinute",
        "sessions",
        "2026-06-02",
        "2026-06-02",
        dimension_filter=only("eventName", "sign_up"),
    )
    assert rows(client.run_report(late_minute)) == [("202606021105", "1")], "ten minutes into the session"


def test_dates_may_be_relative(client: BetaAnalyticsDataClient) -> None:
    for first, last, sessions in [
        ("today", "today", "1"), ("yesterday", "yesterday", None), ("2daysAgo", "yesterday", "1"), ("9daysAgo", "today", "7"),
    ]:  # fmt: skip
        response = client.run_report(asked("", "sessions", first, last))
        assert rows(response) == ([(sessions,)] if sessions else [])


def test_several_date_ranges_come_with_their_names(client: BetaAnalyticsDataClient) -> None:
    ranges = [
        {"start_date": "2026-06-01", "end_date": "2026-06-01", "name": "first"},
        {"start_date": "2026-06-01", "end_date": "2026-06-02"},
    ]
    response = client.run_report(
        asked("sessionSource", "totalUsers", date_ranges=ranges, order_bys=by("sessionSource"))
    )
    assert [h.name for h in response.dimension_headers] == ["sessionSource", "dateRange"]
    assert set(rows(response)) == {
        ("(direct)", "first", "1"), ("google", "first", "2"),
        ("(direct)", "date_range_1", "1"), ("google", "date_range_1", "2"), ("(not set)", "date_range_1", "1"),
    }  # fmt: skip


def test_pages_limits_and_orders(client: BetaAnalyticsDataClient) -> None:
    """Without an order the first metric decides, largest first; rowCount does not depend on limit and offset."""
    assert rows(client.run_report(asked("sessionSource", "sessions")))[0] == ("google", "3")
    ascending = [{"metric": {"metric_name": "sessions"}}, *by("sessionSource")]
    ordered = asked("sessionSource", "sessions", order_bys=ascending)
    assert [row[0] for row in rows(client.run_report(ordered))] == ["(direct)", "(not set)", "bing", "google"]
    page = client.run_report(asked("sessionSource", "sessions", order_bys=by("sessionSource"), limit=2, offset=1))
    assert (rows(page), page.row_count) == ([("(not set)", "1"), ("bing", "2")], 4)
    beyond = client.run_report(asked("sessionSource", "sessions", limit=2, offset=9))
    assert (rows(beyond), beyond.row_count) == ([], 4)


def test_filters(client: BetaAnalyticsDataClient) -> None:
    in_list = {"filter": {"field_name": "sessionSource", "in_list_filter": {"values": ["bing", "google"]}}}
    for dimension_filter, expected in [
        (only("sessionSource", "GOOGLE"), {"google"}),
        (
            {
                "filter": {
                    "field_name": "sessionSource",
                    "string_filter": {"value": "GOOGLE", "case_sensitive": True},
                }
            },
            set(),
        ),
        (
            {
                "filter": {
                    "field_name": "sessionSource",
                    "string_filter": {"value": "oo", "match_type": "CONTAINS"},
                }
            },
            {"google"},
        ),
        (in_list, {"bing", "google"}),
        ({"not_expression": in_list}, {"(direct)", "(not set)"}),
        ({"and_group": {"expressions": [in_list, only("landingPage", "/b")]}}, {"google"}),
        (
            {"or_group": {"expressions": [only("sessionSource", "bing"), only("landingPage", "/c")]}},
            {"bing", "(not set)"},
        ),
    ]:
        response = client.run_report(asked("sessionSource", "sessions", dimension_filter=dimension_filter))
        assert {row[0] for row in rows(response)} == expected


def test_rows_that_are_all_zero_come_only_when_asked(client: BetaAnalyticsDataClient) -> None:
    request = asked("sessionSource", "keyEvents")
    assert {row[0] for row in rows(client.run_report(request))} == {"google"}
    request.keep_empty_rows = True
    assert len(rows(client.run_report(request))) == 4


def test_dimensions_alone_and_metrics_alone_are_legal(client: BetaAnalyticsDataClient) -> None:
    alone = client.run_report(asked("landingPage", "", order_bys=by("landingPage")))
    assert (rows(alone), list(alone.metric_headers)) == ([("/a",), ("/b",), ("/c",)], [])
    assert rows(client.run_report(asked("", "sessions newUsers"))) == [("7", "3")]


@pytest.mark.parametrize(
    ("request_", "error", "says"),
    [
        (asked("notADimension", "sessions"), exceptions.BadRequest,
         "Field notADimension is not a valid dimension. For a list of valid dimensions and metrics, see "
         "https://developers.google.com/analytics/devguides/reporting/data/v1/api-schema "),
        (asked("date", "conversions"), exceptions.BadRequest, "Field conversions is not a valid metric."),
        (asked("", ""), exceptions.BadRequest, "Requests require dimensions and/or metrics. Most requests include both."),
        (asked("date year yearMonth month day isoYearIsoWeek sessionSource sessionMedium landingPage countryId", "sessions"),
         exceptions.BadRequest, "Requests are limited to 9 dimensions within a nested request. This request is for 10 dimensions."),
        (asked("date year yearMonth month day isoYearIsoWeek sessionSource sessionMedium landingPage", "sessions",
               dimension_filter=only("eventName", "purchase")), exceptions.BadRequest, "This request is for 10 dimensions."),
        (asked("", "sessions engagedSessions totalUsers activeUsers newUsers keyEvents eventCount screenPageViews "
                   "userEngagementDuration engagementRate bounceRate"), exceptions.BadRequest, "limited to 10 metrics"),
        (asked("date", "sessions", "2026-06-02", "2026-06-01"), exceptions.BadRequest, "date range"),
        (asked("date", "sessions", "2015-08-13"), exceptions.BadRequest, "2015-08-14"),
        (asked("date", "sessions", "last tuesday"), exceptions.BadRequest, "YYYY-MM-DD"),
        (asked("date", "sessions", date_ranges=[]), exceptions.BadRequest, "Date ranges must be specified"),
        (asked("date", "sessions", limit=-1), exceptions.BadRequest, "must be positive"),
        (asked("date", "sessions", order_bys=by("countryId")), exceptions.BadRequest, "orderBys"),
        (asked("date", "sessions", property="properties/999"), exceptions.Forbidden,
         "User does not have sufficient permissions for this property. To learn more about Property ID, see"),
        (asked("date", "sessions", property="properties/G-ABC"), exceptions.BadRequest, "A numeric Property ID is required."),
    ],
)  # fmt: skip
def test_refusals_are_worded_as_google_does(
    client: BetaAnalyticsDataClient, request_: RunReportRequest, error: type[Exception], says: str
) -> None:
    with pytest.raises(error) as raised:
        client.run_report(request_)
    assert says in str(raised.value)


def test_batches(client: BetaAnalyticsDataClient) -> None:
    parts = [
        asked("sessionSource", "sessions", limit=1),
        asked("", "totalUsers"),
        asked("date", "sessions", last="2026-06-01"),
    ]
    response = client.batch_run_reports(BatchRunReportsRequest(property=PROPERTY, requests=parts))
    assert [rows(report) for report in response.reports] == [[("google", "3")], [("4",)], [("20260601", "3")]]
    with pytest.raises(exceptions.BadRequest, match="limited to 5 requests"):
        client.batch_run_reports(BatchRunReportsRequest(property=PROPERTY, requests=parts * 2))


def test_quota_is_counted_down_and_told_when_asked_for(client: BetaAnalyticsDataClient) -> None:
    first, second = (
        client.run_report(asked("date", "sessions", return_property_quota=True)).property_quota for _ in range(2)
    )
    assert first.tokens_per_day.consumed > 0
    for name in ("tokens_per_day", "tokens_per_hour", "tokens_per_project_per_hour"):
        before, after = getattr(first, name), getattr(second, name)
        assert after.remaining == before.remaining - after.consumed
    assert "tokens_per_day" not in client.run_report(asked("date", "sessions")).property_quota


def test_metadata_and_compatibility(client: BetaAnalyticsDataClient) -> None:
    metadata = client.get_metadata(name=f"{PROPERTY}/metadata")
    names = {d.api_name: d.custom_definition for d in metadata.dimensions}
    assert names["customUser:client_id"] is True
    assert names["sessionSource"] is False
    assert {"sessions", "sessionKeyEventRate"} <= {m.api_name for m in metadata.metrics}
    response = client.check_compatibility(
        CheckCompatibilityRequest(property=PROPERTY, dimensions=[{"name": "date"}], metrics=[{"name": "sessions"}])
    )
    assert [d.compatibility.name for d in response.dimension_compatibilities] == ["COMPATIBLE"]
    assert [m.metric_metadata.api_name for m in response.metric_compatibilities] == ["sessions"]


def test_what_is_empty_is_absent_on_the_wire(running: server.Sandbox) -> None:
    url = f"{running.endpoints['ga4']}/v1beta/{PROPERTY}:runReport"
    body = {
        "metrics": [{"name": "sessions"}],
        "dateRanges": [{"startDate": "2026-05-01", "endDate": "2026-05-02"}],
    }
    answer = requests.post(url, json=body, timeout=10)
    assert answer.headers["content-type"] == "application/json; charset=UTF-8"
    assert answer.json() == {
        "metricHeaders": [{"name": "sessions", "type": "TYPE_INTEGER"}],
        "metadata": {"currencyCode": "EUR", "timeZone": "Europe/Berlin"},
        "kind": "analyticsData#runReport",
    }
    wrong = requests.post(url, json=body | {"metricz": []}, timeout=10)
    assert wrong.status_code == 400
    assert wrong.json()["error"]["status"] == "INVALID_ARGUMENT"
    missing = requests.post(f"{running.endpoints['ga4']}/v1beta/{PROPERTY}:runNothing", json={}, timeout=10)
    assert (missing.status_code, missing.json()["error"]["status"]) == (404, "NOT_FOUND")


def test_an_exhausted_quota_refuses_until_its_hour_is_over(
    running: server.Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = [0.0]
    monkeypatch.setattr(ga4, "time", SimpleNamespace(monotonic=lambda: moment[-1]))
    api = Api(running.company, running.clock, running.faults, QUOTAS | {"tokens_per_hour": (2, 60)})
    request = RunReportRequest.pb(asked("date", "sessions"))
    outcomes = []
    for _ in range(3):
        try:
            api.run_report(PROPERTY_ID, request, "RunReport")
            outcomes.append("answered")
        except Refusal as refusal:
            outcomes.append(refusal.message)
    assert outcomes == ["answered", "answered", "Exhausted property tokens per hour."]
    moment.append(61.0)
    api.run_report(PROPERTY_ID, request, "RunReport")
