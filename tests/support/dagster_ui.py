"""`funnelhouse ui` in a process group of its own, asked through GraphQL as its web page asks; and what to feed it cheaply."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import requests

from dagster_project.warehouse.project import PROJECT_FOLDER
from tests.support.installation import OURS, PATIENCE_SECONDS, Installation

LOOKS_PER_SECOND = 2
LOCATION, REPOSITORY, JOB = "funnelhouse", "__repository__", "refresh"
WHERE = {"repositoryLocationName": LOCATION, "repositoryName": REPOSITORY}
ENDED = ("SUCCESS", "FAILURE", "CANCELED")

CONFIG = """\
exchange_rates: {providers: []}
files:
  - {name: web, stream: sessions, path: sessions.csv, columns: {session_id: id, started_at: at, source: source, medium: medium}}
  - {name: crm, stream: leads, path: leads.csv, columns: {lead_id: id, created_at: at, source: source, medium: medium}}
  - {name: ads, stream: ad_cost, path: ad_cost.csv, columns: {date: day, cost: cost, clicks: clicks},
     constants: {platform: google_ads, currency_code: EUR}}
"""
SESSIONS = """\
id,at,source,medium
s1,2026-09-28T09:00:00Z,google,cpc
s2,2026-09-29T10:00:00Z,(direct),(none)
s3,2026-09-30T11:00:00Z,autumn_news,email
s4,2026-09-30T12:00:00Z,google,organic
"""
LEADS = "id,at,source,medium\nl1,2026-09-28T09:30:00Z,google,cpc\nl2,2026-09-30T11:30:00Z,autumn_news,email\n"
AD_COST = "day,clicks,cost\n2026-09-28,10,12.50\n2026-09-30,9,11.00\n"
SESSIONS_BY_DAY = {"2026-09-28": 1, "2026-09-29": 1, "2026-09-30": 2}

T = TypeVar("T")


class FromFiles(Installation):
    """An installation on the morning of 2026-10-01 with a handful of rows from files and no vendor."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, sandbox=None)  # type: ignore[arg-type]
        for name, text in (
            ("funnelhouse.yml", CONFIG),
            ("sessions.csv", SESSIONS),
            ("leads.csv", LEADS),
            ("ad_cost.csv", AD_COST),
        ):
            (folder / name).write_text(text)

    @property
    def variables(self) -> dict[str, str]:
        return {
            "FUNNELHOUSE_TODAY": "2026-10-01",
            "FUNNELHOUSE_HOME": str(self.home),
            "FUNNELHOUSE_CONFIG": str(self.folder / "funnelhouse.yml"),
            "FUNNELHOUSE_HASH_KEY": "k" * 32,
            "PYTHONPATH": str(PROJECT_FOLDER),
            "DBT_TARGET_PATH": str(self.dbt_target),
            "DBT_EXCLUDE_RESOURCE_TYPES": "test unit_test",
        }


class Ui:
    """A running `funnelhouse ui` on a free port."""

    def __init__(self, installation: Installation) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.log = installation.logs / "ui.log"
        others = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        with self.log.open("w") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dagster_project.cli", "ui", "--port", str(self.port)],
                env={**others, **installation.variables}, cwd=installation.folder,
                stdout=said, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def until(self, look: Callable[[], T | None], what: str) -> T:
        """Look again and again until there is something to see; fails when the page is gone or patience is at its end."""
        until = time.monotonic() + PATIENCE_SECONDS
        while (seen := look()) is None:
            assert self.process.poll() is None, (
                f"the page is gone while waiting for {what}:\n{self.log.read_text()[-3000:]}"
            )
            assert time.monotonic() < until, f"waited in vain for {what}:\n{self.log.read_text()[-3000:]}"
            time.sleep(1 / LOOKS_PER_SECOND)
        return seen

    def is_served(self) -> bool | None:
        try:
            return requests.get(f"http://127.0.0.1:{self.port}/server_info", timeout=10).ok or None
        except requests.ConnectionError:
            return None

    def ask(self, query: str, **variables: Any) -> Any:
        """The first field of the answer."""
        asked = {"query": query, "variables": variables}
        answer = requests.post(f"http://127.0.0.1:{self.port}/graphql", json=asked, timeout=120).json()
        assert "errors" not in answer, answer
        return next(iter(answer["data"].values()))

    def launch(self, tags: dict[str, str]) -> str:
        """What "Launch run" does; gives the run's id."""
        launched = self.ask(
            "mutation($p: ExecutionParams!) { launchRun(executionParams: $p) { __typename"
            " ... on LaunchRunSuccess { run { runId status } } ... on PythonError { message } } }",
            p={"selector": {**WHERE, "jobName": JOB}, "runConfigData": "{}", "mode": "default",
               "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in tags.items()]}},
        )  # fmt: skip
        assert launched["__typename"] == "LaunchRunSuccess", launched
        assert launched["run"]["status"] == "QUEUED"
        return str(launched["run"]["runId"])

    def run(self, run_id: str) -> dict[str, Any]:
        """runId, status, startTime, endTime, parentRunId, tags as a dict, steps: key -> (begun, ended)."""
        found = self.ask(
            "query($id: ID!) { runOrError(runId: $id) { ... on Run { runId status startTime endTime parentRunId"
            " tags { key value } stepStats { stepKey startTime endTime } } } }",
            id=run_id,
        )
        found["tags"] = {tag["key"]: tag["value"] for tag in found["tags"]}
        found["steps"] = {step["stepKey"]: (step["startTime"], step["endTime"]) for step in found.pop("stepStats")}
        return dict(found)

    def runs(self) -> list[dict[str, Any]]:
        """All runs, oldest first."""
        listed = self.ask("{ runsOrError { ... on Runs { results { runId } } } }")
        return [self.run(one["runId"]) for one in reversed(listed["results"])]

    def ended(self, run_id: str) -> dict[str, Any]:
        """The run, once it has ended."""
        return self.until(
            lambda: found if (found := self.run(run_id))["status"] in ENDED else None, f"the end of {run_id}"
        )

    def stop(self) -> int:
        """Ctrl-C, as a terminal sends it: to the whole group. Gives the exit code once nothing of it is left."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)
        code = self.process.wait(PATIENCE_SECONDS)
        until = time.monotonic() + PATIENCE_SECONDS
        while _is_group(self.process.pid):
            assert time.monotonic() < until, "processes of the page outlive it"
            time.sleep(1 / LOOKS_PER_SECOND)
        return code


def kill_with_children(pid: int) -> None:
    """SIGKILL a process and those that it started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for one in (pid, *map(int, children)):
        os.kill(one, signal.SIGKILL)


def _is_group(group: int) -> bool:
    """Whether a process of the group still runs; one that has ended and waits to be reaped by others does not."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            state, _parent, its_group = stat.read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state != "Z":
                return True
    return False
