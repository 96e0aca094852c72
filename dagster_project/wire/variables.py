"""Settings of sources: environment variables with what they mean, the kinds of value, and errors that name the key.

A source declares its variables as fields of a `SourceSettings`, each with `variable(...)`. From that one line come the
checks, `.env.example`, the README's table, what `doctor` says and which variables a test takes away.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo


class SettingsError(Exception):
    """One or more settings are wrong; the message lists each with its key, the value seen and what is allowed."""


def explained(error: ValidationError, secret_names: Collection[str] = (), *, under: str = "") -> str:
    """The problems of a validation, a line each: key, value seen, what is allowed. `under` is the key of the whole."""
    lines = []
    for problem in error.errors():
        key = ".".join([*([under] if under else []), *(str(part) for part in problem["loc"])]) or "(whole)"
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


# ---- kinds of value ----------------------------------------------------------------------------------------


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


def _comma_list(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


WebAddress = Annotated[str, AfterValidator(web_address)]
HostAddress = Annotated[str, AfterValidator(_host_address)]
CommaList = Annotated[list[str], BeforeValidator(_comma_list), Field(min_length=1)]

# ---- variables ---------------------------------------------------------------------------------------------


def variable(name: str, says: str, default: Any = ..., *, example: str = "", **limits: Any) -> Any:
    """A field that is the environment variable `name`; without a default it is required, and switches its source on.

    `says` is what a person reads in `.env.example`; `example` stands there as its value. `limits` are pydantic's.
    """
    return Field(default, alias=name, description=says, examples=[example] if example else None, **limits)


@dataclass(frozen=True)
class Variable:
    """An environment variable as people are told of it. `default` is "" where there is none to name."""

    name: str
    says: str
    is_required: bool = False
    is_secret: bool = False
    default: str = ""
    example: str = ""


def variables_of(kind: type[BaseModel]) -> list[Variable]:
    """The environment variables among the fields of a model, in their order."""
    return [_variable(field.alias, field) for field in kind.model_fields.values() if field.alias]


def _variable(name: str, field: FieldInfo) -> Variable:
    return Variable(
        name,
        field.description or "",
        is_required=field.is_required(),
        is_secret=SecretStr in (field.annotation, *get_args(field.annotation)),
        default="" if field.is_required() or field.default is None else _as_written(field.default),
        example=str(field.examples[0]) if field.examples else "",
    )


def _as_written(value: object) -> str:
    """As a line of `.env` has it: a list is its parts, separated by commas."""
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def named(variables: Iterable[Variable]) -> list[str]:
    return [each.name for each in variables]


# ---- the settings of one source ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Given:
    """What a source's settings may be made of beside its own variables.

    * `rules`: funnelhouse.yml as `rules.Config`; `rules.own(key)` is the part that is the source's.
    * `environment`: all variables, for paths with ${NAMES} in them. `folder`: where funnelhouse.yml lies.
    """

    rules: Any
    environment: Mapping[str, str]
    folder: Path
    now: datetime


class SourceSettings(BaseModel):
    """The settings of one source: fields made by `variable()` come from the environment, all others from `from_rules`."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)

    stages_stand_in: ClassVar[str] = "crm.stages"  # where a person says what a CRM's values mean

    hash_key: SecretStr = Field(default=SecretStr(""), exclude=True)
    today: date = date.min

    @classmethod
    def from_rules(cls, given: Given) -> dict[str, Any] | None:
        """The fields that are no variables, by name; None where the rules switch the source off."""
        return {}

    def funnel_stages(self) -> Collection[str] | None:
        """Of a CRM: the stages of the funnel that its own mapping names; None = nothing is to be said of them."""
        return None

    def parts(self, stream: str) -> Iterator[tuple[str, Self]]:
        """What of a stream can be asked alone: name and settings of each part; the whole, unnamed, where it has none."""
        yield "", self
