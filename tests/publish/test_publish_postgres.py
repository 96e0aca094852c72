"""Publishing to PostgreSQL, against a real server that the test starts and throws away."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import pytest
from pg8000.native import Connection

from dagster_project.kpis import contract
from dagster_project.publish import PublishError
from dagster_project.publish.postgres import OURS, publish_to_postgres
from tests.support.published import DAYS_OF_NOTHING

PASSWORD = "s3cr3t/pass'word"
PASSWORD_IN_URL = "s3cr3t%2Fpass%27word"


class Server:
    """A PostgreSQL server on a free loopback port; `url` names its superuser."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self.binaries, self.folder = binaries, folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    def start(self) -> None:
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            shutil.chown(self.folder, "postgres")
        (self.folder / "password").write_text(PASSWORD)
        (self.folder / "password").chmod(0o644)
        self._run("initdb", "-D", f"{self.folder}/data", "-U", "fh", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C",
                  f"--pwfile={self.folder}/password")  # fmt: skip
        self._run("pg_ctl", "-D", f"{self.folder}/data", "-l", f"{self.folder}/log", "-w", "-o",
                  f"-k {self.folder} -h 127.0.0.1 -p {self.port} -c fsync=off", "start")  # fmt: skip

    def stop(self) -> None:
        self._run("pg_ctl", "-D", f"{self.folder}/data", "-m", "immediate", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        user = "postgres" if os.geteuid() == 0 else None
        subprocess.run(
            [self.binaries / program, *arguments], check=True, stdout=subprocess.DEVNULL, user=user, cwd=self.folder
        )

    def url(self, database: str) -> str:
        return f"postgresql://fh:{PASSWORD_IN_URL}@127.0.0.1:{self.port}/{database}"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not folders or not (folders[-1] / "initdb").exists():
        pytest.skip("no PostgreSQL server on this machine (Debian: apt-get install postgresql)")
    with tempfile.TemporaryDirectory(prefix="fh-pg-", ignore_cleanup_errors=True) as folder:
        server = Server(folders[-1], Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()


class Postgres:
    """A database of its own, looked at through a client that shares nothing with DuckDB."""

    def __init__(self, server: Server, name: str) -> None:
        self.server, self.name, self.url = server, name, server.url(name)

    def connect(self) -> Connection:
        return Connection("fh", host="127.0.0.1", port=self.server.port, password=PASSWORD, database=self.name)

    def ask(self, sql: str) -> list[list]:
        with closing(self.connect()) as connection:
            return connection.run(sql) or []


@pytest.fixture
def postgres(server: Server, request: pytest.FixtureRequest) -> Postgres:
    name = f"t{abs(hash(request.node.name))}"
    Postgres(server, "postgres").ask(f"create database {name}")
    return Postgres(server, name)


def published(folder: Path, version: int, rows: int = 1000) -> Path:
    path = folder / f"funnelhouse-{version}.duckdb"
    with duckdb.connect(str(path)) as connection:
        for schema in ("marts", "kpi"):
            connection.execute(f"create schema {schema}")
        for table in ("marts.a", "marts.b", "kpi.k"):
            connection.execute(f"create table {table} as select range as id, {version} as version from range({rows})")
            connection.execute(f"comment on column {table}.version is 'Which build it''s from.'")
            connection.execute(f"comment on table {table} is 'One row per id.'")
    return path


def changed(path: Path, *statements: str) -> Path:
    with duckdb.connect(str(path)) as connection:
        for statement in statements:
            connection.execute(statement)
    return path


def test_tables_and_comments_arrive(postgres: Postgres, tmp_path: Path) -> None:
    assert publish_to_postgres(published(tmp_path, 1), postgres.url) == {
        "kpi.k": 1000,
        "marts.a": 1000,
        "marts.b": 1000,
    }
    assert postgres.ask("select count(*), sum(id)::bigint, min(version) from marts.a") == [[1000, 499500, 1]]
    assert postgres.ask("select obj_description('kpi.k'::regclass), col_description('kpi.k'::regclass, 2)") == [
        ["One row per id.", "Which build it's from."]
    ]


def test_every_type_keeps_its_value(postgres: Postgres, tmp_path: Path) -> None:
    path = changed(
        published(tmp_path, 1),
        """create table marts."Odd names" as select
            170141183460469231731687303715884105::hugeint as big, 18446744073709551615::ubigint as unsigned,
            200::utinyint as tiny, 0.1::double as real, 12345.678901::decimal(24,6) as amount, true as flag,
            date '2026-02-03' as day, timestamp '2026-02-03 04:05:06.123456' as naive,
            timestamptz '2026-02-03 22:30:00+00' as moment, ['a', null, 'b'] as names,
            [{'at': date '2026-02-03', 'n': 1}] as history, {'x': 1} as one, map {'k': 2} as pairs, [[1], [2, 3]] as nested,
            'mql'::enum('lead', 'mql') as stage, 'nul' || chr(0) || 'byte, Привет' as words, null::varchar as nothing,
            interval '2 days' as span, uuid '00000000-0000-0000-0000-000000000001' as id, '{"a": [1]}'::json as js,
            'infinity'::double as endless, 1 as "Select"
        """,
    )
    publish_to_postgres(path, postgres.url)
    seen = postgres.ask(
        """select big::text, unsigned::text, tiny::text, real::text, amount::text, flag::text, day::text, naive::text,
            to_char(moment at time zone 'UTC', 'YYYY-MM-DD HH24:MI'), names::text, history->0->>'at', one->>'x', pairs->>'k',
            nested->1->>1, stage, words, nothing, span::text, id::text, js->'a'->>0, endless::text, "Select"
            from marts."Odd names" """
    )
    assert seen == [
        ["170141183460469231731687303715884105", "18446744073709551615", "200", "0.1", "12345.678901", "true", "2026-02-03",
         "2026-02-03 04:05:06.123456", "2026-02-03 22:30", "{a,NULL,b}", "2026-02-03", "1", "2", "3", "mql", "nulbyte, Привет", None,
         "2 days", "00000000-0000-0000-0000-000000000001", "1", "Infinity", 1]
    ]  # fmt: skip
    types = dict(
        postgres.ask(
            "select column_name::text, format_type(a.atttypid, a.atttypmod) from information_schema.columns c join pg_attribute a "
            "on a.attrelid = 'marts.\"Odd names\"'::regclass and a.attname = c.column_name where c.table_name = 'Odd names'"
        )
    )
    assert {name: types[name] for name in ("big", "amount", "moment", "names", "history")} == {
        "big": "numeric(38,0)",
        "amount": "numeric(24,6)",
        "moment": "timestamp with time zone",
        "names": "character varying[]",
        "history": "json",
    }


def test_a_second_publish_replaces_rows_and_keeps_views_and_grants(postgres: Postgres, tmp_path: Path) -> None:
    publish_to_postgres(published(tmp_path, 1), postgres.url)
    table_before = postgres.ask("select 'marts.a'::regclass::oid::bigint")
    postgres.ask("create view public.board as select version, count(*) as n from marts.a group by 1")
    postgres.ask("create role bi; grant usage on schema marts to bi; grant select on marts.a to bi")
    publish_to_postgres(published(tmp_path, 2, rows=10), postgres.url)
    assert postgres.ask("select version, n from public.board") == [[2, 10]]
    assert postgres.ask("select has_table_privilege('bi', 'marts.a', 'select')") == [[True]]
    assert postgres.ask("select 'marts.a'::regclass::oid::bigint") == table_before
    postgres.ask("drop owned by bi; drop role bi")


def test_columns_that_changed_and_tables_that_went(postgres: Postgres, tmp_path: Path) -> None:
    publish_to_postgres(published(tmp_path, 1), postgres.url)
    wider = changed(published(tmp_path, 2), "alter table marts.a add column more varchar", "drop table marts.b")
    publish_to_postgres(wider, postgres.url)
    assert postgres.ask("select count(*), count(more), min(version) from marts.a") == [[1000, 0, 2]]
    assert postgres.ask("select to_regclass('marts.b')::text") == [[None]]


def test_a_publish_that_fails_leaves_the_one_before(postgres: Postgres, tmp_path: Path) -> None:
    publish_to_postgres(published(tmp_path, 1), postgres.url)
    postgres.ask("create view public.board as select id, version from marts.b")
    broken = changed(published(tmp_path, 2), "alter table marts.b add column more varchar")
    with pytest.raises(
        PublishError, match=r"still has the publish before: .*marts\.b because other objects depend on it"
    ) as error:
        publish_to_postgres(broken, postgres.url)
    assert postgres.ask(
        "select a.version, b.version, k.version from marts.a a join marts.b b using (id) join kpi.k k using (id) group by 1, 2, 3"
    ) == [[1, 1, 1]]
    assert "s3cr3t" not in str(error.value)


def test_a_publish_that_is_killed_leaves_the_one_before(postgres: Postgres, tmp_path: Path) -> None:
    publish_to_postgres(published(tmp_path, 1), postgres.url)
    large = published(tmp_path, 2, rows=2_000_000)
    spawned = multiprocessing.get_context("spawn").Process(target=publish_to_postgres, args=(large, postgres.url))
    spawned.start()
    at_work = "select count(*) from pg_stat_activity where datname = current_database() and query ilike 'copy %'"
    while not postgres.ask(at_work)[0][0]:
        assert spawned.is_alive(), "it was over before it could be killed"
        time.sleep(0.01)
    spawned.kill()
    spawned.join()
    assert postgres.ask("select version, count(*) from marts.b group by 1") == [[1, 1000]]
    publish_to_postgres(published(tmp_path, 3), postgres.url)
    assert postgres.ask("select version, count(*) from marts.b group by 1") == [[3, 1000]]


def test_another_schema_of_that_name_is_not_touched(postgres: Postgres, tmp_path: Path) -> None:
    postgres.ask("create schema marts; create table marts.mine as select 1 as x")
    with pytest.raises(PublishError, match="schema marts that Funnelhouse did not make; nothing was changed"):
        publish_to_postgres(published(tmp_path, 1), postgres.url)
    assert postgres.ask("select x from marts.mine") == [[1]]
    assert postgres.ask("select to_regclass('kpi.k')::text") == [[None]]
    postgres.ask(f"comment on schema marts is '{OURS}'")
    publish_to_postgres(published(tmp_path, 2), postgres.url)
    assert postgres.ask("select to_regclass('marts.mine')::text, min(version) from marts.a") == [[None, 2]]


@pytest.mark.parametrize("wrong", ["port", "password"])
def test_a_server_that_cannot_be_reached_is_named_without_the_password(
    server: Server, tmp_path: Path, wrong: str
) -> None:
    url = f"postgresql://fh:{PASSWORD_IN_URL}@127.0.0.1:1/postgres"
    if wrong == "password":
        url = f"postgresql://fh:other{PASSWORD_IN_URL}@127.0.0.1:{server.port}/postgres"
    with pytest.raises(
        PublishError, match=r"FUNNELHOUSE_POSTGRES_URL.*(Connection refused|password authentication failed)"
    ) as error:
        publish_to_postgres(published(tmp_path, 1), url)
    assert "s3cr3t" not in str(error.value)
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read"])
def test_a_polling_reader_never_fails_never_waits_and_never_sees_half(
    postgres: Postgres, tmp_path: Path, isolation: str
) -> None:
    publish_to_postgres(published(tmp_path, 0, rows=2000), postgres.url)
    joined = (
        "select a.version, b.version, k.version, count(*) from marts.a a join marts.b b using (id) join kpi.k k using (id) "
        "group by 1, 2, 3"
    )
    seen, problems, stop = set(), [], threading.Event()

    def poll() -> None:
        try:
            with closing(postgres.connect()) as connection:
                connection.run("set lock_timeout = '20ms'")  # a reader that has to wait fails
                while not stop.is_set():
                    connection.run(f"begin isolation level {isolation}")
                    connection.run("select 1 from pg_class limit 1")  # from here on a repeatable read has its picture
                    first, again = connection.run(joined), connection.run(joined)
                    connection.run("commit")
                    for answer in (first, again):
                        if len(answer) != 1 or len(set(answer[0][:3])) != 1 or answer[0][3] != 2000:
                            problems.append(answer)
                    if isolation == "repeatable read" and first != again:
                        problems.append((first, again))
                    seen.add(first[0][0])
                    stop.wait(0.01)
        except Exception as error:
            problems.append(error)

    reader = threading.Thread(target=poll)
    reader.start()
    for version in range(1, 8):
        publish_to_postgres(published(tmp_path, version, rows=2000), postgres.url)
    stop.set()
    reader.join()
    assert problems == []
    assert len(seen) > 3, "the reader must have read while publishes went on"


def test_the_publish_step_copies_to_postgres_and_fails_after_the_local_publish_when_it_cannot(
    postgres: Postgres, no_vendor_variables: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dagster as dg

    from dagster_project.defs.publish import published as step
    from dagster_project.defs.resources import Installation

    home = no_vendor_variables / "home"
    home.mkdir()
    published(home, 1).rename(home / "warehouse.duckdb")
    with duckdb.connect(str(home / "warehouse.duckdb")) as connection:  # what the report reads
        for table in contract.TABLES:
            contract.create(connection, table)
        connection.execute(DAYS_OF_NOTHING)
    monkeypatch.chdir(no_vendor_variables)

    def run(url: str) -> dg.ExecuteInProcessResult:
        monkeypatch.setenv("FUNNELHOUSE_POSTGRES_URL", url)
        return dg.materialize([step], resources={"installation": Installation()}, raise_on_error=False)

    good = run(postgres.url)
    assert good.success
    assert good.asset_materializations_for_node("published__funnelhouse")[0].metadata["postgres_rows"].value == 3000
    assert postgres.ask("select count(*) from kpi.k") == [[3000 // 3]]
    assert len(good.asset_materializations_for_node("published__funnelhouse")) == 2  # the copy and its report
    bad = run(f"postgresql://fh:{PASSWORD_IN_URL}@127.0.0.1:1/postgres")
    assert not bad.success
    assert duckdb.sql(f"select count(*) from '{home}/published/kpi/k.parquet'").fetchall() == [(1000,)]
    said = str([event for event in bad.all_events if event.is_step_failure])
    assert "FUNNELHOUSE_POSTGRES_URL) still has the publish before" in said
    assert "s3cr3t" not in said
    with duckdb.connect(str(home / "warehouse.duckdb")) as connection:
        connection.execute("drop table kpi.dim_kpi")
    without = run(postgres.url)  # no report can be made: the tables are out all the same, and the run is red
    assert not without.success
    assert "report.html could not be written" in str([event for event in without.all_events if event.is_step_failure])
