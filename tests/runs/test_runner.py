"""What stands before a run: the parsed project, also where it belongs to somebody else; progress for a log."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console

from dagster_project.runs import runner
from dagster_project.settings import load_settings
from dagster_project.sources import all_streams
from tests.support.what_happens import happens

NOBODY = 65534
UNPARSED = "changed or moved since it was parsed, and this user cannot"


def as_nobody(do: Callable[[], None]) -> str:
    """What `do` raises in a process of another user; nothing where it ends well."""
    ours, theirs = os.pipe()
    if os.fork() == 0:
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        said = ""
        try:
            do()
        except BaseException as error:  # a traceback of the child would be lost
            said = f"{type(error).__name__}: {error}"
        os.write(theirs, said.encode())
        os._exit(0)
    os.close(theirs)
    os.wait()
    with os.fdopen(ours) as pipe:
        return pipe.read()


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A folder that another user can look into (pytest's own are for one user) and not write to."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@happens(
    "the code belongs to root, another user runs it", "it runs as it was parsed, or one sentence says who must parse it"
)
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize(
    ("parsed", "folder", "said"),
    [
        ("after the last change", str(runner.DBT_FOLDER), ""),
        ("before the last change", str(runner.DBT_FOLDER), f"RunFailed: the dbt project {UNPARSED}"),
        ("after the last change", "dbt_project", f"RunFailed: the dbt project {UNPARSED}"),
    ],
)
def test_a_project_of_another_user_is_taken_as_it_was_parsed(
    open_to_all: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parsed: str, folder: str, said: str
) -> None:
    manifest = open_to_all / "manifest.json"
    manifest.write_text(json.dumps({"nodes": {"seed": {"root_path": folder}}}))
    moment = time.time() + (1000 if "after" in parsed else -(10**9))
    os.utime(manifest, (moment, moment))
    monkeypatch.setattr(runner, "MANIFEST", manifest)
    settings = load_settings({"FUNNELHOUSE_HASH_KEY": "k"}, folder=tmp_path)
    answer = as_nobody(lambda: runner.ensure_manifest(settings))
    assert answer.startswith(said) if said else answer == ""
    assert list(open_to_all.iterdir()) == [manifest]


def test_a_log_gets_a_line_a_stream_and_a_line_a_step() -> None:
    console = Console(force_terminal=False, record=True, width=200)
    stream = next(iter(all_streams()["ga4"]))
    with runner.reporter_for(console) as reporter:
        for what, rows in (("started", 0), ("rows", 10), ("rows", 1234), ("ok", 1234)):
            reporter.stream(stream, what, rows)
        for done in range(3):
            reporter.step("dbt build", done, 3)
    lines = [line.partition(" ")[2] for line in console.export_text().splitlines()]
    assert lines == [f"{stream.id} ok, 1,234 rows", "dbt build"]
