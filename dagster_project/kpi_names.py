"""The names of the KPIs, as dbt_project/models/semantic declares them: known before anything is parsed or built."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml

SEMANTIC = Path(__file__).resolve().parents[1] / "dbt_project" / "models" / "semantic"


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
