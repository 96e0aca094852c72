"""Every setting, typed and validated: secrets and endpoints from the environment, business rules from funnelhouse.yml.

`load_settings()` is the only entrance. It reads `.env` and the environment, then the configuration file,
touches no network, and answers a wrong value with the key, the value seen and what is allowed. A source is
on when its required variables are set; its settings are None otherwise.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

import duckdb
import yaml
from dotenv import dotenv_values
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from dagster_project.connectors.file_mappings import FileMapping

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
STAGES = ("lead", "mql", "sal", "sql", "opportunity", "won", "lost")
COST_TYPES = ("media", "labour", "technology", "agency", "overhead", "distribution")
MODELS = (
    "first", "last", "last_non_direct", "first_paid", "last_paid", "linear", "time_decay", "position",
    "w_shaped", "full_path", "shapley", "markov",
)  # fmt: skip
CONVERSIONS = ("lead", "mql", "sql", "opportunity", "order")
TRANSITIONS = ("lead>mql", "mql>sal", "sal>sql", "sql>opportunity", "opportunity>won")


class SettingsError(Exception):
    """One or more settings are wrong; the message lists each with its key, the value seen and what is allowed."""


# ---- kinds of value ----------------------------------------------------------------------------------------


def _time_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("not a time zone name; allowed are IANA names such as UTC or Europe/Berlin")
    return name


def _currency(code: str) -> str:
    if len(code) != 3 or not code.isalpha():
        raise ValueError("not a currency code; allowed are ISO 4217 codes such as EUR")
    return code.upper()


def _host_address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path.strip("/") or parts.query:
        raise ValueError("allowed is scheme, host and port only, such as https://api.example.com or http://127.0.0.1:8080")
    return f"{parts.scheme}://{parts.netloc}"


def _pattern(text: str) -> str:
    """A regular expression as the warehouse reads it: RE2, which has no lookaround and no backreferences."""
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
HostAddress = Annotated[str, AfterValidator(_host_address)]
Pattern = Annotated[str, AfterValidator(_pattern)]
CommaList = Annotated[list[str], BeforeValidator(_comma_list), Field(min_length=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Days = Annotated[int, Field(ge=1, le=3650)]
Stage = Literal["lead", "mql", "sal", "sql", "opportunity", "won", "lost"]
Model = Literal[
    "first", "last", "last_non_direct", "first_paid", "last_paid", "linear", "time_decay", "position",
    "w_shaped", "full_path", "shapley", "markov",
]  # fmt: skip
Conversion = Literal["lead", "mql", "sql", "opportunity", "order"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


# ---- sources: environment variables ------------------------------------------------------------------------


class SourceSettings(BaseModel):
    """The variables of one source. Fields carry their environment variable as alias; required fields switch it on."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)

    hash_key: SecretStr = Field(default=SecretStr(""), exclude=True)
    today: date = date.min


class Ga4Settings(SourceSettings):
    property_ids: CommaList = Field(alias="GA4_PROPERTY_ID")
    credentials_file: str = Field(alias="GA4_CREDENTIALS_FILE")
    transport: Literal["grpc", "rest"] = Field("grpc", alias="GA4_TRANSPORT")
    base_url: str | None = Field(None, alias="GA4_BASE_URL")
    client_id_dimension: str | None = Field(None, alias="GA4_CLIENT_ID_DIMENSION")
    quota_patience_seconds: float = Field(120, ge=0, alias="GA4_QUOTA_PATIENCE_SECONDS")
    week_start: int = 0
    goals: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Ga4Settings:
        for property_id in self.property_ids:
            if not property_id.isdigit():
                raise ValueError(
                    f"GA4_PROPERTY_ID {property_id!r} is not a numeric property id"
                    + (" (this is a Measurement ID; the property id is under Admin > Property details)"
                       if property_id.upper().startswith("G-") else "")
                )  # fmt: skip
        host = urlsplit(self.base_url if "//" in (self.base_url or "") else f"//{self.base_url or ''}").hostname or ""
        is_loopback = host in ("localhost", "::1") or host.startswith("127.")
        if self.credentials_file == "anonymous" and not is_loopback:
            raise ValueError("GA4_CREDENTIALS_FILE=anonymous is allowed only with a loopback GA4_BASE_URL")
        if self.base_url and "//" not in self.base_url and not is_loopback:
            raise ValueError(f"GA4_BASE_URL {self.base_url!r}: plain gRPC (host:port) is allowed only on loopback")
        return self


