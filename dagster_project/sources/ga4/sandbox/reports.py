"""The sandbox's GA4 reports: what the company's sessions are by any dimensions, computed by column.

GA4 counts events. A report with `eventName`, `isKeyEvent` or a time below the day in it (as dimension or
filter) is made of events: a session counts in every group where it has one. All others are made of sessions.
Key events are dated by their session, so that both kinds of report have the same daily totals.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.sandbox.company import TIME_ZONE, Web
from dagster_project.sources.ga4.sandbox.words import in_words_of_google

CLIENT_ID_DIMENSION = "customUser:client_id"  # the custom dimension that the property has registered
OTHER = "(other)"
KEPT_VALUES = 10  # of a wide dimension, while other_row is on
WIDE_DIMENSIONS = {
    "landingPage",
    "landingPagePlusQueryString",
    "sessionManualTerm",
    "sessionManualAdContent",
    "sessionCampaignName",
}

# Dimension -> format of the time (of the session or of the event) that it shows.
TIMES = {
    "date": "%Y%m%d",
    "year": "%Y",
    "yearMonth": "%Y%m",
    "month": "%m",
    "day": "%d",
    "isoYearIsoWeek": "%G%V",
    "dateHour": "%Y%m%d%H",
    "dateHourMinute": "%Y%m%d%H%M",
    "hour": "%H",
}
EVENT_TIMES = ("dateHour", "dateHourMinute", "hour")
# Dimension -> column of the company's sessions.
SESSION_COLUMNS = {
    "sessionSource": "source",
    "sessionMedium": "medium",
    "sessionCampaignName": "campaign_name",
    "sessionCampaignId": "campaign_id",
    "sessionManualTerm": "term",
    "sessionManualAdContent": "content",
    "sessionDefaultChannelGroup": "channel",
    "landingPage": "landing_page",
    "deviceCategory": "device",
    "countryId": "country_id",
    CLIENT_ID_DIMENSION: "client_id_dimension",
}
COMPOSED = ("sessionSourceMedium", "landingPagePlusQueryString")
EVENT_DIMENSIONS = ("eventName", "isKeyEvent")
DIMENSIONS = (*TIMES, *SESSION_COLUMNS, *COMPOSED, *EVENT_DIMENSIONS)


@dataclass(frozen=True)
class MetricKind:
    """`type_` as in metricHeaders; `of` reads the aggregates (see _AGGREGATES)."""

    type_: str
    of: Callable[[pa.Table], pa.Array]


def _sum(name: str) -> Callable[[pa.Table], pa.Array]:
    return lambda sums: sums.column(f"{name}_sum").combine_chunks()


def _distinct(name: str) -> Callable[[pa.Table], pa.Array]:
    return lambda sums: sums.column(f"{name}_count_distinct").combine_chunks()


def _share(part: str, minus: bool = False) -> Callable[[pa.Table], pa.Array]:
    def share(sums: pa.Table) -> pa.Array:
        sessions = pc.max_element_wise(_distinct("session")(sums), 1)
        value = pc.divide(pc.cast(_distinct(part)(sums), pa.float64()), pc.cast(sessions, pa.float64()))
        return pc.subtract(1.0, value) if minus else value

    return share


METRICS = {
    "sessions": MetricKind("TYPE_INTEGER", _distinct("session")),
    "engagedSessions": MetricKind("TYPE_INTEGER", _distinct("engaged_session")),
    "totalUsers": MetricKind("TYPE_INTEGER", _distinct("user")),
    "activeUsers": MetricKind("TYPE_INTEGER", _distinct("active_user")),
    "newUsers": MetricKind("TYPE_INTEGER", _sum("new")),
    "keyEvents": MetricKind("TYPE_FLOAT", _sum("key_events")),
    "eventCount": MetricKind("TYPE_INTEGER", _sum("events")),
    "screenPageViews": MetricKind("TYPE_INTEGER", _sum("views")),
    "userEngagementDuration": MetricKind("TYPE_SECONDS", _sum("seconds")),
    "engagementRate": MetricKind("TYPE_FLOAT", _share("engaged_session")),
    "bounceRate": MetricKind("TYPE_FLOAT", _share("engaged_session", minus=True)),
    "sessionKeyEventRate": MetricKind("TYPE_FLOAT", _share("converted_session")),
}
_AGGREGATES = [
    *((name, "count_distinct") for name in ("session", "engaged_session", "converted_session", "user", "active_user")),
    *((name, "sum") for name in ("new", "key_events", "events", "views", "seconds")),
]


@dataclass(frozen=True)
class Query:
    """A valid report request. `ranges` are (first day, last day, name); `only` says which rows are kept."""

    dimensions: tuple[str, ...]
    metrics: tuple[str, ...]
    ranges: tuple[tuple[date, date, str], ...]
    only: Callable[[Callable[[str], pa.Array]], pa.Array] | None = None
    filter_fields: tuple[str, ...] = ()
    order: tuple[tuple[str, bool], ...] = ()  # (field, descending)
    keep_empty_rows: bool = False
    sampled_share: float = 1.0
    is_thresholded: bool = False
    has_other_row: bool = False

    @property
    def is_of_events(self) -> bool:
        named = (*self.dimensions, *self.filter_fields)
        return any(name in EVENT_DIMENSIONS or name in EVENT_TIMES for name in named)


def answer(facts: Facts, query: Query) -> pa.Table:
    """All rows of the report as the API's texts: one column per dimension, then one per metric, in order."""
    rows = facts.rows(query.is_of_events)
    days = rows.column("day")
    parts = []
    for first, last, name in query.ranges:
        kept = pc.and_(pc.greater_equal(days, first), pc.less_equal(days, last))
        if query.only:
            kept = pc.and_(kept, query.only(lambda field: facts.dimension(field, query.is_of_events)))
        if query.sampled_share < 1:
            stride = max(1, round(1 / query.sampled_share))
            kept = pc.and_(kept, pa.array(rows.column("session").to_numpy() % stride == 0))
        places = pa.array(np.flatnonzero(kept.combine_chunks().to_numpy(zero_copy_only=False)))
        part = rows.take(places)
        for dimension in query.dimensions:
            if dimension == "dateRange":
                values = pa.repeat(pa.scalar(name), len(places))
            else:
                values = facts.dimension(dimension, query.is_of_events).take(places)
            if query.has_other_row and dimension in WIDE_DIMENSIONS:
                values = _rare_to_other(values)
            part = part.append_column(f"dim:{dimension}", values)
        parts.append(part)
    chosen = pa.concat_tables(parts)
    if not chosen.num_rows:
        return pa.table({name: pa.array([], pa.string()) for name in (*query.dimensions, *query.metrics)})
    # one thread: sums of decimals in the same order, so that a day asked twice is the same to the last bit
    sums = chosen.group_by([f"dim:{name}" for name in query.dimensions], use_threads=False).aggregate(_AGGREGATES)
    if query.is_thresholded:
        sums = sums.filter(_is_shown(sums))
    values = {name: _scaled(METRICS[name], sums, query.sampled_share) for name in query.metrics}
    if query.metrics and not query.keep_empty_rows:
        some = pc.cast(pa.repeat(False, sums.num_rows), pa.bool_())
        for column in values.values():
            some = pc.or_(some, pc.not_equal(column, 0))
        values = {name: column.filter(some) for name, column in values.items()}
        sums = sums.filter(some)
    return _texts(query, values, sums)


