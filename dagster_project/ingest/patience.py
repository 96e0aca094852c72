"""How long a source may take: pages are read in a thread of their own and waited for within a budget of time.

A vendor that answers nothing, or a byte a minute, holds the thread that reads; nobody waits for that thread beyond the
budget, and it does not keep the process alive.
"""

from __future__ import annotations

import math
import queue
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from dagster_project.wire import Page, Tally, VendorError, stopping
from dagster_project.wire.background import in_background
from dagster_project.wire.contract import GivenUp

_PUT_SECONDS = 0.5


class OutOfTime(VendorError):
    """The source took longer than a read may; nothing of it is stored. `is_silent`: it no longer says anything."""

    def __init__(self, message: str, *, is_silent: bool = True, **where: str) -> None:
        super().__init__(message, **where)
        self.is_silent = is_silent


@dataclass(frozen=True)
class Budget:
    """`silence_seconds`: the longest wait for the next page. `seconds`: for all pages of one read together.

    Only waiting for the source counts, not what is done with its pages. `setting` is its name for people.
    """

    seconds: float
    silence_seconds: float
    setting: str


def within(pages: Iterable[Page], budget: Budget, tally: Tally, *, source: str, stream: str) -> Iterator[Page]:
    """`pages` as they come. Raises OutOfTime, Stopped, and what reading them raises."""
    handed: queue.Queue[Page | BaseException | None] = queue.Queue(1)

    def read() -> None:
        try:
            for page in pages:
                _put(handed, page, tally)
            _put(handed, None, tally)
        except GivenUp:
            pass  # nobody is there to be told
        except BaseException as error:
            with suppress(GivenUp):
                _put(handed, error, tally)

    waited, rows, is_over = 0.0, 0, False
    tally.until = time.monotonic() + min(budget.silence_seconds, budget.seconds)
    in_background(read, f"read {source}/{stream}")
    try:
        while True:
            left = min(budget.silence_seconds, budget.seconds - waited)
            started = time.monotonic()
            tally.until = started + left
            try:
                item = stopping.next_of(handed, left)
            except queue.Empty:
                waited += time.monotonic() - started
                is_silent = waited < budget.seconds or not rows
                said = _words(budget, waited, rows)
                raise OutOfTime(said, is_silent=is_silent, source=source, stream=stream) from None
            waited += time.monotonic() - started
            tally.until = math.inf  # what the reader does ahead of us is not waited for
            is_over = item is None or isinstance(item, BaseException)
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            rows += item.rows.num_rows
            yield item
    finally:
        if not is_over:
            tally.give_up()


def _put(handed: queue.Queue[Page | BaseException | None], item: Page | BaseException | None, tally: Tally) -> None:
    while True:
        tally.check()
        with suppress(queue.Full):
            handed.put(item, timeout=_PUT_SECONDS)
            return


def _words(budget: Budget, waited: float, rows: int) -> str:
    if rows and waited >= budget.seconds:
        what = f"it was not read to its end in {_in_words(budget.seconds)} ({rows:,} rows had come)"
    else:
        what = f"nothing came for {_in_words(min(budget.seconds, budget.silence_seconds))}"
    mend = (
        f". If the source only is slow, let it take longer: {budget.setting} in funnelhouse.yml"
        if budget.setting
        else ""
    )
    return f"{what}, so it was given up; what was stored stays{mend}"


def _in_words(seconds: float) -> str:
    return f"{seconds / 60:g} minutes" if seconds >= 60 else f"{seconds:g} s"
