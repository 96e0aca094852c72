"""The business rules of funnelhouse.yml as small tables: how they reach dbt without being compiled into it.

One stream per list of rules, and `settings` with one row for everything that is a single value. Nothing is
decided here; rules that stand in funnelhouse.yml get a column of the same name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

import pyarrow as pa

from dagster_project.channel_names import spelled
from dagster_project.rules import Config
from dagster_project.rules.kinds import CONVERSIONS, GRAINS, TRANSITIONS
from dagster_project.sources.config import surveys
from dagster_project.sources.config.descriptions import ABOUT, COLUMNS
from dagster_project.wire.contract import Page, Part, Stream, Tally, schema
from dagster_project.wire.ledger import COST_LINES, TARGETS
from dagster_project.wire.source import Source
from dagster_project.wire.variables import Given, SourceSettings

Row = dict[str, Any]


class ConfigSettings(SourceSettings):
    """The business rules as a source."""

    config: Config
    now: datetime

    @classmethod
    def from_rules(cls, given: Given) -> dict[str, Any]:
        return {"config": given.rules, "now": given.now}


Rows = Callable[[ConfigSettings], list[Row]]

# rules have no day of their own: all are filed under one, so that every refresh replaces the same file
_FILED_ON = date(1970, 1, 1)
_ACCOUNT = "funnelhouse.yml"
NAMED = ("source", "medium", "campaign")
IDENTITY_LIMITS = (
    "people_per_client_id",
    "people_per_click_id",
    "people_per_phone",
    "records_per_id",
    "browsers_per_login",
)

_TEXT, _INTEGER, _DOUBLE, _FLAG, _DAY = pa.string(), pa.int64(), pa.float64(), pa.bool_(), pa.date32()


def _settings(settings: ConfigSettings) -> list[Row]:
    """One row. Lists are texts with commas."""
    rules = settings.config
    return [
        {
            "today": settings.today,
            "reporting_time_zone": rules.reporting.time_zone,
            "reporting_currency": rules.reporting.currency,
            "reporting_week_start": rules.reporting.week_start,
            "reporting_fiscal_year_start_month": rules.reporting.fiscal_year_start_month,
            "web_truth": rules.web.truth,
            "web_own_domains": ",".join(rules.web.own_domains),
            "web_ignored_referrers": ",".join(rules.web.ignored_referrers),
            "brand_pattern": rules.brand.pattern,
            "crm_truth": ",".join(rules.crm_truth),
            "crm_customer": rules.crm.customer,
            **{f"identity_{limit}": getattr(rules.identity, limit) for limit in IDENTITY_LIMITS},
            **{f"naming_{parameter}": getattr(rules.channels.naming, parameter) for parameter in NAMED},
            "revenue_truth": rules.revenue_truth,
            "revenue_amounts": rules.revenue_amounts,
            "gross_margin_default": rules.gross_margin.default,
            "attribution_default_model": rules.attribution.default_model,
            "attribution_models": ",".join(rules.attribution.models),
            **{f"attribution_models_{grain}": rules.attribution.models_of(grain) for grain in GRAINS},
            "attribution_half_life_days": rules.attribution.half_life_days,
            "attribution_markov_window_days": rules.attribution.markov_window_days,
            "attribution_earlier_conversions_reset": rules.attribution.earlier_conversions_reset,
            "attribution_self_reported": rules.attribution.self_reported,
            **{f"attribution_lookback_days_{kind}": rules.attribution.lookback(kind) for kind in CONVERSIONS},
            "maturity_stage_window_days": rules.maturity.stage_window_days,
            **{_stage_window(step): rules.maturity.stage_window(step) for step in TRANSITIONS},
            "maturity_to_date_days": rules.maturity.to_date_days,
            "maturity_repeat_purchase_days": rules.maturity.repeat_purchase_days,
            "maturity_active_customer_days": _days(rules.maturity.active_customer_days),
            "exchange_rates_providers": ",".join(rules.exchange_rates.providers),
            "exchange_rates_carry_days": rules.exchange_rates.carry_days,
        }
    ]


def _days(days: int | str) -> int | None:
    """`auto` is no number of days: the models take it from the data."""
    return None if isinstance(days, str) else days


def _stage_window(transition: str) -> str:
    return f"maturity_stage_window_days_{transition.replace('>', '_to_')}"


def _stage_map(settings: ConfigSettings) -> list[Row]:
    return [
        {"crm": r.crm, "object": r.object, "pipeline": r.pipeline, "stage_value": r.value, "stage": r.stage}
        for r in settings.config.stage_rules()
    ]


def _own_channels(settings: ConfigSettings) -> list[Row]:
    return [{"channel": name} for name in settings.config.channels.own]


def _channel(settings: ConfigSettings, name: str | None) -> str | None:
    """A channel as it is declared: rules may write it in any letter case."""
    return None if name is None else spelled(name, settings.config.channels.names)


def _channel_rules(settings: ConfigSettings) -> list[Row]:
    return [
        {
            "position": position,
            "channel": _channel(settings, rule.channel),
            **rule.model_dump(include={"source", "medium", "campaign", "landing_page"}),
        }
        for position, rule in enumerate(settings.config.channels.rules, start=1)
    ]


def _source_aliases(settings: ConfigSettings) -> list[Row]:
    return [{"alias": alias, "source": source} for alias, source in settings.config.channels.source_aliases.items()]


def _campaign_aliases(settings: ConfigSettings) -> list[Row]:
    return [
        {"alias": a.alias, "platform": a.platform, "campaign": a.campaign}
        for a in settings.config.channels.campaign_aliases
    ]


def _self_reported_aliases(settings: ConfigSettings) -> list[Row]:
    return [
        {
            "position": position,
            "phrase": alias.says,
            "channel": _channel(settings, alias.channel),
            **alias.model_dump(include={"source", "medium"}),
        }
        for position, alias in enumerate(settings.config.channels.self_reported, start=1)
    ]


def _ledger(settings: ConfigSettings) -> list[Row]:
    return [
        {
            "line_id": line.id,
            "start_date": line.start,
            "end_date": line.end,
            "amount": Decimal(str(line.amount)),
            "currency_code": line.currency,
            "cost_type": line.cost_type,
            "motion": line.motion,
            "channel": _channel(settings, line.channel),
            "campaign": line.campaign,
            "acquisition_share": line.acquisition_share,
        }
        for line in settings.config.ledger
    ]


def _targets(settings: ConfigSettings) -> list[Row]:
    return [
        {
            "kpi_id": target.kpi,
            "grain": target.grain,
            "period_start": target.period_start,
            "dimension": target.dimension,
            "member": target.member,
            "target": target.value,
        }
        for target in settings.config.targets
    ]


def _gross_margins(settings: ConfigSettings) -> list[Row]:
    return [{"product": product, "margin": margin} for product, margin in settings.config.gross_margin.products.items()]


def _platform_motions(settings: ConfigSettings) -> list[Row]:
    return [{"platform": platform, "motion": motion} for platform, motion in settings.config.platform_motions.items()]


def _goals(settings: ConfigSettings) -> list[Row]:
    return [{"event_name": name} for name in settings.config.web.goals]


def _sweep(
    rows: Rows,
    parts: Callable[[list[Row]], list[Part]] | None,
    declared: pa.Schema,
    settings: ConfigSettings,
    tally: Tally,
) -> Iterator[Page]:
    found = rows(settings)
    tally.parts = parts(found) if parts else None
    filed = {"account_id": _ACCOUNT, "_extra": None, "_filed_on": _FILED_ON}
    yield Page(pa.Table.from_pylist([{**row, **filed} for row in found], schema=declared))


def _ledger_parts(lines: list[Row]) -> list[Part]:
    """The ledger is whole: there was no other cost before its first line. Without any line nobody keeps one here."""
    if not lines:
        return []
    feeds = ("cost", "media") if any(line["cost_type"] == "media" for line in lines) else ("cost",)
    return [Part("", feeds, begins=min(line["start_date"] for line in lines))]


def _stream(
    name: str,
    rows: Rows,
    key: tuple[str, ...],
    columns: dict[str, pa.DataType],
    description: str,
    *,
    feeds: tuple[str, ...] = (),
    informs: tuple[str, ...] = ("rules",),
    parts: Callable[[list[Row]], list[Part]] | None = None,
) -> Stream:
    declared = schema(*columns.items(), ("_filed_on", _DAY))
    return Stream(
        source="config",
        name=name,
        domain="config",
        kind="report",
        key=("account_id", *key),
        schema=declared,
        day="_filed_on",
        restate_days=0,
        deep_restate_days=0,
        feeds=feeds,
        informs=informs,
        sweep=partial(_sweep, rows, parts, declared),
        description=description,
    )


STREAMS: tuple[Stream, ...] = (
    _stream(
        "settings",
        _settings,
        (),
        {
            "today": _DAY,
            "reporting_time_zone": _TEXT,
            "reporting_currency": _TEXT,
            "reporting_week_start": _TEXT,
            "reporting_fiscal_year_start_month": _INTEGER,
            "web_truth": _TEXT,
            "web_own_domains": _TEXT,
            "web_ignored_referrers": _TEXT,
            "brand_pattern": _TEXT,
            "crm_truth": _TEXT,
            "crm_customer": _TEXT,
            **{f"identity_{limit}": _INTEGER for limit in IDENTITY_LIMITS},
            **{f"naming_{parameter}": _TEXT for parameter in NAMED},
            "revenue_truth": _TEXT,
            "revenue_amounts": _TEXT,
            "gross_margin_default": _DOUBLE,
            "attribution_default_model": _TEXT,
            "attribution_models": _TEXT,
            **{f"attribution_models_{grain}": _TEXT for grain in GRAINS},
            "attribution_half_life_days": _DOUBLE,
            "attribution_markov_window_days": _INTEGER,
            "attribution_earlier_conversions_reset": _FLAG,
            "attribution_self_reported": _TEXT,
            **{f"attribution_lookback_days_{kind}": _INTEGER for kind in CONVERSIONS},
            "maturity_stage_window_days": _INTEGER,
            **{_stage_window(step): _INTEGER for step in TRANSITIONS},
            "maturity_to_date_days": _INTEGER,
            "maturity_repeat_purchase_days": _INTEGER,
            "maturity_active_customer_days": _INTEGER,
            "exchange_rates_providers": _TEXT,
            "exchange_rates_carry_days": _INTEGER,
        },
        "One row: every rule that is a single value, and the day and moment of the refresh.",
    ),
    _stream(
        "stage_map",
        _stage_map,
        ("crm", "object", "pipeline", "stage_value"),
        {"crm": _TEXT, "object": _TEXT, "pipeline": _TEXT, "stage_value": _TEXT, "stage": _TEXT},
        "One row per CRM value that means a funnel stage.",
        informs=("leads", "deals", "orders"),
    ),
    _stream(
        "own_channels",
        _own_channels,
        ("channel",),
        {"channel": _TEXT},
        "One row per channel of the company's own.",
    ),
    _stream(
        "channel_rules",
        _channel_rules,
        ("position",),
        {
            "position": _INTEGER,
            "channel": _TEXT,
            **dict.fromkeys(("source", "medium", "campaign", "landing_page"), _TEXT),
        },
        "One row per channel rule of the user's own, in the order of trying.",
    ),
    _stream(
        "source_aliases",
        _source_aliases,
        ("alias",),
        {"alias": _TEXT, "source": _TEXT},
        "One row per spelling of a source.",
    ),
    _stream(
        "campaign_aliases",
        _campaign_aliases,
        ("alias", "platform"),
        {"alias": _TEXT, "platform": _TEXT, "campaign": _TEXT},
        "One row per value of utm_campaign that means a platform's campaign (id or name).",
    ),
    _stream(
        "self_reported_aliases",
        _self_reported_aliases,
        ("position",),
        {"position": _INTEGER, **dict.fromkeys(("phrase", "source", "medium", "channel"), _TEXT)},
        "One row per wording of an answer to 'How did you hear about us?', in the order of trying.",
        informs=("leads", "orders"),
    ),
    _stream(
        "ledger",
        _ledger,
        ("line_id",),
        COST_LINES,
        "One row per cost that no ad platform reports.",
        feeds=("cost", "media"),
        informs=("cost",),
        parts=_ledger_parts,
    ),
    _stream(
        "targets",
        _targets,
        ("kpi_id", "grain", "period_start", "dimension", "member"),
        TARGETS,
        "One row per KPI target.",
        informs=("targets",),
    ),
    _stream(
        "gross_margins",
        _gross_margins,
        ("product",),
        {"product": _TEXT, "margin": _DOUBLE},
        "One row per product with a gross margin of its own.",
        informs=("margins",),
    ),
    _stream(
        "platform_motions",
        _platform_motions,
        ("platform",),
        {"platform": _TEXT, "motion": _TEXT},
        "One row per ad platform whose media cost is not outbound.",
        informs=("cost",),
    ),
    _stream(
        "goals",
        _goals,
        ("event_name",),
        {"event_name": _TEXT},
        "One row per goal; none = every key event is one.",
        informs=("goals",),
    ),
    _stream(
        "survey_questions",
        lambda settings: surveys.questions(settings.config.surveys),
        ("position",),
        surveys.QUESTIONS,
        "One row per question of a survey that means something.",
    ),
)

SOURCE = Source(
    name="config",
    title="Business rules",
    gives="the rules of funnelhouse.yml as small tables; always on",
    settings=ConfigSettings,
    streams=STREAMS,
    about=ABOUT,
    columns=COLUMNS,
    is_local=True,
)
