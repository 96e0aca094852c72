"""The invented company behind the sandbox: its whole history, and what was known of it at a moment.

Kontorra sells invoicing and till software (and starter kits) to small businesses in DE, AT, CH, NL, GB and
US. `build(seed)` makes its history, 2025-07-01 to 2026-12-31, in one go: ad budgets cause clicks
(`ads`), clicks and everything else cause visits (`visits`), visits cause form submissions, contacts, deals, refunds
(`crm`), which cause more visits; `web` is what a counter makes of them, `records` writes the others down, `mail` what the newsletter's readers clicked.
Vendor endpoints never read the full history: they ask the `*_as_of(now)` methods, which say what was known at that
moment.

Every `now` is an aware `datetime` in UTC. Tables are pyarrow tables (schemas in `tables`); contacts, deals and companies
are Python objects because they are few and each has its own history. Nothing here knows a vendor's field names, ids of
stages or wire format: one company is read through any CRM, ad platform or counter. What is a vendor's own stands in
`sources/<name>/sandbox`, which finds all types and constants here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.sandbox.company import ads as company_ads
from dagster_project.sandbox.company import business as company_business
from dagster_project.sandbox.company import crm as company_crm
from dagster_project.sandbox.company import landmarks as company_landmarks
from dagster_project.sandbox.company import mail as company_mail
from dagster_project.sandbox.company import rates as company_rates
from dagster_project.sandbox.company import records as company_records
from dagster_project.sandbox.company import views as company_views
from dagster_project.sandbox.company import visits as company_visits
from dagster_project.sandbox.company import web as company_web
from dagster_project.sandbox.company.tables import (
    AD_CLICKS,
    AD_STATS,
    CURRENCY,
    DEMO_SEED,
    DEMO_TODAY,
    FX_RATES,
    HISTORY_END,
    HISTORY_START,
    KEY_EVENTS,
    MAIL_CLICKS,
    NAME,
    SESSIONS,
    SITE_HOST,
    TIME_ZONE,
    AdCampaign,
    Association,
    Change,
    Form,
    Owner,
    Pipeline,
    PipelineStage,
    Record,
    RecordView,
    Submission,
    Web,
)

__all__ = [
    "AD_CLICKS",
    "AD_STATS",
    "CURRENCY",
    "DEMO_SEED",
    "DEMO_TODAY",
    "FX_RATES",
    "HISTORY_END",
    "HISTORY_START",
    "KEY_EVENTS",
    "MAIL_CLICKS",
    "NAME",
    "SESSIONS",
    "SITE_HOST",
    "TIME_ZONE",
    "AdCampaign",
    "Association",
    "Change",
    "Company",
    "Form",
    "Owner",
    "Pipeline",
    "PipelineStage",
    "Record",
    "RecordView",
    "Submission",
    "Web",
    "build",
]


@dataclass(frozen=True, eq=False, repr=False)
class Company:
    """The whole history, and what was known of it at a moment.

    `landmarks` names the special cases so that tests find them: a name -> the id of the record concerned
    (`landmarks.LANDMARKS` says what happens to each). Answers are kept for the moments asked last;
    they are shared, so nobody may change them.
    """

    seed: int
    web: Web  # in full knowledge
    ad_campaigns: tuple[AdCampaign, ...]
    ad_clicks: pa.Table  # AD_CLICKS
    contacts: tuple[Record, ...]
    deals: tuple[Record, ...]
    companies: tuple[Record, ...]
    owners: tuple[Owner, ...]
    pipelines: tuple[Pipeline, ...]
    forms: tuple[Form, ...]
    submissions: tuple[Submission, ...]  # newest first
    mail_clicks: pa.Table  # MAIL_CLICKS
    fx_rates: pa.Table  # FX_RATES
    landmarks: Mapping[str, str]
    _ads: company_ads.AdHistory
    _conversions: company_ads.Conversions
    _contact_by_id: dict[str, Record]
    _answers: dict[Hashable, Any] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def web_as_of(self, now: datetime) -> Web:
        """Sessions and key events as a counter shows them at `now`: the last days are incomplete."""
        return self._once(("web", now), lambda: company_web.as_of(self.web, now))

    def ad_stats_as_of(self, now: datetime) -> pa.Table:
        """AD_STATS as the ad platform shows them at `now`: cost settles in 3 days, conversions grow for 30."""
        return self._once(("ads", now), lambda: company_ads.stats_as_of(self._ads, self._conversions, now))

    def ad_clicks_as_of(self, now: datetime) -> pa.Table:
        """AD_CLICKS up to `now` (the 90 days of click_view are the endpoint's business)."""
        return _until(self.ad_clicks, "clicked_at_utc", now)

    def contacts_as_of(self, now: datetime, *, archived: bool = False) -> list[RecordView]:
        """Live (or archived) contacts by ascending id; merged losers and deleted ones are in neither."""
        return self._once(
            ("contacts", now, archived),
            lambda: company_views.contacts_as_of(self.contacts, now, archived=archived),
        )

    def deals_as_of(self, now: datetime, *, archived: bool = False) -> list[RecordView]:
        """Live (or archived) deals by ascending id; associations name live contacts only."""
        return self._once(
            ("deals", now, archived),
            lambda: company_views.deals_as_of(self.deals, self._contact_by_id, now, archived=archived),
        )

    def companies_as_of(self, now: datetime, *, archived: bool = False) -> list[RecordView]:
        """Live (or archived) companies by ascending id."""
        return self._once(
            ("companies", now, archived),
            lambda: company_views.companies_as_of(self.companies, now, archived=archived),
        )

    def owners_as_of(self, now: datetime, *, archived: bool = False) -> list[Owner]:
        """Owners who are (or no longer are) there."""
        return [owner for owner in self.owners if _is_shown(owner, now, archived)]

    def forms_as_of(self, now: datetime, *, archived: bool = False) -> list[Form]:
        """Forms that are (or no longer are) there."""
        return [form for form in self.forms if _is_shown(form, now, archived)]

    def submissions_as_of(self, now: datetime) -> list[Submission]:
        """Form submissions, newest first; those of a deleted contact are gone."""
        deleted = {c.id for c in self.contacts if c.deleted_at is not None and c.deleted_at <= now}
        return [s for s in self.submissions if s.submitted_at <= now and s.contact_id not in deleted]

    def mail_clicks_as_of(self, now: datetime) -> pa.Table:
        """MAIL_CLICKS up to `now`, oldest first."""
        return _until(self.mail_clicks, "clicked_at_utc", now)

    def fx_rates_as_of(self, now: datetime) -> pa.Table:
        """FX_RATES published by `now` (about 16:00 Frankfurt time on business days)."""
        return _until(self.fx_rates, "published_at", now)

    def _once(self, key: Hashable, make: Callable[[], Any]) -> Any:
        with self._lock:
            if key not in self._answers:
                while len(self._answers) >= MOST_ANSWERS:
                    del self._answers[next(iter(self._answers))]
                self._answers[key] = make()
            return self._answers[key]


MOST_ANSWERS = 16  # two clock settings with all their listings


def _until(table: pa.Table, column: str, now: datetime) -> pa.Table:
    return table.filter(pc.less_equal(table[column], pa.scalar(now, table[column].type)))


def _is_shown(thing: Owner | Form, now: datetime, archived: bool) -> bool:
    is_archived = thing.archived_at is not None and thing.archived_at <= now
    return thing.created_at <= now and is_archived == archived


def build(seed: int = DEMO_SEED, scale: float = 1.0) -> Company:
    """The company of this seed: the same seed gives the same company. `scale` multiplies its traffic.

    Raises ValueError for a scale outside 0.5 .. 1000 (below, not every special case finds its person).
    """
    if not 0.5 <= scale <= 1000:
        raise ValueError(f"the sandbox company's scale lies between 0.5 and 1000; got {scale}")
    return _build(seed, float(scale))


@lru_cache(maxsize=2)
def _build(seed: int, scale: float) -> Company:
    # Each part has its own stream of random numbers: a change in one leaves the others as they were.
    streams = iter(np.random.default_rng(seed).spawn(11))
    ads = company_ads.simulate(next(streams), scale)
    strangers = company_visits.draw_visits(next(streams), ads, scale)
    lives = company_crm.meet(next(streams), strangers, scale)
    company_landmarks.make(next(streams), lives, strangers)
    known, known_goals, came = company_crm.visits_of_known(next(streams), lives, strangers)
    visits = company_visits.Visits.concat([strangers, known])
    goals = np.concatenate([np.full(len(strangers), None, object), known_goals])
    blocked = np.zeros(len(visits), bool)
    for filling in lives.fillings:
        goals[filling.visit] = company_business.FORMS[filling.form].key_event
        blocked[filling.visit] = filling.is_blocked
    web, landings = company_web.finish(next(streams), visits, ads, goals, lives.shared_browsers, blocked)
    conversions = company_ads.credit(next(streams), web, ads)
    of_records, of_rates, of_answers, of_mail = streams
    written = company_records.write(of_records, of_answers, lives, visits, web, landings)
    return Company(
        seed=seed,
        web=web,
        ad_campaigns=company_ads.CAMPAIGNS,
        ad_clicks=company_ads.clicks_table(ads),
        contacts=written.contacts,
        deals=written.deals,
        companies=written.companies,
        owners=company_business.OWNERS,
        pipelines=company_business.PIPELINES,
        forms=tuple(plan.form for plan in company_business.FORMS),
        submissions=written.submissions,
        mail_clicks=company_mail.write(of_mail, lives.people, known, came, landings, first=len(strangers)),
        fx_rates=company_rates.simulate(of_rates),
        landmarks=written.ids,
        _ads=ads,
        _conversions=conversions,
        _contact_by_id={contact.id: contact for contact in written.contacts},
    )
