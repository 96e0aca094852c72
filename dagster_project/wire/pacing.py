"""How fast a vendor may be asked: limits per second and burst, waiting times and quotas in headers. No vendor's words."""

from __future__ import annotations

import math
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache


class Pacer:
    """Lets `calls` through in any `seconds`, over all threads that share it; waits only if it must.

    `calls` is the burst, too: they may all go at once.
    """

    def __init__(
        self,
        calls: int,
        seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._seconds, self._clock, self._sleep = seconds, clock, sleep
        self._begun: deque[float] = deque(maxlen=calls)  # when the last `calls` of them began, or will
        self._lock = threading.Lock()

    def wait(self, sleep: Callable[[float], None] | None = None) -> None:
        """Returns when the next call may begin. Each caller takes its turn at once and waits for it by itself."""
        with self._lock:
            now = self._clock()
            is_full = len(self._begun) == self._begun.maxlen
            turn = max(now, self._begun[0] + self._seconds) if is_full else now
            self._begun.append(turn)
        if turn > now:
            (sleep or self._sleep)(turn - now)


@lru_cache(maxsize=64)
def shared_pacer(whose: tuple[str, ...], calls: int, seconds: float) -> Pacer:
    """The process's one pacer for `whose` (an address and a token): a limit of an account is common to all streams that
    read from it, each in a thread of its own."""
    return Pacer(calls, seconds)


def retry_after_seconds(headers: Mapping[str, str], name: str = "Retry-After") -> float | None:
    """A waiting time in seconds, as a number or an HTTP date says it; None where it is absent or says nothing."""
    value = headers.get(name, "").strip()
    if re.fullmatch(r"\d+(\.\d+)?", value):
        return float(value)
    try:
        return seconds_until(parsedate_to_datetime(value).timestamp())
    except (ValueError, OverflowError):
        return None


def seconds_until(epoch_seconds: float) -> float:
    """From now to a moment in epoch seconds; 0 where it has passed."""
    return max(0.0, math.ceil(epoch_seconds - datetime.now(UTC).timestamp()))


def duration_seconds(text: str | None) -> float | None:
    """Seconds of a duration in JSON of protocol buffers: "8962s" is 8962.0. None for anything else."""
    return float(text[:-1]) if text and re.fullmatch(r"\d+(\.\d+)?s", text) else None


def quota_of(headers: Mapping[str, str], names: Mapping[str, str]) -> dict[str, float]:
    """What headers say of quotas. `names`: theirs -> ours, as in `Tally.see_quota`; what is no number is left out."""
    seen = {ours: headers.get(theirs, "") for theirs, ours in names.items()}
    return {name: float(value) for name, value in seen.items() if re.fullmatch(r"\d+(\.\d+)?", value)}


def in_words(seconds: float) -> str:
    """A waiting time for people: "2.5 hours", "20 minutes"."""
    return f"{seconds / 3600:.1f} hours" if seconds >= 3600 else f"{seconds / 60:.0f} minutes"
