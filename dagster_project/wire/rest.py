"""What REST APIs have in common, as small generators: accounts, pages by number, cursor or link, jobs that are waited for.

Each takes a function that asks, and functions that say what an answer means; whole answers come out, so that a reader
keeps its own way with rows. No vendor, no settings. All of them raise VendorError for what would never end.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar
from urllib.parse import urljoin, urlsplit

from dagster_project.wire.background import in_background
from dagster_project.wire.contract import Page, QuotaError, SourceError, Tally, VendorError
from dagster_project.wire.retrying import Interrupted

# Accounts after so many that failed in a row, by the vendor's fault, are not asked: it is the vendor that is down.
FAILURES_IN_A_ROW = 3
STARTS = 3  # of a job that fails
NOWHERE: Mapping[str, str] = {}  # whose error it would be: `source` and `stream`, as SourceError takes them

Answer = TypeVar("Answer")
Job = TypeVar("Job")
Result = TypeVar("Result")


# ---- accounts ----------------------------------------------------------------------------------------------


def each_account(ids: Sequence[str], read: Callable[[str], Iterator[Page]], tally: Tally) -> Iterator[Page]:
    """The pages of all accounts, one account after another; one that is denied does not stop the others.

    `tally` is told of each whether it was read. Raises the first account's error where no account could be read.
    """
    in_a_row = 0
    for account_id in ids:
        if in_a_row == FAILURES_IN_A_ROW:
            down = VendorError(f"not asked, since {FAILURES_IN_A_ROW} accounts before it failed")
            tally.fail_account(account_id, down)
            continue
        try:
            yield from read(account_id)
        except SourceError as error:
            tally.fail_account(account_id, error)
            in_a_row = in_a_row + 1 if isinstance(error, VendorError | QuotaError) else 0
        else:
            tally.read_account(account_id)
            in_a_row = 0
    raise_if_none_was_read(tally)


def raise_if_none_was_read(tally: Tally) -> None:
    if tally.failed_accounts and not tally.read_accounts:
        raise next(iter(tally.failed_accounts.values()))


# ---- pages -------------------------------------------------------------------------------------------------


def numbered_pages(
    ask: Callable[[int], Answer],
    numbers: Iterable[int],
    is_last: Callable[[Answer], bool] = lambda _answer: False,
    *,
    what: str = "the list",
    where: Mapping[str, str] = NOWHERE,
) -> Iterator[Answer]:
    """Answers by page number or offset. `numbers`: `count(1)`, `count(0, 500)`, or where the number of rows is known
    `range(0, rows, 500)`.

    `is_last` says when they end: an announced total is reached, a page is short or empty. It is not asked of what
    `numbers` ends with. A page that is word for word the one before it, with rows in it, comes from a vendor that does
    not look at the number.
    """
    before: Answer | None = None
    for number in numbers:
        answer = ask(number)
        if answer == before and (not isinstance(answer, Sized) or len(answer)) and not is_last(answer):
            raise VendorError(f"{what} gives page {number} again and again", **where)
        yield answer
        if is_last(answer):
            return
        before = answer


def pages_ahead(ask: Callable[[int], Answer], numbers: Sequence[int]) -> Iterator[Answer]:
    """As `numbered_pages` where their number is known; the next one is on its way while one is being used."""
    pending = deque(in_background(partial(ask, number)) for number in numbers[:1])
    for number in numbers[1:]:
        answer = pending.popleft().result()
        pending.append(in_background(partial(ask, number)))
        yield answer
    for last in pending:
        yield last.result()


def cursor_pages(
    ask: Callable[[str | None], Answer],
    following: Callable[[Answer], str | None],
    *,
    what: str = "the list",
    where: Mapping[str, str] = NOWHERE,
) -> Iterator[Answer]:
    """Answers by cursor: `ask(None)` is the first one, `following(answer)` the cursor of the next, None after the last.

    Short and empty pages are not the end. A cursor that was there before is a circle. The cursor may as well be the last
    id of a page, where lists go on after an id.
    """
    cursor: str | None = None
    seen: set[str] = set()
    while True:
        answer = ask(cursor)
        yield answer
        cursor = following(answer)
        if cursor is None:
            return
        if cursor in seen:
            raise VendorError(f"{what} gives page {cursor!r:.60} again and again", **where)
        seen.add(cursor)


def next_links(
    ask: Callable[[str], Answer],
    first: str,
    link: Callable[[Answer], str | None],
    *,
    base_url: str,
    what: str = "the list",
    where: Mapping[str, str] = NOWHERE,
) -> Iterator[Answer]:
    """Answers by the link to the next one: `ask` takes a path with its query, `link(answer)` finds the next, whole or
    from the root; None after the last. `first`: the first path.

    A link that leads to another server than `base_url` is not followed: our credentials would go with it.
    """
    root = urlsplit(base_url)
    prefix = root.path.rstrip("/")

    def path_of(found: str) -> str:
        parts = urlsplit(urljoin(f"{root.scheme}://{root.netloc}/", found))
        if parts.netloc != root.netloc:
            host = parts.netloc.rpartition("@")[2]
            raise VendorError(
                f"{what} goes on at another server, {host}; it is not followed: is the base URL right?", **where
            )
        return f"{parts.path.removeprefix(prefix)}{'?' if parts.query else ''}{parts.query}"

    def following(answer: Answer) -> str | None:
        found = link(answer)
        return None if found is None else path_of(found)

    return cursor_pages(lambda path: ask(path or first), following, what=what, where=where)


# ---- jobs --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Progress(Generic[Result]):
    """What a look at a job has shown: its result once it is `ready`; else when the vendor wants to be asked again."""

    ready: Result | None = None
    wait_seconds: float | None = None


def polled_job(
    start: Callable[[], Job],
    look: Callable[[Job], Progress[Result]],
    tally: Tally,
    *,
    what: str,
    first_seconds: float = 2,
    longest_seconds: float = 60,
    patience_seconds: float = 3600,
    starts: int = STARTS,
    where: Mapping[str, str] = NOWHERE,
    clock: Callable[[], float] = time.monotonic,
) -> Result:
    """The result of a job that the vendor works on: `start` it, `look` until it is ready.

    Waits as the vendor says, else twice as long each time. `look` raises a SourceError for a job that is in vain, and
    Interrupted for one that has failed or vanished and may be started anew (at most `starts` times in all). Where
    the question is the job (it is sent again until the report comes), `start` gives the question. Raises QuotaError when
    patience, or the time of the read, is over: the next run may find the job done.
    """
    until, failures = clock() + patience_seconds, 0
    job, wait = start(), first_seconds
    while True:
        try:
            progress = look(job)
        except Interrupted as lost:
            failures += 1
            if failures >= starts:
                raise VendorError(f"{what} failed {failures} times: {lost}", **where) from None
            tally.retry()
            job, wait, progress = start(), first_seconds, Progress[Result]()
        if progress.ready is not None:
            return progress.ready
        pause = wait if progress.wait_seconds is None else progress.wait_seconds
        if pause > min(until - clock(), tally.seconds_left()):
            raise QuotaError(
                f"{what} is not ready after {patience_seconds - (until - clock()):.0f} s; run again later "
                "(what was loaded before is untouched)",
                retry_after_seconds=pause,
                **where,
            )
        tally.sleep(pause)
        wait = min(longest_seconds, wait * 2)
