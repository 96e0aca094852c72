"""Comparing what was published, and reading it the way BI does while it is being replaced."""

from __future__ import annotations

import fcntl
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from dagster_project.publish import DATABASE

STAMPS = ("computed_at",)  # when a row was made: the only thing in which two equal publishes may differ
SCHEMAS = ("marts", "kpi")
LOOK_EVERY_SECONDS = 0.3  # a look costs some time of one core, which the runs that are watched need, too
FACTS = [f"kpi.fct_kpi_{grain}" for grain in ("daily", "weekly", "monthly", "quarterly", "yearly")]

# rows of one build add up: the mart's sessions are those of the days, and the days' are those of the months
NOT_OF_ONE_BUILD = """
    with days as (
        select kpi_id, cast(date_trunc('month', period_start) as date) as period_start, sum(value) as of_days
        from kpi.fct_kpi_daily where dimension = 'total' and kpi_id in ('sessions', 'leads', 'revenue') group by all
    ),
    mart as (
        select 'sessions' as kpi_id, cast(date_trunc('month', date_day) as date) as period_start, sum(sessions) as of_mart
        from marts.fct_web_traffic group by all
    )
    select kpi_id, period_start, months.value, days.of_days, mart.of_mart
    from days
    join (from kpi.fct_kpi_monthly where dimension = 'total') as months using (kpi_id, period_start)
    left join mart using (kpi_id, period_start)
    where abs(months.value - days.of_days) > 1e-6 or abs(mart.of_mart - days.of_days) > 1e-6
"""

# the source days of a warehouse that has read nothing, as the report and `explain` ask for them
DAYS_OF_NOTHING = """
    create schema if not exists staging;
    create table staging.stg_meta__days (
        source varchar, stream varchar, domain varchar, kind varchar, period varchar, date_day date, rows bigint,
        extracted_at timestamptz, restate_days integer
    )
"""


def tables(published: Path) -> list[str]:
    """The tables of marts and kpi."""
    sql = f"select table_schema || '.' || table_name from information_schema.tables where table_schema in {SCHEMAS} order by 1"
    return [name for (name,) in query(published, sql)]


