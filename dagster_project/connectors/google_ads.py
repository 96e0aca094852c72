"""Google Ads: spend, clicks and platform conversions by campaign and by ad, and the click ids.

Belongs here: what is asked, and how rows become columns. Rows keep the vendor's names and units
(`cost_micros`: millionths of the account's currency; days: in the account's zone). The wire is in
`google_ads_api.py`.

A query covers its whole window in order of day. Only days that are known to be whole are handed on: a stream
that breaks is asked again from the first day that was not, and no row comes twice. Memory is bounded by one
batch plus one day.
"""

from __future__ import annotations

import calendar
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.connectors.accounts import raise_if_none_was_read, read_each
from dagster_project.connectors.columns import RETYPED_FROM
from dagster_project.connectors.contract import (
    ConfigError,
    DriftError,
    Page,
    Stream,
    Tally,
    VendorError,
    Window,
    schema,
)
from dagster_project.connectors.google_ads_api import SOURCE, Account, AccountOff, GoogleAds
from dagster_project.connectors.http import Interrupted

if TYPE_CHECKING:
    from dagster_project.settings import GoogleAdsSettings

# Cost and clicks settle in days (invalid clicks are credited back). Conversions are credited to the day of
# the click, so an old day grows for as long as the conversion window is: 30 days by default, 90 at most.
RESTATE_DAYS, DEEP_RESTATE_DAYS, FINAL_AFTER_DAYS = 30, 90, 3
CLICKS_RESTATE_DAYS = 3  # a click is there within hours and does not change
# click_view answers "for dates back to 90 days before the time of the request"; else clickViewError.
CLICKS_DAYS_BACK = 90
# Daily figures reach back 37 months; else dateRangeError.REQUESTED_DATE_GRANULARITY_NOT_SUPPORTED.
DAILY_MONTHS_BACK = 37

_UNREADABLE = (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeEncodeError)
_NEVER = object()  # marks a field that cannot be omitted
_OMITTED: dict[str, Any] = {}  # what an omitted message is read as: all its fields are omitted too


@dataclass(frozen=True)
class Field:
    """A field of the query, the column it becomes, and what its omission means.

    JSON of protocol buffers leaves out what has its zero value: a metric is 0 then, an enum UNSPECIFIED, a
    text null. An id or a day cannot be zero.
    """

    gaql: str
    column: str
    type: pa.DataType
    omitted: Any = None

    @property
    def path(self) -> tuple[str, ...]:
        """Where it stands in a row: `ad_group_ad.ad.id` is row["adGroupAd"]["ad"]["id"]."""
        return tuple(re.sub(r"_([a-z])", lambda m: m[1].upper(), part) for part in self.gaql.split("."))


@dataclass(frozen=True)
class Report:
    """A stream's query: which resource, which fields."""

    name: str
    resource: str
    fields: tuple[Field, ...]

    def query(self, window: Window) -> str:
        return (
            f"SELECT {', '.join(field.gaql for field in self.fields)} FROM {self.resource} "
            f"WHERE segments.date BETWEEN '{window.start}' AND '{window.last}' ORDER BY segments.date "
            "PARAMETERS omit_unselected_resource_names=true"
        )

    @property
    def schema(self) -> pa.Schema:
        return schema(*((field.column, field.type) for field in self.fields if field.column != "account_id"))


