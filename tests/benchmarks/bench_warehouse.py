"""dbt and KPI build for a million sessions and 100,000 leads over three years, beside the same SQL in bare DuckDB.

The rival is the floor: every statement that dbt and the KPI build ran (compiled, with refs resolved), replayed one
after the other on a connection of its own, without dbt, MetricFlow and Python. Models in Python run the same function
on both sides. Each side is a process of its own, so that time and peak memory are its own. Run it alone:

    python -m pytest tests/benchmarks/bench_warehouse.py --run-benchmarks -s
"""

from __future__ import annotations

import resource
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from dbt.cli.main import dbtRunner

from tests.benchmarks.bench_identity import put
from tests.support.house import DBT_PROJECT, DbtProject, House, explain

SESSIONS, LEADS, YEARS = 1_000_000, 100_000, 3
TODAY = date(2026, 3, 31)
DAYS = YEARS * 365
STAMP = datetime(2026, 3, 31, 3, tzinfo=UTC)
# not random, so that every run has the same company
DRAW = "create or replace macro draw(n, k) as cast(hash(n, k) >> 1 as bigint)"
ORIGINS = """
[{'source': 'google', 'medium': 'organic', 'campaign': '(organic)'}, {'source': '(direct)', 'medium': '(none)', 'campaign': '(direct)'},
 {'source': 'google', 'medium': 'cpc', 'campaign': ''}, {'source': 'news.example', 'medium': 'referral', 'campaign': '(referral)'},
 {'source': 'facebook', 'medium': 'paid_social', 'campaign': ''}, {'source': 'newsletter', 'medium': 'email', 'campaign': 'weekly'},
 {'source': 'linkedin.com', 'medium': 'social', 'campaign': '(not set)'}, {'source': 'bing', 'medium': 'organic', 'campaign': '(organic)'}]
"""
# one row a session; a browser comes back two or three times
VISITS = f"""
with drawn as (
    select n, draw(n, 0) as h, {ORIGINS}[1 + cast(power(draw(n, 1) % 1000 / 1000, 2) * 8 as integer) % 8] as origin
    from range({SESSIONS}) as visits (n)
)
select
    n, date '{TODAY}' - {DAYS} + cast(h % {DAYS} as integer) as day, h % 86400 as second, 'browser-' || draw(n, 2) % 400000 as browser,
    origin.source as source, origin.medium as medium,
    case when origin.campaign = '' then 'campaign ' || draw(n, 3) % 40 else origin.campaign end as campaign,
    '/page/' || cast(power(draw(n, 4) % 1000 / 1000, 3) * 60 as integer) as page,
    ['desktop', 'mobile', 'tablet'][1 + draw(n, 5) % 3] as device, ['DE', 'FR', 'US', 'AT'][1 + draw(n, 6) % 4] as country,
    (draw(n, 7) % 10 < 6)::integer as engaged
from drawn
"""
STREAMS = {
    "ga4/sessions": f"""
        select 'test' as account_id, day as date, day + to_minutes(cast(second / 60 as integer)) as "dateHourMinute", browser as "clientId",
            source as "sessionSource", medium as "sessionMedium", campaign as "sessionCampaignName", page || '?n=' || n as "landingPagePlusQueryString",
            device as "deviceCategory", 1 as sessions, engaged as "engagedSessions", 0.0 as "keyEvents"
        from ({VISITS})""",
    "ga4/traffic": f"""
        select 'test' as account_id, day as date, source as "sessionSource", medium as "sessionMedium", campaign as "sessionCampaignName",
            '(not set)' as "sessionManualTerm", '(not set)' as "sessionManualAdContent", page as "landingPage", device as "deviceCategory",
            country as "countryId", count(*) as sessions, sum(engaged) as "engagedSessions", 0 as "newUsers", 0.0 as "keyEvents",
            count(*) as "screenPageViews", 30.0 * count(*) as "userEngagementDuration"
        from ({VISITS}) group by all""",
    "google_ads/campaign_performance": f"""
        select 'test' as account_id, date '{TODAY}' - {DAYS} + cast(d as integer) as date, 'EUR' as customer_currency_code,
            'Europe/Berlin' as customer_time_zone, c as campaign_id, 'campaign ' || c as campaign_name, 'ENABLED' as campaign_status,
            'SEARCH' as campaign_advertising_channel_type, 1000 as impressions, 20 as clicks, 5000000 + draw(c, d) % 20000000 as cost_micros
        from range({DAYS}) as days (d), range(40) as campaigns (c)""",
    "hubspot/contacts": f"""
        select 'test' as account_id, cast(n as varchar) as id, moment as createdate, moment + interval 40 day as lastmodifieddate,
            'email-' || n as email_hash, 'browser-' || draw(n, 2) % 400000 as ga_client_id, false as archived,
            ['lead', 'marketingqualifiedlead', 'salesqualifiedlead', 'opportunity', 'customer'][reached] as lifecyclestage,
            [{{'value': ['lead', 'marketingqualifiedlead', 'salesqualifiedlead', 'opportunity', 'customer'][s],
               'timestamp': moment + to_days(cast(8 * (s - 1) as integer)), 'source_type': 'CRM_UI'}} for s in range(1, reached + 1)] as lifecyclestage_history,
            (draw(n, 9) % 12)::varchar as hubspot_owner_id
        from (
            select n, timestamptz '{TODAY}' - to_days(cast({DAYS} - 1 - draw(n, 0) % ({DAYS} - 60) as integer)) as moment,
                1 + cast(power(draw(n, 8) % 1000 / 1000, 3) * 5 as integer) % 5 as reached
            from range({LEADS}) as contacts (n)
        )""",
    "hubspot/deals": f"""
        select 'test' as account_id, cast(n as varchar) as id, moment as createdate, moment + interval 30 day as closedate,
            moment + interval 30 day as hs_lastmodifieddate, case when n % 3 = 0 then 'closedwon' else 'closedlost' end as dealstage,
            'default' as pipeline, (draw(n, 1) % 500000) / 100 as amount, 'EUR' as deal_currency_code, true as hs_is_closed,
            n % 3 = 0 as hs_is_closed_won, (draw(n, 9) % 12)::varchar as hubspot_owner_id, false as archived,
            [{{'contact_id': cast(n * 5 as varchar), 'is_primary': true}}] as contacts
        from (
            select n, timestamptz '{TODAY}' - to_days(cast({DAYS} - 20 - draw(n * 5, 0) % ({DAYS} - 60) as integer)) as moment
            from range({LEADS // 5}) as deals (n)
        )""",
}  # fmt: skip


