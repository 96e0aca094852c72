"""The tables and records of the invented company: no behaviour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple

import pyarrow as pa

HISTORY_START = date(2025, 7, 1)
HISTORY_END = date(2026, 12, 31)  # inclusive
DEMO_TODAY = date(2026, 10, 1)
DEMO_SEED = 7

NAME = "Kontorra"
SITE_HOST = "www.kontorra.example"
TIME_ZONE = "Europe/Berlin"  # of the web property, the ad account and the reports
CURRENCY = "EUR"  # of the ad account and the reports; deals are in EUR and USD

# ----------------------------------------------------------------------------------------------------------
# Web
# ----------------------------------------------------------------------------------------------------------

SESSIONS = pa.schema(
    [
        # One row per session; ordered by started_at_utc.
        ("session_id", pa.string()),
        # The browser's true owner; no vendor ever tells it. Several visitors share a client_id on a shared
        # device, and one visitor has several client_ids on several devices.
        ("visitor_id", pa.int64()),
        ("client_id", pa.string()),  # its cookie, "1234567890.1751328000": what totalUsers counts
        ("client_id_dimension", pa.string()),  # as the custom dimension got it; null where consent was late
        ("started_at", pa.timestamp("us")),  # naive, Europe/Berlin
        ("started_at_utc", pa.timestamp("us", "UTC")),
        ("date", pa.date32()),  # Europe/Berlin
        # As resolved from tags and referrer (see tags.TrafficSource); null where they do not say.
        ("source", pa.string()),
        ("medium", pa.string()),
        ("campaign_name", pa.string()),
        ("campaign_id", pa.string()),
        ("term", pa.string()),  # utm_term only (sessionManualTerm)
        ("content", pa.string()),  # utm_content only (sessionManualAdContent)
        ("channel", pa.string()),  # Direct, Paid Search...; null where source and medium are no usual ones
        ("landing_page", pa.string()),  # path; null where no page was viewed
        ("landing_query", pa.string()),  # raw query string without "?", "" where none
        ("referrer", pa.string()),  # full address, "" where none
        ("gclid", pa.string()),  # null where none; joins ad_clicks
        ("device", pa.string()),  # desktop | mobile | tablet | smart tv
        ("country_id", pa.string()),  # ISO 3166 alpha-2; null where the counter does not know
        ("is_engaged", pa.bool_()),
        ("page_views", pa.int64()),
        ("engagement_seconds", pa.float64()),
        ("key_events", pa.int64()),  # those known at the moment asked
        ("is_new", pa.bool_()),  # first session of its client_id (newUsers)
        # When a counter knows what (UTC): first shown; traffic source known (until then null); taken out
        # again as robot traffic (null: never).
        ("seen_at", pa.timestamp("us", "UTC")),
        ("attributed_at", pa.timestamp("us", "UTC")),
        ("withdrawn_at", pa.timestamp("us", "UTC")),
    ]
)

KEY_EVENTS = pa.schema(
    [
        # One row per key event (goal) of a session.
        ("session_row", pa.int64()),  # position of its session in the sessions table beside it
        ("event_name", pa.string()),  # generate_lead | sign_up | purchase
        ("occurred_at_utc", pa.timestamp("us", "UTC")),
        ("seen_at", pa.timestamp("us", "UTC")),  # when a counter shows it
    ]
)


class Web(NamedTuple):
    """What web analytics knows at a moment; `key_events.session_row` points into `sessions`."""

    sessions: pa.Table  # SESSIONS
    key_events: pa.Table  # KEY_EVENTS


# ----------------------------------------------------------------------------------------------------------
# Ads (one account at Google)
# ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class AdCampaign:
    id: str
    channel_type: str  # search | display | shopping | video | demand | everywhere
    names: tuple[tuple[datetime, str], ...]  # (since, name), oldest first
    statuses: tuple[tuple[datetime, str], ...]  # (since, running | paused | ended), oldest first

    def name_as_of(self, now: datetime) -> str:
        return [name for since, name in self.names if since <= now][-1]

    def status_as_of(self, now: datetime) -> str:
        return [status for since, status in self.statuses if since <= now][-1]


AD_STATS = pa.schema(
    [
        # One row per day x campaign x ad group x ad with activity. A row with null ad group and ad exists at
        # campaign level only (all of one that runs everywhere, and the part of a search campaign without an own ad).
        ("date", pa.date32()),  # account zone
        ("campaign_id", pa.string()),
        ("campaign_name", pa.string()),  # the current name, on old days too
        ("campaign_status", pa.string()),  # the current status
        ("channel_type", pa.string()),
        ("ad_group_id", pa.string()),
        ("ad_group_name", pa.string()),
        ("ad_id", pa.string()),
        ("ad_name", pa.string()),
        ("impressions", pa.int64()),
        ("clicks", pa.int64()),
        ("cost_cents", pa.int64()),  # EUR x 100; settles within 3 days (invalid clicks are credited)
        ("conversions", pa.float64()),  # on the click's day; grows for 30 days
        ("conversions_value", pa.float64()),  # EUR
    ]
)

AD_CLICKS = pa.schema(
    [
        # One row per click; key gclid.
        ("gclid", pa.string()),
        ("date", pa.date32()),
        ("clicked_at_utc", pa.timestamp("us", "UTC")),
        ("campaign_id", pa.string()),
        ("ad_group_id", pa.string()),  # null for a campaign that runs everywhere
        ("ad_id", pa.string()),
    ]
)

# ----------------------------------------------------------------------------------------------------------
# Newsletter
# ----------------------------------------------------------------------------------------------------------
MAIL_CLICKS = pa.schema(
    [
        # One row per click in a newsletter, oldest first.
        ("clicked_at_utc", pa.timestamp("us", "UTC")),
        ("mailing", pa.string()),  # "Newsletter 2026-09-16", of the day it went out
        ("recipient", pa.string()),  # e-mail address as the list has it
        ("link", pa.string()),  # as it stands in the newsletter
        ("status", pa.string()),  # subscribed | unsubscribed
    ]
)

# ----------------------------------------------------------------------------------------------------------
# CRM
# ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """A field got a value at a moment (UTC, whole milliseconds)."""

    at: datetime
    value: Any  # a text; an amount as float; a close date as datetime; where somebody came from as TrafficSource
    by: str  # form | automation | hand | import | deal | checkout


@dataclass(frozen=True)
class Association:
    to_id: str
    is_primary: bool
    since: datetime


@dataclass
class Record:
    """A contact, deal or company with all that ever happens to it, in the company's own words.

    Contacts: email, first_name, last_name, country, phone, heard_from (their own words), job_title, owner (id),
    stage (business.CONTACT_STAGES); origin, first_page, last_page, first_form, last_form (names of forms); and what
    their form's hidden fields kept of the landing: utm_*, click ids, client_id.
    Deals: name, pipeline, stage, currency, amount, product, closes_at, owner, refund_of (id of the deal taken back).
    Companies: name.
    """

    id: str
    created_at: datetime
    changes: dict[str, list[Change]]  # field -> oldest first
    associations: dict[str, list[Association]] = field(default_factory=dict)  # "contacts", "companies"
    archived_at: datetime | None = None  # to the recycling bin: no change of the record
    deleted_at: datetime | None = None  # GDPR: gone for good
    merged_at: datetime | None = None  # loser of a merge: gone, and
    merged_into: str | None = None  # part of this survivor


@dataclass(frozen=True)
class RecordView:
    """A record as it stands at a moment. A field that has no value yet is in neither `values` nor `history`."""

    id: str
    values: Mapping[str, Any]
    history: Mapping[str, Sequence[Change]]  # newest first
    associations: Mapping[str, Sequence[Association]]
    absorbed: Sequence[Record]  # contacts that were merged into this one
    created_at: datetime
    updated_at: datetime  # the last change or merge; archiving and associations are none
    archived: bool
    archived_at: datetime | None


@dataclass(frozen=True)
class Owner:
    id: str
    first_name: str
    last_name: str
    email: str
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None


@dataclass(frozen=True)
class PipelineStage:
    id: str
    label: str
    display_order: int
    is_closed: bool
    probability: float


@dataclass(frozen=True)
class Pipeline:
    id: str
    label: str
    display_order: int
    created_at: datetime
    updated_at: datetime
    stages: tuple[PipelineStage, ...]


@dataclass(frozen=True)
class Form:
    id: str  # uuid
    name: str
    kind: str  # form | comments (below the blog)
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None


@dataclass(frozen=True)
class Submission:
    conversion_id: str  # uuid
    form_id: str
    submitted_at: datetime  # UTC, whole milliseconds
    page_url: str  # with its query string
    values: tuple[tuple[str, str], ...]  # (field of a contact, value) as typed, and hidden ones
    contact_id: str
    session_id: str | None  # the session it fell in; None where the script was blocked


# ----------------------------------------------------------------------------------------------------------
# Money
# ----------------------------------------------------------------------------------------------------------

FX_RATES = pa.schema(
    [
        # One row per TARGET business day x currency; base EUR. No RUB: the ECB has none.
        ("date", pa.date32()),
        ("currency", pa.string()),  # USD | GBP | CHF
        ("rate", pa.float64()),  # units of currency for 1 EUR
        ("published_at", pa.timestamp("us", "UTC")),
    ]
)
