"""The company's smaller ad accounts: ads on networks beside the big one, and what each did by day.

Accounts in Berlin time and euros: on two social networks, a professional one, one of short videos, one of pins, one of short
texts, and two more search engines. They are drawn apart from the rest of the company, whose visits do not come from here: what
a network claims stands beside the company's own count, as it does in life. Nothing here knows a vendor's field names.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from zlib import crc32
from zoneinfo import ZoneInfo

from dagster_project.sandbox.company.tables import HISTORY_END, HISTORY_START, SITE_HOST, TIME_ZONE

SALE_CENTS = 24_900  # what the company tells networks that a sale is worth
CREDITED_WITHIN_DAYS = 28  # a conversion is credited to the day of its click, so late
# Share of a day's cost that is taken back as invalid once it is this many days old.
UNSETTLED_COST = {0: 0.02, 1: 0.01}


@dataclass(frozen=True)
class NetworkCampaign:
    id: str
    name: str
    aim: str  # sales | leads | views
    ended: date | None = None  # ended campaigns keep their history


@dataclass(frozen=True)
class NetworkAd:
    """An ad, its group and campaign; `address` is where it leads, `tags` what the network is told to append."""

    campaign: NetworkCampaign
    group_id: str
    group_name: str
    id: str
    name: str
    address: str
    tags: str
    daily_cents: int  # budget, before the weekday and chance
    click_cents: int
    is_video: bool = False


@dataclass(frozen=True)
class AdDay:
    """What an ad did on a day, as the network shows it at a moment."""

    ad: NetworkAd
    day: date
    impressions: int
    clicks: int
    cost_cents: int
    video_views: int
    leads: int
    sales: int

    @property
    def sales_cents(self) -> int:
        return self.sales * SALE_CENTS


@dataclass(frozen=True)
class _Final:
    ad: NetworkAd
    day: date
    impressions: int
    clicks: int
    cost_cents: int
    video_views: int
    lead_delays: tuple[int, ...]  # days from the click to when the network knows of the conversion
    sale_delays: tuple[int, ...]


#            aim, name, ended: (group, (ad, is it a video, cents a day, cents a click), …)
_PLANS = {
    "social": (
        ("sales", "Kasse | Prospecting", None, (("Lookalike 1%", (("Carousel A", False, 900, 70), ("Reel A", True, 700, 60))),
                                               ("Interests", (("Carousel B", False, 500, 85),)))),
        ("leads", "Kasse | Lead form", None, (("Founders", (("Story A", True, 600, 120),)),)),
        ("sales", "Kasse | Spring offer", date(2026, 5, 15), (("Everybody", (("Image A", False, 400, 75),)),)),
    ),
    "professional": (
        ("leads", "Founders DACH", None, (("Founders", (("Post A", False, 1_500, 420), ("Video A", True, 1_100, 390))),)),
        ("views", "Brand NL", None, (("Managers", (("Post B", False, 700, 350),)),)),
        ("sales", "Till for chains", None, (("Owners", (("Post C", False, 2_900, 190),)),)),
    ),
    "short_video": (
        ("sales", "Till in 30 seconds", None, (("18-34", (("Clip A", True, 800, 40), ("Clip B", True, 500, 45))),)),
        ("views", "Behind the counter", date(2026, 7, 31), (("All", (("Clip C", True, 300, 30),)),)),
    ),
    "pins": (
        ("sales", "Counters & shelves", None, (("Interiors", (("Pin A", False, 700, 45), ("Pin B", True, 500, 40))),)),
        ("leads", "New owners", date(2026, 8, 31), (("Openers", (("Pin C", False, 600, 60),)),)),
    ),
    "second_search": (
        ("sales", "Marke DE", None, (("Brand exact", (("Brand A", False, 300, 60),)),)),
        ("sales", "Rechnung & Kasse", None, (("Generic", (("Generic A", False, 900, 180), ("Generic B", False, 600, 190))),)),
    ),
    "third_search": (
        ("sales", "Brand UK", None, (("Brand", (("Brand B", False, 1_200, 55),)), ("Till", (("Till A", False, 450, 140),)))),
        ("leads", "Invoice UK", date(2026, 8, 31), (("Invoice", (("Invoice A", False, 500, 160),)),)),
        ("sales", "Everything", None, (("Everything", (("Mix", True, 700, 90),)),)),
    ),
    "second_social": (
        ("sales", "Kasse | Feed", None, (("Shops", (("Feed A", False, 600, 50), ("Clip D", True, 500, 45))),)),
        ("leads", "Kasse | Form", date(2026, 9, 10), (("Cafes", (("Feed B", False, 400, 65),)),)),
    ),
    "microblog": (
        ("sales", "Launch UK", None, (("Followers", (("Post C", False, 900, 60), ("Video B", True, 450, 70))),)),
        ("views", "Voices", date(2026, 9, 17), (("All", (("Post D", False, 300, 60),)),)),
    ),
}  # fmt: skip


@lru_cache(maxsize=8)
def ads_of(network: str) -> tuple[NetworkAd, ...]:
    """The ads of an account on this network, those of ended campaigns too."""
    first = crc32(network.encode()) % 9_000 * 10**9 + 10**15  # ids are long, and no two networks' are the same
    ads = []
    for number, (aim, name, ended, groups) in enumerate(_PLANS[network], start=1):
        campaign = NetworkCampaign(str(first + number), name, aim, ended)
        word = name.lower().replace(" | ", "_").replace(" & ", "_").replace(" ", "_")
        for group_number, (group, group_ads) in enumerate(groups, start=1):
            for ad_number, (ad, is_video, cents, click_cents) in enumerate(group_ads, start=1):
                ads.append(
                    NetworkAd(
                        campaign,
                        str(first + number * 100 + group_number),
                        group,
                        str(first + number * 10_000 + group_number * 100 + ad_number),
                        ad,
                        f"https://{SITE_HOST}/{'kasse' if ad_number % 2 else 'rechnung'}/",
                        f"utm_campaign={word}&utm_content={ad.lower().replace(' ', '_')}",
                        cents,
                        click_cents,
                        is_video,
                    )
                )
    return tuple(ads)


def days_as_of(seed: int, network: str, now: datetime) -> list[AdDay]:
    """All days of all ads up to `now`, oldest first: cost settles in two days, conversions are known for 28 days later."""
    today = now.astimezone(ZoneInfo(TIME_ZONE)).date()
    shown = []
    for final in _history(seed, network):
        age = (today - final.day).days
        if age < 0:
            break
        part = 3 if age == 0 else 1  # of today a third has happened
        taken_back = UNSETTLED_COST.get(age, 0.0)
        shown.append(
            AdDay(
                final.ad,
                final.day,
                final.impressions // part,
                final.clicks // part,
                round(final.cost_cents // part * (1 + taken_back)),
                final.video_views // part,
                sum(delay < age for delay in final.lead_delays),
                sum(delay < age for delay in final.sale_delays),
            )
        )
    return [day for day in shown if day.impressions]


@lru_cache(maxsize=8)
def _history(seed: int, network: str) -> tuple[_Final, ...]:
    chance = random.Random(f"{seed} {network}")
    days = [HISTORY_START + timedelta(days=n) for n in range((HISTORY_END - HISTORY_START).days + 1)]
    return tuple(
        _final(chance, ad, day)
        for day in days
        for ad in ads_of(network)
        if not ad.campaign.ended or day < ad.campaign.ended
    )


def _final(chance: random.Random, ad: NetworkAd, day: date) -> _Final:
    weekday = 0.6 if day.weekday() >= 5 else 1.1
    clicks = int(ad.daily_cents * weekday * chance.uniform(0.6, 1.4) / ad.click_cents)
    impressions = clicks * chance.randint(40, 120) + chance.randint(5, 60)
    delays = [
        min(CREDITED_WITHIN_DAYS - 1, int(chance.expovariate(0.25))) for _ in range(clicks) if chance.random() < 0.06
    ]
    is_for_leads = ad.campaign.aim == "leads"
    return _Final(
        ad,
        day,
        impressions,
        clicks,
        sum(chance.randint(ad.click_cents // 2, ad.click_cents * 3 // 2) for _ in range(clicks)),
        impressions // 4 if ad.is_video else 0,
        tuple(delays) if is_for_leads else tuple(delays[::3]),
        () if is_for_leads else tuple(delays[1::3]),
    )
