"""Run in a copy of the project that has the toy: reads a week of it, and prints what the project then knows of it."""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path
from typing import Any

from dagster_project import ingest
from dagster_project.raw.zone import RawZone
from dagster_project.reading import doctor, documents
from dagster_project.sandbox import serve
from dagster_project.settings import load_settings
from dagster_project.wire.contract import Window

WEEK = Window(date(2026, 9, 20), date(2026, 9, 27))


def seen(home: Path) -> dict[str, Any]:
    home.mkdir()
    rules = home / "funnelhouse.yml"
    rules.write_text("exchange_rates: {providers: []}\nsources: {toy: {with_paused: false}}\n")
    common = {"FUNNELHOUSE_HOME": str(home), "FUNNELHOUSE_CONFIG": str(rules)}
    with serve(today="2026-10-01", vendors=["toy"], faults=["toy:server_error"]) as sandbox:
        settings = load_settings({**sandbox.env, **common})
        zone = RawZone(settings.raw_root)
        outcomes = list(ingest.run(settings, zone, ingest.streams(["toy"]), "backfill", WEEK))
        on = {finding.source: finding.answer for finding in doctor.examine(settings)}
    off = {finding.source: finding.answer for finding in doctor.examine(load_settings(common))}
    [outcome] = outcomes
    days = [zone.read_day(outcome.stream, day) for day in WEEK.days()]
    return {
        "project": str(Path(ingest.__file__).parents[2]),
        "status": outcome.status,
        "retries": outcome.tally.retries,
        "rows": [
            row for day in days for row in day.select(["date", "campaign", "spend_cents", "account_id"]).to_pylist()
        ],
        "on": on["toy"],
        "off": off["toy"],
        "example": documents.env_example(),
        "table": documents.table_of_sources(),
    }


if __name__ == "__main__":
    json.dump(seen(Path(sys.argv[1])), sys.stdout, default=str)
