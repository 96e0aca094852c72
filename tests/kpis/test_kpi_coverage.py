"""What is not there is said: no data, incomplete, stale. A day counts when every stream that feeds the figure has it.

Most tests ask for the coverage alone, without any measure; the last ones build.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from dagster_project.kpis import coverage, load_catalogue, periods
from dagster_project.kpis.catalogue import Catalogue
from dagster_project.kpis.inputs import read_inputs
from dagster_project.sources import all_streams
from dagster_project.wire.subjects import SUBJECTS
from tests.support.kpi_warehouse import USUAL, Warehouse

Build = Callable[..., dict[str, int]]
Ask = Callable[[Warehouse, str, str, str], tuple[object, ...]]
FIRST, TODAY = date(2026, 6, 1), date(2026, 10, 10)
GOOGLE, META, LEDGER = "google_ads/campaign_performance", "files/ad_cost:meta", "config/ledger"
WHOLE, PART, NOTHING = (True, True, True, "ok"), (True, False, False, "incomplete"), (False, False, False, "ok")
RUNNING, RUNNING_PART = (True, False, False, "ok"), (True, False, False, "incomplete")


@pytest.fixture(scope="module")
def catalogue(manifest: Path) -> Catalogue:
    return load_catalogue(manifest)


@pytest.fixture
def warehouse() -> Warehouse:
    """A company with everything, read to the last day."""
    return Warehouse(TODAY, FIRST)


@pytest.fixture
def covered(catalogue: Catalogue) -> Ask:
    """`covered(warehouse, kpi_id, grain, period_start)`: has it data, is_complete, is_final, quality."""
    asked: set[int] = set()

    def ask(warehouse: Warehouse, kpi_id: str, grain: str, start: str) -> tuple[object, ...]:
        connection = warehouse.connection
        if id(warehouse) not in asked:
            asked.add(id(warehouse))
            inputs = read_inputs(connection)
            coverage.create_coverage_days(connection, catalogue, inputs.today)
            first_day = coverage.first_day(connection)
            assert first_day is not None
            periods.create_periods(
                connection, first_day, inputs.today, ["day", "month", "year"], week_start=0, year_start=1
            )
            periods.create_windows(connection, coverage.create_reach(connection, inputs.today))
            coverage.create_coverage(connection, catalogue)
        [row] = connection.execute(
            "select now_has_numerator and now_has_denominator, is_complete, is_final, quality from kpi_coverage "
            "where kpi_id = ? and grain = ? and period_start = ?",
            [kpi_id, grain, start],
        ).fetchall()
        return row

    return ask


def stale(warehouse: Warehouse, stream: str, last_day: date | None, settles_after_days: int, subject: str) -> None:
    """The last read of the stream failed; it informs this subject."""
    source, name = stream.split("/")
    warehouse.add("staging.stg_meta__subjects", source=source, stream=name, part="", subject=subject, decides=False)
    warehouse.add(
        "staging.stg_meta__streams", source=source, stream=name, is_on=True, is_stale=True, last_day=last_day,
        settles_after_days=settles_after_days,
    )  # fmt: skip


def test_one_platform_of_two_is_not_all_spend(warehouse: Warehouse, covered: Ask) -> None:
    """The file of the second one begins on 15 August and ends on 20 September: outside of it spend is a part of itself."""
    warehouse.feed(META, "media", "cost")
    warehouse.extract(META, date(2026, 8, 15), date(2026, 9, 20))
    for start in ("2026-07-01", "2026-08-01", "2026-09-01"):
        assert covered(warehouse, "marketing_spend", "month", start) == PART
    assert covered(warehouse, "marketing_spend", "day", "2026-08-15") == WHOLE
    assert covered(warehouse, "marketing_spend", "day", "2026-09-20") == WHOLE
    assert covered(warehouse, "marketing_spend", "day", "2026-09-21") == PART
    # what rests on spend shares its state, what does not is untouched
    assert covered(warehouse, "cpl", "month", "2026-09-01") == PART
    assert covered(warehouse, "leads", "month", "2026-09-01") == WHOLE
    # the running month is that of the platform that goes on, and says what is missing
    assert covered(warehouse, "marketing_spend", "month", "2026-10-01") == RUNNING_PART


def test_a_running_period_ends_where_its_sources_end(warehouse: Warehouse, covered: Ask) -> None:
    """A platform that stopped within the month: as many days as all have, and no hole in them."""
    warehouse.feed(META, "media", "cost")
    warehouse.extract(META, FIRST, date(2026, 10, 4))
    assert covered(warehouse, "marketing_spend", "month", "2026-10-01") == RUNNING
    assert covered(warehouse, "marketing_spend", "month", "2026-09-01") == WHOLE
    through = "select distinct through from kpi_coverage where grain = 'month' and is_running and kpi_id = '{}'"
    assert warehouse.connection.execute(through.format("marketing_spend")).fetchall() == [(date(2026, 10, 4),)]
    assert warehouse.connection.execute(through.format("leads")).fetchall() == [(TODAY,)]


def test_a_hole_in_a_finished_period_is_incomplete_and_a_day_without_a_source_is_no_data(
    warehouse: Warehouse, covered: Ask
) -> None:
    warehouse.extract("hubspot/contacts", date(2026, 8, 5), date(2026, 8, 5), is_extracted=False, is_final=False)
    assert covered(warehouse, "leads", "month", "2026-08-01") == PART
    assert covered(warehouse, "leads", "day", "2026-08-05") == NOTHING
    assert covered(warehouse, "cpl", "day", "2026-08-05") == (False, False, False, "incomplete")
    assert covered(warehouse, "leads", "month", "2026-09-01") == WHOLE
    assert covered(warehouse, "leads", "month", "2026-10-01") == RUNNING  # running, without a hole


def test_a_file_that_ended_says_nothing_of_later_days(warehouse: Warehouse, covered: Ask) -> None:
    """Leads of a file that ends on 12 July; the weeks after it are no zeros."""
    warehouse.switch_off("hubspot/contacts")
    warehouse.feed("files/leads:old", "leads")
    warehouse.extract("files/leads:old", FIRST, date(2026, 7, 12))
    months = [covered(warehouse, "leads", "month", f"2026-{month:02}-01") for month in (6, 7, 8, 10)]
    assert months == [WHOLE, PART, NOTHING, NOTHING]
    assert covered(warehouse, "leads", "day", "2026-07-13") == NOTHING


def test_columns_that_no_source_maps_are_no_data(warehouse: Warehouse, covered: Ask) -> None:
    """Each figure rests on a column of a source; the sources are there and lack it."""
    rests_on = {
        "web.engagement": ["engagement_rate"],
        "web.device": ["mobile_traffic_share"],
        "web.origin": ["organic_sessions", "social_traffic_share"],
        "mql": ["mqls", "cpmql"],
        "sql": ["sqls", "cpsql"],
        "sal": ["sals"],
        "won": ["lead_to_customer_rate"],
        "deals.creation": ["opportunities", "cost_per_opportunity"],
        "deals.close": ["win_rate", "sales_cycle_days"],
        "orders.amount": [
            "revenue",
            "aov",
            "revenue_per_customer",
            "purchase_frequency",
            "mer",
            "roas",
            "roi_revenue",
            "romi",
            "drr",
        ],
        "ads.impressions": ["impressions", "cpm", "ctr"],
        "ads.clicks": ["clicks", "cpc"],
        "mail.opens": ["email_open_rate"],
        "mail.clicks": ["email_click_rate"],
        "mail.unsubscribes": ["email_unsubscribe_rate"],
        "cost": ["marketing_spend_loaded", "cpl_loaded", "cac_loaded"],
    }
    for stream, subjects in USUAL.items():
        warehouse.feed(stream, *(subject for subject in subjects if subject not in rests_on))
        warehouse.extract(stream, FIRST, TODAY)
    for kpi_id in sorted({kpi_id for kpi_ids in rests_on.values() for kpi_id in kpi_ids}):
        assert not covered(warehouse, kpi_id, "month", "2026-08-01")[0], kpi_id
    for kpi_id in ("sessions", "unique_visitors", "leads", "new_customers", "marketing_spend", "cpl", "cac_media"):
        assert covered(warehouse, kpi_id, "month", "2026-08-01") == WHOLE, kpi_id


def test_a_column_that_one_file_of_two_fills_is_incomplete(warehouse: Warehouse, covered: Ask) -> None:
    """Sessions of both, devices of one: a share of all sessions would be too small."""
    warehouse.switch_off("ga4/traffic")
    for name, subjects in (("a", ("web", "web.device")), ("b", ("web",))):
        warehouse.feed(f"files/sessions:{name}", *subjects)
        warehouse.extract(f"files/sessions:{name}", FIRST, TODAY)
    assert covered(warehouse, "sessions", "month", "2026-08-01") == WHOLE
    assert covered(warehouse, "mobile_traffic_share", "month", "2026-08-01") == PART
    assert covered(warehouse, "engagement_rate", "month", "2026-08-01")[0] is False


def test_media_of_a_ledger_has_no_clicks_that_could_be_missing(warehouse: Warehouse, covered: Ask) -> None:
    """A fair has a cost and no impressions; a platform whose file leaves the clicks out does have some."""
    assert "media" in USUAL[LEDGER]
    for kpi_id in ("impressions", "clicks", "ctr", "cpc", "cpm"):
        assert covered(warehouse, kpi_id, "month", "2026-08-01") == WHOLE, kpi_id
    beside_radio = Warehouse(TODAY, FIRST)
    beside_radio.feed("files/ad_costs:radio", "media", "cost", "ads")
    beside_radio.extract("files/ad_costs:radio", FIRST, TODAY)
    assert covered(beside_radio, "marketing_spend", "month", "2026-08-01") == WHOLE
    for kpi_id in ("impressions", "clicks", "ctr", "cpc", "cpm"):
        assert covered(beside_radio, kpi_id, "month", "2026-08-01") == PART, kpi_id


def test_a_ledger_that_was_never_read_leaves_no_loaded_cost_that_is_ok(warehouse: Warehouse, covered: Ask) -> None:
    """It is on, feeds both kinds of cost, and no day of it is there."""
    warehouse.feed(LEDGER, "media", "cost")
    stale(warehouse, LEDGER, None, 0, "cost")
    for kpi_id in ("cac_loaded", "marketing_spend_loaded", "cpl_loaded", "marketing_spend"):
        assert covered(warehouse, kpi_id, "month", "2026-08-01") == (True, False, False, "incomplete;stale:config"), (
            kpi_id
        )
    # without any platform there is no cost at all
    alone = Warehouse(TODAY, FIRST)
    alone.feed(LEDGER, "media", "cost")
    alone.switch_off(GOOGLE)
    assert covered(alone, "cac_loaded", "month", "2026-08-01")[0] is False


@pytest.mark.parametrize(
    ("stream", "subject", "told", "silent"),
    [
        ("config/ledger", "cost", ("cac_loaded", "cpl_loaded", "marketing_spend_loaded"), ("leads", "sessions")),
        ("files/other_costs", "cost", ("cac_loaded",), ("revenue",)),
        ("config/settings", "rules", ("leads", "sessions", "revenue", "cac_loaded", "roas"), ()),
        ("config/stage_map", "leads", ("leads", "mqls", "cpl"), ("sessions", "marketing_spend")),
        ("config/gross_margins", "margins", ("romi", "romi_accrual"), ("roas", "revenue")),
        ("config/targets", "targets", ("leads",), ("sessions", "cpl")),
        ("files/targets", "targets", ("leads",), ("sessions", "cpl")),
    ],
)  # fmt: skip
def test_a_failed_list_is_stale_in_every_figure_that_uses_it_whenever(
    warehouse: Warehouse, covered: Ask, stream: str, subject: str, told: tuple[str, ...], silent: tuple[str, ...]
) -> None:
    """A line of a ledger or a rule may change any day, one that is long final, too. Only leads have a target."""
    warehouse.add("staging.stg_config__targets", kpi_id="leads", grain="month", period_start=date(2026, 8, 1), target=9)
    stale(warehouse, stream, date(2026, 9, 30), 0, subject)
    for start in ("2026-06-01", "2026-09-01", "2026-10-01"):
        for kpi_id in (*told, *silent):
            expected = f"stale:{stream.partition('/')[0]}" if kpi_id in told else "ok"
            assert covered(warehouse, kpi_id, "month", start)[-1] == expected, (kpi_id, start)


def test_a_failed_record_stream_is_stale_after_its_last_day_only(warehouse: Warehouse, covered: Ask) -> None:
    stale(warehouse, "hubspot/pipelines", date(2026, 9, 15), 1, "deals")
    qualities = [covered(warehouse, "win_rate", "month", f"2026-{month:02}-01")[-1] for month in (8, 9, 10)]
    assert qualities == ["ok", "stale:hubspot", "stale:hubspot"]
    assert covered(warehouse, "leads", "month", "2026-09-01")[-1] == "ok"


def test_refused_rows_are_counted_in_the_periods_of_their_days(warehouse: Warehouse, covered: Ask) -> None:
    """Of a file of orders 15 rows of 3 August, two of September, and one that does not say its day; of a source that
    is off none count."""
    warehouse.switch_off("hubspot/deals")
    for source, is_on in (("files", True), ("hubspot", False)):
        warehouse.add(
            "staging.stg_meta__streams",
            source=source,
            stream="orders",
            is_on=is_on,
            is_stale=False,
            settles_after_days=1,
        )
        for day, rows in (
            (date(2026, 8, 3), 15),
            (date(2026, 9, 4), 1),
            (date(2026, 9, 5), 1),
            (None, 1),
            (date(2026, 7, 4), 0),
        ):
            warehouse.add(
                "staging.stg_meta__refusals", source=source, stream="orders", date_day=day, rows=rows, cells=3
            )
        warehouse.feed(f"{source}/orders:shop", "orders", "orders.amount", "won", "buyers")
        warehouse.extract(f"{source}/orders:shop", FIRST, TODAY)
    qualities = [covered(warehouse, "revenue", "month", f"2026-{month:02}-01")[-1] for month in (7, 8, 9)]
    assert qualities == [f"refused:files/orders:{count}" for count in (1, 16, 3)]
    assert covered(warehouse, "revenue", "day", "2026-08-03")[-1] == "refused:files/orders:16"
    assert covered(warehouse, "leads", "month", "2026-08-01")[-1] == "ok"


def test_every_subject_that_a_measure_names_is_fed_by_some_stream(catalogue: Catalogue) -> None:
    """A misspelt one would be no data for ever."""
    streams = [stream for of_source in all_streams().values() for stream in of_source]
    fed = {subject for stream in streams for subject in stream.feeds}
    informed = {subject for stream in streams for subject in stream.informs}
    for kpi in catalogue.kpis.values():
        for _, part in kpi.parts:
            assert {*catalogue.rests_on(part), *catalogue.needs(part)} <= fed, kpi.id
        assert set(catalogue.quality_of(kpi)) <= fed | informed, kpi.id
    assert fed | informed == set(SUBJECTS)


# ---- whole builds ----------------------------------------------------------------------------------------------


def test_rows_begin_at_the_first_day_that_any_source_was_asked_for(build: Build) -> None:
    """Ads since June; the CRM listed whole, its oldest lead of 5 August: June's leads are 0, rows of leads begin in August."""
    warehouse = Warehouse(TODAY, FIRST)
    warehouse.extract("hubspot/contacts", FIRST, date(2026, 8, 4), has_begun=False)
    warehouse.add("marts.fct_leads", 2, lead_id="x", lead_date=date(2026, 8, 5))
    for month in (6, 8):
        warehouse.add("marts.fct_costs", date_day=date(2026, month, 7), amount=30, acquisition_amount=30)
    build(warehouse, grains=["month"])
    cpl = {row[0].month: row[1:] for row in warehouse.rows(
        "monthly", "period_start, denominator, value, reason, is_complete, is_final, quality", "kpi_id = 'cpl' and dimension = 'total'"
    )}  # fmt: skip
    assert cpl[6] == (0, None, "zero_denominator", True, True, "ok")
    assert cpl[8] == (2, 15, None, True, True, "ok")
    starts = warehouse.rows("monthly", "period_start, value", "kpi_id = 'leads' and dimension = 'total'")
    assert starts == [(date(2026, 8, 1), 2), (date(2026, 9, 1), 0), (date(2026, 10, 1), 0)]


