"""What stopped a run, told to a person: which check of which table, how many rows, what to do; else the exception's words.

Reads the events of a run that has ended, and what dbt left in the folder of its build.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dagster_project.settings import Settings

SHOWN = 5  # failures; what follows from the first is seldom news
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_BEFORE_DBT_SPEAKS = "Errors parsed from dbt logs:"


def why_it_failed(events: list[Any], settings: Settings) -> str:
    """The reason of the first failed step of a run's `events`."""
    missing = dict(_missing_days(events))
    if missing:
        return _of_missing_days(missing, settings)
    for event in events:
        if event.is_step_failure:
            failure = event.step_failure_data
            if (
                failure.user_failure_data and failure.user_failure_data.description
            ):  # dg.Failure: words for people already
                return str(failure.user_failure_data.description)
            return f"step {event.step_key}: {_last_words(failure.error)}"
    return "the run ended without a reason; look at it with `funnelhouse ui`"


def _last_words(error: Any) -> str:
    while error and error.cause:
        error = error.cause
    return _plain(error.message) if error else "no reason given"


def _plain(said: str) -> str:
    return _COLOUR.sub("", said.rpartition(_BEFORE_DBT_SPEAKS)[2]).strip()


# ---- raw days ----------------------------------------------------------------------------------------------


def _missing_days(events: list[Any]) -> Iterator[tuple[str, list[str]]]:
    for event in events:
        check = event.asset_check_evaluation_data if event.event_type_value == "ASSET_CHECK_EVALUATION" else None
        if check and check.check_name == "days_are_whole" and not check.passed:
            yield "/".join(check.asset_key.path), list(check.metadata["missing_days"].value)


def _of_missing_days(missing: Mapping[str, list[str]], settings: Settings) -> str:
    shown = [f"  {stream}: {_listed(days)}" for stream, days in list(missing.items())[:SHOWN]]
    return "\n".join(
        [
            "The check days_are_whole failed, so dbt was not started: days that were just stored are not in the raw zone.",
            *shown,
            *_more(len(missing)),
            f"Something else deletes files in {settings.raw_root}, or its disk loses them. Stop that; run the same again.",
        ]
    )


def _listed(days: list[str]) -> str:
    return ", ".join(days[:SHOWN]) + (f" and {len(days) - SHOWN} more days" if len(days) > SHOWN else "")


def _more(count: int) -> list[str]:
    return [f"  and {count - SHOWN} more"] if count > SHOWN else []


# ---- dbt ---------------------------------------------------------------------------------------------------


def why_dbt_failed(said: str, folder: Path, warehouse: Path, manifest: Path) -> str:
    """What failed in the build that worked in `folder`; what dbt `said` where it did not come as far as to write that
    down. `manifest` is dbt's, of the project."""
    if not (folder / "run_results.json").exists():
        return why_dbt_stopped(said)
    results = json.loads((folder / "run_results.json").read_bytes())["results"]
    return why_nodes_failed(results, folder, warehouse, manifest) or _plain(said)


def why_dbt_stopped(said: str) -> str:
    return f"dbt stopped before its first model: {_plain(said).removeprefix('Encountered an error:').strip()}"


def why_nodes_failed(results: Sequence[Mapping[str, Any]], folder: Path, warehouse: Path, manifest: Path) -> str:
    """What failed among the `results` of dbt's nodes (unique_id, status, message, failures); empty where nothing did."""
    nodes = json.loads(manifest.read_bytes())["nodes"]
    broken = [result for result in results if result["status"] == "error"]
    failed = [result for result in results if result["status"] == "fail"]
    if broken:
        lines = [f"  {_name(nodes, r['unique_id'])}: {_plain(r['message'] or '')}" for r in broken[:SHOWN]]
        return "\n".join(["dbt could not build these, so KPIs were not computed:", *lines, *_more(len(broken))])
    if not failed:
        return ""
    lines = [line for result in failed[:SHOWN] for line in _of_test(nodes, result, folder)]
    return "\n".join(
        [
            "A dbt test failed, so KPIs were not computed:",
            *lines,
            *_more(len(failed)),
            "Correct what these rows come from (a source's data, a rule in funnelhouse.yml) and run the same again. If that "
            f"is right, delete {warehouse}: the next run makes it anew from the raw zone.",
        ]
    )


def _of_test(nodes: Mapping[str, Any], result: Mapping[str, Any], folder: Path) -> Iterator[str]:
    node = nodes.get(result["unique_id"], {})
    test = node.get("test_metadata") or {}
    columns = test.get("kwargs", {}).get("columns") or [test.get("kwargs", {}).get("column_name") or ""]
    name = f"{test.get('name') or node.get('name', result['unique_id'])}"
    of = f" ({', '.join(columns)})" if any(columns) else ""
    about = node.get("attached_node") or next(iter(node.get("depends_on", {}).get("nodes", ())), "")
    rows = result["failures"] or 0
    yield f"  {name}{of} on {_name(nodes, about)}: {rows:,} row{'' if rows == 1 else 's'}"
    query = next((folder / "compiled").rglob(Path(node.get("path", "?")).name), None)
    if query:
        yield f"  the query that shows them: {query}"


def _name(nodes: Mapping[str, Any], unique_id: str) -> str:
    """`marts.fct_leads` of `model.funnelhouse.fct_leads`; a source as dbt names it."""
    node = nodes.get(unique_id)
    return f"{node['schema']}.{node['alias']}" if node else ".".join(unique_id.split(".")[2:]) or "the project"
