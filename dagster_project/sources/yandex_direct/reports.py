"""Direct's reports: what is asked, and their tab-separated text as columns. Nothing is asked here.

https://yandex.com/dev/direct/doc/en/report-format and https://yandex.com/dev/direct/doc/en/money
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.sources.yandex_direct.answers import SOURCE, TooMuchData
from dagster_project.sources.yandex_direct.settings import DirectRules
from dagster_project.wire.columns import RETYPED_FROM, columns_to_table, extra_of
from dagster_project.wire.contract import DriftError, Stream, Tally, VendorError
from dagster_project.wire.http import Json
from dagster_project.wire.json_cells import Cells
from dagster_project.wire.tsv import tsv_columns

NOTHING = "--"
MONEY = pa.decimal128(24, 6)
MOST_ROWS = 1_000_000  # that a report may have
MOST_GOALS = 10
MICROS_ROUNDED_TO = 10_000  # "integers resulting from multiplying the amount by 1,000,000, rounded to 10,000"
_TOTAL = re.compile(rb"^Total rows: (\d+)\r?\n?$")
_OF_GOAL = re.compile(r"^(Conversions|Revenue)_(\d+)_(\w+)$")

_TEXT, _COUNT = pa.string(), pa.int64()
# name in the report -> our column, type
DIMENSIONS = {
    "Date": ("date", pa.date32()),
    "CampaignId": ("campaign_id", _TEXT),
    "CampaignName": ("campaign_name", _TEXT),
    "CampaignType": ("campaign_type", _TEXT),
    "AdGroupId": ("ad_group_id", _TEXT),
    "AdGroupName": ("ad_group_name", _TEXT),
    "AdId": ("ad_id", _TEXT),
    "AdNetworkType": ("ad_network_type", _TEXT),
}
MEASURES = {
    "Impressions": ("impressions", _COUNT),
    "Clicks": ("clicks", _COUNT),
    "Cost": ("cost", MONEY),
    "Conversions": ("conversions", MONEY),
    "Revenue": ("revenue", MONEY),
}
PERFORMANCE = DIMENSIONS | MEASURES
OF_GOALS = {name: DIMENSIONS[name] for name in ("Date", "CampaignId", "AdGroupId", "AdId", "AdNetworkType")}
# A campaign of the wizard has no groups and ads: its row stands under what the report has there.
KEYS = ("campaign_id", "ad_group_id", "ad_id", "ad_network_type")


def ads_asked(rules: DirectRules) -> dict[str, Json]:
    return _asked(list(PERFORMANCE), rules)


def goals_asked(rules: DirectRules, goals: Sequence[str]) -> dict[str, Json]:
    asked = _asked([*OF_GOALS, "Conversions", "Revenue"], rules)
    return asked | {"Goals": list(goals), "AttributionModels": [rules.attribution]}


def _asked(fields: list[str], rules: DirectRules) -> dict[str, Json]:
    return {
        "FieldNames": fields,
        "OrderBy": [{"Field": "Date"}],
        "ReportType": "AD_PERFORMANCE_REPORT",
        "IncludeVAT": vat(rules),
        "IncludeDiscount": "NO",
    }


def vat(rules: DirectRules) -> str:
    return "YES" if rules.include_vat else "NO"


# ---- text --------------------------------------------------------------------------------------------------


def is_whole(text: bytes) -> bool:
    """Whether the text ends with its summary, and has the rows that it announces."""
    lines, announced = _parts(text)
    return announced is not None and lines.count(b"\n") == announced + 1


def _parts(text: bytes) -> tuple[bytes, int | None]:
    """(header line and rows, number of rows that the last line announces)."""
    start = text.rstrip(b"\r\n").rfind(b"\n") + 1
    total = _TOTAL.match(text[start:])
    return text[:start], int(total[1]) if total else None


@dataclass(frozen=True)
class Report:
    """The columns of a report by the names that it gives them; lines that are none have been told."""

    columns: Mapping[str, Cells]

    @property
    def size(self) -> int:
        return len(next(iter(self.columns.values())))


def read(text: bytes, wanted: Mapping[str, tuple[str, pa.DataType]], stream: Stream, who: str, tally: Tally) -> Report:
    """Raises DriftError for a field that is not there, TooMuchData where there may be more rows than a report can have."""
    header, _, lines = _parts(text)[0].replace(b"\r\n", b"\n").partition(b"\n")
    names = header.decode("utf-8", "replace").removeprefix("\ufeff").split("\t")
    if missing := [name for name in wanted if name not in names]:
        raise _drift(stream, f"{who}: field {missing[0]} is not in the report")
    if len(set(names)) < len(names):
        raise _drift(stream, f"{who}: a field is in the report twice")
    types = {name: kind for name, (_, kind) in wanted.items() if kind != _TEXT}
    types |= {name: MONEY for name in names if _OF_GOAL.match(name)}
    columns, odd = tsv_columns(lines, names, types, nothing=(NOTHING, ""))
    report = Report(columns)
    if odd and not report.size and len(odd) >= RETYPED_FROM:
        raise _drift(stream, f"{who}: no line of the report is one: {odd[0]}")
    for why in odd:
        tally.bad_row(f"{stream.id}: {who}: {why}")
    if report.size + len(odd) >= MOST_ROWS:
        raise TooMuchData(f"the report has {report.size:,} rows, which is as many as it may have")
    if "Cost" in wanted and _is_in_micros(columns["Cost"].values, lines, names):
        raise _drift(
            stream,
            f"{who}: Cost is in millionths although it was asked for in the currency (returnMoneyInMicros: false); does something "
            "on the way to Direct drop headers?",
        )
    return report


# ---- rows --------------------------------------------------------------------------------------------------


def ad_table(report: Report, stream: Stream, login: str, currency: str, include_vat: str, tally: Tally) -> pa.Table:
    """Rows of ad_performance."""
    cells = _cells(report, PERFORMANCE)
    size = report.size
    unknown = [name for name in report.columns if name not in PERFORMANCE]
    columns: dict[str, pa.Array | Cells] = {
        **cells,
        **{name: _nothing_is_zero(cells[name]) for name in ("impressions", "clicks", "cost", "conversions")},
        "currency": pa.repeat(pa.scalar(currency), size),
        "include_vat": pa.repeat(pa.scalar(include_vat), size),
        "account_id": pa.repeat(pa.scalar(login), size),
        "_extra": _extra(report, unknown),
    }
    return columns_to_table(stream, columns, required=("cost",), tally=tally)


def goal_tables(
    report: Report, stream: Stream, login: str, currency: str, goals: Sequence[str], attribution: str, tally: Tally
) -> list[pa.Table]:
    """Rows of ad_conversions, goal by goal: what did not happen has none."""
    answered = {found[3] for name in report.columns if (found := _OF_GOAL.match(name))}
    if other := answered - {attribution}:
        raise _drift(
            stream,
            f"client {login}: asked for the attribution model {attribution}, Direct answered with {min(other)}: their numbers "
            "are not one series; set sources.yandex_direct.attribution to a model that it still has",
        )
    cells = _cells(report, OF_GOALS)
    unknown = [name for name in report.columns if name not in OF_GOALS and not _OF_GOAL.match(name)]
    tables = []
    for goal in goals:
        conversions, revenue = (
            report.columns.get(f"{name}_{goal}_{attribution}") for name in ("Conversions", "Revenue")
        )
        if conversions is None:
            raise _drift(stream, f"client {login}: field Conversions_{goal}_{attribution} is not in the report")
        size = report.size
        columns: dict[str, pa.Array | Cells] = {
            **cells,
            "goal_id": pa.repeat(pa.scalar(goal), size),
            "attribution": pa.repeat(pa.scalar(attribution), size),
            "currency": pa.repeat(pa.scalar(currency), size),
            "conversions": _nothing_is_zero(conversions),
            "revenue": revenue if revenue is not None else pa.nulls(size, MONEY),
            "account_id": pa.repeat(pa.scalar(login), size),
            "_extra": _extra(report, unknown),
        }
        table = columns_to_table(stream, columns, required=("conversions",), tally=tally)
        happened = pc.or_(pc.not_equal(table["conversions"], 0), pc.fill_null(pc.not_equal(table["revenue"], 0), False))
        tables.append(table.filter(happened))
    return tables


def check_days(table: pa.Table, days: Sequence[object], stream: Stream) -> None:
    for day in table["date"].unique().to_pylist():
        if day not in days:
            raise VendorError(f"asked for {days[0]}..{days[-1]}, got rows of {day}", source=SOURCE, stream=stream.name)


def _cells(report: Report, wanted: Mapping[str, tuple[str, pa.DataType]]) -> dict[str, Cells]:
    return {column: _named(report.columns[name], column) for name, (column, _) in wanted.items()}


def _named(cells: Cells, column: str) -> Cells:
    """A text that is nothing is null, but for what the row stands under."""
    if cells.values.type != _TEXT or column in KEYS:
        return cells
    is_nothing = pc.is_in(cells.values, pa.array([NOTHING, ""], _TEXT))
    return Cells(pc.if_else(is_nothing, pa.scalar(None, _TEXT), cells.values), cells.unreadable)


def _nothing_is_zero(cells: Cells) -> Cells:
    """`--` in a count says that there was none of it; what could not be read stays null."""
    if not cells.values.null_count:
        return cells
    kind = cells.values.type
    zero = pa.scalar(Decimal(0) if pa.types.is_decimal(kind) else 0, kind)
    if not cells.unreadable:
        return Cells(pc.fill_null(cells.values, zero))
    unread = pa.array([place in cells.unreadable for place in range(len(cells))])
    return Cells(pc.if_else(unread, cells.values, pc.fill_null(cells.values, zero)), cells.unreadable)


def _is_in_micros(cost: pa.Array, lines: bytes, names: Sequence[str]) -> bool:
    """Whether every amount is a whole multiple of what millionths are rounded to, and is written without cents."""
    spent = cost.filter(pc.fill_null(pc.not_equal(cost, 0), False))
    if not len(spent) or any(amount % MICROS_ROUNDED_TO for amount in spent.unique().to_pylist()):
        return False
    written, _ = tsv_columns(lines, names, {})
    return not pc.any(pc.match_substring(written["Cost"].values, ".")).as_py()


def _extra(report: Report, unknown: Sequence[str]) -> pa.Array:
    if not unknown:
        return pa.nulls(report.size, _TEXT)
    columns = [report.columns[name].values.to_pylist() for name in unknown]
    return pa.array([extra_of(dict(zip(unknown, row, strict=True))) for row in zip(*columns, strict=True)], _TEXT)


def _drift(stream: Stream, what: str) -> DriftError:
    return DriftError(what, source=SOURCE, stream=stream.name)
