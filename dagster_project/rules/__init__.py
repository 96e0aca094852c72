"""Business rules: funnelhouse.yml, typed and validated. Every key has a default; a wrong value is named with its key.

`reading.read_rules(path)` is the only entrance. No endpoint and no secret stands here, and
nothing that is one source's own: that part the source declares and checks (wire/source.py, `OwnRules`).
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from dagster_project.channel_names import spelled, standard_channels
from dagster_project.kpi_names import kpi_ids
from dagster_project.rules.alerts import Alerts
from dagster_project.rules.brand import Brand
from dagster_project.rules.kinds import (
    MODELS,
    MODELS_BY_GRAIN,
    WEEKDAYS,
    Amount,
    Conversion,
    CostType,
    Cron,
    Currency,
    Days,
    Grain,
    Model,
    Motion,
    Pattern,
    Share,
    Stage,
    TimeZone,
    Transition,
    Weekday,
)
from dagster_project.rules.surveys import Surveys


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def _no_two(key: str, what: str, values: Iterable[object]) -> None:
    """No two entries of a list may be about the same: the later one would silently win, or both count."""
    twice = [value for value, count in Counter(values).items() if count > 1]
    if twice:
        named = (
            ", ".join(str(part) for part in twice[0] if part is not None) if isinstance(twice[0], tuple) else twice[0]
        )
        raise ValueError(f"{key} has two entries for {what} {named}; keep one of them")


class Reporting(_Strict):
    time_zone: TimeZone = "UTC"
    currency: Currency = "EUR"
    week_start: Weekday = "monday"
    fiscal_year_start_month: int = Field(1, ge=1, le=12)

    def period_start(self, day: date, grain: str) -> date:
        """First day of the period that contains `day`; quarters and years are those of the fiscal year."""
        if grain == "day":
            return day
        if grain == "week":
            return day - timedelta(days=(day.weekday() - WEEKDAYS.index(self.week_start)) % 7)
        months = {"month": 1, "quarter": 3, "year": 12}[grain]
        since = (day.month - self.fiscal_year_start_month) % months
        index = day.year * 12 + day.month - 1 - since
        return date(index // 12, index % 12 + 1, 1)


class Web(_Strict):
    truth: str = "auto"  # or a source that feeds `web`, which is on; settings.py checks it
    goals: tuple[str, ...] = ()  # GA4 key events; empty = all
    own_domains: tuple[str, ...] = ()  # referrers that are ourselves
    ignored_referrers: tuple[str, ...] = ()  # payment and sign-in pages, beside those that we know


class StageRule(_Strict):
    """One CRM value that means a funnel stage, e.g. lifecycle stage `marketingqualifiedlead` = mql."""

    crm: str = "hubspot"
    object: Literal["contact", "deal"] = "contact"
    pipeline: str | None = None
    value: str
    stage: Stage

    @property
    def meant(self) -> tuple[str | None, ...]:
        """What the rule is about: no two rules may be about the same."""
        return (self.crm, self.object, self.pipeline, self.value)


class Crm(_Strict):
    truth: tuple[str, ...] = ()  # who wins where two CRMs know the same person; empty = by name, files last
    stages_from: Literal["defaults", "nothing"] = "defaults"  # what `stages` adds to
    stages: tuple[StageRule, ...] = ()  # added to each CRM's own, value by value
    customer: Literal["contact", "company"] = "contact"

    @model_validator(mode="after")
    def _check(self) -> Crm:
        _no_two("stages", "value", [rule.meant for rule in self.stages])
        _no_two("truth", "CRM", self.truth)
        return self


class Identity(_Strict):
    """How much an id may be seen with before it says nothing about who somebody is (macros/identity.sql)."""

    people_per_client_id: int = Field(3, ge=1)  # e-mails (else phones) on one browser; more = a shared device
    people_per_click_id: int = Field(5, ge=1)  # people, or browsers, on one click id; more = a copied link
    people_per_phone: int = Field(10, ge=1)  # e-mails beside one phone; more = a switchboard
    records_per_id: int = Field(100, ge=1)  # CRM records with one e-mail or phone; more = nobody's own
    # a browser that forgets its cookie after seven days (Safari) is 52 a year
    browsers_per_login: int = Field(200, ge=1)  # browsers with one logged-in id; more = a shared or test login


class GrossMargin(_Strict):
    default: Share | None = None  # unknown margin = romi has no data; never assumed to be 1
    products: dict[str, Share] = {}


class Attribution(_Strict):
    default_model: Model = "last_non_direct"
    models: tuple[Model, ...] = MODELS
    # the models that KPI tables of a grain hold: the default model alone, all, or these beside it
    models_by_grain: dict[Grain, str | tuple[str, ...]] = MODELS_BY_GRAIN  # type: ignore[assignment]
    lookback_days: dict[Conversion, Days] = {}  # 90 where not named
    half_life_days: float = Field(7, gt=0)
    markov_window_days: Days = 365
    earlier_conversions_reset: bool = False
    # what people say of where they come from: a touch where nothing was tracked; beside the tracked ones; or none
    self_reported: Literal["fallback", "always", "never"] = "fallback"

    @model_validator(mode="after")
    def _check(self) -> Attribution:
        if self.default_model not in self.models:
            raise ValueError(f"default_model {self.default_model!r} is not among models {list(self.models)}")
        for grain, chosen in self.models_by_grain.items():
            if chosen not in ("default", "all") and (
                isinstance(chosen, str) or not chosen or set(chosen) - set(self.models)
            ):
                raise ValueError(
                    f"models_by_grain.{grain} = {chosen!r}: allowed are default, all, or a list of {', '.join(self.models)}"
                )
        return self

    def models_of(self, grain: Grain) -> str:
        """The models that the KPI table of this grain holds: `all`, or names with commas, the default model first."""
        chosen = self.models_by_grain.get(grain, MODELS_BY_GRAIN[grain])
        if chosen == "all":
            return "all"
        others = () if chosen == "default" else chosen
        return ",".join(dict.fromkeys((self.default_model, *others)))

    def lookback(self, conversion: str) -> int:
        return self.lookback_days.get(conversion, 90)  # type: ignore[call-overload]


class Maturity(_Strict):
    stage_window_days: Days = 30
    stage_windows_days: dict[Transition, Days] = {}
    to_date_days: Days = 180
    repeat_purchase_days: Days = 90
    active_customer_days: Days | Literal["auto"] = 90

    def stage_window(self, transition: str) -> int:
        return self.stage_windows_days.get(transition, self.stage_window_days)  # type: ignore[call-overload]


class ChannelRule(_Strict):
    """A user's own rule, tried before all others: the patterns given must all match whole values, any case."""

    channel: str
    source: Pattern | None = None
    medium: Pattern | None = None
    campaign: Pattern | None = None
    landing_page: Pattern | None = None

    @model_validator(mode="after")
    def _check(self) -> ChannelRule:
        if not any((self.source, self.medium, self.campaign, self.landing_page)):
            raise ValueError("a channel rule needs at least one of source, medium, campaign, landing_page")
        return self


