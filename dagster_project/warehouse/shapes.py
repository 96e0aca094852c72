"""The shapes' columns, as Python sees them: dbt_project's macros are the one place where they stand.

dbt itself tells of a model only the columns that its YAML lists, and a shape's columns stand in no YAML. The macros that
declare them hold data and no SQL, so plain Jinja can say what they give.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment

MACROS = ("click_ids.sql", "shapes*.sql")
MACRO = re.compile(r"\{% macro (\w+)\(.*?\{%-? endmacro %\}", re.DOTALL)
ENGINE_TYPES = {"moment": "timestamp", "texts": "string[]"}


class _Given(Exception):
    """What a macro returns: as in dbt, `return` ends it."""


def _give(value: object) -> None:
    raise _Given(value)


@cache
def shapes(dbt_project: Path) -> Mapping[str, Mapping[str, tuple[str, str]]]:
    """Shape -> column -> (type, description), of the dbt project in this folder."""
    files = (path for pattern in MACROS for path in sorted((dbt_project / "macros").glob(pattern)))
    return {
        name: {column: (ENGINE_TYPES.get(kind, kind), said) for column, (kind, said) in shape["columns"].items()}
        for name, shape in macros_of(files)["shapes"]().items()
    }


def macros_of(files: Iterable[Path], **names: Any) -> dict[str, Any]:
    """The macros of these files by name, to be called from Python. `names`: what dbt gives them, where they ask for it."""
    macros: dict[str, Any] = {"return": _give, **names}
    jinja = Environment(extensions=["jinja2.ext.do"], autoescape=False)
    for path in files:
        for found in MACRO.finditer(path.read_text(encoding="utf-8")):
            # each in a template of its own, so that it sees the others through `macros` and what they return stays data
            macros.setdefault(found[1], _callable(jinja, found[0], found[1], macros))
    return macros


def _callable(jinja: Environment, text: str, name: str, macros: Mapping[str, Any]) -> Callable[..., object]:
    template = jinja.from_string(text)

    def call(*arguments: object, **named: object) -> object:
        try:
            return getattr(template.make_module(dict(macros)), name)(*arguments, **named)
        except _Given as given:
            return given.args[0]

    return call
