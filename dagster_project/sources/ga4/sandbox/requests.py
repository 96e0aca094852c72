"""What requests to the sandbox's GA4 may ask, and Google's words for what they may not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.sources.ga4.sandbox.reports import DIMENSIONS, METRICS, Query, resolve_day

PROPERTY_ID = "412345678"  # the company's one property
MAX_DIMENSIONS, MAX_METRICS, MAX_RANGES = 9, 10, 4
FIRST_DAY = date(2015, 8, 14)
_SCHEMA_PAGE = "https://developers.google.com/analytics/devguides/reporting/data/v1/api-schema"
_PROPERTY_PAGE = "https://developers.google.com/analytics/devguides/reporting/data/v1/property-id"
HTTP_STATUS = {
    "INVALID_ARGUMENT": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "UNAVAILABLE": 503,
}


class Refusal(Exception):
    """An error as Google words it; `status` is the gRPC code's name."""

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message

    def body(self) -> dict[str, Any]:
        return {"error": {"code": HTTP_STATUS[self.status], "message": self.message, "status": self.status}}


def property_id_of(name: str) -> str:
    """The id in a resource name such as properties/1234."""
    return name.removeprefix("properties/")


def check_property(property_id: str) -> None:
    """The property is the company's; raises Refusal."""
    if not property_id.isdigit():
        raise Refusal(
            "INVALID_ARGUMENT",
            f"Invalid property ID: {property_id}. A numeric Property ID is required. To learn more about "
            f"Property ID, see {_PROPERTY_PAGE}.",
        )
    if property_id != PROPERTY_ID:
        raise Refusal(
            "PERMISSION_DENIED",
            "User does not have sufficient permissions for this property. To learn more about Property "
            f"ID, see {_PROPERTY_PAGE}.",
        )


def to_query(request: Any, today: date) -> Query:
    """What a RunReportRequest (plain protobuf) asks for; raises Refusal for what Google refuses."""
    dimensions = [d.name for d in request.dimensions]
    metrics = [m.name for m in request.metrics]
    if not dimensions and not metrics:
        raise Refusal("INVALID_ARGUMENT", "Requests require dimensions and/or metrics. Most requests include both.")
    if request.limit < 0 or request.offset < 0:
        raise Refusal("INVALID_ARGUMENT", "Limit and offset must be positive.")
    only, fields = _filter(request.dimension_filter) if request.HasField("dimension_filter") else (None, ())
    check_fields([*dimensions, *fields], metrics)
    ranges = _ranges(request, today)
    if len(ranges) > 1 and "dateRange" not in dimensions:
        dimensions.append("dateRange")
    return Query(
        dimensions=tuple(dimensions),
        metrics=tuple(metrics),
        ranges=ranges,
        only=only,
        filter_fields=fields,
        order=_order(request.order_bys, (*dimensions, *metrics)),
        keep_empty_rows=request.keep_empty_rows,
    )


def check_fields(dimensions: Iterable[str], metrics: Iterable[str]) -> None:
    """Names exist and are not too many; a filter's field counts among the dimensions."""
    dimensions, metrics = list(dict.fromkeys(dimensions)), list(metrics)
    known_dimensions = {*DIMENSIONS, "dateRange"}
    for names, known, kind in ((dimensions, known_dimensions, "dimension"), (metrics, METRICS, "metric")):
        for name in names:
            if name not in known:
                raise Refusal(
                    "INVALID_ARGUMENT",
                    f"Field {name} is not a valid {kind}. "
                    f"For a list of valid dimensions and metrics, see {_SCHEMA_PAGE} ",
                )
    for names, limit, kind in ((dimensions, MAX_DIMENSIONS, "dimensions"), (metrics, MAX_METRICS, "metrics")):
        if len(names) > limit:
            raise Refusal(
                "INVALID_ARGUMENT",
                f"Requests are limited to {limit} {kind} within a nested request. "
                f"This request is for {len(names)} {kind}.",
            )


Mask = Callable[[Callable[[str], pa.Array]], pa.Array]


