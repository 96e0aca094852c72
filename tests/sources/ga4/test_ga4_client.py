"""What is sent to GA4, and what its refusals, quotas and odd answers become. Scripted, over REST and gRPC."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.analytics.data_v1beta.types import RunReportRequest, RunReportResponse

from dagster_project.sources import ga4
from dagster_project.sources.ga4.settings import Ga4Settings
from dagster_project.wire import (
    AuthError,
    ConfigError,
    DriftError,
    Page,
    QuotaError,
    SourceError,
    Tally,
    VendorError,
    Window,
)
from tests.support.scripted_server import Asked, Reply, ScriptedServer

DAY = Window(date(2026, 2, 3), date(2026, 2, 4))
DAYS = Window(date(2026, 2, 3), date(2026, 2, 5))
RUN_REPORT = "/v1beta/properties/1234:runReport"
CAMPAIGN_DIMENSIONS = ["date", "sessionSource", "sessionMedium", "sessionCampaignName", "sessionCampaignId",
                       "sessionDefaultChannelGroup"]  # fmt: skip
ROW = ["20260203", "google", "cpc", "spring_sale", "11", "Paid Search", "41"]


def answer(*rows: list[str], **changes: Any) -> dict[str, Any]:
    """A campaigns report as GA4 sends it."""
    whole = {
        "dimensionHeaders": [{"name": name} for name in CAMPAIGN_DIMENSIONS],
        "metricHeaders": [{"name": "sessions", "type": "TYPE_INTEGER"}],
        "rows": [
            {"dimensionValues": [{"value": v} for v in row[:-1]], "metricValues": [{"value": row[-1]}]} for row in rows
        ],
        "rowCount": len(rows),
        "metadata": {"currencyCode": "EUR", "timeZone": "Europe/Berlin"},
        "kind": "analyticsData#runReport",
    }
    return {name: value for name, value in (whole | changes).items() if value}


def refused(status: int, message: str, code: str) -> Reply:
    return Reply({"error": {"code": status, "message": message, "status": code}}, status)


def settings(server: ScriptedServer | None = None, **changes: Any) -> Ga4Settings:
    values = {
        "property_ids": ["1234"],
        "credentials_file": "anonymous",
        "base_url": server.url if server else None,
        "today": date(2026, 2, 5),
    }
    return Ga4Settings(**(values | changes))


def read(
    source: Ga4Settings, window: Window = DAY, stream: str = "campaigns", *, tally: Tally | None = None,
    waits: list[float] | None = None, **options: Any,
) -> list[Page]:  # fmt: skip
    sleep = (waits if waits is not None else []).append
    return list(ga4.read(stream, source, window, tally or Tally(), sleep=sleep, **options))


# ---- what is sent ------------------------------------------------------------------------------------------


def test_the_request_is_the_vendors(scripted: ScriptedServer) -> None:
    scripted.reply(Reply(answer(ROW)))
    (page,) = read(settings(scripted), DAYS, stream="campaigns")
    (asked,) = scripted.asked
    assert (asked.method, asked.path) == ("POST", RUN_REPORT)
    assert asked.json == {
        "dimensions": [{"name": name} for name in CAMPAIGN_DIMENSIONS],
        "metrics": [{"name": "sessions"}],
        "dateRanges": [{"startDate": "2026-02-03", "endDate": "2026-02-04"}],
        "orderBys": [{"dimension": {"dimensionName": name}} for name in CAMPAIGN_DIMENSIONS],
        "limit": "250000",
        "returnPropertyQuota": True,
    }
    assert "authorization" not in asked.headers
    assert page.rows.to_pylist() == [
        {
            "date": date(2026, 2, 3),
            "sessionSource": "google",
            "sessionMedium": "cpc",
            "sessionCampaignName": "spring_sale",
            "sessionCampaignId": "11",
            "sessionDefaultChannelGroup": "Paid Search",
            "sessions": 41,
            "account_id": "1234",
            "_extra": None,
        }
    ]


def test_filters_are_exact(scripted: ScriptedServer) -> None:
    scripted.reply(Reply({}), Reply({}))
    read(settings(scripted), stream="key_events")
    read(settings(scripted, client_id_dimension="customUser:client_id"), stream="sessions")
    filters = [asked.json["dimensionFilter"]["filter"] for asked in scripted.asked]
    exact = {"matchType": 1, "caseSensitive": True}
    assert [(f["fieldName"], f["stringFilter"]) for f in filters] == [
        ("isKeyEvent", {"value": "true"} | exact),
        ("eventName", {"value": "session_start"} | exact),
    ]
    assert [d["name"] for d in scripted.asked[1].json["dimensions"]] == [
        "dateHourMinute", "customUser:client_id", "sessionSourceMedium", "sessionCampaignName", "sessionManualTerm",
        "sessionManualAdContent", "landingPagePlusQueryString", "deviceCategory",
    ]  # fmt: skip


def test_running_periods_end_yesterday(scripted: ScriptedServer) -> None:
    """Today is 5 February: the week of Monday the 2nd, and the first quarter, are asked up to the 4th."""
    scripted.rule(lambda asked: Reply({"reports": [{} for _ in asked.json["requests"]]}))
    read(settings(scripted), stream="visitors_week")
    read(settings(scripted), Window(date(2025, 12, 31), date(2026, 2, 5)), stream="visitors_quarter")
    weeks, quarters = scripted.asked[0].json["requests"][0], scripted.asked[2].json["requests"][0]
    assert weeks["dateRanges"] == [{"startDate": "2026-02-02", "endDate": "2026-02-04"}]
    assert quarters["dateRanges"] == [
        {"startDate": "2025-10-01", "endDate": "2025-12-31", "name": "2025-10-01"},
        {"startDate": "2026-01-01", "endDate": "2026-02-04", "name": "2026-01-01"},
    ]
    assert [len(asked.json["requests"]) for asked in scripted.asked] == [5, 2, 5, 2]
    assert {asked.path for asked in scripted.asked} == {"/v1beta/properties/1234:batchRunReports"}


def test_pages_are_asked_by_offset(scripted: ScriptedServer) -> None:
    rows = [[*ROW[:3], f"campaign {i}", *ROW[4:]] for i in range(5)]
    for start in (0, 2, 4):
        scripted.reply(Reply(answer(*rows[start : start + 2], rowCount=5)))
    pages = read(settings(scripted), page_rows=2)
    assert [(asked.json["limit"], asked.json.get("offset")) for asked in scripted.asked] == [
        ("2", None), ("2", "2"), ("2", "4"),
    ]  # fmt: skip
    assert [page.rows.num_rows for page in pages] == [2, 2, 1]


def test_several_properties_are_told_apart(scripted: ScriptedServer) -> None:
    quota = {"tokensPerDay": {"consumed": 1, "remaining": 5}}
    scripted.reply(Reply(answer(ROW, propertyQuota=quota)), path=RUN_REPORT)
    scripted.reply(Reply(answer(ROW, [*ROW[:3], "b", "12", "Paid Search", "1"])), path=RUN_REPORT.replace("1234", "99"))
    tally = Tally()
    pages = read(settings(scripted, property_ids=["1234", "99"]), tally=tally)
    assert [page.rows.column("account_id").to_pylist() for page in pages] == [["1234"], ["99", "99"]]
    assert tally.quota == {"tokens_per_day_remaining_1234": 5}


# ---- credentials and addresses -----------------------------------------------------------------------------


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = tmp_path / "key.json"
    path.write_text(
        json.dumps(
            {
                "type": "service_account",
                "project_id": "p",
                "private_key_id": "kid",
                "private_key": pem.decode(),
                "client_email": "reader@p.iam.gserviceaccount.com",
                "client_id": "1",
                "token_uri": "http://127.0.0.1:9/token",  # nobody listens: no token endpoint is needed
            }
        )
    )
    return path


def test_a_service_account_signs_its_own_token(scripted: ScriptedServer, key_file: Path) -> None:
    scripted.reply(Reply(answer(ROW)))
    read(settings(scripted, credentials_file=str(key_file)))
    scheme, _, token = scripted.asked[0].headers["authorization"].partition(" ")
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert scheme == "Bearer"
    assert claims["iss"] == "reader@p.iam.gserviceaccount.com"
    assert claims["scope"] == "https://www.googleapis.com/auth/analytics.readonly"


def test_a_refused_token_is_signed_anew_once(scripted: ScriptedServer, key_file: Path) -> None:
    scripted.rule(lambda _: refused(401, "Request had invalid authentication credentials.", "UNAUTHENTICATED"))
    with pytest.raises(AuthError, match="GA4_CREDENTIALS_FILE"):
        read(settings(scripted, credentials_file=str(key_file)))


def test_a_missing_permission_names_the_account(scripted: ScriptedServer, key_file: Path) -> None:
    scripted.reply(refused(403, "User does not have sufficient permissions for this property.", "PERMISSION_DENIED"))
    with pytest.raises(AuthError, match=r"Add reader@p\.iam\.gserviceaccount\.com .* role Viewer"):
        read(settings(scripted, credentials_file=str(key_file)))


@pytest.mark.parametrize("content", [None, "{not json", '{"type": "authorized_user"}'])
def test_a_bad_key_file_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "key.json"
    if content is not None:
        path.write_text(content)
    for transport in ("grpc", "rest"):
        with pytest.raises(ConfigError, match=r"GA4_CREDENTIALS_FILE .*key\.json"):
            read(settings(credentials_file=str(path), transport=transport))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"base_url": "http://analytics.example.com"}, "not encrypted"),
        ({"base_url": "analytics.example.com:443"}, "not encrypted"),
        ({"base_url": "127.0.0.1:9", "transport": "rest"}, "with its scheme"),
        ({"base_url": None}, "only with a loopback"),
        ({"base_url": "https://analytics.example.com"}, "only with a loopback"),
    ],
)
def test_nothing_is_sent_where_it_could_be_read_by_others(changes: dict[str, Any], says: str) -> None:
    """The connector refuses by itself what settings refuse too."""
    source = settings(base_url="http://127.0.0.1:9").model_copy(update=changes)
    with pytest.raises(ConfigError, match=says):
        read(source)


def test_settings_explain_a_measurement_id() -> None:
    with pytest.raises(ValueError, match="Measurement ID"):
        settings(property_ids=["G-ABC123"], base_url="http://127.0.0.1:9")


def test_an_address_where_nothing_answers_is_a_setting(scripted: ScriptedServer) -> None:
    scripted.reply(Reply("<html>not found</html>", 404))
    with pytest.raises(ConfigError, match="GA4_BASE_URL"):
        read(settings(scripted))


# ---- quotas ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "quota", "waits"),
    [
        ("Exhausted concurrent requests quota.", None, [30]),
        ("Exhausted property tokens for a project per hour.", "tokens_per_project_per_hour", []),
        ("Exhausted property tokens per hour.", "tokens_per_hour", []),
        (
            "Exhausted potentially thresholded requests quota.",
            "potentially_thresholded_requests_per_hour",
            [],
        ),
        ("Exhausted server errors quota.", "server_errors_per_project_per_hour", []),
        (
            "Exhausted property tokens per day. These quota tokens will return in under 24 hours.",
            "tokens_per_day",
            [],
        ),
        ("Quota exceeded for quota metric 'Requests' and limit 'Requests per minute'.", None, [60]),
    ],
)
def test_each_kind_of_throttling_has_its_own_patience(
    scripted: ScriptedServer, message: str, quota: str | None, waits: list[float]
) -> None:
    """By default a run waits two minutes in all: for a free slot, not for the next hour."""
    scripted.reply(refused(429, message, "RESOURCE_EXHAUSTED"), Reply(answer(ROW)))
    waited: list[float] = []
    if quota is None:
        assert len(read(settings(scripted), waits=waited)) == 1
    else:
        with pytest.raises(QuotaError, match=quota) as raised:
            read(settings(scripted), waits=waited)
        assert message.rstrip(".") in str(raised.value)
        assert 0 < raised.value.retry_after_seconds <= 86_400
        assert len(scripted.asked) == 1
    assert waited == waits


def test_patience_is_settable_and_ends(scripted: ScriptedServer) -> None:
    scripted.rule(lambda _: refused(429, "Exhausted property tokens per hour.", "RESOURCE_EXHAUSTED"))
    waits: list[float] = []
    with pytest.raises(QuotaError, match="tokens_per_hour"):
        read(settings(scripted, quota_patience_seconds=1000), waits=waits)
    assert waits == [300, 300, 300]


def test_recorded_throttling_bodies_are_understood(scripted: ScriptedServer, shared_dir: Path) -> None:
    path = shared_dir / "fixtures" / "ga4" / "errors_vendor_text.json"
    if not path.is_file():
        pytest.skip(f"no recorded body {path.name}")
    bodies = {name: body for name, body in json.loads(path.read_text()).items() if name.startswith("429")}
    for body in bodies.values():
        scripted.reply(Reply(body, 429))
        with pytest.raises(QuotaError) as raised:
            read(settings(scripted, quota_patience_seconds=0))
        assert "quota requests" not in str(raised.value), "not told apart from an unnamed quota"
    assert len(bodies) == 5


def test_a_call_that_the_quota_cannot_pay_for_is_not_made(scripted: ScriptedServer) -> None:
    rows = [[*ROW[:3], f"campaign {i}", *ROW[4:]] for i in range(4)]
    quota = {
        "tokensPerDay": {"consumed": 6, "remaining": 5},
        "tokensPerHour": {"consumed": 6, "remaining": 900},
    }
    scripted.reply(Reply(answer(*rows[:2], rowCount=4, propertyQuota=quota)))
    tally = Tally()
    with pytest.raises(QuotaError, match=r"tokens_per_day .* midnight US Pacific") as raised:
        read(settings(scripted), page_rows=2, tally=tally)
    assert len(scripted.asked) == 1
    assert 0 < raised.value.retry_after_seconds <= 86_400
    assert tally.quota == {"tokens_per_day_remaining": 5, "tokens_per_hour_remaining": 900}


def test_an_hourly_shortage_is_waited_for_where_patience_allows(scripted: ScriptedServer) -> None:
    rows = [[*ROW[:3], f"campaign {i}", *ROW[4:]] for i in range(4)]
    quota = {"tokensPerProjectPerHour": {"consumed": 6, "remaining": 0}}
    scripted.reply(Reply(answer(*rows[:2], rowCount=4, propertyQuota=quota)), Reply(answer(*rows[2:], rowCount=4)))
    waits: list[float] = []
    pages = read(settings(scripted, quota_patience_seconds=400), page_rows=2, waits=waits)
    assert [page.rows.num_rows for page in pages] == [2, 2]
    assert waits == [300]


# ---- odd answers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "error", "says"),
    [
        (
            answer(ROW, metricHeaders=[{"name": "visits", "type": "TYPE_INTEGER"}]),
            DriftError,
            r"missing \['sessions'\]",
        ),
        (answer(*[[*ROW[:-1], "many"]] * 3), DriftError, "'sessions' .* should be int64"),
        (answer(*[[*ROW[:-1], ""]] * 3), DriftError, "'sessions'"),
        (
            answer(*[[*ROW[:-1], "3.5"]] * 3, metricHeaders=[{"name": "sessions", "type": "TYPE_FLOAT"}]),
            DriftError,
            "'sessions'",
        ),
        (
            answer(ROW, metricHeaders=[{"name": "sessions", "type": "TYPE_MILLISECONDS"}]),
            DriftError,
            "TYPE_MILLISECONDS",
        ),
        (answer(*[["2026-02-03", *ROW[1:]]] * 3), DriftError, "'date' has the value '2026-02-03'"),
        (answer(ROW, rowCount=2), VendorError, "2 rows were promised, 1 came"),
        ([answer(ROW)], VendorError, "5 attempts"),
        ("<html>proxy</html>", VendorError, "is a web page and no report"),
    ],
)
def test_an_answer_that_is_not_what_was_asked_is_an_error(
    scripted: ScriptedServer, reply: Any, error: type[SourceError], says: str
) -> None:
    scripted.rule(lambda _: Reply(reply))
    with pytest.raises(error, match=says) as raised:
        read(settings(scripted))
    assert "2026-02-03" in str(raised.value) or error is VendorError
    assert str(raised.value).startswith("ga4/campaigns: ")


def test_a_whole_number_sent_as_float_is_taken(scripted: ScriptedServer) -> None:
    float_type = [{"name": "sessions", "type": "TYPE_FLOAT"}]
    scripted.reply(Reply(answer([*ROW[:-1], "3.0"], metricHeaders=float_type)))
    (page,) = read(settings(scripted))
    assert page.rows.column("sessions").to_pylist() == [3]


@pytest.mark.parametrize(
    ("message", "error", "says"),
    [
        (
            "Did you mean sessionCampaignId? Field sessionCampaignName is not a valid dimension. For a list of "
            "valid dimensions and metrics, see https://developers.google.com/analytics/ ",
            DriftError,
            "no longer knows the dimension 'sessionCampaignName'",
        ),
        ("The request's dimensions & metrics are incompatible.", VendorError, "incompatible"),
    ],
)
def test_a_refused_request_quotes_google(
    scripted: ScriptedServer, message: str, error: type[SourceError], says: str
) -> None:
    scripted.reply(refused(400, message, "INVALID_ARGUMENT"))
    with pytest.raises(error, match=says):
        read(settings(scripted))
    assert len(scripted.asked) == 1, "a request that is wrong stays wrong: it is not repeated"


def test_a_day_folded_into_other_is_asked_by_itself(scripted: ScriptedServer) -> None:
    """Google may fold even days into (other); asked day by day, the rows have a day again."""

    def reply(asked: Asked) -> Reply:
        requests = asked.json.get("requests", [asked.json])
        replies = []
        for request in requests:
            first, last = (request["dateRanges"][0][name] for name in ("startDate", "endDate"))
            day = "(other)" if first != last or first == "2026-02-04" else first.replace("-", "")
            replies.append(answer([day, *ROW[1:]]))
        return Reply({"reports": replies} if "requests" in asked.json else replies[0])

    scripted.rule(reply)
    pages = read(settings(scripted), DAYS)
    assert [page.rows.column("date").to_pylist() for page in pages] == [
        [date(2026, 2, 3)],
        [date(2026, 2, 4)],
    ]


def test_a_row_that_comes_twice_in_place_of_another_is_noticed(scripted: ScriptedServer) -> None:
    """The count is right and a row is lost: only the keys tell. The second reading is whole."""
    rows = [[*ROW[:3], f"campaign {i}", *ROW[4:]] for i in range(4)]
    for page in (rows[:2], rows[1:3], rows[:2], rows[2:]):
        scripted.reply(Reply(answer(*page, rowCount=4)))
    tally = Tally()
    pages = read(settings(scripted), page_rows=2, tally=tally)
    assert [name for page in pages for name in page.rows.column("sessionCampaignName").to_pylist()] == [
        f"campaign {i}" for i in range(4)
    ]
    assert tally.notes == ["campaigns 2026-02-03..2026-02-03: 1 of 4 rows came twice; the report was read again"]


def test_source_and_medium_come_apart_again(scripted: ScriptedServer) -> None:
    names = ["dateHourMinute", "customUser:client_id", "sessionSourceMedium", "sessionCampaignName",
             "sessionManualTerm", "sessionManualAdContent", "landingPagePlusQueryString", "deviceCategory"]  # fmt: skip
    texts = ["google / cpc", "(direct) / (none)", "a / b / referral", "(not set)"]
    metrics = ["sessions", "engagedSessions", "keyEvents"]
    scripted.reply(
        Reply(
            {
                "dimensionHeaders": [{"name": name} for name in names],
                "metricHeaders": [{"name": name, "type": "TYPE_INTEGER"} for name in metrics],
                "rows": [
                    {
                        "dimensionValues": [
                            {"value": v} for v in ("202602032359", "1.2", text, "c", "t", "x", "/p?q=1", "mobile")
                        ],
                        "metricValues": [{"value": "1"}, {"value": "0"}, {"value": "0"}],
                    }
                    for text in texts
                ],
                "rowCount": 4,
            }
        )
    )
    (page,) = read(settings(scripted, client_id_dimension="customUser:client_id"), stream="sessions")
    assert list(
        zip(*(page.rows.column(name).to_pylist() for name in ("sessionSource", "sessionMedium")), strict=True)
    ) == [("google", "cpc"), ("(direct)", "(none)"), ("a / b", "referral"), ("(not set)", "(not set)")]
    assert page.rows.column("dateHourMinute")[0].as_py().isoformat() == "2026-02-03T23:59:00"


def test_rows_that_become_equal_by_redaction_are_added_up(scripted: ScriptedServer) -> None:
    """Two people's pages become one key; a rate is weighted by its sessions: (0.5 × 2 + 1 × 6) / 8 = 0.875."""
    dimensions = [f.name for f in ga4.TRAFFIC.schema][:9]
    metrics = [f.name for f in ga4.TRAFFIC.schema][9:16]

    def row(page: str, *numbers: str) -> dict[str, Any]:
        values = ["20260203", "google", "cpc", "a", "b", "c", page, "mobile", "DE"]
        return {
            "dimensionValues": [{"value": v} for v in values],
            "metricValues": [{"value": v} for v in numbers],
        }

    scripted.reply(
        Reply(
            {
                "dimensionHeaders": [{"name": name} for name in dimensions],
                "metricHeaders": [{"name": name, "type": "TYPE_FLOAT"} for name in metrics],
                "rows": [
                    row("/hello/ann@example.com", "2", "1", "1", "3", "4", "10.5", "0.5"),
                    row("/hello/bob%40example.com", "6", "2", "0", "1", "9", "0.5", "1"),
                    row("/pricing", "1", "1", "1", "0", "1", "1", "0"),
                ],
                "rowCount": 3,
            }
        )
    )
    tally = Tally()
    plain, redacted = read(settings(scripted), stream="traffic", tally=tally)
    assert plain.rows.column("landingPage").to_pylist() == ["/pricing"]
    (merged,) = redacted.rows.to_pylist()
    assert merged["landingPage"] == "/hello/(redacted)"
    assert [merged[name] for name in metrics] == [8, 3, 1, 4.0, 13, 11.0, 0.875]
    assert redacted.rows.schema.equals(ga4.TRAFFIC.schema)
    assert tally.notes == ["traffic: personal data in addresses or campaign names was redacted"]


