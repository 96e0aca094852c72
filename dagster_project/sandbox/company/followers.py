"""Who follows the company on social networks: how many at a moment, by network. A function of the moment alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from dagster_project.sandbox.company.tables import HISTORY_START

# Followers at the beginning of the history, and those won on an average day.
_BEGAN_WITH = {
    "messenger": (3_180, 4), "film": (8_410, 9), "forum": (12_045, -1), "friends": (9_501, 2), "photos": (4_321, 7),
    "careers": (3_364, 5), "notes": (1_200, 0), "pins": (610, 1),
}  # fmt: skip
_MOMENT_ZERO = datetime.combine(HISTORY_START, datetime.min.time(), UTC)


def followers_as_of(network: str, now: datetime) -> int:
    """Followers at `now`: each hour some come and some go, so that an hour later is another number."""
    first, a_day = _BEGAN_WITH[network]
    hours = (now - _MOMENT_ZERO) // timedelta(hours=1)
    return first + a_day * hours // 24 + hours * 7 % 5
