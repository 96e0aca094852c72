"""A source has a budget of time; who waits for it can be told to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pyarrow as pa
import pytest

from dagster_project.ingest.patience import Budget, OutOfTime, within
from dagster_project.wire import Page, Tally, VendorError, stopping
from tests.support.what_happens import happens

PAGE = Page(pa.table({"n": [1]}))
LONG = Budget(600, 600, "reading.minutes")


def read(pages: Iterator[Page], budget: Budget, tally: Tally) -> list[Page]:
    return list(within(pages, budget, tally, source="shop", stream="orders"))


def hanging(tally: Tally, freed: threading.Event, *first: Page) -> Iterator[Page]:
    """A vendor that gives some pages and then nothing at all, as a socket without an answer."""
    yield from first
    freed.wait(60)
    tally.call()  # what a connector does next
    raise AssertionError("nobody waits for this any more")


@pytest.fixture
def freed() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


@happens(
    "a vendor that never answers", "given up after `reading.minutes` without a page: the stream fails, the rest goes on"
)
def test_silence_is_given_up_and_ends_the_reader(freed: threading.Event) -> None:
    tally = Tally()
    with pytest.raises(
        OutOfTime, match=r"shop/orders: nothing came for 0.2 s.*reading\.minutes in funnelhouse\.yml"
    ) as caught:
        read(hanging(tally, freed, PAGE), Budget(600, 0.2, "reading.minutes"), tally)
    assert isinstance(caught.value, VendorError)  # which may pass: the daemon tries again
    assert caught.value.is_silent
    freed.set()
    readers = [thread for thread in threading.enumerate() if thread.name == "read shop/orders"]
    for thread in readers:
        thread.join(30)
    assert not any(thread.is_alive() for thread in readers)


@happens("a body that drips, byte by byte", "given up after `reading.minutes`, however alive it looks")
def test_pages_that_trickle_have_a_budget_together() -> None:
    def trickle() -> Iterator[Page]:
        while True:
            time.sleep(0.02)
            yield PAGE

    with pytest.raises(OutOfTime, match=r"not read to its end in 0\.5 s"):
        read(trickle(), Budget(0.5, 10, "reading.minutes"), Tally())


def test_only_the_waiting_counts() -> None:
    pages = within(iter([PAGE] * 4), Budget(0.3, 0.3, "x"), Tally(), source="shop", stream="orders")
    for _ in pages:
        time.sleep(0.15)  # what is done with a page


def test_a_connector_knows_how_long_its_call_may_take(freed: threading.Event) -> None:
    tally, seen = Tally(), []

    def reader() -> Iterator[Page]:
        seen.append(tally.seconds_left())
        yield PAGE

    read(reader(), Budget(1000, 40, "x"), tally)
    assert 30 < seen[0] <= 40


def test_a_failure_of_the_reader_is_the_readers_failure() -> None:
    def failing() -> Iterator[Page]:
        yield PAGE
        raise VendorError("out of order")

    tally = Tally()
    with pytest.raises(VendorError, match=r"^out of order$"):
        read(failing(), LONG, tally)
    tally.check()  # a second reading of the stream may use it


def test_told_to_stop_nobody_waits(freed: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    told = threading.Event()
    monkeypatch.setattr(stopping, "_told", told)
    threading.Timer(0.2, told.set).start()
    tally = Tally()
    with pytest.raises(stopping.Stopped):
        read(hanging(tally, freed), LONG, tally)


def test_who_stops_reading_stops_the_reader() -> None:
    ended = threading.Event()

    def endless() -> Iterator[Page]:
        try:
            while True:
                yield PAGE
        finally:
            ended.set()

    pages = within(endless(), LONG, Tally(), source="shop", stream="orders")
    next(pages)
    pages.close()
    assert ended.wait(30)
