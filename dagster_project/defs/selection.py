"""Which assets a run of one home is about: streams, models and tests of sources that are off are none of them. Dagster would
plan, materialise and check each of them at every run."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import dagster as dg

from dagster_project import ingest
from dagster_project.defs.ingest import raw_key
from dagster_project.defs.transform import dbt_build, keys_of_nodes


def assets_of(job: dg.JobDefinition, manifest: Mapping[str, Any], sources: Collection[str]) -> set[dg.AssetKey]:
    """The job's assets, without streams of sources that are not among `sources` and nodes that are not in the `manifest`."""
    rules = "config"
    off = {raw_key(stream) for stream in ingest.streams() if stream.source not in {*sources, rules}}
    off |= {key for name, key in keys_of_nodes(dbt_build).items() if name not in manifest["nodes"]}
    return {key for key in job.asset_layer.selected_asset_keys if key not in off}
