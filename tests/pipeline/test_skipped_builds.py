"""What did not change is neither built nor tested again, and the tables are those that a build from nothing gives."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import duckdb
import pytest

from dagster_project.definitions import defs as definitions
from dagster_project.defs.shared import WHOLE_TAG
from dagster_project.runs import instance
from dagster_project.runs.verify import differences_from_a_rebuild
from dagster_project.warehouse import fingerprints
from tests.support.dagster_ui import AD_COST, CONFIG, LEADS, SESSIONS, FromFiles
from tests.support.what_happens import happens

EVENT = {
    "event_date": "20260930", "event_timestamp": "1790762400000000", "event_name": "session_start",
    "user_pseudo_id": "1.2", "event_params": [{"key": "ga_session_id", "value": {"int_value": "7"}}],
}  # fmt: skip
FILES = {"sessions.csv": SESSIONS, "leads.csv": LEADS, "ad_cost.csv": AD_COST, "funnelhouse.yml": CONFIG}


class Home:
    """The files of a home and its clock, which a test moves on."""

    def __init__(self, from_files: FromFiles, monkeypatch: pytest.MonkeyPatch) -> None:
        self.from_files, self.monkeypatch, self.today = from_files, monkeypatch, date(2026, 10, 1)
        variables = from_files.variables
        pinned = property(lambda _self: {**variables, "FUNNELHOUSE_TODAY": self.today.isoformat()})
        monkeypatch.setattr(FromFiles, "variables", pinned)

    def append(self, name: str, text: str) -> None:
        path = self.from_files.folder / name
        path.write_text(path.read_text() + text)

    def refresh(self) -> set[str]:
        """A night; gives the tables that were built in it. Marts and KPI tables must be told of all the same."""
        result = self.from_files.refresh("refresh")
        assert result.error == ""
        with self.from_files.environment():
            dagster = instance.open_instance(self.from_files.home)
            try:
                events = dagster.all_logs(result.run_id)
            finally:
                dagster.dispose()
        said = {}
        for event in (entry.dagster_event for entry in events if entry.is_dagster_event):
            if event.is_step_materialization:
                said["/".join(event.asset_key.path)] = event.step_materialization_data.materialization.metadata
        assert {"marts/fct_leads", "kpi/fct_kpi_daily"} <= set(said)
        return {name for name, facts in said.items() if "outcome" in facts and facts["outcome"].value == "built"}

    def asked_for_tonight(self) -> dg.RunRequest:
        with self.from_files.environment():
            defs = definitions()
            context = dg.build_schedule_context(
                scheduled_execution_time=datetime(2026, 10, 2, 3, 0, tzinfo=UTC),
                repository_def=defs.get_repository_def(),
            )
            [request] = defs.resolve_schedule_def("nightly_refresh").evaluate_tick(context).run_requests or []
        return request

    def count(self, query: str) -> int:
        with duckdb.connect(str(self.from_files.settings.warehouse_path), read_only=True) as connection:
            return connection.execute(query).fetchall()[0][0]

    def is_right(self) -> bool:
        with self.from_files.environment():
            return differences_from_a_rebuild(self.from_files.settings) == []

    def switch_export(self, is_on: bool) -> None:
        """An entry for GA4's export, a source that is off in the other tests."""
        (self.from_files.folder / "events.jsonl").write_text(json.dumps(EVENT) + "\n")
        entry = "  - {name: shop, stream: ga4_export, path: events.jsonl}\n"
        (self.from_files.folder / "funnelhouse.yml").write_text(CONFIG + (entry if is_on else ""))

    # ---- what happens --------------------------------------------------------------------------------------

    def nothing(self, _rng: random.Random) -> None:
        pass

    def a_day_passes(self, rng: random.Random) -> None:
        self.today += timedelta(days=rng.choice([1, 1, 40]))

    def a_session(self, rng: random.Random) -> None:
        self.append("sessions.csv", f"s{rng.randrange(10**9)},2026-09-30T13:00:00Z,google,cpc\n")

    def a_lead(self, rng: random.Random) -> None:
        self.append("leads.csv", f"l{rng.randrange(10**9)},2026-09-30T13:30:00Z,google,cpc\n")

    def a_cost(self, _rng: random.Random) -> None:
        self.append("ad_cost.csv", f"{self.today - timedelta(days=1)},3,4.50\n")

    def a_rule(self, rng: random.Random) -> None:
        rule = f"attribution: {{half_life_days: {rng.randrange(2, 60)}}}\n"
        (self.from_files.folder / "funnelhouse.yml").write_text(CONFIG + rule)

    def a_kill(self, rng: random.Random) -> None:
        """A night after which nothing could be remembered, as where it is killed once dbt has built."""
        self.a_lead(rng)
        with self.monkeypatch.context() as patch:
            patch.setattr(fingerprints, "remember", _killed)
            assert self.from_files.refresh("refresh").error != ""


def _killed(*_: object) -> None:
    raise RuntimeError("killed")


@pytest.fixture
def home(published_from_files: FromFiles, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    yield Home(published_from_files, monkeypatch)
    for name, text in FILES.items():  # as other tests of the session expect them
        (published_from_files.folder / name).write_text(text)


@happens(
    "a night without news", "nothing is built or tested again; Dagster is told of marts and KPI tables all the same"
)
def test_a_night_without_news_builds_nothing(home: Home) -> None:
    home.refresh()
    assert home.refresh() == set()
    request = home.asked_for_tonight()
    sources = {key.path[0] for key in request.asset_selection or () if key.path[0].startswith("raw_")}
    assert sources == {"raw_config", "raw_files", "raw_meta"}  # by Dagster's schedule, too
    assert request.tags[WHOLE_TAG] == "true"


def test_a_change_is_built_and_what_it_does_not_reach_is_not(home: Home) -> None:
    home.refresh()
    home.a_cost(random.Random(1))
    built = home.refresh()
    assert {"staging/stg_files__ad_costs", "marts/fct_ad_performance", "marts/fct_costs"} <= built
    # a campaign of the ads may be one that leads name, so leads are among what it reaches
    beside = {"staging/stg_files__leads", "intermediate/int_crm_records_unioned", "marts/dim_date", "staging/channels"}
    assert built.isdisjoint(beside)
    assert home.is_right()


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 8))])
def test_skipped_builds_end_where_a_build_from_nothing_begins(home: Home, seed: int) -> None:
    rng = random.Random(seed)
    every = [home.nothing, home.a_day_passes, home.a_session, home.a_lead, home.a_cost, home.a_rule, home.a_kill]
    for _night in range(2 if seed == 1 else 4):
        for happens_tonight in rng.sample(every, 2):
            happens_tonight(rng)
        home.refresh()
    assert home.is_right(), seed


@happens(
    "a source is switched on, later off",
    "its models are built with its history; its stored days stay until they are deleted",
)
def test_what_is_off_is_not_in_the_graph_of_a_night(home: Home) -> None:
    models = "select count(*) from duckdb_views() where schema_name = 'staging' and view_name like '%ga4_export%'"
    sessions = "select count(*) from intermediate.int_sessions where source_system = 'ga4_export'"
    home.refresh()
    assert (home.count(models), home.count(sessions)) == (0, 0)
    home.switch_export(True)
    assert "staging/sessions__ga4_export" in home.refresh()
    assert home.count(sessions) == 1
    assert home.is_right()  # against a build with every source in the graph
    home.switch_export(False)
    home.refresh()
    assert home.count(sessions) == 1
    shutil.rmtree(home.from_files.home / "raw" / "ga4_export")
    home.refresh()
    assert home.count(sessions) == 0
    assert home.is_right()
