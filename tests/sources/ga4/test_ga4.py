"""GA4 streams over the wire, with the official client, against the sandbox.

What should come is counted by DuckDB from the sandbox company's own sessions: a second implementation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from dagster_project import ingest
from dagster_project.raw.zone import RawZone
from dagster_project.sandbox import Sandbox, serve
from dagster_project.settings import load_settings
from dagster_project.sources import ga4
from dagster_project.sources.ga4.sandbox import PROPERTY_ID
from dagster_project.sources.ga4.settings import Ga4Settings
from dagster_project.wire import AuthError, ConfigError, Page, QuotaError, Tally, VendorError, Window, whole_periods

TODAY = date(2026, 10, 1)
JUNE = Window(date(2026, 6, 1), date(2026, 7, 1))
YEAR = Window(date(2025, 10, 1), date(2026, 10, 1))
CUT_COLUMNS = {
    "total": "'all'",
    "source": "source",
    "medium": "medium",
    "campaign": "campaign_name",
    "device": "device",
    "country": "country_id",
    "landing_page": "landing_page",
}


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with serve(TODAY, vendors=["ga4"]) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Iterator[Sandbox]:
    running.clock.set(TODAY)
    running.faults.clear()
    running.calls.clear()
    yield running
    running.faults.clear()


@pytest.fixture(params=["grpc", "rest"])
def transport(request: pytest.FixtureRequest) -> str:
    return request.param


class Reader:
    """Reads streams of the sandbox and remembers what it cost."""

    def __init__(self, sandbox: Sandbox, transport: str = "grpc", **settings: Any) -> None:
        sandbox.transport = transport
        self.settings = Ga4Settings(**(sandbox.env | {"today": TODAY} | settings))
        self.tally, self.waits = Tally(), list[float]()

    def pages(self, name: str, window: Window, **options: Any) -> list[Page]:
        return list(ga4.read(name, self.settings, window, self.tally, sleep=self.waits.append, **options))

    def rows(self, name: str, window: Window, **options: Any) -> pa.Table:
        return pa.concat_tables([page.rows for page in self.pages(name, window, **options)])


@pytest.fixture
def reader(sandbox: Sandbox) -> Reader:
    return Reader(sandbox)


# An address without utm_source: the campaign is named after the medium.
AS_GA4_SPELLS = """* replace (
    coalesce(source, if(channel = 'Direct', '(direct)', '(not set)')) as source,
    coalesce(medium, if(channel = 'Direct', '(none)', '(not set)')) as medium,
    case when campaign_name is not null then campaign_name
         when channel = 'Direct' then '(direct)'
         when landing_query like '%utm_source=%' then '(not set)'
         when medium in ('organic', 'referral', 'ai-assistant') then '(' || medium || ')'
         else '(not set)' end as campaign_name,
    coalesce(campaign_id, '(not set)') as campaign_id, coalesce(term, '(not set)') as term,
    coalesce(content, '(not set)') as content, coalesce(landing_page, '(not set)') as landing_page,
    coalesce(country_id, '(not set)') as country_id, coalesce(channel, 'Unassigned') as channel)"""
_databases: dict[datetime, duckdb.DuckDBPyConnection] = {}


def counted(sandbox: Sandbox, query: str) -> list[tuple[Any, ...]]:
    """What DuckDB says of the company's sessions and key events, as GA4 should show them now."""
    now = sandbox.clock.now()
    if now not in _databases:
        web = sandbox.company.web_as_of(now)
        _databases[now] = database = duckdb.connect()
        database.register("sessions", web.sessions)
        database.register("events", web.key_events)
        database.execute(f"create table s as select row_number() over () - 1 as row, {AS_GA4_SPELLS} from sessions")
        database.execute("create table key_events as from events")
    return _databases[now].execute(query).fetchall()


def sorted_rows(table: pa.Table, columns: list[str]) -> list[tuple[Any, ...]]:
    rows = table.select(columns).to_pylist()
    return sorted((tuple(row[name] for name in columns) for row in rows), key=repr)