@dataclass
class Cost:
    """What one side took; `statements`: what the other side has to replay."""

    wall: float
    cpu: float
    peak_gb: float
    rows: int = 0
    statements: list[tuple[Any, ...]] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.wall:6.1f} s  {self.cpu:6.1f} CPU s  peak {self.peak_gb:.2f} GB"


@dataclass
class Place:
    """Where the sides find things: the installation, dbt's folder, the semantic manifest."""

    home: Path
    dbt: Path
    manifest: Path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Raw days and seeds, and no model."""
    folder = tmp_path_factory.mktemp("bench")
    place = Place(folder / "installation", folder / "dbt", folder / "manifest")
    place.home.mkdir()
    place.dbt.mkdir()
    project = DbtProject(place.dbt)
    house = House(place.home, project, TODAY, is_new=True)
    duckdb.execute(DRAW)
    for stream_id, sql in STREAMS.items():
        put(house, stream_id, sql)
    house.build(command="seed")
    folders = ["--project-dir", DBT_PROJECT, "--profiles-dir", DBT_PROJECT, "--target-path", place.manifest]
    assert dbtRunner().invoke(["parse", *map(str, folders), "--log-level-file", "none", "--quiet"]).success
    return place


def test_dbt_and_kpis_beside_bare_duckdb(place: Place) -> None:
    warehouse, seeded, built = (place.home / f"{name}.duckdb" for name in ("warehouse", "seeded", "built"))
    shutil.copy(warehouse, seeded)
    dbt = alone(run_dbt, place)
    bare = alone(replay_models, place, seeded, dbt.statements)
    shutil.copy(warehouse, built)
    kpis = alone(run_kpis, place)
    bare_kpis = alone(replay_statements, built, kpis.statements)
    nothing_new = alone(run_kpis, place)
    print(
        f"\n{SESSIONS:,} sessions and {LEADS:,} leads in {YEARS} years, {len(dbt.statements)} models, "
        f"{kpis.rows:,} KPI rows\n"
        f"    dbt run                {dbt}\n"
        f"    the same SQL, bare     {bare}   -> x{dbt.wall / bare.wall:.2f} wall, x{dbt.cpu / bare.cpu:.2f} CPU\n"
        f"    KPI build              {kpis}\n"
        f"    the same SQL, bare     {bare_kpis}   -> x{kpis.wall / bare_kpis.wall:.2f} wall, "
        f"x{kpis.cpu / bare_kpis.cpu:.2f} CPU\n"
        f"    KPI build, no news     {nothing_new}\n"
        f"    together               x{(dbt.wall + kpis.wall) / (bare.wall + bare_kpis.wall):.2f} wall, "
        f"x{(dbt.cpu + kpis.cpu) / (bare.cpu + bare_kpis.cpu):.2f} CPU"
    )


def alone(what: Callable[..., Cost], *arguments: Any) -> Cost:
    """In a new process: its time, its peak memory."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(what, *arguments).result()