class HubspotSettings(SourceSettings):
    access_token: SecretStr = Field(alias="HUBSPOT_ACCESS_TOKEN")
    base_url: HostAddress = Field("https://api.hubapi.com", alias="HUBSPOT_BASE_URL")
    properties: HubspotProperties = Field(default_factory=lambda: HubspotProperties())


class GoogleAdsSettings(SourceSettings):
    # Google has ignored it since 9 September 2026; a future API version may refuse it
    developer_token: SecretStr | None = Field(None, alias="GOOGLE_ADS_DEVELOPER_TOKEN")
    client_id: str = Field(alias="GOOGLE_ADS_CLIENT_ID")
    client_secret: SecretStr = Field(alias="GOOGLE_ADS_CLIENT_SECRET")
    refresh_token: SecretStr = Field(alias="GOOGLE_ADS_REFRESH_TOKEN")
    customer_ids: CommaList = Field(alias="GOOGLE_ADS_CUSTOMER_ID")
    login_customer_id: str | None = Field(None, alias="GOOGLE_ADS_LOGIN_CUSTOMER_ID")
    api_version: str = Field("v26", alias="GOOGLE_ADS_API_VERSION", pattern=r"^v\d+$")
    base_url: HostAddress = Field("https://googleads.googleapis.com", alias="GOOGLE_ADS_BASE_URL")
    token_url: str = Field("https://oauth2.googleapis.com/token", alias="GOOGLE_OAUTH_TOKEN_URL")

    @model_validator(mode="after")
    def _check(self) -> GoogleAdsSettings:
        for name, value in (*(("GOOGLE_ADS_CUSTOMER_ID", i) for i in self.customer_ids),
                            ("GOOGLE_ADS_LOGIN_CUSTOMER_ID", self.login_customer_id)):  # fmt: skip
            if value and not value.replace("-", "").isdigit():
                raise ValueError(f"{name} {value!r} is not a customer id; allowed are ten digits such as 123-456-7890")
        return self


class FxSettings(SourceSettings):
    ecb_url: HostAddress = Field("https://data-api.ecb.europa.eu", alias="FX_ECB_URL")
    cbr_url: HostAddress = Field("https://www.cbr.ru", alias="FX_CBR_URL")
    providers: tuple[str, ...] = ("ecb",)


class FilesSettings(SourceSettings):
    """The file drops of funnelhouse.yml; paths are relative to that file."""

    mappings: tuple[FileMapping, ...]
    base_folder: str
    reporting_time_zone: str = "UTC"


class ConfigSettings(SourceSettings):
    """The business rules as a source: they reach dbt as small tables (connectors/config.py)."""

    config: Config
    now: datetime


# ---- business rules: funnelhouse.yml -----------------------------------------------------------------------


class Reporting(_Strict):
    time_zone: TimeZone = "UTC"
    currency: Currency = "EUR"
    week_start: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] = "monday"
    fiscal_year_start_month: int = Field(1, ge=1, le=12)


class Web(_Strict):
    truth: Literal["auto", "ga4", "yandex_metrica", "ga4_export", "files"] = "auto"
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

    crm: str = "hubspot"
    object: Literal["contact", "deal"] = "contact"
    pipeline: str | None = None
    value: str
    stage: Stage


_HUBSPOT_LIFECYCLE = (
    ("lead", "lead"),
    ("marketingqualifiedlead", "mql"),
    ("salesqualifiedlead", "sql"),
    ("opportunity", "opportunity"),
    ("customer", "won"),
)


