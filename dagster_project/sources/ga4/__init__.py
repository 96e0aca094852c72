"""GA4 Data API: its streams, and which reports each of them asks for.

`calls` turns a window into calls, `client` makes the calls, `rows` decodes the answers,
`report` gives them the streams' columns. Values stay as the vendor sends them ("(not set)", texts still
percent-encoded) except that what looks like a person's address is redacted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from typing import Literal, get_args

import pyarrow as pa

from dagster_project.sources.ga4.descriptions import ABOUT, COLUMNS
from dagster_project.sources.ga4.question import DATE_RANGES, PAGE_ROWS, SOURCE_MEDIUM, Question
from dagster_project.sources.ga4.settings import Ga4Settings
from dagster_project.wire.contract import Page, Period, Stream, Tally, Window, schema
from dagster_project.wire.source import Source

# Google processes for 24 to 48 hours and restates later (support.google.com/analytics/answer/11198161);
# attribution of key events may move for 30 days (acquisition look-back window, Admin API).
RESTATE_DAYS, DEEP_RESTATE_DAYS = 3, 30
FIRST_DAY = date(2015, 8, 14)  # the API refuses earlier start dates
MONDAY, JANUARY = 0, 1

TEXT, COUNT, NUMBER, DAY = pa.string(), pa.int64(), pa.float64(), pa.date32()

# visitors_*: value of the column `dimension` -> GA4's dimension.
CUTS = {
    "total": None,
    "source": "sessionSource",
    "medium": "sessionMedium",
    "campaign": "sessionCampaignName",
    "device": "deviceCategory",
    "country": "countryId",
    "landing_page": "landingPage",
}
PERIOD_DIMENSIONS = {
    "day": "date",
    "week": "isoYearIsoWeek",
    "month": "yearMonth",
    "quarter": DATE_RANGES,
    "year": "year",
}


def read(
    stream_name: str,
    settings: Ga4Settings,
    window: Window,
    tally: Tally,
    *,
    page_rows: int = PAGE_ROWS,
    sleep: Callable[[float], None] | None = None,
) -> Iterator[Page]:
    """Pages of one stream for the whole window; `page_rows` and `sleep` are there for tests.

    Raises AuthError, QuotaError, ConfigError, DriftError or VendorError.
    """
    from dagster_project.sources.ga4 import calls  # with Google's classes

    asked = questions(stream_name, settings)
    return calls.read(asked, settings, window, tally, page_rows=page_rows, sleep=sleep)


def questions(stream_name: str, settings: Ga4Settings) -> list[Question]:
    """The reports that make up a stream; none for `sessions` without a client-id dimension."""
    stream = _BY_NAME[stream_name]
    if stream.domain == "visitors":
        return _visitor_questions(stream, settings)
    if stream.domain == "sessions":
        return _session_questions(stream, settings.client_id_dimension)
    only = ("isKeyEvent", "true") if stream_name == "key_events" else None
    return [Question(stream, "date", _texts(stream), only=only)]


def _visitor_questions(stream: Stream, settings: Ga4Settings) -> list[Question]:
    is_own = {"week": settings.week_start != MONDAY, "year": settings.year_start != JANUARY}
    period_dimension = DATE_RANGES if is_own.get(stream.period) else PERIOD_DIMENSIONS[stream.period]
    return [
        Question(stream, period_dimension, {"member": dimension}, {"dimension": cut})
        if dimension
        else Question(stream, period_dimension, {}, {"dimension": cut, "member": "all"})
        for cut, dimension in CUTS.items()
    ]


def _session_questions(stream: Stream, client_id_dimension: str | None) -> list[Question]:
    """Minute by minute a session would count wherever it has an event: its first event stands for it.

    With that filter there is room for 8 dimensions, so source and medium are asked as one.
    """
    if not client_id_dimension:
        return []
    dimensions = _texts(stream) | {
        "clientId": client_id_dimension,
        "sessionSource": SOURCE_MEDIUM,
        "sessionMedium": SOURCE_MEDIUM,
    }
    return [Question(stream, "dateHourMinute", dimensions, only=("eventName", "session_start"))]


def _texts(stream: Stream) -> dict[str, str]:
    """The stream's dimensions other than time, by their own names."""
    return {f.name: f.name for f in stream.schema if f.type == TEXT and f.name not in ("account_id", "_extra")}


