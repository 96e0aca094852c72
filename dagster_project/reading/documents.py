"""What documents say of sources and their settings, from each `SOURCE`: `.env.example` and the table in docs/sources.md.

`pages.py` writes them (`make docs`); a test compares them.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from dagster_project.settings import GENERAL
from dagster_project.sources import all_sources
from dagster_project.wire.source import Source
from dagster_project.wire.variables import Variable

_WIDTH = 120


def env_example() -> str:
    """`.env.example`: every variable with what it means; all commented out, so that a copy switches nothing on."""
    parts = [
        "# Copy to .env and fill in what you have. A source is on when its required variables are set; all others stay off.",
        "# Values here are read, never logged. `funnelhouse doctor` says what is on, what is missing and who answers.",
        "",
        *_block("general (all optional)", GENERAL),
    ]
    for source in all_sources().values():
        if source.variables:
            title = source.title if source.required else f"{source.title}: {source.gives}"
            parts += ["", *_block(f"{source.name}: {title}", source.variables, _needs(source))]
    without = [source.name for source in all_sources().values() if source.switch and not source.variables]
    parts += [
        "",
        *_commented(f"No variables: {', '.join(without)}; they are mapped under `files:` in funnelhouse.yml."),
    ]
    return "\n".join(parts) + "\n"


def _needs(source: Source) -> str:
    return ". ".join(
        part
        for part in (
            source.creates and f"Needs {source.creates}",
            source.least_right and f"Least right: {source.least_right}",
        )
        if part
    )


def _block(title: str, variables: Iterable[Variable], note: str = "") -> list[str]:
    lines = _commented(f"---- {title}")
    if note:
        lines += _commented(note)
    for each in variables:
        # what it means stands above: beside an empty value dotenv would take a comment for the value
        says = f"{each.says} (required)" if each.is_required else each.says
        lines += textwrap.wrap(says, _WIDTH, initial_indent="#   ", subsequent_indent="#   ")
        lines.append(f"# {each.name}={each.example or ('' if each.default.startswith('<') else each.default)}")
    return lines


def _commented(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, _WIDTH - 2)]


def table_of_sources() -> str:
    """The table in docs/sources.md: source, required variables, optional ones with their defaults, what it gives."""
    lines = [
        "| source | required | optional (default) | what it gives |",
        "|---|---|---|---|",
        _row("general", "", GENERAL, ""),
    ]
    for source in all_sources().values():
        required = ", ".join(f"`{name}`" for name in source.required) or (
            source.switched_on_by() if source.is_local else ""
        )
        lines.append(_row(source.name, required, source.variables, source.gives))
    return "\n".join(lines)


def _row(name: str, required: str, variables: Iterable[Variable], gives: str) -> str:
    optional = []
    for each in variables:
        if not each.is_required:
            default = "" if each.default.startswith("https://") else each.default
            optional.append(f"`{each.name}`" + (f" (`{default}`)" if default else ""))
    return f"| {name} | {required} | {', '.join(optional)} | {gives} |"
