"""Somebody edits macros, a model and a seed between nights; what is skipped is still what a build from nothing gives.

Long: each edit is a parse of the project, and the histories are nights of a copy of it.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from dagster_project.warehouse.project import PROJECT_FOLDER
from tests.support.dagster_ui import AD_COST, CONFIG, LEADS, SESSIONS

FILES = {"sessions.csv": SESSIONS, "leads.csv": LEADS, "ad_cost.csv": AD_COST, "funnelhouse.yml": CONFIG}
# each turns one text into the other; all of them change rows of the files above
EDITS = {
    "a macro that models call": ("macros/channels.sql", "'.*cp.*|ppc|retargeting|paid.*'", "'.*cp.*|email|paid.*'"),
    "a macro that a macro calls": ("macros/attribution.sql", "/ 86400.0e0 /", "/ 43200.0e0 /"),
    "a model": ("models/marts/fct_costs.sql", "money('unioned.amount') }} as", "money('2 * unioned.amount') }} as"),
    "a seed": ("seeds/channels.csv", "Email,15,", "Email,16,"),
}


class Copy:
    """A copy of the project with a home in it, run from the command line."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.today = folder, date(2026, 10, 1)
        for half in ("dagster_project", "dbt_project"):
            left_out = shutil.ignore_patterns("__pycache__", "target", "logs")
            shutil.copytree(PROJECT_FOLDER / half, folder / half, ignore=left_out)
        for name, text in FILES.items():
            (folder / name).write_text(text)

    def start(self, *command: str) -> subprocess.Popen[str]:
        variables = {
            "PYTHONPATH": str(self.folder),
            "FUNNELHOUSE_TODAY": self.today.isoformat(),
            "FUNNELHOUSE_HOME": str(self.folder / "home"),
            "FUNNELHOUSE_CONFIG": str(self.folder / "funnelhouse.yml"),
            "FUNNELHOUSE_HASH_KEY": "k" * 32,
        }
        return subprocess.Popen(
            [sys.executable, "-m", "dagster_project.cli", *command],
            cwd=self.folder, env={**os.environ, **variables}, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, *command: str) -> None:
        process = self.start(*command)
        said, errors = process.communicate()
        assert process.returncode == 0, f"{command}: {said[-3000:]} {errors[-3000:]}"

    def edit(self, rng: random.Random) -> None:
        name, one, other = EDITS[rng.choice(sorted(EDITS))]
        path = self.folder / "dbt_project" / name
        text = path.read_text()
        assert one in text or other in text, name
        path.write_text(text.replace(other, one) if other in text else text.replace(one, other))

    def a_day_passes(self, rng: random.Random) -> None:
        self.today += timedelta(days=rng.choice([1, 40]))

    def a_lead(self, rng: random.Random) -> None:
        with (self.folder / "leads.csv").open("a") as file:
            file.write(f"l{rng.randrange(10**9)},2026-09-30T13:30:00Z,autumn_news,email\n")

    def a_kill(self, rng: random.Random) -> None:
        """A night that is killed at any moment, perhaps before it began or while dbt builds."""
        process = self.start("refresh")
        try:
            process.communicate(timeout=rng.uniform(5, 60))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


@pytest.mark.long
@pytest.mark.parametrize("seed", range(3))
def test_an_edited_project_builds_what_the_edit_reaches(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    copy = Copy(tmp_path)
    copy.run("refresh")
    may_happen: list[Callable[[random.Random], None]] = [copy.a_day_passes, copy.a_lead, copy.a_kill]
    for _night in range(3):
        copy.edit(rng)
        rng.choice(may_happen)(rng)
        copy.run("refresh")
    copy.run("verify", "--rebuild")


@pytest.mark.long
def test_an_edit_of_a_macro_is_seen(tmp_path: Path) -> None:
    """What the histories above rest on: the first edit moves the leads of the newsletter to another channel."""
    copy = Copy(tmp_path)
    copy.run("refresh")
    before = channels(copy)
    name, one, other = EDITS["a macro that models call"]
    path = copy.folder / "dbt_project" / name
    path.write_text(path.read_text().replace(one, other))
    copy.run("refresh")
    assert before != channels(copy)


def channels(copy: Copy) -> list[tuple[str, str]]:
    with duckdb.connect(str(copy.folder / "home" / "warehouse.duckdb"), read_only=True) as connection:
        return connection.execute("select lead_id, channel from marts.fct_leads order by 1").fetchall()
