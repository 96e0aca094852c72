"""How far a run is, for who looks on: bars on a terminal, lines in a log."""

from __future__ import annotations

from datetime import datetime

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from dagster_project.wire import Stream


class BarReporter:
    """Progress bars: one a stream that is being read, one a long step."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._progress = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24),
            MofNCompleteColumn(), TextColumn("{task.fields[said]}"), TimeElapsedColumn(),
            console=console, transient=True,
        )  # fmt: skip
        self._streams: TaskID | None = None
        self._steps: dict[str, TaskID] = {}
        self._done = 0

    def __enter__(self) -> BarReporter:
        self._streams = self._progress.add_task("reading sources", total=None, said="")
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def stream(self, stream: Stream, what: str, rows: int) -> None:
        assert self._streams is not None
        if what in ("started", "rows"):
            self._progress.update(self._streams, said=f"{stream.id} {rows:,} rows" if rows else stream.id)
            return
        self._done += 1
        self._progress.update(self._streams, completed=self._done, said=f"{stream.id} {what}")

    def step(self, name: str, done: int, total: int) -> None:
        if name not in self._steps:
            self._steps[name] = self._progress.add_task(name, total=total, said="")
        self._progress.update(self._steps[name], completed=done, total=max(done, total))


class LineReporter:
    """Plain lines, for a log that nobody watches (cron, CI): each stream when it ends, each long step when it begins."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._steps: set[str] = set()

    def __enter__(self) -> LineReporter:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def stream(self, stream: Stream, what: str, rows: int) -> None:
        if what not in ("started", "rows", "off"):
            self._say(f"{stream.id} {what}{f', {rows:,} rows' if rows else ''}")

    def step(self, name: str, done: int, total: int) -> None:
        if name not in self._steps:
            self._steps.add(name)
            self._say(name)

    def _say(self, text: str) -> None:
        self.console.print(f"{datetime.now():%H:%M:%S} {text}", soft_wrap=True, markup=False)


def reporter_for(console: Console) -> BarReporter | LineReporter:
    """Bars where somebody looks, lines where it is written down."""
    return BarReporter(console) if console.is_terminal else LineReporter(console)
