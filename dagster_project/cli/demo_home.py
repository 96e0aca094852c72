"""The demo's home: made, marked and removed by the demo alone, and seen by nothing else of the environment."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dagster_project.settings import ENV_FILE, SettingsError, variable_names

FOLDER = Path("data", "demo")
MARK = "demo.json"  # in a home that the demo made: the variables by which its tables can be looked at


def prepare(home: Path, *, keep: bool) -> None:
    """An empty home, or with `keep` what an earlier demo left. Raises SettingsError for a folder that is not the demo's:
    the demo neither loads its invented company into it nor removes it."""
    if home.exists() and not (home / MARK).is_file():
        if not home.is_dir() or any(home.iterdir()):
            raise SettingsError(f"{home} was not made by the demo: move it away, or name another folder with --home")
    elif home.exists() and not keep:
        shutil.rmtree(home)
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    (home / MARK).touch()


@contextmanager
def environment(home: Path, variables: Mapping[str, str]) -> Iterator[None]:
    """This process with the demo's variables and without those of any other installation, `.env` included."""
    before = dict(os.environ)
    demo = {**variables, "FUNNELHOUSE_HOME": str(home), ENV_FILE: os.devnull}
    names = (*variable_names(), "DAGSTER_HOME")
    others = {name: value for name, value in before.items() if name not in names}
    (home / MARK).write_text(json.dumps(demo, indent=1))
    os.environ.clear()
    os.environ.update({**others, **demo})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def found(folder: Path) -> dict[str, str] | None:
    """The variables of the demo in `folder`, for somebody who has nothing else there: no home named, nothing loaded."""
    is_named = "FUNNELHOUSE_HOME" in os.environ or (folder / ".env").exists()
    mark = folder / FOLDER / MARK
    if is_named or (folder / "data" / "warehouse.duckdb").exists() or not mark.is_file():
        return None
    try:
        return json.loads(mark.read_text())
    except json.JSONDecodeError:  # a demo that was stopped before it began
        return None