def _scaled(metric: MetricKind, sums: pa.Table, sampled_share: float) -> pa.Array:
    """The metric; of a sample, counts are multiplied up as GA4 does."""
    values = metric.of(sums)
    is_rate = metric.type_ == "TYPE_FLOAT" and values.type == pa.float64()
    return values if is_rate else pc.multiply(values, max(1, round(1 / sampled_share)))


def _is_shown(sums: pa.Table) -> pa.Array:
    """Google does not tell its threshold; here a third of the rows with a single user stands for it."""
    is_single = pc.equal(sums.column("user_count_distinct"), 1)
    third = pa.array(np.arange(sums.num_rows) % 3 == 0)
    return pc.invert(pc.and_(is_single.combine_chunks(), third))


def _rare_to_other(values: pa.Array) -> pa.Array:
    counts = values.value_counts()
    order = np.argsort(-counts.field("counts").to_numpy(), kind="stable")[:KEPT_VALUES]
    kept = counts.field("values").take(pa.array(order))
    return pc.if_else(pc.is_in(values, kept), values, OTHER)


def _texts(query: Query, values: dict[str, pa.Array], sums: pa.Table) -> pa.Table:
    """Dimensions and metrics as texts, in the order asked for (without one: first metric, descending)."""
    dimensions = {name: pc.cast(sums.column(f"dim:{name}"), pa.string()) for name in query.dimensions}
    table = pa.table(dimensions | values)
    order = query.order or tuple((name, True) for name in query.metrics[:1])
    if table.num_rows > 1 and order:
        keys = [(name, "descending" if descending else "ascending") for name, descending in order]
        table = table.take(pc.sort_indices(table, sort_keys=keys))
    columns = {name: table.column(name).combine_chunks() for name in table.schema.names}
    return pa.table({name: _number_texts(columns[name]) if name in values else columns[name] for name in columns})


