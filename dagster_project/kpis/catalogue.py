"""The KPI catalogue: what each KPI is made of and in which cuts. Read from the semantic manifest by manifest.py."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

TOTAL = "total"
TWO_CUTS = " | "  # `stage | channel`, members `lead>mql | Paid Search`
NO_MODEL = "none"

# what a metric's meta may hold beside the keys of a part (manifest.py checks it)
REQUIRED = ("tier", "unit", "direction", "timing", "owner", "grain", "version", "additivity", "formula", "cuts")
META = (
    *REQUIRED, "numerator", "denominator", "without_spend", "headline", "model_cuts", "attributed", "interval", "sample", "total",
    "immature_until", "mature_after", "squares", "grains",
)  # fmt: skip


class CatalogueError(Exception):
    """The semantic manifest is missing, or a metric's meta cannot be used; the message names metric and key."""


@dataclass(frozen=True)
class Measure:
    """A metric that is one aggregation over one mart.

    `rests_on`: the subjects whose days it counts; each must be fed, and a day is whole when all that feed it have it.
    `needs`: what somebody must say at all, on whatever day (a stage that is mapped). `quality_of`: subjects that only
    colour it (exchange rates). `by_model` names the metric that answers in its place, per attribution model, in the cuts
    that need a model. `counted_by`: the entity of a mart that has one row per grain, period and cut (unique visitors).
    """

    name: str
    semantic_model: str
    aggregation: str
    time: str
    entities: frozenset[str]
    rests_on: tuple[str, ...]
    needs: tuple[str, ...]
    quality_of: tuple[str, ...]
    by_model: str | None = None
    is_snapshot: bool = False  # a state: of a period its last (or first) one counts
    counted_by: str | None = None

    @property
    def adds_up(self) -> bool:
        """Days may be put together into any period; a distinct count, a median or a state must be asked for each period."""
        return self.aggregation in ("sum", "min", "max") and not self.is_snapshot

    @property
    def is_count(self) -> bool:
        """Nothing to count is 0, where the days were extracted; there is no median, first name or state of nothing."""
        return self.aggregation not in ("min", "max", "median") and not self.is_snapshot

    @property
    def is_credit(self) -> bool:
        return "attribution_model" in self.entities

    @property
    def is_counted_per_period(self) -> bool:
        return self.counted_by is not None


@dataclass(frozen=True)
class Part:
    """A metric as an SQL expression over measures: `{sessions}` stands for the measure, `{why}` for the KPI's reason.

    `own`: those of the measures that a member must have something of to be a member (others are only looked at).
    """

    metric: str
    expression: str
    measures: tuple[str, ...]
    own: tuple[str, ...]

    @classmethod
    def of(cls, measure: Measure) -> Part:
        expression = f"coalesce({{{measure.name}}}, 0)" if measure.is_count else f"{{{measure.name}}}"
        return cls(measure.name, expression, (measure.name,), (measure.name,))


@dataclass(frozen=True)
class Formula:
    """A metric with all that its rows say: the value, why there is none, and what was divided by what."""

    value: Part
    reason: Part | None
    numerator: Part
    denominator: Part | None
    sample: Part | None


@dataclass(frozen=True)
class Line:
    """One KPI in one cut: the parts as they are asked for there (with model: the crediting measures)."""

    kpi: Kpi
    dimension: str
    has_model: bool
    formula: Formula
    without_spend: Part | None
    maturity: Part | None
    squares: Part | None
    is_counted_per_period: bool

    @property
    def measures(self) -> set[str]:
        of = self.formula
        parts = (
            of.value,
            of.reason,
            of.numerator,
            of.denominator,
            of.sample,
            self.without_spend,
            self.maturity,
            self.squares,
        )
        return {name for part in parts if part for name in part.measures}

    @property
    def own(self) -> set[str]:
        parts = (self.formula.numerator, self.formula.denominator, self.without_spend)
        return {name for part in parts if part for name in part.own}


