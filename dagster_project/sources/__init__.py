"""The sources that Funnelhouse can read, a folder each, found without a list. Their contract is `wire/source.py`.

Pure Python: settings in, Arrow pages out. Nothing here imports dagster, dbt, duckdb or the raw zone.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import TYPE_CHECKING

from dagster_project.wire.contract import Stream
from dagster_project.wire.source import Source

if TYPE_CHECKING:
    from dagster_project.settings import Settings
    from dagster_project.wire.variables import SourceSettings

__all__ = ["all_sources", "all_streams", "folders", "settings_of"]

# The business rules are read before all else: if funnelhouse.yml cannot be taken, nobody has been asked in vain.
FIRST = ("config",)


def folders() -> list[str]:
    """The names of all sources, in the order of reading: the folders in here that are packages. Imports none of them."""
    names = {module.name for module in pkgutil.iter_modules(__path__) if module.ispkg}
    return [*FIRST, *sorted(names - {*FIRST})]


@cache
def all_sources() -> dict[str, Source]:
    """Every source, on or off, by name. Offline, needs no secrets."""
    sources = {name: importlib.import_module(f"{__name__}.{name}").SOURCE for name in folders()}
    if wrong := [name for name, source in sources.items() if source.name != name]:
        raise ValueError(f"sources/{wrong[0]}: its SOURCE is named {sources[wrong[0]].name!r}, not as the folder is")
    return sources


def all_streams() -> dict[str, tuple[Stream, ...]]:
    """Every stream of every source, on or off: source -> streams."""
    return {name: source.streams for name, source in all_sources().items()}


def settings_of(settings: Settings, source: str) -> SourceSettings | None:
    """The settings of one source, or None where the source is off."""
    return settings.of(source)
