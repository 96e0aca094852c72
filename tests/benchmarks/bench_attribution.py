"""Nine attribution models over a million journeys with one Markov fit, beside ChannelAttribution's published way.

Both read the same four million touches (15 channels, 4 touches a journey on average, every journey converts) from a
DuckDB file, each in a process of its own, and end with credit by channel. Ours is the SQL of the models
(macros/attribution.sql) and the exact solve. The published way (ChannelAttribution's documentation: one text
"A > B > C" per path with its count, heuristics and Markov from the texts) is written out here, not the package, which
is GPL; its texts are made by DuckDB and its Markov model is solved instead of simulated, so it is faster than theirs.
It has four models (first, last, linear, Markov), whose credit must equal ours. Then the dbt models themselves, from
touchpoints to fct_attribution, where one journey in three is an order. Run it alone:

    python -m pytest tests/benchmarks/bench_attribution.py --run-benchmarks -s
"""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import jinja2
import numpy as np
import pytest

from dagster_project.warehouse.markov import CONVERSION, START, removal_effects
from tests.support.house import DbtProject, House

MACROS = Path(__file__).resolve().parents[2] / "dbt_project" / "macros" / "attribution.sql"
MODELS = ("first", "last", "last_non_direct", "linear", "time_decay", "position", "w_shaped", "shapley", "markov")
Credit = dict[str, dict[str, float]]
Seconds = dict[str, tuple[float, float]]

JOURNEYS = """
create table raw_touches as
with lengths as (
    select range as journey_id, 1 + cast(floor(-ln(1 - random()) * 3.48) as integer) as touches from range({journeys})
),
drawn as (
    select journey_id, unnest(range(touches)) as place, random() as a, random() as b from lengths
)
select
    journey_id,
    timestamp '2026-01-01' + to_minutes(cast(place * 1440 + floor(a * 1440) as integer)) as touched_at,
    'Channel ' || cast(floor(b * b * 15) as integer) as channel
from drawn
order by hash(journey_id, place)
"""


def made(journeys: int, file: Path) -> int:
    """Write the touches and say how many there are."""
    with duckdb.connect(str(file)) as connection:
        connection.execute("set threads = 1; select setseed(0.5)")
        connection.execute(JOURNEYS.format(journeys=journeys))
        return connection.execute("select count(*) from raw_touches").fetchone()[0]


@contextmanager
def timed(what: str, seconds: Seconds) -> Iterator[None]:
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    seconds[what] = time.perf_counter() - wall, time.process_time() - cpu


