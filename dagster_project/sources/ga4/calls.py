"""From a window of days to pages of rows: which reports are asked in which calls, and whether they are whole.

A window is asked as one report. Where the answer is worse for its length (sampled, or folded into `(other)`)
it is thrown away and asked again in halves, down to single periods: clean windows cost few calls, dirty ones
get the best data there is, and a day's rows do not depend on the window that they were asked in. Thresholding
is recorded and not split: fewer users in a report mean more rows withheld, and such requests have a quota of
120 an hour.
"""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from dagster_project.sources.ga4.client import Ga4Client
from dagster_project.sources.ga4.question import DATE_RANGES, PAGE_ROWS, Question
from dagster_project.sources.ga4.report import (
    added_up,
    is_worse_for_length,
    quality,
    redact,
    request_of,
    typed_rows,
)
from dagster_project.sources.ga4.rows import Report
from dagster_project.wire.contract import Page, Quality, Stream, Tally, VendorError, Window, whole_periods
from dagster_project.wire.rest import each_account, pages_ahead

if TYPE_CHECKING:
    from dagster_project.sources.ga4.settings import Ga4Settings

REPORTS_PER_CALL = 5  # batchRunReports
RANGES_PER_REPORT = 4


@dataclass(frozen=True)
class Task:
    """A question about some adjoining periods."""

    question: Question
    periods: tuple[Window, ...]

    def halves(self) -> list[Task]:
        middle = len(self.periods) // 2
        return [Task(self.question, self.periods[:middle]), Task(self.question, self.periods[middle:])]

    @property
    def name(self) -> str:
        return self.question.stream.name

    def __str__(self) -> str:
        return f"{self.name} {Window(self.periods[0].start, self.periods[-1].end)}"


def read(
    questions: Sequence[Question],
    settings: Ga4Settings,
    window: Window,
    tally: Tally,
    *,
    page_rows: int = PAGE_ROWS,
    sleep: Callable[[float], None] | None = None,
) -> Iterator[Page]:
    """The answers to `questions` (of one stream) for the whole periods that overlap `window`, every property.

    A running period is asked up to the last whole day; one that has no whole day yet is not asked.
    Raises what `Ga4Client.run` and `typed_rows` raise, and VendorError for a report that never came whole.
    """
    if not questions:
        return
    stream, last_day = questions[0].stream, _last_day(settings, questions[0].stream, window)
    periods = [
        p for p in whole_periods(window, stream.period, settings.week_start, settings.year_start) if p.start <= last_day
    ]
    with Ga4Client(settings, tally, stream=stream.name, sleep=sleep) as client:
        yield from each_account(
            settings.property_ids,
            lambda property_id: _Reader(client, tally, property_id, last_day, page_rows).pages(questions, periods),
            tally,
        )


def _last_day(settings: Ga4Settings, stream: Stream, window: Window) -> date:
    """Daily reports end with the window; a longer period that is running, with the last whole day."""
    if stream.period == "day" or settings.today == date.min:
        return window.last
    return settings.today - timedelta(days=1)


