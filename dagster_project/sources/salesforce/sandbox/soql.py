"""The part of SOQL that the sandbox's Salesforce takes: SELECT fields FROM one object WHERE ... AND ... ORDER BY."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dagster_project.sources.salesforce.sandbox.org import OBJECTS

_QUERY = re.compile(
    r"\s*SELECT\s+(?P<fields>.+?)\s+FROM\s+(?P<object>\w+)(?:\s+WHERE\s+(?P<where>.+?))?(?:\s+ORDER\s+BY\s+(?P<order>.+?))?\s*",
    re.IGNORECASE | re.DOTALL,
)
_CONDITION = re.compile(r"(?P<field>[\w.]+)\s*(?P<how>>=|<=|=|<|>|IN)\s*(?P<value>.+)", re.IGNORECASE)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)")
_HOW: Mapping[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge, "<=": operator.le, "=": operator.eq, "<": operator.lt, ">": operator.gt,
}  # fmt: skip


class Refusal(Exception):
    """What Salesforce says instead of rows: an array of one error."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message

    def body(self) -> list[dict[str, str]]:
        return [{"message": self.message, "errorCode": self.code}]


@dataclass(frozen=True)
class Query:
    fields: tuple[str, ...]
    object: str
    conditions: tuple[Callable[[Mapping[str, Any]], bool], ...]
    order: tuple[tuple[str, bool], ...]  # (field, is descending)

    def of(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        found = [row for row in rows if all(holds(row) for holds in self.conditions)]
        for name, is_descending in reversed(self.order):
            found.sort(key=lambda row: (row[name] is not None, row[name] or ""), reverse=is_descending)
        return found


def parse(text: str, objects: Mapping[str, Mapping[str, str]] = OBJECTS) -> Query:
    """Raises Refusal, as Salesforce refuses."""
    match = _QUERY.fullmatch(text)
    if not match:
        raise Refusal(400, "MALFORMED_QUERY", "unexpected token: '<EOF>'")
    name = match["object"]
    if name not in objects:
        raise Refusal(
            400,
            "INVALID_TYPE",
            f"sObject type '{name}' is not supported. If you are attempting to use a custom object, be sure to append the "
            "'__c' after the entity name. Please reference your WSDL or the describe call for the appropriate names.",
        )
    known = objects[name]

    def field(written: str) -> str:
        if written not in known:
            raise Refusal(
                400, "INVALID_FIELD", f"\nERROR at Row:1:Column:8\nNo such column '{written}' on entity '{name}'."
            )
        return written

    fields = tuple(field(part.strip()) for part in match["fields"].split(","))
    if len(set(fields)) < len(fields):
        raise Refusal(400, "INVALID_FIELD", "duplicate field selected")
    conditions = [
        _condition(part.strip(), field)
        for part in re.split(r"\s+AND\s+", match["where"] or "", flags=re.I)
        if part.strip()
    ]
    order = []
    for part in (match["order"] or "").split(","):
        if part.strip():
            by, _, way = part.strip().partition(" ")
            order.append((field(by), way.strip().upper() == "DESC"))
    return Query(fields, name, tuple(conditions), tuple(order))


def _condition(text: str, field: Callable[[str], str]) -> Callable[[Mapping[str, Any]], bool]:
    match = _CONDITION.fullmatch(text)
    if not match:
        raise Refusal(400, "MALFORMED_QUERY", f"unexpected token: '{text[:20]}'")
    name, how, value = field(match["field"]), match["how"].upper(), match["value"].strip()
    if how == "IN":
        wanted = set(re.findall(r"'([^']*)'", value))
        return lambda row: row[name] in wanted
    compare = _HOW[how]
    if _MOMENT.fullmatch(value):
        bound = datetime.fromisoformat(value.replace("Z", "+00:00"))
        return lambda row: row[name] is not None and compare(datetime.fromisoformat(row[name]), bound)
    if re.fullmatch(r"'[^']*'", value):
        return lambda row: compare(row[name], value[1:-1])
    if value.lower() in ("true", "false"):
        return lambda row: compare(row[name], value.lower() == "true")
    raise Refusal(
        400, "INVALID_QUERY_FILTER_OPERATOR", f"value of filter criterion for field '{name}' must be of another type"
    )