@dataclass(frozen=True)
class Kpi:
    """One KPI of the catalogue; fields as in kpi.dim_kpi.

    `attributed`: how it is answered in the cuts that need an attribution model, where that is another metric.
    `without_spend`: what stands as the numerator of a member that nothing was spent on. `squares`: of a mean with an interval,
    the sum of the squares of what its numerator is the sum of.
    """

    id: str
    name: str
    description: str
    made_of: Formula
    attributed: Formula | None
    without_spend: Part | None
    maturity: Part | None
    squares: Part | None
    meta: Mapping[str, Any] = field(repr=False)

    def __getattr__(self, key: str) -> Any:
        if key in META:  # required keys are there, manifest.py has looked
            return self.meta.get(key)
        raise AttributeError(key)

    @property
    def parts(self) -> list[tuple[str, Part]]:
        """`numerator` and, where there is one, `denominator`."""
        sides = (("numerator", self.made_of.numerator), ("denominator", self.made_of.denominator))
        return [(name, part) for name, part in sides if part]

    @property
    def kind(self) -> str:
        """`ratio`; `median`, also for what is made of several KPIs: neither has parts to show; or `count` for everything that is
        its own numerator."""
        if self.made_of.denominator:
            return "ratio"
        return "median" if self.additivity in ("median", "composite") else "count"

    @property
    def dimensions(self) -> list[str]:
        """Every dimension that has rows of this KPI, total first."""
        total = [] if self.total == "none" else [TOTAL]
        return list(dict.fromkeys([*total, *self.cuts, *(self.model_cuts or [])]))


@dataclass(frozen=True)
class Catalogue:
    kpis: Mapping[str, Kpi]
    measures: Mapping[str, Measure]

    @cached_property
    def dimensions(self) -> list[str]:
        """Dimensions in the order they are built, total first."""
        seen = {d for kpi in self.kpis.values() for d in kpi.dimensions}
        return sorted(seen, key=lambda d: (d != TOTAL, d))

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
        formula, without_spend = kpi.made_of, kpi.without_spend if dimension != TOTAL else None
        if has_model:
            formula, without_spend = self._by_model(kpi.attributed or formula), self._swapped(without_spend)
        line = Line(
            kpi=kpi,
            dimension=dimension,
            has_model=has_model,
            formula=formula,
            without_spend=without_spend,
            maturity=kpi.maturity,
            squares=kpi.squares,
            is_counted_per_period=any(self.measures[m].is_counted_per_period for m in formula.numerator.measures),
        )
        self._check_cut(line)
        return line

    def rests_on(self, part: Part) -> list[str]:
        return list(dict.fromkeys(subject for m in part.own for subject in self.measures[m].rests_on))

    def needs(self, part: Part) -> list[str]:
        return list(dict.fromkeys(subject for m in part.own for subject in self.measures[m].needs))

    def quality_of(self, kpi: Kpi) -> list[str]:
        """All subjects whose state a KPI's `quality` tells."""
        measures = [self.measures[m] for _, part in kpi.parts for m in part.own]
        return list(dict.fromkeys(s for m in measures for s in (*m.rests_on, *m.needs, *m.quality_of)))

    def _by_model(self, formula: Formula) -> Formula:
        swapped: dict[str, Any] = {part.name: self._swapped(getattr(formula, part.name)) for part in fields(Formula)}
        return replace(formula, **swapped)

    def _swapped(self, part: Part | None) -> Part | None:
        """The part by attribution model: other measures in the same expression."""
        if part is None:
            return None
        swap = {m: self.measures[m].by_model or m for m in part.measures}
        expression = re.sub(r"\{(\w+)\}", lambda found: f"{{{swap.get(found[1], found[1])}}}", part.expression)
        measures, own = ([swap[m] for m in names] for names in (part.measures, part.own))
        return Part(part.metric, expression, tuple(measures), tuple(own))

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
