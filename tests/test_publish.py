"""Publishing: readers see the old publish or the new one, whole; equal content has equal bytes."""

from __future__ import annotations

import threading
from hashlib import sha256
from pathlib import Path

import duckdb
import pytest

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


def test_a_polling_reader_never_fails_and_never_sees_half_a_publish(tmp_path: Path) -> None:
    publish(warehouse(tmp_path, 0), tmp_path)
    seen, problems, stop = set(), [], threading.Event()

    def poll() -> None:
        while not stop.is_set():
            try:
                with duckdb.connect(str(tmp_path / "published" / "funnelhouse.duckdb"), read_only=True) as reader:
                    versions = reader.execute(
                        "select a.version, b.version, k.version from marts.a join marts.b using (id) join kpi.k using (id) group by all"
                    ).fetchall()
                if len(versions) != 1 or len(set(versions[0])) != 1:
                    problems.append(versions)
                seen.add(versions[0][0])
            except Exception as error:
                problems.append(error)

    reader = threading.Thread(target=poll)
    reader.start()
    for version in range(1, 21):
        publish(warehouse(tmp_path, version), tmp_path)
    stop.set()
    reader.join()
    assert problems == []
    assert len(seen) > 3, "the reader must have read while publishes went on"


def test_a_reader_with_the_old_file_open_keeps_its_picture(tmp_path: Path) -> None:
    publish(warehouse(tmp_path, 1), tmp_path)
    with duckdb.connect(str(tmp_path / "published" / "funnelhouse.duckdb"), read_only=True) as reader:
        for version in (2, 3, 4):
            publish(warehouse(tmp_path, version), tmp_path)
        assert reader.execute("select distinct version from marts.b").fetchall() == [(1,)]
