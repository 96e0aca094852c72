"""The company's calendar: its days in Berlin, how much the market asks on each, and moments within them.

Moments are int64 milliseconds since 1970 in UTC throughout the simulation.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from dagster_project.sandbox.company.tables import HISTORY_END, HISTORY_START, TIME_ZONE

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

SECOND_MS, MINUTE_MS, HOUR_MS, DAY_MS = 1_000, 60_000, 3_600_000, 86_400_000

DAYS = np.arange(np.datetime64(HISTORY_START), np.datetime64(HISTORY_END) + 1)  # datetime64[D]

_ZONE = ZoneInfo(TIME_ZONE)
_WEEKDAY = np.array([1.12, 1.18, 1.15, 1.10, 0.95, 0.56, 0.62])  # Monday first: offices buy
_MONTH = np.array([1.04, 1.0, 1.05, 1.0, 0.95, 0.92, 0.80, 0.74, 1.05, 1.14, 1.24, 0.95])
_GROWTH = 0.40  # over the whole history
_HOUR = np.array([1, 1, 1, 1, 1, 2, 4, 8, 14, 17, 18, 16, 13, 15, 16, 15, 14, 11, 9, 8, 8, 6, 4, 2], float)


def demand() -> Floats:
    """By day: weekday x month (summer dip, autumn peak, still between the years) x growth; mean about 1."""
    weekday = (DAYS.astype(int) + 3) % 7  # 1970-01-01 was a Thursday
    months = DAYS.astype("datetime64[M]")
    day_of_month = (DAYS - months).astype(int) + 1
    month = months.astype(int) % 12
    holiday = np.where((month == 11) & (day_of_month >= 20), 0.45, 1.0)
    growth = 1 - _GROWTH / 2 + _GROWTH * np.arange(len(DAYS)) / len(DAYS)
    return _WEEKDAY[weekday] * _MONTH[month] * holiday * growth


def _midnights_ms() -> Ints:
    first = datetime.combine(HISTORY_START, time(), _ZONE)
    return np.array([int((first + timedelta(days=n)).timestamp()) * 1000 for n in range(len(DAYS) + 1)], np.int64)


MIDNIGHTS_MS = _midnights_ms()  # the start of each Berlin day, and of the day after the last


def moments_in_day(rng: np.random.Generator, day: Ints) -> Ints:
    """A moment in each of these days (positions in DAYS), more often in office hours."""
    hour = np.searchsorted(np.cumsum(_HOUR) / _HOUR.sum(), rng.random(len(day)), side="right")
    moment = MIDNIGHTS_MS[day] + hour * HOUR_MS + rng.integers(0, HOUR_MS, len(day))
    return np.minimum(moment, MIDNIGHTS_MS[day + 1] - 1)  # the day with 23 hours


def day_of(moment_ms: Ints) -> Ints:
    """Position in DAYS of each moment (Berlin days)."""
    return np.searchsorted(MIDNIGHTS_MS, moment_ms, side="right") - 1


def local_ms(moment_ms: Ints) -> Ints:
    """Wall clock in Berlin, as if it were UTC."""
    hours, position = np.unique(moment_ms // HOUR_MS, return_inverse=True)
    offsets = (datetime.fromtimestamp(hour * 3600, _ZONE).utcoffset() or timedelta() for hour in hours.tolist())
    offsets_ms = np.array([offset // timedelta(milliseconds=1) for offset in offsets], np.int64)
    return moment_ms + offsets_ms[position]


def ms_of(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def datetime_of(moment_ms: int) -> datetime:
    """Aware, UTC, exact to the millisecond."""
    return datetime.fromtimestamp(moment_ms // 1000, UTC) + timedelta(milliseconds=moment_ms % 1000)
