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

from dagster_project.kpis.catalogue import META, REQUIRED, Catalogue, CatalogueError, Formula, Kpi, Measure, Part

WHY = "{why}"
OF_METRICS = ("numerator", "denominator", "without_spend", "attributed")  # meta keys that name another metric
REASON = "{}_reason"  # the metric that says why another one has no value
ALLOWED = {
    "tier": ("core", "extended"),
    "unit": (
        "count",
        "money",
        "rate",
        "percent",
        "multiple",
        "money/day",
        "days",
        "months",
        "orders/customer",
        "points",
        "position",
    ),
    "direction": ("higher", "lower", "context"),
    "timing": ("leading", "lagging"),
    "grain": ("day", "week", "month", "quarter", "year"),
    "additivity": ("additive", "distinct", "median", "snapshot", "ratio", "cohort", "composite"),
    "interval": ("wilson", "mean"),
}


def load_catalogue(manifest: Path | str) -> Catalogue:
    """The catalogue of a parsed dbt project; `manifest` is semantic_manifest.json or the target folder that holds it.

    Raises CatalogueError when the file is missing or a metric's meta cannot be used.
    """
    path = semantic_manifest_path(manifest)
    content = json.loads(path.read_text(encoding="utf-8"))
    measures = _measures(content)
    metrics = {metric["name"]: metric for metric in content["metrics"]}
    kpis = [Reader(metrics, measures).kpi(m) for m in content["metrics"] if "tier" in _meta(m)]
    catalogue = Catalogue({k.id: k for k in sorted(kpis, key=lambda k: k.id)}, measures)
    for dimension in catalogue.dimensions:
        catalogue.lines(dimension)  # raises on an impossible cut
    return catalogue


def owners(manifest: Path | str) -> list[str]:
    """Everybody who answers for a KPI, of a parsed dbt project as for `load_catalogue`; two in one line are two."""
    metrics = json.loads(semantic_manifest_path(manifest).read_text(encoding="utf-8"))["metrics"]
    return sorted({name for metric in metrics for name in _meta(metric).get("owner", "").split(" and ") if name})


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
            by_model=meta.get("by_model"),
            is_snapshot=bool(measure.get("non_additive_dimension")),
            counted_by=_counted_by(model),
        )
    for known in measures.values():
        _must_be_measure(known.by_model, measures, f"metric {known.name}: meta key 'by_model'")
    return measures


def _counted_by(model: Mapping[str, Any]) -> str | None:
    """The entity of a model whose rows are counts of whole periods."""
    names = {dimension["name"] for dimension in model["dimensions"]}
    return model["primary_entity"] if "period_grain" in names else None


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


