"""The names of the KPIs and of the marts that they rest on, as dbt_project/models/semantic declares them: known before
anything is parsed or built."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import yaml

SEMANTIC = Path(__file__).resolve().parents[1] / "dbt_project" / "models" / "semantic"
TIME_SPINE = "dim_date"  # beside the models of semantic/: what its metrics count days by


@cache
def kpi_ids() -> frozenset[str]:
    """Metrics that are KPIs; the others are parts of KPIs and have no tier."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    metrics = [
        metric
        for path in SEMANTIC.glob("*.yml")
        for metric in yaml.load(path.read_text(encoding="utf-8"), Loader=loader).get("metrics", [])
    ]
    return frozenset(m["name"] for m in metrics if m.get("config", {}).get("meta", {}).get("tier"))


@cache
def marts_read() -> tuple[str, ...]:
    """The marts that the semantic models read, and with it what the KPI tables depend on."""
    read = {TIME_SPINE}
    for path in SEMANTIC.glob("*.yml"):
        read.update(re.findall(r"^ *model: ref\('(\w+)'\)", path.read_text(encoding="utf-8"), re.MULTILINE))
    return tuple(sorted(read))
