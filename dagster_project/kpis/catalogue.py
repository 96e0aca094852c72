"""The KPI catalogue: what each KPI is made of and in which cuts. Read from the semantic manifest by manifest.py."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

TOTAL = "total"
TWO_CUTS = " | "  # `stage | channel`, members `lead>mql | Paid Search`
NO_MODEL = "none"

# what a metric's meta may hold beside the keys of a part (manifest.py checks it)
REQUIRED = ("tier", "unit", "direction", "timing", "owner", "grain", "version", "additivity", "formula", "cuts")
META = (
    *REQUIRED, "headline", "model_cuts", "interval", "spend", "sample", "total", "immature_until", "mature_after",
    "zero_numerator_is_zero",
)  # fmt: skip


class CatalogueError(Exception):
    """The semantic manifest is missing, or a metric's meta cannot be used; the message names metric and key."""


@dataclass(frozen=True)
class Measure:
    """A metric that is one aggregation over one mart.

    `rests_on`: the subjects whose days it counts; each must be fed, and a day is whole when all that feed it have it.
    `needs`: what somebody must say at all, on whatever day (a stage that is mapped). `quality_of`: subjects that only
    colour it (exchange rates). `unconverted` and `unknown`
    name metrics that count rows without an exchange rate or without a known value: above 0 the sum means nothing.
    `by_model` names the metric that answers in its place, per attribution model, in the cuts that need a model.
    """

    name: str
    semantic_model: str
    aggregation: str
    time: str
    entities: frozenset[str]
    rests_on: tuple[str, ...]
    needs: tuple[str, ...]
    quality_of: tuple[str, ...]
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

    @classmethod
    def of(cls, measure: str) -> Part:
        return cls(measure, f"{{{measure}}}", (measure,))


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
        if key in META:  # required keys are there, manifest.py has looked
            return self.meta.get(key)
        raise AttributeError(key)

    @property
    def parts(self) -> list[tuple[str, Part]]:
        """`numerator` and, where there is one, `denominator`."""
        sides = (("numerator", self.numerator), ("denominator", self.denominator))
        return [(name, part) for name, part in sides if part]

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
            maturity=Part.of(maturity) if maturity else None,
            is_counted_per_period=any(self.measures[m].is_counted_per_period for m in numerator.measures),
        )
        self._check_cut(line)
        return line

    def rests_on(self, part: Part) -> list[str]:
        return list(dict.fromkeys(subject for m in part.measures for subject in self.measures[m].rests_on))

    def needs(self, part: Part) -> list[str]:
        return list(dict.fromkeys(subject for m in part.measures for subject in self.measures[m].needs))

    def quality_of(self, kpi: Kpi) -> list[str]:
        """All subjects whose state a KPI's `quality` tells."""
        measures = [self.measures[m] for _, part in kpi.parts for m in part.measures]
        return list(dict.fromkeys(s for m in measures for s in (*m.rests_on, *m.needs, *m.quality_of)))

    def _as_asked(self, part: Part, has_model: bool) -> Part:
        if not has_model:
            return part
        swap = {m: self.measures[m].by_model or m for m in part.measures}
        expression = re.sub(r"\{(\w+)\}", lambda found: f"{{{swap[found[1]]}}}", part.expression)
        return Part(swap.get(part.metric, part.metric), expression, tuple(swap[m] for m in part.measures))

    def _sample(self, kpi: Kpi, numerator: Part, denominator: Part | None, has_model: bool) -> Part | None:
        """What was observed, for `sample_size`: named in meta, else the count that the KPI is, or is divided by."""
        if kpi.sample:
            return self._as_asked(Part.of(kpi.sample), has_model)
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
                has = ", ".join(sorted(measure.entities))
                raise CatalogueError(
                    f"KPI {line.kpi.id}: cut {line.dimension!r} is impossible, because {name} (semantic model "
                    f"{measure.semantic_model}) has no entity {missing[0]!r}. Its entities: {has}"
                )
