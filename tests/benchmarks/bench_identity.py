"""Identity over a million visits and 100,000 contacts: what each model of the chain costs, in a real dbt run.

A visitor in four leaves a form; one contact in twenty is a double by e-mail, one in twenty has no e-mail, one visit
in three carries a click id, one browser is a kiosk of 500 people and one link was copied to 300. Run it alone:

    python -m pytest tests/benchmarks/bench_identity.py --run-benchmarks -s
"""

from __future__ import annotations

import time
from pathlib import Path

import duckdb
import pyarrow as pa

from dagster_project.wire import Page
from tests.support.house import DbtProject, House

VISITS, CONTACTS = 1_000_000, 100_000
CHAIN = (
    "int_identity_evidence", "int_identity_joined", "int_identity_links", "int_people_deduplicated",
    "int_person_keys_resolved", "int_client_ids_resolved", "int_sessions_identified", "dim_person_ids", "audit_identity",
)  # fmt: skip

SESSIONS = f"""
select
    'test' as account_id, cast(moment as date) as date, moment as "dateHourMinute", browser as "clientId",
    'google' as "sessionSource", 'cpc' as "sessionMedium", '(not set)' as "sessionCampaignName",
    '/?page=' || n || case when n % 3 = 0 then '&gclid=click-' || n when n % 3333 = 1 then '&gclid=copied' else '' end
        as "landingPagePlusQueryString",
    'desktop' as "deviceCategory", 1 as sessions, 1 as "engagedSessions", 0.0 as "keyEvents"
from (
    select
        n, case when n % 500 = 7 then 'kiosk' else 'browser-' || n % 400000 end as browser,
        timestamp '2026-01-01' + to_minutes(cast(n % 89 * 1440 + hash(n) % 1440 as integer)) as moment
    from range({VISITS}) as visits (n)
)
"""
CLICKS = "case when n % 10 = 3 then 'click-' || n * 3 end"
BROWSERS = "case when n % 200 = 7 then 'kiosk' when n % 10 < 7 then 'browser-' || n * 3 end"
AT = "timestamptz '2026-01-01' + to_minutes(cast(n % 89 * 1440 + hash(n, 1) % 1440 as integer))"
EMAILS = "case when n % 20 != 11 then 'email-' || n % 95000 end"
RECORDS = f"""
select
    'test' as account_id, cast(n as varchar) as id, {AT} as createdate, createdate as lastmodifieddate,
    'lead' as lifecyclestage, {EMAILS} as email_hash, case when n % 3 = 0 then 'phone-' || n % 98000 end as phone_hash,
    {CLICKS} as gclid, {BROWSERS} as ga_client_id, false as archived
from range({CONTACTS}) as contacts (n)
"""
FORMS = f"""
select
    'test' as account_id, 's' || n as "conversionId", 'demo' as form_id, {AT} as "submittedAt", {EMAILS} as email_hash,
    {BROWSERS} as ga_client_id, case when n % 10 = 3 then 'click-' || n * 3 end as gclid
from range({CONTACTS}) as forms (n)
"""


def test_a_million_visits_and_a_hundred_thousand_contacts(tmp_path: Path) -> None:
    for folder in ("dbt", "installation"):
        (tmp_path / folder).mkdir()
    house = House(tmp_path / "installation", DbtProject(tmp_path / "dbt"), is_new=True)
    put(house, "ga4/sessions", SESSIONS)
    put(house, "hubspot/contacts", RECORDS)
    put(house, "hubspot/form_submissions", FORMS)
    house.build(command="seed")
    house.build(*(f"+{model}" for model in CHAIN), "--exclude", *CHAIN)
    begin = time.perf_counter()
    result = house.build(*CHAIN)
    seconds = {r.node.name: r.execution_time for r in result.result if r.node.name in CHAIN}
    print(f"\n{VISITS:,} visits, {CONTACTS:,} contacts, {CONTACTS:,} forms: {time.perf_counter() - begin:.1f} s of dbt")
    for name, each in seconds.items():
        (rows,) = house.rows(f"select count(*) from {schema(name)}.{name}")[0]
        print(f"    {name:28}{each:6.2f} s {rows:12,} rows")
    assert house.rows("select count(*) from marts.audit_identity where id_value in ('kiosk', 'copied')") == [(2,)]
    (people,) = house.rows("select count(distinct person_id) from intermediate.int_people_deduplicated")[0]
    assert CONTACTS * 0.8 < people < CONTACTS


def schema(model: str) -> str:
    return "intermediate" if model.startswith("int_") else "marts"


def put(house: House, stream_id: str, sql: str) -> None:
    """As House.put, without a Python row each."""
    stream = house.streams[stream_id]
    given = duckdb.sql(sql).to_arrow_table()
    columns = [
        given[field.name].cast(field.type) if field.name in given.column_names else pa.nulls(len(given), field.type)
        for field in stream.schema
    ]
    house.on.add(stream.source)
    page = Page(pa.Table.from_arrays(columns, schema=stream.schema))
    house.zone.replace_all(stream, [page], extracted_at=house._moment(), checked_on=house.today, allow_shrink=True)
