"""Nine attribution models over a million journeys, with one Markov fit, beside the first step of the published way.

Journeys have 4 touches on average, 15 channels, a third of them converts; all of them are credited, which is more
than the warehouse does. ChannelAttribution (GPL, so not installed here) takes one text per journey; building these
texts with pandas, its documented first step, is timed where pandas is installed. Run it alone:

    python -m pytest tests/benchmarks/bench_attribution.py --run-benchmarks -s
"""

from __future__ import annotations

import importlib.util
import multiprocessing
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import jinja2
import pytest

from dagster_project.attribution import removal_effects

MACROS = Path(__file__).resolve().parents[2] / "dbt_project" / "macros" / "attribution.sql"
MODELS = ("first", "last", "last_non_direct", "linear", "time_decay", "position", "w_shaped", "shapley", "markov")
MEMORY = "1500MB"

JOURNEYS = """
create table raw_touches as
with lengths as (
    select range as conversion_id, 1 + cast(floor(-ln(1 - random()) * 3.48) as integer) as touches from range({journeys})
),
drawn as (
    select conversion_id, unnest(range(touches)) as place, random() as a, random() as b from lengths
)
select
    conversion_id,
    timestamp '2026-01-01' + to_minutes(cast(place * 1440 + floor(a * 1440) as integer)) as touched_at,
    'Channel ' || cast(floor(b * b * 15) as integer) as channel
from drawn
order by hash(conversion_id, place)
"""
ORDERED = """
create table touches as
select
    conversion_id,
    row_number() over path as touch_order,
    channel,
    lead(channel) over path as next_channel,
    channel = 'Channel 0' as is_direct,
    channel in ('Channel 1', 'Channel 2') as is_paid,
    epoch(timestamp '2026-03-31') - epoch(touched_at) as seconds_before,
    touched_at <= timestamp '2026-01-03' as is_before_lead,
    touched_at <= timestamp '2026-01-05' as is_before_opportunity
from raw_touches
window path as (partition by conversion_id order by touched_at, channel)
"""
TRANSITIONS = """
with steps as (
    select '(start)' as from_state, channel as to_state from touches where touch_order = 1
    union all
    select channel, coalesce(next_channel, case when conversion_id % 3 = 0 then '(conversion)' else '(null)' end)
    from touches where next_channel is distinct from channel
)
select from_state, to_state, count(*) from steps group by all order by all
"""


def weights(touches: str) -> str:
    environment = jinja2.Environment(extensions=["jinja2.ext.do"])
    environment.globals["return"] = lambda value: value
    return environment.from_string(MACROS.read_text() + f"{{{{ attribution_weights('{touches}', 7) }}}}").render()


@contextmanager
def timed(what: str, seconds: dict[str, float]) -> Iterator[None]:
    begin = time.perf_counter()
    yield
    seconds[what] = time.perf_counter() - begin


def run(journeys: int, answers: multiprocessing.Queue) -> None:
    """In a process of its own, so that its peak memory is its own."""
    seconds: dict[str, float] = {}
    connection = duckdb.connect()
    connection.execute(f"set threads = 2; set memory_limit = '{MEMORY}'; set enable_progress_bar = false; select setseed(0.5)")
    connection.execute(JOURNEYS.format(journeys=journeys))
    (rows,) = connection.execute("select count(*) from raw_touches").fetchone()
    with timed("order of the touches", seconds):
        connection.execute(ORDERED)
    with timed("Markov: counts and solve", seconds):
        counts = connection.execute(TRANSITIONS).fetchall()
        effects = removal_effects(*zip(*counts, strict=True)).select(["channel", "removal_effect"])
        connection.register("effects", effects)
    with timed("nine models by channel", seconds):
        connection.execute(
            "create temp view weighable as select touches.*, removal_effect as markov_effect "
            "from touches join effects using (channel)"
        )
        sums = ", ".join(f"sum(weight_{model})" for model in MODELS)
        credited = connection.execute(f"select channel, {sums} from ({weights('weighable')}) group by 1").fetchall()
    totals = [sum(row[i] for row in credited) for i in range(1, len(MODELS) + 1)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    answers.put((rows, seconds, peak, totals))
    if journeys <= 1_000_000 and importlib.util.find_spec("pandas"):
        with timed("one path text per journey, pandas", seconds):
            frame = connection.execute("select conversion_id, touched_at, channel from raw_touches").df()
            ordered = frame.sort_values(["conversion_id", "touched_at"])
            ordered.groupby("conversion_id", sort=False)["channel"].agg(" > ".join)
        answers.put(seconds.popitem())
    else:
        answers.put(None)


@pytest.mark.parametrize("journeys", [1_000_000, 2_500_000])
def test_nine_models(journeys: int) -> None:
    answers: multiprocessing.Queue = multiprocessing.get_context("spawn").Queue()
    process = multiprocessing.get_context("spawn").Process(target=run, args=(journeys, answers))
    process.start()
    rows, seconds, peak, totals = answers.get(timeout=600)
    published = answers.get(timeout=600)
    process.join()
    print(f"\n{journeys:,} journeys, {rows:,} touches: {sum(seconds.values()):.2f} s, peak {peak:.2f} GB (with the data)")
    for what, each in seconds.items():
        print(f"    {what:36}{each:6.2f} s")
    if published:
        print(f"    {published[0]:36}{published[1]:6.2f} s   (its first step alone)")
    assert totals == pytest.approx([journeys] * len(MODELS))
