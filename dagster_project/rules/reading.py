"""funnelhouse.yml as it is read: YAML with each key once, the parts of sources checked by their own kind, all errors told."""

from __future__ import annotations

import copy
from collections.abc import Collection, Hashable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import (
    TypeAdapter,
    ValidationError,
)

from dagster_project.rules import Config, StageRule
from dagster_project.wire.source import Source
from dagster_project.wire.variables import SettingsError, explained


def read_rules(path: Path, *, is_named: bool, sources: Collection[Source] = ()) -> Config:
    """The rules of the file `path`; the defaults where there is none, unless the file `is_named`. Raises SettingsError."""
    named = f"FUNNELHOUSE_CONFIG={path}" if is_named else path.name
    if not path.exists():
        if is_named:
            raise SettingsError(f"{named}: there is no such file")
        return checked({}, sources)
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
        return checked(content, sources)
    except SettingsError as error:
        raise SettingsError(f"{path.name}:\n{error}") from None


def checked(content: Mapping[str, Any], sources: Collection[Source] = ()) -> Config:
    """The rules from what funnelhouse.yml holds; the parts that are a source's own are checked by the source's kind.

    Raises SettingsError with all that is wrong in either.
    """
    rest, parts, problems = copy.deepcopy(dict(content)), {}, []
    for each in (source.rules for source in sources if source.rules):
        is_there, value = _taken_out(rest, each.key)
        try:
            parts[each.key] = TypeAdapter(each.kind).validate_python(value) if is_there else each.default
        except ValidationError as error:
            problems.append(explained(error, under=each.key))
    problems += [f"sources.{name}: no such key" for name in rest.pop("sources", None) or ()]
    try:
        config = Config.model_validate(rest)
    except ValidationError as error:
        problems.insert(0, explained(error))
    else:
        if sources:
            problems = [*config.know_crms(_crms_of(sources)), *problems]
    if problems:
        raise SettingsError("\n".join(problems))
    config._own.update(parts)
    return config


def _crms_of(sources: Collection[Source]) -> dict[str, tuple[StageRule, ...]]:
    """The CRMs by name, those that are but files last, each with what its values mean by default."""
    crms = sorted((source for source in sources if source.is_crm), key=lambda source: (source.is_local, source.name))
    return {
        crm.name: tuple(StageRule.model_validate({"crm": crm.name, **each._asdict()}) for each in crm.stages)
        for crm in crms
    }


def _taken_out(content: dict[str, Any], key: str) -> tuple[bool, Any]:
    """Whether `key` (with dots) is there, and its value, which is no longer in `content`."""
    above, _, last = key.rpartition(".")
    holder: Any = content
    for name in above.split(".") if above else ():
        holder = holder.get(name) if isinstance(holder, dict) else None
    if not isinstance(holder, dict) or last not in holder:
        return False, None
    return True, holder.pop(last)


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