@dataclass(frozen=True)
class _Reader:
    client: Ga4Client
    tally: Tally
    property_id: str
    last_day: date
    page_rows: int

    def pages(self, questions: Sequence[Question], periods: Sequence[Window]) -> Iterator[Page]:
        tasks = deque(task for question in questions for task in _tasks(question, periods))
        while tasks:
            batch = [tasks.popleft() for _ in range(min(REPORTS_PER_CALL, len(tasks)))]
            limit = max(1, self.page_rows // len(batch))  # one page in memory, however many reports
            for task, first in zip(batch, self._ask(batch, limit), strict=True):
                if len(task.periods) > 1 and is_worse_for_length(task.question, first):
                    self.tally.note(f"{task.name}: sampled or (other), so asked in smaller pieces")
                    tasks.extend(task.halves())
                else:
                    yield from self._answer(task, first, limit)

    def _ask(self, tasks: Sequence[Task], limit: int, offset: int = 0) -> list[Report]:
        return self.client.run(
            self.property_id,
            [
                request_of(t.question, self.property_id, t.periods, self.last_day, limit=limit, offset=offset)
                for t in tasks
            ],
        )

    def _answer(self, task: Task, first: Report, limit: int) -> Iterator[Page]:
        """The whole report that begins with the page `first`.

        Rows that move between pages while they are read are lost or doubled. So a report of several pages
        waits on disk until it is known to be whole, and is read once more if it is not.
        """
        odd: list[str] = []
        if first.rows == first.row_count:
            rows, redacted = redact(task.question, self._rows(task, first, odd))
            self._tell(odd, task)
            yield from self._finished(task, [rows], [redacted], quality(first))
            return
        for pages in (chain([first], self._following(task, limit, first.row_count)), self._again(task)):
            odd.clear()
            with _Spool(task.question) as spool:
                trouble = self._collect(task, pages, spool, odd)
                if trouble is None:
                    self._tell(odd, task)
                    yield from self._finished(task, spool.pages(), spool.redacted, spool.quality)
                    return
            self.tally.note(f"{task}: {trouble}; the report was read again")
        raise VendorError(
            f"property {self.property_id}: the report {task} did not come whole, twice over: {trouble}. Its "
            "data may be changing at the moment; nothing was stored, run again later",
            source="ga4",
            stream=task.name,
        )

    def _rows(self, task: Task, report: Report, odd: list[str]) -> pa.Table:
        return typed_rows(task.question, report, self.property_id, task.periods, odd)

    def _tell(self, odd: Sequence[str], task: Task) -> None:
        """A bad row of a report of one period is of that period."""
        days = [task.periods[0].start] if len(task.periods) == 1 else []
        for each in odd:
            self.tally.bad_row(each, days=days)

    def _again(self, task: Task) -> Iterator[Report]:
        first = self._ask([task], self.page_rows)[0]
        yield first
        yield from self._following(task, self.page_rows, first.row_count)

    def _following(self, task: Task, start: int, row_count: int) -> Iterator[Report]:
        """The pages from row `start`."""
        offsets = range(start, row_count, self.page_rows)
        return pages_ahead(lambda offset: self._ask([task], self.page_rows, offset)[0], offsets)

    def _collect(self, task: Task, reports: Iterator[Report], spool: _Spool, odd: list[str]) -> str | None:
        """Fill the spool; what is wrong with the report as a whole, if anything."""
        promised: set[int] = set()
        hashes, came = [], 0
        for report in reports:
            promised.add(report.row_count)
            came += report.rows
            rows = self._rows(task, report, odd)
            hashes.append(_key_hashes(rows, task.question.stream.key))
            spool.add(rows, quality(report))
        read, distinct = sum(map(len, hashes)), len(np.unique(np.concatenate(hashes)))
        if len(promised) > 1:
            return f"the number of rows changed from page to page ({', '.join(map(str, sorted(promised)))})"
        if promised != {came}:
            return f"{promised.pop()} rows were promised, {came} came"
        return f"{read - distinct} of {read} rows came twice" if distinct < read else None

    def _finished(
        self, task: Task, pages: Iterable[pa.Table], redacted: list[pa.Table], said: Quality
    ) -> Iterator[Page]:
        for rows in pages:
            yield Page(rows, said)
        had_personal_data = pa.concat_tables(redacted)
        if had_personal_data.num_rows:
            self.tally.note(f"{task.name}: personal data in addresses or campaign names was redacted")
            yield Page(added_up(task.question, had_personal_data), said)


def _tasks(question: Question, periods: Sequence[Window]) -> list[Task]:
    size = RANGES_PER_REPORT if question.time == DATE_RANGES else max(1, len(periods))
    return [Task(question, tuple(periods[i : i + size])) for i in range(0, len(periods), size)]


def _key_hashes(rows: pa.Table, key: Sequence[str]) -> np.ndarray:
    """One 64-bit number per row, equal for equal keys. 8 bytes a row are what is kept of the pages before.

    Two of ten million different keys collide with a chance of 3 in a million, and cost one more reading.
    """
    hashes = np.zeros(rows.num_rows, np.uint64)
    for name in key:
        distinct = rows.column(name).combine_chunks().dictionary_encode(null_encoding="encode")
        values = np.array([hash(value) for value in distinct.dictionary.to_pylist()], np.int64).view(np.uint64)
        hashes = hashes * np.uint64(0x9E3779B97F4A7C15) + values[distinct.indices.to_numpy()]
    return hashes


class _Spool:
    """Pages of rows on local disk, without personal data; gone when closed."""

    def __init__(self, question: Question) -> None:
        self._question = question
        self._file = tempfile.TemporaryFile(prefix="funnelhouse-")  # noqa: SIM115 - closed with the spool
        self._writer = pa.ipc.new_stream(self._file, question.stream.schema)
        self.redacted: list[pa.Table] = []
        self.quality: Quality = {}

    def __enter__(self) -> _Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()
        self._file.close()

    def add(self, rows: pa.Table, said: Quality) -> None:
        rows, redacted = redact(self._question, rows)
        self.quality = self.quality or said
        self._writer.write_table(rows)
        self.redacted.append(redacted)

    def pages(self) -> Iterator[pa.Table]:
        """The pages, one at a time. Nothing can be added afterwards."""
        self._writer.close()
        self._file.seek(0)
        with pa.ipc.open_stream(self._file) as reader:
            for batch in reader:
                yield pa.Table.from_batches([batch])