class CampaignAlias(_Strict):
    """`alias` as it stands in utm_campaign means this campaign of a platform."""

    alias: str
    platform: str
    campaign: str  # id or name


class SelfReportedAlias(_Strict):
    """Words in the answer to "How did you hear about us?" and the source that they mean, tried before ours."""

    says: str = Field(pattern=r"\w")  # words that the answer has, any case; `*` at the end = words that begin so
    source: str = Field(min_length=1)
    medium: str | None = None
    channel: str | None = None  # by the channel rules where it is not given


class Naming(_Strict):
    """How tags are to be written; `audit_utm` lists those that are not. Patterns match whole values, case counts."""

    source: Pattern | None = None
    medium: Pattern | None = None
    campaign: Pattern | None = None


class Channels(_Strict):
    own: tuple[str, ...] = ()  # the company's own channels, beside those that everybody has
    naming: Naming = Naming()
    rules: tuple[ChannelRule, ...] = ()
    self_reported: tuple[SelfReportedAlias, ...] = ()
    source_aliases: dict[str, str] = {}
    campaign_aliases: tuple[CampaignAlias, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Channels:
        _no_two("campaign_aliases", "alias and platform", [(a.alias, a.platform) for a in self.campaign_aliases])
        _no_two("own", "channel", [name.casefold() for name in self.own])
        for name in self.own:
            if standard := spelled(name, standard_channels()):
                raise ValueError(f"own: {standard} needs no declaration: everybody has it")
            if name != " ".join(name.split()) or not name or name.startswith("("):
                raise ValueError(
                    f"own: {name!r} is no name of a channel; allowed are words such as Webinar or Trade fair"
                )
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """All channels that may be named: everybody's, then the company's own."""
        return (*standard_channels(), *self.own)


class LedgerLine(_Strict):
    """A cost that no ad platform reports, spread evenly over its days, both ends in."""

    id: str
    start: date
    end: date  # inclusive
    amount: Amount
    currency: Currency
    cost_type: CostType
    motion: Motion
    channel: str | None = None
    campaign: str | None = None
    acquisition_share: Share = 1.0

    @model_validator(mode="after")
    def _check(self) -> LedgerLine:
        if self.end < self.start:
            raise ValueError(f"end {self.end} is before start {self.start} (both days are inclusive)")
        return self


class Target(_Strict):
    kpi: str
    grain: Grain = "month"
    period_start: date
    value: Amount
    dimension: str = "total"
    member: str = "all"


class ExchangeRates(_Strict):
    providers: tuple[Literal["ecb", "cbr", "file"], ...] = ("ecb",)
    carry_days: Days = 14


class Reading(_Strict):
    """How long a source may take to answer, and how many rows of it may be bad."""

    minutes: float = Field(10, gt=0, le=24 * 60)  # of one read of a stream in a night; of silence in any read
    listing_minutes: float = Field(240, gt=0, le=7 * 24 * 60)  # of a backfill, a deep pass, a whole listing; of files
    refused_share: Share = 0.05  # of a stream's rows; more bad ones than this, and at least two: it fails


class Schedule(_Strict):
    """Cron expressions. The times differ, so that the weekly passes do not queue behind the nightly one."""

    nightly: Cron = "0 3 * * *"
    deep: Cron = "0 5 * * 0"
    sweep: Cron = "0 5 * * 6"
    time_zone: TimeZone = "UTC"
    keep_runs_days: Days = 90  # of Dagster's run history


class Config(_Strict):
    """funnelhouse.yml: what the business decides. Every key has a default."""

    reporting: Reporting = Reporting()
    web: Web = Web()
    brand: Brand = Brand()
    crm: Crm = Crm()
    identity: Identity = Identity()
    revenue_truth: str = "crm"  # or a source that gives orders
    revenue_amounts: Literal["net", "gross"] = "net"  # of shops that say both: without tax and shipping, or with them
    gross_margin: GrossMargin = GrossMargin()
    attribution: Attribution = Attribution()
    maturity: Maturity = Maturity()
    channels: Channels = Channels()
    platform_motions: dict[str, Motion] = {}
    ledger: tuple[LedgerLine, ...] = ()
    targets: tuple[Target, ...] = ()
    exchange_rates: ExchangeRates = ExchangeRates()
    surveys: Surveys = Surveys()
    reading: Reading = Reading()
    schedule: Schedule = Schedule()
    alerts: Alerts = Alerts()
    _own: dict[str, Any] = PrivateAttr(default_factory=dict)
    # CRM -> what its values mean by default, in the order of truth where nobody says another one
    _crms: dict[str, tuple[StageRule, ...]] = PrivateAttr(default_factory=dict)

    def own(self, key: str) -> Any:
        """What stands under a key that a source declared as its own, as the source checked it."""
        return self._own[key]

    @property
    def crm_truth(self) -> tuple[str, ...]:
        """The CRMs in the order in which they win where two know the same person."""
        return self.crm.truth or tuple(self._crms)

    def stage_rules(self) -> tuple[StageRule, ...]:
        """The defaults of each CRM, each replaced where `crm.stages` says what its value means, and the rest of those."""
        own = {rule.meant for rule in self.crm.stages}
        defaults = [rule for rules in self._crms.values() for rule in rules if self.crm.stages_from == "defaults"]
        return (*(rule for rule in defaults if rule.meant not in own), *self.crm.stages)

    def know_crms(self, crms: Mapping[str, tuple[StageRule, ...]]) -> list[str]:
        """Tells the rules which CRMs there are; gives what is wrong with those that they name."""
        self._crms.update(crms)
        named = {f"crm.truth.{number}": name for number, name in enumerate(self.crm.truth)}
        named |= {f"crm.stages.{number}.crm": rule.crm for number, rule in enumerate(self.crm.stages)}
        allowed = ", ".join(map(repr, sorted(crms)))
        return [
            f"{key} = {name!r}: no such CRM; allowed are {allowed}" for key, name in named.items() if name not in crms
        ]

    @model_validator(mode="after")
    def _check(self) -> Config:
        _no_two("ledger", "id", [line.id for line in self.ledger])
        _no_two("targets", "target", [(t.kpi, t.grain, t.period_start, t.dimension, t.member) for t in self.targets])
        self._check_kpis()
        self._check_channels()
        return self

    def _check_channels(self) -> None:
        named: dict[str, list[str | None]] = {
            "channels.rules": [rule.channel for rule in self.channels.rules],
            "channels.self_reported": [alias.channel for alias in self.channels.self_reported],
            "ledger": [line.channel for line in self.ledger],
        }
        unknown = [
            f"{key}.{number}.channel = {name!r}"
            for key, names in named.items()
            for number, name in enumerate(names)
            if name is not None and spelled(name, self.channels.names) is None
        ]
        if unknown:
            raise ValueError(
                f"{', '.join(unknown)}: no such channel; declare it under channels.own, or name one of "
                f"{', '.join(self.channels.names)}"
            )

    def _check_kpis(self) -> None:
        known = kpi_ids() if self.targets or self.alerts.kpis != Alerts().kpis else frozenset()
        named = {f"targets.{number}.kpi": target.kpi for number, target in enumerate(self.targets)}
        named |= {f"alerts.kpis.{number}": kpi for number, kpi in enumerate(self.alerts.kpis) if known}
        for key, kpi in named.items():
            if kpi not in known:
                near = difflib.get_close_matches(kpi, known, 3) or sorted(known)
                raise ValueError(f"{key} = {kpi!r}: no such KPI; allowed are such as {', '.join(near)}")
        for number, target in enumerate(self.targets):
            begins = self.reporting.period_start(target.period_start, target.grain)
            if begins != target.period_start:
                raise ValueError(
                    f"targets.{number}.period_start = {target.period_start}: no {target.grain} begins on this day; "
                    f"the one that contains it begins on {begins}"
                )
