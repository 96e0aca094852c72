"""Exchange rates as the ECB would have set them: on TARGET business days, 1 EUR in USD, GBP and CHF."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from dagster_project.sandbox.company.days import DAYS
from dagster_project.sandbox.company.tables import FX_RATES

_START = {"USD": 1.165, "GBP": 0.862, "CHF": 0.938}
_DAILY_VOLATILITY = 0.0042
# Easter Sundays of the history.
_EASTER = {2025: date(2025, 4, 20), 2026: date(2026, 4, 5)}
_DIGITS = {"USD": 4, "GBP": 5, "CHF": 4}
_PUBLISHED = time(16, 0, tzinfo=ZoneInfo("Europe/Berlin"))


def simulate(rng: np.random.Generator) -> pa.Table:
    """FX_RATES: random walks that pull back to where they began."""
    rows = []
    for currency, start in _START.items():
        log_rate = 0.0
        for day, step in zip(DAYS.tolist(), rng.normal(0, _DAILY_VOLATILITY, len(DAYS)).tolist(), strict=True):
            log_rate = 0.99 * log_rate + step
            if is_business_day(day):
                rate = round(start * float(np.exp(log_rate)), _DIGITS[currency])
                rows.append((day, currency, rate, datetime.combine(day, _PUBLISHED).astimezone(UTC)))
    return pa.table(list(zip(*sorted(rows), strict=True)), schema=FX_RATES)


def is_business_day(day: date) -> bool:
    """TARGET closes at weekends, 1 January, Good Friday, Easter Monday, 1 May, 25 and 26 December."""
    sunday = _EASTER[day.year]
    is_moving_holiday = day in (sunday - timedelta(days=2), sunday + timedelta(days=1))
    is_holiday = is_moving_holiday or (day.month, day.day) in {(1, 1), (5, 1), (12, 25), (12, 26)}
    return day.weekday() < 5 and not is_holiday