def test_where_only_leads_and_visits_are_mapped_nothing_else_is_zero(build: Build) -> None:
    """And a running month of one platform of two is what that one spent."""
    warehouse = Warehouse(TODAY, FIRST)
    warehouse.switch_off(*(stream for stream in USUAL if stream != GOOGLE))
    for stream, subjects in (("files/leads:crm", ("leads",)), ("files/sessions:web", ("web",)), (META, ("media",))):
        warehouse.feed(stream, *subjects)
        warehouse.extract(stream, FIRST, TODAY - timedelta(days=20 if stream == META else 0))
    warehouse.feed(GOOGLE, "media", "cost")
    warehouse.extract(GOOGLE, FIRST, TODAY)
    warehouse.add("marts.fct_leads", 3, lead_id="x", lead_date=date(2026, 8, 3))
    warehouse.add("marts.fct_web_traffic", date_day=date(2026, 8, 3), sessions=9, engaged_sessions=0)
    for month in (8, 10):
        warehouse.add("marts.fct_costs", date_day=date(2026, month, 5), amount=30, acquisition_amount=30)
    build(warehouse, grains=["month"])
    rows = warehouse.rows(
        "monthly",
        "kpi_id, value, reason",
        "period_start = date '2026-08-01' and dimension = 'total' and kpi_id <> 'marketing_spend_loaded'",
    )
    known = {kpi_id: value for kpi_id, value, reason in rows if reason != "no_data"}
    assert known == {"leads": 3, "sessions": 9, "marketing_spend": 30, "cpl": 10, "cpl_loaded": 10}
    assert {value for kpi_id, value, _ in rows if kpi_id not in known} == {None}
    running = warehouse.row("monthly", "marketing_spend", "2026-10-01")
    assert (running["value"], running["quality"]) == (30, "incomplete")
