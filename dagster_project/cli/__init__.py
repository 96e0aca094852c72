"""The `funnelhouse` command. Each verb calls one function of the layer below; no second way to run a refresh."""

from __future__ import annotations

import errno
import os
import sys
import threading
import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from dagster_project.cli import looking
from dagster_project.cli.consoles import err, out, shown
from dagster_project.cli.ending import Stop, Told

if TYPE_CHECKING:  # what is heavy is loaded by the verb that needs it: a mistyped verb is answered at once
    from dagster_project.ingest import Mode
    from dagster_project.settings import Settings
    from dagster_project.wire import Window

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Funnelhouse: the marketing and sales KPI warehouse that a company runs itself.",
)

Source = Annotated[list[str] | None, typer.Option("--source", help="Only this source; may be repeated.")]
AllowShrink = Annotated[bool, typer.Option(help="Accept a sweep that loses more than 20 % of the stored ids.")]
Rebuild = Annotated[bool, typer.Option(help="Build all tables from nothing, also those whose inputs did not change.")]


def main() -> None:
    """Entry point: errors that a person can mend are one message, not a traceback."""
    try:
        app()
    except Told as told:
        err.print(
            f"{told}; what is stored is whole, run the same command again and it goes on where it was", soft_wrap=True
        )
        sys.stdout.flush()
        sys.stderr.flush()
        if any(thread.name == "run" for thread in threading.enumerate()):
            os._exit(told.code)  # the run has not heard of it yet, and may never: do not wait for it
        sys.exit(told.code)
    except Stop as error:
        _say(error)
        sys.exit(error.code)
    except KeyboardInterrupt:
        err.print("stopped")
        sys.exit(130)
    except Exception as error:
        if not isinstance(error, _mendable()):
            raise
        _say(error)
        sys.exit(1)


def _say(error: Exception) -> None:
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    where = "" if not full else "; the disk is full: make room, and run the same again (what was stored is whole)"
    err.print(f"[red]error[/red] {escape(str(error))}{where}", soft_wrap=True)


def _mendable() -> tuple[type[Exception], ...]:
    from dagster_project.kpis import CatalogueError, InputError, QuestionError
    from dagster_project.publish import PublishError
    from dagster_project.raw.store import RawZoneError
    from dagster_project.runs.verify import RebuildFailed
    from dagster_project.settings import SettingsError
    from dagster_project.warehouse.project import ParseFailed
    from dagster_project.wire import SourceError

    return (
        SettingsError, SourceError, RawZoneError, PublishError, ParseFailed, RebuildFailed, CatalogueError, InputError, QuestionError,
        OSError,
    )  # fmt: skip


