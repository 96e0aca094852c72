"""What a GA4 report is asked for, and what the rows and remarks of its answer mean in a stream's columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from google.analytics.data_v1beta.types import (
    DateRange,
    Dimension,
    Filter,
    FilterExpression,
    Metric,
    OrderBy,
    RunReportRequest,
)

from dagster_project.sources.ga4.question import DATE_RANGES, SOURCE_MEDIUM, Question
from dagster_project.sources.ga4.rows import Report
from dagster_project.wire.cells import shown, try_cast
from dagster_project.wire.columns import RETYPED_FROM
from dagster_project.wire.contract import DriftError, Quality, Window
from dagster_project.wire.identity import MAY_BE_PERSONAL, redact_url

OTHER = "(other)"  # what the API calls the rest, when a report has too many different values
REDACTED = "(redacted)"  # as identity.py writes it

# First day of the period, from the value of the API's time dimension.
_FIRST_DAYS: dict[str, Callable[[str], date]] = {
    "date": lambda text: date(int(text[:4]), int(text[4:6]), int(text[6:])),
    "isoYearIsoWeek": lambda text: date.fromisocalendar(int(text[:4]), int(text[4:]), 1),
    "yearMonth": lambda text: date(int(text[:4]), int(text[4:]), 1),
    "year": lambda text: date(int(text), 1, 1),
    "dateHourMinute": lambda text: date(int(text[:4]), int(text[4:6]), int(text[6:8])),
}
# Counts come as INTEGER, rates and sums as FLOAT, durations as SECONDS; a metric in another unit has changed.
_KNOWN_TYPES = {
    "TYPE_INTEGER", "TYPE_FLOAT", "TYPE_SECONDS", "TYPE_STANDARD", "TYPE_CURRENCY", "METRIC_TYPE_UNSPECIFIED",
}  # fmt: skip
_RATES = {"sessionKeyEventRate": "sessions"}  # metric -> what it is a rate of, and so weighted by


def request_of(
    question: Question, property_id: str, periods: Sequence[Window], last_day: date, *, limit: int, offset: int = 0
) -> RunReportRequest:
    """The request for these adjoining periods, none asked beyond `last_day`.

    Ordered by every dimension, so that a row is on one page only.
    """
    if question.time == DATE_RANGES:
        ranges = [_range(p.start, min(p.last, last_day), name=p.start.isoformat()) for p in periods]
    else:
        ranges = [_range(periods[0].start, min(periods[-1].last, last_day))]
    return RunReportRequest(
        property=f"properties/{property_id}",
        dimensions=[Dimension(name=name) for name in question.api_dimensions],
        metrics=[Metric(name=name) for name in question.metrics],
        date_ranges=ranges,
        dimension_filter=_exactly(*question.only) if question.only else None,
        order_bys=[
            OrderBy(dimension=OrderBy.DimensionOrderBy(dimension_name=name)) for name in question.api_dimensions
        ],
        limit=limit,
        offset=offset,
        return_property_quota=True,
    )


def typed_rows(
    question: Question, report: Report, property_id: str, periods: Sequence[Window], odd: list[str]
) -> pa.Table:
    """The report's rows with the stream's columns and types, nothing redacted yet. A row whose day or figure cannot be
    read is left out, and `odd` gets the reason.

    Raises DriftError: headers other than those asked for, a metric that has another unit, or in no row is a number.
    """
    stream = question.stream
    if not report.rows:
        return stream.schema.empty_table()
    _check_headers(question, report, periods)
    constants = {**question.constants, "account_id": property_id, "_extra": None}
    bad: dict[int, str] = {}
    times = _times(question, report, periods, bad)
    columns = []
    for column in stream.schema:
        if column.name in constants:
            columns.append(pa.repeat(pa.scalar(constants[column.name], pa.string()), report.rows))
        elif column.name in times:
            columns.append(times[column.name])
        elif column.name in question.dimensions:
            columns.append(_texts(report, question.dimensions[column.name], column.name))
        else:
            columns.append(_numbers(question, report, column, periods, bad))
    rows = pa.Table.from_arrays(columns, schema=stream.schema)
    if not bad:
        return rows
    odd.extend(f"{stream.id}: property {property_id}, {reason}" for _, reason in sorted(bad.items()))
    return rows.take(pa.array(np.setdiff1d(np.arange(report.rows), list(bad))))


def quality(report: Report) -> Quality:
    """What the vendor says about the answer, as `Page.quality`."""
    said = report.head.metadata
    shares = [s.samples_read_count / s.sampling_space_size for s in said.sampling_metadatas if s.sampling_space_size]
    remarks = {
        "sampled_share": min(shares, default=1.0),
        "is_thresholded": said.subject_to_thresholding,
        "has_other_row": said.data_loss_from_other_row,
        "is_truncated": len(said.data_truncation_reasons) > 0,
        "time_zone": said.time_zone or None,
        "currency_code": said.currency_code or None,
        "empty_reason": said.empty_reason or None,
        "truncation": "; ".join(r.data_truncation_message for r in said.data_truncation_reasons) or None,
    }
    return {name: value for name, value in remarks.items() if value is not None}


def is_worse_for_length(question: Question, report: Report) -> bool:
    """Whether a shorter window may get a better answer: sampled, or values (or days) folded into (other)."""
    said = quality(report)
    share = said["sampled_share"]
    if (isinstance(share, float) and share < 1) or said["has_other_row"]:
        return True
    times = report.columns.get(question.time)
    return times is not None and pc.any(pc.equal(times, OTHER)).as_py() is True


def redact(question: Question, rows: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The rows without personal data, and apart from them those that had some.

    The latter may have equal keys now: they are for `added_up`, once the whole report is read.
    """
    redacted = rows
    for name in question.dimensions:
        column = rows.column(name).combine_chunks()
        safe = _redacted(column)
        if safe is not column:
            index = rows.schema.get_field_index(name)
            redacted = redacted.set_column(index, rows.schema.field(name), safe)
    if redacted is rows:
        return rows, rows.slice(0, 0)
    changed = pa.nulls(rows.num_rows, pa.bool_()).fill_null(False)
    for name in question.dimensions:
        changed = pc.or_(changed, pc.not_equal(rows.column(name), redacted.column(name)))
    return redacted.filter(pc.invert(changed)), redacted.filter(changed)