_DAY = (
    Field("customer.id", "account_id", pa.string(), _NEVER),
    Field("segments.date", "date", pa.date32(), _NEVER),
)
_CAMPAIGN = (
    Field("customer.currency_code", "customer_currency_code", pa.string()),
    Field("customer.time_zone", "customer_time_zone", pa.string()),
    Field("campaign.id", "campaign_id", pa.string(), _NEVER),
    Field("campaign.name", "campaign_name", pa.string()),
    Field("campaign.status", "campaign_status", pa.string(), "UNSPECIFIED"),
    Field("campaign.advertising_channel_type", "campaign_advertising_channel_type", pa.string(), "UNSPECIFIED"),
)
_AD = (
    Field("ad_group.id", "ad_group_id", pa.string(), _NEVER),
    Field("ad_group.name", "ad_group_name", pa.string()),
    Field("ad_group_ad.ad.id", "ad_id", pa.string(), _NEVER),
    Field("ad_group_ad.ad.name", "ad_name", pa.string()),
)
_METRICS = (
    Field("metrics.impressions", "impressions", pa.int64(), "0"),
    Field("metrics.clicks", "clicks", pa.int64(), "0"),
    Field("metrics.cost_micros", "cost_micros", pa.int64(), "0"),
    Field("metrics.conversions", "conversions", pa.float64(), 0.0),
    Field("metrics.conversions_value", "conversions_value", pa.float64(), 0.0),
)
_CLICK = (
    Field("click_view.gclid", "gclid", pa.string()),
    Field("campaign.id", "campaign_id", pa.string(), _NEVER),
    Field("ad_group.id", "ad_group_id", pa.string()),  # Performance Max has none
    Field("click_view.ad_group_ad", "ad_id", pa.string()),  # customers/1/adGroupAds/{ad group}~{ad}
)
_AD_OF_RESOURCE_NAME = r"/adGroupAds/\d+~(?P<ad>\d+)$"

CAMPAIGN_PERFORMANCE = Report("campaign_performance", "campaign", (*_DAY, *_CAMPAIGN, *_METRICS))
AD_PERFORMANCE = Report("ad_performance", "ad_group_ad", (*_DAY, *_CAMPAIGN, *_AD, *_METRICS))
CLICKS = Report("clicks", "click_view", (*_DAY, *_CLICK))


def read_campaign_performance(settings: GoogleAdsSettings, window: Window, tally: Tally) -> Iterator[Page]:
    """Grain: account, day, campaign. One query per account."""
    yield from _read(settings, CAMPAIGN_PERFORMANCE, [window], tally)


def read_ad_performance(settings: GoogleAdsSettings, window: Window, tally: Tally) -> Iterator[Page]:
    """Grain: account, day, ad. One query per account. Performance Max has no ads and is not there."""
    yield from _read(settings, AD_PERFORMANCE, [window], tally)


def read_clicks(settings: GoogleAdsSettings, window: Window, tally: Tally) -> Iterator[Page]:
    """Grain: account, day, click id. The vendor takes one day a query: one query per account and day."""
    for page in _read(settings, CLICKS, [Window.of_day(day) for day in window.days()], tally):
        has_id = pc.is_valid(page.rows["gclid"])
        if without := page.rows.num_rows - pc.sum(has_id).as_py():
            day = page.rows["date"][0].as_py()
            tally.note(f"{day}: {without} clicks have no click id (app campaigns have none) and were left out")
        yield Page(page.rows.filter(has_id), page.quality)


def earliest_daily(today: date) -> date:
    """The oldest day of daily figures; a day later than the vendor's, whose "today" may be another zone's."""
    year, month = divmod(today.year * 12 + today.month - 1 - DAILY_MONTHS_BACK, 12)
    return date(year, month + 1, min(today.day, calendar.monthrange(year, month + 1)[1])) + timedelta(days=1)


def earliest_clicks(today: date) -> date:
    """The oldest day of clicks; a day later than the vendor's, whose "today" may be another zone's."""
    return today - timedelta(days=CLICKS_DAYS_BACK - 1)


# ---- accounts and days -------------------------------------------------------------------------------------