class Reader:
    """Metrics as expressions over measures."""

    def __init__(self, metrics: Mapping[str, Any], measures: Mapping[str, Measure]) -> None:
        self._metrics, self._measures = metrics, measures

    def kpi(self, metric: Mapping[str, Any]) -> Kpi:
        meta, name = _meta(metric), metric["name"]
        _check_meta(name, meta, self._measures)
        for key in OF_METRICS:
            if meta.get(key) and meta[key] not in self._metrics:
                raise CatalogueError(f"KPI {name}: meta key {key!r} names {meta[key]!r}, which is not a metric")
        if meta["additivity"] in ("ratio", "cohort") and not (meta.get("numerator") and meta.get("denominator")):
            missing = "denominator" if meta.get("numerator") else "numerator"
            raise CatalogueError(f"KPI {name}: it is a ratio, and meta has no {missing}")
        maturity = (meta.get("immature_until") or {}).get("metric")
        return Kpi(
            id=name,
            name=metric["label"] or name,
            description=" ".join(metric["description"].split()),
            made_of=self.formula(name, meta["unit"]),
            attributed=self.formula(meta["attributed"], meta["unit"]) if meta.get("attributed") else None,
            without_spend=self.part(meta["without_spend"]) if meta.get("without_spend") else None,
            maturity=Part.of(self._measures[maturity]) if maturity else None,
            squares=self.part(meta["squares"]) if meta.get("squares") else None,
            meta=meta,
        )

    def formula(self, name: str, unit: str) -> Formula:
        """`sample` is what was observed: named in meta, else the count that the metric is, or is divided by."""
        meta = _meta(self._metrics[name])
        whole, value = self.part(name), self.part(name, REASON.format(name))
        reason = self.part(REASON.format(name)) if REASON.format(name) in self._metrics else None
        if not meta.get("denominator"):
            sample = self.part(meta["sample"]) if meta.get("sample") else whole if unit == "count" else None
            return Formula(value, reason, whole, None, sample)
        numerator, denominator = self.part(meta["numerator"]), self.part(meta["denominator"])
        sample = self.part(meta["sample"]) if meta.get("sample") else denominator if unit in ("rate", "money") else None
        return Formula(value, reason, numerator, denominator, sample)

    def part(self, name: str, reason: str = "") -> Part:
        """The metric with its inputs put in place of their names; `reason` stays a placeholder."""
        if name in self._measures:
            return Part.of(self._measures[name])
        metric = self._metrics[name]
        inputs = metric["type_params"]["metrics"] or []
        if metric["type"] != "derived" or any(m["alias"] or m["filter"] or m["offset_window"] for m in inputs):
            raise CatalogueError(
                f"metric {name}: a part is simple, or derived from others without alias, filter and offset"
            )
        parts = {m["name"]: self.part(m["name"]) for m in inputs}
        texts = {
            input_name: WHY if input_name == reason else f"({part.expression})" for input_name, part in parts.items()
        }
        expression = re.sub(r"\b\w+\b", lambda found: texts.get(found[0], found[0]), metric["type_params"]["expr"])
        measures = [m for part in parts.values() for m in part.measures]
        own = [m for part in self._own(name, parts) for m in part.own]
        return Part(name, expression, tuple(dict.fromkeys(measures)), tuple(dict.fromkeys(own)))

    def _own(self, name: str, parts: Mapping[str, Part]) -> list[Part]:
        """The inputs that make a member: all, or the count that the metric's meta names, and what spoils it."""
        meta = _meta(self._metrics[name])
        if not meta.get("numerator") or meta.get("denominator"):
            return list(parts.values())
        return [self.part(meta["numerator"]), *(part for key, part in parts.items() if key == REASON.format(name))]


def _check_meta(name: str, meta: Mapping[str, Any], measures: Mapping[str, Measure]) -> None:
    if missing := [key for key in REQUIRED if meta.get(key) is None]:
        raise CatalogueError(f"KPI {name}: meta has no {', '.join(missing)}")
    if unknown := [key for key in meta if key not in META]:
        known = ", ".join(sorted(META))
        raise CatalogueError(f"KPI {name}: meta key {unknown[0]!r} is not known; known are {known}")
    for key, allowed in ALLOWED.items():
        if meta.get(key) is not None and meta[key] not in allowed:
            raise CatalogueError(f"KPI {name}: meta key {key!r} is {meta[key]!r}; allowed: {', '.join(allowed)}")
    for key in ("sample", "squares"):
        _must_be_measure(meta.get(key), measures, f"KPI {name}: meta key {key!r}")
    if (meta.get("interval") == "mean") != bool(meta.get("squares")):
        raise CatalogueError(f"KPI {name}: meta keys 'interval: mean' and 'squares' belong together")
    if wrong := [grain for grain in meta.get("grains") or [] if grain not in ALLOWED["grain"]]:
        raise CatalogueError(f"KPI {name}: meta key 'grains' has {wrong[0]!r}; allowed: {', '.join(ALLOWED['grain'])}")
    window = (meta.get("immature_until") or {}).get("metric")
    _must_be_measure(window, measures, f"KPI {name}: meta key 'immature_until'")


def _must_be_measure(name: str | None, measures: Mapping[str, Measure], where: str) -> None:
    if name and name not in measures:
        raise CatalogueError(f"{where} names {name!r}, which is not a simple metric")
