"""A whole warehouse in a folder: raw rows in, real dbt in this process, tables out.

`House.put` writes raw rows through the real raw zone by the real stream declarations, `House.rules` the business
rules, `House.build` runs dbt. All houses of a test session share one parsed dbt project: it is bound to one
folder name, a link that points to the house that is being built.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner, dbtRunnerResult
from dbt.contracts.graph.manifest import Manifest

from dagster_project.raw.zone import RawZone
from dagster_project.settings import rules_of
from dagster_project.sources import all_streams
from dagster_project.sources.config import ConfigSettings
from dagster_project.sources.files import coverage as file_coverage
from dagster_project.sources.files.stream import FileStream
from dagster_project.sources.files.streams import FILE_STREAMS
from dagster_project.wire import Page, Stream, Tally
from dagster_project.wire.contract import Part

DBT_PROJECT = Path(__file__).resolve().parents[2] / "dbt_project"
TODAY = date(2026, 3, 31)


class DbtFailed(AssertionError):
    """A node failed that the test expected to pass."""


class DbtProject:
    """The dbt project, parsed once; `link` is the folder that stands for FUNNELHOUSE_HOME.

    `empty_warehouse` is built once too: seeds, views, and every model over no data. Houses start from a copy, so a
    test builds only what it looks at.
    """

    def __init__(self, folder: Path) -> None:
        self.link = folder / "home"
        self.target = folder / "target"
        self.manifest: Manifest | None = None
        self.empty_result: dbtRunnerResult | None = None

    @property
    def empty_warehouse(self) -> Path:
        home = self.link.with_name("empty")
        if self.empty_result is None:
            home.mkdir()
            empty = House(home, self, is_new=True)
            empty.build(command="seed")
            # a model that fails here fails the tests that need it, and test_empty.py, not all the others
            self.empty_result = empty.build(check=False)
        return home / "warehouse.duckdb"

    def environment(self) -> dict[str, str]:
        return {"FUNNELHOUSE_HOME": str(self.link), "FUNNELHOUSE_RAW": str(self.link / "raw")}

    def arguments(self, command: str, *arguments: str) -> list[str]:
        folders = ["--project-dir", DBT_PROJECT, "--profiles-dir", DBT_PROJECT, "--target-path", self.target]
        return [command, *arguments, *map(str, folders), "--log-level-file", "none", "--no-write-json", "--quiet"]

    def point_at(self, home: Path) -> None:
        self.link.unlink(missing_ok=True)
        self.link.symlink_to(home)

    def parsed(self) -> Manifest:
        """The project as dbt sees it."""
        os.environ.update(self.environment())
        if self.manifest is None:
            parsed = dbtRunner().invoke(self.arguments("parse"))
            assert parsed.success, parsed.exception
            self.manifest = parsed.result
            # descriptions in the warehouse are a third of dbt's time; pipeline/test_published_tables.py sees to them
            for node in self.manifest.nodes.values():
                if node.resource_type in ("model", "seed"):
                    node.config.persist_docs = {}
        return self.manifest

    def run(
        self, home: Path, command: str, *arguments: str, on_start: Callable[[str], Any] | None = None
    ) -> dbtRunnerResult:
        """One dbt command over the installation in `home`. `on_start` is told the name of each node as it starts."""
        self.point_at(home)
        manifest = self.parsed()

        def callback(event: Any) -> None:
            if on_start and event.info.name == "NodeStart":
                on_start(event.data.node_info.node_name)

        try:
            return dbtRunner(manifest=manifest, callbacks=[callback]).invoke(self.arguments(command, *arguments))
        finally:  # the adapter keeps its file open for the life of the process, and the next house has the same name
            DuckDBConnectionManager.close_all_connections()


class House:
    """One installation. `today` is the day of every extraction until it is changed."""

    def __init__(self, home: Path, project: DbtProject, today: date = TODAY, *, is_new: bool = False) -> None:
        self.home, self.project, self.today = home, project, today
        self.has_views = not is_new
        if not is_new:
            home.mkdir(parents=True, exist_ok=True)
            shutil.copy(project.empty_warehouse, self.warehouse)
        self.zone = RawZone(home / "raw")
        self.streams: dict[str, Stream] = {s.id: s for streams in all_streams().values() for s in streams}
        self.on: set[str] = {"config"}
        self.mapped: set[str] = set()  # streams of files that have an entry
        self.time_zone = "UTC"
        for stream in self.streams.values():
            self.zone.declare(stream)
        self.rules({})

    @property
    def warehouse(self) -> Path:
        return self.home / "warehouse.duckdb"

    def rules(self, config: Mapping[str, Any]) -> None:
        """What funnelhouse.yml says; every key has its default."""
        now = datetime.combine(self.today, time(3), UTC)
        self.time_zone = config.get("reporting", {}).get("time_zone", "UTC")
        settings = ConfigSettings(config=rules_of(config), now=now, today=self.today)
        for stream in self.streams.values():
            if stream.source == "config" and stream.sweep:
                tally = Tally()
                self._replace_all(stream, stream.sweep(settings, tally), lambda tally=tally: tally.parts)

    def put(
        self,
        stream_id: str,
        rows: Sequence[Mapping[str, Any]],
        *,
        days: Iterable[date] | None = None,
        quality: Mapping[str, Any] | None = None,
        parts: Sequence[Part] | None = None,
    ) -> None:
        """Make the stream hold exactly `rows` (or, with `days`, make these days hold them), and switch it on.

        A row is a dict of the stream's columns; those left out are null, `account_id` is 'test'. Text is
        taken for days and moments. What the parts of a files stream cover and feed follows from their rows, `parts` says
        otherwise.
        """
        stream = self.streams[stream_id]
        page = Page(_table(stream, rows), quality or {})
        self.on.add(stream.source)
        self.mapped.add(stream_id)
        if days is None:
            if parts is None and stream.source == "files":
                parts = _parts(FILE_STREAMS[stream.name], page.rows, self.time_zone)
            self._replace_all(stream, [page], lambda: parts)
        else:
            self.zone.replace_days(stream, list(days), [page], extracted_at=self._moment(), checked_on=self.today)

    def take(self, stream: Stream, pages: Iterable[Page]) -> None:
        """Make the stream hold exactly what a source gave, and switch it on."""
        self.on.add(stream.source)
        self._replace_all(stream, pages)

    def switch_off(self, source: str) -> None:
        self.on.discard(source)

    def build(
        self, *select: str, command: str = "run", check: bool = True, full_refresh: bool = False
    ) -> dbtRunnerResult:
        """Write the raw zone's index and run dbt over `select` (default: everything), but for the views, which the house
        began with: they are the same over any data."""
        self.write_index()
        arguments = ["--select", *select] if select else []
        if command == "run" and self.has_views:
            arguments += ["--exclude", "config.materialized:view"]
        if full_refresh:
            arguments.append("--full-refresh")
        result = self.project.run(self.home, command, *arguments)
        if check and not result.success:
            raise DbtFailed(explain(result))
        return result

    def copy(self, home: Path, *, with_raw_zone: bool = False) -> House:
        """A warehouse of its own, a copy of what this one is now, over the same raw zone or over a copy of that, too."""
        home.mkdir()
        if with_raw_zone:
            shutil.copytree(self.home / "raw", home / "raw")
        else:
            (home / "raw").symlink_to(self.home / "raw")
        twin = copy(self)
        twin.home, twin.zone = home, RawZone(home / "raw")
        twin.on, twin.mapped = set(self.on), set(self.mapped)
        shutil.copy(self.warehouse, twin.warehouse)
        return twin

    def compiled(self, sql: str) -> str:
        """SQL with macros and refs, as the engine would get it."""
        result = self.project.run(self.home, "compile", "--inline", sql)
        assert result.success, result.exception
        return result.result.results[0].node.compiled_code

    def write_index(self) -> None:
        self.zone.write_index([(stream, self._is_on(stream)) for stream in self.streams.values()])

    def _is_on(self, stream: Stream) -> bool:
        return stream.source in self.on and (stream.source != "files" or stream.id in self.mapped)

    @contextmanager
    def connection(self, *, read_only: bool = True) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection, in UTC as dbt's own."""
        with duckdb.connect(str(self.warehouse), read_only=read_only) as connection:
            connection.execute("set TimeZone = 'UTC'")
            yield connection

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query on the warehouse."""
        with self.connection() as connection:
            return connection.execute(sql).fetchall()

    def dicts(self, sql: str) -> list[dict[str, Any]]:
        with self.connection() as connection:
            cursor = connection.execute(sql)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def table(self, name: str) -> list[tuple[Any, ...]]:
        """All rows of a table, in an order of their own."""
        return self.rows(f"select * from {name} order by all")

    def _replace_all(
        self, stream: Stream, pages: Iterable[Page], parts: Callable[[], Sequence[Part] | None] = lambda: None
    ) -> None:
        self.zone.replace_all(
            stream, pages, extracted_at=self._moment(), checked_on=self.today, allow_shrink=True, parts=parts
        )

    def _moment(self) -> datetime:
        return datetime.combine(self.today, time(3), UTC)


def _table(stream: Stream, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    unknown = {name for row in rows for name in row} - set(stream.schema.names)
    assert not unknown, f"{stream.id} has no columns {sorted(unknown)}"
    columns = [
        pa.array([_value(field, {"account_id": "test", **row}.get(field.name)) for row in rows], field.type)
        for field in stream.schema
    ]
    return pa.Table.from_arrays(columns, schema=stream.schema)


def _parts(stream: FileStream, rows: pa.Table, time_zone: str) -> list[Part]:
    """Each account as an entry of `files:` that maps the columns it fills."""
    parts = []
    for account in sorted(set(rows.column("account_id").to_pylist())):
        of_account = rows.filter(pc.equal(rows.column("account_id"), account))
        filled = [name for name in of_account.schema.names if of_account.column(name).null_count < of_account.num_rows]
        fed = file_coverage.subjects(stream, filled, has_media=file_coverage.has_media(of_account))
        first, last = file_coverage.days_of(stream, of_account, time_zone)
        parts.append(Part(account, fed, first, last, first))
    return parts


def _value(field: pa.Field, value: Any) -> Any:
    if isinstance(value, str) and pa.types.is_date(field.type):
        return date.fromisoformat(value)
    if isinstance(value, str) and pa.types.is_timestamp(field.type):
        moment = datetime.fromisoformat(value)
        return moment if moment.tzinfo or field.type.tz is None else moment.replace(tzinfo=UTC)
    if value is None and field.name in ("_copy", "_line"):
        return 1
    if value is None and field.name == "_file":
        return "test.csv"
    return value


def explain(result: dbtRunnerResult) -> str:
    if result.exception:
        return str(result.exception)
    bad = [f"{r.node.name}: {r.status}: {r.message}" for r in result.result if r.status in ("error", "fail")]
    return "\n".join(bad)
