"""Daily tables built day by day are the tables that one full build gives, whatever happened in between."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.support.house import DbtProject, House

FIRST = date(2026, 3, 1)
# everything that the web tables are made of and that is not a view or a seed
WEB = (
    "stg_meta__windows", "int_channel_rule_parts", "int_web_truth", "int_ads_daily", "int_ad_campaigns",
    "int_campaigns_named", "int_web_origins_collected", "int_web_origins_classified", "sessions__ga4",
    "stg_ga4_export__sessions_daily", "sessions__files", "int_sessions", "int_web_windows",
    "int_key_events_collected", "fct_web_traffic", "fct_web_key_events",
)  # fmt: skip


def traffic(day: date, source: str, medium: str, campaign: str, sessions: int, page: str = "/") -> dict[str, Any]:
    return {
        "date": day, "sessionSource": source, "sessionMedium": medium, "sessionCampaignName": campaign,
        "sessionManualTerm": "(not set)", "sessionManualAdContent": "(not set)", "landingPage": page,
        "deviceCategory": "mobile", "countryId": "DE", "sessions": sessions, "engagedSessions": sessions // 2,
        "newUsers": 1, "keyEvents": 1.0, "screenPageViews": 2 * sessions, "userEngagementDuration": 7.5 * sessions,
        "sessionKeyEventRate": 1 / sessions,
    }  # fmt: skip


def campaign_id(day: date, name: str, id_: str) -> dict[str, Any]:
    return {
        "date": day, "sessionSource": "google", "sessionMedium": "cpc", "sessionCampaignName": name,
        "sessionCampaignId": id_, "sessionDefaultChannelGroup": "Paid Search", "sessions": 5,
    }  # fmt: skip


def spend(day: date, campaign: str, name: str, kind: str) -> dict[str, Any]:
    return {
        "date": day, "account_id": "1", "campaign_id": campaign, "campaign_name": name, "customer_currency_code": "EUR",
        "campaign_status": "ENABLED", "campaign_advertising_channel_type": kind, "customer_time_zone": "UTC",
        "impressions": 100, "clicks": 10, "cost_micros": 5_000_000, "conversions": 1.0, "conversions_value": 0.0,
    }  # fmt: skip


def fill(house: House, days: int = 6) -> None:
    """Some days of traffic from five origins, with one campaign of an ad platform."""
    dates = [FIRST + timedelta(days=i) for i in range(days)]
    rows = []
    for i, day in enumerate(dates):
        rows += [
            traffic(day, "google", "cpc", "Spring Sale", 10 + i),
            traffic(day, "google", "organic", "(organic)", 20 + i, "/pricing"),
            traffic(day, "(direct)", "(none)", "(direct)", 5, "/pricing"),
            traffic(day, "partner.example", "referral", "(referral)", 3, "/blog/a"),
            traffic(day, "newsletter", "email", "march", 4, "/blog/b"),
        ]
    house.put("ga4/traffic", rows, days=dates)
    house.put("ga4/campaigns", [campaign_id(day, "Spring Sale", "77") for day in dates], days=dates)


def assert_equals_full_build(house: House, home: Path) -> None:
    """Every table that was built is the one that a full build from the same raw zone gives."""
    full = house.copy(home)
    full.build(*WEB, full_refresh=True)
    built = "select model, date_day, content_hash from intermediate.built_days order by all"
    assert house.rows(built) == full.rows(built)
    with house.connection() as connection:
        connection.execute(f"attach '{full.warehouse}' as full_build (read_only)")
        for name in WEB:
            (schema,) = connection.execute(
                "select schema_name from duckdb_tables() where table_name = ? and database_name != 'full_build'", [name]
            ).fetchone()
            table = f"{schema}.{name}"
            for one, other in ((table, f"full_build.{table}"), (f"full_build.{table}", table)):
                assert connection.execute(f"from {one} except all from {other}").fetchall() == [], one


@pytest.fixture(scope="module")
def first_build(tmp_path_factory: pytest.TempPathFactory, dbt_project: DbtProject) -> House:
    house = House(tmp_path_factory.mktemp("first_build") / "home", dbt_project)
    fill(house)
    house.build(*WEB)
    return house


@pytest.fixture
def filled(first_build: House, tmp_path: Path) -> House:
    """A copy of the first build, to change."""
    return first_build.copy(tmp_path / "home", with_raw_zone=True)


def sessions_by_day(house: House) -> dict[date, int]:
    return dict(house.rows("select date_day, sum(sessions)::int from marts.fct_web_traffic group by 1"))


def change_restated_day(house: House) -> None:
    day = FIRST + timedelta(days=2)
    house.put("ga4/traffic", [traffic(day, "google", "cpc", "Spring Sale", 99)], days=[day])


def change_empty_day(house: House) -> None:
    house.put("ga4/traffic", [], days=[FIRST + timedelta(days=4)])


def change_vanished_day(house: House) -> None:
    shutil.rmtree(house.home / f"raw/ga4/traffic/day={FIRST}")


def change_new_days(house: House) -> None:
    days = [FIRST - timedelta(days=3), FIRST + timedelta(days=9)]
    house.put("ga4/traffic", [traffic(day, "t.co", "referral", "(referral)", 2) for day in days], days=days)


def change_channel_rule(house: House) -> None:
    house.rules({"channels": {"own": ["Partners"], "rules": [{"channel": "Partners", "source": "partner\\..*"}]}})


def change_rule_on_landing_page(house: House) -> None:
    house.rules({"channels": {"own": ["Blog"], "rules": [{"channel": "Blog", "landing_page": "/blog/.*"}]}})


def change_source_alias(house: House) -> None:
    house.rules({"channels": {"source_aliases": {"newsletter": "mailchimp"}}})


def change_campaign_becomes_known(house: House) -> None:
    house.put("google_ads/campaign_performance", [spend(FIRST, "77", "Spring Sale", "PERFORMANCE_MAX")], days=[FIRST])


def change_campaign_id(house: House) -> None:
    day = FIRST + timedelta(days=1)
    house.put("ga4/campaigns", [campaign_id(day, "Spring Sale", "78")], days=[day])


def change_session_files(house: House) -> None:
    row = {"session_id": "f1", "started_at": "2026-03-02T10:00:00", "referrer": "https://partner.example/"}
    house.put("files/sessions", [row, row | {"session_id": "f2", "started_at": "2026-03-03T10:00:00"}])


def change_own_domains(house: House) -> None:
    house.rules({"web": {"own_domains": ["partner.example"]}})


def change_nothing(house: House) -> None:
    del house


@pytest.mark.parametrize(
    "changes",
    [
        (change_restated_day, change_empty_day, change_vanished_day, change_new_days, change_nothing),
        (change_channel_rule, change_source_alias, change_rule_on_landing_page),
        (change_campaign_becomes_known, change_campaign_id),
        (change_session_files, change_own_domains),
    ],
    ids=["days", "rules", "campaigns", "sessions"],
)
def test_incremental_equals_full(filled: House, tmp_path: Path, changes: tuple[Callable[[House], None], ...]) -> None:
    for change in changes:
        change(filled)
        filled.build(*WEB)
    assert_equals_full_build(filled, tmp_path / "full")


def test_the_changes_are_seen_in_the_mart(filled: House) -> None:
    before = sessions_by_day(filled)
    assert before[FIRST] == 10 + 20 + 5 + 3 + 4
    change_restated_day(filled)
    change_vanished_day(filled)
    change_empty_day(filled)
    change_campaign_becomes_known(filled)
    filled.rules({"channels": {"own": ["Partners"], "rules": [{"channel": "Partners", "source": "partner\\..*"}]}})
    filled.build(*WEB)
    after = sessions_by_day(filled)
    assert FIRST not in after
    assert FIRST + timedelta(days=4) not in after
    assert after[FIRST + timedelta(days=2)] == 99
    assert after[FIRST + timedelta(days=1)] == before[FIRST + timedelta(days=1)]
    channels = set(filled.rows("select source, campaign_key, channel from marts.fct_web_traffic"))
    assert (
        "google",
        "google_ads:77",
        "Cross-network",
    ) in channels  # from Paid Search, on days that were not read again
    assert ("partner.example", "(not set)", "Partners") in channels
    assert ("google", "utm:spring sale", "Paid Search") not in channels


def test_only_changed_days_are_read(filled: House) -> None:
    """The file of an unchanged day may even be unreadable: nobody opens it."""
    path = filled.home / f"raw/ga4/traffic/day={FIRST}/part-0.parquet"
    content = path.read_bytes()
    change_restated_day(filled)
    filled.write_index()
    path.write_bytes(b"not parquet")
    result = filled.project.run(filled.home, "run", "--select", *WEB)
    assert result.success, [r.message for r in result.result if r.status == "error"]
    assert sessions_by_day(filled)[FIRST + timedelta(days=2)] == 99
    full = filled.project.run(filled.home, "run", "--select", "int_web_origins_collected", "--full-refresh")
    assert not full.success  # a full build does open it, so the test above can fail
    path.write_bytes(content)


def test_a_run_without_changes_writes_nothing(filled: House) -> None:
    before = filled.rows("select * from intermediate.built_days order by all")
    filled.build(*WEB)
    assert filled.rows("select * from intermediate.built_days order by all") == before


@pytest.mark.parametrize("wait_seconds", [0.0, 0.05])
def test_a_killed_run_heals(filled: House, tmp_path: Path, dbt_project: DbtProject, wait_seconds: float) -> None:
    """SIGKILL while fct_web_traffic is replaced: old days or new days, never half; the next run converges."""
    before = filled.table("marts.fct_web_traffic")
    change_restated_day(filled)
    change_vanished_day(filled)
    filled.write_index()
    told, tells = os.pipe()
    process = os.fork()
    if process == 0:  # the child has the parsed project already; it never comes back into pytest

        def tell(node: str) -> None:
            if node == "fct_web_traffic":
                os.write(tells, b"!")

        dbt_project.run(filled.home, "run", "--select", *WEB, on_start=tell)
        os._exit(0)
    os.close(tells)
    assert os.read(told, 1) == b"!", "dbt never came to fct_web_traffic"
    time.sleep(wait_seconds)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    os.close(told)
    killed = filled.table("marts.fct_web_traffic")
    filled.build(*WEB)
    assert killed in (before, filled.table("marts.fct_web_traffic"))
    assert_equals_full_build(filled, tmp_path / "full")


def test_a_changed_truth_replaces_everything(filled: House, tmp_path: Path) -> None:
    filled.put(
        "files/sessions",
        [{"session_id": "s1", "started_at": "2026-03-02T10:00:00", "source": "google", "medium": "organic",
          "is_engaged": True, "page_views": 3, "client_id": "c1"}],
    )  # fmt: skip
    filled.switch_off("ga4")
    filled.build(*WEB)
    assert filled.rows("select date_day, source_system, sessions from marts.fct_web_traffic") == [
        (date(2026, 3, 2), "files", 1)
    ]
    assert_equals_full_build(filled, tmp_path / "full")


def test_explain_names_only_the_asked_files(filled: House) -> None:
    with duckdb.connect(str(filled.warehouse), read_only=True) as connection:
        plan = connection.execute(
            "explain analyze select sum(sessions) from staging.stg_ga4__traffic where day in ('2026-03-02', '2026-03-04')"
        ).fetchall()[0][1]
    assert "Total Files Read: 2" in plan, plan