def test_errors_and_logs_hold_no_credentials(scripted: ScriptedServer, caplog: pytest.LogCaptureFixture) -> None:
    secret = "ya29.a0AfH6SMBx-secret"
    for _ in range(5):
        scripted.reply(refused(503, f"upstream said Authorization: Bearer {secret}", "UNAVAILABLE"))
    with caplog.at_level(logging.INFO), pytest.raises(VendorError) as raised:
        read(settings(scripted))
    assert "5 attempts" in str(raised.value)
    assert secret not in str(raised.value) + caplog.text


# ---- gRPC --------------------------------------------------------------------------------------------------


class GrpcVendor:
    """A gRPC server that refuses as scripted, then answers one row."""

    def __init__(self) -> None:
        self.refusals: list[tuple[grpc.StatusCode, str]] = []
        self.calls = 0
        handler = grpc.unary_unary_rpc_method_handler(
            self._run_report,
            request_deserializer=RunReportRequest.deserialize,
            response_serializer=RunReportResponse.serialize,
        )
        self._server = grpc.server(ThreadPoolExecutor(2))
        name = "google.analytics.data.v1beta.BetaAnalyticsData"
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, {"RunReport": handler}),))
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def _run_report(self, _request: Any, context: grpc.ServicerContext) -> RunReportResponse:
        self.calls += 1
        if self.refusals:
            context.abort(*self.refusals.pop(0))
        return RunReportResponse.from_json(json.dumps(answer(ROW)))

    def close(self) -> None:
        self._server.stop(None)


