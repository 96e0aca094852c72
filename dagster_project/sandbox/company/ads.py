"""The ad account: campaigns, what was spent on each day, and every click. Budgets are causes, not results.

Clicks become sessions in `web`; conversions come back from there (`credit`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.sandbox.company.days import (
    DAY_MS,
    DAYS,
    HOUR_MS,
    MIDNIGHTS_MS,
    day_of,
    demand,
    moments_in_day,
    ms_of,
)
from dagster_project.sandbox.company.tables import AD_CLICKS, AD_STATS, AdCampaign, Web

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# Share of clicks whose cost Google still takes back as invalid, by age of the day in whole days.
UNSETTLED_COST = (0.02, 0.012, 0.005)
URL_SAFE = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-", dtype="S1")


@dataclass(frozen=True)
class Plan:
    """What a campaign is meant to do."""

    campaign: AdCampaign
    budget_eur: float  # a day, before seasonality
    cost_per_click_eur: float
    click_through_rate: float
    country_weights: tuple[float, ...]  # in the order of visits.COUNTRIES
    ad_groups: tuple[tuple[str, int], ...]  # (name, number of ads); empty: campaign level only
    unplaced_share: float = 0.0  # part of the budget that no ad of its own carries
    months: tuple[int, ...] = tuple(range(1, 13))


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _campaign(
    number: int,
    channel_type: str,
    name: str,
    *,
    renamed: tuple[str, str] | None = None,
    started: str = "2025-06-01",
    stopped: tuple[str, str] | None = None,
) -> AdCampaign:
    since = _at("2025-06-01")
    names = [(since, name)] + ([(_at(renamed[0]), renamed[1])] if renamed else [])
    statuses = [(since, "paused"), (_at(started), "running")] + ([(_at(stopped[0]), stopped[1])] if stopped else [])
    return AdCampaign(str(21_300_000_000 + number * 7_919), channel_type, tuple(names), tuple(statuses))


#                 DE    AT    CH    NL    GB    US
_GERMAN = (0.72, 0.15, 0.13, 0.00, 0.00, 0.00)
_ENGLISH = (0.00, 0.00, 0.00, 0.04, 0.51, 0.45)
_ALL = (0.52, 0.11, 0.09, 0.11, 0.10, 0.07)

PLANS = (
    Plan(
        _campaign(1, "search", "DE | Search | Brand"),
        *(10.0, 0.85, 0.21),
        _GERMAN,
        (("Brand exact", 2), ("Brand + product", 2)),
    ),
    Plan(
        _campaign(2, "search", "DACH | Search | Generic"),
        *(52.0, 4.10, 0.055),
        _GERMAN,
        (("Rechnungsprogramm", 2), ("Kassensystem", 2), ("E-Rechnung", 1)),
        unplaced_share=0.08,
    ),
    Plan(
        _campaign(3, "search", "NL | Search | Generic"),
        *(16.0, 3.20, 0.050),
        (0.0, 0.0, 0.0, 1.0, 0.0, 0.0),
        (("Factuurprogramma", 2),),
    ),
    Plan(
        _campaign(4, "search", "UK+US | Search | Generic", renamed=("2026-04-15T10:00", "EN | Search | Generic")),
        *(54.0, 5.20, 0.048),
        _ENGLISH,
        (("Invoicing software", 2), ("Point of sale", 2)),
    ),
    Plan(
        _campaign(5, "search", "DACH | Search | Competitors", stopped=("2026-06-08T08:00", "ended")),
        *(14.0, 4.60, 0.031),
        _GERMAN,
        (("Competitor names", 2),),
    ),
    Plan(_campaign(6, "everywhere", "PMax | Small business"), *(42.0, 1.90, 0.018), _ALL, ()),
    Plan(
        _campaign(7, "display", "Display | Retargeting"),
        *(7.0, 0.65, 0.004),
        _ALL,
        (("Visitors 30 days", 2),),
    ),
    Plan(
        _campaign(8, "shopping", "Shopping | Till starter kits"),
        *(12.0, 0.85, 0.011),
        _GERMAN,
        (("All kits", 1),),
    ),
    Plan(
        _campaign(9, "video", "YouTube | How to invoice", started="2025-10-06"),
        *(9.0, 1.20, 0.006),
        _ALL,
        (("In-stream", 1), ("Shorts", 1)),
    ),
    Plan(
        _campaign(10, "demand", "Demand Gen | Autumn offer", started="2025-09-01"),
        *(14.0, 0.95, 0.009),
        _ALL,
        (("Lookalike customers", 2),),
        months=(9, 10, 11),
    ),
)
CAMPAIGNS = tuple(plan.campaign for plan in PLANS)


@dataclass(frozen=True)
class Unit:
    """What a row of the statistics is about: an ad, or the part of a campaign that has no ad."""

    plan: int  # position in PLANS
    ad_group_id: str | None
    ad_group_name: str | None
    ad_id: str | None
    ad_name: str | None
    share: float  # of the campaign's budget


def _units() -> tuple[Unit, ...]:
    units = []
    for number, plan in enumerate(PLANS):
        free_share = plan.unplaced_share if plan.ad_groups else 1.0
        if free_share:
            units.append(Unit(number, None, None, None, None, free_share))
        ads = [(group, ad) for group, (_, count) in enumerate(plan.ad_groups) for ad in range(count)]
        weights = [1.0 / (2 + position) for position in range(len(ads))]
        for (group, ad), weight in zip(ads, weights, strict=True):
            name = plan.ad_groups[group][0]
            units.append(
                Unit(
                    number,
                    str(151_000_000_000 + number * 1_000_003 + group * 101),
                    name,
                    str(702_000_000_000 + number * 1_000_003 + group * 1_009 + ad * 13),
                    f"{name} {'AB'[ad]}",
                    (1 - free_share) * weight / sum(weights),
                )
            )
    return tuple(units)


UNITS = _units()


@dataclass(frozen=True)
class AdHistory:
    """Statistics and clicks as arrays; `click_stat` points from a click to its row of the statistics."""

    stat_day: Ints  # position in DAYS
    stat_unit: Ints  # position in UNITS
    impressions: Ints
    clicks: Ints
    cost_cents: Ints
    click_stat: Ints
    click_ms: Ints  # UTC, epoch milliseconds, ascending
    gclids: npt.NDArray[np.bytes_]


def simulate(rng: np.random.Generator, scale: float) -> AdHistory:
    """Budgets with seasonality -> clicks -> what they cost."""
    plans = np.array([unit.plan for unit in UNITS])
    budget = np.array([PLANS[unit.plan].budget_eur * unit.share for unit in UNITS])
    cost_per_click = np.array([plan.cost_per_click_eur for plan in PLANS])[plans]
    click_through_rate = np.array([plan.click_through_rate for plan in PLANS])[plans]

    spend_planned = _is_running()[:, plans] * budget * demand()[:, None] * scale
    spend_planned *= rng.lognormal(-0.02, 0.2, spend_planned.shape)
    # Clicks get dearer when everybody bids: with the square root of demand.
    price = cost_per_click * np.sqrt(demand())[:, None] * rng.lognormal(-0.005, 0.1, spend_planned.shape)
    clicks = rng.poisson(spend_planned / price)
    impressions = clicks + rng.poisson(spend_planned / price * (1 / click_through_rate - 1))
    # The platform bills in cents of the account's currency.
    cost_cents = np.round(clicks * price * 100).astype(np.int64)

    day, unit = np.nonzero(impressions)
    stats = (impressions[day, unit], clicks[day, unit], cost_cents[day, unit])
    click_stat = np.repeat(np.arange(len(day)), stats[1])
    click_ms = moments_in_day(rng, day[click_stat])
    order = np.argsort(click_ms, kind="stable")
    return AdHistory(day, unit, *stats, click_stat[order], click_ms[order], click_ids(rng, len(order), "Cj0KCQ"))


def click_ids(rng: np.random.Generator, count: int, prefix: str, length: int = 40) -> npt.NDArray[np.bytes_]:
    """Random URL-safe click ids."""
    letters = URL_SAFE[rng.integers(0, 64, (count, length), dtype=np.int8)]
    return np.char.add(prefix.encode(), letters.view(f"S{length}").reshape(-1))


def _is_running() -> npt.NDArray[np.bool_]:
    """DAYS x PLANS."""
    running = np.zeros((len(DAYS), len(PLANS)), bool)
    months = DAYS.astype("datetime64[M]").astype(int) % 12 + 1
    for number, plan in enumerate(PLANS):
        for since, status in plan.campaign.statuses:
            running[np.datetime64(since.date()) <= DAYS, number] = status == "running"
        running[:, number] &= np.isin(months, plan.months)
    return running


def unsettled_cost_factor(age_days: Ints) -> Floats:
    """What multiplies the final cost of a day that is this old (in whole days)."""
    extra = np.zeros(int(max(age_days.max(initial=0), len(UNSETTLED_COST))) + 1)
    extra[: len(UNSETTLED_COST)] = UNSETTLED_COST
    return 1.0 + extra[age_days]


@dataclass(frozen=True)
class Conversions:
    """What the ad platform credits to clicks: key events of the clicking browser within 30 days."""

    stat: Ints  # row of AdHistory's statistics (the click's day)
    reported_ms: Ints
    conversions: Floats
    value_eur: Floats


CONVERSION_VALUES_EUR = {"generate_lead": 60.0, "sign_up": 35.0, "purchase": 249.0}
CONVERSION_WINDOW_DAYS = 30


def credit(rng: np.random.Generator, web: Web, ads: AdHistory) -> Conversions:
    """A key event on the click's own visit counts whole; on a later one half, the rest is others' doing."""
    sessions = web.sessions
    moment_ms = sessions["started_at_utc"].cast(pa.int64()).to_numpy() // 1000
    client = sessions["client_id"].combine_chunks().dictionary_encode().indices.to_numpy()
    order = np.lexsort((moment_ms, client))
    click = pc.index_in(sessions["gclid"], pa.array(ads.gclids.astype(str))).fill_null(-1).to_numpy()[order]
    latest = np.maximum.accumulate(np.where(click >= 0, np.arange(len(order)), 0))
    is_same = (client[order][latest] == client[order]) & (click[latest] >= 0)
    click_of = np.full(len(order), -1)
    click_of[order] = np.where(is_same, click[latest], -1)
    own_click = np.empty(len(order), bool)
    own_click[order] = click >= 0

    session = web.key_events["session_row"].to_numpy()
    occurred_ms = web.key_events["occurred_at_utc"].cast(pa.int64()).to_numpy() // 1000
    credited = click_of[session] >= 0
    credited &= occurred_ms - ads.click_ms[click_of[session]] <= CONVERSION_WINDOW_DAYS * DAY_MS
    rows = np.flatnonzero(credited)
    share = np.where(own_click[session[rows]], 1.0, 0.5)
    names = web.key_events["event_name"].take(pa.array(rows)).to_pylist()
    value = np.array([CONVERSION_VALUES_EUR[name] for name in names])
    reported_ms = occurred_ms[rows] + rng.integers(3 * HOUR_MS, 20 * HOUR_MS, len(rows))
    return Conversions(ads.click_stat[click_of[session[rows]]], reported_ms, share, share * value)


def stats_as_of(ads: AdHistory, conversions: Conversions, now: datetime) -> pa.Table:
    """AD_STATS at a moment: today so far, cost not yet settled, conversions reported by then."""
    now_ms = ms_of(now)
    today = int(day_of(np.array([now_ms]))[0])
    size = len(ads.stat_day)
    age = today - ads.stat_day
    is_today = age == 0
    so_far = (now_ms - MIDNIGHTS_MS[today]) / DAY_MS if today < len(DAYS) else 1.0
    clicks_today = np.bincount(ads.click_stat[ads.click_ms <= now_ms], minlength=size)
    clicks = np.where(is_today, clicks_today, ads.clicks)
    impressions = np.where(is_today, np.maximum((ads.impressions * so_far).astype(np.int64), clicks), ads.impressions)
    # In ten-thousandths of a cent, as the platform counts: what ends between two cents rounds as it does there.
    cost = ads.cost_cents * 10_000 * np.where(is_today, clicks / np.maximum(ads.clicks, 1), 1.0)
    cost = np.round(cost * unsettled_cost_factor(np.maximum(age, 0)) / 10_000).astype(np.int64)
    known = conversions.reported_ms <= now_ms
    credited = np.bincount(conversions.stat[known], conversions.conversions[known], size)
    value = np.bincount(conversions.stat[known], conversions.value_eur[known], size)

    keep = np.flatnonzero((age >= 0) & (impressions > 0))
    unit = pa.array(ads.stat_unit[keep])
    plan = pa.array(np.array([u.plan for u in UNITS])[ads.stat_unit[keep]])
    return pa.table(
        [
            pa.array(DAYS[ads.stat_day[keep]]),
            pa.array([c.id for c in CAMPAIGNS]).take(plan),
            pa.array([c.name_as_of(now) for c in CAMPAIGNS]).take(plan),
            pa.array([c.status_as_of(now) for c in CAMPAIGNS]).take(plan),
            pa.array([c.channel_type for c in CAMPAIGNS]).take(plan),
            *(
                pa.array([getattr(u, name) for u in UNITS], pa.string()).take(unit)
                for name in ("ad_group_id", "ad_group_name", "ad_id", "ad_name")
            ),
            impressions[keep],
            clicks[keep],
            cost[keep],
            credited[keep],
            value[keep],
        ],
        schema=AD_STATS,
    )


def clicks_table(ads: AdHistory) -> pa.Table:
    """AD_CLICKS, all of them."""
    unit_nr = ads.stat_unit[ads.click_stat]
    unit = pa.array(unit_nr)
    plan = pa.array(np.array([u.plan for u in UNITS])[unit_nr])
    return pa.table(
        [
            pa.array(ads.gclids.astype(str)),
            pa.array(DAYS[ads.stat_day[ads.click_stat]]),
            pa.array(ads.click_ms * 1000).cast(pa.timestamp("us", "UTC")),
            pa.array([c.id for c in CAMPAIGNS]).take(plan),
            pa.array([u.ad_group_id for u in UNITS], pa.string()).take(unit),
            pa.array([u.ad_id for u in UNITS], pa.string()).take(unit),
        ],
        schema=AD_CLICKS,
    )
