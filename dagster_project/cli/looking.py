"""The verbs that look at what was published, and change nothing."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dagster_project.cli.consoles import err, out, shown
from dagster_project.cli.ending import Stop

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
    """One value: formula, numerator and denominator, its parts, what moved it, and the source days it rests on."""
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


def export(
    xlsx: Annotated[Path, typer.Option(help="The Excel workbook to write, such as kpis.xlsx.")],
    grain: Annotated[str, typer.Option(help="Of the facts: day, week, month, quarter or year.")] = "month",
    kpi: Annotated[list[str] | None, typer.Option("--kpi", help="Only this KPI; may be repeated.")] = None,
) -> None:
    """The KPI tables as an Excel workbook: headline board, facts of one grain, catalogue."""
    from dagster_project.reading.workbook import write_workbook

    rows = write_workbook(settings_to_look_at(), xlsx.absolute(), grain=grain, only=kpi or ())
    sheets = ", ".join(f"{name}: {count:,} rows" for name, count in rows.items())
    out.print(f"{shown(xlsx.absolute())} written ({sheets})", soft_wrap=True)


def mcp(
    http: Annotated[bool, typer.Option("--http", help="Over HTTP on 127.0.0.1, with a token, not over stdio.")] = False,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of --http.")] = 8765,
) -> None:
    """Answer an assistant's questions about KPIs, read-only, by the Model Context Protocol. Started by the assistant."""
    from dagster_project.reading.questions.server import serve_http, serve_stdio
    from dagster_project.settings import MCP_TOKEN, load_settings

    variables = _variables_to_look_at()

    def look_up() -> Settings:
        return load_settings(variables)

    token = look_up().mcp_token
    if variables is not None and MCP_TOKEN in os.environ:  # the demo knows no setting but its own
        token = load_settings({**variables, MCP_TOKEN: os.environ[MCP_TOKEN]}).mcp_token
    if not http:
        serve_stdio(look_up)
    elif token is None:
        raise Stop(
            f"{MCP_TOKEN} is not set: whoever runs a program here could ask. Set it, and give it to the assistant", 2
        )
    else:
        err.print(f"answering on http://127.0.0.1:{port}/mcp, to those who have {MCP_TOKEN}")
        serve_http(look_up, port, token.get_secret_value())


def settings_to_look_at() -> Settings:
    """The settings of this folder; where nothing was loaded yet and the demo has run, those of the demo."""
    from dagster_project.settings import load_settings

    return load_settings(_variables_to_look_at())


def _variables_to_look_at() -> dict[str, str] | None:
    """The demo's variables, where nothing else was loaded; None for those of this folder."""
    from dagster_project.cli import demo_home

    found = demo_home.found(Path.cwd())
    if found is not None:
        err.print(f"(the demo's tables, in {shown(Path(found['FUNNELHOUSE_HOME']))}: nothing else was loaded here)")
    return found


VERBS = (show, explain, status, export, mcp)
