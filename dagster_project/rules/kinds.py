"""The words of rules (stages, models, grains ...) and the kinds of value, each with what is allowed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, get_args
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    Field,
)

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
Stage = Literal["lead", "mql", "sal", "sql", "opportunity", "won", "lost"]
Model = Literal[
    "first", "last", "last_non_direct", "first_paid", "last_paid", "linear", "time_decay", "position",
    "w_shaped", "full_path", "shapley", "markov",
]  # fmt: skip
Conversion = Literal["lead", "mql", "sql", "opportunity", "order"]
Transition = Literal["lead>mql", "mql>sal", "sal>sql", "sql>opportunity", "opportunity>won"]
CostType = Literal["media", "labour", "technology", "agency", "overhead", "distribution"]
Motion = Literal["inbound", "outbound"]
Grain = Literal["day", "week", "month", "quarter", "year"]
WEEKDAYS, MODELS, CONVERSIONS, TRANSITIONS, GRAINS = map(get_args, (Weekday, Model, Conversion, Transition, Grain))
# a row for each model by day and week would be most rows of all, of numbers too small to compare
MODELS_BY_GRAIN = {"day": "default", "week": "default", "month": "all", "quarter": "all", "year": "all"}


# ---- kinds of value ----------------------------------------------------------------------------------------


def _time_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("not a time zone name; allowed are IANA names such as UTC or Europe/Berlin")
    return name


def _currency(code: str) -> str:
    if not is_currency(code):
        raise ValueError("not a currency code; allowed are ISO 4217 codes such as EUR")
    return code.upper()


def is_currency(code: str) -> bool:
    """Whether ISO 4217 has, or had, this currency: old orders are in old money."""
    from babel.numbers import is_currency as is_known  # 0.1 s, and only where a currency is named

    return is_known(code.upper())


def _cron(line: str) -> str:
    from cronsim import CronSim, CronSimError

    try:
        CronSim(line, datetime(2026, 1, 1))
    except CronSimError as error:
        raise ValueError(
            f"not a line that cron accepts ({error}); allowed is such as '0 3 * * *' (every night at 3)"
        ) from None
    return line


def _pattern(text: str) -> str:
    """A regular expression as the warehouse reads it: RE2, which has no lookaround and no backreferences."""
    import duckdb  # the warehouse itself says what it reads

    try:
        duckdb.execute("select regexp_full_match('', ?)", ["(?i)" + text])
    except duckdb.Error as error:
        why = str(error).removeprefix("Invalid Input Error: ").strip()
        raise ValueError(
            f"not a regular expression that the warehouse can read ({why}); allowed is RE2, which knows no lookahead, "
            "lookbehind or backreferences (github.com/google/re2/wiki/Syntax)"
        ) from None
    return text


TimeZone = Annotated[str, AfterValidator(_time_zone)]
Currency = Annotated[str, AfterValidator(_currency)]
Pattern = Annotated[str, AfterValidator(_pattern)]
Cron = Annotated[str, AfterValidator(_cron)]
Amount = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Days = Annotated[int, Field(ge=1, le=3650)]
