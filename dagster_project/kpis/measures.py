"""Measures in memory: what the semantic layer answers for one cut, as temporary tables that the facts are made of.

* Measures that add up are asked once per cut, by day: `kpi_days` (date_day, member, attribution_model, <measures>).
* A median or a distinct count must be asked for every window of days. MetricFlow's SQL is joined laterally to the
  windows, so one statement answers all periods of all grains, and the running ones like for like: `kpi_windowed`
  (grain, period_start, through, which, member, attribution_model, <measures>).
* `kpi_cells` puts both together: one row per grain, period, member and model, and for every measure the columns
  now__<measure>, previous__<measure>, year_ago__<measure>; null where the member has nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import duckdb

from dagster_project.kpis.catalogue import NO_MODEL, TOTAL, TWO_CUTS, Catalogue, Measure
from dagster_project.kpis.compiler import Compiler
from dagster_project.kpis.inputs import Inputs, fill
from dagster_project.kpis.periods import WHICH

NOT_SET = "(not set)"
_CELL = ("grain", "period_start", "through", "member", "attribution_model")
IN_WINDOW = "{{ TimeDimension('metric_time', 'day') }} between w.from_day and w.to_day"
CAMPAIGNS = "marts.dim_campaign"
GROUP_BY = {"campaign": "campaign__campaign_name"}  # the name people see; two campaigns of one name are one member


@dataclass
class Asked:
    """The measures of one cut, after they were asked: `daily` and `windowed` names, what the tables hold."""

    dimension: str
    daily: list[Measure] = field(default_factory=list)
    windowed: list[Measure] = field(default_factory=list)


def create_models(
    connection: duckdb.DuckDBPyConnection, catalogue: Catalogue, compiler: Compiler, inputs: Inputs
) -> str:
    """Make `kpi_models`, the attribution models that have credited anything (before the first order: the default one),
    and `kpi_grain_models` (grain, attribution_model), those that rows of each grain may have: of them, those that the
    settings name for the grain, the one that people are shown, and `none`.

    Returns the model that people are shown: the default, or the first where the default has not been computed.
    """
    sql = "select null::varchar as attribution_model where false"
    if credit := next((m for m in catalogue.measures.values() if m.is_credit), None):
        sql = compiler.sql(credit.semantic_model, [credit.name], ["attribution_model"])
    connection.execute(
        f"create or replace temp table kpi_models as select distinct attribution_model from ({sql}) "
        "where attribution_model is not null order by all"
    )
    default = inputs.default_model
    connection.execute("insert into kpi_models select ? where not exists (from kpi_models)", [default])
    models = [model for (model,) in connection.execute("from kpi_models order by all").fetchall()]
    shown = default if default in models else models[0]
    chosen = [
        (grain, model)
        for grain, names in inputs.models_by_grain.items()
        for model in [NO_MODEL, *(name for name in models if name == shown or name in names or names == ["all"])]
    ]
    fill(connection, "kpi_grain_models", {"grain": "varchar", "attribution_model": "varchar"}, chosen)
    return shown


def ask(connection: duckdb.DuckDBPyConnection, catalogue: Catalogue, compiler: Compiler, dimension: str) -> Asked:
    """Fill `kpi_days` and `kpi_windowed` for one dimension."""
    asked = Asked(dimension)
    lines = catalogue.lines(dimension)
    daily, windowed = [_no_days()], [_no_windows()]
    for has_model in (False, True):
        names = {name for line in lines if line.has_model == has_model for name in line.measures}
        for measures in _together(catalogue.measures[name] for name in sorted(names)):
            if measures[0].adds_up and not measures[0].is_counted_per_period:
                daily.append(_by_day(compiler, measures, dimension, has_model))
                asked.daily += [m for m in measures if m not in asked.daily]
            elif measures[0].is_counted_per_period:
                windowed += [_as_counted(compiler, measure, dimension) for measure in measures]
                asked.windowed += measures
            else:
                windowed.append(_by_window(compiler, measures, dimension))
                asked.windowed += measures
    _create_days(connection, asked, " union all by name ".join(daily))
    connection.execute(f"create or replace temp table kpi_windowed as {' union all by name '.join(windowed)}")
    return asked


def _create_days(connection: duckdb.DuckDBPyConnection, asked: Asked, answers: str) -> None:
    """Put the answers of all marts beside each other, one row per day and member.

    Whole numbers become doubles, which are exact for them and add up twice as fast as DuckDB's sum(bigint), a 128-bit
    integer. Money stays decimal, so that its sums do not depend on the order in which threads add them.
    """
    columns = ["date_day", "member", "attribution_model", *(_aggregated(m) for m in asked.daily)]
    sql = f"select {', '.join(columns)} from ({answers}) where date_day is not null group by all"
    kinds = {name: kind for name, kind, *_ in connection.execute(f"describe {sql}").fetchall()}
    whole = [f"cast({m.name} as double) as {m.name}" for m in asked.daily if "INT" in kinds[m.name]]
    replaced = f" replace ({', '.join(whole)})" if whole else ""
    connection.execute(f"create or replace temp table kpi_days as select *{replaced} from ({sql})")


def create_cells(connection: duckdb.DuckDBPyConnection, asked: Asked) -> None:
    """Make `kpi_cells` for the changed periods of the dimension that was asked; the total has a row for every period
    and model."""
    sources = [
        "select w.grain, w.period_start, w.through, w.which, d.* exclude (date_day) "
        "from kpi_days as d join (from kpi_asked_days semi join kpi_needed using (grain, period_start)) as w using (date_day) "
        "semi join kpi_grain_models as m on m.grain = w.grain and m.attribution_model = d.attribution_model",
        "from kpi_windowed semi join kpi_needed using (grain, period_start)",
    ]
    if asked.dimension == TOTAL:
        sources.append(
            "select grain, period_start, through, which, 'all' as member, attribution_model from kpi_windows "
            "join kpi_grain_models using (grain) where which = 'now'"
        )
    names = [m.name for m in (*asked.daily, *asked.windowed)]
    aggregates = [_aggregated(m) for m in (*asked.daily, *asked.windowed)]
    if any(m.is_counted_per_period for m in asked.windowed):
        names, aggregates = [*names, "quality"], [*aggregates, "max(quality) as quality"]
    connection.execute(
        f"create or replace temp table kpi_long as select {', '.join([*_CELL, 'which', *aggregates])} "
        f"from ({' union all by name '.join(sources)}) group by all"
    )
    key = ", ".join(_CELL)
    columns = ", ".join(f"{which}.{name} as {which}__{name}" for which in WHICH for name in names)
    connection.execute(
        f"""
        create or replace temp table kpi_cells as
        with compared as (  -- a finished period is compared with the cells of another finished period
            select w.period_start, w.through, w.which, l.* exclude (period_start, through, which)
            from kpi_long as l join kpi_windows as w
                on w.grain = l.grain and w.from_day = l.period_start and w.to_day = l.through
            where l.which = 'now' and w.which <> 'now' and not w.is_running
            union all by name
            from kpi_long where which <> 'now'
        )
        select {key}, {columns}
        from (from kpi_long where which = 'now') as now
        full join (from compared where which = 'previous') as previous using ({key})
        left join (from compared where which = 'year_ago') as year_ago using ({key})
        semi join kpi_changed using (grain, period_start, attribution_model)
        """
    )


def _together(measures: Iterable[Measure]) -> list[list[Measure]]:
    """Measures that one query can answer in one scan: the same mart, dated by the same column."""
    groups: dict[tuple[object, ...], list[Measure]] = {}
    for measure in measures:
        groups.setdefault((measure.semantic_model, measure.time, measure.adds_up), []).append(measure)
    return list(groups.values())


def _by_day(compiler: Compiler, measures: list[Measure], dimension: str, has_model: bool) -> str:
    is_credit = has_model and measures[0].is_credit
    by = ["metric_time__day", *_group_by(dimension), *(["attribution_model"] if is_credit else [])]
    names = ", ".join(m.name for m in measures)
    sql = compiler.sql(measures[0].semantic_model, [m.name for m in measures], by)
    model, source = f"'{NO_MODEL}' as attribution_model", f"({sql})"
    if is_credit:
        model = "attribution_model"
    elif has_model:  # cost has no model: it stands beside the credit of each
        model, source = "m.attribution_model", f"({sql}) cross join kpi_models as m"
    day, member = "cast(metric_time__day as date) as date_day", f"{_member(dimension)} as member"
    return f"select {day}, {member}, {model}, {names} from {source}"


def _by_window(compiler: Compiler, measures: list[Measure], dimension: str) -> str:
    names = ", ".join(m.name for m in measures)
    sql = compiler.sql(measures[0].semantic_model, [m.name for m in measures], _group_by(dimension), where=IN_WINDOW)
    return (
        f"select w.grain, w.period_start, w.through, w.which, {_member(dimension)} as member, "
        f"'{NO_MODEL}' as attribution_model, {names} from kpi_asked_windows as w, lateral ({sql})"
    )


def _as_counted(compiler: Compiler, measure: Measure, dimension: str) -> str:
    """A count that the mart has per period: a running period has nothing to be compared with like for like.

    Campaigns of one name become one member; their visitors cannot be counted together, so that the sum is an upper
    bound and says so, as the mart does for other members that become one. It stands for one count, as each of them does.
    """

    def its(name: str) -> str:
        return f"{measure.counted_by}__{name}"

    by = ["metric_time__day", *(its(name) for name in ("period_grain", "cut", "member", "quality"))]
    counts = f"({compiler.sql(measure.semantic_model, [measure.name], by)}) as c"
    member, quality = f"c.{its('member')}", f"c.{its('quality')}"
    if dimension in GROUP_BY:
        counts += f" left join {CAMPAIGNS} as d on d.campaign_key = {member}"
        member = f"coalesce(d.campaign_name, {member})"
    return (
        f"select w.grain, w.period_start, w.through, w.which, {member} as member, '{NO_MODEL}' as attribution_model, "
        f"{'sum' if measure.aggregation == 'max' else 'max'}({measure.name}) as {measure.name}, string_agg(distinct {quality}, ';' order by "
        f"{quality}) || case when count(*) > 1 then ';merged_members' else '' end as quality "
        f"from {counts} join kpi_windows as w on w.grain = c.{its('period_grain')} "
        f"and w.from_day = cast(c.metric_time__day as date) and w.which = 'now' "
        f"where c.{its('cut')} = '{dimension}' group by all"
    )


def _group_by(dimension: str) -> list[str]:
    return [] if dimension == TOTAL else [GROUP_BY.get(cut, cut) for cut in dimension.split(TWO_CUTS)]


def _member(dimension: str) -> str:
    cuts = [f"coalesce({cut}, '{NOT_SET}')" for cut in _group_by(dimension)]
    return f" || '{TWO_CUTS}' || ".join(cuts) if cuts else "'all'"


def _aggregated(measure: Measure) -> str:
    function = measure.aggregation if measure.adds_up else "max"
    return f"{function}({measure.name}) as {measure.name}"


def _no_days() -> str:
    return "select null::date as date_day, null::varchar as member, null::varchar as attribution_model where false"


def _no_windows() -> str:
    return (
        "select null::varchar as grain, null::date as period_start, null::date as through, null::varchar as which, "
        "null::varchar as member, null::varchar as attribution_model where false"
    )
