"""Which assets a run of one home is about: streams, models and tests of sources that are off are none of them. Dagster would
plan, materialise and check each of them at every run."""

from __future__ import annotations

import json
from collections.abc import Iterable

import dagster as dg

from dagster_project import ingest
from dagster_project.defs.ingest import raw_key
from dagster_project.defs.transform import dbt_build, keys_of_nodes
from dagster_project.raw.zone import RawZone
from dagster_project.settings import load_settings
from dagster_project.sources import all_sources
from dagster_project.warehouse.project import Parsed, parsed_before
from dagster_project.wire.variables import SettingsError

RULES = "config"  # read at every run


def assets_of(every: Iterable[dg.AssetKey], parsed: Parsed) -> set[dg.AssetKey]:
    """Of `every` asset those that this home has: without streams and tables of sources that are not in the parse."""
    nodes = json.loads(parsed.manifest.read_bytes())["nodes"]
    there = {RULES, *(all_sources() if parsed.sources is None else parsed.sources)}
    off = {raw_key(stream) for stream in ingest.streams() if stream.source not in there}
    for name, key in keys_of_nodes(dbt_build).items():
        if isinstance(key, dg.AssetKey) and name not in nodes:
            off.add(key)
    return set(every) - off


def assets_of_this_home(every: Iterable[dg.AssetKey]) -> set[dg.AssetKey] | None:
    """As above, by the settings of the environment; None where that needs a parse or the settings are wrong, which the run
    does and says better than a schedule's tick."""
    try:
        settings = load_settings()
    except SettingsError:
        return None
    parsed = parsed_before(ingest.sources_in_graph(settings, RawZone(settings.raw_root)))
    return assets_of(every, parsed) if parsed else None
