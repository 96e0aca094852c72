"""A reader that looks all the time through twenty whole refreshes: it never fails, reads while others write, sees whole publishes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.pipeline.conftest import TODAY
from tests.support.installation import Installation
from tests.support.published import Reader

NIGHTS = 20


@pytest.mark.long
def test_a_reader_through_twenty_nights(loaded: Installation) -> None:
    loaded.go_back("loaded")
    before = loaded.published().name
    published = []
    with Reader(loaded.home) as reader:
        for night in range(1, NIGHTS + 1):
            loaded.sandbox.clock.set(TODAY + timedelta(days=night))
            loaded.run("refresh", with_dbt_tests=night % 5 == 0)
            published.append(loaded.published().name)
    assert reader.failures == []
    assert len(set(published)) == NIGHTS
    assert reader.publishes == [before, *published]
    assert (
        sum(look.while_writing for look in reader.looks) > 5 * NIGHTS
    )  # the writer held its lock, and the reader read
