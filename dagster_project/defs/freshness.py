"""Freshness: a check that names the streams that are late. It runs in every refresh and by itself at noon, so that a
refresh that did not run at all is seen, too."""

import dagster as dg

from dagster_project import ingest
from dagster_project.defs.resources import Installation
from dagster_project.ingest import freshness


@dg.asset_check(
    name="sources_are_fresh",
    asset=dg.AssetKey(["raw_meta", "streams"]),
    description="Every stream that is on was read last night or the night before; the late ones are named.",
)
def sources_are_fresh(installation: Installation) -> dg.AssetCheckResult:
    settings = installation.settings()
    on = [stream for stream in ingest.streams() if ingest.is_on(settings, stream)]
    late = freshness.late(installation.raw_zone(settings), on, settings.today)
    return dg.AssetCheckResult(
        passed=not late,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(f"{name} {how}" for name, how in late.items()) or f"{len(on)} streams, none is late",
        metadata=dict(late),
    )
