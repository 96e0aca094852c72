"""Microsoft's reports: what is asked, and their comma-separated text as columns. Nothing is asked here.

https://learn.microsoft.com/advertising/guides/reports
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from dagster_project.sources.microsoft_ads.answers import SOURCE
from dagster_project.sources.microsoft_ads.links import address
from dagster_project.wire.cells import try_cast
from dagster_project.wire.columns import RETYPED_FROM, columns_to_table, extra_of
from dagster_project.wire.contract import DriftError, Stream, Tally, VendorError, Window
from dagster_project.wire.json_cells import Cells

MONEY = pa.decimal128(24, 6)
_TEXT, _COUNT = pa.string(), pa.int64()
_THOUSANDS = r"^-?\d{1,3}(,\d{3})+(\.\d+)?$"
_NOTHING = pa.array(["", "--"], _TEXT)


@dataclass(frozen=True)
class Report:
    """A stream's report. `columns`: name in the report -> our column, type."""

    kind: str
    columns: Mapping[str, tuple[str, pa.DataType]]

    @property
    def fields(self) -> list[tuple[str, pa.DataType]]:
        return [field for field in self.columns.values() if field[0] != "account_id"]


_DAY = {
    "TimePeriod": ("date", pa.date32()),
    "AccountId": ("account_id", _TEXT),
    "CurrencyCode": ("currency_code", _TEXT),
}
_CAMPAIGN = {
    "CampaignId": ("campaign_id", _TEXT),
    "CampaignName": ("campaign_name", _TEXT),
    "CampaignType": ("campaign_type", _TEXT),
}
_AD_IDS = {"AdGroupId": ("ad_group_id", _TEXT), "AdId": ("ad_id", _TEXT)}
_LINKS = {
    "FinalUrl": ("final_url", _TEXT),
    "TrackingTemplate": ("tracking_template", _TEXT),
    "FinalUrlSuffix": ("final_url_suffix", _TEXT),
    "CustomParameters": ("custom_parameters", _TEXT),
}
_FIGURES = {
    "Impressions": ("impressions", _COUNT),
    "Clicks": ("clicks", _COUNT),
    "Spend": ("spend", MONEY),
    "VideoViews": ("video_views", _COUNT),
    # Conversions, without "Qualified", is the same rounded to whole numbers
    "ConversionsQualified": ("conversions", MONEY),
    "Revenue": ("revenue", MONEY),
}
CAMPAIGNS = Report("CampaignPerformanceReport", {**_DAY, **_CAMPAIGN, **_FIGURES})
ADS = Report(
    "AdPerformanceReport",
    {
        **_DAY,
        **_CAMPAIGN,
        **_AD_IDS,
        "AdGroupName": ("ad_group_name", _TEXT),
        "AdTitle": ("ad_title", _TEXT),
        **_LINKS,
        **_FIGURES,
    },
)
# Goals that bidding leaves out are no Conversions, but are here with their own names.
GOALS = Report(
    "AdPerformanceReport",
    {
        **_DAY,
        "CampaignId": ("campaign_id", _TEXT),
        **_AD_IDS,
        "Goal": ("goal", _TEXT),
        "GoalType": ("goal_type", _TEXT),
        "AllConversionsQualified": ("conversions", MONEY),
        "AllRevenue": ("revenue", MONEY),
    },
)


def read(text: bytes, report: Report, stream: Stream, account_id: str, window: Window, tally: Tally) -> pa.Table:
    """The rows of a report; lines that are none have been told.

    Raises DriftError for a column that is not there or is no longer of its type, VendorError for days and accounts that
    nobody asked for.
    """
    who = f"account {account_id}"
    found, odd = _lines(text, report.columns)
    if missing := [name for name in report.columns if name not in found.column_names]:
        raise _drift(stream, f"{who}: column {missing[0]} is not in the report")
    if odd and not found.num_rows and len(odd) >= RETYPED_FROM:
        raise _drift(stream, f"{who}: no line of the report is one: {odd[0]}")
    for why in odd:
        tally.bad_row(f"{stream.id}: {who}: {why}")
    cells = {column: _cells(name, found[name], kind) for name, (column, kind) in report.columns.items()}
    unknown = [name for name in found.column_names if name not in report.columns]
    columns: dict[str, pa.Array | Cells] = {**cells, "_extra": _extra(found, unknown)}
    if "final_url" in cells:
        columns["address"] = _addresses(cells)
    for name in ("goal", "goal_type"):  # what belongs to none stands under an empty name
        if name in cells:
            columns[name] = Cells(pc.fill_null(cells[name].values, ""))
    table = columns_to_table(stream, columns, required=_required(report), tally=tally)
    _check(table, stream, account_id, window)
    return table if report is not GOALS else _reached(table)


