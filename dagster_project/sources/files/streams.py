"""What a file drop can hold: the streams, their columns, and which of them identify a row.

Declarations only. `mappings.py` checks a mapping against them, `__init__.py` reads by them.
"""

from __future__ import annotations

from typing import get_args

import pyarrow as pa

from dagster_project.rules.kinds import CostType, Grain, Motion, Stage
from dagster_project.sources.files.stream import (
    DAY,
    DOUBLE,
    FLAG,
    HASHED,
    INTEGER,
    MOMENT,
    MONEY,
    TEXT,
    FileStream,
    days_of,
)
from dagster_project.wire.ledger import COST_LINES, TARGETS

_TOUCH = dict.fromkeys(("source", "medium", "campaign", "term", "content"), TEXT)
CLICK_IDS = dict.fromkeys(
    ("gclid", "fbclid", "yclid", "msclkid", "ttclid", "li_fat_id", "ga_client_id", "ym_client_id"), TEXT
)
_LINE = ("line_id", "start_date", "end_date", "cost_type", "motion", "channel", "campaign", "currency_code")
_STAGES = get_args(Stage)[1:]  # a row is a lead by being there
_COST_TYPES, _MOTIONS, _GRAINS = get_args(CostType), get_args(Motion), get_args(Grain)

_AD = (
    "platform", "campaign_id", "campaign_name", "channel_type", "ad_group_id", "ad_group_name", "ad_id", "ad_name", "source",
    "medium", "channel",
)  # fmt: skip
_MAIL_COUNTS = (
    "emails_sent", "emails_delivered", "bounces", "unique_opens", "unique_opens_less_proxies", "unique_clicks", "unsubscribes",
    "complaints",
)  # fmt: skip
_MAIL_FEEDS = {
    "mail.deliveries": ("emails_delivered", "bounces"),
    "mail.opens": ("unique_opens_less_proxies",),
    "mail.clicks": ("unique_clicks",),
    "mail.unsubscribes": ("unsubscribes",),
}