def _read(settings: GoogleAdsSettings, report: Report, windows: Sequence[Window], tally: Tally) -> Iterator[Page]:
    with GoogleAds(settings, report.name, tally) as google:
        accounts = {account.id: account for account in google.accounts()}
        off: dict[str, str] = {}

        def read_one(account_id: str) -> Iterator[Page]:
            try:
                for window in windows:
                    yield from _whole_days(google, accounts[account_id], report, window, tally)
            except AccountOff as why:
                off[account_id] = str(why)

        yield from read_each(list(accounts), read_one, tally)
        for account_id, why in off.items():
            tally.skip_account(account_id, why)
        raise_if_none_was_read(tally)
        if not tally.read_accounts:
            raise ConfigError(
                f"no account of GOOGLE_ADS_CUSTOMER_ID can be read ({'; '.join(tally.notes)}); "
                "name an account that is enabled, or a manager account that has one",
                source=SOURCE,
                stream=report.name,
            )


def _whole_days(google: GoogleAds, account: Account, report: Report, window: Window, tally: Tally) -> Iterator[Page]:
    """Pages of whole days, oldest first: each row once, however often the stream breaks."""
    whole_before, failures = window.start, 0  # days before `whole_before` have been handed on
    odd: dict[str, Odd] = {}  # each once, though its day be asked again
    while True:
        held: list[pa.Table] = []  # rows of the newest day so far: there may be more of it
        try:
            for rows in google.batches(account, report.query(Window(whole_before, window.end))):
                held.append(to_table(report, rows, odd))
                known = pa.concat_tables(held)
                if not known.num_rows:
                    continue
                newest = _newest_day(known, whole_before, window, account, report)
                is_whole = pc.less(known["date"], newest)
                whole, held = known.filter(is_whole), [known.filter(pc.invert(is_whole))]
                if newest > whole_before:
                    whole_before, failures = newest, 0
                if whole.num_rows:
                    yield _page(whole)
        except Interrupted as interrupted:
            failures += 1
            google.pause(failures, interrupted, account)
            continue
        if (rest := pa.concat_tables([report.schema.empty_table(), *held])).num_rows:
            yield _page(rest)
        for each in odd.values():
            each.tell(report, account, tally)
        return


def _newest_day(rows: pa.Table, whole_before: date, window: Window, account: Account, report: Report) -> date:
    span = pc.min_max(rows["date"]).as_py()
    if span["min"] < whole_before or span["max"] not in window:
        raise VendorError(
            f"account {account.id}: asked for {whole_before}..{window.last} in order of day, "
            f"got rows of {span['min']}..{span['max']} after the days before were done",
            source=SOURCE,
            stream=report.name,
        )
    return span["max"]


def _page(rows: pa.Table) -> Page:
    if "customer_time_zone" not in rows.column_names:
        return Page(rows)
    zone, currency = rows["customer_time_zone"][0].as_py(), rows["customer_currency_code"][0].as_py()
    return Page(rows, {"time_zone": zone, "currency_code": currency})


# ---- rows to columns ---------------------------------------------------------------------------------------


def to_table(report: Report, rows: Sequence[Mapping[str, Any]], odd: dict[str, Odd] | None = None) -> pa.Table:
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
    row: Mapping[str, Any]

    def tell(self, report: Report, account: Account, tally: Tally) -> None:
        message = self.why.removeprefix(f"{SOURCE}/{report.name}: ")
        row = self.row if isinstance(self.row, dict) else {}
        tally.bad_row(f"{SOURCE}/{report.name}: account {account.id}: {message}", self._money(row), self._days(row))

    @staticmethod
    def _days(row: Mapping[str, Any]) -> list[date]:
        try:
            return [date.fromisoformat(row["segments"]["date"])]
        except (KeyError, TypeError, ValueError):
            return []

    @staticmethod
    def _money(row: Mapping[str, Any]) -> dict[str, Decimal]:
        try:
            cost = Decimal(int(row["metrics"]["costMicros"])) / 1_000_000
            return {f"cost {row['customer'].get('currencyCode', '')}".strip(): cost}
        except (KeyError, TypeError, ValueError, AttributeError):
            return {}


