"""Two refreshes at once, and readers meanwhile: runs queue, nobody fails, nobody waits for a writer."""

from __future__ import annotations

import itertools

from tests.pipeline.conftest import NIGHT_FACTS
from tests.support.installation import Installation
from tests.support.published import column_bytes, differing_files, query, tables

POOLED = ("dbt_build", "build_kpis", "published__funnelhouse")


def test_both_runs_end_well_and_publish_once_each(night: Installation) -> None:
    facts = night.facts[NIGHT_FACTS]
    assert facts.exit_codes == [0, 0]
    first, second = facts.publishes
    assert first != second


def test_the_later_run_changes_nothing_not_a_byte(night: Installation) -> None:
    """A re-run: the same days again, from sources that say the same."""
    first, second = night.facts[NIGHT_FACTS].publishes
    assert differing_files(first, second) == []
    published = night.published("night")
    # a table without rows has no bytes
    with_rows = [name for name in tables(published) if query(published, f"select 1 from {name} limit 1")]
    assert len({file for file, _, _ in column_bytes(second)}) == len(with_rows) >= 20
    # and it was a refresh that did something: a day more than before
    days = "select count(distinct date_day) from marts.fct_web_traffic"
    [(before,)], [(after,)] = query(night.published("loaded"), days), query(published, days)
    assert after == before + 1


def test_steps_that_open_the_warehouse_take_turns(night: Installation) -> None:
    runs = night.facts[NIGHT_FACTS].steps
    spans = sorted(span for steps in runs for step, span in steps.items() if step in POOLED)
    assert len(spans) == 2 * len(POOLED)
    for (_, ended), (begun, _) in itertools.pairwise(spans):
        assert ended <= begun
    # they were at once: the later run had begun long before the earlier one ended
    begun = sorted(min(start for start, _ in steps.values()) for steps in runs)
    assert begun[1] < max(end for _, end in runs[0].values())
    assert begun[1] < max(end for _, end in runs[1].values())


def test_a_reader_never_fails_never_waits_and_sees_whole_publishes_only(night: Installation) -> None:
    facts = night.facts[NIGHT_FACTS]
    reader = facts.reader
    assert reader.failures == []
    assert reader.publishes == [facts.before.name, *(folder.name for folder in facts.publishes)]
    assert sum(look.while_writing for look in reader.looks) > 5  # the writer held its lock, and the reader read
