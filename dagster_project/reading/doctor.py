"""What `funnelhouse doctor` finds: each source on or off, what is missing, whether the vendor answers, zones."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from rich.table import Table

from dagster_project import ingest
from dagster_project.ingest.patience import Budget, OutOfTime, within
from dagster_project.settings import Settings
from dagster_project.sources import all_sources
from dagster_project.wire import AuthError, SourceError, Stream, Tally, Window
from dagster_project.wire.source import Source
from dagster_project.wire.variables import SourceSettings

VENDOR_SECONDS = 60.0  # how long a vendor may take for one small question


@dataclass
class Finding:
    """One source: `state` is "on" or "off"; `answer` what a first question to the vendor gave."""

    source: str
    state: str
    answer: str
    is_broken: bool = False
    warnings: list[str] = field(default_factory=list)


def examine(settings: Settings) -> Iterator[Finding]:
    """One finding a source. Asks every stream of each vendor that is on one small question, and reads every mapping's
    files; changes nothing."""
    for name, source in all_sources().items():
        source_settings = settings.of(name)
        if source_settings is None:
            yield Finding(name, "off", _how_to_switch_on(source))
            continue
        finding, tallies, zones, started = Finding(name, "on", ""), [], set(), time.perf_counter()
        said: list[str] = []
        failures: list[str] = []
        for question in _questions(source, source_settings):
            tally = Tally()
            tallies.append(tally)
            try:
                rows, zone = _ask(settings, question, tally)
            except SourceError as error:
                failures.append(str(error))
                if isinstance(error, AuthError | OutOfTime):  # its other streams would say the same
                    break
                continue
            said.append(f"{rows:,} rows of {question.name}")
            zones.add(zone)
            finding.warnings += _refused(settings, question, tally, rows, failures)
            failures += [f"account {account}: {error}" for account, error in sorted(tally.failed_accounts.items())]
        quota = "".join(f"; {name} {left:g}" for t in tallies[-1:] for name, left in sorted(t.quota.items()))
        calls = sum(tally.api_calls for tally in tallies)
        took = f"{f'{calls} calls, ' if calls else ''}{time.perf_counter() - started:.1f} s{quota}"
        answer = [f"answers: {', '.join(said)}; {took}"] if said else []
        finding.answer, finding.is_broken = "\n".join([*dict.fromkeys(failures), *answer]), bool(failures)
        for zone in sorted(zone for zone in zones if zone and zone != settings.rules.reporting.time_zone):
            finding.warnings.append(
                f"its days are days in {zone}, the reports are in {settings.rules.reporting.time_zone}: "
                "daily figures of this source keep its own days"
            )
        finding.warnings += dict.fromkeys(note for tally in tallies for note in tally.notes)
        if not failures:
            finding.warnings += _unreachable_stages(settings, name, source_settings)
        yield finding


def _how_to_switch_on(source: Source) -> str:
    needs = f"; {source.least_right}" if source.least_right else ""
    created = f" ({source.creates}{needs})" if source.creates else ""
    return f"switch on with {source.switched_on_by()}{created}"


@dataclass(frozen=True)
class _Question:
    """What is asked: a stream; of files, those of one entry."""

    name: str
    stream: Stream
    settings: Any
    is_whole: bool  # all rows are read, so that their number and the share of the refused ones is known


def _questions(source: Source, source_settings: SourceSettings) -> Iterator[_Question]:
    """Each stream that is on, in the parts that the settings say can be asked alone."""
    for stream in source.streams:
        if stream.is_on(source_settings) and stream.name not in source.dear:
            for part, alone in source_settings.parts(stream.name):
                name = f"{stream.name} ({part})" if part else stream.name
                yield _Question(name, stream, alone, source.is_local)


def _ask(settings: Settings, question: _Question, tally: Tally) -> tuple[int, str | None]:
    """Rows of the first page (of all, where files are read), and the zone that the vendor's days are in."""
    stream = question.stream
    seconds = settings.rules.reading.listing_minutes * 60 if question.is_whole else VENDOR_SECONDS
    limit = Budget(seconds, seconds, "reading.listing_minutes" if question.is_whole else "")
    window = Window.of_day(settings.today - timedelta(days=1))
    ask = stream.read(question.settings, window, tally) if stream.read else stream.sweep(question.settings, tally)  # type: ignore[misc]
    pages = within(ask, limit, tally, source=stream.source, stream=stream.name)
    rows, zone = 0, None
    for page in pages:
        rows += page.rows.num_rows
        told = page.quality.get("time_zone")
        zone = zone or (str(told) if told else None)
        if not question.is_whole:
            break
    return rows, zone


def _refused(settings: Settings, question: _Question, tally: Tally, rows: int, failures: list[str]) -> list[str]:
    refused = ingest.refusal(tally)
    if not refused:
        return []
    good = max(rows, tally.good_row_count)
    if question.is_whole and ingest.are_too_many(settings, good, tally.bad_row_count):
        limit = settings.rules.reading.refused_share
        failures.append(
            f"{question.name}: {tally.bad_row_count:,} of {good + tally.bad_row_count:,} rows are refused, more than "
            f"reading.refused_share ({limit:.0%}) allows: a refresh would take none of them"
        )
    return [f"{question.name}: {refused}"]


def report(settings: Settings, findings: list[Finding]) -> Table:
    """The findings as a table for people."""
    table = Table(
        title=f"Funnelhouse in {settings.home}, today {settings.today}", title_justify="left", show_lines=False
    )
    for column in ("source", "", "what it says"):
        table.add_column(column, overflow="fold")
    for finding in findings:
        state = "[red]broken[/red]" if finding.is_broken else "[green]on[/green]" if finding.state == "on" else "off"
        lines = [finding.answer, *(f"[yellow]note[/yellow] {warning}" for warning in finding.warnings)]
        table.add_row(finding.source, state, "\n".join(lines))
    return table


def _unreachable_stages(settings: Settings, source: str, source_settings: SourceSettings) -> list[str]:
    """Stages of the funnel that nothing in this CRM means: their KPIs have no data, which a rule can change."""
    own = source_settings.funnel_stages()
    if own is None:
        return []
    reachable = {*own, *(rule.stage for rule in settings.rules.stage_rules() if rule.crm == source)}
    missing = [stage for stage in ("mql", "sal", "sql") if stage not in reachable]
    if not missing:
        return []
    where = source_settings.stages_stand_in
    return [
        f"nothing of {source} means {', '.join(missing)}: what is counted by that has no data until {where} says what does"
    ]
