"""Business rules: funnelhouse.yml, typed and validated. Every key has a default; a wrong value is named with its key.

`read_rules(path)` is the only entrance. No vendor's endpoint and no secret stands here: those are settings.py's.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Hashable, Iterable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit
from zoneinfo import available_timezones

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from dagster_project.channel_names import spelled, standard_channels
from dagster_project.connectors.file_mappings import FileMapping
from dagster_project.kpi_names import kpi_ids

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
Stage = Literal["lead", "mql", "sal", "sql", "opportunity", "won", "lost"]
Model = Literal[
    "first", "last", "last_non_direct", "first_paid", "last_paid", "linear", "time_decay", "position",
    "w_shaped", "full_path", "shapley", "markov",
]  # fmt: skip
Conversion = Literal["lead", "mql", "sql", "opportunity", "order"]
Transition = Literal["lead>mql", "mql>sal", "sal>sql", "sql>opportunity", "opportunity>won"]
CrmName = Literal["hubspot", "files"]
Grain = Literal["day", "week", "month", "quarter", "year"]
WEEKDAYS, MODELS, CONVERSIONS, TRANSITIONS, GRAINS = map(get_args, (Weekday, Model, Conversion, Transition, Grain))
# a row for each model by day and week would be most rows of all, of numbers too small to compare
MODELS_BY_GRAIN = {"day": "default", "week": "default", "month": "all", "quarter": "all", "year": "all"}


class SettingsError(Exception):
    """One or more settings are wrong; the message lists each with its key, the value seen and what is allowed."""


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


def is_loopback(host: str | None) -> bool:
    return host in ("localhost", "::1") or (host or "").startswith("127.")


def web_address(url: str) -> str:
    """`url`, if what is sent there cannot be read on its way: https, or plain http that does not leave the machine."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError("allowed is an address such as https://api.example.com or http://127.0.0.1:8080")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("plain http would send the credentials readable; allowed is https, or http on loopback only")
    return url


def _host_address(url: str) -> str:
    parts = urlsplit(web_address(url))
    if parts.path.strip("/") or parts.query:
        raise ValueError(
            "allowed is scheme, host and port only, such as https://api.example.com or http://127.0.0.1:8080"
        )
    return f"{parts.scheme}://{parts.netloc}"


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


