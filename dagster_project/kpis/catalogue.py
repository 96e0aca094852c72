"""The KPI catalogue as dbt's semantic manifest states it: what each KPI is made of and in which cuts. Runs no SQL.

A metric is a KPI when its `meta` has a `tier`; every other metric is a part that KPIs are made of. What `meta` may
hold is checked here, so that a wrong key is one clear error and not a column of nulls.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

TOTAL = "total"
TWO_CUTS = " | "  # `stage | channel`, members `lead>mql | Paid Search`
NO_MODEL = "none"

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
REQUIRED = (
    "tier", "unit", "direction", "timing", "owner", "grain", "version", "additivity", "formula", "cuts",
)  # fmt: skip
OPTIONAL = {
    "headline", "model_cuts", "interval", "spend", "sample", "total", "immature_until", "mature_after",
    "zero_numerator_is_zero", "needs_stage", "by_model", "unconverted", "unknown",
}  # fmt: skip


class CatalogueError(Exception):
    """The semantic manifest is missing, or a metric's meta cannot be used; the message names metric and key."""


@dataclass(frozen=True)
class Measure:
    """A metric that is one aggregation over one mart.

    `domains`: what must be extracted for it to have a value (any one of them suffices). `unconverted` and `unknown`
    name metrics that count rows without an exchange rate or without a known value: above 0 the sum means nothing.
    `by_model` names the metric that answers in its place, per attribution model, in the cuts that need a model.
    """

    name: str
    semantic_model: str
    aggregation: str
    time: str
    entities: frozenset[str]
    domains: tuple[str, ...]
    quality_domains: tuple[str, ...]
    unconverted: str | None = None
    unknown: str | None = None
    by_model: str | None = None

    @property
    def adds_up(self) -> bool:
        """Days may be put together into any period; a distinct count or a median must be asked for each period."""
        return self.aggregation in ("sum", "max")

    @property
    def is_credit(self) -> bool:
        return "attribution_model" in self.entities

    @property
    def is_counted_per_period(self) -> bool:
        """The mart itself has one row per grain, period and cut (unique visitors)."""
        return "period_grain" in self.entities


@dataclass(frozen=True)
class Part:
    """Numerator or denominator: an SQL expression over measures (`{sessions}` stands for the measure)."""

    metric: str
    expression: str
    measures: tuple[str, ...]


@dataclass(frozen=True)
class Line:
    """One KPI in one cut: the parts as they are asked for there (with model: the crediting measures)."""

    kpi: Kpi
    dimension: str
    has_model: bool
    numerator: Part
    denominator: Part | None
    sample: Part | None
    unconverted_numerator: tuple[str, ...]
    unconverted_denominator: tuple[str, ...]
    unknown: tuple[str, ...]
    maturity: Part | None
    is_counted_per_period: bool

    @property
    def measures(self) -> set[str]:
        parts = [p for p in (self.numerator, self.denominator, self.sample, self.maturity) if p]
        return {m for p in parts for m in p.measures} | {
            *self.unconverted_numerator, *self.unconverted_denominator, *self.unknown,
        }  # fmt: skip


@dataclass(frozen=True)
class Kpi:
    """One KPI of the catalogue; fields as in kpi.dim_kpi."""

    id: str
    name: str
    description: str
    numerator: Part
    denominator: Part | None
    meta: Mapping[str, Any] = field(repr=False)

    def __getattr__(self, key: str) -> Any:
        # only optional keys may be absent: required ones were checked when the catalogue was read
        if key in REQUIRED or key in OPTIONAL:
            return self.meta.get(key)
        raise AttributeError(key)

    @property
    def kind(self) -> str:
        """`ratio`, `median`, or `count` for everything that is its own numerator."""
        return "ratio" if self.denominator else "median" if self.additivity == "median" else "count"

    @property
    def dimensions(self) -> list[str]:
        """Every dimension that has rows of this KPI, total first."""
        total = [] if self.total == "none" else [TOTAL]
        return list(dict.fromkeys([*total, *self.cuts, *(self.model_cuts or [])]))

    @property
    def channels_with(self) -> str | None:
        """The measure a channel must have for its figures to enter the total (RULINGS: roas at total)."""
        return self.total["channels_with"] if isinstance(self.total, dict) else None