def _stream(
    name: str,
    domain: Literal["web", "visitors", "sessions"],
    dimensions: dict[str, pa.DataType],
    metrics: dict[str, pa.DataType],
    description: str,
    *,
    day: str = "date",
    additive: bool = False,
    period: Period = "day",
    feeds: tuple[str, ...] = (),
    informs: tuple[str, ...] = (),
    is_on: Callable[[Ga4Settings], bool] = lambda _settings: True,
) -> Stream:
    return Stream(
        source="ga4",
        name=name,
        domain=domain,
        kind="report",
        key=(*dimensions, "account_id"),
        schema=schema(*dimensions.items(), *metrics.items()),
        day=day,
        restate_days=RESTATE_DAYS,
        deep_restate_days=DEEP_RESTATE_DAYS,
        additive=additive,
        period=period,
        earliest=lambda today: FIRST_DAY,
        is_on=is_on,
        feeds=feeds,
        informs=informs,
        read=partial(read, name),
        description=description,
    )


TRAFFIC = _stream(
    "traffic",
    "web",
    {
        "date": DAY,
        "sessionSource": TEXT,
        "sessionMedium": TEXT,
        "sessionCampaignName": TEXT,
        "sessionManualTerm": TEXT,
        "sessionManualAdContent": TEXT,
        "landingPage": TEXT,
        "deviceCategory": TEXT,
        "countryId": TEXT,
    },
    {
        "sessions": COUNT,
        "engagedSessions": COUNT,
        "newUsers": COUNT,
        "keyEvents": NUMBER,
        "screenPageViews": COUNT,
        "userEngagementDuration": NUMBER,
        "sessionKeyEventRate": NUMBER,
    },
    "Sessions by the nine dimensions that GA4 allows at once; userEngagementDuration in seconds, "
    "sessionKeyEventRate a fraction of sessions.",
    additive=True,
    feeds=("web", "web.origin", "web.engagement", "web.device"),
)
CAMPAIGNS = _stream(
    "campaigns",
    "web",
    {
        "date": DAY,
        "sessionSource": TEXT,
        "sessionMedium": TEXT,
        "sessionCampaignName": TEXT,
        "sessionCampaignId": TEXT,
        "sessionDefaultChannelGroup": TEXT,
    },
    {"sessions": COUNT},
    "Which campaign id belongs to which name, and Google's own channel to compare ours with.",
    additive=True,
    informs=("web",),
)
KEY_EVENTS = _stream(
    "key_events",
    "web",
    {
        "date": DAY,
        "eventName": TEXT,
        "sessionSource": TEXT,
        "sessionMedium": TEXT,
        "sessionCampaignName": TEXT,
        "landingPage": TEXT,
        "deviceCategory": TEXT,
        "countryId": TEXT,
    },
    {"keyEvents": NUMBER, "totalUsers": COUNT, "sessions": COUNT},
    "Key events (goals) by name; keyEvents add up, users and sessions do not (one session may have several).",
    feeds=("goals",),
)
SESSIONS = _stream(
    "sessions",
    "sessions",
    {
        "date": DAY,
        "dateHourMinute": pa.timestamp("us"),
        "clientId": TEXT,
        "sessionSource": TEXT,
        "sessionMedium": TEXT,
        "sessionCampaignName": TEXT,
        "sessionManualTerm": TEXT,
        "sessionManualAdContent": TEXT,
        "landingPagePlusQueryString": TEXT,
        "deviceCategory": TEXT,
    },
    {"sessions": COUNT, "engagedSessions": COUNT, "keyEvents": NUMBER},
    "Sessions by browser (the client-id dimension) and minute of their start, property zone; only with "
    "GA4_CLIENT_ID_DIMENSION. keyEvents counts session_start events that are key events: as a rule none.",
    additive=True,
    informs=("leads", "orders"),  # touches
    is_on=lambda settings: bool(settings.client_id_dimension),
)
VISITORS = tuple(
    _stream(
        f"visitors_{period}",
        "visitors",
        {"period_start": DAY, "dimension": TEXT, "member": TEXT},
        {"totalUsers": COUNT, "activeUsers": COUNT},
        f"Unique visitors per {period}: in total (member `all`) and by one cut at a time, as GA4 counts "
        "them. Never to be added up.",
        day="period_start",
        period=period,
        feeds=("visitors",) if period == "day" else (),
        informs=("visitors",),
    )
    for period in get_args(Period)
)
STREAMS = (TRAFFIC, CAMPAIGNS, KEY_EVENTS, *VISITORS, SESSIONS)
_BY_NAME = {stream.name: stream for stream in STREAMS}

SOURCE = Source(
    name="ga4",
    title="Google Analytics Data API",
    gives="traffic, key events, unique visitors at each grain, sessions by client id",
    settings=Ga4Settings,
    streams=STREAMS,
    about=ABOUT,
    columns=COLUMNS,
    creates="a service account with a JSON key (Google Cloud console), added under Admin > Property access management",
    least_right="Viewer of the property",
)
