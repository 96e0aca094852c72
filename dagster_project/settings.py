"""Every setting, typed and validated: secrets and endpoints from the environment, business rules from funnelhouse.yml.

`load_settings()` is the only entrance. It reads `.env` and the environment, then the configuration file,
touches no network, and answers a wrong value with the key, the value seen and what is allowed. A source is
on when its required variables are set; its settings are None otherwise.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from dagster_project.channel_names import standard_channels
from dagster_project.connectors.file_mappings import FileMapping
from dagster_project.rules import (
    WEEKDAYS,
    CommaList,
    Config,
    HostAddress,
    HubspotProperties,
    SettingsError,
    WebAddress,
    explained,
    is_loopback,
    read_rules,
)

# Read from the environment alone: another file than `.env`, such as one for each installation.
ENV_FILE = "FUNNELHOUSE_ENV_FILE"
GENERAL = (
    ENV_FILE, "FUNNELHOUSE_HOME", "FUNNELHOUSE_RAW", "FUNNELHOUSE_CONFIG", "FUNNELHOUSE_HASH_KEY", "FUNNELHOUSE_TODAY",
    "FUNNELHOUSE_POSTGRES_URL",
)  # fmt: skip

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
    year_start: int = 1
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
        if self.credentials_file == "anonymous" and not is_loopback(host):
            raise ValueError("GA4_CREDENTIALS_FILE=anonymous is allowed only with a loopback GA4_BASE_URL")
        if self.base_url and not self.base_url.startswith("https://") and not is_loopback(host):
            raise ValueError(
                f"GA4_BASE_URL {self.base_url!r}: plain http or gRPC (host:port) is allowed only on loopback"
            )
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
    token_url: WebAddress = Field("https://oauth2.googleapis.com/token", alias="GOOGLE_OAUTH_TOKEN_URL")

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


SOURCE_SETTINGS = (Ga4Settings, HubspotSettings, GoogleAdsSettings, FxSettings)


class FilesSettings(SourceSettings):
    """The file drops of funnelhouse.yml; paths are relative to that file."""

    mappings: tuple[FileMapping, ...]
    base_folder: str
    reporting_time_zone: str = "UTC"
    channels: tuple[str, ...] = Field(default_factory=standard_channels)  # that a file may name


class ConfigSettings(SourceSettings):
    """The business rules as a source: they reach dbt as small tables (connectors/config.py)."""

    config: Config
    now: datetime


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
    rules = read_rules(config_file, is_named="FUNNELHOUSE_CONFIG" in env)
    today = _today(env, rules.reporting.time_zone)
    now = datetime.now(UTC)
    if "FUNNELHOUSE_TODAY" in env:  # a pinned day keeps the time of day, so extraction times stay in order
        now = datetime.combine(today, now.time(), UTC)
    hash_key = SecretStr(env.get("FUNNELHOUSE_HASH_KEY") or _kept_hash_key(home))
    common: dict[str, Any] = {"hash_key": hash_key, "today": today}
    week_start = WEEKDAYS.index(rules.reporting.week_start)
    drops = {
        "base_folder": str(config_file.parent),
        "reporting_time_zone": rules.reporting.time_zone,
        "channels": rules.channels.names,
        **common,
    }
    mappings = [mapping.with_variables(env) for mapping in rules.files]
    file_mappings = tuple(m for m in mappings if not m.is_export)
    export_mappings = tuple(m for m in mappings if m.is_export)
    settings = Settings(
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
        ga4=_source(
            Ga4Settings,
            env,
            {
                **common,
                "week_start": week_start,
                "year_start": rules.reporting.fiscal_year_start_month,
                "goals": rules.web.goals,
            },
        ),
        hubspot=_source(HubspotSettings, env, {**common, "properties": rules.crm.hubspot_properties}),
        google_ads=_source(GoogleAdsSettings, env, common),
        files=FilesSettings(mappings=file_mappings, **drops) if file_mappings else None,
        ga4_export=FilesSettings(mappings=export_mappings, **drops) if export_mappings else None,
    )
    _check_truths(settings)
    return settings


def _check_truths(settings: Settings) -> None:
    """A rule that names a source as the truth needs that source: else everything that rests on it is empty."""
    rules, streams = settings.rules, {mapping.stream for mapping in settings.rules.files}
    mapped = "an entry under `files:` with `stream: {}`"
    for key, is_named, is_there, needs in (
        ("web.truth: ga4", rules.web.truth == "ga4", settings.ga4 is not None, " and ".join(required_variables("ga4"))),
        (
            "web.truth: ga4_export",
            rules.web.truth == "ga4_export",
            "ga4_export" in streams,
            mapped.format("ga4_export"),
        ),
        ("web.truth: files", rules.web.truth == "files", "sessions" in streams, mapped.format("sessions")),
        ("revenue_truth: files", rules.revenue_truth == "files", "orders" in streams, mapped.format("orders")),
    ):
        if is_named and not is_there:
            raise SettingsError(f"{key} needs {needs}, and there is none: add it, or leave the rule out")


def load_rules(environment: Mapping[str, str] | None = None, *, folder: Path | None = None) -> Config:
    """funnelhouse.yml alone: no secrets are read and nothing is created. Raises SettingsError."""
    folder = folder or Path.cwd()
    env = _environment(environment, folder)
    return read_rules(
        (folder / env.get("FUNNELHOUSE_CONFIG", "funnelhouse.yml")).resolve(), is_named="FUNNELHOUSE_CONFIG" in env
    )


def _environment(environment: Mapping[str, str] | None, folder: Path) -> dict[str, str]:
    if environment is None:
        named = os.environ.get(ENV_FILE)
        path = folder / (named or ".env")
        if named and not path.exists():
            raise SettingsError(f"{ENV_FILE}={named}: there is no such file")
        environment = {**{k: v for k, v in dotenv_values(path).items() if v}, **os.environ}
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
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)  # what is kept here is for its owner
        if not path.exists():
            made = path.with_name(f".hash_key.{os.getpid()}")  # whole before it has its name, also on a full disk
            with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(secrets.token_hex(32))
            with suppress(FileExistsError):  # of two that begin at once one is first
                os.link(made, path)
            made.unlink()
        key = path.read_text().strip()
    except OSError as error:
        raise SettingsError(
            f"FUNNELHOUSE_HOME={home} cannot be used ({'it is a file' if home.is_file() else error.strerror}); allowed is a folder that this user can write to"
        ) from None
    if not key:
        raise SettingsError(f"{path} is empty; put the key back, or delete the file where nothing was loaded yet")
    return key


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
        raise SettingsError(explained(error, secret_names=_secret_aliases(kind))) from None


def variable_names() -> set[str]:
    """Every environment variable that is a setting."""
    return set(GENERAL).union(*(_aliases(kind) for kind in SOURCE_SETTINGS))


def required_variables(source: str) -> list[str]:
    """The environment variables that switch a source on; none for sources that funnelhouse.yml switches."""
    kinds: dict[str, type[SourceSettings]] = {
        "ga4": Ga4Settings,
        "hubspot": HubspotSettings,
        "google_ads": GoogleAdsSettings,
    }
    return (
        [f.alias for f in kinds[source].model_fields.values() if f.alias and f.is_required()] if source in kinds else []
    )


def _fx(env: Mapping[str, str], rules: Config, common: Mapping[str, Any]) -> FxSettings | None:
    providers = tuple(p for p in rules.exchange_rates.providers if p != "file")
    if not providers:
        return None
    try:
        known = {n: v for n, v in env.items() if n in _aliases(FxSettings)}
        return FxSettings.model_validate({**known, "providers": providers, **common})
    except ValidationError as error:
        raise SettingsError(explained(error)) from None


def _aliases(kind: type[BaseModel]) -> set[str]:
    return {f.alias for f in kind.model_fields.values() if f.alias}


def _secret_aliases(kind: type[BaseModel]) -> set[str]:
    fields = kind.model_fields.values()
    return {f.alias for f in fields if f.alias and SecretStr in (f.annotation, *get_args(f.annotation))}


HubspotSettings.model_rebuild()
ConfigSettings.model_rebuild()


def midnight(day: date) -> datetime:
    """The first moment of `day`, UTC."""
    return datetime.combine(day, time.min, UTC)
