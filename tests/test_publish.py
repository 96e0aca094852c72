"""Publishing: readers see the old publish or the new one, whole; equal content has equal bytes."""

from __future__ import annotations

import subprocess
import sys
import threading
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
        comment = reader.execute("select comment from duckdb_columns() where table_name = 'a' and column_name = 'version'")
        assert comment.fetchall() == [("Which build it's from.",)]


def test_the_same_content_has_the_same_bytes(tmp_path: Path) -> None:
    def digests() -> dict[str, str]:
        folder = tmp_path / "published"
        return {p.name: sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*.parquet"))}

    publish(warehouse(tmp_path, 1, rows=200_000), tmp_path)
    first = digests()
    publish(warehouse(tmp_path, 1, rows=200_000), tmp_path)
    assert digests() == first


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
import pathlib, sys, duckdb
published = pathlib.Path(sys.argv[1])
while True:
    folder = published.resolve()
    with duckdb.connect(str(folder / "funnelhouse.duckdb"), read_only=True) as connection:
        everything = "(from marts.a union all from marts.b union all from kpi.k)"
        tables = connection.execute(f"select version, count(*) from {everything} group by version").fetchall()
        files = connection.execute(
            f"select version, count(*) from read_parquet('{folder}/*/*.parquet') group by version"
        ).fetchall()
    print(*tables, *files, flush=True)
"""


def a_whole(version: int) -> str:
    """What a look says when it saw this version and nothing else: three tables of a thousand rows."""
    return f"({version}, 3000) ({version}, 3000)"


class Reader:
    """That process; `next_looks` waits until it has begun and ended another look, and gives what was seen meanwhile."""

    def __init__(self, published: Path) -> None:
        self.published, self.looks, self.complaints = published, list[str](), ""
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
                self.looks.append(line.strip())
                self._news.notify_all()

    def next_looks(self) -> list[str]:
        with self._news:
            before = len(self.looks)  # the look that ends next may have begun long ago: two must end
            in_time = self._news.wait_for(lambda: len(self.looks) >= before + 2, timeout=60)
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