def added_up(question: Question, rows: pa.Table) -> pa.Table:
    """One row per key: redacted rows that became the same. Users are added too, so some may count twice."""
    key, metrics = list(question.stream.key), question.metrics
    weighted = rows
    for rate, base in _RATES.items():
        if rate in metrics:
            product = pc.multiply(rows.column(rate), rows.column(base))
            weighted = weighted.set_column(weighted.schema.get_field_index(rate), rate, product)
    sums = weighted.group_by(key, use_threads=False).aggregate([(name, "sum") for name in metrics])
    columns = []
    for column in rows.schema:
        if column.name in key:
            values = sums.column(column.name)
        elif column.name == "_extra":
            values = pa.nulls(sums.num_rows, column.type)
        elif column.name in _RATES:
            base = pc.cast(sums.column(f"{_RATES[column.name]}_sum"), pa.float64())
            at_least_one = pc.max_element_wise(base, 1.0)  # 0 of 0 sessions is 0
            values = pc.divide(sums.column(f"{column.name}_sum"), at_least_one)
        else:
            values = sums.column(f"{column.name}_sum")
        columns.append(pc.cast(values, column.type))
    return pa.Table.from_arrays(columns, schema=rows.schema)


# ---- inside ------------------------------------------------------------------------------------------------


def _range(first: date, last: date, name: str | None = None) -> DateRange:
    return DateRange(start_date=first.isoformat(), end_date=last.isoformat(), name=name)


def _exactly(field_name: str, value: str) -> FilterExpression:
    match = Filter.StringFilter(match_type=Filter.StringFilter.MatchType.EXACT, value=value, case_sensitive=True)
    return FilterExpression(filter=Filter(field_name=field_name, string_filter=match))


def _drift(question: Question, what: str, periods: Sequence[Window]) -> DriftError:
    days = Window(periods[0].start, periods[-1].end)
    return DriftError(f"{what} (days {days})", source=question.stream.source, stream=question.stream.name)


def _check_headers(question: Question, report: Report, periods: Sequence[Window]) -> None:
    expected = {*question.api_dimensions, *question.metrics}
    if question.time == DATE_RANGES and len(periods) > 1:
        expected.add(DATE_RANGES)
    sent = set(report.columns)
    if sent - {DATE_RANGES} != expected - {DATE_RANGES} or expected - sent:
        raise _drift(
            question,
            f"GA4 answered with other columns than were asked for: missing {sorted(expected - sent)}, "
            f"unexpected {sorted(sent - expected)}",
            periods,
        )