class _Clock:
    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def cost(self, **more: Any) -> Cost:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        return Cost(time.perf_counter() - self.wall, time.process_time() - self.cpu, peak, **more)


def run_dbt(place: Place) -> Cost:
    clock = _Clock()  # with parsing, as a night has it
    result = DbtProject(place.dbt).run(place.home, "run")
    assert result.success, explain(result)
    return clock.cost(
        statements=[
            (
                n.resource_type,
                n.config.materialized,
                n.language,
                n.schema,
                n.name,
                n.compiled_code,
                n.original_file_path,
            )
            for n in (r.node for r in result.result)
        ]
    )


def replay_models(place: Place, database: Path, models: list[tuple[Any, ...]]) -> Cost:
    DbtProject(place.dbt).point_at(place.home)  # the raw days' address in the compiled SQL
    with duckdb.connect(str(database)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        for schema in ("staging", "intermediate", "marts"):
            connection.execute(f"create schema if not exists {schema}")
        clock = _Clock()
        for resource_type, materialized, language, schema, name, code, path in models:
            if resource_type == "operation":
                connection.execute(_local(code))
                continue
            if language == "python":
                _run_python(connection, schema, name, path)
                continue
            kind = "view" if materialized == "view" else "table"
            connection.execute(f'create or replace {kind} {schema}."{name}" as {_local(code)}')
        connection.execute("checkpoint")
        return clock.cost()


def _local(code: str) -> str:
    return code.replace('"warehouse".', "")


def _run_python(connection: duckdb.DuckDBPyConnection, schema: str, name: str, path: str) -> None:
    scope: dict[str, Any] = {}
    exec(compile((DBT_PROJECT / path).read_text(), path, "exec"), scope)
    schemas = dict(connection.execute("select table_name, table_schema from information_schema.tables").fetchall())
    dbt = SimpleNamespace(ref=lambda model: connection.table(f"{schemas[model]}.{model}"), config=lambda **_: None)
    connection.register("made_in_python", scope["model"](dbt, connection))
    connection.execute(f'create or replace table {schema}."{name}" as from made_in_python')
    connection.unregister("made_in_python")


class Recorder:
    """A connection that keeps what was executed on it."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self.statements: list[tuple[Any, ...]] = []

    def execute(self, *arguments: Any) -> Any:
        self.statements.append(("execute", *arguments))
        return self._connection.execute(*arguments)

    def register(self, name: str, table: Any) -> None:
        self.statements.append(("register", name, table))
        self._connection.register(name, table)

    def unregister(self, name: str) -> None:
        self.statements.append(("unregister", name))
        self._connection.unregister(name)


def run_kpis(place: Place) -> Cost:
    from dagster_project import kpis

    with duckdb.connect(str(place.home / "warehouse.duckdb")) as connection:
        connection.execute("set TimeZone = 'UTC'")
        clock, recorder = _Clock(), Recorder(connection)
        rows = kpis.build(recorder, place.manifest, computed_at=STAMP)  # type: ignore[arg-type]
        return clock.cost(rows=sum(rows.values()), statements=recorder.statements)


def replay_statements(database: Path, statements: list[tuple[Any, ...]]) -> Cost:
    renamed = database.with_name("warehouse_of_kpis") / "warehouse.duckdb"
    renamed.parent.mkdir()
    shutil.move(database, renamed)
    with duckdb.connect(str(renamed)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        clock = _Clock()
        for what, *arguments in statements:
            done = getattr(connection, what)(*arguments)
            if what == "execute":
                done.fetchall()
        return clock.cost()