def approximately(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [tuple(pytest.approx(v) if isinstance(v, float) else v for v in row) for row in rows]


# ---- rows --------------------------------------------------------------------------------------------------


def test_traffic_is_what_the_company_had(sandbox: Sandbox, transport: str) -> None:
    table = Reader(sandbox, transport).rows("traffic", JUNE)
    expected = counted(
        sandbox,
        """select date, source, medium, campaign_name, term, content, landing_page, device, country_id,
             count(*), count(*) filter (is_engaged), count(*) filter (is_new), sum(key_events)::double,
             sum(page_views)::bigint, sum(engagement_seconds), avg((key_events > 0)::int)
           from s where date between '2026-06-01' and '2026-06-30' group by all""",
    )
    columns = [name for name in ga4.TRAFFIC.schema.names if name not in ("account_id", "_extra")]
    assert len(expected) > 3000
    assert sorted_rows(table, columns) == approximately(sorted(expected, key=repr))
    assert table.schema.equals(ga4.TRAFFIC.schema)
    assert set(table.column("account_id").to_pylist()) == {PROPERTY_ID}


def test_campaigns_are_what_the_company_had(sandbox: Sandbox, transport: str) -> None:
    table = Reader(sandbox, transport).rows("campaigns", JUNE)
    expected = counted(
        sandbox,
        """select date, source, medium, campaign_name, campaign_id, channel, count(*)
           from s where date between '2026-06-01' and '2026-06-30' group by all""",
    )
    columns = [name for name in ga4.CAMPAIGNS.schema.names if name not in ("account_id", "_extra")]
    assert sorted_rows(table, columns) == sorted(expected, key=repr)


def test_key_events_are_what_the_company_had(sandbox: Sandbox, transport: str) -> None:
    table = Reader(sandbox, transport).rows("key_events", JUNE)
    expected = counted(
        sandbox,
        """select date, event_name, source, medium, campaign_name, landing_page, device, country_id,
             count(*)::double, count(distinct client_id), count(distinct row)
           from key_events join s on s.row = key_events.session_row
           where date between '2026-06-01' and '2026-06-30' group by all""",
    )
    columns = [name for name in ga4.KEY_EVENTS.schema.names if name not in ("account_id", "_extra")]
    assert expected
    assert sorted_rows(table, columns) == sorted(expected, key=repr)


def test_sessions_are_what_the_company_had(sandbox: Sandbox, transport: str) -> None:
    """Source and medium are asked as one dimension; personal data in addresses is redacted."""
    table = Reader(sandbox, transport).rows("sessions", JUNE)
    expected = counted(
        sandbox,
        """select date, date_trunc('minute', started_at), coalesce(client_id_dimension, '(not set)'),
             source, medium, campaign_name, term, content, device, count(*)
           from s where date between '2026-06-01' and '2026-06-30' group by all""",
    )
    columns = ["date", "dateHourMinute", "clientId", "sessionSource", "sessionMedium", "sessionCampaignName",
               "sessionManualTerm", "sessionManualAdContent", "deviceCategory"]  # fmt: skip
    by_landing_page = table.group_by(columns).aggregate([("sessions", "sum")])
    assert sorted_rows(by_landing_page, [*columns, "sessions_sum"]) == sorted(expected, key=repr)


def test_personal_data_does_not_pass(sandbox: Sandbox) -> None:
    whole = Window(date(2025, 7, 1), TODAY)
    table = Reader(sandbox).rows("sessions", whole)
    addresses = table.column("landingPagePlusQueryString")
    (with_address,), (sessions,) = zip(*counted(
        sandbox,
        "select count(*) filter (landing_query like '%@%' or landing_query ilike '%\\%40%' escape '\\'), count(*) "
        "from s where date < '2026-10-01'",
    ), strict=True)  # fmt: skip
    assert with_address > 0, "the company has no address in a landing page: nothing is tested"
    assert not pc.any(pc.match_substring_regex(addresses, "@|%40")).as_py()
    assert pc.any(pc.match_substring(addresses, "(redacted)")).as_py()
    assert pc.sum(table.column("sessions")).as_py() == sessions
    assert table.group_by(list(ga4.SESSIONS.key)).aggregate([]).num_rows == table.num_rows


@pytest.mark.parametrize("period", ["day", "week", "month", "quarter", "year"])
def test_visitors_are_counted_at_each_grain_and_cut(sandbox: Sandbox, transport: str, period: str) -> None:
    """Whole periods around the window; a running one up to yesterday, though GA4 shows today's sessions."""
    window = Window(date(2026, 6, 10), TODAY)
    table = Reader(sandbox, transport).rows(f"visitors_{period}", window)
    first = whole_periods(window, period)[0].start
    expected = []
    for cut, column in CUT_COLUMNS.items():
        expected += counted(
            sandbox,
            f"""select date_trunc('{period}', date)::date, '{cut}', {column}, count(distinct client_id),
                  count(distinct client_id) filter (is_engaged or is_new)
                from s where date between '{first}' and '2026-09-30' group by all""",
        )
    assert sorted_rows(table, ["period_start", "dimension", "member", "totalUsers", "activeUsers"]) == sorted(
        expected, key=repr
    )


def test_weeks_may_start_on_sunday(sandbox: Sandbox, transport: str) -> None:
    """The API has ISO weeks only, so these are asked as date ranges, four a report."""
    reader = Reader(sandbox, transport, week_start=6)
    table = reader.rows("visitors_week", Window(date(2026, 8, 5), date(2026, 9, 10)))
    expected = []
    for cut, column in CUT_COLUMNS.items():
        expected += counted(
            sandbox,
            f"""select date - (dayofweek(date))::int, '{cut}', {column}, count(distinct client_id)
                from s where date between '2026-08-02' and '2026-09-12' group by all""",
        )
    assert sorted_rows(table, ["period_start", "dimension", "member", "totalUsers"]) == sorted(expected, key=repr)


def test_a_period_without_a_whole_day_is_not_asked(reader: Reader) -> None:
    assert reader.pages("visitors_month", Window(TODAY, TODAY + timedelta(days=1))) == []
    assert reader.tally.api_calls == 0


def test_late_data_restates_the_days_that_are_read_again(sandbox: Sandbox) -> None:
    days = Window(date(2026, 8, 15), TODAY)
    reader = Reader(sandbox)
    before = reader.rows("traffic", days)
    sandbox.clock.set(date(2026, 10, 8))
    after = reader.rows("traffic", days)

    def of_day(table: pa.Table, day: date) -> list[tuple[Any, ...]]:
        return sorted_rows(table.filter(pc.equal(table.column("date"), day)), ga4.TRAFFIC.schema.names)

    changed = [day for day in days.days() if of_day(before, day) != of_day(after, day)]
    assert {date(2026, 9, 29), date(2026, 9, 30)} <= set(changed)
    assert min(changed) >= TODAY - timedelta(days=ga4.DEEP_RESTATE_DAYS)
    settled = [day for day in changed if day < TODAY - timedelta(days=ga4.RESTATE_DAYS)]
    assert len(settled) < 5, "robots taken out late; the rest is in within the daily window"


def test_without_a_client_id_dimension_there_are_no_sessions(sandbox: Sandbox) -> None:
    reader = Reader(sandbox, GA4_CLIENT_ID_DIMENSION=None)
    assert reader.pages("sessions", JUNE) == []
    assert reader.tally.api_calls == 0


def test_without_a_client_id_dimension_no_day_of_sessions_is_stored(sandbox: Sandbox, tmp_path: Path) -> None:
    def stored(env: dict[str, str], home: Path) -> tuple[str, list[date]]:
        home.mkdir()
        settings, zone = load_settings(env, folder=home), RawZone(home / "raw")
        (outcome,) = ingest.run(settings, zone, [ga4.SESSIONS], "refresh")
        return outcome.status, zone.extracted_days(ga4.SESSIONS)

    env = {name: value for name, value in sandbox.env.items() if not name.startswith("FUNNELHOUSE_HOME")}
    assert len(stored(env, tmp_path / "with")[1]) == ga4.RESTATE_DAYS
    # an extracted day without rows would say that there were no sessions
    del env["GA4_CLIENT_ID_DIMENSION"]
    assert stored(env, tmp_path / "without") == ("off", [])


def test_what_is_stored_of_a_property_outlives_its_leaving_the_settings(sandbox: Sandbox, tmp_path: Path) -> None:
    zone = RawZone(tmp_path / "raw")
    settings = load_settings({**sandbox.env, "FUNNELHOUSE_HOME": str(tmp_path)}, folder=tmp_path)
    next(ingest.run(settings, zone, [ga4.TRAFFIC], "refresh"))
    before = {day: zone.read_day(ga4.TRAFFIC, day) for day in zone.extracted_days(ga4.TRAFFIC)}
    for day, rows in before.items():  # as if a second property had been read every night until now
        column = rows.schema.get_field_index("account_id")
        of_both = pa.concat_tables([rows, rows.set_column(column, "account_id", pa.array(["555"] * len(rows)))])
        page = Page(of_both.select(ga4.TRAFFIC.schema.names))
        zone.replace_days(ga4.TRAFFIC, [day], [page], extracted_at=datetime.now(UTC), checked_on=day)
    outcome = next(ingest.run(settings, zone, [ga4.TRAFFIC], "refresh"))
    assert outcome.tally.read_accounts == {PROPERTY_ID}
    assert outcome.written.quality["unread_accounts"] == ["555"]
    for day, rows in before.items():
        after = zone.read_day(ga4.TRAFFIC, day)
        assert set(after["account_id"].to_pylist()) == {"555", PROPERTY_ID}
        assert pc.sum(after["sessions"]).as_py() == 2 * pc.sum(rows["sessions"]).as_py()


def test_values_stay_the_vendors(reader: Reader) -> None:
    table = reader.rows("traffic", YEAR)
    campaigns = set(table.column("sessionCampaignName").to_pylist())
    assert {"(not set)", "(organic)"} <= campaigns
    assert any("%20" in name or "+" in name for name in campaigns), "no percent-encoded campaign in the company"


# ---- calls and pages ---------------------------------------------------------------------------------------


def test_a_year_costs_a_handful_of_calls(sandbox: Sandbox, transport: str) -> None:
    """7 cuts go 5 to a call; 5 quarters (the window cuts two) go 4 to a report, so 14 reports."""
    calls = {}
    for stream in ga4.STREAMS:
        sandbox.calls.clear()
        reader = Reader(sandbox, transport)
        pages = reader.pages(stream.name, Window(date(2025, 9, 1), date(2026, 9, 1)))
        assert sum(page.rows.num_rows for page in pages) > 0
        calls[stream.name] = sandbox.calls.count("ga4")
        assert reader.tally.api_calls == calls[stream.name]
    assert calls == {
        "traffic": 1,
        "campaigns": 1,
        "key_events": 1,
        "visitors_day": 2,
        "visitors_week": 2,
        "visitors_month": 2,
        "visitors_quarter": 3,
        "visitors_year": 2,
        "sessions": 1,
    }


def test_paging_past_the_page_boundary_gives_the_same_rows(sandbox: Sandbox, transport: str) -> None:
    whole = Reader(sandbox, transport).rows("traffic", JUNE)
    reader = Reader(sandbox, transport)
    pages = reader.pages("traffic", JUNE, page_rows=700)
    paged = pa.concat_tables([page.rows for page in pages])
    assert reader.tally.api_calls == -(-whole.num_rows // 700) == len(pages)
    assert [page.rows.num_rows for page in pages[:-1]] == [700] * (len(pages) - 1)
    assert paged.equals(whole)


def test_a_page_that_is_exactly_full_is_the_last(reader: Reader) -> None:
    rows = reader.rows("campaigns", JUNE).num_rows
    again = Reader.__new__(Reader)
    again.__dict__.update(reader.__dict__, tally=Tally())
    assert again.rows("campaigns", JUNE, page_rows=rows).num_rows == rows
    assert again.tally.api_calls == 1


def test_reports_of_a_batch_page_on_alone(sandbox: Sandbox, transport: str) -> None:
    whole = Reader(sandbox, transport).rows("visitors_day", JUNE)
    paged = Reader(sandbox, transport).rows("visitors_day", JUNE, page_rows=300)
    columns = ga4.VISITORS[0].schema.names
    assert sorted_rows(paged, columns) == sorted_rows(whole, columns)


def test_a_row_that_moves_between_pages_makes_the_report_read_again(sandbox: Sandbox, transport: str) -> None:
    whole = Reader(sandbox, transport).rows("traffic", JUNE)
    sandbox.faults.set("ga4", "duplicate_row", 1)
    reader = Reader(sandbox, transport)
    assert reader.rows("traffic", JUNE, page_rows=1500).equals(whole)
    assert any("read again" in note for note in reader.tally.notes)


@pytest.mark.parametrize(("fault", "said"), [("duplicate_row", "rows were promised"), ("short_listing", "came")])
def test_a_report_that_never_comes_whole_is_an_error(sandbox: Sandbox, transport: str, fault: str, said: str) -> None:
    sandbox.faults.set("ga4", fault, None)
    with pytest.raises(VendorError, match=said) as raised:
        Reader(sandbox, transport).pages("traffic", JUNE, page_rows=1500)
    assert "ga4/traffic" in str(raised.value)
    assert "2026-06-01..2026-06-30" in str(raised.value)


def test_a_short_answer_is_asked_again(sandbox: Sandbox, transport: str) -> None:
    whole = Reader(sandbox, transport).rows("traffic", JUNE)
    sandbox.faults.set("ga4", "short_listing", 1)
    assert Reader(sandbox, transport).rows("traffic", JUNE).equals(whole)


# ---- quality -----------------------------------------------------------------------------------------------


def test_a_sampled_window_is_asked_in_halves(sandbox: Sandbox, transport: str) -> None:
    """Sampled once: both halves are whole, and the data is exact."""
    whole = Reader(sandbox, transport).rows("traffic", JUNE)
    sandbox.calls.clear()
    sandbox.faults.set("ga4", "sampled", 1, share=0.25)
    pages = Reader(sandbox, transport).pages("traffic", JUNE)
    assert [page.quality["sampled_share"] for page in pages] == [1.0, 1.0]
    columns = ga4.TRAFFIC.schema.names
    assert sorted_rows(pa.concat_tables([p.rows for p in pages]), columns) == sorted_rows(whole, columns)
    assert sandbox.calls.count("ga4") == 2, "one report, then its halves in one batch"


@pytest.mark.parametrize(
    ("fault", "key", "value"), [("sampled", "sampled_share", 0.5), ("other_row", "has_other_row", True)]
)
def test_what_stays_bad_down_to_the_day_is_marked(
    sandbox: Sandbox, transport: str, fault: str, key: str, value: Any
) -> None:
    sandbox.faults.set("ga4", fault, None)
    reader = Reader(sandbox, transport)
    pages = reader.pages("traffic", Window(date(2026, 6, 1), date(2026, 6, 5)))
    assert [sorted(set(page.rows.column("date").to_pylist())) for page in pages] == [
        [date(2026, 6, day)] for day in (1, 2, 3, 4)
    ]
    assert {page.quality[key] for page in pages} == {value}
    assert reader.tally.api_calls == 3, "4 days, 2 + 2, then 4 single days in one batch"


def test_thresholding_is_marked_and_not_split(sandbox: Sandbox, transport: str) -> None:
    whole = Reader(sandbox, transport).rows("traffic", JUNE)
    sandbox.faults.set("ga4", "thresholded", None)
    reader = Reader(sandbox, transport)
    (page,) = reader.pages("traffic", JUNE)
    assert page.quality["is_thresholded"] is True
    assert 0 < page.rows.num_rows < whole.num_rows
    assert reader.tally.quota["potentially_thresholded_requests_per_hour_remaining"] < 120


def test_a_clean_window_says_so(reader: Reader) -> None:
    (page,) = reader.pages("traffic", JUNE)
    assert page.quality == {
        "sampled_share": 1.0,
        "is_thresholded": False,
        "has_other_row": False,
        "is_truncated": False,
        "time_zone": "Europe/Berlin",
        "currency_code": "EUR",
    }
    assert 0 < reader.tally.quota["tokens_per_day_remaining"] < 200_000


def test_quality_reaches_the_day_files(sandbox: Sandbox, tmp_path: Path) -> None:
    zone, window = RawZone(tmp_path), Window(date(2026, 6, 1), date(2026, 6, 5))
    stamps = {"extracted_at": datetime(2026, 10, 1, 3, tzinfo=UTC), "checked_on": TODAY}
    reader = Reader(sandbox)
    sandbox.faults.set("ga4", "sampled", 1, after=5, share=0.25)  # the third of the single days
    sandbox.faults.set("ga4", "other_row", 3)
    written = zone.replace_days(ga4.TRAFFIC, window.days(), reader.pages("traffic", window), **stamps)
    ledger = {row["day"]: row["quality"] for row in zone.ledger(ga4.TRAFFIC).to_pylist()}
    assert written.quality["sampled_share"] == 0.25
    assert [day for day, said in ledger.items() if '"sampled_share": 0.25' in said] == [date(2026, 6, 3)]


def test_a_day_is_the_same_whatever_window_it_was_asked_in(sandbox: Sandbox, tmp_path: Path) -> None:
    """The content hash covers rows and quality: what was read in a month changes nothing when read by day."""
    zone, reader = RawZone(tmp_path), Reader(sandbox)
    stamps = {"extracted_at": datetime(2026, 10, 1, 3, tzinfo=UTC), "checked_on": TODAY}
    for stream in (ga4.TRAFFIC, ga4.SESSIONS, ga4.KEY_EVENTS):
        zone.replace_days(stream, JUNE.days(), reader.pages(stream.name, JUNE), **stamps)
        for day in (date(2026, 6, 1), date(2026, 6, 17), date(2026, 6, 30)):
            again = zone.replace_days(stream, [day], reader.pages(stream.name, Window.of_day(day)), **stamps)
            assert again.unchanged_days == [day]


# ---- faults ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["throttle", "server_error", "reset", "truncated", "expired_token", "slow"])
def test_a_passing_fault_is_survived(sandbox: Sandbox, transport: str, fault: str) -> None:
    whole = Reader(sandbox, transport).rows("traffic", JUNE)
    options = {"seconds": 0.05} if fault == "slow" else {}
    sandbox.faults.set("ga4", fault, 1, **options)
    reader = Reader(sandbox, transport)
    assert reader.rows("traffic", JUNE).equals(whole)
    assert not sandbox.faults.active()
    if fault == "throttle":
        assert reader.waits == [30.0], "concurrent requests: half a minute"
    assert reader.tally.api_calls == (1 if fault == "slow" else 2)


@pytest.mark.parametrize(
    ("fault", "error", "says"),
    [
        ("throttle", QuotaError, "concurrent_requests"),
        ("server_error", VendorError, "5 attempts"),
        ("reset", VendorError, "5 attempts"),
        ("truncated", VendorError, "5 attempts"),
        ("expired_token", AuthError, "GA4_CREDENTIALS_FILE"),
    ],
)
def test_a_lasting_fault_is_one_clear_error(
    sandbox: Sandbox, transport: str, fault: str, error: type[Exception], says: str
) -> None:
    sandbox.faults.set("ga4", fault, None)
    reader = Reader(sandbox, transport)
    with pytest.raises(error, match=says) as raised:
        reader.pages("traffic", JUNE)
    assert str(raised.value).startswith("ga4/traffic: property 412345678")
    assert sum(reader.waits) <= 120
    assert reader.tally.api_calls == sandbox.calls.count("ga4")


def test_a_field_that_nobody_declared_changes_nothing(sandbox: Sandbox, transport: str) -> None:
    whole = Reader(sandbox, transport).rows("traffic", JUNE)
    sandbox.faults.set("ga4", "unknown_field", 1)
    assert Reader(sandbox, transport).rows("traffic", JUNE).equals(whole)


def test_a_property_without_permission_says_what_to_do(sandbox: Sandbox, transport: str) -> None:
    with pytest.raises(AuthError, match="role Viewer") as raised:
        Reader(sandbox, transport, GA4_PROPERTY_ID="999").pages("traffic", JUNE)
    assert "property 999" in str(raised.value)


def test_an_unregistered_client_id_dimension_says_what_to_do(sandbox: Sandbox, transport: str) -> None:
    with pytest.raises(ConfigError, match="GA4_CLIENT_ID_DIMENSION"):
        Reader(sandbox, transport, GA4_CLIENT_ID_DIMENSION="customUser:nobody").pages("sessions", JUNE)


@pytest.mark.parametrize("stream", ga4.STREAMS, ids=lambda stream: stream.name)
def test_no_report_asks_for_more_than_the_api_allows(reader: Reader, stream: Any) -> None:
    """9 dimensions, a filter's field among them; 10 metrics; keys are what makes a row unique."""
    for question in ga4.questions(stream.name, reader.settings):
        fields = {*question.api_dimensions, *([question.only[0]] if question.only else [])}
        assert len(fields) <= 9
        assert 1 <= len(question.metrics) <= 10
    table = reader.rows(stream.name, JUNE)
    assert table.group_by(list(stream.key)).aggregate([]).num_rows == table.num_rows


def test_the_contract_function_is_the_same_reading(reader: Reader) -> None:
    read: Callable[..., Iterator[Page]] = ga4.CAMPAIGNS.read  # type: ignore[assignment]
    (page,) = read(reader.settings, JUNE, Tally())
    assert page.rows.equals(reader.rows("campaigns", JUNE))
