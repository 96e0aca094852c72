"""Publishing: readers see the old publish or the new one, whole; equal content has equal bytes."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from hashlib import sha256
from pathlib import Path

import duckdb
import pytest

from dagster_project import publish as publish_module
from dagster_project.publish import PublishError, publish


def warehouse(home: Path, version: int, rows: int = 1000) -> Path:
    home.mkdir(exist_ok=True)
    path = home / "warehouse.duckdb"
    with duckdb.connect(str(path)) as connection:
        for schema in ("staging", "marts", "kpi"):
            connection.execute(f"create schema if not exists {schema}")
        connection.execute("create or replace table staging.s as select 1 as x")
        for table in ("marts.a", "marts.b", "kpi.k"):
            # insertion order differs from version to version: the publish must not care
            connection.execute(
                f"create or replace table {table} as "
                f"select range as id, {version} as version from range({rows}) order by hash(range + {version})"
            )
            connection.execute(f"comment on column {table}.version is 'Which build it''s from.'")
    return path


def test_marts_and_kpis_are_published_and_nothing_else(tmp_path: Path) -> None:
    result = publish(warehouse(tmp_path, 1), tmp_path)
    assert result.tables == {"kpi.k": 1000, "marts.a": 1000, "marts.b": 1000}
    files = sorted(str(p.relative_to(tmp_path / "published")) for p in (tmp_path / "published").rglob("*.parquet"))
    assert files == ["kpi/k.parquet", "marts/a.parquet", "marts/b.parquet"]
    with duckdb.connect(str(tmp_path / "published" / "funnelhouse.duckdb"), read_only=True) as reader:
        comment = reader.execute(
            "select comment from duckdb_columns() where table_name = 'a' and column_name = 'version'"
        )
        assert comment.fetchall() == [("Which build it's from.",)]


def test_the_same_content_has_the_same_bytes(tmp_path: Path) -> None:
    def digests() -> dict[str, str]:
        folder = tmp_path / "published"
        return {p.name: sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*.parquet"))}

    publish(warehouse(tmp_path, 1, rows=200_000), tmp_path)
    first = digests()
    publish(warehouse(tmp_path, 1, rows=200_000), tmp_path)
    assert digests() == first


def inodes(home: Path) -> dict[str, int]:
    return {p.stem: p.stat().st_ino for p in (home / "published").rglob("*.parquet")}


def test_what_has_not_changed_is_not_written_again(tmp_path: Path) -> None:
    path = warehouse(tmp_path, 1)
    for _ in range(4):  # more often than publishes are kept: tidying takes a name away, not the file
        publish(path, tmp_path)
    before = inodes(tmp_path)
    with duckdb.connect(str(path)) as connection:
        connection.execute("update marts.b set version = 2 where id = 500")
    publish(path, tmp_path)
    after = inodes(tmp_path)
    assert {table for table in after if after[table] != before[table]} == {"b"}
    with duckdb.connect(str(tmp_path / "published" / "funnelhouse.duckdb"), read_only=True) as reader:
        for source in ("marts.b", f"'{tmp_path}/published/marts/b.parquet'"):
            rows = reader.execute(f"select version, count(*) from {source} group by all order by all").fetchall()
            assert rows == [(1, 999), (2, 1)]


@pytest.mark.parametrize(
    "change",
    [
        "comment on column marts.a.version is 'Said better.'",
        "comment on table marts.a is 'What it holds.'",
        "alter table marts.a rename column version to build",
        "alter table marts.a alter column version type bigint",
        "insert into marts.a from marts.a where id = 1",
        "insert into marts.a select id, version from marts.a, range(2) where id = 1",  # twice: a plain xor sees nothing
        "delete from marts.a",
        "drop table marts.a",
        "create table marts.c as select 1 as x",
    ],
)
def test_a_publish_upon_another_is_like_one_from_nothing(tmp_path: Path, change: str) -> None:
    def seen(home: Path) -> dict[str, object]:
        folder = home / "published"
        files = {str(p.relative_to(folder)): sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*.parquet")}
        with duckdb.connect(str(folder / "funnelhouse.duckdb"), read_only=True) as reader:
            tables = reader.execute(
                "select schema_name, table_name, comment from duckdb_tables() order by all"
            ).fetchall()
            columns = reader.execute(
                "select table_name, column_name, data_type, comment from duckdb_columns() order by all"
            ).fetchall()
            rows = [reader.execute(f"from {schema}.{table} order by all").fetchall() for schema, table, _ in tables]
        return {"files": files, "tables": tables, "columns": columns, "rows": rows}

    path = warehouse(tmp_path / "upon", 1)
    publish(path, tmp_path / "upon")
    with duckdb.connect(str(path)) as connection:
        connection.execute(change)
    publish(path, tmp_path / "upon")
    publish(path, tmp_path / "anew")
    assert seen(tmp_path / "upon") == seen(tmp_path / "anew")


def test_a_damaged_publish_is_replaced_by_a_whole_one(tmp_path: Path) -> None:
    path = warehouse(tmp_path, 1)
    publish(path, tmp_path)
    (tmp_path / "published" / "funnelhouse.duckdb").write_bytes(b"half of a file")
    (tmp_path / "published" / "marts" / "a.parquet").unlink()
    assert publish(path, tmp_path).tables == {"kpi.k": 1000, "marts.a": 1000, "marts.b": 1000}
    assert duckdb.sql(f"select count(*) from '{tmp_path}/published/*/*.parquet'").fetchall() == [(3000,)]
    with duckdb.connect(str(tmp_path / "published" / "funnelhouse.duckdb"), read_only=True) as reader:
        assert reader.execute("select count(*) from marts.a").fetchall() == [(1000,)]


def test_a_publish_that_fails_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(warehouse(tmp_path, 1), tmp_path)

    def full_disk(_folder: Path) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("dagster_project.publish._sync", full_disk)
    with pytest.raises(OSError, match="no space"):
        publish(warehouse(tmp_path, 2), tmp_path)
    assert duckdb.sql(f"select distinct version from '{tmp_path}/published/kpi/k.parquet'").fetchall() == [(1,)]


def test_an_empty_warehouse_is_not_published(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        connection.execute("create schema marts")
    with pytest.raises(PublishError, match="no KPI tables yet"):
        publish(tmp_path / "warehouse.duckdb", tmp_path)
    assert not (tmp_path / "published").exists()


# A reader as BI is one: a process of its own that opens the published files anew for each look, all day long. It says
# which versions it saw in how many rows: in the DuckDB file, then in the Parquet files.
READER = """
import pathlib, sys, time, duckdb
published = pathlib.Path(sys.argv[1])
while True:
    began = time.monotonic_ns()
    folder = published.resolve()
    with duckdb.connect(str(folder / "funnelhouse.duckdb"), read_only=True) as connection:
        everything = "(from marts.a union all from marts.b union all from kpi.k)"
        tables = connection.execute(f"select version, count(*) from {everything} group by version").fetchall()
        files = connection.execute(
            f"select version, count(*) from read_parquet('{folder}/*/*.parquet') group by version"
        ).fetchall()
    print(began, *tables, *files, flush=True)
