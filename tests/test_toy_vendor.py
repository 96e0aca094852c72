"""A source is a folder: one that nobody has heard of is added to a copy of the project, and nothing else is touched."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parents[1]
TOY = PROJECT / "tests" / "support" / "toy_vendor"
ONE_LINE = "    toy: [ad_days]"  # all that it adds to a file of the project


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the copy with the toy in it says of the toy (look.py)."""
    copy = tmp_path_factory.mktemp("project")
    shutil.copytree(PROJECT / "dagster_project", copy / "dagster_project", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(PROJECT / "dbt_project", copy / "dbt_project", ignore=shutil.ignore_patterns("target", "logs"))
    for half in ("dagster_project", "dbt_project"):
        shutil.copytree(TOY / half, copy / half, dirs_exist_ok=True)
    names = copy / "dbt_project" / "dbt_project.yml"
    names.write_text(names.read_text().replace("\n  sources:\n", f"\n  sources:\n{ONE_LINE}\n", 1))
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    run = subprocess.run(
        [sys.executable, str(TOY / "look.py"), str(copy / "home")],
        cwd=copy, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert found["project"] == str(copy)
    return found


def test_its_rows_reach_the_raw_zone(seen: dict[str, Any]) -> None:
    """A week of the two campaigns that are not paused: what they spend is a rule of the endpoint, in cents."""
    week = [date(2026, 9, 20) + timedelta(days=n) for n in range(7)]
    rows = [
        {"date": str(day), "campaign": f"c{n}", "spend_cents": 100 * n + day.day, "account_id": "toy-1"}
        for day in week
        for n in (1, 2)
    ]
    assert sorted(seen["rows"], key=lambda row: (row["date"], row["campaign"])) == rows
    assert (seen["status"], seen["retries"]) == ("ok", 1)  # the sandbox's faults fire for it as for any vendor


def test_its_rows_reach_the_marts(seen: dict[str, Any]) -> None:
    """The days of that week add up to 161: 7 x 100 + 161 cents for the first campaign, 7 x 200 + 161 for the second."""
    assert seen["mart"] == [
        {"campaign_id": "c1", "channel": "Paid Other", "clicks": 70, "cost": "8.610000"},
        {"campaign_id": "c2", "channel": "Paid Other", "clicks": 140, "cost": "15.610000"},
    ]
    assert seen["costs"] == [{"platform": "toy", "amount": "24.220000"}]


def test_its_spend_reaches_the_kpi_tables(seen: dict[str, Any]) -> None:
    """In total and by channel: cpc of a source that nobody has in a list is Paid Other."""
    assert seen["kpi"] == [
        {"dimension": "channel", "member": "Paid Other", "value": 24.22},
        {"dimension": "total", "member": "all", "value": 24.22},
    ]


def test_doctor_asks_it_and_says_how_to_switch_it_on(seen: dict[str, Any]) -> None:
    assert "answers: 2 rows of campaign_days" in seen["on"]
    assert seen["off"] == (
        "switch on with TOY_ACCESS_TOKEN and TOY_ACCOUNT_ID (a key (Settings > Keys); scope read_reports)"
    )


def test_documents_name_its_settings(seen: dict[str, Any]) -> None:
    assert "# ---- toy: Toy Ads\n" in seen["example"]
    assert "#   several separated by commas (required)\n# TOY_ACCOUNT_ID=toy-1\n" in seen["example"]
    assert "| toy | `TOY_ACCESS_TOKEN`, `TOY_ACCOUNT_ID` | `TOY_BASE_URL` | campaigns by day |" in seen["table"]
