"""Raw assets: each stream of each source its own asset, partitioned by day, read side by side in threads.

A stream that fails does not stop the others, nor what comes after: its asset keeps the days that are stored,
says so in its metadata and in a failed `was_read` check, and the last step (defs/publish.py) fails the run.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg

from dagster_project import ingest, sources
from dagster_project.defs.metadata import DATA_TEAM, fields_of, made_by
from dagster_project.defs.resources import Installation, Reporter
from dagster_project.defs.shared import BACKFILL_TAG, DAILY, MODE_TAG, NEWEST_DAY, SHRINK_TAG, SOURCES_TAG, window_of
from dagster_project.raw import index as raw_index
from dagster_project.reading.raw_tables import said_of
from dagster_project.sources import all_sources, all_streams
from dagster_project.warehouse.locks import warehouse_lock
from dagster_project.wire import Stream, Window

SHOWN_BAD_ROWS = 10
FAILED = ("failed", "partial")


def raw_key(stream: Stream) -> dg.AssetKey:
    return dg.AssetKey([f"raw_{stream.source}", stream.name])


def _spec(stream: Stream) -> dg.AssetSpec:
    return dg.AssetSpec(
        raw_key(stream),
        description=stream.description or None,
        group_name=f"raw_{stream.source}",
        kinds={"python", "parquet"},
        owners=[DATA_TEAM],
        tags={"source": stream.source, "kind": stream.kind},
        metadata={
            **fields_of(stream.schema, partial(said_of, all_sources()[stream.source], stream)),
            **made_by(Path(sources.__file__).parent / stream.source / "__init__.py", f"the source {stream.source}"),
            "key": ", ".join(stream.key),
            "kind": stream.kind,
            "restate_days": stream.restate_days,
            "deep_restate_days": stream.deep_restate_days,
            "additive": stream.additive,
        },
    )


def _checks(streams: list[Stream]) -> list[dg.AssetCheckSpec]:
    return [
        spec
        for stream in streams
        for spec in (
            dg.AssetCheckSpec("was_read", asset=raw_key(stream), description="The last attempt to read it succeeded."),
            dg.AssetCheckSpec(
                "nothing_was_refused",
                asset=raw_key(stream),
                description="Every row and every cell that the source sent could be read.",
            ),
            dg.AssetCheckSpec(
                "days_are_whole",
                asset=raw_key(stream),
                blocking=True,
                description="Every day that was asked for is on disk.",
            ),
        )
    ]


_DAILY_STREAMS = [s for group in all_streams().values() for s in group if s.read is not None]
_LISTED_STREAMS = [s for group in all_streams().values() for s in group if s.read is None]
WITH_DAYS = frozenset(raw_key(stream) for stream in _DAILY_STREAMS)


@dg.multi_asset(
    name="read_listings",
    specs=[_spec(s) for s in _LISTED_STREAMS],
    check_specs=_checks(_LISTED_STREAMS),
    can_subset=True,
)
def read_listings(
    context: dg.AssetExecutionContext, installation: Installation, reporter: dg.ResourceParam[Reporter]
) -> Iterator[Any]:
    """Streams that can only be listed whole: small CRM lists, file drops, business rules."""
    yield from _read(context, installation, reporter, _LISTED_STREAMS, None)


@dg.multi_asset(
    name="read_days",
    specs=[_spec(s) for s in _DAILY_STREAMS],
    check_specs=_checks(_DAILY_STREAMS),
    partitions_def=DAILY,
    backfill_policy=dg.BackfillPolicy.single_run(),
    can_subset=True,
)
def read_days(
    context: dg.AssetExecutionContext, installation: Installation, reporter: dg.ResourceParam[Reporter]
) -> Iterator[Any]:
    """Streams that can be asked for days; one run covers any range."""
    yield from _read(context, installation, reporter, _DAILY_STREAMS, window_of(context))


def _read(
    context: dg.AssetExecutionContext,
    installation: Installation,
    reporter: Reporter,
    streams: list[Stream],
    asked: Window | None,
) -> Iterator[Any]:
    settings = installation.settings()
    zone = installation.raw_zone(settings)
    mode = context.run.tags.get(MODE_TAG, "backfill")
    sources = {name for name in context.run.tags.get(SOURCES_TAG, "").split(",") if name}
    selected = [s for s in streams if raw_key(s) in context.selected_asset_keys]
    wanted = [s for s in selected if _of_sources(s, sources)]
    for stream in selected:
        if stream not in wanted:
            yield from _results(ingest.Outcome(stream, "skipped", error="not among the sources of this run"), {})
    partitions = asked.days() if asked else []
    outcomes = ingest.run(
        settings,
        zone,
        wanted,
        mode,  # type: ignore[arg-type]
        asked,
        allow_shrink=context.run.tags.get(SHRINK_TAG) == "true",
        progress=reporter.stream,
        commit_lock=lambda: warehouse_lock(settings.home),
        finished=ingest.Finished.of(context.run.tags[BACKFILL_TAG], settings)
        if BACKFILL_TAG in context.run.tags
        else None,
    )
    for outcome in outcomes:
        if outcome.status in FAILED:
            context.log.error(f"{outcome.stream.id} failed, what was stored stays: {outcome.error}")
        rows = zone.rows_by_day(outcome.stream)
        for day in partitions:
            if day in rows:
                context.add_asset_metadata(
                    {"dagster/partition_row_count": rows[day]}, raw_key(outcome.stream), day.isoformat()
                )
        yield from _results(outcome, rows)


def _results(outcome: ingest.Outcome, rows: Mapping[date, int]) -> Iterator[Any]:
    """`rows`: of every stored day of the stream."""
    key = raw_key(outcome.stream)
    yield dg.MaterializeResult(asset_key=key, metadata=metadata(outcome, sum(rows.values())))
    yield dg.AssetCheckResult(
        passed=outcome.status not in FAILED,
        asset_key=key,
        check_name="was_read",
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"error": outcome.error, "may_pass": outcome.may_pass} if outcome.error else {},
    )
    refused = ingest.refusal(outcome.tally)
    yield dg.AssetCheckResult(
        passed=not refused,
        asset_key=key,
        check_name="nothing_was_refused",
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"refused": refused} if refused else {},
    )
    is_ok = outcome.status in ("ok", "partial")
    missing = sorted(set(outcome.written.days) - rows.keys()) if is_ok else []
    yield dg.AssetCheckResult(
        passed=not missing,
        asset_key=key,
        check_name="days_are_whole",
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"missing_days": [str(d) for d in missing]},
    )


def metadata(outcome: ingest.Outcome, stored_rows: int) -> dict[str, Any]:
    """What a person wants to know about a reading: outcome, window, rows, changed days, bytes, calls, quota left.

    `stored_rows`: of the stream as a whole, as it is stored now.
    """
    written, tally = outcome.written, outcome.tally
    facts: dict[str, Any] = {
        "outcome": outcome.status,
        "window": str(outcome.window) if outcome.window else "whole listing",
        "dagster/row_count": stored_rows,
        "rows_written": written.rows,
        "changed_days": len(written.changed_days),
        "unchanged_days": len(written.unchanged_days),
        "bytes_written": written.bytes_written,
        "bytes_received": tally.bytes_received,
        "api_calls": tally.api_calls,
        "retries": tally.retries,
        "seconds": round(outcome.seconds, 3),
        **{f"quota_{name}": value for name, value in tally.quota.items()},
    }
    if outcome.status in ("off", "skipped", "failed"):
        facts = {"outcome": outcome.status, "api_calls": tally.api_calls}
        if outcome.status == "failed":
            facts["dagster/row_count"] = stored_rows
    if outcome.error:
        facts["error"] = outcome.error
    if tally.notes:
        facts["notes"] = dg.MetadataValue.md("\n".join(f"* {note}" for note in tally.notes))
    if outcome.status != "failed" and (refused := ingest.refusal(tally)):
        facts["refused"] = refused
    for name, count, first in (
        ("bad_rows", tally.bad_row_count, tally.bad_rows),
        ("bad_cells", tally.bad_cell_count, tally.bad_cells),
    ):
        if count:
            facts[name] = count
            facts[f"first_{name}"] = dg.MetadataValue.md("\n".join(f"* {row}" for row in first[:SHOWN_BAD_ROWS]))
    if tally.refused_money:
        facts["refused_money"] = dg.MetadataValue.json({n: str(m) for n, m in sorted(tally.refused_money.items())})
    if written.quality:
        facts["quality"] = dg.MetadataValue.json({k: str(v) for k, v in written.quality.items()})
    return facts


@dg.multi_asset(
    name="index_raw_days",
    specs=[
        dg.AssetSpec(
            dg.AssetKey(["raw_meta", name]),
            deps=[
                *(dg.AssetDep(raw_key(stream)) for stream in _LISTED_STREAMS),
                *(dg.AssetDep(raw_key(stream), partition_mapping=NEWEST_DAY) for stream in _DAILY_STREAMS),
            ],
            description=description,
            group_name="raw_meta",
            kinds={"python", "parquet"},
            owners=[DATA_TEAM],
            metadata={**fields_of(schema), **made_by(raw_index.__file__, "the raw zone's index")},
        )
        for name, schema, description in (
            ("days", raw_index.DAYS_SCHEMA, "Every stored day of every stream: rows, content hash, its last check, its quality."),
            ("streams", raw_index.STREAMS_SCHEMA, "Every stream: on or off, first and last day, last good and failed attempt."),
            ("refusals", raw_index.REFUSALS_SCHEMA, "Rows that were refused and cells that could not be read, by stream and day."),
            ("subjects", raw_index.SUBJECTS_SCHEMA, "What every part of every stream says something about, and of which days."),
        )
    ],
)  # fmt: skip
def index_raw_days(installation: Installation) -> Iterator[dg.MaterializeResult]:
    """What dbt and `explain` know about the raw zone, written before each build."""
    settings = installation.settings()
    every = [(stream, ingest.is_on(settings, stream)) for stream in ingest.streams()]
    zone = installation.raw_zone(settings)
    with warehouse_lock(settings.home):
        for stream, is_on in every:
            if not is_on:  # it may be none of this run: tables built with every source in the graph ask for its types
                zone.declare(stream)
        rows = zone.write_index(every)
    for name, count in rows.items():
        yield dg.MaterializeResult(asset_key=dg.AssetKey(["raw_meta", name]), metadata={"dagster/row_count": count})


def _of_sources(stream: Stream, names: set[str]) -> bool:
    return not names or stream.source in names or stream.source == "config"
