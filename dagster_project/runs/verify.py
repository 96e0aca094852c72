"""Whether a home is right: raw files are what was written, tables are what the raw zone gives (`funnelhouse verify`).

A raw file carries the hash of its rows; all are read and compared. Marts and KPI tables are built from nothing in a temporary folder, from the raw zone as the last refresh left it, and
compared row by row with those of the home. Nothing of the home is changed; a refresh waits meanwhile.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import duckdb

from dagster_project import ingest, kpis
from dagster_project.publish import DATABASE, SCHEMAS
from dagster_project.raw.zone import RawZone
from dagster_project.runs.errors import why_dbt_failed
from dagster_project.settings import Settings
from dagster_project.warehouse.connections import limits, opened
from dagster_project.warehouse.locks import warehouse_lock
from dagster_project.warehouse.project import DBT_FOLDER, MANIFEST, ensure_manifest
from dagster_project.wire import stopping

FILES_AT_ONCE = 4
MAY_DIFFER = ("computed_at",)  # when a row was made
# DuckDB's threads add doubles in any order: their sums may differ in the last digits
RELATIVE_TOLERANCE, ABSOLUTE_TOLERANCE = 1e-9, 1e-9
EXAMPLES = 3


class RebuildFailed(Exception):
    """There is nothing to compare, or nothing to compare it with could be built; the message is for a person."""


@dataclass(frozen=True)
class Difference:
    """A table whose rows are not those of the rebuild. `where`: warehouse or published copy; `what`: instead of rows,
    where the table itself is missing or of other columns; `examples`: keys of KPI rows (marts may hold what is personal)."""

    where: str
    table: str
    only_in_home: int = 0
    only_in_rebuild: int = 0
    what: str = ""
    examples: tuple[str, ...] = ()

    def __str__(self) -> str:
        said = self.what or (
            f"{self.only_in_home:,} rows that a rebuild does not give, {self.only_in_rebuild:,} that it gives are missing"
        )
        return f"{self.where}, {self.table}: {said}" + "".join(f"\n    {example}" for example in self.examples)


@dataclass(frozen=True)
class RawProblems:
    """`days` were looked at; `said`: a sentence for each day that is damaged, or was stored and is not any more."""

    days: int
    said: tuple[str, ...]


def raw_problems(settings: Settings, *, repair: bool) -> RawProblems:
    """Every stored day against its own hash, of sources that are off, too. With `repair` what is damaged is set aside, so
    that the next refresh reads its day again."""
    zone, days, said = RawZone(settings.raw_root), 0, []
    every = [stream for stream in ingest.streams() if zone.extracted_days(stream)]
    with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
        for stream, damages in zip(every, pool.map(lambda stream: list(zone.damages(stream)), every), strict=True):
            days += len(zone.extracted_days(stream))
            said += [str(damage) for damage in damages]
            damaged = {damage.day for damage in damages}
            for damage in damages if repair else ():
                zone.set_aside(damage, stream)
            missing = [day for day in zone.missing_days(stream) if day not in damaged]
            said += [f"{stream.id}: day {day} is missing between days that are stored" for day in missing]
    return RawProblems(days, tuple(said))


def differences_from_a_rebuild(settings: Settings) -> list[Difference]:
    """Tables of the home that differ from a rebuild. Raises RebuildFailed where there is nothing to compare or to build from."""
    if not settings.warehouse_path.exists():
        raise RebuildFailed(f"{settings.warehouse_path} is not there; `funnelhouse refresh` builds it")
    ensure_manifest(settings.dbt_environment())
    with tempfile.TemporaryDirectory(prefix="funnelhouse-verify-") as folder, warehouse_lock(settings.home):
        rebuilt = rebuild(settings, Path(folder))
        found = compare("warehouse", settings.warehouse_path, rebuilt, settings.memory_limit)
        published = settings.published_folder / DATABASE
        return found + (
            compare("published copy", published, rebuilt, settings.memory_limit) if published.exists() else []
        )


def rebuild(settings: Settings, folder: Path) -> Path:
    """Build everything from the raw zone in `folder`; gives the warehouse file. Raises RebuildFailed.

    With all sources in dbt's graph, also those that a night leaves out: that these change nothing is seen here.
    """
    warehouse, target = folder / settings.warehouse_path.name, folder / "dbt"
    command = [
        sys.executable, "-m", "dbt.cli.main", "build", "--quiet", "--project-dir", str(DBT_FOLDER), "--profiles-dir", str(DBT_FOLDER),
        "--exclude-resource-type", "test", "--exclude-resource-type", "unit_test",
    ]  # fmt: skip
    environment = {
        **{name: value for name, value in os.environ.items() if name != "DBT_EXCLUDE_RESOURCE_TYPES"},
        **settings.dbt_environment(),
        "FUNNELHOUSE_HOME": str(folder),
        "DBT_TARGET_PATH": str(target),
        "DBT_LOG_PATH": str(folder),
    }
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    with stopping.child(process):
        said, _ = process.communicate()
    stopping.check()
    if process.returncode:
        raise RebuildFailed(why_dbt_failed(said, target, warehouse, MANIFEST))
    with opened(warehouse, settings.memory_limit) as connection:
        kpis.build(connection, MANIFEST.parent)
    return warehouse


def compare(where: str, home: Path, rebuilt: Path, memory: str | None = None) -> list[Difference]:
    """Tables of marts and KPIs in one file that are not those of the other."""
    config = limits(f"{rebuilt}.compared", memory)
    with duckdb.connect(config=config) as connection:
        for name, path in (("home", home), ("rebuilt", rebuilt)):
            quoted = str(path).replace("'", "''")
            connection.execute(f"attach '{quoted}' as {name} (read_only)")
        there, given = _tables(connection, "home"), _tables(connection, "rebuilt")
        found = [
            _compared(connection, where, table, there.get(table), given.get(table))
            for table in sorted({*there, *given})
        ]
    return [difference for difference in found if difference]


def _tables(connection: duckdb.DuckDBPyConnection, database: str) -> dict[str, dict[str, str]]:
    """schema.table -> column -> type."""
    rows = connection.execute(
        "select schema_name || '.' || table_name, column_name, data_type from duckdb_columns() "
        "where database_name = ? and schema_name in (select unnest(?)) order by schema_name, table_name, column_index",
        [database, list(SCHEMAS)],
    ).fetchall()
    tables: dict[str, dict[str, str]] = {}
    for table, column, kind in rows:
        tables.setdefault(table, {})[column] = kind
    return tables


def _compared(
    connection: duckdb.DuckDBPyConnection,
    where: str,
    table: str,
    there: dict[str, str] | None,
    given: dict[str, str] | None,
) -> Difference | None:
    if there is None or given is None:
        return Difference(
            where, table, what="a rebuild gives it, here it is not" if given else "a rebuild does not give it"
        )
    if there != given:
        return Difference(
            where, table, what="it has other columns than a rebuild gives; `funnelhouse refresh` makes them"
        )
    columns = [name for name in given if name not in MAY_DIFFER]
    names = ", ".join(f'"{name}"' for name in columns)
    for name, one, other in (("only_home", "home", "rebuilt"), ("only_rebuilt", "rebuilt", "home")):
        connection.execute(
            f"create or replace temp table {name} as select {names} from {one}.{table} except all select {names} from {other}.{table}"
        )
    doubles = [name for name in columns if given[name] in ("DOUBLE", "FLOAT")]
    if doubles:
        _take_out_pairs(connection, [name for name in columns if name not in doubles], doubles)
    counts = [
        connection.execute(f"select count(*) from {name}").fetchall()[0][0] for name in ("only_home", "only_rebuilt")
    ]
    if not any(counts):
        return None
    examples = _examples(connection, columns) if table.startswith("kpi.") else ()
    only_home, only_rebuilt = counts
    return Difference(where, table, only_home, only_rebuilt, examples=examples)


def _take_out_pairs(connection: duckdb.DuckDBPyConnection, others: Sequence[str], doubles: Sequence[str]) -> None:
    """Rows that are alike but for the last digits of a double are no difference: one of each is taken out."""
    key = ", ".join(f'"{name}"' for name in others) or "1"
    order = ", ".join(f'"{name}"' for name in doubles)
    for name in ("only_home", "only_rebuilt"):
        connection.execute(
            f"create or replace temp table numbered_{name} as "
            f"select *, row_number() over (partition by {key} order by {order}) as place_among_alike from {name}"
        )
    same = " and ".join([f'h."{name}" is not distinct from r."{name}"' for name in (*others, "place_among_alike")])
    close = " and ".join(
        f"""(h."{name}" is not distinct from r."{name}" or abs(h."{name}" - r."{name}")
            <= greatest({ABSOLUTE_TOLERANCE}, {RELATIVE_TOLERANCE} * abs(r."{name}")))"""
        for name in doubles
    )
    connection.execute(
        f"create or replace temp table pairs as select h.* from numbered_only_home as h join numbered_only_rebuilt as r on {same} and {close}"
    )
    alike = " and ".join([f't."{name}" is not distinct from p."{name}"' for name in (*others, "place_among_alike")])
    for name in ("only_home", "only_rebuilt"):
        connection.execute(
            f"create or replace temp table {name} as select * exclude (place_among_alike) from numbered_{name} as t anti join pairs as p on {alike}"
        )


def _examples(connection: duckdb.DuckDBPyConnection, columns: Sequence[str]) -> tuple[str, ...]:
    """The keys of some rows of a KPI table."""
    key = [name for name in kpis.KEY if name in columns]
    rows = connection.execute(
        f"select {', '.join(key)} from only_home union select {', '.join(key)} from only_rebuilt order by all limit {EXAMPLES}"
    ).fetchall()
    return tuple(" · ".join(str(value) for value in row) for row in rows)