def _to_table(report: Report, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    # path -> that message of each row
    messages: dict[tuple[str, ...], Sequence[Mapping[str, Any]]] = {(): rows}
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


def _message(message: Mapping[str, Any], name: str, report: Report) -> Mapping[str, Any]:
    inner = message.get(name, _OMITTED)
    if not isinstance(inner, dict):
        what = f"{name} should be an object, but is {type(inner).__name__}"
        raise DriftError(what, source=SOURCE, stream=report.name)
    return inner


def _column(report: Report, field: Field, messages: Mapping[tuple[str, ...], Sequence[Mapping[str, Any]]]) -> pa.Array:
    *path, name = field.path
    values = [message.get(name, field.omitted) for message in messages[tuple(path)]]
    if field.omitted is _NEVER and _NEVER in values:
        raise _drift(report, field, "is missing", messages[()][values.index(_NEVER)])
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


def _is_readable(value: Any, wire_type: pa.DataType, column_type: pa.DataType) -> bool:
    try:
        read = pa.array([value], wire_type).cast(column_type)
    except _UNREADABLE:
        return False
    return not pa.types.is_floating(column_type) or pc.all(pc.is_finite(read)).as_py() is not False


def _drift(report: Report, field: Field, what: str, row: Mapping[str, Any]) -> DriftError:
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


def _extras(report: Report, messages: Mapping[tuple[str, ...], Sequence[Mapping[str, Any]]]) -> pa.Array:
    """What came beside what was asked, as JSON; resource names only repeat the ids."""
    known: dict[tuple[str, ...], set[str]] = {path: {"resourceName"} for path in messages}
    for field in report.fields:
        for depth, name in enumerate(field.path):
            known[field.path[:depth]].add(name)
    extras: list[dict[str, Any]] = [{} for _ in messages[()]]
    for path, found in messages.items():
        for name in set().union(*found) - known[path]:  # usually none: no loop over rows
            for extra, message in zip(extras, found, strict=True):
                if name in message:
                    extra[".".join((*path, name))] = message[name]
    texts = [json.dumps(extra, sort_keys=True, ensure_ascii=False) if extra else None for extra in extras]
    return pa.array(texts, pa.string())


def _stream(report: Report, key: tuple[str, ...], **more: Any) -> Stream:
    return Stream(
        source=SOURCE,
        name=report.name,
        domain="ads",
        kind="report",
        key=key,
        schema=report.schema,
        day="date",
        **more,
    )


STREAMS: tuple[Stream, ...] = (
    _stream(
        CAMPAIGN_PERFORMANCE,
        ("account_id", "date", "campaign_id"),
        restate_days=RESTATE_DAYS,
        deep_restate_days=DEEP_RESTATE_DAYS,
        final_after_days=FINAL_AFTER_DAYS,
        additive=True,
        earliest=earliest_daily,
        feeds=("media", "cost"),
        read=read_campaign_performance,
        description="Day x campaign: impressions, clicks, cost in micros, the platform's own conversions.",
    ),
    _stream(
        AD_PERFORMANCE,
        ("account_id", "date", "campaign_id", "ad_group_id", "ad_id"),
        restate_days=RESTATE_DAYS,
        deep_restate_days=DEEP_RESTATE_DAYS,
        final_after_days=FINAL_AFTER_DAYS,
        additive=True,
        earliest=earliest_daily,
        informs=("media", "cost"),
        read=read_ad_performance,
        description="Day x ad; what the campaign has beyond it has no ad (Performance Max has none).",
    ),
    _stream(
        CLICKS,
        ("account_id", "date", "gclid"),
        restate_days=CLICKS_RESTATE_DAYS,
        deep_restate_days=CLICKS_RESTATE_DAYS,
        earliest=earliest_clicks,
        informs=("web", "leads", "orders"),  # whose campaigns they name
        read=read_clicks,
        description="Which campaign and ad a click id belongs to; the last 90 days.",
    ),
)
