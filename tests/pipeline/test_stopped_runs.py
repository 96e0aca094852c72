"""A check that fails stops the run before anything is published, and says so in a way that a person can act on; and which
failures Dagster's daemon is told to repeat."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pyarrow.parquet as pq
import pytest

from dagster_project import ingest
from dagster_project.defs.ingest import _checks, _results, raw_key
from dagster_project.defs.kpis import KPI_KEYS
from dagster_project.defs.publish import published
from dagster_project.defs.resources import Installation
from dagster_project.defs.schedules import RETRIES
from dagster_project.raw.store import SCHEMA_DAY
from dagster_project.raw.zone import RawZone, Written
from dagster_project.runs import instance
from dagster_project.runs.errors import why_it_failed
from dagster_project.wire import Page, Stream
from tests.support.dagster_ui import FromFiles

LOST = "2026-09-28"


def test_a_failed_dbt_test_stops_kpis_and_publish_and_is_explained(published_from_files: FromFiles) -> None:
    home, before = published_from_files.home, published_from_files.published()
    repeat(home / "raw" / "files" / "ad_cost" / f"day={LOST}" / "part-0.parquet")
    said = published_from_files.run("refresh", code=1, with_dbt_tests=True)
    assert "nothing was published, readers see what they saw before" in said
    assert "unique_grain (file_line) on staging.stg_files__ad_costs: 1 row\n" in said
    [query] = [line.split(": ", 1)[1] for line in said.splitlines() if "the query that shows them" in line]
    assert "count(*) > 1" in Path(query).read_text()
    assert "Correct what these rows come from" in said
    assert "Traceback" not in said
    assert published_from_files.published() == before
    assert "build_kpis" not in published_from_files.steps_of_runs()[0]


def test_a_failed_raw_check_stops_dbt_and_is_explained(
    published_from_files: FromFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = RawZone.replace_all

    def on_a_disk_that_loses_a_day(self: RawZone, stream: Stream, *pages: Iterator[Page], **stamps: object) -> Written:
        written = whole(self, stream, *pages, **stamps)  # type: ignore[arg-type]
        if stream.id == "files/leads":
            shutil.rmtree(f"{self.root}/files/leads/day={LOST}")
        return written

    monkeypatch.setattr(RawZone, "replace_all", on_a_disk_that_loses_a_day)
    before = published_from_files.published()
    result = published_from_files.refresh("refresh")
    assert "days_are_whole failed, so dbt was not started" in result.error
    assert f"\n  raw_files/leads: {LOST}\n" in result.error
    assert str(published_from_files.home / "raw") in result.error
    assert published_from_files.published() == before
    assert {"dbt_build", "build_kpis", "published__funnelhouse"}.isdisjoint(published_from_files.steps_of_runs()[0])


@pytest.mark.parametrize("may_pass", [True, False])
def test_a_run_is_repeated_where_a_vendor_failed_and_not_where_a_person_must_act(
    published_from_files: FromFiles, may_pass: bool
) -> None:
    """By the tag that Dagster gives to a run that failed, and its daemon goes by. All that comes before the last step is
    taken as done, but for a stream that could not be read."""
    leads = next(stream for stream in ingest.streams(["files"]) if stream.name == "leads")

    @dg.multi_asset(specs=[dg.AssetSpec(key) for key in (*KPI_KEYS, raw_key(leads))], check_specs=_checks([leads]))
    def before_the_last_step() -> Iterator[object]:
        yield from (dg.MaterializeResult(asset_key=key) for key in KPI_KEYS)
        failed = ingest.Outcome(leads, "failed", error="files/leads: out of order", may_pass=may_pass)
        yield from _results(failed, {})

    before = published_from_files.published()
    with published_from_files.environment():
        dagster = instance.open_instance(published_from_files.home)
        try:
            assets, installation = [before_the_last_step, published], {"installation": Installation()}
            done = dg.materialize(assets, instance=dagster, resources=installation, tags=RETRIES, raise_on_error=False)
            run = dagster.get_run_by_id(done.run_id)
        finally:
            dagster.dispose()
    assert run is not None
    assert run.status == dg.DagsterRunStatus.FAILURE  # somebody is to look
    assert run.tags["dagster/will_retry"] == str(may_pass).lower()
    assert published_from_files.published() != before  # what is there is published all the same
    said = why_it_failed(done.all_events, published_from_files.settings)
    assert "raw_files/leads (files/leads: out of order)" in said


def repeat(file: Path) -> None:
    """The day's rows stand once more, in the file that only declares the types: no hash of a day tells."""
    with file.open("rb") as opened:
        rows = pq.read_table(opened)
    pq.write_table(rows.replace_schema_metadata(None), file.parent.parent / f"day={SCHEMA_DAY}" / file.name)
