"""The last step: publish what was built and its report, then fail the run if a stream could not be read, so that somebody looks.

It decides whether Dagster's daemon repeats the run (schedules.py): only where a vendor or the PostgreSQL target failed,
which may pass. Refused credentials asked three times a night are three alarms, and quota, for nothing.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import dagster as dg
import duckdb

from dagster_project import publish as publishing
from dagster_project.defs.kpis import KPI_KEYS
from dagster_project.defs.metadata import DATA_TEAM, made_by
from dagster_project.defs.resources import Installation
from dagster_project.defs.shared import REPEAT_TAG, WRITER_POOL
from dagster_project.publish import DATABASE, REPORT, PublishError, publish
from dagster_project.publish.postgres import publish_to_postgres
from dagster_project.reading import report
from dagster_project.runs.last_runs import BESIDES
from dagster_project.warehouse.locks import warehouse_lock

PUBLISHED_KEY = dg.AssetKey(["published", "funnelhouse"])
REPORT_KEY = dg.AssetKey(["published", "report"])


@dg.multi_asset(
    name="published__funnelhouse",
    specs=[
        dg.AssetSpec(
            PUBLISHED_KEY,
            deps=KPI_KEYS,
            group_name="published",
            kinds={"duckdb", "parquet"},
            owners=[DATA_TEAM],
            metadata=made_by(publishing.__file__, "the publish"),
            description="The copy that BI reads: one DuckDB file and a Parquet file a table, swapped in by one rename.",
        ),
        dg.AssetSpec(
            REPORT_KEY,
            deps=[PUBLISHED_KEY],
            group_name="published",
            kinds={"html"},
            owners=[DATA_TEAM],
            metadata=made_by(report.__file__, "the report"),
            description="The report for people: one HTML file that needs no network and no server.",
        ),
    ],
    pool=WRITER_POOL,
)
def published(context: dg.AssetExecutionContext, installation: Installation) -> Iterator[dg.MaterializeResult]:
    """Both in one step: a stream that failed makes the step fail after it, and what was published has its report."""
    settings = installation.settings()
    problems, page = [], None
    with warehouse_lock(settings.home):  # the report, too: a publish that came between would be shown by two
        result = publish(settings.warehouse_path, settings.home, settings.memory_limit)
        try:
            page = report.write_report(result, settings.today)
        except (duckdb.Error, OSError) as error:  # the tables are out: what else went wrong is told as well
            problems.append(f"{REPORT} could not be written and shows what readers saw before: {error}")
    metadata: dict[str, Any] = {
        "folder": dg.MetadataValue.path(str(result.folder)),
        "tables": len(result.tables),
        "rows_by_table": dg.MetadataValue.json(result.tables),
        "dagster/row_count": sum(result.tables.values()),
        "bytes_written": result.bytes_written,
    }
    of_postgres: dict[str, Any] = {}
    if settings.postgres_url:
        started = time.perf_counter()
        try:
            copied = publish_to_postgres(
                result.folder / DATABASE, settings.postgres_url.get_secret_value(), settings.memory_limit
            )
            metadata |= {
                "postgres_rows": sum(copied.values()),
                "postgres_seconds": round(time.perf_counter() - started, 3),
            }
        except PublishError as error:
            of_postgres["postgres"] = str(error)
            problems.append(str(error))
    yield dg.MaterializeResult(asset_key=PUBLISHED_KEY, metadata=metadata)
    if page:
        yield dg.MaterializeResult(
            asset_key=REPORT_KEY, metadata={"report": dg.MetadataValue.path(str(page)), "bytes": page.stat().st_size}
        )
    besides = list(problems)
    failed = failed_streams_of(context.instance, context.run.run_id)
    may_pass = bool(of_postgres) or any(failure.may_pass for failure in failed.values())
    context.instance.add_run_tags(context.run.run_id, {REPEAT_TAG: str(may_pass).lower()})
    if failed:
        problems.append(
            "these streams could not be read and are marked stale: "
            + "; ".join(f"{name} ({failure.error})" for name, failure in failed.items())
        )
    if problems:
        said = f"published what is there, but {' | '.join(problems)}"
        also = {BESIDES: dg.MetadataValue.json(besides)} if besides else {}
        raise dg.Failure(said, metadata={**of_postgres, **also}, allow_retries=False)


@dataclass(frozen=True)
class FailedStream:
    error: str
    may_pass: bool


def failed_streams_of(instance: dg.DagsterInstance, run_id: str) -> dict[str, FailedStream]:
    """The streams whose `was_read` check failed in a run."""
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION).records
    failed = {}
    for record in records:
        event = record.event_log_entry.dagster_event
        evaluation = event.asset_check_evaluation_data if event else None
        if evaluation and evaluation.check_name == "was_read" and not evaluation.passed:
            said = {name: value.value for name, value in evaluation.metadata.items()}
            failed["/".join(evaluation.asset_key.path)] = FailedStream(
                str(said.get("error", "no reason given")), bool(said.get("may_pass"))
            )
    return failed
