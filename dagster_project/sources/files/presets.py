"""Presets: the mappings of exports that many have (`presets.yml`), and which shape of one fits a file's header.

`mappings.py` merges a preset with the entry that names it; here is also what is left open until a file is seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from dagster_project.sources.files.arithmetic import columns_of, is_arithmetic, understood
from dagster_project.sources.files.headers import header_name

CURRENCY = "{currency}"  # in the name of a column: where the export writes the currency
_SIGNS = {
    "₽": "RUB",
    "руб": "RUB",
    "руб.": "RUB",
    "р.": "RUB",
    "$": "USD",
    "€": "EUR",
    "£": "GBP",
    "₴": "UAH",
    "₸": "KZT",
}
_OF_TEXT = ("delimiter", "encoding", "escapes")  # mean nothing for a spreadsheet
Entry = dict[str, Any]


@cache
def presets() -> dict[str, Entry]:
    """All presets by name, as they are written."""
    return yaml.safe_load((Path(__file__).with_name("presets.yml")).read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Shape:
    """One way in which the export is written, as an entry. `own`: our columns that funnelhouse.yml maps itself."""

    entry: Entry
    own: tuple[str, ...] = ()


def shapes_of(name: str, entry: Mapping[str, Any], *, is_sheet: bool) -> tuple[Shape, ...]:
    """The shapes of a preset with the keys of `entry` (of funnelhouse.yml) in their place. Raises ValueError."""
    if name not in presets():
        raise ValueError(f"preset {name!r}: there is none; allowed are {', '.join(sorted(presets()))}")
    base = {key: value for key, value in presets()[name].items() if key != "shapes"}
    if "stream" in entry and entry["stream"] != base["stream"]:
        raise ValueError(f"preset {name!r} is of the stream {base['stream']}, not {entry['stream']}")
    if is_sheet:
        base = {key: value for key, value in base.items() if key not in _OF_TEXT}
    base.setdefault("name", name)
    own = tuple(entry["columns"]) if isinstance(entry.get("columns"), dict) else ()
    shapes = presets()[name].get("shapes", [{}])
    return tuple(Shape(_merged(_merged(base, shape), entry), own) for shape in shapes)


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> Entry:
    """Both, key by key: tables such as columns are merged likewise; null takes a key away. A column that is now a
    constant, or the other way round, is no longer what it was."""
    merged = dict(under)
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            value = _merged(merged[key], value)
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = value
    for mine, other in (("columns", "constants"), ("constants", "columns")):
        said = over.get(mine) if isinstance(over.get(mine), dict) else None
        if said and isinstance(merged.get(other), dict):
            merged[other] = {ours: what for ours, what in merged[other].items() if ours not in said}
    return merged


@dataclass
class Fit:
    """How a shape fits a header: the entry with the names that the file has, and what it lacks."""

    entry: Entry
    lacking: list[str] = field(default_factory=list)


def fitted(shape: Shape, header: Sequence[str], required: Iterable[str]) -> Fit:
    """The shape for a file with this header. A file that lacks one of our columns `required`, of those that
    funnelhouse.yml maps itself, or of those that say how long or how much, is none of this shape; other columns are left
    out where it lacks them."""
    entry = shape.entry
    fit, needed = Fit(dict(entry)), {*required, *shape.own, "end_date", "amount" if entry["stream"] == "orders" else ""}
    columns: Entry = {}
    for ours, names in (entry.get("columns") or {}).items():
        found = _found_all(names, header)
        if found is not None:
            columns[ours] = found
        elif ours in needed:
            fit.lacking.append(" + ".join(map(str, names)) if isinstance(names, list) else str(names))
    fit.entry["columns"] = columns
    for rules in ("where", "where_not"):
        fit.entry[rules] = {}
        for name, values in (entry.get(rules) or {}).items():
            found = _found(name, header)
            if found is None:
                fit.lacking.append(str(name))
            else:
                fit.entry[rules][found] = values
    for setting in ("otherwise", "unit", "separator", "values"):
        fit.entry[setting] = {o: v for o, v in (entry.get(setting) or {}).items() if o in columns}
    instead = {
        o: [f for n in _listed(names) if (f := _found(n, header)) is not None]
        for o, names in fit.entry["otherwise"].items()
    }
    fit.entry["otherwise"] = {ours: names for ours, names in instead.items() if names}
    fit.entry["counts"] = [ours for ours in _listed(entry.get("counts") or []) if ours in columns]
    if "currency_code" not in columns and (currency := _currency(entry, header)):
        fit.entry["constants"] = {"currency_code": currency, **(entry.get("constants") or {})}
    return fit


def _found_all(names: Any, header: Sequence[str]) -> Any:
    """The names as the header has them (one, or all of a list); None where it lacks one."""
    found = [_found(name, header) for name in _listed(names)]
    if None in found:
        return None
    return found if isinstance(names, list | tuple) else found[0]


def _found(name: Any, header: Sequence[str]) -> Any:
    """The first of the alternatives that the header has, as it is written there; arithmetic where it has all parts."""
    if not isinstance(name, str) or header_name(name) in header:
        return name
    for each in name.split(" | "):
        if (found := _in_header(each, header)) is not None:
            return found
        if is_arithmetic(each):
            parts = columns_of(understood(each))
            if parts and all(_in_header(part, header) == part for part in parts):
                return each
    return None


def _in_header(name: str, header: Sequence[str]) -> str | None:
    pattern = _pattern(name)
    return next((each for each in header if pattern.fullmatch(each)), None)


def _currency(entry: Entry, header: Sequence[str]) -> str | None:
    """The currency that the file writes into the header of an amount."""
    for names in (entry.get("columns") or {}).values():
        for each in (part for name in _listed(names) if isinstance(name, str) for part in name.split(" | ")):
            if CURRENCY in each and (match := next(filter(None, map(_pattern(each).fullmatch, header)), None)):
                return _SIGNS.get(match["currency"].lower(), match["currency"].upper())
    return None


@cache
def _pattern(name: str) -> re.Pattern[str]:
    signs = "|".join(map(re.escape, sorted(_SIGNS, key=len, reverse=True)))
    written = re.escape(header_name(name)).replace(re.escape(CURRENCY), rf"(?P<currency>[A-Za-z]{{3}}|{signs})")
    return re.compile(written, re.IGNORECASE)


def _listed(names: Any) -> list[Any]:
    return list(names) if isinstance(names, list | tuple) else [names]