@pytest.fixture
def grpc_vendor() -> Iterator[GrpcVendor]:
    vendor = GrpcVendor()
    yield vendor
    vendor.close()


@pytest.mark.parametrize(
    ("code", "message", "error", "says"),
    [
        ("RESOURCE_EXHAUSTED", "Exhausted property tokens per day.", QuotaError, "tokens_per_day"),
        ("INVALID_ARGUMENT", "Field foo is not a valid metric.", DriftError, "the metric 'foo'"),
        ("PERMISSION_DENIED", "User does not have sufficient permissions.", AuthError, "role Viewer"),
        ("UNIMPLEMENTED", "no such method", VendorError, "no such method"),
    ],
)
def test_grpc_refusals_become_the_same_errors(
    grpc_vendor: GrpcVendor, code: str, message: str, error: type[SourceError], says: str
) -> None:
    grpc_vendor.refusals = [(grpc.StatusCode[code], message)] * 5
    with pytest.raises(error, match=says):
        read(settings(base_url=grpc_vendor.address))


@pytest.mark.parametrize(
    "code", ["UNAVAILABLE", "INTERNAL", "DEADLINE_EXCEEDED", "CANCELLED", "UNKNOWN", "UNAUTHENTICATED"]
)
def test_passing_grpc_failures_are_survived(grpc_vendor: GrpcVendor, code: str) -> None:
    grpc_vendor.refusals = [(grpc.StatusCode[code], "passing")]
    tally = Tally()
    (page,) = read(settings(base_url=grpc_vendor.address), tally=tally)
    assert page.rows.column("sessions").to_pylist() == [41]
    assert (grpc_vendor.calls, tally.api_calls) == (2, 2)


def test_back_off_grows_and_is_bounded(grpc_vendor: GrpcVendor) -> None:
    grpc_vendor.refusals = [(grpc.StatusCode.UNAVAILABLE, "down")] * 9
    waits: list[float] = []
    with pytest.raises(VendorError, match="5 attempts"):
        read(settings(base_url=grpc_vendor.address), waits=waits)
    assert grpc_vendor.calls == 5
    assert all(2**i <= wait <= 2**i + 1 for i, wait in enumerate(waits))
    assert len(waits) == 4