def _number_texts(values: pa.Array) -> pa.Array:
    if pa.types.is_integer(values.type):
        return values.cast(pa.string())
    is_whole = pc.equal(pc.floor(values), values)
    whole = pc.cast(pc.cast(pc.if_else(is_whole, values, 0.0), pa.int64()), pa.string())
    return pc.if_else(is_whole, whole, pc.cast(values, pa.string()))


# ---- facts -------------------------------------------------------------------------------------------------


class Facts:
    """Sessions and events of one moment as rows to count; dimensions are made when first asked for."""

    def __init__(self, web: Web) -> None:
        self._sessions = in_words_of_google(web.sessions)
        self._lock = threading.Lock()
        self._dimensions: dict[tuple[str, bool], pa.Array] = {}
        self._session_rows = _session_rows(web.sessions)
        self._event_rows = _event_rows(web, self._session_rows)

    def rows(self, is_of_events: bool) -> pa.Table:
        """One row per session (or event): session, day, user, what there is to add up or count."""
        return self._event_rows if is_of_events else self._session_rows

    def dimension(self, name: str, is_of_events: bool) -> pa.Array:
        """The value of a dimension for each of the rows."""
        with self._lock:
            key = (name, is_of_events)
            if key not in self._dimensions:
                self._dimensions[key] = self._make(name, is_of_events)
            return self._dimensions[key]

    def _make(self, name: str, is_of_events: bool) -> pa.Array:
        rows = self.rows(is_of_events)
        if name in EVENT_DIMENSIONS:
            return rows.column(name).combine_chunks()
        if name in TIMES:
            times = rows.column("at" if name in EVENT_TIMES else "day").combine_chunks()
            distinct = times.dictionary_encode()
            return pc.strftime(distinct.dictionary, format=TIMES[name]).take(distinct.indices)
        values = self._of_session(name).combine_chunks()
        return values.take(rows.column("session").combine_chunks()) if is_of_events else values

    def _of_session(self, name: str) -> pa.ChunkedArray:
        sessions = self._sessions
        if name == "sessionSourceMedium":
            return pc.binary_join_element_wise(sessions.column("source"), sessions.column("medium"), " / ")
        if name == "landingPagePlusQueryString":
            page, query = sessions.column("landing_page"), sessions.column("landing_query")
            return pc.if_else(pc.equal(query, ""), page, pc.binary_join_element_wise(page, query, "?"))
        return sessions.column(SESSION_COLUMNS[name])