def _version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        out.print(f"funnelhouse {version('funnelhouse')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    """Funnelhouse: the marketing and sales KPI warehouse that a company runs itself."""


@app.command()
def refresh(
    deep: Annotated[bool, typer.Option(help="Read the deep restatement window of each source.")] = False,
    sweep: Annotated[bool, typer.Option(help="List CRM records anew: finds deletes and merges.")] = False,
    source: Source = None,
    allow_shrink: AllowShrink = False,
    rebuild: Rebuild = False,
) -> None:
    """Load yesterday and the days that sources still restate; rebuild marts, KPIs and the published copy."""
    from dagster_project.settings import load_settings
    from dagster_project.wire import Window

    settings = load_settings()
    yesterday = Window.of_day(settings.today - timedelta(days=1))
    # a sweep lists records, a deep pass reads more days: who asks for both gets both, also where the first ends red
    problems: list[Stop] = []
    passes: list[Mode] = ["deep"] if deep else []
    passes += ["sweep"] if sweep else []
    for mode in passes or ["refresh"]:
        try:
            _run(settings, mode, yesterday, source, allow_shrink=allow_shrink, rebuild=rebuild)
        except Told:
            raise
        except Stop as problem:
            problems.append(problem)
    if problems:
        raise Stop("\n".join(dict.fromkeys(map(str, problems))), problems[0].code)


@app.command()
def backfill(
    start: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="First day.")],
    end: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Last day, inclusive.")],
    source: Source = None,
) -> None:
    """Load exactly these days again, in one run, then rebuild. Resumable; safe to repeat and to overlap."""
    from dagster_project.settings import load_settings
    from dagster_project.wire import FIRST_DAY, Window

    settings = load_settings()
    if end < start:
        raise Stop(f"--end {end:%Y-%m-%d} is before --start {start:%Y-%m-%d}", 2)
    if start.date() < FIRST_DAY:
        raise Stop(f"--start {start:%Y-%m-%d} is before {FIRST_DAY}, the first day that can be loaded", 2)
    for name, day in (("--start", start.date()), ("--end", end.date())):
        if day >= settings.today:
            raise Stop(f"{name} {day} is not over yet: today is {settings.today}", 2)
    _run(settings, "backfill", Window(start.date(), end.date() + timedelta(days=1)), source)


def _run(
    settings: Settings,
    mode: Mode,
    window: Window,
    sources: Source,
    *,
    allow_shrink: bool = False,
    rebuild: bool = False,
) -> None:
    from dagster_project.cli.progress import reporter_for
    from dagster_project.cli.refresh import mark_stopped, run_refresh
    from dagster_project.sources import folders
    from dagster_project.wire.stopping import Stopped, run_until_stopped

    if unknown := set(sources or []) - set(folders()):
        raise Stop(f"--source {sorted(unknown)[0]!r} is not a source; allowed: {', '.join(folders())}", 2)
    started = datetime.now()
    run_id = str(uuid.uuid4())
    try:
        with reporter_for(err) as reporter:
            result = run_until_stopped(
                lambda: run_refresh(
                    settings,
                    mode,
                    window,
                    sources=sources,
                    allow_shrink=allow_shrink,
                    rebuild=rebuild,
                    reporter=reporter,
                    run_id=run_id,
                ),
                lambda: mark_stopped(settings, run_id, "it was told to stop, by a signal"),
            )
    except Stopped as stopped:
        raise Told(str(stopped), stopped.exit_code) from None
    for stream, reason in result.failed.items():
        err.print(f"[yellow]stale[/yellow] {stream}: {escape(reason)}", soft_wrap=True)
    for stream, what in result.refused.items():
        err.print(f"[yellow]refused[/yellow] {stream}: {escape(what)}", soft_wrap=True)
    for what in result.untold:
        err.print(f"[yellow]alerts[/yellow] {escape(what)}", soft_wrap=True)
    if result.error:
        raise Stop(f"nothing was published, readers see what they saw before. {result.error}")
    seconds = (datetime.now() - started).total_seconds()
    out.print(f"{mode} of {window} done in {seconds:.0f} s; published to {shown(settings.published_folder)}")
    problems = [result.postgres] if result.postgres else []
    if result.failed:
        problems.append(f"{len(result.failed)} streams could not be read; what depends on them is marked stale")
    if problems:
        raise Stop("\n".join(problems))


@app.command()
def doctor() -> None:
    """Which sources are on, what is missing, and whether each vendor answers."""
    from dagster_project.reading.doctor import examine, report
    from dagster_project.settings import load_settings

    settings = load_settings()
    findings = list(examine(settings))
    out.print(report(settings, findings))
    if any(finding.is_broken for finding in findings):
        raise Stop("at least one source that is on does not answer")


@app.command()
def verify(
    repair: Annotated[
        bool, typer.Option("--repair", help="Set damaged raw files aside and read their days again.")
    ] = False,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Build marts and KPI tables anew, elsewhere, and compare.")
    ] = False,
) -> None:
    """Whether this home is right: every raw file against its hash, with --rebuild the tables against the raw zone, too.

    Changes nothing without --repair; exit code 1 where something is wrong.
    """
    from dagster_project.runs.verify import differences_from_a_rebuild, raw_problems
    from dagster_project.settings import load_settings
    from dagster_project.wire import Window
    from dagster_project.wire.stopping import Stopped, run_until_stopped

    settings = load_settings()
    problems = raw_problems(settings, repair=repair)
    for problem in problems.said:
        err.print(f"[red]damaged[/red] {escape(problem)}", soft_wrap=True)
    if problems.said and not repair:
        raise Stop(
            f"{len(problems.said)} raw days are damaged or missing; `funnelhouse verify --repair` reads them again"
        )
    if problems.said:
        _run(settings, "refresh", Window.of_day(settings.today - timedelta(days=1)), None)
        left = raw_problems(settings, repair=False)
        if left.said:
            raise Stop("still damaged or missing, their source did not give them again:\n" + "\n".join(left.said))
    out.print(f"{problems.days:,} raw days are as they were written")
    if not rebuild:
        return
    try:
        found = run_until_stopped(lambda: differences_from_a_rebuild(settings))
    except Stopped as stopped:
        raise Told(str(stopped), stopped.exit_code) from None
    for difference in found:
        err.print(f"[red]differs[/red] {escape(str(difference))}", soft_wrap=True)
    if found:
        raise Stop(
            f"{len(found)} tables are not what the raw zone gives. `funnelhouse refresh --rebuild` builds all anew; where "
            f"they still differ after it, delete {settings.warehouse_path}: the next refresh makes it"
        )
    out.print("marts and KPI tables are those that a rebuild from the raw zone gives")


for verb in looking.VERBS:
    app.command()(verb)


@app.command()
def demo(
    keep: Annotated[bool, typer.Option(help="Keep what an earlier demo loaded.")] = True,
    home: Annotated[Path | None, typer.Option(help="The demo's own folder, instead of data/demo.")] = None,
) -> None:
    """The whole pipeline against the sandbox, no account needed; then the scoreboard and where to look.

    It has a home of its own, and sees nothing of `.env` or of the environment's settings.
    """
    from dagster_project.cli import demo_home
    from dagster_project.reading import scoreboard
    from dagster_project.sandbox import DEMO_CONFIG, DEMO_TODAY, HISTORY_START, serve_apart
    from dagster_project.settings import load_settings
    from dagster_project.wire import Window

    folder = (home or demo_home.FOLDER).resolve()
    demo_home.prepare(folder, keep=keep)
    with serve_apart(DEMO_TODAY) as variables:
        import dagster_dbt  # noqa: F401  as slow to load as the sandbox is to start: side by side

        with demo_home.environment(folder, {**variables(), "FUNNELHOUSE_CONFIG": str(DEMO_CONFIG)}):
            settings = load_settings()
            out.print(f"The sandbox plays GA4, HubSpot, Google Ads and the ECB on loopback; today is {settings.today}.")
            _run(settings, "backfill", Window(HISTORY_START, settings.today), None)
            out.print(scoreboard(settings))
            where = shown(settings.published_folder)
    is_elsewhere = f" (FUNNELHOUSE_HOME={shown(folder)})" if home else ""
    out.print(f"""
Look further{is_elsewhere}:
  {where}/report.html                     the report: open it in a browser
  .venv/bin/funnelhouse show cpl --by channel
  .venv/bin/funnelhouse explain cpl --period {DEMO_TODAY - timedelta(days=1):%Y-%m} --by channel
  {where}/funnelhouse.duckdb              marts and KPI tables, for DuckDB and BI tools
  {where}/kpi/fct_kpi_monthly.parquet     the same for anything that reads Parquet
  make ui                                 Dagster on http://127.0.0.1:3000""")


@app.command()
def sandbox(
    today: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The sandbox's clock.")] = None,
    fault: Annotated[list[str] | None, typer.Option(help="vendor:fault[:count], such as hubspot:throttle:3.")] = None,
) -> None:
    """Serve the sandbox until stopped, and print the variables that point Funnelhouse at it."""
    from dagster_project.sandbox import DEMO_TODAY
    from dagster_project.sandbox.server import run

    try:
        run(today=today.date() if today else DEMO_TODAY, faults=fault or [])
    except ValueError as error:
        raise Stop(f"--fault: {error}", 2) from None


@app.command()
def ui(port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 3000) -> None:
    """Dagster's web page on 127.0.0.1: assets, runs, schedules, backfills. For the demo its sandbox runs beside it."""
    from dagster_project.cli.dagster_page import serve

    serve(port, lambda said: err.print(said))