def _comma_list(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


TimeZone = Annotated[str, AfterValidator(_time_zone)]
Currency = Annotated[str, AfterValidator(_currency)]
WebAddress = Annotated[str, AfterValidator(web_address)]
HostAddress = Annotated[str, AfterValidator(_host_address)]
Pattern = Annotated[str, AfterValidator(_pattern)]
CommaList = Annotated[list[str], BeforeValidator(_comma_list), Field(min_length=1)]
Cron = Annotated[str, AfterValidator(_cron)]
Amount = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Days = Annotated[int, Field(ge=1, le=3650)]


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


# ---- business rules: funnelhouse.yml -----------------------------------------------------------------------


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
    truth: Literal["auto", "ga4", "ga4_export", "files"] = "auto"
    goals: tuple[str, ...] = ()  # GA4 key events; empty = all
    own_domains: tuple[str, ...] = ()  # referrers that are ourselves
    ignored_referrers: tuple[str, ...] = ()  # payment and sign-in pages, beside those that we know


class HubspotProperties(_Strict):
    """Internal names of HubSpot properties that portals name as they like."""

    utm_source: str = "utm_source"
    utm_medium: str = "utm_medium"
    utm_campaign: str = "utm_campaign"
    utm_term: str = "utm_term"
    utm_content: str = "utm_content"
    gclid: str = "gclid"
    gbraid: str = "gbraid"
    wbraid: str = "wbraid"
    fbclid: str = "fbclid"
    yclid: str = "yclid"
    msclkid: str = "msclkid"
    ttclid: str = "ttclid"
    li_fat_id: str = "li_fat_id"
    ga_client_id: str = "ga_client_id"
    ym_client_id: str = "ym_client_id"
    self_reported_source: str = "self_reported_source"  # else how_did_you_hear_about_us
    product: str = "product"
    refund_of_deal_id: str = "refund_of_deal_id"
    order_id: str | None = None  # of deals: the shop's order number, GA4's transaction_id; not read unless named


class StageRule(_Strict):
    """One CRM value that means a funnel stage, e.g. lifecycle stage `marketingqualifiedlead` = mql."""

    crm: CrmName = "hubspot"
    object: Literal["contact", "deal"] = "contact"
    pipeline: str | None = None
    value: str
    stage: Stage

    @property
    def meant(self) -> tuple[str | None, ...]:
        """What the rule is about: no two rules may be about the same."""
        return (self.crm, self.object, self.pipeline, self.value)


_HUBSPOT_LIFECYCLE = (
    ("lead", "lead"),
    ("marketingqualifiedlead", "mql"),
    ("salesqualifiedlead", "sql"),
    ("opportunity", "opportunity"),
    ("customer", "won"),
)
DEFAULT_STAGES = tuple(StageRule(value=value, stage=stage) for value, stage in _HUBSPOT_LIFECYCLE)  # type: ignore[arg-type]


class Crm(_Strict):
    truth: tuple[CrmName, ...] = ("hubspot", "files")  # who wins where two CRMs know the same person
    stages_from: Literal["defaults", "nothing"] = "defaults"  # what `stages` adds to
    stages: tuple[StageRule, ...] = ()  # added to each CRM's own, value by value
    customer: Literal["contact", "company"] = "contact"
    hubspot_properties: HubspotProperties = HubspotProperties()

    @model_validator(mode="after")
    def _check(self) -> Crm:
        _no_two("stages", "value", [rule.meant for rule in self.stages])
        _no_two("truth", "CRM", self.truth)
        return self

    def stage_rules(self) -> tuple[StageRule, ...]:
        """The defaults of each CRM, each replaced where `stages` says what its value means, and the rest of `stages`."""
        own = {rule.meant for rule in self.stages}
        kept = [rule for rule in DEFAULT_STAGES if self.stages_from == "defaults" and rule.meant not in own]
        return (*kept, *self.stages)


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
    cost_type: Literal["media", "labour", "technology", "agency", "overhead", "distribution"]
    motion: Literal["inbound", "outbound"]
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
    crm: Crm = Crm()
    identity: Identity = Identity()
    revenue_truth: Literal["crm", "files"] = "crm"
    gross_margin: GrossMargin = GrossMargin()
    attribution: Attribution = Attribution()
    maturity: Maturity = Maturity()
    channels: Channels = Channels()
    platform_motions: dict[str, Literal["inbound", "outbound"]] = {}
    ledger: tuple[LedgerLine, ...] = ()
    targets: tuple[Target, ...] = ()
    exchange_rates: ExchangeRates = ExchangeRates()
    reading: Reading = Reading()
    schedule: Schedule = Schedule()
    files: tuple[FileMapping, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Config:
        _no_two("ledger", "id", [line.id for line in self.ledger])
        _no_two("targets", "target", [(t.kpi, t.grain, t.period_start, t.dimension, t.member) for t in self.targets])
        self._check_targets()
        self._check_channels()
        return self

    def _check_channels(self) -> None:
        named = {
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

    def _check_targets(self) -> None:
        known = kpi_ids() if self.targets else frozenset()
        for number, target in enumerate(self.targets):
            if target.kpi not in known:
                near = difflib.get_close_matches(target.kpi, known, 3) or sorted(known)
                raise ValueError(
                    f"targets.{number}.kpi = {target.kpi!r}: no such KPI; allowed are such as {', '.join(near)}"
                )
            begins = self.reporting.period_start(target.period_start, target.grain)
            if begins != target.period_start:
                raise ValueError(
                    f"targets.{number}.period_start = {target.period_start}: no {target.grain} begins on this day; "
                    f"the one that contains it begins on {begins}"
                )


def read_rules(path: Path, *, is_named: bool) -> Config:
    """The rules of the file `path`; the defaults where there is none, unless the file `is_named`. Raises SettingsError."""
    named = f"FUNNELHOUSE_CONFIG={path}" if is_named else path.name
    if not path.exists():
        if is_named:
            raise SettingsError(f"{named}: there is no such file")
        return Config()
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_OneOfEachKey) or {}
    except UnicodeDecodeError as error:
        raise SettingsError(f"{named} is not UTF-8 (byte {error.start}); save it as UTF-8") from None
    except OSError as error:
        raise SettingsError(f"{named} cannot be read ({error.strerror}); allowed is a file of rules") from None
    except yaml.YAMLError as error:
        raise SettingsError(f"{path.name} is not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise SettingsError(f"{path.name}: allowed is a mapping of keys, seen a {type(content).__name__}")
    try:
        return Config.model_validate(content)
    except ValidationError as error:
        raise SettingsError(f"{path.name}:\n{explained(error)}") from None


class _OneOfEachKey(yaml.SafeLoader):
    """YAML lets the second of two equal keys win without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: dict[Any, int] = {}
        for key_node, _ in node.value:
            key, line = self.construct_object(key_node, deep=True), key_node.start_mark.line + 1
            if not isinstance(key, Hashable):
                continue  # told by the loader itself
            if key in seen and key != "<<":
                raise yaml.YAMLError(f"key {key!r} stands twice, in lines {seen[key]} and {line}; keep one of them")
            seen[key] = line
        return super().construct_mapping(node, deep)


def explained(error: ValidationError, secret_names: set[str] = frozenset()) -> str:  # type: ignore[assignment]
    lines = []
    for problem in error.errors():
        key = ".".join(str(part) for part in problem["loc"]) or "(whole)"
        allowed = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            allowed = "no such key"
        seen = (
            ""
            if key in secret_names or problem["type"] == "missing" or isinstance(problem["input"], dict | BaseModel)
            else f" = {problem['input']!r}"
        )
        lines.append(f"{key}{seen}: {allowed}" if key != "(whole)" else allowed)
    return "\n".join(lines)
