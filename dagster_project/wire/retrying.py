"""The one engine for asking again: what is retried, how long, by whom. No vendor's words, no protocol's.

| what happened                                            | who sees it     | waits                       | at most          |
|----------------------------------------------------------|-----------------|-----------------------------|------------------|
| no connection, a body that breaks off, an empty 200,     | http, or whoever| back-off                    | `attempts` in a  |
| JSON that was cut                                        | reads a stream  |                             | row              |
| 408, 423, 425, 429 and 5xx                               | http            | Retry-After, else back-off  | `attempts`       |
| what passes in the vendor's dialect, whatever its status | the connector   | what it says, else back-off | `attempts`       |
| a quota that returns at a known time (`is_quota`)        | the connector   | until then                  | all patience     |
| a login that has ended (`LoginEnded`)                    | http, connector | not: it is renewed          | once in a row    |
| a longer wait than patience or the read's time allow     | the engine      | not: QuotaError at once     |                  |
| anything else: refusals, web pages, wrong requests       | -               | never asked again           |                  |

Whoever sees that an answer did not come raises Interrupted; whether, when and how often to ask again is decided here.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import TypeVar

from dagster_project.wire.contract import QuotaError, SourceError, Tally, VendorError

log = logging.getLogger(__name__)

ATTEMPTS = 6  # with the back-off below: about 16 s of trouble are ridden out, longer ones are the next run's
LONGEST_BACKOFF_SECONDS = 60
PATIENCE_SECONDS = 120  # a vendor that asks to wait longer than this gets a QuotaError instead of a sleeping run
PASSING_STATUS = frozenset({408, 423, 425, 429})  # and all from 500 on
T = TypeVar("T")


def is_passing(status: int) -> bool:
    """Whether an HTTP status alone says that asking again may help."""
    return status in PASSING_STATUS or status >= 500


class Interrupted(Exception):
    """An answer did not come, or not to its end: ask again, after `wait_seconds` if the vendor said so.

    `is_quota`: a quota is used up: waiting for it is no failed attempt, but spends patience. `otherwise`: what is raised
    where waiting so long makes no sense, in the vendor's own terms.
    """

    def __init__(
        self,
        why: str,
        wait_seconds: float | None = None,
        *,
        is_quota: bool = False,
        otherwise: SourceError | None = None,
    ) -> None:
        super().__init__(why)
        self.wait_seconds, self.is_quota, self.otherwise = wait_seconds, is_quota, otherwise


class LoginEnded(Interrupted):
    """The vendor no longer takes the token: a fresh one may do. `refusal`: what is raised where that is refused, too."""

    def __init__(self, why: str, refusal: SourceError) -> None:
        super().__init__(why, 0.0)
        self.refusal = refusal


@dataclass(frozen=True)
class Persistence:
    """How often and how long a vendor is asked again.

    The back-off doubles from `first_seconds`, plus up to `chance_seconds`. `patience_seconds`: the longest wait that a
    vendor may ask for; for quotas, all of them together.
    """

    attempts: int = ATTEMPTS
    first_seconds: float = 0.5
    chance_seconds: float = 0.5
    longest_seconds: float = LONGEST_BACKOFF_SECONDS
    patience_seconds: float = PATIENCE_SECONDS

    def back_off_seconds(self, failures: int) -> float:
        """How long to wait after this many failures in a row."""
        doubled = self.first_seconds * 2 ** (failures - 1)
        return min(self.longest_seconds, doubled) + random.uniform(0, self.chance_seconds)


USUAL = Persistence()


class Retries:
    """Asks again on behalf of one read. `renew` makes a new login; None = there is none that could be renewed."""

    def __init__(
        self,
        tally: Tally,
        *,
        source: str,
        stream: str = "",
        persistence: Persistence = USUAL,
        sleep: Callable[[float], None] | None = None,
        renew: Callable[[], None] | None = None,
    ) -> None:
        self.persistence = persistence
        self._tally, self._sleep, self._renew = tally, sleep or tally.sleep, renew
        self._where = {"source": source, "stream": stream}
        self._quota_patience_left = persistence.patience_seconds
        self._is_renewed = False

    def run(self, ask: Callable[[], T], what: str) -> T:
        """What `ask` gives, however many attempts it takes. Raises what `ask` and `pause` raise."""
        failures = 0
        while True:
            try:
                answer = ask()
            except Interrupted as interrupted:
                failures += not interrupted.is_quota
                self.pause(failures, interrupted, what)
            else:
                self._is_renewed = False
                return answer

    def pause(self, failures: int, interrupted: Interrupted, what: str) -> None:
        """Waits before the next attempt; raises a SourceError where another one makes no sense.

        `failures`: how many attempts in a row have failed, this one included.
        """
        if isinstance(interrupted, LoginEnded):
            self._renew_once(interrupted)
        if not interrupted.is_quota and failures >= self.persistence.attempts:
            raise VendorError(f"{what} still fails after {failures} attempts: {interrupted}", **self._where) from None
        wait = interrupted.wait_seconds
        if wait is not None and wait > self._patience(interrupted):
            raise interrupted.otherwise or QuotaError(
                f"{what}: the vendor asks to wait {wait:.0f} s; run again after that "
                "(what was loaded before is untouched)",
                retry_after_seconds=wait,
                **self._where,
            ) from None
        wait = self.persistence.back_off_seconds(failures) if wait is None else wait
        if interrupted.is_quota:
            self._quota_patience_left -= wait
        self._tally.retry()
        log.info("%s: attempt %d failed (%s); again in %.1f s", self._where["source"], failures, interrupted, wait)
        if wait:
            self._sleep(wait)

    def _patience(self, interrupted: Interrupted) -> float:
        most = self._quota_patience_left if interrupted.is_quota else self.persistence.patience_seconds
        return min(most, self._tally.seconds_left())

    def _renew_once(self, ended: LoginEnded) -> None:
        if self._renew is None or self._is_renewed:
            raise ended.refusal from None
        self._is_renewed = True
        self._renew()


def until_whole(ask: Callable[[], T], pause: Callable[[int, Interrupted], None]) -> T:
    """What `ask` gives, for a reader that must ask from its own start again: `pause(failures, interrupted)` waits."""
    for failures in count(1):
        try:
            return ask()
        except Interrupted as interrupted:
            pause(failures, interrupted)
    raise AssertionError("unreachable: pause raises in the end")
