"""What every connector promises: windows, streams, pages, tallies and errors. No vendor, no storage.

A connector is a set of `Stream`s. Each stream's `read` takes its source's settings, a `Window` of days and
a `Tally`, and yields `Page`s of Arrow rows as they arrive, so memory is bounded by the page.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, get_args

import pyarrow as pa

from dagster_project.wire.subjects import SUBJECTS

# Vendors' histories start when the vendor does: GA4 refuses days before 2015-08-14.
FIRST_DAY = date(2015, 1, 1)
Period = Literal["day", "week", "month", "quarter", "year"]
PERIODS = get_args(Period)
Quality = Mapping[str, str | float | bool | None]  # what a vendor says of its own data, by the names in `Page`
_MONTHS = {"month": 1, "quarter": 3, "year": 12}


@dataclass(frozen=True)
class Window:
    """A range of whole days, `[start, end)`: the only way a period is passed around."""

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise ValueError(f"a window needs start < end, got start={self.start} end={self.end} (end is exclusive)")

    @classmethod
    def of_day(cls, day: date) -> Window:
        return cls(day, day + timedelta(days=1))

    @property
    def last(self) -> date:
        """The last day inside the window."""
        return self.end - timedelta(days=1)

    def days(self) -> list[date]:
        return [self.start + timedelta(days=i) for i in range((self.end - self.start).days)]

    def __contains__(self, day: date) -> bool:
        return self.start <= day < self.end

    def __str__(self) -> str:
        return f"{self.start}..{self.last}"


def period_start(day: date, period: str, week_start: int = 0, year_start: int = 1) -> date:
    """First day of the period that contains `day`. `week_start`: 0 = Monday … 6 = Sunday. `year_start`: the month that
    fiscal years, and with them quarters, begin with."""
    if period == "day":
        return day
    if period == "week":
        return day - timedelta(days=(day.weekday() - week_start) % 7)
    if period not in _MONTHS:
        raise ValueError(f"unknown period {period!r}, allowed: {', '.join(PERIODS)}")
    index = 12 * day.year + day.month - 1 - (day.month - year_start) % _MONTHS[period]
    return date(index // 12, index % 12 + 1, 1)


def next_period(start: date, period: str) -> date:
    """First day of the period after the one that starts on `start`."""
    if period == "day":
        return start + timedelta(days=1)
    if period == "week":
        return start + timedelta(days=7)
    index = start.year * 12 + start.month - 1 + _MONTHS[period]
    return date(index // 12, index % 12 + 1, 1)


def whole_periods(window: Window, period: str, week_start: int = 0, year_start: int = 1) -> list[Window]:
    """The whole periods that overlap `window`, oldest first."""
    periods, start = [], period_start(window.start, period, week_start, year_start)
    while start < window.end:
        following = next_period(start, period)
        periods.append(Window(start, following))
        start = following
    return periods


class GivenUp(Exception):
    """Whoever asked for this read no longer waits for it (its time is over, the run was stopped): end the thread."""


@dataclass(frozen=True)
class Part:
    """What one part of a stream says something about, as far as the read knows: an entry of `files:`, the ledger.

    * `name`: the part's `account_id`; "" for the whole stream.
    * `feeds`: its subjects (see `Stream`), those of the columns that it fills included.
    * `first_day`: from which day on it is whole; None = whatever came before is in it, too.
    * `last_day`: to which day; None = to the day of reading.
    * `begins`: the day of its first row; None = it has none.
    """

    name: str
    feeds: tuple[str, ...]
    first_day: date | None = None
    last_day: date | None = None
    begins: date | None = None


@dataclass
class Tally:
    """What a read has cost so far; filled by the connector, shown as asset metadata. Safe to share by threads.

    A source with several accounts says which of them answered (`read_accounts`) and which it was to read but
    could not (`unread_accounts`: cancelled, not yet enabled). The raw zone then keeps what is stored of all
    others: an account that was cancelled, or left its manager or the settings, spent what it spent. To forget
    one, move the stream's folder away and backfill. An account that could not be read for a reason that
    somebody must mend, or that may pass (`fail_account`), is unread too, and the read has failed in part.

    A row or record that cannot be taken is a bad row: counted and shown, and what it says of money is added
    up by column and currency (`refused_money`). An unreadable cell that its row can do without is a bad cell:
    the row is stored without it. `good_rows` says how many rows were taken where that is more than are handed
    on (files that overlap).

    It also says how long the read may last (`until`, by time.monotonic) and whether somebody still waits for it.

    A listing whose parts end on days of their own, or feed other subjects than its stream declares, says so part by
    part (`parts`; an empty list: it feeds nothing).
    """

    api_calls: int = 0
    retries: int = 0
    bytes_received: int = 0
    quota: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    bad_rows: list[str] = field(default_factory=list)
    bad_row_count: int = 0
    bad_cells: list[str] = field(default_factory=list)
    bad_cell_count: int = 0
    refused_days: dict[date | None, int] = field(default_factory=dict)
    unread_cell_days: dict[date | None, int] = field(default_factory=dict)
    good_row_count: int = 0
    refused_money: dict[str, Decimal] = field(default_factory=dict)
    read_accounts: set[str] = field(default_factory=set)
    unread_accounts: set[str] = field(default_factory=set)
    failed_accounts: dict[str, SourceError] = field(default_factory=dict)
    parts: list[Part] | None = None
    until: float = math.inf
    _given_up: threading.Event = field(default_factory=threading.Event, repr=False, compare=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    KEPT_BAD_ROWS = 50  # enough to find the cause; the count is exact

    def call(self, bytes_received: int = 0) -> None:
        self.check()
        with self._lock:
            self.api_calls += 1
            self.bytes_received += bytes_received

    def receive(self, bytes_received: int) -> None:
        with self._lock:
            self.bytes_received += bytes_received

    def retry(self) -> None:
        self.check()
        with self._lock:
            self.retries += 1

    # ---- time ----------------------------------------------------------------------------------------------

    def seconds_left(self) -> float:
        """How long the next call may take; never less than a tenth of a second, never negative."""
        return max(0.1, self.until - time.monotonic())

    def sleep(self, seconds: float) -> None:
        """Wait, unless nobody waits for the read any more. Raises GivenUp."""
        self._given_up.wait(seconds)
        self.check()

    def give_up(self) -> None:
        """Tell the thread that reads to end at its next step."""
        self._given_up.set()

    def check(self) -> None:
        """Raises GivenUp where nobody waits for the read any more."""
        if self._given_up.is_set():
            raise GivenUp

    # ---- what came of it -----------------------------------------------------------------------------------

    def note(self, text: str) -> None:
        with self._lock:
            if text not in self.notes:
                self.notes.append(text)

    def read_account(self, account_id: str) -> None:
        """All that the account has in the window has been handed on."""
        with self._lock:
            self.read_accounts.add(account_id)
            self.unread_accounts.discard(account_id)

    def skip_account(self, account_id: str, why: str) -> None:
        """This account cannot be read; others can. Its stored rows stay as they are."""
        self.note(f"account {account_id} was skipped: {why}")
        with self._lock:
            self.unread_accounts.add(account_id)
            self.read_accounts.discard(account_id)

    def fail_account(self, account_id: str, error: SourceError) -> None:
        """This account could not be read, and that is a failure; the others are read. Its stored rows stay."""
        with self._lock:
            self.unread_accounts.add(account_id)
            self.read_accounts.discard(account_id)
            self.failed_accounts[account_id] = error

    def bad_row(
        self, where_and_why: str, money: Mapping[str, Decimal] | None = None, days: Collection[date] = ()
    ) -> None:
        """`money`: what the row says of money, such as {"cost USD": Decimal("12.50")}; `days`: those that it would have
        counted for, where known."""
        with self._lock:
            _count(self.refused_days, days)
            self.bad_row_count += 1
            if len(self.bad_rows) < self.KEPT_BAD_ROWS:
                self.bad_rows.append(where_and_why)
            for name, amount in (money or {}).items():
                self.refused_money[name] = self.refused_money.get(name, Decimal(0)) + amount

    def date_refused(self, rows: Mapping[date, int], cells: Mapping[date, int], money: Mapping[str, Decimal]) -> None:
        """Of bad rows and cells that were told without: on which days they fall, what the rows say of money."""
        with self._lock:
            for told, dated in ((self.refused_days, rows), (self.unread_cell_days, cells)):
                for day, count in dated.items():
                    told[day] = told.get(day, 0) + count
                    told[None] = told.get(None, 0) - count
            for name, amount in money.items():
                self.refused_money[name] = self.refused_money.get(name, Decimal(0)) + amount

    def good_rows(self, count: int) -> None:
        with self._lock:
            self.good_row_count += count

    def bad_cell(self, where_and_why: str, days: Collection[date] = ()) -> None:
        """A cell that says nothing readable and that its row can do without: the row stays, the cell is empty."""
        with self._lock:
            _count(self.unread_cell_days, days)
            self.bad_cell_count += 1
            if len(self.bad_cells) < self.KEPT_BAD_ROWS:
                self.bad_cells.append(where_and_why)

    def see_quota(self, **left: float) -> None:
        with self._lock:
            self.quota.update(left)


def _count(told: dict[date | None, int], days: Collection[date]) -> None:
    for day in days or (None,):
        told[day] = told.get(day, 0) + 1


@dataclass(frozen=True)
class Page:
    """Some rows of a stream, and what the vendor said about their quality.

    `rows` has exactly the stream's declared columns. `quality` keys in use: `sampled_share` (0..1, share of the data looked
    at), `is_thresholded`, `has_other_row`, `is_truncated`, `time_zone`, `currency_code`; others may stand beside them.
    """

    rows: pa.Table
    quality: Quality = field(default_factory=dict)


@dataclass(frozen=True)
class Stream:
    """One kind of row that a source gives, and how it may be asked.

    * `kind="report"`: `day` names a date column, the report day in the source's own zone.
      `kind="record"`: `day` names a UTC timestamp, the record's last update.
      `kind="snapshot"`: `day` names the date on which it was looked; true of now alone, so no past day is ever asked.
    * `restate_days`: trailing days that the nightly run reads again. `deep_restate_days`: the same for the
      weekly or monthly deep pass. `final_after_days`: when a day counts as final, if sooner (Google Ads: cost).
    * `lead_in_days`: days before a window that the reader needs as well (exchange rates carry forward).
    * `period`: rows are keyed by the start of this period; a window is widened to whole periods.
    * `earliest`: the oldest day that the vendor can still be asked for, given today; None = no limit.
    * `is_on`: whether the source's settings allow this stream at all (GA4 sessions need a client-id dimension).
    * `feeds`: the subjects that rest on this stream (SUBJECTS): a day of theirs is whole when every stream that feeds
      them has it. `informs`: subjects that it only colours (a lead's channel, a deal's pipeline): figures stand
      without it, but if its last read failed they are stale. Measures name the same subjects in `rests_on`.
    * `begins`: the column that says when a record came into being, where `day` says when it last changed.
    * `changed_since`: of a source that says what it has corrected: the oldest day whose rows are others than they were at
      that moment; None where none is. A refresh reads again from there on.
    * `read` is None for lists that can only be listed whole: they are swept at every refresh.
    """

    source: str
    name: str
    domain: Literal[
        "web", "visitors", "sessions", "crm", "orders", "ads", "costs", "rates", "survey", "social", "email", "config"
    ]  # fmt: skip
    kind: Literal["report", "record", "snapshot"]
    key: tuple[str, ...]
    schema: pa.Schema
    day: str
    restate_days: int
    deep_restate_days: int
    additive: bool = False
    period: Period = "day"
    final_after_days: int | None = None
    lead_in_days: int = 0
    earliest: Callable[[date], date] | None = None
    is_on: Callable[[Any], bool] = lambda _settings: True
    feeds: tuple[str, ...] = ()
    informs: tuple[str, ...] = ()
    begins: str | None = None
    read: Callable[[Any, Window, Tally], Iterator[Page]] | None = None
    sweep: Callable[[Any, Tally], Iterator[Page]] | None = None
    changed_since: Callable[[Any, datetime, Tally], date | None] | None = None
    description: str = ""

    def __post_init__(self) -> None:
        columns = set(self.schema.names)
        missing = [name for name in (*self.key, self.day, "account_id", "_extra") if name not in columns]
        if missing:
            raise ValueError(f"stream {self.id}: key, day, account_id and _extra must be columns; missing {missing}")
        if self.read is None and self.sweep is None:
            raise ValueError(f"stream {self.id} can neither be read nor swept")
        if unknown := sorted({*self.feeds, *self.informs} - set(SUBJECTS)):
            raise ValueError(f"stream {self.id} feeds or informs {unknown[0]!r}, which is none of SUBJECTS")

    @property
    def id(self) -> str:
        return f"{self.source}/{self.name}"

    @property
    def settles_after_days(self) -> int:
        return self.restate_days if self.final_after_days is None else self.final_after_days


class SourceError(Exception):
    """A source could not be read; nothing of what was there before has changed."""

    def __init__(self, message: str, *, source: str = "", stream: str = "") -> None:
        where = "/".join(part for part in (source, stream) if part)
        super().__init__(f"{where}: {message}" if where else message)
        self.source, self.stream = source, stream


class ConfigError(SourceError):
    """A setting is wrong or missing: the person must change it; no retry helps."""


class AuthError(SourceError):
    """The vendor refuses the credentials: renew them or grant the right named in the message."""


class QuotaError(SourceError):
    """The vendor's quota is used up for longer than a run should wait."""

    def __init__(self, message: str, *, retry_after_seconds: float | None = None, **where: str) -> None:
        super().__init__(message, **where)
        self.retry_after_seconds = retry_after_seconds


class VendorError(SourceError):
    """The vendor answered with an error, or with something that contradicts itself, after all retries."""


class DriftError(SourceError):
    """The vendor's or the file's fields are not those that the stream declares."""


ACCOUNT_AND_EXTRA = [pa.field("account_id", pa.string()), pa.field("_extra", pa.string())]


def schema(*fields: tuple[str, pa.DataType]) -> pa.Schema:
    """A stream's schema: the declared fields, then `account_id` and `_extra`."""
    return pa.schema([*(pa.field(name, kind) for name, kind in fields), *ACCOUNT_AND_EXTRA])