def _times(question: Question, report: Report, periods: Sequence[Window], bad: dict[int, str]) -> dict[str, pa.Array]:
    """The stream's time columns: the day (or first day of the period), and the minute where asked for."""
    day_column, only_period = question.stream.day, periods[0].start if len(periods) == 1 else None
    texts = report.columns.get(question.time)
    if texts is None:
        return {day_column: pa.repeat(pa.scalar(only_period, pa.date32()), report.rows)}
    if question.time == DATE_RANGES:  # named by us; by position where the endpoint does not know names
        names = {p.start.isoformat(): p.start for p in periods} | {
            f"date_range_{position}": p.start for position, p in enumerate(periods)
        }
        first_day: Callable[[str], date] = names.__getitem__
    else:
        first_day = _FIRST_DAYS[question.time]
    distinct = texts.dictionary_encode()
    days: list[date | None] = []
    for text in distinct.dictionary.to_pylist():
        try:
            days.append(only_period if text == OTHER and only_period else first_day(text))
        except (ValueError, KeyError):
            days.append(None)
    times = {day_column: pa.array(days, pa.date32()).take(distinct.indices)}
    _put_apart(
        question,
        times[day_column],
        f"dimension {question.time!r} has the value {{value!r}}, not a period",
        texts,
        bad,
        periods,
    )
    if question.time == "dateHourMinute":
        times["dateHourMinute"] = pc.strptime(texts, format="%Y%m%d%H%M", unit="us", error_is_null=True)
    return times


def _texts(report: Report, dimension: str, column_name: str) -> pa.Array:
    texts = report.columns[dimension]
    if dimension != SOURCE_MEDIUM:
        return texts
    distinct = texts.dictionary_encode()
    parts = [text.rpartition(" / ") for text in distinct.dictionary.to_pylist()]
    is_source = column_name == "sessionSource"  # "(not set)" alone stands for both
    values = [(source or medium) if is_source else medium for source, _, medium in parts]
    return pa.array(values, pa.string()).take(distinct.indices)


def _numbers(
    question: Question, report: Report, column: pa.Field, periods: Sequence[Window], bad: dict[int, str]
) -> pa.Array:
    vendor_type = report.metric_types[column.name]
    if vendor_type not in _KNOWN_TYPES:
        raise _drift(question, f"metric {column.name!r} is now {vendor_type}: another unit than declared", periods)
    texts = report.columns[column.name]
    # "3.0" is a whole number, "3.5" an error
    by_way_of = pa.float64() if pa.types.is_integer(column.type) and vendor_type != "TYPE_INTEGER" else column.type
    numbers = try_cast(try_cast(texts, by_way_of)[0], column.type)[0]
    if pa.types.is_floating(column.type):
        numbers = pc.if_else(pc.is_finite(numbers), numbers, None)
    what = f"metric {column.name!r} ({vendor_type}) should be {column.type} and is {{value!r}}"
    _put_apart(question, numbers, what, texts, bad, periods)
    return numbers


def _put_apart(
    question: Question, read: pa.Array, what: str, texts: pa.Array, bad: dict[int, str], periods: Sequence[Window]
) -> None:
    """Rows without a value are bad. Raises DriftError where all rows are (three of them at least)."""
    if not read.null_count:
        return
    unread = np.flatnonzero(pc.is_null(read).to_numpy(zero_copy_only=False))
    if len(unread) == len(read) and len(read) >= RETYPED_FROM:
        raise _drift(question, what.format(value=shown(texts[0].as_py())), periods)
    days = Window(periods[0].start, periods[-1].end)
    for place in unread:
        bad.setdefault(int(place), f"days {days}: {what.format(value=shown(texts[int(place)].as_py()))}")


def _redacted(column: pa.StringArray) -> pa.StringArray:
    """The column without addresses and personal parameters; itself where there are none."""
    data = column.buffers()[2]
    content = data.to_pybytes() if data else b""
    if not any(mark in content for mark in (b"@", b"%40", b"%2540", b"?", b"#")):
        return column  # a look at the bytes, before the columns of most reports are searched text by text
    distinct = column.dictionary_encode()
    texts = distinct.dictionary
    places = np.flatnonzero(pc.match_substring_regex(texts, MAY_BE_PERSONAL).to_numpy(zero_copy_only=False))
    if not len(places):
        return column
    safe = texts.to_pylist()
    for place in places:
        redacted = redact_url(safe[place]) or ""
        if REDACTED in redacted:  # what has nothing to hide stays byte for byte: its spelling is evidence
            safe[place] = redacted
    return pa.array(safe, pa.string()).take(distinct.indices)