@dataclass(frozen=True)
class Catalogue:
    kpis: Mapping[str, Kpi]
    measures: Mapping[str, Measure]

    @cached_property
    def dimensions(self) -> list[str]:
        """Dimensions in the order they are built: channel first, because some totals are made of it."""
        seen = {d for kpi in self.kpis.values() for d in kpi.dimensions}
        return sorted(seen, key=lambda d: (d != "channel", d != TOTAL, d))

    @cached_property
    def channels_with(self) -> Measure | None:
        """The measure of all totals that are made of channels; there is at most one."""
        names = sorted({kpi.channels_with for kpi in self.kpis.values() if kpi.channels_with})
        if len(names) > 1:
            raise CatalogueError(f"meta key total: channels_with names {', '.join(names)}; only one is possible")
        return self.measures[names[0]] if names else None

    def kpi(self, kpi_id: str) -> Kpi:
        try:
            return self.kpis[kpi_id]
        except KeyError:
            raise CatalogueError(f"There is no KPI {kpi_id!r}. KPIs: {', '.join(self.kpis)}") from None

    def lines(self, dimension: str) -> list[Line]:
        """The KPIs that have rows in this dimension."""
        return [self.line(kpi, dimension) for kpi in self.kpis.values() if dimension in kpi.dimensions]

    def line(self, kpi: Kpi, dimension: str) -> Line:
        has_model = dimension in (kpi.model_cuts or [])
        numerator = self._as_asked(kpi.numerator, has_model)
        denominator = self._as_asked(kpi.denominator, has_model) if kpi.denominator else None
        sample = self._sample(kpi, numerator, denominator, has_model)
        maturity = (kpi.immature_until or {}).get("metric")
        line = Line(
            kpi=kpi,
            dimension=dimension,
            has_model=has_model,
            numerator=numerator,
            denominator=denominator,
            sample=sample,
            unconverted_numerator=self._named("unconverted", numerator),
            unconverted_denominator=self._named("unconverted", denominator),
            unknown=self._named("unknown", numerator, denominator),
            maturity=self.part(maturity) if maturity else None,
            is_counted_per_period=any(self.measures[m].is_counted_per_period for m in numerator.measures),
        )
        self._check_cut(line)
        return line

    def part(self, metric: str) -> Part:
        return Part(metric, f"{{{metric}}}", (metric,))

    def domain_groups(self, part: Part | None) -> list[tuple[str, ...]]:
        """What a part rests on: every group is needed, one domain of a group suffices."""
        names = part.measures if part else ()
        return list(dict.fromkeys(self.measures[m].domains for m in names))

    def quality_domains(self, kpi: Kpi) -> list[str]:
        measures = [m for part in (kpi.numerator, kpi.denominator) if part for m in part.measures]
        domains = [d for m in measures for d in (*self.measures[m].domains, *self.measures[m].quality_domains)]
        return list(dict.fromkeys(domains))

    def _as_asked(self, part: Part, has_model: bool) -> Part:
        if not has_model:
            return part
        swap = {m: self.measures[m].by_model or m for m in part.measures}
        expression = re.sub(r"\{(\w+)\}", lambda found: f"{{{swap[found[1]]}}}", part.expression)
        return Part(swap.get(part.metric, part.metric), expression, tuple(swap[m] for m in part.measures))

    def _sample(self, kpi: Kpi, numerator: Part, denominator: Part | None, has_model: bool) -> Part | None:
        """What was observed, for `sample_size`: named in meta, else the count that the KPI is, or is divided by."""
        if kpi.sample:
            return self._as_asked(self.part(kpi.sample), has_model)
        if denominator:
            return denominator if kpi.unit in ("rate", "money") else None
        return numerator if kpi.unit == "count" else None

    def _named(self, attribute: str, *parts: Part | None) -> tuple[str, ...]:
        names = [getattr(self.measures[m], attribute) for part in parts if part for m in part.measures]
        return tuple(dict.fromkeys(n for n in names if n))

    def _check_cut(self, line: Line) -> None:
        for name in sorted(line.measures):
            measure = self.measures[name]
            if measure.is_counted_per_period or line.dimension == TOTAL:
                continue
            if line.has_model and not measure.adds_up:
                raise CatalogueError(
                    f"KPI {line.kpi.id}: {name} is a {measure.aggregation}, which cannot be credited to touches; "
                    f"leave {line.dimension!r} out of model_cuts"
                )
            missing = [cut for cut in line.dimension.split(TWO_CUTS) if cut not in measure.entities]
            if missing:
                raise CatalogueError(
                    f"KPI {line.kpi.id}: cut {line.dimension!r} is impossible, because {name} (semantic model "
                    f"{measure.semantic_model}) has no entity {missing[0]!r}. Its entities: {', '.join(sorted(measure.entities))}"
                )


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
        meta, model_meta = _meta(metric), _meta(model)
        if not model_meta.get("domains"):
            raise CatalogueError(f"semantic model {model['name']}: meta needs `domains`, what it rests on")
        measures[metric["name"]] = Measure(
            name=metric["name"],
            semantic_model=model["name"],
            aggregation=measure["agg"],
            time=measure["agg_time_dimension"] or model["defaults"]["agg_time_dimension"],
            entities=frozenset(e["name"] for e in [*model["entities"], *model["dimensions"]]),
            domains=tuple(model_meta["domains"]),
            quality_domains=tuple(model_meta.get("quality_domains", ())),
            unconverted=meta.get("unconverted"),
            unknown=meta.get("unknown"),
            by_model=meta.get("by_model"),
        )
    for measure in measures.values():
        for key in ("unconverted", "unknown", "by_model"):
            _must_be_measure(getattr(measure, key), measures, f"metric {measure.name}: meta key {key!r}")
    return measures