def _session_rows(sessions: pa.Table) -> pa.Table:
    session = pa.array(np.arange(sessions.num_rows))
    user = sessions.column("client_id").combine_chunks().dictionary_encode().indices
    is_engaged, is_new = sessions.column("is_engaged"), sessions.column("is_new")
    nothing = pa.scalar(None, pa.int64())
    key_events, views = sessions.column("key_events"), sessions.column("page_views")
    new = pc.cast(is_new, pa.int64())
    return pa.table(
        {
            "session": session,
            "day": sessions.column("date"),
            "at": sessions.column("started_at"),
            "user": user,
            "active_user": pc.if_else(pc.or_(is_engaged, is_new), user, pa.scalar(None, user.type)),
            "engaged_session": pc.if_else(is_engaged, session, nothing),
            "converted_session": pc.if_else(pc.greater(key_events, 0), session, nothing),
            "new": new,
            "key_events": key_events,
            "events": pc.add(pc.add(pc.add(views, key_events), new), 1),
            "views": views,
            "seconds": sessions.column("engagement_seconds"),
        }
    )


def _event_rows(web: Web, session_rows: pa.Table) -> pa.Table:
    """session_start and first_visit, page_view (one row, counted), and each key event."""
    starts = _events(session_rows, "session_start", count=1)
    first_visits = _events(session_rows.filter(pc.equal(session_rows.column("new"), 1)), "first_visit", count=1, new=1)
    page_views = _events(session_rows.filter(pc.greater(session_rows.column("views"), 0)), "page_view")
    at = pc.local_timestamp(web.key_events.column("occurred_at_utc").cast(pa.timestamp("us", TIME_ZONE)))
    goals = session_rows.take(web.key_events.column("session_row").combine_chunks())
    goals = goals.set_column(goals.schema.get_field_index("at"), "at", at)
    goals = goals.set_column(
        goals.schema.get_field_index("converted_session"), "converted_session", goals.column("session")
    )
    names = web.key_events.column("event_name")
    return pa.concat_tables([starts, first_visits, page_views, _events(goals, names, count=1, is_key=True)])


def _events(
    rows: pa.Table,
    name: str | pa.ChunkedArray,
    *,
    count: int | None = None,
    new: int = 0,
    is_key: bool = False,
) -> pa.Table:
    """Events of these sessions; `count` None: as many as page views, which carry the time on the page."""
    is_view = count is None

    def constant(value: int | float | str | None, kind: pa.DataType) -> pa.Array:
        return pa.repeat(pa.scalar(value, kind), rows.num_rows)

    replaced = {
        "new": constant(new, pa.int64()),
        "key_events": constant(int(is_key), pa.int64()),
        "events": rows.column("views") if is_view else constant(count, pa.int64()),
        "views": rows.column("views") if is_view else constant(0, pa.int64()),
        "seconds": rows.column("seconds") if is_view else constant(0.0, pa.float64()),
    }
    if not is_key:
        replaced["converted_session"] = constant(None, pa.int64())
    columns = {field: replaced.get(field, rows.column(field)) for field in rows.schema.names}
    columns["eventName"] = constant(name, pa.string()) if isinstance(name, str) else name
    columns["isKeyEvent"] = constant("true" if is_key else "false", pa.string())
    return pa.table(columns)


def resolve_day(text: str, today: date) -> date:
    """`today`, `yesterday`, `NdaysAgo` or YYYY-MM-DD. Raises ValueError."""
    if text == "today":
        return today
    if text == "yesterday":
        return today - timedelta(days=1)
    if text.endswith("daysAgo") and text.removesuffix("daysAgo").isdigit():
        return today - timedelta(days=int(text.removesuffix("daysAgo")))
    return date.fromisoformat(text)
