"""Every setting, typed and validated: secrets and endpoints from the environment, business rules from funnelhouse.yml.

`load_settings()` is the only entrance. It reads `.env` and the environment, then the configuration file,
touches no network, and answers a wrong value with the key, the value seen and what is allowed. What a source needs
stands in its folder (wire/source.py): a source is on when its required variables are set; its settings are None otherwise.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from dagster_project import memory
from dagster_project.rules import Config
from dagster_project.rules.reading import checked, read_rules
from dagster_project.sources import all_sources
from dagster_project.wire.contract import Stream
from dagster_project.wire.source import Source
from dagster_project.wire.variables import Given, SettingsError, SourceSettings, Variable, explained, named

# Read from the environment alone: another file than `.env`, such as one for each installation.
ENV_FILE = "FUNNELHOUSE_ENV_FILE"
ALERT_URLS = "FUNNELHOUSE_ALERT_URLS"
MCP_TOKEN = "FUNNELHOUSE_MCP_TOKEN"
SHORTEST_TOKEN = 24
GENERAL = (
    Variable(
        "FUNNELHOUSE_HOME",
        "where everything is kept; an fsspec URL puts the raw zone on an object store",
        default="./data",
    ),
    Variable(
        "FUNNELHOUSE_RAW",
        "the raw zone alone, when it should not be <home>/raw; S3 needs `pip install .[s3]` and AWS's own settings "
        "(AWS_ACCESS_KEY_ID ..., a profile or a role; AWS_ENDPOINT_URL elsewhere)",
        default="<home>/raw",
        example="s3://bucket/raw",
    ),
    Variable("FUNNELHOUSE_CONFIG", "the business rules", default="./funnelhouse.yml"),
    Variable(ENV_FILE, "another file than this one; set it in the environment, not in the file", default="./.env"),
    Variable(
        "FUNNELHOUSE_HASH_KEY",
        "key of e-mail and phone hashes; made on first run (<home>/hash_key, mode 0600)",
        is_secret=True,
    ),
    Variable("FUNNELHOUSE_TODAY", 'pins "today", for tests and demos', example="2026-10-01"),
    Variable(
        "FUNNELHOUSE_POSTGRES_URL",
        "publish to PostgreSQL as well",
        is_secret=True,
        example="postgresql://user:password@host/db",
    ),
    Variable(
        ALERT_URLS,
        "who is told when something is wrong, and when it is over: addresses as Apprise writes them (Slack, Teams, "
        "Telegram, e-mail, webhooks ...), separated by blanks",
        is_secret=True,
        example="slack://tokenA/tokenB/tokenC mailtos://user:password@example.com?to=team@example.com",
    ),
    Variable(
        MCP_TOKEN,
        "who may ask `funnelhouse mcp --http`: 24 characters or more that nobody can guess (`openssl rand -hex 32`)",
        is_secret=True,
    ),
    Variable(
        memory.VARIABLE,
        "what DuckDB may take; the rest is spilled to <home>/warehouse.duckdb.tmp",
        default="60 % of the machine",
        example="8GB",
    ),
)


class Settings(BaseModel):
    """All settings of one installation. `home` is local; `raw_root` is a local path or an fsspec URL."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    home: Path
    raw_root: str
    today: date
    now: datetime
    config_file: Path
    rules: Config
    hash_key: SecretStr
    postgres_url: SecretStr | None = None
    alert_urls: tuple[SecretStr, ...] = ()
    mcp_token: SecretStr | None = None
    memory_limit: str = Field(default_factory=lambda: memory.memory_limit(None))  # DuckDB's
    sources: dict[str, Any]  # name -> its SourceSettings, None where it is off

    def of(self, source: str) -> Any:
        """The settings of a source, by its own class; None where it is off. Raises KeyError for no source at all."""
        return self.sources[source]

    @property
    def warehouse_path(self) -> Path:
        return self.home / "warehouse.duckdb"

    @property
    def published_folder(self) -> Path:
        return self.home / "published"

    def dbt_environment(self) -> dict[str, str]:
        """The variables that dbt_project/profiles.yml and the sources read."""
        return {
            "FUNNELHOUSE_HOME": str(self.home),
            "FUNNELHOUSE_RAW": self.raw_root,
            memory.VARIABLE: self.memory_limit,
        }


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
    rules = _with_known_truths(
        read_rules(config_file, is_named="FUNNELHOUSE_CONFIG" in env, sources=all_sources().values())
    )
    today = _today(env, rules.reporting.time_zone)
    now = datetime.now(UTC)
    if "FUNNELHOUSE_TODAY" in env:  # a pinned day keeps the time of day, so extraction times stay in order
        now = datetime.combine(today, now.time(), UTC)
    hash_key = SecretStr(env.get("FUNNELHOUSE_HASH_KEY") or _kept_hash_key(home))
    given = Given(rules=rules, environment=env, folder=config_file.parent, now=now)
    settings = Settings(
        home=home,
        raw_root=raw_root,
        today=today,
        now=now,
        config_file=config_file,
        rules=rules,
        hash_key=hash_key,
        postgres_url=_postgres_url(env),
        alert_urls=_alert_urls(env),
        mcp_token=_mcp_token(env),
        memory_limit=_memory_limit(env),
        sources=_settings_of_sources(given, {"hash_key": hash_key, "today": today}),
    )
    _check_truths(settings)
    return settings


