"""The dbt project: where it stands, and its parse."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from dagster_project.warehouse.locks import file_lock

PROJECT_FOLDER = Path(__file__).resolve().parents[2]
DBT_FOLDER = PROJECT_FOLDER / "dbt_project"
MANIFEST = DBT_FOLDER / "target" / "manifest.json"


class ParseFailed(Exception):
    """The dbt project does not parse, or may not be parsed by this user; the message is for a person."""


def ensure_manifest(environment: Mapping[str, str]) -> None:
    """Run `dbt parse` where the project changed since its manifest was written. `environment`: the variables that dbt
    needs. Raises ParseFailed."""
    if not os.access(MANIFEST.parent if MANIFEST.parent.exists() else DBT_FOLDER, os.W_OK):
        # installed by somebody else (root, say), who parsed it at set-up
        if not _is_parsed():
            raise ParseFailed(
                f"the dbt project changed or moved since it was parsed, and this user cannot write to {MANIFEST.parent}: let its owner "
                f"run `dbt parse --project-dir {DBT_FOLDER} --profiles-dir {DBT_FOLDER}`"
            )
        return
    with file_lock(MANIFEST.parent / ".parse.lock", "another run is parsing the dbt project"):
        if not _is_parsed():
            _parse(environment)


def _is_parsed() -> bool:
    files = [path for path in DBT_FOLDER.rglob("*") if path.is_file()]
    written_by_dbt = ("target", "logs")
    newest = max(p.stat().st_mtime for p in files if p.relative_to(DBT_FOLDER).parts[0] not in written_by_dbt)
    return MANIFEST.exists() and MANIFEST.stat().st_mtime >= newest and _is_of_this_folder()


def _is_of_this_folder() -> bool:
    """Seeds are found by the folder that was parsed. Where that was named in another way (`--project-dir dbt_project`, or
    the project was moved since), a run that takes this parse over says "No files found" of the first seed."""
    return f'"root_path": {json.dumps(str(DBT_FOLDER))}'.encode() in MANIFEST.read_bytes()


def _parse(environment: Mapping[str, str]) -> None:
    command = [sys.executable, "-m", "dbt.cli.main", "parse", "--quiet", "--no-partial-parse", "--project-dir",
               str(DBT_FOLDER), "--profiles-dir", str(DBT_FOLDER)]  # fmt: skip
    variables = {**os.environ, **environment, "DBT_TARGET_PATH": str(MANIFEST.parent)}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ParseFailed(f"the dbt project does not parse:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
    os.utime(MANIFEST)
