"""A year is one run, and costs the calls that the vendors' limits ask for: never one a day and stream."""

from __future__ import annotations

from datetime import date, timedelta
from math import ceil

import dagster as dg
import pytest

from dagster_project import ingest
from dagster_project.runs import instance
from dagster_project.wire import Window
from tests.pipeline.conftest import TODAY
from tests.support.installation import Installation

YEAR = Window(TODAY - timedelta(days=365), TODAY)
CLICK_DAYS = 90  # Google Ads gives click_view for 90 days, one day a query
# HubSpot: a search page, a batch of records with history, a batch of associations, a page of a listing
SEARCH_PAGE, BATCH_WITH_HISTORY, ASSOCIATIONS_BATCH, LIST_PAGE, SUBMISSIONS_PAGE = 200, 50, 1000, 100, 50
REPORTS_A_CALL, DATE_RANGES_A_REPORT = 5, 4  # GA4: batchRunReports, runReport
VISITOR_CUTS = 7  # total, source, medium, campaign, device, country, landing page


@pytest.fixture
def year(installation: Installation) -> Installation:
    """A year is loaded into an empty home by the raw assets of the refresh job."""
    installation.sandbox.calls.clear()
    installation.refresh_raw("backfill", YEAR)
    return installation


def materializations(dagster: dg.DagsterInstance, run: dg.DagsterRun) -> dict[str, dict[str, object]]:
    """Metadata of the last materialization of each asset of a run."""
    records = dagster.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION).records
    found = {}
    for record in records:
        materialized = record.event_log_entry.asset_materialization
        assert materialized is not None
        found["/".join(materialized.asset_key.path)] = {k: v.value for k, v in materialized.metadata.items()}
    return found


def test_a_year_is_one_run_with_as_few_calls_as_the_vendors_allow_and_says_so(year: Installation) -> None:
    with year.environment():
        dagster = instance.open_instance(year.home)
        [run] = dagster.get_runs()
        facts = materializations(dagster, run)
        dagster.dispose()
    assert run.status == dg.DagsterRunStatus.SUCCESS
    assert {stream.id: len(year.zone.extracted_days(stream)) for stream in ingest.streams() if stream.period == "day"
            and stream.source == "ga4"} == dict.fromkeys(
        ("ga4/traffic", "ga4/campaigns", "ga4/key_events", "ga4/visitors_day", "ga4/sessions"), 365
    )  # fmt: skip
    calls = year.sandbox.calls

    # GA4: a report each; visitors are cut seven ways at five grains, five reports a call, quarters by date ranges
    quarters = 5  # of 2025-10-01 .. 2026-09-30 there are four; the running one has no whole day
    visitor_calls = 4 * ceil(VISITOR_CUTS / REPORTS_A_CALL) + ceil(
        VISITOR_CUTS * ceil(quarters / DATE_RANGES_A_REPORT) / REPORTS_A_CALL
    )
    assert calls.count("ga4") <= 4 + visitor_calls

    # Google Ads: one token, one look at the accounts a stream, one report each, and the clicks day by day
    assert calls.count("google_ads", "searchStream") <= 3 * 2 + 2 + CLICK_DAYS
    assert calls.count("google_ads", "/token") <= 3

    # the ECB: one table
    assert calls.count("fx") == 1

    # HubSpot: by records, not by days
    company, now = year.sandbox.company, year.sandbox.clock.now()
    contacts, deals = len(company.contacts_as_of(now)), len(company.deals_as_of(now))
    submissions, forms = len(company.submissions_as_of(now)), len(company.forms)
    twice = 2  # a backfill of records first asks for the days that a refresh asks for
    for kind, records in (("contacts", contacts), ("deals", deals)):
        assert calls.count("hubspot", f"objects/{kind}/search") <= ceil(records / SEARCH_PAGE) + twice
        assert calls.count("hubspot", f"objects/{kind}/batch/read") <= ceil(records / BATCH_WITH_HISTORY) + twice
    assert calls.count("hubspot", "/associations/") <= 2 * (ceil(deals / ASSOCIATIONS_BATCH) + twice)
    assert calls.count("hubspot", "/submissions/") <= twice * (ceil(submissions / SUBMISSIONS_PAGE) + forms)
    assert calls.count("hubspot") < 100

    # and the run says itself what it cost
    assert sum(fact.get("api_calls", 0) for name, fact in facts.items() if not name.startswith("raw_config")) == (
        calls.count()
    )

    # what each asset says of its reading
    traffic = facts["raw_ga4/traffic"]
    rows = sum(year.zone.ledger(next(s for s in ingest.streams() if s.id == "ga4/traffic"))["rows"].to_pylist())
    assert traffic["dagster/row_count"] == rows > 10_000
    assert traffic["window"] == f"{YEAR.start}..{YEAR.last}"
    assert traffic["api_calls"] == 1
    assert traffic["bytes_received"] > rows
    assert traffic["bytes_written"] > 100_000
    assert 0 < traffic["quota_tokens_per_day_remaining"] < 200_000
    first_click_day, last_click_day = str(facts["raw_google_ads/clicks"]["window"]).split("..")
    assert TODAY - timedelta(days=CLICK_DAYS) <= date.fromisoformat(first_click_day) < date(2026, 7, 6)
    assert last_click_day == str(YEAR.last)
    assert facts["raw_hubspot/contacts"]["dagster/row_count"] > 100
    assert facts["raw_files/leads"] == {"outcome": "off", "api_calls": 0}
