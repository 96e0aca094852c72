"""How the company's site is found in search engines: what was searched for, which pages were shown where, and who clicked.

Two engines, drawn apart from the visits of the company. A search may show two pages of the site; some are so rare that an
engine keeps their words to itself. Nothing here knows a vendor's field names.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from dagster_project.sandbox.company.tables import HISTORY_END, HISTORY_START, SITE_HOST, TIME_ZONE

COMPLETE_AFTER_DAYS = 2  # a day's searches are all there when it is so many days old
DEVICES = (("mobile", 0.5), ("desktop", 0.4), ("tablet", 0.1))


@dataclass(frozen=True)
class Searches:
    """What was searched for with one kind of device in one country on a day. `pages`: shown together, the upper one first,
    which gets the clicks; the next one stands three places below."""

    day: date
    words: str
    is_rare: bool
    pages: tuple[str, ...]
    country: str | None  # ISO 3166 alpha-2
    device: str
    impressions: int
    clicks: int
    place: float  # of the upper page, on average; 1 is the top


#  words, is it rare, pages, a day, share of clicks, place
_WORDS = (
    ("kontorra", False, ("", "kasse/"), 60, 0.4, 1.2),
    ("kontorra login", False, ("login/",), 25, 0.6, 1.0),
    ("rechnung schreiben", False, ("rechnung/", ""), 140, 0.03, 7.4),
    ("kassensystem kleinunternehmer", False, ("kasse/",), 90, 0.04, 5.9),
    ("factuur maken", False, ("rechnung/",), 30, 0.05, 9.3),
    ("registrierkasse friseur gebraucht mit drucker", True, ("kasse/",), 5, 0.1, 14.0),
    ("kontorra anna schmidt anna@salon.example", True, ("",), 2, 0.2, 3.0),
)
_COUNTRIES: dict[str, tuple[tuple[str | None, float], ...]] = {
    "first": (("DE", 0.6), ("AT", 0.2), ("NL", 0.15), (None, 0.05)),
    "second": (("DE", 1.0),),
}
_SHARE = {"first": 1.0, "second": 0.3}


def days_as_of(seed: int, engine: str, now: datetime, first: date, last: date) -> list[Searches]:
    """The searches of these days up to yesterday, oldest first; of days that are not complete a half is known."""
    today = now.astimezone(ZoneInfo(TIME_ZONE)).date()
    history, complete = _history(seed, engine), last_complete(now)
    known = []
    for n in range((min(last, today - timedelta(days=1)) - first).days + 1):
        day = first + timedelta(days=n)
        for each in history.get(day, ()):
            part = 1 if day <= complete else 2
            shown = replace(each, impressions=each.impressions // part, clicks=each.clicks // part)
            if shown.impressions:
                known.append(shown)
    return known


def last_complete(now: datetime) -> date:
    return now.astimezone(ZoneInfo(TIME_ZONE)).date() - timedelta(days=COMPLETE_AFTER_DAYS)


@lru_cache(maxsize=4)
def _history(seed: int, engine: str) -> dict[date, tuple[Searches, ...]]:
    chance = random.Random(f"{seed} search {engine}")
    days = [HISTORY_START + timedelta(days=n) for n in range((HISTORY_END - HISTORY_START).days + 1)]
    return {day: tuple(_of_day(chance, engine, day)) for day in days}


def _of_day(chance: random.Random, engine: str, day: date) -> Iterator[Searches]:
    for words, is_rare, paths, a_day, click_share, place in _WORDS:
        for country, country_share in _COUNTRIES[engine]:
            for device, device_share in DEVICES:
                share = country_share * device_share * _SHARE[engine]
                impressions = int(a_day * share * chance.uniform(0.5, 1.5) + chance.random())
                if impressions:
                    yield Searches(
                        day,
                        words,
                        is_rare,
                        tuple(f"https://{SITE_HOST}/{path}" for path in paths),
                        country,
                        device,
                        impressions,
                        sum(chance.random() < click_share for _ in range(impressions)),
                        round(place * chance.uniform(0.9, 1.2) + (device == "mobile") * 0.5, 3),
                    )
