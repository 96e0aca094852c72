"""What `funnelhouse doctor` finds: each source on or off, what is missing, whether the vendor answers, zones."""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from rich.table import Table

from dagster_project.connectors import SOURCES, SourceError, Tally, Window, settings_of
from dagster_project.settings import Settings, required_variables


@dataclass
class Finding:
    """One source: `state` is "on" or "off"; `answer` what a first question to the vendor gave."""

    source: str
    state: str
    answer: str
    is_broken: bool = False
    warnings: list[str] = field(default_factory=list)


def examine(settings: Settings) -> Iterator[Finding]:
    """One finding a source. Asks each vendor that is on one small question; changes nothing."""
    for source, module in SOURCES.items():
        source_settings = settings_of(settings, source)
        if source_settings is None:
            missing = ", ".join(required_variables(source)) or "a mapping under `files:` in funnelhouse.yml"
            yield Finding(source, "off", f"switch on with {missing}")
            continue
        streams = [s for s in importlib.import_module(module).STREAMS if s.is_on(source_settings)]
        stream = next((s for s in streams if s.read is not None), streams[0])
        window, tally, started = Window.of_day(settings.today - timedelta(days=1)), Tally(), time.perf_counter()
        finding = Finding(source, "on", "")
        try:
            ask = stream.read(source_settings, window, tally) if stream.read else stream.sweep(source_settings, tally)
            page = next(iter(ask), None)
        except SourceError as error:
            finding.answer, finding.is_broken = str(error), True
        else:
            rows = page.rows.num_rows if page else 0
            quota = "".join(f"; {name} {left:g}" for name, left in sorted(tally.quota.items()))
            took = time.perf_counter() - started
            calls = f"{tally.api_calls} calls, " if tally.api_calls else ""  # none where files are read
            finding.answer = f"answers: {rows} rows of {stream.name}, {calls}{took:.1f} s{quota}"
            zone = (page.quality if page else {}).get("time_zone")
            if zone and zone != settings.rules.reporting.time_zone:
                finding.warnings.append(
                    f"its days are days in {zone}, the reports are in {settings.rules.reporting.time_zone}: "
                    "daily figures of this source keep its own days"
                )
            finding.warnings += [*tally.notes, *_unreachable_stages(settings, source)]
            if tally.bad_row_count:
                finding.warnings.append(f"{tally.bad_row_count} bad rows, first: {tally.bad_rows[0]}")
        yield finding


def report(settings: Settings, findings: list[Finding]) -> Table:
    """The findings as a table for people."""
    table = Table(title=f"Funnelhouse in {settings.home}, today {settings.today}", title_justify="left", show_lines=False)
    for column in ("source", "", "what it says"):
        table.add_column(column, overflow="fold")
    for finding in findings:
        state = "[red]broken[/red]" if finding.is_broken else "[green]on[/green]" if finding.state == "on" else "off"
        lines = [finding.answer, *(f"[yellow]note[/yellow] {warning}" for warning in finding.warnings)]
        table.add_row(finding.source, state, "\n".join(lines))
    return table


def _unreachable_stages(settings: Settings, source: str) -> list[str]:
    """Stages of the funnel that nothing in this CRM means: their KPIs have no data, which a rule can change."""
    reachable = {rule.stage for rule in settings.rules.crm.stage_rules() if rule.crm == source}
    if source == "files":
        leads = [mapping for mapping in settings.rules.files if mapping.stream == "leads"]
        columns = {column for mapping in leads for column in (*mapping.columns, *mapping.constants)}
        if not leads or "stage" in columns:
            return []
        reachable |= {column.removesuffix("_at") for column in columns}
    elif source != "hubspot":
        return []
    missing = [stage for stage in ("mql", "sal", "sql") if stage not in reachable]
    if not missing:
        return []
    where = "columns of the leads file" if source == "files" else "crm.stages"
    return [f"nothing of {source} means {', '.join(missing)}: what is counted by that has no data until {where} says what does"]