class Crm(_Strict):
    truth: tuple[str, ...] = ("hubspot", "files")  # who wins where two CRMs know the same person
    stages: tuple[StageRule, ...] = tuple(StageRule(value=value, stage=stage) for value, stage in _HUBSPOT_LIFECYCLE)  # type: ignore[arg-type]
    customer: Literal["contact", "company"] = "contact"
    hubspot_properties: HubspotProperties = HubspotProperties()


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
    models: tuple[Model, ...] = MODELS  # type: ignore[assignment]
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
        return self

    def lookback(self, conversion: str) -> int:
        return self.lookback_days.get(conversion, 90)  # type: ignore[call-overload]


class Maturity(_Strict):
    stage_window_days: Days = 30
    stage_windows_days: dict[Literal["lead>mql", "mql>sal", "sal>sql", "sql>opportunity", "opportunity>won"], Days] = {}
    to_date_days: Days = 180
    traffic_to_lead_days: Days = 30

    def stage_window(self, transition: str) -> int:
        return self.stage_windows_days.get(transition, self.stage_window_days)  # type: ignore[call-overload]


class Customers(_Strict):
    active_days: Days | Literal["auto"] = 90
    repeat_days: Days = 90


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
    naming: Naming = Naming()
    rules: tuple[ChannelRule, ...] = ()
    self_reported: tuple[SelfReportedAlias, ...] = ()
    source_aliases: dict[str, str] = {}
    campaign_aliases: tuple[CampaignAlias, ...] = ()


class LedgerLine(_Strict):
    """A cost that no ad platform reports, spread evenly over its days (RULINGS: ledger)."""

    id: str
    start: date
    end: date  # inclusive
    amount: float
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
    grain: Literal["day", "week", "month", "quarter", "year"] = "month"
    period_start: date
    value: float
    dimension: str = "total"
    member: str = "all"


class ExchangeRates(_Strict):
    providers: tuple[Literal["ecb", "cbr", "file"], ...] = ("ecb",)
    carry_days: Days = 14


class Schedule(_Strict):
    """Cron expressions. The times differ, so that the weekly passes do not queue behind the nightly one."""

    nightly: str = "0 3 * * *"
    deep: str = "0 5 * * 0"
    sweep: str = "0 5 * * 6"
    time_zone: TimeZone = "UTC"


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
    customers: Customers = Customers()
    channels: Channels = Channels()
    platform_motions: dict[str, Literal["inbound", "outbound"]] = {}
    ledger: tuple[LedgerLine, ...] = ()
    targets: tuple[Target, ...] = ()
    exchange_rates: ExchangeRates = ExchangeRates()
    schedule: Schedule = Schedule()
    files: tuple[FileMapping, ...] = ()


