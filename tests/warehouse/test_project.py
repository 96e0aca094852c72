"""The parsed dbt project, also where it belongs to somebody else."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dagster_project.warehouse import project
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
        ("after the last change", str(project.DBT_FOLDER), ""),
        ("before the last change", str(project.DBT_FOLDER), f"ParseFailed: the dbt project {UNPARSED}"),
        ("after the last change", "dbt_project", f"ParseFailed: the dbt project {UNPARSED}"),
    ],
)
def test_a_project_of_another_user_is_taken_as_it_was_parsed(
    open_to_all: Path, monkeypatch: pytest.MonkeyPatch, parsed: str, folder: str, said: str
) -> None:
    manifest = open_to_all / "manifest.json"
    manifest.write_text(json.dumps({"nodes": {"seed": {"root_path": folder}}}))
    moment = time.time() + (1000 if "after" in parsed else -(10**9))
    os.utime(manifest, (moment, moment))
    monkeypatch.setattr(project, "MANIFEST", manifest)
    answer = as_nobody(lambda: project.ensure_manifest({}))
    assert answer.startswith(said) if said else answer == ""
    assert list(open_to_all.iterdir()) == [manifest]