FILE_STREAMS: dict[str, FileStream] = {
    stream.name: stream
    for stream in (
        FileStream(
            "leads",
            "crm",
            "record",
            "created_at",
            {
                "lead_id": TEXT,
                "created_at": MOMENT,
                "updated_at": MOMENT,
                "email_hash": TEXT,
                "phone_hash": TEXT,
                "stage": TEXT,
                **{f"{stage}_at": MOMENT for stage in _STAGES},
                "channel": TEXT,
                **_TOUCH,
                **dict.fromkeys(("landing_page", "form", "device", "country", "owner_id"), TEXT),
                **CLICK_IDS,
                "self_reported_source": TEXT,  # the answer to "How did you hear about us?"
                "deleted": FLAG,
                **days_of("created_at", "mql_at", "sal_at", "sql_at", "opportunity_at", "won_at", "lost_at"),
            },
            "One row per lead of a CRM export, with the dates of the stages that the export knows.",
            id=("lead_id",),
            replaces_by=(
                "created_at",
                "email_hash",
                "phone_hash",
                "channel",
                *_TOUCH,
                "landing_page",
                "form",
                "device",
                "country",
                *CLICK_IDS,
            ),
            asides={"count": INTEGER},
            decisive=("count",),
            required=("lead_id", "created_at"),
            settles_after_days=1,
            feeds={
                "leads": (),
                "mql": ("mql_at", "stage"),
                "sal": ("sal_at",),  # of all stages the one that most CRMs do not have: `stage` alone promises none
                "sql": ("sql_at", "stage"),
                "won": ("won_at", "stage"),
            },
            dated_by=("created_at", "updated_at", *(f"{stage}_at" for stage in _STAGES)),
        ),
        FileStream(
            "deals",
            "crm",
            "record",
            "filed_at",
            {
                "deal_id": TEXT,
                "lead_id": TEXT,
                "lead_ids": pa.list_(TEXT),  # where the cell has several: all of them, lead_id first
                "customer_id": TEXT,
                "email_hash": TEXT,
                "phone_hash": TEXT,
                "channel": TEXT,
                **_TOUCH,
                "created_at": MOMENT,
                "closed_at": MOMENT,
                "status": TEXT,
                "stage": TEXT,
                "owner_id": TEXT,
                "sdr_id": TEXT,
                "amount": MONEY,
                "currency_code": TEXT,
                "product": TEXT,
                "pipeline": TEXT,
                "updated_at": MOMENT,
                "filed_at": MOMENT,  # created_at, else closed_at: exports of won deals often lack the former
                **days_of("created_at", "closed_at"),
            },
            "One row per deal of a CRM export.",
            id=("deal_id",),
            replaces_by=(
                "created_at",
                "lead_id",
                "customer_id",
                "email_hash",
                "phone_hash",
                "channel",
                *_TOUCH,
                "product",
                "pipeline",
            ),
            lists={"lead_id": "lead_ids"},
            required=("deal_id", "status"),
            settles_after_days=1,
            choices={"status": ("open", "won", "lost")},
            feeds={
                "deals": (),
                "deals.creation": ("created_at",),
                "deals.close": ("closed_at",),
                "orders": ("closed_at",),
                "orders.amount": ("amount",),
            },
            informs=("leads",),
            dated_by=("created_at", "updated_at", "closed_at"),
        ),
        FileStream(
            "orders",
            "crm",
            "record",
            "ordered_at",
            {
                "order_id": TEXT,
                "customer_id": TEXT,
                "lead_id": TEXT,
                "deal_id": TEXT,
                "email_hash": TEXT,
                "phone_hash": TEXT,
                "channel": TEXT,
                **_TOUCH,
                "ordered_at": MOMENT,
                "amount": MONEY,
                "currency_code": TEXT,
                "is_refund": FLAG,
                "refund_of": TEXT,
                "owner_id": TEXT,
                "product": TEXT,
                **days_of("ordered_at"),
            },
            "One row per order, or per refund (negative amount, or is_refund).",
            id=("order_id",),
            replaces_by=(
                "ordered_at",
                "customer_id",
                "lead_id",
                "deal_id",
                "email_hash",
                "phone_hash",
                "channel",
                *_TOUCH,
                "refund_of",
                "product",
                "currency_code",
            ),
            required=("order_id", "ordered_at"),
            settles_after_days=1,
            feeds={"orders": (), "orders.amount": ("amount",)},
            informs=("leads", "buyers"),
        ),
        FileStream(
            "ad_cost",
            "ads",
            "report",
            "date",
            {
                "date": DAY,
                **dict.fromkeys(_AD, TEXT),
                "impressions": INTEGER,
                "clicks": INTEGER,
                "cost": MONEY,
                "currency_code": TEXT,
                "conversions": DOUBLE,
                "conversions_value": DOUBLE,
            },
            "Ad cost by day and whatever of platform, campaign, ad group and ad the file has.",
            replaces_by=("date", *_AD, "currency_code"),
            labels={
                "campaign_name": "campaign_id",
                "channel_type": "campaign_id",
                "ad_group_name": "ad_group_id",
                "ad_name": "ad_id",
            },
            sums=("cost", "impressions", "clicks"),
            asides={"end_date": DAY},
            decisive=("end_date",),
            required=("date", "cost"),
            settles_after_days=3,  # as Google Ads: cost and clicks still move for three days
            feeds={"media": (), "cost": (), "ads": ()} | {f"ads.{n}": (n,) for n in ("impressions", "clicks")},
        ),
        FileStream(
            "sessions",
            "sessions",
            "record",
            "started_at",
            {
                "session_id": TEXT,
                "started_at": MOMENT,
                "client_id": TEXT,
                **_TOUCH,
                **dict.fromkeys(("landing_page_url", "referrer", "device", "country"), TEXT),
                "is_engaged": FLAG,
                # rows that stand for several visits: how many, and how many of them were what the flags say of one
                **dict.fromkeys(("count", "engaged_sessions", "new_visitors", "sessions_with_key_event"), INTEGER),
                "page_views": INTEGER,
                "engagement_seconds": DOUBLE,
                "key_events": INTEGER,
                "is_new_visitor": FLAG,
            },
            "One row per website session, or per `count` of them.",
            id=("session_id", "client_id"),  # GA4 counts sessions within a client: two browsers may share the number
            decisive=("count",),
            replaces_by=("started_at", "client_id", *_TOUCH, "landing_page_url", "referrer", "device", "country"),
            required=("session_id", "started_at"),
            settles_after_days=1,
            feeds={
                "web": (),
                "web.origin": ("source", "medium", "campaign", "landing_page_url", "referrer"),
                "web.engagement": ("is_engaged", "engaged_sessions"),
                "web.device": ("device",),
                "visitors": ("client_id",),
                "goals": ("key_events", "sessions_with_key_event"),
            },
            informs=("leads", "orders"),  # touches
        ),
        FileStream(
            "email_clicks",
            "sessions",
            "record",
            "clicked_at",
            {
                "email_hash": TEXT,
                "clicked_at": MOMENT,
                "url": TEXT,
                **_TOUCH,
            },
            "One row per click in an e-mail; its origin is that of the URL's tags, else the columns', else e-mail.",
            replaces_by=("email_hash", "clicked_at", "campaign", "url"),
            required=("email_hash", "clicked_at"),
            settles_after_days=30,  # mailers drop clicks of robots afterwards
            informs=("leads", "orders"),  # touches
        ),
        FileStream(
            "email_campaigns",
            "email",
            "report",
            "date",
            {
                "date": DAY,
                **dict.fromkeys(("campaign_id", "campaign", "platform"), TEXT),
                **dict.fromkeys(_MAIL_COUNTS, INTEGER),
            },
            "One row per e-mail campaign, under the day on which it was sent, with what came of it until the file was written.",
            replaces_by=("date", "campaign_id", "campaign", "platform"),
            labels={"campaign": "campaign_id"},
            sums=_MAIL_COUNTS,
            required=("date", "emails_sent"),
            settles_after_days=30,  # opens and clicks go on
            feeds={"mail": (), **_MAIL_FEEDS},
        ),
        FileStream(
            "survey_answers",
            "survey",
            "record",
            "answered_at",
            {
                "response_id": TEXT,
                "question_id": TEXT,
                "question": TEXT,
                "form": TEXT,
                "answered_at": MOMENT,
                "answer_number": DOUBLE,
                "answer_text": TEXT,  # of questions in surveys.questions alone
                "email_hash": TEXT,
                **_TOUCH,
                "ga_client_id": TEXT,
                **days_of("answered_at"),
            },
            "One row per answer of a respondent to a question of a survey.",
            id=("response_id", "question_id", "form"),
            replaces_by=("answered_at", "question_id", "question", "form", "email_hash", *_TOUCH, "ga_client_id"),
            required=("response_id", "question_id", "answered_at"),
            settles_after_days=1,
            feeds={"surveys": ()},
        ),
        FileStream(
            "other_costs",
            "costs",
            "report",
            "start_date",
            COST_LINES,
            "One row per cost that no ad platform reports, spread over start_date..end_date, inclusive.",
            replaces_by=_LINE,
            labels=dict.fromkeys(_LINE[1:], "line_id"),
            key=("line_id", "start_date", "end_date", "cost_type", "motion", "channel", "campaign"),
            required=("start_date", "end_date", "amount", "cost_type"),
            feeds={"cost": (), "media": ("cost_type",)},  # media only where a row is of that type
            dated_by=("start_date", "end_date"),
            choices={"cost_type": _COST_TYPES, "motion": _MOTIONS},
        ),
        FileStream(
            "targets",
            "costs",
            "report",
            "period_start",
            TARGETS,
            "One row per KPI target; rates are fractions (0.31, or 31 % with its sign).",
            id=("kpi_id", "grain", "period_start", "dimension", "member"),
            required=("kpi_id", "grain", "period_start", "target"),
            informs=("targets",),
            choices={"grain": _GRAINS},
        ),
        FileStream(
            "exchange_rates",
            "rates",
            "report",
            "date",
            {"date": DAY, "base_currency": TEXT, "currency": TEXT, "rate": DOUBLE},
            "Units of `currency` for 1 `base_currency` on a day.",
            id=("date", "base_currency", "currency"),
            required=("date", "base_currency", "currency", "rate"),
            feeds={"rates": ()},
        ),
    )
}

GA4_EXPORT = "ga4_export"

_KINDS = {MOMENT: "moment", DAY: "day", INTEGER: "whole number", DOUBLE: "number", MONEY: "amount", FLAG: "yes or no"}


def as_markdown() -> str:
    """The table of all streams and their columns, in docs/files.md."""
    plain = {hashed: name for name, hashed in HASHED.items()}
    lines = ["| stream | columns | |", "|---|---|---|"]
    for stream in FILE_STREAMS.values():
        required = {plain.get(name, name) for name in stream.required}
        hashed = {plain.get(name, name): kind for name, kind in stream.kinds.items()}
        columns = []
        for name in stream.mappable:
            kind = " or ".join(stream.choices[name]) if name in stream.choices else _KINDS.get(hashed[name], "")
            columns.append((f"**{name}**" if name in required else name) + (f" ({kind})" if kind else ""))
        lines.append(f"| `{stream.name}` | {', '.join(columns)} | {stream.description} |")
    return "\n".join(lines)
