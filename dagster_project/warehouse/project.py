"""The dbt project: where it stands, and its parse for each set of sources that are in its graph."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dagster_project.warehouse.locks import file_lock

PROJECT_FOLDER = Path(__file__).resolve().parents[2]
DBT_FOLDER = PROJECT_FOLDER / "dbt_project"
MANIFEST = DBT_FOLDER / "target" / "manifest.json"  # with all sources that there are: what Dagster shows
SETS = "sources-"
KEPT_SETS = 10  # parses of sets of sources, some 10 MB each


class ParseFailed(Exception):
    """The dbt project does not parse, or may not be parsed by this user; the message is for a person."""


@dataclass(frozen=True)
class Parsed:
    """The project as parsed. `sources`: those in its graph besides the rules; None: all that there are."""

    manifest: Path
    sources: tuple[str, ...] | None = None

    @property
    def variables(self) -> list[str]:
        """dbt's arguments that leave all other sources out of its graph (dbt_project.yml)."""
        return [] if self.sources is None else ["--vars", json.dumps({"sources_on": list(self.sources)})]


def ensure_manifest(environment: Mapping[str, str], sources: Iterable[str] | None = None) -> Parsed:
    """Run `dbt parse` where the project changed since it was parsed for these sources (None: all that there are).

    `environment`: the variables that dbt needs. Gives the parse to build with. Raises ParseFailed.
    """
    parsed = Parsed(MANIFEST) if sources is None else _of_set(tuple(sorted(sources)))
    if not os.access(MANIFEST.parent if MANIFEST.parent.exists() else DBT_FOLDER, os.W_OK):
        # installed by somebody else (root, say), who parsed it at set-up, with all sources
        if not _is_fresh(MANIFEST):
            raise ParseFailed(
                f"the dbt project changed or moved since it was parsed, and this user cannot write to {MANIFEST.parent}: let its owner "
                f"run `dbt parse --project-dir {DBT_FOLDER} --profiles-dir {DBT_FOLDER}`"
            )
        return parsed if _is_fresh(parsed.manifest) else Parsed(MANIFEST)
    with file_lock(MANIFEST.parent / ".parse.lock", "another run is parsing the dbt project"):
        if not _is_fresh(parsed.manifest):
            _parse(parsed, environment)
            _forget_old_sets()
    return parsed


def parsed_before(sources: Iterable[str]) -> Parsed | None:
    """The parse for these sources where there is one of the project as it is now; None: it has to be parsed."""
    parsed = _of_set(tuple(sorted(sources)))
    return parsed if _is_fresh(parsed.manifest) else None


def _of_set(sources: tuple[str, ...]) -> Parsed:
    name = hashlib.sha256(" ".join(sources).encode()).hexdigest()[:12]
    return Parsed(MANIFEST.parent / f"{SETS}{name}" / MANIFEST.name, sources)


def _is_fresh(manifest: Path) -> bool:
    files = [path for path in DBT_FOLDER.rglob("*") if path.is_file()]
    written_by_dbt = ("target", "logs")
    newest = max(p.stat().st_mtime for p in files if p.relative_to(DBT_FOLDER).parts[0] not in written_by_dbt)
    return manifest.exists() and manifest.stat().st_mtime >= newest and _is_of_this_folder(manifest)


def _is_of_this_folder(manifest: Path) -> bool:
    """Seeds are found by the folder that was parsed. Where that was named in another way (`--project-dir dbt_project`, or
    the project was moved since), a run that takes this parse over says "No files found" of the first seed."""
    return f'"root_path": {json.dumps(str(DBT_FOLDER))}'.encode() in manifest.read_bytes()


def _parse(parsed: Parsed, environment: Mapping[str, str]) -> None:
    command = [sys.executable, "-m", "dbt.cli.main", "parse", "--quiet", "--no-partial-parse", "--project-dir",
               str(DBT_FOLDER), "--profiles-dir", str(DBT_FOLDER), *parsed.variables]  # fmt: skip
    variables = {**os.environ, **environment, "DBT_TARGET_PATH": str(parsed.manifest.parent)}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ParseFailed(f"the dbt project does not parse:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
    os.utime(parsed.manifest)


def _forget_old_sets() -> None:
    sets = sorted(MANIFEST.parent.glob(f"{SETS}*"), key=lambda folder: folder.stat().st_mtime)
    for old in sets[:-KEPT_SETS]:
        shutil.rmtree(old, ignore_errors=True)