def _filter(expression: Any) -> tuple[Mask, tuple[str, ...]]:
    """A dimension filter as a function of the dimensions' columns, and the fields it looks at."""
    kind = expression.WhichOneof("expr")
    if kind in ("and_group", "or_group"):
        parts = [_filter(part) for part in getattr(expression, kind).expressions]
        combine = pc.and_ if kind == "and_group" else pc.or_

        def combined(column: Callable[[str], pa.Array]) -> pa.Array:
            masks = [mask(column) for mask, _ in parts]
            for mask in masks[1:]:
                masks[0] = combine(masks[0], mask)
            return masks[0]

        return combined, tuple(name for _, fields in parts for name in fields)
    if kind == "not_expression":
        inner, fields = _filter(expression.not_expression)
        return lambda column: pc.invert(inner(column)), fields
    field_name, test = expression.filter.field_name, expression.filter.WhichOneof("one_filter")
    if test == "string_filter":
        return _string_filter(field_name, expression.filter.string_filter), (field_name,)
    if test == "in_list_filter":
        wanted = pa.array(list(expression.filter.in_list_filter.values), pa.string())
        return lambda column: pc.is_in(column(field_name), wanted), (field_name,)
    raise Refusal("INVALID_ARGUMENT", f"The filter of field {field_name} is not one that this endpoint knows.")


def _string_filter(field_name: str, asked: Any) -> Mask:
    tests: dict[str, Callable[..., pa.Array]] = {
        "EXACT": lambda texts, value: pc.equal(texts, value),
        "BEGINS_WITH": pc.starts_with,
        "ENDS_WITH": pc.ends_with,
        "CONTAINS": pc.match_substring,
        "PARTIAL_REGEXP": pc.match_substring_regex,
    }
    kind = asked.DESCRIPTOR.fields_by_name["match_type"].enum_type.values_by_number[asked.match_type].name
    test = tests.get("EXACT" if kind == "MATCH_TYPE_UNSPECIFIED" else kind)
    if test is None:
        raise Refusal("INVALID_ARGUMENT", f"The match type {kind} is not one that this endpoint knows.")

    def mask(column: Callable[[str], pa.Array]) -> pa.Array:
        texts = column(field_name)
        if asked.case_sensitive:
            return test(texts, asked.value)
        return test(pc.utf8_lower(texts), asked.value.lower())

    return mask


def _order(order_bys: Any, fields: Sequence[str]) -> tuple[tuple[str, bool], ...]:
    order = []
    for order_by in order_bys:
        kind = order_by.WhichOneof("one_order_by")
        name = order_by.dimension.dimension_name if kind == "dimension" else order_by.metric.metric_name
        if name not in fields:
            raise Refusal(
                "INVALID_ARGUMENT",
                f"Field {name} in the orderBys is not among the dimensions and metrics of the request.",
            )
        order.append((name, order_by.desc))
    return tuple(order)


def _ranges(request: Any, today: date) -> tuple[tuple[date, date, str], ...]:
    if not request.date_ranges:
        raise Refusal("INVALID_ARGUMENT", "Date ranges must be specified in the request.")
    if len(request.date_ranges) > MAX_RANGES:
        raise Refusal(
            "INVALID_ARGUMENT",
            f"Requests are limited to {MAX_RANGES} date ranges. "
            f"This request is for {len(request.date_ranges)} date ranges.",
        )
    ranges = []
    for position, asked in enumerate(request.date_ranges):
        try:
            first, last = (resolve_day(text, today) for text in (asked.start_date, asked.end_date))
        except ValueError as error:
            raise Refusal(
                "INVALID_ARGUMENT",
                f"Invalid date range startDate={asked.start_date} endDate={asked.end_date}: "
                "dates are YYYY-MM-DD, yesterday, today, or NdaysAgo.",
            ) from error
        if first > last or first < FIRST_DAY:
            raise Refusal(
                "INVALID_ARGUMENT",
                f"The date range from {first} to {last} is not allowed: the earliest date is {FIRST_DAY} "
                "and the end cannot be before the start.",
            )
        ranges.append((first, last, asked.name or f"date_range_{position}"))
    return tuple(ranges)
