"""Google Ads' rows as the declared columns, built column by column; a row that cannot be taken is told apart."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.sources.google_ads.api import SOURCE, Account, Row
from dagster_project.sources.google_ads.reports import CLICKS, NEVER, Field, Report
from dagster_project.wire.columns import RETYPED_FROM
from dagster_project.wire.contract import DriftError, Tally
from dagster_project.wire.http import Json

_UNREADABLE = (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeEncodeError)
_OMITTED: Row = {}  # what an omitted message is read as: all its fields are omitted too
_AD_OF_RESOURCE_NAME = r"/adGroupAds/\d+~(?P<ad>\d+)$"


def to_table(report: Report, rows: Sequence[Mapping[str, Json]], odd: dict[str, Odd] | None = None) -> pa.Table:
    """The rows of a batch as the stream's declared columns; built column by column.

    A row with a field that cannot be read, or that lacks one that cannot be omitted, is left out and put into `odd`.
    Raises DriftError with stream, field and day where that is so in all rows of the batch (three of them at least), and
    in any row where no `odd` is given.
    """
    try:
        return _to_table(report, rows)
    except DriftError as drift:
        if odd is None:
            raise
        good = []
        for row in rows:  # the whole batch is fine as a rule: row by row only where it is not
            try:
                _to_table(report, [row])
            except DriftError as error:
                odd[f"{error}, row {json.dumps(row, sort_keys=True, default=str)}"] = Odd(str(error), row)
            else:
                good.append(row)
        if not good and len(rows) >= RETYPED_FROM:
            raise drift
        return _to_table(report, good)


@dataclass(frozen=True)
class Odd:
    """A row that cannot be taken, and why."""

    why: str
    row: Mapping[str, Json]

    def tell(self, report: Report, account: Account, tally: Tally) -> None:
        message = self.why.removeprefix(f"{SOURCE}/{report.name}: ")
        row = self.row if isinstance(self.row, dict) else {}
        tally.bad_row(f"{SOURCE}/{report.name}: account {account.id}: {message}", self._money(row), self._days(row))

    @staticmethod
    def _days(row: Mapping[str, Json]) -> list[date]:
        try:
            return [date.fromisoformat(row["segments"]["date"])]
        except (KeyError, TypeError, ValueError):
            return []

    @staticmethod
    def _money(row: Mapping[str, Json]) -> dict[str, Decimal]:
        try:
            cost = Decimal(int(row["metrics"]["costMicros"])) / 1_000_000
            return {f"cost {row['customer'].get('currencyCode', '')}".strip(): cost}
        except (KeyError, TypeError, ValueError, AttributeError):
            return {}


def _to_table(report: Report, rows: Sequence[Mapping[str, Json]]) -> pa.Table:
    # path -> that message of each row
    messages: dict[tuple[str, ...], Sequence[Mapping[str, Json]]] = {(): rows}
    for field in report.fields:
        for depth in range(1, len(field.path)):
            path = field.path[:depth]
            if path not in messages:
                messages[path] = [_message(message, path[-1], report) for message in messages[path[:-1]]]
    columns = {field.column: _column(report, field, messages) for field in report.fields}
    if report is CLICKS:
        columns["ad_id"] = _ads_of(columns["ad_id"])
    columns["_extra"] = _extras(report, messages)
    return pa.table([columns[name] for name in report.schema.names], schema=report.schema)


def _message(message: Mapping[str, Json], name: str, report: Report) -> Mapping[str, Json]:
    inner = message.get(name, _OMITTED)
    if not isinstance(inner, dict):
        what = f"{name} should be an object, but is {type(inner).__name__}"
        raise DriftError(what, source=SOURCE, stream=report.name)
    return inner


def _column(report: Report, field: Field, messages: Mapping[tuple[str, ...], Sequence[Mapping[str, Json]]]) -> pa.Array:
    *path, name = field.path
    values = [message.get(name, field.omitted) for message in messages[tuple(path)]]
    if field.omitted is NEVER and NEVER in values:
        raise _drift(report, field, "is missing", messages[()][values.index(NEVER)])
    # Integers, ids and days are strings on the wire, doubles are numbers.
    wire_type = field.type if pa.types.is_floating(field.type) else pa.string()
    try:
        column = pa.array(values, wire_type).cast(field.type)
        if not pa.types.is_floating(field.type) or pc.all(pc.is_finite(column)).as_py() is not False:
            return column
    except _UNREADABLE:
        pass
    bad = next(i for i, value in enumerate(values) if not _is_readable(value, wire_type, field.type))
    what = f"should be {field.type}, but is {type(values[bad]).__name__} {values[bad]!r:.60}"
    raise _drift(report, field, what, messages[()][bad]) from None


def _is_readable(value: Json, wire_type: pa.DataType, column_type: pa.DataType) -> bool:
    try:
        read = pa.array([value], wire_type).cast(column_type)
    except _UNREADABLE:
        return False
    return not pa.types.is_floating(column_type) or pc.all(pc.is_finite(read)).as_py() is not False


def _drift(report: Report, field: Field, what: str, row: Mapping[str, Json]) -> DriftError:
    day = row.get("segments", _OMITTED).get("date", "unknown")
    return DriftError(f"field {field.gaql} {what} (day {day})", source=SOURCE, stream=report.name)


def _ads_of(resource_names: pa.Array) -> pa.Array:
    ads = pc.struct_field(pc.extract_regex(resource_names, _AD_OF_RESOURCE_NAME), "ad")
    if ads.null_count > resource_names.null_count:
        seen = resource_names.filter(pc.and_(pc.is_valid(resource_names), pc.is_null(ads)))[0]
        raise DriftError(
            f"field click_view.ad_group_ad should end in /adGroupAds/<group>~<ad>, but is {seen.as_py()!r}",
            source=SOURCE,
            stream=CLICKS.name,
        )
    return ads


def _extras(report: Report, messages: Mapping[tuple[str, ...], Sequence[Mapping[str, Json]]]) -> pa.Array:
    """What came beside what was asked, as JSON; resource names only repeat the ids."""
    known: dict[tuple[str, ...], set[str]] = {path: {"resourceName"} for path in messages}
    for field in report.fields:
        for depth, name in enumerate(field.path):
            known[field.path[:depth]].add(name)
    extras: list[Row] = [{} for _ in messages[()]]
    for path, found in messages.items():
        for name in set().union(*found) - known[path]:  # usually none: no loop over rows
            for extra, message in zip(extras, found, strict=True):
                if name in message:
                    extra[".".join((*path, name))] = message[name]
    texts = [json.dumps(extra, sort_keys=True, ensure_ascii=False) if extra else None for extra in extras]
    return pa.array(texts, pa.string())