class Settings(BaseModel):
    """All settings of one installation. `home` is local; `raw_root` is a local path or an fsspec URL."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    home: Path
    raw_root: str
    today: date
    now: datetime
    config_file: Path
    settings_of_config: Config
    hash_key: SecretStr
    postgres_url: SecretStr | None = None
    config: ConfigSettings
    fx: FxSettings | None = None
    ga4: Ga4Settings | None = None
    hubspot: HubspotSettings | None = None
    google_ads: GoogleAdsSettings | None = None
    files: FilesSettings | None = None
    ga4_export: FilesSettings | None = None

    @property
    def rules(self) -> Config:
        """The business rules."""
        return self.settings_of_config

    @property
    def warehouse_path(self) -> Path:
        return self.home / "warehouse.duckdb"

    @property
    def published_folder(self) -> Path:
        return self.home / "published"

    def dbt_environment(self) -> dict[str, str]:
        """The variables that dbt_project/profiles.yml and the sources read."""
        return {"FUNNELHOUSE_HOME": str(self.home), "FUNNELHOUSE_RAW": self.raw_root}


S = TypeVar("S", bound=SourceSettings)

# ---- loading -----------------------------------------------------------------------------------------------


def load_settings(environment: Mapping[str, str] | None = None, *, folder: Path | None = None) -> Settings:
    """Settings from `environment` (default: `.env` in `folder`, then the process environment) and funnelhouse.yml.

    Raises SettingsError with one line per wrong key. Creates nothing but `<home>/hash_key` (mode 0600) when
    FUNNELHOUSE_HASH_KEY is not set.
    """
    folder = folder or Path.cwd()
    env = _environment(environment, folder)
    home, raw_root = _home(env, folder)
    config_file = (folder / env.get("FUNNELHOUSE_CONFIG", "funnelhouse.yml")).resolve()
    rules = _load_config(config_file, is_named="FUNNELHOUSE_CONFIG" in env)
    today = _today(env, rules.reporting.time_zone)
    now = datetime.now(UTC)
    if "FUNNELHOUSE_TODAY" in env:  # a pinned day keeps the time of day, so extraction times stay in order
        now = datetime.combine(today, now.time(), UTC)
    hash_key = SecretStr(env.get("FUNNELHOUSE_HASH_KEY") or _kept_hash_key(home))
    common: dict[str, Any] = {"hash_key": hash_key, "today": today}
    week_start = WEEKDAYS.index(rules.reporting.week_start)
    drops = {"base_folder": str(config_file.parent), "reporting_time_zone": rules.reporting.time_zone, **common}
    mappings = [mapping.with_variables(env) for mapping in rules.files]
    file_mappings = tuple(m for m in mappings if not m.is_export)
    export_mappings = tuple(m for m in mappings if m.is_export)
    return Settings(
        home=home,
        raw_root=raw_root,
        today=today,
        now=now,
        config_file=config_file,
        settings_of_config=rules,
        hash_key=hash_key,
        postgres_url=_postgres_url(env),
        config=ConfigSettings(config=rules, now=now, **common),
        fx=_fx(env, rules, common),
        ga4=_source(Ga4Settings, env, {**common, "week_start": week_start, "goals": rules.web.goals}),
        hubspot=_source(HubspotSettings, env, {**common, "properties": rules.crm.hubspot_properties}),
        google_ads=_source(GoogleAdsSettings, env, common),
        files=FilesSettings(mappings=file_mappings, **drops) if file_mappings else None,
        ga4_export=FilesSettings(mappings=export_mappings, **drops) if export_mappings else None,
    )


def load_rules(environment: Mapping[str, str] | None = None, *, folder: Path | None = None) -> Config:
    """funnelhouse.yml alone: no secrets are read and nothing is created. Raises SettingsError."""
    folder = folder or Path.cwd()
    env = _environment(environment, folder)
    return _load_config((folder / env.get("FUNNELHOUSE_CONFIG", "funnelhouse.yml")).resolve(), is_named="FUNNELHOUSE_CONFIG" in env)


def _environment(environment: Mapping[str, str] | None, folder: Path) -> dict[str, str]:
    if environment is None:
        environment = {**{k: v for k, v in dotenv_values(folder / ".env").items() if v}, **os.environ}
    return {name: value.strip() for name, value in environment.items() if value and value.strip()}


def _home(env: Mapping[str, str], folder: Path) -> tuple[Path, str]:
    home = env.get("FUNNELHOUSE_HOME", "./data")
    if "://" in home:  # DuckDB cannot write a database file to an object store: only the raw zone lives there
        return (folder / "data").resolve(), env.get("FUNNELHOUSE_RAW", f"{home.rstrip('/')}/raw")
    local = (folder / Path(home).expanduser()).resolve()
    raw = env.get("FUNNELHOUSE_RAW", str(local / "raw"))
    return local, raw if "://" in raw else str((folder / Path(raw).expanduser()).resolve())


def _postgres_url(env: Mapping[str, str]) -> SecretStr | None:
    url = env.get("FUNNELHOUSE_POSTGRES_URL")
    if url and urlsplit(url).scheme not in ("postgresql", "postgres"):  # not shown: it may hold a password
        allowed = "an address such as postgresql://user:password@host:5432/database"
        raise SettingsError(f"FUNNELHOUSE_POSTGRES_URL: allowed is {allowed}")
    return SecretStr(url) if url else None


def _today(env: Mapping[str, str], time_zone: str) -> date:
    text = env.get("FUNNELHOUSE_TODAY")
    if not text:
        return datetime.now(ZoneInfo(time_zone)).date()
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(f"FUNNELHOUSE_TODAY={text!r}: allowed is a day such as 2026-10-01") from error


def _kept_hash_key(home: Path) -> str:
    """The key that hashes e-mails and phones; made once, kept beside the warehouse, readable by its owner only."""
    path = home / "hash_key"
    home.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(32))
    return path.read_text().strip()


def _source(kind: type[S], env: Mapping[str, str], more: Mapping[str, Any]) -> S | None:
    required = [f.alias for f in kind.model_fields.values() if f.alias and f.is_required()]
    present = [name for name in required if name in env]
    if not present:
        return None
    if missing := [name for name in required if name not in env]:
        raise SettingsError(
            f"{', '.join(missing)}: not set, but {', '.join(present)} is; set all of them, or none to switch the source off"
        )
    try:
        return kind.model_validate({**{n: v for n, v in env.items() if n in _aliases(kind)}, **more})
    except ValidationError as error:
        raise SettingsError(_explain(error, secret_names=_secret_aliases(kind))) from None


def required_variables(source: str) -> list[str]:
    """The environment variables that switch a source on; none for sources that funnelhouse.yml switches."""
    kinds: dict[str, type[SourceSettings]] = {"ga4": Ga4Settings, "hubspot": HubspotSettings, "google_ads": GoogleAdsSettings}
    return [f.alias for f in kinds[source].model_fields.values() if f.alias and f.is_required()] if source in kinds else []


def _fx(env: Mapping[str, str], rules: Config, common: Mapping[str, Any]) -> FxSettings | None:
    providers = tuple(p for p in rules.exchange_rates.providers if p != "file")
    if not providers:
        return None
    try:
        known = {n: v for n, v in env.items() if n in _aliases(FxSettings)}
        return FxSettings.model_validate({**known, "providers": providers, **common})
    except ValidationError as error:
        raise SettingsError(_explain(error)) from None


def _aliases(kind: type[BaseModel]) -> set[str]:
    return {f.alias for f in kind.model_fields.values() if f.alias}


def _secret_aliases(kind: type[BaseModel]) -> set[str]:
    fields = kind.model_fields.values()
    return {f.alias for f in fields if f.alias and SecretStr in (f.annotation, *get_args(f.annotation))}


def _load_config(path: Path, *, is_named: bool) -> Config:
    if not path.exists():
        if is_named:
            raise SettingsError(f"FUNNELHOUSE_CONFIG={path}: there is no such file")
        return Config()
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise SettingsError(f"{path.name} is not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise SettingsError(f"{path.name}: allowed is a mapping of keys, seen a {type(content).__name__}")
    try:
        return Config.model_validate(content)
    except ValidationError as error:
        raise SettingsError(f"{path.name}:\n{_explain(error)}") from None


def _explain(error: ValidationError, secret_names: set[str] = frozenset()) -> str:  # type: ignore[assignment]
    lines = []
    for problem in error.errors():
        key = ".".join(str(part) for part in problem["loc"]) or "(whole)"
        allowed = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            allowed = "no such key"
        seen = "" if key in secret_names or problem["type"] == "missing" or isinstance(problem["input"], dict | BaseModel) else f" = {problem['input']!r}"
        lines.append(f"{key}{seen}: {allowed}" if key != "(whole)" else allowed)
    return "\n".join(lines)


HubspotSettings.model_rebuild()
ConfigSettings.model_rebuild()


def midnight(day: date) -> datetime:
    """The first moment of `day`, UTC."""
    return datetime.combine(day, time.min, UTC)
