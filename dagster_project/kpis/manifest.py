"""How the catalogue is read from dbt's semantic manifest, and what a metric's `meta` may say. Runs no SQL.

A metric is a KPI when its `meta` has a `tier`; every other metric is a part that KPIs are made of. Every key is
checked, so that a wrong one is one clear error and not a column of nulls.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dagster_project.kpis.catalogue import META, REQUIRED, Catalogue, CatalogueError, Kpi, Measure, Part

OF_PARTS = ("by_model", "unconverted", "unknown")  # meta that any simple metric may have
ALLOWED = {
    "tier": ("core", "extended"),
    "unit": ("count", "money", "rate", "percent", "multiple", "days"),
    "direction": ("higher", "lower", "context"),
    "timing": ("leading", "lagging"),
    "grain": ("day", "week", "month", "quarter", "year"),
    "additivity": ("additive", "distinct", "median", "ratio", "cohort"),
    "spend": ("numerator", "denominator"),
    "interval": ("wilson",),
}


def load_catalogue(manifest: Path | str) -> Catalogue:
    """The catalogue of a parsed dbt project; `manifest` is semantic_manifest.json or the target folder that holds it.

    Raises CatalogueError when the file is missing or a metric's meta cannot be used.
    """
    path = semantic_manifest_path(manifest)
    content = json.loads(path.read_text(encoding="utf-8"))
    measures = _measures(content)
    metrics = {metric["name"]: metric for metric in content["metrics"]}
    kpis = [_kpi(m, metrics, measures) for m in content["metrics"] if "tier" in _meta(m)]
    catalogue = Catalogue({k.id: k for k in sorted(kpis, key=lambda k: k.id)}, measures)
    for dimension in catalogue.dimensions:
        catalogue.lines(dimension)  # raises on an impossible cut
    return catalogue


def semantic_manifest_path(manifest: Path | str) -> Path:
    path = Path(manifest)
    path = path / "semantic_manifest.json" if path.is_dir() else path
    if not path.exists():
        raise CatalogueError(f"{path} does not exist; `dbt parse` in dbt_project writes it")
    return path


def _meta(element: Mapping[str, Any]) -> Mapping[str, Any]:
    return (element.get("config") or {}).get("meta") or {}


def _measures(content: Mapping[str, Any]) -> dict[str, Measure]:
    """The simple metrics, by name."""
    where: dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
        measure["name"]: (model, measure) for model in content["semantic_models"] for measure in model["measures"]
    }
    measures = {}
    for metric in content["metrics"]:
        if metric["type"] != "simple":
            continue
        model, measure = where[metric["type_params"]["measure"]["name"]]
        meta, sources = _meta(metric), _sources(model, measure["name"])
        measures[metric["name"]] = Measure(
            name=metric["name"],
            semantic_model=model["name"],
            aggregation=measure["agg"],
            time=measure["agg_time_dimension"] or model["defaults"]["agg_time_dimension"],
            entities=frozenset(e["name"] for e in [*model["entities"], *model["dimensions"]]),
            **sources,
            unconverted=meta.get("unconverted"),
            unknown=meta.get("unknown"),
            by_model=meta.get("by_model"),
        )
    for measure in measures.values():
        for key in OF_PARTS:
            _must_be_measure(getattr(measure, key), measures, f"metric {measure.name}: meta key {key!r}")
    return measures


def _sources(model: Mapping[str, Any], measure: str) -> dict[str, tuple[str, ...]]:
    """What a measure rests on: the semantic model's meta, but for what its `measures` say of this one."""
    meta = _meta(model)
    known = {measure["name"] for measure in model["measures"]}
    if unknown := sorted(set(meta.get("measures", {})) - known):
        raise CatalogueError(f"semantic model {model['name']}: meta key measures: it has no measure {unknown[0]!r}")
    found = {**meta, **meta.get("measures", {}).get(measure, {})}
    if not found.get("rests_on"):
        raise CatalogueError(f"semantic model {model['name']}: meta needs `rests_on`, the subjects that feed it")
    return {key: tuple(found.get(key, ())) for key in ("rests_on", "needs", "quality_of")}


def _kpi(metric: Mapping[str, Any], metrics: Mapping[str, Any], measures: Mapping[str, Measure]) -> Kpi:
    meta, params, name = _meta(metric), metric["type_params"], metric["name"]
    _check_meta(name, meta, measures)
    if metric["type"] == "simple":
        numerator, denominator = Part.of(name), None
    elif metric["type"] == "ratio":
        numerator = _part(params["numerator"]["name"], metrics, measures)
        denominator = _part(params["denominator"]["name"], metrics, measures)
    else:
        raise CatalogueError(f"KPI {name}: type {metric['type']!r}; allowed: simple, ratio")
    return Kpi(name, metric["label"] or name, " ".join(metric["description"].split()), numerator, denominator, meta)


def _part(name: str, metrics: Mapping[str, Any], measures: Mapping[str, Measure]) -> Part:
    if name in measures:
        return Part.of(name)
    metric = metrics[name]
    inputs = [m["name"] for m in metric["type_params"]["metrics"] or []]
    if metric["type"] != "derived" or any(m["alias"] for m in metric["type_params"]["metrics"]):
        raise CatalogueError(f"metric {name}: a part is a simple metric, or derived from simple ones without alias")
    for one in inputs:
        _must_be_measure(one, measures, f"metric {name}: input")
    words = "|".join(sorted(inputs, key=len, reverse=True))
    return Part(name, re.sub(rf"\b({words})\b", r"{\1}", metric["type_params"]["expr"]), tuple(inputs))


def _check_meta(name: str, meta: Mapping[str, Any], measures: Mapping[str, Measure]) -> None:
    if missing := [key for key in REQUIRED if meta.get(key) is None]:
        raise CatalogueError(f"KPI {name}: meta has no {', '.join(missing)}")
    if unknown := [key for key in meta if key not in (*META, *OF_PARTS)]:
        known = ", ".join(sorted((*META, *OF_PARTS)))
        raise CatalogueError(f"KPI {name}: meta key {unknown[0]!r} is not known; known are {known}")
    for key, allowed in ALLOWED.items():
        if meta.get(key) is not None and meta[key] not in allowed:
            raise CatalogueError(f"KPI {name}: meta key {key!r} is {meta[key]!r}; allowed: {', '.join(allowed)}")
    _must_be_measure(meta.get("sample"), measures, f"KPI {name}: meta key 'sample'")
    window = (meta.get("immature_until") or {}).get("metric")
    _must_be_measure(window, measures, f"KPI {name}: meta key 'immature_until'")


def _must_be_measure(name: str | None, measures: Mapping[str, Measure], where: str) -> None:
    if name and name not in measures:
        raise CatalogueError(f"{where} names {name!r}, which is not a simple metric")