def _reached(table: pa.Table) -> pa.Table:
    """Without goals that nobody reached."""
    happened = pc.or_(*(pc.fill_null(pc.not_equal(table[name], 0), False) for name in ("conversions", "revenue")))
    return table.filter(happened)


def _required(report: Report) -> tuple[str, ...]:
    ours = {column for column, _ in report.columns.values()}
    return tuple(name for name in ("currency_code", "spend") if name in ours) + (
        ("conversions",) if "spend" not in ours else ()
    )


def _check(table: pa.Table, stream: Stream, account_id: str, window: Window) -> None:
    where = {"source": SOURCE, "stream": stream.name}
    for day in table["date"].unique().to_pylist():
        if day not in window:
            raise VendorError(f"account {account_id}: asked for {window}, got rows of {day}", **where)
    for other in table["account_id"].unique().to_pylist():
        if other != account_id:
            raise VendorError(f"account {account_id}: got rows of account {other}", **where)


# ---- text --------------------------------------------------------------------------------------------------


def _lines(text: bytes, wanted: Mapping[str, object]) -> tuple[pa.Table, list[str]]:
    """The columns of a report as texts, and what is said of lines that have not a cell for each."""
    text = _without_frame(text.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")).encode()
    odd: list[str] = []

    def skip(row: pacsv.InvalidRow) -> str:
        odd.append(f"a line has {row.actual_columns} cells where the header has {row.expected_columns}")
        return "skip"

    header = text.partition(b"\n")[0]
    names = [name.strip().strip('"') for name in header.decode().rstrip("\r").split(",")]
    if len(set(names)) < len(names) or not text.strip():
        return pa.table({}), []
    table = pacsv.read_csv(
        pa.BufferReader(text),
        pacsv.ReadOptions(use_threads=False),
        pacsv.ParseOptions(newlines_in_values=True, invalid_row_handler=skip),
        pacsv.ConvertOptions(column_types=dict.fromkeys(names, _TEXT), strings_can_be_null=False),
    )
    return table, odd


def _without_frame(text: str) -> str:
    """Without what stands before the header and after the rows where it was not left away as asked."""
    if text.lstrip().startswith('"Report Name:'):
        text = re.split(r"\r?\n\r?\n", text, maxsplit=1)[-1]
    return re.sub(r'\r?\n\r?\n"[@©][^\n]*\s*$', "\n", text)


# ---- cells -------------------------------------------------------------------------------------------------


def _cells(name: str, column: pa.ChunkedArray, kind: pa.DataType) -> Cells:
    texts = pc.utf8_trim_whitespace(column.combine_chunks() if column.num_chunks != 1 else column.chunk(0))
    texts = pc.if_else(pc.is_in(texts, _NOTHING), pa.scalar(None, _TEXT), texts)
    if kind == _TEXT:
        return Cells(texts)
    with_commas = pc.fill_null(pc.match_substring_regex(texts, _THOUSANDS), False)
    texts = pc.if_else(with_commas, pc.replace_substring(texts, ",", ""), texts)
    values, failed = try_cast(texts, kind)
    why = f"column {name} should be {kind}, the vendor sent something else"
    return Cells(values, dict.fromkeys(pc.indices_nonzero(failed).to_pylist(), why))


def _addresses(cells: Mapping[str, Cells]) -> pa.Array:
    """Where the ad of each row leads; null where no final URL is told."""
    names = (
        "final_url", "tracking_template", "final_url_suffix", "custom_parameters", "campaign_id", "campaign_name",
        "ad_group_id", "ad_group_name", "ad_id",
    )  # fmt: skip
    known: dict[tuple[str | None, ...], str | None] = {}
    addresses = []
    for row in zip(*(cells[name].values.to_pylist() for name in names), strict=True):
        if row not in known:
            known[row] = _address(*row)
        addresses.append(known[row])
    return pa.array(addresses, _TEXT)


def _address(
    url: str | None, template: str | None, suffix: str | None, custom: str | None, *of: str | None
) -> str | None:
    if url is None:
        return None
    names = ("campaignid", "campaign", "adgroupid", "adgroup", "adid")
    parameters = {name: value for name, value in zip(names, of, strict=True) if value is not None}
    return address(url, template or "", suffix or "", custom or "", parameters)


def _extra(found: pa.Table, unknown: Sequence[str]) -> pa.Array:
    if not unknown:
        return pa.nulls(found.num_rows, _TEXT)
    rows = zip(*(found[name].to_pylist() for name in unknown), strict=True)
    return pa.array([extra_of(dict(zip(unknown, row, strict=True))) for row in rows], _TEXT)


def _drift(stream: Stream, what: str) -> DriftError:
    return DriftError(what, source=SOURCE, stream=stream.name)