def _kpi(metric: Mapping[str, Any], metrics: Mapping[str, Any], measures: Mapping[str, Measure]) -> Kpi:
    meta, params, name = _meta(metric), metric["type_params"], metric["name"]
    _check_meta(name, meta, measures)
    if metric["type"] == "simple":
        numerator, denominator = Part(name, f"{{{name}}}", (name,)), None
    elif metric["type"] == "ratio":
        numerator = _part(params["numerator"]["name"], metrics, measures)
        denominator = _part(params["denominator"]["name"], metrics, measures)
    else:
        raise CatalogueError(f"KPI {name}: type {metric['type']!r}; allowed: simple, ratio (of simple or derived metrics)")
    return Kpi(name, metric["label"] or name, " ".join(metric["description"].split()), numerator, denominator, meta)


def _part(name: str, metrics: Mapping[str, Any], measures: Mapping[str, Measure]) -> Part:
    if name in measures:
        return Part(name, f"{{{name}}}", (name,))
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
    if unknown := [key for key in meta if key not in REQUIRED and key not in OPTIONAL]:
        raise CatalogueError(f"KPI {name}: meta key {unknown[0]!r} is not known; known are {', '.join(_known_keys())}")
    for key, allowed in ALLOWED.items():
        if meta.get(key) is not None and meta[key] not in allowed:
            raise CatalogueError(f"KPI {name}: meta key {key!r} is {meta[key]!r}; allowed: {', '.join(allowed)}")
    _must_be_measure(meta.get("sample"), measures, f"KPI {name}: meta key 'sample'")
    _must_be_measure((meta.get("immature_until") or {}).get("metric"), measures, f"KPI {name}: meta key 'immature_until'")


def _known_keys() -> Iterable[str]:
    return sorted({*REQUIRED, *OPTIONAL})


def _must_be_measure(name: str | None, measures: Mapping[str, Measure], where: str) -> None:
    if name and name not in measures:
        raise CatalogueError(f"{where} names {name!r}, which is not a simple metric")
