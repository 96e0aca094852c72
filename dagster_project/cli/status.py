"""`funnelhouse status` as a person reads it: one screen, the worst first."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from dagster_project.runs.last_runs import Run
from dagster_project.runs.status import Status

SHOWN_ITEMS = 3
_COLOUR = {"done": "green", "runs": "cyan", "waits": "cyan", "stopped": "yellow", "failed": "red", "killed": "red"}


def screen(status: Status) -> RenderableType:
    return Group(*_parts(status))


def _parts(status: Status) -> Iterator[RenderableType]:
    word = "[green]well[/green]" if status.is_well else "[red]not well[/red]"
    yield f"Funnelhouse in {escape(str(status.home))}, today {status.today}: {word}"
    seen = f"since {_moment(status.published_at)}" if status.published_at else "nothing yet: run `funnelhouse refresh`"
    yield f"readers see  {seen}"
    for run in status.runs:
        yield f"run          {_run(run)}"
    yield "next         " + ", ".join(f"{name} {_moment(when)}" for name, when in status.next_runs.items())
    yield "disk         " + ", ".join(f"{name} {size / 1e6:,.0f} MB" for name, size in status.disk.items())
    told = (
        f"{status.addresses} addresses"
        if status.addresses
        else "nobody is told: FUNNELHOUSE_ALERT_URLS names no address"
    )
    yield f"alerts       {told}, {len(status.open)} open"
    for what in status.untold:
        yield f"[yellow]untold[/yellow]       {escape(what)}"
    for what, why in status.unknown.items():
        yield f"[red]unknown[/red]      {escape(what)}: {escape(why)}"
    for each in status.open:
        since = f" (since {_moment(each.since)})" if each.since else ""
        colour = "red" if each.is_critical else "yellow"
        yield f"[{colour}]open[/{colour}]         {escape(each.title)}{since}"
        for name, said in list(each.items.items())[:SHOWN_ITEMS]:
            yield f"               {escape(name)}: {escape(' '.join(said.split())[:160])}"
        if len(each.items) > SHOWN_ITEMS:
            yield f"               and {len(each.items) - SHOWN_ITEMS} more"
        yield f"               run: {escape(each.command)}"
    if status.sources:
        yield _sources(status)


def _run(run: Run) -> str:
    colour = _COLOUR[run.how]
    published = ", published" if run.has_published else ""
    ended = f" to {run.ended:%H:%M}" if run.ended else ""
    return f"{_moment(run.began)}{ended} {escape(run.mode)} [{colour}]{run.how}[/{colour}]{published}"


def _sources(status: Status) -> Table:
    table = Table(title="sources that are on", title_justify="left")
    for column in ("source", "", "last day", "read on", "final to", "refused"):
        table.add_column(column)
    for each in status.sources:
        colour = "green" if each.state == "ok" else "red"
        days = ["" if day is None else str(day) for day in (each.last_day, each.last_read, each.final_to)]
        table.add_row(escape(each.source), f"[{colour}]{each.state}[/{colour}]", *days, each.refused)
    return table


def _moment(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M %Z}" if moment else "?"