"""


def a_whole(version: int) -> str:
    """What a look says when it saw this version and nothing else: three tables of a thousand rows."""
    return f"({version}, 3000) ({version}, 3000)"


class Reader:
    """That process; `next_looks` waits until it has begun and ended another look, and gives what was seen meanwhile."""

    def __init__(self, published: Path) -> None:
        self.published, self.looks, self.complaints, self.last_began = published, list[str](), "", 0
        self._news = threading.Condition()

    def __enter__(self) -> Reader:
        command = [sys.executable, "-c", READER, str(self.published)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self._listener.join()
        assert self.process.stderr is not None
        self.complaints = self.process.stderr.read()
        self.process.wait()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                began, _, saw = line.strip().partition(" ")
                self.last_began = int(began)
                self.looks.append(saw)
                self._news.notify_all()

    def next_looks(self) -> list[str]:
        now = time.monotonic_ns()  # one clock for all processes of a machine
        with self._news:
            before = len(self.looks)
            in_time = self._news.wait_for(lambda: self.last_began > now, timeout=60)
            assert in_time, "the reader waits, or has failed"
            return self.looks[before:]


def test_a_polling_reader_never_fails_never_waits_and_never_sees_half_a_publish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of twenty publishes stands still when it is half done and when all is written, until the reader has looked."""
    publish(warehouse(tmp_path, 0), tmp_path)
    while_publishing: list[str] = []
    with Reader(tmp_path / "published") as reader:

        def stands_still(step: str) -> None:
            carry_on = getattr(publish_module, step)

            def still(*arguments: object) -> None:
                while_publishing.extend(reader.next_looks())
                carry_on(*arguments)

            monkeypatch.setattr(publish_module, step, still)

        for step in ("_copy_comments", "_sync", "_point_at"):
            stands_still(step)
        for version in range(1, 21):
            publish(warehouse(tmp_path, version), tmp_path)
            assert set(while_publishing) == {a_whole(version - 1)}
            while_publishing.clear()
            assert reader.next_looks()[-1] == a_whole(version)
    assert reader.complaints == ""
    assert set(reader.looks) == {a_whole(version) for version in range(21)}


def test_a_reader_with_the_old_file_open_keeps_its_picture(tmp_path: Path) -> None:
    publish(warehouse(tmp_path, 1), tmp_path)
    with duckdb.connect(str(tmp_path / "published" / "funnelhouse.duckdb"), read_only=True) as reader:
        for version in (2, 3, 4):
            publish(warehouse(tmp_path, version), tmp_path)
        assert reader.execute("select distinct version from marts.b").fetchall() == [(1,)]