def opened(file: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("set threads = 2; set memory_limit = '1500MB'; set enable_progress_bar = false")
    connection.execute(f"attach '{file}' as given (read_only)")
    return connection


# ---- ours -----------------------------------------------------------------------------------------------------------

CHANNELS = """
create temp table channels as
select channel, cast(row_number() over (order by channel) as utinyint) as channel_number
from (select distinct channel from given.raw_touches)
"""
ORDERED = """
create temp table touches as
select
    cast(journey_id as integer) as conversion_id,
    cast(row_number() over path as integer) as touch_order,
    channel_number as channel,
    lead(channel_number) over path as next_channel,
    channel = 'Channel 0' as is_direct,
    channel in ('Channel 1', 'Channel 2') as is_paid,
    epoch(max(touched_at) over (partition by journey_id)) - epoch(touched_at) as seconds_to_last,
    touched_at <= timestamp '2026-01-03' as is_before_lead,
    touched_at <= timestamp '2026-01-05' as is_before_opportunity
from given.raw_touches inner join channels using (channel)
window path as (partition by journey_id order by touched_at, channel_number)
"""
TRANSITIONS = f"""
with steps as (
    select 0 as from_number, channel as to_number from touches where touch_order = 1
    union all
    select channel, coalesce(next_channel, 0) from touches where next_channel is distinct from channel
),
counted as (select from_number, to_number, count(*) as transitions from steps group by all)
select coalesce(a.channel, '{START}'), coalesce(b.channel, '{CONVERSION}'), transitions
from counted
left join channels as a on from_number = a.channel_number
left join channels as b on to_number = b.channel_number
order by all
"""


def weights(touches: str) -> str:
    environment = jinja2.Environment(extensions=["jinja2.ext.do"])
    environment.globals["return"] = lambda value: value
    return environment.from_string(MACROS.read_text() + f"{{{{ attribution_weights('{touches}', 7) }}}}").render()


def ours(file: Path, seconds: Seconds) -> Credit:
    connection = opened(file)
    with timed("order of the touches", seconds):
        connection.execute(CHANNELS)
        connection.execute(ORDERED)
    with timed("Markov: counts and solve", seconds):
        counts = connection.execute(TRANSITIONS).fetchall()
        effects = removal_effects(*zip(*counts, strict=True))
        connection.register("effects", effects)
    with timed("nine models by channel", seconds):
        connection.execute(
            "create temp table numbered_effects as select channel_number, removal_effect from channels join effects using (channel)"
        )
        connection.execute(
            "create temp view weighable as select touches.*, removal_effect as markov_effect from touches "
            "join numbered_effects on touches.channel = numbered_effects.channel_number"
        )
        sums = ", ".join(f"sum(weight_{model})" for model in MODELS)
        by_channel = connection.execute(
            f"select channels.channel, w.* exclude (number) from (select channel as number, {sums} from ({weights('weighable')}) group by 1) as w "
            "join channels on w.number = channels.channel_number"
        ).fetchall()
    credit = {model: {row[0]: row[i] for row in by_channel} for i, model in enumerate(MODELS, start=1)}
    return {
        **credit,
        "markov, classic total": dict(
            zip(*effects.select(["channel", "conversions"]).to_pydict().values(), strict=True)
        ),
    }


# ---- the published way ------------------------------------------------------------------------------------------------


def published(file: Path, seconds: Seconds) -> Credit:
    connection = opened(file)
    with timed("a text for each path, and counts", seconds):
        paths = connection.execute(
            "select path, count(*) from (select string_agg(channel, ' > ' order by touched_at, channel) as path "
            "from given.raw_touches group by journey_id) group by path"
        ).fetchall()
    credit: Credit = {model: defaultdict(float) for model in ("first", "last", "linear", "markov, classic total")}
    with timed("heuristics from the texts", seconds):
        for path, conversions in paths:
            channels = path.split(" > ")
            credit["first"][channels[0]] += conversions
            credit["last"][channels[-1]] += conversions
            for channel in channels:
                credit["linear"][channel] += conversions / len(channels)
    with timed("Markov from the texts", seconds):
        credit["markov, classic total"] = markov(paths)
    return credit


def markov(paths: list[tuple[str, int]]) -> dict[str, float]:
    steps: dict[tuple[str, str], int] = defaultdict(int)
    for path, conversions in paths:
        before = START
        for channel in path.split(" > "):
            if channel != before:
                steps[before, channel] += conversions
                before = channel
        steps[before, CONVERSION] += conversions
    states = sorted({state for step in steps for state in step} - {CONVERSION})
    chain, converting = np.zeros((len(states), len(states))), np.zeros(len(states))
    for (here, there), number in steps.items():
        if there == CONVERSION:
            converting[states.index(here)] = number
        else:
            chain[states.index(here), states.index(there)] = number
    leaving = chain.sum(axis=1) + converting
    chain, converting = chain / leaving[:, None], converting / leaving

    def converts(without: str | None) -> float:
        kept = [i for i, state in enumerate(states) if state != without]
        solved = np.linalg.solve(np.eye(len(kept)) - chain[np.ix_(kept, kept)], converting[kept])
        return float(solved[[states[i] for i in kept].index(START)])

    effects = {channel: 1 - converts(channel) / converts(None) for channel in states if channel != START}
    total = sum(conversions for _, conversions in paths)
    return {channel: effect / sum(effects.values()) * total for channel, effect in effects.items()}


# ---- side by side -----------------------------------------------------------------------------------------------------


def run(way: Callable[[Path, Seconds], Credit], file: Path, answers: multiprocessing.Queue) -> None:
    seconds: Seconds = {}
    credit = way(file, seconds)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    answers.put((seconds, peak, {model: dict(channels) for model, channels in credit.items()}))


def measured(name: str, way: Callable[[Path, Seconds], Credit], file: Path) -> Credit:
    """In a process of its own, so that its peak memory is its own."""
    context = multiprocessing.get_context("spawn")
    answers: multiprocessing.Queue = context.Queue()
    process = context.Process(target=run, args=(way, file, answers))
    process.start()
    seconds, peak, credit = answers.get(timeout=900)
    process.join()
    wall, cpu = (sum(each[i] for each in seconds.values()) for i in (0, 1))
    print(f"  {name:40}{wall:7.2f} s wall {cpu:7.2f} s CPU, peak memory {peak:.2f} GB")
    for what, each in seconds.items():
        print(f"    {what:38}{each[0]:7.2f} s wall {each[1]:7.2f} s CPU")
    return credit


@pytest.mark.parametrize("journeys", [1_000_000, 2_500_000])
def test_nine_models(journeys: int, tmp_path: Path) -> None:
    file = tmp_path / "touches.duckdb"
    rows = made(journeys, file)
    print(f"\n{journeys:,} journeys, {rows:,} touches")
    credit = measured("ours: nine models", ours, file)
    assert [sum(credit[model].values()) for model in MODELS] == pytest.approx([journeys] * len(MODELS))
    if journeys <= 1_000_000:
        for model, channels in measured("published way: four models", published, file).items():
            assert credit[model] == pytest.approx(channels, rel=1e-9), model


# ---- the dbt models ---------------------------------------------------------------------------------------------------

CHAIN = (
    "path:models/intermediate/attribution",
    "fct_attribution",
    "fct_channel_removal_effects",
    "fct_model_comparison",
)
WAREHOUSE = """
attach '{file}' as given (read_only);
insert into intermediate.int_touchpoints_unioned by name
select
    'session:' || md5(concat(journey_id, touched_at, row_number() over ())) as touch_id, 'session' as touch_kind,
    'hubspot-' || journey_id as person_id, touched_at at time zone 'UTC' as touched_at,
    case channel when 'Channel 0' then 'Direct' when 'Channel 1' then 'Paid Search' else channel end as channel,
    lower(channel) as source, 'medium' as medium, 'campaign ' || hash(journey_id) % 50 as campaign,
    'google_ads:' || hash(journey_id) % 50 as campaign_key
from given.raw_touches;
insert into intermediate.int_orders_converted by name
select
    'hubspot-' || journey_id as order_key, 'hubspot' as source_system, 'hubspot-' || journey_id as lead_id,
    'hubspot-' || journey_id as customer_id, max(touched_at) at time zone 'UTC' + interval 1 hour as ordered_at,
    cast(ordered_at as date) as order_date, false as is_refund, cast(journey_id % 999 as decimal(24, 6)) as amount_native,
    amount_native as amount, amount_native as gross_margin_amount, false as is_rate_missing, true as is_new_customer
from given.raw_touches
where journey_id % 3 = 0
group by journey_id;
insert into intermediate.int_lead_stage_dates by name
select lead_id, ordered_at - interval 2 day as opportunity_at from intermediate.int_orders_converted;
"""


def test_the_dbt_models(tmp_path: Path) -> None:
    for folder in ("dbt", "installation"):
        (tmp_path / folder).mkdir()
    rows = made(1_000_000, tmp_path / "touches.duckdb")
    house = House(tmp_path / "installation" / "home", DbtProject(tmp_path / "dbt"), date(2026, 3, 31))
    house.rules({"attribution": {"models": list(MODELS)}})
    with house.connection(read_only=False) as connection:
        connection.execute(WAREHOUSE.format(file=tmp_path / "touches.duckdb"))
    wall, cpu = time.perf_counter(), time.process_time()
    result = house.build(*CHAIN)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(
        f"\ndbt models over 1,000,000 journeys, {rows:,} touches: {wall:.1f} s wall {cpu:.1f} s CPU, peak {peak:.2f} GB"
    )
    tables: dict[str, Any] = {r.node.name: r for r in result.result if r.node.resource_type == "model"}
    for name, each in tables.items():
        (count,) = house.rows(f"select count(*) from {each.node.schema}.{name}")[0]
        print(f"    {name:34}{each.execution_time:7.2f} s {count:14,} rows")
    handed_out = house.rows(
        "select distinct credit, revenue from (select sum(credit) as credit, sum(revenue) as revenue from marts.fct_attribution group by model)"
    )
    assert handed_out == house.rows("select count(*), sum(amount) from intermediate.int_orders_converted")