def _settings_of_sources(given: Given, common: Mapping[str, Any]) -> dict[str, SourceSettings | None]:
    found: dict[str, SourceSettings | None] = {}
    problems = []
    for name, source in all_sources().items():
        try:
            found[name] = _settings_of(source, given, common)
        except SettingsError as error:
            problems.append(str(error))
    if problems:
        raise SettingsError("\n".join(problems))
    return found


def _settings_of(source: Source, given: Given, common: Mapping[str, Any]) -> SourceSettings | None:
    """The settings of one source; None where none of its required variables is set, or its rules switch it off."""
    env = given.environment
    present = [name for name in source.required if name in env]
    if source.required and not present:
        return None
    if missing := [name for name in source.required if name not in env]:
        raise SettingsError(
            f"{', '.join(missing)}: not set, but {', '.join(present)} is; set all of them, or none to switch the source off"
        )
    from_rules = source.settings.from_rules(given)
    if from_rules is None:
        return None
    own = {v.name: env[v.name] for v in source.variables if v.name in env}
    try:
        return source.settings.model_validate({**own, **from_rules, **common})
    except ValidationError as error:
        secret = named(v for v in source.variables if v.is_secret)
        raise SettingsError(explained(error, secret)) from None


def _check_truths(settings: Settings) -> None:
    """A rule that names a source as the truth needs that source: else everything that rests on it is empty."""
    rules = settings.rules
    for key, truth, subject in (
        ("web.truth", rules.web.truth, "web"),
        ("revenue_truth", rules.revenue_truth, "orders"),
    ):
        source = all_sources().get(truth)
        if source is None:  # a word of its own, such as auto
            continue
        feeding = [s for s in source.streams if (_has_orders(s) if subject == "orders" else subject in s.feeds)]
        of_source = settings.of(truth)
        if of_source is None or not any(stream.is_on(of_source) for stream in feeding):
            needs = source.switched_on_by(feeding[0].name)
            raise SettingsError(f"{key}: {truth} needs {needs}, and there is none: add it, or leave the rule out")


def _with_known_truths(rules: Config) -> Config:
    """The rules, if web.truth is a source that counts visits and revenue_truth one that has orders; the rules themselves
    know no source."""
    counters = [name for name, source in all_sources().items() if any("web" in each.feeds for each in source.streams)]
    books = [name for name, source in all_sources().items() if any(map(_has_orders, source.streams))]
    for key, truth, known in (
        ("web.truth", rules.web.truth, ("auto", *counters)),
        ("revenue_truth", rules.revenue_truth, ("crm", *books)),
    ):
        if truth not in known:
            raise SettingsError(f"{key} = {truth!r}: allowed is one of {', '.join(map(repr, known))}")
    return rules


def _has_orders(stream: Stream) -> bool:
    """Whether it has orders of its own: won deals are orders too, but those of the truth `crm`."""
    return "orders" in stream.feeds and "deals" not in stream.feeds


def rules_of(content: Mapping[str, Any]) -> Config:
    """The rules of a funnelhouse.yml that holds this, the parts of the sources among them. Raises SettingsError."""
    return _with_known_truths(checked(content, all_sources().values()))


def load_rules(environment: Mapping[str, str] | None = None, *, folder: Path | None = None) -> Config:
    """funnelhouse.yml alone: no secrets are read and nothing is created. Raises SettingsError."""
    folder = folder or Path.cwd()
    env = _environment(environment, folder)
    path = (folder / env.get("FUNNELHOUSE_CONFIG", "funnelhouse.yml")).resolve()
    return _with_known_truths(read_rules(path, is_named="FUNNELHOUSE_CONFIG" in env, sources=all_sources().values()))


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


def _alert_urls(env: Mapping[str, str]) -> tuple[SecretStr, ...]:
    urls = env.get(ALERT_URLS, "").split()
    for number, url in enumerate(urls, 1):
        if not re.match(r"[a-z][a-z0-9+.-]*://.", url, re.IGNORECASE):  # not shown: it may hold a token
            raise SettingsError(
                f"{ALERT_URLS}: its {number}. part is no address; allowed are addresses such as slack://tokenA/tokenB/tokenC, "
                "separated by blanks"
            )
    return tuple(map(SecretStr, urls))


def _mcp_token(env: Mapping[str, str]) -> SecretStr | None:
    token = env.get(MCP_TOKEN)
    if token and (len(token) < SHORTEST_TOKEN or not token.isascii()):
        raise SettingsError(f"{MCP_TOKEN}: allowed are at least {SHORTEST_TOKEN} letters, digits and signs of ASCII")
    return SecretStr(token) if token else None


def _memory_limit(env: Mapping[str, str]) -> str:
    try:
        return memory.memory_limit(env.get(memory.VARIABLE))
    except ValueError as error:
        raise SettingsError(str(error)) from None


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


def variable_names() -> set[str]:
    """Every environment variable that is a setting."""
    return {*named(GENERAL)}.union(*(named(source.variables) for source in all_sources().values()))


def midnight(day: date) -> datetime:
    """The first moment of `day`, UTC."""
    return datetime.combine(day, time.min, UTC)