def query(published: Path, sql: str) -> list[tuple]:
    """Rows of a query on the published DuckDB file."""
    with duckdb.connect(str(published / DATABASE), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        return connection.execute(sql).fetchall()


def differences(one: Path, other: Path, schemas: tuple[str, ...] = SCHEMAS) -> dict[str, str]:
    """Tables that are not the same in both publishes (folders) or warehouses (files), stamps aside: what differs, with a
    first row of each side."""
    found = {}
    with duckdb.connect() as connection:
        for side, place in (("one", one), ("other", other)):
            connection.execute(f"attach '{place / DATABASE if place.is_dir() else place}' as {side} (read_only)")
        names = {side: _columns(connection, side, schemas) for side in ("one", "other")}
        assert all(names.values())
        for table in sorted(set(names["one"]) | set(names["other"])):
            columns = [names[side].get(table) for side in names]
            if columns[0] != columns[1]:
                found[table] = f"columns: {columns[0]} and {columns[1]}"
                continue
            listed = ", ".join(f'"{name}"' for name, _ in columns[0] or [] if name not in STAMPS)
            sides = {}
            for here, there in (("one", "other"), ("other", "one")):
                sql = f"select {listed} from {here}.{table} except all select {listed} from {there}.{table}"
                sides[here] = connection.execute(sql).fetchall()
            if any(sides.values()):
                only = {side: (len(rows), sorted(rows, key=repr)[:2]) for side, rows in sides.items()}
                found[table] = f"rows only in {only}"
    return found


def _columns(
    connection: duckdb.DuckDBPyConnection, catalog: str, schemas: tuple[str, ...]
) -> dict[str, list[tuple[str, str]]]:
    rows = connection.execute(
        "select table_schema || '.' || table_name, column_name, data_type from information_schema.columns "
        "where table_catalog = ? and table_schema in (select unnest(?)) order by 1, ordinal_position",
        [catalog, list(schemas)],
    ).fetchall()
    found: dict[str, list[tuple[str, str]]] = {}
    for table, name, kind in rows:
        found.setdefault(table, []).append((name, kind))
    return found


def column_bytes(published: Path) -> dict[tuple[str, int, str], bytes]:
    """The bytes of every published Parquet file, by file, row group and column, without the stamp columns."""
    found = {}
    for path in sorted(published.rglob("*.parquet")):
        content, footer = path.read_bytes(), pq.read_metadata(path)
        for group in range(footer.num_row_groups):
            for number in range(footer.num_columns):
                column = footer.row_group(group).column(number)
                if column.path_in_schema in STAMPS:
                    continue
                offsets = [column.dictionary_page_offset, column.data_page_offset]
                start = min(offset for offset in offsets if offset)
                key = (str(path.relative_to(published)), group, column.path_in_schema)
                found[key] = content[start : start + column.total_compressed_size]
    return found


def differing_files(one: Path, other: Path) -> list[tuple[str, int, str]]:
    """File, row group and column of all Parquet bytes that are not the same in both publishes, stamps aside."""
    first, second = column_bytes(one), column_bytes(other)
    assert first
    return [key for key in sorted(first.keys() | second.keys()) if first.get(key) != second.get(key)]


@dataclass
class Look:
    """One look at the published folder by one reader."""

    publish: str
    while_writing: bool


@dataclass
class Reader:
    """Polls a home's published copy from a thread, as a BI tool would; notes every failure and every half publish."""

    home: Path
    looks: list[Look] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _known: set[tuple[Path, int, int, int]] = field(default_factory=set)

    def __enter__(self) -> Reader:
        self._thread = threading.Thread(target=self._poll, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def publishes(self) -> list[str]:
        """The publishes that were seen, in order of first sight."""
        return list(dict.fromkeys(look.publish for look in self.looks))

    def _poll(self) -> None:
        while not self._stop.is_set():
            try:
                self._look()
            except Exception as error:  # whatever a reader meets is what the test is about
                self.failures.append(f"{type(error).__name__}: {error}")
            self._stop.wait(LOOK_EVERY_SECONDS)

    def _look(self) -> None:
        link = self.home / "published"
        while_writing, folder_before = is_locked(self.home), link.resolve()
        with duckdb.connect(str(link / DATABASE), read_only=True) as connection:
            connection.execute(f"from {FACTS[0]} limit 1").fetchall()
            folder = link.resolve()
            files = {path: path.stat() for path in folder.rglob("*.*")}
            on_disk = {(path, of.st_ino, of.st_size, of.st_mtime_ns) for path, of in files.items()}
            if on_disk != self._known:  # bytes that were looked at before say the same again
                self._check(connection, [path for path in files if path.suffix == ".parquet"])
                self._known = on_disk if folder == folder_before else set()
        self.looks.append(Look(folder.name, while_writing and is_locked(self.home)))

    def _check(self, connection: duckdb.DuckDBPyConnection, files: list[Path]) -> None:
        torn = connection.execute(NOT_OF_ONE_BUILD).fetchall()
        counts = _counts(connection)
        in_files = {f"{path.parent.name}.{path.stem}": pq.read_metadata(path).num_rows for path in files}
        if torn:
            self.failures.append(f"tables of different builds in one file: {torn}")
        if counts.keys() != in_files.keys() or not all(counts[fact] for fact in FACTS):
            self.failures.append(f"a publish with other tables than its Parquet files: {counts} and {in_files}")


def _counts(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    names = connection.execute(
        f"select table_schema || '.' || table_name from information_schema.tables where table_schema in {SCHEMAS}"
    ).fetchall()
    return {name: connection.execute(f"select count(*) from {name}").fetchall()[0][0] for (name,) in names}


def is_locked(home: Path) -> bool:
    """Whether somebody is writing the warehouse of this home right now."""
    try:
        descriptor = os.open(home / ".warehouse.lock", os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
