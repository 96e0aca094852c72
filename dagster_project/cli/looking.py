"""The verbs that look at what was published, and change nothing."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dagster_project.cli.consoles import err, out, shown

if TYPE_CHECKING:
    from dagster_project.settings import Settings


def show(
    kpi: Annotated[str, typer.Argument(help="A KPI id, such as cpl; see `funnelhouse show list`.")],
    by: Annotated[str, typer.Option(help="Cut: channel, campaign, device, sales_rep …")] = "total",
    grain: Annotated[str | None, typer.Option(help="day, week, month, quarter or year; else the KPI's own.")] = None,
    periods: Annotated[int, typer.Option(min=1, help="How many periods, newest first.")] = 6,
    end: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only periods that began by this day.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Attribution model, where the KPI has one.")] = None,
) -> None:
    """One KPI over time, from the published copy; `list` shows the catalogue."""
    from dagster_project.reading import kpi_table

    settings, last = settings_to_look_at(), end.date() if end else None
    out.print(kpi_table(settings, kpi, by=by, grain=grain, periods=periods, model=model, end=last))


def explain(
    kpi: Annotated[str, typer.Argument(help="A KPI id.")],
    period: Annotated[str, typer.Option(help="2026-09-14, 2026-W38, 2026-09, 2026-Q3 (FY2026-Q3: fiscal) or 2026.")],
    by: Annotated[str | None, typer.Option(help="Show the parts of this cut: channel, campaign, sales_rep …")] = None,
    model: Annotated[str | None, typer.Option(help="Attribution model, where the KPI has one.")] = None,
) -> None:
    """One value: formula, numerator and denominator, its parts, and the source days it rests on."""
    from dagster_project.reading import explanation

    out.print(explanation(settings_to_look_at(), kpi, period, by=by, model=model))


def status(
    as_json: Annotated[bool, typer.Option("--json", help="For a program, with everything in it.")] = False,
) -> None:
    """One screen: runs, sources, what is wrong, what readers see, the disk. Exit code 1 where something is wrong.

    Waits for nobody and changes nothing; asks no vendor.
    """
    from dagster_project.runs.status import status_of

    found = status_of(settings_to_look_at())
    if as_json:
        import json

        print(json.dumps(found.as_json(), indent=1, default=str, ensure_ascii=False))
    else:
        from dagster_project.cli.status import screen

        out.print(screen(found))
    if not found.is_well:
        raise typer.Exit(1)


def settings_to_look_at() -> Settings:
    """The settings of this folder; where nothing was loaded yet and the demo has run, those of the demo."""
    from dagster_project.cli import demo_home
    from dagster_project.settings import load_settings

    found = demo_home.found(Path.cwd())
    if found is None:
        return load_settings()
    err.print(f"(the demo's tables, in {shown(Path(found['FUNNELHOUSE_HOME']))}: nothing else was loaded here)")
    return load_settings(found)


VERBS = (show, explain, status)
