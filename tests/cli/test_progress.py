"""Progress for a log."""

from __future__ import annotations

from rich.console import Console

from dagster_project.cli import progress
from dagster_project.sources import all_streams


def test_a_log_gets_a_line_a_stream_and_a_line_a_step() -> None:
    console = Console(force_terminal=False, record=True, width=200)
    stream = next(iter(all_streams()["ga4"]))
    with progress.reporter_for(console) as reporter:
        for what, rows in (("started", 0), ("rows", 10), ("rows", 1234), ("ok", 1234)):
            reporter.stream(stream, what, rows)
        for done in range(3):
            reporter.step("dbt build", done, 3)
    lines = [line.partition(" ")[2] for line in console.export_text().splitlines()]
    assert lines == [f"{stream.id} ok, 1,234 rows", "dbt build"]
